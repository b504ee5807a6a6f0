//! Packets the router itself says, and the look into a frame that decides where it goes.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr,
    IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket,
    UdpRepr,
};

use crate::stack::{Frame, blank_frame};

/// Destination, source and type: the header before an Ethernet payload.
pub(super) const ETHERNET_HEADER_LEN: usize = 14;
/// The hop limit hosts start with (RFC 1700).
const HOP_LIMIT: u8 = 64;

/// One end of a UDP exchange.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) mac: EthernetAddress,
    pub(super) ip: Ipv4Address,
    pub(super) port: u16,
}

/// A UDP packet in an Ethernet frame.
pub(super) fn udp_frame(from: End, to: End, payload: &[u8]) -> Frame {
    let checksums = ChecksumCapabilities::default();
    let udp = UdpRepr { src_port: from.port, dst_port: to.port };
    let ip = Ipv4Repr {
        src_addr: from.ip,
        dst_addr: to.ip,
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + payload.len(),
        hop_limit: HOP_LIMIT,
    };
    let mut frame = blank_frame(ETHERNET_HEADER_LEN + ip.buffer_len() + ip.payload_len);
    let mut ethernet = ethernet_header(&mut frame, from.mac, to.mac, EthernetProtocol::Ipv4);
    let mut packet = Ipv4Packet::new_unchecked(ethernet.payload_mut());
    ip.emit(&mut packet, &checksums);
    udp.emit(
        &mut UdpPacket::new_unchecked(packet.payload_mut()),
        &from.ip.into(),
        &to.ip.into(),
        payload.len(),
        |buffer| buffer.copy_from_slice(payload),
        &checksums,
    );
    frame
}

/// An ARP packet in an Ethernet frame; a request is broadcast.
pub(super) fn arp_frame(
    operation: ArpOperation,
    source: (EthernetAddress, Ipv4Address),
    target: (EthernetAddress, Ipv4Address),
) -> Frame {
    let arp = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: source.0,
        source_protocol_addr: source.1,
        target_hardware_addr: target.0,
        target_protocol_addr: target.1,
    };
    let to = if operation == ArpOperation::Request { EthernetAddress::BROADCAST } else { target.0 };
    let mut frame = blank_frame(ETHERNET_HEADER_LEN + arp.buffer_len());
    let mut ethernet = ethernet_header(&mut frame, source.0, to, EthernetProtocol::Arp);
    arp.emit(&mut ArpPacket::new_unchecked(ethernet.payload_mut()));
    frame
}

/// The answer to a frame that wants to open a TCP connection where nobody listens (RFC 9293 section 3.10.7.1).
pub(super) fn refuse_tcp(frame: &[u8]) -> Option<Frame> {
    let checksums = ChecksumCapabilities::default();
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    if ip.next_header() != IpProtocol::Tcp || is_fragment(&ip) {
        return None;
    }
    let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
    if !tcp.syn() || tcp.ack() {
        return None;
    }
    let reset = TcpRepr {
        src_port: tcp.dst_port(),
        dst_port: tcp.src_port(),
        control: TcpControl::Rst,
        seq_number: TcpSeqNumber(0),
        ack_number: Some(tcp.seq_number() + 1),
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let reply = Ipv4Repr {
        src_addr: ip.dst_addr(),
        dst_addr: ip.src_addr(),
        next_header: IpProtocol::Tcp,
        payload_len: reset.buffer_len(),
        hop_limit: HOP_LIMIT,
    };
    let mut answer = blank_frame(ETHERNET_HEADER_LEN + reply.buffer_len() + reply.payload_len);
    let (from, to) = (ethernet.dst_addr(), ethernet.src_addr());
    let mut header = ethernet_header(&mut answer, from, to, EthernetProtocol::Ipv4);
    let mut packet = Ipv4Packet::new_unchecked(header.payload_mut());
    reply.emit(&mut packet, &checksums);
    let mut segment = TcpPacket::new_unchecked(packet.payload_mut());
    reset.emit(&mut segment, &reply.src_addr.into(), &reply.dst_addr.into(), &checksums);
    Some(answer)
}

/// The UDP packet inside an IPv4 packet, when it is one, whole and unbroken.
pub(super) fn udp_inside<'a>(ip: &Ipv4Packet<&'a [u8]>) -> Option<UdpPacket<&'a [u8]>> {
    if ip.next_header() != IpProtocol::Udp || is_fragment(ip) || !ip.verify_checksum() {
        return None;
    }
    let udp = UdpPacket::new_checked(ip.payload()).ok()?;
    udp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()).then_some(udp)
}

/// Whether this is a piece of a larger packet. The router drops those: no peer here sends them.
pub(super) fn is_fragment(ip: &Ipv4Packet<&[u8]>) -> bool {
    ip.more_frags() || ip.frag_offset() != 0
}

fn ethernet_header(
    frame: &mut [u8],
    from: EthernetAddress,
    to: EthernetAddress,
    ethertype: EthernetProtocol,
) -> EthernetFrame<&mut [u8]> {
    let mut ethernet = EthernetFrame::new_unchecked(frame);
    EthernetRepr { src_addr: from, dst_addr: to, ethertype }.emit(&mut ethernet);
    ethernet
}
