//! `hil diff`: where two runs part.

use std::path::Path;

use super::files::quoted;
use super::screen::Screen;
use super::{Exit, Trouble};
use crate::diff::{DiffError, Told, lines, parting};

/// Compares what two files tell.
pub(super) fn diff(first: &Path, second: &Path, screen: &mut Screen) -> Result<Exit, Trouble> {
    let (a, b) = (load(first)?, load(second)?);
    let (a_items, b_items) = Told::alike(&a, &b).map_err(|error| trouble(&error))?;
    let palette = screen.palette();
    for (mark, path, told) in [("A", first, &a), ("B", second, &b)] {
        screen.say(format_args!("{}  {}{}", palette.strong(mark), quoted(path), describe(told)));
    }
    screen.say("");
    let Some(at) = parting(&a_items, &b_items) else {
        let same = palette.good("the same");
        let count = crate::timeline::counted(a_items.len(), "line", "lines");
        screen.say(format_args!("{same}: {count}"));
        return Ok(Exit::Passed);
    };
    lines(&a_items, &b_items, at, palette).iter().for_each(|line| screen.say(line));
    Ok(Exit::Failed)
}

fn load(path: &Path) -> Result<Told, Trouble> {
    Told::load(path).map_err(|error| trouble(&error))
}

fn trouble(error: &DiffError) -> Trouble {
    let hint = match error {
        DiffError::StoryAndExact => {
            "compare one of them with a trace: `hil run FILE --json trace.jsonl` writes one"
        }
        DiffError::Missing(_) | DiffError::File { .. } | DiffError::Trace(_) => {
            "name a trace that `hil run FILE --json` wrote, the folder of a run that failed, or a NAME.story.snap or \
             NAME.exact.snap"
        }
    };
    Trouble::misuse(error.to_string(), hint)
}

/// What a trace says of itself.
fn describe(told: &Told) -> String {
    match told {
        Told::Trace(trace) => format!(": {}, seed {}, target {}", trace.title, trace.seed, trace.target),
        Told::Story(_) => ": a story".to_owned(),
        Told::Exact(_) => ": an exact trace".to_owned(),
    }
}
