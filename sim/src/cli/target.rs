//! Finds what a target needs, or says what is missing and how to get it.

use std::path::Path;

use super::arguments::{RunArguments, TargetName};
use super::screen::Screen;
use super::{Exit, Trouble};
use crate::executor::qemu::{PACKAGE, PROGRAM, Qemu};
use crate::executor::qemu_firmware::build;
use crate::target::{Sim, Target};

/// The target that the arguments name, ready for use.
pub(super) fn prepare(arguments: &RunArguments, screen: &mut Screen) -> Result<Box<dyn Target>, Trouble> {
    match arguments.target {
        TargetName::Sim if arguments.firmware.is_some() => Err(Trouble::misuse(
            "the simulator runs the firmware that it was built with",
            "leave --firmware out, or add --target qemu",
        )),
        TargetName::Sim => Ok(Box::new(Sim)),
        TargetName::Qemu => qemu(arguments.firmware.as_deref(), screen),
        TargetName::Wokwi | TargetName::Board => Err(unavailable(
            format!("the target `{}` is not available in this version", arguments.target.name()),
            "leave --target out to run in the simulator",
        )),
    }
}

fn qemu(firmware: Option<&Path>, screen: &mut Screen) -> Result<Box<dyn Target>, Trouble> {
    let program = Qemu::find().ok_or_else(|| {
        unavailable(
            format!("{PROGRAM} is not on the path"),
            format!("on Debian and Ubuntu: sudo apt install {PACKAGE}"),
        )
    })?;
    let firmware = match firmware {
        Some(file) if file.is_file() => file.to_owned(),
        Some(file) => {
            let what = format!("there is no firmware {}", file.display());
            return Err(Trouble::misuse(what, "leave --firmware out to build the project's own"));
        }
        None => {
            screen.progress(format_args!("building the firmware ..."));
            build().map_err(|error| unavailable(error.to_string(), error.hint()))?
        }
    };
    Ok(Box::new(Qemu::new(program, firmware)))
}

fn unavailable(what: String, hint: impl Into<String>) -> Trouble {
    Trouble { exit: Exit::Unavailable, what, hint: hint.into() }
}
