//! The other end of the device's frames: a host with an address, and the home network's cloud on top of one.

use std::collections::VecDeque;

use firmware_core::Instant;
use hil_link::modelled_tls::{Certificate, read_client_hello, write_server_hello};
use hil_link::queues::FRAME_LEN_MAX;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, IpEndpoint, Ipv4Address, Ipv4Cidr,
};

/// Frames on their way to and from a host.
#[derive(Default)]
pub(crate) struct Cable {
    pub(crate) received: VecDeque<Vec<u8>>,
    pub(crate) sent: VecDeque<Vec<u8>>,
}

pub(crate) struct Received(Vec<u8>);
pub(crate) struct Sender<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl phy::TxToken for Sender<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}

impl phy::Device for Cable {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sender<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Received, Sender<'_>)> {
        let frame = self.received.pop_front()?;
        Some((Received(frame), Sender(&mut self.sent)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Sender<'_>> {
        Some(Sender(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_LEN_MAX;
        capabilities
    }
}

/// A host with a fixed address.
pub(crate) struct Host {
    pub(crate) cable: Cable,
    /// Whether its frames wait.
    pub(crate) held: bool,
    /// Whether it hears nothing, as when it has left.
    pub(crate) deaf: bool,
    iface: Interface,
    sockets: SocketSet<'static>,
    next_port: u16,
}

impl Host {
    pub(crate) fn new(now: Instant, mac: u8, ip: Ipv4Address) -> Self {
        let mut cable = Cable::default();
        let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, mac]).into());
        let mut iface = Interface::new(config, &mut cable, now);
        iface.update_ip_addrs(|addresses| addresses.push(Ipv4Cidr::new(ip, 24).into()).unwrap());
        Self {
            cable,
            held: false,
            deaf: false,
            iface,
            sockets: SocketSet::new(Vec::new()),
            next_port: 50_000,
        }
    }

    pub(crate) fn poll(&mut self, now: Instant) {
        if self.deaf {
            self.cable.received.clear();
        }
        let _ = self.iface.poll(now, &mut self.cable, &mut self.sockets);
    }

    pub(crate) fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        self.iface.poll_at(now, &self.sockets)
    }

    fn add(&mut self) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 8_192]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_ack_delay(None);
        socket.set_nagle_enabled(false);
        self.sockets.add(socket)
    }

    /// Opens a connection; it needs time to be established.
    pub(crate) fn connect(&mut self, to: Ipv4Address, port: u16) -> SocketHandle {
        let handle = self.add();
        self.next_port += 1;
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket.connect(self.iface.context(), (to, port), self.next_port).unwrap();
        handle
    }

    /// Forgets a connection without a word to its peer.
    pub(crate) fn forget(&mut self, handle: SocketHandle) {
        self.sockets.remove(handle);
    }

    /// Listens for datagrams.
    fn bind(&mut self, port: u16) -> SocketHandle {
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 4_096]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).unwrap();
        self.sockets.add(socket)
    }

    pub(crate) fn listen(&mut self, port: u16) -> SocketHandle {
        let handle = self.add();
        self.socket(handle).listen(port).unwrap();
        handle
    }

    pub(crate) fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    pub(crate) fn send(&mut self, handle: SocketHandle, bytes: &[u8]) {
        assert_eq!(self.socket(handle).send_slice(bytes), Ok(bytes.len()), "everything fits");
    }

    /// What has arrived and was not taken before.
    pub(crate) fn take(&mut self, handle: SocketHandle) -> Vec<u8> {
        let mut taken = Vec::new();
        while let Ok(count) = self.socket(handle).recv(|bytes| {
            taken.extend_from_slice(bytes);
            (bytes.len(), bytes.len())
        }) {
            if count == 0 {
                break;
            }
        }
        taken
    }
}

/// Connections that a cloud takes at once: more than a device ever leaves behind.
const CONNECTIONS: usize = 16;

/// How long an address is lent for; smoltcp's client renews it after half of that.
const LEASE_S: u32 = 60;

/// A cloud server that does what the test says, on a router that lends one address.
pub(crate) struct Cloud {
    pub(crate) host: Host,
    /// Whoever asks gets this address, and keeps it no longer than that.
    pub(crate) lent: Option<Ipv4Address>,
    ip: Ipv4Address,
    dhcp: SocketHandle,
    port: u16,
    connections: Vec<Connection>,
    /// Its time server; `None` when nobody answers.
    pub(crate) ntp: Option<Ntp>,
    ntp_sockets: [SocketHandle; 2],
    /// Every question for the time, and where it came from.
    pub(crate) asked_time: Vec<(Vec<u8>, IpEndpoint)>,
    /// What its certificate says; `None` when it never answers a hello.
    pub(crate) certificate: Option<Certificate>,
    /// What it answers to a login, as a frame without its id.
    pub(crate) login_answer: Option<(u8, u16, Vec<u8>)>,
    /// Command and body of every frame.
    pub(crate) received: Vec<(u8, Vec<u8>)>,
}

/// A second address of the router, from where nobody expects anything.
pub(crate) const OTHER_IP: Ipv4Address = Ipv4Address::new(192, 168, 1, 2);
/// The port of time servers, and another.
pub(crate) const NTP_PORTS: [u16; 2] = [123, 1_123];

/// What a time server answers.
#[derive(Clone, Debug)]
pub(crate) struct Ntp {
    /// The time at the beginning of the bench's time, in seconds since 1970.
    pub(crate) unix_s: u64,
    /// Bytes of the answer that are other than they should be.
    pub(crate) changes: Vec<(usize, u8)>,
    /// How often it is sent, from which address and from which of the ports.
    pub(crate) copies: usize,
    pub(crate) from: Ipv4Address,
    pub(crate) port: usize,
}

impl Ntp {
    /// A server in order.
    pub(crate) fn at(unix_s: u64) -> Self {
        Self { unix_s, changes: Vec::new(), copies: 1, from: Ipv4Address::new(192, 168, 1, 1), port: 0 }
    }

    fn answer(&self, question: &[u8], now: Instant) -> Vec<u8> {
        let seconds = self.unix_s + now.secs() as u64 + 2_208_988_800;
        let mut answer = vec![0; 48];
        answer[..4].copy_from_slice(&[0x24, 2, 6, 0xE8]);
        answer[24..32].copy_from_slice(&question[40..48]);
        answer[40..44].copy_from_slice(&(seconds as u32).to_be_bytes());
        for (at, byte) in &self.changes {
            answer[*at] = *byte;
        }
        answer
    }
}

struct Connection {
    handle: SocketHandle,
    bytes: Vec<u8>,
    is_greeted: bool,
}

impl Cloud {
    pub(crate) fn new(now: Instant, ip: Ipv4Address, port: u16) -> Self {
        let mut host = Host::new(now, 0xC0, ip);
        let connection = |_| Connection { handle: host.listen(port), bytes: Vec::new(), is_greeted: false };
        let connections = (0..CONNECTIONS).map(connection).collect();
        let dhcp = host.bind(67);
        host.iface.update_ip_addrs(|addresses| addresses.push(Ipv4Cidr::new(OTHER_IP, 24).into()).unwrap());
        let ntp_sockets = NTP_PORTS.map(|port| host.bind(port));
        Self {
            host,
            lent: None,
            ip,
            dhcp,
            port,
            connections,
            ntp: None,
            ntp_sockets,
            asked_time: Vec::new(),
            certificate: Some(Certificate::Good),
            login_answer: Some((0, 200, Vec::new())),
            received: Vec::new(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many logins there were.
    pub(crate) fn logins(&self) -> usize {
        self.received.iter().filter(|(command, _)| *command == 29).count()
    }

    /// How many connections it believes to be open.
    pub(crate) fn open_connections(&mut self) -> usize {
        let Self { host, connections, .. } = self;
        connections.iter().filter(|connection| host.socket(connection.handle).is_active()).count()
    }

    pub(crate) fn poll(&mut self, now: Instant) {
        self.host.poll(now);
        for index in 0..CONNECTIONS {
            self.serve(index);
        }
        self.lend();
        self.tell_time(now);
        self.host.poll(now);
    }

    fn tell_time(&mut self, now: Instant) {
        let [asked, _] = self.ntp_sockets;
        while let Ok((question, meta)) = self.host.sockets.get_mut::<udp::Socket<'_>>(asked).recv() {
            self.asked_time.push((question.to_vec(), meta.endpoint));
            let Some(ntp) = &self.ntp else { continue };
            let answer = ntp.answer(&self.asked_time.last().unwrap().0, now);
            let meta = udp::UdpMetadata { local_address: Some(ntp.from.into()), ..meta.endpoint.into() };
            for _ in 0..ntp.copies {
                let socket = self.host.sockets.get_mut::<udp::Socket<'_>>(self.ntp_sockets[ntp.port]);
                socket.send_slice(&answer, meta).unwrap();
            }
        }
    }

    fn lend(&mut self) {
        let socket = self.host.sockets.get_mut::<udp::Socket<'_>>(self.dhcp);
        while let Ok((request, _)) = socket.recv() {
            let Some(your_ip) = self.lent else { continue };
            let packet = DhcpPacket::new_checked(request).unwrap();
            let asked = DhcpRepr::parse(&packet).unwrap();
            let is_discover = asked.message_type == DhcpMessageType::Discover;
            let reply = DhcpRepr {
                message_type: if is_discover { DhcpMessageType::Offer } else { DhcpMessageType::Ack },
                your_ip,
                subnet_mask: Some(Ipv4Address::new(255, 255, 255, 0)),
                router: Some(self.ip),
                server_identifier: Some(self.ip),
                lease_duration: Some(LEASE_S),
                requested_ip: None,
                parameter_request_list: None,
                max_size: None,
                additional_options: &[],
                ..asked
            };
            let mut bytes = vec![0; reply.buffer_len()];
            reply.emit(&mut DhcpPacket::new_unchecked(&mut bytes)).unwrap();
            socket.send_slice(&bytes, IpEndpoint::new(Ipv4Address::BROADCAST.into(), 68)).unwrap();
        }
    }

    /// Sends frames in one piece: command, id and body each.
    pub(crate) fn send(&mut self, frames: &[(u8, u16, &[u8])]) {
        let mut bytes = Vec::new();
        for (command, id, body) in frames {
            bytes.extend(frame(*command, *id, u16::try_from(body.len()).unwrap(), body));
        }
        let Self { host, connections, .. } = self;
        let open = connections.iter().find(|connection| host.socket(connection.handle).is_active());
        let handle = open.expect("a device is connected").handle;
        self.host.send(handle, &bytes);
    }

    /// Ends every connection.
    pub(crate) fn drop_connections(&mut self) {
        for connection in &self.connections {
            if self.host.socket(connection.handle).is_active() {
                self.host.socket(connection.handle).abort();
            }
        }
    }

    /// Ends every connection in order, as a server does that has nothing more to say.
    pub(crate) fn close_connections(&mut self) {
        for connection in &self.connections {
            if self.host.socket(connection.handle).is_active() {
                self.host.socket(connection.handle).close();
            }
        }
    }

    fn serve(&mut self, index: usize) {
        let Self { host, port, connections, certificate, login_answer, received, .. } = self;
        let Connection { handle, bytes, is_greeted } = &mut connections[index];
        let socket = host.socket(*handle);
        if socket.state() == tcp::State::CloseWait {
            socket.close();
        }
        if !socket.is_open() && socket.remote_endpoint().is_none() {
            bytes.clear();
            *is_greeted = false;
            socket.listen(*port).unwrap();
        }
        bytes.extend(host.take(*handle));
        if *port == 443 && !*is_greeted {
            let (Some(certificate), Ok(Some((name, len)))) = (*certificate, read_client_hello(bytes)) else {
                return;
            };
            let mut hello = [0; 300];
            let count = write_server_hello(name, certificate, &mut hello);
            host.send(*handle, &hello[..count]);
            bytes.drain(..len);
            *is_greeted = true;
        }
        while let Some((command, id, body)) = take_frame(bytes) {
            match (command, &login_answer) {
                (29, Some((kind, length, body))) => host.send(*handle, &frame(*kind, id, *length, body)),
                (6, _) => host.send(*handle, &frame(0, id, 200, &[])),
                _ => {}
            }
            received.push((command, body));
        }
    }
}

fn take_frame(bytes: &mut Vec<u8>) -> Option<(u8, u16, Vec<u8>)> {
    let &[command, id_high, id_low, high, low, ..] = bytes.as_slice() else { return None };
    let len = if command == 0 { 0 } else { usize::from(u16::from_be_bytes([high, low])) };
    if bytes.len() < 5 + len {
        return None;
    }
    let body = bytes.drain(..5 + len).skip(5).collect();
    Some((command, u16::from_be_bytes([id_high, id_low]), body))
}

fn frame(command: u8, id: u16, length: u16, body: &[u8]) -> Vec<u8> {
    let [id_high, id_low] = id.to_be_bytes();
    let [high, low] = length.to_be_bytes();
    [&[command, id_high, id_low, high, low], body].concat()
}
