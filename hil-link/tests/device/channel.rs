//! The modelled channel, made to look at dates when a test says so.

use std::cell::RefCell;
use std::rc::Rc;

use firmware_core::Instant;
use firmware_core::hal::{Date, SecureChannel, SecureError, SecureKind, UnixTime};
use hil_link::modelled_tls::ClientChannel;

/// A channel whose server has a certificate with dates.
#[derive(Default)]
pub(crate) struct Channel {
    inner: ClientChannel,
    /// From when to when the certificate is valid; `None` for a channel that does not look.
    pub(crate) valid: Option<(u64, u64)>,
    /// What every handshake was told of the date.
    pub(crate) dates: Rc<RefCell<Vec<Date>>>,
    verdict: Option<SecureError>,
}

impl Channel {
    /// The same channel for another boot.
    pub(crate) fn fresh(&self) -> Self {
        Self { valid: self.valid, dates: Rc::clone(&self.dates), ..Self::default() }
    }
}

impl SecureChannel for Channel {
    fn start(&mut self, now: Instant, server_name: &str, seed: u64, date: Date) {
        self.dates.borrow_mut().push(date);
        let (begin, end) = self.valid.unwrap_or((0, u64::MAX));
        self.verdict = match date {
            Date::Exact(UnixTime(time)) if time < begin => Some(SecureError::NotYetValid),
            Date::Exact(UnixTime(time)) | Date::AtLeast(UnixTime(time)) if time > end => {
                Some(SecureError::Expired)
            }
            Date::Exact(_) | Date::AtLeast(_) | Date::Unknown => None,
        };
        self.inner.start(now, server_name, seed, date);
    }

    fn receive(&mut self, now: Instant, wire: &[u8]) -> Result<usize, SecureError> {
        match self.verdict {
            Some(error) if !wire.is_empty() => Err(error),
            _ => self.inner.receive(now, wire),
        }
    }

    fn transmit(&mut self, wire: &mut [u8]) -> usize {
        self.inner.transmit(wire)
    }

    fn is_established(&self) -> bool {
        self.inner.is_established()
    }

    fn write(&mut self, data: &[u8]) -> usize {
        self.inner.write(data)
    }

    fn read(&mut self, data: &mut [u8]) -> usize {
        self.inner.read(data)
    }

    fn kind(&self) -> SecureKind {
        self.inner.kind()
    }

    fn checks_dates(&self) -> bool {
        self.valid.is_some()
    }
}
