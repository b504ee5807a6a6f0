//! One tree for the languages in which files are written, with the place of every value: JSON, YAML and TOML are told
//! apart when they are read, and no more after that. Scenarios are read into their types from it ([`typed`]).

pub(crate) mod flow;
pub(crate) mod typed;
pub(crate) mod yaml;

use jsonc_parser::{CollectOptions, ParseOptions, ast};
use toml::de::{DeTable, DeValue};

/// A place in a file, from 1; columns are counted in characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// The beginning of a file.
    pub const START: Self = Self { line: 1, column: 1 };

    fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_from = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Self { line, column: before.get(line_from..).unwrap_or_default().chars().count() + 1 }
    }
}

/// A value and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Node {
    /// Where it begins.
    pub(crate) at: Place,
    /// What it is.
    pub(crate) value: Value,
}

/// What a file holds at a place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    /// Nothing.
    Null,
    /// True or false, as it is written.
    Flag(String),
    /// A number, as it is written.
    Number(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Values by name, in the order in which they are written.
    Map(Vec<(Key, Node)>),
}

/// The name of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    /// The name.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) at: Place,
}

/// Why a file cannot be read, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Unreadable {
    /// Where.
    pub(crate) at: Place,
    /// Why.
    pub(crate) why: String,
    /// Whether it is not of the language that it should be; else it says something that we do not take.
    pub(crate) is_malformed: bool,
}

/// The whole number that a text says in decimal, if the type has room for it.
pub(crate) fn whole<N: TryFrom<i128>>(text: &str) -> Option<N> {
    decimal(text).and_then(|number| N::try_from(number).ok())
}

/// One reading for all types: one for each would stand again wherever a number is read. There is no `-0`.
fn decimal(text: &str) -> Option<i128> {
    text.parse().ok().filter(|number| *number != 0 || !text.starts_with('-'))
}

impl Node {
    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The whole number, if it is one.
    pub(crate) fn number(&self) -> Option<i64> {
        if let Value::Number(text) = &self.value { whole(text) } else { None }
    }

    /// What it lists, if it is a list.
    pub(crate) fn list(&self) -> Option<&[Self]> {
        if let Value::List(items) = &self.value { Some(items) } else { None }
    }

    /// Its values by name, if it has any.
    pub(crate) fn map(&self) -> Option<&[(Key, Self)]> {
        if let Value::Map(entries) = &self.value { Some(entries) } else { None }
    }

    /// The value with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.map()?.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// What kind of value it is, with its article.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Flag(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// Reads JSON as its standard has it (RFC 8259): Wokwi takes no comments.
pub(crate) fn read_json(text: &str) -> Result<Node, Unreadable> {
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &strict).map_err(|error| {
        Unreadable {
            at: Place::of(text, error.range().start),
            why: error.kind().to_string(),
            is_malformed: true,
        }
    })?;
    let nothing = || Unreadable { at: Place::START, why: "the file is empty".to_owned(), is_malformed: true };
    Ok(from_json(text, &parsed.value.ok_or_else(nothing)?))
}

fn from_json(text: &str, value: &ast::Value<'_>) -> Node {
    use jsonc_parser::common::Ranged;
    let at = Place::of(text, value.range().start);
    let value = match value {
        ast::Value::StringLit(literal) => Value::Text(literal.value.to_string()),
        ast::Value::NumberLit(literal) => Value::Number(literal.value.to_owned()),
        ast::Value::BooleanLit(literal) => Value::Flag(literal.value.to_string()),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(array) => {
            Value::List(array.elements.iter().map(|value| from_json(text, value)).collect())
        }
        ast::Value::Object(object) => Value::Map(
            object
                .properties
                .iter()
                .map(|property| {
                    let name = property.name.as_str().to_owned();
                    let key = Key { name, at: Place::of(text, property.range.start) };
                    (key, from_json(text, &property.value))
                })
                .collect(),
        ),
    };
    Node { at, value }
}

/// Reads TOML.
pub(crate) fn read_toml(text: &str) -> Result<Node, Unreadable> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(Place::START, |span| Place::of(text, span.start));
        Unreadable { at, why: error.message().trim().replace('\n', ", "), is_malformed: true }
    })?;
    Ok(Node { at: Place::START, value: from_table(text, table.get_ref()) })
}

fn from_table(text: &str, table: &DeTable<'_>) -> Value {
    let mut entries: Vec<(Key, Node)> = table
        .iter()
        .map(|(key, value)| {
            let key = Key { name: key.get_ref().to_string(), at: Place::of(text, key.span().start) };
            let at = Place::of(text, value.span().start);
            (key, Node { at, value: from_toml(text, value.get_ref()) })
        })
        .collect();
    entries.sort_by_key(|(key, _)| key.at);
    Value::Map(entries)
}

fn from_toml(text: &str, value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(value) => Value::Text(value.to_string()),
        DeValue::Integer(value) => Value::Number(value.to_string()),
        DeValue::Float(value) => Value::Number(value.to_string()),
        DeValue::Boolean(value) => Value::Flag(value.to_string()),
        DeValue::Datetime(value) => Value::Text(value.to_string()),
        DeValue::Array(array) => {
            let node = |value: &toml::Spanned<DeValue<'_>>| Node {
                at: Place::of(text, value.span().start),
                value: from_toml(text, value.get_ref()),
            };
            Value::List(array.iter().map(node).collect())
        }
        DeValue::Table(table) => from_table(text, table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `line:column value` of a path of names and numbers.
    fn at(node: &Node, path: &[&str]) -> String {
        let mut node = node;
        for step in path {
            node = match &node.value {
                Value::List(items) => &items[step.parse::<usize>().expect("a number")],
                _ => node.get(step).expect("it is there"),
            };
        }
        format!("{}:{} {:?}", node.at.line, node.at.column, node.value)
    }

    #[test]
    fn the_three_languages_lead_to_the_same_tree() {
        let json = read_json("{\n  \"é\": [1, \"two\",\n true, null],\n  \"b\": { \"c\": -1.5 }\n}\n")
            .expect("JSON");
        assert_eq!(at(&json, &["é", "0"]), "2:9 Number(\"1\")");
        assert_eq!(at(&json, &["é", "2"]), "3:2 Flag(\"true\")");
        assert_eq!(at(&json, &["b", "c"]), "4:15 Number(\"-1.5\")");
        let yaml =
            yaml::read("é:\n  - 1\n  - \"2\"\n  - two\n  - { c: -1.5, d: true, e: }\n").expect("YAML").root;
        assert_eq!(at(&yaml, &["é", "0"]), "2:5 Number(\"1\")");
        assert_eq!(at(&yaml, &["é", "1"]), "3:5 Text(\"2\")");
        assert_eq!(at(&yaml, &["é", "3", "c"]), "5:10 Number(\"-1.5\")");
        assert_eq!(at(&yaml, &["é", "3", "d"]), "5:19 Flag(\"true\")");
        let toml = read_toml("# é\n[a]\nb = 1\n\n[[a.c]]\nd = \"x\"\n").expect("TOML");
        assert_eq!(at(&toml, &["a", "b"]), "3:5 Number(\"1\")");
        assert_eq!(at(&toml, &["a", "c", "0", "d"]), "6:5 Text(\"x\")");
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let json = read_json("{\n  \"a\": 1, // no\n}").expect_err("a comment");
        assert_eq!(json.at, Place { line: 2, column: 11 });
        let yaml = yaml::read("a: [1\nb: 2\n").expect_err("a list without an end");
        assert!(yaml.at.line >= 2);
        let toml = read_toml("a = 1\nb = \n").expect_err("no value");
        assert_eq!(toml.at.line, 2);
    }
}
