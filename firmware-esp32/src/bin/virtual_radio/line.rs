//! The link's line over the serial port. While it waits, it keeps the indicator lit.

use core::convert::Infallible;

use embedded_io::{ErrorType, Read, Write};
use firmware_core::Instant;
use firmware_core::panel::Pattern;
use firmware_esp32::indicator::{Indicator, REFRESH_MS};
use firmware_esp32::now;
use firmware_esp32::port::Port;
use hil_link::wire::framing::Receiver;
use hil_link::wire::{Effect, Response};

/// The line to the host, and the indicator that shows what passes through it.
pub struct Line {
    port: Port,
    lamp: Lamp,
    /// Listens to what the device says.
    tap: Receiver,
}

/// The indicator and what it shows.
struct Lamp {
    indicator: Indicator,
    pattern: Option<Pattern>,
    refreshed_at: Instant,
}

impl Line {
    /// A line over a port.
    pub fn new(port: Port, indicator: Indicator) -> Self {
        let lamp = Lamp { indicator, pattern: None, refreshed_at: now() };
        Self { port, lamp, tap: Receiver::new() }
    }

    /// Looks for patterns among the device's words: they are effects like any other and meant for the host, so
    /// that a board sees them nowhere else.
    fn listen(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (taken, response) = self.tap.receive::<Response<'_>>(rest);
            rest = &rest[taken..];
            if let Some(Ok(Response::Effect { effect: Effect::Pattern(pattern), .. })) = response {
                // The pattern began in the world's time; here it begins when it is told.
                self.lamp.pattern = Some(Pattern { since: now(), ..pattern.into() });
            }
        }
    }
}

impl Lamp {
    fn refresh(&mut self) {
        let now = now();
        let Some(pattern) = &self.pattern else { return };
        if (now - self.refreshed_at).total_millis() >= u64::from(REFRESH_MS) {
            self.refreshed_at = now;
            self.indicator.show(pattern, now);
        }
    }
}

impl ErrorType for Line {
    type Error = Infallible;
}

impl Read for Line {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        loop {
            let len = self.port.receive(bytes);
            if len > 0 {
                return Ok(len);
            }
            self.lamp.refresh();
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let len = loop {
            let len = self.port.send(bytes);
            if len > 0 || bytes.is_empty() {
                break len;
            }
            // The host is slow or has not come yet.
            self.lamp.refresh();
        };
        self.listen(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        // The port goes on by itself; whether the host takes it now makes no difference.
        self.port.flush();
        Ok(())
    }
}
