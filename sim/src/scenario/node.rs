//! A scenario file as bare YAML, to find what the typed reading cannot see.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::FORMAT;
use super::error::Complaint;
use super::value::At;

/// The words that are keys of something.
const WORDS_WITH_DETAILS: [(&str, &str); 18] = [
    ("phone", "configure"),
    ("phone", "provision"),
    ("phone", "request"),
    ("phone", "rename"),
    ("phone", "join-device"),
    ("phone", "half-open"),
    ("phone", "parallel"),
    ("phone", "lookup"),
    ("button", "hold"),
    ("button", "bouncing"),
    ("arm", "cut"),
    ("arm", "brownout"),
    ("arm", "power"),
    ("arm", "button"),
    ("arm", "router"),
    ("arm", "cloud"),
    ("arm", "link"),
    ("dhcp", "lease"),
];

/// Any YAML value. It is read before the typed document, because what it finds would otherwise hide behind
/// another complaint (a later format) or be taken for "not written" (a key without a value).
pub(super) enum Node {
    Blank,
    Other(String),
    List(Vec<At<Self>>),
    Map(Vec<(At<String>, At<Self>)>),
}

impl Node {
    /// Whether the file says that it is in the format this program reads.
    pub(super) fn check_format(&self) -> Result<(), Complaint> {
        let Self::Map(entries) = self else { return Ok(()) };
        let Some((_, format)) = entries.iter().find(|(key, _)| key.value == "format") else {
            let hint = format!("a scenario begins with `format: {FORMAT}`");
            return entries
                .first()
                .map_or(Ok(()), |(first, _)| Err(Complaint::at(first, "`format` is missing", hint)));
        };
        match &format.value {
            Self::Other(number) if *number == FORMAT.to_string() => Ok(()),
            Self::Other(number) => Err(Complaint::at(
                format,
                format!("format {number} is not known"),
                format!("this program reads `format: {FORMAT}`"),
            )),
            Self::Blank | Self::List(_) | Self::Map(_) => Ok(()),
        }
    }

    /// Whether a step uses a word alone that needs details, such as `phone: configure`. The YAML reader would
    /// take whatever comes next for the details.
    pub(super) fn check_words(&self) -> Result<(), Complaint> {
        let Self::List(steps) = self.entry("steps") else { return Ok(()) };
        steps.iter().try_for_each(|step| {
            step.value.check_words_of_map()?;
            step.value.entry("router").check_words_of_map()?;
            step.value.entry("arm").entry("router").check_words_of_map()
        })?;
        let Self::List(routers) = self.entry("world").entry("routers") else { return Ok(()) };
        routers.iter().try_for_each(|router| router.value.check_words_of_map())
    }

    fn check_words_of_map(&self) -> Result<(), Complaint> {
        let Self::Map(entries) = self else { return Ok(()) };
        entries.iter().try_for_each(|(key, value)| match &value.value {
            Self::Other(word) if WORDS_WITH_DETAILS.contains(&(key.as_str(), word)) => {
                let hint = format!("`{}: {{ {word}: .. }}`", **key);
                Err(Complaint::at(value, format!("`{word}` needs details"), hint))
            }
            Self::Other(_) | Self::Blank | Self::List(_) | Self::Map(_) => Ok(()),
        })
    }

    fn entry(&self, name: &str) -> &Self {
        let Self::Map(entries) = self else { return &Self::Blank };
        entries.iter().find(|(key, _)| key.value == name).map_or(&Self::Blank, |(_, value)| &value.value)
    }

    /// Whether every key has a value: an empty one would count as not written.
    pub(super) fn check_values(&self) -> Result<(), Complaint> {
        match self {
            Self::Blank | Self::Other(_) => Ok(()),
            Self::List(items) => items.iter().try_for_each(|item| item.value.check_values()),
            Self::Map(entries) => entries.iter().try_for_each(|(key, value)| match &value.value {
                Self::Blank => Err(Complaint::at(
                    key,
                    format!("`{}` has no value", **key),
                    "write one, or leave the key out; the texts `null` and `~` need quotes",
                )),
                given => given.check_values(),
            }),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Blank)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Blank)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Other(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Other(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Other(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Other(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Other(value.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Other("with a fraction".into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Other(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Node::Map(map))
    }
}
