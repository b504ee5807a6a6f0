//! The product's own code: what the device does besides getting and staying online.
//!
//! [`thermostat`] is a complete example.

use crate::Instant;
use crate::cloud::codec::Params;
use crate::cloud::outgoing::Outgoing;

pub mod thermostat;

/// What a product does. Every method returns at once: a product that waits stores a time and returns it from
/// [`poll`](Self::poll).
///
/// `out` accepts messages only while the device is logged in, and says so otherwise.
pub trait Application {
    /// The device has logged in. The usual thing to do is to ask for stored pin values with
    /// [`Outgoing::sync`].
    fn on_connected(&mut self, now: Instant, out: &mut Outgoing<'_>);

    /// The cloud wrote a virtual pin.
    fn on_virtual_write(&mut self, now: Instant, pin: u8, values: Params<'_>, out: &mut Outgoing<'_>);

    /// The cloud sent an internal message that the firmware does not handle by itself.
    fn on_internal(
        &mut self,
        _now: Instant,
        _verb: InternalVerb,
        _values: Params<'_>,
        _out: &mut Outgoing<'_>,
    ) {
    }

    /// The login no longer holds. What was sent shortly before may not have arrived.
    fn on_disconnected(&mut self, _now: Instant) {}

    /// Does what is due and returns when it next wants to be called. Runs in every state of the device, with
    /// or without a network.
    fn poll(&mut self, _now: Instant, _out: &mut Outgoing<'_>) -> Option<Instant> {
        None
    }
}

impl<A: Application> Application for &mut A {
    fn on_connected(&mut self, now: Instant, out: &mut Outgoing<'_>) {
        (**self).on_connected(now, out);
    }

    fn on_virtual_write(&mut self, now: Instant, pin: u8, values: Params<'_>, out: &mut Outgoing<'_>) {
        (**self).on_virtual_write(now, pin, values, out);
    }

    fn on_internal(&mut self, now: Instant, verb: InternalVerb, values: Params<'_>, out: &mut Outgoing<'_>) {
        (**self).on_internal(now, verb, values, out);
    }

    fn on_disconnected(&mut self, now: Instant) {
        (**self).on_disconnected(now);
    }

    fn poll(&mut self, now: Instant, out: &mut Outgoing<'_>) -> Option<Instant> {
        (**self).poll(now, out)
    }
}

/// The internal messages that reach the product.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InternalVerb {
    /// `rtc`: seconds since 1970, in local time.
    Rtc,
    /// `utc`: what was asked for and its value.
    Utc,
    /// `vfs`: opaque.
    Vfs,
    /// `acon`: an app was opened.
    AppConnected,
    /// `adis`: the last app was closed.
    AppDisconnected,
    /// `meta`: a field's name and its value.
    Meta,
}
