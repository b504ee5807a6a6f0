//! The arguments of a request: those of the query string first, then those of the body, as Edgent's server
//! takes them. Values are bytes: network names and passphrases need not be text.

use heapless::Vec;

use super::http::{Request, split_line};
use crate::text::hex_digit;

/// RFC 2046 section 5.1.1.
const BOUNDARY_LEN_MAX: usize = 70;

/// The arguments of one request.
///
/// A body counts when its type is `application/x-www-form-urlencoded`, `multipart/form-data` or not told;
/// every other body, JSON included, has no arguments, as on Edgent.
#[derive(Clone, Copy)]
pub struct Arguments<'a> {
    query: &'a [u8],
    urlencoded: &'a [u8],
    multipart: Parts<'a>,
}

impl<'a> Arguments<'a> {
    /// The arguments that a request carries.
    pub fn of(request: &Request<'a>) -> Self {
        let (media_type, parameters) = split_once(request.content_type, b';');
        let media_type = media_type.trim_ascii();
        let mut arguments = Self { query: request.query, urlencoded: b"", multipart: Parts::NONE };
        if media_type.is_empty() || media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            arguments.urlencoded = request.body;
        } else if media_type.eq_ignore_ascii_case(b"multipart/form-data") {
            arguments.multipart = Parts::of(request.body, parameters);
        }
        arguments
    }

    /// Every argument in order, repeated keys included.
    pub fn iter(&self) -> impl Iterator<Item = Argument<'a>> + use<'a> {
        pairs(self.query).chain(pairs(self.urlencoded)).chain(self.multipart)
    }

    /// The value of the first argument with this key; keys are case-sensitive.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.iter().find(|argument| argument.key.bytes().eq(key.bytes())).map(|argument| argument.value)
    }
}

/// One argument.
#[derive(Clone, Copy)]
pub struct Argument<'a> {
    /// Its name.
    pub key: Value<'a>,
    /// Its value, empty when only the name was given.
    pub value: Value<'a>,
}

/// Bytes as they travelled; they may be a secret and so cannot be printed.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    raw: &'a [u8],
    is_encoded: bool,
}

/// A value has more bytes than its reader can hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong;

impl<'a> Value<'a> {
    /// The decoded bytes: `+` is a space and `%XX` a byte; a `%` without two hexadecimal digits is itself.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + use<'a> {
        let is_encoded = self.is_encoded;
        let mut rest = self.raw;
        core::iter::from_fn(move || {
            let (byte, after) = match rest {
                [b'%', high, low, after @ ..] if is_encoded => match (hex_digit(*high), hex_digit(*low)) {
                    (Some(high), Some(low)) => (high << 4 | low, after),
                    (Some(_) | None, Some(_) | None) => (b'%', rest.get(1..).unwrap_or_default()),
                },
                [b'+', after @ ..] if is_encoded => (b' ', after),
                [byte, after @ ..] => (*byte, after),
                [] => return None,
            };
            rest = after;
            Some(byte)
        })
    }

    /// The decoded bytes, all of them.
    ///
    /// # Errors
    /// When there are more than `N`: nothing is cut.
    pub fn decode<const N: usize>(&self) -> Result<Vec<u8, N>, TooLong> {
        let mut decoded = Vec::new();
        for byte in self.bytes() {
            decoded.push(byte).map_err(|_| TooLong)?;
        }
        Ok(decoded)
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }
}

fn pairs(encoded: &[u8]) -> impl Iterator<Item = Argument<'_>> {
    encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = split_once(pair, b'=');
        let value_of = |raw| Value { raw, is_encoded: true };
        Argument { key: value_of(key), value: value_of(value) }
    })
}

/// The text parts of a `multipart/form-data` body (RFC 7578); files are skipped.
#[derive(Clone, Copy)]
struct Parts<'a> {
    boundary: &'a [u8],
    /// What follows the latest delimiter; nothing when no part is left.
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    const NONE: Self = Self { boundary: b"", rest: b"" };

    fn of(body: &'a [u8], parameters: &'a [u8]) -> Self {
        let Some(boundary) = parameter(parameters, b"boundary") else { return Self::NONE };
        if boundary.is_empty() || boundary.len() > BOUNDARY_LEN_MAX {
            return Self::NONE;
        }
        // What stands before the first delimiter is a preamble.
        split_at_delimiter(body, boundary).map_or(Self::NONE, |(_, rest)| Self { boundary, rest })
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Argument<'a>;

    fn next(&mut self) -> Option<Argument<'a>> {
        loop {
            let rest = core::mem::take(&mut self.rest);
            if rest.starts_with(b"--") {
                return None;
            }
            let (_, mut part) = split_line(rest)?;
            let mut disposition: &[u8] = b"";
            loop {
                let (line, after) = split_line(part)?;
                part = after;
                if line.is_empty() {
                    break;
                }
                let (name, value) = split_once(line, b':');
                if name.eq_ignore_ascii_case(b"content-disposition") {
                    disposition = value;
                }
            }
            // A part without its closing delimiter was cut and does not count.
            let (content, rest) = split_at_delimiter(part, self.boundary)?;
            self.rest = rest;
            let is_file = parameter(disposition, b"filename").is_some();
            if let Some(name) = parameter(disposition, b"name").filter(|_| !is_file) {
                let value_of = |raw| Value { raw, is_encoded: false };
                return Some(Argument { key: value_of(name), value: value_of(content) });
            }
        }
    }
}

/// What stands before and after the first delimiter: `--` and the boundary at the start of a line. The line
/// break before it belongs to it (RFC 2046 section 5.1.1).
fn split_at_delimiter<'a>(bytes: &'a [u8], boundary: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    (0..bytes.len()).find_map(|start| {
        let (before, from) = bytes.split_at_checked(start)?;
        let after = from.strip_prefix(b"--")?.strip_prefix(boundary)?;
        let (b'\r' | b'\n' | b' ' | b'\t' | b'-') = after.first()? else { return None };
        if before.is_empty() {
            return Some((before, after));
        }
        let content = before.strip_suffix(b"\n")?;
        Some((content.strip_suffix(b"\r").unwrap_or(content), after))
    })
}

/// A parameter of a header's value, without its quotes.
fn parameter<'a>(value: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    value.split(|byte| *byte == b';').find_map(|parameter| {
        let (name, value) = split_once(parameter, b'=');
        let value = value.trim_ascii();
        let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        name.trim_ascii().eq_ignore_ascii_case(wanted).then_some(unquoted.unwrap_or(value))
    })
}

/// What stands before and after the first separator; without one, everything and nothing.
fn split_once(bytes: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == separator);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
