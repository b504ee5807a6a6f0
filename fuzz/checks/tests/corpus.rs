//! Replays every file of every corpus as a test of its own, `TARGET/FILE`, and holds targets, folders and the
//! fuzzer's programs against each other.
//!
//! `cargo test -p fuzz-checks --test corpus dhcp_server` replays one target.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fuzz_checks::{TARGETS, Target};
use libtest_mimic::{Arguments, Failed, Trial};

/// More would be a heap, not a choice: `cargo fuzz cmin` finds the files that matter.
const FILES_MAX: usize = 100;
const CORPUS_LEN_MAX: u64 = 200 * 1024;

fn main() -> ExitCode {
    let mut trials = vec![
        Trial::test("every target has a corpus", || names_are_the_same("corpus", "")),
        Trial::test("every target has a program", || names_are_the_same("fuzz_targets", ".rs")),
        Trial::test("every program is in the manifest", every_program_is_in_the_manifest),
    ];
    for target in TARGETS {
        let files = files(target.name);
        let count = files.len();
        let len =
            files.iter().filter_map(|file| fs::metadata(file).ok()).map(|metadata| metadata.len()).sum();
        trials.push(Trial::test(format!("{} is small", target.name), move || is_small(count, len)));
        trials.extend(files.into_iter().map(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Trial::test(format!("{}/{name}", target.name), move || replay(target, &file))
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The folder `fuzz`.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the folder around this crate")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    // What starts with a dot belongs to tools and to the desktop.
    paths.retain(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')));
    paths.sort();
    paths
}

fn files(target: &str) -> Vec<PathBuf> {
    entries(&root().join("corpus").join(target))
}

fn replay(target: Target, file: &Path) -> Result<(), Failed> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    (target.check)(&bytes);
    Ok(())
}

fn is_small(count: usize, len: u64) -> Result<(), Failed> {
    match (count, len) {
        (0, _) => Err("the corpus is empty".into()),
        (1..=FILES_MAX, ..=CORPUS_LEN_MAX) => Ok(()),
        (count, len) => Err(format!("{count} files with {len} bytes; see `cargo fuzz cmin`").into()),
    }
}

fn names_are_the_same(folder: &str, ending: &str) -> Result<(), Failed> {
    let found: BTreeSet<String> = entries(&root().join(folder))
        .iter()
        .map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    let expected: BTreeSet<String> =
        TARGETS.iter().map(|target| format!("{}{ending}", target.name)).collect();
    let odd: Vec<_> = found.symmetric_difference(&expected).collect();
    if odd.is_empty() {
        Ok(())
    } else {
        Err(format!("fuzz/{folder} and the targets differ in {odd:?}").into())
    }
}

fn every_program_is_in_the_manifest() -> Result<(), Failed> {
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    for target in TARGETS {
        let bin = format!("name = \"{0}\"\npath = \"fuzz_targets/{0}.rs\"", target.name);
        if !manifest.replace("\r\n", "\n").contains(&bin) {
            return Err(format!("fuzz/Cargo.toml has no program {}", target.name).into());
        }
    }
    Ok(())
}
