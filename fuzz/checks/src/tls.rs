//! The modelled handshake: neither side believes bytes that the other one did not write.

use firmware_core::Instant;
use firmware_core::config::HOST_LEN_MAX;
use firmware_core::hal::{Date, SecureChannel, SecureError};
use hil_link::modelled_tls::{Certificate, ClientChannel, read_client_hello, write_server_hello};

use crate::input::Input;

const CERTIFICATES: [(Certificate, Option<SecureError>); 4] = [
    (Certificate::Good, None),
    (Certificate::WrongName, Some(SecureError::WrongName)),
    (Certificate::Expired, Some(SecureError::Expired)),
    (Certificate::UnknownAuthority, Some(SecureError::UnknownAuthority)),
];

/// What the client made of a server.
#[derive(PartialEq, Eq, Debug)]
struct Opinion {
    result: Result<(), SecureError>,
    is_established: bool,
    data: Vec<u8>,
}

/// A name, then what a server sends.
///
/// The client comes to the same opinion however the bytes are cut, believes nothing but the hello that a good
/// server writes, and hands over what follows as it is. The server reads back the hello that the client wrote,
/// and an incomplete hello is the beginning of every later answer.
pub(crate) fn modelled_tls(bytes: &[u8]) {
    let mut input = Input(bytes);
    let name: String = String::from_utf8_lossy(input.short_piece()).into_owned();
    if name.len() > HOST_LEN_MAX {
        let mut client = ClientChannel::default();
        client.start(Instant::ZERO, &name, 1, Date::Unknown);
        assert_eq!(client.transmit(&mut [0; 512]), 0);
        assert_eq!(client.receive(Instant::ZERO, input.0), Err(SecureError::WrongName));
        return;
    }
    // More than a channel holds would only wait in TCP.
    let wire = input.take(1_000);
    let whole = talk(&name, wire, wire.len());
    for piece in [1, 2, 7, 100] {
        assert_eq!(talk(&name, wire, piece), whole, "in pieces of {piece}");
    }
    let mut hello = [0; 7 + HOST_LEN_MAX];
    let len = write_server_hello(name.as_bytes(), Certificate::Good, &mut hello);
    assert_eq!(whole.is_established, wire.starts_with(&hello[..len]));
    if whole.is_established {
        assert_eq!(whole.data, wire[len..]);
    } else {
        assert!(whole.data.is_empty());
    }
    for (certificate, expected) in CERTIFICATES {
        let len = write_server_hello(name.as_bytes(), certificate, &mut hello);
        let expected =
            if name == "wrong.example" && certificate == Certificate::WrongName { None } else { expected };
        assert_eq!(talk(&name, &hello[..len], len).result.err(), expected);
    }
    read_as_server(wire);
}

fn talk(name: &str, wire: &[u8], piece: usize) -> Opinion {
    let mut client = ClientChannel::default();
    client.start(Instant::ZERO, name, 1, Date::Unknown);
    let mut out = [0; 512];
    let len = client.transmit(&mut out);
    assert_eq!(read_client_hello(&out[..len]), Ok(Some((name.as_bytes(), len))));
    assert_eq!(client.transmit(&mut out), 0);
    let mut result = Ok(());
    for mut rest in wire.chunks(piece.max(1)) {
        while result.is_ok() && !rest.is_empty() {
            result = client.receive(Instant::ZERO, rest).map(|taken| {
                assert!(taken > 0, "there is room for all of it");
                rest = &rest[taken..];
            });
        }
    }
    if let Err(error) = result {
        assert_eq!(client.receive(Instant::ZERO, b"MTLS"), Err(error), "it stays unusable");
        assert_eq!(client.write(b"secret"), 0);
    }
    let mut data = [0; 1_536];
    let len = client.read(&mut data);
    Opinion { result, is_established: client.is_established(), data: data[..len].to_vec() }
}

fn read_as_server(wire: &[u8]) {
    let whole = read_client_hello(wire);
    for len in 0..wire.len().min(300) {
        let early = read_client_hello(&wire[..len]);
        assert!(early == Ok(None) || early == whole, "{early:?} after {len} bytes, {whole:?} at the end");
    }
    if let Ok(Some((name, len))) = whole {
        assert_eq!(len, 6 + name.len());
    }
}
