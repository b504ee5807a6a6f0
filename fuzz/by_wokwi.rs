//! Files of a Wokwi project that are mostly right: settings, diagrams with parts and wires, automation.

use crate::chance::{Chance, one_of};
use crate::odd;

const TYPES: [&str; 18] = [
    "board-esp32-c3-devkitm-1",
    "board-esp32-devkit-c-v4",
    "board-esp32-c6-devkitc-1",
    "board-x",
    "wokwi-pushbutton",
    "wokwi-led",
    "wokwi-neopixel",
    "wokwi-rgb-led",
    "wokwi-resistor",
    "wokwi-potentiometer",
    "wokwi-dht22",
    "wokwi-logic-analyzer",
    "wokwi-wifi-ap",
    "wokwi-text",
    "wokwi-new",
    "chip-a",
    "led",
    "",
];
const ATTRIBUTES: [&str; 16] = [
    r#""color":"red""#,
    r#""bounce":"0""#,
    r#""bounce":"1""#,
    r#""bounce":0"#,
    r#""key":"b""#,
    r#""serialInterface":"USB_SERIAL_JTAG""#,
    r#""serialInterface":"UART""#,
    r#""x":"1""#,
    r#""y":"1""#,
    r#""left":"1""#,
    r#""top":1"#,
    r#""value":"220""#,
    r#""channelNames":"a""#,
    r#""bufferSize":"8""#,
    r#""ssid":"x""#,
    r#""nothing":"x""#,
];
/// What a part may have beside its type, its id and its attributes.
const MEMBERS: [&str; 10] = [
    r#""left":1"#,
    r#""top":-1.5"#,
    r#""rotate":90"#,
    r#""x":1"#,
    r#""y":1"#,
    r#""hide":true"#,
    r#""attrs":[]"#,
    r#""id":1"#,
    r#""top":"1""#,
    r#""nothing":1"#,
];
const PINS: [&str; 18] = [
    "1", "1.l", "2.r", "9", "TX", "RX", "GND", "GND.1", "3V3", "D0", "CLK", "CMD", "A", "C", "VCC", "SDA",
    "x", "",
];
const REST: [&str; 9] =
    [r#""green",[]"#, r#""",["v0"]"#, r#""green""#, "", "1", r#""green",1"#, r#""green",[],1"#, "null", "[]"];
const MONITORS: [&str; 8] = [
    r#""display":"auto""#,
    r#""display":"always""#,
    r#""display":"plotter""#,
    r#""newline":"lf""#,
    r#""newline":"crlf""#,
    r#""newline":"x""#,
    r#""convertEol":true"#,
    r#""display":1"#,
];
const ROOT: [&str; 8] = [
    r#""version":1"#,
    r#""version":2"#,
    r#""author":"A""#,
    r#""editor":"wokwi""#,
    r#""dependencies":{}"#,
    r#""parts":[]"#,
    r#""connections":1"#,
    r#""nothing":1"#,
];
/// Steps of automation: the verb, and what it may be told.
const STEPS: [(&str, &[&str]); 15] = [
    ("delay", &["100ms", "1s", "0", "0ms", "1.5s", "-1s", "x", "5"]),
    ("wait-serial", &["ready", "''", "\"a\\n\"", "[a]"]),
    ("expect-chip-output", &["x", "''", "1"]),
    ("write-serial", &["\"a\\n\"", "\"a\"", "[1, 10]", "[256]", "[a]", "''", "{}", "1"]),
    (
        "set-control",
        &[
            "{ part-id: b, control: pressed, value: 1 }",
            "{ part-id: b, control: x, value: 1 }",
            "{ part-id: c, control: pressed }",
            "{ control: pressed, value: x }",
            "x",
        ],
    ),
    (
        "expect-pin",
        &[
            "{ part-id: b, pin: 1.l, value: 1 }",
            "{ part-id: b, pin: x, value: 0 }",
            "{ part-id: b, pin: 1 }",
            "{ part-id: b, value: 2 }",
            "[]",
        ],
    ),
    (
        "take-screenshot",
        &[
            "{ part-id: b, save-to: a.png }",
            "{ part-id: b, compare-with: a.png }",
            "{ part-id: b }",
            "{ x: 1 }",
        ],
    ),
    (
        "touch",
        &[
            "{ part-id: b, x: 1, y: 1, duration: 1ms }",
            "{ part-id: b, x: 1 }",
            "{ y: a, duration: x, wait: 1 }",
        ],
    ),
    ("touch-press", &["{ part-id: b, x: 1, y: 1 }", "{ part-id: b, x: a }", "x"]),
    ("touch-release", &["{ part-id: b }", "{ part-id: b, x: 1 }"]),
    ("touch-move", &["{ part-id: b, x: 1, y: 1 }", "{}"]),
    ("name", &["a", "1"]),
    ("dealy", &["1s"]),
    ("", &["x"]),
    ("touched", &["x"]),
];
const SETTINGS: [&str; 24] = [
    "[wokwi]",
    "[wokwi]",
    "version = 1",
    "version = 1",
    "version = 2",
    "firmware = 'a.bin'",
    "firmware = 'a.hex'",
    "firmware = 'flasher_args.json'",
    "firmware = 'a\\b.elf'",
    "firmware = ''",
    "firmware = 1",
    "elf = 'a.elf'",
    "elf = '/a'",
    "gdbServerPort = 3333",
    "rfc2217ServerPort = 0",
    "vcdFile = 'a.vcd'",
    "[net]",
    "gateway = 'ws://x'",
    "[[net.forward]]",
    "from = 'localhost:80'",
    "from = 'a'",
    "to = 'target:80'",
    "to = 'target:0'",
    "x = 1",
];
const CHIPS: [&str; 10] = [
    "name = 'a'",
    "name = 'chip-a'",
    "name = 1",
    "binary = 'a.wasm'",
    "binary = 'a'",
    "binary = 1",
    "binary = 'a\\b.wasm'",
    "nmae = 'a'",
    "binary = ''",
    "",
];

/// `wokwi.toml`. The same chance writes the same.
pub(crate) fn settings(chance: &mut Chance) -> String {
    let mut lines = vec!["[wokwi]"];
    if chance.below(8) == 0 {
        lines.clear();
    }
    lines.extend((0..chance.below(8)).map(|_| one_of(&SETTINGS, chance)));
    let most = if chance.below(16) == 0 { 30 } else { 3 };
    for _ in 0..chance.below(most) {
        lines.push("[[chip]]");
        lines.extend((0..chance.below(3)).map(|_| one_of(&CHIPS, chance)));
    }
    lines.join("\n") + "\n"
}

/// `diagram.json`.
pub(crate) fn diagram(chance: &mut Chance) -> String {
    let is_crowded = chance.below(8) == 0;
    let count = chance.below(if is_crowded { 40 } else { 5 });
    let ids: Vec<String> = (0..count)
        .map(|nr| match chance.below(12) {
            0 => "esp".to_owned(),
            1 => String::new(),
            _ if is_crowded => format!("k{}", chance.below(300)),
            _ => ["esp", "b", "led", "a"].get(nr).copied().unwrap_or("c").to_owned(),
        })
        .collect();
    let parts: Vec<String> = ids.iter().map(|id| part(id, chance)).collect();
    let wires: Vec<String> = (0..chance.below(if is_crowded { 20 } else { 5 }))
        .map(|_| {
            let [from, to] = [(); 2].map(|()| end(&ids, chance));
            let wrong = if chance.below(3) == 0 { REST.len() } else { 2 };
            format!("[{from},{to},{}]", REST[chance.below(wrong)])
        })
        .collect();
    let mut members =
        vec![format!("\"parts\":[{}]", parts.join(",")), format!("\"connections\":[{}]", wires.join(","))];
    for (texts, often) in [(&ROOT[..1], 7), (&ROOT[..], 2)] {
        if chance.below(8) < often {
            members.insert(chance.below(members.len() + 1), one_of(texts, chance).to_owned());
        }
    }
    if chance.below(4) == 0 {
        members.push(format!("\"serialMonitor\":{{{}}}", several(&MONITORS, 3, chance)));
    }
    if chance.below(12) == 0 {
        members.remove(chance.below(members.len()));
    }
    format!("{{{}}}", members.join(",\n"))
}

fn part(id: &str, chance: &mut Chance) -> String {
    let kind = one_of(&TYPES, chance);
    let mut members = vec![format!("\"type\":\"{kind}\""), format!("\"id\":\"{id}\"")];
    if chance.below(3) == 0 {
        members.push(format!("\"attrs\":{{{}}}", several(&ATTRIBUTES, 4, chance)));
    }
    if chance.below(4) == 0 {
        members.push(one_of(&MEMBERS, chance).to_owned());
    }
    if chance.below(20) == 0 {
        members.remove(chance.below(members.len()));
    }
    if chance.below(40) == 0 {
        return one_of(&odd::JSON, chance).to_owned();
    }
    format!("{{{}}}", members.join(","))
}

fn end(ids: &[String], chance: &mut Chance) -> String {
    let pin = one_of(&PINS, chance);
    match (chance.below(12), ids.get(chance.below(ids.len()))) {
        (0, _) => "\"b\"".to_owned(),
        (1, _) => format!("\"no:{pin}\""),
        (2, _) => "1".to_owned(),
        (3, _) | (_, None) => format!("\"$serialMonitor:{pin}\""),
        (_, Some(id)) => format!("\"{id}:{pin}\""),
    }
}

fn several(of: &[&str], most: usize, chance: &mut Chance) -> String {
    (0..chance.below(most + 1)).map(|_| one_of(of, chance)).collect::<Vec<_>>().join(",")
}

/// A scenario of automation.
pub(crate) fn automation(chance: &mut Chance) -> String {
    let root = ["name: a", "version: 1", "author: b", "description: c", "version: 2", "name: [a]", "nmae: a"];
    let mut lines: Vec<String> = root.iter().take(2).map(|line| (*line).to_owned()).collect();
    if chance.below(4) == 0 {
        lines[chance.below(2)] = one_of(&root, chance).to_owned();
    }
    lines.push("steps:".to_owned());
    let most = if chance.below(16) == 0 { 30 } else { 5 };
    for _ in 0..chance.below(most) {
        let mut before = "  -";
        for _ in 0..=chance.below(8) / 7 {
            let (verb, arguments) = one_of(&STEPS, chance);
            lines.push(format!("{before} {verb}: {}", one_of(arguments, chance)));
            before = "   ";
        }
    }
    if chance.below(12) == 0 {
        lines.remove(chance.below(lines.len()));
    }
    lines.join("\n") + "\n"
}
