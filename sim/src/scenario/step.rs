//! What happens: a step is one verb and the actor it speaks of.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use smoltcp::time::Duration;

use super::arm::{Arm, Armed, PointText};
use super::credential::{Secret, Ssid};
use super::expect::Expect;
use super::flash::FlashChange;
use super::link::LinkChange;
use super::value::{
    self, At, Channel, Count, DeauthReason, DurationText, HeaderLen, Host, HostPort, HttpStatus, Name, Nth,
    Pin, PinValue, Rssi, StationsMax, TcpPort, scalar,
};
use super::world::{CertificateKind, Credentials, DhcpMode, DnsMode, LoginAnswer, NetworkSecurity, World};

/// One thing that is done or expected.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where the step stands in its file, from 1.
    pub line: u32,
    /// The column of its first key, from 1.
    pub column: u32,
    /// Who acts or is looked at: a device, phone, router or cloud of the world, by the verb. `None` for
    /// [`Verb::Wait`] and what concerns the air.
    pub actor: Option<Name>,
    /// Whether the phone goes on with it while the next steps happen. Its next step waits for it, and so does
    /// the end.
    pub meanwhile: bool,
    /// Whether the story goes on when it fails.
    pub may_fail: bool,
    /// What happens.
    pub verb: Verb,
}

/// What a step does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verb {
    /// Switches a device's supply.
    Power(Power),
    /// Lets a phone do something; the step ends when it has succeeded and fails when it cannot.
    Phone(PhoneAction),
    /// Presses a device's button; the step ends when it is up again.
    Button(Button),
    /// Types a line on a device's serial console, and Enter.
    Console(String),
    /// Changes a device's flash, as age or another firmware would; the step ends at once.
    Flash(FlashChange),
    /// Changes a router; the step ends at once.
    Router(RouterChange),
    /// Changes a cloud; the step ends at once.
    Cloud(CloudChange),
    /// Changes the air; the step ends at once.
    Link(LinkChange),
    /// Waits until something is so, and fails when it is not in time.
    Expect(Expect),
    /// Lets time pass.
    Wait(Duration),
    /// Prepares what happens at a point later; the step ends at once.
    Arm(Arm),
    /// Mends everything and waits, at most this long, until each device has come to rest.
    Settle(Duration),
}

/// A device's supply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// Plugs it in.
    On,
    /// Pulls the plug.
    Off,
    /// Pulls the plug and puts it back.
    Cycle,
    /// The supply sags and the processor starts again.
    Brownout,
    /// Its watchdog finds that it hangs, and resets it.
    Watchdog,
}

/// On or off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

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
    /// Asks the cloud once a second until the device is online.
    WaitOnline,
    /// Names the device in the cloud.
    Rename(String),
    /// Deletes the device from the account.
    DeleteDevice,
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

/// What a finger does.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Button {
    /// A short press.
    Press,
    /// Holds it down for this long.
    Hold(
        #[serde(deserialize_with = "value::duration")]
        #[schemars(with = "DurationText")]
        Duration,
    ),
    /// Holds it down while its worn contact bounces.
    Bouncing(Bouncing),
}

/// A press on a contact that bounces.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bouncing {
    /// How long it is held down.
    #[serde(deserialize_with = "value::duration")]
    #[schemars(with = "DurationText")]
    pub hold: Duration,
    /// When, after each press and each release, the contact opens and closes again: an even number of times.
    #[serde(deserialize_with = "value::durations")]
    #[schemars(with = "Vec<DurationText>")]
    pub bounces: Vec<Duration>,
}

/// What changes about a router; at least one thing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct RouterChange {
    /// Its supply; a router that comes back has forgotten its leases.
    pub power: Option<Switch>,
    /// A new password: stations that are joined stay until they have to join again.
    pub password: Option<Secret>,
    /// What its DHCP server does from now on.
    pub dhcp: Option<DhcpMode>,
    /// What its name server does from now on.
    pub dns: Option<DnsMode>,
    /// Its strength at the device from now on, in dBm.
    pub rssi: Option<Rssi>,
    /// Its channel from now on, without an announcement: stations hear no beacon any more and notice after seconds.
    pub channel: Option<Channel>,
    /// Whether its beacons leave its name out from now on.
    pub hidden: Option<bool>,
    /// What it asks of a station from now on; stations that are joined have to join again.
    pub security: Option<NetworkSecurity>,
    /// How much longer than usual a join takes from now on.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub join_delay: Option<Duration>,
    /// How many stations it takes from now on; those that are joined stay.
    pub stations_max: Option<StationsMax>,
    /// `true` throws every station out once.
    #[serde(default)]
    pub deauth: bool,
    /// The reason that it gives for that, by IEEE 802.11; 2 unless written.
    pub deauth_reason: Option<DeauthReason>,
}

/// What changes about a cloud; at least one thing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct CloudChange {
    /// Its supply; while it is off nobody is answered, and it forgets every session.
    pub power: Option<Switch>,
    /// What its certificate says from now on.
    pub certificate: Option<CertificateKind>,
    /// The host of another cloud to which it sends devices that log in from now on.
    pub redirect_to: Option<At<HostPort>>,
    /// How it answers logins from now on.
    pub login: Option<LoginAnswer>,
    /// Deletes this device from its account, as its owner would in the console.
    pub delete_device: Option<At<Name>>,
    /// Writes a pin, as a widget of the app would.
    pub write: Option<PinWrite>,
    /// `true` closes every device's connection once.
    #[serde(default)]
    pub drop_connections: bool,
    /// Whether it stops answering devices while their connections stay open.
    pub mute: Option<bool>,
    /// Whether it refuses every new connection.
    pub refuse: Option<bool>,
    /// How much later than usual a device gets everything that it is told.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub delay: Option<Duration>,
    /// What becomes of a device's connection once its login was answered well.
    pub after_login: Option<AfterLogin>,
    /// Takes this device's token from it: its session ends and its logins are refused, but the device stays.
    pub revoke_token: Option<At<Name>>,
    /// How long the token is still good.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub revoke_after: Option<Duration>,
    /// Sends every device that is logged in a frame that it cannot take, once.
    pub send: Option<StrangeFrame>,
}

/// What becomes of a connection after a good login.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AfterLogin {
    /// It is used.
    Normal,
    /// It is closed.
    Drop,
    /// It stays open, and nothing is said on it any more.
    Mute,
}

/// A frame that no sound server sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StrangeFrame {
    /// It announces a longer body than a device takes.
    Oversize,
    /// Its message id is 0.
    IdZero,
    /// Its command is one that nobody knows.
    UnknownCommand,
}

/// A value on its way from the cloud to a device.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PinWrite {
    /// The device, where there are several.
    pub device: Option<At<Name>>,
    /// The pin.
    pub pin: Pin,
    /// The value.
    pub value: PinValue,
}

/// A step as it is written: one verb, and perhaps `who`, `at` and `meanwhile`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Step", transform = one_verb)]
pub(super) struct StepText {
    /// The actor, where there are several: a device, phone, router or cloud by its name.
    pub(super) who: Option<At<Name>>,
    /// `true` lets the next steps happen while a phone does this; its own next step waits for it, and so does the
    /// end.
    #[serde(default)]
    pub(super) meanwhile: bool,
    /// `true` lets the story go on when this fails: a nuisance, or an attempt among others.
    #[serde(default)]
    pub(super) may_fail: bool,
    /// Switches a device's supply.
    power: Option<Power>,
    /// Lets a phone do something.
    phone: Option<PhoneAction>,
    /// Presses a device's button.
    button: Option<Button>,
    /// Types a line on a device's serial console.
    console: Option<String>,
    /// Changes what a device's flash holds or can.
    flash: Option<FlashChange>,
    /// Changes a router.
    router: Option<RouterChange>,
    /// Changes a cloud.
    cloud: Option<CloudChange>,
    /// Changes what the air does to frames.
    link: Option<LinkChange>,
    /// Waits until something is so.
    expect: Option<Expect>,
    /// Lets time pass.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    wait: Option<Duration>,
    /// Prepares a fault, or any of `power`, `button`, `router`, `cloud` and `link`, for the point that `at` names.
    arm: Option<Armed>,
    /// Ends every fault (networks and clouds are as the world says, with power; the air is clean; devices have power;
    /// nothing is armed) and waits, at most this long, until each device runs or waits for a phone.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    settle: Option<Duration>,
    /// When it happens that `arm` prepares.
    pub(super) at: Option<At<PointText>>,
}

/// The verbs in the order of [`StepText::into_verb`].
pub(super) const VERBS: [&str; 12] = [
    "power", "phone", "button", "console", "flash", "router", "cloud", "link", "expect", "wait", "arm",
    "settle",
];

impl StepText {
    /// The verb, if there is exactly one; else the names of those there are.
    pub(super) fn into_verb(self) -> Result<Verb, Vec<&'static str>> {
        let verbs = [
            self.power.map(Verb::Power),
            self.phone.map(Verb::Phone),
            self.button.map(Verb::Button),
            self.console.map(Verb::Console),
            self.flash.map(Verb::Flash),
            self.router.map(Verb::Router),
            self.cloud.map(Verb::Cloud),
            self.link.map(Verb::Link),
            self.expect.map(Verb::Expect),
            self.wait.map(Verb::Wait),
            self.arm.map(|what| Verb::Arm(Arm { what, at: None })),
            self.settle.map(Verb::Settle),
        ];
        let mut written: Vec<(&'static str, Verb)> =
            VERBS.into_iter().zip(verbs).filter_map(|(name, verb)| Some((name, verb?))).collect();
        match written.pop() {
            Some((_, verb)) if written.is_empty() => Ok(verb),
            last => Err(written.into_iter().chain(last).map(|(name, _)| name).collect()),
        }
    }
}

fn one_verb(schema: &mut Schema) {
    let one_of: Vec<_> = VERBS.into_iter().map(|verb| serde_json::json!({ "required": [verb] })).collect();
    schema.insert("oneOf".to_owned(), one_of.into());
}
