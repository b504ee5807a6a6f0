//! Every scenario as two tests of its own: `NAME` runs it and holds its story and its exact trace against the
//! snapshots beside the file; `NAME again` holds the trace against that of another process.
//!
//! `cargo test -p scenarios --test cases wrong-password` runs one. After reading what changed line by line,
//! `INSTA_UPDATE=always cargo test -p scenarios --test cases` accepts it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use hil_sim::runner::{DEFAULT_SEED, Harness, Outcome, run};
use hil_sim::scenario::Scenario;
use libtest_mimic::{Arguments, Failed, Trial};

/// Set for the second process: it prints the hash of every trace and tests nothing.
const PRINT_HASHES: &str = "HIL_PRINT_HASHES";

fn main() -> ExitCode {
    let files = scenarios::files().expect("the folder of scenarios can be read");
    if std::env::var_os(PRINT_HASHES).is_some() {
        return print_hashes(&files);
    }
    let trials = files.iter().flat_map(|file| {
        let name = scenarios::name(file);
        let (first, second) = (file.clone(), file.clone());
        [
            Trial::test(name.clone(), move || check_snapshots(&first)),
            Trial::test(format!("{name} again"), move || check_second_process(&second)),
        ]
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn run_file(file: &Path) -> Result<Outcome, Failed> {
    let scenario = Scenario::load(file).map_err(|error| Failed::from(error.to_string()))?;
    Ok(run(&scenario, &Harness::EXAMPLE, DEFAULT_SEED))
}

fn check_snapshots(file: &Path) -> Result<(), Failed> {
    let outcome = run_file(file)?;
    if let Some(failure) = outcome.failure {
        return Err(format!("{}: {failure}", file.display()).into());
    }
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(file.parent().unwrap_or(file));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::assert_snapshot!(format!("{name}.story"), outcome.trace.story());
        insta::assert_snapshot!(format!("{name}.exact"), outcome.trace.exact());
    });
    Ok(())
}

/// A run depends on nothing but its file and its seed: another process comes to the same trace.
fn check_second_process(file: &Path) -> Result<(), Failed> {
    static HASHES: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    let hashes = HASHES.get_or_init(|| {
        let program = std::env::current_exe().expect("a test knows its program");
        let output = Command::new(program).env(PRINT_HASHES, "1").output().expect("a test can run itself");
        let text = String::from_utf8(output.stdout).expect("names and hashes are text");
        text.lines().filter_map(|line| line.split_once('\t')).map(|(a, b)| (a.into(), b.into())).collect()
    });
    let here = hash(&run_file(file)?);
    match hashes.get(&scenarios::name(file)) {
        Some(there) if *there == here => Ok(()),
        there => Err(format!("trace {here} here, {there:?} in another process").into()),
    }
}

fn print_hashes(files: &[PathBuf]) -> ExitCode {
    for file in files {
        match run_file(file) {
            Ok(outcome) => println!("{}\t{}", scenarios::name(file), hash(&outcome)),
            Err(_) => return ExitCode::FAILURE,
        }
    }
    ExitCode::SUCCESS
}

fn hash(outcome: &Outcome) -> String {
    format!("{:016x}", outcome.trace.hash())
}
