//! The cases against the catalogue of field failures, P01 to P59: each row is shown by a case, and each case says
//! what change to the firmware it would catch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hil_sim::scenario::Scenario;

/// Rows of the catalogue.
const ROWS: u32 = 59;
/// The folders of the cases.
const LAYERS: [&str; 9] =
    ["cloud", "credentials", "network", "portal", "power", "radio", "setup", "tls", "user"];

fn cases() -> BTreeMap<PathBuf, Scenario> {
    let files = scenarios::files().expect("the folder of scenarios can be read");
    let load = |file: PathBuf| {
        let scenario = Scenario::load(&file).unwrap_or_else(|error| panic!("{error}"));
        (file, scenario)
    };
    files.into_iter().map(load).collect()
}

/// The rows that a `why` names at its end: `(P15, P16)`.
fn rows(why: &str) -> BTreeSet<u32> {
    let list = why.trim().strip_suffix(')').and_then(|text| text.rsplit_once('('));
    let names = list.map_or("", |(_, list)| list).split(',').map(str::trim);
    names.filter_map(|name| name.strip_prefix('P')?.parse().ok()).collect()
}

#[test]
fn every_row_of_the_catalogue_is_shown_by_a_case() {
    let shown: BTreeSet<u32> = cases().values().flat_map(|case| rows(&case.why)).collect();
    let missing: Vec<String> =
        (1..=ROWS).filter(|row| !shown.contains(row)).map(|row| format!("P{row:02}")).collect();
    assert!(missing.is_empty(), "no case shows {}", missing.join(", "));
    assert!(shown.iter().all(|row| (1..=ROWS).contains(row)), "{shown:?}");
}

#[test]
fn every_case_says_what_it_would_catch_and_stands_in_its_layer() {
    let cases = cases();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let mut catches = BTreeMap::new();
    for (file, case) in &cases {
        let file = file.display().to_string();
        assert!(
            case.catches.len() > 30,
            "{file}: `catches` names the change to the firmware that it would catch"
        );
        if let Some(other) = catches.insert(&case.catches, file.clone()) {
            panic!("{file} would catch what {other} does");
        }
        let layer = file.replace('\\', "/");
        let layer = layer.rsplit('/').nth(1).unwrap_or_default();
        assert!(LAYERS.contains(&layer), "{file}: the layers are {}", LAYERS.join(", "));
    }
}

#[test]
fn rows_are_read_from_the_end_of_a_why() {
    assert_eq!(rows("It matters (P07, P59)"), BTreeSet::from([7, 59]));
    assert!(rows("It (P07) matters.").is_empty() && rows("").is_empty() && rows("It (really)").is_empty());
}
