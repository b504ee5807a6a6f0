//! The dates of certificates.

use firmware_core::hal::{Date, UnixTime};
use mbedtls_rs_sys::mbedtls_x509_time;

const DAY_S: i64 = 86_400;

/// What a date says against a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Objection {
    /// It has ended.
    Expired,
    /// It has not begun.
    NotYetValid,
}

/// Judges a certificate by its dates.
pub(crate) fn judge(date: Date, from: &mbedtls_x509_time, to: &mbedtls_x509_time) -> Option<Objection> {
    let (UnixTime(now), is_exact) = match date {
        Date::Unknown => return None,
        Date::AtLeast(time) => (time, false),
        Date::Exact(time) => (time, true),
    };
    // A time beyond the range is later than any certificate's.
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    if seconds(to) < now {
        Some(Objection::Expired)
    } else if is_exact && now < seconds(from) {
        Some(Objection::NotYetValid)
    } else {
        None
    }
}

/// Seconds since 1970. Mbed TLS has checked that there are such a day and time; years have four digits.
fn seconds(time: &mbedtls_x509_time) -> i64 {
    let [year, month, day] = [time.year, time.mon, time.day].map(i64::from);
    let [hour, minute, second] = [time.hour, time.min, time.sec].map(i64::from);
    days(year, month, day) * DAY_S + (hour * 60 + minute) * 60 + second
}

/// Days since 1970 in the Gregorian calendar, counted in years that begin in March, so that the leap day is last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    const DAYS_BEFORE_1970: i64 = 719_468;
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - DAYS_BEFORE_1970
}
