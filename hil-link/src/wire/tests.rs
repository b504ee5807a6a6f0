use std::borrow::ToOwned;
use std::format;
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::framing::{ENCODED_LEN_MAX, FramingError, Receiver, encode};
use super::*;
use crate::cut_flash::{Boundary, Cut, FlashState};
use crate::queues::FRAME_LEN_MAX;

/// One example of each message, with its name. What is new goes to the end of its list.
const GOLDEN: &str = include_str!("../../tests/data/link-messages.txt");

const MAC: [u8; 6] = [0x24, 0x0A, 0xC4, 0x00, 0x01, 0x10];

fn flash() -> FlashState {
    FlashState {
        budget: Some(300),
        cut: Some(Cut { operation: 2, byte: 20 }),
        boundary: Boundary::Begun,
        noise_seed: 7,
        fails_next_erase: true,
        erases_max: Some(100_000),
        stuck_sector: None,
        steps: 4_096,
        programs: 3,
        erases: core::array::from_fn(|sector| u32::from(sector == 0)),
    }
}

fn armed() -> Armed {
    let armed = Some((Point::StateEntered(State::Running), AtPoint::Stops));
    Armed { flash: flash(), watch: Watch { armed, is_reached: false, is_stopped: true } }
}

fn product() -> ProductIdentity<'static> {
    ProductIdentity {
        template_id: "TMPL4thermo1",
        template_name: "Thermostat",
        firmware_version: "1.0.0",
        build: "Nov 22 2026 10:00:00",
        board: "ESP32-C3",
        vendor: "Blynk",
        firmware_type: "TMPL4thermo1",
        captive_portal: false,
        time_server: "pool.ntp.org",
        dates: Dates::Required,
    }
}

fn requests() -> Vec<(&'static str, Request<'static>)> {
    let input = |input| Request::Input { turn: 9, index: 3, input };
    let boot = Boot {
        now_us: 300_000,
        uptime_us: 0,
        seed: 0x0123_4567_89AB_CDEF,
        cause: ResetCause::PowerOn,
        mac: MAC,
        product: product(),
        armed: armed(),
        trust: None,
    };
    let trusting = Boot { trust: Some(Bytes(&[0x30, 0x82, 1, 0])), ..boot };
    let network =
        Network { ssid: Bytes(b"HomeNet"), bssid: MAC, channel: 6, rssi: -52, security: Security::Wpa2 };
    std::vec![
        ("hello", Request::Hello { protocol: PROTOCOL }),
        ("boot", Request::Boot { session: 1, boot }),
        ("boot with trust", Request::Boot { session: 1, boot: trusting }),
        ("input frame", input(Input::Frame(Bytes(&[0, 1, 2, 0])))),
        ("input radio ap-started", input(Input::Radio(RadioEvent::ApStarted))),
        ("input radio station-joined", input(Input::Radio(RadioEvent::StationJoined(MAC)))),
        ("input radio station-left", input(Input::Radio(RadioEvent::StationLeft(MAC)))),
        ("input radio scan-result", input(Input::Radio(RadioEvent::ScanResult(network)))),
        ("input radio scan-done", input(Input::Radio(RadioEvent::ScanDone(true)))),
        ("input radio joined", input(Input::Radio(RadioEvent::Joined))),
        ("input radio join-failed", input(Input::Radio(RadioEvent::JoinFailed(JoinFailure::Handshake)))),
        ("input radio disconnected", input(Input::Radio(RadioEvent::Disconnected(8)))),
        ("input button", input(Input::Button { at_us: 1_000_000, down: true })),
        ("input console", input(Input::Console(Bytes(b"help\r")))),
        (
            "turn",
            Request::Turn(Turn {
                number: 9,
                inputs: 4,
                now_us: 1_000_000,
                until_us: 2_000_000,
                armed: Some(armed()),
            })
        ),
        ("read-flash", Request::ReadFlash { offset: 4_096, len: 1_024 }),
        ("reset", Request::Reset),
        ("erase-flash", Request::EraseFlash),
        ("write-flash", Request::WriteFlash { offset: 4_096, content: Bytes(&[1, 2, 3, 4]) }),
    ]
}

fn responses() -> Vec<(String, Response<'static>)> {
    let mut responses = std::vec![
        (
            "hello",
            Response::Hello {
                protocol: PROTOCOL,
                firmware: "firmware 1.0",
                flash_len: 8_192,
                session: Some(1)
            }
        ),
        ("booted", Response::Booted { session: 1 }),
        (
            "done",
            Response::Done(Done {
                turn: 9,
                effects: 3,
                at_us: 1_500_000,
                wake: Wake::At { at_us: 2_000_000, reason: WakeReason::Session },
                power_lost: false,
                waiting: Waiting { frames: 1, radio_events: 0, button_edges: 0, console: 5 },
                lost_effects: 0,
                armed: Armed::default(),
            })
        ),
        ("inputs-missing", Response::InputsMissing { turn: 9, from: 2 }),
        ("flash", Response::Flash { offset: 0, content: Bytes(&[0xFF; 4]) }),
        ("refused", Response::Refused(Refusal::NotRunning)),
        ("panic", Response::Panic("out of luck")),
        ("erased", Response::Erased),
        ("written", Response::Written { offset: 4_096 }),
    ]
    .into_iter()
    .map(|(name, response)| (name.to_owned(), response))
    .collect::<Vec<_>>();
    for (name, effect) in effects() {
        responses.push((format!("effect {name}"), Response::Effect { turn: 9, index: 1, effect }));
    }
    for event in events() {
        let text = format!("{event:?}");
        let name = text.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
        let effect = Effect::Trace(event);
        responses.push((format!("effect trace {name}"), Response::Effect { turn: 9, index: 1, effect }));
    }
    responses
}

fn effects() -> Vec<(&'static str, Effect<'static>)> {
    let (ssid, passphrase) = (Bytes(b"HomeNet"), Bytes(b"correct horse"));
    let pattern = |rhythm| Effect::Pattern(Pattern { rhythm, colour: [0x0D, 0x36, 0xFF], since_us: 300_000 });
    std::vec![
        ("frame", Effect::Frame(Bytes(&[0xFF; 3]))),
        ("radio off", Effect::Radio(RadioCommand::Off)),
        ("radio start-ap", Effect::Radio(RadioCommand::StartAp { ssid, channel: 1 })),
        ("radio scan", Effect::Radio(RadioCommand::Scan { probe: Some(ssid) })),
        ("radio join", Effect::Radio(RadioCommand::Join { ssid, passphrase, bssid: MAC, channel: 6 })),
        ("pattern beat", pattern(Rhythm::Beat([50, 500, 50, 500]))),
        ("pattern wave", pattern(Rhythm::Wave(19))),
        ("console", Effect::Console("[300] INIT => WAIT_CONFIG\r\n")),
        (
            "flash",
            Effect::Flash(FlashOperation {
                kind: FlashOperationKind::Erase,
                offset: 4_096,
                len: 20,
                digest: 0xFEDC_BA98_7654_3210,
                interrupted: true,
            })
        ),
    ]
}

fn events() -> Vec<Event<'static>> {
    use Event as E;
    let ip = [192, 168, 4, 2];
    std::vec![
        E::Booted(ResetCause::Brownout),
        E::State { from: State::Init, to: State::WaitConfig },
        E::ApUp(Bytes(b"Blynk Thermostat-R40J")),
        E::ApDown,
        E::ClientJoined(MAC),
        E::ClientLeft(MAC),
        E::LeaseGiven(ip),
        E::Request { route: Some(Route::WifiScan), status: 200 },
        E::Stored(Stored::Valid),
        E::AttemptSpent(2),
        E::Accepted,
        E::Rejected(ProvisionError::WrongPassphrase),
        E::LastError(722),
        E::Erased,
        E::FlashFailed,
        E::ScanStarted,
        E::ScanDone(3),
        E::Joining(MAC),
        E::Joined(Bytes(b"HomeNet")),
        E::JoinFailed(JoinFailure::Timeout),
        E::Disconnected(200),
        E::Address { ip, fixed: true },
        E::RoundFailed(ProvisionError::NoDhcp),
        E::Resolved(ip),
        E::ResolveFailed,
        E::Connecting { host: "blynk.cloud", port: 443 },
        E::ConnectFailed,
        E::SecureOpened(SecureKind::Modelled),
        E::SecureFailed(SecureError::Expired),
        E::LoginStatus(200),
        E::LoginTimeout,
        E::Redirected { host: "fra1.blynk.cloud", port: 443 },
        E::SessionLost,
        E::ConfigTimeout,
        E::ButtonPressed,
        E::ButtonReleased { held_ms: 10_050 },
        E::Rebooting,
        E::TimeKnown { unix_s: 1_767_225_600 },
        E::TimeUnknown(TimeError::Silent),
    ]
}

fn encoded<T: Serialize>(message: &T) -> Vec<u8> {
    encode(message, &mut [0; ENCODED_LEN_MAX]).expect("the message fits").to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Set to write the golden file anew, after thinking about the protocol's version.
const UPDATE: &str = "UPDATE_LINK_MESSAGES";

#[test]
fn messages_travel_as_they_always_have() {
    let requests =
        requests().into_iter().map(|(name, request)| format!("> {name}: {}\n", hex(&encoded(&request))));
    let responses =
        responses().into_iter().map(|(name, response)| format!("< {name}: {}\n", hex(&encoded(&response))));
    let found: String = requests.chain(responses).collect();
    if std::env::var_os(UPDATE).is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/link-messages.txt");
        std::fs::write(path, found).expect("the golden file can be written");
    } else {
        assert_eq!(found, GOLDEN.replace('\r', ""));
    }
}

#[test]
fn messages_come_out_as_they_went_in() {
    for (name, request) in requests() {
        assert_eq!(decode_in_pieces(&encoded(&request), 3), [Ok(format!("{request:?}"))], "{name}");
        let mut receiver = Receiver::new();
        let bytes = encoded(&request);
        let (_, nothing) = receiver.receive::<Request<'_>>(&bytes[..1]);
        assert_eq!(nothing, None, "the first zero byte ends nothing");
        assert_eq!(receiver.receive(&bytes[1..]), (bytes.len() - 1, Some(Ok(request))), "{name}");
    }
    for (name, response) in responses() {
        let bytes = encoded(&response);
        let mut receiver = Receiver::new();
        let (_, _) = receiver.receive::<Response<'_>>(&bytes[..1]);
        assert_eq!(receiver.receive(&bytes[1..]), (bytes.len() - 1, Some(Ok(response))), "{name}");
    }
}

/// What a receiver makes of requests that come a few bytes at a time.
fn decode_in_pieces(bytes: &[u8], len: usize) -> Vec<Result<String, FramingError>> {
    let mut receiver = Receiver::new();
    let mut found = Vec::new();
    for piece in bytes.chunks(len) {
        let mut rest = piece;
        while !rest.is_empty() {
            let (taken, request) = receiver.receive::<Request<'_>>(rest);
            found.extend(request.map(|request| request.map(|request| format!("{request:?}"))));
            rest = &rest[taken..];
        }
    }
    found
}

#[test]
fn the_longest_messages_fit() {
    let frame = [0xA5; FRAME_LEN_MAX];
    let input = Input::Frame(Bytes(&frame));
    let request = Request::Input { turn: u32::MAX, index: u16::MAX, input };
    assert!(encode(&request, &mut [0; ENCODED_LEN_MAX]).is_some());
    let effect = Effect::Frame(Bytes(&frame));
    let response = Response::Effect { turn: u32::MAX, index: u16::MAX, effect };
    assert!(encode(&response, &mut [0; ENCODED_LEN_MAX]).is_some());
    let field = "x".repeat(64);
    let full = FlashState { erases: [u32::MAX; 16], steps: u64::MAX, programs: u64::MAX, ..flash() };
    let product = ProductIdentity {
        template_id: &field,
        template_name: &field,
        firmware_version: &field,
        build: &field,
        board: &field,
        vendor: &field,
        firmware_type: &field,
        captive_portal: true,
        time_server: &field,
        dates: Dates::WhenKnown,
    };
    let Request::Boot { boot, .. } = requests().remove(1).1 else { panic!("the second one is a boot") };
    let trust = Some(Bytes(&[0x30; TRUST_LEN_MAX]));
    let boot = Boot { product, armed: Armed { flash: full, ..armed() }, trust, ..boot };
    assert!(encode(&Request::Boot { session: u32::MAX, boot }, &mut [0; ENCODED_LEN_MAX]).is_some());
}

#[test]
fn noise_is_left_behind() {
    let request = Request::ReadFlash { offset: 1, len: 2 };
    let good = format!("{request:?}");
    let message = encoded(&request);
    let mut line = std::vec![0x13, 0x07, 0xFF];
    line.extend_from_slice(&message);
    line.extend_from_slice(&message[..message.len() / 2]);
    line.extend_from_slice(&message);
    line.extend_from_slice(&[0x55; 2 * ENCODED_LEN_MAX]);
    line.extend_from_slice(&message);
    // The half message ends where the next one begins.
    let expected = [
        Err(FramingError::Damaged),
        Ok(good.clone()),
        Err(FramingError::Damaged),
        Ok(good.clone()),
        Err(FramingError::TooLong),
        Ok(good),
    ];
    for len in [1, 7, line.len()] {
        assert_eq!(decode_in_pieces(&line, len), expected, "{len} bytes at a time");
    }
}

#[test]
fn a_message_of_another_version_is_unknown() {
    let unknown = encoded(&(200_u8, 1_u8));
    assert_eq!(decode_in_pieces(&unknown, 64), [Err(FramingError::Unknown)]);
    let longer = encoded(&(Request::Reset, 1_u8));
    assert_eq!(decode_in_pieces(&longer, 64), [Err(FramingError::Unknown)]);
}

#[test]
fn secrets_are_not_printed() {
    for (_, request) in requests() {
        assert!(!format!("{request:?}").contains("[0, 1, 2, 0]"));
    }
    for (_, response) in responses() {
        let text = format!("{response:?}");
        assert!(!text.contains("correct horse") && !text.contains("99, 111"), "{text}");
    }
}

proptest! {
    #[test]
    fn a_damaged_message_is_no_other_message(which in 0..17_usize, at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (_, request) = requests().remove(which);
        let mut bytes = encoded(&request);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        bytes.push(0);
        let good = format!("{request:?}");
        for found in decode_in_pieces(&bytes, 64) {
            prop_assert!(found.is_err() || found == Ok(good.clone()), "{found:?}");
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..4_000), len in 1..600_usize) {
        let good = encoded(&Request::Reset);
        let line = [bytes.as_slice(), &good].concat();
        let found = decode_in_pieces(&line, len);
        prop_assert_eq!(found.last(), Some(&Ok(format!("{:?}", Request::Reset))));
    }
}
