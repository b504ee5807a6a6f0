//! Who and what is there when the story begins.

use firmware_core::hal::Security;
use hil_link::modelled_tls::Certificate;
use schemars::JsonSchema;
use serde::Deserialize;
use smoltcp::time::Duration;
use smoltcp::wire::EthernetAddress;

use super::credential::{Secret, Ssid};
use super::link::Between;
use super::value::{
    self, At, ByteRate, Channel, DurationText, Host, HostPort, Mac, Mtu, Name, Permille, Rssi, Subnet,
    ranged, scalar,
};
use crate::tree::whole;

/// A device that does not name its MAC gets Espressif's prefix, as in the test vectors for access point names.
const DEVICE_MAC: [u8; 6] = [0x24, 0x0A, 0xC4, 0x00, 0x01, 0x10];
/// The channel of an access point that does not say.
const DEFAULT_CHANNEL: Channel = Channel(6);
/// The strength of an access point that does not say: the same room.
const DEFAULT_RSSI: Rssi = Rssi(-50);

/// Who and what is there: routers, clouds, devices and phones. Names are unique among all of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// The WiFi networks, with Internet behind them; neighbours are simply more of them.
    #[serde(default)]
    pub routers: Vec<Router>,
    /// The Blynk regions, which share their accounts; one named `cloud` unless written.
    #[serde(default = "default_clouds")]
    pub clouds: Vec<Cloud>,
    /// The devices under test; one named `device` unless written.
    #[serde(default = "default_devices")]
    pub devices: Vec<SimulatedDevice>,
    /// The phones with the app; one named `phone` unless written.
    #[serde(default = "default_phones")]
    pub phones: Vec<PhoneDevice>,
    /// What the air does to frames; nothing unless written.
    #[serde(default)]
    pub link: Link,
    /// What protects the way to the clouds; `modelled` unless written.
    #[serde(default)]
    pub tls: TlsKind,
}

impl Default for World {
    fn default() -> Self {
        Self {
            routers: Vec::new(),
            clouds: default_clouds(),
            devices: default_devices(),
            phones: default_phones(),
            link: Link::default(),
            tls: TlsKind::default(),
        }
    }
}

fn default_clouds() -> Vec<Cloud> {
    vec![Cloud {
        name: default_cloud_name(),
        hosts: default_hosts(),
        certificate: CertificateKind::Good,
        redirect_to: None,
        powered: true,
        login: LoginAnswer::Normal,
        handshake: Handshake::Normal,
    }]
}

fn default_devices() -> Vec<SimulatedDevice> {
    vec![SimulatedDevice { name: default_device_name(), mac: None, drift_ppm: None }]
}

fn default_phones() -> Vec<PhoneDevice> {
    vec![PhoneDevice {
        name: default_phone_name(),
        os: PhoneOs::App,
        account: None,
        habits: Vec::new(),
        leaves_ap_after: None,
        goes_cellular_after: None,
    }]
}

fn default_cloud_name() -> At<Name> {
    default_name("cloud")
}

fn default_device_name() -> At<Name> {
    default_name("device")
}

fn default_phone_name() -> At<Name> {
    default_name("phone")
}

fn default_name(text: &str) -> At<Name> {
    At::nowhere(Name::parse(text).expect("our own default names are names"))
}

fn default_hosts() -> Vec<At<Host>> {
    let host = Host::parse(firmware_core::config::DEFAULT_HOST).expect("the default host is a host");
    vec![At::nowhere(host)]
}

fn yes() -> bool {
    true
}

impl World {
    /// The router with this name.
    pub fn router(&self, name: &str) -> Option<&Router> {
        self.routers.iter().find(|router| router.name.as_str() == name)
    }

    /// The name and password that a step means: those of `network` unless `ssid` or `password` say otherwise.
    pub(super) fn credentials(
        &self,
        network: Option<&At<Name>>,
        ssid: Option<&Ssid>,
        password: Option<&Secret>,
    ) -> Option<Credentials> {
        let router = network.and_then(|network| self.router(network.as_str()));
        let ssid = ssid.or(router.map(|router| &router.ssid))?.clone();
        let known = router.and_then(|router| router.password.as_ref()).map(|password| &password.value);
        Some(Credentials { ssid, password: password.or(known).cloned().unwrap_or_default() })
    }
}

/// What a phone tells a device about a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// The network's name.
    pub ssid: Ssid,
    /// Its password, empty for an open network.
    pub password: Secret,
}

/// A WiFi router: access points, DHCP, DNS, NAT to the Internet.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Router {
    /// What steps and timelines call it.
    pub name: At<Name>,
    /// The network's name, 1 to 32 bytes.
    pub ssid: Ssid,
    /// The network's password; without it the network is open.
    pub password: Option<At<Secret>>,
    /// What it asks of a station; `open` or `wpa2` by whether there is a password.
    pub security: Option<NetworkSecurity>,
    /// Whether beacons leave the name out.
    #[serde(default)]
    pub hidden: bool,
    /// The channel, 6 unless written; from 36 on in the 5 GHz band that the device cannot hear.
    pub channel: Option<Channel>,
    /// The signal's strength at the device in dBm, -50 unless written.
    pub rssi: Option<Rssi>,
    /// The access points of a mesh, in place of `channel` and `rssi`; they share name and password.
    #[serde(default)]
    pub access_points: Vec<AccessPoint>,
    /// The home network's addresses, 192.168.1.0/24 unless written; the router has the first.
    #[serde(default = "default_subnet")]
    pub subnet: Subnet,
    /// What the DHCP server does; `normal` unless written.
    #[serde(default)]
    pub dhcp: DhcpMode,
    /// What the name server does; `normal` unless written.
    #[serde(default)]
    pub dns: DnsMode,
    /// What those hear who ask for the time through it; `normal` unless written.
    #[serde(default)]
    pub ntp: NtpMode,
    /// Whether it is on when the story begins.
    #[serde(default = "yes")]
    pub powered: bool,
}

fn default_subnet() -> Subnet {
    Subnet::DEFAULT
}

impl Router {
    /// What the router asks of a station.
    pub fn security(&self) -> Security {
        match self.security {
            Some(security) => security.into(),
            None if self.password.is_some() => Security::Wpa2,
            None => Security::Open,
        }
    }

    /// Its access points, at least one: what `access_points` says, else `channel` and `rssi`.
    pub fn radios(&self) -> Vec<AccessPoint> {
        if !self.access_points.is_empty() {
            return self.access_points.clone();
        }
        let channel = self.channel.unwrap_or(DEFAULT_CHANNEL);
        vec![AccessPoint { name: None, channel, rssi: self.rssi.unwrap_or(DEFAULT_RSSI) }]
    }
}

/// One of a mesh's access points.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessPoint {
    /// What `expect: { access_point: .. }` calls it.
    pub name: Option<At<Name>>,
    /// The channel, 6 unless written.
    #[serde(default = "default_channel")]
    pub channel: Channel,
    /// The signal's strength at the device in dBm.
    pub rssi: Rssi,
}

fn default_channel() -> Channel {
    DEFAULT_CHANNEL
}

/// What a network asks of a station.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkSecurity {
    /// No encryption.
    Open,
    /// WEP, long broken.
    Wep,
    /// WPA with a password.
    Wpa,
    /// WPA2 with a password.
    Wpa2,
    /// WPA and WPA2 with a password.
    WpaWpa2,
    /// WPA3 only.
    Wpa3,
    /// WPA2 and WPA3.
    #[serde(rename = "wpa2-wpa3")]
    Wpa2Wpa3,
    /// WPA2 with a user name, which the device cannot give.
    #[serde(rename = "wpa2-enterprise")]
    Wpa2Enterprise,
}

impl NetworkSecurity {
    /// What it asks for, in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Open => "no password",
            Self::Wep => "a WEP key",
            Self::Wpa => "WPA",
            Self::Wpa2 => "WPA2",
            Self::WpaWpa2 => "WPA or WPA2",
            Self::Wpa3 => "WPA3",
            Self::Wpa2Wpa3 => "WPA2 or WPA3",
            Self::Wpa2Enterprise => "a user name",
        }
    }
}

impl From<NetworkSecurity> for Security {
    fn from(security: NetworkSecurity) -> Self {
        match security {
            NetworkSecurity::Open => Self::Open,
            NetworkSecurity::Wep => Self::Wep,
            NetworkSecurity::Wpa => Self::Wpa,
            NetworkSecurity::Wpa2 => Self::Wpa2,
            NetworkSecurity::WpaWpa2 => Self::WpaWpa2,
            NetworkSecurity::Wpa3 => Self::Wpa3,
            NetworkSecurity::Wpa2Wpa3 => Self::Wpa2Wpa3,
            NetworkSecurity::Wpa2Enterprise => Self::Wpa2Enterprise,
        }
    }
}

/// What a DHCP server does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DhcpMode {
    /// Leases addresses for a day.
    #[default]
    Normal,
    /// Answers nobody.
    Silent,
    /// Refuses every request.
    Nak,
    /// Has lent all its addresses to others: offers none, refuses requests.
    Exhausted,
    /// Has no more than this many addresses to lend.
    Pool(PoolSize),
    /// Lends addresses that a machine on its cable has already; what is for the address goes there.
    InUse,
    /// Leases addresses for this long.
    Lease(
        #[serde(deserialize_with = "value::duration")]
        #[schemars(with = "DurationText")]
        Duration,
    ),
}

ranged!(
    /// How many addresses a DHCP server has.
    PoolSize(u8),
    { "type": "integer", "minimum": 1, "maximum": 100 },
    "is not a number of addresses\nfrom 1 to 100",
    1..=100
);

/// What a name server does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DnsMode {
    /// Knows every host of the world.
    #[default]
    Normal,
    /// Answers nobody.
    Silent,
    /// Says that no name exists.
    Nxdomain,
    /// Says that it failed.
    Servfail,
    /// Cuts every answer short, as if it were too long for UDP; over TCP it does not answer.
    Truncated,
    /// Says that every name is at the router, which refuses connections: a hotel before one has signed in.
    Captive,
}

/// What those hear who ask for the time (NTP).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NtpMode {
    /// The world's time.
    #[default]
    Normal,
    /// Nothing, as behind a firewall.
    Silent,
    /// That they ask too often (kiss-o'-death).
    Kiss,
    /// A time that is so much later than the world's.
    Ahead(
        #[serde(deserialize_with = "value::duration")]
        #[schemars(with = "DurationText")]
        Duration,
    ),
    /// A time that is so much earlier than the world's.
    Behind(
        #[serde(deserialize_with = "value::duration")]
        #[schemars(with = "DurationText")]
        Duration,
    ),
}

impl NtpMode {
    /// What a router does that has it from now on.
    pub(super) fn words(self) -> String {
        match self {
            Self::Normal => "lets the time be asked for".to_owned(),
            Self::Silent => "no longer lets the time be asked for".to_owned(),
            Self::Kiss => "has a time server that wants to be left alone".to_owned(),
            Self::Ahead(time) => format!("has a time server that is {} ahead", value::spoken(time)),
            Self::Behind(time) => format!("has a time server that is {} behind", value::spoken(time)),
        }
    }
}

/// One Blynk region. All regions know the same accounts, templates and devices.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cloud {
    /// What steps and timelines call it; `cloud` unless written.
    #[serde(default = "default_cloud_name")]
    pub name: At<Name>,
    /// Its host names; `blynk.cloud` unless written.
    #[serde(default = "default_hosts")]
    pub hosts: Vec<At<Host>>,
    /// What its certificate says; `good` unless written.
    #[serde(default)]
    pub certificate: CertificateKind,
    /// Sends devices that log in to this host of another cloud, `host` or `host:port`.
    pub redirect_to: Option<At<HostPort>>,
    /// Whether it is on when the story begins.
    #[serde(default = "yes")]
    pub powered: bool,
    /// How it answers logins: `normal`, `silent` or a status number; `normal` unless written.
    #[serde(default)]
    pub login: LoginAnswer,
    /// What it does when a client begins TLS; `normal` unless written.
    #[serde(default)]
    pub handshake: Handshake,
}

/// What protects the way to the clouds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum TlsKind {
    /// The shape of a handshake: certificates are shown and judged, data passes as it is and can be read in a capture.
    #[default]
    Modelled,
    /// TLS 1.3 or 1.2, with an authority that this world's devices and phones trust.
    Real,
}

/// What a server does when a client begins TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Handshake {
    /// It goes on with it.
    #[default]
    Normal,
    /// It says nothing and keeps the connection open.
    Silent,
    /// It ends the connection in the middle of its first answer.
    Cut,
}

/// What a server's certificate says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateKind {
    /// It is for the name the client asked for, valid, and signed by a known authority.
    #[default]
    Good,
    /// It is for another name.
    WrongName,
    /// It is no longer valid.
    Expired,
    /// Nobody known has signed it.
    UnknownAuthority,
}

impl From<CertificateKind> for Certificate {
    fn from(kind: CertificateKind) -> Self {
        match kind {
            CertificateKind::Good => Self::Good,
            CertificateKind::WrongName => Self::WrongName,
            CertificateKind::Expired => Self::Expired,
            CertificateKind::UnknownAuthority => Self::UnknownAuthority,
        }
    }
}

/// How a cloud answers a device's login.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LoginAnswer {
    /// By its token.
    #[default]
    Normal,
    /// Not at all.
    Silent,
    /// With this status, whatever the token; 200 is success, 9 an invalid token.
    Status(u16),
}

scalar!(LoginAnswer, {
    "oneOf": [{ "enum": ["normal", "silent"] }, { "type": "integer", "minimum": 1, "maximum": 65535 }]
});

impl LoginAnswer {
    fn parse(text: &str) -> Result<Self, String> {
        match (text, whole(text)) {
            ("normal", _) => Ok(Self::Normal),
            ("silent", _) => Ok(Self::Silent),
            (_, Some(status @ 1..)) => Ok(Self::Status(status)),
            (_, Some(_) | None) => {
                Err(format!("`{text}` is not an answer to a login\n`normal`, `silent` or a status such as 9"))
            }
        }
    }
}

/// A device under test.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Device")]
pub struct SimulatedDevice {
    /// What steps and timelines call it; `device` unless written.
    #[serde(default = "default_device_name")]
    pub name: At<Name>,
    /// Its station MAC, from which the name of its access point follows; chosen by the world unless written.
    pub mac: Option<Mac>,
    /// How many microseconds its clock gains in a second, or loses if negative; none unless written.
    pub drift_ppm: Option<DriftPpm>,
}

ranged!(
    /// How fast a clock runs. A quartz is within 50 ppm, the oscillator inside a chip within some per cent.
    DriftPpm(i32),
    { "type": "integer", "minimum": -100_000, "maximum": 100_000 },
    "is not a drift\nfrom -100000 to 100000 millionths",
    -100_000..=100_000
);

impl SimulatedDevice {
    /// Its MAC; the device in this place of the list has one of its own if it names none.
    pub fn mac_or_default(&self, index: usize) -> EthernetAddress {
        let [a, b, c, d, e, f] = DEVICE_MAC;
        let place = u8::try_from(index).unwrap_or(u8::MAX);
        self.mac.map_or(EthernetAddress([a, b, c, d, e.wrapping_add(place), f]), |mac| mac.0)
    }
}

/// A phone with the app.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Phone")]
pub struct PhoneDevice {
    /// What steps and timelines call it; `phone` unless written.
    #[serde(default = "default_phone_name")]
    pub name: At<Name>,
    /// Which connectivity check it does after joining a network; `app`, which does none, unless written.
    #[serde(default)]
    pub os: PhoneOs,
    /// The e-mail address of its account; phones that write none share one.
    pub account: Option<String>,
    /// What it does that a clean client does not.
    #[serde(default)]
    pub habits: Vec<Habit>,
    /// How long it stays at an access point before it leaves by itself; for ever unless written.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub leaves_ap_after: Option<Duration>,
    /// How long it stays at one where its connectivity check did not find the internet; for ever unless written.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub goes_cellular_after: Option<Duration>,
}

/// A phone's connectivity check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PhoneOs {
    /// No check: the app's own requests only.
    #[default]
    App,
    /// `captive.apple.com/hotspot-detect.html`.
    Ios,
    /// `connectivitycheck.gstatic.com/generate_204`.
    Android,
    /// As `android`, and asks DHCP for the address of a captive portal (RFC 8910), as from Android 11 on.
    #[serde(rename = "android-11")]
    Android11,
    /// `www.msftconnecttest.com/connecttest.txt`.
    Windows,
}

/// What a phone does that a clean client does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Habit {
    /// Sends the configuration twice.
    DoubleSubmit,
    /// Closes the connection right after sending the configuration.
    CloseBeforeReply,
    /// Fetches the board info twice at the same time.
    ParallelFetch,
    /// Sends 64 bytes a second.
    SlowSender,
    /// Sends so many bytes a second.
    Drip(ByteRate),
    /// Joins each time with another MAC address.
    RandomMac,
}

/// What the air does to every frame when the story begins; `link:` steps change it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// How many frames in a thousand are lost.
    pub loss_permille: Option<Permille>,
    /// In how many frames in a thousand a bit is flipped unnoticed.
    pub corrupt_permille: Option<Permille>,
    /// How many frames in a thousand are overtaken by later ones.
    pub reorder_permille: Option<Permille>,
    /// How many frames in a thousand arrive twice.
    pub duplicate_permille: Option<Permille>,
    /// How much later than usual a frame arrives.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub latency: Option<Duration>,
    /// By how much, drawn for each frame, it may be later still.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub jitter: Option<Duration>,
    /// The most bytes that a frame carries; longer ones are lost without a word.
    pub mtu: Option<Mtu>,
    /// Between which two actors no frame passes until it is healed.
    pub partition: Option<Between>,
}
