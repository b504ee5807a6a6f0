//! A device's encrypted channel in a simulated world: TLS where the world has an authority, and else its model.

use firmware_core::Instant;
use firmware_core::hal::{Date, SecureChannel, SecureError, SecureKind};

use crate::modelled_tls::ClientChannel;

/// The modelled channel, or TLS of whatever kind the target has.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of it, and its place has the larger one's size anyway"
)]
pub enum Channel<T> {
    /// The shape of a handshake without its cryptography.
    Modelled(ClientChannel),
    /// TLS.
    Tls(T),
}

impl<T> Default for Channel<T> {
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

impl<T: SecureChannel> SecureChannel for Channel<T> {
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
