//! What a device does within a turn.

use firmware_core::config::{Passphrase, Ssid};
use firmware_core::panel::{self, Colour, PatternKind};
use firmware_core::{Instant, hal};
use serde::{Deserialize, Serialize};
use smoltcp::wire::EthernetAddress;

use super::Reject;
use super::bytes::Bytes;
use super::event::Event;
use super::mirror::FlashOperationKind;
use crate::cut_flash;
use crate::queues;

/// One thing that a device did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Effect<'a> {
    /// It sent a frame.
    Frame(#[serde(borrow)] Bytes<'a>),
    /// It told its radio something.
    Radio(#[serde(borrow)] RadioCommand<'a>),
    /// It changed what the indicator shows.
    Pattern(Pattern),
    /// It told what it does.
    Trace(#[serde(borrow)] Event<'a>),
    /// It printed text on its console.
    Console(&'a str),
    /// It touched its flash.
    Flash(FlashOperation),
}

impl<'a> From<queues::Effect<'a>> for Effect<'a> {
    fn from(effect: queues::Effect<'a>) -> Self {
        match effect {
            queues::Effect::Frame(frame) => Self::Frame(Bytes(frame)),
            queues::Effect::Radio(command) => Self::Radio(command.into()),
            queues::Effect::Pattern(pattern) => Self::Pattern(pattern.into()),
            queues::Effect::Trace(event) => Self::Trace(event.into()),
            queues::Effect::Console(text) => Self::Console(text),
            queues::Effect::Flash(operation) => Self::Flash(operation.into()),
        }
    }
}

/// What a radio is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "`firmware_core::hal::RadioCommand` documents each variant")]
pub enum RadioCommand<'a> {
    Off,
    StartAp {
        #[serde(borrow)]
        ssid: Bytes<'a>,
        channel: u8,
    },
    Scan {
        #[serde(borrow)]
        probe: Option<Bytes<'a>>,
    },
    Join {
        #[serde(borrow)]
        ssid: Bytes<'a>,
        #[serde(borrow)]
        passphrase: Bytes<'a>,
        bssid: [u8; 6],
        channel: u8,
    },
}

impl<'a> From<&'a hal::RadioCommand> for RadioCommand<'a> {
    fn from(command: &'a hal::RadioCommand) -> Self {
        match command {
            hal::RadioCommand::Off => Self::Off,
            hal::RadioCommand::StartAp { ssid, channel } => {
                Self::StartAp { ssid: Bytes(ssid.as_bytes()), channel: *channel }
            }
            hal::RadioCommand::Scan { probe } => {
                Self::Scan { probe: probe.as_ref().map(|ssid| Bytes(ssid.as_bytes())) }
            }
            hal::RadioCommand::Join { ssid, passphrase, bssid, channel } => Self::Join {
                ssid: Bytes(ssid.as_bytes()),
                passphrase: Bytes(passphrase.expose()),
                bssid: bssid.0,
                channel: *channel,
            },
        }
    }
}

impl TryFrom<RadioCommand<'_>> for hal::RadioCommand {
    type Error = Reject;

    fn try_from(command: RadioCommand<'_>) -> Result<Self, Reject> {
        let name = |ssid: Bytes<'_>| Ssid::new(ssid.0).ok_or(Reject::TooLong);
        Ok(match command {
            RadioCommand::Off => Self::Off,
            RadioCommand::StartAp { ssid, channel } => Self::StartAp { ssid: name(ssid)?, channel },
            RadioCommand::Scan { probe } => Self::Scan { probe: probe.map(name).transpose()? },
            RadioCommand::Join { ssid, passphrase, bssid, channel } => Self::Join {
                ssid: name(ssid)?,
                passphrase: Passphrase::new(passphrase.0).ok_or(Reject::TooLong)?,
                bssid: EthernetAddress(bssid),
                channel,
            },
        })
    }
}

/// What the indicator shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pattern {
    /// Its rhythm.
    pub rhythm: Rhythm,
    /// Red, green and blue at full level.
    pub colour: [u8; 3],
    /// Since when, in microseconds of virtual time.
    pub since_us: i64,
}

/// How the light changes over time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Rhythm {
    /// On, off, on, off, in milliseconds.
    Beat([u16; 4]),
    /// A triangle in 256 steps of this many milliseconds.
    Wave(u16),
}

impl From<panel::Pattern> for Pattern {
    fn from(pattern: panel::Pattern) -> Self {
        let Colour { red, green, blue } = pattern.colour;
        let rhythm = match pattern.kind {
            PatternKind::Beat(beats) => Rhythm::Beat(beats),
            PatternKind::Wave(step_ms) => Rhythm::Wave(step_ms),
        };
        Self { rhythm, colour: [red, green, blue], since_us: pattern.since.total_micros() }
    }
}

impl From<Pattern> for panel::Pattern {
    fn from(pattern: Pattern) -> Self {
        let [red, green, blue] = pattern.colour;
        let kind = match pattern.rhythm {
            Rhythm::Beat(beats) => PatternKind::Beat(beats),
            Rhythm::Wave(step_ms) => PatternKind::Wave(step_ms),
        };
        Self { kind, colour: Colour { red, green, blue }, since: Instant::from_micros(pattern.since_us) }
    }
}

/// One operation of the flash: never its content.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FlashOperation {
    /// What was done.
    pub kind: FlashOperationKind,
    /// Where it began, in bytes.
    pub offset: u32,
    /// How many bytes were done in full.
    pub len: u32,
    /// FNV-1a-64 of `len` (little-endian) and the bytes programmed; of `len` alone for an erase.
    pub digest: u64,
    /// Whether power was lost before its last byte.
    pub interrupted: bool,
}

impl From<cut_flash::FlashOperation> for FlashOperation {
    fn from(operation: cut_flash::FlashOperation) -> Self {
        let cut_flash::FlashOperation { kind, offset, len, digest, interrupted } = operation;
        Self { kind: kind.into(), offset, len, digest, interrupted }
    }
}

impl From<FlashOperation> for cut_flash::FlashOperation {
    fn from(operation: FlashOperation) -> Self {
        let FlashOperation { kind, offset, len, digest, interrupted } = operation;
        Self { kind: kind.into(), offset, len, digest, interrupted }
    }
}
