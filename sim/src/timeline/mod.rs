//! A run as a person would tell it: who did what, when, one line each. It reads a finished trace and decides
//! nothing; what is equal line by line from run to run are the story and the exact trace, not this.

mod palette;
#[cfg(test)]
mod tests;
mod words;

use std::fmt::{self, Write};

use smoltcp::time::{Duration, Instant};

use crate::fold::{Part, fold};
use crate::scenario::Scenario;
use crate::secrets::Secrets;
use crate::trace::{Entry, Trace, What, is_story};
use crate::world::NodeId;
pub use palette::Palette;
pub use words::{counted, grouped, ratio, spoken};

/// A longer time in which nothing happens is pointed out.
const IDLE_MIN: Duration = Duration::from_secs(60);
/// Events of each actor that are shown after a failure.
const LAST_EVENTS: usize = 5;
/// Narrower columns of times would jump between short runs.
const TIME_WIDTH_MIN: usize = 9;

/// How much is told; each also tells what the one before does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Detail {
    /// The milestones.
    Story,
    /// Radio, flash, indicator, addresses, scans, failed attempts.
    Details,
    /// What the device prints on its console.
    Console,
}

/// One line and when it is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The time in the world.
    pub at: Instant,
    /// The line without its end.
    pub text: String,
}

/// Tells one run.
pub struct Timeline<'a> {
    scenario: &'a Scenario,
    trace: &'a Trace,
    palette: Palette,
    secrets: Secrets,
    time_width: usize,
    name_width: usize,
}

/// An event on its way to be a line.
struct Told {
    at: Instant,
    actor: NodeId,
    text: String,
    detail: Detail,
}

impl Told {
    /// What makes two events alike: the same words by the same actor, whatever the numbers in them.
    fn shape(&self) -> (NodeId, String) {
        let mut shape = String::with_capacity(self.text.len());
        for character in self.text.chars() {
            let character = if character.is_ascii_digit() { '0' } else { character };
            if character != '0' || !shape.ends_with('0') {
                shape.push(character);
            }
        }
        (self.actor, shape)
    }
}

impl<'a> Timeline<'a> {
    /// Prepares to tell a run of a scenario.
    pub fn new(scenario: &'a Scenario, trace: &'a Trace, palette: Palette) -> Self {
        let last = trace.entries().last().map_or(Instant::ZERO, |entry| entry.at);
        Self {
            scenario,
            trace,
            palette,
            secrets: Secrets::of(scenario),
            time_width: Clock(last).to_string().len().max(TIME_WIDTH_MIN),
            name_width: trace.actors().map(|(_, name)| name.chars().count()).max().unwrap_or(0),
        }
    }

    /// The whole run: steps as headings, events below them, repeats folded and idle times marked.
    pub fn lines(&self, detail: Detail) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut told: Vec<Told> = Vec::new();
        let mut last_at = Instant::ZERO;
        for entry in self.trace.entries() {
            if let What::Step(number) | What::Fired(number) = entry.what {
                self.push_events(&mut lines, &mut last_at, &told);
                told.clear();
                self.push_idle(&mut lines, &mut last_at, entry.at);
                lines.push(Line { at: entry.at, text: self.heading(number, &entry.what) });
            } else {
                told.extend(self.tell(entry).filter(|told| told.detail <= detail));
            }
        }
        self.push_events(&mut lines, &mut last_at, &told);
        lines
    }

    /// The last events of each actor, with its details.
    pub fn last_events(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (actor, name) in self.trace.actors() {
            let entries = self.trace.entries().iter().rev().filter(|entry| entry.actor == actor);
            let told = entries.filter_map(|entry| self.tell(entry));
            let mut last: Vec<Told> =
                told.filter(|told| told.detail <= Detail::Details).take(LAST_EVENTS).collect();
            last.reverse();
            if last.is_empty() {
                let nothing = format!("{:>width$}  ", "", width = self.time_width);
                let (name, words) = (self.name(actor, name), self.palette.quiet("did nothing"));
                lines.push(format!("{nothing}{name}  {words}"));
            }
            lines.extend(last.iter().map(|told| self.event(told)));
        }
        lines
    }

    /// A text with the scenario's secrets starred, on one line.
    pub fn clean(&self, text: &str) -> String {
        self.secrets.clean(text)
    }

    /// What an entry is told as; steps are headings, and empty console lines only space.
    fn tell(&self, entry: &Entry) -> Option<Told> {
        let detail = match &entry.what {
            What::Step(_) | What::Fired(_) => return None,
            What::Console(line) if self.trace.printed(*line).trim().is_empty() => return None,
            What::Console(_) => Detail::Console,
            what if is_story(what) => Detail::Story,
            What::Device(_)
            | What::Radio(_)
            | What::Pattern(_)
            | What::Flash(_)
            | What::PowerOn
            | What::PowerOff
            | What::PowerCut
            | What::Brownout
            | What::Watchdog
            | What::FrameMissed
            | What::Phone(_)
            | What::Router(_)
            | What::Cloud(_) => Detail::Details,
        };
        let text = self.clean(&self.trace.tell(&entry.what));
        Some(Told { at: entry.at, actor: entry.actor, text, detail })
    }

    fn push_events(&self, lines: &mut Vec<Line>, last_at: &mut Instant, events: &[Told]) {
        let shapes: Vec<_> = events.iter().map(Told::shape).collect();
        for part in fold(&shapes) {
            match part {
                Part::Shown(range) => {
                    for told in events.get(range).unwrap_or_default() {
                        self.push_idle(lines, last_at, told.at);
                        lines.push(Line { at: told.at, text: self.event(told) });
                    }
                }
                Part::Hidden { lines: range, period } => {
                    let behind = events.get(range.end);
                    let hidden = events.get(range).unwrap_or_default();
                    let Some(last) = hidden.last() else { continue };
                    let took = spoken(last.at.max(*last_at) - *last_at);
                    let rounds = grouped(u64::try_from(hidden.len() / period).unwrap_or(u64::MAX));
                    let words = match period {
                        1 => format!("... {rounds} more in {took}"),
                        _ => format!("... the same {rounds} more times in {took}"),
                    };
                    // The time up to the next round belongs to the repeat and is no idle time.
                    *last_at = behind.map_or(last.at, |told| told.at);
                    lines.push(Line { at: last.at, text: self.remark(&words) });
                }
            }
        }
    }

    fn push_idle(&self, lines: &mut Vec<Line>, last_at: &mut Instant, at: Instant) {
        let idle = at.max(*last_at) - *last_at;
        if idle >= IDLE_MIN {
            lines.push(Line { at, text: self.remark(&format!("... {} later", spoken(idle))) });
        }
        *last_at = at;
    }

    fn heading(&self, number: usize, what: &What) -> String {
        let comes = if matches!(what, What::Fired(_)) { " happens" } else { "" };
        let step = number.checked_sub(1).and_then(|index| self.scenario.steps.get(index));
        let Some(step) = step else { return self.palette.quiet(format_args!("-- step {number}")) };
        let (line, words) = (step.line, self.clean(&step.describe()));
        self.palette.quiet(format_args!("-- step {number} (line {line}){comes}: {words}"))
    }

    fn event(&self, told: &Told) -> String {
        let time = self.palette.quiet(format_args!("{:>width$}", Clock(told.at), width = self.time_width));
        let name = self.name(told.actor, self.trace.name(told.actor));
        match told.detail {
            Detail::Story => format!("{time}  {name}  {}", told.text),
            Detail::Details | Detail::Console => {
                format!("{time}  {name}  {}", self.palette.quiet(&told.text))
            }
        }
    }

    fn name(&self, actor: NodeId, name: &str) -> String {
        self.palette.actor(actor, format_args!("{name:<width$}", width = self.name_width))
    }

    fn remark(&self, words: &str) -> String {
        let mut line = String::new();
        // Writing to a string does not fail.
        let _ = write!(line, "{:>width$}  {}", "", self.palette.quiet(words), width = self.time_width);
        line
    }
}

/// A time since the beginning as seconds and milliseconds.
struct Clock(Instant);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.total_millis();
        f.pad(&format!("{}.{:03}", ms / 1_000, ms % 1_000))
    }
}
