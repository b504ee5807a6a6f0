//! Lists as exploring writes them: each item on a line, in flow style, of plain words and numbers.
//!
//! This reads as much of YAML as they are, to the same tree, and leaves everything else (a quotation mark, an anchor,
//! anything that is wrong) to [`super::yaml`], which would cost exploring a sixteenth more: 1,503 instead of 1,416 million
//! instructions for 300 seeds.

use super::yaml::plain;
use super::{Key, Node, Place, Value};

/// Nested deeper than any step.
const DEPTH_MAX: usize = 16;

/// Reads a list of which each item stands on a line of its own; `None` where it is not as plain as that.
pub(crate) fn read(text: &str) -> Option<Node> {
    let mut items = Vec::new();
    let mut at = None;
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start_matches(' ').strip_prefix("- ")?;
        let place = Place { line: index + 1, column: line.len() - start.len() - 1 };
        // All items of a list stand in one column.
        if at.get_or_insert(place).column != place.column {
            return None;
        }
        let mut flow = Flow { line, number: index + 1, at: line.len() - start.trim_start_matches(' ').len() };
        if !flow.next_is('{') {
            return None;
        }
        items.push(flow.value(0)?);
        if !flow.rest().is_empty() {
            return None;
        }
    }
    Some(Node { at: at?, value: Value::List(items) })
}

/// A line that is being read.
struct Flow<'a> {
    line: &'a str,
    number: usize,
    at: usize,
}

impl<'a> Flow<'a> {
    fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    /// All of what is read is ASCII.
    const fn place(&self) -> Place {
        Place { line: self.number, column: self.at + 1 }
    }

    fn next_is(&self, mark: char) -> bool {
        self.rest().starts_with(mark)
    }

    /// Goes past this mark and the spaces behind it.
    fn pass(&mut self, mark: &str) -> Option<()> {
        let after = self.rest().strip_prefix(mark)?.trim_start_matches(' ');
        self.at = self.line.len() - after.len();
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        let at = self.place();
        let value = match self.rest().as_bytes().first()? {
            b'{' | b'[' if depth == DEPTH_MAX => return None,
            b'{' => Value::Map(self.between('{', '}', |flow| {
                let at = flow.place();
                let name = flow.word()?.to_owned();
                flow.pass(": ")?;
                Some((Key { name, at }, flow.value(depth + 1)?))
            })?),
            b'[' => Value::List(self.between('[', ']', |flow| flow.value(depth + 1))?),
            _ => plain(self.word()?),
        };
        Some(Node { at, value })
    }

    /// What stands between two brackets, with commas between.
    fn between<T>(&mut self, open: char, end: char, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.pass(open.encode_utf8(&mut [0; 4]))?;
        let mut items = Vec::new();
        while !self.next_is(end) {
            if !items.is_empty() {
                self.pass(",")?;
            }
            items.push(item(self)?);
        }
        self.pass(end.encode_utf8(&mut [0; 4]))?;
        Some(items)
    }

    /// A word or several with one space between: of letters, digits and the few marks that mean nothing in YAML.
    fn word(&mut self) -> Option<&'a str> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '/' | '_' | ' ');
        let rest = self.rest();
        let (padded, rest) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
        let word = padded.trim_end_matches(' ');
        let begins = match word.as_bytes() {
            [b'-', second, ..] => second.is_ascii_digit(),
            [first, ..] => first.is_ascii_alphanumeric() || *first == b'/',
            [] => false,
        };
        // A colon without a space behind it, as before a port, belongs to the word: not so plain any more.
        let ends = rest.starts_with([',', '}', ']']) || rest.starts_with(": ");
        if !begins || !ends || word.contains("  ") {
            return None;
        }
        self.at = self.line.len() - rest.len();
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::yaml;
    use super::*;

    #[test]
    fn what_exploring_writes_is_read() {
        let text = "  - { name: home, channel: 7, change: -3, is_so: true, list: [3ms, 12ms], kind: two-words }\n  \
                    - { inner: { text: another horse, kind: { of: 3 }, inner: { kind: { much: { count: 1 } } } } }\n  \
                    - { text: 192.168.4.0/24, kind: off, list: [], inner: {}, none: null }\n";
        assert_eq!(read(text).expect("it is plain"), yaml::read(text).expect("YAML").root);
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_whole_reader() {
        let lines = [
            "- { text: \"quoted\" }",
            "- { text: 'quoted' }",
            "- { text: &anchor word }",
            "- { text: a: b }",
            "- { text: blynk.cloud:8080 }",
            "- { text: two  spaces }",
            "- { text: word } # a comment",
            "- { count: 1 ",
            "- { count: 1 }}",
            "- text: block style",
            "- word",
            "text: no list",
            "- { a: 1 }\n - { a: 2 }",
            "",
        ];
        for line in lines {
            assert_eq!(read(line), None, "{line}");
        }
        let deep = format!("- {}{}", "{ inner: ".repeat(20), "}".repeat(20));
        assert_eq!(read(&deep), None);
    }

    const KEYS: &str = "name: |list: |inner: |7: |null: |text:|text:  |- |";
    const VALUES: &str = "home|another horse|7|-3|0|-0|007|1.5|1e3|0x1F|true|false|null|~|yes|off|two-words|{ of: 3 }|\
                          { much: { count: 1 } }|3ms|5d|192.168.4.0/24|1_0|2026-11-30|/|-|_|.|.5|| |99999|[]|[a,b]|\
                          [ a, 3, true ]|[a, ]|[,a]|{}|{ inner: { text: a } }|{ text: b c }|{text: b}|{a: 1,}|a: b|\
                          a:b|a#b|a #b|-1s|- a|10:20";
    const COMMAS: &str = ", |, |, |, |, |, |,| , | |}||,, ";

    fn one_of(words: &'static str) -> impl Strategy<Value = &'static str> {
        prop::sample::select(words.split('|').collect::<Vec<_>>())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        /// Whatever is read here the reader of all of YAML reads as the same, places and all.
        #[test]
        fn nothing_is_read_in_another_way(pairs in prop::collection::vec((one_of(KEYS), one_of(VALUES), one_of(COMMAS)), 0..5)) {
            let pairs: String = pairs.iter().map(|(key, value, comma)| format!("{key}{value}{comma}")).collect();
            let text = format!("  -  {{ {pairs} }}\n  - {{}}\n");
            if let Some(node) = read(&text) {
                let whole = yaml::read(&text).map(|yaml| (yaml.root, yaml.next));
                prop_assert_eq!(whole, Ok((node, None)), "{}", text);
            }
        }
    }
}
