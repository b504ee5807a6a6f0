//! Every frame of a run as each actor saw it, for Wireshark.
//!
//! A frame is there once at its sender, when it left, and once at each receiver that took it, when it arrived: one
//! that was lost on the way is seen by its sender alone. Passwords and tokens are starred in a capture
//! (`redact`), because captures are sent to others.

mod pcapng;
mod redact;

use std::collections::{BTreeMap, BTreeSet};

use smoltcp::time::Instant;

use crate::actor::Port;
use crate::flash_view::FlashView;
use crate::scenario::Scenario;
use crate::stack::Frame;
use crate::trace::Trace;
use crate::world::NodeId;
use pcapng::{Direction, Packet};

/// The frames of a run.
#[derive(Default, Debug)]
pub struct Capture {
    /// As they were sent, in their order.
    sent: Vec<Frame>,
    sightings: Vec<Sighting>,
    /// The step of the scenario that is being carried out, from 1.
    step: usize,
}

/// A frame at one of its ends.
#[derive(Debug)]
struct Sighting {
    at: Instant,
    node: NodeId,
    port: Port,
    /// Which of those that were sent.
    number: usize,
    step: usize,
    /// `None` at the sender; else what became of its bytes on the way: place and flipped bits.
    received: Option<Vec<(usize, u8)>>,
}

impl Capture {
    /// Takes note that a step begins.
    pub(crate) fn begin_step(&mut self, number: usize) {
        self.step = number;
    }

    /// Takes a frame that leaves its sender.
    pub(crate) fn send(&mut self, at: Instant, node: NodeId, port: Port, frame: &Frame) {
        let (number, step) = (self.sent.len(), self.step);
        self.sent.push(frame.clone());
        self.sightings.push(Sighting { at, node, port, number, step, received: None });
    }

    /// Takes the frame that was sent as the `number`th, from 0, as it reaches a receiver.
    pub(crate) fn receive(&mut self, at: Instant, node: NodeId, port: Port, number: usize, frame: &[u8]) {
        let Some(sent) = self.sent.get(number) else { return };
        let changes = sent.iter().zip(frame).enumerate().filter(|(_, (sent, got))| sent != got);
        let received = Some(changes.map(|(place, (sent, got))| (place, sent ^ got)).collect());
        self.sightings.push(Sighting { at, node, port, number, step: self.step, received });
    }

    /// What may be shown of it, beside what the devices' `flash` holds now. `secrets` are the run's own, beside those
    /// that are known by where they stand.
    pub(crate) fn finish(mut self, secrets: &[Vec<u8>], flash: Vec<FlashView>) -> Recording {
        let with_secrets = redact::redact(&mut self.sent, secrets);
        // A device that writes flash is ahead of the others.
        self.sightings.sort_by_key(|sighting| sighting.at);
        let mut by_frame: Vec<usize> = (0..self.sightings.len()).collect();
        // Its sender first, then who took it, by time.
        by_frame.sort_by_key(|index| {
            self.sightings.get(*index).map(|sighting| (sighting.number, sighting.received.is_some()))
        });
        Recording { capture: self, by_frame, with_secrets, flash }
    }
}

/// What can be seen of a run that is over only because it was recorded, without secrets.
#[derive(Debug)]
pub struct Recording {
    capture: Capture,
    /// The sightings by the frame that was seen.
    by_frame: Vec<usize>,
    /// The frames that held a secret before it was starred.
    with_secrets: BTreeSet<usize>,
    /// What each device's flash holds in the end, as far as it can be read.
    pub flash: Vec<FlashView>,
}

/// A frame that was sent, and who received it.
pub struct SentFrame<'a> {
    /// When it left.
    pub at: Instant,
    /// Its sender.
    pub sender: NodeId,
    /// Where it left its sender.
    pub port: Port,
    /// The step of the scenario that was being carried out, from 1.
    pub step: usize,
    /// The frame as it left, without secrets.
    pub bytes: &'a [u8],
    /// Whether a password or a token stood in it that anybody on its way could read.
    pub held_secret: bool,
    receivers: &'a [usize],
    capture: &'a Capture,
}

impl<'a> SentFrame<'a> {
    /// Who took it, when, and what became of its bytes on the way: places and flipped bits.
    pub fn received(&self) -> impl Iterator<Item = (NodeId, Instant, &'a [(usize, u8)])> {
        let sightings = self.receivers.iter().filter_map(|index| self.capture.sightings.get(*index));
        sightings
            .map(|sighting| (sighting.node, sighting.at, sighting.received.as_deref().unwrap_or_default()))
    }
}

impl Recording {
    /// Every frame in the order in which they were sent.
    pub fn frames(&self) -> impl Iterator<Item = SentFrame<'_>> {
        let capture = &self.capture;
        let of = |index: &usize| capture.sightings.get(*index);
        let number = move |index: &usize| of(index).map(|sighting| sighting.number);
        self.by_frame.chunk_by(move |a, b| number(a) == number(b)).filter_map(move |indices| {
            let (first, receivers) = indices.split_first()?;
            let Sighting { at, node: sender, port, number, step, .. } = of(first)?;
            let bytes = capture.sent.get(*number)?;
            let (at, sender, port, step) = (*at, *sender, *port, *step);
            let held_secret = self.with_secrets.contains(number);
            Some(SentFrame { at, sender, port, step, bytes, held_secret, receivers, capture })
        })
    }

    /// The frames as a pcapng file: an interface for each end at which they can be seen, and with each packet the
    /// step during which it was there.
    pub fn to_pcapng(&self, scenario: &Scenario, seed: u64, trace: &Trace) -> Vec<u8> {
        let Capture { sent, sightings, .. } = &self.capture;
        let interfaces: BTreeMap<(NodeId, Port), u32> = trace
            .actors()
            .flat_map(|(node, _)| ports(node).iter().map(move |port| (node, *port)))
            .zip(0..)
            .collect();
        let mut file = pcapng::File::new(&format!("{}, seed {seed}", scenario.title));
        for (node, port) in interfaces.keys() {
            file.add_interface(&vantage_name(trace.name(*node), *node, *port));
        }
        let comments: Vec<String> = (1..)
            .zip(&scenario.steps)
            .map(|(number, step)| format!("step {number}: {}", step.describe()))
            .collect();
        for sighting in sightings {
            let Some((interface, sent)) =
                interfaces.get(&(sighting.node, sighting.port)).zip(sent.get(sighting.number))
            else {
                continue;
            };
            let mut bytes = sent.clone();
            for (place, bits) in sighting.received.iter().flatten() {
                bytes.get_mut(*place).into_iter().for_each(|byte| *byte ^= bits);
            }
            let direction = if sighting.received.is_some() { Direction::In } else { Direction::Out };
            let comment = sighting.step.checked_sub(1).and_then(|place| comments.get(place));
            file.add_packet(&Packet {
                interface: *interface,
                at: sighting.at,
                direction,
                bytes: &bytes,
                comment: comment.map(String::as_str),
            });
        }
        file.into_bytes()
    }
}

/// Where an actor sees frames.
fn ports(node: NodeId) -> &'static [Port] {
    match node {
        NodeId::Device(_) => &[Port::Air],
        NodeId::Phone(_) | NodeId::Router(_) | NodeId::Guest(_) => &[Port::Air, Port::Internet],
        NodeId::Cloud(_) => &[Port::Internet],
    }
}

fn vantage_name(name: &str, node: NodeId, port: Port) -> String {
    match (node, port) {
        (NodeId::Device(_) | NodeId::Cloud(_) | NodeId::Guest(_), _) => name.to_owned(),
        (NodeId::Phone(_), Port::Air) => format!("{name} WiFi"),
        (NodeId::Phone(_), Port::Internet) => format!("{name} cellular"),
        (NodeId::Router(_), Port::Air) => format!("{name} LAN"),
        (NodeId::Router(_), Port::Internet) => format!("{name} uplink"),
    }
}
