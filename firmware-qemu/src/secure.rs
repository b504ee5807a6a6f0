//! The encrypted channel: TLS when the host says whom to trust, and else what stands for it.

use device_tls::Channel as TlsChannel;
use firmware_core::Instant;
use firmware_core::hal::{Date, SecureChannel, SecureError, SecureKind};
use hil_link::modelled_tls::ClientChannel;
use hil_link::wire::{Refusal, TRUST_LEN_MAX};
use static_cell::{ConstStaticCell, StaticCell};

/// What TLS takes of the heap at the most, with room to spare.
pub const HEAP_LEN: usize = 80 * 1024;

static AUTHORITY: ConstStaticCell<[u8; TRUST_LEN_MAX]> = ConstStaticCell::new([0; TRUST_LEN_MAX]);
static ROOTS: StaticCell<[&'static [u8]; 1]> = StaticCell::new();

/// The channel of one boot.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one of it, and its place is of the larger one's size anyway"
)]
pub enum Channel {
    /// The shape of a handshake without its cryptography.
    Modelled(ClientChannel),
    /// TLS.
    Tls(TlsChannel<'static>),
}

impl Channel {
    /// TLS that trusts this authority (X.509, DER). Once from reset to reset.
    ///
    /// # Errors
    /// When the certificate is too long, or another one was given before.
    pub fn trusting(authority: &[u8]) -> Result<Self, Refusal> {
        let room = AUTHORITY.try_take().ok_or(Refusal::Trust)?;
        let kept = room.get_mut(..authority.len()).ok_or(Refusal::Trust)?;
        kept.copy_from_slice(authority);
        Ok(Self::Tls(TlsChannel::new(ROOTS.init([kept]))))
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
