//! The example product: a room thermostat that goes on controlling when there is no network.
//!
//! | pin | direction | meaning |
//! |---|---|---|
//! | V0 | both | target temperature in degrees, `21` or `21.5`; kept between 5 and 30, told back when it was not |
//! | V1 | device to cloud | measured temperature in tenths of a degree, once a minute |
//! | V2 | device to cloud | 1 while the heating is on, 0 while it is off, at each change |
//!
//! The event `too_cold` is recorded once when the room falls below 8 degrees, and can be recorded again after
//! it has risen above 9. There is no sensor: a room of one number cools towards the outside and is warmed by
//! the heating. It follows the time alone, so that two runs are the same.

use core::fmt::{self, Display};

use crate::application::Application;
use crate::cloud::codec::Params;
use crate::cloud::outgoing::Outgoing;
use crate::{Duration, Instant};

/// The pin of the target temperature.
pub const PIN_TARGET: u8 = 0;
/// The pin of the measured temperature.
pub const PIN_MEASURED: u8 = 1;
/// The pin of the heating.
pub const PIN_HEATING: u8 = 2;
/// The event of a cold room.
pub const EVENT_TOO_COLD: &str = "too_cold";

/// How often the room is measured, the heating switched and the cloud told.
pub const CONTROL_INTERVAL: Duration = Duration::from_secs(60);

const TARGET_MIN: Tenths = Tenths(50);
const TARGET_MAX: Tenths = Tenths(300);
const TARGET_DEFAULT: Tenths = Tenths(200);
/// The heating is switched this many tenths of a degree from the target, so that it does not chatter.
const HYSTERESIS: i32 = 3;
const TOO_COLD_BELOW: Tenths = Tenths(80);
const TOO_COLD_UNTIL: Tenths = Tenths(90);

/// Thousandths of a degree: fine enough for a minute to show.
const ROOM_AT_START: i32 = 20_000;
const ROOM_OUTSIDE: i32 = 3_000;
/// A minute takes a two-hundredth of the difference away: a time constant of 200 minutes.
const ROOM_LOSS_DIVISOR: i32 = 200;
/// What the heating gives in a minute: enough for 30 degrees above the outside.
const ROOM_GAIN: i32 = 150;
/// More missed minutes than this are not made up for one by one.
const CATCH_UP_MAX: u16 = 60;

/// A temperature in tenths of a degree. Prints as `21.5`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Tenths(pub i32);

impl Tenths {
    /// Reads `21` or `21.5`; further digits are ignored. `None` when it is not such a number.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !are_digits(fraction) {
            return None;
        }
        let tenth = i32::from(fraction.bytes().next()?.checked_sub(b'0')?);
        let tenths = whole.parse::<i32>().ok()?.checked_mul(10)?.checked_add(tenth)?;
        Some(Self(sign * tenths))
    }
}

impl Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let size = self.0.unsigned_abs();
        write!(f, "{sign}{}.{}", size / 10, size % 10)
    }
}

/// The thermostat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thermostat {
    target: Tenths,
    room: Room,
    is_heating: bool,
    /// When the next control step is due; `None` before the first poll.
    next_step: Option<Instant>,
    /// What the cloud still has to be told. Each is done with only when it was accepted for sending.
    is_report_due: bool,
    is_heating_due: bool,
    alarm: Alarm,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Alarm {
    /// The room was warm enough since the last one.
    Armed,
    /// It is too cold, and the cloud does not know.
    Due,
    /// It is or was too cold, and the cloud knows.
    Told,
}

impl Thermostat {
    /// A thermostat in a room of 20 degrees, set to 20 degrees.
    pub const fn new() -> Self {
        Self {
            target: TARGET_DEFAULT,
            room: Room(ROOM_AT_START),
            is_heating: false,
            next_step: None,
            is_report_due: false,
            is_heating_due: false,
            alarm: Alarm::Armed,
        }
    }

    /// The temperature that is wanted.
    pub fn target(&self) -> Tenths {
        self.target
    }

    /// The temperature that is measured.
    pub fn measured(&self) -> Tenths {
        self.room.measure()
    }

    /// Whether the heating is on.
    pub fn is_heating(&self) -> bool {
        self.is_heating
    }

    fn control(&mut self) {
        self.room.pass_minute(self.is_heating);
        let measured = self.measured();
        self.is_report_due = true;
        self.switch(measured);
        match self.alarm {
            Alarm::Armed if measured < TOO_COLD_BELOW => self.alarm = Alarm::Due,
            Alarm::Told if measured > TOO_COLD_UNTIL => self.alarm = Alarm::Armed,
            Alarm::Armed | Alarm::Due | Alarm::Told => (),
        }
    }

    fn switch(&mut self, measured: Tenths) {
        let was_heating = self.is_heating;
        if measured.0 <= self.target.0 - HYSTERESIS {
            self.is_heating = true;
        } else if measured.0 >= self.target.0 + HYSTERESIS {
            self.is_heating = false;
        }
        self.is_heating_due |= self.is_heating != was_heating;
    }

    fn tell(&mut self, out: &mut Outgoing<'_>) {
        if !out.is_connected() {
            return;
        }
        let measured = self.measured().0;
        if self.is_report_due && out.virtual_write(PIN_MEASURED, &[&measured]).is_ok() {
            self.is_report_due = false;
        }
        let heating = u8::from(self.is_heating);
        if self.is_heating_due && out.virtual_write(PIN_HEATING, &[&heating]).is_ok() {
            self.is_heating_due = false;
        }
        if self.alarm == Alarm::Due && out.event(EVENT_TOO_COLD, "The room is below 8 degrees").is_ok() {
            self.alarm = Alarm::Told;
        }
    }
}

impl Default for Thermostat {
    fn default() -> Self {
        Self::new()
    }
}

impl Application for Thermostat {
    fn on_connected(&mut self, _now: Instant, out: &mut Outgoing<'_>) {
        // Whoever looks at the app now wants to see how things are, not how they were. A queue that has just
        // been emptied has room for this; otherwise the next change of the target arrives by itself.
        let _ = out.sync(&[PIN_TARGET]);
        self.is_report_due = true;
        self.is_heating_due = true;
        self.tell(out);
    }

    fn on_virtual_write(&mut self, _now: Instant, pin: u8, mut values: Params<'_>, out: &mut Outgoing<'_>) {
        if pin != PIN_TARGET {
            return;
        }
        let Some(wanted) = values.next_text().and_then(Tenths::parse) else { return };
        self.target = wanted.clamp(TARGET_MIN, TARGET_MAX);
        if self.target != wanted {
            // The app shows what it sent until it is told better; that is worth a try, not more.
            let _ = out.virtual_write(PIN_TARGET, &[&self.target]);
        }
        self.switch(self.measured());
        self.tell(out);
    }

    fn poll(&mut self, now: Instant, out: &mut Outgoing<'_>) -> Option<Instant> {
        let mut next = *self.next_step.get_or_insert(now + CONTROL_INTERVAL);
        let mut steps = 0;
        while next <= now {
            steps += 1;
            if steps > CATCH_UP_MAX {
                next = now;
            }
            self.control();
            next += CONTROL_INTERVAL;
        }
        self.next_step = Some(next);
        if steps > 0 {
            self.tell(out);
        }
        Some(next)
    }
}

/// A room of one temperature, in thousandths of a degree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Room(i32);

impl Room {
    fn pass_minute(&mut self, is_heating: bool) {
        let gain = if is_heating { ROOM_GAIN } else { 0 };
        self.0 += gain - (self.0 - ROOM_OUTSIDE) / ROOM_LOSS_DIVISOR;
    }

    fn measure(self) -> Tenths {
        Tenths(self.0 / 100)
    }
}

#[cfg(test)]
mod tests;
