//! The values a scenario is made of. Each is checked where it is read, so that an error stands at its place.

use std::fmt;
use std::marker::PhantomData;
use std::net::Ipv4Addr;
use std::ops::Deref;

use firmware_core::config::{HOST_LEN_MAX, ProvisionError};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use smoltcp::time::Duration;
use smoltcp::wire::EthernetAddress;

use crate::tree::typed::PLACED;
use crate::tree::{Place, whole};

/// The longest time that can be written: longer than any device has been up.
const DURATION_DAYS_MAX: u64 = 1_000;
/// Names appear in every line of a timeline.
const NAME_LEN_MAX: usize = 32;
/// The cloud's limit for a string value (Blynk documentation).
const PIN_VALUE_LEN_MAX: usize = 1_024;
/// The port the cloud is reached at unless another is written.
const CLOUD_PORT: u16 = 443;

/// A value and where it stands in its file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// The line, from 1; 0 for a default.
    pub line: u32,
    /// The column in characters, from 1; 0 for a default.
    pub column: u32,
}

impl<T> At<T> {
    /// A value that stands in no file.
    pub fn nowhere(value: T) -> Self {
        Self { value, line: 0, column: 0 }
    }

    /// Another value that stands at the same place.
    pub(super) fn with<U>(&self, value: U) -> At<U> {
        At { value, line: self.line, column: self.column }
    }

    /// A value that stands at this place.
    pub(super) fn here(value: T, at: Place) -> Self {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { value, line: narrow(at.line), column: narrow(at.column) }
    }
}

impl<T: Default> Default for At<T> {
    fn default() -> Self {
        Self::nowhere(T::default())
    }
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for At<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(PLACED, PlacedVisitor(PhantomData))
    }
}

/// Takes a value with its place, or alone from who knows no places.
struct PlacedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for PlacedVisitor<T> {
    type Value = At<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<At<T>, D::Error> {
        T::deserialize(deserializer).map(At::nowhere)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<At<T>, A::Error> {
        let value = parts.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let (line, column) = (parts.next_element()?, parts.next_element()?);
        Ok(At { value, line: line.unwrap_or(0), column: column.unwrap_or(0) })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// Implements `Deserialize` through `parse` and `JsonSchema` as given, for a type written as one scalar.
/// An error's first line is the message, the second the hint.
macro_rules! scalar {
    ($type:ident, $schema:tt) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).map_err(<D::Error as serde::de::Error>::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}
pub(super) use scalar;

/// The name of an actor or an access point, as it appears in timelines.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Name(String);

scalar!(Name, { "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,31}$" });

impl Name {
    /// Takes 1 to 32 letters, digits, `-` and `_` that begin with a letter.
    ///
    /// # Errors
    /// Says what a name looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let sound = text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.len() <= NAME_LEN_MAX
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if sound {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is not a name\nup to 32 letters, digits, `-` and `_`, beginning with a letter"
            ))
        }
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A server's name or dotted address, in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Host(String);

scalar!(Host, { "type": "string", "minLength": 1, "maxLength": 253 });

impl Host {
    /// Takes 1 to 253 letters, digits, `.`, `-` and `_`.
    ///
    /// # Errors
    /// Says what a host name looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let sound = (1..=HOST_LEN_MAX).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if sound {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(format!("`{text}` is not a host name\nsuch as `blynk.cloud`, without `https://` and path"))
        }
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A server and its TCP port, written `host` or `host:port`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostPort {
    /// The server.
    pub host: Host,
    /// Its port, 443 unless written.
    pub port: u16,
}

scalar!(HostPort, { "type": "string", "examples": ["fra1.blynk.cloud", "fra1.blynk.cloud:8080"] });

impl HostPort {
    fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = match text.split_once(':') {
            None => (text, CLOUD_PORT),
            Some((host, port)) => match whole(port) {
                Some(0) | None => return Err(format!("`{port}` is not a port\nfrom 1 to 65535")),
                Some(port) => (host, port),
            },
        };
        Host::parse(host).map(|host| Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A device's station MAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mac(pub EthernetAddress);

scalar!(Mac, { "type": "string", "pattern": "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$" });

impl Mac {
    fn parse(text: &str) -> Result<Self, String> {
        let complaint = || format!("`{text}` is not a MAC address\nsuch as `24:0A:C4:00:01:10`");
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts.next().filter(|part| part.len() == 2 && !part.starts_with('+'));
            *octet = part.and_then(|part| u8::from_str_radix(part, 16).ok()).ok_or_else(complaint)?;
        }
        let address = EthernetAddress(octets);
        if parts.next().is_some() {
            Err(complaint())
        } else if !address.is_unicast() {
            Err(format!("`{text}` is a group address\nthe first octet of a station is even"))
        } else {
            Ok(Self(address))
        }
    }
}

/// A home network's range of addresses, written `192.168.1.0/24`; the router has the first one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subnet {
    /// The network's own address.
    pub network: Ipv4Addr,
    /// How many bits of it are fixed, 8 to 24: the router gives away a hundred of its addresses.
    pub prefix: u8,
}

scalar!(Subnet, { "type": "string", "examples": ["192.168.1.0/24"] });

impl Subnet {
    /// 192.168.1.0/24, what most routers come with.
    pub const DEFAULT: Self = Self { network: Ipv4Addr::new(192, 168, 1, 0), prefix: 24 };

    fn parse(text: &str) -> Result<Self, String> {
        let complaint = || format!("`{text}` is not a subnet\nsuch as `192.168.1.0/24`, from /8 to /24");
        let (network, prefix) = text.split_once('/').ok_or_else(complaint)?;
        let network: Ipv4Addr = network.parse().map_err(|_| complaint())?;
        let prefix: u8 = whole(prefix).ok_or_else(complaint)?;
        if !(8..=24).contains(&prefix) {
            return Err(complaint());
        }
        let hosts = u32::MAX >> prefix;
        if network.to_bits() & hosts != 0 {
            let network = Ipv4Addr::from_bits(network.to_bits() & !hosts);
            return Err(format!("`{text}` has bits behind its prefix\ndid you mean `{network}/{prefix}`?"));
        }
        Ok(Self { network, prefix })
    }

    /// The router's own address, the first in the range.
    pub fn router(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() | 1)
    }
}

/// A virtual pin, `V0` to `V255`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Pin(pub u8);

scalar!(Pin, { "type": "string", "pattern": "^V[0-9]{1,3}$" });

impl Pin {
    fn parse(text: &str) -> Result<Self, String> {
        let digits =
            text.strip_prefix(['V', 'v']).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let number = digits.and_then(whole);
        number.map(Self).ok_or_else(|| format!("`{text}` is not a virtual pin\nfrom `V0` to `V255`"))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V{}", self.0)
    }
}

/// What a pin holds, compared as the text that travels: `21.5` is not `21.50`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PinValue(String);

scalar!(PinValue, { "type": ["string", "number"] });

impl PinValue {
    fn parse(text: &str) -> Result<Self, String> {
        match text.len() {
            0..=PIN_VALUE_LEN_MAX if !text.contains('\0') => Ok(Self(text.to_owned())),
            _ => Err(format!("a pin holds at most {PIN_VALUE_LEN_MAX} bytes and no NUL")),
        }
    }

    /// The text that travels.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PinValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Implements a whole number with a range.
macro_rules! ranged {
    ($(#[$doc:meta])* $type:ident($inner:ty), $schema:tt, $error:literal, $range:pat) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub struct $type(pub $inner);

        $crate::scenario::value::scalar!($type, $schema);

        impl $type {
            fn parse(text: &str) -> Result<Self, String> {
                match $crate::tree::whole::<$inner>(text) {
                    Some(number @ $range) => Ok(Self(number)),
                    Some(_) | None => Err(format!(concat!("`{}` ", $error), text)),
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
pub(super) use ranged;

ranged!(
    /// A radio channel: 1 to 13 in the 2.4 GHz band, 36 to 177 in the 5 GHz band that the device cannot hear.
    Channel(u8),
    { "type": "integer", "minimum": 1, "maximum": 177 },
    "is not a WiFi channel\n1 to 13 (2.4 GHz) or 36 to 177 (5 GHz, which the device cannot hear)",
    1..=13 | 36..=177
);
ranged!(
    /// Signal strength at the device, -100 to -1 dBm.
    Rssi(i8),
    { "type": "integer", "minimum": -100, "maximum": -1 },
    "is not a signal strength\nin dBm, from -100 (barely there) to -1; a good one is -50",
    -100..=-1
);
ranged!(
    /// So many in a thousand.
    Permille(u16),
    { "type": "integer", "minimum": 0, "maximum": 1000 },
    "is not a share\nfrom 0 to 1000 in a thousand",
    0..=1_000
);
ranged!(
    /// Which of several, from 1.
    Nth(u32),
    { "type": "integer", "minimum": 1, "maximum": 1000000 },
    "is not a place in a row\ncounted from 1, which is the next one, to 1000000",
    1..=1_000_000
);
ranged!(
    /// The status of an HTTP answer.
    HttpStatus(u16),
    { "type": "integer", "minimum": 100, "maximum": 599 },
    "is not an HTTP status\nfrom 100 to 599",
    100..=599
);

ranged!(
    /// Why a station is thrown out, a reason code of IEEE 802.11.
    DeauthReason(u16),
    { "type": "integer", "minimum": 1, "maximum": 65535 },
    "is not a reason code\nfrom 1 to 65535; 2 and 3 are the usual ones",
    1..=65_535
);
ranged!(
    /// The most bytes that a frame carries behind its Ethernet header.
    Mtu(u16),
    { "type": "integer", "minimum": 68, "maximum": 1500 },
    "is not a largest frame\nin bytes, from 68 (RFC 791) to 1500 (Ethernet)",
    68..=1_500
);
ranged!(
    /// How many at once.
    Count(u8),
    { "type": "integer", "minimum": 1, "maximum": 24 },
    "are not so many at once\nfrom 1 to 24",
    1..=24
);
ranged!(
    /// Bytes in a second.
    ByteRate(u32),
    { "type": "integer", "minimum": 1, "maximum": 100000 },
    "is not a rate\nin bytes a second, from 1 to 100000",
    1..=100_000
);
ranged!(
    /// The length of a header's value in bytes.
    HeaderLen(u16),
    { "type": "integer", "minimum": 1, "maximum": 65000 },
    "is not a header's length\nin bytes, from 1 to 65000",
    1..=65_000
);
ranged!(
    /// A TCP port.
    TcpPort(u16),
    { "type": "integer", "minimum": 1, "maximum": 65535 },
    "is not a port\nfrom 1 to 65535",
    1..=65_535
);

impl Channel {
    /// Whether a 2.4 GHz radio hears it.
    pub fn is_2_4_ghz(self) -> bool {
        self.0 <= 13
    }
}

/// The most stations that an access point takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StationsMax(pub u8);

scalar!(StationsMax, { "type": "integer", "minimum": 0, "maximum": 255 });

impl StationsMax {
    fn parse(text: &str) -> Result<Self, String> {
        whole(text).map(Self).ok_or_else(|| format!("`{text}` is not a number of stations\nfrom 0 to 255"))
    }
}

/// One of the two sectors of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SectorNumber(pub u8);

scalar!(SectorNumber, { "type": "integer", "minimum": 0, "maximum": 1 });

impl SectorNumber {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "0" => Ok(Self(0)),
            "1" => Ok(Self(1)),
            _ => Err(format!("`{text}` is not a sector\nthe configuration has two, 0 and 1")),
        }
    }
}

/// What the device reports as `last_error`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastError(pub Option<ProvisionError>);

scalar!(LastError, { "enum": [0, 700, 701, 702, 703, 704, 710, 711, 720, 722, 723] });

impl LastError {
    fn parse(text: &str) -> Result<Self, String> {
        let code: Option<u16> = whole(text);
        if code == Some(0) {
            return Ok(Self(None));
        }
        code.and_then(ProvisionError::from_code).map(|error| Self(Some(error))).ok_or_else(|| {
            let known = ProvisionError::ALL.map(|error| format!("{} {}", error.code(), meaning(error)));
            format!("`{text}` is not an error code\n0 none, {}", known.join(", "))
        })
    }

    /// The number that travels, 0 for none.
    pub fn code(self) -> u16 {
        self.0.map_or(0, ProvisionError::code)
    }
}

impl fmt::Display for LastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("no error"),
            Some(error) => write!(f, "error {} ({})", error.code(), meaning(error)),
        }
    }
}

fn meaning(error: ProvisionError) -> &'static str {
    match error {
        ProvisionError::Config => "static address",
        ProvisionError::Network => "network",
        ProvisionError::Cloud => "cloud",
        ProvisionError::Token => "token refused",
        ProvisionError::Internal => "internal",
        ProvisionError::Dns => "DNS",
        ProvisionError::Tls => "TLS",
        ProvisionError::NetworkNotFound => "network not found",
        ProvisionError::WrongPassphrase => "wrong password",
        ProvisionError::NoDhcp => "no DHCP",
    }
}

/// A time as it is written: a whole number and `ms`, `s`, `m`, `h` or `d`.
pub(super) struct DurationText(Duration);

scalar!(DurationText, { "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" });

impl DurationText {
    fn parse(text: &str) -> Result<Self, String> {
        let complaint =
            || format!("`{text}` is not a time\na whole number and its unit: 250ms, 5s, 10m, 7h, 50d");
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit_ms: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(complaint()),
        };
        if number.is_empty() {
            return Err(complaint());
        }
        match whole::<u64>(number).and_then(|number| number.checked_mul(unit_ms)) {
            Some(ms) if ms <= DURATION_DAYS_MAX * 86_400_000 => Ok(Self(Duration::from_millis(ms))),
            Some(_) | None => Err(format!("`{text}` is too long\nat most {DURATION_DAYS_MAX}d")),
        }
    }
}

/// Reads a time from the command line: `90s`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    DurationText::parse(text).map(|text| text.0)
}

/// Reads a time.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    DurationText::deserialize(deserializer).map(|text| text.0)
}

/// Reads a time that need not be there.
pub(super) fn duration_option<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    Option::<DurationText>::deserialize(deserializer).map(|text| text.map(|text| text.0))
}

/// Reads a list of times.
pub(super) fn durations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    Vec::<DurationText>::deserialize(deserializer).map(|texts| texts.into_iter().map(|text| text.0).collect())
}

/// Writes a time as a person would: the largest unit that divides it.
pub(super) fn spoken(duration: Duration) -> String {
    let ms = duration.total_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let unit = units.into_iter().find(|(unit_ms, _)| ms != 0 && ms.is_multiple_of(*unit_ms));
    unit.map_or_else(|| format!("{ms} ms"), |(unit_ms, unit)| format!("{} {unit}", ms / unit_ms))
}
