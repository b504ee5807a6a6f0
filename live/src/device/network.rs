//! The host's side of a live device's networks: interfaces and the namespace they are put into, by `ip` of iproute2.

use std::fmt;
use std::io;
use std::process::{Command, Stdio};

use smoltcp::wire::EthernetAddress;

/// Names of interfaces have at most 15 characters on Linux (`IFNAMSIZ`).
pub const INTERFACE_NAME_LEN_MAX: usize = 15;

/// A network namespace that is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace.
    ///
    /// # Errors
    /// When there is one of this name, or that is not permitted.
    pub(super) fn make(name: &str) -> Result<Self, NetworkError> {
        ip(&["netns", "add", name])?;
        let made = Self { name: name.to_owned() };
        // Without it a program there cannot even reach itself.
        ip(&["-n", name, "link", "set", "dev", "lo", "up"])?;
        Ok(made)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Whoever ends the program can do nothing more about it.
        let _ = ip(&["netns", "delete", &self.name]);
    }
}

/// An interface of the host that is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Interface {
    /// Its name.
    pub(super) name: String,
    /// The namespace it is put into; the program's own when there is none.
    pub(super) namespace: Option<String>,
}

impl Interface {
    /// Puts the interface, which has just been made, where it belongs, and switches it on with this address.
    pub(super) fn set_up(&self, mac: EthernetAddress) -> Result<(), NetworkError> {
        // smoltcp writes an address with hyphens, `ip` reads it with colons.
        let (name, mac) = (self.name.as_str(), mac.to_string().replace('-', ":"));
        if let Some(namespace) = &self.namespace {
            ip(&["link", "set", "dev", name, "netns", namespace])?;
            return ip(&["-n", namespace, "link", "set", "dev", name, "address", &mac, "up"]);
        }
        ip(&["link", "set", "dev", name, "address", &mac, "up"])
    }

    /// Removes the interface. One that has gone with its namespace is no trouble.
    #[cfg(target_os = "linux")]
    pub(super) fn remove(&self) {
        let delete = ["link", "delete", "dev", &self.name];
        let _ = match &self.namespace {
            Some(namespace) => ip(&[&["-n", namespace][..], &delete].concat()),
            None => ip(&delete),
        };
    }

    /// How a person runs a program that uses the interface.
    pub(super) fn command(&self, program: &str) -> String {
        match &self.namespace {
            Some(namespace) => format!("sudo ip netns exec {namespace} {program}"),
            None => format!("sudo {program}"),
        }
    }
}

/// Why a network cannot be had.
#[derive(Debug)]
pub struct NetworkError {
    what: String,
    hint: String,
}

impl NetworkError {
    #[cfg(target_os = "linux")]
    pub(super) fn interface(name: &str, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => permission_hint(),
            io::ErrorKind::NotFound => "load the kernel's driver: sudo modprobe tun".to_owned(),
            _ => "choose another name: --tap NAME --lan-tap NAME".to_owned(),
        };
        Self { what: format!("the interface {name} cannot be made: {error}"), hint }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn not_here() -> Self {
        Self {
            what: "interfaces of the host for the device's network can be had on Linux only".to_owned(),
            hint: "leave them out, and use the panel alone: hil serve --no-tap".to_owned(),
        }
    }

    /// What can be done about it.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for NetworkError {}

fn permission_hint() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    format!(
        "it takes the capability CAP_NET_ADMIN (with --netns CAP_SYS_ADMIN as well): run it with sudo, or grant the first \
         once: sudo setcap cap_net_admin+ep {}; or do without: --no-tap",
        program.display()
    )
}

/// Runs `ip` of iproute2.
fn ip(arguments: &[&str]) -> Result<(), NetworkError> {
    let output = Command::new("ip").args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| NetworkError {
        what: format!("`ip`, which sets up interfaces, cannot be run: {error}"),
        hint: "on Debian and Ubuntu: sudo apt install iproute2".to_owned(),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    let hint = if said.contains("not permitted") || said.contains("ermission") {
        permission_hint()
    } else if said.contains("File exists") {
        format!("remove it, if nobody uses it: sudo ip {}, or choose another name", removal(arguments))
    } else {
        "see what is there: ip link; ip netns".to_owned()
    };
    Err(NetworkError { what: format!("`ip {}` fails: {said}", arguments.join(" ")), hint })
}

/// How what was to be made is removed.
fn removal(arguments: &[&str]) -> String {
    match arguments {
        ["netns", "add", name] => format!("netns delete {name}"),
        _ => "link delete NAME".to_owned(),
    }
}
