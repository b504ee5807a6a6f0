//! What needs real sockets: a cloud, a client for Wokwi's simulator, a peer that stands in for it, and a server for its page.
//!
//! `hil` hands over to the program of this crate, which has the same command line. A harness of one's own that wants
//! sockets calls [`main`] in the place of `hil_sim::cli::main`.

pub mod acceptance;
pub mod api;
pub mod cloud;
mod command;
pub mod device;
pub mod peer;
pub mod serve;
pub mod wokwi;

use std::process::ExitCode;

use hil_sim::runner::Harness;

pub use command::Sockets;

/// The command `hil` in a program that has sockets.
pub fn main(harness: Harness) -> ExitCode {
    hil_sim::cli::main_with(harness, &Sockets)
}
