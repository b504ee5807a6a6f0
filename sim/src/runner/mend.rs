//! The end of all faults: everything is as the scenario's world says, and each device must come to rest.

use firmware_core::config::Config;
use firmware_core::hal::ResetCause;
use firmware_core::trace::State;
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Cidr;

use super::build::{
    Dhcp, Stage, behaviour, dhcp_mode, handshake_of, lan_of, link_faults, login_answer, phone_model,
};
use super::invariants::SETTLES;
use super::{Runner, StepError};
use crate::cloud::{Device, DeviceStatus};
use crate::phone::Command;
use crate::router;
use crate::scenario::{Button, DhcpMode, Provision, Scenario};
use crate::world::{NodeId, Power};

/// How long everything must go on before it is looked at: a session that died silently is found out by its
/// heartbeat, after one and a half times 40 s without an answer and another round.
const STEADY: Duration = Duration::from_secs(150);
/// How long the button is held for a reset: it takes ten seconds.
const RESET_HOLD: Duration = Duration::from_secs(11);
/// How long a user waits before she tries again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

impl Runner<'_> {
    /// Ends every fault and waits until each device has come to rest.
    pub(super) fn settle(&mut self, within: Duration) -> Result<(), StepError> {
        self.disarm();
        self.stage.mend(self.scenario);
        let began_at = self.stage.world.now();
        self.wait(STEADY.min(within))?;
        if self.run_until(began_at + within, |stage| stage.unsettled().is_none())? {
            return Ok(self.stage.check_empty_tells_nothing()?);
        }
        Err(SETTLES.broken(self.stage.unsettled().unwrap_or_default()).into())
    }

    /// Goes through the app's whole flow again and again until the device is online.
    pub(super) fn provision_until_online(
        &mut self,
        phone: usize,
        provision: &Provision,
        tries: u32,
    ) -> Result<(), StepError> {
        let device = match provision.device.as_ref().and_then(|name| self.stage.node(name.as_str())) {
            Some(NodeId::Device(device)) => device,
            _ => 0,
        };
        let mut last = StepError::Unmet("the device is not online".to_owned());
        for _ in 0..tries {
            if self.stage.is_online(device) {
                return Ok(());
            }
            // As the manual says: what keeps trying with what no network fits is reset by its button.
            if self.stage.tries_in_vain(device) {
                self.button(device, &Button::Hold(RESET_HOLD))?;
            }
            let command = self.provision(provision)?;
            self.begin_command(phone, command, None);
            match self.finish_phone(phone) {
                Ok(()) => {}
                Err(error @ StepError::Unmet(_)) => {
                    last = error;
                    self.begin_command(phone, Command::Leave, None);
                    self.finish_phone(phone)?;
                    self.wait(TRY_AGAIN)?;
                }
                Err(error) => return Err(error),
            }
        }
        if self.stage.is_online(device) { Ok(()) } else { Err(last) }
    }
}

impl Stage {
    /// Lets everything be as the scenario's world says, with power.
    fn mend(&mut self, scenario: &Scenario) {
        self.world.heal_all();
        self.world.release_all();
        self.world.set_link_faults(link_faults(&scenario.world.link));
        for (index, described) in scenario.world.routers.iter().enumerate() {
            self.mend_router(index, described.dhcp, lan_of(described.subnet));
        }
        for (index, described) in scenario.world.clouds.iter().enumerate() {
            let Some(cloud) = self.world.clouds.get_mut(index) else { continue };
            if !cloud.is_powered() {
                cloud.set_power(true);
            }
            cloud.mend();
            cloud.service_mut().set_certificate(described.certificate.into());
            cloud.service_mut().set_login_answer(login_answer(described.login));
            cloud.service_mut().set_handshake(handshake_of(described.handshake));
            let redirect = described.redirect_to.as_ref();
            cloud.service_mut().set_redirect(redirect.map(|to| (to.host.as_str().to_owned(), to.port)));
            self.world.touch(NodeId::Cloud(index));
        }
        for (index, described) in scenario.world.phones.iter().enumerate() {
            let Some(phone) = self.world.phones.get_mut(index) else { continue };
            phone.set_behaviour(phone_model(described.os), behaviour(described));
        }
        for (index, described) in scenario.world.devices.iter().enumerate() {
            self.world.set_drift(index, described.drift_ppm.map_or(0, |drift| drift.0));
            if let Some(node) = self.world.devices.get_mut(index) {
                let flash = node.executor.flash_state();
                let was_broken = flash.stuck_sector.take().is_some() | flash.erases_max.take().is_some();
                // Flash that takes nothing keeps a secret too. What works again is looked at by the next boot.
                if was_broken {
                    self.world.power_off(index);
                }
            }
            self.world.power_on(index, ResetCause::PowerOn);
        }
    }

    fn mend_router(&mut self, index: usize, dhcp: DhcpMode, lan: Ipv4Cidr) {
        let Some(router) = self.world.routers.get_mut(index) else { return };
        // One that starts anew throws everybody out.
        let starts = !router.is_powered() || router.lan() != lan;
        if starts {
            router.set_lan(lan);
            router.set_power(true);
        }
        // A server that the world says is silent, or short of addresses, is a fault like any other.
        let Dhcp { lease, .. } = dhcp_mode(dhcp);
        router.set_dhcp(router::DhcpMode::Normal);
        router.set_pool(None);
        lease.into_iter().for_each(|lease| router.set_lease(lease));
        router.set_dns(router::DnsMode::Normal);
        router.set_ntp(router::NtpMode::Normal);
        let at_first = self.first_access_points.get(index).cloned().unwrap_or_default();
        let now = self.access_points.get(index).cloned().unwrap_or_default();
        if starts || at_first != now {
            for (bssid, _) in &now {
                self.world.remove_access_point(*bssid);
            }
            for (bssid, access_point) in &at_first {
                self.world.add_access_point(*bssid, access_point.clone());
            }
            self.access_points.splice(index..=index, [at_first]);
        }
        self.world.touch(NodeId::Router(index));
    }

    /// Whether a device runs and the cloud sees it.
    pub(super) fn is_online(&self, device: usize) -> bool {
        let runs = self
            .world
            .devices
            .get(device)
            .is_some_and(|device| device.power() == Power::Running && device.state() == State::Running);
        let directory = self.world.clouds.first().map(|cloud| cloud.service().directory().borrow());
        runs && directory.is_some_and(|directory| {
            let known = self.cloud_id(device).and_then(|id| directory.device(id));
            known.map(Device::status) == Some(DeviceStatus::Online)
        })
    }

    /// What has not come to rest: a device at rest is online, waits for a phone, or keeps trying with a
    /// configuration that no network or cloud here fits.
    pub(super) fn unsettled(&mut self) -> Option<String> {
        (0..self.world.devices.len()).find_map(|index| {
            let device = self.world.devices.get(index)?;
            let (power, state) = (device.power(), device.state());
            let is_at_rest = power == Power::Running
                && match state {
                    State::WaitConfig | State::Configuring => true,
                    State::Running => self.is_online(index),
                    State::ConnectingNet | State::ConnectingCloud | State::Error => self.tries_in_vain(index),
                    State::Init | State::SwitchToSta | State::ResetConfig => false,
                };
            let name = self.world.trace.name(NodeId::Device(index));
            let is = if power == Power::Running { state.name() } else { "not running" };
            (!is_at_rest).then(|| format!("nothing is at fault any more, and {name} is {is}"))
        })
    }

    /// Whether a device is busy with a configuration that no network or cloud here fits.
    fn tries_in_vain(&mut self, device: usize) -> bool {
        let busy = [State::ConnectingNet, State::ConnectingCloud, State::Error];
        if !self.world.devices.get(device).is_some_and(|device| busy.contains(&device.state())) {
            return false;
        }
        let Some(Config { ssid, passphrase, host, .. }) = self.stored_config(device).cloned() else {
            return false;
        };
        let points = self.access_points.iter().flatten();
        let fits = points.into_iter().any(|(_, ap)| ap.ssid == ssid && ap.passphrase == passphrase);
        let host = host.to_string();
        let is_known = self.hosts.contains(&host);
        !fits || !is_known
    }
}
