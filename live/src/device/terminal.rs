//! A terminal of the host that is a device's serial line: programs that want a serial port open it by its path.

use std::fmt;
use std::path::Path;

use tokio::sync::mpsc;

/// Why there is no terminal.
#[derive(Debug)]
pub struct TerminalError {
    what: String,
    hint: &'static str,
}

impl TerminalError {
    /// What can be done about it.
    pub fn hint(&self) -> &str {
        self.hint
    }
}

impl fmt::Display for TerminalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for TerminalError {}

#[cfg(unix)]
pub(super) use unix::Terminal;

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::sync::mpsc::{SyncSender, sync_channel};
    use std::thread;

    use rustix::fs::{Mode, OFlags, open};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

    use super::{Path, TerminalError, mpsc};

    /// Lines that wait for somebody to read them; what comes when so many wait is lost.
    const LINES_WAITING_MAX: usize = 256;

    /// The device's end of a pseudo-terminal. Its path is removed when this is dropped.
    pub(crate) struct Terminal {
        path: PathBuf,
        lines: SyncSender<String>,
        /// The other end stays open here, so that who leaves does not end it for who comes next.
        _other_end: std::os::fd::OwnedFd,
    }

    impl Terminal {
        /// Makes a terminal that can be opened at `path`; what is typed there goes to `typed`.
        ///
        /// # Errors
        /// When there is something at the path, or the system gives no terminal.
        pub(crate) fn open(path: &Path, typed: mpsc::Sender<Vec<u8>>) -> Result<Self, TerminalError> {
            let refused = |error: rustix::io::Errno| TerminalError {
                what: format!("the system gives no terminal for the serial line: {error}"),
                hint: "close other terminals and run it again",
            };
            let end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).map_err(refused)?;
            grantpt(&end).map_err(refused)?;
            unlockpt(&end).map_err(refused)?;
            let name = ptsname(&end, Vec::new()).map_err(refused)?;
            let other_end =
                open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).map_err(refused)?;
            // A serial line changes no byte and echoes nothing.
            let mut settings = tcgetattr(&other_end).map_err(refused)?;
            settings.make_raw();
            tcsetattr(&other_end, OptionalActions::Now, &settings).map_err(refused)?;
            symlink(name.to_string_lossy().as_ref(), path).map_err(|error| TerminalError {
                what: format!("the serial line cannot be at {}: {error}", path.display()),
                hint: "choose a path where nothing is, in a folder that is there: --console /tmp/device",
            })?;
            let end = File::from(end);
            let failed = |error: std::io::Error| TerminalError {
                what: format!("the serial line cannot be used: {error}"),
                hint: "close other programs and run it again",
            };
            let (mut reader, mut writer) = (end.try_clone().map_err(failed)?, end);
            thread::spawn(move || {
                let mut buffer = [0; 256];
                while let Ok(len @ 1..) = reader.read(&mut buffer) {
                    if typed.blocking_send(buffer[..len].to_vec()).is_err() {
                        return;
                    }
                }
            });
            let (lines, printed) = sync_channel::<String>(LINES_WAITING_MAX);
            thread::spawn(move || {
                // It ends with the terminal. While nobody reads, the system's buffer fills and this waits.
                while let Ok(line) = printed.recv() {
                    if writer.write_all(format!("{line}\r\n").as_bytes()).is_err() {
                        return;
                    }
                }
            });
            Ok(Self { path: path.to_owned(), lines, _other_end: other_end })
        }

        /// Prints a line. One that nobody reads in time is lost.
        pub(crate) fn print(&self, line: &str) {
            let _ = self.lines.try_send(line.to_owned());
        }
    }

    impl Drop for Terminal {
        fn drop(&mut self) {
            // Somebody may have removed it already.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Elsewhere there are no such terminals.
#[cfg(not(unix))]
pub(super) struct Terminal(std::convert::Infallible);

#[cfg(not(unix))]
impl Terminal {
    pub(super) fn open(_: &Path, _: mpsc::Sender<Vec<u8>>) -> Result<Self, TerminalError> {
        let what = "a serial line as a terminal can be had on Unix only".to_owned();
        Err(TerminalError { what, hint: "use the console in the panel" })
    }

    pub(super) fn print(&self, _: &str) {
        match self.0 {}
    }
}
