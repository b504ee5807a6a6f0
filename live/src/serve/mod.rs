//! A server that Wokwi's page in a browser takes a firmware from: `hil wokwi serve`. The page simulates the chip; its
//! serial output comes back, and GDB can attach to it.
//!
//! The protocol is that of the `wokwi-server` by MabezDev, and this one takes its place.

mod chip;
mod firmware;
pub mod gdb;
mod hub;
mod image;
mod messages;
mod output;
mod page;
mod session;
mod waiting;

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;

pub use chip::{Chip, UnknownChip};
pub use image::EspImage;

use firmware::Firmware;
use hub::Hub;
use output::Output;

const PORT_FLAG: &str = "--port";
const GDB_PORT_FLAG: &str = "--gdb-port";

/// What a flash holds: bootloader, partition table, application, each with its address.
pub type Parts = Vec<(u32, Vec<u8>)>;

/// What is to be served, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program. It is read anew for each page, so that a reload takes what was built meanwhile.
    pub elf: PathBuf,
    /// The chip to simulate.
    pub chip: Chip,
    /// A project of Wokwi's with the board, instead of the chip's usual one.
    pub id: Option<String>,
    /// What the page connects to, if the browser runs on another machine.
    pub host: Option<String>,
    /// The page's port, 9012 for wokwi-server; 0 takes any that is free.
    pub port: u16,
    /// GDB's port, 9333 for wokwi-server; 0 takes any that is free.
    pub gdb_port: u16,
    /// Whether to open the page.
    pub open_browser: bool,
}

/// Why nothing can be served, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Which project's board to simulate is not known.
    #[error("no project of Wokwi's is known for the {0} (--id)")]
    NoProject(Chip),
    /// A port is taken.
    #[error("port {port} ({flag}) is in use by another program")]
    PortInUse {
        /// The port.
        port: u16,
        /// The flag that changes it.
        flag: &'static str,
    },
    /// A port cannot be had for another reason.
    #[error("port {port} ({flag}) cannot be listened to: {error}")]
    NoPort {
        /// The port.
        port: u16,
        /// The flag that changes it.
        flag: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// The serial output goes to something that takes no more.
    #[error("the serial output cannot be written: {0}")]
    Output(io::Error),
    /// Ctrl-C would not end it.
    #[error("Ctrl-C cannot be waited for: {0}")]
    NoSignal(io::Error),
}

impl ServeError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoProject(_) => {
                "make a project with this board on https://wokwi.com, and name the number in its address: --id ID"
                    .to_owned()
            }
            Self::PortInUse { flag, .. } => {
                format!("end the other program, perhaps another `hil wokwi serve`, or choose a port: {flag} PORT")
            }
            Self::NoPort { flag, .. } => format!("choose another port: {flag} PORT"),
            Self::Output(_) => "look at where the output goes to".to_owned(),
            Self::NoSignal(_) => "end it from outside".to_owned(),
        }
    }
}

/// A server that has its ports.
pub struct Server {
    pages: TcpListener,
    debuggers: TcpListener,
    port: u16,
    gdb_port: u16,
    url: String,
    open_browser: bool,
    firmware: Firmware,
}

impl Server {
    /// Takes both ports, for this machine alone. `make` is given a copy of the ELF file, for each page anew and in a
    /// thread of its own; it returns three parts, or says why it cannot in words for a person.
    ///
    /// # Errors
    /// When a port cannot be had, or no project with the chip is known.
    pub async fn bind(
        options: Options,
        make: impl Fn(&Path) -> Result<Parts, String> + Send + Sync + 'static,
    ) -> Result<Self, ServeError> {
        let Options { elf, chip, id, host, port, gdb_port, open_browser } = options;
        let id = id.or_else(|| chip.project().map(str::to_owned)).ok_or(ServeError::NoProject(chip))?;
        let (pages, port) = listen(port, PORT_FLAG).await?;
        let (debuggers, gdb_port) = listen(gdb_port, GDB_PORT_FLAG).await?;
        let url = url(&id, port, host.as_deref());
        let firmware = Firmware::new(elf, make);
        Ok(Self { pages, debuggers, port, gdb_port, url, open_browser, firmware })
    }

    /// The page's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// GDB's port.
    pub fn gdb_port(&self) -> u16 {
        self.gdb_port
    }

    /// The page's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Serves until Ctrl-C.
    ///
    /// # Errors
    /// When the output cannot be written, or Ctrl-C not be waited for.
    pub async fn run(
        self,
        output: impl Write + Send + 'static,
        log: impl FnMut(&str),
    ) -> Result<(), ServeError> {
        let mut interrupted = Ok(());
        let end = async { interrupted = tokio::signal::ctrl_c().await };
        self.run_until(end, output, log).await?;
        interrupted.map_err(ServeError::NoSignal)
    }

    /// Serves until `end` completes. The chip's serial output goes to `output` as it is, each piece at once; what is
    /// going on goes to `log`, a line each time. A page that is connected is told.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub async fn run_until(
        self,
        end: impl Future<Output = ()>,
        output: impl Write + Send + 'static,
        mut log: impl FnMut(&str),
    ) -> Result<(), ServeError> {
        let Self { pages, debuggers, gdb_port, url, open_browser, firmware, .. } = self;
        log(&format!("Open this in a browser: {url}"));
        log(&format!("GDB can attach: target remote 127.0.0.1:{gdb_port}"));
        let (output, serial) = Output::start(output);
        let mut hub = Hub::new(firmware, serial, log);
        if open_browser {
            hub.open_browser(url);
        }
        tokio::select! {
            biased;
            () = end => {}
            () = hub.serve(&pages, &debuggers) => {}
        }
        hub.end().await;
        output.end().await.map_err(ServeError::Output)
    }
}

/// Listens to a port of this machine, and to none that others can reach: whoever connects can read the program.
async fn listen(port: u16, flag: &'static str) -> Result<(TcpListener, u16), ServeError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => ServeError::PortInUse { port, flag },
        _ => ServeError::NoPort { port, flag, error },
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok((listener, port))
}

/// The address of the page that connects to this server.
fn url(id: &str, port: u16, host: Option<&str>) -> String {
    let id = encoded(id);
    let mut url = format!("https://wokwi.com/_alpha/wembed/{id}?partner=espressif&port={port}&data=demo");
    if let Some(host) = host {
        url.push_str("&_host=");
        url.push_str(&encoded(host));
    }
    url
}

/// A text that stays one piece of an address. What hosts are written with stands as it is.
fn encoded(text: &str) -> String {
    let mut all = String::new();
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'[' | b']' => all.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => all.push(char::from(byte)),
            _ => all.push_str(&format!("%{byte:02X}")),
        }
    }
    all
}
