//! The chip's radio, and the only file that knows its driver.
//!
//! One task owns the driver: commands in, events out, in order, no retries and no opinions. Frames do not pass
//! through it; [`Frames`] hands them to and from the driver directly.

use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::hash::{Hash, Hasher};
use core::task::{Context, Poll, Waker};

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use embassy_net_driver::{Driver, LinkState, RxToken as _, TxToken as _};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use embassy_time::{Duration, with_timeout};
use esp_hal::peripherals::WIFI;
use esp_radio::wifi::ap::{AccessPointConfig, AccessPointInfo};
use esp_radio::wifi::event::{EventInfo, EventSubscriber};
use esp_radio::wifi::scan::{ScanConfig, ScanTypeConfig};
use esp_radio::wifi::sta::StationConfig;
use esp_radio::wifi::{
    AuthenticationMethod, AuthenticationMethodConfig, Config, ConnectionError, ControllerConfig, Interface,
    Password, Ssid, WifiController, WifiError,
};
use firmware_core::config;
use firmware_core::hal::{JoinFailure, Network, RadioCommand, RadioEvent, Security};
use hil_link::queues::FRAME_LEN_MAX;
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

/// More commands than the device gives between two looks of the radio's task.
const COMMANDS: usize = 8;
/// Events that can wait for the device; the radio's task waits when there are more.
const EVENTS: usize = 16;
/// Frames that can wait each way.
const RECEIVE_FRAMES: usize = 16;
const TRANSMIT_FRAMES: usize = 8;
/// Networks of one scan: what a crowded house has.
const NETWORKS_MAX: usize = 64;
/// The framework's default, which Edgent keeps.
const STATIONS_MAX: u16 = 4;
/// In quarters of a dBm: 15 dBm. The driver's own 5 dBm do not reach through a wall, and above 16 dBm some boards
/// fail to authenticate (esp-radio, troubleshooting).
const TRANSMIT_POWER: i8 = 60;
/// Keys of WEP are of these lengths, which no other has (5) or another may have as well (13).
const WEP_KEY_LEN: usize = 5;
const WEP_LONG_KEY_LEN: usize = 13;
/// How long a scan listens on each channel, without and with an answer. The longer one is ESP-IDF's; the driver's
/// own 20 ms are short for a distant access point.
const LISTEN_MIN: esp_hal::time::Duration = esp_hal::time::Duration::from_millis(30);
const LISTEN_MAX: esp_hal::time::Duration = esp_hal::time::Duration::from_millis(120);
/// Leaving a network takes a few milliseconds; a driver that does not answer must not hold up the next command.
const LEAVE_LIMIT: Duration = Duration::from_secs(1);
/// A radio that has had no room for a frame for so long has none any more.
const ROOM_LIMIT: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(10);

static COMMAND: Channel<CriticalSectionRawMutex, RadioCommand, COMMANDS> = Channel::new();
static EVENT: Channel<CriticalSectionRawMutex, RadioEvent, EVENTS> = Channel::new();

/// Gives the radio a command.
///
/// # Panics
/// When the radio's task does not take them any more.
pub fn command(command: RadioCommand) {
    COMMAND.try_send(command).expect("the radio takes commands");
}

/// What the radio said, oldest first.
pub fn poll_event() -> Option<RadioEvent> {
    EVENT.try_receive().ok()
}

/// Waits until the radio has said something.
pub async fn event() {
    EVENT.ready_to_receive().await;
}

/// Switches the radio on.
///
/// # Panics
/// When the driver cannot start: without memory, or called twice.
pub fn open(wifi: WIFI<'static>) -> (RadioTask, Frames) {
    let config = ControllerConfig::default()
        .with_rx_queue_size(RECEIVE_FRAMES)
        .with_tx_queue_size(TRANSMIT_FRAMES)
        .with_initial_config(silent());
    // SAFETY: the driver counts its controllers. This one only listens: what one of them hears cannot be heard
    // while the same one is told something.
    let second = unsafe { wifi.clone_unchecked() };
    let controller = WifiController::new(wifi, config.clone()).expect("the radio's driver starts");
    let listener = WifiController::new(second, config).expect("the radio's driver has started");
    let frames = Frames {
        station: Interface::station(),
        access_point: Interface::access_point(),
        role: Role::Off,
        waker: Waker::noop().clone(),
        waits_since: None,
    };
    (RadioTask { controller, listener }, frames)
}

/// A station that has joined nothing and says nothing: as good as off, and it can scan.
fn silent() -> Config {
    Config::Station(StationConfig::default())
}

/// Everything that the radio's task needs.
pub struct RadioTask {
    controller: WifiController<'static>,
    listener: WifiController<'static>,
}

impl RadioTask {
    /// Carries out commands and reports events, for ever.
    pub async fn run(self) {
        let station = Cell::new(Station::Idle);
        let events = self.listener.subscribe().expect("there is room for a listener");
        let commands = Commands { controller: self.controller, station: &station };
        join(report(events, &station), commands.obey()).await;
    }
}

/// What the station is doing, so that an event of the driver can be understood.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Station {
    Idle,
    /// It was told to.
    Leaving,
    Joining,
    Joined,
}

struct Commands<'a> {
    controller: WifiController<'static>,
    station: &'a Cell<Station>,
}

impl Commands<'_> {
    async fn obey(mut self) {
        let mut next = None;
        loop {
            let command = match next.take() {
                Some(command) => command,
                None => COMMAND.receive().await,
            };
            match command {
                RadioCommand::Off => self.leave().await,
                RadioCommand::StartAp { ssid, channel } => {
                    self.leave().await;
                    self.start_access_point(&ssid, channel).await;
                }
                RadioCommand::Scan { probe } => next = unless_abandoned(self.scan(probe)).await,
                RadioCommand::Join { ssid, passphrase, bssid, channel } => {
                    self.leave().await;
                    next = unless_abandoned(self.join(&ssid, &passphrase, bssid, channel)).await;
                }
            }
        }
    }

    /// Leaves the network and takes the access point off the air.
    async fn leave(&mut self) {
        self.station.set(Station::Leaving);
        let leaving = async {
            if self.controller.disconnect_async().await.is_ok() {
                // The report must have heard it too, or it would take it for the end of what comes next.
                while self.station.get() == Station::Leaving {
                    yield_now().await;
                }
            }
        };
        // A limit that passes leaves the rest to what follows.
        let _ = with_timeout(LEAVE_LIMIT, leaving).await;
        self.station.set(Station::Idle);
        // A driver that cannot even fall silent is off.
        let _ = self.controller.set_config(&silent());
    }

    async fn start_access_point(&mut self, ssid: &config::Ssid, channel: u8) {
        let ssid = Ssid::try_from(ssid.as_bytes()).expect("both take 32 bytes");
        let access_point = AccessPointConfig::default()
            .with_ssid(ssid)
            .with_channel(channel)
            .with_authentication(AuthenticationMethodConfig::Open)
            .with_max_connections(STATIONS_MAX);
        // With a station beside it, which joins nothing, because an access point alone cannot scan.
        let both = Config::AccessPointStation(StationConfig::default(), access_point);
        // Nobody can be told that it failed, and a device without a way in is as good as dead: better a reset.
        self.start(&both).expect("the access point starts");
        // The driver returns when it is on the air.
        EVENT.send(RadioEvent::ApStarted).await;
    }

    /// Hears every channel, then asks for one network by name, if it has one to ask for.
    async fn scan(&mut self, probe: Option<config::Ssid>) {
        let all = ScanConfig::default()
            .with_show_hidden(true)
            .with_scan_type(ScanTypeConfig::Active { min: LISTEN_MIN, max: LISTEN_MAX })
            .with_max(NETWORKS_MAX);
        let mut is_whole = self.scan_once(&all).await;
        if let Some(ssid) = probe.and_then(|probe| Ssid::try_from(probe.as_bytes()).ok()) {
            is_whole &= self.scan_once(&all.with_ssid(ssid)).await;
        }
        EVENT.send(RadioEvent::ScanDone(is_whole)).await;
    }

    async fn scan_once(&mut self, config: &ScanConfig) -> bool {
        let Ok(heard) = self.controller.scan_async(config).await else { return false };
        for access_point in &heard {
            if let Some(network) = network(access_point) {
                EVENT.send(RadioEvent::ScanResult(network)).await;
            }
        }
        true
    }

    async fn join(
        &mut self,
        ssid: &config::Ssid,
        passphrase: &config::Passphrase,
        bssid: EthernetAddress,
        channel: u8,
    ) {
        let begun = match station_config(ssid, passphrase, bssid, channel) {
            Ok(config) => self.start(&Config::Station(config)),
            Err(error) => Err(error),
        };
        self.station.set(Station::Joining);
        let result = match begun {
            Ok(()) => self.controller.connect_async().await.map(|_| ()),
            Err(error) => Err(ConnectionError::WifiError(error)),
        };
        // What the air decides is reported by whoever listens; here only what never got that far.
        if let Err(ConnectionError::WifiError(error)) = result {
            self.station.set(Station::Idle);
            let failure = match error {
                // Too short for any of them.
                WifiError::InvalidPassword => JoinFailure::Security,
                _ => JoinFailure::Refused,
            };
            EVENT.send(RadioEvent::JoinFailed(failure)).await;
        }
    }

    fn start(&mut self, config: &Config) -> Result<(), WifiError> {
        self.controller.set_config(config)?;
        // A start forgets it.
        self.controller.set_max_tx_power(TRANSMIT_POWER)
    }
}

/// Carries something out until it is done or the next command comes.
async fn unless_abandoned(work: impl Future<Output = ()>) -> Option<RadioCommand> {
    match select(work, COMMAND.receive()).await {
        Either::First(()) => None,
        Either::Second(next) => Some(next),
    }
}

/// Reports what the driver hears.
async fn report(mut events: EventSubscriber<'_>, station: &Cell<Station>) {
    loop {
        let event = match events.next_event_pure().await {
            EventInfo::AccessPointStationConnected { mac, .. } => {
                RadioEvent::StationJoined(EthernetAddress(mac))
            }
            EventInfo::AccessPointStationDisconnected { mac, .. } => {
                RadioEvent::StationLeft(EthernetAddress(mac))
            }
            EventInfo::StationConnected { .. } if station.get() == Station::Joining => {
                station.set(Station::Joined);
                RadioEvent::Joined
            }
            EventInfo::StationDisconnected { reason, .. } => match station.replace(Station::Idle) {
                Station::Idle | Station::Leaving => continue,
                Station::Joining => RadioEvent::JoinFailed(join_failure(reason)),
                Station::Joined => RadioEvent::Disconnected(reason),
            },
            _ => continue,
        };
        EVENT.send(event).await;
    }
}

fn station_config(
    ssid: &config::Ssid,
    passphrase: &config::Passphrase,
    bssid: EthernetAddress,
    channel: u8,
) -> Result<StationConfig, WifiError> {
    // What is named here is the weakest that is accepted; the driver takes the best that the network offers.
    let secret = || Password::try_from(passphrase.expose());
    let authentication = match passphrase.expose().len() {
        0 => AuthenticationMethodConfig::Open,
        WEP_KEY_LEN | WEP_LONG_KEY_LEN => AuthenticationMethodConfig::Wep(secret()?),
        _ => AuthenticationMethodConfig::Wpa(secret()?),
    };
    Ok(StationConfig::default()
        .with_ssid(Ssid::try_from(ssid.as_bytes())?)
        .with_bssid(bssid.0)
        .with_channel(channel)
        .with_authentication(authentication)
        .with_failure_retry_cnt(0))
}

/// Why the driver could not join: IEEE 802.11 reason codes (table 9-49), from 200 on ESP-IDF's own
/// (`wifi_err_reason_t`).
const fn join_failure(reason: u16) -> JoinFailure {
    match reason {
        // No access point, or none that is strong enough.
        201 | 212 => JoinFailure::NotFound,
        // Integrity, 4-way handshake, group key, differing elements, 802.1X. SAE reports a wrong passphrase as a
        // failed authentication, and so do some access points with WPA2.
        14 | 15 | 16 | 17 | 23 | 202 | 204 => JoinFailure::Handshake,
        // Elements, ciphers, key management, versions; no compatible security, or below what is accepted.
        13 | 18..=22 | 24 | 29 | 49 | 210 | 211 => JoinFailure::Security,
        // Authentication expired, inactivity, missing acknowledgements, timeout, beacon and SA query lost.
        2 | 4 | 34 | 39 | 200 | 209 => JoinFailure::Timeout,
        _ => JoinFailure::Refused,
    }
}

const _: () = {
    assert!(matches!(join_failure(15), JoinFailure::Handshake));
    assert!(matches!(join_failure(201), JoinFailure::NotFound));
    assert!(matches!(join_failure(211), JoinFailure::Security));
    assert!(matches!(join_failure(5), JoinFailure::Refused));
};

/// A network as the core knows it; `None` when its channel or name is none.
fn network(heard: &AccessPointInfo) -> Option<Network> {
    let mut name = NameBytes([0; config::SSID_LEN_MAX]);
    heard.ssid.hash(&mut name);
    Some(Network {
        ssid: config::Ssid::new(name.0.get(..heard.ssid.len())?)?,
        bssid: EthernetAddress(heard.bssid),
        channel: heard.channel,
        rssi: heard.signal_strength,
        security: security(heard.auth_method?),
    })
}

/// The bytes of a network's name. The driver shows names as text, which cuts them at the first byte that is not
/// UTF-8, but it hashes all 32 bytes of them.
struct NameBytes([u8; config::SSID_LEN_MAX]);

impl Hasher for NameBytes {
    fn write(&mut self, bytes: &[u8]) {
        // Lengths pass here as well.
        if let Ok(name) = bytes.try_into() {
            self.0 = name;
        }
    }

    fn finish(&self) -> u64 {
        0
    }
}

fn security(method: AuthenticationMethod) -> Security {
    match method {
        AuthenticationMethod::None => Security::Open,
        AuthenticationMethod::Wep => Security::Wep,
        AuthenticationMethod::Wpa => Security::Wpa,
        AuthenticationMethod::Wpa2Personal => Security::Wpa2,
        AuthenticationMethod::WpaWpa2Personal => Security::WpaWpa2,
        AuthenticationMethod::Wpa3Personal | AuthenticationMethod::Wpa3ExtPsk => Security::Wpa3,
        AuthenticationMethod::Wpa2Wpa3Personal | AuthenticationMethod::Wpa3ExtPskMixed => Security::Wpa2Wpa3,
        // The rest, user names and certificates above all, has in common that this device cannot give it.
        _ => Security::Wpa2Enterprise,
    }
}

/// The frames of whichever role the radio has.
pub struct Frames {
    station: Interface,
    access_point: Interface,
    role: Role,
    /// Wakes the one who waits in [`Frames::ready`].
    waker: Waker,
    /// Since when there has been a frame to send and no room for it.
    waits_since: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Off,
    Station,
    AccessPoint,
}

impl Frames {
    /// The station's address; the access point has the next one.
    pub fn mac(&self) -> EthernetAddress {
        EthernetAddress(self.station.mac_address())
    }

    /// Takes the role that a command asks for.
    pub fn follow(&mut self, command: &RadioCommand) {
        self.role = match command {
            RadioCommand::Off => Role::Off,
            RadioCommand::StartAp { .. } => Role::AccessPoint,
            RadioCommand::Join { .. } => Role::Station,
            RadioCommand::Scan { .. } => self.role,
        };
        self.waits_since = None;
    }

    /// Whether a frame waits for room.
    pub fn waits_for_room(&self) -> bool {
        self.waits_since.is_some()
    }

    /// Waits for a frame, or for room if one waits for that.
    pub async fn ready(&mut self) {
        let Self { station, access_point, role, waker, waits_since } = self;
        poll_fn(|context| {
            waker.clone_from(context.waker());
            let Some(interface) = role.interface(station, access_point) else { return Poll::Pending };
            if waits_since.is_some() && Driver::transmit(interface, context).is_some() {
                *waits_since = None;
                return Poll::Ready(());
            }
            match Driver::receive(interface, context) {
                Some(_) => Poll::Ready(()),
                None => Poll::Pending,
            }
        })
        .await;
    }
}

impl Role {
    fn interface<'a>(
        self,
        station: &'a mut Interface,
        access_point: &'a mut Interface,
    ) -> Option<&'a mut Interface> {
        match self {
            Self::Off => None,
            Self::Station => Some(station),
            Self::AccessPoint => Some(access_point),
        }
    }
}

impl phy::Device for Frames {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, Room<'_>)> {
        let Self { station, access_point, role, waker, .. } = self;
        let interface = role.interface(station, access_point)?;
        let (frame, room) = Driver::receive(interface, &mut Context::from_waker(waker))?;
        Some((Received(Some(frame)), Room::Driver(room)))
    }

    fn transmit(&mut self, now: Instant) -> Option<Room<'_>> {
        let Self { station, access_point, role, waker, waits_since } = self;
        let mut context = Context::from_waker(waker);
        let Some(interface) = role.interface(station, access_point) else { return Some(Room::Nowhere) };
        if Driver::link_state(interface, &mut context) == LinkState::Down {
            *waits_since = None;
            return Some(Room::Nowhere);
        }
        let room = Driver::transmit(interface, &mut context);
        *waits_since = match &room {
            Some(_) => None,
            None => Some(waits_since.unwrap_or(now)),
        };
        // The driver counts the frames on their way, and one that it loses track of counts for ever.
        let is_stuck = waits_since.is_some_and(|since| since + ROOM_LIMIT <= now);
        assert!(!is_stuck, "the radio has not sent anything for {ROOM_LIMIT}");
        room.map(Room::Driver)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.station.capabilities().max_transmission_unit;
        capabilities
    }
}

/// A frame that the driver holds. Dropping it loses the frame: the driver would show it again for ever.
pub struct Received<'a>(Option<<Interface as Driver>::RxToken<'a>>);

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(mut self, f: F) -> R {
        let frame = self.0.take().expect("a frame is consumed once");
        frame.consume(|bytes| f(bytes))
    }
}

impl Drop for Received<'_> {
    fn drop(&mut self) {
        if let Some(frame) = self.0.take() {
            frame.consume(|_| ());
        }
    }
}

/// Room for one frame.
pub enum Room<'a> {
    /// In the driver.
    Driver(<Interface as Driver>::TxToken<'a>),
    /// Not joined, or not on the air: what is sent now is lost, as on any radio.
    Nowhere,
}

impl phy::TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        match self {
            Self::Driver(room) => room.consume(len, f),
            Self::Nowhere => f(&mut [0; FRAME_LEN_MAX][..len]),
        }
    }
}
