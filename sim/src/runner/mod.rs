//! Runs a scenario in the simulated world: builds the world, carries out the steps, checks what is expected.

mod arm;
mod build;
mod changes;
pub mod cuts;
mod expect;
mod flash;
pub mod invariants;
mod mend;
pub mod open;
mod steps;
#[cfg(test)]
mod tests;

use std::fmt;

use firmware_core::Instant;
use firmware_core::application::thermostat::Thermostat;
use firmware_core::application::{Application, InternalVerb};
use firmware_core::cloud::codec::Params;
use firmware_core::cloud::outgoing::Outgoing;
use firmware_core::hal::RadioCommand;
use firmware_core::product::Product;
use firmware_core::trace::Event;
use smoltcp::time::Duration;

use crate::capture::{Capture, Recording};
use crate::flash_view::FlashView;
use crate::scenario::{Scenario, Step};
use crate::target::{Sim, Target};
use crate::text::printable;
use crate::trace::{Trace, What};
use crate::world::{self, NodeId, WorldError};
use arm::Pending;
use build::Stage;
use invariants::{Broken, Invariant, NO_SECRET_TOLD};

/// The seed of a run that names none, at which stories and exact traces are compared.
pub const DEFAULT_SEED: u64 = 1;

/// Bytes that a run of usual length says, beside what is printed.
const SAID_LEN_USUAL: usize = 4 * 1_024;

/// What is tested: a product and its own code. A user's harness is a `main` that hands hers over.
#[derive(Clone, Copy)]
pub struct Harness {
    /// The product; a scenario may change its fields.
    pub product: Product,
    /// Makes the product's code at each boot.
    pub application: fn() -> BoxedApplication,
}

impl Harness {
    /// The example product: a room thermostat.
    pub const EXAMPLE: Self = Self {
        product: crate::scenario::DEFAULT_PRODUCT,
        application: || BoxedApplication(Box::new(Thermostat::new())),
    };
}

/// A product's code whose type the simulator does not know.
pub struct BoxedApplication(pub Box<dyn Application>);

impl Application for BoxedApplication {
    fn on_connected(&mut self, now: Instant, out: &mut Outgoing<'_>) {
        self.0.on_connected(now, out);
    }

    fn on_virtual_write(&mut self, now: Instant, pin: u8, values: Params<'_>, out: &mut Outgoing<'_>) {
        self.0.on_virtual_write(now, pin, values, out);
    }

    fn on_internal(&mut self, now: Instant, verb: InternalVerb, values: Params<'_>, out: &mut Outgoing<'_>) {
        self.0.on_internal(now, verb, values, out);
    }

    fn on_disconnected(&mut self, now: Instant) {
        self.0.on_disconnected(now);
    }

    fn poll(&mut self, now: Instant, out: &mut Outgoing<'_>) -> Option<Instant> {
        self.0.poll(now, out)
    }
}

/// What a run led to.
pub struct Outcome {
    /// Everything that happened.
    pub trace: Trace,
    /// How much virtual time passed.
    pub elapsed: Duration,
    /// How many of the things that were armed have happened.
    pub happened: usize,
    /// Every frame, of a run that was recorded.
    pub recording: Option<Recording>,
    /// Why the scenario failed, if it did.
    pub failure: Option<Failure>,
}

impl Outcome {
    /// A run that could not begin.
    fn failed(why: String) -> Self {
        let failure = Failure::of_the_run(why, None);
        Self {
            trace: Trace::default(),
            elapsed: Duration::ZERO,
            happened: 0,
            recording: None,
            failure: Some(failure),
        }
    }
}

/// Why a scenario failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The step, from 1; 0 when the run as a whole is at fault.
    pub step: usize,
    /// The step's line in its file; 0 when the run as a whole is at fault.
    pub line: u32,
    /// What the step says.
    pub what: String,
    /// What was wrong with it.
    pub why: String,
    /// The invariant that was broken, if one was.
    pub invariant: Option<&'static Invariant>,
    /// Whether the simulation itself could not go on.
    pub is_of_the_world: bool,
}

impl Failure {
    fn of(number: usize, step: &Step, why: &StepError) -> Self {
        let invariant = match why {
            StepError::Broken(broken) => Some(broken.invariant),
            StepError::Unmet(_) | StepError::World(_) | StepError::Ended => None,
        };
        let is_of_the_world = matches!(why, StepError::World(_));
        let (what, why) = (step.describe(), why.to_string());
        Self { step: number, line: step.line, what, why, invariant, is_of_the_world }
    }

    /// No step is at fault.
    fn of_the_run(why: String, invariant: Option<&'static Invariant>) -> Self {
        Self { step: 0, line: 0, what: String::new(), why, invariant, is_of_the_world: invariant.is_none() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.step == 0 {
            return write!(f, "{}", self.why);
        }
        write!(f, "step {} (line {}), {}: {}", self.step, self.line, self.what, self.why)
    }
}

/// Runs a scenario. The same scenario and seed give the same trace, byte for byte.
pub fn run(scenario: &Scenario, harness: &Harness, seed: u64) -> Outcome {
    run_on(&Sim, scenario, harness, seed, &mut |_| true)
}

/// Runs a scenario with its devices somewhere, and calls `watch` with the present time after each thing that
/// happens, which may wait a while so that a person can follow. `false` ends the run.
pub fn run_on(
    target: &dyn Target,
    scenario: &Scenario,
    harness: &Harness,
    seed: u64,
    watch: &mut dyn FnMut(Instant) -> bool,
) -> Outcome {
    play(scenario, Stage::build(target, scenario, harness, seed), watch)
}

/// Runs a scenario as [`run_on`] does, and keeps every frame.
pub fn record_on(
    target: &dyn Target,
    scenario: &Scenario,
    harness: &Harness,
    seed: u64,
    watch: &mut dyn FnMut(Instant) -> bool,
) -> Outcome {
    let stage = Stage::build(target, scenario, harness, seed).map(|mut stage| {
        stage.world.capture = Some(Box::default());
        stage
    });
    play(scenario, stage, watch)
}

/// Runs a scenario on a stage; there is none when a device could not be had.
fn play(
    scenario: &Scenario,
    stage: Result<Stage, String>,
    watch: &mut dyn FnMut(Instant) -> bool,
) -> Outcome {
    let stage = match stage {
        Ok(stage) => stage,
        Err(why) => return Outcome::failed(why),
    };
    let mut look = |stage: &mut Stage| watch(stage.world.now());
    let mut runner = Runner::new(scenario, stage, &mut look);
    let failure = runner.play().err().or_else(|| runner.check_armed());
    let elapsed = runner.stage.world.now() - Instant::ZERO;
    let happened = runner.happened;
    let recording = runner.stage.world.capture.take().map(|capture| finish(*capture, &mut runner.stage));
    let mut trace = runner.stage.world.trace;
    trace.sort();
    // A secret that is told is worse than a step that fails.
    let failure = check_secrets(&trace, &runner.stage.secrets).or(failure);
    Outcome { trace, elapsed, happened, recording, failure }
}

/// What has been recorded, without the secrets that the run knows.
fn finish(capture: Capture, stage: &mut Stage) -> Recording {
    let texts = stage.secrets.iter().map(|secret| secret.as_bytes().to_vec());
    let secrets: Vec<_> = texts.chain(stage.raw_secrets.iter().cloned()).collect();
    let devices = stage.world.devices.iter_mut().enumerate();
    let flash = devices.filter_map(|(device, node)| {
        // A device that cannot be reached shows nothing.
        node.executor.flash().ok().map(|content| FlashView::new(device, &content, &secrets))
    });
    let flash = flash.collect();
    capture.finish(&secrets, flash)
}

/// No secret may appear in anything that a run says.
fn check_secrets(trace: &Trace, secrets: &[String]) -> Option<Failure> {
    let tells = |text: &str| secrets.iter().any(|secret| text.contains(secret.as_str()));
    // One search through all that was said costs much less than one through each entry.
    let mut said = String::with_capacity(SAID_LEN_USUAL);
    for entry in trace.entries() {
        say(&entry.what, &mut said);
    }
    if !tells(&said) && !tells(trace.all_printed()) {
        return None;
    }
    let who = trace.entries().iter().find(|entry| match &entry.what {
        What::Console(line) => tells(trace.printed(*line)),
        what => {
            said.clear();
            say(what, &mut said);
            tells(&said)
        }
    });
    let who = who.map_or("?", |entry| trace.name(entry.actor));
    let why = NO_SECRET_TOLD.broken(format!("one appears in what {who} says")).to_string();
    Some(Failure::of_the_run(why, Some(&NO_SECRET_TOLD)))
}

/// Adds the texts of an entry that came from outside, each with the end of a line, which no secret contains. What is
/// made of closed lists and numbers cannot hold a secret and is left out, and what is printed is all in one place.
fn say(what: &What, said: &mut String) {
    let mut say = |text: &str| {
        said.push_str(text);
        said.push('\n');
    };
    match what {
        What::Device(Event::ApUp(ssid) | Event::Joined(ssid))
        | What::Radio(
            RadioCommand::Scan { probe: Some(ssid) }
            | RadioCommand::StartAp { ssid, .. }
            | RadioCommand::Join { ssid, .. },
        ) => {
            say(&printable(ssid.as_bytes()));
        }
        What::Device(Event::Connecting { host, .. } | Event::Redirected(host, _)) => say(host),
        What::Phone(event) => event.text().into_iter().for_each(say),
        What::Router(event) => event.text().into_iter().for_each(say),
        What::Cloud(event) => event.texts().into_iter().flatten().for_each(say),
        What::Radio(RadioCommand::Off | RadioCommand::Scan { probe: None }) => {}
        What::Device(_) | What::Pattern(_) | What::Flash(_) | What::Console(_) => {}
        What::PowerOn | What::PowerOff | What::PowerCut => {}
        What::Brownout | What::Watchdog | What::FrameMissed | What::Step(_) | What::Fired(_) => {}
    }
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error("{0}")]
    Unmet(String),
    #[error(transparent)]
    World(#[from] WorldError),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("the run was ended")]
    Ended,
}

struct Runner<'a> {
    scenario: &'a Scenario,
    stage: Stage,
    /// Looks on after each thing that happens; `false` ends the run.
    look: &'a mut dyn FnMut(&mut Stage) -> bool,
    /// What is armed at each device.
    pending: Vec<Vec<Pending>>,
    /// How much of what was armed has happened.
    happened: usize,
    /// Entries of the trace when the step before the present one began.
    previous_step_from: usize,
    step_from: usize,
    /// The present step, from 1.
    step_number: usize,
    /// What each phone has under way.
    begun: Vec<Option<Begun>>,
    /// Whether what the flash is armed with is not the story's and stays when the story arms something else.
    keeps_flash_armed: bool,
}

/// What a phone does until it is done, or until the limit passes.
struct Begun {
    step: usize,
    give_up_at: Instant,
    /// The status it must be answered with.
    status: Option<u16>,
}

impl<'a> Runner<'a> {
    fn new(scenario: &'a Scenario, stage: Stage, look: &'a mut dyn FnMut(&mut Stage) -> bool) -> Self {
        let begun = scenario.world.phones.iter().map(|_| None).collect();
        let pending = vec![Vec::new(); scenario.world.devices.len()];
        Self {
            scenario,
            stage,
            look,
            pending,
            happened: 0,
            previous_step_from: 0,
            step_from: 0,
            step_number: 0,
            begun,
            keeps_flash_armed: false,
        }
    }

    /// Carries out every step, and waits for what the phones have begun.
    fn play(&mut self) -> Result<(), Failure> {
        let scenario = self.scenario;
        for (index, step) in scenario.steps.iter().enumerate() {
            let number = index + 1;
            let at = self.stage.world.now();
            let actor = self.node(step.actor.as_ref());
            self.stage.world.trace.push(at, actor.unwrap_or(NodeId::Device(0)), What::Step(number));
            if let Some(capture) = &mut self.stage.world.capture {
                capture.begin_step(number);
            }
            match self.step(number, step, actor) {
                Ok(()) => {}
                Err(StepError::Unmet(_)) if step.may_fail => {}
                Err(why) => return Err(Failure::of(number, step, &why)),
            }
        }
        self.finish_phones().map_err(|(number, why)| {
            match number.checked_sub(1).and_then(|place| scenario.steps.get(place)) {
                Some(step) => Failure::of(number, step, &why),
                None => Failure::of_the_run(why.to_string(), None),
            }
        })
    }

    fn step(&mut self, number: usize, step: &Step, actor: Option<NodeId>) -> Result<(), StepError> {
        self.step_number = number;
        self.previous_step_from = self.step_from;
        self.step_from = self.stage.world.trace.entries().len();
        self.run_verb(step, actor)
    }

    /// Lets things happen until `done` says so or the limit passes; returns whether `done` said so.
    fn run_until(
        &mut self,
        limit: Instant,
        mut done: impl FnMut(&mut Stage) -> bool,
    ) -> Result<bool, StepError> {
        loop {
            if done(&mut self.stage) {
                return Ok(true);
            }
            match self.stage.world.step(limit)? {
                world::Step::Happened => {
                    self.stage.note_flash()?;
                    self.stage.check_storm()?;
                    self.fire_armed()?;
                }
                world::Step::LimitReached | world::Step::NothingPending => return Ok(done(&mut self.stage)),
            }
            if !(self.look)(&mut self.stage) {
                return Err(StepError::Ended);
            }
        }
    }
}
