//! The device's session with the cloud: login, info, heartbeat, and what the server asks for meanwhile.
//!
//! The session opens nothing and never reconnects by itself; its owner opens a byte pipe, calls
//! [`Session::start`] and moves bytes until an event ends the session.

use core::fmt;

use heapless::String;

use crate::application::{Application, InternalVerb};
use crate::cloud::codec::{
    BODY_LEN_MAX, Command, DecodeError, Decoder, Frame, Params, Status, ZeroId, params,
};
use crate::cloud::outgoing::{Link, Outgoing, SendError};
use crate::config::{Host, Ssid, Token, is_host};
use crate::console::Line;
use crate::product::Product;
use crate::{Duration, Instant};

/// Blynk's library gives a login this long (`BLYNK_TIMEOUT_MS`), and leaves it between two pings.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(6);
/// Blynk's library keeps the first 63 bytes of a redirect's host. We take no longer ones.
pub const REDIRECT_HOST_LEN_MAX: usize = 63;
/// Where a redirect without a port leads in Blynk's library, whatever the transport was.
pub const REDIRECT_PORT_DEFAULT: u16 = 80;
/// The longest text of the server that is passed on: an update's URL or a line for the log.
pub const TEXT_LEN_MAX: usize = 256;

/// The library version whose behaviour this session has; announced as `blynk`.
const LIBRARY_VERSION: &str = "1.4.0";
/// The library drops a silent link after the heartbeat and three answer limits.
const DEAD_AFTER_PINGS: u32 = 3;
/// Blynk's library counts the login as message 1, and so does the shared port of its server.
const LOGIN_ID: u16 = 1;

/// How long the line may be silent before the device pings: 10 to 3600 s.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heartbeat(u16);

impl Heartbeat {
    /// The library's 40 s (`BLYNK_HEARTBEAT`).
    pub const DEFAULT: Self = Self(40);

    /// A heartbeat of 10 to 3600 seconds, the library's limits; `None` outside of them.
    pub const fn from_secs(seconds: u16) -> Option<Self> {
        if seconds < 10 || seconds > 3600 { None } else { Some(Self(seconds)) }
    }

    /// The silence before a ping.
    pub fn interval(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }

    /// The silence after which the link is dead: three pings had their chance.
    pub fn dead_after(self) -> Duration {
        self.interval() + ANSWER_LIMIT * DEAD_AFTER_PINGS
    }
}

/// What the owner must know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionEvent {
    /// The server accepted the token. The application hears of it at the next poll, after what the owner
    /// sends now.
    LoggedIn {
        /// 200, or 4 for "already registered".
        status: Status,
        /// From the login to its answer, in milliseconds.
        ping_ms: u32,
    },
    /// The server refused the login with another status than 9; the session is closed. Worth a retry.
    LoginRefused(Status),
    /// No device has this token (status 9); the session is closed. A retry will not help.
    TokenInvalid,
    /// The login was not answered within 6 s; the session is closed.
    LoginTimeout,
    /// Another server is to be used from now on; the session is closed. The owner counts the hops and keeps
    /// the target in RAM only.
    Redirect {
        /// The server's name, at most 63 bytes.
        host: Host,
        /// Its port. A redirect without one means 80 (plain!) to Blynk's library; an owner that came through
        /// TLS should not follow it there.
        port: u16,
    },
    /// A line for the console.
    Console(Line),
    /// An update is offered at this URL.
    Ota(UpdateUrl),
    /// A line for the log.
    Print(String<TEXT_LEN_MAX>),
    /// A message was ignored; the session goes on.
    Ignored(Reject),
    /// The session is over.
    Lost(LostReason),
}

/// Where an update lies. `Display` and `Debug` leave the query out, which usually holds a token.
#[derive(Clone, PartialEq, Eq)]
pub struct UpdateUrl(String<TEXT_LEN_MAX>);

impl UpdateUrl {
    /// The whole URL, secrets included.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UpdateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once('?') {
            Some((address, _)) => write!(f, "{address}?***"),
            None => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for UpdateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Why a session ended after all went well at first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LostReason {
    /// Nothing arrived for the heartbeat and 18 s.
    HeartbeatTimeout,
    /// The server no longer knows us (status 5).
    NotAuthenticated,
    /// The server sent message id 0.
    ZeroId,
    /// The server announced a body longer than 1024 bytes.
    Oversize,
    /// The server sent a redirect to nowhere: no host name or address of at most 63 bytes, or no valid port.
    BadRedirect,
}

impl fmt::Display for LostReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeartbeatTimeout => "Heartbeat timeout",
            Self::NotAuthenticated => "the server no longer knows the device",
            Self::ZeroId => "a message had id 0",
            Self::Oversize => "a message was too long",
            Self::BadRedirect => "a redirect had no usable target",
        })
    }
}

impl From<DecodeError> for LostReason {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::ZeroId => Self::ZeroId,
            DecodeError::Oversize(_) => Self::Oversize,
        }
    }
}

/// Why a message of the server was ignored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reject {
    /// A virtual write has no pin, or one that is not 0 to 255.
    Pin,
    /// A text is not UTF-8.
    NotText,
    /// A text is longer than 256 bytes.
    TooLong,
}

/// One session after the other with the cloud, over whatever pipe the owner opens.
///
/// ```text
/// session.start(now, &config.token);
/// loop {
///     let taken = session.handle_received(now, bytes);      // bytes: what the pipe holds
///     while let Some(event) = session.poll(now, &mut application) { .. }
///     let wake = application.poll(now, &mut session.outgoing(now));
///     let count = session.transmit(room);                   // room: what the pipe takes
///     // more bytes, or more room: again. Otherwise sleep until session.poll_timeout() or wake.
/// }
/// ```
pub struct Session {
    product: Product,
    heartbeat: Heartbeat,
    phase: Phase,
    decoder: Decoder<BODY_LEN_MAX>,
    link: Link,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    LoggingIn {
        since: Instant,
    },
    /// Accepted, but the application does not know yet.
    Accepted {
        at: Instant,
    },
    Online {
        last_ping: Instant,
    },
}

/// What a frame leads to.
enum Verdict {
    Done,
    Tell(SessionEvent),
    Accept { status: Status, since: Instant },
    End(SessionEvent),
}

impl Session {
    /// A closed session of this product.
    pub const fn new(product: Product, heartbeat: Heartbeat) -> Self {
        Self {
            product,
            heartbeat,
            phase: Phase::Closed,
            decoder: Decoder::new(ZeroId::Refuse),
            link: Link::new(),
        }
    }

    /// Begins a session on a pipe that has just been opened: the login waits in
    /// [`transmit`](Self::transmit). An earlier session must have been [closed](Self::close).
    pub fn start(&mut self, now: Instant, token: &Token) {
        debug_assert!(self.phase == Phase::Closed, "the earlier session is still open");
        self.decoder.reset();
        self.link.reset(now);
        let queued = self.link.append(now, Command::HardwareLogin, None, |frame| {
            // Whether its characters are those of a token is for the server to judge.
            frame.raw(token.expose());
        });
        debug_assert!(queued.is_ok(), "an empty queue has room for a login");
        self.phase = Phase::LoggingIn { since: now };
    }

    /// Ends the session because the pipe is gone or no longer wanted. What was not yet transmitted is lost.
    pub fn close(&mut self, now: Instant, application: &mut impl Application) {
        let was_online = matches!(self.phase, Phase::Online { .. });
        self.phase = Phase::Closed;
        self.decoder.reset();
        self.link.reset(now);
        if was_online {
            application.on_disconnected(now);
        }
    }

    /// Takes bytes from the pipe and returns how many: at most to the end of one message, which
    /// [`poll`](Self::poll) then handles; 0 while a message waits for that. A closed session takes and forgets
    /// everything.
    pub fn handle_received(&mut self, now: Instant, bytes: &[u8]) -> usize {
        if self.phase == Phase::Closed {
            return bytes.len();
        }
        let taken = self.decoder.feed(bytes);
        // Only a whole frame is a sign of life; a peer that stops in the middle of one is dead.
        if taken > 0 && self.decoder.wanted() == 0 {
            self.link.last_in = now;
        }
        taken
    }

    /// How many bytes [`handle_received`](Self::handle_received) takes for certain, for pipes that cannot
    /// take back what they gave. 0 means that `poll` or `transmit` must come first.
    pub fn wanted(&self) -> usize {
        self.decoder.wanted()
    }

    /// Handles the message that was received, if any, and what is due. Call it again until it returns `None`.
    pub fn poll(&mut self, now: Instant, application: &mut impl Application) -> Option<SessionEvent> {
        if let Phase::Accepted { at } = self.phase {
            self.phase = Phase::Online { last_ping: at };
            application.on_connected(now, &mut self.outgoing(now));
        }
        let verdict = match self.poll_frame(now, application) {
            Verdict::Done => self.poll_timers(now),
            verdict @ (Verdict::Tell(_) | Verdict::Accept { .. } | Verdict::End(_)) => verdict,
        };
        self.link.promote(now);
        match verdict {
            Verdict::Done => None,
            Verdict::Tell(event) => Some(event),
            Verdict::Accept { status, since } => Some(self.on_accepted(now, status, since)),
            Verdict::End(event) => {
                self.close(now, application);
                Some(event)
            }
        }
    }

    /// Gives bytes for the pipe and returns how many; 0 when nothing may be sent now.
    pub fn transmit(&mut self, out: &mut [u8]) -> usize {
        self.link.transmit(out)
    }

    /// Whether [`transmit`](Self::transmit) has something to give.
    pub fn has_bytes_to_send(&self) -> bool {
        self.link.has_bytes()
    }

    /// When to poll next if nothing else happens. Every other call that takes `&mut self` invalidates it, also
    /// a message sent through [`outgoing`](Self::outgoing). Right after a `poll` that returned `None` it
    /// is always later than that poll's time.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.phase {
            Phase::Closed => return None,
            Phase::LoggingIn { since } => since + ANSWER_LIMIT,
            // The application is to be told at once.
            Phase::Accepted { at } => at,
            Phase::Online { last_ping } => self.dead_at().min(self.ping_at(last_ping)),
        };
        Some(self.link.poll_timeout().map_or(own, |due| due.min(own)))
    }

    /// Whether the application has been told that the device is logged in, and not yet that it is not.
    pub fn is_online(&self) -> bool {
        matches!(self.phase, Phase::Online { .. })
    }

    /// What [`Application::poll`] needs; usable in every state of the session.
    pub fn outgoing(&mut self, now: Instant) -> Outgoing<'_> {
        Outgoing { now, reply_id: None, is_connected: self.is_online(), link: &mut self.link }
    }

    /// Tells the cloud the access point's name, as Edgent does after the first login of a new configuration:
    /// byte for byte, even where the cut to 31 bytes has split a character. To be called when
    /// [`SessionEvent::LoggedIn`] was returned; there is always room then.
    ///
    /// # Errors
    /// [`SendError::NotConnected`] when the session is not logged in.
    pub fn send_hotspot_name(&mut self, now: Instant, name: &Ssid) -> Result<(), SendError> {
        match self.phase {
            Phase::Closed | Phase::LoggingIn { .. } => Err(SendError::NotConnected),
            Phase::Accepted { .. } | Phase::Online { .. } => {
                self.link.append(now, Command::Internal, None, |frame| {
                    frame.param(b"meta").param(b"set").param(b"Hotspot Name").param(name.as_bytes());
                })
            }
        }
    }

    fn poll_frame(&mut self, now: Instant, application: &mut impl Application) -> Verdict {
        // A peer that sends but does not read must wait until we can answer.
        let has_room = match self.phase {
            Phase::Closed => false,
            Phase::LoggingIn { .. } => self.link.has_room_for_login(),
            Phase::Accepted { .. } | Phase::Online { .. } => self.link.has_room_for_answer(),
        };
        if !has_room {
            return Verdict::Done;
        }
        let verdict = match self.decoder.frame() {
            Ok(None) => return Verdict::Done,
            Err(error) => return Verdict::End(SessionEvent::Lost(error.into())),
            Ok(Some(Frame::Response { id, status })) => on_response(self.phase, id, status),
            Ok(Some(Frame::Message { command, id, body })) => {
                let is_connected = matches!(self.phase, Phase::Online { .. });
                let mut out = Outgoing { now, reply_id: Some(id), is_connected, link: &mut self.link };
                on_message(command, body, application, &mut out)
            }
        };
        self.decoder.advance();
        verdict
    }

    fn on_accepted(&mut self, now: Instant, status: Status, since: Instant) -> SessionEvent {
        self.phase = Phase::Accepted { at: now };
        let ping_ms = u32::try_from((self.link.last_in - since).total_millis()).unwrap_or(u32::MAX);
        let (product, heartbeat) = (self.product, self.heartbeat);
        let queued = self.link.append(now, Command::Internal, None, |frame| {
            // The order of keys is that of Blynk's library 1.4.0 on Arduino.
            frame.param(b"mcu").display(&product.firmware_version());
            frame.param(b"fw-type").display(&product.firmware_type());
            frame.param(b"build").display(&product.build());
            frame.param(b"blynk").display(&LIBRARY_VERSION);
            frame.param(b"h-beat").display(&heartbeat.0);
            frame.param(b"buff-in").display(&BODY_LEN_MAX);
            frame.param(b"dev").display(&product.board());
            frame.param(b"tmpl").display(&product.template_id());
        });
        debug_assert!(queued.is_ok(), "answers before the login's leave room for the info frame");
        SessionEvent::LoggedIn { status, ping_ms }
    }

    fn poll_timers(&mut self, now: Instant) -> Verdict {
        match self.phase {
            Phase::Closed | Phase::Accepted { .. } => Verdict::Done,
            Phase::LoggingIn { since } if since + ANSWER_LIMIT <= now => {
                Verdict::End(SessionEvent::LoginTimeout)
            }
            Phase::LoggingIn { .. } => Verdict::Done,
            Phase::Online { .. } if self.dead_at() <= now => {
                Verdict::End(SessionEvent::Lost(LostReason::HeartbeatTimeout))
            }
            Phase::Online { last_ping } if self.ping_at(last_ping) <= now => {
                self.link.ping(now);
                self.phase = Phase::Online { last_ping: now };
                Verdict::Done
            }
            Phase::Online { .. } => Verdict::Done,
        }
    }

    /// A ping is due when one direction has been silent for the heartbeat, but not within 6 s of the last.
    fn ping_at(&self, last_ping: Instant) -> Instant {
        let silent_since = self.link.last_in.min(self.link.last_out);
        (silent_since + self.heartbeat.interval()).max(last_ping + ANSWER_LIMIT)
    }

    fn dead_at(&self) -> Instant {
        self.link.last_in + self.heartbeat.dead_after()
    }
}

fn on_response(phase: Phase, id: u16, status: Status) -> Verdict {
    match (phase, status) {
        // Answers may come in any order, so the login's is known by its id only.
        (Phase::LoggingIn { since }, _) if id == LOGIN_ID => match status {
            Status::SUCCESS | Status::ALREADY_REGISTERED => Verdict::Accept { status, since },
            Status::INVALID_TOKEN => Verdict::End(SessionEvent::TokenInvalid),
            Status(_) => Verdict::End(SessionEvent::LoginRefused(status)),
        },
        (_, Status::NOT_AUTHENTICATED) => Verdict::End(SessionEvent::Lost(LostReason::NotAuthenticated)),
        (_, Status(_)) => Verdict::Done,
    }
}

fn on_message(
    command: Command,
    body: &[u8],
    application: &mut impl Application,
    out: &mut Outgoing<'_>,
) -> Verdict {
    let values = params(body);
    match command {
        Command::Ping => {
            out.answer(Status::SUCCESS);
            Verdict::Done
        }
        Command::Redirect => on_redirect(values),
        Command::Hardware if out.is_connected() => on_hardware(values, application, out),
        Command::Internal if out.is_connected() => on_internal(values, application, out),
        Command::DebugPrint => tell_text(body, SessionEvent::Print),
        // Blynk's library reconnects at a command it does not know; ignoring it is safer.
        Command::Response
        | Command::Login
        | Command::Bridge
        | Command::HardwareSync
        | Command::Internal
        | Command::Property
        | Command::Hardware
        | Command::Group
        | Command::HardwareLogin
        | Command::EventLog
        | Command::EventClear
        | Command::Other(_) => Verdict::Done,
    }
}

fn on_redirect(values: Params<'_>) -> Verdict {
    Verdict::End(match redirect_target(values.trimmed()) {
        Some((host, port)) => SessionEvent::Redirect { host, port },
        None => SessionEvent::Lost(LostReason::BadRedirect),
    })
}

fn redirect_target(mut values: Params<'_>) -> Option<(Host, u16)> {
    let host = values.next_text().filter(|host| host.len() <= REDIRECT_HOST_LEN_MAX && is_host(host))?;
    let port = match values.next() {
        None => REDIRECT_PORT_DEFAULT,
        Some(port) => core::str::from_utf8(port).ok()?.parse().ok().filter(|port| *port != 0)?,
    };
    Some((Host::try_from(host).ok()?, port))
}

fn on_hardware(
    mut values: Params<'_>,
    application: &mut impl Application,
    out: &mut Outgoing<'_>,
) -> Verdict {
    match values.next() {
        Some(b"vw") => match values.next_number() {
            Some(pin) => {
                application.on_virtual_write(out.now(), pin, values, out);
                Verdict::Done
            }
            None => Verdict::Tell(SessionEvent::Ignored(Reject::Pin)),
        },
        // Edgent is built without direct pin operations, so all of them are unknown.
        Some(_) | None => {
            out.answer(Status::ILLEGAL_COMMAND);
            Verdict::Done
        }
    }
}

fn on_internal(
    mut values: Params<'_>,
    application: &mut impl Application,
    out: &mut Outgoing<'_>,
) -> Verdict {
    let verb = match values.next() {
        Some(b"ota") => return tell_text(values.trimmed().rest(), |url| SessionEvent::Ota(UpdateUrl(url))),
        Some(b"dbg") => return tell_line(values.trimmed().rest()),
        Some(b"rtc") => InternalVerb::Rtc,
        Some(b"utc") => InternalVerb::Utc,
        Some(b"vfs") => InternalVerb::Vfs,
        Some(b"acon") => InternalVerb::AppConnected,
        Some(b"adis") => InternalVerb::AppDisconnected,
        Some(b"meta") => InternalVerb::Meta,
        Some(_) | None => return Verdict::Done,
    };
    application.on_internal(out.now(), verb, values, out);
    Verdict::Done
}

fn tell_line(text: &[u8]) -> Verdict {
    if text.is_empty() {
        return Verdict::Done;
    }
    Verdict::Tell(match Line::new(text) {
        Some(line) => SessionEvent::Console(line),
        None => SessionEvent::Ignored(Reject::TooLong),
    })
}

fn tell_text(text: &[u8], event: fn(String<TEXT_LEN_MAX>) -> SessionEvent) -> Verdict {
    if text.is_empty() {
        return Verdict::Done;
    }
    Verdict::Tell(match core::str::from_utf8(text).map(String::try_from) {
        Ok(Ok(text)) => event(text),
        Ok(Err(_)) => SessionEvent::Ignored(Reject::TooLong),
        Err(_) => SessionEvent::Ignored(Reject::NotText),
    })
}

#[cfg(test)]
mod tests;
