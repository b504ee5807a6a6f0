//! Thousands of frames that no well-behaved phone sends. The bench itself checks that a turn's effects fit
//! the link and that the device does not spin.

use firmware_core::Duration;
use firmware_core::config::SSID_LEN_MAX;
use firmware_core::hal::RadioEvent;
use firmware_core::portal::AP_IP;
use firmware_core::random::SplitMix64;
use hil_sim::stack::{FRAME_LEN_MAX, Frame};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Address, TcpControl,
};

use crate::dns::{exchange, query};
use crate::support::wire::{self, Addresses, Dhcp};
use crate::support::{Bench, ap_mac, network};

/// The last byte of the addresses of the one phone that is there.
const PHONE: u8 = 250;

/// Chance for frames.
struct Dice(SplitMix64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.0.below(limit as u64)).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    fn bytes(&mut self, len_max: usize) -> Vec<u8> {
        let len = self.below(len_max + 1);
        (0..len).map(|_| self.byte()).collect()
    }

    fn addresses(&mut self) -> Addresses {
        let number = self.byte();
        let mac = EthernetAddress([2, 0, 0, 0, 9, number]);
        match self.below(8) {
            0 => Addresses::broadcast(mac),
            1 => Addresses::to_device(mac, Ipv4Address::new(self.byte(), self.byte(), self.byte(), number)),
            2 | 3 => Addresses::to_device(
                EthernetAddress([2, 0xF0, 0, 0, 0, PHONE]),
                Ipv4Address::new(192, 168, 4, PHONE),
            ),
            4 => Addresses { to_mac: EthernetAddress::BROADCAST, ..Addresses::to_device(mac, AP_IP) },
            _ => Addresses::to_device(mac, Ipv4Address::new(192, 168, 4, number)),
        }
    }

    fn frame(&mut self) -> Frame {
        let addresses = self.addresses();
        let frame = match self.below(9) {
            0 => self.bytes(FRAME_LEN_MAX),
            1 => self.ethernet(),
            2 => {
                let protocol = IpProtocol::from(self.byte());
                wire::ipv4(addresses, protocol, &self.bytes(600))
            }
            3 => wire::udp(addresses, 68, 67, &self.dhcp()),
            4 => wire::udp(addresses, 40_000, 53, &self.dns()),
            5 => wire::ipv4(addresses, IpProtocol::Icmp, &self.bytes(64)),
            6 => self.segment(addresses, b"GET /wifi_scan.json HTTP/1.1\r\n\r\n"),
            7 => {
                let payload = self.bytes(1_400);
                self.segment(addresses, &payload)
            }
            _ => self.arp(),
        };
        self.damage(frame)
    }

    fn ethernet(&mut self) -> Frame {
        let payload = self.bytes(200);
        let ethertype = match self.below(3) {
            0 => EthernetProtocol::Arp,
            1 => EthernetProtocol::Ipv4,
            _ => EthernetProtocol::Ipv6,
        };
        let repr = EthernetRepr { src_addr: EthernetAddress([2; 6]), dst_addr: ap_mac(), ethertype };
        let mut frame = vec![0; repr.buffer_len() + payload.len()];
        repr.emit(&mut EthernetFrame::new_unchecked(&mut frame));
        frame[repr.buffer_len()..].copy_from_slice(&payload);
        frame
    }

    /// An ARP request or answer with chance in its addresses.
    fn arp(&mut self) -> Frame {
        let mut frame = [[0xFF; 6], [2, 0, 0, 0, 9, self.byte()]].concat();
        frame.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1 + self.byte() % 2]);
        frame.extend([2, 0, 0, 0, 9, self.byte(), 192, 168, 4, self.byte()]);
        frame.extend([0, 0, 0, 0, 0, 0, 192, 168, 4, 1]);
        frame
    }

    fn dhcp(&mut self) -> Vec<u8> {
        let requested = [192, 168, 4, self.byte() % 16];
        let client_id = self.bytes(60);
        let message = Dhcp {
            kind: if self.below(100) == 0 { Dhcp::INFORM } else { self.byte() % 8 },
            mac: EthernetAddress([2, 0, 0, 0, 9, self.byte()]),
            transaction: 1,
            // An answer to this address waits for somebody who is not there.
            client_ip: if self.below(100) == 0 { requested.into() } else { Ipv4Address::UNSPECIFIED },
            options: &[(50, &requested), (61, &client_id)],
        };
        message.bytes()
    }

    fn dns(&mut self) -> Vec<u8> {
        let mut message = query("blynk.setup", u16::from(self.byte()));
        for _ in 0..self.below(3) {
            let at = self.below(message.len());
            message[at] = self.byte();
        }
        message
    }

    fn segment(&mut self, addresses: Addresses, payload: &[u8]) -> Frame {
        let control = match self.below(6) {
            0 => TcpControl::Syn,
            1 => TcpControl::Fin,
            2 => TcpControl::Rst,
            _ => TcpControl::Psh,
        };
        let acknowledges = (self.below(3) > 0).then(|| i32::from(self.byte()));
        let payload = if control == TcpControl::Syn { b"" } else { payload };
        let ports = (40_000 + u16::from(self.byte() % 4), if self.below(5) == 0 { 443 } else { 80 });
        wire::tcp(addresses, ports, control, i32::from(self.byte()), acknowledges, payload)
    }

    /// Cuts some of the frames and changes bytes of others.
    fn damage(&mut self, mut frame: Frame) -> Frame {
        match self.below(4) {
            0 => frame.truncate(self.below(frame.len() + 1)),
            1 if !frame.is_empty() => {
                let at = self.below(frame.len());
                frame[at] ^= 1 << self.below(8);
            }
            _ => {}
        }
        frame
    }
}

/// After a flood of this seed the device still leases, resolves and serves.
#[track_caller]
fn check(seed: u64) {
    let mut bench = Bench::new(seed.is_multiple_of(2));
    let phone = bench.add_station(PHONE);
    bench.networks = vec![network(&[b'"'; SSID_LEN_MAX], 1, -50)];
    let mut dice = Dice(SplitMix64::new(seed));
    for _ in 0..100 {
        for _ in 0..20 {
            let frame = dice.frame();
            bench.inject(frame);
        }
        bench.run_for(Duration::from_millis(97));
    }
    // The flood must have come as far as the servers to be worth anything.
    let reached = (wire::datagrams_from(&bench.sent, 67).len(), bench.sent.len());
    assert!(reached.0 > 15 && reached.1 > 150, "{reached:?}");
    bench.run_for(Duration::from_secs(15));
    bench.get(phone, "/board_info.json").assert(200);
    bench.get(phone, "/wifi_scan.json").assert(200);
    assert!(
        exchange(&mut bench, phone, &query("blynk.setup", 1)).is_some(),
        "no answer from the name server"
    );
    let mac = EthernetAddress([2, 0xD0, 0, 0, 0, 1]);
    let discover =
        Dhcp { kind: Dhcp::DISCOVER, mac, transaction: 1, client_ip: Ipv4Address::UNSPECIFIED, options: &[] };
    let before = bench.sent.len();
    bench.inject(wire::udp(Addresses::broadcast(mac), 68, 67, &discover.bytes()));
    bench.run_for(Duration::from_secs(1));
    assert_eq!(wire::datagrams_from(&bench.sent[before..], 67).len(), 1, "no offer");
    assert_eq!(bench.boots(), 1);
}

#[test]
fn two_thousand_odd_frames_harm_nobody() {
    for seed in 0..4 {
        check(seed);
    }
}

#[test]
fn stations_that_come_and_go_without_end_fit_every_turn() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(2);
    for number in 0..=255 {
        let mac = EthernetAddress([2, 0, 0, 0, 9, number]);
        bench.tell(RadioEvent::StationJoined(mac));
        if number % 3 > 0 {
            bench.tell(RadioEvent::StationLeft(mac));
        }
        bench.run_for(Duration::from_millis(1));
    }
    bench.get(phone, "/board_info.json").assert(200);
}

#[test]
fn the_busiest_turn_fits_the_link() {
    let mut bench = Bench::new(false);
    let phone = bench.add_station(PHONE);
    let conns = [0; 5].map(|_| bench.send(phone, b"GET /reset"));
    bench.run_for(Duration::from_millis(20));
    bench.effects_max = 0;
    for conn in conns {
        bench.conn(conn).write(b" HTTP/1.1\r\n\r\n");
    }
    for number in 2..=12 {
        let mac = EthernetAddress([2, 0xD0, 0, 0, 0, number]);
        bench.tell(RadioEvent::StationJoined(mac));
        let requested = [192, 168, 4, number];
        let message = Dhcp {
            kind: Dhcp::REQUEST,
            mac,
            transaction: 1,
            client_ip: Ipv4Address::UNSPECIFIED,
            options: &[(50, &requested)],
        };
        bench.inject(wire::udp(Addresses::broadcast(mac), 68, 67, &message.bytes()));
    }
    bench.type_line("connect TokenOfAnotherAccount0123456789- Home\\ Net correct\\ horse");
    for conn in conns {
        bench.reply(conn).assert(200);
    }
    assert!(bench.effects_max > 20, "it was not busy: {}", bench.effects_max);
}

#[test]
fn a_console_full_of_typing_fits_a_turn() {
    let mut bench = Bench::new(false);
    bench.console.clear();
    let line = "x".repeat(120);
    bench.type_line(&line);
    bench.run_for(Duration::from_millis(1));
    assert!(bench.console.starts_with(&line), "the echo is not what was typed: {}", bench.console);
    bench.type_line(&"\r".repeat(255));
    bench.run_for(Duration::from_millis(1));
}
