//! The air: who opens an access point, who hears whom, who is associated with what.
//!
//! It knows radios, not packets: association takes its time and fails with a reason, a scan takes 120 ms a
//! channel, a soft-AP is deaf while it scans. Which frame reaches whom follows from the associations.

use std::collections::BTreeMap;

use firmware_core::config::{Passphrase, Ssid};
use firmware_core::hal::{JoinFailure, Network, RadioCommand, RadioEvent, Security};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;

use super::NodeId;
use super::mac_key::MacKey;

/// Time on each channel of a scan (the ESP32's default for an active scan).
const SCAN_DWELL: Duration = Duration::from_millis(120);
/// Time on the home channel between two others while an access point is up.
const SCAN_HOME: Duration = Duration::from_millis(30);
/// Channels 1 to 13.
const SCAN_CHANNELS: u32 = 13;
/// From the command to the first beacon.
const AP_START: Duration = Duration::from_millis(250);
/// Authentication and association with an open network.
const ASSOCIATION: Duration = Duration::from_millis(120);
/// The four-way handshake behind it.
const HANDSHAKE: Duration = Duration::from_millis(600);
/// Until a handshake with a wrong key is given up (the fourth retry of its first message).
const HANDSHAKE_LIMIT: Duration = Duration::from_millis(2_400);
/// Until a join with an access point that does not answer is given up.
const JOIN_LIMIT: Duration = Duration::from_millis(1_000);
/// Until a station notices that its access point has gone (the ESP32's default of 6 s without a beacon).
const BEACON_LOSS: Duration = Duration::from_secs(6);
/// Until an access point notices that a station has gone (the ESP32's default of 300 s of silence).
const STATION_LOSS: Duration = Duration::from_secs(300);
/// Stations a soft-AP takes (Edgent: framework default of 4).
pub const SOFT_AP_STATIONS_MAX: usize = 4;

/// IEEE 802.11 reason 3: the sender is leaving.
const REASON_LEAVING: u16 = 3;
/// IEEE 802.11 reason 7: a frame that only an associated station may send.
const REASON_NOT_ASSOCIATED: u16 = 7;
/// The ESP32's own reason for beacons that no longer come.
const REASON_BEACON_LOSS: u16 = 200;
/// Weaker than this, in dBm, nothing is heard.
const SENSITIVITY: i8 = -96;

/// A channel above the 2.4 GHz band's last one is in the 5 GHz band, which an ESP32-C3 does not hear.
const LAST_24_GHZ_CHANNEL: u8 = 14;

/// One access point on the air.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessPoint {
    /// Whose it is.
    pub owner: NodeId,
    /// Its name.
    pub ssid: Ssid,
    /// Its secret, empty when open.
    pub passphrase: Passphrase,
    /// What it asks of a station.
    pub security: Security,
    /// Whether its beacons are without a name.
    pub hidden: bool,
    /// Its channel.
    pub channel: u8,
    /// How strong it is heard, in dBm.
    pub rssi: i8,
    /// The most stations it takes.
    pub capacity: usize,
    /// How much longer than usual a join takes.
    pub join_delay: Duration,
}

/// What a radio does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RadioState {
    Off,
    /// Its access point is up, or will be when the pending event comes.
    AccessPoint {
        bssid: EthernetAddress,
    },
    /// Not associated.
    Idle,
    Associated {
        bssid: EthernetAddress,
    },
}

#[derive(Debug)]
struct RadioNode {
    mac: EthernetAddress,
    state: RadioState,
    /// Counts commands; what an earlier command would have led to no longer happens.
    generation: u32,
    deaf_until: Instant,
    /// It cannot do the next scan that it is told to do.
    fails_next_scan: bool,
}

/// Something that will happen to a radio, unless it gets another command first.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    node: NodeId,
    generation: u32,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    ApStarts { ssid: Ssid, channel: u8 },
    ScanEnds { probe: Option<Ssid> },
    ScanFails,
    JoinEnds { bssid: EthernetAddress, result: Result<(), JoinFailure> },
    BeaconsMissed { bssid: EthernetAddress },
    StationMissed { bssid: EthernetAddress, station: EthernetAddress, since: u64 },
}

/// What the air asks of the world.
#[derive(Debug)]
pub(super) enum AirOutput {
    /// Let this happen later.
    Later(Instant, Pending),
    /// Tell a radio's owner.
    Event(NodeId, RadioEvent),
    /// Tell a router that a station came or went.
    Station(NodeId, EthernetAddress, bool),
}

/// Every radio and access point of a world.
#[derive(Debug, Default)]
pub(super) struct Air {
    radios: BTreeMap<NodeId, RadioNode>,
    access_points: BTreeMap<MacKey, AccessPoint>,
    /// Which station is associated with which access point, and since which association.
    stations: BTreeMap<MacKey, Station>,
    associations: u64,
}

#[derive(Clone, Copy, Debug)]
struct Station {
    bssid: EthernetAddress,
    /// Whose the access point is: nobody is associated with one that has gone.
    ap_owner: NodeId,
    owner: NodeId,
    since: u64,
}

impl Air {
    /// Adds a radio that is off. `mac` is its station address; its soft-AP takes the next one.
    pub(super) fn add_radio(&mut self, node: NodeId, mac: EthernetAddress) {
        let radio = RadioNode {
            mac,
            state: RadioState::Off,
            generation: 0,
            deaf_until: Instant::ZERO,
            fails_next_scan: false,
        };
        self.radios.insert(node, radio);
    }

    /// Gives a radio that is in no network another station address.
    pub(super) fn set_mac(&mut self, node: NodeId, mac: EthernetAddress) {
        if let Some(radio) = self.radios.get_mut(&node) {
            radio.mac = mac;
        }
    }

    /// Puts an access point on the air.
    ///
    /// A station that still believes to be associated with an earlier life of it learns at once that it is
    /// not: beacons start over, and its frames would be refused.
    pub(super) fn add_access_point(
        &mut self,
        bssid: EthernetAddress,
        access_point: AccessPoint,
        out: &mut Vec<AirOutput>,
    ) {
        self.access_points.insert(bssid.into(), access_point);
        for (node, radio) in &mut self.radios {
            let believes = radio.state == (RadioState::Associated { bssid });
            if believes && !self.stations.contains_key(&radio.mac.into()) {
                radio.state = RadioState::Idle;
                out.push(AirOutput::Event(*node, RadioEvent::Disconnected(REASON_NOT_ASSOCIATED)));
            }
        }
    }

    /// Lets an access point go on elsewhere, on another channel, without a word: its stations miss its beacons.
    pub(super) fn move_access_point(
        &mut self,
        now: Instant,
        bssid: EthernetAddress,
        access_point: AccessPoint,
        out: &mut Vec<AirOutput>,
    ) {
        self.remove_access_point(now, bssid, out);
        self.access_points.insert(bssid.into(), access_point);
    }

    /// Every access point, by its address.
    pub(super) fn access_points_mut(&mut self) -> impl Iterator<Item = (EthernetAddress, &mut AccessPoint)> {
        self.access_points.iter_mut().map(|(bssid, ap)| ((*bssid).into(), ap))
    }

    /// The access point that a node's radio is associated with.
    pub(super) fn joined(&self, node: NodeId) -> Option<EthernetAddress> {
        match self.radios.get(&node)?.state {
            RadioState::Associated { bssid } => Some(bssid),
            RadioState::Off | RadioState::AccessPoint { .. } | RadioState::Idle => None,
        }
    }

    /// The access point with an address.
    pub(super) fn access_point(&self, bssid: EthernetAddress) -> Option<&AccessPoint> {
        self.access_points.get(&bssid.into())
    }

    /// The strongest access point that somebody has on the air, as far as it is heard.
    pub(super) fn strongest_of(&self, owner: NodeId) -> Option<(EthernetAddress, &AccessPoint)> {
        let own = self.access_points.iter().filter(|(_, ap)| ap.owner == owner && is_audible(ap));
        own.max_by_key(|(_, ap)| ap.rssi).map(|(bssid, ap)| ((*bssid).into(), ap))
    }

    /// The stations that an access point knows, in the order of their addresses.
    pub(super) fn stations_of(&self, bssid: EthernetAddress) -> impl Iterator<Item = EthernetAddress> {
        let members = self.stations.iter().filter(move |(_, station)| station.bssid == bssid);
        members.map(|(mac, _)| (*mac).into())
    }

    /// Carries out what a node tells its radio.
    pub(super) fn command(
        &mut self,
        now: Instant,
        node: NodeId,
        command: &RadioCommand,
        out: &mut Vec<AirOutput>,
    ) {
        let was_ap = self.own_ap(node);
        match command {
            RadioCommand::Off => {
                self.leave(now, node, out);
                self.next_generation(node);
                self.set_state(node, RadioState::Off);
            }
            RadioCommand::StartAp { ssid, channel } => {
                self.leave(now, node, out);
                let what = What::ApStarts { ssid: ssid.clone(), channel: *channel };
                self.later(now + AP_START, node, what, out);
                self.set_state(node, RadioState::Idle);
            }
            RadioCommand::Scan { probe } => {
                let home = if was_ap.is_some() { SCAN_HOME } else { Duration::ZERO };
                let ends_at = now + (SCAN_DWELL + home) * SCAN_CHANNELS;
                let mut what = What::ScanEnds { probe: probe.clone() };
                if let Some(radio) = self.radios.get_mut(&node) {
                    radio.deaf_until = if was_ap.is_some() { ends_at } else { Instant::ZERO };
                    if radio.state == RadioState::Off {
                        radio.state = RadioState::Idle;
                    }
                    if std::mem::take(&mut radio.fails_next_scan) {
                        what = What::ScanFails;
                    }
                }
                self.later(ends_at, node, what, out);
            }
            RadioCommand::Join { ssid, passphrase, bssid, channel } => {
                self.leave(now, node, out);
                self.set_state(node, RadioState::Idle);
                let (takes, result) = self.try_join(*bssid, ssid, passphrase, *channel);
                let delay = self.access_point(*bssid).map_or(Duration::ZERO, |ap| ap.join_delay);
                self.later(now + takes + delay, node, What::JoinEnds { bssid: *bssid, result }, out);
            }
        }
    }

    /// Lets a node's radio fail the next scan that it is told to do.
    pub(super) fn fail_next_scan(&mut self, node: NodeId) {
        if let Some(radio) = self.radios.get_mut(&node) {
            radio.fails_next_scan = true;
        }
    }

    /// Lets something pending happen, if no later command has overtaken it.
    pub(super) fn happen(&mut self, pending: &Pending, out: &mut Vec<AirOutput>) {
        let node = pending.node;
        match &pending.what {
            What::StationMissed { bssid, station, since } => {
                if self.stations.get(&(*station).into()).is_some_and(|found| found.since == *since) {
                    self.stations.remove(&(*station).into());
                    self.tell_owner(*bssid, *station, false, out);
                }
                return;
            }
            What::BeaconsMissed { bssid } => {
                // An access point that has come back meanwhile no longer knows the station either.
                let mac = self.radios.get(&node).map(|radio| radio.mac);
                let known = mac
                    .and_then(|mac| self.stations.get(&mac.into()))
                    .is_some_and(|found| found.bssid == *bssid);
                if !known && self.joined(node) == Some(*bssid) {
                    self.set_state(node, RadioState::Idle);
                    out.push(AirOutput::Event(node, RadioEvent::Disconnected(REASON_BEACON_LOSS)));
                }
                return;
            }
            What::ApStarts { .. } | What::ScanEnds { .. } | What::ScanFails | What::JoinEnds { .. } => {}
        }
        if self.radios.get(&node).is_none_or(|radio| radio.generation != pending.generation) {
            return;
        }
        match &pending.what {
            What::ApStarts { ssid, channel } => self.on_ap_starts(node, ssid, *channel, out),
            What::ScanEnds { probe } => self.on_scan_ends(node, probe.as_ref(), out),
            What::ScanFails => self.on_scan_fails(node, out),
            What::JoinEnds { bssid, result } => self.on_join_ends(node, *bssid, *result, out),
            What::BeaconsMissed { .. } | What::StationMissed { .. } => {}
        }
    }

    /// A radio loses its power in mid-air: nobody is told, others notice by silence.
    pub(super) fn vanish(&mut self, now: Instant, node: NodeId, out: &mut Vec<AirOutput>) {
        if let Some(bssid) = self.own_ap(node) {
            self.remove_access_point(now, bssid, out);
        }
        if let Some(bssid) = self.joined(node)
            && let Some(mac) = self.radios.get(&node).map(|radio| radio.mac)
            && let Some(station) = self.stations.get(&mac.into())
        {
            let what = What::StationMissed { bssid, station: mac, since: station.since };
            out.push(AirOutput::Later(now + STATION_LOSS, Pending { node, generation: 0, what }));
        }
        self.next_generation(node);
        self.set_state(node, RadioState::Off);
    }

    /// Takes an access point off the air without a word; its stations notice that its beacons are missing.
    pub(super) fn remove_access_point(
        &mut self,
        now: Instant,
        bssid: EthernetAddress,
        out: &mut Vec<AirOutput>,
    ) {
        self.access_points.remove(&bssid.into());
        self.stations.retain(|_, station| station.bssid != bssid);
        for (node, radio) in &self.radios {
            if radio.state == (RadioState::Associated { bssid }) {
                let pending = Pending {
                    node: *node,
                    generation: radio.generation,
                    what: What::BeaconsMissed { bssid },
                };
                out.push(AirOutput::Later(now + BEACON_LOSS, pending));
            }
        }
    }

    /// An access point throws its stations out, with an IEEE 802.11 reason code.
    pub(super) fn deauthenticate(&mut self, bssid: EthernetAddress, reason: u16, out: &mut Vec<AirOutput>) {
        let stations: Vec<NodeId> = self
            .radios
            .iter()
            .filter(|(_, radio)| radio.state == (RadioState::Associated { bssid }))
            .map(|(node, _)| *node)
            .collect();
        for node in stations {
            if let Some(mac) = self.radios.get(&node).map(|radio| radio.mac) {
                self.stations.remove(&mac.into());
                self.tell_owner(bssid, mac, false, out);
            }
            self.set_state(node, RadioState::Idle);
            out.push(AirOutput::Event(node, RadioEvent::Disconnected(reason)));
        }
    }

    /// Who receives a frame that a node's radio sends, in a fixed order.
    pub(super) fn receivers(&self, from: NodeId, destination: EthernetAddress, receivers: &mut Vec<NodeId>) {
        let owner = match self.radios.get(&from) {
            // A station whose access point no longer knows it is not listened to.
            Some(radio) if matches!(radio.state, RadioState::Associated { .. }) => {
                match self.stations.get(&radio.mac.into()) {
                    Some(station) => station.ap_owner,
                    None => return,
                }
            }
            Some(RadioNode { state: RadioState::AccessPoint { .. }, .. }) | None => from,
            Some(_) => return,
        };
        let to_all = destination.is_multicast();
        let station = self.stations.get(&destination.into());
        if owner != from && (to_all || station.is_none()) {
            receivers.push(owner);
        }
        let hears = |station: &&Station| station.ap_owner == owner && station.owner != from;
        if to_all {
            receivers.extend(self.stations.values().filter(hears).map(|station| station.owner));
        } else {
            receivers.extend(station.filter(hears).map(|station| station.owner));
        }
    }

    /// Whether a node's radio hears frames now.
    pub(super) fn hears(&self, now: Instant, node: NodeId) -> bool {
        self.radios.get(&node).is_none_or(|radio| match radio.state {
            RadioState::Off | RadioState::Idle => false,
            RadioState::AccessPoint { .. } | RadioState::Associated { .. } => radio.deaf_until <= now,
        })
    }

    /// The address of the access point that a node's own radio has opened.
    pub(super) fn own_ap(&self, node: NodeId) -> Option<EthernetAddress> {
        match self.radios.get(&node)?.state {
            RadioState::AccessPoint { bssid } => Some(bssid),
            RadioState::Off | RadioState::Idle | RadioState::Associated { .. } => None,
        }
    }

    /// Ends what a radio has: its access point with a word to its stations, its association with a word to
    /// its access point.
    fn leave(&mut self, now: Instant, node: NodeId, out: &mut Vec<AirOutput>) {
        if let Some(bssid) = self.own_ap(node) {
            self.deauthenticate(bssid, REASON_LEAVING, out);
            self.remove_access_point(now, bssid, out);
        }
        if let Some(bssid) = self.joined(node)
            && let Some(mac) = self.radios.get(&node).map(|radio| radio.mac)
            && self.stations.remove(&mac.into()).is_some()
        {
            self.tell_owner(bssid, mac, false, out);
        }
    }

    /// How long a join takes and how it ends, as far as it is certain now.
    fn try_join(
        &self,
        bssid: EthernetAddress,
        ssid: &Ssid,
        passphrase: &Passphrase,
        channel: u8,
    ) -> (Duration, Result<(), JoinFailure>) {
        let Some(ap) = self.access_points.get(&bssid.into()).filter(|ap| is_audible(ap)) else {
            return (JOIN_LIMIT, Err(JoinFailure::NotFound));
        };
        if ap.ssid != *ssid || ap.channel != channel {
            return (JOIN_LIMIT, Err(JoinFailure::NotFound));
        }
        let members = self.stations.values().filter(|station| station.bssid == bssid).count();
        if members >= ap.capacity {
            return (ASSOCIATION, Err(JoinFailure::Refused));
        }
        match ap.security {
            Security::Open if passphrase.is_empty() => (ASSOCIATION, Ok(())),
            Security::Open | Security::Wpa2Enterprise => (ASSOCIATION, Err(JoinFailure::Security)),
            _ if passphrase.is_empty() => (ASSOCIATION, Err(JoinFailure::Security)),
            _ if ap.passphrase == *passphrase => (ASSOCIATION + HANDSHAKE, Ok(())),
            _ => (ASSOCIATION + HANDSHAKE_LIMIT, Err(JoinFailure::Handshake)),
        }
    }

    fn on_ap_starts(&mut self, node: NodeId, ssid: &Ssid, channel: u8, out: &mut Vec<AirOutput>) {
        let Some(radio) = self.radios.get_mut(&node) else { return };
        let bssid = firmware_core::portal::name::ap_bssid(radio.mac);
        radio.state = RadioState::AccessPoint { bssid };
        radio.deaf_until = Instant::ZERO;
        let access_point = AccessPoint {
            owner: node,
            ssid: ssid.clone(),
            passphrase: Passphrase::default(),
            security: Security::Open,
            hidden: false,
            channel,
            rssi: -40,
            capacity: SOFT_AP_STATIONS_MAX,
            join_delay: Duration::ZERO,
        };
        self.add_access_point(bssid, access_point, out);
        out.push(AirOutput::Event(node, RadioEvent::ApStarted));
    }

    /// The radio comes back without having heard anybody, and says so.
    fn on_scan_fails(&mut self, node: NodeId, out: &mut Vec<AirOutput>) {
        if let Some(radio) = self.radios.get_mut(&node) {
            radio.deaf_until = Instant::ZERO;
        }
        out.push(AirOutput::Event(node, RadioEvent::ScanDone(false)));
    }

    fn on_scan_ends(&mut self, node: NodeId, probe: Option<&Ssid>, out: &mut Vec<AirOutput>) {
        if let Some(radio) = self.radios.get_mut(&node) {
            radio.deaf_until = Instant::ZERO;
        }
        for (bssid, ap) in &self.access_points {
            if ap.owner == node || !is_audible(ap) {
                continue;
            }
            let named = !ap.hidden || probe == Some(&ap.ssid);
            let network = Network {
                ssid: if named { ap.ssid.clone() } else { Ssid::default() },
                bssid: (*bssid).into(),
                channel: ap.channel,
                rssi: ap.rssi,
                security: ap.security,
            };
            out.push(AirOutput::Event(node, RadioEvent::ScanResult(network)));
        }
        out.push(AirOutput::Event(node, RadioEvent::ScanDone(true)));
    }

    fn on_join_ends(
        &mut self,
        node: NodeId,
        bssid: EthernetAddress,
        result: Result<(), JoinFailure>,
        out: &mut Vec<AirOutput>,
    ) {
        // The access point may have gone since the join began.
        let ap_owner = self.access_points.get(&bssid.into()).map(|ap| ap.owner).ok_or(JoinFailure::NotFound);
        let Some(radio) = self.radios.get_mut(&node) else { return };
        let ap_owner = match ap_owner.and_then(|owner| result.map(|()| owner)) {
            Ok(owner) => owner,
            Err(failure) => {
                out.push(AirOutput::Event(node, RadioEvent::JoinFailed(failure)));
                return;
            }
        };
        radio.state = RadioState::Associated { bssid };
        let mac = radio.mac;
        self.associations += 1;
        let station = Station { bssid, ap_owner, owner: node, since: self.associations };
        self.stations.insert(mac.into(), station);
        self.tell_owner(bssid, mac, true, out);
        out.push(AirOutput::Event(node, RadioEvent::Joined));
    }

    fn tell_owner(
        &self,
        bssid: EthernetAddress,
        station: EthernetAddress,
        joined: bool,
        out: &mut Vec<AirOutput>,
    ) {
        let Some(ap) = self.access_points.get(&bssid.into()) else { return };
        out.push(match ap.owner {
            NodeId::Router(_) => AirOutput::Station(ap.owner, station, joined),
            NodeId::Device(_) | NodeId::Phone(_) | NodeId::Cloud(_) | NodeId::Guest(_) => AirOutput::Event(
                ap.owner,
                if joined { RadioEvent::StationJoined(station) } else { RadioEvent::StationLeft(station) },
            ),
        });
    }

    fn later(&mut self, at: Instant, node: NodeId, what: What, out: &mut Vec<AirOutput>) {
        let generation = self.next_generation(node);
        out.push(AirOutput::Later(at, Pending { node, generation, what }));
    }

    fn next_generation(&mut self, node: NodeId) -> u32 {
        self.radios.get_mut(&node).map_or(0, |radio| {
            radio.generation += 1;
            radio.generation
        })
    }

    fn set_state(&mut self, node: NodeId, state: RadioState) {
        if let Some(radio) = self.radios.get_mut(&node) {
            radio.state = state;
        }
    }
}

fn is_audible(ap: &AccessPoint) -> bool {
    ap.rssi > SENSITIVITY && ap.channel <= LAST_24_GHZ_CHANNEL
}
