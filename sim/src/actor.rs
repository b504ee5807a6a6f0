//! What the world and its actors say to each other. An actor is polled with the time, puts what it wants done
//! into an [`Outbox`] and says when it wants to be polled again.

use firmware_core::hal::RadioCommand;
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

use crate::stack::Frame;

/// Where an actor's frame enters or leaves it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Port {
    /// The radio: the air between stations and access points.
    Air,
    /// The wired side: the internet, a flat Ethernet segment on which every public address is a neighbour.
    Internet,
}

/// What an actor asks of the world while it is polled. `E` is the actor's own list of events.
#[derive(Debug)]
pub struct Outbox<E> {
    /// Frames to send, in order.
    pub frames: Vec<(Port, Frame)>,
    /// The address that its radio has from now on, before the commands.
    pub mac: Option<EthernetAddress>,
    /// Commands to the actor's own radio, in order.
    pub radio: Vec<RadioCommand>,
    /// What happened, for the trace.
    pub events: Vec<E>,
}

impl<E> Default for Outbox<E> {
    fn default() -> Self {
        Self { frames: Vec::new(), mac: None, radio: Vec::new(), events: Vec::new() }
    }
}

/// The earlier of two times, either of which may not be; `Option::min` would take the absent one.
pub fn soonest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
