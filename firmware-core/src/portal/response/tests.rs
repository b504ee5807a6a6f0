use std::string::String;
use std::vec;
use std::vec::Vec as StdVec;

use proptest::prelude::*;

use super::*;
use crate::hal::Security;
use crate::product::{Identity, SAMPLE, sample};

const LAMP: Product = sample(Identity {
    template_id: "TMPL4lampXyz1",
    template_name: "Smart \"Lamp\"",
    firmware_version: "1.2.0",
    ..SAMPLE
});
const MAC: EthernetAddress = EthernetAddress([0x24, 0x0A, 0xC4, 0x00, 0x01, 0x10]);

fn network(name: &[u8], rssi: i8, security: Security) -> Network {
    Network { ssid: Ssid::new(name).unwrap(), bssid: MAC, channel: 11, rssi, security }
}

/// The whole answer, and that it is the same whatever the size of the window.
#[track_caller]
fn render(response: &Response, networks: &[Network]) -> String {
    let ap_ssid = Ssid::new(b"Blynk Smart \"Lamp\"-R40J").unwrap();
    let ap_bssid = EthernetAddress([0x24, 0x0A, 0xC4, 0x00, 0x01, 0x11]);
    let context =
        Context { product: &LAMP, ap_ssid: &ap_ssid, ap_bssid, mac: MAC, last_error: 722, networks };
    let mut whole = vec![0; 16_384];
    let len = response.write(&context, 0, &mut whole);
    assert!(len < whole.len(), "an answer that leaves room is complete");
    whole.truncate(len);
    for size in [1, 7, 100, 536, len] {
        let mut parts = StdVec::new();
        let mut window = vec![0; size];
        loop {
            let written = response.write(&context, parts.len(), &mut window);
            if written == 0 {
                break;
            }
            parts.extend_from_slice(&window[..written]);
        }
        assert_eq!(parts, whole, "in windows of {size}");
    }
    String::from_utf8(whole).unwrap()
}

/// The body of an answer whose head is in order.
#[track_caller]
fn body_of(content: Content, networks: &[Network], status: &str, media_type: &str) -> String {
    let whole = render(&Response::new(content, false), networks);
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    let expected = [
        std::format!("HTTP/1.1 {status}"),
        std::format!("Content-Type: {media_type}"),
        std::format!("Content-Length: {}", body.len()),
        "Connection: close".into(),
        "Cache-Control: no-store".into(),
    ];
    assert_eq!(head.split("\r\n").collect::<StdVec<_>>(), expected);
    body.into()
}

#[track_caller]
fn check(content: Content, status: &str, media_type: &str, body: &str) {
    assert_eq!(body_of(content, &[], status, media_type), body);
}

#[test]
fn only_the_list_of_networks_holds_on_to_a_scan() {
    assert!(Response::new(Content::WifiScan, false).lists_networks());
    assert!(!Response::new(Content::BoardInfo, false).lists_networks());
}

#[test]
fn board_info_is_one_line_in_edgents_order() {
    check(
        Content::BoardInfo,
        "200 OK",
        "application/json",
        "{\"board\":\"Smart \\\"Lamp\\\"\",\"tmpl_id\":\"TMPL4lampXyz1\",\"fw_type\":\"TMPL4lampXyz1\",\
         \"fw_ver\":\"1.2.0\",\"ssid\":\"Blynk Smart \\\"Lamp\\\"-R40J\",\"bssid\":\"24:0A:C4:00:01:11\",\
         \"mac\":\"24:0A:C4:00:01:10\",\"last_error\":722,\"wifi_scan\":true,\"static_ip\":true}",
    );
}

#[test]
fn networks_are_listed_in_edgents_layout() {
    let networks = [
        network(b"a\"b\\c\x01", -40, Security::WpaWpa2),
        network("caf\u{e9}".as_bytes(), -60, Security::Open),
        network(b"\xF0\x9F\xFFx", -70, Security::Wpa3),
        network(b"", -90, Security::Wep),
    ];
    let body = body_of(Content::WifiScan, &networks, "200 OK", "application/json");
    let bssid = "\"bssid\":\"24:0A:C4:00:01:10\"";
    let expected = [
        "[".into(),
        std::format!(r#"  {{"ssid":"a\"b\\c\u0001",{bssid},"rssi":-40,"sec":"WPA+WPA2","ch":11}},"#),
        std::format!("  {{\"ssid\":\"caf\u{e9}\",{bssid},\"rssi\":-60,\"sec\":\"OPEN\",\"ch\":11}},"),
        std::format!("  {{\"ssid\":\"\u{FFFD}\u{FFFD}x\",{bssid},\"rssi\":-70,\"sec\":\"WPA3\",\"ch\":11}},"),
        std::format!("  {{\"ssid\":\"\",{bssid},\"rssi\":-90,\"sec\":\"WEP\",\"ch\":11}}"),
        "]".into(),
    ];
    assert_eq!(body.split('\n').collect::<StdVec<_>>(), expected);
    check(Content::WifiScan, "200 OK", "application/json", "[]");
}

#[test]
fn fixed_answers_are_edgents() {
    let json = "application/json";
    check(CONFIG_OK, "200 OK", json, r#"{"status":"ok","msg":"Trying to connect..."}"#);
    check(CONFIG_SAVED, "200 OK", json, r#"{"status":"ok","msg":"Configuration saved"}"#);
    let invalid = r#"{"status":"error","msg":"Configuration invalid"}"#;
    check(CONFIG_INVALID, "500 Internal Server Error", json, invalid);
    check(CONFIG_BUSY, "409 Conflict", json, r#"{"status":"error","msg":"Already trying to connect"}"#);
    check(RESET_OK, "200 OK", json, r#"{"status":"ok","msg":"Configuration reset"}"#);
    check(Content::Error(Status::UriTooLong), "414 URI Too Long", "text/plain", "URI Too Long");
}

#[test]
fn an_unknown_path_is_repeated_without_harm() {
    let found = |path: &[u8]| Content::NotFound(Uri::new(path));
    check(found(b"/x.html"), "404 Not Found", "text/html", "Not found: /x.html");
    check(
        found(b"/<script>'\"&\xFF"),
        "404 Not Found",
        "text/html",
        "Not found: /&lt;script&gt;&#39;&quot;&amp;\u{FFFD}",
    );
    check(found(&[b'/'; 129]), "404 Not Found", "text/html", "Not found: ");
}

#[test]
fn a_captive_portal_leads_to_the_page() {
    let response = Response::new(Content::Redirect, false);
    assert_eq!(
        render(&response, &[]),
        "HTTP/1.1 302 Found\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\
         Location: http://192.168.4.1/\r\nConnection: close\r\nCache-Control: no-store\r\n\r\n",
    );
}

#[test]
fn head_tells_the_length_of_a_body_it_does_not_have() {
    let full = render(&Response::new(Content::BoardInfo, false), &[]);
    let head = render(&Response::new(Content::BoardInfo, true), &[]);
    assert_eq!(head, full[..full.find('{').unwrap()]);
}

#[test]
fn the_page_is_small_and_needs_nothing_from_elsewhere() {
    let page = body_of(Content::Page, &[], "200 OK", "text/html");
    assert!(page.len() < 6 * 1024, "{} bytes", page.len());
    assert!(page.contains("<title>WiFi setup</title>"));
    for outside in ["http:", "https:", "//", "src=", "@import", "url("] {
        let lines: StdVec<_> = page.lines().filter(|line| line.contains(outside)).collect();
        assert!(lines.is_empty(), "{lines:?}");
    }
    // A form without a method would put the passphrase into the address.
    assert!(page.contains("action=\"/config\" method=\"post\""));
    for name in ["ssid", "pass", "blynk", "host", "port_ssl"] {
        assert!(page.contains(&std::format!("name=\"{name}\"")), "{name}");
    }
    for error in crate::config::ProvisionError::ALL {
        assert!(page.contains(&std::format!("{}:\"", error.code())), "{error:?}");
    }
}

fn networks() -> impl Strategy<Value = StdVec<Network>> {
    let name = prop::collection::vec(any::<u8>(), 0..=32);
    prop::collection::vec((name, -100i8..0), 0..15).prop_map(|networks| {
        networks.into_iter().map(|(name, rssi)| network(&name, rssi, Security::Wpa2)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_names_make_valid_json_of_the_told_length(networks in networks()) {
        let body = body_of(Content::WifiScan, &networks, "200 OK", "application/json");
        // Between the quotes of a name nothing is left that could end it.
        for line in body.lines().filter(|line| line.contains("ssid")) {
            let name = line.split_once("\"ssid\":\"").unwrap().1.rsplit_once("\",\"bssid\"").unwrap().0;
            let mut rest = name.chars();
            while let Some(character) = rest.next() {
                prop_assert!(character != '"' && character >= ' ', "{name:?}");
                if character == '\\' {
                    prop_assert!(matches!(rest.next(), Some('"' | '\\' | 'u')), "{name:?}");
                }
            }
        }
    }

    #[test]
    fn any_path_can_be_unknown(path in prop::collection::vec(any::<u8>(), 0..200)) {
        let body = body_of(Content::NotFound(Uri::new(&path)), &[], "404 Not Found", "text/html");
        prop_assert!(!body.contains(['<', '>', '"', '\'']));
    }
}
