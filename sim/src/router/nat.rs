//! Address translation: one public address for every station, by ports.
//!
//! Mapping and filtering do not depend on the far end (RFC 4787 REQ-1 and REQ-8, RFC 5382 REQ-1 and REQ-3).
//! Frames are rewritten where they lie, and checksums are updated rather than computed (RFC 1624), so that a
//! packet damaged on the air stays damaged.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, IpProtocol, Ipv4Address, Ipv4Packet, TcpPacket, UdpPacket,
};

use super::packet::{ETHERNET_HEADER_LEN, is_fragment};

/// RFC 5382 REQ-5: an idle established connection lives at least 2 hours and 4 minutes.
const TCP_ESTABLISHED_LIMIT: Duration = Duration::from_secs(2 * 3_600 + 4 * 60);
/// RFC 5382 REQ-5: one that is opening or closing, at least 4 minutes.
const TCP_TRANSITORY_LIMIT: Duration = Duration::from_secs(4 * 60);
/// RFC 4787 REQ-5 asks for two minutes; home routers forget earlier, and a device must live with it.
const UDP_LIMIT: Duration = Duration::from_secs(60);
/// Flows at one time. Small routers have some thousand; a story with more than these is a leak.
const FLOWS_MAX: usize = 256;
/// IANA's dynamic ports (RFC 6335 section 6), used when the station's own port is taken.
const DYNAMIC_PORT_FIRST: u16 = 49_152;

/// The flows of one router.
pub(super) struct Nat {
    public: Ipv4Address,
    flows: Vec<Flow>,
    next_port: u16,
}

struct Flow {
    protocol: IpProtocol,
    inside: (Ipv4Address, u16),
    inside_mac: EthernetAddress,
    public_port: u16,
    established: bool,
    until: Instant,
}

/// What decides the life of a flow; neither for UDP.
#[derive(Clone, Copy, Default)]
struct Flags {
    opens: bool,
    ends: bool,
}

impl Nat {
    pub(super) fn new(public: Ipv4Address) -> Self {
        Self { public, flows: Vec::new(), next_port: DYNAMIC_PORT_FIRST }
    }

    /// Makes a station's frame one of the router's own; `None` when it cannot pass. Returns the destination.
    pub(super) fn rewrite_outbound(&mut self, now: Instant, frame: &mut [u8]) -> Option<Ipv4Address> {
        let mac = EthernetFrame::new_unchecked(&*frame).src_addr();
        let mut ip = passable(frame)?;
        let protocol = ip.next_header();
        let (source, destination) = (ip.src_addr(), ip.dst_addr());
        let (port, _, flags) = ports(protocol, ip.payload_mut())?;
        let index = self.find_or_open(now, protocol, (source, port))?;
        let flow = &mut self.flows[index];
        flow.inside_mac = mac;
        // A SYN from inside alone does not establish anything: the far end has not agreed.
        flow.touch(now, Flags { opens: false, ..flags });
        let public = (self.public, flow.public_port);
        ip.set_src_addr(public.0);
        finish_header(&mut ip);
        set_port(protocol, ip.payload_mut(), Side::Source, (source, port), public);
        Some(destination)
    }

    /// Turns a frame for the router's address into one for the station it belongs to; `None` when to nobody.
    /// Returns that station.
    pub(super) fn rewrite_inbound(&mut self, now: Instant, frame: &mut [u8]) -> Option<EthernetAddress> {
        let mut ip = passable(frame)?;
        let protocol = ip.next_header();
        let (_, port, flags) = ports(protocol, ip.payload_mut())?;
        let flow = self
            .flows
            .iter_mut()
            .find(|flow| flow.public_port == port && flow.protocol == protocol && now < flow.until)?;
        flow.touch(now, flags);
        let public = (ip.dst_addr(), port);
        ip.set_dst_addr(flow.inside.0);
        finish_header(&mut ip);
        set_port(protocol, ip.payload_mut(), Side::Destination, public, flow.inside);
        Some(flow.inside_mac)
    }

    /// How many flows are remembered, some of which may be over.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    pub(super) fn clear(&mut self) {
        self.flows.clear();
    }

    fn find_or_open(
        &mut self,
        now: Instant,
        protocol: IpProtocol,
        inside: (Ipv4Address, u16),
    ) -> Option<usize> {
        let found = self
            .flows
            .iter()
            .position(|flow| flow.inside == inside && flow.protocol == protocol && now < flow.until);
        if found.is_some() {
            return found;
        }
        // Only a new flow has to find room, so that nothing needs a timer.
        self.flows.retain(|flow| now < flow.until);
        if self.flows.len() == FLOWS_MAX {
            return None;
        }
        let flow = Flow {
            protocol,
            inside,
            inside_mac: EthernetAddress([0; 6]),
            public_port: self.choose_port(protocol, inside.1),
            established: false,
            until: now,
        };
        self.flows.push(flow);
        Some(self.flows.len() - 1)
    }

    /// The station's own port where nobody has it (RFC 4787 section 4.2.1), else the next free dynamic one.
    fn choose_port(&mut self, protocol: IpProtocol, wanted: u16) -> u16 {
        let mut port = wanted;
        // There are more dynamic ports than flows, so that this ends.
        while self.flows.iter().any(|flow| flow.public_port == port && flow.protocol == protocol) {
            port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(DYNAMIC_PORT_FIRST);
        }
        port
    }
}

impl Flow {
    fn touch(&mut self, now: Instant, flags: Flags) {
        self.established = (self.established || flags.opens) && !flags.ends;
        self.until = now
            + match self.protocol {
                IpProtocol::Udp => UDP_LIMIT,
                _ if self.established => TCP_ESTABLISHED_LIMIT,
                _ => TCP_TRANSITORY_LIMIT,
            };
    }
}

#[derive(Clone, Copy)]
enum Side {
    Source,
    Destination,
}

/// The IPv4 packet in a frame, when a router may pass it on: whole, unbroken and with a hop to spare.
fn passable(frame: &mut [u8]) -> Option<Ipv4Packet<&mut [u8]>> {
    let payload = frame.get_mut(ETHERNET_HEADER_LEN..)?;
    let ip = Ipv4Packet::new_checked(&*payload).ok()?;
    if ip.hop_limit() <= 1 || is_fragment(&ip) || !ip.verify_checksum() {
        return None;
    }
    Some(Ipv4Packet::new_unchecked(payload))
}

/// Source port, destination port and flags of a TCP or UDP packet; `None` for anything else.
fn ports(protocol: IpProtocol, payload: &[u8]) -> Option<(u16, u16, Flags)> {
    match protocol {
        IpProtocol::Tcp => {
            let tcp = TcpPacket::new_checked(payload).ok()?;
            let flags = Flags { opens: tcp.syn(), ends: tcp.fin() || tcp.rst() };
            Some((tcp.src_port(), tcp.dst_port(), flags))
        }
        IpProtocol::Udp => {
            let udp = UdpPacket::new_checked(payload).ok()?;
            Some((udp.src_port(), udp.dst_port(), Flags::default()))
        }
        _ => None,
    }
}

fn finish_header(ip: &mut Ipv4Packet<&mut [u8]>) {
    ip.set_hop_limit(ip.hop_limit() - 1);
    ip.fill_checksum();
}

/// Changes one port and makes up for it, and for the address that changed with it, in the checksum.
fn set_port(
    protocol: IpProtocol,
    payload: &mut [u8],
    side: Side,
    old: (Ipv4Address, u16),
    new: (Ipv4Address, u16),
) {
    match protocol {
        IpProtocol::Tcp => {
            let mut tcp = TcpPacket::new_unchecked(payload);
            tcp.set_checksum(updated_checksum(tcp.checksum(), old, new));
            match side {
                Side::Source => tcp.set_src_port(new.1),
                Side::Destination => tcp.set_dst_port(new.1),
            }
        }
        _ => {
            let mut udp = UdpPacket::new_unchecked(payload);
            // RFC 768: zero says that there is no checksum, so that a computed zero is sent as all ones.
            if udp.checksum() != 0 {
                let checksum = updated_checksum(udp.checksum(), old, new);
                udp.set_checksum(if checksum == 0 { u16::MAX } else { checksum });
            }
            match side {
                Side::Source => udp.set_src_port(new.1),
                Side::Destination => udp.set_dst_port(new.1),
            }
        }
    }
}

/// RFC 1624 equation 3: the complement of (~checksum + ~old + new), in one's complement arithmetic.
fn updated_checksum(checksum: u16, old: (Ipv4Address, u16), new: (Ipv4Address, u16)) -> u16 {
    let words = |(ip, port): (Ipv4Address, u16)| {
        let [a, b, c, d] = ip.octets();
        [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), port]
    };
    let removed = words(old).into_iter().map(|word| u32::from(!word));
    let added = words(new).into_iter().map(u32::from);
    let mut sum = u32::from(!checksum) + removed.chain(added).sum::<u32>();
    // Seven words of 16 bits leave at most a carry of 6, and adding that at most one more.
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) as u16)
}
