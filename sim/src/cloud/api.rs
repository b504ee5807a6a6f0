//! The cloud's HTTP API: the platform API that an app uses, and the device API with the token in the query.

use serde_json::{Value, json};
use smoltcp::time::Instant;

use super::directory::{Activation, Device, DeviceStatus, has_meta};
use super::http::{Request, Response, read_form};
use super::{DeviceId, Event, Service};

/// The documented wording of a wrong token.
const INVALID_TOKEN: &str = "Invalid token.";
/// The documented wording of a pin that is none.
const WRONG_PIN: &str = "Wrong pin format.";
/// The documented limit of an event's description, in characters.
pub(super) const DESCRIPTION_LEN_MAX: usize = 300;

impl Service {
    pub(super) fn respond(&mut self, now: Instant, request: &Request<'_>) -> Response {
        let method = request.method;
        if let Some(call) = request.path.strip_prefix("/external/api/") {
            return match method {
                "GET" | "POST" => self.respond_device_api(now, call, request),
                _ => Response::error(405, "Method not allowed."),
            };
        }
        match (method, request.path) {
            ("POST", "/oauth2/token") => self.authorize(now, request),
            (method, path) if path.starts_with("/api/v1/organization/") => {
                if !self.is_authorized(now, request) {
                    return Response::json(401, &json!({ "error": "invalid_token" }));
                }
                match (method, path) {
                    ("POST", "/api/v1/organization/device/provision/token") => self.provision(now),
                    ("POST", "/api/v1/organization/device/provision/reconfigure") => {
                        self.reconfigure(now, request)
                    }
                    ("GET", "/api/v1/organization/devices") => self.list_devices(),
                    _ => Response::error(404, "Not found."),
                }
            }
            _ => Response::error(404, "Not found."),
        }
    }

    /// RFC 6749 section 4.4, with the client's name and secret in the header (section 2.3.1).
    fn authorize(&mut self, now: Instant, request: &Request<'_>) -> Response {
        let form = str::from_utf8(request.body).map(read_form).unwrap_or_default();
        let grant = request
            .parameter("grant_type")
            .or_else(|| form.iter().find(|(key, _)| key == "grant_type").map(|(_, value)| value.as_ref()));
        if grant != Some("client_credentials") {
            return Response::json(400, &json!({ "error": "unsupported_grant_type" }));
        }
        let credentials = request.authorization.and_then(basic_credentials);
        let token = credentials
            .and_then(|(email, password)| self.directory.borrow_mut().authorize(now, &email, &password));
        match token {
            Some(token) => Response::json(
                200,
                &json!({
                    "access_token": token,
                    "token_type": "Bearer",
                    "expires_in": super::directory::ACCESS_TOKEN_LIFE.secs(),
                }),
            ),
            None => Response::json(401, &json!({ "error": "invalid_client" })),
        }
    }

    fn is_authorized(&self, now: Instant, request: &Request<'_>) -> bool {
        let bearer = request.authorization.and_then(|header| header.strip_prefix("Bearer "));
        bearer.is_some_and(|token| self.directory.borrow().is_authorized(now, token.trim()))
    }

    fn provision(&mut self, now: Instant) -> Response {
        let (device, token) =
            self.directory.borrow_mut().issue_token(now, self.behaviour.provision_token_life);
        self.events.push(Event::TokenIssued { device });
        Response::json(200, &json!({ "token": token, "deviceId": device }))
    }

    fn reconfigure(&mut self, now: Instant, request: &Request<'_>) -> Response {
        let body: Value = serde_json::from_slice(request.body).unwrap_or_default();
        let id = body.get("deviceId").and_then(Value::as_u64);
        let id = id.or_else(|| request.parameter("deviceId")?.parse().ok());
        let Some(id) = id.and_then(|id| DeviceId::try_from(id).ok()) else {
            return Response::error(400, "Wrong device id.");
        };
        let mut directory = self.directory.borrow_mut();
        let offline = directory.device(id).is_some_and(|device| device.status() != DeviceStatus::Online);
        match directory.reissue_token(now, id, self.behaviour.provision_token_life) {
            Some(token) => {
                self.events.push(Event::TokenIssued { device: id });
                Response::json(200, &json!({ "token": token, "deviceId": id, "deviceIsOffline": offline }))
            }
            None => Response::error(400, "Device doesn't exist."),
        }
    }

    fn list_devices(&self) -> Response {
        let directory = self.directory.borrow();
        let devices: Vec<Value> = directory.devices().iter().map(describe).collect();
        Response::json(200, &Value::Array(devices))
    }

    fn respond_device_api(&mut self, now: Instant, call: &str, request: &Request<'_>) -> Response {
        let token = request.parameter("token").unwrap_or_default();
        let Some(id) = self.directory.borrow().find(now, token).map(Device::id) else {
            return Response::error(400, INVALID_TOKEN);
        };
        match call {
            "isHardwareConnected" => {
                let directory = self.directory.borrow();
                let online =
                    directory.device(id).is_some_and(|device| device.status() == DeviceStatus::Online);
                Response::text(if online { "true" } else { "false" })
            }
            "get" => self.get_pins(id, request),
            "getAll" => self.get_all(id),
            "update" | "batch/update" => self.update(id, request),
            "device/meta" => self.get_meta(id, request),
            "device/meta/update" => self.update_meta(id, request),
            "logEvent" => self.log_event(id, request),
            "provision" => self.provision_by_http(now, id, request),
            _ => Response::error(404, "Not found."),
        }
    }

    fn get_pins(&self, id: DeviceId, request: &Request<'_>) -> Response {
        let directory = self.directory.borrow();
        let Some(device) = directory.device(id) else { return Response::error(400, INVALID_TOKEN) };
        let mut values = serde_json::Map::new();
        for (key, _) in request.query.iter().filter(|(key, _)| key != "token") {
            let Some(pin) = pin_number(key) else { return Response::error(400, WRONG_PIN) };
            let Some(value) = device.pin(pin) else {
                let template = device.template().and_then(|template| directory.template(template));
                let name = template.map_or("", |template| &template.name);
                let message = format!("Requested dataStream doesn't exist in the product {name}");
                return Response::error(400, &message);
            };
            values.insert(key.clone().into_owned(), Value::String(text(value)));
        }
        match values.len() {
            0 => Response::error(400, WRONG_PIN),
            1 => Response::text(values.values().next().and_then(Value::as_str).unwrap_or_default()),
            _ => Response::json(200, &Value::Object(values)),
        }
    }

    fn get_all(&self, id: DeviceId) -> Response {
        let directory = self.directory.borrow();
        let pins = directory.device(id).into_iter().flat_map(Device::pins);
        let values = pins.map(|(pin, value)| (format!("v{pin}"), Value::String(text(value)))).collect();
        Response::json(200, &Value::Object(values))
    }

    /// `v1=100` for one or more pins, or `pin=V1` with one or more `value=`.
    fn update(&mut self, id: DeviceId, request: &Request<'_>) -> Response {
        let mut writes: Vec<(u8, Vec<u8>)> = Vec::new();
        if let Some(pin) = request.parameter("pin") {
            let Some(pin) = pin_number(pin) else { return Response::error(400, WRONG_PIN) };
            let values = request.query.iter().filter(|(key, _)| key == "value");
            let values: Vec<&[u8]> = values.map(|(_, value)| value.as_bytes()).collect();
            if values.is_empty() {
                return Response::error(400, "No datastream setup for that pin.");
            }
            writes.push((pin, values.join(&0)));
        } else {
            for (key, value) in request.query.iter().filter(|(key, _)| key != "token") {
                let Some(pin) = pin_number(key) else { return Response::error(400, WRONG_PIN) };
                writes.push((pin, value.as_bytes().to_vec()));
            }
        }
        if writes.is_empty() {
            return Response::error(400, WRONG_PIN);
        }
        for (pin, value) in writes {
            self.directory.borrow_mut().write(id, pin, &value);
        }
        Response::empty()
    }

    fn get_meta(&self, id: DeviceId, request: &Request<'_>) -> Response {
        let field = request.parameter("metaFieldName").or(request.parameter("metaFieldId"));
        let Some(field) = field.filter(|field| !field.is_empty()) else {
            return Response::error(400, "Wrong metaField format");
        };
        if !has_meta(field) {
            return Response::error(400, "MetaField doesn't exist");
        }
        let directory = self.directory.borrow();
        let value = directory.device(id).and_then(|device| device.meta(field)).unwrap_or_default();
        Response::json(200, &json!({ "name": field, "value": value }))
    }

    fn update_meta(&mut self, id: DeviceId, request: &Request<'_>) -> Response {
        let field = request.parameter("metaFieldName").or(request.parameter("metaFieldId"));
        let Some(field) = field.filter(|field| !field.is_empty()) else {
            return Response::error(400, "Wrong metaField format");
        };
        if !has_meta(field) {
            return Response::error(400, "MetaField doesn't exist");
        }
        match request.parameter("value") {
            Some(value) if self.set_meta(id, field, value) => Response::empty(),
            _ => Response::error(400, "Wrong value"),
        }
    }

    fn log_event(&mut self, id: DeviceId, request: &Request<'_>) -> Response {
        let Some(code) = request.parameter("code").filter(|code| !code.is_empty()) else {
            return Response::error(400, "Event code is not provided.");
        };
        self.on_event_logged(id, code, request.parameter("description").unwrap_or_default());
        Response::empty()
    }

    /// Completes a provisioning for a device that does not speak the binary protocol.
    fn provision_by_http(&mut self, now: Instant, id: DeviceId, request: &Request<'_>) -> Response {
        let template = request.parameter("templateId").unwrap_or_default();
        match self.activate(now, id, template) {
            Activation::Done | Activation::Unchanged => Response::empty(),
            Activation::UnknownTemplate => Response::error(400, "Template doesn't exist."),
        }
    }
}

/// What the list of devices says about one.
fn describe(device: &Device) -> Value {
    let status = match device.status() {
        DeviceStatus::Online => "ONLINE",
        DeviceStatus::Offline | DeviceStatus::NeverSeen => "OFFLINE",
    };
    json!({
        "id": device.id(),
        "name": device.name(),
        "status": status,
        "templateId": device.template(),
        "activatedAt": device.activated_at().map(|at| at.total_millis()),
        "metaFields": { "Hotspot Name": device.meta("Hotspot Name") },
    })
}

/// A pin's value; several are separated by a space.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).replace('\0', " ")
}

/// `v5` or `V5`.
fn pin_number(text: &str) -> Option<u8> {
    let digits = text.strip_prefix(['v', 'V'])?;
    // `parse` would take a sign.
    digits.parse().ok().filter(|_| digits.bytes().all(|digit| digit.is_ascii_digit()))
}

/// RFC 7617: name and secret, divided by a colon, in base64.
fn basic_credentials(header: &str) -> Option<(String, String)> {
    let encoded = header.strip_prefix("Basic ")?.trim().trim_end_matches('=');
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in encoded.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    let (email, password) = str::from_utf8(&bytes).ok()?.split_once(':')?;
    Some((email.into(), password.into()))
}
