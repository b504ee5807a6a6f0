//! The files of the project, without what is built.

use std::fs;
use std::path::{Path, PathBuf};

/// Endings of files that people read; anything else is data.
const TEXT_ENDINGS: [&str; 16] = [
    "rs", "toml", "lock", "yaml", "yml", "json", "md", "html", "css", "js", "sh", "py", "x", "snap", "txt",
    "svg",
];

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace around this crate")
}

/// One file of the project.
#[track_caller]
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file below a folder of the project, by path from the project's folder, in order.
pub(crate) fn rust_files(folder: &str) -> Vec<(String, String)> {
    files(folder, &["rs"])
}

/// Every text of the project.
pub(crate) fn text_files() -> Vec<(String, String)> {
    files(".", &TEXT_ENDINGS)
}

fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    collect(&root().join(folder), &mut paths);
    paths.sort();
    let texts = paths.into_iter().filter_map(|path| {
        let ending = path.extension()?.to_str()?;
        if !endings.contains(&ending) {
            return None;
        }
        let name = path.strip_prefix(root()).ok()?.to_str()?.trim_start_matches("./").replace('\\', "/");
        Some((name, fs::read_to_string(path).ok()?))
    });
    texts.collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            let is_built = name.starts_with("target") || name == "node_modules";
            // Hidden folders belong to tools, but for those that say how the project is checked.
            let is_hidden = name.starts_with('.') && name != ".github" && name != ".cargo";
            if !is_built && !is_hidden {
                collect(&path, paths);
            }
        } else {
            paths.push(path);
        }
    }
}
