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
mod cuts;
mod diff;
mod doctor;
mod evidence;
mod execute;
mod explore;
mod files;
mod image;
mod report;
mod run;
mod screen;
mod show;
mod target;
mod wokwi;
mod write;

use std::fmt;
use std::process::ExitCode;

use clap::Parser;

use crate::runner::Harness;
use arguments::{Arguments, Command};
use screen::Screen;

/// Does what the command line asks for. The exit code is 0 when everything passed, 1 when a scenario failed, 2
/// for a wrong command line or file, 3 when the target is not available.
pub fn main(harness: Harness) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody is left to tell when this cannot be written.
            let _ = error.print();
            return if error.use_stderr() { Exit::Misuse.into() } else { Exit::Passed.into() };
        }
    };
    let mut screen = Screen::new(arguments.color);
    let done = match arguments.command {
        Command::Run(run) => run::run(&run, &harness, &mut screen),
        Command::Check { files } => files::check(&files, &harness, &mut screen),
        Command::Cuts(arguments) => cuts::cuts(&arguments, &harness, &mut screen),
        Command::Explore(arguments) => explore::explore(&arguments, &harness, &mut screen),
        Command::Merge(arguments) => explore::merge(&arguments, &mut screen),
        Command::Diff { first, second } => diff::diff(&first, &second, &mut screen),
        Command::Show { run } => show::show(run.as_deref(), &mut screen),
        Command::Wokwi { command } => wokwi::wokwi(&command, &harness, &mut screen),
        Command::New { file } => write::new(file.as_deref(), &mut screen),
        Command::Image(image) => image::image(&image, &mut screen),
        Command::Doctor => Ok(doctor::doctor(&mut screen)),
    };
    let exit = done.unwrap_or_else(|trouble| {
        screen.complain(&trouble);
        trouble.exit
    });
    exit.into()
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
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Passed => 0,
            Exit::Failed => 1,
            Exit::Misuse => 2,
            Exit::Unavailable => 3,
        })
    }
}

/// Why the command cannot do what it was asked for, and what to do about it.
#[derive(Debug)]
struct Trouble {
    exit: Exit,
    what: String,
    hint: String,
}

impl Trouble {
    fn misuse(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit: Exit::Misuse, what: what.into(), hint: hint.into() }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\n  = help: {}", self.what, self.hint)
    }
}
