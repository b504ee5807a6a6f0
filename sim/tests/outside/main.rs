//! The device from outside: hostile and odd phones, networks and clouds, with real packets.

#![allow(
    unreachable_pub,
    missing_docs,
    reason = "the modules of a test are nobody else's, and their names say what they do"
)]

mod support;

mod captive;
mod cloud;
mod config;
mod credentials;
mod dhcp;
mod dns;
mod flood;
mod http;
mod scan;
mod weather;
