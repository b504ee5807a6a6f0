//! What a scenario changes about a cloud while it runs, and how a cloud misbehaves then.

use core::num::NonZero;

use firmware_core::cloud::codec::{Command, HEADER_LEN, Header};
use hil_link::modelled_tls::Certificate;
use smoltcp::time::{Duration, Instant};

use super::conversation::{Conversation, Stage};
use super::device::Session;
use super::{DeviceId, Event, Handshake, LoginAnswer, Service};
use crate::actor::soonest;

/// A body of this length is announced and never sent: more than any device takes.
const OVERSIZE_LEN: u16 = 60_000;
/// A command that no version of the protocol has.
const UNKNOWN_COMMAND: u8 = 99;

/// What becomes of a connection after a good login.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AfterLogin {
    /// It is used.
    #[default]
    Normal,
    /// It is closed.
    Drop,
    /// It stays open, and nothing is heard or said on it any more.
    Mute,
}

/// A frame that no sound server sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StrangeFrame {
    /// It announces a longer body than a device takes.
    Oversize,
    /// Its message id is 0.
    IdZero,
    /// Its command is one that nobody knows.
    UnknownCommand,
}

/// How a cloud misbehaves; not at all by default.
#[derive(Debug, Default)]
pub(super) struct Faults {
    delay: Duration,
    /// At most so many bytes are sent to a device at a time.
    split: Option<NonZero<usize>>,
    /// How long answers are held, to be sent together.
    coalesce: Duration,
    /// How long answers are held, to be sent with the last first.
    reorder: Duration,
    pub(super) after_login: AfterLogin,
    /// Whose token is good until when.
    revocations: Vec<(Instant, DeviceId)>,
}

impl Service {
    /// Ends every misbehaviour that it has been told.
    pub fn mend(&mut self) {
        self.mute = false;
        self.faults = Faults::default();
        self.changed = true;
    }

    /// Changes what its certificate says.
    pub fn set_certificate(&mut self, certificate: Certificate) {
        self.certificate = certificate;
    }

    /// Changes what it does when a client begins TLS.
    pub fn set_handshake(&mut self, handshake: Handshake) {
        self.handshake = handshake;
    }

    /// Sends every device that logs in to this host and port from now on; `None` keeps them here.
    pub fn set_redirect(&mut self, to: Option<(String, u16)>) {
        self.redirect = to;
    }

    /// Changes how logins are answered.
    pub fn set_login_answer(&mut self, answer: LoginAnswer) {
        self.login_answer = answer;
    }

    /// Makes it deaf and dumb behind its open ports (TCP and the hello go on), or normal again.
    pub fn set_mute(&mut self, mute: bool) {
        self.mute = mute;
    }

    /// Deletes a device: its connection ends and its token is invalid. Returns whether there was one.
    pub fn delete_device(&mut self, device: DeviceId) -> bool {
        let found = self.directory.borrow_mut().delete(device);
        if found {
            self.events.push(Event::Deleted { device });
            self.changed = true;
        }
        found
    }

    /// Lets devices wait this long for everything that they are told.
    pub fn set_delay(&mut self, delay: Duration) {
        self.faults.delay = delay;
    }

    /// Sends devices at most so many bytes at a time, a millisecond apart; `None` sends all that there is.
    pub fn set_split(&mut self, part_len: Option<NonZero<usize>>) {
        self.faults.split = part_len;
    }

    /// Holds what a device is to be told for this long, and then sends it in one piece; zero ends it.
    pub fn set_coalesce(&mut self, window: Duration) {
        self.faults.coalesce = window;
    }

    /// Holds what a device is to be told for this long, and then sends the last frame first; zero ends it.
    pub fn set_reorder(&mut self, window: Duration) {
        self.faults.reorder = window;
    }

    /// Changes what becomes of connections after a good login.
    pub fn set_after_login(&mut self, after_login: AfterLogin) {
        self.faults.after_login = after_login;
    }

    /// Takes a device's token from it at a time; the device itself stays.
    pub fn revoke_token_at(&mut self, at: Instant, device: DeviceId) {
        self.faults.revocations.push((at, device));
        self.changed = true;
    }

    /// Revokes the tokens whose time has come.
    pub fn revoke_due(&mut self, now: Instant) {
        let due: Vec<_> = self.faults.revocations.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, device) in due {
            if self.directory.borrow_mut().revoke(now, device) {
                self.events.push(Event::Revoked { device });
                self.changed = true;
            }
        }
    }

    /// When a token must be revoked.
    pub(super) fn next_revocation(&self) -> Option<Instant> {
        self.faults.revocations.iter().map(|(at, _)| Some(*at)).fold(None, soonest)
    }

    /// Puts off what a device is to be told, while the cloud is slow, gathers its answers or has something older to
    /// say; returns whether it did.
    pub(super) fn put_off(&mut self, now: Instant, conversation: &mut Conversation) -> bool {
        let Faults { delay, split, coalesce, reorder, .. } = self.faults;
        let is_device = matches!(conversation.stage, Stage::Device(_));
        let window = if is_device { coalesce.max(reorder) } else { Duration::ZERO };
        let is_slow = is_device && delay + window != Duration::ZERO;
        conversation.split = split.filter(|_| is_device);
        if conversation.output.is_empty() || (!is_slow && conversation.late.is_empty()) {
            return false;
        }
        let mut bytes = core::mem::take(&mut conversation.output);
        let is_reversed = window != Duration::ZERO && reorder != Duration::ZERO;
        if is_reversed {
            bytes = last_frame_first(&bytes);
        }
        match conversation.late.back_mut().filter(|(at, _)| window != Duration::ZERO && *at > now) {
            Some((_, held)) if is_reversed => {
                bytes.append(held);
                *held = bytes;
            }
            Some((_, held)) => held.append(&mut bytes),
            None => conversation.late.push_back((now + delay + window, bytes)),
        }
        true
    }
}

/// Whole frames in the opposite order. One that announces more than it has is the last of them.
fn last_frame_first(bytes: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    let mut rest = bytes;
    while let Some(head) = rest.first_chunk() {
        let len = HEADER_LEN + Header::decode(*head).body_len();
        let (frame, after) = rest.split_at(len.min(rest.len()));
        frames.push(frame);
        rest = after;
    }
    frames.push(rest);
    frames.reverse();
    frames.concat()
}

impl Conversation {
    /// Adds a frame that no sound server sends to what is to be sent, when a device is logged in.
    pub fn push_strange(&mut self, frame: StrangeFrame) {
        let (command, id, length) = match frame {
            StrangeFrame::Oversize => (Command::Hardware, 1, OVERSIZE_LEN),
            StrangeFrame::IdZero => (Command::Ping, 0, 0),
            StrangeFrame::UnknownCommand => (Command::Other(UNKNOWN_COMMAND), 1, 0),
        };
        if matches!(self.stage, Stage::Device(Session { login: Some(_), .. })) {
            self.output.extend_from_slice(&Header { command, id, length }.encode());
        }
    }
}
