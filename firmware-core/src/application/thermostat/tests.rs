use std::string::{String, ToString};
use std::vec::Vec;

use super::*;
use crate::cloud::codec::{BODY_LEN_MAX, Command, Decoder, Frame, ZeroId, params};
use crate::cloud::session::{Heartbeat, Session};
use crate::config::Token;
use crate::product::{Identity, Product, SAMPLE, sample};

const PRODUCT: Product = sample(Identity { template_name: "Thermostat", ..SAMPLE });

fn minutes(count: i64) -> Instant {
    Instant::from_secs(count * 60)
}

/// A thermostat and its session, with a server that accepts the login and answers everything.
struct Bench {
    thermostat: Thermostat,
    session: Session,
    server: Decoder<BODY_LEN_MAX>,
    now: Instant,
    sent: Vec<String>,
}

impl Bench {
    fn offline() -> Self {
        let session = Session::new(PRODUCT, Heartbeat::from_secs(3_600).unwrap());
        let server = Decoder::new(ZeroId::Accept);
        Self { thermostat: Thermostat::new(), session, server, now: minutes(0), sent: Vec::new() }
    }

    fn connect(&mut self) {
        self.session.start(self.now, &Token::new(&[b't'; 32]).unwrap());
        self.session.handle_received(self.now, &[0, 0, 1, 0, 200]);
        self.settle();
    }

    fn write(&mut self, pin: u8, value: &str) {
        let body = std::format!("vw\0{pin}\0{value}");
        let mut out = [0; 64];
        let frame = Frame::Message { command: Command::Hardware, id: 111, body: body.as_bytes() };
        let len = frame.encode(&mut out).unwrap();
        self.session.handle_received(self.now, &out[..len]);
        self.settle();
    }

    fn settle(&mut self) {
        while self.session.poll(self.now, &mut self.thermostat).is_some() {}
        let wake = self.thermostat.poll(self.now, &mut self.session.outgoing(self.now));
        assert!(wake.is_some_and(|at| self.now < at));
        let mut out = [0; 256];
        loop {
            let count = self.session.transmit(&mut out);
            if count > 0 {
                self.session.handle_received(self.now, &[0, 0, 9, 0, 200]);
                assert_eq!(self.session.poll(self.now, &mut self.thermostat), None);
            }
            let mut bytes = &out[..count];
            while let Some(frame) = self.server.decode(&mut bytes).unwrap() {
                let text: Vec<_> = params(frame.body()).map(String::from_utf8_lossy).collect();
                self.sent
                    .push(std::format!("{:?} {}", frame.command(), text.join("|")).trim_end().to_string());
            }
            if count == 0 {
                return;
            }
        }
    }

    /// Sleeps from wake to wake.
    fn run_minutes(&mut self, count: i64) {
        let until = self.now + Duration::from_secs(60) * u32::try_from(count).unwrap();
        self.settle();
        loop {
            let own = self.thermostat.clone().poll(self.now, &mut self.session.outgoing(self.now));
            let wake = own.into_iter().chain(self.session.poll_timeout()).min().unwrap();
            if wake > until {
                break;
            }
            self.now = wake;
            self.settle();
        }
        self.now = until;
    }

    fn take_sent(&mut self) -> Vec<String> {
        core::mem::take(&mut self.sent)
            .into_iter()
            .filter(|text| text.contains("|") || text.starts_with("E"))
            .collect()
    }
}

#[test]
fn the_room_is_controlled_without_any_network() {
    let mut bench = Bench::offline();
    let mut coldest = bench.thermostat.measured();
    for _ in 0..600 {
        bench.run_minutes(1);
        coldest = coldest.min(bench.thermostat.measured());
    }
    assert!(coldest >= Tenths(195), "{coldest}");
    assert!((Tenths(195)..=Tenths(205)).contains(&bench.thermostat.measured()));
}

#[test]
fn a_login_asks_for_the_target_and_tells_how_things_are() {
    let mut bench = Bench::offline();
    bench.connect();
    bench.run_minutes(1);
    let sent = bench.take_sent();
    assert!(sent[0].starts_with("HardwareLogin") || sent[0].starts_with("Internal mcu"), "{sent:?}");
    let own: Vec<_> = sent.iter().filter(|text| text.starts_with("Hardware") && text.contains('|')).collect();
    assert_eq!(own, ["HardwareSync vr|0", "Hardware vw|1|200", "Hardware vw|2|0", "Hardware vw|1|199"]);
}

#[test]
fn the_measured_temperature_is_told_once_a_minute_and_the_heating_at_changes() {
    let mut bench = Bench::offline();
    bench.connect();
    bench.run_minutes(2);
    bench.take_sent();
    bench.write(0, "25");
    bench.run_minutes(5);
    let sent = bench.take_sent();
    let reports = sent.iter().filter(|text| text.starts_with("Hardware vw|1|")).count();
    let heating: Vec<_> = sent.iter().filter(|text| text.starts_with("Hardware vw|2|")).collect();
    assert_eq!((reports, heating), (5, std::vec![&"Hardware vw|2|1".to_string()]));
    assert!(bench.thermostat.is_heating() && bench.thermostat.measured() > Tenths(198));
}

/// What a write to V0 makes of the target of 20 degrees, and what is told back.
#[track_caller]
fn check_target(value: &str, expected: Tenths, told: Option<&str>) {
    let mut bench = Bench::offline();
    bench.connect();
    bench.run_minutes(1);
    bench.take_sent();
    bench.write(0, value);
    bench.run_minutes(1);
    assert_eq!(bench.thermostat.target(), expected, "{value:?}");
    let sent = bench.take_sent();
    let back = sent.iter().find_map(|text| text.strip_prefix("Hardware vw|0|"));
    assert_eq!(back, told, "{value:?}");
}

#[test]
fn the_target_is_kept_between_5_and_30_degrees() {
    check_target("5", Tenths(50), None);
    check_target("30", Tenths(300), None);
    check_target("21.5", Tenths(215), None);
    check_target("21.59", Tenths(215), None);
    check_target("4.9", Tenths(50), Some("5.0"));
    check_target("-10", Tenths(50), Some("5.0"));
    check_target("30.1", Tenths(300), Some("30.0"));
    check_target("1000000", Tenths(300), Some("30.0"));
    for nonsense in ["", "warm", "2x", "-", ".5", "5.", "1.-5", "99999999999"] {
        check_target(nonsense, Tenths(200), None);
    }
}

#[test]
fn temperatures_print_with_their_sign() {
    for (tenths, text) in [(215, "21.5"), (5, "0.5"), (-5, "-0.5"), (-100, "-10.0")] {
        assert_eq!(Tenths(tenths).to_string(), text);
    }
}

#[test]
fn a_cold_room_is_told_once_and_again_after_it_was_warm() {
    let mut bench = Bench::offline();
    bench.connect();
    bench.write(0, "5");
    bench.run_minutes(600);
    let colds = |bench: &mut Bench| bench.take_sent().iter().filter(|it| it.contains("too_cold")).count();
    assert_eq!(colds(&mut bench), 1);
    assert!(bench.thermostat.measured() < TOO_COLD_BELOW);
    bench.write(0, "15");
    bench.run_minutes(600);
    assert_eq!(colds(&mut bench), 0);
    bench.write(0, "5");
    bench.run_minutes(600);
    assert_eq!(colds(&mut bench), 1);
}

#[test]
fn a_room_that_got_cold_offline_is_told_at_the_login() {
    let mut bench = Bench::offline();
    bench.connect();
    bench.write(0, "5");
    let now = bench.now;
    bench.session.close(now, &mut bench.thermostat);
    bench.run_minutes(600);
    bench.take_sent();
    bench.connect();
    bench.run_minutes(1);
    assert!(bench.take_sent().iter().any(|text| text.contains("too_cold")));
}

#[test]
fn a_poll_that_comes_hours_late_is_bounded_and_goes_on_from_there() {
    let mut bench = Bench::offline();
    bench.settle();
    bench.now = minutes(10_000);
    let wake = bench.thermostat.poll(bench.now, &mut bench.session.outgoing(bench.now));
    assert_eq!(wake, Some(minutes(10_001)));
}
