//! Makes what the flash of an ESP32 board holds: a firmware with its bootloader and its partition table. As one file
//! with the whole content of the flash, which `hil image` calls this for; or each part in a file of its own, which
//! `hil wokwi serve` does.
//!
//! It knows nothing of what the firmware does, and does not talk to boards.

use std::error::Error;
use std::fs;
use std::panic;
use std::path::Path;
use std::process::ExitCode;

use espflash::flasher::{FlashData, FlashSettings, FlashSize};
use espflash::image_format::idf::{IdfBootloaderFormat, check_idf_bootloader};
use espflash::target::{Chip, XtalFrequency};

const USAGE: &str = "usage: esp-image CHIP FLASH-SIZE PARTITION-TABLE ELF FILE
       esp-image parts CHIP FLASH-SIZE PARTITION-TABLE|- BOOTLOADER|- ELF FOLDER
for example: esp-image esp32c3 4MB partitions.csv real-radio real-radio.bin
The second form writes each part to FOLDER, as a file that is called after its address; - is what espflash brings.";
/// What erased flash holds.
const ERASED: u8 = 0xFF;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["parts", chip, flash_size, table, bootloader, elf, folder] => {
            board(chip, flash_size).and_then(|board| {
                split(&board, given(table), given(bootloader), Path::new(elf), Path::new(folder))
            })
        }
        [chip, flash_size, table, elf, file] => board(chip, flash_size)
            .and_then(|board| merge(&board, Path::new(table), Path::new(elf), Path::new(file))),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A file that is named, rather than left to espflash.
fn given(name: &str) -> Option<&Path> {
    (name != "-").then(|| Path::new(name))
}

/// What the firmware is for.
struct Board {
    chip: Chip,
    flash_size: FlashSize,
}

fn board(chip: &str, flash_size: &str) -> Result<Board, Box<dyn Error>> {
    let chip = chip.parse().map_err(|_| format!("`{chip}` is no chip that espflash knows"))?;
    let flash_size = flash_size.parse().map_err(|_| format!("`{flash_size}` is no size of a flash"))?;
    Ok(Board { chip, flash_size })
}

fn read(elf: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(fs::read(elf).map_err(|error| format!("{}: {error}", elf.display()))?)
}

/// Writes the whole content of the flash.
fn merge(board: &Board, table: &Path, elf: &Path, file: &Path) -> Result<(), Box<dyn Error>> {
    let program = read(elf)?;
    check_idf_bootloader(&program).map_err(|error| error.to_string())?;
    let image = image(board, Some(table), None, &program)?;
    let partitions = image.partition_table();
    let len = usize::try_from(board.flash_size.size())?;
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

/// Writes bootloader, partition table and application. What the program says of itself to the bootloader may be
/// missing: a simulator takes any.
fn split(
    board: &Board,
    table: Option<&Path>,
    bootloader: Option<&Path>,
    elf: &Path,
    folder: &Path,
) -> Result<(), Box<dyn Error>> {
    let program = read(elf)?;
    let image = image(board, table, bootloader, &program)?;
    for segment in image.flash_segments() {
        let file = folder.join(format!("{:#x}.bin", segment.addr));
        fs::write(&file, segment.data()).map_err(|error| format!("{}: {error}", file.display()))?;
        println!("{:>#10x}  {:>9} bytes", segment.addr, segment.size());
    }
    Ok(())
}

/// Lays out what the flash holds.
fn image<'a>(
    board: &Board,
    table: Option<&Path>,
    bootloader: Option<&Path>,
    program: &'a [u8],
) -> Result<IdfBootloaderFormat<'a>, Box<dyn Error>> {
    let crystal = match board.chip {
        Chip::Esp32c2 => XtalFrequency::_26Mhz,
        Chip::Esp32h2 => XtalFrequency::_32Mhz,
        _ => XtalFrequency::_40Mhz,
    };
    for file in [table, bootloader].into_iter().flatten() {
        // espflash does not always say which file is missing.
        fs::metadata(file).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let settings = FlashSettings::new(None, Some(board.flash_size), None);
    let data = FlashData::new(settings, 0, None, board.chip, crystal);
    // It trusts the lengths in a bootloader and an ELF file, and panics where they are wrong.
    panic::set_hook(Box::new(|_| {}));
    let made =
        panic::catch_unwind(|| IdfBootloaderFormat::new(program, &data, table, bootloader, None, None));
    drop(panic::take_hook());
    match made {
        Ok(Ok(image)) => Ok(image),
        Ok(Err(error)) => Err(with_causes(&error).into()),
        Err(_) => {
            Err("espflash cannot make sense of the program, the bootloader or the partition table".into())
        }
    }
}

/// What went wrong and why, on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut all = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some repeat what they are caused by.
        if !all.contains(&text) {
            all = format!("{all}: {text}");
        }
        cause = error.source();
    }
    all
}
