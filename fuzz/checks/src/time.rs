//! What a time server can send.

use firmware_core::cloud::sntp::{MESSAGE_LEN, NTP_PORT, Sntp, TIME_FLOOR};
use firmware_core::hal::UnixTime;
use firmware_core::{Duration, Instant};
use smoltcp::wire::Ipv4Address;

use crate::input::Input;

const SERVER: Ipv4Address = Ipv4Address::new(192, 0, 2, 123);

/// How to change the messages, then messages.
///
/// What does not repeat the question is ignored, and the client goes on waiting; a time that is believed is not before
/// the floor, comes from a server that says that it is synchronised, and is the one that the message has.
pub(crate) fn sntp(bytes: &[u8]) {
    let mut input = Input(bytes);
    let habits = input.byte();
    let mut sntp = Sntp::new();
    sntp.start(SERVER, TIME_FLOOR, u64::from(habits));
    let mut now = Instant::ZERO;
    while let Some(at) = sntp.poll_timeout() {
        now = now.max(at);
        let mut question = [0; MESSAGE_LEN];
        let asks = sntp.transmit(now, &mut question).is_some();
        let mut message = input.short_piece().to_vec();
        // A stranger cannot repeat what it has not seen; a server can.
        let repeats = habits & 1 == 0 && asks;
        if let (true, Some(origin)) = (repeats, message.get_mut(24..32)) {
            origin.copy_from_slice(&question[40..]);
        }
        let from = if habits & 2 == 0 { SERVER } else { Ipv4Address::new(192, 0, 2, 1) };
        sntp.handle_received(from, if habits & 4 == 0 { NTP_PORT } else { 124 }, &message);
        let Some(result) = sntp.poll(now) else { continue };
        assert_eq!((sntp.poll(now), sntp.poll_timeout()), (None, None), "a result comes once");
        if let Ok(UnixTime(time)) = result {
            assert!(habits & 6 == 0 && message[0] & 7 == 4 && message[0] >> 6 != 3);
            assert!((1..=15).contains(&message[1]) && time >= TIME_FLOOR.0);
            let told = u32::from_be_bytes(*message[40..].first_chunk().expect("a whole message"));
            assert_eq!((time + 2_208_988_800) & u64::from(u32::MAX), u64::from(told));
        }
    }
    assert!(now <= Instant::ZERO + Duration::from_secs(3), "three questions, a second each");
}
