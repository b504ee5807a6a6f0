//! What both slots hold, for tools that show it. Repairs nothing and remembers nothing.

use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;

use crate::config::{Config, ProvisionError};
use crate::store::layout::{self, Content, Phase};
use crate::store::slot::{self, Side};
use crate::store::{StoreError, check_capacity};

/// Where a record has its secrets, from the beginning of its slot, in bytes.
pub const SECRETS: Range<usize> = layout::SECRET_AT..layout::BODY_END;
/// What a record occupies from the beginning of its slot, marks included, in bytes.
pub const RECORD_LEN: usize = layout::RECORD_LEN;

/// What a slot holds.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "two of them, for a tool, and there is no heap")]
pub enum SlotContent {
    /// Every byte is erased.
    Blank,
    /// Neither blank nor a committed, intact record.
    Damaged,
    /// A record of a layout version that this firmware does not know.
    OtherLayout {
        /// Newer records have a higher number.
        sequence: u32,
    },
    /// A committed record.
    Record {
        /// Newer records have a higher number.
        sequence: u32,
        /// What became of it.
        fate: Fate,
        /// What it says; a rejected record gives nothing.
        config: Option<Config>,
    },
}

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is still being tried.
    Trial {
        /// Boots that may still try it.
        attempts_left: u8,
    },
    /// It is in use.
    Valid,
    /// It failed with this error.
    Rejected(ProvisionError),
}

/// Reads what both slots hold.
///
/// # Errors
/// When flash cannot be read.
pub fn survey<F: NorFlash>(flash: &mut F) -> Result<[SlotContent; 2], StoreError> {
    check_capacity(flash)?;
    let mut look = |side| -> Result<SlotContent, StoreError> {
        Ok(match slot::read(flash, side)? {
            Content::Nothing if slot::is_blank(flash, side)? => SlotContent::Blank,
            Content::Nothing => SlotContent::Damaged,
            Content::OtherLayout { sequence } => SlotContent::OtherLayout { sequence },
            Content::Record(record) => {
                let fate = match record.phase {
                    Phase::Trial { attempts_left } => Fate::Trial { attempts_left },
                    Phase::Valid => Fate::Valid,
                    Phase::Rejected(error) => Fate::Rejected(error),
                };
                SlotContent::Record { sequence: record.sequence, fate, config: record.config }
            }
        })
    };
    Ok([look(Side::First)?, look(Side::Second)?])
}
