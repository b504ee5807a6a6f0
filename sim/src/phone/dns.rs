//! A stub resolver: a few queries for one name, repeated until they are answered.

use smoltcp::iface::SocketHandle;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, Ipv4Address};

use super::line::Line;
use crate::dns::record::{A, CNAME};
use crate::dns::{HEADER_LEN, Label, PORT, RCODE_MASK, RESPONSE, label, number, write_query};

const TRIES: u8 = 3;
const TRY_INTERVAL: Duration = Duration::from_secs(2);
/// More records than an answer of 1,472 bytes with one name can usefully hold.
const RECORDS_MAX: u16 = 64;

/// Why a name has no address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LookupError {
    LineLost,
    NoServer,
    Silence,
    /// The server answered with this RCODE (RFC 1035 section 4.1.1).
    Refused(u8),
    NoAddress,
    Malformed,
}

impl LookupError {
    pub(super) fn describe(self) -> String {
        match self {
            Self::LineLost => "the access point was lost".into(),
            Self::NoServer => "the network names no DNS server".into(),
            Self::Silence => "the DNS server does not answer".into(),
            Self::Refused(code) => format!("the DNS server answers with code {code}"),
            Self::NoAddress => "the name has no address".into(),
            Self::Malformed => "the DNS answer is malformed".into(),
        }
    }
}

/// One name being looked up.
pub(super) struct Lookup {
    line: u64,
    socket: SocketHandle,
    server: Ipv4Address,
    name: &'static str,
    strict: bool,
    queries: Vec<Query>,
    tries_left: u8,
    next_try_at: Instant,
}

struct Query {
    record: u16,
    id: u16,
    answer: Option<Answer>,
}

/// What one response says about one record type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Address(Ipv4Address),
    /// The name exists and has no usable record of that type.
    NoData,
    Refused(u8),
    Malformed,
}

impl Lookup {
    /// Prepares to ask `server` for these record types; `strict` lets one bad answer spoil the lookup.
    pub(super) fn start(
        now: Instant,
        line: &mut Line,
        server: Ipv4Address,
        name: &'static str,
        records: &[u16],
        strict: bool,
    ) -> Self {
        let queries = records
            .iter()
            .map(|record| Query { record: *record, id: line.random.next_u64() as u16, answer: None })
            .collect();
        let socket = line.open_udp();
        Self { line: line.id, socket, server, name, strict, queries, tries_left: TRIES, next_try_at: now }
    }

    /// Sends and receives what is due; `Some` ends the lookup and frees its socket.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        line: Option<&mut Line>,
    ) -> Option<Result<Ipv4Address, LookupError>> {
        let Some(line) = line.filter(|line| line.id == self.line) else {
            return Some(Err(LookupError::LineLost));
        };
        self.receive(line);
        let result = self.verdict(now);
        if result.is_some() {
            self.abandon(line);
        } else if self.next_try_at <= now {
            self.send(line);
            self.tries_left -= 1;
            self.next_try_at = now + TRY_INTERVAL;
        }
        result
    }

    /// When to poll again if no packet comes.
    pub(super) fn next_wake(&self) -> Instant {
        self.next_try_at
    }

    /// Frees the socket without waiting for an answer.
    pub(super) fn abandon(&mut self, line: &mut Line) {
        if line.id == self.line {
            line.stack().sockets.remove(self.socket);
        }
    }

    fn send(&self, line: &mut Line) {
        let socket = line.stack().udp(self.socket);
        for query in self.queries.iter().filter(|query| query.answer.is_none()) {
            // A full queue is a lost packet, and the next try repeats it.
            let _ = socket.send_slice(&write_query(query.id, self.name, query.record), (self.server, PORT));
        }
    }

    fn receive(&mut self, line: &mut Line) {
        let socket = line.stack().udp(self.socket);
        while let Ok((packet, from)) = socket.recv() {
            if from.endpoint.addr != IpAddress::Ipv4(self.server) || from.endpoint.port != PORT {
                continue;
            }
            let Some(id) = number(packet, 0) else { continue };
            if let Some(query) =
                self.queries.iter_mut().find(|query| query.id == id && query.answer.is_none())
            {
                query.answer = decode(packet, query.record);
            }
        }
    }

    fn verdict(&self, now: Instant) -> Option<Result<Ipv4Address, LookupError>> {
        if self.strict && self.queries.iter().any(|query| query.answer == Some(Answer::Malformed)) {
            return Some(Err(LookupError::Malformed));
        }
        let complete = self.queries.iter().all(|query| query.answer.is_some());
        if !complete && (self.tries_left > 0 || now < self.next_try_at) {
            return None;
        }
        let answer = self.queries.iter().find(|query| query.record == A).and_then(|query| query.answer);
        Some(match answer {
            Some(Answer::Address(address)) => Ok(address),
            Some(Answer::NoData) => Err(LookupError::NoAddress),
            Some(Answer::Refused(code)) => Err(LookupError::Refused(code)),
            Some(Answer::Malformed) => Err(LookupError::Malformed),
            None => Err(LookupError::Silence),
        })
    }
}

/// Reads a response to a query for `record`; `None` for what is not a response.
fn decode(packet: &[u8], record: u16) -> Option<Answer> {
    let flags = number(packet, 2)?;
    if flags & RESPONSE == 0 {
        return None;
    }
    let code = (flags & RCODE_MASK) as u8;
    if code != 0 {
        return Some(Answer::Refused(code));
    }
    Some(decode_records(packet, record).unwrap_or(Answer::Malformed))
}

/// Reads the answer section; `None` when it is cut short or holds a record that was not asked for.
fn decode_records(packet: &[u8], record: u16) -> Option<Answer> {
    let mut at = HEADER_LEN;
    for _ in 0..number(packet, 4)? {
        at = skip_name(packet, at)? + 4;
    }
    let count = number(packet, 6)?;
    if count > RECORDS_MAX {
        return None;
    }
    let mut answer = Answer::NoData;
    for _ in 0..count {
        at = skip_name(packet, at)?;
        let (kind, len) = (number(packet, at)?, usize::from(number(packet, at + 8)?));
        let data = packet.get(at + 10..at + 10 + len)?;
        at += 10 + len;
        // RFC 1034 section 4.3.2: aliases may stand before what was asked for, and nothing else.
        if kind == CNAME {
            continue;
        }
        if kind != record {
            return None;
        }
        if kind == A && answer == Answer::NoData {
            let octets: [u8; 4] = data.try_into().ok()?;
            answer = Answer::Address(octets.into());
        }
    }
    Some(answer)
}

/// Where the name that starts at `at` ends. Pointers end a name (RFC 1035 section 4.1.4) and need not be
/// followed here.
fn skip_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match label(packet, at)? {
            (Label::Text(_), next) => at = next,
            (Label::Root | Label::Pointer, end) => return Some(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dns::record::AAAA;

    /// A response to a query for `a.b`: flags, then the answer section with its count.
    fn response(flags: u16, count: u16, answers: &[u8]) -> Vec<u8> {
        let mut packet = write_query(7, "a.b", A);
        packet[2..4].copy_from_slice(&flags.to_be_bytes());
        packet[6..8].copy_from_slice(&count.to_be_bytes());
        packet.extend_from_slice(answers);
        packet
    }

    const ADDRESS: &[u8] = &[0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 168, 4, 1];
    const ALIAS: &[u8] = &[0xC0, 12, 0, 5, 0, 1, 0, 0, 1, 44, 0, 3, 1, b'c', 0];

    #[track_caller]
    fn check(packet: &[u8], record: u16, expected: Option<Answer>) {
        assert_eq!(decode(packet, record), expected);
    }

    #[test]
    fn answers_are_told_apart() {
        let address = Some(Answer::Address(Ipv4Address::new(192, 168, 4, 1)));
        check(&response(0x8180, 1, ADDRESS), A, address);
        check(&response(0x8180, 2, &[ALIAS, ADDRESS].concat()), A, address);
        check(&response(0x8180, 0, &[]), AAAA, Some(Answer::NoData));
        check(&response(0x8182, 0, &[]), A, Some(Answer::Refused(2)));
        check(&[0, 7, 0x81, 0x82, 0, 0, 0, 0, 0, 0, 0, 0], A, Some(Answer::Refused(2)));
        check(&response(0x0100, 0, &[]), A, None);
    }

    #[test]
    fn an_address_in_place_of_another_type_is_malformed() {
        check(&response(0x8180, 1, ADDRESS), AAAA, Some(Answer::Malformed));
        check(&response(0x8180, 2, ADDRESS), A, Some(Answer::Malformed));
        check(&response(0x8180, 1, &ADDRESS[..14]), A, Some(Answer::Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(packet in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (decode(&packet, A), decode(&packet, AAAA));
        }
    }
}
