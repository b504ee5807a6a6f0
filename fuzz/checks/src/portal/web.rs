//! The portal's HTTP, from bytes to a configuration and from networks to JSON.

use firmware_core::config::{Config, SSID_LEN_MAX, Ssid};
use firmware_core::hal::{Network, Security};
use firmware_core::portal::config_request::{ConfigRequest, is_usable, parse_config};
use firmware_core::portal::form::{Argument, Arguments};
use firmware_core::portal::http::{Parse, REQUEST_LEN_MAX, Request, parse};
use firmware_core::portal::response::{Content, Context, Response, Uri};
use firmware_core::portal::routes::{Route, route};
use firmware_core::portal::scan_list::{NETWORKS_MAX, ScanList};
use hil_sim::scenario::DEFAULT_PRODUCT;
use serde_json::Value;
use smoltcp::wire::EthernetAddress;

use crate::input::Input;

/// How many bytes are looked at one by one behind the end of a request.
const BEHIND: usize = 16;
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// One connection's bytes.
///
/// Whether they come whole or one at a time, the answer is the same and the first one stands; a full buffer always
/// has one; and a request that is written out again is the same request.
pub(crate) fn http(bytes: &[u8]) {
    check_connection(bytes, REQUEST_LEN_MAX);
    // A small buffer is full at every place that the fuzzer likes to look at.
    let capacity = usize::from(bytes.first().copied().unwrap_or(0));
    check_connection(bytes, capacity);
}

fn check_connection(bytes: &[u8], capacity: usize) {
    let whole = parse(bytes, capacity);
    let is_final = |parse: &Parse<'_>| matches!(parse, Parse::Request(_) | Parse::Refused(_));
    let mut first = None;
    for len in 0..=bytes.len() {
        let now = parse(&bytes[..len], capacity);
        if first.is_none() && is_final(&now) {
            first = Some((len, now));
        }
        if let Some((end, first)) = first {
            assert_eq!(now, first, "after {end} bytes and after {len}");
            if len > end + BEHIND {
                break;
            }
        }
    }
    assert_eq!(first.map(|(_, parse)| parse), Some(whole).filter(is_final));
    assert!(bytes.len() < capacity || is_final(&whole), "a full buffer waits for more");
    if let Parse::Request(request) = whole {
        check_request(&request);
    }
}

fn check_request(request: &Request<'_>) {
    assert!(request.path.starts_with(b"/") || request.path == b"*");
    let target = [request.path, request.query].concat();
    assert!(!target.iter().any(|byte| byte.is_ascii_control() || *byte == b' '));
    let written = write(request);
    assert_eq!(parse(&written, written.len()), Parse::Request(*request));
    assert_eq!(
        route(request, false) == Route::NotFound,
        matches!(route(request, true), Route::Redirect | Route::NotFound)
    );
    let uri = Response::new(Content::NotFound(Uri::new(request.path)), request.is_head());
    let (_, body) = rendered(&uri, &[], b"net");
    assert!(!body.contains(['<', '>', '"', '\'']), "{body}");
}

fn write(request: &Request<'_>) -> Vec<u8> {
    let mark: &[u8] = if request.query.is_empty() { b"" } else { b"?" };
    let length = request.body.len().to_string();
    [
        request.method.as_bytes(),
        b" ",
        request.path,
        mark,
        request.query,
        b" HTTP/1.1\r\nContent-Type: ",
        request.content_type,
        b"\r\ncontent-length:",
        length.as_bytes(),
        b"\r\n\r\n",
        request.body,
    ]
    .concat()
}

/// A form: its type, the query, the body.
///
/// What is read is no longer than what came, a value that is too long is refused whole, and arguments that are
/// written out again, every byte escaped, are the same arguments.
pub(crate) fn form(bytes: &[u8]) {
    let request = request(bytes);
    let arguments = Arguments::of(&request);
    let read: Vec<_> = arguments.iter().map(|argument| decoded(&argument)).collect();
    let len: usize = read.iter().map(|(key, value)| key.len() + value.len()).sum();
    assert!(len <= request.query.len() + request.body.len());
    if request.content_type == FORM {
        let expected = [read_plainly(request.query), read_plainly(request.body)].concat();
        assert_eq!(read, expected);
    }
    let written = escape(&read);
    let again = Request { query: b"", content_type: FORM, body: written.as_bytes(), ..request };
    let again: Vec<_> = Arguments::of(&again).iter().map(|argument| decoded(&argument)).collect();
    assert_eq!(again, read);
    for (key, _) in &read {
        let Ok(key) = std::str::from_utf8(key) else { continue };
        let first = read.iter().find(|(other, _)| other == key.as_bytes()).map(|(_, value)| value);
        let found = arguments.get(key).map(|value| value.bytes().collect::<Vec<_>>());
        assert_eq!(found.as_ref(), first);
        let short = arguments.get(key).and_then(|value| value.decode::<8>().ok());
        assert_eq!(short.as_deref(), first.map(Vec::as_slice).filter(|value| value.len() <= 8));
    }
}

/// A second implementation of `application/x-www-form-urlencoded`, with a heap.
fn read_plainly(text: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    // One character for each byte, so that text functions can be used on any bytes.
    let text: String = text.iter().map(|byte| char::from(*byte)).collect();
    let decode = |text: &str| {
        let mut pieces = text.split('%');
        let mut decoded = pieces.next().unwrap_or_default().replace('+', " ");
        for piece in pieces {
            let byte = piece.get(..2).filter(|digits| !digits.contains('+'));
            match byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => decoded.extend([char::from(byte).to_string(), piece[2..].replace('+', " ")]),
                None => decoded.extend(["%".to_owned(), piece.replace('+', " ")]),
            }
        }
        decoded.chars().map(|c| u8::try_from(c).expect("a byte")).collect::<Vec<_>>()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(a, b)| (decode(a), decode(b)))
        .collect()
}

fn request(bytes: &[u8]) -> Request<'_> {
    let mut input = Input(bytes);
    let content_type = match input.byte() {
        0 => b"",
        1 => FORM,
        2 => b"multipart/form-data; boundary=b",
        _ => input.short_piece(),
    };
    let query = input.piece();
    Request { method: "POST", path: b"/config", query, content_type, body: input.0 }
}

fn decoded(argument: &Argument<'_>) -> (Vec<u8>, Vec<u8>) {
    assert_eq!(argument.value.is_empty(), argument.value.bytes().next().is_none());
    (argument.key.bytes().collect(), argument.value.bytes().collect())
}

fn escape(arguments: &[(Vec<u8>, Vec<u8>)]) -> String {
    let escaped = |bytes: &[u8]| bytes.iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let pairs = arguments.iter().map(|(key, value)| format!("{}={}", escaped(key), escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A form that may be a configuration.
///
/// One that is accepted keeps every bound, is the same when it is written out and read again, and shows neither
/// token nor passphrase.
pub(crate) fn config_request(bytes: &[u8]) {
    let request = request(bytes);
    let Ok(parsed) = parse_config(&Arguments::of(&request)) else { return };
    let ConfigRequest { config, save } = &parsed;
    assert!((1..=SSID_LEN_MAX).contains(&config.ssid.as_bytes().len()));
    assert!(matches!(config.passphrase.expose().len(), 0 | 8..=64) && config.port != 0);
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    assert!((1..=253).contains(&config.host.len()) && config.host.bytes().all(is_host), "{}", config.host);
    assert!(config.static_ip.as_ref().is_none_or(is_usable));
    let written = escape(&arguments_of(config, *save));
    let again = Request { query: b"", content_type: FORM, body: written.as_bytes(), ..request };
    assert_eq!(parse_config(&Arguments::of(&again)).as_ref(), Ok(&parsed));
    check_shown(&parsed);
}

fn arguments_of(config: &Config, save: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut arguments = vec![
        ("ssid", config.ssid.as_bytes().to_vec()),
        ("pass", config.passphrase.expose().to_vec()),
        ("blynk", config.token.expose().to_vec()),
        ("host", config.host.as_bytes().to_vec()),
        ("port_ssl", config.port.to_string().into_bytes()),
        ("save", vec![b'0' + u8::from(save)]),
    ];
    if let Some(fixed) = config.static_ip {
        let addresses = [fixed.ip, fixed.mask, fixed.gateway, fixed.dns, fixed.dns2];
        let texts = addresses.map(|address| address.to_string().into_bytes());
        arguments.extend(["ip", "mask", "gw", "dns", "dns2"].into_iter().zip(texts));
    }
    arguments.into_iter().map(|(key, value)| (key.as_bytes().to_vec(), value)).collect()
}

fn check_shown(parsed: &ConfigRequest) {
    let config = &parsed.config;
    let shown = format!("{parsed:?}");
    assert!(!shown.contains(char::is_control), "{shown:?}");
    let hidden = Config { passphrase: Default::default(), ..config.clone() };
    let without = format!("{:?}", ConfigRequest { config: hidden, save: parsed.save });
    let expected = if config.passphrase.is_empty() {
        shown.clone()
    } else {
        shown.replacen("passphrase: ***", "passphrase: none", 1)
    };
    assert_eq!(without, expected, "a passphrase shows nothing but that it is there");
    let Ok(token) = std::str::from_utf8(config.token.expose()) else { return };
    let is_elsewhere = config.ssid.to_string().contains(token) || config.host.contains(token);
    assert!(is_elsewhere || !shown.contains(token));
}

/// Networks as a radio hears them, and the pieces in which the answer is sent.
///
/// The list is JSON that says what was heard, at most fifteen, the strongest first; its length is the one that
/// was announced; and it is the same however it is cut.
pub(crate) fn scan_list(bytes: &[u8]) {
    let mut input = Input(bytes);
    let window = usize::from(input.byte()).max(1);
    let ap_ssid = input.short_piece();
    let ap_ssid = &ap_ssid[..ap_ssid.len().min(SSID_LEN_MAX)];
    let mut list = ScanList::new();
    let mut heard = Vec::new();
    while !input.is_empty() {
        let network = network(&mut input);
        heard.push(network.clone());
        list.add(network);
    }
    let networks = list.networks();
    let mut access_points: Vec<_> = heard.iter().map(|network| network.bssid).collect();
    access_points.sort();
    access_points.dedup();
    assert_eq!(networks.len(), access_points.len().min(NETWORKS_MAX));
    assert!(networks.is_sorted_by(|a, b| a.rssi >= b.rssi));
    for network in networks {
        assert!(heard.iter().any(|other| other.bssid == network.bssid && other.rssi == network.rssi));
    }
    for content in [Content::WifiScan, Content::BoardInfo] {
        let response = Response::new(content, false);
        let (whole, body) = rendered(&response, networks, ap_ssid);
        assert_eq!(in_windows(&response, networks, ap_ssid, window), whole);
        let json: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        match json {
            Value::Array(entries) => check_entries(&entries, networks),
            board => assert_eq!(board["ssid"], *String::from_utf8_lossy(ap_ssid)),
        }
    }
}

fn network(input: &mut Input<'_>) -> Network {
    const SECURITIES: [Security; 8] = [
        Security::Open,
        Security::Wep,
        Security::Wpa,
        Security::Wpa2,
        Security::WpaWpa2,
        Security::Wpa2Enterprise,
        Security::Wpa3,
        Security::Wpa2Wpa3,
    ];
    let bssid = EthernetAddress([2, 0, 0, 0, 0, input.byte()]);
    let rssi = i8::from_le_bytes([input.byte()]);
    let kind = input.byte();
    let ssid = input.short_piece();
    Network {
        ssid: Ssid::new(&ssid[..ssid.len().min(SSID_LEN_MAX)]).expect("32 bytes fit"),
        bssid,
        channel: kind >> 4,
        rssi,
        security: SECURITIES[usize::from(kind & 7)],
    }
}

fn check_entries(entries: &[Value], networks: &[Network]) {
    assert_eq!(entries.len(), networks.len());
    for (entry, network) in entries.iter().zip(networks) {
        assert_eq!(entry["ssid"], *String::from_utf8_lossy(network.ssid.as_bytes()));
        assert_eq!(entry["rssi"], network.rssi);
        assert_eq!(entry["sec"], network.security.name());
        assert_eq!(entry["ch"], network.channel);
        let bssid = network.bssid.to_string().replace('-', ":").to_uppercase();
        assert_eq!(entry["bssid"], bssid);
    }
}

/// A response in one piece, and its body.
fn rendered(response: &Response, networks: &[Network], ap_ssid: &[u8]) -> (Vec<u8>, String) {
    let whole = in_windows(response, networks, ap_ssid, 64 * 1024);
    let text = String::from_utf8(whole.clone()).expect("responses are text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let announced = head.split_once("Content-Length: ").expect("a length").1.lines().next();
    let is_head = body.is_empty();
    assert!(is_head || announced == Some(&*body.len().to_string()), "{head}");
    (whole, body.to_owned())
}

fn in_windows(response: &Response, networks: &[Network], ap_ssid: &[u8], window: usize) -> Vec<u8> {
    let context = Context {
        product: &DEFAULT_PRODUCT,
        ap_ssid: &Ssid::new(ap_ssid).expect("at most 32 bytes"),
        ap_bssid: EthernetAddress([2, 0, 0, 0, 0, 1]),
        mac: EthernetAddress([2, 0, 0, 0, 0, 2]),
        last_error: 722,
        networks,
    };
    let mut whole = Vec::new();
    let mut buffer = vec![0; window];
    loop {
        let len = response.write(&context, whole.len(), &mut buffer);
        whole.extend_from_slice(&buffer[..len]);
        if len < window {
            assert_eq!(response.write(&context, whole.len(), &mut buffer), 0, "there is more");
            return whole;
        }
    }
}
