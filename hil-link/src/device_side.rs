//! The device's side of the link: takes requests, answers them, remembers nothing that a reset should forget.
//!
//! It owns no hardware. [`serve`] is the whole main loop of a firmware behind the link; what it is given reads
//! and writes bytes, starts the device once, and keeps the flash.

use core::borrow::BorrowMut;
use core::ops::DerefMut;

use embedded_io::{Read, Write};
use embedded_storage::nor_flash::{MultiwriteNorFlash, ReadNorFlash};
use firmware_core::Instant;
use firmware_core::application::Application;
use firmware_core::device::Device;
use firmware_core::hal::SecureChannel;

use crate::queues::{Effect, Queues};
use crate::turn;
use crate::turn_platform::{TurnEnd, TurnPlatform};
use crate::wire::framing::{ANSWER_END, ENCODED_LEN_MAX, Receiver, encode};
use crate::wire::{
    self, Armed, Boot, Bytes, CONSOLE_TEXT_LEN_MAX, Done, FLASH_CONTENT_LEN_MAX, Input, PROTOCOL, Refusal,
    Request, Response,
};

/// Bytes read from the line at once.
const READ_LEN: usize = 256;

/// Why [`serve`] ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended<E> {
    /// The host wants the processor to reset.
    Reset,
    /// The line failed or was closed.
    Line(Option<E>),
}

/// Serves the host until it wants a reset.
///
/// `firmware` says what this is, for people. `poll_button` gives the level of a button that a person can press, when
/// that has changed: what a person does joins what the world does. `start` makes the device where it stays, for it is
/// large: a `Box` on a host, a static cell on a board, and so at most once from reset to reset.
pub fn serve<I, F, S, Q, A, D>(
    io: &mut I,
    platform: &mut TurnPlatform<F, S, Q>,
    firmware: &str,
    poll_button: impl FnMut() -> Option<bool>,
    mut start: impl FnMut(&Boot<'_>, &mut TurnPlatform<F, S, Q>) -> Result<D, Refusal>,
) -> Ended<I::Error>
where
    I: Read + Write,
    F: MultiwriteNorFlash,
    S: SecureChannel + Default,
    Q: BorrowMut<Queues>,
    A: Application,
    D: DerefMut<Target = Device<A>>,
{
    let mut receiver = Receiver::new();
    let mut bytes = [0; READ_LEN];
    let mut port = Port { io, room: [0; ENCODED_LEN_MAX], has_sent: false, error: None };
    let mut side =
        Side { platform, firmware, poll_button, device: None, session: None, inputs: 0, done: None };
    side.say_hello(&mut port);
    loop {
        let len = match port.io.read(&mut bytes) {
            Ok(0) => return Ended::Line(None),
            Ok(len) => len,
            Err(error) => return Ended::Line(Some(error)),
        };
        let mut rest = bytes.get(..len).unwrap_or_default();
        while !rest.is_empty() {
            let (taken, request) = receiver.receive(rest);
            rest = rest.get(taken..).unwrap_or_default();
            // What is no request is noise: the host asks again.
            let Some(Ok(request)) = request else { continue };
            if side.handle(request, &mut start, &mut port) == Next::Reset {
                return Ended::Reset;
            }
        }
        if let Some(error) = port.error.take() {
            return Ended::Line(Some(error));
        }
    }
}

/// Whether the conversation goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    Request,
    Reset,
}

struct Port<'a, I: Write> {
    io: &'a mut I,
    room: [u8; ENCODED_LEN_MAX],
    /// Whether anything has been said whose end has not been marked.
    has_sent: bool,
    error: Option<I::Error>,
}

impl<I: Write> Port<'_, I> {
    fn send(&mut self, response: &Response<'_>) {
        // Every response is shorter than the longest message.
        let Some(bytes) = encode(response, &mut self.room) else { return };
        self.has_sent = true;
        if let Err(error) = self.io.write_all(bytes) {
            self.error = Some(error);
        }
    }

    /// Marks the end of an answer, and lets go what a line may hold back until it is whole.
    fn flush(&mut self) {
        let marked = match core::mem::take(&mut self.has_sent) {
            true => self.io.write_all(&ANSWER_END),
            false => Ok(()),
        };
        if let Err(error) = marked.and_then(|()| self.io.flush()) {
            self.error = Some(error);
        }
    }
}

struct Side<'a, F, S, Q, D, B> {
    platform: &'a mut TurnPlatform<F, S, Q>,
    firmware: &'a str,
    poll_button: B,
    device: Option<D>,
    session: Option<u32>,
    /// Inputs of the next turn that have come.
    inputs: u16,
    /// How the last turn ended, in case that the host asks again.
    done: Option<Done>,
}

impl<F, S, Q, A, D, B> Side<'_, F, S, Q, D, B>
where
    B: FnMut() -> Option<bool>,
    F: MultiwriteNorFlash,
    S: SecureChannel + Default,
    Q: BorrowMut<Queues>,
    A: Application,
    D: DerefMut<Target = Device<A>>,
{
    fn handle<I: Write>(
        &mut self,
        request: Request<'_>,
        start: &mut impl FnMut(&Boot<'_>, &mut TurnPlatform<F, S, Q>) -> Result<D, Refusal>,
        port: &mut Port<'_, I>,
    ) -> Next {
        match request {
            Request::Hello { .. } => self.say_hello(port),
            Request::Reset => return Next::Reset,
            Request::Boot { session, boot } => return self.boot(session, &boot, start, port),
            Request::Input { turn, index, input } => self.take_input(turn, index, input),
            Request::Turn(turn) => self.turn(&turn, port),
            Request::ReadFlash { offset, len } => self.read_flash(offset, len, port),
            // What runs knows what the flash held.
            Request::EraseFlash | Request::WriteFlash { .. } if self.session.is_some() => return Next::Reset,
            Request::EraseFlash => self.erase_flash(port),
            Request::WriteFlash { offset, content } => self.write_flash(offset, content.0, port),
        }
        port.flush();
        Next::Request
    }

    fn say_hello<I: Write>(&mut self, port: &mut Port<'_, I>) {
        let flash_len = u32::try_from(self.platform.flash_mut().capacity()).unwrap_or(u32::MAX);
        let (firmware, session) = (self.firmware, self.session);
        port.send(&Response::Hello { protocol: PROTOCOL, firmware, flash_len, session });
        port.flush();
    }

    fn boot<I: Write>(
        &mut self,
        session: u32,
        boot: &Boot<'_>,
        start: &mut impl FnMut(&Boot<'_>, &mut TurnPlatform<F, S, Q>) -> Result<D, Refusal>,
        port: &mut Port<'_, I>,
    ) -> Next {
        if self.session.is_some_and(|running| running != session) {
            return Next::Reset;
        }
        if self.session.is_none() {
            arm(self.platform, &boot.armed);
            self.platform.power_on();
            match start(boot, self.platform) {
                Ok(device) => self.device = Some(device),
                Err(refusal) => {
                    port.send(&Response::Refused(refusal));
                    port.flush();
                    return Next::Request;
                }
            }
            self.session = Some(session);
        }
        port.send(&Response::Booted { session });
        port.flush();
        Next::Request
    }

    /// The number of the turn that is next.
    fn next_turn(&self) -> u32 {
        self.done.map_or(0, |done| done.turn).wrapping_add(1)
    }

    /// Takes an input unless it has come before, or one before it has not.
    fn take_input(&mut self, turn: u32, index: u16, input: Input<'_>) {
        if turn != self.next_turn() || index != self.inputs {
            return;
        }
        let queues = self.platform.queues();
        let has_room = match input {
            Input::Frame(frame) => queues.push_frame(frame.0),
            Input::Radio(event) => event.try_into().is_ok_and(|event| queues.push_radio_event(event)),
            Input::Button { at_us, down } => queues.push_button_edge(Instant::from_micros(at_us), down),
            Input::Console(text) => queues.push_console(text.0) == text.0.len(),
        };
        // The host knows how much room there is; what has none stays missing and the turn is not run.
        if has_room {
            self.inputs += 1;
        }
    }

    fn turn<I: Write>(&mut self, turn: &wire::Turn, port: &mut Port<'_, I>) {
        if let Some(done) = self.done.filter(|done| done.turn == turn.number) {
            return self.answer(done, port);
        }
        let next = self.next_turn();
        let Some(device) = &mut self.device else {
            return port.send(&Response::Refused(Refusal::NotRunning));
        };
        if turn.number != next {
            return port.send(&Response::Refused(Refusal::OutOfStep));
        }
        if turn.inputs != self.inputs {
            return port.send(&Response::InputsMissing { turn: next, from: self.inputs });
        }
        // The host has begun a new turn, so it has seen the last one. What a boot did belongs to the first turn.
        if self.done.is_some() {
            self.platform.queues().clear_effects();
        }
        // Behind the inputs, because the host has counted them already.
        if let Some(armed) = turn.armed {
            arm(self.platform, &armed);
        }
        let (now, until) = (Instant::from_micros(turn.now_us), Instant::from_micros(turn.until_us));
        if let Some(down) = (self.poll_button)() {
            // The device takes every edge in the turn, so that the host, which knows of none, misses none.
            self.platform.queues().push_button_edge(now, down);
        }
        let ended = turn::run(device, self.platform, now, until);
        if ended.end == TurnEnd::PowerLost {
            // Nobody takes them any more, a person's press included, of which the host does not know.
            self.platform.queues().clear_inputs();
        }
        self.inputs = 0;
        let done = Done {
            turn: next,
            effects: 0,
            at_us: ended.at.total_micros(),
            wake: ended.wake.into(),
            power_lost: ended.end == TurnEnd::PowerLost,
            waiting: self.platform.queues().waiting(),
            lost_effects: self.platform.queues().lost_effects(),
            armed: Armed {
                flash: *self.platform.flash_mut().state(),
                watch: (*self.platform.queues().watch()).into(),
            },
        };
        self.done = Some(done);
        self.answer(done, port);
    }

    /// Tells the effects of the last turn, which wait in the queues until the next one begins.
    fn answer<I: Write>(&mut self, done: Done, port: &mut Port<'_, I>) {
        let turn = done.turn;
        let mut effects = 0;
        let mut send = |effect| {
            port.send(&Response::Effect { turn, index: effects, effect });
            effects += 1;
        };
        for effect in self.platform.queues().effects() {
            match effect {
                Effect::Console(text) => pieces(text).for_each(|piece| send(wire::Effect::Console(piece))),
                effect => send(effect.into()),
            }
        }
        port.send(&Response::Done(Done { effects, ..done }));
    }

    fn read_flash<I: Write>(&mut self, offset: u32, len: u16, port: &mut Port<'_, I>) {
        let mut content = [0; FLASH_CONTENT_LEN_MAX];
        let flash = self.platform.flash_mut();
        let wanted = content.get_mut(..usize::from(len)).map(|content| flash.read_at_rest(offset, content));
        match wanted {
            Some(Ok(content)) => port.send(&Response::Flash { offset, content: Bytes(content) }),
            Some(Err(_)) | None => port.send(&Response::Refused(Refusal::Flash)),
        }
    }

    fn erase_flash<I: Write>(&mut self, port: &mut Port<'_, I>) {
        port.send(&match self.platform.flash_mut().erase_at_rest() {
            Ok(()) => Response::Erased,
            Err(_) => Response::Refused(Refusal::Flash),
        });
    }

    fn write_flash<I: Write>(&mut self, offset: u32, content: &[u8], port: &mut Port<'_, I>) {
        port.send(&match self.platform.flash_mut().write_at_rest(offset, content) {
            Ok(()) => Response::Written { offset },
            Err(_) => Response::Refused(Refusal::Flash),
        });
    }
}

fn arm<F: MultiwriteNorFlash, S: Default, Q: BorrowMut<Queues>>(
    platform: &mut TurnPlatform<F, S, Q>,
    armed: &Armed,
) {
    *platform.flash_mut().state_mut() = armed.flash;
    *platform.queues().watch() = armed.watch.into();
}

/// Cuts text into pieces that fit a message, between characters.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, tail) = rest.split_at(rest.floor_char_boundary(CONSOLE_TEXT_LEN_MAX));
        rest = tail;
        Some(piece)
    })
}
