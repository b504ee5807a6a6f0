//! `hil image`: a firmware for a board as one file with everything that its flash holds.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::arguments::ImageArguments;
use super::screen::Screen;
use super::{Exit, Trouble};
use crate::firmware_build::{Firmware, project};

/// The folder of the boards' firmware.
const FOLDER: &str = "firmware-esp32";
/// What the program that merges is called; only images need it, and what it brings.
const MERGER: &str = "image/Cargo.toml";

/// Builds the firmware, merges it with bootloader and partition table, and says how large each is.
pub(super) fn image(arguments: &ImageArguments, screen: &mut Screen) -> Result<Exit, Trouble> {
    let ImageArguments { chip, binary, features, flash_mib, out } = arguments;
    let (chip_name, binary_name) = (chip.name(), binary.name());
    let mut all_features = chip_name.to_owned();
    if let Some(more) = features {
        all_features = format!("{all_features},{more}");
    }
    let firmware = Firmware {
        folder: FOLDER,
        binary: binary_name,
        rust_target: chip.rust_target(),
        features: all_features,
    };
    screen.progress(format_args!(
        "building {binary_name} for {chip_name}, the first time in a few minutes ..."
    ));
    let elf = firmware.build().map_err(|error| Trouble::unavailable(error.to_string(), error.hint()))?;
    let folder = project().join(FOLDER);
    let file = out.clone().unwrap_or_else(|| PathBuf::from(format!("{binary_name}-{chip_name}.bin")));
    // It is called in the project's folder: the settings of the folder beside it are those of a chip.
    let file_there = std::path::absolute(&file).unwrap_or_else(|_| file.clone());
    let merger = folder.join(MERGER);
    screen.progress(format_args!("building what merges images ..."));
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(&merger)
        .arg("--")
        .args([chip_name, &format!("{flash_mib}MB")])
        .arg(folder.join("partitions.csv"))
        .arg(&elf)
        .arg(&file_there)
        .current_dir(project())
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| Trouble::no_cargo(&error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let hint = format!("see for yourself: cargo build --release --manifest-path {}", merger.display());
        return Err(Trouble::unavailable(format!("the image cannot be made:\n{}", said.trim_end()), hint));
    }
    screen.say(format_args!("{binary_name} for {chip_name}"));
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        screen.say(line);
    }
    screen.say(format_args!("flash it with: espflash write-bin 0x0 {}", super::files::quoted(&file)));
    Ok(Exit::Passed)
}
