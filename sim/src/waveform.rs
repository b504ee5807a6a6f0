//! What each device's outputs and inputs were, as a waveform (VCD, IEEE 1364 section 18) for GTKWave and PulseView.
//!
//! Numbers are written as reals and never as vectors: libsigrok 0.5, on which the PulseView of today stands, gives up at
//! the first vector and only leaves out texts and reals. What it can show is a wire, so that each state is one as well.

use std::io::{self, Write};

use firmware_core::hal::RadioCommand;
use firmware_core::panel::{Colour, Pattern, PatternKind};
use firmware_core::trace::{Event, State};
use smoltcp::time::{Duration, Instant};
use vcd::{IdCode, SimulationCommand, TimescaleUnit, Value, VarType, Writer};

use crate::scenario::Scenario;
use crate::trace::{Entry, Trace, What};
use crate::world::{NodeId, flash_time};

/// How long an indicator's pattern is drawn. It repeats itself, and a lamp that breathes for fifty days would fill a
/// disk: from then on its level is shown as unknown until the next pattern.
const PATTERN_SHOWN: Duration = Duration::from_secs(60);
/// What a real takes, by the standard.
const REAL_BITS: u32 = 64;

/// A signal of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Signal {
    Power,
    /// The state's name, which GTKWave shows.
    State,
    /// Whether it is in this state.
    In(State),
    /// As the firmware feels it, after debouncing.
    Button,
    /// Whether its indicator gives any light.
    Lit,
    /// How bright its colours are, 0 to 255.
    Red,
    Green,
    Blue,
    /// How many stations are at the access point.
    ApClients,
    /// Whether a network is joined.
    Station,
    /// Whether the cloud has let the device in.
    Cloud,
    FlashBusy,
}

const SIGNALS: [Signal; 20] = [
    Signal::Power,
    Signal::State,
    Signal::In(State::Init),
    Signal::In(State::WaitConfig),
    Signal::In(State::Configuring),
    Signal::In(State::SwitchToSta),
    Signal::In(State::ConnectingNet),
    Signal::In(State::ConnectingCloud),
    Signal::In(State::Running),
    Signal::In(State::ResetConfig),
    Signal::In(State::Error),
    Signal::Button,
    Signal::Lit,
    Signal::Red,
    Signal::Green,
    Signal::Blue,
    Signal::ApClients,
    Signal::Station,
    Signal::Cloud,
    Signal::FlashBusy,
];

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::State => "state",
            Self::In(state) => state.name(),
            Self::Button => "button",
            Self::Lit => "led",
            Self::Red => "led_red",
            Self::Green => "led_green",
            Self::Blue => "led_blue",
            Self::ApClients => "ap_clients",
            Self::Station => "station",
            Self::Cloud => "cloud",
            Self::FlashBusy => "flash_busy",
        }
    }

    fn kind(self) -> VarType {
        match self {
            Self::State => VarType::String,
            Self::Red | Self::Green | Self::Blue | Self::ApClients => VarType::Real,
            Self::Power | Self::In(_) | Self::Button | Self::Lit => VarType::Wire,
            Self::Station | Self::Cloud | Self::FlashBusy => VarType::Wire,
        }
    }

    /// What it is before anything has happened.
    fn at_first(self) -> Level {
        if self == Self::State { Level::Text("OFF") } else { Level::Number(0) }
    }
}

/// What a signal is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Level {
    Number(u8),
    Text(&'static str),
    Unknown,
}

/// A signal becomes something.
struct Change {
    at: Instant,
    device: usize,
    signal: Signal,
    level: Level,
}

/// The waveform of a run. Times are in microseconds of the world.
pub fn write(scenario: &Scenario, seed: u64, trace: &Trace) -> Vec<u8> {
    let mut file = Vec::new();
    // Writing to memory does not fail.
    let _ = write_to(&mut file, scenario, seed, trace);
    file
}

fn write_to(file: &mut Vec<u8>, scenario: &Scenario, seed: u64, trace: &Trace) -> io::Result<()> {
    let mut writer = Writer::new(file);
    writer.version(concat!("hil ", env!("CARGO_PKG_VERSION")))?;
    writer.comment(&format!("{}, seed {seed}", scenario.title.replace('$', "")))?;
    writer.timescale(1, TimescaleUnit::US)?;
    let mut changes = Vec::new();
    let mut codes: Vec<Vec<IdCode>> = Vec::new();
    for (node, name) in trace.actors() {
        let NodeId::Device(device) = node else { continue };
        writer.add_module(name)?;
        let vars = SIGNALS.iter().map(|signal| {
            let bits = if signal.kind() == VarType::Real { REAL_BITS } else { 1 };
            writer.add_var(signal.kind(), bits, signal.name(), None)
        });
        codes.push(vars.collect::<Result<_, _>>()?);
        writer.upscope()?;
        let entries = trace.entries().iter().filter(|entry| entry.actor == node);
        changes.append(&mut Lane::new(device).follow(entries));
    }
    writer.enddefinitions()?;
    changes.sort_by_key(|change| change.at);
    let mut levels: Vec<[Level; SIGNALS.len()]> =
        codes.iter().map(|_| SIGNALS.map(Signal::at_first)).collect();
    writer.timestamp(0)?;
    writer.begin(SimulationCommand::Dumpvars)?;
    for (codes, levels) in codes.iter().zip(&levels) {
        for ((signal, code), level) in SIGNALS.iter().zip(codes).zip(levels) {
            write_level(&mut writer, *signal, *code, *level)?;
        }
    }
    writer.end()?;
    let mut now = 0;
    for Change { at, device, signal, level } in changes {
        let Some(place) = SIGNALS.iter().position(|other| *other == signal) else { continue };
        let Some(known) = levels.get_mut(device).and_then(|levels| levels.get_mut(place)) else { continue };
        let Some(code) = codes.get(device).and_then(|codes| codes.get(place)) else { continue };
        if *known == level {
            continue;
        }
        *known = level;
        let micros = at.total_micros().unsigned_abs();
        if micros != now {
            now = micros;
            writer.timestamp(micros)?;
        }
        write_level(&mut writer, signal, *code, level)?;
    }
    // A viewer ends where the last time stands.
    let end = trace.entries().last().map_or(0, |entry| entry.at.total_micros().unsigned_abs());
    if end > now { writer.timestamp(end) } else { Ok(()) }
}

fn write_level(
    writer: &mut Writer<&mut Vec<u8>>,
    signal: Signal,
    code: IdCode,
    level: Level,
) -> io::Result<()> {
    match (level, signal.kind()) {
        (Level::Text(text), _) => writer.change_string(code, text),
        (Level::Unknown, VarType::Real) => writeln!(writer.writer(), "rnan {code}"),
        (Level::Unknown, _) => writer.change_scalar(code, Value::X),
        // The library asks for a float, and there is none in this project.
        (Level::Number(number), VarType::Real) => writeln!(writer.writer(), "r{number} {code}"),
        (Level::Number(number), _) => writer.change_scalar(code, number != 0),
    }
}

/// One device's signals, followed through what it told.
struct Lane {
    device: usize,
    changes: Vec<Change>,
    clients: u8,
    /// The pattern that is shown, and since when by the world's time.
    pattern: Option<(Instant, Pattern)>,
}

impl Lane {
    fn new(device: usize) -> Self {
        Self { device, changes: Vec::new(), clients: 0, pattern: None }
    }

    fn follow<'t>(mut self, entries: impl Iterator<Item = &'t Entry>) -> Vec<Change> {
        let mut last = Instant::ZERO;
        for entry in entries {
            last = entry.at;
            self.take(entry.at, &entry.what);
        }
        self.draw_pattern(last);
        self.changes
    }

    fn take(&mut self, at: Instant, what: &What) {
        match what {
            What::PowerOn => self.set(at, Signal::Power, 1),
            What::PowerOff | What::PowerCut => {
                self.go_dark(at);
                self.set(at, Signal::Power, 0);
            }
            What::Brownout | What::Watchdog | What::Device(Event::Rebooting) => self.go_dark(at),
            What::Pattern(pattern) => {
                self.draw_pattern(at);
                self.pattern = Some((at, *pattern));
            }
            What::Flash(operation) => {
                self.set(at - flash_time(*operation), Signal::FlashBusy, 1);
                self.set(at, Signal::FlashBusy, 0);
            }
            What::Radio(RadioCommand::Off | RadioCommand::StartAp { .. }) => {
                self.set_clients(at, 0);
                self.set(at, Signal::Station, 0);
            }
            What::Device(event) => self.take_event(at, event),
            _ => {}
        }
    }

    fn take_event(&mut self, at: Instant, event: &Event) {
        match event {
            Event::Booted(_) => self.enter(at, State::Init),
            Event::State { to, .. } => self.enter(at, *to),
            Event::ClientJoined(_) => self.set_clients(at, self.clients.saturating_add(1)),
            Event::ClientLeft(_) => self.set_clients(at, self.clients.saturating_sub(1)),
            Event::ApDown => self.set_clients(at, 0),
            Event::Joined(_) => self.set(at, Signal::Station, 1),
            Event::Disconnected(_) => self.set(at, Signal::Station, 0),
            Event::ButtonPressed => self.set(at, Signal::Button, 1),
            Event::ButtonReleased(_) => self.set(at, Signal::Button, 0),
            _ => {}
        }
    }

    fn enter(&mut self, at: Instant, state: State) {
        self.push(at, Signal::State, Level::Text(state.name()));
        for signal in SIGNALS {
            if let Signal::In(other) = signal {
                self.set(at, signal, u8::from(other == state));
            }
        }
        self.set(at, Signal::Cloud, u8::from(state == State::Running));
    }

    /// The processor stops: nothing is lit, joined or felt any more.
    fn go_dark(&mut self, at: Instant) {
        self.draw_pattern(at);
        self.clients = 0;
        for signal in SIGNALS.into_iter().filter(|signal| *signal != Signal::Power) {
            self.push(at, signal, signal.at_first());
        }
    }

    fn set_clients(&mut self, at: Instant, count: u8) {
        self.clients = count;
        self.set(at, Signal::ApClients, count);
    }

    /// Draws the pattern that has been shown until now.
    fn draw_pattern(&mut self, until: Instant) {
        let Some((from, pattern)) = self.pattern.take() else { return };
        let shown_until = until.min(from + PATTERN_SHOWN);
        let (mut at, mut beat) = (from, 0);
        while at < shown_until {
            let level = u16::from(pattern.level_at(pattern.since + (at - from)));
            let Colour { red, green, blue } = pattern.colour;
            self.set(at, Signal::Lit, u8::from(level > 0));
            for (signal, part) in [(Signal::Red, red), (Signal::Green, green), (Signal::Blue, blue)] {
                // The level is a part of 255.
                self.set(at, signal, (u16::from(part) * level / 255) as u8);
            }
            at += step_of(pattern.kind, beat);
            beat += 1;
        }
        if shown_until < until {
            for signal in [Signal::Lit, Signal::Red, Signal::Green, Signal::Blue] {
                self.push(shown_until, signal, Level::Unknown);
            }
        }
    }

    fn set(&mut self, at: Instant, signal: Signal, number: u8) {
        self.push(at, signal, Level::Number(number));
    }

    fn push(&mut self, at: Instant, signal: Signal, level: Level) {
        self.changes.push(Change { at, device: self.device, signal, level });
    }
}

/// How long a pattern stays at its level from its `beat`th step on.
fn step_of(kind: PatternKind, beat: usize) -> Duration {
    let ms = match kind {
        PatternKind::Beat(beats) => beats.get(beat % beats.len()).copied().unwrap_or(0),
        PatternKind::Wave(step_ms) => step_ms,
    };
    Duration::from_millis(u64::from(ms.max(1)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vcd::{Command, Parser, ScopeItem};

    use super::*;
    use crate::runner::{DEFAULT_SEED, Harness, run};

    const STORY: &str = "format: 1
title: A setup and a press for $1
world:
  routers: [{ name: home, ssid: HomeNet, password: correct horse }]
  devices: [{ name: lamp }, { name: heater }]
steps:
  - { who: lamp, power: on }
  - phone: { provision: { device: lamp, network: home } }
  - { who: lamp, button: { hold: 4s } }
  - wait: 3m
  - { who: lamp, power: off }
";

    /// Each signal's changes as text, by scope and name.
    fn parse(bytes: &[u8]) -> BTreeMap<String, Vec<(u64, String)>> {
        let mut parser = Parser::new(bytes);
        let header = parser.parse_header().expect("the header can be read");
        assert_eq!(header.timescale, Some((1, TimescaleUnit::US)));
        let mut names = BTreeMap::new();
        for item in &header.items {
            let ScopeItem::Scope(scope) = item else { continue };
            for item in &scope.items {
                let ScopeItem::Var(var) = item else { continue };
                names.insert(var.code, format!("{}.{}", scope.identifier, var.reference));
            }
        }
        let mut changes: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
        let mut now = 0;
        for command in parser {
            let (code, text) = match command.expect("each line can be read") {
                Command::Timestamp(at) => {
                    assert!(at >= now, "time goes on");
                    now = at;
                    continue;
                }
                Command::ChangeScalar(code, value) => (code, value.to_string()),
                Command::ChangeReal(code, number) => (code, number.to_string()),
                Command::ChangeString(code, text) => (code, text),
                Command::Begin(_) | Command::End(_) => continue,
                other => panic!("nobody writes {other:?}"),
            };
            changes.entry(names[&code].clone()).or_default().push((now, text));
        }
        changes
    }

    #[test]
    fn the_waveform_says_what_the_trace_says() {
        let scenario = Scenario::parse("story.yaml", STORY).unwrap_or_else(|error| panic!("{error}"));
        let outcome = run(&scenario, &Harness::EXAMPLE, DEFAULT_SEED);
        assert_eq!(outcome.failure, None);
        let changes = parse(&write(&scenario, DEFAULT_SEED, &outcome.trace));
        assert_eq!(changes.len(), 2 * SIGNALS.len());
        // What was never switched on stays as it was.
        assert!(changes.iter().all(|(name, all)| name.starts_with("lamp.") || all.len() == 1));

        let entries = outcome.trace.entries();
        let at_of = |wanted: &dyn Fn(&What) -> bool| {
            let entry = entries.iter().find(|entry| wanted(&entry.what)).expect("it happened");
            entry.at.total_micros().unsigned_abs()
        };
        let running = at_of(&|what| matches!(what, What::Device(Event::State { to: State::Running, .. })));
        let states: Vec<&str> = changes["lamp.state"].iter().map(|(_, state)| state.as_str()).collect();
        assert_eq!(
            states,
            [
                "OFF",
                "INIT",
                "WAIT_CONFIG",
                "CONFIGURING",
                "SWITCH_TO_STA",
                "OFF",
                "INIT",
                "CONNECTING_NET",
                "CONNECTING_CLOUD",
                "RUNNING",
                "OFF"
            ]
        );
        assert!(changes["lamp.state"].contains(&(running, "RUNNING".to_owned())));
        assert_eq!(changes["lamp.cloud"][1], (running, "1".to_owned()));
        assert_eq!(changes["lamp.RUNNING"][1], (running, "1".to_owned()));
        assert_eq!(changes["lamp.WAIT_CONFIG"].len(), 3);
        let numbers: Vec<&str> = changes["lamp.ap_clients"].iter().map(|(_, count)| count.as_str()).collect();
        assert_eq!(numbers, ["0", "1", "0"]);
        let button: Vec<u64> = changes["lamp.button"].iter().map(|(at, _)| *at).collect();
        // The trace says how long the press was: debouncing makes both ends late by the same time.
        assert_eq!(button[2] - button[1], 4_000_000);
        // An erased flash is programmed with a record and three marks.
        assert_eq!(changes["lamp.flash_busy"].len(), 1 + 2 * 4);
        // Breathing in green, and unknown from a minute on.
        let green = &changes["lamp.led_green"];
        assert!(green.iter().any(|(_, level)| level == "254"), "at its brightest");
        assert!(green.iter().any(|(at, level)| level == "NaN" && *at > running + 60_000_000));
    }
}
