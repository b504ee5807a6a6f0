//! The product logic of a WiFi-provisioned Blynk device.
//!
//! This crate does no input or output, reads no clock, allocates nothing and knows no chip. Time, entropy
//! and hardware are arguments, so the same code runs on a board, on an emulated processor and in a
//! simulated world:
//!
//! ```text
//! let mut device = Device::boot(boot, buffers, &mut platform, application);
//! loop { match device.poll(now, &mut platform) { Wake::At(..) | Wake::OnEvent => sleep, .. } }
//! ```
//!
//! [`device`] owns everything and carries out what [`provision`], the pure state machine, decides.
//! [`net`] is the only room that touches sockets; [`portal`] and [`cloud`] turn bytes into bytes;
//! [`store`] keeps the configuration in NOR flash so that a power cut leaves the old or the new one.
#![no_std]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::as_conversions,
        clippy::wildcard_enum_match_arm,
        reason = "a test that meets the unexpected must fail loudly"
    )
)]

#[cfg(test)]
extern crate std;

pub mod application;
pub mod cloud;
pub mod config;
pub mod console;
pub mod device;
pub mod hal;
pub mod net;
pub mod panel;
pub mod portal;
pub mod product;
pub mod provision;
pub mod random;
pub mod store;
mod text;
pub mod trace;

pub use smoltcp::time::{Duration, Instant};
