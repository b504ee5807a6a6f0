//! The command as a library: a harness of one's own is a `main` that hands its product and its code over.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use firmware_core::Instant;
//! use firmware_core::application::Application;
//! use firmware_core::cloud::codec::Params;
//! use firmware_core::cloud::outgoing::Outgoing;
//! use firmware_core::product::{Identity, Product};
//! use hil_sim::runner::{BoxedApplication, Harness};
//!
//! const LAMP: Product = match Product::new(Identity {
//!     template_id: "TMPL4lampXyz1", template_name: "Smart Lamp", firmware_version: "1.2.0",
//!     build: "Nov 22 2026 10:00:00", board: "ESP32-C3", vendor: "Blynk",
//!     firmware_type: "", captive_portal: false,
//! }) { Ok(product) => product, Err(_) => panic!("the product's identity is not valid") };
//!
//! struct Lamp { is_on: bool }
//!
//! impl Application for Lamp {
//!     fn on_connected(&mut self, _: Instant, out: &mut Outgoing<'_>) {
//!         // Without room in the link the cloud asks again; nothing is lost.
//!         let _ = out.sync(&[0]);
//!     }
//!
//!     fn on_virtual_write(&mut self, _: Instant, pin: u8, _: Params<'_>, _: &mut Outgoing<'_>) {
//!         self.is_on ^= pin == 0;
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     let application = || BoxedApplication(Box::new(Lamp { is_on: false }));
//!     hil_sim::cli::main(Harness { product: LAMP, application })
//! }
//! ```

mod arguments;
mod cloud;
mod cuts;
mod diff;
mod doctor;
mod evidence;
mod execute;
mod explore;
mod files;
mod image;
mod live;
mod report;
mod run;
mod screen;
mod show;
mod target;
mod wokwi;
mod write;

use std::fmt;
use std::io;
use std::process::ExitCode;

use clap::Parser;

use crate::runner::Harness;
use arguments::{Arguments, Command};
pub use cloud::CloudArguments;
pub use live::{
    AcceptanceArguments, DeviceArguments, Live, PeerArguments, RadioName, ServeArguments, WokwiTarget,
};
use screen::Screen;

/// Does what the command line asks for. The exit code is 0 when everything passed, 1 when a scenario failed, 2
/// for a wrong command line or file, 3 when the target is not available.
pub fn main(harness: Harness) -> ExitCode {
    command(&harness, None)
}

/// The same in a program with sockets. Others hand over to `hil-live` where it takes some.
pub fn main_with(harness: Harness, live: &dyn Live) -> ExitCode {
    command(&harness, Some(live))
}

fn command(harness: &Harness, live: Option<&dyn Live>) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody is left to tell when this cannot be written.
            let _ = error.print();
            return if error.use_stderr() { Exit::Misuse.into() } else { Exit::Passed.into() };
        }
    };
    let mut screen = Screen::new(arguments.color);
    let done = match live::is_needed(&arguments) && live.is_none() {
        true => live::hand_over(&arguments, harness, &mut screen),
        false => carry_out(arguments.command, harness, live, &mut screen),
    };
    let exit = done.unwrap_or_else(|trouble| {
        screen.complain(&trouble);
        trouble.exit
    });
    exit.into()
}

fn carry_out(
    command: Command,
    harness: &Harness,
    live: Option<&dyn Live>,
    screen: &mut Screen,
) -> Result<Exit, Trouble> {
    match command {
        Command::Run(run) => run::run(&run, harness, live, screen),
        Command::Check { files } => files::check(&files, harness, screen),
        Command::Cuts(arguments) => cuts::cuts(&arguments, harness, screen),
        Command::Explore(arguments) => explore::explore(&arguments, harness, screen),
        Command::Merge(arguments) => explore::merge(&arguments, screen),
        Command::Diff { first, second } => diff::diff(&first, &second, screen),
        Command::Show { run } => show::show(run.as_deref(), screen),
        Command::Serve(arguments) => live::device(&arguments, harness, live, screen),
        Command::Wokwi { command } => wokwi::wokwi(&command, harness, live, screen),
        Command::Cloud(arguments) => cloud::cloud(*arguments, harness, live),
        Command::New { file } => write::new(file.as_deref(), screen),
        Command::Image(image) => image::image(&image, screen),
        Command::Doctor => Ok(doctor::doctor(screen)),
    }
}

/// How the command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Exit {
    /// All is well.
    Passed,
    /// A scenario failed.
    Failed,
    /// The command line or a file is wrong.
    Misuse,
    /// The target is not there.
    Unavailable,
    /// As another program ended, which did the work.
    #[cfg(not(unix))]
    Other(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Passed => 0,
            Exit::Failed => 1,
            Exit::Misuse => 2,
            Exit::Unavailable => 3,
            #[cfg(not(unix))]
            Exit::Other(code) => code,
        })
    }
}

/// Why the command cannot do what it was asked for, and what to do about it.
#[derive(Debug)]
pub struct Trouble {
    exit: Exit,
    what: String,
    hint: String,
}

impl Trouble {
    /// The command line or a file is wrong.
    pub fn misuse(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit: Exit::Misuse, what: what.into(), hint: hint.into() }
    }

    /// Something that it takes is not there.
    pub fn unavailable(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit: Exit::Unavailable, what: what.into(), hint: hint.into() }
    }

    fn no_cargo(error: &io::Error) -> Self {
        Self::unavailable(format!("cargo cannot be started: {error}"), "install Rust from https://rustup.rs")
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\n  = help: {}", self.what, self.hint)
    }
}
