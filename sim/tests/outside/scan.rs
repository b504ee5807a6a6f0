//! `/wifi_scan.json`: one scan for everybody, and names of any bytes.

use firmware_core::Duration;
use firmware_core::hal::RadioCommand;
use firmware_core::portal::routes::Route;
use firmware_core::trace::Event;

use crate::support::{Bench, network};

const SCAN: &[u8] = b"GET /wifi_scan.json HTTP/1.1\r\n\r\n";

fn scans(bench: &Bench) -> usize {
    bench.commands.iter().filter(|command| matches!(command, RadioCommand::Scan { .. })).count()
}

/// The list that a phone gets when these networks are heard, as (name, RSSI).
#[track_caller]
fn check(names: &[&[u8]], expected: &[&str]) {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    bench.networks = (1..).zip(names).map(|(number, name)| network(name, number, -50)).collect();
    let list = bench.get(phone, "/wifi_scan.json").assert(200).json();
    let listed: Vec<&str> =
        list.as_array().unwrap().iter().map(|network| network["ssid"].as_str().unwrap()).collect();
    assert_eq!(listed, expected);
}

#[test]
fn three_clients_at_once_cause_one_scan_and_get_the_same_list() {
    let mut bench = Bench::new(false);
    bench.networks = (0..20).map(|number| network(b"HomeNet", number, -40)).collect();
    let phones = [2, 3, 4].map(|number| bench.add_station(number));
    let conns = phones.map(|phone| bench.send(phone, SCAN));
    let replies = conns.map(|conn| bench.reply(conn));
    assert_eq!(scans(&bench), 1);
    assert!(replies.iter().all(|reply| reply == &replies[0]));
    assert_eq!(replies[0].assert(200).json().as_array().unwrap().len(), 15);
    // A page that is refreshed gets the same list without another scan, which would make the device deaf.
    assert_eq!(bench.get(phones[0], "/wifi_scan.json"), replies[0]);
    assert_eq!(scans(&bench), 1);
    bench.run_for(Duration::from_secs(11));
    bench.get(phones[0], "/wifi_scan.json").assert(200);
    assert_eq!(scans(&bench), 2);
}

#[test]
fn names_of_any_bytes_are_valid_json() {
    check(&[br#"Bob's "5G" \ net"#], &[r#"Bob's "5G" \ net"#]);
    check(&["Müller 家 🏠".as_bytes()], &["Müller 家 🏠"]);
    check(&[b"caf\xe9"], &["caf\u{FFFD}"]);
    check(&[b"\x00\x01\n\x7f</script>"], &["\u{0}\u{1}\n\u{7f}</script>"]);
    // 32 bytes, cut in the middle of a character.
    check(
        &["0123456789012345678901234567890é".as_bytes().get(..32).unwrap()],
        &["0123456789012345678901234567890\u{FFFD}"],
    );
    check(&[b"", b"visible"], &["", "visible"]);
    check(&[], &[]);
}

#[test]
fn an_empty_list_is_two_brackets() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    assert_eq!(bench.get(phone, "/wifi_scan.json").assert(200).text(), "[]");
}

#[test]
fn of_forty_networks_the_fifteen_strongest_are_listed() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    // In no order: 3 is coprime to 40.
    bench.networks = (0..40_i8).map(|n| network(b"Crowd", n.unsigned_abs(), -40 - (n * 3 % 40))).collect();
    let list = bench.get(phone, "/wifi_scan.json").assert(200).json();
    let strengths: Vec<i64> =
        list.as_array().unwrap().iter().map(|network| network["rssi"].as_i64().unwrap()).collect();
    assert_eq!(strengths, (0..15).map(|n| -40 - n).collect::<Vec<i64>>());
}

#[test]
fn a_scan_from_the_console_does_not_corrupt_a_list_on_its_way() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    // Names that need six bytes each in JSON: the list is longer than a socket's buffer.
    bench.networks = (0..15).map(|number| network(&[1; 32], number, -50)).collect();
    let conn = (phone, bench.station(phone).connect_with_window(firmware_core::portal::AP_IP, 80, 128));
    bench.conn(conn).write(SCAN);
    assert!(bench.run_until(Duration::from_secs(5), |bench| bench.conn(conn).received.len() > 128));
    bench.networks.clear();
    bench.type_line("wifi scan");
    let list = bench.reply(conn);
    assert_eq!(list.assert(200).json().as_array().unwrap().len(), 15);
}

#[test]
fn a_phone_that_asks_again_and_again_keeps_nobody_from_the_list() {
    let mut bench = Bench::new(false);
    let impatient = bench.add_station(2);
    let patient = bench.add_station(3);
    for _ in 0..8 {
        let conn = bench.send(impatient, SCAN);
        bench.run_for(Duration::from_millis(20));
        bench.station(impatient).abort(conn.1);
        bench.run_for(Duration::from_millis(20));
    }
    let last = bench.send(impatient, SCAN);
    bench.run_for(Duration::from_millis(20));
    let conn = bench.send(patient, SCAN);
    bench.reply(conn).assert(200);
    bench.reply(last).assert(200);
    assert_eq!(scans(&bench), 1);
    let answered = Event::Request { route: Some(Route::WifiScan), status: 200 };
    assert_eq!(bench.count_told(|event| *event == answered), 2, "who has gone is not answered");
}

#[test]
fn a_radio_that_never_ends_its_scan_costs_twenty_seconds() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let conn = bench.send(phone, SCAN);
    bench.run_until(Duration::from_secs(1), |bench| scans(bench) == 1);
    bench.silence_radio();
    let start = bench.now();
    assert_eq!(bench.reply(conn).assert(200).text(), "[]");
    assert!(bench.now() - start < Duration::from_secs(21));
}
