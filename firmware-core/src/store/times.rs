//! The last known time, behind the record of the slot whose configuration was connected with.
//!
//! ```text
//!  576  440 entries of 8 bytes: seconds since 1970 (32 bits, up to 2106), the same with every bit turned
//! ```
//! Entries are appended and never changed; the latest of those that are whole counts. A torn one has more ones than it
//! should, in either half, so that the halves do not fit together. They belong to the slot's record: whatever
//! erases that erases them, and without one they are not looked at. Nothing here touches a byte of a record.

use embedded_storage::nor_flash::NorFlash;

use super::slot::{SLOT_LEN, Side, failure};
use super::{Slot, Store, StoreError};
use crate::hal::UnixTime;
use crate::store::layout::{Phase, RECORD_LEN};

/// Behind the record, at a multiple of [`PIECE_LEN`].
const TIMES_AT: usize = 576;
/// One flash word, and its mirror.
const ENTRY_LEN: usize = 8;
/// Flash is read in pieces of this many bytes.
const PIECE_LEN: usize = 64;
/// Up to the end of the slot.
const END: usize = 4_096;
const BLANK: [u8; ENTRY_LEN] = [0xFF; ENTRY_LEN];
/// A time is worth an entry when it is later than the last one by more than this, in seconds.
const DAY_S: u32 = 86_400;
/// After so many entries the next ones must be a day further apart, so that a slot's room lasts for almost nine years.
const ENTRIES_PER_DAY_MORE: usize = 32;

const _: () = {
    assert!(RECORD_LEN <= TIMES_AT && TIMES_AT.is_multiple_of(PIECE_LEN) && END.is_multiple_of(PIECE_LEN));
    assert!(PIECE_LEN.is_multiple_of(ENTRY_LEN) && SLOT_LEN == 4_096);
};

/// What a slot's entries say.
struct Times {
    latest: Option<u32>,
    /// Where in the slot the next one goes; `None` when there is no room.
    free_at: Option<usize>,
}

impl Store {
    /// The last known time that either slot keeps. Writes nothing.
    ///
    /// # Errors
    /// When flash cannot be read.
    pub fn load_time<F: NorFlash>(&mut self, flash: &mut F) -> Result<Option<UnixTime>, StoreError> {
        self.refresh(flash)?;
        let mut latest = None;
        for side in Side::BOTH {
            if let Slot::Record { .. } = self.get(side) {
                latest = latest.max(read(flash, side)?.latest);
            }
        }
        Ok(latest.map(|seconds| UnixTime(u64::from(seconds))))
    }

    /// Keeps this time beside the configuration in use (the trial, or else the newest valid one) when it is later
    /// than what is kept there by more than a day, or by more days the more entries there are. Returns whether
    /// something was written. Nothing is when there is no room, no configuration, or the year is past 2106.
    ///
    /// A cut leaves the time that was kept before, or this one; the configuration is not touched.
    ///
    /// # Errors
    /// When flash fails.
    pub fn save_time<F: NorFlash>(&mut self, flash: &mut F, time: UnixTime) -> Result<bool, StoreError> {
        self.refresh(flash)?;
        let in_use = self.newest_where(|phase| match phase {
            Phase::Trial { .. } | Phase::Valid => true,
            Phase::Rejected(_) => false,
        });
        let (Some(side), Ok(seconds)) = (in_use, u32::try_from(time.0)) else { return Ok(false) };
        let Times { latest, free_at } = read(flash, side)?;
        let Some(at) = free_at else { return Ok(false) };
        let used = (at - TIMES_AT) / ENTRY_LEN;
        let apart = DAY_S.saturating_mul(u32::try_from(1 + used / ENTRIES_PER_DAY_MORE).unwrap_or(u32::MAX));
        if latest.is_some_and(|latest| seconds <= latest.saturating_add(apart)) {
            return Ok(false);
        }
        let entry = encode(seconds);
        flash.write(side.at(at), &entry).map_err(failure)?;
        let mut found = BLANK;
        flash.read(side.at(at), &mut found).map_err(failure)?;
        if found == entry { Ok(true) } else { Err(StoreError::Verify) }
    }
}

fn encode(seconds: u32) -> [u8; ENTRY_LEN] {
    (u64::from(!seconds) << 32 | u64::from(seconds)).to_le_bytes()
}

fn decode(entry: [u8; ENTRY_LEN]) -> Option<u32> {
    let seconds = u32::from_le_bytes(*entry.first_chunk()?);
    (encode(seconds) == entry).then_some(seconds)
}

/// Reads a slot's entries, up to the first place that is blank.
fn read<F: NorFlash>(flash: &mut F, side: Side) -> Result<Times, StoreError> {
    let mut latest = None;
    let mut piece = [0; PIECE_LEN];
    for at in (TIMES_AT..END).step_by(PIECE_LEN) {
        flash.read(side.at(at), &mut piece).map_err(failure)?;
        let (entries, _) = piece.as_chunks();
        for (place, entry) in (at..).step_by(ENTRY_LEN).zip(entries) {
            if *entry == BLANK {
                return Ok(Times { latest, free_at: Some(place) });
            }
            latest = latest.max(decode(*entry));
        }
    }
    Ok(Times { latest, free_at: None })
}
