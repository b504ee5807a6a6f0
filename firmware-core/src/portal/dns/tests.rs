use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const ID: [u8; 2] = [0xAB, 0xCD];

fn name(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn question(text: &str, kind: u16, class: u16) -> Vec<u8> {
    [name(text), kind.to_be_bytes().to_vec(), class.to_be_bytes().to_vec()].concat()
}

fn query(counts: [u8; 4], sections: &[&[u8]]) -> Vec<u8> {
    let [qd, an, ns, ar] = counts;
    [&ID[..], &[0x01, 0x00, 0, qd, 0, an, 0, ns, 0, ar], sections.concat().as_slice()].concat()
}

fn reply_to(query: &[u8], names: Names) -> Option<Vec<u8>> {
    let mut reply = vec![0; REPLY_LEN_MAX];
    answer(query, names, &mut reply).map(|len| reply[..len].to_vec())
}

/// Checks flags and section counts, and returns what follows the header.
#[track_caller]
fn check(query: &[u8], names: Names, flags: u16, counts: [u8; 4]) -> Vec<u8> {
    let reply = reply_to(query, names).unwrap();
    assert_eq!(reply[..2], ID);
    assert_eq!(reply[2..4], flags.to_be_bytes(), "flags {:02X?}", &reply[2..4]);
    let [qd, an, ns, ar] = counts;
    assert_eq!(reply[4..12], [0, qd, 0, an, 0, ns, 0, ar]);
    reply[12..].to_vec()
}

fn address_record(ttl_s: u8, high: u8) -> Vec<u8> {
    vec![0xC0, 0x0C, 0, 1, 0, 1, 0, 0, high, ttl_s, 0, 4, 192, 168, 4, 1]
}

const OPT: [u8; 11] = [0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0];
const OPT_REPLY: [u8; 11] = [0, 0, 41, 0x02, 0, 0, 0, 0x80, 0, 0, 0];

/// RCODE 0 with AA; the RD bit of every query here is repeated and RA is set.
const OK: u16 = 0x8580;
const FORMERR: u16 = 0x8181;
const SERVFAIL: u16 = 0x8182;
const REFUSED: u16 = 0x8185;

#[test]
fn the_devices_name_has_its_address_in_any_case() {
    for text in ["blynk.setup", "BLYNK.Setup", "www.blynk.setup", "WwW.bLyNk.SeTuP"] {
        let question = question(text, TYPE_A, CLASS_IN);
        let body = check(&query([1, 0, 0, 0], &[&question]), Names::SetupOnly, OK, [1, 1, 0, 0]);
        assert_eq!(body, [question, address_record(44, 1)].concat(), "300 s, in the letters of the question");
    }
}

#[test]
fn other_names_fail_on_an_open_portal() {
    for text in [
        "",
        "setup",
        "blynk",
        "a.blynk.setup",
        "www.www.blynk.setup",
        "blynk.setup.local",
        "www",
        "example.com",
    ] {
        let question = question(text, TYPE_A, CLASS_IN);
        let body = check(&query([1, 0, 0, 0], &[&question]), Names::SetupOnly, SERVFAIL, [1, 0, 0, 0]);
        assert_eq!(body, question, "{text}");
    }
}

#[test]
fn every_name_has_the_devices_address_on_a_captive_one() {
    let question = question("connectivitycheck.gstatic.com", TYPE_A, CLASS_IN);
    let body = check(&query([1, 0, 0, 0], &[&question]), Names::Every, OK, [1, 1, 0, 0]);
    assert_eq!(body, [question, address_record(10, 0)].concat());
}

#[test]
fn other_types_of_a_known_name_are_empty() {
    for kind in [28, 65, 12, 16] {
        for (text, names) in [("blynk.setup", Names::SetupOnly), ("example.com", Names::Every)] {
            let question = question(text, kind, CLASS_IN);
            assert_eq!(check(&query([1, 0, 0, 0], &[&question]), names, OK, [1, 0, 0, 0]), question);
        }
    }
}

#[test]
fn extended_queries_get_extended_answers() {
    let question = question("blynk.setup", TYPE_A, CLASS_IN);
    let body = check(&query([1, 0, 0, 1], &[&question, &OPT]), Names::SetupOnly, OK, [1, 1, 0, 1]);
    assert_eq!(body, [question.clone(), address_record(44, 1), OPT_REPLY.to_vec()].concat());

    // A cookie in the record, and a signature before it, do not matter.
    let cookie = [0, 0, 41, 0x04, 0xD0, 0, 0, 0, 0, 0, 6, 0, 10, 0, 2, 1, 2];
    let signature = [1, b'k', 0xC0, 0x0C, 0, 250, 0, 255, 0, 0, 0, 0, 0, 1, 9];
    check(&query([1, 0, 0, 2], &[&question, &signature, &cookie]), Names::SetupOnly, OK, [1, 1, 0, 1]);
}

#[test]
fn an_unknown_version_of_the_extension_is_told_so() {
    let question = question("blynk.setup", TYPE_A, CLASS_IN);
    let newer = [0, 0, 41, 0x10, 0, 0, 1, 0, 0, 0, 0];
    let body = check(&query([1, 0, 0, 1], &[&question, &newer]), Names::SetupOnly, 0x8180, [1, 0, 0, 1]);
    assert_eq!(body[question.len()..], [0, 0, 41, 0x02, 0, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn malformed_queries_are_told_so() {
    let good = question("blynk.setup", TYPE_A, CLASS_IN);
    let pointer = [0xC0, 0x0C, 0, 1, 0, 1];
    let long_label = [&[64; 65][..], &[0, 0, 1, 0, 1]].concat();
    let long_name = question(&["a"; 128].join("."), TYPE_A, CLASS_IN);
    let named_opt = [&[1, b'x'], &OPT[..]].concat();
    let table: [([u8; 4], &[&[u8]]); 11] = [
        ([0, 0, 0, 0], &[]),
        ([2, 0, 0, 0], &[&good, &good]),
        ([1, 1, 0, 0], &[&good]),
        ([1, 0, 1, 0], &[&good]),
        ([1, 0, 0, 0], &[&good[..good.len() - 1]]),
        ([1, 0, 0, 0], &[&pointer]),
        ([1, 0, 0, 0], &[&long_label]),
        ([1, 0, 0, 0], &[&long_name]),
        ([1, 0, 0, 1], &[&good, &OPT[..10]]),
        ([1, 0, 0, 2], &[&good, &OPT, &OPT]),
        ([1, 0, 0, 1], &[&good, &named_opt]),
    ];
    for (counts, sections) in table {
        check(&query(counts, sections), Names::Every, FORMERR, [0, 0, 0, 0]);
    }
}

#[test]
fn the_longest_name_is_answered() {
    let longest = question(&[&["abc"; 63].join("."), "d"].join("."), TYPE_A, CLASS_IN);
    assert_eq!(longest.len(), NAME_LEN_MAX + 4);
    let body = check(&query([1, 0, 0, 1], &[&longest, &OPT]), Names::Every, OK, [1, 1, 0, 1]);
    assert_eq!(body.len() + HEADER_LEN, REPLY_LEN_MAX);
}

#[test]
fn a_label_has_63_bytes_at_most() {
    for (len, flags, counts) in [(63, OK, [1, 1, 0, 0]), (64, FORMERR, [0; 4])] {
        let question = question(&"x".repeat(len), TYPE_A, CLASS_IN);
        check(&query([1, 0, 0, 0], &[&question]), Names::Every, flags, counts);
    }
}

#[test]
fn other_classes_and_operations_are_declined() {
    let chaos = question("blynk.setup", TYPE_A, 3);
    check(&query([1, 0, 0, 0], &[&chaos]), Names::Every, REFUSED, [1, 0, 0, 0]);
    let mut update = query([1, 0, 0, 0], &[&question("blynk.setup", TYPE_A, CLASS_IN)]);
    update[2] = 0x28;
    check(&update, Names::Every, 0xA884, [0, 0, 0, 0]);
}

#[test]
fn responses_scraps_and_small_buffers_get_no_answer() {
    let good = query([1, 0, 0, 0], &[&question("blynk.setup", TYPE_A, CLASS_IN)]);
    let mut response = good.clone();
    response[2] |= 0x80;
    assert_eq!(reply_to(&response, Names::Every), None);
    assert_eq!(reply_to(&good[..11], Names::Every), None);
    assert_eq!(answer(&good, Names::Every, &mut [0; 40]), None);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..80),
        has_header in any::<bool>(),
    ) {
        if has_header {
            bytes.splice(0..0, query([1, 0, 0, 1], &[]));
        }
        if let Some(reply) = reply_to(&bytes, Names::Every) {
            prop_assert_eq!(&reply[..2], &bytes[..2]);
            prop_assert!(reply[2] & 0x80 != 0);
            prop_assert_eq!(reply_to(&reply, Names::Every), None);
        }
    }
}
