//! Every credential travels byte for byte: from a phone's form through HTTP into flash, and from flash to the
//! radio after the restart (failure catalogue, section 3).

use firmware_core::Duration;
use firmware_core::hal::RadioCommand;
use proptest::prelude::*;

use crate::support::{Bench, network};

/// What a user can type that some parser takes for its own.
const SPECIAL: &[u8] = b"+&%=;:?#/\\\"'<>() ";

/// How a form is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Encoding {
    /// In the path; bytes other than letters and digits as `%XX`.
    Query,
    /// In the path; every byte as `%xx`.
    QueryAll,
    /// In the body, as browsers do it: a space is `+`.
    Body,
    /// In parts, unencoded.
    Multipart,
}

fn percent(bytes: &[u8], encoding: Encoding) -> String {
    let encode = |byte: &u8| match (*byte, encoding) {
        (b' ', Encoding::Body) => "+".to_owned(),
        (byte, Encoding::QueryAll) => format!("%{byte:02x}"),
        (byte, _) if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) => char::from(byte).to_string(),
        (byte, _) => format!("%{byte:02X}"),
    };
    bytes.iter().map(encode).collect()
}

fn request(fields: &[(&str, &[u8])], encoding: Encoding) -> Vec<u8> {
    let pairs: Vec<String> =
        fields.iter().map(|(key, value)| format!("{key}={}", percent(value, encoding))).collect();
    let form = pairs.join("&");
    let (kind, body) = match encoding {
        Encoding::Query | Encoding::QueryAll => {
            return format!("GET /config?{form} HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n").into_bytes();
        }
        Encoding::Body => ("application/x-www-form-urlencoded", form.into_bytes()),
        Encoding::Multipart => {
            let mut body = Vec::new();
            for (key, value) in fields {
                let head = format!("--Bound\r\nContent-Disposition: form-data; name=\"{key}\"\r\n\r\n");
                body.extend([head.as_bytes(), value, b"\r\n"].concat());
            }
            body.extend(b"--Bound--\r\n");
            ("multipart/form-data; boundary=Bound", body)
        }
    };
    let head = format!(
        "POST /config HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// Sends credentials, and looks at what flash holds and what the radio is told after the restart.
fn travel(ssid: &[u8], passphrase: &[u8], token: &[u8], encoding: Encoding) -> Result<(), TestCaseError> {
    let mut bench = Bench::new(false);
    bench.networks = vec![network(ssid, 1, -50)];
    let phone = bench.add_station(2);
    let request = request(&[("ssid", ssid), ("pass", passphrase), ("blynk", token)], encoding);
    let conn = bench.send(phone, &request);
    prop_assert!(bench.run_until(Duration::from_secs(2), |bench| bench.conn(conn).is_over()));
    prop_assert!(bench.conn(conn).text().starts_with("HTTP/1.1 200 "), "{}", bench.conn(conn).text());
    let config = bench.stored().trial.expect("a trial is stored").config;
    prop_assert_eq!(config.ssid.as_bytes(), ssid);
    prop_assert_eq!(config.passphrase.expose(), passphrase);
    prop_assert_eq!(&config.token.expose()[..], token);
    let mut joined = None;
    bench.run_until(Duration::from_secs(10), |bench| {
        joined = bench.commands.iter().find_map(|command| match command {
            RadioCommand::Join { ssid, passphrase, .. } => Some((ssid.clone(), passphrase.clone())),
            _ => None,
        });
        joined.is_some()
    });
    let (told_ssid, told_passphrase) = joined.expect("the radio is told to join");
    prop_assert_eq!((told_ssid.as_bytes(), told_passphrase.expose()), (ssid, passphrase));
    let printed = bench.console.as_bytes();
    for secret in [passphrase, token] {
        let is_printed = secret.len() >= 8 && printed.windows(secret.len()).any(|window| window == secret);
        prop_assert!(!is_printed, "a secret on the console");
    }
    Ok(())
}

fn encoding() -> impl Strategy<Value = Encoding> {
    prop_oneof![
        Just(Encoding::Query),
        Just(Encoding::QueryAll),
        Just(Encoding::Body),
        Just(Encoding::Multipart),
    ]
}

/// Bytes in which the special ones are as frequent as all others together.
fn bytes(len: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![prop::sample::select(SPECIAL), 1..=255_u8], len)
}

fn token() -> impl Strategy<Value = Vec<u8>> {
    let characters = b"ABCXYZabcxyz0189-_";
    prop::collection::vec(prop::sample::select(&characters[..]), 32)
}

fn passphrase() -> impl Strategy<Value = Vec<u8>> {
    let raw_key = prop::collection::vec(prop::sample::select(&b"0123456789abcdefABCDEF"[..]), 64);
    prop_oneof![4 => bytes(8..=63), 1 => raw_key, 1 => Just(Vec::new())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_credential_travels_byte_for_byte(
        ssid in bytes(1..=32),
        passphrase in passphrase(),
        token in token(),
        encoding in encoding(),
    ) {
        travel(&ssid, &passphrase, &token, encoding)?;
    }
}

/// Every special character at the beginning, in the middle and at the end.
fn corpus() -> Vec<Vec<u8>> {
    let around = |byte: u8| [&[byte][..], b"abc", &[byte], b"def", &[byte]].concat();
    let mut corpus: Vec<Vec<u8>> = SPECIAL.iter().map(|byte| around(*byte)).collect();
    corpus.extend([
        b"  two spaces at each end  ".to_vec(),
        b"%20%2b%%".to_vec(),
        b"a=b&pass=c".to_vec(),
        "0123456789012345678901234567890é".as_bytes()[..32].to_vec(),
        "💡💡💡💡💡💡💡💡".as_bytes().to_vec(),
        vec![b'x'; 32],
        vec![0xFF; 31],
    ]);
    corpus
}

/// A passphrase like this network name, but another one: the name may be printed.
fn passphrase_like(text: &[u8]) -> Vec<u8> {
    let swap = |byte: &u8| if byte.is_ascii_lowercase() { byte.to_ascii_uppercase() } else { *byte };
    let swapped: Vec<u8> = text.iter().map(swap).collect();
    if swapped == text { [b"pw", text].concat() } else { swapped }
}

#[test]
fn the_corpus_travels_in_every_encoding() {
    let token = b"GoldenToken0123456789abcdefghij_";
    for text in corpus() {
        let passphrase = passphrase_like(&text);
        for encoding in [Encoding::Query, Encoding::QueryAll, Encoding::Body, Encoding::Multipart] {
            travel(&text, &passphrase, token, encoding).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        }
    }
    for ssid in (1..=255_u8).collect::<Vec<u8>>().chunks(32) {
        travel(ssid, b"", token, Encoding::Query).unwrap();
    }
}
