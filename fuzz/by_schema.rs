//! Scenario files written by their schema: steps and worlds that bytes which change one at a time come upon too rarely.
//!
//! What is written may be wrong in a way that the schema does not know, and now and then it is wrong on purpose.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

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
/// Stands before the place of an oddity until the text is written; no schema has it.
const ODD_MARK: char = '\u{E000}';
/// How deep a value may be before only what it must have is written.
const DEPTH_MAX: u32 = 6;

/// Writes pieces of scenarios. The same seed writes the same.
pub(crate) struct Writer {
    chance: u64,
}

impl Writer {
    pub(crate) fn new(seed: u32) -> Self {
        Self { chance: u64::from(seed) }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, or 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
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
            return self.value(&SCHEMA["definitions"][name], depth);
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
        let required: Vec<&str> =
            node["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let properties = node["properties"].as_object();
        let count = properties.map_or(0, Map::len);
        // One of many, mostly: who asks for all at once is told of the first that is wrong.
        let wanted = self.below(count);
        let mut object = Map::new();
        for (place, (key, node)) in properties.into_iter().flatten().enumerate() {
            let is_extra = depth < DEPTH_MAX && (place == wanted || self.below(6) == 0);
            if required.contains(&key.as_str()) || is_extra {
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
