//! What is read is what another reader of YAML reads.

use proptest::prelude::*;
use serde::Deserialize;

use super::value::{At, Channel, Name};
use crate::tree::{typed, yaml};

/// What a mapping may hold, of every kind of value there is in a step.
#[derive(PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    name: Option<At<Name>>,
    channel: Option<Channel>,
    count: Option<u16>,
    change: Option<i32>,
    text: Option<String>,
    is_so: Option<bool>,
    list: Option<Vec<String>>,
    kind: Option<Kind>,
    inner: Option<Box<Self>>,
}

#[derive(PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Off,
    TwoWords,
    Of(u8),
    Much { count: u8 },
}

fn ours(text: &str) -> Option<Vec<Sample>> {
    let yaml = yaml::read(text).ok()?;
    let mut samples: Vec<Sample> = typed::read(&yaml.root).ok().filter(|_| yaml.next.is_none())?;
    fn forget_places(samples: &mut [Sample]) {
        for sample in samples {
            sample.name = sample.name.take().map(|name| At::nowhere(name.value));
            forget_places(sample.inner.as_deref_mut().map(std::slice::from_mut).unwrap_or_default());
        }
    }
    forget_places(&mut samples);
    Some(samples)
}

/// The library knows no places of ours.
fn library(text: &str) -> Option<Vec<Sample>> {
    serde_saphyr::from_str(text).ok()
}

#[test]
fn every_kind_of_value_is_read() {
    let text = "- &a { name: home, channel: 7, change: -3, is_so: true, list: [3ms, \"1\"], kind: two-words }\n\
                - inner: *a\n  kind: { of: 3 }\n  text: >-\n    folded\n    text\n\
                - text: 'it''s'\n  kind: { much: { count: 1 } }\n  inner:\n    count: 65535\n    kind: off\n";
    let read = ours(text).expect("it is right");
    assert_eq!((read.len(), Some(read)), (3, library(text)));
}

const KEYS: &str = "name: |channel: |count: |change: |text: |is_so: |list: |kind: |inner: |text:|text:  |- |";
const VALUES: &str = "home|another horse|7|-3|0|-0|true|false|~|off|two-words|{ of: 3 }|{ much: { count: 1 } }|3ms|5d|\
                      192.168.4.0/24|2026-11-30|/|-|_|.|| |99999|[]|[a,b]|[ a, 3, true ]|[a, ]|{}|{ inner: { text: a } }|\
                      { text: b c }|{text: b}|a: b|a:b|a#b|a #b|-1s|- a|'it''s'|\"\\x41\"|'null'|'7'|\"true\"|!!str 7|&x home|*x|True";
const COMMAS: &str = ", |, |, |, |, |, |,| , | |}||,, ";

fn one_of(words: &'static str) -> impl Strategy<Value = &'static str> {
    prop::sample::select(words.split('|').collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn nothing_is_read_in_another_way(pairs in prop::collection::vec((one_of(KEYS), one_of(VALUES), one_of(COMMAS)), 0..5)) {
        let pairs: String = pairs.iter().map(|(key, value, comma)| format!("{key}{value}{comma}")).collect();
        let text = format!("- {{ {pairs} }}\n");
        if let Some(read) = ours(&text) {
            prop_assert_eq!(Some(read), library(&text), "{}", text);
        }
    }
}
