//! Scenario files written by their schema: steps and worlds that bytes which change one at a time come upon too rarely.
//!
//! What is written may be wrong in a way that the schema does not know, and half of it is now and then wrong on purpose.

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
    ("Name", &["home", "device", "phone", "cloud", "other"]),
    ("Pin", &["V1", "V0", "V255"]),
    ("Secret", &["correct horse", "short", "hex:00ff"]),
    ("Ssid", &["HomeNet", "hex:ff", "Neighbour"]),
    ("Subnet", &["192.168.4.0/24", "10.0.0.0/24"]),
    ("TokenChoice", &["issued", "invalid", "0123456789abcdef0123456789abcdef"]),
    ("ipv4", &["192.168.1.50", "255.255.255.0", "192.168.1.1"]),
];
/// What is right under a key where a type alone does not say it.
const UNDER: [(&[&str], &[&str]); 9] = [
    (&["network", "joined", "stored_network"], &["home"]),
    (&["device", "of", "delete_device", "revoke_token", "join-device"], &["device"]),
    (&["region"], &["cloud"]),
    (&["path"], &["/", "/board_info.json", "/config?ssid=x"]),
    (&["template_id"], &["TMPL4thermo1"]),
    (&["template_name", "vendor"], &["Thermo", "Acme"]),
    (&["firmware_version"], &["1.0.0"]),
    (&["time_server"], &["pool.ntp.org"]),
    (&["account"], &["a@example.com"]),
];
/// Who does what each verb of a step says, by the names that they have where none is written.
const ACTORS: [(&str, &str); 8] = [
    ("power", "device"),
    ("button", "device"),
    ("console", "device"),
    ("flash", "device"),
    ("clock", "device"),
    ("phone", "phone"),
    ("router", "home"),
    ("cloud", "cloud"),
];
/// The lists of a world, and who stands first in each.
const FIRST: [(&str, &str); 4] =
    [("devices", "device"), ("phones", "phone"), ("routers", "home"), ("clouds", "cloud")];
/// Stands before the place of an oddity until the text is written; no schema has it.
const ODD_MARK: char = '\u{E000}';
/// A world whose names the steps call.
const WORLD: &str = "world: { routers: [{ name: home, ssid: HomeNet, password: correct horse }] }\n";
/// How deep a value may be before only what it must have is written.
const DEPTH_MAX: u32 = 6;
/// More of something than one node of a B-tree has room for.
const MANY: usize = 14;

/// Writes pieces of scenarios. The same seed writes the same.
pub(crate) struct Writer {
    chance: Chance,
    /// Whether nothing is wrong on purpose.
    is_right: bool,
}

impl Writer {
    pub(crate) fn new(seed: u32) -> Self {
        let mut chance = Chance::new(seed);
        let is_right = chance.below(2) == 0;
        Self { chance, is_right }
    }

    /// A number below `end`, or 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.chance.below(end)
    }

    /// A whole file.
    pub(crate) fn file(&mut self) -> String {
        let mut lines = vec!["format: 1".to_owned(), "title: T".to_owned()];
        for (key, node) in SCHEMA["properties"].as_object().into_iter().flatten() {
            match key.as_str() {
                "format" | "title" | "steps" => {}
                // Steps that call nobody who is there all end in the same way.
                "world" if self.below(2) == 0 => lines.push(WORLD.trim_end().to_owned()),
                _ if self.below(3) == 0 => lines.push(format!("{key}: {}", self.value(node, 0))),
                _ => {}
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
        if !self.is_right && self.below(30) == 0 {
            return json!(self.oddity());
        }
        if !self.is_right && self.below(50) == 0 {
            let wrong =
                [Value::Null, json!([]), json!({}), json!(-1), json!(0), json!("x"), json!(true), json!(1.5)];
            return wrong[self.below(wrong.len())].clone();
        }
        if let Some(name) = node["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            let number = self.below(256);
            return match right(name) {
                // Of these there may be many, in any order.
                _ if self.is_right && name == "Mac" => json!(format!("02:00:00:00:00:{number:02X}")),
                _ if self.is_right && name == "Host" && number % 4 == 0 => {
                    json!(format!("h{number}.example"))
                }
                Some(texts) if self.is_right || self.below(4) != 0 => json!(texts[self.below(texts.len())]),
                _ => self.value(&SCHEMA["definitions"][name], depth),
            };
        }
        if let Some(texts) =
            node["format"].as_str().and_then(right).filter(|_| self.is_right || self.below(4) != 0)
        {
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
        let is_full = self.below(12) == 0;
        let mut object = Map::new();
        for (place, (key, node)) in properties.into_iter().flatten().enumerate() {
            let is_rival = rivals.contains(&key.as_str());
            let is_extra = if is_rival {
                !self.is_right && self.below(40) == 0
            } else {
                place == wanted || is_full || self.below(6) == 0
            };
            if needed.contains(&key.as_str()) || (is_extra && depth < DEPTH_MAX) {
                let texts = UNDER.iter().find(|(keys, _)| self.is_right && keys.contains(&key.as_str()));
                let value = match texts {
                    Some((_, texts)) if is_text(node) => json!(texts[self.below(texts.len())]),
                    _ => self.value(node, depth + 1),
                };
                object.insert(key.clone(), value);
            }
        }
        if self.is_right {
            if properties.is_some_and(|known| known.contains_key("who")) {
                self.put_right(&mut object);
            }
            give_names(&mut object);
        } else if self.below(30) == 0 {
            object.insert(self.oddity(), json!("x"));
        }
        for (_, node) in node["patternProperties"].as_object().into_iter().flatten() {
            for _ in 0..=if is_full { MANY } else { 0 } {
                let pin = if self.is_right { 256 } else { 300 };
                object.insert(format!("V{}", self.below(pin)), self.value(node, depth + 1));
            }
        }
        Value::Object(object)
    }

    fn list(&mut self, node: &'static Value, depth: u32) -> Value {
        let least = node["minItems"].as_u64().unwrap_or(0);
        let usual = match self.below(40) {
            0 if depth < DEPTH_MAX => 3 * MANY as u64,
            1 if depth < DEPTH_MAX => MANY as u64,
            _ => 3,
        };
        let most = node["maxItems"].as_u64().unwrap_or(usual).max(least);
        let more = self.below(usize::try_from(most - least).unwrap_or(0) + 1);
        let count = usize::try_from(least).unwrap_or(0) + more;
        (0..count).map(|_| self.value(&node["items"], depth + 1)).collect()
    }

    /// Takes out of a step what does not belong to its verb, and puts in what does.
    fn put_right(&mut self, step: &mut Map<String, Value>) {
        let armed = step.get("arm").map(|what| what.as_object().and_then(|what| what.keys().next()).cloned());
        let is_of = |verb: &str| {
            step.contains_key(verb) || armed.as_ref().is_some_and(|armed| armed.as_deref() == Some(verb))
        };
        let actor = ACTORS.iter().find(|(verb, _)| is_of(verb)).map(|(_, actor)| *actor);
        let needs_point = armed.is_some() && (actor.is_some() || is_of("link"));
        if !step.contains_key("phone") {
            step.remove("meanwhile");
        }
        match actor {
            Some(actor) if step.contains_key("who") => drop(step.insert("who".to_owned(), json!(actor))),
            _ => drop(step.remove("who")),
        }
        step.remove("at");
        if needs_point {
            let points = [
                json!({ "state": "running" }),
                json!({ "state": "connecting-net", "of": "device" }),
                json!({ "frame": 3, "to": "device" }),
                json!({ "frame": 1, "from": "device" }),
            ];
            step.insert("at".to_owned(), points[self.below(points.len())].clone());
        }
    }

    fn number(&mut self, node: &Value) -> Value {
        let [least, most] = ["minimum", "maximum"].map(|bound| node[bound].as_i64());
        let (least, most) = (least.unwrap_or(-1), most.unwrap_or(70_000));
        let right = [least, most, least.midpoint(most)];
        let wrong = [least.saturating_sub(1), most.saturating_add(1), 1, 7];
        let number = self.below(right.len() + if self.is_right { 0 } else { wrong.len() });
        json!(right.iter().chain(&wrong).nth(number))
    }
}

/// Gives the members of a world, or of a mesh, names of which there are no two, in no order.
fn give_names(object: &mut Map<String, Value>) {
    let lists = FIRST.into_iter().chain([("access_points", "m")]);
    for (key, first) in lists {
        for (number, item) in
            object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().enumerate()
        {
            let Some(item) = item.as_object_mut() else { continue };
            if number > 0 || item.contains_key("name") {
                let name =
                    if number == 0 { first.to_owned() } else { format!("{first}{}", number * 61 % 97) };
                item.insert("name".to_owned(), json!(name));
            }
        }
    }
}

/// Whether it is any text, a name or a host.
fn is_text(node: &Value) -> bool {
    let path = node["$ref"].as_str().or(node["allOf"][0]["$ref"].as_str());
    let name = path.and_then(|path| path.rsplit('/').next());
    name.map_or(node["type"] == "string" && node.get("format").is_none(), |name| {
        ["Name", "Host", "HostPort"].contains(&name)
    })
}

fn right(name: &str) -> Option<&'static [&'static str]> {
    RIGHT.iter().find_map(|(known, texts)| (*known == name).then_some(*texts))
}

fn required(node: &'static Value) -> impl Iterator<Item = &'static str> {
    node["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// A file for every value that the schema knows and for every two of an object, with as little else as must be, and
/// where in it oddities are to stand.
pub(crate) fn every_place() -> Vec<(String, Option<usize>)> {
    let mut texts = Vec::new();
    for (key, node) in SCHEMA["properties"].as_object().into_iter().flatten() {
        let file = |value: &str| match key.as_str() {
            "steps" => format!("format: 1\ntitle: T\n{WORLD}steps: {value}\n"),
            "format" => format!("format: {value}\ntitle: T\nsteps:\n  - wait: 1s\n"),
            "title" => format!("format: 1\ntitle: {value}\nsteps:\n  - wait: 1s\n"),
            other => format!("format: 1\ntitle: T\n{other}: {value}\nsteps:\n  - wait: 1s\n"),
        };
        for value in every(node, &[]) {
            texts.push(file(&value));
            // What has been read is dropped when something behind it is wrong.
            let right = value.replace(ODD_MARK, "");
            texts.extend(right.match_indices(['}', ']']).map(|(at, end)| {
                let wrong = if end == "}" { ", \"zzz\": 1" } else { ", 1" };
                file(&format!("{}{wrong}{}", &right[..at], &right[at..]))
            }));
        }
    }
    let places = texts.iter().map(|text| text.find(ODD_MARK));
    places.zip(&texts).map(|(at, text)| (text.replace(ODD_MARK, ""), at)).collect()
}

/// The value with a mark before each value in it, one after the other, and with others that have no mark; nothing that
/// is already `above`.
fn every(node: &'static Value, above: &[&'static str]) -> Vec<String> {
    if let Some(name) = node["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        if above.contains(&name) {
            return vec![format!("{ODD_MARK}{}", least(node))];
        }
        let mut values = every(&SCHEMA["definitions"][name], &[above, &[name]].concat());
        values.extend(right(name).into_iter().flatten().map(|text| json!(text).to_string()));
        return values;
    }
    if node["properties"].is_object() {
        return every_object(node, above);
    }
    let choices =
        ["allOf", "oneOf", "anyOf"].into_iter().filter_map(|choice| node[choice].as_array()).flatten();
    let mut values: Vec<String> = choices.flat_map(|node| every(node, above)).collect();
    if let Some(items) = node.get("items") {
        values.extend(every(items, above).iter().map(|item| format!("[{item}]")));
    }
    if values.is_empty() || node["type"] == "array" {
        values.push(format!("{ODD_MARK}{}", least(node)));
        let listed = ["enum", "examples"].into_iter().filter_map(|list| node[list].as_array()).flatten();
        let bounds = ["minimum", "maximum"].into_iter().filter_map(|bound| node.get(bound));
        // A word that has no details, with some.
        values.extend(listed.clone().filter(|word| word.is_string()).map(|word| format!("{{{word}: 1}}")));
        values.extend(listed.chain(bounds).map(Value::to_string));
        let texts = node["format"].as_str().and_then(right).into_iter().flatten();
        values.extend(texts.map(|text| json!(text).to_string()));
    }
    values
}

fn every_object(node: &'static Value, above: &[&'static str]) -> Vec<String> {
    let choices = || node["oneOf"].as_array().into_iter().flatten();
    let properties = node["properties"].as_object();
    // With what must be there beside these.
    let with = |keys: [&String; 2], members: &str| {
        let is_named = |name: &str| keys.iter().any(|key| *key == name);
        let choice = choices().find(|choice| required(choice).any(is_named)).or(choices().next());
        let others =
            required(node).chain(choice.into_iter().flat_map(required)).filter(|name| !is_named(name));
        let before: String =
            others.map(|name| format!("\"{name}\": {}, ", least(&node["properties"][name]))).collect();
        format!("{{{before}{members}}}")
    };
    let mut values = vec![format!("{ODD_MARK}null")];
    for (place, (key, property)) in properties.into_iter().flatten().enumerate() {
        let every = every(property, above);
        values.extend(every.iter().map(|value| with([key; 2], &format!("\"{key}\": {value}"))));
        values.push(with([key; 2], &format!("\"{key}\": {}, \"zzz\": 1", least(property))));
        values.push(format!("{{\"{key}\": {}}}", least(property)));
        // A word that has details, without.
        values.push(format!("\"{key}\""));
        for (other, node) in properties.into_iter().flatten().take(place) {
            let members = format!("\"{other}\": {}, \"{key}\": {}", least(node), least(property));
            values.push(with([other, key], &members));
        }
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
