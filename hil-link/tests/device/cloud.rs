//! The way into the cloud and what comes from there.

use firmware_core::hal::RadioEvent;
use firmware_core::trace::State;
use hil_link::modelled_tls::Certificate;
use smoltcp::wire::Ipv4Address;

use super::bench::{Air, Bench};

/// What the device reports as `last_error`, from its trace.
fn last_error(bench: &Bench) -> Option<&str> {
    let told = bench.effects.iter().rev().find(|effect| effect.starts_with("LastError("))?;
    told.strip_prefix("LastError(")?.strip_suffix(')')
}

#[test]
fn a_trial_that_logs_in_is_accepted_through_the_encrypted_channel() {
    let mut bench = Bench::new(443).with_trial().booted();
    bench.run_until(State::Running, 1_000);
    assert!(bench.effects.contains(&"SecureOpened(Modelled)".to_string()));
    assert_eq!(bench.application().connections, 1);
}

#[test]
fn a_certificate_that_is_wrong_is_certain_and_a_silent_server_is_not() {
    for (certificate, code, early) in [
        (Some(Certificate::Expired), "711", true),
        (Some(Certificate::WrongName), "711", true),
        (Some(Certificate::UnknownAuthority), "711", true),
        (None, "711", false),
    ] {
        let mut bench = Bench::new(443).with_trial();
        bench.cloud.certificate = certificate;
        bench.boot();
        let started_at = bench.now;
        bench.run_until(State::WaitConfig, 60_000);
        assert_eq!(last_error(&bench), Some(code), "{certificate:?}");
        assert_eq!((bench.now - started_at).secs() < 10, early, "{certificate:?}");
    }
}

#[test]
fn a_connection_that_breaks_during_the_handshake_is_tried_again() {
    let mut bench = Bench::new(443).with_trial();
    bench.cloud.certificate = None;
    bench.boot();
    bench.run_ms(1_000);
    bench.cloud.drop_connections();
    bench.cloud.certificate = Some(Certificate::Good);
    bench.run_until(State::Running, 10_000);
}

#[test]
fn a_handshake_that_is_cut_short_is_711_in_the_end_and_a_clean_close_behind_it_is_not() {
    for (certificate, traced, code) in
        [(None, "SecureFailed(Truncated)", "711"), (Some(Certificate::Good), "SessionLost", "702")]
    {
        let mut bench = Bench::new(443).with_trial();
        bench.cloud.certificate = certificate;
        bench.cloud.login_answer = None;
        bench.boot();
        let mut closed = 0;
        while bench.state() != State::WaitConfig {
            bench.run_ms(500);
            closed += bench.cloud.open_connections();
            bench.cloud.close_connections();
            assert!(closed <= 10, "five seconds apart, for fifty seconds");
        }
        assert_eq!(last_error(&bench), Some(code), "{traced}");
        let count = bench.effects.iter().filter(|effect| *effect == traced).count();
        assert_eq!((count, closed), (10, 10), "{traced}: {:?}", bench.effects);
    }
}

#[test]
fn a_token_nobody_knows_ends_a_trial_at_once() {
    let mut bench = Bench::new(8_080).with_trial();
    bench.cloud.login_answer = Some((0, 9, Vec::new()));
    bench.boot();
    bench.run_until(State::WaitConfig, 1_000);
    assert_eq!(last_error(&bench), Some("703"));
    assert!(bench.effects.contains(&"Rejected(Token)".to_string()));
}

#[test]
fn a_valid_configuration_needs_two_refusals_and_is_kept() {
    let mut bench = Bench::new(8_080).with_valid();
    bench.cloud.login_answer = Some((0, 9, Vec::new()));
    bench.boot();
    bench.run_until(State::WaitConfig, 10_000);
    assert_eq!((last_error(&bench), bench.cloud.logins()), (Some("703"), 2));
    assert!(!bench.effects.iter().any(|effect| effect.contains("flash")), "nothing is written");
    bench.cloud.login_answer = Some((0, 200, Vec::new()));
    bench.run_ms(599_000);
    assert_eq!(bench.state(), State::WaitConfig);
    bench.run_until(State::Running, 5_000);
    assert_eq!(last_error(&bench), Some("0"));
}

#[test]
fn everything_that_one_segment_brings_is_handled_at_once() {
    let mut bench = Bench::online();
    bench.cloud.send(&[
        (20, 11, b"vw\x001\0a"),
        (55, 12, b"a line for the log"),
        (20, 13, b"vw\x00300\0no such pin"),
        (20, 14, b"vw\x002\0b"),
        (99, 15, b"no such command"),
        (20, 16, b"vw\x003\0c"),
    ]);
    bench.settle();
    assert_eq!(bench.application().writes, [1, 2, 3]);
}

#[test]
fn what_the_server_prints_is_logged_and_controls_no_terminal() {
    let mut bench = Bench::online();
    bench.console.clear();
    bench.cloud.send(&[(55, 12, "qu\u{e9} tal\r\n[9] \u{1B}[2J".as_bytes()), (55, 13, b"")]);
    bench.settle();
    let (_, text) = bench.console.split_once("] ").unwrap();
    assert_eq!(text, "Server: qu\u{e9} tal\\x0D\\x0A[9] \\x1B[2J\r\n");
}

#[test]
fn more_than_the_encrypted_channel_holds_is_handled_at_once() {
    let mut bench = Bench::new(443).with_valid().booted();
    bench.run_until(State::Running, 1_000);
    let frames: Vec<(u8, u16, &[u8])> =
        (1..=110).map(|id| (20, id, b"vw\x007\0some value".as_slice())).collect();
    // More than the channel's buffer, and no more than the socket's: nothing follows that would wake the device.
    bench.cloud.send(&frames);
    bench.settle();
    assert_eq!(bench.application().writes.len(), 110);
}

#[test]
fn what_a_message_makes_the_product_want_wakes_the_device() {
    let mut bench = Bench::online();
    bench.cloud.send(&[(20, 11, b"vw\x001\0a")]);
    bench.settle();
    let written_at = bench.now;
    bench.run_ms(1_000);
    assert_eq!(bench.application().ran_at.map(|at| (at - written_at).total_millis()), Some(250));
}

#[test]
fn a_redirect_while_online_that_leads_nowhere_brings_the_device_back() {
    let mut bench = Bench::online();
    bench.cloud.send(&[(41, 21, b"192.168.1.77\x008080")]);
    bench.run_ms(100);
    assert_eq!(bench.state(), State::ConnectingCloud);
    bench.run_until(State::Running, 20_000);
    assert_eq!(bench.cloud.logins(), 2, "at the server that is configured");
}

#[test]
fn a_redirect_in_a_circle_ends_and_begins_again_later() {
    let mut bench = Bench::new(8_080).with_trial();
    bench.cloud.login_answer = Some((41, 16, b"192.168.1.1\x008080".to_vec()));
    bench.boot();
    bench.run_ms(3_000);
    assert_eq!(bench.cloud.logins(), 6, "five hops");
    bench.cloud.login_answer = Some((0, 200, Vec::new()));
    bench.run_until(State::Running, 10_000);
}

#[test]
fn a_redirect_without_a_port_does_not_talk_the_encryption_away() {
    let mut bench = Bench::new(443).with_valid();
    bench.cloud.login_answer = Some((41, 11, b"192.168.1.1".to_vec()));
    bench.boot();
    bench.run_ms(100);
    bench.cloud.login_answer = Some((0, 200, Vec::new()));
    bench.run_until(State::Running, 10_000);
    let redirected = bench.effects.iter().find(|effect| effect.starts_with("Redirected")).unwrap();
    assert!(redirected.contains("443"), "{redirected}");
}

#[test]
fn a_lost_session_is_opened_again() {
    let mut bench = Bench::online();
    bench.cloud.drop_connections();
    bench.run_ms(100);
    assert_eq!(bench.state(), State::ConnectingCloud);
    bench.run_until(State::Running, 6_000);
    assert_eq!(bench.application().connections, 2);
}

#[test]
fn a_renewal_that_brings_another_address_brings_a_new_session() {
    for port in [8_080, 443] {
        let mut bench = Bench::new(port).with_lent(Ipv4Address::new(192, 168, 1, 60)).booted();
        bench.run_until(State::Running, 1_000);
        bench.cloud.lent = Some(Ipv4Address::new(192, 168, 1, 61));
        bench.run_ms(29_000);
        assert_eq!((bench.state(), bench.cloud.logins()), (State::Running, 1));
        bench.run_ms(8_000);
        assert!(bench.effects.contains(&"Address { ip: 192.168.1.61, fixed: false }".to_string()));
        // The heartbeat alone would find out after 58 s.
        assert_eq!((bench.state(), bench.cloud.logins()), (State::Running, 2));
        assert_eq!(bench.application().connections, 2);
    }
}

#[test]
fn a_server_is_told_when_the_device_leaves_it() {
    for leave in ["config", "config erase"] {
        let mut bench = Bench::online();
        assert_eq!(bench.cloud.open_connections(), 1);
        bench.type_line(leave);
        assert_eq!(bench.cloud.open_connections(), 0, "after `{leave}`");
    }
    let mut bench = Bench::online();
    bench.cloud.send(&[(41, 21, b"192.168.1.1\x008080")]);
    bench.run_ms(100);
    assert_eq!((bench.state(), bench.cloud.open_connections()), (State::Running, 1), "after a redirect");
}

#[test]
fn a_network_that_is_lost_on_the_way_is_looked_for_again() {
    for (air, login) in [(Air::Silent, true), (Air::Kind, false), (Air::Kind, true)] {
        let mut bench = Bench::new(8_080).with_valid().with_air(air);
        bench.cloud.login_answer = login.then(|| (0, 200, Vec::new()));
        bench.boot();
        bench.run_ms(100);
        let state = bench.state();
        bench.air = Air::Kind;
        bench.cloud.login_answer = Some((0, 200, Vec::new()));
        bench.radio(RadioEvent::Disconnected(200));
        bench.run_until(State::Running, 40_000);
        assert!(bench.effects.contains(&"Disconnected(200)".to_string()), "in {state}");
    }
}

#[test]
fn what_the_radio_says_too_late_changes_nothing() {
    let mut bench = Bench::at_portal();
    bench.effects.clear();
    let late = [
        RadioEvent::Joined,
        RadioEvent::Disconnected(8),
        RadioEvent::ScanDone(true),
        RadioEvent::JoinFailed(firmware_core::hal::JoinFailure::Timeout),
    ];
    for event in late {
        bench.radio(event);
    }
    assert_eq!((bench.state(), bench.effects.len()), (State::WaitConfig, 0));
    let mut bench = Bench::online();
    bench.effects.clear();
    for event in [RadioEvent::ApStarted, RadioEvent::StationLeft(super::bench::PHONE)] {
        bench.radio(event);
    }
    assert_eq!((bench.state(), bench.effects.len()), (State::Running, 0));
}

#[test]
fn the_product_runs_in_every_state() {
    let mut bench = Bench::new(8_080).with_valid().with_air(Air::Empty).booted();
    for state in [State::ConnectingNet, State::Error] {
        bench.run_until(state, 12 * 3_600_000);
        let before = bench.application().polls;
        bench.radio(RadioEvent::ApStarted);
        assert!(bench.application().polls > before, "in {state}");
    }
}

#[test]
fn a_supply_that_sags_three_times_ends_a_trial_with_704() {
    let mut bench = Bench::new(8_080).with_trial().with_air(Air::Silent);
    for left in [2, 1, 0] {
        bench.boot();
        assert_eq!(bench.state(), State::ConnectingNet);
        assert!(bench.effects.contains(&format!("AttemptSpent({left})")));
    }
    bench.boot();
    assert_eq!((bench.state(), last_error(&bench)), (State::WaitConfig, Some("704")));
}
