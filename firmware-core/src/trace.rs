//! What a device tells about itself: a closed list of events, without times and without secrets.

use core::fmt;

use smoltcp::wire::{EthernetAddress, Ipv4Address};

use crate::cloud::sntp::TimeError;
use crate::config::{Host, ProvisionError, Ssid};
use crate::hal::{JoinFailure, ResetCause, SecureError, SecureKind, UnixTime};
use crate::portal::routes::Route;

/// Edgent's states, by its names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
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

impl State {
    /// The name that Edgent prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::WaitConfig => "WAIT_CONFIG",
            Self::Configuring => "CONFIGURING",
            Self::ConnectingNet => "CONNECTING_NET",
            Self::ConnectingCloud => "CONNECTING_CLOUD",
            Self::Running => "RUNNING",
            Self::SwitchToSta => "SWITCH_TO_STA",
            Self::ResetConfig => "RESET_CONFIG",
            Self::Error => "ERROR",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which kind of record was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// To be tried once.
    Trial,
    /// In use without a trial (`save=1`).
    Valid,
}

/// One thing the device did or noticed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The firmware started.
    Booted(ResetCause),
    /// A new state.
    State {
        /// The state that was left.
        from: State,
        /// The state that was entered.
        to: State,
    },
    /// The access point is on the air under this name.
    ApUp(Ssid),
    /// The access point was switched off.
    ApDown,
    /// A station joined the access point.
    ClientJoined(EthernetAddress),
    /// A station left the access point.
    ClientLeft(EthernetAddress),
    /// The DHCP server gave this address.
    LeaseGiven(Ipv4Address),
    /// An HTTP request was answered.
    Request {
        /// What was asked for; `None` when the request was refused before its path was looked at.
        route: Option<Route>,
        /// The status of the answer; 0 when the connection was dropped instead.
        status: u16,
    },
    /// A configuration was written to flash, durably.
    Stored(Stored),
    /// One of the trial's attempts was spent; this many are left.
    AttemptSpent(u8),
    /// The trial became the valid configuration.
    Accepted,
    /// The trial failed with this code, and its secrets were destroyed.
    Rejected(ProvisionError),
    /// What the phone reads as `last_error` changed to this; 0 for none.
    LastError(u16),
    /// Every record was erased.
    Erased,
    /// Flash refused to work.
    FlashFailed,
    /// The radio was told to look for networks.
    ScanStarted,
    /// The radio heard this many networks.
    ScanDone(u8),
    /// The radio was told to join this access point.
    Joining(EthernetAddress),
    /// The network was joined.
    Joined(Ssid),
    /// The network could not be joined.
    JoinFailed(JoinFailure),
    /// The network was lost, with its reason code.
    Disconnected(u16),
    /// An address was obtained or set.
    Address {
        /// The address.
        ip: Ipv4Address,
        /// Whether it was configured rather than leased.
        fixed: bool,
    },
    /// A round of joining failed with this code; it is retried.
    RoundFailed(ProvisionError),
    /// The cloud's name has this address.
    Resolved(Ipv4Address),
    /// The cloud's name has no address.
    ResolveFailed,
    /// TCP to the cloud is being opened.
    Connecting {
        /// The server's name.
        host: Host,
        /// Its port.
        port: u16,
    },
    /// The cloud's TCP port did not answer or refused.
    ConnectFailed,
    /// The encrypted channel is open.
    SecureOpened(SecureKind),
    /// The encrypted channel failed.
    SecureFailed(SecureError),
    /// The cloud answered the login with this status.
    LoginStatus(u16),
    /// The cloud did not answer the login.
    LoginTimeout,
    /// The cloud sent the device to another server.
    Redirected(Host, u16),
    /// The cloud's connection was lost.
    SessionLost,
    /// The device's configuration mode ended without a phone.
    ConfigTimeout,
    /// The button went down.
    ButtonPressed,
    /// The button went up after this many milliseconds.
    ButtonReleased(u32),
    /// The firmware is about to restart.
    Rebooting,
    /// A time server has told the time.
    TimeKnown(UnixTime),
    /// No time server has.
    TimeUnknown(TimeError),
}
