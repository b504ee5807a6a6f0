//! Texts of TOML that have everything the language has, mostly right.

use crate::chance::{Chance, one_of};
use crate::odd;

const KEYS: [&str; 16] = [
    "wokwi",
    "version",
    "chip",
    "net",
    "a",
    "b",
    "a.b",
    "a . b",
    "\"q\"",
    "'l'",
    "\"\\u0061\"",
    "1",
    "-",
    "ü",
    "",
    "a b",
];
/// Parts of a text in double quotation marks.
const BASIC: [&str; 20] = [
    "a",
    " ",
    "\\b",
    "\\t",
    "\\n",
    "\\f",
    "\\r",
    "\\e",
    "\\\"",
    "\\\\",
    "\\x41",
    "\\u00e9",
    "\\U0001F600",
    "\\ud800",
    "\\q",
    "\\u12",
    "ü",
    "#",
    "\t",
    "\u{1}",
];
/// What a text of several lines may have beside.
const LINES: [&str; 8] = ["\n", "\r\n", "\\\n  ", "\\ \n", "\"", "\"\"", "'", "\\ x"];
const DATES: [&str; 20] = [
    "1979-05-27T07:32:00Z",
    "1979-05-27t07:32:00z",
    "1979-05-27 07:32:00.999999+05:30",
    "1979-05-27T07:32",
    "1979-05-27",
    "1979-02-29",
    "1980-02-29",
    "1979-00-01",
    "1979-04-31",
    "979-05-27",
    "07:32:00",
    "07:32",
    "7:32:00",
    "24:00:00",
    "23:60:00",
    "23:59:60",
    "07:32:00.",
    "07:32:00.1234567891",
    "1979-05-27T07:32:00+25:00",
    "1979-05-27T",
];
const NUMBERS: [&str; 24] = [
    "0",
    "-0",
    "+0",
    "1_000",
    "_1",
    "1_",
    "0x_1",
    "0xDEADbeef",
    "0X1",
    "0o7",
    "0o8",
    "0b1",
    "0b2",
    "-0x1",
    "00",
    "1.0",
    ".5",
    "5.",
    "1e5",
    "1E+5",
    "1.e5",
    "9223372036854775807",
    "9223372036854775808",
    "nan",
];
const DEPTH_MAX: usize = 3;

/// The same chance writes the same.
pub(crate) fn text(chance: &mut Chance) -> String {
    let mut text = String::new();
    let is_crowded = chance.below(16) == 0;
    for _ in 0..chance.below(if is_crowded { 90 } else { 9 }) {
        match chance.below(8) {
            0 if !is_crowded => text.extend(["[", &key(chance), "]"]),
            1 if !is_crowded => text.extend(["[[", &key(chance), "]]"]),
            2 if !is_crowded => text.push_str(one_of(
                &["# c", "#\u{1}", "[", "]", "[a", "[[a]", "= 1", "a", "a = 1 b = 2"],
                chance,
            )),
            _ => {
                let key = if is_crowded { format!("k{}", chance.below(900)) } else { key(chance) };
                text.extend([
                    key.as_str(),
                    one_of(&[" = ", " = ", "=", " ", "= \n"], chance),
                    &value(chance),
                ]);
            }
        }
        text.push_str(one_of(&["\n", "\n", "\n", "\n", "\r\n", " # c\n", "\r", "\n\n"], chance));
    }
    text
}

/// What may stand behind a key.
pub(crate) fn value(chance: &mut Chance) -> String {
    nested(chance, 0)
}

fn key(chance: &mut Chance) -> String {
    match chance.below(12) {
        0 => quoted("\"", &BASIC, chance),
        1 => format!("{}.{}", one_of(&KEYS, chance), one_of(&KEYS, chance)),
        _ => one_of(&KEYS, chance).to_owned(),
    }
}

fn nested(chance: &mut Chance, depth: usize) -> String {
    match chance.below(if depth < DEPTH_MAX { 10 } else { 7 }) {
        0 | 1 => one_of(&odd::TOML, chance).to_owned(),
        2 => one_of(&DATES, chance).to_owned(),
        3 => one_of(&NUMBERS, chance).to_owned(),
        4 => quoted("\"", &BASIC, chance),
        5 => quoted("'", &BASIC, chance),
        6 => quoted(one_of(&["\"\"\"", "'''"], chance), &[&BASIC[..], &LINES, &LINES].concat(), chance),
        7 => {
            let members: Vec<String> = (0..chance.below(4))
                .map(|_| format!("{} = {}", key(chance), nested(chance, depth + 1)))
                .collect();
            format!("{{{}{}", members.join(", "), one_of(&[" }", " }", "}", ", }", ""], chance))
        }
        _ => {
            let items: Vec<String> = (0..chance.below(4)).map(|_| nested(chance, depth + 1)).collect();
            let between = one_of(&[", ", ",", ",\n  ", ", # c\n", ",,", " "], chance);
            format!("[{}{}", items.join(between), one_of(&["]", "]", ",]", "\n]", ""], chance))
        }
    }
}

fn quoted(mark: &str, parts: &[&str], chance: &mut Chance) -> String {
    let inner: String = (0..chance.below(6)).map(|_| one_of(parts, chance)).collect();
    let end = if chance.below(30) == 0 { "" } else { mark };
    format!("{mark}{inner}{end}")
}
