//! A simulated cloud: one region of it, with the hosts, the device protocol and the HTTP API.
//!
//! [`Service`] is what it says and does, and [`Conversation`] one connection to it: bytes in, bytes out.
//! [`Cloud`] carries them as a peer on the simulated internet, which resolves no names and knows no radio. What
//! today's real cloud does where nobody has published it is a switch in [`Behaviour`].

mod actor;
mod api;
mod behaviour;
mod change;
mod conversation;
mod device;
mod directory;
mod event;
pub mod http;
mod secure;
mod service;
mod switches;
#[cfg(test)]
mod tests;

use crate::text::printable;

pub use actor::{Cloud, CloudConfig};
pub use behaviour::{
    AnswerId, Behaviour, DeletedSession, Handshake, LoginAnswer, RateBreach, SecondLogin, WrongTemplate,
};
pub use change::{AfterLogin, StrangeFrame};
pub use conversation::Conversation;
pub use directory::{
    ACCESS_TOKEN_LIFE, Account, DEVICE_NAME_LEN_MAX, Device, DeviceChanges, DeviceId, DeviceRecord,
    DeviceStatus, Directory, Journal, OldToken, PROVISION_TOKEN_LIFE, SharedDirectory, Template, TokenRecord,
};
pub use event::Event;
pub use service::Service;
pub use switches::{SWITCHES, Switch, host_and_port};

/// Ports that expect the modelled TLS.
pub const SECURE_PORTS: [u16; 2] = [443, 9443];
/// Ports that speak plainly.
pub const PLAIN_PORTS: [u16; 2] = [80, 8080];

/// A pin's value for a reader: several values are separated by a space, and what cannot be printed is escaped.
fn shown(value: &[u8]) -> String {
    let values: Vec<_> = value.split(|byte| *byte == 0).map(printable).collect();
    values.join(" ")
}
