//! The serial line of a device in the simulator, as the link wants it.
//!
//! Simulated time passes only while the device works on a turn: what is to be said to it, a pause point behind its answer,
//! and the word to go on are sent together, so that a turn takes one round trip and no simulated time beyond its own.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hil_link::wire::framing::ANSWER_END;
use hil_sim::executor::Line;
use tokio::runtime::Runtime;

use crate::api::{ApiError, Counted, Event, PausePoint, Simulation};

/// What a device sends behind the last message of an answer, with the zero byte that ends this one.
const END: [u8; 1 + ANSWER_END.len()] = [0; 1 + ANSWER_END.len()];
/// How long, in simulated time, an answer may take before it is asked for again: a chip erases two sectors, or resets and
/// starts, in less.
const PATIENCE_NANOS: u64 = 2_000_000_000;
/// How long, in the wall's time, the service may take for that. A simulation can be slower than a chip by far.
const WALL_PATIENCE: Duration = Duration::from_secs(120);
/// How much is said at once, at most.
const WRITE_LEN_MAX: usize = 8 * 1_024;
/// The pause point behind an answer.
const ANSWERED: &str = "answered";

/// The serial line of a device in the simulator.
pub struct WokwiLine {
    runtime: Runtime,
    device: Device,
    received: Vec<u8>,
    /// Where what it cost is added in the end.
    spent: Arc<Mutex<Counted>>,
}

struct Device {
    simulation: Simulation,
    to_send: Vec<u8>,
    /// Whether the pause point is set and has not been reached.
    is_armed: bool,
}

impl WokwiLine {
    /// A line to a simulation that has been started and stands still.
    pub(super) fn new(runtime: Runtime, simulation: Simulation, spent: Arc<Mutex<Counted>>) -> Self {
        let device = Device { simulation, to_send: Vec::new(), is_armed: false };
        Self { runtime, device, received: Vec::new(), spent }
    }
}

impl Device {
    /// Says what was to be said and lets time pass, until it stands still again: behind the device's answer, or when it
    /// has given none for too long. Returns what it said.
    async fn work(&mut self) -> Result<Vec<u8>, ApiError> {
        for piece in self.to_send.chunks(WRITE_LEN_MAX) {
            self.simulation.post_serial(piece).await?;
        }
        self.to_send.clear();
        if !self.is_armed {
            self.simulation.post_pause_point(ANSWERED, &PausePoint::Serial(&END)).await?;
            self.is_armed = true;
        }
        self.simulation.post_resume(Some(PATIENCE_NANOS)).await?;
        let mut said = Vec::new();
        loop {
            match self.simulation.next_event(WALL_PATIENCE).await? {
                Some(Event::Serial(bytes)) => said.extend_from_slice(&bytes),
                Some(Event::Paused { pause_point, .. }) => {
                    self.is_armed &= pause_point.is_none();
                    return Ok(said);
                }
                Some(_) => {}
                None => {
                    let command = "sim:resume".to_owned();
                    return Err(ApiError::Silent { command, waited: WALL_PATIENCE });
                }
            }
        }
    }
}

impl Line for WokwiLine {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.device.to_send.extend_from_slice(bytes);
        Ok(())
    }

    fn receive(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.received.is_empty() {
            self.received = self.runtime.block_on(self.device.work()).map_err(io::Error::other)?;
        }
        let len = bytes.len().min(self.received.len());
        bytes[..len].copy_from_slice(&self.received[..len]);
        self.received.drain(..len);
        Ok(len)
    }

    /// A firmware that hangs is not helped by a reset in the middle of its story: it is at fault.
    fn reset(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// A panic is told over this line.
    fn last_words(&mut self) -> Vec<u8> {
        Vec::new()
    }
}

impl Drop for WokwiLine {
    fn drop(&mut self) {
        // What runs elsewhere ends with the device, and before this program may.
        self.runtime.block_on(self.device.simulation.close());
        let counted = self.device.simulation.counted();
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).add(counted);
    }
}
