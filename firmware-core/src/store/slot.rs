//! One slot in flash: reading it, and the few ways in which it is ever changed. Decides nothing.
//!
//! Whatever is written is read back, so that a worn-out sector is an error now and not a loss at the next boot.

use embedded_storage::nor_flash::{NorFlash, NorFlashError};

use crate::store::StoreError;
use crate::store::layout::{self, BODY_END, Content, Mark, RECORD_LEN, SECRET_AT, WORD_LEN};

/// A slot is one sector, the smallest piece that serial NOR flash erases.
pub const SLOT_LEN: u32 = 4_096;

/// Flash is compared in pieces of this many bytes.
const PIECE_LEN: usize = 64;
const BLANK_PIECE: [u8; PIECE_LEN] = [0xFF; PIECE_LEN];
const ZERO_PIECE: [u8; 512] = [0; 512];

/// One of the two slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    First,
    Second,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::First, Self::Second];

    pub(super) const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    const fn offset(self) -> u32 {
        match self {
            Self::First => 0,
            Self::Second => SLOT_LEN,
        }
    }

    /// Where a place within the slot stands in flash.
    pub(super) fn at(self, place: usize) -> u32 {
        // Places are below 4096.
        u32::try_from(place).map_or(u32::MAX, |place| self.offset() + place)
    }
}

/// Reads what a slot holds.
pub(super) fn read<F: NorFlash>(flash: &mut F, side: Side) -> Result<Content, StoreError> {
    read_image(flash, side).map(|image| layout::decode(&image))
}

/// Reads how many attempts the slot's record has left.
pub(super) fn read_attempts_left<F: NorFlash>(flash: &mut F, side: Side) -> Result<u8, StoreError> {
    read_image(flash, side).map(|image| layout::attempts_left(&image))
}

/// Whether every byte of a slot is erased, those that a record never uses included.
pub(super) fn is_blank<F: NorFlash>(flash: &mut F, side: Side) -> Result<bool, StoreError> {
    let mut piece = [0; PIECE_LEN];
    for at in (side.offset()..side.offset() + SLOT_LEN).step_by(PIECE_LEN) {
        flash.read(at, &mut piece).map_err(failure)?;
        if piece != BLANK_PIECE {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Programs a record into a blank slot.
pub(super) fn write<F: NorFlash>(flash: &mut F, side: Side, body: &[u8; BODY_END]) -> Result<(), StoreError> {
    flash.write(side.offset(), body).map_err(failure)?;
    if read_image(flash, side)?.get(..BODY_END) != Some(body) {
        return Err(StoreError::Verify);
    }
    // The commit word goes last, and only behind a body that has been read back: until this one word is whole,
    // boot sees no record here and uses the other slot.
    mark(flash, side, Mark::Commit)
}

/// Sets a mark in the first word of its group that is blank, or in a later one when that does not hold.
pub(super) fn mark<F: NorFlash>(flash: &mut F, side: Side, mark: Mark) -> Result<(), StoreError> {
    let word = mark.word().to_le_bytes();
    let mut result = Err(StoreError::Full);
    for at in mark.places().map(|place| side.at(place)) {
        let mut found = [0; WORD_LEN];
        flash.read(at, &mut found).map_err(failure)?;
        if found != [0xFF; WORD_LEN] {
            continue;
        }
        flash.write(at, &word).map_err(failure)?;
        flash.read(at, &mut found).map_err(failure)?;
        if found == word {
            return Ok(());
        }
        result = Err(StoreError::Verify);
    }
    result
}

/// Destroys passphrase and token of a rejected record, with their lengths and checksum.
pub(super) fn scrub<F: NorFlash>(flash: &mut F, side: Side) -> Result<(), StoreError> {
    const ZEROS: [u8; BODY_END - SECRET_AT] = [0; BODY_END - SECRET_AT];
    flash.write(side.at(SECRET_AT), &ZEROS).map_err(failure)?;
    let mut found = [0xFF; BODY_END - SECRET_AT];
    flash.read(side.at(SECRET_AT), &mut found).map_err(failure)?;
    if found == ZEROS { Ok(()) } else { Err(StoreError::Verify) }
}

/// Makes a slot blank. From the first step on it holds no record.
pub(super) fn clear<F: NorFlash>(flash: &mut F, side: Side) -> Result<(), StoreError> {
    // An erase that is cut leaves noise anywhere in the sector, so a record whose body survived could come back
    // with its marks gone: an accepted one as a trial. Without its magic number it is nothing at all.
    flash.write(side.offset(), &[0; WORD_LEN]).map_err(failure)?;
    let erased = flash.erase(side.offset(), side.offset() + SLOT_LEN).map_err(failure);
    match erased.and_then(|()| is_blank(flash, side)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(overwrite(flash, side, StoreError::Verify)),
        Err(error) => Err(overwrite(flash, side, error)),
    }
}

/// Programs zeros over a slot that cannot be erased: it is lost for now, but its secrets are not readable.
fn overwrite<F: NorFlash>(flash: &mut F, side: Side, error: StoreError) -> StoreError {
    for at in (side.offset()..side.offset() + SLOT_LEN).step_by(ZERO_PIECE.len()) {
        // The slot has failed already and this is the last resort, so a second failure adds nothing.
        let _ = flash.write(at, &ZERO_PIECE);
    }
    error
}

fn read_image<F: NorFlash>(flash: &mut F, side: Side) -> Result<[u8; RECORD_LEN], StoreError> {
    const {
        assert!(WORD_LEN.is_multiple_of(F::WRITE_SIZE), "marks are words of 4 bytes");
        assert!(WORD_LEN.is_multiple_of(F::READ_SIZE), "marks are words of 4 bytes");
        assert!(4_096_usize.is_multiple_of(F::ERASE_SIZE), "slots are sectors of 4096 bytes");
    }
    let mut image = [0; RECORD_LEN];
    flash.read(side.offset(), &mut image).map_err(failure)?;
    Ok(image)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(super) fn failure<E: NorFlashError>(error: E) -> StoreError {
    StoreError::Flash(error.kind())
}
