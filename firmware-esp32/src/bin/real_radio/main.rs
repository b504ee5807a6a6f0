//! The device on an ESP32 board with the board's own radio. Nothing here decides anything about provisioning: the
//! tasks carry things between the chip's drivers and `firmware-core`, which sleeps until there is something to do.

#![no_std]
#![no_main]

mod console;
mod panel;
mod platform;
mod radio;

use core::panic::PanicInfo;

use device_tls::{Channel, roots};
use embassy_executor::Spawner;
use embassy_futures::select::select;
use embassy_futures::yield_now;
use embassy_time::{Duration, Timer};
use esp_hal::gpio::Input;
use esp_hal::rng::Trng;
use esp_hal::timer::timg::TimerGroup;
use firmware_core::application::thermostat::Thermostat;
use firmware_core::device::Device;
use firmware_core::hal::{Boot, Wake};
use firmware_core::net::{StaticBuffers, StaticSockets};
use firmware_core::product::{DEFAULT_VENDOR, Identity, Product};
use firmware_esp32::board::{self, Board};
use firmware_esp32::indicator::Indicator;
use firmware_esp32::last_words::LastWords;
use firmware_esp32::now;
use firmware_esp32::port::{self, AsyncReceiver, AsyncSender};
use static_cell::{ConstStaticCell, StaticCell};

use crate::platform::BoardPlatform;
use crate::radio::RadioTask;

esp_bootloader_esp_idf::esp_app_desc!();

/// What the product is. A product of your own begins here, and with an `Application` in place of the thermostat.
const PRODUCT: Product = match Product::new(Identity {
    template_id: "TMPL4thermo1",
    template_name: "Thermostat",
    firmware_version: env!("CARGO_PKG_VERSION"),
    build: "Nov 22 2026 12:00:00",
    board: board::NAME,
    vendor: DEFAULT_VENDOR,
    firmware_type: "",
    captive_portal: false,
}) {
    Ok(product) => product,
    Err(_) => panic!("the product's identity is not valid"),
};

/// The radio's driver keeps up to 63 KB here as an access point, and more frames than by default; as a station it
/// keeps less, and an encrypted session up to 64 KB, of which two pieces of 17 KB lie in one piece each.
const HEAP_LEN: usize = 112 * 1024;
/// What the bootloader leaves behind, for the same.
const HEAP_RECLAIMED_LEN: usize = 64 * 1024;
/// A frame that found no room is tried again after this at the latest.
const ROOM_RETRY: Duration = Duration::from_millis(10);
/// Before a reset, the last lines and the access point's farewell get out.
const FAREWELL: Duration = Duration::from_millis(300);

static DEVICE: StaticCell<Device<Thermostat>> = StaticCell::new();
static BUFFERS: ConstStaticCell<StaticBuffers> = ConstStaticCell::new(StaticBuffers::new());
static SOCKETS: StaticCell<StaticSockets> = StaticCell::new();

#[esp_rtos::main]
async fn main(spawner: Spawner) -> ! {
    let Board { button, indicator, port, config, wifi, timers, interrupt } = Board::open();
    esp_alloc::heap_allocator!(#[esp_hal::ram(reclaimed)] size: HEAP_RECLAIMED_LEN);
    esp_alloc::heap_allocator!(size: HEAP_LEN);
    esp_rtos::start(TimerGroup::new(timers).timer0, interrupt);

    let (receiver, sender) = port.into_async();
    let (radio, frames) = radio::open(wifi);
    // Each task is started once, so that there is room for it.
    spawner.spawn(run_radio(radio).expect("once"));
    spawner.spawn(watch_button(button).expect("once"));
    spawner.spawn(light_indicator(indicator).expect("once"));
    spawner.spawn(send_text(sender).expect("once"));
    spawner.spawn(receive_text(receiver).expect("once"));

    let boot = Boot {
        now: now(),
        uptime: firmware_core::Duration::ZERO,
        seed: seed(),
        cause: board::reset_cause(),
        mac: frames.mac(),
        product: PRODUCT,
    };
    let secure = Channel::new(roots::BLYNK_CLOUD).with_entropy(fill_with_chance);
    let mut platform = BoardPlatform { frames, config, secure };
    let buffers = BUFFERS.take().lend(SOCKETS.init_with(StaticSockets::new), &boot.product, boot.mac);
    let device = DEVICE.init_with(|| Device::boot(boot, buffers, &mut platform, Thermostat::new()));
    run(device, &mut platform).await
}

/// Polls the device whenever it asked to be, or something happened.
async fn run(device: &mut Device<Thermostat>, platform: &mut BoardPlatform) -> ! {
    loop {
        // However busy the air is, the other tasks have their turn.
        yield_now().await;
        let now = now();
        match device.poll(now, platform) {
            Wake::Now if platform.frames.waits_for_room() => {
                select(platform.ready(), Timer::after(ROOM_RETRY)).await;
            }
            Wake::Now => {}
            Wake::At(at, _) => {
                let pause = Duration::from_micros((at - now).total_micros());
                select(platform.ready(), Timer::after(pause)).await;
            }
            Wake::OnEvent => platform.ready().await,
            Wake::Reboot(_) => {
                Timer::after(FAREWELL).await;
                // The chip remembers that it was software.
                esp_hal::system::software_reset();
            }
        }
    }
}

fn seed() -> u64 {
    let mut bytes = [0; 32];
    fill_with_chance(&mut bytes);
    let [a, b, c, d, e, f, g, h, ..] = bytes;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Chance from the radio's noise, which is there once the radio is on.
fn fill_with_chance(bytes: &mut [u8; 32]) {
    Trng::try_new().expect("the radio is on").read(bytes);
}

#[embassy_executor::task]
async fn run_radio(radio: RadioTask) {
    radio.run().await;
}

#[embassy_executor::task]
async fn watch_button(button: Input<'static>) {
    panel::watch(button).await;
}

#[embassy_executor::task]
async fn light_indicator(indicator: Indicator) {
    panel::light(indicator).await;
}

#[embassy_executor::task]
async fn send_text(sender: AsyncSender) {
    console::send(sender).await;
}

#[embassy_executor::task]
async fn receive_text(receiver: AsyncReceiver) {
    console::receive(receiver).await;
}

/// Says why and resets.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let words = LastWords::new(info);
    for part in ["\r\n", words.as_str(), "\r\n"] {
        port::send_last(part.as_bytes());
    }
    esp_hal::system::software_reset()
}
