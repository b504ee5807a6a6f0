//! What the air does to frames, beside carrying them: rules with a chance of their own.

use firmware_core::random::SplitMix64;
use smoltcp::time::Duration;

use crate::stack::Frame;

/// How much later a frame arrives that others overtake: more than a round trip over the air takes.
const REORDER_DELAY: Duration = Duration::from_millis(5);
/// How much later the second copy of a frame arrives: a retransmission whose acknowledgement was lost.
const DUPLICATE_DELAY: Duration = Duration::from_millis(2);

/// How often, of a thousand frames, something happens to one. Nothing happens by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkFaults {
    /// It is lost.
    pub loss_permille: u16,
    /// One of its bits is flipped and nobody notices on the way.
    pub corrupt_permille: u16,
    /// Frames that were sent after it overtake it.
    pub reorder_permille: u16,
    /// It arrives twice.
    pub duplicate_permille: u16,
    /// Added to the latency of every frame.
    pub extra_latency: Duration,
}

/// The rules of the air and their chance.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) faults: LinkFaults,
    random: SplitMix64,
}

impl Link {
    /// Air that only carries.
    pub(super) fn new(seed: u64) -> Self {
        Self { faults: LinkFaults::default(), random: SplitMix64::new(seed) }
    }

    /// Lets a frame through the air; `deliver` is told of each copy that arrives, and how much later than
    /// usual. A rule that is off draws no chance, so that it changes nothing of the others.
    pub(super) fn carry(&mut self, mut frame: Frame, mut deliver: impl FnMut(Duration, Frame)) {
        if self.happens(self.faults.loss_permille) {
            return;
        }
        if self.happens(self.faults.corrupt_permille) {
            let bit = self.random.below(8 * frame.len() as u64);
            if let Some(byte) = frame.get_mut((bit / 8) as usize) {
                *byte ^= 1 << (bit % 8);
            }
        }
        let delay = if self.happens(self.faults.reorder_permille) { REORDER_DELAY } else { Duration::ZERO };
        if self.happens(self.faults.duplicate_permille) {
            deliver(delay + DUPLICATE_DELAY, frame.clone());
        }
        deliver(delay, frame);
    }

    fn happens(&mut self, permille: u16) -> bool {
        permille > 0 && self.random.below(1_000) < u64::from(permille)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a thousand frames through the air and returns what arrived, with its delay in milliseconds.
    fn carry(faults: LinkFaults) -> Vec<(u64, Frame)> {
        let mut link = Link { faults, ..Link::new(1) };
        let mut arrived = Vec::new();
        for number in 0..1_000_u16 {
            let frame = number.to_be_bytes().to_vec();
            link.carry(frame, |delay, frame| arrived.push((delay.total_millis(), frame)));
        }
        arrived
    }

    fn sent() -> Vec<Frame> {
        (0..1_000_u16).map(|number| number.to_be_bytes().to_vec()).collect()
    }

    #[test]
    fn quiet_air_changes_nothing() {
        let arrived = carry(LinkFaults::default());
        assert!(arrived.iter().all(|(delay, _)| *delay == 0));
        assert_eq!(arrived.into_iter().map(|(_, frame)| frame).collect::<Vec<_>>(), sent());
    }

    #[test]
    fn each_rule_strikes_about_as_often_as_it_says() {
        let about = |count: usize| assert!((60..=140).contains(&count), "{count} of a thousand");
        about(1_000 - carry(LinkFaults { loss_permille: 100, ..LinkFaults::default() }).len());
        about(carry(LinkFaults { duplicate_permille: 100, ..LinkFaults::default() }).len() - 1_000);
        let late = carry(LinkFaults { reorder_permille: 100, ..LinkFaults::default() });
        about(late.iter().filter(|(delay, _)| *delay > 0).count());
        let corrupt = carry(LinkFaults { corrupt_permille: 100, ..LinkFaults::default() });
        about(corrupt.iter().zip(sent()).filter(|((_, frame), sent)| frame != sent).count());
    }

    #[test]
    fn a_corrupt_frame_differs_in_one_bit() {
        let corrupt = carry(LinkFaults { corrupt_permille: 1_000, ..LinkFaults::default() });
        for ((_, frame), sent) in corrupt.iter().zip(sent()) {
            let flipped: u32 = frame.iter().zip(&sent).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!(flipped, 1);
        }
    }
}
