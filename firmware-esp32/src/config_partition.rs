//! The flash partition that holds the two configuration slots, and nothing else.

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, ReadNorFlash, check_erase, check_read, check_write,
};
use esp_bootloader_esp_idf::partitions::{PARTITION_TABLE_MAX_LEN, read_partition_table};
use esp_hal::peripherals::FLASH;
use esp_storage::{FlashStorage, FlashStorageError};
use hil_link::cut_flash::SECTOR_LEN;

/// The partition's name in `partitions.csv`.
const LABEL: &str = "config";
/// One sector for each of two slots.
const LEN: u32 = 2 * SECTOR_LEN;

/// The partition as a flash of its own.
pub struct ConfigPartition {
    flash: FlashStorage<'static>,
    /// Where it begins in the chip's flash.
    start: u32,
}

impl ConfigPartition {
    /// Looks the partition up in the table that was flashed with the firmware.
    ///
    /// # Panics
    /// When it is not there, or not as large as two slots: without it nothing can be configured.
    pub fn open(flash: FLASH<'static>) -> Self {
        let mut flash = FlashStorage::new(flash);
        let mut table = [0; PARTITION_TABLE_MAX_LEN];
        let table = read_partition_table(&mut flash, &mut table).expect("the flash has a partition table");
        let entry = table
            .iter()
            .find(|entry| entry.label_as_str() == LABEL && entry.len() == LEN)
            .expect("the partition table is that of partitions.csv");
        Self { flash, start: entry.offset() }
    }
}

impl ErrorType for ConfigPartition {
    type Error = FlashStorageError;
}

impl ReadNorFlash for ConfigPartition {
    const READ_SIZE: usize = FlashStorage::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashStorageError> {
        check_read(self, offset, bytes.len()).map_err(error)?;
        self.flash.read_nor(self.start + offset, bytes)
    }

    fn capacity(&self) -> usize {
        LEN as usize
    }
}

impl NorFlash for ConfigPartition {
    const WRITE_SIZE: usize = FlashStorage::WRITE_SIZE;
    const ERASE_SIZE: usize = FlashStorage::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashStorageError> {
        check_erase(self, from, to).map_err(error)?;
        self.flash.erase(self.start + from, self.start + to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashStorageError> {
        check_write(self, offset, bytes.len()).map_err(error)?;
        self.flash.write_nor(self.start + offset, bytes)
    }
}

// The driver hands words to the chip as they are, and the chip only clears bits.
impl MultiwriteNorFlash for ConfigPartition {}

fn error(kind: embedded_storage::nor_flash::NorFlashErrorKind) -> FlashStorageError {
    use embedded_storage::nor_flash::NorFlashErrorKind;
    match kind {
        NorFlashErrorKind::NotAligned => FlashStorageError::NotAligned,
        NorFlashErrorKind::OutOfBounds => FlashStorageError::OutOfBounds,
        _ => FlashStorageError::IoError,
    }
}
