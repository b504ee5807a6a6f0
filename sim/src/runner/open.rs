//! A world without a story: it is built as a scenario's world says, and then whoever holds it lets time pass and does
//! things in it as they come.

use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

use firmware_core::hal::ResetCause;
use hil_link::cut_flash::Cut;

use super::Harness;
use super::build::Stage;
use super::steps::CYCLE_PAUSE;
use crate::flash_view::FlashView;
use crate::phone::{Command, Configuration, Secret, Status};
use crate::scenario::{Power, Scenario, Step, Verb};
use crate::secrets::Secrets;
use crate::stack::Frame;
use crate::target::Target;
use crate::trace::What;
use crate::trace_file;
use crate::world::{self, DeviceNode, Guest, NodeId, SentFrame, World, WorldError};

/// A world that goes on for as long as somebody wants.
pub struct OpenWorld {
    stage: Stage,
    scenario: Scenario,
    secrets: Secrets,
}

/// What has happened in a world.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// Everything, as the lines of a trace file, without secrets.
    pub lines: Vec<String>,
    /// What devices have printed, and which.
    pub printed: Vec<(NodeId, String)>,
}

/// Why something cannot be done in a world.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CannotBeDone(String);

impl OpenWorld {
    /// The world of a scenario at its beginning, which is this time in seconds since 1970; the scenario's steps are
    /// left out.
    ///
    /// # Errors
    /// When a device cannot be had: says why.
    pub fn build(
        target: &dyn Target,
        scenario: Scenario,
        harness: &Harness,
        seed: u64,
        unix_time_s: i64,
    ) -> Result<Self, CannotBeDone> {
        let stage = Stage::build_at(target, &scenario, harness, seed, unix_time_s);
        let mut stage = stage.map_err(CannotBeDone)?;
        stage.world.recent = Some(Vec::new());
        let secrets = Secrets::of(&scenario);
        Ok(Self { stage, scenario, secrets })
    }

    /// The present time.
    pub fn now(&self) -> Instant {
        self.stage.world.now()
    }

    /// When the next thing happens by itself, if anything does.
    pub fn next_wake(&self) -> Option<Instant> {
        self.stage.world.next_wake()
    }

    /// Lets everything happen that happens until then; then it is that time.
    ///
    /// # Errors
    /// When a device cannot be reached any more, or no time passes.
    pub fn run_until(&mut self, limit: Instant) -> Result<(), WorldError> {
        while self.stage.world.step(limit)? == world::Step::Happened {}
        Ok(())
    }

    /// The name of an actor.
    pub fn name(&self, node: NodeId) -> &str {
        self.stage.world.trace.name(node)
    }

    /// A device.
    pub fn device(&self, index: usize) -> Option<&DeviceNode> {
        self.stage.world.devices.get(index)
    }

    /// The name of a device's access point.
    pub fn ap_name(&self, device: usize) -> Option<String> {
        self.stage.ap_name(device)
    }

    /// Whether a device's access point is on the air.
    pub fn has_access_point(&self, device: usize) -> bool {
        self.stage.world.has_access_point(NodeId::Device(device))
    }

    /// The stations of a device's access point.
    pub fn stations_of(&self, device: usize) -> Vec<EthernetAddress> {
        self.stage.world.stations_of(NodeId::Device(device))
    }

    /// What a device's flash holds, without secrets; `None` when it cannot be reached.
    pub fn flash(&mut self, device: usize) -> Option<FlashView> {
        let secrets: Vec<Vec<u8>> =
            self.stage.secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect();
        let content = self.stage.world.devices.get_mut(device)?.executor.flash().ok()?;
        Some(FlashView::new(device, &content, &secrets))
    }

    /// How much has been programmed and erased in a device's flash: while this stays, so does what it holds.
    pub fn flash_wear(&mut self, device: usize) -> Option<[u64; 3]> {
        let node = self.stage.world.devices.get_mut(device)?;
        Some(super::build::wear(node.executor.flash_state()))
    }

    /// Adds a station whose packets are made and taken outside, in the network that an actor of this name opens, or on
    /// the internet. Returns its number; `None` when there is no such actor.
    pub fn add_guest(&mut self, name: &str, network_of: Option<&str>, mac: EthernetAddress) -> Option<usize> {
        let guest = match network_of {
            Some(network_of) => Guest::new(self.stage.node(network_of)?, mac),
            None => Guest::on_the_internet(mac),
        };
        match self.stage.world.add_guest(name, guest) {
            NodeId::Guest(index) => Some(index),
            _ => None,
        }
    }

    /// Whether a guest is in its network.
    pub fn is_connected(&self, guest: usize) -> bool {
        self.stage.world.is_connected(guest)
    }

    /// Sends a guest's frame. One that is in no network sends to nobody.
    pub fn send_of_guest(&mut self, guest: usize, frame: Frame) {
        self.stage.world.send_of_guest(guest, frame);
    }

    /// The oldest frame that has come for a guest and was not fetched.
    pub fn take_frame(&mut self, guest: usize) -> Option<Frame> {
        self.stage.world.guest_mut(guest)?.take_frame()
    }

    /// Takes away what has happened since this was asked last.
    pub fn take_told(&mut self) -> Told {
        let trace = &mut self.stage.world.trace;
        let lines = trace_file::lines(trace, &self.secrets);
        let printed = trace.entries().iter().filter_map(|entry| match &entry.what {
            What::Console(line) => Some((entry.actor, trace.printed(*line).to_owned())),
            _ => None,
        });
        let printed = printed.collect();
        trace.forget();
        Told { lines, printed }
    }

    /// Lets the simulated phone set up the device with the first router's network, as its app does. `afresh` gives up
    /// what it has under way. Returns whether there are both and the phone begins.
    pub fn set_up_by_phone(&mut self, afresh: bool) -> bool {
        let now = self.now();
        let Some(router) = self.scenario.world.routers.first() else { return false };
        let password = router.password.as_ref().map_or(&[][..], |password| password.expose());
        let configuration = Configuration::new(router.ssid.as_bytes(), Secret::new(password));
        let command = Command::Provision { ap: None, configuration, keep_token: false, name: None };
        let Some(phone) = self.stage.world.phones.first_mut() else { return false };
        if *phone.status() == Status::Busy && !afresh {
            return false;
        }
        phone.command(now, command);
        self.stage.world.touch(NodeId::Phone(0));
        true
    }

    /// Takes away the frames that have been sent since this was asked last. They hold secrets.
    pub fn take_frames(&mut self) -> Vec<SentFrame> {
        self.stage.world.recent.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Gives a device power; it starts a moment later.
    pub fn power_on(&mut self, device: usize) {
        self.stage.world.power_on(device, ResetCause::PowerOn);
    }

    /// Lets a device, from its next boot on, speak TLS and trust this authority (X.509, DER).
    pub fn set_trust(&mut self, device: usize, authority: &[u8]) {
        if let Some(node) = self.stage.world.devices.get_mut(device) {
            node.executor.set_trust(authority);
        }
    }

    /// Puts a finger on a device's button, or takes it away.
    pub fn set_button(&mut self, device: usize, down: bool) {
        let now = self.now();
        self.stage.world.set_button(now, device, down);
    }

    /// Types on a device's console; `false` when the device does not run or has no room for all of it.
    pub fn type_on_console(&mut self, device: usize, bytes: &[u8]) -> bool {
        self.stage.world.type_on_console(device, bytes)
    }

    /// Whether a device's power is to go at an operation on its flash.
    pub fn is_cut_armed(&mut self, device: usize) -> bool {
        let node = self.stage.world.devices.get_mut(device);
        node.is_some_and(|node| node.executor.flash_state().cut.is_some())
    }

    /// Cuts a device's power in the middle of the next operation on its flash.
    pub fn cut_at_next_write(&mut self, device: usize) {
        let Some(node) = self.stage.world.devices.get_mut(device) else { return };
        node.executor.flash_state().cut = Some(Cut { operation: 1, byte: CUT_BYTE });
    }

    /// Issues a provision token, as the cloud's HTTP API does for an app.
    pub fn issue_token(&mut self) -> Option<String> {
        let now = self.now();
        let cloud = self.stage.world.clouds.first_mut()?;
        let (_, token) = cloud.service_mut().issue_token(now);
        self.stage.world.touch(NodeId::Cloud(0));
        self.stage.secrets.push(token.clone());
        Some(token)
    }

    /// Does at once what steps say, written as in a scenario's file: those about power, router, cloud, link, flash
    /// and clock, which take no time of their own.
    ///
    /// # Errors
    /// When they are not steps, or of another kind, or cannot be done now.
    pub fn apply(&mut self, text: &str) -> Result<(), CannotBeDone> {
        let steps = self.scenario.steps_in_its_world("step", text);
        for step in &steps.map_err(|error| CannotBeDone(error.to_string()))? {
            self.apply_step(step)?;
        }
        Ok(())
    }

    fn apply_step(&mut self, step: &Step) -> Result<(), CannotBeDone> {
        let stage = &mut self.stage;
        let node = step.actor.as_ref().and_then(|name| stage.node(name.as_str()));
        let done = match (&step.verb, node) {
            (Verb::Power(power), Some(NodeId::Device(device))) => {
                switch(&mut stage.world, device, *power);
                Ok(())
            }
            (Verb::Link(change), _) => stage.change_link(change),
            (Verb::Flash(change), Some(NodeId::Device(device))) => stage.change_flash(device, change),
            (Verb::Clock(change), Some(NodeId::Device(device))) => {
                stage.change_clock(device, *change);
                Ok(())
            }
            (Verb::Router(change), Some(NodeId::Router(router))) => {
                stage.change_router(router, change);
                Ok(())
            }
            (Verb::Cloud(change), Some(NodeId::Cloud(cloud))) => stage.change_cloud(cloud, change),
            (verb, _) => {
                let what = verb.describe();
                return Err(CannotBeDone(format!(
                    "`{what}` is for a story; here power, router, cloud, link, flash and clock can be changed"
                )));
            }
        };
        done.map_err(|error| CannotBeDone(error.to_string()))
    }
}

/// The byte of a flash operation at which a power cut hits: a record has begun and is not whole.
const CUT_BYTE: u32 = 40;

fn switch(world: &mut World, device: usize, power: Power) {
    match power {
        Power::On => world.power_on(device, ResetCause::PowerOn),
        Power::Off => world.power_off(device),
        Power::Cycle => {
            world.power_off(device);
            let back_at = world.now() + CYCLE_PAUSE;
            world.power_on_at(back_at, device);
        }
        Power::Brownout => world.reset(device, ResetCause::Brownout),
        Power::Watchdog => world.reset(device, ResetCause::Watchdog),
    }
}
