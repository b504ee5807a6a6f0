use std::format;
use std::string::String;

use proptest::prelude::*;
use smoltcp::wire::{EthernetAddress, Ipv4Address};

use super::*;
use crate::Duration;
use crate::hal::{Network, Security};
use crate::product::{Product, SAMPLE, sample};
use crate::trace::State;

const TOKEN: &str = "GoldenToken0123456789abcdefghij_";

/// Types text and returns the lines and the echo.
fn type_in(text: &[u8]) -> (std::vec::Vec<Result<Line, LineTooLong>>, String) {
    let mut console = Console::new();
    let mut echo = String::new();
    let lines = text.iter().filter_map(|byte| console.handle_byte(*byte, &mut echo)).collect();
    (lines, echo)
}

#[track_caller]
fn check_lines(typed: &[u8], expected: &[&[u8]]) {
    let (lines, _) = type_in(typed);
    let expected: std::vec::Vec<_> = expected.iter().map(|line| Ok(Line::new(line).unwrap())).collect();
    assert_eq!(lines, expected);
}

#[test]
fn lines_end_in_cr_lf_or_both() {
    check_lines(b"help\rstatus\nwifi\r\n\r\n?", &[b"help", b"status", b"wifi", b""]);
    check_lines(b"a\n\rb\r\r", &[b"a", b"", b"b", b""]);
    check_lines(b"a\tb\x00\x07\x1B c\n", &[b"a\tb c"]);
}

#[test]
fn backspace_takes_whole_characters_back() {
    check_lines("helö\x08p\n".as_bytes(), &[b"help"]);
    check_lines(b"\x08\x7Fx\x7F\x7F\x7Fhelp\n", &[b"help"]);
    check_lines(b"\xBF\xBF\x08ok\n", &[b"ok"]);
}

#[test]
fn a_line_of_256_bytes_is_taken_and_a_longer_one_refused_once() {
    let mut typed = [b'x'; 256].to_vec();
    typed.push(b'\n');
    let (lines, _) = type_in(&typed);
    assert_eq!(lines, [Line::new(&[b'x'; 256]).ok_or(LineTooLong)]);
    typed.insert(0, b'x');
    typed.extend(b"help\n");
    let (lines, echo) = type_in(&typed);
    assert_eq!(lines, [Err(LineTooLong), Ok(Line::new(b"help").unwrap())]);
    assert_eq!(echo.len(), 256 + 2 + 4 + 2);
}

#[track_caller]
fn check_echo(typed: &str, expected: &str) {
    assert_eq!(type_in(typed.as_bytes()).1, expected);
}

#[test]
fn what_is_typed_is_echoed() {
    check_echo("help\r\nWIFI scän\n", "help\r\nWIFI scän\r\n");
    check_echo("abx\x08c", "abx\x08 \x08c");
    assert_eq!(type_in(b"a\xFFb").1, "a\u{FFFD}b");
}

#[test]
fn secrets_are_echoed_as_stars() {
    check_echo("connect tok net pass\r", "connect *** net ****\r\n");
    check_echo(" CONNECT  to\\ k My\\ Net  pa ss w", " CONNECT  ***** My\\ Net  ** ** *");
    check_echo("\\x63onnect tok", "\\x63onnect ***");
    check_echo("connect ät\x08\x08x", "connect **\x08 \x08\x08 \x08*");
    check_echo("reconnect tok net pass", "reconnect tok net pass");
}

#[test]
fn commands_are_read_in_any_case() {
    let table: [(&str, Command); 21] = [
        ("", Command::Empty),
        (" \t ", Command::Empty),
        ("reboot", Command::Reboot),
        ("  ReBoot  now", Command::Reboot),
        ("config", Command::ConfigStart),
        ("config START", Command::ConfigStart),
        ("config erase", Command::ConfigErase),
        ("config stop", Command::Unknown),
        ("devinfo", Command::DeviceInfo),
        ("wifi", Command::WifiShow),
        ("wifi show", Command::WifiShow),
        ("wifi\tscan", Command::WifiScan),
        ("firmware", Command::Firmware),
        ("firmware info", Command::Firmware),
        ("firmware rollback", Command::FirmwareRollback),
        ("status", Command::Status),
        ("help", Command::Help),
        ("?", Command::Help),
        ("\\x68\\x65lp", Command::Help),
        ("helpme", Command::Unknown),
        ("ls /", Command::Unknown),
    ];
    for (line, expected) in table {
        assert_eq!(parse(line.as_bytes()), expected, "{line:?}");
    }
    assert_eq!(parse("wifi x x x x x x x x x x x x x x".as_bytes()), Command::Unknown);
    assert_eq!(parse("reboot x x x x x x x x x x x x x x".as_bytes()), Command::Reboot);
    assert_eq!(parse("reboot x x x x x x x x x x x x x x x".as_bytes()), Command::Unknown);
}

#[track_caller]
fn check_connect(arguments: &str, expected: Result<(&[u8], &[u8]), ConnectError>) {
    let Command::Connect(result) = parse(format!("connect {arguments}").as_bytes()) else {
        panic!("not a connect: {arguments}");
    };
    let got = result.as_ref().map(|it| (it.ssid.as_bytes(), it.passphrase.expose())).map_err(|error| *error);
    assert_eq!(got, expected, "{arguments:?}");
    if let Ok(request) = result {
        assert_eq!(request.token.expose(), TOKEN.as_bytes());
        let config = request.into_config();
        assert_eq!((config.host.as_str(), config.port, config.static_ip), ("blynk.cloud", 443, None));
    }
}

#[test]
fn connect_takes_a_token_a_network_and_perhaps_a_passphrase() {
    check_connect("", Err(ConnectError::Arguments));
    check_connect(TOKEN, Err(ConnectError::Arguments));
    check_connect("short net", Err(ConnectError::Token));
    check_connect(&format!("{TOKEN}x net pass"), Err(ConnectError::Token));
    check_connect(&format!("{TOKEN} net"), Ok((b"net", b"")));
    check_connect(&format!("{TOKEN} net hunter22"), Ok((b"net", b"hunter22")));
    check_connect(
        &format!("{TOKEN} My\\ Net\\x20\\\\ caf\\xC3\\xA9bar\\n"),
        Ok((b"My Net \\", b"caf\xC3\xA9bar\n")),
    );
    check_connect(&format!("{TOKEN} \\xZZ\\q\\"), Ok((b"xZZq\\", b"")));
    check_connect(&format!("{TOKEN} net two words"), Err(ConnectError::Passphrase));
    check_connect(&format!("{TOKEN} {} {}", "s".repeat(32), "a".repeat(64)), Ok((&[b's'; 32], &[b'a'; 64])));
    check_connect(&format!("{TOKEN} {} hunter22", "s".repeat(33)), Err(ConnectError::Ssid));
}

#[test]
fn connect_takes_no_passphrase_that_config_refuses() {
    for passphrase in ["hunter2", &"p".repeat(64), &"a".repeat(65), "hunter\\x0022"] {
        check_connect(&format!("{TOKEN} net {passphrase}"), Err(ConnectError::Passphrase));
    }
}

#[test]
fn connect_is_answered_in_edgents_words() {
    let answer = |line: &str| match parse(line.as_bytes()) {
        Command::Connect(request) => reply::connect(&request),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        answer("connect x"),
        r#"{"status":"error","msg":"invalid arguments. expected: <auth> <ssid> <pass>"}"#
    );
    assert_eq!(answer("connect x y"), r#"{"status":"error","msg":"invalid token size"}"#);
    assert_eq!(answer(&format!("connect {TOKEN} y")), r#"{"status":"OK","msg":"trying to connect..."}"#);
}

#[test]
fn a_parsed_line_shows_no_secret() {
    let command = parse(format!("connect {TOKEN} net hunter22").as_bytes());
    let shown = format!("{command:?} {:?}", Line::new(TOKEN.as_bytes()));
    assert!(!shown.contains(TOKEN) && !shown.contains("hunter22"), "{shown}");
}

const PRODUCT: Product = sample(SAMPLE);

#[test]
fn device_info_is_one_line_of_json() {
    let mut out = String::new();
    // The cut to 31 bytes may split a character; `board` is the template's name (Edgent's Console.h).
    let name = Ssid::new(b"Blynk \"A\\\x01\xC3-AB12").unwrap();
    reply::device_info(&mut out, &PRODUCT, &name).unwrap();
    assert_eq!(
        out,
        "{\"name\":\"Blynk \\\"A\\\\\\u0001\u{FFFD}-AB12\",\"board\":\"Test\",\"tmpl_id\":\"TMPLtest0001\",\
         \"fw_type\":\"TMPLtest0001\",\"fw_ver\":\"0.1.0\"}"
    );
}

#[test]
fn wifi_status_and_firmware_are_told_as_edgent_does() {
    let mac = EthernetAddress([0x24, 0x0A, 0xC4, 0, 1, 0x10]);
    let bssid = EthernetAddress([0xAA, 0xBB, 0xCC, 0, 0, 1]);
    let ssid = Ssid::new(b"HomeNet").unwrap();
    let mut out = String::new();
    let link = reply::WifiLink { ssid: &ssid, bssid, rssi: -52 };
    reply::wifi(&mut out, mac, Some(Ipv4Address::new(192, 168, 1, 20)), Some(&link)).unwrap();
    out.push('\n');
    reply::wifi(&mut out, mac, None, None).unwrap();
    out.push('\n');
    let network = Network { ssid: ssid.clone(), bssid, channel: 6, rssi: -52, security: Security::WpaWpa2 };
    reply::network(&mut out, &network, true).unwrap();
    out.push('\n');
    reply::network(&mut out, &network, false).unwrap();
    out.push('\n');
    let uptime = Duration::from_secs(2 * 86_400 + 23 * 3_600 + 59 * 60 + 58);
    reply::status(&mut out, uptime, State::Running).unwrap();
    out.push('\n');
    reply::firmware(&mut out, &PRODUCT).unwrap();
    assert_eq!(
        out,
        "mac:24:0A:C4:00:01:10 ip:192.168.1.20 (HomeNet [AA:BB:CC:00:00:01] -52dBm)\n\
         mac:24:0A:C4:00:01:10 ip:0.0.0.0\n\
         * HomeNet [aa:bb:cc:00:00:01] WPA+WPA2 ch:6 rssi:-52\n  \
           HomeNet [aa:bb:cc:00:00:01] WPA+WPA2 ch:6 rssi:-52\n \
         Uptime:    2d 23h 59m 58s\r\n \
         State:     RUNNING\n \
         Version:   0.1.0 (build Nov 22 2026 10:40:56)\r\n \
         Type:      TMPLtest0001\r\n \
         Platform:  ESP32-C3"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for line in type_in(&bytes).0.into_iter().flatten() {
            parse(line.as_bytes());
        }
        parse(&bytes);
    }

    #[test]
    fn escaped_secrets_survive_and_are_never_echoed(secret in "[ -~]{8,40}") {
        let escaped: String = secret.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
        let line = format!("connect {TOKEN} net {escaped}");
        let (_, echo) = type_in(line.as_bytes());
        prop_assert_eq!(echo, format!("connect {} net {}", "*".repeat(32), "*".repeat(escaped.len())));
        let Command::Connect(Ok(request)) = parse(line.as_bytes()) else { panic!("{line}") };
        prop_assert_eq!(request.passphrase.expose(), secret.as_bytes());
    }
}
