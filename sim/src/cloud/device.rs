//! The device protocol, server side.

use core::fmt::Write as _;

use smoltcp::time::{Duration, Instant};

use super::api::DESCRIPTION_LEN_MAX;
use super::directory::{Activation, Device};
use super::frame::{self, command, status};
use super::{Behaviour, Cloud, Connection, DeviceId, Event, LoginAnswer, SecondLogin, WrongTemplate, shown};

/// The server-side message id of what another client of the API writes, as the legacy server numbers it.
const WRITE_ID: u16 = 111;
/// Properties a widget can be given; others are refused (the documentation's list).
const PROPERTIES: [&[u8]; 14] = [
    b"label",
    b"labels",
    b"color",
    b"min",
    b"max",
    b"onLabel",
    b"offLabel",
    b"isDisabled",
    b"isHidden",
    b"isOnPlay",
    b"url",
    b"urls",
    b"step",
    b"opacity",
];
/// Verbs of INTERNAL other than those handled here; anything else is a list of keys and values.
const OTHER_VERBS: [&[u8]; 5] = [b"ota", b"vfs", b"dbg", b"acon", b"adis"];
/// What a heartbeat may be, in seconds. The library's least is 10; test clients go lower.
const HEARTBEAT_S: core::ops::RangeInclusive<u32> = 1..=3_600;

/// A device's side of a connection.
#[derive(Default)]
pub(super) struct Session {
    /// The device and the number of its session, once it is logged in.
    pub(super) login: Option<(DeviceId, u64)>,
    /// The second in which the last frame came, and how many came in it.
    rate: (i64, u32),
}

impl Cloud {
    /// Handles every whole frame that has arrived.
    pub(super) fn serve_device(&mut self, now: Instant, connection: &mut Connection, session: &mut Session) {
        let input = core::mem::take(&mut connection.input);
        let mut at = 0;
        while let Some(incoming) = frame::read(&input[at..]) {
            at += incoming.len;
            if !session.admit(now, self.config.behaviour.rate_max) {
                connection.closing = true;
            }
            if connection.closing {
                break;
            }
            match session.login {
                Some((device, _)) => self.on_frame(now, connection, device, &incoming),
                None => self.on_first_frame(now, connection, session, &incoming),
            }
        }
        connection.input = input;
        connection.input.drain(..at);
    }

    /// Sends what others have written to the device's pins.
    pub(super) fn send_downlinks(&mut self, connection: &mut Connection, device: DeviceId) {
        let mut directory = self.directory.borrow_mut();
        let Some(device) = directory.device_mut(device).filter(|device| device.has_downlinks()) else {
            return;
        };
        for write in device.take_downlinks() {
            write_pin(&mut connection.output, WRITE_ID, write.pin, &write.value);
        }
    }

    /// Sets a metadata field and tells of it; returns whether the field and the value are good.
    pub(super) fn set_meta(&mut self, id: DeviceId, field: &str, value: &str) -> bool {
        let mut directory = self.directory.borrow_mut();
        let done = directory.device_mut(id).is_some_and(|device| device.set_meta(field, value));
        if done && field == "Device Name" {
            self.events.push(Event::Renamed { device: id, name: value.into() });
        } else if done {
            self.events.push(Event::MetaSet { device: id, field: field.into(), value: value.into() });
        }
        done
    }

    /// Ties a device to a template where that is possible, and tells of it.
    pub(super) fn activate(&mut self, now: Instant, id: DeviceId, template: &str) -> Activation {
        let activation = self.directory.borrow_mut().activate(now, id, template);
        match activation {
            Activation::Done => {
                self.events.push(Event::Activated { device: id, template: template.into() });
            }
            Activation::UnknownTemplate => {
                self.events.push(Event::TemplateUnknown { device: id, template: template.into() });
            }
            Activation::Unchanged => {}
        }
        activation
    }

    /// Records an event that a device logged, unless its description is too long, which drops it.
    pub(super) fn on_event_logged(&mut self, id: DeviceId, code: &str, description: &str) {
        if description.chars().count() > DESCRIPTION_LEN_MAX {
            return;
        }
        if let Some(device) = self.directory.borrow_mut().device_mut(id) {
            device.log_event(code, description);
        }
        let (code, description) = (code.into(), description.into());
        self.events.push(Event::EventLogged { device: id, code, description });
    }

    /// Nothing but a login is heard before the login; anything else ends the connection without a word.
    fn on_first_frame(
        &mut self,
        now: Instant,
        connection: &mut Connection,
        session: &mut Session,
        incoming: &frame::Incoming,
    ) {
        let id = incoming.id;
        if ![command::LOGIN, command::HW_LOGIN].contains(&incoming.command) {
            connection.closing = true;
            return;
        }
        if let Some((host, port)) = &self.redirect {
            let port = port.to_string();
            let body = [host.as_bytes(), port.as_bytes()];
            frame::write(&mut connection.output, command::REDIRECT, id, &body);
            self.events.push(Event::RedirectSent { host: host.clone() });
            return;
        }
        match self.login_answer {
            LoginAnswer::Normal => {}
            LoginAnswer::Silent => return,
            LoginAnswer::Status(refusal) => return self.refuse_login(connection, id, refusal),
        }
        // The legacy server trims white space around a token.
        let token = str::from_utf8(incoming.body).map(str::trim).unwrap_or_default();
        let device = self.directory.borrow().find(now, token).map(Device::id);
        let Some(device) = device else {
            return self.refuse_login(connection, id, status::INVALID_TOKEN);
        };
        let is_online =
            self.directory.borrow().device(device).is_some_and(|device| device.session().is_some());
        if is_online && self.config.behaviour.second_login == SecondLogin::Refuse {
            return self.refuse_login(connection, id, status::ALREADY_REGISTERED);
        }
        let (number, replaced) = self.directory.borrow_mut().log_in(now, device, token);
        session.login = Some((device, number));
        frame::write_status(&mut connection.output, id, status::SUCCESS);
        if replaced {
            self.events.push(Event::Replaced { device });
        }
        self.events.push(Event::LoggedIn { device });
    }

    fn refuse_login(&mut self, connection: &mut Connection, id: u16, status: u16) {
        frame::write_status(&mut connection.output, id, status);
        self.events.push(Event::LoginRefused { status });
    }

    fn on_frame(
        &mut self,
        now: Instant,
        connection: &mut Connection,
        device: DeviceId,
        incoming: &frame::Incoming,
    ) {
        let (id, body) = (incoming.id, incoming.body);
        let Behaviour { acknowledge_event, acknowledge_group, .. } = self.config.behaviour;
        let answer = match incoming.command {
            command::RESPONSE => None,
            command::LOGIN | command::HW_LOGIN => Some(status::ALREADY_REGISTERED),
            command::PING => Some(status::SUCCESS),
            command::INTERNAL => self.on_internal(now, connection, device, id, body),
            command::HARDWARE => self.on_hardware(device, body),
            command::HARDWARE_SYNC => self.on_sync(connection, device, id, body),
            command::PROPERTY => Some(judge_property(body)),
            command::GROUP => acknowledge_group.then_some(status::SUCCESS),
            command::EVENT_LOG => {
                let (code, description) = split(body);
                if code.is_empty() {
                    Some(status::ILLEGAL_COMMAND_BODY)
                } else {
                    let texts = [code, description].map(String::from_utf8_lossy);
                    self.on_event_logged(device, &texts[0], &texts[1]);
                    acknowledge_event.then_some(status::SUCCESS)
                }
            }
            command::EVENT_CLEAR => acknowledge_event.then_some(status::SUCCESS),
            _ => Some(status::ILLEGAL_COMMAND),
        };
        if let Some(answer) = answer {
            frame::write_status(&mut connection.output, id, answer);
        }
    }

    fn on_hardware(&mut self, device: DeviceId, body: &[u8]) -> Option<u16> {
        let (operation, rest) = split(body);
        // Direct pins and pin modes belong to products older than virtual pins; their writes are not kept.
        if [&b"dw"[..], b"aw", b"pm"].contains(&operation) {
            return None;
        }
        let (pin, value) = split(rest);
        // A value there must be, but it may be empty, so that the second NUL decides.
        let has_value = rest.len() > pin.len();
        let Some(pin) = pin_number(pin).filter(|_| operation == b"vw" && has_value) else {
            return Some(status::ILLEGAL_COMMAND);
        };
        if let Some(device) = self.directory.borrow_mut().device_mut(device) {
            device.set_pin(pin, value);
        }
        self.events.push(Event::Written { device, pin, value: shown(value) });
        None
    }

    /// Answers with the values of the pins asked for, or of all, under the request's id.
    fn on_sync(
        &mut self,
        connection: &mut Connection,
        device: DeviceId,
        id: u16,
        body: &[u8],
    ) -> Option<u16> {
        let directory = self.directory.borrow();
        let device = directory.device(device)?;
        if body.is_empty() {
            for (pin, value) in device.pins() {
                write_pin(&mut connection.output, id, pin, value);
            }
            return None;
        }
        let (operation, pins) = split(body);
        if operation != b"vr" {
            return Some(status::ILLEGAL_COMMAND);
        }
        for pin in pins.split(|byte| *byte == 0) {
            let Some(pin) = pin_number(pin) else { return Some(status::ILLEGAL_COMMAND) };
            if let Some(value) = device.pin(pin) {
                write_pin(&mut connection.output, id, pin, value);
            }
        }
        None
    }

    fn on_internal(
        &mut self,
        now: Instant,
        connection: &mut Connection,
        device: DeviceId,
        id: u16,
        body: &[u8],
    ) -> Option<u16> {
        let (verb, rest) = split(body);
        match verb {
            b"" => Some(status::ILLEGAL_COMMAND),
            b"rtc" => {
                let seconds = self.unix_ms(now).div_euclid(1_000).to_string();
                frame::write(&mut connection.output, command::INTERNAL, id, &[verb, seconds.as_bytes()]);
                None
            }
            b"utc" => self.on_utc(now, connection, id, rest),
            b"meta" => self.on_meta(connection, device, id, rest),
            verb if OTHER_VERBS.contains(&verb) => None,
            _ => self.on_info(now, connection, device, body),
        }
    }

    /// Universal time from the simulated clock, in the zone of Greenwich without daylight saving.
    fn on_utc(&mut self, now: Instant, connection: &mut Connection, id: u16, what: &[u8]) -> Option<u16> {
        let what = what.strip_suffix(&[0]).unwrap_or(what);
        let mut text = String::new();
        let values: &[&[u8]] = match what {
            b"time" => {
                // Writing to a string cannot fail.
                let _ = write!(text, "{}", self.unix_ms(now));
                &[text.as_bytes()]
            }
            b"tz" => &[b"0", b"0"],
            b"tz_name" => &[b"Etc/UTC"],
            b"tz_rule" => &[b"UTC0"],
            b"dst_next" => &[],
            _ => return Some(status::ILLEGAL_COMMAND_BODY),
        };
        let mut parameters = vec![&b"utc"[..], what];
        parameters.extend_from_slice(values);
        frame::write(&mut connection.output, command::INTERNAL, id, &parameters);
        None
    }

    fn on_meta(
        &mut self,
        connection: &mut Connection,
        device: DeviceId,
        id: u16,
        body: &[u8],
    ) -> Option<u16> {
        let (operation, rest) = split(body);
        let (field, value) = split(rest);
        let [field, value] = [field, value].map(String::from_utf8_lossy);
        match operation {
            b"get" => {
                let directory = self.directory.borrow();
                let known = match field.as_ref() {
                    "Device Owner" => directory.owner(),
                    field => directory.device(device)?.meta(field).unwrap_or_default(),
                };
                let parameters = [&b"meta"[..], field.as_bytes(), known.as_bytes()];
                frame::write(&mut connection.output, command::INTERNAL, id, &parameters);
                None
            }
            b"set" if self.set_meta(device, &field, &value) => {
                self.config.behaviour.acknowledge_meta.then_some(status::SUCCESS)
            }
            _ => Some(status::ILLEGAL_COMMAND_BODY),
        }
    }

    /// The first info of a device with a provision token makes it a device of its template.
    fn on_info(
        &mut self,
        now: Instant,
        connection: &mut Connection,
        device: DeviceId,
        body: &[u8],
    ) -> Option<u16> {
        let mut parameters =
            body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        let mut info = Vec::new();
        // Keys are found by name wherever they stand; a last NUL leaves an empty key without a value.
        while let (Some(key), Some(value)) = (parameters.next(), parameters.next()) {
            info.push((key, value));
        }
        let value_of = |name: &str| info.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let heartbeat = value_of("h-beat").and_then(|text| text.parse().ok());
        if let Some(heartbeat) = heartbeat.filter(|heartbeat| HEARTBEAT_S.contains(heartbeat)) {
            let factor = u64::from(self.config.behaviour.heartbeat_factor_permille);
            // The factor is in thousandths and the limit in milliseconds.
            connection.read_limit = Duration::from_millis(u64::from(heartbeat) * factor);
            connection.deadline = Some(now + connection.read_limit);
        }
        let activation =
            value_of("tmpl").map_or(Activation::Unchanged, |template| self.activate(now, device, template));
        if let Some(device) = self.directory.borrow_mut().device_mut(device) {
            device.set_info(info);
        }
        match (activation, self.config.behaviour.wrong_template) {
            (Activation::UnknownTemplate, WrongTemplate::Refuse(refusal)) => {
                connection.closing = true;
                Some(refusal)
            }
            (Activation::Done | Activation::Unchanged, _) | (_, WrongTemplate::Ignore) => {
                self.config.behaviour.acknowledge_info.then_some(status::SUCCESS)
            }
        }
    }

    /// Milliseconds since 1970.
    fn unix_ms(&self, now: Instant) -> i64 {
        self.config.unix_time_s.saturating_mul(1_000).saturating_add(now.total_millis())
    }
}

impl Session {
    /// Counts a frame; returns whether it is within the rate.
    fn admit(&mut self, now: Instant, rate_max: Option<u32>) -> bool {
        let second = now.total_millis().div_euclid(1_000);
        if self.rate.0 != second {
            self.rate = (second, 0);
        }
        self.rate.1 += 1;
        rate_max.is_none_or(|max| self.rate.1 <= max)
    }
}

fn write_pin(out: &mut Vec<u8>, id: u16, pin: u8, value: &[u8]) {
    frame::write(out, command::HARDWARE, id, &[&b"vw"[..], pin.to_string().as_bytes(), value]);
}

/// The legacy server's judgement: 11 for a property that does not exist or has no value.
fn judge_property(body: &[u8]) -> u16 {
    let (pin, rest) = split(body);
    let (property, value) = split(rest);
    if pin_number(pin).is_none() {
        status::ILLEGAL_COMMAND
    } else if value.is_empty() || !PROPERTIES.contains(&property) {
        status::ILLEGAL_COMMAND_BODY
    } else {
        status::SUCCESS
    }
}

/// The first parameter, and what follows its NUL.
fn split(body: &[u8]) -> (&[u8], &[u8]) {
    match body.iter().position(|byte| *byte == 0) {
        Some(nul) => (&body[..nul], &body[nul + 1..]),
        None => (body, &[]),
    }
}

/// Decimal digits, 0 to 255.
fn pin_number(text: &[u8]) -> Option<u8> {
    let digits = str::from_utf8(text).ok()?;
    digits.parse().ok().filter(|_| text.iter().all(u8::is_ascii_digit))
}
