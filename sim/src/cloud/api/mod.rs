//! The cloud's HTTP API: the platform API that an app uses, and the device API with the token in the query.

mod legacy;

use serde_json::{Value, json};
use smoltcp::time::Instant;

use super::device::is_property;
use super::directory::{Activation, Device, DeviceStatus, has_meta};
use super::http::{Request, Response, read_form};
use super::{DEVICE_NAME_LEN_MAX, DeviceId, Event, Service};

/// The documented wording of a wrong token.
const INVALID_TOKEN: &str = "Invalid token.";
/// The documented wording of a pin that is none.
const WRONG_PIN: &str = "Wrong pin format.";
/// The documented limit of an event's description, in characters.
pub(super) const DESCRIPTION_LEN_MAX: usize = 300;
/// There is one organization.
const ORGANIZATION: u32 = 1;
/// Calls of the device API that are documented and not served.
const OTHER_DEVICE_CALLS: [&str; 2] = ["data/get", "upload"];
/// Below this are calls of the platform API that are documented and not served.
const OTHER_PLATFORM_CALLS: [&str; 1] = ["static-tokens"];

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
            (_, path) if path.starts_with("/api/v1/organization/") => {
                if !self.is_authorized(now, request) {
                    return Response::json(401, &json!({ "error": "invalid_token" }));
                }
                self.respond_platform_api(now, &path["/api/v1/organization/".len()..], request)
            }
            (_, path) => match legacy::call(path) {
                Some((token, call)) => self.respond_legacy(now, token, call, request),
                None => Response::error(404, "Not found."),
            },
        }
    }

    fn respond_platform_api(&mut self, now: Instant, call: &str, request: &Request<'_>) -> Response {
        let method = match call {
            "device/create" | "device/provision/token" | "device/provision/reconfigure" => "POST",
            "devices" | "search/devices" => "GET",
            call if OTHER_PLATFORM_CALLS.iter().any(|other| call.starts_with(other)) => {
                return not_served(call);
            }
            _ => return Response::error(404, "Not found."),
        };
        match call {
            _ if request.method != method => Response::error(405, "Method not allowed."),
            "device/create" => self.create_device(now, request),
            "device/provision/token" => self.provision(now),
            "device/provision/reconfigure" => self.reconfigure(now, request),
            _ => self.list_devices(),
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

    /// Makes a device that has its template from the start, and a token for life.
    fn create_device(&mut self, now: Instant, request: &Request<'_>) -> Response {
        let body: Value = serde_json::from_slice(request.body).unwrap_or_default();
        let template = body.get("templateId").and_then(Value::as_str).unwrap_or_default();
        let name = body.get("name").and_then(Value::as_str);
        let mut directory = self.directory.borrow_mut();
        if directory.template(template).is_none() {
            return Response::error(400, "Template doesn't exist.");
        }
        if name.is_some_and(|name| name.is_empty() || name.chars().count() > DEVICE_NAME_LEN_MAX) {
            let message = format!("Device name must have 1 to {DEVICE_NAME_LEN_MAX} characters.");
            return Response::error(400, &message);
        }
        let token = directory.new_token();
        let id = directory.add_device(now, template, &token);
        if let Some(name) = name {
            directory.set_meta(id, "Device Name", name);
        }
        self.events.push(Event::TokenIssued { device: id });
        let Some(mut described) = directory.device(id).map(|device| self.describe(device)) else {
            return Response::error(500, "The device is gone.");
        };
        described["token"] = token.into();
        Response::json(200, &described)
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
        let devices: Vec<Value> = directory.devices().iter().map(|device| self.describe(device)).collect();
        Response::json(200, &Value::Array(devices))
    }

    fn respond_device_api(&mut self, now: Instant, call: &str, request: &Request<'_>) -> Response {
        let token = request.parameter("token").unwrap_or_default();
        let Some(id) = self.directory.borrow().find(now, token).map(Device::id) else {
            return Response::error(400, INVALID_TOKEN);
        };
        // Templates have no datastreams here, so that a pin is all there is.
        if request.parameter("dataStreamId").is_some() {
            return not_served(&format!("{call}?dataStreamId="));
        }
        match call {
            "isHardwareConnected" => {
                let directory = self.directory.borrow();
                let online =
                    directory.device(id).is_some_and(|device| device.status() == DeviceStatus::Online);
                Response::text(if online { "true" } else { "false" })
            }
            "get" => self.get_pins(id, request),
            "getAll" => self.get_all(id),
            "batch/update" if request.method == "POST" => self.update_from_history(id, request),
            "update" | "batch/update" => self.update(id, request),
            "update/property" => update_property(request),
            "device/meta" => self.get_meta(id, request),
            "device/meta/update" => self.update_meta(id, request),
            "logEvent" => self.log_event(id, request),
            "provision" => self.provision_by_http(now, id, request),
            call if OTHER_DEVICE_CALLS.contains(&call) => not_served(call),
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

    /// `[[time, value], ...]` for one pin, whose value is then the newest.
    fn update_from_history(&mut self, id: DeviceId, request: &Request<'_>) -> Response {
        let Some(pin) = request.parameter("pin").and_then(pin_number) else {
            return Response::error(400, WRONG_PIN);
        };
        let history: Vec<(i64, Value)> = serde_json::from_slice(request.body).unwrap_or_default();
        let Some((_, newest)) = history.into_iter().max_by_key(|(time, _)| *time) else {
            return Response::error(400, "Value doesn't match the Datastream data type.");
        };
        let value = newest.as_str().map_or_else(|| newest.to_string(), str::to_owned);
        self.directory.borrow_mut().write(id, pin, value.as_bytes());
        Response::text("OK")
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

    /// What the platform API says about a device, but for its token.
    fn describe(&self, device: &Device) -> Value {
        let status = match device.status() {
            DeviceStatus::Online => "ONLINE",
            DeviceStatus::Offline | DeviceStatus::NeverSeen => "OFFLINE",
        };
        let time = |at: Option<Instant>| at.map(|at| self.unix_ms(at));
        let info = |key: &[u8]| {
            device.info().find(|(known, _)| *known == key).map(|(_, value)| String::from_utf8_lossy(value))
        };
        json!({
            "id": device.id(),
            "orgId": ORGANIZATION,
            "name": device.name(),
            "status": status,
            "templateId": device.template(),
            "activatedAt": time(device.activated_at()),
            "firstConnectTime": time(device.first_connected_at()),
            "connectTime": time(device.connected_at()),
            "disconnectTime": time(device.disconnected_at()),
            "hardwareInfo": {
                "version": info(b"mcu").or_else(|| info(b"fw")),
                "fwType": info(b"fw-type"),
                "blynkVersion": info(b"blynk").or_else(|| info(b"ver")),
                "boardType": info(b"dev"),
                "build": info(b"build"),
                "templateId": info(b"tmpl"),
            },
            "metaFields": { "Hotspot Name": device.meta("Hotspot Name") },
        })
    }
}

/// What is documented and has nobody who needs it.
fn not_served(call: &str) -> Response {
    Response::error(501, &format!("{call} is not served by this cloud."))
}

/// A widget's property, which no device hears of.
fn update_property(request: &Request<'_>) -> Response {
    let mut properties = request.query.iter().filter(|(key, _)| !["token", "pin"].contains(&key.as_ref()));
    if request.parameter("pin").and_then(pin_number).is_none() {
        return Response::error(400, WRONG_PIN);
    }
    let is_good =
        properties.next().is_some_and(|(key, value)| is_property(key.as_bytes()) && !value.is_empty());
    if is_good { Response::empty() } else { Response::error(400, "Wrong property.") }
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
