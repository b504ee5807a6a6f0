use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;
use crate::runner::{DEFAULT_SEED, Harness, run};
use crate::scenario::starter;

/// The contract, as its readers see it.
const CONTRACT: &str = include_str!("../../../docs/trace-file.md");

fn example() -> (Scenario, String) {
    let scenario = Scenario::parse("story.yaml", starter()).unwrap_or_else(|error| panic!("{error}"));
    let outcome = run(&scenario, &Harness::EXAMPLE, DEFAULT_SEED);
    let run = Run {
        scenario: &scenario,
        seed: u64::MAX,
        target: "sim",
        replay: "hil run story.yaml",
        trace: &outcome.trace,
        elapsed: outcome.elapsed,
        fault: None,
    };
    let json = write(&run);
    (scenario, json)
}

#[test]
fn what_is_written_is_read_back() {
    let (scenario, json) = example();
    let file = TraceFile::parse(Path::new("run.jsonl"), &json).expect("it is a trace");
    assert_eq!((file.title, file.seed), (scenario.title, u64::MAX.to_string()));
    assert_eq!(json.lines().count(), file.entries.len() + 2);
    assert!(file.entries.is_sorted_by_key(|entry| entry.at_us));
    let state = file.entries.iter().find(|entry| entry.event == "device.state").expect("there is one");
    assert_eq!((state.text.as_str(), state.level.as_str()), ("INIT => WAIT_CONFIG", "story"));
    assert!(file.frames > 100);
}

#[test]
fn what_cannot_be_read_says_where() {
    let (_, json) = example();
    let check = |text: &str, expected: &str| {
        let error = TraceFile::parse(Path::new("run.jsonl"), text).expect_err("it is no trace");
        assert_eq!(error.to_string(), expected);
    };
    check("", "run.jsonl:1:1: the file is empty");
    let no_trace = "run.jsonl:1:1: this is no trace: its first line does not say \"format\":\"hil-trace\"";
    check("{}", no_trace);
    check("nonsense\n", no_trace);
    let version = "run.jsonl:1:1: this program reads traces of version 1, and this one is of version 2";
    check(&json.replacen("\"version\":1", "\"version\":2", 1), version);
    let whole: Vec<&str> = json.lines().collect();
    let (_, without_end) = whole.split_last().expect("it has lines");
    let end = "the trace ends before its last line, which says what became of the run";
    check(&without_end.join("\n"), &format!("run.jsonl:{}:1: {end}", whole.len()));
    let broken = [whole[0], "{\"at_us\":"].join("\n");
    check(&broken, "run.jsonl:2:9: EOF while parsing a value");
    let strange = [whole[0], "{\"at_us\":1}"].join("\n");
    check(&strange, "run.jsonl:2:1: this is neither an entry of a trace nor its end");
}

/// What the contract says of each event: the names of its fields.
fn contract() -> BTreeMap<String, BTreeSet<String>> {
    let rows = CONTRACT.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| {
        let (name, rest) = row.split_once("` | ")?;
        let (fields, _) = rest.split_once(" |")?;
        let fields = fields.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        name.contains(|c: char| c == '.' || c.is_ascii_lowercase()).then(|| (name.to_owned(), fields))
    })
    .collect()
}

#[test]
fn the_contract_names_each_event_that_can_be_written() {
    let source = include_str!("facts.rs");
    let contract = contract();
    let written: BTreeSet<&str> = source
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|text| text.contains('.') || ["console", "indicator"].contains(text))
        .collect();
    assert!(written.len() > 90, "the source is not as this test reads it");
    let missing: Vec<_> = written.iter().filter(|name| !contract.contains_key(**name)).collect();
    assert!(missing.is_empty(), "docs/trace-file.md lacks {missing:?}");
    let events = contract
        .keys()
        .filter(|name| name.contains('.') || ["console", "indicator"].contains(&name.as_str()));
    let dead: Vec<_> = events.filter(|name| !written.contains(name.as_str())).collect();
    assert!(dead.is_empty(), "docs/trace-file.md has {dead:?}, which nothing writes");
}

#[test]
fn entries_have_the_fields_that_the_contract_names() {
    let (_, json) = example();
    let contract = contract();
    let common = ["at_us", "actor", "event", "level", "text"];
    let lines: Vec<&str> = json.lines().collect();
    for line in &lines[1..lines.len() - 1] {
        let entry: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).expect("it is an object");
        let event = entry["event"].as_str().expect("a text");
        let fields = contract.get(event).unwrap_or_else(|| panic!("{event} is not in the contract"));
        for field in entry.keys().filter(|field| !common.contains(&field.as_str())) {
            assert!(fields.contains(field), "{event} has a field {field}, which is not in the contract");
        }
    }
}
