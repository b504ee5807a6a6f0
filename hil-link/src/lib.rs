//! The seam between a simulated world and a device under test: one turn in, its effects out.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod channel;
pub mod cut_flash;
pub mod device_side;
pub mod host_side;
pub mod modelled_tls;
pub mod queues;
pub mod turn;
pub mod turn_platform;
pub mod watch;
pub mod wire;
