//! The device protocol, server side.

use core::fmt::Write as _;

use firmware_core::cloud::codec::{Command, Frame, FrameWriter, HEADER_LEN, Header, Params, Status};
use smoltcp::time::{Duration, Instant};

use super::api::DESCRIPTION_LEN_MAX;
use super::directory::{Activation, Device};
use super::{
    AfterLogin, AnswerId, Behaviour, Conversation, DeviceId, Event, LoginAnswer, RateBreach, SecondLogin,
    Service, WrongTemplate, shown,
};

/// The server-side message id of what another client of the API writes, as the legacy server numbers it.
const WRITE_ID: u16 = 111;
/// The server-side message id of what it says by itself, as the legacy server numbers it.
const SERVER_ID: u16 = 7_777;
/// More was sent than is allowed; no firmware of ours needs its name.
const QUOTA_LIMIT: Status = Status(1);
/// How often the legacy server tells a device that it sends too much.
const BREACH_TOLD_EVERY: Duration = Duration::from_secs(60);
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

/// The protocol's limit: a body's length has 16 bits.
const BODY_LEN_MAX: usize = u16::MAX as usize;

/// A device's side of a connection.
pub(super) struct Session {
    /// The device and the number of its session, once it is logged in.
    pub(super) login: Option<(DeviceId, u64)>,
    rate: Rate,
}

/// The second in which the last frame came, and how many came in it.
#[derive(Default)]
struct Rate {
    second: i64,
    frames: u32,
    /// When it was told last that these are too many.
    told_at: Option<Instant>,
}

impl Service {
    /// Handles every whole frame that has arrived.
    pub(super) fn serve_device(
        &mut self,
        now: Instant,
        conversation: &mut Conversation,
        session: &mut Session,
    ) {
        let mut input = core::mem::take(&mut conversation.input);
        let mut taken = 0;
        while !conversation.closing
            && let Some((frame, len)) = read_frame(&input[taken..])
        {
            taken += len;
            if !session.rate.admit(now, self.behaviour.rate_max) {
                match self.behaviour.rate_breach {
                    RateBreach::Close => conversation.closing = true,
                    RateBreach::Drop if session.rate.is_to_be_told(now) => {
                        write_status(&mut conversation.output, frame.id(), QUOTA_LIMIT);
                    }
                    RateBreach::Drop => {}
                }
                continue;
            }
            match session.login {
                Some((device, _)) => self.on_frame(now, conversation, device, frame),
                None => self.on_first_frame(now, conversation, &mut session.login, frame),
            }
        }
        input.drain(..taken);
        conversation.input = input;
    }

    /// Sends what others have written to the device's pins.
    pub(super) fn send_downlinks(&mut self, conversation: &mut Conversation, device: DeviceId) {
        for write in self.directory.borrow_mut().take_downlinks(device) {
            write_pin(&mut conversation.output, WRITE_ID, write.pin, &write.value);
        }
    }

    /// Pings a device when it is time to, where this cloud does that.
    pub(super) fn ping_when_due(&mut self, conversation: &mut Conversation) {
        let Some(every) = self.behaviour.ping_every else { return };
        let due = *conversation.next_ping.get_or_insert(self.now + every);
        if due <= self.now {
            write(&mut conversation.output, Command::Ping, SERVER_ID, &[]);
            conversation.next_ping = Some(self.now + every);
        }
    }

    /// Sets a metadata field and tells of it; returns whether the field and the value are good.
    pub(super) fn set_meta(&mut self, id: DeviceId, field: &str, value: &str) -> bool {
        let done = self.directory.borrow_mut().set_meta(id, field, value);
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
        self.directory.borrow_mut().log_event(id, code, description);
        let (code, description) = (code.into(), description.into());
        self.events.push(Event::EventLogged { device: id, code, description });
    }

    /// Nothing but a login is heard before the login; anything else ends the connection without a word.
    fn on_first_frame(
        &mut self,
        now: Instant,
        conversation: &mut Conversation,
        login: &mut Option<(DeviceId, u64)>,
        frame: Frame<'_>,
    ) {
        let id = frame.id();
        if ![Command::Login, Command::HardwareLogin].contains(&frame.command()) {
            conversation.closing = true;
            return;
        }
        if let Some((host, port)) = &self.redirect {
            let port = port.to_string();
            let body = [host.as_bytes(), port.as_bytes()];
            write(&mut conversation.output, Command::Redirect, id, &body);
            self.events.push(Event::RedirectSent { host: host.clone() });
            return;
        }
        match self.login_answer {
            LoginAnswer::Normal => {}
            LoginAnswer::Silent => return,
            LoginAnswer::Status(refusal) => return self.refuse_login(conversation, id, Status(refusal)),
        }
        // The legacy server trims white space around a token.
        let token = str::from_utf8(frame.body()).map(str::trim).unwrap_or_default();
        let device = self.directory.borrow().find(now, token).map(Device::id);
        let Some(device) = device else {
            return self.refuse_login(conversation, id, Status::INVALID_TOKEN);
        };
        let is_online =
            self.directory.borrow().device(device).is_some_and(|device| device.session().is_some());
        if is_online && self.behaviour.second_login == SecondLogin::Refuse {
            return self.refuse_login(conversation, id, Status::ALREADY_REGISTERED);
        }
        let (number, replaced) = self.directory.borrow_mut().log_in(now, device, token);
        *login = Some((device, number));
        write_status(&mut conversation.output, id, Status::SUCCESS);
        if replaced {
            self.events.push(Event::Replaced { device });
        }
        self.events.push(Event::LoggedIn { device });
        match self.faults.after_login {
            AfterLogin::Normal => {}
            AfterLogin::Drop => conversation.closing = true,
            AfterLogin::Mute => conversation.mute = true,
        }
    }

    fn refuse_login(&mut self, conversation: &mut Conversation, id: u16, status: Status) {
        write_status(&mut conversation.output, id, status);
        self.events.push(Event::LoginRefused { status: status.0 });
    }

    fn on_frame(
        &mut self,
        now: Instant,
        conversation: &mut Conversation,
        device: DeviceId,
        frame: Frame<'_>,
    ) {
        let (id, parameters) = (frame.id(), frame.params());
        let Behaviour { acknowledge_event, acknowledge_group, .. } = self.behaviour;
        let answer = match frame.command() {
            Command::Response => None,
            Command::Login | Command::HardwareLogin => Some(Status::ALREADY_REGISTERED),
            Command::Ping => Some(Status::SUCCESS),
            Command::Internal => self.on_internal(now, conversation, device, id, parameters),
            Command::Hardware => self.on_hardware(device, parameters),
            Command::HardwareSync => self.on_sync(conversation, device, id, parameters),
            Command::Property => Some(judge_property(parameters)),
            Command::Group => acknowledge_group.then_some(Status::SUCCESS),
            Command::EventLog => {
                let (code, description) = first_and_rest(parameters);
                if code.is_empty() {
                    Some(Status::ILLEGAL_BODY)
                } else {
                    let texts = [code, description].map(String::from_utf8_lossy);
                    self.on_event_logged(device, &texts[0], &texts[1]);
                    acknowledge_event.then_some(Status::SUCCESS)
                }
            }
            Command::EventClear => acknowledge_event.then_some(Status::SUCCESS),
            Command::Bridge | Command::Redirect | Command::DebugPrint | Command::Other(_) => {
                Some(Status::ILLEGAL_COMMAND)
            }
        };
        if let Some(answer) = answer {
            write_status(&mut conversation.output, id, answer);
        }
    }

    fn on_hardware(&mut self, device: DeviceId, mut parameters: Params<'_>) -> Option<Status> {
        let operation = parameters.next().unwrap_or_default();
        // Direct pins and pin modes belong to products older than virtual pins; their writes are not kept.
        if [&b"dw"[..], b"aw", b"pm"].contains(&operation) {
            return None;
        }
        let pin = parameters.next().and_then(pin_number);
        let value = parameters.rest();
        // A value there must be, but it may be empty.
        let Some(pin) = pin.filter(|_| operation == b"vw" && parameters.next().is_some()) else {
            return Some(Status::ILLEGAL_COMMAND);
        };
        self.directory.borrow_mut().set_pin(device, pin, value);
        self.events.push(Event::Written { device, pin, value: shown(value) });
        None
    }

    /// Answers with the values of the pins asked for, or of all, under the request's id.
    fn on_sync(
        &mut self,
        conversation: &mut Conversation,
        device: DeviceId,
        id: u16,
        mut parameters: Params<'_>,
    ) -> Option<Status> {
        let directory = self.directory.borrow();
        let device = directory.device(device)?;
        let Some(operation) = parameters.next() else {
            for (pin, value) in device.pins() {
                write_pin(&mut conversation.output, id, pin, value);
            }
            return None;
        };
        let mut pins = parameters.peekable();
        if operation != b"vr" || pins.peek().is_none() {
            return Some(Status::ILLEGAL_COMMAND);
        }
        for pin in pins {
            let Some(pin) = pin_number(pin) else { return Some(Status::ILLEGAL_COMMAND) };
            if let Some(value) = device.pin(pin) {
                write_pin(&mut conversation.output, id, pin, value);
            }
        }
        None
    }

    fn on_internal(
        &mut self,
        now: Instant,
        conversation: &mut Conversation,
        device: DeviceId,
        id: u16,
        parameters: Params<'_>,
    ) -> Option<Status> {
        let mut rest = parameters;
        let verb = rest.next().unwrap_or_default();
        match verb {
            b"" => Some(Status::ILLEGAL_COMMAND),
            b"rtc" => {
                let seconds = self.unix_ms(now).div_euclid(1_000).to_string();
                write(&mut conversation.output, Command::Internal, id, &[verb, seconds.as_bytes()]);
                None
            }
            b"utc" => self.on_utc(now, conversation, id, rest),
            b"meta" => self.on_meta(conversation, device, id, rest),
            verb if OTHER_VERBS.contains(&verb) => None,
            _ => self.on_info(now, conversation, device, parameters),
        }
    }

    /// Universal time from the simulated clock, in the zone of Greenwich without daylight saving.
    fn on_utc(
        &mut self,
        now: Instant,
        conversation: &mut Conversation,
        id: u16,
        parameters: Params<'_>,
    ) -> Option<Status> {
        let what = parameters.trimmed().rest();
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
            _ => return Some(Status::ILLEGAL_BODY),
        };
        let mut parameters = vec![&b"utc"[..], what];
        parameters.extend_from_slice(values);
        write(&mut conversation.output, Command::Internal, self.answer_id(id), &parameters);
        None
    }

    fn on_meta(
        &mut self,
        conversation: &mut Conversation,
        device: DeviceId,
        id: u16,
        mut parameters: Params<'_>,
    ) -> Option<Status> {
        let operation = parameters.next().unwrap_or_default();
        let (field, value) = first_and_rest(parameters);
        let [field, value] = [field, value].map(String::from_utf8_lossy);
        match operation {
            b"get" => {
                let directory = self.directory.borrow();
                let known = match field.as_ref() {
                    "Device Owner" => directory.owner(),
                    field => directory.device(device)?.meta(field).unwrap_or_default(),
                };
                let parameters = [&b"meta"[..], field.as_bytes(), known.as_bytes()];
                write(&mut conversation.output, Command::Internal, self.answer_id(id), &parameters);
                None
            }
            b"set" if self.set_meta(device, &field, &value) => {
                self.behaviour.acknowledge_meta.then_some(Status::SUCCESS)
            }
            _ => Some(Status::ILLEGAL_BODY),
        }
    }

    /// The first info of a device with a provision token makes it a device of its template.
    fn on_info(
        &mut self,
        now: Instant,
        conversation: &mut Conversation,
        device: DeviceId,
        parameters: Params<'_>,
    ) -> Option<Status> {
        // Keys are found by name wherever they stand.
        let value_of = |name: &[u8]| parameters.pairs().find(|(key, _)| *key == name).map(|(_, value)| value);
        let heartbeat = value_of(b"h-beat").and_then(|text| str::from_utf8(text).ok()?.parse().ok());
        if let Some(heartbeat) = heartbeat.filter(|heartbeat| HEARTBEAT_S.contains(heartbeat)) {
            let factor = u64::from(self.behaviour.heartbeat_factor_permille);
            // The factor is in thousandths and the limit in milliseconds.
            conversation.read_limit = Duration::from_millis(u64::from(heartbeat) * factor);
            conversation.deadline = Some(now + conversation.read_limit);
        }
        let activation = value_of(b"tmpl").map_or(Activation::Unchanged, |template| {
            self.activate(now, device, &String::from_utf8_lossy(template))
        });
        self.directory.borrow_mut().set_info(device, parameters.rest());
        match (activation, self.behaviour.wrong_template) {
            (Activation::UnknownTemplate, WrongTemplate::Refuse(refusal)) => {
                conversation.closing = true;
                Some(Status(refusal))
            }
            (Activation::Done | Activation::Unchanged, _) | (_, WrongTemplate::Ignore) => {
                self.behaviour.acknowledge_info.then_some(Status::SUCCESS)
            }
        }
    }

    fn answer_id(&self, request: u16) -> u16 {
        match self.behaviour.answer_id {
            AnswerId::Request => request,
            AnswerId::Server => SERVER_ID,
        }
    }

    /// Milliseconds since 1970.
    pub(super) fn unix_ms(&self, now: Instant) -> i64 {
        self.unix_time_s.saturating_mul(1_000).saturating_add(now.total_millis())
    }
}

impl Session {
    /// A session in which nothing has been said.
    pub(super) fn new() -> Self {
        Self { login: None, rate: Rate::default() }
    }
}

impl Rate {
    /// Counts a frame; returns whether it is within the limit.
    fn admit(&mut self, now: Instant, frames_max: Option<u32>) -> bool {
        let second = now.total_millis().div_euclid(1_000);
        if self.second != second {
            *self = Self { second, frames: 0, ..*self };
        }
        self.frames += 1;
        frames_max.is_none_or(|max| self.frames <= max)
    }

    /// Whether the device has not been told for a while, and is now.
    fn is_to_be_told(&mut self, now: Instant) -> bool {
        let is_due = self.told_at.is_none_or(|told| now >= told + BREACH_TOLD_EVERY);
        if is_due {
            self.told_at = Some(now);
        }
        is_due
    }
}

/// The frame at the beginning of `bytes` and how many it takes; `None` while it is not whole. A server takes
/// every length and every id, so that nothing is wrong here.
fn read_frame(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let (head, rest) = bytes.split_first_chunk()?;
    let header = Header::decode(*head);
    let Header { command, id, length } = header;
    let body = rest.get(..header.body_len())?;
    let frame = match command {
        Command::Response => Frame::Response { id, status: Status(length) },
        command => Frame::Message { command, id, body },
    };
    Some((frame, HEADER_LEN + body.len()))
}

fn write_pin(out: &mut Vec<u8>, id: u16, pin: u8, value: &[u8]) {
    write(out, Command::Hardware, id, &[b"vw", pin.to_string().as_bytes(), value]);
}

/// Appends a frame. One that is too long for its length field is not written.
fn write(out: &mut Vec<u8>, command: Command, id: u16, parameters: &[&[u8]]) {
    let start = out.len();
    let room: usize = parameters.iter().map(|parameter| parameter.len() + 1).sum();
    out.resize(start + HEADER_LEN + room, 0);
    let mut writer = FrameWriter::new(&mut out[start..], command, id, BODY_LEN_MAX);
    for parameter in parameters {
        // A pin may have several values, which arrive as one parameter with NULs between them.
        writer.raw(parameter);
    }
    let len = writer.finish().unwrap_or(0);
    out.truncate(start + len);
}

/// Appends an answer.
fn write_status(out: &mut Vec<u8>, id: u16, status: Status) {
    out.extend_from_slice(&Header { command: Command::Response, id, length: status.0 }.encode());
}

/// The legacy server's judgement: 11 for a property that does not exist or has no value.
fn judge_property(mut parameters: Params<'_>) -> Status {
    let pin = parameters.next().and_then(pin_number);
    let (property, value) = first_and_rest(parameters);
    if pin.is_none() {
        Status::ILLEGAL_COMMAND
    } else if value.is_empty() || !is_property(property) {
        Status::ILLEGAL_BODY
    } else {
        Status::SUCCESS
    }
}

/// Whether a widget can be given this property.
pub(super) fn is_property(name: &[u8]) -> bool {
    PROPERTIES.contains(&name)
}

/// The first parameter, and everything behind it as one.
fn first_and_rest(mut parameters: Params<'_>) -> (&[u8], &[u8]) {
    let first = parameters.next().unwrap_or_default();
    (first, parameters.rest())
}

/// Decimal digits, 0 to 255.
fn pin_number(text: &[u8]) -> Option<u8> {
    let digits = str::from_utf8(text).ok()?;
    digits.parse().ok().filter(|_| text.iter().all(u8::is_ascii_digit))
}
