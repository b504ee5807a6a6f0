//! The router's DNS: answers queries with one question (RFC 1035 section 4) from a table of names, the
//! internet as this world knows it.

use std::collections::BTreeMap;

use smoltcp::wire::Ipv4Address;

use super::DnsMode;
use crate::dns::record::{A, ANY, OPT};
use crate::dns::{CLASS_IN, HEADER_LEN, Label, NAME_LEN_MAX, RECURSION_DESIRED, RESPONSE, label, number};

/// The four bits of operation: RFC 1035 section 4.1.1.
const OPCODE_MASK: u16 = 0x7800;
const RECURSION_AVAILABLE: u16 = 0x0080;
const TRUNCATED: u16 = 0x0200;
const FORMAT_ERROR: u16 = 1;
const SERVER_FAILURE: u16 = 2;
const NAME_ERROR: u16 = 3;
const NOT_IMPLEMENTED: u16 = 4;
/// What the big providers give names whose address may change, in seconds.
const TTL_S: u32 = 60;
/// The UDP size of the DNS flag day 2020, announced in an OPT record (RFC 6891 section 6.1.2).
const UDP_LEN_MAX: u16 = 1_232;

/// An answer, and what it says about which name.
pub(super) struct Answer {
    pub(super) message: Vec<u8>,
    /// The name, when an address was asked for, and whether there is one.
    pub(super) named: Option<(String, bool)>,
}

struct Question<'a> {
    name: String,
    kind: u16,
    class: u16,
    /// As it stood in the query, to be repeated with the client's own spelling.
    bytes: &'a [u8],
    /// Whether the query carried an OPT record.
    extended: bool,
}

/// Answers one query; `None` when it is not one, or when nothing is to be said.
pub(super) fn answer(
    mode: DnsMode,
    zone: &BTreeMap<String, Ipv4Address>,
    own: Ipv4Address,
    query: &[u8],
) -> Option<Answer> {
    let flags = number(query, 2)?;
    if query.len() < HEADER_LEN || flags & RESPONSE != 0 || mode == DnsMode::Silent {
        return None;
    }
    if flags & OPCODE_MASK != 0 {
        return Some(Answer { message: write(query, flags, NOT_IMPLEMENTED, None, None), named: None });
    }
    let Some(question) = read_question(query) else {
        return Some(Answer { message: write(query, flags, FORMAT_ERROR, None, None), named: None });
    };
    let address = match mode {
        DnsMode::Captive => Some(own),
        _ => zone.get(&question.name).copied(),
    };
    let rcode = match mode {
        DnsMode::Normal if address.is_none() => NAME_ERROR,
        DnsMode::Normal | DnsMode::Silent | DnsMode::Truncated | DnsMode::Captive => 0,
        DnsMode::NxDomain => NAME_ERROR,
        DnsMode::ServFail => SERVER_FAILURE,
    };
    let asks_address = question.class == CLASS_IN && [A, ANY].contains(&question.kind);
    // A name that exists without a record of this type gets an empty answer, not an error (RFC 2308).
    let given = address.filter(|_| rcode == 0 && asks_address && mode != DnsMode::Truncated);
    let cut = if mode == DnsMode::Truncated { TRUNCATED } else { 0 };
    let message = write(query, flags, cut | rcode, Some(&question), given);
    let named = asks_address.then_some((question.name, given.is_some()));
    Some(Answer { message, named })
}

fn read_question(query: &[u8]) -> Option<Question<'_>> {
    if number(query, 4)? != 1 {
        return None;
    }
    let mut name = String::new();
    let mut at = HEADER_LEN;
    loop {
        let (label, next) = label(query, at)?;
        at = next;
        let text = match label {
            Label::Text(text) => text,
            Label::Root => break,
            // The first name has nothing to point to.
            Label::Pointer => return None,
        };
        if !name.is_empty() {
            name.push('.');
        }
        // A byte outside ASCII becomes a character of two bytes, which no name in the table has.
        name.extend(text.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
        if name.len() > NAME_LEN_MAX {
            return None;
        }
    }
    let (kind, class) = (number(query, at)?, number(query, at + 2)?);
    at += 4;
    // An OPT record has the root as its name.
    let extended = number(query, 10)? > 0 && query.get(at) == Some(&0) && number(query, at + 1) == Some(OPT);
    Some(Question { name, kind, class, bytes: query.get(HEADER_LEN..at)?, extended })
}

fn write(
    query: &[u8],
    flags: u16,
    rcode: u16,
    question: Option<&Question>,
    address: Option<Ipv4Address>,
) -> Vec<u8> {
    let extended = question.is_some_and(|question| question.extended);
    let flags = RESPONSE | RECURSION_AVAILABLE | (flags & (RECURSION_DESIRED | OPCODE_MASK)) | rcode;
    let counts = [question.is_some(), address.is_some(), false, extended].map(u16::from);
    let mut message = Vec::with_capacity(query.len() + 32);
    message.extend_from_slice(&query[..2]);
    for word in [flags].into_iter().chain(counts) {
        message.extend_from_slice(&word.to_be_bytes());
    }
    message.extend_from_slice(question.map_or(&[], |question| question.bytes));
    if let Some(address) = address {
        // The name is a pointer to the question's (RFC 1035 section 4.1.4).
        message.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
        message.extend_from_slice(&TTL_S.to_be_bytes());
        message.extend_from_slice(&[0, 4]);
        message.extend_from_slice(&address.octets());
    }
    if extended {
        message.push(0);
        message.extend_from_slice(&OPT.to_be_bytes());
        message.extend_from_slice(&UDP_LEN_MAX.to_be_bytes());
        message.extend_from_slice(&[0; 6]);
    }
    message
}
