use std::collections::{BTreeMap, VecDeque};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, ChecksumCapabilities, DeviceCapabilities, Medium};
use smoltcp::socket::dhcpv4;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv4Repr,
    UdpPacket, UdpRepr,
};

use super::*;

const BROADCAST: Ipv4Address = Ipv4Address::BROADCAST;

fn ip(last: u8) -> Ipv4Address {
    Ipv4Address::new(192, 168, 4, last)
}

fn mac(id: u8) -> EthernetAddress {
    EthernetAddress([0x02, 0, 0, 0, 0, id])
}

fn at(seconds: i64) -> Instant {
    Instant::from_secs(seconds)
}

/// A client's message; tests change the fields they are about.
fn message(kind: DhcpMessageType, id: u8) -> DhcpRepr<'static> {
    DhcpRepr {
        message_type: kind,
        transaction_id: 0x1234_0000 + u32::from(id),
        secs: 3,
        client_hardware_address: mac(id),
        client_ip: Ipv4Address::UNSPECIFIED,
        your_ip: Ipv4Address::UNSPECIFIED,
        server_ip: Ipv4Address::UNSPECIFIED,
        router: None,
        subnet_mask: None,
        relay_agent_ip: Ipv4Address::UNSPECIFIED,
        broadcast: true,
        requested_ip: None,
        client_identifier: None,
        server_identifier: None,
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    }
}

fn discover(id: u8) -> DhcpRepr<'static> {
    message(DhcpMessageType::Discover, id)
}

fn select(id: u8, address: Ipv4Address) -> DhcpRepr<'static> {
    DhcpRepr { server_identifier: Some(AP_IP), ..reboot(id, address) }
}

fn reboot(id: u8, address: Ipv4Address) -> DhcpRepr<'static> {
    DhcpRepr { requested_ip: Some(address), ..message(DhcpMessageType::Request, id) }
}

fn renew(id: u8, address: Ipv4Address) -> DhcpRepr<'static> {
    DhcpRepr { client_ip: address, ..message(DhcpMessageType::Request, id) }
}

fn emit(repr: &DhcpRepr<'_>) -> Vec<u8> {
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).unwrap();
    bytes
}

/// Sends a message and checks what came of it; returns the reply's bytes.
#[track_caller]
fn check(server: &mut DhcpServer, now: Instant, repr: &DhcpRepr<'_>, expected: LeaseEvent) -> Vec<u8> {
    let mut reply = vec![0xEE; REPLY_LEN_MAX];
    match server.handle(now, &emit(repr), &mut reply) {
        Outcome::Reply { len, event, .. } => {
            assert_eq!(event, expected);
            reply.truncate(len);
            reply
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_ignored(server: &mut DhcpServer, repr: &DhcpRepr<'_>, expected: Reject) {
    let outcome = server.handle(at(0), &emit(repr), &mut [0; REPLY_LEN_MAX]);
    assert_eq!(outcome, Outcome::Ignored(expected));
}

/// Joins as most clients do; returns the address given.
#[track_caller]
fn join(server: &mut DhcpServer, now: Instant, id: u8) -> Ipv4Address {
    let mut reply = vec![0; REPLY_LEN_MAX];
    let outcome = server.handle(now, &emit(&discover(id)), &mut reply);
    let Outcome::Reply { event: LeaseEvent::Offered(address), .. } = outcome else { panic!("{outcome:?}") };
    check(server, now, &select(id, address), LeaseEvent::Given(address));
    address
}

#[test]
fn an_offer_holds_everything_a_phone_needs() {
    let mut server = DhcpServer::new(None);
    let bytes = check(&mut server, at(0), &discover(1), LeaseEvent::Offered(ip(2)));
    assert_eq!(bytes.len(), MESSAGE_LEN_MIN);
    let packet = DhcpPacket::new_checked(&bytes[..]).unwrap();
    let reply = DhcpRepr::parse(&packet).unwrap();
    assert_eq!(reply.message_type, DhcpMessageType::Offer);
    assert_eq!(reply.transaction_id, 0x1234_0001);
    assert_eq!(reply.client_hardware_address, mac(1));
    assert_eq!(reply.your_ip, ip(2));
    assert_eq!(reply.server_identifier, Some(AP_IP));
    assert_eq!(reply.subnet_mask, Some(SUBNET_MASK));
    assert_eq!(reply.router, Some(AP_IP));
    assert_eq!(reply.dns_servers.unwrap(), [AP_IP]);
    assert_eq!(reply.lease_duration.map(u64::from), Some(LEASE.secs()));
    assert_eq!((reply.renew_duration, reply.rebind_duration), (Some(3600), Some(6300)));
    assert!(reply.broadcast);
    assert!(!packet.options().any(|option| option.kind == OPTION_CAPTIVE_PORTAL));
}

#[test]
fn a_captive_portal_is_announced() {
    let mut server = DhcpServer::new(Some("http://192.168.4.1/"));
    let bytes = check(&mut server, at(0), &discover(1), LeaseEvent::Offered(ip(2)));
    let packet = DhcpPacket::new_checked(&bytes[..]).unwrap();
    let uri = packet.options().find(|option| option.kind == OPTION_CAPTIVE_PORTAL).unwrap();
    assert_eq!(uri.data, b"http://192.168.4.1/");
}

#[test]
fn a_client_identifier_is_repeated_whatever_it_is() {
    let data: Vec<u8> = (0..135).collect();
    let option = [DhcpOption { kind: OPTION_CLIENT_ID, data: &data }];
    let mut server = DhcpServer::new(Some(
        "http://a.name.as.long.as.one.may.be.without.too.many.dots.in.it/12345678901234567890123456789012345",
    ));
    let repr = DhcpRepr { additional_options: &option, ..discover(1) };
    let bytes = check(&mut server, at(0), &repr, LeaseEvent::Offered(ip(2)));
    let packet = DhcpPacket::new_checked(&bytes[..]).unwrap();
    assert_eq!(packet.options().find(|option| option.kind == OPTION_CLIENT_ID).unwrap().data, data);
    // The longest identifier and the longest address of a portal still fit.
    assert!(packet.options().any(|option| option.kind == OPTION_CAPTIVE_PORTAL));
}

#[test]
fn replies_go_where_the_client_can_hear_them() {
    let mut server = DhcpServer::new(None);
    join(&mut server, at(0), 1);
    let table = [
        (discover(1), BROADCAST),
        (reboot(1, ip(2)), BROADCAST),
        (renew(1, ip(2)), ip(2)),
        // One that must not use its address is told by broadcast.
        (renew(1, ip(3)), BROADCAST),
        (DhcpRepr { client_ip: ip(77), ..message(DhcpMessageType::Inform, 9) }, ip(77)),
    ];
    for (repr, expected) in table {
        let outcome = server.handle(at(1), &emit(&repr), &mut [0; REPLY_LEN_MAX]);
        let Outcome::Reply { destination, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(destination, expected, "{repr:?}");
    }
}

#[test]
fn a_client_gets_the_same_address_each_time() {
    let mut server = DhcpServer::new(None);
    assert_eq!((join(&mut server, at(0), 1), join(&mut server, at(1), 2)), (ip(2), ip(3)));
    assert_eq!(join(&mut server, at(2), 1), ip(2));
    // Also long after its lease ended, and after it gave the address back.
    assert_eq!(join(&mut server, at(100_000), 2), ip(3));
    let release = DhcpRepr { client_ip: ip(3), ..message(DhcpMessageType::Release, 2) };
    let outcome = server.handle(at(100_001), &emit(&release), &mut []);
    assert_eq!(outcome, Outcome::Noted(LeaseEvent::Released(ip(3))));
    assert_eq!(join(&mut server, at(100_002), 2), ip(3));
}

#[test]
fn a_wish_is_granted_when_the_address_is_free() {
    let mut server = DhcpServer::new(None);
    let wish = |id, last| DhcpRepr { requested_ip: Some(ip(last)), ..discover(id) };
    check(&mut server, at(0), &wish(1, 9), LeaseEvent::Offered(ip(9)));
    check(&mut server, at(0), &wish(2, 9), LeaseEvent::Offered(ip(2)));
    check(&mut server, at(0), &wish(3, 200), LeaseEvent::Offered(ip(3)));
}

#[test]
fn after_a_reboot_forgotten_leases_are_honoured_and_never_doubled() {
    let mut server = DhcpServer::new(None);
    check(&mut server, at(0), &reboot(1, ip(5)), LeaseEvent::Given(ip(5)));
    check(&mut server, at(0), &renew(2, ip(2)), LeaseEvent::Given(ip(2)));
    check(&mut server, at(0), &reboot(3, ip(5)), LeaseEvent::Refused);
    assert_eq!(join(&mut server, at(0), 3), ip(3));
}

#[test]
fn addresses_of_other_networks_are_refused() {
    let mut server = DhcpServer::new(None);
    for address in [Ipv4Address::new(192, 168, 1, 50), ip(1), ip(13), ip(255), Ipv4Address::new(8, 8, 8, 8)] {
        for repr in [reboot(1, address), renew(1, address), select(1, address)] {
            let bytes = check(&mut server, at(0), &repr, LeaseEvent::Refused);
            let packet = DhcpPacket::new_checked(&bytes[..]).unwrap();
            let reply = DhcpRepr::parse(&packet).unwrap();
            assert_eq!((reply.message_type, reply.your_ip), (DhcpMessageType::Nak, Ipv4Address::UNSPECIFIED));
            assert_eq!((reply.router, reply.lease_duration), (None, None));
        }
    }
}

#[test]
fn a_client_has_one_address_at_a_time() {
    let mut server = DhcpServer::new(None);
    assert_eq!(join(&mut server, at(0), 1), ip(2));
    check(&mut server, at(1), &reboot(1, ip(7)), LeaseEvent::Refused);
    // Once its lease is over it may have another one, and the first is free again.
    check(&mut server, at(7_201), &reboot(1, ip(7)), LeaseEvent::Given(ip(7)));
    assert_eq!(join(&mut server, at(7_202), 2), ip(2));
}

#[test]
fn a_phone_that_comes_back_and_only_asks_keeps_what_is_left_of_its_lease() {
    let mut server = DhcpServer::new(None);
    assert_eq!(join(&mut server, at(0), 1), ip(2));
    server.handle_station_left(mac(1));
    check(&mut server, at(100), &discover(1), LeaseEvent::Offered(ip(2)));
    // The offer is long over, the lease is not.
    check(&mut server, at(7_199), &reboot(2, ip(2)), LeaseEvent::Refused);
    check(&mut server, at(7_201), &reboot(2, ip(2)), LeaseEvent::Given(ip(2)));
    // What is left of a lease may be less than an offer is good for.
    server.handle_station_left(mac(2));
    check(&mut server, at(14_390), &discover(2), LeaseEvent::Offered(ip(2)));
    check(&mut server, at(14_440), &reboot(3, ip(2)), LeaseEvent::Refused);
    check(&mut server, at(14_440), &select(2, ip(2)), LeaseEvent::Given(ip(2)));
}

#[test]
fn an_offer_is_good_for_a_minute_whoever_had_the_address() {
    // Its own lease is long over.
    let mut server = DhcpServer::new(None);
    assert_eq!(join(&mut server, at(0), 1), ip(2));
    check(&mut server, at(50_000), &discover(1), LeaseEvent::Offered(ip(2)));
    check(&mut server, at(50_059), &reboot(2, ip(2)), LeaseEvent::Refused);
    check(&mut server, at(50_060), &reboot(2, ip(2)), LeaseEvent::Given(ip(2)));
    // It was somebody else's, whose lease runs on, when all addresses were lent.
    let mut server = DhcpServer::new(None);
    for id in 1..=11 {
        join(&mut server, at(0), id);
    }
    check(&mut server, at(20), &discover(12), LeaseEvent::Offered(ip(2)));
    check(&mut server, at(80), &reboot(13, ip(2)), LeaseEvent::Given(ip(2)));
}

#[test]
fn a_client_that_chose_another_server_is_let_go() {
    let mut server = DhcpServer::new(None);
    check(&mut server, at(0), &discover(1), LeaseEvent::Offered(ip(2)));
    let other = DhcpRepr { server_identifier: Some(ip(99)), ..reboot(1, ip(50)) };
    check_ignored(&mut server, &other, Reject::OtherServer);
    check(&mut server, at(0), &discover(2), LeaseEvent::Offered(ip(2)));
}

#[test]
fn every_phone_is_served_however_many_came_before() {
    let mut server = DhcpServer::new(None);
    for id in 1..=11 {
        assert_eq!(join(&mut server, at(i64::from(id)), id), ip(id + 1));
    }
    // Those who were there longest ago make room.
    for id in 12..=40 {
        assert_eq!(join(&mut server, at(i64::from(id)), id), ip((id - 1) % 11 + 2));
    }
}

#[test]
fn those_who_left_make_room_first() {
    let mut server = DhcpServer::new(None);
    for id in 1..=11 {
        join(&mut server, at(i64::from(id)), id);
    }
    server.handle_station_left(mac(6));
    assert_eq!(join(&mut server, at(20), 12), ip(7));
    // The lease of one that left is its own until somebody needs it.
    server.handle_station_left(mac(3));
    check(&mut server, at(21), &renew(3, ip(4)), LeaseEvent::Given(ip(4)));
}

#[test]
fn an_address_in_use_elsewhere_is_left_alone() {
    let mut server = DhcpServer::new(None);
    assert_eq!(join(&mut server, at(0), 1), ip(2));
    let decline = DhcpRepr {
        requested_ip: Some(ip(2)),
        server_identifier: Some(AP_IP),
        ..message(DhcpMessageType::Decline, 1)
    };
    let outcome = server.handle(at(1), &emit(&decline), &mut []);
    assert_eq!(outcome, Outcome::Noted(LeaseEvent::Declined(ip(2))));
    assert_eq!(join(&mut server, at(2), 1), ip(3));
    check(&mut server, at(3), &reboot(2, ip(2)), LeaseEvent::Refused);
    check(&mut server, at(601), &reboot(2, ip(2)), LeaseEvent::Given(ip(2)));
}

#[test]
fn strangers_cannot_give_away_the_addresses_of_others() {
    let mut server = DhcpServer::new(None);
    join(&mut server, at(0), 1);
    let release = DhcpRepr { client_ip: ip(2), ..message(DhcpMessageType::Release, 2) };
    let decline = DhcpRepr { requested_ip: Some(ip(2)), ..message(DhcpMessageType::Decline, 2) };
    check_ignored(&mut server, &release, Reject::NotTheOwner);
    check_ignored(&mut server, &decline, Reject::NotTheOwner);
}

#[test]
fn an_informed_client_keeps_its_address_and_gets_no_lease() {
    let mut server = DhcpServer::new(None);
    let inform = DhcpRepr { client_ip: ip(77), ..message(DhcpMessageType::Inform, 1) };
    let bytes = check(&mut server, at(0), &inform, LeaseEvent::Informed);
    let packet = DhcpPacket::new_checked(&bytes[..]).unwrap();
    let reply = DhcpRepr::parse(&packet).unwrap();
    assert_eq!((reply.message_type, reply.your_ip), (DhcpMessageType::Ack, Ipv4Address::UNSPECIFIED));
    assert_eq!((reply.router, reply.lease_duration), (Some(AP_IP), None));
    let stranger = DhcpRepr { client_ip: Ipv4Address::new(10, 0, 0, 1), ..inform };
    check_ignored(&mut server, &stranger, Reject::Malformed);
}

#[test]
fn what_is_not_for_a_server_is_ignored() {
    let mut server = DhcpServer::new(None);
    check_ignored(&mut server, &message(DhcpMessageType::Offer, 1), Reject::NotARequest);
    check_ignored(&mut server, &message(DhcpMessageType::Request, 1), Reject::Malformed);
    let relayed = DhcpRepr { relay_agent_ip: ip(9), ..discover(1) };
    check_ignored(&mut server, &relayed, Reject::Relayed);
    let nobody = DhcpRepr { client_hardware_address: EthernetAddress([0; 6]), ..discover(1) };
    check_ignored(&mut server, &nobody, Reject::Malformed);
    let outcome = server.handle(at(0), &emit(&discover(1)), &mut [0; 299]);
    assert_eq!(outcome, Outcome::Ignored(Reject::NoRoom));
}

#[test]
fn what_nobody_has_any_more_is_given_before_what_is_in_use() {
    let mut server = DhcpServer::new(None);
    for id in 1..=11 {
        join(&mut server, at(i64::from(id)), id);
    }
    let decline = DhcpRepr { requested_ip: Some(ip(7)), ..message(DhcpMessageType::Decline, 6) };
    server.handle(at(20), &emit(&decline), &mut []);
    let release = DhcpRepr { client_ip: ip(10), ..message(DhcpMessageType::Release, 9) };
    server.handle(at(21), &emit(&release), &mut []);
    assert_eq!(join(&mut server, at(30), 12), ip(10), "given back");
    assert_eq!(
        join(&mut server, at(31), 13),
        ip(2),
        "used longest ago, while somebody else uses what was declined"
    );
    assert_eq!(join(&mut server, at(620), 14), ip(7), "declined ten minutes ago");
}

#[test]
fn each_part_of_a_header_is_looked_at() {
    let mut server = DhcpServer::new(None);
    // Hardware type and length, and the first byte of the magic cookie (RFC 2131 figure 1).
    for place in [1, 2, 236] {
        let mut bytes = emit(&discover(1));
        bytes[place] ^= 0x40;
        let outcome = server.handle(at(0), &bytes, &mut [0; REPLY_LEN_MAX]);
        assert_eq!(outcome, Outcome::Ignored(Reject::Malformed), "byte {place}");
    }
}

#[test]
fn a_client_identifier_that_no_reply_could_repeat_is_refused() {
    let mut server = DhcpServer::new(None);
    let long = [7; CLIENT_ID_LEN_MAX + 1];
    for len in [CLIENT_ID_LEN_MAX, CLIENT_ID_LEN_MAX + 1] {
        let option = [DhcpOption { kind: OPTION_CLIENT_ID, data: &long[..len] }];
        let request = DhcpRepr { additional_options: &option, ..discover(1) };
        let outcome = server.handle(at(0), &emit(&request), &mut [0; REPLY_LEN_MAX]);
        let is_refused = outcome == Outcome::Ignored(Reject::Malformed);
        assert_eq!(is_refused, len > CLIENT_ID_LEN_MAX, "{outcome:?}");
    }
}

#[test]
fn nothing_is_promised_that_was_not_sent() {
    let mut server = DhcpServer::new(None);
    assert_eq!(server.handle(at(0), &emit(&reboot(1, ip(2))), &mut []), Outcome::Ignored(Reject::NoRoom));
    assert!(server.slots.iter().all(|slot| *slot == Slot::Free));
}

/// A network card that holds frames until the test looks at them.
#[derive(Default)]
struct Card {
    received: VecDeque<Vec<u8>>,
    sent: VecDeque<Vec<u8>>,
}

impl phy::Device for Card {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sent<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sent<'_>)> {
        self.received.pop_front().map(|frame| (Received(frame), Sent(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent<'_>> {
        Some(Sent(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Sent<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}

/// The server's payload of a client's frame, if it is one for the server.
fn payload_of(frame: &[u8]) -> Option<Vec<u8>> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
    (datagram.dst_port() == SERVER_PORT).then(|| datagram.payload().to_vec())
}

fn frame_of(payload: &[u8], destination: Ipv4Address) -> Vec<u8> {
    let udp = UdpRepr { src_port: SERVER_PORT, dst_port: CLIENT_PORT };
    let ipv4 = Ipv4Repr {
        src_addr: AP_IP,
        dst_addr: destination,
        next_header: IpProtocol::Udp,
        payload_len: 8 + payload.len(),
        hop_limit: 64,
    };
    let mut bytes = vec![0; 14 + 20 + 8 + payload.len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    frame.set_src_addr(mac(99));
    frame.set_dst_addr(EthernetAddress::BROADCAST);
    frame.set_ethertype(EthernetProtocol::Ipv4);
    let checksums = ChecksumCapabilities::default();
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    ipv4.emit(&mut packet, &checksums);
    udp.emit(
        &mut UdpPacket::new_unchecked(packet.payload_mut()),
        &AP_IP.into(),
        &destination.into(),
        payload.len(),
        |bytes| bytes.copy_from_slice(payload),
        &checksums,
    );
    bytes
}

/// The access point's answer to a client's question for its MAC, if the frame is one.
fn arp_reply_to(frame: &[u8]) -> Option<Vec<u8>> {
    let question = ArpPacket::new_checked(EthernetFrame::new_checked(frame).ok()?.payload()).ok()?;
    let ArpRepr::EthernetIpv4 { source_hardware_addr, source_protocol_addr, .. } =
        ArpRepr::parse(&question).ok()?
    else {
        return None;
    };
    let answer = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: mac(99),
        source_protocol_addr: AP_IP,
        target_hardware_addr: source_hardware_addr,
        target_protocol_addr: source_protocol_addr,
    };
    let mut bytes = vec![0; 14 + answer.buffer_len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    frame.set_src_addr(mac(99));
    frame.set_dst_addr(source_hardware_addr);
    frame.set_ethertype(EthernetProtocol::Arp);
    answer.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
    Some(bytes)
}

#[test]
fn a_real_client_gets_and_renews_its_address() {
    let mut server = DhcpServer::new(Some("http://192.168.4.1/"));
    let mut card = Card::default();
    let mut interface = Interface::new(Config::new(mac(1).into()), &mut card, at(0));
    let mut sockets = SocketSet::new(vec![]);
    let handle = sockets.add(dhcpv4::Socket::new());
    let mut given = Vec::new();
    let mut now = at(0);
    while now < at(8_000) {
        interface.poll(now, &mut card, &mut sockets);
        if let Some(dhcpv4::Event::Configured(config)) = sockets.get_mut::<dhcpv4::Socket<'_>>(handle).poll()
        {
            assert_eq!((config.router, &config.dns_servers[..]), (Some(AP_IP), &[AP_IP][..]));
            interface.update_ip_addrs(|addresses| {
                addresses.push(config.address.into()).unwrap();
            });
        }
        for frame in card.sent.drain(..) {
            card.received.extend(arp_reply_to(&frame));
            let Some(payload) = payload_of(&frame) else { continue };
            let mut reply = [0; REPLY_LEN_MAX];
            let outcome = server.handle(now, &payload, &mut reply);
            let Outcome::Reply { len, destination, event } = outcome else { panic!("{outcome:?}") };
            given.push((now.secs(), event));
            card.received.push_back(frame_of(&reply[..len], destination));
        }
        now = match interface.poll_at(now, &sockets) {
            Some(next) if card.received.is_empty() => next.max(now + Duration::from_secs(1)),
            _ => now,
        };
    }
    let [
        (0, LeaseEvent::Offered(offered)),
        (0, LeaseEvent::Given(first)),
        (3600, LeaseEvent::Given(again)),
        ..,
    ] = given[..]
    else {
        panic!("{given:?}")
    };
    assert_eq!([offered, first, again], [ip(2); 3]);
}

proptest! {
    #[test]
    fn arbitrary_packets_never_panic(tail in prop::collection::vec(any::<u8>(), 0..60), cut in 0usize..300) {
        let mut server = DhcpServer::new(None);
        let mut bytes = emit(&discover(1));
        bytes.truncate(OPTIONS_OFFSET + 3);
        bytes.extend(tail);
        bytes.truncate(cut.max(3));
        server.handle(at(0), &bytes, &mut [0; REPLY_LEN_MAX]);
    }

    #[test]
    fn no_address_has_two_holders(
        steps in prop::collection::vec((0u8..4, 1u8..=8, 1u8..15, 0i64..900), 0..120),
    ) {
        // Fewer clients than addresses, so that nobody has to make room.
        let mut server = DhcpServer::new(None);
        let mut now = 0;
        let mut holders: BTreeMap<Ipv4Address, (u8, Instant)> = BTreeMap::new();
        for (kind, id, last, pause) in steps {
            now += pause;
            let repr = match kind {
                0 => discover(id),
                1 => select(id, ip(last)),
                2 => reboot(id, ip(last)),
                _ => renew(id, ip(last)),
            };
            let outcome = server.handle(at(now), &emit(&repr), &mut [0; REPLY_LEN_MAX]);
            if let Outcome::Reply { event: LeaseEvent::Given(address), .. } = outcome {
                let earlier = holders.insert(address, (id, at(now) + LEASE));
                let is_taken = earlier.is_some_and(|(holder, until)| holder != id && until > at(now));
                prop_assert!(!is_taken, "{address} given to {id} at {now}");
            }
        }
    }
}
