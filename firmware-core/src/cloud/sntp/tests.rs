use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const SERVER: Ipv4Address = Ipv4Address::new(192, 0, 2, 123);
const START: Instant = Instant::from_micros_const(1_000_000_000);
/// The first output of the generator for [`SEED`], as its reference implementation has it.
const SEED: u64 = 0;
const NONCE: [u8; 8] = [0xE2, 0x20, 0xA8, 0x39, 0x7B, 0x1D, 0xCD, 0xAF];

/// A question as it stands on the wire.
const QUESTION_BYTES: [u8; 48] = [
    0x23, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
    0, 0, 0, 0, 0, 0, 0, 0, 0xE2, 0x20, 0xA8, 0x39, 0x7B, 0x1D, 0xCD, 0xAF,
];

/// The answer of a server of stratum 2 at 2026-01-01T00:00:00.25Z, with everything that real ones fill in: poll 6,
/// precision -24, root delay and dispersion, the address of its source, reference and receive timestamps.
const ANSWER_BYTES: [u8; 48] = [
    0x24, 0x02, 0x06, 0xE8, 0x00, 0x00, 0x02, 0x1A, 0x00, 0x00, 0x00, 0x3C, 0xC0, 0x00, 0x02, 0x07, //
    0xED, 0x00, 0x35, 0x10, 0x8F, 0x5C, 0x28, 0xF6, 0xE2, 0x20, 0xA8, 0x39, 0x7B, 0x1D, 0xCD, 0xAF, //
    0xED, 0x00, 0x37, 0x80, 0x3F, 0xFF, 0xC0, 0x00, 0xED, 0x00, 0x37, 0x80, 0x40, 0x00, 0x00, 0x00,
];
/// 2026-01-01T00:00:00Z.
const ANSWER: UnixTime = UnixTime(1_767_225_600);

fn asking() -> Sntp {
    let mut sntp = Sntp::new();
    sntp.start(SERVER, TIME_FLOOR, SEED);
    assert_eq!(sntp.poll_timeout(), Some(Instant::ZERO), "the question waits to be fetched");
    let mut out = [0xFF; 60];
    assert_eq!(sntp.transmit(START, &mut out), Some(48));
    assert_eq!(out[..48], QUESTION_BYTES);
    assert_eq!(out[48..], [0xFF; 12]);
    assert_eq!(sntp.transmit(START, &mut out), None, "one at a time");
    sntp
}

/// The answer with some bytes changed.
fn answer(changes: &[(usize, u8)]) -> [u8; 48] {
    let mut bytes = ANSWER_BYTES;
    for (at, byte) in changes {
        bytes[*at] = *byte;
    }
    bytes
}

/// What comes of this message; `None` when it is ignored.
fn outcome(message: &[u8]) -> Option<Result<UnixTime, TimeError>> {
    let mut sntp = asking();
    sntp.handle_received(SERVER, NTP_PORT, message);
    let result = sntp.poll(START);
    assert_eq!(result.is_some(), sntp.poll_timeout().is_none());
    assert_eq!(sntp.poll(START), None, "a result comes once");
    result
}

#[test]
fn an_answer_gives_the_time() {
    assert_eq!(outcome(&ANSWER_BYTES), Some(Ok(ANSWER)));
    let extended = [&ANSWER_BYTES[..], &[7; 20]].concat();
    assert_eq!(outcome(&extended), Some(Ok(ANSWER)), "what stands behind the message is not looked at");
    assert_eq!(outcome(&answer(&[(0, 0x1C)])), Some(Ok(ANSWER)), "version 3");
    for leap in [0x64, 0xA4] {
        assert_eq!(outcome(&answer(&[(0, leap)])), Some(Ok(ANSWER)), "a leap second is announced");
    }
    for stratum in 1..=15 {
        assert_eq!(outcome(&answer(&[(1, stratum)])), Some(Ok(ANSWER)), "stratum {stratum}");
    }
}

#[test]
fn an_answer_that_is_of_no_use_ends_the_asking() {
    for (changes, expected) in [
        (vec![(1, 0)], TimeError::Refused),
        // A kiss-o'-death says that its clock is not synchronised as well.
        (vec![(0, 0xE4), (1, 0)], TimeError::Refused),
        (vec![(0, 0xE4)], TimeError::Unsynchronised),
        (vec![(1, 16)], TimeError::Unsynchronised),
        (vec![(1, 255)], TimeError::Unsynchronised),
        ((40..48).map(|at| (at, 0)).collect(), TimeError::Unsynchronised),
        // 1970, 1968 and the last second of June 2025.
        (vec![(40, 0x83), (41, 0xAA), (42, 0x7E), (43, 0x80)], TimeError::Implausible),
        (vec![(40, 0x80), (41, 0), (42, 0), (43, 0)], TimeError::Implausible),
        (vec![(40, 0xEC), (41, 0x0D), (42, 0xA3), (43, 0x7F)], TimeError::Implausible),
    ] {
        assert_eq!(outcome(&answer(&changes)), Some(Err(expected)), "{changes:?}");
    }
}

#[test]
fn what_is_no_answer_is_ignored() {
    for len in 0..48 {
        assert_eq!(outcome(&ANSWER_BYTES[..len]), None, "{len} bytes");
    }
    for mode in [0, 1, 2, 3, 5, 6, 7] {
        assert_eq!(outcome(&answer(&[(0, 0x20 | mode)])), None, "mode {mode}");
    }
    for version in [0, 1, 2, 5, 6, 7] {
        assert_eq!(outcome(&answer(&[(0, version << 3 | 4)])), None, "version {version}");
    }
    for at in 24..32 {
        assert_eq!(outcome(&answer(&[(at, NONCE[at - 24] ^ 1)])), None, "origin byte {at}");
    }
    assert_eq!(outcome(&QUESTION_BYTES), None, "our own question");
}

#[test]
fn only_the_server_that_was_asked_is_heard() {
    let mut sntp = asking();
    sntp.handle_received(Ipv4Address::new(192, 0, 2, 124), NTP_PORT, &ANSWER_BYTES);
    sntp.handle_received(SERVER, 124, &ANSWER_BYTES);
    assert_eq!(sntp.poll(START), None);
    sntp.handle_received(SERVER, NTP_PORT, &ANSWER_BYTES);
    sntp.handle_received(SERVER, NTP_PORT, &answer(&[(1, 0)]));
    assert_eq!(sntp.poll(START), Some(Ok(ANSWER)), "the first answer counts");
    sntp.handle_received(SERVER, NTP_PORT, &ANSWER_BYTES);
    assert_eq!((sntp.poll(START), sntp.poll_timeout()), (None, None), "nobody has asked any more");
}

#[test]
fn a_server_that_says_nothing_is_asked_three_times_in_three_seconds() {
    let mut sntp = asking();
    let mut now = START;
    let mut out = [0; MESSAGE_LEN];
    for _ in 1..QUESTIONS_MAX {
        assert_eq!(sntp.transmit(now + Duration::from_millis(999), &mut out), None);
        assert_eq!(sntp.poll_timeout(), Some(now + QUESTION_INTERVAL));
        now += QUESTION_INTERVAL;
        assert_eq!(sntp.poll(now), None);
        assert_eq!(sntp.transmit(now, &mut out), Some(48));
        assert_eq!(out, QUESTION_BYTES);
    }
    assert_eq!(sntp.poll(now + Duration::from_millis(999)), None);
    now += QUESTION_INTERVAL;
    assert_eq!(sntp.transmit(now, &mut out), None);
    assert_eq!(sntp.poll(now), Some(Err(TimeError::Silent)));
    assert_eq!((now - START).secs(), 3);
}

#[test]
fn a_late_answer_to_an_earlier_question_is_as_good() {
    let mut sntp = asking();
    let now = START + QUESTION_INTERVAL;
    assert_eq!(sntp.transmit(now, &mut [0; MESSAGE_LEN]), Some(48));
    sntp.handle_received(SERVER, NTP_PORT, &ANSWER_BYTES);
    assert_eq!(sntp.poll(now), Some(Ok(ANSWER)));
}

#[test]
fn a_question_that_finds_no_room_waits_for_it() {
    let mut sntp = Sntp::new();
    assert_eq!((sntp.poll_timeout(), sntp.poll(START)), (None, None));
    sntp.start(SERVER, TIME_FLOOR, SEED);
    assert_eq!(sntp.transmit(START, &mut [0; 47]), None);
    assert_eq!(sntp.transmit(START, &mut [0; 48]), Some(48));
}

#[test]
fn the_floor_is_a_time_that_is_believed() {
    for (behind, expected) in [(0, Ok(ANSWER)), (1, Err(TimeError::Implausible))] {
        let mut sntp = Sntp::new();
        sntp.start(SERVER, UnixTime(ANSWER.0 + behind), SEED);
        sntp.transmit(START, &mut [0; MESSAGE_LEN]);
        sntp.handle_received(SERVER, NTP_PORT, &ANSWER_BYTES);
        assert_eq!(sntp.poll(START), Some(expected));
    }
}

#[test]
fn time_goes_on_in_2036() {
    for (seconds, expected) in [
        (0xFFFF_FFFF, 2_085_978_495),
        (0, 2_085_978_496),
        (1, 2_085_978_497),
        (0x7FFF_FFFF, 4_233_462_143),
        // The last second of this era's half that counts as past: 1968.
        (0x8000_0000, 0),
        (0x83AA_7E80, 0),
        (0x83AA_7E81, 1),
    ] {
        assert_eq!(unix_time(seconds), UnixTime(expected), "{seconds:#x}");
    }
    // The first second of the new era has no bit set in its seconds, and is a time nevertheless.
    let mut changes: Vec<(usize, u8)> = (40..44).map(|at| (at, 0)).collect();
    assert_eq!(outcome(&answer(&changes)), Some(Ok(UnixTime(2_085_978_496))));
    changes.extend([(44, 0), (47, 1)]);
    assert_eq!(outcome(&answer(&changes)), Some(Ok(UnixTime(2_085_978_496))));
}

proptest! {
    /// Whatever comes, an answer is one that repeats the question, and its time is not before the floor.
    #[test]
    fn any_bytes_are_an_answer_or_ignored(
        from_server: bool,
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        origin: bool,
        flags in prop_oneof![Just(0x24_u8), any::<u8>()],
    ) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = flags;
        }
        if origin && let Some(place) = bytes.get_mut(24..32) {
            place.copy_from_slice(&NONCE);
        }
        let mut sntp = asking();
        let from = if from_server { SERVER } else { Ipv4Address::new(192, 0, 2, 1) };
        sntp.handle_received(from, NTP_PORT, &bytes);
        if let Some(result) = sntp.poll(START) {
            prop_assert!(from_server && bytes.len() >= 48 && bytes[24..32] == NONCE);
            prop_assert!(result.is_err() || (bytes[1] >= 1 && bytes[1] <= 15 && result.is_ok_and(|time| time >= TIME_FLOOR)));
        } else {
            prop_assert_eq!(sntp.poll_timeout(), Some(START + QUESTION_INTERVAL), "it goes on waiting");
        }
    }

    /// Two eras make one line.
    #[test]
    fn every_second_follows_the_one_before(seconds: u32) {
        // Between the end of the later era and 1970 nothing is told apart.
        prop_assume!(!(0x7FFF_FFFF..=0x83AA_7E80).contains(&seconds));
        prop_assert_eq!(unix_time(seconds.wrapping_add(1)).0, unix_time(seconds).0 + 1);
    }
}
