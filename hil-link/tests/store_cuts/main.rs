//! Power cuts at every step of everything the configuration store does.

mod checker;
mod faults;
mod model;
mod survey;
mod times;
mod wrong;

use std::time::Instant;

use checker::{Op, Report, Story, check_every_cut};
use firmware_core::config::ProvisionError;
use firmware_core::store::Store;

use Op::{Accept, EraseAll, Reject, SaveTime, SaveTrial, SaveValid, Spend};

const WRONG: ProvisionError = ProvisionError::WrongPassphrase;

/// A story that leaves the old or the new state and nothing else.
const fn story(name: &'static str, before: &'static [Op], ops: &'static [Op]) -> Story {
    Story { name, before, ops, valid_alone: false, gone: &[] }
}

impl Story {
    const fn or_valid_alone(self) -> Self {
        Self { valid_alone: true, ..self }
    }

    const fn gone(self, gone: &'static [u8]) -> Self {
        Self { gone, ..self }
    }
}

#[track_caller]
fn check(stories: &[Story]) {
    let started = Instant::now();
    let mut total = Report::default();
    for story in stories {
        let report = check_every_cut(&Store::new(), story).unwrap_or_else(|what| panic!("{what}"));
        println!("{:>6} steps {:>6} cuts  {}", report.steps, report.cuts, story.name);
        total.steps += report.steps;
        total.cuts += report.cuts;
    }
    println!("{:>6} steps {:>6} cuts  in all, {:?}", total.steps, total.cuts, started.elapsed());
}

#[test]
fn saving_leaves_the_old_or_the_new() {
    check(&[
        story("first trial", &[], &[SaveTrial(1)]),
        story("first valid at once", &[], &[SaveValid(1)]),
        story("trial beside a valid one", &[SaveValid(1)], &[SaveTrial(2)]),
        story("valid at once beside a valid one", &[SaveValid(1)], &[SaveValid(2)]),
        story("valid at once over the older valid one", &[SaveValid(1), SaveValid(2)], &[SaveValid(3)]),
        story(
            "trial after two rejected ones",
            &[SaveTrial(1), Reject(WRONG), SaveTrial(2), Reject(WRONG)],
            &[SaveTrial(3)],
        ),
        story("double submit", &[], &[SaveTrial(1), SaveTrial(2)]),
        story("four submits", &[], &[SaveTrial(1), SaveTrial(2), SaveTrial(3), SaveTrial(4)]),
    ]);
}

#[test]
fn saving_over_what_is_newest_keeps_the_valid_one() {
    check(&[
        story("trial replaces the pending one", &[SaveValid(1), SaveTrial(2)], &[SaveTrial(3)])
            .or_valid_alone(),
        story("trial after a rejected one", &[SaveValid(1), SaveTrial(2), Reject(WRONG)], &[SaveTrial(3)])
            .or_valid_alone(),
        story("double submit beside a valid one", &[SaveValid(1)], &[SaveTrial(2), SaveTrial(3)])
            .or_valid_alone(),
    ]);
}

#[test]
fn marks_are_set_or_not() {
    check(&[
        story("first attempt", &[SaveTrial(1)], &[Spend]),
        story("last attempt", &[SaveValid(1), SaveTrial(2), Spend, Spend], &[Spend]),
        story("first accepted", &[SaveTrial(1), Spend], &[Accept]),
        story("accepted over a valid one", &[SaveValid(1), SaveTrial(2), Spend], &[Accept]),
        story("first rejected", &[SaveTrial(1), Spend], &[Reject(WRONG)]).gone(&[1]),
        story("rejected over a valid one", &[SaveValid(1), SaveTrial(2)], &[Reject(WRONG)]).gone(&[2]),
        story("a whole trial", &[SaveValid(1)], &[SaveTrial(2), Spend, Spend, Accept]),
        story("a whole failure", &[SaveValid(1)], &[SaveTrial(2), Spend, Spend, Spend, Reject(WRONG)])
            .gone(&[2]),
    ]);
}

#[test]
fn a_reset_leaves_nothing_readable() {
    check(&[
        story("reset of a valid one", &[SaveTrial(1), Accept], &[EraseAll]).gone(&[1]),
        story("reset of two valid ones", &[SaveValid(1), SaveValid(2)], &[EraseAll]).gone(&[1, 2]),
        story("reset of a trial", &[SaveTrial(1)], &[EraseAll]).gone(&[1]),
        story("reset during a trial", &[SaveTrial(1), Accept, SaveTrial(2)], &[EraseAll])
            .or_valid_alone()
            .gone(&[1, 2]),
        story("reset after a failure", &[SaveValid(1), SaveTrial(2), Reject(WRONG)], &[EraseAll])
            .or_valid_alone()
            .gone(&[1, 2]),
    ]);
}

#[test]
fn a_time_is_kept_or_not_and_no_configuration_notices() {
    check(&[
        story("first time", &[SaveValid(1)], &[SaveTime(1)]),
        story("a later one", &[SaveValid(1), SaveTime(1)], &[SaveTime(2)]),
        story(
            "time during a trial",
            &[SaveValid(1), SaveTime(1), SaveTrial(2), Spend],
            &[SaveTime(2), Accept],
        ),
        story(
            "time after a failure",
            &[SaveValid(1), SaveTrial(2), Reject(WRONG)],
            &[SaveTime(1), SaveTime(2)],
        ),
        story("failure of a trial with a time", &[SaveTrial(1), SaveTime(1), Spend], &[Reject(WRONG)])
            .gone(&[1]),
        story(
            "trial beside a valid one with a time",
            &[SaveValid(1), SaveTime(1)],
            &[SaveTrial(2), SaveTime(2)],
        ),
        story("reset with times", &[SaveValid(1), SaveTime(1), SaveValid(2), SaveTime(2)], &[EraseAll])
            .gone(&[1, 2]),
    ]);
}
