//! Messages in a stream of bytes: postcard, then a CRC-32, then COBS between zero bytes.
//!
//! A receiver that joins in the middle, or after noise, loses what it cannot tell apart and is in step again
//! with the next zero byte. Loss is made good by whoever waits for an answer, not here.

use crc::{CRC_32_ISO_HDLC, Crc};
use postcard::ser_flavors::crc::CrcModifier;
use postcard::ser_flavors::{Cobs, Flavor, Slice};
use serde::{Deserialize, Serialize};

use crate::queues::FRAME_LEN_MAX;

/// Bytes of the longest message before it is framed: an Ethernet frame, what says that it is one, the CRC.
pub const MESSAGE_LEN_MAX: usize = FRAME_LEN_MAX + 32;
/// Bytes of the longest message on the wire. COBS adds one byte to each 254, and a zero stands at either end.
pub const ENCODED_LEN_MAX: usize = MESSAGE_LEN_MAX + MESSAGE_LEN_MAX.div_ceil(254) + 3;

/// Follows the last message of an answer. With the zero byte that ends this one, three stand in a row, as nowhere else:
/// whoever carries the bytes and does not know their meaning can see that the device has no more to say. To a receiver
/// they are empty messages, which mean nothing.
pub const ANSWER_END: [u8; 2] = [DELIMITER; 2];

/// Between messages, and in none of them.
const DELIMITER: u8 = 0;
/// Bytes of the checksum, little-endian, behind a message.
const CRC_LEN: usize = 4;
/// The checksum of Ethernet and zlib.
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Why a message was not understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FramingError {
    /// It is longer than any message.
    TooLong,
    /// It is no COBS, or its checksum is wrong: noise on the line.
    Damaged,
    /// Its checksum is right and yet it is none of the messages of this version.
    Unknown,
}

/// Writes a message into `room` as it travels; `None` when it is longer than any message may be.
///
/// A zero byte leads as well as ends, so that noise before a message does not spoil it.
pub fn encode<'b, T: Serialize>(message: &T, room: &'b mut [u8; ENCODED_LEN_MAX]) -> Option<&'b [u8]> {
    let (first, rest) = room.split_first_mut()?;
    *first = DELIMITER;
    let flavor = CrcModifier::new(Cobs::try_new(Slice::new(rest)).ok()?, CRC.digest());
    let mut serializer = postcard::Serializer { output: flavor };
    message.serialize(&mut serializer).ok()?;
    let len = serializer.output.finalize().ok()?.len();
    room.get(..=len)
}

/// Collects bytes until a message is whole.
#[derive(Debug)]
pub struct Receiver {
    buffer: [u8; ENCODED_LEN_MAX],
    len: usize,
    /// The present message does not fit and is dropped when it ends.
    is_too_long: bool,
}

impl Receiver {
    /// A receiver that has heard nothing.
    pub const fn new() -> Self {
        Self { buffer: [0; ENCODED_LEN_MAX], len: 0, is_too_long: false }
    }

    /// Takes bytes up to the end of the next message; returns how many, and the message if one ended there.
    ///
    /// # Errors
    /// In the place of a message: why what ended there is none. The receiver goes on behind it.
    pub fn receive<'de, T: Deserialize<'de>>(
        &'de mut self,
        bytes: &[u8],
    ) -> (usize, Option<Result<T, FramingError>>) {
        let Some(end) = bytes.iter().position(|byte| *byte == DELIMITER) else {
            self.keep(bytes);
            return (bytes.len(), None);
        };
        let (before, _) = bytes.split_at(end);
        self.keep(before);
        let len = core::mem::take(&mut self.len);
        let message = match core::mem::take(&mut self.is_too_long) {
            true => Some(Err(FramingError::TooLong)),
            false if len == 0 => None,
            false => Some(decode(self.buffer.get_mut(..len).unwrap_or_default())),
        };
        (end + 1, message)
    }

    fn keep(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.len..self.len + bytes.len()) {
            Some(room) if !self.is_too_long => {
                room.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            _ => self.is_too_long = true,
        }
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

fn decode<'de, T: Deserialize<'de>>(bytes: &'de mut [u8]) -> Result<T, FramingError> {
    let len = cobs::decode_in_place(bytes).map_err(|_| FramingError::Damaged)?;
    let bytes: &'de [u8] = bytes;
    let payload_len = len.checked_sub(CRC_LEN).ok_or(FramingError::Damaged)?;
    let (payload, crc) = bytes
        .get(..len)
        .and_then(|whole| whole.split_at_checked(payload_len))
        .ok_or(FramingError::Damaged)?;
    if CRC.checksum(payload).to_le_bytes() != crc {
        return Err(FramingError::Damaged);
    }
    match postcard::take_from_bytes(payload) {
        Ok((message, [])) => Ok(message),
        Ok(_) | Err(_) => Err(FramingError::Unknown),
    }
}
