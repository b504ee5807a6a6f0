//! What is armed in a device: it is the host's, and travels with each boot and turn.

use serde::{Deserialize, Serialize};

use super::mirror::{AtPoint, State};
use crate::cut_flash::FlashState;
use crate::watch;

/// Everything that is armed in a device or counted there, but for the content of its flash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Armed {
    /// In its flash.
    pub flash: FlashState,
    /// In what passes between it and the world.
    pub watch: Watch,
}

/// A point in the device's life that the world waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Watch {
    /// The point, and what becomes of the device there.
    pub armed: Option<(Point, AtPoint)>,
    /// Whether it has been reached and the world has not noticed yet.
    pub is_reached: bool,
    /// Whether the device has lost its power there.
    pub is_stopped: bool,
}

/// A point, counted from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Point {
    /// The device sends this frame, 1 being the next.
    FrameSent(u32),
    /// This frame reaches the device, 1 being the next.
    FrameReceived(u32),
    /// The device enters this state.
    StateEntered(State),
}

impl From<watch::Watch> for Watch {
    fn from(watch: watch::Watch) -> Self {
        let watch::Watch { armed, is_reached, is_stopped } = watch;
        let armed = armed.map(|(point, at_point)| (point.into(), at_point.into()));
        Self { armed, is_reached, is_stopped }
    }
}

impl From<Watch> for watch::Watch {
    fn from(watch: Watch) -> Self {
        let Watch { armed, is_reached, is_stopped } = watch;
        let armed = armed.map(|(point, at_point)| (point.into(), at_point.into()));
        Self { armed, is_reached, is_stopped }
    }
}

impl From<watch::Point> for Point {
    fn from(point: watch::Point) -> Self {
        match point {
            watch::Point::FrameSent(nth) => Self::FrameSent(nth),
            watch::Point::FrameReceived(nth) => Self::FrameReceived(nth),
            watch::Point::StateEntered(state) => Self::StateEntered(state.into()),
        }
    }
}

impl From<Point> for watch::Point {
    fn from(point: Point) -> Self {
        match point {
            Point::FrameSent(nth) => Self::FrameSent(nth),
            Point::FrameReceived(nth) => Self::FrameReceived(nth),
            Point::StateEntered(state) => Self::StateEntered(state.into()),
        }
    }
}
