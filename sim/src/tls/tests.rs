use proptest::prelude::*;
use rustls::version::{TLS12, TLS13};

use firmware_core::Instant;
use firmware_core::hal::{Date, SecureChannel, SecureError, UnixTime};

use super::*;

const NAME: &str = "blynk.cloud";
/// When the certificates were issued, and so when the story begins.
const BEGINS: i64 = 1_767_225_600;
const DAY: u64 = 86_400;
const TOKEN: &[u8] = b"abcdefghijklmnopqrstuvwxyz012345";

fn today() -> UnixTime {
    UnixTime(BEGINS.unsigned_abs())
}

fn days_before(days: u64) -> UnixTime {
    UnixTime(BEGINS.unsigned_abs() - days * DAY)
}

fn identity(versions: &'static [&'static SupportedProtocolVersion]) -> (Arc<Authority>, ServerIdentity) {
    let authority = Arc::new(Authority::new(7, BEGINS));
    let identity = ServerIdentity::new(authority.clone(), vec![NAME.to_owned()], 8);
    (authority, ServerIdentity { versions, ..identity })
}

/// A client and a server, and everything that they have sent.
struct Talk {
    client: TlsClient,
    server: TlsServer,
    /// Bytes that pass at once.
    piece: usize,
    up: Vec<u8>,
    down: Vec<u8>,
    /// What the server was told.
    heard: Vec<u8>,
}

impl Talk {
    fn new(
        certificate: Certificate,
        date: Date,
        versions: &'static [&'static SupportedProtocolVersion],
    ) -> Self {
        let (authority, mut identity) = identity(versions);
        let mut client = TlsClient::new(authority.certificate()).expect("the authority has a certificate");
        client.start(Instant::ZERO, NAME, 9, date);
        let server = identity.accept(certificate);
        Self { client, server, piece: 1_400, up: Vec::new(), down: Vec::new(), heard: Vec::new() }
    }

    fn good() -> Self {
        Self::new(Certificate::Good, Date::Exact(today()), ALL_VERSIONS)
    }

    /// Lets bytes pass until neither side has more.
    fn pass(&mut self) -> Result<(), SecureError> {
        let mut wire = vec![0; self.piece];
        loop {
            let sent = self.client.transmit(&mut wire);
            self.up.extend_from_slice(&wire[..sent]);
            self.heard.extend(self.server.receive(&wire[..sent]));
            let answered = self.server.transmit(&mut wire);
            self.down.extend_from_slice(&wire[..answered]);
            let mut rest = &wire[..answered];
            while !rest.is_empty() {
                let taken = self.client.receive(Instant::ZERO, rest)?;
                assert!(taken > 0, "there is room");
                rest = &rest[taken..];
            }
            if sent == 0 && answered == 0 {
                return Ok(());
            }
        }
    }

    fn read(&mut self) -> Vec<u8> {
        let mut data = vec![0; 100_000];
        let mut len = 0;
        while let count @ 1.. = self.client.read(&mut data[len..]) {
            len += count;
        }
        data.truncate(len);
        data
    }
}

#[track_caller]
fn check(certificate: Certificate, date: Date, expected: Result<(), SecureError>) {
    const ONE_EACH: [&[&SupportedProtocolVersion]; 2] = [&[&TLS12], &[&TLS13]];
    for versions in ONE_EACH {
        let mut talk = Talk::new(certificate, date, versions);
        assert_eq!(talk.pass(), expected, "{certificate:?} {date:?} {versions:?}");
        assert_eq!(talk.client.is_established(), expected.is_ok());
        assert_eq!(talk.client.write(TOKEN), if expected.is_ok() { TOKEN.len() } else { 0 });
        if let Err(error) = expected {
            assert_eq!(talk.client.receive(Instant::ZERO, b"more"), Err(error), "it stays unusable");
            assert_eq!(talk.client.transmit(&mut [0; 100]), 0);
        }
    }
}

#[test]
fn a_certificate_is_judged_by_name_authority_and_date() {
    let exact = Date::Exact(today());
    check(Certificate::Good, exact, Ok(()));
    check(Certificate::WrongName, exact, Err(SecureError::WrongName));
    check(Certificate::UnknownAuthority, exact, Err(SecureError::UnknownAuthority));
    check(Certificate::Expired, exact, Err(SecureError::Expired));
}

#[test]
fn what_is_not_known_of_the_date_does_not_count() {
    // It ran out yesterday.
    check(Certificate::Expired, Date::AtLeast(today()), Err(SecureError::Expired));
    check(Certificate::Expired, Date::AtLeast(days_before(2)), Ok(()));
    check(Certificate::Expired, Date::Unknown, Ok(()));
    // It was issued thirty days ago.
    check(Certificate::Good, Date::Exact(days_before(31)), Err(SecureError::NotYetValid));
    check(Certificate::Good, Date::AtLeast(days_before(31)), Ok(()));
    check(Certificate::Good, Date::Unknown, Ok(()));
    // Name and authority count whatever the date is.
    check(Certificate::WrongName, Date::Unknown, Err(SecureError::WrongName));
    check(Certificate::UnknownAuthority, Date::Unknown, Err(SecureError::UnknownAuthority));
}

#[test]
fn data_passes_both_ways_and_nobody_can_read_it() {
    for piece in [1, 7, 1_400] {
        let mut talk = Talk { piece, ..Talk::good() };
        talk.pass().expect("the certificate is good");
        assert_eq!(talk.client.write(TOKEN), TOKEN.len());
        assert_eq!(talk.server.write(b"200"), 3);
        talk.pass().expect("nothing is wrong");
        assert_eq!(talk.heard, TOKEN);
        assert_eq!(talk.read(), b"200");
        for wire in [&talk.up, &talk.down] {
            assert!(!wire.windows(TOKEN.len()).any(|bytes| bytes == TOKEN));
        }
    }
}

#[test]
fn the_same_seed_has_the_same_bytes() {
    let wire = |seed| {
        let mut talk = Talk::good();
        talk.client.start(Instant::ZERO, NAME, seed, Date::Unknown);
        talk.pass().expect("the certificate is good");
        let _ = talk.client.write(TOKEN);
        talk.pass().expect("nothing is wrong");
        (talk.up, talk.down)
    };
    assert_eq!(wire(1), wire(1));
    let (one, other) = (wire(1), wire(2));
    assert!(one.0 != other.0 && one.1 != other.1);
}

#[test]
fn half_a_handshake_is_none() {
    let mut whole = Talk::good();
    whole.pass().expect("the certificate is good");
    for len in (0..whole.down.len()).step_by(97) {
        let mut talk = Talk::good();
        let _ = talk.client.transmit(&mut [0; 1_400]);
        assert_eq!(talk.client.receive(Instant::ZERO, &whole.down[..len]), Ok(len));
        assert!(!talk.client.is_established(), "after {len} bytes of {}", whole.down.len());
        assert_eq!(talk.client.write(TOKEN), 0);
    }
}

#[test]
fn a_clean_end_is_no_fault() {
    let mut talk = Talk::good();
    talk.pass().expect("the certificate is good");
    assert_eq!(talk.server.write(b"bye"), 3);
    talk.server.close();
    assert_eq!(talk.pass(), Ok(()));
    assert!(talk.client.is_established());
    assert_eq!(talk.client.receive(Instant::ZERO, b"what comes after"), Ok(16));
    assert_eq!(talk.read(), b"bye");
    assert_eq!(talk.client.write(b"more"), 0);
}

#[test]
fn what_is_no_tls_is_refused() {
    for wire in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"\0\0\0\0\0\0\0", &[0x16, 3, 3, 0xFF, 0xFF]] {
        let mut talk = Talk::good();
        assert_eq!(talk.client.receive(Instant::ZERO, wire), Err(SecureError::Protocol), "{wire:?}");
        assert!(!talk.client.is_established());
    }
}

#[test]
fn a_record_that_was_changed_ends_the_channel() {
    let mut talk = Talk::good();
    talk.pass().expect("the certificate is good");
    let _ = talk.server.write(b"200");
    let mut wire = [0; 100];
    let len = talk.server.transmit(&mut wire);
    wire[len - 1] ^= 1;
    assert_eq!(talk.client.receive(Instant::ZERO, &wire[..len]), Err(SecureError::Protocol));
    assert_eq!(talk.read(), b"");
}

#[test]
fn much_data_waits_for_room_and_is_not_lost() {
    let mut talk = Talk::good();
    talk.pass().expect("the certificate is good");
    let data: Vec<u8> = (0..100_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let (mut up, mut down, mut got) = (0, 0, Vec::new());
    while up < data.len() || got.len() < data.len() {
        up += talk.client.write(&data[up..]);
        down += talk.server.write(&data[down..]);
        talk.pass().expect("nothing is wrong");
        got.extend(talk.read());
    }
    assert!(talk.heard == data && got == data);
}

#[test]
fn without_a_certificate_nobody_is_trusted() {
    assert!(TlsClient::new(b"no certificate").is_none());
    let mut talk = Talk::good();
    talk.client.start(Instant::ZERO, "no name at all", 1, Date::Unknown);
    assert_eq!(talk.client.receive(Instant::ZERO, b"x"), Err(SecureError::WrongName));
}

proptest! {
    #[test]
    fn no_bytes_harm_either_side(bytes in prop::collection::vec(any::<u8>(), 1..600), after in 0..3_000_usize) {
        let mut whole = Talk::good();
        whole.pass().expect("the certificate is good");
        let mut talk = Talk::good();
        let _ = talk.client.transmit(&mut [0; 1_400]);
        let good = &whole.down[..after.min(whole.down.len())];
        if !good.is_empty() {
            let _ = talk.client.receive(Instant::ZERO, good);
        }
        let _ = talk.client.receive(Instant::ZERO, &bytes);
        prop_assert!(!talk.client.is_established() || after >= whole.down.len());
        talk.server.receive(&bytes);
        prop_assert_eq!(talk.heard, b"");
    }
}
