//! The device's side of the cloud: names to addresses, the time, frames, and the session with the server.
//!
//! Nothing here opens a socket. The owner moves bytes between a pipe (TCP, or TLS over TCP) and a
//! [`session::Session`], and datagrams between a UDP socket and a [`resolver::Resolver`] or an
//! [`sntp::Sntp`]. Reconnecting, backoff and the choice of the server are the owner's, too.

pub mod codec;
pub mod outgoing;
pub mod resolver;
pub mod session;
pub mod sntp;
