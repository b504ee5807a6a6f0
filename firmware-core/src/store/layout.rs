//! The bytes of one record. Reads and writes no flash and decides nothing.
//!
//! ```text
//!   0  header   magic, layout version, length of what follows, sequence, CRC-32 of these
//!  16  public   CRC-32 of header and public part, kind, flags, lengths, port, addresses, SSID, host
//! 336  secret   length, passphrase, token, CRC-32 of these
//! 440  marks    commit, accepted, rejected (4 words each), attempts (8 words)
//! 520  unused
//! 576  the last known time (see `times`), which is no part of the record
//! ```
//! Numbers are little-endian. Unused bytes are FF. The header keeps its form in every layout version, so that
//! a record of another version can be told from damage. The secrets have a CRC of their own because a rejected
//! record loses them and must still be readable. The marks stand behind the body so that an erase, which goes
//! upwards, destroys the body before any mark.

use crate::config::{
    Config, HOST_LEN_MAX, Host, PASSPHRASE_LEN_MAX, Passphrase, ProvisionError, SSID_LEN_MAX, Ssid, StaticIp,
    TOKEN_LEN, Token,
};
use crate::store::crc32;

/// The attempts a trial has, one a boot.
pub const ATTEMPTS_MAX: u8 = 3;

/// The version of the layout described here. Any change of meaning needs another.
pub(super) const LAYOUT: u16 = 1;
/// Header and body: what is programmed before the commit mark.
pub(super) const BODY_END: usize = 440;
/// Everything a record occupies, marks included.
pub(super) const RECORD_LEN: usize = 520;
/// Where the secrets and their CRC stand, up to `BODY_END`.
pub(super) const SECRET_AT: usize = 336;
/// A mark is one 32-bit word.
pub(super) const WORD_LEN: usize = 4;

const MAGIC: u32 = u32::from_le_bytes(*b"EDGC");
const LAYOUT_AT: usize = 4;
const LEN_AT: usize = 6;
const SEQUENCE_AT: usize = 8;
const HEADER_CRC_AT: usize = 12;
const PUBLIC_CRC_AT: usize = 16;
const KIND_AT: usize = 20;
const FLAGS_AT: usize = 21;
const SSID_LEN_AT: usize = 22;
const HOST_LEN_AT: usize = 23;
const PORT_AT: usize = 24;
const STATIC_IP_AT: usize = 28;
const SSID_AT: usize = 48;
const HOST_AT: usize = 80;
const PASSPHRASE_AT: usize = 340;
const TOKEN_AT: usize = 404;
const SECRET_CRC_AT: usize = 436;
const COMMIT_AT: usize = BODY_END;
const ACCEPTED_AT: usize = 456;
const REJECTED_AT: usize = 472;
const ATTEMPTS_AT: usize = 488;

/// What stands at `LEN_AT`: public and secret part.
const LEN: u16 = 424;
const FLAG_STATIC_IP: u8 = 1;
/// The accepted mark can be torn once a boot, and a trial has three boots; one more is spare.
const MARK_WORDS: usize = 4;
/// Three attempts, and five words that power cuts may tear.
const ATTEMPT_WORDS: usize = 8;

const _: () = {
    assert!(SSID_AT + SSID_LEN_MAX == HOST_AT && HOST_AT + HOST_LEN_MAX <= SECRET_AT);
    assert!(PASSPHRASE_AT + PASSPHRASE_LEN_MAX == TOKEN_AT && TOKEN_AT + TOKEN_LEN == SECRET_CRC_AT);
    assert!(REJECTED_AT + MARK_WORDS * WORD_LEN == ATTEMPTS_AT);
    assert!(ATTEMPTS_AT + ATTEMPT_WORDS * WORD_LEN == RECORD_LEN);
};

/// How a record begins. It is part of the body, so that no cut can make one of the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// To be tried before it counts.
    Trial,
    /// Counts as soon as it is committed.
    Valid,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Trial => b'T',
            Self::Valid => b'V',
        }
    }
}

/// What is known of a committed record's fate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Trial { attempts_left: u8 },
    Valid,
    Rejected(ProvisionError),
}

/// A committed record of this layout.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub(super) sequence: u32,
    pub(super) phase: Phase,
    /// The configuration; a rejected record gives none.
    pub(super) config: Option<Config>,
    /// Whether secrets have still to be destroyed.
    pub(super) must_scrub: bool,
}

/// What the first bytes of a slot are.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "lives for one call, on the stack, and there is no heap")]
pub(super) enum Content {
    /// Not a committed record: blank, damaged or incomplete.
    Nothing,
    /// A sound header of a layout version that this firmware does not know.
    OtherLayout {
        sequence: u32,
    },
    Record(Record),
}

/// One word that is programmed after the record, and the group of words it has to choose from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    Commit,
    Accepted,
    Rejected(ProvisionError),
    Attempt,
}

impl Mark {
    /// The value of a set word. A torn word has more ones than it should, so it never equals a set one.
    pub(super) fn word(self) -> u32 {
        match self {
            Self::Commit => u32::from_le_bytes(*b"done"),
            Self::Accepted => u32::from_le_bytes(*b"good"),
            Self::Attempt => u32::from_le_bytes(*b"try!"),
            // The code beside its complement has sixteen ones whatever the code is.
            Self::Rejected(error) => (u32::from(error.code()) << 16) | u32::from(!error.code()),
        }
    }

    /// Where in the slot each word of the group stands, in the order of use.
    pub(super) fn places(self) -> impl Iterator<Item = usize> {
        let (at, count) = match self {
            Self::Commit => (COMMIT_AT, MARK_WORDS),
            Self::Accepted => (ACCEPTED_AT, MARK_WORDS),
            Self::Rejected(_) => (REJECTED_AT, MARK_WORDS),
            Self::Attempt => (ATTEMPTS_AT, ATTEMPT_WORDS),
        };
        (at..at + count * WORD_LEN).step_by(WORD_LEN)
    }
}

/// Writes header and body of a record. Any configuration that the types allow can be stored.
pub(super) fn encode(config: &Config, kind: Kind, sequence: u32) -> [u8; BODY_END] {
    let mut image = [0xFF; BODY_END];
    put(&mut image, 0, &MAGIC.to_le_bytes());
    put(&mut image, LAYOUT_AT, &LAYOUT.to_le_bytes());
    put(&mut image, LEN_AT, &LEN.to_le_bytes());
    put(&mut image, SEQUENCE_AT, &sequence.to_le_bytes());
    put_crc(&mut image, HEADER_CRC_AT, header_crc);

    let flags = if config.static_ip.is_some() { FLAG_STATIC_IP } else { 0 };
    put(&mut image, KIND_AT, &[kind.byte(), flags, len_byte(config.ssid.as_bytes())]);
    put(&mut image, HOST_LEN_AT, &[len_byte(config.host.as_bytes())]);
    put(&mut image, PORT_AT, &config.port.to_le_bytes());
    if let Some(fixed) = &config.static_ip {
        let addresses = [fixed.ip, fixed.mask, fixed.gateway, fixed.dns, fixed.dns2];
        for (place, address) in (STATIC_IP_AT..).step_by(WORD_LEN).zip(addresses) {
            put(&mut image, place, &address.octets());
        }
    }
    put(&mut image, SSID_AT, config.ssid.as_bytes());
    put(&mut image, HOST_AT, config.host.as_bytes());
    put_crc(&mut image, PUBLIC_CRC_AT, public_crc);

    put(&mut image, SECRET_AT, &[len_byte(config.passphrase.expose())]);
    put(&mut image, PASSPHRASE_AT, config.passphrase.expose());
    put(&mut image, TOKEN_AT, config.token.expose());
    put_crc(&mut image, SECRET_CRC_AT, secret_crc);
    image
}

/// Reads a slot's first bytes. Whatever they are, it answers.
pub(super) fn decode(image: &[u8; RECORD_LEN]) -> Content {
    let header_is_sound =
        number(image, 0) == Some(MAGIC) && number(image, HEADER_CRC_AT) == header_crc(image);
    let (true, Some(sequence)) = (header_is_sound, number(image, SEQUENCE_AT)) else {
        return Content::Nothing;
    };
    if short_number(image, LAYOUT_AT) != Some(LAYOUT) {
        return Content::OtherLayout { sequence };
    }
    decode_record(image, sequence).map_or(Content::Nothing, Content::Record)
}

/// How many attempts a record's marks leave. Torn words cost nothing until no blank ones are left.
pub(super) fn attempts_left(image: &[u8; RECORD_LEN]) -> u8 {
    let mut left = ATTEMPTS_MAX;
    let mut blank = 0;
    for place in Mark::Attempt.places() {
        match number(image, place) {
            Some(u32::MAX) => blank += 1,
            Some(word) if word == Mark::Attempt.word() => left = left.saturating_sub(1),
            Some(_) | None => {}
        }
    }
    left.min(blank)
}

/// Reads a record whose header is sound; `None` unless it is committed and intact.
fn decode_record(image: &[u8; RECORD_LEN], sequence: u32) -> Option<Record> {
    let intact =
        short_number(image, LEN_AT) == Some(LEN) && number(image, PUBLIC_CRC_AT) == public_crc(image);
    if !intact || !is_set(image, Mark::Commit) {
        return None;
    }
    let [kind] = field(image, KIND_AT)?;
    let phase = if kind == Kind::Valid.byte() || is_set(image, Mark::Accepted) {
        // Only a trial that is not accepted is ever rejected, so a rejected mark here would be damage.
        Phase::Valid
    } else if let Some(error) = rejection(image) {
        Phase::Rejected(error)
    } else {
        Phase::Trial { attempts_left: attempts_left(image) }
    };
    if !matches!(kind, b'T' | b'V') {
        return None;
    }
    match phase {
        Phase::Rejected(_) => {
            let secret: [u8; BODY_END - SECRET_AT] = field(image, SECRET_AT)?;
            Some(Record { sequence, phase, config: None, must_scrub: secret.iter().any(|byte| *byte != 0) })
        }
        Phase::Valid | Phase::Trial { .. } => {
            Some(Record { sequence, phase, config: Some(decode_config(image)?), must_scrub: false })
        }
    }
}

/// Why a trial was rejected; `None` when it was not, or when the mark is torn.
fn rejection(image: &[u8; RECORD_LEN]) -> Option<ProvisionError> {
    // Every group of this mark has the same places, whatever its code is.
    Mark::Rejected(ProvisionError::Internal).places().find_map(|place| {
        let code = short_number(image, place + 2)?;
        let is_whole = short_number(image, place)? == !code;
        // A code that only another firmware knows is a rejection all the same: what failed is not tried again.
        is_whole.then(|| ProvisionError::from_code(code).unwrap_or(ProvisionError::Internal))
    })
}

/// Reads the configuration; `None` when the secrets are damaged or a field says what it cannot mean.
fn decode_config(image: &[u8; RECORD_LEN]) -> Option<Config> {
    if number(image, SECRET_CRC_AT) != secret_crc(image) {
        return None;
    }
    let [flags] = field(image, FLAGS_AT)?;
    let static_ip = match flags {
        0 => None,
        FLAG_STATIC_IP => Some(StaticIp {
            ip: field::<4>(image, STATIC_IP_AT)?.into(),
            mask: field::<4>(image, STATIC_IP_AT + 4)?.into(),
            gateway: field::<4>(image, STATIC_IP_AT + 8)?.into(),
            dns: field::<4>(image, STATIC_IP_AT + 12)?.into(),
            dns2: field::<4>(image, STATIC_IP_AT + 16)?.into(),
        }),
        _ => return None,
    };
    let host = core::str::from_utf8(text(image, HOST_LEN_AT, HOST_AT)?).ok()?;
    Some(Config {
        ssid: Ssid::new(text(image, SSID_LEN_AT, SSID_AT)?)?,
        passphrase: Passphrase::new(text(image, SECRET_AT, PASSPHRASE_AT)?)?,
        token: Token::new(&field::<TOKEN_LEN>(image, TOKEN_AT)?)?,
        host: Host::try_from(host).ok()?,
        port: short_number(image, PORT_AT)?,
        static_ip,
    })
}

fn is_set(image: &[u8; RECORD_LEN], mark: Mark) -> bool {
    mark.places().any(|place| number(image, place) == Some(mark.word()))
}

/// The bytes at `at` whose count stands at `len_at`; the types they go into check the limit.
fn text(image: &[u8; RECORD_LEN], len_at: usize, at: usize) -> Option<&[u8]> {
    let [len] = field(image, len_at)?;
    image.get(at..at + usize::from(len))
}

fn field<const N: usize>(image: &[u8], at: usize) -> Option<[u8; N]> {
    image.get(at..)?.first_chunk().copied()
}

fn number(image: &[u8], at: usize) -> Option<u32> {
    field(image, at).map(u32::from_le_bytes)
}

fn short_number(image: &[u8], at: usize) -> Option<u16> {
    field(image, at).map(u16::from_le_bytes)
}

fn header_crc(image: &[u8]) -> Option<u32> {
    image.get(..HEADER_CRC_AT).map(|header| crc32([header]))
}

/// Covers the host as far as it goes: the 242 bytes that `blynk.cloud` leaves unused would be most of the work.
fn public_crc(image: &[u8]) -> Option<u32> {
    let [host_len] = field(image, HOST_LEN_AT)?;
    let header = image.get(..HEADER_CRC_AT)?;
    let public = image.get(KIND_AT..HOST_AT + usize::from(host_len))?;
    Some(crc32([header, public]))
}

fn secret_crc(image: &[u8]) -> Option<u32> {
    image.get(SECRET_AT..SECRET_CRC_AT).map(|secret| crc32([secret]))
}

/// Every place is a constant and every text bounded by its type, so that all of them fit.
fn put(image: &mut [u8; BODY_END], at: usize, bytes: &[u8]) {
    if let Some(target) = image.get_mut(at..at + bytes.len()) {
        target.copy_from_slice(bytes);
    }
}

fn put_crc(image: &mut [u8; BODY_END], at: usize, crc: impl Fn(&[u8]) -> Option<u32>) {
    let crc = crc(image).unwrap_or(0);
    put(image, at, &crc.to_le_bytes());
}

/// A length whose limit is below 256: 32, 64 or 253.
fn len_byte(text: &[u8]) -> u8 {
    u8::try_from(text.len()).unwrap_or(u8::MAX)
}
