//! A test bench: one device in this process, and stations with stacks of their own that are driven by hand.
//!
//! It is smaller than a world and harsher: frames take a millisecond and come in bursts, any bytes can be
//! sent, and whatever the radio should hear or join is the test's choice. Nothing here waits in real time.

pub mod station;
pub mod wire;

use std::collections::VecDeque;

use firmware_core::application::thermostat::Thermostat;
use firmware_core::config::{Config, Host, Passphrase, Ssid, StaticIp, Token};
use firmware_core::hal::{Boot, JoinFailure, Network, RadioCommand, RadioEvent, ResetCause, Wake};
use firmware_core::portal::AP_IP;
use firmware_core::portal::name::ap_bssid;
use firmware_core::product::{Identity, Product};
use firmware_core::store::{Loaded, Store};
use firmware_core::trace::{Event, State};
use firmware_core::{Duration, Instant};
use hil_link::cut_flash::{ArrayFlash, CutFlash};
use hil_link::queues::Effect;
use hil_link::turn_platform::TurnEnd;
use hil_sim::actor::soonest;
use hil_sim::executor::{Executor, FLASH_LEN, InProcess};
use hil_sim::stack::Frame;
use smoltcp::wire::{EthernetAddress, Ipv4Address};

use station::{Conn, Reply, Station};

/// The device's station MAC; its access point uses the next one.
pub const MAC: EthernetAddress = EthernetAddress([0x24, 0x0A, 0xC4, 0x00, 0x01, 0x10]);
/// A token of the right form.
pub const TOKEN: &[u8; 32] = b"OutsideToken0123456789abcdefghi-";
/// The home network's server in tests of the cloud's side: router, name server and cloud in one.
pub const SERVER_IP: Ipv4Address = Ipv4Address::new(192, 168, 7, 1);
/// The device's fixed address in that network.
pub const HOME_IP: Ipv4Address = Ipv4Address::new(192, 168, 7, 20);

/// From sending to receiving, either way.
const LATENCY: Duration = Duration::from_millis(1);
/// From the command to the access point's first beacon.
const AP_START: Duration = Duration::from_millis(250);
/// A scan with the access point up.
pub const SCAN_TIME: Duration = Duration::from_millis(1_950);
/// Association and key handshake.
const JOIN_TIME: Duration = Duration::from_millis(720);
/// From a restart to the first line of the firmware.
const BOOT_TIME: Duration = Duration::from_millis(300);
/// Polls of the device without any time passing. More would be a device that spins.
const POLLS_MAX: u32 = 64;

/// A product, with or without a captive portal.
pub const fn product(captive_portal: bool) -> Product {
    match Product::new(Identity {
        template_id: "TMPL4outside1",
        template_name: "Outside",
        firmware_version: "1.0.0",
        build: "Nov 22 2026 10:00:00",
        board: "ESP32-C3",
        vendor: "Blynk",
        firmware_type: "",
        captive_portal,
    }) {
        Ok(product) => product,
        Err(_) => panic!("the product's identity is not valid"),
    }
}

/// A configuration with a fixed address, so that neither DHCP nor DNS is needed to reach the server.
pub fn home_config(port: u16) -> Config {
    Config {
        ssid: Ssid::new(b"HomeNet").unwrap(),
        passphrase: Passphrase::new(b"correct horse").unwrap(),
        token: Token::new(TOKEN).unwrap(),
        host: Host::try_from(SERVER_IP.to_string().as_str()).unwrap(),
        port,
        static_ip: Some(StaticIp {
            ip: HOME_IP,
            mask: Ipv4Address::new(255, 255, 255, 0),
            gateway: SERVER_IP,
            dns: SERVER_IP,
            dns2: Ipv4Address::UNSPECIFIED,
        }),
    }
}

/// A network as a scan hears it.
pub fn network(ssid: &[u8], number: u8, rssi: i8) -> Network {
    Network {
        ssid: Ssid::new(ssid).unwrap(),
        bssid: EthernetAddress([0x02, 0xA0, 0, 0, 0, number]),
        channel: 6,
        rssi,
        security: firmware_core::hal::Security::Wpa2,
    }
}

/// The device and everybody around it.
pub struct Bench {
    now: Instant,
    device: InProcess<Thermostat>,
    product: Product,
    boots: u64,
    running: bool,
    wake: Option<Instant>,
    boot_at: Option<(Instant, ResetCause)>,
    to_device: VecDeque<(Instant, Frame)>,
    to_stations: VecDeque<(Instant, Frame)>,
    radio: Vec<(Instant, RadioEvent)>,
    /// What the radio was told, in order.
    pub commands: Vec<RadioCommand>,
    /// What scans hear.
    pub networks: Vec<Network>,
    /// How joins end.
    pub join_result: Result<(), JoinFailure>,
    /// What the device told, in order.
    pub events: Vec<(Instant, Event)>,
    /// What it printed.
    pub console: String,
    /// Every frame it sent.
    pub sent: Vec<Frame>,
    /// The most effects of one turn.
    pub effects_max: usize,
    stations: Vec<Station>,
}

impl Bench {
    /// A device fresh from the factory whose access point is up.
    pub fn new(captive_portal: bool) -> Self {
        let mut bench = Self::with_flash(captive_portal, CutFlash::new(ArrayFlash::new()));
        bench.run_for(Duration::from_secs(1));
        bench
    }

    /// A device that has this configuration as a valid or as a trial one and has just got its power.
    pub fn configured(config: &Config, valid: bool) -> Self {
        let mut flash = CutFlash::new(ArrayFlash::new());
        let mut store = Store::new();
        store.load(&mut flash).unwrap();
        let stored =
            if valid { store.save_valid(&mut flash, config) } else { store.save_trial(&mut flash, config) };
        stored.unwrap();
        while flash.poll_operation().is_some() {}
        let mut bench = Self::with_flash(false, flash);
        bench.networks = vec![network(config.ssid.as_bytes(), 1, -50)];
        bench
    }

    fn with_flash(captive_portal: bool, flash: CutFlash<ArrayFlash<FLASH_LEN>>) -> Self {
        let mut device = InProcess::new(Thermostat::new);
        *device.flash_mut() = flash;
        let mut bench = Self {
            now: Instant::ZERO,
            device,
            product: product(captive_portal),
            boots: 0,
            running: false,
            wake: None,
            boot_at: None,
            to_device: VecDeque::new(),
            to_stations: VecDeque::new(),
            radio: Vec::new(),
            commands: Vec::new(),
            networks: Vec::new(),
            join_result: Ok(()),
            events: Vec::new(),
            console: String::new(),
            sent: Vec::new(),
            effects_max: 0,
            stations: Vec::new(),
        };
        bench.boot(ResetCause::PowerOn);
        bench
    }

    /// The present time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How often the firmware has started.
    pub fn boots(&self) -> u64 {
        self.boots
    }

    /// Adds a station with this number as the last byte of its MAC and of its address beside the device.
    pub fn add_station(&mut self, number: u8) -> usize {
        self.add_neighbour(number, Ipv4Address::new(192, 168, 4, number))
    }

    /// Adds the server of the home network.
    pub fn add_server(&mut self) -> usize {
        self.add_neighbour(1, SERVER_IP)
    }

    fn add_neighbour(&mut self, number: u8, address: Ipv4Address) -> usize {
        self.stations.push(Station::new(number, address, self.now));
        self.stations.len() - 1
    }

    /// A station, to look at or to use its stack.
    pub fn station(&mut self, index: usize) -> &mut Station {
        &mut self.stations[index]
    }

    /// A connection.
    pub fn conn(&mut self, (station, conn): (usize, usize)) -> &mut Conn {
        &mut self.stations[station].conns[conn]
    }

    /// Opens a connection to the portal; it is not waited for.
    pub fn open(&mut self, station: usize) -> (usize, usize) {
        self.open_to(station, AP_IP, 80)
    }

    /// Opens a connection to a port of the device.
    pub fn open_to(&mut self, station: usize, address: Ipv4Address, port: u16) -> (usize, usize) {
        (station, self.stations[station].connect(address, port))
    }

    /// Opens a connection and sends these bytes on it.
    pub fn send(&mut self, station: usize, bytes: &[u8]) -> (usize, usize) {
        let conn = self.open(station);
        self.conn(conn).write(bytes);
        conn
    }

    /// Opens a connection, sends a request, and waits for its whole answer.
    #[track_caller]
    pub fn request(&mut self, station: usize, bytes: &[u8]) -> Reply {
        let conn = self.send(station, bytes);
        self.reply(conn)
    }

    /// Asks for a path.
    #[track_caller]
    pub fn get(&mut self, station: usize, path: &str) -> Reply {
        self.request(station, format!("GET {path} HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n").as_bytes())
    }

    /// Waits until a connection is over and returns what came on it.
    #[track_caller]
    pub fn reply(&mut self, conn: (usize, usize)) -> Reply {
        let over = self.run_until(Duration::from_secs(30), |bench| bench.conn(conn).is_over());
        assert!(over, "no end of the connection; so far: {:?}", self.conn(conn).text());
        Reply::parse(self.conn(conn))
    }

    /// Puts a frame on its way to the device.
    pub fn inject(&mut self, frame: Frame) {
        self.to_device.push_back((self.now + LATENCY, frame));
    }

    /// Tells the device something about its radio, now.
    pub fn tell(&mut self, event: RadioEvent) {
        self.radio.push((self.now, event));
    }

    /// The radio forgets what it was told, and never says anything about it.
    pub fn silence_radio(&mut self) {
        self.radio.clear();
    }

    /// Types on the console.
    pub fn type_line(&mut self, line: &str) {
        let text = format!("{line}\r");
        assert_eq!(self.device.queues().push_console(text.as_bytes()), text.len(), "no room to type");
        self.wake = Some(self.now);
    }

    /// What flash holds now, as the next boot would see it.
    pub fn stored(&mut self) -> Loaded {
        let mut copy = CutFlash::new(self.device.flash_mut().inner().clone());
        Store::new().load(&mut copy).unwrap()
    }

    /// Whether the device told this, at any time.
    pub fn has_told(&self, event: &Event) -> bool {
        self.count_told(|told| told == event) > 0
    }

    /// How many events the device told that are like this.
    pub fn count_told(&self, is_like: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|(_, event)| is_like(event)).count()
    }

    /// The state it told last.
    pub fn state(&self) -> State {
        let states = self.events.iter().rev().find_map(|(_, event)| match event {
            Event::State { to, .. } => Some(*to),
            _ => None,
        });
        states.unwrap_or(State::Init)
    }

    /// Lets everything happen for a time.
    #[track_caller]
    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        self.run_until(time, |bench| bench.now >= until);
        self.now = until;
    }

    /// Lets everything happen until `done`, or for `limit` at most; returns whether it was done.
    #[track_caller]
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let limit = self.now + limit;
        loop {
            if done(self) {
                return true;
            }
            let Some(next) = self.next_at().filter(|next| *next <= limit) else {
                self.now = limit;
                return done(self);
            };
            self.now = self.now.max(next);
            self.step();
        }
    }

    fn next_at(&mut self) -> Option<Instant> {
        let mut next = if self.running { self.wake } else { None };
        next = soonest(next, self.boot_at.map(|(at, _)| at));
        next = soonest(next, self.to_device.front().map(|(at, _)| *at));
        next = soonest(next, self.to_stations.front().map(|(at, _)| *at));
        next = soonest(next, self.radio.iter().map(|(at, _)| *at).min());
        for station in &mut self.stations {
            next = soonest(next, station.next_wake(self.now));
        }
        next
    }

    #[track_caller]
    fn step(&mut self) {
        let now = self.now;
        if let Some((at, cause)) = self.boot_at
            && at <= now
        {
            self.boot(cause);
        }
        let mut has_input = self.deliver_to_device();
        for (_, event) in self.radio.extract_if(.., |(at, _)| *at <= now) {
            has_input = true;
            assert!(self.device.queues().push_radio_event(event), "no room for what the radio says");
        }
        if self.running && (has_input || self.wake.is_some_and(|at| at <= now)) {
            self.turn();
        }
        while let Some((_, frame)) = self.to_stations.pop_front_if(|(at, _)| *at <= now) {
            for station in &mut self.stations {
                station.receive(&frame);
            }
        }
        for station in &mut self.stations {
            for frame in station.poll(now) {
                self.to_device.push_back((now + LATENCY, frame));
            }
        }
    }

    /// Frames wait until there is room for them, as in a radio's own buffers.
    fn deliver_to_device(&mut self) -> bool {
        let mut has_input = false;
        while let Some((at, frame)) = self.to_device.front() {
            if *at > self.now || (self.running && !self.device.queues().has_room_for_frame()) {
                break;
            }
            if self.running {
                // A frame that is longer than Ethernet's never gets through a radio.
                has_input |= self.device.queues().push_frame(frame);
            }
            self.to_device.pop_front();
        }
        has_input
    }

    fn boot(&mut self, cause: ResetCause) {
        self.boots += 1;
        self.boot_at = None;
        self.running = true;
        self.wake = Some(self.now);
        let started = self.device.boot(Boot {
            now: self.now,
            uptime: Duration::ZERO,
            seed: 7 + self.boots,
            cause,
            mac: MAC,
            product: self.product,
        });
        assert_eq!(started, Ok(()));
    }

    #[track_caller]
    fn turn(&mut self) {
        for polls in 0.. {
            assert!(polls < POLLS_MAX, "the device asks to be polled at once again and again");
            let turn = self.device.turn(self.now, self.now).expect("a device in process is there");
            self.take_effects();
            assert_eq!(turn.end, TurnEnd::Alive, "nobody cut the power");
            match turn.wake {
                Wake::Now => {}
                Wake::At(at, reason) => {
                    assert!(at > self.now, "a wake in the past for {reason:?}");
                    self.wake = Some(at);
                    return;
                }
                Wake::OnEvent => {
                    self.wake = None;
                    return;
                }
                Wake::Reboot(cause) => {
                    self.device.power_off();
                    self.running = false;
                    self.radio.clear();
                    self.boot_at = Some((self.now + BOOT_TIME, cause));
                    return;
                }
            }
        }
    }

    #[track_caller]
    fn take_effects(&mut self) {
        let mut commands = Vec::new();
        let queues = self.device.queues();
        let mut count = 0;
        for effect in queues.effects() {
            count += 1;
            match effect {
                Effect::Frame(frame) => {
                    self.sent.push(frame.to_vec());
                    self.to_stations.push_back((self.now + LATENCY, frame.to_vec()));
                }
                Effect::Radio(command) => commands.push(command.clone()),
                Effect::Trace(event) => self.events.push((self.now, event.clone())),
                Effect::Console(text) => self.console.push_str(text),
                Effect::Pattern(_) | Effect::Flash(_) => {}
            }
        }
        queues.clear_effects();
        assert_eq!(queues.lost_effects(), 0, "effects had no room in a turn");
        self.effects_max = self.effects_max.max(count);
        for command in commands {
            self.on_command(&command);
            self.commands.push(command);
        }
    }

    /// The radio carries out its latest command only.
    fn on_command(&mut self, command: &RadioCommand) {
        self.radio.clear();
        match command {
            RadioCommand::Off => {}
            RadioCommand::StartAp { .. } => self.radio.push((self.now + AP_START, RadioEvent::ApStarted)),
            RadioCommand::Scan { .. } => {
                let at = self.now + SCAN_TIME;
                self.radio
                    .extend(self.networks.iter().map(|heard| (at, RadioEvent::ScanResult(heard.clone()))));
                self.radio.push((at, RadioEvent::ScanDone(true)));
            }
            RadioCommand::Join { .. } => {
                let event = match self.join_result {
                    Ok(()) => RadioEvent::Joined,
                    Err(failure) => RadioEvent::JoinFailed(failure),
                };
                self.radio.push((self.now + JOIN_TIME, event));
            }
        }
    }
}

/// The MAC of the device's access point.
pub fn ap_mac() -> EthernetAddress {
    ap_bssid(MAC)
}
