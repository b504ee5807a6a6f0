#![no_main]
//! Beside what the fuzzer does with bytes, whole actions are put in, taken out, changed and put together anew.

#[path = "../by_action.rs"]
mod by_action;
#[path = "../chance.rs"]
mod chance;
#[path = "../odd.rs"]
#[expect(dead_code, reason = "languages")]
mod odd;

use by_action::Day;
use chance::Chance;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_checks::check(env!("CARGO_BIN_NAME"), bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut chance = Chance::new(seed);
    if chance.below(3) == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let mut day = Day::read(&data[..size]);
    day.change(&mut chance);
    write(&day, data, max_size)
});

libfuzzer_sys::fuzz_crossover!(|one: &[u8], other: &[u8], out: &mut [u8], seed: u32| {
    let mut day = Day::read(one);
    day.cross(&Day::read(other), &mut Chance::new(seed));
    let max_size = out.len();
    write(&day, out, max_size)
});

/// As much as there is room for; returns how much.
fn write(day: &Day, data: &mut [u8], max_size: usize) -> usize {
    let bytes = day.write();
    let len = bytes.len().min(max_size);
    data[..len].copy_from_slice(&bytes[..len]);
    len
}
