//! The DHCP server on the wire: more phones than addresses, and phones that do what they should not.

use firmware_core::Duration;
use firmware_core::hal::RadioEvent;
use firmware_core::portal::AP_IP;
use firmware_core::portal::dhcp::{LEASE, POOL_SIZE};
use smoltcp::wire::{EthernetAddress, Ipv4Address};

use crate::support::Bench;
use crate::support::wire::{self, Addresses, Dhcp, DhcpReply};

const REQUESTED: u8 = 50;
const SERVER: u8 = 54;

fn mac(number: u8) -> EthernetAddress {
    EthernetAddress([0x02, 0xD0, 0, 0, 0, number])
}

/// Sends a DHCP message from `addresses` and returns what the server says to it, and to which address.
fn send(bench: &mut Bench, addresses: Addresses, message: &Dhcp<'_>) -> Vec<(Ipv4Address, DhcpReply)> {
    let before = bench.sent.len();
    bench.inject(wire::udp(addresses, 68, 67, &message.bytes()));
    bench.run_for(Duration::from_millis(20));
    let replies = wire::datagrams_from(&bench.sent[before..], 67);
    replies.into_iter().map(|(_, to, bytes)| (to, DhcpReply::parse(&bytes))).collect()
}

/// The only answer to a message that a client without an address sends.
#[track_caller]
fn ask(bench: &mut Bench, number: u8, kind: u8, options: &[(u8, &[u8])]) -> DhcpReply {
    let transaction = u32::from(number) << 8 | u32::from(kind);
    let message = Dhcp { kind, mac: mac(number), transaction, client_ip: Ipv4Address::UNSPECIFIED, options };
    let mut replies = send(bench, Addresses::broadcast(mac(number)), &message);
    let (to, reply) = replies.pop().expect("an answer");
    assert_eq!((replies.len(), reply.transaction, to), (0, transaction, Ipv4Address::BROADCAST));
    reply
}

/// Goes through discover and request and returns the address.
#[track_caller]
fn lease(bench: &mut Bench, number: u8) -> Ipv4Address {
    let offer = ask(bench, number, Dhcp::DISCOVER, &[]);
    assert_eq!(offer.kind, Dhcp::OFFER);
    let requested = offer.your_ip.octets();
    let ack = ask(bench, number, Dhcp::REQUEST, &[(REQUESTED, &requested), (SERVER, &AP_IP.octets())]);
    assert_eq!((ack.kind, ack.your_ip), (Dhcp::ACK, offer.your_ip));
    ack.your_ip
}

#[test]
fn a_lease_says_everything_a_phone_needs() {
    let mut bench = Bench::new(false);
    let offer = ask(&mut bench, 1, Dhcp::DISCOVER, &[]);
    let ap = AP_IP.octets();
    assert_eq!(offer.option(1), Some(&[255, 255, 255, 0][..]));
    assert_eq!(offer.option(3), Some(&ap[..]), "router");
    assert_eq!(offer.option(6), Some(&ap[..]), "name server");
    assert_eq!(offer.option(54), Some(&ap[..]), "server");
    assert_eq!(offer.option(51), Some(&u32::try_from(LEASE.secs()).unwrap().to_be_bytes()[..]));
    assert_eq!(offer.option(114), None, "no captive portal unless the product asks for one");
}

#[test]
fn forty_phones_one_after_the_other_all_get_an_address() {
    let mut bench = Bench::new(false);
    let mut given = Vec::new();
    for number in 0..40 {
        bench.tell(RadioEvent::StationJoined(mac(number)));
        given.push(lease(&mut bench, number));
        bench.tell(RadioEvent::StationLeft(mac(number)));
        bench.run_for(Duration::from_secs(5));
    }
    assert!(given.iter().all(|ip| (2..=12).contains(&ip.octets()[3])), "{given:?}");
    // As long as there are fresh addresses nobody gets another one's.
    let mut first = given[..POOL_SIZE].to_vec();
    first.sort_unstable();
    first.dedup();
    assert_eq!(first.len(), POOL_SIZE);
}

#[test]
fn nobody_is_given_an_address_that_a_present_phone_uses() {
    let mut bench = Bench::new(false);
    bench.tell(RadioEvent::StationJoined(mac(200)));
    let present = lease(&mut bench, 200);
    for number in 0..40 {
        bench.tell(RadioEvent::StationJoined(mac(number)));
        assert_ne!(lease(&mut bench, number), present);
        bench.tell(RadioEvent::StationLeft(mac(number)));
    }
}

#[test]
fn a_phone_that_comes_back_gets_its_old_address() {
    let mut bench = Bench::new(false);
    let before = lease(&mut bench, 7);
    bench.tell(RadioEvent::StationLeft(mac(7)));
    lease(&mut bench, 8);
    lease(&mut bench, 9);
    bench.run_for(Duration::from_secs(3 * 3_600));
    assert_eq!(lease(&mut bench, 7), before);
    // Right after a restart of the device the phone still believes in its lease and asks for it.
    let mut rebooted = Bench::new(false);
    let ack = ask(&mut rebooted, 7, Dhcp::REQUEST, &[(REQUESTED, &before.octets())]);
    assert_eq!((ack.kind, ack.your_ip), (Dhcp::ACK, before));
}

#[test]
fn a_renewal_is_answered_to_the_phone_itself() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let mac = bench.station(phone).mac;
    let ip = Ipv4Address::new(192, 168, 4, 2);
    let ask = |kind, client_ip, options: &'static [(u8, &'static [u8])]| Dhcp {
        kind,
        mac,
        transaction: 1,
        client_ip,
        options,
    };
    let first = ask(Dhcp::REQUEST, Ipv4Address::UNSPECIFIED, &[(REQUESTED, &[192, 168, 4, 2])]);
    assert_eq!(send(&mut bench, Addresses::broadcast(mac), &first)[0].1.kind, Dhcp::ACK);
    bench.run_for(Duration::from_secs(3_600));
    let renewal = ask(Dhcp::REQUEST, ip, &[]);
    let replies = send(&mut bench, Addresses::to_device(mac, ip), &renewal);
    assert_eq!(replies.len(), 1);
    assert_eq!((replies[0].0, replies[0].1.kind, replies[0].1.your_ip), (ip, Dhcp::ACK, ip));
}

#[test]
fn an_address_that_was_declined_is_left_alone_and_a_released_one_is_kept_in_mind() {
    let mut bench = Bench::new(false);
    let declined = lease(&mut bench, 1);
    let decline = Dhcp {
        kind: Dhcp::DECLINE,
        mac: mac(1),
        transaction: 2,
        client_ip: Ipv4Address::UNSPECIFIED,
        options: &[(REQUESTED, &declined.octets()), (SERVER, &AP_IP.octets())],
    };
    assert!(send(&mut bench, Addresses::broadcast(mac(1)), &decline).is_empty());
    assert_ne!(lease(&mut bench, 1), declined);
    for number in 20..50 {
        assert_ne!(lease(&mut bench, number), declined, "even when addresses are scarce");
    }
    let released = lease(&mut bench, 2);
    let release = Dhcp {
        kind: Dhcp::RELEASE,
        mac: mac(2),
        transaction: 3,
        client_ip: released,
        options: &[(SERVER, &AP_IP.octets())],
    };
    assert!(send(&mut bench, Addresses::to_device(mac(2), released), &release).is_empty());
    assert_eq!(lease(&mut bench, 2), released);
}

#[test]
fn an_address_of_another_network_is_refused_so_that_the_phone_starts_over() {
    let mut bench = Bench::new(false);
    let nak = ask(&mut bench, 1, Dhcp::REQUEST, &[(REQUESTED, &[192, 168, 1, 77])]);
    assert_eq!(nak.kind, Dhcp::NAK);
    lease(&mut bench, 1);
}

#[test]
fn a_phone_that_leaves_before_its_answer_does_not_keep_the_others_from_theirs() {
    let mut bench = Bench::new(false);
    // Each asks from an address at which nobody answers any more: the answers have nowhere to go.
    for number in 100..110 {
        let ip = Ipv4Address::new(192, 168, 4, number);
        let inform =
            Dhcp { kind: Dhcp::INFORM, mac: mac(number), transaction: 9, client_ip: ip, options: &[] };
        bench.inject(wire::udp(Addresses::to_device(mac(number), ip), 68, 67, &inform.bytes()));
    }
    bench.run_for(Duration::from_secs(4));
    lease(&mut bench, 1);
}

#[test]
fn cut_messages_are_ignored() {
    let mut bench = Bench::new(false);
    let message = Dhcp {
        kind: Dhcp::REQUEST,
        mac: mac(1),
        transaction: 1,
        client_ip: Ipv4Address::UNSPECIFIED,
        options: &[(REQUESTED, &[192, 168, 4, 5]), (61, &[1, 2, 3])],
    }
    .bytes();
    for len in 0..243 {
        bench.inject(wire::udp(Addresses::broadcast(mac(1)), 68, 67, &message[..len]));
    }
    bench.run_for(Duration::from_secs(1));
    assert!(wire::datagrams_from(&bench.sent, 67).is_empty());
    lease(&mut bench, 1);
}
