//! Renders the answers of the configuration API: bodies, key order and layout as Edgent sends them, but with
//! JSON and HTML escaped.
//!
//! There is no buffer for a response. It is rendered through a window: [`Response::write`] skips what was
//! sent already and stops when the caller's buffer is full. The [`Context`] must therefore not change while
//! a response is under way.

use core::fmt::{self, Write};

use heapless::Vec;
use smoltcp::wire::EthernetAddress;

use super::PORTAL_URI;
use super::http::Status;
use crate::config::Ssid;
use crate::hal::Network;
use crate::product::Product;
use crate::text::{JsonString, Letters, Mac, write_escaped};

/// The interim answer for a client that waits before it sends its body (RFC 9110 section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A configuration was stored as a trial.
pub const CONFIG_OK: Content = Content::Json(Status::Ok, r#"{"status":"ok","msg":"Trying to connect..."}"#);
/// A configuration was stored as valid.
pub const CONFIG_SAVED: Content = Content::Json(Status::Ok, r#"{"status":"ok","msg":"Configuration saved"}"#);
/// A configuration could not be used; nothing changed. The status is Edgent's.
pub const CONFIG_INVALID: Content =
    Content::Json(Status::InternalError, r#"{"status":"error","msg":"Configuration invalid"}"#);
/// A configuration could not be stored.
pub const CONFIG_NOT_STORED: Content =
    Content::Json(Status::InternalError, r#"{"status":"error","msg":"Configuration not stored"}"#);
/// A configuration came while an earlier one is about to be tried.
pub const CONFIG_BUSY: Content =
    Content::Json(Status::Conflict, r#"{"status":"error","msg":"Already trying to connect"}"#);
/// The configuration is being erased.
pub const RESET_OK: Content = Content::Json(Status::Ok, r#"{"status":"ok","msg":"Configuration reset"}"#);

/// The built-in setup page.
const PAGE: &str = include_str!("setup.html");
/// Longer paths are left out of a 404's text.
const URI_LEN_MAX: usize = 128;

/// What the answers are made from.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What the product is.
    pub product: &'a Product,
    /// The access point's name.
    pub ap_ssid: &'a Ssid,
    /// The access point's MAC.
    pub ap_bssid: EthernetAddress,
    /// The station's MAC.
    pub mac: EthernetAddress,
    /// Why the latest trial failed; 0 when none did.
    pub last_error: u16,
    /// The networks of the latest scan, the strongest first.
    pub networks: &'a [Network],
}

/// What an answer says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// The built-in setup page.
    Page,
    /// A status and a JSON text.
    Json(Status, &'static str),
    /// `/board_info.json`.
    BoardInfo,
    /// `/wifi_scan.json`. Bytes of a name that are not UTF-8 appear as U+FFFD, since JSON has no others: such
    /// a name can be seen but not sent back.
    WifiScan,
    /// There is no such resource.
    NotFound(Uri),
    /// The setup page is where a captive portal leads.
    Redirect,
    /// The request was refused with this status.
    Error(Status),
}

/// The path of a request that led nowhere, or nothing when it is longer than is worth repeating.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Uri(Vec<u8, URI_LEN_MAX>);

impl Uri {
    /// Takes a path; one of more than 128 bytes becomes an empty one.
    pub fn new(path: &[u8]) -> Self {
        Self(Vec::from_slice(path).unwrap_or_default())
    }
}

impl Content {
    /// The status of the answer.
    pub const fn status(&self) -> Status {
        match self {
            Self::Page | Self::BoardInfo | Self::WifiScan => Status::Ok,
            Self::Json(status, _) | Self::Error(status) => *status,
            Self::NotFound(_) => Status::NotFound,
            Self::Redirect => Status::Found,
        }
    }

    const fn media_type(&self) -> &'static str {
        match self {
            Self::Page | Self::NotFound(_) => "text/html",
            Self::Json(..) | Self::BoardInfo | Self::WifiScan => "application/json",
            Self::Redirect | Self::Error(_) => "text/plain",
        }
    }

    fn render(&self, context: &Context<'_>, out: &mut impl Write) -> fmt::Result {
        match self {
            Self::Page => out.write_str(PAGE),
            Self::Json(_, text) => out.write_str(text),
            Self::BoardInfo => render_board_info(context, out),
            Self::WifiScan => render_networks(context.networks, out),
            Self::NotFound(uri) => {
                out.write_str("Not found: ")?;
                write_escaped(&uri.0, out, escape_html)
            }
            Self::Redirect => Ok(()),
            Self::Error(status) => out.write_str(status.reason()),
        }
    }
}

/// A complete answer, rendered as it is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    content: Content,
    head_only: bool,
}

impl Response {
    /// An answer with this content, without its body when `head_only`.
    pub const fn new(content: Content, head_only: bool) -> Self {
        Self { content, head_only }
    }

    /// Whether it lists the networks of the latest scan, which must therefore stay as they are.
    pub fn lists_networks(&self) -> bool {
        self.content == Content::WifiScan
    }

    /// An answer to what never became a request.
    pub const fn error(status: Status) -> Self {
        Self { content: Content::Error(status), head_only: false }
    }

    /// The status of the answer.
    pub const fn status(&self) -> Status {
        self.content.status()
    }

    /// Writes the answer's bytes from `offset` on into `out`; returns how many, 0 when none are left.
    pub fn write(&self, context: &Context<'_>, offset: usize, out: &mut [u8]) -> usize {
        let mut window = Window { skip: offset, out, written: 0 };
        // The window fails to stop the rendering when it is full.
        let _ = self.render(context, &mut window);
        window.written
    }

    fn render(&self, context: &Context<'_>, out: &mut impl Write) -> fmt::Result {
        let status = self.status();
        let mut body_len = Counter(0);
        self.content.render(context, &mut body_len)?;
        let Counter(body_len) = body_len;
        write!(out, "HTTP/1.1 {} {}\r\n", status.code(), status.reason())?;
        write!(out, "Content-Type: {}\r\nContent-Length: {body_len}\r\n", self.content.media_type())?;
        if self.content == Content::Redirect {
            write!(out, "Location: {PORTAL_URI}\r\n")?;
        }
        out.write_str("Connection: close\r\nCache-Control: no-store\r\n\r\n")?;
        if self.head_only { Ok(()) } else { self.content.render(context, out) }
    }
}

/// One line, in Edgent's order (`board` is the template's name).
fn render_board_info(context: &Context<'_>, out: &mut impl Write) -> fmt::Result {
    let Context { product, ap_ssid, ap_bssid, mac, last_error, networks: _ } = *context;
    for (key, value) in [
        ("{\"board\":", product.template_name().as_bytes()),
        (",\"tmpl_id\":", product.template_id().as_bytes()),
        (",\"fw_type\":", product.firmware_type().as_bytes()),
        (",\"fw_ver\":", product.firmware_version().as_bytes()),
        (",\"ssid\":", ap_ssid.as_bytes()),
    ] {
        write!(out, "{key}{}", JsonString(value))?;
    }
    let [bssid, mac] = [ap_bssid, mac].map(|address| Mac(address, Letters::Upper));
    write!(out, ",\"bssid\":\"{bssid}\",\"mac\":\"{mac}\"")?;
    write!(out, ",\"last_error\":{last_error},\"wifi_scan\":true,\"static_ip\":true}}")
}

/// One network a line, in Edgent's layout.
fn render_networks(networks: &[Network], out: &mut impl Write) -> fmt::Result {
    if networks.is_empty() {
        return out.write_str("[]");
    }
    let mut separator = "[\n";
    for network in networks {
        write!(out, "{separator}  {{\"ssid\":{}", JsonString(network.ssid.as_bytes()))?;
        let bssid = Mac(network.bssid, Letters::Upper);
        write!(out, ",\"bssid\":\"{bssid}\",\"rssi\":{}", network.rssi)?;
        write!(out, ",\"sec\":\"{}\",\"ch\":{}}}", network.security.name(), network.channel)?;
        separator = ",\n";
    }
    out.write_str("\n]")
}

fn escape_html<W: Write>(character: char, out: &mut W) -> fmt::Result {
    match character {
        '&' => out.write_str("&amp;"),
        '<' => out.write_str("&lt;"),
        '>' => out.write_str("&gt;"),
        '"' => out.write_str("&quot;"),
        '\'' => out.write_str("&#39;"),
        other => out.write_char(other),
    }
}

/// The part of a text that starts after `skip` bytes and fits `out`.
struct Window<'a> {
    skip: usize,
    out: &'a mut [u8],
    written: usize,
}

impl Write for Window<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Some(bytes) = text.as_bytes().get(self.skip..) else {
            self.skip -= text.len();
            return Ok(());
        };
        self.skip = 0;
        let room = self.out.get_mut(self.written..).unwrap_or_default();
        let len = bytes.len().min(room.len());
        if let (Some(room), Some(bytes)) = (room.get_mut(..len), bytes.get(..len)) {
            room.copy_from_slice(bytes);
        }
        self.written += len;
        if len < bytes.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Counts the bytes of a text and keeps none.
struct Counter(usize);

impl Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
