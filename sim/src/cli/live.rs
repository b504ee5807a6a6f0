//! What needs real sockets is the work of another program, `hil-live`, so that whoever only simulates need not build what it
//! takes. It has the same command line; `hil` hands over to it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};

use clap::{Args, ValueEnum};

use super::arguments::{Arguments, Command, TargetName, WokwiCommand};
use super::cloud::CloudArguments;
use super::screen::Screen;
use super::{Exit, Trouble};
use crate::firmware_build::project;
use crate::runner::Harness;
use crate::target::Target;

/// The program that has sockets.
const PROGRAM: &str = "hil-live";
/// Names the program where it is not to be looked for, nor built.
const PROGRAM_VARIABLE: &str = "HIL_LIVE";

/// What a program with sockets brings.
pub trait Live: Sync {
    /// Devices in the Wokwi simulator. `progress` hears what takes long.
    ///
    /// # Errors
    /// When something that it takes is missing, or the service cannot be had.
    fn wokwi(
        &self,
        wanted: &WokwiTarget<'_>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Box<dyn Target>, Trouble>;

    /// Serves a page of Wokwi's with a firmware, until it is told to end.
    ///
    /// # Errors
    /// When a port is taken, or the firmware is none.
    fn serve(&self, arguments: &ServeArguments) -> Result<(), Trouble>;

    /// Stands in for Wokwi's service, until it is told to end.
    ///
    /// # Errors
    /// When the port is taken, or QEMU is missing.
    fn peer(&self, arguments: &PeerArguments) -> Result<(), Trouble>;

    /// Is a cloud, until it is told to end.
    ///
    /// # Errors
    /// When a port is taken, a file cannot be used, or an option says nothing.
    fn cloud(&self, arguments: &CloudArguments) -> Result<(), Trouble>;
}

/// What a run in Wokwi takes.
#[derive(Clone, Copy, Debug)]
pub struct WokwiTarget<'a> {
    /// The firmware, an ELF file; the project's own when there is none.
    pub firmware: Option<&'a Path>,
    /// The diagram; the project's own when there is none.
    pub diagram: Option<&'a Path>,
    /// Whether the peer of this project stands in for the service.
    pub with_peer: bool,
    /// Whose radio the device uses.
    pub radio: RadioName,
}

/// What `hil wokwi serve` takes.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// The firmware, an ELF file. It is read anew for each connection.
    pub elf: PathBuf,
    /// The chip it is for: esp32, esp32s2, esp32s3, esp32c3 or esp32c6.
    #[arg(long, short, value_name = "CHIP", default_value = "esp32c3")]
    pub chip: String,
    /// The project on wokwi.com whose diagram is used [default: wokwi-server's own for the chip].
    #[arg(long, short, value_name = "ID")]
    pub id: Option<String>,
    /// The host that the page connects to, when the browser runs elsewhere.
    #[arg(long, value_name = "HOST", env = "WOKWI_HOST")]
    pub host: Option<String>,
    /// The port for the browser, on loopback.
    #[arg(long, value_name = "PORT", default_value_t = 9012)]
    pub port: u16,
    /// The port for GDB, on loopback.
    #[arg(long, value_name = "PORT", default_value_t = 9333)]
    pub gdb_port: u16,
    /// Another bootloader than espflash's.
    #[arg(long, short, value_name = "FILE")]
    pub bootloader: Option<PathBuf>,
    /// A partition table (CSV) [default: espflash's].
    #[arg(long, short, value_name = "FILE")]
    pub partition_table: Option<PathBuf>,
    /// Only prints the address, and opens no browser.
    #[arg(long)]
    pub no_open: bool,
}

/// What `hil wokwi peer` takes.
#[derive(Debug, Args)]
pub struct PeerArguments {
    /// The port, on loopback. Wokwi's own server for continuous integration is at 9177 as well when it is run at home.
    #[arg(long, value_name = "PORT", default_value_t = 9177)]
    pub port: u16,
}

/// Whose radio a device in Wokwi uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum RadioName {
    /// The world's, over the link.
    Virtual,
    /// Wokwi's own.
    Real,
}

/// Whether a command takes sockets.
pub(super) fn is_needed(arguments: &Arguments) -> bool {
    match &arguments.command {
        Command::Run(run) => run.target == TargetName::Wokwi,
        Command::Cloud(_) => true,
        Command::Wokwi { command } => matches!(command, WokwiCommand::Serve(_) | WokwiCommand::Peer(_)),
        _ => false,
    }
}

/// Lets the other program do it, with the same command line.
pub(super) fn hand_over(
    arguments: &Arguments,
    harness: &Harness,
    screen: &mut Screen,
) -> Result<Exit, Trouble> {
    if matches!(arguments.command, Command::Run(_)) && harness.product != Harness::EXAMPLE.product {
        let what = "this harness has no sockets, and the program that has some has another product";
        let hint = "call hil_live::main (crate hil-live) in the place of hil_sim::cli::main";
        return Err(Trouble::misuse(what, hint));
    }
    let program = find(screen)?;
    let mut other = Program::new(&program);
    other.args(env::args_os().skip(1));
    screen.progress("");
    let failed = |error: &dyn std::fmt::Display| {
        Trouble::unavailable(
            format!("{} cannot be started: {error}", program.display()),
            format!("build the project anew, or look at {PROGRAM_VARIABLE}"),
        )
    };
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        // In the place of this one: signals go where they are meant.
        Err(failed(&other.exec()))
    }
    #[cfg(not(unix))]
    match other.status() {
        Ok(status) => Ok(Exit::Other(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))),
        Err(error) => Err(failed(&error)),
    }
}

/// The program, built with the project if its folder is still there, so that both are of one version.
fn find(screen: &mut Screen) -> Result<PathBuf, Trouble> {
    if let Some(named) = env::var_os(PROGRAM_VARIABLE).filter(|name| !name.is_empty()) {
        return Ok(PathBuf::from(named));
    }
    let this = env::current_exe().unwrap_or_default();
    let folder = this.parent().unwrap_or(Path::new("")).to_owned();
    let beside = folder.join(format!("{PROGRAM}{}", env::consts::EXE_SUFFIX));
    if !project().join("live").is_dir() {
        let what =
            format!("{PROGRAM}, which has sockets, is not beside this program, and the project is gone");
        return beside.is_file().then_some(beside).ok_or_else(|| {
            Trouble::unavailable(what, "run it in the project's folder, built anew: cargo run --release")
        });
    }
    // `target/release/hil`, or as a test or an example one folder deeper.
    let built_in = folder.ancestors().find(|folder| folder.ends_with("release") || folder.ends_with("debug"));
    let (target_folder, is_release) = match built_in {
        Some(built_in) => (built_in.with_file_name(""), built_in.ends_with("release")),
        None => (project().join("target"), true),
    };
    // Not by its package: of the whole workspace most is built already, with the same features.
    let mut build: Vec<OsString> =
        ["build", "--locked", "--bin", PROGRAM, "--target-dir"].map(OsString::from).to_vec();
    build.push(target_folder.as_os_str().to_owned());
    if is_release {
        build.push("--release".into());
    }
    screen.progress(format_args!(
        "building {PROGRAM}, which has sockets; the first time in a minute or two ..."
    ));
    let output = Program::new("cargo").args(&build).current_dir(project()).stdin(Stdio::null()).output();
    let output = output.map_err(|error| Trouble::no_cargo(&error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let what = format!("{PROGRAM} does not build:\n{}", said.trim_end());
        return Err(Trouble::unavailable(what, format!("see for yourself: cargo build --bin {PROGRAM}")));
    }
    let profile = if is_release { "release" } else { "debug" };
    Ok(target_folder.join(profile).join(format!("{PROGRAM}{}", env::consts::EXE_SUFFIX)))
}
