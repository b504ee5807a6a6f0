//! The seam as messages on a line, so that the device can be another processor.
//!
//! `LINK.md` beside this crate describes them for whoever writes the device's side in another language.
//! [`framing`] carries them over any stream of bytes; [`crate::device_side`] and [`crate::host_side`] hold the
//! conversation.

mod armed;
mod bytes;
mod effect;
mod event;
pub mod framing;
mod input;
mod mirror;
#[cfg(test)]
mod tests;

use firmware_core::{Instant, hal};
use serde::{Deserialize, Serialize};

pub use self::armed::{Armed, Point, Watch};
pub use self::bytes::Bytes;
pub use self::effect::{Effect, FlashOperation, Pattern, RadioCommand, Rhythm};
pub use self::event::Event;
pub use self::input::{Boot, Input, Network, PRODUCT_TEXT_LEN, ProductIdentity, RadioEvent, TRUST_LEN_MAX};
pub use self::mirror::{
    AtPoint, Dates, FlashOperationKind, JoinFailure, ProvisionError, ResetCause, Route, SecureError,
    SecureKind, Security, State, Stored, TimeError, WakeReason,
};

/// The version of these messages. Both sides must speak the same one.
pub const PROTOCOL: u16 = 4;

/// Bytes of flash content in one message.
pub const FLASH_CONTENT_LEN_MAX: usize = 1_024;
/// Bytes of console text in one message.
pub const CONSOLE_TEXT_LEN_MAX: usize = 1_024;
/// Bytes of a panic's words in one message; what is longer is cut.
pub const PANIC_TEXT_LEN_MAX: usize = 512;

/// What the host says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Asks who is there.
    Hello {
        /// The version that the host speaks.
        protocol: u16,
    },
    /// Starts the firmware. A device that runs already resets first and says hello.
    Boot {
        /// Tells this boot from others, so that one that is asked for twice happens once.
        session: u32,
        /// What the firmware is told.
        #[serde(borrow)]
        boot: Boot<'a>,
    },
    /// One input of the next turn.
    Input {
        /// The turn's number, from 1 in each session.
        turn: u32,
        /// The input's place in the turn, from 0.
        index: u16,
        /// The input itself.
        #[serde(borrow)]
        input: Input<'a>,
    },
    /// Runs a turn. The same number again asks for the same answer again.
    Turn(Turn),
    /// Asks for what the flash holds.
    ReadFlash {
        /// From where, in bytes.
        offset: u32,
        /// How many bytes, [`FLASH_CONTENT_LEN_MAX`] at most.
        len: u16,
    },
    /// Resets the processor.
    Reset,
    /// Erases the whole configuration partition. A device that runs already resets first and says hello.
    EraseFlash,
    /// Programs erased bytes of the configuration partition. A device that runs already resets first and says hello.
    WriteFlash {
        /// From where, in bytes, a multiple of 4.
        offset: u32,
        /// What, a multiple of 4 bytes, [`FLASH_CONTENT_LEN_MAX`] at most.
        #[serde(borrow)]
        content: Bytes<'a>,
    },
}

/// A turn, once its inputs have been sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Turn {
    /// Its number, from 1 in each session.
    pub number: u32,
    /// How many inputs it has.
    pub inputs: u16,
    /// The time, in microseconds of virtual time.
    pub now_us: i64,
    /// Up to here, but not at it, the device may run its own timers as long as nobody could notice.
    pub until_us: i64,
    /// What is armed, if that has changed.
    pub armed: Option<Armed>,
}

/// What a device says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Response<'a> {
    /// Who it is: in answer to a hello, and once without being asked when it has started.
    Hello {
        /// The version that it speaks.
        protocol: u16,
        /// Its firmware's name and version, for people.
        firmware: &'a str,
        /// Bytes of its configuration partition.
        flash_len: u32,
        /// The session that it runs, if any.
        session: Option<u32>,
    },
    /// The firmware has started.
    Booted {
        /// As asked.
        session: u32,
    },
    /// One effect of a turn.
    Effect {
        /// The turn's number.
        turn: u32,
        /// The effect's place in the turn, from 0.
        index: u16,
        /// The effect itself.
        #[serde(borrow)]
        effect: Effect<'a>,
    },
    /// A turn is over.
    Done(Done),
    /// Inputs of a turn are missing; the turn has not been run.
    InputsMissing {
        /// The turn's number.
        turn: u32,
        /// The first input that is missing.
        from: u16,
    },
    /// What the flash holds.
    Flash {
        /// From where, in bytes.
        offset: u32,
        /// Its content; shorter than asked for at the end of the partition.
        #[serde(borrow)]
        content: Bytes<'a>,
    },
    /// The request cannot be met.
    Refused(Refusal),
    /// The firmware panicked, with these words. Nothing follows until a reset.
    Panic(&'a str),
    /// The configuration partition has been erased.
    Erased,
    /// The bytes from this offset on have been programmed.
    Written {
        /// From where, in bytes.
        offset: u32,
    },
}

/// How a turn ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Done {
    /// The turn's number.
    pub turn: u32,
    /// How many effects it had.
    pub effects: u16,
    /// When the device was polled last, in microseconds of virtual time: not before the turn's `now_us`.
    pub at_us: i64,
    /// What the device wants next.
    pub wake: Wake,
    /// Whether the flash budget was used up, so that the device is dead.
    pub power_lost: bool,
    /// Inputs that it has not taken yet.
    pub waiting: Waiting,
    /// Effects that had no room since it booted.
    pub lost_effects: u32,
    /// What is armed now, and what was counted.
    pub armed: Armed,
}

/// Inputs that wait in a device's queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Waiting {
    /// Frames.
    pub frames: u16,
    /// Radio events.
    pub radio_events: u16,
    /// Button edges.
    pub button_edges: u16,
    /// Bytes typed on the console.
    pub console: u16,
}

/// What a device wants next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Wake {
    /// More at once.
    Now,
    /// Nothing before this time.
    At {
        /// In microseconds of virtual time.
        at_us: i64,
        /// The timer.
        reason: WakeReason,
    },
    /// Nothing until something happens.
    OnEvent,
    /// A new boot.
    Reboot(ResetCause),
}

impl From<hal::Wake> for Wake {
    fn from(wake: hal::Wake) -> Self {
        match wake {
            hal::Wake::Now => Self::Now,
            hal::Wake::At(at, reason) => Self::At { at_us: at.total_micros(), reason: reason.into() },
            hal::Wake::OnEvent => Self::OnEvent,
            hal::Wake::Reboot(cause) => Self::Reboot(cause.into()),
        }
    }
}

impl From<Wake> for hal::Wake {
    fn from(wake: Wake) -> Self {
        match wake {
            Wake::Now => Self::Now,
            Wake::At { at_us, reason } => Self::At(Instant::from_micros(at_us), reason.into()),
            Wake::OnEvent => Self::OnEvent,
            Wake::Reboot(cause) => Self::Reboot(cause.into()),
        }
    }
}

/// Why a request cannot be met.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Refusal {
    /// The device speaks another version of the protocol.
    Protocol,
    /// The product of the boot is not valid.
    Product,
    /// There is no firmware running: it was not booted, or its power is lost.
    NotRunning,
    /// The turn is neither the last one nor the one behind it.
    OutOfStep,
    /// The flash could not be read there, or not be erased.
    Flash,
    /// The firmware has no TLS, or cannot use the authority's certificate.
    Trust,
}

/// Why a message that was understood cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reject {
    /// A name or a secret is longer than its standard allows.
    TooLong,
}
