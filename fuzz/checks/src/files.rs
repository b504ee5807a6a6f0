//! Files that others may have written: traces, and those of a Wokwi project.

use std::path::Path;

use hil_sim::diff::{Told, lines, parting};
use hil_sim::timeline::Palette;
use hil_sim::trace_file::TraceFile;
use hil_sim::wokwi::{Kind, lint_text};

/// Nothing is there.
const PATH: &str = "nowhere/at/all/file";

/// Reads the bytes as a trace file: what is wrong is told with its place, what is right is the same as itself and can be
/// compared with a shorter one. Nothing that is shown moves a terminal's cursor.
pub(crate) fn trace_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match TraceFile::parse(Path::new(PATH), text) {
        Ok(mut trace) => {
            let whole = Told::Trace(trace.clone());
            trace.entries.pop();
            let shorter = Told::Trace(trace);
            let (a, b) = Told::alike(&whole, &shorter).expect("both are traces");
            assert_eq!(parting(&a, &a), None);
            if let Some(at) = parting(&a, &b) {
                for line in lines(&a, &b, at, Palette::Plain) {
                    assert!(!line.contains(char::is_control), "{line:?}");
                }
            }
        }
        Err(error) => {
            let shown = error.to_string();
            assert!(shown.starts_with(PATH) && !shown.contains(char::is_control), "{shown:?}");
        }
    }
}

/// Reads the bytes behind the first as one of Wokwi's files, which the first chooses: each finding has a place in the
/// file and says something that a terminal can show.
pub(crate) fn wokwi_file(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let kind = [Kind::Config, Kind::Diagram, Kind::Automation][usize::from(first % 3)];
    let diagram = r#"{ "parts": [{ "type": "wokwi-pushbutton", "id": "b" }], "connections": [] }"#;
    // YAML counts a lone carriage return as the end of a line.
    let count = text.matches('\n').count()
        + if kind == Kind::Automation { text.matches('\r').count() } else { 0 }
        + 1;
    for finding in lint_text(Path::new(PATH), kind, text, Some(diagram)) {
        let shown = format!("{}{}", finding.what, finding.help);
        assert!(!finding.what.is_empty() && !shown.contains(char::is_control), "{shown:?}");
        assert!(
            (1..=count).contains(&finding.at.line) && finding.at.column >= 1,
            "{finding:?} of {count} lines"
        );
    }
}
