//! What a phone does in a step, and what it is like from then on.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::Deserialize;
use smoltcp::time::Duration;

use super::credential::{Secret, Ssid};
use super::value::{self, At, Count, DurationText, HeaderLen, Host, HttpStatus, Name, Nth, TcpPort, scalar};
use super::world::{Credentials, Habit, PhoneOs, World};

/// What a phone does.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PhoneAction {
    /// Logs in to the account and asks the cloud for a new token.
    GetToken,
    /// Joins the device's access point and gets an address there.
    Join,
    /// Joins the access point of this device, where there are several.
    JoinDevice(At<Name>),
    /// Leaves the device's access point.
    Leave,
    /// Reads `/board_info.json` and checks that the template is known to the account.
    BoardInfo,
    /// Reads `/wifi_scan.json`.
    Scan,
    /// Sends a configuration through `/config`.
    Configure(Configure),
    /// Goes through the app's whole flow: token, join, board info, scan, configure, leave, wait until online,
    /// name the device.
    Provision(Provision),
    /// Sends a request of its own to the device.
    Request(Request),
    /// Loads the setup page as a browser does, with its icon and what it links to.
    Browse,
    /// Opens so many connections to the device and never says anything on them.
    HalfOpen(Count),
    /// Asks the device for one path many times at once.
    Parallel(Parallel),
    /// Asks the device's name server.
    Lookup(Lookup),
    /// Asks the cloud until the device is online: once a second, and every five seconds after half a minute.
    WaitOnline,
    /// Names the device in the cloud.
    Rename(String),
    /// Deletes the device from the account.
    DeleteDevice,
    /// Changes what the phone is like.
    Behave(PhoneChange),
}

/// What a phone is like from now on; at least one thing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct PhoneChange {
    /// Which connectivity check it does after joining a network.
    pub os: Option<PhoneOs>,
    /// What it does that a clean client does not; these and no others.
    pub habits: Option<Vec<Habit>>,
    /// How long it stays at an access point before it leaves by itself.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub leaves_ap_after: Option<Duration>,
    /// How long it stays at one where its connectivity check did not find the internet.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub goes_cellular_after: Option<Duration>,
}

impl PhoneAction {
    /// Whether a phone can do it beside something else, so that it can be armed.
    pub(super) fn is_beside(&self) -> bool {
        match self {
            Self::Leave
            | Self::Request(_)
            | Self::Browse
            | Self::HalfOpen(_)
            | Self::Parallel(_)
            | Self::Lookup(_)
            | Self::Behave(_) => true,
            Self::GetToken
            | Self::Join
            | Self::JoinDevice(_)
            | Self::BoardInfo
            | Self::Scan
            | Self::Configure(_)
            | Self::Provision(_)
            | Self::WaitOnline
            | Self::Rename(_)
            | Self::DeleteDevice => false,
        }
    }
}

/// What the app sends to `/config`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Configure {
    /// The router whose name and password are sent.
    pub network: Option<At<Name>>,
    /// The network's name, in place of the router's.
    pub ssid: Option<Ssid>,
    /// The network's password, in place of the router's; none for an open network.
    pub password: Option<Secret>,
    /// The token: `issued`, `invalid` or 32 characters; `issued` unless written.
    #[serde(default)]
    pub token: TokenChoice,
    /// The cloud's host, what the app knows unless written.
    pub host: Option<Host>,
    /// The cloud's port, 443 unless written; plain on 80 and 8080.
    pub port: Option<u16>,
    /// Whether to store it as valid without a trial (`save=1`).
    #[serde(default)]
    pub save: bool,
    /// An address in place of DHCP.
    pub static_ip: Option<StaticIp>,
    /// Further arguments, sent after the others.
    #[serde(default)]
    pub raw: BTreeMap<String, String>,
    /// The status the device must answer with, 200 unless written; a lost answer is no failure then.
    pub expect_status: Option<HttpStatus>,
}

impl Configure {
    /// The name and password that are sent; `None` only in a world other than the scenario's own.
    pub fn credentials(&self, world: &World) -> Option<Credentials> {
        world.credentials(self.network.as_ref(), self.ssid.as_ref(), self.password.as_ref())
    }
}

/// The app's whole flow.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provision {
    /// The device to provision, where there are several.
    pub device: Option<At<Name>>,
    /// The router whose name and password are sent.
    pub network: Option<At<Name>>,
    /// The network's name, in place of the router's.
    pub ssid: Option<Ssid>,
    /// The network's password, in place of the router's; none for an open network.
    pub password: Option<Secret>,
    /// The token: `issued`, `invalid` or 32 characters; `issued`, here always a new one, unless written.
    #[serde(default)]
    pub token: TokenChoice,
    /// Whether to store it as valid without a trial (`save=1`).
    #[serde(default)]
    pub save: bool,
    /// An address in place of DHCP.
    pub static_ip: Option<StaticIp>,
    /// What the user names the device at the end; it keeps its name without.
    pub name: Option<String>,
    /// Starts over until the device is online, at most so many times; does nothing when it is already. A device that
    /// keeps trying with a configuration that no network there fits is reset by its button first.
    pub tries: Option<Nth>,
}

impl Provision {
    /// The name and password that are sent; `None` only in a world other than the scenario's own.
    pub fn credentials(&self, world: &World) -> Option<Credentials> {
        world.credentials(self.network.as_ref(), self.ssid.as_ref(), self.password.as_ref())
    }
}

/// Which token a phone sends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum TokenChoice {
    /// The one the cloud issued to this phone last; asks for one when there is none.
    #[default]
    Issued,
    /// One of the right form that the cloud does not know.
    Invalid,
    /// This one.
    Literal(Secret),
}

scalar!(TokenChoice, { "type": "string", "examples": ["issued", "invalid"] });

impl TokenChoice {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "issued" => Ok(Self::Issued),
            "invalid" => Ok(Self::Invalid),
            literal => Secret::parse(literal).map(Self::Literal),
        }
    }
}

/// An address in place of DHCP. What is not written is not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaticIp {
    /// The device's own address.
    pub ip: Ipv4Addr,
    /// The network mask.
    pub mask: Option<Ipv4Addr>,
    /// The default gateway.
    pub gateway: Option<Ipv4Addr>,
    /// The first name server.
    pub dns: Option<Ipv4Addr>,
    /// The second name server.
    pub dns2: Option<Ipv4Addr>,
}

/// A request of its own to the device.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What is asked for, with its query; begins with `/`.
    pub path: At<String>,
    /// The method, `GET` unless written.
    #[serde(default = "get")]
    pub method: String,
    /// The body, sent as a form; none unless written.
    pub body: Option<String>,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How long the value of one more header is, in bytes.
    pub big_header: Option<HeaderLen>,
    /// How many times the request is sent on one connection, one right behind the other; once unless written.
    pub pipelined: Option<Count>,
    /// The port, 80 unless written.
    pub port: Option<TcpPort>,
    /// `true` when the connection must be refused at once.
    #[serde(default)]
    pub refused: bool,
    /// The status the device must answer with; any unless written.
    pub expect_status: Option<HttpStatus>,
}

/// The same question many times at once, each on a connection of its own.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parallel {
    /// What is asked for, with its query; begins with `/`.
    pub path: At<String>,
    /// How many times.
    pub count: Count,
    /// How many of them must be answered with 200; all unless written.
    pub at_least: Option<Count>,
}

/// A question to the device's name server. The answer must be well-formed in any case.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// The name that is asked for.
    pub name: Host,
    /// The kind of record, `a` unless written.
    #[serde(default)]
    pub record: DnsRecord,
    /// Whether the query says that it understands extensions (EDNS).
    #[serde(default)]
    pub edns: bool,
    /// How many times the question stands in one query, once unless written.
    pub questions: Option<Count>,
    /// The answer's code.
    pub expect_code: DnsCode,
    /// How many records the answer must have, none unless written.
    #[serde(default)]
    pub expect_answers: u16,
}

/// Kinds of records that systems ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DnsRecord {
    /// An address of 32 bits.
    #[default]
    A,
    /// An address of 128 bits.
    Aaaa,
    /// How to speak HTTPS there.
    Https,
}

/// What a name server's answer says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DnsCode {
    /// All is well.
    NoError,
    /// The query is malformed.
    FormatError,
    /// The server cannot find out.
    ServerFailure,
    /// There is no such name.
    NameError,
}

fn get() -> String {
    "GET".to_owned()
}
