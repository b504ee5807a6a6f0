//! Every power cut of whole stories, with one content of what is left half done; `hil cuts` tries more.

use std::path::Path;

use hil_sim::runner::cuts::{Cuts, CutsError};
use hil_sim::runner::{DEFAULT_SEED, Harness};
use hil_sim::scenario::Scenario;

fn case(name: &str) -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/cases").join(name);
    Scenario::load(&file).unwrap_or_else(|error| panic!("{error}"))
}

/// Tries all cuts of a story, `expected` of them, and fails with the first that does harm.
#[track_caller]
fn survives_all(name: &str, expected: usize) {
    let scenario = case(name);
    let survey = Cuts::survey(&scenario, &Harness::EXAMPLE, DEFAULT_SEED);
    let survey = survey.unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut count = 0;
    for operation in survey.operations() {
        for point in Cuts::points(operation, 1) {
            count += 1;
            if let Some(why) = survey.run(operation, point).failure {
                panic!("{name}, cut at {point}: {why}");
            }
        }
    }
    assert_eq!(count, expected, "{name}");
}

/// A record of 440 bytes, its commit word, the attempt, the mark that it was accepted: for each byte the cut behind
/// it, and before and at the beginning of each operation.
#[test]
fn a_first_setup_survives_every_cut() {
    survives_all("setup/first-setup.yaml", 440 + 3 * 4 + 4 * 2);
}

#[test]
fn a_move_to_another_network_survives_every_cut() {
    survives_all("setup/reconfigure-moves.yaml", 2 * (440 + 3 * 4 + 4 * 2));
}

/// As above; then the mark over the record's beginning, and the erase of its sector.
#[test]
fn a_reset_survives_every_cut() {
    survives_all("user/button-reset.yaml", 440 + 3 * 4 + 4 * 2 + 4 + 4_096 + 2 * 2);
}

/// What flash holds before a write is then what it was changed to.
#[test]
fn a_flash_that_was_changed_from_outside_survives_every_cut() {
    survives_all("power/bit-flips-in-a-mark.yaml", 440 + 5 * 4 + 6 * 2);
}

#[test]
fn a_story_without_anything_to_cut_says_so() {
    let refused = |name| Cuts::survey(&case(name), &Harness::EXAMPLE, DEFAULT_SEED).err();
    assert_eq!(refused("credentials/refused-configuration.yaml"), Some(CutsError::WritesNothing));
    assert!(matches!(refused("power/power-cut-during-save.yaml"), Some(CutsError::HasItsOwn(_))));
}
