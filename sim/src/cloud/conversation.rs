//! One connection as the cloud sees it: bytes in, bytes out. What carries them is somebody else's business.

use std::collections::VecDeque;

use smoltcp::time::{Duration, Instant};

use super::DeviceId;
use super::device::Session;
use crate::actor::soonest;

/// How long a connection may be silent before its info: 2.3 times 10 s, as the legacy server has it.
const SILENCE_LIMIT: Duration = Duration::from_secs(23);
/// Longer than any story.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// A connection's state between what it has received and what it is to send.
pub struct Conversation {
    pub(super) is_secure: bool,
    pub(super) stage: Stage,
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    /// What a slow server has ready and sends at these times.
    pub(super) late: VecDeque<(Instant, Vec<u8>)>,
    /// Nothing is heard or said on it any more, and it stays open.
    pub(super) mute: bool,
    /// How long it may be silent.
    pub(super) read_limit: Duration,
    /// When its silence has lasted too long; `None` before it has begun and while nobody counts.
    pub(super) deadline: Option<Instant>,
    /// Our side ends as soon as everything is sent.
    pub(super) closing: bool,
}

pub(super) enum Stage {
    /// The modelled TLS has not begun.
    Hello,
    /// The first byte tells what is spoken.
    Undecided,
    Http,
    Device(Session),
}

impl Conversation {
    /// A connection on a port that speaks plainly, or one whose TLS is done by who carries the bytes.
    pub fn new(is_secure: bool) -> Self {
        Self {
            is_secure,
            stage: Stage::Undecided,
            input: Vec::new(),
            output: Vec::new(),
            late: VecDeque::new(),
            mute: false,
            read_limit: SILENCE_LIMIT,
            deadline: None,
            closing: false,
        }
    }

    /// A connection that begins with the hello of the modelled TLS.
    pub(super) fn with_modelled_tls() -> Self {
        Self { stage: Stage::Hello, ..Self::new(true) }
    }

    /// The peer has closed its side: there is nobody to answer.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// Whether our side is to be closed once everything is sent.
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// The device that is logged in on it.
    pub fn device(&self) -> Option<DeviceId> {
        match &self.stage {
            Stage::Device(session) => session.login.map(|(device, _)| device),
            Stage::Hello | Stage::Undecided | Stage::Http => None,
        }
    }

    /// What can be sent now; whoever carries it takes away what it has sent.
    pub fn sendable(&mut self, now: Instant) -> Option<&mut Vec<u8>> {
        while self.late.front().is_some_and(|(_, bytes)| bytes.is_empty()) {
            self.late.pop_front();
        }
        if self.late.is_empty() {
            return Some(&mut self.output).filter(|bytes| !bytes.is_empty());
        }
        self.late.front_mut().filter(|(at, _)| *at <= now).map(|(_, bytes)| bytes)
    }

    /// Whether there is nothing left to send, now or later.
    pub fn has_sent(&self) -> bool {
        self.output.is_empty() && self.late.iter().all(|(_, bytes)| bytes.is_empty())
    }

    /// When it must be looked at although nothing arrives.
    pub fn next_wake(&self) -> Option<Instant> {
        soonest(self.deadline, self.late.front().map(|(at, _)| *at))
    }

    /// Begins to count its silence, ends it when that has lasted too long, and returns whether it did.
    pub(super) fn count_silence(&mut self, now: Instant) -> bool {
        // Who is stuck does not notice how long the other side is silent.
        let is_stuck = self.mute && !self.closing;
        let limit = if is_stuck { FOREVER } else { self.read_limit };
        if is_stuck {
            self.deadline = None;
        }
        let deadline = *self.deadline.get_or_insert(now + limit);
        let is_over = deadline <= now;
        self.closing |= is_over;
        is_over
    }
}
