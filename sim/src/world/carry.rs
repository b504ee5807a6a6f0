//! How a frame gets from one actor to another: who receives it, when, and what stands in its way.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;

use super::link::Way;
use super::{DeviceNode, Event, NodeId, World};
use crate::actor::Port;
use crate::stack::Frame;
use crate::trace::What;

/// From sending to receiving over the air.
const AIR_LATENCY: Duration = Duration::from_millis(1);
/// From sending to receiving over the internet.
const INTERNET_LATENCY: Duration = Duration::from_millis(10);

/// A frame on its way.
#[derive(Debug)]
pub(super) struct Delivery {
    from: NodeId,
    to: NodeId,
    port: Port,
    /// How often its receiver had started when it was sent, if that is a device: a restart misses it.
    boots: u32,
    /// Which of all frames it is, from 0.
    number: usize,
    frame: Frame,
}

/// A frame as it left its sender.
#[derive(Clone, Debug)]
pub struct SentFrame {
    /// When.
    pub at: Instant,
    /// Whose it is.
    pub sender: NodeId,
    /// Where it left its sender.
    pub port: Port,
    /// Its bytes, with whatever secrets they hold.
    pub bytes: Frame,
}

impl World {
    /// Sends a frame at a time that may lie a little ahead, when a device has been writing flash.
    pub(super) fn send(&mut self, at: Instant, from: NodeId, port: Port, frame: Frame) {
        self.trace.push_frame(at, &frame);
        if let Some(capture) = &mut self.capture {
            capture.send(at, from, port, &frame);
        }
        if let Some(recent) = &mut self.recent {
            recent.push(SentFrame { at, sender: from, port, bytes: frame.clone() });
        }
        let Some(destination) = frame.first_chunk::<6>().map(|bytes| EthernetAddress(*bytes)) else { return };
        if destination.is_broadcast()
            && let NodeId::Device(index) = from
            && self.devices.get_mut(index).is_some_and(|device| device.note_broadcast(at, &frame))
        {
            self.storming = Some(index);
        }
        let mut receivers = std::mem::take(&mut self.receivers);
        receivers.clear();
        let latency = match port {
            Port::Air => {
                self.air.receivers(from, destination, &mut receivers);
                AIR_LATENCY + self.link.faults.extra_latency
            }
            Port::Internet => {
                self.internet_receivers(from, destination, &mut receivers);
                INTERNET_LATENCY
            }
        };
        if self.link.is_partitioned() {
            receivers.retain(|to| self.link.passes(&self.way(from, port, *to)));
        }
        let last = receivers.pop();
        for to in receivers.drain(..) {
            self.schedule_delivery(at + latency, (from, to), port, frame.clone());
        }
        if let Some(to) = last {
            self.schedule_delivery(at + latency, (from, to), port, frame);
        }
        self.receivers = receivers;
    }

    fn schedule_delivery(&mut self, at: Instant, (from, to): (NodeId, NodeId), port: Port, frame: Frame) {
        let boots = match to {
            NodeId::Device(index) => self.devices.get(index).map_or(0, DeviceNode::boots),
            NodeId::Phone(_) | NodeId::Router(_) | NodeId::Cloud(_) | NodeId::Guest(_) => 0,
        };
        let Self { queue, link, trace, .. } = self;
        // It has been counted already.
        let number = trace.frame_count() as usize - 1;
        let mut deliver = |delay, frame| {
            queue.schedule(at + delay, Event::Deliver(Delivery { from, to, port, boots, number, frame }));
        };
        match port {
            Port::Air => link.carry(frame, deliver),
            Port::Internet => deliver(Duration::ZERO, frame),
        }
    }

    fn internet_receivers(&self, from: NodeId, destination: EthernetAddress, receivers: &mut Vec<NodeId>) {
        if destination.is_multicast() {
            receivers.extend(self.internet.values().copied().filter(|node| *node != from));
        } else {
            receivers.extend(self.internet.get(&destination.into()));
        }
    }

    /// A frame is where it was sent, unless it is kept back there.
    pub(super) fn arrive(&mut self, delivery: Delivery) {
        if self.link.is_holding() {
            let way = self.way(delivery.from, delivery.port, delivery.to);
            if self.link.is_held(&way) {
                return self.link.keep(way, delivery);
            }
        }
        let Delivery { to, port, boots, number, frame, .. } = delivery;
        if port == Port::Air && !self.air.hears(self.now, to) {
            self.trace.push(self.now, to, What::FrameMissed);
            return;
        }
        match to {
            NodeId::Device(index) => {
                let Some(device) = self.devices.get_mut(index) else { return };
                if !device.is_running()
                    || device.boots() != boots
                    || !device.executor.queues().push_frame(&frame)
                {
                    self.trace.push(self.now, to, What::FrameMissed);
                    return;
                }
                self.note_received(to, port, number, &frame);
            }
            NodeId::Phone(index) => {
                self.note_received(to, port, number, &frame);
                if let Some(phone) = self.phones.get_mut(index) {
                    phone.handle_frame(self.now, port, frame);
                }
            }
            NodeId::Router(index) => {
                self.note_received(to, port, number, &frame);
                if let Some(router) = self.routers.get_mut(index) {
                    router.handle_frame(self.now, port, frame);
                }
            }
            NodeId::Cloud(index) => {
                self.note_received(to, port, number, &frame);
                if let Some(cloud) = self.clouds.get_mut(index) {
                    cloud.handle_frame(self.now, port, frame);
                }
            }
            NodeId::Guest(index) => {
                self.note_received(to, port, number, &frame);
                if let Some(guest) = self.guests.get_mut(index) {
                    guest.receive(frame);
                }
                // It is fetched from outside.
                return;
            }
        }
        self.agenda.make_due(to);
    }

    fn note_received(&mut self, to: NodeId, port: Port, number: usize, frame: &[u8]) {
        if let Some(capture) = &mut self.capture {
            capture.receive(self.now, to, port, number, frame);
        }
    }

    /// Lets frames go on that were kept back between two nodes, in their order; `false` when none were to be.
    pub fn release(&mut self, from: NodeId, to: NodeId) -> bool {
        let is_held = self.link.release(from, to);
        self.send_on();
        is_held
    }

    /// Lets all frames go on that were kept back; `false` when none were to be.
    pub fn release_all(&mut self) -> bool {
        let is_held = self.link.release_all();
        self.send_on();
        is_held
    }

    /// The way of a frame as the air is now.
    fn way(&self, from: NodeId, port: Port, to: NodeId) -> Way {
        let relay = if port == Port::Air { self.joined_owner(from) } else { None };
        Way { from, relay, to }
    }

    fn send_on(&mut self) {
        for delivery in self.link.take_released() {
            self.queue.schedule(self.now, Event::Deliver(delivery));
        }
    }
}
