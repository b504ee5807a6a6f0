//! Faults and the rest of the admin API.

use libtest_mimic::Failed;

use crate::A_WHILE;
use crate::program::{Cloud, TEMPLATE, TOKEN, ensure, frame, http, login, ping};

pub(crate) fn faults_change_what_a_device_meets() -> Result<(), Failed> {
    let cloud = Cloud::start(&[])?;
    // Silence, which ends, and what was said meanwhile was not heard.
    let mut device = cloud.device(TOKEN)?;
    cloud.fault(r#"{"mute":true}"#)?;
    device.say(&ping(3))?;
    ensure(device.hears_nothing_for(A_WHILE)?, "it is silent")?;
    cloud.fault(r#"{"mute":false}"#)?;
    device.say(&ping(4))?;
    device.expect(&[0, 0, 4, 0, 200])?;
    // Late.
    cloud.fault(r#"{"delay_ms":400}"#)?;
    let asked = std::time::Instant::now();
    device.say(&ping(5))?;
    device.expect(&[0, 0, 5, 0, 200])?;
    ensure(asked.elapsed().as_millis() >= 400, "it is late")?;
    cloud.admin("DELETE /faults", "")?;
    // Frames that no sound server sends.
    cloud.admin("POST /frames", r#"{"send":"id-zero"}"#)?;
    device.expect(&[6, 0, 0, 0, 0])?;
    cloud.admin("POST /frames", r#"{"send":"oversize"}"#)?;
    device.expect(&[20, 0, 1, 0xEA, 0x60])?;
    cloud.admin("POST /frames", r#"{"send":"unknown-command"}"#)?;
    device.expect(&[99, 0, 1, 0, 0])?;
    // Wrong status, no answer, and another host.
    for (fault, answer) in [
        (r#"{"login":9}"#, &[0, 0, 1, 0, 9][..]),
        (r#"{"login":"normal","redirect":"127.0.0.1:8080"}"#, &frame(41, 1, b"127.0.0.1\x008080")),
        (r#"{"redirect":"off"}"#, &[0, 0, 1, 0, 200]),
    ] {
        cloud.fault(fault)?;
        let mut other = cloud.connect()?;
        other.say(&login(TOKEN))?;
        other.expect(answer)?;
    }
    cloud.fault(r#"{"login":"silent"}"#)?;
    let mut other = cloud.connect()?;
    other.say(&login(TOKEN))?;
    ensure(other.hears_nothing_for(A_WHILE)?, "no answer")?;
    // What comes after a login.
    cloud.fault(r#"{"login":"normal","after_login":"drop"}"#)?;
    let mut dropped = cloud.connect()?;
    dropped.say(&login(TOKEN))?;
    dropped.expect(&[0, 0, 1, 0, 200])?;
    dropped.expect_end()?;
    let asked = cloud.fault(r#"{"after_login":"mute"}"#)?;
    ensure(asked["after_login"] == "mute" && asked["login"] == "normal", asked)?;
    let mut muted = cloud.connect()?;
    muted.say(&login(TOKEN))?;
    muted.expect(&[0, 0, 1, 0, 200])?;
    muted.say(&ping(2))?;
    ensure(muted.hears_nothing_for(A_WHILE)?, "it is mute after the login")
}

pub(crate) fn faults_change_pieces_and_order() -> Result<(), Failed> {
    let cloud = Cloud::start(&[])?;
    let mut device = cloud.device(TOKEN)?;
    cloud.fault(r#"{"split":1}"#)?;
    device.say(&[ping(3), ping(4)].concat())?;
    device.expect(&[0, 0, 3, 0, 200, 0, 0, 4, 0, 200])?;
    cloud.fault(r#"{"split":0,"coalesce_ms":300}"#)?;
    device.say(&ping(5))?;
    device.say(&ping(6))?;
    let together = device.hear()?;
    ensure(together == [0, 0, 5, 0, 200, 0, 0, 6, 0, 200], format!("{together:?}"))?;
    cloud.fault(r#"{"coalesce_ms":0,"reorder_ms":300}"#)?;
    device.say(&ping(7))?;
    device.say(&[ping(8), ping(9)].concat())?;
    device.expect(&[0, 0, 9, 0, 200, 0, 0, 8, 0, 200, 0, 0, 7, 0, 200])?;
    cloud.admin("DELETE /faults", "")?;
    device.say(&ping(10))?;
    device.expect(&[0, 0, 10, 0, 200])
}

pub(crate) fn devices_come_and_go() -> Result<(), Failed> {
    let cloud = Cloud::start(&[])?;
    let made = cloud.admin("POST /devices", &format!(r#"{{"template":"{TEMPLATE}"}}"#))?;
    ensure(made["id"] == 2, &made)?;
    let mut device = cloud.device(made["token"].as_str().ok_or("no token")?)?;
    cloud.admin("POST /devices/2/write", r#"{"pin":3,"value":"on"}"#)?;
    device.expect(&frame(20, 111, b"vw\x003\0on"))?;
    let state = cloud.admin("GET /state", "")?;
    ensure(state["connections"] == 1 && state["devices"][1]["status"] == "online", &state)?;
    cloud.admin("DELETE /devices/2", "")?;
    device.expect_end()?;
    let mut device = cloud.device(TOKEN)?;
    cloud.admin("POST /devices/1/revoke", "")?;
    device.expect_end()?;
    let mut again = cloud.connect()?;
    again.say(&login(TOKEN))?;
    again.expect(&[0, 0, 1, 0, 9])?;
    // A deleted device's session can go on, where that is asked for.
    let cloud = Cloud::start(&["--set", "deleted-session=keep"])?;
    let mut device = cloud.device(TOKEN)?;
    cloud.admin("DELETE /devices/1", "")?;
    device.say(&ping(3))?;
    device.expect(&[0, 0, 3, 0, 200])
}

pub(crate) fn connections_can_be_refused_and_closed() -> Result<(), Failed> {
    let cloud = Cloud::start(&[])?;
    let mut device = cloud.device(TOKEN)?;
    cloud.admin("POST /connections/close", "")?;
    device.expect_end()?;
    cloud.fault(r#"{"refuse":true}"#)?;
    cloud.connect()?.expect_end()?;
    cloud.admin("DELETE /faults", "")?;
    cloud.device(TOKEN).map(|_| ())
}

pub(crate) fn the_admin_api_refuses() -> Result<(), Failed> {
    let cloud = Cloud::start(&[])?;
    for (head, body, status, words) in [
        ("GET /nonsense", "", 404, "docs/cloud.md"),
        ("POST /faults", "{\"mut\":true}", 400, "unknown field `mut`"),
        ("POST /faults", "", 400, "EOF"),
        ("POST /faults", r#"{"redirect":"nowhere"}"#, 400, "HOST:PORT"),
        ("POST /devices", r#"{"template":"TMPLnobody"}"#, 400, "no such template"),
        ("POST /devices", r#"{"template":"TMPLtest0001","token":"short"}"#, 400, "32 letters"),
        ("DELETE /devices/x", "", 400, "by its number"),
        ("DELETE /devices/99", "", 404, "no device"),
        ("POST /devices/99/write", r#"{"pin":1,"value":"x"}"#, 404, "no device"),
        ("POST /devices/1/write", r#"{"pin":256,"value":"x"}"#, 400, "256"),
        ("POST /frames", r#"{"send":"flowers"}"#, 400, "unknown variant"),
    ] {
        let (answered, said) = http(cloud.admin, head, "", body)?;
        ensure(answered == status && said.contains(words), format!("{head}: {answered} {said}"))?;
    }
    let taken = format!(r#"{{"template":"{TEMPLATE}","token":"{TOKEN}"}}"#);
    let (status, said) = http(cloud.admin, "POST /devices", "", &taken)?;
    ensure(status == 400 && said.contains("with this token"), said)?;
    let (status, _) = http(cloud.admin, "DELETE /faults", "Origin: http://example.com\r\n", "")?;
    ensure(status == 403, "no web page is served")
}
