//! Which pin of which board does what. To fit another board, change it here.

use esp_hal::clock::CpuClock;
use esp_hal::gpio::{Input, InputConfig, Pull};
use esp_hal::peripherals::{FROM_CPU_INTR0, TIMG0, WIFI};
use firmware_core::hal::ResetCause;

use crate::config_partition::ConfigPartition;
use crate::indicator::Indicator;
use crate::port::Port;

/// The button's pin and the indicator's: DevKitM-1, DevKitC-02 and DevKit-RUST-1 of the C3 (the last one has its
/// WS2812 at GPIO2), DevKitC-1 and DevKitM-1 of the C6.
#[cfg(any(feature = "esp32c3", feature = "esp32c6"))]
macro_rules! panel_pins {
    ($chip:ident) => {
        ($chip.GPIO9, $chip.GPIO8)
    };
}

/// The button's pin and the indicator's: DevKitC-1 v1.1 (v1.0 has its WS2812 at GPIO48).
#[cfg(feature = "esp32s3")]
macro_rules! panel_pins {
    ($chip:ident) => {
        ($chip.GPIO0, $chip.GPIO38)
    };
}

/// The button's pin and the indicator's: DevKitC has no LED, its many copies have one at GPIO2.
#[cfg(feature = "esp32")]
macro_rules! panel_pins {
    ($chip:ident) => {
        ($chip.GPIO0, $chip.GPIO2)
    };
}

/// The pins of UART 0, transmit and receive, where each board has its USB bridge.
#[cfg(feature = "uart0")]
macro_rules! uart_pins {
    ($chip:ident) => {{
        #[cfg(feature = "esp32c3")]
        let pins = ($chip.GPIO21, $chip.GPIO20);
        #[cfg(feature = "esp32c6")]
        let pins = ($chip.GPIO16, $chip.GPIO17);
        #[cfg(feature = "esp32s3")]
        let pins = ($chip.GPIO43, $chip.GPIO44);
        #[cfg(feature = "esp32")]
        let pins = ($chip.GPIO1, $chip.GPIO3);
        pins
    }};
}

/// The chip's name as the cloud is told it.
pub const NAME: &str = if cfg!(feature = "esp32c3") {
    "ESP32-C3"
} else if cfg!(feature = "esp32c6") {
    "ESP32-C6"
} else if cfg!(feature = "esp32s3") {
    "ESP32-S3"
} else {
    "ESP32"
};

/// A board with its parts ready for use.
pub struct Board {
    /// The button, low while it is pressed.
    pub button: Input<'static>,
    /// The indicator.
    pub indicator: Indicator,
    /// The serial port.
    pub port: Port,
    /// The configuration partition.
    pub config: ConfigPartition,
    /// The radio.
    pub wifi: WIFI<'static>,
    /// A timer for the scheduler.
    pub timers: TIMG0<'static>,
    /// An interrupt for the scheduler.
    pub interrupt: FROM_CPU_INTR0<'static>,
}

impl Board {
    /// Starts the chip and opens its parts.
    ///
    /// # Panics
    /// When called twice, and when the flash has no configuration partition.
    pub fn open() -> Self {
        let chip = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
        start_clock();
        let (button, indicator) = panel_pins!(chip);
        #[cfg(not(feature = "led-plain"))]
        let indicator = Indicator::new(chip.RMT, indicator);
        #[cfg(feature = "led-plain")]
        let indicator = Indicator::new(chip.LEDC, indicator);
        #[cfg(not(feature = "uart0"))]
        let port = Port::new(chip.USB_DEVICE);
        #[cfg(feature = "uart0")]
        let port = {
            let (transmit, receive) = uart_pins!(chip);
            Port::new(chip.UART0, transmit, receive)
        };
        Self {
            button: Input::new(button, InputConfig::default().with_pull(Pull::Up)),
            indicator,
            port,
            config: ConfigPartition::open(chip.FLASH),
            wifi: chip.WIFI,
            timers: chip.TIMG0,
            interrupt: chip.FROM_CPU_INTR0,
        }
    }
}

/// Starts the counter that tells the time. Silicon has it running after a reset; a model of the chip may not, and
/// time would stand still.
fn start_clock() {
    #[cfg(not(feature = "esp32"))]
    {
        use esp_hal::timer::systimer::{SystemTimer, Unit, UnitConfig};
        // SAFETY: nobody uses the unit yet, and enabling it twice changes nothing.
        unsafe { SystemTimer::configure_unit(Unit::Unit0, UnitConfig::Enabled) };
    }
}

/// Why the chip started.
pub fn reset_cause() -> ResetCause {
    // The chips name these differently but number them alike (`esp_reset_reason` in ESP-IDF's ROM headers).
    match esp_hal::system::reset_reason().map(|reason| reason as usize) {
        Some(0x03 | 0x0C) => ResetCause::Software,
        Some(0x0F) => ResetCause::Brownout,
        Some(0x07..=0x09 | 0x0B | 0x0D | 0x10..=0x12) => ResetCause::Watchdog,
        // Among the rest are the reset button and the debugger: a fresh start for whoever used them.
        Some(_) | None => ResetCause::PowerOn,
    }
}
