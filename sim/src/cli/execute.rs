//! Runs one case and says whether it passed: what the scenario expects, and the story beside its file.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
// Measures how long a case takes; nothing of it reaches a trace.
use std::time::Instant as WallClock;

use smoltcp::time::{Duration, Instant};

use super::arguments::RunArguments;
use super::files::Case;
use super::report::junit_case;
use crate::capture::Recording;
use crate::golden;
use crate::junit;
use crate::runner::{DEFAULT_SEED, Failure, Harness, Outcome, record_on, run_on};
use crate::target::{Observed, Outside, Target};
use crate::text::words_of_panic;
use crate::trace::Trace;

/// What became of a case.
pub(super) struct Report {
    /// How much virtual time passed.
    pub(super) elapsed: Duration,
    /// How long it took.
    pub(super) took: Duration,
    /// Why it failed, if it did.
    pub(super) fault: Option<Fault>,
    /// Why it was not run, if it was not: the target cannot do it.
    pub(super) skipped: Option<String>,
    /// What became of the snapshots.
    pub(super) snapshots: Snapshots,
    /// What happened; there is none after a crash, and none of a device that is only seen from outside.
    pub(super) trace: Option<Trace>,
    /// What was seen of such a device, in lines for people.
    pub(super) seen: Vec<String>,
    /// Every frame, where they are asked for.
    pub(super) recording: Option<Recording>,
    /// The hash of the exact trace, where it is asked for.
    pub(super) hash: Option<u64>,
    /// Where everything of a run that failed is kept.
    pub(super) evidence: Option<PathBuf>,
    /// What a CI server is told, where that is asked for.
    pub(super) for_junit: Option<junit::Case>,
}

impl Report {
    /// Of a case that has not been run.
    const NOTHING: Self = Self {
        elapsed: Duration::ZERO,
        took: Duration::ZERO,
        fault: None,
        skipped: None,
        snapshots: Snapshots::Untouched,
        trace: None,
        seen: Vec::new(),
        recording: None,
        hash: None,
        evidence: None,
        for_junit: None,
    };
}

impl Report {
    /// Takes from the trace what is asked for beside the timeline.
    pub(super) fn digest(&mut self, case: &Case, arguments: &RunArguments) {
        self.hash = arguments.hashes.as_ref().and(self.trace.as_ref()).map(Trace::hash);
        self.for_junit = arguments.junit.as_ref().map(|_| junit_case(case, self, arguments));
    }
}

/// Why a case failed.
pub(super) enum Fault {
    /// A step did not do what it says.
    Step(Failure),
    /// The story is not the one beside the file; the lines that differ.
    Story(String),
    /// A snapshot cannot be read or written.
    Snapshot(io::Error),
    /// The product's code or the simulator panicked, with these words.
    Crash(String),
}

/// What became of the snapshots beside a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Snapshots {
    /// There is no story to compare with.
    Absent,
    /// There is no trace to compare: the device was only seen from outside.
    Outside,
    /// They were not looked at: the run failed, or its seed is not the one they were taken at, nor its TLS.
    Untouched,
    /// The story is the one beside the file.
    Same,
    /// New ones stand beside the file.
    Written,
}

/// How a case is run.
#[derive(Clone, Copy)]
pub(super) struct How {
    seed: u64,
    /// Whether the scenario is run as it says, so that its story is the one beside the file.
    is_as_written: bool,
    /// Whether snapshots are written.
    update: bool,
    /// Whether every frame is kept.
    records: bool,
}

impl How {
    pub(super) fn of(arguments: &RunArguments) -> Self {
        let RunArguments { seed, tls, update, pcap, html, .. } = arguments;
        Self {
            seed: *seed,
            is_as_written: *seed == DEFAULT_SEED && tls.is_none(),
            update: *update,
            records: pcap.is_some() || html.is_some(),
        }
    }

    /// The same run once more, with every frame.
    pub(super) fn recorded(arguments: &RunArguments) -> Self {
        Self { update: false, records: true, ..Self::of(arguments) }
    }
}

/// Runs a case. `watch` is told the virtual time as it passes.
pub(super) fn execute(
    case: &Case,
    target: &dyn Target,
    harness: &Harness,
    how: How,
    watch: &mut dyn FnMut(Instant),
) -> Report {
    let How { seed, is_as_written, update, records } = how;
    if let Some(why) = target.refuses(&case.scenario) {
        return Report { skipped: Some(why), ..Report::NOTHING };
    }
    if let Some(outside) = target.outside() {
        return observe(case, outside);
    }
    let mut watch_on = |now: Instant| {
        watch(now);
        true
    };
    // A panic in one product's code must not end the run of all other cases. Nothing of the run is used after.
    let run = if records { record_on } else { run_on };
    let run = AssertUnwindSafe(|| run(target, &case.scenario, harness, seed, &mut watch_on));
    let started = WallClock::now();
    let report = match catch_unwind(run) {
        Ok(outcome) => judge(case, outcome, is_as_written, update),
        Err(payload) => {
            Report { fault: Some(Fault::Crash(words_of_panic(payload.as_ref()))), ..Report::NOTHING }
        }
    };
    Report { took: Duration::from(started.elapsed()), ..report }
}

fn observe(case: &Case, outside: &dyn Outside) -> Report {
    let started = WallClock::now();
    let Observed { elapsed, lines, failure } = outside.observe(&case.scenario);
    Report {
        elapsed,
        took: Duration::from(started.elapsed()),
        fault: failure.map(Fault::Step),
        snapshots: Snapshots::Outside,
        seen: lines,
        ..Report::NOTHING
    }
}

fn judge(case: &Case, outcome: Outcome, is_as_written: bool, update: bool) -> Report {
    let Outcome { trace, elapsed, failure, recording, .. } = outcome;
    let result = match failure {
        Some(failure) => Err(Fault::Step(failure)),
        None if update => write_snapshots(case, &trace).map_err(Fault::Snapshot),
        None if is_as_written => compare_story(case, &trace),
        None => Ok(Snapshots::Untouched),
    };
    let (snapshots, fault) = match result {
        Ok(snapshots) => (snapshots, None),
        Err(fault) => (Snapshots::Untouched, Some(fault)),
    };
    Report { elapsed, fault, snapshots, trace: Some(trace), recording, ..Report::NOTHING }
}

fn write_snapshots(case: &Case, trace: &Trace) -> io::Result<Snapshots> {
    let story = golden::write(&golden::story_path(&case.path), &trace.story())?;
    let exact = golden::write(&golden::exact_path(&case.path), &trace.exact())?;
    Ok(if story || exact { Snapshots::Written } else { Snapshots::Same })
}

fn compare_story(case: &Case, trace: &Trace) -> Result<Snapshots, Fault> {
    let Some(old) = golden::read(&golden::story_path(&case.path)).map_err(Fault::Snapshot)? else {
        return Ok(Snapshots::Absent);
    };
    let new = golden::normalized(&trace.story());
    if old == new { Ok(Snapshots::Same) } else { Err(Fault::Story(golden::diff(&old, &new))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::{Executor, ExecutorError};
    use crate::scenario::{Scenario, starter};
    use crate::target::Sim;

    const HOW: How = How { seed: DEFAULT_SEED, is_as_written: true, update: false, records: false };

    struct NoBoards;

    impl Target for NoBoards {
        fn device(&self, _harness: &Harness) -> Result<Box<dyn Executor>, ExecutorError> {
            panic!("a scenario that is refused needs no device")
        }

        fn refuses(&self, scenario: &Scenario) -> Option<String> {
            Some(format!("{} device is too many", scenario.world.devices.len()))
        }
    }

    #[test]
    fn what_the_target_refuses_is_skipped_and_neither_passes_nor_fails() {
        let scenario = Scenario::parse("story.yaml", starter()).unwrap_or_else(|error| panic!("{error}"));
        let case = Case { path: "story.yaml".into(), scenario };
        let report = execute(&case, &NoBoards, &Harness::EXAMPLE, HOW, &mut |_| {});
        assert_eq!(report.skipped.as_deref(), Some("1 device is too many"));
        assert!(report.fault.is_none() && report.trace.is_none());
    }

    #[test]
    fn a_panic_of_the_products_code_fails_the_case_alone() {
        let harness = Harness { application: || panic!("boom"), ..Harness::EXAMPLE };
        let scenario = Scenario::parse("story.yaml", starter()).unwrap_or_else(|error| panic!("{error}"));
        let case = Case { path: "story.yaml".into(), scenario };
        let report = execute(&case, &Sim, &harness, HOW, &mut |_| {});
        assert!(matches!(report.fault, Some(Fault::Crash(words)) if words == "boom"));
    }
}
