use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::cloud::codec::{FrameWriter, HEADER_LEN, Header};

use crate::product::{Identity, SAMPLE, sample};

mod sending;

const TOKEN: &[u8; 32] = b"GoldenToken0123456789abcdefghij_";

const PRODUCT: Product = sample(Identity { board: "ESP32", ..SAMPLE });

/// An application that notes what it hears and does what the test says.
#[derive(Default)]
struct Recorder {
    heard: Vec<String>,
    on_connected: Option<fn(&mut Outgoing<'_>)>,
    on_write: Option<fn(&mut Outgoing<'_>)>,
}

impl Application for Recorder {
    fn on_connected(&mut self, _now: Instant, out: &mut Outgoing<'_>) {
        self.heard.push("connected".to_string());
        if let Some(act) = self.on_connected {
            act(out);
        }
    }

    fn on_virtual_write(&mut self, _now: Instant, pin: u8, values: Params<'_>, out: &mut Outgoing<'_>) {
        let values: Vec<_> = values.map(String::from_utf8_lossy).collect();
        self.heard.push(format!("V{pin}={}", values.join("|")));
        if let Some(act) = self.on_write {
            act(out);
        }
    }

    fn on_internal(
        &mut self,
        _now: Instant,
        verb: InternalVerb,
        values: Params<'_>,
        _out: &mut Outgoing<'_>,
    ) {
        let values: Vec<_> = values.map(String::from_utf8_lossy).collect();
        self.heard.push(format!("{verb:?} {}", values.join("|")));
    }

    fn on_disconnected(&mut self, _now: Instant) {
        self.heard.push("disconnected".to_string());
    }
}

/// A session with a pipe, a clock, and everything it said.
struct Bench {
    session: Session,
    app: Recorder,
    now: Instant,
    server: Decoder<BODY_LEN_MAX>,
    /// Milliseconds, and the frame as `command id body`.
    sent: Vec<(i64, String)>,
    events: Vec<(i64, SessionEvent)>,
    is_pipe_stuck: bool,
}

impl Bench {
    fn start(heartbeat_s: u16) -> Self {
        let mut bench = Self {
            session: Session::new(PRODUCT, Heartbeat::from_secs(heartbeat_s).unwrap()),
            app: Recorder::default(),
            now: Instant::ZERO,
            server: Decoder::new(ZeroId::Accept),
            sent: Vec::new(),
            events: Vec::new(),
            is_pipe_stuck: false,
        };
        bench.session.start(bench.now, &Token::new(TOKEN).unwrap());
        bench.settle();
        bench
    }

    /// A session that has been accepted at 0 and has sent its info at 66 ms.
    fn online(heartbeat_s: u16) -> Self {
        let mut bench = Self::start(heartbeat_s);
        bench.receive(&[0, 0, 1, 0, 200]);
        bench.run_until(66);
        bench.sent.clear();
        bench.events.clear();
        bench.app.heard.clear();
        bench
    }

    fn settle(&mut self) {
        while let Some(event) = self.session.poll(self.now, &mut self.app) {
            self.events.push((self.now.total_millis(), event));
        }
        let mut out = [0; 100];
        while !self.is_pipe_stuck {
            let count = self.session.transmit(&mut out);
            if count == 0 {
                break;
            }
            let mut bytes = &out[..count];
            while let Some(frame) = self.server.decode(&mut bytes).unwrap() {
                let text = match frame {
                    Frame::Response { id, status } => format!("Response {id} {}", status.0),
                    Frame::Message { command, id, body } => {
                        let body = String::from_utf8_lossy(body).replace('\0', "|");
                        format!("{command:?} {id} {body}")
                    }
                };
                self.sent.push((self.now.total_millis(), text.trim_end().to_string()));
            }
        }
        if let Some(at) = self.session.poll_timeout() {
            assert!(self.now < at, "a wake at {at} does not advance from {}", self.now);
        }
    }

    /// Lets bytes arrive; returns how many a session with a stuck pipe has not taken.
    fn receive(&mut self, mut bytes: &[u8]) -> usize {
        while !bytes.is_empty() {
            let taken = self.session.handle_received(self.now, bytes);
            bytes = &bytes[taken..];
            self.settle();
            assert!(taken > 0 || self.is_pipe_stuck, "the session is stuck");
            if taken == 0 {
                break;
            }
        }
        bytes.len()
    }

    fn receive_message(&mut self, command: Command, id: u16, body: &[u8]) {
        let mut out = [0; 2048];
        let len = Frame::Message { command, id, body }.encode(&mut out).unwrap();
        self.receive(&out[..len]);
    }

    /// Sleeps from wake to wake.
    fn run_until(&mut self, ms: i64) {
        let until = Instant::from_millis(ms);
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= until) {
            self.now = at;
            self.settle();
        }
        self.now = until;
    }

    fn heard(&self) -> Vec<&str> {
        self.app.heard.iter().map(String::as_str).collect()
    }

    #[track_caller]
    fn check_sent(&mut self, expected: &[(i64, &str)]) {
        let sent: Vec<_> = self.sent.iter().map(|(at, text)| (*at, text.as_str())).collect();
        assert_eq!(sent, expected);
        self.sent.clear();
    }

    #[track_caller]
    fn check_events(&mut self, expected: &[(i64, SessionEvent)]) {
        assert_eq!(self.events, expected);
        self.events.clear();
    }
}

fn host(name: &str) -> Host {
    Host::try_from(name).unwrap()
}

#[test]
fn a_login_is_answered_by_info_and_nothing_before_it() {
    let mut bench = Bench::start(40);
    bench.app.on_connected = Some(|out| {
        out.sync(&[0, 255]).unwrap();
        out.event("hello", "").unwrap();
    });
    bench.check_sent(&[(0, "HardwareLogin 1 GoldenToken0123456789abcdefghij_")]);
    bench.run_until(120);
    bench.receive(&[0, 0, 1, 0, 200]);
    bench.check_events(&[(120, SessionEvent::LoggedIn { status: Status::SUCCESS, ping_ms: 120 })]);
    assert_eq!(bench.heard(), ["connected"]);
    bench.check_sent(&[]);
    bench.run_until(1_000);
    let info = "Internal 2 mcu|0.1.0|fw-type|TMPLtest0001|build|Nov 22 2026 10:40:56|blynk|1.4.0|\
                h-beat|40|buff-in|1024|dev|ESP32|tmpl|TMPLtest0001";
    bench.check_sent(&[(186, info), (252, "HardwareSync 3 vr|0|255"), (252, "EventLog 4 hello")]);
}

#[test]
fn the_info_frame_has_the_bytes_of_the_golden_one() {
    // Vector 4: the C++ library's Arduino path, whose product this test's is.
    const GOLDEN: &str = "1100020078 6d637500302e312e300066772d7479706500544d504c7465737430303031006275696c6400\
        4e6f7620323220323032362031303a34303a353600626c796e6b00312e342e3000682d6265617400343000627566662d696e00\
        313032340064657600455350333200746d706c00544d504c7465737430303031";
    let mut bench = Bench::start(40);
    bench.is_pipe_stuck = true;
    let mut out = [0; 512];
    bench.receive(&[0, 0, 1, 0, 200]);
    bench.run_until(66);
    let len = bench.session.transmit(&mut out);
    let hex: String = out[..len].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN.replace(' ', ""));
}

/// What follows a login's answer: blynk-protocol 2.1.
#[track_caller]
fn check_login(after_ms: i64, answer: &[u8], expected: &[(i64, SessionEvent)]) {
    let mut bench = Bench::start(40);
    bench.run_until(after_ms);
    bench.receive(answer);
    bench.run_until(7_000);
    bench.check_events(expected);
    let is_accepted = matches!(expected, [(_, SessionEvent::LoggedIn { .. }), ..]);
    assert_eq!(bench.session.is_online(), is_accepted);
    assert_eq!(bench.session.poll_timeout().is_some(), is_accepted);
}

#[test]
fn every_answer_to_a_login_has_its_event() {
    let logged_in = |status, ping_ms| SessionEvent::LoggedIn { status, ping_ms };
    check_login(30, &[0, 0, 1, 0, 200], &[(30, logged_in(Status::SUCCESS, 30))]);
    check_login(30, &[0, 0, 1, 0, 4], &[(30, logged_in(Status::ALREADY_REGISTERED, 30))]);
    check_login(4_000, &[0, 0, 1, 0, 200], &[(4_000, logged_in(Status::SUCCESS, 4_000))]);
    check_login(30, &[0, 0, 1, 0, 9], &[(30, SessionEvent::TokenInvalid)]);
    for status in [1, 3, 5, 19, 250] {
        check_login(30, &[0, 0, 1, 0, status], &[(30, SessionEvent::LoginRefused(Status(status.into())))]);
    }
    check_login(30, &[], &[(6_000, SessionEvent::LoginTimeout)]);
    // An answer to something else is no answer, and whole messages do not prolong the wait.
    check_login(30, &[0, 0, 2, 0, 200], &[(6_000, SessionEvent::LoginTimeout)]);
    check_login(30, &[0, 0, 3, 0, 9, 6, 0, 7, 0, 0], &[(6_000, SessionEvent::LoginTimeout)]);
    check_login(30, &[0, 0, 2, 0, 5], &[(30, SessionEvent::Lost(LostReason::NotAuthenticated))]);
    check_login(30, &[0, 0, 3, 0, 200, 0, 0, 1, 0, 200], &[(30, logged_in(Status::SUCCESS, 30))]);
    check_login(30, &[0, 0, 0, 0, 200], &[(30, SessionEvent::Lost(LostReason::ZeroId))]);
    check_login(30, &[20, 0, 9, 4, 1], &[(30, SessionEvent::Lost(LostReason::Oversize))]);
    let target = SessionEvent::Redirect { host: host("127.0.0.1"), port: 8080 };
    check_login(30, b"\x29\0\x01\0\x0e127.0.0.1\x008080", &[(30, target)]);
}

#[test]
fn an_answer_in_the_last_moment_counts() {
    let mut bench = Bench::start(40);
    bench.now = Instant::from_millis(6_000);
    assert_eq!(bench.session.handle_received(bench.now, &[0, 0, 1, 0, 200]), 5);
    bench.settle();
    bench.check_events(&[(6_000, SessionEvent::LoggedIn { status: Status::SUCCESS, ping_ms: 6_000 })]);
}

/// What a redirect's body means, in any state.
#[track_caller]
fn check_redirect(body: &[u8], expected: SessionEvent) {
    let mut bench = Bench::start(40);
    bench.receive_message(Command::Redirect, 1, body);
    bench.check_events(&[(0, expected.clone())]);
    assert_eq!(bench.heard(), [""; 0]);
    let mut bench = Bench::online(40);
    bench.receive_message(Command::Redirect, 77, body);
    bench.check_events(&[(66, expected)]);
    assert_eq!(bench.heard(), ["disconnected"]);
    assert_eq!(bench.session.poll_timeout(), None);
}

#[test]
fn a_redirect_names_a_usable_target_or_ends_the_session() {
    let target = |name, port| SessionEvent::Redirect { host: host(name), port };
    let bad = SessionEvent::Lost(LostReason::BadRedirect);
    let longest = "x".repeat(63);
    check_redirect(b"fra1.blynk.cloud\x00443", target("fra1.blynk.cloud", 443));
    check_redirect(b"fra1.blynk.cloud", target("fra1.blynk.cloud", 80));
    check_redirect(b"fra1.blynk.cloud\0", target("fra1.blynk.cloud", 80));
    check_redirect(longest.as_bytes(), target(&longest, 80));
    check_redirect("x".repeat(64).as_bytes(), bad.clone());
    for body in [&b""[..], b"\x0080", b"a\x000", b"a\x0065536", b"a\0b", b"a\0\xFF", b"\xFF\x0080"] {
        check_redirect(body, bad.clone());
    }
    // The target is printed on the console, where a line end or an escape would pass for the device's own.
    for host in ["a b", "a\r\n[1] RUNNING", "\u{1B}[2J", "-a", "a:443"] {
        check_redirect(host.as_bytes(), bad.clone());
    }
}

/// When pings leave and when the link is given up: blynk-protocol 2.2.
#[track_caller]
fn check_heartbeat(heartbeat_s: u16, until_s: i64, pings_s: &[i64], lost_s: Option<i64>) {
    let mut bench = Bench::online(heartbeat_s);
    bench.run_until(until_s * 1_000);
    let pings: Vec<_> = bench.sent.iter().map(|(at, _)| at / 1_000).collect();
    assert_eq!(pings, pings_s);
    assert!(bench.sent.iter().all(|(_, text)| text.starts_with("Ping")));
    let lost = lost_s.map(|at| (at * 1_000, SessionEvent::Lost(LostReason::HeartbeatTimeout)));
    bench.check_events(lost.as_slice());
}

#[test]
fn a_mute_server_is_pinged_every_6_s_and_left_18_s_after_the_heartbeat() {
    check_heartbeat(10, 100, &[10, 16, 22], Some(28));
    check_heartbeat(40, 57, &[40, 46, 52], None);
    check_heartbeat(40, 100, &[40, 46, 52], Some(58));
    check_heartbeat(3600, 3_700, &[3_600, 3_606, 3_612], Some(3_618));
}

#[test]
fn answered_pings_leave_once_a_heartbeat() {
    let mut bench = Bench::online(40);
    for ping in 1..=50 {
        bench.run_until(ping * 40_000 + 100);
        let (at, text) = bench.sent.pop().unwrap();
        assert!((at - 40_000 * ping).abs() < 100, "{at} {text}");
        assert!(bench.sent.is_empty());
        bench.receive_message(Command::Response, u16::try_from(ping + 2).unwrap(), &[]);
    }
    bench.check_events(&[]);
}

#[test]
fn a_device_that_writes_every_second_still_pings_because_writes_are_not_answered() {
    let mut bench = Bench::online(40);
    for second in 1..=57 {
        bench.run_until(second * 1_000);
        bench.session.outgoing(bench.now).virtual_write(1, &[&second]).unwrap();
        bench.settle();
    }
    let pings: Vec<_> = bench.sent.iter().filter(|(_, text)| text.starts_with("Ping")).collect();
    assert_eq!(pings.iter().map(|(at, _)| at / 1_000).collect::<Vec<_>>(), [40, 46, 52]);
}

#[test]
fn a_server_that_talks_is_pinged_when_the_device_has_been_silent() {
    let mut bench = Bench::online(40);
    for second in 1..=60 {
        bench.run_until(second * 1_000);
        bench.receive_message(Command::Hardware, 5, b"vw\x001\x002");
    }
    bench.check_sent(&[(40_066, "Ping 3")]);
}

#[test]
fn half_a_message_is_no_sign_of_life() {
    let mut bench = Bench::online(10);
    for second in 1..28 {
        bench.run_until(second * 1_000);
        bench.receive(if second == 1 { &[20, 0, 9, 0, 200] } else { b"x" });
    }
    bench.run_until(30_000);
    bench.check_events(&[(28_000, SessionEvent::Lost(LostReason::HeartbeatTimeout))]);
}

/// What a message in an open session leads to.
#[track_caller]
fn check_message(command: Command, body: &[u8], heard: &[&str], sent: &[&str], event: Option<SessionEvent>) {
    let mut bench = Bench::online(40);
    bench.receive_message(command, 103, body);
    assert_eq!(bench.heard(), heard);
    bench.check_events(event.map(|event| (66, event)).as_slice());
    let sent: Vec<_> = sent.iter().map(|text| (66, *text)).collect();
    bench.check_sent(&sent);
}

#[test]
fn hardware_operations_are_handled_or_refused_with_status_2() {
    let ignored = Some(SessionEvent::Ignored(Reject::Pin));
    check_message(Command::Hardware, b"vw\x004\x0077", &["V4=77"], &[], None);
    check_message(Command::Hardware, b"vw\x00255\0a\0b\0", &["V255=a|b|"], &[], None);
    check_message(Command::Hardware, b"vw\x004", &["V4="], &[], None);
    for body in [&b"vw"[..], b"vw\0", b"vw\x00256\x001", b"vw\0x\x001", b"vw\0-1\x001"] {
        check_message(Command::Hardware, body, &[], &[], ignored.clone());
    }
    for body in [&b"pm\x002\0out"[..], b"dw\x002\x001", b"vr\x001", b"zz", b"ar\x001", b""] {
        check_message(Command::Hardware, body, &[], &["Response 103 2"], None);
    }
}

#[test]
fn a_ping_is_answered_with_its_id_even_before_the_login_is() {
    check_message(Command::Ping, b"", &[], &["Response 103 200"], None);
    let mut bench = Bench::start(40);
    bench.sent.clear();
    bench.receive_message(Command::Ping, 7, b"");
    bench.receive_message(Command::Hardware, 8, b"vw\x001\x001");
    bench.check_sent(&[(0, "Response 7 200")]);
    assert_eq!(bench.heard(), [""; 0]);
}

#[test]
fn internal_verbs_reach_whoever_needs_them() {
    let line = |text: &[u8]| Some(SessionEvent::Console(Line::new(text).unwrap()));
    let url = |text| Some(SessionEvent::Ota(UpdateUrl(heapless::String::try_from(text).unwrap())));
    let table: [(&[u8], &[&str], Option<SessionEvent>); 15] = [
        (b"rtc\x001700000000", &["Rtc 1700000000"], None),
        (b"utc\0tz\x0060\x000", &["Utc tz|60|0"], None),
        (b"meta\0Device Name\0Lamp", &["Meta Device Name|Lamp"], None),
        (b"vfs\0x", &["Vfs x"], None),
        (b"acon", &["AppConnected "], None),
        (b"adis\0", &["AppDisconnected "], None),
        (b"meta", &["Meta "], None),
        (b"dbg\0reboot", &[], line(b"reboot")),
        (b"dbg\0reboot\0", &[], line(b"reboot")),
        (b"dbg", &[], None),
        (b"ota\0http://a/b.bin", &[], url("http://a/b.bin")),
        (b"ota\0", &[], None),
        (b"ota\0\xFF", &[], Some(SessionEvent::Ignored(Reject::NotText))),
        (b"nope\x001", &[], None),
        (b"", &[], None),
    ];
    for (body, heard, event) in table {
        check_message(Command::Internal, body, heard, &[], event);
    }
    let mut long = b"dbg\0".to_vec();
    long.extend([b'x'; 257]);
    let too_long = Some(SessionEvent::Ignored(Reject::TooLong));
    check_message(Command::Internal, &long, &[], &[], too_long.clone());
    long[..3].copy_from_slice(b"ota");
    check_message(Command::Internal, &long, &[], &[], too_long);
}

#[test]
fn unknown_commands_and_statuses_are_ignored() {
    for code in [1, 2, 15, 16, 19, 21, 29, 64, 65, 66, 255] {
        check_message(Command::from_code(code), b"x", &[], &[], None);
    }
    let mut bench = Bench::online(40);
    for status in [0, 1, 2, 4, 9, 19, 200, 65_535] {
        bench.receive(&Header { command: Command::Response, id: 1, length: status }.encode());
    }
    bench.check_events(&[]);
    bench.receive(&[0, 0, 99, 0, 5]);
    bench.check_events(&[(66, SessionEvent::Lost(LostReason::NotAuthenticated))]);
    assert_eq!(bench.heard(), ["disconnected"]);
}

#[test]
fn a_session_starts_afresh_after_the_last_one() {
    let mut bench = Bench::online(40);
    bench.receive(&[20, 0, 9, 0, 20, b'v']);
    bench.session.close(bench.now, &mut bench.app);
    bench.run_until(5_000);
    bench.session.start(bench.now, &Token::new(TOKEN).unwrap());
    bench.settle();
    bench.receive(&[0, 0, 1, 0, 200]);
    bench.run_until(5_066);
    assert!(bench.sent[0].1.starts_with("HardwareLogin 1 "));
    assert!(bench.sent[1].1.starts_with("Internal 2 "));
    assert_eq!(bench.heard(), ["disconnected", "connected"]);
}

#[test]
fn a_token_is_sent_as_it_is_and_never_shown() {
    let strange = *b"a token \0 with strange bytes \xFF\xFE!";
    let mut session = Session::new(PRODUCT, Heartbeat::DEFAULT);
    session.start(Instant::ZERO, &Token::new(&strange).unwrap());
    let mut out = [0; 64];
    assert_eq!(session.transmit(&mut out), HEADER_LEN + 32);
    assert_eq!(out[HEADER_LEN..HEADER_LEN + 32], strange);
    let line = SessionEvent::Console(Line::new(b"connect secret secret secret").unwrap());
    let url = SessionEvent::Ota(UpdateUrl(heapless::String::try_from("http://a/b?token=secret").unwrap()));
    assert_eq!(format!("{line:?} {url:?}"), "Console(Line(28 bytes)) Ota(\"http://a/b?***\")");
}

#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() <= 4 * 1024, "{}", size_of::<Session>());
}

fn server_message() -> impl Strategy<Value = Vec<u8>> {
    let codes = prop::sample::select(std::vec![0_u8, 6, 17, 20, 20, 20, 41, 55, 64, 99]);
    let bodies = prop::sample::select(std::vec![
        "vw|1|2", "vw|9", "pm|1|out", "dbg|help", "ota|u", "acon", "rtc|1", "host|80", "", "|", "vw|",
    ]);
    (codes, 0..4_u16, bodies).prop_map(|(code, id, body)| {
        let mut out = std::vec![0; 64];
        let body = body.replace('|', "\0");
        let frame = match Command::from_code(code) {
            Command::Response => Frame::Response { id, status: Status(200) },
            command => Frame::Message { command, id, body: body.as_bytes() },
        };
        let len = frame.encode(&mut out).unwrap();
        out.truncate(len);
        out
    })
}

proptest! {
    /// Whatever arrives, in whatever pieces: no panic, no wake that does not advance (checked by `settle`),
    /// and only whole frames leave (checked by the bench's decoder).
    #[test]
    fn arbitrary_servers_never_break_a_session(
        noise in prop::collection::vec(any::<u8>(), 0..40),
        messages in prop::collection::vec((server_message(), 0..3_000_i64, any::<bool>()), 0..60),
    ) {
        let mut bench = Bench::start(10);
        bench.app.on_write = Some(|out| { let _ = out.virtual_write(2, &[&"echo"]); });
        bench.app.on_connected = Some(|out| { let _ = out.sync_all(); });
        bench.receive(&[0, 0, 1, 0, 200]);
        for (message, pause_ms, is_pipe_stuck) in messages {
            bench.is_pipe_stuck = is_pipe_stuck;
            bench.run_until(bench.now.total_millis() + pause_ms);
            bench.receive(&message);
        }
        bench.is_pipe_stuck = false;
        bench.receive(&noise);
        bench.run_until(bench.now.total_millis() + 100_000);
        prop_assert!(!bench.session.is_online() && bench.session.poll_timeout().is_none());
    }

    #[test]
    fn random_bytes_never_break_a_session(bytes in prop::collection::vec(any::<u8>(), 0..600), piece in 1..50_usize) {
        let mut bench = Bench::online(10);
        for bytes in bytes.chunks(piece) {
            bench.receive(bytes);
            bench.run_until(bench.now.total_millis() + 10);
        }
    }

    #[test]
    fn writers_and_sessions_agree_on_every_value(pin in any::<u8>(), value in "[^\0]{0,60}") {
        let mut bench = Bench::online(40);
        let mut out = [0; 512];
        let len = {
            let mut frame = FrameWriter::new(&mut out, Command::Hardware, 9, BODY_LEN_MAX);
            frame.param(b"vw").display(&pin).param(value.as_bytes()).finish().unwrap()
        };
        bench.receive(&out[..len]);
        prop_assert_eq!(bench.heard(), [format!("V{pin}={value}")]);
    }
}
