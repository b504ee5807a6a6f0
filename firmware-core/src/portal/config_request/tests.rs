use std::format;
use std::string::{String, ToString};

use super::*;
use crate::portal::http::Request;

const TOKEN: &str = "0123456789abcdefghijklmnopqr-_XY";

fn parse(query: &str) -> Result<ConfigRequest, Invalid> {
    let request =
        Request { method: "GET", path: b"/config", query: query.as_bytes(), content_type: b"", body: b"" };
    parse_config(&Arguments::of(&request))
}

/// A request that is valid but for what `more` brings.
fn with(more: &str) -> Result<ConfigRequest, Invalid> {
    parse(&format!("{more}&ssid=HomeNet&pass=correct+horse&blynk={TOKEN}"))
}

#[track_caller]
fn check_refused(more: &str, expected: Invalid) {
    assert_eq!(with(more), Err(expected), "{more}");
}

#[test]
fn what_the_app_sends_is_understood() {
    let query = format!(
        "if=wifi&ssid=HomeNet&pass=correct+horse&blynk={TOKEN}&host=fra1.blynk.cloud&port=80&port_ssl=443"
    );
    let ConfigRequest { config, save } = parse(&query).unwrap();
    assert_eq!(config.ssid.as_bytes(), b"HomeNet");
    assert_eq!(config.passphrase.expose(), b"correct horse");
    assert_eq!(config.token.expose(), TOKEN.as_bytes());
    assert_eq!(config.host, "fra1.blynk.cloud");
    assert_eq!(config.port, 443);
    assert_eq!(config.static_ip, None);
    assert!(!save);
}

#[test]
fn a_network_and_a_token_are_enough() {
    let ConfigRequest { config, save } = parse(&format!("ssid=x&blynk={TOKEN}")).unwrap();
    assert!(config.passphrase.is_empty() && !save);
    assert_eq!((config.host.as_str(), config.port), ("blynk.cloud", 443));
    let same = parse(&format!("ssid=x&blynk={TOKEN}&pass=&host=&port_ssl=&ip=&save=")).unwrap().config;
    assert_eq!(config, same);
}

#[test]
fn a_name_typed_by_hand_wins() {
    assert_eq!(with("ssidManual=Other").unwrap().config.ssid.as_bytes(), b"Other");
    assert_eq!(with("ssidManual=").unwrap().config.ssid.as_bytes(), b"HomeNet");
    check_refused(&format!("ssidManual={}", "x".repeat(33)), Invalid::Ssid);
}

#[test]
fn names_are_bytes_and_none_is_cut() {
    let quoted = with("ssid=%22hotchs%22").unwrap().config.ssid;
    assert_eq!(quoted.as_bytes(), b"\"hotchs\"");
    let spaced = with("ssid=%20a%FF%00%20").unwrap().config.ssid;
    assert_eq!(spaced.as_bytes(), b" a\xFF\x00 ");
    assert_eq!(with(&format!("ssid={}", "x".repeat(32))).unwrap().config.ssid.as_bytes().len(), 32);
    check_refused(&format!("ssid={}", "x".repeat(33)), Invalid::Ssid);
    check_refused("ssid=", Invalid::Ssid);
    assert_eq!(parse(&format!("blynk={TOKEN}")), Err(Invalid::Ssid));
}

#[test]
fn passphrases_have_the_lengths_that_wpa_allows() {
    for pass in ["12345678", &"x".repeat(63), &"aB".repeat(32), "%ff%01+trailing+"] {
        assert!(with(&format!("pass={pass}")).is_ok(), "{pass}");
    }
    for pass in ["1", "1234567", &"x".repeat(64), &"ab".repeat(33), "1234%005678"] {
        check_refused(&format!("pass={pass}"), Invalid::Passphrase);
    }
    // A raw key keeps its last digit (Edgent drops it).
    let key = "0123456789abcdef".repeat(4);
    assert_eq!(with(&format!("pass={key}")).unwrap().config.passphrase.expose(), key.as_bytes());
}

#[test]
fn tokens_have_exactly_32_bytes() {
    for len in [0, 31, 33] {
        check_refused(&format!("blynk={}", "t".repeat(len)), Invalid::Token);
    }
    assert_eq!(parse("ssid=x"), Err(Invalid::Token));
}

#[test]
fn servers_are_names_or_addresses() {
    let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
    for host in ["a", "192.168.1.10", "my-server.local", "local_server", "+blynk.cloud+", &longest] {
        let parsed = with(&format!("host={host}")).unwrap().config.host;
        assert_eq!(parsed, host.trim_matches('+'));
    }
    let too_long = format!("{longest}b");
    let long_label = "a".repeat(64);
    for host in [
        "a..b",
        ".a",
        "a.",
        "-a.b",
        "a-.b",
        "a%20b",
        "http://a",
        "a:443",
        "1.2.3",
        "1.2.3.256",
        "caf%c3%a9",
        "%ff",
    ] {
        check_refused(&format!("host={host}"), Invalid::Host);
    }
    check_refused(&format!("host={too_long}"), Invalid::Host);
    check_refused(&format!("host={long_label}"), Invalid::Host);
}

#[test]
fn ports_are_numbers_in_range() {
    for (text, port) in [("1", 1), ("8080", 8080), ("+65535+", 65535), ("00443", 443)] {
        assert_eq!(with(&format!("port_ssl={text}")).unwrap().config.port, port);
    }
    for text in ["0", "65536", "-443", "%2B443", "443x", "0x1bb", "99999999999999999999999999"] {
        check_refused(&format!("port_ssl={text}"), Invalid::Port);
    }
}

#[test]
fn save_is_an_integer_or_true() {
    for (text, expected) in
        [("1", true), ("true", true), ("2x", true), ("-1", true), ("0", false), ("no", false), ("x1", false)]
    {
        assert_eq!(with(&format!("save={text}")).unwrap().save, expected, "{text}");
    }
}

#[test]
fn fixed_addresses_make_an_interface() {
    let query = "ip=192.168.1.50&mask=255.255.255.0&gw=192.168.1.1&dns=1.1.1.1&dns2=8.8.8.8";
    let expected = StaticIp {
        ip: Ipv4Address::new(192, 168, 1, 50),
        mask: Ipv4Address::new(255, 255, 255, 0),
        gateway: Ipv4Address::new(192, 168, 1, 1),
        dns: Ipv4Address::new(1, 1, 1, 1),
        dns2: Ipv4Address::new(8, 8, 8, 8),
    };
    assert_eq!(with(query).unwrap().config.static_ip, Some(expected));
    assert!(with("ip=10.0.0.9&mask=255.0.0.0").unwrap().config.static_ip.is_some());
    // Without an address of its own the device asks for one, whatever else was sent.
    for query in ["mask=255.255.255.0&gw=nonsense", "ip=0.0.0.0&mask=0.0.0.0"] {
        assert_eq!(with(query).unwrap().config.static_ip, None, "{query}");
    }
}

#[test]
fn unusable_addresses_are_refused() {
    for query in [
        "ip=192.168.1",
        "ip=192.168.1.256",
        "ip=192.168.1.50",
        "ip=192.168.1.50&mask=255.0.255.0",
        "ip=192.168.1.50&mask=255.255.255.255",
        "ip=192.168.1.0&mask=255.255.255.0",
        "ip=192.168.1.255&mask=255.255.255.0",
        "ip=127.0.0.1&mask=255.0.0.0",
        "ip=224.0.0.5&mask=255.255.255.0",
        "ip=192.168.1.50&mask=255.255.255.0&gw=192.168.2.1",
        "ip=192.168.1.50&mask=255.255.255.0&gw=192.168.1.50",
        "ip=192.168.1.50&mask=255.255.255.0&gw=router",
        "ip=192.168.1.50&mask=255.255.255.0&dns=255.255.255.255",
        "ip=192.168.1.50&mask=255.255.255.0&dns2=224.0.0.1",
    ] {
        check_refused(query, Invalid::StaticIp);
    }
}

#[test]
fn secrets_stay_out_of_debug_output() {
    let shown: String = format!("{:?}", with("").unwrap());
    assert!(!shown.contains("horse") && !shown.contains(TOKEN), "{shown}");
}

#[test]
fn every_reason_says_what_is_wrong() {
    let reasons =
        [Invalid::Ssid, Invalid::Passphrase, Invalid::Token, Invalid::Host, Invalid::Port, Invalid::StaticIp];
    let told = reasons.map(|reason| reason.to_string());
    for (place, text) in told.iter().enumerate() {
        assert!(text.len() > 3 && !told[place + 1..].contains(text), "{text}");
    }
}
