//! The hardware as the product logic sees it. A platform implements these traits; nothing here decides.
//!
//! Frames go through [`smoltcp::phy::Device`] and flash through [`embedded_storage::nor_flash::MultiwriteNorFlash`],
//! so that drivers written for those serve as they are.

use embedded_storage::nor_flash::MultiwriteNorFlash;
use smoltcp::phy;
use smoltcp::wire::EthernetAddress;

use crate::config::{Passphrase, Ssid};
use crate::panel::Pattern;
use crate::trace::Event;
use crate::{Duration, Instant};

/// Everything a device needs from the outside, in one place.
pub trait Platform: Radio + Panel + Console + TraceSink {
    /// The Ethernet side of the radio.
    type Phy: phy::Device;
    /// The flash partition that holds the two configuration slots, and nothing else. The store programs marks
    /// into words that were written before.
    type Flash: MultiwriteNorFlash;
    /// The encrypted channel to the cloud.
    type Secure: SecureChannel;

    /// The frames of whichever role the radio has.
    fn phy(&mut self) -> &mut Self::Phy;
    /// The configuration partition.
    fn flash(&mut self) -> &mut Self::Flash;
    /// The encrypted channel, or `None` on a platform without one: then a TLS port ends in code 711.
    fn secure(&mut self) -> Option<&mut Self::Secure>;
}

/// A WiFi radio that is told what to do now and says later what came of it, because on silicon a scan or a
/// join takes seconds. It never retries by itself.
pub trait Radio {
    /// Starts what the command says; an earlier command under way is abandoned.
    fn command(&mut self, command: RadioCommand);
    /// What happened since the last call, oldest first.
    fn poll_event(&mut self) -> Option<RadioEvent>;
}

/// What the radio is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RadioCommand {
    /// Switches the radio off: the access point goes, or the network is left.
    Off,
    /// Opens an access point without encryption.
    StartAp {
        /// Its name.
        ssid: Ssid,
        /// Its channel, 1 to 13.
        channel: u8,
    },
    /// Listens on every channel. Allowed while the access point is up, which is deaf meanwhile.
    Scan {
        /// Asks for this network by name as well, so that a hidden one answers.
        probe: Option<Ssid>,
    },
    /// Joins a network: authentication, association and key handshake, no address yet.
    Join {
        /// The network's name.
        ssid: Ssid,
        /// Its secret, empty for an open network.
        passphrase: Passphrase,
        /// The one access point to use, from a scan.
        bssid: EthernetAddress,
        /// That access point's channel.
        channel: u8,
    },
}

/// What the radio says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RadioEvent {
    /// The access point is on the air.
    ApStarted,
    /// A station associated with our access point.
    StationJoined(EthernetAddress),
    /// A station left our access point, or fell silent.
    StationLeft(EthernetAddress),
    /// One network heard during a scan.
    ScanResult(Network),
    /// The scan is over; `false` when the radio could not do it.
    ScanDone(bool),
    /// The network is joined; frames may be exchanged.
    Joined,
    /// The network could not be joined.
    JoinFailed(JoinFailure),
    /// The network was lost or threw us out (IEEE 802.11 reason code).
    Disconnected(u16),
}

/// A network as a scan hears it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Network {
    /// Its name, empty when it is hidden.
    pub ssid: Ssid,
    /// The access point's address.
    pub bssid: EthernetAddress,
    /// The access point's channel.
    pub channel: u8,
    /// Signal strength in dBm, negative.
    pub rssi: i8,
    /// What it asks of a station.
    pub security: Security,
}

/// Authentication modes by the names Edgent gives them in `/wifi_scan.json`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Security {
    /// No encryption.
    Open,
    /// WEP, long broken.
    Wep,
    /// WPA with a passphrase.
    Wpa,
    /// WPA2 with a passphrase.
    Wpa2,
    /// WPA and WPA2 with a passphrase.
    WpaWpa2,
    /// WPA2 with a user name, which this device cannot give.
    Wpa2Enterprise,
    /// WPA3.
    Wpa3,
    /// WPA2 and WPA3.
    Wpa2Wpa3,
}

impl Security {
    /// The name in `/wifi_scan.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Wep => "WEP",
            Self::Wpa => "WPA",
            Self::Wpa2 => "WPA2",
            Self::WpaWpa2 => "WPA+WPA2",
            Self::Wpa2Enterprise => "WPA2-EAP",
            Self::Wpa3 => "WPA3",
            Self::Wpa2Wpa3 => "WPA2+WPA3",
        }
    }
}

/// Why joining did not succeed. Drivers map their own codes to these; only the core knows what they mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JoinFailure {
    /// The access point was not there.
    NotFound,
    /// The key handshake failed: in practice a wrong passphrase.
    Handshake,
    /// The access point wants an authentication that this radio or these credentials cannot give.
    Security,
    /// The access point refused: full, filtered, or for no stated reason.
    Refused,
    /// Nobody answered in time.
    Timeout,
}

/// The button and the indicator.
pub trait Panel {
    /// The button's level changes since the last call, oldest first: time and whether it is down now. Raw,
    /// bounces included. The device takes the button to be up when it boots: one that is held then must be
    /// reported as a first edge, at the time of the boot.
    fn poll_button(&mut self) -> Option<(Instant, bool)>;
    /// Shows a pattern until the next one; the platform evaluates it over time by itself.
    fn show(&mut self, pattern: Pattern);
}

/// The serial line.
pub trait Console {
    /// The next byte typed, if any.
    fn poll_byte(&mut self) -> Option<u8>;
    /// Prints text. Lines end in CR LF as on Edgent.
    fn print(&mut self, text: core::fmt::Arguments<'_>);
}

/// Where the device tells what it does, for traces and tests. On a board it may do nothing.
pub trait TraceSink {
    /// Takes one event.
    fn trace(&mut self, event: Event);
}

/// An encrypted channel as a transformer of bytes: it owns no socket and reads no clock.
///
/// The owner moves bytes between it and TCP. After [`start`](Self::start) the client's first flight waits in
/// [`transmit`](Self::transmit).
pub trait SecureChannel {
    /// Forgets any earlier session and begins a handshake with a server that must prove this name, with a
    /// certificate that is valid at this date. All its randomness comes from `seed`.
    fn start(&mut self, now: Instant, server_name: &str, seed: u64, date: Date);
    /// Takes bytes that came from the server; returns how many it took.
    ///
    /// # Errors
    /// Says why the channel is unusable; it stays so until the next start.
    fn receive(&mut self, now: Instant, wire: &[u8]) -> Result<usize, SecureError>;
    /// Puts bytes for the server into `wire`; returns how many.
    fn transmit(&mut self, wire: &mut [u8]) -> usize;
    /// Whether the server is who it should be and data may flow.
    fn is_established(&self) -> bool;
    /// Takes data to send; returns how many bytes it took.
    fn write(&mut self, data: &[u8]) -> usize;
    /// Gives received data; returns how many bytes it gave.
    fn read(&mut self, data: &mut [u8]) -> usize;
    /// What this channel is, for the trace.
    fn kind(&self) -> SecureKind;
    /// Whether it looks at the dates of certificates, so that somebody must find out what date it is.
    fn checks_dates(&self) -> bool {
        false
    }
}

/// What is known of the date when a certificate is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Date {
    /// Nothing: a certificate's dates are not looked at.
    Unknown,
    /// It was this late some time ago: a certificate that ended before is refused, and one that has not begun
    /// may have begun since.
    AtLeast(UnixTime),
    /// It is this.
    Exact(UnixTime),
}

/// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct UnixTime(pub u64);

/// What an encrypted channel is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecureKind {
    /// The shape of a handshake without its cryptography: data passes as it is.
    Modelled,
    /// TLS (RFC 5246 or RFC 8446).
    Tls,
}

impl SecureKind {
    /// The name in traces.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Modelled => "modelled",
            Self::Tls => "real",
        }
    }
}

/// Why a channel could not be opened or kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecureError {
    /// The certificate is for another name.
    WrongName,
    /// The certificate is not valid any more.
    Expired,
    /// The certificate does not lead to a known authority.
    UnknownAuthority,
    /// The bytes are not those of the protocol.
    Protocol,
    /// The platform has no encrypted channel.
    Unavailable,
    /// The certificate is not valid yet.
    NotYetValid,
    /// The server ended the connection before the channel was open.
    Truncated,
    /// The server did not do its part in time.
    Timeout,
    /// Nobody knows what day it is, and the product does without the cloud then.
    DateUnknown,
}

impl SecureError {
    /// Whether the same attempt may succeed a little later: nothing that was said speaks against it.
    pub const fn may_pass(self) -> bool {
        match self {
            Self::Truncated | Self::Timeout | Self::DateUnknown => true,
            Self::WrongName
            | Self::Expired
            | Self::UnknownAuthority
            | Self::Protocol
            | Self::Unavailable
            | Self::NotYetValid => false,
        }
    }
}

/// Why the processor started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResetCause {
    /// Power came on.
    PowerOn,
    /// The firmware asked for it.
    Software,
    /// The supply sagged.
    Brownout,
    /// A watchdog bit.
    Watchdog,
}

/// What the device wants next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Wake {
    /// More is to be done at once: poll again at the same time.
    Now,
    /// Nothing before this time, unless something happens.
    At(Instant, WakeReason),
    /// Nothing until something happens.
    OnEvent,
    /// Drop this device and boot a new one; only flash survives.
    Reboot(ResetCause),
}

/// Which timer a wake is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum WakeReason {
    /// TCP, ARP or the DHCP client.
    Stack,
    /// The provisioning state machine.
    Provision,
    /// A phone that sends too slowly.
    Portal,
    /// A name lookup.
    Resolver,
    /// The time, connecting, login, heartbeat or dead link.
    Session,
    /// The button's debounce or its 3 s and 10 s marks.
    Button,
    /// The product's own code.
    Application,
}

/// The earlier of two wakes, either of which may not be; `Option::min` would take the absent one.
#[must_use]
pub fn soonest(
    a: Option<(Instant, WakeReason)>,
    b: Option<(Instant, WakeReason)>,
) -> Option<(Instant, WakeReason)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Everything a boot is told.
#[derive(Clone, Copy, Debug)]
pub struct Boot {
    /// The time of the first poll.
    pub now: Instant,
    /// What the milliseconds counter of the log starts at: 0, or near 2^32 to test that nothing wraps.
    pub uptime: Duration,
    /// Feeds TCP sequence numbers, ports, transaction ids and the jitter of retries.
    pub seed: u64,
    /// Why the processor started.
    pub cause: ResetCause,
    /// The station's MAC; the access point uses the next one, as the ESP32 does.
    pub mac: EthernetAddress,
    /// What the product is.
    pub product: crate::product::Product,
}
