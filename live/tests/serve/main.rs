//! The server for Wokwi's page, held against a page and a GDB that the tests play, and against a real GDB.
//!
//! What a real GDB and a real image take is optional. Without it those tests are ignored and say what is missing;
//! with `HIL_REQUIRE_ALL` set, as in CI, they fail instead.

mod debugger;
mod ends;
mod image;
mod pages;
mod parser;
mod real_gdb;
mod stage;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// Set where everything optional must be there.
const REQUIRE_ALL: &str = "HIL_REQUIRE_ALL";

fn main() -> ExitCode {
    if std::env::var_os(ends::CHILD).is_some() {
        return ends::serve_until_interrupted();
    }
    let arguments = Arguments::from_args();
    let mut trials = pages::trials();
    trials.extend(debugger::trials());
    trials.extend(parser::trials());
    trials.extend(ends::trials());
    trials.extend(real_gdb::trials());
    trials.extend(image::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test that lacks something.
fn skipped(name: &str, missing: &str) -> Trial {
    let why = missing.to_owned();
    let trial = Trial::test(name, move || Err(Failed::from(why)));
    trial.with_kind(format!("skipped: {missing}")).with_ignored_flag(!everything_is_required())
}

fn everything_is_required() -> bool {
    std::env::var_os(REQUIRE_ALL).is_some()
}
