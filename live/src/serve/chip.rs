//! The chips that Wokwi's page simulates.

use std::fmt;
use std::str::FromStr;

/// A chip that the page can simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chip {
    /// The ESP32.
    Esp32,
    /// The ESP32-C3.
    Esp32C3,
    /// The ESP32-C6.
    Esp32C6,
    /// The ESP32-S2.
    Esp32S2,
    /// The ESP32-S3.
    Esp32S3,
}

/// A name that is no chip's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no chip that can be served: esp32, esp32c3, esp32c6, esp32s2 or esp32s3")]
pub struct UnknownChip(String);

impl Chip {
    const ALL: [Self; 5] = [Self::Esp32, Self::Esp32C3, Self::Esp32C6, Self::Esp32S2, Self::Esp32S3];

    /// Its name, as espflash writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Esp32 => "esp32",
            Self::Esp32C3 => "esp32c3",
            Self::Esp32C6 => "esp32c6",
            Self::Esp32S2 => "esp32s2",
            Self::Esp32S3 => "esp32s3",
        }
    }

    /// Wokwi's project with a bare board of this chip, if one is known.
    pub fn project(self) -> Option<&'static str> {
        match self {
            Self::Esp32 => Some("338154815612781140"),
            Self::Esp32C3 => Some("338322025101656660"),
            Self::Esp32C6 => None,
            Self::Esp32S2 => Some("338154940543271506"),
            Self::Esp32S3 => Some("345144250522927698"),
        }
    }
}

impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Chip {
    type Err = UnknownChip;

    /// Takes `ESP32-C3` for `esp32c3`: both ways to write it are in use.
    fn from_str(text: &str) -> Result<Self, UnknownChip> {
        let lower = text.to_ascii_lowercase();
        let name = match lower.strip_prefix("esp32-") {
            Some(variant) => format!("esp32{variant}"),
            None => lower,
        };
        // `esp32-` alone would be the ESP32 otherwise.
        let found = Self::ALL.into_iter().find(|chip| chip.name() == name && !text.ends_with('-'));
        found.ok_or_else(|| UnknownChip(super::messages::shown(text)))
    }
}
