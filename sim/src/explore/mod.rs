//! Looks for what nobody thought of: the same story with faults that a seed draws, many thousand times.
//!
//! A seed becomes a scenario file, as text: first its faults as `arm:` steps, then the story, whose steps may fail
//! now and whose expectations are off, then attempts to get the device online all the same. So far nothing wrong may
//! happen, whatever goes wrong ([`crate::runner::invariants`]). Then all faults end, each device must come to rest,
//! and a user must be able to set it up. What fails is shrunk by leaving steps out, and the file that remains fails
//! the same way under `hil run`.

mod draw;
pub mod result;
mod shrink;
mod story;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::runner::invariants::CAN_BE_SET_UP;
use crate::runner::{DEFAULT_SEED, Failure, Harness, Outcome, run};
use crate::scenario::{Scenario, ScenarioError};
use crate::text::words_of_panic;
use draw::Plan;
use story::Story;
pub use story::StoryError;

/// A story that is explored.
pub struct Explorer<'a> {
    story: Story,
    /// The story without faults: reading it anew for each seed would cost as much as running it.
    without_faults: Scenario,
    harness: &'a Harness,
}

/// What one seed led to.
pub struct Explored {
    /// The seed.
    pub seed: u64,
    /// How much virtual time passed, in milliseconds.
    pub virtual_ms: u64,
    /// How many faults were drawn.
    pub drawn: usize,
    /// How many of them happened.
    pub happened: usize,
    /// What went wrong.
    pub finding: Option<Finding>,
}

/// Something that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The name of the invariant, `panic`, or `world` when the simulation itself could not go on.
    pub kind: String,
    /// What was wrong, without secrets.
    pub why: String,
}

/// A scenario file that fails.
pub struct Shrunk {
    /// The file.
    pub text: String,
    /// What goes wrong in it.
    pub finding: Finding,
    /// How many steps were left out.
    pub left_out: usize,
}

impl<'a> Explorer<'a> {
    /// Prepares a story; `file` names it in errors.
    ///
    /// # Errors
    /// When the file is not a scenario, or none that can be explored.
    pub fn new(file: &str, text: &str, harness: &'a Harness) -> Result<Self, StoryError> {
        let story = Story::new(file, text)?;
        let without_faults = Scenario::parse(file, &story.text(&[], story.steps()))?;
        let explorer = Self { story, without_faults, harness };
        match explorer.attempt(Ok(explorer.without_faults.clone()), DEFAULT_SEED) {
            Ok(Outcome { failure: None, .. }) => Ok(explorer),
            Ok(Outcome { failure: Some(failure), .. }) => {
                Err(StoryError::NeverWell(file.to_owned(), failure.why))
            }
            Err(finding) => Err(StoryError::NeverWell(file.to_owned(), finding.why)),
        }
    }

    /// The scenario file that a seed becomes.
    pub fn file_of(&self, seed: u64) -> String {
        let plan = Plan::draw(self.story.world(), seed);
        self.story.text(&plan.steps, self.story.steps())
    }

    /// Runs what a seed becomes.
    pub fn run(&self, seed: u64) -> Explored {
        let plan = Plan::draw(self.story.world(), seed);
        let drawn = plan.steps.len();
        let scenario = self.without_faults.with_steps_before(self.story.file(), &plan.steps.join("\n"));
        match self.attempt(scenario, seed) {
            Ok(outcome) => Explored {
                seed,
                virtual_ms: outcome.elapsed.total_millis(),
                drawn,
                happened: outcome.happened,
                finding: outcome.failure.as_ref().map(finding_of),
            },
            Err(finding) => Explored { seed, virtual_ms: 0, drawn, happened: 0, finding: Some(finding) },
        }
    }

    /// The hash of the exact trace of what a seed becomes; 0 when it panics.
    pub fn hash(&self, seed: u64) -> u64 {
        let scenario = Scenario::parse(self.story.file(), &self.file_of(seed));
        self.attempt(scenario, seed).map_or(0, |outcome| outcome.trace.hash())
    }

    /// Leaves out steps as long as what a seed becomes fails the same way; `None` when it does not fail.
    pub fn shrink(&self, seed: u64) -> Option<Shrunk> {
        let faults = Plan::draw(self.story.world(), seed).steps;
        let wanted = self.finding(&self.story.text(&faults, self.story.steps()), seed)?;
        let fails = |faults: &[String], steps: &[String]| {
            let text = self.story.text(faults, steps);
            self.finding(&text, seed).is_some_and(|finding| finding.kind == wanted.kind)
        };
        let before = faults.len() + self.story.steps().len();
        let (faults, steps) = shrink::shrink(faults, self.story.steps().to_vec(), fails);
        let left_out = before - faults.len() - steps.len();
        let text = self.story.text(&faults, &steps);
        let finding = self.finding(&text, seed)?;
        Some(Shrunk { text, finding, left_out })
    }

    fn finding(&self, text: &str, seed: u64) -> Option<Finding> {
        match self.attempt(Scenario::parse(self.story.file(), text), seed) {
            Ok(outcome) => outcome.failure.as_ref().map(finding_of),
            Err(finding) => Some(finding),
        }
    }

    fn attempt(&self, scenario: Result<Scenario, ScenarioError>, seed: u64) -> Result<Outcome, Finding> {
        let scenario =
            scenario.map_err(|error| Finding { kind: "language".to_owned(), why: error.to_string() })?;
        // What panics for one seed must not hide the others. Nothing of the run is used after.
        catch_unwind(AssertUnwindSafe(|| run(&scenario, self.harness, seed)))
            .map_err(|payload| Finding { kind: "panic".to_owned(), why: words_of_panic(payload.as_ref()) })
    }
}

fn finding_of(failure: &Failure) -> Finding {
    let kind = match (failure.invariant, failure.step) {
        (Some(invariant), _) => invariant.name,
        // Of the steps only the last must not fail: the user who sets the device up at the end.
        (None, step) if step > 0 && !failure.is_of_the_world => CAN_BE_SET_UP.name,
        (None, _) => "world",
    };
    Finding { kind: kind.to_owned(), why: failure.why.clone() }
}
