//! The time server of the simulated internet, which the router answers for as it does for name servers. It is written
//! without the device's code, so that two implementations check each other.

use smoltcp::time::Instant;
use smoltcp::wire::Ipv4Address;

/// Where time servers listen.
pub(super) const PORT: u16 = 123;
/// A message without extensions (RFC 5905 section 7.3).
const MESSAGE_LEN: usize = 48;
/// From 1900 to 1970, in seconds.
const NTP_EPOCH_S: i64 = 2_208_988_800;
const MODE_CLIENT: u8 = 3;
const MODE_SERVER: u8 = 4;
/// The leap indicator of a clock that nobody has set.
const ALARM: u8 = 3;
/// A server that has its time from a server that has a clock of its own.
const STRATUM: u8 = 2;
/// About a tenth of a microsecond, as a power of two in seconds.
const PRECISION: u8 = 0xE8;
/// Asks too often (RFC 5905 section 7.4).
const KISS_RATE: [u8; 4] = *b"RATE";

/// What is answered to those who ask for the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NtpMode {
    /// The world's time.
    Normal,
    /// Nothing.
    Silent,
    /// To leave the server alone (kiss-o'-death).
    Kiss,
    /// The world's time and so many seconds more, or less if negative.
    Off(i64),
}

/// The time server, as far as a router knows of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeServer {
    pub(super) address: Ipv4Address,
    /// Seconds since 1970 when the world's clock says 0.
    pub(super) unix_time_s: i64,
    pub(super) mode: NtpMode,
}

impl TimeServer {
    /// Answers a question; `None` when it is none or nothing is to be said.
    pub(super) fn answer(&self, now: Instant, question: &[u8]) -> Option<Vec<u8>> {
        let asked_at = question.get(40..MESSAGE_LEN)?;
        let (version, mode) = ((question[0] >> 3) & 7, question[0] & 7);
        if mode != MODE_CLIENT || self.mode == NtpMode::Silent {
            return None;
        }
        let is_kiss = self.mode == NtpMode::Kiss;
        let off = if let NtpMode::Off(seconds) = self.mode { seconds } else { 0 };
        let leap = if is_kiss { ALARM } else { 0 };
        let time = timestamp(now, self.unix_time_s.saturating_add(off));
        let mut answer = vec![0; MESSAGE_LEN];
        answer[0] = leap << 6 | version << 3 | MODE_SERVER;
        answer[1] = if is_kiss { 0 } else { STRATUM };
        answer[2] = question[2];
        answer[3] = PRECISION;
        if is_kiss {
            answer[12..16].copy_from_slice(&KISS_RATE);
        }
        answer[24..32].copy_from_slice(asked_at);
        answer[32..40].copy_from_slice(&time);
        answer[40..48].copy_from_slice(&time);
        Some(answer)
    }
}

/// The world's time as NTP writes it: seconds since 1900, which begin anew in 2036, and a fraction of 32 bits.
fn timestamp(now: Instant, unix_time_s: i64) -> [u8; 8] {
    let micros = now.total_micros();
    let seconds = unix_time_s.saturating_add(micros.div_euclid(1_000_000)).saturating_add(NTP_EPOCH_S);
    let fraction = (micros.rem_euclid(1_000_000) << 32) / 1_000_000;
    let low = |number: i64| (number.cast_unsigned() & u64::from(u32::MAX)) << 32;
    (low(seconds) | (low(fraction) >> 32)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: TimeServer = TimeServer {
        address: Ipv4Address::new(198, 19, 123, 1),
        unix_time_s: 1_767_225_600,
        mode: NtpMode::Normal,
    };

    fn question() -> [u8; 48] {
        let mut question = [0; 48];
        question[0] = 0x23;
        question[40..].copy_from_slice(b"question");
        question
    }

    /// What a server says half a second after a minute: its first two bytes and its transmit timestamp.
    fn told(mode: NtpMode) -> Option<([u8; 2], [u8; 8])> {
        let answer = TimeServer { mode, ..SERVER }.answer(Instant::from_millis(60_500), &question())?;
        assert_eq!((answer.len(), &answer[24..32]), (48, &b"question"[..]));
        Some((*answer.first_chunk()?, *answer.last_chunk()?))
    }

    #[test]
    fn the_time_is_the_worlds() {
        let at = |seconds: u32| [seconds.to_be_bytes(), [0x80, 0, 0, 0]].concat().try_into().unwrap();
        assert_eq!(told(NtpMode::Normal), Some(([0x24, 2], at(0xED00_37BC))));
        assert_eq!(told(NtpMode::Off(3_600)), Some(([0x24, 2], at(0xED00_45CC))));
        assert_eq!(told(NtpMode::Off(-60)), Some(([0x24, 2], at(0xED00_3780))));
        // Ten years and a half later the seconds begin anew.
        assert_eq!(told(NtpMode::Off(318_752_836)), Some(([0x24, 2], at(0))));
        assert_eq!(told(NtpMode::Kiss), Some(([0xE4, 0], at(0xED00_37BC))));
        assert_eq!(told(NtpMode::Silent), None);
    }

    #[test]
    fn only_questions_are_answered() {
        let mut no_question = question();
        no_question[0] = 0x24;
        assert_eq!(SERVER.answer(Instant::ZERO, &no_question), None);
        assert_eq!(SERVER.answer(Instant::ZERO, &question()[..47]), None);
        assert_eq!(SERVER.answer(Instant::ZERO, &[]), None);
    }
}
