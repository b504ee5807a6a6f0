//! The serial console, and everything that must not appear on it.

use firmware_core::hal::RadioEvent;
use firmware_core::trace::State;

use super::bench::{Air, Bench, PASSPHRASE, PHONE, TOKEN, config_request, get, home_network};

const CONNECT_OK: &str = r#"{"status":"OK","msg":"trying to connect..."}"#;

fn connect_line() -> String {
    format!("connect {TOKEN} HomeNet correct\\x20horse")
}

#[test]
fn every_command_has_its_answer() {
    let mut bench = Bench::at_portal();
    for (line, expected) in [
        ("", ">"),
        ("nonsense", "Command not found.\r\n>"),
        ("help", "Available commands: "),
        ("devinfo", r#"{"name":"Blynk Test-R40J","board":"Test","tmpl_id":"TMPLtest0001","#),
        ("wifi", "mac:24:0A:C4:00:01:10 ip:0.0.0.0\r\n>"),
        ("firmware", " Version:   0.1.0 (build Nov 22 2026 10:40:56)"),
        ("firmware rollback", r#"{"status":"error"}"#),
        ("status", " State:     WAIT_CONFIG\r\n>"),
        ("connect", r#"{"status":"error","msg":"invalid arguments. expected: <auth> <ssid> <pass>"}"#),
        ("connect short HomeNet", r#"{"status":"error","msg":"invalid token size"}"#),
        ("reboot", r#"{"status":"OK","msg":"rebooting wifi module"}"#),
    ] {
        let printed = bench.type_line(line);
        assert!(printed.contains(expected), "`{line}` printed {printed:?}");
    }
    assert_eq!(bench.rebooted_at, None, "the answer gets out first");
    bench.run_ms(100);
    assert!(bench.rebooted_at.is_some());
}

#[test]
fn a_line_of_the_greatest_length_and_a_longer_one_are_echoed_within_one_turn() {
    let mut bench = Bench::at_portal();
    let line = "x".repeat(255);
    assert!(bench.type_line(&line).contains(&line));
    for _ in 0..3 {
        assert_eq!(bench.platform.queues().push_console(line.as_bytes()), line.len());
        bench.settle();
    }
    assert!(bench.type_line("").contains("Line too long."));
}

/// Devices in the states they can be in for longer than a moment.
fn devices() -> Vec<Bench> {
    let configuring = || {
        let mut bench = Bench::at_portal();
        bench.get("/board_info.json");
        bench
    };
    let stuck = |air| Bench::new(8_080).with_valid().with_air(air).booted();
    let mut logging_in = Bench::new(8_080).with_valid();
    logging_in.cloud.login_answer = None;
    logging_in.boot();
    logging_in.run_ms(100);
    let mut failed = stuck(Air::Empty);
    failed.run_until(State::Error, 12 * 3_600_000);
    let devices =
        vec![Bench::at_portal(), configuring(), stuck(Air::Silent), logging_in, Bench::online(), failed];
    let states = devices.iter().map(Bench::state).collect::<Vec<_>>();
    let expected = [
        State::WaitConfig,
        State::Configuring,
        State::ConnectingNet,
        State::ConnectingCloud,
        State::Running,
        State::Error,
    ];
    assert_eq!(states, expected);
    devices
}

#[test]
fn connect_is_stored_answered_and_tried_after_a_second_in_every_state() {
    for mut bench in devices() {
        let state = bench.state();
        bench.effects.clear();
        let printed = bench.type_line(&connect_line());
        assert!(printed.contains(CONNECT_OK), "in {state}: {printed}");
        assert!(bench.effects.contains(&"Stored(Trial)".to_string()), "in {state}");
        assert_eq!(bench.state(), State::SwitchToSta, "after {state}");
        let told_at = bench.now;
        bench.run_ms(2_000);
        assert_eq!(bench.rebooted_at.map(|at| (at - told_at).total_millis()), Some(1_000), "after {state}");
    }
}

#[test]
fn connect_tells_when_flash_fails_and_nothing_changes() {
    let mut bench = Bench::online();
    bench.platform.flash_mut().state_mut().stuck_sector = Some(1);
    let printed = bench.type_line(&connect_line());
    assert!(printed.contains(r#"{"status":"error","msg":"configuration not stored"}"#), "{printed}");
    assert!(!printed.contains(CONNECT_OK));
    bench.run_ms(5_000);
    assert_eq!((bench.rebooted_at, bench.state()), (None, State::Running));
}

#[test]
fn a_second_connect_within_the_second_is_told_that_it_comes_too_late() {
    let mut bench = Bench::at_portal();
    bench.type_line(&connect_line());
    assert!(bench.type_line(&connect_line()).contains(CONNECT_OK), "the same again hears the same");
    let other = bench.type_line(&format!("connect {TOKEN} OtherNet"));
    assert!(other.contains(r#"{"status":"error","msg":"already trying to connect"}"#), "{other}");
}

#[test]
fn config_opens_the_access_point_in_every_state_and_keeps_the_record() {
    for mut bench in devices() {
        let state = bench.state();
        bench.type_line("config");
        assert_eq!(bench.state(), State::WaitConfig, "after {state}");
        assert!(!bench.effects.contains(&"Erased".to_string()), "after {state}");
    }
}

#[test]
fn config_erase_erases_in_every_state() {
    for mut bench in devices() {
        let state = bench.state();
        bench.type_line("config erase");
        assert_eq!(bench.state(), State::WaitConfig, "after {state}");
        assert!(bench.effects.contains(&"Erased".to_string()), "after {state}");
    }
}

#[test]
fn wifi_shows_the_network_in_use_and_nothing_once_it_is_gone() {
    let mut bench = Bench::online();
    let shown = "mac:24:0A:C4:00:01:10 ip:192.168.1.50 (HomeNet [0A:00:00:00:00:09] -52dBm)\r\n";
    assert!(bench.type_line("wifi").contains(shown), "{}", bench.console);
    bench.air = Air::Silent;
    bench.radio(RadioEvent::Disconnected(200));
    assert!(bench.type_line("wifi show").contains("ip:0.0.0.0\r\n"), "{}", bench.console);
}

#[test]
fn wifi_scan_marks_the_network_in_use() {
    let mut bench = Bench::online();
    let printed = bench.type_line("wifi scan");
    assert!(printed.ends_with("* HomeNet [0a:00:00:00:00:09] WPA2 ch:6 rssi:-52\r\n>"), "{printed}");
    assert_eq!(bench.state(), State::Running);
}

#[test]
fn one_scan_serves_the_console_and_a_phone() {
    let mut bench = Bench::at_portal().with_air(Air::Silent);
    bench.effects.clear();
    bench.type_line("wifi scan");
    let client = bench.send(&get("/wifi_scan.json"));
    bench.type_line("wifi scan");
    bench.air = Air::Kind;
    bench.radio(RadioEvent::ScanDone(true));
    bench.run_ms(50);
    assert!(bench.console.contains("wifi scan\r\nwifi scan\r\n>["), "{}", bench.console);
    assert!(bench.reply(client).ends_with("[]"));
    assert_eq!(bench.effects.iter().filter(|effect| *effect == "ScanStarted").count(), 1);
}

#[test]
fn wifi_scan_does_not_end_a_join_that_is_under_way() {
    let mut bench = Bench::new(8_080).with_valid().with_air(Air::Silent).booted();
    bench.radio(RadioEvent::ScanResult(home_network()));
    bench.radio(RadioEvent::ScanDone(true));
    assert!(bench.effects.last().is_some_and(|effect| effect.starts_with("radio Join")));
    bench.effects.clear();
    bench.type_line("wifi scan");
    assert!(!bench.effects.iter().any(|effect| effect.contains("Scan")), "{:?}", bench.effects);
}

#[test]
fn a_scan_that_the_radio_drops_ends_with_the_prompt() {
    let mut bench = Bench::online();
    bench.air = Air::Silent;
    bench.type_line("wifi scan");
    bench.type_line("config");
    assert!(bench.console.ends_with("\r\n>[500] AP URL:  blynk.setup\r\n"), "{}", bench.console);
}

#[test]
fn the_cloud_types_on_the_console_too() {
    let mut bench = Bench::online();
    bench.cloud.send(&[(17, 9, b"dbg\0config erase")]);
    bench.run_ms(100);
    assert_eq!(bench.state(), State::WaitConfig);
    assert!(bench.effects.contains(&"Erased".to_string()));
}

#[test]
fn no_secret_is_ever_printed_or_traced() {
    let mut bench = Bench::at_portal();
    bench.get(&config_request());
    bench.run_ms(1_500);
    bench.boot();
    bench.run_until(State::Running, 5_000);
    bench.cloud.send(&[(17, 9, format!("dbg\0{}", connect_line()).as_bytes())]);
    bench.run_ms(1_500);
    bench.boot();
    for line in ["devinfo", "wifi", "wifi scan", "status", "firmware", "help", &connect_line()] {
        bench.type_line(line);
    }
    bench.run_ms(1_500);
    bench.boot();
    bench.radio(RadioEvent::StationJoined(PHONE));
    let escaped = PASSPHRASE.replace(' ', "\\x20");
    for secret in [TOKEN, PASSPHRASE, &escaped, "correct+horse", &TOKEN[..8], &TOKEN[24..]] {
        assert!(!bench.console.contains(secret), "the console shows `{secret}`");
        let told = bench.effects.iter().find(|effect| effect.contains(secret));
        assert_eq!(told, None, "`{secret}` is told");
    }
}
