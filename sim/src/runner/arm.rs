//! What happens later by itself: it is armed at a device, waits for its point there, and must have happened when
//! the story ends. What is armed at a device that has something ahead already waits its turn.

use firmware_core::hal::ResetCause;
use hil_link::cut_flash::Cut;
use hil_link::watch::{self, AtPoint};

use super::steps::{CYCLE_PAUSE, command_beside};
use super::{Failure, Runner, StepError};
use crate::scenario::{
    Arm, Armed, BrownoutPoint, CutPoint, Moment, Name, PhoneAction, Point, Power, Step, Verb,
};
use crate::trace::What;
use crate::world::{DeviceNode, NodeId};

/// What a step has armed at a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    /// The step, from 1.
    step: usize,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Something that was armed before it is still ahead.
    Waits,
    Armed,
    Happened,
}

impl Runner<'_> {
    /// Arms something at the device in whose life its point lies: `actor` itself unless `at` says another.
    pub(super) fn arm(&mut self, arm: &Arm, actor: Option<NodeId>) {
        let holder = arm.at.as_ref().map_or(actor, |point| self.node(Some(&point.device)));
        let Some(NodeId::Device(device)) = holder else { return };
        self.note_happened(device);
        if let Some(pending) = self.pending.get_mut(device) {
            pending.push(Pending { step: self.step_number, phase: Phase::Waits });
        }
        self.arm_next(device);
    }

    /// Arms what has waited longest at a device, if nothing else is ahead there.
    fn arm_next(&mut self, device: usize) {
        let Some(pending) = self.pending.get_mut(device) else { return };
        let Some(next) = pending.iter_mut().find(|pending| pending.phase != Phase::Happened) else { return };
        if next.phase == Phase::Armed {
            return;
        }
        next.phase = Phase::Armed;
        let scenario = self.scenario;
        let Some(Step { actor, verb: Verb::Arm(arm), .. }) = scenario.steps.get(next.step - 1) else {
            return;
        };
        let actor = self.node(actor.as_ref());
        self.prepare(arm, actor, device);
    }

    fn prepare(&mut self, arm: &Arm, actor: Option<NodeId>, device: usize) {
        let keeps_flash_armed = self.keeps_flash_armed;
        let Some(node) = self.stage.world.devices.get_mut(device) else { return };
        let cut = node.executor.flash_state().cut.filter(|_| keeps_flash_armed);
        node.clear_fault();
        node.executor.flash_state().cut = cut;
        match (&arm.what, &arm.at) {
            (Armed::Cut(point), _) => {
                node.executor.flash_state().cut =
                    Some(Cut { operation: point.operation.0, byte: point.byte });
            }
            (Armed::Brownout(BrownoutPoint::RadioStart), _) => node.arm_brownout(),
            (Armed::EraseFailure, _) => node.arm_erase_failure(),
            (Armed::ScanFailure, _) => node.arm_scan_failure(),
            (what, Some(point)) => {
                let is_its_own = actor == Some(NodeId::Device(device));
                let stops = is_its_own
                    && match what {
                        Armed::Power(power) => matches!(power, Power::Off | Power::Cycle),
                        Armed::Flash(change) => change.changes_content(),
                        _ => false,
                    };
                let at_point = if stops { AtPoint::Stops } else { AtPoint::Continues };
                if let Some(point) = watched(point) {
                    node.executor.queues().watch().arm(point, at_point);
                }
            }
            // The scenario's check has seen to it that everything else says when it happens.
            (_, None) => {}
        }
    }

    /// Forgets what has been armed and has not happened.
    pub(super) fn disarm(&mut self) {
        self.pending.iter_mut().for_each(Vec::clear);
        self.stage.world.devices.iter_mut().for_each(DeviceNode::clear_fault);
    }

    /// Lets happen what waits for a point that has been reached. All else of the same time has happened already.
    pub(super) fn fire_armed(&mut self) -> Result<(), StepError> {
        // Asked after everything that happens; mostly nothing is armed.
        if self.pending.iter().all(Vec::is_empty) {
            return Ok(());
        }
        for device in 0..self.pending.len() {
            let Some(number) = self.note_happened(device) else { continue };
            let scenario = self.scenario;
            let Some(Step { actor, verb: Verb::Arm(arm), .. }) = scenario.steps.get(number - 1) else {
                continue;
            };
            let now = self.stage.world.now();
            match &arm.what {
                Armed::Cut(CutPoint { back_after: Some(pause), .. }) => {
                    self.stage.world.power_on_at(now + *pause, device);
                }
                what if arm.at.is_some() => {
                    self.stage.world.trace.push(now, NodeId::Device(device), What::Fired(number));
                    self.act(actor.as_ref(), what)?;
                }
                _ => {}
            }
            self.arm_next(device);
        }
        Ok(())
    }

    /// The number of the step that armed what has just happened at a device, once.
    fn note_happened(&mut self, device: usize) -> Option<usize> {
        let pending =
            self.pending.get_mut(device)?.iter_mut().find(|pending| pending.phase == Phase::Armed)?;
        if !self.stage.world.devices.get_mut(device)?.fault_fired() {
            return None;
        }
        pending.phase = Phase::Happened;
        self.happened += 1;
        Some(pending.step)
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
                    Power::Brownout => world.reset(device, ResetCause::Brownout),
                    Power::Watchdog => world.reset(device, ResetCause::Watchdog),
                }
            }
            (Armed::Button(button), Some(NodeId::Device(device))) => {
                self.press(device, button);
            }
            (Armed::Flash(change), Some(NodeId::Device(device))) => {
                if change.changes_content() {
                    self.stage.world.power_off(device);
                    self.stage.world.power_on_at(self.stage.world.now() + CYCLE_PAUSE, device);
                }
                return self.stage.change_flash(device, change);
            }
            (Armed::Clock(change), Some(NodeId::Device(device))) => self.stage.change_clock(device, *change),
            (Armed::Phone(action), Some(NodeId::Phone(phone))) => self.act_beside(phone, action),
            (Armed::Router(change), Some(NodeId::Router(router))) => self.stage.change_router(router, change),
            (Armed::Cloud(change), Some(NodeId::Cloud(cloud))) => {
                return self.stage.change_cloud(cloud, change);
            }
            (Armed::Link(change), _) => return self.stage.change_link(change),
            // The rest happens in the device itself, or the scenario's check has refused it.
            (Armed::Cut(_) | Armed::Brownout(_) | Armed::EraseFailure | Armed::ScanFailure, _) => {}
            (Armed::Power(_) | Armed::Button(_) | Armed::Flash(_) | Armed::Clock(_) | Armed::Phone(_), _) => {
            }
            (Armed::Router(_) | Armed::Cloud(_), _) => {}
        }
        Ok(())
    }

    /// Lets a phone do something beside what it is about.
    fn act_beside(&mut self, phone: usize, action: &PhoneAction) {
        if let PhoneAction::Behave(change) = action {
            return self.stage.change_phone(phone, change);
        }
        let now = self.stage.world.now();
        if let Some((actor, command)) = self.stage.world.phones.get_mut(phone).zip(command_beside(action)) {
            actor.beside(now, command);
            self.stage.world.touch(NodeId::Phone(phone));
        }
    }

    /// A story in which something armed has not happened does not tell what it was written for.
    pub(super) fn check_armed(&mut self) -> Option<Failure> {
        (0..self.pending.len()).for_each(|device| {
            self.note_happened(device);
        });
        let ahead = self.pending.iter().flatten().filter(|pending| pending.phase != Phase::Happened);
        let steps =
            ahead.filter_map(|pending| Some((pending.step, self.scenario.steps.get(pending.step - 1)?)));
        let (number, step) = steps.into_iter().find(|(_, step)| !step.may_fail)?;
        let why = "this was armed and has not happened when the story ends".to_owned();
        Some(Failure::of(number, step, &StepError::Unmet(why)))
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
            ("arm: scan-failure", "lamp will fail its next scan"),
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
    fn what_is_armed_at_one_device_happens_in_turn() {
        let steps = [
            "who: lamp, arm: { power: cycle }, at: { state: connecting-net }",
            "who: lamp, arm: erase-failure",
            "router: { deauth: true }",
            "who: lamp, expect: { device: off, within: 5s }",
            "who: lamp, expect: { device: running, fault: armed, within: 30s }",
            "who: lamp, console: config erase",
            "who: lamp, expect: { fault: fired, within: 5s }",
        ];
        assert_eq!(failure(&steps), None);
        let never = "this was armed and has not happened when the story ends";
        let arm = "who: lamp, arm: { power: off }, at: { state: error }";
        let told = format!("step 3 (line 9), lamp loses power, once lamp enters ERROR: {never}");
        assert_eq!(
            failure(&[arm, "who: lamp, arm: erase-failure", "who: lamp, console: config erase"]),
            Some(told)
        );
    }

    #[test]
    fn a_cut_can_say_when_power_is_back() {
        let steps = [
            "who: lamp, arm: { cut: { operation: 1, back_after: 2s } }",
            "who: lamp, console: config erase",
            "who: lamp, expect: { device: off, within: 5s }",
            "who: lamp, expect: { device: wait-config, within: 5s }",
        ];
        assert!(failure(&steps).is_some_and(|why| why.contains("the device is RUNNING")));
        let steps = [steps[0], steps[1], steps[2], "who: lamp, expect: { device: running, within: 30s }"];
        assert_eq!(failure(&steps), None);
    }

    #[test]
    fn what_may_fail_does_not_end_the_story() {
        let arm = "who: lamp, arm: { power: off }, at: { state: error }, may_fail: true";
        let press = "phone: { configure: { network: home } }, may_fail: true";
        assert_eq!(failure(&[arm, press, "who: lamp, expect: { device: running }"]), None);
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
            (
                "who: lamp, arm: { flash: { fill: noise } }, at: { frame: 1, to: lamp }",
                "device: off, store: empty, within: 0s",
            ),
            (
                "who: lamp, arm: { flash: { fill: noise } }, at: { frame: 1, to: lamp }",
                "device: wait-config, within: 5s",
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

    /// Half a second more than nine is ten for a clock that gains a tenth.
    #[test]
    fn a_clock_runs_faster_from_its_point_on() {
        let hold = "who: lamp, button: { hold: 9500ms }";
        let is_reset = "who: lamp, expect: { store: empty, within: 1s }";
        let write = "cloud: { write: { device: lamp, pin: V2, value: 1 } }";
        let fired = "who: lamp, expect: { fault: fired, within: 2m }";
        assert!(failure(&[hold, is_reset]).is_some());
        let arm = "who: lamp, arm: { clock: { drift_ppm: 100000 } }, at: { frame: 1, to: lamp }";
        assert_eq!(failure(&[arm, write, fired, hold, is_reset]), None);
        assert_eq!(failure(&["who: lamp, clock: { drift_ppm: 100000 }", hold, is_reset]), None);
        let settle = "settle: 5m";
        assert!(failure(&[arm, write, fired, settle, hold, is_reset]).is_some(), "settling sets it right");
    }

    /// What a phone says when it does this at the moment at which a device is asked for its networks.
    #[track_caller]
    fn beside(action: &str) -> String {
        let text = format!(
            "format: 1\ntitle: T\nworld:\n  routers: [{{ name: home, ssid: HomeNet, password: correct horse }}]\n\
             \x20 phones: [{{ name: mine }}, {{ name: guest }}]\nsteps:\n  - power: on\n  - expect: {{ device: wait-config }}\n\
             \x20 - {{ who: guest, phone: join }}\n\
             \x20 - {{ who: guest, arm: {{ phone: {action} }}, at: {{ state: configuring }} }}\n\
             \x20 - {{ who: mine, phone: {{ provision: {{ network: home }} }} }}\n"
        );
        let scenario = Scenario::parse("story.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
        let outcome = run(&scenario, &Harness::EXAMPLE, 1);
        assert_eq!(outcome.failure, None, "{action}");
        let entries = outcome.trace.entries().iter();
        let said = entries.filter(|entry| outcome.trace.name(entry.actor) == "guest");
        said.map(|entry| entry.what.to_string()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_phone_does_something_beside_what_it_is_about() {
        for (action, said) in [
            ("{ half-open: 2 }", "opens 2 connections and says nothing; 2 stand"),
            ("browse", "GET / "),
            ("{ request: { path: /nowhere } }", "404"),
            ("{ parallel: { path: /board_info.json, count: 3 } }", "is answered 3 times"),
            ("{ lookup: { name: blynk.setup, expect_code: no-error, expect_answers: 1 } }", "blynk.setup"),
            ("leave", "leaves"),
            ("{ behave: { leaves_ap_after: 1s } }", "by itself"),
        ] {
            let all = beside(action);
            assert!(all.contains(said), "{action}: {all}");
        }
    }

    #[test]
    fn what_a_phone_does_beside_something_is_no_answer_to_it() {
        let arm = "arm: { phone: { request: { path: /nowhere } } }, at: { state: configuring, of: lamp }, may_fail: true";
        let steps = [
            "who: lamp, button: { hold: 11s }",
            arm,
            "phone: { join-device: lamp }",
            "phone: { request: { path: /board_info.json, expect_status: 200 } }",
            "wait: 2s",
            "expect: { http_status: 200, http_body: tmpl_id, within: 0s }, who: phone",
            "who: lamp, expect: { fault: fired, within: 0s }",
        ];
        assert_eq!(failure(&steps), None);
        let off = [
            "arm: { phone: browse }, at: { frame: 1, to: lamp }",
            "who: lamp, expect: { fault: fired, within: 2m }",
        ];
        assert_eq!(failure(&off), None, "in no network it just gives up");
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
