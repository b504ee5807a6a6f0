//! Boards at serial ports. Each has its configuration erased when a story begins, because it keeps it.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serial2::SerialPort;

use super::{ExecutorError, Line, OverLink};

/// The speed of the firmware's UART; a chip's own USB port has none.
pub const BAUD: u32 = 115_200;

/// How long an answer may take before it is asked for again: a chip erases two sectors, or resets and starts, in
/// less.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a chip is held in reset.
const RESET_PULSE: Duration = Duration::from_millis(100);
/// How often, and after which pauses, a port that has gone is looked for: a USB port goes for a moment when its chip
/// resets.
const REOPENS: u32 = 50;
const REOPEN_PAUSE: Duration = Duration::from_millis(100);

/// Serial ports with a board at each. A device of a run has one of them to itself.
#[derive(Debug)]
pub struct SerialPorts {
    ports: Vec<String>,
    baud: u32,
    /// The places of those that nobody has.
    free: Arc<Mutex<Vec<usize>>>,
}

impl SerialPorts {
    /// Boards at these ports, by the names that the system has for them.
    pub fn new(ports: Vec<String>, baud: u32) -> Self {
        // The first device of a scenario has the first port.
        let free = Arc::new(Mutex::new((0..ports.len()).rev().collect()));
        Self { ports, baud, free }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.ports.len()
    }

    /// Every port that this machine has, for a hint.
    pub fn on_this_machine() -> Vec<String> {
        let ports = SerialPort::available_ports().unwrap_or_default();
        ports.iter().map(|port| port.display().to_string()).collect()
    }

    /// Whether a board with the link answers at each port.
    ///
    /// # Errors
    /// The first port where none does, and why.
    pub fn check(&self) -> Result<(), (&str, PortError)> {
        self.ports.iter().try_for_each(|name| match self.greet(name) {
            Ok(_) => Ok(()),
            Err(error) => Err((name.as_str(), error)),
        })
    }

    /// The board at the next free port, its configuration erased.
    ///
    /// # Errors
    /// When no port is free, or what is there does not answer.
    pub fn connect(&self) -> Result<OverLink<Cable>, ExecutorError> {
        let next = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let place = next.and_then(|place| Some((place, self.ports.get(place)?)));
        let Some((place, name)) = place else {
            return Err(ExecutorError::Line(format!("all {} ports are in use", self.ports.len())));
        };
        let lent = Lent { place, free: Arc::clone(&self.free) };
        let mut device = self.greet(name).map_err(|error| match error {
            PortError::Open(error) => ExecutorError::Line(format!("{name}: {error}")),
            PortError::Device(error) => error,
        })?;
        device.line_mut().lent = Some(lent);
        device.erase_flash()?;
        Ok(device)
    }

    /// Opens a port, resets what is there and waits for its answer.
    fn greet(&self, name: &str) -> Result<OverLink<Cable>, PortError> {
        let port = open(name, self.baud).map_err(PortError::Open)?;
        let mut cable = Cable { port, name: name.to_owned(), baud: self.baud, lent: None };
        // Whatever it did before.
        cable.reset().map_err(PortError::Open)?;
        OverLink::open(cable).map_err(PortError::Device)
    }
}

/// Why there is no board at a port.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// It cannot be opened.
    #[error("it cannot be opened: {0}")]
    Open(io::Error),
    /// What is there is no device with the link.
    #[error("no device with the link is there: {0}")]
    Device(ExecutorError),
}

fn open(name: &str, baud: u32) -> io::Result<SerialPort> {
    let mut port = SerialPort::open(name, baud)?;
    port.set_read_timeout(PATIENCE)?;
    port.set_write_timeout(PATIENCE)?;
    Ok(port)
}

/// A port that is in use.
struct Lent {
    place: usize,
    free: Arc<Mutex<Vec<usize>>>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(self.place);
        // The last is taken first.
        free.sort_unstable_by(|a, b| b.cmp(a));
    }
}

/// The line to a board.
pub struct Cable {
    port: SerialPort,
    name: String,
    baud: u32,
    /// Gives the port back when the line is no longer needed.
    lent: Option<Lent>,
}

impl Cable {
    /// Finds a port again that has gone.
    fn reopen(&mut self, gone: &io::Error) -> io::Result<()> {
        for _ in 0..REOPENS {
            if let Ok(port) = open(&self.name, self.baud) {
                self.port = port;
                return Ok(());
            }
            thread::sleep(REOPEN_PAUSE);
        }
        Err(io::Error::new(gone.kind(), format!("{} has gone: {gone}", self.name)))
    }
}

impl Line for Cable {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // What a board that resets does not hear is asked again.
        match self.port.write_all(bytes) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(()),
            Err(error) => self.reopen(&error),
        }
    }

    fn receive(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            return match self.port.read(bytes) {
                Ok(0) => self.reopen(&ErrorKind::UnexpectedEof.into()).map(|()| 0),
                Ok(len) => Ok(len),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => Ok(0),
                Err(error) => self.reopen(&error).map(|()| 0),
            };
        }
    }

    /// RTS holds the chip in reset while DTR leaves it alone, on boards with a bridge chip and in the chip's own USB
    /// port alike. A pseudo-terminal has neither line.
    fn reset(&mut self) -> io::Result<bool> {
        if self.port.set_dtr(false).and_then(|()| self.port.set_rts(true)).is_err() {
            return Ok(false);
        }
        thread::sleep(RESET_PULSE);
        let released = self.port.set_rts(false);
        released.or_else(|error| self.reopen(&error))?;
        Ok(true)
    }

    /// A board says them over this line.
    fn last_words(&mut self) -> Vec<u8> {
        Vec::new()
    }
}

impl fmt::Debug for Cable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the line at {}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_lent_in_their_order_and_come_back() {
        let ports = SerialPorts::new(vec!["none such 0".into(), "none such 1".into()], BAUD);
        let failure = |ports: &SerialPorts| ports.connect().err().map(|error| error.to_string());
        for _ in 0..3 {
            let words = failure(&ports).unwrap();
            assert!(words.contains("none such 0"), "{words}");
        }
        ports.free.lock().unwrap().clear();
        assert_eq!(failure(&ports).unwrap(), "the line to it failed: all 2 ports are in use");
        let (port, error) = ports.check().unwrap_err();
        assert!(port == "none such 0" && matches!(error, PortError::Open(_)), "{port}: {error}");
    }
}
