//! The messages of the Simulation API. Names and fields are the protocol's.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the protocol that is spoken here.
pub const PROTOCOL: u64 = 1;

/// What the client says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Outgoing {
    /// Something to do.
    Command {
        /// What.
        command: String,
        /// Tells its answer from others, a decimal number as text.
        id: String,
        /// With what. One client leaves it out where a command needs nothing.
        #[serde(default)]
        params: Value,
    },
}

/// What the service says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Incoming {
    /// First of all, without being asked.
    #[serde(rename_all = "camelCase")]
    Hello {
        /// The version that it speaks.
        protocol_version: u64,
        /// Its name.
        #[serde(default)]
        app_name: String,
        /// Its version.
        #[serde(default)]
        app_version: String,
    },
    /// The answer to a command.
    Response {
        /// The command.
        #[serde(default)]
        command: String,
        /// The command's own.
        id: String,
        /// What came of it; when it failed, `code` and `message`.
        #[serde(default)]
        result: Value,
        /// Whether it failed.
        #[serde(default)]
        error: bool,
    },
    /// Something happened.
    Event {
        /// What.
        event: String,
        /// More about it.
        #[serde(default)]
        payload: Value,
        /// Simulated time, in nanoseconds. The service may send a fraction.
        #[serde(default)]
        nanos: f64,
        /// Whether simulated time stands still now.
        #[serde(default)]
        paused: bool,
    },
    /// Everything ends.
    Error {
        /// Why.
        #[serde(default)]
        message: String,
    },
    /// What another version may say.
    #[serde(other)]
    Unknown,
}

/// What happens in a simulation.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// The firmware said this on its serial line; pieces are cut anywhere.
    Serial(Vec<u8>),
    /// Simulated time stands still.
    Paused {
        /// The pause point that was reached, if it was one.
        pause_point: Option<String>,
        /// When, in simulated nanoseconds.
        nanos: u64,
    },
    /// A chip of the user's own said something.
    ChipLog {
        /// The chip.
        chip: String,
        /// What it said.
        message: String,
    },
    /// A pin that is listened to has changed.
    PinChange {
        /// The part.
        part: String,
        /// Its pin.
        pin: String,
        /// Whether it is high.
        is_high: bool,
    },
    /// Anything else.
    Other {
        /// Its name.
        event: String,
        /// More about it.
        payload: Value,
    },
}

impl Event {
    /// An event as it came.
    pub(super) fn new(event: String, payload: Value, nanos: f64) -> Self {
        let text = |key: &str| payload.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        match event.as_str() {
            "serial-monitor:data" => Self::Serial(bytes(payload.get("bytes"))),
            "sim:pause" => Self::Paused {
                pause_point: payload.get("pausePoint").and_then(Value::as_str).map(str::to_owned),
                nanos: whole(nanos),
            },
            "chips:log" => Self::ChipLog { chip: text("chip"), message: text("message") },
            "pin:change" => Self::PinChange {
                part: text("part"),
                pin: text("pin"),
                is_high: payload.get("value").is_some_and(is_high),
            },
            _ => Self::Other { event, payload },
        }
    }
}

/// A pin's level, which some services send as a number and some as a truth value.
pub(crate) fn is_high(value: &Value) -> bool {
    value.as_bool().or_else(|| value.as_f64().map(|level| level != 0.0)).unwrap_or(false)
}

/// Simulated time without its fraction; the float holds whole nanoseconds exactly for a hundred days.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it saturates, and time is not negative"
)]
pub(crate) fn whole(nanos: f64) -> u64 {
    nanos as u64
}

/// Bytes as JSON has them. What is no byte is left out.
pub fn bytes(value: Option<&Value>) -> Vec<u8> {
    let list = value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_those_of_the_protocol() {
        let command = Outgoing::Command {
            command: "sim:resume".into(),
            id: "4".into(),
            params: json!({ "pauseAfter": 1_000_000 }),
        };
        let text = serde_json::to_value(&command).unwrap();
        let expected = json!({
            "type": "command", "command": "sim:resume", "id": "4", "params": { "pauseAfter": 1_000_000 },
        });
        assert_eq!(text, expected);
        let bare: Outgoing =
            serde_json::from_str(r#"{"type":"command","command":"sim:pause","id":"0"}"#).unwrap();
        assert_eq!(
            bare,
            Outgoing::Command { command: "sim:pause".into(), id: "0".into(), params: Value::Null }
        );
        let hello: Incoming = serde_json::from_str(
            r#"{"type":"hello","protocolVersion":1,"appName":"Wokwi","appVersion":"1.2"}"#,
        )
        .unwrap();
        assert!(matches!(hello, Incoming::Hello { protocol_version: 1, .. }));
        let new: Incoming = serde_json::from_str(r#"{"type":"greeting","mood":"good"}"#).unwrap();
        assert_eq!(new, Incoming::Unknown);
    }

    #[test]
    fn events_are_taken_as_they_come() {
        let event = |event: &str, payload: Value| Event::new(event.into(), payload, 1_500.75);
        assert_eq!(
            event("serial-monitor:data", json!({ "bytes": [0, 255, 256, -1, "x", 10] })),
            Event::Serial(vec![0, 255, 10])
        );
        assert_eq!(
            event("sim:pause", json!({ "pausePoint": "pp1" })),
            Event::Paused { pause_point: Some("pp1".into()), nanos: 1_500 }
        );
        assert_eq!(
            event("sim:pause", json!({ "pausePoint": null })),
            Event::Paused { pause_point: None, nanos: 1_500 }
        );
        for level in [json!(true), json!(1), json!(1.0)] {
            assert_eq!(
                event("pin:change", json!({ "part": "esp", "pin": "8", "value": level })),
                Event::PinChange { part: "esp".into(), pin: "8".into(), is_high: true }
            );
        }
        assert!(matches!(event("weather:rain", json!({})), Event::Other { .. }));
    }
}
