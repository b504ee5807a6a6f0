//! What a run leaves behind for other programs: of each scenario the files hold no secret, recording changes nothing of
//! the run, and the trace file tells what the snapshots tell. Wireshark's `tshark` reads in a capture what the trace
//! says, PulseView's `sigrok-cli` and `jq` see each state when the trace says it, `xmllint` takes the results, and
//! Chromium shows the page.
//!
//! These programs are optional. Without them those tests are ignored and say so; with `HIL_REQUIRE_ALL` set, as in CI,
//! they fail instead.

mod browser;
mod results;

use std::path::Path;
use std::process::{Command, ExitCode};

use firmware_core::trace::Event;
use hil_sim::diff::{self, Told};
use hil_sim::golden;
use hil_sim::page;
use hil_sim::phone;
use hil_sim::runner::{DEFAULT_SEED, Harness, Outcome, record_on, run};
use hil_sim::scenario::{PhoneAction, Scenario, Secret, Verb};
use hil_sim::target::Sim;
use hil_sim::timeline::Palette;
use hil_sim::trace::{Trace, What};
use hil_sim::trace_file::{self, Fault, Run, TraceFile};
use hil_sim::waveform;
use libtest_mimic::{Arguments, Failed, Trial};

/// Set where everything optional must be there.
const REQUIRE_ALL: &str = "HIL_REQUIRE_ALL";
/// Cases whose captures are read: a setup, one with many requests, one with two devices, one with a noisy line.
const READ: [&str; 5] = [
    "setup/first-setup",
    "portal/name-server-answers",
    "portal/pipelined-requests",
    "setup/two-devices",
    "portal/uneven-air",
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let files = scenarios::files().expect("the folder of scenarios can be read");
    let mut trials = Vec::new();
    for file in files {
        let name = scenarios::name(&file);
        if READ.contains(&name.as_str()) {
            let [first, second, third, fourth] = [(); 4].map(|()| file.clone());
            trials.push(with(&["tshark"], &name, move || check_in_tshark(&first)));
            trials.push(with(&["sigrok-cli"], &name, move || check_in_sigrok(&second)));
            trials.push(with(&["jq"], &name, move || check_in_jq(&third)));
            if is_one_each(&fourth) {
                let program = browser::chromium().unwrap_or("chromium");
                trials.push(with(&["tshark", program], &name, move || check_decoded(&fourth)));
            }
        }
        trials.push(Trial::test(format!("{name} tells what the snapshots tell and no secret"), move || {
            check_secrets(&file)
        }));
    }
    let program = browser::chromium().unwrap_or("chromium");
    for (size, width, height) in [("a wide window", 1_280, 800), ("a phone's window", 500, 900)] {
        trials.push(with(&[program], &format!("a failed run in {size}"), move || {
            browser::check_failed_run(width, height)
        }));
    }
    trials.push(with(&["xmllint"], "results of every kind", results::check_in_xmllint));
    trials.push(with(&[program], "a long run", browser::check_long_run));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn record(file: &Path) -> Result<(Scenario, Outcome, Vec<u8>), Failed> {
    let scenario = Scenario::load(file).map_err(|error| Failed::from(error.to_string()))?;
    let outcome = record_on(&Sim, &scenario, &Harness::EXAMPLE, DEFAULT_SEED, &mut |_| true);
    let recording = outcome.recording.as_ref().ok_or("the run was not recorded")?;
    let capture = recording.to_pcapng(&scenario, DEFAULT_SEED, &outcome.trace);
    Ok((scenario, outcome, capture))
}

/// The command with which a device logs in, its id, and the length of a token, as they stand before the token.
const LOGIN: [u8; 5] = [29, 0, 1, 0, 32];

fn check_secrets(file: &Path) -> Result<(), Failed> {
    let (scenario, outcome, capture) = record(file)?;
    let unrecorded = run(&scenario, &Harness::EXAMPLE, DEFAULT_SEED);
    if unrecorded.trace.hash() != outcome.trace.hash() {
        return Err("a run that is recorded is another run".into());
    }
    if record(file)?.2 != capture {
        return Err("the same run leaves another capture".into());
    }
    let trace_file = trace_file_of(&scenario, &outcome, None);
    let page = page::write(&scenario, &outcome.trace, &trace_file, outcome.recording.as_ref());
    let waveform = waveform::write(&scenario, DEFAULT_SEED, &outcome.trace);
    for secret in secrets(&scenario) {
        for (name, file) in [
            ("capture", capture.as_slice()),
            ("trace file", trace_file.as_bytes()),
            ("page", page.as_bytes()),
            ("waveform", waveform.as_slice()),
        ] {
            if file.windows(secret.len()).any(|bytes| bytes == secret) {
                return Err(format!("a password stands in the {name}").into());
            }
        }
    }
    check_against_snapshots(file, &trace_file)?;
    let logins = capture.windows(LOGIN.len() + 32).filter_map(|bytes| bytes.strip_prefix(&LOGIN));
    match logins.into_iter().find(|token| token.iter().any(|byte| *byte != b'*')) {
        Some(_) => Err("a token stands in the capture".into()),
        None => Ok(()),
    }
}

/// The trace of a run as a file.
pub(crate) fn trace_file_of(scenario: &Scenario, outcome: &Outcome, fault: Option<&Fault>) -> String {
    trace_file::write(&Run {
        scenario,
        seed: DEFAULT_SEED,
        target: "sim",
        replay: "hil run story.yaml --seed 1",
        trace: &outcome.trace,
        elapsed: outcome.elapsed,
        fault,
    })
}

/// A trace file must tell what both snapshots beside the scenario tell.
fn check_against_snapshots(file: &Path, trace_file: &str) -> Result<(), Failed> {
    let trace = Told::Trace(TraceFile::parse("trace.jsonl".as_ref(), trace_file)?);
    for snapshot in [golden::story_path(file), golden::exact_path(file)] {
        let (told, expected) = Told::alike(&trace, &Told::load(&snapshot)?)?;
        if let Some(at) = diff::parting(&told, &expected) {
            let lines = diff::lines(&told, &expected, at, Palette::Plain).join("\n");
            return Err(format!("A is the trace file, B {}:\n{lines}", snapshot.display()).into());
        }
    }
    Ok(())
}

/// The passwords that a scenario names, as they are and as a query holds them. A short one stands in many a word.
fn secrets(scenario: &Scenario) -> Vec<Vec<u8>> {
    let mut secrets: Vec<&Secret> =
        scenario.world.routers.iter().filter_map(|router| Some(&router.password.as_ref()?.value)).collect();
    for step in &scenario.steps {
        match &step.verb {
            Verb::Phone(PhoneAction::Configure(configure)) => secrets.extend(&configure.password),
            Verb::Phone(PhoneAction::Provision(provision)) => secrets.extend(&provision.password),
            _ => {}
        }
    }
    let long = secrets.into_iter().map(Secret::expose).filter(|secret| secret.len() >= 8);
    long.flat_map(|secret| {
        let encoded = secret.iter().flat_map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => vec![*byte],
            _ => format!("%{byte:02X}").into_bytes(),
        });
        [secret.to_vec(), encoded.collect()]
    })
    .collect()
}

/// A test that takes programs which may not be there.
fn with(programs: &[&str], name: &str, check: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    let trial = Trial::test(format!("{name} in {}", programs.join(" and ")), check);
    let answers = |program: &&&str| {
        Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    match programs.iter().find(|program| !answers(program)) {
        None => trial,
        Some(missing) => {
            let must = std::env::var_os(REQUIRE_ALL).is_some();
            trial.with_kind(format!("skipped: {missing} is missing")).with_ignored_flag(!must)
        }
    }
}

/// What `tshark` shows of a field in the packets that a filter lets through, one line for each.
fn tshark(capture: &Path, filter: &str, field: &str) -> Result<Vec<String>, Failed> {
    let output = Command::new("tshark")
        .args(["-n", "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-r"])
        .arg(capture)
        .args(["-Y", filter, "-T", "fields", "-e", field])
        .output()?;
    if !output.status.success() {
        return Err(format!("tshark: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn check_in_tshark(file: &Path) -> Result<(), Failed> {
    let (scenario, outcome, bytes) = record(file)?;
    let folder = tempfile::tempdir()?;
    let capture = folder.path().join("capture.pcapng");
    std::fs::write(&capture, bytes)?;
    for wrong in ["_ws.malformed", "tcp.checksum.status == 0", "ip.checksum.status == 0", "!frame.comment"] {
        compare(wrong, &tshark(&capture, wrong, "frame.number")?, &[])?;
    }
    for device in &scenario.world.devices {
        let name = device.name.as_str();
        let (times, answers): (Vec<String>, Vec<String>) = told(&outcome.trace, name, |what| match what {
            What::Device(Event::Request { status, .. }) if *status > 0 => Some(status.to_string()),
            _ => None,
        })
        .unzip();
        // What a device sends is seen at its own radio first; all else Wireshark takes for a repetition.
        let filter = format!("http.response && frame.interface_name == \"{name}\"");
        // Several answers in one packet stand in one line.
        let seen = tshark(&capture, &filter, "http.response.code")?;
        let seen: Vec<String> = seen.iter().flat_map(|line| line.split(',')).map(str::to_owned).collect();
        compare("statuses of HTTP answers", &seen, &answers)?;
        if is_one_each(file) {
            let seen = tshark(&capture, &filter, "frame.time_epoch")?;
            compare("times of HTTP answers", &seen, &times)?;
        }
    }
    let addresses: Vec<String> = scenario
        .world
        .phones
        .iter()
        .flat_map(|phone| {
            told(&outcome.trace, phone.name.as_str(), |what| match what {
                What::Phone(phone::Event::Address(address)) => Some(address.to_string()),
                _ => None,
            })
            .map(|(_, address)| address)
            .collect::<Vec<_>>()
        })
        .collect();
    let filter = "dhcp.option.dhcp == 5 && ip.src == 192.168.4.1 && frame.packet_flags_direction == 1";
    compare("addresses that phones were given", &tshark(&capture, filter, "dhcp.ip.your")?, &addresses)?;
    for device in &scenario.world.devices {
        check_way_to_the_cloud(&capture, &outcome.trace, device.name.as_str())?;
    }
    Ok(())
}

/// A page takes the frames for what `tshark` takes them for.
fn check_decoded(file: &Path) -> Result<(), Failed> {
    let (scenario, outcome, bytes) = record(file)?;
    let trace_file = trace_file_of(&scenario, &outcome, None);
    let page = page::write(&scenario, &outcome.trace, &trace_file, outcome.recording.as_ref());
    let folder = tempfile::tempdir()?;
    let capture = folder.path().join("capture.pcapng");
    std::fs::write(&capture, bytes)?;
    let shown = browser::decoded(&page)?;
    let sent = "frame.packet_flags_direction == 2";
    let mut seen = Vec::new();
    let [asked, owner, is_request] = ["arp.dst.proto_ipv4", "arp.src.proto_ipv4", "arp.opcode"]
        .map(|field| tshark(&capture, &format!("{sent} && arp"), field));
    for ((asked, owner), opcode) in asked?.iter().zip(owner?).zip(is_request?) {
        seen.push(if opcode == "1" {
            format!("ARP: who has {asked}?")
        } else {
            format!("ARP: {owner} is at ")
        });
    }
    let kinds = ["", "Discover", "Offer", "Request", "Decline", "ACK", "NAK", "Release", "Inform"];
    for kind in tshark(&capture, &format!("{sent} && dhcp"), "dhcp.option.dhcp")? {
        let kind = kinds.get(kind.parse::<usize>()?).copied().unwrap_or_default();
        seen.push(format!("DHCP: {kind}"));
    }
    let [names, answers] = ["dns.qry.name", "dns.flags.response"]
        .map(|field| tshark(&capture, &format!("{sent} && dns"), field));
    for (name, is_answer) in names?.iter().zip(answers?) {
        let is_answer = is_answer == "1" || is_answer == "True";
        seen.push(format!("DNS: {name}{}", if is_answer { " =" } else { "?" }));
    }
    seen.sort();
    // The page says more than these fields: what it says of each must begin like this.
    let brief = |line: &String| match line.split_once(": ") {
        Some(("ARP", words)) if words.contains(" is at ") => {
            format!("ARP: {} is at ", words.split(' ').next().unwrap_or_default())
        }
        Some(("DHCP", words)) => format!("DHCP: {}", words.split(' ').next().unwrap_or_default()),
        Some(("DNS", words)) => {
            // `A NAME, AAAA NAME = ANSWER`, `A NAME?`, or what is wrong where nothing was understood.
            let asked = words.split(" = ").next().unwrap_or_default();
            let names: Vec<&str> = asked.split(", ").filter_map(|asked| asked.split(' ').nth(1)).collect();
            format!("DNS: {}{}", names.join(","), if words.ends_with('?') { "" } else { " =" })
        }
        _ => line.clone(),
    };
    let mut brief: Vec<String> = shown.iter().map(brief).collect();
    // Frames of one time may stand in another order.
    brief.sort();
    compare("what the page takes frames for", &seen, &brief)
}

/// What a device asked of DNS and where it connected, seen at its radio. What was lost is asked again, so that each is
/// counted once.
fn check_way_to_the_cloud(capture: &Path, trace: &Trace, device: &str) -> Result<(), Failed> {
    let told = |of: fn(&Event) -> Option<String>| -> Vec<String> {
        told(trace, device, move |what| if let What::Device(event) = what { of(event) } else { None })
            .map(|(_, value)| value)
            .collect()
    };
    let here = format!("frame.interface_name == \"{device}\"");
    let resolved = told(|event| match event {
        Event::Resolved(ip) => Some(ip.to_string()),
        _ => None,
    });
    let filter = format!("{here} && udp.srcport == 53 && dns.a && frame.packet_flags_direction == 1");
    compare("addresses that the device was told", &tshark(capture, &filter, "dns.a")?, &resolved)?;
    let ports = told(|event| match event {
        Event::Connecting { port, .. } => Some(port.to_string()),
        _ => None,
    });
    let filter =
        format!("{here} && tcp.flags.syn == 1 && tcp.flags.ack == 0 && frame.packet_flags_direction == 2");
    let own = tshark(capture, &filter, "tcp.srcport")?;
    let mut seen = tshark(capture, &filter, "tcp.dstport")?;
    // The same connection asked for once more has the same port here.
    let again: Vec<bool> = own.iter().enumerate().map(|(index, port)| own[..index].contains(port)).collect();
    let mut is_new = again.iter().map(|again| !again);
    seen.retain(|_| is_new.next().unwrap_or(false));
    compare("ports to which the device connected", &seen, &ports)
}

/// The states of each device, as `jq` picks them from the trace file.
fn check_in_jq(file: &Path) -> Result<(), Failed> {
    let (scenario, outcome, _) = record(file)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("trace.jsonl");
    std::fs::write(&path, trace_file_of(&scenario, &outcome, None))?;
    for device in &scenario.world.devices {
        let name = device.name.as_str();
        let filter =
            format!("select(.event == \"device.state\" and .actor == \"{name}\") | \"\\(.at_us) \\(.to)\"");
        let output = Command::new("jq").args(["-r", &filter]).arg(&path).output()?;
        let seen: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        let entries = outcome.trace.entries().iter().filter(|entry| outcome.trace.name(entry.actor) == name);
        let expected: Vec<String> = entries
            .filter_map(|entry| match &entry.what {
                What::Device(Event::State { to, .. }) => Some(format!("{} {to}", entry.at.total_micros())),
                _ => None,
            })
            .collect();
        if expected.is_empty() || seen != expected {
            return Err(format!("jq sees {seen:?}, and it should be {expected:?}").into());
        }
    }
    Ok(())
}

/// What a run's states are looked at each so many microseconds.
const SAMPLE_MICROS: i64 = 10_000;

fn check_in_sigrok(file: &Path) -> Result<(), Failed> {
    let (scenario, outcome, _) = record(file)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("run.vcd");
    std::fs::write(&path, waveform::write(&scenario, DEFAULT_SEED, &outcome.trace))?;
    let output = Command::new("sigrok-cli")
        .arg("-I")
        .arg(format!("vcd:downsample={SAMPLE_MICROS}"))
        .arg("-i")
        .arg(&path)
        .args(["-O", "bits:width=64"])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let [device] = scenario.world.devices.as_slice() else {
        // Channels of two devices have the same names there: that it reads them is all that can be said.
        return if text.contains("RUNNING:") { Ok(()) } else { Err("sigrok-cli sees no channel".into()) };
    };
    let states = told(&outcome.trace, device.name.as_str(), |what| match what {
        What::Device(Event::State { to, .. }) => Some(to.name().to_owned()),
        _ => None,
    });
    for (at, state) in states {
        // A state that is left at once is between two samples.
        let first = format!("{state}:");
        let samples: String = text.lines().filter_map(|line| line.strip_prefix(&first)).collect();
        let samples: Vec<char> = samples.chars().filter(|sample| !sample.is_whitespace()).collect();
        let micros: i64 = at.replace('.', "").parse::<i64>()? / 1_000;
        let place = usize::try_from(micros / SAMPLE_MICROS)? + 2;
        // The last one may begin as the waveform ends.
        if samples.is_empty() || samples.get(place).is_some_and(|sample| *sample != '1') {
            return Err(format!("{state} at {at}: sigrok-cli sees {:?}", samples.get(place)).into());
        }
    }
    Ok(())
}

/// A pipelined answer shares a packet, and one that is lost is taken for what is sent again.
fn is_one_each(file: &Path) -> bool {
    !["portal/pipelined-requests", "portal/uneven-air"].contains(&scenarios::name(file).as_str())
}

/// As `tshark` writes a time: seconds with nine digits.
fn seconds(micros: i64) -> String {
    format!("{}.{:06}000", micros / 1_000_000, micros % 1_000_000)
}

/// What an actor has told of one kind, each with its time.
fn told<'t>(
    trace: &'t Trace,
    actor: &'t str,
    of: impl Fn(&What) -> Option<String> + 't,
) -> impl Iterator<Item = (String, String)> + 't {
    let entries = trace.entries().iter().filter(move |entry| trace.name(entry.actor) == actor);
    entries.filter_map(move |entry| Some((seconds(entry.at.total_micros()), of(&entry.what)?)))
}

fn compare(what: &str, seen: &[String], expected: &[String]) -> Result<(), Failed> {
    if seen == expected {
        return Ok(());
    }
    Err(format!("{what}: tshark sees {seen:?}, and it should be {expected:?}").into())
}
