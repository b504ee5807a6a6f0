//! One simulation: commands that are answered, events in between.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use data_encoding::BASE64;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::connect::{Socket, connect};
use super::message::{Incoming, Outgoing, PROTOCOL, is_high, whole};
use super::{ApiError, Event, Server};

/// How long a command may wait for its answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// How long a service may take to end a simulation.
const GOODBYE_LIMIT: Duration = Duration::from_secs(2);
/// How much of a message that is none is shown.
const SHOWN_LEN: usize = 80;

/// What is uploaded.
#[derive(Clone, Copy, Debug)]
pub enum Upload<'a> {
    /// Text; a diagram and a chip's description must be.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

/// What runs.
#[derive(Clone, Debug)]
pub enum Firmware {
    /// One uploaded file: an ELF file, or a merged image.
    File(String),
    /// Uploaded files, each at its offset in the flash.
    Parts(Vec<(u32, String)>),
}

/// How a simulation begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// What runs.
    pub firmware: Firmware,
    /// The uploaded ELF file with symbols, if there is one beside it.
    pub elf: Option<String>,
    /// The flash's size, such as `4MB`; the board's own when it is not said.
    pub flash_size: Option<String>,
    /// Whether time stands still until it is resumed.
    pub pause: bool,
    /// The names of the user's own chips, whose files are uploaded.
    pub chips: Vec<String>,
}

/// Where simulated time stops by itself. Each is good for one time.
#[derive(Clone, Debug)]
pub enum PausePoint<'a> {
    /// At this time, in nanoseconds.
    At(u64),
    /// After so many nanoseconds.
    After(u64),
    /// As soon as the firmware has said these bytes on its serial line.
    Serial(&'a [u8]),
}

/// A pin as it is now.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pin {
    /// Whether it is high.
    pub is_high: bool,
    /// Its voltage, where the service says it.
    pub voltage: Option<f64>,
}

/// How a simulation stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// Whether simulated time passes.
    pub is_running: bool,
    /// Simulated time, in nanoseconds.
    pub nanos: u64,
}

/// What a logic analyser of the diagram has seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waveform {
    /// The file, VCD.
    pub vcd: String,
    /// How many channels it has.
    pub channels: u64,
    /// How many changes.
    pub samples: u64,
}

/// What a simulation has cost so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counted {
    /// Commands sent.
    pub commands: u64,
    /// How often something was sent and then waited for.
    pub round_trips: u64,
    /// Simulated time, in nanoseconds: what a plan's quota is counted in.
    pub nanos: u64,
}

impl Counted {
    /// Adds what another simulation has cost.
    pub fn add(&mut self, other: Self) {
        self.commands += other.commands;
        self.round_trips += other.round_trips;
        self.nanos += other.nanos;
    }
}

/// A connection to the service, and the simulation in it.
pub struct Simulation {
    socket: Socket,
    service: String,
    next_id: u64,
    /// Commands whose answers nobody waits for, by id.
    posted: BTreeMap<String, String>,
    events: VecDeque<Event>,
    has_sent: bool,
    counted: Counted,
}

impl Simulation {
    /// Connects to the service, which has not begun anything yet. `on_pause` hears of a service that is busy, and
    /// after how long it is asked again.
    ///
    /// # Errors
    /// When it cannot be reached, refuses, or speaks another version.
    pub async fn connect(
        server: &Server,
        on_pause: impl FnMut(&ApiError, Duration),
    ) -> Result<Self, ApiError> {
        let socket = connect(server, on_pause).await?;
        let mut simulation = Self {
            socket,
            service: String::new(),
            next_id: 0,
            posted: BTreeMap::new(),
            events: VecDeque::new(),
            has_sent: false,
            counted: Counted::default(),
        };
        let limit = Instant::now() + ANSWER_LIMIT;
        let first = simulation.read(limit).await?.ok_or_else(|| silent("hello"))?;
        match first {
            Incoming::Hello { protocol_version: PROTOCOL, app_name, app_version } => {
                simulation.service = format!("{app_name} {app_version}").trim().to_owned();
                Ok(simulation)
            }
            Incoming::Hello { protocol_version, .. } => {
                Err(ApiError::Protocol { theirs: protocol_version, ours: PROTOCOL })
            }
            Incoming::Error { message } => Err(ApiError::Fatal(message)),
            _ => Err(ApiError::NotUnderstood("its first message is no greeting".to_owned())),
        }
    }

    /// The service's name and version, as it says them.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// What has been used so far.
    pub fn counted(&self) -> Counted {
        self.counted
    }

    /// Sends a command and waits for its answer. Events that come before are kept.
    ///
    /// # Errors
    /// When the service refuses it, or is gone.
    pub async fn request(&mut self, command: &str, params: Value) -> Result<Value, ApiError> {
        let wanted = self.send(command, params).await?;
        let limit = Instant::now() + ANSWER_LIMIT;
        loop {
            match self.read(limit).await?.ok_or_else(|| silent(command))? {
                Incoming::Response { command, id, result, error } if id == wanted => {
                    return if error { Err(refusal(command, &result)) } else { Ok(result) };
                }
                other => self.take(other)?,
            }
        }
    }

    /// Sends a command and does not wait. Should it be refused, whoever waits next hears of it.
    ///
    /// # Errors
    /// When the service is gone.
    pub async fn post(&mut self, command: &str, params: Value) -> Result<(), ApiError> {
        let id = self.send(command, params).await?;
        self.posted.insert(id, command.to_owned());
        Ok(())
    }

    /// The next event, or none until the limit, which is of the wall's time.
    ///
    /// # Errors
    /// When a command that was posted is refused, or the service is gone.
    pub async fn next_event(&mut self, wait: Duration) -> Result<Option<Event>, ApiError> {
        let limit = Instant::now() + wait;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            match self.read(limit).await? {
                Some(message) => self.take(message)?,
                None => return Ok(None),
            }
        }
    }

    async fn send(&mut self, command: &str, params: Value) -> Result<String, ApiError> {
        let id = self.next_id.to_string();
        self.next_id += 1;
        self.counted.commands += 1;
        self.has_sent = true;
        let message = Outgoing::Command { command: command.to_owned(), id: id.clone(), params };
        let text = serde_json::to_string(&message).map_err(std::io::Error::other)?;
        self.socket.feed(Message::text(text)).await.map_err(lost)?;
        Ok(id)
    }

    /// The next message, or none until the limit. What waits to be sent is sent first, in one go.
    async fn read(&mut self, limit: Instant) -> Result<Option<Incoming>, ApiError> {
        self.socket.flush().await.map_err(lost)?;
        if std::mem::take(&mut self.has_sent) {
            self.counted.round_trips += 1;
        }
        loop {
            let Ok(message) = timeout_at(limit, self.socket.next()).await else { return Ok(None) };
            match message {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(Incoming::Unknown) => {}
                    Ok(message) => return Ok(Some(message)),
                    Err(error) => {
                        let shown: String = text.chars().take(SHOWN_LEN).collect();
                        return Err(ApiError::NotUnderstood(format!("{error}, in {shown:?}")));
                    }
                },
                Some(Ok(Message::Close(frame))) => {
                    let why = frame.map(|frame| format!("it closed with {} {}", frame.code, frame.reason));
                    let why = why.unwrap_or_else(|| "it closed without a reason".to_owned());
                    return Err(ApiError::Lost(why.trim_end().to_owned()));
                }
                // Pings are answered below; nothing binary is expected, and Wokwi's own client passes over it as well.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(lost(error)),
                None => return Err(ApiError::Lost("it closed the connection".to_owned())),
            }
        }
    }

    fn take(&mut self, message: Incoming) -> Result<(), ApiError> {
        match message {
            Incoming::Event { event, payload, nanos, .. } => {
                self.counted.nanos = self.counted.nanos.max(whole(nanos));
                self.events.push_back(Event::new(event, payload, nanos));
                Ok(())
            }
            Incoming::Response { id, result, error, .. } => match self.posted.remove(&id) {
                Some(command) if error => Err(refusal(command, &result)),
                _ => Ok(()),
            },
            Incoming::Error { message } => Err(ApiError::Fatal(message)),
            Incoming::Hello { .. } | Incoming::Unknown => Ok(()),
        }
    }
}

/// The commands, by their names in the protocol.
impl Simulation {
    /// `file:upload`. Files live as long as the connection.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn upload(&mut self, name: &str, content: Upload<'_>) -> Result<(), ApiError> {
        let params = match content {
            Upload::Text(text) => json!({ "name": name, "text": text }),
            Upload::Binary(bytes) => json!({ "name": name, "binary": BASE64.encode(bytes) }),
        };
        self.request("file:upload", params).await.map(drop)
    }

    /// `file:download`.
    ///
    /// # Errors
    /// As [`Self::request`], and when the answer has no content.
    pub async fn download(&mut self, name: &str) -> Result<Vec<u8>, ApiError> {
        let result = self.request("file:download", json!({ "name": name })).await?;
        match result.get("text").and_then(Value::as_str) {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => base64(&result, "binary"),
        }
    }

    /// `sim:start`.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn start(&mut self, start: &Start) -> Result<(), ApiError> {
        let Start { firmware, elf, flash_size, pause, chips } = start;
        let firmware = match firmware {
            Firmware::File(name) => json!(name),
            Firmware::Parts(parts) => {
                parts.iter().map(|(offset, file)| json!({ "offset": offset, "file": file })).collect()
            }
        };
        let mut params = json!({ "firmware": firmware, "elf": elf, "pause": pause, "chips": chips });
        if let Some(size) = flash_size {
            params["flashSize"] = json!(size);
        }
        self.request("sim:start", params).await.map(drop)
    }

    /// `sim:pause`: simulated time stands still.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn pause(&mut self) -> Result<(), ApiError> {
        self.request("sim:pause", json!({})).await.map(drop)
    }

    /// `sim:resume`: simulated time passes, for so many nanoseconds if that is said.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn resume(&mut self, pause_after: Option<u64>) -> Result<(), ApiError> {
        self.request("sim:resume", resume_params(pause_after)).await.map(drop)
    }

    /// `sim:resume`, and the answer is not waited for.
    ///
    /// # Errors
    /// As [`Self::post`].
    pub async fn post_resume(&mut self, pause_after: Option<u64>) -> Result<(), ApiError> {
        self.post("sim:resume", resume_params(pause_after)).await
    }

    /// `sim:restart`: resets the chip.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn restart(&mut self, pause: bool) -> Result<(), ApiError> {
        self.request("sim:restart", json!({ "pause": pause })).await.map(drop)
    }

    /// `sim:status`.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn status(&mut self) -> Result<Status, ApiError> {
        let result = self.request("sim:status", json!({})).await?;
        let nanos = whole(result.get("nanos").and_then(Value::as_f64).unwrap_or_default());
        self.counted.nanos = self.counted.nanos.max(nanos);
        Ok(Status { is_running: result.get("running").and_then(Value::as_bool).unwrap_or_default(), nanos })
    }

    /// `serial-monitor:listen`: from now on the firmware's serial line is heard. What it said before is lost.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn listen_serial(&mut self) -> Result<(), ApiError> {
        self.request("serial-monitor:listen", json!({})).await.map(drop)
    }

    /// `serial-monitor:write`, and the answer is not waited for: the firmware takes it as simulated time passes.
    ///
    /// # Errors
    /// As [`Self::post`].
    pub async fn post_serial(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        self.post("serial-monitor:write", json!({ "bytes": bytes })).await
    }

    /// `pause-point:add`, by an id of the caller's choice; the answer is not waited for.
    ///
    /// # Errors
    /// As [`Self::post`].
    pub async fn post_pause_point(&mut self, id: &str, point: &PausePoint<'_>) -> Result<(), ApiError> {
        let params = match point {
            PausePoint::At(nanos) => json!({ "id": id, "type": "time-absolute", "nanos": nanos }),
            PausePoint::After(nanos) => json!({ "id": id, "type": "time-relative", "nanos": nanos }),
            PausePoint::Serial(bytes) => json!({ "id": id, "type": "serial-bytes", "bytes": bytes }),
        };
        self.post("pause-point:add", params).await
    }

    /// `pause-point:remove`.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn remove_pause_point(&mut self, id: &str) -> Result<(), ApiError> {
        self.request("pause-point:remove", json!({ "id": id })).await.map(drop)
    }

    /// `control:set`: moves a part of the diagram, such as `pressed` of a button.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn set_control(&mut self, part: &str, control: &str, value: f64) -> Result<(), ApiError> {
        let params = json!({ "part": part, "control": control, "value": value });
        self.request("control:set", params).await.map(drop)
    }

    /// `pin:read`.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn read_pin(&mut self, part: &str, pin: &str) -> Result<Pin, ApiError> {
        let result = self.request("pin:read", json!({ "part": part, "pin": pin })).await?;
        let value = result.get("value").ok_or_else(|| absent("value"))?;
        Ok(Pin { is_high: is_high(value), voltage: result.get("voltage").and_then(Value::as_f64) })
    }

    /// `pin:listen`: whether changes of a pin are told.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn listen_pin(&mut self, part: &str, pin: &str, listen: bool) -> Result<(), ApiError> {
        let params = json!({ "part": part, "pin": pin, "listen": listen });
        self.request("pin:listen", params).await.map(drop)
    }

    /// `gpio:list`: the pins that can be read, such as `esp:GPIO0`.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn pins(&mut self) -> Result<Vec<String>, ApiError> {
        let result = self.request("gpio:list", json!({})).await?;
        let pins = result.get("pins").and_then(Value::as_array).ok_or_else(|| absent("pins"))?;
        Ok(pins.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// `framebuffer:read`: a picture of a part, as a PNG file.
    ///
    /// # Errors
    /// As [`Self::request`], and when the answer has no picture.
    pub async fn screenshot(&mut self, part: &str) -> Result<Vec<u8>, ApiError> {
        let result = self.request("framebuffer:read", json!({ "id": part })).await?;
        base64(&result, "png")
    }

    /// `sim:read-vcd`: what the diagram's logic analyser has seen.
    ///
    /// # Errors
    /// As [`Self::request`], and when the answer has no waveform.
    pub async fn waveform(&mut self) -> Result<Waveform, ApiError> {
        let result = self.request("sim:read-vcd", json!({})).await?;
        let count = |key: &str| result.get(key).and_then(Value::as_u64).unwrap_or_default();
        let vcd = result.get("vcd").and_then(Value::as_str).ok_or_else(|| absent("vcd"))?;
        Ok(Waveform { vcd: vcd.to_owned(), channels: count("channelCount"), samples: count("sampleCount") })
    }

    /// Says goodbye, and waits a little until the service has ended what ran. One that is gone already hears nothing, and that
    /// is all right.
    pub async fn close(&mut self) {
        let goodbye = async {
            if self.socket.close(None).await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        let _ = timeout_at(Instant::now() + GOODBYE_LIMIT, goodbye).await;
    }
}

fn resume_params(pause_after: Option<u64>) -> Value {
    match pause_after {
        Some(nanos) => json!({ "pauseAfter": nanos }),
        None => json!({}),
    }
}

fn base64(result: &Value, key: &str) -> Result<Vec<u8>, ApiError> {
    let text = result.get(key).and_then(Value::as_str).ok_or_else(|| absent(key))?;
    BASE64.decode(text.as_bytes()).map_err(|error| ApiError::NotUnderstood(format!("`{key}`: {error}")))
}

fn absent(key: &str) -> ApiError {
    ApiError::NotUnderstood(format!("its answer has no `{key}`"))
}

fn silent(command: &str) -> ApiError {
    ApiError::Silent { command: command.to_owned(), waited: ANSWER_LIMIT }
}

fn refusal(command: String, result: &Value) -> ApiError {
    let message = result.get("message").and_then(Value::as_str).unwrap_or("without a reason").to_owned();
    ApiError::Command { command, code: result.get("code").and_then(Value::as_i64), message }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn lost(error: SocketError) -> ApiError {
    ApiError::Lost(error.to_string())
}
