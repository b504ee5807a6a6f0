//! The client of the Simulation API against a service that is played: what it says, word for word, and what it makes of
//! every answer that a service may give.

mod service;

use std::time::Duration;

use hil_live::api::{ApiError, Event, Firmware, PausePoint, Server, Simulation, Start, Token, Upload};
use serde_json::{Value, json};
use service::{HELLO, Played, Service};

const PATIENCE: Duration = Duration::from_secs(10);

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

async fn connect(service: &Service) -> Result<Simulation, ApiError> {
    let server = Server { url: service.url(), token: Token::new("wok_secret") };
    Simulation::connect(&server, |_, _| {}).await
}

/// A client at a service that answers everything in this way.
async fn client(answer: fn(&str) -> Value) -> (Simulation, Service) {
    let service = Service::start(vec![Played::Session { first: HELLO.into(), answer }]).await;
    (connect(&service).await.unwrap(), service)
}

fn nothing(_: &str) -> Value {
    json!({})
}

#[test]
fn every_command_is_written_as_the_protocol_has_it() {
    run(async {
        let (mut simulation, service) = client(|command| match command {
            "pin:read" => json!({ "pin": "8", "value": 1, "voltage": 3.3 }),
            "sim:status" => json!({ "running": true, "nanos": 2_500.5 }),
            "framebuffer:read" => json!({ "png": "iVBORw==" }),
            "sim:read-vcd" => json!({ "vcd": "$end", "channelCount": 2, "sampleCount": 7 }),
            "gpio:list" => json!({ "pins": ["esp:GPIO0", "esp:GPIO1"] }),
            "file:download" => json!({ "text": "hello" }),
            _ => json!({}),
        })
        .await;
        assert_eq!(simulation.service(), "Played 1.2.3");
        simulation.upload("diagram.json", Upload::Text("{}")).await.unwrap();
        simulation.upload("firmware.bin", Upload::Binary(b"\xE9\x00\xFF")).await.unwrap();
        assert_eq!(simulation.download("diagram.json").await.unwrap(), b"hello");
        let start = |firmware, flash_size| Start {
            firmware,
            elf: None,
            flash_size,
            pause: true,
            chips: vec!["inverter".to_owned()],
        };
        let parts = vec![(0, "boot.bin".to_owned()), (0x1_0000, "app.bin".to_owned())];
        simulation.start(&start(Firmware::File("firmware.elf".into()), None)).await.unwrap();
        simulation.start(&start(Firmware::Parts(parts), Some("4MB".into()))).await.unwrap();
        simulation.listen_serial().await.unwrap();
        simulation.post_serial(b"hi\n").await.unwrap();
        simulation.post_pause_point("a", &PausePoint::At(5)).await.unwrap();
        simulation.post_pause_point("b", &PausePoint::After(6)).await.unwrap();
        simulation.post_pause_point("c", &PausePoint::Serial(&[0, 255])).await.unwrap();
        simulation.remove_pause_point("a").await.unwrap();
        simulation.resume(None).await.unwrap();
        simulation.post_resume(Some(1_000)).await.unwrap();
        simulation.pause().await.unwrap();
        simulation.restart(true).await.unwrap();
        let status = simulation.status().await.unwrap();
        assert!(status.is_running && status.nanos == 2_500);
        simulation.set_control("button", "pressed", 1.0).await.unwrap();
        let pin = simulation.read_pin("esp", "8").await.unwrap();
        assert!(pin.is_high && pin.voltage == Some(3.3));
        simulation.listen_pin("esp", "8", true).await.unwrap();
        assert_eq!(simulation.pins().await.unwrap(), ["esp:GPIO0", "esp:GPIO1"]);
        assert_eq!(simulation.screenshot("led").await.unwrap(), b"\x89PNG");
        let waveform = simulation.waveform().await.unwrap();
        assert_eq!((waveform.vcd.as_str(), waveform.channels, waveform.samples), ("$end", 2, 7));
        simulation.close().await;

        let said = service.said();
        let expected = [
            ("file:upload", json!({ "name": "diagram.json", "text": "{}" })),
            ("file:upload", json!({ "name": "firmware.bin", "binary": "6QD/" })),
            ("file:download", json!({ "name": "diagram.json" })),
            (
                "sim:start",
                json!({ "firmware": "firmware.elf", "elf": null, "pause": true, "chips": ["inverter"] }),
            ),
            (
                "sim:start",
                json!({
                    "firmware": [{ "offset": 0, "file": "boot.bin" }, { "offset": 65_536, "file": "app.bin" }],
                    "elf": null, "flashSize": "4MB", "pause": true, "chips": ["inverter"],
                }),
            ),
            ("serial-monitor:listen", json!({})),
            ("serial-monitor:write", json!({ "bytes": [104, 105, 10] })),
            ("pause-point:add", json!({ "id": "a", "type": "time-absolute", "nanos": 5 })),
            ("pause-point:add", json!({ "id": "b", "type": "time-relative", "nanos": 6 })),
            ("pause-point:add", json!({ "id": "c", "type": "serial-bytes", "bytes": [0, 255] })),
            ("pause-point:remove", json!({ "id": "a" })),
            ("sim:resume", json!({})),
            ("sim:resume", json!({ "pauseAfter": 1_000 })),
            ("sim:pause", json!({})),
            ("sim:restart", json!({ "pause": true })),
            ("sim:status", json!({})),
            ("control:set", json!({ "part": "button", "control": "pressed", "value": 1.0 })),
            ("pin:read", json!({ "part": "esp", "pin": "8" })),
            ("pin:listen", json!({ "part": "esp", "pin": "8", "listen": true })),
            ("gpio:list", json!({})),
            ("framebuffer:read", json!({ "id": "led" })),
            ("sim:read-vcd", json!({})),
        ];
        for (number, (said, (command, params))) in said.iter().zip(&expected).enumerate() {
            let expected =
                json!({ "type": "command", "command": command, "id": number.to_string(), "params": params });
            assert_eq!(said, &expected);
        }
        assert_eq!(said.len(), expected.len());
    });
}

#[test]
fn the_token_goes_into_a_header_and_nowhere_else() {
    run(async {
        let (mut simulation, service) = client(nothing).await;
        simulation.close().await;
        let request = service.requests().remove(0);
        assert!(request.contains("authorization: Bearer wok_secret\r\n"), "{request}");
        assert!(request.contains("user-agent: edgent-hil/"), "{request}");
        assert_eq!(request.matches("wok_secret").count(), 1);
        // No character that would end a header gets through.
        let server = Server { url: service.url(), token: Token::new("a\r\nX: y") };
        let error = Simulation::connect(&server, |_, _| {}).await.err().unwrap();
        assert!(matches!(error, ApiError::BadToken), "{error}");
        assert!(!error.to_string().contains("X: y"));
    });
}

#[test]
fn events_come_in_between_and_none_is_lost() {
    run(async {
        // Each command is answered behind two events, a message of another version, and a frame that is none.
        let (mut simulation, _service) = client(|command| match command {
            "sim:resume" => json!({ "_before": [
                { "type": "event", "event": "serial-monitor:data", "payload": { "bytes": [1, 2] }, "nanos": 10, "paused": false },
                { "type": "news", "of": "tomorrow" },
                { "type": "event", "event": "sim:pause", "payload": { "pausePoint": "p" }, "nanos": 20.5, "paused": true },
            ] }),
            _ => json!({}),
        })
        .await;
        simulation.resume(None).await.unwrap();
        simulation.listen_serial().await.unwrap();
        assert_eq!(simulation.next_event(PATIENCE).await.unwrap(), Some(Event::Serial(vec![1, 2])));
        let pause = Event::Paused { pause_point: Some("p".into()), nanos: 20 };
        assert_eq!(simulation.next_event(PATIENCE).await.unwrap(), Some(pause));
        assert_eq!(simulation.next_event(Duration::from_millis(10)).await.unwrap(), None);
        let counted = simulation.counted();
        assert_eq!((counted.commands, counted.round_trips, counted.nanos), (2, 2, 20));
    });
}

#[test]
fn what_is_posted_together_takes_one_round_trip_and_its_failure_is_heard() {
    run(async {
        let (mut simulation, _service) = client(|command| match command {
            "pause-point:add" => json!({ "_error": { "code": 7, "message": "too many" } }),
            _ => json!({}),
        })
        .await;
        simulation.post_serial(b"x").await.unwrap();
        simulation.post_resume(None).await.unwrap();
        simulation.post_pause_point("p", &PausePoint::At(1)).await.unwrap();
        let error = simulation.next_event(PATIENCE).await.unwrap_err();
        assert_eq!(error.to_string(), "the service refuses `pause-point:add`: too many (code 7)");
        assert_eq!(simulation.counted().round_trips, 1);
        // The connection goes on.
        simulation.listen_serial().await.unwrap();
    });
}

#[test]
fn a_busy_service_is_asked_again_and_others_are_not() {
    run(async {
        for status in [408, 503, 524] {
            let session = Played::Session { first: HELLO.into(), answer: nothing };
            let service = Service::start(vec![Played::Refusal(status, "busy"), session]).await;
            let server = Server { url: service.url(), token: Token::new("t") };
            let mut pauses = Vec::new();
            let connected =
                Simulation::connect(&server, |error, pause| pauses.push((error.to_string(), pause))).await;
            assert!(connected.is_ok());
            let words = format!("{} refuses the connection: HTTP {status}: busy", service.url());
            assert_eq!(pauses, [(words, Duration::from_secs(1))]);
        }
        for (status, hint) in
            [(401, "token"), (403, "token"), (402, "time used up"), (429, "time used up"), (500, "later")]
        {
            let service = Service::start(vec![Played::Refusal(status, "")]).await;
            let error = connect(&service).await.err().unwrap();
            assert_eq!(error.to_string(), format!("{} refuses the connection: HTTP {status}", service.url()));
            assert!(error.hint().contains(hint), "{}", error.hint());
        }
    });
}

#[test]
fn whatever_else_a_service_does_is_told_in_a_sentence() {
    run(async {
        let session = |first: &'static str| Played::Session { first: first.into(), answer: nothing };
        let cases = [
            (
                session(r#"{"type":"hello","protocolVersion":2}"#),
                "the service speaks version 2 of its protocol, and this program speaks 1",
            ),
            (
                session(r#"{"type":"error","message":"closed today"}"#),
                "the service ended the simulation: closed today",
            ),
            (
                session(r#"{"type":"response","id":"0"}"#),
                "the service said what cannot be understood: its first message is no greeting",
            ),
            (
                session("good day"),
                "the service said what cannot be understood: expected value at line 1 column 1, in \"good day\"",
            ),
            (
                Played::Close(1008, "no more time this month"),
                "the connection to the service is lost: it closed with 1008 no more time this month",
            ),
            (Played::Gone, "the connection to the service is lost: "),
            (Played::WebPage, " does not speak WebSocket: it answers as a plain web server"),
            (
                Played::WrongKey,
                " does not speak WebSocket: its answer does not belong to what it was asked (RFC 6455 section 4.1)",
            ),
        ];
        for (played, words) in cases {
            let service = Service::start(vec![played]).await;
            let error = connect(&service).await.err().unwrap();
            assert!(error.to_string().contains(words), "{error}");
            assert!(!error.hint().is_empty());
        }
        let nobody = Server { url: "ws://127.0.0.1:1".into(), token: Token::new("t") };
        let error = Simulation::connect(&nobody, |_, _| {}).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "ws://127.0.0.1:1 cannot be reached: Connection refused (os error 111)"
        );
        assert!(error.hint().contains("--peer"));
        let nowhere = Server { url: "http://127.0.0.1".into(), token: Token::new("t") };
        let error = Simulation::connect(&nowhere, |_, _| {}).await.err().unwrap();
        assert!(matches!(error, ApiError::BadAddress(_)), "{error}");
    });
}

#[test]
fn a_session_that_breaks_off_in_the_middle_is_told() {
    run(async {
        let (mut simulation, _service) = client(|_| json!({ "_close": "the machine went down" })).await;
        let error = simulation.resume(None).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the connection to the service is lost: it closed with 1001 the machine went down"
        );
        let (mut simulation, _service) =
            client(|_| json!({ "_before": [{ "type": "error", "message": "the quota is used up" }] })).await;
        let error = simulation.resume(None).await.unwrap_err();
        assert_eq!(error.to_string(), "the service ended the simulation: the quota is used up");
        let (mut simulation, _service) = client(nothing).await;
        for error in [
            simulation.read_pin("esp", "8").await.err().unwrap(),
            simulation.screenshot("led").await.err().unwrap(),
            simulation.pins().await.err().unwrap(),
            simulation.waveform().await.err().unwrap(),
        ] {
            assert!(error.to_string().contains("its answer has no `"), "{error}");
        }
    });
}

/// Proxies are reqwest's: the address goes to the one that the environment names.
#[test]
fn a_proxy_that_the_environment_names_is_asked() {
    run(async {
        let proxy = Service::start(vec![Played::Refusal(403, "not through here")]).await;
        let http = proxy.url().replace("ws://", "http://");
        // In a process of its own, for the environment belongs to all tests.
        let output = tokio::task::spawn_blocking(move || {
            std::process::Command::new(env!("CARGO_BIN_EXE_hil-live"))
                .args(["run", "--target", "wokwi", "--firmware", "none such"])
                .env("WOKWI_CLI_TOKEN", "wok_secret")
                .env("WOKWI_CLI_SERVER", "ws://wokwi.invalid/api")
                .env("http_proxy", http)
                .output()
        });
        let output = output.await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(
            said.contains("ws://wokwi.invalid/api refuses the connection: HTTP 403: not through here"),
            "{said}"
        );
        assert!(!said.contains("wok_secret"), "{said}");
        assert!(
            proxy.requests()[0].starts_with("GET http://wokwi.invalid/api HTTP/1.1\r\n"),
            "{:?}",
            proxy.requests()
        );
    });
}
