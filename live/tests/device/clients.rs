//! Well-behaved programs.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::thread;

use libtest_mimic::Failed;

use super::bench::{Bench, DEVICE};
use super::browser::Browser;

/// Prints what the server promised, and sets nothing.
const LEASE_SCRIPT: &str = "#!/bin/sh\nenv | grep -E '^(reason|new_)'\nexit 0\n";
/// Asks for the address of a captive portal (RFC 8910) beside what it needs.
const PORTAL_ASKED: &str = "option portal code 114 = text;\nrequest subnet-mask, routers, portal;\n";
/// A home whose device opens a captive portal.
const CAPTIVE: &str = "\
format: 1
title: A captive portal
product: { captive_portal: true }
world:
  routers:
    - { name: home, ssid: HomeNet, password: correct horse }
steps:
  - power: on
";
/// What phones and laptops ask to see whether there is a captive portal, and what they want to be answered when there
/// is none (failure catalogue, section 5).
const PROBES: [(&str, &str); 4] = [
    ("connectivitycheck.gstatic.com", "/generate_204"),
    ("clients3.google.com", "/generate_204"),
    ("captive.apple.com", "/hotspot-detect.html"),
    ("www.msftconnecttest.com", "/connecttest.txt"),
];

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what().into()) }
}

pub(crate) fn dhclient_gets_a_lease() -> Result<(), Failed> {
    let bench = Bench::start(None)?;
    let lease = lease(&bench, "")?;
    let expected = [
        ("new_ip_address", "192.168.4.2"),
        ("new_subnet_mask", "255.255.255.0"),
        ("new_routers", DEVICE),
        ("new_domain_name_servers", DEVICE),
        ("new_dhcp_server_identifier", DEVICE),
        ("new_broadcast_address", "192.168.4.255"),
        ("new_dhcp_lease_time", "7200"),
    ];
    for (name, value) in expected {
        let got = lease.get(name).map(String::as_str);
        ensure(got == Some(value), || format!("{name} is {got:?} and not {value}"))?;
    }
    Ok(())
}

pub(crate) fn dig_is_answered() -> Result<(), Failed> {
    let bench = Bench::with_addresses(None)?;
    let dig = |arguments: &[&str]| {
        bench.run("dig", &[&["+tries=3", "+time=3", "@192.168.4.1"][..], arguments].concat())
    };
    // Name, record, with EDNS or without, status, address.
    let questions = [
        ("blynk.setup", "A", "NOERROR", Some("192.168.4.1")),
        ("www.blynk.setup", "A", "NOERROR", Some("192.168.4.1")),
        ("BLYNK.setup", "A", "NOERROR", Some("192.168.4.1")),
        ("blynk.setup", "AAAA", "NOERROR", None),
        ("blynk.setup", "TYPE65", "NOERROR", None),
        ("example.com", "A", "SERVFAIL", None),
    ];
    for (name, record, status, address) in questions {
        for edns in ["+edns=0", "+noedns"] {
            let said = dig(&[edns, name, record])?.out;
            let what = || format!("{name} {record} {edns}: {said}");
            ensure(said.contains(&format!("status: {status}")), what)?;
            ensure(said.contains("OPT PSEUDOSECTION") == (edns == "+edns=0"), what)?;
            ensure(!said.contains("WARNING") && !said.contains("malformed"), what)?;
            let answers: Vec<&str> =
                said.lines().filter(|line| !line.starts_with(';') && line.contains("\tIN\t")).collect();
            match address {
                Some(address) => {
                    let is_right = answers.len() == 1 && answers[0].ends_with(&format!("\tIN\tA\t{address}"));
                    ensure(is_right, || format!("{name} {record} {edns} is answered with {answers:?}"))?;
                }
                None => ensure(answers.is_empty(), || format!("{name} {record} {edns}: {answers:?}"))?,
            }
        }
    }
    // No resolver needs a longer answer than a datagram holds.
    ensure(!dig(&["+tcp", "+tries=1", "blynk.setup", "A"])?.ok, || {
        "there is a name server over TCP".to_owned()
    })
}

/// The app's three calls, as the seed document has them.
pub(crate) fn curl_sets_it_up() -> Result<(), Failed> {
    let bench = Bench::with_addresses(None)?;
    let token = bench.token()?;
    // Two at once, as an impatient person's browser does.
    let [first, second] = thread::scope(|scope| {
        [(); 2]
            .map(|()| scope.spawn(|| bench.ask_device("/board_info.json")))
            .map(|asked| asked.join().unwrap_or_else(|_| Err("it panicked".into())))
    });
    let (board, second) = (first?, second?);
    ensure(board == second, || format!("two clients are told {board} and {second}"))?;
    ensure(board["tmpl_id"] == "TMPL4thermo1" && board["last_error"] == 0, || board.to_string())?;
    let networks = bench.ask_device("/wifi_scan.json")?;
    let names: Vec<_> = networks.as_array().into_iter().flatten().map(|found| &found["ssid"]).collect();
    ensure(names == ["HomeNet", "Neighbours"], || networks.to_string())?;
    let answer = bench.curl(&[
        "-G",
        "--data-urlencode",
        "ssid=HomeNet",
        "--data-urlencode",
        "pass=correct horse",
        "--data-urlencode",
        &format!("blynk={token}"),
        &format!("http://{DEVICE}/config"),
    ])?;
    ensure(answer == r#"{"status":"ok","msg":"Trying to connect..."}"#, || answer)?;
    bench.wait_online(&token)?;
    // It is a station now: its own access point has gone.
    bench.wait_for("its access point gone", || {
        Ok(!bench.run("curl", &["-s", "-m", "1", &format!("http://{DEVICE}/board_info.json")])?.ok)
    })?;
    // What the app writes arrives: the product tells back the highest temperature that it takes.
    let api = "http://blynk.cloud/external/api";
    bench.ask_cloud(&[&format!("{api}/update?token={token}&v0=99")])?;
    bench.wait_for("the product's answer", || {
        Ok(bench.ask_cloud(&[&format!("{api}/get?token={token}&v0")])? == "30.0")
    })
}

pub(crate) fn a_wrong_password_is_told() -> Result<(), Failed> {
    let bench = Bench::with_addresses(None)?;
    let token = bench.token()?;
    let configure = |password: &str| {
        bench.curl(&[
            "-G",
            "--data-urlencode",
            "ssid=HomeNet",
            "--data-urlencode",
            &format!("pass={password}"),
            "-d",
            &format!("blynk={token}"),
            &format!("http://{DEVICE}/config"),
        ])
    };
    configure("wrong horse")?;
    bench.wait_for("what was wrong", || {
        let said = bench.run("curl", &["-s", "-m", "2", &format!("http://{DEVICE}/board_info.json")])?;
        Ok(said.ok && said.out.contains("\"last_error\":722"))
    })?;
    configure("correct horse")?;
    bench.wait_online(&token)
}

/// What `dhclient` is promised in a world; `configuration` says what it asks for.
fn lease(bench: &Bench, configuration: &str) -> Result<BTreeMap<String, String>, Failed> {
    let script = bench.script("lease", LEASE_SCRIPT)?;
    let asked = bench.script("dhclient.conf", configuration)?;
    let files = [bench.folder.path().join("leases"), bench.folder.path().join("pid")];
    let [script, asked, leases, pid] =
        [&script, &asked, &files[0], &files[1]].map(|path| path.display().to_string());
    // It goes on in the background once it has a lease, and is ended below.
    let said =
        bench.run("dhclient", &["-1", "-cf", &asked, "-sf", &script, "-lf", &leases, "-pf", &pid, &bench.ap]);
    let ended = std::fs::read_to_string(&pid).unwrap_or_default();
    if !ended.trim().is_empty() {
        Command::new("kill").arg(ended.trim()).stderr(Stdio::null()).status()?;
    }
    let said = said?;
    let lines = said.out.lines().filter_map(|line| line.split_once('='));
    let lease: BTreeMap<_, _> = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let is_bound = lease.get("reason").is_some_and(|reason| reason == "BOUND");
    ensure(is_bound, || format!("{} {}", said.out, said.err))?;
    Ok(lease)
}

pub(crate) fn dhclient_hears_of_the_portal() -> Result<(), Failed> {
    let bench = Bench::start(Some(CAPTIVE))?;
    let told = lease(&bench, PORTAL_ASKED)?.remove("new_portal");
    ensure(told.as_deref() == Some("http://192.168.4.1/"), || format!("the portal is said to be {told:?}"))?;
    let bench = Bench::start(None)?;
    let told = lease(&bench, PORTAL_ASKED)?.remove("new_portal");
    ensure(told.is_none(), || format!("there is no portal, and it is said to be {told:?}"))
}

pub(crate) fn a_captive_portal_answers() -> Result<(), Failed> {
    let bench = Bench::with_addresses(Some(CAPTIVE))?;
    for (host, path) in PROBES {
        let found = bench.run("dig", &["+short", "+tries=3", "@192.168.4.1", host, "A"])?;
        ensure(found.out.trim() == DEVICE, || format!("{host} is {} {}", found.out, found.err))?;
        // Windows throws a whole lookup away when an answer has a record that was not asked for.
        let other = bench.run("dig", &["+tries=3", "@192.168.4.1", host, "AAAA"])?.out;
        let is_empty = other.contains("status: NOERROR") && other.contains("ANSWER: 0");
        ensure(is_empty, || format!("{host} AAAA: {other}"))?;
        for version in ["--http1.0", "--http1.1"] {
            let url = format!("http://{host}{path}");
            let resolve = format!("{host}:80:{DEVICE}");
            let head = bench.curl(&[version, "--resolve", &resolve, "-o", "/dev/null", "-D", "-", &url])?;
            let head = head.to_ascii_lowercase();
            let leads_home = head.contains(" 302 ") && head.contains("location: http://");
            ensure(leads_home, || format!("{url} {version} is answered with {head}"))?;
            let to = ["--resolve", &resolve, "--resolve", "blynk.setup:80:192.168.4.1"];
            let page = bench.curl(&[&to[..], &["-L", version, &url]].concat())?;
            ensure(page.contains("<form"), || format!("{url} leads to {page}"))?;
        }
    }
    // Whoever asks over TLS must learn at once that nobody is there.
    let said = bench.run("curl", &["-sk", "-m", "5", "-w", "%{exitcode}", &format!("https://{DEVICE}/")])?;
    ensure(said.out.trim() == "7", || format!("port 443: {} {}", said.out, said.err))
}

pub(crate) fn no_portal_unless_wanted() -> Result<(), Failed> {
    let bench = Bench::with_addresses(None)?;
    for (host, path) in PROBES {
        let found = bench.run("dig", &["+tries=3", "@192.168.4.1", host, "A"])?;
        ensure(found.out.contains("status: SERVFAIL"), || format!("{host}: {}", found.out))?;
        let url = format!("http://{DEVICE}{path}");
        let status = bench.curl(&["-o", "/dev/null", "-w", "%{http_code}", &url])?;
        ensure(status == "404", || format!("{url} is answered with {status}"))?;
    }
    Ok(())
}

pub(crate) fn it_leaves_nothing_behind() -> Result<(), Failed> {
    let bench = Bench::with_addresses(None)?;
    let (ap, lan) = (bench.ap.clone(), bench.lan.clone());
    bench.end()?;
    let left = String::from_utf8(Command::new("ip").args(["-o", "link"]).output()?.stdout)?;
    ensure(!left.contains(&ap) && !left.contains(&lan), || left)
}

pub(crate) fn a_taken_name_is_told() -> Result<(), Failed> {
    let bench = Bench::start(None)?;
    let namespace = bench.command("true").get_args().nth(2).map(|name| name.to_string_lossy().into_owned());
    let namespace = namespace.ok_or("no namespace")?;
    let second = Command::new(env!("CARGO_BIN_EXE_hil-live"))
        .args(["serve", "--no-open", "--port", "0", "--netns", &namespace])
        .output()?;
    let said = String::from_utf8(second.stderr)?;
    let is_told = said.contains("File exists") && said.contains(&format!("netns delete {namespace}"));
    ensure(second.status.code() == Some(3) && is_told, || format!("{}: {said}", second.status))?;
    // The first goes on, where it was.
    ensure(bench.run("true", &[])?.ok, || "the first has lost its namespace".to_owned())
}

/// Somebody opens the device's page, takes a network from its list, types and clicks.
pub(crate) fn a_browser_sets_it_up() -> Result<(), Failed> {
    let bench = Bench::with_addresses(None)?;
    let token = bench.token()?;
    let mut browser = Browser::start(&bench)?;
    browser.open(&format!("http://{DEVICE}/"))?;
    let home = "document.querySelector('#list [data-n=HomeNet]')";
    browser.wait_for(&bench, &format!("{home} !== null"))?;
    let title = browser.evaluate("document.querySelector('#who').textContent")?;
    ensure(title.as_str().is_some_and(|title| title.starts_with("Thermostat")), || title.to_string())?;
    browser.click(home)?;
    browser.wait_for(&bench, "document.activeElement.id === 'pass'")?;
    browser.type_text("correct horse")?;
    browser.click("document.querySelector('#blynk')")?;
    browser.type_text(&token)?;
    browser.click("document.querySelector('#go')")?;
    browser.wait_for(&bench, "!document.querySelector('#note').hidden && !document.querySelector('#note').textContent.startsWith('Sending')")?;
    let note = browser.evaluate("document.querySelector('#note').textContent")?;
    ensure(note.as_str().is_some_and(|note| note.starts_with("The device tries to connect")), || {
        note.to_string()
    })?;
    bench.wait_online(&token)
}

/// What Chromium itself asks first to see whether somebody stands in its way leads it to the device's page.
pub(crate) fn a_browser_meets_the_portal() -> Result<(), Failed> {
    let bench = Bench::with_addresses(Some(CAPTIVE))?;
    let mut browser = Browser::start(&bench)?;
    for (host, path) in PROBES {
        // The namespace has no resolver of its own: the address stands for the name, as the device's name server has it.
        browser.open(&format!("http://{DEVICE}{path}"))?;
        browser.wait_for(
            &bench,
            "document.querySelector('#f') !== null && document.readyState === 'complete'",
        )?;
        let at = browser.evaluate("location.pathname")?;
        ensure(at == "/", || format!("{host}{path} leads to {at}"))?;
    }
    Ok(())
}

/// Whoever may not make interfaces is told what is missing and how to get it, and gets the panel without.
pub(crate) fn a_missing_right_is_told() -> Result<(), Failed> {
    let without_rights = |arguments: &[&str]| {
        Command::new("setpriv")
            .arg("--bounding-set=-net_admin,-sys_admin")
            .arg(env!("CARGO_BIN_EXE_hil-live"))
            .args(["serve", "--no-open", "--port", "0"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
    };
    for arguments in [&["--tap", "hilright"][..], &["--netns", "hilright"]] {
        let output = without_rights(arguments)?;
        let said = String::from_utf8(output.stderr)?;
        let is_told =
            said.contains("CAP_NET_ADMIN") && said.contains("sudo setcap") && said.contains("--no-tap");
        ensure(output.status.code() == Some(3) && is_told, || format!("{arguments:?}: {said}"))?;
    }
    Ok(())
}
