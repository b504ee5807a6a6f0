//! A whole device between strangers.

use firmware_core::Duration;
use firmware_core::Instant;
use firmware_core::application::thermostat::Thermostat;
use firmware_core::config::{Config, Host, Passphrase, Ssid, StaticIp, Token};
use firmware_core::device::Device;
use firmware_core::hal::{Boot, JoinFailure, Network, RadioCommand, RadioEvent, ResetCause, Security, Wake};
use firmware_core::portal::AP_IP;
use firmware_core::portal::name::ap_bssid;
use firmware_core::store::{PARTITION_LEN, Store};
use hil_link::cut_flash::{ArrayFlash, CutFlash};
use hil_link::queues::{Effect, FRAME_LEN_MAX, RECEIVE_FRAMES};
use hil_link::turn_platform::{TurnEnd, TurnPlatform};
use hil_sim::buffers::host_buffers;
use hil_sim::scenario::DEFAULT_PRODUCT;
use smoltcp::wire::{EthernetAddress, Ipv4Address, TcpSeqNumber};

use crate::frames::{Datagram, Flow, Path, Sent, arp_reply, check_sent, put_right, tcp, udp};
use crate::input::Input;

const MAC: EthernetAddress = EthernetAddress([0x24, 0x0A, 0xC4, 0, 1, 0x10]);
const STRANGER: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0xF0]);
const ROUTER_IP: Ipv4Address = Ipv4Address::new(192, 168, 1, 1);
const HOME_IP: Ipv4Address = Ipv4Address::new(192, 168, 1, 50);
const BSSID: EthernetAddress = EthernetAddress([0x0A, 0, 0, 0, 0, 9]);
const PASSPHRASE: &str = "correct horse battery";
/// Polls at one time; more is a loop.
const POLLS_MAX: usize = 200;
/// Turns and boots in one run; then it has lasted long enough.
const TURNS_MAX: usize = 500;
const BOOTS_MAX: usize = 4;

/// How the device starts, then what happens to it.
///
/// It comes to rest at every time, asks for no time that has passed, loses no effect, sends frames that others
/// can read, and gives its passphrase to nobody.
pub(crate) fn device(bytes: &[u8]) {
    let mut input = Input(bytes);
    let start = input.byte();
    let mut bench = Bench::new(start & 1 != 0, start & 2 != 0);
    // Whoever knows the passphrase may say it, in pieces and with characters between that the console drops.
    let mut letters = bytes.iter();
    bench.keeps_secret = !PASSPHRASE.bytes().all(|letter| letters.any(|byte| *byte == letter));
    bench.boot();
    while !input.is_empty() && bench.turns < TURNS_MAX && bench.boots < BOOTS_MAX {
        match input.byte() % 9 {
            0 => bench.frame(input.piece()),
            1 => {
                let mut frame = input.piece().to_vec();
                put_right(&mut frame);
                bench.frame(&frame);
            }
            2 => bench.datagram(&mut input),
            3 => bench.segment(&mut input),
            4 => bench.pass(input.duration()),
            5 => bench.radio(&mut input),
            6 => {
                bench.platform.queues().push_console(input.short_piece());
                bench.settle();
            }
            7 => {
                let (now, down) = (bench.now, input.byte() & 1 == 1);
                bench.platform.queues().push_button_edge(now, down);
                bench.settle();
            }
            _ => bench.acknowledge(),
        }
    }
    bench.pass(Duration::from_secs(60));
}

/// The network and the account it was set up for.
fn config(is_fixed: bool) -> Config {
    let fixed = StaticIp {
        ip: HOME_IP,
        mask: Ipv4Address::new(255, 255, 255, 0),
        gateway: ROUTER_IP,
        dns: ROUTER_IP,
        dns2: Ipv4Address::UNSPECIFIED,
    };
    let host = if is_fixed { "192.168.1.1" } else { "blynk.cloud" };
    Config {
        ssid: Ssid::new(b"HomeNet").expect("a name"),
        passphrase: Passphrase::new(PASSPHRASE.as_bytes()).expect("a passphrase"),
        token: Token::new(b"GoldenToken0123456789abcdefghij_").expect("a token"),
        host: Host::try_from(host).expect("a host"),
        port: if is_fixed { 8_080 } else { 443 },
        static_ip: is_fixed.then_some(fixed),
    }
}

struct Bench {
    platform: Box<TurnPlatform<ArrayFlash<PARTITION_LEN>>>,
    device: Option<Box<Device<Thermostat>>>,
    now: Instant,
    wake: Wake,
    is_station: bool,
    /// The connection that the device last spoke on, and its last datagram.
    flow: Flow,
    asked: Option<Datagram>,
    keeps_secret: bool,
    turns: usize,
    boots: usize,
}

impl Bench {
    /// A device that knows a network, or one fresh from the factory.
    fn new(is_configured: bool, is_fixed: bool) -> Self {
        let mut platform = Box::new(TurnPlatform::new(CutFlash::new(ArrayFlash::new())));
        if is_configured {
            let saved = Store::new().save_valid(platform.flash_mut(), &config(is_fixed));
            saved.expect("a new flash has room");
            while platform.flash_mut().poll_operation().is_some() {}
        }
        let flow = Flow {
            own_port: 50_000,
            device_port: 80,
            sequence: TcpSeqNumber(1_000),
            acknowledgement: TcpSeqNumber(0),
        };
        Self {
            platform,
            device: None,
            now: Instant::from_secs(10),
            wake: Wake::Now,
            is_station: false,
            flow,
            asked: None,
            keeps_secret: true,
            turns: 0,
            boots: 0,
        }
    }

    fn boot(&mut self) {
        self.boots += 1;
        let boot = Boot {
            now: self.now,
            uptime: Duration::ZERO,
            seed: 42,
            cause: ResetCause::PowerOn,
            mac: MAC,
            product: DEFAULT_PRODUCT,
        };
        self.platform.power_on();
        let buffers = host_buffers(&DEFAULT_PRODUCT, MAC);
        let device = Device::boot(boot, buffers, &mut *self.platform, Thermostat::new());
        self.device = Some(Box::new(device));
        self.wake = Wake::Now;
        self.settle();
    }

    /// Who the device is to a stranger that writes to it.
    fn path(&self) -> Path {
        if self.is_station {
            Path { from: (STRANGER, ROUTER_IP), to: (MAC, HOME_IP) }
        } else {
            Path { from: (STRANGER, Ipv4Address::new(192, 168, 4, 2)), to: (ap_bssid(MAC), AP_IP) }
        }
    }

    fn frame(&mut self, frame: &[u8]) {
        let is_taken = self.platform.queues().push_frame(frame);
        assert_eq!(is_taken, frame.len() <= FRAME_LEN_MAX, "a queue of {RECEIVE_FRAMES} was empty");
        self.settle();
    }

    fn datagram(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        let ports = match kind & 3 {
            0 => (68, 67),
            1 => (5_353, 53),
            2 => (67, 68),
            _ => (53, 49_152 + u16::from(kind >> 2)),
        };
        let payload = input.piece();
        let mut payload = payload[..payload.len().min(1_400)].to_vec();
        let (ports, id) = match &self.asked {
            // A fuzzer does not guess ports and ids, which stand first in DNS and fifth in DHCP.
            Some(asked) if kind & 0x40 != 0 => {
                let id = if asked.own_port == 53 { 0..2 } else { 4..8 };
                ((asked.own_port, asked.device_port), asked.payload.get(id.clone()).map(|bytes| (id, bytes)))
            }
            Some(_) | None => (ports, None),
        };
        if let Some((place, bytes)) = id
            && let Some(place) = payload.get_mut(place)
        {
            place.copy_from_slice(bytes);
        }
        let mut path = self.path();
        if kind & 0x80 != 0 {
            path.to = (EthernetAddress::BROADCAST, Ipv4Address::BROADCAST);
        }
        self.frame(&udp(path, ports, &payload));
    }

    /// The next segment of the connection that the device last spoke on, or the first of a new one.
    fn segment(&mut self, input: &mut Input<'_>) {
        let flags = input.byte();
        let payload = input.piece();
        let payload = &payload[..payload.len().min(1_400)];
        if flags & 0x42 == 0x42 {
            self.flow = Flow {
                own_port: self.flow.own_port.wrapping_add(1),
                device_port: 80,
                sequence: TcpSeqNumber(1_000),
                acknowledgement: TcpSeqNumber(0),
            };
        }
        let frame = tcp(self.path(), self.flow, flags, payload);
        self.frame(&frame);
    }

    fn acknowledge(&mut self) {
        let frame = tcp(self.path(), self.flow, 16, b"");
        self.frame(&frame);
    }

    fn radio(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        let mac = EthernetAddress([2, 0, 0, 0, 0, kind >> 4]);
        let event = match kind & 0x0F {
            0 => RadioEvent::StationJoined(mac),
            1 => RadioEvent::StationLeft(mac),
            2 => RadioEvent::ScanDone(kind & 0x10 == 0),
            3 => RadioEvent::Joined,
            4 => RadioEvent::JoinFailed(JoinFailure::Handshake),
            5 => RadioEvent::JoinFailed(JoinFailure::NotFound),
            6 => RadioEvent::Disconnected(u16::from(input.byte())),
            7 => RadioEvent::ApStarted,
            _ => RadioEvent::ScanResult(Network {
                ssid: Ssid::new(input.take(usize::from(kind & 7) * 4)).expect("at most 28 bytes"),
                bssid: mac,
                channel: 1 + (kind >> 4) % 13,
                rssi: -30 - i8::try_from(kind & 0x3F).expect("a small number"),
                security: Security::Wpa2,
            }),
        };
        self.platform.queues().push_radio_event(event);
        self.settle();
    }

    /// Lets time pass, deadline by deadline.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.turns < TURNS_MAX && self.boots < BOOTS_MAX {
            match self.wake {
                Wake::At(at, _) if at <= end => self.now = at,
                Wake::At(..) | Wake::OnEvent | Wake::Now | Wake::Reboot(_) => break,
            }
            self.settle();
        }
        self.now = self.now.max(end);
    }

    /// Lets everything happen that happens at this time.
    fn settle(&mut self) {
        for _ in 0..POLLS_MAX {
            self.turns += 1;
            let Some(device) = &mut self.device else { return };
            self.wake = device.poll(self.now, &mut *self.platform);
            if let Wake::At(at, reason) = self.wake {
                assert!(at > self.now, "a deadline that has passed: {reason:?}");
            }
            assert_eq!(self.platform.end_turn(), TurnEnd::Alive);
            let answers = self.take_effects();
            if let Wake::Reboot(_) = self.wake {
                self.device = None;
                self.is_station = false;
                if self.boots < BOOTS_MAX {
                    self.boot();
                }
                return;
            }
            let is_quiet = answers.is_empty() && self.platform.queues().is_idle();
            for answer in answers {
                self.platform.queues().push_frame(&answer);
            }
            if is_quiet && self.wake != Wake::Now {
                return;
            }
        }
        panic!("the device never comes to rest");
    }

    /// Looks at what the device did; returns the frames that answer it.
    fn take_effects(&mut self) -> Vec<Vec<u8>> {
        let mut commands = Vec::new();
        let mut answers = Vec::new();
        let own = if self.is_station { MAC } else { ap_bssid(MAC) };
        assert_eq!(self.platform.queues().lost_effects(), 0, "more effects than a turn has room for");
        for effect in self.platform.queues().effects() {
            match effect {
                Effect::Frame(frame) => {
                    assert!(frame.len() <= FRAME_LEN_MAX);
                    check_secret(self.keeps_secret, frame);
                    match check_sent(frame, own) {
                        Sent::Segment(flow) => self.flow = flow,
                        Sent::Datagram(datagram) => self.asked = Some(datagram),
                        Sent::Other => {}
                    }
                    answers.extend(arp_reply(frame, STRANGER));
                }
                Effect::Radio(command) => commands.push(command.clone()),
                Effect::Trace(event) => check_secret(self.keeps_secret, format!("{event:?}").as_bytes()),
                Effect::Console(text) => check_secret(self.keeps_secret, text.as_bytes()),
                Effect::Pattern(_) | Effect::Flash(_) => {}
            }
        }
        self.platform.queues().clear_effects();
        for command in commands {
            self.answer(&command);
        }
        answers
    }

    /// The air is kind: what the device asks for, it gets.
    fn answer(&mut self, command: &RadioCommand) {
        let home = Network {
            ssid: Ssid::new(b"HomeNet").expect("a name"),
            bssid: BSSID,
            channel: 6,
            rssi: -52,
            security: Security::Wpa2,
        };
        let events = match command {
            RadioCommand::Off => vec![],
            RadioCommand::StartAp { .. } => {
                self.is_station = false;
                vec![RadioEvent::ApStarted, RadioEvent::StationJoined(STRANGER)]
            }
            RadioCommand::Scan { .. } => vec![RadioEvent::ScanResult(home), RadioEvent::ScanDone(true)],
            RadioCommand::Join { .. } => {
                self.is_station = true;
                vec![RadioEvent::Joined]
            }
        };
        for event in events {
            assert!(self.platform.queues().push_radio_event(event));
        }
    }
}

fn check_secret(keeps_secret: bool, bytes: &[u8]) {
    let is_told = bytes.windows(PASSPHRASE.len()).any(|part| part == PASSPHRASE.as_bytes());
    assert!(!(keeps_secret && is_told), "the passphrase is told");
}
