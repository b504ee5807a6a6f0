//! The device's memory, held against its limit. A host's pointers are twice as wide as a board's, so that what
//! fits here fits there.

use firmware_core::application::thermostat::Thermostat;
use firmware_core::device::Device;
use firmware_core::net::{
    SOCKETS_MAX, TCP_BUFFER_LEN, TCP_SOCKETS, UDP_BUFFER_LEN, UDP_PACKETS, UDP_SOCKETS,
};
use smoltcp::iface::SocketStorage;
use smoltcp::socket::udp::PacketMetadata;

/// The most that core and buffers may take on a board, in bytes.
const RAM_MAX: usize = 48 * 1024;

#[test]
fn core_and_buffers_fit_a_board() {
    let tcp = TCP_SOCKETS * 2 * TCP_BUFFER_LEN;
    let udp = UDP_SOCKETS * 2 * (UDP_BUFFER_LEN + UDP_PACKETS * size_of::<PacketMetadata>());
    let sockets = SOCKETS_MAX * size_of::<SocketStorage<'static>>();
    let device = size_of::<Device<Thermostat>>();
    let total = device + tcp + udp + sockets;
    println!("device {device}, TCP {tcp}, UDP {udp}, sockets {sockets}: {total} bytes of {RAM_MAX}");
    assert!(total <= RAM_MAX, "{total} bytes are more than {RAM_MAX}");
}
