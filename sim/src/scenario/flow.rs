//! Steps as exploring writes them: each on a line, in flow style, of plain words and numbers.
//!
//! The YAML library spends a tenth of exploring on them. This reads as much of YAML as they are, and nothing else: what
//! it takes means the same to the library, and what it does not take (a quotation mark, an anchor, anything that is
//! wrong) is the library's to read or to complain about.

use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

/// Nested deeper than any step.
const DEPTH_MAX: u8 = 16;

/// Reads a list of which each item stands on a line of its own; `None` leaves it to the library.
pub(super) fn items<'de, T: Deserialize<'de>>(text: &'de str) -> Option<Vec<T>> {
    let read = |line: &'de str| {
        let mut flow = Flow { rest: line.trim_start_matches(' ').strip_prefix("- ")?, depth: 0 };
        let item = T::deserialize(&mut flow).ok()?;
        flow.rest.is_empty().then_some(item)
    };
    text.lines().map(read).collect()
}

/// What is left of a line.
struct Flow<'de> {
    rest: &'de str,
    depth: u8,
}

/// It is not as plain as that.
#[derive(Debug)]
struct NotPlain;

impl fmt::Display for NotPlain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no plain flow style")
    }
}

impl std::error::Error for NotPlain {}

impl de::Error for NotPlain {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl<'de> Flow<'de> {
    fn next_is(&self, mark: char) -> bool {
        self.rest.starts_with(mark)
    }

    /// Goes past this mark and the spaces behind it, if it is next.
    fn take(&mut self, mark: char) -> bool {
        let after = self.rest.strip_prefix(mark);
        self.rest = after.map_or(self.rest, |after| after.trim_start_matches(' '));
        after.is_some()
    }

    fn expect(&mut self, mark: char) -> Result<(), NotPlain> {
        self.take(mark).then_some(()).ok_or(NotPlain)
    }

    /// Goes into a list or a mapping.
    fn open(&mut self, mark: char) -> Result<(), NotPlain> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(NotPlain);
        }
        self.expect(mark)
    }

    fn close(&mut self, mark: char) -> Result<(), NotPlain> {
        self.depth -= 1;
        self.expect(mark)
    }

    /// A word or several with one space between: of letters, digits and the few marks that mean nothing in YAML.
    fn word(&mut self) -> Result<&'de str, NotPlain> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '/' | '_' | ' ');
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (padded, rest) = self.rest.split_at(end);
        let word = padded.trim_end_matches(' ');
        let begins = match word.as_bytes() {
            [b'-', second, ..] => second.is_ascii_digit(),
            [first, ..] => first.is_ascii_alphanumeric() || *first == b'/',
            [] => false,
        };
        // A colon without a space behind it, as before a port, belongs to the word: not so plain any more.
        let ends = rest.starts_with([',', '}', ']']) || rest.starts_with(": ") || rest.is_empty();
        if !begins || !ends || word.contains("  ") {
            return Err(NotPlain);
        }
        self.rest = rest;
        Ok(word)
    }

    /// A word that YAML takes for a text, whoever asks.
    fn text(&mut self) -> Result<&'de str, NotPlain> {
        let word = self.word()?;
        let means_something = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
        let is_text = !means_something.iter().any(|other| word.eq_ignore_ascii_case(other));
        is_text.then_some(word).ok_or(NotPlain)
    }
}

/// A whole number as everybody reads it: no sign but `-`, no zero in front.
fn whole_number(word: &str) -> Option<i64> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let sound = digits.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !digits.starts_with('0'));
    word.parse().ok().filter(|_| sound)
}

/// Hands a number on to whoever wants one, whatever its size.
macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
            match whole_number(self.word()?).ok_or(NotPlain)? {
                number @ ..0 => visitor.visit_i64(number),
                number => visitor.visit_u64(number.unsigned_abs()),
            }
        })*
    };
}

/// Nothing in the language has fractions.
macro_rules! fractions {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NotPlain> {
            Err(NotPlain)
        })*
    };
}

impl<'de> de::Deserializer<'de> for &mut Flow<'de> {
    type Error = NotPlain;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        if self.next_is('{') {
            return self.deserialize_map(visitor);
        }
        if self.next_is('[') {
            return self.deserialize_seq(visitor);
        }
        let before = self.rest;
        if let Some(number) = whole_number(self.word()?) {
            return match number {
                ..0 => visitor.visit_i64(number),
                _ => visitor.visit_u64(number.unsigned_abs()),
            };
        }
        self.rest = before;
        let text = self.text()?;
        // `1.5` and `1e3` are numbers, and `.5`, `0x1F` and dates something else again to somebody.
        let has_meaning = text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
            && text.bytes().all(|byte| byte.is_ascii_hexdigit() || b"-._xo".contains(&byte));
        if has_meaning { Err(NotPlain) } else { visitor.visit_borrowed_str(text) }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        match self.word()? {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(NotPlain),
        }
    }

    fractions! { deserialize_f32 deserialize_f64 }

    numbers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        // What is written as nothing is an error that the library words.
        if self.rest.starts_with("null") { Err(NotPlain) } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        self.open('[')?;
        let value = visitor.visit_seq(Items { flow: self, is_first: true })?;
        self.close(']')?;
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        self.open('{')?;
        let value = visitor.visit_map(Items { flow: self, is_first: true })?;
        self.close('}')?;
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        if !self.next_is('{') {
            return visitor.visit_enum(self.word()?.into_deserializer());
        }
        self.open('{')?;
        let items = Items { flow: self, is_first: true };
        let value = visitor.visit_enum(MapAccessDeserializer::new(items))?;
        self.close('}')?;
        Ok(value)
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// What stands between two brackets.
struct Items<'f, 'de> {
    flow: &'f mut Flow<'de>,
    is_first: bool,
}

impl Items<'_, '_> {
    /// Whether there is another one; goes past the comma before it.
    fn has_another(&mut self, end: char) -> Result<bool, NotPlain> {
        if self.flow.next_is(end) {
            return Ok(false);
        }
        if !std::mem::take(&mut self.is_first) {
            self.flow.expect(',')?;
        }
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = NotPlain;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, NotPlain> {
        if !self.has_another(']')? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.flow).map(Some)
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = NotPlain;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, NotPlain> {
        if !self.has_another('}')? {
            return Ok(None);
        }
        let key = self.flow.text()?;
        self.flow.rest = self.flow.rest.strip_prefix(": ").ok_or(NotPlain)?.trim_start_matches(' ');
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, NotPlain> {
        seed.deserialize(&mut *self.flow)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::super::step::StepText;
    use super::super::value::{At, Channel, Name};
    use super::*;

    /// What a mapping may hold, of every kind of value there is in a step.
    #[derive(PartialEq, Eq, Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: Option<At<Name>>,
        channel: Option<Channel>,
        count: Option<u16>,
        change: Option<i32>,
        text: Option<String>,
        is_so: Option<bool>,
        list: Option<Vec<String>>,
        kind: Option<Kind>,
        inner: Option<Box<Self>>,
    }

    #[derive(PartialEq, Eq, Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        Off,
        TwoWords,
        Of(u8),
        Much { count: u8 },
    }

    /// What the library reads, without places.
    fn library(text: &str) -> Option<Vec<Sample>> {
        let mut items: Vec<Sample> = serde_saphyr::from_str(text).ok()?;
        items.iter_mut().for_each(forget_places);
        Some(items)
    }

    fn forget_places(sample: &mut Sample) {
        sample.name = sample.name.take().map(|name| At::nowhere(name.value));
        sample.inner.iter_mut().for_each(|inner| forget_places(inner));
    }

    #[test]
    fn what_exploring_writes_is_read() {
        let text = "  - { name: home, channel: 7, change: -3, is_so: true, list: [3ms, 12ms], kind: two-words }\n  \
                    - { inner: { text: another horse, kind: { of: 3 }, inner: { kind: { much: { count: 1 } } } } }\n  \
                    - { text: 192.168.4.0/24, kind: off, list: [], inner: {} }\n";
        let read = items::<Sample>(text).expect("it is plain");
        assert_eq!(Some(read), library(text));
        assert!(items::<At<StepText>>("  - { who: device, arm: erase-failure, may_fail: true }\n").is_some());
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_library() {
        let lines = [
            "- { text: \"quoted\" }",
            "- { text: 'quoted' }",
            "- { text: &anchor word }",
            "- { text: null }",
            "- { is_so: yes }",
            "- { count: 0x10 }",
            "- { count: 010 }",
            "- { count: 70000 }",
            "- { text: a: b }",
            "- { text: blynk.cloud:8080 }",
            "- { text: two  spaces }",
            "- { text: word } # a comment",
            "- { unknown: 1 }",
            "- { count: 1, count: 2 }",
            "- { count: 1 ",
            "- { count: 1 }}",
            "- text: block style",
            "text: no list",
            "- { name: 1.5 }",
        ];
        for line in lines {
            assert_eq!(items::<Sample>(line), None, "{line}");
        }
        let deep = format!("- {}{}", "{ inner: ".repeat(20), "}".repeat(20));
        assert_eq!(items::<Sample>(&deep), None);
    }

    const KEYS: &str =
        "name: |channel: |count: |change: |text: |is_so: |list: |kind: |inner: |text:|text:  |- |";
    const VALUES: &str = "home|another horse|7|-3|0|-0|007|1.5|1e3|0x1F|true|false|null|~|yes|off|two-words|{ of: 3 }|\
                          { much: { count: 1 } }|3ms|5d|192.168.4.0/24|1_0|2026-11-30|/|-|_|.|.5|| |99999|[]|[a,b]|\
                          [ a, 3, true ]|[a, ]|{}|{ inner: { text: a } }|{ text: b c }|{text: b}|a: b|a:b|a#b|a #b|\
                          -1s|- a|10:20";
    const COMMAS: &str = ", |, |, |, |, |, |,| , | |}||,, ";

    fn one_of(words: &'static str) -> impl Strategy<Value = &'static str> {
        prop::sample::select(words.split('|').collect::<Vec<_>>())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        /// Whatever is read here the library reads as the same.
        #[test]
        fn nothing_is_read_in_another_way(pairs in prop::collection::vec((one_of(KEYS), one_of(VALUES), one_of(COMMAS)), 0..5)) {
            let pairs: String = pairs.iter().map(|(key, value, comma)| format!("{key}{value}{comma}")).collect();
            let text = format!("- {{ {pairs} }}\n");
            if let Some(read) = items::<Sample>(&text) {
                prop_assert_eq!(Some(read), library(&text), "{}", text);
            }
        }
    }
}
