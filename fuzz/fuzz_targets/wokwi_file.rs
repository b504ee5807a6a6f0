#![no_main]
//! Beside what the fuzzer does with bytes, values are changed to others that the file's language has.

#[path = "../odd.rs"]
mod odd;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_checks::check(env!("CARGO_BIN_NAME"), bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let (kind, text) = data[..size].split_first().map_or((0, None), |(kind, text)| (*kind, Some(text)));
    // The first byte chooses the language, as in the check.
    let oddities: &[&str] = [&odd::TOML[..], &odd::JSON, &odd::YAML][usize::from(kind % 3)];
    let text = text.and_then(|text| std::str::from_utf8(text).ok()).filter(|_| seed % 2 == 0);
    match text.and_then(|text| odd::with_odd_value(text, seed / 2, oddities)) {
        Some(text) if text.len() < max_size => {
            data[1..=text.len()].copy_from_slice(text.as_bytes());
            text.len() + 1
        }
        _ => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
});
