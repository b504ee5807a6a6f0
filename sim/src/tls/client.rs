//! A client's TLS as a [`SecureChannel`]: rustls without a socket and without a clock.

use core::time::Duration;
use std::io::{Read, Write};
use std::sync::Arc;

use firmware_core::Instant;
use firmware_core::hal::{Date, SecureChannel, SecureError, SecureKind};
use firmware_core::random::SplitMix64;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use time::OffsetDateTime;

use super::entropy;
use super::fixed_time::FixedTime;

/// Data that waits to be encrypted, in bytes, before no more is taken: as much as a small device has room for.
const TO_SEND_MAX: usize = 4_096;
/// Certificates of a chain, each of which may begin later than the one before.
const CHAIN_LEN_MAX: usize = 8;

/// A client's TLS 1.2 or 1.3. It trusts one authority.
///
/// It has no `Debug`: a login may wait in its buffers.
pub struct TlsClient {
    verifier: Arc<WebPkiServerVerifier>,
    state: State,
    random: SplitMix64,
}

enum State {
    Closed,
    Open(Box<ClientConnection>),
    /// The server has said that it is done, and nothing more will come.
    Over(Box<ClientConnection>),
    Failed(SecureError),
}

impl TlsClient {
    /// A client that trusts this authority (X.509, DER); `None` when that is no certificate.
    pub fn new(authority: &[u8]) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.to_vec())).ok()?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots.into(), entropy::provider()).build().ok()?;
        Some(Self { verifier, state: State::Closed, random: SplitMix64::new(0) })
    }

    fn connect(&mut self, server_name: &str, date: Date) -> Result<ClientConnection, SecureError> {
        let name = ServerName::try_from(server_name.to_owned()).map_err(|_| SecureError::WrongName)?;
        let verifier = DatedVerifier { inner: self.verifier.clone(), date };
        let clock = Arc::new(FixedTime(OffsetDateTime::UNIX_EPOCH));
        let mut config = ClientConfig::builder_with_details(entropy::provider(), clock)
            .with_safe_default_protocol_versions()
            .map_err(|_| SecureError::Unavailable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        let connection = entropy::with(&mut self.random, || ClientConnection::new(Arc::new(config), name));
        let mut connection = connection.map_err(|_| SecureError::Unavailable)?;
        connection.set_buffer_limit(Some(TO_SEND_MAX));
        Ok(connection)
    }
}

impl SecureChannel for TlsClient {
    fn start(&mut self, _now: Instant, server_name: &str, seed: u64, date: Date) {
        self.random = SplitMix64::new(seed);
        self.state = match self.connect(server_name, date) {
            Ok(connection) => State::Open(Box::new(connection)),
            Err(error) => State::Failed(error),
        };
    }

    fn receive(&mut self, _now: Instant, wire: &[u8]) -> Result<usize, SecureError> {
        let mut connection = match core::mem::replace(&mut self.state, State::Closed) {
            State::Open(connection) => connection,
            State::Over(connection) => {
                self.state = State::Over(connection);
                return Ok(wire.len());
            }
            State::Closed => return Err(SecureError::Protocol),
            State::Failed(error) => {
                self.state = State::Failed(error);
                return Err(error);
            }
        };
        let mut rest = wire;
        // An error means that what came before has not been read; nothing is taken then.
        let taken = if wire.is_empty() { 0 } else { connection.read_tls(&mut rest).unwrap_or(0) };
        let result = entropy::with(&mut self.random, || connection.process_new_packets());
        match result {
            Ok(state) if state.peer_has_closed() => {
                self.state = State::Over(connection);
                Ok(wire.len())
            }
            Ok(_) => {
                self.state = State::Open(connection);
                Ok(taken)
            }
            Err(error) => {
                let error = reason(&error);
                self.state = State::Failed(error);
                Err(error)
            }
        }
    }

    fn transmit(&mut self, wire: &mut [u8]) -> usize {
        let (State::Open(connection) | State::Over(connection)) = &mut self.state else { return 0 };
        let mut room = wire;
        // A slice takes what it has room for and never fails.
        if connection.wants_write() && !room.is_empty() {
            connection.write_tls(&mut room).unwrap_or(0)
        } else {
            0
        }
    }

    fn is_established(&self) -> bool {
        match &self.state {
            State::Open(connection) | State::Over(connection) => !connection.is_handshaking(),
            State::Closed | State::Failed(_) => false,
        }
    }

    fn write(&mut self, data: &[u8]) -> usize {
        match &mut self.state {
            State::Open(connection) if !connection.is_handshaking() => {
                connection.writer().write(data).unwrap_or(0)
            }
            State::Open(_) | State::Over(_) | State::Closed | State::Failed(_) => 0,
        }
    }

    fn read(&mut self, data: &mut [u8]) -> usize {
        let (State::Open(connection) | State::Over(connection)) = &mut self.state else { return 0 };
        // An error means that there is nothing now, or never again.
        connection.reader().read(data).unwrap_or(0)
    }

    fn kind(&self) -> SecureKind {
        SecureKind::Tls
    }

    fn checks_dates(&self) -> bool {
        true
    }
}

/// What an error of rustls means to a device.
fn reason(error: &Error) -> SecureError {
    let Error::InvalidCertificate(certificate) = error else { return SecureError::Protocol };
    match certificate {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            SecureError::WrongName
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => SecureError::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            SecureError::NotYetValid
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => SecureError::UnknownAuthority,
        _ => SecureError::Protocol,
    }
}

/// Checks name, chain and what is known of the date.
#[derive(Debug)]
struct DatedVerifier {
    inner: Arc<WebPkiServerVerifier>,
    date: Date,
}

impl ServerCertVerifier for DatedVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let (seconds, is_exact) = match self.date {
            // Every certificate may have begun since then.
            Date::Unknown => (0, false),
            Date::AtLeast(time) => (time.0, false),
            Date::Exact(time) => (time.0, true),
        };
        let mut time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        for _ in 0..CHAIN_LEN_MAX {
            match self.inner.verify_server_cert(leaf, intermediates, name, ocsp, time) {
                // It may be that late by now: is everything else good then?
                Err(Error::InvalidCertificate(CertificateError::NotValidYetContext {
                    not_before, ..
                })) if !is_exact => {
                    time = not_before;
                }
                result => return result,
            }
        }
        Err(CertificateError::NotValidYet.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
