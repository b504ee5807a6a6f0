//! Why a run cannot go on.

use smoltcp::time::Instant;

use super::NodeId;
use crate::executor::ExecutorError;

/// Why a run cannot go on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WorldError {
    /// Actors keep waking each other and the clock does not move.
    #[error("no time passes: {steps} steps at {at}, the last of them for {last:?} ({reason})")]
    Stalled {
        /// How many steps.
        steps: u32,
        /// The time that stands still.
        at: Instant,
        /// Who was polled last.
        last: NodeId,
        /// Why, as far as it is known.
        reason: String,
    },
    /// More happened to a device's radio in one turn than the seam has room for.
    #[error(
        "device {0} was told more in one turn than the link holds: more than 70 networks in one scan, perhaps"
    )]
    InputsLost(usize),
    /// A device said more in one turn than the seam has room for.
    #[error("device {0} produced more effects in one turn than the link holds")]
    EffectsLost(usize),
    /// A device outside this process failed.
    #[error("device {0} is lost: {1}")]
    Device(usize, ExecutorError),
}
