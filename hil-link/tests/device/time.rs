//! What day it is: asked for, kept, done without.

use std::collections::BTreeSet;

use firmware_core::hal::{Date, UnixTime};
use firmware_core::product::Dates;
use firmware_core::trace::State;

use super::bench::Bench;
use super::peer::{Ntp, OTHER_IP};

const DAY_S: u64 = 86_400;
/// 2026-01-01T00:00:00Z, when the bench's time begins. Devices start 1,000 s later.
const BEGIN: u64 = 1_767_225_600;
const START: u64 = BEGIN + 1_000;

/// A device whose channel looks at dates, with a certificate for the ninety days around the beginning.
fn bench() -> Bench {
    let mut bench = Bench::new(443);
    bench.channel.valid = Some((BEGIN - 30 * DAY_S, BEGIN + 60 * DAY_S));
    bench.product = bench.product.with_time_server("192.168.1.1").unwrap();
    bench
}

fn with_ntp(mut bench: Bench, ntp: Ntp) -> Bench {
    bench.cloud.ntp = Some(ntp);
    bench
}

/// Power goes and comes back; the cloud has noticed.
fn reboot(bench: &mut Bench) {
    bench.device = None;
    bench.cloud.drop_connections();
    bench.settle();
    bench.effects.clear();
    bench.boot();
}

/// What was told of the date at the handshakes since the last call.
fn dates(bench: &Bench) -> Vec<Date> {
    bench.channel.dates.take()
}

/// What was done about time and security since the last call, in order.
fn story(bench: &mut Bench) -> Vec<String> {
    const WORDS: [&str; 6] = ["Time", "Secure", "Connecting {", "flash", "LastError", "Resolved"];
    let effects = std::mem::take(&mut bench.effects);
    effects.into_iter().filter(|effect| WORDS.iter().any(|word| effect.starts_with(word))).collect()
}

fn exact(unix_s: u64) -> Date {
    Date::Exact(UnixTime(unix_s))
}

fn at_least(unix_s: u64) -> Date {
    Date::AtLeast(UnixTime(unix_s))
}

const CONNECTING: &str = "Connecting { host: \"192.168.1.1\", port: 443 }";

#[test]
fn the_time_is_asked_for_once_before_the_first_handshake_and_carried_on() {
    let mut bench = with_ntp(bench(), Ntp::at(BEGIN)).with_valid().booted();
    bench.run_until(State::Running, 1_000);
    let known = format!("TimeKnown(UnixTime({START}))");
    let expected = ["Resolved(192.168.1.1)", &known, CONNECTING, "SecureOpened(Modelled)", "flash Program"];
    assert_eq!(story(&mut bench), expected);
    assert_eq!(dates(&bench), [exact(START)]);
    assert!(bench.console.contains(&format!("Current time: {START}\r\n")));
    let (question, from) = &bench.cloud.asked_time[0];
    assert_eq!((question.len(), question[0]), (48, 0x23));
    assert!(question[1..40].iter().all(|byte| *byte == 0) && question[40..] != [0; 8]);
    assert!(from.port >= 49_152);

    bench.cloud.ntp = None;
    bench.run_ms(3 * DAY_S * 1_000 / 2);
    bench.cloud.drop_connections();
    bench.run_ms(100);
    bench.run_until(State::Running, 10_000);
    let later = bench.now.secs() as u64 + BEGIN;
    assert!(later > START + DAY_S);
    assert_eq!(dates(&bench), [exact(later)]);
    assert_eq!(
        story(&mut bench).last().map(String::as_str),
        Some("SecureOpened(Modelled)"),
        "kept once a boot"
    );
    assert_eq!(bench.cloud.asked_time.len(), 1);
}

#[test]
fn a_channel_that_looks_at_no_dates_asks_for_no_time() {
    for (port, valid) in [(443, None), (8_080, Some((0, 1)))] {
        let mut bench = with_ntp(Bench::new(port), Ntp::at(BEGIN)).with_valid();
        bench.channel.valid = valid;
        bench.boot();
        bench.run_until(State::Running, 1_000);
        assert!(bench.cloud.asked_time.is_empty());
        assert!(
            !story(&mut bench).iter().any(|effect| effect.starts_with("Time") || effect.starts_with("flash"))
        );
        assert!(dates(&bench).iter().all(|date| *date == Date::Unknown));
    }
}

#[test]
fn a_certificate_is_held_against_the_time() {
    for (ntp, error) in [(60 * DAY_S, "Expired"), (0, "NotYetValid")] {
        let mut bench = with_ntp(bench(), Ntp::at(BEGIN + ntp)).with_trial();
        if error == "NotYetValid" {
            bench.channel.valid = Some((BEGIN + DAY_S, BEGIN + 60 * DAY_S));
        }
        bench.boot();
        bench.run_until(State::WaitConfig, 10_000);
        let told = story(&mut bench);
        assert!(
            told.contains(&format!("SecureFailed({error})")) && told.contains(&"LastError(711)".to_string())
        );
        let marks = told.iter().filter(|effect| *effect == "flash Program").count();
        // One attempt, one rejection and its secrets: a time at which nobody was trusted is not kept.
        assert_eq!(marks, 3, "{told:?}");
    }
}

#[test]
fn without_a_time_a_product_that_requires_one_is_refused_in_the_end_and_says_why() {
    let mut bench = bench().with_trial().booted();
    let started_at = bench.now;
    bench.run_until(State::WaitConfig, 60_000);
    assert!((bench.now - started_at).secs() >= 50);
    let told = story(&mut bench);
    assert!(!told.contains(&CONNECTING.to_string()), "nobody is called");
    assert_eq!(told[2..5], ["TimeUnknown(Silent)", "SecureFailed(DateUnknown)", "Resolved(192.168.1.1)"]);
    assert_eq!(told.last().map(String::as_str), Some("LastError(711)"));
    assert!(bench.console.contains("No time: the time server does not answer\r\n"));
    assert!(bench.console.contains("No certificate is trusted before the time is known\r\n"));
    // Three seconds of asking and five of waiting, and in the seventh attempt the window ends.
    assert_eq!((dates(&bench), bench.cloud.asked_time.len()), (vec![], 6 * 3 + 2));
}

#[test]
fn without_a_time_a_product_may_look_at_no_dates() {
    let mut bench = bench().with_trial();
    bench.product = bench.product.with_dates(Dates::WhenKnown);
    bench.boot();
    let started_at = bench.now;
    bench.run_until(State::Running, 10_000);
    assert_eq!((bench.now - started_at).secs(), 3);
    assert_eq!(dates(&bench), [Date::Unknown]);
    bench.cloud.ntp = Some(Ntp::at(BEGIN));
    bench.cloud.drop_connections();
    bench.run_ms(100);
    bench.run_until(State::Running, 10_000);
    assert!(matches!(dates(&bench)[..], [Date::Exact(_)]), "it is asked for again");
}

#[test]
fn a_time_server_that_comes_back_is_enough() {
    let mut bench = bench().with_valid().booted();
    bench.run_ms(5_000);
    assert_eq!(bench.state(), State::ConnectingCloud);
    bench.cloud.ntp = Some(Ntp::at(BEGIN));
    bench.run_until(State::Running, 5_000);
}

#[test]
fn a_time_at_which_the_certificate_is_not_valid_is_asked_for_again() {
    let mut bench = with_ntp(bench(), Ntp::at(BEGIN + 400 * DAY_S)).with_valid().booted();
    bench.run_ms(500);
    assert_eq!((bench.state(), dates(&bench)), (State::ConnectingCloud, vec![exact(START + 400 * DAY_S)]));
    bench.cloud.ntp = Some(Ntp::at(BEGIN));
    bench.run_until(State::Running, 5_000);
    assert!(matches!(dates(&bench)[..], [Date::Exact(UnixTime(time))] if time < START + 10));
}

#[test]
fn a_name_that_nobody_resolves_takes_four_seconds() {
    let mut bench = bench().with_valid();
    bench.product = bench.product.with_time_server("time.example").unwrap();
    bench.boot();
    let started_at = bench.now;
    while !bench.effects.contains(&"TimeUnknown(Silent)".to_string()) {
        bench.run_ms(10);
    }
    assert_eq!((bench.now - started_at).millis(), 0);
    assert_eq!((bench.now - started_at).secs(), 4);
}

#[test]
fn a_server_that_is_of_no_use_is_not_waited_for() {
    for (changes, error) in
        [(vec![(1, 0)], "Refused"), (vec![(0, 0xE4)], "Unsynchronised"), (vec![(40, 0xDC)], "Implausible")]
    {
        let mut bench = with_ntp(bench(), Ntp { changes, ..Ntp::at(BEGIN) }).with_valid().booted();
        bench.run_ms(100);
        assert!(bench.effects.contains(&format!("TimeUnknown({error})")), "{error}");
        assert_eq!(bench.cloud.asked_time.len(), 1);
    }
}

#[test]
fn an_answer_from_elsewhere_or_to_another_question_is_none() {
    let good = Ntp::at(BEGIN);
    for ntp in [
        Ntp { from: OTHER_IP, ..good.clone() },
        Ntp { port: 1, ..good.clone() },
        Ntp { changes: vec![(24, 0), (25, 0), (26, 0)], ..good.clone() },
        Ntp { changes: vec![(0, 0x25)], ..good.clone() },
    ] {
        let mut bench = with_ntp(bench(), ntp.clone()).with_valid().booted();
        bench.run_ms(2_900);
        assert!(bench.effects.iter().all(|effect| !effect.starts_with("Time")), "{ntp:?}");
        bench.run_ms(200);
        assert!(bench.effects.contains(&"TimeUnknown(Silent)".to_string()), "{ntp:?}");
    }
}

#[test]
fn an_answer_that_comes_twice_counts_once() {
    let ntp = Ntp { copies: 3, ..Ntp::at(BEGIN) };
    let mut bench = with_ntp(bench(), ntp).with_valid().booted();
    bench.run_until(State::Running, 1_000);
    assert_eq!(story(&mut bench).iter().filter(|effect| effect.starts_with("Time")).count(), 1);
}

#[test]
fn questions_cannot_be_told_in_advance() {
    let mut bench = with_ntp(bench(), Ntp { changes: vec![(1, 0)], ..Ntp::at(BEGIN) }).with_valid().booted();
    bench.run_ms(40_000);
    let asked = &bench.cloud.asked_time;
    let nonces: BTreeSet<_> = asked.iter().map(|(question, _)| &question[40..]).collect();
    let ports: BTreeSet<_> = asked.iter().map(|(_, from)| from.port).collect();
    assert!(asked.len() > 5);
    assert_eq!((nonces.len(), ports.len()), (asked.len(), asked.len()));
}

#[test]
fn the_last_known_time_is_enough_after_a_restart() {
    let mut bench = with_ntp(bench(), Ntp::at(BEGIN)).with_valid().booted();
    bench.run_until(State::Running, 1_000);
    assert_eq!(dates(&bench), [exact(START)]);
    bench.cloud.ntp = None;
    bench.run_ms(2 * DAY_S * 1_000);
    reboot(&mut bench);
    bench.run_until(State::Running, 5_000);
    assert_eq!(dates(&bench), [at_least(START)]);
    let expected = ["Resolved(192.168.1.1)", "TimeUnknown(Silent)", CONNECTING, "SecureOpened(Modelled)"];
    assert_eq!(story(&mut bench), expected, "what is not known for certain is not kept");
    // Two months later the certificate is another, and the device cannot know more than that.
    bench.channel.valid = Some((BEGIN - 90 * DAY_S, BEGIN));
    reboot(&mut bench);
    bench.run_ms(5_000);
    assert!(story(&mut bench).contains(&"SecureFailed(Expired)".to_string()));
}

#[test]
fn a_time_is_kept_when_it_is_more_than_a_day_later() {
    let mut bench = with_ntp(bench(), Ntp::at(BEGIN)).with_valid();
    for (passes_s, is_kept) in [(0, true), (DAY_S - 100, false), (200, true), (DAY_S / 2, false)] {
        bench.run_ms(passes_s * 1_000);
        reboot(&mut bench);
        bench.run_until(State::Running, 1_000);
        let kept = story(&mut bench).iter().filter(|effect| *effect == "flash Program").count();
        assert_eq!(kept, usize::from(is_kept), "after {passes_s} s");
    }
}

#[test]
fn a_time_before_the_last_known_one_is_not_believed() {
    let mut bench = with_ntp(bench(), Ntp::at(BEGIN + 30 * DAY_S)).with_valid().booted();
    bench.run_until(State::Running, 1_000);
    assert_eq!(dates(&bench), [exact(START + 30 * DAY_S)]);
    for (unix_s, expected) in
        [(BEGIN, at_least(START + 30 * DAY_S)), (BEGIN + 29 * DAY_S + 600, exact(BEGIN + 29 * DAY_S + 600))]
    {
        bench.cloud.ntp = Some(Ntp::at(unix_s));
        reboot(&mut bench);
        let booted_at = bench.now.secs() as u64;
        bench.run_until(State::Running, 5_000);
        let expected = match expected {
            Date::Exact(UnixTime(time)) => exact(time + booted_at),
            other => other,
        };
        assert_eq!(dates(&bench), [expected]);
    }
}

#[test]
fn a_flash_that_does_not_keep_the_time_keeps_nobody_from_the_cloud() {
    let mut bench = with_ntp(bench(), Ntp::at(BEGIN)).with_valid();
    bench.platform.flash_mut().state_mut().stuck_sector = Some(0);
    bench.boot();
    bench.run_until(State::Running, 1_000);
    assert!(bench.effects.contains(&"FlashFailed".to_string()));
    assert!(bench.console.contains("Time not stored: flash did not keep what was written\r\n"));
}
