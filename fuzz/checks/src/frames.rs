//! Ethernet frames, built and read with smoltcp's wire types: a fuzzer does not guess checksums and sequence
//! numbers, so they are put right for it.

use smoltcp::wire::{
    ArpOperation, ArpPacket, EthernetAddress, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Address,
    Ipv4Packet, TcpPacket, TcpSeqNumber, UdpPacket,
};

const ETHERNET_LEN: usize = 14;
const IP_LEN: usize = 20;
const TCP_LEN: usize = 20;
const UDP_LEN: usize = 8;

/// Two ends of a path, seen from the stranger's side.
#[derive(Clone, Copy)]
pub(crate) struct Path {
    pub(crate) from: (EthernetAddress, Ipv4Address),
    pub(crate) to: (EthernetAddress, Ipv4Address),
}

/// What a stranger knows of one TCP connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flow {
    pub(crate) own_port: u16,
    pub(crate) device_port: u16,
    /// What the device expects next, and what comes next from it.
    pub(crate) sequence: TcpSeqNumber,
    pub(crate) acknowledgement: TcpSeqNumber,
}

/// What a frame of the device was, as the stranger on the other end sees it.
pub(crate) enum Sent {
    Segment(Flow),
    Datagram(Datagram),
    Other,
}

/// A datagram of the device.
pub(crate) struct Datagram {
    pub(crate) device_port: u16,
    pub(crate) own_port: u16,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn udp(path: Path, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut frame = ip(path, IpProtocol::Udp, UDP_LEN + payload.len());
    let mut packet = UdpPacket::new_unchecked(&mut frame[ETHERNET_LEN + IP_LEN..]);
    packet.set_src_port(ports.0);
    packet.set_dst_port(ports.1);
    packet.set_len(u16::try_from(UDP_LEN + payload.len()).expect("a short payload"));
    packet.payload_mut().copy_from_slice(payload);
    packet.fill_checksum(&path.from.1.into(), &path.to.1.into());
    frame
}

/// A segment whose flags are the bits of `flags` as on the wire.
pub(crate) fn tcp(path: Path, flow: Flow, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = ip(path, IpProtocol::Tcp, TCP_LEN + payload.len());
    let segment = &mut frame[ETHERNET_LEN + IP_LEN..];
    segment[TCP_LEN..].copy_from_slice(payload);
    let mut packet = TcpPacket::new_unchecked(segment);
    packet.set_src_port(flow.own_port);
    packet.set_dst_port(flow.device_port);
    packet.set_seq_number(flow.sequence);
    packet.set_ack_number(flow.acknowledgement);
    packet.set_header_len(20);
    packet.set_fin(flags & 1 != 0);
    packet.set_syn(flags & 2 != 0);
    packet.set_rst(flags & 4 != 0);
    packet.set_psh(flags & 8 != 0);
    packet.set_ack(flags & 16 != 0);
    packet.set_window_len(if flags & 128 != 0 { 0 } else { 4_096 });
    packet.fill_checksum(&path.from.1.into(), &path.to.1.into());
    frame
}

fn ip(path: Path, protocol: IpProtocol, payload_len: usize) -> Vec<u8> {
    let mut bytes = vec![0; ETHERNET_LEN + IP_LEN + payload_len];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    frame.set_src_addr(path.from.0);
    frame.set_dst_addr(path.to.0);
    frame.set_ethertype(EthernetProtocol::Ipv4);
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    packet.set_version(4);
    packet.set_header_len(20);
    packet.set_total_len(u16::try_from(IP_LEN + payload_len).expect("a short payload"));
    packet.set_hop_limit(64);
    packet.set_next_header(protocol);
    packet.set_src_addr(path.from.1);
    packet.set_dst_addr(path.to.1);
    packet.fill_checksum();
    bytes
}

/// Makes the checksums of any frame right, as far as it has some.
pub(crate) fn put_right(frame: &mut [u8]) {
    let Ok(mut frame) = EthernetFrame::new_checked(frame) else { return };
    if frame.ethertype() != EthernetProtocol::Ipv4 {
        return;
    }
    let Ok(mut packet) = Ipv4Packet::new_checked(frame.payload_mut()) else { return };
    if usize::from(packet.header_len()) < IP_LEN {
        return;
    }
    packet.fill_checksum();
    let (from, to) = (packet.src_addr().into(), packet.dst_addr().into());
    match packet.next_header() {
        IpProtocol::Tcp => {
            if let Ok(mut packet) = TcpPacket::new_checked(packet.payload_mut()) {
                packet.fill_checksum(&from, &to);
            }
        }
        IpProtocol::Udp => {
            if let Ok(mut packet) = UdpPacket::new_checked(packet.payload_mut()) {
                packet.fill_checksum(&from, &to);
            }
        }
        _ => {}
    }
}

/// Panics when a frame of the device is not one that others can read; returns what it was.
#[track_caller]
pub(crate) fn check_sent(frame: &[u8], own: EthernetAddress) -> Sent {
    let frame = EthernetFrame::new_checked(frame).expect("a frame");
    assert_eq!(frame.src_addr(), own, "somebody else's address");
    match frame.ethertype() {
        EthernetProtocol::Arp => {
            ArpPacket::new_checked(frame.payload()).expect("an ARP packet");
            Sent::Other
        }
        EthernetProtocol::Ipv4 => {
            let packet = Ipv4Packet::new_checked(frame.payload()).expect("an IP packet");
            assert!(packet.verify_checksum() && !packet.src_addr().is_multicast());
            let (from, to) = (packet.src_addr().into(), packet.dst_addr().into());
            match packet.next_header() {
                IpProtocol::Tcp => {
                    let tcp = TcpPacket::new_checked(packet.payload()).expect("a segment");
                    assert!(tcp.verify_checksum(&from, &to));
                    Sent::Segment(Flow {
                        own_port: tcp.dst_port(),
                        device_port: tcp.src_port(),
                        sequence: tcp.ack_number(),
                        acknowledgement: tcp.seq_number() + tcp.segment_len(),
                    })
                }
                IpProtocol::Udp => {
                    let udp = UdpPacket::new_checked(packet.payload()).expect("a datagram");
                    assert!(udp.verify_checksum(&from, &to));
                    Sent::Datagram(Datagram {
                        device_port: udp.src_port(),
                        own_port: udp.dst_port(),
                        payload: udp.payload().to_vec(),
                    })
                }
                _ => Sent::Other,
            }
        }
        other => panic!("the device speaks {other}"),
    }
}

/// The answer to the device's question who has an address, if the frame is one.
pub(crate) fn arp_reply(question: &[u8], own: EthernetAddress) -> Option<Vec<u8>> {
    let frame = EthernetFrame::new_checked(question).ok()?;
    if frame.ethertype() != EthernetProtocol::Arp {
        return None;
    }
    let asked = ArpPacket::new_checked(frame.payload()).ok()?;
    let is_question = asked.operation() == ArpOperation::Request
        && asked.source_protocol_addr() != asked.target_protocol_addr();
    if !is_question {
        return None;
    }
    let mut bytes = question.to_vec();
    let mut reply = EthernetFrame::new_unchecked(&mut bytes);
    reply.set_src_addr(own);
    reply.set_dst_addr(frame.src_addr());
    let mut packet = ArpPacket::new_unchecked(reply.payload_mut());
    packet.set_operation(ArpOperation::Reply);
    packet.set_source_hardware_addr(own.as_bytes());
    packet.set_source_protocol_addr(asked.target_protocol_addr());
    packet.set_target_hardware_addr(asked.source_hardware_addr());
    packet.set_target_protocol_addr(asked.source_protocol_addr());
    Some(bytes)
}
