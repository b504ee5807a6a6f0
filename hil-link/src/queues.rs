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
use crate::wire::Waiting;

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

/// One thing the device did, as the world sees it. Its `Debug` shows of a frame the length alone: passwords and tokens
/// travel in frames.
#[derive(Clone, Copy)]
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

impl fmt::Debug for Effect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(frame) => write!(f, "Frame of {} bytes", frame.len()),
            Self::Radio(command) => f.debug_tuple("Radio").field(command).finish(),
            Self::Pattern(pattern) => f.debug_tuple("Pattern").field(pattern).finish(),
            Self::Trace(event) => f.debug_tuple("Trace").field(event).finish(),
            Self::Console(text) => f.debug_tuple("Console").field(text).finish(),
            Self::Flash(operation) => f.debug_tuple("Flash").field(operation).finish(),
        }
    }
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
pub struct Queues {
    frames: FrameQueue,
    radio_events: Deque<RadioEvent, RADIO_EVENTS>,
    button_edges: Deque<(Instant, bool), BUTTON_EDGES>,
    console: Deque<u8, CONSOLE_BYTES>,
    effects: Effects,
}

impl Default for Queues {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl Queues {
    /// Empty queues.
    #[inline]
    pub const fn new() -> Self {
        Self {
            frames: FrameQueue::new(),
            radio_events: Deque::new(),
            button_edges: Deque::new(),
            console: Deque::new(),
            effects: Effects::new(),
        }
    }

    /// The point in what passes here that the world waits for.
    pub fn watch(&mut self) -> &mut Watch {
        &mut self.effects.watch
    }

    /// Gives the device a frame; `false` when it is too long or the queue is full and it is lost.
    pub fn push_frame(&mut self, frame: &[u8]) -> bool {
        let is_taken = self.frames.push(frame);
        if is_taken {
            self.effects.watch.on_frame_received();
        }
        is_taken
    }

    /// Whether another frame has room.
    pub fn has_room_for_frame(&self) -> bool {
        !self.frames.lens.is_full()
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
        self.frames.lens.is_empty()
            && self.radio_events.is_empty()
            && self.button_edges.is_empty()
            && self.console.is_empty()
    }

    /// Whether the device has done nothing that the world has not seen yet.
    pub fn has_no_effects(&self) -> bool {
        self.effects.list.is_empty()
    }

    /// How much the device has been given that it has not taken yet.
    pub fn waiting(&self) -> Waiting {
        // Every capacity is far below what 16 bits count.
        let count = |len| u16::try_from(len).unwrap_or(u16::MAX);
        Waiting {
            frames: count(self.frames.lens.len()),
            radio_events: count(self.radio_events.len()),
            button_edges: count(self.button_edges.len()),
            console: count(self.console.len()),
        }
    }

    /// What the device did, in order.
    pub fn effects(&self) -> impl Iterator<Item = Effect<'_>> {
        let Effects { list, bytes, .. } = &self.effects;
        list.iter().map(|stored| match stored {
            Stored::Frame { start, end } => Effect::Frame(bytes.get(*start, *end)),
            Stored::Radio(command) => Effect::Radio(command),
            Stored::Pattern(pattern) => Effect::Pattern(*pattern),
            Stored::Trace(event) => Effect::Trace(event),
            Stored::Console { start, end } => {
                Effect::Console(core::str::from_utf8(bytes.get(*start, *end)).unwrap_or_default())
            }
            Stored::Flash(operation) => Effect::Flash(*operation),
        })
    }

    /// How many effects had no room since the queues were made.
    pub fn lost_effects(&self) -> u32 {
        self.effects.lost
    }

    /// Forgets the effects, once the world has seen them.
    pub fn clear_effects(&mut self) {
        self.effects.list.clear();
        self.effects.bytes.len = 0;
    }

    /// Forgets what waits for the device, as when its power goes.
    pub fn clear_inputs(&mut self) {
        self.frames.lens.clear();
        self.radio_events.clear();
        self.button_edges.clear();
        self.console.clear();
    }

    /// The frames that wait for the device, oldest first.
    pub(crate) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.frames.iter()
    }

    /// The radio events that wait, oldest first.
    pub(crate) fn radio_events(&self) -> impl Iterator<Item = &RadioEvent> {
        self.radio_events.iter()
    }

    /// The button edges that wait, oldest first.
    pub(crate) fn button_edges(&self) -> impl Iterator<Item = (Instant, bool)> {
        self.button_edges.iter().copied()
    }

    /// What has been typed behind the first bytes, in two pieces.
    pub(crate) fn console(&self, skip: usize) -> [&[u8]; 2] {
        let (first, second) = self.console.as_slices();
        let skip_second = skip.saturating_sub(first.len());
        [first.get(skip..).unwrap_or_default(), second.get(skip_second..).unwrap_or_default()]
    }

    /// Forgets the inputs that a device elsewhere has taken: all but the last of each kind. `false` when more
    /// are to be kept than there are.
    pub(crate) fn keep_inputs(&mut self, waiting: &Waiting) -> bool {
        self.frames.keep_last(usize::from(waiting.frames))
            && keep_last(&mut self.radio_events, waiting.radio_events)
            && keep_last(&mut self.button_edges, waiting.button_edges)
            && keep_last(&mut self.console, waiting.console)
    }

    /// Takes over how many effects a device elsewhere had no room for.
    pub(crate) fn set_lost_effects(&mut self, lost_effects: u32) {
        self.effects.lost = lost_effects;
    }

    /// The oldest frame, which is taken, and the effects, in which its answer finds its place.
    pub(crate) fn pop_frame(&mut self) -> Option<(&[u8], &mut Effects)> {
        let Self { frames, effects, .. } = self;
        Some((frames.pop()?, effects))
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
        let Effects { list, bytes, watch, .. } = &self.effects;
        !watch.is_stopped()
            && list.len() + EFFECTS_KEPT_FREE < EFFECTS
            && bytes.len + 2 * FRAME_LEN_MAX <= EFFECT_BYTES
    }

    pub(crate) fn effects_mut(&mut self) -> &mut Effects {
        &mut self.effects
    }
}

/// Frames that wait for the device. Each has a place of its own from which it is not moved: smoltcp reads it
/// where it lies.
struct FrameQueue {
    places: [[u8; FRAME_LEN_MAX]; RECEIVE_FRAMES],
    /// The lengths of those that wait, the oldest first.
    lens: Deque<usize, RECEIVE_FRAMES>,
    /// The place of the oldest one.
    oldest: usize,
}

impl FrameQueue {
    #[inline]
    const fn new() -> Self {
        Self { places: [[0; FRAME_LEN_MAX]; RECEIVE_FRAMES], lens: Deque::new(), oldest: 0 }
    }

    fn push(&mut self, frame: &[u8]) -> bool {
        let free = (self.oldest + self.lens.len()) % RECEIVE_FRAMES;
        let place = self.places.get_mut(free).and_then(|place| place.get_mut(..frame.len()));
        let Some(place) = place.filter(|_| self.lens.push_back(frame.len()).is_ok()) else { return false };
        place.copy_from_slice(frame);
        true
    }

    /// The oldest first.
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let places = self.places.iter().cycle().skip(self.oldest);
        places.zip(&self.lens).map(|(place, len)| place.get(..*len).unwrap_or_default())
    }

    /// Forgets all but the last ones; `false` when there are not so many.
    fn keep_last(&mut self, len: usize) -> bool {
        while self.lens.len() > len && self.pop().is_some() {}
        self.lens.len() == len
    }

    fn pop(&mut self) -> Option<&[u8]> {
        let len = self.lens.pop_front()?;
        let place = self.places.get(self.oldest)?;
        self.oldest = (self.oldest + 1) % RECEIVE_FRAMES;
        place.get(..len)
    }
}

/// What the device did in one turn, in order.
pub(crate) struct Effects {
    list: Vec<Stored, EFFECTS>,
    bytes: Bytes,
    /// Effects that had no room. Anything but 0 is a fault of the device or of these capacities.
    lost: u32,
    watch: Watch,
}

impl Effects {
    #[inline]
    const fn new() -> Self {
        Self { list: Vec::new(), bytes: Bytes::new(), lost: 0, watch: Watch::new() }
    }

    /// Sends a frame of `len` bytes that `fill` writes.
    pub(crate) fn send_frame<R>(&mut self, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let start = self.bytes.len;
        if len <= FRAME_LEN_MAX
            && let Some(frame) = self.bytes.grow(len)
        {
            // What an earlier turn left there must not show through.
            frame.fill(0);
            let result = fill(frame);
            self.push(Stored::Frame { start, end: start + len });
            self.watch.on_frame_sent();
            return result;
        }
        // A token is only given out when there is room, so that this frame is longer than Ethernet allows.
        self.lost = self.lost.saturating_add(1);
        let mut nowhere = [0; 2 * FRAME_LEN_MAX];
        fill(nowhere.get_mut(..len).unwrap_or_default())
    }

    /// Takes over a frame that a device elsewhere sent.
    pub(crate) fn push_sent_frame(&mut self, frame: &[u8]) {
        self.send_frame(frame.len(), |room| {
            room.get_mut(..frame.len()).unwrap_or_default().copy_from_slice(frame);
        });
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
        let start = self.bytes.len;
        if fmt::write(&mut self.bytes, text).is_err() {
            self.bytes.len = start;
            self.lost = self.lost.saturating_add(1);
            return;
        }
        let len = self.bytes.len;
        // What is printed piece by piece counts as one effect: an echo has one piece for each byte typed.
        if let Some(Stored::Console { end, .. }) = self.list.last_mut()
            && *end == start
        {
            *end = len;
            return;
        }
        self.push(Stored::Console { start, end: len });
    }

    fn push(&mut self, stored: Stored) {
        if self.list.push(stored).is_err() {
            self.lost = self.lost.saturating_add(1);
        }
    }
}

fn keep_last<T, const N: usize>(queue: &mut Deque<T, N>, len: u16) -> bool {
    let len = usize::from(len);
    while queue.len() > len {
        queue.pop_front();
    }
    queue.len() == len
}

/// The frames and the text of one turn, one behind the other.
struct Bytes {
    content: [u8; EFFECT_BYTES],
    len: usize,
}

impl Bytes {
    #[inline]
    const fn new() -> Self {
        Self { content: [0; EFFECT_BYTES], len: 0 }
    }

    /// The next bytes, to be written over; `None` when there are not so many.
    fn grow(&mut self, len: usize) -> Option<&mut [u8]> {
        let (start, end) = (self.len, self.len + len);
        let grown = self.content.get_mut(start..end)?;
        self.len = end;
        Some(grown)
    }

    fn get(&self, start: usize, end: usize) -> &[u8] {
        self.content.get(start..end).unwrap_or_default()
    }
}

impl fmt::Write for Bytes {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.grow(text.len()).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_however_the_places_lie() {
        let mut queues = Queues::default();
        let frame = |number: usize| [number as u8; FRAME_LEN_MAX];
        let len = |number: usize| 14 + number * 70;
        for round in 0..3 {
            for number in 0..RECEIVE_FRAMES {
                assert!(queues.has_room_for_frame(), "{number} in round {round}");
                assert!(queues.push_frame(&frame(number)[..len(number)]));
            }
            assert!(!queues.has_room_for_frame());
            assert!(!queues.push_frame(&[7]), "one more is lost");
            for number in 0..RECEIVE_FRAMES {
                let (found, _) = queues.pop_frame().unwrap();
                assert_eq!(found, &frame(number)[..len(number)]);
            }
            assert!(queues.pop_frame().is_none());
            // The next round begins in the middle.
            assert!(queues.push_frame(&[1; 3]) && queues.pop_frame().is_some());
        }
    }

    #[test]
    fn a_frame_longer_than_ethernet_allows_is_lost() {
        let mut queues = Queues::default();
        assert!(!queues.push_frame(&[0; FRAME_LEN_MAX + 1]));
        assert!(queues.is_idle());
        assert!(queues.push_frame(&[0; FRAME_LEN_MAX]));
        queues.effects_mut().send_frame(FRAME_LEN_MAX + 1, |frame| frame.fill(1));
        assert_eq!((queues.effects().count(), queues.lost_effects()), (0, 1));
    }

    #[test]
    fn what_is_in_a_frame_is_not_shown() {
        assert_eq!(std::format!("{:?}", Effect::Frame(b"correct horse")), "Frame of 13 bytes");
    }

    #[test]
    fn an_earlier_turn_does_not_show_through() {
        let mut queues = Queues::default();
        queues.effects_mut().push_console_text(format_args!("{}", "secret"));
        queues.clear_effects();
        queues.effects_mut().send_frame(4, |frame| frame[0] = 1);
        let mut effects = queues.effects();
        assert!(matches!(effects.next(), Some(Effect::Frame([1, 0, 0, 0]))));
        assert!(effects.next().is_none());
    }

    #[test]
    fn text_without_room_is_lost_as_a_whole() {
        let mut queues = Queues::default();
        let effects = queues.effects_mut();
        (0..EFFECT_BYTES / 1_000).for_each(|_| effects.push_console_text(format_args!("{:1000}", "")));
        effects.push_console_text(format_args!("{:1000}", "more than there is room for"));
        effects.push_console_text(format_args!("{}", "fits"));
        assert_eq!(queues.lost_effects(), 1);
        let mut effects = queues.effects();
        let Some(Effect::Console(text)) = effects.next() else { panic!("text") };
        assert_eq!((text.len(), text.ends_with("fits")), (EFFECT_BYTES / 1_000 * 1_000 + 4, true));
        assert!(effects.next().is_none());
    }
}
