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

use firmware_core::random::SplitMix64;
use hil_link::modelled_tls::Certificate;
use rustls::{ALL_VERSIONS, ServerConfig, SupportedProtocolVersion};

pub use authority::Authority;
pub use client::TlsClient;
pub use server::TlsServer;

/// A client's channel in a simulated world.
pub type Channel = hil_link::channel::Channel<TlsClient>;

/// A channel that trusts this authority (X.509, DER); without one, or with one that is no certificate, TLS is modelled.
pub fn channel(authority: Option<&[u8]>) -> Channel {
    authority.and_then(TlsClient::new).map_or_else(Channel::default, Channel::Tls)
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
