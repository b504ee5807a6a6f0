//! One network interface of the phone in use: a stack, its sockets and its randomness.

use firmware_core::hal::{Date, SecureChannel, UnixTime};
use firmware_core::random::SplitMix64;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address};

use super::Trust;
use crate::stack::{Frame, Stack};
use crate::tls::{self, Channel};

/// IANA's dynamic range (RFC 6335 section 6) begins here and has 2^14 ports.
const PORT_FIRST: u16 = 49_152;
const PORT_COUNT: u16 = 16_384;
/// One exchange, the second of a double submit, the system's probe, connections still closing, and two dozen
/// at once. They are made when they are needed.
const TCP_SOCKETS_MAX: usize = 32;
const TCP_RECEIVE_LEN: usize = 4_096;
const TCP_SEND_LEN: usize = 2_048;
/// A peer that vanished is given up after this, so that no closing connection retransmits for ever.
const PEER_TIMEOUT: Duration = Duration::from_secs(20);
/// Queries of one lookup, with room for duplicated answers.
const DNS_PACKETS: usize = 4;

/// An interface with an identity: what was begun on one line never touches the sockets of its successor.
pub(super) struct Line {
    pub(super) id: u64,
    stack: Stack,
    /// When the stack wants to run, as it said last; `None` once something has happened to it since. Of a
    /// phone's two lines one is idle most of the time.
    wake: Option<Option<Instant>>,
    pub(super) random: SplitMix64,
    tcp: Vec<SocketHandle>,
    /// Those whose owner still looks at them, also when the connection has ended.
    in_use: Vec<SocketHandle>,
    kept: Option<Connection>,
    next_port: u16,
    trust: Option<Trust>,
}

/// Whom to ask.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) address: Ipv4Address,
    pub(super) port: u16,
    /// The name its certificate must be for; `None` speaks plainly.
    pub(super) secure_name: Option<String>,
}

/// A TCP connection to a server, plain or through TLS.
pub(super) struct Connection {
    pub(super) server: Server,
    pub(super) socket: SocketHandle,
    pub(super) secure: Option<Box<Channel>>,
}

impl Line {
    pub(super) fn new(id: u64, mac: EthernetAddress, seed: u64, now: Instant, trust: Option<Trust>) -> Self {
        let mut random = SplitMix64::new(seed);
        let stack = Stack::new(mac, random.next_u64(), now);
        let next_port = random.below(u64::from(PORT_COUNT)) as u16;
        Self {
            id,
            stack,
            wake: None,
            random,
            tcp: Vec::new(),
            in_use: Vec::new(),
            kept: None,
            next_port,
            trust,
        }
    }

    /// The stack, to do something with it.
    pub(super) fn stack(&mut self) -> &mut Stack {
        self.wake = None;
        &mut self.stack
    }

    /// Starts a connection. `None` when every socket is in use or there is no address to come from.
    pub(super) fn connect(&mut self, now: Instant, server: Server) -> Option<Connection> {
        let socket = self.connect_tcp((server.address, server.port))?;
        let secure = server.secure_name.as_deref().map(|name| {
            let trust = self.trust.as_ref();
            let mut channel = Box::new(tls::channel(trust.map(|trust| &*trust.authority)));
            let date = trust.map_or(Date::Unknown, |trust| {
                Date::Exact(UnixTime(trust.unix_time_s + now.total_micros().unsigned_abs() / 1_000_000))
            });
            channel.start(now, name, self.random.next_u64(), date);
            channel
        });
        Some(Connection { server, socket, secure })
    }

    /// Keeps an open connection on which nothing is under way, as HTTP clients do, for the next request to
    /// the same server.
    pub(super) fn keep(&mut self, connection: Connection) {
        if let Some(older) = self.kept.replace(connection) {
            self.stack().tcp(older.socket).close();
            self.release(older.socket);
        }
    }

    /// Says that nobody looks at a connection any more; what is still to be sent on it is sent.
    pub(super) fn release(&mut self, socket: SocketHandle) {
        self.in_use.retain(|used| *used != socket);
    }

    /// The connection that was kept to this server, if there is one.
    pub(super) fn take_kept(&mut self, server: &Server) -> Option<Connection> {
        self.kept.take_if(|kept| kept.server == *server)
    }

    fn connect_tcp(&mut self, remote: (Ipv4Address, u16)) -> Option<SocketHandle> {
        let Self { tcp, in_use, stack, .. } = self;
        let is_idle = |handle: &SocketHandle| !in_use.contains(handle) && !stack.tcp(*handle).is_open();
        let idle = tcp.iter().copied().find(is_idle);
        let handle = match idle {
            Some(handle) => handle,
            None if self.tcp.len() < TCP_SOCKETS_MAX => {
                let handle = self.stack.add_tcp(TCP_RECEIVE_LEN, TCP_SEND_LEN);
                self.tcp.push(handle);
                handle
            }
            None => return None,
        };
        let port = self.local_port();
        let Stack { iface, sockets, .. } = self.stack();
        let socket = sockets.get_mut::<tcp::Socket>(handle);
        socket.set_timeout(Some(PEER_TIMEOUT));
        socket.connect(iface.context(), remote, port).ok()?;
        self.in_use.push(handle);
        Some(handle)
    }

    /// Opens a UDP socket for one lookup; whoever opened it removes it.
    pub(super) fn open_udp(&mut self) -> SocketHandle {
        let port = self.local_port();
        self.stack().add_udp(port, DNS_PACKETS)
    }

    /// When the stack wants to run again.
    pub(super) fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        *self.wake.get_or_insert_with(|| self.stack.poll_at(now))
    }

    /// Processes what arrived; what the owner makes of it leaves with [`poll_egress`](Self::poll_egress).
    pub(super) fn poll_ingress(&mut self, now: Instant) {
        self.stack.poll_ingress(now);
        // A server that has ended a connection waits for this side to end it as well.
        if let Some(ended) = self.kept.take_if(|kept| !self.stack.tcp(kept.socket).may_recv()) {
            self.stack().tcp(ended.socket).close();
            self.release(ended.socket);
        }
    }

    /// Sends what is due; says whether anything was.
    pub(super) fn poll_egress(&mut self, now: Instant) -> bool {
        self.poll_at(now).is_some_and(|at| at <= now) && self.stack().poll_egress(now)
    }

    /// The next frame that was sent, if any.
    pub(super) fn pop_sent(&mut self) -> Option<Frame> {
        self.stack.pop_sent()
    }

    fn local_port(&mut self) -> u16 {
        let port = PORT_FIRST + self.next_port;
        self.next_port = (self.next_port + 1) % PORT_COUNT;
        port
    }
}
