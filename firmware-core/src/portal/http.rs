//! Takes an HTTP request apart while it arrives. It keeps no state: the caller keeps the bytes.
//!
//! One request a connection: every answer says `Connection: close`, so what follows a request is ignored.
//! The grammar is RFC 9112's, lenient where clients are sloppy without harm (bare LF, empty lines before the
//! request, no `Host`) and strict where leniency would mean guessing at credentials (spaces in a target).

use core::fmt;

use crate::Duration;

/// The most bytes a request may have, head and body together. The longest useful configuration, each byte
/// percent-encoded, has about 900; a phone's browser adds about 700 of headers.
pub const REQUEST_LEN_MAX: usize = 2048;
/// After this a request that is not complete is answered with 408, counted from the connection's start.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What the bytes received so far are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parse<'a> {
    /// The beginning of a request.
    NeedMore,
    /// The head of a request whose sender waits for [`CONTINUE`](super::response::CONTINUE) before it sends
    /// the body. Sending that once is kind; without it the sender goes on by itself after a second or so.
    NeedContinue,
    /// A complete request.
    Request(Request<'a>),
    /// Nothing that more bytes could turn into a request: answer with this status.
    Refused(Status),
}

/// A complete request, as slices of the caller's buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// The path, not decoded, without the query; `*` for `OPTIONS *`.
    pub path: &'a [u8],
    /// What follows the first `?`, not decoded. It may hold secrets.
    pub query: &'a [u8],
    /// The value of `Content-Type`, empty without one.
    pub content_type: &'a [u8],
    /// The body. It may hold secrets.
    pub body: &'a [u8],
}

impl Request<'_> {
    /// Whether the answer must have no body (RFC 9110 section 9.3.2).
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }
}

impl fmt::Debug for Request<'_> {
    /// Writes the method and the sizes: query and body carry passphrase and token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} path:{} ", self.method, self.path.len())?;
        write!(f, "query:{} body:{})", self.query.len(), self.body.len())
    }
}

/// The status codes the device answers with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// 200.
    Ok,
    /// 302: the setup page is elsewhere.
    Found,
    /// 400: not HTTP.
    BadRequest,
    /// 404: no such resource.
    NotFound,
    /// 408: the request did not arrive in time.
    RequestTimeout,
    /// 409: not now.
    Conflict,
    /// 411: a body of unknown length.
    LengthRequired,
    /// 413: the body does not fit.
    ContentTooLarge,
    /// 414: the request line does not fit.
    UriTooLong,
    /// 431: the headers do not fit.
    HeadersTooLarge,
    /// 500: Edgent's answer to a configuration it cannot use.
    InternalError,
    /// 505: not HTTP/1.
    VersionNotSupported,
}

impl Status {
    /// The number of the status line.
    pub const fn code(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::Found => 302,
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::RequestTimeout => 408,
            Self::Conflict => 409,
            Self::LengthRequired => 411,
            Self::ContentTooLarge => 413,
            Self::UriTooLong => 414,
            Self::HeadersTooLarge => 431,
            Self::InternalError => 500,
            Self::VersionNotSupported => 505,
        }
    }

    /// The words of the status line (RFC 9110 section 15, RFC 6585).
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Found => "Found",
            Self::BadRequest => "Bad Request",
            Self::NotFound => "Not Found",
            Self::RequestTimeout => "Request Timeout",
            Self::Conflict => "Conflict",
            Self::LengthRequired => "Length Required",
            Self::ContentTooLarge => "Content Too Large",
            Self::UriTooLong => "URI Too Long",
            Self::HeadersTooLarge => "Request Header Fields Too Large",
            Self::InternalError => "Internal Server Error",
            Self::VersionNotSupported => "HTTP Version Not Supported",
        }
    }
}

/// Says what the bytes of a connection, from its first one on, amount to.
///
/// `capacity` is how many bytes the caller can hold: a request that needs more is refused. The answer for
/// the first bytes of a connection is [`Parse::NeedMore`], [`Parse::NeedContinue`] or the answer that any
/// further bytes would lead to as well.
pub fn parse(buffer: &[u8], capacity: usize) -> Parse<'_> {
    let buffer = buffer.get(..capacity).unwrap_or(buffer);
    match take_request(buffer, capacity) {
        Ok(request) => Parse::Request(request),
        Err(Stop::NeedMore) => Parse::NeedMore,
        Err(Stop::NeedContinue) => Parse::NeedContinue,
        Err(Stop::Refused(status)) => Parse::Refused(status),
    }
}

/// Why there is no request yet, or never.
enum Stop {
    NeedMore,
    NeedContinue,
    Refused(Status),
}

const MALFORMED: Stop = Stop::Refused(Status::BadRequest);

fn take_request(buffer: &[u8], capacity: usize) -> Result<Request<'_>, Stop> {
    let is_full = buffer.len() >= capacity;
    let (line, mut rest) = take_request_line(buffer, is_full)?;
    let start = parse_request_line(line)?;
    let mut headers = Headers::default();
    loop {
        let Some((line, after)) = split_line(rest) else {
            return Err(if is_full { Stop::Refused(Status::HeadersTooLarge) } else { Stop::NeedMore });
        };
        rest = after;
        if line.is_empty() {
            break;
        }
        headers.on_line(line)?;
    }
    // Every HTTP/1.1 server ought to take chunks, but no client of this API sends them: 411 asks for what
    // the others send (RFC 9110 section 15.5.12).
    if headers.has_transfer_encoding {
        return Err(Stop::Refused(Status::LengthRequired));
    }
    let body_len = headers.content_length.unwrap_or(0);
    if body_len > capacity.saturating_sub(buffer.len() - rest.len()) {
        return Err(Stop::Refused(Status::ContentTooLarge));
    }
    let Some(body) = rest.get(..body_len) else {
        let waits = headers.expects_continue && start.minor_version >= 1 && rest.is_empty();
        return Err(if waits { Stop::NeedContinue } else { Stop::NeedMore });
    };
    let RequestLine { method, path, query, .. } = start;
    Ok(Request { method, path, query, content_type: headers.content_type, body })
}

/// The request line and what follows it. Empty lines before it are skipped (RFC 9112 section 2.2).
fn take_request_line(buffer: &[u8], is_full: bool) -> Result<(&[u8], &[u8]), Stop> {
    let mut rest = buffer;
    while let Some(after) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
        rest = after;
    }
    if let Some((line, after)) = split_line(rest) {
        return if line.iter().any(u8::is_ascii_control) { Err(MALFORMED) } else { Ok((line, after)) };
    }
    // A TLS hello on this port must not wait for a timeout, so that its first byte ends it. The last byte
    // may be the CR of a line end to come.
    let known = rest.strip_suffix(b"\r").unwrap_or(rest);
    if known.iter().any(u8::is_ascii_control) {
        return Err(MALFORMED);
    }
    Err(if is_full { Stop::Refused(Status::UriTooLong) } else { Stop::NeedMore })
}

/// A line without its CR LF or LF, and what follows.
pub(super) fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..)?))
}

struct RequestLine<'a> {
    method: &'a str,
    path: &'a [u8],
    query: &'a [u8],
    minor_version: u8,
}

fn parse_request_line(line: &[u8]) -> Result<RequestLine<'_>, Stop> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(MALFORMED);
    };
    if method.is_empty() || target.is_empty() || !method.iter().copied().all(is_token_byte) {
        return Err(MALFORMED);
    }
    let method = str::from_utf8(method).map_err(|_| MALFORMED)?;
    let [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] = version else { return Err(MALFORMED) };
    if !major.is_ascii_digit() || !minor.is_ascii_digit() {
        return Err(MALFORMED);
    }
    if *major != b'1' {
        return Err(Stop::Refused(Status::VersionNotSupported));
    }
    let (path, query) = split_target(target)?;
    Ok(RequestLine { method, path, query, minor_version: minor - b'0' })
}

/// The headers that matter here; the others are checked for form only.
#[derive(Default)]
struct Headers<'a> {
    content_length: Option<usize>,
    content_type: &'a [u8],
    has_transfer_encoding: bool,
    expects_continue: bool,
}

impl<'a> Headers<'a> {
    fn on_line(&mut self, line: &'a [u8]) -> Result<(), Stop> {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(MALFORMED)?;
        let (name, value) = line.split_at_checked(colon).ok_or(MALFORMED)?;
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        // A name with a space is a continuation line or a smuggled header (RFC 9112 section 5.1 and 5.2).
        if name.is_empty() || !name.iter().copied().all(is_token_byte) {
            return Err(MALFORMED);
        }
        if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(MALFORMED);
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = parse_length(value).ok_or(MALFORMED)?;
            if self.content_length.replace(length).is_some_and(|earlier| earlier != length) {
                return Err(MALFORMED);
            }
        } else if name.eq_ignore_ascii_case(b"content-type") {
            self.content_type = value;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.has_transfer_encoding = true;
        } else if name.eq_ignore_ascii_case(b"expect") {
            self.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
        }
        Ok(())
    }
}

/// Digits only; a number beyond all bounds stays one.
fn parse_length(value: &[u8]) -> Option<usize> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0usize, |length, byte| {
        let digit = char::from(*byte).to_digit(10).and_then(|digit| usize::try_from(digit).ok())?;
        Some(length.saturating_mul(10).saturating_add(digit))
    })
}

/// Path and query of an origin-form, absolute-form or asterisk-form target (RFC 9112 section 3.2).
fn split_target(target: &[u8]) -> Result<(&[u8], &[u8]), Stop> {
    let target = match strip_scheme(target) {
        None => target,
        Some(rest) => {
            let authority_len =
                rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
            rest.get(authority_len..).unwrap_or_default()
        }
    };
    let mut parts = target.splitn(2, |byte| *byte == b'?');
    let path = parts.next().unwrap_or_default();
    let query = parts.next().unwrap_or_default();
    match path {
        // An absolute URI may end with its authority.
        [] => Ok((b"/", query)),
        [b'/', ..] | b"*" => Ok((path, query)),
        [_, ..] => Err(MALFORMED),
    }
}

fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    [b"http://".as_slice(), b"https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// RFC 9110 section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
