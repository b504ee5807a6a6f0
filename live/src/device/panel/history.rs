//! What is kept for browsers that come later, and what each of them has not seen yet.
//!
//! Nothing waits for a browser: it reads from what is kept at its own pace, and is told how much of it has gone
//! meanwhile. So what is held in memory is the same with no browser and with many.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::frames::FrameView;
use crate::device::{Picture, Update};

/// Lines that are kept.
const LINES_MAX: usize = 2_000;
/// Frames that are kept.
const FRAMES_MAX: usize = 1_000;
/// What the lines that are kept have at most, and as much the frames, in bytes.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The last of what came, each with its number from 0.
struct Ring {
    entries: VecDeque<String>,
    entries_max: usize,
    bytes: usize,
    /// The number of the next entry.
    next: u64,
}

impl Ring {
    fn new(entries_max: usize) -> Self {
        Self { entries: VecDeque::new(), entries_max, bytes: 0, next: 0 }
    }

    fn push(&mut self, entry: String) {
        self.bytes += entry.len();
        self.next += 1;
        self.entries.push_back(entry);
        while self.entries.len() > self.entries_max || self.bytes > BYTES_MAX {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }

    /// Entries from this number on as a list in JSON, and how many before them have gone already.
    fn since(&self, number: u64) -> (String, u64) {
        let first = self.next - self.entries.len() as u64;
        let skipped = usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX);
        let entries: Vec<&str> = self.entries.iter().skip(skipped).map(String::as_str).collect();
        (format!("[{}]", entries.join(",")), first.saturating_sub(number))
    }
}

/// Something in JSON that is replaced, and how often it was.
#[derive(Default)]
struct Replaced {
    now: Option<String>,
    version: u64,
}

impl Replaced {
    fn replace(&mut self, by: String) {
        self.now = Some(by);
        self.version += 1;
    }

    /// What it is now, if it was replaced since this version.
    fn since(&self, version: u64) -> &str {
        self.now.as_deref().filter(|_| self.version > version).unwrap_or("null")
    }
}

struct Kept {
    now_us: i64,
    told_at: Instant,
    picture: Replaced,
    indicator: Replaced,
    lines: Ring,
    frames: Ring,
}

/// How far a browser has been told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Cursor {
    picture: u64,
    indicator: u64,
    lines: u64,
    frames: u64,
}

/// What is kept, and a bell that rings when there is more.
pub(super) struct History {
    kept: Mutex<Kept>,
    bell: watch::Sender<()>,
}

impl History {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        let kept = Kept {
            now_us: 0,
            told_at: Instant::now(),
            picture: Replaced::default(),
            indicator: Replaced::default(),
            lines: Ring::new(LINES_MAX),
            frames: Ring::new(FRAMES_MAX),
        };
        Self { kept: Mutex::new(kept), bell: watch::Sender::new(()) }
    }

    /// Takes in what has happened.
    pub(super) fn tell(&self, update: Update, told_at: Instant) {
        let Update { now_us, picture, lines, frames } = update;
        let frames: Vec<String> =
            frames.iter().map(|(sender, frame)| json(&FrameView::new(sender, frame))).collect();
        let mut kept = self.kept();
        kept.now_us = now_us;
        kept.told_at = told_at;
        if let Some(picture) = picture {
            kept.tell_picture(&picture);
        }
        for line in lines {
            if line.contains(r#""event":"indicator""#) {
                kept.indicator.replace(line.clone());
            }
            kept.lines.push(line);
        }
        frames.into_iter().for_each(|frame| kept.frames.push(frame));
        drop(kept);
        self.bell.send_replace(());
    }

    /// Rings whenever something comes.
    pub(super) fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// The picture with the world's time, in JSON.
    pub(super) fn picture(&self, now: Instant) -> String {
        let kept = self.kept();
        format!(r#"{{"now_us":{},"picture":{}}}"#, kept.now_us(now), kept.picture.since(0))
    }

    /// The lines as JSON Lines.
    pub(super) fn lines(&self) -> String {
        let kept = self.kept();
        kept.lines.entries.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// What came behind the cursor as a message to a browser, if anything did; moves the cursor.
    pub(super) fn since(&self, cursor: &mut Cursor, now: Instant) -> Option<String> {
        let kept = self.kept();
        let next = Cursor {
            picture: kept.picture.version,
            indicator: kept.indicator.version,
            lines: kept.lines.next,
            frames: kept.frames.next,
        };
        if next == *cursor {
            return None;
        }
        let (lines, lines_left_out) = kept.lines.since(cursor.lines);
        let (frames, frames_left_out) = kept.frames.since(cursor.frames);
        let message = format!(
            concat!(
                r#"{{"kind":"update","now_us":{},"picture":{},"indicator":{},"lines":{},"frames":{},"#,
                r#""left_out":{{"lines":{},"frames":{}}}}}"#
            ),
            kept.now_us(now),
            kept.picture.since(cursor.picture),
            kept.indicator.since(cursor.indicator),
            lines,
            frames,
            lines_left_out,
            frames_left_out,
        );
        *cursor = next;
        Some(message)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn tell_picture(&mut self, picture: &Picture) {
        self.picture.replace(json(picture));
    }

    /// The world's time by the time that has passed since it was told.
    fn now_us(&self, now: Instant) -> i64 {
        let passed = now.saturating_duration_since(self.told_at).as_micros();
        self.now_us.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("texts, numbers and lists of them can be written")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hil_sim::actor::Port;
    use hil_sim::world::{NodeId, SentFrame};
    use serde_json::{Value, json};

    use super::*;

    fn frame(at_us: i64, len: usize) -> (String, SentFrame) {
        let at = smoltcp::time::Instant::from_micros(at_us);
        ("phone".to_owned(), SentFrame { at, sender: NodeId::Phone(0), port: Port::Air, bytes: vec![1; len] })
    }

    fn line(number: usize) -> String {
        format!(r#"{{"at_us":{number},"event":"console"}}"#)
    }

    fn tell(history: &History, lines: Vec<String>, frames: Vec<(String, SentFrame)>) {
        history.tell(Update { now_us: 5, picture: None, lines, frames }, Instant::now());
    }

    fn next(history: &History, cursor: &mut Cursor) -> Option<Value> {
        let message = history.since(cursor, Instant::now())?;
        Some(serde_json::from_str(&message).expect("a message is JSON"))
    }

    #[test]
    fn a_browser_is_told_everything_once() {
        let history = History::new();
        let mut cursor = Cursor::default();
        assert_eq!(next(&history, &mut cursor), None);
        tell(&history, vec![line(1), line(2)], vec![frame(3, 14)]);
        let told = next(&history, &mut cursor).expect("there is something new");
        assert_eq!(
            told["lines"],
            json!([{"at_us": 1, "event": "console"}, {"at_us": 2, "event": "console"}])
        );
        assert_eq!(told["frames"][0]["at_us"], 3);
        assert_eq!(told["frames"][0]["sender"], "phone");
        assert_eq!(next(&history, &mut cursor), None);
        tell(&history, vec![line(4)], Vec::new());
        let told = next(&history, &mut cursor).expect("there is something new");
        assert_eq!((told["lines"].as_array().map(Vec::len), &told["frames"]), (Some(1), &json!([])));
        assert_eq!(told["left_out"], json!({"lines": 0, "frames": 0}));
    }

    #[test]
    fn what_is_kept_is_bounded_and_a_slow_browser_is_told_what_it_missed() {
        let history = History::new();
        let mut cursor = Cursor::default();
        for number in 0..3 * LINES_MAX {
            tell(&history, vec![line(number)], vec![frame(number as i64, 1_500)]);
        }
        let kept = history.kept();
        assert_eq!((kept.lines.entries.len(), kept.frames.entries.len()), (LINES_MAX, FRAMES_MAX));
        let sum = |ring: &Ring| ring.entries.iter().map(String::len).sum::<usize>();
        assert_eq!([kept.lines.bytes, kept.frames.bytes], [sum(&kept.lines), sum(&kept.frames)]);
        drop(kept);
        let told = next(&history, &mut cursor).expect("there is something new");
        assert_eq!(told["lines"][0]["at_us"], 2 * LINES_MAX);
        assert_eq!(told["left_out"], json!({"lines": 2 * LINES_MAX, "frames": 3 * LINES_MAX - FRAMES_MAX}));
    }

    #[test]
    fn huge_entries_are_bounded_by_their_bytes() {
        let history = History::new();
        for _ in 0..100 {
            tell(&history, vec!["x".repeat(BYTES_MAX / 10)], Vec::new());
        }
        assert!(history.kept().lines.bytes <= BYTES_MAX);
        tell(&history, vec!["x".repeat(BYTES_MAX + 1)], Vec::new());
        assert_eq!(history.kept().lines.bytes, 0);
    }

    #[test]
    fn the_light_is_known_even_when_its_line_has_gone() {
        let history = History::new();
        tell(&history, vec![r#"{"at_us":1,"event":"indicator"}"#.to_owned()], Vec::new());
        for number in 0..=LINES_MAX {
            tell(&history, vec![line(number)], Vec::new());
        }
        let mut cursor = Cursor::default();
        let told = next(&history, &mut cursor).expect("there is something new");
        assert_eq!(told["indicator"]["at_us"], 1);
        tell(&history, vec![line(0)], Vec::new());
        assert_eq!(next(&history, &mut cursor).expect("there is something new")["indicator"], Value::Null);
    }

    #[test]
    fn the_worlds_time_goes_on_while_nothing_is_told() {
        let history = History::new();
        let start = Instant::now();
        history.tell(Update { now_us: 1_000, ..Update::default() }, start);
        let picture = history.picture(start + Duration::from_millis(7));
        assert_eq!(picture, r#"{"now_us":8000,"picture":null}"#);
    }
}
