//! Which of Edgent's resources a request means. Methods do not matter, as on Edgent.

use super::http::Request;

/// A resource of the configuration API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// `/`: the built-in setup page.
    Page,
    /// `/config`: takes a configuration.
    Config,
    /// `/board_info.json`: what the device is.
    BoardInfo,
    /// `/wifi_scan.json`: the networks in reach.
    WifiScan,
    /// `/reset`: erases the configuration.
    Reset,
    /// `/reboot`: restarts at once, without an answer.
    Reboot,
    /// Any other path while the portal is captive: to the setup page.
    Redirect,
    /// Any other path.
    NotFound,
}

impl Route {
    /// The name of the route in traces: never the query, which holds secrets, nor a path a stranger chose.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Page => "/",
            Self::Config => "/config",
            Self::BoardInfo => "/board_info.json",
            Self::WifiScan => "/wifi_scan.json",
            Self::Reset => "/reset",
            Self::Reboot => "/reboot",
            Self::Redirect => "(captive)",
            Self::NotFound => "(unknown)",
        }
    }
}

/// Finds the route of a request.
///
/// When `captive`, every unknown path leads to the setup page. That covers the probes of all phones
/// (`/generate_204`, `/hotspot-detect.html`, `/connecttest.txt`, ...): whatever differs from the answer they
/// hope for makes them open the page. `/update` is not offered and so never leads anywhere else.
pub fn route(request: &Request<'_>, captive: bool) -> Route {
    match request.path {
        b"/" => Route::Page,
        b"/config" => Route::Config,
        b"/board_info.json" => Route::BoardInfo,
        b"/wifi_scan.json" => Route::WifiScan,
        b"/reset" => Route::Reset,
        b"/reboot" => Route::Reboot,
        b"/update" => Route::NotFound,
        _ if captive => Route::Redirect,
        _ => Route::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, open: Route, captive: Route) {
        let request =
            Request { method: "PUT", path: path.as_bytes(), query: b"a=b", content_type: b"", body: b"" };
        assert_eq!((route(&request, false), route(&request, true)), (open, captive), "{path}");
    }

    #[test]
    fn the_api_is_the_same_in_both_modes() {
        for (path, expected) in [
            ("/", Route::Page),
            ("/config", Route::Config),
            ("/board_info.json", Route::BoardInfo),
            ("/wifi_scan.json", Route::WifiScan),
            ("/reset", Route::Reset),
            ("/reboot", Route::Reboot),
        ] {
            check(path, expected, expected);
            let request =
                Request { method: "GET", path: path.as_bytes(), query: b"", content_type: b"", body: b"" };
            assert_eq!(route(&request, false).name(), path);
        }
        check("/update", Route::NotFound, Route::NotFound);
    }

    #[test]
    fn probes_are_redirected_by_a_captive_portal_only() {
        for path in ["/generate_204", "/hotspot-detect.html", "/connecttest.txt", "/Config", "/config/", "*"]
        {
            check(path, Route::NotFound, Route::Redirect);
        }
    }
}
