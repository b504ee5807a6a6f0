//! Stories about one region and one client on the same segment.

mod delivery;
mod directory;
mod http_api;
mod through_a_router;

use firmware_core::cloud::codec::{Command, Frame as Message, Status};
use firmware_core::random::SplitMix64;
use hil_link::modelled_tls::Certificate;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpEndpoint, Ipv4Address, Ipv4Cidr};

use super::actor::CONNECTIONS_MAX;
use super::http::Parsed;
use super::*;
use crate::actor::{Outbox, Port, soonest};
use crate::stack::{Frame, Stack};

const TEMPLATE: &str = "TMPLtest0001";
/// The token of `blynk-protocol.md`, valid nowhere else.
const TOKEN: &str = "GoldenToken0123456789abcdefghij_";
const ADDRESS: Ipv4Address = Ipv4Address::new(198, 18, 0, 10);
/// What comes back when nothing does.
const NOTHING: [u8; 0] = [];
const SOON: Duration = Duration::from_millis(100);

/// One region and one client on the same segment.
struct Net {
    now: Instant,
    cloud: Cloud,
    client: Stack,
    events: Vec<Event>,
    carried: Vec<Frame>,
    last_port: u16,
}

/// A region with its address and its name.
fn config(behaviour: Behaviour) -> CloudConfig {
    CloudConfig {
        name: "blynk".into(),
        mac: EthernetAddress([2, 0, 0, 0, 0, 1]),
        address: ADDRESS,
        hosts: vec!["blynk.cloud".into()],
        certificate: Certificate::Good,
        behaviour,
        unix_time_s: 1_750_000_000,
    }
}

impl Net {
    fn new() -> Self {
        Self::with(Behaviour::DOCUMENTED, OldToken::GoodUntilNewIsUsed)
    }

    fn with(behaviour: Behaviour, old_token: OldToken) -> Self {
        let account = Account { email: "boss@example.com".into(), password: "secret".into() };
        let template = Template { id: TEMPLATE.into(), name: "Lamp".into() };
        let directory = Directory::new(vec![account], vec![template], old_token, 1).shared();
        let config = config(behaviour);
        let now = Instant::ZERO;
        let mut client = Stack::new(EthernetAddress([2, 0, 0, 0, 0, 2]), 3, now);
        client.set_address(Some(Ipv4Cidr::new(Ipv4Address::new(198, 18, 0, 99), 15)), None);
        let cloud = Cloud::new(config, directory, 2, now);
        Self { now, cloud, client, events: Vec::new(), carried: Vec::new(), last_port: 1_000 }
    }

    /// Carries frames, each at once, for this long.
    #[track_caller]
    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..100_000 {
            self.client.poll(self.now);
            let mut moved = false;
            while let Some(frame) = self.client.pop_sent() {
                moved = true;
                self.carried.push(frame.clone());
                self.cloud.handle_frame(self.now, Port::Internet, frame);
            }
            let mut out = Outbox::default();
            self.cloud.poll(self.now, &mut out);
            moved |= !out.frames.is_empty();
            for (_, frame) in out.frames {
                self.carried.push(frame.clone());
                self.client.receive(frame);
            }
            self.events.append(&mut out.events);
            if moved {
                continue;
            }
            let due = self.cloud.next_wake(self.now);
            assert!(due.is_none_or(|at| at > self.now), "a poll does all that is due");
            match soonest(due, self.client.poll_at(self.now)) {
                Some(at) if at <= end => self.now = at,
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("time stands still");
    }

    fn connect(&mut self, port: u16) -> SocketHandle {
        self.last_port += 1;
        let handle = self.client.add_tcp(65_535, 65_535);
        let Stack { iface, sockets, .. } = &mut self.client;
        let tcp = sockets.get_mut::<tcp::Socket>(handle);
        tcp.connect(iface.context(), IpEndpoint::new(ADDRESS.into(), port), self.last_port).unwrap();
        self.run(SOON);
        handle
    }

    /// Says something and returns what comes back soon.
    #[track_caller]
    fn say(&mut self, socket: SocketHandle, bytes: &[u8]) -> Vec<u8> {
        assert_eq!(self.client.tcp(socket).send_slice(bytes), Ok(bytes.len()));
        self.listen(socket, SOON)
    }

    fn listen(&mut self, socket: SocketHandle, span: Duration) -> Vec<u8> {
        self.run(span);
        let mut heard = Vec::new();
        let tcp = self.client.tcp(socket);
        while tcp.can_recv() {
            tcp.recv(|data| (data.len(), heard.extend_from_slice(data))).unwrap();
        }
        heard
    }

    fn is_open(&mut self, socket: SocketHandle) -> bool {
        self.client.tcp(socket).state() == tcp::State::Established
    }

    /// A device's connection that is logged in.
    #[track_caller]
    fn log_in(&mut self, token: &str) -> SocketHandle {
        let socket = self.connect(8080);
        assert_eq!(self.say(socket, &login(token)), hex("00000100c8"));
        socket
    }

    /// A device that exists and is logged in.
    #[track_caller]
    fn device(&mut self) -> SocketHandle {
        self.cloud.service().directory().borrow_mut().add_device(self.now, TEMPLATE, TOKEN);
        self.log_in(TOKEN)
    }

    fn status(&self, token: &str) -> Option<DeviceStatus> {
        self.cloud.service().device_status(self.now, token)
    }
}

fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|digit| *digit != b' ').collect();
    let pairs = digits.chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn frame(command: Command, id: u16, body: &str) -> Vec<u8> {
    encode(&Message::Message { command, id, body: body.as_bytes() })
}

fn answer(id: u16, status: u16) -> Vec<u8> {
    encode(&Message::Response { id, status: Status(status) })
}

fn encode(message: &Message<'_>) -> Vec<u8> {
    let mut out = vec![0; 70_000];
    let len = message.encode(&mut out).unwrap();
    out.truncate(len);
    out
}

fn login(token: &str) -> Vec<u8> {
    frame(Command::HardwareLogin, 1, token)
}

fn info(heartbeat: &str, template: &str) -> Vec<u8> {
    frame(Command::Internal, 2, &format!("mcu\00.1.0\0h-beat\0{heartbeat}\0tmpl\0{template}"))
}

#[test]
fn both_kinds_of_login_are_taken() {
    let mut net = Net::new();
    net.device();
    let older = net.connect(80);
    assert_eq!(net.say(older, &frame(Command::Login, 1, TOKEN)), answer(1, 200));
    assert_eq!(net.say(older, &frame(Command::Login, 22, TOKEN)), hex("0000160004"));
    assert_eq!(net.say(older, &hex("0600030000")), answer(3, 200), "a ping");
}

#[test]
fn an_unknown_token_is_refused_and_may_be_corrected() {
    let mut net = Net::new();
    net.cloud.service().directory().borrow_mut().add_device(net.now, TEMPLATE, TOKEN);
    let socket = net.connect(80);
    let wrong = "x".repeat(32);
    assert_eq!(net.say(socket, &login(&wrong)), hex("0000010009"));
    assert_eq!(net.say(socket, &login(&format!(" {TOKEN}\n"))), hex("00000100c8"));
    let refused = Event::LoginRefused { status: 9 };
    assert_eq!(net.events, [Event::Connected { secure: false }, refused, Event::LoggedIn { device: 1 }]);
}

#[test]
fn whoever_speaks_before_the_login_is_shown_the_door() {
    let mut net = Net::new();
    let socket = net.connect(80);
    assert_eq!(net.say(socket, &hex("0600030000")), NOTHING);
    assert!(!net.is_open(socket));
}

#[test]
fn bytes_may_come_one_by_one_or_all_at_once() {
    let mut net = Net::new();
    net.cloud.service().directory().borrow_mut().add_device(net.now, TEMPLATE, TOKEN);
    let socket = net.connect(8080);
    let everything = [login(TOKEN), hex("0600020000"), hex("0600030000")].concat();
    let expected = [answer(1, 200), answer(2, 200), answer(3, 200)].concat();
    assert_eq!(net.say(socket, &everything), expected);
    let slow = net.connect(8080);
    let heard: Vec<u8> = everything.iter().flat_map(|byte| net.say(slow, &[*byte])).collect();
    assert_eq!(heard, expected);
}

#[test]
fn tls_shows_the_certificate_and_then_passes_bytes() {
    let mut net = Net::new();
    net.cloud.service().directory().borrow_mut().add_device(net.now, TEMPLATE, TOKEN);
    let socket = net.connect(443);
    assert_eq!(net.say(socket, b"MTLS\x01\x0bblynk.cloud"), b"MTLS\x02\x00\x0bblynk.cloud");
    assert_eq!(net.say(socket, &login(TOKEN)), hex("00000100c8"));
    assert_eq!(net.events[0], Event::Connected { secure: true });
    let other = net.connect(443);
    assert_eq!(net.say(other, b"MTLS\x01\x04evil"), b"MTLS\x02\x00\x0dwrong.example");
    net.cloud.service_mut().set_certificate(Certificate::Expired);
    let expired = net.connect(9443);
    assert_eq!(net.say(expired, b"MTLS\x01\x0bblynk.cloud"), b"MTLS\x02\x01\x0bblynk.cloud");
    let plain = net.connect(443);
    assert_eq!(net.say(plain, &login(TOKEN)), NOTHING);
    assert!(!net.is_open(plain), "plain bytes on an encrypted port");
}

#[test]
fn the_first_info_activates_a_provision_token() {
    let mut net = Net::new();
    let (device, token) = net.cloud.service_mut().issue_token(net.now);
    assert_eq!((token.len(), net.status(&token)), (32, Some(DeviceStatus::NeverSeen)));
    let socket = net.log_in(&token);
    assert_eq!(net.status(&token), Some(DeviceStatus::Offline), "not before its info");
    assert_eq!(net.say(socket, &info("10", TEMPLATE)), answer(2, 200));
    assert_eq!(net.status(&token), Some(DeviceStatus::Online));
    let template = TEMPLATE.into();
    assert_eq!(net.events.last(), Some(&Event::Activated { device, template }));
}

#[test]
fn real_clients_infos_are_understood() {
    for (name, bytes) in [
        (
            "Arduino 1.4.0",
            "11000200786d637500302e312e300066772d7479706500544d504c7465737430303031006275696c64004e6f7620323220323032362031303a34303a353600626c796e6b00312e342e3000682d6265617400343000627566662d696e00313032340064657600455350333200746d706c00544d504c7465737430303031",
        ),
        (
            "Linux 1.4.0",
            "110002008276657200312e342e3000682d6265617400313000627566662d696e003430393600646576004c696e75780066772d7479706500544d504c746573743030303100667700302e312e30006275696c64004e6f7620323220323032362031303a33323a333900636f6e6e00536f636b657400746d706c00544d504c746573743030303100",
        ),
    ] {
        let mut net = Net::new();
        let (device, token) = net.cloud.service_mut().issue_token(net.now);
        let socket = net.log_in(&token);
        assert_eq!(net.say(socket, &hex(bytes)), answer(2, 200), "{name}");
        assert_eq!(net.status(&token), Some(DeviceStatus::Online), "{name}");
        let directory = net.cloud.service().directory().borrow();
        let mut info = directory.device(device).unwrap().info();
        assert!(info.any(|pair| pair == (b"tmpl", TEMPLATE.as_bytes())), "{name}");
    }
}

#[test]
fn an_unknown_template_leaves_the_token_unactivated() {
    let mut net = Net::new();
    let (device, token) = net.cloud.service_mut().issue_token(net.now);
    let socket = net.log_in(&token);
    net.say(socket, &info("10", "TMPLother"));
    assert!(net.is_open(socket));
    assert_eq!(net.status(&token), Some(DeviceStatus::Offline));
    assert_eq!(net.events.last(), Some(&Event::TemplateUnknown { device, template: "TMPLother".into() }));

    let behaviour = Behaviour { wrong_template: WrongTemplate::Refuse(6), ..Behaviour::DOCUMENTED };
    let mut net = Net::with(behaviour, OldToken::Invalid);
    let (_, token) = net.cloud.service_mut().issue_token(net.now);
    let socket = net.log_in(&token);
    assert_eq!(net.say(socket, &info("10", "TMPLother")), answer(2, 6));
    assert!(!net.is_open(socket));
}

#[test]
fn an_unused_provision_token_ends_after_a_week() {
    let mut net = Net::new();
    let (_, unused) = net.cloud.service_mut().issue_token(net.now);
    let (_, used) = net.cloud.service_mut().issue_token(net.now);
    let socket = net.log_in(&used);
    net.say(socket, &info("10", TEMPLATE));
    net.run(PROVISION_TOKEN_LIFE);
    assert_eq!(net.status(&unused), None);
    assert_eq!(net.status(&used), Some(DeviceStatus::Offline));
}

#[test]
fn silence_ends_a_connection() {
    let mut net = Net::new();
    let socket = net.device();
    net.run(Duration::from_millis(22_800));
    assert!(net.is_open(socket));
    net.run(SOON);
    assert!(!net.is_open(socket), "23 s before the info");

    let socket = net.log_in(TOKEN);
    net.say(socket, &info("40", TEMPLATE));
    net.run(Duration::from_millis(59_800));
    assert!(net.is_open(socket));
    assert_eq!(net.say(socket, &hex("0600030000")), answer(3, 200));
    net.run(Duration::from_millis(59_800));
    assert_eq!(net.status(TOKEN), Some(DeviceStatus::Online));
    net.run(Duration::from_millis(200));
    assert_eq!(net.status(TOKEN), Some(DeviceStatus::Offline), "1.5 times the heartbeat");
    assert_eq!(net.events.last(), Some(&Event::Offline { device: 1 }));
}

#[test]
fn a_peer_that_vanished_is_forgotten_and_nothing_stays_due() {
    let mut net = Net::new();
    net.device();
    net.client = Stack::new(EthernetAddress([2, 0, 0, 0, 0, 3]), 4, net.now);
    net.run(Duration::from_secs(120));
    assert_eq!(net.status(TOKEN), Some(DeviceStatus::Offline));
    assert_eq!(net.cloud.connection_count(), 0);
    assert_eq!(net.cloud.next_wake(net.now), None);
}

#[test]
fn a_second_login_ends_the_first() {
    let mut net = Net::new();
    let first = net.device();
    let second = net.log_in(TOKEN);
    assert!(!net.is_open(first));
    assert_eq!(net.say(second, &hex("0600030000")), answer(3, 200));
    assert_eq!(net.status(TOKEN), Some(DeviceStatus::Online));
    assert!(net.events.contains(&Event::Replaced { device: 1 }));
    assert!(!net.events.contains(&Event::Offline { device: 1 }));

    let behaviour = Behaviour { second_login: SecondLogin::Refuse, ..Behaviour::DOCUMENTED };
    let mut net = Net::with(behaviour, OldToken::Invalid);
    let first = net.device();
    let second = net.connect(8080);
    assert_eq!(net.say(second, &login(TOKEN)), answer(1, 4));
    assert!(net.is_open(first));
}

#[test]
fn a_login_can_be_answered_with_anything() {
    let mut net = Net::new();
    net.cloud.service().directory().borrow_mut().add_device(net.now, TEMPLATE, TOKEN);
    let socket = net.connect(80);
    net.cloud.service_mut().set_login_answer(LoginAnswer::Silent);
    assert_eq!(net.say(socket, &login(TOKEN)), NOTHING);
    net.cloud.service_mut().set_login_answer(LoginAnswer::Status(19));
    assert_eq!(net.say(socket, &login(TOKEN)), answer(1, 19));
    net.cloud.service_mut().set_redirect(Some(("127.0.0.1".into(), 8080)));
    assert_eq!(net.say(socket, &login(TOKEN)), hex("290001000e3132372e302e302e31003830 3830"));
    assert_eq!(net.events.last(), Some(&Event::RedirectSent { host: "127.0.0.1".into() }));
    net.cloud.service_mut().set_redirect(None);
    net.cloud.service_mut().set_login_answer(LoginAnswer::Normal);
    assert_eq!(net.say(socket, &login(TOKEN)), answer(1, 200));
}

#[test]
fn a_mute_cloud_takes_bytes_and_says_nothing() {
    let mut net = Net::new();
    let socket = net.device();
    net.cloud.service_mut().set_mute(true);
    assert_eq!(net.say(socket, &hex("0600030000")), NOTHING);
    assert!(net.is_open(socket));
    let secure = net.connect(443);
    assert_eq!(net.say(secure, b"MTLS\x01\x0bblynk.cloud"), b"MTLS\x02\x00\x0bblynk.cloud");
    assert_eq!(net.say(secure, &login(TOKEN)), NOTHING);
    net.cloud.service_mut().set_mute(false);
    assert_eq!(net.say(socket, &hex("0600040000")), answer(4, 200));
}

#[test]
fn pins_are_written_kept_and_synchronised() {
    let mut net = Net::new();
    let socket = net.device();
    let writes = ["14000300087677003500313233", "140004000c767700360061003200332e35", "14000900057677003600"];
    assert_eq!(net.say(socket, &hex(writes[0])), NOTHING, "success is not acknowledged");
    assert_eq!(net.say(socket, &hex(writes[1])), NOTHING);
    assert_eq!(net.cloud.service().pin(1, 5), Some(b"123".to_vec()));
    assert_eq!(net.events.last(), Some(&Event::Written { device: 1, pin: 6, value: "a 2 3.5".into() }));
    let all = [hex("1400100008767700350031 3233"), hex("140010000c767700360061003200332e35")];
    assert_eq!(net.say(socket, &hex("1000100000")), all.concat());
    assert_eq!(net.say(socket, &frame(Command::HardwareSync, 16, "vr\x005\x007")), all[0]);
    assert_eq!(net.say(socket, &hex(writes[2])), NOTHING, "an empty value");
    assert_eq!(net.cloud.service().pin(1, 6), Some(Vec::new()));
}

#[test]
fn wrong_bodies_are_answered_with_a_status() {
    let mut net = Net::new();
    let socket = net.device();
    for (command, body, expected) in [
        (Command::Hardware, "vw\x005", 2),
        (Command::Hardware, "vw\x00256\x001", 2),
        (Command::Hardware, "vw\0+5\x001", 2),
        (Command::Hardware, "zz\x005\x001", 2),
        (Command::HardwareSync, "vr\0x", 2),
        (Command::HardwareSync, "dr\x001", 2),
        (Command::Internal, "", 2),
        (Command::Property, "1\0label\0Hello", 200),
        (Command::Property, "1\0label", 11),
        (Command::Property, "1\0smell\0good", 11),
        (Command::EventLog, "evt\0descr", 200),
        (Command::EventLog, "", 11),
        (Command::Other(12), "tweet", 2),
    ] {
        assert_eq!(net.say(socket, &frame(command, 7, body)), answer(7, expected), "{command:?} {body:?}");
    }
    assert_eq!(
        net.cloud.service().directory().borrow().device(1).unwrap().events(),
        [("evt".into(), "descr".into())]
    );
    assert!(net.is_open(socket));
}

#[test]
fn the_longest_frame_there_is_gets_through() {
    let mut net = Net::new();
    let socket = net.device();
    let value = "7".repeat(65_535 - 5);
    let long = frame(Command::Hardware, 3, &format!("vw\09\0{value}"));
    assert_eq!(net.client.tcp(socket).send_slice(&long), Ok(65_535));
    net.run(SOON);
    assert_eq!(net.say(socket, &long[65_535..]), NOTHING);
    assert_eq!(net.cloud.service().pin(1, 9).map(|value| value.len()), Some(65_530));
}

#[test]
fn too_many_frames_in_a_second_end_the_connection() {
    let mut net = Net::new();
    let socket = net.device();
    net.run(Duration::from_millis(1_000) - SOON * 2);
    net.say(socket, &hex("0600030000").repeat(50));
    assert!(net.is_open(socket));
    net.say(socket, &hex("0600030000").repeat(51));
    assert!(!net.is_open(socket));
}

#[test]
fn time_and_metadata_are_answered_under_the_requests_id() {
    let mut net = Net::new();
    let socket = net.device();
    net.run(Duration::from_millis(4_900) - Duration::from_millis(net.now.total_millis() as u64));
    let internal = |id, body: &str| frame(Command::Internal, id, body);
    assert_eq!(net.say(socket, &internal(26, "rtc\0sync")), internal(26, "rtc\x001750000004"));
    net.run(SOON);
    assert_eq!(net.say(socket, &internal(23, "utc\0time")), internal(23, "utc\0time\x001750000005100"));
    assert_eq!(net.say(socket, &internal(24, "utc\0tz")), internal(24, "utc\0tz\x000\x000"));
    let name = internal(25, "meta\0get\0Device Name");
    assert_eq!(net.say(socket, &name), internal(25, "meta\0Device Name\0New Device"));
    let hotspot = internal(28, "meta\0set\0Hotspot Name\0Blynk Probe-AB12");
    assert_eq!(net.say(socket, &hotspot), answer(28, 200));
    let (field, value) = ("Hotspot Name".into(), "Blynk Probe-AB12".into());
    assert_eq!(net.events.last(), Some(&Event::MetaSet { device: 1, field, value }));
    assert_eq!(net.say(socket, &internal(29, "meta\0set\0Shoe Size\x0044")), answer(29, 11));
}

#[test]
fn a_deleted_device_is_put_out_and_refused() {
    let mut net = Net::new();
    let socket = net.device();
    assert!(net.cloud.service_mut().delete_device(1));
    net.run(SOON);
    assert!(!net.is_open(socket));
    let again = net.connect(80);
    assert_eq!(net.say(again, &login(TOKEN)), answer(1, 9));
    assert!(!net.cloud.service_mut().delete_device(1));
}

#[test]
fn dropped_connections_are_reset_and_a_cloud_without_power_is_silent() {
    let mut net = Net::new();
    let socket = net.device();
    net.cloud.drop_connections();
    net.run(SOON);
    assert_eq!(net.client.tcp(socket).state(), tcp::State::Closed);
    assert_eq!(net.events.last(), Some(&Event::Offline { device: 1 }));

    let socket = net.log_in(TOKEN);
    net.cloud.set_power(false);
    assert_eq!(net.say(socket, &hex("0600030000")), NOTHING);
    assert_eq!(net.status(TOKEN), Some(DeviceStatus::Offline));
    assert_eq!(net.events.last(), Some(&Event::LoggedIn { device: 1 }), "it has no time to tell");
    net.cloud.set_power(true);
    net.run(Duration::from_secs(5));
    assert_eq!(net.client.tcp(socket).state(), tcp::State::Closed, "nobody knows the connection any more");
}

#[test]
fn many_connect_at_one_moment_and_too_many_are_turned_away() {
    let mut net = Net::new();
    // Who one is must be known first, or the cloud asks and answers one at a time.
    net.connect(80);
    let sockets: Vec<_> = (2..=CONNECTIONS_MAX + 1)
        .map(|n| {
            let handle = net.client.add_tcp(64, 64);
            let Stack { iface, sockets, .. } = &mut net.client;
            let tcp = sockets.get_mut::<tcp::Socket>(handle);
            let port = 2_000 + u16::try_from(n).unwrap();
            tcp.connect(iface.context(), IpEndpoint::new(ADDRESS.into(), 443), port).unwrap();
            handle
        })
        .collect();
    net.run(SOON);
    let open = sockets.iter().filter(|socket| net.is_open(**socket)).count();
    assert_eq!(open, CONNECTIONS_MAX - 1);
}

#[test]
fn regions_share_their_devices() {
    let mut net = Net::new();
    net.device();
    let config = CloudConfig { name: "fra1".into(), ..config(Behaviour::DOCUMENTED) };
    let directory = net.cloud.service().directory().clone();
    let other = Cloud::new(config, directory, 9, net.now);
    assert_eq!(other.service().device_status(net.now, TOKEN), Some(DeviceStatus::Online));
}

#[test]
fn no_secret_is_shown() {
    let mut net = Net::new();
    let (_, token) = net.cloud.service_mut().issue_token(net.now);
    net.log_in(&token);
    let told: Vec<String> = net.events.iter().map(Event::to_string).collect();
    let shown = format!("{:?} {:?} {:?} {told:?}", net.cloud, net.cloud.service().directory(), net.events);
    assert!(!shown.contains(&token) && !shown.contains("secret"));
}

#[test]
fn the_same_story_gives_the_same_frames() {
    let run = || {
        let mut net = Net::new();
        let (_, token) = net.cloud.service_mut().issue_token(net.now);
        let socket = net.log_in(&token);
        net.say(socket, &info("10", TEMPLATE));
        net.run(Duration::from_secs(60));
        (net.carried, token)
    };
    assert!(run() == run());
}

#[test]
fn damaged_frames_do_no_harm() {
    let mut net = Net::new();
    let socket = net.device();
    net.say(socket, &info("40", TEMPLATE));
    net.say(socket, &frame(Command::Hardware, 3, "vw\x005\x001"));
    let mut random = SplitMix64::new(5);
    for n in 0..4_000 {
        let mut frame = net.carried[n % net.carried.len()].clone();
        let at = random.below(frame.len() as u64) as usize;
        frame[at] = random.next_u64() as u8;
        if n % 5 == 0 {
            frame.truncate(at);
        }
        net.cloud.handle_frame(net.now, Port::Internet, frame);
        let mut out = Outbox::default();
        net.cloud.poll(net.now, &mut out);
        assert!(net.cloud.next_wake(net.now).is_none_or(|at| at > net.now));
    }
}

#[test]
fn no_bytes_make_the_parsers_fail() {
    let mut random = SplitMix64::new(6);
    let request = b"POST /a?b=%41%&c HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
    for n in 0..20_000 {
        let mut bytes = request.to_vec();
        for _ in 0..n % 4 {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.next_u64() as u8;
        }
        if let Parsed::Request(_, len) = http::read(&bytes) {
            assert!(len <= bytes.len());
        }
    }
}
