//! The session with the cloud, with a product behind it.

use firmware_core::application::Application;
use firmware_core::application::thermostat::Thermostat;
use firmware_core::cloud::codec::{BODY_LEN_MAX, Command, Decoder, ZeroId};
use firmware_core::cloud::session::{Heartbeat, Session, SessionEvent};
use firmware_core::config::Token;
use firmware_core::{Duration, Instant};
use hil_sim::scenario::DEFAULT_PRODUCT;

use crate::input::Input;

const TOKEN: &[u8; 32] = b"GoldenToken0123456789abcdefghij_";
/// What one call may lead to; more is a loop.
const EVENTS_MAX: usize = 16;
/// A silent session pings a few times before it ends.
const WAKES_FOR_NOTHING_MAX: usize = 64;

/// What a server sends, in pieces behind a byte of time and two of length.
///
/// The session takes every byte it promised to, comes to rest, asks for no time that has passed, sends whole
/// frames that its server can read, and its token in the login alone.
pub(crate) fn session(bytes: &[u8]) {
    if bytes.windows(11).any(|part| part == b"GoldenToken") {
        // The server itself may say anything.
        return;
    }
    let mut input = Input(bytes);
    let room = usize::from(input.byte()) * 8;
    let mut online = Online::new(room);
    while !input.is_empty() {
        online.now += input.duration();
        let mut piece = input.piece();
        while !piece.is_empty() {
            let promised = online.session.wanted().min(piece.len());
            let taken = online.session.handle_received(online.now, piece);
            assert!(taken >= promised);
            piece = &piece[taken..];
            let moved = online.settle();
            if online.is_over {
                return;
            }
            if taken == 0 && !moved {
                // Its queue is full and nobody reads: the peer has to wait.
                assert!(room == 0, "it takes nothing and gives nothing");
                return;
            }
        }
        online.settle();
        if online.is_over {
            return;
        }
    }
    online.check_silence();
}

struct Online {
    now: Instant,
    room: usize,
    session: Session,
    application: Thermostat,
    server: Decoder<BODY_LEN_MAX>,
    frames: usize,
    is_over: bool,
}

impl Online {
    fn new(room: usize) -> Self {
        let now = Instant::from_secs(5);
        let mut session = Session::new(DEFAULT_PRODUCT, Heartbeat::DEFAULT);
        session.start(now, &Token::new(TOKEN).expect("32 bytes"));
        let application = Thermostat::new();
        let server = Decoder::new(ZeroId::Refuse);
        Self { now, room, session, application, server, frames: 0, is_over: false }
    }

    /// Polls until nothing is left to do; returns whether anything was sent or told.
    fn settle(&mut self) -> bool {
        let mut moved = false;
        self.application.poll(self.now, &mut self.session.outgoing(self.now));
        for _ in 0..EVENTS_MAX {
            let Some(event) = self.session.poll(self.now, &mut self.application) else {
                moved |= self.transmit();
                if let Some(at) = self.session.poll_timeout() {
                    assert!(at > self.now, "a deadline that has passed");
                }
                return moved;
            };
            moved = true;
            assert!(!format!("{event:?}").contains("GoldenToken"));
            if is_end(&event) {
                self.is_over = true;
                assert!(!self.session.is_online() && self.session.poll_timeout().is_none());
                assert_eq!(self.session.transmit(&mut [0; 64]), 0, "an ended session sends");
                return true;
            }
        }
        panic!("the session never comes to rest");
    }

    fn transmit(&mut self) -> bool {
        let mut out = vec![0; self.room];
        let mut moved = false;
        loop {
            let len = self.session.transmit(&mut out);
            if len == 0 {
                return moved;
            }
            moved = true;
            let mut bytes = &out[..len];
            while let Some(frame) = self.server.decode(&mut bytes).expect("the server can read it") {
                let is_login = self.frames == 0;
                assert_eq!(frame.command() == Command::HardwareLogin, is_login);
                let shows_token = frame.body().windows(TOKEN.len()).any(|part| part == TOKEN);
                assert_eq!(shows_token, is_login);
                self.frames += 1;
            }
        }
    }

    /// Without a server every session ends. What it has queued still leaves, one message after the other; besides it
    /// asks no more often than a heartbeat allows.
    fn check_silence(&mut self) {
        let end = self.now + Duration::from_secs(100);
        let mut wakes_for_nothing = 0;
        while wakes_for_nothing < WAKES_FOR_NOTHING_MAX {
            let Some(at) = self.session.poll_timeout() else { panic!("an open session has a deadline") };
            assert!(at <= end, "a silent session lives on");
            self.now = at;
            let sent_before = self.frames;
            self.settle();
            if self.is_over {
                return;
            }
            wakes_for_nothing += usize::from(self.frames == sent_before);
        }
        panic!("a silent session asks again and again");
    }
}

fn is_end(event: &SessionEvent) -> bool {
    match event {
        SessionEvent::LoggedIn { .. }
        | SessionEvent::Print(_)
        | SessionEvent::Console(_)
        | SessionEvent::Ota(_)
        | SessionEvent::Ignored(_) => false,
        SessionEvent::TokenInvalid
        | SessionEvent::LoginRefused(_)
        | SessionEvent::LoginTimeout
        | SessionEvent::Redirect { .. }
        | SessionEvent::Lost(_) => true,
    }
}
