//! `/config` as phones really send it.

use firmware_core::Duration;
use firmware_core::config::Config;
use firmware_core::hal::RadioCommand;
use firmware_core::portal::routes::Route;
use firmware_core::trace::{Event, State, Stored};

use crate::support::{Bench, TOKEN, network};

fn token() -> &'static str {
    std::str::from_utf8(TOKEN).unwrap()
}

fn path(ssid: &str, pass: &str) -> String {
    format!("/config?ssid={ssid}&pass={pass}&blynk={}", token())
}

fn stores(bench: &Bench) -> usize {
    bench.count_told(|event| *event == Event::Stored(Stored::Trial))
}

#[track_caller]
fn stored(bench: &mut Bench) -> Config {
    bench.stored().trial.expect("a trial is stored").config
}

/// Sends a request and checks which network name and passphrase end in flash.
#[track_caller]
fn check(request: &str, ssid: &[u8], passphrase: &[u8]) {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    bench.request(phone, request.as_bytes()).assert(200);
    let config = stored(&mut bench);
    assert_eq!((config.ssid.as_bytes(), config.passphrase.expose()), (ssid, passphrase));
    assert_eq!(config.token.expose(), TOKEN);
}

#[test]
fn it_is_stored_before_the_phone_is_told() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let reply = bench.get(phone, &path("HomeNet", "correct+horse"));
    assert_eq!(reply.assert(200).json()["msg"], "Trying to connect...");
    let order: Vec<&Event> = bench
        .events
        .iter()
        .map(|(_, event)| event)
        .filter(|event| matches!(event, Event::Stored(_) | Event::Request { .. }))
        .collect();
    assert_eq!(
        order,
        [&Event::Stored(Stored::Trial), &Event::Request { route: Some(Route::Config), status: 200 }]
    );
    assert_eq!(stored(&mut bench).passphrase.expose(), b"correct horse");
}

#[test]
fn the_same_twice_is_stored_once_and_answered_twice() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let first = bench.get(phone, &path("HomeNet", "correct+horse"));
    bench.run_for(Duration::from_millis(100));
    let second = bench.get(phone, &path("HomeNet", "correct+horse"));
    assert_eq!(second.assert(200), &first);
    assert_eq!(stores(&bench), 1);
}

#[test]
fn two_at_the_same_time_are_stored_once_and_both_answered() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let request = format!("GET {} HTTP/1.1\r\n\r\n", path("HomeNet", "correct+horse"));
    let conns = [0; 5].map(|_| bench.send(phone, request.as_bytes()));
    for conn in conns {
        bench.reply(conn).assert(200);
    }
    assert_eq!(stores(&bench), 1);
}

#[test]
fn a_different_second_one_comes_too_late_and_is_told_so() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    bench.get(phone, &path("HomeNet", "correct+horse")).assert(200);
    bench.get(phone, &path("OtherNet", "correct+horse")).assert(409);
    assert_eq!(stored(&mut bench).ssid.as_bytes(), b"HomeNet");
}

#[test]
fn a_phone_that_closes_before_the_answer_has_configured_the_device() {
    let mut bench = Bench::new(false);
    bench.networks = vec![network(b"HomeNet", 1, -50)];
    let phone = bench.add_station(2);
    let conn = bench.send(phone, format!("GET {} HTTP/1.1\r\n\r\n", path("HomeNet", "12345678")).as_bytes());
    bench.run_until(Duration::from_secs(1), |bench| bench.conn(conn).is_open());
    bench.run_for(Duration::from_millis(1));
    bench.station(phone).abort(conn.1);
    assert!(bench.run_until(Duration::from_secs(5), |bench| {
        bench.commands.iter().any(|command| matches!(command, RadioCommand::Join { .. }))
    }));
}

#[test]
fn the_access_point_stays_a_second_for_the_answer_and_then_the_device_restarts() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    bench.get(phone, &path("HomeNet", "12345678")).assert(200);
    bench.run_for(Duration::from_millis(900));
    assert_eq!((bench.state(), bench.boots()), (State::SwitchToSta, 1));
    bench.run_for(Duration::from_millis(500));
    assert_eq!(bench.boots(), 2);
}

#[test]
fn every_way_of_sending_a_form_is_read() {
    let token = token();
    let form = format!("ssid=Home%20Net&pass=a%2Bb+c%26d%3D&blynk={token}");
    let length = form.len();
    let head = format!("POST /config HTTP/1.1\r\nContent-Length: {length}\r\n");
    check(&format!("GET /config?{form} HTTP/1.1\r\n\r\n"), b"Home Net", b"a+b c&d=");
    check(
        &format!("{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}"),
        b"Home Net",
        b"a+b c&d=",
    );
    check(
        &format!("{head}Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n\r\n{form}"),
        b"Home Net",
        b"a+b c&d=",
    );
    // A percent sign that starts no escape is one.
    check(
        &format!("GET /config?ssid=50%&pass=10000%25%2&blynk={token}&x= HTTP/1.0\r\n\r\n"),
        b"50%",
        b"10000%%2",
    );
}

#[test]
fn a_multipart_form_is_taken_byte_for_byte() {
    let mut body = String::new();
    for (name, value) in [("ssid", "Home+Net%20"), ("pass", "a+b%26c&d=\"e\""), ("blynk", token())] {
        body += &format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += "--xyz--\r\n";
    let length = body.len();
    let kind = "multipart/form-data; boundary=xyz";
    check(
        &format!("POST /config HTTP/1.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"),
        b"Home+Net%20",
        b"a+b%26c&d=\"e\"",
    );
}

#[test]
fn a_typed_name_wins_over_a_chosen_one_unless_it_is_empty() {
    let token = token();
    check(&format!("GET /config?ssid=List&ssidManual=Typed&blynk={token} HTTP/1.1\r\n\r\n"), b"Typed", b"");
    check(&format!("GET /config?ssid=List&ssidManual=&blynk={token} HTTP/1.1\r\n\r\n"), b"List", b"");
}

#[test]
fn what_cannot_work_is_refused_and_nothing_changes() {
    let token = token();
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let long = "x".repeat(33);
    for query in [
        format!("ssid=&blynk={token}"),
        format!("ssid={long}&blynk={token}"),
        format!("ssid=A&pass=1234567&blynk={token}"),
        format!("ssid=A&pass={long}{long}&blynk={token}"),
        format!("ssid=A&pass=12345678%009&blynk={token}"),
        format!("ssid=A&pass=12345678&blynk={token}x"),
        "ssid=A&pass=12345678&blynk=short".to_owned(),
        format!("ssid=A&blynk={token}&port_ssl=70000"),
        format!("ssid=A&blynk={token}&host=..."),
        format!("ssid=A&blynk={token}&ip=10.0.0.300"),
    ] {
        bench.get(phone, &format!("/config?{query}")).assert(500);
    }
    assert_eq!(bench.state(), State::WaitConfig);
    assert!(bench.stored().trial.is_none());
    assert!(!bench.console.contains("12345678"), "{}", bench.console);
}

#[test]
fn a_reset_takes_back_what_was_just_stored() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    bench.get(phone, &path("HomeNet", "12345678")).assert(200);
    let reply = bench.get(phone, "/reset");
    assert_eq!(reply.assert(200).json()["msg"], "Configuration reset");
    bench.run_for(Duration::from_secs(3));
    assert_eq!((bench.boots(), bench.state()), (1, State::WaitConfig));
    assert!(bench.stored().trial.is_none());
}

#[test]
fn five_resets_at_once_fit_one_turn() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    let conns = [0; 5].map(|_| bench.send(phone, b"GET /reset HTTP/1.1\r\n\r\n"));
    for conn in conns {
        bench.reply(conn).assert(200);
    }
}
