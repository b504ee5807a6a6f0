//! Keeps the configuration in NOR flash, so that a power cut at any byte leaves the old or the new one.
//!
//! Two slots of one sector each hold one record each. A record is a **trial** until the cloud has accepted it,
//! then **valid**, or **rejected** with the reason. Writing goes to the slot that does not hold the newest valid
//! record, which is therefore never touched, and ends with one commit word. See `layout` for the bytes.
//!
//! The room does not know why a trial failed, when to try again or what to tell the phone, and encrypts
//! nothing. Its marks are programmed in place and secrets are zeroed in place, which serial NOR flash allows
//! and transparent flash encryption does not: give it an unencrypted partition.
//!
//! Beside a record stands the last known time, see `times`: on its own in the rest of the slot, so that what it does
//! concerns no configuration.
//!
//! A record of another **layout version** (another firmware wrote it, E11) is never read and never guessed at.
//! Boot leaves it alone, because whoever goes back to that firmware wants the configuration back; it says so in
//! [`Loaded::other_layout`]; a new configuration goes elsewhere as long as there is room; a reset erases it.

mod crc;
mod layout;
mod slot;
mod survey;
#[cfg(test)]
mod tests;
mod times;

use core::fmt;

use embedded_storage::nor_flash::{NorFlash, NorFlashErrorKind};

pub(crate) use self::crc::crc32;
pub use self::layout::ATTEMPTS_MAX;
use self::layout::{Content, Kind, Mark, Phase, Record};
pub use self::slot::SLOT_LEN;
use self::slot::Side;
pub use self::survey::{Fate, RECORD_LEN, SECRETS, SlotContent, survey};
use crate::config::{Config, ProvisionError};

/// What the store needs of the partition, from its beginning: two slots, in bytes.
pub const PARTITION_LEN: usize = 8_192;

/// A configuration that has to prove itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trial {
    /// What to try.
    pub config: Config,
    /// How many attempts are left, 0 to 3. At 0 it is to be rejected with 704.
    pub attempts_left: u8,
}

/// What boot finds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Loaded {
    /// The newest record, when it is a trial.
    pub trial: Option<Trial>,
    /// The newest valid configuration.
    pub valid: Option<Config>,
    /// Why the newest record was rejected, when it was.
    pub last_error: Option<ProvisionError>,
    /// Whether a slot holds a record of a layout version that this firmware does not know.
    pub other_layout: bool,
    /// Why something that had to be repaired could not be; the rest is true nevertheless.
    pub repair_failed: Option<StoreError>,
}

/// Why an operation did not happen. What was valid before still is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreError {
    /// The flash refused.
    Flash(NorFlashErrorKind),
    /// The flash did not keep what was written: a worn-out or stuck sector.
    Verify,
    /// The partition is smaller than two slots.
    TooSmall,
    /// Every word for this mark has been torn.
    Full,
    /// There is no trial.
    NoTrial,
    /// The trial has no attempt left.
    NoAttempts,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flash(kind) => write!(f, "flash: {kind}"),
            Self::Verify => f.write_str("flash did not keep what was written"),
            Self::TooSmall => f.write_str("partition too small"),
            Self::Full => f.write_str("no room for the mark"),
            Self::NoTrial => f.write_str("no trial"),
            Self::NoAttempts => f.write_str("no attempt left"),
        }
    }
}

impl core::error::Error for StoreError {}

/// The two slots, as far as they are known. It holds no configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Store {
    first: Slot,
    second: Slot,
}

/// What one slot is known to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Slot {
    /// Not read yet, or something went wrong there: to be read before it is used.
    Unknown,
    Blank,
    /// Neither blank nor a committed, intact record.
    Damaged,
    OtherLayout {
        sequence: u32,
    },
    Record {
        sequence: u32,
        phase: Phase,
    },
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// A store that has not looked at the flash yet.
    pub const fn new() -> Self {
        Self { first: Slot::Unknown, second: Slot::Unknown }
    }

    /// Reads both slots at boot and repairs what a power cut left: erases a slot that is neither blank nor
    /// intact, finishes destroying the secrets of a rejected record, erases a trial that a newer record
    /// replaced. A cut during the repair is repaired by the next boot.
    ///
    /// # Errors
    /// When flash cannot be read. A repair that fails is no error here, see [`Loaded::repair_failed`].
    // Not inlined, so that a profile of the host tells the product's work from the host's.
    #[inline(never)]
    pub fn load<F: NorFlash>(&mut self, flash: &mut F) -> Result<Loaded, StoreError> {
        *self = Self::new();
        check_capacity(flash)?;
        let mut first = self.inspect(flash, Side::First)?;
        let mut second = self.inspect(flash, Side::Second)?;
        let newest = self.newest();
        let mut loaded = Loaded::default();
        for side in Side::BOTH {
            let record = match side {
                Side::First => first.take(),
                Side::Second => second.take(),
            };
            if let Err(error) = self.repair(flash, side, newest, record.as_ref()) {
                loaded.repair_failed = Some(error);
            }
            let Some(record) = record else { continue };
            match record.phase {
                Phase::Trial { attempts_left } if newest == Some(side) => {
                    loaded.trial = record.config.map(|config| Trial { config, attempts_left });
                }
                Phase::Valid if self.newest_valid() == Some(side) => loaded.valid = record.config,
                Phase::Rejected(error) if newest == Some(side) => loaded.last_error = Some(error),
                // An older record only matters as the newest valid one.
                Phase::Trial { .. } | Phase::Valid | Phase::Rejected(_) => {}
            }
        }
        loaded.other_layout = [self.first, self.second].iter().any(|slot| slot.is_other_layout());
        Ok(loaded)
    }

    /// Stores a configuration that has to prove itself. It replaces a trial that is pending.
    ///
    /// # Errors
    /// When it could not be stored. A pending trial may be gone then; a valid configuration is untouched.
    pub fn save_trial<F: NorFlash>(&mut self, flash: &mut F, config: &Config) -> Result<(), StoreError> {
        self.save(flash, config, Kind::Trial)
    }

    /// Stores a configuration that counts at once (`save=1`).
    ///
    /// # Errors
    /// When it could not be stored. A pending trial may be gone then; a valid configuration is untouched.
    pub fn save_valid<F: NorFlash>(&mut self, flash: &mut F, config: &Config) -> Result<(), StoreError> {
        self.save(flash, config, Kind::Valid)
    }

    /// Spends one of the pending trial's attempts, durably, and returns how many are left: 2, 1, 0.
    ///
    /// # Errors
    /// When there is no trial, when it has no attempt left, or when flash fails.
    pub fn spend_attempt<F: NorFlash>(&mut self, flash: &mut F) -> Result<u8, StoreError> {
        let (side, sequence, attempts_left) = self.pending(flash)?;
        if attempts_left == 0 {
            return Err(StoreError::NoAttempts);
        }
        // Unknown until the mark is whole, so that an error makes the next operation read the slot again.
        self.set(side, Slot::Unknown);
        slot::mark(flash, side, Mark::Attempt)?;
        let attempts_left = slot::read_attempts_left(flash, side)?;
        self.set(side, Slot::Record { sequence, phase: Phase::Trial { attempts_left } });
        Ok(attempts_left)
    }

    /// Makes the pending trial the valid configuration, by one word.
    ///
    /// # Errors
    /// When there is no trial or when flash fails; it is still a trial then.
    pub fn accept<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), StoreError> {
        let (side, sequence, _) = self.pending(flash)?;
        self.set(side, Slot::Unknown);
        slot::mark(flash, side, Mark::Accepted)?;
        self.set(side, Slot::Record { sequence, phase: Phase::Valid });
        Ok(())
    }

    /// Rejects the pending trial with its reason and destroys its secrets.
    ///
    /// When that cannot be programmed (power cuts tore every word for the reason, or the sector is stuck) the
    /// record is erased instead, so that what failed is not tried again; the next boot has no reason then.
    ///
    /// # Errors
    /// When there is no trial or when flash fails.
    pub fn reject<F: NorFlash>(&mut self, flash: &mut F, error: ProvisionError) -> Result<(), StoreError> {
        let (side, sequence, _) = self.pending(flash)?;
        self.set(side, Slot::Unknown);
        // The mark goes first: a record whose secrets are half gone must not look like damage, because the
        // phone is to read the reason after the cut too. Boot finishes what is missing.
        let rejected = slot::mark(flash, side, Mark::Rejected(error)).and_then(|()| slot::scrub(flash, side));
        if rejected.is_err() {
            return self.clear(flash, side);
        }
        self.set(side, Slot::Record { sequence, phase: Phase::Rejected(error) });
        Ok(())
    }

    /// Erases everything: the slot not in use first, the one in use last. In use is the newest valid record, so
    /// that a reset that is cut leaves nothing, everything, or a configuration that is known to work.
    ///
    /// # Errors
    /// When a slot could not be erased; its secrets are overwritten if that is possible, and the other slot is
    /// erased all the same.
    pub fn erase_all<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), StoreError> {
        self.refresh(flash)?;
        let last = self.newest_valid().or(self.newest()).unwrap_or(Side::First);
        let mut result = Ok(());
        for side in [last.other(), last] {
            // Blank is looked at again: this is the operation that promises that nothing is left.
            if slot::is_blank(flash, side)? {
                self.set(side, Slot::Blank);
            } else {
                result = result.and(self.clear(flash, side));
            }
        }
        result
    }

    fn save<F: NorFlash>(&mut self, flash: &mut F, config: &Config, kind: Kind) -> Result<(), StoreError> {
        self.refresh(flash)?;
        let sequence = self.next_sequence();
        let body = layout::encode(config, kind, sequence);
        let phase = match kind {
            Kind::Trial => Phase::Trial { attempts_left: ATTEMPTS_MAX },
            Kind::Valid => Phase::Valid,
        };
        let mut result = Err(StoreError::Full);
        for side in self.candidates().into_iter().flatten() {
            if self.get(side) != Slot::Blank {
                result = self.clear(flash, side);
            }
            if self.get(side) == Slot::Blank {
                self.set(side, Slot::Unknown);
                result = slot::write(flash, side, &body);
            }
            if result.is_ok() {
                self.set(side, Slot::Record { sequence, phase });
                return Ok(());
            }
        }
        result
    }

    /// The slots that may be written, the better one first: never the newest valid record; what is worth
    /// nothing before what is worth something. The second is for the case that the first one's sector fails.
    fn candidates(&self) -> [Option<Side>; 2] {
        let newest = self.newest();
        let worth = |side: Side| match self.get(side) {
            Slot::Blank => 0,
            Slot::Damaged | Slot::Unknown => 1,
            Slot::Record { .. } if newest != Some(side) => 2,
            Slot::Record { .. } => 3,
            Slot::OtherLayout { .. } => 4,
        };
        let better = if worth(Side::Second) < worth(Side::First) { Side::Second } else { Side::First };
        let kept = self.newest_valid();
        [better, better.other()].map(|side| (kept != Some(side)).then_some(side))
    }

    fn repair<F: NorFlash>(
        &mut self,
        flash: &mut F,
        side: Side,
        newest: Option<Side>,
        record: Option<&Record>,
    ) -> Result<(), StoreError> {
        match self.get(side) {
            Slot::Damaged => self.clear(flash, side),
            // A trial that a newer record replaced is never tried, so its secrets need not lie about.
            Slot::Record { phase: Phase::Trial { .. }, .. } if newest != Some(side) => {
                self.clear(flash, side)
            }
            Slot::Record { .. } if record.is_some_and(|record| record.must_scrub) => {
                slot::scrub(flash, side).or_else(|_| self.clear(flash, side))
            }
            Slot::Unknown | Slot::Blank | Slot::OtherLayout { .. } | Slot::Record { .. } => Ok(()),
        }
    }

    /// Erases a slot and records what has become of it.
    fn clear<F: NorFlash>(&mut self, flash: &mut F, side: Side) -> Result<(), StoreError> {
        self.set(side, Slot::Unknown);
        slot::clear(flash, side)?;
        self.set(side, Slot::Blank);
        Ok(())
    }

    /// Reads every slot that is not known.
    fn refresh<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), StoreError> {
        check_capacity(flash)?;
        for side in Side::BOTH {
            if self.get(side) == Slot::Unknown {
                self.inspect(flash, side)?;
            }
        }
        Ok(())
    }

    /// Reads a slot, remembers what it is and returns the record in it.
    fn inspect<F: NorFlash>(&mut self, flash: &mut F, side: Side) -> Result<Option<Record>, StoreError> {
        let (slot, record) = match slot::read(flash, side)? {
            Content::Record(record) => {
                (Slot::Record { sequence: record.sequence, phase: record.phase }, Some(record))
            }
            Content::OtherLayout { sequence } => (Slot::OtherLayout { sequence }, None),
            Content::Nothing if slot::is_blank(flash, side)? => (Slot::Blank, None),
            Content::Nothing => (Slot::Damaged, None),
        };
        self.set(side, slot);
        Ok(record)
    }

    /// The pending trial: its slot, its sequence and the attempts it has left.
    fn pending<F: NorFlash>(&mut self, flash: &mut F) -> Result<(Side, u32, u8), StoreError> {
        self.refresh(flash)?;
        let side = self.newest().ok_or(StoreError::NoTrial)?;
        match self.get(side) {
            Slot::Record { sequence, phase: Phase::Trial { attempts_left } } => {
                Ok((side, sequence, attempts_left))
            }
            Slot::Record { phase: Phase::Valid | Phase::Rejected(_), .. }
            | Slot::Unknown
            | Slot::Blank
            | Slot::Damaged
            | Slot::OtherLayout { .. } => Err(StoreError::NoTrial),
        }
    }

    fn newest(&self) -> Option<Side> {
        self.newest_where(|_| true)
    }

    fn newest_valid(&self) -> Option<Side> {
        self.newest_where(|phase| phase == Phase::Valid)
    }

    fn newest_where(&self, wanted: impl Fn(Phase) -> bool) -> Option<Side> {
        let sequence_of = |side| match self.get(side) {
            Slot::Record { sequence, phase } if wanted(phase) => Some(sequence),
            Slot::Record { .. } | Slot::Unknown | Slot::Blank | Slot::Damaged | Slot::OtherLayout { .. } => {
                None
            }
        };
        match (sequence_of(Side::First), sequence_of(Side::Second)) {
            (Some(first), Some(second)) if is_newer(second, first) => Some(Side::Second),
            (Some(_), _) => Some(Side::First),
            (None, Some(_)) => Some(Side::Second),
            (None, None) => None,
        }
    }

    /// One more than the newest sequence in flash, other layouts' records included.
    fn next_sequence(&self) -> u32 {
        let newest = match (self.first.sequence(), self.second.sequence()) {
            (Some(first), Some(second)) if is_newer(second, first) => second,
            (Some(first), _) => first,
            (None, second) => second.unwrap_or(0),
        };
        newest.wrapping_add(1)
    }

    const fn get(&self, side: Side) -> Slot {
        match side {
            Side::First => self.first,
            Side::Second => self.second,
        }
    }

    fn set(&mut self, side: Side, slot: Slot) {
        match side {
            Side::First => self.first = slot,
            Side::Second => self.second = slot,
        }
    }
}

impl Slot {
    const fn sequence(self) -> Option<u32> {
        match self {
            Self::Record { sequence, .. } | Self::OtherLayout { sequence } => Some(sequence),
            Self::Unknown | Self::Blank | Self::Damaged => None,
        }
    }

    const fn is_other_layout(self) -> bool {
        match self {
            Self::OtherLayout { .. } => true,
            Self::Unknown | Self::Blank | Self::Damaged | Self::Record { .. } => false,
        }
    }
}

/// Serial number arithmetic (RFC 1982 section 3.2): right across the wrap, as long as two slots are near.
const fn is_newer(a: u32, b: u32) -> bool {
    let ahead = a.wrapping_sub(b);
    ahead != 0 && ahead < 1 << 31
}

fn check_capacity<F: NorFlash>(flash: &F) -> Result<(), StoreError> {
    if flash.capacity() < PARTITION_LEN { Err(StoreError::TooSmall) } else { Ok(()) }
}
