//! The scenario files of this project, and where they are. Nothing depends on this crate; its tests run every
//! file.

use std::io;
use std::path::{Path, PathBuf};

/// The folder that holds the scenario files.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// Every scenario file below the folder, in the order of their names.
///
/// # Errors
/// When the folder cannot be read.
pub fn files() -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What a test calls a scenario file: its path below the folder, without the ending.
pub fn name(file: &Path) -> String {
    let below = file.strip_prefix(folder()).unwrap_or(file).with_extension("");
    below.to_string_lossy().replace('\\', "/")
}
