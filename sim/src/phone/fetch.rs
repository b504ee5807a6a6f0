//! One HTTP exchange over a TCP connection, a new one or one that was kept.

use firmware_core::hal::{SecureChannel, SecureError};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};

use super::http::{self, Parse, RESPONSE_LEN_MAX, Response};
use super::line::{Connection, Line, Server};
use crate::actor::soonest;

/// A phone's app gives up connecting after this.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// What is moved out of the secure channel at once, in bytes.
const CHUNK_LEN: usize = 512;

/// Why there is no response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FetchError {
    LineLost,
    CannotConnect,
    ConnectTimeout,
    Refused,
    Closed,
    Timeout,
    Secure(SecureError),
    Malformed,
}

impl FetchError {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::LineLost => "the access point was lost",
            Self::CannotConnect => "no connection can be made",
            Self::ConnectTimeout => "nobody answers",
            Self::Refused => "the connection is refused",
            Self::Closed => "the connection ended before the reply",
            Self::Timeout => "no reply in time",
            Self::Secure(SecureError::WrongName) => "the certificate is for another name",
            Self::Secure(SecureError::Expired) => "the certificate has expired",
            Self::Secure(SecureError::NotYetValid) => "the certificate is not valid yet",
            Self::Secure(SecureError::UnknownAuthority) => "the certificate is of an unknown authority",
            Self::Secure(SecureError::Protocol) => "the server does not speak TLS",
            Self::Secure(SecureError::Unavailable) => "there is no TLS",
            Self::Secure(SecureError::Truncated) => "the server ends before TLS has begun",
            Self::Secure(SecureError::DateUnknown) => "nobody knows what day it is",
            Self::Secure(SecureError::Timeout) => "the server does not answer the beginning of TLS",
            Self::Malformed => "the reply is cut short or not HTTP",
        }
    }
}

/// How an exchange differs from asking at once and waiting for the reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Manner {
    /// Sends no faster than this many bytes a second.
    pub(super) bytes_per_second: Option<u32>,
    /// Closes right after the request.
    pub(super) close_before_reply: bool,
}

impl Manner {
    pub(super) const PLAIN: Self = Self { bytes_per_second: None, close_before_reply: false };
}

/// How an exchange ended.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Ended {
    Replied(Response),
    /// As [`Manner::close_before_reply`] wants it.
    ClosedEarly,
    Failed(FetchError),
}

/// One exchange under way.
pub(super) struct Fetch {
    line: u64,
    connection: Connection,
    /// The connection has served another request, and the server may have closed it meanwhile.
    is_reused: bool,
    request: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
    connected_at: Option<Instant>,
    connect_by: Instant,
    give_up_at: Instant,
    next_byte_at: Option<Instant>,
    manner: Manner,
    is_closing: bool,
}

impl Fetch {
    /// Starts to connect, unless a connection was kept; `limit` is for the whole exchange, without the time that
    /// sending slowly takes.
    pub(super) fn start(
        now: Instant,
        line: &mut Line,
        server: Server,
        request: Vec<u8>,
        limit: Duration,
        manner: Manner,
    ) -> Result<Self, FetchError> {
        let kept = line.take_kept(&server);
        let is_reused = kept.is_some();
        let connection = kept.or_else(|| line.connect(now, server)).ok_or(FetchError::CannotConnect)?;
        // A paced request goes out as it is written, not gathered (RFC 896).
        line.stack().tcp(connection.socket).set_nagle_enabled(manner.bytes_per_second.is_none());
        // Who sends slowly does not wait for the answer meanwhile.
        let rate = manner.bytes_per_second.map(|rate| u64::from(rate.max(1)));
        let sending_time = rate.map_or(Duration::ZERO, |rate| {
            Duration::from_micros((request.len() as u64 * 1_000_000).div_ceil(rate))
        });
        Ok(Self {
            line: line.id,
            connection,
            is_reused,
            request,
            sent: 0,
            received: Vec::new(),
            connected_at: is_reused.then_some(now),
            connect_by: now + CONNECT_LIMIT.min(limit),
            give_up_at: now + limit + sending_time,
            next_byte_at: None,
            manner,
            is_closing: false,
        })
    }

    /// Moves what can be moved; `Some` ends the exchange.
    pub(super) fn poll(&mut self, now: Instant, line: Option<&mut Line>) -> Option<Ended> {
        let Some(line) = line.filter(|line| line.id == self.line) else {
            return Some(Ended::Failed(FetchError::LineLost));
        };
        let socket = line.stack().tcp(self.connection.socket);
        let ended = self.exchange(now, socket);
        match &ended {
            None => return None,
            Some(Ended::Replied(response)) if response.keep_alive => {
                let Connection { server, socket, secure } = &mut self.connection;
                line.keep(Connection { server: server.clone(), socket: *socket, secure: secure.take() });
                return ended;
            }
            // The closing handshake goes on by itself.
            Some(Ended::Replied(_)) => socket.close(),
            Some(Ended::ClosedEarly) => {}
            Some(Ended::Failed(error)) => {
                socket.abort();
                if self.is_reused && *error == FetchError::Closed {
                    line.release(self.connection.socket);
                    return self.start_over(now, line);
                }
            }
        }
        line.release(self.connection.socket);
        ended
    }

    /// Sends the request again on a new connection: a server may end a kept one at any time, and then has not
    /// looked at the request (RFC 9112 section 9.3.1).
    fn start_over(&mut self, now: Instant, line: &mut Line) -> Option<Ended> {
        let Some(connection) = line.connect(now, self.connection.server.clone()) else {
            return Some(Ended::Failed(FetchError::CannotConnect));
        };
        self.connection = connection;
        self.is_reused = false;
        self.sent = 0;
        self.connected_at = None;
        self.connect_by = self.give_up_at.min(now + CONNECT_LIMIT);
        None
    }

    /// Whether the whole request was handed to TCP.
    pub(super) fn is_sent(&self) -> bool {
        self.sent == self.request.len()
    }

    /// Whether our side of the connection was closed before the reply, as [`Manner::close_before_reply`] wants.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// When to poll again if no packet comes.
    pub(super) fn next_wake(&self) -> Instant {
        let deadline = if self.connected_at.is_some() { self.give_up_at } else { self.connect_by };
        soonest(Some(deadline), self.next_byte_at).unwrap_or(deadline)
    }

    /// Drops the connection.
    pub(super) fn abandon(&self, line: Option<&mut Line>) {
        if let Some(line) = line.filter(|line| line.id == self.line) {
            line.stack().tcp(self.connection.socket).abort();
            line.release(self.connection.socket);
        }
    }

    fn exchange(&mut self, now: Instant, socket: &mut tcp::Socket<'_>) -> Option<Ended> {
        if self.connected_at.is_none() {
            if socket.state() == tcp::State::Closed {
                return Some(Ended::Failed(FetchError::Refused));
            }
            if !socket.may_send() {
                return (self.connect_by <= now).then_some(Ended::Failed(FetchError::ConnectTimeout));
            }
            self.connected_at = Some(now);
        }
        if self.is_closing {
            return self.close_early(now, socket);
        }
        let before = self.received.len();
        if let Err(error) = self.receive(now, socket) {
            return Some(Ended::Failed(error));
        }
        self.send(now, socket);
        let is_over = !socket.may_recv() && !socket.can_recv();
        if self.received.len() > before || is_over {
            match http::parse(&self.received, is_over) {
                Parse::Done(response) => return Some(Ended::Replied(response)),
                Parse::Malformed if self.received.is_empty() => {
                    return Some(Ended::Failed(FetchError::Closed));
                }
                Parse::Malformed => return Some(Ended::Failed(FetchError::Malformed)),
                Parse::NeedMore => {}
            }
        }
        if self.manner.close_before_reply && self.is_sent() {
            // Before the stack sends anything: the end of the connection travels with the request.
            socket.close();
            self.is_closing = true;
        }
        (self.give_up_at <= now).then_some(Ended::Failed(FetchError::Timeout))
    }

    /// Waits until the request has arrived, and hears nothing more. Data for a closed socket is answered with a reset (RFC 1122
    /// section 4.2.2.13).
    fn close_early(&self, now: Instant, socket: &mut tcp::Socket<'_>) -> Option<Ended> {
        let is_reset = socket.can_recv() || self.give_up_at <= now;
        if is_reset {
            socket.abort();
        }
        (is_reset || socket.send_queue() == 0).then_some(Ended::ClosedEarly)
    }

    fn receive(&mut self, now: Instant, socket: &mut tcp::Socket<'_>) -> Result<(), FetchError> {
        while socket.can_recv() {
            let Some(channel) = &mut self.connection.secure else {
                let received = &mut self.received;
                // `can_recv` says that there is data, so that this cannot fail.
                let _ = socket.recv(|data| {
                    received.extend_from_slice(data);
                    (data.len(), ())
                });
                continue;
            };
            let taken = socket.recv(|wire| match channel.receive(now, wire) {
                Ok(taken) => (taken, Ok(taken)),
                Err(error) => (0, Err(error)),
            });
            let Ok(taken) = taken else { break };
            let taken = taken.map_err(FetchError::Secure)?;
            let mut given = 0;
            let mut chunk = [0; CHUNK_LEN];
            loop {
                let len = channel.read(&mut chunk);
                self.received.extend_from_slice(&chunk[..len]);
                given += len;
                if len == 0 || self.received.len() > RESPONSE_LEN_MAX {
                    break;
                }
            }
            if taken == 0 && given == 0 {
                break;
            }
            if self.received.len() > RESPONSE_LEN_MAX {
                break;
            }
        }
        if self.received.len() > RESPONSE_LEN_MAX { Err(FetchError::Malformed) } else { Ok(()) }
    }

    fn send(&mut self, now: Instant, socket: &mut tcp::Socket<'_>) {
        let limit = self.allowed(now);
        if let Some(channel) = &mut self.connection.secure {
            loop {
                self.sent += channel.write(&self.request[self.sent..limit.max(self.sent)]);
                let moved = socket.send(|wire| {
                    let len = channel.transmit(wire);
                    (len, len)
                });
                if !matches!(moved, Ok(1..)) {
                    break;
                }
            }
        } else if self.sent < limit && socket.can_send() {
            self.sent += socket.send_slice(&self.request[self.sent..limit]).unwrap_or(0);
        }
        // A full socket wakes us by itself when there is room again.
        self.next_byte_at = if self.sent == limit { self.byte_due_at() } else { None };
    }

    /// How many bytes of the request may have been sent by now.
    fn allowed(&self, now: Instant) -> usize {
        let len = self.request.len();
        let (Some(rate), Some(since)) = (self.manner.bytes_per_second, self.connected_at) else { return len };
        let count = (now - since).total_micros() * u64::from(rate.max(1)) / 1_000_000;
        usize::try_from(count).map_or(len, |count| len.min(count + 1))
    }

    /// When a paced request may send its next byte.
    fn byte_due_at(&self) -> Option<Instant> {
        let (Some(rate), Some(since)) = (self.manner.bytes_per_second, self.connected_at) else {
            return None;
        };
        let micros = (self.sent as u64 * 1_000_000).div_ceil(u64::from(rate.max(1)));
        (!self.is_sent()).then(|| since + Duration::from_micros(micros))
    }
}
