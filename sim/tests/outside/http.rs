//! The HTTP server on the access point, as several clients at once see it.

use firmware_core::Duration;
use firmware_core::portal::AP_IP;
use firmware_core::portal::http::{REQUEST_LEN_MAX, REQUEST_TIMEOUT};
use firmware_core::trace::Event;
use smoltcp::wire::{EthernetAddress, Ipv4Address, TcpControl};

use crate::support::Bench;
use crate::support::station::Reply;
use crate::support::wire::{self, Addresses};

const BOARD_INFO: &[u8] = b"GET /board_info.json HTTP/1.1\r\nHost: blynk.setup\r\n\r\n";

/// Sends bytes on a connection of their own and checks the status of the answer.
#[track_caller]
fn check(bytes: &[u8], status: u16) -> Reply {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let reply = bench.request(phone, bytes);
    reply.assert(status);
    reply
}

#[test]
fn four_clients_with_interleaved_bytes_each_get_their_own_answer() {
    let mut bench = Bench::new(false);
    let phones = [2, 3, 4, 5].map(|number| bench.add_station(number));
    let paths = ["/board_info.json", "/", "/nothing/here", "/config?ssid="];
    let conns = phones.map(|phone| bench.open(phone));
    let requests = paths.map(|path| format!("GET {path} HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n"));
    let longest = requests.iter().map(String::len).max().unwrap();
    for at in 0..longest {
        for (conn, request) in conns.iter().zip(&requests) {
            if let Some(byte) = request.as_bytes().get(at) {
                bench.conn(*conn).write(&[*byte]);
            }
        }
        bench.run_for(Duration::from_millis(3));
    }
    let replies = conns.map(|conn| bench.reply(conn));
    assert_eq!(replies[0].assert(200).json()["tmpl_id"], "TMPL4outside1");
    assert!(replies[1].assert(200).text().contains("<form"));
    assert_eq!(replies[2].assert(404).text(), "Not found: /nothing/here");
    assert_eq!(replies[3].assert(500).json()["msg"], "Configuration invalid");
}

#[test]
fn a_fifth_and_a_sixth_are_served_while_four_idle_connections_are_open() {
    let mut bench = Bench::new(false);
    let browser = bench.add_station(2);
    let app = bench.add_station(3);
    let idle = [0; 4].map(|_| bench.open(browser));
    bench.run_for(Duration::from_millis(50));
    assert!(idle.iter().all(|conn| bench.conn(*conn).is_open()));
    bench.get(app, "/board_info.json").assert(200);
    bench.get(app, "/board_info.json").assert(200);
    // The oldest had to make room for whoever comes next; the others are told when their time is up.
    for conn in &idle[1..] {
        assert!(!bench.conn(*conn).is_over());
    }
    for conn in &idle[1..] {
        bench.reply(*conn).assert(408);
    }
}

#[test]
fn any_number_of_idle_connections_keeps_nobody_out() {
    let mut bench = Bench::new(false);
    let browser = bench.add_station(2);
    let app = bench.add_station(3);
    for _ in 0..30 {
        bench.open(browser);
        bench.run_for(Duration::from_millis(20));
    }
    bench.get(app, "/board_info.json").assert(200);
}

#[test]
fn a_client_too_many_is_refused_at_once_and_served_when_there_is_room() {
    let mut bench = Bench::new(false);
    let browser = bench.add_station(2);
    let slow = [0; 5].map(|_| bench.send(browser, b"GET /"));
    bench.run_for(Duration::from_millis(50));
    let before = bench.now();
    let refused = bench.send(browser, BOARD_INFO);
    assert!(bench.reply(refused).reset);
    assert!(bench.now() - before < Duration::from_millis(50), "it must not be left waiting");
    assert!(slow.iter().all(|conn| !bench.conn(*conn).is_over()));
    bench.run_for(REQUEST_TIMEOUT);
    bench.get(browser, "/board_info.json").assert(200);
}

#[test]
fn fifty_requests_in_a_row_need_no_pause_between_them() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    bench.get(phone, "/board_info.json").assert(200);
    let start = bench.now();
    for _ in 0..50 {
        bench.get(phone, "/board_info.json").assert(200);
    }
    // Six millisecond hops a request; a closed connection that is kept for 10 s would show.
    assert!(bench.now() - start < Duration::from_secs(1), "{}", bench.now() - start);
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let got = bench.get(phone, "/");
    let head = bench.request(phone, b"HEAD / HTTP/1.1\r\n\r\n");
    assert_eq!((head.head, head.body, head.reset), (got.head, Vec::new(), false));
}

#[test]
fn of_two_pipelined_requests_the_first_is_answered_and_the_connection_closes() {
    let both = [BOARD_INFO, b"GET / HTTP/1.1\r\n\r\n"].concat();
    assert!(check(&both, 200).text().contains("tmpl_id"));
}

#[test]
fn a_request_that_comes_byte_by_byte_is_answered() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let conn = bench.send(phone, BOARD_INFO);
    bench.conn(conn).pace = Some(Duration::from_millis(20));
    bench.reply(conn).assert(200);
}

#[test]
fn a_client_that_closes_its_direction_first_still_gets_its_answer() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let conn = bench.send(phone, BOARD_INFO);
    bench.conn(conn).closes = true;
    bench.reply(conn).assert(200);
}

#[test]
fn a_sender_that_is_too_slow_gets_408_after_ten_seconds() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let start = bench.now();
    let conn = bench.send(phone, BOARD_INFO);
    bench.conn(conn).pace = Some(Duration::from_secs(1));
    bench.reply(conn).assert(408);
    let took = bench.now() - start;
    assert!(took >= REQUEST_TIMEOUT && took < REQUEST_TIMEOUT + Duration::from_secs(1), "{took}");
    assert!(bench.has_told(&Event::Request { route: None, status: 408 }));
}

#[test]
fn half_a_request_and_a_goodbye_frees_the_place_at_once() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    for _ in 0..10 {
        let conn = bench.send(phone, b"GET /board_in");
        bench.conn(conn).closes = true;
        bench.run_for(Duration::from_millis(20));
    }
    bench.get(phone, "/board_info.json").assert(200);
}

#[test]
fn connections_that_are_never_completed_are_given_up() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    // Somebody asks for connections in the name of addresses where nobody is.
    for number in 100..140_u8 {
        let from = Addresses::to_device(
            EthernetAddress([2, 0, 0, 0, 1, number]),
            Ipv4Address::new(192, 168, 4, number),
        );
        bench.inject(wire::tcp(from, (40_000, 80), TcpControl::Syn, 1, None, b""));
    }
    bench.run_for(Duration::from_secs(15));
    bench.get(phone, "/board_info.json").assert(200);
}

#[test]
fn phones_that_vanish_in_the_middle_of_an_answer_are_given_up() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    for _ in 0..5 {
        let conn = bench.send(phone, b"GET / HTTP/1.1\r\n\r\n");
        bench.run_until(Duration::from_secs(1), |bench| bench.conn(conn).is_open());
        bench.run_for(Duration::from_millis(1));
    }
    let gone = bench.station(phone);
    gone.mac = EthernetAddress([2, 0, 0, 0, 0, 99]);
    bench.run_for(Duration::from_secs(60));
    let other = bench.add_station(3);
    bench.get(other, "/board_info.json").assert(200);
}

#[test]
fn a_reset_in_the_middle_of_an_answer_frees_the_place() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    for _ in 0..10 {
        let conn = bench.send(phone, b"GET / HTTP/1.1\r\n\r\n");
        bench.conn(conn).reads = false;
        bench.run_until(Duration::from_secs(1), |bench| bench.conn(conn).is_open());
        bench.run_for(Duration::from_millis(3));
        let (_, index) = conn;
        bench.station(phone).abort(index);
        bench.run_for(Duration::from_millis(5));
    }
    bench.get(phone, "/board_info.json").assert(200);
}

#[test]
fn requests_that_do_not_fit_are_refused_by_name() {
    let long = "x".repeat(REQUEST_LEN_MAX);
    check(format!("GET / HTTP/1.1\r\nCookie: {long}\r\n\r\n").as_bytes(), 431);
    check(format!("GET /{long} HTTP/1.1\r\n\r\n").as_bytes(), 414);
    check(format!("POST /config HTTP/1.1\r\nContent-Length: 4096\r\n\r\n{long}{long}").as_bytes(), 413);
    check(b"POST /config HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411);
}

#[test]
fn a_body_without_end_does_not_hold_its_place() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let endless =
        [0; 5].map(|_| bench.send(phone, b"POST /config HTTP/1.1\r\nContent-Length: 999999\r\n\r\n"));
    for conn in endless {
        bench.conn(conn).write(&vec![b'x'; 500_000]);
    }
    for conn in endless {
        bench.reply(conn).assert(413);
    }
    // What is on its way still is taken, so that the goodbye behind it arrives.
    bench.run_for(Duration::from_secs(3));
    let five = [0; 5].map(|_| bench.send(phone, BOARD_INFO));
    for conn in five {
        bench.reply(conn).assert(200);
    }
}

#[test]
fn what_is_not_http_is_refused_at_once() {
    check(b"\x00\x01\x02\x03\x04\r\n\r\n", 400);
    check(b"GET /board_info.json\r\n\r\n", 400);
    check(b"GET / HTTP/2.0\r\n\r\n", 505);
    // The first bytes of a TLS hello; its sender waits for an answer before it sends more.
    check(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400);
}

#[test]
fn probes_of_the_tls_port_are_refused_instead_of_hanging() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let before = bench.now();
    let conn = bench.open_to(phone, AP_IP, 443);
    assert!(bench.reply(conn).reset);
    assert!(bench.now() - before < Duration::from_millis(50));
}

#[test]
fn a_reader_with_a_small_window_gets_the_whole_page() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let conn = (phone, bench.station(phone).connect_with_window(AP_IP, 80, 64));
    bench.conn(conn).write(b"GET / HTTP/1.1\r\n\r\n");
    let page = bench.reply(conn);
    page.assert(200);
    assert!(page.text().trim_end().ends_with("</html>"));
}

#[test]
fn a_reader_that_never_reads_is_dropped_in_bounded_time() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let stuck = [0; 5].map(|_| {
        let conn = (phone, bench.station(phone).connect_with_window(AP_IP, 80, 64));
        bench.conn(conn).write(b"GET / HTTP/1.1\r\n\r\n");
        bench.conn(conn).reads = false;
        conn
    });
    bench.run_for(Duration::from_secs(45));
    assert!(stuck.iter().all(|conn| bench.conn(*conn).was_reset()), "nobody reads for ever");
    bench.get(phone, "/board_info.json").assert(200);
}

#[test]
fn a_sender_that_waits_for_permission_gets_it_once() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let head = b"POST /config HTTP/1.1\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n";
    let conn = bench.send(phone, head);
    assert!(bench.run_until(Duration::from_secs(1), |bench| !bench.conn(conn).received.is_empty()));
    assert_eq!(bench.conn(conn).text(), "HTTP/1.1 100 Continue\r\n\r\n");
    bench.conn(conn).received.clear();
    bench.conn(conn).write(b"ssid=x");
    bench.reply(conn).assert(500);
}

#[test]
fn a_request_to_restart_is_carried_out_and_not_answered() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let reply = bench.get(phone, "/reboot");
    assert_eq!((reply.status, reply.reset), (0, true));
    bench.run_for(Duration::from_secs(1));
    assert_eq!(bench.boots(), 2);
    bench.get(phone, "/board_info.json").assert(200);
}
