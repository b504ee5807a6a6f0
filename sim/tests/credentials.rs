//! The credential corpus of the failure catalogue (section 3) through the whole path: the phone's form, HTTP, the
//! firmware, its flash, a restart, and what the radio is told to join, byte for byte.
//!
//! `outside/credentials.rs` does the same on the bench with encodings that no phone here has.

use firmware_core::hal::RadioCommand;
use hil_sim::runner::{DEFAULT_SEED, Harness, Outcome, run};
use hil_sim::scenario::Scenario;
use hil_sim::trace::What;
use hil_sim::world::NodeId;
use proptest::prelude::*;

/// What a user can type that some parser takes for its own.
const SPECIAL: &[u8] = b"+&%=;:?#/\\\"'<> ()";
/// Of the right form; the simulated cloud does not know it.
const TOKEN: &str = "CorpusToken0123456789abcdefghij-";

/// Who sends the form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sender {
    /// The app: in the path, with `%XX` for everything but letters and digits. It ends in the cloud.
    App,
    /// A browser: in the body, with `+` for a space. Its token is one that the cloud refuses.
    Browser,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("hex:".to_owned(), |text, byte| text + &format!("{byte:02X}"))
}

/// Encodes as the URL Standard wants it of browsers (`application/x-www-form-urlencoded`).
fn form_encoded(bytes: &[u8]) -> String {
    let encode = |byte: &u8| match *byte {
        b' ' => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    bytes.iter().map(encode).collect()
}

fn play(world: &str, steps: &[String]) -> Outcome {
    let steps: String = steps.iter().map(|step| format!("  - {step}\n")).collect();
    let text = format!("format: 1\ntitle: A credential\nworld:\n{world}steps:\n{steps}");
    let scenario = Scenario::parse("credential.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
    run(&scenario, &Harness::EXAMPLE, DEFAULT_SEED)
}

/// Whom the device's radio was told to join, in order, and with what.
fn joins(outcome: &Outcome) -> Vec<(Vec<u8>, Vec<u8>)> {
    let join = |what: &What| match what {
        What::Radio(RadioCommand::Join { ssid, passphrase, .. }) => {
            Some((ssid.as_bytes().to_vec(), passphrase.expose().to_vec()))
        }
        _ => None,
    };
    let of_device = outcome.trace.entries().iter().filter(|entry| entry.actor == NodeId::Device(0));
    of_device.filter_map(|entry| join(&entry.what)).collect()
}

fn router(ssid: &[u8], passphrase: &[u8]) -> String {
    let password = match passphrase {
        [] => String::new(),
        passphrase => format!(", password: \"{}\"", hex(passphrase)),
    };
    format!("  routers:\n    - {{ name: home, ssid: \"{}\"{password} }}\n", hex(ssid))
}

/// Sends credentials and looks at what the radio is told after the restart, and after a loss of power.
fn travel(ssid: &[u8], passphrase: &[u8], sender: Sender) -> Result<(), TestCaseError> {
    let steps: &[String] = match sender {
        Sender::App => &[
            "power: on".to_owned(),
            "phone: { provision: { network: home } }".to_owned(),
            "power: cycle".to_owned(),
            "expect: { device: running, joined: home, within: 30s }".to_owned(),
        ],
        Sender::Browser => &[
            "power: on".to_owned(),
            "phone: join".to_owned(),
            format!(
                "phone: {{ request: {{ path: /config, method: POST, body: \"ssid={}&pass={}&blynk={TOKEN}\", \
                 expect_status: 200 }} }}",
                form_encoded(ssid),
                form_encoded(passphrase)
            ),
            "expect: { joined: home, within: 15s }".to_owned(),
        ],
    };
    let outcome = play(&router(ssid, passphrase), steps);
    let joins = joins(&outcome);
    for (told_ssid, told_passphrase) in &joins {
        prop_assert_eq!(told_ssid, ssid);
        prop_assert_eq!(told_passphrase, passphrase);
    }
    prop_assert_eq!(outcome.failure, None);
    prop_assert_eq!(joins.len(), if sender == Sender::App { 2 } else { 1 });
    Ok(())
}

#[track_caller]
fn check(ssid: &[u8], passphrase: &[u8]) {
    for sender in [Sender::App, Sender::Browser] {
        if let Err(error) = travel(ssid, passphrase, sender) {
            panic!("{sender:?}, {}, {}: {error}", hex(ssid), hex(passphrase));
        }
    }
}

/// A form that is wrong is refused with this status: nothing is stored, nothing is joined.
#[track_caller]
fn check_refused(ssid: &[u8], passphrase: &[u8], token: &str, status: u16) {
    let fields = [ssid, passphrase, token.as_bytes()].map(form_encoded);
    let body = format!("ssid={}&pass={}&blynk={}", fields[0], fields[1], fields[2]);
    let steps = [
        "power: on".to_owned(),
        "phone: join".to_owned(),
        format!(
            "phone: {{ request: {{ path: /config, method: POST, body: \"{body}\", expect_status: {status} }} }}"
        ),
        "expect: { device: wait-config, store: empty, last_error: 0, within: 0s, stays: 30s }".to_owned(),
    ];
    let outcome = play(&router(b"HomeNet", b"correct horse"), &steps);
    assert_eq!(outcome.failure, None, "{body}");
    assert_eq!(joins(&outcome), [], "{body}");
}

#[test]
fn every_byte_of_a_name_travels() {
    for ssid in (0..=255_u8).collect::<Vec<u8>>().chunks(32) {
        check(ssid, b"correct horse");
    }
    for byte in [0, 1, b'\n', b' ', b'"', b'%', b'+', 0x7F, 0x80, 0xFF] {
        check(&[byte], b"correct horse");
    }
}

/// One, 31 and 32 bytes, of characters of one to four bytes, cut where the length falls.
#[test]
fn names_of_every_length_travel_also_when_they_are_cut_in_a_character() {
    for character in ["x", "é", "€", "💡"] {
        let text = character.repeat(32).into_bytes();
        for len in [1, 31, 32] {
            check(&text[..len], b"correct horse");
        }
    }
    check("🏠 né €".as_bytes(), "pässwörd 🔑".as_bytes());
}

#[test]
fn passwords_of_every_kind_travel() {
    check(b"HomeNet", b"");
    check(b"HomeNet", b"12345678");
    check(b"HomeNet", &[b'x'; 63]);
    check(b"HomeNet", &[0xFF; 63]);
    check(b"HomeNet", b"0123456789abcdefABCDEF00112233445566778899aabbccddeeff0011223344");
}

#[test]
fn what_a_parser_takes_for_its_own_travels_at_every_place() {
    for byte in SPECIAL {
        for at in [0, 4, 8] {
            let mut text = *b"abcdefghi";
            text[at] = *byte;
            let mut password = *b"ABCDEFGHI";
            password[at] = *byte;
            check(&text, &password);
        }
    }
    check(b"  two spaces at each end  ", b"  the same here  ");
    check(b"%20%2b%%", b"%41%zz%%4");
    check(b"a=b&pass=c&ssid=d", b"x&blynk=y&save=1");
}

#[test]
fn what_cannot_be_a_credential_is_refused_and_nothing_is_cut() {
    let (ssid, passphrase) = (b"HomeNet", b"correct horse");
    for len in [0, 31, 33] {
        check_refused(ssid, passphrase, &"t".repeat(len), 500);
    }
    check_refused(b"", passphrase, TOKEN, 500);
    check_refused(&[b'x'; 33], passphrase, TOKEN, 500);
    // Sixteen times two bytes and one more: 17 characters, 33 bytes.
    check_refused("éééééééééééééééé!".as_bytes(), passphrase, TOKEN, 500);
    for passphrase in [&[b'x'; 7][..], &[b'x'; 64], &[b'0'; 65], &[b'x'; 128], b"with a \0 inside"] {
        check_refused(ssid, passphrase, TOKEN, 500);
    }
}

/// Bytes in which the special ones are as frequent as all others together.
fn bytes(
    all: std::ops::RangeInclusive<u8>,
    len: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![prop::sample::select(SPECIAL), all], len)
}

fn passphrase() -> impl Strategy<Value = Vec<u8>> {
    let raw_key = prop::collection::vec(prop::sample::select(&b"0123456789abcdefABCDEF"[..]), 64);
    prop_oneof![4 => bytes(1..=255, 8..=63), 1 => raw_key, 1 => Just(Vec::new())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_credential_travels_from_the_form_to_the_radio(
        ssid in bytes(0..=255, 1..=32),
        passphrase in passphrase(),
        sender in prop_oneof![Just(Sender::App), Just(Sender::Browser)],
    ) {
        travel(&ssid, &passphrase, sender)?;
    }
}
