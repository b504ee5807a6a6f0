//! The cloud's side, played by hand: a TCP server that says what no documented cloud says.

use firmware_core::Duration;
use firmware_core::config::ProvisionError;
use firmware_core::provision::{CONFIG_IDLE_LIMIT, STAGE_LIMIT};
use firmware_core::trace::{Event, State};
use hil_link::modelled_tls::{Certificate, read_client_hello, write_server_hello};

use crate::support::{Bench, SERVER_IP, TOKEN, home_config};

const PLAIN: u16 = 8080;
const TLS: u16 = 443;

const RESPONSE: u8 = 0;
const PING: u8 = 6;
const INTERNAL: u8 = 17;
const HARDWARE: u8 = 20;
const LOGIN: u8 = 29;
const REDIRECT: u8 = 41;

const OK: u16 = 200;
const ALREADY_REGISTERED: u16 = 4;
const NOT_AUTHENTICATED: u16 = 5;
const INVALID_TOKEN: u16 = 9;

/// A connection of the server's station.
type Line = (usize, usize);

fn message(command: u8, id: u16, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap();
    [&[command], &id.to_be_bytes()[..], &len.to_be_bytes(), body].concat()
}

fn response(id: u16, status: u16) -> Vec<u8> {
    [&[RESPONSE], &id.to_be_bytes()[..], &status.to_be_bytes()].concat()
}

/// The login that the device must send.
fn login() -> Vec<u8> {
    message(LOGIN, 1, TOKEN)
}

/// The messages in what the server has received: command, id, and body or status.
fn messages(mut bytes: &[u8]) -> Vec<(u8, u16, Vec<u8>)> {
    let mut messages = Vec::new();
    while let [command, id0, id1, len0, len1, rest @ ..] = bytes {
        let len = if *command == RESPONSE { 0 } else { usize::from(u16::from_be_bytes([*len0, *len1])) };
        let body = if *command == RESPONSE { vec![*len0, *len1] } else { rest[..len].to_vec() };
        messages.push((*command, u16::from_be_bytes([*id0, *id1]), body));
        bytes = &rest[len..];
    }
    messages
}

/// A server with a device that knows it.
struct Cloud {
    bench: Bench,
    station: usize,
}

impl Cloud {
    fn new(port: u16, valid: bool) -> Self {
        let mut bench = Bench::configured(&home_config(port), valid);
        let station = bench.add_server();
        Self { bench, station }
    }

    fn listen(&mut self, port: u16) -> Line {
        (self.station, self.bench.station(self.station).listen(port))
    }

    /// Waits for a login on a new connection.
    #[track_caller]
    fn await_login(&mut self) -> Line {
        self.await_login_within(Duration::from_secs(70))
    }

    #[track_caller]
    fn await_login_within(&mut self, limit: Duration) -> Line {
        let line = self.listen(PLAIN);
        let came = self.bench.run_until(limit, |bench| bench.conn(line).received.len() >= login().len());
        assert!(came, "no login; the device is in {}", self.bench.state());
        assert_eq!(self.bench.conn(line).received, login());
        line
    }

    /// Lets the device log in and waits until it knows.
    #[track_caller]
    fn await_online(&mut self) -> Line {
        self.await_online_within(Duration::from_secs(70))
    }

    #[track_caller]
    fn await_online_within(&mut self, limit: Duration) -> Line {
        let line = self.await_login_within(limit);
        self.say(line, &response(1, OK));
        assert!(self.bench.run_until(Duration::from_secs(1), |bench| bench.state() == State::Running));
        line
    }

    fn say(&mut self, line: Line, bytes: &[u8]) {
        self.bench.conn(line).write(bytes);
    }

    /// Whether the device has answered the ping with this id.
    fn answers_ping(&mut self, line: Line, id: u16) -> bool {
        self.say(line, &message(PING, id, b""));
        self.bench.run_until(Duration::from_secs(1), |bench| {
            messages(&bench.conn(line).received).contains(&(RESPONSE, id, OK.to_be_bytes().to_vec()))
        })
    }

    /// Checks that the device gives this connection up and logs in again.
    #[track_caller]
    fn check_comes_back(&mut self, line: Line, within: Duration) {
        let start = self.bench.now();
        self.await_online();
        assert!(self.bench.conn(line).is_over(), "the first connection is still open");
        assert!(self.bench.now() - start <= within, "it took {}", self.bench.now() - start);
        assert_eq!(self.bench.boots(), 1);
    }
}

/// More logins than one window of a trial holds, redirects in a circle included.
const ATTEMPTS_MAX: usize = 100;

#[test]
fn a_server_that_sends_byte_by_byte_is_understood() {
    let mut cloud = Cloud::new(PLAIN, true);
    let line = cloud.await_login();
    cloud.bench.conn(line).pace = Some(Duration::from_millis(7));
    cloud.say(line, &response(1, OK));
    cloud.say(line, &message(PING, 100, b""));
    cloud.say(line, &message(HARDWARE, 101, b"vw\x000\x0099"));
    cloud.bench.run_for(Duration::from_secs(1));
    let said = messages(&cloud.bench.conn(line).received);
    assert!(said.iter().any(|said| (said.0, said.1) == (INTERNAL, 2)), "no info: {said:?}");
    assert!(said.contains(&(RESPONSE, 100, OK.to_be_bytes().to_vec())));
    // 99 degrees are more than the thermostat allows; it tells the value that it took.
    assert!(
        said.iter().any(|(command, _, body)| *command == HARDWARE && body == b"vw\x000\x0030.0"),
        "{said:?}"
    );
}

#[test]
fn messages_that_come_in_one_piece_are_all_handled() {
    let mut cloud = Cloud::new(PLAIN, true);
    let line = cloud.await_login();
    let mut all = response(1, OK);
    for id in 100..150 {
        all.extend(message(PING, id, b""));
    }
    cloud.say(line, &all);
    cloud.bench.run_for(Duration::from_secs(1));
    let said = messages(&cloud.bench.conn(line).received);
    let answered: Vec<u16> = said.iter().filter(|said| said.0 == RESPONSE).map(|said| said.1).collect();
    assert_eq!(answered, (100..150).collect::<Vec<u16>>());
}

#[test]
fn a_message_with_id_0_ends_the_session_and_the_device_comes_back() {
    let mut cloud = Cloud::new(PLAIN, true);
    let line = cloud.await_online();
    cloud.say(line, &message(PING, 0, b""));
    cloud.check_comes_back(line, Duration::from_secs(6));
}

#[test]
fn a_message_that_is_too_long_ends_the_session_and_the_device_comes_back() {
    let mut cloud = Cloud::new(PLAIN, true);
    let line = cloud.await_online();
    cloud.say(line, &message(HARDWARE, 7, &[b'x'; 1025]));
    cloud.check_comes_back(line, Duration::from_secs(6));
}

#[test]
fn the_longest_message_and_unknown_ones_do_no_harm() {
    let mut cloud = Cloud::new(PLAIN, true);
    let line = cloud.await_online();
    cloud.say(line, &message(HARDWARE, 7, &[b'x'; 1024]));
    cloud.say(line, &message(199, 8, b"what\0is\0this"));
    cloud.say(line, &response(9, 4_711));
    // A verb with nothing behind it, as the legacy server sends it.
    cloud.say(line, &message(INTERNAL, 10, b"acon"));
    assert!(cloud.answers_ping(line, 200));
}

#[test]
fn status_5_after_the_login_means_log_in_again() {
    let mut cloud = Cloud::new(PLAIN, true);
    let line = cloud.await_online();
    cloud.say(line, &response(9, NOT_AUTHENTICATED));
    cloud.check_comes_back(line, Duration::from_secs(6));
}

#[test]
fn already_registered_is_a_success() {
    let mut cloud = Cloud::new(PLAIN, false);
    let line = cloud.await_login();
    cloud.say(line, &response(1, ALREADY_REGISTERED));
    assert!(cloud.bench.run_until(Duration::from_secs(1), |bench| bench.state() == State::Running));
    assert!(cloud.bench.has_told(&Event::Accepted));
    assert!(cloud.bench.stored().valid.is_some());
}

#[test]
fn redirects_in_a_circle_end_the_trial_with_702() {
    let mut cloud = Cloud::new(PLAIN, false);
    let target = format!("{SERVER_IP}\0{PLAIN}");
    let start = cloud.bench.now();
    let mut logins = 0;
    for _ in 0..ATTEMPTS_MAX {
        if cloud.bench.has_told(&Event::Rejected(ProvisionError::Cloud)) {
            break;
        }
        let line = cloud.listen(PLAIN);
        cloud.bench.run_until(Duration::from_secs(60), |bench| {
            bench.conn(line).received.len() >= login().len()
                || bench.has_told(&Event::Rejected(ProvisionError::Cloud))
        });
        logins += usize::from(!cloud.bench.conn(line).received.is_empty());
        cloud.say(line, &message(REDIRECT, 1, target.as_bytes()));
    }
    assert!(logins > 6, "an attempt follows five redirects, and there are several attempts");
    assert!(cloud.bench.now() - start < STAGE_LIMIT + Duration::from_secs(10));
    assert_eq!(cloud.bench.state(), State::WaitConfig);
}

#[test]
fn a_redirect_without_a_port_stays_encrypted() {
    let mut cloud = Cloud::new(TLS, true);
    let plain = cloud.listen(80);
    for _ in 0..2 {
        let line = cloud.listen(TLS);
        shake_hands(&mut cloud, line);
        let came =
            cloud.bench.run_until(Duration::from_secs(5), |bench| bench.conn(line).received == login());
        assert!(came, "no login");
        cloud.say(line, &message(REDIRECT, 1, SERVER_IP.to_string().as_bytes()));
    }
    assert!(!cloud.bench.conn(plain).is_open(), "the token would travel in plain");
}

/// Answers the device's hello and forgets it.
#[track_caller]
fn shake_hands(cloud: &mut Cloud, line: Line) {
    let mut hello = None;
    let came = cloud.bench.run_until(Duration::from_secs(70), |bench| {
        let received = &bench.conn(line).received;
        hello = read_client_hello(received).unwrap().map(|(name, len)| (name.to_vec(), len));
        hello.is_some()
    });
    assert!(came, "no hello");
    let (name, len) = hello.unwrap();
    cloud.bench.conn(line).received.drain(..len);
    let mut answer = [0; 260];
    let len = write_server_hello(&name, Certificate::Good, &mut answer);
    cloud.bench.conn(line).pace = Some(Duration::from_millis(3));
    cloud.say(line, &answer[..len]);
}

#[test]
fn a_plain_server_behind_a_tls_port_learns_nothing() {
    let mut cloud = Cloud::new(TLS, false);
    let line = cloud.listen(TLS);
    cloud.bench.run_until(Duration::from_secs(10), |bench| !bench.conn(line).received.is_empty());
    cloud.say(line, b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let rejected = Event::Rejected(ProvisionError::Tls);
    assert!(cloud.bench.run_until(Duration::from_secs(20), |bench| bench.has_told(&rejected)));
    let received = cloud.bench.conn(line).received.clone();
    assert!(!received.windows(TOKEN.len()).any(|window| window == TOKEN));
}

#[test]
fn a_login_without_an_answer_ends_the_trial_with_702() {
    let mut cloud = Cloud::new(PLAIN, false);
    let start = cloud.bench.now();
    let rejected = Event::Rejected(ProvisionError::Cloud);
    let mut attempts = Vec::new();
    // A window holds fewer attempts; a device that never gives up must not keep the test running.
    for _ in 0..ATTEMPTS_MAX {
        if cloud.bench.has_told(&rejected) {
            break;
        }
        let line = cloud.listen(PLAIN);
        cloud.bench.run_until(Duration::from_secs(60), |bench| {
            bench.conn(line).is_over() || bench.has_told(&rejected)
        });
        attempts.push(cloud.bench.conn(line).received.clone());
    }
    assert!(cloud.bench.now() - start < STAGE_LIMIT + Duration::from_secs(5));
    // 6 s of patience and 5 s of pause: four attempts fit the window, perhaps a fifth.
    let logins = attempts.iter().filter(|received| **received == login()).count();
    assert!((4..=5).contains(&logins), "{logins} logins");
    cloud.bench.run_for(Duration::from_secs(1));
    assert_eq!(cloud.bench.state(), State::WaitConfig);
}

#[test]
fn the_cloud_can_erase_the_configuration() {
    let mut cloud = Cloud::new(PLAIN, true);
    let line = cloud.await_online();
    cloud.say(line, &message(INTERNAL, 5, b"dbg\0config erase"));
    cloud.bench.run_for(Duration::from_secs(2));
    assert_eq!((cloud.bench.state(), cloud.bench.boots()), (State::WaitConfig, 1));
    assert!(cloud.bench.stored().valid.is_none());
    assert!(cloud.bench.conn(line).is_over());
    // The access point serves, on the very socket that carried the session too.
    let phone = cloud.bench.add_station(2);
    for _ in 0..6 {
        cloud.bench.get(phone, "/board_info.json").assert(200);
    }
}

#[test]
fn the_cloud_can_restart_the_device() {
    let mut cloud = Cloud::new(PLAIN, true);
    let line = cloud.await_online();
    cloud.say(line, &message(INTERNAL, 5, b"dbg\0reboot"));
    cloud.await_online();
    assert_eq!(cloud.bench.boots(), 2);
}

#[test]
fn a_dead_line_is_given_up_18_s_after_the_heartbeat() {
    let mut cloud = Cloud::new(PLAIN, true);
    let line = cloud.await_online();
    let start = cloud.bench.now();
    let over = cloud.bench.run_until(Duration::from_secs(100), |bench| bench.conn(line).is_over());
    let took = cloud.bench.now() - start;
    assert!(over && took >= Duration::from_secs(57) && took <= Duration::from_secs(59), "{took}");
    let said = messages(&cloud.bench.conn(line).received);
    let pings = said.iter().filter(|said| said.0 == PING).count();
    assert_eq!(pings, 3, "at 40, 46 and 52 s: {said:?}");
    assert!(cloud.bench.console.contains("Heartbeat timeout"));
    cloud.await_online();
}

#[test]
fn a_line_that_is_answered_stays_for_a_day() {
    let mut cloud = Cloud::new(PLAIN, true);
    let line = cloud.await_online();
    for id in 0..24 * 72 {
        assert!(cloud.answers_ping(line, 1_000 + id), "after {}", cloud.bench.now());
        cloud.bench.conn(line).received.clear();
        cloud.bench.run_for(Duration::from_secs(50));
    }
    assert!(!cloud.bench.conn(line).is_over());
}

#[test]
fn a_token_that_is_refused_twice_opens_the_access_point_for_ten_minutes() {
    let mut cloud = Cloud::new(PLAIN, true);
    for _ in 0..2 {
        let line = cloud.await_login();
        cloud.say(line, &response(1, INVALID_TOKEN));
    }
    let opened = cloud.bench.run_until(Duration::from_secs(5), |bench| bench.state() == State::WaitConfig);
    assert!(opened, "{}", cloud.bench.state());
    cloud.bench.run_for(Duration::from_secs(1));
    assert!(cloud.bench.stored().valid.is_some(), "the configuration is kept");
    assert_eq!(cloud.bench.boots(), 1);
    let phone = cloud.bench.add_station(2);
    assert_eq!(cloud.bench.get(phone, "/board_info.json").assert(200).json()["last_error"], 703);
    let asked_at = cloud.bench.now();
    cloud.await_online_within(CONFIG_IDLE_LIMIT + Duration::from_secs(10));
    assert!(cloud.bench.now() - asked_at >= CONFIG_IDLE_LIMIT);
    assert!(cloud.bench.has_told(&Event::LastError(0)));
}

#[test]
fn a_token_that_is_refused_once_is_the_clouds_mistake() {
    let mut cloud = Cloud::new(PLAIN, true);
    let line = cloud.await_login();
    cloud.say(line, &response(1, INVALID_TOKEN));
    cloud.await_online();
    assert!(!cloud.bench.has_told(&Event::LastError(703)));
}

#[test]
fn a_server_that_hangs_up_again_and_again_is_not_hammered() {
    let mut cloud = Cloud::new(PLAIN, true);
    let mut logins = 0;
    let end = cloud.bench.now() + Duration::from_secs(300);
    while cloud.bench.now() < end {
        let line = cloud.listen(PLAIN);
        cloud.bench.run_until(Duration::from_secs(60), |bench| !bench.conn(line).received.is_empty());
        logins += 1;
        let (_, index) = line;
        cloud.bench.station(line.0).abort(index);
    }
    assert!((5..=60).contains(&logins), "{logins} logins in five minutes");
}

#[test]
fn a_server_that_talks_and_never_listens_is_given_up() {
    let mut cloud = Cloud::new(PLAIN, true);
    let line = cloud.await_online();
    cloud.bench.conn(line).reads = false;
    for id in 1..20_000 {
        cloud.say(line, &message(PING, id, b""));
    }
    let over = cloud.bench.run_until(Duration::from_secs(120), |bench| bench.conn(line).is_over());
    assert!(over, "nobody listens for ever");
    cloud.await_online();
}
