//! The panel of `hil serve`, as somebody uses it: a live device of its own for each test, and Chromium that clicks.
//!
//! Chromium is optional. Without it the tests are ignored and say what is missing; with `HIL_REQUIRE_ALL` set, as in
//! CI, they fail instead. `HIL_PANEL_PICTURES=FOLDER` keeps a picture of what the browser shows at chosen moments.

mod browser;
mod device;
mod stories;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// Set where everything optional must be there.
const REQUIRE_ALL: &str = "HIL_REQUIRE_ALL";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each has a device in real time, which mostly waits: more run at once than there are cores.
    arguments.test_threads = arguments.test_threads.or(Some(5));
    let trials = if browser::chromium().is_some() { stories::trials() } else { skipped() };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The tests without what they need.
fn skipped() -> Vec<Trial> {
    let missing = "chromium is missing: on Debian and Ubuntu: sudo apt install chromium";
    let trial = Trial::test("panel", move || Err(Failed::from(missing)));
    let is_required = std::env::var_os(REQUIRE_ALL).is_some();
    vec![trial.with_kind(format!("skipped: {missing}")).with_ignored_flag(!is_required)]
}
