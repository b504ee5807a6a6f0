//! The time for the cloud's logic, which has no clock.

use std::time::{SystemTime, UNIX_EPOCH};

use smoltcp::time::Instant;

/// Time since 1970 as the system had it at the start, and from there on without its jumps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// Microseconds since 1970 at the start.
    start_micros: i64,
    started: tokio::time::Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start_micros = i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX / 2);
        Self { start_micros, started: tokio::time::Instant::now() }
    }

    pub(super) fn now(&self) -> Instant {
        let passed = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX / 2);
        Instant::from_micros(self.start_micros.saturating_add(passed))
    }

    /// When the runtime's clock is there.
    pub(super) fn runtime(&self, at: Instant) -> tokio::time::Instant {
        let micros = at.total_micros().saturating_sub(self.start_micros);
        self.started + std::time::Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}
