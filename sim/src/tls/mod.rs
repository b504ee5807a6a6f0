//! TLS in a simulated world: rustls on both sides, certificates of an authority of the world's own, and everything
//! that looks like chance from the seed, so that the same story has the same bytes.

mod authority;
mod client;
mod entropy;
mod fixed_time;
mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use firmware_core::Instant;
use firmware_core::hal::{Date, SecureChannel, SecureError, SecureKind};
use firmware_core::random::SplitMix64;
use hil_link::modelled_tls::{Certificate, ClientChannel};
use rustls::{ALL_VERSIONS, ServerConfig, SupportedProtocolVersion};

pub use authority::Authority;
pub use client::TlsClient;
pub use server::TlsServer;

/// A client's channel in a simulated world.
pub enum Channel {
    /// The shape of a handshake without its cryptography.
    Modelled(ClientChannel),
    /// TLS.
    Tls(TlsClient),
}

impl Channel {
    /// A channel that trusts this authority (X.509, DER); without one, or with one that is no certificate, TLS is
    /// modelled.
    pub fn new(authority: Option<&[u8]>) -> Self {
        authority.and_then(TlsClient::new).map_or_else(Self::default, Self::Tls)
    }
}

impl Default for Channel {
    fn default() -> Self {
        Self::Modelled(ClientChannel::default())
    }
}

/// Hands a call on to the channel there is.
macro_rules! hand_on {
    ($channel:expr, $inner:ident => $call:expr) => {
        match $channel {
            Channel::Modelled($inner) => $call,
            Channel::Tls($inner) => $call,
        }
    };
}

impl SecureChannel for Channel {
    fn start(&mut self, now: Instant, server_name: &str, seed: u64, date: Date) {
        hand_on!(self, inner => inner.start(now, server_name, seed, date));
    }

    fn receive(&mut self, now: Instant, wire: &[u8]) -> Result<usize, SecureError> {
        hand_on!(self, inner => inner.receive(now, wire))
    }

    fn transmit(&mut self, wire: &mut [u8]) -> usize {
        hand_on!(self, inner => inner.transmit(wire))
    }

    fn is_established(&self) -> bool {
        hand_on!(self, inner => inner.is_established())
    }

    fn write(&mut self, data: &[u8]) -> usize {
        hand_on!(self, inner => inner.write(data))
    }

    fn read(&mut self, data: &mut [u8]) -> usize {
        hand_on!(self, inner => inner.read(data))
    }

    fn kind(&self) -> SecureKind {
        hand_on!(self, inner => inner.kind())
    }

    fn checks_dates(&self) -> bool {
        hand_on!(self, inner => inner.checks_dates())
    }
}

/// A server's certificates, made when they are shown for the first time.
pub struct ServerIdentity {
    authority: Arc<Authority>,
    hosts: Vec<String>,
    /// What it speaks.
    versions: &'static [&'static SupportedProtocolVersion],
    made: Vec<(Certificate, Arc<ServerConfig>)>,
    random: SplitMix64,
}

impl ServerIdentity {
    /// What a server with these names, at least one, can show.
    pub fn new(authority: Arc<Authority>, hosts: Vec<String>, seed: u64) -> Self {
        Self { authority, hosts, versions: ALL_VERSIONS, made: Vec::new(), random: SplitMix64::new(seed) }
    }

    /// A connection on which this certificate is shown.
    pub fn accept(&mut self, certificate: Certificate) -> TlsServer {
        let made = self.made.iter().find(|(made, _)| *made == certificate).map(|(_, config)| config.clone());
        let config = made.unwrap_or_else(|| {
            let config = self.authority.issue(&self.hosts, certificate, self.versions, &mut self.random);
            self.made.push((certificate, config.clone()));
            config
        });
        TlsServer::new(config, self.random.next_u64())
    }
}
