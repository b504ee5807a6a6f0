//! What each verb does to the world, and when it is done.

use firmware_core::config::StaticIp as DeviceStaticIp;
use firmware_core::hal::ResetCause;
use firmware_core::panel::DEBOUNCE;
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Address;

use super::build::{Dhcp, dhcp_mode, dns_mode, login_answer, passphrase_of};
use super::{Begun, Runner, StepError};
use crate::phone::{self, Command, Configuration, TokenSource};
use crate::scenario::{
    Button, CloudChange, Configure, Credentials, Heal, LinkChange, Name, PhoneAction, Power, Provision,
    Request, RouterChange, StaticIp, Step, Switch, TokenChoice, Verb,
};
use crate::world::{LinkFaults, NodeId};

/// Longer than anything a phone does takes: its slowest single thing is waiting two minutes to be online.
const PHONE_LIMIT: Duration = Duration::from_secs(900);
/// How long the supply is gone when the plug is pulled and put back.
pub(super) const CYCLE_PAUSE: Duration = Duration::from_millis(500);
/// A short press.
const PRESS: Duration = Duration::from_millis(200);
/// Every press and release bounces: the contact opens once more after 3 ms and is quiet after 7 ms.
const BOUNCES: [(u64, bool); 3] = [(0, true), (3, false), (7, true)];
/// IEEE 802.11 reason 2: the previous authentication is no longer valid.
const DEAUTH_REASON: u16 = 2;
/// The form that `body:` is sent as.
const FORM: &str = "application/x-www-form-urlencoded";

impl Runner<'_> {
    pub(super) fn run_verb(&mut self, step: &Step) -> Result<(), StepError> {
        let node = self.node(step.actor.as_ref());
        match (&step.verb, node) {
            (Verb::Power(power), Some(NodeId::Device(device))) => self.power(device, *power),
            (Verb::Button(button), Some(NodeId::Device(device))) => self.button(device, *button),
            (Verb::Console(line), Some(NodeId::Device(device))) => {
                if self.stage.world.type_on_console(device, &format!("{line}\r")) {
                    return Ok(());
                }
                let why = "the console takes lines of up to 255 bytes, and only while the device runs";
                Err(StepError::Unmet(why.to_owned()))
            }
            (Verb::Arm(arm), node) => {
                self.arm(arm, node);
                Ok(())
            }
            (Verb::Settle(within), _) => self.settle(*within),
            (Verb::Link(change), _) => self.change_link(change),
            (Verb::Phone(action), Some(NodeId::Phone(phone))) => self.phone(phone, action, step.meanwhile),
            (Verb::Flash(change), Some(NodeId::Device(device))) => self.change_flash(device, change),
            (Verb::Router(change), Some(NodeId::Router(router))) => {
                self.change_router(router, change);
                Ok(())
            }
            (Verb::Cloud(change), Some(NodeId::Cloud(cloud))) => self.change_cloud(cloud, change),
            (Verb::Expect(expect), Some(node)) => self.expect(node, expect),
            (Verb::Wait(time), _) => self.wait(*time),
            // The scenario's check has settled who acts.
            (verb, _) => Err(StepError::Unmet(format!("nobody can do this: {}", verb.describe()))),
        }
    }

    pub(super) fn node(&self, name: Option<&Name>) -> Option<NodeId> {
        self.stage.node(name?.as_str())
    }

    pub(super) fn wait(&mut self, time: Duration) -> Result<(), StepError> {
        let until = self.stage.world.now() + time;
        self.run_until(until, |stage| stage.world.now() >= until).map(|_| ())
    }

    fn power(&mut self, device: usize, power: Power) -> Result<(), StepError> {
        match power {
            Power::Brownout => self.stage.world.reset(device, ResetCause::Brownout),
            Power::Watchdog => self.stage.world.reset(device, ResetCause::Watchdog),
            Power::On | Power::Off | Power::Cycle => {}
        }
        if matches!(power, Power::Off | Power::Cycle) {
            self.stage.world.power_off(device);
        }
        if power == Power::Cycle {
            self.wait(CYCLE_PAUSE)?;
        }
        if matches!(power, Power::On | Power::Cycle) {
            self.stage.world.power_on(device, ResetCause::PowerOn);
        }
        Ok(())
    }

    fn button(&mut self, device: usize, button: Button) -> Result<(), StepError> {
        let held = match button {
            Button::Press => PRESS,
            Button::Hold(time) => time,
        };
        let pressed_at = self.stage.world.now();
        let released_at = pressed_at + held;
        let mut last = released_at;
        for (start, level) in [(pressed_at, true), (released_at, false)] {
            for (after_ms, closed) in BOUNCES {
                last = start + Duration::from_millis(after_ms);
                self.stage.world.set_button(last, device, closed == level);
            }
        }
        let until = last + DEBOUNCE;
        self.run_until(until, |stage| stage.world.now() >= until).map(|_| ())
    }

    fn phone(&mut self, phone: usize, action: &PhoneAction, meanwhile: bool) -> Result<(), StepError> {
        self.finish_phone(phone)?;
        let mut expected_status = None;
        let command = match action {
            PhoneAction::GetToken => Command::GetToken { reconfigure: false },
            // The app finds the device by its prefix; the scenario's check saw to it that there is one.
            PhoneAction::Join => Command::Join { ap: None },
            PhoneAction::JoinDevice(device) => Command::Join { ap: self.device_ap(device.as_str()) },
            PhoneAction::Leave => Command::Leave,
            PhoneAction::BoardInfo => Command::BoardInfo,
            PhoneAction::Scan => Command::ScanNetworks,
            PhoneAction::Configure(configure) => {
                if matches!(configure.token, TokenChoice::Issued) && !self.has_token(phone) {
                    self.begin_command(phone, Command::GetToken { reconfigure: false }, None);
                    self.finish_phone(phone)?;
                }
                expected_status = configure.expect_status.map(|status| status.0);
                Command::Configure(self.configuration(configure)?)
            }
            PhoneAction::Provision(provision) => match provision.tries {
                None => self.provision(provision)?,
                Some(tries) => return self.provision_until_online(phone, provision, tries.0),
            },
            PhoneAction::Request(request) => {
                expected_status = request.expect_status.map(|status| status.0);
                Command::Request(http_request(request))
            }
            PhoneAction::WaitOnline => Command::WaitOnline { limit: phone::ONLINE_LIMIT },
            PhoneAction::Rename(name) => Command::Rename { name: name.clone() },
            PhoneAction::DeleteDevice => return self.delete_device_of(phone),
        };
        self.begin_command(phone, command, expected_status);
        if meanwhile { Ok(()) } else { self.finish_phone(phone) }
    }

    /// Lets a phone begin something; `status` is the one it must be answered with.
    pub(super) fn begin_command(&mut self, phone: usize, command: Command, status: Option<u16>) {
        let now = self.stage.world.now();
        if let Some(phone) = self.stage.world.phones.get_mut(phone) {
            phone.command(now, command);
        }
        self.stage.world.touch(NodeId::Phone(phone));
        if let Some(begun) = self.begun.get_mut(phone) {
            *begun = Some(Begun { step: self.step_number, give_up_at: now + PHONE_LIMIT, status });
        }
    }

    /// Waits until every phone has done what it began, and returns the step that began what went wrong.
    pub(super) fn finish_phones(&mut self) -> Result<(), (usize, StepError)> {
        for phone in 0..self.begun.len() {
            let step = self.begun.get(phone).and_then(|begun| begun.as_ref()).map_or(1, |begun| begun.step);
            self.finish_phone(phone).map_err(|error| (step, error))?;
        }
        Ok(())
    }

    /// Waits until a phone has done what it began, if it did.
    pub(super) fn finish_phone(&mut self, phone: usize) -> Result<(), StepError> {
        let Some(begun) = self.begun.get_mut(phone).and_then(Option::take) else { return Ok(()) };
        let may_fail = self.scenario.steps.get(begun.step - 1).is_some_and(|step| step.may_fail);
        match self.end_command(phone, &begun) {
            Err(StepError::Unmet(why)) if begun.step != self.step_number => match may_fail {
                true => Ok(()),
                false => Err(StepError::Unmet(format!("what it began in step {} failed: {why}", begun.step))),
            },
            ended => ended,
        }
    }

    fn end_command(&mut self, phone: usize, begun: &Begun) -> Result<(), StepError> {
        let done = self.run_until(begun.give_up_at, |stage| {
            stage.world.phones.get(phone).is_none_or(|phone| *phone.status() != phone::Status::Busy)
        })?;
        self.note_device_of(phone);
        let Some(phone) = self.stage.world.phones.get(phone) else { return Ok(()) };
        if !done {
            return Err(StepError::Unmet("the phone never came to an end".to_owned()));
        }
        let got = phone.observations().http_status;
        match (begun.status, phone.status()) {
            (Some(wanted), _) if got == Some(wanted) => Ok(()),
            (Some(wanted), _) => {
                let got = got.map_or("no answer".to_owned(), |got| format!("status {got}"));
                Err(StepError::Unmet(format!("the device was to answer with status {wanted}; {got} came")))
            }
            (None, phone::Status::Failed(why)) => Err(StepError::Unmet(why.clone())),
            (None, phone::Status::Idle | phone::Status::Busy | phone::Status::Done) => Ok(()),
        }
    }

    fn has_token(&self, phone: usize) -> bool {
        self.stage.world.phones.get(phone).is_some_and(|phone| phone.observations().token.is_some())
    }

    /// Keeps the token that the cloud has issued among the secrets that must not be told.
    fn note_device_of(&mut self, phone: usize) {
        let Some(phone) = self.stage.world.phones.get(phone) else { return };
        if let Some(token) = &phone.observations().token
            && let Ok(text) = std::str::from_utf8(token.expose())
            && !self.stage.secrets.iter().any(|secret| secret == text)
        {
            self.stage.secrets.push(text.to_owned());
        }
    }

    fn device_ap(&self, name: &str) -> Option<String> {
        match self.stage.node(name) {
            Some(NodeId::Device(device)) => self.stage.ap_name(device),
            _ => None,
        }
    }

    fn configuration(&self, configure: &Configure) -> Result<Configuration, StepError> {
        let credentials = configure.credentials(&self.scenario.world);
        let mut configuration = with_credentials(credentials)?;
        configuration.token = token_source(&configure.token);
        configuration.host = configure.host.as_ref().map(|host| host.as_str().to_owned());
        configuration.port = configure.port;
        configuration.save = configure.save;
        configuration.static_ip = configure.static_ip.map(static_ip);
        configuration.extra = configure.raw.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(configuration)
    }

    pub(super) fn provision(&self, provision: &Provision) -> Result<Command, StepError> {
        let mut configuration = with_credentials(provision.credentials(&self.scenario.world))?;
        configuration.token = token_source(&provision.token);
        configuration.save = provision.save;
        configuration.static_ip = provision.static_ip.map(static_ip);
        let ap = provision.device.as_ref().and_then(|device| self.device_ap(device.as_str()));
        Ok(Command::Provision { ap, configuration, keep_token: false, name: provision.name.clone() })
    }

    /// The owner removes the device from the account; every region forgets it.
    fn delete_device_of(&mut self, phone: usize) -> Result<(), StepError> {
        let id = self.stage.world.phones.get(phone).and_then(|phone| phone.observations().device_id);
        let Some(id) = id.and_then(|id| id.try_into().ok()) else {
            return Err(StepError::Unmet("this phone has not set up a device".to_owned()));
        };
        if let Some(cloud) = self.stage.world.clouds.first_mut() {
            cloud.delete_device(id);
            self.stage.world.touch(NodeId::Cloud(0));
        }
        Ok(())
    }

    pub(super) fn change_router(&mut self, router: usize, change: &RouterChange) {
        let node = NodeId::Router(router);
        if let Some(password) = &change.password {
            self.stage.world.set_passphrase(node, &passphrase_of(password.expose()));
        }
        // What is noted here is what comes back with the power.
        for (_, ap) in self.stage.access_points.get_mut(router).into_iter().flatten() {
            if let Some(password) = &change.password {
                ap.passphrase = passphrase_of(password.expose());
            }
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
        if let Some(actor) = self.stage.world.routers.get_mut(router) {
            if let Some(dhcp) = change.dhcp {
                let Dhcp { mode, lease, pool } = dhcp_mode(dhcp);
                actor.set_dhcp(mode);
                actor.set_pool(pool);
                lease.into_iter().for_each(|lease| actor.set_lease(lease));
            }
            if let Some(dns) = change.dns {
                actor.set_dns(dns_mode(dns));
            }
            if let Some(power) = change.power {
                actor.set_power(power == Switch::On);
            }
        }
        for (bssid, ap) in self.stage.access_points.get(router).into_iter().flatten() {
            if change.deauth {
                let reason = change.deauth_reason.map_or(DEAUTH_REASON, |reason| reason.0);
                self.stage.world.deauthenticate(*bssid, reason);
            }
            match change.power {
                Some(Switch::Off) => self.stage.world.remove_access_point(*bssid),
                Some(Switch::On) => self.stage.world.add_access_point(*bssid, ap.clone()),
                None if change.channel.is_some() => {
                    self.stage.world.move_access_point(*bssid, ap.clone());
                }
                // With another security it starts anew.
                None if change.security.is_some() => {
                    self.stage.world.remove_access_point(*bssid);
                    self.stage.world.add_access_point(*bssid, ap.clone());
                }
                None => self.stage.world.change_access_point(*bssid, ap),
            }
        }
        self.stage.world.touch(node);
    }

    pub(super) fn change_link(&mut self, change: &LinkChange) -> Result<(), StepError> {
        let world = &mut self.stage.world;
        let LinkFaults {
            loss_permille,
            corrupt_permille,
            reorder_permille,
            duplicate_permille,
            extra_latency,
        } = world.link_faults();
        world.set_link_faults(LinkFaults {
            loss_permille: change.loss_permille.map_or(loss_permille, |share| share.0),
            corrupt_permille: change.corrupt_permille.map_or(corrupt_permille, |share| share.0),
            reorder_permille: change.reorder_permille.map_or(reorder_permille, |share| share.0),
            duplicate_permille: change.duplicate_permille.map_or(duplicate_permille, |share| share.0),
            extra_latency: change.latency.unwrap_or(extra_latency),
        });
        match &change.heal {
            Some(Heal::All) if !self.stage.world.heal_all() => {
                return Err(StepError::Unmet("there is no partition to heal".to_owned()));
            }
            Some(Heal::Between(between)) => {
                for (from, to) in self.stage.directions(between) {
                    if !self.stage.world.heal(from, to) {
                        return Err(StepError::Unmet(format!("frames {between} were not kept from passing")));
                    }
                }
            }
            Some(Heal::All) | None => {}
        }
        if let Some(between) = &change.partition {
            self.stage.partition(between);
        }
        Ok(())
    }

    pub(super) fn change_cloud(&mut self, cloud: usize, change: &CloudChange) -> Result<(), StepError> {
        let device = |name: Option<&Name>| match name.and_then(|name| self.stage.node(name.as_str())) {
            Some(NodeId::Device(device)) => device,
            _ => 0,
        };
        let deleted = change.delete_device.as_ref().map(|name| device(Some(&name.value)));
        let written = change.write.as_ref().map(|write| {
            (device(write.device.as_ref().map(|name| &name.value)), write.pin.0, write.value.as_str())
        });
        let known = |device| {
            let unknown = || StepError::Unmet("the cloud does not know this device yet".to_owned());
            self.stage.cloud_id(device).ok_or_else(unknown)
        };
        let deleted = deleted.map(known).transpose()?;
        let written = written
            .map(|(device, pin, value)| Ok::<_, StepError>((known(device)?, pin, value)))
            .transpose()?;
        let Some(actor) = self.stage.world.clouds.get_mut(cloud) else { return Ok(()) };
        if let Some(power) = change.power {
            actor.set_power(power == Switch::On);
        }
        if let Some(certificate) = change.certificate {
            actor.set_certificate(certificate.into());
        }
        if let Some(to) = &change.redirect_to {
            actor.set_redirect(Some((to.host.as_str().to_owned(), to.port)));
        }
        if let Some(login) = change.login {
            actor.set_login_answer(login_answer(login));
        }
        if let Some(mute) = change.mute {
            actor.set_mute(mute);
        }
        if let Some(device) = deleted {
            actor.delete_device(device);
        }
        if let Some((device, pin, value)) = written {
            actor.write(device, pin, value.as_bytes());
        }
        if change.drop_connections {
            actor.drop_connections();
        }
        // Regions share their accounts: what one of them does may end a session at another.
        for cloud in 0..self.stage.world.clouds.len() {
            self.stage.world.touch(NodeId::Cloud(cloud));
        }
        Ok(())
    }
}

fn with_credentials(credentials: Option<Credentials>) -> Result<Configuration, StepError> {
    let Some(Credentials { ssid, password }) = credentials else {
        return Err(StepError::Unmet("no network is named".to_owned()));
    };
    Ok(Configuration::new(ssid.as_str().as_bytes(), phone::Secret::new(password.expose())))
}

fn token_source(choice: &TokenChoice) -> TokenSource {
    match choice {
        TokenChoice::Issued => TokenSource::Issued,
        TokenChoice::Invalid => TokenSource::Invalid,
        TokenChoice::Literal(token) => TokenSource::Literal(phone::Secret::new(token.expose())),
    }
}

fn static_ip(fixed: StaticIp) -> DeviceStaticIp {
    let or_unset = |address: Option<Ipv4Address>| address.unwrap_or(Ipv4Address::UNSPECIFIED);
    DeviceStaticIp {
        ip: fixed.ip,
        mask: or_unset(fixed.mask),
        gateway: or_unset(fixed.gateway),
        dns: or_unset(fixed.dns),
        dns2: or_unset(fixed.dns2),
    }
}

fn http_request(request: &Request) -> phone::Request {
    let mut http = phone::Request::get(request.path.value.as_str());
    http.method.clone_from(&request.method);
    if let Some(body) = &request.body {
        http.headers.push(("Content-Type".to_owned(), FORM.to_owned()));
        http.body = body.clone().into_bytes();
    }
    http
}
