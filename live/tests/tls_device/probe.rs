//! The device's TLS in QEMU, over the line that `firmware-qemu/src/bin/tls_probe.rs` describes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hil_sim::executor::Line;
use hil_sim::executor::qemu::{Machine, Qemu};

const START: u8 = 1;
const WIRE: u8 = 2;
const DATA: u8 = 3;
const STATE: u8 = 4;
/// No frame to the device is longer.
const CHUNK_LEN_MAX: usize = 4_000;
/// A handshake in the emulator takes a second or two; a busy machine needs longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the channel is told of the time, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Date {
    Unknown,
    AtLeast(u64),
    Exact(u64),
}

/// How a channel is started.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) roots: Vec<Vec<u8>>,
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) date: Date,
}

/// What came of a frame.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Bytes for the server.
    pub(crate) wire: Vec<u8>,
    /// Data received.
    pub(crate) data: Vec<u8>,
    pub(crate) is_established: bool,
    pub(crate) error: Option<&'static str>,
    pub(crate) taken: usize,
    /// Heap in use, in bytes.
    pub(crate) heap: u32,
    /// The most that was in use since the last answer.
    pub(crate) heap_max: u32,
    /// What it took: instructions, when the emulator counts them.
    pub(crate) ticks: u64,
}

/// A machine with the probe. It ends when it is dropped.
pub(crate) struct Probe {
    machine: Machine,
    line: TcpStream,
}

impl Probe {
    pub(crate) fn new(qemu: &Qemu) -> Self {
        let machine = qemu.start().expect("the emulator starts");
        let line = machine.link().expect("it has a line");
        line.set_read_timeout(Some(PATIENCE)).expect("a time limit can be set");
        Self { machine, line }
    }

    pub(crate) fn start(&mut self, start: &Start) -> Answer {
        let mut bytes = start.seed.to_le_bytes().to_vec();
        let (kind, seconds) = match start.date {
            Date::Unknown => (0, 0),
            Date::AtLeast(seconds) => (1, seconds),
            Date::Exact(seconds) => (2, seconds),
        };
        bytes.push(kind);
        bytes.extend(seconds.to_le_bytes());
        bytes.push(start.name.len().try_into().expect("a name"));
        bytes.extend(start.name.as_bytes());
        for root in &start.roots {
            bytes.extend(u16::try_from(root.len()).expect("a certificate").to_le_bytes());
            bytes.extend(root);
        }
        self.ask(START, &bytes)
    }

    /// Brings bytes of the server, a chunk at a time, until the channel takes no more.
    pub(crate) fn receive(&mut self, wire: &[u8], chunk_len: usize) -> Answer {
        self.bring(WIRE, wire, chunk_len)
    }

    /// Brings data to send.
    pub(crate) fn write(&mut self, data: &[u8]) -> Answer {
        self.bring(DATA, data, CHUNK_LEN_MAX)
    }

    /// Asks how it is.
    pub(crate) fn look(&mut self) -> Answer {
        self.ask(WIRE, &[])
    }

    fn bring(&mut self, kind: u8, bytes: &[u8], chunk_len: usize) -> Answer {
        let mut all = Answer::default();
        for chunk in bytes.chunks(chunk_len.min(CHUNK_LEN_MAX)) {
            let answer = self.ask(kind, chunk);
            all.wire.extend(answer.wire);
            all.data.extend(answer.data);
            let heap_max = all.heap_max.max(answer.heap_max);
            let taken = all.taken + answer.taken;
            let ticks = all.ticks + answer.ticks;
            all = Answer { wire: all.wire, data: all.data, heap_max, taken, ticks, ..answer };
            if all.error.is_some() || answer.taken < chunk.len() {
                break;
            }
        }
        all
    }

    fn ask(&mut self, kind: u8, bytes: &[u8]) -> Answer {
        let mut frame = vec![kind];
        frame.extend(u16::try_from(bytes.len()).expect("a frame").to_le_bytes());
        frame.extend(bytes);
        self.line.write_all(&frame).expect("the line takes bytes");
        let mut answer = Answer::default();
        loop {
            let (kind, bytes) = self.frame();
            match kind {
                WIRE => answer.wire.extend(bytes),
                DATA => answer.data.extend(bytes),
                STATE => {
                    read_state(&bytes, &mut answer);
                    return answer;
                }
                kind => panic!("a frame of kind {kind}"),
            }
        }
    }

    fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 3];
        self.read_exact(&mut head);
        let mut bytes = vec![0; usize::from(u16::from_le_bytes([head[1], head[2]]))];
        self.read_exact(&mut bytes);
        (head[0], bytes)
    }

    fn read_exact(&mut self, bytes: &mut [u8]) {
        if let Err(error) = self.line.read_exact(bytes) {
            let words = self.machine.last_words();
            panic!("the probe does not answer ({error}): {}", String::from_utf8_lossy(&words));
        }
    }
}

fn read_state(bytes: &[u8], answer: &mut Answer) {
    let number = |from: usize, len: usize| {
        bytes[from..from + len].iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let [established, error] = [bytes[0], bytes[1]];
    answer.is_established = established == 1;
    answer.error = match error {
        0 => None,
        1 => Some("wrong name"),
        2 => Some("expired"),
        3 => Some("unknown authority"),
        4 => Some("protocol"),
        5 => Some("unavailable"),
        6 => Some("not yet valid"),
        other => panic!("the error {other}"),
    };
    answer.taken = number(2, 2) as usize;
    answer.heap = number(4, 4) as u32;
    answer.heap_max = number(8, 4) as u32;
    answer.ticks = number(12, 8);
}
