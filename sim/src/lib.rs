//! A simulated world for WiFi provisioning: time, air, flash, phone, router and cloud around a device under
//! test, driven by scenario files.

pub mod actor;
pub mod buffers;
pub mod capture;
pub mod cli;
pub mod cloud;
pub mod diff;
mod dns;
pub mod executor;
pub mod explore;
pub mod firmware_build;
pub mod flash_view;
mod fold;
pub mod golden;
mod http;
mod json;
pub mod junit;
pub mod page;
pub mod phone;
pub mod router;
pub mod runner;
pub mod scenario;
mod secrets;
pub mod stack;
pub mod target;
mod text;
pub mod timeline;
pub mod tls;
pub mod trace;
pub mod trace_file;
mod tree;
pub mod waveform;
pub mod wokwi;
pub mod world;
