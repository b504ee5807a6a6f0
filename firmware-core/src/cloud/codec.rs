//! The frames of Blynk's binary protocol, for either end of the connection.
//!
//! This module knows no session: it says where a frame begins and ends and what its parts are, not whether it
//! is welcome. [`Decoder`] takes the stream in pieces of any size; [`FrameWriter`] builds one frame from its
//! parts and refuses what does not fit.

use core::fmt::{self, Write as _};

mod params;

pub use params::{Pairs, Params, params};

/// Every frame begins with the command, the message's id and the body's length, big-endian.
pub const HEADER_LEN: usize = 5;
/// The largest body the device takes, which it announces as `buff-in`; Edgent's limit on the ESP32.
pub const BODY_LEN_MAX: usize = 1024;

/// What a frame is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// An answer; its length field is a status and it has no body.
    Response,
    /// The old login, still used by some clients.
    Login,
    /// Asks for a sign of life.
    Ping,
    /// From one device to another.
    Bridge,
    /// Asks for stored pin values.
    HardwareSync,
    /// Everything that is not a pin: info, clock, metadata, console, update.
    Internal,
    /// Changes how a pin is shown.
    Property,
    /// Writes a pin.
    Hardware,
    /// Brackets several writes.
    Group,
    /// The device's login.
    HardwareLogin,
    /// Sends the device to another server.
    Redirect,
    /// Text for the device's log.
    DebugPrint,
    /// Records an event.
    EventLog,
    /// Resolves an event.
    EventClear,
    /// A number that this list does not know.
    Other(u8),
}

impl Command {
    /// The command with this number.
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Response,
            2 => Self::Login,
            6 => Self::Ping,
            15 => Self::Bridge,
            16 => Self::HardwareSync,
            17 => Self::Internal,
            19 => Self::Property,
            20 => Self::Hardware,
            21 => Self::Group,
            29 => Self::HardwareLogin,
            41 => Self::Redirect,
            55 => Self::DebugPrint,
            64 => Self::EventLog,
            65 => Self::EventClear,
            other => Self::Other(other),
        }
    }

    /// The number on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::Response => 0,
            Self::Login => 2,
            Self::Ping => 6,
            Self::Bridge => 15,
            Self::HardwareSync => 16,
            Self::Internal => 17,
            Self::Property => 19,
            Self::Hardware => 20,
            Self::Group => 21,
            Self::HardwareLogin => 29,
            Self::Redirect => 41,
            Self::DebugPrint => 55,
            Self::EventLog => 64,
            Self::EventClear => 65,
            Self::Other(code) => code,
        }
    }
}

/// The outcome in a response. Any number may arrive; those with names here mean something to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status(pub u16);

impl Status {
    /// Done.
    pub const SUCCESS: Self = Self(200);
    /// The command or operation is not known here.
    pub const ILLEGAL_COMMAND: Self = Self(2);
    /// Already logged in, which is as good as success.
    pub const ALREADY_REGISTERED: Self = Self(4);
    /// The server no longer knows who we are.
    pub const NOT_AUTHENTICATED: Self = Self(5);
    /// No device has this token.
    pub const INVALID_TOKEN: Self = Self(9);
    /// The body does not fit the command.
    pub const ILLEGAL_BODY: Self = Self(11);
}

/// The first five bytes of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// What the frame is for.
    pub command: Command,
    /// The message's id; an answer has that of its question.
    pub id: u16,
    /// The body's length, or the status when the command is [`Command::Response`].
    pub length: u16,
}

impl Header {
    /// Reads a header.
    pub const fn decode(bytes: [u8; HEADER_LEN]) -> Self {
        let [code, id_high, id_low, length_high, length_low] = bytes;
        Self {
            command: Command::from_code(code),
            id: u16::from_be_bytes([id_high, id_low]),
            length: u16::from_be_bytes([length_high, length_low]),
        }
    }

    /// Writes a header.
    pub const fn encode(self) -> [u8; HEADER_LEN] {
        let [id_high, id_low] = self.id.to_be_bytes();
        let [length_high, length_low] = self.length.to_be_bytes();
        [self.command.code(), id_high, id_low, length_high, length_low]
    }

    /// How many bytes follow: none behind a response, whose length field is a status.
    pub fn body_len(self) -> usize {
        if self.command.code() == 0 { 0 } else { usize::from(self.length) }
    }
}

/// One whole frame. Its `Debug` shows no body, which may be a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The answer to the message with this id.
    Response {
        /// Which message is answered.
        id: u16,
        /// How it went.
        status: Status,
    },
    /// Everything else.
    Message {
        /// What it is for; never [`Command::Response`].
        command: Command,
        /// Its id.
        id: u16,
        /// Its parameters, see [`params`].
        body: &'a [u8],
    },
}

impl<'a> Frame<'a> {
    /// What the frame is for.
    pub const fn command(&self) -> Command {
        match self {
            Self::Response { .. } => Command::Response,
            Self::Message { command, .. } => *command,
        }
    }

    /// The message's id.
    pub const fn id(&self) -> u16 {
        match self {
            Self::Response { id, .. } | Self::Message { id, .. } => *id,
        }
    }

    /// The body; empty for a response.
    pub const fn body(&self) -> &'a [u8] {
        match self {
            Self::Response { .. } => &[],
            Self::Message { body, .. } => body,
        }
    }

    /// The body's parameters.
    pub fn params(&self) -> Params<'a> {
        params(self.body())
    }

    /// Writes the frame and returns its length.
    ///
    /// # Errors
    /// `TooLong` when the body is over the protocol's 65535 bytes, `NoRoom` when `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let (length, body) = match self {
            Self::Response { status, .. } => (status.0, &[][..]),
            Self::Message { body, .. } => {
                (u16::try_from(body.len()).map_err(|_| EncodeError::TooLong)?, *body)
            }
        };
        let header = Header { command: self.command(), id: self.id(), length }.encode();
        let (head, rest) = out.split_at_mut_checked(HEADER_LEN).ok_or(EncodeError::NoRoom)?;
        let tail = rest.get_mut(..body.len()).ok_or(EncodeError::NoRoom)?;
        head.copy_from_slice(&header);
        tail.copy_from_slice(body);
        Ok(HEADER_LEN + body.len())
    }
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response { id, status } => write!(f, "Response {{ id: {id}, status: {} }}", status.0),
            Self::Message { command, id, body } => {
                write!(f, "{command:?} {{ id: {id}, body: {} bytes }}", body.len())
            }
        }
    }
}

/// Whether a frame with message id 0 is an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ZeroId {
    /// It is, as for Blynk's client.
    Refuse,
    /// It is not, as for Blynk's server, which even answers a login with id 0.
    Accept,
}

/// Why a stream cannot be read any further. Only a new connection helps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// A frame has message id 0.
    ZeroId,
    /// A frame announces a body of this many bytes, more than the decoder takes.
    Oversize(u16),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroId => f.write_str("a frame has message id 0"),
            Self::Oversize(len) => write!(f, "a frame has a body of {len} bytes, which is too long"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Finds the frames in a stream that arrives in pieces. Holds one frame of at most `BODY_MAX` body bytes.
///
/// ```
/// use firmware_core::cloud::codec::{Decoder, Frame, Status, ZeroId};
/// let mut decoder = Decoder::<1024>::new(ZeroId::Refuse);
/// let mut bytes: &[u8] = &[0, 0, 1, 0, 200, 6, 0];
/// assert_eq!(decoder.decode(&mut bytes), Ok(Some(Frame::Response { id: 1, status: Status::SUCCESS })));
/// assert_eq!(decoder.decode(&mut bytes), Ok(None));
/// assert!(bytes.is_empty());
/// ```
pub struct Decoder<const BODY_MAX: usize> {
    zero_id: ZeroId,
    progress: Progress,
    /// Whether `decode` has already handed out the frame in the buffer.
    delivered: bool,
    header: [u8; HEADER_LEN],
    body: [u8; BODY_MAX],
}

#[derive(Clone, Copy)]
enum Progress {
    Header { filled: usize },
    Body { header: Header, filled: usize },
    Complete(Header),
    Failed(DecodeError),
}

impl<const BODY_MAX: usize> Decoder<BODY_MAX> {
    /// A decoder at the beginning of a stream.
    pub const fn new(zero_id: ZeroId) -> Self {
        Self {
            zero_id,
            progress: Progress::Header { filled: 0 },
            delivered: false,
            header: [0; HEADER_LEN],
            body: [0; BODY_MAX],
        }
    }

    /// Forgets everything: a new stream begins.
    pub fn reset(&mut self) {
        self.progress = Progress::Header { filled: 0 };
        self.delivered = false;
    }

    /// Takes from the front of `bytes` what the next frame needs and returns it once it is whole. `Ok(None)`
    /// means that all bytes were taken and the frame is not whole yet.
    ///
    /// # Errors
    /// Says why the stream cannot be read further; so does every later call until [`reset`](Self::reset).
    pub fn decode(&mut self, bytes: &mut &[u8]) -> Result<Option<Frame<'_>>, DecodeError> {
        if self.delivered {
            self.advance();
        }
        let taken = self.feed(bytes);
        *bytes = bytes.get(taken..).unwrap_or_default();
        self.delivered = matches!(self.progress, Progress::Complete(_));
        self.frame()
    }

    /// Takes bytes up to the end of the present frame and returns how many. Nothing more is taken before
    /// [`advance`](Self::advance), nor after an error.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            match self.progress {
                Progress::Header { filled } => {
                    let count = copy_part(self.header.get_mut(filled..).unwrap_or_default(), rest);
                    taken += count;
                    if filled + count < HEADER_LEN {
                        self.progress = Progress::Header { filled: filled + count };
                        return taken;
                    }
                    self.progress = self.on_header(Header::decode(self.header));
                }
                Progress::Body { header, filled } => {
                    let place = self.body.get_mut(filled..header.body_len()).unwrap_or_default();
                    let count = copy_part(place, rest);
                    taken += count;
                    if filled + count < header.body_len() {
                        self.progress = Progress::Body { header, filled: filled + count };
                        return taken;
                    }
                    self.progress = Progress::Complete(header);
                }
                Progress::Complete(_) | Progress::Failed(_) => return taken,
            }
        }
    }

    /// How many bytes [`feed`](Self::feed) takes at least, if given as many; 0 when a frame is waiting or the
    /// stream has failed.
    pub fn wanted(&self) -> usize {
        match self.progress {
            Progress::Header { filled } => HEADER_LEN - filled,
            Progress::Body { header, filled } => header.body_len() - filled,
            Progress::Complete(_) | Progress::Failed(_) => 0,
        }
    }

    /// The present frame, if it is whole.
    ///
    /// # Errors
    /// Says why the stream cannot be read further.
    pub fn frame(&self) -> Result<Option<Frame<'_>>, DecodeError> {
        match self.progress {
            Progress::Header { .. } | Progress::Body { .. } => Ok(None),
            Progress::Failed(error) => Err(error),
            Progress::Complete(Header { command: Command::Response, id, length }) => {
                Ok(Some(Frame::Response { id, status: Status(length) }))
            }
            Progress::Complete(header) => {
                let body = self.body.get(..header.body_len()).unwrap_or_default();
                Ok(Some(Frame::Message { command: header.command, id: header.id, body }))
            }
        }
    }

    /// Drops the present frame if it is whole, so that the next one may begin.
    pub fn advance(&mut self) {
        self.delivered = false;
        if let Progress::Complete(_) = self.progress {
            self.progress = Progress::Header { filled: 0 };
        }
    }

    fn on_header(&self, header: Header) -> Progress {
        if header.id == 0 && self.zero_id == ZeroId::Refuse {
            return Progress::Failed(DecodeError::ZeroId);
        }
        if header.body_len() > BODY_MAX {
            return Progress::Failed(DecodeError::Oversize(header.length));
        }
        Progress::Body { header, filled: 0 }
    }
}

/// Why a frame cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EncodeError {
    /// The body is longer than the receiver takes.
    TooLong,
    /// The place to write to is too short for the frame.
    NoRoom,
    /// A parameter holds a NUL, which would make it two, or cannot be written as text.
    Value,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the message is too long for its receiver",
            Self::NoRoom => "there is no room for the message",
            Self::Value => "a parameter holds a NUL byte or cannot be written as text",
        })
    }
}

impl core::error::Error for EncodeError {}

/// Builds one frame from its parameters. Nothing is cut: a frame that does not fit is an error at the end.
///
/// ```
/// use firmware_core::cloud::codec::{BODY_LEN_MAX, Command, FrameWriter};
/// let mut out = [0; 64];
/// let mut frame = FrameWriter::new(&mut out, Command::Hardware, 3, BODY_LEN_MAX);
/// frame.param(b"vw").display(&5).display(&123);
/// let len = frame.finish().unwrap();
/// assert_eq!(out[..len], *b"\x14\0\x03\0\x08vw\x005\x00123");
/// ```
pub struct FrameWriter<'a> {
    out: &'a mut [u8],
    command: Command,
    id: u16,
    body_max: usize,
    /// Counts on beyond the end of `out`, to tell a long frame from a short place.
    body_len: usize,
    is_empty: bool,
    is_value_bad: bool,
}

impl<'a> FrameWriter<'a> {
    /// Begins a frame whose receiver takes bodies of at most `body_max` bytes. The command must not be
    /// [`Command::Response`], which has no body: see [`Frame::encode`].
    pub fn new(out: &'a mut [u8], command: Command, id: u16, body_max: usize) -> Self {
        debug_assert!(command.code() != 0, "a response has no body to write");
        Self { out, command, id, body_max, body_len: 0, is_empty: true, is_value_bad: false }
    }

    /// Adds a parameter made of these bytes.
    pub fn param(&mut self, bytes: &[u8]) -> &mut Self {
        self.separate();
        self.push(bytes);
        self
    }

    /// Adds bytes that may hold NULs and so be several parameters, such as a binary value.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.separate();
        self.push_raw(bytes);
        self
    }

    /// Adds a parameter made of this value's text.
    pub fn display(&mut self, value: &dyn fmt::Display) -> &mut Self {
        self.separate();
        if write!(ParamText(self), "{value}").is_err() {
            self.is_value_bad = true;
        }
        self
    }

    /// Ends the frame and returns its length, header included.
    ///
    /// # Errors
    /// Says why there is no frame; what `out` holds then means nothing.
    pub fn finish(&mut self) -> Result<usize, EncodeError> {
        if self.is_value_bad {
            return Err(EncodeError::Value);
        }
        let length = u16::try_from(self.body_len).map_err(|_| EncodeError::TooLong)?;
        if self.body_len > self.body_max {
            return Err(EncodeError::TooLong);
        }
        let total = HEADER_LEN + self.body_len;
        if total > self.out.len() {
            return Err(EncodeError::NoRoom);
        }
        let head = self.out.get_mut(..HEADER_LEN).ok_or(EncodeError::NoRoom)?;
        head.copy_from_slice(&Header { command: self.command, id: self.id, length }.encode());
        Ok(total)
    }

    fn separate(&mut self) {
        if !self.is_empty {
            self.push_raw(&[0]);
        }
        self.is_empty = false;
    }

    fn push(&mut self, bytes: &[u8]) {
        self.is_value_bad |= bytes.contains(&0);
        self.push_raw(bytes);
    }

    fn push_raw(&mut self, bytes: &[u8]) {
        let at = HEADER_LEN.saturating_add(self.body_len);
        copy_part(self.out.get_mut(at..).unwrap_or_default(), bytes);
        self.body_len = self.body_len.saturating_add(bytes.len());
    }
}

/// Text that becomes part of the present parameter.
struct ParamText<'w, 'a>(&'w mut FrameWriter<'a>);

impl fmt::Write for ParamText<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push(text.as_bytes());
        Ok(())
    }
}

/// Copies as much as both sides allow and returns how much.
fn copy_part(to: &mut [u8], from: &[u8]) -> usize {
    let count = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}

#[cfg(test)]
mod tests;
