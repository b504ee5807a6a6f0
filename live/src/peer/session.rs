//! One client: its files, its machine, its pause points.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::path::PathBuf;

use data_encoding::BASE64;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::sleep_until;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::machine::Machine;
use super::pause_points::{PausePoints, Point};
use crate::api::message::{Incoming, Outgoing, PROTOCOL, bytes};

/// A connection from a client.
pub(super) type Socket = WebSocketStream<TcpStream>;

/// What this peer is called.
const NAME: &str = "Edgent HIL peer";
/// The commands that it knows.
const KNOWN: [&str; 10] = [
    "file:upload",
    "sim:start",
    "sim:pause",
    "sim:resume",
    "sim:status",
    "serial-monitor:listen",
    "serial-monitor:write",
    "pause-point:add",
    "pause-point:remove",
    "file:download",
];
/// Bytes taken from the serial line at once.
const READ_LEN: usize = 4_096;
/// Our numbers for what is wrong. The service's own are not published.
const NOT_SERVED: i64 = 1;
const BAD_PARAMS: i64 = 2;
const NOT_NOW: i64 = 3;
const CANNOT_RUN: i64 = 4;

/// Why a command failed.
struct Refused(i64, String);

type Done = Result<Value, Refused>;

/// How a session ends.
enum End {
    /// The client said goodbye, or is gone.
    Left,
    /// Something that cannot be mended, which the client is told.
    Fatal(String),
}

impl From<SocketError> for End {
    fn from(_: SocketError) -> Self {
        Self::Left
    }
}

/// What happens next.
enum Next {
    Message(Option<Result<Message, SocketError>>),
    Said(io::Result<usize>),
    Time,
}

/// One client.
pub(super) struct Session {
    socket: Socket,
    emulator: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
    machine: Option<Machine>,
    points: PausePoints,
    is_listening: bool,
    /// What the firmware said before time stopped and behind the pause point: the client hears it when time goes on.
    held: Vec<u8>,
}

impl Session {
    pub(super) fn new(socket: Socket, emulator: PathBuf) -> Self {
        let points = PausePoints::default();
        Self {
            socket,
            emulator,
            files: BTreeMap::new(),
            machine: None,
            points,
            is_listening: false,
            held: Vec::new(),
        }
    }

    /// Serves the client to its end, and says how it ended.
    pub(super) async fn run(mut self) -> String {
        let end = self.serve().await.err().unwrap_or(End::Left);
        let spent = self.machine.as_ref().map_or(0, Machine::nanos);
        let spent = format!("{}.{:03} s simulated", spent / 1_000_000_000, spent / 1_000_000 % 1_000);
        // A client that says goodbye is answered when its machine has ended.
        self.machine = None;
        match end {
            End::Left => {
                let _ = self.socket.close(None).await;
                format!("left after {spent}")
            }
            End::Fatal(why) => {
                // A client that is gone does not hear it.
                let _ = self.send(&Incoming::Error { message: why.clone() }).await;
                let _ = self.socket.close(None).await;
                format!("ended after {spent}: {why}")
            }
        }
    }

    async fn serve(&mut self) -> Result<(), End> {
        let hello = Incoming::Hello {
            protocol_version: PROTOCOL,
            app_name: NAME.to_owned(),
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        self.send(&hello).await?;
        let mut said = vec![0; READ_LEN];
        loop {
            if self.held_while_running() {
                let held = std::mem::take(&mut self.held);
                self.hear(&held).await?;
                continue;
            }
            match self.next(&mut said).await {
                Next::Message(Some(message)) => match message? {
                    Message::Text(text) => self.command(&text).await?,
                    Message::Close(_) => return Ok(()),
                    _ => {}
                },
                Next::Message(None) => return Ok(()),
                Next::Said(len) => {
                    let len = len.map_err(|error| End::Fatal(error.to_string()))?;
                    self.hear(&said[..len]).await?;
                }
                Next::Time => {
                    let now = self.machine.as_ref().map_or(0, Machine::nanos);
                    if let Some(point) = self.points.take_due(now) {
                        self.pause(point).await?;
                    }
                }
            }
        }
    }

    fn held_while_running(&self) -> bool {
        !self.held.is_empty() && self.machine.as_ref().is_some_and(Machine::is_running)
    }

    /// Waits for the client, for the firmware and for the next pause point in time, whichever comes first. A firmware is
    /// listened to only while its time passes.
    async fn next(&mut self, said: &mut [u8]) -> Next {
        let Self { socket, machine, points, .. } = self;
        let running = machine.as_mut().filter(|machine| machine.is_running());
        let moment = running.as_ref().and_then(|machine| machine.moment(points.next_time()?));
        let hear = async {
            match running {
                Some(machine) => machine.read(said).await,
                None => pending().await,
            }
        };
        let time = async {
            match moment {
                Some(moment) => sleep_until(moment).await,
                None => pending().await,
            }
        };
        tokio::select! {
            message = socket.next() => Next::Message(message),
            len = hear => Next::Said(len),
            () = time => Next::Time,
        }
    }

    /// Passes on what the firmware said, up to a pause point.
    async fn hear(&mut self, said: &[u8]) -> Result<(), End> {
        let (len, reached) = self.points.take_said(said);
        if self.is_listening && len > 0 {
            self.tell("serial-monitor:data", json!({ "bytes": &said[..len] })).await?;
        }
        self.held.extend_from_slice(&said[len..]);
        match reached {
            Some(point) => self.pause(point).await,
            None => Ok(()),
        }
    }

    async fn pause(&mut self, point: Option<String>) -> Result<(), End> {
        if let Some(machine) = &mut self.machine {
            machine.pause().await.map_err(|error| End::Fatal(error.to_string()))?;
        }
        self.points.clear_limit();
        self.tell("sim:pause", json!({ "pausePoint": point, "pausePointInfo": null })).await
    }

    async fn tell(&mut self, event: &str, payload: Value) -> Result<(), End> {
        let nanos = self.machine.as_ref().map_or(0, Machine::nanos);
        #[expect(clippy::cast_precision_loss, reason = "as the service sends it: a number of JSON's")]
        let nanos = nanos as f64;
        let paused = !self.machine.as_ref().is_some_and(Machine::is_running);
        self.send(&Incoming::Event { event: event.to_owned(), payload, nanos, paused }).await
    }

    async fn send(&mut self, message: &Incoming) -> Result<(), End> {
        let text = serde_json::to_string(message).map_err(|error| End::Fatal(error.to_string()))?;
        Ok(self.socket.send(Message::text(text)).await?)
    }

    async fn command(&mut self, text: &str) -> Result<(), End> {
        let Outgoing::Command { command, id, params } =
            serde_json::from_str(text).map_err(|error| End::Fatal(format!("this is no command: {error}")))?;
        let done = self.carry_out(&command, &params).await;
        let is_paused_now = command == "sim:pause" && done.is_ok();
        let (result, error) = match done {
            Ok(result) => (result, false),
            Err(Refused(code, message)) => (json!({ "code": code, "message": message }), true),
        };
        self.send(&Incoming::Response { command, id, result, error }).await?;
        if is_paused_now {
            return self.pause(None).await;
        }
        Ok(())
    }

    async fn carry_out(&mut self, command: &str, params: &Value) -> Done {
        match command {
            "file:upload" => self.upload(params),
            "file:download" => self.download(params),
            "sim:start" => self.start(params).await,
            "sim:pause" => self.machine().map(|_| json!({})),
            "sim:resume" => self.resume(params).await,
            "sim:status" => {
                let machine = self.machine()?;
                Ok(json!({ "running": machine.is_running(), "nanos": machine.nanos() }))
            }
            "serial-monitor:listen" => {
                self.is_listening = true;
                Ok(json!({}))
            }
            "serial-monitor:write" => {
                let typed = bytes(params.get("bytes"));
                self.machine()?.write(&typed).await.map_err(broken)?;
                Ok(json!({}))
            }
            "pause-point:add" => self.add_pause_point(params),
            "pause-point:remove" => match self.points.remove(text(params, "id")?) {
                true => Ok(json!({})),
                false => Err(Refused(BAD_PARAMS, "there is no pause point of that id".to_owned())),
            },
            _ => {
                let what = format!("`{command}` is not served here; what is: {}", KNOWN.join(", "));
                Err(Refused(NOT_SERVED, what))
            }
        }
    }

    fn machine(&mut self) -> Result<&mut Machine, Refused> {
        self.machine
            .as_mut()
            .ok_or_else(|| Refused(NOT_NOW, "nothing runs: `sim:start` comes first".to_owned()))
    }

    fn upload(&mut self, params: &Value) -> Done {
        let name = text(params, "name")?.to_owned();
        let content = match (params.get("text").and_then(Value::as_str), params.get("binary")) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(binary)) => BASE64
                .decode(binary.as_str().unwrap_or_default().as_bytes())
                .map_err(|error| Refused(BAD_PARAMS, format!("`binary` is no base64: {error}")))?,
            _ => return Err(Refused(BAD_PARAMS, "a file has either `text` or `binary`".to_owned())),
        };
        self.files.insert(name, content);
        Ok(json!({}))
    }

    fn download(&self, params: &Value) -> Done {
        let content = self.file(text(params, "name")?)?;
        Ok(match std::str::from_utf8(content) {
            Ok(text) => json!({ "text": text }),
            Err(_) => json!({ "binary": BASE64.encode(content) }),
        })
    }

    fn file(&self, name: &str) -> Result<&Vec<u8>, Refused> {
        self.files.get(name).ok_or_else(|| Refused(BAD_PARAMS, format!("the file `{name}` was not uploaded")))
    }

    async fn start(&mut self, params: &Value) -> Done {
        if self.machine.is_some() {
            return Err(Refused(NOT_NOW, "a simulation runs already".to_owned()));
        }
        if params.get("chips").and_then(Value::as_array).is_some_and(|chips| !chips.is_empty()) {
            return Err(Refused(NOT_SERVED, "chips of one's own are not served here".to_owned()));
        }
        let Some(name) = params.get("firmware").and_then(Value::as_str) else {
            let what = "`firmware` is not the name of one ELF file, and nothing else runs here";
            return Err(Refused(CANNOT_RUN, what.to_owned()));
        };
        let firmware = self.file(name)?;
        let machine = Machine::start(&self.emulator, firmware).await;
        let machine = self.machine.insert(machine.map_err(|error| Refused(CANNOT_RUN, error.to_string()))?);
        if params.get("pause").and_then(Value::as_bool) != Some(true) {
            machine.resume().await.map_err(broken)?;
        }
        Ok(json!({}))
    }

    async fn resume(&mut self, params: &Value) -> Done {
        let limit = params.get("pauseAfter").and_then(nanos);
        let machine = self.machine()?;
        let until = limit.map(|limit| machine.nanos().saturating_add(limit));
        machine.resume().await.map_err(broken)?;
        self.points.clear_limit();
        if let Some(until) = until {
            self.points.add(None, Point::At(until));
        }
        Ok(json!({}))
    }

    fn add_pause_point(&mut self, params: &Value) -> Done {
        let id = text(params, "id")?.to_owned();
        let time = || {
            let time = params.get("nanos").and_then(nanos);
            time.ok_or_else(|| Refused(BAD_PARAMS, "`nanos` is no time".to_owned()))
        };
        let now = self.machine.as_ref().map_or(0, Machine::nanos);
        let point = match text(params, "type")? {
            "time-absolute" => Point::At(time()?),
            "time-relative" => Point::At(now.saturating_add(time()?)),
            "serial-bytes" => {
                let wanted = bytes(params.get("bytes"));
                if wanted.is_empty() {
                    return Err(Refused(BAD_PARAMS, "`bytes` has none to wait for".to_owned()));
                }
                Point::Serial { wanted, seen: Vec::new() }
            }
            other => {
                return Err(Refused(NOT_SERVED, format!("there is no pause point of the type `{other}`")));
            }
        };
        self.points.add(Some(id), point);
        Ok(json!({}))
    }
}

fn text<'v>(params: &'v Value, key: &str) -> Result<&'v str, Refused> {
    let value = params.get(key).and_then(Value::as_str);
    value.ok_or_else(|| Refused(BAD_PARAMS, format!("`{key}` is missing, or no text")))
}

/// A time as clients send it: a number, with a fraction or without.
fn nanos(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|time| *time >= 0.0).map(crate::api::message::whole))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: io::Error) -> Refused {
    Refused(CANNOT_RUN, error.to_string())
}
