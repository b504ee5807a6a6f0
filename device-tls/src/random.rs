//! The generator that all of Mbed TLS draws from.
//!
//! There is one for the whole program, because Mbed TLS's key agreement asks a function without a context. Each
//! start of a channel seeds it anew.

use core::cell::RefCell;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use critical_section::Mutex;

/// Bytes of a seed.
pub(crate) const SEED_LEN: usize = 32;

static GENERATOR: Mutex<RefCell<Option<ChaCha20Rng>>> = Mutex::new(RefCell::new(None));

/// Begins anew with this seed.
pub(crate) fn seed(seed: [u8; SEED_LEN]) {
    critical_section::with(|section| {
        *GENERATOR.borrow_ref_mut(section) = Some(ChaCha20Rng::from_seed(seed));
    });
}

/// Fills `bytes`; `false`, and nothing filled, before the first seed.
pub(crate) fn fill(bytes: &mut [u8]) -> bool {
    critical_section::with(|section| {
        let mut generator = GENERATOR.borrow_ref_mut(section);
        let Some(generator) = generator.as_mut() else { return false };
        generator.fill_bytes(bytes);
        true
    })
}
