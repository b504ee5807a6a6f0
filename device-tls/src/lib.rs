//! TLS 1.2 and 1.3 for the device: a channel that moves bytes and owns neither socket nor clock, over Mbed TLS 3.6.
//!
//! Mbed TLS comes compiled for the boards' processors, so that no C compiler is needed. All calls into it stand in
//! `session`; nothing else of this crate but `owned` and the functions of a C library is unsafe.

#![no_std]

extern crate alloc;

#[cfg(feature = "c-library")]
mod c_library;
mod channel;
mod dates;
#[cfg(feature = "memchr")]
mod memchr;
mod owned;
mod random;
pub mod roots;
mod session;

pub use channel::{Channel, Entropy};
