//! A peer's network stack: one smoltcp interface with its sockets and two queues of frames.

use std::collections::VecDeque;

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{self, Checksum, DeviceCapabilities, Medium};
use smoltcp::socket::{Socket, tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};

/// One Ethernet frame, without preamble and check sequence.
pub type Frame = Vec<u8>;

/// A frame of zeros, to be written over.
#[expect(clippy::slow_vector_initialization, reason = "glibc has freed frames at hand, but not cleared ones")]
pub(crate) fn blank_frame(len: usize) -> Frame {
    let mut frame = Frame::with_capacity(len);
    frame.resize(len, 0);
    frame
}

/// Ethernet's payload of 1,500 bytes with its header of 14.
pub const FRAME_LEN_MAX: usize = 1_514;

/// One interface with its sockets. The owner moves frames and polls.
pub struct Stack {
    /// The interface, for addresses and routes.
    pub iface: Interface,
    /// Every socket of this peer.
    pub sockets: SocketSet<'static>,
    queues: Queues,
    /// TCP sockets that are not in use: their buffers are worth keeping.
    spare: Vec<tcp::Socket<'static>>,
}

#[derive(Default)]
struct Queues {
    received: VecDeque<Frame>,
    to_send: VecDeque<Frame>,
}

impl Stack {
    /// A stack with this MAC and no address yet. `seed` feeds sequence numbers and ports.
    pub fn new(mac: EthernetAddress, seed: u64, now: Instant) -> Self {
        let mut queues = Queues::default();
        let mut config = Config::new(mac.into());
        config.random_seed = seed;
        let iface = Interface::new(config, &mut queues, now);
        Self { iface, sockets: SocketSet::new(Vec::new()), queues, spare: Vec::new() }
    }

    /// Sets the only address and, where there is one, the default gateway; `None` removes both.
    pub fn set_address(&mut self, address: Option<Ipv4Cidr>, gateway: Option<Ipv4Address>) {
        self.iface.update_ip_addrs(|addresses| {
            addresses.clear();
            // The list holds two addresses, so that one always fits.
            addresses.extend(address.map(IpCidr::Ipv4));
        });
        self.iface.routes_mut().remove_default_ipv4_route();
        if let Some(gateway) = gateway {
            // The table holds two routes and has just been emptied of the default one.
            let _ = self.iface.routes_mut().add_default_ipv4_route(gateway);
        }
    }

    /// Adds a closed TCP socket with buffers of these sizes in bytes and smoltcp's own settings.
    pub fn add_tcp(&mut self, receive: usize, send: usize) -> SocketHandle {
        let fits =
            |socket: &tcp::Socket<'_>| socket.recv_capacity() == receive && socket.send_capacity() == send;
        if let Some(place) = self.spare.iter().position(fits) {
            return self.sockets.add(self.spare.swap_remove(place));
        }
        let buffer = |len| tcp::SocketBuffer::new(vec![0; len]);
        let mut socket = tcp::Socket::new(buffer(receive), buffer(send));
        // A delay only adds wakes: nothing in a simulated network is saved by fewer packets.
        socket.set_ack_delay(None);
        self.sockets.add(socket)
    }

    /// Removes a TCP socket at once: nothing more is sent. Its settings should be those it came with, or
    /// those that the next one is to have.
    pub fn remove_tcp(&mut self, handle: SocketHandle) {
        if let Socket::Tcp(mut socket) = self.sockets.remove(handle) {
            socket.abort();
            self.spare.push(socket);
        }
    }

    /// Adds a UDP socket for this many packets each way and bound to `port`.
    ///
    /// # Panics
    /// When the port is 0, which no socket can be bound to.
    pub fn add_udp(&mut self, port: u16, packets: usize) -> SocketHandle {
        let buffer = || {
            udp::PacketBuffer::new(
                vec![udp::PacketMetadata::EMPTY; packets],
                vec![0; packets * FRAME_LEN_MAX],
            )
        };
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).expect("a port other than 0");
        self.sockets.add(socket)
    }

    /// The TCP socket behind a handle that [`add_tcp`](Self::add_tcp) returned.
    pub fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// The UDP socket behind a handle that [`add_udp`](Self::add_udp) returned.
    pub fn udp(&mut self, handle: SocketHandle) -> &mut udp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Queues a frame that arrived; the next poll processes it.
    pub fn receive(&mut self, frame: Frame) {
        self.queues.received.push_back(frame);
    }

    /// Processes what arrived and sends what the sockets have to send. Returns whether a socket changed.
    pub fn poll(&mut self, now: Instant) -> bool {
        let result = self.iface.poll(now, &mut self.queues, &mut self.sockets);
        result == PollResult::SocketStateChanged
    }

    /// Processes what arrived and sends nothing yet but direct replies, so that an answer that the owner now
    /// gives carries the acknowledgement, as with delayed acknowledgements (RFC 1122 section 4.2.3.2).
    /// Returns whether anything had arrived.
    pub fn poll_ingress(&mut self, now: Instant) -> bool {
        let has_received = !self.queues.received.is_empty();
        while !self.queues.received.is_empty() {
            let _ = self.iface.poll_ingress_single(now, &mut self.queues, &mut self.sockets);
        }
        has_received
    }

    /// Sends what the sockets have to send, if anything. Returns whether it was due.
    pub fn poll_egress(&mut self, now: Instant) -> bool {
        let is_due = self.iface.poll_at(now, &self.sockets).is_some_and(|at| at <= now);
        if is_due {
            while self.iface.poll_egress(now, &mut self.queues, &mut self.sockets) != PollResult::None {}
        }
        is_due
    }

    /// When the stack wants to be polled again; never earlier than `now`.
    pub fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        if !self.queues.received.is_empty() {
            return Some(now);
        }
        // smoltcp answers "at once" with the time 0.
        self.iface.poll_at(now, &self.sockets).map(|at| at.max(now))
    }

    /// The next frame that was sent, if any.
    pub fn pop_sent(&mut self) -> Option<Frame> {
        self.queues.to_send.pop_front()
    }

    /// Forgets frames that have not been processed or fetched, as when a radio is switched off.
    pub fn clear_frames(&mut self) {
        self.queues.received.clear();
        self.queues.to_send.clear();
    }
}

impl phy::Device for Queues {
    type RxToken<'a> = RxToken;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _: Instant) -> Option<(RxToken, TxToken<'_>)> {
        let frame = self.received.pop_front()?;
        Some((RxToken(frame), TxToken(&mut self.to_send)))
    }

    fn transmit(&mut self, _: Instant) -> Option<TxToken<'_>> {
        Some(TxToken(&mut self.to_send))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_LEN_MAX;
        capabilities.checksum.tcp = Checksum::Both;
        capabilities
    }
}

/// A received frame on its way into smoltcp.
pub struct RxToken(Frame);

impl phy::RxToken for RxToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// Room for one frame that smoltcp sends.
pub struct TxToken<'a>(&'a mut VecDeque<Frame>);

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = blank_frame(len);
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}
