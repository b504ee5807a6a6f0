//! Stories about the HTTP API.

use super::*;

/// `boss@example.com:secret` in base64.
const BASIC: &str = "Ym9zc0BleGFtcGxlLmNvbTpzZWNyZXQ=";

impl Net {
    /// One HTTP request; returns the status and the body.
    #[track_caller]
    fn http(&mut self, head: &str, authorization: &str, body: &str) -> (u16, String) {
        let socket = self.connect(80);
        let len = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: blynk.cloud\r\nAuthorization: {authorization}\r\nContent-Length: {len}\r\n\r\n{body}"
        );
        let response = String::from_utf8(self.say(socket, request.as_bytes())).unwrap();
        assert!(!self.client.tcp(socket).may_recv(), "the connection ends");
        self.client.tcp(socket).close();
        self.run(SOON);
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.into())
    }

    fn bearer(&mut self) -> String {
        let (status, body) =
            self.http("POST /oauth2/token?grant_type=client_credentials", &format!("Basic {BASIC}"), "");
        assert_eq!(status, 200);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        format!("Bearer {}", body["access_token"].as_str().unwrap())
    }

    #[track_caller]
    fn check_call(&mut self, call: &str, expected: (u16, &str)) {
        let (status, body) = self.http(&format!("GET /external/api/{call}"), "", "");
        assert_eq!((status, body.as_str()), expected, "{call}");
    }
}

fn error(message: &str) -> String {
    format!(r#"{{"error":{{"message":"{message}"}}}}"#)
}

#[test]
fn the_app_provisions_a_device_over_http() {
    let mut net = Net::new();
    let wrong = net.http("POST /oauth2/token?grant_type=client_credentials", "Basic YTpi", "");
    assert_eq!(wrong, (401, r#"{"error":"invalid_client"}"#.into()));
    let refused = net.http("POST /api/v1/organization/device/provision/token", "Bearer x", "");
    assert_eq!(refused, (401, r#"{"error":"invalid_token"}"#.into()));
    let bearer = net.bearer();
    let (_, body) = net.http("POST /api/v1/organization/device/provision/token", &bearer, "{}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let (token, id) = (body["token"].as_str().unwrap().to_owned(), body["deviceId"].as_u64().unwrap());
    net.check_call(&format!("isHardwareConnected?token={token}"), (200, "false"));
    let socket = net.log_in(&token);
    net.say(socket, &info("40", TEMPLATE));
    net.check_call(&format!("isHardwareConnected?token={token}"), (200, "true"));
    let rename = format!("device/meta/update?token={token}&metaFieldName=Device+Name&value=Kitchen%20lamp");
    net.check_call(&rename, (200, ""));
    let (_, list) = net.http("GET /api/v1/organization/devices", &bearer, "");
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list[0]["name"], &list[0]["status"]), (&"Kitchen lamp".into(), &"ONLINE".into()));
    assert!(!list.to_string().contains(&token), "the list holds no secrets");

    let body = format!(r#"{{"deviceId":{id}}}"#);
    let (_, again) = net.http("POST /api/v1/organization/device/provision/reconfigure", &bearer, &body);
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    let new_token = again["token"].as_str().unwrap().to_owned();
    assert_eq!((&again["deviceId"], &again["deviceIsOffline"]), (&id.into(), &false.into()));
    assert_eq!(net.status(&token), Some(DeviceStatus::Online), "the old one is good for the time being");
    net.log_in(&new_token);
    assert_eq!((net.status(&token), net.status(&new_token)), (None, Some(DeviceStatus::Online)));
}

#[test]
fn the_old_token_can_end_at_once() {
    let mut net = Net::with(Behaviour::DOCUMENTED, OldToken::Invalid);
    let socket = net.device();
    let bearer = net.bearer();
    net.http("POST /api/v1/organization/device/provision/reconfigure", &bearer, r#"{"deviceId":1}"#);
    assert!(!net.is_open(socket));
    assert_eq!(net.status(TOKEN), None);
}

#[test]
fn the_device_api_words_its_errors_as_documented() {
    let mut net = Net::new();
    net.device();
    let call = |name: &str, rest: &str| format!("{name}?token={TOKEN}{rest}");
    let stream = error("Requested dataStream doesn't exist in the product Lamp");
    for (call, expected) in [
        ("isHardwareConnected?token=x".to_owned(), (400, error("Invalid token."))),
        (call("get", "&v5"), (400, stream)),
        (call("get", "&vx"), (400, error("Wrong pin format."))),
        (call("update", "&v5=100"), (200, String::new())),
        (call("get", "&v5"), (200, "100".into())),
        (call("get", "&V5"), (200, "100".into())),
        (call("update", "&pin=V6&value=1&value=2"), (200, String::new())),
        (call("getAll", ""), (200, r#"{"v5":"100","v6":"1 2"}"#.into())),
        (call("update", "&v256=1"), (400, error("Wrong pin format."))),
        (call("logEvent", ""), (400, error("Event code is not provided."))),
        (call("logEvent", "&code=hot&description=41%C2%B0"), (200, String::new())),
        (call("device/meta/update", "&metaFieldName=Shoe&value=1"), (400, error("MetaField doesn't exist"))),
        (call("device/meta/update", "&value=1"), (400, error("Wrong metaField format"))),
        (call("device/meta/update", "&metaFieldName=Location"), (400, error("Wrong value"))),
        (call("nothing", ""), (404, error("Not found."))),
    ] {
        net.check_call(&call, (expected.0, &expected.1));
    }
    let (code, description) = ("hot".into(), "41°".into());
    assert!(net.events.contains(&Event::EventLogged { device: 1, code, description }));
}

#[test]
fn a_write_of_the_app_reaches_the_device_at_once() {
    let mut net = Net::new();
    let socket = net.device();
    net.check_call(&format!("update?token={TOKEN}&v4=77"), (200, ""));
    assert_eq!(net.listen(socket, SOON), hex("14006f00077677003400 3737"));
    net.cloud.service_mut().write(1, 4, b"78");
    assert_eq!(net.listen(socket, SOON), hex("14006f00077677003400 3738"));
}

#[test]
fn http_that_is_none_is_refused() {
    let mut net = Net::new();
    for (request, expected) in [
        ("GET /\r\n\r\n".to_owned(), "HTTP/1.1 400 "),
        ("GET / HTTP/2\r\n\r\n".to_owned(), "HTTP/1.1 505 "),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(), "HTTP/1.1 400 "),
        ("POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n".to_owned(), "HTTP/1.1 413 "),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), "HTTP/1.1 501 "),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(9_000)), "HTTP/1.1 431 "),
        ("PUT / HTTP/1.1\r\n\r\n".to_owned(), "HTTP/1.1 404 "),
    ] {
        let socket = net.connect(80);
        let answer = String::from_utf8(net.say(socket, request.as_bytes())).unwrap();
        assert!(answer.starts_with(expected), "{answer}");
    }
}

#[test]
fn a_client_that_asks_for_it_keeps_its_connection() {
    let mut net = Net::new();
    let socket = net.connect(8080);
    for _ in 0..2 {
        let answer = net.say(socket, b"GET /external/api/get HTTP/1.1\r\nConnection: keep-alive\r\n\r\n");
        assert!(answer.starts_with(b"HTTP/1.1 400 "));
    }
    assert!(net.is_open(socket));
}

#[test]
fn a_client_that_asks_without_a_pause_is_never_turned_away() {
    let mut net = Net::new();
    net.cloud.service().directory().borrow_mut().add_device(net.now, TEMPLATE, TOKEN);
    // Each connection goes on in TIME-WAIT for longer than all of this takes.
    for _ in 0..2 * CONNECTIONS_MAX {
        net.check_call(&format!("isHardwareConnected?token={TOKEN}"), (200, "false"));
    }
}
