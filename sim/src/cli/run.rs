//! `hil run`: one case with its timeline, or many with a line each.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
// Measures how long the command takes and paces what it shows; nothing of it reaches a trace.
use std::time::Instant as WallClock;

use smoltcp::time::{Duration, Instant};

use super::arguments::{Pace, RunArguments, TargetName};
use super::evidence;
use super::execute::{How, Report, execute};
use super::files::{Case, load, resolve, write_file};
use super::live::{Live, RadioName};
use super::report::{Summary, headline, pass_line, say_failure};
use super::screen::Screen;
use super::target::prepare;
use super::{Exit, Trouble};
use crate::runner::{DEFAULT_SEED, Harness};
use crate::target::Target;
use crate::timeline::{Line, Timeline, spoken};

/// How often the progress of a long run is shown, in wall time.
const PROGRESS_EVERY_MS: u128 = 200;
/// The clock is not asked after each of a million events.
const EVENTS_PER_LOOK: u32 = 1_024;

/// Runs what the arguments name.
pub(super) fn run(
    arguments: &RunArguments,
    harness: &Harness,
    live: Option<&dyn Live>,
    screen: &mut Screen,
) -> Result<Exit, Trouble> {
    refuse_misuse(arguments)?;
    let paths = resolve(&arguments.files)?;
    let told = matches!(arguments.files.as_slice(), [file] if file.is_file()) || arguments.verbose > 0;
    if arguments.pace != Pace::Fast && paths.len() != 1 {
        return Err(Trouble::misuse(
            "a pace other than `fast` shows one scenario at a time",
            "name one file: hil run FILE --pace real",
        ));
    }
    if arguments.is_of_one() && (paths.len() != 1 || !told) {
        return Err(Trouble::misuse(
            "a page, a trace, a capture or a waveform is of one scenario",
            "name one file: hil run FILE --html FILE.html",
        ));
    }
    let target = prepare(arguments, harness, live, screen)?;
    screen.say(headline(arguments, paths.len()));
    let (mut cases, bad) = load(paths, harness, screen);
    if let Some(tls) = arguments.tls {
        cases.iter_mut().for_each(|case| case.scenario.world.tls = tls);
    }
    let mut summary = Summary::new(&cases, bad);
    match told {
        _ if cases.is_empty() => {}
        true => tell_all(&cases, &mut summary, arguments, &*target, harness, screen)?,
        false => list(&cases, &mut summary, arguments, &*target, harness, screen),
    }
    if let Some(spent) = target.spent() {
        screen.say(screen.palette().quiet(spent));
    }
    if let Some(path) = &arguments.hashes {
        write_file(path, summary.hashes())?;
    }
    if let Some(path) = &arguments.junit {
        write_file(path, summary.junit(arguments))?;
    }
    Ok(match (bad, summary.failed()) {
        (0, 0) => Exit::Passed,
        (0, _) => Exit::Failed,
        (_, _) => Exit::Misuse,
    })
}

fn refuse_misuse(arguments: &RunArguments) -> Result<(), Trouble> {
    if arguments.update && arguments.target != TargetName::Sim {
        return Err(Trouble::misuse(
            "only the simulator writes snapshots; other targets are held against them",
            "leave --target out, or --update",
        ));
    }
    if arguments.radio == RadioName::Real && (arguments.is_of_one() || arguments.hashes.is_some()) {
        return Err(Trouble::misuse(
            "a device that is only seen from outside has no trace",
            "leave out the files that tell of one; --junit can be written",
        ));
    }
    if arguments.update && arguments.tls.is_some() {
        return Err(Trouble::misuse(
            "snapshots are taken of what scenarios say",
            "leave --tls out, or write `tls: real` into the world of the scenario",
        ));
    }
    if arguments.update && arguments.seed != DEFAULT_SEED {
        return Err(Trouble::misuse(
            "snapshots are taken at the default seed only",
            format!("leave --seed out, or write --seed {DEFAULT_SEED}"),
        ));
    }
    Ok(())
}

/// Runs cases one after the other and tells what happened.
fn tell_all(
    cases: &[Case],
    summary: &mut Summary<'_>,
    arguments: &RunArguments,
    target: &dyn Target,
    harness: &Harness,
    screen: &mut Screen,
) -> Result<(), Trouble> {
    let started = WallClock::now();
    for case in cases {
        let mut report = tell(case, arguments, target, harness, screen);
        evidence::write(case, &report, arguments, screen)?;
        report.digest(case, arguments);
        summary.count(&report);
    }
    if cases.len() > 1 {
        summary.finish(wall_time(started), arguments, screen);
    }
    Ok(())
}

fn tell(
    case: &Case,
    arguments: &RunArguments,
    target: &dyn Target,
    harness: &Harness,
    screen: &mut Screen,
) -> Report {
    let palette = screen.palette();
    screen.say("");
    screen.say(palette.strong(&case.scenario.title));
    if !case.scenario.why.is_empty() {
        screen.say(palette.quiet(case.scenario.why.trim()));
    }
    let started = WallClock::now();
    let mut shown_at = started;
    let mut events = 0_u32;
    let mut report = execute(case, target, harness, How::of(arguments), &mut |now| {
        events = events.wrapping_add(1);
        if events.is_multiple_of(EVENTS_PER_LOOK) && shown_at.elapsed().as_millis() >= PROGRESS_EVERY_MS {
            shown_at = WallClock::now();
            screen.progress(format_args!("{} have passed ...", spoken(now - Instant::ZERO)));
        }
    });
    let wall = wall_time(started);
    if let Some(trace) = &report.trace {
        let lines = Timeline::new(&case.scenario, trace, palette).lines(arguments.detail());
        screen.say("");
        say_paced(&lines, arguments.pace, screen);
    }
    if !report.seen.is_empty() {
        screen.say("");
        report.seen.iter().for_each(|line| screen.say(line));
    }
    screen.say("");
    if let Some(why) = &report.skipped {
        screen.say(format_args!("{}: {why}", palette.strong("skipped")));
        return report;
    }
    match evidence::keep(case, &report, arguments, target, harness) {
        Ok(folder) => report.evidence = folder,
        Err(trouble) => screen.complain(&trouble),
    }
    match &report.fault {
        None => pass_line(case, &report, wall, arguments, screen),
        Some(fault) => say_failure(case, &report, fault, arguments, screen),
    }
    report
}

/// Says lines when their time has come.
///
/// The run is over by then. Its timeline is the same however slowly it is told.
fn say_paced(lines: &[Line], pace: Pace, screen: &mut Screen) {
    let started = WallClock::now();
    for line in lines {
        if let Pace::Times(factor) = pace {
            let due = std::time::Duration::from_micros((line.at - Instant::ZERO).total_micros()) / factor;
            thread::sleep(due.saturating_sub(started.elapsed()));
        }
        screen.say(&line.text);
    }
}

/// Runs cases on all cores and says one line each, in their order.
fn list(
    cases: &[Case],
    summary: &mut Summary<'_>,
    arguments: &RunArguments,
    target: &dyn Target,
    harness: &Harness,
    screen: &mut Screen,
) {
    let started = WallClock::now();
    let next = AtomicUsize::new(0);
    let workers = jobs_or_cores(arguments.jobs).min(target.jobs_max()).min(cases.len());
    thread::scope(|scope| {
        let (sender, reports) = mpsc::channel::<(usize, Report, Option<Trouble>)>();
        for _ in 0..workers {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { break };
                    let mut report = execute(case, target, harness, How::of(arguments), &mut |_| {});
                    report.digest(case, arguments);
                    let kept = evidence::keep(case, &report, arguments, target, harness);
                    // Traces of many cases at once are large, and a line does not tell them.
                    report.trace = None;
                    let trouble = match kept {
                        Ok(folder) => {
                            report.evidence = folder;
                            None
                        }
                        Err(trouble) => Some(trouble),
                    };
                    if sender.send((index, report, trouble)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut done = 0;
        for (index, report, trouble) in reports {
            trouble.iter().for_each(|trouble| screen.complain(trouble));
            waiting.insert(index, report);
            done += 1;
            while let Some(report) = waiting.remove(&summary.counted()) {
                summary.say(&report, arguments, screen);
            }
            if done < cases.len() {
                screen.progress(format_args!("{done} of {} done ...", cases.len()));
            }
        }
    });
    summary.finish(wall_time(started), arguments, screen);
}

/// How many things are done at once, one for each core unless the user says.
pub(super) fn jobs_or_cores(jobs: Option<NonZero<usize>>) -> usize {
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    jobs.map_or_else(cores, NonZero::get)
}

pub(super) fn wall_time(started: WallClock) -> Duration {
    Duration::from_micros(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX))
}
