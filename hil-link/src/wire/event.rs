//! What a device tells about itself.

use firmware_core::config::{Host, Ssid};
use firmware_core::hal::UnixTime;
use firmware_core::trace;
use serde::{Deserialize, Serialize};
use smoltcp::wire::{EthernetAddress, Ipv4Address};

use super::Reject;
use super::bytes::Bytes;
use super::mirror::{
    JoinFailure, ProvisionError, ResetCause, Route, SecureError, SecureKind, State, Stored, TimeError,
};

/// One thing that a device did or noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "`firmware_core::trace::Event` documents each variant")]
pub enum Event<'a> {
    Booted(ResetCause),
    State { from: State, to: State },
    ApUp(#[serde(borrow)] Bytes<'a>),
    ApDown,
    ClientJoined([u8; 6]),
    ClientLeft([u8; 6]),
    LeaseGiven([u8; 4]),
    Request { route: Option<Route>, status: u16 },
    Stored(Stored),
    AttemptSpent(u8),
    Accepted,
    Rejected(ProvisionError),
    LastError(u16),
    Erased,
    FlashFailed,
    ScanStarted,
    ScanDone(u8),
    Joining([u8; 6]),
    Joined(#[serde(borrow)] Bytes<'a>),
    JoinFailed(JoinFailure),
    Disconnected(u16),
    Address { ip: [u8; 4], fixed: bool },
    RoundFailed(ProvisionError),
    Resolved([u8; 4]),
    ResolveFailed,
    Connecting { host: &'a str, port: u16 },
    ConnectFailed,
    SecureOpened(SecureKind),
    SecureFailed(SecureError),
    LoginStatus(u16),
    LoginTimeout,
    Redirected { host: &'a str, port: u16 },
    SessionLost,
    ConfigTimeout,
    ButtonPressed,
    ButtonReleased { held_ms: u32 },
    Rebooting,
    TimeKnown { unix_s: u64 },
    TimeUnknown(TimeError),
}

impl<'a> From<&'a trace::Event> for Event<'a> {
    fn from(event: &'a trace::Event) -> Self {
        use trace::Event as Core;
        match event {
            Core::Booted(cause) => Self::Booted((*cause).into()),
            Core::State { from, to } => Self::State { from: (*from).into(), to: (*to).into() },
            Core::ApUp(ssid) => Self::ApUp(Bytes(ssid.as_bytes())),
            Core::ApDown => Self::ApDown,
            Core::ClientJoined(mac) => Self::ClientJoined(mac.0),
            Core::ClientLeft(mac) => Self::ClientLeft(mac.0),
            Core::LeaseGiven(ip) => Self::LeaseGiven(ip.octets()),
            Core::Request { route, status } => {
                Self::Request { route: route.map(Into::into), status: *status }
            }
            Core::Stored(kind) => Self::Stored((*kind).into()),
            Core::AttemptSpent(left) => Self::AttemptSpent(*left),
            Core::Accepted => Self::Accepted,
            Core::Rejected(code) => Self::Rejected((*code).into()),
            Core::LastError(code) => Self::LastError(*code),
            Core::Erased => Self::Erased,
            Core::FlashFailed => Self::FlashFailed,
            Core::ScanStarted => Self::ScanStarted,
            Core::ScanDone(heard) => Self::ScanDone(*heard),
            Core::Joining(bssid) => Self::Joining(bssid.0),
            Core::Joined(ssid) => Self::Joined(Bytes(ssid.as_bytes())),
            Core::JoinFailed(why) => Self::JoinFailed((*why).into()),
            Core::Disconnected(reason) => Self::Disconnected(*reason),
            Core::Address { ip, fixed } => Self::Address { ip: ip.octets(), fixed: *fixed },
            Core::RoundFailed(code) => Self::RoundFailed((*code).into()),
            Core::Resolved(ip) => Self::Resolved(ip.octets()),
            Core::ResolveFailed => Self::ResolveFailed,
            Core::Connecting { host, port } => Self::Connecting { host, port: *port },
            Core::ConnectFailed => Self::ConnectFailed,
            Core::SecureOpened(kind) => Self::SecureOpened((*kind).into()),
            Core::SecureFailed(why) => Self::SecureFailed((*why).into()),
            Core::LoginStatus(status) => Self::LoginStatus(*status),
            Core::LoginTimeout => Self::LoginTimeout,
            Core::Redirected(host, port) => Self::Redirected { host, port: *port },
            Core::SessionLost => Self::SessionLost,
            Core::ConfigTimeout => Self::ConfigTimeout,
            Core::ButtonPressed => Self::ButtonPressed,
            Core::ButtonReleased(held_ms) => Self::ButtonReleased { held_ms: *held_ms },
            Core::Rebooting => Self::Rebooting,
            Core::TimeKnown(time) => Self::TimeKnown { unix_s: time.0 },
            Core::TimeUnknown(why) => Self::TimeUnknown((*why).into()),
        }
    }
}

impl TryFrom<Event<'_>> for trace::Event {
    type Error = Reject;

    fn try_from(event: Event<'_>) -> Result<Self, Reject> {
        let name = |ssid: Bytes<'_>| Ssid::new(ssid.0).ok_or(Reject::TooLong);
        let server = |host: &str| Host::try_from(host).map_err(|_| Reject::TooLong);
        Ok(match event {
            Event::Booted(cause) => Self::Booted(cause.into()),
            Event::State { from, to } => Self::State { from: from.into(), to: to.into() },
            Event::ApUp(ssid) => Self::ApUp(name(ssid)?),
            Event::ApDown => Self::ApDown,
            Event::ClientJoined(mac) => Self::ClientJoined(EthernetAddress(mac)),
            Event::ClientLeft(mac) => Self::ClientLeft(EthernetAddress(mac)),
            Event::LeaseGiven(ip) => Self::LeaseGiven(Ipv4Address::from_octets(ip)),
            Event::Request { route, status } => Self::Request { route: route.map(Into::into), status },
            Event::Stored(kind) => Self::Stored(kind.into()),
            Event::AttemptSpent(left) => Self::AttemptSpent(left),
            Event::Accepted => Self::Accepted,
            Event::Rejected(code) => Self::Rejected(code.into()),
            Event::LastError(code) => Self::LastError(code),
            Event::Erased => Self::Erased,
            Event::FlashFailed => Self::FlashFailed,
            Event::ScanStarted => Self::ScanStarted,
            Event::ScanDone(heard) => Self::ScanDone(heard),
            Event::Joining(bssid) => Self::Joining(EthernetAddress(bssid)),
            Event::Joined(ssid) => Self::Joined(name(ssid)?),
            Event::JoinFailed(why) => Self::JoinFailed(why.into()),
            Event::Disconnected(reason) => Self::Disconnected(reason),
            Event::Address { ip, fixed } => Self::Address { ip: Ipv4Address::from_octets(ip), fixed },
            Event::RoundFailed(code) => Self::RoundFailed(code.into()),
            Event::Resolved(ip) => Self::Resolved(Ipv4Address::from_octets(ip)),
            Event::ResolveFailed => Self::ResolveFailed,
            Event::Connecting { host, port } => Self::Connecting { host: server(host)?, port },
            Event::ConnectFailed => Self::ConnectFailed,
            Event::SecureOpened(kind) => Self::SecureOpened(kind.into()),
            Event::SecureFailed(why) => Self::SecureFailed(why.into()),
            Event::LoginStatus(status) => Self::LoginStatus(status),
            Event::LoginTimeout => Self::LoginTimeout,
            Event::Redirected { host, port } => Self::Redirected(server(host)?, port),
            Event::SessionLost => Self::SessionLost,
            Event::ConfigTimeout => Self::ConfigTimeout,
            Event::ButtonPressed => Self::ButtonPressed,
            Event::ButtonReleased { held_ms } => Self::ButtonReleased(held_ms),
            Event::Rebooting => Self::Rebooting,
            Event::TimeKnown { unix_s } => Self::TimeKnown(UnixTime(unix_s)),
            Event::TimeUnknown(why) => Self::TimeUnknown(why.into()),
        })
    }
}
