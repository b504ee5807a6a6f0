//! The texts of the console's answers, in Edgent's words where it has them.
//!
//! Lines are separated by CR LF; the last one is not ended, since the owner ends every answer the same way.

use core::fmt::{self, Display, Write};

use smoltcp::wire::{EthernetAddress, Ipv4Address};

use super::{ConnectError, ConnectRequest};
use crate::Duration;
use crate::config::Ssid;
use crate::hal::Network;
use crate::product::Product;
use crate::text::{JsonString, Letters, Mac};

/// Printed behind every answer.
pub const PROMPT: &str = ">";
/// The answer to `reboot`.
pub const REBOOTING: &str = r#"{"status":"OK","msg":"rebooting wifi module"}"#;
/// The answer to `firmware rollback`: only one firmware is kept.
pub const ROLLBACK_REFUSED: &str = r#"{"status":"error"}"#;
/// The answer to what is not a command.
pub const NOT_FOUND: &str = "Command not found.";
/// The answer to a line of more than 256 bytes.
pub const LINE_TOO_LONG: &str = "Line too long.";
/// The answer to `help` and `?`.
pub const HELP: &str = "Available commands: reboot, config, devinfo, connect, wifi, firmware, status, help";

/// The answer to `connect`.
pub const fn connect(request: &Result<ConnectRequest, ConnectError>) -> &'static str {
    match request {
        Ok(_) => r#"{"status":"OK","msg":"trying to connect..."}"#,
        Err(ConnectError::Arguments) => {
            r#"{"status":"error","msg":"invalid arguments. expected: <auth> <ssid> <pass>"}"#
        }
        Err(ConnectError::Token) => r#"{"status":"error","msg":"invalid token size"}"#,
        Err(ConnectError::Ssid) => r#"{"status":"error","msg":"invalid ssid size"}"#,
        Err(ConnectError::Passphrase) => r#"{"status":"error","msg":"invalid pass size"}"#,
    }
}

/// Writes the answer to `devinfo`; `board` is the template's name, as in `/board_info.json`.
///
/// # Errors
/// Passes on the writer's.
pub fn device_info(out: &mut impl Write, product: &Product, ap_ssid: &Ssid) -> fmt::Result {
    let fields = [
        ("name", ap_ssid.as_bytes()),
        ("board", product.template_name().as_bytes()),
        ("tmpl_id", product.template_id().as_bytes()),
        ("fw_type", product.firmware_type().as_bytes()),
        ("fw_ver", product.firmware_version().as_bytes()),
    ];
    let mut separator = '{';
    for (key, value) in fields {
        write!(out, "{separator}\"{key}\":{}", JsonString(value))?;
        separator = ',';
    }
    out.write_char('}')
}

/// The network the device is in.
pub struct WifiLink<'a> {
    /// Its name.
    pub ssid: &'a Ssid,
    /// The access point's address.
    pub bssid: EthernetAddress,
    /// Signal strength in dBm.
    pub rssi: i8,
}

/// Writes the answer to `wifi`: without a network the address is 0.0.0.0 and nothing stands behind it.
///
/// # Errors
/// Passes on the writer's.
pub fn wifi(
    out: &mut impl Write,
    mac: EthernetAddress,
    ip: Option<Ipv4Address>,
    link: Option<&WifiLink<'_>>,
) -> fmt::Result {
    let mac = Mac(mac, Letters::Upper);
    write!(out, "mac:{mac} ip:{}", ip.unwrap_or(Ipv4Address::UNSPECIFIED))?;
    let Some(link) = link else { return Ok(()) };
    let bssid = Mac(link.bssid, Letters::Upper);
    write!(out, " ({} [{bssid}] {}dBm)", link.ssid, link.rssi)
}

/// Writes one line of the answer to `wifi scan`; the network in use has a star.
///
/// # Errors
/// Passes on the writer's.
pub fn network(out: &mut impl Write, network: &Network, is_in_use: bool) -> fmt::Result {
    let mark = if is_in_use { '*' } else { ' ' };
    let Network { ssid, bssid, channel, rssi, security } = network;
    let bssid = Mac(*bssid, Letters::Lower);
    write!(out, "{mark} {ssid} [{bssid}] {} ch:{channel} rssi:{rssi}", security.name())
}

/// Writes the answer to `firmware`.
///
/// # Errors
/// Passes on the writer's.
pub fn firmware(out: &mut impl Write, product: &Product) -> fmt::Result {
    write!(out, " Version:   {} (build {})\r\n", product.firmware_version(), product.build())?;
    write!(out, " Type:      {}\r\n", product.firmware_type())?;
    write!(out, " Platform:  {}", product.board())
}

/// Writes the answer to `status`.
///
/// # Errors
/// Passes on the writer's.
pub fn status(out: &mut impl Write, uptime: Duration, state: impl Display) -> fmt::Result {
    let seconds = uptime.secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    write!(out, " Uptime:    {days}d {}h {}m {}s\r\n", hours % 24, minutes % 60, seconds % 60)?;
    write!(out, " State:     {state}")
}
