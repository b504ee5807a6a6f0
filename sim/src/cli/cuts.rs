//! `hil cuts`: every power cut of a story.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
// Measures how long the command takes; nothing of it reaches a trace.
use std::time::Instant as WallClock;

use hil_link::cut_flash::FlashOperationKind;
use smoltcp::time::Instant;

use super::arguments::CutsArguments;
use super::files::{load, quoted};
use super::run::{jobs_or_cores, wall_time};
use super::screen::Screen;
use super::{Exit, Trouble};
use crate::runner::Harness;
use crate::runner::cuts::{CutPoint, Cuts, CutsError, Operation};
use crate::scenario::Scenario;
use crate::secrets::Secrets;
use crate::text::words_of_panic;
use crate::timeline::{Detail, Timeline, counted, spoken};

/// Cuts that a worker takes at once: asking for each costs more than it is worth.
const PIECE: usize = 32;

/// A cut to try, and whose.
#[derive(Clone, Copy)]
struct Job<'a> {
    operation: &'a Operation,
    point: CutPoint,
}

/// Tries the cuts that the arguments name.
pub(super) fn cuts(
    arguments: &CutsArguments,
    harness: &Harness,
    screen: &mut Screen,
) -> Result<Exit, Trouble> {
    let (cases, _) = load(vec![arguments.file.clone()], harness, screen);
    let Some(case) = cases.first() else { return Ok(Exit::Misuse) };
    let scenario = &case.scenario;
    let device = arguments.device.as_deref().map(|name| device_of(scenario, name)).transpose()?;
    let survey =
        Cuts::survey(scenario, harness, arguments.seed).map_err(|error| cannot(&error, arguments))?;
    let is_meant = |operation: &&Operation| device.is_none_or(|device| operation.device == device);
    let operations: Vec<&Operation> = survey.operations().iter().filter(is_meant).collect();
    if let Some(point) = arguments.at {
        return tell(&survey, &operations, point, scenario, arguments, screen);
    }
    let jobs: Vec<Job<'_>> = operations
        .iter()
        .flat_map(|&operation| {
            Cuts::points(operation, arguments.noises).map(move |point| Job { operation, point })
        })
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    let writes = counted(operations.len(), "flash operation", "flash operations");
    screen.say(format_args!(
        "hil {version}, seed {}, {writes} in {}",
        arguments.seed,
        arguments.file.display()
    ));
    let started = WallClock::now();
    let failures = run_all(&survey, &jobs, arguments, screen);
    say_operations(&operations, &jobs, &failures, scenario, screen);
    let palette = screen.palette();
    let (points, wall) = (counted(jobs.len(), "cut", "cuts"), spoken(wall_time(started)));
    screen.say("");
    let Some((&first, why)) = failures.first_key_value() else {
        screen.say(format_args!("{} in {wall}", palette.good(format_args!("{points}, all survived"))));
        return Ok(Exit::Passed);
    };
    let harmful = palette.alarm(format_args!("{} do harm", failures.len()));
    screen.say(format_args!("{points} in {wall}, {harmful}; the first:"));
    let why = Secrets::of(scenario).clean(why);
    screen.say(format_args!("  {}", palette.bad(why)));
    screen.say(palette.quiet("replay it with"));
    screen.say(format_args!("  {}", Replay { job: jobs[first], scenario, arguments }));
    Ok(Exit::Failed)
}

fn device_of(scenario: &Scenario, name: &str) -> Result<usize, Trouble> {
    let devices = &scenario.world.devices;
    devices.iter().position(|device| device.name.as_str() == name).ok_or_else(|| {
        let known: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
        Trouble::misuse(
            format!("the scenario has no device `{name}`"),
            format!("it has {}", known.join(" and ")),
        )
    })
}

fn cannot(error: &CutsError, arguments: &CutsArguments) -> Trouble {
    let hint = match error {
        CutsError::Fails(_) => format!("hil run {}", quoted(&arguments.file)),
        CutsError::HasItsOwn(_) => "take that step out, or name another file".to_owned(),
        CutsError::WritesNothing => "name a story in which a device is configured".to_owned(),
    };
    Trouble::misuse(format!("{}: {error}", arguments.file.display()), hint)
}

/// Tries cuts on all cores; returns what went wrong, by the number of the cut.
fn run_all(
    survey: &Cuts<'_>,
    jobs: &[Job<'_>],
    arguments: &CutsArguments,
    screen: &mut Screen,
) -> BTreeMap<usize, String> {
    let failures = Mutex::new(BTreeMap::new());
    let next = AtomicUsize::new(0);
    let workers = jobs_or_cores(arguments.jobs).min(jobs.len().div_ceil(PIECE));
    thread::scope(|scope| {
        let (sender, done) = mpsc::channel::<usize>();
        for _ in 0..workers {
            let (sender, next, failures) = (sender.clone(), &next, &failures);
            scope.spawn(move || {
                loop {
                    let from = next.fetch_add(PIECE, Ordering::Relaxed);
                    let piece = &jobs[from.min(jobs.len())..(from + PIECE).min(jobs.len())];
                    if piece.is_empty() {
                        break;
                    }
                    for (job, number) in piece.iter().zip(from..) {
                        // What panics for one cut must not hide the others.
                        let run = AssertUnwindSafe(|| survey.run(job.operation, job.point).failure);
                        let failure = catch_unwind(run).unwrap_or_else(|payload| {
                            Some(format!("it panicked: {}", words_of_panic(payload.as_ref())))
                        });
                        if let (Some(why), Ok(mut failures)) = (failure, failures.lock()) {
                            failures.insert(number, why);
                        }
                    }
                    // Nobody listens any more only when the command ends.
                    let _ = sender.send(piece.len());
                }
            });
        }
        drop(sender);
        let mut count = 0;
        for piece in done {
            count += piece;
            screen.progress(format_args!("{count} of {} cuts ...", jobs.len()));
        }
    });
    failures.into_inner().unwrap_or_default()
}

/// A line for each flash operation.
fn say_operations(
    operations: &[&Operation],
    jobs: &[Job<'_>],
    failures: &BTreeMap<usize, String>,
    scenario: &Scenario,
    screen: &mut Screen,
) {
    let palette = screen.palette();
    for operation in operations {
        let is_its = |number: &usize| jobs.get(*number).is_some_and(|job| job.operation == *operation);
        let count = (0..jobs.len()).filter(is_its).count();
        let harmful = failures.keys().filter(|number| is_its(number)).count();
        let verdict = match harmful {
            0 => palette.good("ok  "),
            _ => palette.alarm("FAIL"),
        };
        let kind = match operation.kind {
            FlashOperationKind::Erase => "erase",
            FlashOperationKind::Program => "program",
        };
        let device = scenario.world.devices.get(operation.device).map_or("", |device| device.name.as_str());
        let after = spoken(operation.at - Instant::ZERO);
        let step = scenario.steps.get(operation.step.wrapping_sub(1));
        let step = step.map_or_else(String::new, |step| step.describe());
        let harmful = if harmful > 0 { format!(", {harmful} do harm") } else { String::new() };
        screen.say(format_args!(
            "{verdict}  {device} {number:>3} {kind:<7} {len:>4} bytes, {count:>5} cuts{harmful}  {}",
            palette.quiet(format_args!("after {after}: {step}")),
            number = operation.number,
            len = operation.len,
        ));
    }
}

/// Tries one cut and tells what happened.
fn tell(
    survey: &Cuts<'_>,
    operations: &[&Operation],
    point: CutPoint,
    scenario: &Scenario,
    arguments: &CutsArguments,
    screen: &mut Screen,
) -> Result<Exit, Trouble> {
    let operation = operations.iter().find(|operation| operation.number == point.operation);
    let Some(operation) = operation else {
        let count = counted(operations.len(), "operation", "operations");
        return Err(Trouble::misuse(
            format!("there is no flash operation {}", point.operation),
            format!("the story has {count}: hil cuts {} lists them", quoted(&arguments.file)),
        ));
    };
    let outcome = survey.run(operation, point);
    let palette = screen.palette();
    for line in Timeline::new(scenario, &outcome.trace, palette).lines(Detail::Details) {
        screen.say(&line.text);
    }
    screen.say("");
    let Some(why) = outcome.failure else {
        screen.say(palette.good(format_args!("the cut at {point} does no harm")));
        return Ok(Exit::Passed);
    };
    screen.say(format_args!(
        "{}: {}",
        palette.alarm("FAILED"),
        palette.bad(Secrets::of(scenario).clean(&why))
    ));
    Ok(Exit::Failed)
}

/// The command that tries one cut again.
struct Replay<'a> {
    job: Job<'a>,
    scenario: &'a Scenario,
    arguments: &'a CutsArguments,
}

impl fmt::Display for Replay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, scenario, arguments } = self;
        let program = std::env::args_os().next().map_or_else(|| "hil".into(), |name| quoted(name.as_ref()));
        write!(f, "{program} cuts {} --seed {} --at {}", quoted(&arguments.file), arguments.seed, job.point)?;
        match scenario.world.devices.as_slice() {
            [_] => Ok(()),
            devices => devices
                .get(job.operation.device)
                .map_or(Ok(()), |device| write!(f, " --device {}", device.name.as_str())),
        }
    }
}
