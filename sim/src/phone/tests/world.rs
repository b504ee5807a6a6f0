//! A world just big enough for a phone: one access point with canned answers, and one cloud.

use firmware_core::config::Ssid;
use firmware_core::hal::{JoinFailure, Network, RadioCommand, RadioEvent, Security};
use hil_link::modelled_tls::{Certificate, read_client_hello, write_server_hello};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, Ipv4Address, Ipv4Cidr};

use super::super::*;
use crate::stack::Stack;

pub(super) const AP_NAME: &str = "Blynk Thermostat-R40J";
pub(super) const TOKEN: &str = "GoldenToken0123456789abcdefghij_";
pub(super) const TEMPLATE: &str = "TMPLtest0001";
const PHONE_ADDRESS: Ipv4Address = Ipv4Address::new(192, 168, 4, 2);
const CLOUD_ADDRESS: Ipv4Address = Ipv4Address::new(198, 18, 0, 1);
const AP_MAC: EthernetAddress = EthernetAddress([0x24, 0x0A, 0xC4, 0, 1, 0x11]);

/// What a server does with a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reply {
    With(u16, String),
    Redirect(String),
    Never,
}

impl Reply {
    pub(super) fn ok(body: &str) -> Self {
        Self::With(200, body.to_owned())
    }
}

/// What the access point does.
#[derive(Clone)]
pub(super) struct Device {
    pub(super) gives_addresses: bool,
    pub(super) answers_every_name: bool,
    pub(super) board: Reply,
    pub(super) networks: Reply,
    pub(super) config: Reply,
    pub(super) other: Reply,
    /// How long after `/config` the access point goes away.
    pub(super) off_after: Option<Duration>,
    /// When the access point throws the phone out, once.
    pub(super) drops_at: Option<Instant>,
}

pub(super) fn board(template: &str, last_error: u16) -> Reply {
    Reply::ok(&format!(
        r#"{{"board":"Thermostat","tmpl_id":"{template}","fw_type":"{template}","fw_ver":"0.1.0","ssid":"{AP_NAME}","bssid":"24:0A:C4:00:01:11","mac":"24:0A:C4:00:01:10","last_error":{last_error},"wifi_scan":true,"static_ip":true}}"#
    ))
}

impl Device {
    pub(super) fn good() -> Self {
        Self {
            gives_addresses: true,
            answers_every_name: false,
            board: board(TEMPLATE, 0),
            networks: Reply::ok(
                "[\n  {\"ssid\":\"HomeNet\",\"bssid\":\"02:00:00:00:00:01\",\"rssi\":-52,\"sec\":\"WPA2\",\"ch\":6}\n]",
            ),
            config: Reply::ok(r#"{"status":"ok","msg":"Trying to connect..."}"#),
            other: Reply::With(404, "Not found".into()),
            off_after: Some(Duration::from_secs(1)),
            drops_at: None,
        }
    }
}

pub(super) struct Server {
    sockets: Vec<(SocketHandle, Vec<u8>, bool)>,
    port: u16,
    is_secure: bool,
    /// It goes on with a connection that has been answered.
    pub(super) keeps: bool,
    /// Connections that began with a hello.
    pub(super) greeted: usize,
    /// It ends the connection at the request with this number instead of answering.
    pub(super) resets_at: Option<usize>,
    requests: usize,
}

impl Server {
    fn new(stack: &mut Stack, port: u16, is_secure: bool) -> Self {
        let sockets = (0..4).map(|_| (stack.add_tcp(4_096, 8_192), Vec::new(), false)).collect();
        Self { sockets, port, is_secure, keeps: false, greeted: 0, resets_at: None, requests: 0 }
    }

    fn poll(&mut self, stack: &mut Stack, mut answer: impl FnMut(&str) -> Reply) {
        for (handle, buffer, is_greeted) in &mut self.sockets {
            let socket = stack.tcp(*handle);
            if !socket.is_open() {
                buffer.clear();
                *is_greeted = false;
                socket.listen(self.port).unwrap();
            }
            while socket.can_recv() {
                socket.recv(|data| (buffer.extend_from_slice(data), (data.len(), ())).1).unwrap();
            }
            if self.is_secure
                && !*is_greeted
                && let Ok(Some((name, len))) = read_client_hello(buffer)
            {
                let mut hello = [0; 260];
                let hello_len = write_server_hello(name, Certificate::Good, &mut hello);
                socket.send_slice(&hello[..hello_len]).unwrap();
                buffer.drain(..len);
                *is_greeted = true;
                self.greeted += 1;
            }
            if let Some(request) = complete(buffer) {
                buffer.clear();
                self.requests += 1;
                if self.resets_at == Some(self.requests) {
                    socket.abort();
                    continue;
                }
                let connection = if self.keeps { "keep-alive" } else { "close" };
                let wire = match answer(&request) {
                    Reply::Never => continue,
                    Reply::With(status, body) => {
                        format!(
                            "HTTP/1.1 {status} X\r\nConnection: {connection}\r\nContent-Length: {}\r\n\r\n{body}",
                            body.len()
                        )
                    }
                    Reply::Redirect(target) => {
                        format!("HTTP/1.1 302 X\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n")
                    }
                };
                // A client that has closed already gets nothing.
                let _ = socket.send_slice(wire.as_bytes());
                if !self.keeps {
                    socket.close();
                }
            } else if socket.state() == tcp::State::CloseWait {
                socket.close();
            }
        }
    }
}

fn complete(buffer: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(buffer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    (body.len() >= length).then(|| text.to_owned())
}

/// The world: everything around the phone, and the phone.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) phone: Phone,
    pub(super) device: Device,
    pub(super) events: Vec<Event>,
    pub(super) device_requests: Vec<String>,
    pub(super) cloud_requests: Vec<String>,
    pub(super) frames: Vec<(Port, Frame)>,
    pub(super) is_ap_on: bool,
    /// Loses every frame whose number is a multiple of this, in both directions; 0 loses none.
    pub(super) lose_every: usize,
    carried: usize,
    /// How often the cloud says that the device is not online yet.
    pub(super) offline_answers: usize,
    ap: Stack,
    dhcp: SocketHandle,
    dns: SocketHandle,
    http: Server,
    off_at: Option<Instant>,
    cloud: Stack,
    pub(super) api: Server,
    radio: Vec<(Instant, RadioEvent)>,
    is_joined: bool,
}

pub(super) fn phone_config() -> PhoneConfig {
    PhoneConfig {
        name: "phone".into(),
        wifi_mac: EthernetAddress([2, 0, 0, 0, 0, 1]),
        cellular_mac: EthernetAddress([2, 0, 0, 0, 0, 2]),
        cellular_address: Ipv4Address::new(198, 18, 1, 1),
        cloud: ("blynk.cloud".into(), CLOUD_ADDRESS),
        account: Account { email: "user@example.com".into(), password: Secret::new("pass:word") },
        templates: vec![TEMPLATE.into()],
        ap_prefix: "Blynk ".into(),
        model: Model::App,
        trust: None,
        behaviour: Behaviour::GOOD,
    }
}

impl World {
    pub(super) fn new(config: PhoneConfig, device: Device) -> Self {
        let now = Instant::from_secs(5);
        let mut ap = Stack::new(AP_MAC, 1, now);
        ap.set_address(Some(Ipv4Cidr::new(SETUP_ADDRESS, 24)), None);
        let mut cloud = Stack::new(EthernetAddress([2, 0, 0, 0, 0, 3]), 2, now);
        cloud.set_address(Some(Ipv4Cidr::new(CLOUD_ADDRESS, 15)), None);
        Self {
            now,
            phone: Phone::new(config, 7, now),
            device,
            events: Vec::new(),
            device_requests: Vec::new(),
            cloud_requests: Vec::new(),
            frames: Vec::new(),
            is_ap_on: true,
            lose_every: 0,
            carried: 0,
            offline_answers: 2,
            dhcp: ap.add_udp(67, 4),
            dns: ap.add_udp(53, 4),
            http: Server::new(&mut ap, 80, false),
            ap,
            off_at: None,
            api: Server::new(&mut cloud, 443, true),
            cloud,
            radio: Vec::new(),
            is_joined: false,
        }
    }

    /// Lets the phone do something until it has finished.
    pub(super) fn run(&mut self, command: Command) -> Status {
        self.phone.command(self.now, command);
        while self.phone.status() == &Status::Busy {
            self.settle();
            if self.phone.status() == &Status::Busy {
                self.advance();
            }
        }
        self.phone.status().clone()
    }

    /// Lets this much time pass.
    pub(super) fn wait(&mut self, duration: Duration) {
        let until = self.now + duration;
        self.settle();
        while self.next_at().is_some_and(|at| at <= until) {
            self.advance();
            self.settle();
        }
        self.now = until;
    }

    pub(super) fn story(&self) -> Vec<String> {
        self.events.iter().filter(|event| event.is_story()).map(Event::to_string).collect()
    }

    /// Exchanges what can be exchanged without time passing.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            let mut is_quiet = true;
            let radio = core::mem::take(&mut self.radio);
            for (at, event) in radio {
                if at <= self.now {
                    is_quiet = false;
                    self.is_joined |= event == RadioEvent::Joined;
                    self.phone.handle_radio(self.now, event);
                } else {
                    self.radio.push((at, event));
                }
            }
            let mut out = Outbox::default();
            self.phone.poll(self.now, &mut out);
            self.events.append(&mut out.events);
            is_quiet &= out.radio.is_empty() && out.frames.is_empty();
            out.radio.into_iter().for_each(|command| self.command_radio(&command));
            for (port, frame) in out.frames {
                self.frames.push((port, frame.clone()));
                match port {
                    _ if self.is_lost() => {}
                    Port::Air if self.is_joined && self.is_ap_on => self.ap.receive(frame),
                    Port::Air => {}
                    Port::Internet => self.cloud.receive(frame),
                }
            }
            self.poll_ap();
            self.poll_cloud();
            while let Some(frame) = self.ap.pop_sent() {
                if self.is_joined && self.is_ap_on && !self.is_lost() {
                    is_quiet = false;
                    self.phone.handle_frame(self.now, Port::Air, frame);
                }
            }
            while let Some(frame) = self.cloud.pop_sent() {
                if !self.is_lost() {
                    is_quiet = false;
                    self.phone.handle_frame(self.now, Port::Internet, frame);
                }
            }
            if is_quiet {
                let wake = self.phone.next_wake(self.now);
                assert!(wake.is_none_or(|at| at > self.now), "the phone wants {wake:?} at {:?}", self.now);
                return;
            }
        }
        panic!("it never settles");
    }

    fn is_lost(&mut self) -> bool {
        self.carried += 1;
        self.lose_every > 0 && self.carried.is_multiple_of(self.lose_every)
    }

    fn next_at(&mut self) -> Option<Instant> {
        let mut next = soonest(self.phone.next_wake(self.now), self.cloud.poll_at(self.now));
        if self.is_ap_on {
            next = soonest(next, self.ap.poll_at(self.now));
        }
        next = self.radio.iter().fold(next, |next, (at, _)| soonest(next, Some(*at)));
        soonest(next, soonest(self.off_at, self.device.drops_at))
    }

    fn advance(&mut self) {
        let next = self.next_at().expect("somebody waits for something");
        self.now = next.max(self.now);
        if self.off_at.is_some_and(|at| at <= self.now) {
            self.off_at = None;
            self.is_ap_on = false;
            self.disconnect();
        }
        if self.device.drops_at.is_some_and(|at| at <= self.now) {
            self.device.drops_at = None;
            self.disconnect();
        }
    }

    fn disconnect(&mut self) {
        if core::mem::take(&mut self.is_joined) {
            self.phone.handle_radio(self.now, RadioEvent::Disconnected(8));
        }
    }

    fn command_radio(&mut self, command: &RadioCommand) {
        let later = self.now + Duration::from_millis(300);
        self.radio.clear();
        match command {
            RadioCommand::Off => self.is_joined = false,
            RadioCommand::Scan { .. } => {
                let home = network("HomeNet", Security::Wpa2, -40);
                self.radio.push((later, RadioEvent::ScanResult(home)));
                if self.is_ap_on {
                    for (name, rssi) in [("Blynk Other-0N4J", -80), (AP_NAME, -50)] {
                        let found = RadioEvent::ScanResult(network(name, Security::Open, rssi));
                        self.radio.push((later, found));
                    }
                }
                self.radio.push((later, RadioEvent::ScanDone(true)));
            }
            RadioCommand::Join { ssid, .. } if self.is_ap_on && ssid.as_bytes() == AP_NAME.as_bytes() => {
                self.radio.push((later, RadioEvent::Joined));
            }
            RadioCommand::Join { .. } => {
                self.radio.push((later, RadioEvent::JoinFailed(JoinFailure::NotFound)));
            }
            RadioCommand::StartAp { .. } => panic!("a phone opens no access point"),
        }
    }

    fn poll_ap(&mut self) {
        if !self.is_ap_on {
            return;
        }
        self.ap.poll(self.now);
        self.answer_dhcp();
        self.answer_dns();
        let Self { http, ap, device, device_requests, off_at, now, .. } = self;
        http.poll(ap, |request| {
            device_requests.push(request.to_owned());
            let path = request.split(' ').nth(1).unwrap();
            match path.split('?').next().unwrap() {
                "/board_info.json" => device.board.clone(),
                "/wifi_scan.json" => device.networks.clone(),
                "/config" => {
                    *off_at = device.off_after.map(|after| *now + after);
                    device.config.clone()
                }
                _ => device.other.clone(),
            }
        });
        self.ap.poll(self.now);
    }

    fn answer_dhcp(&mut self) {
        let socket = self.ap.udp(self.dhcp);
        let Ok((packet, _)) = socket.recv() else { return };
        let packet = packet.to_vec();
        let packet = DhcpPacket::new_checked(&packet[..]).unwrap();
        let request = DhcpRepr::parse(&packet).unwrap();
        if !self.device.gives_addresses {
            return;
        }
        let message_type = match request.message_type {
            DhcpMessageType::Discover => DhcpMessageType::Offer,
            _ => DhcpMessageType::Ack,
        };
        let reply = DhcpRepr {
            message_type,
            your_ip: PHONE_ADDRESS,
            server_ip: SETUP_ADDRESS,
            router: Some(SETUP_ADDRESS),
            subnet_mask: Some(Ipv4Address::new(255, 255, 255, 0)),
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(SETUP_ADDRESS),
            parameter_request_list: None,
            dns_servers: Some(core::iter::once(SETUP_ADDRESS).collect()),
            max_size: None,
            lease_duration: Some(7_200),
            ..request
        };
        let mut wire = vec![0; reply.buffer_len()];
        reply.emit(&mut DhcpPacket::new_unchecked(&mut wire[..])).unwrap();
        socket.send_slice(&wire, (Ipv4Address::BROADCAST, 68)).unwrap();
    }

    fn answer_dns(&mut self) {
        let answers_every_name = self.device.answers_every_name;
        let socket = self.ap.udp(self.dns);
        while let Ok((query, from)) = socket.recv() {
            let mut reply = query.to_vec();
            let is_known = answers_every_name || query.windows(12).any(|part| part == b"\x05blynk\x05setup");
            let is_address = query.ends_with(&[0, 1, 0, 1]);
            reply[2..4].copy_from_slice(if is_known { &[0x81, 0x80] } else { &[0x81, 0x82] });
            if is_known && is_address {
                reply[7] = 1;
                reply.extend_from_slice(&[0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 168, 4, 1]);
            }
            socket.send_slice(&reply, from.endpoint).unwrap();
        }
    }

    fn poll_cloud(&mut self) {
        self.cloud.poll(self.now);
        let Self { api, cloud, cloud_requests, offline_answers, .. } = self;
        api.poll(cloud, |request| {
            cloud_requests.push(request.to_owned());
            let path = request.split(' ').nth(1).unwrap();
            match path.split('?').next().unwrap() {
                "/oauth2/token" if request.contains("Basic dXNlckBleGFtcGxlLmNvbTpwYXNzOndvcmQ=\r\n") => {
                    Reply::ok(r#"{"access_token":"opaque","token_type":"Bearer","expires_in":86400}"#)
                }
                "/api/v1/organization/device/provision/token"
                | "/api/v1/organization/device/provision/reconfigure"
                    if request.contains("Authorization: Bearer opaque\r\n") =>
                {
                    Reply::ok(&format!(r#"{{"token":"{TOKEN}","deviceId":42}}"#))
                }
                "/external/api/isHardwareConnected" if *offline_answers > 0 => {
                    *offline_answers -= 1;
                    Reply::ok("false")
                }
                "/external/api/isHardwareConnected" => Reply::ok("true"),
                "/external/api/device/meta/update" => Reply::ok(""),
                _ => Reply::With(401, r#"{"error":"invalid_client"}"#.into()),
            }
        });
        self.cloud.poll(self.now);
    }
}

fn network(name: &str, security: Security, rssi: i8) -> Network {
    let ssid = Ssid::new(name.as_bytes()).unwrap();
    Network { ssid, bssid: AP_MAC, channel: 1, rssi, security }
}
