//! What the router's name server and the phone's resolver share: numbers, names and queries (RFC 1035).
//!
//! It answers nothing and resolves nothing. The device reads and writes DNS with code of its own in
//! `firmware-core`, on purpose: two implementations check each other. smoltcp's DNS types are part of a
//! feature that `firmware-core` does not have.

/// Where names are asked for (RFC 1035 section 4.2.1).
pub(crate) const PORT: u16 = 53;
/// Id, flags and four counts (RFC 1035 section 4.1.1).
pub(crate) const HEADER_LEN: usize = 12;
/// RFC 1035 section 2.3.4, without the trailing dot.
pub(crate) const NAME_LEN_MAX: usize = 253;
/// RFC 1035 section 2.3.4.
pub(crate) const LABEL_LEN_MAX: usize = 63;
/// The flag that tells a response from a query.
pub(crate) const RESPONSE: u16 = 0x8000;
/// The flag with which a client leaves the rest to the server.
pub(crate) const RECURSION_DESIRED: u16 = 0x0100;
/// The bits of the response code.
pub(crate) const RCODE_MASK: u16 = 0x000F;
/// The internet.
pub(crate) const CLASS_IN: u16 = 1;

/// Record types (RFC 1035 section 3.2.2, RFC 3596, RFC 6891, RFC 9460).
pub(crate) mod record {
    pub(crate) const A: u16 = 1;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const HTTPS: u16 = 65;
    pub(crate) const ANY: u16 = 255;
}

/// One piece of a name (RFC 1035 section 4.1.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Label<'a> {
    Text(&'a [u8]),
    /// The name ends here.
    Root,
    /// The name goes on elsewhere, and nothing of it follows here.
    Pointer,
}

/// The label at `at`, and where the next thing begins; `None` when it is cut short or of no known kind.
pub(crate) fn label(message: &[u8], at: usize) -> Option<(Label<'_>, usize)> {
    let len = usize::from(*message.get(at)?);
    match len {
        0 => Some((Label::Root, at + 1)),
        1..=LABEL_LEN_MAX => {
            let end = at + 1 + len;
            Some((Label::Text(message.get(at + 1..end)?), end))
        }
        0xC0.. => Some((Label::Pointer, at + 2)),
        _ => None,
    }
}

/// The big-endian number of 16 bits at `at`.
pub(crate) fn number(message: &[u8], at: usize) -> Option<u16> {
    message.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// Writes a query for one record of a name, with recursion desired.
///
/// # Panics
/// In debug builds, when a label is empty or longer than 63 bytes.
pub(crate) fn write_query(id: u16, name: &str, record: u16) -> Vec<u8> {
    let mut query = Vec::with_capacity(HEADER_LEN + name.len() + 6);
    for field in [id, RECURSION_DESIRED, 1, 0, 0, 0] {
        query.extend_from_slice(&field.to_be_bytes());
    }
    for label in name.split('.') {
        debug_assert!((1..=LABEL_LEN_MAX).contains(&label.len()), "a label of {} bytes", label.len());
        query.push(label.len() as u8);
        query.extend_from_slice(label.as_bytes());
    }
    query.push(0);
    query.extend_from_slice(&record.to_be_bytes());
    query.extend_from_slice(&CLASS_IN.to_be_bytes());
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_the_bytes_of_rfc_1035() {
        let expected = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 2, b'b', b'c', 0, 0, 1, 0, 1];
        assert_eq!(write_query(7, "a.bc", record::A), expected);
    }

    #[test]
    fn labels_are_text_or_the_end_of_a_name() {
        let message = [2, b'b', b'c', 0, 0xC0, 12, 0x40, 63, b'x'];
        assert_eq!(label(&message, 0), Some((Label::Text(b"bc"), 3)));
        assert_eq!(label(&message, 3), Some((Label::Root, 4)));
        assert_eq!(label(&message, 4), Some((Label::Pointer, 6)));
        assert_eq!((label(&message, 6), label(&message, 7), label(&message, 9)), (None, None, None));
    }
}
