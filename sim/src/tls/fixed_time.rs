//! A clock for rustls that stands still: what is due by the time is decided elsewhere.

use core::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use time::OffsetDateTime;

#[derive(Debug)]
pub(super) struct FixedTime(pub(super) OffsetDateTime);

impl TimeProvider for FixedTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.unix_timestamp()).unwrap_or_default();
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}
