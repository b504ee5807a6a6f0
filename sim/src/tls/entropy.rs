//! rustls with ring's ciphers, and with randomness that comes from a seed, so that every run has the same bytes.
//!
//! rustls asks a provider for random bytes, and a provider lives for ever: it cannot know whose connection asks.
//! So each connection brings its generator along for as long as it is at work, and the provider takes from that one.
//! What is made so protects nothing: whoever knows the seed knows the keys.

use core::cell::RefCell;
use std::sync::{Arc, LazyLock};

use firmware_core::random::SplitMix64;
use p256::ecdh::diffie_hellman;
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{PublicKey, SecretKey};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret, SupportedKxGroup, ring,
};
use rustls::{Error, NamedGroup, PeerMisbehaved};

thread_local! {
    /// The generator of the connection that is at work in this thread.
    static AT_WORK: RefCell<Option<SplitMix64>> = const { RefCell::new(None) };
}

/// Lets a connection work; all randomness that it asks for comes from `random`.
pub(super) fn with<T>(random: &mut SplitMix64, work: impl FnOnce() -> T) -> T {
    AT_WORK.set(Some(random.clone()));
    let result = work();
    if let Some(used) = AT_WORK.take() {
        *random = used;
    }
    result
}

/// The provider of every connection of a simulated world.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            kx_groups: vec![&Secp256r1],
            secure_random: &Seeded,
            ..ring::default_provider()
        })
    });
    PROVIDER.clone()
}

/// A key that is drawn from the generator.
pub(super) fn draw_key(random: &mut SplitMix64) -> SecretKey {
    loop {
        let mut bytes = [0; 32];
        fill(random, &mut bytes);
        // All but one in 2^32 draws are below the order of the curve.
        if let Ok(key) = SecretKey::from_slice(&bytes) {
            return key;
        }
    }
}

fn fill(random: &mut SplitMix64, room: &mut [u8]) {
    for piece in room.chunks_mut(8) {
        piece.copy_from_slice(&random.next_u64().to_le_bytes()[..piece.len()]);
    }
}

#[derive(Debug)]
struct Seeded;

impl SecureRandom for Seeded {
    fn fill(&self, room: &mut [u8]) -> Result<(), GetRandomFailed> {
        AT_WORK.with_borrow_mut(|at_work| {
            fill(at_work.as_mut().ok_or(GetRandomFailed)?, room);
            Ok(())
        })
    }
}

/// The key exchange on the curve that small devices have (RFC 8446 section 4.2.7).
#[derive(Debug)]
struct Secp256r1;

impl SupportedKxGroup for Secp256r1 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        AT_WORK.with_borrow_mut(|at_work| {
            let key = draw_key(at_work.as_mut().ok_or(Error::FailedToGetRandomBytes)?);
            let public = key.public_key().to_sec1_point(false).as_bytes().to_vec();
            Ok(Box::new(Exchange { key, public }) as Box<dyn ActiveKeyExchange>)
        })
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

struct Exchange {
    key: SecretKey,
    public: Vec<u8>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = PublicKey::from_sec1_bytes(peer).map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        let secret = diffie_hellman(self.key.to_nonzero_scalar(), peer.as_affine());
        Ok(secret.raw_secret_bytes().as_slice().into())
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}
