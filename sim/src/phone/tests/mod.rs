//! Stories of a phone with a canned device and a canned cloud.

mod world;

use smoltcp::time::{Duration, Instant};

use super::*;
use world::{AP_NAME, Device, Reply, TEMPLATE, TOKEN, World, board, phone_config};

fn provision() -> Command {
    Command::Provision {
        ap: None,
        configuration: Configuration::new("HomeNet", Secret::new("correct horse&+%")),
        keep_token: false,
        name: Some("Kitchen".into()),
    }
}

/// Runs a command against a device and compares how it ended and the story's last line.
#[track_caller]
fn check(device: Device, command: Command, expected: &Status, last: &str) -> World {
    check_with(phone_config(), device, command, expected, last)
}

#[track_caller]
fn check_with(config: PhoneConfig, device: Device, command: Command, expected: &Status, last: &str) -> World {
    let mut world = World::new(config, device);
    let status = world.run(command);
    let story = world.story();
    assert_eq!((&status, story.last().map(String::as_str)), (expected, Some(last)), "{story:#?}");
    world
}

fn failed(why: &str) -> Status {
    Status::Failed(why.to_owned())
}

#[test]
fn the_whole_provisioning_runs() {
    let mut world = World::new(phone_config(), Device::good());
    assert_eq!(world.run(provision()), Status::Done);
    let expected = [
        "is given a token by the cloud",
        "joins Blynk Thermostat-R40J",
        "reads board info: no error",
        "is shown 1 network",
        "sends the configuration for HomeNet",
        "is told \"Trying to connect...\"",
        "leaves Blynk Thermostat-R40J",
        "sees the device online",
        "names the device Kitchen",
    ];
    assert_eq!(world.story(), expected);
    let config = format!(
        "GET /config?if=wifi&ssid=HomeNet&pass=correct%20horse%26%2B%25&blynk={TOKEN}&host=blynk.cloud&port_ssl=443 HTTP/1.1\r\nHost: blynk.setup\r\n"
    );
    assert!(world.device_requests[2].starts_with(&config), "{}", world.device_requests[2]);
    assert!(world.cloud_requests[1].ends_with("\r\n\r\n{}"));
    let rename = format!(
        "GET /external/api/device/meta/update?token={TOKEN}&metaFieldName=Device%20Name&value=Kitchen HTTP"
    );
    assert!(world.cloud_requests.last().unwrap().starts_with(&rename));
    let observations = world.phone.observations();
    assert!(observations.online && observations.device_id == Some(42));
    assert_eq!(observations.networks[0].ssid, "HomeNet");
    assert_eq!(observations.board.as_ref().unwrap().template_id, TEMPLATE);
    assert!(!format!("{observations:?}{:?}", world.events).contains(TOKEN), "a token is never printed");
}

#[test]
fn a_cloud_that_keeps_connections_is_called_once() {
    let mut world = World::new(phone_config(), Device::good());
    world.api.keeps = true;
    assert_eq!(world.run(provision()), Status::Done);
    assert_eq!((world.api.greeted, world.cloud_requests.len()), (1, 6));
}

#[test]
fn a_request_on_a_connection_that_has_just_ended_goes_out_again() {
    let mut world = World::new(phone_config(), Device::good());
    world.api.keeps = true;
    world.api.resets_at = Some(2);
    assert_eq!(world.run(provision()), Status::Done);
    assert_eq!((world.api.greeted, world.cloud_requests.len()), (2, 6));
}

#[test]
fn the_same_seed_sends_the_same_frames() {
    let frames = || {
        let config = PhoneConfig { model: Model::Android, ..phone_config() };
        let mut world = World::new(config, Device::good());
        assert_eq!(world.run(provision()), Status::Done);
        world.frames
    };
    assert_eq!(frames(), frames());
}

#[test]
fn lost_frames_cost_time_only() {
    for lose_every in 4..12 {
        let mut world = World::new(phone_config(), Device { off_after: None, ..Device::good() });
        world.lose_every = lose_every;
        assert_eq!(world.run(provision()), Status::Done, "{lose_every} {:#?}", world.story());
    }
}

#[test]
fn a_phone_with_nothing_to_do_wants_nothing() {
    let mut world = World::new(phone_config(), Device::good());
    assert_eq!(world.phone.next_wake(world.now), None);
    assert_eq!(world.phone.status(), &Status::Idle);
    world.run(provision());
    world.wait(Duration::from_secs(60));
    assert_eq!(world.phone.next_wake(world.now), None);
}

#[test]
fn a_device_of_an_unknown_template_is_refused() {
    let device = Device { board: board("TMPLother", 0), ..Device::good() };
    let why = "board info: not correct device";
    let world = check(device, provision(), &failed(why), &format!("gives up: {why}"));
    assert_eq!(world.device_requests.len(), 1, "nothing is sent to it");
    assert!(world.story().contains(&"does not know template TMPLother: not correct device".to_owned()));
}

#[test]
fn the_result_of_the_last_attempt_is_read() {
    let device = Device { board: board(TEMPLATE, 722), ..Device::good() };
    let mut world = World::new(phone_config(), device);
    assert_eq!(world.run(Command::Join { ap: None }), Status::Done);
    assert_eq!(world.run(Command::BoardInfo), Status::Done);
    assert_eq!(world.story()[1], "reads board info: last error 722");
}

#[test]
fn broken_json_is_reported() {
    let broken = Reply::ok(r#"[{"ssid":"the "best" net","bssid":"","rssi":-50,"sec":"OPEN","ch":1}]"#);
    let device = Device { networks: broken, ..Device::good() };
    let why = "scan networks: the reply is not the JSON it should be";
    check(device, provision(), &failed(why), &format!("gives up: {why}"));
    let device = Device { board: Reply::ok(r#"{"tmpl_id":"TMPL"#), ..Device::good() };
    let why = "board info: the reply is not the JSON it should be";
    check(device, provision(), &failed(why), &format!("gives up: {why}"));
}

#[test]
fn a_lost_reply_is_no_error_when_the_access_point_goes() {
    let device = Device { config: Reply::Never, ..Device::good() };
    let world = check(device, provision(), &Status::Done, "names the device Kitchen");
    assert!(world.story().contains(&"gets no reply to the configuration".to_owned()));
}

#[test]
fn a_lost_reply_is_an_error_when_the_access_point_stays() {
    let device = Device { config: Reply::Never, off_after: None, ..Device::good() };
    let why = "configure: no reply, and the access point is still there";
    check(device, provision(), &failed(why), &format!("gives up: {why}"));
}

#[test]
fn a_refused_configuration_is_told() {
    let refusal = r#"{"status":"error","msg":"Configuration invalid"}"#;
    let device = Device { config: Reply::With(500, refusal.into()), off_after: None, ..Device::good() };
    let why = "configure: status 500, Configuration invalid";
    let world = check(device, provision(), &failed(why), &format!("gives up: {why}"));
    assert_eq!(world.phone.observations().http_status, Some(500));
    assert_eq!(world.phone.observations().http_body, refusal.as_bytes());
}

#[test]
fn the_board_info_is_asked_for_five_times() {
    let device = Device { board: Reply::Never, ..Device::good() };
    let why = "board info: no reply in time";
    let world = check(device, provision(), &failed(why), &format!("gives up: {why}"));
    assert_eq!(world.device_requests.len(), 5);
}

#[test]
fn a_lost_access_point_is_joined_again() {
    let device = Device { drops_at: Some(Instant::from_millis(9_000)), ..Device::good() };
    let world = check(device, provision(), &Status::Done, "names the device Kitchen");
    let joined = world.story().iter().filter(|line| **line == format!("joins {AP_NAME}")).count();
    assert_eq!(joined, 2);
}

#[test]
fn an_access_point_that_is_not_there_is_looked_for_for_a_minute() {
    let mut world = World::new(phone_config(), Device::good());
    world.is_ap_on = false;
    let begun = world.now;
    assert_eq!(world.run(Command::Join { ap: None }), failed("join: no such access point"));
    assert_eq!(world.now - begun, JOIN_LIMIT);
}

#[test]
fn an_access_point_without_addresses_is_left() {
    let device = Device { gives_addresses: false, ..Device::good() };
    let why = "join: the access point gives no address";
    check(device, provision(), &failed(why), &format!("gives up: {why}"));
}

#[test]
fn a_device_that_never_comes_online_is_given_up() {
    let mut world = World::new(phone_config(), Device::good());
    world.offline_answers = usize::MAX;
    let why = "wait online: the device is not online";
    assert_eq!(world.run(Command::GetToken { reconfigure: false }), Status::Done);
    let begun = world.now;
    assert_eq!(world.run(Command::WaitOnline { limit: Duration::from_secs(30) }), failed(why));
    assert!(world.now - begun <= Duration::from_secs(30));
    assert_eq!(world.phone.observations().cloud_status, Some(200));
}

#[test]
fn a_wrong_password_of_the_account_gets_no_token() {
    let account = Account { email: "user@example.com".into(), password: Secret::new("wrong") };
    let config = PhoneConfig { account, ..phone_config() };
    let why = "get token: the cloud answers with status 401";
    check_with(config, Device::good(), provision(), &failed(why), &format!("gives up: {why}"));
}

#[test]
fn reconfiguring_names_the_device() {
    let mut world = World::new(phone_config(), Device::good());
    let reconfigure = || Command::GetToken { reconfigure: true };
    assert_eq!(world.run(reconfigure()), failed("get token: no device was set up before"));
    assert_eq!(world.run(Command::GetToken { reconfigure: false }), Status::Done);
    assert_eq!(world.run(reconfigure()), Status::Done);
    assert!(world.cloud_requests.last().unwrap().ends_with("\r\n\r\n{\"deviceId\":42}"));
}

#[test]
fn a_double_submit_sends_two_requests() {
    let behaviour = Behaviour { double_submit: true, parallel_board_info: true, ..Behaviour::GOOD };
    let config = PhoneConfig { behaviour, ..phone_config() };
    let last = "names the device Kitchen";
    let world = check_with(config, Device::good(), provision(), &Status::Done, last);
    let count = |route| world.device_requests.iter().filter(|request| request.contains(route)).count();
    assert_eq!((count("/config"), count("/board_info.json")), (2, 2));
    let replies = world.events.iter().filter(|event| **event == Event::SecondReply(Some(200))).count();
    assert_eq!(replies, 2);
}

#[test]
fn closing_before_the_reply_still_delivers_the_request() {
    let behaviour = Behaviour { close_before_reply: true, ..Behaviour::GOOD };
    let config = PhoneConfig { behaviour, ..phone_config() };
    let last = "names the device Kitchen";
    let world = check_with(config, Device::good(), provision(), &Status::Done, last);
    assert!(world.device_requests.last().unwrap().starts_with("GET /config?"));
    // It is gone when the device has its request, and not when the device has answered.
    let place = |event: &str| world.story().iter().position(|told| told.starts_with(event)).unwrap();
    assert_eq!(place("closes the connection"), place("sends the configuration") + 1);
}

#[test]
fn a_slow_sender_takes_its_time() {
    let behaviour = Behaviour { bytes_per_second: Some(50), ..Behaviour::GOOD };
    let mut world = World::new(PhoneConfig { behaviour, ..phone_config() }, Device::good());
    assert_eq!(world.run(Command::Join { ap: None }), Status::Done);
    let begun = world.now;
    assert_eq!(world.run(Command::BoardInfo), Status::Done);
    let len = u64::try_from(world.device_requests[0].len()).unwrap();
    assert_eq!((world.now - begun).total_millis(), (len - 1) * 20);
}

#[test]
fn any_request_can_be_sent() {
    let mut world = World::new(phone_config(), Device::good());
    assert_eq!(world.run(Command::Join { ap: Some(AP_NAME.into()) }), Status::Done);
    let request = Request {
        method: "POST".into(),
        headers: vec![("X-Test".into(), "1".into())],
        body: b"a=b".to_vec(),
        ..Request::get("/secret?token=hidden")
    };
    assert_eq!(world.run(Command::Request(request)), Status::Done);
    assert_eq!(world.story()[1], "asks POST /secret and gets status 404");
    assert_eq!(world.phone.observations().http_body, b"Not found");
    assert_eq!(world.run(Command::Leave), Status::Done);
    assert_eq!(world.phone.observations().joined, None);
    let why = "request: the access point was lost";
    assert_eq!(world.run(Command::Request(Request::get("/"))), failed(why));
}

#[test]
fn every_system_questions_the_network_in_its_own_way() {
    let conclude = |model, device: Device| {
        let mut world = World::new(PhoneConfig { model, ..phone_config() }, device);
        assert_eq!(world.run(Command::Join { ap: None }), Status::Done);
        world.wait(Duration::from_secs(20));
        let request = world.device_requests.first().map(|request| request.lines().next().unwrap().to_owned());
        (world.phone.observations().connectivity.clone(), request)
    };
    let portal = Device {
        answers_every_name: true,
        other: Reply::Redirect("http://192.168.4.1/".into()),
        ..Device::good()
    };
    let found = Some(Connectivity::CaptivePortal(Some("http://192.168.4.1/".into())));
    for (model, request) in [
        (Model::Ios, "GET /hotspot-detect.html HTTP/1.0"),
        (Model::Android, "GET /generate_204 HTTP/1.1"),
        (Model::Windows, "GET /connecttest.txt HTTP/1.1"),
    ] {
        assert_eq!(conclude(model, portal.clone()), (found.clone(), Some(request.to_owned())));
        assert_eq!(conclude(model, Device::good()), (Some(Connectivity::NoInternet), None));
    }
    assert_eq!(conclude(Model::App, portal), (None, None));
}

#[test]
fn a_new_command_abandons_the_one_under_way() {
    let mut world = World::new(phone_config(), Device { board: Reply::Never, ..Device::good() });
    assert_eq!(world.run(Command::Join { ap: None }), Status::Done);
    world.phone.command(world.now, Command::BoardInfo);
    world.wait(Duration::from_secs(3));
    assert_eq!(world.run(Command::ScanNetworks), Status::Done);
    world.phone.command(world.now, Command::Resolve);
    assert_eq!(world.run(Command::Resolve), Status::Done);
    assert_eq!(world.phone.observations().setup_address, Some(SETUP_ADDRESS));
}
