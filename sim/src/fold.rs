//! Finds repeats, so that a thousand lines that say the same are not shown one by one.

use std::ops::Range;

/// The most lines that may make up one round of a repeat: a reconnect with its scans has fewer.
const PERIOD_MAX: usize = 40;
/// Fewer hidden lines are not worth the line that says so.
const HIDDEN_MIN: usize = 3;

/// A stretch of lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// To be shown.
    Shown(Range<usize>),
    /// Rounds that repeat the one before; the last round stands in the part behind.
    Hidden {
        /// The lines.
        lines: Range<usize>,
        /// How many of them are one round.
        period: usize,
    },
}

/// Splits lines, given by what makes two of them alike, into what is shown and what repeats. Of every repeat
/// the first and the last round are shown.
pub(crate) fn fold<K: PartialEq>(lines: &[K]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut shown_from = 0;
    let mut at = 0;
    while at < lines.len() {
        let Some((period, hidden)) = best_repeat(lines.get(at..).unwrap_or_default()) else {
            at += 1;
            continue;
        };
        let hidden_from = at + period;
        parts.push(Part::Shown(shown_from..hidden_from));
        parts.push(Part::Hidden { lines: hidden_from..hidden_from + hidden, period });
        shown_from = hidden_from + hidden;
        at = shown_from + period;
    }
    if shown_from < lines.len() {
        parts.push(Part::Shown(shown_from..lines.len()));
    }
    parts
}

/// The repeat at the beginning of the lines that hides most: the length of its round, and the lines hidden.
fn best_repeat<K: PartialEq>(lines: &[K]) -> Option<(usize, usize)> {
    let mut best = None;
    for period in 1..=PERIOD_MAX.min(lines.len() / 2) {
        let behind = lines.get(period..).unwrap_or_default();
        let alike = lines.iter().zip(behind).take_while(|(line, later)| line == later).count();
        // Of `alike / period` further rounds the last is shown.
        let hidden = (alike / period).saturating_sub(1) * period;
        if hidden >= HIDDEN_MIN && best.is_none_or(|(_, most)| hidden > most) {
            best = Some((period, hidden));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes hidden lines as `(count/period)`.
    #[track_caller]
    fn check(lines: &str, expected: &str) {
        let keys: Vec<char> = lines.chars().collect();
        let written: String = fold(&keys)
            .into_iter()
            .map(|part| match part {
                Part::Shown(range) => keys[range].iter().collect(),
                Part::Hidden { lines, period } => format!("({}/{period})", lines.len()),
            })
            .collect();
        assert_eq!(written, expected);
    }

    #[test]
    fn repeats_keep_their_first_and_last_round() {
        check("", "");
        check("abc", "abc");
        check("aaaa", "aaaa");
        check("aaaaa", "a(3/1)a");
        check("xaaaaaaay", "xa(5/1)ay");
        check("xabababababy", "xab(6/2)aby");
    }

    #[test]
    fn the_round_that_hides_most_is_taken() {
        check("aaabaaabaaabaaabaaab", "aaab(12/4)aaab");
        check("aaaaabbbbb", "a(3/1)ab(3/1)b");
    }
}
