//! Timelines of made-up runs, and of a real one.

use firmware_core::hal::RadioCommand;
use firmware_core::trace::Event;

use super::*;
use crate::runner::{DEFAULT_SEED, Harness, run};
use crate::scenario::starter;

const DEVICE: NodeId = NodeId::Device(0);
const PHONE: NodeId = NodeId::Phone(0);

fn scenario() -> Scenario {
    Scenario::parse("story.yaml", starter()).unwrap_or_else(|error| panic!("{error}"))
}

/// A trace of a device and a phone with these entries, times in milliseconds.
fn trace(entries: Vec<(i64, NodeId, What)>) -> Trace {
    let mut trace = Trace::default();
    trace.set_name(DEVICE, "device");
    trace.set_name(PHONE, "phone");
    for (at_ms, actor, what) in entries {
        trace.push(Instant::from_millis(at_ms), actor, what);
    }
    trace
}

#[track_caller]
fn check(entries: Vec<(i64, NodeId, What)>, detail: Detail, expected: &[&str]) {
    check_trace(&trace(entries), detail, expected);
}

#[track_caller]
fn check_trace(trace: &Trace, detail: Detail, expected: &[&str]) {
    let scenario = scenario();
    let lines = Timeline::new(&scenario, trace, Palette::Plain).lines(detail);
    assert_eq!(lines.into_iter().map(|line| line.text).collect::<Vec<_>>(), expected);
}

#[test]
fn an_event_has_its_time_its_actor_and_its_words() {
    let entries = vec![
        (0, DEVICE, What::Step(1)),
        (1, DEVICE, What::PowerOn),
        (12_345, PHONE, What::Phone(crate::phone::Event::TokenIssued)),
    ];
    let expected = [
        "-- step 1 (line 18): device gets power",
        "    0.001  device  power on",
        "   12.345  phone   is given a token by the cloud",
    ];
    check(entries, Detail::Story, &expected);
}

#[test]
fn details_and_the_console_are_told_when_they_are_asked_for() {
    let mut trace = trace(vec![(0, DEVICE, What::PowerOn), (1, DEVICE, What::Radio(RadioCommand::Off))]);
    trace.push_printed(Instant::from_millis(2), DEVICE, "");
    trace.push_printed(Instant::from_millis(3), DEVICE, "hello");
    let all =
        ["    0.000  device  power on", "    0.001  device  radio: off", "    0.003  device  prints hello"];
    check_trace(&trace, Detail::Story, &all[..1]);
    check_trace(&trace, Detail::Details, &all[..2]);
    check_trace(&trace, Detail::Console, &all);
}

#[test]
fn a_long_idle_time_is_marked() {
    let entries = vec![
        (0, DEVICE, What::PowerOn),
        (60_000, DEVICE, What::PowerOff),
        (25_200_000, DEVICE, What::Step(2)),
    ];
    let expected = [
        "    0.000  device  power on",
        "           ... 1 min later",
        "   60.000  device  power off",
        "           ... 6 h 59 min later",
        "-- step 2 (line 19): device should be in WAIT_CONFIG, within 5 s",
    ];
    check(entries, Detail::Story, &expected);
}

#[test]
fn repeats_are_folded_whatever_their_numbers_but_not_across_steps() {
    let scan = |at_ms, count| (at_ms, DEVICE, What::Device(Event::ScanDone(count)));
    let mut entries: Vec<_> = (2..8).map(|count| scan(i64::from(count) * 1_000, count)).collect();
    entries.push((8_000, DEVICE, What::Step(1)));
    entries.push(scan(9_000, 9));
    let expected = [
        "    2.000  device  hears 2 networks",
        "           ... 4 more in 4.0 s",
        "    7.000  device  hears 7 networks",
        "-- step 1 (line 18): device gets power",
        "    9.000  device  hears 9 networks",
    ];
    check(entries, Detail::Details, &expected);
}

#[test]
fn a_slow_repeat_is_no_idle_time() {
    let entries = (0..6).map(|count| (count * 100_000, DEVICE, What::Device(Event::ScanStarted))).collect();
    let expected = [
        "    0.000  device  starts a scan",
        "           ... 4 more in 6 min 40 s",
        "  500.000  device  starts a scan",
    ];
    check(entries, Detail::Details, &expected);
}

#[test]
fn what_moves_a_cursor_is_not_shown() {
    let mut trace = trace(Vec::new());
    trace.push_printed(Instant::ZERO, DEVICE, "\u{1B}[31mred correct horse");
    check_trace(&trace, Detail::Console, &["    0.000  device  prints \u{FFFD}[31mred ***"]);
}

#[test]
fn the_last_events_are_five_of_each_actor() {
    let scenario = scenario();
    let scan = |at_ms| (at_ms, DEVICE, What::Device(Event::ScanStarted));
    let trace = trace((0..9).map(|s| scan(s * 1_000)).collect());
    let lines = Timeline::new(&scenario, &trace, Palette::Plain).last_events();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[0], "    4.000  device  starts a scan");
    assert_eq!(lines[5], "           phone   did nothing");
}

#[test]
fn colour_changes_nothing_but_colour() {
    let scenario = scenario();
    let outcome = run(&scenario, &Harness::EXAMPLE, DEFAULT_SEED);
    let plain = Timeline::new(&scenario, &outcome.trace, Palette::Plain).lines(Detail::Console);
    let coloured = Timeline::new(&scenario, &outcome.trace, Palette::Colour).lines(Detail::Console);
    assert!(plain.iter().all(|line| !line.text.contains('\u{1B}')));
    assert!(coloured.iter().all(|line| line.text.contains('\u{1B}')));
    let stripped: Vec<Line> =
        coloured.into_iter().map(|line| Line { text: without_colour(&line.text), ..line }).collect();
    assert_eq!(stripped, plain);
}

#[test]
fn a_real_run_tells_its_milestones_in_the_order_of_the_story() {
    let scenario = scenario();
    let outcome = run(&scenario, &Harness::EXAMPLE, DEFAULT_SEED);
    let lines = Timeline::new(&scenario, &outcome.trace, Palette::Plain).lines(Detail::Story);
    let told: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    for milestone in outcome.trace.story().lines() {
        let (_, words) = milestone.split_once(": ").expect("an actor and what it did");
        assert!(told.iter().any(|line| line.ends_with(words)), "{milestone}");
    }
    assert!(lines.is_sorted_by_key(|line| line.at));
}

fn without_colour(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split('\u{1B}');
    plain += parts.next().unwrap_or_default();
    for part in parts {
        plain += part.split_once('m').map_or("", |(_, text)| text);
    }
    plain
}
