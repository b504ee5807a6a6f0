//! As much of an HTTP/1.1 server as the cloud's API needs: one request in, one response out, no transfer
//! codings, no pipelining on purpose.

use std::borrow::Cow;
use std::io::Write as _;

use crate::http::{Malformed, cut, read_head};

/// Request line and headers, in bytes.
const HEAD_LEN_MAX: usize = 8_192;
/// A request's body, in bytes; the API takes small JSON objects.
const BODY_LEN_MAX: usize = 16_384;

/// A response without its body, so that the list of bytes need not grow.
const HEAD_LEN_USUAL: usize = 128;

/// One request, as far as the bytes of the connection can be used as they are.
#[derive(PartialEq, Eq)]
pub struct Request<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path as it was sent: the API's names need no decoding.
    pub path: &'a str,
    /// The query's parameters, decoded, in order.
    pub query: Form<'a>,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The `Origin` header, which a browser sends for a page that calls another host.
    pub origin: Option<&'a str>,
    /// The client asked to go on with this connection.
    pub keep_alive: bool,
    /// The body, as long as it was announced.
    pub body: &'a [u8],
}

/// Names and values of a query or a form.
pub type Form<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// What the bytes of a connection hold.
#[derive(PartialEq, Eq)]
pub enum Parsed<'a> {
    /// No whole request yet.
    Incomplete,
    /// A request, and how many bytes it took.
    Request(Request<'a>, usize),
    /// Something that must be answered with this status, after which nothing can be read any more.
    Bad(u16),
}

/// A response.
#[derive(PartialEq, Eq, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// What the body is.
    pub content_type: &'static str,
    /// The body, which may be empty.
    pub body: Vec<u8>,
}

impl Request<'_> {
    /// The first query parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref())
    }
}

/// Reads one request.
pub fn read(bytes: &[u8]) -> Parsed<'_> {
    let head_limit = bytes.len().min(HEAD_LEN_MAX);
    let head = match read_head(&bytes[..head_limit]) {
        Some(Ok(head)) => head,
        Some(Err(Malformed)) => return Parsed::Bad(400),
        None if bytes.len() < HEAD_LEN_MAX => return Parsed::Incomplete,
        None => return Parsed::Bad(431),
    };
    let Some((method, rest)) = cut(head.start_line, b' ') else { return Parsed::Bad(400) };
    let Some((target, version)) = cut(rest, b' ').filter(|(_, version)| cut(version, b' ').is_none()) else {
        return Parsed::Bad(400);
    };
    if !version.starts_with("HTTP/1.") {
        return Parsed::Bad(505);
    }
    if head.field("transfer-encoding").is_some() {
        return Parsed::Bad(501);
    }
    let Ok(body_len) = head.content_length() else { return Parsed::Bad(400) };
    let body_len = body_len.unwrap_or(0);
    if body_len > BODY_LEN_MAX {
        return Parsed::Bad(413);
    }
    let Some(body) = bytes[head.len..].get(..body_len) else { return Parsed::Incomplete };
    let (path, query) = cut(target, b'?').unwrap_or((target, ""));
    let request = Request {
        method,
        path,
        query: read_form(query),
        authorization: head.field("authorization"),
        origin: head.field("origin"),
        keep_alive: head.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("keep-alive")),
        body,
    };
    Parsed::Request(request, head.len + body_len)
}

/// Reads the parameters of a query or a form.
pub fn read_form(text: &str) -> Form<'_> {
    let mut form = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (pair, after) = cut(rest, b'&').unwrap_or((rest, ""));
        if !pair.is_empty() {
            let (key, value) = cut(pair, b'=').unwrap_or((pair, ""));
            form.push((decode(key), decode(value)));
        }
        rest = after;
    }
    form
}

impl Response {
    /// 200 without a body.
    pub fn empty() -> Self {
        Self { status: 200, content_type: "text/plain", body: Vec::new() }
    }

    /// 200 with text.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type: "text/plain", body: text.into() }
    }

    /// A JSON value.
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        Self { status, content_type: "application/json", body: value.to_string().into_bytes() }
    }

    /// An error as the device API words it.
    pub fn error(status: u16, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "error": { "message": message } }))
    }

    /// Writes it out.
    pub fn write(&self, out: &mut Vec<u8>, keep_alive: bool) {
        out.reserve(HEAD_LEN_USUAL + self.body.len());
        // Writing to a vector cannot fail. Only numbers are formatted: phones ask every second.
        let _ = write!(out, "HTTP/1.1 {} ", self.status);
        for part in [reason(self.status), "\r\nContent-Type: ", self.content_type] {
            out.extend_from_slice(part.as_bytes());
        }
        let _ = write!(out, "\r\nContent-Length: {}", self.body.len());
        let connection = if keep_alive { "keep-alive" } else { "close" };
        for part in ["\r\nConnection: ", connection, "\r\n\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(&self.body);
    }
}

/// Percent signs and plus signs of a form (WHATWG URL section 5.1); what is not UTF-8 is replaced.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let escaped = after.first_chunk::<2>().and_then(|digits| Some((hex(digits[0])?, hex(digits[1])?)));
        rest = match (byte, escaped) {
            (b'%', Some((high, low))) => {
                bytes.push(high * 16 + low);
                &after[2..]
            }
            (b'+', _) => {
                bytes.push(b' ');
                after
            }
            (byte, _) => {
                bytes.push(*byte);
                after
            }
        };
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}
