//! What each verb does to the world, and when it is done.

use firmware_core::config::StaticIp as DeviceStaticIp;
use firmware_core::hal::ResetCause;
use firmware_core::panel::DEBOUNCE;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::Ipv4Address;

use super::{Begun, Runner, StepError};
use crate::dns::record;
use crate::phone::{self, Command, Configuration, TokenSource};
use crate::scenario::{
    Bouncing, Button, Configure, Credentials, DnsCode, DnsRecord, Lookup, Name, PhoneAction, Power,
    Provision, Request, StaticIp, Step, TokenChoice, Verb,
};
use crate::world::NodeId;

/// Longer than anything a phone does takes: its slowest single thing is waiting two minutes to be online.
const PHONE_LIMIT: Duration = Duration::from_secs(900);
/// How long the supply is gone when the plug is pulled and put back.
pub(super) const CYCLE_PAUSE: Duration = Duration::from_millis(500);
/// A short press.
const PRESS: Duration = Duration::from_millis(200);
/// Every press and release bounces: the contact opens once more after 3 ms and is quiet after 7 ms.
const BOUNCES: [u64; 2] = [3, 7];
/// What a device's serial line holds until the firmware reads it, in bytes.
const CONSOLE_ROOM: usize = 256;
/// At 115,200 baud so many bytes take a little less than this time.
const SERIAL_PIECE_LEN: usize = 128;
const SERIAL_PIECE_TIME: Duration = Duration::from_millis(12);
/// The name of the header that `big_header:` adds.
const BIG_HEADER: &str = "X-Filler";
/// The form that `body:` is sent as.
const FORM: &str = "application/x-www-form-urlencoded";

impl Runner<'_> {
    /// `actor` is who acts, where the step says so.
    pub(super) fn run_verb(&mut self, step: &Step, actor: Option<NodeId>) -> Result<(), StepError> {
        match (&step.verb, actor) {
            (Verb::Power(power), Some(NodeId::Device(device))) => self.power(device, *power),
            (Verb::Button(button), Some(NodeId::Device(device))) => self.button(device, button),
            (Verb::Console(line), Some(NodeId::Device(device))) => self.type_line(device, line),
            (Verb::Arm(arm), node) => {
                self.arm(arm, node);
                Ok(())
            }
            (Verb::Settle(within), _) => self.settle(*within),
            (Verb::Link(change), _) => self.stage.change_link(change),
            (Verb::Phone(PhoneAction::Behave(change)), Some(NodeId::Phone(phone))) => {
                self.stage.change_phone(phone, change);
                Ok(())
            }
            (Verb::Phone(action), Some(NodeId::Phone(phone))) => self.phone(phone, action, step.meanwhile),
            (Verb::Flash(change), Some(NodeId::Device(device))) => self.stage.change_flash(device, change),
            (Verb::Clock(change), Some(NodeId::Device(device))) => {
                self.stage.change_clock(device, *change);
                Ok(())
            }
            (Verb::Router(change), Some(NodeId::Router(router))) => {
                self.stage.change_router(router, change);
                Ok(())
            }
            (Verb::Cloud(change), Some(NodeId::Cloud(cloud))) => self.stage.change_cloud(cloud, change),
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
            Power::On => self.stage.world.power_on(device, ResetCause::PowerOn),
            Power::Off => self.stage.world.power_off(device),
            Power::Cycle => {
                self.stage.world.power_off(device);
                self.wait(CYCLE_PAUSE)?;
                self.stage.world.power_on(device, ResetCause::PowerOn);
            }
            Power::Brownout => self.stage.world.reset(device, ResetCause::Brownout),
            Power::Watchdog => self.stage.world.reset(device, ResetCause::Watchdog),
        }
        Ok(())
    }

    /// Types a line and Enter: at once when the device's buffer takes it, else as fast as a serial line goes.
    fn type_line(&mut self, device: usize, line: &str) -> Result<(), StepError> {
        let text = format!("{line}\r");
        let piece_len = if text.len() <= CONSOLE_ROOM { CONSOLE_ROOM } else { SERIAL_PIECE_LEN };
        for piece in text.as_bytes().chunks(piece_len) {
            if !self.stage.world.type_on_console(device, piece) {
                return Err(StepError::Unmet(
                    "the console takes nothing: the device does not run".to_owned(),
                ));
            }
            if text.len() > CONSOLE_ROOM {
                self.wait(SERIAL_PIECE_TIME)?;
            }
        }
        Ok(())
    }

    pub(super) fn button(&mut self, device: usize, button: &Button) -> Result<(), StepError> {
        let last = self.press(device, button);
        let until = last + DEBOUNCE;
        self.run_until(until, |stage| stage.world.now() >= until).map(|_| ())
    }

    /// Lets a finger press and release a button from now on; returns when the contact is at rest.
    pub(super) fn press(&mut self, device: usize, button: &Button) -> Instant {
        let pressed_at = self.stage.world.now();
        let (held, bounces) = match button {
            Button::Press => (PRESS, BOUNCES.map(Duration::from_millis).to_vec()),
            Button::Hold(time) => (*time, BOUNCES.map(Duration::from_millis).to_vec()),
            Button::Bouncing(Bouncing { hold, bounces }) => (*hold, bounces.clone()),
        };
        let mut last = pressed_at;
        for (start, level) in [(pressed_at, true), (pressed_at + held, false)] {
            let mut is_down = level;
            for after in std::iter::once(Duration::ZERO).chain(bounces.iter().copied()) {
                last = start + after;
                self.stage.world.set_button(last, device, is_down);
                is_down = !is_down;
            }
        }
        last
    }

    fn phone(&mut self, phone: usize, action: &PhoneAction, meanwhile: bool) -> Result<(), StepError> {
        self.finish_phone(phone)?;
        let mut expected_status = None;
        let command = match action {
            PhoneAction::GetToken => Command::GetToken { reconfigure: false },
            // The app finds the device by its prefix; the scenario's check saw to it that there is one.
            PhoneAction::Join => Command::Join { ap: None },
            PhoneAction::JoinDevice(device) => Command::Join { ap: self.device_ap(device.as_str()) },
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
            PhoneAction::WaitOnline => Command::WaitOnline { limit: phone::ONLINE_LIMIT },
            PhoneAction::Rename(name) => Command::Rename { name: name.clone() },
            PhoneAction::DeleteDevice => return self.delete_device_of(phone),
            PhoneAction::Leave
            | PhoneAction::Request(_)
            | PhoneAction::Browse
            | PhoneAction::HalfOpen(_)
            | PhoneAction::Parallel(_)
            | PhoneAction::Lookup(_)
            | PhoneAction::Behave(_) => {
                // What changes the phone itself is no command and has been done.
                let Some(command) = command_beside(action) else { return Ok(()) };
                if let PhoneAction::Request(request) = action {
                    expected_status = request.expect_status.map(|status| status.0);
                }
                command
            }
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
            let step = self.begun.get(phone).and_then(|begun| begun.as_ref()).map_or(0, |begun| begun.step);
            self.finish_phone(phone).map_err(|error| (step, error))?;
        }
        Ok(())
    }

    /// Waits until a phone has done what it began, if it did.
    pub(super) fn finish_phone(&mut self, phone: usize) -> Result<(), StepError> {
        let Some(begun) = self.begun.get_mut(phone).and_then(Option::take) else { return Ok(()) };
        let Err(error) = self.end_command(phone, &begun) else { return Ok(()) };
        match error {
            StepError::Unmet(why) if begun.step != self.step_number => {
                let step = begun.step.checked_sub(1).and_then(|place| self.scenario.steps.get(place));
                if step.is_some_and(|step| step.may_fail) {
                    return Ok(());
                }
                Err(StepError::Unmet(format!("what it began in step {} failed: {why}", begun.step)))
            }
            error => Err(error),
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
            cloud.service_mut().delete_device(id);
            self.stage.world.touch(NodeId::Cloud(0));
        }
        Ok(())
    }
}

fn with_credentials(credentials: Option<Credentials>) -> Result<Configuration, StepError> {
    let Some(Credentials { ssid, password }) = credentials else {
        return Err(StepError::Unmet("no network is named".to_owned()));
    };
    Ok(Configuration::new(ssid.as_bytes(), phone::Secret::new(password.expose())))
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

/// What a phone does for an action that it can also do beside another.
pub(super) fn command_beside(action: &PhoneAction) -> Option<Command> {
    Some(match action {
        PhoneAction::Leave => Command::Leave,
        PhoneAction::Request(request) => Command::Request(http_request(request)),
        PhoneAction::Browse => Command::Browse,
        PhoneAction::HalfOpen(count) => Command::HalfOpen(count.0),
        PhoneAction::Parallel(parallel) => Command::Parallel {
            request: phone::Request::get(parallel.path.value.as_str()),
            count: parallel.count.0,
            at_least: parallel.at_least.unwrap_or(parallel.count).0,
        },
        PhoneAction::Lookup(lookup) => Command::Query(query(lookup)),
        _ => return None,
    })
}

fn http_request(request: &Request) -> phone::Request {
    let mut http = phone::Request::get(request.path.value.as_str());
    http.method.clone_from(&request.method);
    http.headers = request.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(len) = request.big_header {
        http.headers.push((BIG_HEADER.to_owned(), "x".repeat(len.0.into())));
    }
    http.copies = request.pipelined.map_or(http.copies, |count| count.0);
    http.port = request.port.map_or(http.port, |port| port.0);
    http.expects_refusal = request.refused;
    if let Some(body) = &request.body {
        http.headers.push(("Content-Type".to_owned(), FORM.to_owned()));
        http.body = body.clone().into_bytes();
    }
    http
}

fn query(lookup: &Lookup) -> phone::Query {
    phone::Query {
        name: lookup.name.as_str().to_owned(),
        record: match lookup.record {
            DnsRecord::A => record::A,
            DnsRecord::Aaaa => record::AAAA,
            DnsRecord::Https => record::HTTPS,
        },
        edns: lookup.edns,
        questions: lookup.questions.map_or(1, |count| count.0),
        // RFC 1035 section 4.1.1.
        code: match lookup.expect_code {
            DnsCode::NoError => 0,
            DnsCode::FormatError => 1,
            DnsCode::ServerFailure => 2,
            DnsCode::NameError => 3,
        },
        answers: lookup.expect_answers,
    }
}
