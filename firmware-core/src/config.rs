//! What the phone tells the device: the home network, the cloud account and, rarely, a fixed address.
//!
//! Everything is bounded by the standard it comes from and refused, never cut, when it is longer.

use core::fmt;
use core::net::Ipv4Addr;

use heapless::{String, Vec};
use smoltcp::wire::Ipv4Address;

use crate::text::Printable;

/// IEEE 802.11: an SSID is 0 to 32 octets, in no particular encoding.
pub const SSID_LEN_MAX: usize = 32;
/// IEEE 802.11i: a passphrase is 8 to 63 characters.
pub const PASSPHRASE_LEN_MIN: usize = 8;
/// IEEE 802.11i: 64 characters are a raw key in hexadecimal.
pub const PASSPHRASE_LEN_MAX: usize = 64;
/// Blynk: 24 random bytes in URL-safe base64.
pub const TOKEN_LEN: usize = 32;
/// RFC 1035 section 2.3.4: 255 octets on the wire are at most 253 characters of text.
pub const HOST_LEN_MAX: usize = 253;
/// RFC 1035 section 2.3.4.
const LABEL_LEN_MAX: usize = 63;

/// Where Edgent connects unless the phone says otherwise (`CONFIG_DEFAULT_SERVER`). As there, a build may name another:
/// with the feature `cloud-of-build` it is what `HIL_BLYNK_HOST` says.
#[cfg(not(feature = "cloud-of-build"))]
pub const DEFAULT_HOST: &str = "blynk.cloud";
/// The cloud that `HIL_BLYNK_HOST` names.
#[cfg(feature = "cloud-of-build")]
pub const DEFAULT_HOST: &str =
    env!("HIL_BLYNK_HOST", "the feature cloud-of-build takes a host's name from it");
/// The port Edgent connects to unless the phone says otherwise (`CONFIG_DEFAULT_PORT`). With the feature `cloud-of-build`
/// it is what `HIL_BLYNK_PORT` says, if it says anything.
#[cfg(not(feature = "cloud-of-build"))]
pub const DEFAULT_PORT: u16 = TLS_PORT;
/// The port that `HIL_BLYNK_PORT` names.
#[cfg(feature = "cloud-of-build")]
pub const DEFAULT_PORT: u16 = port_of_build(option_env!("HIL_BLYNK_PORT"));
/// Where the cloud speaks TLS.
pub const TLS_PORT: u16 = 443;

#[cfg(feature = "cloud-of-build")]
const _: () = assert!(
    !DEFAULT_HOST.is_empty() && DEFAULT_HOST.len() <= HOST_LEN_MAX && DEFAULT_HOST.is_ascii(),
    "HIL_BLYNK_HOST is no host's name"
);

#[cfg(feature = "cloud-of-build")]
#[expect(clippy::panic, reason = "it ends the build, and nothing else")]
const fn port_of_build(text: Option<&str>) -> u16 {
    let Some(text) = text else { return TLS_PORT };
    match u16::from_str_radix(text, 10) {
        Ok(port) if port > 0 => port,
        _ => panic!("HIL_BLYNK_PORT is no port: a number from 1 to 65535"),
    }
}

/// A network name: 0 to 32 bytes that need not be UTF-8. Only a hidden network's is empty, in a beacon.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Ssid(Vec<u8, SSID_LEN_MAX>);

impl Ssid {
    /// Takes the bytes of a network name; `None` when they are more than 32.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        Vec::from_slice(bytes).ok().map(Self)
    }

    /// The bytes as they travel in a beacon.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the name has no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Ssid {
    /// Writes the name as text; bytes that are not UTF-8 or that control a terminal appear as `\xNN`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(&self.0).fmt(f)
    }
}

impl fmt::Debug for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// A WiFi passphrase or raw key: empty for an open network. Never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Passphrase(Vec<u8, PASSPHRASE_LEN_MAX>);

impl Passphrase {
    /// Takes the bytes of a passphrase; `None` when they are more than 64.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        Vec::from_slice(bytes).ok().map(Self)
    }

    /// The secret itself, for the radio and for flash.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether the network is open.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a network can have this secret: none, 8 to 63 bytes without NUL, or 64 hexadecimal digits.
    pub fn is_usable(&self) -> bool {
        match self.0.len() {
            0 => true,
            // A NUL is no character of a passphrase, and drivers written in C would end there.
            PASSPHRASE_LEN_MIN..PASSPHRASE_LEN_MAX => !self.0.contains(&0),
            PASSPHRASE_LEN_MAX => self.0.iter().all(u8::is_ascii_hexdigit),
            _ => false,
        }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "none" } else { "***" })
    }
}

/// The 32 characters that identify the device to the cloud. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; TOKEN_LEN]);

impl Token {
    /// Takes exactly 32 bytes, the only length Edgent and the cloud accept.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The secret itself, for the login frame and for flash.
    pub fn expose(&self) -> &[u8; TOKEN_LEN] {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A server name or dotted address, 1 to 253 characters.
pub type Host = String<HOST_LEN_MAX>;

/// Whether a text is a host name (RFC 1123 section 2.1, and `_` as local networks use it) or an address.
pub fn is_host(host: &str) -> bool {
    let is_label = |label: &[u8]| {
        (1..=LABEL_LEN_MAX).contains(&label.len())
            && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with(b"-")
            && !label.ends_with(b"-")
    };
    // Labels are looked for byte by byte: searching text for a character takes half a kilobyte of a board's flash.
    let is_dot = |byte: &u8| *byte == b'.';
    let mut labels = host.as_bytes().split(is_dot);
    // No top-level domain is a number, so that this is an address or nothing; nor is one empty.
    let ends_in_number = labels.clone().next_back().is_some_and(|label| label.iter().all(u8::is_ascii_digit));
    if ends_in_number { host.parse::<Ipv4Addr>().is_ok() } else { labels.all(is_label) }
}

/// A fixed address in place of DHCP. Unset fields are 0.0.0.0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StaticIp {
    /// The device's own address.
    pub ip: Ipv4Address,
    /// The network mask.
    pub mask: Ipv4Address,
    /// The default gateway.
    pub gateway: Ipv4Address,
    /// The first name server.
    pub dns: Ipv4Address,
    /// The second name server.
    pub dns2: Ipv4Address,
}

/// One complete configuration, as accepted by `/config` or the console and kept in flash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The home network's name.
    pub ssid: Ssid,
    /// The home network's secret.
    pub passphrase: Passphrase,
    /// The device's identity in the cloud.
    pub token: Token,
    /// The cloud server's name.
    pub host: Host,
    /// The cloud server's TCP port; plain on 80 and 8080, TLS on every other.
    pub port: u16,
    /// The address to use instead of asking for one.
    pub static_ip: Option<StaticIp>,
}

impl Config {
    /// Whether the cloud is reached through TLS: on every port except 80 and 8080.
    pub fn uses_tls(&self) -> bool {
        port_uses_tls(self.port)
    }
}

/// Whether a cloud port speaks TLS: every port except 80 and 8080.
pub const fn port_uses_tls(port: u16) -> bool {
    !matches!(port, 80 | 8080)
}

/// Why a configuration could not be brought into use; the number is what the phone reads as `last_error`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProvisionError {
    /// The static address settings do not make a usable interface.
    Config,
    /// The network was not joined in time, for a reason that is not certain.
    Network,
    /// The cloud was not reached in time, for a reason that is not certain.
    Cloud,
    /// The cloud refused the token (status 9).
    Token,
    /// The device died on every attempt before it could tell.
    Internal,
    /// The cloud's name could not be resolved.
    Dns,
    /// The TLS channel could not be opened: no channel, wrong name, expired or unknown authority.
    Tls,
    /// No access point with that name was heard.
    NetworkNotFound,
    /// The access point is strong but refuses the passphrase.
    WrongPassphrase,
    /// The network gave no address.
    NoDhcp,
}

impl ProvisionError {
    /// Every code, in ascending order.
    pub const ALL: [Self; 10] = [
        Self::Config,
        Self::Network,
        Self::Cloud,
        Self::Token,
        Self::Internal,
        Self::Dns,
        Self::Tls,
        Self::NetworkNotFound,
        Self::WrongPassphrase,
        Self::NoDhcp,
    ];

    /// The number that travels in `last_error`.
    pub const fn code(self) -> u16 {
        match self {
            Self::Config => 700,
            Self::Network => 701,
            Self::Cloud => 702,
            Self::Token => 703,
            Self::Internal => 704,
            Self::Dns => 710,
            Self::Tls => 711,
            Self::NetworkNotFound => 720,
            Self::WrongPassphrase => 722,
            Self::NoDhcp => 723,
        }
    }

    /// The error with this number, if there is one.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|error| error.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::ToString;

    use super::*;

    #[track_caller]
    fn check_shown(ssid: &[u8], expected: &str) {
        assert_eq!(Ssid::new(ssid).unwrap().to_string(), expected);
    }

    #[test]
    fn a_network_name_controls_no_terminal() {
        check_shown(b"HomeNet", "HomeNet");
        check_shown("caf\u{e9} \u{1F4F6}".as_bytes(), "caf\u{e9} \u{1F4F6}");
        check_shown(b"a\x1B[2J\r\n\0\x7F", "a\\x1B[2J\\x0D\\x0A\\x00\\x7F");
        check_shown(b"\xC2\x9B\xFF", "\\xC2\\x9B\\xFF");
        check_shown(b"", "");
    }

    #[test]
    fn nothing_is_cut_to_fit() {
        assert!(Ssid::new(&[b'x'; 32]).is_some() && Ssid::new(&[b'x'; 33]).is_none());
        assert!(Passphrase::new(&[b'x'; 64]).is_some() && Passphrase::new(&[b'x'; 65]).is_none());
        for len in [0, 31, 33] {
            assert!(Token::new(&std::vec![b'x'; len]).is_none(), "{len}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let passphrase = Passphrase::new(b"correct horse").unwrap();
        let token = Token::new(&[b'x'; 32]).unwrap();
        assert_eq!(format!("{passphrase:?} {token:?} {:?}", Passphrase::default()), "*** *** none");
    }

    #[test]
    fn every_error_has_its_own_code() {
        let codes = [700, 701, 702, 703, 704, 710, 711, 720, 722, 723];
        assert_eq!(ProvisionError::ALL.map(ProvisionError::code), codes);
        for (code, error) in codes.into_iter().zip(ProvisionError::ALL) {
            assert_eq!(ProvisionError::from_code(code), Some(error));
        }
        assert_eq!((ProvisionError::from_code(0), ProvisionError::from_code(705)), (None, None));
    }

    #[test]
    fn two_ports_are_plain() {
        for (port, expected) in [(80, false), (8080, false), (443, true), (9443, true), (81, true)] {
            assert_eq!(port_uses_tls(port), expected, "{port}");
        }
    }
}
