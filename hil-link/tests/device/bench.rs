//! A whole device on a bench: real sockets, real store, a scripted radio, hosts on the cable.

use firmware_core::application::Application;
use firmware_core::cloud::codec::Params;
use firmware_core::cloud::outgoing::Outgoing;
use firmware_core::config::{Config, Host as HostName, Passphrase, Ssid, StaticIp, Token};
use firmware_core::device::Device;
use firmware_core::hal::{Boot, Network, RadioCommand, RadioEvent, ResetCause, Security, Wake};
use firmware_core::net::{
    Buffers, SOCKETS_MAX, TCP_BUFFER_LEN, UDP_BUFFER_LEN, UDP_PACKETS, host_name_option,
};
use firmware_core::panel::Pattern;
use firmware_core::product::{Identity, Product};
use firmware_core::store::Store;
use firmware_core::trace::State;
use firmware_core::{Duration, Instant};
use hil_link::cut_flash::{ArrayFlash, CutFlash};
use hil_link::queues::Effect;
use hil_link::turn_platform::{TurnEnd, TurnPlatform};
use smoltcp::iface::{SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{DhcpOption, EthernetAddress, Ipv4Address};

use super::channel::Channel;
use super::peer::{Cloud, Host};

pub(crate) const TOKEN: &str = "GoldenToken0123456789abcdefghij_";
pub(crate) const PASSPHRASE: &str = "correct horse";
pub(crate) const AP_IP: Ipv4Address = Ipv4Address::new(192, 168, 4, 1);
pub(crate) const CLOUD_IP: Ipv4Address = Ipv4Address::new(192, 168, 1, 1);
pub(crate) const BSSID: EthernetAddress = EthernetAddress([0x0A, 0, 0, 0, 0, 9]);
pub(crate) const PHONE: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0xF0]);

const PRODUCT: Product = match Product::new(Identity {
    template_id: "TMPLtest0001",
    template_name: "Test",
    firmware_version: "0.1.0",
    build: "Nov 22 2026 10:40:56",
    board: "ESP32-C3",
    vendor: "Blynk",
    firmware_type: "",
    captive_portal: false,
}) {
    Ok(product) => product,
    Err(_) => panic!("the product of the tests"),
};

const OPTIONS: &[DhcpOption<'static>] = &[host_name_option(b"Blynk-Test")];

/// A home network with a fixed address and a cloud on its router: nothing but TCP is needed to get online.
pub(crate) fn config(port: u16) -> Config {
    let address = |last| Ipv4Address::new(192, 168, 1, last);
    Config {
        ssid: Ssid::new(b"HomeNet").unwrap(),
        passphrase: Passphrase::new(PASSPHRASE.as_bytes()).unwrap(),
        token: Token::new(TOKEN.as_bytes()).unwrap(),
        host: HostName::try_from("192.168.1.1").unwrap(),
        port,
        static_ip: Some(StaticIp {
            ip: address(50),
            mask: Ipv4Address::new(255, 255, 255, 0),
            gateway: address(1),
            dns: address(1),
            dns2: Ipv4Address::UNSPECIFIED,
        }),
    }
}

/// The request that brings [`config`], plain.
pub(crate) fn config_request() -> String {
    format!(
        "/config?ssid=HomeNet&pass=correct+horse&blynk={TOKEN}&host=192.168.1.1&port_ssl=8080\
         &ip=192.168.1.50&mask=255.255.255.0&gw=192.168.1.1&dns=192.168.1.1"
    )
}

/// A product that notes what it hears.
#[derive(Default)]
pub(crate) struct Probe {
    pub(crate) polls: u32,
    pub(crate) connections: u32,
    pub(crate) writes: Vec<u8>,
    /// When it wants to run next, after a write.
    pub(crate) wanted_at: Option<Instant>,
    pub(crate) ran_at: Option<Instant>,
}

impl Application for Probe {
    fn on_connected(&mut self, _now: Instant, _out: &mut Outgoing<'_>) {
        self.connections += 1;
    }

    fn on_virtual_write(&mut self, now: Instant, pin: u8, _values: Params<'_>, _out: &mut Outgoing<'_>) {
        self.writes.push(pin);
        self.wanted_at = Some(now + Duration::from_millis(250));
    }

    fn poll(&mut self, now: Instant, _out: &mut Outgoing<'_>) -> Option<Instant> {
        self.polls += 1;
        if self.wanted_at.is_some_and(|at| at <= now) {
            self.ran_at = self.wanted_at.take();
        }
        self.wanted_at
    }
}

/// What the scripted radio answers by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Air {
    /// The access point starts, the home network is heard and lets the device in.
    Kind,
    /// The access point starts, and nothing is heard.
    Empty,
    /// Nothing; the test answers.
    Silent,
}

pub(crate) struct Bench {
    pub(crate) platform: TurnPlatform<ArrayFlash<8_192>, Channel>,
    pub(crate) device: Option<Box<Device<Probe>>>,
    pub(crate) now: Instant,
    pub(crate) product: Product,
    /// The channel of the next boots.
    pub(crate) channel: Channel,
    pub(crate) air: Air,
    pub(crate) phone: Host,
    pub(crate) cloud: Cloud,
    /// Everything the device did, in order: traces, flash operations, radio commands, first lines of replies.
    pub(crate) effects: Vec<String>,
    pub(crate) console: String,
    pub(crate) patterns: Vec<(Instant, Pattern)>,
    /// When the device asked for a restart.
    pub(crate) rebooted_at: Option<Instant>,
    wake: Wake,
}

impl Bench {
    /// A device with this in flash, not started. `port` is where the cloud listens.
    pub(crate) fn new(port: u16) -> Self {
        let now = Instant::from_secs(1_000);
        Self {
            platform: TurnPlatform::new(CutFlash::new(ArrayFlash::new())),
            device: None,
            now,
            product: PRODUCT,
            channel: Channel::default(),
            air: Air::Kind,
            phone: Host::new(now, 0xF0, Ipv4Address::new(192, 168, 4, 2)),
            cloud: Cloud::new(now, CLOUD_IP, port),
            effects: Vec::new(),
            console: String::new(),
            patterns: Vec::new(),
            rebooted_at: None,
            wake: Wake::Now,
        }
    }

    /// A device whose access point is up, with a phone associated.
    pub(crate) fn at_portal() -> Self {
        let mut bench = Self::new(8_080).booted();
        bench.radio(RadioEvent::StationJoined(PHONE));
        bench
    }

    /// A device that is online.
    pub(crate) fn online() -> Self {
        let mut bench = Self::new(8_080).with_valid().booted();
        bench.run_ms(500);
        assert_eq!(bench.state(), State::Running);
        bench
    }

    /// Stores the configuration as valid.
    pub(crate) fn with_valid(mut self) -> Self {
        let config = config(if self.cloud_is_encrypted() { 443 } else { 8_080 });
        Store::new().save_valid(self.platform.flash_mut(), &config).unwrap();
        self.without_history()
    }

    /// Stores the configuration as valid, but without an address: the router lends this one.
    pub(crate) fn with_lent(mut self, ip: Ipv4Address) -> Self {
        let config = Config { static_ip: None, ..config(self.cloud.port()) };
        Store::new().save_valid(self.platform.flash_mut(), &config).unwrap();
        self.cloud.lent = Some(ip);
        self.without_history()
    }

    /// Stores the configuration as a trial.
    pub(crate) fn with_trial(mut self) -> Self {
        let config = config(if self.cloud_is_encrypted() { 443 } else { 8_080 });
        Store::new().save_trial(self.platform.flash_mut(), &config).unwrap();
        self.without_history()
    }

    pub(crate) fn with_air(mut self, air: Air) -> Self {
        self.air = air;
        self
    }

    pub(crate) fn booted(mut self) -> Self {
        self.boot();
        self
    }

    pub(crate) fn boot(&mut self) {
        let boot = Boot {
            now: self.now,
            uptime: Duration::ZERO,
            seed: 42,
            cause: ResetCause::PowerOn,
            mac: EthernetAddress([0x24, 0x0A, 0xC4, 0, 1, 0x10]),
            product: self.product,
        };
        self.platform.power_on();
        self.platform.set_secure(self.channel.fresh());
        let device = Device::boot(boot, buffers(), &mut self.platform, Probe::default());
        self.device = Some(Box::new(device));
        self.wake = Wake::Now;
        self.rebooted_at = None;
        self.settle();
    }

    #[track_caller]
    pub(crate) fn state(&self) -> State {
        self.device.as_ref().expect("the device runs").state()
    }

    pub(crate) fn application(&self) -> &Probe {
        self.device.as_ref().expect("the device runs").application()
    }

    /// Tells the device what its radio noticed.
    pub(crate) fn radio(&mut self, event: RadioEvent) {
        assert!(self.platform.queues().push_radio_event(event));
        self.settle();
    }

    pub(crate) fn press(&mut self, down: bool) {
        assert!(self.platform.queues().push_button_edge(self.now, down));
        self.settle();
    }

    /// Holds the button for so long.
    pub(crate) fn hold_ms(&mut self, ms: u64) {
        self.press(true);
        self.run_ms(ms);
        self.press(false);
        self.run_ms(100);
    }

    /// Types a line and Enter; returns what the console printed at once.
    pub(crate) fn type_line(&mut self, line: &str) -> String {
        let printed = self.console.len();
        let typed = format!("{line}\r");
        assert_eq!(self.platform.queues().push_console(typed.as_bytes()), typed.len());
        self.settle();
        self.console.get(printed..).unwrap_or_default().to_string()
    }

    /// Opens a connection to the portal and sends this; the reply needs [`Bench::run_ms`].
    pub(crate) fn send(&mut self, bytes: &str) -> SocketHandle {
        let client = self.open();
        self.phone.send(client, bytes.as_bytes());
        self.settle();
        client
    }

    /// Opens a connection to the portal.
    pub(crate) fn open(&mut self) -> SocketHandle {
        let client = self.phone.connect(AP_IP, 80);
        self.run_ms(50);
        client
    }

    /// Delivers what the phone has to send now, and no answer to it.
    pub(crate) fn deliver_from_phone(&mut self) {
        self.phone.poll(self.now);
        while let Some(frame) = self.phone.cable.sent.pop_front() {
            assert!(self.platform.queues().push_frame(&frame));
        }
    }

    /// What the portal sent.
    pub(crate) fn reply(&mut self, client: SocketHandle) -> String {
        String::from_utf8(self.phone.take(client)).unwrap()
    }

    /// Asks for a path and returns the reply.
    pub(crate) fn get(&mut self, path: &str) -> String {
        let client = self.send(&get(path));
        self.run_ms(50);
        let reply = self.reply(client);
        self.phone.socket(client).close();
        self.run_ms(50);
        reply
    }

    /// Lets time pass.
    #[track_caller]
    pub(crate) fn run_ms(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        self.settle();
        while self.now < end {
            self.step(end);
        }
    }

    /// Lets time pass until the device is in this state.
    #[track_caller]
    pub(crate) fn run_until(&mut self, state: State, limit_ms: u64) {
        let end = self.now + Duration::from_millis(limit_ms);
        self.settle();
        while self.state() != state {
            assert!(self.now < end, "still {} after {limit_ms} ms", self.state());
            self.step(end);
        }
    }

    /// Jumps to whatever comes next, but not beyond the end.
    fn step(&mut self, end: Instant) {
        let device = match self.wake {
            Wake::At(at, _) if self.device.is_some() => Some(at),
            _ => None,
        };
        let hosts = [self.phone.poll_at(self.now), self.cloud.host.poll_at(self.now)];
        let next = hosts.into_iter().flatten().chain(device).chain([end]).min().unwrap();
        // A host may ask for the past; it is polled at every step anyway.
        self.now = next.max(self.now + Duration::from_micros(1)).min(end);
        self.settle();
    }

    /// Lets everything happen that happens at this time.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        for _ in 0..2_000 {
            self.phone.poll(self.now);
            self.cloud.poll(self.now);
            let mut quiet = true;
            for host in [&mut self.phone, &mut self.cloud.host] {
                while !host.held && self.platform.queues().has_room_for_frame() {
                    let Some(frame) = host.cable.sent.pop_front() else { break };
                    self.platform.queues().push_frame(&frame);
                    quiet = false;
                }
            }
            self.poll_device();
            quiet &= self.take_effects();
            if quiet && self.wake != Wake::Now {
                return;
            }
        }
        panic!("the device and its peers never come to rest");
    }

    /// What the test wrote is no effect of the device.
    fn without_history(mut self) -> Self {
        while self.platform.flash_mut().poll_operation().is_some() {}
        self
    }

    fn cloud_is_encrypted(&self) -> bool {
        self.cloud.port() == 443
    }

    fn poll_device(&mut self) {
        let Some(device) = &mut self.device else {
            self.wake = Wake::OnEvent;
            return;
        };
        let is_due = match self.wake {
            Wake::Now | Wake::Reboot(_) => true,
            Wake::At(at, _) => at <= self.now,
            Wake::OnEvent => false,
        };
        // A device that is not woken must not live on being polled by chance.
        if !is_due && self.platform.queues().is_idle() {
            return;
        }
        self.wake = device.poll(self.now, &mut self.platform);
        if let Wake::At(at, reason) = self.wake {
            assert!(at > self.now, "a deadline that has passed: {reason:?}");
        }
        let end = self.platform.end_turn();
        if matches!(self.wake, Wake::Reboot(_)) || end == TurnEnd::PowerLost {
            self.rebooted_at = Some(self.now);
            self.device = None;
            self.wake = Wake::OnEvent;
        }
    }

    /// Notes what the device did; returns whether it did nothing that leads to more.
    fn take_effects(&mut self) -> bool {
        let mut commands = Vec::new();
        let mut quiet = true;
        for effect in self.platform.queues().effects() {
            match effect {
                Effect::Frame(frame) => {
                    self.phone.cable.received.push_back(frame.to_vec());
                    self.cloud.host.cable.received.push_back(frame.to_vec());
                    quiet = false;
                    if let Some(line) = http_line(frame) {
                        self.effects.push(format!("reply {line}"));
                    }
                }
                Effect::Radio(command) => {
                    self.effects.push(format!("radio {command:?}"));
                    commands.push(command.clone());
                }
                Effect::Pattern(pattern) => self.patterns.push((self.now, pattern)),
                Effect::Trace(event) => self.effects.push(format!("{event:?}")),
                Effect::Console(text) => self.console.push_str(text),
                Effect::Flash(operation) => self.effects.push(format!("flash {:?}", operation.kind)),
            }
        }
        assert_eq!(self.platform.queues().lost_effects(), 0, "more effects than a turn has room for");
        self.platform.queues().clear_effects();
        for command in commands {
            quiet &= !self.answer(&command);
        }
        quiet
    }

    /// Answers a radio command as the air is; returns whether it did.
    fn answer(&mut self, command: &RadioCommand) -> bool {
        let events = match (command, self.air) {
            (_, Air::Silent) | (RadioCommand::Off, _) => vec![],
            (RadioCommand::StartAp { .. }, _) => vec![RadioEvent::ApStarted],
            (RadioCommand::Scan { .. }, Air::Kind) => {
                vec![RadioEvent::ScanResult(home_network()), RadioEvent::ScanDone(true)]
            }
            (RadioCommand::Scan { .. }, Air::Empty) => vec![RadioEvent::ScanDone(true)],
            (RadioCommand::Join { .. }, _) => vec![RadioEvent::Joined],
        };
        let answered = !events.is_empty();
        for event in events {
            assert!(self.platform.queues().push_radio_event(event));
        }
        answered
    }
}

/// The home network as a scan hears it.
pub(crate) fn home_network() -> Network {
    Network {
        ssid: Ssid::new(b"HomeNet").unwrap(),
        bssid: BSSID,
        channel: 6,
        rssi: -52,
        security: Security::Wpa2,
    }
}

/// A request as a phone writes it.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n")
}

fn http_line(frame: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(frame);
    let start = text.find("HTTP/1.1 ")?;
    text[start..].lines().next().map(str::to_string)
}

fn buffers() -> Buffers {
    let storage: Vec<SocketStorage<'static>> = (0..SOCKETS_MAX).map(|_| SocketStorage::EMPTY).collect();
    let tcp = || tcp::SocketBuffer::new(vec![0; TCP_BUFFER_LEN]);
    let udp =
        || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; UDP_PACKETS], vec![0; UDP_BUFFER_LEN]);
    Buffers {
        sockets: SocketSet::new(storage),
        tcp: std::array::from_fn(|_| (tcp(), tcp())),
        udp: std::array::from_fn(|_| (udp(), udp())),
        dhcp_options: OPTIONS,
    }
}
