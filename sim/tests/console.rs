//! What a scenario types must arrive whole or be an error.

use hil_sim::runner::{DEFAULT_SEED, Harness, run};
use hil_sim::scenario::Scenario;

/// Runs steps in an empty world and returns the step that failed, 0 for none.
#[track_caller]
fn check(steps: &str, failed_step: usize) {
    let text = format!("format: 1\ntitle: Typing\nwhy: A test.\nworld: {{}}\nsteps:\n{steps}");
    let scenario = Scenario::parse("typing.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
    let failure = run(&scenario, &Harness::EXAMPLE, DEFAULT_SEED).failure;
    assert_eq!(failure.as_ref().map_or(0, |failure| failure.step), failed_step, "{failure:?}");
}

#[test]
fn a_line_of_any_length_arrives_whole() {
    let steps = |len, answer| {
        let line = "x".repeat(len);
        format!(
            "  - power: on\n  - expect: {{ device: wait-config }}\n  - console: {line}\n  - expect: {{ console: \
             {answer}, within: 1s }}\n"
        )
    };
    for len in [1, 255, 256] {
        check(&steps(len, "not found"), 0);
    }
    for len in [257, 5_000] {
        check(&steps(len, "too long"), 0);
    }
}

#[test]
fn nobody_hears_what_is_typed_without_power() {
    check("  - console: status\n", 1);
}
