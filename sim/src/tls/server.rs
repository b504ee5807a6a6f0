//! A server's TLS between a connection's bytes and what is said on it.

use std::io::{Read, Write};
use std::sync::Arc;

use firmware_core::random::SplitMix64;
use rustls::{ServerConfig, ServerConnection};

/// Data that waits to be encrypted, in bytes, before no more is taken.
const TO_SEND_MAX: usize = 4_096;
/// Bytes read at once.
const READ_LEN: usize = 1_024;

use super::entropy;

/// One connection's TLS 1.2 or 1.3, as a server.
pub struct TlsServer {
    connection: ServerConnection,
    random: SplitMix64,
    has_failed: bool,
}

impl TlsServer {
    /// A connection on which nothing has been said.
    pub(super) fn new(config: Arc<ServerConfig>, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed);
        let connection = entropy::with(&mut random, || ServerConnection::new(config));
        let mut connection = connection.expect("the configuration has ciphers and a certificate");
        connection.set_buffer_limit(Some(TO_SEND_MAX));
        Self { connection, random, has_failed: false }
    }

    /// Takes what has arrived; returns the data in it. After a failure it takes everything and gives nothing.
    pub fn receive(&mut self, mut wire: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        while !wire.is_empty() && !self.has_failed {
            let before = wire.len();
            let read = self.connection.read_tls(&mut wire);
            let processed = entropy::with(&mut self.random, || self.connection.process_new_packets());
            self.has_failed = read.is_err() || processed.is_err();
            self.drain(&mut data);
            if wire.len() == before {
                // The client has said that it is done.
                break;
            }
        }
        data
    }

    fn drain(&mut self, data: &mut Vec<u8>) {
        let mut room = [0; READ_LEN];
        // An error means that there is nothing now, or never again.
        while let Ok(len @ 1..) = self.connection.reader().read(&mut room) {
            data.extend_from_slice(&room[..len]);
        }
    }

    /// Takes data to send; returns how many bytes it took, none before the handshake is done.
    pub fn write(&mut self, data: &[u8]) -> usize {
        if self.connection.is_handshaking() || self.has_failed {
            return 0;
        }
        self.connection.writer().write(data).unwrap_or(0)
    }

    /// Puts bytes for the client into `wire`; returns how many.
    pub fn transmit(&mut self, mut wire: &mut [u8]) -> usize {
        if !self.connection.wants_write() || wire.is_empty() {
            return 0;
        }
        // A slice takes what it has room for and never fails.
        self.connection.write_tls(&mut wire).unwrap_or(0)
    }

    /// Says that nothing more will be sent (RFC 8446 section 6.1).
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// Whether data may flow.
    pub fn is_established(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// Whether bytes wait for the client.
    pub fn has_bytes_to_send(&self) -> bool {
        self.connection.wants_write()
    }

    /// Whether the client has broken the protocol or refused the certificate.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }
}
