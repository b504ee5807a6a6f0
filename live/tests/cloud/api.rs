//! The HTTP API over a real socket.

use libtest_mimic::Failed;
use serde_json::Value;

use crate::program::{Cloud, TEMPLATE, TOKEN, ensure, frame, http};

const ORGANIZATION: &str = "/api/v1/organization";

/// A call of the platform API.
fn platform(cloud: &Cloud, bearer: &str, head: &str, body: &str) -> Result<(u16, Value), Failed> {
    let (status, answer) = http(cloud.plain, head, bearer, body)?;
    Ok((status, serde_json::from_str(&answer)?))
}

pub(crate) fn from_an_account_to_an_online_device() -> Result<(), Failed> {
    let cloud = Cloud::start(&[])?;
    let call = format!("POST {ORGANIZATION}/device/provision/token");
    let (status, answer) = platform(&cloud, "Authorization: Bearer x\r\n", &call, "{}")?;
    ensure(status == 401 && answer["error"] == "invalid_token", answer)?;
    let bearer = cloud.bearer()?;
    let (status, answer) = platform(&cloud, &bearer, &call, r#"{"orgId":1,"ownerId":1}"#)?;
    ensure(status == 200 && answer["deviceId"] == 2, &answer)?;
    let token = answer["token"].as_str().ok_or("no token")?.to_owned();
    let connected = format!("/external/api/isHardwareConnected?token={token}");
    ensure(cloud.get(&connected)? == (200, "false".to_owned()), "it is not there yet")?;
    let _device = cloud.device(&token)?;
    ensure(cloud.get(&connected)? == (200, "true".to_owned()), "it is there")?;
    let (_, list) = platform(&cloud, &bearer, &format!("GET {ORGANIZATION}/search/devices"), "")?;
    let device = &list[1];
    ensure(device["status"] == "ONLINE" && device["templateId"] == TEMPLATE, device)?;
    ensure(device["hardwareInfo"]["templateId"] == TEMPLATE, device)?;
    // 2026 and later, in milliseconds.
    let is_recent = |key: &str| device[key].as_i64().is_some_and(|at| at > 1_767_000_000_000);
    ensure(is_recent("activatedAt") && is_recent("connectTime") && is_recent("firstConnectTime"), device)?;
    ensure(device["disconnectTime"].is_null() && !list.to_string().contains(&token), device)?;
    // A new token takes over when it is used.
    let call = format!("POST {ORGANIZATION}/device/provision/reconfigure");
    let (status, answer) = platform(&cloud, &bearer, &call, r#"{"deviceId":2}"#)?;
    ensure(status == 200 && answer["deviceIsOffline"] == false, &answer)?;
    let _again = cloud.device(answer["token"].as_str().ok_or("no token")?)?;
    let refused = (400, r#"{"error":{"message":"Invalid token."}}"#.to_owned());
    ensure(cloud.get(&connected)? == refused, "the old token is void")?;
    let created = format!(r#"{{"templateId":"{TEMPLATE}","name":"Kitchen"}}"#);
    let (status, answer) =
        platform(&cloud, &bearer, &format!("POST {ORGANIZATION}/device/create"), &created)?;
    ensure(status == 200 && answer["name"] == "Kitchen" && answer["id"] == 3, &answer)?;
    cloud.device(answer["token"].as_str().ok_or("no token")?)?;
    let wrong = r#"{"templateId":"TMPLnobody"}"#;
    let (status, answer) = platform(&cloud, &bearer, &format!("POST {ORGANIZATION}/device/create"), wrong)?;
    ensure(status == 400 && answer["error"]["message"] == "Template doesn't exist.", answer)
}

pub(crate) fn http_writes_reach_the_device() -> Result<(), Failed> {
    let cloud = Cloud::start(&[])?;
    let mut device = cloud.device(TOKEN)?;
    let (status, _) = cloud.get(&format!("/external/api/update?token={TOKEN}&v4=77"))?;
    ensure(status == 200, status)?;
    device.expect(&frame(20, 111, b"vw\x004\x0077"))?;
    let (status, _) = cloud.get(&format!("/{TOKEN}/update/V4?value=78"))?;
    ensure(status == 200, status)?;
    device.expect(&frame(20, 111, b"vw\x004\x0078"))?;
    let (status, _) = http(cloud.plain, &format!("PUT /{TOKEN}/update/V4"), "", r#"["7","9"]"#)?;
    ensure(status == 200, status)?;
    device.expect(&frame(20, 111, b"vw\x004\x007\x009"))?;
    let history = format!("POST /external/api/batch/update?token={TOKEN}&pin=v4");
    let (status, said) = http(cloud.plain, &history, "", "[[2,80],[3,81],[1,79]]")?;
    ensure((status, said.as_str()) == (200, "OK"), said)?;
    device.expect(&frame(20, 111, b"vw\x004\x0081"))?;
    for (path, wanted) in [
        (format!("/external/api/get?token={TOKEN}&v4"), "81"),
        (format!("/external/api/getAll?token={TOKEN}"), r#"{"v4":"81"}"#),
        (format!("/{TOKEN}/get/V4"), r#"["81"]"#),
        (format!("/{TOKEN}/isHardwareConnected"), "true"),
    ] {
        ensure(cloud.get(&path)? == (200, wanted.to_owned()), path)?;
    }
    Ok(())
}

pub(crate) fn what_is_not_served_says_so() -> Result<(), Failed> {
    let cloud = Cloud::start(&[])?;
    let error = |message: &str| format!(r#"{{"error":{{"message":"{message}"}}}}"#);
    for (path, status, wanted) in [
        (
            format!("/external/api/data/get?token={TOKEN}"),
            501,
            error("data/get is not served by this cloud."),
        ),
        (format!("/external/api/upload?token={TOKEN}"), 501, error("upload is not served by this cloud.")),
        (
            format!("/external/api/get?token={TOKEN}&dataStreamId=1"),
            501,
            error("get?dataStreamId= is not served by this cloud."),
        ),
        (format!("/{TOKEN}/project"), 501, error("/<token>/project is not served by this cloud.")),
        (format!("/external/api/nonsense?token={TOKEN}"), 404, error("Not found.")),
        (format!("/external/api/get?token={TOKEN}&x4"), 400, error("Wrong pin format.")),
        (
            format!("/external/api/get?token={TOKEN}&v4"),
            400,
            error("Requested dataStream doesn't exist in the product Lamp"),
        ),
        (format!("/external/api/update/property?token={TOKEN}&pin=v1&label=Hi"), 200, String::new()),
        (
            format!("/external/api/update/property?token={TOKEN}&pin=v1&colour=Hi"),
            400,
            error("Wrong property."),
        ),
        (format!("/{TOKEN}/get/X4"), 400, "Wrong pin format.".to_owned()),
        ("/nobody/get/V4".to_owned(), 400, "Invalid token.".to_owned()),
    ] {
        let answer = cloud.get(&path)?;
        ensure(answer == (status, wanted.clone()), format!("{path}: {answer:?}"))?;
    }
    let call = format!("GET {ORGANIZATION}/static-tokens");
    let (status, answer) = platform(&cloud, &cloud.bearer()?, &call, "")?;
    ensure(
        status == 501 && answer["error"]["message"] == "static-tokens is not served by this cloud.",
        answer,
    )
}
