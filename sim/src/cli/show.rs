//! `hil show`: opens the page of a run that has been kept.

use std::fs;
use std::path::{Path, PathBuf};

use super::evidence::{FOLDER, PAGE};
use super::files::quoted;
use super::screen::Screen;
use super::{Exit, Trouble};

/// Opens the page of a run: a folder, a page itself, or a name below `target/hil`. With no name, that of the only run
/// that is kept.
pub(super) fn show(run: Option<&Path>, screen: &mut Screen) -> Result<Exit, Trouble> {
    let page = find(run, Path::new(FOLDER))?;
    screen.say(format_args!("opening {}", quoted(&page)));
    open::that(&page).map_err(|error| Trouble {
        exit: Exit::Unavailable,
        what: format!("no program here opens a web page ({error})"),
        hint: format!("open it yourself: {}", quoted(&page)),
    })?;
    Ok(Exit::Passed)
}

/// The page that is meant. `kept` is the folder of all runs that are kept.
fn find(run: Option<&Path>, kept: &Path) -> Result<PathBuf, Trouble> {
    let Some(run) = run else { return find_only(kept) };
    let places = [run.to_owned(), run.join(PAGE), kept.join(run).join(PAGE)];
    if let Some(page) = places.into_iter().find(|place| place.is_file()) {
        return Ok(page);
    }
    Err(Trouble::misuse(format!("there is no page of a run at `{}`", run.display()), hint(kept)))
}

fn find_only(kept: &Path) -> Result<PathBuf, Trouble> {
    match runs(kept).as_slice() {
        [name] => Ok(kept.join(name).join(PAGE)),
        [] => Err(Trouble::misuse(format!("no run is kept in `{}`", kept.display()), hint(kept))),
        several => {
            let what = format!("{} runs are kept in `{}`", several.len(), kept.display());
            Err(Trouble::misuse(what, hint(kept)))
        }
    }
}

/// What can be shown.
fn hint(kept: &Path) -> String {
    match runs(kept).as_slice() {
        [] => "a run that fails is kept; any run writes its page with `hil run FILE --html FILE.html`"
            .to_owned(),
        names => {
            let commands = names.iter().map(|name| format!("\n    hil show {}", quoted(Path::new(name))));
            format!("name one of them:{}", commands.collect::<String>())
        }
    }
}

/// The runs that are kept, by name.
fn runs(kept: &Path) -> Vec<String> {
    let folders = fs::read_dir(kept).into_iter().flatten().flatten();
    let with_page = folders.filter(|folder| folder.path().join(PAGE).is_file());
    let mut names: Vec<_> =
        with_page.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_found_by_folder_page_or_name() {
        let kept = tempfile::tempdir().expect("a temporary folder");
        let keep = |name: &str| {
            fs::create_dir_all(kept.path().join(name)).expect("it can be made");
            fs::write(kept.path().join(name).join(PAGE), "").expect("it can be written");
        };
        let found = |run: Option<&str>| find(run.map(Path::new), kept.path());
        assert!(found(None).is_err_and(|trouble| trouble.what.contains("no run is kept")));
        keep("first");
        let page = kept.path().join("first").join(PAGE);
        let folder = kept.path().join("first").display().to_string();
        for run in [None, Some("first"), Some(folder.as_str()), Some(&format!("{folder}/{PAGE}"))] {
            assert_eq!(found(run).expect("it is there"), page);
        }
        keep("second");
        let several = found(None).expect_err("which one is meant is not known");
        assert!(several.hint.contains("hil show first") && several.hint.contains("hil show second"));
        assert!(found(Some("third")).is_err_and(|trouble| trouble.hint.contains("hil show first")));
    }
}
