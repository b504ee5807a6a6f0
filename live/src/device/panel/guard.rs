//! Who may ask: the panel's own page, and programs. Another page that the browser has open could press the button
//! otherwise, and a name that leads here could make such a page the panel's own.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{HOST, ORIGIN};

/// Port 80, which an address need not name.
const HTTP_PORT: u16 = 80;

/// Why somebody is refused, for the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The address is a name, or another's.
    #[error(
        "the panel is asked by its IP address or as localhost, with its port: another name could lead anywhere"
    )]
    Host,
    /// Another page asks.
    #[error("a page from elsewhere may ask nothing of the panel")]
    Origin,
}

/// Checks who asks, at this port; returns by what name the panel is asked.
pub(super) fn check(headers: &HeaderMap, port: u16) -> Result<&str, Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Refusal::Host) };
    let host = host.to_str().ok().filter(|host| is_ours(host, port)).ok_or(Refusal::Host)?;
    for origin in headers.get_all(ORIGIN) {
        let same = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        if same != Some(host) {
            return Err(Refusal::Origin);
        }
    }
    Ok(host)
}

fn is_ours(host: &str, port: u16) -> bool {
    let (name, number) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) => (name, None),
        Some((name, behind)) => match behind.strip_prefix(':') {
            Some(number) => (name, Some(number)),
            None => return false,
        },
        None => match host.split_once(':') {
            Some((name, number)) => (name, Some(number)),
            None => (host, None),
        },
    };
    let is_local = name == "localhost" || name.parse::<IpAddr>().is_ok();
    is_local && number.map_or(Some(HTTP_PORT), |number| number.parse().ok()) == Some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(host: Option<&'static str>, origin: Option<&'static str>) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(HOST, host.parse().expect("it is a value"));
        }
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().expect("it is a value"));
        }
        check(&headers, 8_000).map(|_| ())
    }

    #[test]
    fn addresses_are_ours_and_names_are_not() {
        for host in ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "192.168.1.7:8000"] {
            assert_eq!(judge(Some(host), None), Ok(()), "{host}");
        }
        for host in
            ["evil.example:8000", "127.0.0.1", "127.0.0.1:80", "localhost.evil.example:8000", "", ":8000"]
        {
            assert_eq!(judge(Some(host), None), Err(Refusal::Host), "{host}");
        }
        assert_eq!(judge(None, None), Err(Refusal::Host));
        assert!(is_ours("127.0.0.1", 80) && is_ours("[::1]", 80));
        assert!(!is_ours("[::1]; script-src *", 80), "what stands behind an address is none of it");
    }

    #[test]
    fn another_page_is_refused() {
        let here = Some("127.0.0.1:8000");
        assert_eq!(judge(here, Some("http://127.0.0.1:8000")), Ok(()));
        for origin in [
            "http://evil.example",
            "null",
            "https://127.0.0.1:8000",
            "http://127.0.0.1:8001",
            "http://127.0.0.1",
            "http://localhost:8000",
            "http://127.0.0.1:8000.evil.example",
        ] {
            assert_eq!(judge(here, Some(origin)), Err(Refusal::Origin), "{origin}");
        }
    }
}
