//! What passes through the seam in one turn: inputs for the device in one queue each, its effects in one
//! ordered list. The capacities are the same on every target.

use core::fmt;

use firmware_core::Instant;
use firmware_core::hal::{RadioCommand, RadioEvent};
use firmware_core::panel::Pattern;
use firmware_core::trace::Event;
use heapless::{Deque, Vec};

use crate::cut_flash::FlashOperation;
use crate::watch::Watch;

/// Ethernet's payload of 1,500 bytes with its header of 14.
pub const FRAME_LEN_MAX: usize = 1_514;
/// Frames that can wait for the device; a radio's driver has about as many buffers.
pub const RECEIVE_FRAMES: usize = 16;
/// Radio events that can wait: the networks of one scan and a few more.
const RADIO_EVENTS: usize = 80;
/// Button edges that can wait: a bouncing press.
const BUTTON_EDGES: usize = 32;
/// Console bytes that can wait: one line of Edgent's console.
const CONSOLE_BYTES: usize = 256;
/// Effects of one turn.
const EFFECTS: usize = 96;
/// Effects that are kept free for everything that is not a frame.
const EFFECTS_KEPT_FREE: usize = 48;
/// Bytes of frames and text of one turn.
const EFFECT_BYTES: usize = 16 * FRAME_LEN_MAX;

/// One frame in a fixed buffer.
pub type FrameBuffer = Vec<u8, FRAME_LEN_MAX>;

/// One thing the device did, as the world sees it.
#[derive(Clone, Copy, Debug)]
pub enum Effect<'a> {
    /// It sent a frame.
    Frame(&'a [u8]),
    /// It told its radio something.
    Radio(&'a RadioCommand),
    /// It changed what the indicator shows.
    Pattern(Pattern),
    /// It told what it does.
    Trace(&'a Event),
    /// It printed text on the serial line.
    Console(&'a str),
    /// It touched its flash.
    Flash(FlashOperation),
}

enum Stored {
    Frame { start: usize, end: usize },
    Radio(RadioCommand),
    Pattern(Pattern),
    Trace(Event),
    Console { start: usize, end: usize },
    Flash(FlashOperation),
}

/// The queues of one device.
#[derive(Default)]
pub struct Queues {
    frames: Deque<FrameBuffer, RECEIVE_FRAMES>,
    radio_events: Deque<RadioEvent, RADIO_EVENTS>,
    button_edges: Deque<(Instant, bool), BUTTON_EDGES>,
    console: Deque<u8, CONSOLE_BYTES>,
    effects: Vec<Stored, EFFECTS>,
    bytes: Vec<u8, EFFECT_BYTES>,
    /// Effects that had no room. Anything but 0 is a fault of the device or of these capacities.
    lost_effects: u32,
    watch: Watch,
}

impl Queues {
    /// The point in what passes here that the world waits for.
    pub fn watch(&mut self) -> &mut Watch {
        &mut self.watch
    }

    /// Gives the device a frame; `false` when it is too long or the queue is full and it is lost.
    pub fn push_frame(&mut self, frame: &[u8]) -> bool {
        let is_taken = FrameBuffer::from_slice(frame).is_ok_and(|frame| self.frames.push_back(frame).is_ok());
        if is_taken {
            self.watch.on_frame_received();
        }
        is_taken
    }

    /// Whether another frame has room.
    pub fn has_room_for_frame(&self) -> bool {
        !self.frames.is_full()
    }

    /// Gives the device a radio event; `false` when the queue is full and it is lost.
    pub fn push_radio_event(&mut self, event: RadioEvent) -> bool {
        self.radio_events.push_back(event).is_ok()
    }

    /// Tells the device that the button's level changed; `false` when the queue is full.
    pub fn push_button_edge(&mut self, at: Instant, down: bool) -> bool {
        self.button_edges.push_back((at, down)).is_ok()
    }

    /// Types on the device's console; returns how many bytes had room.
    pub fn push_console(&mut self, bytes: &[u8]) -> usize {
        bytes.iter().take_while(|byte| self.console.push_back(**byte).is_ok()).count()
    }

    /// Whether the device has been given nothing that it has not taken yet.
    pub fn is_idle(&self) -> bool {
        self.frames.is_empty()
            && self.radio_events.is_empty()
            && self.button_edges.is_empty()
            && self.console.is_empty()
    }

    /// What the device did, in order.
    pub fn effects(&self) -> impl Iterator<Item = Effect<'_>> {
        self.effects.iter().map(|stored| match stored {
            Stored::Frame { start, end } => Effect::Frame(self.bytes.get(*start..*end).unwrap_or_default()),
            Stored::Radio(command) => Effect::Radio(command),
            Stored::Pattern(pattern) => Effect::Pattern(*pattern),
            Stored::Trace(event) => Effect::Trace(event),
            Stored::Console { start, end } => {
                let text = self.bytes.get(*start..*end).unwrap_or_default();
                Effect::Console(core::str::from_utf8(text).unwrap_or_default())
            }
            Stored::Flash(operation) => Effect::Flash(*operation),
        })
    }

    /// How many effects had no room since the queues were made.
    pub fn lost_effects(&self) -> u32 {
        self.lost_effects
    }

    /// Forgets the effects, once the world has seen them.
    pub fn clear_effects(&mut self) {
        self.effects.clear();
        self.bytes.clear();
    }

    /// Forgets what waits for the device, as when its power goes.
    pub fn clear_inputs(&mut self) {
        self.frames.clear();
        self.radio_events.clear();
        self.button_edges.clear();
        self.console.clear();
    }

    pub(crate) fn pop_frame(&mut self) -> Option<FrameBuffer> {
        self.frames.pop_front()
    }

    pub(crate) fn pop_radio_event(&mut self) -> Option<RadioEvent> {
        self.radio_events.pop_front()
    }

    pub(crate) fn pop_button_edge(&mut self) -> Option<(Instant, bool)> {
        self.button_edges.pop_front()
    }

    pub(crate) fn pop_console(&mut self) -> Option<u8> {
        self.console.pop_front()
    }

    /// Whether a frame of full length can be sent now. If not, it waits for the next turn.
    pub(crate) fn has_room_to_send(&self) -> bool {
        !self.watch.is_stopped()
            && self.effects.len() + EFFECTS_KEPT_FREE < EFFECTS
            && self.bytes.len() + 2 * FRAME_LEN_MAX <= EFFECT_BYTES
    }

    /// Sends a frame of `len` bytes that `fill` writes.
    pub(crate) fn send_frame<R>(&mut self, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let start = self.bytes.len();
        if len <= FRAME_LEN_MAX && self.bytes.resize_default(start + len).is_ok() {
            let result = fill(self.bytes.get_mut(start..).unwrap_or_default());
            self.push(Stored::Frame { start, end: start + len });
            self.watch.on_frame_sent();
            return result;
        }
        // A token is only given out when there is room, so that this frame is longer than Ethernet allows.
        self.lost_effects = self.lost_effects.saturating_add(1);
        let mut nowhere = [0; 2 * FRAME_LEN_MAX];
        fill(nowhere.get_mut(..len).unwrap_or_default())
    }

    pub(crate) fn push_radio_command(&mut self, command: RadioCommand) {
        self.push(Stored::Radio(command));
    }

    pub(crate) fn push_pattern(&mut self, pattern: Pattern) {
        self.push(Stored::Pattern(pattern));
    }

    pub(crate) fn push_trace(&mut self, event: Event) {
        self.watch.on_trace(&event);
        self.push(Stored::Trace(event));
    }

    pub(crate) fn push_flash(&mut self, operation: FlashOperation) {
        self.push(Stored::Flash(operation));
    }

    pub(crate) fn push_console_text(&mut self, text: fmt::Arguments<'_>) {
        let start = self.bytes.len();
        let written = fmt::write(&mut TextWriter(&mut self.bytes), text);
        if written.is_err() {
            self.bytes.truncate(start);
            self.lost_effects = self.lost_effects.saturating_add(1);
            return;
        }
        let len = self.bytes.len();
        // What is printed piece by piece counts as one effect: an echo has one piece for each byte typed.
        if let Some(Stored::Console { end, .. }) = self.effects.last_mut()
            && *end == start
        {
            *end = len;
            return;
        }
        self.push(Stored::Console { start, end: len });
    }

    fn push(&mut self, stored: Stored) {
        if self.effects.push(stored).is_err() {
            self.lost_effects = self.lost_effects.saturating_add(1);
        }
    }
}

struct TextWriter<'a>(&'a mut Vec<u8, EFFECT_BYTES>);

impl fmt::Write for TextWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes()).map_err(|_| fmt::Error)
    }
}
