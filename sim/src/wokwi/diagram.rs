//! The rules for `diagram.json`: those of Wokwi's own linter, and the traps that it does not know.

use std::collections::BTreeMap;

use super::parts::{self, DEVKIT_C_V4, DEVKIT_C_V4_FLASH_PINS, Part};
use super::{Findings, meant};
use crate::tree::{Key, Node, Value};

/// The part that nobody places: the serial monitor.
pub(super) const SERIAL_MONITOR: &str = "$serialMonitor";
const ROOT_KEYS: [&str; 7] =
    ["version", "author", "editor", "parts", "connections", "serialMonitor", "dependencies"];
const COORDINATES: [&str; 3] = ["left", "top", "rotate"];
const MONITOR_VALUES: [(&str, &[&str]); 2] = [
    ("display", &["auto", "always", "never", "plotter", "terminal"]),
    ("newline", &["lf", "cr", "crlf", "none"]),
];

pub(super) fn check(root: &Node, findings: &mut Findings<'_>) {
    if root.map().is_none() {
        let what = format!("the file is {}, and should be a map", root.kind());
        return findings.error("json-parse", root.at, what, "");
    }
    for (Key { name, at }, _) in root.map().unwrap_or_default() {
        if !ROOT_KEYS.contains(&name.as_str()) {
            findings.warning("unknown-key", *at, format!("Wokwi ignores `{name}`"), meant(name, &ROOT_KEYS));
        }
    }
    let mut lists = ["parts", "connections"].map(|name| list(root, name, findings));
    let [parts, connections] = &mut lists;
    let (Some(parts), Some(connections)) = (parts.take(), connections.take()) else { return };
    let by_id = check_parts(parts, findings);
    let ends = check_connections(connections, &by_id, findings);
    for (id, part) in &by_id {
        let is_used = ends.iter().any(|(end, _)| end == id);
        if !is_used && !stands_alone(part) {
            let what = format!("nothing is connected to `{id}`");
            findings.warning("redundant-parts", part.at, what, "connect it, or leave it out");
        }
    }
    check_serial(root, &by_id, &ends, findings);
}

fn list<'n>(root: &'n Node, name: &str, findings: &mut Findings<'_>) -> Option<&'n [Node]> {
    match root.get(name) {
        Some(Node { value: Value::List(items), .. }) => Some(items),
        Some(other) => {
            let what = format!("`{name}` is {}, and should be a list", other.kind());
            findings.error("json-parse", other.at, what, "");
            None
        }
        None => {
            findings.error("json-parse", root.at, format!("there is no list `{name}`"), "");
            None
        }
    }
}

/// The type of a part.
pub(super) fn kind_of(part: &Node) -> &str {
    part.get("type").and_then(Node::text).unwrap_or_default()
}

/// The parts of a diagram by their ids.
pub(super) fn parts_by_id(root: &Node) -> BTreeMap<&str, &Node> {
    let parts = root.get("parts").and_then(Node::list).unwrap_or_default();
    parts.iter().filter_map(|part| Some((part.get("id")?.text()?, part))).collect()
}

fn stands_alone(part: &Node) -> bool {
    let kind = kind_of(part);
    let is_exempt = ["board-", "chip-"].iter().any(|prefix| kind.starts_with(prefix));
    is_exempt || parts::find(kind).is_none_or(|known| known.stands_alone)
}

fn check_parts<'n>(parts: &'n [Node], findings: &mut Findings<'_>) -> BTreeMap<&'n str, &'n Node> {
    let mut by_id = BTreeMap::new();
    for part in parts {
        let Some(entries) = part.map() else {
            findings.error(
                "json-parse",
                part.at,
                format!("a part is {}, and should be a map", part.kind()),
                "",
            );
            continue;
        };
        let id = part.get("id").and_then(Node::text);
        match (id, part.get("id")) {
            (Some(id), Some(node)) => {
                if *by_id.entry(id).or_insert(part) != part {
                    findings.error("duplicate-id", node.at, format!("there is another part `{id}`"), "");
                }
            }
            (_, Some(node)) => findings.error("json-parse", node.at, "the part's `id` is not a text", ""),
            (_, None) => findings.error("json-parse", part.at, "the part has no `id`", ""),
        }
        check_type(part, findings);
        for (Key { name, at }, _) in entries {
            wrong_coordinates(name, *at, findings);
        }
        check_attributes(part, findings);
        check_bounce(part, findings);
    }
    by_id
}

fn check_type(part: &Node, findings: &mut Findings<'_>) {
    let kind = kind_of(part);
    let at = part.get("type").map_or(part.at, |node| node.at);
    let prefixes = ["board-", "chip-", "wokwi-"];
    if kind.is_empty() {
        findings.error("unknown-part-type", at, "the part has no `type`", "");
    } else if kind.starts_with("board-") {
        let help = "harmless: it runs, and its attributes are not checked";
        findings.info("unsupported-part", at, format!("Wokwi's linter does not support `{kind}`"), help);
    } else if !prefixes.iter().any(|prefix| kind.starts_with(prefix)) {
        let known: Vec<&str> = parts::names().collect();
        findings.error("unknown-part-type", at, format!("there is no part `{kind}`"), meant(kind, &known));
    } else if kind.starts_with("wokwi-") && parts::find(kind).is_none() {
        let known: Vec<&str> = parts::names().collect();
        let what = format!("`{kind}` is not known here: its pins and attributes are not checked");
        findings.info("unknown-part-type", at, what, meant(kind, &known));
    }
}

fn wrong_coordinates(name: &str, at: super::Place, findings: &mut Findings<'_>) {
    let right = match name {
        "x" => "left",
        "y" => "top",
        _ => return,
    };
    let what = format!("Wokwi does not know `{name}`, and puts the part anywhere");
    findings.error("wrong-coord-names", at, what, format!("write `{right}`"));
}

fn check_attributes(part: &Node, findings: &mut Findings<'_>) {
    let Some(attributes) = part.get("attrs") else { return };
    let Some(entries) = attributes.map() else {
        let what = format!("`attrs` is {}, and should be a map", attributes.kind());
        return findings.error("json-parse", attributes.at, what, "");
    };
    let known = parts::find(kind_of(part)).and_then(|part| part.attributes);
    for (Key { name, at }, value) in entries {
        wrong_coordinates(name, *at, findings);
        if COORDINATES.contains(&name.as_str()) {
            let what = format!("`{name}` stands in `attrs`");
            findings.warning("misplaced-coords", *at, what, "put it beside `attrs`");
        }
        let Some(text) = value.text() else {
            let what = format!("`{name}` is {}, and all attributes are texts", value.kind());
            findings.warning("attribute-no-text", value.at, what, "put it between quotation marks");
            continue;
        };
        let Some(known) = known else { continue };
        match known.iter().find(|attribute| attribute.0 == *name) {
            None => {
                let names: Vec<&str> = known.iter().map(|attribute| attribute.0).collect();
                let what = format!("`{}` has no attribute `{name}`", kind_of(part));
                findings.warning("invalid-attribute", *at, what, meant(name, &names));
            }
            Some(attribute) if !attribute.1.is_empty() && !attribute.1.contains(&text) => {
                let choices = attribute.1.iter().filter(|value| !value.is_empty());
                let choices: Vec<String> = choices.map(|value| format!("\"{value}\"")).collect();
                let what = format!("`{name}` cannot be \"{text}\"");
                findings.warning("invalid-attribute", value.at, what, choices.join(" or "));
            }
            Some(_) => {}
        }
    }
}

fn check_bounce(part: &Node, findings: &mut Findings<'_>) {
    let is_button = parts::find(kind_of(part)).is_some_and(|part| part.controls.contains(&"pressed"));
    if is_button && part.get("attrs").and_then(|attrs| attrs.get("bounce")).and_then(Node::text) != Some("0")
    {
        let help = "write \"bounce\": \"0\" where tests press it";
        findings.info("button-bounces", part.at, "the button bounces for a millisecond", help);
    }
}

/// Checks each connection, and returns all ends as part and pin.
fn check_connections<'n>(
    connections: &'n [Node],
    by_id: &BTreeMap<&str, &Node>,
    findings: &mut Findings<'_>,
) -> Vec<(&'n str, &'n str)> {
    let mut ends = Vec::new();
    for connection in connections {
        let items = connection.list().unwrap_or_default();
        let [from, to, rest @ ..] = items else {
            let what = "a connection is a list of two ends, a colour and perhaps its way";
            findings.error(
                "json-parse",
                connection.at,
                what,
                "[\"esp:TX\", \"$serialMonitor:RX\", \"\", []]",
            );
            continue;
        };
        let is_whole = matches!(rest, [color] if color.text().is_some())
            || matches!(rest, [color, way] if color.text().is_some() && way.list().is_some());
        if !is_whole {
            let what = "behind the two ends come a colour and perhaps the way of the wire";
            findings.error("json-parse", connection.at, what, "write \"\" for a wire that is not drawn");
        }
        for end in [from, to] {
            ends.extend(check_end(end, by_id, findings));
        }
    }
    ends
}

fn check_end<'n>(
    end: &'n Node,
    by_id: &BTreeMap<&str, &Node>,
    findings: &mut Findings<'_>,
) -> Option<(&'n str, &'n str)> {
    // The id ends at the first colon.
    let Some((id, pin)) = end.text().and_then(|text| text.split_once(':')) else {
        findings.error("json-parse", end.at, "an end is PART:PIN", "");
        return None;
    };
    if id == SERIAL_MONITOR {
        if !["RX", "TX"].contains(&pin) {
            let what = format!("the serial monitor has no pin `{pin}`, and Wokwi does not say so");
            findings.error("invalid-pin", end.at, what, "its pins are RX and TX");
        }
        return Some((id, pin));
    }
    let Some(part) = by_id.get(id) else {
        let ids: Vec<&str> = by_id.keys().copied().collect();
        findings.error("missing-component", end.at, format!("there is no part `{id}`"), meant(id, &ids));
        return None;
    };
    let kind = kind_of(part);
    if let Some(Part { pins, .. }) = parts::find(kind)
        && !pins.contains(&pin)
    {
        let help = if pins.iter().any(|known| *known == format!("{pin}.1")) {
            format!("there are several: `{id}:{pin}.1`")
        } else {
            meant(pin, pins)
        };
        findings.error("invalid-pin", end.at, format!("`{kind}` has no pin `{pin}`"), help);
    }
    if kind == DEVKIT_C_V4 && DEVKIT_C_V4_FLASH_PINS.contains(&pin) {
        let what = format!("`{pin}` leads to the chip's own flash, and is no GPIO of that number");
        findings.warning(
            "flash-pin",
            end.at,
            what,
            format!("`{id}:{}` is the GPIO", pin.trim_start_matches('D')),
        );
    }
    Some((id, pin))
}

/// Without wires to the serial monitor nothing is ever printed, and every wait for a text runs into its limit.
fn check_serial(
    root: &Node,
    by_id: &BTreeMap<&str, &Node>,
    ends: &[(&str, &str)],
    findings: &mut Findings<'_>,
) {
    if let Some(monitor) = root.get("serialMonitor") {
        for (name, choices) in MONITOR_VALUES {
            let Some(value) = monitor.get(name) else { continue };
            if !value.text().is_some_and(|text| choices.contains(&text)) {
                let what = format!("`{name}` of the serial monitor cannot be this");
                findings.warning("invalid-attribute", value.at, what, choices.join(", "));
            }
        }
    }
    let boards: Vec<&&Node> =
        by_id.values().filter(|part| kind_of(part).starts_with("board-esp32")).collect();
    let uses_usb = boards.iter().any(|board| {
        let attribute = board.get("attrs").and_then(|attrs| attrs.get("serialInterface"));
        attribute.and_then(Node::text) == Some("USB_SERIAL_JTAG")
    });
    let is_wired = ends.iter().any(|(id, _)| *id == SERIAL_MONITOR);
    let Some(board) = boards.first() else { return };
    match (uses_usb, is_wired) {
        (false, false) => {
            let help = "connect TX with $serialMonitor:RX and RX with $serialMonitor:TX, or give the board \
                        \"serialInterface\": \"USB_SERIAL_JTAG\"";
            let what = "the serial monitor is not connected: nothing that is printed will be seen";
            findings.warning("no-serial", board.at, what, help);
        }
        (true, true) => {
            let what = "the serial monitor is connected to UART pins and to the USB port";
            findings.warning("two-serials", board.at, what, "keep one of them");
        }
        (true, false) | (false, true) => {}
    }
}
