//! What the air does to frames, beside carrying them: rules with a chance of their own; and between whom no
//! frame passes at all.

use std::collections::BTreeSet;

use firmware_core::random::SplitMix64;
use smoltcp::time::Duration;

use super::{NodeId, World};
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
    /// From whom to whom nothing passes.
    partitions: BTreeSet<(NodeId, NodeId)>,
    random: SplitMix64,
}

impl Link {
    /// Air that only carries.
    pub(super) fn new(seed: u64) -> Self {
        Self { faults: LinkFaults::default(), partitions: BTreeSet::new(), random: SplitMix64::new(seed) }
    }

    /// Lets nothing pass from one node to another until it is healed.
    pub(super) fn partition(&mut self, from: NodeId, to: NodeId) {
        self.partitions.insert((from, to));
    }

    /// Lets frames pass again from one node to another; `false` when they did.
    pub(super) fn heal(&mut self, from: NodeId, to: NodeId) -> bool {
        self.partitions.remove(&(from, to))
    }

    /// Lets all frames pass again; `false` when all did.
    pub(super) fn heal_all(&mut self) -> bool {
        !std::mem::take(&mut self.partitions).is_empty()
    }

    /// Whether any two nodes are apart.
    pub(super) fn is_partitioned(&self) -> bool {
        !self.partitions.is_empty()
    }

    /// Whether frames pass from one node to another.
    pub(super) fn passes(&self, from: NodeId, to: NodeId) -> bool {
        !self.partitions.contains(&(from, to))
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

impl World {
    /// Sets what the air does to frames from now on.
    pub fn set_link_faults(&mut self, faults: LinkFaults) {
        self.link.faults = faults;
    }

    /// What the air does to frames.
    pub fn link_faults(&self) -> LinkFaults {
        self.link.faults
    }

    /// Lets no frame pass any more from one node to another. Those already under way arrive; associations stay.
    pub fn partition(&mut self, from: NodeId, to: NodeId) {
        self.link.partition(from, to);
    }

    /// Lets frames pass again from one node to another; `false` when they did.
    pub fn heal(&mut self, from: NodeId, to: NodeId) -> bool {
        self.link.heal(from, to)
    }

    /// Lets frames pass again between all; `false` when they did.
    pub fn heal_all(&mut self) -> bool {
        self.link.heal_all()
    }

    /// Whether frames pass from one node to another; an access point that stands between them is `relay`.
    pub(super) fn passes(&self, from: NodeId, relay: Option<NodeId>, to: NodeId) -> bool {
        let relay = relay.filter(|relay| *relay != to);
        self.link.passes(from, to)
            && relay.is_none_or(|relay| self.link.passes(from, relay) && self.link.passes(relay, to))
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
    fn a_partition_has_a_direction_and_stays_until_it_is_healed() {
        let (device, home, other) = (NodeId::Device(0), NodeId::Router(0), NodeId::Router(1));
        let mut link = Link::new(1);
        assert!(!link.heal(device, home) && !link.heal_all() && !link.is_partitioned());
        link.partition(home, device);
        assert!(link.is_partitioned() && !link.passes(home, device));
        assert!(link.passes(device, home) && link.passes(other, device) && link.passes(home, other));
        link.partition(device, home);
        link.partition(other, device);
        assert!(link.heal(home, device) && link.passes(home, device) && !link.passes(device, home));
        assert!(link.heal_all() && link.passes(device, home) && link.passes(other, device));
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
