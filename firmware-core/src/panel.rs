//! The button and the indicator: bounces filtered out, holds measured, patterns as integer functions of time.

use crate::trace::State;
use crate::{Duration, Instant};

/// A level must be stable this long to count. Tactile switches bounce for up to about 10 ms.
pub const DEBOUNCE: Duration = Duration::from_millis(25);
/// After this the indicator shows that the button is being held (`BUTTON_HOLD_TIME_INDICATION`).
pub const HOLD_INDICATION: Duration = Duration::from_millis(3_000);
/// After this a release resets the configuration (`BUTTON_HOLD_TIME_ACTION`).
pub const HOLD_ACTION: Duration = Duration::from_millis(10_000);

/// A colour of 8 bits a component, before the board's brightness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Colour {
    /// Red, 0 to 255.
    pub red: u8,
    /// Green, 0 to 255.
    pub green: u8,
    /// Blue, 0 to 255.
    pub blue: u8,
}

impl Colour {
    /// Blue: waiting for a phone.
    pub const BLUE: Self = Self { red: 0x0D, green: 0x36, blue: 0xFF };
    /// Blynk's green: connecting or in use.
    pub const GREEN: Self = Self { red: 0x2E, green: 0xFF, blue: 0xB9 };
    /// Red: something is wrong, or roles are being switched.
    pub const RED: Self = Self { red: 0xFF, green: 0x10, blue: 0x08 };
    /// White: the button is being held.
    pub const WHITE: Self = Self { red: 0xFF, green: 0xFF, blue: 0xE7 };
}

/// How the light changes over time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PatternKind {
    /// On, off, on, off, in milliseconds, repeated.
    Beat([u16; 4]),
    /// A triangle from dark to half and back in 256 steps of this many milliseconds. Edgent asks for 5 s
    /// and 1 s; integer division makes 19 ms and 3 ms of it.
    Wave(u16),
}

/// What the indicator shows, since when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pattern {
    /// The rhythm.
    pub kind: PatternKind,
    /// The colour at full level.
    pub colour: Colour,
    /// When it started.
    pub since: Instant,
}

/// The brightest level of a pattern.
pub const LEVEL_MAX: u8 = 255;

impl Pattern {
    /// The light at a time, 0 (dark) to 255; before `since` it is dark.
    pub fn level_at(&self, at: Instant) -> u8 {
        let elapsed_ms = (at - self.since).total_millis();
        if at < self.since {
            return 0;
        }
        match self.kind {
            PatternKind::Beat(beats) => {
                let period: u64 = beats.iter().map(|ms| u64::from(*ms)).sum();
                let Some(mut phase) = elapsed_ms.checked_rem(period) else { return 0 };
                let mut on = true;
                for beat in beats {
                    let beat = u64::from(beat);
                    if phase < beat {
                        break;
                    }
                    phase -= beat;
                    on = !on;
                }
                if on { LEVEL_MAX } else { 0 }
            }
            PatternKind::Wave(step_ms) => {
                let Some(steps) = elapsed_ms.checked_div(u64::from(step_ms)) else { return 0 };
                let step = u8::try_from(steps % 256).unwrap_or(0);
                // 0..=127 rises, 128..=255 falls; a single LED doubles the level.
                let level = if step < 128 { step } else { 255 - step };
                level * 2
            }
        }
    }

    fn new(kind: PatternKind, colour: Colour, since: Instant) -> Self {
        Self { kind, colour, since }
    }
}

/// The pattern of a state, since a time.
pub fn state_pattern(state: State, since: Instant) -> Pattern {
    use PatternKind::{Beat, Wave};
    match state {
        State::WaitConfig | State::ResetConfig => Pattern::new(Beat([50, 500, 50, 500]), Colour::BLUE, since),
        State::Configuring => Pattern::new(Beat([200, 200, 200, 200]), Colour::BLUE, since),
        State::ConnectingNet => Pattern::new(Beat([50, 500, 50, 500]), Colour::GREEN, since),
        State::ConnectingCloud => Pattern::new(Beat([100, 100, 100, 100]), Colour::GREEN, since),
        State::Running => Pattern::new(Wave(19), Colour::GREEN, since),
        State::Error | State::SwitchToSta | State::Init => {
            Pattern::new(Beat([80, 100, 80, 1000]), Colour::RED, since)
        }
    }
}

/// What the button did, free of bounces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ButtonEvent {
    /// It went down.
    Pressed,
    /// It went up after this long.
    Released(Duration),
}

/// How far a hold has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Hold {
    /// Up, or down for less than 3 s.
    None,
    /// Down for 3 s: white breathing.
    Indicated,
    /// Down for 10 s: white flashing, let go now.
    Armed,
}

impl Hold {
    /// The pattern that has priority over the state's while the button is held.
    pub fn pattern(self, since: Instant) -> Option<Pattern> {
        match self {
            Self::None => None,
            Self::Indicated => Some(Pattern::new(PatternKind::Wave(3), Colour::WHITE, since)),
            Self::Armed => Some(Pattern::new(PatternKind::Beat([100, 100, 100, 100]), Colour::WHITE, since)),
        }
    }
}

/// Filters bounces and measures holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Button {
    /// Since when the button is down.
    down_since: Option<Instant>,
    /// A level that differs from the accepted one, and since when.
    candidate: Option<Instant>,
}

impl Button {
    /// Takes a raw level change.
    pub fn handle_edge(&mut self, at: Instant, down: bool) {
        // The level must be quiet for the whole debounce time, counted from its last change.
        self.candidate = (down != self.down_since.is_some()).then_some(at);
    }

    /// Accepts a level that has been stable for long enough.
    pub fn poll(&mut self, now: Instant) -> Option<ButtonEvent> {
        let changed_at = self.candidate.filter(|at| *at + DEBOUNCE <= now)?;
        self.candidate = None;
        Some(match self.down_since.take() {
            Some(pressed_at) => ButtonEvent::Released(changed_at - pressed_at),
            None => {
                self.down_since = Some(changed_at);
                ButtonEvent::Pressed
            }
        })
    }

    /// How far the present hold has come.
    pub fn hold(&self, now: Instant) -> Hold {
        match self.down_since {
            Some(since) if since + HOLD_ACTION <= now => Hold::Armed,
            Some(since) if since + HOLD_INDICATION <= now => Hold::Indicated,
            Some(_) | None => Hold::None,
        }
    }

    /// Whether the button counts as down.
    pub fn is_down(&self) -> bool {
        self.down_since.is_some()
    }

    /// When something about the button changes by time alone.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let marks =
            self.down_since.into_iter().flat_map(|since| [since + HOLD_INDICATION, since + HOLD_ACTION]);
        self.candidate.map(|at| at + DEBOUNCE).into_iter().chain(marks.filter(|mark| *mark > now)).min()
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn ms(value: i64) -> Instant {
        Instant::from_millis(value)
    }

    /// Plays raw edges and returns what the button reports, with the time of each report.
    #[track_caller]
    fn check(edges: &[(i64, bool)], expected: &[(i64, ButtonEvent)]) {
        let mut button = Button::default();
        let mut events = Vec::new();
        let mut edges = edges.iter().peekable();
        for now in 0..30_000 {
            while let Some((at, down)) = edges.next_if(|(at, _)| *at == now) {
                button.handle_edge(ms(*at), *down);
            }
            if let Some(event) = button.poll(ms(now)) {
                events.push((now, event));
            }
        }
        assert_eq!(events, expected);
    }

    #[test]
    fn a_clean_press_is_reported_after_the_debounce_time() {
        let held = ButtonEvent::Released(Duration::from_millis(1_000));
        check(&[(100, true), (1_100, false)], &[(125, ButtonEvent::Pressed), (1_125, held)]);
    }

    #[test]
    fn bounces_make_one_press_and_one_release() {
        let bounces = [
            (10, true),
            (12, false),
            (15, true),
            (18, false),
            (20, true),
            (500, false),
            (504, true),
            (509, false),
        ];
        let held = ButtonEvent::Released(Duration::from_millis(489));
        check(&bounces, &[(45, ButtonEvent::Pressed), (534, held)]);
    }

    #[test]
    fn a_spike_shorter_than_the_debounce_time_is_nothing() {
        check(&[(10, true), (30, false)], &[]);
    }

    #[test]
    fn a_hold_is_indicated_at_3_s_and_armed_at_10_s() {
        let mut button = Button::default();
        button.handle_edge(ms(0), true);
        assert_eq!(button.poll(ms(25)), Some(ButtonEvent::Pressed));
        let steps =
            [(2_999, Hold::None), (3_000, Hold::Indicated), (9_999, Hold::Indicated), (10_000, Hold::Armed)];
        for (at, expected) in steps {
            assert_eq!(button.hold(ms(at)), expected, "at {at} ms");
        }
        assert_eq!(button.poll_timeout(ms(25)), Some(ms(3_000)));
        assert_eq!(button.poll_timeout(ms(3_000)), Some(ms(10_000)));
        assert_eq!(button.poll_timeout(ms(10_000)), None);
    }

    #[test]
    fn beats_and_waves_follow_edgents_timing() {
        let heartbeat = state_pattern(State::Error, ms(0));
        let expected =
            [(0, 255), (79, 255), (80, 0), (180, 255), (259, 255), (260, 0), (1_259, 0), (1_260, 255)];
        for (at, level) in expected {
            assert_eq!(heartbeat.level_at(ms(at)), level, "heartbeat at {at} ms");
        }
        let running = state_pattern(State::Running, ms(1_000));
        for (at, level) in
            [(0, 0), (1_000, 0), (1_019, 2), (1_000 + 19 * 127, 254), (1_000 + 19 * 255, 0), (5_864, 0)]
        {
            assert_eq!(running.level_at(ms(at)), level, "wave at {at} ms");
        }
    }
}
