//! Scenario files written by their schema: steps and worlds that bytes which change one at a time come upon too rarely.
//!
//! What is written may be wrong in a way that the schema does not know, and now and then it is wrong on purpose.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::chance::Chance;
use crate::odd::YAML;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../scenarios/scenario.schema.json")).expect("the schema is JSON")
});

/// Texts that mean something somewhere.
const TEXTS: [&str; 40] = [
    "5s",
    "300ms",
    "0s",
    "1h",
    "49d",
    "4294907296ms",
    "1us",
    "-1s",
    "home",
    "device",
    "phone",
    "other",
    "blynk",
    "HomeNet",
    "correct horse",
    "short",
    "02:00:00:00:00:01",
    "192.168.4.0/24",
    "10.0.0.0/8",
    "10.0.0.1",
    "ff00",
    "0",
    "fff",
    "blynk.cloud",
    "cloud.example",
    "cloud.example:8080",
    "example..com",
    "V1",
    "V256",
    "50%",
    "0.1%",
    "101%",
    "TMPL4thermo1",
    "GET / HTTP/1.1",
    "devinfo",
    "connect a b",
    "größer",
    "",
    "\u{FEFF}",
    "0123456789abcdef0123456789abcdef0",
];
/// What is right for the definitions and formats of texts.
const RIGHT: [(&str, &[&str]); 12] = [
    ("DurationText", &["5s", "300ms", "0s", "1h"]),
    ("HexBytes", &["00ff", "7b"]),
    ("Host", &["blynk.cloud", "cloud.example"]),
    ("HostPort", &["blynk.cloud", "blynk.cloud:8080", "cloud.example:443"]),
    ("Mac", &["02:00:00:00:00:01", "24:0A:C4:00:01:10"]),
    ("Name", &["home", "device", "phone", "blynk", "other"]),
    ("Pin", &["V1", "V0", "V255"]),
    ("Secret", &["correct horse", "short", "hex:00ff"]),
    ("Ssid", &["HomeNet", "hex:ff", "Neighbour"]),
    ("Subnet", &["192.168.4.0/24", "10.0.0.0/24"]),
    ("TokenChoice", &["issued", "invalid", "0123456789abcdef0123456789abcdef"]),
    ("ipv4", &["192.168.1.50", "255.255.255.0", "192.168.1.1"]),
];
/// Stands before the place of an oddity until the text is written; no schema has it.
const ODD_MARK: char = '\u{E000}';
/// How deep a value may be before only what it must have is written.
const DEPTH_MAX: u32 = 6;

/// Writes pieces of scenarios. The same seed writes the same.
pub(crate) struct Writer {
    chance: Chance,
}

impl Writer {
    pub(crate) fn new(seed: u32) -> Self {
        Self { chance: Chance::new(seed) }
    }

    /// A number below `end`, or 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.chance.below(end)
    }

    /// A whole file.
    pub(crate) fn file(&mut self) -> String {
        let mut lines = vec!["format: 1".to_owned(), "title: T".to_owned()];
        for (key, node) in SCHEMA["properties"].as_object().into_iter().flatten() {
            let is_there = ["format", "title", "steps"].contains(&key.as_str());
            if !is_there && self.below(3) == 0 {
                lines.push(format!("{key}: {}", self.value(node, 0)));
            }
        }
        lines.push("steps:".to_owned());
        lines.extend((0..=self.below(4)).map(|_| self.step()));
        with_oddities(lines.join("\n") + "\n")
    }

    /// The line of one step.
    pub(crate) fn step(&mut self) -> String {
        with_oddities(format!("  - {}", self.value(&SCHEMA["definitions"]["Step"], 0)))
    }

    fn oddity(&mut self) -> String {
        format!("{ODD_MARK}{:02}", self.below(YAML.len()))
    }

    fn value(&mut self, node: &'static Value, depth: u32) -> Value {
        if self.below(30) == 0 {
            return json!(self.oddity());
        }
        if self.below(50) == 0 {
            let wrong =
                [Value::Null, json!([]), json!({}), json!(-1), json!(0), json!("x"), json!(true), json!(1.5)];
            return wrong[self.below(wrong.len())].clone();
        }
        if let Some(name) = node["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            return match right(name) {
                Some(texts) if self.below(4) != 0 => json!(texts[self.below(texts.len())]),
                _ => self.value(&SCHEMA["definitions"][name], depth),
            };
        }
        if let Some(texts) = node["format"].as_str().and_then(right).filter(|_| self.below(4) != 0) {
            return json!(texts[self.below(texts.len())]);
        }
        // Where a choice stands beside properties, it says which of them must be there.
        if node["properties"].is_object() {
            return self.object(node, depth);
        }
        for choice in ["allOf", "oneOf", "anyOf"] {
            if let Some(nodes) = node[choice].as_array().filter(|nodes| !nodes.is_empty()) {
                let chosen = self.below(nodes.len());
                return self.value(&nodes[chosen], depth);
            }
        }
        if let Some(constant) = node.get("const") {
            return constant.clone();
        }
        for list in ["enum", "examples"] {
            if let Some(values) = node[list].as_array().filter(|values| !values.is_empty()) {
                return values[self.below(values.len())].clone();
            }
        }
        let kind = match &node["type"] {
            Value::Array(kinds) if !kinds.is_empty() => &kinds[self.below(kinds.len())],
            kind => kind,
        };
        match kind.as_str() {
            Some("object") => self.object(node, depth),
            Some("array") => self.list(node, depth),
            Some("integer" | "number") => self.number(node),
            Some("boolean") => json!(self.below(2) == 0),
            Some("null") => Value::Null,
            _ => json!(TEXTS[self.below(TEXTS.len())]),
        }
    }

    fn object(&mut self, node: &'static Value, depth: u32) -> Value {
        let choices = node["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
        let chosen = choices.get(self.below(choices.len())).unwrap_or(&Value::Null);
        let needed: Vec<&str> = required(node).chain(required(chosen)).collect();
        let rivals: Vec<&str> = choices.iter().flat_map(required).collect();
        let properties = node["properties"].as_object();
        let count = properties.map_or(0, Map::len);
        // One of many, mostly: who asks for all at once is told of the first that is wrong.
        let wanted = self.below(count);
        let mut object = Map::new();
        for (place, (key, node)) in properties.into_iter().flatten().enumerate() {
            let is_rival = rivals.contains(&key.as_str());
            let is_extra = if is_rival { self.below(40) == 0 } else { place == wanted || self.below(6) == 0 };
            if needed.contains(&key.as_str()) || (is_extra && depth < DEPTH_MAX) {
                object.insert(key.clone(), self.value(node, depth + 1));
            }
        }
        if self.below(30) == 0 {
            object.insert(self.oddity(), json!("x"));
        }
        for (_, node) in node["patternProperties"].as_object().into_iter().flatten() {
            object.insert(format!("V{}", self.below(300)), self.value(node, depth + 1));
        }
        Value::Object(object)
    }

    fn list(&mut self, node: &'static Value, depth: u32) -> Value {
        let least = node["minItems"].as_u64().unwrap_or(0);
        let most = node["maxItems"].as_u64().unwrap_or(3).max(least);
        let more = self.below(usize::try_from(most - least).unwrap_or(0) + 1);
        let count = usize::try_from(least).unwrap_or(0) + more;
        (0..count).map(|_| self.value(&node["items"], depth + 1)).collect()
    }

    fn number(&mut self, node: &Value) -> Value {
        let [least, most] = ["minimum", "maximum"].map(|bound| node[bound].as_i64());
        let (least, most) = (least.unwrap_or(-1), most.unwrap_or(70_000));
        let numbers =
            [least, least.saturating_sub(1), most, most.saturating_add(1), least.midpoint(most), 1, 7];
        json!(numbers[self.below(numbers.len())])
    }
}

fn right(name: &str) -> Option<&'static [&'static str]> {
    RIGHT.iter().find_map(|(known, texts)| (*known == name).then_some(*texts))
}

fn required(node: &'static Value) -> impl Iterator<Item = &'static str> {
    node["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// A file for every value that the schema knows, with as little else as must be, and where the value stands in it.
pub(crate) fn every_place() -> Vec<(String, usize)> {
    let mut texts = Vec::new();
    for (key, node) in SCHEMA["properties"].as_object().into_iter().flatten() {
        for value in every(node, &[]) {
            texts.push(match key.as_str() {
                "steps" => format!("format: 1\ntitle: T\nsteps: {value}\n"),
                "format" => format!("format: {value}\ntitle: T\nsteps:\n  - wait: 1s\n"),
                "title" => format!("format: 1\ntitle: {value}\nsteps:\n  - wait: 1s\n"),
                other => format!("format: 1\ntitle: T\n{other}: {value}\nsteps:\n  - wait: 1s\n"),
            });
        }
    }
    let places = texts.iter().map(|text| text.find(ODD_MARK).unwrap_or(0));
    places.zip(&texts).map(|(at, text)| (text.replace(ODD_MARK, ""), at)).collect()
}

/// The value with a mark before each value in it, one after the other; nothing that is already `above`.
fn every(node: &'static Value, above: &[&'static str]) -> Vec<String> {
    if let Some(name) = node["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        if above.contains(&name) {
            return vec![format!("{ODD_MARK}{}", least(node))];
        }
        return every(&SCHEMA["definitions"][name], &[above, &[name]].concat());
    }
    let Some(properties) = node["properties"].as_object() else {
        let choices =
            ["allOf", "oneOf", "anyOf"].into_iter().filter_map(|choice| node[choice].as_array()).flatten();
        let mut values: Vec<String> = choices.flat_map(|node| every(node, above)).collect();
        if let Some(items) = node.get("items") {
            values.extend(every(items, above).iter().map(|item| format!("[{item}]")));
        }
        if values.is_empty() || node["type"] == "array" {
            values.push(format!("{ODD_MARK}{}", least(node)));
        }
        return values;
    };
    let choices = || node["oneOf"].as_array().into_iter().flatten();
    let mut values = vec![format!("{ODD_MARK}null")];
    for (key, property) in properties {
        let choice = choices().find(|choice| required(choice).any(|name| name == key)).or(choices().next());
        let others = required(node).chain(choice.into_iter().flat_map(required)).filter(|name| name != key);
        let before: String =
            others.map(|name| format!("\"{name}\": {}, ", least(&properties[name]))).collect();
        values.extend(every(property, above).iter().map(|value| format!("{{{before}\"{key}\": {value}}}")));
    }
    values
}

/// A value with as little as it must have.
fn least(node: &'static Value) -> String {
    if let Some(name) = node["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return right(name)
            .map_or_else(|| least(&SCHEMA["definitions"][name]), |texts| format!("\"{}\"", texts[0]));
    }
    if let Some(properties) = node["properties"].as_object() {
        let names = required(node).chain(required(&node["oneOf"][0]));
        let members: Vec<String> =
            names.map(|name| format!("\"{name}\": {}", least(&properties[name]))).collect();
        return format!("{{{}}}", members.join(", "));
    }
    let choice = ["allOf", "oneOf", "anyOf"].into_iter().find_map(|choice| node[choice].get(0));
    let example = ["enum", "examples"].into_iter().find_map(|list| node[list].get(0)).or(node.get("const"));
    match (choice, example, node["type"].as_str().or(node["type"][0].as_str())) {
        (Some(choice), _, _) => least(choice),
        (None, Some(example), _) => example.to_string(),
        (None, None, Some("array")) => format!("[{}]", least(&node["items"])),
        (None, None, Some("object")) => "{}".to_owned(),
        (None, None, Some("integer" | "number")) => {
            node.get("minimum").map_or("1".to_owned(), Value::to_string)
        }
        (None, None, Some("boolean")) => "true".to_owned(),
        _ => {
            let texts = node["format"].as_str().and_then(right).unwrap_or(&["5s"]);
            format!("\"{}\"", texts[0])
        }
    }
}

/// Puts the oddities where their marks are: without quotation marks, and as keys with the space that they need.
fn with_oddities(mut text: String) -> String {
    if text.contains(ODD_MARK) {
        for (number, odd) in YAML.iter().enumerate() {
            let mark = format!("\"{ODD_MARK}{number:02}\"");
            text = text.replace(&format!("{mark}:"), &format!("{odd} : ")).replace(&mark, odd);
        }
    }
    text
}
