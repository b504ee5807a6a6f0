//! `hil new`: the first scenario.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::files::{CASES, cases_folder, quoted};
use super::screen::Screen;
use super::{Exit, Trouble};
use crate::scenario::{schema, starter};

const NAME: &str = "my-first-setup.yaml";
/// What editors complete and check scenarios with.
const SCHEMA: &str = "scenario.schema.json";
/// Where the starter's first line looks for it: in the folder above that of the cases.
const SCHEMA_ABOVE: &str = "$schema=../scenario.schema.json";
const SCHEMA_BESIDE: &str = "$schema=scenario.schema.json";

/// Writes the starter, and the schema for editors if there is none yet.
pub(super) fn new(file: Option<&Path>, screen: &mut Screen) -> Result<Exit, Trouble> {
    let is_case = file.is_none();
    let file = file
        .map_or_else(|| cases_folder().unwrap_or_else(|| PathBuf::from(CASES)).join(NAME), Path::to_owned);
    let folder = file.parent().map_or_else(PathBuf::new, Path::to_owned);
    fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
    let above = folder.join("..").join(SCHEMA);
    let is_above = is_case || above.is_file();
    let text = if is_above { starter().to_owned() } else { starter().replace(SCHEMA_ABOVE, SCHEMA_BESIDE) };
    write_new(&file, &text).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Trouble::misuse(
            format!("`{}` is there already, and nothing is written over it", file.display()),
            "name another file: hil new FILE",
        ),
        _ => cannot_write(&file, &error),
    })?;
    let schema_file = if is_above { above } else { folder.join(SCHEMA) };
    match write_new(&schema_file, &schema()) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(cannot_write(&schema_file, &error));
        }
        Ok(()) | Err(_) => {}
    }
    let palette = screen.palette();
    screen.say(format_args!("wrote {}", palette.strong(file.display())));
    screen.say(format_args!("change it as you like, then: hil run {}", quoted(&file)));
    Ok(Exit::Passed)
}

fn write_new(file: &Path, text: &str) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(file)?.write_all(text.as_bytes())
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Trouble {
    Trouble::misuse(
        format!("`{}` cannot be written: {error}", path.display()),
        "choose a place where you may write: hil new FILE",
    )
}
