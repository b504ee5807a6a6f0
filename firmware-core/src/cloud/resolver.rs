//! A stub resolver: one host name to one IPv4 address (RFC 1035), without a socket and without a cache.
//!
//! The owner moves datagrams between it and a UDP socket on a port that is hard to guess (RFC 5452); it must
//! pass on where each one came from. No EDNS, so an answer is at most 512 bytes; no TCP, so a truncated answer
//! counts as a failure. The simulator's router answers with code of its own, on purpose: two implementations
//! check each other.

use core::fmt;

use heapless::Vec;
use smoltcp::wire::Ipv4Address;

use crate::config::{HOST_LEN_MAX, Host};
use crate::random::SplitMix64;
use crate::{Duration, Instant};

/// Where queries go.
pub const DNS_PORT: u16 = 53;
/// A DHCP lease rarely names more name servers; further ones are not asked.
pub const SERVERS_MAX: usize = 3;
/// How long an answer may take before the next query leaves.
pub const QUERY_INTERVAL: Duration = Duration::from_secs(2);
/// The pause after an answer that does not help.
pub const REFUSAL_PAUSE: Duration = Duration::from_secs(1);
/// So many unanswered queries end the lookup.
pub const UNANSWERED_MAX: u8 = 3;
/// So many answers that there is no such name, or that it has no address, end the lookup.
pub const NOT_FOUND_MAX: u8 = 2;
/// So many failures of servers end the lookup.
pub const FAILURES_MAX: u8 = 3;
/// RFC 1035 section 4.2.1: messages over UDP have at most 512 bytes.
pub const MESSAGE_LEN_MAX: usize = 512;

/// One less of each kind may happen, and then the last one.
const QUERIES_MAX: usize = 6;
/// RFC 1035 section 2.3.4.
const LABEL_LEN_MAX: usize = 63;
/// RFC 1035 section 2.3.4: 255 octets are at most 127 labels and the root.
const LABELS_MAX: usize = 127;
/// Longer chains of aliases exist on the way into a loop only.
const ALIASES_MAX: u8 = 8;

const HEADER_LEN: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_CNAME: u16 = 5;
const CLASS_IN: u16 = 1;
/// Recursion desired, everything else zero.
const FLAGS_QUERY: u16 = 0x0100;
/// Response, operation code and truncation.
const FLAGS_RESPONSE: u16 = 0x8000;
const FLAGS_OPCODE: u16 = 0x7800;
const FLAGS_TRUNCATED: u16 = 0x0200;
const FLAGS_RCODE: u16 = 0x000F;
const RCODE_NAME_ERROR: u16 = 3;

/// Why a name has no address for us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResolveError {
    /// It is not a name: empty, a label of 0 or over 63 bytes, or over 253 bytes in all.
    BadName,
    /// There is nobody to ask.
    NoServers,
    /// Three queries were not answered.
    Timeout,
    /// Two answers said that there is no such name or that it has no IPv4 address.
    NotFound,
    /// Three answers were failures of the server, or truncated.
    ServerFailure,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadName => "the host is not a name",
            Self::NoServers => "the network named no name server",
            Self::Timeout => "the name servers do not answer",
            Self::NotFound => "the name has no address",
            Self::ServerFailure => "the name servers fail",
        })
    }
}

impl core::error::Error for ResolveError {}

/// One lookup at a time.
///
/// ```text
/// resolver.start(now, "blynk.cloud", &lease_dns_servers, seed);
/// loop {
///     while let Some((len, server)) = resolver.transmit(now, &mut buf) { send(&buf[..len], server, DNS_PORT) }
///     // each datagram from port 53: resolver.handle_received(now, from, bytes)
///     if let Some(result) = resolver.poll(now) { break result }
///     // sleep until resolver.poll_timeout()
/// }
/// ```
pub struct Resolver {
    state: State,
    host: Host,
    servers: Vec<Ipv4Address, SERVERS_MAX>,
    seed: u64,
    /// The queries whose answers are still welcome. Those that were answered are left out, so that an answer
    /// that the network delivers twice counts once.
    open: Vec<Query, QUERIES_MAX>,
    sent: u8,
    unanswered: u8,
    not_found: u8,
    failures: u8,
}

#[derive(Clone, Copy)]
enum State {
    Idle,
    /// The next query leaves at this time.
    Pausing(Instant),
    /// The newest query is given up at this time.
    Waiting(Instant),
    Done(Result<Ipv4Address, ResolveError>),
}

struct Query {
    id: u16,
    server: Ipv4Address,
}

impl Resolver {
    /// A resolver with nothing to do.
    pub const fn new() -> Self {
        Self {
            state: State::Idle,
            host: Host::new(),
            servers: Vec::new(),
            seed: 0,
            open: Vec::new(),
            sent: 0,
            unanswered: 0,
            not_found: 0,
            failures: 0,
        }
    }

    /// Begins a lookup and forgets any earlier one. A dotted address needs no servers, and 0.0.0.0 is none. The
    /// seed chooses the queries' ids and must be hard to guess.
    pub fn start(&mut self, now: Instant, host: &str, servers: &[Ipv4Address], seed: u64) {
        *self = Self { seed, ..Self::new() };
        if let Ok(address) = host.parse() {
            self.state = State::Done(Ok(address));
            return;
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        let Some(name) = Host::try_from(name).ok().filter(|name| is_name(name)) else {
            self.state = State::Done(Err(ResolveError::BadName));
            return;
        };
        let known = servers.iter().copied().filter(|server| !server.is_unspecified());
        self.servers = known.take(SERVERS_MAX).collect();
        if self.servers.is_empty() {
            self.state = State::Done(Err(ResolveError::NoServers));
            return;
        }
        self.host = name;
        self.state = State::Pausing(now);
    }

    /// Ends the lookup without a result.
    pub fn stop(&mut self) {
        self.state = State::Idle;
    }

    /// Writes the query that is due, if any, and says how long it is and whom to ask, at [`DNS_PORT`].
    /// 512 bytes of room are enough; with too little the query waits.
    pub fn transmit(&mut self, now: Instant, out: &mut [u8]) -> Option<(usize, Ipv4Address)> {
        self.on_time(now);
        let State::Pausing(due) = self.state else { return None };
        if due > now {
            return None;
        }
        let turn = usize::from(self.sent).checked_rem(self.servers.len())?;
        let server = *self.servers.get(turn)?;
        let id = query_id(self.seed, self.sent);
        let len = write_query(out, id, &self.host)?;
        self.open.push(Query { id, server }).ok()?;
        self.sent += 1;
        self.state = State::Waiting(now + QUERY_INTERVAL);
        Some((len, server))
    }

    /// Takes a datagram that came from port 53 of `from`. Anything that is not an answer to an open query is
    /// ignored (RFC 5452 section 9.1).
    pub fn handle_received(&mut self, now: Instant, from: Ipv4Address, message: &[u8]) {
        let is_asking = matches!(self.state, State::Pausing(_) | State::Waiting(_));
        if !is_asking || message.len() > MESSAGE_LEN_MAX {
            return;
        }
        let Some((id, answer)) = read_answer(message, &self.host) else { return };
        let Some(index) = self.open.iter().position(|query| query.id == id && query.server == from) else {
            return;
        };
        self.open.swap_remove(index);
        let is_newest = self.sent.checked_sub(1).is_some_and(|number| query_id(self.seed, number) == id);
        match answer {
            Answer::Address(address) => self.state = State::Done(Ok(address)),
            Answer::NotFound => {
                self.not_found += 1;
                self.on_refused(now, is_newest);
            }
            Answer::Failure => {
                self.failures += 1;
                self.on_refused(now, is_newest);
            }
        }
    }

    /// The result, once.
    pub fn poll(&mut self, now: Instant) -> Option<Result<Ipv4Address, ResolveError>> {
        self.on_time(now);
        let State::Done(result) = self.state else { return None };
        self.state = State::Idle;
        Some(result)
    }

    /// When to call [`transmit`](Self::transmit) and [`poll`](Self::poll) if nothing arrives. Any other call
    /// invalidates it. A time that has passed means that a query or the result is waiting to be fetched.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Pausing(at) | State::Waiting(at) => Some(at),
            State::Done(_) => Some(Instant::ZERO),
        }
    }

    fn on_time(&mut self, now: Instant) {
        if let State::Waiting(until) = self.state
            && until <= now
        {
            self.unanswered += 1;
            self.state = State::Pausing(now);
            self.on_counted();
        }
    }

    fn on_refused(&mut self, now: Instant, is_newest: bool) {
        // A late answer to an earlier query counts, but leaves the newest one its time.
        if is_newest && matches!(self.state, State::Waiting(_)) {
            self.state = State::Pausing(now + REFUSAL_PAUSE);
        }
        self.on_counted();
    }

    fn on_counted(&mut self) {
        let error = if self.not_found >= NOT_FOUND_MAX {
            ResolveError::NotFound
        } else if self.failures >= FAILURES_MAX {
            ResolveError::ServerFailure
        } else if self.unanswered >= UNANSWERED_MAX {
            ResolveError::Timeout
        } else {
            return;
        };
        self.state = State::Done(Err(error));
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resolver({}, {} sent)", self.host, self.sent)
    }
}

/// What an answer says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Address(Ipv4Address),
    NotFound,
    Failure,
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= HOST_LEN_MAX
        && name.bytes().all(|byte| byte.is_ascii_graphic())
        && labels_of(name).all(|label| (1..=LABEL_LEN_MAX).contains(&label.len()))
}

fn labels_of(name: &str) -> impl Iterator<Item = &[u8]> {
    name.as_bytes().split(|byte| *byte == b'.')
}

/// The number of this query in the seed's sequence, so that one id does not tell the next.
fn query_id(seed: u64, number: u8) -> u16 {
    let mut random = SplitMix64::new(seed);
    let bits = (0..number).fold(random.next_u64(), |_, _| random.next_u64());
    let [low, high, ..] = bits.to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// RFC 1035 section 4.1: a header, one question, nothing else. `None` when there is no room.
fn write_query(out: &mut [u8], id: u16, name: &str) -> Option<usize> {
    let mut len = 0;
    let mut put = |bytes: &[u8]| {
        out.get_mut(len..len + bytes.len())?.copy_from_slice(bytes);
        len += bytes.len();
        Some(())
    };
    for field in [id, FLAGS_QUERY, 1, 0, 0, 0] {
        put(&field.to_be_bytes())?;
    }
    for label in labels_of(name) {
        put(&[u8::try_from(label.len()).ok()?])?;
        put(label)?;
    }
    put(&[0])?;
    put(&TYPE_A.to_be_bytes())?;
    put(&CLASS_IN.to_be_bytes())?;
    Some(len)
}

/// Reads an answer to a question for this name; `None` when it is not one, or is broken.
fn read_answer(message: &[u8], name: &str) -> Option<(u16, Answer)> {
    let flags = u16_at(message, 2)?;
    if flags & FLAGS_RESPONSE == 0 || flags & FLAGS_OPCODE != 0 || u16_at(message, 4)? != 1 {
        return None;
    }
    let question = Name { message, at: HEADER_LEN };
    let behind = question.end()?;
    let asked = question.labels().map(|label| label.unwrap_or_default());
    if !same_labels(asked, labels_of(name))
        || u16_at(message, behind)? != TYPE_A
        || u16_at(message, behind + 2)? != CLASS_IN
    {
        return None;
    }
    let answer = match flags & FLAGS_RCODE {
        _ if flags & FLAGS_TRUNCATED != 0 => Answer::Failure,
        0 => find_address(message, behind + 4, question)?,
        RCODE_NAME_ERROR => Answer::NotFound,
        _ => Answer::Failure,
    };
    Some((u16_at(message, 0)?, answer))
}

/// Follows aliases to an address; the records may stand in any order.
fn find_address(message: &[u8], records_at: usize, question: Name<'_>) -> Option<Answer> {
    let mut wanted = question;
    for _ in 0..=ALIASES_MAX {
        let mut alias = None;
        let mut at = records_at;
        for _ in 0..u16_at(message, 6)? {
            let record = Record::read(message, at)?;
            at = record.end;
            if record.class != CLASS_IN || !record.owner.is_same(&wanted) {
                continue;
            }
            match (record.kind, message.get(record.data_at..record.end)?) {
                (TYPE_A, &[a, b, c, d]) => return Some(usable(Ipv4Address::new(a, b, c, d))),
                (TYPE_CNAME, _) => alias = Some(Name { message, at: record.data_at }),
                _ => (),
            }
        }
        match alias {
            Some(name) => wanted = name,
            None => return Some(Answer::NotFound),
        }
    }
    Some(Answer::Failure)
}

/// A name server that blocks a name often answers with an address nobody has.
fn usable(address: Ipv4Address) -> Answer {
    if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
        Answer::NotFound
    } else {
        Answer::Address(address)
    }
}

/// RFC 1035 section 4.1.3.
struct Record<'a> {
    owner: Name<'a>,
    kind: u16,
    class: u16,
    data_at: usize,
    end: usize,
}

impl<'a> Record<'a> {
    fn read(message: &'a [u8], at: usize) -> Option<Self> {
        let owner = Name { message, at };
        let fields = owner.end()?;
        let data_at = fields + 10;
        let end = data_at + usize::from(u16_at(message, fields + 8)?);
        message.get(data_at..end)?;
        Some(Self {
            owner,
            kind: u16_at(message, fields)?,
            class: u16_at(message, fields + 2)?,
            data_at,
            end,
        })
    }
}

/// A name inside a message, which may continue elsewhere (RFC 1035 section 4.1.4).
#[derive(Clone, Copy)]
struct Name<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Name<'a> {
    /// Where the bytes behind the name begin; `None` when the name is broken anywhere along its pointers.
    fn end(&self) -> Option<usize> {
        if self.labels().any(|label| label.is_none()) {
            return None;
        }
        let mut at = self.at;
        for _ in 0..=LABELS_MAX {
            match *self.message.get(at)? {
                0 => return Some(at + 1),
                0xC0.. => return Some(at + 2),
                len => at += 1 + usize::from(len),
            }
        }
        None
    }

    /// The labels, without the root's; a `None` among them ends a broken name.
    fn labels(&self) -> Labels<'a> {
        Labels { message: self.message, at: Some(self.at), limit: self.at, left: LABELS_MAX }
    }

    /// Whether both are the same but for the case of letters. A broken name is the same as nothing.
    fn is_same(&self, other: &Self) -> bool {
        if self.end().is_none() || other.end().is_none() {
            return false;
        }
        same_labels(
            self.labels().map(|label| label.unwrap_or_default()),
            other.labels().map(|label| label.unwrap_or_default()),
        )
    }
}

struct Labels<'a> {
    message: &'a [u8],
    at: Option<usize>,
    /// Pointers must lead before this, the start of the present piece: so each jump goes further back and
    /// none can make a loop.
    limit: usize,
    left: usize,
}

impl<'a> Labels<'a> {
    /// The next label; `Ok(None)` at the root.
    fn step(&mut self, mut at: usize) -> Option<Option<&'a [u8]>> {
        loop {
            let len = *self.message.get(at)?;
            match len {
                0 => return Some(None),
                0xC0.. => {
                    let target = usize::from(u16_at(self.message, at)? & 0x3FFF);
                    if target >= self.limit {
                        return None;
                    }
                    self.limit = target;
                    at = target;
                }
                // 0x40 and 0x80 were never assigned for use.
                0x40..=0xBF => return None,
                1..=0x3F => {
                    self.left = self.left.checked_sub(1)?;
                    let start = at + 1;
                    let end = start + usize::from(len);
                    let label = self.message.get(start..end)?;
                    self.at = Some(end);
                    return Some(Some(label));
                }
            }
        }
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at.take()?;
        match self.step(at) {
            Some(Some(label)) => Some(Some(label)),
            Some(None) => None,
            None => Some(None),
        }
    }
}

/// RFC 4343: names are compared without regard to the case of ASCII letters.
fn same_labels<'a, 'b>(mut a: impl Iterator<Item = &'a [u8]>, mut b: impl Iterator<Item = &'b [u8]>) -> bool {
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => (),
            (Some(_), Some(_)) | (None, Some(_)) | (Some(_), None) => return false,
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests;
