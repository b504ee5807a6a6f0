#![no_main]
//! Beside what the fuzzer does with bytes, whole steps and files are written by the schema.

#[path = "../by_schema.rs"]
mod by_schema;
#[path = "../odd.rs"]
#[expect(dead_code, reason = "other languages")]
mod odd;

use by_schema::Writer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_checks::check(env!("CARGO_BIN_NAME"), bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut writer = Writer::new(seed);
    let written = match writer.below(6) {
        0 => Some(writer.file()),
        // Whoever reads a file stops at the first thing that is wrong, so that one that is right says most.
        1 | 2 => odd::with_odd_value(&String::from_utf8_lossy(&data[..size]), seed / 6, &odd::YAML),
        3 => change_steps(&String::from_utf8_lossy(&data[..size]), &mut writer),
        _ => None,
    };
    match written.filter(|text| text.len() <= max_size) {
        Some(text) => {
            data[..text.len()].copy_from_slice(text.as_bytes());
            text.len()
        }
        None => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
});

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
