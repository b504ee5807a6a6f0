//! What can be expected: of a device and its standing in the cloud, or of a phone.

use std::collections::BTreeMap;

use firmware_core::trace::State;
use schemars::JsonSchema;
use serde::Deserialize;
use smoltcp::time::Duration;

use super::credential::Ssid;
use super::value::{self, At, DurationText, HttpStatus, LastError, Name, Pin, PinValue};

/// How long an expectation has unless it says.
const WITHIN_DEFAULT: Duration = Duration::from_secs(10);

/// What must become so in time, all of it at the same moment. Either the keys about a device and its standing
/// in the cloud, or the keys about a phone.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The device's state.
    pub device: Option<DeviceState>,
    /// What the device reports as `last_error`, 0 for none.
    pub last_error: Option<LastError>,
    /// Whether the device's access point is on the air.
    pub ap: Option<ApState>,
    /// The router whose network the device has joined.
    pub joined: Option<At<Name>>,
    /// The access point of a mesh that the device has joined.
    pub access_point: Option<At<Name>>,
    /// The newest record in the device's flash.
    pub store: Option<StoreState>,
    /// The router whose network the newest valid record in the device's flash names.
    pub stored_network: Option<At<Name>>,
    /// How many erases and programs the device's flash has seen in its life, at most.
    pub flash_writes_max: Option<u32>,
    /// A text that the device has printed since the step before this one began.
    pub console: Option<String>,
    /// The fault that was armed last.
    pub fault: Option<FaultState>,
    /// How the cloud sees the device.
    pub cloud: Option<Presence>,
    /// The cloud, by its name, that says so; any unless written.
    pub region: Option<At<Name>>,
    /// The device's name in the cloud.
    pub named: Option<String>,
    /// What the cloud holds of the device's pins.
    #[serde(default)]
    pub pin: BTreeMap<Pin, PinValue>,
    /// The code of an event that the device has logged in the cloud.
    pub event: Option<String>,
    /// The status of the last answer that the phone got from a device.
    pub http_status: Option<HttpStatus>,
    /// A text in the body of that answer.
    pub http_body: Option<String>,
    /// The `last_error` in the board info that the phone has read last.
    pub sees_error: Option<LastError>,
    /// A name in the list of networks that the phone has read last.
    pub sees_network: Option<Ssid>,
    /// What the phone's system has concluded about the network it joined last.
    pub connectivity: Option<Connectivity>,
    /// The address of a captive portal that the phone was told by DHCP.
    pub offered_portal: Option<String>,
    /// How long it may take, 10 s unless written; `0s` means now.
    #[serde(default = "within_default", deserialize_with = "value::duration")]
    #[schemars(with = "DurationText")]
    pub within: Duration,
    /// How long it must then stay so.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub stays: Option<Duration>,
}

fn within_default() -> Duration {
    WITHIN_DEFAULT
}

impl Expect {
    /// Whether anything is expected of a device.
    pub fn is_of_device(&self) -> bool {
        let Self { device, last_error, ap, joined, access_point, store, stored_network, console, .. } = self;
        let Self { fault, cloud, named, pin, event, flash_writes_max, .. } = self;
        device.is_some()
            || last_error.is_some()
            || ap.is_some()
            || joined.is_some()
            || access_point.is_some()
            || store.is_some()
            || stored_network.is_some()
            || flash_writes_max.is_some()
            || console.is_some()
            || fault.is_some()
            || cloud.is_some()
            || named.is_some()
            || event.is_some()
            || !pin.is_empty()
    }

    /// Whether anything is expected of a phone.
    pub fn is_of_phone(&self) -> bool {
        let Self { http_status, http_body, sees_error, sees_network, .. } = self;
        http_status.is_some()
            || http_body.is_some()
            || sees_error.is_some()
            || sees_network.is_some()
            || self.connectivity.is_some()
            || self.offered_portal.is_some()
    }
}

/// A device's state, by Edgent's names, or no supply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceState {
    /// It has no power.
    Off,
    /// Before the first state is chosen.
    Init,
    /// The access point is open and nobody has asked anything yet.
    WaitConfig,
    /// A phone has read the board info.
    Configuring,
    /// Looking for the network, joining it, getting an address.
    ConnectingNet,
    /// Resolving, connecting and logging in.
    ConnectingCloud,
    /// Logged in.
    Running,
    /// A configuration was accepted; its answer is given time to arrive.
    SwitchToSta,
    /// The configuration is being erased.
    ResetConfig,
    /// Every round failed; a restart follows.
    Error,
}

impl DeviceState {
    /// The firmware's state; `None` for a device without power.
    pub fn firmware(self) -> Option<State> {
        match self {
            Self::Off => None,
            Self::Init => Some(State::Init),
            Self::WaitConfig => Some(State::WaitConfig),
            Self::Configuring => Some(State::Configuring),
            Self::ConnectingNet => Some(State::ConnectingNet),
            Self::ConnectingCloud => Some(State::ConnectingCloud),
            Self::Running => Some(State::Running),
            Self::SwitchToSta => Some(State::SwitchToSta),
            Self::ResetConfig => Some(State::ResetConfig),
            Self::Error => Some(State::Error),
        }
    }
}

/// A device's access point.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApState {
    /// On the air.
    Up,
    /// Not on the air.
    Down,
}

/// What a phone's system concludes about a network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Connectivity {
    /// Nobody answers properly.
    None,
    /// Somebody answers in place of the internet: the system opens the page.
    CaptivePortal,
    /// The expected answer came.
    Internet,
}

/// How the cloud sees a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// Logged in.
    Online,
    /// It was logged in once.
    Offline,
    /// It has never logged in.
    NeverSeen,
}

/// The newest record in a device's flash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StoreState {
    /// There is none.
    Empty,
    /// Being tried.
    Trial,
    /// In use.
    Valid,
    /// Tried and given up, its secrets destroyed.
    Rejected,
}

/// What has become of an armed fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultState {
    /// It still waits for its point.
    Armed,
    /// It has happened.
    Fired,
}
