//! Builds the project's firmwares for other processors, with cargo, in folders beside this crate.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the ESP32-C3's instruction set is called.
pub const RISCV32IMC: &str = "riscv32imc-unknown-none-elf";
/// What the ESP32-C6's instruction set is called.
pub const RISCV32IMAC: &str = "riscv32imac-unknown-none-elf";

/// A firmware that stands outside the workspace, and how it is compiled.
#[derive(Clone, Debug)]
pub struct Firmware {
    /// Its folder in the project.
    pub folder: &'static str,
    /// Its program.
    pub binary: &'static str,
    /// What it is compiled for.
    pub rust_target: &'static str,
    /// Cargo features, as cargo takes them.
    pub features: String,
}

/// Why a firmware cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// This program was moved away from the project that it was built in.
    #[error("the folder {} is gone, so that the firmware cannot be built", .0.display())]
    NoSource(PathBuf),
    /// The standard library for the firmware's processor is not installed.
    #[error("the firmware cannot be built: Rust lacks the target {0}")]
    NoTarget(&'static str),
    /// Cargo cannot be started.
    #[error("rustc or cargo cannot be started to build the firmware: {0}")]
    NoCargo(#[from] io::Error),
    /// The firmware does not compile.
    #[error("the firmware does not build:\n{said}")]
    Failed {
        /// What cargo said.
        said: String,
        /// The command that says it again.
        command: String,
    },
}

impl BuildError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoSource(_) => "run it in the project's folder, built anew: cargo run --release".to_owned(),
            Self::NoTarget(target) => format!("rustup target add {target}"),
            Self::NoCargo(_) => "install Rust from https://rustup.rs".to_owned(),
            Self::Failed { command, .. } => format!("see for yourself: {command}"),
        }
    }
}

impl Firmware {
    /// The device on QEMU's riscv32 machine.
    pub const QEMU: Self = Self {
        folder: "firmware-qemu",
        binary: "firmware-qemu",
        rust_target: RISCV32IMC,
        features: String::new(),
    };

    /// Builds the firmware, or finds it up to date; returns its ELF file.
    ///
    /// # Errors
    /// When something that it takes is missing, or it does not compile.
    pub fn build(&self) -> Result<PathBuf, BuildError> {
        let folder = project().join(self.folder);
        if !folder.is_dir() {
            return Err(BuildError::NoSource(folder));
        }
        if !has_rust_target(self.rust_target) {
            // Without a compiler there is a better answer.
            Command::new("rustc").arg("--version").output()?;
            return Err(BuildError::NoTarget(self.rust_target));
        }
        let target_folder = folder.join("target");
        let mut arguments: Vec<OsString> =
            ["build", "--release", "--locked", "--target", self.rust_target, "--bin", self.binary]
                .map(OsString::from)
                .to_vec();
        if !self.features.is_empty() {
            arguments.extend(["--features".into(), OsString::from(&self.features)]);
        }
        let output = Command::new("cargo")
            .args(&arguments)
            .arg("--target-dir")
            .arg(&target_folder)
            .current_dir(&folder)
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
            let words = arguments.iter().map(|word| word.display().to_string()).collect::<Vec<_>>();
            let command = format!("cd {} && cargo {}", folder.display(), words.join(" "));
            return Err(BuildError::Failed { said, command });
        }
        Ok(target_folder.join(self.rust_target).join("release").join(self.binary))
    }
}

/// Whether the standard library for a target is installed.
pub fn has_rust_target(target: &str) -> bool {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// The project's folder, in which this crate was built.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("")
}
