//! Twins of the core's small enums, numbered for the wire.
//!
//! The wire has types of its own so that nobody changes it by accident: a new variant in the core does not
//! compile until it has a number here, and numbers follow the order below. New ones go to the end.

use serde::{Deserialize, Serialize};

/// Declares an enum without fields and the conversions to and from its twin in the core.
macro_rules! mirror {
    ($($(#[$doc:meta])* $name:ident = $core:path as $alias:ident { $($variant:ident),+ $(,)? })+) => {$(
        use $core as $alias;

        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "the core documents each variant")]
        pub enum $name { $($variant),+ }

        impl From<$alias> for $name {
            fn from(value: $alias) -> Self {
                match value { $($alias::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $alias {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant),+ }
            }
        }
    )+};
}

mirror! {
    /// A state of the device.
    State = firmware_core::trace::State as CoreState {
        Init, WaitConfig, Configuring, ConnectingNet, ConnectingCloud, Running, SwitchToSta, ResetConfig, Error,
    }
    /// Why the processor started.
    ResetCause = firmware_core::hal::ResetCause as CoreResetCause { PowerOn, Software, Brownout, Watchdog }
    /// What a network asks of a station.
    Security = firmware_core::hal::Security as CoreSecurity {
        Open, Wep, Wpa, Wpa2, WpaWpa2, Wpa2Enterprise, Wpa3, Wpa2Wpa3,
    }
    /// Why a network could not be joined.
    JoinFailure = firmware_core::hal::JoinFailure as CoreJoinFailure {
        NotFound, Handshake, Security, Refused, Timeout,
    }
    /// Why an encrypted channel failed.
    SecureError = firmware_core::hal::SecureError as CoreSecureError {
        WrongName, Expired, UnknownAuthority, Protocol, Unavailable, NotYetValid, Truncated, Timeout,
        DateUnknown,
    }
    /// What an encrypted channel is.
    SecureKind = firmware_core::hal::SecureKind as CoreSecureKind { Modelled, Tls }
    /// Which timer a wake is for.
    WakeReason = firmware_core::hal::WakeReason as CoreWakeReason {
        Stack, Provision, Portal, Resolver, Session, Button, Application,
    }
    /// A resource of the portal.
    Route = firmware_core::portal::routes::Route as CoreRoute {
        Page, Config, BoardInfo, WifiScan, Reset, Reboot, Redirect, NotFound,
    }
    /// Which kind of record was written.
    Stored = firmware_core::trace::Stored as CoreStored { Trial, Valid }
    /// Why a configuration could not be brought into use.
    ProvisionError = firmware_core::config::ProvisionError as CoreProvisionError {
        Config, Network, Cloud, Token, Internal, Dns, Tls, NetworkNotFound, WrongPassphrase, NoDhcp,
    }
    /// Why there is no time.
    TimeError = firmware_core::cloud::sntp::TimeError as CoreTimeError {
        NotFound, Silent, Refused, Unsynchronised, Implausible,
    }
    /// What is done while nobody knows what day it is.
    Dates = firmware_core::product::Dates as CoreDates { Required, WhenKnown }
    /// What becomes of the device at an armed point.
    AtPoint = crate::watch::AtPoint as CoreAtPoint { Continues, Stops }
    /// What was done to the flash.
    FlashOperationKind = crate::cut_flash::FlashOperationKind as CoreFlashOperationKind { Program, Erase }
}
