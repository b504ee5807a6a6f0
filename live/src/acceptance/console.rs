//! A board's serial line: what it prints is kept with the time at which it came, and its states are read from it.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serial2::SerialPort;

/// A line longer than this is none: garbage at a wrong speed has no end of a line.
const LINE_LEN_MAX: usize = 1_024;
/// The pause of the reader between two looks at a line on which nothing comes.
const READ_LIMIT: Duration = Duration::from_millis(100);

/// What stands between the two states in a log line.
const CHANGES_TO: &str = " => ";
/// Before an error that the device will report to the app.
const ERROR_CODE: &str = "Last error code: ";

/// The line, and all that has come on it.
pub(super) struct Console {
    port: Arc<SerialPort>,
    log: Arc<Log>,
    opened: Instant,
    is_over: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Log {
    heard: Mutex<Heard>,
    changed: Condvar,
}

/// What a board has printed.
#[derive(Default)]
pub(super) struct Heard {
    /// Its lines and when each ended, since the line was opened.
    pub(super) lines: Vec<(Duration, String)>,
    /// The changes of its state, and in which line each stands.
    pub(super) states: Vec<(usize, String)>,
    /// The error it will report; 0 for none.
    pub(super) last_error: u16,
    partial: Vec<u8>,
    failed: Option<String>,
}

impl Console {
    /// Sees whether the line can be opened.
    ///
    /// # Errors
    /// When there is no such line, or it is somebody else's.
    pub(super) fn check(port: &str, baud: u32) -> io::Result<()> {
        SerialPort::open(port, baud).map(drop)
    }

    /// Opens the line and listens from now on.
    ///
    /// # Errors
    /// When there is no such line, or it is somebody else's.
    pub(super) fn open(port: &str, baud: u32) -> io::Result<Self> {
        let mut port = SerialPort::open(port, baud)?;
        port.set_read_timeout(READ_LIMIT)?;
        let (port, log, opened) = (Arc::new(port), Arc::<Log>::default(), Instant::now());
        let (from, to) = (Arc::clone(&port), Arc::clone(&log));
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 512];
            while !ends.load(Ordering::Relaxed) {
                match from.read(&mut buffer) {
                    Ok(len) => to.take(opened.elapsed(), buffer.get(..len).unwrap_or_default()),
                    Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                    Err(error) => return to.fail(&error),
                }
            }
        });
        Ok(Self { port, log, opened, is_over, reader: Some(reader) })
    }

    /// Since when it is open.
    pub(super) fn elapsed(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Types a line and Enter.
    pub(super) fn type_line(&self, line: &str) -> io::Result<()> {
        self.port.write_all(format!("{line}\r\n").as_bytes())
    }

    /// What has been heard so far.
    pub(super) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.log.lock()
    }

    /// Waits until what has been heard is so; whether it was in time. A line that was lost is an error.
    pub(super) fn wait_until(
        &self,
        within: Duration,
        mut is_so: impl FnMut(&Heard) -> bool,
    ) -> Result<bool, String> {
        let give_up_at = Instant::now() + within;
        let mut heard = self.log.lock();
        loop {
            if is_so(&heard) {
                return Ok(true);
            }
            if let Some(why) = &heard.failed {
                return Err(format!("the serial line was lost: {why}"));
            }
            let left = give_up_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let waited = self.log.changed.wait_timeout(heard, left);
            heard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Console {
    /// Waits for the reader: what comes later is for whoever opens the line next.
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, at: Duration, bytes: &[u8]) {
        let mut heard = self.lock();
        bytes.iter().for_each(|byte| heard.take(at, *byte));
        self.changed.notify_all();
    }

    fn fail(&self, error: &io::Error) {
        self.lock().failed = Some(error.to_string());
        self.changed.notify_all();
    }
}

impl Heard {
    fn take(&mut self, at: Duration, byte: u8) {
        if byte != b'\n' {
            if self.partial.len() < LINE_LEN_MAX {
                self.partial.push(byte);
            }
            return;
        }
        let line = String::from_utf8_lossy(&self.partial);
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        self.partial.clear();
        // A line may begin with the prompt and what was typed behind it.
        let said = line.trim_start_matches('>').trim();
        if let Some(to) = state_of(said) {
            self.states.push((self.lines.len(), to.to_owned()));
            if to == RUNNING {
                self.last_error = 0;
            }
        }
        if let Some(code) = said.rsplit_once(ERROR_CODE).and_then(|(_, code)| code.trim().parse().ok()) {
            self.last_error = code;
        }
        self.lines.push((at, line.trim_end().to_owned()));
    }

    /// The state that it has changed to last, leaving out so many changes that no longer count.
    pub(super) fn state(&self, from: usize) -> Option<&str> {
        self.states.get(from..)?.last().map(|(_, state)| state.as_str())
    }
}

/// The device is online.
const RUNNING: &str = "RUNNING";

/// The state that a log line tells of: `[12345] INIT => WAIT_CONFIG`.
fn state_of(line: &str) -> Option<&str> {
    let (time, said) = line.strip_prefix('[')?.split_once("] ")?;
    let (from, to) = said.split_once(CHANGES_TO)?;
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let is_time = time.bytes().all(|byte| byte.is_ascii_digit() || byte == b' ');
    (is_time && is_name(from) && is_name(to)).then_some(to)
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(text: &str) -> Heard {
        let mut heard = Heard::default();
        text.bytes().for_each(|byte| heard.take(Duration::ZERO, byte));
        heard
    }

    #[test]
    fn states_are_read_from_log_lines_and_from_nothing_else() {
        let heard = heard(
            "[12] INIT => WAIT_CONFIG\r\n>devinfo\r\n{\"name\":\"A => B\"}\r\n>[345] WAIT_CONFIG => CONFIGURING\r\n\
             [x] A => B\r\n[9] a => B\r\nINIT => RUNNING\r\n[9] A => B tail\r\n",
        );
        let states: Vec<_> = heard.states.iter().map(|(line, state)| (*line, state.as_str())).collect();
        assert_eq!(states, [(0, "WAIT_CONFIG"), (3, "CONFIGURING")]);
        assert_eq!(heard.state(0), Some("CONFIGURING"));
        assert_eq!(heard.state(2), None);
        assert_eq!(heard.state(3), None);
    }

    #[test]
    fn an_error_is_remembered_until_the_device_is_online() {
        assert_eq!(heard("[5] Last error code: 722\r\n").last_error, 722);
        assert_eq!(heard("[5] Last error code: 722\r\n[9] CONNECTING_CLOUD => RUNNING\r\n").last_error, 0);
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let heard = heard(&format!("{}\nnext\n", "x".repeat(10_000)));
        assert_eq!(heard.lines[0].1.len(), LINE_LEN_MAX);
        assert_eq!(heard.lines[1].1, "next");
    }
}
