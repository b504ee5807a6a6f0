//! Texts with very many of one kind, in some order: maps and sorting have code for what a few never come to.

use crate::chance::{Chance, one_of};

/// What stands before the members of a crowd, one member with `#` for its number, and what stands behind them all.
pub(crate) type Shape = (&'static str, &'static str, &'static str);

/// More than this in a file of at most 4,096 bytes have no room to say anything.
const COUNT_MAX: usize = 500;

/// A crowd of one of these shapes. Now and then somebody is there twice, or what is behind the crowd is missing.
pub(crate) fn text(shapes: &[Shape], chance: &mut Chance) -> String {
    let (before, member, after) = one_of(shapes, chance);
    let count_max = one_of(&[20, 100, 260, COUNT_MAX], chance);
    let count = 1 + chance.below(count_max);
    let mut numbers = in_some_order(count, chance);
    if chance.below(8) == 0 {
        numbers.push(chance.below(count));
    }
    let members: Vec<String> =
        numbers.iter().map(|number| member.replace('#', &format!("{number:03}"))).collect();
    let after = if chance.below(8) == 0 { "" } else { after };
    format!("{before}{}{after}", members.join(", "))
}

/// The numbers below `count`: up, down, from both ends, in runs, or in no order.
fn in_some_order(count: usize, chance: &mut Chance) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..count).collect();
    match chance.below(6) {
        0 => {}
        1 => numbers.reverse(),
        2 => numbers = (0..count.div_ceil(2)).flat_map(|low| [low, count - 1 - low]).take(count).collect(),
        3 => {
            let run = 1 + chance.below(count);
            numbers.chunks_mut(run).for_each(|run| run.reverse());
        }
        4 => numbers.rotate_left(chance.below(count)),
        _ => (1..count).rev().for_each(|last| numbers.swap(last, chance.below(last + 1))),
    }
    numbers
}
