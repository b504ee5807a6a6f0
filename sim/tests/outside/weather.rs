//! The same setup on a bad evening, with other luck each time.

use hil_sim::runner::{Harness, run};
use hil_sim::scenario::Scenario;

/// Sets a device up while this many frames in a thousand are lost, with the luck of many seeds.
#[track_caller]
fn check(loss_permille: u16, seeds: u64) {
    let story = format!(
        "format: 1\ntitle: Bad weather\nworld:\n  link: {{ loss_permille: {loss_permille}, latency: 30ms }}\n  routers:\n    \
         - {{ name: home, ssid: HomeNet, password: correct horse }}\nsteps:\n  - power: on\n  - phone: {{ \
         provision: {{ network: home }} }}\n  - expect: {{ cloud: online, store: valid, stays: 5m }}\n"
    );
    let scenario = Scenario::parse("weather.yaml", &story).unwrap_or_else(|error| panic!("{error}"));
    let failed: Vec<String> = (0..seeds)
        .filter_map(|seed| {
            let failure = run(&scenario, &Harness::EXAMPLE, seed).failure?;
            Some(format!("seed {seed}: {failure}"))
        })
        .collect();
    assert!(failed.is_empty(), "{} of {seeds} failed: {failed:#?}", failed.len());
}

#[test]
fn a_setup_ends_well_when_one_frame_in_twenty_is_lost() {
    check(50, 100);
}
