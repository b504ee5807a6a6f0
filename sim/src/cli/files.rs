//! Which files are meant, and whether they are scenarios.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::screen::Screen;
use super::{Exit, Trouble};
use crate::runner::Harness;
use crate::scenario::Scenario;
use crate::timeline::counted;

/// Where the cases are, below the folder of a project.
pub(super) const CASES: &str = "scenarios/cases";
/// What a scenario file's name ends with.
const EXTENSIONS: [&str; 2] = ["yaml", "yml"];

/// A scenario and the file it stands in.
pub(super) struct Case {
    pub(super) path: PathBuf,
    pub(super) scenario: Scenario,
}

/// The files that are meant: those named, with folders replaced by what is in them, or all cases.
///
/// # Errors
/// When there are none, or one that is named is not there.
pub(super) fn resolve(named: &[PathBuf]) -> Result<Vec<PathBuf>, Trouble> {
    if !named.is_empty() {
        let mut files = Vec::new();
        for path in named {
            files.extend(expand(path)?);
        }
        return Ok(files);
    }
    let folder = cases_folder().ok_or_else(|| {
        Trouble::misuse(
            format!("there is no folder `{CASES}` here or in any folder above"),
            "name a file (`hil run FILE`), or write a first scenario there with `hil new`",
        )
    })?;
    expand(&folder)
}

/// The nearest folder of cases, seen from the current folder.
pub(super) fn cases_folder() -> Option<PathBuf> {
    let depth = std::env::current_dir().map_or(1, |current| current.ancestors().count());
    let mut above = PathBuf::new();
    for _ in 0..depth {
        let folder = above.join(CASES);
        if folder.is_dir() {
            return Some(folder);
        }
        above.push("..");
    }
    None
}

/// Reads the scenarios, complains about files that hold none, and counts those.
pub(super) fn load(paths: Vec<PathBuf>, harness: &Harness, screen: &mut Screen) -> (Vec<Case>, usize) {
    let mut cases = Vec::new();
    let mut bad = 0;
    for path in paths {
        match Scenario::load(&path) {
            Ok(scenario) => match scenario.product.apply(&harness.product) {
                Ok(_) => cases.push(Case { path, scenario }),
                Err(error) => {
                    bad += 1;
                    let what = format!("{}: `product` does not fit this harness: {error}", path.display());
                    screen.complain(&Trouble::misuse(what, "change or leave out a key below `product:`"));
                }
            },
            Err(error) => {
                bad += 1;
                screen.complain(&error);
            }
        }
    }
    (cases, bad)
}

/// `hil check`.
pub(super) fn check(named: &[PathBuf], harness: &Harness, screen: &mut Screen) -> Result<Exit, Trouble> {
    let (cases, bad) = load(resolve(named)?, harness, screen);
    for case in &cases {
        let steps = counted(case.scenario.steps.len(), "step", "steps");
        let ok = screen.palette().good("ok");
        screen.say(format_args!("{ok}  {}: {} ({steps})", case.path.display(), case.scenario.title));
    }
    Ok(if bad == 0 { Exit::Passed } else { Exit::Misuse })
}

fn expand(path: &Path) -> Result<Vec<PathBuf>, Trouble> {
    if !path.is_dir() {
        if path.exists() {
            return Ok(vec![path.to_owned()]);
        }
        return Err(Trouble::misuse(
            format!("there is no file `{}`", path.display()),
            format!("look for a misspelt name, or write a first scenario there: hil new {}", quoted(path)),
        ));
    }
    let mut files = Vec::new();
    collect(path, &mut files).map_err(|error| {
        Trouble::misuse(
            format!("the folder `{}` cannot be read: {error}", path.display()),
            "look at who may read it and what is in it",
        )
    })?;
    files.sort();
    // What is in the current folder is called as one would type it.
    let files: Vec<_> = files.iter().map(|file| file.strip_prefix(".").unwrap_or(file).to_owned()).collect();
    if files.is_empty() {
        return Err(Trouble::misuse(
            format!("there is no scenario (*.yaml) below `{}`", path.display()),
            "write a first one with `hil new`",
        ));
    }
    Ok(files)
}

/// Every scenario file below a folder. Folders behind links are left out: they may lead in a circle.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|end| EXTENSIONS.iter().any(|known| end == *known))
            && path.is_file()
        {
            files.push(path);
        }
    }
    Ok(())
}

/// Writes a file, and the folder that it stands in.
pub(super) fn write_file(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Trouble> {
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    let made = if folder.as_os_str().is_empty() { Ok(()) } else { fs::create_dir_all(&folder) };
    made.and_then(|()| fs::write(path, content)).map_err(|error| {
        Trouble::misuse(
            format!("{} cannot be written: {error}", path.display()),
            "choose a place where you may write",
        )
    })
}

/// What a case is called in a list: its file's name.
pub(super) fn name(case: &Case) -> String {
    case.path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain =
        |c: char| c.is_alphanumeric() || matches!(c, '/' | '\\' | '.' | '-' | '_' | ':' | '+' | '=');
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_when_a_shell_would_split_it() {
        for (path, expected) in [
            ("a/b-c.yaml", "a/b-c.yaml"),
            ("my case.yaml", "'my case.yaml'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}
