//! What every activity of the phone shares: its two lines, what it has learnt, and whom it can ask.

use firmware_core::config::{Ssid, Token};
use serde::Deserialize;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::Ipv4Address;

use super::PhoneConfig;
use super::background::Second;
use super::command::Secret;
use super::event::Event;
use super::fetch::{Fetch, FetchError, Manner};
use super::http::{Afterwards, Request};
use super::line::{Line, Server};
use super::model::Connectivity;
use super::wifi::Wifi;

/// Where an Edgent device is on its own access point (`WIFI_AP_IP`).
pub const SETUP_ADDRESS: Ipv4Address = Ipv4Address::new(192, 168, 4, 1);
/// The same as the host of a request.
const SETUP_ADDRESS_TEXT: &str = "192.168.4.1";
/// What an Edgent device calls itself there (`CONFIG_AP_URL`).
pub const SETUP_NAME: &str = "blynk.setup";
/// The cloud's HTTP API is on the port of HTTPS.
const CLOUD_PORT: u16 = 443;
/// The app's patience with one cloud request.
const CLOUD_LIMIT: Duration = Duration::from_secs(10);

/// What `/board_info.json` says. Fields that the older or the newer Edgent leaves out are empty.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct BoardInfo {
    /// The template's name.
    #[serde(default)]
    pub board: String,
    /// The template's id.
    #[serde(rename = "tmpl_id")]
    pub template_id: String,
    /// The firmware type.
    #[serde(default)]
    pub fw_type: String,
    /// The firmware version.
    #[serde(default)]
    pub fw_ver: String,
    /// The access point's name.
    #[serde(default)]
    pub ssid: String,
    /// The access point's MAC address.
    #[serde(default)]
    pub bssid: String,
    /// The station's MAC address.
    #[serde(default)]
    pub mac: String,
    /// How the last attempt ended, 0 for well or never.
    pub last_error: u16,
}

/// One entry of `/wifi_scan.json`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct SeenNetwork {
    /// Its name, empty when hidden.
    pub ssid: String,
    /// Its MAC address.
    pub bssid: String,
    /// Signal strength in dBm.
    pub rssi: i16,
    /// What it asks of a station, by Edgent's names.
    pub sec: String,
    /// Its channel.
    pub ch: u8,
}

/// What the phone has learnt so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Observations {
    /// The network it is in, with an address.
    pub joined: Option<Ssid>,
    /// Its address there.
    pub address: Option<Ipv4Address>,
    /// What the device's name resolved to.
    pub setup_address: Option<Ipv4Address>,
    /// The last board info.
    pub board: Option<BoardInfo>,
    /// The networks that the device sees, in its order.
    pub networks: Vec<SeenNetwork>,
    /// The status of the last reply from the device.
    pub http_status: Option<u16>,
    /// The body of the last reply from the device.
    pub http_body: Vec<u8>,
    /// The status of the last reply from the cloud.
    pub cloud_status: Option<u16>,
    /// The token that the cloud issued last.
    pub token: Option<Token>,
    /// The device that this token is for.
    pub device_id: Option<u64>,
    /// Whether the cloud said, when last asked, that the device is online.
    pub online: bool,
    /// What the operating system concluded about the network it joined last.
    pub connectivity: Option<Connectivity>,
    /// The address of a captive portal that DHCP told it there.
    pub offered_portal: Option<String>,
}

/// What the parts of a phone work on.
pub(super) struct Handset {
    pub(super) config: PhoneConfig,
    pub(super) wifi: Wifi,
    pub(super) cellular: Line,
    pub(super) observations: Observations,
    /// The access token of the cloud's platform API.
    pub(super) access: Secret,
    /// What the device was last sent as its token.
    pub(super) sent_token: Secret,
    /// The access point joined last, to be found again when it is lost.
    pub(super) last_ap: Option<Ssid>,
    pub(super) events: Vec<Event>,
    /// A request to repeat beside the main one.
    pub(super) second: Option<Second>,
}

impl Handset {
    /// Starts a request to the device on its access point.
    pub(super) fn ask_device(
        &mut self,
        now: Instant,
        request: &Request,
        limit: Duration,
        close_before_reply: bool,
    ) -> Result<Fetch, FetchError> {
        let (address, host) = match self.observations.setup_address {
            Some(address) => (address, SETUP_NAME),
            None => (SETUP_ADDRESS, SETUP_ADDRESS_TEXT),
        };
        let manner = Manner { bytes_per_second: self.config.behaviour.bytes_per_second, close_before_reply };
        let line = self.wifi.line().ok_or(FetchError::LineLost)?;
        let server = Server { address, port: request.port, secure_name: None };
        let wire = request.render(host, "1.1", Afterwards::Close).repeat(request.copies.into());
        Fetch::start(now, line, server, wire, limit, manner)
    }

    /// Where the device is on its access point.
    pub(super) fn device_address(&self) -> Ipv4Address {
        self.observations.setup_address.unwrap_or(SETUP_ADDRESS)
    }

    /// Starts a request to the cloud over the cellular network, on the connection of the last one while that
    /// stands.
    pub(super) fn ask_cloud(&mut self, now: Instant, request: &Request) -> Result<Fetch, FetchError> {
        let (host, address) = &self.config.cloud;
        let server = Server { address: *address, port: CLOUD_PORT, secure_name: Some(host.clone()) };
        let wire = request.render(host, "1.1", Afterwards::KeepAlive);
        Fetch::start(now, &mut self.cellular, server, wire, CLOUD_LIMIT, Manner::PLAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_request_without_a_name_is_the_address() {
        assert_eq!(SETUP_ADDRESS.to_string(), SETUP_ADDRESS_TEXT);
    }
}
