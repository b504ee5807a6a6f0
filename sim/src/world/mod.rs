//! The world: one clock, one queue of events, the air, and every actor in it.
//!
//! Time jumps from one deadline to the next and never ticks. Within one time, events come in the order in
//! which they were scheduled, then actors are polled in the order of their kinds and numbers. So a run is a
//! function of its scenario and its seed.

mod agenda;
mod air;
mod carry;
mod clock;
mod device;
mod error;
mod guest;
mod link;
mod mac_key;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use firmware_core::config::Passphrase;
use firmware_core::hal::{RadioCommand, RadioEvent, ResetCause, Security};
use firmware_core::random::{SplitMix64, fnv1a64};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;

use crate::actor::Outbox;
use crate::capture::Capture;
use crate::cloud::{self, Cloud};
use crate::phone::{self, Phone};
use crate::router::{self, Router};
use crate::trace::{Trace, What};
use agenda::Agenda;
pub use air::{AccessPoint, SOFT_AP_STATIONS_MAX};
use air::{Air, AirOutput, Pending};
use carry::Delivery;
pub use carry::SentFrame;
pub use clock::Clock;
use device::Follow;
pub(crate) use device::flash_time;
pub use device::{BROADCASTS_MAX, DeviceNode, Power};
pub use error::WorldError;
pub use guest::Guest;
use link::Link;
pub use link::LinkFaults;
use mac_key::MacKey;
use queue::EventQueue;

/// From power or a restart to the first line of the firmware.
pub const BOOT_TIME: Duration = Duration::from_millis(300);
/// Steps without any time passing before a run counts as stalled.
const STALL_STEPS: u32 = 10_000;

/// One actor of a world, by kind and number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NodeId {
    /// A device under test.
    Device(usize),
    /// A phone with its app.
    Phone(usize),
    /// A router with its access points.
    Router(usize),
    /// A region of the cloud.
    Cloud(usize),
    /// A station whose packets are made and taken outside the world.
    Guest(usize),
}

#[derive(Debug)]
enum Event {
    Air(Box<Pending>),
    Deliver(Delivery),
    Point { device: usize, epoch: u32 },
    PowerOn { device: usize, epoch: u32 },
    Boot { device: usize, epoch: u32, cause: ResetCause },
    Button { device: usize, down: bool },
}

/// What one step of the world was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Something happened; the clock stands at it.
    Happened,
    /// Nothing more happens before the limit; the clock stands at the limit.
    LimitReached,
    /// Nothing will ever happen again by itself.
    NothingPending,
}

/// What an actor of each kind asks of the world, empty between two polls: the lists are worth keeping.
#[derive(Default)]
struct Outboxes {
    phone: Outbox<phone::Event>,
    router: Outbox<router::Event>,
    cloud: Outbox<cloud::Event>,
}

/// Everything that exists in one run.
pub struct World {
    now: Instant,
    /// Until when the present step may go.
    limit: Instant,
    queue: EventQueue<Event>,
    air: Air,
    internet: BTreeMap<MacKey, NodeId>,
    pub(crate) devices: Vec<DeviceNode>,
    pub(crate) phones: Vec<Phone>,
    pub(crate) routers: Vec<Router>,
    pub(crate) clouds: Vec<Cloud>,
    guests: Vec<Guest>,
    /// The record of the run.
    pub trace: Trace,
    agenda: Agenda,
    steps_at_now: u32,
    seed: u64,
    link: Link,
    outboxes: Outboxes,
    air_output: Vec<AirOutput>,
    receivers: Vec<NodeId>,
    follow: Vec<Follow>,
    error: Option<WorldError>,
    /// The device that has sent more broadcasts than [`BROADCASTS_MAX`] allows, if one has.
    pub(crate) storming: Option<usize>,
    /// The frames that have been sent since somebody looked, where somebody does.
    pub(crate) recent: Option<Vec<SentFrame>>,
    /// Every frame, where somebody wants to see them. A pointer, because mostly nobody does.
    pub(crate) capture: Option<Box<Capture>>,
}

impl World {
    /// An empty world. Every actor's chance follows from `seed` and the actor's name.
    pub fn new(seed: u64) -> Self {
        Self {
            now: Instant::ZERO,
            limit: Instant::ZERO,
            queue: EventQueue::new(),
            air: Air::default(),
            internet: BTreeMap::new(),
            devices: Vec::new(),
            phones: Vec::new(),
            routers: Vec::new(),
            clouds: Vec::new(),
            guests: Vec::new(),
            trace: Trace::default(),
            agenda: Agenda::default(),
            steps_at_now: 0,
            seed,
            link: Link::new(fnv1a64(b"air") ^ seed),
            outboxes: Outboxes::default(),
            air_output: Vec::new(),
            receivers: Vec::new(),
            follow: Vec::new(),
            error: None,
            storming: None,
            recent: None,
            capture: None,
        }
    }

    /// The seed of an actor's own chance.
    pub fn seed_of(&self, name: &str) -> u64 {
        SplitMix64::new(fnv1a64(name.as_bytes()) ^ self.seed).next_u64()
    }

    /// The present time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Adds a device without power.
    pub fn add_device(&mut self, name: &str, device: DeviceNode) -> NodeId {
        let node = NodeId::Device(self.devices.len());
        self.air.add_radio(node, device.mac());
        self.trace.set_address_name(device.mac(), name);
        self.devices.push(device);
        self.register(node, name)
    }

    /// Adds a phone with its radio and its cellular link.
    pub fn add_phone(
        &mut self,
        name: &str,
        phone: Phone,
        wifi: EthernetAddress,
        cellular: EthernetAddress,
    ) -> NodeId {
        let node = NodeId::Phone(self.phones.len());
        self.air.add_radio(node, wifi);
        self.trace.set_address_name(wifi, name);
        self.internet.insert(cellular.into(), node);
        self.phones.push(phone);
        self.register(node, name)
    }

    /// Adds a router that is wired to the internet. Its access points are added apart.
    pub fn add_router(&mut self, name: &str, router: Router, uplink: EthernetAddress) -> NodeId {
        let node = NodeId::Router(self.routers.len());
        self.internet.insert(uplink.into(), node);
        self.routers.push(router);
        self.register(node, name)
    }

    /// Adds a region of the cloud.
    pub fn add_cloud(&mut self, name: &str, cloud: Cloud, mac: EthernetAddress) -> NodeId {
        let node = NodeId::Cloud(self.clouds.len());
        self.internet.insert(mac.into(), node);
        self.clouds.push(cloud);
        self.register(node, name)
    }

    /// Puts an access point of a router on the air.
    pub fn add_access_point(&mut self, bssid: EthernetAddress, access_point: AccessPoint) {
        let mut out = std::mem::take(&mut self.air_output);
        self.air.add_access_point(bssid, access_point, &mut out);
        self.apply_air_output(out);
    }

    fn register(&mut self, node: NodeId, name: &str) -> NodeId {
        self.trace.set_name(node, name);
        self.agenda.add(node);
        node
    }

    /// The access point that a node is associated with.
    pub fn joined(&self, node: NodeId) -> Option<EthernetAddress> {
        self.air.joined(node)
    }

    /// The router whose access point a node is associated with.
    pub fn joined_owner(&self, node: NodeId) -> Option<NodeId> {
        self.air.access_point(self.air.joined(node)?).map(|ap| ap.owner)
    }

    /// The stations of a node's own access point, in the order of their addresses.
    pub fn stations_of(&self, node: NodeId) -> Vec<EthernetAddress> {
        let bssid = self.air.own_ap(node);
        bssid.into_iter().flat_map(|bssid| self.air.stations_of(bssid)).collect()
    }

    /// Whether a node's own access point is on the air.
    pub fn has_access_point(&self, node: NodeId) -> bool {
        self.air.own_ap(node).is_some()
    }

    /// Takes a router's access points off the air without a word.
    pub fn remove_access_point(&mut self, bssid: EthernetAddress) {
        let mut out = std::mem::take(&mut self.air_output);
        self.air.remove_access_point(self.now, bssid, &mut out);
        self.apply_air_output(out);
    }

    /// Moves an access point to another channel without a word.
    pub fn move_access_point(&mut self, bssid: EthernetAddress, access_point: AccessPoint) {
        let mut out = std::mem::take(&mut self.air_output);
        self.air.move_access_point(self.now, bssid, access_point, &mut out);
        self.apply_air_output(out);
    }

    /// Changes what an access point is, while it is on the air; its stations stay.
    pub fn change_access_point(&mut self, bssid: EthernetAddress, access_point: &AccessPoint) {
        for (_, ap) in self.air.access_points_mut().filter(|(found, _)| *found == bssid) {
            ap.clone_from(access_point);
        }
    }

    /// Lets an access point throw its stations out.
    pub fn deauthenticate(&mut self, bssid: EthernetAddress, reason: u16) {
        let mut out = std::mem::take(&mut self.air_output);
        self.air.deauthenticate(bssid, reason, &mut out);
        self.apply_air_output(out);
    }

    /// Changes the secret of every access point of a router.
    pub fn set_passphrase(&mut self, router: NodeId, passphrase: &Passphrase) {
        for (_, ap) in self.air.access_points_mut().filter(|(_, ap)| ap.owner == router) {
            ap.passphrase = passphrase.clone();
            ap.security = if passphrase.is_empty() { Security::Open } else { Security::Wpa2 };
        }
    }

    /// Says that an actor has been told something from outside and must be polled.
    pub fn touch(&mut self, node: NodeId) {
        self.agenda.make_due(node);
    }

    /// Gives a device power; it starts after [`BOOT_TIME`].
    pub fn power_on(&mut self, device: usize, cause: ResetCause) {
        let now = self.now;
        let Some(node) = self.devices.get_mut(device) else { return };
        if let Some(epoch) = node.power_on() {
            self.trace.push(now, NodeId::Device(device), What::PowerOn);
            self.queue.schedule(now + BOOT_TIME, Event::Boot { device, epoch, cause });
        }
    }

    /// Gives a device power at a later time, unless it is switched before.
    pub fn power_on_at(&mut self, at: Instant, device: usize) {
        let Some(node) = self.devices.get(device) else { return };
        self.queue.schedule(at, Event::PowerOn { device, epoch: node.epoch() });
    }

    /// Takes a device's power away.
    pub fn power_off(&mut self, device: usize) {
        let now = self.now;
        let Some(node) = self.devices.get_mut(device) else { return };
        if node.power_off() {
            self.trace.push(now, NodeId::Device(device), What::PowerOff);
            self.vanish(NodeId::Device(device));
        }
    }

    /// Lets a device's clock gain so many microseconds in a second from now on, or lose them.
    pub fn set_drift(&mut self, device: usize, drift_ppm: i32) {
        let Some(node) = self.devices.get_mut(device) else { return };
        if node.set_drift(self.now, drift_ppm) {
            // What it waits for comes sooner or later now.
            self.touch(NodeId::Device(device));
        }
    }

    /// Changes the level of a device's button, now or later.
    pub fn set_button(&mut self, at: Instant, device: usize, down: bool) {
        self.queue.schedule(at, Event::Button { device, down });
    }

    /// Types on a device's console; `false` when the device does not run or has no room for all of it.
    pub fn type_on_console(&mut self, device: usize, bytes: &[u8]) -> bool {
        let Some(node) = self.devices.get_mut(device).filter(|node| node.is_running()) else { return false };
        let taken = node.executor.queues().push_console(bytes);
        self.agenda.make_due(NodeId::Device(device));
        taken == bytes.len()
    }

    /// Lets the next thing happen, unless it is later than `limit`.
    ///
    /// # Errors
    /// When no time passes any more, or a device overran the seam.
    pub fn step(&mut self, limit: Instant) -> Result<Step, WorldError> {
        let wake = self.agenda.next_wake();
        let next = match self.agenda.has_due() {
            true => Some(self.now),
            false => crate::actor::soonest(self.queue.next_at(), wake),
        };
        let Some(next) = next else {
            self.now = self.now.max(limit);
            return Ok(Step::NothingPending);
        };
        if next > limit {
            self.now = self.now.max(limit);
            return Ok(Step::LimitReached);
        }
        self.limit = limit;
        if next > self.now {
            self.now = next;
            self.steps_at_now = 0;
        }
        while let Some(event) = self.queue.pop_due(self.now) {
            self.dispatch(event);
        }
        if wake.is_some_and(|wake| wake <= self.now) {
            self.agenda.make_due_at(self.now);
        }
        while let Some(node) = self.agenda.pop_due() {
            self.poll_node(node);
            self.steps_at_now += 1;
            if self.steps_at_now > STALL_STEPS {
                let reason = self.wake_reason(node);
                return Err(WorldError::Stalled { steps: STALL_STEPS, at: self.now, last: node, reason });
            }
        }
        match self.error.take() {
            Some(error) => Err(error),
            None => Ok(Step::Happened),
        }
    }

    /// When the next thing happens by itself, if anything does.
    pub fn next_wake(&self) -> Option<Instant> {
        if self.agenda.has_due() { Some(self.now) } else { self.next_at() }
    }

    /// What each actor waits for: for a run in which nothing is pending.
    pub fn wakes(&self) -> impl Iterator<Item = (NodeId, Option<Instant>)> {
        self.agenda.wakes()
    }

    /// When nothing will ever happen again by itself: what each actor woke for last. `None` while something
    /// is pending.
    pub(crate) fn quiet(&self) -> Option<String> {
        if self.agenda.has_due() || self.next_at().is_some() {
            return None;
        }
        let told = self.wakes().map(|(node, _)| {
            let reason = self.wake_reason(node);
            format!("{} last woke for {reason}", self.trace.name(node))
        });
        Some(told.collect::<Vec<_>>().join(", "))
    }

    fn wake_reason(&self, node: NodeId) -> String {
        match node {
            NodeId::Device(index) => self.devices.get(index).map_or(String::new(), DeviceNode::wake_reason),
            NodeId::Phone(_) | NodeId::Router(_) | NodeId::Cloud(_) | NodeId::Guest(_) => {
                String::from("its own timers")
            }
        }
    }

    fn next_at(&self) -> Option<Instant> {
        crate::actor::soonest(self.queue.next_at(), self.agenda.next_wake())
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Air(pending) => {
                let mut out = std::mem::take(&mut self.air_output);
                self.air.happen(&pending, &mut out);
                self.apply_air_output(out);
            }
            Event::Deliver(delivery) => self.arrive(delivery),
            Event::Point { device, epoch } => self.on_point(device, epoch),
            Event::PowerOn { device, epoch } => {
                if self.devices.get(device).is_some_and(|node| node.epoch() == epoch) {
                    self.power_on(device, ResetCause::PowerOn);
                }
            }
            Event::Boot { device, epoch, cause } => self.boot(device, epoch, cause),
            Event::Button { device, down } => {
                if let Some(node) = self.devices.get_mut(device) {
                    node.set_button(self.now, down);
                    self.agenda.make_due(NodeId::Device(device));
                }
            }
        }
    }

    fn boot(&mut self, device: usize, epoch: u32, cause: ResetCause) {
        let node = NodeId::Device(device);
        let seed = self.seed_of(self.trace.name(node));
        let Some(starting) = self.devices.get_mut(device) else { return };
        match starting.boot(self.now, epoch, cause, seed) {
            Ok(true) => self.agenda.make_due(node),
            Ok(false) => {}
            Err(error) => self.lose_device(device, error),
        }
    }

    fn poll_node(&mut self, node: NodeId) {
        let now = self.now;
        let wake = match node {
            NodeId::Device(index) => return self.poll_device(index),
            NodeId::Guest(index) => return self.poll_guest(index),
            NodeId::Phone(index) => {
                let Some(phone) = self.phones.get_mut(index) else { return };
                let mut out = std::mem::take(&mut self.outboxes.phone);
                phone.poll(now, &mut out);
                let wake = phone.next_wake(now);
                self.apply_outbox(node, &mut out, What::Phone);
                self.outboxes.phone = out;
                wake
            }
            NodeId::Router(index) => {
                let Some(router) = self.routers.get_mut(index) else { return };
                let mut out = std::mem::take(&mut self.outboxes.router);
                router.poll(now, &mut out);
                let wake = router.next_wake(now);
                self.apply_outbox(node, &mut out, What::Router);
                self.outboxes.router = out;
                wake
            }
            NodeId::Cloud(index) => {
                let Some(cloud) = self.clouds.get_mut(index) else { return };
                let mut out = std::mem::take(&mut self.outboxes.cloud);
                cloud.poll(now, &mut out);
                let wake = cloud.next_wake(now);
                self.apply_outbox(node, &mut out, What::Cloud);
                self.outboxes.cloud = out;
                wake
            }
        };
        self.agenda.set_wake(node, wake);
    }

    fn apply_outbox<E>(&mut self, node: NodeId, out: &mut Outbox<E>, wrap: fn(E) -> What) {
        for event in out.events.drain(..) {
            self.trace.push(self.now, node, wrap(event));
        }
        if let Some(mac) = out.mac.take() {
            self.air.set_mac(node, mac);
            let name = self.trace.name(node).to_owned();
            self.trace.set_address_name(mac, &name);
        }
        for command in out.radio.drain(..) {
            self.command_radio(self.now, node, &command);
        }
        for (port, frame) in out.frames.drain(..) {
            self.send(self.now, node, port, frame);
        }
    }

    fn command_radio(&mut self, at: Instant, node: NodeId, command: &RadioCommand) {
        let mut out = std::mem::take(&mut self.air_output);
        self.air.command(at, node, command, &mut out);
        self.apply_air_output(out);
    }

    fn vanish(&mut self, node: NodeId) {
        self.agenda.set_wake(node, None);
        let mut out = std::mem::take(&mut self.air_output);
        self.air.vanish(self.now, node, &mut out);
        self.apply_air_output(out);
    }

    fn apply_air_output(&mut self, mut out: Vec<AirOutput>) {
        for output in out.drain(..) {
            match output {
                AirOutput::Later(at, pending) => self.queue.schedule(at, Event::Air(Box::new(pending))),
                AirOutput::Event(node, event) => self.tell_radio_event(node, event),
                AirOutput::Station(node, mac, joined) => {
                    if let NodeId::Router(index) = node
                        && let Some(router) = self.routers.get_mut(index)
                    {
                        router.handle_station(mac, joined);
                        self.agenda.make_due(node);
                    }
                }
            }
        }
        self.air_output = out;
    }

    fn tell_radio_event(&mut self, node: NodeId, event: RadioEvent) {
        match node {
            NodeId::Device(index) => {
                if let Some(device) = self.devices.get_mut(index)
                    && device.is_running()
                    && !device.executor.queues().push_radio_event(event)
                {
                    self.error = Some(WorldError::InputsLost(index));
                }
            }
            NodeId::Phone(index) => {
                if let Some(phone) = self.phones.get_mut(index) {
                    phone.handle_radio(self.now, event);
                }
            }
            NodeId::Guest(index) => self.tell_guest(index, &event),
            NodeId::Router(_) | NodeId::Cloud(_) => {}
        }
        self.agenda.make_due(node);
    }
}
