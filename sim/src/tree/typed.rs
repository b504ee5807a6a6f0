//! From a tree to a type, through serde. Every error has the place of what is wrong, and says what it is in a form that
//! the owner of the language puts into words.

use std::fmt;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Key, Node, Place, Value, whole};

/// A newtype of this name takes three things from a tree: its value, and the line and the column of it.
pub(crate) const PLACED: &str = "$placed";

/// What is wrong with a value, and where.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// Where; every error that leaves this module has it.
    pub(crate) at: Option<Place>,
    /// What.
    pub(crate) what: What,
}

/// What can be wrong with a value.
#[derive(Debug)]
pub(crate) enum What {
    /// Nobody knows this key.
    UnknownKey {
        /// The key.
        key: String,
        /// What is known.
        known: &'static [&'static str],
    },
    /// Nobody knows this word.
    UnknownWord {
        /// The word.
        word: String,
        /// What is known.
        known: &'static [&'static str],
    },
    /// A key must be there.
    Missing(&'static str),
    /// It is of another kind than this.
    NotA(Kind),
    /// One key too many where one alone may stand.
    TwoKeys,
    /// A word with a value that it does not take.
    NoDetails,
    /// A word alone, under this key if there is one, that cannot be without details.
    NeedsDetails {
        /// The word.
        word: String,
        /// Under which key it stands.
        under: Option<String>,
    },
    /// In the words of the type, which has more to say behind a line end.
    Message(String),
}

/// What somebody wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A whole number of 16 bits.
    Port,
    /// A text or a number.
    Text,
    /// A list.
    List,
    /// Keys and values.
    Map,
    /// A word alone, or one key with its details.
    Word,
}

impl Wrong {
    fn new(at: Place, what: What) -> Self {
        Self { at: Some(at), what }
    }

    /// The same, at this place if it has none yet: the innermost says most.
    fn or_at(self, at: Place) -> Self {
        Self { at: self.at.or(Some(at)), ..self }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.what)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { at: None, what: What::Message(message.to_string()) }
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self { at: None, what: What::UnknownKey { key: field.to_owned(), known } }
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self { at: None, what: What::UnknownWord { word: variant.to_owned(), known } }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { at: None, what: What::Missing(field) }
    }
}

/// Reads a value into its type.
pub(crate) fn read<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, Wrong> {
    T::deserialize(Typed::of(node, None)).map_err(|wrong| wrong.or_at(node.at))
}

/// A value or a key that is being read.
#[derive(Clone, Copy)]
struct Typed<'a> {
    part: Part<'a>,
    at: Place,
    /// The key that it stands under.
    under: Option<&'a str>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Key(&'a str),
    Value(&'a Value),
}

impl<'a> Typed<'a> {
    const fn of(node: &'a Node, under: Option<&'a str>) -> Self {
        Self { part: Part::Value(&node.value), at: node.at, under }
    }

    fn key(key: &'a Key) -> Self {
        Self { part: Part::Key(&key.name), at: key.at, under: None }
    }

    /// What is written there, if it is no list and no map.
    fn text(&self) -> Option<&'a str> {
        match self.part {
            Part::Key(text) => Some(text),
            Part::Value(Value::Text(text) | Value::Number(text) | Value::Flag(text)) => Some(text),
            Part::Value(Value::Null | Value::List(_) | Value::Map(_)) => None,
        }
    }

    fn is_not(&self, kind: Kind) -> Wrong {
        Wrong::new(self.at, What::NotA(kind))
    }
}

fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}

/// Reads whole numbers: plain, in decimal.
macro_rules! numbers {
    ($($method:ident $visit:ident $kind:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            let Part::Value(Value::Number(text)) = self.part else { return Err(self.is_not(Kind::$kind)) };
            let number = whole(text).ok_or_else(|| self.is_not(Kind::$kind))?;
            visitor.$visit(number).map_err(|wrong: Wrong| wrong.or_at(self.at))
        })*
    };
}

/// Nothing in the language has fractions.
macro_rules! fractions {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Wrong> {
            Err(self.is_not(Kind::Number))
        })*
    };
}

impl<'de> Deserializer<'de> for Typed<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let value = match self.part {
            Part::Value(Value::Null) => visitor.visit_unit(),
            Part::Value(Value::Flag(text)) => visitor.visit_bool(is_true(text)),
            Part::Value(Value::Number(text)) => match whole(text) {
                Some(number) => visitor.visit_i64(number),
                None => visitor.visit_borrowed_str(text),
            },
            Part::Value(Value::Text(text)) => visitor.visit_borrowed_str(text),
            Part::Key(text) => visitor.visit_borrowed_str(text),
            Part::Value(Value::List(items)) => visitor.visit_seq(Items { items: items.iter() }),
            Part::Value(Value::Map(entries)) => visitor.visit_map(Entries::of(entries)),
        };
        value.map_err(|wrong| wrong.or_at(self.at))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.part {
            Part::Value(Value::Flag(text)) => visitor.visit_bool(is_true(text)),
            Part::Value(_) | Part::Key(_) => Err(self.is_not(Kind::Flag)),
        }
        .map_err(|wrong| wrong.or_at(self.at))
    }

    numbers! {
        deserialize_i8 visit_i8 Number;
        deserialize_i16 visit_i16 Number;
        deserialize_i32 visit_i32 Number;
        deserialize_i64 visit_i64 Number;
        deserialize_u8 visit_u8 Number;
        deserialize_u16 visit_u16 Port;
        deserialize_u32 visit_u32 Number;
        deserialize_u64 visit_u64 Number;
    }

    fractions! { deserialize_f32 deserialize_f64 }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let text = self.text().ok_or_else(|| self.is_not(Kind::Text))?;
        visitor.visit_borrowed_str(text).map_err(|wrong: Wrong| wrong.or_at(self.at))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.part {
            Part::Value(Value::Null) => visitor.visit_none(),
            Part::Value(_) | Part::Key(_) => visitor.visit_some(self),
        }
        .map_err(|wrong: Wrong| wrong.or_at(self.at))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match name {
            PLACED => visitor.visit_seq(Placed { typed: self, given: 0 }),
            _ => visitor.visit_newtype_struct(self),
        }
        .map_err(|wrong: Wrong| wrong.or_at(self.at))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.part {
            Part::Value(Value::List(items)) => visitor.visit_seq(Items { items: items.iter() }),
            Part::Value(_) | Part::Key(_) => Err(self.is_not(Kind::List)),
        }
        .map_err(|wrong| wrong.or_at(self.at))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.part {
            Part::Value(Value::Map(entries)) => visitor.visit_map(Entries::of(entries)),
            Part::Value(_) | Part::Key(_) => Err(self.is_not(Kind::Map)),
        }
        .map_err(|wrong| wrong.or_at(self.at))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        if self.text().is_some() {
            return visitor.visit_enum(Choice { word: self, details: None });
        }
        let Part::Value(Value::Map(entries)) = self.part else { return Err(self.is_not(Kind::Word)) };
        match entries.as_slice() {
            [] => Err(self.is_not(Kind::Word)),
            [(key, node)] => {
                visitor.visit_enum(Choice { word: Typed::key(key), details: Some(Typed::of(node, None)) })
            }
            [_, (second, _), ..] => Err(Wrong::new(second.at, What::TwoKeys)),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct ignored_any
    }
}

/// What is left of a list.
struct Items<'a> {
    items: std::slice::Iter<'a, Node>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let Some(node) = self.items.next() else { return Ok(None) };
        seed.deserialize(Typed::of(node, None)).map(Some).map_err(|wrong| wrong.or_at(node.at))
    }
}

/// What is left of a map, and the value whose key was read last.
struct Entries<'a> {
    entries: std::slice::Iter<'a, (Key, Node)>,
    value: Option<Typed<'a>>,
}

impl<'a> Entries<'a> {
    fn of(entries: &'a [(Key, Node)]) -> Self {
        Self { entries: entries.iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        self.value = Some(Typed::of(node, Some(&key.name)));
        seed.deserialize(Typed::key(key)).map(Some).map_err(|wrong| wrong.or_at(key.at))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let value = self.value.take().ok_or_else(|| de::Error::custom("a value without its key"))?;
        seed.deserialize(value).map_err(|wrong| wrong.or_at(value.at))
    }
}

/// A value, its line and its column.
struct Placed<'a> {
    typed: Typed<'a>,
    given: u8,
}

impl<'de> SeqAccess<'de> for Placed<'de> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        self.given += 1;
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let at = self.typed.at;
        match self.given {
            1 => seed.deserialize(self.typed),
            2 => seed.deserialize(narrow(at.line).into_deserializer()),
            3 => seed.deserialize(narrow(at.column).into_deserializer()),
            _ => return Ok(None),
        }
        .map(Some)
        .map_err(|wrong| wrong.or_at(at))
    }
}

/// A word alone, or one key with its details.
struct Choice<'a> {
    word: Typed<'a>,
    details: Option<Typed<'a>>,
}

impl<'a> Choice<'a> {
    fn details(&self) -> Result<Typed<'a>, Wrong> {
        self.details.ok_or_else(|| {
            let word = self.word.text().unwrap_or_default().to_owned();
            let under = self.word.under.map(str::to_owned);
            Wrong::new(self.word.at, What::NeedsDetails { word, under })
        })
    }
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Wrong> {
        let variant = seed.deserialize(self.word).map_err(|wrong| wrong.or_at(self.word.at))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        self.details.map_or(Ok(()), |details| Err(Wrong::new(details.at, What::NoDetails)))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Wrong> {
        let details = self.details()?;
        seed.deserialize(details).map_err(|wrong| wrong.or_at(details.at))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.details()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.details()?.deserialize_map(visitor)
    }
}
