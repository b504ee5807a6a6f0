//! Texts of JSON with comments that have everything the language has, mostly right.

use crate::chance::{Chance, one_of};
use crate::odd;

const NAMES: [&str; 14] = [
    "version",
    "parts",
    "connections",
    "id",
    "type",
    "attrs",
    "left",
    "top",
    "a",
    "ü",
    "\\u0061",
    "\\q",
    "",
    "serialMonitor",
];
/// Parts of a text.
const PARTS: [&str; 20] = [
    "a",
    "esp:9",
    "b:1.l",
    " ",
    "\\b",
    "\\f",
    "\\n",
    "\\r",
    "\\t",
    "\\\"",
    "\\/",
    "\\\\",
    "\\u00e9",
    "\\ud83d\\ude00",
    "\\ud800",
    "\\ude00",
    "\\u12",
    "\\x",
    "ü",
    "\n",
];
const SPACES: [&str; 14] =
    ["", "", "", " ", "\n", "\r\n", "\t", "// c\n", "/* c */", "/* c", "/", "#", "\u{FEFF}", "\u{A0}"];
const DEPTH_MAX: usize = 4;

/// The same chance writes the same.
pub(crate) fn value(chance: &mut Chance) -> String {
    match chance.below(16) {
        0 => {
            let members: Vec<String> = (0..chance.below(90))
                .map(|_| format!("\"k{}\":{}", chance.below(900), chance.below(9)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        _ => nested(chance, 0),
    }
}

fn nested(chance: &mut Chance, depth: usize) -> String {
    let before = if chance.below(6) == 0 { one_of(&SPACES, chance) } else { "" };
    let value = match chance.below(if depth < DEPTH_MAX { 8 } else { 4 }) {
        0 | 1 => one_of(&odd::JSON, chance).to_owned(),
        2 => chance.below(300).to_string(),
        3 => text(&PARTS, chance),
        4 | 5 => {
            let members: Vec<String> = (0..chance.below(5)).map(|_| member(chance, depth)).collect();
            format!(
                "{{{}{}",
                members.join(mark(chance)),
                one_of(&["}", "}", "}", ",}", " }", "]", ""], chance)
            )
        }
        _ => {
            let items: Vec<String> = (0..chance.below(5)).map(|_| nested(chance, depth + 1)).collect();
            format!("[{}{}", items.join(mark(chance)), one_of(&["]", "]", "]", ",]", " ]", "}", ""], chance))
        }
    };
    let after = if chance.below(6) == 0 { one_of(&SPACES, chance) } else { "" };
    format!("{before}{value}{after}")
}

fn member(chance: &mut Chance, depth: usize) -> String {
    let name = match chance.below(12) {
        0 => one_of(&["a", "'a'", "1", "null", "{}", ""], chance).to_owned(),
        1 => text(&PARTS, chance),
        _ => format!("\"{}\"", one_of(&NAMES, chance)),
    };
    let colon = if chance.below(20) == 0 { one_of(&["", " ", "::", "="], chance) } else { ":" };
    format!("{name}{colon}{}", nested(chance, depth + 1))
}

fn mark(chance: &mut Chance) -> &'static str {
    if chance.below(12) == 0 { one_of(&["", " ", ",,", ";", ",\n// c\n"], chance) } else { "," }
}

fn text(parts: &[&str], chance: &mut Chance) -> String {
    let inner: String = (0..chance.below(5)).map(|_| one_of(parts, chance)).collect();
    let end = if chance.below(30) == 0 { "" } else { "\"" };
    format!("\"{inner}{end}")
}
