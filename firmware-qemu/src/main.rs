//! The device on QEMU's riscv32 `virt` machine: rv32imc, the instruction set of the ESP32-C3, without any of its
//! peripherals. Nothing here decides anything about provisioning; the world is at the other end of the link.

#![no_std]
#![no_main]

mod clock;
mod heap;
mod line;
mod machine;
mod pflash;
mod plic;
mod secure;
mod uart;
mod virtio;

use core::fmt::Write;
use core::mem::MaybeUninit;
use core::panic::PanicInfo;

use firmware_core::application::thermostat::Thermostat;
use firmware_core::device::Device;
use firmware_core::net::{StaticBuffers, StaticSockets};
use hil_link::cut_flash::CutFlash;
use hil_link::device_side::{Ended, serve};
use hil_link::queues::Queues;
use hil_link::turn_platform::TurnPlatform;
use hil_link::wire::framing::{ENCODED_LEN_MAX, encode};
use hil_link::wire::{Boot, PANIC_TEXT_LEN_MAX, PRODUCT_TEXT_LEN, Refusal, Response};
use static_cell::{ConstStaticCell, StaticCell};

use crate::line::Line;
use crate::pflash::Pflash;
use crate::secure::Channel;
use crate::uart::Uart;

/// The memory that core and sockets may take on a board.
const RAM_MAX: usize = 48 * 1024;
const RAM: usize = size_of::<Device<Thermostat>>() + size_of::<StaticBuffers>() + size_of::<StaticSockets>();
const _: () = assert!(RAM <= RAM_MAX);

const HEAP_LEN: usize = virtio::HEAP_LEN + secure::HEAP_LEN;

type Platform = TurnPlatform<Pflash, Channel, &'static mut Queues>;

static DEVICE: StaticCell<Device<Thermostat>> = StaticCell::new();
static BUFFERS: ConstStaticCell<StaticBuffers> = ConstStaticCell::new(StaticBuffers::new());
static SOCKETS: StaticCell<StaticSockets> = StaticCell::new();
static QUEUES: ConstStaticCell<Queues> = ConstStaticCell::new(Queues::new());
static PLATFORM: StaticCell<Platform> = StaticCell::new();
static PRODUCT_TEXT: ConstStaticCell<[u8; PRODUCT_TEXT_LEN]> = ConstStaticCell::new([0; PRODUCT_TEXT_LEN]);

static HEAP: ConstStaticCell<[MaybeUninit<u8>; HEAP_LEN]> =
    ConstStaticCell::new([MaybeUninit::uninit(); HEAP_LEN]);

#[riscv_rt::entry]
fn main() -> ! {
    heap::open(HEAP.take());
    let mut line = Line::open();
    let platform =
        PLATFORM.init_with(|| TurnPlatform::with_queues(CutFlash::new(Pflash::open()), QUEUES.take()));
    let firmware = concat!("firmware-qemu ", env!("CARGO_PKG_VERSION"));
    match serve(&mut line, platform, firmware, || None, start) {
        Ended::Reset => machine::reset(),
        Ended::Line(_) => machine::exit(machine::EXIT_LINE),
    }
}

/// Starts the device, once from reset to reset.
fn start(boot: &Boot<'_>, platform: &mut Platform) -> Result<&'static mut Device<Thermostat>, Refusal> {
    // A boot that was refused has left its text behind, and the next one needs a reset.
    let text = PRODUCT_TEXT.try_take().ok_or(Refusal::Product)?;
    let product = boot.product.keep(text).map_err(|_| Refusal::Product)?;
    if let Some(authority) = boot.trust {
        platform.set_secure(secure::trusting(authority.0)?);
    }
    let boot = boot.with_product(product);
    let buffers = BUFFERS.take().lend(SOCKETS.init_with(StaticSockets::new), &boot.product, boot.mac);
    Ok(DEVICE.init_with(|| Device::boot(boot, buffers, platform, Thermostat::new())))
}

/// Says why over the serial port, as a message of the link, and ends the emulator.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut words = Words { text: [0; PANIC_TEXT_LEN_MAX], len: 0 };
    // What is too long is cut.
    let _ = write!(words, "{info}");
    let text = core::str::from_utf8(&words.text[..words.len]).unwrap_or("a panic");
    let mut room = [0; ENCODED_LEN_MAX];
    if let Some(bytes) = encode(&Response::Panic(text), &mut room) {
        Uart::open().send(bytes);
    }
    machine::exit_after_panic()
}

struct Words {
    text: [u8; PANIC_TEXT_LEN_MAX],
    len: usize,
}

impl Write for Words {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = &mut self.text[self.len..];
        let len = text.floor_char_boundary(room.len());
        room[..len].copy_from_slice(&text.as_bytes()[..len]);
        self.len += len;
        if len < text.len() { Err(core::fmt::Error) } else { Ok(()) }
    }
}
