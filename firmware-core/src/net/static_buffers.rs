//! The memory of all sockets in values for the static cells of a board.

use smoltcp::iface::{SocketSet, SocketStorage};
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{DhcpOption, EthernetAddress};

use super::{
    Buffers, SOCKETS_MAX, TCP_BUFFER_LEN, TCP_SOCKETS, UDP_BUFFER_LEN, UDP_PACKETS, UDP_SOCKETS,
    host_name_option,
};
use crate::portal::name::{HOSTNAME_LEN_MAX, ap_ssid, hostname};
use crate::product::Product;

/// Receive and send.
const WAYS: usize = 2;

/// The bytes that [`Buffers`] borrow, for one boot: all zero, so that they cost no flash.
pub struct StaticBuffers {
    tcp: [[[u8; TCP_BUFFER_LEN]; WAYS]; TCP_SOCKETS],
    udp: [[[u8; UDP_BUFFER_LEN]; WAYS]; UDP_SOCKETS],
    host_name: [u8; HOSTNAME_LEN_MAX],
}

/// What else [`Buffers`] borrow, for one boot. An empty one is not all zero, so that it is better made when it
/// is needed than kept in flash.
pub struct StaticSockets {
    sockets: [SocketStorage<'static>; SOCKETS_MAX],
    udp_packets: [[[udp::PacketMetadata; UDP_PACKETS]; WAYS]; UDP_SOCKETS],
    dhcp_options: [DhcpOption<'static>; 1],
}

impl StaticSockets {
    /// No sockets yet.
    pub const fn new() -> Self {
        Self {
            sockets: [const { SocketStorage::EMPTY }; SOCKETS_MAX],
            udp_packets: [[[udp::PacketMetadata::EMPTY; UDP_PACKETS]; WAYS]; UDP_SOCKETS],
            dhcp_options: [host_name_option(&[])],
        }
    }
}

impl StaticBuffers {
    /// Empty buffers.
    pub const fn new() -> Self {
        Self {
            tcp: [[[0; TCP_BUFFER_LEN]; WAYS]; TCP_SOCKETS],
            udp: [[[0; UDP_BUFFER_LEN]; WAYS]; UDP_SOCKETS],
            host_name: [0; HOSTNAME_LEN_MAX],
        }
    }

    /// Lends everything to a device for ever: the next boot follows a reset.
    pub fn lend(
        &'static mut self,
        sockets: &'static mut StaticSockets,
        product: &Product,
        mac: EthernetAddress,
    ) -> Buffers {
        let name = hostname(&ap_ssid(product, mac));
        let (host_name, _) = self.host_name.split_at_mut(name.len());
        host_name.copy_from_slice(name.as_bytes());
        sockets.dhcp_options = [host_name_option(host_name)];
        let [first_udp, second_udp] = self.udp.each_mut();
        let [first_packets, second_packets] = sockets.udp_packets.each_mut();
        Buffers {
            sockets: SocketSet::new(&mut sockets.sockets[..]),
            tcp: self.tcp.each_mut().map(|bytes| {
                let [receive, send] = bytes.each_mut();
                (tcp::SocketBuffer::new(&mut receive[..]), tcp::SocketBuffer::new(&mut send[..]))
            }),
            udp: [packet_buffers(first_packets, first_udp), packet_buffers(second_packets, second_udp)],
            dhcp_options: &sockets.dhcp_options,
        }
    }
}

fn packet_buffers(
    packets: &'static mut [[udp::PacketMetadata; UDP_PACKETS]; WAYS],
    bytes: &'static mut [[u8; UDP_BUFFER_LEN]; WAYS],
) -> (udp::PacketBuffer<'static>, udp::PacketBuffer<'static>) {
    let [receive_packets, send_packets] = packets.each_mut();
    let [receive, send] = bytes.each_mut();
    (
        udp::PacketBuffer::new(&mut receive_packets[..], &mut receive[..]),
        udp::PacketBuffer::new(&mut send_packets[..], &mut send[..]),
    )
}

impl Default for StaticSockets {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for StaticBuffers {
    fn default() -> Self {
        Self::new()
    }
}
