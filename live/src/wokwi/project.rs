//! What is simulated: a diagram, and a firmware for its board.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hil_sim::firmware_build::{BuildError, Firmware, RISCV32IMAC, RISCV32IMC, project};
use serde_json::Value;

use crate::serve::{Chip, EspImage};

/// A firmware that goes into the chip's flash in pieces, each at its offset, or that the service takes apart itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// An ELF file.
    Elf(Vec<u8>),
    /// Bootloader, partition table and application.
    Parts(Vec<(u32, Vec<u8>)>),
}

/// What is simulated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Project {
    /// The diagram, JSON.
    pub diagram: String,
    /// The firmware.
    pub firmware: Content,
}

/// Why there is nothing to simulate.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The diagram is none.
    #[error("{} is no diagram: {why}", path.display())]
    NoDiagram {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The firmware cannot be built for the diagram's board.
    #[error("{} has {board}, for which the firmware is not built here", path.display())]
    NoChip {
        /// The diagram.
        path: PathBuf,
        /// Its board, or that it has none.
        board: String,
    },
    /// It does not build.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// No image can be made of it.
    #[error("{0}")]
    Image(String),
}

impl ProjectError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "look for a misspelt name, and at who may read it".to_owned(),
            Self::NoDiagram { path, .. } => format!("hil wokwi lint {}", path.display()),
            Self::NoChip { .. } => {
                "name a diagram with an ESP32-C3 or ESP32-C6 board, such as wokwi/esp32c6/diagram.json"
                    .to_owned()
            }
            Self::Build(error) => error.hint(),
            Self::Image(_) => "is it an ELF file for the diagram's board?".to_owned(),
        }
    }
}

impl Project {
    /// The firmware `binary` of this project, or the ELF file `firmware`, on the board of a diagram.
    ///
    /// # Errors
    /// When a file cannot be read, the diagram has no board that is built for, or the firmware does not build.
    pub fn open(
        diagram: Option<&Path>,
        firmware: Option<&Path>,
        binary: &'static str,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, ProjectError> {
        let (path, diagram) = read_diagram(diagram)?;
        let (chip, rust_target) = chip_of(&path, &diagram)?;
        let elf = match firmware {
            Some(file) => file.to_owned(),
            None => {
                progress(&format!(
                    "building {binary} for {}, the first time in a few minutes ...",
                    chip.name()
                ));
                let mut features = chip.name().to_owned();
                if env::var_os(CLOUD_HOST_VARIABLE).is_some_and(|host| !host.is_empty()) {
                    features += ",cloud-of-build";
                }
                Firmware { folder: FOLDER, binary, rust_target, features }.build()?
            }
        };
        read(&elf)?;
        progress("making an image of it ...");
        let partition_table = Some(project().join(FOLDER).join("partitions.csv"));
        let parts = EspImage { chip, bootloader: None, partition_table }.parts(&elf);
        let parts = parts.map_err(ProjectError::Image)?;
        Ok(Self { diagram, firmware: Content::Parts(parts) })
    }

    /// A firmware for the peer, which runs it on QEMU's machine whatever the diagram has.
    ///
    /// # Errors
    /// When a file cannot be read, or the firmware does not build.
    pub fn for_peer(
        diagram: Option<&Path>,
        firmware: Option<&Path>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, ProjectError> {
        let (_, diagram) = read_diagram(diagram)?;
        let elf = match firmware {
            Some(file) => file.to_owned(),
            None => {
                progress("building the firmware ...");
                Firmware::QEMU.build()?
            }
        };
        Ok(Self { diagram, firmware: Content::Elf(read(&elf)?) })
    }
}

/// The environment variable with the host of a cloud, for a run that is to reach it. The firmware's build reads it, and
/// `HIL_BLYNK_PORT` beside it: nobody tells the device later.
const CLOUD_HOST_VARIABLE: &str = "HIL_BLYNK_HOST";
/// The folder of the boards' firmware.
const FOLDER: &str = "firmware-esp32";

fn read(path: &Path) -> Result<Vec<u8>, ProjectError> {
    fs::read(path).map_err(|error| ProjectError::Unreadable { path: path.to_owned(), error })
}

fn read_diagram(named: Option<&Path>) -> Result<(PathBuf, String), ProjectError> {
    let path = named.map_or_else(|| project().join("diagram.json"), Path::to_owned);
    let text = fs::read_to_string(&path);
    let text = text.map_err(|error| ProjectError::Unreadable { path: path.clone(), error })?;
    Ok((path, text))
}

/// The chip on a diagram's board, and what its instruction set is called. Others cannot be built for with the ordinary Rust
/// compiler.
fn chip_of(path: &Path, diagram: &str) -> Result<(Chip, &'static str), ProjectError> {
    let no_diagram = |why: String| ProjectError::NoDiagram { path: path.to_owned(), why };
    let diagram: Value = serde_json::from_str(diagram).map_err(|error| no_diagram(error.to_string()))?;
    let parts = diagram.get("parts").and_then(Value::as_array);
    let parts = parts.ok_or_else(|| no_diagram("it has no list `parts`".to_owned()))?;
    let kinds = parts.iter().filter_map(|part| part.get("type")?.as_str());
    let boards: Vec<&str> = kinds.filter(|kind| kind.starts_with("board-")).collect();
    match boards.as_slice() {
        [board] if board.contains("esp32-c3") => Ok((Chip::Esp32C3, RISCV32IMC)),
        [board] if board.contains("esp32-c6") => Ok((Chip::Esp32C6, RISCV32IMAC)),
        boards => {
            let board = if boards.is_empty() { "no board".to_owned() } else { boards.join(" and ") };
            Err(ProjectError::NoChip { path: path.to_owned(), board })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_board_of_the_diagram_says_for_which_chip_to_build() {
        let chip = |diagram: &str| chip_of(Path::new("diagram.json"), diagram).map(|(chip, _)| chip);
        let with = |boards: &[&str]| {
            let parts: Vec<Value> = boards.iter().map(|kind| serde_json::json!({ "type": kind })).collect();
            serde_json::json!({ "parts": parts }).to_string()
        };
        assert_eq!(chip(&with(&["wokwi-led", "board-esp32-c3-devkitm-1"])).unwrap(), Chip::Esp32C3);
        assert_eq!(chip(&with(&["board-esp32-c6-devkitc-1"])).unwrap(), Chip::Esp32C6);
        let why = |diagram: &str| chip(diagram).unwrap_err().to_string();
        assert_eq!(why(&with(&[])), "diagram.json has no board, for which the firmware is not built here");
        assert!(why(&with(&["board-esp32-c3-devkitm-1", "board-pi-pico-w"])).contains("and board-pi-pico-w"));
        assert!(why("{}").contains("no list `parts`"));
        assert!(why("x").contains("line 1 column 1"));
        for folder in ["", "wokwi/esp32c6"] {
            let (path, text) = read_diagram(Some(&project().join(folder).join("diagram.json"))).unwrap();
            assert!(chip_of(&path, &text).is_ok(), "{folder}");
        }
    }
}
