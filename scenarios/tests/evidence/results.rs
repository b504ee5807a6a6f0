//! A JUnit file of every kind of result, held against a schema by `xmllint`.

use std::path::Path;
use std::process::Command;

use hil_sim::junit::{self, Case, Failed, Verdict};
use smoltcp::time::Duration;

/// Says whether the file is as the schema wants it.
pub(crate) fn check_in_xmllint() -> Result<(), libtest_mimic::Failed> {
    let failed = |is_error| {
        let (reason, details) = ("a < b & \"c\"".to_owned(), "\u{1B}[2J and more\n".to_owned());
        Verdict::Failed(Failed { is_error, reason, details })
    };
    let verdicts = [Verdict::Passed, Verdict::Skipped("no board".to_owned()), failed(false), failed(true)];
    let case = |(number, verdict)| Case {
        class: "scenarios.cases".to_owned(),
        name: format!("case {number} 🏠"),
        took: Duration::from_micros(1_234_567),
        verdict,
    };
    let cases: Vec<Case> = (1..).zip(verdicts).map(case).collect();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("results.xml");
    std::fs::write(&file, junit::write("sim", &[("seed", "1".to_owned())], &cases))?;
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evidence/junit.xsd");
    let output = Command::new("xmllint").args(["--noout", "--schema"]).arg(schema).arg(&file).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
}
