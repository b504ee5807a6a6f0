//! The device under test behind the seam. The world sees queues, a turn and a flash; what runs the firmware
//! is somebody else's business.

mod in_process;
mod link;
pub mod qemu;
pub mod serial;

use std::borrow::Cow;

use firmware_core::Instant;
use firmware_core::hal::Boot;
use hil_link::cut_flash::FlashState;
use hil_link::host_side::Fault;
use hil_link::queues::Queues;
use hil_link::turn::Turn;
use hil_link::wire::Refusal;

pub use in_process::InProcess;
pub use link::{Line, OverLink};

/// Bytes of the configuration partition: two sectors.
pub const FLASH_LEN: usize = 8_192;

/// Something that runs the firmware of one device, one turn at a time.
pub trait Executor {
    /// From the next boot on its TLS is real and trusts this authority (X.509, DER). Without it TLS is modelled.
    fn set_trust(&mut self, authority: &[u8]);
    /// Starts the firmware afresh; only flash survives from before.
    ///
    /// # Errors
    /// When the device cannot be reached or does not start. In process it always does.
    fn boot(&mut self, boot: Boot) -> Result<(), ExecutorError>;
    /// Lets the firmware take its inputs and do what is due at `now`. Up to `until`, but not at it, its own
    /// timers may run as long as they lead to nothing that can be seen.
    ///
    /// # Errors
    /// When the device cannot be reached any more. In process it always can.
    fn turn(&mut self, now: Instant, until: Instant) -> Result<Turn, ExecutorError>;
    /// The inputs that wait and the effects of the last turn.
    fn queues(&mut self) -> &mut Queues;
    /// What is armed in the flash and what was counted there, between turns.
    fn flash_state(&mut self) -> &mut FlashState;
    /// What the flash holds, [`FLASH_LEN`] bytes, whether the device has power or not.
    ///
    /// # Errors
    /// When the device cannot be reached. In process it always can.
    fn flash(&mut self) -> Result<Cow<'_, [u8]>, ExecutorError>;
    /// Puts this content into the flash, [`FLASH_LEN`] bytes, of a device without power; nothing is counted.
    ///
    /// # Errors
    /// When the device cannot be reached or cannot. In process it always can.
    fn set_flash(&mut self, content: &[u8]) -> Result<(), ExecutorError>;
    /// Stops the firmware without a word.
    fn power_off(&mut self);
}

/// Why a device outside this process does not do its part.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExecutorError {
    /// It speaks another version of the link.
    #[error("it speaks version {device} of the link and this program speaks {host}: build both anew")]
    Protocol {
        /// The device's version.
        device: u16,
        /// Ours.
        host: u16,
    },
    /// It does not answer.
    #[error("it does not answer: is the firmware the one with the link, and the line the right one?")]
    Silent,
    /// The line to it failed.
    #[error("the line to it failed: {0}")]
    Line(String),
    /// Too much of what it says is damaged on the way.
    #[error("the line to it is too noisy")]
    Noise,
    /// Its firmware panicked.
    #[error("its firmware panicked: {0}")]
    Panicked(String),
    /// It restarted although nobody told it to.
    #[error("it restarted by itself in the middle of a turn: a watchdog, or its supply")]
    Restarted,
    /// It refused what it was asked.
    #[error("it refused what it was asked: {0:?}")]
    Refused(Refusal),
    /// It broke the rules of the link.
    #[error("it broke the rules of the link: {0:?}")]
    Broken(Fault),
}
