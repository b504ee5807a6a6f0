//! Turns the arguments of `/config` into a configuration, or says which of them is wrong.
//!
//! Edgent checks the token's length and that there is a network name, and cuts whatever is too long. Here
//! everything is checked, because the phone still listens: a refused request costs a second, a trial that
//! cannot succeed costs a minute. Arguments nobody knows (`if`, `port`) are ignored.

use core::fmt;

use heapless::String;
use smoltcp::wire::Ipv4Address;

use super::form::{Arguments, Value};
use crate::config::{
    Config, DEFAULT_HOST, DEFAULT_PORT, HOST_LEN_MAX, Host, PASSPHRASE_LEN_MAX, Passphrase, SSID_LEN_MAX,
    Ssid, StaticIp, TOKEN_LEN, Token, is_host,
};

/// `255.255.255.255`, or a port number, with room for the spaces of a sloppy sender.
const SHORT_TEXT_LEN_MAX: usize = 24;

/// What a valid `/config` asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigRequest {
    /// The configuration.
    pub config: Config,
    /// Whether it is to be stored as valid at once, without a trial.
    pub save: bool,
}

/// The argument that makes a `/config` unusable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Invalid {
    /// The network name is absent, empty or longer than 32 bytes.
    Ssid,
    /// The passphrase is neither empty, nor 8 to 63 bytes without NUL, nor 64 hexadecimal digits.
    Passphrase,
    /// The token has not exactly 32 bytes.
    Token,
    /// The server is neither a host name nor a dotted address.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// The addresses do not make a usable interface.
    StaticIp,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssid => "the network name must have 1 to 32 bytes",
            Self::Passphrase => "the passphrase must be empty, 8 to 63 bytes or 64 hexadecimal digits",
            Self::Token => "the token must have 32 bytes",
            Self::Host => "the server must be a host name or a dotted address",
            Self::Port => "the port must be a number from 1 to 65535",
            Self::StaticIp => "the addresses must make a usable interface",
        })
    }
}

impl core::error::Error for Invalid {}

/// Reads a configuration from the arguments of a request.
///
/// Network name, passphrase and token are taken byte for byte: a name in literal double quotes (as some
/// phones have sent it) may be a network's true name, and when it is not the trial says "not found". Spaces
/// around server, port and addresses are dropped.
///
/// # Errors
/// Names the first argument that is wrong; nothing is ever cut to fit.
pub fn parse_config(arguments: &Arguments<'_>) -> Result<ConfigRequest, Invalid> {
    let config = Config {
        ssid: parse_ssid(arguments)?,
        passphrase: parse_passphrase(arguments.get("pass"))?,
        token: parse_token(arguments.get("blynk"))?,
        host: parse_host(arguments.get("host"))?,
        port: parse_port(arguments.get("port_ssl"))?,
        static_ip: parse_static_ip(arguments)?,
    };
    Ok(ConfigRequest { config, save: arguments.get("save").is_some_and(|value| is_true(&value)) })
}

/// `ssidManual` wins unless it is empty: it is what the user typed instead of choosing.
fn parse_ssid(arguments: &Arguments<'_>) -> Result<Ssid, Invalid> {
    let manual = arguments.get("ssidManual").filter(|value| !value.is_empty());
    let value = manual.or_else(|| arguments.get("ssid")).ok_or(Invalid::Ssid)?;
    let bytes = value.decode::<SSID_LEN_MAX>().map_err(|_| Invalid::Ssid)?;
    Ssid::new(&bytes).filter(|ssid| !ssid.is_empty()).ok_or(Invalid::Ssid)
}

fn parse_passphrase(value: Option<Value<'_>>) -> Result<Passphrase, Invalid> {
    let Some(value) = value else { return Ok(Passphrase::default()) };
    let bytes = value.decode::<PASSPHRASE_LEN_MAX>().map_err(|_| Invalid::Passphrase)?;
    Passphrase::new(&bytes).filter(Passphrase::is_usable).ok_or(Invalid::Passphrase)
}

fn parse_token(value: Option<Value<'_>>) -> Result<Token, Invalid> {
    let bytes = value.and_then(|value| value.decode::<TOKEN_LEN>().ok()).ok_or(Invalid::Token)?;
    Token::new(&bytes).ok_or(Invalid::Token)
}

fn parse_host(value: Option<Value<'_>>) -> Result<Host, Invalid> {
    let host = parse_text::<HOST_LEN_MAX>(value).ok_or(Invalid::Host)?;
    if host.is_empty() {
        return Host::try_from(DEFAULT_HOST).map_err(|_| Invalid::Host);
    }
    if is_host(&host) { Ok(host) } else { Err(Invalid::Host) }
}

fn parse_port(value: Option<Value<'_>>) -> Result<u16, Invalid> {
    let text = parse_text::<SHORT_TEXT_LEN_MAX>(value).ok_or(Invalid::Port)?;
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    // `parse` would take a sign.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port != 0).ok_or(Invalid::Port)
}

/// Without `ip`, or with 0.0.0.0 as some apps say it, the device uses DHCP and the other four do not count.
/// An `ip` that is no address is refused; Edgent would silently use DHCP.
fn parse_static_ip(arguments: &Arguments<'_>) -> Result<Option<StaticIp>, Invalid> {
    let address = |key| parse_address(arguments.get(key));
    let ip = address("ip")?;
    if ip.is_unspecified() {
        return Ok(None);
    }
    let addresses = StaticIp {
        ip,
        mask: address("mask")?,
        gateway: address("gw")?,
        dns: address("dns")?,
        dns2: address("dns2")?,
    };
    if is_usable(&addresses) { Ok(Some(addresses)) } else { Err(Invalid::StaticIp) }
}

fn parse_address(value: Option<Value<'_>>) -> Result<Ipv4Address, Invalid> {
    let text = parse_text::<SHORT_TEXT_LEN_MAX>(value).ok_or(Invalid::StaticIp)?;
    if text.is_empty() {
        return Ok(Ipv4Address::UNSPECIFIED);
    }
    text.parse().map_err(|_| Invalid::StaticIp)
}

/// Whether fixed addresses make an interface that can send: a host address in a network of 1 to 30 bits and,
/// where they are set, a gateway in that network and name servers that are hosts.
///
/// Gateway and name servers may be absent: a server in the home network may need neither.
pub fn is_usable(addresses: &StaticIp) -> bool {
    let StaticIp { ip, mask, gateway, dns, dns2 } = *addresses;
    let mask = mask.to_bits();
    let is_contiguous = mask.leading_ones() + mask.trailing_zeros() == u32::BITS;
    if !is_contiguous || !(1..=30).contains(&mask.leading_ones()) {
        return false;
    }
    let is_host = |address: Ipv4Address| {
        !address.is_unspecified()
            && !address.is_loopback()
            && !address.is_multicast()
            && !address.is_broadcast()
    };
    let is_neighbour = |address: Ipv4Address| {
        let host_bits = address.to_bits() & !mask;
        address.to_bits() & mask == ip.to_bits() & mask && host_bits != 0 && host_bits != !mask
    };
    let is_gateway = |address: Ipv4Address| is_neighbour(address) && address != ip;
    is_host(ip)
        && is_neighbour(ip)
        && (gateway.is_unspecified() || is_gateway(gateway))
        && [dns, dns2].into_iter().all(|server| server.is_unspecified() || is_host(server))
}

/// An integer that is not 0, read as C's `atoi` does, or `true`.
fn is_true(value: &Value<'_>) -> bool {
    let Ok(bytes) = value.decode::<SHORT_TEXT_LEN_MAX>() else { return false };
    let text = bytes.trim_ascii();
    if text.eq_ignore_ascii_case(b"true") {
        return true;
    }
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    digits.iter().take_while(|byte| byte.is_ascii_digit()).any(|digit| *digit != b'0')
}

/// A value as text without the spaces around it; absent is empty. `None` when it does not fit or is no text.
fn parse_text<const N: usize>(value: Option<Value<'_>>) -> Option<String<N>> {
    let Some(value) = value else { return Some(String::new()) };
    let bytes = value.decode::<N>().ok()?;
    String::try_from(str::from_utf8(&bytes).ok()?.trim_ascii()).ok()
}

#[cfg(test)]
mod tests;
