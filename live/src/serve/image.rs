//! Makes what the flash holds, with the project's program `esp-image`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hil_sim::firmware_build::project;

use super::{Chip, Parts};

/// The program's manifest in the project.
const MANIFEST: &str = "firmware-esp32/image/Cargo.toml";
/// What the simulated boards have.
const FLASH_SIZE: &str = "4MB";
/// Stands for what espflash brings.
const DEFAULT: &str = "-";

/// `esp-image` with what a chip's image takes beside the program.
#[derive(Clone, Debug)]
pub struct EspImage {
    /// The chip.
    pub chip: Chip,
    /// A second-stage bootloader; espflash's own if there is none.
    pub bootloader: Option<PathBuf>,
    /// A partition table, as CSV or binary; espflash's default for the chip if there is none.
    pub partition_table: Option<PathBuf>,
}

impl EspImage {
    /// Builds `esp-image` unless it is up to date. The first time takes minutes, which a page may not wait for.
    ///
    /// # Errors
    /// When the project's folder or Rust is missing, or it does not build; in words for a person.
    pub fn prepare() -> Result<(), String> {
        let output = cargo("build")?.output();
        said(output, "what makes images does not build").map(drop)
    }

    /// Bootloader, partition table and application, with their addresses in the flash.
    ///
    /// # Errors
    /// When they cannot be made; in words for a person.
    pub fn parts(&self, elf: &Path) -> Result<Parts, String> {
        let folder = tempfile::Builder::new().prefix("hil-image-").tempdir();
        let folder = folder.map_err(|error| format!("there is no temporary folder: {error}"))?;
        let output = cargo("run")?
            .args(["--", "parts", self.chip.name(), FLASH_SIZE])
            .arg(there(self.partition_table.as_deref()))
            .arg(there(self.bootloader.as_deref()))
            .arg(there(Some(elf)))
            .arg(folder.path())
            .output();
        said(output, "the image cannot be made")?;
        read(folder.path()).map_err(|error| format!("the image cannot be read: {error}"))
    }
}

/// Cargo with `esp-image`.
fn cargo(what: &str) -> Result<Command, String> {
    let folder = project();
    let manifest = folder.join(MANIFEST);
    if !manifest.is_file() {
        let missing = manifest.display();
        return Err(format!("{missing} is gone, which makes images: run this in the project, built anew"));
    }
    let mut command = Command::new("cargo");
    command.args([what, "--quiet", "--release", "--locked", "--manifest-path"]).arg(manifest);
    // Not in the user's folder: cargo's settings there are those of a chip.
    command.current_dir(folder).stdin(Stdio::null());
    Ok(command)
}

/// A path as it reads from another folder.
fn there(path: Option<&Path>) -> PathBuf {
    let absolute = path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    absolute.unwrap_or_else(|| PathBuf::from(DEFAULT))
}

/// Holds what cargo, or what it ran, complained of.
fn said(output: io::Result<Output>, what: &str) -> Result<(), String> {
    let output = output
        .map_err(|error| format!("cargo cannot be started ({error}): install Rust from https://rustup.rs"))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let complaint = complaint.trim();
    match complaint.strip_prefix("error: ").unwrap_or(complaint) {
        "" => Err(format!("{what}: cargo ended with {}", output.status)),
        complaint => Err(format!("{what}: {complaint}")),
    }
}

/// The files that are called after their addresses, the lowest first: the bootloader is always below the partition
/// table, and that below what it lists.
fn read(folder: &Path) -> io::Result<Parts> {
    let mut parts = Parts::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let address = stem.strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let address = address.ok_or_else(|| io::Error::other(format!("{} is no address", path.display())))?;
        parts.push((address, fs::read(&path)?));
    }
    parts.sort_by_key(|(address, _)| *address);
    Ok(parts)
}
