//! Merges a firmware for an ESP32 board with its bootloader and its partition table to one file: the whole content of
//! the board's flash. `hil image` builds the firmware and calls this.
//!
//! It knows nothing of what the firmware does, and does not talk to boards.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use espflash::flasher::{FlashData, FlashSettings, FlashSize};
use espflash::image_format::idf::IdfBootloaderFormat;
use espflash::target::{Chip, XtalFrequency};

const USAGE: &str = "usage: esp-image CHIP FLASH-SIZE PARTITION-TABLE ELF FILE
for example: esp-image esp32c3 4MB partitions.csv real-radio real-radio.bin";
/// What erased flash holds.
const ERASED: u8 = 0xFF;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [chip, flash_size, table, elf, file] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match merge(chip, flash_size, Path::new(table), Path::new(elf), Path::new(file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn merge(chip: &str, flash_size: &str, table: &Path, elf: &Path, file: &Path) -> Result<(), Box<dyn Error>> {
    let chip: Chip = chip.parse().map_err(|_| format!("`{chip}` is no chip that espflash knows"))?;
    let crystal = match chip {
        Chip::Esp32c2 => XtalFrequency::_26Mhz,
        Chip::Esp32h2 => XtalFrequency::_32Mhz,
        _ => XtalFrequency::_40Mhz,
    };
    let size: FlashSize = flash_size.parse().map_err(|_| format!("`{flash_size}` is no size of a flash"))?;
    let program = fs::read(elf).map_err(|error| format!("{}: {error}", elf.display()))?;
    espflash::image_format::idf::check_idf_bootloader(&program).map_err(|error| error.to_string())?;
    let settings = FlashSettings::new(None, Some(size), None);
    let data = FlashData::new(settings, 0, None, chip, crystal);
    let image = IdfBootloaderFormat::new(&program, &data, Some(table), None, None, None)?;
    let partitions = image.partition_table();
    let len = usize::try_from(size.size())?;
    let mut content = vec![ERASED; len];
    for segment in image.flash_segments() {
        let start = usize::try_from(segment.addr)?;
        let room = content.get_mut(start..start + segment.data().len());
        room.ok_or("it does not fit the flash")?.copy_from_slice(segment.data());
        let partition = partitions.partitions().iter().find(|partition| partition.offset() == segment.addr);
        let what = partition.map_or(String::new(), |partition| {
            let (used, room) = (segment.size(), partition.size());
            let percent = u64::from(used) * 100 / u64::from(room).max(1);
            format!("  {}, {percent} % of {room}", partition.name())
        });
        println!("{:>#10x}  {:>9} bytes{what}", segment.addr, segment.size());
    }
    fs::write(file, &content).map_err(|error| format!("{}: {error}", file.display()))?;
    println!("{}: {len} bytes", file.display());
    Ok(())
}
