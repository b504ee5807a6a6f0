//! Button and indicator.

use firmware_core::Instant;
use firmware_core::panel::{Colour, PatternKind};
use firmware_core::trace::State;

use super::bench::{Air, Bench, config_request};

const GREEN: Colour = Colour::GREEN;
const BLUE: Colour = Colour::BLUE;
const RED: Colour = Colour::RED;
const WHITE: Colour = Colour::WHITE;

fn beat(on_ms: u16, off_ms: u16) -> PatternKind {
    PatternKind::Beat([on_ms, off_ms, on_ms, off_ms])
}

/// What the indicator shows now.
#[track_caller]
fn check_shown(bench: &Bench, kind: PatternKind, colour: Colour) {
    let (_, pattern) = bench.patterns.last().expect("a pattern was shown");
    assert_eq!((pattern.kind, pattern.colour), (kind, colour), "in {}", bench.state());
}

#[test]
fn a_setup_shows_blue_then_red_then_green() {
    let mut bench = Bench::at_portal();
    check_shown(&bench, beat(50, 500), BLUE);
    bench.get("/board_info.json");
    check_shown(&bench, beat(200, 200), BLUE);
    bench.get(&config_request());
    check_shown(&bench, PatternKind::Beat([80, 100, 80, 1_000]), RED);
    bench.run_ms(1_000);
    bench.air = Air::Silent;
    bench.boot();
    check_shown(&bench, beat(50, 500), GREEN);
}

#[test]
fn the_way_into_the_cloud_flashes_and_being_there_breathes() {
    let mut bench = Bench::new(8_080).with_valid();
    bench.cloud.login_answer = None;
    bench.boot();
    bench.run_ms(100);
    assert_eq!(bench.state(), State::ConnectingCloud);
    check_shown(&bench, beat(100, 100), GREEN);
    check_shown(&Bench::online(), PatternKind::Wave(19), GREEN);
}

#[test]
fn five_hundred_failed_rounds_show_red_for_ten_seconds_and_restart() {
    let mut bench = Bench::new(8_080).with_valid().with_air(Air::Empty).booted();
    bench.run_until(State::Error, 12 * 3_600_000);
    check_shown(&bench, PatternKind::Beat([80, 100, 80, 1_000]), RED);
    bench.run_ms(9_900);
    assert_eq!(bench.rebooted_at, None);
    bench.run_ms(200);
    assert!(bench.rebooted_at.is_some());
    assert!(bench.console.contains("Restarting after error."));
    bench.air = Air::Kind;
    bench.boot();
    bench.run_until(State::Running, 1_000);
}

#[test]
fn nine_seconds_change_nothing_and_ten_erase_on_release() {
    for mut bench in [Bench::online(), Bench::at_portal(), Bench::new(8_080).with_trial().booted()] {
        let before = bench.state();
        bench.hold_ms(9_000);
        assert!(!bench.effects.contains(&"Erased".to_string()), "after nine seconds in {before}");
        bench.press(true);
        bench.run_ms(10_000);
        assert!(!bench.effects.contains(&"Erased".to_string()), "before the release in {before}");
        bench.press(false);
        bench.run_ms(100);
        assert!(bench.effects.contains(&"Erased".to_string()), "after ten seconds in {before}");
        assert_eq!(bench.state(), State::WaitConfig);
    }
}

#[test]
fn a_hold_shows_white_from_three_seconds_on_and_the_state_after_it() {
    let mut bench = Bench::online();
    let pressed_at = bench.now;
    bench.patterns.clear();
    bench.hold_ms(11_000);
    let shown: Vec<_> = bench
        .patterns
        .iter()
        .map(|(at, pattern)| ((*at - pressed_at).total_millis(), pattern.kind, pattern.colour))
        .collect();
    let expected = [
        (3_000, PatternKind::Wave(3), WHITE),
        (10_000, beat(100, 100), WHITE),
        // The release counts once the button is still, and has reset the device.
        (11_025, beat(50, 500), BLUE),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn a_new_state_does_not_disturb_what_the_button_shows() {
    let mut bench = Bench::online();
    bench.press(true);
    bench.run_ms(4_000);
    bench.patterns.clear();
    bench.cloud.drop_connections();
    bench.run_ms(1_000);
    assert_eq!(bench.state(), State::ConnectingCloud);
    assert_eq!(bench.patterns, []);
}

/// A platform tells a level that is not the usual one as the first change.
#[test]
fn a_button_that_is_down_when_the_device_starts_counts_from_the_start() {
    let mut bench = Bench::new(8_080).with_valid();
    bench.platform.power_on();
    let started_at: Instant = bench.now;
    bench.boot();
    assert!(bench.platform.queues().push_button_edge(started_at, true));
    bench.run_ms(10_100);
    bench.press(false);
    bench.run_ms(100);
    assert!(bench.effects.contains(&"Erased".to_string()));
}

#[test]
fn a_held_button_keeps_the_error_on_show() {
    let mut bench = Bench::new(8_080).with_valid().with_air(Air::Empty).booted();
    bench.run_until(State::Error, 12 * 3_600_000);
    bench.press(true);
    bench.run_ms(30_000);
    assert_eq!((bench.rebooted_at, bench.state()), (None, State::Error));
    // It is released after ten seconds: that is a reset, and no restart.
    bench.press(false);
    bench.run_ms(10_000);
    assert_eq!((bench.rebooted_at, bench.state()), (None, State::WaitConfig));
}
