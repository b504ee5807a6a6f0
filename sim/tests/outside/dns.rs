//! The name server on the wire, with messages by hand (RFC 1035, RFC 6891).

use firmware_core::Duration;
use firmware_core::portal::AP_IP;
use smoltcp::socket::udp;
use smoltcp::wire::{EthernetAddress, Ipv4Address};

use crate::support::Bench;
use crate::support::wire::{self, Addresses};

const A: u16 = 1;
const AAAA: u16 = 28;
const HTTPS: u16 = 65;

const NO_ERROR: u8 = 0;
const FORMAT_ERROR: u8 = 1;
const SERVER_FAILURE: u8 = 2;
const NOT_IMPLEMENTED: u8 = 4;

/// A query for one name with the usual flags.
pub fn query(name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend(question(name, kind));
    bytes
}

fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

/// Sends a message to the device's name server and returns its answer.
pub fn exchange(bench: &mut Bench, phone: usize, message: &[u8]) -> Option<Vec<u8>> {
    let stack = &mut bench.station(phone).stack;
    let handle = stack.add_udp(40_000, 4);
    let to = udp::UdpMetadata::from((AP_IP, 53));
    stack.udp(handle).send_slice(message, to).unwrap();
    bench.run_until(Duration::from_secs(5), |bench| bench.station(phone).stack.udp(handle).can_recv());
    let stack = &mut bench.station(phone).stack;
    let answer = stack.udp(handle).recv().ok().map(|(bytes, _)| bytes.to_vec());
    stack.sockets.remove(handle);
    answer
}

/// What a reply says: response code, and the counts of its four sections.
fn summary(reply: &[u8]) -> (u8, [u16; 4]) {
    let number = |at: usize| u16::from_be_bytes([reply[at], reply[at + 1]]);
    assert_ne!(reply[2] & 0x80, 0, "not a response");
    (reply[3] & 0x0F, [number(4), number(6), number(8), number(10)])
}

/// Checks the code and the section counts of the answer to a message.
#[track_caller]
fn check(message: &[u8], code: u8, counts: [u16; 4]) -> Vec<u8> {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let reply = exchange(&mut bench, phone, message).expect("an answer");
    assert_eq!(reply[..2], message[..2], "another id");
    assert_eq!(summary(&reply), (code, counts));
    reply
}

#[test]
fn the_own_name_has_the_own_address() {
    for name in ["blynk.setup", "BLYNK.setup", "www.blynk.setup"] {
        let reply = check(&query(name, A), NO_ERROR, [1, 1, 0, 0]);
        assert!(reply.ends_with(&[0xC0, 0x0C, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 168, 4, 1]), "{reply:?}");
        // The question comes back letter by letter, case included.
        assert_eq!(reply[12..12 + question(name, A).len()], question(name, A));
    }
}

#[test]
fn other_types_of_the_own_name_are_empty_and_no_error() {
    check(&query("blynk.setup", AAAA), NO_ERROR, [1, 0, 0, 0]);
    check(&query("blynk.setup", HTTPS), NO_ERROR, [1, 0, 0, 0]);
}

#[test]
fn other_names_fail_so_that_the_phone_asks_elsewhere() {
    check(&query("captive.apple.com", A), SERVER_FAILURE, [1, 0, 0, 0]);
    check(&query("blynk.setup.local", AAAA), SERVER_FAILURE, [1, 0, 0, 0]);
}

#[test]
fn an_extension_record_is_answered_with_one() {
    let mut message = query("blynk.setup", A);
    message[11] = 1;
    message.extend([0, 0, 41, 0x04, 0xD0, 0, 0, 0x80, 0, 0, 0]);
    let reply = check(&message, NO_ERROR, [1, 1, 0, 1]);
    assert!(reply.ends_with(&[0, 0, 41, 2, 0, 0, 0, 0x80, 0, 0, 0]), "{reply:?}");
}

#[test]
fn two_questions_in_one_message_are_an_error_in_form() {
    let mut message = query("blynk.setup", A);
    message[5] = 2;
    message.extend(question("blynk.setup", AAAA));
    check(&message, FORMAT_ERROR, [0, 0, 0, 0]);
}

#[test]
fn what_is_not_a_query_is_refused_or_ignored() {
    let mut update = query("blynk.setup", A);
    update[2] = 0x28;
    check(&update, NOT_IMPLEMENTED, [0, 0, 0, 0]);
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let mut response = query("blynk.setup", A);
    response[2] |= 0x80;
    assert_eq!(exchange(&mut bench, phone, &response), None);
    assert_eq!(exchange(&mut bench, phone, b"short"), None);
    assert!(exchange(&mut bench, phone, &query("blynk.setup", A)).is_some());
}

#[test]
fn a_phone_that_leaves_before_its_answer_does_not_keep_the_others_from_theirs() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    // Nobody is at these addresses any more; some are not even of this network.
    for number in 100..110 {
        for network in [4, 77] {
            let from = Ipv4Address::new(192, 168, network, number);
            let addresses = Addresses::to_device(EthernetAddress([2, 0, 0, 0, 1, number]), from);
            bench.inject(wire::udp(addresses, 40_000, 53, &query("blynk.setup", A)));
        }
    }
    bench.run_for(Duration::from_secs(4));
    assert!(exchange(&mut bench, phone, &query("blynk.setup", A)).is_some());
}

#[test]
fn a_query_from_another_network_costs_nobody_anything() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let addresses = Addresses::to_device(EthernetAddress([2, 0, 0, 0, 1, 1]), Ipv4Address::new(8, 8, 8, 8));
    bench.inject(wire::udp(addresses, 40_000, 53, &query("blynk.setup", A)));
    bench.run_for(Duration::from_millis(5));
    let before = bench.now();
    assert!(exchange(&mut bench, phone, &query("blynk.setup", A)).is_some());
    assert!(bench.now() - before < Duration::from_millis(50), "{}", bench.now() - before);
}
