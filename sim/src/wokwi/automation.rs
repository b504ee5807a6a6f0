//! The rules for Wokwi's automation scenarios. Its command line takes much of what is wrong in them without a word.

use std::collections::BTreeMap;

use super::diagram::{SERIAL_MONITOR, kind_of, parts_by_id};
use super::parts;
use super::{Findings, meant};
use crate::tree::{Key, Node, Value};

/// Steps in the order in which Wokwi looks for them: of several in one mapping, only the first is done.
const STEPS: [&str; 11] = [
    "delay",
    "expect-chip-output",
    "expect-pin",
    "set-control",
    "wait-serial",
    "write-serial",
    "take-screenshot",
    "touch",
    "touch-press",
    "touch-release",
    "touch-move",
];
const ROOT_KEYS: [&str; 5] = ["name", "version", "steps", "author", "description"];
/// Without time behind them these do nothing.
const NEED_TIME: [&str; 2] = ["set-control", "write-serial"];

pub(super) fn check(root: &Node, diagram: Option<&Node>, findings: &mut Findings<'_>) {
    if root.map().is_none() {
        let what = format!("the file is {}, and should be a map", root.kind());
        return findings.error("scenario", root.at, what, "begin with `name:`");
    }
    for (Key { name, at }, _) in root.map().unwrap_or_default() {
        if !ROOT_KEYS.contains(&name.as_str()) {
            findings.warning("unknown-key", *at, format!("Wokwi ignores `{name}`"), meant(name, &ROOT_KEYS));
        }
    }
    if root.get("name").and_then(Node::text).is_none() {
        let at = root.get("name").map_or(root.at, |node| node.at);
        findings.error("scenario", at, "the scenario has no `name`", "a text");
    }
    match root.get("version") {
        Some(version) if version.number() == Some(1) => {}
        Some(version) => {
            findings.error("scenario", version.at, "`version` must be the number 1", "version: 1");
        }
        None => findings.error("scenario", root.at, "`version` is missing", "version: 1"),
    }
    let Some(steps) = root.get("steps").and_then(Node::list) else {
        let at = root.get("steps").map_or(root.at, |node| node.at);
        return findings.error("scenario", at, "there is no list `steps`", "");
    };
    let parts = diagram.map(parts_by_id);
    let mut last = None;
    for step in steps {
        last = check_step(step, parts.as_ref(), findings).map(|verb| (verb, step.at)).or(last);
    }
    if let Some((verb, at)) = last
        && NEED_TIME.contains(&verb)
    {
        let what = format!("`{verb}` is the last step, and the run ends before it has an effect");
        findings.warning("no-time-left", at, what, "add a `delay` or a `wait-serial` behind it");
    }
}

/// Checks a step, and returns what it does.
fn check_step(
    step: &Node,
    parts: Option<&BTreeMap<&str, &Node>>,
    findings: &mut Findings<'_>,
) -> Option<&'static str> {
    let Some(entries) = step.map() else {
        let what = format!("a step is {}, and should be a map", step.kind());
        findings.error("scenario", step.at, what, "such as `- delay: 100ms`");
        return None;
    };
    let mut all = STEPS.to_vec();
    all.push("name");
    for (Key { name, at }, _) in entries {
        if !all.contains(&name.as_str()) {
            let what = format!("there is no step `{name}`");
            findings.error("unknown-step", *at, what, meant(name, &all));
        }
    }
    let mut done = STEPS.iter().filter_map(|verb| Some((*verb, step.get(verb)?)));
    let Some((verb, argument)) = done.next() else {
        let has_unknown = entries.iter().any(|(key, _)| key.name != "name");
        if !has_unknown {
            let what = "the step does nothing, and Wokwi ends there with an error";
            findings.error("scenario", step.at, what, "leave it out");
        }
        return None;
    };
    for (ignored, node) in done {
        let what = format!("`{ignored}` is not done: `{verb}` stands in the same step");
        findings.error("second-action", node.at, what, "begin a new step with `-`");
    }
    match verb {
        "delay" => delay(argument, findings),
        "wait-serial" | "expect-chip-output" => text(verb, argument, findings),
        "write-serial" => write_serial(argument, findings),
        "set-control" => set_control(argument, parts, findings),
        "expect-pin" => expect_pin(argument, parts, findings),
        "take-screenshot" => screenshot(argument, parts, findings),
        _ => touch(verb, argument, parts, findings),
    }
    Some(verb)
}

fn text(verb: &str, argument: &Node, findings: &mut Findings<'_>) {
    match argument.text() {
        Some("") => findings.error("scenario", argument.at, format!("`{verb}` waits for nothing"), ""),
        Some(_) => {}
        None => {
            let what = format!("`{verb}` is {}, and should be a text", argument.kind());
            findings.error("scenario", argument.at, what, "put it between quotation marks");
        }
    }
}

fn delay(argument: &Node, findings: &mut Findings<'_>) {
    let is_time = |text: &str| {
        let text = text.trim().to_ascii_lowercase();
        let number = ["ns", "us", "ms", "s"].iter().find_map(|unit| text.strip_suffix(unit));
        let number = number.unwrap_or(if text == "0" { "0" } else { "" }).trim();
        !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    if !argument.text().is_some_and(is_time) {
        let what = "`delay` is a text with a number and ns, us, ms or s";
        findings.error("scenario", argument.at, what, "such as `delay: 100ms`");
    }
}

fn write_serial(argument: &Node, findings: &mut Findings<'_>) {
    let is_byte = |node: &Node| node.number().is_some_and(|number| (0..=255).contains(&number));
    let is_right = match &argument.value {
        Value::Text(_) => true,
        Value::List(items) => !items.is_empty() && items.iter().all(is_byte),
        _ => false,
    };
    if !is_right {
        let what = "`write-serial` is a text, or a list of numbers from 0 to 255";
        findings.error("scenario", argument.at, what, "");
    } else if argument.text().is_some_and(|text| !text.ends_with(['\n', '\r'])) {
        let help = "write it as \"...\\n\" where the firmware reads lines";
        findings.info("no-newline", argument.at, "Wokwi adds no end of line to this", help);
    }
}

fn set_control(argument: &Node, parts: Option<&BTreeMap<&str, &Node>>, findings: &mut Findings<'_>) {
    keys("set-control", argument, &["part-id", "name", "control", "value"], findings);
    let part = part_of(argument, parts, findings);
    let Some(control) = argument.get("name").or_else(|| argument.get("control")) else {
        return findings.error("scenario", argument.at, "`set-control` does not say which", "add `name:`");
    };
    if argument.get("value").and_then(Node::number).is_none() {
        let at = argument.get("value").map_or(argument.at, |node| node.at);
        findings.error("scenario", at, "`value` is a number", "0 or 1 for a button");
    }
    let known = part.and_then(|part| parts::find(kind_of(part)));
    if let (Some(known), Some(name)) = (known, control.text())
        && !known.controls.contains(&name)
    {
        let what = format!("`{}` has no control `{name}`", known.name);
        findings.error("invalid-control", control.at, what, meant(name, known.controls));
    }
}

fn expect_pin(argument: &Node, parts: Option<&BTreeMap<&str, &Node>>, findings: &mut Findings<'_>) {
    if let Some(expected) = argument.get("expected") {
        let what = "Wokwi ignores `expected`, and the step fails whatever the pin is";
        findings.error("expected-ignored", expected.at, what, "write `value:`");
    }
    keys("expect-pin", argument, &["part-id", "name", "pin", "value", "expected"], findings);
    let part = part_of(argument, parts, findings);
    let Some(pin) = argument.get("name").or_else(|| argument.get("pin")) else {
        return findings.error("scenario", argument.at, "`expect-pin` does not say which pin", "add `name:`");
    };
    if let Value::Number(number) = &pin.value {
        let what = format!(
            "the pin {number} has no quotation marks: it is sent as a number, and 0 counts as missing"
        );
        findings.error("unquoted-pin", pin.at, what, format!("write \"{number}\""));
    }
    let value = argument.get("value");
    if !value.and_then(Node::number).is_some_and(|value| matches!(value, 0 | 1)) {
        let at = value.map_or(argument.at, |node| node.at);
        findings.error(
            "scenario",
            at,
            "`value` is 0 or 1, without quotation marks",
            "anything else never equals the pin",
        );
    }
    let known = part.and_then(|part| parts::find(kind_of(part)));
    if let (Some(known), Some(name)) = (known, pin.text())
        && !known.pins.contains(&name)
    {
        let help = meant(name, known.pins);
        findings.error("invalid-pin", pin.at, format!("`{}` has no pin `{name}`", known.name), help);
    }
}

fn screenshot(argument: &Node, parts: Option<&BTreeMap<&str, &Node>>, findings: &mut Findings<'_>) {
    keys("take-screenshot", argument, &["part-id", "save-to", "compare-with"], findings);
    part_of(argument, parts, findings);
    if argument.get("save-to").is_none() && argument.get("compare-with").is_none() {
        let what = "`take-screenshot` neither saves nor compares";
        findings.error("scenario", argument.at, what, "add `save-to:` or `compare-with:`");
    }
}

fn touch(verb: &str, argument: &Node, parts: Option<&BTreeMap<&str, &Node>>, findings: &mut Findings<'_>) {
    let known: &[&str] = match verb {
        "touch" => &["part-id", "x", "y", "duration", "wait"],
        "touch-release" => &["part-id"],
        _ => &["part-id", "x", "y"],
    };
    keys(verb, argument, known, findings);
    part_of(argument, parts, findings);
    for axis in known.iter().filter(|name| ["x", "y"].contains(*name)) {
        if !matches!(argument.get(axis).map(|node| &node.value), Some(Value::Number(_))) {
            let at = argument.get(axis).map_or(argument.at, |node| node.at);
            findings.error("scenario", at, format!("`{verb}` needs the number `{axis}`"), "");
        }
    }
    if let Some(duration) = argument.get("duration") {
        delay(duration, findings);
    }
}

fn keys(verb: &str, argument: &Node, known: &[&str], findings: &mut Findings<'_>) {
    if argument.map().is_none() {
        let what = format!("`{verb}` is {}, and should be a map", argument.kind());
        findings.error("scenario", argument.at, what, "with `part-id:`");
    }
    for (Key { name, at }, _) in argument.map().unwrap_or_default() {
        if !known.contains(&name.as_str()) {
            let what = format!("`{verb}` ignores `{name}`");
            findings.warning("unknown-key", *at, what, meant(name, known));
        }
    }
}

/// The part that a step is about, if it is in the diagram.
fn part_of<'n>(
    argument: &Node,
    parts: Option<&BTreeMap<&str, &'n Node>>,
    findings: &mut Findings<'_>,
) -> Option<&'n Node> {
    argument.map()?;
    let Some(id) = argument.get("part-id") else {
        findings.error("scenario", argument.at, "`part-id` is missing", "name a part of the diagram");
        return None;
    };
    let (name, parts) = (id.text()?, parts?);
    if let Some(part) = parts.get(name) {
        return Some(part);
    }
    let ids: Vec<&str> = parts.keys().copied().filter(|id| *id != SERIAL_MONITOR).collect();
    findings.error(
        "missing-component",
        id.at,
        format!("there is no part `{name}` in the diagram"),
        meant(name, &ids),
    );
    None
}
