//! GDB's side of its remote protocol: which packets are in a stream of bytes. No socket is touched here.

/// More than GDB ever sends in one packet to a target of this size.
const PACKET_LEN_MAX: usize = 64 * 1024;

/// Sent outside packets to halt the target; Ctrl-C in GDB.
const BREAK: u8 = 0x03;

/// What was found in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet whose checksum is right: what stands between `$` and `#`, escapes and all.
    Packet(Vec<u8>),
    /// A packet that must be sent again: its checksum is wrong, or it is longer than can be held.
    Damaged,
    /// The target is to halt.
    Break,
    /// The last answer arrived damaged and is to be sent again.
    Resend,
}

/// Finds packets, however the stream is cut into reads.
#[derive(Debug, Default)]
pub struct Parser {
    state: State,
    payload: Vec<u8>,
    /// The sum of the payload, which is longer than what is held of it if it is too long.
    sum: u8,
    is_too_long: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Between,
    Payload,
    FirstDigit,
    SecondDigit(u8),
}

impl Parser {
    /// Takes the next byte; returns what it completes.
    pub fn feed(&mut self, byte: u8) -> Option<Event> {
        match self.state {
            State::Between => self.between(byte),
            State::Payload => {
                self.payload(byte);
                None
            }
            State::FirstDigit => match hex(byte) {
                Some(digit) => {
                    self.state = State::SecondDigit(digit);
                    None
                }
                None => Some(self.no_digit(byte)),
            },
            State::SecondDigit(first) => match hex(byte) {
                Some(second) => Some(self.end(first << 4 | second)),
                None => Some(self.no_digit(byte)),
            },
        }
    }

    fn between(&mut self, byte: u8) -> Option<Event> {
        match byte {
            b'$' => {
                self.begin();
                None
            }
            BREAK => Some(Event::Break),
            b'-' => Some(Event::Resend),
            // `+` says that an answer arrived, which changes nothing. All else is left over from something.
            _ => None,
        }
    }

    fn payload(&mut self, byte: u8) {
        match byte {
            b'#' => self.state = State::FirstDigit,
            // It must be escaped within a packet: the rest of the packet before was lost.
            b'$' => self.begin(),
            _ => {
                self.sum = self.sum.wrapping_add(byte);
                if self.payload.len() < PACKET_LEN_MAX {
                    self.payload.push(byte);
                } else {
                    self.is_too_long = true;
                }
            }
        }
    }

    fn begin(&mut self) {
        *self = Self { state: State::Payload, ..Self::default() };
    }

    /// The checksum is cut off, perhaps by the next packet.
    fn no_digit(&mut self, byte: u8) -> Event {
        *self = Self::default();
        if byte == b'$' {
            self.begin();
        }
        Event::Damaged
    }

    fn end(&mut self, checksum: u8) -> Event {
        let packet = std::mem::take(self);
        if packet.sum == checksum && !packet.is_too_long {
            Event::Packet(packet.payload)
        } else {
            Event::Damaged
        }
    }
}

fn hex(byte: u8) -> Option<u8> {
    // A digit of base 16 fits a byte.
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
