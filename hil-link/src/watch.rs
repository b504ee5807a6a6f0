//! One named point in a device's life at which the world wants something to happen: a frame that it sends or
//! hears, a state that it enters.
//!
//! It does nothing by itself but count. Where power is to go at the point, it says so in the middle of the
//! turn, and nothing that the device does behind the point gets out or reaches its flash.

use firmware_core::trace::{Event, State};

/// A point, counted from its arming on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Point {
    /// The device sends this frame, 1 being the next.
    FrameSent(u32),
    /// This frame reaches the device, 1 being the next.
    FrameReceived(u32),
    /// The device enters this state.
    StateEntered(State),
}

/// What becomes of the device at the point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AtPoint {
    /// It goes on; somebody else acts.
    Continues,
    /// Its power goes.
    Stops,
}

/// Waits for at most one point. An armed point outlives restarts and losses of power.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    pub(crate) armed: Option<(Point, AtPoint)>,
    pub(crate) is_reached: bool,
    pub(crate) is_stopped: bool,
}

impl Watch {
    /// Waits for nothing.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { armed: None, is_reached: false, is_stopped: false }
    }

    /// Waits for a point from now on, in place of any other.
    pub const fn arm(&mut self, point: Point, at_point: AtPoint) {
        self.armed = Some((point, at_point));
        self.is_reached = false;
    }

    /// Waits for nothing, and forgets that a point was reached.
    pub const fn disarm(&mut self) {
        self.armed = None;
        self.is_reached = false;
    }

    /// Whether the point has been reached and nobody has asked yet.
    pub(crate) const fn is_reached(&self) -> bool {
        self.is_reached
    }

    /// Whether the point has been reached since it was armed; says so once.
    pub const fn take_reached(&mut self) -> bool {
        core::mem::replace(&mut self.is_reached, false)
    }

    /// Whether power went at the point and has not come back.
    pub const fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Power is back.
    pub(crate) const fn power_on(&mut self) {
        self.is_stopped = false;
    }

    pub(crate) fn on_frame_sent(&mut self) {
        if let Some((Point::FrameSent(left), at_point)) = &mut self.armed {
            *left = left.saturating_sub(1);
            if *left == 0 {
                let at_point = *at_point;
                self.reach(at_point);
            }
        }
    }

    pub(crate) fn on_frame_received(&mut self) {
        if let Some((Point::FrameReceived(left), at_point)) = &mut self.armed {
            *left = left.saturating_sub(1);
            if *left == 0 {
                let at_point = *at_point;
                self.reach(at_point);
            }
        }
    }

    pub(crate) fn on_trace(&mut self, event: &Event) {
        if let (Some((Point::StateEntered(state), at_point)), Event::State { to, .. }) = (self.armed, event)
            && state == *to
        {
            self.reach(at_point);
        }
    }

    fn reach(&mut self, at_point: AtPoint) {
        self.armed = None;
        self.is_reached = true;
        self.is_stopped |= at_point == AtPoint::Stops;
    }
}

#[cfg(test)]
mod tests {
    use embedded_storage::nor_flash::NorFlash;
    use firmware_core::Instant;
    use firmware_core::hal::{Platform, TraceSink};
    use smoltcp::phy::{Device, TxToken};

    use super::*;
    use crate::cut_flash::{ArrayFlash, CutFlash};
    use crate::queues::Effect;
    use crate::turn_platform::{TurnEnd, TurnPlatform};

    type Seam = TurnPlatform<ArrayFlash<8192>>;

    fn seam(point: Point, at_point: AtPoint) -> Seam {
        let mut seam = TurnPlatform::new(CutFlash::new(ArrayFlash::new()));
        seam.queues().watch().arm(point, at_point);
        seam
    }

    fn enter(seam: &mut Seam, to: State) {
        seam.trace(Event::State { from: State::Init, to });
    }

    /// Sends a frame if there is room for it.
    fn send(seam: &mut Seam) -> bool {
        let token = seam.phy().transmit(Instant::ZERO);
        token.map(|token| token.consume(60, |frame| frame.fill(1))).is_some()
    }

    fn effects(seam: &mut Seam) -> usize {
        seam.queues().effects().count()
    }

    #[test]
    fn behind_a_stop_nothing_gets_out_and_nothing_is_written() {
        let mut seam = seam(Point::StateEntered(State::Running), AtPoint::Stops);
        assert_eq!(seam.flash().write(0, &[0; 4]), Ok(()));
        enter(&mut seam, State::ConnectingCloud);
        assert!(send(&mut seam));
        enter(&mut seam, State::Running);
        let before = effects(&mut seam);
        assert!(matches!(seam.queues().effects().last(), Some(Effect::Trace(Event::State { .. }))));
        assert!(seam.flash().write(4, &[0; 4]).is_err());
        assert!(!send(&mut seam));
        enter(&mut seam, State::Error);
        assert_eq!((seam.end_turn(), effects(&mut seam)), (TurnEnd::PowerLost, before));
        assert_eq!(seam.flash_mut().inner().bytes()[..8], [0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        seam.power_on();
        assert!(send(&mut seam) && seam.flash().write(4, &[0; 4]).is_ok());
        enter(&mut seam, State::Running);
        assert_eq!(seam.end_turn(), TurnEnd::Alive, "a point is reached once");
    }

    #[test]
    fn frames_are_counted_from_the_arming_on_and_by_their_direction() {
        let mut seam = seam(Point::FrameSent(3), AtPoint::Stops);
        assert!(send(&mut seam));
        seam.queues().watch().arm(Point::FrameSent(2), AtPoint::Stops);
        assert!((0..9).all(|_| seam.queues().push_frame(&[1])));
        assert!(send(&mut seam) && !seam.queues().watch().take_reached());
        assert!(send(&mut seam) && seam.queues().watch().is_stopped());
        assert!(!send(&mut seam), "the second was the last");
        assert_eq!(seam.end_turn(), TurnEnd::PowerLost);

        let mut seam = self::seam(Point::FrameSent(2), AtPoint::Stops);
        let wire = seam.phy();
        let sent = (0..4).filter(|_| {
            wire.transmit(Instant::ZERO).map(|token| token.consume(60, |frame| frame.fill(1))).is_some()
        });
        assert_eq!(sent.count(), 2, "the stack may send several in one go");

        let mut seam = self::seam(Point::FrameReceived(2), AtPoint::Continues);
        assert!((0..9).all(|_| send(&mut seam)) && seam.queues().push_frame(&[1]));
        assert!(!seam.queues().push_frame(&[0; 2_000]), "one that is lost does not count");
        assert!(!seam.queues().watch().take_reached());
        assert!(seam.queues().push_frame(&[1]) && seam.queues().watch().take_reached());
        assert!(!seam.queues().watch().take_reached(), "it says so once");
        assert_eq!(seam.end_turn(), TurnEnd::Alive);
    }

    #[test]
    fn an_armed_point_outlives_a_loss_of_power_and_can_be_withdrawn() {
        let mut seam = seam(Point::StateEntered(State::Running), AtPoint::Continues);
        seam.power_on();
        enter(&mut seam, State::Running);
        seam.queues().watch().arm(Point::StateEntered(State::Running), AtPoint::Stops);
        assert!(!seam.queues().watch().take_reached(), "another one is armed");
        seam.queues().watch().disarm();
        enter(&mut seam, State::Running);
        assert_eq!(seam.end_turn(), TurnEnd::Alive);
    }
}
