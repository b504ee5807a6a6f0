//! What a phone meets on the device's own access point: addresses, names and the configuration API.
//!
//! Bytes in, bytes out. Nothing here owns a socket, reads a clock or decides what a configuration leads to:
//! the `net` room moves the bytes and [`provision`](crate::provision) decides.
//!
//! * [`dhcp`] gives addresses, [`dns`] answers the one name, [`http`] takes requests apart.
//! * [`routes`] says which of Edgent's resources a request means, [`form`] reads its arguments and
//!   [`config_request`] turns them into a configuration.
//! * [`response`] renders the answers, [`scan_list`] holds the networks one of them lists, [`name`] makes
//!   the access point's name.

pub mod config_request;
pub mod dhcp;
pub mod dns;
pub mod form;
pub mod http;
pub mod name;
pub mod response;
pub mod routes;
pub mod scan_list;

use smoltcp::wire::Ipv4Address;

/// The device's address on its own access point (`WIFI_AP_IP`).
pub const AP_IP: Ipv4Address = Ipv4Address::new(192, 168, 4, 1);
/// The length of the access point's network prefix (`WIFI_AP_Subnet`).
pub const AP_PREFIX_LEN: u8 = 24;
/// The address of the setup page: where a captive portal sends phones, and what DHCP option 114 says.
///
/// RFC 8910 means the address of an API over TLS there. Phones that insist on one fall back to their probes.
pub const PORTAL_URI: &str = "http://192.168.4.1/";
