//! Builds the project's firmware for QEMU.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the firmware is compiled for.
pub const RUST_TARGET: &str = "riscv32imc-unknown-none-elf";

/// The firmware's folder and program, beside this crate in the project.
const NAME: &str = "firmware-qemu";

/// Why the firmware cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// This program was moved away from the project that it was built in.
    #[error("the folder {} is gone, so that the firmware cannot be built", .0.display())]
    NoSource(PathBuf),
    /// The standard library for the emulated processor is not installed.
    #[error("the firmware cannot be built: Rust lacks the target {RUST_TARGET}")]
    NoTarget,
    /// Cargo cannot be started.
    #[error("rustc or cargo cannot be started to build the firmware: {0}")]
    NoCargo(#[from] io::Error),
    /// The firmware does not compile; what cargo said.
    #[error("the firmware does not build:\n{0}")]
    Failed(String),
}

impl BuildError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoSource(_) => "name a firmware that was built before: --firmware FILE".to_owned(),
            Self::NoTarget => format!("rustup target add {RUST_TARGET}"),
            Self::NoCargo(_) => {
                "install Rust from https://rustup.rs, or name a firmware: --firmware FILE".to_owned()
            }
            Self::Failed(_) => {
                format!("see for yourself: cd {} && cargo build --release", folder().display())
            }
        }
    }
}

/// Builds the firmware, or finds it up to date; returns its ELF file.
///
/// # Errors
/// When something that it takes is missing, or it does not compile.
pub fn build() -> Result<PathBuf, BuildError> {
    let folder = folder();
    if !folder.is_dir() {
        return Err(BuildError::NoSource(folder));
    }
    if !rust_target_folder()?.is_dir() {
        return Err(BuildError::NoTarget);
    }
    let target_folder = folder.join("target");
    let output = Command::new("cargo")
        .args(["build", "--release", "--locked", "--target", RUST_TARGET, "--target-dir"])
        .arg(&target_folder)
        .current_dir(&folder)
        .output()?;
    if !output.status.success() {
        return Err(BuildError::Failed(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()));
    }
    Ok(target_folder.join(RUST_TARGET).join("release").join(NAME))
}

/// Whether the standard library for the emulated processor is installed.
pub fn has_rust_target() -> bool {
    rust_target_folder().is_ok_and(|folder| folder.is_dir())
}

/// Where the standard library for the emulated processor is, or would be.
fn rust_target_folder() -> io::Result<PathBuf> {
    let output =
        Command::new("rustc").args(["--print", "target-libdir", "--target", RUST_TARGET]).output()?;
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(NAME)
}
