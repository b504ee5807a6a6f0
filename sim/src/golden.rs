//! The snapshots beside a scenario file, in the file format of the crate `insta`, so that `hil run --update`
//! and `cargo insta` write the same bytes. It does not decide when one is written.
//!
//! The story of `NAME.yaml` is `NAME.story.snap` beside it, its exact trace `NAME.exact.snap`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What insta 1.49 writes above the content when the expression is left out: the test that makes the
/// snapshots, so that whoever opens one finds it.
const HEADER: &str = "---\nsource: scenarios/tests/cases.rs\n---\n";
/// The line above and below insta's description of a snapshot.
const FENCE: &str = "---";
/// Unchanged lines shown around a change.
const CONTEXT_LINES: usize = 2;
/// Pairs of lines that are compared at most; what is larger is shown as replaced as a whole.
const PAIRS_MAX: usize = 4_000_000;

/// Where the story of a scenario file stands.
pub fn story_path(scenario: &Path) -> PathBuf {
    scenario.with_extension("story.snap")
}

/// Where the exact trace of a scenario file stands.
pub fn exact_path(scenario: &Path) -> PathBuf {
    scenario.with_extension("exact.snap")
}

/// Reads the content of a snapshot; `None` when there is none.
///
/// # Errors
/// When there is one that cannot be read.
pub fn read(snapshot: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(snapshot) {
        Ok(text) => Ok(Some(content(&text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a snapshot, unless it says the same already; returns whether it has been written.
///
/// # Errors
/// When it cannot be read or written.
pub fn write(snapshot: &Path, content: &str) -> io::Result<bool> {
    let content = normalized(content);
    if read(snapshot)?.is_some_and(|old| old == content) {
        return Ok(false);
    }
    fs::write(snapshot, format!("{HEADER}{content}"))?;
    Ok(true)
}

/// The form in which insta stores and compares a text: no white space at its end but one line feed.
pub fn normalized(text: &str) -> String {
    let mut text = text.trim_end().replace("\r\n", "\n");
    text.push('\n');
    text
}

/// The lines that differ, marked `-` (only in `old`) and `+` (only in `new`), each with a few that do not,
/// marked with a space; `...` stands for what is left out. Empty when the texts are the same.
pub fn diff(old: &str, new: &str) -> String {
    let old: Vec<&str> = old.trim_end().lines().collect();
    let new: Vec<&str> = new.trim_end().lines().collect();
    let lines = compare(&old, &new);
    let is_near = |index: usize| {
        let from = index.saturating_sub(CONTEXT_LINES);
        let near = lines.get(from..lines.len().min(index + CONTEXT_LINES + 1)).unwrap_or_default();
        near.iter().any(|(mark, _)| *mark != ' ')
    };
    let mut shown = String::new();
    let mut skipped = false;
    for (index, (mark, line)) in lines.iter().enumerate() {
        if !is_near(index) {
            skipped = true;
            continue;
        }
        if std::mem::take(&mut skipped) {
            shown += "  ...\n";
        }
        shown.push(*mark);
        shown.push(' ');
        shown += line;
        shown.push('\n');
    }
    if skipped && !shown.is_empty() {
        shown += "  ...\n";
    }
    shown
}

/// What stands below insta's description; a file without one is content as a whole.
fn content(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let below = text.strip_prefix(FENCE).and_then(|rest| rest.strip_prefix('\n'));
    let content = below.and_then(|rest| rest.split_once("\n---\n")).map(|(_, content)| content);
    normalized(content.unwrap_or(&text))
}

/// Every line of both texts in order, marked with where it stands.
fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let mut lines = Vec::with_capacity(old.len() + new.len());
    let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (same, old) = old.split_at(head);
    let (_, new) = new.split_at(head);
    lines.extend(same.iter().map(|line| (' ', *line)));
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let (old, same) = old.split_at(old.len() - tail);
    let (new, _) = new.split_at(new.len() - tail);
    if old.len().saturating_mul(new.len()) > PAIRS_MAX {
        lines.extend(old.iter().map(|line| ('-', *line)));
        lines.extend(new.iter().map(|line| ('+', *line)));
    } else {
        compare_middle(old, new, &mut lines);
    }
    lines.extend(same.iter().map(|line| (' ', *line)));
    lines
}

/// The longest common subsequence, by the textbook's table: `common[i][j]` is its length for `old[i..]` and
/// `new[j..]`.
fn compare_middle<'a>(old: &[&'a str], new: &[&'a str], lines: &mut Vec<(char, &'a str)>) {
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]
        {
            lines.push(('-', old[i]));
            i += 1;
        } else {
            lines.push(('+', new[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What insta 1.49.0 writes for a snapshot of [`STORY`].
    const BY_INSTA: &str =
        "---\nsource: scenarios/tests/cases.rs\n---\n  device: power on\ncloud: logged in\n";
    const STORY: &str = "  device: power on\ncloud: logged in  \n\n";

    fn temporary(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("hil-golden-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a temporary folder");
        folder
    }

    #[test]
    fn a_snapshot_is_written_as_insta_writes_it() {
        let path = story_path(&temporary("write").join("a.case.yaml"));
        assert!(path.ends_with("a.case.story.snap"), "{}", path.display());
        assert!(write(&path, STORY).expect("it can be written"));
        assert_eq!(fs::read_to_string(&path).expect("it is there"), BY_INSTA);
        assert_eq!(read(&path).expect("it can be read"), Some(normalized(STORY)));
    }

    #[test]
    fn a_snapshot_that_says_the_same_is_left_alone() {
        let path = exact_path(&temporary("same").join("a.yaml"));
        let with_info = "---\nsource: elsewhere.rs\nexpression: story\n---\none\r\ntwo\r\n";
        fs::write(&path, with_info).expect("it can be written");
        assert!(!write(&path, "one\ntwo\n").expect("it can be read"));
        assert_eq!(fs::read_to_string(&path).expect("it is there"), with_info);
    }

    #[test]
    fn there_may_be_no_snapshot() {
        assert_eq!(read(&temporary("none").join("a.story.snap")).expect("no error"), None);
    }

    #[track_caller]
    fn check(old: &str, new: &str, expected: &str) {
        assert_eq!(diff(&old.replace(' ', "\n"), &new.replace(' ', "\n")).replace('\n', "/"), expected);
    }

    #[test]
    fn a_diff_shows_what_changed_and_a_little_around_it() {
        check("a b c", "a b c", "");
        check("a b c", "a x c", "  a/- b/+ x/  c/");
        check("1 2 3 4 5 6 7 8 9", "1 2 3 4 x 5 6 7 8 9", "  .../  3/  4/+ x/  5/  6/  .../");
        check("a b", "b c", "- a/  b/+ c/");
        check("", "a", "+ a/");
    }

    #[test]
    fn a_diff_of_long_texts_ends() {
        let old: Vec<String> = (0..5_000).map(|line| format!("old{line}")).collect();
        let new: Vec<String> = (0..5_000).map(|line| format!("new{line}")).collect();
        assert_eq!(diff(&old.join("\n"), &new.join("\n")).lines().count(), 10_000);
    }
}
