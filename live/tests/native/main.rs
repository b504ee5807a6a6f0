//! Scenarios with the chip's own radio, seen from outside: the same product code answers through the Simulation API, on a
//! network like Wokwi's.

mod chip;

use std::path::{Path, PathBuf};

use chip::Chip;
use hil_live::api::Server;
use hil_live::wokwi::{Content, NativeWokwi, Project};
use hil_sim::firmware_build::project;
use hil_sim::scenario::Scenario;
use hil_sim::target::{Observed, Outside, Target};
use hil_sim::wokwi::Options;

fn target(server: Server, options: Options) -> NativeWokwi {
    let project = Project { diagram: "{}".to_owned(), firmware: Content::Elf(b"an ELF file".to_vec()) };
    NativeWokwi::new(server, project, options)
}

fn case(name: &str) -> Scenario {
    Scenario::load(&cases().join(format!("{name}.yaml"))).unwrap_or_else(|error| panic!("{error}"))
}

fn cases() -> PathBuf {
    project().join("scenarios/cases")
}

fn told(steps: &str) -> Scenario {
    let text = format!(
        "format: 1\ntitle: T\nworld: {{ routers: [{{ name: home, ssid: H, password: correct horse }}] }}\nsteps:\n{steps}"
    );
    Scenario::parse("t.yaml", &text).unwrap_or_else(|error| panic!("{error}"))
}

const STEPS: &str =
    "  - power: on\n  - expect: { device: wait-config }\n  - phone: { provision: { network: home } }\n";

fn observe(chip: Chip, options: Options, scenario: &Scenario) -> Observed {
    let target = target(chip.serve(), options);
    assert_eq!(target.refuses(scenario), None);
    target.observe(scenario)
}

/// Each case that can be carried over whole is carried out, and passes.
#[test]
fn every_case_that_is_of_the_console_and_the_button_passes() {
    let target = target(Chip::default().serve(), Options::default());
    let (mut passed, mut skipped) = (Vec::new(), 0);
    for file in files(&cases()) {
        let scenario = Scenario::load(&file).unwrap_or_else(|error| panic!("{error}"));
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        if let Some(why) = target.refuses(&scenario) {
            let is_step = why.starts_with("step ") && why.contains(" (line ");
            assert!(is_step || why.contains("devices, and Wokwi's network has one"), "{name}: {why}");
            skipped += 1;
            continue;
        }
        let observed = target.observe(&scenario);
        assert_eq!(observed.failure, None, "{name}\n{}", observed.lines.join("\n"));
        passed.push(name);
    }
    passed.sort();
    let expected = EXPECTED.map(str::to_owned).to_vec();
    assert_eq!((passed, skipped > 100), (expected, true));
    let spent = target.spent().unwrap();
    assert!(spent.starts_with("in the simulator: ") && spent.contains(" round trips, "), "{spent}");
}

/// What Wokwi can do of our cases. Their networks are Wokwi's there: what is special about them is not carried over.
const EXPECTED: [&str; 17] = [
    "bouncing-button",
    "bytes-that-are-no-text",
    "counter-wrap",
    "double-submit",
    "form-characters",
    "hidden-network",
    "long-product-name",
    "lossy-air",
    "mesh-strongest",
    "neighbour-with-the-same-name",
    "old-password-not-reused",
    "open-network",
    "rough-air",
    "same-network-again",
    "short-lease",
    "tls-on-a-bad-link",
    "tls-redirect",
];

#[test]
fn what_is_seen_is_told_in_its_order_and_with_its_time() {
    let observed = observe(Chip::default(), Options::default(), &case("user/bouncing-button"));
    assert_eq!(observed.failure, None, "{}", observed.lines.join("\n"));
    let lines = &observed.lines;
    let place = |words: &str| {
        lines.iter().position(|line| line.contains(words)).unwrap_or_else(|| panic!("{words} in {lines:#?}"))
    };
    let order =
        ["-- step 1 (line ", "on the console, because", "=> WAIT_CONFIG", "=> CONNECTING_CLOUD"].map(place);
    assert!(order.is_sorted(), "{order:?}");
    // The console's echo stars the token.
    assert!(lines.iter().any(|line| line.contains("connect ***")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("WokwiKnows")), "{lines:#?}");
}

#[test]
fn a_device_that_does_not_do_its_part_fails_at_its_step() {
    let failure = |chip, options, scenario| observe(chip, options, &scenario).failure.expect("a failure");
    let chip = Chip { has_no_network: true, ..Chip::default() };
    let found = failure(chip, Options::default(), told(STEPS));
    assert_eq!((found.step, found.line, found.is_of_the_world), (3, 7, false));
    assert_eq!(found.why, "it has not printed \"=> CONNECTING_CLOUD\" within 60 s");

    let led = Options { led: Some("8".to_owned()), ..Options::default() };
    let lit = observe(Chip::default(), led.clone(), &told(STEPS));
    assert_eq!(lit.failure, None);
    let found = failure(Chip { is_dark: true, ..Chip::default() }, led, told(STEPS));
    assert_eq!((found.step, found.why.as_str()), (2, "the pin 8 of esp is 0"));

    let found = failure(Chip { goes_away: true, ..Chip::default() }, Options::default(), told(STEPS));
    assert!(found.step == 0 && found.is_of_the_world, "{found}");
    assert!(found.why.starts_with("the connection to the service is lost: "), "{found}");
}

#[test]
fn with_a_token_the_device_is_waited_for_until_it_is_online_and_the_token_is_not_shown() {
    let token = "0123456789abcdef0123456789ABCDEF".to_owned();
    let options = Options { token: Some(token.clone()), ..Options::default() };
    // Nobody is at the cloud's address here.
    let observed =
        observe(Chip::default(), options, &told(&format!("{STEPS}  - expect: {{ cloud: online }}\n")));
    let found = observed.failure.expect("a failure");
    assert_eq!(found.why, "it has not printed \"=> RUNNING\" within 60 s");
    assert!(observed.lines.iter().any(|line| line.contains("=> CONNECTING_CLOUD")));
    assert!(!observed.lines.iter().any(|line| line.contains(&token)));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "yaml") {
            all.push(path);
        }
    }
    all.sort();
    all
}
