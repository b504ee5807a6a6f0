//! Only to be weighed: firmware-core and smoltcp with a platform that does nothing, so that what this program takes in
//! flash is what they take, and a little more. CI holds it against the bar of 128 KiB.
//!
//! `black_box` stands where hardware would, so that nothing is left out because its result is known.

#![no_std]
#![no_main]

use core::fmt::{self, Write};
use core::hint::black_box;
use core::panic::PanicInfo;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read,
    check_write,
};
use firmware_core::Instant;
use firmware_core::application::Application;
use firmware_core::cloud::codec::Params;
use firmware_core::cloud::outgoing::Outgoing;
use firmware_core::device::Device;
use firmware_core::hal::{
    Boot, Console, Date, Panel, Platform, Radio, RadioCommand, RadioEvent, ResetCause, SecureChannel,
    SecureError, SecureKind, TraceSink,
};
use firmware_core::net::{StaticBuffers, StaticSockets};
use firmware_core::panel::Pattern;
use firmware_core::product::{Identity, Product};
use firmware_core::trace::Event;
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::wire::EthernetAddress;
use static_cell::{ConstStaticCell, StaticCell};

const FRAME_LEN: usize = 1_514;
const SECTOR_LEN: usize = 4_096;

const PRODUCT: Product = match Product::new(Identity {
    template_id: "TMPL4thermo1",
    template_name: "Thermostat",
    firmware_version: "0.1.0",
    build: "Nov 22 2026 10:00:00",
    board: "ESP32-C3",
    vendor: "Blynk",
    firmware_type: "",
    captive_portal: true,
}) {
    Ok(product) => product,
    Err(_) => panic!("the product is valid"),
};

static DEVICE: StaticCell<Device<Silent>> = StaticCell::new();
static BUFFERS: ConstStaticCell<StaticBuffers> = ConstStaticCell::new(StaticBuffers::new());
static SOCKETS: StaticCell<StaticSockets> = StaticCell::new();

#[riscv_rt::entry]
fn main() -> ! {
    let mut board = Nothing { frame: [0; FRAME_LEN] };
    let mac = EthernetAddress(black_box([2, 0, 0, 0, 0, 1]));
    let boot = Boot {
        now: now(),
        uptime: smoltcp::time::Duration::ZERO,
        seed: black_box(1),
        cause: black_box(ResetCause::PowerOn),
        mac,
        product: black_box(PRODUCT),
    };
    let buffers = BUFFERS.take().lend(SOCKETS.init_with(StaticSockets::new), &boot.product, mac);
    let device = DEVICE.init_with(|| Device::boot(boot, buffers, &mut board, Silent));
    loop {
        let _ = black_box(device.poll(now(), &mut board));
    }
}

fn now() -> Instant {
    Instant::from_micros(black_box(0))
}

/// The product's code.
struct Silent;

impl Application for Silent {
    fn on_connected(&mut self, _now: Instant, _out: &mut Outgoing<'_>) {}

    fn on_virtual_write(&mut self, _now: Instant, _pin: u8, _values: Params<'_>, _out: &mut Outgoing<'_>) {}
}

/// The hardware.
struct Nothing {
    frame: [u8; FRAME_LEN],
}

impl Radio for Nothing {
    fn command(&mut self, command: RadioCommand) {
        black_box(command);
    }

    fn poll_event(&mut self) -> Option<RadioEvent> {
        black_box(None)
    }
}

impl Panel for Nothing {
    fn poll_button(&mut self) -> Option<(Instant, bool)> {
        black_box(None)
    }

    fn show(&mut self, pattern: Pattern) {
        black_box(pattern);
    }
}

impl Console for Nothing {
    fn poll_byte(&mut self) -> Option<u8> {
        black_box(None)
    }

    fn print(&mut self, text: fmt::Arguments<'_>) {
        // What is printed goes nowhere.
        let _ = Nowhere.write_fmt(text);
    }
}

struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        black_box(text);
        Ok(())
    }
}

impl TraceSink for Nothing {
    fn trace(&mut self, event: Event) {
        black_box(event);
    }
}

impl Platform for Nothing {
    type Phy = Self;
    type Flash = Self;
    type Secure = Self;

    fn phy(&mut self) -> &mut Self {
        self
    }

    fn flash(&mut self) -> &mut Self {
        self
    }

    fn secure(&mut self) -> Option<&mut Self> {
        Some(self)
    }
}

impl SecureChannel for Nothing {
    fn start(&mut self, _now: Instant, server_name: &str, seed: u64, _date: Date) {
        black_box((server_name, seed));
    }

    fn receive(&mut self, _now: Instant, wire: &[u8]) -> Result<usize, SecureError> {
        black_box(Ok(wire.len()))
    }

    fn transmit(&mut self, wire: &mut [u8]) -> usize {
        black_box(wire).len()
    }

    fn is_established(&self) -> bool {
        black_box(true)
    }

    fn write(&mut self, data: &[u8]) -> usize {
        black_box(data).len()
    }

    fn read(&mut self, data: &mut [u8]) -> usize {
        black_box(data).len()
    }

    fn kind(&self) -> SecureKind {
        black_box(SecureKind::Tls)
    }
}

impl ErrorType for Nothing {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Nothing {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        black_box(bytes);
        Ok(())
    }

    fn capacity(&self) -> usize {
        2 * SECTOR_LEN
    }
}

impl NorFlash for Nothing {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SECTOR_LEN;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        black_box(bytes);
        Ok(())
    }
}

impl MultiwriteNorFlash for Nothing {}

impl phy::Device for Nothing {
    type RxToken<'a> = Token<'a>;
    type TxToken<'a> = Sent;

    fn receive(&mut self, _now: Instant) -> Option<(Token<'_>, Sent)> {
        black_box(true).then_some((Token(&self.frame), Sent))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Sent> {
        black_box(true).then_some(Sent)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_LEN;
        capabilities
    }
}

/// A received frame.
struct Token<'a>(&'a [u8]);

impl phy::RxToken for Token<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(black_box(self.0))
    }
}

/// Room for a frame.
struct Sent;

impl phy::TxToken for Sent {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut frame = [0; FRAME_LEN];
        let result = fill(frame.get_mut(..len).unwrap_or_default());
        black_box(&frame);
        result
    }
}

#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    loop {
        black_box(());
    }
}
