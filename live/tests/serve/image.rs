//! Real images, of a program that is put together by hand: no compiler for these chips is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hil_live::serve::{Chip, EspImage, Parts};
use hil_sim::firmware_build::project;
use libtest_mimic::{Failed, Trial};

use crate::stage::{ELF, Outcome, Page, Stage, is_start, play, same};
use crate::{everything_is_required, skipped};

/// What every part of a chip's flash that is a program begins with.
const MAGIC: u8 = 0xE9;
const TABLE_LEN: usize = 3072;

type Story = fn() -> Outcome;

const SERVED: &str = "image: a page gets it";

pub(crate) fn trials() -> Vec<Trial> {
    let stories: [(&str, Story); 4] = [
        ("image: each chip has its bootloader where it looks for it", each_chip),
        ("image: a bootloader and a partition table can be given", given),
        ("image: what is wrong is said on one line", wrong),
        ("image: the parts are those of the whole flash", whole_flash),
    ];
    if everything_is_required() || is_built() {
        let mut trials: Vec<_> = stories.map(|(name, story)| Trial::test(name, story)).into();
        trials.push(Trial::test(SERVED, || {
            // A story ends before a build does.
            EspImage::prepare()?;
            play(served())
        }));
        return trials;
    }
    let missing =
        "esp-image is not built (cargo build --release --manifest-path firmware-esp32/image/Cargo.toml)";
    stories.map(|(name, _)| name).iter().chain([&SERVED]).map(|name| skipped(name, missing)).collect()
}

/// To build it takes the network and minutes, which a test should not do unasked.
fn is_built() -> bool {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| project().join("firmware-esp32/image/target"));
    target.join("release").join(format!("esp-image{}", std::env::consts::EXE_SUFFIX)).is_file()
}

/// An image without anything given.
fn image_of(chip: Chip) -> EspImage {
    EspImage { chip, bootloader: None, partition_table: None }
}

fn made(image: &EspImage, elf: &[u8]) -> Result<Parts, Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("program");
    fs::write(&path, elf)?;
    Ok(image.parts(&path)?)
}

fn each_chip() -> Outcome {
    EspImage::prepare()?;
    // Where a chip shows its flash, and where it looks for its bootloader.
    let chips = [
        (Chip::Esp32, 0x400D_0020, 0x1000),
        (Chip::Esp32C3, 0x4200_0020, 0),
        (Chip::Esp32C6, 0x4200_0020, 0),
        (Chip::Esp32S2, 0x4008_0020, 0x1000),
        (Chip::Esp32S3, 0x4200_0020, 0),
    ];
    for (chip, code_at, bootloader_at) in chips {
        let elf = program(code_at, CODE, None);
        let parts = made(&image_of(chip), &elf)?;
        let addresses: Vec<u32> = parts.iter().map(|(address, _)| *address).collect();
        same(chip.name(), &addresses, &vec![bootloader_at, 0x8000, 0x1_0000])?;
        let [(_, bootloader), (_, table), (_, application)] = parts.as_slice() else { unreachable!() };
        same("the bootloader", &bootloader.first(), &Some(&MAGIC))?;
        same("a partition table's beginning", &table[..2], &[0xAA, 0x50][..])?;
        same("a partition table's length", &table.len(), &TABLE_LEN)?;
        same("the application", &application.first(), &Some(&MAGIC))?;
        // A header, a segment's header with its address, and then the code.
        same("where the code goes", &application[24..28], &code_at.to_le_bytes()[..])?;
        same("the code", &application[32..32 + CODE.len()], CODE)?;
    }
    Ok(())
}

fn given() -> Outcome {
    let elf = program(0x4200_0020, CODE, None);
    let (_, mut bootloader) = made(&image_of(Chip::Esp32C3), &elf)?.swap_remove(0);
    bootloader[0x100] ^= 0xFF;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bootloader.bin");
    fs::write(&file, &bootloader)?;
    // From here it is found in the folder of this crate.
    let table = PathBuf::from("../firmware-esp32/partitions.csv");
    let image = EspImage { bootloader: Some(file), partition_table: Some(table), ..image_of(Chip::Esp32C3) };
    let parts = made(&image, &elf)?;
    same("the bootloader's changed byte", &parts[0].1[0x100], &bootloader[0x100])?;
    same("whether the table is another one", &(parts[1] != made(&image_of(Chip::Esp32C3), &elf)?[1]), &true)?;
    let table = folder.path().join("table.csv");
    fs::write(&table, "nvs, data, nvs, 0x9000, 0x6000,\nmine, app, factory, 0x20000, 1M,\n")?;
    let image = EspImage { partition_table: Some(table), ..image_of(Chip::Esp32C3) };
    let addresses: Vec<u32> = made(&image, &elf)?.iter().map(|(address, _)| *address).collect();
    same("where the table puts the application", &addresses, &vec![0, 0x8000, 0x2_0000])
}

fn wrong() -> Outcome {
    let elf = program(0x4200_0020, CODE, None);
    let folder = tempfile::tempdir()?;
    let file = |name: &str, content: &[u8]| -> Result<Option<PathBuf>, Failed> {
        let path = folder.path().join(name);
        fs::write(&path, content)?;
        Ok(Some(path))
    };
    let image = image_of(Chip::Esp32C3);
    let small = b"nvs, data, nvs, 0x9000, 0x6000,\nfactory, app, factory, 0x10000, 64K,\n";
    let long_code = vec![0x13; 0x2_0000];
    let cases = [
        ("no ELF file", ELF.to_vec(), image.clone(), "ELF image is not valid"),
        ("half an ELF file", elf[..60].to_vec(), image.clone(), ""),
        (
            "no bootloader",
            elf.clone(),
            EspImage { bootloader: file("short", b"abc")?, ..image.clone() },
            "cannot make sense of",
        ),
        (
            "a bootloader that is missing",
            elf.clone(),
            EspImage { bootloader: Some(folder.path().join("gone")), ..image.clone() },
            "gone: ",
        ),
        (
            "no partition table",
            elf.clone(),
            EspImage { partition_table: file("strange", b"one, two")?, ..image.clone() },
            "",
        ),
        (
            "a program that is too large",
            program(0x4200_0020, &long_code, None),
            EspImage { partition_table: file("small", small)?, ..image },
            "too big",
        ),
    ];
    for (name, elf, image, expected) in cases {
        let path = folder.path().join("program");
        fs::write(&path, elf)?;
        let Err(complaint) = image.parts(&path) else { return Err(format!("{name}: it is made").into()) };
        let is_good = complaint.starts_with("the image cannot be made: ") && complaint.contains(expected);
        if !is_good || complaint.lines().count() != 1 || complaint.contains("panicked") {
            return Err(format!("{name}: {complaint}").into());
        }
    }
    Ok(())
}

fn whole_flash() -> Outcome {
    let folder = tempfile::tempdir()?;
    let elf = folder.path().join("program");
    let file = folder.path().join("flash.bin");
    let table = project().join("firmware-esp32/partitions.csv");
    fs::write(&elf, program(0x4200_0020, CODE, None))?;
    let said = merged(&table, &elf, &file)?;
    // A board's bootloader looks for what a program says of itself; the simulated one need not.
    same("whether it is refused", &said.is_some_and(|said| said.contains("App Descriptor")), &true)?;
    fs::write(&elf, program(0x4200_0020, CODE, Some(&descriptor())))?;
    same("what is said", &merged(&table, &elf, &file)?, &None)?;
    let flash = fs::read(&file)?;
    same("how much the flash holds", &flash.len(), &(4 * 1024 * 1024))?;
    let image = EspImage { partition_table: Some(table), ..image_of(Chip::Esp32C3) };
    let mut rest = flash.clone();
    for (address, bytes) in image.parts(&elf)? {
        let start = usize::try_from(address)?;
        let there = start..start + bytes.len();
        same(&format!("what is at {address:#x}"), &(flash[there.clone()] == bytes), &true)?;
        rest[there].fill(0xFF);
    }
    same("whether the rest is erased", &rest.iter().all(|byte| *byte == 0xFF), &true)
}

/// Writes the whole flash; returns a complaint, if there is one.
fn merged(table: &Path, elf: &Path, file: &Path) -> Result<Option<String>, Failed> {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(project().join("firmware-esp32/image/Cargo.toml"))
        .args(["--", "esp32c3", "4MB"])
        .args([table, elf, file])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((!output.status.success()).then_some(said))
}

async fn served() -> Outcome {
    let image = image_of(Chip::Esp32C3);
    let elf = program(0x4200_0020, CODE, None);
    let expected = made(&image, &elf)?;
    let stage = Stage::with(move |path| image.parts(path)).await?;
    let mut page = Page::connect(stage.port).await?;
    page.say("hello").await?;
    // A new stage holds something that is no program.
    page.is_closed().await?;
    stage.says("the image cannot be made").await?;
    fs::write(&stage.elf, &elf)?;
    let mut page = Page::connect(stage.port).await?;
    page.say("hello").await?;
    is_start(&page.hears().await?, &elf, &expected)?;
    Ok(stage.end().await??)
}

/// A jump to itself, for a riscv32, a few times.
const CODE: &[u8] = &[0x6F, 0, 0, 0, 0x6F, 0, 0, 0, 0x6F, 0, 0, 0, 0x6F, 0, 0, 0];

/// What a program for ESP-IDF's bootloader says of itself: little but what it is recognized by.
fn descriptor() -> Vec<u8> {
    let mut bytes = vec![0; 256];
    bytes[..4].copy_from_slice(&0xABCD_5432_u32.to_le_bytes());
    bytes
}

/// A riscv32 program with code at an address, and the descriptor before it if there is one.
fn program(address: u32, code: &[u8], descriptor: Option<&[u8]>) -> Vec<u8> {
    const HEADER_LEN: usize = 52;
    const SEGMENT_LEN: usize = 32;
    const NAMES: &[u8] = b"\0.text\0.flash.appdesc\0.shstrtab\0";
    let content = [descriptor.unwrap_or_default(), code].concat();
    let offset = HEADER_LEN + SEGMENT_LEN;
    let word = |number: usize| u32::try_from(number).expect("it is a small file").to_le_bytes();
    let words = |numbers: &[usize]| numbers.iter().flat_map(|number| word(*number)).collect::<Vec<u8>>();
    let at = usize::try_from(address).expect("32 bits fit");
    let names_at = offset + content.len();
    let sections_at = names_at + NAMES.len();
    let described = descriptor.map_or(0, <[u8]>::len);
    // Name, kind, flags, address, offset, length, then link, information, alignment, size of entries.
    let mut sections = vec![[0; 10], [1, 1, 6, at + described, offset + described, code.len(), 0, 0, 4, 0]];
    if described > 0 {
        sections.push([7, 1, 2, at, offset, described, 0, 0, 4, 0]);
    }
    let names_number = u8::try_from(sections.len()).expect("they are few");
    sections.push([22, 3, 0, 0, names_at, NAMES.len(), 0, 0, 1, 0]);
    let mut file = b"\x7FELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // An executable, for RISC-V.
    file.extend([2, 0, 243, 0]);
    file.extend(words(&[1, at + described, HEADER_LEN, sections_at, 0]));
    file.extend([52, 0, 32, 0, 1, 0, 40, 0, names_number + 1, 0, names_number, 0]);
    file.extend(words(&[1, offset, at, at, content.len(), content.len(), 5, 4]));
    file.extend(content);
    file.extend(NAMES);
    file.extend(sections.iter().flat_map(|section| words(section)));
    file
}
