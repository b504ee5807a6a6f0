//! A product with a captive portal, and one without.

use firmware_core::portal::PORTAL_URI;
use smoltcp::wire::{EthernetAddress, Ipv4Address};

use crate::dns::{exchange, query};
use crate::support::Bench;
use crate::support::wire::{self, Addresses, Dhcp, DhcpReply};

/// What each system asks to find out whether it is online (failure catalogue, section 5).
const PROBES: [(&str, &str); 8] = [
    ("connectivitycheck.gstatic.com", "/generate_204"),
    ("clients3.google.com", "/generate_204"),
    ("captive.apple.com", "/hotspot-detect.html"),
    ("www.msftconnecttest.com", "/connecttest.txt"),
    ("www.msftconnecttest.com", "/redirect"),
    ("go.microsoft.com", "/fwlink/?LinkID=219472"),
    ("detectportal.firefox.com", "/canonical.html"),
    ("nmcheck.gnome.org", "/check_network_status.txt"),
];

fn probe(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\nUser-Agent: probe\r\n\r\n")
}

#[test]
fn every_probe_is_led_to_the_page() {
    let mut bench = Bench::new(true);
    let phone = bench.add_station(2);
    for (host, path) in PROBES {
        let reply = exchange(&mut bench, phone, &query(host, 1)).expect("an answer");
        assert!(reply.ends_with(&[192, 168, 4, 1]), "{host}: {reply:?}");
        let reply = bench.request(phone, probe(host, path).as_bytes());
        assert_eq!(reply.assert(302).header("location"), Some(PORTAL_URI), "{path}");
        // A proxy's form of the same request.
        let absolute = format!("GET http://{host}{path} HTTP/1.0\r\nConnection: close\r\n\r\n");
        bench.request(phone, absolute.as_bytes()).assert(302);
    }
    assert!(bench.get(phone, "/").assert(200).text().contains("<form"));
    bench.get(phone, "/board_info.json").assert(200);
    bench.get(phone, "/update").assert(404);
}

#[test]
fn windows_gets_no_address_of_the_wrong_kind() {
    let mut bench = Bench::new(true);
    let phone = bench.add_station(2);
    let reply = exchange(&mut bench, phone, &query("www.msftconnecttest.com", 28)).expect("an answer");
    assert_eq!((reply[3] & 15, reply[7]), (0, 0), "an answer without records");
}

#[test]
fn dhcp_tells_where_the_portal_is() {
    let mut bench = Bench::new(true);
    let mac = EthernetAddress([2, 0xD0, 0, 0, 0, 1]);
    for kind in [Dhcp::DISCOVER, Dhcp::REQUEST] {
        let message = Dhcp {
            kind,
            mac,
            transaction: 1,
            client_ip: Ipv4Address::UNSPECIFIED,
            // Android asks for 114 among others.
            options: &[(50, &[192, 168, 4, 2]), (55, &[1, 3, 6, 51, 114])],
        };
        bench.inject(wire::udp(Addresses::broadcast(mac), 68, 67, &message.bytes()));
    }
    bench.run_for(firmware_core::Duration::from_millis(50));
    let replies = wire::datagrams_from(&bench.sent, 67);
    assert_eq!(replies.len(), 2);
    for (_, _, bytes) in replies {
        assert_eq!(DhcpReply::parse(&bytes).option(114), Some(PORTAL_URI.as_bytes()));
    }
}

#[test]
fn without_a_captive_portal_probes_fail_in_name_and_in_path() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    for (host, path) in PROBES {
        let reply = exchange(&mut bench, phone, &query(host, 1)).expect("an answer");
        assert_eq!(reply[3] & 15, 2, "{host}: server failure");
        bench.request(phone, probe(host, path).as_bytes()).assert(404);
    }
}
