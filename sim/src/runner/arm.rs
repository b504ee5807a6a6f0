//! What happens later by itself: it is armed at a device, waits for its point there, and must have happened when
//! the story ends.

use firmware_core::hal::ResetCause;
use hil_link::cut_flash::Cut;
use hil_link::watch::{self, AtPoint};

use super::steps::CYCLE_PAUSE;
use super::{Failure, Runner, StepError};
use crate::scenario::{Arm, Armed, BrownoutPoint, Moment, Name, Point, Power, Step, Verb};
use crate::trace::What;
use crate::world::NodeId;

/// What a step has armed at a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    /// The step, from 1.
    step: usize,
    has_happened: bool,
}

impl Runner<'_> {
    /// Arms something at the device in whose life its point lies: `actor` itself unless `at` says another.
    pub(super) fn arm(&mut self, arm: &Arm, actor: Option<NodeId>) -> Result<(), StepError> {
        let holder = arm.at.as_ref().map_or(actor, |point| self.node(Some(&point.device)));
        let Some(NodeId::Device(device)) = holder else { return Ok(()) };
        self.note_happened(device);
        let earlier = self.pending.get(device).copied().flatten();
        if let Some(earlier) = earlier.filter(|earlier| !earlier.has_happened) {
            let number = earlier.step;
            let why =
                format!("what step {number} has armed there is still ahead, and there is one at a time");
            return Err(StepError::Unmet(why));
        }
        let Some(node) = self.stage.world.devices.get_mut(device) else { return Ok(()) };
        node.clear_fault();
        match (&arm.what, &arm.at) {
            (Armed::Cut(point), _) => {
                node.executor.flash_state().cut =
                    Some(Cut { operation: point.operation.0, byte: point.byte });
            }
            (Armed::Brownout(BrownoutPoint::RadioStart), _) => node.arm_brownout(),
            (Armed::EraseFailure, _) => node.arm_erase_failure(),
            (
                Armed::Power(_) | Armed::Button(_) | Armed::Router(_) | Armed::Cloud(_) | Armed::Link(_),
                Some(point),
            ) => {
                let stops = matches!(arm.what, Armed::Power(Power::Off | Power::Cycle)) && holder == actor;
                let at_point = if stops { AtPoint::Stops } else { AtPoint::Continues };
                if let Some(point) = watched(point) {
                    node.executor.queues().watch().arm(point, at_point);
                }
            }
            // The scenario's check has seen to it that these say when they happen.
            (
                Armed::Power(_) | Armed::Button(_) | Armed::Router(_) | Armed::Cloud(_) | Armed::Link(_),
                None,
            ) => {}
        }
        if let Some(pending) = self.pending.get_mut(device) {
            *pending = Some(Pending { step: self.step_number, has_happened: false });
        }
        Ok(())
    }

    /// Lets happen what waits for a point that has been reached. All else of the same time has happened already.
    pub(super) fn fire_armed(&mut self) -> Result<(), StepError> {
        // Asked after everything that happens; mostly nothing is armed.
        if self.pending.iter().all(Option::is_none) {
            return Ok(());
        }
        for device in 0..self.pending.len() {
            let Some(number) = self.note_happened(device) else { continue };
            let scenario = self.scenario;
            let Some(Step { actor, verb: Verb::Arm(Arm { what, at: Some(_) }), .. }) =
                scenario.steps.get(number - 1)
            else {
                continue;
            };
            let (now, node) = (self.stage.world.now(), NodeId::Device(device));
            self.stage.world.trace.push(now, node, What::Fired(number));
            self.act(actor.as_ref(), what)?;
        }
        Ok(())
    }

    /// The number of the step that armed what has just happened at a device, once.
    fn note_happened(&mut self, device: usize) -> Option<usize> {
        let pending = self.pending.get_mut(device)?.as_mut().filter(|pending| !pending.has_happened)?;
        pending.has_happened = self.stage.world.devices.get_mut(device)?.fault_fired();
        pending.has_happened.then_some(pending.step)
    }

    fn act(&mut self, actor: Option<&Name>, what: &Armed) -> Result<(), StepError> {
        match (what, self.node(actor)) {
            (Armed::Power(power), Some(NodeId::Device(device))) => {
                let world = &mut self.stage.world;
                match power {
                    Power::On => world.power_on(device, ResetCause::PowerOn),
                    Power::Off => world.power_off(device),
                    Power::Cycle => {
                        world.power_off(device);
                        world.power_on_at(world.now() + CYCLE_PAUSE, device);
                    }
                }
            }
            (Armed::Button(button), Some(NodeId::Device(device))) => {
                self.press(device, button);
            }
            (Armed::Router(change), Some(NodeId::Router(router))) => self.change_router(router, change),
            (Armed::Cloud(change), Some(NodeId::Cloud(cloud))) => return self.change_cloud(cloud, change),
            (Armed::Link(change), _) => return self.change_link(change),
            // The rest happens in the device itself, or the scenario's check has refused it.
            (Armed::Cut(_) | Armed::Brownout(_) | Armed::EraseFailure, _) => {}
            (Armed::Power(_) | Armed::Button(_) | Armed::Router(_) | Armed::Cloud(_), _) => {}
        }
        Ok(())
    }

    /// A story in which something armed has not happened does not tell what it was written for.
    pub(super) fn check_armed(&mut self) -> Option<Failure> {
        (0..self.pending.len()).for_each(|device| {
            self.note_happened(device);
        });
        let ahead = self.pending.iter().flatten().find(|pending| !pending.has_happened)?;
        let step = self.scenario.steps.get(ahead.step.checked_sub(1)?)?;
        let why = "this was armed and has not happened when the story ends".to_owned();
        Some(Failure { step: ahead.step, line: step.line, what: step.describe(), why })
    }
}

/// A point as the seam knows it; `None` for a state that no firmware enters.
fn watched(point: &Point) -> Option<watch::Point> {
    Some(match point.moment {
        Moment::FrameSent(nth) => watch::Point::FrameSent(nth.0),
        Moment::FrameReceived(nth) => watch::Point::FrameReceived(nth.0),
        Moment::State(state) => watch::Point::StateEntered(state.firmware()?),
    })
}

#[cfg(test)]
mod tests {
    use crate::runner::{Harness, run};
    use crate::scenario::Scenario;

    /// How a story with these steps fails behind a first setup, if it does.
    #[track_caller]
    fn failure(steps: &[&str]) -> Option<String> {
        let routers = "[{ name: home, ssid: HomeNet, password: correct horse }]";
        let devices = "[{ name: lamp }, { name: heater }]";
        let set_up =
            "  - { who: lamp, power: on }\n  - phone: { provision: { device: lamp, network: home } }\n";
        let steps: String = steps.iter().map(|step| format!("  - {{ {step} }}\n")).collect();
        let world = format!("world:\n  routers: {routers}\n  devices: {devices}\n");
        let text = format!("format: 1\ntitle: T\n{world}steps:\n{set_up}{steps}");
        let scenario = Scenario::parse("story.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
        run(&scenario, &Harness::EXAMPLE, 1).failure.map(|failure| failure.to_string())
    }

    #[test]
    fn what_was_armed_and_never_happens_is_a_failure() {
        let never = "this was armed and has not happened when the story ends";
        for (arm, told) in [
            ("arm: { cut: { operation: 1 } }", "lamp will lose power at byte 0 of the next flash operation"),
            ("arm: { brownout: radio-start }", "lamp will brown out when its radio starts"),
            ("arm: erase-failure", "lamp will fail its next erase"),
            ("arm: { power: off }, at: { state: error }", "lamp loses power, once lamp enters ERROR"),
            (
                "arm: { power: off }, at: { frame: 1000000, from: lamp }",
                "lamp loses power, once lamp has sent 1000000 frames",
            ),
        ] {
            let steps = [format!("who: lamp, {arm}"), "wait: 1m".to_owned()];
            let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
            assert_eq!(failure(&steps), Some(format!("step 3 (line 9), {told}: {never}")));
        }
    }

    #[test]
    fn one_thing_at_a_time_is_armed_at_a_device() {
        let arm = "who: lamp, arm: { power: off }, at: { state: error }";
        let why = "what step 3 has armed there is still ahead, and there is one at a time";
        let told = format!("step 4 (line 10), lamp will fail its next erase: {why}");
        assert_eq!(failure(&[arm, "who: lamp, arm: erase-failure"]), Some(told));
    }

    #[test]
    fn an_erase_that_was_to_fail_has_failed() {
        let steps = [
            "who: lamp, arm: erase-failure",
            "who: lamp, console: config erase",
            "who: lamp, expect: { fault: fired, within: 5s }",
        ];
        assert_eq!(failure(&steps), None);
    }

    /// Everything that can be armed for a point, at a point of every kind, seen by what comes of it.
    #[test]
    fn what_is_armed_happens_at_its_point() {
        let fired = "who: lamp, expect: { fault: fired, within: 2m }";
        let write = "cloud: { write: { device: lamp, pin: V2, value: 1 } }";
        for (arm, then) in [
            ("who: lamp, arm: { power: off }, at: { frame: 1, from: lamp }", "device: off, within: 0s"),
            ("who: lamp, arm: { power: off }, at: { frame: 1, to: lamp }", "device: off, within: 0s"),
            ("who: lamp, arm: { power: cycle }, at: { frame: 1, to: lamp }", "device: off, within: 0s"),
            ("who: lamp, arm: { power: cycle }, at: { frame: 2, to: lamp }", "device: running, within: 10s"),
            (
                "who: lamp, arm: { button: { hold: 11s } }, at: { frame: 2, from: lamp }",
                "device: wait-config, within: 20s",
            ),
            (
                "arm: { cloud: { refuse: true, drop_connections: true } }, at: { frame: 2, to: lamp }",
                "cloud: offline",
            ),
            (
                "arm: { link: { hold: { from: home, to: lamp } } }, at: { frame: 2, to: lamp }",
                "device: connecting-cloud, joined: home, within: 2m",
            ),
            ("arm: { router: { power: off } }, at: { frame: 2, from: lamp }", "device: connecting-net"),
            ("arm: { router: { deauth: true } }, at: { frame: 2, to: lamp }", "device: connecting-net"),
            ("arm: { cloud: { power: off } }, at: { frame: 2, to: lamp }", "cloud: offline, within: 2m"),
            (
                "arm: { link: { partition: [lamp, home] } }, at: { frame: 2, to: lamp }",
                "device: connecting-cloud, joined: home, within: 2m",
            ),
        ] {
            let then = format!("who: lamp, expect: {{ {then} }}");
            assert_eq!(failure(&[arm, write, fired, &then]), None, "{arm}");
        }
    }

    #[test]
    fn a_point_of_one_device_can_concern_another() {
        let steps = [
            "who: heater, power: on",
            "who: heater, expect: { device: wait-config }",
            "who: heater, arm: { power: off }, at: { state: connecting-net, of: lamp }",
            "router: { deauth: true }",
            "who: lamp, expect: { fault: fired }",
            "who: heater, expect: { device: off, within: 0s }",
            "who: lamp, expect: { device: running, cloud: online, within: 30s }",
        ];
        assert_eq!(failure(&steps), None);
    }
}
