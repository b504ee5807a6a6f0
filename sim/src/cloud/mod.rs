//! A simulated cloud: one region of it, with the hosts, the device protocol and the HTTP API.
//!
//! It resolves no names and knows no radio; it is a peer on the internet with TCP ports. What today's real
//! cloud does where nobody has published it is a switch in [`Behaviour`].

mod api;
mod change;
mod device;
mod directory;
mod event;
mod http;
#[cfg(test)]
mod tests;

use core::fmt;
use std::collections::VecDeque;

use hil_link::modelled_tls::{Certificate, read_client_hello, write_server_hello};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, EthernetFrame, Ipv4Address, Ipv4Cidr, Ipv4Packet, TcpPacket};

use crate::actor::{Outbox, Port, soonest};
use crate::stack::{Frame, Stack};
use crate::text::printable;

pub use directory::{
    ACCESS_TOKEN_LIFE, Account, DEVICE_NAME_LEN_MAX, Device, DeviceId, DeviceStatus, Directory, OldToken,
    PROVISION_TOKEN_LIFE, SharedDirectory, Template,
};
pub use event::Event;

use change::Faults;
pub use change::{AfterLogin, StrangeFrame};
use device::Session;
use http::{Parsed, Response};

/// Ports that expect the modelled TLS.
pub const SECURE_PORTS: [u16; 2] = [443, 9443];
/// Ports that speak plainly.
pub const PLAIN_PORTS: [u16; 2] = [80, 8080];
/// The network of RFC 2544, all of which is one segment here.
const INTERNET_PREFIX_LEN: u8 = 15;
/// Connections at one time, of which a client that asks each second leaves ten closing behind.
const CONNECTIONS_MAX: usize = 32;
/// The receive and the send buffer of a connection, in bytes.
const BUFFER_LEN: usize = 4_096;
/// How long a connection may be silent before its info: 2.3 times 10 s, as the legacy server has it.
const SILENCE_LIMIT: Duration = Duration::from_secs(23);
/// How long a peer has to close its side once ours is closed; Linux waits 60 s (`tcp_fin_timeout`).
const CLOSE_LIMIT: Duration = Duration::from_secs(60);
/// Longer than any story.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);
/// What a server hello needs, see [`write_server_hello`].
const HELLO_LEN_MAX: usize = 260;

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

/// What a cloud does where documents disagree or say nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Behaviour {
    /// How long a device may be silent, in thousandths of the heartbeat it announced.
    pub heartbeat_factor_permille: u32,
    /// What becomes of a provision token whose device names a template that the account does not have.
    pub wrong_template: WrongTemplate,
    /// What becomes of a second login with one token.
    pub second_login: SecondLogin,
    /// Frames a second; more close the connection. `None` for no limit.
    pub rate_max: Option<u32>,
    /// Whether an info is answered.
    pub acknowledge_info: bool,
    /// Whether a logged event is answered.
    pub acknowledge_event: bool,
    /// Whether a group is answered.
    pub acknowledge_group: bool,
    /// Whether setting metadata is answered.
    pub acknowledge_meta: bool,
}

impl Behaviour {
    /// What the newest documents say, else what the last open server did.
    pub const DOCUMENTED: Self = Self {
        heartbeat_factor_permille: 1_500,
        wrong_template: WrongTemplate::Ignore,
        second_login: SecondLogin::ReplacesFirst,
        rate_max: Some(50),
        acknowledge_info: true,
        acknowledge_event: true,
        acknowledge_group: false,
        acknowledge_meta: true,
    };
}

/// What becomes of a device that names an unknown template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WrongTemplate {
    /// It stays connected and is never activated.
    Ignore,
    /// Its info is answered with this status and the connection ends.
    Refuse(u16),
}

/// What becomes of a second login with one token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecondLogin {
    /// The older connection ends.
    ReplacesFirst,
    /// The newer one is refused with status 4.
    Refuse,
}

/// How a login is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoginAnswer {
    /// As it deserves.
    Normal,
    /// With this status, whatever the token.
    Status(u16),
    /// Not at all.
    Silent,
}

/// One region.
pub struct Cloud {
    config: CloudConfig,
    directory: SharedDirectory,
    stack: Stack,
    connections: Vec<Connection>,
    /// The ports of the connection requests among the frames that have not been processed.
    requested: Vec<u16>,
    powered: bool,
    mute: bool,
    redirect: Option<(String, u16)>,
    login_answer: LoginAnswer,
    faults: Faults,
    /// Something was changed from outside, so that a poll is due.
    changed: bool,
    events: Vec<Event>,
}

struct Connection {
    handle: SocketHandle,
    port: u16,
    stage: Stage,
    input: Vec<u8>,
    output: Vec<u8>,
    /// What a slow server has ready and sends at these times.
    late: VecDeque<(Instant, Vec<u8>)>,
    /// Nothing is heard or said on it any more, and it stays open.
    mute: bool,
    /// How long it may be silent.
    read_limit: Duration,
    /// When its silence, or its closing, has lasted too long; `None` while nobody has called.
    deadline: Option<Instant>,
    /// Our side ends as soon as everything is sent.
    closing: bool,
}

enum Stage {
    /// The modelled TLS has not begun.
    Hello,
    /// The first byte tells what is spoken.
    Undecided,
    Http,
    Device(Session),
}

impl Cloud {
    /// A region that is switched on. `seed` feeds TCP sequence numbers.
    pub fn new(config: CloudConfig, directory: SharedDirectory, seed: u64, now: Instant) -> Self {
        let mut stack = Stack::new(config.mac, seed, now);
        stack.set_address(Some(Ipv4Cidr::new(config.address, INTERNET_PREFIX_LEN)), None);
        Self {
            config,
            directory,
            stack,
            connections: Vec::new(),
            requested: Vec::new(),
            powered: true,
            mute: false,
            redirect: None,
            login_answer: LoginAnswer::Normal,
            faults: Faults::default(),
            changed: false,
            events: Vec::new(),
        }
    }

    /// Takes a frame from the internet.
    pub fn handle_frame(&mut self, _now: Instant, _port: Port, frame: Frame) {
        if !self.powered {
            return;
        }
        if let Some(port) = self.requested_port(&frame) {
            self.requested.push(port);
            if !self.faults.refuses {
                self.ensure_listeners(port);
            }
        }
        self.stack.receive(frame);
    }

    /// Does what is due and hands over frames and events.
    pub fn poll(&mut self, now: Instant, out: &mut Outbox<Event>) {
        self.revoke_due(now);
        let has_changed = core::mem::take(&mut self.changed);
        if self.powered {
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
        out.events.append(&mut self.events);
    }

    /// When it wants to be polled again.
    pub fn next_wake(&mut self, now: Instant) -> Option<Instant> {
        if self.changed || !self.events.is_empty() {
            return Some(now);
        }
        if !self.powered {
            return None;
        }
        let late = |connection: &Connection| connection.late.front().map(|(at, _)| *at);
        let wakes = self.connections.iter().flat_map(|connection| [connection.deadline, late(connection)]);
        let wake = wakes.fold(self.stack.poll_at(now), soonest);
        soonest(wake, self.next_revocation()).map(|at| at.max(now))
    }

    /// Makes room for a new device and issues its provision token, as the HTTP API does.
    pub fn issue_token(&mut self, now: Instant) -> (DeviceId, String) {
        let issued = self.directory.borrow_mut().issue_token(now);
        self.events.push(Event::TokenIssued { device: issued.0 });
        issued
    }

    /// Writes a pin as an app does: it is kept, and sent when the device is connected here. Returns whether
    /// there is such a device.
    pub fn write(&mut self, device: DeviceId, pin: u8, value: &[u8]) -> bool {
        self.changed = true;
        self.directory.borrow_mut().write(device, pin, value)
    }

    /// Whether the device behind a token has been seen and is there; `None` when the token is not good.
    pub fn device_status(&self, now: Instant, token: &str) -> Option<DeviceStatus> {
        self.directory.borrow().find(now, token).map(Device::status)
    }

    /// The last value of a device's pin; several values are separated by NUL.
    pub fn pin(&self, device: DeviceId, pin: u8) -> Option<Vec<u8>> {
        self.directory.borrow().device(device)?.pin(pin).map(<[u8]>::to_vec)
    }

    /// Accounts, templates and devices, which other regions may share.
    pub fn directory(&self) -> &SharedDirectory {
        &self.directory
    }

    /// Its name in the scenario.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Its hosts.
    pub fn hosts(&self) -> &[String] {
        &self.config.hosts
    }

    /// Its address on the internet.
    pub fn address(&self) -> Ipv4Address {
        self.config.address
    }

    /// The port that a frame asks to be connected to, when it does.
    fn requested_port(&self, frame: &[u8]) -> Option<u16> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        if ethernet.dst_addr() != self.config.mac {
            return None;
        }
        let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
        if ip.next_header() != smoltcp::wire::IpProtocol::Tcp {
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
        while listening < wanted && self.connections.len() < CONNECTIONS_MAX {
            let handle = self.stack.add_tcp(BUFFER_LEN, BUFFER_LEN);
            let tcp = self.stack.tcp(handle);
            // An answer must not wait for the acknowledgement of the one before.
            tcp.set_nagle_enabled(false);
            tcp.listen(port).expect("a new socket and a port other than 0");
            self.connections.push(Connection::new(handle, port));
            listening += 1;
        }
    }

    /// Serves every connection once and forgets those that have ended; returns whether anything was done.
    fn serve(&mut self, now: Instant) -> bool {
        let mut connections = core::mem::take(&mut self.connections);
        let mut worked = false;
        connections.retain_mut(|connection| {
            let ended = self.stack.tcp(connection.handle).state() == tcp::State::Closed;
            if ended {
                self.end_session(connection);
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
        let tcp = self.stack.tcp(connection.handle);
        if tcp.is_listening() {
            // A request that was taken back leaves the socket as it was before.
            connection.deadline = None;
            return false;
        }
        // Who is stuck does not notice how long the other side is silent.
        let is_stuck = connection.mute && !connection.closing;
        let limit = if is_stuck { FOREVER } else { connection.read_limit };
        if is_stuck {
            connection.deadline = None;
        }
        let deadline = *connection.deadline.get_or_insert(now + limit);
        let mut worked = false;
        if deadline <= now {
            worked = true;
            if connection.closing {
                tcp.abort();
                return true;
            }
            connection.closing = true;
        }
        worked |= self.receive(now, connection);
        if !self.stack.tcp(connection.handle).may_recv() {
            // The peer has closed its side: there is nobody to answer.
            connection.closing |= self.stack.tcp(connection.handle).state() != tcp::State::SynReceived;
        }
        self.check_session(connection);
        worked | self.send(now, connection)
    }

    /// Takes what has arrived and works on it.
    fn receive(&mut self, now: Instant, connection: &mut Connection) -> bool {
        let mut worked = false;
        loop {
            let tcp = self.stack.tcp(connection.handle);
            if !tcp.can_recv() {
                return worked;
            }
            let is_mute = self.mute || connection.mute;
            let ignored = connection.closing || (is_mute && !matches!(connection.stage, Stage::Hello));
            let taken = tcp.recv(|data| {
                if !ignored {
                    connection.input.extend_from_slice(data);
                }
                (data.len(), ())
            });
            if taken.is_err() {
                return worked;
            }
            worked = true;
            if !connection.closing {
                connection.deadline = Some(now + connection.read_limit);
                self.advance(now, connection);
            }
        }
    }

    /// Does with the input what the stage of the connection allows.
    fn advance(&mut self, now: Instant, connection: &mut Connection) {
        if matches!(connection.stage, Stage::Hello) && !self.answer_hello(connection) {
            return;
        }
        if matches!(connection.stage, Stage::Undecided) {
            let Some(first) = connection.input.first() else { return };
            // No command of the device protocol is the first letter of GET, POST, PUT, DELETE, HEAD, OPTIONS.
            connection.stage =
                if b"GPDHO".contains(first) { Stage::Http } else { Stage::Device(Session::new()) };
            self.events.push(Event::Connected { secure: SECURE_PORTS.contains(&connection.port) });
        }
        // The session leaves its connection for a moment, so that both can be changed.
        match core::mem::replace(&mut connection.stage, Stage::Undecided) {
            Stage::Device(mut session) => {
                self.serve_device(now, connection, &mut session);
                connection.stage = Stage::Device(session);
            }
            Stage::Http => {
                self.serve_http(now, connection);
                connection.stage = Stage::Http;
            }
            stage @ (Stage::Hello | Stage::Undecided) => connection.stage = stage,
        }
    }

    /// Answers the hello when it is complete; returns whether it was.
    fn answer_hello(&mut self, connection: &mut Connection) -> bool {
        let Ok(hello) = read_client_hello(&connection.input) else {
            connection.closing = true;
            return false;
        };
        let Some((name, len)) = hello else { return false };
        let is_ours = self.config.hosts.iter().any(|host| host.as_bytes().eq_ignore_ascii_case(name));
        let certificate = if is_ours { self.config.certificate } else { Certificate::WrongName };
        let mut answer = [0; HELLO_LEN_MAX];
        let answer_len = write_server_hello(name, certificate, &mut answer);
        connection.output.extend_from_slice(&answer[..answer_len]);
        connection.input.drain(..len);
        connection.stage = Stage::Undecided;
        true
    }

    fn serve_http(&mut self, now: Instant, connection: &mut Connection) {
        let mut input = core::mem::take(&mut connection.input);
        let mut taken = 0;
        while !connection.closing {
            match http::read(&input[taken..]) {
                Parsed::Incomplete => break,
                Parsed::Request(request, len) => {
                    taken += len;
                    let response = self.respond(now, &request);
                    response.write(&mut connection.output, request.keep_alive);
                    connection.closing = !request.keep_alive;
                }
                Parsed::Bad(status) => {
                    Response::error(status, "Bad request.").write(&mut connection.output, false);
                    connection.closing = true;
                }
            }
        }
        input.drain(..taken);
        connection.input = input;
    }

    /// Ends a session that a newer login, a new token or the device's deletion has made void; otherwise sends
    /// what waits for the device.
    fn check_session(&mut self, connection: &mut Connection) {
        let Stage::Device(Session { login: Some((device, number)), .. }) = connection.stage else { return };
        if connection.closing {
            self.end_session(connection);
            return;
        }
        let current = self.directory.borrow().device(device).and_then(Device::session);
        if current == Some(number) {
            if !self.mute && !connection.mute {
                self.send_downlinks(connection, device);
            }
        } else {
            connection.closing = true;
            self.leave_device(connection);
        }
    }

    fn send(&mut self, now: Instant, connection: &mut Connection) -> bool {
        let mut worked = self.put_off(now, connection);
        let tcp = self.stack.tcp(connection.handle);
        while let Some((_, bytes)) = connection.late.front_mut().filter(|(at, _)| *at <= now)
            && tcp.can_send()
        {
            let sent = tcp.send_slice(bytes).unwrap_or_default();
            bytes.drain(..sent);
            worked |= sent > 0;
            if !bytes.is_empty() {
                break;
            }
            connection.late.pop_front();
        }
        if !connection.output.is_empty() && tcp.can_send() {
            let sent = tcp.send_slice(&connection.output).unwrap_or_default();
            connection.output.drain(..sent);
            worked |= sent > 0;
        }
        let has_sent = connection.output.is_empty() && connection.late.is_empty();
        let can_close = tcp.may_send() || tcp.state() == tcp::State::SynReceived;
        if connection.closing && has_sent && can_close {
            tcp.close();
            connection.deadline = Some(now + CLOSE_LIMIT);
            worked = true;
        }
        worked
    }

    /// Ends a device's session because its connection ends, and tells of it.
    fn end_session(&mut self, connection: &mut Connection) {
        if let Some(device) = self.leave_device(connection) {
            self.events.push(Event::Offline { device });
        }
    }

    /// Takes the device from its connection. Returns the device when this connection was the one it had.
    fn leave_device(&mut self, connection: &mut Connection) -> Option<DeviceId> {
        let Stage::Device(session) = &mut connection.stage else { return None };
        let (id, number) = session.login.take()?;
        let mut directory = self.directory.borrow_mut();
        let device = directory.device_mut(id).filter(|device| device.session() == Some(number))?;
        device.end_session();
        Some(id)
    }
}

impl Connection {
    fn new(handle: SocketHandle, port: u16) -> Self {
        Self {
            handle,
            port,
            stage: if SECURE_PORTS.contains(&port) { Stage::Hello } else { Stage::Undecided },
            input: Vec::new(),
            output: Vec::new(),
            late: VecDeque::new(),
            mute: false,
            read_limit: SILENCE_LIMIT,
            deadline: None,
            closing: false,
        }
    }
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("name", &self.config.name).finish_non_exhaustive()
    }
}

/// A pin's value for a reader: several values are separated by a space, and what cannot be printed is escaped.
fn shown(value: &[u8]) -> String {
    let values: Vec<_> = value.split(|byte| *byte == 0).map(printable).collect();
    values.join(" ")
}
