//! The second bank of the machine's flash: two Intel-style (CFI 0001) chips of 16 bits side by side.
//!
//! The chips erase 256 KiB at a time where an ESP32's flash erases 4 KiB, so each of our sectors has one of
//! theirs to itself and uses the first 4 KiB of it: what is erased at once here is erased at once there.

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read,
    check_write,
};

const BASE: usize = 0x2200_0000;
/// What the chips erase at once.
const CHIP_SECTOR_LEN: usize = 256 * 1024;
/// What we erase at once.
const SECTOR_LEN: usize = 4_096;
/// Sectors of the configuration partition.
const SECTORS: usize = 2;
const WORD_LEN: usize = 4;

/// A command or status to or from both chips.
const fn both(byte: u8) -> u32 {
    byte as u32 | (byte as u32) << 16
}

const READ_ARRAY: u32 = both(0xFF);
const PROGRAM: u32 = both(0x40);
const ERASE: u32 = both(0x20);
const ERASE_CONFIRM: u32 = both(0xD0);
const CLEAR_STATUS: u32 = both(0x50);
/// Status bit 7: done.
const READY: u32 = both(0x80);
/// Status bits 5 and 4: an erase or a program failed.
const FAILED: u32 = both(0x30);

/// The configuration partition.
pub struct Pflash(());

impl Pflash {
    /// The chips as the machine starts with them, whatever the one who was killed was doing.
    pub fn open() -> Self {
        for sector in 0..SECTORS {
            write(address(sector * SECTOR_LEN), CLEAR_STATUS);
            write(address(sector * SECTOR_LEN), READ_ARRAY);
        }
        Self(())
    }
}

impl ErrorType for Pflash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Pflash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        for (at, byte) in (offset as usize..).zip(bytes) {
            let word = read(address(at - at % WORD_LEN)).to_le_bytes();
            *byte = word[at % WORD_LEN];
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        SECTORS * SECTOR_LEN
    }
}

impl NorFlash for Pflash {
    const WRITE_SIZE: usize = WORD_LEN;
    const ERASE_SIZE: usize = SECTOR_LEN;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        for sector_at in (from as usize..to as usize).step_by(SECTOR_LEN) {
            let sector = address(sector_at);
            write(sector, ERASE);
            write(sector, ERASE_CONFIRM);
            finish(sector)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        let (words, _) = bytes.as_chunks::<WORD_LEN>();
        for (at, word) in (offset as usize..).step_by(WORD_LEN).zip(words) {
            let word_address = address(at);
            // Real chips only clear bits; QEMU's take the word as it is.
            let value = read(word_address) & u32::from_le_bytes(*word);
            write(word_address, PROGRAM);
            write(word_address, value);
            finish(word_address)?;
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for Pflash {}

/// Where one of our bytes is.
fn address(offset: usize) -> usize {
    BASE + offset / SECTOR_LEN * CHIP_SECTOR_LEN + offset % SECTOR_LEN
}

/// Waits until both chips are done and lets them show their content again.
fn finish(address: usize) -> Result<(), NorFlashErrorKind> {
    let status = loop {
        let status = read(address);
        if status & READY == READY {
            break status;
        }
    };
    write(address, CLEAR_STATUS);
    write(address, READ_ARRAY);
    if status & FAILED == 0 { Ok(()) } else { Err(NorFlashErrorKind::Other) }
}

fn read(address: usize) -> u32 {
    // SAFETY: only called with words of the bank.
    unsafe { (address as *const u32).read_volatile() }
}

fn write(address: usize, value: u32) {
    // SAFETY: only called with words of the bank.
    unsafe { (address as *mut u32).write_volatile(value) };
}
