//! What a cloud says and does, whatever carries its bytes: the device protocol and the HTTP API over what the
//! directory holds.

use core::fmt;

use hil_link::modelled_tls::{Certificate, read_client_hello, write_server_hello};
use smoltcp::time::Instant;

use super::change::Faults;
use super::conversation::{Conversation, Stage};
use super::device::Session;
use super::http::{self, Parsed, Response};
use super::{
    Behaviour, DeletedSession, Device, DeviceId, DeviceStatus, Event, Handshake, LoginAnswer, SharedDirectory,
};

/// What a server hello needs, see [`write_server_hello`].
const HELLO_LEN_MAX: usize = 260;

/// One region's logic, without sockets and without a clock.
pub struct Service {
    /// The names its modelled certificate is for.
    pub(super) hosts: Vec<String>,
    pub(super) certificate: Certificate,
    pub(super) behaviour: Behaviour,
    /// The time in seconds since 1970 when the clock of its caller says 0.
    pub(super) unix_time_s: i64,
    pub(super) directory: SharedDirectory,
    pub(super) mute: bool,
    pub(super) redirect: Option<(String, u16)>,
    pub(super) login_answer: LoginAnswer,
    pub(super) handshake: Handshake,
    pub(super) faults: Faults,
    /// When it was called last.
    pub(super) now: Instant,
    /// Something was changed from outside, so that a poll is due.
    pub(super) changed: bool,
    pub(super) events: Vec<Event>,
}

impl Service {
    /// A region's logic. `unix_time_s` is the time in seconds since 1970 when the clock that is handed to it
    /// says 0.
    pub fn new(behaviour: Behaviour, directory: SharedDirectory, unix_time_s: i64) -> Self {
        let redirect = behaviour.redirect.clone();
        Self {
            hosts: Vec::new(),
            certificate: Certificate::Good,
            behaviour,
            unix_time_s,
            directory,
            mute: false,
            redirect,
            login_answer: LoginAnswer::Normal,
            handshake: Handshake::Normal,
            faults: Faults::default(),
            now: Instant::ZERO,
            changed: false,
            events: Vec::new(),
        }
    }

    /// The same with names for the modelled TLS, and what its certificate says.
    pub(super) fn with_certificate(self, hosts: Vec<String>, certificate: Certificate) -> Self {
        Self { hosts, certificate, ..self }
    }

    /// Takes what has arrived on a connection and works on it.
    pub fn receive(&mut self, now: Instant, conversation: &mut Conversation, data: &[u8]) {
        self.now = now;
        let is_mute = self.mute || conversation.mute;
        let is_ignored = conversation.closing || (is_mute && !matches!(conversation.stage, Stage::Hello));
        if !is_ignored {
            conversation.input.extend_from_slice(data);
        }
        if !conversation.closing {
            conversation.deadline = Some(now + conversation.read_limit);
            self.advance(now, conversation);
        }
    }

    /// Does what is due on a connection although nothing has arrived: ends one that has been silent for too
    /// long, and see [`settle`](Self::settle).
    pub fn poll(&mut self, now: Instant, conversation: &mut Conversation) {
        conversation.count_silence(now);
        self.settle(now, conversation);
    }

    /// Ends a session that has become void, or adds what waits for its device to what is to be sent, and puts
    /// that off while the cloud is slow. Returns whether it was put off.
    pub fn settle(&mut self, now: Instant, conversation: &mut Conversation) -> bool {
        self.now = now;
        self.check_session(conversation);
        self.put_off(now, conversation)
    }

    /// Does with the input what the stage of the conversation allows.
    fn advance(&mut self, now: Instant, conversation: &mut Conversation) {
        if matches!(conversation.stage, Stage::Hello) && !self.answer_hello(conversation) {
            return;
        }
        if matches!(conversation.stage, Stage::Undecided) {
            let Some(first) = conversation.input.first() else { return };
            // No command of the device protocol is the first letter of GET, POST, PUT, DELETE, HEAD, OPTIONS.
            conversation.stage =
                if b"GPDHO".contains(first) { Stage::Http } else { Stage::Device(Session::new()) };
            self.events.push(Event::Connected { secure: conversation.is_secure });
        }
        // The session leaves its conversation for a moment, so that both can be changed.
        match core::mem::replace(&mut conversation.stage, Stage::Undecided) {
            Stage::Device(mut session) => {
                self.serve_device(now, conversation, &mut session);
                conversation.stage = Stage::Device(session);
            }
            Stage::Http => {
                self.serve_http(now, conversation);
                conversation.stage = Stage::Http;
            }
            stage @ (Stage::Hello | Stage::Undecided) => conversation.stage = stage,
        }
    }

    /// Answers the hello when it is complete; returns whether it was.
    fn answer_hello(&mut self, conversation: &mut Conversation) -> bool {
        let Ok(hello) = read_client_hello(&conversation.input) else {
            conversation.closing = true;
            return false;
        };
        let Some((name, len)) = hello else { return false };
        if self.handshake == Handshake::Silent {
            return false;
        }
        let is_ours = self.hosts.iter().any(|host| host.as_bytes().eq_ignore_ascii_case(name));
        let certificate = if is_ours { self.certificate } else { Certificate::WrongName };
        let mut answer = [0; HELLO_LEN_MAX];
        let answer_len = write_server_hello(name, certificate, &mut answer);
        conversation.input.drain(..len);
        if self.handshake == Handshake::Cut {
            conversation.output.extend_from_slice(&answer[..answer_len / 2]);
            conversation.closing = true;
            return false;
        }
        conversation.output.extend_from_slice(&answer[..answer_len]);
        conversation.stage = Stage::Undecided;
        true
    }

    fn serve_http(&mut self, now: Instant, conversation: &mut Conversation) {
        let mut input = core::mem::take(&mut conversation.input);
        let mut taken = 0;
        while !conversation.closing {
            match http::read(&input[taken..]) {
                Parsed::Incomplete => break,
                Parsed::Request(request, len) => {
                    taken += len;
                    let response = self.respond(now, &request);
                    response.write(&mut conversation.output, request.keep_alive);
                    conversation.closing = !request.keep_alive;
                }
                Parsed::Bad(status) => {
                    Response::error(status, "Bad request.").write(&mut conversation.output, false);
                    conversation.closing = true;
                }
            }
        }
        input.drain(..taken);
        conversation.input = input;
    }

    /// Ends a session that a newer login, a new token or the device's deletion has made void; otherwise sends
    /// what waits for the device.
    fn check_session(&mut self, conversation: &mut Conversation) {
        let Stage::Device(Session { login: Some((id, number)), .. }) = conversation.stage else { return };
        if conversation.closing {
            self.end_session(conversation);
            return;
        }
        let is_valid = match self.directory.borrow().device(id) {
            Some(device) => device.session() == Some(number),
            None => self.behaviour.deleted_session == DeletedSession::GoesOn,
        };
        if !is_valid {
            conversation.closing = true;
            self.leave_device(conversation);
        } else if self.mute || conversation.mute {
            conversation.next_ping = None;
        } else {
            self.send_downlinks(conversation, id);
            self.ping_when_due(conversation);
        }
    }

    /// Ends a device's session because its conversation ends, and tells of it.
    pub fn end_session(&mut self, conversation: &mut Conversation) {
        if let Some(device) = self.leave_device(conversation) {
            self.events.push(Event::Offline { device });
        }
    }

    /// Takes the device from its conversation. Returns the device when this conversation was the one it had.
    pub(super) fn leave_device(&mut self, conversation: &mut Conversation) -> Option<DeviceId> {
        let Stage::Device(session) = &mut conversation.stage else { return None };
        let (id, number) = session.login.take()?;
        conversation.next_ping = None;
        self.directory.borrow_mut().log_out(self.now, id, number).then_some(id)
    }

    /// Makes room for a new device and issues its provision token, as the HTTP API does.
    pub fn issue_token(&mut self, now: Instant) -> (DeviceId, String) {
        let issued = self.directory.borrow_mut().issue_token(now, self.behaviour.provision_token_life);
        self.events.push(Event::TokenIssued { device: issued.0 });
        issued
    }

    /// Writes a pin as an app does: it is kept, and sent when the device is connected here. Returns whether
    /// there is such a device.
    pub fn write(&mut self, device: DeviceId, pin: u8, value: &[u8]) -> bool {
        self.changed = true;
        self.directory.borrow_mut().write(device, pin, value)
    }

    /// Whether the device behind a token has been seen and is there; `None` when the token is not good.
    pub fn device_status(&self, now: Instant, token: &str) -> Option<DeviceStatus> {
        self.directory.borrow().find(now, token).map(Device::status)
    }

    /// The last value of a device's pin; several values are separated by NUL.
    pub fn pin(&self, device: DeviceId, pin: u8) -> Option<Vec<u8>> {
        self.directory.borrow().device(device)?.pin(pin).map(<[u8]>::to_vec)
    }

    /// Accounts, templates and devices, which other regions may share.
    pub fn directory(&self) -> &SharedDirectory {
        &self.directory
    }

    /// What has happened since this was asked last, oldest first.
    pub fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("directory", &self.directory.borrow()).finish_non_exhaustive()
    }
}
