//! Texts of YAML that have everything the language has, mostly right: directives, tags, anchors, comments, lines that
//! are folded, keys of any kind. Bytes that change one at a time seldom become one.

use crate::chance::{Chance, one_of};

const DIRECTIVES: [&str; 11] = [
    "%YAML 1.2",
    "%YAML 1.1",
    "%YAML 2.0",
    "%YAML 1.2 # c",
    "%YAML 1.",
    "%YAML x",
    "%TAG ! tag:x,2026:",
    "%TAG !e! !x",
    "%TAG !e",
    "%OTHER a b",
    "%TAG !e! tag:yaml.org,2002:",
];
/// What stands before a node.
const PROPERTIES: [&str; 28] = [
    "&a",
    "&b",
    "!!str",
    "!!int",
    "!!map",
    "!!seq",
    "!x",
    "!e!x",
    "!e!%C3%BC",
    "!e!%zz",
    "!",
    "!<tag:x>",
    "!<tag:x",
    "!<>",
    "&a !!str",
    "!!str &b",
    "&a &b",
    "&",
    "!!strx",
    "!!in",
    "!!boolean",
    "!!nul",
    "!!bool",
    "!!float",
    "!!null",
    "!<tag:yaml.org,2002:str>",
    "!<tag:yaml.org,2002:strx>",
    "!e!str",
];
const PLAIN: [&str; 34] = [
    "a", "a b", "a#b", "a #b", "a:b", "a: b", "a :b", "-", "-a", "- a", "?", "?a", ":", ":a", "*a", "*b",
    "*", "%a", "@a", "`a", "|a", "größer", "😀", "\u{FEFF}", "\u{85}", "\u{2028}", "\u{1}", "---", "...",
    "null", "-1", "0x1F", "[", "}",
];
/// Parts of texts in double quotation marks.
const DOUBLE: [&str; 34] = [
    "a",
    " ",
    "\\0",
    "\\a",
    "\\b",
    "\\t",
    "\\\t",
    "\\n",
    "\\v",
    "\\f",
    "\\r",
    "\\e",
    "\\ ",
    "\\\"",
    "\\/",
    "\\\\",
    "\\N",
    "\\_",
    "\\L",
    "\\P",
    "\\x41",
    "\\xZ",
    "\\u0041",
    "\\ud83d\\ude00",
    "\\ud800",
    "\\U0001F600",
    "\\UFFFFFFFF",
    "\\q",
    "\\\n  ",
    "\n  ",
    "\n\n  ",
    "\t",
    "#",
    "ü",
];
const SINGLE: [&str; 10] = ["a", " ", "''", "\n  ", "\n\n  ", "\\n", "#", ": ", "ü", "\t"];
/// How a text in lines begins.
const HEADERS: [&str; 16] =
    ["|", ">", "|+", "|-", ">+", ">-", "|2", ">1-", "|+9", "|0", "|10", "|+-", "| # c", ">#c", "|x", "|2 "];
/// Lines of such a text.
const LINES: [&str; 10] = ["a", "a b", " a", "", "\ta", "#c", "- a", "---", "ü", "  "];
/// Characters that YAML does not allow, nearly does not, or of which a reader has its own opinion.
const ODD: [&str; 14] = [
    "\u{0}",
    "\u{7}",
    "\u{7F}",
    "\u{80}",
    "\u{85}",
    "\u{9F}",
    "\u{A0}",
    "\u{2029}",
    "\u{D7FF}",
    "\u{E000}",
    "\u{FEFF}",
    "\u{FFFE}",
    "\u{10FFFF}",
    "\t",
];
const COMMENTS: [&str; 6] = [" # c", "# c", "\n# c", "\n\n  # ü\n", " #", "\t# c"];
/// How deep a node may be before it has no others in it.
const DEPTH_MAX: usize = 4;

/// The same chance writes the same.
pub(crate) fn stream(chance: &mut Chance) -> String {
    let mut writer = Writer { chance, text: String::new() };
    if writer.one_in(16) {
        writer.text.push('\u{FEFF}');
    }
    for _ in 0..=writer.chance.below(8) / 6 {
        writer.document();
    }
    let mut text = writer.text;
    match chance.below(16) {
        3 => {
            let at = text.floor_char_boundary(chance.below(text.len() + 1));
            text.insert_str(at, one_of(&ODD, chance));
        }
        0 => text = text.replace('\n', "\r\n"),
        1 => text = text.replace('\n', "\r"),
        2 => text.truncate(text.floor_char_boundary(chance.below(text.len() + 1))),
        _ => {}
    }
    text
}

/// One node, as it stands in a line.
pub(crate) fn value(chance: &mut Chance) -> String {
    if chance.below(16) == 0 {
        return crowd(chance);
    }
    let mut writer = Writer { chance, text: String::new() };
    writer.node(2, 1, true);
    writer.text
}

/// Many keys or anchors, in any order.
fn crowd(chance: &mut Chance) -> String {
    let count = (8 << chance.below(6)) + chance.below(60);
    let is_anchors = chance.below(2) == 0;
    let members: Vec<String> = (0..count)
        .map(|_| chance.below(1_000))
        .map(|nr| if is_anchors { format!("&a{nr} x") } else { format!("k{nr}: x") })
        .collect();
    let members = members.join(", ");
    if is_anchors { format!("[{members}]") } else { format!("{{{members}}}") }
}

struct Writer<'a> {
    chance: &'a mut Chance,
    text: String,
}

impl Writer<'_> {
    fn one_in(&mut self, count: usize) -> bool {
        self.chance.below(count) == 0
    }

    fn one_of(&mut self, of: &[&str]) {
        self.text.push_str(one_of(of, self.chance));
    }

    fn document(&mut self) {
        let has_directives = self.one_in(6);
        if has_directives {
            for _ in 0..=self.chance.below(2) {
                self.one_of(&DIRECTIVES);
                self.text.push('\n');
            }
        }
        if has_directives || self.one_in(4) {
            self.one_of(&["---", "---", "--- ", "---\t", "---\n", "--- # c\n"]);
        }
        self.node(0, 0, false);
        self.one_of(&["\n", "\n", "\n", "", "\n...\n", "\n... # c\n", "\n...x\n", "\n---\n"]);
    }

    /// A node whose lines begin with so many spaces.
    fn node(&mut self, indent: usize, depth: usize, in_flow: bool) {
        while self.one_in(6) {
            self.one_of(&PROPERTIES);
            self.one_of(&[" ", " ", "\n ", ""]);
        }
        match self.chance.below(if depth < DEPTH_MAX { 12 } else { 6 }) {
            0..=2 => self.one_of(&PLAIN),
            3 => self.quoted('"', &DOUBLE),
            4 => self.quoted('\'', &SINGLE),
            5 if in_flow => {}
            5 => self.lines(indent),
            6 => self.flow('[', ']', indent, depth),
            7 => self.flow('{', '}', indent, depth),
            8 if in_flow => self.pair(indent, depth, true),
            8 | 9 if !in_flow => self.list(indent, depth),
            _ if !in_flow => self.map(indent, depth),
            _ => self.one_of(&PLAIN),
        }
        if self.one_in(12) {
            self.one_of(&COMMENTS);
        }
    }

    fn quoted(&mut self, mark: char, parts: &[&str]) {
        self.text.push(mark);
        for _ in 0..self.chance.below(6) {
            self.one_of(parts);
        }
        if !self.one_in(30) {
            self.text.push(mark);
        }
    }

    fn lines(&mut self, indent: usize) {
        self.one_of(&HEADERS);
        for _ in 0..self.chance.below(5) {
            self.new_line(indent + 1);
            self.one_of(&LINES);
        }
    }

    fn flow(&mut self, open: char, close: char, indent: usize, depth: usize) {
        self.text.push(open);
        for _ in 0..self.chance.below(4) {
            if open == '{' || self.one_in(8) {
                self.pair(indent + 1, depth + 1, true);
            } else {
                self.node(indent + 1, depth + 1, true);
            }
            self.one_of(&[", ", ", ", ",", ",\n  ", ",, ", " "]);
        }
        if !self.one_in(30) {
            self.text.push(close);
        }
    }

    fn list(&mut self, indent: usize, depth: usize) {
        for _ in 0..=self.chance.below(3) {
            self.new_line(indent);
            self.one_of(&["- ", "- ", "-", "-\t", "-\n"]);
            self.node(indent + 2, depth + 1, false);
        }
    }

    fn map(&mut self, indent: usize, depth: usize) {
        for _ in 0..=self.chance.below(3) {
            self.new_line(indent);
            self.pair(indent, depth, false);
        }
    }

    fn pair(&mut self, indent: usize, depth: usize, in_flow: bool) {
        if self.one_in(6) {
            self.one_of(&["? ", "? ", "?", "?\n"]);
            self.node(indent + 2, depth + 1, in_flow);
            if !in_flow {
                self.new_line(indent);
            }
        } else {
            self.node(indent, DEPTH_MAX, true);
        }
        self.one_of(&[": ", ": ", ": ", ":", " : ", ":\n ", ""]);
        let more = 1 + self.chance.below(2);
        self.node(indent + more, depth + 1, in_flow);
    }

    /// Mostly as far in as it should be.
    fn new_line(&mut self, indent: usize) {
        let indent = if self.one_in(20) { self.chance.below(6) } else { indent };
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n(' ', indent));
        if self.one_in(60) {
            self.text.push('\t');
        }
    }
}
