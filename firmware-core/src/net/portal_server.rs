//! The sockets of the access point: DHCP, DNS and several HTTP clients at once.
//!
//! A request that needs a decision is handed to the device as [`Asked`]; [`PortalServer::answer`] brings the
//! decision back. Everything else happens here. One request a connection, as every answer says.

use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address, Ipv4Cidr};

use super::{Net, TCP_SOCKETS, UDP_SOCKETS};
use crate::hal::WakeReason;
use crate::portal::config_request::{ConfigRequest, Invalid, parse_config};
use crate::portal::dhcp::{self, DhcpServer, LeaseEvent, Outcome};
use crate::portal::dns::{self, Names, answer};
use crate::portal::form::Arguments;
use crate::portal::http::{Parse, REQUEST_LEN_MAX, REQUEST_TIMEOUT, Request, Status, parse};
use crate::portal::response::{CONTINUE, Content, Context, Response, Uri};
use crate::portal::routes::{Route, route};
use crate::portal::{AP_IP, AP_PREFIX_LEN};
use crate::product::Product;
use crate::{Duration, Instant};

/// The HTTP port.
const HTTP_PORT: u16 = 80;
/// A connection that is asked for and not completed for this long is a phone that has gone, or never was.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// A phone that takes its answer this slowly has gone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// A reset that cannot leave for this long is for a phone that has gone: its socket is needed.
const RESET_TIMEOUT: Duration = Duration::from_secs(1);
/// A datagram that cannot leave for this long, after a first second of smoltcp's own, is for somebody who has
/// gone: nobody tells us his MAC. smoltcp would ask for it for ever, and everything behind it would wait.
const DATAGRAM_TIMEOUT: Duration = Duration::from_secs(1);
/// A phone that connects in earnest sends its request this soon.
const IDLE_LIMIT: Duration = Duration::from_secs(1);
/// A phone that has its answer and does not close its side keeps others waiting no longer than this.
const LINGER_LIMIT: Duration = Duration::from_secs(2);

/// A request that the device has to answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Who asks; for [`PortalServer::answer`].
    pub client: usize,
    /// What is asked.
    pub route: Route,
    /// What `/config` asks for, when that is the route.
    pub config: Option<Result<ConfigRequest, Invalid>>,
    /// The path, for a 404.
    pub uri: Uri,
}

/// What happened at the portal.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put it on, and it is moved once")]
pub enum PortalEvent {
    /// A phone asks. It waits until it is answered or dropped.
    Asked(Asked),
    /// A request was not understood and is answered with this status.
    Refused(Status),
    /// A phone was given an address.
    Leased(Ipv4Address),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Client {
    Listening,
    /// A phone has sent a SYN, and the handshake is not complete.
    Opening {
        until: Instant,
    },
    Reading {
        until: Instant,
        continued: bool,
    },
    /// The device has the request.
    Waiting {
        head_only: bool,
    },
    Sending {
        response: Response,
        sent: usize,
        until: Instant,
    },
    Closing {
        until: Instant,
    },
    /// The connection was given up, and its reset has not left yet.
    Resetting {
        until: Instant,
    },
    /// The phone has everything, our FIN included, and has not closed its side.
    Lingering {
        until: Instant,
    },
}

/// The servers of the access point.
pub struct PortalServer {
    dhcp: DhcpServer,
    names: Names,
    captive: bool,
    clients: [Client; TCP_SOCKETS],
    /// Until when the first datagram in each UDP socket may wait.
    stuck: [Option<Instant>; UDP_SOCKETS],
    /// When a connection may be given up for the next phone, while there is no socket for it.
    crowded_until: Option<Instant>,
}

impl PortalServer {
    /// Servers for a freshly opened access point.
    pub fn new(product: &Product) -> Self {
        let captive = product.captive_portal();
        Self {
            dhcp: DhcpServer::new(captive.then_some(crate::portal::PORTAL_URI)),
            names: if captive { Names::Every } else { Names::SetupOnly },
            captive,
            clients: core::array::from_fn(|_| Client::Listening),
            stuck: [None; UDP_SOCKETS],
            crowded_until: None,
        }
    }

    /// Forgets every client, as when the access point closes. Leases are remembered until the reboot.
    pub fn reset(&mut self) {
        self.clients = core::array::from_fn(|_| Client::Listening);
        self.stuck = [None; UDP_SOCKETS];
        self.crowded_until = None;
    }

    /// Answers a request that was [`PortalEvent::Asked`]; returns whether the phone still waits for it.
    pub fn answer(&mut self, now: Instant, client: usize, content: Content) -> bool {
        let Some(client) = self.clients.get_mut(client) else { return false };
        let Client::Waiting { head_only } = *client else { return false };
        let response = Response::new(content, head_only);
        *client = Client::Sending { response, sent: 0, until: now + ANSWER_TIMEOUT };
        true
    }

    /// Drops a client without an answer.
    pub fn drop_client(&mut self, now: Instant, net: &mut Net, client: usize) {
        if let (Some(client), Some(handle)) = (self.clients.get_mut(client), net.tcp.get(client)) {
            reset(now, client, net.sockets.get_mut(*handle));
        }
    }

    /// Takes note that a station has gone: its address goes first when all are lent.
    pub fn handle_station_left(&mut self, mac: EthernetAddress) {
        self.dhcp.handle_station_left(mac);
    }

    /// Whether an answer that lists networks is under way, so that the list must stay as it is.
    pub fn is_listing(&self) -> bool {
        self.clients
            .iter()
            .any(|client| matches!(client, Client::Sending { response, .. } if response.lists_networks()))
    }

    /// When a slow client's time is up.
    pub fn poll_timeout(&self) -> Option<(Instant, WakeReason)> {
        let until = self.clients.iter().filter_map(|client| match client {
            Client::Listening | Client::Waiting { .. } => None,
            Client::Opening { until }
            | Client::Reading { until, .. }
            | Client::Sending { until, .. }
            | Client::Closing { until }
            | Client::Resetting { until }
            | Client::Lingering { until } => Some(*until),
        });
        until
            .chain(self.stuck.into_iter().flatten())
            .chain(self.crowded_until)
            .min()
            .map(|at| (at, WakeReason::Portal))
    }

    /// Serves everybody. Call it again until it returns `None`, then poll the net.
    pub fn poll(&mut self, now: Instant, net: &mut Net, context: &Context<'_>) -> Option<PortalEvent> {
        self.drop_stuck_datagrams(now, net);
        self.poll_dns(net);
        if let Some(ip) = self.poll_dhcp(now, net) {
            return Some(PortalEvent::Leased(ip));
        }
        for (index, handle) in net.tcp.into_iter().enumerate() {
            let Some(client) = self.clients.get_mut(index) else { continue };
            let socket = net.sockets.get_mut::<tcp::Socket<'_>>(handle);
            let event = poll_client(now, index, client, socket, self.captive, context);
            if event.is_some() {
                return event;
            }
        }
        self.keep_listening(now, net);
        None
    }

    /// Lets the sockets of connections that have ended listen again. To be called when the net has been polled: a phone
    /// sends its FIN again and again until it is acknowledged.
    ///
    /// RFC 9293 would keep them in TIME-WAIT for minutes. We have few, and the phone has everything.
    pub fn release(&mut self, net: &mut Net) {
        for (client, handle) in self.clients.iter_mut().zip(net.tcp) {
            let socket = net.sockets.get_mut::<tcp::Socket<'_>>(handle);
            let waits = matches!(client, Client::Closing { .. } | Client::Lingering { .. });
            if waits && socket.state() == tcp::State::TimeWait {
                free(client, socket);
            }
        }
    }

    /// Gives up the oldest connection on which nothing was ever sent when no socket is left for the next phone.
    /// Browsers open connections in advance, and take no harm when one is gone. The only one of
    /// them may have come this moment, and is given time for its request.
    fn keep_listening(&mut self, now: Instant, net: &mut Net) {
        self.crowded_until = None;
        let sockets = net.tcp.map(|handle| (handle, net.sockets.get::<tcp::Socket<'_>>(handle)));
        if sockets.iter().any(|(_, socket)| !socket.is_active()) {
            return;
        }
        let idle =
            self.clients.iter_mut().zip(sockets).filter_map(|(client, (handle, socket))| match client {
                Client::Reading { until, .. } if socket.recv_queue() == 0 => Some((*until, handle, client)),
                Client::Listening
                | Client::Opening { .. }
                | Client::Reading { .. }
                | Client::Waiting { .. }
                | Client::Sending { .. }
                | Client::Closing { .. }
                | Client::Resetting { .. }
                | Client::Lingering { .. } => None,
            });
        let mut count = 0_usize;
        let oldest = idle.inspect(|_| count += 1).min_by_key(|(until, ..)| *until);
        if let Some((until, handle, client)) = oldest {
            // `until` counts from the start of the connection.
            let may_go_at = until - REQUEST_TIMEOUT + IDLE_LIMIT;
            if count == 1 && may_go_at > now {
                self.crowded_until = Some(may_go_at);
                return;
            }
            let socket = net.tcp_mut(handle);
            socket.abort();
            // The socket has just been closed, and the port is not 0. The phone sees a reset when it sends.
            let _ = socket.listen(HTTP_PORT);
            *client = Client::Listening;
        }
    }

    fn drop_stuck_datagrams(&mut self, now: Instant, net: &mut Net) {
        let ports = [dhcp::SERVER_PORT, dns::PORT];
        for ((handle, port), stuck) in net.udp.into_iter().zip(ports).zip(&mut self.stuck) {
            let socket = net.udp_mut(handle);
            *stuck = match *stuck {
                _ if socket.send_queue() == 0 => None,
                None => Some(now + DATAGRAM_TIMEOUT),
                Some(until) if until > now => Some(until),
                Some(_) => {
                    socket.close();
                    // It has just been closed, and the port is not 0.
                    let _ = socket.bind(port);
                    None
                }
            };
        }
    }

    fn poll_dns(&mut self, net: &mut Net) {
        let [_, handle] = net.udp;
        let socket = net.udp_mut(handle);
        while socket.can_send() {
            let Ok((query, meta)) = socket.recv() else { return };
            // An answer to another network has no way out.
            if !is_neighbour(meta.endpoint.addr) {
                continue;
            }
            let mut reply = [0; dns::REPLY_LEN_MAX];
            if let Some(len) = answer(query, self.names, &mut reply) {
                let endpoint = udp::UdpMetadata::from(meta.endpoint);
                // There is room: `can_send` said so.
                let _ = socket.send_slice(reply.get(..len).unwrap_or_default(), endpoint);
            }
        }
    }

    /// Serves DHCP clients until one has been given an address.
    fn poll_dhcp(&mut self, now: Instant, net: &mut Net) -> Option<Ipv4Address> {
        let [handle, _] = net.udp;
        let socket = net.udp_mut(handle);
        while socket.can_send() {
            let (packet, _) = socket.recv().ok()?;
            let mut reply = [0; dhcp::REPLY_LEN_MAX];
            let Outcome::Reply { len, destination, event } = self.dhcp.handle(now, packet, &mut reply) else {
                continue;
            };
            let endpoint = (IpAddress::Ipv4(destination), dhcp::CLIENT_PORT);
            // There is room: `can_send` said so.
            let _ = socket.send_slice(reply.get(..len).unwrap_or_default(), udp::UdpMetadata::from(endpoint));
            if let LeaseEvent::Given(ip) = event {
                return Some(ip);
            }
        }
        None
    }
}

fn is_neighbour(address: IpAddress) -> bool {
    let IpAddress::Ipv4(address) = address;
    Ipv4Cidr::new(AP_IP, AP_PREFIX_LEN).contains_addr(&address)
}

fn poll_client(
    now: Instant,
    index: usize,
    client: &mut Client,
    socket: &mut tcp::Socket<'static>,
    captive: bool,
    context: &Context<'_>,
) -> Option<PortalEvent> {
    match socket.state() {
        // The connection has ended, or there has not been one.
        tcp::State::Closed => {
            let waits = matches!(client, Client::Resetting { until } if *until > now);
            if waits && socket.remote_endpoint().is_some() {
                return None;
            }
            free(client, socket);
        }
        tcp::State::Listen => *client = Client::Listening,
        tcp::State::SynReceived => on_opening(now, client, socket),
        tcp::State::SynSent
        | tcp::State::Established
        | tcp::State::FinWait1
        | tcp::State::FinWait2
        | tcp::State::CloseWait
        | tcp::State::Closing
        | tcp::State::LastAck
        | tcp::State::TimeWait => {
            if matches!(client, Client::Listening | Client::Opening { .. }) {
                *client = Client::Reading { until: now + REQUEST_TIMEOUT, continued: false };
            }
        }
    }
    match client {
        Client::Listening | Client::Opening { .. } | Client::Waiting { .. } | Client::Resetting { .. } => {
            None
        }
        Client::Reading { until, continued } => {
            let (until, continued) = (*until, *continued);
            read_request(now, index, client, socket, captive, until, continued)
        }
        Client::Sending { response, sent, until } => {
            let timed_out = *until <= now;
            // An answer that leaves room is complete, which saves rendering it once more for its length. An
            // error means that the connection is gone, which is seen at the next poll.
            let leaves_room = socket.send(|room| {
                let count = response.write(context, *sent, room);
                *sent += count;
                (count, count < room.len())
            });
            if leaves_room == Ok(true) {
                socket.close();
                *client = Client::Closing { until: now + ANSWER_TIMEOUT };
            } else if timed_out {
                reset(now, client, socket);
            }
            None
        }
        Client::Closing { until } | Client::Lingering { until } => {
            let until = *until;
            finish_closing(now, client, socket, until);
            None
        }
    }
}

/// Waits for the end of a connection whose answer is complete, until its time is up.
fn finish_closing(now: Instant, client: &mut Client, socket: &mut tcp::Socket<'static>, until: Instant) {
    // What is still being sent to us is of no interest, but must not fill the window.
    let _ = socket.recv(|bytes| (bytes.len(), ()));
    // A reset might take from a phone what it has received and not read yet.
    let has_everything = matches!(client, Client::Lingering { .. }) && until <= now;
    if has_everything {
        free(client, socket);
    } else if socket.state() == tcp::State::TimeWait {
        // `release` comes next.
    } else if until <= now {
        reset(now, client, socket);
    } else if socket.state() == tcp::State::FinWait2 && matches!(client, Client::Closing { .. }) {
        *client = Client::Lingering { until: now + LINGER_LIMIT };
    }
}

/// Ends a connection with a reset.
fn reset(now: Instant, client: &mut Client, socket: &mut tcp::Socket<'static>) {
    socket.abort();
    *client = Client::Resetting { until: now + RESET_TIMEOUT };
}

/// Forgets the connection, if there is one, and waits for the next phone. Nothing is sent to the old one; it
/// is told that its connection is gone if it asks.
fn free(client: &mut Client, socket: &mut tcp::Socket<'static>) {
    socket.abort();
    // The port is not 0 and the socket is closed, so that listening succeeds.
    let _ = socket.listen(HTTP_PORT);
    *client = Client::Listening;
}

/// A handshake that is never completed must not keep a socket for ever.
fn on_opening(now: Instant, client: &mut Client, socket: &mut tcp::Socket<'static>) {
    match client {
        Client::Opening { until } if *until <= now => free(client, socket),
        Client::Opening { .. } => {}
        Client::Listening
        | Client::Reading { .. }
        | Client::Waiting { .. }
        | Client::Sending { .. }
        | Client::Closing { .. }
        | Client::Resetting { .. }
        | Client::Lingering { .. } => *client = Client::Opening { until: now + HANDSHAKE_TIMEOUT },
    }
}

fn read_request(
    now: Instant,
    index: usize,
    client: &mut Client,
    socket: &mut tcp::Socket<'static>,
    captive: bool,
    until: Instant,
    continued: bool,
) -> Option<PortalEvent> {
    // Not `may_recv`, which is true as long as anything is left to be read.
    let has_closed = socket.state() != tcp::State::Established;
    // The connection's first bytes stand at the start of an empty buffer, so that all of them are in one piece.
    let buffer = socket.peek(REQUEST_LEN_MAX).unwrap_or_default();
    let refused = match parse(buffer, REQUEST_LEN_MAX) {
        Parse::Request(request) => {
            let asked = read_asked(index, &request, captive);
            *client = Client::Waiting { head_only: request.is_head() };
            let _ = socket.recv(|bytes| (bytes.len(), ()));
            return Some(PortalEvent::Asked(asked));
        }
        Parse::Refused(status) => status,
        Parse::NeedMore | Parse::NeedContinue if has_closed => {
            // The phone closed in the middle of its request.
            free(client, socket);
            return None;
        }
        Parse::NeedMore | Parse::NeedContinue if until <= now => Status::RequestTimeout,
        Parse::NeedContinue if !continued => {
            // A buffer without room means that the phone waits a little longer.
            let _ = socket.send_slice(CONTINUE);
            *client = Client::Reading { until, continued: true };
            return None;
        }
        Parse::NeedMore | Parse::NeedContinue => return None,
    };
    let _ = socket.recv(|bytes| (bytes.len(), ()));
    *client = Client::Sending { response: Response::error(refused), sent: 0, until: now + ANSWER_TIMEOUT };
    Some(PortalEvent::Refused(refused))
}

fn read_asked(client: usize, request: &Request<'_>, captive: bool) -> Asked {
    let route = route(request, captive);
    let config = (route == Route::Config).then(|| parse_config(&Arguments::of(request)));
    Asked { client, route, config, uri: Uri::new(request.path) }
}
