//! HTTP as a client needs it: requests rendered, responses parsed. No sockets, no time.
//!
//! Bodies end by Content-Length or by the end of the connection; chunked ones are refused.

use std::fmt::Write as _;

use crate::http::{Malformed, read_head};

/// What a phone accepts as one response, headers included, in bytes.
pub const RESPONSE_LEN_MAX: usize = 64 * 1024;
/// The port of HTTP.
const HTTP_PORT: u16 = 80;
/// More header lines than any server here sends.
const HEADERS_MAX: usize = 64;

/// One request, without the parts that depend on the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: String,
    /// Path and query, percent-encoded.
    pub path: String,
    /// Further headers in order.
    pub headers: Vec<(String, String)>,
    /// The body; none is sent when it is empty, except with POST and PUT.
    pub body: Vec<u8>,
    /// The device's port.
    pub port: u16,
    /// How many times it is sent on one connection, one right behind the other.
    pub copies: u8,
    /// Whether it succeeds when the connection is refused, and only then.
    pub expects_refusal: bool,
}

impl Request {
    /// A GET of this path, once, on the usual port.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: "GET".into(),
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
            port: HTTP_PORT,
            copies: 1,
            expects_refusal: false,
        }
    }

    /// The path without its query, which may hold secrets.
    pub fn route(&self) -> &str {
        self.path.split_once('?').map_or(&*self.path, |(route, _)| route)
    }

    /// Renders the request as it goes on the wire. `version` is `1.0` or `1.1`.
    pub(super) fn render(&self, host: &str, version: &str, afterwards: Afterwards) -> Vec<u8> {
        let mut head = String::with_capacity(128 + self.path.len());
        head.extend([&self.method, " ", &self.path, " HTTP/", version, "\r\nHost: ", host, "\r\n"]);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let has_length = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if !has_length && (!self.body.is_empty() || matches!(&*self.method, "POST" | "PUT")) {
            let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        head.push_str(match afterwards {
            Afterwards::Close => "Connection: close\r\n\r\n",
            Afterwards::KeepAlive => "Connection: keep-alive\r\n\r\n",
        });
        let mut wire = head.into_bytes();
        wire.extend_from_slice(&self.body);
        wire
    }
}

/// What a client asks to become of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Afterwards {
    Close,
    KeepAlive,
}

/// One complete response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    /// The server will take another request on this connection.
    pub(super) keep_alive: bool,
    pub(super) body: Vec<u8>,
}

/// What the bytes received so far amount to.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Parse {
    NeedMore,
    Done(Response),
    Malformed,
}

/// Reads a response from the beginning of its connection. `ended` says that no more bytes will come.
pub(super) fn parse(received: &[u8], ended: bool) -> Parse {
    let head = match read_head(received) {
        Some(Ok(head)) => head,
        None if !ended => return Parse::NeedMore,
        None | Some(Err(Malformed)) => return Parse::Malformed,
    };
    let body = &received[head.len..];
    let (Some(status), Ok(length)) = (parse_status_line(head.start_line), head.content_length()) else {
        return Parse::Malformed;
    };
    if head.fields().len() > HEADERS_MAX
        || head.field("transfer-encoding").is_some()
        || length.is_some_and(|length| length > RESPONSE_LEN_MAX)
    {
        return Parse::Malformed;
    }
    let location = head.field("location").map(str::to_owned);
    // RFC 9112 section 6.3: these never have a body.
    let length = if matches!(status, 204 | 304) { Some(0) } else { length };
    let wanted = match length {
        Some(length) if length <= body.len() => length,
        None if ended => body.len(),
        Some(_) if ended => return Parse::Malformed,
        Some(_) | None => return Parse::NeedMore,
    };
    let says_so = head.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("keep-alive"));
    // Bytes behind the body would be taken for the next response.
    let keep_alive = says_so && !ended && wanted == body.len();
    Parse::Done(Response { status, location, keep_alive, body: body[..wanted].to_vec() })
}

fn parse_status_line(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "))?;
    let digits = rest.get(..3)?;
    let separated = rest.get(3..).is_some_and(|reason| reason.is_empty() || reason.starts_with(' '));
    let status = digits.parse().ok()?;
    (separated && (200..600).contains(&status)).then_some(status)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(wire: &str, ended: bool, expected: Option<(u16, &str)>) {
        let done = match parse(wire.as_bytes(), ended) {
            Parse::Done(response) => Some((response.status, String::from_utf8(response.body).unwrap())),
            Parse::NeedMore | Parse::Malformed => None,
        };
        assert_eq!(done, expected.map(|(status, body)| (status, body.to_owned())));
    }

    #[test]
    fn a_body_ends_by_its_length_or_with_the_connection() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, Some((200, "ok")));
        check("HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nokay", false, Some((200, "ok")));
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", false, None);
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", true, None);
        check("HTTP/1.0 500 Oops\r\n\r\nhalf", false, None);
        check("HTTP/1.0 500 Oops\r\n\r\nhalf", true, Some((500, "half")));
        check("HTTP/1.1 204 No Content\r\n\r\n", false, Some((204, "")));
    }

    #[test]
    fn what_is_not_a_response_is_malformed() {
        for wire in [
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 20x OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ] {
            assert_eq!(parse(wire.as_bytes(), true), Parse::Malformed, "{wire:?}");
        }
    }

    #[test]
    fn a_post_always_says_its_length() {
        let request = Request { method: "POST".into(), ..Request::get("/x?y=z") };
        let expected = "POST /x?y=z HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        assert_eq!(request.render("h", "1.1", Afterwards::Close), expected.as_bytes());
        assert_eq!(request.route(), "/x");
    }

    #[test]
    fn a_connection_is_kept_when_the_server_says_so_and_nothing_follows() {
        let keeps = |fields: &str, ended| {
            let wire = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{fields}\r\nok");
            matches!(parse(wire.as_bytes(), ended), Parse::Done(Response { keep_alive: true, .. }))
        };
        assert!(keeps("Connection: Keep-Alive\r\n", false));
        assert!(!keeps("Connection: Keep-Alive\r\n", true));
        assert!(!keeps("Connection: close\r\n", false));
        assert!(!keeps("", false));
        let more = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nokay";
        assert!(matches!(parse(more, false), Parse::Done(Response { keep_alive: false, .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(wire in proptest::collection::vec(any::<u8>(), 0..300), ended: bool) {
            let mut response = b"HTTP/1.1 200 OK\r\n".to_vec();
            response.extend_from_slice(&wire);
            let _ = (parse(&wire, ended), parse(&response, ended));
        }
    }
}
