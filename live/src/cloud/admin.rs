//! The admin API: devices that are there at once, and faults that are switched on while it runs. JSON over HTTP, on
//! loopback alone; `docs/cloud.md` describes it.

use std::num::NonZero;
use std::rc::Rc;
use std::time::Duration;

use hil_sim::cloud::http::{self, Parsed, Request, Response};
use hil_sim::cloud::{AfterLogin, DeviceId, DeviceStatus, LoginAnswer, StrangeFrame};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::ACCEPT_PAUSE;
use super::core::Core;
use super::options::is_token;

/// How long a request may take to arrive.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// Bytes taken at once.
const READ_LEN: usize = 4_096;

/// Takes requests for ever.
pub(super) async fn serve(listener: TcpListener, core: Rc<Core>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let core = Rc::clone(&core);
                spawn_local(async move {
                    // A client that is gone has no use for an answer.
                    let _ = timeout(REQUEST_LIMIT, answer(stream, &core)).await;
                });
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn answer(mut stream: TcpStream, core: &Core) -> std::io::Result<()> {
    let mut input = Vec::new();
    let mut read = [0; READ_LEN];
    let response = loop {
        let len = stream.read(&mut read).await?;
        input.extend_from_slice(&read[..len]);
        match http::read(&input) {
            Parsed::Incomplete if len == 0 => return Ok(()),
            Parsed::Incomplete => {}
            Parsed::Request(request, _) => break respond(core, &request),
            Parsed::Bad(status) => break Response::error(status, "This is no HTTP request."),
        }
    };
    let mut output = Vec::new();
    response.write(&mut output, false);
    stream.write_all(&output).await?;
    stream.shutdown().await
}

fn respond(core: &Core, request: &Request<'_>) -> Response {
    if request.origin.is_some() {
        return Response::error(403, "Web pages have no business here.");
    }
    let segments: Vec<_> = request.path.split('/').skip(1).collect();
    let done = match (request.method, segments.as_slice()) {
        ("GET", ["state"]) => Ok(state(core)),
        ("POST", ["devices"]) => add_device(core, request),
        ("DELETE", ["devices", id]) => {
            device(id).and_then(|id| found(core.change(|service| service.delete_device(id))))
        }
        ("POST", ["devices", id, "revoke"]) => device(id).and_then(|id| revoke(core, id)),
        ("POST", ["devices", id, "write"]) => device(id).and_then(|id| write(core, id, request)),
        ("POST", ["faults"]) => change_faults(core, request),
        ("DELETE", ["faults"]) => {
            core.mend();
            Ok(json!({}))
        }
        ("POST", ["connections", "close"]) => {
            core.cut_connections();
            Ok(json!({}))
        }
        ("POST", ["frames"]) => send_frame(core, request),
        _ => Err(Refusal(404, "there is no such call; docs/cloud.md lists them".to_owned())),
    };
    match done {
        Ok(value) => Response::json(200, &value),
        Err(Refusal(status, message)) => Response::error(status, &message),
    }
}

/// The status and the reason.
struct Refusal(u16, String);

type Done = Result<Value, Refusal>;

fn body<T: DeserializeOwned>(request: &Request<'_>) -> Result<T, Refusal> {
    serde_json::from_slice(request.body).map_err(|error| Refusal(400, error.to_string()))
}

fn device(text: &str) -> Result<DeviceId, Refusal> {
    text.parse().map_err(|_| Refusal(400, "a device is named by its number".to_owned()))
}

fn found(is_there: bool) -> Done {
    is_there.then(|| json!({})).ok_or_else(|| Refusal(404, "there is no device of this number".to_owned()))
}

fn state(core: &Core) -> Value {
    let connections = core.connection_count();
    let faults = core.faults();
    core.look(|directory| {
        let devices = directory.devices().iter().map(|device| {
            let status = match device.status() {
                DeviceStatus::Online => "online",
                DeviceStatus::Offline => "offline",
                DeviceStatus::NeverSeen => "never seen",
            };
            json!({
                "id": device.id(),
                "name": device.name(),
                "template": device.template(),
                "status": status,
                "events": device.events(),
            })
        });
        json!({ "connections": connections, "devices": devices.collect::<Vec<_>>(), "faults": faults })
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDevice {
    template: String,
    token: Option<String>,
}

fn add_device(core: &Core, request: &Request<'_>) -> Done {
    let NewDevice { template, token } = body(request)?;
    if token.as_deref().is_some_and(|token| !is_token(token)) {
        return Err(Refusal(400, "a token has 32 letters, digits, - and _".to_owned()));
    }
    let now = core.now();
    core.change(|service| {
        let mut directory = service.directory().borrow_mut();
        if directory.template(&template).is_none() {
            return Err(Refusal(400, "the account has no such template".to_owned()));
        }
        if token.as_deref().is_some_and(|token| directory.knows_token(token)) {
            return Err(Refusal(400, "there is a device with this token".to_owned()));
        }
        let token = token.unwrap_or_else(|| directory.new_token());
        let id = directory.add_device(now, &template, &token);
        Ok(json!({ "id": id, "token": token }))
    })
}

fn revoke(core: &Core, id: DeviceId) -> Done {
    let now = core.now();
    found(core.change(|service| {
        let is_there = service.directory().borrow().device(id).is_some();
        service.revoke_token_at(now, id);
        service.revoke_due(now);
        is_there
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinWrite {
    pin: u8,
    value: String,
}

fn write(core: &Core, id: DeviceId, request: &Request<'_>) -> Done {
    let PinWrite { pin, value } = body(request)?;
    found(core.change(|service| service.write(id, pin, value.as_bytes())))
}

/// What is given is changed, and the rest stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultChange {
    mute: Option<bool>,
    refuse: Option<bool>,
    delay_ms: Option<u32>,
    login: Option<LoginText>,
    after_login: Option<AfterLoginText>,
    split: Option<usize>,
    coalesce_ms: Option<u32>,
    reorder_ms: Option<u32>,
    /// `host:port`, or `off`.
    redirect: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum LoginText {
    Status(u16),
    Word(LoginWord),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LoginWord {
    Normal,
    Silent,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AfterLoginText {
    Normal,
    Drop,
    Mute,
}

fn change_faults(core: &Core, request: &Request<'_>) -> Done {
    let change: FaultChange = body(request)?;
    let redirect = match change.redirect.as_deref() {
        None => None,
        Some("off") => Some(None),
        Some(text) => {
            let to = hil_sim::cloud::host_and_port(text);
            let refused = || Refusal(400, "`redirect` is HOST:PORT, or off".to_owned());
            Some(Some(to.ok_or_else(refused)?))
        }
    };
    let millis = |millis: u32| smoltcp::time::Duration::from_millis(millis.into());
    core.change(|service| {
        change.mute.into_iter().for_each(|mute| service.set_mute(mute));
        change.delay_ms.into_iter().for_each(|delay| service.set_delay(millis(delay)));
        change.split.into_iter().for_each(|len| service.set_split(NonZero::new(len)));
        change.coalesce_ms.into_iter().for_each(|window| service.set_coalesce(millis(window)));
        change.reorder_ms.into_iter().for_each(|window| service.set_reorder(millis(window)));
        redirect.into_iter().for_each(|to| service.set_redirect(to));
        change.login.into_iter().for_each(|login| {
            service.set_login_answer(match login {
                LoginText::Word(LoginWord::Normal) => LoginAnswer::Normal,
                LoginText::Word(LoginWord::Silent) => LoginAnswer::Silent,
                LoginText::Status(status) => LoginAnswer::Status(status),
            });
        });
        change.after_login.into_iter().for_each(|after| {
            service.set_after_login(match after {
                AfterLoginText::Normal => AfterLogin::Normal,
                AfterLoginText::Drop => AfterLogin::Drop,
                AfterLoginText::Mute => AfterLogin::Mute,
            });
        });
    });
    change.refuse.into_iter().for_each(|refuses| core.set_refusing(refuses));
    core.note_faults(body(request)?);
    Ok(Value::Object(core.faults()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrameText {
    send: FrameName,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FrameName {
    Oversize,
    IdZero,
    UnknownCommand,
}

fn send_frame(core: &Core, request: &Request<'_>) -> Done {
    let FrameText { send } = body(request)?;
    core.send_strange(match send {
        FrameName::Oversize => StrangeFrame::Oversize,
        FrameName::IdZero => StrangeFrame::IdZero,
        FrameName::UnknownCommand => StrangeFrame::UnknownCommand,
    });
    Ok(json!({}))
}
