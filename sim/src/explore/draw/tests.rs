use std::collections::BTreeSet;

use super::*;
use crate::scenario::{Scenario, schema};

const HEAD: &str =
    "format: 1\ntitle: T\nworld:\n  routers: [{ name: home, ssid: H, password: correct horse }]\nsteps:\n";

/// Somebody of every kind.
fn world() -> World {
    let scenario = Scenario::parse("story.yaml", &format!("{HEAD}  - power: on\n"));
    scenario.unwrap_or_else(|error| panic!("{error}")).world
}

/// Every kind is a step that the language takes, and a seed always draws the same.
#[test]
fn what_is_drawn_can_be_written_in_a_scenario() {
    let world = world();
    let mut dice = Dice(SplitMix64::new(1));
    for kind in KINDS.into_iter().cycle().take(40 * KINDS.len()) {
        let step = kind.draw(&world, &mut dice).expect("there is somebody of every kind");
        Scenario::parse("story.yaml", &format!("{HEAD}{step}\n")).unwrap_or_else(|error| panic!("{error}"));
    }
    for seed in 0..100 {
        let steps = Plan::draw(&world, seed).steps;
        assert!(steps.len() <= 8);
        assert_eq!(steps, Plan::draw(&world, seed).steps);
    }
}

/// What can be changed and is drawn under no name of its own, and why.
const NOT_DRAWN: [(&str, &str); 12] = [
    ("heal", "the end of a partition, which comes with the end of all faults"),
    ("release", "the end of holding, which comes with the end of all faults"),
    ("get-token", "the app's own way"),
    ("join", "the app's own way"),
    ("join-device", "the app's own way"),
    ("board-info", "the app's own way"),
    ("scan", "the app's own way"),
    ("configure", "the app's own way"),
    ("provision", "the app's own way"),
    ("wait-online", "the app's own way"),
    ("rename", "the app's own way"),
    ("delete-device", "drawn at the cloud, as `delete_device`"),
];

/// Whatever somebody can arm, chance can: a new key of the language is drawn, or stands above with its reason.
#[test]
fn every_change_of_the_language_is_drawn() {
    let world = world();
    let drawn: String = (0..4_000).flat_map(|seed| Plan::draw(&world, seed).steps).collect();
    let is_mark = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let drawn: BTreeSet<&str> = drawn.split(is_mark).collect();
    let schema: serde_json::Value = serde_json::from_str(&schema()).expect("a schema is JSON");
    let changes = [
        "AfterLogin",
        "Armed",
        "CertificateKind",
        "ClockChange",
        "CloudChange",
        "DhcpMode",
        "DnsMode",
        "FlashChange",
        "Habit",
        "Handshake",
        "LinkChange",
        "NetworkSecurity",
        "NtpMode",
        "PhoneAction",
        "PhoneChange",
        "RouterChange",
        "StrangeFrame",
    ];
    for change in changes {
        let words = words_of(&schema["definitions"][change]);
        assert!(!words.is_empty(), "{change} is no definition");
        for word in words {
            let is_exempt = NOT_DRAWN.iter().any(|(other, _)| *other == word);
            assert!(drawn.contains(&*word) != is_exempt, "`{word}` of {change}");
        }
    }
}

/// A record of another layout is one that firmware passes over, and stands in either sector.
#[test]
fn what_another_firmware_left_is_drawn() {
    let case = include_str!("../../../../scenarios/cases/power/record-of-another-firmware.yaml");
    assert!(case.contains(OTHER_LAYOUT), "the case holds another record");
    let world = world();
    let drawn: String = (0..4_000).flat_map(|seed| Plan::draw(&world, seed).steps).collect();
    for sector in 0..2 {
        let write = format!("write: {{ at: {}, bytes: {OTHER_LAYOUT} }}", sector * SECTOR_LEN);
        assert!(drawn.contains(&write), "{write}");
    }
}

/// The keys and words that a definition allows.
fn words_of(definition: &serde_json::Value) -> BTreeSet<String> {
    let keys = definition["properties"].as_object().into_iter().flat_map(|keys| keys.keys().cloned());
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let listed = definition["enum"].as_array().into_iter().flatten().filter_map(text);
    let forms = [&definition["oneOf"], &definition["anyOf"]].into_iter().filter_map(|forms| forms.as_array());
    let forms = forms.flatten().flat_map(words_of);
    keys.chain(listed).chain(forms).chain(text(&definition["const"])).collect()
}
