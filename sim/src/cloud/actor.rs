//! The peer on the simulated internet: a [`Service`] behind TCP ports on smoltcp.

use core::fmt;

use hil_link::modelled_tls::Certificate;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, IpProtocol, Ipv4Address, Ipv4Cidr, Ipv4Packet, TcpPacket,
};

use super::conversation::Conversation;
use super::secure::Secure;
use super::{Behaviour, Event, PLAIN_PORTS, SECURE_PORTS, Service, SharedDirectory, StrangeFrame};
use crate::actor::{Outbox, Port, soonest};
use crate::stack::{Frame, Stack};
use crate::tls::ServerIdentity;

/// The network of RFC 2544, all of which is one segment here.
const INTERNET_PREFIX_LEN: u8 = 15;
/// Connections at one time, of which a client that asks each second leaves ten closing behind.
pub(super) const CONNECTIONS_MAX: usize = 32;
/// The receive and the send buffer of a connection, in bytes.
const BUFFER_LEN: usize = 4_096;
/// How long a peer has to close its side once ours is closed; Linux waits 60 s (`tcp_fin_timeout`).
const CLOSE_LIMIT: Duration = Duration::from_secs(60);

/// What one region is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CloudConfig {
    /// Its name in the scenario.
    pub name: String,
    /// Its address on the segment.
    pub mac: EthernetAddress,
    /// Its address on the internet, in 198.18.0.0/15.
    pub address: Ipv4Address,
    /// The names its certificate is for.
    pub hosts: Vec<String>,
    /// What its certificate says.
    pub certificate: Certificate,
    /// What it does where nobody knows for sure.
    pub behaviour: Behaviour,
    /// The time in seconds since 1970 when the world's clock says 0.
    pub unix_time_s: i64,
}

/// One region.
pub struct Cloud {
    name: String,
    mac: EthernetAddress,
    address: Ipv4Address,
    service: Service,
    stack: Stack,
    connections: Vec<Connection>,
    /// The ports of the connection requests among the frames that have not been processed.
    requested: Vec<u16>,
    is_powered: bool,
    /// New connections are refused.
    refuses: bool,
    /// What it shows where TLS is real.
    identity: Option<ServerIdentity>,
}

struct Connection {
    handle: SocketHandle,
    port: u16,
    conversation: Conversation,
    secure: Secure,
}

impl Cloud {
    /// A region that is switched on. `seed` feeds TCP sequence numbers.
    pub fn new(config: CloudConfig, directory: SharedDirectory, seed: u64, now: Instant) -> Self {
        let CloudConfig { name, mac, address, hosts, certificate, behaviour, unix_time_s } = config;
        let mut stack = Stack::new(mac, seed, now);
        stack.set_address(Some(Ipv4Cidr::new(address, INTERNET_PREFIX_LEN)), None);
        Self {
            name,
            mac,
            address,
            service: Service::new(behaviour, directory, unix_time_s).with_certificate(hosts, certificate),
            stack,
            connections: Vec::new(),
            requested: Vec::new(),
            is_powered: true,
            refuses: false,
            identity: None,
        }
    }

    /// The same region with real TLS.
    #[must_use]
    pub fn with_tls(self, identity: ServerIdentity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// Takes a frame from the internet.
    pub fn handle_frame(&mut self, _now: Instant, _port: Port, frame: Frame) {
        if !self.is_powered {
            return;
        }
        if let Some(port) = self.requested_port(&frame) {
            self.requested.push(port);
            if !self.refuses {
                self.ensure_listeners(port);
            }
        }
        self.stack.receive(frame);
    }

    /// Does what is due and hands over frames and events.
    pub fn poll(&mut self, now: Instant, out: &mut Outbox<Event>) {
        self.service.revoke_due(now);
        let has_changed = core::mem::take(&mut self.service.changed);
        if self.is_powered {
            if has_changed {
                // A connection that was ended from outside says so before it is forgotten.
                self.stack.poll_egress(now);
            }
            self.stack.poll_ingress(now);
            self.requested.clear();
            // Every round does some of the work there is, and a round that found none is the last.
            loop {
                let has_worked = self.serve(now);
                if !self.stack.poll_egress(now) && !has_worked {
                    break;
                }
            }
            while let Some(frame) = self.stack.pop_sent() {
                out.frames.push((Port::Internet, frame));
            }
        }
        out.events.append(&mut self.service.events);
    }

    /// When it wants to be polled again.
    pub fn next_wake(&mut self, now: Instant) -> Option<Instant> {
        if self.service.changed || !self.service.events.is_empty() {
            return Some(now);
        }
        if !self.is_powered {
            return None;
        }
        let wakes = self.connections.iter().map(|connection| connection.conversation.next_wake());
        let wake = wakes.fold(self.stack.poll_at(now), soonest);
        soonest(wake, self.service.next_revocation()).map(|at| at.max(now))
    }

    /// What it says and does, whatever carries it.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The same, to change it.
    pub fn service_mut(&mut self) -> &mut Service {
        &mut self.service
    }

    /// Its name in the scenario.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names its certificate is for.
    pub fn hosts(&self) -> &[String] {
        &self.service.hosts
    }

    /// Its address on the internet.
    pub fn address(&self) -> Ipv4Address {
        self.address
    }

    /// Switches the region off, which forgets every connection without a word, or on.
    pub fn set_power(&mut self, on: bool) {
        self.is_powered = on;
        self.stack.clear_frames();
        self.requested.clear();
        for mut connection in core::mem::take(&mut self.connections) {
            self.service.leave_device(&mut connection.conversation);
            self.stack.remove_tcp(connection.handle);
        }
    }

    /// Whether the region is on.
    pub fn is_powered(&self) -> bool {
        self.is_powered
    }

    /// Ends every misbehaviour that it has been told.
    pub fn mend(&mut self) {
        self.set_refusing(false);
        self.service.mend();
    }

    /// Ends every connection with a reset.
    pub fn drop_connections(&mut self) {
        for connection in &self.connections {
            let tcp = self.stack.tcp(connection.handle);
            // A listening socket is nobody's connection.
            if tcp.is_active() {
                tcp.abort();
            }
        }
        self.service.changed = true;
    }

    /// Refuses every new connection, or takes them again. Those that stand are not touched.
    pub fn set_refusing(&mut self, refuses: bool) {
        self.refuses = refuses;
        if !refuses {
            return;
        }
        // A socket that listens for a request that was taken back would take one more.
        let stack = &mut self.stack;
        self.connections.retain(|connection| {
            let is_listening = stack.tcp(connection.handle).is_listening();
            if is_listening {
                stack.remove_tcp(connection.handle);
            }
            !is_listening
        });
    }

    /// Sends a frame that no sound server sends to every device that is logged in.
    pub fn send_strange(&mut self, frame: StrangeFrame) {
        for connection in &mut self.connections {
            connection.conversation.push_strange(frame);
        }
        self.service.changed = true;
    }

    /// How many sockets there are, those that listen or close included.
    #[cfg(test)]
    pub(super) fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// The port that a frame asks to be connected to, when it does.
    fn requested_port(&self, frame: &[u8]) -> Option<u16> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        if ethernet.dst_addr() != self.mac {
            return None;
        }
        let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
        if ip.next_header() != IpProtocol::Tcp {
            return None;
        }
        let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
        let port = tcp.dst_port();
        let is_ours = SECURE_PORTS.contains(&port) || PLAIN_PORTS.contains(&port);
        (is_ours && tcp.syn() && !tcp.ack()).then_some(port)
    }

    /// Sees to it that there is a listening socket for every request that has come for this port. A socket
    /// for each connection that may come some day would cost every poll some work.
    fn ensure_listeners(&mut self, port: u16) {
        let wanted = self.requested.iter().filter(|requested| **requested == port).count();
        let mut listening = 0;
        for connection in self.connections.iter().filter(|connection| connection.port == port) {
            listening += usize::from(self.stack.tcp(connection.handle).is_listening());
        }
        while listening < wanted && (self.connections.len() < CONNECTIONS_MAX || self.forget_a_closed_one()) {
            let handle = self.stack.add_tcp(BUFFER_LEN, BUFFER_LEN);
            let tcp = self.stack.tcp(handle);
            // An answer must not wait for the acknowledgement of the one before.
            tcp.set_nagle_enabled(false);
            tcp.listen(port).expect("a new socket and a port other than 0");
            let connection = self.accept(handle, port);
            self.connections.push(connection);
            listening += 1;
        }
    }

    /// A connection on which nothing has been said.
    fn accept(&self, handle: SocketHandle, port: u16) -> Connection {
        let (conversation, secure) = match self.identity {
            _ if !SECURE_PORTS.contains(&port) => (Conversation::new(false), Secure::None),
            None => (Conversation::with_modelled_tls(), Secure::None),
            Some(_) => (Conversation::new(true), Secure::Awaited),
        };
        Connection { handle, port, conversation, secure }
    }

    /// Makes room by forgetting the oldest connection that only waits for frames that are late (RFC 9293 section
    /// 3.3.2, TIME-WAIT); returns whether there was one.
    fn forget_a_closed_one(&mut self) -> bool {
        let is_closed = |connection: &Connection, stack: &mut Stack| {
            stack.tcp(connection.handle).state() == tcp::State::TimeWait
        };
        let oldest = self.connections.iter().position(|connection| is_closed(connection, &mut self.stack));
        let Some(mut oldest) = oldest.map(|index| self.connections.remove(index)) else { return false };
        self.service.end_session(&mut oldest.conversation);
        self.stack.remove_tcp(oldest.handle);
        true
    }

    /// Serves every connection once and forgets those that have ended; returns whether anything was done.
    fn serve(&mut self, now: Instant) -> bool {
        let mut connections = core::mem::take(&mut self.connections);
        let mut worked = false;
        connections.retain_mut(|connection| {
            let ended = self.stack.tcp(connection.handle).state() == tcp::State::Closed;
            if ended {
                self.service.end_session(&mut connection.conversation);
                self.stack.remove_tcp(connection.handle);
            } else {
                worked |= self.serve_one(now, connection);
            }
            !ended
        });
        self.connections = connections;
        worked
    }

    fn serve_one(&mut self, now: Instant, connection: &mut Connection) -> bool {
        let Connection { handle, conversation, .. } = connection;
        let tcp = self.stack.tcp(*handle);
        if tcp.is_listening() {
            // A request that was taken back leaves the socket as it was before.
            conversation.deadline = None;
            return false;
        }
        let was_closing = conversation.is_closing();
        let mut worked = conversation.count_silence(now);
        if worked && was_closing {
            tcp.abort();
            return true;
        }
        worked |= self.receive(now, connection);
        let tcp = self.stack.tcp(connection.handle);
        if !tcp.may_recv() && tcp.state() != tcp::State::SynReceived {
            connection.conversation.close();
        }
        worked |= self.service.settle(now, &mut connection.conversation);
        worked | self.send(now, connection)
    }

    /// Hands over what has arrived.
    fn receive(&mut self, now: Instant, connection: &mut Connection) -> bool {
        let Connection { handle, conversation, secure, .. } = connection;
        let tcp = self.stack.tcp(*handle);
        let mut worked = false;
        while tcp.can_recv() {
            let taken = tcp.recv(|wire| {
                secure.receive(now, wire, &mut self.service, conversation, self.identity.as_mut());
                (wire.len(), ())
            });
            if taken.is_err() {
                break;
            }
            worked = true;
        }
        worked
    }

    fn send(&mut self, now: Instant, connection: &mut Connection) -> bool {
        let Connection { handle, conversation, secure, .. } = connection;
        let tcp = self.stack.tcp(*handle);
        let mut worked = secure.send(now, &self.service, conversation, tcp);
        let can_close = tcp.may_send() || tcp.state() == tcp::State::SynReceived;
        if conversation.is_closing() && conversation.has_sent() && secure.has_sent() && can_close {
            tcp.close();
            conversation.deadline = Some(now + CLOSE_LIMIT);
            worked = true;
        }
        worked
    }
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("name", &self.name).finish_non_exhaustive()
    }
}
