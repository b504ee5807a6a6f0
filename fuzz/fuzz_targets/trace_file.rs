#![no_main]
//! Beside what the fuzzer does with bytes, values are changed to others that JSON has.

#[path = "../odd.rs"]
#[expect(dead_code, reason = "other languages")]
mod odd;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_checks::check(env!("CARGO_BIN_NAME"), bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let text = std::str::from_utf8(&data[..size]).ok().filter(|_| seed % 2 == 0);
    match text.and_then(|text| odd::with_odd_value(text, seed / 2, &odd::JSON)) {
        Some(text) if text.len() <= max_size => {
            data[..text.len()].copy_from_slice(text.as_bytes());
            text.len()
        }
        _ => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
});
