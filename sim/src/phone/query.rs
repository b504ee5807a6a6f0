//! A name query of any shape, and whether the answer to it is well-formed (RFC 1035, RFC 6891, RFC 9619).

use smoltcp::iface::SocketHandle;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, Ipv4Address};

use super::line::Line;
use crate::dns::record::OPT;
use crate::dns::{HEADER_LEN, Label, PORT, RCODE_MASK, RESPONSE, label, number, write_query};

/// A name server next door answers at once.
const LIMIT: Duration = Duration::from_secs(3);
/// What the sender of an extended query can take, as most resolvers say.
const EDNS_PAYLOAD: u16 = 1_232;

/// One query, and what its answer must say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    /// The name, labels of 1 to 63 bytes.
    pub name: String,
    /// The record's number.
    pub record: u16,
    /// Whether it says that its sender understands extensions.
    pub edns: bool,
    /// How many times the question stands in it.
    pub questions: u8,
    /// The code that the answer must have.
    pub code: u8,
    /// How many records it must have.
    pub answers: u16,
}

impl Query {
    fn write(&self, id: u16) -> Vec<u8> {
        let mut query = write_query(id, &self.name, self.record);
        let question = query.split_off(HEADER_LEN).repeat(self.questions.into());
        query[4..6].copy_from_slice(&u16::from(self.questions).to_be_bytes());
        query.extend(question);
        if self.edns {
            query[10..12].copy_from_slice(&1_u16.to_be_bytes());
            query.push(0);
            for field in [OPT, EDNS_PAYLOAD, 0, 0, 0] {
                query.extend_from_slice(&field.to_be_bytes());
            }
        }
        query
    }

    /// The code and the number of records of a well-formed answer; else what is wrong with it.
    fn judge(&self, packet: &[u8]) -> Result<(u8, u16), &'static str> {
        let count = |at| number(packet, at).ok_or("it is cut short");
        let flags = count(2)?;
        if flags & RESPONSE == 0 {
            return Err("it is no answer");
        }
        let (questions, answers, others) = (count(4)?, count(6)?, count(8)?);
        let additional = count(10)?;
        let mut at = HEADER_LEN;
        for _ in 0..questions {
            at = skip_name(packet, at).ok_or("a question is cut short")? + 4;
        }
        let mut extensions = 0;
        for place in 0..u32::from(answers) + u32::from(others) + u32::from(additional) {
            at = skip_name(packet, at).ok_or("there are fewer records than it says")?;
            let kind = number(packet, at).ok_or("a record is cut short")?;
            let len = number(packet, at + 8).ok_or("a record is cut short")?;
            at += 10 + usize::from(len);
            extensions += u32::from(kind == OPT);
            if place < u32::from(answers) && kind != self.record {
                return Err("a record is of another kind than was asked for");
            }
        }
        match at.cmp(&packet.len()) {
            std::cmp::Ordering::Less => return Err("there is more than it says"),
            std::cmp::Ordering::Greater => return Err("it is cut short"),
            std::cmp::Ordering::Equal => {}
        }
        let code = (flags & RCODE_MASK) as u8;
        // A server that does not understand a query need not repeat its extensions.
        if extensions > u32::from(self.edns) || (code == 0 && extensions < u32::from(self.edns)) {
            return Err("its extensions are not those of the query");
        }
        Ok((code, answers))
    }
}

/// A query under way.
pub(super) struct Asking {
    line: u64,
    socket: SocketHandle,
    server: Ipv4Address,
    id: u16,
    query: Query,
    is_sent: bool,
    give_up_at: Instant,
}

impl Asking {
    pub(super) fn start(now: Instant, line: &mut Line, server: Ipv4Address, query: Query) -> Self {
        let id = line.random.next_u64() as u16;
        let socket = line.open_udp();
        Self { line: line.id, socket, server, id, query, is_sent: false, give_up_at: now + LIMIT }
    }

    /// The query.
    pub(super) fn query(&self) -> &Query {
        &self.query
    }

    /// Sends and receives; `Some` ends it: with code and number of records, or with what is wrong.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        line: Option<&mut Line>,
    ) -> Option<Result<(u8, u16), String>> {
        let Some(line) = line.filter(|line| line.id == self.line) else {
            return Some(Err("the access point was lost".to_owned()));
        };
        let socket = line.stack().udp(self.socket);
        if !self.is_sent {
            self.is_sent = true;
            // A new socket has room.
            let _ = socket.send_slice(&self.query.write(self.id), (self.server, PORT));
        }
        let mut result = None;
        while let Ok((packet, from)) = socket.recv() {
            let is_ours =
                from.endpoint.addr == IpAddress::Ipv4(self.server) && number(packet, 0) == Some(self.id);
            if is_ours && result.is_none() {
                result =
                    Some(self.query.judge(packet).map_err(|why| format!("the answer is malformed: {why}")));
            }
        }
        if result.is_none() && self.give_up_at <= now {
            result = Some(Err("the DNS server does not answer".to_owned()));
        }
        if result.is_some() {
            self.abandon(line);
        }
        result
    }

    pub(super) fn next_wake(&self) -> Instant {
        self.give_up_at
    }

    /// Frees the socket.
    pub(super) fn abandon(&mut self, line: &mut Line) {
        if line.id == self.line {
            line.stack().sockets.remove(self.socket);
        }
    }
}

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
    use super::*;
    use crate::dns::record::{A, AAAA};

    fn query(record: u16, edns: bool, questions: u8) -> Query {
        Query { name: "a.b".to_owned(), record, edns, questions, code: 0, answers: 1 }
    }

    const ADDRESS: &[u8] = &[0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 168, 4, 1];
    const EXTENSION: &[u8] = &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];

    fn answer(counts: [u16; 2], rest: &[&[u8]]) -> Vec<u8> {
        let mut packet = write_query(7, "a.b", A);
        packet[2..4].copy_from_slice(&0x8180_u16.to_be_bytes());
        packet[6..8].copy_from_slice(&counts[0].to_be_bytes());
        packet[10..12].copy_from_slice(&counts[1].to_be_bytes());
        packet.extend(rest.concat());
        packet
    }

    #[test]
    fn a_query_says_how_often_it_asks_and_what_it_understands() {
        let twice = query(A, true, 2).write(7);
        assert_eq!((number(&twice, 4), number(&twice, 10)), (Some(2), Some(1)));
        assert_eq!(twice.len(), HEADER_LEN + 2 * 9 + 11);
    }

    #[test]
    fn counts_kinds_and_extensions_must_agree() {
        let plain = query(A, false, 1);
        assert_eq!(plain.judge(&answer([1, 0], &[ADDRESS])), Ok((0, 1)));
        assert_eq!(query(A, true, 1).judge(&answer([1, 1], &[ADDRESS, EXTENSION])), Ok((0, 1)));
        for (query, packet) in [
            (&plain, answer([2, 0], &[ADDRESS])),
            (&plain, answer([1, 0], &[ADDRESS, ADDRESS])),
            (&plain, answer([1, 0], &[&ADDRESS[..12]])),
            (&plain, answer([1, 1], &[ADDRESS, EXTENSION])),
            (&query(A, true, 1), answer([1, 0], &[ADDRESS])),
            (&query(AAAA, false, 1), answer([1, 0], &[ADDRESS])),
        ] {
            assert!(query.judge(&packet).is_err(), "{query:?} {packet:?}");
        }
    }
}
