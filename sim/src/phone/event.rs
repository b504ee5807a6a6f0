//! What a phone does and notices, as a person would tell it. No secrets, no times.

use std::fmt;

use smoltcp::wire::Ipv4Address;

use super::model::Connectivity;

/// One thing the phone did or noticed. Names are printable text already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The cloud issued a token.
    TokenIssued,
    /// It joined an access point and has an address there.
    Joined(String),
    /// It left an access point.
    Left(String),
    /// It read the device's board info, which holds the result of the last attempt.
    BoardInfo {
        /// The code the device reports, 0 for none.
        last_error: u16,
    },
    /// The device's template is not one of the account's.
    UnknownTemplate(String),
    /// It was shown the networks that the device sees.
    Networks(usize),
    /// It sent the configuration for this network.
    ConfigurationSent(String),
    /// The device accepted the configuration with these words.
    Told(String),
    /// The device refused a request with these words.
    Refused(u16, String),
    /// The configuration was sent, and no reply came.
    ReplyLost,
    /// The connection was closed on purpose before the reply to the configuration.
    ClosedEarly,
    /// The device answered a request that a scenario asked for.
    Answered {
        /// Method and path, without the query.
        route: String,
        /// The status.
        status: u16,
    },
    /// The device refused a connection to this port, as it should.
    PortClosed(u16),
    /// Of so many simultaneous requests so many were answered with 200.
    AnsweredAtOnce {
        /// Method and path, without the query.
        route: String,
        /// How many were sent.
        count: usize,
        /// How many were answered with 200.
        answered: usize,
    },
    /// It opened so many connections and says nothing on them; so many were taken.
    LeftOpen {
        /// How many were asked for.
        count: usize,
        /// How many stand.
        taken: usize,
    },
    /// The device's name server answered with this code and so many records.
    NameAnswered {
        /// The name that was asked for.
        name: String,
        /// The code of RFC 1035 section 4.1.1.
        code: u8,
        /// Records in the answer section.
        answers: u16,
    },
    /// It left an access point by itself, in the middle of whatever was going on.
    Wandered(String),
    /// It left an access point without the internet for the cellular network.
    WentCellular(String),
    /// DHCP told it the address of a captive portal.
    PortalOffered(String),
    /// The cloud reports the device online.
    Online,
    /// The device has this name in the cloud now.
    Named(String),
    /// It gave up; says at which step and why.
    GaveUp(String),
    /// A scan heard this many networks.
    ScanHeard(usize),
    /// Joining did not succeed this time and is tried again.
    JoinRetried,
    /// It got an address.
    Address(Ipv4Address),
    /// The access point went away, or threw the phone out, with this IEEE 802.11 reason.
    AccessPointLost(String, u16),
    /// The device's name was resolved.
    Resolved(Ipv4Address),
    /// A request got no usable reply and is repeated.
    Retried(&'static str),
    /// What the operating system concluded about the network.
    Connectivity(Connectivity),
    /// The second one of two simultaneous requests got this status, or none.
    SecondReply(Option<u16>),
}

impl Event {
    /// Whether this is a milestone rather than a detail.
    pub fn is_story(&self) -> bool {
        match self {
            Self::TokenIssued
            | Self::Joined(_)
            | Self::Left(_)
            | Self::BoardInfo { .. }
            | Self::UnknownTemplate(_)
            | Self::Networks(_)
            | Self::ConfigurationSent(_)
            | Self::Told(_)
            | Self::Refused(..)
            | Self::ReplyLost
            | Self::ClosedEarly
            | Self::Answered { .. }
            | Self::PortClosed(_)
            | Self::AnsweredAtOnce { .. }
            | Self::LeftOpen { .. }
            | Self::NameAnswered { .. }
            | Self::Wandered(_)
            | Self::WentCellular(_)
            | Self::PortalOffered(_)
            | Self::Online
            | Self::Named(_)
            | Self::GaveUp(_) => true,
            Self::ScanHeard(_)
            | Self::JoinRetried
            | Self::Address(_)
            | Self::AccessPointLost(..)
            | Self::Resolved(_)
            | Self::Retried(_)
            | Self::Connectivity(_)
            | Self::SecondReply(_) => false,
        }
    }

    /// What it holds of texts that others have written.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Joined(text)
            | Self::Left(text)
            | Self::UnknownTemplate(text)
            | Self::ConfigurationSent(text)
            | Self::Told(text)
            | Self::Refused(_, text)
            | Self::Answered { route: text, .. }
            | Self::AnsweredAtOnce { route: text, .. }
            | Self::NameAnswered { name: text, .. }
            | Self::Wandered(text)
            | Self::WentCellular(text)
            | Self::PortalOffered(text)
            | Self::Named(text)
            | Self::GaveUp(text)
            | Self::AccessPointLost(text, _)
            | Self::Connectivity(Connectivity::CaptivePortal(Some(text))) => Some(text),
            Self::TokenIssued
            | Self::BoardInfo { .. }
            | Self::Networks(_)
            | Self::ReplyLost
            | Self::ClosedEarly
            | Self::PortClosed(_)
            | Self::LeftOpen { .. }
            | Self::Online
            | Self::ScanHeard(_)
            | Self::JoinRetried
            | Self::Address(_)
            | Self::Resolved(_)
            | Self::Retried(_)
            | Self::Connectivity(
                Connectivity::NoInternet | Connectivity::CaptivePortal(None) | Connectivity::Internet,
            )
            | Self::SecondReply(_) => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenIssued => f.write_str("is given a token by the cloud"),
            Self::Joined(name) => write!(f, "joins {name}"),
            Self::Left(name) => write!(f, "leaves {name}"),
            Self::BoardInfo { last_error: 0 } => f.write_str("reads board info: no error"),
            Self::BoardInfo { last_error } => write!(f, "reads board info: last error {last_error}"),
            Self::UnknownTemplate(id) => write!(f, "does not know template {id}: not correct device"),
            Self::Networks(1) => f.write_str("is shown 1 network"),
            Self::Networks(count) => write!(f, "is shown {count} networks"),
            Self::ConfigurationSent(ssid) => write!(f, "sends the configuration for {ssid}"),
            Self::Told(words) => write!(f, "is told \"{words}\""),
            Self::Refused(status, words) => write!(f, "is refused with status {status}: \"{words}\""),
            Self::ReplyLost => f.write_str("gets no reply to the configuration"),
            Self::ClosedEarly => f.write_str("closes the connection without waiting for the reply"),
            Self::Answered { route, status } => write!(f, "asks {route} and gets status {status}"),
            Self::PortClosed(port) => write!(f, "finds port {port} closed"),
            Self::AnsweredAtOnce { route, count, answered } => {
                write!(f, "asks {route} {count} times at once and is answered {answered} times")
            }
            Self::LeftOpen { count, taken } => {
                write!(f, "opens {count} connections and says nothing; {taken} stand")
            }
            Self::NameAnswered { name, code, answers } => {
                let records = if *answers == 1 { "record" } else { "records" };
                write!(f, "asks for the name {name} and gets code {code} with {answers} {records}")
            }
            Self::Wandered(name) => write!(f, "leaves {name} by itself"),
            Self::WentCellular(name) => write!(f, "leaves {name} for the cellular network"),
            Self::PortalOffered(uri) => write!(f, "is told of a captive portal at {uri}"),
            Self::Online => f.write_str("sees the device online"),
            Self::Named(name) => write!(f, "names the device {name}"),
            Self::GaveUp(why) => write!(f, "gives up: {why}"),
            Self::ScanHeard(count) => write!(f, "hears {count} networks"),
            Self::JoinRetried => f.write_str("cannot join and tries again"),
            Self::Address(address) => write!(f, "has address {address}"),
            Self::AccessPointLost(name, reason) => write!(f, "loses {name}, reason {reason}"),
            Self::Resolved(address) => write!(f, "finds the device at {address}"),
            Self::Retried(step) => write!(f, "repeats {step}"),
            Self::Connectivity(Connectivity::NoInternet) => f.write_str("sees no internet here"),
            Self::Connectivity(Connectivity::CaptivePortal(None)) => f.write_str("sees a captive portal"),
            Self::Connectivity(Connectivity::CaptivePortal(Some(target))) => {
                write!(f, "sees a captive portal at {target}")
            }
            Self::Connectivity(Connectivity::Internet) => f.write_str("sees the internet here"),
            Self::SecondReply(Some(status)) => write!(f, "gets status {status} to its second request"),
            Self::SecondReply(None) => f.write_str("gets no reply to its second request"),
        }
    }
}
