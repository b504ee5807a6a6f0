//! A device in the world: its power, its boots, its turns and what they lead to.

use std::borrow::Cow;

use firmware_core::hal::{Boot, RadioCommand, ResetCause, Wake, WakeReason};
use firmware_core::product::Product;
use firmware_core::random::SplitMix64;
use firmware_core::trace::{Event as DeviceEvent, State};
use hil_link::cut_flash::{FlashOperation, FlashOperationKind};
use hil_link::queues::Effect;
use hil_link::turn_platform::TurnEnd;
use memchr::memchr;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;

use super::{BOOT_TIME, Clock, Event, NodeId, World, WorldError};
use crate::actor::Port;
use crate::executor::{Executor, ExecutorError};
use crate::trace::What;

/// A 4 KiB sector takes this long to erase (typical of SPI NOR flash).
const ERASE_TIME: Duration = Duration::from_millis(45);
/// A page takes this long to program (typical of SPI NOR flash).
const PROGRAM_TIME: Duration = Duration::from_micros(700);
/// Polls in a row that a device may ask for without time passing.
const POLLS_MAX: u32 = 1_000;

/// Broadcasts that a device may send its home network in ten seconds: DHCP asks every three seconds, ARP once
/// a second, and both again after each association.
pub const BROADCASTS_MAX: u32 = 60;
/// Broadcasts are counted for so long.
const STORM_TIME: Duration = Duration::from_secs(10);

/// Whether a device has power, and what it does with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Power {
    /// No power.
    Off,
    /// Power, but the firmware has not started yet.
    Starting,
    /// The firmware runs.
    Running,
}

/// One device under test.
pub struct DeviceNode {
    pub(crate) executor: Box<dyn Executor>,
    product: Product,
    mac: EthernetAddress,
    uptime: Duration,
    clock: Clock,
    power: Power,
    boots: u32,
    /// Counts power-ons and restarts, so that a start that was overtaken does not happen.
    epoch: u32,
    /// Flash is being written until then; the processor waits.
    busy_until: Instant,
    last_wake: Option<WakeReason>,
    state: State,
    last_error: u16,
    /// The console's present line, until its end comes.
    line: String,
    /// The supply sags when the radio is next switched on.
    brownout: bool,
    /// The next erase is to fail.
    erase_failure: bool,
    /// The radio cannot do the next scan.
    scan_failure: bool,
    fault_fired: bool,
    /// It has come to a point at which its power goes, once its flash is done.
    is_lost: bool,
    /// Whether a finger is on the button, with power or without.
    is_button_down: bool,
    /// How often its power went in the middle of a flash operation.
    cuts: u32,
    /// How many steps its flash had done when somebody last looked at it.
    flash_seen_at: u64,
    /// How many broadcasts it has sent as a station, and since when.
    broadcasts: (u32, Instant),
}

impl DeviceNode {
    /// A device without power. `uptime` is what its milliseconds counter starts at.
    pub fn new(
        executor: Box<dyn Executor>,
        product: Product,
        mac: EthernetAddress,
        uptime: Duration,
    ) -> Self {
        Self {
            executor,
            product,
            mac,
            uptime,
            clock: Clock::default(),
            power: Power::Off,
            boots: 0,
            epoch: 0,
            busy_until: Instant::ZERO,
            last_wake: None,
            state: State::Init,
            last_error: 0,
            line: String::new(),
            brownout: false,
            erase_failure: false,
            scan_failure: false,
            fault_fired: false,
            is_lost: false,
            is_button_down: false,
            cuts: 0,
            flash_seen_at: 0,
            broadcasts: (0, Instant::ZERO),
        }
    }

    /// The same device with a clock that runs fast or slow.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Lets its clock gain so many microseconds in a second from now on, or lose them; returns whether that is new.
    pub(super) fn set_drift(&mut self, now: Instant, drift_ppm: i32) -> bool {
        let is_new = self.clock.drift_ppm() != drift_ppm;
        if is_new {
            self.clock = self.clock.with_drift(now, drift_ppm);
        }
        is_new
    }

    /// Lets its millisecond counter start here from its next boot on.
    pub fn set_uptime(&mut self, uptime: Duration) {
        self.uptime = uptime;
    }

    /// Its station address.
    pub fn mac(&self) -> EthernetAddress {
        self.mac
    }

    /// What it is.
    pub fn product(&self) -> &Product {
        &self.product
    }

    /// Whether it has power.
    pub fn power(&self) -> Power {
        self.power
    }

    /// Its state, as it last told.
    pub fn state(&self) -> State {
        self.state
    }

    /// What it reports as `last_error`.
    pub fn last_error(&self) -> u16 {
        self.last_error
    }

    /// How often it has started.
    pub fn boots(&self) -> u32 {
        self.boots
    }

    /// Whether its firmware runs.
    pub fn is_running(&self) -> bool {
        self.power == Power::Running && !self.is_lost
    }

    /// How often its power went in the middle of a flash operation.
    pub(crate) fn cuts(&self) -> u32 {
        self.cuts
    }

    /// Whether it has done something to its flash since this was asked last.
    pub(crate) fn has_changed_flash(&mut self) -> bool {
        let steps = self.executor.flash_state().steps;
        std::mem::replace(&mut self.flash_seen_at, steps) != steps
    }

    /// Counts a broadcast; returns whether it is one too many. Those of its own access point are answers to phones.
    pub(super) fn note_broadcast(&mut self, at: Instant, frame: &[u8]) -> bool {
        if frame.get(6..12) != Some(self.mac.as_bytes()) {
            return false;
        }
        let (count, since) = &mut self.broadcasts;
        if at >= *since + STORM_TIME {
            (*count, *since) = (0, at);
        }
        *count += 1;
        *count > BROADCASTS_MAX
    }

    /// Lets the supply sag when the radio is next switched on.
    pub(crate) fn arm_brownout(&mut self) {
        self.brownout = true;
    }

    /// Lets the next erase fail.
    pub(crate) fn arm_erase_failure(&mut self) {
        self.erase_failure = true;
        self.executor.flash_state().fails_next_erase = true;
    }

    /// Lets the radio fail the next scan.
    pub(crate) fn arm_scan_failure(&mut self) {
        self.scan_failure = true;
    }

    /// Whether the fault that was armed last has happened.
    pub(crate) fn fault_fired(&mut self) -> bool {
        self.fault_fired || (self.erase_failure && !self.executor.flash_state().fails_next_erase)
    }

    /// Forgets an armed fault.
    pub(crate) fn clear_fault(&mut self) {
        self.brownout = false;
        self.erase_failure = false;
        self.scan_failure = false;
        self.fault_fired = false;
        self.executor.flash_state().disarm();
        self.executor.queues().watch().disarm();
    }

    /// Counts power-ons and restarts.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(super) fn wake_reason(&self) -> String {
        match (self.power, self.last_wake) {
            (Power::Off, _) => String::from("nothing, it has no power"),
            (_, Some(reason)) => format!("{reason:?}"),
            (_, None) => String::from("more to do at once"),
        }
    }

    pub(super) fn power_on(&mut self) -> Option<u32> {
        if self.power != Power::Off {
            return None;
        }
        self.power = Power::Starting;
        self.epoch += 1;
        Some(self.epoch)
    }

    /// Returns whether there was power.
    pub(super) fn power_off(&mut self) -> bool {
        let had_power = self.power != Power::Off;
        self.stop(Power::Off);
        had_power
    }

    fn stop(&mut self, power: Power) {
        self.executor.power_off();
        self.power = power;
        self.is_lost = false;
        self.epoch += 1;
        self.state = State::Init;
        self.last_error = 0;
        self.line.clear();
    }

    pub(super) fn set_button(&mut self, now: Instant, down: bool) {
        self.is_button_down = down;
        if self.is_running() {
            self.executor.queues().push_button_edge(self.clock.device_time(now), down);
        }
    }

    /// Starts the firmware, unless the start has been overtaken.
    ///
    /// # Errors
    /// When the device cannot be reached or does not start.
    pub(super) fn boot(
        &mut self,
        now: Instant,
        epoch: u32,
        cause: ResetCause,
        seed: u64,
    ) -> Result<bool, ExecutorError> {
        if epoch != self.epoch || self.power != Power::Starting {
            return Ok(false);
        }
        self.power = Power::Running;
        self.boots += 1;
        self.busy_until = now;
        let seed = SplitMix64::new(seed ^ u64::from(self.boots)).next_u64();
        let now = self.clock.device_time(now);
        self.executor.boot(Boot {
            now,
            uptime: self.uptime,
            seed,
            cause,
            mac: self.mac,
            product: self.product,
        })?;
        if self.is_button_down {
            self.executor.queues().push_button_edge(now, true);
        }
        Ok(true)
    }
}

/// What is left to do once the effects of a turn have been taken down.
pub(super) enum Follow {
    Frame(Instant, Vec<u8>),
    /// Behind a pointer, because commands are long and few, and frames are many.
    Radio(Instant, Box<RadioCommand>),
}

impl World {
    pub(super) fn poll_device(&mut self, index: usize) {
        let node = NodeId::Device(index);
        for _ in 0..POLLS_MAX {
            let Some(device) = self.devices.get_mut(index) else { return };
            if !device.is_running() {
                return;
            }
            if device.busy_until > self.now {
                self.agenda.set_wake(node, Some(device.busy_until));
                return;
            }
            self.agenda.set_wake(node, None);
            let until = self.quiet_until();
            let Some(device) = self.devices.get_mut(index) else { return };
            let clock = device.clock;
            let turn = match device.executor.turn(clock.device_time(self.now), clock.device_limit(until)) {
                Ok(turn) => turn,
                Err(error) => return self.lose_device(index, error),
            };
            // Nothing else was to happen before, or the device would not have run ahead.
            self.now = clock.world_time(turn.at).max(self.now);
            let done_at = match self.take_effects(index) {
                Ok(done_at) => done_at,
                Err(at) => return self.brown_out(index, at),
            };
            if !self.passes_point(index, done_at) {
                return self.agenda.set_wake(node, None);
            }
            if turn.end == TurnEnd::PowerLost {
                self.trace.push(self.now, node, What::PowerCut);
                if let Some(device) = self.devices.get_mut(index) {
                    device.fault_fired = true;
                    device.cuts += 1;
                    device.stop(Power::Off);
                }
                return self.vanish(node);
            }
            match self.unless_inputs_wait(index, turn.wake) {
                Wake::Now if done_at == self.now => {}
                wake => return self.on_wake(index, wake, done_at),
            }
        }
        self.agenda.set_wake(node, Some(self.now));
    }

    /// Notices that a device has come to the point that is armed: something happens as soon as its flash is done
    /// with what came before. Returns whether the device itself goes on.
    fn passes_point(&mut self, index: usize, done_at: Instant) -> bool {
        let Some(device) = self.devices.get_mut(index) else { return true };
        let watch = device.executor.queues().watch();
        if !watch.take_reached() {
            return true;
        }
        device.is_lost = watch.is_stopped();
        let at = done_at.max(device.busy_until);
        self.queue.schedule(at, Event::Point { device: index, epoch: device.epoch });
        !device.is_lost
    }

    pub(super) fn on_point(&mut self, index: usize, epoch: u32) {
        let Some(device) = self.devices.get_mut(index) else { return };
        device.fault_fired = true;
        if device.is_lost && device.epoch == epoch {
            self.power_off(index);
        }
    }

    /// A device that has said a lot leaves inputs for its next turn, which is then due at once.
    fn unless_inputs_wait(&mut self, index: usize, wake: Wake) -> Wake {
        let is_idle = |device: &mut DeviceNode| device.executor.queues().is_idle();
        match wake {
            Wake::At(..) | Wake::OnEvent if !self.devices.get_mut(index).is_none_or(is_idle) => Wake::Now,
            wake => wake,
        }
    }

    /// The time before which nothing happens but by the device whose turn it is.
    fn quiet_until(&self) -> Instant {
        if self.agenda.has_due() {
            return self.now;
        }
        // What happens at the limit still belongs to the step.
        let limit = self.limit + Duration::from_micros(1);
        self.next_at().map_or(limit, |next| next.min(limit))
    }

    /// A device that cannot be reached any more ends the run.
    pub(super) fn lose_device(&mut self, index: usize, error: ExecutorError) {
        if let Some(device) = self.devices.get_mut(index) {
            device.stop(Power::Off);
        }
        self.vanish(NodeId::Device(index));
        self.error = Some(WorldError::Device(index, error));
    }

    fn on_wake(&mut self, index: usize, wake: Wake, done_at: Instant) {
        let node = NodeId::Device(index);
        let Some(device) = self.devices.get_mut(index) else { return };
        device.busy_until = done_at;
        let (at, reason) = match wake {
            Wake::Now => (Some(done_at), None),
            Wake::At(at, reason) => (Some(device.clock.world_time(at).max(done_at)), Some(reason)),
            Wake::OnEvent if done_at > self.now => (Some(done_at), None),
            Wake::OnEvent => (None, None),
            Wake::Reboot(cause) => {
                device.stop(Power::Starting);
                let epoch = device.epoch;
                self.vanish(node);
                self.queue.schedule(done_at + BOOT_TIME, Event::Boot { device: index, epoch, cause });
                return;
            }
        };
        device.last_wake = reason;
        self.agenda.set_wake(node, at);
    }

    /// The supply sags as the radio starts.
    fn brown_out(&mut self, index: usize, at: Instant) {
        let Some(device) = self.devices.get_mut(index) else { return };
        device.brownout = false;
        device.fault_fired = true;
        self.reset_at(index, at, ResetCause::Brownout);
    }

    /// Resets a device that has power: the processor starts again, as after any loss of power.
    pub fn reset(&mut self, index: usize, cause: ResetCause) {
        if self.devices.get(index).is_some_and(|device| device.power != Power::Off) {
            self.reset_at(index, self.now, cause);
        }
    }

    fn reset_at(&mut self, index: usize, at: Instant, cause: ResetCause) {
        let node = NodeId::Device(index);
        let Some(device) = self.devices.get_mut(index) else { return };
        device.stop(Power::Starting);
        let epoch = device.epoch;
        let what = if cause == ResetCause::Watchdog { What::Watchdog } else { What::Brownout };
        self.trace.push(at, node, what);
        self.vanish(node);
        self.queue.schedule(at + BOOT_TIME, Event::Boot { device: index, epoch, cause });
    }

    /// Takes down what the device did in a turn; returns when its flash is done.
    ///
    /// # Errors
    /// When its supply could not bear the radio: the time at which it sagged.
    fn take_effects(&mut self, index: usize) -> Result<Instant, Instant> {
        let node = NodeId::Device(index);
        let mut at = self.now;
        let mut follow = std::mem::take(&mut self.follow);
        let Some(device) = self.devices.get_mut(index) else { return Ok(at) };
        let DeviceNode { executor, state, last_error, line, brownout, scan_failure, fault_fired, .. } =
            device;
        let queues = executor.queues();
        for effect in queues.effects() {
            match effect {
                Effect::Frame(frame) => follow.push(Follow::Frame(at, frame.to_vec())),
                Effect::Radio(command) => {
                    if *brownout && *command != RadioCommand::Off {
                        return Err(at);
                    }
                    if matches!(command, RadioCommand::Scan { .. }) && std::mem::take(scan_failure) {
                        *fault_fired = true;
                        self.air.fail_next_scan(node);
                    }
                    self.trace.push(at, node, What::Radio(command.clone()));
                    follow.push(Follow::Radio(at, Box::new(command.clone())));
                }
                Effect::Pattern(pattern) => self.trace.push(at, node, What::Pattern(pattern)),
                Effect::Trace(event) => {
                    match event {
                        DeviceEvent::State { to, .. } => *state = *to,
                        DeviceEvent::LastError(code) => *last_error = *code,
                        _ => {}
                    }
                    self.trace.push(at, node, What::Device(event.clone()));
                }
                Effect::Console(text) => take_console(line, text, |line| {
                    self.trace.push_printed(at, node, line);
                }),
                Effect::Flash(operation) => {
                    at += flash_time(operation);
                    self.trace.push(at, node, What::Flash(operation));
                }
            }
        }
        queues.clear_effects();
        if queues.lost_effects() > 0 {
            self.error = Some(WorldError::EffectsLost(index));
        }
        for what in follow.drain(..) {
            match what {
                Follow::Frame(at, frame) => self.send(at, node, Port::Air, frame),
                Follow::Radio(at, command) => self.command_radio(at, node, &command),
            }
        }
        self.follow = follow;
        Ok(at)
    }
}

/// How long a device is busy with an operation.
pub(crate) fn flash_time(operation: FlashOperation) -> Duration {
    match operation.kind {
        FlashOperationKind::Erase => ERASE_TIME,
        FlashOperationKind::Program => PROGRAM_TIME,
    }
}

/// Splits console output into lines.
fn take_console(line: &mut String, text: &str, mut push: impl FnMut(&str)) {
    let mut rest = text;
    while let Some(end) = memchr(b'\n', rest.as_bytes()) {
        let last = shown(&rest[..end]);
        if line.is_empty() {
            push(&last);
        } else {
            line.push_str(&last);
            push(line);
            line.clear();
        }
        rest = &rest[end + 1..];
    }
    if !rest.is_empty() {
        line.push_str(&shown(rest));
    }
}

/// What is seen of a piece of one line: a carriage return shows nothing.
fn shown(text: &str) -> Cow<'_, str> {
    let text = text.strip_suffix('\r').unwrap_or(text);
    if memchr(b'\r', text.as_bytes()).is_some() {
        Cow::Owned(text.replace('\r', ""))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn console_lines_are_put_together_from_pieces() {
        let mut line = String::from("a");
        let mut lines = Vec::new();
        for text in ["b\r\n\r\nc\rd\r\ne\r", "\nf", "g\r\n\r", ">"] {
            take_console(&mut line, text, |line| lines.push(line.to_owned()));
        }
        assert_eq!(lines, ["ab", "", "cd", "e", "fg"]);
        assert_eq!(line, ">");
    }
}
