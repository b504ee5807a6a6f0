//! The device as a whole behind the seam: what it shows, prints, stores and answers, and in which order.

mod bench;
mod channel;
mod cloud;
mod console;
mod panel;
mod peer;
mod portal;
mod time;
