//! A NOR flash in memory that never fails.

use core::fmt;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read,
    check_write,
};

use super::SECTOR_LEN;

/// `N` bytes of flash, FF at the start, that clear bits when programmed and know no power loss.
///
/// Its `Debug` shows the size alone: what a device stores there is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ArrayFlash<const N: usize>([u8; N]);

impl<const N: usize> ArrayFlash<N> {
    /// A flash that has been erased.
    #[inline]
    pub const fn new() -> Self {
        Self([0xFF; N])
    }

    /// What it holds.
    pub const fn bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// What it holds, to put an image there or to damage it.
    pub const fn bytes_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }

    fn range(&mut self, offset: u32, len: usize) -> Result<&mut [u8], NorFlashErrorKind> {
        let at = offset as usize;
        self.0.get_mut(at..at + len).ok_or(NorFlashErrorKind::OutOfBounds)
    }
}

impl<const N: usize> Default for ArrayFlash<N> {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for ArrayFlash<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArrayFlash of {N} bytes")
    }
}

impl<const N: usize> ErrorType for ArrayFlash<N> {
    type Error = NorFlashErrorKind;
}

impl<const N: usize> ReadNorFlash for ArrayFlash<N> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        check_read(self, offset, bytes.len())?;
        bytes.copy_from_slice(self.range(offset, bytes.len())?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        N
    }
}

impl<const N: usize> NorFlash for ArrayFlash<N> {
    const WRITE_SIZE: usize = 1;
    const ERASE_SIZE: usize = SECTOR_LEN as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        check_erase(self, from, to)?;
        self.range(from, (to - from) as usize)?.fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        check_write(self, offset, bytes.len())?;
        // Eight bytes at a time, because tests cut and rewrite whole sectors by the ten thousand.
        let (targets, targets_rest) = self.range(offset, bytes.len())?.as_chunks_mut::<8>();
        let (pieces, pieces_rest) = bytes.as_chunks::<8>();
        for (target, piece) in targets.iter_mut().zip(pieces) {
            *target = (u64::from_ne_bytes(*target) & u64::from_ne_bytes(*piece)).to_ne_bytes();
        }
        for (target, byte) in targets_rest.iter_mut().zip(pieces_rest) {
            *target &= byte;
        }
        Ok(())
    }
}

impl<const N: usize> MultiwriteNorFlash for ArrayFlash<N> {}
