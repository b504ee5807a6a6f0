#![no_main]
//! Beside what the fuzzer does with bytes, whole files are written, and values are changed to others that the file's
//! language has.

use std::sync::{LazyLock, Mutex};

#[path = "../by_json.rs"]
mod by_json;
#[path = "../by_toml.rs"]
mod by_toml;
#[path = "../by_wokwi.rs"]
mod by_wokwi;
#[path = "../by_yaml.rs"]
mod by_yaml;
#[path = "../chance.rs"]
mod chance;
#[path = "../odd.rs"]
mod odd;

use chance::Chance;
use odd::Walk;

/// The kinds of files of the corpus, and every oddity in every place of each.
static WALK: LazyLock<Mutex<(Vec<u8>, Walk)>> = LazyLock::new(|| {
    let (kinds, texts) = odd::files_of("corpus/wokwi_file")
        .iter()
        .filter_map(|file| text_of(file))
        .map(|(kind, text)| (kind, (text.to_owned(), oddities(kind), odd::places(text))))
        .unzip();
    Mutex::new((kinds, Walk::new(texts)))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_checks::check(env!("CARGO_BIN_NAME"), bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = match seed % 8 {
        0 => walk(),
        4 => text_of(&data[..size]).and_then(|(kind, text)| Some((kind, odd::with_typo(text, seed / 8)?))),
        2 | 3 => written(&data[..size], &mut Chance::new(seed)),
        1 | 5 => text_of(&data[..size])
            .and_then(|(kind, text)| Some((kind, odd::with_odd_value(text, seed / 8, oddities(kind))?))),
        _ => None,
    };
    match changed {
        Some((kind, text)) if text.len() < max_size => {
            data[0] = kind;
            data[1..=text.len()].copy_from_slice(text.as_bytes());
            text.len() + 1
        }
        _ => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
});

fn walk() -> Option<(u8, String)> {
    let (kinds, walk) = &mut *WALK.lock().ok()?;
    let (nr, text) = walk.next()?;
    Some((kinds[nr], text))
}

/// A text of one of the languages, or such a value in the file.
fn written(bytes: &[u8], chance: &mut Chance) -> Option<(u8, String)> {
    match (text_of(bytes), chance.below(3)) {
        (Some((kind, text)), 0) => {
            let value = [by_toml::value, by_json::value, by_yaml::value][usize::from(kind % 3)](chance);
            Some((kind, odd::with_value(text, chance.below(usize::MAX), &value)?))
        }
        (_, written) => {
            let kind = chance.below(3);
            let writers: [fn(&mut Chance) -> String; 3] = match written {
                1 => [by_wokwi::settings, by_wokwi::diagram, by_wokwi::automation],
                _ => [by_toml::text, by_json::value, by_yaml::stream],
            };
            let text = writers[kind](chance);
            Some((u8::try_from(kind).ok()?, text))
        }
    }
}

fn text_of(bytes: &[u8]) -> Option<(u8, &str)> {
    let (kind, text) = bytes.split_first()?;
    Some((*kind, std::str::from_utf8(text).ok()?))
}

/// The first byte chooses the language, as in the check.
fn oddities(kind: u8) -> &'static [&'static str] {
    [&odd::TOML[..], &odd::JSON, &odd::YAML][usize::from(kind % 3)]
}
