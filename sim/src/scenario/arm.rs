//! What happens later by itself, and the point at which it does.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use smoltcp::time::Duration;

use super::expect::DeviceState;
use super::flash::FlashChange;
use super::link::LinkChange;
use super::phone::PhoneAction;
use super::step::{Button, ClockChange, CloudChange, Power, RouterChange};
use super::value::{self, At, DurationText, Name, Nth};

/// Something that is prepared, and the point at which it happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arm {
    /// What happens.
    pub what: Armed,
    /// When; `None` for what says so itself.
    pub at: Option<Point>,
}

/// What is prepared and happens by itself later. `expect: { fault: fired }` sees that it has; a story that ends
/// before it has is a failure.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Armed {
    /// The supply fails in the middle of a flash operation; the device is off until `power: on`, or until
    /// `back_after` has passed.
    Cut(CutPoint),
    /// The supply sags and the processor starts again.
    Brownout(BrownoutPoint),
    /// The next erase fails.
    EraseFailure,
    /// The radio cannot do the next scan, as when another task of the driver has it.
    ScanFailure,
    /// A device's supply is switched, at the point that `at` names.
    Power(Power),
    /// A device's button is pressed, at the point that `at` names.
    Button(Button),
    /// At the point that `at` names a device loses its power, finds its flash changed and has its power back.
    Flash(FlashChange),
    /// A device's clock changes, at the point that `at` names.
    Clock(ClockChange),
    /// A phone does something beside what it is about, at the point that `at` names. Nobody waits for what comes of it.
    Phone(PhoneAction),
    /// A router changes, at the point that `at` names.
    Router(RouterChange),
    /// A cloud changes, at the point that `at` names.
    Cloud(CloudChange),
    /// The air changes, at the point that `at` names.
    Link(LinkChange),
}

impl Armed {
    /// Its key or word.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Cut(_) => "cut",
            Self::Brownout(_) => "brownout",
            Self::EraseFailure => "erase-failure",
            Self::ScanFailure => "scan-failure",
            Self::Power(_) => "power",
            Self::Button(_) => "button",
            Self::Flash(_) => "flash",
            Self::Clock(_) => "clock",
            Self::Phone(_) => "phone",
            Self::Router(_) => "router",
            Self::Cloud(_) => "cloud",
            Self::Link(_) => "link",
        }
    }
}

/// A byte of a flash operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CutPoint {
    /// Which erase or program from now on, 1 for the next.
    pub operation: Nth,
    /// How many of its bytes are done before the supply fails.
    #[serde(default)]
    pub byte: u32,
    /// When the supply comes back; it stays off unless written.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<DurationText>")]
    pub back_after: Option<Duration>,
}

/// When a supply sags.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BrownoutPoint {
    /// When the radio starts, which takes the most current.
    RadioStart,
}

/// A point in the life of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Point {
    /// Whose life.
    pub device: Name,
    /// Which point.
    pub moment: Moment,
}

/// What a device does or meets at a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// It has sent so many frames since the arming.
    FrameSent(Nth),
    /// So many frames have reached it since the arming.
    FrameReceived(Nth),
    /// It enters this state.
    State(DeviceState),
}

/// A point as it is written: a state that a device enters, or a frame that it sends or receives.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Point", transform = one_point)]
pub(super) struct PointText {
    /// The state that is entered.
    pub(super) state: Option<DeviceState>,
    /// Whose state, where there are several devices.
    pub(super) of: Option<At<Name>>,
    /// Which frame from now on, 1 for the next.
    pub(super) frame: Option<Nth>,
    /// The device that sends the frame; it has left when something happens.
    pub(super) from: Option<At<Name>>,
    /// The device that the frame reaches; where its power goes it no longer sees it.
    pub(super) to: Option<At<Name>>,
}

fn one_point(schema: &mut Schema) {
    let one_of = [&["state"][..], &["frame", "from"], &["frame", "to"]]
        .map(|keys| serde_json::json!({ "required": keys }));
    schema.insert("oneOf".to_owned(), one_of.to_vec().into());
}
