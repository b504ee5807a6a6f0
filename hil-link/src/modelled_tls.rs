//! A stand-in for TLS between simulated peers: the shape of a handshake without the cryptography.
//!
//! The client names the server it wants, the server shows what its certificate says, the client judges it,
//! and from then on bytes pass as they are. So a wrong name, an expired certificate or an unknown authority
//! are found by the client on the wire, while data stays readable in a capture. It protects nothing.
//!
//! ```text
//! client: "MTLS" 01 len name          server: "MTLS" 02 flags len name
//! ```
//! `flags`: bit 0 expired, bit 1 signed by an unknown authority, no others.

use firmware_core::Instant;
use firmware_core::config::HOST_LEN_MAX;
use firmware_core::hal::{Date, SecureChannel, SecureError, SecureKind};
use heapless::Vec;

const MAGIC: [u8; 4] = *b"MTLS";
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const EXPIRED: u8 = 1;
const UNKNOWN_AUTHORITY: u8 = 2;
/// Magic, kind, flags, length and a name.
const HELLO_LEN_MAX: usize = 7 + HOST_LEN_MAX;
/// What the channel holds each way between two calls of its owner, in bytes.
const BUFFER_LEN: usize = 1_536;

/// What a server's certificate says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Certificate {
    /// It is for the name the client asked for, valid, and signed by a known authority.
    Good,
    /// It is for another name.
    WrongName,
    /// It is no longer valid.
    Expired,
    /// Nobody known has signed it.
    UnknownAuthority,
}

/// The client's side. It has no `Debug`: a login waits in its buffers as it is, token included.
#[derive(Default)]
pub struct ClientChannel {
    name: Vec<u8, HOST_LEN_MAX>,
    state: ClientState,
    hello: Vec<u8, HELLO_LEN_MAX>,
    to_send: Vec<u8, BUFFER_LEN>,
    received: Vec<u8, BUFFER_LEN>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum ClientState {
    #[default]
    Closed,
    AwaitingHello,
    Established,
    Failed(SecureError),
}

impl SecureChannel for ClientChannel {
    fn start(&mut self, _now: Instant, server_name: &str, _seed: u64, _date: Date) {
        *self = Self::default();
        let name = server_name.as_bytes();
        let (Ok(len), Ok(())) = (u8::try_from(name.len()), self.name.extend_from_slice(name)) else {
            self.state = ClientState::Failed(SecureError::WrongName);
            return;
        };
        // Every part fits: the name is at most 253 bytes of the 1,536.
        let _ = self.to_send.extend_from_slice(&MAGIC);
        let _ = self.to_send.extend_from_slice(&[CLIENT_HELLO, len]);
        let _ = self.to_send.extend_from_slice(name);
        self.state = ClientState::AwaitingHello;
    }

    fn receive(&mut self, _now: Instant, wire: &[u8]) -> Result<usize, SecureError> {
        match self.state {
            ClientState::Closed => Err(SecureError::Protocol),
            ClientState::Failed(error) => Err(error),
            ClientState::Established => Ok(take(&mut self.received, wire)),
            ClientState::AwaitingHello => {
                let mut taken = 0;
                for byte in wire {
                    taken += 1;
                    if self.hello.push(*byte).is_err() {
                        return Err(self.fail(SecureError::Protocol));
                    }
                    match judge(&self.hello, &self.name) {
                        Judgement::Incomplete => {}
                        Judgement::Good => {
                            self.state = ClientState::Established;
                            break;
                        }
                        Judgement::Bad(error) => return Err(self.fail(error)),
                    }
                }
                Ok(taken)
            }
        }
    }

    fn transmit(&mut self, wire: &mut [u8]) -> usize {
        give(&mut self.to_send, wire)
    }

    fn is_established(&self) -> bool {
        self.state == ClientState::Established
    }

    fn write(&mut self, data: &[u8]) -> usize {
        if self.is_established() { take(&mut self.to_send, data) } else { 0 }
    }

    fn read(&mut self, data: &mut [u8]) -> usize {
        give(&mut self.received, data)
    }

    fn kind(&self) -> SecureKind {
        SecureKind::Modelled
    }
}

impl ClientChannel {
    fn fail(&mut self, error: SecureError) -> SecureError {
        self.state = ClientState::Failed(error);
        error
    }
}

enum Judgement {
    Incomplete,
    Good,
    Bad(SecureError),
}

/// Whether these bytes begin as a hello of this kind does, as far as they have come.
fn begins(bytes: &[u8], kind: u8) -> bool {
    let [a, b, c, d] = MAGIC;
    let expected = [a, b, c, d, kind];
    let len = bytes.len().min(expected.len());
    bytes.get(..len) == expected.get(..len)
}

/// Reads a server hello as far as it has come.
fn judge(hello: &[u8], wanted: &[u8]) -> Judgement {
    if !begins(hello, SERVER_HELLO) {
        return Judgement::Bad(SecureError::Protocol);
    }
    let Some((&[flags, len], rest)) = hello.get(5..).and_then(|rest| rest.split_first_chunk::<2>()) else {
        return Judgement::Incomplete;
    };
    if rest.len() < usize::from(len) {
        return Judgement::Incomplete;
    }
    if flags & !(EXPIRED | UNKNOWN_AUTHORITY) != 0 {
        // Whatever it means, it is a reason not to trust.
        Judgement::Bad(SecureError::Protocol)
    } else if flags & UNKNOWN_AUTHORITY != 0 {
        Judgement::Bad(SecureError::UnknownAuthority)
    } else if flags & EXPIRED != 0 {
        Judgement::Bad(SecureError::Expired)
    } else if rest != wanted {
        Judgement::Bad(SecureError::WrongName)
    } else {
        Judgement::Good
    }
}

/// Reads a client hello at the start of a connection.
///
/// Returns the name asked for and how many bytes the hello took; `None` while it is incomplete.
///
/// # Errors
/// When the bytes are not a client hello: somebody speaks plainly to an encrypted port.
pub fn read_client_hello(wire: &[u8]) -> Result<Option<(&[u8], usize)>, SecureError> {
    if !begins(wire, CLIENT_HELLO) {
        return Err(SecureError::Protocol);
    }
    let Some((len, rest)) = wire.get(5..).and_then(|rest| rest.split_first()) else { return Ok(None) };
    let len = usize::from(*len);
    Ok(rest.get(..len).map(|name| (name, 6 + len)))
}

/// Writes the server's answer to a hello for `name` into `wire`; returns its length.
///
/// `wire` must have room for 260 bytes; a shorter one gets 0.
pub fn write_server_hello(name: &[u8], certificate: Certificate, wire: &mut [u8]) -> usize {
    let shown: &[u8] = if certificate == Certificate::WrongName { b"wrong.example" } else { name };
    let flags = match certificate {
        Certificate::Good | Certificate::WrongName => 0,
        Certificate::Expired => EXPIRED,
        Certificate::UnknownAuthority => UNKNOWN_AUTHORITY,
    };
    let Ok(len) = u8::try_from(shown.len()) else { return 0 };
    let mut hello: Vec<u8, HELLO_LEN_MAX> = Vec::new();
    let parts: [&[u8]; 3] = [&MAGIC, &[SERVER_HELLO, flags, len], shown];
    if parts.into_iter().any(|part| hello.extend_from_slice(part).is_err()) {
        return 0;
    }
    let Some(target) = wire.get_mut(..hello.len()) else { return 0 };
    target.copy_from_slice(&hello);
    hello.len()
}

/// Moves as much of `data` as fits into `buffer`.
fn take(buffer: &mut Vec<u8, BUFFER_LEN>, data: &[u8]) -> usize {
    let count = data.len().min(BUFFER_LEN - buffer.len());
    let (taken, _) = data.split_at(count);
    // `count` is what there is room for.
    let _ = buffer.extend_from_slice(taken);
    count
}

/// Moves as much of `buffer` as fits into `data`.
fn give(buffer: &mut Vec<u8, BUFFER_LEN>, data: &mut [u8]) -> usize {
    let count = data.len().min(buffer.len());
    for (target, source) in data.iter_mut().zip(buffer.iter()) {
        *target = *source;
    }
    buffer.drain(..count);
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a handshake byte by byte and returns what the client makes of the certificate.
    #[track_caller]
    fn check(certificate: Certificate, expected: Result<(), SecureError>) {
        let mut client = ClientChannel::default();
        client.start(Instant::ZERO, "blynk.cloud", 1, Date::Unknown);
        let mut wire = [0; 512];
        let sent = client.transmit(&mut wire);
        assert_eq!(read_client_hello(&wire[..sent - 1]), Ok(None));
        let (name, len) = read_client_hello(&wire[..sent]).unwrap().unwrap();
        assert_eq!((name, len), (&b"blynk.cloud"[..], sent));
        let mut answer = [0; 260];
        let len = write_server_hello(name, certificate, &mut answer);
        let result = answer[..len].iter().try_for_each(|byte| {
            assert!(!client.is_established());
            client.receive(Instant::ZERO, &[*byte]).map(|_| ())
        });
        assert_eq!(result, expected);
        assert_eq!(client.is_established(), expected.is_ok());
    }

    #[test]
    fn the_client_judges_the_certificate() {
        check(Certificate::Good, Ok(()));
        check(Certificate::WrongName, Err(SecureError::WrongName));
        check(Certificate::Expired, Err(SecureError::Expired));
        check(Certificate::UnknownAuthority, Err(SecureError::UnknownAuthority));
    }

    #[test]
    fn plain_bytes_are_not_a_handshake() {
        assert_eq!(read_client_hello(b"\x1d\x00\x01\x00\x20"), Err(SecureError::Protocol));
        let mut client = ClientChannel::default();
        client.start(Instant::ZERO, "blynk.cloud", 1, Date::Unknown);
        assert_eq!(client.receive(Instant::ZERO, b"HTTP/1.1"), Err(SecureError::Protocol));
        assert_eq!(client.receive(Instant::ZERO, b"MTLS"), Err(SecureError::Protocol), "it stays unusable");
    }

    #[test]
    fn a_name_that_is_too_long_is_refused_and_not_forgotten() {
        for len in [HOST_LEN_MAX + 1, 255, 256] {
            let mut client = ClientChannel::default();
            client.start(
                Instant::ZERO,
                &std::string::String::from_utf8(std::vec![b'a'; len]).unwrap(),
                1,
                Date::Unknown,
            );
            assert_eq!(client.transmit(&mut [0; 512]), 0);
            assert_eq!(client.receive(Instant::ZERO, b"MTLS\x02\0\0"), Err(SecureError::WrongName));
        }
    }

    #[test]
    fn a_flag_that_nobody_knows_is_refused() {
        let mut client = ClientChannel::default();
        client.start(Instant::ZERO, "a", 1, Date::Unknown);
        assert_eq!(client.receive(Instant::ZERO, b"MTLS\x02\x80\x01a"), Err(SecureError::Protocol));
        assert!(!client.is_established());
    }

    #[test]
    fn bytes_behind_the_hello_are_left_for_the_next_call() {
        let mut client = ClientChannel::default();
        client.start(Instant::ZERO, "a", 1, Date::Unknown);
        let mut answer = [0; 260];
        let len = write_server_hello(b"a", Certificate::Good, &mut answer);
        answer[len] = 7;
        assert_eq!(client.receive(Instant::ZERO, &answer[..=len]), Ok(len));
        assert_eq!(client.receive(Instant::ZERO, &answer[len..=len]), Ok(1));
        let mut data = [0; 8];
        assert_eq!(client.read(&mut data), 1);
        assert_eq!(data[0], 7);
    }
}
