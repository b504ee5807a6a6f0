//! Where two runs part, as a person would tell it: what both have in common, the first thing that differs, and what
//! every actor did before and after.

#[cfg(test)]
mod tests;
mod told;

use std::collections::BTreeMap;

use smoltcp::time::{Duration, Instant};

use crate::timeline::{Palette, counted, spoken};
use crate::trace::Seconds;
pub use told::{DiffError, Item, Told};

/// Things that both have in common, before they part, which are shown.
const BEFORE: usize = 3;
/// Things of each that are shown from there on.
const BEHIND: usize = 4;
/// How far the same thing is looked for in the other one.
const LOOKED_FOR: usize = 2_000;

/// Where two lists part: the number of things that they have in common; `None` when they are the same.
pub fn parting(first: &[Item], second: &[Item]) -> Option<usize> {
    if first == second {
        return None;
    }
    Some(first.iter().zip(second).take_while(|(a, b)| a == b).count())
}

/// What is shown of two lists that part at `at`.
pub fn lines(first: &[Item], second: &[Item], at: usize, palette: Palette) -> Vec<String> {
    let show = Shown { width: actor_width(first, second), palette };
    let common = first.get(..at).unwrap_or_default();
    let mut lines = Vec::new();
    let same = counted(at, "event", "events");
    let until = common.last().and_then(|item| item.at_us).map(|us| format!(", up to {} s", seconds(us)));
    lines.push(match at {
        0 => "They part at the first event.".to_owned(),
        _ => format!("The first {same} are the same{}.", until.unwrap_or_default()),
    });
    lines.push(String::new());
    lines.extend(last(common, BEFORE).iter().map(|item| show.common(item)));
    for (name, list) in [("A", first), ("B", second)] {
        let behind = list.get(at..).unwrap_or_default();
        let shown = behind.iter().take(BEHIND).enumerate();
        lines.extend(shown.map(|(index, item)| show.one(name, item, index == 0)));
        if behind.is_empty() {
            lines.push(show.nothing(name));
        }
    }
    lines.push(String::new());
    lines.push(verdict(first, second, at));
    lines.push(String::new());
    lines.extend(actors(first, second, at, show));
    lines
}

/// What the matter is with the first thing that differs, in a sentence.
fn verdict(first: &[Item], second: &[Item], at: usize) -> String {
    let (a, b) = match (first.get(at), second.get(at)) {
        (Some(a), Some(b)) => (a, b),
        (Some(_), None) => return "B ends here, and A goes on.".to_owned(),
        (None, Some(_)) => return "A ends here, and B goes on.".to_owned(),
        (None, None) => return "Both end here.".to_owned(),
    };
    if a.actor.is_empty() && b.actor.is_empty() {
        return "Every event is the same, but what stands here of many is not: see the numbers.".to_owned();
    }
    if (&a.actor, &a.text) == (&b.actor, &b.text) {
        return match a.at_us.zip(b.at_us) {
            Some((at_a, at_b)) if at_a < at_b => {
                format!("It is the same event, {} later in B.", time(at_b - at_a))
            }
            Some((at_a, at_b)) => format!("It is the same event, {} earlier in B.", time(at_a - at_b)),
            None => "It is the same event, and has a time in one of them only.".to_owned(),
        };
    }
    let found = |item: &Item, list: &[Item]| {
        let behind = list.get(at..).unwrap_or_default().iter().take(LOOKED_FOR);
        behind.enumerate().position(|(_, other)| (&other.actor, &other.text) == (&item.actor, &item.text))
    };
    match (found(a, second), found(b, first)) {
        (None, Some(others)) => {
            format!("A has {} here that B has not.", counted(others, "event", "events"))
        }
        (Some(others), None) => {
            format!("B has {} here that A has not.", counted(others, "event", "events"))
        }
        (Some(_), Some(_)) => "Both come in each of them, but in another order.".to_owned(),
        (None, None) if a.actor == b.actor => format!("Here {} does something else.", a.actor),
        (None, None) => "Something else happens, to somebody else.".to_owned(),
    }
}

/// What each actor did last in both, and what it does next in each.
fn actors(first: &[Item], second: &[Item], at: usize, show: Shown) -> Vec<String> {
    let common = first.get(..at).unwrap_or_default();
    let mut last: BTreeMap<&str, &Item> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for item in first.iter().chain(second).filter(|item| !item.actor.is_empty()) {
        if !order.contains(&item.actor.as_str()) {
            order.push(&item.actor);
        }
    }
    common.iter().for_each(|item| {
        last.insert(&item.actor, item);
    });
    let mut lines = Vec::new();
    for actor in order {
        lines.push(show.palette.strong(actor));
        let next = |list: &[Item]| {
            let behind = list.get(at..).unwrap_or_default();
            behind.iter().find(|item| item.actor == actor).cloned()
        };
        lines.push(match last.get(actor) {
            Some(item) => show.common(item),
            None => show.palette.quiet("   nothing yet"),
        });
        match (next(first), next(second)) {
            (a, b) if a == b => lines.push(match a {
                Some(item) => show.common(&item),
                None => show.palette.quiet("   nothing more"),
            }),
            (a, b) => {
                lines.push(a.map_or_else(|| show.nothing("A"), |item| show.one("A", &item, true)));
                lines.push(b.map_or_else(|| show.nothing("B"), |item| show.one("B", &item, true)));
            }
        }
    }
    lines
}

/// How things are shown.
#[derive(Clone, Copy)]
struct Shown {
    /// How long the actors' names are.
    width: usize,
    palette: Palette,
}

impl Shown {
    fn item(self, mark: &str, item: &Item) -> String {
        let time = item.at_us.map(|us| format!("{:>14}  ", seconds(us))).unwrap_or_default();
        let actor = match item.actor.as_str() {
            "" => String::new(),
            actor => format!("{actor:<width$}  ", width = self.width),
        };
        format!("{mark:<2} {time}{actor}{}", item.text)
    }

    fn common(self, item: &Item) -> String {
        self.palette.quiet(self.item("", item))
    }

    /// One of A's or B's; the first one is what differs.
    fn one(self, mark: &str, item: &Item, is_first: bool) -> String {
        let line = self.item(mark, item);
        match (mark, is_first) {
            ("A", true) => self.palette.bad(line),
            (_, true) => self.palette.good(line),
            (_, false) => line,
        }
    }

    fn nothing(self, mark: &str) -> String {
        self.palette.quiet(format_args!("{mark:<2} nothing more"))
    }
}

fn last(items: &[Item], count: usize) -> &[Item] {
    items.get(items.len().saturating_sub(count)..).unwrap_or_default()
}

fn actor_width(first: &[Item], second: &[Item]) -> usize {
    first.iter().chain(second).map(|item| item.actor.chars().count()).max().unwrap_or(0)
}

fn seconds(us: u64) -> String {
    Seconds(Instant::from_micros(i64::try_from(us).unwrap_or(i64::MAX))).to_string()
}

/// A difference of times: short ones to the microsecond.
fn time(us: u64) -> String {
    if us < 1_000_000 {
        format!("{}.{:03} ms", us / 1_000, us % 1_000)
    } else {
        spoken(Duration::from_micros(us))
    }
}
