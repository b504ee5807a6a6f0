//! Reads a trace file back: what every program that takes one needs of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{FORMAT, VERSION};

/// A run, as its file tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceFile {
    /// What the scenario is called.
    pub title: String,
    /// The seed, in decimal.
    pub seed: String,
    /// What the device was.
    pub target: String,
    /// Who takes part.
    pub actors: Vec<Actor>,
    /// What happened, by time.
    pub entries: Vec<Entry>,
    /// How many frames were sent.
    pub frames: u64,
    /// A digest of all frames and when they were sent.
    pub frames_digest: String,
}

/// Somebody who takes part.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Actor {
    /// The name, by which entries refer to it.
    pub name: String,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Entry {
    /// When, in microseconds of the world.
    pub at_us: u64,
    /// To whom.
    pub actor: String,
    /// What kind of thing it is.
    pub event: String,
    /// `story`, `detail`, `console` or `step`.
    pub level: String,
    /// What happened, in words.
    pub text: String,
}

impl Entry {
    /// The same without what moves a terminal's cursor: a file may come from anywhere, and is shown.
    fn shown(self) -> Self {
        let Self { at_us, actor, event, level, text } = self;
        Self {
            at_us,
            actor: one_line(actor),
            event: one_line(event),
            level: one_line(level),
            text: one_line(text),
        }
    }
}

fn one_line(text: String) -> String {
    match text.contains(char::is_control) {
        true => text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect(),
        false => text,
    }
}

/// Why a file is no trace that can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read at all.
    #[error("{} cannot be read: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("{}:{line}:{column}: {what}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Which character of it, from 1.
        column: usize,
        /// What is wrong with it.
        what: String,
    },
}

#[derive(Deserialize)]
struct Head {
    title: String,
    seed: String,
    target: String,
    actors: Vec<Actor>,
}

#[derive(Deserialize)]
struct End {
    frames: u64,
    frames_digest: String,
}

/// A line behind the first one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Entry(Entry),
    End(End),
}

impl TraceFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is none, or is of a version that this program does not know.
    pub fn load(path: &Path) -> Result<Self, ReadError> {
        let text =
            fs::read_to_string(path).map_err(|error| ReadError::File { path: path.to_owned(), error })?;
        Self::parse(path, &text)
    }

    /// Reads the content of a file, whose path is only for errors.
    ///
    /// # Errors
    /// When it is no trace file, or one of a version that this program does not know.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ReadError> {
        let wrong = |line, column, what| ReadError::Line { path: path.to_owned(), line, column, what };
        let mut lines = (1..).zip(text.lines());
        let (_, first) = lines.next().ok_or_else(|| wrong(1, 1, "the file is empty".to_owned()))?;
        let known: serde_json::Value = serde_json::from_str(first).unwrap_or_default();
        if known.get("format").and_then(|format| format.as_str()) != Some(FORMAT) {
            let what = format!("this is no trace: its first line does not say \"format\":\"{FORMAT}\"");
            return Err(wrong(1, 1, what));
        }
        let version = known.get("version").and_then(serde_json::Value::as_u64);
        if version != Some(u64::from(VERSION)) {
            let version = version.map_or_else(|| "unknown".to_owned(), |version| version.to_string());
            let what = format!(
                "this program reads traces of version {VERSION}, and this one is of version {version}"
            );
            return Err(wrong(1, 1, what));
        }
        let head: Head = serde_json::from_str(first).map_err(|error| json_error(path, 1, &error))?;
        let mut entries = Vec::new();
        let mut last = 1;
        for (number, line) in lines {
            last = number;
            match serde_json::from_str(line) {
                Ok(Line::Entry(entry)) => entries.push(entry.shown()),
                Ok(Line::End(End { frames, frames_digest })) => {
                    let Head { title, seed, target, actors } = head;
                    let [title, seed, target] = [title, seed, target].map(one_line);
                    let frames_digest = one_line(frames_digest);
                    return Ok(Self { title, seed, target, actors, entries, frames, frames_digest });
                }
                Err(error) => return Err(json_error(path, number, &error)),
            }
        }
        let what = "the trace ends before its last line, which says what became of the run".to_owned();
        Err(wrong(last + 1, 1, what))
    }
}

/// What the library says of one line, with the place in the file instead of that in the line.
fn json_error(path: &Path, line: usize, error: &serde_json::Error) -> ReadError {
    let what = error.to_string();
    let what = what.split(" at line ").next().unwrap_or_default().to_owned();
    let what = if what.starts_with("data did not match") {
        "this is neither an entry of a trace nor its end".to_owned()
    } else {
        what
    };
    ReadError::Line { path: path.to_owned(), line, column: error.column().max(1), what }
}
