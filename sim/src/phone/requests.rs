//! What the app asks: paths, queries and headers of its requests.

use firmware_core::config::{DEFAULT_PORT, StaticIp};
use smoltcp::wire::Ipv4Address;

use super::command::{Configuration, Secret};
use super::handset::Handset;
use super::http::Request;
use crate::text::{base64, percent_encode};

/// Bytes of a usual path and query of `/config`, so that the text need not grow.
const CONFIG_PATH_LEN_USUAL: usize = 256;

/// Path and query of `/config`: what the classic and the newer Edgent read, in the app's order.
pub(super) fn config_path(configuration: &Configuration, token: &Secret, cloud: &str) -> String {
    let mut path = String::with_capacity(CONFIG_PATH_LEN_USUAL);
    path.push_str("/config?if=wifi");
    let mut add = |name: &str, value: &[u8]| {
        path.push('&');
        percent_encode(name.as_bytes(), &mut path);
        path.push('=');
        percent_encode(value, &mut path);
    };
    add("ssid", &configuration.ssid);
    add("pass", configuration.passphrase.expose());
    add("blynk", token.expose());
    add("host", configuration.host.as_deref().unwrap_or(cloud).as_bytes());
    add("port_ssl", configuration.port.unwrap_or(DEFAULT_PORT).to_string().as_bytes());
    if let Some(StaticIp { ip, mask, gateway, dns, dns2 }) = configuration.static_ip {
        for (name, address) in [("ip", ip), ("mask", mask), ("gw", gateway), ("dns", dns), ("dns2", dns2)] {
            if address != Ipv4Address::UNSPECIFIED {
                add(name, address.to_string().as_bytes());
            }
        }
    }
    if configuration.save {
        add("save", b"1");
    }
    for (name, value) in &configuration.extra {
        add(name, value.as_bytes());
    }
    path
}

pub(super) fn login_request(handset: &Handset) -> Request {
    let account = &handset.config.account;
    let credentials = [account.email.as_bytes(), b":", account.password.expose()].concat();
    let mut authorization = String::from("Basic ");
    base64(&credentials, &mut authorization);
    Request {
        method: "POST".into(),
        headers: vec![("Authorization".into(), authorization)],
        ..Request::get("/oauth2/token?grant_type=client_credentials")
    }
}

/// Asks for a token of a new device, or for a new token of the last one if there is one.
pub(super) fn token_request(handset: &Handset, reconfigure: bool) -> Option<Request> {
    let (path, body) = if reconfigure {
        let id = handset.observations.device_id?;
        ("/api/v1/organization/device/provision/reconfigure", format!("{{\"deviceId\":{id}}}"))
    } else {
        ("/api/v1/organization/device/provision/token", "{}".to_owned())
    };
    let access = String::from_utf8_lossy(handset.access.expose());
    Some(Request {
        method: "POST".into(),
        headers: vec![
            ("Authorization".into(), format!("Bearer {access}")),
            ("Content-Type".into(), "application/json".into()),
        ],
        body: body.into_bytes(),
        ..Request::get(path)
    })
}

/// The token that the cloud is asked about, encoded for a query: what the device was sent, else what the
/// cloud issued.
fn device_token(handset: &Handset) -> String {
    let mut text = String::new();
    match (&handset.observations.token, handset.sent_token.expose()) {
        (Some(token), []) => percent_encode(token.expose(), &mut text),
        (_, sent) => percent_encode(sent, &mut text),
    }
    text
}

/// Names the device in the cloud.
pub(super) fn rename_request(handset: &Handset, name: &str) -> Request {
    let mut path = format!("/external/api/device/meta/update?token={}", device_token(handset));
    path.push_str("&metaFieldName=Device%20Name&value=");
    percent_encode(name.as_bytes(), &mut path);
    Request::get(path)
}

/// Asks the cloud whether the device is online.
pub(super) fn online_request(handset: &Handset) -> Request {
    Request::get(format!("/external/api/isHardwareConnected?token={}", device_token(handset)))
}
