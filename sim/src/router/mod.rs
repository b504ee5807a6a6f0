//! A home router: addresses and names for its stations, and the way to the internet.
//!
//! It has no radio; the air associates stations, checks their passphrase and carries frames between them. It
//! has no network stack either: it answers the few packets that are for itself one by one, and rewrites the
//! others where they lie, because every packet of every story passes here.

mod dhcp;
mod dns;
mod nat;
mod neighbours;
mod ntp;
mod packet;
#[cfg(test)]
mod tests;

use core::fmt;
use std::collections::BTreeMap;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DHCP_SERVER_PORT, EthernetAddress, EthernetFrame, EthernetProtocol,
    Ipv4Address, Ipv4Cidr, Ipv4Packet,
};

use crate::actor::{Outbox, Port};
use crate::dns::PORT as DNS_PORT;
use crate::stack::Frame;

use dhcp::DhcpServer;
use nat::Nat;
use neighbours::Neighbours;
pub use ntp::NtpMode;
use ntp::{PORT as NTP_PORT, TimeServer};
use packet::{ETHERNET_HEADER_LEN, End, arp_frame, refuse_tcp, udp_frame, udp_inside};

/// How long home routers lend an address.
pub const LEASE_DEFAULT: Duration = Duration::from_secs(24 * 3_600);
/// The machine on the cable whose address the server gives away a second time.
const MACHINE_MAC: EthernetAddress = EthernetAddress([0x02, 0xB2, 0, 0, 0, 1]);

/// What a router is made of.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// Its name in the scenario.
    pub name: String,
    /// Its address on the side of its stations.
    pub lan_mac: EthernetAddress,
    /// Its address on the side of the internet.
    pub uplink_mac: EthernetAddress,
    /// Its own address and its network, of 256 addresses or more; the pool is host 100 to 199.
    pub lan: Ipv4Cidr,
    /// Its public address.
    pub uplink: Ipv4Address,
    /// Every name of the internet, and where it is.
    pub zone: BTreeMap<String, Ipv4Address>,
    /// How it answers DHCP.
    pub dhcp: DhcpMode,
    /// How it answers DNS.
    pub dns: DnsMode,
    /// How long it lends an address, in whole seconds.
    pub lease: Duration,
}

/// How the router answers DHCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DhcpMode {
    /// As it should.
    Normal,
    /// Not at all.
    Silent,
    /// It offers an address and refuses it when it is asked for.
    Nak,
    /// Every address of its pool is lent to somebody else: it offers none, and refuses what it is asked for.
    Exhausted,
    /// The address that a station is offered first belongs to a machine on the router's cable already.
    InUse,
}

/// How the router answers DNS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DnsMode {
    /// From the zone.
    Normal,
    /// Not at all.
    Silent,
    /// No name exists.
    NxDomain,
    /// It cannot say: its own resolver is out of reach.
    ServFail,
    /// The answer does not fit and is cut (TC, RFC 1035 section 4.1.1): the client is to ask again over TCP, which
    /// home routers do not answer.
    Truncated,
    /// Every name is at the router itself, until somebody has signed in on its page: a hotel.
    Captive,
}

/// What happened at the router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A station has an address.
    LeaseGiven {
        /// The station.
        mac: EthernetAddress,
        /// Its address.
        ip: Ipv4Address,
        /// It had the same before.
        again: bool,
    },
    /// A station was refused the address it asked for.
    LeaseRefused {
        /// The station.
        mac: EthernetAddress,
        /// It was the last one refused as well.
        again: bool,
    },
    /// Somebody asked for the address of a name.
    NameAnswered {
        /// The name, in lower case.
        name: String,
        /// Whether there was one to give.
        found: bool,
    },
}

/// One router.
pub struct Router {
    config: RouterConfig,
    powered: bool,
    uplink_up: bool,
    dhcp: DhcpServer,
    nat: Nat,
    neighbours: Neighbours,
    stations: Vec<EthernetAddress>,
    time_server: Option<TimeServer>,
    frames: Vec<(Port, Frame)>,
    events: Vec<Event>,
}

impl Router {
    /// A router that is switched on and knows nobody. It needs neither chance nor time.
    ///
    /// # Panics
    /// When the network is smaller than 256 addresses.
    pub fn new(mut config: RouterConfig) -> Self {
        config.zone = config.zone.into_iter().map(|(name, ip)| (name.to_ascii_lowercase(), ip)).collect();
        Self {
            powered: true,
            uplink_up: true,
            dhcp: DhcpServer::new(config.lan_mac, config.lan, config.lease),
            nat: Nat::new(config.uplink),
            neighbours: Neighbours::new(config.uplink_mac, config.uplink),
            stations: Vec::new(),
            time_server: None,
            frames: Vec::new(),
            events: Vec::new(),
            config,
        }
    }

    /// The same router on an internet that has a time server at this address. `unix_time_s` is the time in seconds
    /// since 1970 when the world's clock says 0.
    #[must_use]
    pub fn with_time(self, address: Ipv4Address, unix_time_s: i64) -> Self {
        let mode = NtpMode::Normal;
        Self { time_server: Some(TimeServer { address, unix_time_s, mode }), ..self }
    }

    /// Takes a frame that arrived.
    pub fn handle_frame(&mut self, now: Instant, port: Port, frame: Frame) {
        if !self.powered {
            return;
        }
        let Ok(ethernet) = EthernetFrame::new_checked(&frame[..]) else { return };
        let ethertype = ethernet.ethertype();
        match (port, ethertype) {
            (port, EthernetProtocol::Arp) => self.on_arp(now, port, &frame),
            (Port::Air, EthernetProtocol::Ipv4) => self.on_lan(now, frame),
            (Port::Internet, EthernetProtocol::Ipv4) => self.on_uplink(now, frame),
            _ => {}
        }
    }

    /// Takes note that a station has joined or left.
    pub fn handle_station(&mut self, mac: EthernetAddress, joined: bool) {
        match self.stations.binary_search(&mac) {
            Err(place) if joined => self.stations.insert(place, mac),
            Ok(place) if !joined => {
                self.stations.remove(place);
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// Does what is due and hands over frames and events.
    pub fn poll(&mut self, now: Instant, out: &mut Outbox<Event>) {
        self.neighbours.poll(now, &mut self.frames);
        out.frames.append(&mut self.frames);
        out.events.append(&mut self.events);
    }

    /// When it wants to be polled again.
    pub fn next_wake(&mut self, now: Instant) -> Option<Instant> {
        if self.frames.is_empty() && self.events.is_empty() {
            self.neighbours.next_wake().map(|at| at.max(now))
        } else {
            Some(now)
        }
    }

    /// Changes how DHCP is answered from now on.
    pub fn set_dhcp(&mut self, mode: DhcpMode) {
        self.config.dhcp = mode;
    }

    /// Changes how long addresses are given away from now on.
    pub fn set_lease(&mut self, lease: Duration) {
        self.dhcp.set_lease(lease);
    }

    /// Changes how many addresses are given away from now on, 1 to 100; `None` for all of the pool.
    pub fn set_pool(&mut self, len: Option<u8>) {
        self.dhcp.set_pool(len);
    }

    /// Changes how DNS is answered from now on.
    pub fn set_dns(&mut self, mode: DnsMode) {
        self.config.dns = mode;
    }

    /// Changes what is answered from now on to those who ask for the time.
    pub fn set_ntp(&mut self, mode: NtpMode) {
        self.time_server.iter_mut().for_each(|server| server.mode = mode);
    }

    /// Adds a name to the internet, or moves it.
    pub fn set_name(&mut self, name: &str, address: Ipv4Address) {
        self.config.zone.insert(name.to_ascii_lowercase(), address);
    }

    /// Cuts or mends the line to the internet; without it names cannot be resolved (the table stays).
    pub fn set_uplink(&mut self, up: bool) {
        self.uplink_up = up;
    }

    /// Whether the router is on.
    pub fn is_powered(&self) -> bool {
        self.powered
    }

    /// Switches the router off, which forgets leases, flows, neighbours and stations, or on.
    pub fn set_power(&mut self, on: bool) {
        self.powered = on;
        self.dhcp.clear();
        self.nat.clear();
        self.neighbours.clear();
        self.stations.clear();
        self.frames.clear();
    }

    /// Gives its network other addresses, as its owner would: it starts anew and knows nobody.
    ///
    /// # Panics
    /// When the network is smaller than 256 addresses.
    pub fn set_lan(&mut self, lan: Ipv4Cidr) {
        self.config.lan = lan;
        self.dhcp.set_lan(lan);
        self.set_power(self.powered);
    }

    /// The network's addresses, with its own.
    pub fn lan(&self) -> Ipv4Cidr {
        self.config.lan
    }

    /// Switches the router off and on.
    pub fn power_cycle(&mut self) {
        self.set_power(false);
        self.set_power(true);
    }

    /// Its name in the scenario.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The stations that are associated, in order of address.
    pub fn stations(&self) -> &[EthernetAddress] {
        &self.stations
    }

    /// How many flows it translates; some may be over and not yet forgotten.
    pub fn flow_count(&self) -> usize {
        self.nat.len()
    }

    fn on_arp(&mut self, now: Instant, port: Port, frame: &[u8]) {
        let payload = &frame[ETHERNET_HEADER_LEN..];
        let Ok(packet) = ArpPacket::new_checked(payload) else { return };
        let Ok(ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: mac,
            source_protocol_addr: ip,
            target_protocol_addr: target,
            ..
        }) = ArpRepr::parse(&packet)
        else {
            return;
        };
        let own = match port {
            Port::Air => (self.config.lan_mac, self.config.lan.address()),
            Port::Internet if self.uplink_up => (self.config.uplink_mac, self.config.uplink),
            Port::Internet => return,
        };
        // An address without a sender is a probe (RFC 5227), which tells nothing about the sender.
        if port == Port::Internet && !ip.is_unspecified() {
            self.neighbours.learn(now, ip, mac, target == own.1, &mut self.frames);
        }
        if operation == ArpOperation::Request && port == Port::Air && self.is_of_machine(target, mac) {
            self.frames.push((port, arp_frame(ArpOperation::Reply, (MACHINE_MAC, target), (mac, ip))));
        }
        if operation == ArpOperation::Request && target == own.1 {
            self.frames.push((port, arp_frame(ArpOperation::Reply, own, (mac, ip))));
        }
    }

    fn on_lan(&mut self, now: Instant, mut frame: Frame) {
        let ethernet = EthernetFrame::new_unchecked(&frame[..]);
        let (from, to) = (ethernet.src_addr(), ethernet.dst_addr());
        if to != self.config.lan_mac && !to.is_broadcast() {
            return;
        }
        let Ok(ip) = Ipv4Packet::new_checked(ethernet.payload()) else { return };
        let (source, destination) = (ip.src_addr(), ip.dst_addr());
        let own = self.config.lan.address();
        let is_local = destination.is_broadcast() || self.config.lan.contains_addr(&destination);
        if let Some(udp) = udp_inside(&ip) {
            if udp.dst_port() == DHCP_SERVER_PORT && (destination == own || destination.is_broadcast()) {
                let reply = self.dhcp.handle_message(now, self.config.dhcp, udp.payload(), &mut self.events);
                self.frames.extend(reply.map(|frame| (Port::Air, frame)));
                return;
            }
            // A station that insists on a public resolver is answered in its name, from the same table.
            if udp.dst_port() == DNS_PORT && (destination == own || !is_local) {
                let client = End { mac: from, ip: source, port: udp.src_port() };
                let server = End { mac: self.config.lan_mac, ip: destination, port: DNS_PORT };
                if self.is_of_machine(source, from) {
                    return;
                }
                if let Some(reply) =
                    Self::resolve(&self.config, self.uplink_up, udp.payload(), &mut self.events)
                {
                    self.frames.push((Port::Air, udp_frame(server, client, &reply)));
                }
                return;
            }
            if let Some(server) = self.time_server.filter(|server| server.address == destination)
                && udp.dst_port() == NTP_PORT
            {
                let answer = server.answer(now, udp.payload()).filter(|_| self.uplink_up);
                let client = End { mac: from, ip: source, port: udp.src_port() };
                let server = End { mac: self.config.lan_mac, ip: destination, port: NTP_PORT };
                if let Some(answer) = answer.filter(|_| !self.is_of_machine(source, from)) {
                    self.frames.push((Port::Air, udp_frame(server, client, &answer)));
                }
                return;
            }
        }
        if destination == own && self.config.dns == DnsMode::Captive {
            self.frames.extend(refuse_tcp(&frame).map(|frame| (Port::Air, frame)));
            return;
        }
        let may_pass = !to.is_broadcast() && !is_local && !destination.is_multicast();
        if !may_pass || !self.uplink_up || !self.config.lan.contains_addr(&source) {
            return;
        }
        if let Some(destination) = self.nat.rewrite_outbound(now, &mut frame) {
            self.neighbours.send(now, destination, frame, &mut self.frames);
        }
    }

    fn on_uplink(&mut self, now: Instant, mut frame: Frame) {
        let Ok(ip) = Ipv4Packet::new_checked(&frame[ETHERNET_HEADER_LEN..]) else { return };
        if ip.dst_addr() != self.config.uplink || !self.uplink_up {
            return;
        }
        if let Some(station) = self.nat.rewrite_inbound(now, &mut frame) {
            let to = Ipv4Packet::new_unchecked(&frame[ETHERNET_HEADER_LEN..]).dst_addr();
            if self.is_of_machine(to, station) {
                return;
            }
            let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
            ethernet.set_src_addr(self.config.lan_mac);
            ethernet.set_dst_addr(station);
            self.frames.push((Port::Air, frame));
        }
    }

    /// Whether an address that this station uses is that of a machine on the cable as well. What is for the address
    /// goes to the machine, which has no use for it.
    fn is_of_machine(&self, ip: Ipv4Address, station: EthernetAddress) -> bool {
        self.config.dhcp == DhcpMode::InUse && ip == self.dhcp.first_choice(station)
    }

    fn resolve(
        config: &RouterConfig,
        uplink_up: bool,
        query: &[u8],
        events: &mut Vec<Event>,
    ) -> Option<Vec<u8>> {
        let mode = match config.dns {
            DnsMode::Normal if !uplink_up => DnsMode::ServFail,
            mode => mode,
        };
        let answer = dns::answer(mode, &config.zone, config.lan.address(), query)?;
        events.extend(answer.named.map(|(name, found)| Event::NameAnswered { name, found }));
        Some(answer.message)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("name", &self.config.name).finish_non_exhaustive()
    }
}

impl Event {
    /// Whether a person would tell it.
    pub fn is_story(&self) -> bool {
        match self {
            Self::LeaseGiven { again, .. } | Self::LeaseRefused { again, .. } => !again,
            Self::NameAnswered { .. } => false,
        }
    }

    /// What it holds of texts that others have written.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::NameAnswered { name, .. } => Some(name),
            Self::LeaseGiven { .. } | Self::LeaseRefused { .. } => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeaseGiven { mac, again: false, .. } => write!(f, "gave {mac} an address"),
            Self::LeaseGiven { mac, again: true, .. } => write!(f, "let {mac} keep its address"),
            Self::LeaseRefused { mac, .. } => write!(f, "refused {mac} an address"),
            Self::NameAnswered { name, found: true } => write!(f, "told the address of {name}"),
            Self::NameAnswered { name, found: false } => write!(f, "knew no address of {name}"),
        }
    }
}
