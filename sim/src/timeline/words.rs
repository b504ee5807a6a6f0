//! Times and large numbers as a person says them. Whole numbers only.

use smoltcp::time::Duration;

const MS_PER_S: u64 = 1_000;
const MS_PER_MIN: u64 = 60 * MS_PER_S;
const MS_PER_H: u64 = 60 * MS_PER_MIN;
const MS_PER_D: u64 = 24 * MS_PER_H;

/// A time in its two largest units: `6 h 59 min`, `12.3 s`, `250 ms`.
pub fn spoken(time: Duration) -> String {
    let ms = time.total_millis();
    let two = |unit_ms: u64, unit: &str, part_ms: u64, part: &str| match ms % unit_ms / part_ms {
        0 => format!("{} {unit}", ms / unit_ms),
        parts => format!("{} {unit} {parts} {part}", ms / unit_ms),
    };
    match ms {
        0 if time.total_micros() > 0 => "under 1 ms".to_owned(),
        0..MS_PER_S => format!("{ms} ms"),
        MS_PER_S..MS_PER_MIN => format!("{}.{} s", ms / MS_PER_S, ms % MS_PER_S / 100),
        MS_PER_MIN..MS_PER_H => two(MS_PER_MIN, "min", MS_PER_S, "s"),
        MS_PER_H..MS_PER_D => two(MS_PER_H, "h", MS_PER_MIN, "min"),
        MS_PER_D.. => two(MS_PER_D, "d", MS_PER_H, "h"),
    }
}

/// A number with its thousands apart: `290,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// How many times more `of` is than `than`, to two digits: a measured time means no more than that.
pub fn ratio(of: Duration, than: Duration) -> String {
    let mut ratio = of.total_micros() / than.total_micros().max(1);
    let mut unit = 1;
    while ratio >= 100 {
        ratio /= 10;
        unit *= 10;
    }
    format!("{} x", grouped(ratio * unit))
}

/// `1 case`, `2 cases`.
pub fn counted(count: usize, one: &str, several: &str) -> String {
    let noun = if count == 1 { one } else { several };
    format!("{} {noun}", grouped(u64::try_from(count).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_two_largest_units() {
        for (ms, expected) in [
            (0, "0 ms"),
            (250, "250 ms"),
            (12_345, "12.3 s"),
            (60_000, "1 min"),
            (61_500, "1 min 1 s"),
            (25_199_000, "6 h 59 min"),
            (3_600_000, "1 h"),
            (4_320_000_000, "50 d"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(spoken(Duration::from_millis(ms)), expected);
        }
        assert_eq!(spoken(Duration::from_micros(999)), "under 1 ms");
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn a_ratio_has_two_digits() {
        let of = |ms| Duration::from_millis(ms);
        assert_eq!(ratio(of(115_812_345), of(400)), "280,000 x");
        assert_eq!(ratio(of(1_000), of(80)), "12 x");
        assert_eq!(ratio(of(1_000), Duration::ZERO), "1,000,000 x");
    }
}
