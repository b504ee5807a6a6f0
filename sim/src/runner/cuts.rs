//! Every power cut of a story: the same story again and again, and each time the device's power goes at another byte
//! of another flash operation. Then it gets its power back, all faults end, and the invariants must hold.

use std::fmt;
use std::str::FromStr;

use firmware_core::Instant;
use firmware_core::config::{
    Config, DEFAULT_HOST, DEFAULT_PORT, Host, Passphrase, ProvisionError, Ssid, TOKEN_LEN, Token,
};
use firmware_core::random::SplitMix64;
use firmware_core::store::{Loaded, Store, Trial};
use hil_link::cut_flash::{ArrayFlash, Boundary, Cut, FlashOperationKind};
use smoltcp::time::Duration;

use super::build::Stage;
use super::invariants::{OLD_OR_NEW, WRITABLE_AGAIN};
use super::{Harness, Runner, StepError};
use crate::executor::FLASH_LEN;
use crate::scenario::{Armed, Scenario, Verb};
use crate::target::Sim;
use crate::trace::{Trace, What};
use crate::world::NodeId;

/// How long a device may take until it is at rest after a cut: three attempts of a trial that cannot succeed, each
/// with its rounds and its restart, take about five minutes.
const SETTLE_LIMIT: Duration = Duration::from_secs(1_800);

/// An erase or program of the story without a cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// Whose flash: the device's number.
    pub device: usize,
    /// Which of its operations, from 1.
    pub number: u32,
    /// What was done.
    pub kind: FlashOperationKind,
    /// How many bytes.
    pub len: u32,
    /// When.
    pub at: Instant,
    /// The step of the scenario, from 1, during which it was done.
    pub step: usize,
    /// What the flash held before the turn in which it was done, and after.
    held: [Held; 2],
}

/// What flash holds, as the next boot would see it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Held {
    trial: Option<Trial>,
    valid: Option<Config>,
    last_error: Option<ProvisionError>,
}

impl From<&Loaded> for Held {
    fn from(loaded: &Loaded) -> Self {
        let Loaded { trial, valid, last_error, .. } = loaded.clone();
        Self { trial, valid, last_error }
    }
}

/// Where in an operation power goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// At rest, before its first byte.
    Before,
    /// Just as it has begun.
    Begun,
    /// So many of its bytes are done; the next one is torn unless it was the last.
    After(u32),
}

/// One cut: which operation, where in it, and what the torn byte or sector holds then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CutPoint {
    /// The device's operation, from 1.
    pub operation: u32,
    /// Where in it.
    pub place: Place,
    /// Which of many possible contents the interrupted byte or sector is left with.
    pub noise: u32,
}

impl fmt::Display for CutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, place, noise } = self;
        match place {
            Place::Before => write!(f, "{operation}:before:{noise}"),
            Place::Begun => write!(f, "{operation}:begun:{noise}"),
            Place::After(bytes) => write!(f, "{operation}:{bytes}:{noise}"),
        }
    }
}

impl FromStr for CutPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "a cut is OPERATION:BYTES:NOISE such as 2:17:0, with `before` or `begun` in place of the bytes"
                .to_owned()
        };
        let mut parts = text.split(':');
        let (Some(operation), Some(place), Some(noise), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
        let place = match place {
            "before" => Place::Before,
            "begun" => Place::Begun,
            bytes => Place::After(number(bytes)?),
        };
        match number(operation)? {
            0 => Err(wrong()),
            operation => Ok(Self { operation, place, noise: number(noise)? }),
        }
    }
}

/// What one cut led to.
pub struct CutOutcome {
    /// Everything that happened.
    pub trace: Trace,
    /// The invariant that does not hold, in words without secrets.
    pub failure: Option<String>,
}

/// Why a story's cuts cannot be tried.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CutsError {
    /// It fails as it is.
    #[error("without any cut the story fails: {0}")]
    Fails(String),
    /// It cuts the power of a flash itself.
    #[error("the story arms a fault of the flash itself (line {0}), and a flash has one cut at a time")]
    HasItsOwn(u32),
    /// Nothing is written.
    #[error("no device writes its flash in this story")]
    WritesNothing,
}

/// What a story writes to flash, and all that a cut needs to be judged.
pub struct Cuts<'a> {
    scenario: &'a Scenario,
    harness: &'a Harness,
    seed: u64,
    operations: Vec<Operation>,
}

impl<'a> Cuts<'a> {
    /// Runs a story without a cut and notes what it writes.
    ///
    /// # Errors
    /// When there is nothing to cut, or the story is not sound by itself.
    pub fn survey(scenario: &'a Scenario, harness: &'a Harness, seed: u64) -> Result<Self, CutsError> {
        let own = scenario.steps.iter().find(|step| {
            matches!(&step.verb, Verb::Arm(arm) if matches!(arm.what, Armed::Cut(_) | Armed::EraseFailure))
        });
        if let Some(step) = own {
            return Err(CutsError::HasItsOwn(step.line));
        }
        let mut operations = Vec::new();
        let mut held = vec![Held::default(); scenario.world.devices.len()];
        let mut seen = 0;
        let mut step = 0;
        let mut look = |stage: &mut Stage| {
            let written: Vec<_> = stage.world.trace.entries()[seen..]
                .iter()
                .filter_map(|entry| match (&entry.what, entry.actor) {
                    (What::Step(number), _) => {
                        step = *number;
                        None
                    }
                    (What::Flash(operation), NodeId::Device(device)) => {
                        Some((device, *operation, entry.at, step))
                    }
                    _ => None,
                })
                .collect();
            seen = stage.world.trace.entries().len();
            for (device, held) in held.iter_mut().enumerate() {
                if let Some(changed) = stage.changed_outside.get_mut(device).and_then(Option::take) {
                    *held = Held::from(&changed);
                }
                let mut of_device = written.iter().filter(|(owner, ..)| *owner == device).peekable();
                if of_device.peek().is_none() {
                    continue;
                }
                let after = stage.stored(device).map(Held::from).unwrap_or_default();
                let before = std::mem::replace(held, after);
                for (_, operation, at, step) in of_device {
                    operations.push(Operation {
                        device,
                        number: 0,
                        kind: operation.kind,
                        len: operation.len,
                        at: *at,
                        step: *step,
                        held: [before.clone(), held.clone()],
                    });
                }
            }
            true
        };
        let stage = Stage::build(&Sim, scenario, harness, seed).map_err(CutsError::Fails)?;
        let mut runner = Runner::new(scenario, stage, &mut look);
        let failure = runner.play().err().or_else(|| runner.check_armed());
        if let Some(failure) = failure {
            return Err(CutsError::Fails(failure.to_string()));
        }
        for device in 0..scenario.world.devices.len() {
            let of_device =
                operations.iter_mut().filter(|operation: &&mut Operation| operation.device == device);
            of_device.zip(1..).for_each(|(operation, number)| operation.number = number);
        }
        if operations.is_empty() {
            return Err(CutsError::WritesNothing);
        }
        Ok(Self { scenario, harness, seed, operations })
    }

    /// What the story writes.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Every point of one operation: before it, as it begins, behind each of its bytes; where something is torn, with
    /// each of so many noises.
    pub fn points(operation: &Operation, noises: u32) -> impl Iterator<Item = CutPoint> + use<> {
        let number = operation.number;
        let point = move |place, noise| CutPoint { operation: number, place, noise };
        let len = operation.len;
        let torn = std::iter::once(Place::Begun).chain((1..len).map(Place::After));
        std::iter::once(point(Place::Before, 0))
            .chain(torn.flat_map(move |place| (0..noises).map(move |noise| point(place, noise))))
            .chain(std::iter::once(point(Place::After(len), 0)))
    }

    /// Runs the story until power goes at this point of an operation, gives it back, and lets everything settle.
    pub fn run(&self, operation: &Operation, point: CutPoint) -> CutOutcome {
        let device = operation.device;
        let mut stage = match Stage::build(&Sim, self.scenario, self.harness, self.seed) {
            Ok(stage) => stage,
            Err(why) => return CutOutcome { trace: Trace::default(), failure: Some(why) },
        };
        if let Some(node) = stage.world.devices.get_mut(device) {
            let state = node.executor.flash_state();
            let (byte, boundary) = match point.place {
                Place::Before => (0, Boundary::AtRest),
                Place::Begun => (0, Boundary::Begun),
                Place::After(bytes) => (bytes, Boundary::AtRest),
            };
            state.cut = Some(Cut { operation: point.operation, byte });
            state.boundary = boundary;
            state.noise_seed ^= SplitMix64::new(u64::from(point.noise)).next_u64();
        }
        let mut is_cut = false;
        let mut look = |stage: &mut Stage| {
            let goes_on = is_cut || stage.world.devices.get(device).is_none_or(|device| device.cuts() == 0);
            is_cut |= !goes_on;
            goes_on
        };
        let mut runner = Runner::new(self.scenario, stage, &mut look);
        runner.keeps_flash_armed = true;
        let ended = runner.play();
        let failure = if runner.stage.world.devices.get(device).is_none_or(|device| device.cuts() == 0) {
            let why = ended.err().map_or_else(|| "the story ended before".to_owned(), |end| end.to_string());
            Some(format!("power did not go at {point}: {why}"))
        } else {
            runner.check_cut(device, operation).err().map(|error| error.to_string())
        };
        let mut trace = runner.stage.world.trace;
        trace.sort();
        CutOutcome { trace, failure }
    }
}

impl Runner<'_> {
    fn check_cut(&mut self, device: usize, operation: &Operation) -> Result<(), StepError> {
        let held = self.stage.stored(device).map(Held::from).unwrap_or_default();
        if !operation.held.contains(&held) {
            return Err(OLD_OR_NEW.broken(difference(&held, &operation.held)).into());
        }
        if let Some(node) = self.stage.world.devices.get_mut(device) {
            node.executor.flash_state().boundary = Boundary::AtRest;
        }
        self.settle(SETTLE_LIMIT)?;
        let Some(node) = self.stage.world.devices.get_mut(device) else { return Ok(()) };
        let mut flash = Box::new(ArrayFlash::<FLASH_LEN>::new());
        if let Ok(content) = node.executor.flash() {
            flash.bytes_mut().copy_from_slice(&content);
        }
        Ok(check_writable(&mut flash).map_err(|why| WRITABLE_AGAIN.broken(why))?)
    }
}

/// Stores something else in a copy of a device's flash and reads it back.
fn check_writable(flash: &mut ArrayFlash<FLASH_LEN>) -> Result<(), String> {
    let (Some(ssid), Some(passphrase), Some(token), Some(host)) = (
        Ssid::new(b"Another network"),
        Passphrase::new(b"another password"),
        Token::new(&[b'x'; TOKEN_LEN]),
        Host::try_from(DEFAULT_HOST).ok(),
    ) else {
        return Err("the other configuration is not one".to_owned());
    };
    let config = Config { ssid, passphrase, token, host, port: DEFAULT_PORT, static_ip: None };
    let mut store = Store::new();
    store.load(flash).map_err(|error| format!("the flash cannot be read: {error}"))?;
    store.save_trial(flash, &config).map_err(|error| format!("nothing can be stored: {error}"))?;
    let read = Store::new().load(flash).map_err(|error| format!("the flash cannot be read: {error}"))?;
    match read.trial {
        Some(trial) if trial.config == config => Ok(()),
        Some(_) | None => Err("what is stored is not what is read".to_owned()),
    }
}

/// What a device's flash holds that it should not, without secrets.
fn difference(held: &Held, expected: &[Held; 2]) -> String {
    let say = |held: &Held| {
        let of = |config: Option<&Config>| config.map_or("none".to_owned(), |config| config.ssid.to_string());
        let trial = of(held.trial.as_ref().map(|trial| &trial.config));
        let attempts =
            held.trial.as_ref().map_or(String::new(), |trial| format!("({})", trial.attempts_left));
        let error = held.last_error.map_or(0, ProvisionError::code);
        format!("trial {trial}{attempts}, valid {}, error {error}", of(held.valid.as_ref()))
    };
    let [before, after] = expected.each_ref().map(say);
    format!("it holds {}; before: {before}; after: {after}", say(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_read_as_it_is_written() {
        for (text, point) in [
            ("1:before:0", CutPoint { operation: 1, place: Place::Before, noise: 0 }),
            ("2:begun:3", CutPoint { operation: 2, place: Place::Begun, noise: 3 }),
            ("12:4095:1", CutPoint { operation: 12, place: Place::After(4_095), noise: 1 }),
        ] {
            assert_eq!(text.parse(), Ok(point));
            assert_eq!(point.to_string(), text);
        }
        for text in ["", "1", "1:2", "0:1:1", "1:x:1", "1:2:3:4", "1:-1:0"] {
            assert!(text.parse::<CutPoint>().is_err(), "{text}");
        }
    }
}
