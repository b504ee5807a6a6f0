//! A device at the other end of a line: the same queues, filled and drained by messages.
//!
//! Real time matters here and nowhere else in a run, and only for how long to wait for an answer. What the
//! answer is does not depend on it.

use std::borrow::Cow;
use std::io;

use firmware_core::Instant;
use firmware_core::hal::Boot;
use hil_link::cut_flash::FlashState;
use hil_link::host_side::{Answer, HELLO, HostSide, Resend};
use hil_link::queues::Queues;
use hil_link::turn::Turn;
use hil_link::wire::framing::{ENCODED_LEN_MAX, Receiver, encode};
use hil_link::wire::{Bytes, FLASH_CONTENT_LEN_MAX, PROTOCOL, Refusal, Request, Response};

use super::{Executor, ExecutorError, FLASH_LEN};

/// Bytes taken from the line at once.
const READ_LEN: usize = 16 * 1_024;
/// What erased flash holds.
const ERASED: u8 = 0xFF;
/// How often something is asked again before the device counts as silent.
const TRIES: u32 = 4;
/// How often parts of one turn are sent again before the line counts as too noisy.
const RESENDS_MAX: u32 = 1_000;

/// A stream of bytes to a device, and the power over it that a line may have.
pub trait Line: Send {
    /// Sends bytes.
    ///
    /// # Errors
    /// When the line is gone.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Waits a while for bytes; returns how many came, 0 when none did in time.
    ///
    /// # Errors
    /// When the line is gone.
    fn receive(&mut self, bytes: &mut [u8]) -> io::Result<usize>;
    /// Resets a device that does not answer; `false` when the line has nothing to do that with.
    ///
    /// # Errors
    /// When that does not work.
    fn reset(&mut self) -> io::Result<bool>;
    /// What the device said elsewhere before it fell silent, as it said it.
    fn last_words(&mut self) -> Vec<u8>;
}

/// A device at the other end of a line.
pub struct OverLink<L> {
    line: L,
    receiver: Box<Receiver>,
    /// Bytes that came and have not been looked at yet.
    received: Vec<u8>,
    room: Box<[u8; ENCODED_LEN_MAX]>,
    to_send: Vec<u8>,
    host: HostSide,
    queues: Box<Queues>,
    state: FlashState,
    /// The authority that the device's TLS trusts (X.509, DER).
    trust: Option<Vec<u8>>,
}

/// What was heard on the line.
enum Heard {
    /// Nothing for a while.
    Nothing,
    Booted,
    Done(Turn),
    Again(Resend),
    /// A device that runs nothing of ours, and the version of the link that it speaks.
    Fresh(u16),
    Flash(u32, Vec<u8>),
    Erased,
    Written(u32),
    Refused(Refusal),
}

impl<L: Line> OverLink<L> {
    /// Greets the device.
    ///
    /// # Errors
    /// When it does not answer, or speaks another version of the link.
    pub fn open(line: L) -> Result<Self, ExecutorError> {
        let mut link = Self {
            line,
            receiver: Box::default(),
            received: Vec::with_capacity(READ_LEN),
            room: Box::new([0; ENCODED_LEN_MAX]),
            to_send: Vec::new(),
            host: HostSide::default(),
            queues: Box::default(),
            state: FlashState::NEW,
            trust: None,
        };
        for _ in 0..TRIES {
            link.push(&HELLO);
            link.flush()?;
            loop {
                match link.listen()? {
                    Heard::Fresh(PROTOCOL) => return Ok(link),
                    Heard::Fresh(device) => return Err(ExecutorError::Protocol { device, host: PROTOCOL }),
                    Heard::Nothing => break,
                    // What another host was told before us.
                    Heard::Booted
                    | Heard::Done(_)
                    | Heard::Again(_)
                    | Heard::Flash(..)
                    | Heard::Erased
                    | Heard::Written(_)
                    | Heard::Refused(_) => {}
                }
            }
        }
        Err(link.silence())
    }

    /// Erases the configuration of a device that keeps it from one run to the next, so that a story begins as it
    /// says.
    ///
    /// # Errors
    /// When the device does not answer or cannot.
    pub fn erase_flash(&mut self) -> Result<(), ExecutorError> {
        self.ask(&Request::EraseFlash, |heard| matches!(heard, Heard::Erased).then_some(()))
    }

    /// Asks again and again until there is an answer. `answer` knows it; whatever else is heard was asked for before.
    fn ask<T>(
        &mut self,
        request: &Request<'_>,
        answer: impl Fn(Heard) -> Option<T>,
    ) -> Result<T, ExecutorError> {
        for _ in 0..TRIES {
            self.push(request);
            self.flush()?;
            loop {
                match self.listen()? {
                    // A turn was refused that was lost with what ran before.
                    Heard::Refused(Refusal::NotRunning | Refusal::OutOfStep) => {}
                    Heard::Refused(refusal) => return Err(ExecutorError::Refused(refusal)),
                    // It ran something from before, and has reset; its flash is as it was.
                    Heard::Fresh(_) | Heard::Nothing => break,
                    heard => {
                        if let Some(answer) = answer(heard) {
                            return Ok(answer);
                        }
                    }
                }
            }
        }
        Err(self.silence())
    }

    /// The line, for what only it can do.
    pub fn line_mut(&mut self) -> &mut L {
        &mut self.line
    }

    /// Adds a request to what is sent next.
    fn push(&mut self, request: &Request<'_>) {
        let bytes = encode(request, &mut self.room).expect("every request fits a message");
        self.to_send.extend_from_slice(bytes);
    }

    fn push_turn(&mut self, what: Resend) {
        let Self { host, queues, room, to_send, .. } = self;
        host.write_turn(queues, what, |request| {
            let bytes = encode(request, room).expect("every request fits a message");
            to_send.extend_from_slice(bytes);
        });
    }

    fn flush(&mut self) -> Result<(), ExecutorError> {
        let sent = self.line.send(&self.to_send);
        self.to_send.clear();
        sent.map_err(|error| self.failure(&error))
    }

    /// Waits for the next answer that means something.
    fn listen(&mut self) -> Result<Heard, ExecutorError> {
        loop {
            if let Some(heard) = self.understand()? {
                return Ok(heard);
            }
            self.received.resize(READ_LEN, 0);
            match self.line.receive(&mut self.received) {
                Ok(0) => {
                    self.received.clear();
                    return Ok(Heard::Nothing);
                }
                Ok(len) => self.received.truncate(len),
                Err(error) => {
                    self.received.clear();
                    return Err(self.failure(&error));
                }
            }
        }
    }

    /// Looks through the bytes that came, up to the first answer that means something.
    fn understand(&mut self) -> Result<Option<Heard>, ExecutorError> {
        let Self { received, receiver, host, queues, state, .. } = self;
        let mut at = 0;
        let mut heard = None;
        while heard.is_none() && at < received.len() {
            let (taken, response) = receiver.receive::<Response<'_>>(&received[at..]);
            at += taken;
            // Noise: what was lost is missed and asked for again.
            let Some(Ok(response)) = response else { continue };
            heard = match host.handle(response, queues) {
                Answer::Pending => None,
                Answer::Booted => Some(Heard::Booted),
                Answer::Done(turn, armed) => {
                    *state = armed;
                    Some(Heard::Done(turn))
                }
                Answer::Again(what) => Some(Heard::Again(what)),
                Answer::Fresh(hello) => Some(Heard::Fresh(hello.protocol)),
                Answer::Flash(offset, content) => Some(Heard::Flash(offset, content.to_vec())),
                Answer::Erased => Some(Heard::Erased),
                Answer::Written(offset) => Some(Heard::Written(offset)),
                Answer::Refused(refusal) => Some(Heard::Refused(refusal)),
                Answer::Panic(words) => return Err(ExecutorError::Panicked(words.to_owned())),
                Answer::Broken(fault) => return Err(ExecutorError::Broken(fault)),
            };
        }
        received.drain(..at);
        Ok(heard)
    }

    /// Why the line failed: the device's last words, if it had any.
    fn failure(&mut self, error: &io::Error) -> ExecutorError {
        self.last_words().unwrap_or_else(|| ExecutorError::Line(error.to_string()))
    }

    fn silence(&mut self) -> ExecutorError {
        self.last_words().unwrap_or(ExecutorError::Silent)
    }

    fn last_words(&mut self) -> Option<ExecutorError> {
        let said = self.line.last_words();
        let mut receiver = Receiver::new();
        let mut rest = said.as_slice();
        while !rest.is_empty() {
            let (taken, response) = receiver.receive::<Response<'_>>(rest);
            rest = &rest[taken..];
            if let Some(Ok(Response::Panic(words))) = response {
                return Some(ExecutorError::Panicked(words.to_owned()));
            }
        }
        None
    }

    /// Asks for a boot until the firmware has started; `false` when nobody answers.
    fn try_boot(&mut self, boot: &Boot) -> Result<bool, ExecutorError> {
        for _ in 0..TRIES {
            let bytes = encode(&self.host.boot_request(boot, self.trust.as_deref()), &mut self.room)
                .expect("a boot fits a message");
            self.to_send.extend_from_slice(bytes);
            self.flush()?;
            loop {
                match self.listen()? {
                    Heard::Booted => return Ok(true),
                    // A turn was refused that was lost with what ran before.
                    Heard::Refused(Refusal::NotRunning | Refusal::OutOfStep) => {}
                    Heard::Refused(refusal) => return Err(ExecutorError::Refused(refusal)),
                    // It has reset, as a device does that ran before. Now it can start.
                    Heard::Fresh(_) | Heard::Nothing => break,
                    // Answers to what was asked before.
                    Heard::Done(_)
                    | Heard::Again(_)
                    | Heard::Flash(..)
                    | Heard::Erased
                    | Heard::Written(_) => {}
                }
            }
        }
        Ok(false)
    }
}

impl<L: Line> Executor for OverLink<L> {
    fn set_trust(&mut self, authority: &[u8]) {
        self.trust = Some(authority.to_vec());
    }

    fn boot(&mut self, boot: Boot) -> Result<(), ExecutorError> {
        self.host.begin_session(&mut self.queues, &self.state);
        if self.try_boot(&boot)? {
            return Ok(());
        }
        let is_reset = self.line.reset().map_err(|error| ExecutorError::Line(error.to_string()))?;
        if is_reset && self.try_boot(&boot)? { Ok(()) } else { Err(self.silence()) }
    }

    fn turn(&mut self, now: Instant, until: Instant) -> Result<Turn, ExecutorError> {
        self.host.begin_turn(&mut self.queues, now, until, &self.state);
        self.push_turn(Resend::InputsFrom(0));
        self.flush()?;
        let mut silent_for = 0;
        for _ in 0..RESENDS_MAX {
            match self.listen()? {
                Heard::Done(turn) => return Ok(turn),
                Heard::Again(what) => self.push_turn(what),
                Heard::Nothing if silent_for < TRIES => {
                    silent_for += 1;
                    self.push_turn(Resend::Turn);
                }
                Heard::Nothing => return Err(self.silence()),
                Heard::Fresh(_) | Heard::Refused(Refusal::NotRunning) => {
                    return Err(self.last_words().unwrap_or(ExecutorError::Restarted));
                }
                Heard::Refused(refusal) => return Err(ExecutorError::Refused(refusal)),
                Heard::Booted | Heard::Flash(..) | Heard::Erased | Heard::Written(_) => {}
            }
            self.flush()?;
        }
        Err(ExecutorError::Noise)
    }

    fn queues(&mut self) -> &mut Queues {
        &mut self.queues
    }

    fn flash_state(&mut self) -> &mut FlashState {
        &mut self.state
    }

    fn flash(&mut self) -> Result<Cow<'_, [u8]>, ExecutorError> {
        let mut content = vec![0; FLASH_LEN];
        let mut offset = 0;
        for piece in content.chunks_mut(FLASH_CONTENT_LEN_MAX) {
            let len = u16::try_from(piece.len()).unwrap_or(u16::MAX);
            let found = self.ask(&Request::ReadFlash { offset, len }, |heard| match heard {
                Heard::Flash(at, content) if at == offset => Some(content),
                _ => None,
            })?;
            let (room, rest) = piece.split_at_mut(found.len().min(piece.len()));
            room.copy_from_slice(&found[..room.len()]);
            rest.fill(0xFF);
            offset += u32::from(len);
        }
        Ok(Cow::Owned(content))
    }

    fn set_flash(&mut self, content: &[u8]) -> Result<(), ExecutorError> {
        self.erase_flash()?;
        let mut offset = 0;
        for piece in content.chunks(FLASH_CONTENT_LEN_MAX) {
            if piece.iter().any(|byte| *byte != ERASED) {
                self.ask(&Request::WriteFlash { offset, content: Bytes(piece) }, |heard| match heard {
                    Heard::Written(at) if at == offset => Some(()),
                    _ => None,
                })?;
            }
            offset += u32::try_from(piece.len()).unwrap_or(u32::MAX);
        }
        Ok(())
    }

    fn power_off(&mut self) {
        self.queues.clear_inputs();
        self.queues.clear_effects();
    }
}
