//! One turn of a device, the same wherever it runs.

use core::borrow::BorrowMut;

use embedded_storage::nor_flash::MultiwriteNorFlash;
use firmware_core::Instant;
use firmware_core::application::Application;
use firmware_core::device::Device;
use firmware_core::hal::{SecureChannel, Wake};

use crate::queues::Queues;
use crate::turn_platform::{TurnEnd, TurnPlatform};

/// How a turn ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    /// When the device was polled last; the effects are of this time.
    pub at: Instant,
    /// What it wants next.
    pub wake: Wake,
    /// Whether it still has power.
    pub end: TurnEnd,
}

/// Lets the device take its inputs and do what is due at `now`.
///
/// Up to `until`, but not at it, its own timers run as well, as long as they lead to nothing that the world
/// could see: so a link that is slow is not asked once for each of them.
pub fn run<A: Application, F: MultiwriteNorFlash, S: SecureChannel + Default, Q: BorrowMut<Queues>>(
    device: &mut Device<A>,
    platform: &mut TurnPlatform<F, S, Q>,
    now: Instant,
    until: Instant,
) -> Turn {
    let mut at = now;
    loop {
        let wake = device.poll(at, platform);
        let end = platform.end_turn();
        let queues = platform.queues();
        match wake {
            Wake::At(next, _)
                if at < next
                    && next < until
                    && end == TurnEnd::Alive
                    && !queues.watch().is_reached()
                    && queues.is_idle()
                    && queues.has_no_effects() =>
            {
                at = next;
            }
            wake => return Turn { at, wake, end },
        }
    }
}
