//! The router's DHCP server (RFC 2131), as authoritative as home routers are: it takes over a client that
//! still holds an address from before, and says no to one that cannot keep its address. It shares no code with
//! the device's server, on purpose: a phone meets both.

use firmware_core::random::fnv1a64;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, Ipv4Address,
    Ipv4Cidr,
};

use crate::stack::Frame;

use super::packet::{End, udp_frame};
use super::{DhcpMode, Event};

/// The first host number of the pool.
const POOL_FIRST: u32 = 100;
/// How many addresses the pool has at most.
const POOL_LEN: u32 = 100;
/// How long an offered address is kept for the client that was offered it.
const OFFER_LIMIT: Duration = Duration::from_secs(60);
/// RFC 1542 section 2.1: a BOOTP message is at least this long, and some clients insist.
const MESSAGE_LEN_MIN: usize = 300;

/// The server and its leases.
pub(super) struct DhcpServer {
    mac: EthernetAddress,
    lan: Ipv4Cidr,
    lease: Duration,
    /// How many addresses are given away, from the first of the pool on.
    pool_len: u32,
    leases: Vec<Lease>,
    /// The client refused last, so that its retries are not told as news.
    refused: Option<EthernetAddress>,
}

struct Lease {
    ip: Ipv4Address,
    /// `None` for an address that a client found in use.
    mac: Option<EthernetAddress>,
    until: Instant,
    bound: bool,
}

impl DhcpServer {
    /// # Panics
    /// When the network is too small for the pool.
    pub(super) fn new(mac: EthernetAddress, lan: Ipv4Cidr, lease: Duration) -> Self {
        let mut server = Self { mac, lan, lease, pool_len: POOL_LEN, leases: Vec::new(), refused: None };
        server.set_lan(lan);
        server
    }

    /// Changes the network whose addresses are given away, and forgets what was given.
    pub(super) fn set_lan(&mut self, lan: Ipv4Cidr) {
        assert!(lan.prefix_len() <= 24, "the pool needs a network of 256 addresses or more");
        self.lan = lan;
        self.clear();
    }

    /// Changes how long addresses are given away from now on.
    pub(super) fn set_lease(&mut self, lease: Duration) {
        self.lease = lease;
    }

    /// Changes how many addresses are given away from now on, 1 to 100; `None` for all of the pool.
    pub(super) fn set_pool(&mut self, len: Option<u8>) {
        self.pool_len = len.map_or(POOL_LEN, u32::from).clamp(1, POOL_LEN);
    }

    /// The address that a client is offered first when it knows none: where machines on the cable stand in the way.
    pub(super) fn first_choice(&self, mac: EthernetAddress) -> Ipv4Address {
        self.pool_address(self.pool_start(mac))
    }

    /// Handles one message and returns the frame to answer with, if any.
    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        mode: DhcpMode,
        message: &[u8],
        events: &mut Vec<Event>,
    ) -> Option<Frame> {
        let packet = DhcpPacket::new_checked(message).ok()?;
        let request = DhcpRepr::parse(&packet).ok()?;
        let mac = request.client_hardware_address;
        match mode {
            DhcpMode::Normal | DhcpMode::Nak | DhcpMode::Exhausted | DhcpMode::InUse => {}
            DhcpMode::Silent => return None,
        }
        match request.message_type {
            DhcpMessageType::Discover if mode == DhcpMode::Exhausted => None,
            DhcpMessageType::Discover => {
                let ip = self.choose(now, mac, request.requested_ip)?;
                self.keep(Lease { ip, mac: Some(mac), until: now + OFFER_LIMIT, bound: false });
                Some(self.reply(&request, DhcpMessageType::Offer, ip))
            }
            DhcpMessageType::Request => self.on_request(now, mode, &request, events),
            DhcpMessageType::Decline => {
                let ip = request.requested_ip.filter(|ip| self.pool_has(*ip))?;
                self.keep(Lease { ip, mac: None, until: now + self.lease, bound: false });
                None
            }
            DhcpMessageType::Release => {
                self.leases.retain(|lease| lease.mac != Some(mac));
                None
            }
            // It has an address already and asks for the rest only (RFC 2131 section 4.3.5).
            DhcpMessageType::Inform => {
                Some(self.reply(&request, DhcpMessageType::Ack, Ipv4Address::UNSPECIFIED))
            }
            _ => None,
        }
    }

    pub(super) fn clear(&mut self) {
        self.leases.clear();
        self.refused = None;
    }

    /// RFC 2131 section 4.3.2 tells four kinds of request apart by which addresses they name.
    fn on_request(
        &mut self,
        now: Instant,
        mode: DhcpMode,
        request: &DhcpRepr,
        events: &mut Vec<Event>,
    ) -> Option<Frame> {
        let mac = request.client_hardware_address;
        if request.server_identifier.is_some_and(|server| server != self.lan.address()) {
            // The client took somebody else's offer.
            self.leases.retain(|lease| lease.mac != Some(mac) || lease.bound);
            return None;
        }
        let ip = request.requested_ip.unwrap_or(request.client_ip);
        if matches!(mode, DhcpMode::Nak | DhcpMode::Exhausted)
            || !self.pool_has(ip)
            || !self.is_free(now, mac, ip)
        {
            let again = self.refused.replace(mac) == Some(mac);
            events.push(Event::LeaseRefused { mac, again });
            return Some(self.reply(request, DhcpMessageType::Nak, Ipv4Address::UNSPECIFIED));
        }
        self.refused.take_if(|refused| *refused == mac);
        let again = self.leases.iter().any(|lease| lease.ip == ip && lease.mac == Some(mac) && lease.bound);
        self.keep(Lease { ip, mac: Some(mac), until: now + self.lease, bound: true });
        events.push(Event::LeaseGiven { mac, ip, again });
        Some(self.reply(request, DhcpMessageType::Ack, ip))
    }

    /// The client's own address, else the one it asks for, else one that its MAC leads to.
    fn choose(&self, now: Instant, mac: EthernetAddress, wanted: Option<Ipv4Address>) -> Option<Ipv4Address> {
        if let Some(own) = self.leases.iter().find(|lease| lease.mac == Some(mac)) {
            return Some(own.ip);
        }
        if let Some(wanted) = wanted.filter(|ip| self.pool_has(*ip) && self.is_free(now, mac, *ip)) {
            return Some(wanted);
        }
        let start = self.pool_start(mac);
        let numbers = (start..self.pool_len).chain(0..start);
        numbers.map(|number| self.pool_address(number)).find(|ip| self.is_free(now, mac, *ip))
    }

    fn is_free(&self, now: Instant, mac: EthernetAddress, ip: Ipv4Address) -> bool {
        !self.leases.iter().any(|lease| lease.ip == ip && lease.mac != Some(mac) && now < lease.until)
    }

    fn pool_address(&self, number: u32) -> Ipv4Address {
        Ipv4Address::from_bits(self.lan.network().address().to_bits() + POOL_FIRST + number)
    }

    fn pool_has(&self, ip: Ipv4Address) -> bool {
        (self.pool_address(0)..self.pool_address(self.pool_len)).contains(&ip) && ip != self.lan.address()
    }

    /// Where in the pool the search for a free address begins: a station gets the same address in every run and
    /// after every restart.
    fn pool_start(&self, mac: EthernetAddress) -> u32 {
        (fnv1a64(mac.as_bytes()) % u64::from(self.pool_len)) as u32
    }

    /// Keeps a lease in place of what was known of its address and its client.
    fn keep(&mut self, lease: Lease) {
        self.leases.retain(|old| old.ip != lease.ip && (old.mac.is_none() || old.mac != lease.mac));
        self.leases.push(lease);
    }

    fn reply(&self, request: &DhcpRepr, message_type: DhcpMessageType, your_ip: Ipv4Address) -> Frame {
        let own = self.lan.address();
        let refusal = message_type == DhcpMessageType::Nak;
        let has_lease = !refusal && !your_ip.is_unspecified();
        let reply = DhcpRepr {
            message_type,
            transaction_id: request.transaction_id,
            secs: 0,
            client_hardware_address: request.client_hardware_address,
            client_ip: if refusal { Ipv4Address::UNSPECIFIED } else { request.client_ip },
            your_ip,
            server_ip: Ipv4Address::UNSPECIFIED,
            router: (!refusal).then_some(own),
            subnet_mask: (!refusal).then(|| self.lan.netmask()),
            relay_agent_ip: Ipv4Address::UNSPECIFIED,
            broadcast: request.broadcast,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(own),
            parameter_request_list: None,
            dns_servers: (!refusal).then(|| std::iter::once(own).collect()),
            max_size: None,
            lease_duration: has_lease.then(|| u32::try_from(self.lease.secs()).unwrap_or(u32::MAX)),
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        let mut message = vec![0; reply.buffer_len().max(MESSAGE_LEN_MIN)];
        reply
            .emit(&mut DhcpPacket::new_unchecked(&mut message[..]))
            .expect("room for every option of the reply");
        let from = End { mac: self.mac, ip: own, port: DHCP_SERVER_PORT };
        udp_frame(from, recipient(request, refusal, your_ip), &message)
    }
}

/// RFC 2131 section 4.1: where a reply goes. A refused client may have no address that works.
fn recipient(request: &DhcpRepr, refusal: bool, your_ip: Ipv4Address) -> End {
    let mac = request.client_hardware_address;
    let (mac, ip) = if !refusal && !request.client_ip.is_unspecified() {
        (mac, request.client_ip)
    } else if refusal || request.broadcast {
        (EthernetAddress::BROADCAST, Ipv4Address::BROADCAST)
    } else {
        (mac, your_ip)
    };
    End { mac, ip, port: DHCP_CLIENT_PORT }
}
