//! Wokwi's project files, looked at without Wokwi: what its own tools refuse, what they silently ignore, and what has
//! cost others an afternoon.

mod automation;
mod config;
mod diagram;
mod export;
mod parts;
mod plan;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::scenario::closest;
pub use crate::tree::Place;
use crate::tree::{self, Unreadable};
pub use export::{Carried, export};
pub use plan::{Action, Options, Planned, plan};

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Wokwi refuses it, or it cannot do what it says.
    Error,
    /// Wokwi takes it, and it is hardly what is meant.
    Warning,
    /// It is as it should be, and worth knowing.
    Info,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        })
    }
}

/// One thing that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The rule, by Wokwi's own name where it has one.
    pub rule: &'static str,
    /// The file.
    pub file: PathBuf,
    /// Where in it.
    pub at: Place,
    /// What is so.
    pub what: String,
    /// What to do about it; empty where that is plain.
    pub help: String,
}

/// The findings of one file, as they are made.
pub(crate) struct Findings<'a> {
    file: &'a Path,
    list: Vec<Finding>,
}

impl<'a> Findings<'a> {
    fn new(file: &'a Path) -> Self {
        Self { file, list: Vec::new() }
    }

    fn add(
        &mut self,
        severity: Severity,
        rule: &'static str,
        at: Place,
        what: impl Into<String>,
        help: impl Into<String>,
    ) {
        // Names from the file stand in both, and must not move a terminal's cursor.
        let (file, what, help) = (self.file.to_owned(), one_line(&what.into()), one_line(&help.into()));
        self.list.push(Finding { severity, rule, file, at, what, help });
    }

    fn error(&mut self, rule: &'static str, at: Place, what: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Error, rule, at, what, help);
    }

    fn warning(&mut self, rule: &'static str, at: Place, what: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Warning, rule, at, what, help);
    }

    fn info(&mut self, rule: &'static str, at: Place, what: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Info, rule, at, what, help);
    }

    fn unreadable(&mut self, rule: &'static str, error: Unreadable) {
        self.error(rule, error.at, error.why, "");
    }

    fn done(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|finding| (finding.at, finding.severity));
        self.list
    }
}

/// `did you mean ...`, where something like it is known.
fn meant(written: &str, known: &[&str]) -> String {
    closest(written, known).map_or_else(String::new, |known| format!("did you mean `{known}`?"))
}

/// What kind of Wokwi file one is, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `wokwi.toml`.
    Config,
    /// A diagram, `*.json`.
    Diagram,
    /// An automation scenario, `*.yaml`.
    Automation,
}

impl Kind {
    /// By the end of a file's name; `None` when it is none of Wokwi's.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "toml" => Some(Self::Config),
            "json" => Some(Self::Diagram),
            "yaml" | "yml" => Some(Self::Automation),
            _ => None,
        }
    }
}

/// A text on one line, without what moves a terminal's cursor.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Looks at one file. Automation is held against the diagram in its own folder, or in one above.
///
/// # Errors
/// When the file cannot be read.
pub fn lint(path: &Path, kind: Kind) -> io::Result<Vec<Finding>> {
    let diagram = path.parent().filter(|_| kind == Kind::Automation).and_then(diagram_near);
    Ok(lint_text(path, kind, &fs::read_to_string(path)?, diagram.as_deref()))
}

/// Looks at the content of a file, and at what stands beside its path; automation is held against this diagram.
pub fn lint_text(path: &Path, kind: Kind, text: &str, diagram: Option<&str>) -> Vec<Finding> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut findings = Findings::new(path);
    match kind {
        Kind::Config => match tree::read_toml(text) {
            Ok(root) => config::check(&root, folder, &mut findings),
            Err(error) => findings.unreadable("toml-parse", error),
        },
        Kind::Diagram => match tree::read_json(text) {
            Ok(root) => diagram::check(&root, &mut findings),
            Err(error) => findings.unreadable("json-parse", error),
        },
        Kind::Automation => match tree::yaml::read(text) {
            // Wokwi reads the first document.
            Ok(tree::yaml::Document { root, .. }) => {
                let diagram = diagram.and_then(|text| tree::read_json(text).ok());
                automation::check(&root, diagram.as_ref(), &mut findings);
            }
            Err(error) => findings.unreadable("yaml-parse", error),
        },
    }
    findings.done()
}

/// The diagram that a scenario in this folder is run with: the nearest one.
fn diagram_near(folder: &Path) -> Option<String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut above = folder.to_owned();
    for _ in 0..8 {
        if let Ok(text) = fs::read_to_string(above.join("diagram.json")) {
            return Some(text);
        }
        above.push("..");
    }
    None
}

/// Wokwi's files in a folder: its configuration, its diagrams, and scenarios whose names end with `.test.yaml`.
///
/// # Errors
/// When the folder cannot be read.
pub fn files(folder: &Path) -> io::Result<Vec<(PathBuf, Kind)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_ours = name == "wokwi.toml"
            || name.starts_with("diagram") && name.ends_with(".json")
            || name.ends_with(".test.yaml");
        if let (true, Some(kind)) = (is_ours, Kind::of(&path)) {
            files.push((path, kind));
        }
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(files)
}
