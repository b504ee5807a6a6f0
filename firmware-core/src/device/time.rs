//! The time that certificates are held against: from flash, from a server, into flash.
//!
//! On a platform whose encrypted channel looks at no dates nothing here is part of the program: no flash is read or
//! written, and nothing is told.

use super::Device;
use crate::Instant;
use crate::application::Application;
use crate::hal::{Platform, SecureChannel, SecureError};
use crate::trace::Event;

fn checks_dates<P: Platform>(platform: &mut P) -> bool {
    platform.secure().is_some_and(|secure| secure.checks_dates())
}

impl<A: Application> Device<A> {
    /// Looks for the time from before the start.
    pub(super) fn load_time<P: Platform>(&mut self, platform: &mut P) {
        if !checks_dates(platform) {
            return;
        }
        match self.store.load_time(platform.flash()) {
            Ok(time) => self.uplink.set_kept_time(time),
            Err(_) => platform.trace(Event::FlashFailed),
        }
    }

    /// Tells what has come of asking for the time.
    pub(super) fn tell_time<P: Platform>(&mut self, now: Instant, platform: &mut P) {
        if !checks_dates(platform) {
            return;
        }
        match self.uplink.take_time_news() {
            Some(Ok(time)) => {
                platform.trace(Event::TimeKnown(time));
                self.log(now, platform, format_args!("Current time: {}", time.0));
            }
            Some(Err(error)) => {
                platform.trace(Event::TimeUnknown(error));
                self.log(now, platform, format_args!("No time: {error}"));
            }
            None => {}
        }
    }

    /// Says why nobody was trusted, if this is why.
    pub(super) fn log_date_unknown<P: Platform>(&self, now: Instant, platform: &mut P, error: SecureError) {
        if checks_dates(platform) && error == SecureError::DateUnknown {
            self.log(now, platform, format_args!("No certificate is trusted before the time is known"));
        }
    }

    /// Keeps the time in flash, once a boot. A certificate has just been found valid at it: whoever answers in a time
    /// server's place cannot make a device keep one that is later than such certificates are, which would lock it out.
    pub(super) fn keep_time<P: Platform>(&mut self, now: Instant, platform: &mut P) {
        if !checks_dates(platform) || self.time_is_kept {
            return;
        }
        let Some(time) = self.uplink.time(now) else { return };
        self.time_is_kept = true;
        if let Err(error) = self.store.save_time(platform.flash(), time) {
            platform.trace(Event::FlashFailed);
            self.log(now, platform, format_args!("Time not stored: {error}"));
        }
    }
}
