//! What is wrong with a scenario file, where, and what to do about it.

use std::fmt;

use super::step::VERBS;
use super::value::At;
use crate::tree::Unreadable;
use crate::tree::typed::{Kind, What, Wrong};

/// A longer line is shown in part.
const SNIPPET_WIDTH_MAX: usize = 120;

/// A longer message or hint is shown in part: it may quote the file.
const MESSAGE_LEN_MAX: usize = 400;
/// A word that differs in more places is not taken for a misspelt one.
const TYPOS_MAX: usize = 3;

/// Why a file is not a scenario. `Display` shows it as `rustc` shows its errors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScenarioError {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1; 0 when the file as a whole is meant.
    pub line: u32,
    /// The column in characters, from 1; 0 when the file as a whole is meant.
    pub column: u32,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it, in one line.
    pub hint: Option<String>,
    /// The line of the file, as it can be shown on a terminal; empty when the file as a whole is meant.
    pub snippet: String,
    /// Where the caret stands in the snippet and how long it is, in characters.
    caret: (usize, usize),
}

impl ScenarioError {
    /// A complaint about a file as a whole.
    pub(super) fn of_file(file: &str, message: String) -> Self {
        Complaint { line: 0, column: 0, message, hint: None }.in_file(file, "")
    }

    /// A complaint about the first byte that is not text.
    pub(super) fn of_bytes(file: &str, error: &std::string::FromUtf8Error) -> Self {
        let bytes = error.as_bytes();
        let (before, _) = bytes.split_at(error.utf8_error().valid_up_to());
        let before = String::from_utf8_lossy(before);
        let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let line = narrow(before.matches('\n').count() + 1);
        let column = narrow(before.rsplit('\n').next().unwrap_or_default().chars().count() + 1);
        let hint = Some("a scenario is a text file; save it as UTF-8".to_owned());
        let message = "this is not UTF-8".to_owned();
        Complaint { line, column, message, hint }.in_file(file, &String::from_utf8_lossy(bytes))
    }
}

impl std::error::Error for ScenarioError {}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        if self.line == 0 {
            write!(f, " --> {}", self.file)?;
            return self.hint.iter().try_for_each(|hint| write!(f, "\n  = help: {hint}"));
        }
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let (indent, len) = self.caret;
        writeln!(f, "{gutter}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {}", self.snippet)?;
        write!(f, "{gutter} | {}{}", " ".repeat(indent), "^".repeat(len))?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n{gutter} = help: {hint}"))
    }
}

/// What is wrong at a place, before the file is known.
#[derive(Debug)]
pub(super) struct Complaint {
    line: u32,
    column: u32,
    message: String,
    hint: Option<String>,
}

impl Complaint {
    /// A complaint about a value of the file.
    pub(super) fn at<T>(place: &At<T>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        Self { line: place.line, column: place.column, message: message.into(), hint }
    }

    /// The same complaint, at this place if it has none of its own.
    pub(super) fn or_at<T>(self, place: &At<T>) -> Self {
        match self.line {
            0 => Self { line: place.line, column: place.column, ..self },
            _ => self,
        }
    }

    /// A complaint about a name that nobody has, with the names there are.
    pub(super) fn unknown(place: &At<impl fmt::Display>, what: &str, known: &[&str]) -> Self {
        let hint = match known {
            [] => format!("the world has no {what}"),
            known => suggestion(&place.to_string(), known, &format!("{what}s of this world")),
        };
        Self::at(place, format!("there is no {what} `{}`", shown(&place.to_string())), hint)
    }

    /// Says where the complaint belongs and shows the line.
    pub(super) fn in_file(self, file: &str, text: &str) -> ScenarioError {
        let Self { line, column, message, hint } = self;
        let (snippet, caret) = snippet(text, line, column);
        let message = shown(&message);
        let hint = hint.map(|hint| shown(&hint));
        ScenarioError { file: shown(file), line, column, message, hint, snippet, caret }
    }
}

impl From<Unreadable> for Complaint {
    fn from(Unreadable { at, why, is_malformed }: Unreadable) -> Self {
        if !is_malformed {
            return Self::at(&At::here((), at), why, "");
        }
        let hint = match why.contains("tab") {
            true => "indent with spaces, not tabs",
            false => "look here and above for a bracket, quote, `:` or `- ` that is missing",
        };
        Self::at(&At::here((), at), format!("this is not YAML: {why}"), hint)
    }
}

impl From<Wrong> for Complaint {
    fn from(Wrong { at, what }: Wrong) -> Self {
        let place = at.map_or(At::nowhere(()), |at| At::here((), at));
        let (message, hint) = explain(what);
        Self::at(&place, message, hint)
    }
}

/// Says what is wrong with a value in the words of the scenario language, and what to do.
fn explain(what: What) -> (String, String) {
    let fixed = |message: &str, hint: &str| (message.to_owned(), hint.to_owned());
    match what {
        What::UnknownKey { key, known } => {
            let is_step = VERBS.iter().all(|verb| known.contains(verb));
            let (what, listed) = if is_step { ("verb", &VERBS[..]) } else { ("key", known) };
            let hint = match closest(&key, known) {
                Some(meant) => did_you_mean(meant),
                None => suggestion(&key, listed, &format!("{what}s")),
            };
            (format!("unknown {what} `{key}`"), hint)
        }
        What::UnknownWord { word, known } => {
            (format!("`{word}` is not known here"), suggestion(&word, known, "words"))
        }
        What::Missing(key) => (format!("`{key}` is missing here"), String::new()),
        What::TwoKeys => fixed("only one key may stand here", "write two steps instead"),
        What::NoDetails => fixed("this word takes no value", "write the word alone, without `:`"),
        What::NeedsDetails { word, under } => {
            let hint = match under {
                Some(under) => format!("`{under}: {{ {word}: .. }}`"),
                None => format!("`{word}: ..`"),
            };
            (format!("`{word}` needs details"), hint)
        }
        What::NotA(kind) => match kind {
            Kind::Flag => fixed("expected `true` or `false`", ""),
            Kind::Number => fixed("expected a whole number", ""),
            Kind::Port => fixed("expected a whole number from 0 to 65535", ""),
            Kind::Text => fixed("expected a single text or number", "put quotes around a text with brackets"),
            Kind::List => fixed("expected a list", "lines that begin with `- `"),
            Kind::Map => fixed("expected keys and values", "`key: value`, one in a line"),
            Kind::Word => fixed("expected a word, or one key with its details", ""),
        },
        What::Message(message) => match message.split_once('\n') {
            Some((message, hint)) => fixed(message, hint),
            None => (message, String::new()),
        },
    }
}

/// "Did you mean", or the list of what could have been meant.
fn suggestion(written: &str, known: &[&str], what: &str) -> String {
    match closest(written, known) {
        Some(meant) => did_you_mean(meant),
        None => format!("the {what} are `{}`", known.join("`, `")),
    }
}

fn did_you_mean(meant: &str) -> String {
    format!("did you mean `{meant}`?")
}

/// The word that this one is most likely a misspelling of.
pub(crate) fn closest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let distances = known.iter().map(|candidate| (distance(written, candidate), *candidate));
    let limit = (written.chars().count() / 3).clamp(1, TYPOS_MAX);
    let close = distances.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance);
    close.map(|(_, candidate)| candidate)
}

/// How many letters have to be changed, added, left out or swapped with their neighbour; case and the kind of
/// dash do not count.
fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| -> Vec<char> {
        text.chars().take(64).map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    let (a, b) = (letters(a), letters(b));
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, letter) in a.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in b.iter().enumerate() {
            let changed = last[column] + usize::from(letter != other);
            let mut best = changed.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && a[row - 1] == *other && b[column - 1] == *letter {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[b.len()]
}

/// A text of bounded length without anything that would move a terminal's cursor.
fn shown(text: &str) -> String {
    let harmless =
        text.chars().map(|c| if c == '\t' { ' ' } else { c }).map(|c| if is_hostile(c) { '?' } else { c });
    let mut shown: String = harmless.take(MESSAGE_LEN_MAX).collect();
    if text.chars().nth(MESSAGE_LEN_MAX).is_some() {
        shown.push_str("...");
    }
    shown
}

/// Control characters, and the marks that turn the direction of writing.
fn is_hostile(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The line, or the part of it around the column, and where the caret stands in it.
fn snippet(text: &str, line: u32, column: u32) -> (String, (usize, usize)) {
    let index = |number: u32| usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
    if line == 0 {
        return (String::new(), (0, 0));
    }
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let line = text.lines().nth(index(line)).unwrap_or_default();
    let letters: Vec<char> = line.chars().collect();
    let at = index(column).min(letters.len());
    let from = if letters.len() > SNIPPET_WIDTH_MAX { at.saturating_sub(SNIPPET_WIDTH_MAX / 2) } else { 0 };
    let part: String = letters.iter().skip(from).take(SNIPPET_WIDTH_MAX).collect();
    let room = SNIPPET_WIDTH_MAX.saturating_sub(at - from).max(1);
    (shown(part.trim_end()), (at - from, word_len(&letters[at..]).min(room)))
}

/// How many characters belong to the word or quoted text that begins here, at least one.
fn word_len(letters: &[char]) -> usize {
    let len = match letters.first() {
        Some(quote @ ('"' | '\'')) => {
            letters.iter().skip(1).position(|c| c == quote).map_or(letters.len(), |end| end + 2)
        }
        Some(_) | None => letters
            .iter()
            .enumerate()
            .position(|(at, c)| {
                let ends_key = *c == ':' && letters.get(at + 1).is_none_or(|next| next.is_whitespace());
                ends_key || c.is_whitespace() || matches!(c, ',' | '{' | '}' | '[' | ']')
            })
            .unwrap_or(letters.len()),
    };
    len.max(1)
}
