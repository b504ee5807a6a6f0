//! What each entry of a trace is called in a trace file, and its parts as fields. Names and fields are a contract
//! with programs that read such files: docs/trace-file.md lists them, and any change but a new one needs another
//! [`VERSION`](super::VERSION).

use firmware_core::cloud::sntp::TimeError;
use firmware_core::hal::{JoinFailure, RadioCommand, ResetCause, SecureError};
use firmware_core::panel::{Colour, Pattern, PatternKind};
use firmware_core::trace::{Event, Stored};
use hil_link::cut_flash::{FlashOperation, FlashOperationKind};

use super::fields::Fields;
use crate::phone::Connectivity;
use crate::trace::{Trace, What};
use crate::{cloud, phone, router};

/// Adds an entry's fields, and returns what it is called.
pub(super) fn describe(trace: &Trace, what: &What, fields: &mut Fields<'_>) -> &'static str {
    match what {
        What::Device(event) => device(event, fields),
        What::Radio(command) => radio(command, fields),
        What::Pattern(pattern) => indicator(pattern, fields),
        What::Flash(operation) => flash(operation, fields),
        What::Console(line) => fields.text("line", trace.printed(*line)).named("console"),
        What::PowerOn => "power.on",
        What::PowerOff => "power.off",
        What::PowerCut => "power.cut",
        What::Brownout => "power.brownout",
        What::Watchdog => "power.watchdog",
        What::FrameMissed => "radio.frame_missed",
        What::Phone(event) => phone(event, fields),
        What::Router(event) => router(event, fields),
        What::Cloud(event) => cloud(event, fields),
        What::Step(number) => fields.count("step", *number).named("step.begins"),
        What::Fired(number) => fields.count("step", *number).named("step.happens"),
    }
}

fn device(event: &Event, fields: &mut Fields<'_>) -> &'static str {
    match event {
        Event::Booted(cause) => fields.text("cause", cause_name(*cause)).named("device.booted"),
        Event::State { from, to } => {
            fields.text("from", from.name()).text("to", to.name()).named("device.state")
        }
        Event::ApUp(ssid) => fields.display("ssid", ssid).named("device.ap_up"),
        Event::ApDown => "device.ap_down",
        Event::ClientJoined(mac) => fields.display("mac", mac).named("device.client_joined"),
        Event::ClientLeft(mac) => fields.display("mac", mac).named("device.client_left"),
        Event::LeaseGiven(ip) => fields.display("ip", ip).named("device.lease_given"),
        Event::Request { route, status } => {
            let path = route.as_ref().map(firmware_core::portal::routes::Route::name);
            fields.text("path", path.unwrap_or_default()).number("status", *status).named("device.request")
        }
        Event::Stored(Stored::Trial) => fields.text("record", "trial").named("device.stored"),
        Event::Stored(Stored::Valid) => fields.text("record", "valid").named("device.stored"),
        Event::AttemptSpent(left) => fields.number("left", *left).named("device.attempt_spent"),
        Event::Accepted => "device.accepted",
        Event::Rejected(error) => fields.number("error", error.code()).named("device.rejected"),
        Event::LastError(code) => fields.number("error", *code).named("device.last_error"),
        Event::Erased => "device.erased",
        Event::FlashFailed => "device.flash_failed",
        Event::ScanStarted => "device.scan_started",
        Event::ScanDone(count) => fields.number("networks", *count).named("device.scan_done"),
        Event::Joining(bssid) => fields.display("bssid", bssid).named("device.joining"),
        Event::Joined(ssid) => fields.display("ssid", ssid).named("device.joined"),
        Event::JoinFailed(why) => fields.text("why", join_failure(*why)).named("device.join_failed"),
        Event::Disconnected(reason) => fields.number("reason", *reason).named("device.disconnected"),
        Event::Address { ip, fixed } => {
            fields.display("ip", ip).flag("fixed", *fixed).named("device.address")
        }
        Event::RoundFailed(error) => fields.number("error", error.code()).named("device.round_failed"),
        Event::Resolved(ip) => fields.display("ip", ip).named("device.resolved"),
        Event::ResolveFailed => "device.resolve_failed",
        Event::Connecting { host, port } => {
            fields.display("host", host).number("port", *port).named("device.connecting")
        }
        Event::ConnectFailed => "device.connect_failed",
        Event::SecureOpened(kind) => fields.text("tls", kind.name()).named("device.secure_opened"),
        Event::SecureFailed(error) => fields.text("why", secure_error(*error)).named("device.secure_failed"),
        Event::LoginStatus(status) => fields.number("status", *status).named("device.login_status"),
        Event::LoginTimeout => "device.login_timeout",
        Event::Redirected(host, port) => {
            fields.display("host", host).number("port", *port).named("device.redirected")
        }
        Event::SessionLost => "device.session_lost",
        Event::ConfigTimeout => "device.config_timeout",
        Event::ButtonPressed => "device.button_pressed",
        Event::ButtonReleased(ms) => fields.number("held_ms", *ms).named("device.button_released"),
        Event::Rebooting => "device.rebooting",
        Event::TimeKnown(time) => fields.number("unix_s", time.0).named("device.time_known"),
        Event::TimeUnknown(error) => fields.text("why", time_error(*error)).named("device.time_unknown"),
    }
}

fn radio(command: &RadioCommand, fields: &mut Fields<'_>) -> &'static str {
    match command {
        RadioCommand::Off => "radio.off",
        RadioCommand::StartAp { ssid, channel } => {
            fields.display("ssid", ssid).number("channel", *channel).named("radio.start_ap")
        }
        RadioCommand::Scan { probe: None } => "radio.scan",
        RadioCommand::Scan { probe: Some(ssid) } => fields.display("ssid", ssid).named("radio.scan"),
        RadioCommand::Join { ssid, bssid, channel, .. } => fields
            .display("ssid", ssid)
            .display("bssid", bssid)
            .number("channel", *channel)
            .named("radio.join"),
    }
}

fn indicator(pattern: &Pattern, fields: &mut Fields<'_>) -> &'static str {
    let Colour { red, green, blue } = pattern.colour;
    fields.display("colour", format_args!("#{red:02x}{green:02x}{blue:02x}"));
    match pattern.kind {
        PatternKind::Beat(beats) => fields.numbers("beat_ms", &beats),
        PatternKind::Wave(step_ms) => fields.number("wave_step_ms", step_ms),
    }
    .named("indicator")
}

fn flash(operation: &FlashOperation, fields: &mut Fields<'_>) -> &'static str {
    let FlashOperation { kind, offset, len, digest, interrupted } = operation;
    fields.number("offset", *offset).number("len", *len).display("digest", format_args!("{digest:016x}"));
    fields.flag("interrupted", *interrupted);
    match kind {
        FlashOperationKind::Erase => "flash.erase",
        FlashOperationKind::Program => "flash.program",
    }
}

fn phone(event: &phone::Event, fields: &mut Fields<'_>) -> &'static str {
    use phone::Event;
    match event {
        Event::TokenIssued => "phone.token_issued",
        Event::Joined(ssid) => fields.text("ssid", ssid).named("phone.joined"),
        Event::Left(ssid) => fields.text("ssid", ssid).named("phone.left"),
        Event::BoardInfo { last_error } => fields.number("error", *last_error).named("phone.board_info"),
        Event::UnknownTemplate(id) => fields.text("template", id).named("phone.unknown_template"),
        Event::Networks(count) => fields.count("networks", *count).named("phone.networks"),
        Event::ConfigurationSent(ssid) => fields.text("ssid", ssid).named("phone.configuration_sent"),
        Event::Told(words) => fields.text("words", words).named("phone.told"),
        Event::Refused(status, words) => {
            fields.number("status", *status).text("words", words).named("phone.refused")
        }
        Event::ReplyLost => "phone.reply_lost",
        Event::ClosedEarly => "phone.closed_early",
        Event::Answered { route, status } => {
            fields.text("request", route).number("status", *status).named("phone.answered")
        }
        Event::PortClosed(port) => fields.number("port", *port).named("phone.port_closed"),
        Event::AnsweredAtOnce { route, count, answered } => fields
            .text("request", route)
            .count("sent", *count)
            .count("answered", *answered)
            .named("phone.answered_at_once"),
        Event::LeftOpen { count, taken } => {
            fields.count("asked", *count).count("taken", *taken).named("phone.left_open")
        }
        Event::NameAnswered { name, code, answers } => {
            fields.text("name", name).number("code", *code).number("answers", *answers);
            "phone.name_answered"
        }
        Event::Wandered(ssid) => fields.text("ssid", ssid).named("phone.wandered"),
        Event::WentCellular(ssid) => fields.text("ssid", ssid).named("phone.went_cellular"),
        Event::PortalOffered(uri) => fields.text("uri", uri).named("phone.portal_offered"),
        Event::Online => "phone.online",
        Event::Named(name) => fields.text("name", name).named("phone.named"),
        Event::GaveUp(why) => fields.text("why", why).named("phone.gave_up"),
        Event::ScanHeard(count) => fields.count("networks", *count).named("phone.scan_heard"),
        Event::JoinRetried => "phone.join_retried",
        Event::Address(ip) => fields.display("ip", ip).named("phone.address"),
        Event::AccessPointLost(ssid, reason) => {
            fields.text("ssid", ssid).number("reason", *reason).named("phone.access_point_lost")
        }
        Event::Resolved(ip) => fields.display("ip", ip).named("phone.resolved"),
        Event::Retried(what) => fields.text("what", what).named("phone.retried"),
        Event::Connectivity(sees) => connectivity(sees, fields),
        Event::SecondReply(status) => {
            fields.number("status", status.unwrap_or_default()).named("phone.second_reply")
        }
    }
}

fn connectivity(sees: &Connectivity, fields: &mut Fields<'_>) -> &'static str {
    match sees {
        Connectivity::NoInternet => fields.text("sees", "no-internet"),
        Connectivity::CaptivePortal(None) => fields.text("sees", "captive-portal"),
        Connectivity::CaptivePortal(Some(uri)) => fields.text("sees", "captive-portal").text("uri", uri),
        Connectivity::Internet => fields.text("sees", "internet"),
    }
    .named("phone.connectivity")
}

fn router(event: &router::Event, fields: &mut Fields<'_>) -> &'static str {
    use router::Event;
    match event {
        Event::LeaseGiven { mac, ip, again } => {
            fields.display("mac", mac).display("ip", ip).flag("again", *again).named("router.lease_given")
        }
        Event::LeaseRefused { mac, again } => {
            fields.display("mac", mac).flag("again", *again).named("router.lease_refused")
        }
        Event::NameAnswered { name, found } => {
            fields.text("name", name).flag("found", *found).named("router.name_answered")
        }
    }
}

fn cloud(event: &cloud::Event, fields: &mut Fields<'_>) -> &'static str {
    use cloud::Event;
    if let Some(device) = event.device() {
        fields.number("device", device);
    }
    match event {
        Event::TokenIssued { .. } => "cloud.token_issued",
        Event::Connected { secure } => fields.flag("secure", *secure).named("cloud.connected"),
        Event::LoggedIn { .. } => "cloud.logged_in",
        Event::LoginRefused { status } => fields.number("status", *status).named("cloud.login_refused"),
        Event::Activated { template, .. } => fields.text("template", template).named("cloud.activated"),
        Event::TemplateUnknown { template, .. } => {
            fields.text("template", template).named("cloud.template_unknown")
        }
        Event::Offline { .. } => "cloud.offline",
        Event::Replaced { .. } => "cloud.replaced",
        Event::Written { pin, value, .. } => {
            fields.number("pin", *pin).text("value", value).named("cloud.written")
        }
        Event::EventLogged { code, description, .. } => {
            fields.text("code", code).text("description", description).named("cloud.event_logged")
        }
        Event::MetaSet { field, value, .. } => {
            fields.text("field", field).text("value", value).named("cloud.meta_set")
        }
        Event::Renamed { name, .. } => fields.text("name", name).named("cloud.renamed"),
        Event::Deleted { .. } => "cloud.deleted",
        Event::Revoked { .. } => "cloud.revoked",
        Event::RedirectSent { host } => fields.text("host", host).named("cloud.redirect_sent"),
    }
}

fn cause_name(cause: ResetCause) -> &'static str {
    match cause {
        ResetCause::PowerOn => "power-on",
        ResetCause::Software => "software",
        ResetCause::Brownout => "brownout",
        ResetCause::Watchdog => "watchdog",
    }
}

fn join_failure(why: JoinFailure) -> &'static str {
    match why {
        JoinFailure::NotFound => "not-found",
        JoinFailure::Handshake => "handshake",
        JoinFailure::Security => "security",
        JoinFailure::Refused => "refused",
        JoinFailure::Timeout => "timeout",
    }
}

fn secure_error(error: SecureError) -> &'static str {
    match error {
        SecureError::WrongName => "wrong-name",
        SecureError::Expired => "expired",
        SecureError::UnknownAuthority => "unknown-authority",
        SecureError::Protocol => "protocol",
        SecureError::Unavailable => "unavailable",
        SecureError::NotYetValid => "not-yet-valid",
        SecureError::Truncated => "truncated",
        SecureError::Timeout => "timeout",
        SecureError::DateUnknown => "date-unknown",
    }
}

fn time_error(error: TimeError) -> &'static str {
    match error {
        TimeError::NotFound => "not-found",
        TimeError::Silent => "silent",
        TimeError::Refused => "refused",
        TimeError::Unsynchronised => "unsynchronised",
        TimeError::Implausible => "implausible",
    }
}
