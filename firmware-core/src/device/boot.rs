//! What flash says at boot.

use crate::config::{Config, ProvisionError};
use crate::hal::Platform;
use crate::store::{Loaded, Store};
use crate::trace::Event;

/// What the device starts with.
pub(super) struct Start {
    pub(super) trial: Option<Config>,
    pub(super) valid: Option<Config>,
    pub(super) last_error: Option<ProvisionError>,
}

/// Reads both slots and spends one of a trial's attempts, before the radio draws its first current: a supply
/// that cannot bear the radio must not keep a device restarting for ever.
pub(super) fn load<P: Platform>(store: &mut Store, platform: &mut P) -> Start {
    let loaded = match store.load(platform.flash()) {
        Ok(loaded) => loaded,
        Err(_) => {
            platform.trace(Event::FlashFailed);
            Loaded::default()
        }
    };
    if loaded.repair_failed.is_some() {
        platform.trace(Event::FlashFailed);
    }
    let Loaded { trial, valid, last_error, .. } = loaded;
    let Some(trial) = trial else { return Start { trial: None, valid, last_error } };
    if trial.attempts_left > 0
        && let Ok(left) = store.spend_attempt(platform.flash())
    {
        platform.trace(Event::AttemptSpent(left));
        return Start { trial: Some(trial.config), valid, last_error };
    }
    // Every attempt was begun and none came to an end.
    let error = ProvisionError::Internal;
    match store.reject(platform.flash(), error) {
        Ok(()) => platform.trace(Event::Rejected(error)),
        Err(_) => platform.trace(Event::FlashFailed),
    }
    Start { trial: None, valid, last_error: Some(error) }
}
