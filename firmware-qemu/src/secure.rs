//! The encrypted channel: TLS when the host says whom to trust, and else what stands for it.

use device_tls::Channel as TlsChannel;
use hil_link::wire::{Refusal, TRUST_LEN_MAX};
use static_cell::{ConstStaticCell, StaticCell};

/// What TLS takes of the heap at the most, with room to spare.
pub const HEAP_LEN: usize = 80 * 1024;

static AUTHORITY: ConstStaticCell<[u8; TRUST_LEN_MAX]> = ConstStaticCell::new([0; TRUST_LEN_MAX]);
static ROOTS: StaticCell<[&'static [u8]; 1]> = StaticCell::new();

/// The channel of one boot.
pub type Channel = hil_link::channel::Channel<TlsChannel<'static>>;

/// TLS that trusts this authority (X.509, DER). Once from reset to reset.
///
/// # Errors
/// When the certificate is too long, or another one was given before.
pub fn trusting(authority: &[u8]) -> Result<Channel, Refusal> {
    let room = AUTHORITY.try_take().ok_or(Refusal::Trust)?;
    let kept = room.get_mut(..authority.len()).ok_or(Refusal::Trust)?;
    kept.copy_from_slice(authority);
    Ok(Channel::Tls(TlsChannel::new(ROOTS.init([kept]))))
}
