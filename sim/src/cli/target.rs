//! Finds what a target needs, or says what is missing and how to get it.

use std::io::ErrorKind;
use std::path::Path;

use super::Trouble;
use super::arguments::{RunArguments, TargetName};
use super::live::{Live, RadioName, WokwiTarget};
use super::screen::Screen;
use crate::executor::qemu::{PACKAGE, PROGRAM, Qemu};

use crate::executor::serial::{PortError, SerialPorts};
use crate::firmware_build::Firmware;
use crate::runner::Harness;
use crate::target::{Sim, Target};

/// The target that the arguments name, ready for use.
pub(super) fn prepare(
    arguments: &RunArguments,
    harness: &Harness,
    live: Option<&dyn Live>,
    screen: &mut Screen,
) -> Result<Box<dyn Target>, Trouble> {
    if arguments.target != TargetName::Board && !arguments.port.is_empty() {
        return Err(Trouble::misuse(
            format!("the target `{}` has no serial port", arguments.target.name()),
            "leave --port out, or add --target board",
        ));
    }
    if !matches!(arguments.target, TargetName::Qemu | TargetName::Wokwi) && arguments.firmware.is_some() {
        return Err(Trouble::misuse(
            format!("the target `{}` runs the firmware that it has", arguments.target.name()),
            "leave --firmware out, or add --target qemu",
        ));
    }
    if !matches!(arguments.target, TargetName::Wokwi | TargetName::Board)
        && arguments.radio == RadioName::Real
    {
        return Err(Trouble::misuse(
            format!("the target `{}` has the world's radio", arguments.target.name()),
            "leave --radio out, or add --target board or --target wokwi",
        ));
    }
    let is_acceptance = arguments.target == TargetName::Board && arguments.radio == RadioName::Real;
    if !is_acceptance && !arguments.acceptance.is_empty() {
        return Err(Trouble::misuse(
            "--interface, --join, --press, --supply, --network, --cloud and --patience are for a board with its own radio",
            "leave them out, or add --target board --radio real",
        ));
    }
    if arguments.peer && arguments.radio == RadioName::Real {
        return Err(Trouble::misuse("the peer has no WiFi of its own", "leave --radio out, or --peer"));
    }
    if arguments.target != TargetName::Wokwi && (arguments.diagram.is_some() || arguments.peer) {
        return Err(Trouble::misuse(
            format!("the target `{}` has neither a diagram nor a peer", arguments.target.name()),
            "leave --diagram and --peer out, or add --target wokwi",
        ));
    }
    match arguments.target {
        TargetName::Sim => Ok(Box::new(Sim)),
        TargetName::Qemu => qemu(arguments.firmware.as_deref(), screen),
        TargetName::Board if is_acceptance => acceptance(arguments, harness, live),
        TargetName::Board => boards(arguments),
        TargetName::Wokwi => {
            let RunArguments { firmware, diagram, peer, radio, .. } = arguments;
            let (firmware, diagram) = (firmware.as_deref(), diagram.as_deref());
            let live = live.expect("a command that takes sockets is carried out where there are some");
            live.wokwi(&WokwiTarget { firmware, diagram, with_peer: *peer, radio: *radio }, &mut |what| {
                screen.progress(what);
            })
        }
    }
}

fn acceptance(
    arguments: &RunArguments,
    harness: &Harness,
    live: Option<&dyn Live>,
) -> Result<Box<dyn Target>, Trouble> {
    let live = live.expect("a command that takes sockets is carried out where there are some");
    match arguments.port.as_slice() {
        [port] => live.acceptance(port, arguments.baud, &arguments.acceptance, harness),
        [] => boards(arguments),
        _ => Err(Trouble::misuse("one board is accepted at a time", "name one serial port: --port PORT")),
    }
}

fn boards(arguments: &RunArguments) -> Result<Box<dyn Target>, Trouble> {
    if arguments.port.is_empty() {
        let hint = match SerialPorts::on_this_machine().as_slice() {
            [] => {
                "this machine has none: plug a board in, then --port /dev/ttyACM0 or as it is called".into()
            }
            ports => format!("add --port and one of these: {}", ports.join(" ")),
        };
        return Err(Trouble::misuse("a board needs a serial port", hint));
    }
    let twice =
        arguments.port.iter().enumerate().find(|(place, port)| arguments.port[..*place].contains(port));
    if let Some((_, port)) = twice {
        return Err(Trouble::misuse(
            format!("{port} is named twice"),
            "each device needs a board of its own",
        ));
    }
    let ports = SerialPorts::new(arguments.port.clone(), arguments.baud);
    if let Err((port, error)) = ports.check() {
        return Err(Trouble::unavailable(format!("{port}: {error}"), port_hint(&error)));
    }
    Ok(Box::new(ports))
}

fn port_hint(error: &PortError) -> String {
    match error {
        PortError::Device(_) => {
            "write the firmware to the board: hil image --binary virtual-radio; or is it another --port?"
                .to_owned()
        }
        PortError::Open(error)
            if error.kind() == ErrorKind::PermissionDenied && cfg!(target_os = "linux") =>
        {
            "let your user open it: sudo usermod -a -G dialout $USER, then log in again".to_owned()
        }
        PortError::Open(_) => match SerialPorts::on_this_machine().as_slice() {
            [] => "this machine has no serial port: is the board plugged in, and does the cable carry data?"
                .to_owned(),
            ports => format!("this machine has {}", ports.join(" ")),
        },
    }
}

fn qemu(firmware: Option<&Path>, screen: &mut Screen) -> Result<Box<dyn Target>, Trouble> {
    let program = Qemu::find().ok_or_else(|| {
        Trouble::unavailable(
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
            Firmware::QEMU.build().map_err(|error| Trouble::unavailable(error.to_string(), error.hint()))?
        }
    };
    Ok(Box::new(Qemu::new(program, firmware)))
}
