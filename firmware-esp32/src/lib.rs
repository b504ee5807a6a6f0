//! What both firmwares for ESP32 boards share: the pins of each board, the indicator, the serial port, the
//! configuration partition and the last words of a panic.
//!
//! Nothing here decides anything about provisioning; that is `firmware-core`.

#![no_std]

pub mod board;
pub mod config_partition;
pub mod indicator;
pub mod last_words;
pub mod port;

use firmware_core::Instant;

/// Time since the chip started.
pub fn now() -> Instant {
    let elapsed_us = esp_hal::time::Instant::now().duration_since_epoch().as_micros();
    Instant::from_micros(i64::try_from(elapsed_us).expect("292,000 years have not passed"))
}
