//! What must always be so, whatever the story and whatever goes wrong in it. Each has a name, by which a failure
//! is known, and a sentence.

use std::fmt;

use firmware_core::config::{Config, Passphrase, Ssid};
use firmware_core::trace::{Event, State};

use super::build::{Stage, passphrase_of, ssid};
use crate::scenario::{Arm, Armed, FlashChange, PhoneAction, Scenario, Verb};
use crate::trace::What;
use crate::world::{BROADCASTS_MAX, NodeId};

/// Something that must always be so.
#[derive(PartialEq, Eq, Debug)]
pub struct Invariant {
    /// By what a failure is known.
    pub name: &'static str,
    /// What must be so.
    pub sentence: &'static str,
}

/// Everything that a run says.
pub const NO_SECRET_TOLD: Invariant = Invariant {
    name: "no-secret-told",
    sentence: "no password and no token appears in anything that a run says",
};
/// The content of a record.
pub const STORED_WAS_SENT: Invariant = Invariant {
    name: "stored-was-sent",
    sentence: "a stored configuration is one that somebody has sent, whole",
};
/// The end of a valid record.
pub const VALID_SURVIVES: Invariant = Invariant {
    name: "valid-survives",
    sentence: "a valid configuration goes by a reset or for another one, and by nothing else",
};
/// A cut within a write.
pub const OLD_OR_NEW: Invariant = Invariant {
    name: "old-or-new",
    sentence: "after a power cut the flash holds what it held before the write, or what it was to hold",
};
/// A device after its troubles.
pub const SETTLES: Invariant = Invariant {
    name: "settles",
    sentence: "once nothing is at fault any more, each device is online or waits for a phone, in bounded time",
};
/// Flash after a power cut.
pub const WRITABLE_AGAIN: Invariant = Invariant {
    name: "writable-again",
    sentence: "once a device has booted after a power cut, another configuration can be stored and read back",
};
/// Flash after a reset.
pub const EMPTY_TELLS_NOTHING: Invariant = Invariant {
    name: "empty-tells-nothing",
    sentence: "flash that holds no configuration holds no password and no token, once its device is at rest",
};
/// A user after the troubles of her device.
pub const CAN_BE_SET_UP: Invariant = Invariant {
    name: "can-be-set-up",
    sentence: "once nothing is at fault any more, a user with the right password gets her device online",
};
/// A device in its home network.
pub const NO_STORM: Invariant = Invariant {
    name: "no-storm",
    sentence: "a device sends its home network at most 60 broadcasts in ten seconds, whatever it is answered",
};

/// All of them.
pub const ALL: [&Invariant; 9] = [
    &NO_SECRET_TOLD,
    &STORED_WAS_SENT,
    &VALID_SURVIVES,
    &OLD_OR_NEW,
    &SETTLES,
    &WRITABLE_AGAIN,
    &EMPTY_TELLS_NOTHING,
    &CAN_BE_SET_UP,
    &NO_STORM,
];

impl Invariant {
    /// It is not so; `why` says who breaks it and how.
    pub(super) fn broken(&'static self, why: impl Into<String>) -> Broken {
        Broken { invariant: self, why: why.into() }
    }
}

/// An invariant that is not so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// Which.
    pub invariant: &'static Invariant,
    /// Who breaks it and how, without secrets.
    pub why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant: Invariant { name, sentence }, why } = self;
        write!(f, "{why}; {name}: {sentence}")
    }
}

impl std::error::Error for Broken {}

/// What has to be known of a device's flash to judge a change of it.
#[derive(Clone, Default, Debug)]
pub(super) struct Guard {
    valid: Option<Config>,
    /// Whether the device is in the middle of a reset.
    is_resetting: bool,
    /// Entries of the trace that have been looked at.
    trace_seen: usize,
    /// Whether the flash has been damaged from outside, after which what it held may be gone.
    is_damaged: bool,
    /// Whether bytes have been written to it from outside, after which it may hold anything.
    is_written: bool,
}

impl Guard {
    /// Asks less from now on of a flash that is changed from outside. Damage can take a record; it cannot make one that
    /// nobody has sent, because records have checksums.
    pub(super) fn note_outside_change(&mut self, change: &FlashChange) {
        self.is_damaged = true;
        self.is_written |= change.write.is_some();
    }
}

/// The networks that a scenario's phones tell their devices. `None` when a step sends what only the device can read.
pub(super) fn sent(scenario: &Scenario) -> Option<Vec<(Ssid, Passphrase)>> {
    let mut sent = Vec::new();
    for step in &scenario.steps {
        let credentials = match &step.verb {
            Verb::Phone(PhoneAction::Configure(configure)) if configure.raw.is_empty() => {
                configure.credentials(&scenario.world)
            }
            Verb::Phone(PhoneAction::Provision(provision)) => provision.credentials(&scenario.world),
            Verb::Phone(PhoneAction::Configure(_)) | Verb::Console(_) => return None,
            Verb::Phone(PhoneAction::Request(request))
            | Verb::Arm(Arm { what: Armed::Phone(PhoneAction::Request(request)), .. })
                if request.path.starts_with("/config?")
                    || request.path.starts_with("/config") && request.body.is_some() =>
            {
                return None;
            }
            _ => continue,
        };
        let credentials = credentials?;
        sent.push((ssid(&credentials.ssid), passphrase_of(credentials.password.expose())));
    }
    Some(sent)
}

impl Stage {
    /// Judges what a device has just done to its flash.
    pub(super) fn check_flash_change(&mut self, index: usize) -> Result<(), Broken> {
        let has_been_reset = self.note_reset(index);
        let Some(&Guard { is_damaged, is_written, .. }) = self.guards.get(index) else { return Ok(()) };
        let Some(loaded) = self.stored(index).cloned() else { return Ok(()) };
        let name = self.world.trace.name(NodeId::Device(index));
        let held = loaded.trial.iter().map(|trial| &trial.config).chain(&loaded.valid);
        for config in held {
            let Some(sent) = self.sent.as_ref().filter(|_| !is_written) else { break };
            if !sent.iter().any(|(ssid, password)| *ssid == config.ssid && *password == config.passphrase) {
                return Err(STORED_WAS_SENT.broken(format!("{name} holds one that nobody has sent")));
            }
        }
        let Some(guard) = self.guards.get_mut(index) else { return Ok(()) };
        let had = std::mem::replace(&mut guard.valid, loaded.valid);
        if had.is_some() && guard.valid.is_none() && !has_been_reset && !is_damaged {
            return Err(VALID_SURVIVES.broken(format!("{name} has lost its own")));
        }
        Ok(())
    }

    /// Whether a device has been in the middle of a reset since this was asked last, from what it has told.
    fn note_reset(&mut self, index: usize) -> bool {
        let Some(guard) = self.guards.get_mut(index) else { return false };
        let mut has_been = guard.is_resetting;
        let entries = self.world.trace.entries();
        for entry in entries.iter().skip(guard.trace_seen) {
            match &entry.what {
                _ if entry.actor != NodeId::Device(index) => {}
                What::Device(Event::Erased) => has_been = true,
                What::Device(Event::State { to, .. }) => {
                    guard.is_resetting = *to == State::ResetConfig;
                    has_been |= guard.is_resetting;
                }
                _ => {}
            }
        }
        guard.trace_seen = entries.len();
        has_been
    }

    /// Judges what devices have sent.
    pub(super) fn check_storm(&self) -> Result<(), Broken> {
        let Some(index) = self.world.storming else { return Ok(()) };
        let name = self.world.trace.name(NodeId::Device(index));
        Err(NO_STORM.broken(format!("{name} sends more than {BROADCASTS_MAX}")))
    }

    /// Flash without a configuration must not tell one.
    pub(super) fn check_empty_tells_nothing(&mut self) -> Result<(), Broken> {
        for index in 0..self.world.devices.len() {
            let is_empty =
                self.stored(index).is_some_and(|loaded| loaded.trial.is_none() && loaded.valid.is_none());
            if is_empty && self.flash_tells(index) {
                let name = self.world.trace.name(NodeId::Device(index));
                return Err(EMPTY_TELLS_NOTHING.broken(format!("{name} still has one in its flash")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invariant_has_a_name_and_a_sentence_of_its_own() {
        for (place, invariant) in ALL.iter().enumerate() {
            let is_plain = |letter: char| letter.is_ascii_lowercase() || letter == '-';
            assert!(!invariant.name.is_empty() && invariant.name.chars().all(is_plain), "{}", invariant.name);
            assert!(
                invariant.sentence.len() > 30 && !invariant.sentence.ends_with('.'),
                "{}",
                invariant.name
            );
            let others = ALL.iter().skip(place + 1);
            assert!(others.into_iter().all(|other| other.name != invariant.name));
        }
    }
}
