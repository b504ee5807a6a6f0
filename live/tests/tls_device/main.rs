//! The device's TLS, compiled for its processor and run in QEMU, against real servers.
//!
//! The emulator is optional, and so is OpenSSL. Without them tests are ignored and say so; with `HIL_REQUIRE_ALL` set, as
//! in CI, they fail instead.

mod probe;
mod renegotiation;
mod roots;
mod server;
mod trials;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use hil_sim::executor::qemu::{PACKAGE, PROGRAM, Qemu};
use hil_sim::firmware_build::{Firmware, RISCV32IMC};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::probe::Probe;

/// Set where everything optional must be there.
const REQUIRE_ALL: &str = "HIL_REQUIRE_ALL";

const FIRMWARE: Firmware = Firmware {
    folder: "firmware-qemu",
    binary: "tls-probe",
    rust_target: RISCV32IMC,
    features: String::new(),
};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = vec![Trial::test("the_roots_are_those_of_the_reference", || {
        roots::check();
        Ok(())
    })];
    let qemu = Arc::new(OnceLock::new());
    let has_openssl = renegotiation::has_openssl();
    for (name, test) in trials::ALL.iter().chain(&renegotiation::ALL) {
        let qemu = Arc::clone(&qemu);
        trials.push(match Qemu::find() {
            Some(_) if renegotiation::ALL.iter().any(|(of, _)| of == name) && !has_openssl => {
                skipped(name, "openssl is missing (package openssl)")
            }
            Some(program) => Trial::test(*name, move || {
                let qemu = qemu.get_or_init(|| FIRMWARE.build().map(|firmware| Qemu::new(program, firmware)));
                let qemu = qemu.as_ref().map_err(|error| Failed::from(error.to_string()))?;
                test(Probe::new(qemu));
                Ok(())
            }),
            None => skipped(name, &format!("{PROGRAM} is missing (package {PACKAGE})")),
        });
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test that lacks something.
fn skipped(name: &str, missing: &str) -> Trial {
    let why = missing.to_owned();
    let trial = Trial::test(name, move || Err(Failed::from(why)));
    let is_required = std::env::var_os(REQUIRE_ALL).is_some();
    trial.with_kind(format!("skipped: {missing}")).with_ignored_flag(!is_required)
}
