//! The device from outside: hostile and odd phones, networks and clouds, with real packets.

mod support;

mod http;
