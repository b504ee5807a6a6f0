//! What the phone's HTTP client and the cloud's HTTP server share: where a message's head ends and what its
//! fields say (RFC 9112).
//!
//! It knows no method, status or body. The device takes requests apart with code of its own in
//! `firmware-core`, on purpose: two implementations check each other.

use memchr::memchr;

/// The start line and the fields of a message.
#[derive(Clone, Debug)]
pub(crate) struct Head<'a> {
    /// The request line or the status line, without its end.
    pub(crate) start_line: &'a str,
    /// How many bytes it has, with the empty line behind it.
    pub(crate) len: usize,
    fields: Vec<(&'a str, &'a str)>,
}

/// It is not HTTP as it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed;

/// Fields of a usual message, so that the list need not grow.
const FIELDS_USUAL: usize = 8;

/// Reads the head at the beginning of `bytes`; `None` while its end is missing.
///
/// # Errors
/// When it is not UTF-8 or has a line without a colon.
pub(crate) fn read_head(bytes: &[u8]) -> Option<Result<Head<'_>, Malformed>> {
    let mut start_line = None;
    let mut fields = Vec::with_capacity(FIELDS_USUAL);
    let mut rest = bytes;
    loop {
        let end = memchr(b'\n', rest)?;
        // A line may end without a carriage return (RFC 9112 section 2.2).
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        rest = &rest[end + 1..];
        let Ok(line) = str::from_utf8(line) else { return Some(Err(Malformed)) };
        match start_line {
            None => start_line = Some(line),
            Some(start_line) if line.is_empty() => {
                return Some(Ok(Head { start_line, len: bytes.len() - rest.len(), fields }));
            }
            Some(_) => {
                let Some((name, value)) = cut(line, b':') else { return Some(Err(Malformed)) };
                fields.push((name, value.trim_ascii()));
            }
        }
    }
}

/// Splits at the first `separator`, which must be ASCII.
pub(crate) fn cut(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = memchr(separator, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

impl<'a> Head<'a> {
    /// Names and values in order, without white space around the values.
    pub(crate) fn fields(&self) -> &[(&'a str, &'a str)] {
        &self.fields
    }

    /// The first value of a field; the case of letters in its name does not matter.
    pub(crate) fn field(&self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// How long the body is, when the head says so.
    ///
    /// # Errors
    /// When a Content-Length is not a number, or two of them differ (RFC 9112 section 6.3).
    pub(crate) fn content_length(&self) -> Result<Option<usize>, Malformed> {
        let mut length = None;
        for value in self.values("content-length") {
            // `parse` alone would take a sign.
            let digits = Some(value).filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
            let number = digits.and_then(|digits| digits.parse().ok()).ok_or(Malformed)?;
            if length.is_some_and(|length| length != number) {
                return Err(Malformed);
            }
            length = Some(number);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_length(fields: &str, expected: Result<Option<usize>, Malformed>) {
        let wire = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        let head = read_head(wire.as_bytes()).unwrap().unwrap();
        assert_eq!((head.start_line, head.len), ("GET / HTTP/1.1", wire.len()));
        assert_eq!(head.content_length(), expected);
    }

    #[test]
    fn lengths_are_digits_that_agree() {
        check_length("", Ok(None));
        check_length("content-length:\t12 \r\n", Ok(Some(12)));
        check_length("Content-Length: 3\r\nContent-Length: 3\r\n", Ok(Some(3)));
        check_length("Content-Length: 3\r\nContent-Length: 4\r\n", Err(Malformed));
        for wrong in ["+3", "-3", "3,3", "0x3", "", "99999999999999999999999"] {
            check_length(&format!("Content-Length: {wrong}\r\n"), Err(Malformed));
        }
    }

    #[test]
    fn a_head_is_complete_or_wrong() {
        assert!(read_head(b"GET / HTTP/1.1\r\nHost: h\r\n").is_none());
        assert!(read_head(b"GET / HTTP/1.1\r\nHost h\r\n\r\n").unwrap().is_err());
        assert!(read_head(b"GET /\xFF HTTP/1.1\r\n\r\n").unwrap().is_err());
        let head = read_head(b"GET / HTTP/1.1\r\nHost: h:80\r\nhost: i\r\n\r\nbody").unwrap().unwrap();
        assert_eq!((head.field("HOST"), head.fields().len()), (Some("h:80"), 2));
    }
}
