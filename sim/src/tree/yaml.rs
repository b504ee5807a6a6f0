//! YAML, one document of it. Aliases stand for what they name; tags but those of the core schema are refused.

use std::collections::BTreeMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::{Key, Node, Place, Unreadable, Value};

/// Lists and maps in each other; the deepest scenario has six.
const DEPTH_MAX: usize = 64;
/// Values that anchors and aliases may repeat in one file, so that a short text does not become a tree that fills the
/// memory.
const REPEATED_MAX: usize = 10_000;

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Document {
    /// The first document; nothing if there is none.
    pub(crate) root: Node,
    /// Where the next one begins.
    pub(crate) next: Option<Place>,
}

fn place(mark: Marker) -> Place {
    Place { line: mark.line(), column: mark.col() + 1 }
}

/// Reads the first document of a text.
pub(crate) fn read(text: &str) -> Result<Document, Unreadable> {
    let mut builder = Builder::default();
    let mut is_over = false;
    let mut next = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Unreadable {
            at: place(*error.marker()),
            why: error.info().to_string(),
            is_malformed: true,
        })?;
        let at = place(span.start);
        if let Some(tag) = tag_of(&event).filter(|tag| !is_known(tag)) {
            let at = span.tag_start().map_or(at, place);
            return Err(unreadable(at, &format!("the tag `{}` means nothing here", tag.original())));
        }
        match event {
            Event::DocumentEnd => is_over = true,
            Event::DocumentStart(..) if is_over => {
                next = Some(at);
                break;
            }
            event => builder.take(event, at)?,
        }
    }
    let root = builder.root.unwrap_or(Node { at: Place::START, value: Value::Null });
    Ok(Document { root, next })
}

/// A list or a map that is being read.
struct Open {
    node: Node,
    /// The key whose value comes next, in a map.
    key: Option<Key>,
    anchor: usize,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    /// What has a name, by the number that the parser gives it.
    anchored: BTreeMap<usize, Node>,
    repeated: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Place) -> Result<(), Unreadable> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.as_deref().is_some_and(is_text)
                    || style != ScalarStyle::Plain
                    // A key is what is written there, whatever it would mean elsewhere.
                    || self.wants_key();
                let value = if is_text { Value::Text(text.into_owned()) } else { plain(&text) };
                self.put(Node { at, value }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(Node { at, value: Value::List(Vec::new()) }, anchor)
            }
            Event::MappingStart(_, anchor, _) => {
                self.open(Node { at, value: Value::Map(Vec::new()) }, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { node, anchor, .. }) => self.put(node, anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let Some(node) = self.anchored.get(&anchor) else {
                    return Err(unreadable(at, "an alias cannot stand within what it names"));
                };
                let (count, value) = (count(node), node.value.clone());
                self.repeat(count, at)?;
                self.put(Node { at, value }, 0)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, node: Node, anchor: usize) -> Result<(), Unreadable> {
        if self.open.len() >= DEPTH_MAX {
            return Err(unreadable(node.at, "lists and maps are nested too deep"));
        }
        if self.wants_key() {
            return Err(unreadable(node.at, "a key is a word or a text"));
        }
        self.open.push(Open { node, key: None, anchor });
        Ok(())
    }

    /// Whether what comes next is the key of a map.
    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { node: Node { value: Value::Map(_), .. }, key: None, .. }))
    }

    /// Takes note that so many values are there once more.
    fn repeat(&mut self, count: usize, at: Place) -> Result<(), Unreadable> {
        self.repeated += count;
        if self.repeated > REPEATED_MAX {
            return Err(unreadable(at, "anchors and aliases repeat too much"));
        }
        Ok(())
    }

    /// Puts a value where it belongs.
    fn put(&mut self, node: Node, anchor: usize) -> Result<(), Unreadable> {
        if anchor != 0 {
            // A copy is kept of it, and anchors may stand in each other.
            self.repeat(count(&node), node.at)?;
            self.anchored.insert(anchor, node.clone());
        }
        let Some(Open { node: Node { value, .. }, key, .. }) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (value, key.take()) {
            (Value::Map(entries), Some(key)) => entries.push((key, node)),
            (Value::Map(_), None) => match node.value {
                Value::Text(name) | Value::Number(name) | Value::Flag(name) => {
                    *key = Some(Key { name, at: node.at });
                }
                Value::Null | Value::List(_) | Value::Map(_) => {
                    return Err(unreadable(node.at, "a key is a word or a text"));
                }
            },
            (Value::List(items), _) => items.push(node),
            // Nothing else is open.
            (Value::Null | Value::Flag(_) | Value::Number(_) | Value::Text(_), _) => {}
        }
        Ok(())
    }
}

/// For what is YAML, and no more than that.
fn unreadable(at: Place, why: &str) -> Unreadable {
    Unreadable { at, why: why.to_owned(), is_malformed: false }
}

fn tag_of<'e>(event: &'e Event<'_>) -> Option<&'e Tag> {
    match event {
        Event::Scalar(_, _, _, tag) | Event::SequenceStart(_, _, tag) | Event::MappingStart(_, _, tag) => {
            tag.as_deref()
        }
        _ => None,
    }
}

/// Whether it is one that every reader of YAML knows.
fn is_known(tag: &Tag) -> bool {
    let core = ["str", "null", "bool", "int", "float", "seq", "map"];
    is_text(tag) || tag.core_suffix().is_some_and(|suffix| core.contains(&suffix))
}

/// Whether it says that what follows is a text. `!` alone does (YAML 1.2, section 6.9.1).
fn is_text(tag: &Tag) -> bool {
    tag.core_suffix() == Some("str") || tag.original() == "!"
}

fn count(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|(_, node)| count(node)).sum::<usize>(),
        Value::Null | Value::Flag(_) | Value::Number(_) | Value::Text(_) => 1,
    }
}

/// A scalar without quotation marks, by YAML's core schema.
pub(super) fn plain(text: &str) -> Value {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'))
        || digits.strip_prefix("0x").is_some_and(|hex| u64::from_str_radix(hex, 16).is_ok());
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Value::Flag(text.to_owned()),
        _ if is_number => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(text: &str, line: usize, column: usize, why: &str) {
        let error = read(text).expect_err(text);
        assert_eq!((error.at, error.why.as_str()), (Place { line, column }, why), "{text}");
    }

    fn value(text: &str) -> Value {
        read(text).expect(text).root.value
    }

    #[test]
    fn an_alias_stands_for_what_it_names() {
        let root = read("a: &x { b: 1 }\nc: [*x, *x]\n").expect("YAML").root;
        let items = root.get("c").and_then(Node::list).expect("a list");
        assert_eq!(items[0].value, root.get("a").expect("it is there").value);
        assert_eq!((items[0].at, items[1].at), (Place { line: 2, column: 5 }, Place { line: 2, column: 9 }));
        check_refused("&x [*x]", 1, 5, "an alias cannot stand within what it names");
    }

    #[test]
    fn a_short_text_does_not_become_a_huge_tree() {
        let doubled: String = (1..20).map(|nr| format!("- &a{nr} [*a{}, *a{}]\n", nr - 1, nr - 1)).collect();
        let why = "anchors and aliases repeat too much";
        check_refused(&format!("- &a0 [x]\n{doubled}"), 11, 8, why);
        // As many copies as anchors around it: 240 kB became 580 MB.
        let around: String = (0..60).map(|nr| format!("[&a{nr} ")).collect();
        let text = format!("{around}[{}]{}", "x, ".repeat(400), "]".repeat(60));
        check_refused(&text, 1, 207, why);
        check_refused(
            &format!("{}{}", "[".repeat(100), "]".repeat(100)),
            1,
            65,
            "lists and maps are nested too deep",
        );
    }

    #[test]
    fn tags_say_what_is_a_text() {
        assert_eq!(value("!!str 5"), Value::Text("5".to_owned()));
        assert_eq!(value("! 5"), Value::Text("5".to_owned()));
        assert_eq!(value("!!int 5"), Value::Number("5".to_owned()));
        check_refused("a: !x 5", 1, 4, "the tag `!x` means nothing here");
        check_refused("a: !!set { b }", 1, 4, "the tag `!!set` means nothing here");
    }

    #[test]
    fn a_key_is_what_is_written() {
        let Value::Map(entries) = value("{ null: 1, 007: 2, \"q\": 3 }") else { panic!("a map") };
        let names: Vec<&str> = entries.iter().map(|(key, _)| key.name.as_str()).collect();
        assert_eq!(names, ["null", "007", "q"]);
        check_refused("? [a]\n: b\n", 1, 3, "a key is a word or a text");
    }

    #[test]
    fn the_next_document_has_a_place() {
        let document = read("a: 1\n---\nb: [\n").expect("the first is whole");
        assert_eq!(document.next, Some(Place { line: 2, column: 1 }));
        assert_eq!(read("---\na: 1\n...\n").expect("one document").next, None);
    }
}
