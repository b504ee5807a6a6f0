//! The command `hil`: the simulator with the example product, a room thermostat.

use std::process::ExitCode;

use hil_sim::runner::Harness;

fn main() -> ExitCode {
    hil_sim::cli::main(Harness::EXAMPLE)
}
