//! One connection as the cloud sees it: bytes in, bytes out. What carries them is somebody else's business.

use core::num::NonZero;
use std::collections::VecDeque;

use smoltcp::time::{Duration, Instant};

use super::DeviceId;
use super::device::Session;
use crate::actor::soonest;

/// How long a connection may be silent before its info: 2.3 times 10 s, as the legacy server has it.
const SILENCE_LIMIT: Duration = Duration::from_secs(23);
/// Between the parts of what is split, so that each is a segment of its own.
const SPLIT_PAUSE: Duration = Duration::from_millis(1);
/// Longer than any story.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// A connection's state between what it has received and what it is to send.
pub struct Conversation {
    pub(super) is_secure: bool,
    pub(super) stage: Stage,
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    /// What can be sent as soon as there is room for it.
    ready: Vec<u8>,
    /// What a slow server has ready and sends at these times.
    pub(super) late: VecDeque<(Instant, Vec<u8>)>,
    /// Nothing is heard or said on it any more, and it stays open.
    pub(super) mute: bool,
    /// At most so many bytes are sent at a time, and the next only after [`SPLIT_PAUSE`].
    pub(super) split: Option<NonZero<usize>>,
    /// When the next bytes can be sent, while they are split.
    next_part: Option<Instant>,
    /// When the device is pinged next, where the cloud does that.
    pub(super) next_ping: Option<Instant>,
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
            ready: Vec::new(),
            late: VecDeque::new(),
            mute: false,
            split: None,
            next_part: None,
            next_ping: None,
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

    /// What can be sent now; whoever carries it says how much of it has [gone](Self::note_sent).
    pub fn sendable(&mut self, now: Instant) -> Option<&[u8]> {
        while let Some((_, mut bytes)) = self.late.pop_front_if(|(at, _)| *at <= now) {
            self.ready.append(&mut bytes);
        }
        if self.late.is_empty() {
            self.ready.append(&mut self.output);
        }
        if self.next_part.is_some_and(|at| now < at) {
            return None;
        }
        self.next_part = None;
        let len = self.split.map_or(self.ready.len(), |part| part.get().min(self.ready.len()));
        Some(&self.ready[..len]).filter(|bytes| !bytes.is_empty())
    }

    /// So many bytes of what can be sent are on their way.
    pub fn note_sent(&mut self, now: Instant, len: usize) {
        self.ready.drain(..len);
        self.next_part = self.split.filter(|_| len > 0 && !self.ready.is_empty()).map(|_| now + SPLIT_PAUSE);
    }

    /// How many bytes wait to be sent, now or later.
    pub fn backlog_len(&self) -> usize {
        let late: usize = self.late.iter().map(|(_, bytes)| bytes.len()).sum();
        self.ready.len() + self.output.len() + late
    }

    /// Whether there is nothing left to send, now or later.
    pub fn has_sent(&self) -> bool {
        self.backlog_len() == 0
    }

    /// When it must be looked at although nothing arrives.
    pub fn next_wake(&self) -> Option<Instant> {
        let wakes = [self.late.front().map(|(at, _)| *at), self.next_part, self.next_ping];
        wakes.into_iter().fold(self.deadline, soonest)
    }

    /// Whether it has been silent for so long, or for so long not taken what it is sent, that it can be forgotten.
    pub fn is_overdue(&self, now: Instant) -> bool {
        self.closing && self.deadline.is_some_and(|deadline| deadline <= now)
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
