//! Stories with faults that seeds draw.

use std::path::Path;

use firmware_core::Instant;
use firmware_core::application::Application;
use firmware_core::cloud::codec::Params;
use firmware_core::cloud::outgoing::Outgoing;
use hil_sim::explore::{Explorer, StoryError};
use hil_sim::runner::{BoxedApplication, Harness, run};
use hil_sim::scenario::Scenario;

fn case(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/cases").join(name);
    std::fs::read_to_string(file).expect("the case is there")
}

#[test]
fn nothing_is_wrong_whatever_goes_wrong() {
    for name in ["setup/first-setup.yaml", "setup/reconfigure-keeps-old.yaml", "setup/two-devices.yaml"] {
        let explorer = Explorer::new(name, &case(name), &Harness::EXAMPLE).expect("it can be explored");
        let mut happened = 0;
        for seed in 0..60 {
            let explored = explorer.run(seed);
            assert_eq!(explored.finding, None, "{name}, seed {seed}");
            happened += explored.happened;
        }
        assert!(happened > 60, "{name}: only {happened} faults struck");
    }
}

#[test]
fn a_seed_always_leads_to_the_same() {
    let text = case("setup/first-setup.yaml");
    let explorer = Explorer::new("story.yaml", &text, &Harness::EXAMPLE).expect("it can be explored");
    for seed in 0..20 {
        assert_eq!(explorer.hash(seed), explorer.hash(seed));
        assert_eq!(explorer.file_of(seed), explorer.file_of(seed));
    }
    assert_ne!(explorer.file_of(1), explorer.file_of(2));
}

#[test]
fn the_file_that_a_seed_becomes_is_what_is_run() {
    let text = case("setup/reconfigure-keeps-old.yaml");
    let explorer = Explorer::new("story.yaml", &text, &Harness::EXAMPLE).expect("it can be explored");
    for seed in 0..20 {
        let file =
            Scenario::parse("seed.yaml", &explorer.file_of(seed)).unwrap_or_else(|error| panic!("{error}"));
        let elapsed = run(&file, &Harness::EXAMPLE, seed).elapsed.total_millis();
        assert_eq!(explorer.run(seed).virtual_ms, elapsed, "seed {seed}");
    }
}

/// A product whose code cannot bear to lose the cloud a second time.
struct Fragile {
    losses: u32,
}

impl Application for Fragile {
    fn on_connected(&mut self, _: Instant, _: &mut Outgoing<'_>) {}

    fn on_virtual_write(&mut self, _: Instant, _: u8, _: Params<'_>, _: &mut Outgoing<'_>) {}

    fn on_disconnected(&mut self, _: Instant) {
        self.losses += 1;
        assert!(self.losses < 2, "lost the cloud again");
    }
}

#[test]
fn what_fails_is_made_small_and_fails_the_same_way() {
    let fragile =
        Harness { application: || BoxedApplication(Box::new(Fragile { losses: 0 })), ..Harness::EXAMPLE };
    let text = case("setup/first-setup.yaml");
    let explorer = Explorer::new("story.yaml", &text, &fragile).expect("it can be explored");
    let (seed, whole) = (0..2_000)
        .find_map(|seed| Some((seed, explorer.run(seed).finding?)))
        .expect("some seed takes the cloud away twice");
    assert_eq!((whole.kind.as_str(), whole.why.as_str()), ("panic", "lost the cloud again"));
    let shrunk = explorer.shrink(seed).expect("it still fails");
    assert_eq!(shrunk.finding, whole);
    assert!(shrunk.left_out > 0, "{}", shrunk.text);
    let small = Scenario::parse("small.yaml", &shrunk.text).unwrap_or_else(|error| panic!("{error}"));
    let again = std::panic::catch_unwind(|| run(&small, &fragile, seed).failure);
    assert!(again.is_err_and(|words| words.downcast_ref::<&str>() == Some(&"lost the cloud again")));
    // The firmware with the ordinary product has no such fault.
    assert_eq!(run(&small, &Harness::EXAMPLE, seed).failure, None);
}

#[test]
fn a_story_in_which_nobody_can_be_set_up_is_refused() {
    let text = "format: 1\ntitle: T\nsteps:\n  - power: on\n";
    assert!(matches!(Explorer::new("a.yaml", text, &Harness::EXAMPLE), Err(StoryError::NoNetwork(_))));
    let routers = "world: { routers: [{ name: home, ssid: H, password: correct horse }] }";
    let text = format!("format: 1\ntitle: T\n{routers}\nsteps: [{{ power: on }}]\n");
    assert!(matches!(
        Explorer::new("a.yaml", &text, &Harness::EXAMPLE),
        Err(StoryError::OneLine { line: 4, .. })
    ));
}
