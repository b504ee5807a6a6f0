//! The scenarios that are measured.

use std::path::Path;

use firmware_core::Instant;
use firmware_core::application::Application;
use firmware_core::cloud::codec::Params;
use firmware_core::cloud::outgoing::Outgoing;
use firmware_core::random::fnv1a64;
use hil_sim::explore::Explorer;
use hil_sim::runner::cuts::Cuts;
use hil_sim::runner::{BoxedApplication, DEFAULT_SEED, Harness, Outcome, record_on, run, run_on};
use hil_sim::scenario::{Power, Scenario, Verb};
use hil_sim::target::{Sim, Target};
use hil_sim::trace_file::{self, Run};
use hil_sim::{page, waveform};

/// A product whose code does nothing.
pub(crate) const SILENT: Harness =
    Harness { application: || BoxedApplication(Box::new(Silent)), ..Harness::EXAMPLE };
/// The example product, which reports each minute.
pub(crate) const THERMOSTAT: Harness = Harness::EXAMPLE;

/// How long a device is online.
#[derive(Clone, Copy)]
pub(crate) enum Length {
    OneDay,
    FiftyDays,
}

/// A scenario and the product in it.
pub(crate) struct Case {
    scenario: Scenario,
    harness: Harness,
}

impl Case {
    fn new(file: &str, text: &str, harness: Harness) -> Self {
        let scenario = Scenario::parse(file, text).unwrap_or_else(|error| panic!("{error}"));
        Self { scenario, harness }
    }

    /// Runs the scenario, which must pass: a failed run costs something else.
    pub(crate) fn run(&self) -> Outcome {
        self.run_on(&Sim)
    }

    /// Runs the scenario once for every power cut, each of which must do no harm; returns how many there are.
    pub(crate) fn every_cut(&self, noises: u32) -> u64 {
        let survey = Cuts::survey(&self.scenario, &self.harness, DEFAULT_SEED);
        let survey = survey.unwrap_or_else(|error| panic!("{}: {error}", self.scenario.title));
        let mut count = 0;
        for operation in survey.operations() {
            for point in Cuts::points(operation, noises) {
                count += 1;
                assert_eq!(survey.run(operation, point).failure, None, "{point}");
            }
        }
        count
    }

    /// Runs the scenario with every frame kept.
    pub(crate) fn record(&self) -> Outcome {
        record_on(&Sim, &self.scenario, &self.harness, DEFAULT_SEED, &mut |_| true)
    }

    /// Writes everything that a run leaves behind into a folder; returns how many bytes that are.
    pub(crate) fn write_evidence(&self, outcome: &Outcome, folder: &Path) -> usize {
        let Outcome { trace, elapsed, recording, .. } = outcome;
        let trace_file = trace_file::write(&Run {
            scenario: &self.scenario,
            seed: DEFAULT_SEED,
            target: "sim",
            replay: "",
            trace,
            elapsed: *elapsed,
            fault: None,
        });
        let recording = recording.as_ref().expect("it was recorded");
        let page = page::write(&self.scenario, trace, &trace_file, Some(recording));
        let files = [
            ("report.html", page.into_bytes()),
            ("trace.jsonl", trace_file.into_bytes()),
            ("waveform.vcd", waveform::write(&self.scenario, DEFAULT_SEED, trace)),
            ("capture.pcapng", recording.to_pcapng(&self.scenario, DEFAULT_SEED, trace)),
        ];
        files.iter().for_each(|(name, content)| {
            std::fs::write(folder.join(name), content).expect("a temporary file");
        });
        files.iter().map(|(_, content)| content.len()).sum()
    }

    /// Runs the scenario with its devices there.
    pub(crate) fn run_on(&self, target: &dyn Target) -> Outcome {
        let outcome = run_on(target, &self.scenario, &self.harness, DEFAULT_SEED, &mut |_| true);
        if let Some(failure) = &outcome.failure {
            panic!("{}: {failure}", self.scenario.title);
        }
        outcome
    }
}

/// The first setup with the app's whole flow, until the device is online and stored.
pub(crate) fn first_setup() -> Case {
    let mut case = Case::new(
        "first-setup.yaml",
        include_str!("../../../scenarios/cases/setup/first-setup.yaml"),
        THERMOSTAT,
    );
    let is_cycle = |verb: &Verb| matches!(verb, Verb::Power(Power::Cycle));
    let end = case.scenario.steps.iter().position(|step| is_cycle(&step.verb));
    case.scenario.steps.truncate(end.expect("the case ends with a power cycle"));
    case
}

/// A first setup and a reset by the button, which erases a sector.
pub(crate) fn reset() -> Case {
    Case::new(
        "button-reset.yaml",
        include_str!("../../../scenarios/cases/user/button-reset.yaml"),
        THERMOSTAT,
    )
}

/// The first setup with faults that seeds draw.
pub(crate) fn explorer() -> Explorer<'static> {
    let text = include_str!("../../../scenarios/cases/setup/first-setup.yaml");
    Explorer::new("first-setup.yaml", text, &THERMOSTAT).unwrap_or_else(|error| panic!("{error}"))
}

/// The first setup without what the app says to the cloud, but for the token: it does not ask whether the
/// device is online, and gives it no name.
pub(crate) fn device_alone() -> Case {
    let steps = "
  - power: on
  - expect: { device: wait-config, ap: up, store: empty, within: 5s }
  - phone: join
  - phone: board-info
  - phone: scan
  - phone: { configure: { network: home } }
  - phone: leave
  - expect: { device: running, ap: down, joined: home, cloud: online, store: valid, within: 60s }
";
    let text = format!("{TOKEN_ONLY}{}", steps.trim_start_matches('\n'));
    Case::new("device-alone.yaml", &text, THERMOSTAT)
}

/// The world of [`device_alone`], in which the phone gets its token.
pub(crate) fn token_only() -> Case {
    Case::new("token-only.yaml", TOKEN_ONLY, THERMOSTAT)
}

const TOKEN_ONLY: &str = "format: 1
title: First setup without the app's polling
world:
  routers:
    - { name: home, ssid: HomeNet, password: correct horse, channel: 6, rssi: -52 }
    - { name: neighbour, ssid: Next Door, password: none of yours, channel: 11, rssi: -78 }
steps:
  - phone: get-token
";

/// The world of the first setup, without its story.
pub(crate) fn nothing_happens() -> Case {
    let mut case = first_setup();
    case.scenario.steps.clear();
    case
}

pub(crate) fn router_outage() -> Case {
    Case::new(
        "router-outage.yaml",
        include_str!("../../../scenarios/cases/network/router-outage.yaml"),
        THERMOSTAT,
    )
}

pub(crate) fn counter_wrap() -> Case {
    Case::new(
        "counter-wrap.yaml",
        include_str!("../../../scenarios/cases/power/counter-wrap.yaml"),
        THERMOSTAT,
    )
}

/// A device that is set up and then stays online.
pub(crate) fn online(length: Length, harness: Harness) -> Case {
    let days = match length {
        Length::OneDay => 1,
        Length::FiftyDays => 50,
    };
    let text = format!(
        "format: 1
title: Online for long
world:
  routers:
    - {{ name: home, ssid: HomeNet, password: correct horse }}
steps:
  - power: on
  - phone: {{ provision: {{ network: home }} }}
  - wait: {days}d
  - expect: {{ cloud: online }}
"
    );
    Case::new("online.yaml", &text, harness)
}

/// Prints the hash of every case's trace, and whether the case passes.
pub(crate) fn print_hashes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/cases");
    let files = |folder: &Path| {
        let entries = std::fs::read_dir(folder).expect("the cases are there");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
        paths.sort();
        paths
    };
    let paths: Vec<_> = files(&folder).iter().flat_map(|layer| files(layer)).collect();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml")) {
        let scenario = Scenario::load(path).unwrap_or_else(|error| panic!("{error}"));
        let Outcome { trace, failure, .. } = run(&scenario, &THERMOSTAT, DEFAULT_SEED);
        let name = path.file_name().unwrap_or_default().display();
        let failure = failure.map_or(String::new(), |failure| format!("  FAILED {failure}"));
        let story = fnv1a64(trace.story().as_bytes());
        println!(
            "{:016x}  story {story:016x}  {:>6} frames  {name}{failure}",
            trace.hash(),
            trace.frame_count()
        );
    }
}

struct Silent;

impl Application for Silent {
    fn on_connected(&mut self, _now: Instant, _out: &mut Outgoing<'_>) {}

    fn on_virtual_write(&mut self, _now: Instant, _pin: u8, _values: Params<'_>, _out: &mut Outgoing<'_>) {}
}
