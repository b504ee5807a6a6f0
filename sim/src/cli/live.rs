//! What needs real sockets is the work of another program, `hil-live`, so that whoever only simulates need not build what it
//! takes. It has the same command line; `hil` hands over to it.

use std::env;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};
use std::slice;

use clap::{Args, ValueEnum};

use super::arguments::{Arguments, Command, TargetName, WokwiCommand};
use super::cloud::CloudArguments;
use super::files::{load, resolve};
use super::screen::Screen;
use super::{Exit, Trouble};
use crate::firmware_build::project;
use crate::runner::Harness;
use crate::scenario::{Scenario, TlsKind};
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

    /// A board with its own radio at a serial port, which is seen from outside.
    ///
    /// # Errors
    /// When something that it takes is not named, or is not there.
    fn acceptance(
        &self,
        port: &str,
        baud: u32,
        arguments: &AcceptanceArguments,
        harness: &Harness,
    ) -> Result<Box<dyn Target>, Trouble>;

    /// Serves a page of Wokwi's with a firmware, until it is told to end.
    ///
    /// # Errors
    /// When a port is taken, or the firmware is none.
    fn serve(&self, arguments: &ServeArguments) -> Result<(), Trouble>;

    /// Runs a live device with a panel, until it is told to end. A scenario gives its world and its product.
    ///
    /// # Errors
    /// When the port is taken, an interface cannot be had, or the simulation cannot go on.
    fn device(
        &self,
        arguments: &DeviceArguments,
        scenario: Option<Scenario>,
        harness: &Harness,
    ) -> Result<(), Trouble>;

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

/// What acceptance of a board with its own radio takes.
#[derive(Clone, Debug, Default, Args)]
pub struct AcceptanceArguments {
    /// The interface of this host that joins the device's access point, for `--radio real`: requests leave by it alone.
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// A command that joins the access point HIL_SSID with the interface HIL_INTERFACE [default: a person is asked].
    #[arg(long, value_name = "COMMAND")]
    pub join: Option<String>,
    /// A command that presses the board's button, or releases it: HIL_BUTTON is `down` or `up`.
    #[arg(long, value_name = "COMMAND")]
    pub press: Option<String>,
    /// A command that switches the board's supply: HIL_SUPPLY is `on` or `off`.
    #[arg(long, value_name = "COMMAND")]
    pub supply: Option<String>,
    /// The real network that stands for one of the scenario's, as in HomeNet=MyWiFi; once for each. Its password is in
    /// HIL_PASSWORD_HOMENET.
    #[arg(long, value_name = "NAME=SSID")]
    pub network: Vec<String>,
    /// The cloud, as this host and the device find it: http://ADDRESS:8080 for `hil cloud`, with its account in
    /// HIL_CLOUD_ACCOUNT and HIL_CLOUD_PASSWORD [default: the public one, with a device's token in HIL_BLYNK_TOKEN].
    #[arg(long, value_name = "URL")]
    pub cloud: Option<String>,
    /// How long at least whatever is awaited may take, in seconds: a real network is slower than a simulated one
    /// [default: 90].
    #[arg(long, value_name = "SECONDS")]
    pub patience: Option<u16>,
}

impl AcceptanceArguments {
    /// Whether nothing of it is written.
    pub(super) fn is_empty(&self) -> bool {
        let Self { interface, join, press, supply, network, cloud, patience } = self;
        let texts = [interface, join, press, supply, cloud];
        texts.iter().all(|written| written.is_none()) && network.is_empty() && patience.is_none()
    }
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

/// What `hil serve` takes.
#[derive(Debug, Args)]
pub struct DeviceArguments {
    /// A scenario file, whose world and product are taken; its steps are left out [default: a home with one router].
    pub file: Option<PathBuf>,
    /// The port of the panel.
    #[arg(long, value_name = "PORT", default_value_t = 8321)]
    pub port: u16,
    /// The address of the panel. Whoever reaches it can do everything that the panel can.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub listen: IpAddr,
    /// The interface in the device's own network.
    #[arg(long, value_name = "NAME", default_value = "hil-ap")]
    pub tap: String,
    /// The interface in the network of the first router.
    #[arg(long, value_name = "NAME", default_value = "hil-lan")]
    pub lan_tap: String,
    /// An interface on the simulated internet, so that the device finds programs of this host there [default: none].
    #[arg(long, value_name = "NAME", conflicts_with = "no_tap")]
    pub wan_tap: Option<String>,
    /// What protects the way to the clouds, in the place of what the scenario says [default: modelled].
    #[arg(long, value_enum, value_name = "KIND")]
    pub tls: Option<TlsKind>,
    /// Lets the device speak TLS and trust this authority (a certificate, PEM), such as that of `hil cloud --ca-out`;
    /// whoever is to be reached so is outside of the simulated home.
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Makes a terminal there that is the device's serial line, for programs that want a serial port.
    #[arg(long, value_name = "PATH")]
    pub console: Option<PathBuf>,
    /// Puts the interfaces into a network namespace of this name, which is made and removed.
    #[arg(long, value_name = "NAME", conflicts_with = "no_tap")]
    pub netns: Option<String>,
    /// Makes no interfaces: the device is reached from the panel alone, and nothing needs to be permitted.
    #[arg(long)]
    pub no_tap: bool,
    /// Only prints the panel's address, and opens no browser.
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

/// Whose radio a device uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum RadioName {
    /// The world's, over the link.
    Virtual,
    /// Its own: Wokwi's, or a board's.
    Real,
}

/// `hil serve`.
pub(super) fn device(
    arguments: &DeviceArguments,
    harness: &Harness,
    live: Option<&dyn Live>,
    screen: &mut Screen,
) -> Result<Exit, Trouble> {
    let live = live.expect("a command that takes sockets is carried out where there are some");
    let mut scenario = None;
    if let Some(file) = &arguments.file {
        let (mut cases, _) = load(resolve(slice::from_ref(file))?, harness, screen);
        match (cases.pop(), cases.len()) {
            (Some(case), 0) => scenario = Some(case.scenario),
            (Some(_), _) => {
                let what = format!("{} is a folder with more than one scenario", file.display());
                return Err(Trouble::misuse(what, "name one file: there is one world"));
            }
            (None, _) => return Ok(Exit::Misuse),
        }
    }
    live.device(arguments, scenario, harness).map(|()| Exit::Passed)
}

/// Whether a command takes sockets.
pub(super) fn is_needed(arguments: &Arguments) -> bool {
    match &arguments.command {
        Command::Run(run) => match run.target {
            TargetName::Wokwi => true,
            TargetName::Board => run.radio == RadioName::Real,
            TargetName::Sim | TargetName::Qemu => false,
        },
        Command::Cloud(_) | Command::Serve(_) => true,
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
    if matches!(arguments.command, Command::Run(_) | Command::Serve(_))
        && harness.product != Harness::EXAMPLE.product
    {
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
