//! The command `hil` with real sockets, and the example product. `hil` hands over to it.

use std::process::ExitCode;

use hil_sim::runner::Harness;

fn main() -> ExitCode {
    hil_live::main(Harness::EXAMPLE)
}
