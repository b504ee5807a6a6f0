#![no_main]
//! Beside what the fuzzer does with bytes, whole steps and files are written by the schema and by YAML's own rules.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex};

#[path = "../by_schema.rs"]
mod by_schema;
#[path = "../by_yaml.rs"]
mod by_yaml;
#[path = "../chance.rs"]
mod chance;
#[path = "../crowd.rs"]
mod crowd;
#[path = "../odd.rs"]
#[expect(dead_code, reason = "other languages")]
mod odd;

use by_schema::Writer;
use chance::{Chance, one_of};
use odd::{Text, Walk, YAML};

/// Where a scenario may have very many of one kind.
const CROWDS: [crowd::Shape; 12] = [
    ("world: { devices: [", "{ name: d# }", WORLD_END),
    ("world: { phones: [", "{ name: p# }", WORLD_END),
    ("world: { routers: [", "{ name: r#, ssid: S }", WORLD_END),
    ("world: { clouds: [", "{ name: c#, hosts: [h#] }", WORLD_END),
    ("world: { clouds: [{ name: c, hosts: [", "h#", "] }] }\nsteps: [{ wait: 1s }]\n"),
    (
        "world: { routers: [{ name: r, ssid: S, access_points: [",
        "{ name: m#, rssi: -50 }",
        "] }] }\nsteps: [{ wait: 1s }]\n",
    ),
    ("steps: [{ expect: { device: running, pin: { ", "V#: 1", " } } }]\n"),
    ("steps: [{ phone: { request: { path: /, headers: { ", "H#: x", " } } } }]\n"),
    ("steps: [{ phone: { request: { path: /, headers: { ", "H#: x", " }, zzz: 1 } } }]\n"),
    ("steps: [{ phone: { configure: { ssid: S, raw: { ", "k#: x", " } } } }]\n"),
    ("steps: [{ phone: { configure: { ssid: S, raw: { ", "k#: x", " }, zzz: 1 } } }]\n"),
    ("steps: [{ ", "k#: x", " }]\n"),
];
const WORLD_END: &str = "] }\nsteps: [{ wait: 1s }]\n";

/// Numbers that somebody may not expect.
const NUMBERS: [&str; 20] = [
    "",
    "0",
    "00",
    "007",
    "-1",
    "+1",
    "-",
    "1.5",
    ".5",
    "1e3",
    "0x1F",
    "255",
    "256",
    "65535",
    "65536",
    "4294967296",
    "9223372036854775808",
    "18446744073709551616",
    "170141183460469231731687303715884105728",
    "999999999999999999999999999999999999999999",
];

/// Every oddity in every place of all cases and of the schema.
static WALK: LazyLock<Mutex<Walk>> = LazyLock::new(|| Mutex::new(Walk::new(texts())));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_checks::check(env!("CARGO_BIN_NAME"), bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut writer = Writer::new(seed);
    let old = String::from_utf8_lossy(&data[..size]);
    let written = match writer.below(8) {
        0 => Some(writer.file()),
        // Whoever reads a file stops at the first thing that is wrong, so that one that is right says most.
        1 if let Some((_, text)) = WALK.lock().ok().and_then(|mut walk| walk.next()) => Some(text),
        1 | 2 => odd::with_odd_value(&old, seed, &YAML),
        3 => change_steps(&old, &mut writer),
        4 => {
            let mut chance = Chance::new(seed);
            match chance.below(8) {
                0 => Some(format!("format: 1\ntitle: T\n{}", crowd::text(&CROWDS, &mut chance))),
                1 => Some(with_split_tag(&mut chance)),
                2..=4 => Some(by_yaml::stream(&mut chance)),
                _ => odd::with_value(&old, chance.below(usize::MAX), &by_yaml::value(&mut chance)),
            }
        }
        5 if seed.is_multiple_of(3) => odd::with_typo(&old, seed / 3),
        5 if seed % 3 == 1 => with_odd_number(&old, &mut writer),
        _ => None,
    };
    drop(old);
    match written.filter(|text| text.len() <= max_size) {
        Some(text) => {
            data[..text.len()].copy_from_slice(text.as_bytes());
            text.len()
        }
        None => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
});

/// Whatever the schema has, then what stands before the steps in each case, with one step, and each step of a case with as
/// little as a file must have: no step twice that differs in numbers alone.
fn texts() -> Vec<Text> {
    let mut known = BTreeSet::new();
    let mut texts: Vec<Text> = by_schema::every_place()
        .into_iter()
        .map(|(text, at)| (text, &YAML[..], at.into_iter().collect()))
        .collect();
    for case in odd::files_of("../scenarios/cases") {
        let case = String::from_utf8_lossy(&case).into_owned();
        let Some((head, steps)) = case.split_once("\nsteps:\n") else { continue };
        let head =
            head.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
        let steps = steps.split_inclusive("\n").fold(Vec::<String>::new(), |mut steps, line| {
            match steps.last_mut() {
                Some(step) if !line.starts_with("  - ") => step.push_str(line),
                _ => steps.push(line.to_owned()),
            }
            steps
        });
        let heads = steps.first().map(|step| format!("{head}\nsteps:\n{step}"));
        for text in
            heads.into_iter().chain(steps.iter().map(|step| format!("format: 1\ntitle: T\nsteps:\n{step}")))
        {
            if known.insert(text.replace(|c: char| c.is_ascii_digit(), "")) {
                let places = odd::places(&text);
                texts.push((text, &YAML[..], places));
            }
        }
    }
    texts
}

/// The text with another number in the place of one of its own; its unit stays.
fn with_odd_number(text: &str, writer: &mut Writer) -> Option<String> {
    let is_first = |at: &usize| !text[..*at].ends_with(|c: char| c.is_ascii_digit());
    let firsts: Vec<usize> =
        text.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at).filter(is_first).collect();
    let (before, rest) = text.split_at(*firsts.get(writer.below(firsts.len()))?);
    let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    Some(format!("{before}{}{behind}", NUMBERS[writer.below(NUMBERS.len())]))
}

/// A file with a tag that one directive begins and that its use ends, mostly one of YAML's own.
fn with_split_tag(chance: &mut Chance) -> String {
    let names = ["str", "int", "seq", "map", "bool", "null", "float", "strx", "in", "x"];
    let tag = format!("tag:yaml.org,2002:{}", one_of(&names, chance));
    let (prefix, suffix) = tag.split_at(1 + chance.below(tag.len() - 1));
    let value = one_of(&["T", "1", "[]", "{ a: b }", "true", "''"], chance);
    format!("%TAG !s! {prefix}\n---\nformat: 1\ntitle: !s!{suffix} {value}\nsteps:\n  - wait: 1s\n")
}

/// The same file with a step more, another one, or one less.
fn change_steps(text: &str, writer: &mut Writer) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let steps = lines.iter().position(|line| line.starts_with("steps:"))? + 1;
    let at = steps + writer.below(lines.len() - steps + 1);
    match writer.below(4) {
        0 | 1 => lines.insert(at, writer.step()),
        2 => *lines.get_mut(at)? = writer.step(),
        _ => drop((at < lines.len()).then(|| lines.remove(at))),
    }
    Some(lines.join("\n") + "\n")
}
