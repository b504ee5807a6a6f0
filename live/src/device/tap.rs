//! TAP interfaces of a Linux host: what the host sends on one, a station of the simulated world sends.

use std::sync::Arc;
use std::thread;

use smoltcp::wire::EthernetAddress;
use tokio::sync::mpsc;
use tun_tap::{Iface, Mode};

use super::network::{Interface, NetworkError};

/// An Ethernet frame with a VLAN tag, without its checksum (IEEE 802.3).
const FRAME_LEN_MAX: usize = 1_518;

/// An interface of the host whose frames are read and written here. It is removed when this is dropped.
pub(super) struct Tap {
    interface: Interface,
    descriptor: Arc<Iface>,
}

impl Tap {
    /// Makes an interface with this address where it is told, and switches it on.
    ///
    /// # Errors
    /// When that is not permitted here, or the name is taken.
    pub(super) fn open(interface: &Interface, mac: EthernetAddress) -> Result<Self, NetworkError> {
        let made = Iface::without_packet_info(&interface.name, Mode::Tap);
        let made = made.map_err(|error| NetworkError::interface(&interface.name, &error))?;
        let tap = Self { interface: interface.clone(), descriptor: Arc::new(made) };
        interface.set_up(mac)?;
        Ok(tap)
    }

    /// Hands over everything that the host sends, with the guest's number, until the interface is removed or nobody
    /// takes it any more. A thread of its own does, because the descriptor of this crate's is no safe one to wait for.
    pub(super) fn listen(&self, guest: usize, frames: mpsc::Sender<(usize, Vec<u8>)>) {
        let descriptor = Arc::clone(&self.descriptor);
        thread::spawn(move || {
            let mut buffer = [0; FRAME_LEN_MAX];
            // Reading ends with an error when the interface is removed.
            while let Ok(len) = descriptor.recv(&mut buffer) {
                let frame = buffer.get(..len).unwrap_or_default().to_vec();
                // When the world is busy the host's own queue fills, as that of a slow card does.
                if frames.blocking_send((guest, frame)).is_err() {
                    return;
                }
            }
        });
    }

    /// Gives the host a frame. One that it cannot take is lost, as on any wire.
    pub(super) fn send(&self, frame: &[u8]) {
        let _ = self.descriptor.send(frame);
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.interface.remove();
    }
}
