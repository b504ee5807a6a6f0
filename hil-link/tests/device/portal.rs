//! Phones at the access point: many, slow, rude, and what flash does meanwhile.

use firmware_core::hal::RadioEvent;
use firmware_core::net::TCP_SOCKETS;
use firmware_core::trace::State;

use super::bench::{AP_IP, Air, Bench, PHONE, TOKEN, config_request, get};

const STORED: &str = r#"{"status":"ok","msg":"Trying to connect..."}"#;
const SAVED: &str = r#"{"status":"ok","msg":"Configuration saved"}"#;
const BUSY: &str = r#"{"status":"error","msg":"Already trying to connect"}"#;

/// Where in the order of effects this one is first.
#[track_caller]
fn position(bench: &Bench, effect: &str) -> usize {
    let found = bench.effects.iter().position(|found| found.contains(effect));
    found.unwrap_or_else(|| panic!("no `{effect}` in {:#?}", bench.effects))
}

#[test]
fn a_configuration_is_stored_before_the_phone_is_told_and_the_restart_follows_a_second_later() {
    let mut bench = Bench::at_portal();
    bench.get("/board_info.json");
    bench.effects.clear();
    let client = bench.send(&get(&config_request()));
    let told_at = bench.now;
    bench.run_ms(50);
    assert!(bench.reply(client).ends_with(STORED));
    let order =
        ["flash Program", "Stored(Trial)", "Request { route: Some(Config), status: 200 }", "reply HTTP"];
    let found = order.map(|effect| position(&bench, effect));
    assert!(found.is_sorted(), "{order:?} came as {found:?}");
    assert!(bench.effects.iter().rposition(|effect| effect.starts_with("flash")).unwrap() < found[1]);
    bench.run_ms(2_000);
    assert_eq!(bench.rebooted_at.map(|at| (at - told_at).total_millis()), Some(1_000));
}

#[test]
fn after_the_restart_the_trial_spends_an_attempt_before_the_radio_and_is_accepted_at_the_login() {
    let mut bench = Bench::at_portal();
    bench.get(&config_request());
    bench.run_ms(1_000);
    bench.effects.clear();
    bench.boot();
    bench.run_until(State::Running, 5_000);
    let order = ["AttemptSpent(2)", "radio Scan", "radio Join", "LoginStatus(200)", "Accepted"];
    let found = order.map(|effect| position(&bench, effect));
    assert!(found.is_sorted(), "{order:?} came as {found:?}");
    let named = (17, b"meta\0set\0Hotspot Name\0Blynk Test-R40J".to_vec());
    bench.run_ms(200);
    assert!(bench.cloud.received.contains(&named));
}

#[test]
fn a_configuration_that_cannot_be_used_changes_nothing() {
    let mut bench = Bench::at_portal();
    bench.get("/board_info.json");
    bench.effects.clear();
    for query in [
        "",
        "ssid=HomeNet",
        "ssid=HomeNet&blynk=short",
        "ssid=HomeNet&blynk=0123456789012345678901234567890&ip=300",
    ] {
        let reply = bench.get(&format!("/config?{query}"));
        assert!(reply.starts_with("HTTP/1.1 500 ") && reply.contains("Configuration invalid"), "{reply}");
        assert_eq!(bench.state(), State::Configuring);
    }
    assert!(!bench.effects.iter().any(|effect| effect.starts_with("flash")), "{:?}", bench.effects);
    bench.run_ms(5_000);
    assert_eq!(bench.rebooted_at, None);
}

#[test]
fn a_phone_is_told_when_flash_fails() {
    let mut bench = Bench::online();
    bench.type_line("config");
    bench.radio(RadioEvent::StationJoined(PHONE));
    bench.platform.flash_mut().state_mut().stuck_sector = Some(1);
    let reply = bench.get(&config_request());
    assert!(reply.starts_with("HTTP/1.1 500 ") && reply.contains("Configuration not stored"), "{reply}");
    bench.run_ms(5_000);
    assert_eq!((bench.rebooted_at, bench.state()), (None, State::WaitConfig));
    bench.platform.flash_mut().state_mut().stuck_sector = None;
    assert!(bench.get(&config_request()).ends_with(STORED), "and may try again");
}

#[test]
fn a_phone_that_submits_twice_hears_the_same_twice() {
    let mut bench = Bench::at_portal();
    assert!(bench.get(&config_request()).ends_with(STORED));
    assert!(bench.get(&config_request()).ends_with(STORED));
    assert_eq!(bench.effects.iter().filter(|effect| *effect == "Stored(Trial)").count(), 1);
    // Neither another network nor another promise is made any more.
    let other = format!("/config?ssid=OtherNet&blynk={TOKEN}");
    for query in [other, format!("{}&save=1", config_request())] {
        let reply = bench.get(&query);
        assert!(reply.starts_with("HTTP/1.1 409 ") && reply.ends_with(BUSY), "{reply}");
    }
}

#[test]
fn save_is_stored_as_valid_at_once() {
    let mut bench = Bench::at_portal();
    assert!(bench.get(&format!("{}&save=1", config_request())).ends_with(SAVED));
    assert!(bench.effects.contains(&"Stored(Valid)".to_string()));
}

#[test]
fn a_reset_during_the_hand_over_is_honoured() {
    let mut bench = Bench::at_portal();
    bench.get(&config_request());
    assert_eq!(bench.state(), State::SwitchToSta);
    let reply = bench.get("/reset");
    assert!(reply.ends_with(r#"{"status":"ok","msg":"Configuration reset"}"#), "{reply}");
    assert!(position(&bench, "Erased") < position(&bench, "route: Some(Reset)"));
    bench.run_ms(5_000);
    assert_eq!((bench.rebooted_at, bench.state()), (None, State::WaitConfig));
}

#[test]
fn a_reset_that_leaves_something_behind_says_so() {
    let mut bench = Bench::online();
    bench.type_line("config");
    bench.radio(RadioEvent::StationJoined(PHONE));
    bench.platform.flash_mut().state_mut().fails_next_erase = true;
    let reply = bench.get("/reset");
    assert!(reply.starts_with("HTTP/1.1 500 ") && reply.contains("Configuration not erased"), "{reply}");
}

#[test]
fn reboot_is_not_answered() {
    let mut bench = Bench::at_portal();
    let client = bench.send(&get("/reboot"));
    assert!(bench.rebooted_at.is_some());
    assert_eq!(bench.reply(client), "");
}

#[test]
fn five_phones_at_once_are_served_and_a_sixth_afterwards() {
    let mut bench = Bench::at_portal();
    let request = get("/board_info.json");
    let (beginning, rest) = request.as_bytes().split_at(10);
    // A phone that has not begun to ask would make room for the next one.
    let clients: Vec<_> = (0..TCP_SOCKETS)
        .map(|_| {
            let client = bench.open();
            bench.phone.send(client, beginning);
            bench.run_ms(100);
            client
        })
        .collect();
    let sixth = bench.open();
    assert!(!bench.phone.socket(sixth).is_active(), "there is no room for it");
    for client in &clients {
        bench.phone.send(*client, rest);
    }
    bench.run_ms(100);
    for client in clients {
        assert!(bench.reply(client).starts_with("HTTP/1.1 200 "));
    }
    // None of them closes its side.
    bench.run_ms(2_000);
    assert!(bench.get("/board_info.json").starts_with("HTTP/1.1 200 "));
}

/// Every socket can be used again.
#[track_caller]
fn check_all_free(bench: &mut Bench) {
    for number in 0..TCP_SOCKETS {
        let client = bench.open();
        assert!(bench.phone.socket(client).may_send(), "socket {number} is lost");
    }
}

#[test]
fn a_slow_phone_is_told_that_it_was_too_slow() {
    let mut bench = Bench::at_portal();
    let client = bench.send("GET /board_info.json HT");
    bench.run_ms(9_800);
    assert_eq!(bench.reply(client), "");
    bench.run_ms(300);
    assert!(bench.reply(client).starts_with("HTTP/1.1 408 "));
    bench.run_ms(21_000);
    check_all_free(&mut bench);
}

#[test]
fn connections_that_are_opened_and_closed_without_a_word_give_their_sockets_back() {
    let mut bench = Bench::at_portal();
    bench.get("/");
    for is_at_once in [false, true].repeat(TCP_SOCKETS) {
        let client = bench.phone.connect(AP_IP, 80);
        if is_at_once {
            // The end travels together with the last step of the opening.
            bench.deliver_from_phone();
            bench.phone.held = true;
        }
        bench.settle();
        bench.phone.socket(client).close();
        bench.settle();
        bench.phone.held = false;
        bench.run_ms(20);
    }
    check_all_free(&mut bench);
}

#[test]
fn half_open_connections_give_their_sockets_back() {
    let mut bench = Bench::at_portal();
    bench.get("/");
    for _ in 0..TCP_SOCKETS {
        let client = bench.phone.connect(AP_IP, 80);
        let now = bench.now;
        bench.phone.poll(now);
        // The SYN is on its way; whoever sent it never speaks again.
        bench.phone.forget(client);
        bench.phone.deaf = true;
        bench.run_ms(1);
    }
    bench.run_ms(11_000);
    bench.phone.deaf = false;
    check_all_free(&mut bench);
}

#[test]
fn a_phone_that_leaves_in_the_middle_of_everything_gives_its_sockets_back() {
    let mut bench = Bench::at_portal();
    bench.air = Air::Silent;
    for path in ["/wifi_scan.json", "/", "/board_info.json"] {
        let client = bench.open();
        bench.phone.send(client, get(path).as_bytes());
        let now = bench.now;
        bench.phone.poll(now);
        bench.phone.forget(client);
    }
    bench.phone.deaf = true;
    bench.run_ms(100);
    bench.radio(RadioEvent::StationLeft(PHONE));
    assert_eq!(bench.state(), State::WaitConfig);
    bench.run_ms(45_000);
    bench.phone.deaf = false;
    bench.radio(RadioEvent::StationJoined(PHONE));
    check_all_free(&mut bench);
}

#[test]
fn a_phone_that_closes_before_the_answer_has_configured_the_device() {
    let mut bench = Bench::at_portal();
    let client = bench.open();
    bench.phone.send(client, get(&config_request()).as_bytes());
    bench.phone.socket(client).close();
    bench.run_ms(50);
    assert!(bench.reply(client).ends_with(STORED), "half closed, it can still listen");
    assert_eq!(bench.state(), State::SwitchToSta);
    let mut bench = Bench::at_portal();
    let client = bench.open();
    bench.phone.send(client, get(&config_request()).as_bytes());
    bench.phone.deaf = true;
    bench.settle();
    bench.phone.socket(client).abort();
    bench.run_ms(50);
    assert!(bench.effects.contains(&"Stored(Trial)".to_string()));
}

#[test]
fn a_scan_that_the_radio_never_finishes_is_answered_after_twenty_seconds() {
    let mut bench = Bench::at_portal();
    bench.air = Air::Silent;
    let client = bench.send(&get("/wifi_scan.json"));
    bench.run_ms(19_900);
    assert_eq!(bench.reply(client), "");
    bench.run_ms(200);
    assert!(bench.reply(client).ends_with("[]"));
}

#[test]
fn phones_share_a_scan_and_a_fresh_list() {
    let mut bench = Bench::at_portal();
    bench.air = Air::Silent;
    let clients = [bench.send(&get("/wifi_scan.json")), bench.send(&get("/wifi_scan.json"))];
    bench.radio(RadioEvent::ScanDone(true));
    bench.run_ms(50);
    for client in clients {
        assert!(bench.reply(client).ends_with("[]"));
    }
    assert!(bench.get("/wifi_scan.json").ends_with("[]"), "at once, from the list");
    assert_eq!(bench.effects.iter().filter(|effect| *effect == "ScanStarted").count(), 1);
    bench.run_ms(10_000);
    bench.air = Air::Kind;
    assert!(bench.get("/wifi_scan.json").contains(r#""ssid":"HomeNet""#), "then anew");
}

#[test]
fn no_scan_makes_the_access_point_deaf_while_an_answer_is_on_its_way() {
    let mut bench = Bench::at_portal();
    bench.get(&config_request());
    bench.effects.clear();
    assert!(bench.get("/wifi_scan.json").ends_with("[]"));
    bench.type_line("wifi scan");
    assert!(!bench.effects.contains(&"ScanStarted".to_string()));
}

#[test]
fn the_product_runs_while_phones_are_served() {
    let mut bench = Bench::at_portal();
    let before = bench.application().polls;
    bench.get("/board_info.json");
    assert!(bench.application().polls > before);
}
