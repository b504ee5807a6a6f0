//! What changes about clocks, routers, clouds, phones and the air, at once or when something armed happens.

use core::num::NonZero;

use smoltcp::time::Duration;

use super::StepError;
use super::build::{
    Dhcp, Stage, dhcp_mode, dns_mode, handshake_of, lan_of, login_answer, ntp_mode, passphrase_of,
    phone_model, with_habits,
};
use crate::cloud::{self, Cloud, DeviceId};
use crate::phone::Behaviour;
use crate::scenario::{
    AfterLogin, At, ClockChange, CloudChange, Heal, LinkChange, Name, PhoneChange, RouterChange,
    StrangeFrame, Switch,
};
use crate::world::{AccessPoint, LinkFaults, NodeId, World};

/// IEEE 802.11 reason 2: the previous authentication is no longer valid.
const DEAUTH_REASON: u16 = 2;

impl Stage {
    pub(super) fn change_router(&mut self, router: usize, change: &RouterChange) {
        let node = NodeId::Router(router);
        if let Some(password) = &change.password {
            self.world.set_passphrase(node, &passphrase_of(password.expose()));
        }
        // What is noted here is what comes back with the power.
        for (_, ap) in self.access_points.get_mut(router).into_iter().flatten() {
            if let Some(password) = &change.password {
                ap.passphrase = passphrase_of(password.expose());
            }
            apply_radio_changes(ap, change);
        }
        if let Some(actor) = self.world.routers.get_mut(router) {
            if let Some(dhcp) = change.dhcp {
                let Dhcp { mode, lease, pool } = dhcp_mode(dhcp);
                actor.set_dhcp(mode);
                actor.set_pool(pool);
                lease.into_iter().for_each(|lease| actor.set_lease(lease));
            }
            if let Some(dns) = change.dns {
                actor.set_dns(dns_mode(dns));
            }
            if let Some(ntp) = change.ntp {
                actor.set_ntp(ntp_mode(ntp));
            }
            if let Some(subnet) = change.subnet {
                actor.set_lan(lan_of(subnet));
            }
            if let Some(power) = change.power {
                actor.set_power(power == Switch::On);
            }
        }
        for (bssid, ap) in self.access_points.get(router).into_iter().flatten() {
            if change.deauth {
                let reason = change.deauth_reason.map_or(DEAUTH_REASON, |reason| reason.0);
                self.world.deauthenticate(*bssid, reason);
            }
            match change.power {
                Some(Switch::Off) => self.world.remove_access_point(*bssid),
                Some(Switch::On) => self.world.add_access_point(*bssid, ap.clone()),
                None if change.channel.is_some() => {
                    self.world.move_access_point(*bssid, ap.clone());
                }
                // With another security or another network it starts anew.
                None if change.security.is_some() || change.subnet.is_some() => {
                    self.world.remove_access_point(*bssid);
                    self.world.add_access_point(*bssid, ap.clone());
                }
                None => self.world.change_access_point(*bssid, ap),
            }
        }
        self.world.touch(node);
    }

    pub(super) fn change_clock(&mut self, device: usize, change: ClockChange) {
        if let Some(drift) = change.drift_ppm {
            self.world.set_drift(device, drift.0);
        }
        if let Some((node, uptime)) = self.world.devices.get_mut(device).zip(change.uptime) {
            node.set_uptime(uptime);
        }
    }

    pub(super) fn change_phone(&mut self, phone: usize, change: &PhoneChange) {
        let Some(actor) = self.world.phones.get_mut(phone) else { return };
        let (model, behaviour) = actor.behaviour();
        let Behaviour { leaves_ap_after, goes_cellular_after, .. } = behaviour;
        let behaviour = Behaviour {
            leaves_ap_after: change.leaves_ap_after.or(leaves_ap_after),
            goes_cellular_after: change.goes_cellular_after.or(goes_cellular_after),
            ..change.habits.as_deref().map_or(behaviour, with_habits)
        };
        actor.set_behaviour(change.os.map_or(model, phone_model), behaviour);
        // It may be time to leave.
        self.world.touch(NodeId::Phone(phone));
    }

    pub(super) fn change_link(&mut self, change: &LinkChange) -> Result<(), StepError> {
        let world = &mut self.world;
        let LinkFaults {
            loss_permille,
            corrupt_permille,
            reorder_permille,
            duplicate_permille,
            extra_latency,
            jitter,
            mtu,
        } = world.link_faults();
        world.set_link_faults(LinkFaults {
            loss_permille: change.loss_permille.map_or(loss_permille, |share| share.0),
            corrupt_permille: change.corrupt_permille.map_or(corrupt_permille, |share| share.0),
            reorder_permille: change.reorder_permille.map_or(reorder_permille, |share| share.0),
            duplicate_permille: change.duplicate_permille.map_or(duplicate_permille, |share| share.0),
            extra_latency: change.latency.unwrap_or(extra_latency),
            jitter: change.jitter.unwrap_or(jitter),
            mtu: change.mtu.map(|mtu| mtu.0).or(mtu),
        });
        self.heal(change)?;
        if let Some(between) = &change.partition {
            self.partition(between);
        }
        if let Some(between) = &change.hold {
            for (from, to) in self.directions(between) {
                self.world.hold(from, to);
            }
        }
        Ok(())
    }

    /// Lets frames go on that were kept back, and pass where none did.
    fn heal(&mut self, change: &LinkChange) -> Result<(), StepError> {
        self.undo(change.release.as_ref(), World::release_all, World::release, "kept back")?;
        self.undo(change.heal.as_ref(), World::heal_all, World::heal, "kept from passing")
    }

    /// Ends something everywhere or between two; it is an error when there is nothing to end.
    fn undo(
        &mut self,
        what: Option<&Heal>,
        all: fn(&mut World) -> bool,
        one: fn(&mut World, NodeId, NodeId) -> bool,
        done: &str,
    ) -> Result<(), StepError> {
        match what {
            Some(Heal::All) if !all(&mut self.world) => {
                Err(StepError::Unmet(format!("no frames are {done}")))
            }
            Some(Heal::Between(between)) => {
                for (from, to) in self.directions(between) {
                    if !one(&mut self.world, from, to) {
                        return Err(StepError::Unmet(format!("frames {between} are not {done}")));
                    }
                }
                Ok(())
            }
            Some(Heal::All) | None => Ok(()),
        }
    }

    pub(super) fn change_cloud(&mut self, cloud: usize, change: &CloudChange) -> Result<(), StepError> {
        let deleted = change.delete_device.as_ref().map(|name| self.known_device(Some(name))).transpose()?;
        let revoked = change.revoke_token.as_ref().map(|name| self.known_device(Some(name))).transpose()?;
        let written = match &change.write {
            Some(write) => {
                Some((self.known_device(write.device.as_ref())?, write.pin.0, write.value.as_str()))
            }
            None => None,
        };
        let now = self.world.now();
        let Some(actor) = self.world.clouds.get_mut(cloud) else { return Ok(()) };
        apply_cloud_modes(actor, change);
        if let Some(device) = deleted {
            actor.service_mut().delete_device(device);
        }
        if let Some(device) = revoked {
            actor.service_mut().revoke_token_at(now + change.revoke_after.unwrap_or(Duration::ZERO), device);
        }
        if let Some((device, pin, value)) = written {
            actor.service_mut().write(device, pin, value.as_bytes());
        }
        if change.drop_connections {
            actor.drop_connections();
        }
        if let Some(frame) = change.send {
            actor.send_strange(strange_frame(frame));
        }
        // Regions share their accounts: what one of them does may end a session at another.
        for cloud in 0..self.world.clouds.len() {
            self.world.touch(NodeId::Cloud(cloud));
        }
        Ok(())
    }

    /// The cloud's number for a device, the only one unless it is named.
    fn known_device(&self, name: Option<&At<Name>>) -> Result<DeviceId, StepError> {
        let device = match name.and_then(|name| self.node(name.as_str())) {
            Some(NodeId::Device(device)) => device,
            _ => 0,
        };
        let unknown = || StepError::Unmet("the cloud does not know this device yet".to_owned());
        self.cloud_id(device).ok_or_else(unknown)
    }
}

/// What an access point is from now on.
fn apply_radio_changes(ap: &mut AccessPoint, change: &RouterChange) {
    if let Some(rssi) = change.rssi {
        ap.rssi = rssi.0;
    }
    if let Some(channel) = change.channel {
        ap.channel = channel.0;
    }
    if let Some(hidden) = change.hidden {
        ap.hidden = hidden;
    }
    if let Some(security) = change.security {
        ap.security = security.into();
    }
    if let Some(delay) = change.join_delay {
        ap.join_delay = delay;
    }
    if let Some(count) = change.stations_max {
        ap.capacity = usize::from(count.0);
    }
}

/// What a cloud is from now on.
fn apply_cloud_modes(actor: &mut Cloud, change: &CloudChange) {
    if let Some(power) = change.power {
        actor.set_power(power == Switch::On);
    }
    if let Some(certificate) = change.certificate {
        actor.service_mut().set_certificate(certificate.into());
    }
    if let Some(to) = &change.redirect_to {
        actor.service_mut().set_redirect(Some((to.host.as_str().to_owned(), to.port)));
    }
    if let Some(login) = change.login {
        actor.service_mut().set_login_answer(login_answer(login));
    }
    if let Some(handshake) = change.handshake {
        actor.service_mut().set_handshake(handshake_of(handshake));
    }
    if let Some(mute) = change.mute {
        actor.service_mut().set_mute(mute);
    }
    if let Some(refuses) = change.refuse {
        actor.set_refusing(refuses);
    }
    if let Some(delay) = change.delay {
        actor.service_mut().set_delay(delay);
    }
    if let Some(len) = change.split {
        actor.service_mut().set_split(NonZero::new(len.into()));
    }
    if let Some(window) = change.coalesce {
        actor.service_mut().set_coalesce(window);
    }
    if let Some(window) = change.reorder {
        actor.service_mut().set_reorder(window);
    }
    if let Some(after_login) = change.after_login {
        actor.service_mut().set_after_login(match after_login {
            AfterLogin::Normal => cloud::AfterLogin::Normal,
            AfterLogin::Drop => cloud::AfterLogin::Drop,
            AfterLogin::Mute => cloud::AfterLogin::Mute,
        });
    }
}

fn strange_frame(frame: StrangeFrame) -> cloud::StrangeFrame {
    match frame {
        StrangeFrame::Oversize => cloud::StrangeFrame::Oversize,
        StrangeFrame::IdZero => cloud::StrangeFrame::IdZero,
        StrangeFrame::UnknownCommand => cloud::StrangeFrame::UnknownCommand,
    }
}
