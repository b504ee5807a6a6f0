//! The device's TLS alone, for the tests that put servers against it: what the server sends comes from the host, and
//! what the channel makes of it goes there.
//!
//! ```text
//! frame: kind, length (2 bytes, the lower first), that many bytes
//!
//! host:   1 start: seed (8 bytes), date (0 unknown, 1 at least, 2 exact), seconds (8 bytes), length of the name, the
//!           name, then each root: length (2 bytes), DER
//!         2 bytes of the server      3 data to send
//! device: 2 bytes for the server     3 data received
//!         4 the end of an answer: established (0 or 1), error (0, or 1 and above as `SecureError` lists them), bytes
//!           taken (2 bytes), heap in use, most heap in use since the last answer (4 bytes each), ticks that the
//!           answer took (8 bytes), which are instructions when the emulator has `-icount shift=0`
//! ```
//! Each frame of the host is answered, so that nothing ever waits in the line.

#![no_std]
#![no_main]

#[path = "../clock.rs"]
mod clock;
#[path = "../heap.rs"]
mod heap;
#[path = "../line.rs"]
mod line;
#[allow(dead_code, reason = "the device needs all of it, and this a part")]
#[path = "../machine.rs"]
mod machine;
#[path = "../plic.rs"]
mod plic;
#[path = "../uart.rs"]
mod uart;
#[path = "../virtio.rs"]
mod virtio;

use core::convert::Infallible;
use core::fmt::Write as _;
use core::mem::MaybeUninit;
use core::panic::PanicInfo;

use device_tls::Channel;
use embedded_io::{Read, Write};
use firmware_core::Instant;
use firmware_core::hal::{Date, SecureChannel, SecureError, UnixTime};
use heapless::Vec;
use static_cell::ConstStaticCell;

use crate::line::Line;
use crate::uart::Uart;

const START: u8 = 1;
const WIRE: u8 = 2;
const DATA: u8 = 3;
const STATE: u8 = 4;
/// The longest frame.
const FRAME_LEN_MAX: usize = 4_096;
/// More than is to be measured.
const HEAP_LEN: usize = virtio::HEAP_LEN + 160 * 1024;
const ROOTS_MAX: usize = 3;

static HEAP: ConstStaticCell<[MaybeUninit<u8>; HEAP_LEN]> =
    ConstStaticCell::new([MaybeUninit::uninit(); HEAP_LEN]);
static FRAMES: ConstStaticCell<[Frame; 2]> = ConstStaticCell::new([Frame::EMPTY; 2]);

#[riscv_rt::entry]
fn main() -> ! {
    heap::open(HEAP.take());
    let mut line = Line::open();
    let [order, frame] = FRAMES.take();
    order.receive(&mut line);
    loop {
        let start = Start::parse(order.bytes()).expect("the first frame is a start");
        serve(&mut line, &start, frame);
        drop(start);
        core::mem::swap(order, frame);
    }
}

/// Runs a channel until another start comes, which is left in `frame`.
fn serve(line: &mut Line, start: &Start<'_>, frame: &mut Frame) {
    let mut channel = Channel::new(&start.roots);
    let _ = heap::take_used_max();
    let begin = ticks();
    channel.start(Instant::ZERO, start.name, start.seed, start.date);
    give(line, &mut channel);
    answer(line, &channel, 0, None, begin);
    loop {
        frame.receive(line);
        let begin = ticks();
        let mut rest = frame.bytes();
        let mut error = None;
        loop {
            let taken = match frame.kind {
                START => return,
                WIRE if rest.is_empty() => 0,
                WIRE => channel.receive(Instant::ZERO, rest).unwrap_or_else(|why| {
                    error = Some(why);
                    0
                }),
                DATA => channel.write(rest),
                kind => panic!("a frame of kind {kind}"),
            };
            rest = &rest[taken..];
            if give(line, &mut channel) + taken == 0 {
                break;
            }
        }
        answer(line, &channel, frame.len - rest.len(), error, begin);
    }
}

/// Gives the host all that the channel has; returns how many bytes that were.
fn give(line: &mut Line, channel: &mut Channel<'_>) -> usize {
    let mut bytes = [0; 1_024];
    let mut given = 0;
    loop {
        let read = channel.read(&mut bytes);
        send(line, DATA, &bytes[..read]);
        let transmitted = channel.transmit(&mut bytes);
        send(line, WIRE, &bytes[..transmitted]);
        if read + transmitted == 0 {
            return given;
        }
        given += read + transmitted;
    }
}

fn answer(line: &mut Line, channel: &Channel<'_>, taken: usize, error: Option<SecureError>, begin: u64) {
    let mut state: Vec<u8, 20> = Vec::new();
    let parts: [&[u8]; 5] = [
        &[channel.is_established().into(), error.map_or(0, number)],
        &(taken as u16).to_le_bytes(),
        &(heap::used() as u32).to_le_bytes(),
        &(heap::take_used_max() as u32).to_le_bytes(),
        &ticks().wrapping_sub(begin).to_le_bytes(),
    ];
    for part in parts {
        state.extend_from_slice(part).expect("it is as long as its parts");
    }
    send(line, STATE, &state);
    let Ok(()) = line.flush();
}

fn number(error: SecureError) -> u8 {
    match error {
        SecureError::WrongName => 1,
        SecureError::Expired => 2,
        SecureError::UnknownAuthority => 3,
        SecureError::Protocol => 4,
        SecureError::Unavailable => 5,
        SecureError::NotYetValid => 6,
        // Only who owns the channel can tell.
        SecureError::Truncated | SecureError::Timeout | SecureError::DateUnknown => 7,
    }
}

fn ticks() -> u64 {
    riscv::register::minstret::read64()
}

fn send(line: &mut Line, kind: u8, bytes: &[u8]) {
    if kind != STATE && bytes.is_empty() {
        return;
    }
    let [low, high] = (bytes.len() as u16).to_le_bytes();
    let Ok(()) = line.write_all(&[kind, low, high]);
    let Ok(()) = line.write_all(bytes);
}

struct Frame {
    kind: u8,
    len: usize,
    bytes: [u8; FRAME_LEN_MAX],
}

impl Frame {
    const EMPTY: Self = Self { kind: 0, len: 0, bytes: [0; FRAME_LEN_MAX] };

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn receive(&mut self, line: &mut Line) {
        let mut head = [0; 3];
        read_exact(line, &mut head);
        self.kind = head[0];
        self.len = usize::from(u16::from_le_bytes([head[1], head[2]]));
        read_exact(line, &mut self.bytes[..self.len]);
    }
}

fn read_exact(line: &mut Line, bytes: &mut [u8]) {
    let mut len = 0;
    while len < bytes.len() {
        let Ok::<_, Infallible>(count) = line.read(&mut bytes[len..]);
        len += count;
    }
}

struct Start<'a> {
    seed: u64,
    date: Date,
    name: &'a str,
    roots: Vec<&'a [u8], ROOTS_MAX>,
}

impl<'a> Start<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (seed, bytes) = bytes.split_first_chunk()?;
        let (&kind, bytes) = bytes.split_first()?;
        let (seconds, bytes) = bytes.split_first_chunk()?;
        let time = UnixTime(u64::from_le_bytes(*seconds));
        let date = match kind {
            0 => Date::Unknown,
            1 => Date::AtLeast(time),
            2 => Date::Exact(time),
            _ => return None,
        };
        let (&name_len, bytes) = bytes.split_first()?;
        let (name, mut bytes) = bytes.split_at_checked(name_len.into())?;
        let mut roots = Vec::new();
        while let Some((len, rest)) = bytes.split_first_chunk() {
            let (root, rest) = rest.split_at_checked(u16::from_le_bytes(*len).into())?;
            roots.push(root).ok()?;
            bytes = rest;
        }
        Some(Self { seed: u64::from_le_bytes(*seed), date, name: str::from_utf8(name).ok()?, roots })
    }
}

/// Says why over the serial port and ends the emulator.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    struct Port(Uart);
    impl core::fmt::Write for Port {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            self.0.send(text.as_bytes());
            Ok(())
        }
    }
    let _ = writeln!(Port(Uart::open()), "{info}");
    machine::exit_after_panic()
}
