//! Gives addresses to the stations of the access point (RFC 2131).
//!
//! It keeps leases in RAM only: after a reboot it knows nobody, and so a client that asks for the address it
//! had gets it if nobody else has taken it since. Clients are told apart by their MAC, which on WiFi is the
//! station's own; their client identifier is repeated (RFC 6842) but not interpreted.

use heapless::Vec;
use smoltcp::wire::{
    ArpHardware, DhcpFlags, DhcpMessageType, DhcpOpCode, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress,
    Ipv4Address,
};

use super::AP_IP;
use crate::{Duration, Instant};

/// The UDP port of the server.
pub const SERVER_PORT: u16 = 67;
/// The UDP port of the clients.
pub const CLIENT_PORT: u16 = 68;
/// The most bytes a reply has: what every client must be prepared for (RFC 2131 section 2).
pub const REPLY_LEN_MAX: usize = 548;
/// How many stations have an address at a time: 192.168.4.2 to .12, as on the ESP32.
pub const POOL_SIZE: usize = 11;
/// How long an address is given for.
pub const LEASE: Duration = Duration::from_secs(7_200);

/// How long an offered address is kept for the client to ask for it.
const OFFER_HOLD: Duration = Duration::from_secs(60);
/// How long an address that a client found in use is left alone.
const DECLINE_HOLD: Duration = Duration::from_secs(600);
/// [`LEASE`] as it travels.
const LEASE_S: u32 = 7_200;
/// RFC 2131 section 4.4.5: half of the lease, and 7/8 of it.
const RENEWAL_S: u32 = LEASE_S / 2;
const REBINDING_S: u32 = LEASE_S / 8 * 7;
const SUBNET_MASK: Ipv4Address = Ipv4Address::new(255, 255, 255, 0);
/// BOOTP messages have at least 300 bytes, and some clients insist (RFC 1542 section 2.1).
const MESSAGE_LEN_MIN: usize = 300;
/// RFC 1533 section 2: the cookie before the options.
const MAGIC_COOKIE: u32 = 0x6382_5363;
/// RFC 4361: type, association id and a unique identifier of at most 130 bytes.
const CLIENT_ID_LEN_MAX: usize = 135;
/// With the longest client identifier this fits [`REPLY_LEN_MAX`].
const CAPTIVE_URI_LEN_MAX: usize = 100;

const OPTION_REQUESTED_IP: u8 = 50;
const OPTION_MESSAGE_TYPE: u8 = 53;
const OPTION_SERVER_ID: u8 = 54;
const OPTION_RENEWAL: u8 = 58;
const OPTION_REBINDING: u8 = 59;
const OPTION_CLIENT_ID: u8 = 61;
/// RFC 8910 section 2.1.
const OPTION_CAPTIVE_PORTAL: u8 = 114;

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The first `len` bytes of the reply are to be sent from port 67 to port 68.
    Reply {
        /// How many bytes the reply has.
        len: usize,
        /// The client's address when it has one, else 255.255.255.255.
        destination: Ipv4Address,
        /// What was agreed.
        event: LeaseEvent,
    },
    /// The packet was understood and needs no reply.
    Noted(LeaseEvent),
    /// The packet changes nothing.
    Ignored(Reject),
}

/// What happened to a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeaseEvent {
    /// A client was offered this address.
    Offered(Ipv4Address),
    /// A client has this address for the next two hours.
    Given(Ipv4Address),
    /// A client must not use the address it asked for.
    Refused,
    /// A client with an address of its own was told the rest.
    Informed,
    /// A client gave this address back.
    Released(Ipv4Address),
    /// A client found this address in use.
    Declined(Ipv4Address),
}

/// Why a packet was ignored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reject {
    /// The bytes are not a DHCP message, or not one that makes sense.
    Malformed,
    /// The message is a server's.
    NotARequest,
    /// The message came through a relay, and there is none here.
    Relayed,
    /// The client chose another server.
    OtherServer,
    /// The message is about an address that is not the client's.
    NotTheOwner,
    /// The reply does not fit the caller's buffer.
    NoRoom,
}

/// The leases of the access point.
#[derive(Clone, Debug)]
pub struct DhcpServer {
    slots: [Slot; POOL_SIZE],
    captive_uri: Option<&'static str>,
}

/// One address of the pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Slot {
    Free,
    /// Kept for a client, also after it has expired: the client may come back for it.
    Kept {
        owner: EthernetAddress,
        stage: Stage,
        until: Instant,
        used_at: Instant,
    },
    /// Somebody else uses it.
    Declined {
        until: Instant,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Stage {
    /// The station has left the access point.
    Away,
    Offered,
    Bound,
}

impl DhcpServer {
    /// A server that has given nothing yet. With an address of a captive portal, every client is told it.
    pub const fn new(captive_portal_uri: Option<&'static str>) -> Self {
        if let Some(uri) = captive_portal_uri {
            assert!(uri.len() <= CAPTIVE_URI_LEN_MAX, "the captive portal's address is too long");
        }
        Self { slots: [Slot::Free; POOL_SIZE], captive_uri: captive_portal_uri }
    }

    /// Takes the payload of a UDP packet to port 67 and writes the payload of the reply, if there is one; a
    /// buffer of [`REPLY_LEN_MAX`] is always enough.
    pub fn handle(&mut self, now: Instant, packet: &[u8], reply: &mut [u8]) -> Outcome {
        let message = match Message::parse(packet) {
            Ok(message) => message,
            Err(reject) => return Outcome::Ignored(reject),
        };
        let outcome = match message.kind {
            DhcpMessageType::Discover => self.on_discover(now, &message, reply),
            DhcpMessageType::Request => self.on_request(now, &message, reply),
            DhcpMessageType::Inform => self.on_inform(&message, reply),
            DhcpMessageType::Release => self.on_release(now, &message),
            DhcpMessageType::Decline => self.on_decline(now, &message),
            DhcpMessageType::Offer | DhcpMessageType::Ack | DhcpMessageType::Nak => Err(Reject::NotARequest),
            DhcpMessageType::Unknown(_) => Err(Reject::Malformed),
        };
        outcome.unwrap_or_else(Outcome::Ignored)
    }

    /// Takes note that a station left the access point: when addresses run out, its own goes first.
    pub fn handle_station_left(&mut self, mac: EthernetAddress) {
        for slot in &mut self.slots {
            if let Slot::Kept { owner, stage, .. } = slot
                && *owner == mac
            {
                *stage = Stage::Away;
            }
        }
    }

    fn on_discover(
        &mut self,
        now: Instant,
        message: &Message<'_>,
        reply: &mut [u8],
    ) -> Result<Outcome, Reject> {
        let index = self.choose(now, message);
        let address = address_of(index).ok_or(Reject::Malformed)?;
        let outcome = self.reply(message, Answer::Offer(address), reply)?;
        // A client that has a lease and asks again keeps it as it is. One that was away has been promised what is left
        // of it: an offer that it does not take up must not give its address to somebody else.
        if !self.is_bound(index, message.mac, now) {
            let hold = self.left(index, message.mac, now).max(OFFER_HOLD);
            self.keep(index, message.mac, Stage::Offered, now, hold);
        }
        Ok(outcome)
    }

    /// RFC 2131 section 4.3.2, which tells a client's state by the fields it fills in.
    fn on_request(
        &mut self,
        now: Instant,
        message: &Message<'_>,
        reply: &mut [u8],
    ) -> Result<Outcome, Reject> {
        if message.server_id.is_some_and(|server| server != AP_IP) {
            self.forget_offers(message.mac);
            return Err(Reject::OtherServer);
        }
        let wanted = message.requested.or(message.own_address()).ok_or(Reject::Malformed)?;
        // Nobody else gives addresses here, so that a client nobody knows is not left without an answer: it
        // gets what it asks for if that is free, and else is told to start over.
        let index = index_of(wanted).filter(|index| self.may_have(*index, message.mac, now));
        let Some(index) = index else { return self.reply(message, Answer::Nak, reply) };
        let outcome = self.reply(message, Answer::Ack(wanted), reply)?;
        self.keep(index, message.mac, Stage::Bound, now, LEASE);
        self.free_others(index, message.mac);
        Ok(outcome)
    }

    fn on_inform(&self, message: &Message<'_>, reply: &mut [u8]) -> Result<Outcome, Reject> {
        // The answer goes to the address the client says it has, so it must be one of this network.
        match message.own_address() {
            Some(address) if is_neighbour(address) => self.reply(message, Answer::Inform, reply),
            Some(_) | None => Err(Reject::Malformed),
        }
    }

    /// The client is remembered, so that it gets the same address when it comes back.
    fn on_release(&mut self, now: Instant, message: &Message<'_>) -> Result<Outcome, Reject> {
        let address = message.own_address().ok_or(Reject::Malformed)?;
        let slot = self.slot_of_owner(address, message)?;
        if let Slot::Kept { until, .. } = slot {
            *until = now;
        }
        Ok(Outcome::Noted(LeaseEvent::Released(address)))
    }

    fn on_decline(&mut self, now: Instant, message: &Message<'_>) -> Result<Outcome, Reject> {
        let address = message.requested.ok_or(Reject::Malformed)?;
        *self.slot_of_owner(address, message)? = Slot::Declined { until: now + DECLINE_HOLD };
        Ok(Outcome::Noted(LeaseEvent::Declined(address)))
    }

    fn slot_of_owner(&mut self, address: Ipv4Address, message: &Message<'_>) -> Result<&mut Slot, Reject> {
        if message.server_id.is_some_and(|server| server != AP_IP) {
            return Err(Reject::OtherServer);
        }
        index_of(address)
            .and_then(|index| self.slots.get_mut(index))
            .filter(|slot| slot.is_of(message.mac))
            .ok_or(Reject::NotTheOwner)
    }

    /// The slot to offer: the client's own, the one it asks for, a fresh one, or the one missed least.
    fn choose(&self, now: Instant, message: &Message<'_>) -> usize {
        let own = self.slots.iter().position(|slot| slot.is_of(message.mac));
        let requested = || {
            let index = message.requested.and_then(index_of)?;
            self.slots.get(index).is_some_and(|slot| slot.is_free(now)).then_some(index)
        };
        let least_missed =
            || self.slots.iter().enumerate().min_by_key(|(_, slot)| slot.rank(now)).map(|(index, _)| index);
        // The pool is not empty, so that one of them is there.
        own.or_else(requested).or_else(least_missed).unwrap_or(0)
    }

    /// Whether a client may have an address: nobody else has it, and it does not have another one itself.
    fn may_have(&self, index: usize, mac: EthernetAddress, now: Instant) -> bool {
        let is_available = self.slots.get(index).is_some_and(|slot| slot.is_of(mac) || slot.is_free(now));
        let has_another = (0..POOL_SIZE).any(|other| other != index && self.is_bound(other, mac, now));
        is_available && !has_another
    }

    fn is_bound(&self, index: usize, mac: EthernetAddress, now: Instant) -> bool {
        match self.slots.get(index) {
            Some(Slot::Kept { owner, stage: Stage::Bound, until, .. }) => *owner == mac && *until > now,
            Some(Slot::Free | Slot::Kept { .. } | Slot::Declined { .. }) | None => false,
        }
    }

    /// For how long an address is still a client's.
    fn left(&self, index: usize, mac: EthernetAddress, now: Instant) -> Duration {
        match self.slots.get(index) {
            Some(Slot::Kept { owner, until, .. }) if *owner == mac => (*until).max(now) - now,
            Some(Slot::Free | Slot::Kept { .. } | Slot::Declined { .. }) | None => Duration::ZERO,
        }
    }

    fn keep(&mut self, index: usize, owner: EthernetAddress, stage: Stage, now: Instant, hold: Duration) {
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Slot::Kept { owner, stage, until: now + hold, used_at: now };
        }
    }

    fn forget_offers(&mut self, mac: EthernetAddress) {
        for slot in &mut self.slots {
            if matches!(slot, Slot::Kept { owner, stage: Stage::Offered, .. } if *owner == mac) {
                *slot = Slot::Free;
            }
        }
    }

    fn free_others(&mut self, index: usize, mac: EthernetAddress) {
        for (other, slot) in self.slots.iter_mut().enumerate() {
            if other != index && slot.is_of(mac) {
                *slot = Slot::Free;
            }
        }
    }

    fn reply(&self, message: &Message<'_>, answer: Answer, reply: &mut [u8]) -> Result<Outcome, Reject> {
        let len = self.write(message, answer, reply).ok_or(Reject::NoRoom)?;
        // RFC 2131 section 4.1. A client without an address is answered by broadcast whether it asks for that
        // or not: unicast would need its MAC in the neighbour table before it answers ARP.
        let own_address = message.own_address().unwrap_or(Ipv4Address::BROADCAST);
        let (destination, event) = match answer {
            Answer::Offer(address) => (Ipv4Address::BROADCAST, LeaseEvent::Offered(address)),
            Answer::Ack(address) => (own_address, LeaseEvent::Given(address)),
            Answer::Inform => (own_address, LeaseEvent::Informed),
            Answer::Nak => (Ipv4Address::BROADCAST, LeaseEvent::Refused),
        };
        Ok(Outcome::Reply { len, destination, event })
    }

    /// RFC 2131 section 4.3.1, table 3.
    fn write(&self, message: &Message<'_>, answer: Answer, reply: &mut [u8]) -> Option<usize> {
        let (message_type, your_ip, has_lease, has_settings) = match answer {
            Answer::Offer(address) => (DhcpMessageType::Offer, address, true, true),
            Answer::Ack(address) => (DhcpMessageType::Ack, address, true, true),
            Answer::Inform => (DhcpMessageType::Ack, Ipv4Address::UNSPECIFIED, false, true),
            Answer::Nak => (DhcpMessageType::Nak, Ipv4Address::UNSPECIFIED, false, false),
        };
        let client_ip = match answer {
            Answer::Ack(_) | Answer::Inform => message.client_ip,
            Answer::Offer(_) | Answer::Nak => Ipv4Address::UNSPECIFIED,
        };
        let (renewal, rebinding) = (RENEWAL_S.to_be_bytes(), REBINDING_S.to_be_bytes());
        let more = [
            has_lease.then_some(DhcpOption { kind: OPTION_RENEWAL, data: &renewal }),
            has_lease.then_some(DhcpOption { kind: OPTION_REBINDING, data: &rebinding }),
            message.client_id.map(|data| DhcpOption { kind: OPTION_CLIENT_ID, data }),
            self.captive_uri
                .filter(|_| has_settings)
                .map(|uri| DhcpOption { kind: OPTION_CAPTIVE_PORTAL, data: uri.as_bytes() }),
        ];
        let more: Vec<DhcpOption<'_>, 4> = more.into_iter().flatten().collect();
        let repr = DhcpRepr {
            message_type,
            transaction_id: message.transaction_id,
            secs: 0,
            client_hardware_address: message.mac,
            client_ip,
            your_ip,
            server_ip: Ipv4Address::UNSPECIFIED,
            router: has_settings.then_some(AP_IP),
            subnet_mask: has_settings.then_some(SUBNET_MASK),
            relay_agent_ip: Ipv4Address::UNSPECIFIED,
            broadcast: message.broadcast,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(AP_IP),
            parameter_request_list: None,
            dns_servers: has_settings.then(|| [AP_IP].into_iter().collect()),
            max_size: None,
            lease_duration: has_lease.then_some(LEASE_S),
            renew_duration: None,
            rebind_duration: None,
            additional_options: &more,
        };
        let len = repr.buffer_len().max(MESSAGE_LEN_MIN);
        let buffer = reply.get_mut(..len)?;
        buffer.fill(0);
        repr.emit(&mut DhcpPacket::new_unchecked(buffer)).ok()?;
        Some(len)
    }
}

impl Slot {
    fn is_of(&self, mac: EthernetAddress) -> bool {
        matches!(self, Self::Kept { owner, .. } if *owner == mac)
    }

    fn is_free(&self, now: Instant) -> bool {
        match self {
            Self::Free => true,
            Self::Kept { until, .. } | Self::Declined { until } => *until <= now,
        }
    }

    /// Orders slots by how little their address is missed if it goes to somebody else, and by time within
    /// that. Every slot can be taken in the end, so that the next phone is served however many came before.
    fn rank(&self, now: Instant) -> (u8, Instant) {
        match self {
            Self::Free => (0, Instant::ZERO),
            Self::Kept { until, used_at, .. } if *until <= now => (1, *used_at),
            Self::Kept { stage: Stage::Away, used_at, .. } => (2, *used_at),
            Self::Kept { stage: Stage::Offered, used_at, .. } => (3, *used_at),
            Self::Kept { stage: Stage::Bound, used_at, .. } => (4, *used_at),
            Self::Declined { until } if *until <= now => (1, *until),
            Self::Declined { until } => (5, *until),
        }
    }
}

/// What a reply says.
#[derive(Clone, Copy)]
enum Answer {
    Offer(Ipv4Address),
    Ack(Ipv4Address),
    Inform,
    Nak,
}

/// What matters of a client's message.
struct Message<'a> {
    kind: DhcpMessageType,
    transaction_id: u32,
    broadcast: bool,
    mac: EthernetAddress,
    /// `ciaddr`, 0.0.0.0 when the client has no address yet.
    client_ip: Ipv4Address,
    requested: Option<Ipv4Address>,
    server_id: Option<Ipv4Address>,
    client_id: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Options are read here and not by [`DhcpRepr`], which refuses client identifiers of other kinds.
    fn parse(bytes: &'a [u8]) -> Result<Self, Reject> {
        let packet = DhcpPacket::new_checked(bytes).map_err(|_| Reject::Malformed)?;
        if packet.magic_number() != MAGIC_COOKIE
            || packet.hardware_type() != ArpHardware::Ethernet
            || packet.hardware_len() != 6
        {
            return Err(Reject::Malformed);
        }
        if packet.opcode() != DhcpOpCode::Request {
            return Err(Reject::NotARequest);
        }
        if !packet.relay_agent_ip().is_unspecified() {
            return Err(Reject::Relayed);
        }
        let mac = packet.client_hardware_address();
        let is_zero = mac.as_bytes().iter().all(|byte| *byte == 0);
        if !mac.is_unicast() || is_zero {
            return Err(Reject::Malformed);
        }
        let mut kind = None;
        let mut message = Self {
            kind: DhcpMessageType::Unknown(0),
            transaction_id: packet.transaction_id(),
            broadcast: packet.flags().contains(DhcpFlags::BROADCAST),
            mac,
            client_ip: packet.client_ip(),
            requested: None,
            server_id: None,
            client_id: None,
        };
        let (_, options) = bytes.split_at_checked(OPTIONS_OFFSET).ok_or(Reject::Malformed)?;
        for (code, data) in Options(options) {
            match code {
                OPTION_MESSAGE_TYPE => kind = data.first().copied().map(DhcpMessageType::from),
                OPTION_REQUESTED_IP => message.requested = Some(address_from(data)?),
                OPTION_SERVER_ID => message.server_id = Some(address_from(data)?),
                OPTION_CLIENT_ID if data.len() > CLIENT_ID_LEN_MAX => return Err(Reject::Malformed),
                OPTION_CLIENT_ID => message.client_id = Some(data),
                _ => (),
            }
        }
        message.kind = kind.ok_or(Reject::Malformed)?;
        Ok(message)
    }

    fn own_address(&self) -> Option<Ipv4Address> {
        Some(self.client_ip).filter(|address| !address.is_unspecified())
    }
}

/// Where the options start, behind the cookie.
const OPTIONS_OFFSET: usize = 240;
const OPTION_PAD: u8 = 0;
const OPTION_END: u8 = 255;

/// The options of a message: smoltcp's iterator does not outlive its packet.
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while let [OPTION_PAD, rest @ ..] = self.0 {
            self.0 = rest;
        }
        let [code, len, rest @ ..] = self.0 else { return None };
        if *code == OPTION_END {
            return None;
        }
        let (data, rest) = rest.split_at_checked(usize::from(*len))?;
        self.0 = rest;
        Some((*code, data))
    }
}

fn address_from(data: &[u8]) -> Result<Ipv4Address, Reject> {
    <[u8; 4]>::try_from(data).map(Ipv4Address::from).map_err(|_| Reject::Malformed)
}

fn is_neighbour(address: Ipv4Address) -> bool {
    address.to_bits() & SUBNET_MASK.to_bits() == AP_IP.to_bits() & SUBNET_MASK.to_bits() && address != AP_IP
}

/// The pool begins behind the device's own address.
fn address_of(index: usize) -> Option<Ipv4Address> {
    let offset = u32::try_from(index).ok()?.checked_add(1)?;
    AP_IP.to_bits().checked_add(offset).map(Ipv4Address::from_bits)
}

fn index_of(address: Ipv4Address) -> Option<usize> {
    let offset = address.to_bits().checked_sub(AP_IP.to_bits())?.checked_sub(1)?;
    usize::try_from(offset).ok().filter(|index| *index < POOL_SIZE)
}

#[cfg(test)]
mod tests;
