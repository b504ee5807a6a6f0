//! The way into the cloud: resolve, connect, secure, log in, follow redirects, and carry the session.

use heapless::{String, Vec};
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{IpAddress, Ipv4Address};

use super::clock::{Asking, Clock};
use super::{Net, TCP_SOCKETS};
use crate::application::Application;
use crate::cloud::codec::Status;
use crate::cloud::outgoing::Outgoing;
use crate::cloud::resolver::{DNS_PORT, MESSAGE_LEN_MAX, ResolveError, Resolver};
use crate::cloud::session::{Heartbeat, LostReason, Session, SessionEvent, TEXT_LEN_MAX};
use crate::cloud::sntp::TimeError;
use crate::config::{Config, Host, Ssid, TLS_PORT, Token, port_uses_tls};
use crate::console::Line;
use crate::hal::{Date, SecureChannel, SecureError, SecureKind, UnixTime, WakeReason, soonest};
use crate::product::Product;
use crate::{Duration, Instant};

/// A server that does not answer a SYN for this long is not there (the C++ client's I/O timeout).
const CONNECT_LIMIT: Duration = Duration::from_secs(6);
/// A handshake that is not done by then is not getting done (new Edgent's limit).
const SECURE_LIMIT: Duration = Duration::from_secs(10);
/// Redirects followed before the configured server is asked again, after a pause: a longer chain leads nowhere,
/// and servers that send the device to and fro must not do so at full speed.
const HOPS_MAX: u8 = 5;
/// Bytes moved at once between session, channel and socket.
const STAGE_LEN: usize = 256;

/// What happened on the way into the cloud, or there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UplinkEvent {
    /// The server's name has this address.
    Resolved(Ipv4Address),
    /// The server's name has no address. The attempt is over.
    ResolveFailed,
    /// TCP is being opened.
    Connecting(Host, u16),
    /// TCP was refused or not answered. The attempt is over.
    ConnectFailed,
    /// The encrypted channel is open; how it describes itself.
    SecureOpened(SecureKind),
    /// The encrypted channel could not be opened. The attempt is over.
    SecureFailed(SecureError),
    /// The cloud accepted the login with this status after so many milliseconds.
    LoggedIn(Status, u32),
    /// The cloud refused the login for a reason that may pass. The attempt is over.
    LoginRefused(Status),
    /// The cloud knows no such token. The attempt is over.
    TokenRefused,
    /// The cloud did not answer the login. The attempt is over.
    LoginTimeout,
    /// The cloud sent the device to another server, which is tried next.
    Redirected(Host, u16),
    /// The cloud sent the device around too often. The attempt is over.
    TooManyRedirects,
    /// The session ended; the reason where the protocol knows one.
    Lost(Option<LostReason>),
    /// The cloud typed this on the console.
    Console(Line),
    /// The cloud printed this.
    Print(String<TEXT_LEN_MAX>),
    /// The cloud asks for an update, which this firmware does not do.
    UpdateOffered,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Idle,
    Resolving,
    /// The address is known; TCP is opened next, or the time is asked for.
    Resolved(Ipv4Address),
    /// The time is asked for; then TCP is opened.
    AskingTime {
        until: Instant,
        address: Ipv4Address,
    },
    Connecting {
        until: Instant,
    },
    Securing {
        until: Instant,
    },
    Open,
}

/// One attempt after the other to be in the cloud.
pub struct Uplink {
    phase: Phase,
    resolver: Resolver,
    clock: Clock,
    session: Session,
    token: Option<Token>,
    host: Host,
    port: u16,
    tls: bool,
    hops: u8,
    seed: u64,
    /// Bytes of the session on their way into the channel.
    staged: Vec<u8, STAGE_LEN>,
}

impl Uplink {
    /// A way that nobody has taken yet.
    pub fn new(product: Product) -> Self {
        Self {
            phase: Phase::Idle,
            resolver: Resolver::new(),
            clock: Clock::new(&product),
            session: Session::new(product, Heartbeat::DEFAULT),
            token: None,
            host: Host::new(),
            port: TLS_PORT,
            tls: true,
            hops: 0,
            seed: 0,
            staged: Vec::new(),
        }
    }

    /// Takes the last known time, from flash.
    pub fn set_kept_time(&mut self, time: Option<UnixTime>) {
        self.clock.set_kept(time);
    }

    /// The time, if a server has told it since the start.
    pub fn time(&self, now: Instant) -> Option<UnixTime> {
        self.clock.exact(now)
    }

    /// What has come of asking for the time, once.
    pub fn take_time_news(&mut self) -> Option<Result<UnixTime, TimeError>> {
        self.clock.take_news()
    }

    /// Begins an attempt at the configured server; where a redirect led before is forgotten.
    pub fn start(&mut self, now: Instant, net: &mut Net, config: &Config, seed: u64) {
        self.token = Some(config.token.clone());
        self.hops = 0;
        self.seed = seed;
        self.tls = config.uses_tls();
        self.clock.begin_attempt();
        self.resolve(now, net, config.host.clone(), config.port);
    }

    /// Ends whatever is under way.
    pub fn close(&mut self, now: Instant, net: &mut Net, application: &mut impl Application) {
        if self.phase == Phase::Idle {
            return;
        }
        self.phase = Phase::Idle;
        self.resolver.stop();
        self.session.close(now, application);
        self.staged.clear();
        cloud_socket(net).abort();
        let [resolver_socket, _] = net.udp;
        net.udp_mut(resolver_socket).close();
    }

    /// Whether the device is logged in.
    pub fn is_online(&self) -> bool {
        self.session.is_online()
    }

    /// Whether the session has something for the wire.
    pub fn has_bytes_to_send(&self) -> bool {
        self.session.has_bytes_to_send()
    }

    /// What product code may send through.
    pub fn outgoing(&mut self, now: Instant) -> Outgoing<'_> {
        self.session.outgoing(now)
    }

    /// Tells the cloud the access point's name, right after the first login of a new configuration.
    pub fn send_hotspot_name(&mut self, now: Instant, name: &Ssid) {
        // There is always room directly after a login, and no harm in a name that is not told.
        let _ = self.session.send_hotspot_name(now, name);
    }

    /// When to poll next if nothing else happens.
    pub fn poll_timeout(&self) -> Option<(Instant, WakeReason)> {
        let own = match self.phase {
            Phase::Idle | Phase::Open => None,
            Phase::Resolving => self.resolver.poll_timeout().map(|at| (at, WakeReason::Resolver)),
            Phase::Resolved(_) => Some((Instant::ZERO, WakeReason::Resolver)),
            Phase::AskingTime { until, .. } | Phase::Connecting { until } | Phase::Securing { until } => {
                Some((until, WakeReason::Session))
            }
        };
        soonest(own, self.session.poll_timeout().map(|at| (at, WakeReason::Session)))
    }

    /// Moves bytes and does what is due. Call it again until it returns `None`, then poll the net.
    pub fn poll<S: SecureChannel>(
        &mut self,
        now: Instant,
        net: &mut Net,
        secure: Option<&mut S>,
        application: &mut impl Application,
    ) -> Option<UplinkEvent> {
        match self.phase {
            Phase::Idle => None,
            Phase::Resolving => self.poll_resolver(now, net),
            Phase::Resolved(address) => self.poll_resolved(now, net, address, secure),
            Phase::AskingTime { address, .. } => self.poll_time(now, net, address, secure),
            Phase::Connecting { .. } | Phase::Securing { .. } if is_stranded(net) => {
                Some(self.give_up(net, UplinkEvent::ConnectFailed))
            }
            Phase::Open if is_stranded(net) => {
                self.session.close(now, application);
                Some(self.give_up(net, UplinkEvent::Lost(None)))
            }
            Phase::Connecting { until } => self.poll_connecting(now, net, until, secure, application),
            Phase::Securing { until } => self.poll_securing(now, net, until, secure?),
            Phase::Open if self.tls => self.poll_secure_session(now, net, secure?, application),
            Phase::Open => self.poll_plain_session(now, net, application),
        }
    }

    fn resolve(&mut self, now: Instant, net: &mut Net, host: Host, port: u16) {
        self.resolver.start(now, &host, &net.dns_servers(), self.seed ^ u64::from(self.hops));
        self.host = host;
        self.port = port;
        self.phase = Phase::Resolving;
        let local = net.take_port();
        net.bind_lookup(local);
    }

    fn poll_resolver(&mut self, now: Instant, net: &mut Net) -> Option<UplinkEvent> {
        Some(match poll_lookup(now, net, &mut self.resolver)? {
            Ok(address) => {
                self.phase = Phase::Resolved(address);
                UplinkEvent::Resolved(address)
            }
            Err(_) => self.give_up(net, UplinkEvent::ResolveFailed),
        })
    }

    /// Calls the server, unless its certificate will have dates and nobody knows what day it is.
    fn poll_resolved<S: SecureChannel>(
        &mut self,
        now: Instant,
        net: &mut Net,
        address: Ipv4Address,
        secure: Option<&mut S>,
    ) -> Option<UplinkEvent> {
        if self.tls && secure.as_ref().is_some_and(|secure| secure.checks_dates()) {
            if self.clock.must_ask() {
                self.clock.ask(now, net, &mut self.resolver, self.seed.rotate_left(16));
                return self.poll_time(now, net, address, secure);
            }
            if self.clock.date(now).is_none() {
                return Some(self.give_up(net, UplinkEvent::SecureFailed(SecureError::DateUnknown)));
            }
        }
        Some(self.connect(now, net, address))
    }

    fn poll_time<S: SecureChannel>(
        &mut self,
        now: Instant,
        net: &mut Net,
        address: Ipv4Address,
        secure: Option<&mut S>,
    ) -> Option<UplinkEvent> {
        // Where nobody asks for it, none of this is part of the program.
        if !secure.as_ref()?.checks_dates() {
            return None;
        }
        match self.clock.poll(now, net, &mut self.resolver) {
            Asking::Until(until) => {
                self.phase = Phase::AskingTime { until, address };
                None
            }
            Asking::Over => {
                self.resolver.stop();
                self.phase = Phase::Resolved(address);
                self.poll_resolved(now, net, address, secure)
            }
        }
    }

    fn connect(&mut self, now: Instant, net: &mut Net, address: Ipv4Address) -> UplinkEvent {
        let local = net.take_port();
        let [.., handle] = net.tcp;
        cloud_socket(net).abort();
        let Some(iface) = &mut net.iface else { return self.give_up(net, UplinkEvent::ConnectFailed) };
        let socket = net.sockets.get_mut::<tcp::Socket<'_>>(handle);
        if socket.connect(iface.context(), (address, self.port), local).is_err() {
            return self.give_up(net, UplinkEvent::ConnectFailed);
        }
        self.phase = Phase::Connecting { until: now + CONNECT_LIMIT };
        UplinkEvent::Connecting(self.host.clone(), self.port)
    }

    fn poll_connecting<S: SecureChannel>(
        &mut self,
        now: Instant,
        net: &mut Net,
        until: Instant,
        secure: Option<&mut S>,
        application: &mut impl Application,
    ) -> Option<UplinkEvent> {
        let state = cloud_socket(net).state();
        if state == tcp::State::Closed || (until <= now && state == tcp::State::SynSent) {
            return Some(self.give_up(net, UplinkEvent::ConnectFailed));
        }
        if state == tcp::State::SynSent {
            return None;
        }
        if !self.tls {
            self.log_in(now);
            return self.poll_plain_session(now, net, application);
        }
        let Some(secure) = secure else {
            return Some(self.give_up(net, UplinkEvent::SecureFailed(SecureError::Unavailable)));
        };
        let checks_dates = secure.checks_dates();
        let date = checks_dates.then(|| self.clock.date(now)).flatten().unwrap_or(Date::Unknown);
        secure.start(now, &self.host, self.seed ^ u64::from(self.hops), date);
        self.phase = Phase::Securing { until: now + SECURE_LIMIT };
        self.poll_securing(now, net, now + SECURE_LIMIT, secure)
    }

    fn poll_securing<S: SecureChannel>(
        &mut self,
        now: Instant,
        net: &mut Net,
        until: Instant,
        secure: &mut S,
    ) -> Option<UplinkEvent> {
        if let Err(error) = pump(now, cloud_socket(net), secure) {
            // It may be the time that is wrong.
            if secure.checks_dates() && matches!(error, SecureError::Expired | SecureError::NotYetValid) {
                self.clock.forget();
            }
            return Some(self.give_up(net, UplinkEvent::SecureFailed(error)));
        }
        if secure.is_established() {
            self.log_in(now);
            return Some(UplinkEvent::SecureOpened(secure.kind()));
        }
        let error = match until <= now {
            true => SecureError::Timeout,
            false if cloud_socket(net).may_recv() => return None,
            false => SecureError::Truncated,
        };
        Some(self.give_up(net, UplinkEvent::SecureFailed(error)))
    }

    fn log_in(&mut self, now: Instant) {
        if let Some(token) = &self.token {
            self.session.start(now, token);
        }
        self.staged.clear();
        self.phase = Phase::Open;
    }

    fn poll_plain_session(
        &mut self,
        now: Instant,
        net: &mut Net,
        application: &mut impl Application,
    ) -> Option<UplinkEvent> {
        let socket = cloud_socket(net);
        let event = loop {
            let mut taken = 0;
            // An error means that the peer has closed and everything has been read, which is seen below.
            let _ = socket.recv(|bytes| {
                taken = self.session.handle_received(now, bytes);
                (taken, ())
            });
            let event = self.session.poll(now, application).filter(is_news);
            let mut sent = 0;
            let _ = socket.send(|room| {
                sent = self.session.transmit(room);
                (sent, ())
            });
            if event.is_some() || (taken == 0 && sent == 0) {
                break event;
            }
        };
        self.after_session(now, net, event, application)
    }

    fn poll_secure_session<S: SecureChannel>(
        &mut self,
        now: Instant,
        net: &mut Net,
        secure: &mut S,
        application: &mut impl Application,
    ) -> Option<UplinkEvent> {
        let (failed, event) = loop {
            let failed = pump(now, cloud_socket(net), secure).err();
            let mut data = [0; STAGE_LEN];
            let wanted = self.session.wanted().min(STAGE_LEN);
            let taken = data.get_mut(..wanted).map_or(0, |room| secure.read(room));
            let _ = self.session.handle_received(now, data.get(..taken).unwrap_or_default());
            let event = self.session.poll(now, application).filter(is_news);
            let staged = self.stage(secure);
            let failed = failed.or(pump(now, cloud_socket(net), secure).err());
            // The end of the channel counts when everything that came before it has been read.
            if event.is_some() || (taken == 0 && staged == 0) {
                break (failed, event);
            }
        };
        match failed {
            Some(_) if event.is_none() => {
                self.session.close(now, application);
                Some(self.give_up(net, UplinkEvent::Lost(None)))
            }
            Some(_) | None => self.after_session(now, net, event, application),
        }
    }

    /// Moves bytes of the session into the channel; returns how many it took.
    fn stage<S: SecureChannel>(&mut self, secure: &mut S) -> usize {
        if self.staged.is_empty() {
            let mut data = [0; STAGE_LEN];
            let count = self.session.transmit(&mut data);
            // `staged` is as long as `data`.
            let _ = self.staged.extend_from_slice(data.get(..count).unwrap_or_default());
        }
        let written = secure.write(&self.staged);
        self.staged.drain(..written);
        written
    }

    fn after_session(
        &mut self,
        now: Instant,
        net: &mut Net,
        event: Option<SessionEvent>,
        application: &mut impl Application,
    ) -> Option<UplinkEvent> {
        let Some(event) = event else {
            let socket = cloud_socket(net);
            // The server has closed, and nothing of what it sent is left.
            if !socket.may_recv() && !socket.can_recv() {
                self.session.close(now, application);
                return Some(self.give_up(net, UplinkEvent::Lost(None)));
            }
            return None;
        };
        match event {
            SessionEvent::LoggedIn { status, ping_ms } => Some(UplinkEvent::LoggedIn(status, ping_ms)),
            SessionEvent::LoginRefused(status) => Some(self.give_up(net, UplinkEvent::LoginRefused(status))),
            SessionEvent::TokenInvalid => Some(self.give_up(net, UplinkEvent::TokenRefused)),
            SessionEvent::LoginTimeout => Some(self.give_up(net, UplinkEvent::LoginTimeout)),
            SessionEvent::Redirect { host, port } => Some(self.redirect(now, net, host, port)),
            SessionEvent::Console(line) => Some(UplinkEvent::Console(line)),
            SessionEvent::Ota(_) => Some(UplinkEvent::UpdateOffered),
            SessionEvent::Print(text) => Some(UplinkEvent::Print(text)),
            SessionEvent::Lost(reason) => Some(self.give_up(net, UplinkEvent::Lost(Some(reason)))),
            // Filtered out before.
            SessionEvent::Ignored(_) => None,
        }
    }

    fn redirect(&mut self, now: Instant, net: &mut Net, host: Host, port: u16) -> UplinkEvent {
        self.hops += 1;
        if self.hops > HOPS_MAX {
            return self.give_up(net, UplinkEvent::TooManyRedirects);
        }
        // A redirect without a port means 80 to Blynk's library, whatever the transport. Encryption must not
        // be talked away, so that an encrypted session stays on an encrypted port.
        let port = if self.tls && !port_uses_tls(port) { TLS_PORT } else { port };
        self.tls = port_uses_tls(port);
        cloud_socket(net).abort();
        self.resolve(now, net, host.clone(), port);
        UplinkEvent::Redirected(host, port)
    }

    /// Ends the attempt and hands on why.
    fn give_up(&mut self, net: &mut Net, event: UplinkEvent) -> UplinkEvent {
        self.phase = Phase::Idle;
        self.resolver.stop();
        cloud_socket(net).abort();
        event
    }
}

/// Moves datagrams between a resolver and its socket; returns what has come of it, once.
pub(super) fn poll_lookup(
    now: Instant,
    net: &mut Net,
    resolver: &mut Resolver,
) -> Option<Result<Ipv4Address, ResolveError>> {
    let [handle, _] = net.udp;
    let socket = net.udp_mut(handle);
    while let Ok((message, meta)) = socket.recv() {
        let IpAddress::Ipv4(from) = meta.endpoint.addr;
        if meta.endpoint.port == DNS_PORT {
            resolver.handle_received(now, from, message);
        }
    }
    let mut query = [0; MESSAGE_LEN_MAX];
    if let Some((len, server)) = resolver.transmit(now, &mut query) {
        let query = query.get(..len).unwrap_or_default();
        // A query that has no room counts as lost; the resolver asks again.
        let _ = socket.send_slice(query, udp::UdpMetadata::from((server, DNS_PORT)));
    }
    resolver.poll(now)
}

/// Whether an event is for the owner: a message that was ignored changes nothing, and what the server sent behind
/// it must not wait.
fn is_news(event: &SessionEvent) -> bool {
    !matches!(event, SessionEvent::Ignored(_))
}

/// Whether the connection belongs to an address that a renewed lease has replaced: nothing reaches it any more.
fn is_stranded(net: &mut Net) -> bool {
    let address = net.address().map(IpAddress::Ipv4);
    cloud_socket(net).local_endpoint().is_some_and(|local| Some(local.addr) != address)
}

/// The socket that carries the session: the last one, which serves a phone in the other role.
fn cloud_socket(net: &mut Net) -> &mut tcp::Socket<'static> {
    const { assert!(TCP_SOCKETS > 0) };
    let [.., handle] = net.tcp;
    net.tcp_mut(handle)
}

/// Moves bytes between the channel and its socket until neither has more for the other.
fn pump<S: SecureChannel>(
    now: Instant,
    socket: &mut tcp::Socket<'static>,
    secure: &mut S,
) -> Result<(), SecureError> {
    loop {
        let mut result = Ok(0);
        // An error means that the peer has closed and everything has been read; the caller sees that.
        let _ = socket.recv(|bytes| {
            if !bytes.is_empty() {
                result = secure.receive(now, bytes);
            }
            (result.unwrap_or(0), ())
        });
        let taken = result?;
        let mut sent = 0;
        let _ = socket.send(|room| {
            sent = secure.transmit(room);
            (sent, ())
        });
        if taken == 0 && sent == 0 {
            return Ok(());
        }
    }
}
