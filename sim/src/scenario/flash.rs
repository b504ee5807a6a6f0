//! What becomes of a device's flash by itself: age, radiation, another firmware.

use schemars::JsonSchema;
use serde::Deserialize;

use super::value::{SectorNumber, scalar};

/// What changes about a device's flash; at least one thing. Its content can only be changed while the device has no
/// power.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct FlashChange {
    /// What all of it holds from now on.
    pub fill: Option<Fill>,
    /// What some of its bytes hold from now on.
    pub write: Option<FlashWrite>,
    /// A bit that holds the other value from now on.
    pub flip: Option<FlipBit>,
    /// The sector in which programming has no effect any more, 0 or 1.
    pub stuck_sector: Option<SectorNumber>,
    /// How often a sector can be erased in its life; from then on its erases fail.
    pub erases_max: Option<u32>,
}

/// What all of a flash holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// Nothing, as from the factory.
    Erased,
    /// Zeros.
    Zeros,
    /// Anything, by the seed.
    Noise,
}

/// Bytes of a flash.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlashWrite {
    /// Where they begin, 0 to 8191.
    pub at: u32,
    /// What they are, two hexadecimal digits for each.
    pub bytes: HexBytes,
}

/// A bit of a flash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlipBit {
    /// In which byte, 0 to 8191.
    pub byte: u32,
    /// Which of its bits, 0 to 7.
    pub bit: u8,
}

/// Bytes in hexadecimal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HexBytes(pub Vec<u8>);

scalar!(HexBytes, { "type": "string", "pattern": "^([0-9a-fA-F]{2})+$" });

impl HexBytes {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not hexadecimal\ntwo digits for each byte: \"4544ff\"");
        let digits: Option<Vec<u8>> =
            text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        match digits.ok_or_else(wrong)?.as_chunks::<2>() {
            ([], _) | (_, [_, ..]) => Err(wrong()),
            (pairs, []) => Ok(Self(pairs.iter().map(|[high, low]| high << 4 | low).collect())),
        }
    }
}

impl FlashChange {
    /// Whether it changes what the flash holds.
    pub fn changes_content(&self) -> bool {
        self.fill.is_some() || self.write.is_some() || self.flip.is_some()
    }

    /// Whether it leaves the flash broken.
    pub fn breaks(&self) -> bool {
        self.stuck_sector.is_some() || self.erases_max.is_some()
    }

    /// What happens to the flash, in words that follow the device's name.
    pub(super) fn describe(&self) -> String {
        let Self { fill, write, flip, stuck_sector, erases_max } = self;
        let mut words = Vec::new();
        words.extend(fill.map(|fill| match fill {
            Fill::Erased => "finds its flash erased".to_owned(),
            Fill::Zeros => "finds its flash full of zeros".to_owned(),
            Fill::Noise => "finds noise in its flash".to_owned(),
        }));
        words.extend(
            write.as_ref().map(|write| {
                format!("finds {} other bytes at {} of its flash", write.bytes.0.len(), write.at)
            }),
        );
        words.extend(
            flip.map(|flip| format!("finds bit {} of byte {} of its flash flipped", flip.bit, flip.byte)),
        );
        words.extend(stuck_sector.map(|sector| format!("can no longer program sector {}", sector.0)));
        words.extend(erases_max.map(|count| format!("can erase a sector {count} times in all")));
        words.join(" and ")
    }
}
