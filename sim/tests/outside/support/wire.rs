//! Packets by hand: what no well-behaved stack would send.

use firmware_core::portal::AP_IP;
use hil_sim::stack::Frame;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpAddress, IpProtocol, Ipv4Address,
    Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};

use super::ap_mac;

/// Who sends a packet, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub from_mac: EthernetAddress,
    pub to_mac: EthernetAddress,
    pub from: Ipv4Address,
    pub to: Ipv4Address,
}

impl Addresses {
    /// From a station to the device's access point.
    pub fn to_device(from_mac: EthernetAddress, from: Ipv4Address) -> Self {
        Self { from_mac, to_mac: ap_mac(), from, to: AP_IP }
    }

    /// From a station that has no address yet to everybody.
    pub fn broadcast(from_mac: EthernetAddress) -> Self {
        Self {
            from_mac,
            to_mac: EthernetAddress::BROADCAST,
            from: Ipv4Address::UNSPECIFIED,
            to: Ipv4Address::BROADCAST,
        }
    }
}

/// A frame with an IPv4 packet whose header and length are right.
pub fn ipv4(addresses: Addresses, protocol: IpProtocol, payload: &[u8]) -> Frame {
    let Addresses { from_mac, to_mac, from, to } = addresses;
    let ethernet = EthernetRepr { src_addr: from_mac, dst_addr: to_mac, ethertype: EthernetProtocol::Ipv4 };
    let ip = Ipv4Repr {
        src_addr: from,
        dst_addr: to,
        next_header: protocol,
        payload_len: payload.len(),
        hop_limit: 64,
    };
    let mut frame = vec![0; ethernet.buffer_len() + ip.buffer_len() + payload.len()];
    ethernet.emit(&mut EthernetFrame::new_unchecked(&mut frame));
    let mut packet = Ipv4Packet::new_unchecked(&mut frame[ethernet.buffer_len()..]);
    ip.emit(&mut packet, &ChecksumCapabilities::default());
    packet.payload_mut().copy_from_slice(payload);
    frame
}

/// A frame with a UDP datagram.
pub fn udp(addresses: Addresses, from_port: u16, to_port: u16, payload: &[u8]) -> Frame {
    let repr = UdpRepr { src_port: from_port, dst_port: to_port };
    let mut datagram = vec![0; repr.header_len() + payload.len()];
    repr.emit(
        &mut UdpPacket::new_unchecked(&mut datagram),
        &IpAddress::Ipv4(addresses.from),
        &IpAddress::Ipv4(addresses.to),
        payload.len(),
        |buffer| buffer.copy_from_slice(payload),
        &ChecksumCapabilities::default(),
    );
    ipv4(addresses, IpProtocol::Udp, &datagram)
}

/// A frame with a TCP segment.
pub fn tcp(
    addresses: Addresses,
    ports: (u16, u16),
    control: TcpControl,
    sequence: i32,
    acknowledges: Option<i32>,
    payload: &[u8],
) -> Frame {
    let repr = TcpRepr {
        src_port: ports.0,
        dst_port: ports.1,
        control,
        seq_number: TcpSeqNumber(sequence),
        ack_number: acknowledges.map(TcpSeqNumber),
        window_len: 4_096,
        window_scale: None,
        max_seg_size: (control == TcpControl::Syn).then_some(1_460),
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload,
    };
    let mut segment = vec![0; repr.buffer_len()];
    repr.emit(
        &mut TcpPacket::new_unchecked(&mut segment),
        &IpAddress::Ipv4(addresses.from),
        &IpAddress::Ipv4(addresses.to),
        &ChecksumCapabilities::default(),
    );
    ipv4(addresses, IpProtocol::Tcp, &segment)
}

/// The UDP datagrams from a port of the device among these frames: who they are for, and their payloads.
pub fn datagrams_from(frames: &[Frame], port: u16) -> Vec<(EthernetAddress, Ipv4Address, Vec<u8>)> {
    let parse = |frame: &Frame| {
        let ethernet = EthernetFrame::new_checked(&frame[..]).ok()?;
        if ethernet.ethertype() != EthernetProtocol::Ipv4 {
            return None;
        }
        let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
        if ip.next_header() != IpProtocol::Udp {
            return None;
        }
        let datagram = UdpPacket::new_checked(ip.payload()).ok()?;
        let is_ours = datagram.src_port() == port;
        is_ours.then(|| (ethernet.dst_addr(), ip.dst_addr(), datagram.payload().to_vec()))
    };
    frames.iter().filter_map(parse).collect()
}

/// A DHCP message of a client: its kind and further options, by hand.
pub struct Dhcp<'a> {
    pub kind: u8,
    pub mac: EthernetAddress,
    pub transaction: u32,
    pub client_ip: Ipv4Address,
    pub options: &'a [(u8, &'a [u8])],
}

impl Dhcp<'_> {
    pub const DISCOVER: u8 = 1;
    pub const OFFER: u8 = 2;
    pub const REQUEST: u8 = 3;
    pub const DECLINE: u8 = 4;
    pub const ACK: u8 = 5;
    pub const NAK: u8 = 6;
    pub const RELEASE: u8 = 7;
    pub const INFORM: u8 = 8;

    /// The message's bytes (RFC 2131 section 2).
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 236];
        bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&self.transaction.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.client_ip.octets());
        bytes[28..34].copy_from_slice(&self.mac.0);
        bytes.extend([0x63, 0x82, 0x53, 0x63, 53, 1, self.kind]);
        for (code, data) in self.options {
            bytes.extend([*code, u8::try_from(data.len()).unwrap()]);
            bytes.extend_from_slice(data);
        }
        bytes.push(255);
        bytes
    }
}

/// What matters of a DHCP server's message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DhcpReply {
    pub kind: u8,
    pub transaction: u32,
    pub your_ip: Ipv4Address,
    pub options: Vec<(u8, Vec<u8>)>,
}

impl DhcpReply {
    /// Takes a message apart.
    pub fn parse(bytes: &[u8]) -> Self {
        assert!(bytes.len() >= 300, "BOOTP messages have at least 300 bytes, this one {}", bytes.len());
        assert_eq!(bytes[0], 2, "not a server's message");
        assert_eq!(bytes[236..240], [0x63, 0x82, 0x53, 0x63]);
        let mut options = Vec::new();
        let mut rest = &bytes[240..];
        while let [code, tail @ ..] = rest {
            match code {
                0 => rest = tail,
                255 => break,
                _ => {
                    let (data, tail) = tail[1..].split_at(usize::from(tail[0]));
                    options.push((*code, data.to_vec()));
                    rest = tail;
                }
            }
        }
        let mut reply = Self {
            kind: 0,
            transaction: u32::from_be_bytes(bytes[4..8].try_into().unwrap()),
            your_ip: Ipv4Address::new(bytes[16], bytes[17], bytes[18], bytes[19]),
            options,
        };
        reply.kind = reply.option(53).expect("every message has a type")[0];
        reply
    }

    /// The data of an option.
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(found, _)| *found == code).map(|(_, data)| data.as_slice())
    }
}
