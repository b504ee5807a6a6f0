//! The database file.

use std::fs;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::program::{Cloud, PASSWORD, TEMPLATE, TOKEN, command, ensure, failed, frame, http, ping};

pub(crate) fn what_was_answered_survives_a_kill() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("cloud.sqlite");
    let database = ["--database", file.to_str().ok_or("no path")?];
    let mut cloud = Cloud::start(&database)?;
    let bearer = cloud.bearer()?;
    let call = "POST /api/v1/organization/device/provision/token";
    let provision = |cloud: &Cloud| -> Result<(String, u64), Failed> {
        let (status, answer) = http(cloud.plain, call, &bearer, "{}")?;
        ensure(status == 200, &answer)?;
        let answer: Value = serde_json::from_str(&answer)?;
        let token = answer["token"].as_str().ok_or("no token")?.to_owned();
        Ok((token, answer["deviceId"].as_u64().ok_or("no id")?))
    };
    let (token, id) = provision(&cloud)?;
    let mut device = cloud.device(&token)?;
    device.say(&frame(20, 3, b"vw\x005\x00from the device"))?;
    device.say(&frame(64, 4, b"sys_ota\0OTA started"))?;
    device.expect(&[0, 0, 4, 0, 200])?;
    device.say(&frame(17, 5, b"meta\0set\0Hotspot Name\0Blynk Lamp-1234"))?;
    device.expect(&[0, 0, 5, 0, 200])?;
    let (status, _) = cloud.get(&format!("/external/api/update?token={token}&v1=a&v2=b"))?;
    ensure(status == 200, status)?;
    let (gone, gone_id) = provision(&cloud)?;
    cloud.admin(&format!("DELETE /devices/{gone_id}"), "")?;
    // Each answer is followed by a kill at once.
    let (unused, _) = provision(&cloud)?;
    cloud.kill()?;

    let mut cloud = Cloud::start(&database)?;
    let all = r#"{"v1":"a","v2":"b","v5":"from the device"}"#.to_owned();
    ensure(cloud.get(&format!("/external/api/getAll?token={token}"))? == (200, all), "the values are there")?;
    ensure(cloud.get(&format!("/external/api/getAll?token={gone}"))?.0 == 400, "what was deleted is gone")?;
    let meta = format!("/external/api/device/meta?token={token}&metaFieldName=Hotspot+Name");
    ensure(cloud.get(&meta)?.1.contains("Blynk Lamp-1234"), "the metadata are there")?;
    let state = cloud.admin("GET /state", "")?;
    let known = &state["devices"][1];
    ensure(known["id"] == id && known["template"] == TEMPLATE && known["status"] == "offline", known)?;
    ensure(known["events"][0][0] == "sys_ota" && known["events"][0][1] == "OTA started", known)?;
    // The access token, the provision token and the number of the one that is gone are remembered.
    let (_, next_id) = provision(&cloud)?;
    ensure(next_id == 5, next_id)?;
    cloud.device(&unused)?.say(&ping(3))?;
    cloud.device(TOKEN)?;
    cloud.kill()?;

    // Without a password in the environment the one in the file is good.
    let mut without = command(&database);
    without.env_remove("HIL_CLOUD_PASSWORD");
    let cloud = Cloud::run(without)?;
    ensure(cloud.welcome.contains("the password that was given"), &cloud.welcome)?;
    cloud.bearer()?;
    let (code, said) = failed(&["--port", "0", "--tls-port", "0", database[0], database[1]])?;
    ensure(code == Some(3) && said.contains("cannot be used"), said)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&file)?.permissions().mode();
        ensure(mode & 0o077 == 0, format!("{mode:o}: others can read it"))?;
    }
    Ok(())
}

pub(crate) fn a_foreign_file_is_not_touched() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("notes.txt");
    fs::write(&file, "notes of somebody else, which are no database at all\n".repeat(40))?;
    let before = fs::read(&file)?;
    let path = file.to_str().ok_or("no path")?;
    let (code, said) = failed(&["--port", "0", "--tls-port", "0", "--database", path])?;
    ensure(code == Some(3) && said.contains("notes.txt cannot be used"), &said)?;
    ensure(!said.contains(PASSWORD) && fs::read(&file)? == before, said)
}
