//! Where the command writes to: results to standard output, complaints and progress to standard error.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr, stdout};

use super::arguments::Colour;
use crate::timeline::Palette;

/// Erases the line on which the cursor stands, and goes to its beginning.
const CLEAR_LINE: &str = "\r\x1B[2K";

/// The two outputs and what they can show. Whoever stops reading (`hil run | head`) is not written to any more.
pub(super) struct Screen {
    out: Palette,
    err: Palette,
    shows_progress: bool,
    progress_shown: bool,
}

impl Screen {
    pub(super) fn new(colour: Colour) -> Self {
        // https://no-color.org: any value but an empty one.
        let allowed = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let palette = |is_terminal: bool| match colour {
            Colour::Always => Palette::Colour,
            Colour::Auto if allowed && is_terminal => Palette::Colour,
            Colour::Auto | Colour::Never => Palette::Plain,
        };
        let (out, err) = (stdout().is_terminal(), stderr().is_terminal());
        Self { out: palette(out), err: palette(err), shows_progress: out && err, progress_shown: false }
    }

    /// The colours of standard output.
    pub(super) fn palette(&self) -> Palette {
        self.out
    }

    /// Writes a line to standard output.
    pub(super) fn say(&mut self, line: impl Display) {
        self.clear_progress();
        let mut out = stdout().lock();
        // A reader that has gone does not want the rest.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    /// Writes a complaint to standard error, its first word in colour.
    pub(super) fn complain(&mut self, complaint: &impl Display) {
        self.clear_progress();
        let text = complaint.to_string();
        let text = match text.strip_prefix("error:") {
            Some(rest) => format!("{}{rest}", self.err.alarm("error:")),
            None => text,
        };
        let _ = writeln!(stderr().lock(), "{text}");
    }

    /// Shows what is going on until the next line, if a person is looking.
    pub(super) fn progress(&mut self, text: impl Display) {
        if self.shows_progress {
            self.progress_shown = true;
            let mut err = stderr().lock();
            let _ = write!(err, "{CLEAR_LINE}{}", self.err.quiet(text)).and_then(|()| err.flush());
        }
    }

    fn clear_progress(&mut self) {
        if std::mem::take(&mut self.progress_shown) {
            let _ = write!(stderr().lock(), "{CLEAR_LINE}");
        }
    }
}
