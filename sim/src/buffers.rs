//! The memory of a device's sockets on a host: vectors, with the sizes of a board's static ones.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use firmware_core::net::{
    Buffers, SOCKETS_MAX, TCP_BUFFER_LEN, UDP_BUFFER_LEN, UDP_PACKETS, host_name_option,
};
use firmware_core::portal::name::{ap_ssid, hostname};
use firmware_core::product::Product;
use smoltcp::iface::{SocketSet, SocketStorage};
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{DhcpOption, EthernetAddress};

/// Fresh buffers for one boot.
pub fn host_buffers(product: &Product, mac: EthernetAddress) -> Buffers {
    let storage: Vec<SocketStorage<'static>> = (0..SOCKETS_MAX).map(|_| SocketStorage::EMPTY).collect();
    let tcp_buffer = || tcp::SocketBuffer::new(vec![0; TCP_BUFFER_LEN]);
    let udp_buffer =
        || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; UDP_PACKETS], vec![0; UDP_BUFFER_LEN]);
    Buffers {
        sockets: SocketSet::new(storage),
        tcp: std::array::from_fn(|_| (tcp_buffer(), tcp_buffer())),
        udp: std::array::from_fn(|_| (udp_buffer(), udp_buffer())),
        dhcp_options: interned_options(&hostname(&ap_ssid(product, mac))),
    }
}

/// smoltcp's DHCP client borrows its options for ever. A process meets few names, so each is kept once.
fn interned_options(name: &str) -> &'static [DhcpOption<'static>] {
    static NAMES: OnceLock<Mutex<BTreeMap<String, &'static [DhcpOption<'static>]>>> = OnceLock::new();
    let mut names = NAMES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    names.entry(name.to_owned()).or_insert_with(|| {
        let bytes: &'static [u8] = Box::leak(name.as_bytes().into());
        Box::leak(Box::new([host_name_option(bytes)]))
    })
}
