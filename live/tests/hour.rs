//! An hour of a live device's time among clients that nobody would wish for, in a few seconds: what it takes of memory
//! does not grow, and in the end it can be set up as ever.

use firmware_core::random::SplitMix64;
use firmware_core::trace::State;
use hil_live::device::home;
use hil_sim::runner::open::OpenWorld;
use hil_sim::runner::{DEFAULT_SEED, Harness};
use hil_sim::target::Sim;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Address, Ipv4Packet,
    Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};

const MINUTES: u64 = 60;
/// Minutes after which everything that fills has filled.
const FULL_AFTER: u64 = 10;
/// Frames a second.
const FRAMES_PER_SECOND: u64 = 50;
/// What may come on top between then and the end, in bytes.
const GROWTH_MAX: u64 = 4 << 20;
const MAC: EthernetAddress = EthernetAddress([0x02, 0x70, 0, 0, 0, 9]);
const DEVICE: Ipv4Address = Ipv4Address::new(192, 168, 4, 1);

/// Frames that a bad neighbour sends.
struct Abuser {
    random: SplitMix64,
    device: EthernetAddress,
}

impl Abuser {
    fn below(&mut self, limit: u64) -> u64 {
        self.random.next_u64() % limit
    }

    fn garbage(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }

    fn frame(&mut self) -> Vec<u8> {
        let len = self.below(1_400) as usize;
        match self.below(4) {
            0 => self.garbage(len + 1),
            1 => {
                let payload = self.garbage(len);
                let port = [53, 67, 68, 80, 5353][self.below(5) as usize];
                self.udp(port, &payload)
            }
            // Connections that are begun and left alone.
            2 => self.tcp(TcpControl::Syn, None, &[]),
            _ => {
                let payload = self.garbage(len);
                let ack = TcpSeqNumber(self.below(1 << 31) as i32);
                self.tcp(TcpControl::None, Some(ack), &payload)
            }
        }
    }

    /// The headers of a datagram, and where its payload goes.
    fn ip(&mut self, protocol: IpProtocol, payload_len: usize) -> (Vec<u8>, Ipv4Repr) {
        let source = Ipv4Address::new(192, 168, 4, 2 + self.below(200) as u8);
        let ip = Ipv4Repr {
            src_addr: source,
            dst_addr: DEVICE,
            next_header: protocol,
            payload_len,
            hop_limit: 64,
        };
        let ethernet =
            EthernetRepr { src_addr: MAC, dst_addr: self.device, ethertype: EthernetProtocol::Ipv4 };
        let mut frame = vec![0; ethernet.buffer_len() + ip.buffer_len() + payload_len];
        let mut view = EthernetFrame::new_unchecked(&mut frame[..]);
        ethernet.emit(&mut view);
        ip.emit(&mut Ipv4Packet::new_unchecked(view.payload_mut()), &ChecksumCapabilities::default());
        (frame, ip)
    }

    fn udp(&mut self, port: u16, payload: &[u8]) -> Vec<u8> {
        let udp = UdpRepr { src_port: 1_024 + self.below(60_000) as u16, dst_port: port };
        let (mut frame, ip) = self.ip(IpProtocol::Udp, udp.header_len() + payload.len());
        let mut view = UdpPacket::new_unchecked(&mut frame[34..]);
        let fill = |buffer: &mut [u8]| buffer.copy_from_slice(payload);
        let sums = ChecksumCapabilities::default();
        udp.emit(&mut view, &ip.src_addr.into(), &ip.dst_addr.into(), payload.len(), fill, &sums);
        frame
    }

    fn tcp(&mut self, control: TcpControl, ack: Option<TcpSeqNumber>, payload: &[u8]) -> Vec<u8> {
        let tcp = TcpRepr {
            src_port: 1_024 + self.below(60_000) as u16,
            dst_port: if self.below(4) == 0 { self.below(65_536) as u16 } else { 80 },
            control,
            seq_number: TcpSeqNumber(self.below(1 << 31) as i32),
            ack_number: ack,
            window_len: 1_000,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload,
        };
        let (mut frame, ip) = self.ip(IpProtocol::Tcp, tcp.buffer_len());
        let mut view = TcpPacket::new_unchecked(&mut frame[34..]);
        tcp.emit(&mut view, &ip.src_addr.into(), &ip.dst_addr.into(), &ChecksumCapabilities::default());
        frame
    }
}

/// The memory that this process takes, in bytes; `None` where nobody says.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}

#[test]
fn an_hour_of_abuse_costs_no_memory_and_no_setup() {
    let mut world = OpenWorld::build(&Sim, home(), &Harness::EXAMPLE, DEFAULT_SEED, 0).unwrap();
    world.power_on(0);
    let guest = world.add_guest("abuser", Some("device"), MAC).unwrap();
    world.run_until(Instant::from_millis(5_000)).unwrap();
    assert!(world.is_connected(guest));
    let mac = world.device(0).unwrap().mac();
    let device = firmware_core::portal::name::ap_bssid(mac);
    let mut abuser = Abuser { random: SplitMix64::new(7), device };
    let mut answers = 0;
    let mut full = None;
    for minute in 0..MINUTES {
        if minute == FULL_AFTER {
            full = memory();
        }
        for _ in 0..60 * FRAMES_PER_SECOND {
            world.send_of_guest(guest, abuser.frame());
            let at = world.now() + Duration::from_micros(1_000_000 / FRAMES_PER_SECOND);
            world.run_until(at).unwrap();
            // As whoever holds a live device does.
            answers += std::iter::from_fn(|| world.take_frame(guest)).count();
            world.take_told();
            world.take_frames();
        }
    }
    assert!(answers > 1_000, "the device has answered {answers} frames: the abuse does not reach it");
    if let (Some(full), Some(end)) = (full, memory()) {
        assert!(end < full + GROWTH_MAX, "memory went from {full} to {end} bytes");
    }
    assert!(world.set_up_by_phone(true));
    world.run_until(world.now() + Duration::from_secs(120)).unwrap();
    assert_eq!(world.device(0).unwrap().state(), State::Running);
}
