//! The indicator: a WS2812 or, with the feature `led-plain`, one plain LED.
//!
//! What it shows over time is [`Pattern::level_at`]'s business.

use firmware_core::Instant;
use firmware_core::panel::{Colour, LEVEL_MAX, Pattern};

#[cfg(feature = "led-plain")]
pub use plain::Indicator;
#[cfg(not(feature = "led-plain"))]
pub use ws2812::Indicator;

/// How often the light is set anew: half the shortest step of the running wave.
pub const REFRESH_MS: u32 = 10;

/// The colour of a pattern at a time, scaled to the board's brightness.
fn colour_at(pattern: &Pattern, now: Instant, brightness: u8) -> Colour {
    let level = u32::from(pattern.level_at(now)) * u32::from(brightness);
    let full = u32::from(LEVEL_MAX) * u32::from(LEVEL_MAX);
    let scale = |component: u8| u8::try_from(u32::from(component) * level / full).unwrap_or(u8::MAX);
    let Colour { red, green, blue } = pattern.colour;
    Colour { red: scale(red), green: scale(green), blue: scale(blue) }
}

#[cfg(not(feature = "led-plain"))]
mod ws2812 {
    use esp_hal::Blocking;
    use esp_hal::gpio::Level;
    use esp_hal::gpio::interconnect::PeripheralOutput;
    use esp_hal::peripherals::RMT;
    use esp_hal::rmt::{Channel, PulseCode, Rmt, Tx, TxChannelConfig, TxChannelCreator};
    use esp_hal::time::Rate;

    use super::{Colour, Instant, Pattern, colour_at};

    /// Edgent's brightness on the ESP32-C3's kit.
    const BRIGHTNESS: u8 = 32;
    /// The pulse generator counts at this rate, 12.5 ns a tick.
    const TICKS_MHZ: u32 = 80;
    /// A 0 is high for 0.4 us and low for 0.85 us, a 1 for 0.8 us and 0.45 us (WS2812B data sheet).
    const ZERO: PulseCode = PulseCode::new(Level::High, 32, Level::Low, 68);
    const ONE: PulseCode = PulseCode::new(Level::High, 64, Level::Low, 36);
    const BITS: usize = 24;

    /// One WS2812.
    pub struct Indicator {
        /// `None` only while a colour is on its way.
        channel: Option<Channel<'static, Blocking, Tx>>,
        shown: Option<Colour>,
    }

    impl Indicator {
        /// A WS2812 at a pin.
        ///
        /// # Panics
        /// Never: the configuration is a constant one that the chip can meet.
        pub fn new(rmt: RMT<'static>, pin: impl PeripheralOutput<'static>) -> Self {
            let rmt = Rmt::new(rmt, Rate::from_mhz(TICKS_MHZ)).expect("the rate is that of the chip's clock");
            let config = TxChannelConfig::default()
                .with_clk_divider(1)
                .with_idle_output(true)
                .with_idle_output_level(Level::Low);
            let channel = rmt.channel0.configure_tx(&config).expect("nobody else has channels").with_pin(pin);
            Self { channel: Some(channel), shown: None }
        }

        /// Shows what the pattern has at this time.
        pub fn show(&mut self, pattern: &Pattern, now: Instant) {
            let colour = colour_at(pattern, now, BRIGHTNESS);
            if self.shown == Some(colour) {
                return;
            }
            let Some(channel) = self.channel.take() else { return };
            let (channel, is_shown) = match channel.transmit(&pulses(colour)) {
                Ok(transaction) => match transaction.wait() {
                    Ok(channel) => (channel, true),
                    Err((_, channel)) => (channel, false),
                },
                Err((_, channel)) => (channel, false),
            };
            self.channel = Some(channel);
            // A colour that was not shown is sent again with the next refresh.
            self.shown = is_shown.then_some(colour);
        }
    }

    /// Green, red, blue, each from its highest bit.
    fn pulses(colour: Colour) -> [PulseCode; BITS + 1] {
        let bits = u32::from_be_bytes([0, colour.green, colour.red, colour.blue]);
        core::array::from_fn(|at| match (BITS - 1).checked_sub(at) {
            Some(bit) if bits >> bit & 1 == 1 => ONE,
            Some(_) => ZERO,
            None => PulseCode::end_marker(),
        })
    }
}

#[cfg(feature = "led-plain")]
mod plain {
    use esp_hal::gpio::DriveMode;
    use esp_hal::gpio::interconnect::PeripheralOutput;
    use esp_hal::ledc::channel::{self, Channel, ChannelIFace};
    use esp_hal::ledc::timer::{self, Timer, TimerIFace};
    use esp_hal::ledc::{LSGlobalClkSource, Ledc, LowSpeed};
    use esp_hal::peripherals::LEDC;
    use esp_hal::time::Rate;
    use static_cell::StaticCell;

    use super::{Colour, Instant, Pattern, colour_at};

    /// Edgent's brightness for plain LEDs.
    const BRIGHTNESS: u8 = 64;
    /// Whether the pin lights the LED when it is low.
    const IS_ACTIVE_LOW: bool = cfg!(feature = "led-active-low");
    /// Too fast to be seen.
    const FREQUENCY_KHZ: u32 = 12;
    const FULL_PERCENT: u8 = 100;

    /// One plain LED.
    pub struct Indicator {
        channel: Channel<'static, LowSpeed>,
        shown_percent: Option<u8>,
    }

    impl Indicator {
        /// A plain LED at a pin.
        ///
        /// # Panics
        /// When called twice.
        pub fn new(ledc: LEDC<'static>, pin: impl PeripheralOutput<'static>) -> Self {
            static TIMER: StaticCell<Timer<'static, LowSpeed>> = StaticCell::new();
            let mut ledc = Ledc::new(ledc);
            ledc.set_global_slow_clock(LSGlobalClkSource::APBClk);
            let timer = TIMER.init(ledc.timer::<LowSpeed>(timer::Number::Timer0));
            timer
                .configure(timer::config::Config {
                    duty: timer::config::Duty::Duty10Bit,
                    clock_source: timer::LSClockSource::APBClk,
                    frequency: Rate::from_khz(FREQUENCY_KHZ),
                })
                .expect("the timer can count that fast");
            let mut channel = ledc.channel(channel::Number::Channel0, pin);
            channel
                .configure(channel::config::Config {
                    timer,
                    duty_pct: if IS_ACTIVE_LOW { FULL_PERCENT } else { 0 },
                    drive_mode: DriveMode::PushPull,
                })
                .expect("the timer runs");
            Self { channel, shown_percent: None }
        }

        /// Shows what the pattern has at this time.
        pub fn show(&mut self, pattern: &Pattern, now: Instant) {
            // It has no colour, so that every pattern is as bright as white.
            let white =
                Pattern { colour: Colour { red: u8::MAX, green: u8::MAX, blue: u8::MAX }, ..*pattern };
            let level = u32::from(colour_at(&white, now, BRIGHTNESS).green);
            let lit =
                u8::try_from(level * u32::from(FULL_PERCENT) / u32::from(u8::MAX)).unwrap_or(FULL_PERCENT);
            let percent = if IS_ACTIVE_LOW { FULL_PERCENT - lit } else { lit };
            // What could not be set is set again with the next refresh.
            if self.shown_percent != Some(percent) && self.channel.set_duty(percent).is_ok() {
                self.shown_percent = Some(percent);
            }
        }
    }
}
