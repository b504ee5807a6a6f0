//! What the air does to frames, beside carrying them: rules with a chance of their own; and between whom no
//! frame passes at all.

use std::collections::BTreeSet;

use firmware_core::random::SplitMix64;
use smoltcp::time::Duration;
use smoltcp::wire::EthernetFrame;

use super::carry::Delivery;
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
    /// Up to this much more is added to that of each frame, by chance.
    pub jitter: Duration,
    /// The most bytes behind the Ethernet header; a longer frame is lost.
    pub mtu: Option<u16>,
}

/// Whose frame it is, and for whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) from: NodeId,
    /// The owner of the access point that stands between stations.
    pub(super) relay: Option<NodeId>,
    pub(super) to: NodeId,
}

impl Way {
    /// Whether a frame on this way passes none of these stretches.
    fn avoids(&self, stretches: &BTreeSet<(NodeId, NodeId)>) -> bool {
        let Self { from, relay, to } = *self;
        let has = |from, to| stretches.contains(&(from, to));
        let relay = relay.filter(|relay| *relay != to);
        !has(from, to) && relay.is_none_or(|relay| !has(from, relay) && !has(relay, to))
    }
}

/// The rules of the air and their chance.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) faults: LinkFaults,
    /// From whom to whom nothing passes.
    partitions: BTreeSet<(NodeId, NodeId)>,
    /// From whom to whom frames are kept back, and those that are, the oldest first.
    holds: BTreeSet<(NodeId, NodeId)>,
    kept: Vec<(Way, Delivery)>,
    random: SplitMix64,
}

impl Link {
    /// Air that only carries.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            faults: LinkFaults::default(),
            partitions: BTreeSet::new(),
            holds: BTreeSet::new(),
            kept: Vec::new(),
            random: SplitMix64::new(seed),
        }
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

    /// Whether a frame passes on its way.
    pub(super) fn passes(&self, way: &Way) -> bool {
        way.avoids(&self.partitions)
    }

    /// Keeps back frames from one node to another.
    pub(super) fn hold(&mut self, from: NodeId, to: NodeId) {
        self.holds.insert((from, to));
    }

    /// Keeps them back no more; `false` when it did not.
    pub(super) fn release(&mut self, from: NodeId, to: NodeId) -> bool {
        self.holds.remove(&(from, to))
    }

    /// Keeps back nothing more; `false` when it did not.
    pub(super) fn release_all(&mut self) -> bool {
        !std::mem::take(&mut self.holds).is_empty()
    }

    /// Whether frames are kept back anywhere.
    pub(super) fn is_holding(&self) -> bool {
        !self.holds.is_empty()
    }

    /// Whether a frame that arrives on this way is to be kept back.
    pub(super) fn is_held(&self, way: &Way) -> bool {
        !way.avoids(&self.holds)
    }

    /// Keeps a frame back.
    pub(super) fn keep(&mut self, way: Way, delivery: Delivery) {
        self.kept.push((way, delivery));
    }

    /// The frames that need not be kept back any longer, the oldest first.
    pub(super) fn take_released(&mut self) -> Vec<Delivery> {
        let holds = &self.holds;
        let released = self.kept.extract_if(.., |(way, _)| way.avoids(holds));
        released.map(|(_, delivery)| delivery).collect()
    }

    /// Lets a frame through the air; `deliver` is told of each copy that arrives, and how much later than
    /// usual. A rule that is off draws no chance, so that it changes nothing of the others.
    pub(super) fn carry(&mut self, mut frame: Frame, mut deliver: impl FnMut(Duration, Frame)) {
        let is_too_long = |mtu| frame.len() > usize::from(mtu) + EthernetFrame::<&[u8]>::header_len();
        if self.faults.mtu.is_some_and(is_too_long) || self.happens(self.faults.loss_permille) {
            return;
        }
        if self.happens(self.faults.corrupt_permille) {
            let bit = self.random.below(8 * frame.len() as u64);
            if let Some(byte) = frame.get_mut((bit / 8) as usize) {
                *byte ^= 1 << (bit % 8);
            }
        }
        let mut delay =
            if self.happens(self.faults.reorder_permille) { REORDER_DELAY } else { Duration::ZERO };
        if self.faults.jitter != Duration::ZERO {
            delay += Duration::from_micros(self.random.below(self.faults.jitter.total_micros() + 1));
        }
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

    /// Keeps back frames from one node to another until they are released, also those under way.
    pub fn hold(&mut self, from: NodeId, to: NodeId) {
        self.link.hold(from, to);
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
        let passes = |link: &Link, from, to| link.passes(&Way { from, relay: None, to });
        assert!(!link.heal(device, home) && !link.heal_all() && !link.is_partitioned());
        link.partition(home, device);
        assert!(link.is_partitioned() && !passes(&link, home, device));
        assert!(passes(&link, device, home) && passes(&link, other, device) && passes(&link, home, other));
        link.partition(device, home);
        link.partition(other, device);
        assert!(link.heal(home, device) && passes(&link, home, device) && !passes(&link, device, home));
        assert!(link.heal_all() && passes(&link, device, home) && passes(&link, other, device));
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
    fn frames_vary_within_the_jitter_and_not_beyond() {
        let varied = carry(LinkFaults { jitter: Duration::from_millis(9), ..LinkFaults::default() });
        assert_eq!(varied.len(), 1_000);
        assert!(varied.iter().all(|(delay, _)| *delay <= 9));
        for millis in 0..9 {
            let count = varied.iter().filter(|(delay, _)| *delay == millis).count();
            assert!((60..=170).contains(&count), "{count} of a thousand are {millis} ms late");
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_lost_and_no_other() {
        let faults = LinkFaults { mtu: Some(68), ..LinkFaults::default() };
        let mut link = Link { faults, ..Link::new(1) };
        let mut arrived = Vec::new();
        for len in [60, 82, 83, 1_514] {
            link.carry(vec![0; len], |_, frame| arrived.push(frame.len()));
        }
        assert_eq!(arrived, [60, 82]);
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
