//! What leaves the device: ids, pace, order, and a queue that is full.

use std::vec::Vec;

use super::*;
use crate::cloud::outgoing::{COMMAND_SPACING, LOGIN_RESERVE};

fn ssid(name: &[u8]) -> Ssid {
    Ssid::new(name).unwrap()
}

#[test]
fn what_is_sent_while_a_message_is_handled_has_its_id_and_uses_up_none() {
    let mut bench = Bench::online(40);
    bench.app.on_write = Some(|out| {
        out.virtual_write(9, &[&"from-handler"]).unwrap();
        out.event("e", "d").unwrap();
    });
    bench.receive_message(Command::Hardware, 102, b"vw\x001\x001");
    bench.run_until(1_000);
    bench.session.outgoing(bench.now).virtual_write(5, &[&123]).unwrap();
    bench.settle();
    bench.check_sent(&[
        (132, "Hardware 102 vw|9|from-handler"),
        (132, "EventLog 102 e|d"),
        (1_000, "Hardware 3 vw|5|123"),
    ]);
}

#[test]
fn messages_of_every_kind_have_the_golden_bodies() {
    let mut bench = Bench::online(3_600);
    let now = bench.now;
    let mut out = bench.session.outgoing(now);
    assert!(out.is_connected());
    out.virtual_write(6, &[&"a", &2, &"3.5"]).unwrap();
    out.virtual_write(6, &[&""]).unwrap();
    out.sync_all().unwrap();
    out.sync(&[1, 2, 3]).unwrap();
    out.event("evt", "").unwrap();
    out.event("evt", "descr").unwrap();
    out.resolve_event("evt").unwrap();
    out.resolve_all_events("evt").unwrap();
    out.property(1, "label", &"Hello").unwrap();
    out.internal(&[&"rtc", &"sync"]).unwrap();
    bench.session.send_hotspot_name(now, &ssid(b"Blynk Probe-AB12")).unwrap();
    bench.run_until(5_000);
    let sent: Vec<_> = bench.sent.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        sent,
        [
            "Hardware 3 vw|6|a|2|3.5",
            "Hardware 4 vw|6|",
            "HardwareSync 5",
            "HardwareSync 6 vr|1|2|3",
            "EventLog 7 evt",
            "EventLog 8 evt|descr",
            "EventClear 9 evt",
            "EventClear 10 evt|all",
            "Property 11 1|label|Hello",
            "Internal 12 rtc|sync",
            "Internal 13 meta|set|Hotspot Name|Blynk Probe-AB12",
        ]
    );
}

#[test]
fn a_hotspot_name_whose_cut_split_a_character_is_told_all_the_same() {
    let mut bench = Bench::online(40);
    bench.session.send_hotspot_name(bench.now, &ssid(b"Blynk caf\xC3-AB12")).unwrap();
    bench.run_until(200);
    bench.check_sent(&[(132, "Internal 3 meta|set|Hotspot Name|Blynk caf\u{FFFD}-AB12")]);
}

#[test]
fn the_hotspot_name_goes_before_everything_the_application_says() {
    let mut bench = Bench::start(40);
    bench.app.on_connected = Some(|out| out.sync_all().unwrap());
    bench.sent.clear();
    bench.session.handle_received(bench.now, &[0, 0, 1, 0, 200]);
    let event = bench.session.poll(bench.now, &mut bench.app);
    assert!(matches!(event, Some(SessionEvent::LoggedIn { .. })));
    assert!(!bench.session.outgoing(bench.now).is_connected());
    bench.session.send_hotspot_name(bench.now, &ssid(b"Blynk Lamp-AB12")).unwrap();
    bench.settle();
    bench.run_until(300);
    let sent: Vec<_> = bench.sent.iter().map(|(at, text)| (*at, text.split('|').next().unwrap())).collect();
    assert_eq!(sent, [(66, "Internal 2 mcu"), (132, "Internal 3 meta"), (198, "HardwareSync 4")]);
}

#[test]
fn commands_are_spaced_by_66_ms_and_pings_and_answers_are_not_held_up() {
    let mut bench = Bench::online(10);
    bench.run_until(9_950);
    for value in 0..4 {
        bench.session.outgoing(bench.now).virtual_write(1, &[&value]).unwrap();
    }
    bench.settle();
    bench.run_until(9_960);
    bench.receive_message(Command::Ping, 500, b"");
    bench.run_until(10_300);
    bench.check_sent(&[
        (9_950, "Hardware 3 vw|1|0"),
        (9_960, "Response 500 200"),
        (10_016, "Hardware 4 vw|1|1"),
        (10_082, "Hardware 5 vw|1|2"),
        (10_148, "Hardware 6 vw|1|3"),
    ]);
    assert_eq!(COMMAND_SPACING.total_millis(), 66);
}

#[test]
fn a_peer_that_never_stops_talking_does_not_hold_commands_back() {
    let mut bench = Bench::online(40);
    bench.run_until(1_000);
    bench.receive_message(Command::Hardware, 9, b"vw\x001\x001");
    bench.session.outgoing(bench.now).virtual_write(1, &[&1]).unwrap();
    bench.settle();
    for ms in (1_010..1_100).step_by(10) {
        bench.run_until(ms);
        bench.receive_message(Command::Hardware, 9, b"vw\x001\x001");
    }
    bench.check_sent(&[(1_066, "Hardware 3 vw|1|1")]);
}

#[test]
fn ids_run_from_1_to_65535_and_around_without_0() {
    let mut bench = Bench::online(3_600);
    let mut ids = Vec::new();
    for _ in 0..65_536 {
        bench.session.outgoing(bench.now).event("e", "").unwrap();
        let mut out = [0; 16];
        assert_eq!(bench.session.transmit(&mut out), 6);
        ids.push(u16::from_be_bytes([out[1], out[2]]));
    }
    assert_eq!(ids[..2], [3, 4]);
    assert_eq!(ids[65_532..], [65_535, 1, 2, 3]);
}

#[test]
fn a_full_queue_is_an_error_and_loses_nothing() {
    let mut bench = Bench::online(40);
    bench.is_pipe_stuck = true;
    let now = bench.now;
    let mut out = bench.session.outgoing(now);
    let mut accepted = 0;
    let error = loop {
        match out.virtual_write(1, &[&accepted]) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, SendError::Full);
    assert_eq!(out.virtual_write(1, &[&"x".repeat(1_025)]), Err(SendError::TooLong));
    assert_eq!(out.virtual_write(1, &[&"a\0b"]), Err(SendError::Value));
    assert_eq!(out.event("e", &"ä".repeat(300)), Err(SendError::Full));
    assert_eq!(out.event("e", &"ä".repeat(301)), Err(SendError::TooLong));
    bench.is_pipe_stuck = false;
    bench.run_until(30_000);
    let values: Vec<_> = bench.sent.iter().map(|(_, text)| text.clone()).collect();
    let expected: Vec<_> = (0..accepted).map(|n| format!("Hardware {} vw|1|{n}", n + 3)).collect();
    assert_eq!(values, expected);
    assert!(accepted > 100, "{accepted}");
}

#[test]
fn the_largest_message_fits_an_empty_queue() {
    let mut bench = Bench::online(40);
    let value = "x".repeat(BODY_LEN_MAX - "vw|1|".len());
    bench.session.outgoing(bench.now).virtual_write(1, &[&value]).unwrap();
    bench.run_until(500);
    assert_eq!(bench.sent[0].1.len(), "Hardware 3 ".len() + BODY_LEN_MAX);
}

#[test]
fn nothing_can_be_sent_unless_logged_in() {
    let mut bench = Bench::start(40);
    assert_eq!(bench.session.outgoing(bench.now).sync_all(), Err(SendError::NotConnected));
    assert_eq!(bench.session.send_hotspot_name(bench.now, &ssid(b"x")), Err(SendError::NotConnected));
    let mut bench = Bench::online(40);
    bench.session.outgoing(bench.now).sync_all().unwrap();
    bench.session.close(bench.now, &mut bench.app);
    assert_eq!(bench.session.outgoing(bench.now).sync_all(), Err(SendError::NotConnected));
    bench.run_until(1_000);
    bench.check_sent(&[]);
    assert_eq!(bench.heard(), ["disconnected"]);
    assert_eq!(bench.session.handle_received(bench.now, b"what is late is forgotten"), 25);
}

#[test]
fn a_pipe_that_takes_nothing_stops_the_peer_and_ends_in_a_dead_link() {
    let mut bench = Bench::online(40);
    bench.is_pipe_stuck = true;
    let pings: Vec<u8> = (0..1_000).flat_map(|_| [6, 0, 9, 0, 0]).collect();
    bench.receive(&pings);
    assert_eq!(bench.session.wanted(), 0, "a message waits for room to answer it");
    bench.run_until(120_000);
    let lost = SessionEvent::Lost(LostReason::HeartbeatTimeout);
    bench.check_events(&[(58_066, lost)]);
}

#[test]
fn a_server_that_pings_before_it_accepts_leaves_room_for_the_info_frame() {
    let mut bench = Bench::start(40);
    bench.sent.clear();
    bench.is_pipe_stuck = true;
    let pings = (0..380).flat_map(|_| [6, 0, 9, 0, 0]);
    let bytes: Vec<u8> = pings.chain([0, 0, 1, 0, 200]).collect();
    let left = bench.receive(&bytes);
    bench.is_pipe_stuck = false;
    bench.settle();
    bench.settle();
    bench.receive(&bytes[bytes.len() - left..]);
    bench.run_until(100);
    assert!(matches!(bench.events[..], [(0, SessionEvent::LoggedIn { .. })]), "{:?}", bench.events);
    let sent: Vec<_> = bench.sent.iter().map(|(_, text)| text.split('|').next().unwrap()).collect();
    assert_eq!(sent[..380], ["Response 9 200"; 380]);
    assert_eq!(sent[380..], ["Internal 2 mcu"]);
}

#[test]
fn the_longest_info_frame_and_name_fit_what_is_kept_for_them() {
    let field = "a field of an identity may have 64 bytes, which is more than any";
    let identity = Identity {
        template_id: "TMPL0123456789012345678901234567",
        firmware_version: "12.34.56-beta1",
        firmware_type: field,
        build: field,
        board: field,
        ..SAMPLE
    };
    let mut session = Session::new(sample(identity), Heartbeat::from_secs(3_600).unwrap());
    let mut app = Recorder::default();
    let mut out = [0; 1_024];
    session.start(Instant::ZERO, &Token::new(TOKEN).unwrap());
    session.transmit(&mut out);
    session.handle_received(Instant::ZERO, &[0, 0, 1, 0, 200]);
    assert!(matches!(session.poll(Instant::ZERO, &mut app), Some(SessionEvent::LoggedIn { .. })));
    session.send_hotspot_name(Instant::ZERO, &ssid(&[b'x'; 32])).unwrap();
    session.poll(Instant::from_secs(1), &mut app);
    session.poll(Instant::from_secs(2), &mut app);
    assert_eq!(session.transmit(&mut out), 311 + 59);
    const { assert!(311 + 59 <= LOGIN_RESERVE) };
}

#[test]
fn a_peer_that_talks_but_never_reads_is_left_in_the_end() {
    let mut bench = Bench::online(10);
    bench.is_pipe_stuck = true;
    while bench.session.outgoing(bench.now).virtual_write(1, &[&1]).is_ok() {}
    for second in 1..1_000 {
        bench.run_until(second * 1_000);
        if second % 9 == 0 {
            bench.receive(&[0, 0, 7, 0, 200]);
        }
    }
    assert!(
        matches!(bench.events[..], [(_, SessionEvent::Lost(LostReason::HeartbeatTimeout))]),
        "{:?}",
        bench.events
    );
}
