//! Where a network's captive portal is, as DHCP tells those who ask (RFC 8910). smoltcp's client hands on no
//! such option.

use smoltcp::wire::{DhcpPacket, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, UdpPacket};

use super::wifi::OPTION_CAPTIVE_PORTAL;
use crate::text::printable;

/// The port of DHCP clients.
const CLIENT_PORT: u16 = 68;

/// The address of the portal that a frame tells a DHCP client, if it does.
pub(super) fn read(frame: &[u8]) -> Option<String> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    if ip.next_header() != IpProtocol::Udp {
        return None;
    }
    let udp = UdpPacket::new_checked(ip.payload()).ok()?;
    if udp.dst_port() != CLIENT_PORT {
        return None;
    }
    let packet = DhcpPacket::new_checked(udp.payload()).ok()?;
    let option = packet.options().find(|option| option.kind == OPTION_CAPTIVE_PORTAL)?;
    Some(printable(option.data))
}
