//! What the air does to frames, and between whom it carries none.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use smoltcp::time::Duration;

use super::value::{self, At, DurationText, Mtu, Name, Permille};

/// How two actors are written.
const TWO_NAMES: &str =
    "two names such as `[device, home]`, or `{ from: home, to: device }` for one direction";

/// What changes about the air; at least one thing. What is not written stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct LinkChange {
    /// How many frames in a thousand are lost from now on.
    pub loss_permille: Option<Permille>,
    /// In how many frames in a thousand a bit is flipped unnoticed from now on.
    pub corrupt_permille: Option<Permille>,
    /// How many frames in a thousand are overtaken by later ones from now on.
    pub reorder_permille: Option<Permille>,
    /// How many frames in a thousand arrive twice from now on.
    pub duplicate_permille: Option<Permille>,
    /// How much later than usual a frame arrives from now on.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub latency: Option<Duration>,
    /// By how much, drawn for each frame, it may be later still.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub jitter: Option<Duration>,
    /// The most bytes that a frame carries from now on; longer ones are lost without a word.
    pub mtu: Option<Mtu>,
    /// Lets no frame pass any more between two actors, or from one to the other; who is joined stays joined.
    pub partition: Option<Between>,
    /// Lets frames pass again where a partition was.
    pub heal: Option<Heal>,
    /// Keeps frames back between two actors, or from one to the other, also those under way.
    pub hold: Option<Between>,
    /// Lets frames go on that were kept back, in their order.
    pub release: Option<Heal>,
}

/// Two actors, and whether both directions are meant or one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Between {
    /// Both directions.
    Both([At<Name>; 2]),
    /// One direction.
    OneWay(OneWay),
}

/// From one actor to another.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneWay {
    /// Who sends.
    pub from: At<Name>,
    /// Who receives.
    pub to: At<Name>,
}

impl Between {
    /// The two names in the order in which they are written.
    pub fn names(&self) -> [&At<Name>; 2] {
        match self {
            Self::Both([a, b]) => [a, b],
            Self::OneWay(OneWay { from, to }) => [from, to],
        }
    }

    /// From whom to whom: one or two directions.
    pub fn directions(&self) -> impl Iterator<Item = [&Name; 2]> {
        let [a, b] = self.names().map(|name| &name.value);
        let back = matches!(self, Self::Both(_)).then_some([b, a]);
        std::iter::once([a, b]).chain(back)
    }
}

impl fmt::Display for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Both([a, b]) => write!(f, "between {a} and {b}"),
            Self::OneWay(OneWay { from, to }) => write!(f, "from {from} to {to}"),
        }
    }
}

impl<'de> Deserialize<'de> for Between {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(PlaceVisitor)? {
            Heal::Between(between) => Ok(between),
            Heal::All => Err(D::Error::custom(format!("`all` cannot stand here\n{TWO_NAMES}"))),
        }
    }
}

impl JsonSchema for Between {
    fn schema_name() -> Cow<'static, str> {
        "Between".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (name, one_way) = (generator.subschema_for::<Name>(), generator.subschema_for::<OneWay>());
        json_schema!({ "oneOf": [{ "type": "array", "items": name, "minItems": 2, "maxItems": 2 }, one_way] })
    }
}

/// Which partitions end, or which frames go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heal {
    /// Every one.
    All,
    /// This one.
    Between(Between),
}

impl<'de> Deserialize<'de> for Heal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlaceVisitor)
    }
}

impl JsonSchema for Heal {
    fn schema_name() -> Cow<'static, str> {
        "Heal".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let between = generator.subschema_for::<Between>();
        json_schema!({ "oneOf": [{ "const": "all" }, between] })
    }
}

/// Reads a list of two names, `from` and `to`, or `all`.
struct PlaceVisitor;

impl<'de> Visitor<'de> for PlaceVisitor {
    type Value = Heal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TWO_NAMES)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Heal, E> {
        match text {
            "all" => Ok(Heal::All),
            _ => Err(E::custom(format!("`{text}` alone does not say between whom\n{TWO_NAMES}"))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Heal, A::Error> {
        let mut list: Vec<At<Name>> = Vec::new();
        while let Some(name) = names.next_element()? {
            list.push(name);
        }
        let count = list.len();
        match <[At<Name>; 2]>::try_from(list) {
            Ok(names) => Ok(Heal::Between(Between::Both(names))),
            Err(_) => Err(A::Error::custom(format!("{count} names stand here\n{TWO_NAMES}"))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Heal, A::Error> {
        let one_way = OneWay::deserialize(MapAccessDeserializer::new(entries))?;
        Ok(Heal::Between(Between::OneWay(one_way)))
    }
}
