//! `hil doctor`: which optional programs are there. The simulator itself needs none.

use std::path::PathBuf;

use super::Exit;
use super::screen::Screen;
use crate::executor::qemu::PROGRAM;
use crate::firmware_build::{RISCV32IMC, has_rust_target};
use crate::timeline::Palette;

/// Where daemons and network tools are; often not in a user's `PATH`.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// An optional program.
struct Tool {
    /// Its names; any of them will do.
    programs: &'static [&'static str],
    /// What it is used for.
    purpose: &'static str,
    /// How to get it.
    source: &'static str,
}

const TOOLS: [Tool; 13] = [
    Tool {
        programs: &[PROGRAM],
        purpose: "runs the firmware on an emulated RISC-V processor (--target qemu, and wokwi --peer)",
        source: "package qemu-system-misc",
    },
    Tool {
        programs: &["tshark"],
        purpose: "reads captured frames as a judge from outside",
        source: "package tshark",
    },
    Tool {
        programs: &["chromium", "chromium-browser", "google-chrome"],
        purpose: "opens the page of a run in the tests",
        source: "package chromium",
    },
    Tool {
        programs: &["ip"],
        purpose: "puts interfaces of this computer into a live device's networks (hil serve)",
        source: "package iproute2",
    },
    Tool {
        programs: &["dhclient"],
        purpose: "asks the device's access point for an address as a real client",
        source: "package isc-dhcp-client",
    },
    Tool {
        programs: &["dig"],
        purpose: "asks the device's name server as a real client",
        source: "package bind9-dnsutils (dnsutils on older systems)",
    },
    Tool {
        programs: &["curl"],
        purpose: "talks to the device's HTTP server as a real client",
        source: "package curl",
    },
    Tool {
        programs: &["gtkwave", "sigrok-cli"],
        purpose: "shows the indicator, button and radio as waveforms",
        source: "package gtkwave or sigrok-cli",
    },
    Tool {
        programs: &["jq"],
        purpose: "picks from trace files; the tests read them with it",
        source: "package jq",
    },
    Tool {
        programs: &["xmllint"],
        purpose: "holds JUnit files against their schema in the tests",
        source: "package libxml2-utils",
    },
    Tool {
        programs: &["espflash"],
        purpose: "flashes an ESP32 (--target board)",
        source: "cargo install espflash",
    },
    Tool {
        programs: &["gdb-multiarch"],
        purpose: "debugs what `hil wokwi serve` runs; a test attaches it",
        source: "package gdb-multiarch",
    },
    Tool {
        programs: &["valgrind"],
        purpose: "counts instructions in `cargo bench`",
        source: "package valgrind",
    },
];

/// Says for each program whether it is there, what it is for and how to get it.
pub(super) fn doctor(screen: &mut Screen) -> Exit {
    let palette = screen.palette();
    screen.say("Optional programs. `hil run` in the simulator needs none of them.");
    screen.say("");
    let width = TOOLS.iter().map(|tool| label(tool).len()).chain([RISCV32IMC.len()]).max().unwrap_or(0);
    let mut missing = 0;
    for tool in &TOOLS {
        let place = tool.programs.iter().find_map(|program| find(program));
        let found = place.map(|place| place.display().to_string());
        missing += usize::from(found.is_none());
        say(&label(tool), width, tool.purpose, tool.source, found, palette, screen);
    }
    let found = has_rust_target(RISCV32IMC).then(|| "installed".to_owned());
    missing += usize::from(found.is_none());
    let source = format!("rustup target add {RISCV32IMC}");
    let purpose = "builds the firmware for the emulated processor and the ESP32-C3";
    say(RISCV32IMC, width, purpose, &source, found, palette, screen);
    screen.say("");
    screen.say(match missing {
        0 => "Everything is there.".to_owned(),
        _ => format!(
            "{missing} of {} are missing. On Debian and Ubuntu: sudo apt install PACKAGE",
            TOOLS.len() + 1
        ),
    });
    Exit::Passed
}

fn say(
    label: &str,
    width: usize,
    purpose: &str,
    source: &str,
    found: Option<String>,
    palette: Palette,
    screen: &mut Screen,
) {
    let label = format!("{label:<width$}");
    match found {
        Some(place) => {
            screen.say(format_args!("{}   {label}  {purpose}", palette.good("found")));
            screen.say(format_args!("        {:width$}  {}", "", palette.quiet(place)));
        }
        None => {
            screen.say(format_args!("{} {label}  {purpose}", palette.bad("missing")));
            screen.say(format_args!("        {:width$}  {}", "", palette.strong(source)));
        }
    }
}

fn label(tool: &Tool) -> String {
    match tool.programs {
        [.., "sigrok-cli"] => tool.programs.join(" or "),
        [first, ..] => (*first).to_owned(),
        [] => String::new(),
    }
}

/// Where a program is, as a shell would find it; it is not started.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM_FOLDERS.map(PathBuf::from));
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    folders
        .filter(|folder| !folder.as_os_str().is_empty())
        .map(|folder| folder.join(&file))
        .find(|path| is_program(path))
}

#[cfg(unix)]
fn is_program(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &std::path::Path) -> bool {
    path.is_file()
}
