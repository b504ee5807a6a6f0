//! Asks one server for the time (SNTP: RFC 5905 section 14, RFC 4330), without a socket and without a clock.
//!
//! The owner moves datagrams between it and a UDP socket on a random port (RFC 9109); it must pass on where each
//! one came from. Only the server's transmit timestamp is used: the way back takes far less than what the dates
//! of certificates need. What is sent tells nothing of the device: its transmit timestamp is 64 random bits, which
//! the answer must repeat (RFC 8633 section 5 advises such checks), so that whoever does not see the question cannot
//! answer it. Whoever does see it can: SNTP proves nothing.
//!
//! ```text
//!   0  leap indicator (2 bits), version (3), mode (3)      24  origin: the question's transmit timestamp
//!   1  stratum                                             32  receive timestamp
//!   2  nothing that is used here                           40  transmit timestamp
//! ```

use core::fmt;

use smoltcp::wire::Ipv4Address;

use crate::hal::UnixTime;
use crate::random::SplitMix64;
use crate::{Duration, Instant};

/// Where questions go.
pub const NTP_PORT: u16 = 123;
/// A message without extensions (RFC 5905 section 7.3). What stands behind it in an answer is not looked at.
pub const MESSAGE_LEN: usize = 48;
/// So many questions that are not answered end the asking.
pub const QUESTIONS_MAX: u8 = 3;
/// How long an answer may take before the next question leaves, or the asking ends.
pub const QUESTION_INTERVAL: Duration = Duration::from_secs(1);
/// No earlier time is believed: 2025-07-01T00:00:00Z, before this code was written.
pub const TIME_FLOOR: UnixTime = UnixTime(1_751_328_000);

const STRATUM_AT: usize = 1;
const ORIGIN_AT: usize = 24;
const TRANSMIT_AT: usize = 40;
/// No leap second, version 4, client.
const QUESTION: u8 = 0b00_100_011;
const MODE: u8 = 0b111;
const MODE_SERVER: u8 = 4;
/// Servers answer in the version of the question; some old ones do not.
const VERSIONS: core::ops::RangeInclusive<u8> = 3..=4;
/// The server's clock is not synchronised.
const LEAP_UNKNOWN: u8 = 3;
/// The server has something to say to us instead of the time: leave me alone (kiss-o'-death, RFC 5905 section 7.4).
const STRATUM_KISS: u8 = 0;
/// From 16 on a clock is not synchronised (RFC 5905 section 7.3).
const STRATUM_MAX: u8 = 15;
/// Seconds from 1900-01-01 to 1970-01-01 (RFC 5905 figure 4).
const UNIX_IN_NTP: u64 = 2_208_988_800;
/// Timestamps below are of the era that begins 2036-02-07, others of the one before (RFC 4330 section 3). So the two
/// reach from 1968 to 2104.
const ERA_PIVOT: u32 = 1 << 31;

/// Why there is no time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeError {
    /// The server's name has no address.
    NotFound,
    /// Nobody answered in time.
    Silent,
    /// The server does not want to be asked (kiss-o'-death).
    Refused,
    /// The server does not know the time itself.
    Unsynchronised,
    /// The time is earlier than it can be.
    Implausible,
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "the time server's name has no address",
            Self::Silent => "the time server does not answer",
            Self::Refused => "the time server refuses",
            Self::Unsynchronised => "the time server does not know it",
            Self::Implausible => "the time server's time is long past",
        })
    }
}

impl core::error::Error for TimeError {}

/// Asks one server at a time.
///
/// ```text
/// sntp.start(server, TIME_FLOOR, seed);
/// loop {
///     if let Some(len) = sntp.transmit(now, &mut buf) { send(&buf[..len], server, NTP_PORT) }
///     // each datagram: sntp.handle_received(from, port, bytes)
///     if let Some(result) = sntp.poll(now) { break result }
///     // sleep until sntp.poll_timeout()
/// }
/// ```
#[derive(Debug)]
pub struct Sntp {
    state: State,
    server: Ipv4Address,
    /// What is sent as transmit timestamp. All questions to a server have the same, so that a late answer is
    /// as good as any.
    nonce: [u8; 8],
    floor: UnixTime,
    sent: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Idle,
    /// The next question leaves now.
    Due,
    /// An answer may come until then.
    Waiting(Instant),
    Done(Result<UnixTime, TimeError>),
}

impl Sntp {
    /// A client with nothing to do.
    pub const fn new() -> Self {
        Self {
            state: State::Idle,
            server: Ipv4Address::UNSPECIFIED,
            nonce: [0; 8],
            floor: TIME_FLOOR,
            sent: 0,
        }
    }

    /// Begins to ask this server. A time before `floor` will not be believed. `seed` makes the question one that
    /// nobody can guess.
    pub fn start(&mut self, server: Ipv4Address, floor: UnixTime, seed: u64) {
        let nonce = SplitMix64::new(seed).next_u64().to_be_bytes();
        *self = Self { state: State::Due, server, nonce, floor, sent: 0 };
    }

    /// Whom it asks.
    pub fn server(&self) -> Ipv4Address {
        self.server
    }

    /// Puts the question that is due into `out`, of at least [`MESSAGE_LEN`] bytes; returns its length.
    pub fn transmit(&mut self, now: Instant, out: &mut [u8]) -> Option<usize> {
        self.on_time(now);
        if self.state != State::Due {
            return None;
        }
        let message = out.first_chunk_mut::<MESSAGE_LEN>()?;
        *message = [0; MESSAGE_LEN];
        let [first, ..] = message;
        *first = QUESTION;
        *message.last_chunk_mut()? = self.nonce;
        self.sent += 1;
        self.state = State::Waiting(now + QUESTION_INTERVAL);
        Some(MESSAGE_LEN)
    }

    /// Takes a datagram that came from this address and port. What is no answer to the question is ignored; an answer
    /// that is of no use is the end, for the server will not know better in a second.
    pub fn handle_received(&mut self, from: Ipv4Address, port: u16, message: &[u8]) {
        if !matches!(self.state, State::Waiting(_)) || from != self.server || port != NTP_PORT {
            return;
        }
        if let Some(result) = read_answer(message, &self.nonce) {
            let is_early = |time| time < self.floor;
            self.state = State::Done(match result {
                Ok(time) if is_early(time) => Err(TimeError::Implausible),
                Ok(_) | Err(_) => result,
            });
        }
    }

    /// The time as the server's answer has it, or why there is none; once.
    pub fn poll(&mut self, now: Instant) -> Option<Result<UnixTime, TimeError>> {
        self.on_time(now);
        let State::Done(result) = self.state else { return None };
        self.state = State::Idle;
        Some(result)
    }

    /// When to call [`transmit`](Self::transmit) and [`poll`](Self::poll) if nothing arrives. Any other call
    /// invalidates it. A time that has passed means that a question or the result is waiting to be fetched.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Waiting(until) => Some(until),
            State::Due | State::Done(_) => Some(Instant::ZERO),
        }
    }

    fn on_time(&mut self, now: Instant) {
        if let State::Waiting(until) = self.state
            && until <= now
        {
            let is_over = self.sent >= QUESTIONS_MAX;
            self.state = if is_over { State::Done(Err(TimeError::Silent)) } else { State::Due };
        }
    }
}

impl Default for Sntp {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads an answer to the question with this transmit timestamp; `None` when it is not one.
fn read_answer(message: &[u8], nonce: &[u8; 8]) -> Option<Result<UnixTime, TimeError>> {
    let message: &[u8; MESSAGE_LEN] = message.first_chunk()?;
    let [flags, ..] = *message;
    let stratum = *message.get(STRATUM_AT)?;
    let is_answer = flags & MODE == MODE_SERVER && VERSIONS.contains(&((flags >> 3) & 0b111));
    if !is_answer || message.get(ORIGIN_AT..)?.first_chunk() != Some(nonce) {
        return None;
    }
    if stratum == STRATUM_KISS {
        return Some(Err(TimeError::Refused));
    }
    let (seconds, fraction) = message.get(TRANSMIT_AT..)?.split_first_chunk()?;
    let seconds = u32::from_be_bytes(*seconds);
    // A server that has never been set sends zero (RFC 4330 section 5).
    let is_set = seconds != 0 || fraction != [0; 4];
    if flags >> 6 == LEAP_UNKNOWN || stratum > STRATUM_MAX || !is_set {
        return Some(Err(TimeError::Unsynchronised));
    }
    Some(Ok(unix_time(seconds)))
}

/// The seconds of an NTP timestamp. What is before 1970 becomes 1970.
fn unix_time(seconds: u32) -> UnixTime {
    let era = if seconds < ERA_PIVOT { 1 << 32 } else { 0 };
    UnixTime((era + u64::from(seconds)).saturating_sub(UNIX_IN_NTP))
}

#[cfg(test)]
mod tests;
