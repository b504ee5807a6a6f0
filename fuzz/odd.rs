//! Values that a language allows and that mostly should not be there: whoever reads it has code for each of them, and
//! some of it once for every type. Bytes that change one at a time seldom become one.

use std::collections::BTreeSet;
use std::path::Path;

/// What YAML can say in the place of a value, and mostly should not: the reader has code for each, once for every type.
pub(crate) const YAML: [&str; 66] = [
    "null",
    "~",
    "",
    "!!str x",
    "!!str",
    "!!int \"1\"",
    "!!int x",
    "!!null x",
    "!!null",
    "!!bool y",
    "!!float 1",
    "!!binary aGk=",
    "!!map {}",
    "!!seq []",
    "!!set { a }",
    "!on y",
    "!x { a: b }",
    "!x [a]",
    "!x",
    "&a x",
    "&a { b: c }",
    "*a",
    "[a, b]",
    "[[[[[[]]]]]]",
    "{ a: b }",
    "{ a }",
    "{ on: }",
    "{ ? [a] : b }",
    "{ <<: { power: on } }",
    "{ <<: *a }",
    "{ power: on, power: off }",
    "{ \"\": x }",
    "{ null: x }",
    "{ 1: x }",
    "{ !!str 1: x }",
    "{ *a : x }",
    "'q'",
    "\"\\x41\\u0041\\n\"",
    "0x1F",
    "0o17",
    "1_000",
    ".inf",
    "1e400",
    "99999999999999999999",
    "2026-11-30",
    "True",
    "yes",
    "-0",
    "+5",
    "+",
    "-",
    // Numbers at the ends of our types, and where the last digit or all but it are too much.
    "-128",
    "-129",
    "-130",
    "255",
    "256",
    "260",
    "65535",
    "65536",
    "65540",
    "4294967295",
    "4294967296",
    "4294967300",
    "9223372036854775808",
    "18446744073709551616",
    "18446744073709551620",
];

/// The same of JSON, and what is just not JSON.
pub(crate) const JSON: [&str; 32] = [
    "null",
    "true",
    "fals",
    "-1",
    "-0",
    "-",
    "01",
    "1.",
    "1.5",
    "1e3",
    "1e400",
    "-1e-400",
    "1e+",
    "99999999999999999999",
    "9007199254740993.0",
    "[]",
    "[1,[2]]",
    "[[[[[[[[",
    "{}",
    r#"{"a":1,"a":2}"#,
    r#"{"at_us":0}"#,
    "{1:2}",
    r#""""#,
    r#""\u0041\ud83d\ude00\b\f\n\r\t\/\\\"""#,
    r#""\ud800""#,
    r#""\ud800\u0041""#,
    r#""\udc00""#,
    r#""\q""#,
    r#""\u00g0""#,
    "\"\u{1}\"",
    r#""open"#,
    "",
];

/// The same of TOML.
pub(crate) const TOML: [&str; 32] = [
    "true",
    "tru",
    "-1",
    "+1",
    "-0",
    "01",
    "1_0",
    "1__0",
    "0x1F",
    "0o17",
    "0b11",
    "0xg",
    "1.5",
    "1.",
    "1e3",
    "inf",
    "-nan",
    "99999999999999999999",
    "1979-05-27T07:32:00Z",
    "1979-05-27 07:32:00.5-07:00",
    "1979-13-01",
    "07:32:00",
    "[]",
    r#"[1, "a", [2]]"#,
    "{}",
    "{ a = 1, b.c = 2 }",
    "{ a = 1, a = 2 }",
    "'raw'",
    "\"\"\"\n a \\\n  b \\u0041\"\"\"",
    "'''a'''",
    r#""\q""#,
    r#""open"#,
];

/// What may stand before a value in YAML: a tag, an anchor, a mark of a list or of a text in lines.
const BEFORE: [&str; 10] =
    ["!!str ", "!!int ", "!!map ", "!!seq ", "!x ", "&a ", "? ", "- ", "|\n      ", ">-\n      "];

/// Which part of the text an oddity takes.
#[derive(Clone, Copy)]
enum Part {
    /// All of it, or up to the next mark.
    Value,
    /// All up to the next colon.
    Key,
    /// None: it stands before.
    Nothing,
}

/// The text with one of these in the place of some value. `seed` decides which, and where.
pub(crate) fn with_odd_value(text: &str, seed: u32, oddities: &[&str]) -> Option<String> {
    let seed = usize::try_from(seed).ok()?;
    with_value(text, seed / oddities.len(), oddities.get(seed % oddities.len())?)
}

/// The text with this in the place of some value. `seed` decides where.
pub(crate) fn with_value(text: &str, seed: usize, value: &str) -> Option<String> {
    let places = places(text);
    let at = *places.get(seed % places.len().max(1))?;
    Some(with_odd_at(text, at, value, Part::Value))
}

/// The text with one of its words spelt wrong. `seed` decides which, and how.
pub(crate) fn with_typo(text: &str, seed: u32) -> Option<String> {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let count = words.clone().count().max(1);
    let seed = usize::try_from(seed).ok()?;
    let word = words.nth(seed % count)?;
    let start = word.as_ptr().addr() - text.as_ptr().addr();
    let at = start + seed / count % word.len();
    let (before, rest) = text.split_at(at);
    let (c, after) = rest.split_at(1);
    let how = seed / count / word.len();
    let more = ["x", "S", "0", "_"][how / 8 % 4];
    Some(match how % 8 {
        0 => format!("{before}{after}"),
        1 => format!("{before}{c}{c}{after}"),
        2 => format!("{before}{more}{after}"),
        3 => format!("{before}{more}{c}{after}"),
        4 => format!("{before}{}{after}", c.to_uppercase()),
        5 => before.to_owned() + &text[start + word.len()..],
        6 => format!("{}{}{}", &text[..start], word.to_uppercase(), &text[start + word.len()..]),
        _ => text[..start].to_owned() + rest,
    })
}

/// Where values and keys begin.
pub(crate) fn places(text: &str) -> Vec<usize> {
    // JSON as it is mostly written has no space behind its marks.
    let marks = [":", "=", "- ", ",", "[", "{"];
    let behind = marks.iter().flat_map(|mark| text.match_indices(mark).map(|(at, mark)| at + mark.len()));
    let places: BTreeSet<usize> =
        behind.map(|at| text[at..].find(|c| c != ' ').map_or(text.len(), |spaces| at + spaces)).collect();
    places.into_iter().collect()
}

fn with_odd_at(text: &str, at: usize, odd: &str, part: Part) -> String {
    let (before, rest) = text.split_at(at);
    let len = match part {
        Part::Value => value_len(rest),
        Part::Key => rest.find([':', '=']).unwrap_or(rest.len()),
        Part::Nothing => return format!("{before}{odd}{rest}"),
    };
    let space = if before.ends_with(' ') { "" } else { " " };
    format!("{before}{space}{odd}{}", &rest[len..])
}

/// Up to the bracket or the quotation mark that ends the value which a text begins with, or up to the next mark.
fn value_len(text: &str) -> usize {
    let to_mark = || text.find([',', '}', ']', '\n']).unwrap_or(text.len());
    let (mut depth, mut is_quoted, mut is_escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ => {}
        }
        if depth <= 0 && !is_quoted {
            // What does not begin with a bracket or a quotation mark has none that ends it.
            return if at == 0 { to_mark() } else { at + c.len_utf8() };
        }
    }
    to_mark()
}

/// A text, the oddities of its language, and where to put them.
pub(crate) type Text = (String, &'static [&'static str], Vec<usize>);

/// Some texts and every oddity in every place of each, one after the other: by chance alone the last of them comes too
/// late.
pub(crate) struct Walk {
    texts: Vec<Text>,
    text: usize,
    /// Whether the text as it is has been given.
    is_told: bool,
    place: usize,
    oddity: usize,
}

impl Walk {
    pub(crate) fn new(texts: Vec<Text>) -> Self {
        Self { texts, text: 0, is_told: false, place: 0, oddity: 0 }
    }

    /// The number of the next text, and the text; nothing at the end.
    pub(crate) fn next(&mut self) -> Option<(usize, String)> {
        let (nr, (text, oddities, places)) = loop {
            let text = self.texts.get(self.text)?;
            if !self.is_told {
                self.is_told = true;
                return Some((self.text, text.0.clone()));
            }
            if self.place < text.2.len() {
                break (self.text, text);
            }
            (self.text, self.place, self.is_told) = (self.text + 1, 0, false);
        };
        let count = oddities.len();
        let (odd, part) = match self.oddity {
            value if value < count => (oddities[value], Part::Value),
            key if key < 2 * count => (oddities[key - count], Part::Key),
            before => (BEFORE[before - 2 * count], Part::Nothing),
        };
        let changed = with_odd_at(text, places[self.place], odd, part);
        self.oddity += 1;
        if self.oddity == 2 * count + BEFORE.len() {
            (self.place, self.oddity) = (self.place + 1, 0);
        }
        Some((nr, changed))
    }
}

/// The texts of all files in a folder of this repository and below, by name; none where the repository is not.
pub(crate) fn files_of(folder: &str) -> Vec<Vec<u8>> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut paths = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
}
