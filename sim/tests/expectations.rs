//! An expectation must hold when it is so, and must not when it is not.

use hil_sim::runner::{DEFAULT_SEED, Harness, run};
use hil_sim::scenario::Scenario;

/// Runs steps in a world with one router and returns the step that failed, 0 for none.
#[track_caller]
fn check(steps: &str, failed_step: usize) {
    let router = "{ name: home, ssid: HomeNet, password: correct horse }";
    let text =
        format!("format: 1\ntitle: T\nworld: {{ routers: [{router}] }}\nsteps:\n  - power: on\n{steps}");
    let scenario = Scenario::parse("expectations.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
    let failure = run(&scenario, &Harness::EXAMPLE, DEFAULT_SEED).failure;
    assert_eq!(failure.as_ref().map_or(0, |failure| failure.step), failed_step, "{failure:?}");
}

const SETUP: &str = "  - phone: { provision: { network: home } }\n";

#[test]
fn the_cloud_still_knows_a_device_that_has_forgotten_its_token() {
    let steps = |presence: &str| {
        format!("{SETUP}  - console: config erase\n  - expect: {{ store: empty, cloud: {presence} }}\n")
    };
    check(&steps("offline"), 0);
    check(&steps("never-seen"), 4);
}

/// The phone takes some ten seconds for a setup, and five to join.
#[test]
fn what_a_phone_does_meanwhile_must_still_succeed() {
    let setup = |password: &str| {
        format!(
            "  - {{ meanwhile: true, phone: {{ provision: {{ ssid: HomeNet, password: {password} }} }} }}\n"
        )
    };
    let (right, wrong) = (setup("correct horse"), setup("wrong horse"));
    let at_once = "  - expect: { device: wait-config, ap: up, within: 1s }\n";
    check(&format!("{right}{at_once}  - expect: {{ cloud: online, within: 20s }}\n"), 0);
    // It is told where it began, or where its next step waits for it.
    check(&format!("{wrong}{at_once}"), 2);
    check(&format!("{wrong}{at_once}  - phone: board-info\n"), 4);
}

#[test]
fn the_cloud_cannot_act_on_a_device_it_does_not_know() {
    for change in ["{ delete_device: device }", "{ write: { pin: V0, value: 30 } }"] {
        check(&format!("  - cloud: {change}\n"), 2);
        check(&format!("{SETUP}  - cloud: {change}\n"), 0);
    }
}

#[test]
fn what_changes_about_a_router_is_there_when_its_power_is() {
    let online = "  - expect: { device: running, cloud: online, within: 3m }\n";
    let off = format!("{SETUP}  - router: {{ power: off }}\n  - expect: {{ cloud: offline, within: 3m }}\n");
    check(&format!("{off}  - router: {{ power: on, password: correct horse }}\n{online}"), 0);
    check(&format!("{off}  - router: {{ power: on, password: another horse }}\n{online}"), 6);
}

#[test]
fn a_lease_that_is_shortened_ends_in_time() {
    let steps = |lease: &str| {
        format!(
            "  - router: {{ dhcp: {{ lease: {lease} }} }}\n{SETUP}  - router: {{ dhcp: silent }}\n\
             \x20 - expect: {{ device: connecting-net, within: 1m }}\n"
        )
    };
    check(&steps("30s"), 0);
    check(&steps("1h"), 5);
}
