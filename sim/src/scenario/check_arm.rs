//! Whom a verb speaks of, and when something armed happens.

use super::arm::{Arm, Armed, Moment, Point, PointText};
use super::check::Check;
use super::error::Complaint;
use super::expect::DeviceState;
use super::step::Verb;
use super::value::{At, Name};
use super::world::World;

/// The kinds of actors.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Device,
    Phone,
    Router,
    Cloud,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Phone => "phone",
            Self::Router => "router",
            Self::Cloud => "cloud",
        }
    }

    pub(super) fn of(verb: &Verb) -> Option<Self> {
        match verb {
            Verb::Power(_) | Verb::Button(_) | Verb::Console(_) | Verb::Flash(_) | Verb::Clock(_) => {
                Some(Self::Device)
            }
            Verb::Arm(Arm { what, .. }) => Self::of_armed(what),
            Verb::Expect(expect) if expect.is_of_phone() => Some(Self::Phone),
            Verb::Expect(_) => Some(Self::Device),
            Verb::Phone(_) => Some(Self::Phone),
            Verb::Router(_) => Some(Self::Router),
            Verb::Cloud(_) => Some(Self::Cloud),
            Verb::Wait(_) | Verb::Link(_) | Verb::Settle(_) => None,
        }
    }

    fn of_armed(armed: &Armed) -> Option<Self> {
        match armed {
            Armed::Cut(_)
            | Armed::Brownout(_)
            | Armed::EraseFailure
            | Armed::ScanFailure
            | Armed::Power(_)
            | Armed::Button(_)
            | Armed::Flash(_)
            | Armed::Clock(_) => Some(Self::Device),
            Armed::Phone(_) => Some(Self::Phone),
            Armed::Router(_) => Some(Self::Router),
            Armed::Cloud(_) => Some(Self::Cloud),
            Armed::Link(_) => None,
        }
    }

    /// What an actor of this world is.
    pub(super) fn of_actor(name: &Name, world: &World) -> Option<Self> {
        let kinds = [Self::Device, Self::Phone, Self::Router, Self::Cloud];
        kinds.into_iter().find(|kind| kind.actors(world).contains(&name))
    }

    /// Whether frames go straight from one to the other.
    pub(super) fn is_neighbour_of(self, other: Self) -> bool {
        match (self, other) {
            (Self::Device, Self::Device | Self::Phone | Self::Router)
            | (Self::Phone | Self::Router, Self::Device | Self::Cloud)
            | (Self::Cloud, Self::Phone | Self::Router) => true,
            (Self::Device, Self::Cloud)
            | (Self::Phone | Self::Router, Self::Phone | Self::Router)
            | (Self::Cloud, Self::Device | Self::Cloud) => false,
        }
    }

    pub(super) fn actors(self, world: &World) -> Vec<&Name> {
        match self {
            Self::Device => world.devices.iter().map(|device| &device.name.value).collect(),
            Self::Phone => world.phones.iter().map(|phone| &phone.name.value).collect(),
            Self::Router => world.routers.iter().map(|router| &router.name.value).collect(),
            Self::Cloud => world.clouds.iter().map(|cloud| &cloud.name.value).collect(),
        }
    }
}

impl Check<'_> {
    pub(super) fn armed(&self, armed: &Armed, actor: Option<&Name>) -> Result<(), Complaint> {
        match armed {
            Armed::Cut(_)
            | Armed::Brownout(_)
            | Armed::EraseFailure
            | Armed::ScanFailure
            | Armed::Power(_) => Ok(()),
            Armed::Clock(change) => self.clock(*change),
            Armed::Button(button) => self.button(button),
            Armed::Flash(change) => self.flash(change),
            Armed::Phone(action) if action.is_beside() => self.phone(action, actor),
            Armed::Phone(_) => {
                let hint = "what can be armed is `leave`, `browse`, `request`, `parallel`, `half-open`, `lookup` and \
                            `behave`";
                Err(self.complaint("a phone does not do this beside what it is about", hint))
            }
            Armed::Router(change) => self.router(change),
            Armed::Cloud(change) => self.cloud(change),
            Armed::Link(change) => self.link(change),
        }
    }

    /// When something armed happens, unless it says so itself.
    pub(super) fn arm_at(
        &self,
        arm: &Arm,
        actor: Option<&Name>,
        at: Option<At<PointText>>,
    ) -> Result<Option<Point>, Complaint> {
        match (&arm.what, at) {
            (Armed::Cut(_) | Armed::Brownout(_) | Armed::EraseFailure | Armed::ScanFailure, None) => Ok(None),
            (Armed::Cut(_) | Armed::Brownout(_) | Armed::EraseFailure | Armed::ScanFailure, Some(at)) => {
                let message = format!("`{}` says itself when it happens", arm.what.name());
                Err(Complaint::at(&at, message, "leave out `at`, or arm `power: off`"))
            }
            (
                Armed::Power(_)
                | Armed::Button(_)
                | Armed::Flash(_)
                | Armed::Clock(_)
                | Armed::Phone(_)
                | Armed::Router(_)
                | Armed::Cloud(_)
                | Armed::Link(_),
                None,
            ) => {
                let hint = "add `at: { state: running }` or `at: { frame: 12, to: device }`";
                Err(self.complaint("this does not say when it happens", hint))
            }
            (Armed::Power(_) | Armed::Button(_) | Armed::Flash(_) | Armed::Clock(_), Some(at)) => {
                self.point(&at, actor).map(Some)
            }
            (Armed::Phone(_) | Armed::Router(_) | Armed::Cloud(_) | Armed::Link(_), Some(at)) => {
                self.point(&at, None).map(Some)
            }
        }
    }

    /// The point that is written, in the life of `actor` unless it names another device.
    fn point(&self, at: &At<PointText>, actor: Option<&Name>) -> Result<Point, Complaint> {
        let complain = |message: &str, hint: &str| Err(Complaint::at(at, message, hint));
        let PointText { state, of, frame, from, to } = &at.value;
        let (moment, device) = match (state, frame, from, to) {
            (Some(_), Some(_), _, _) => {
                return complain("`state` and `frame` are two points", "leave out one of the two");
            }
            (None, None, _, _) => {
                return complain("this names no point", "`state: running`, or `frame: 12` and `to: device`");
            }
            (Some(DeviceState::Off | DeviceState::Init), None, _, _) => {
                return complain("firmware never enters this state", "such as `connecting-net` or `running`");
            }
            (Some(_), None, Some(_), _) | (Some(_), None, _, Some(_)) => {
                return complain("`from` and `to` belong to a frame", "`of` says whose state is meant");
            }
            (None, Some(_), None, None) => {
                return complain(
                    "this does not say whose frames count",
                    "add `to: device` or `from: device`",
                );
            }
            (None, Some(_), Some(_), Some(_)) => {
                return complain("frames are counted at one end", "leave out `from` or `to`");
            }
            (Some(state), None, None, None) => (Moment::State(*state), of.as_ref()),
            (None, Some(nth), Some(from), None) => (Moment::FrameSent(*nth), Some(from)),
            (None, Some(nth), None, Some(to)) => (Moment::FrameReceived(*nth), Some(to)),
        };
        if let (Some(of), Moment::FrameSent(_) | Moment::FrameReceived(_)) = (of, moment) {
            return Err(Complaint::at(
                of,
                "`of` belongs to a state",
                "`from` or `to` says whose frames count",
            ));
        }
        self.known_if_given(device, Kind::Device)?;
        let named = device.map(|device| &device.value).or(actor);
        let device = match (named, self.world.devices.as_slice()) {
            (Some(device), _) => device.clone(),
            (None, [only]) => only.name.value.clone(),
            (None, several) => {
                let message = format!("whose state? there are {} devices", several.len());
                return Err(Complaint::at(at, message, "add `of:` with a device's name"));
            }
        };
        Ok(Point { device, moment })
    }
}
