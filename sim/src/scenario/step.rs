//! What happens: a step is one verb and the actor it speaks of.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use smoltcp::time::Duration;

use super::arm::{Arm, Armed, PointText};
use super::credential::Secret;
use super::expect::Expect;
use super::flash::FlashChange;
use super::link::LinkChange;
use super::phone::PhoneAction;
use super::value::{
    self, At, Channel, DeauthReason, DurationText, HostPort, Name, Pin, PinValue, Rssi, StationsMax, Subnet,
};
use super::world::{
    CertificateKind, DhcpMode, DnsMode, DriftPpm, Handshake, LoginAnswer, NetworkSecurity, NtpMode,
};

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
    /// Changes a device's clock; the step ends at once.
    Clock(ClockChange),
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

/// What changes about a device's clock; at least one thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct ClockChange {
    /// How many microseconds it gains in a second from now on, or loses if negative.
    pub drift_ppm: Option<DriftPpm>,
    /// What its millisecond counter starts at, from its next boot on.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub uptime: Option<Duration>,
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
    /// Its network's addresses from now on: it starts anew, and every station has to join again.
    pub subnet: Option<Subnet>,
    /// What its DHCP server does from now on.
    pub dhcp: Option<DhcpMode>,
    /// What its name server does from now on.
    pub dns: Option<DnsMode>,
    /// What those hear from now on who ask for the time through it.
    pub ntp: Option<NtpMode>,
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
    /// What it does from now on when a client begins TLS.
    pub handshake: Option<Handshake>,
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
    /// At most so many bytes of what a device is told come at a time, each a millisecond after the one before; 0 for
    /// all that there is.
    pub split: Option<u16>,
    /// How long what a device is told is held, to come in one piece; 0 for not at all.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub coalesce: Option<Duration>,
    /// How long what a device is told is held, to come with the last frame first; 0 for not at all.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub reorder: Option<Duration>,
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
    /// Changes how fast a device's clock runs, or what it starts at.
    clock: Option<ClockChange>,
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
    /// Prepares a fault, or any of `power`, `button`, `flash`, `clock`, `phone`, `router`, `cloud` and `link`, for the
    /// point that `at` names.
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
pub(super) const VERBS: [&str; 13] = [
    "power", "phone", "button", "console", "flash", "clock", "router", "cloud", "link", "expect", "wait",
    "arm", "settle",
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
            self.clock.map(Verb::Clock),
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
