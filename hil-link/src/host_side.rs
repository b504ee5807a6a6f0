//! The host's side of the link: sends the inputs that wait in its queues, puts the effects that come back into
//! them, notices what was lost.
//!
//! It does no input or output and knows no clock: whoever drives it sends what it writes, and tells it to write
//! again when an answer does not come. The queues stay what they are in process. They hold every input that the
//! device has not taken yet, so that what has room is the same on every target.

use firmware_core::{Instant, hal};

use crate::cut_flash::FlashState;
use crate::queues::Queues;
use crate::turn;
use crate::turn_platform::TurnEnd;
use crate::wire::{self, Armed, Boot, Bytes, Effect, Input, PROTOCOL, Refusal, Request, Response, Waiting};

/// The conversation with one device.
#[derive(Debug, Default)]
pub struct HostSide {
    session: u32,
    turn: wire::Turn,
    /// Whether the turn's end has not been heard of yet. What comes twice must not be taken twice.
    is_under_way: bool,
    /// Inputs that the device has and has not taken yet. They are the first of each queue.
    sent: Waiting,
    /// Effects of the present turn that have come.
    effects: u16,
    /// What the device knows to be armed.
    known: Armed,
}

/// What a response means for the one who waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer<'a> {
    /// More is to come.
    Pending,
    /// The firmware has started.
    Booted,
    /// The turn is over, its effects are in the queues, and this is the state of its flash.
    Done(turn::Turn, FlashState),
    /// Something was lost: send this part of the turn again.
    Again(Resend),
    /// A device says who it is and that it runs nothing of ours: it has reset.
    Fresh(Hello<'a>),
    /// What the flash holds from an offset on.
    Flash(u32, &'a [u8]),
    /// The flash has been erased.
    Erased,
    /// The flash has been programmed from this offset on.
    Written(u32),
    /// The device cannot do what it was asked.
    Refused(Refusal),
    /// The firmware panicked, with these words.
    Panic(&'a str),
    /// The device did what no device may do.
    Broken(Fault),
}

/// Who a device is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hello<'a> {
    /// The version of the link that it speaks.
    pub protocol: u16,
    /// Its firmware's name and version.
    pub firmware: &'a str,
    /// Bytes of its configuration partition.
    pub flash_len: u32,
}

/// What to send again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resend {
    /// Inputs from this one on, and the turn.
    InputsFrom(u16),
    /// The turn.
    Turn,
}

/// What no device may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// An effect that is longer than its standard allows.
    Effect,
    /// More effects than the queues hold.
    Effects,
    /// It says that more inputs wait than it was given.
    Waiting,
    /// It went back in time.
    Time,
}

impl HostSide {
    /// Begins a new session; [`boot_request`](Self::boot_request) says so to the device.
    pub fn begin_session(&mut self, queues: &mut Queues, flash: &FlashState) {
        queues.clear_inputs();
        queues.clear_effects();
        queues.watch().power_on();
        let known = armed(queues, flash);
        *self = Self { session: self.session.wrapping_add(1), known, ..Self::default() };
    }

    /// The request that starts the firmware; `trust` is the certificate of the authority that its TLS trusts (DER).
    pub fn boot_request<'a>(&self, boot: &'a hal::Boot, trust: Option<&'a [u8]>) -> Request<'a> {
        Request::Boot { session: self.session, boot: Boot::new(boot, self.known, trust) }
    }

    /// Begins a turn with everything that waits in the queues; [`write_turn`](Self::write_turn) says so to the
    /// device. `flash` is what is armed in its flash.
    pub fn begin_turn(&mut self, queues: &mut Queues, now: Instant, until: Instant, flash: &FlashState) {
        queues.clear_effects();
        let armed = armed(queues, flash);
        self.effects = 0;
        self.is_under_way = true;
        let inputs = self.inputs(queues).count();
        self.turn = wire::Turn {
            number: self.turn.number.wrapping_add(1),
            inputs: u16::try_from(inputs).unwrap_or(u16::MAX),
            now_us: now.total_micros(),
            until_us: until.total_micros(),
            armed: (armed != self.known).then_some(armed),
        };
    }

    /// Writes the present turn, or what is to be sent again of it.
    pub fn write_turn(&self, queues: &Queues, what: Resend, mut send: impl FnMut(&Request<'_>)) {
        if let Resend::InputsFrom(from) = what {
            let inputs = (0..).zip(self.inputs(queues)).skip(usize::from(from));
            inputs.for_each(|(index, input)| send(&Request::Input { turn: self.turn.number, index, input }));
        }
        send(&Request::Turn(self.turn));
    }

    /// Takes a response.
    pub fn handle<'a>(&mut self, response: Response<'a>, queues: &mut Queues) -> Answer<'a> {
        match response {
            Response::Hello { session: Some(session), .. } if session == self.session => Answer::Pending,
            Response::Hello { protocol, firmware, flash_len, .. } => {
                Answer::Fresh(Hello { protocol, firmware, flash_len })
            }
            Response::Booted { session } if session == self.session => Answer::Booted,
            Response::Effect { turn, index, effect } if self.awaits(turn) => {
                self.take_effect(index, effect, queues)
            }
            Response::Done(done) if self.awaits(done.turn) => self.finish(&done, queues),
            Response::InputsMissing { turn, from } if self.awaits(turn) => {
                Answer::Again(Resend::InputsFrom(from))
            }
            // Answers to what was asked twice.
            Response::Booted { .. }
            | Response::Effect { .. }
            | Response::Done(_)
            | Response::InputsMissing { .. } => Answer::Pending,
            Response::Flash { offset, content } => Answer::Flash(offset, content.0),
            Response::Refused(refusal) => Answer::Refused(refusal),
            Response::Panic(words) => Answer::Panic(words),
            Response::Erased => Answer::Erased,
            Response::Written { offset } => Answer::Written(offset),
        }
    }

    fn awaits(&self, turn: u32) -> bool {
        self.is_under_way && turn == self.turn.number
    }

    /// Inputs that the device does not have yet.
    fn inputs<'a>(&self, queues: &'a Queues) -> impl Iterator<Item = Input<'a>> {
        let Waiting { frames, radio_events, button_edges, console } = self.sent;
        let frames = queues.frames().skip(usize::from(frames)).map(|frame| Input::Frame(Bytes(frame)));
        let events = queues.radio_events().skip(usize::from(radio_events));
        let edges = queues.button_edges().skip(usize::from(button_edges));
        let typed = queues.console(usize::from(console)).into_iter().filter(|typed| !typed.is_empty());
        frames
            .chain(events.map(|event| Input::Radio(event.into())))
            .chain(edges.map(|(at, down)| Input::Button { at_us: at.total_micros(), down }))
            .chain(typed.map(|typed| Input::Console(Bytes(typed))))
    }

    /// Keeps effects in their order: one behind a gap has to come again.
    fn take_effect<'a>(&mut self, index: u16, effect: Effect<'_>, queues: &mut Queues) -> Answer<'a> {
        if index != self.effects {
            return Answer::Pending;
        }
        self.effects += 1;
        let lost_before = queues.lost_effects();
        let taken = match effect {
            Effect::Frame(frame) => {
                queues.effects_mut().push_sent_frame(frame.0);
                true
            }
            Effect::Radio(command) => {
                command.try_into().map(|command| queues.effects_mut().push_radio_command(command)).is_ok()
            }
            Effect::Pattern(pattern) => {
                queues.effects_mut().push_pattern(pattern.into());
                true
            }
            Effect::Trace(event) => {
                event.try_into().map(|event| queues.effects_mut().push_trace(event)).is_ok()
            }
            Effect::Console(text) => {
                queues.effects_mut().push_console_text(format_args!("{text}"));
                true
            }
            Effect::Flash(operation) => {
                queues.effects_mut().push_flash(operation.into());
                true
            }
        };
        match (taken, queues.lost_effects() == lost_before) {
            (true, true) => Answer::Pending,
            (false, _) => Answer::Broken(Fault::Effect),
            (true, false) => Answer::Broken(Fault::Effects),
        }
    }

    fn finish<'a>(&mut self, done: &wire::Done, queues: &mut Queues) -> Answer<'a> {
        if done.effects != self.effects {
            self.effects = 0;
            queues.clear_effects();
            return Answer::Again(Resend::Turn);
        }
        if done.at_us < self.turn.now_us {
            return Answer::Broken(Fault::Time);
        }
        if !queues.keep_inputs(&done.waiting) {
            return Answer::Broken(Fault::Waiting);
        }
        queues.set_lost_effects(done.lost_effects);
        self.is_under_way = false;
        self.sent = done.waiting;
        self.known = done.armed;
        *queues.watch() = done.armed.watch.into();
        let end = if done.power_lost { TurnEnd::PowerLost } else { TurnEnd::Alive };
        let turn = turn::Turn { at: Instant::from_micros(done.at_us), wake: done.wake.into(), end };
        Answer::Done(turn, done.armed.flash)
    }
}

/// What is armed now.
fn armed(queues: &mut Queues, flash: &FlashState) -> Armed {
    Armed { flash: *flash, watch: (*queues.watch()).into() }
}

/// The request that asks who is there.
pub const HELLO: Request<'static> = Request::Hello { protocol: PROTOCOL };
