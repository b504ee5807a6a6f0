//! What the page and the server say to each other: JSON, a frame each.

use std::borrow::Cow;

use data_encoding::BASE64;
use serde::Serialize;
use serde_json::Value;

use super::Parts;

/// How much is shown of a text that others wrote.
const SHOWN_LEN_MAX: usize = 60;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum ToPage<'a> {
    Start {
        elf: String,
        #[serde(rename = "espBin")]
        parts: Vec<(u32, String)>,
    },
    Gdb {
        message: Cow<'a, str>,
    },
    GdbBreak,
}

impl ToPage<'_> {
    fn json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can be written as JSON")
    }
}

/// Starts the simulation: the program for its symbols, and what the flash holds at which address.
pub(super) fn start(elf: &[u8], parts: &Parts) -> String {
    let parts = parts.iter().map(|(address, bytes)| (*address, BASE64.encode(bytes))).collect();
    ToPage::Start { elf: BASE64.encode(elf), parts }.json()
}

/// A packet for the debugger's stub in the page, without its frame.
pub(super) fn gdb(payload: &[u8]) -> String {
    // JSON carries no bytes. A packet with bytes that are no UTF-8 writes memory (`X`), and each of its bytes must
    // stay one unit: so each becomes the character of its number.
    let message = match str::from_utf8(payload) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => payload.iter().copied().map(char::from).collect(),
    };
    ToPage::Gdb { message }.json()
}

/// Halts the simulated processor.
pub(super) fn gdb_break() -> String {
    ToPage::GdbBreak.json()
}

/// What the page says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FromPage {
    /// What the simulated chip sends at its serial port.
    Serial(Vec<u8>),
    /// The stub's answer in its frame.
    GdbResponse(String),
    /// Something else; what that is.
    Other(String),
}

impl FromPage {
    /// Understands what it can; the page may be newer than this program.
    pub(super) fn read(text: &str) -> Self {
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return Self::Other("what is no JSON".to_owned());
        };
        match message.get("type").and_then(Value::as_str) {
            Some("uartData") => match message.get("bytes").and_then(Value::as_array) {
                Some(bytes) => Self::Serial(bytes.iter().filter_map(byte).collect()),
                None => Self::Other("`uartData` without its bytes".to_owned()),
            },
            Some("gdbResponse") => match message.get("response").and_then(Value::as_str) {
                Some(response) => Self::GdbResponse(response.to_owned()),
                None => Self::Other("`gdbResponse` without its text".to_owned()),
            },
            Some(kind) => Self::Other(format!("`{}`", shown(kind))),
            None => Self::Other("a message without type".to_owned()),
        }
    }
}

/// A number that is no byte's cannot come from a serial port.
fn byte(value: &Value) -> Option<u8> {
    value.as_u64().and_then(|number| u8::try_from(number).ok())
}

/// A text of others, shortened, on one line, without what moves a terminal's cursor or turns its writing round.
pub(super) fn shown(text: &str) -> String {
    let harmless = |c: char| {
        let turns = matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns { char::REPLACEMENT_CHARACTER } else { c }
    };
    let mut line: String = text.chars().take(SHOWN_LEN_MAX).map(harmless).collect();
    if text.chars().nth(SHOWN_LEN_MAX).is_some() {
        line.push('…');
    }
    line
}
