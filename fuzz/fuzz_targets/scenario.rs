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
#[path = "../odd.rs"]
#[expect(dead_code, reason = "other languages")]
mod odd;

use by_schema::Writer;
use chance::Chance;
use odd::{Text, Walk, YAML};

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
            match chance.below(2) {
                0 => Some(by_yaml::stream(&mut chance)),
                _ => odd::with_value(&old, chance.below(usize::MAX), &by_yaml::value(&mut chance)),
            }
        }
        5 if seed.is_multiple_of(3) => odd::with_typo(&old, seed / 3),
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
