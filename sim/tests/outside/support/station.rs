//! One station: a stack, and connections that are written and read at whatever pace the test wants.

use std::collections::VecDeque;

use firmware_core::{Duration, Instant};
use hil_sim::actor::soonest;
use hil_sim::stack::{Frame, Stack};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::wire::{EthernetAddress, IpEndpoint, Ipv4Address, Ipv4Cidr};

/// Room of a connection, each way, in bytes.
const BUFFER_LEN: usize = 8_192;
/// The first of a station's client ports.
const PORT_FIRST: u16 = 50_000;

/// A stack with its connections.
pub struct Station {
    /// Its hardware address.
    pub mac: EthernetAddress,
    /// Its network stack.
    pub stack: Stack,
    /// Its connections, in the order in which they were opened.
    pub conns: Vec<Conn>,
}

/// One TCP connection of a station.
pub struct Conn {
    handle: SocketHandle,
    out: VecDeque<u8>,
    /// Whether what arrives is taken; otherwise the window fills.
    pub reads: bool,
    /// One byte at a time, and this long between two; everything at once otherwise.
    pub pace: Option<Duration>,
    /// Closes our direction once everything is written.
    pub closes: bool,
    next_byte_at: Instant,
    /// What arrived.
    pub received: Vec<u8>,
    saw_fin: bool,
    opened: bool,
    over: bool,
}

impl Station {
    pub(super) fn new(number: u8, address: Ipv4Address, now: Instant) -> Self {
        let mac = EthernetAddress([0x02, 0xF0, 0, 0, 0, number]);
        let mut stack = Stack::new(mac, u64::from(number), now);
        stack.set_address(Some(Ipv4Cidr::new(address, 24)), None);
        Self { mac, stack, conns: Vec::new() }
    }

    pub(super) fn connect(&mut self, address: Ipv4Address, port: u16) -> usize {
        self.connect_with_window(address, port, BUFFER_LEN)
    }

    /// Opens a connection whose window is this small.
    pub fn connect_with_window(&mut self, address: Ipv4Address, port: u16, window: usize) -> usize {
        let handle = self.stack.add_tcp(window, BUFFER_LEN);
        let local = PORT_FIRST + u16::try_from(self.conns.len()).unwrap();
        let socket = self.stack.sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket.set_ack_delay(None);
        socket.connect(self.stack.iface.context(), IpEndpoint::new(address.into(), port), local).unwrap();
        self.add_conn(handle)
    }

    /// Waits for a connection to a port of this station.
    pub fn listen(&mut self, port: u16) -> usize {
        let handle = self.stack.add_tcp(BUFFER_LEN, BUFFER_LEN);
        self.stack.tcp(handle).listen(port).unwrap();
        self.add_conn(handle)
    }

    fn add_conn(&mut self, handle: SocketHandle) -> usize {
        self.conns.push(Conn {
            handle,
            out: VecDeque::new(),
            reads: true,
            pace: None,
            closes: false,
            next_byte_at: Instant::ZERO,
            received: Vec::new(),
            saw_fin: false,
            opened: false,
            over: false,
        });
        self.conns.len() - 1
    }

    /// Resets a connection at once.
    pub fn abort(&mut self, conn: usize) {
        self.stack.tcp(self.conns[conn].handle).abort();
    }

    pub(super) fn receive(&mut self, frame: &Frame) {
        let destination = frame.first_chunk::<6>().map(|bytes| EthernetAddress(*bytes));
        if destination.is_some_and(|to| to == self.mac || to.is_multicast()) {
            self.stack.receive(frame.clone());
        }
    }

    pub(super) fn poll(&mut self, now: Instant) -> Vec<Frame> {
        self.stack.poll(now);
        for conn in &mut self.conns {
            conn.poll(now, self.stack.sockets.get_mut(conn.handle));
        }
        self.stack.poll(now);
        std::iter::from_fn(|| self.stack.pop_sent()).collect()
    }

    pub(super) fn next_wake(&mut self, now: Instant) -> Option<Instant> {
        let mut next = self.stack.poll_at(now);
        for conn in &mut self.conns {
            let socket = self.stack.sockets.get_mut::<tcp::Socket<'_>>(conn.handle);
            if !conn.out.is_empty() && socket.can_send() {
                next = soonest(next, Some(conn.next_byte_at.max(now)));
            }
        }
        next
    }
}

impl Conn {
    /// Puts bytes behind those that wait to be sent.
    pub fn write(&mut self, bytes: &[u8]) {
        self.out.extend(bytes);
    }

    /// Whether the other side has accepted the connection.
    pub fn is_open(&self) -> bool {
        self.opened
    }

    /// Whether nothing more will come.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the other side has reset the connection, or refused it.
    pub fn was_reset(&self) -> bool {
        self.over && !self.saw_fin
    }

    /// What arrived, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }

    fn poll(&mut self, now: Instant, socket: &mut tcp::Socket<'static>) {
        self.opened |= socket.may_send();
        match self.pace {
            None => {
                let (bytes, _) = self.out.as_slices();
                let count = socket.send_slice(bytes).unwrap_or(0);
                self.out.drain(..count);
            }
            Some(pause) => {
                if self.next_byte_at <= now
                    && let Some(byte) = self.out.front()
                    && socket.send_slice(&[*byte]) == Ok(1)
                {
                    self.out.pop_front();
                    self.next_byte_at = now + pause;
                }
            }
        }
        if self.reads {
            while socket.can_recv() {
                let _ = socket.recv(|bytes| {
                    self.received.extend_from_slice(bytes);
                    (bytes.len(), ())
                });
            }
        }
        use tcp::State;
        match socket.state() {
            State::CloseWait | State::LastAck | State::TimeWait | State::Closing => self.saw_fin = true,
            State::Closed => self.over = true,
            State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2 => {}
        }
        if self.saw_fin && !socket.can_recv() {
            self.over = true;
            socket.close();
        }
        if self.closes && self.out.is_empty() && self.opened {
            socket.close();
        }
    }
}

/// An HTTP answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// 0 when there was no answer at all.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// What followed them.
    pub body: Vec<u8>,
    /// Whether the connection ended with a reset.
    pub reset: bool,
}

impl Reply {
    pub(super) fn parse(conn: &Conn) -> Self {
        let bytes = &conn.received;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head, body: bytes[end..].to_vec(), reset: conn.was_reset() }
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// Asserts a whole answer with this status: its length is what it says, and it did not end in a reset.
    #[track_caller]
    pub fn assert(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        let length = self.header("content-length").and_then(|length| length.parse().ok());
        assert_eq!(length, Some(self.body.len()), "the length is not the body's: {}", self.head);
        assert_eq!(self.header("connection"), Some("close"), "{}", self.head);
        assert!(!self.reset, "the answer ended in a reset");
        self
    }
}
