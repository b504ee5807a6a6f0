//! What leaves the device: the send queue with its pace, and [`Outgoing`], the product's door to it.
//!
//! Nothing is dropped silently: a message that does not fit is an error for whoever sends it.

use core::fmt::{self, Display};

use crate::cloud::codec::{BODY_LEN_MAX, Command, EncodeError, FrameWriter, HEADER_LEN, Header, Status};
use crate::{Duration, Instant};

/// Room for one frame of the longest kind and about as much in short ones.
pub const SEND_QUEUE_LEN: usize = 2048;
/// Blynk's library sends at most 15 commands a second (`BLYNK_MSG_LIMIT`), in whole milliseconds.
pub const COMMAND_SPACING: Duration = Duration::from_millis(1000 / 15);
/// The cloud discards events with a longer description.
pub const EVENT_DESCRIPTION_LEN_MAX: usize = 300;

/// What product messages leave free, so that answers and pings always find room.
const ANSWER_RESERVE: usize = 64;
/// What answers before the login's leave free besides: the info frame (at most 311 bytes) and the hotspot's name
/// (at most 59), which go before anything else once the login is answered.
pub(super) const LOGIN_RESERVE: usize = 384;
/// What answers leave free in turn. A pipe that takes nothing stops the handling of messages at this mark. One
/// more may arrive and wait; before it and behind it, four pings each fit into the time until the link is dead.
const PING_RESERVE: usize = 8 * HEADER_LEN;

/// Why a message was not accepted for sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendError {
    /// The device is not logged in.
    NotConnected,
    /// Too much is waiting to be sent; try again later.
    Full,
    /// The message is longer than the cloud takes.
    TooLong,
    /// A value holds a NUL byte or cannot be written as text.
    Value,
}

impl Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConnected => "the device is not logged in",
            Self::Full => "too many messages are waiting to be sent",
            Self::TooLong => "the message is too long",
            Self::Value => "a value holds a NUL byte or cannot be written as text",
        })
    }
}

impl core::error::Error for SendError {}

impl From<EncodeError> for SendError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::TooLong => Self::TooLong,
            EncodeError::NoRoom => Self::Full,
            EncodeError::Value => Self::Value,
        }
    }
}

/// What product code may send to the cloud.
///
/// Everything that is sent while an incoming message is handled carries that message's id, as with Blynk's
/// own library.
pub struct Outgoing<'a> {
    pub(super) link: &'a mut Link,
    pub(super) now: Instant,
    pub(super) reply_id: Option<u16>,
    pub(super) is_connected: bool,
}

impl Outgoing<'_> {
    /// Whether the device is logged in; when it is not, everything ends in [`SendError::NotConnected`].
    pub fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Writes values to a virtual pin.
    ///
    /// # Errors
    /// Says why the message was not accepted.
    pub fn virtual_write(&mut self, pin: u8, values: &[&dyn Display]) -> Result<(), SendError> {
        self.send(Command::Hardware, |frame| {
            frame.param(b"vw").display(&pin);
            for value in values {
                frame.display(value);
            }
        })
    }

    /// Asks for the stored value of every pin; they arrive as virtual writes.
    ///
    /// # Errors
    /// Says why the message was not accepted.
    pub fn sync_all(&mut self) -> Result<(), SendError> {
        self.send(Command::HardwareSync, |_| ())
    }

    /// Asks for the stored values of these pins; they arrive as virtual writes.
    ///
    /// # Errors
    /// Says why the message was not accepted.
    pub fn sync(&mut self, pins: &[u8]) -> Result<(), SendError> {
        self.send(Command::HardwareSync, |frame| {
            frame.param(b"vr");
            for pin in pins {
                frame.display(pin);
            }
        })
    }

    /// Records an event of the template; the description may be empty and has at most 300 characters.
    ///
    /// # Errors
    /// Says why the message was not accepted.
    pub fn event(&mut self, code: &str, description: &str) -> Result<(), SendError> {
        if description.chars().count() > EVENT_DESCRIPTION_LEN_MAX {
            return Err(SendError::TooLong);
        }
        self.send(Command::EventLog, |frame| {
            frame.param(code.as_bytes());
            if !description.is_empty() {
                frame.param(description.as_bytes());
            }
        })
    }

    /// Resolves the newest event with this code.
    ///
    /// # Errors
    /// Says why the message was not accepted.
    pub fn resolve_event(&mut self, code: &str) -> Result<(), SendError> {
        self.send(Command::EventClear, |frame| {
            frame.param(code.as_bytes());
        })
    }

    /// Resolves every event with this code.
    ///
    /// # Errors
    /// Says why the message was not accepted.
    pub fn resolve_all_events(&mut self, code: &str) -> Result<(), SendError> {
        self.send(Command::EventClear, |frame| {
            frame.param(code.as_bytes()).param(b"all");
        })
    }

    /// Changes how a pin's widget looks, such as its `label`.
    ///
    /// # Errors
    /// Says why the message was not accepted.
    pub fn property(&mut self, pin: u8, name: &str, value: &dyn Display) -> Result<(), SendError> {
        self.send(Command::Property, |frame| {
            frame.display(&pin).param(name.as_bytes()).display(value);
        })
    }

    /// Sends an internal message, such as `rtc sync` or `meta get Device Name`; the answer arrives at
    /// [`on_internal`](crate::application::Application::on_internal).
    ///
    /// # Errors
    /// Says why the message was not accepted.
    pub fn internal(&mut self, parts: &[&dyn Display]) -> Result<(), SendError> {
        self.send(Command::Internal, |frame| {
            for part in parts {
                frame.display(part);
            }
        })
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Answers the message that is being handled.
    pub(super) fn answer(&mut self, status: Status) {
        if let Some(id) = self.reply_id {
            self.link.answer(self.now, id, status);
        }
    }

    fn send(&mut self, command: Command, build: impl FnOnce(&mut FrameWriter<'_>)) -> Result<(), SendError> {
        if !self.is_connected {
            return Err(SendError::NotConnected);
        }
        self.link.append(self.now, command, self.reply_id, build)
    }
}

const _: () = assert!(HEADER_LEN + BODY_LEN_MAX + ANSWER_RESERVE <= SEND_QUEUE_LEN);
const _: () = assert!(PING_RESERVE + HEADER_LEN <= ANSWER_RESERVE);

/// The queue of bytes to send and the counters of one connection.
///
/// One array holds first the bytes that may go on the wire and then whole frames that wait for their turn.
pub(super) struct Link {
    bytes: [u8; SEND_QUEUE_LEN],
    len: usize,
    /// The bytes before this may go on the wire.
    ready: usize,
    /// When the first waiting frame may go. It is settled when that frame becomes the first, so that a peer
    /// that never stops talking cannot hold it back for ever.
    due: Instant,
    last_id: u16,
    /// When the last whole frame arrived.
    pub(super) last_in: Instant,
    /// When the last frame was let onto the wire.
    pub(super) last_out: Instant,
}

impl Link {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; SEND_QUEUE_LEN],
            len: 0,
            ready: 0,
            due: Instant::ZERO,
            last_id: 0,
            last_in: Instant::ZERO,
            last_out: Instant::ZERO,
        }
    }

    /// Forgets the earlier connection. The bytes are overwritten because a token may be among them.
    pub(super) fn reset(&mut self, now: Instant) {
        *self = Self { last_in: now, last_out: now, ..Self::new() };
    }

    /// Queues a frame behind all others. Without an id it gets the next one.
    pub(super) fn append(
        &mut self,
        now: Instant,
        command: Command,
        id: Option<u16>,
        build: impl FnOnce(&mut FrameWriter<'_>),
    ) -> Result<(), SendError> {
        let next_id = self.next_id();
        let was_waiting = self.ready < self.len;
        let free = self.bytes.get_mut(self.len..SEND_QUEUE_LEN - ANSWER_RESERVE).unwrap_or_default();
        let mut frame = FrameWriter::new(free, command, id.unwrap_or(next_id), BODY_LEN_MAX);
        build(&mut frame);
        self.len += frame.finish()?;
        if id.is_none() {
            self.last_id = next_id;
        }
        if !was_waiting {
            self.due = self.last_in.max(self.last_out) + COMMAND_SPACING;
        }
        self.promote(now);
        Ok(())
    }

    /// Answers a message ahead of everything that waits. The room was made sure of by
    /// [`has_room_for_answer`](Self::has_room_for_answer).
    pub(super) fn answer(&mut self, now: Instant, id: u16, status: Status) {
        self.insert(now, Header { command: Command::Response, id, length: status.0 }, PING_RESERVE);
    }

    /// Sends a ping ahead of everything that waits, in the room that is kept for it.
    pub(super) fn ping(&mut self, now: Instant) {
        let id = self.next_id();
        if self.insert(now, Header { command: Command::Ping, id, length: 0 }, 0) {
            self.last_id = id;
        }
    }

    /// Whether an incoming message may be handled: it may have to be answered.
    pub(super) fn has_room_for_answer(&self) -> bool {
        self.len + HEADER_LEN + PING_RESERVE <= SEND_QUEUE_LEN
    }

    /// Whether an incoming message may be handled before the login is answered: it may be that answer.
    pub(super) fn has_room_for_login(&self) -> bool {
        self.len + HEADER_LEN + LOGIN_RESERVE + ANSWER_RESERVE <= SEND_QUEUE_LEN
    }

    /// Lets waiting frames onto the wire as far as their pace allows.
    pub(super) fn promote(&mut self, now: Instant) {
        while let Some(header) = self.first_waiting() {
            if is_spaced(header.command) && now < self.due {
                return;
            }
            self.ready += HEADER_LEN + header.body_len();
            self.last_out = now;
            self.due = now + COMMAND_SPACING;
        }
    }

    /// When the first waiting frame may go; `None` when none waits.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.first_waiting().map(|_| self.due)
    }

    /// Gives bytes for the wire.
    pub(super) fn transmit(&mut self, out: &mut [u8]) -> usize {
        let count = self.ready.min(out.len());
        if let (Some(out), Some(bytes)) = (out.get_mut(..count), self.bytes.get(..count)) {
            out.copy_from_slice(bytes);
        }
        self.bytes.copy_within(count..self.len, 0);
        self.ready -= count;
        self.len -= count;
        count
    }

    /// Whether bytes may go on the wire now.
    pub(super) fn has_bytes(&self) -> bool {
        self.ready > 0
    }

    fn insert(&mut self, now: Instant, header: Header, reserve: usize) -> bool {
        if self.len + HEADER_LEN + reserve > SEND_QUEUE_LEN {
            debug_assert!(false, "the room for answers and pings was kept");
            return false;
        }
        self.bytes.copy_within(self.ready..self.len, self.ready + HEADER_LEN);
        let Some(place) = self.bytes.get_mut(self.ready..self.ready + HEADER_LEN) else { return false };
        place.copy_from_slice(&header.encode());
        self.ready += HEADER_LEN;
        self.len += HEADER_LEN;
        self.last_out = now;
        true
    }

    fn first_waiting(&self) -> Option<Header> {
        let waiting = self.bytes.get(self.ready..self.len)?;
        waiting.first_chunk().copied().map(Header::decode)
    }

    /// Ids run from 1 to 65535 and around; 0 is illegal.
    fn next_id(&self) -> u16 {
        self.last_id.checked_add(1).unwrap_or(1)
    }
}

/// Commands 15 to 20 are paced, the library's hardware and internal commands; pings, groups and events are not.
fn is_spaced(command: Command) -> bool {
    (15..=20).contains(&command.code())
}
