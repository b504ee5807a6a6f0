//! A device's clock, which may run fast or slow.

use smoltcp::time::{Duration, Instant};

const PPM: i128 = 1_000_000;

/// How a device's time follows from the world's. Both are 0 when the story begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    drift_ppm: i32,
    /// Since when it runs at this rate, by the world and by itself.
    since: Since,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Since {
    world: Instant,
    device: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Clock {
    /// A clock that gains so many microseconds in a second, or loses them; -999,999 is the slowest there is.
    pub const fn new(drift_ppm: i32) -> Self {
        Self { drift_ppm, since: Since { world: Instant::ZERO, device: Instant::ZERO } }
    }

    /// The same clock, which goes on from what it shows at a time of the world at another rate.
    #[must_use]
    pub fn with_drift(self, world: Instant, drift_ppm: i32) -> Self {
        Self { drift_ppm, since: Since { world, device: self.device_time(world) } }
    }

    /// How many microseconds it gains in a second.
    pub const fn drift_ppm(self) -> i32 {
        self.drift_ppm
    }

    /// What it shows at a time of the world.
    pub fn device_time(self, world: Instant) -> Instant {
        let Since { world: since, device } = self.since;
        if self.is_right() {
            return shifted(world, since, device);
        }
        let passed = micros_between(since, world);
        after_micros(device, (passed * self.rate()).div_euclid(PPM))
    }

    /// When it first shows this time or a later one.
    pub fn world_time(self, device: Instant) -> Instant {
        let Since { world, device: since } = self.since;
        if self.is_right() {
            return shifted(device, since, world);
        }
        let (passed, rate) = (micros_between(since, device), self.rate());
        after_micros(world, (passed * PPM + rate - 1).div_euclid(rate))
    }

    /// The first time of the device that is not before `world` any more, for work that must be done before it.
    pub fn device_limit(self, world: Instant) -> Instant {
        let tick = Duration::from_micros(1);
        self.device_time(world - tick) + tick
    }

    /// Most clocks are, and to reckon with 128 bits after each thing that happens costs as much as some rooms.
    fn is_right(self) -> bool {
        self.drift_ppm == 0
    }

    fn rate(self) -> i128 {
        (PPM + i128::from(self.drift_ppm)).max(1)
    }
}

/// As long after `to` as `time` is after `from`.
fn shifted(time: Instant, from: Instant, to: Instant) -> Instant {
    let passed = time.total_micros().saturating_sub(from.total_micros());
    Instant::from_micros(to.total_micros().saturating_add(passed))
}

fn micros_between(from: Instant, to: Instant) -> i128 {
    i128::from(to.total_micros()) - i128::from(from.total_micros())
}

fn after_micros(from: Instant, micros: i128) -> Instant {
    Instant::from_micros(i64::try_from(i128::from(from.total_micros()) + micros).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIFTS: [i32; 7] = [-100_000, -200, -1, 0, 1, 200, 100_000];

    /// Each drift from the beginning, and from a moment later on.
    fn clocks() -> impl Iterator<Item = Clock> {
        let later = |drift| Clock::new(777).with_drift(Instant::from_micros(1_234), drift);
        DRIFTS.into_iter().flat_map(move |drift| [Clock::new(drift), later(drift)])
    }

    #[test]
    fn a_clock_gains_or_loses() {
        let day = Instant::from_secs(86_400);
        for (drift_ppm, shown_ms) in [(0, 86_400_000), (200, 86_417_280), (-200, 86_382_720)] {
            assert_eq!(Clock::new(drift_ppm).device_time(day), Instant::from_millis(shown_ms));
        }
    }

    #[test]
    fn a_clock_goes_on_from_what_it_shows_at_another_rate() {
        let minute = Duration::from_secs(60);
        let [first, second, third] = [1, 2, 3].map(|count| Instant::ZERO + minute * count);
        let clock = Clock::new(100_000).with_drift(first, -100_000).with_drift(second, 0);
        assert_eq!(clock.device_time(second), Instant::from_secs(66 + 54));
        assert_eq!(clock.device_time(third), Instant::from_secs(66 + 54 + 60));
        assert_eq!(clock.world_time(Instant::from_secs(66 + 54 + 60)), third);
    }

    #[test]
    fn a_time_of_the_device_has_come_when_the_world_says_so_and_not_before() {
        for clock in clocks() {
            for micros in (0_i64..5_000).chain(4_294_967_290_000..4_294_967_291_000) {
                let device = Instant::from_micros(micros);
                let world = clock.world_time(device);
                assert!(clock.device_time(world) >= device, "{clock:?} at {micros}");
                assert!(
                    clock.device_time(world - Duration::from_micros(1)) < device,
                    "{clock:?} at {micros}"
                );
            }
        }
    }

    #[test]
    fn what_is_done_before_a_limit_is_done_before_the_world_gets_there() {
        for clock in clocks() {
            for micros in 1_i64..5_000 {
                let world = Instant::from_micros(micros);
                let last = clock.device_limit(world) - Duration::from_micros(1);
                assert!(clock.world_time(last) < world, "{clock:?} at {micros}");
            }
        }
        assert_eq!(Clock::default().device_limit(Instant::from_micros(7)), Instant::from_micros(7));
    }
}
