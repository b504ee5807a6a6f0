//! The device on an ESP32 board, its world at the other end of the serial port: real flash, real indicator, and a
//! radio, console and time that the host plays. The board's button works beside the one that the host plays.
//! Nothing here decides anything about provisioning.

#![no_std]
#![no_main]

mod line;

use core::panic::PanicInfo;

use firmware_core::application::thermostat::Thermostat;
use firmware_core::device::Device;
use firmware_core::net::{StaticBuffers, StaticSockets};
use firmware_esp32::board::{self, Board};
use firmware_esp32::config_partition::ConfigPartition;
use firmware_esp32::last_words::LastWords;
use firmware_esp32::port;
use hil_link::cut_flash::CutFlash;
use hil_link::device_side::{Ended, serve};
use hil_link::modelled_tls::ClientChannel;
use hil_link::queues::Queues;
use hil_link::turn_platform::TurnPlatform;
use hil_link::wire::framing::{ENCODED_LEN_MAX, encode};
use hil_link::wire::{Boot, PRODUCT_TEXT_LEN, Refusal, Response};
use static_cell::{ConstStaticCell, StaticCell};

use crate::line::Line;

esp_bootloader_esp_idf::esp_app_desc!();

type Platform = TurnPlatform<ConfigPartition, ClientChannel, &'static mut Queues>;

static DEVICE: StaticCell<Device<Thermostat>> = StaticCell::new();
static BUFFERS: ConstStaticCell<StaticBuffers> = ConstStaticCell::new(StaticBuffers::new());
static SOCKETS: StaticCell<StaticSockets> = StaticCell::new();
static QUEUES: ConstStaticCell<Queues> = ConstStaticCell::new(Queues::new());
static PLATFORM: StaticCell<Platform> = StaticCell::new();
static LINE: StaticCell<Line> = StaticCell::new();
static PRODUCT_TEXT: ConstStaticCell<[u8; PRODUCT_TEXT_LEN]> = ConstStaticCell::new([0; PRODUCT_TEXT_LEN]);

#[esp_hal::main]
fn main() -> ! {
    let Board { port, indicator, config, button, .. } = Board::open();
    let line = LINE.init_with(|| Line::new(port, indicator));
    let platform = PLATFORM.init_with(|| TurnPlatform::with_queues(CutFlash::new(config), QUEUES.take()));
    let mut firmware = heapless::String::<64>::new();
    // Both names are constants that fit.
    let _ = firmware.push_str(concat!("firmware-esp32 ", env!("CARGO_PKG_VERSION"), " virtual-radio "));
    let _ = firmware.push_str(board::NAME);
    let mut was_down = false;
    let poll_button = || {
        let is_down = button.is_low();
        (core::mem::replace(&mut was_down, is_down) != is_down).then_some(is_down)
    };
    match serve(line, platform, &firmware, poll_button, start) {
        Ended::Reset => esp_hal::system::software_reset(),
        Ended::Line(closed) => unreachable!("the port cannot close: {closed:?}"),
    }
}

/// Starts the device, once from reset to reset.
fn start(boot: &Boot<'_>, platform: &mut Platform) -> Result<&'static mut Device<Thermostat>, Refusal> {
    // Its stack and its queues leave no room for TLS, so that it has only the modelled one.
    if boot.trust.is_some() {
        return Err(Refusal::Trust);
    }
    // A boot that was refused has left its text behind, and the next one needs a reset.
    let text = PRODUCT_TEXT.try_take().ok_or(Refusal::Product)?;
    let product = boot.product.keep(text).map_err(|_| Refusal::Product)?;
    let boot = boot.with_product(product);
    let buffers = BUFFERS.take().lend(SOCKETS.init_with(StaticSockets::new), &boot.product, boot.mac);
    Ok(DEVICE.init_with(|| Device::boot(boot, buffers, platform, Thermostat::new())))
}

/// Says why as a message of the link and resets.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let words = LastWords::new(info);
    let mut room = [0; ENCODED_LEN_MAX];
    if let Some(bytes) = encode(&Response::Panic(words.as_str()), &mut room) {
        port::send_last(bytes);
    }
    esp_hal::system::software_reset()
}
