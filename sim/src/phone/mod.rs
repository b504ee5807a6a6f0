//! The phone with the app: joins a device's access point, configures the device, and watches the cloud.
//!
//! It decides nothing for the device and knows nothing that a phone could not: it speaks DHCP, DNS and HTTP
//! over its own two network stacks, one for WiFi and one for the cellular network.

mod activity;
mod answers;
mod background;
mod browser;
mod command;
mod crowd;
mod dns;
mod event;
mod fetch;
mod handset;
mod http;
mod line;
mod model;
mod portal_option;
mod query;
mod requests;
#[cfg(test)]
mod tests;
mod wifi;

pub use activity::{JOIN_LIMIT, ONLINE_LIMIT, THINK_APP, THINK_PERSON};
pub use command::{Command, Configuration, Secret, Status, TokenSource};
pub use event::Event;
pub use handset::{BoardInfo, Observations, SETUP_ADDRESS, SETUP_NAME, SeenNetwork};
pub use http::{RESPONSE_LEN_MAX, Request};
pub use model::{Connectivity, Model};
pub use query::Query;

use std::sync::Arc;

use firmware_core::hal::RadioEvent;
use firmware_core::random::SplitMix64;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};

use crate::actor::{Outbox, Port, soonest};
use crate::stack::Frame;

use activity::{Activity, Progress};
use background::Probing;
use handset::Handset;
use line::Line;
use wifi::{Wifi, WifiTraits};

/// The internet of the simulated world is 198.18.0.0/15 (RFC 2544), one flat segment.
const INTERNET_PREFIX_LEN: u8 = 15;
/// Rounds of one poll: each step of an activity may cause frames, and no chain of steps is this long.
const ROUNDS_MAX: usize = 64;

/// Who the phone's owner is in the cloud.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The login.
    pub email: String,
    /// The password.
    pub password: Secret,
}

/// How a phone misbehaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Behaviour {
    /// Sends `/config` twice, the second time shortly after the first, on a connection of its own.
    pub double_submit: bool,
    /// Closes the connection right after sending `/config`.
    pub close_before_reply: bool,
    /// Sends requests to the device no faster than this.
    pub bytes_per_second: Option<u32>,
    /// Fetches the board info twice at the same time.
    pub parallel_board_info: bool,
    /// Joins each time with another MAC address.
    pub random_mac: bool,
    /// Leaves an access point by itself after this long.
    pub leaves_ap_after: Option<Duration>,
    /// Leaves one where its connectivity check did not find the internet after this long.
    pub goes_cellular_after: Option<Duration>,
}

impl Behaviour {
    /// A phone that does none of this.
    pub const GOOD: Self = Self {
        double_submit: false,
        close_before_reply: false,
        bytes_per_second: None,
        parallel_board_info: false,
        random_mac: false,
        leaves_ap_after: None,
        goes_cellular_after: None,
    };
}

/// Everything that makes a phone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PhoneConfig {
    /// What the world calls it.
    pub name: String,
    /// The MAC address of its WiFi.
    pub wifi_mac: EthernetAddress,
    /// Its MAC address on the internet segment.
    pub cellular_mac: EthernetAddress,
    /// Its address on the internet segment.
    pub cellular_address: Ipv4Address,
    /// The cloud's name and address.
    pub cloud: (String, Ipv4Address),
    /// Its owner's account.
    pub account: Account,
    /// The ids of the templates that this account knows.
    pub templates: Vec<String>,
    /// How the access points of devices begin, `Blynk ` for Blynk's own app.
    pub ap_prefix: String,
    /// Whose behaviour it has.
    pub model: Model,
    /// How it misbehaves.
    pub behaviour: Behaviour,
    /// Whom its TLS trusts; without anybody TLS is modelled.
    pub trust: Option<Trust>,
}

/// What a phone knows when it judges a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trust {
    /// The authority's certificate (X.509, DER).
    pub authority: Arc<[u8]>,
    /// The time in seconds since 1970 when the world's clock says 0.
    pub unix_time_s: u64,
}

/// A phone.
pub struct Phone {
    handset: Handset,
    activity: Option<Activity>,
    /// What it does beside that. Nobody waits for what comes of it.
    beside: Option<Activity>,
    probing: Option<Probing>,
    status: Status,
    /// Since when it has been in a network with an address.
    up_since: Option<Instant>,
    is_probe_due: bool,
}

/// Why a phone leaves an access point that nobody told it to leave.
#[derive(Clone, Copy)]
enum Departure {
    Wanders,
    GoesCellular,
}

impl Phone {
    /// A phone whose WiFi is off.
    pub fn new(config: PhoneConfig, seed: u64, now: Instant) -> Self {
        let mut random = SplitMix64::new(seed);
        let traits = traits(config.model, config.behaviour);
        let wifi = Wifi::new(config.wifi_mac, traits, random.next_u64(), config.trust.clone());
        let mut cellular = Line::new(0, config.cellular_mac, random.next_u64(), now, config.trust.clone());
        let address = Ipv4Cidr::new(config.cellular_address, INTERNET_PREFIX_LEN);
        cellular.stack().set_address(Some(address), None);
        let handset = Handset {
            config,
            wifi,
            cellular,
            observations: Observations::default(),
            access: Secret::default(),
            sent_token: Secret::default(),
            last_ap: None,
            events: Vec::new(),
            second: None,
        };
        Self {
            handset,
            activity: None,
            beside: None,
            probing: None,
            status: Status::Idle,
            up_since: None,
            is_probe_due: false,
        }
    }

    /// What the world calls it.
    pub fn name(&self) -> &str {
        &self.handset.config.name
    }

    /// Begins a command, which abandons the one under way. The work starts with the next poll.
    pub fn command(&mut self, now: Instant, command: Command) {
        if let Some(activity) = &mut self.activity {
            activity.abandon(&mut self.handset);
        }
        self.activity = Some(Activity::new(now, command));
        self.status = Status::Busy;
    }

    /// Begins something beside the command under way, which goes on: another app, the system, a finger. It happens
    /// only in a network that has been joined, and nothing is learnt from it.
    pub fn beside(&mut self, now: Instant, command: Command) {
        if let Some(beside) = &mut self.beside {
            beside.abandon(&mut self.handset);
        }
        self.beside = Some(Activity::new(now, command));
    }

    /// How far the last command is.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// What the phone has learnt so far.
    pub fn observations(&self) -> &Observations {
        &self.handset.observations
    }

    /// Changes whose behaviour the phone has and how it misbehaves, from the next network and the next request on.
    pub fn set_behaviour(&mut self, model: Model, behaviour: Behaviour) {
        self.handset.config.model = model;
        self.handset.config.behaviour = behaviour;
        self.handset.wifi.set_traits(traits(model, behaviour));
    }

    /// Whose behaviour it has, and how it misbehaves.
    pub fn behaviour(&self) -> (Model, Behaviour) {
        (self.handset.config.model, self.handset.config.behaviour)
    }

    /// Takes a frame that arrived; the next poll processes it. What arrives at a radio that is in no network
    /// is lost.
    pub fn handle_frame(&mut self, _now: Instant, port: Port, frame: Frame) {
        match port {
            Port::Internet => self.handset.cellular.stack().receive(frame),
            Port::Air => {
                self.note_portal(&frame);
                if let Some(line) = self.handset.wifi.line() {
                    line.stack().receive(frame);
                }
            }
        }
    }

    /// Takes what the radio says.
    pub fn handle_radio(&mut self, now: Instant, event: RadioEvent) {
        let Handset { wifi, events, .. } = &mut self.handset;
        wifi.handle_radio(now, event, events);
        self.observe_network(now);
    }

    /// Does everything that is due and puts what comes of it into `out`.
    pub fn poll(&mut self, now: Instant, out: &mut Outbox<Event>) {
        for _ in 0..ROUNDS_MAX {
            self.handset.cellular.poll_ingress(now);
            let Handset { wifi, events, .. } = &mut self.handset;
            let mut moved = wifi.poll(now, events);
            self.observe_network(now);
            moved |= self.depart(now);
            self.poll_background(now);
            moved |= self.poll_activity(now);
            moved |= self.poll_beside(now);
            // What arrived and what is said to it leave together.
            moved |= self.handset.cellular.poll_egress(now);
            moved |= self.handset.wifi.poll_egress(now);
            if !moved {
                break;
            }
        }
        out.mac = self.handset.wifi.take_mac();
        out.radio.extend(self.handset.wifi.take_commands());
        out.events.append(&mut self.handset.events);
        while let Some(frame) = self.handset.cellular.pop_sent() {
            out.frames.push((Port::Internet, frame));
        }
        if let Some(line) = self.handset.wifi.line() {
            while let Some(frame) = line.pop_sent() {
                out.frames.push((Port::Air, frame));
            }
        }
    }

    /// When the phone wants to be polled if nothing arrives before.
    pub fn next_wake(&mut self, now: Instant) -> Option<Instant> {
        let mut wake = soonest(self.handset.cellular.poll_at(now), self.handset.wifi.next_wake(now));
        if let Some(probing) = &self.probing {
            wake = soonest(wake, Some(probing.next_wake()));
        }
        if let Some(second) = &self.handset.second {
            wake = soonest(wake, Some(second.next_wake()));
        }
        wake = soonest(wake, self.departure().map(|(at, _)| at));
        for activity in [&self.activity, &self.beside] {
            wake = soonest(wake, activity.as_ref().and_then(Activity::next_wake));
        }
        wake.map(|at| at.max(now))
    }

    /// Notes which network the phone is in, and lets the system question a new one.
    fn observe_network(&mut self, now: Instant) {
        let is_up = self.handset.wifi.is_up();
        if is_up == self.up_since.is_some() {
            return;
        }
        self.up_since = is_up.then_some(now);
        let Handset { wifi, observations, last_ap, .. } = &mut self.handset;
        observations.joined = if is_up { wifi.ssid().cloned() } else { None };
        observations.address = if is_up { wifi.address() } else { None };
        // A name learnt in one network means nothing in the next.
        observations.setup_address = None;
        if is_up {
            last_ap.clone_from(&observations.joined);
            observations.connectivity = None;
            self.is_probe_due = true;
        }
    }

    /// Keeps the address of a captive portal that DHCP tells a phone which asks for it.
    fn note_portal(&mut self, frame: &[u8]) {
        let Handset { config, observations, events, .. } = &mut self.handset;
        if !config.model.asks_for_portal() {
            return;
        }
        let Some(uri) = portal_option::read(frame) else { return };
        if observations.offered_portal.as_ref() != Some(&uri) {
            events.push(Event::PortalOffered(uri.clone()));
            observations.offered_portal = Some(uri);
        }
    }

    /// When it leaves the network it is in by itself, and why.
    fn departure(&self) -> Option<(Instant, Departure)> {
        let since = self.up_since?;
        let Handset { config: PhoneConfig { behaviour, .. }, observations, .. } = &self.handset;
        let wanders = behaviour.leaves_ap_after.map(|after| (since + after, Departure::Wanders));
        let cellular = behaviour.goes_cellular_after.filter(|_| match &observations.connectivity {
            Some(Connectivity::NoInternet | Connectivity::CaptivePortal(_)) => true,
            Some(Connectivity::Internet) | None => false,
        });
        let cellular = cellular.map(|after| (since + after, Departure::GoesCellular));
        wanders.into_iter().chain(cellular).min_by_key(|(at, _)| *at)
    }

    /// Leaves the network when it is time; returns whether it was. The app may join it again.
    fn depart(&mut self, now: Instant) -> bool {
        let Some((_, why)) = self.departure().filter(|(at, _)| *at <= now) else { return false };
        if let Some(ssid) = self.handset.wifi.leave() {
            self.handset.events.push(match why {
                Departure::Wanders => Event::Wandered(ssid.to_string()),
                Departure::GoesCellular => Event::WentCellular(ssid.to_string()),
            });
        }
        self.observe_network(now);
        true
    }

    fn poll_background(&mut self, now: Instant) {
        if core::mem::take(&mut self.is_probe_due) {
            self.probing = Probing::start(now, &mut self.handset);
        }
        if let Some(probing) = &mut self.probing
            && !probing.poll(now, &mut self.handset)
        {
            self.probing = None;
        }
        if let Some(mut second) = self.handset.second.take()
            && second.poll(now, &mut self.handset)
        {
            self.handset.second = Some(second);
        }
    }

    fn poll_beside(&mut self, now: Instant) -> bool {
        let Some(beside) = &mut self.beside else { return false };
        let Handset { wifi, observations, events, .. } = &mut self.handset;
        if !wifi.is_up() {
            events.push(Event::GaveUp("it is in no network".to_owned()));
            beside.abandon(&mut self.handset);
            self.beside = None;
            return true;
        }
        // What a device answers to this is no answer to the command under way.
        let answered = (observations.http_status, core::mem::take(&mut observations.http_body));
        let progress = beside.poll(now, &mut self.handset);
        let Handset { observations, events, .. } = &mut self.handset;
        (observations.http_status, observations.http_body) = answered;
        match progress {
            Progress::Pending => return false,
            Progress::Moved => return true,
            Progress::Done => {}
            Progress::Failed(why) => events.push(Event::GaveUp(why)),
        }
        self.beside = None;
        true
    }

    fn poll_activity(&mut self, now: Instant) -> bool {
        let Some(activity) = &mut self.activity else { return false };
        match activity.poll(now, &mut self.handset) {
            Progress::Pending => return false,
            Progress::Moved => return true,
            Progress::Done => self.status = Status::Done,
            Progress::Failed(why) => {
                self.handset.events.push(Event::GaveUp(why.clone()));
                self.status = Status::Failed(why);
            }
        }
        self.activity = None;
        true
    }
}

/// What of its behaviour concerns joining.
fn traits(model: Model, behaviour: Behaviour) -> WifiTraits {
    WifiTraits { random_mac: behaviour.random_mac, asks_for_portal: model.asks_for_portal() }
}
