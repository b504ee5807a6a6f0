//! The peer that stands in for Wokwi's service: what it promises, asked by our client and by Wokwi's own Python client, which
//! is not ours and so a judge of both.
//!
//! QEMU and the Python client are optional. Without them these tests are ignored and say what is missing; with
//! `HIL_REQUIRE_ALL` set, as in CI, they fail instead.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use hil_link::host_side::HELLO;
use hil_link::wire::framing::{ENCODED_LEN_MAX, Receiver, encode};
use hil_link::wire::{PROTOCOL, Response};
use hil_live::api::{ApiError, Event, Firmware, PausePoint, Server, Simulation, Start, Token, Upload};
use hil_live::peer::{Peer, machines_running};
use hil_sim::executor::qemu::{PACKAGE, PROGRAM, Qemu};
use hil_sim::firmware_build;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};

/// Set where everything optional must be there.
const REQUIRE_ALL: &str = "HIL_REQUIRE_ALL";
/// Names a Python with `wokwi-client`, where it is not the one on the path.
const PYTHON_VARIABLE: &str = "HIL_PYTHON";
const PATIENCE: Duration = Duration::from_secs(30);

type Test = fn(&Bench) -> Result<(), Failed>;

/// What takes QEMU.
const TESTS: [(&str, Test); 7] = [
    ("time stands still until it is resumed, and where it is told to", time_stops_where_it_is_told_to),
    (
        "a firmware is heard up to the pause point, and from there on",
        a_firmware_is_heard_up_to_the_pause_point,
    ),
    ("what is not served is refused by its name, and the session goes on", what_is_not_served_is_refused),
    ("files and firmwares that are none are refused", files_that_are_none_are_refused),
    ("nobody comes in without a token", nobody_comes_in_without_a_token),
    ("what is no command ends the session with a reason", what_is_no_command_ends_the_session),
    ("a machine that ends is told, and leaves other clients alone", a_machine_that_ends_is_told),
];
const PYTHON_TEST: &str = "wokwi's own python client is served";

/// A peer and what it can run.
struct Bench {
    server: Server,
    firmware: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    match bench() {
        Ok(bench) => {
            let bench: &'static Bench = Box::leak(Box::new(bench));
            trials.extend(TESTS.map(|(name, test)| Trial::test(name, move || test(bench))));
            trials.push(match python() {
                Ok(python) => Trial::test(PYTHON_TEST, move || the_python_client_is_served(bench, &python)),
                Err(missing) => skipped(PYTHON_TEST, &missing),
            });
        }
        Err(missing) => {
            let names = TESTS.map(|(name, _)| name).into_iter().chain([PYTHON_TEST]);
            trials.extend(names.map(|name| skipped(name, &missing)));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Clients that have gone without a word are noticed in a moment.
    let patience = Instant::now() + PATIENCE;
    while machines_running() > 0 && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(10));
    }
    conclusion.exit_code()
}

fn bench() -> Result<Bench, String> {
    let emulator = Qemu::find().ok_or_else(|| format!("{PROGRAM} is missing (package {PACKAGE})"))?;
    let firmware = firmware_build::Firmware::QEMU.build();
    let firmware = firmware.map_err(|error| format!("{error} ({})", error.hint()))?;
    Ok(Bench { server: Peer::in_thread(emulator).map_err(|error| error.to_string())?, firmware })
}

/// A Python with Wokwi's client.
fn python() -> Result<PathBuf, String> {
    let python = env::var_os(PYTHON_VARIABLE).map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let mut import = Command::new(&python);
    import.args(["-c", "import wokwi_client"]).stdin(Stdio::null()).stderr(Stdio::null());
    let found = import.status().is_ok_and(|status| status.success());
    let missing = format!("{} has no wokwi-client (pip install wokwi-client==0.5.1)", python.display());
    found.then_some(python).ok_or(missing)
}

fn skipped(name: &str, missing: &str) -> Trial {
    let must = env::var_os(REQUIRE_ALL).is_some();
    let why = missing.to_owned();
    let trial = Trial::test(name, move || Err(Failed::from(why)));
    trial.with_kind(format!("skipped: {missing}")).with_ignored_flag(!must)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn ensure(holds: bool, what: impl std::fmt::Debug) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("{what:?}").into()) }
}

impl Bench {
    async fn connect(&self) -> Result<Simulation, ApiError> {
        Simulation::connect(&self.server, |_, _| {}).await
    }

    /// A client whose firmware is uploaded, and listened to.
    async fn prepared(&self) -> Result<Simulation, ApiError> {
        let mut simulation = self.connect().await?;
        simulation.upload("firmware.elf", Upload::Binary(&std::fs::read(&self.firmware)?)).await?;
        simulation.listen_serial().await?;
        Ok(simulation)
    }
}

fn start(name: &str, pause: bool) -> Start {
    Start { firmware: Firmware::File(name.to_owned()), elf: None, flash_size: None, pause, chips: Vec::new() }
}

/// The bytes of the link's greeting.
fn greeting() -> Vec<u8> {
    let mut room = [0; ENCODED_LEN_MAX];
    encode(&HELLO, &mut room).expect("a greeting fits a message").to_vec()
}

/// How many greetings of a device these are.
fn greetings(mut said: &[u8]) -> usize {
    let mut receiver = Receiver::new();
    let mut count = 0;
    while !said.is_empty() {
        let (taken, response) = receiver.receive::<Response<'_>>(said);
        said = &said[taken..];
        count += usize::from(matches!(response, Some(Ok(Response::Hello { protocol: PROTOCOL, .. }))));
    }
    count
}

/// The next pause; what the firmware says before is added to `said`.
async fn pause(simulation: &mut Simulation, said: &mut Vec<u8>) -> Result<(Option<String>, u64), Failed> {
    loop {
        match simulation.next_event(PATIENCE).await? {
            Some(Event::Paused { pause_point, nanos }) => return Ok((pause_point, nanos)),
            Some(Event::Serial(bytes)) => said.extend(bytes),
            Some(_) => {}
            None => return Err("no pause came".into()),
        }
    }
}

fn time_stops_where_it_is_told_to(bench: &Bench) -> Result<(), Failed> {
    run(async {
        let mut simulation = bench.prepared().await?;
        let said = &mut Vec::new();
        simulation.start(&start("firmware.elf", true)).await?;
        let status = simulation.status().await?;
        ensure(!status.is_running && status.nanos == 0, status)?;
        // At a time, after a while, at the limit of a resume; each once.
        simulation.post_pause_point("at", &PausePoint::At(20_000_000)).await?;
        simulation.resume(None).await?;
        let (point, at) = pause(&mut simulation, said).await?;
        ensure(point.as_deref() == Some("at") && at >= 20_000_000, (&point, at))?;
        let status = simulation.status().await?;
        ensure(!status.is_running && status.nanos == at, status)?;
        simulation.post_pause_point("after", &PausePoint::After(10_000_000)).await?;
        simulation.resume(Some(60_000_000_000)).await?;
        let (point, after) = pause(&mut simulation, said).await?;
        ensure(point.as_deref() == Some("after") && after >= at + 10_000_000, (&point, after))?;
        simulation.resume(Some(5_000_000)).await?;
        let (point, limit) = pause(&mut simulation, said).await?;
        ensure(point.is_none() && limit >= after + 5_000_000, (&point, limit))?;
        // One that was taken away does not stop anything, and `sim:pause` does.
        simulation.post_pause_point("never", &PausePoint::After(1_000_000)).await?;
        simulation.remove_pause_point("never").await?;
        simulation.resume(None).await?;
        ensure(simulation.status().await?.is_running, "it runs")?;
        ensure(simulation.next_event(Duration::from_millis(50)).await?.is_none(), "nothing stops it")?;
        simulation.pause().await?;
        let (point, _) = pause(&mut simulation, said).await?;
        ensure(point.is_none() && !simulation.status().await?.is_running, point)
    })
}

fn a_firmware_is_heard_up_to_the_pause_point(bench: &Bench) -> Result<(), Failed> {
    run(async {
        let mut simulation = bench.prepared().await?;
        simulation.start(&start("firmware.elf", true)).await?;
        // It says hello when it has started.
        let mut said = Vec::new();
        simulation.post_pause_point("hello", &PausePoint::Serial(&[0, 0, 0])).await?;
        simulation.resume(None).await?;
        let (point, _) = pause(&mut simulation, &mut said).await?;
        ensure(point.as_deref() == Some("hello") && greetings(&said) == 1, &said)?;
        ensure(said.ends_with(&[0, 0, 0]), &said)?;
        // What is said to it while time stands still is heard when it goes on, and stops in the middle of its answer.
        said.clear();
        simulation.post_serial(&greeting()).await?;
        ensure(simulation.next_event(Duration::from_millis(50)).await?.is_none(), "it stands still")?;
        simulation.post_pause_point("middle", &PausePoint::Serial(b"firmware")).await?;
        simulation.post_pause_point("end", &PausePoint::Serial(&[0, 0, 0])).await?;
        simulation.resume(None).await?;
        let (point, _) = pause(&mut simulation, &mut said).await?;
        ensure(point.as_deref() == Some("middle") && said.ends_with(b"firmware"), &said)?;
        ensure(greetings(&said) == 0, &said)?;
        simulation.resume(None).await?;
        let (point, _) = pause(&mut simulation, &mut said).await?;
        ensure(point.as_deref() == Some("end") && greetings(&said) == 1, &said)
    })
}

fn what_is_not_served_is_refused(bench: &Bench) -> Result<(), Failed> {
    run(async {
        let mut simulation = bench.prepared().await?;
        let refused = |error: ApiError, words: &str| ensure(error.to_string().contains(words), error);
        refused(simulation.resume(None).await.unwrap_err(), "nothing runs: `sim:start` comes first")?;
        simulation.start(&start("firmware.elf", true)).await?;
        refused(simulation.start(&start("firmware.elf", true)).await.unwrap_err(), "runs already")?;
        for (command, params) in [
            ("control:set", json!({ "part": "button", "control": "pressed", "value": 1 })),
            ("pin:read", json!({ "part": "esp", "pin": "8" })),
            ("sim:restart", json!({})),
            ("framebuffer:read", json!({ "id": "led" })),
            ("coffee:make", Value::Null),
        ] {
            let error = simulation.request(command, params).await.unwrap_err();
            refused(error, &format!("`{command}` is not served here; what is: file:upload, sim:start"))?;
        }
        for (params, words) in [
            (json!({ "type": "serial-bytes", "bytes": [1] }), "`id` is missing"),
            (json!({ "id": "p", "type": "serial-bytes", "bytes": [] }), "none to wait for"),
            (json!({ "id": "p", "type": "time-absolute", "nanos": -1 }), "`nanos` is no time"),
            (json!({ "id": "p", "type": "full-moon" }), "no pause point of the type `full-moon`"),
        ] {
            refused(simulation.request("pause-point:add", params).await.unwrap_err(), words)?;
        }
        refused(simulation.remove_pause_point("p").await.unwrap_err(), "no pause point of that id")?;
        simulation.status().await?;
        Ok(())
    })
}

fn files_that_are_none_are_refused(bench: &Bench) -> Result<(), Failed> {
    run(async {
        let mut simulation = bench.prepared().await?;
        let refused = |error: ApiError, words: &str| ensure(error.to_string().contains(words), error);
        for (params, words) in [
            (json!({ "text": "x" }), "`name` is missing"),
            (json!({ "name": "x" }), "either `text` or `binary`"),
            (json!({ "name": "x", "text": "x", "binary": "eA==" }), "either `text` or `binary`"),
            (json!({ "name": "x", "binary": "%" }), "no base64"),
        ] {
            refused(simulation.request("file:upload", params).await.unwrap_err(), words)?;
        }
        refused(simulation.download("x").await.unwrap_err(), "the file `x` was not uploaded")?;
        simulation.upload("image.bin", Upload::Binary(b"\xE9\x01")).await?;
        ensure(simulation.download("image.bin").await? == b"\xE9\x01", "bytes come back")?;
        simulation.upload("text", Upload::Text("größer")).await?;
        ensure(simulation.download("text").await? == "größer".as_bytes(), "text comes back")?;
        refused(
            simulation.start(&start("image.bin", true)).await.unwrap_err(),
            "the firmware is no ELF file",
        )?;
        refused(simulation.start(&start("none", true)).await.unwrap_err(), "`none` was not uploaded")?;
        let parts = Firmware::Parts(vec![(0, "image.bin".to_owned())]);
        let parts = Start { firmware: parts, ..start("", true) };
        refused(simulation.start(&parts).await.unwrap_err(), "not the name of one ELF file")?;
        let chips = Start { chips: vec!["inverter".to_owned()], ..start("firmware.elf", true) };
        refused(simulation.start(&chips).await.unwrap_err(), "chips of one's own are not served")?;
        // It can still be started with one that is.
        Ok(simulation.start(&start("firmware.elf", false)).await?)
    })
}

fn nobody_comes_in_without_a_token(bench: &Bench) -> Result<(), Failed> {
    run(async {
        let server = Server { token: Token::new(" "), ..bench.server.clone() };
        let error = Simulation::connect(&server, |_, _| {}).await.err().ok_or("it let us in")?;
        ensure(
            error.to_string().contains("HTTP 401: the header `Authorization: Bearer TOKEN` is missing"),
            error,
        )
    })
}

fn what_is_no_command_ends_the_session(bench: &Bench) -> Result<(), Failed> {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
    run(async {
        for nonsense in ["", "{}", r#"{"type":"command"}"#, r#"{"type":"hello"}"#] {
            let address = bench.server.url.trim_start_matches("ws://").to_owned();
            let mut stream = tokio::net::TcpStream::connect(&address).await?;
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let request = format!(
                "GET / HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                 authorization: Bearer x\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await?;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await?);
            }
            let config = Some(WebSocketConfig::default());
            let mut socket =
                tokio_tungstenite::WebSocketStream::from_raw_socket(stream, Role::Client, config).await;
            let hello = socket.next().await.ok_or("no hello")??;
            ensure(hello.to_text()?.contains(r#""type":"hello""#), &hello)?;
            // Binary frames and pings mean nothing.
            socket.send(Message::binary(vec![1, 2, 3])).await?;
            socket.send(Message::text(nonsense)).await?;
            let error = socket.next().await.ok_or("no error")??;
            ensure(error.to_text()?.contains("this is no command"), &error)?;
            ensure(socket.next().await.ok_or("no end")??.is_close(), nonsense)?;
        }
        Ok(())
    })
}

fn a_machine_that_ends_is_told(bench: &Bench) -> Result<(), Failed> {
    run(async {
        let mut other = bench.prepared().await?;
        other.start(&start("firmware.elf", false)).await?;
        let mut simulation = bench.prepared().await?;
        simulation.upload("end.elf", Upload::Binary(&program_that_ends_the_machine())).await?;
        simulation.start(&start("end.elf", false)).await?;
        let error = simulation.next_event(PATIENCE).await.err().ok_or("nothing is told")?;
        ensure(matches!(&error, ApiError::Fatal(why) if why.contains("the machine ended")), error)?;
        // The other one is not touched by that.
        let mut said = Vec::new();
        other.post_pause_point("hello", &PausePoint::Serial(&[0, 0, 0])).await?;
        other.post_serial(&greeting()).await?;
        pause(&mut other, &mut said).await?;
        ensure(greetings(&said) >= 1, &said)
    })
}

/// An ELF file with a few instructions: they count for a moment, then write the word that ends QEMU's `virt` machine to its
/// test device.
fn program_that_ends_the_machine() -> Vec<u8> {
    const START: u32 = 0x8000_0000;
    const CODE: [u32; 8] = [
        0x0200_02B7, // lui t0, 0x2000
        0xFFF2_8293, // addi t0, t0, -1
        0xFE02_9EE3, // bnez t0, .-4
        0x0010_0537, // lui a0, 0x100
        0x0000_55B7, // lui a1, 0x5
        0x5555_8593, // addi a1, a1, 0x555
        0x00B5_2023, // sw a1, 0(a0)
        0x0000_006F, // j .
    ];
    const HEADERS_LEN: u32 = 52 + 32;
    let code_len = 4 * 8;
    let mut elf = b"\x7FELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // An executable for RISC-V; one program header behind this one.
    elf.extend([2_u16, 243].iter().flat_map(|half| half.to_le_bytes()));
    elf.extend([1, START, 52, 0, 0].iter().flat_map(|word: &u32| word.to_le_bytes()));
    elf.extend([52_u16, 32, 1, 40, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    // To be loaded, readable and executable.
    elf.extend(
        [1, HEADERS_LEN, START, START, code_len, code_len, 5, 4].iter().flat_map(|word| word.to_le_bytes()),
    );
    elf.extend(CODE.iter().flat_map(|word| word.to_le_bytes()));
    elf
}

fn the_python_client_is_served(bench: &Bench, python: &Path) -> Result<(), Failed> {
    let project = firmware_build::project();
    let greeting: String = greeting().iter().map(|byte| format!("{byte:02x}")).collect();
    let output = Command::new(python)
        .arg(project.join("live/tests/peer/client.py"))
        .arg(&bench.server.url)
        .arg(project.join("diagram.json"))
        .arg(&bench.firmware)
        .arg(greeting)
        .stdin(Stdio::null())
        .output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure(output.status.success(), complaint)?;
    let seen: Value = serde_json::from_slice(&output.stdout)?;
    ensure(seen["version"] == env!("CARGO_PKG_VERSION"), &seen)?;
    for fact in ["diagram_comes_back", "time_stands_still"] {
        ensure(seen[fact] == true, format!("{fact}: {seen}"))?;
    }
    ensure(seen["said_while_paused"] == "", &seen)?;
    let said = seen["said"].as_str().unwrap_or_default();
    let said = data_encoding::HEXLOWER.decode(said.as_bytes())?;
    ensure(greetings(&said) == 2, &said)?;
    let [until, at] = [0, 1].map(|place| seen["waited_until"][place].as_f64().unwrap_or_default());
    // A machine that is busy stops a little late.
    ensure(at >= until && at < until + 1.0 && seen["waited_until"][2] == false, &seen)?;
    let refused = seen["refused"].as_str().unwrap_or_default();
    ensure(refused.contains("`control:set` is not served here"), refused)
}
