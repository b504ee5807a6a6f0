//! How phones differ: what the operating system asks of a network it has just joined.

use super::http::Response;
use crate::dns::record::{A, AAAA, HTTPS};

/// Whose behaviour a phone has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Model {
    /// The app alone: the operating system asks nothing.
    App,
    /// The captive network assistant of iOS and macOS.
    Ios,
    /// Android's network monitor.
    Android,
    /// The same, which also asks DHCP for the address of a captive portal.
    Android11,
    /// Windows' connection status indicator, which is strict about DNS record types.
    Windows,
}

/// What an operating system concludes about a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Connectivity {
    /// Names do not resolve or nobody answers properly.
    NoInternet,
    /// Somebody answers instead of the internet, and where it redirects to, if it does.
    CaptivePortal(Option<String>),
    /// The expected answer came.
    Internet,
}

/// One operating system's question to a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) host: &'static str,
    pub(super) path: &'static str,
    pub(super) version: &'static str,
    /// Which record types are asked for, in this order.
    pub(super) records: &'static [u16],
    /// Whether an answer of the wrong type spoils the whole lookup.
    pub(super) strict_dns: bool,
    status: u16,
    body: &'static str,
}

impl Model {
    /// Whether it asks DHCP for the address of a captive portal (RFC 8910).
    pub(super) fn asks_for_portal(self) -> bool {
        match self {
            Self::Android11 => true,
            Self::App | Self::Ios | Self::Android | Self::Windows => false,
        }
    }

    pub(super) fn probe(self) -> Option<Probe> {
        match self {
            Self::App => None,
            Self::Ios => Some(Probe {
                host: "captive.apple.com",
                path: "/hotspot-detect.html",
                version: "1.0",
                records: &[HTTPS, AAAA, A],
                strict_dns: false,
                status: 200,
                body: "Success",
            }),
            Self::Android | Self::Android11 => Some(Probe {
                host: "connectivitycheck.gstatic.com",
                path: "/generate_204",
                version: "1.1",
                records: &[AAAA, A],
                strict_dns: false,
                status: 204,
                body: "",
            }),
            Self::Windows => Some(Probe {
                host: "www.msftconnecttest.com",
                path: "/connecttest.txt",
                version: "1.1",
                records: &[A, AAAA],
                strict_dns: true,
                status: 200,
                body: "Microsoft Connect Test",
            }),
        }
    }
}

impl Probe {
    /// What an answer means. Client and server errors are no portal: Android's rule, and a device that
    /// says 404 wants no sign-in page.
    pub(super) fn judge(&self, response: &Response) -> Connectivity {
        let expected = self.body.as_bytes();
        let has_body =
            expected.is_empty() || response.body.windows(expected.len()).any(|part| part == expected);
        if response.status == self.status && has_body {
            Connectivity::Internet
        } else if response.status < 400 {
            Connectivity::CaptivePortal(response.location.clone())
        } else {
            Connectivity::NoInternet
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(model: Model, status: u16, location: Option<&str>, body: &str, expected: &Connectivity) {
        let location = location.map(str::to_owned);
        let response = Response { status, location, keep_alive: false, body: body.as_bytes().to_vec() };
        assert_eq!(model.probe().unwrap().judge(&response), *expected);
    }

    #[test]
    fn each_system_has_its_own_idea_of_the_internet() {
        let portal = |target: Option<&str>| Connectivity::CaptivePortal(target.map(str::to_owned));
        check(Model::Ios, 200, None, "<TITLE>Success</TITLE>", &Connectivity::Internet);
        check(Model::Ios, 200, None, "WiFi setup", &portal(None));
        check(Model::Android, 204, None, "", &Connectivity::Internet);
        check(Model::Android, 302, Some("http://192.168.4.1/"), "", &portal(Some("http://192.168.4.1/")));
        check(Model::Android, 404, None, "Not found", &Connectivity::NoInternet);
        check(Model::Windows, 200, None, "Microsoft Connect Test", &Connectivity::Internet);
        check(Model::Windows, 200, None, "", &portal(None));
    }
}
