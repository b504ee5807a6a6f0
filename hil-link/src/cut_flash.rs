//! A flash that loses power at a chosen byte, wears, fails on request and tells what was done to it.
//!
//! It wraps any NOR flash: an array in the simulator, the emulated chip under QEMU, the driver on a board. It
//! models serial NOR flash with a program unit of 4 bytes and sectors of 4096: programming clears bits only,
//! erasing sets a whole sector. It knows nothing of what is stored, and takes no time: the world adds that.
//!
//! ```text
//! flash.state_mut().budget = Some(1_000); // power goes after 1,000 bytes programmed or erased
//! device.poll(now, &mut platform);        // from that byte on everything answers Dead
//! flash.power_on();                       // the next boot finds what a real chip might hold then
//! ```

mod array;
mod noise;
#[cfg(test)]
mod tests;

use core::fmt;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase,
    check_read, check_write,
};
use firmware_core::random::{fnv1a64, fnv1a64_continue};
use heapless::Deque;
use serde::{Deserialize, Serialize};

pub use self::array::ArrayFlash;
use self::noise::Noise;

/// The smallest piece that is erased, in bytes.
pub const SECTOR_LEN: u32 = 4_096;
/// The smallest piece that is programmed, in bytes.
pub const PROGRAM_LEN: usize = 4;
/// Sectors whose erases are counted; a configuration partition has two.
pub const COUNTED_SECTORS: usize = 16;
/// Operations kept until the turn drains them. A save has four; the most that one poll can come to, two sectors
/// overwritten because they could not be erased, is 18.
pub const OPERATIONS_MAX: usize = 32;

/// Content is compared in pieces of this many bytes.
const PIECE_LEN: usize = 64;

/// What was done to the flash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlashOperationKind {
    /// Bits were cleared.
    Program,
    /// Whole sectors were set to FF.
    Erase,
}

/// One operation: never its content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlashOperation {
    /// What was done.
    pub kind: FlashOperationKind,
    /// Where it began, in bytes.
    pub offset: u32,
    /// How many bytes were done in full.
    pub len: u32,
    /// FNV-1a-64 of `len` (little-endian) and the bytes programmed; of `len` alone for an erase.
    pub digest: u64,
    /// Whether power was lost before its last byte.
    pub interrupted: bool,
}

/// Where power goes when the budget ends between two operations, or is 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Boundary {
    /// At rest: directly after the last byte of the one, or before the first byte of all.
    #[default]
    AtRest,
    /// Just as the next one has begun: its first byte is torn, or its sector disturbed.
    Begun,
}

/// Why the flash did not do what it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CutFlashError<E> {
    /// Power is off until [`CutFlash::power_on`].
    Dead,
    /// A bit that is 0 was to be programmed to 1: an erase is missing.
    NotErased,
    /// The erase was armed to fail.
    EraseFailed,
    /// Offset or length is no multiple of the unit.
    NotAligned,
    /// The range ends behind the flash.
    OutOfBounds,
    /// The flash underneath failed.
    Inner(E),
}

impl<E: NorFlashError> NorFlashError for CutFlashError<E> {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Dead | Self::NotErased | Self::EraseFailed => NorFlashErrorKind::Other,
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::Inner(error) => error.kind(),
        }
    }
}

impl<E: fmt::Debug> fmt::Display for CutFlashError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dead => f.write_str("power is off"),
            Self::NotErased => f.write_str("programmed a 1 over a 0"),
            Self::EraseFailed => f.write_str("erase failed"),
            Self::NotAligned => f.write_str("not aligned"),
            Self::OutOfBounds => f.write_str("out of bounds"),
            Self::Inner(error) => write!(f, "{error:?}"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for CutFlashError<E> {}

/// What is armed in a flash and what has been counted there: everything but its content.
///
/// It is one value so that it can be carried to a flash behind a link, and back, and outlives a reset there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FlashState {
    /// Power goes after this many more bytes programmed or erased, 0 being before the first; `None` never.
    pub budget: Option<u32>,
    /// Power goes within the nth erase or program from now on, counted from 1, when so many of its bytes are
    /// done; with its last one at the latest.
    pub cut: Option<Cut>,
    /// What happens when the budget ends between two operations.
    pub boundary: Boundary,
    /// Seeds what an interrupted operation leaves behind. The same seed and step leave the same.
    pub noise_seed: u64,
    /// The next erase fails without effect; the flash stays alive.
    pub fails_next_erase: bool,
    /// Programming this sector succeeds without effect. Erasing it still works.
    pub stuck_sector: Option<u32>,
    /// A sector that has been erased so many times is worn out: its erases fail from then on.
    pub erases_max: Option<u32>,
    /// Bytes programmed or erased in full since creation.
    pub steps: u64,
    /// Program operations begun since creation.
    pub programs: u64,
    /// How often each sector's erase was begun.
    pub erases: [u32; COUNTED_SECTORS],
}

/// A power cut at an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cut {
    /// Which erase or program from now on, from 1.
    pub operation: u32,
    /// After how many of its bytes.
    pub byte: u32,
}

impl FlashState {
    /// Nothing armed, nothing counted.
    pub const NEW: Self = Self {
        budget: None,
        cut: None,
        boundary: Boundary::AtRest,
        noise_seed: 0,
        fails_next_erase: false,
        stuck_sector: None,
        erases_max: None,
        steps: 0,
        programs: 0,
        erases: [0; COUNTED_SECTORS],
    };

    /// Withdraws an armed cut and an armed erase failure.
    pub const fn disarm(&mut self) {
        self.cut = None;
        self.fails_next_erase = false;
    }
}

/// A NOR flash that can lose power within any operation.
#[derive(Clone, Debug)]
pub struct CutFlash<F> {
    flash: F,
    is_dead: bool,
    state: FlashState,
    operations: Deque<FlashOperation, OPERATIONS_MAX>,
    lost_operations: u32,
}

/// How far an operation comes.
#[derive(Clone, Copy)]
struct Progress {
    /// Bytes done in full.
    done: u32,
    /// Whether the byte behind them is in progress when power goes.
    is_torn: bool,
    /// Whether power goes.
    dies: bool,
}

impl<F: NorFlash> CutFlash<F> {
    /// Wraps a flash that is powered, without a budget.
    #[inline]
    pub const fn new(flash: F) -> Self {
        const {
            assert!(PROGRAM_LEN.is_multiple_of(F::WRITE_SIZE), "the program unit is 4 bytes");
            assert!(4_096_usize.is_multiple_of(F::ERASE_SIZE), "a sector is 4096 bytes");
            assert!(PROGRAM_LEN.is_multiple_of(F::READ_SIZE), "single words are read");
        }
        Self { flash, is_dead: false, state: FlashState::NEW, operations: Deque::new(), lost_operations: 0 }
    }

    /// What is armed and what was counted.
    pub const fn state(&self) -> &FlashState {
        &self.state
    }

    /// What is armed and what was counted, to change it.
    pub const fn state_mut(&mut self) -> &mut FlashState {
        &mut self.state
    }

    /// Takes power away between two operations.
    pub const fn lose_power(&mut self) {
        self.is_dead = true;
    }

    /// Ends a power loss and withdraws the budget. Arms stay.
    pub const fn power_on(&mut self) {
        self.is_dead = false;
        self.state.budget = None;
    }

    /// Whether power was lost and has not come back.
    pub const fn is_dead(&self) -> bool {
        self.is_dead
    }

    /// The oldest operation that has not been asked for yet.
    pub fn poll_operation(&mut self) -> Option<FlashOperation> {
        self.operations.pop_front()
    }

    /// How many operations did not fit into the log. Not 0 means that the owner drains too rarely.
    pub const fn lost_operations(&self) -> u32 {
        self.lost_operations
    }

    /// The flash underneath, whether power is on or not.
    pub const fn inner(&self) -> &F {
        &self.flash
    }

    /// The flash underneath, to put an image there or to damage it.
    pub const fn inner_mut(&mut self) -> &mut F {
        &mut self.flash
    }

    /// Reads whether power is on or not, as one who takes the chip out would. Less at the end of the flash.
    ///
    /// # Errors
    /// When `offset` lies behind the flash, or the flash underneath fails.
    pub fn read_at_rest<'b>(
        &mut self,
        offset: u32,
        bytes: &'b mut [u8],
    ) -> Result<&'b [u8], CutFlashError<F::Error>> {
        let left = self.flash.capacity().checked_sub(offset as usize).ok_or(CutFlashError::OutOfBounds)?;
        let (bytes, _) = bytes.split_at_mut(bytes.len().min(left));
        self.flash.read(offset, bytes).map_err(CutFlashError::Inner)?;
        Ok(bytes)
    }

    /// Erases all of it whether power is on or not, as before it is soldered in: nothing is counted.
    ///
    /// # Errors
    /// When the flash underneath fails.
    pub fn erase_at_rest(&mut self) -> Result<(), CutFlashError<F::Error>> {
        let end = u32::try_from(self.flash.capacity()).map_err(|_| CutFlashError::OutOfBounds)?;
        self.flash.erase(0, end).map_err(CutFlashError::Inner)
    }

    /// Programs whether power is on or not, as before it is soldered in: nothing is counted.
    ///
    /// # Errors
    /// When the bytes do not fit there, or the flash underneath fails.
    pub fn write_at_rest(&mut self, offset: u32, bytes: &[u8]) -> Result<(), CutFlashError<F::Error>> {
        check_write(self, offset, bytes.len()).map_err(range_error)?;
        self.flash.write(offset, bytes).map_err(CutFlashError::Inner)
    }

    /// Takes an operation's steps from the budget.
    fn progress(&mut self, len: u32) -> Progress {
        match self.state.cut {
            Some(Cut { operation: 0 | 1, byte }) => {
                self.state.cut = None;
                self.state.budget = Some(byte.min(len));
            }
            Some(Cut { operation, byte }) => self.state.cut = Some(Cut { operation: operation - 1, byte }),
            None => {}
        }
        let Some(budget) = self.state.budget else {
            self.state.steps += u64::from(len);
            return Progress { done: len, is_torn: false, dies: false };
        };
        let waits = self.state.boundary == Boundary::Begun;
        let progress = match budget.checked_sub(len) {
            Some(0) => Progress { done: len, is_torn: false, dies: !waits },
            Some(_) => Progress { done: len, is_torn: false, dies: false },
            None => Progress { done: budget, is_torn: budget > 0 || waits, dies: true },
        };
        self.state.budget = Some(budget - progress.done);
        self.is_dead = progress.dies;
        self.state.steps += u64::from(progress.done);
        progress
    }

    fn is_worn_out(&self, from: u32, to: u32) -> bool {
        let (first, end) = ((from / SECTOR_LEN) as usize, to.div_ceil(SECTOR_LEN) as usize);
        let mut sectors = self.state.erases.iter().take(end).skip(first);
        self.state.erases_max.is_some_and(|max| sectors.any(|count| *count >= max))
    }

    fn noise(&self) -> Noise {
        Noise::new(self.state.noise_seed, self.state.steps)
    }

    fn check_alive(&self) -> Result<(), CutFlashError<F::Error>> {
        if self.is_dead { Err(CutFlashError::Dead) } else { Ok(()) }
    }

    /// Refuses to program a 1 over a 0, which flash does not do and drivers do not notice.
    fn check_clears_only(&mut self, offset: u32, bytes: &[u8]) -> Result<(), CutFlashError<F::Error>> {
        let mut old = [0; PIECE_LEN];
        for (at, new) in (offset..).step_by(PIECE_LEN).zip(bytes.chunks(PIECE_LEN)) {
            let (old, _) = old.split_at_mut(new.len());
            self.flash.read(at, old).map_err(CutFlashError::Inner)?;
            let set = new.iter().zip(old.iter()).fold(0, |set, (new, old)| set | (new & !old));
            if set != 0 {
                return Err(CutFlashError::NotErased);
            }
        }
        Ok(())
    }

    /// Programs the first bytes, and of the next one a seeded part of the bits that were to be cleared.
    fn program(
        &mut self,
        offset: u32,
        bytes: &[u8],
        progress: Progress,
    ) -> Result<(), CutFlashError<F::Error>> {
        let whole = progress.done as usize / PROGRAM_LEN * PROGRAM_LEN;
        let (words, rest) = bytes.split_at(whole);
        self.program_pieces(offset, words)?;
        if !progress.dies {
            return Ok(());
        }
        // Programming FF changes nothing, so a word is filled up with it.
        let mut last = [0xFF; PROGRAM_LEN];
        let done = progress.done as usize - whole;
        for (target, byte) in last.iter_mut().zip(rest.iter().take(done)) {
            *target = *byte;
        }
        if let (true, Some(target), Some(byte)) = (progress.is_torn, last.get_mut(done), rest.get(done)) {
            *target = byte | self.noise().byte();
        }
        if rest.is_empty() { Ok(()) } else { self.program_pieces(offset + whole as u32, &last) }
    }

    /// Programs whole words, sector by sector, leaving out a stuck one.
    fn program_pieces(&mut self, offset: u32, bytes: &[u8]) -> Result<(), CutFlashError<F::Error>> {
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let room = SECTOR_LEN - at % SECTOR_LEN;
            let (piece, tail) = rest.split_at(rest.len().min(room as usize));
            if self.state.stuck_sector != Some(at / SECTOR_LEN) {
                self.flash.write(at, piece).map_err(CutFlashError::Inner)?;
            }
            at += piece.len() as u32;
            rest = tail;
        }
        Ok(())
    }

    /// Leaves a sector as an interrupted erase might: the first bytes FF, noise behind them.
    #[inline(never)]
    fn tear_sector(&mut self, sector_at: u32, done: u32) -> Result<(), CutFlashError<F::Error>> {
        let mut content = [0; SECTOR_LEN as usize];
        self.flash.read(sector_at, &mut content).map_err(CutFlashError::Inner)?;
        let (erased, disturbed) = content.split_at_mut(done as usize);
        erased.fill(0xFF);
        self.noise().disturb(disturbed);
        // The flash underneath cannot erase a part, so it erases all and gets back what is to be there.
        self.flash.erase(sector_at, sector_at + SECTOR_LEN).map_err(CutFlashError::Inner)?;
        self.flash.write(sector_at, &content).map_err(CutFlashError::Inner)
    }

    fn log(&mut self, kind: FlashOperationKind, offset: u32, content: &[u8], len: u32, progress: Progress) {
        let done = content.get(..progress.done as usize).unwrap_or_default();
        let digest = fnv1a64_continue(fnv1a64(&progress.done.to_le_bytes()), done);
        let interrupted = progress.done < len;
        let operation = FlashOperation { kind, offset, len: progress.done, digest, interrupted };
        if self.operations.push_back(operation).is_err() {
            self.lost_operations = self.lost_operations.saturating_add(1);
        }
    }
}

impl<F: NorFlash> ErrorType for CutFlash<F> {
    type Error = CutFlashError<F::Error>;
}

impl<F: NorFlash> ReadNorFlash for CutFlash<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.check_alive()?;
        check_read(self, offset, bytes.len()).map_err(range_error)?;
        self.flash.read(offset, bytes).map_err(CutFlashError::Inner)
    }

    fn capacity(&self) -> usize {
        self.flash.capacity()
    }
}

impl<F: NorFlash> NorFlash for CutFlash<F> {
    const WRITE_SIZE: usize = PROGRAM_LEN;
    const ERASE_SIZE: usize = SECTOR_LEN as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.check_alive()?;
        check_erase(self, from, to).map_err(range_error)?;
        if core::mem::take(&mut self.state.fails_next_erase) {
            return Err(CutFlashError::EraseFailed);
        }
        if self.is_worn_out(from, to) {
            return Err(CutFlashError::EraseFailed);
        }
        let len = to - from;
        if len == 0 {
            return Ok(());
        }
        let progress = self.progress(len);
        // Where nothing was begun there is nothing to tell.
        if progress.done > 0 || progress.is_torn {
            self.log(FlashOperationKind::Erase, from, &[], len, progress);
            let begun = progress.done.saturating_add(u32::from(progress.is_torn)).div_ceil(SECTOR_LEN);
            for count in self.state.erases.iter_mut().skip((from / SECTOR_LEN) as usize).take(begun as usize)
            {
                *count = count.saturating_add(1);
            }
        }
        let torn_at = from + progress.done / SECTOR_LEN * SECTOR_LEN;
        self.flash.erase(from, torn_at).map_err(CutFlashError::Inner)?;
        if progress.is_torn {
            self.tear_sector(torn_at, progress.done % SECTOR_LEN)?;
        }
        self.check_alive()
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.check_alive()?;
        check_write(self, offset, bytes.len()).map_err(range_error)?;
        self.check_clears_only(offset, bytes)?;
        let len = u32::try_from(bytes.len()).map_err(|_| CutFlashError::OutOfBounds)?;
        if len == 0 {
            return Ok(());
        }
        let progress = self.progress(len);
        if progress.done > 0 || progress.is_torn {
            self.log(FlashOperationKind::Program, offset, bytes, len, progress);
            self.state.programs += 1;
        }
        self.program(offset, bytes, progress)?;
        self.check_alive()
    }
}

/// Programming clears bits of whatever is there, so that marks can be added to a word again and again.
impl<F: NorFlash> MultiwriteNorFlash for CutFlash<F> {}

fn range_error<E>(kind: NorFlashErrorKind) -> CutFlashError<E> {
    match kind {
        NorFlashErrorKind::NotAligned => CutFlashError::NotAligned,
        // The checks know no third reason.
        _ => CutFlashError::OutOfBounds,
    }
}
