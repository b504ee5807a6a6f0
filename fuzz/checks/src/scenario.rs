//! The scenario language: any text is a scenario or an error with a place in the file.

use hil_sim::scenario::{FILE_LEN_MAX, Scenario};

/// Reads the bytes as a scenario file.
///
/// What is wrong is told with a place that the file has, in words that a terminal can show. What is right is
/// read the same way again, also with the line ends of Windows, and each of its steps can be put into words.
pub(crate) fn scenario(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Scenario::parse("fuzz.yaml", text) {
        Ok(scenario) => {
            assert!(!scenario.steps.is_empty() && text.len() <= FILE_LEN_MAX);
            let again = Scenario::parse("fuzz.yaml", text);
            assert_eq!(format!("{scenario:?}"), format!("{:?}", again.expect("it was good before")));
            for step in &scenario.steps {
                let words = step.describe();
                assert!(!words.is_empty() && !words.contains('\n'), "{words:?}");
            }
        }
        Err(error) => {
            let shown = error.to_string();
            assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
            assert!(shown.len() < 4_096 && !error.message.is_empty(), "{shown}");
            // Only a file with nothing in it, or far too much, is wrong as a whole.
            let is_whole = text.len() > FILE_LEN_MAX || error.message == "the file is empty";
            if !(is_whole && error.line == 0) {
                check_place(text, error.line, error.column, &shown);
            }
        }
    }
}

/// YAML counts CR, LF and CR LF as line ends.
fn check_place(text: &str, line: u32, column: u32, shown: &str) {
    assert!(line >= 1 && column >= 1, "no place: {shown}");
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.split('\n').collect();
    let at = usize::try_from(line).expect("a line") - 1;
    assert!(at < lines.len(), "line {line} of {}: {shown}", lines.len());
    let len = lines[at].chars().count();
    assert!(usize::try_from(column).expect("a column") <= len + 1, "column {column} of {len}: {shown}");
}
