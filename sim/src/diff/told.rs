//! What one of two files tells: a trace file, or a snapshot of a story or an exact trace.

use std::fs;
use std::path::{Path, PathBuf};

use crate::golden;
use crate::secrets::Secrets;
use crate::trace::write_exact;
use crate::trace_file::{ReadError, TraceFile};

/// The name of the trace in a folder that a failed run has left.
const TRACE: &str = "trace.jsonl";
const STORY_END: &str = ".story.snap";
const EXACT_END: &str = ".exact.snap";

/// One thing that is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// When, in microseconds; a story has no times.
    pub at_us: Option<u64>,
    /// Who; nobody where a whole run is spoken of.
    pub actor: String,
    /// What.
    pub text: String,
}

/// What a file is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// A trace file.
    Trace(TraceFile),
    /// A story, line by line.
    Story(Vec<Item>),
    /// An exact trace, line by line, with repeats folded.
    Exact(Vec<Item>),
}

/// Why a file cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// It is no trace file.
    #[error(transparent)]
    Trace(#[from] ReadError),
    /// It cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// There is none.
    #[error("there is no file `{}`", .0.display())]
    Missing(PathBuf),
    /// One has times, the other one has none, and neither is a whole trace.
    #[error("a story has no times and an exact trace has no milestones of its own: they cannot be compared")]
    StoryAndExact,
}

impl Told {
    /// Reads a file, or the trace in the folder of a run.
    ///
    /// # Errors
    /// When it is none, or cannot be read.
    pub fn load(path: &Path) -> Result<Self, DiffError> {
        let path = if path.is_dir() { &path.join(TRACE) } else { path };
        if !path.is_file() {
            return Err(DiffError::Missing(path.to_owned()));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.ends_with(STORY_END) && !name.ends_with(EXACT_END) {
            return Ok(Self::Trace(TraceFile::load(path)?));
        }
        let text = golden::read(path).map_err(|error| DiffError::File { path: path.to_owned(), error })?;
        let text = text.unwrap_or_else(|| fs::read_to_string(path).unwrap_or_default());
        Ok(match name.ends_with(STORY_END) {
            true => Self::Story(text.lines().map(story_item).collect()),
            false => Self::Exact(text.lines().map(exact_item).collect()),
        })
    }

    /// Both as lists of the same kind.
    ///
    /// # Errors
    /// When there is no such kind.
    pub fn alike(first: &Self, second: &Self) -> Result<(Vec<Item>, Vec<Item>), DiffError> {
        Ok(match (first, second) {
            (Self::Story(_), Self::Exact(_)) | (Self::Exact(_), Self::Story(_)) => {
                return Err(DiffError::StoryAndExact);
            }
            (Self::Story(_), _) | (_, Self::Story(_)) => (first.story(), second.story()),
            (Self::Exact(_), _) | (_, Self::Exact(_)) => (first.exact(), second.exact()),
            (Self::Trace(first), Self::Trace(second)) => (events(first), events(second)),
        })
    }

    fn story(&self) -> Vec<Item> {
        match self {
            Self::Story(items) | Self::Exact(items) => items.clone(),
            Self::Trace(trace) => {
                let entries = trace.entries.iter().filter(|entry| entry.level == "story");
                let item = |actor: &String, text: &String| Item {
                    at_us: None,
                    actor: actor.clone(),
                    text: text.clone(),
                };
                entries.map(|entry| item(&entry.actor, &entry.text)).collect()
            }
        }
    }

    fn exact(&self) -> Vec<Item> {
        match self {
            Self::Story(items) | Self::Exact(items) => items.clone(),
            Self::Trace(trace) => {
                let entries = || trace.entries.iter().filter(|entry| is_exact(&entry.level));
                let times: Vec<u64> = entries().map(|entry| entry.at_us).collect();
                let lines: Vec<String> =
                    entries().map(|entry| format!("{:<10} {}", entry.actor, entry.text)).collect();
                let exact = write_exact(&times, &lines, trace.frames, &trace.frames_digest);
                exact.lines().map(exact_item).collect()
            }
        }
    }
}

/// What a trace tells of the run itself; what devices print and the scenario's own steps are no part of it.
fn events(trace: &TraceFile) -> Vec<Item> {
    let entries = trace.entries.iter().filter(|entry| is_exact(&entry.level));
    let events = entries.map(|entry| Item {
        at_us: Some(entry.at_us),
        actor: entry.actor.clone(),
        text: entry.text.clone(),
    });
    let frames = Item {
        at_us: None,
        actor: String::new(),
        text: format!("{} frames, digest {}", trace.frames, trace.frames_digest),
    };
    events.chain([frames]).collect()
}

fn is_exact(level: &str) -> bool {
    matches!(level, "story" | "detail")
}

/// `actor: text`. A trace file has stars where a token could stand, so that a snapshot has to have them too.
pub(super) fn story_item(line: &str) -> Item {
    let (actor, text) = line.split_once(": ").unwrap_or(("", line));
    Item { at_us: None, actor: actor.to_owned(), text: Secrets::default().clean(text) }
}

/// `seconds actor text`, or a remark about lines above, or about all.
pub(super) fn exact_item(line: &str) -> Item {
    let (time, rest) = line.trim_start().split_once(' ').unwrap_or(("", line));
    let micros = time.split_once('.').and_then(|(seconds, rest)| {
        let (seconds, micros) = (seconds.parse::<u64>().ok()?, rest.parse::<u64>().ok()?);
        seconds.checked_mul(1_000_000)?.checked_add(micros)
    });
    match micros.zip(rest.split_once(' ')) {
        Some((micros, (actor, text))) => Item {
            at_us: Some(micros),
            actor: actor.to_owned(),
            text: Secrets::default().clean(text.trim_start()),
        },
        None => Item { at_us: None, actor: String::new(), text: line.trim().to_owned() },
    }
}
