//! What the world tells a device within a turn, and how a boot is described.

use firmware_core::config::Ssid;
use firmware_core::product::{Identity, Product, ProductError};
use firmware_core::{Duration, Instant, hal};
use serde::{Deserialize, Serialize};
use smoltcp::wire::EthernetAddress;

use super::Reject;
use super::armed::Armed;
use super::bytes::Bytes;
use super::mirror::{Dates, JoinFailure, ResetCause, Security};

/// One thing that reaches the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Input<'a> {
    /// A frame, from its destination address to the end of its payload.
    Frame(#[serde(borrow)] Bytes<'a>),
    /// Something its radio says.
    Radio(#[serde(borrow)] RadioEvent<'a>),
    /// The button's level changed.
    Button {
        /// When, in microseconds of virtual time.
        at_us: i64,
        /// Whether it is down now.
        down: bool,
    },
    /// Bytes typed on its console.
    Console(#[serde(borrow)] Bytes<'a>),
}

/// What a radio says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "`firmware_core::hal::RadioEvent` documents each variant")]
pub enum RadioEvent<'a> {
    ApStarted,
    StationJoined([u8; 6]),
    StationLeft([u8; 6]),
    ScanResult(#[serde(borrow)] Network<'a>),
    ScanDone(bool),
    Joined,
    JoinFailed(JoinFailure),
    Disconnected(u16),
}

/// A network as a scan hears it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Network<'a> {
    /// Its name, up to 32 bytes.
    #[serde(borrow)]
    pub ssid: Bytes<'a>,
    /// Its access point's address.
    pub bssid: [u8; 6],
    /// Its channel.
    pub channel: u8,
    /// Signal strength in dBm.
    pub rssi: i8,
    /// What it asks of a station.
    pub security: Security,
}

impl<'a> From<&'a hal::RadioEvent> for RadioEvent<'a> {
    fn from(event: &'a hal::RadioEvent) -> Self {
        match event {
            hal::RadioEvent::ApStarted => Self::ApStarted,
            hal::RadioEvent::StationJoined(mac) => Self::StationJoined(mac.0),
            hal::RadioEvent::StationLeft(mac) => Self::StationLeft(mac.0),
            hal::RadioEvent::ScanResult(network) => Self::ScanResult(Network {
                ssid: Bytes(network.ssid.as_bytes()),
                bssid: network.bssid.0,
                channel: network.channel,
                rssi: network.rssi,
                security: network.security.into(),
            }),
            hal::RadioEvent::ScanDone(whole) => Self::ScanDone(*whole),
            hal::RadioEvent::Joined => Self::Joined,
            hal::RadioEvent::JoinFailed(why) => Self::JoinFailed((*why).into()),
            hal::RadioEvent::Disconnected(reason) => Self::Disconnected(*reason),
        }
    }
}

impl TryFrom<RadioEvent<'_>> for hal::RadioEvent {
    type Error = Reject;

    fn try_from(event: RadioEvent<'_>) -> Result<Self, Reject> {
        Ok(match event {
            RadioEvent::ApStarted => Self::ApStarted,
            RadioEvent::StationJoined(mac) => Self::StationJoined(EthernetAddress(mac)),
            RadioEvent::StationLeft(mac) => Self::StationLeft(EthernetAddress(mac)),
            RadioEvent::ScanResult(network) => Self::ScanResult(hal::Network {
                ssid: Ssid::new(network.ssid.0).ok_or(Reject::TooLong)?,
                bssid: EthernetAddress(network.bssid),
                channel: network.channel,
                rssi: network.rssi,
                security: network.security.into(),
            }),
            RadioEvent::ScanDone(whole) => Self::ScanDone(whole),
            RadioEvent::Joined => Self::Joined,
            RadioEvent::JoinFailed(why) => Self::JoinFailed(why.into()),
            RadioEvent::Disconnected(reason) => Self::Disconnected(reason),
        })
    }
}

/// Everything a boot is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Boot<'a> {
    /// The time of the first poll, in microseconds of virtual time.
    pub now_us: i64,
    /// What the milliseconds counter of the log starts at, in microseconds.
    pub uptime_us: u64,
    /// Feeds everything that looks like chance.
    pub seed: u64,
    /// Why the processor started.
    pub cause: ResetCause,
    /// The station's address.
    pub mac: [u8; 6],
    /// What the device is.
    #[serde(borrow)]
    pub product: ProductIdentity<'a>,
    /// What is armed and what was counted.
    pub armed: Armed,
    /// The certificate of the authority that its TLS trusts (DER, X.509), [`TRUST_LEN_MAX`] bytes at most. Without
    /// one TLS is modelled.
    #[serde(borrow)]
    pub trust: Option<Bytes<'a>>,
}

impl<'a> Boot<'a> {
    /// A boot for the wire.
    pub fn new(boot: &'a hal::Boot, armed: Armed, trust: Option<&'a [u8]>) -> Self {
        Self {
            now_us: boot.now.total_micros(),
            uptime_us: boot.uptime.total_micros(),
            seed: boot.seed,
            cause: boot.cause.into(),
            mac: boot.mac.0,
            product: ProductIdentity::new(&boot.product),
            armed,
            trust: trust.map(Bytes),
        }
    }

    /// The boot for a device whose product is kept elsewhere.
    pub fn with_product(&self, product: Product) -> hal::Boot {
        hal::Boot {
            now: Instant::from_micros(self.now_us),
            uptime: Duration::from_micros(self.uptime_us),
            seed: self.seed,
            cause: self.cause.into(),
            mac: EthernetAddress(self.mac),
            product,
        }
    }
}

/// The fields of a [`Product`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "`firmware_core::product::{Identity, Product}` document each field")]
pub struct ProductIdentity<'a> {
    pub template_id: &'a str,
    pub template_name: &'a str,
    pub firmware_version: &'a str,
    pub build: &'a str,
    pub board: &'a str,
    pub vendor: &'a str,
    pub firmware_type: &'a str,
    pub captive_portal: bool,
    pub time_server: &'a str,
    pub dates: Dates,
}

impl<'a> ProductIdentity<'a> {
    fn new(product: &Product) -> Self {
        Self {
            template_id: product.template_id(),
            template_name: product.template_name(),
            firmware_version: product.firmware_version(),
            build: product.build(),
            board: product.board(),
            vendor: product.vendor(),
            firmware_type: product.firmware_type(),
            captive_portal: product.captive_portal(),
            time_server: product.time_server(),
            dates: product.dates().into(),
        }
    }

    /// Copies the texts to where they stay and makes a product of them.
    ///
    /// A product borrows its texts for ever. `room` is that of one boot: a device starts once and then resets.
    ///
    /// # Errors
    /// When a field is not valid, or `room` is too small for all of them.
    pub fn keep(&self, room: &'static mut [u8]) -> Result<Product, ProductError> {
        let mut rest = room;
        let mut keep = |text: &str| -> Result<&'static str, ProductError> {
            let room = core::mem::take(&mut rest);
            let (kept, tail) = room.split_at_mut_checked(text.len()).ok_or(ProductError::Field)?;
            rest = tail;
            kept.copy_from_slice(text.as_bytes());
            core::str::from_utf8(kept).map_err(|_| ProductError::Field)
        };
        let product = Product::new(Identity {
            template_id: keep(self.template_id)?,
            template_name: keep(self.template_name)?,
            firmware_version: keep(self.firmware_version)?,
            build: keep(self.build)?,
            board: keep(self.board)?,
            vendor: keep(self.vendor)?,
            firmware_type: keep(self.firmware_type)?,
            captive_portal: self.captive_portal,
        })?;
        Ok(product.with_time_server(keep(self.time_server)?)?.with_dates(self.dates.into()))
    }
}

/// Bytes of an authority's certificate: one of a simulated world has some 400.
pub const TRUST_LEN_MAX: usize = 640;

/// Room for the texts of any product: eight fields of up to 64 bytes.
pub const PRODUCT_TEXT_LEN: usize = 8 * 64;
