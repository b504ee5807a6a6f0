//! The paths of the last open server, with the token in front: `/<token>/get/V1`. Old scripts still use them.

use serde_json::Value;
use smoltcp::time::Instant;

use super::{INVALID_TOKEN, WRONG_PIN, not_served, pin_number};
use crate::cloud::http::{Request, Response};
use crate::cloud::{Device, DeviceId, DeviceStatus, Service};

/// The token and the call, when the path is one of these.
pub(super) fn call(path: &str) -> Option<(&str, &str)> {
    let (token, call) = path.strip_prefix('/')?.split_once('/')?;
    let name = call.split('/').next()?;
    ["isHardwareConnected", "get", "update", "project"].contains(&name).then_some((token, call))
}

impl Service {
    pub(super) fn respond_legacy(
        &mut self,
        now: Instant,
        token: &str,
        call: &str,
        request: &Request<'_>,
    ) -> Response {
        let Some(id) = self.directory.borrow().find(now, token).map(Device::id) else {
            return refused(INVALID_TOKEN);
        };
        let (name, pin) = call.split_once('/').unwrap_or((call, ""));
        match (request.method, name) {
            ("GET", "isHardwareConnected") => {
                let directory = self.directory.borrow();
                let is_online = directory.device(id).map(Device::status) == Some(DeviceStatus::Online);
                Response::text(if is_online { "true" } else { "false" })
            }
            (_, "project") => not_served("/<token>/project"),
            ("GET" | "PUT", "get" | "update") => match pin_number(pin) {
                None => refused(WRONG_PIN),
                Some(pin) if name == "get" => self.legacy_get(id, pin),
                Some(pin) => self.legacy_update(id, pin, request),
            },
            _ => Response::error(405, "Method not allowed."),
        }
    }

    fn legacy_get(&self, id: DeviceId, pin: u8) -> Response {
        let directory = self.directory.borrow();
        let value = directory.device(id).and_then(|device| device.pin(pin));
        let values = value.map(|value| value.split(|byte| *byte == 0)).into_iter().flatten();
        let values = values.map(|value| Value::String(String::from_utf8_lossy(value).into_owned())).collect();
        Response::json(200, &Value::Array(values))
    }

    /// `?value=88`, or `["88"]` as the body of a PUT.
    fn legacy_update(&mut self, id: DeviceId, pin: u8, request: &Request<'_>) -> Response {
        let values: Vec<String> = if request.method == "PUT" {
            serde_json::from_slice(request.body).unwrap_or_default()
        } else {
            let values = request.query.iter().filter(|(key, _)| key == "value");
            values.map(|(_, value)| value.clone().into_owned()).collect()
        };
        if values.is_empty() {
            return refused("No pin for update provided.");
        }
        self.directory.borrow_mut().write(id, pin, values.join("\0").as_bytes());
        Response::empty()
    }
}

/// That server words its errors as bare text.
fn refused(message: &str) -> Response {
    Response { status: 400, ..Response::text(message) }
}
