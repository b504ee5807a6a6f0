//! What a phone can be told to do, and how it says how far it is.

use std::fmt;

use firmware_core::config::StaticIp;
use smoltcp::time::Duration;

use super::http::Request;
use super::query::Query;

/// Bytes that are never printed: a passphrase or a token, in any length, right or wrong.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes any bytes; the phone checks nothing, the device does.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "***" })
    }
}

/// Which token goes to the device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TokenSource {
    /// The one the cloud issued last.
    Issued,
    /// This one.
    Literal(Secret),
    /// A well-formed one that no cloud knows.
    Invalid,
}

/// Everything that one `/config` request carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Configuration {
    /// The home network's name, sent as it is, even when it is too long or empty.
    pub ssid: Vec<u8>,
    /// Its passphrase, empty for an open network.
    pub passphrase: Secret,
    /// The token.
    pub token: TokenSource,
    /// The cloud server's name; the phone's own cloud unless given.
    pub host: Option<String>,
    /// The cloud server's port; 443 unless given.
    pub port: Option<u16>,
    /// Asks the device to store without a trial.
    pub save: bool,
    /// A fixed address; fields of 0.0.0.0 are not sent.
    pub static_ip: Option<StaticIp>,
    /// Further arguments, unencoded, in this order.
    pub extra: Vec<(String, String)>,
}

impl Configuration {
    /// The usual one: an issued token and nothing special.
    pub fn new(ssid: impl Into<Vec<u8>>, passphrase: Secret) -> Self {
        Self {
            ssid: ssid.into(),
            passphrase,
            token: TokenSource::Issued,
            host: None,
            port: None,
            save: false,
            static_ip: None,
            extra: Vec::new(),
        }
    }
}

/// One thing a person does with the phone. A new one abandons what is under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Logs in to the cloud and asks for a token.
    GetToken {
        /// For the device of the last token, which keeps its id and data, instead of a new device.
        reconfigure: bool,
    },
    /// Finds an access point, joins it and gets an address.
    Join {
        /// Its exact name; otherwise the strongest one with the app's prefix.
        ap: Option<String>,
    },
    /// Resolves the device's name by DNS and goes on with that address.
    Resolve,
    /// Reads `/board_info.json` and checks the template.
    BoardInfo,
    /// Reads `/wifi_scan.json`.
    ScanNetworks,
    /// Sends `/config`.
    Configure(Configuration),
    /// Sends any request to the device; any reply is a success.
    Request(Request),
    /// Loads `/` as a browser does, with its icon and what it links to.
    Browse,
    /// Opens so many connections to the device and never says anything on them.
    HalfOpen(u8),
    /// Sends a request many times at once.
    Parallel {
        /// The request.
        request: Request,
        /// How many times.
        count: u8,
        /// How many of them must be answered with 200.
        at_least: u8,
    },
    /// Asks the device's name server, and checks that the answer is well-formed.
    Query(Query),
    /// Leaves the access point.
    Leave,
    /// Asks the cloud until the device is online: every second, and every five after half a minute.
    WaitOnline {
        /// How long.
        limit: Duration,
    },
    /// Names the device in the cloud.
    Rename {
        /// The new name.
        name: String,
    },
    /// All of the above in the app's order.
    Provision {
        /// The exact name of the access point; otherwise the strongest one with the app's prefix.
        ap: Option<String>,
        /// What to send. A token other than an issued one is sent without asking the cloud for one.
        configuration: Configuration,
        /// Sends the token of last time instead of asking for a new one.
        keep_token: bool,
        /// The name to give the device at the end.
        name: Option<String>,
    },
}

/// How far the last command is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Status {
    /// Nothing was asked yet.
    Idle,
    /// It is under way.
    Busy,
    /// It succeeded.
    Done,
    /// It failed: the step and the reason.
    Failed(String),
}
