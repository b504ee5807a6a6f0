//! What no compiler checks about the whole tree: the invariants of the design, one test each.
//!
//! The tests read sources and manifests as they lie on the disk and change nothing.

mod manifests;
mod source;
mod tree;

use source::Code;
use tree::{rust_files, text_files};

/// The crates that run on a board.
const DEVICE_SIDE: [&str; 2] = ["firmware-core", "hil-link"];
/// The crates whose work ends in a trace.
const TRACED: [&str; 3] = ["firmware-core/src", "hil-link/src", "sim/src"];
/// The places that may look at a clock on the wall: how long a run took, how fast a demonstration goes, how long
/// a device elsewhere may be silent.
const WALL_TIME: [&str; 3] = ["sim/src/cli", "sim/src/executor/qemu.rs", "sim/src/executor/serial.rs"];
const FILE_LINES_MAX: usize = 600;

/// Fails with every place in the files below `folder` that `find` objects to.
#[track_caller]
fn check(folder: &str, find: impl Fn(&Code, &str) -> Vec<(usize, String)>) {
    let mut faults = Vec::new();
    let files = rust_files(folder);
    assert!(!files.is_empty(), "no sources below {folder}");
    for (path, text) in files {
        for (line, fault) in find(&Code::new(&text), &path) {
            faults.push(format!("{path}:{line}: {fault}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Whether a file is compiled for tests only.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

/// DESIGN.md section 2: the core names no `std`, `alloc`, `async`, chip or clock.
#[test]
fn the_device_side_needs_nothing_but_the_language() {
    const WORDS: [&str; 6] = ["std", "alloc", "async", "await", "Box", "SystemTime"];
    const CHIPS: [&str; 6] = ["esp_", "esp32", "embassy", "riscv", "cortex_m", "critical_section"];
    for package in DEVICE_SIDE {
        check(&format!("{package}/src"), |code, path| {
            if is_test(path) {
                return Vec::new();
            }
            let product = code.without_tests();
            let mut faults = product
                .words_where(|word| WORDS.contains(&word) || CHIPS.iter().any(|chip| word.starts_with(chip)));
            faults.extend(product.paths(&["Instant::now"]));
            faults
        });
        let lib = tree::read(&format!("{package}/src/lib.rs"));
        assert!(lib.contains("#![no_std]"), "{package} is not no_std");
    }
}

/// DESIGN.md section 2: only `firmware-core/src/net*` names smoltcp sockets on the device side.
#[test]
fn only_the_net_room_touches_sockets() {
    for package in DEVICE_SIDE {
        check(&format!("{package}/src"), |code, path| {
            if is_test(path) || path.starts_with("firmware-core/src/net") {
                return Vec::new();
            }
            // Braces behind the crate's name could hide a module from the search.
            code.without_tests().paths(&["smoltcp::socket", "smoltcp::iface", "smoltcp::{"])
        });
    }
}

/// DESIGN.md sections 2 and 5: no `HashMap` iteration, no `Instant::now`, no float in anything that reaches a
/// trace; digests never by `core::hash`.
#[test]
fn nothing_that_reaches_a_trace_differs_between_runs() {
    const WORDS: [&str; 7] =
        ["HashMap", "HashSet", "RandomState", "DefaultHasher", "SystemTime", "f32", "f64"];
    for folder in TRACED {
        check(folder, |code, path| {
            // serde hands a fraction over as a float, whoever asks; it is dropped at once.
            let code = code.without_line("fn visit_f64<E>(self, _: f64)");
            let is_timed = WALL_TIME.iter().any(|place| path.starts_with(place));
            let mut faults =
                code.words_where(|word| WORDS.contains(&word) && !(is_timed && word == "SystemTime"));
            faults.extend(code.float_literals());
            if !is_timed {
                faults.extend(code.paths(&["Instant::now", "std::time"]));
            }
            faults
        });
    }
}

/// The project's rules of style: a file that has to be scrolled for ever is two files.
#[test]
fn files_are_short() {
    let long: Vec<_> = rust_files(".")
        .into_iter()
        .filter(|(path, _)| !is_test(path))
        .filter(|(_, text)| text.lines().count() > FILE_LINES_MAX)
        .map(|(path, text)| format!("{path}: {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// The project's rules of style: what is not done is said in the issue tracker, not in the code.
#[test]
fn nothing_is_left_to_be_done() {
    check_texts(&[&["TO", "DO"], &["FIX", "ME"], &["XX", "X:"], &["todo", "!("], &["unimplemented", "!("]]);
}

/// The tree builds anywhere: nothing names a folder of one machine or a host that packages came from.
#[test]
fn no_text_names_a_machine() {
    check_texts(&[
        &["/ho", "me/"],
        &["/ro", "ot/"],
        &["/Us", "ers/"],
        &["C:", "\\"],
        &["/wo", "rk/"],
        &["index.crates", ".io"],
        &["static.crates", ".io"],
        &["arti", "factory"],
        &["replace-", "with"],
        &["sparse", "+http"],
    ]);
    let public = ["source = \"registry+https://github.com/rust-lang/crates", ".io-index\""].concat();
    for (path, text) in text_files().into_iter().filter(|(path, _)| path.ends_with("Cargo.lock")) {
        for line in text.lines().filter(|line| line.starts_with("source = ")) {
            assert_eq!(line, public, "{path}");
        }
    }
}

/// Looks for words that are given in pieces, so that this file does not contain them.
#[track_caller]
fn check_texts(needles: &[&[&str]]) {
    let needles: Vec<String> = needles.iter().map(|pieces| pieces.concat()).collect();
    let mut faults = Vec::new();
    for (path, text) in text_files() {
        for (number, line) in text.lines().enumerate() {
            for needle in needles.iter().filter(|needle| line.contains(needle.as_str())) {
                faults.push(format!("{path}:{}: {needle}", number + 1));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
