//! The DHCP server against smoltcp's reader and a list of who has which address.

use std::collections::{BTreeMap, BTreeSet};

use firmware_core::Instant;
use firmware_core::portal::dhcp::{DhcpServer, LEASE, LeaseEvent, Outcome, POOL_SIZE, REPLY_LEN_MAX, Reject};
use firmware_core::portal::{AP_IP, PORTAL_URI};
use smoltcp::wire::{DhcpMessageType, DhcpOpCode, DhcpPacket, DhcpRepr, EthernetAddress, Ipv4Address};

use crate::input::Input;

/// Where the options of a message begin, behind the cookie.
const OPTIONS_AT: usize = 240;

/// Packets, each behind one byte of time and two of length; a length of FFFF makes a station leave.
///
/// Every reply is one that smoltcp reads and that answers its packet; addresses are those of the pool; and while
/// there are enough of them, nobody gets one that somebody else has.
pub(crate) fn dhcp_server(bytes: &[u8]) {
    let mut input = Input(bytes);
    let uri = (input.byte() & 1 == 1).then_some(PORTAL_URI);
    let mut server = DhcpServer::new(uri);
    let mut book = Book::default();
    let mut now = Instant::from_secs(1);
    while !input.is_empty() {
        now += input.duration();
        let len = input.number();
        if len == 0xFFFF {
            server.handle_station_left(EthernetAddress::from_bytes(&pad(input.take(6))));
            continue;
        }
        let packet = input.take(len);
        let mut reply = [0xAA; REPLY_LEN_MAX];
        let before = server.clone();
        let outcome = server.handle(now, packet, &mut reply);
        match outcome {
            Outcome::Reply { len, destination, event } => {
                let is_known = destination.is_broadcast() || destination == client_ip(packet);
                assert!(is_known, "{destination}");
                check_reply(packet, &reply[..len], event, uri);
                let mut short = [0; REPLY_LEN_MAX];
                let retried = before.clone().handle(now, packet, &mut short[..len - 1]);
                assert!(matches!(retried, Outcome::Ignored(_)), "a reply was cut");
                book.note(now, mac_of(packet), event);
            }
            Outcome::Noted(event) => book.note(now, mac_of(packet), event),
            // It has chosen another server: nothing of ours is its own any more.
            Outcome::Ignored(Reject::OtherServer) => book.let_go(mac_of(packet)),
            Outcome::Ignored(_) => {}
        }
    }
}

fn pad(bytes: &[u8]) -> [u8; 6] {
    std::array::from_fn(|at| bytes.get(at).copied().unwrap_or(0))
}

fn mac_of(packet: &[u8]) -> EthernetAddress {
    DhcpPacket::new_unchecked(packet).client_hardware_address()
}

fn client_ip(packet: &[u8]) -> Ipv4Address {
    DhcpPacket::new_unchecked(packet).client_ip()
}

/// The reply with padding for the client's identifier, which is repeated as it came: smoltcp knows one kind.
fn without_identifier(reply: &[u8]) -> Vec<u8> {
    let mut reply = reply.to_vec();
    let mut at = OPTIONS_AT;
    while let Some(&[code, len]) = reply.get(at..at + 2) {
        match code {
            255 => break,
            0 => at += 1,
            _ => {
                let end = at + 2 + usize::from(len);
                if code == 61 {
                    reply[at..end].fill(0);
                }
                at = end;
            }
        }
    }
    reply
}

fn check_reply(packet: &[u8], reply: &[u8], event: LeaseEvent, uri: Option<&str>) {
    let asked = DhcpPacket::new_unchecked(packet);
    let identifier = |packet: &DhcpPacket<&[u8]>| {
        packet.options().filter(|option| option.kind == 61).last().map(|option| option.data.to_vec())
    };
    let told = identifier(&DhcpPacket::new_checked(reply).expect("a reply is a packet"));
    assert_eq!(told, identifier(&asked), "RFC 6842: the client's identifier is repeated");
    let reply = &*without_identifier(reply);
    let reply = DhcpPacket::new_checked(reply).expect("a reply is a packet");
    assert_eq!(reply.opcode(), DhcpOpCode::Reply);
    assert_eq!(reply.transaction_id(), asked.transaction_id());
    assert_eq!(reply.client_hardware_address(), asked.client_hardware_address());
    let repr = DhcpRepr::parse(&reply).expect("smoltcp's client reads the reply");
    let (kind, address) = match event {
        LeaseEvent::Offered(address) => (DhcpMessageType::Offer, address),
        LeaseEvent::Given(address) => (DhcpMessageType::Ack, address),
        LeaseEvent::Informed => (DhcpMessageType::Ack, Ipv4Address::UNSPECIFIED),
        LeaseEvent::Refused => (DhcpMessageType::Nak, Ipv4Address::UNSPECIFIED),
        LeaseEvent::Released(_) | LeaseEvent::Declined(_) => panic!("{event:?} has no reply"),
    };
    assert_eq!((repr.message_type, repr.your_ip), (kind, address));
    assert_eq!(repr.server_identifier, Some(AP_IP));
    let has_settings = kind != DhcpMessageType::Nak;
    assert_eq!(repr.router, has_settings.then_some(AP_IP));
    let has_lease = !address.is_unspecified();
    assert_eq!(repr.lease_duration.is_some(), has_lease);
    let told_uri = reply.options().find(|option| option.kind == 114).map(|option| option.data);
    assert_eq!(told_uri, uri.filter(|_| has_settings).map(str::as_bytes));
}

/// Who has which address, by what the server said.
#[derive(Default)]
struct Book {
    held: BTreeMap<Ipv4Address, (EthernetAddress, Instant)>,
    /// Everybody who ever took a place in the pool, and every address that was declined.
    takers: BTreeSet<EthernetAddress>,
    declined: usize,
}

impl Book {
    fn note(&mut self, now: Instant, mac: EthernetAddress, event: LeaseEvent) {
        match event {
            LeaseEvent::Offered(address) => {
                self.check_taker(now, mac, address);
            }
            LeaseEvent::Given(address) => {
                self.check_taker(now, mac, address);
                self.held.retain(|_, (holder, _)| *holder != mac);
                self.held.insert(address, (mac, now + LEASE));
            }
            LeaseEvent::Released(address) => {
                self.held.retain(|held, (holder, _)| *held != address || *holder != mac);
            }
            LeaseEvent::Declined(address) => {
                self.declined += 1;
                self.held.retain(|held, (holder, _)| *held != address || *holder != mac);
            }
            LeaseEvent::Refused | LeaseEvent::Informed => {}
        }
    }

    fn let_go(&mut self, mac: EthernetAddress) {
        self.held.retain(|_, (holder, _)| *holder != mac);
    }

    fn check_taker(&mut self, now: Instant, mac: EthernetAddress, address: Ipv4Address) {
        let last = address.octets()[3];
        let pool = 2..=1 + u8::try_from(POOL_SIZE).expect("a small pool");
        assert!(address.octets()[..3] == AP_IP.octets()[..3] && pool.contains(&last), "{address}");
        self.takers.insert(mac);
        if self.takers.len() + self.declined <= POOL_SIZE {
            let other = self.held.get(&address).filter(|(holder, until)| *holder != mac && *until > now);
            assert_eq!(other, None, "{address} is {mac}'s now");
        }
    }
}
