use proptest::prelude::*;
use std::vec::Vec;

use super::layout::{BODY_END, LAYOUT, RECORD_LEN};
use super::*;
use crate::config::{
    HOST_LEN_MAX, Host, PASSPHRASE_LEN_MAX, Passphrase, SSID_LEN_MAX, Ssid, StaticIp, TOKEN_LEN, Token,
};

fn config() -> Config {
    Config {
        ssid: Ssid::new(b"HomeNet").unwrap(),
        passphrase: Passphrase::new(b"correct horse").unwrap(),
        token: Token::new(b"0123456789abcdefghijklmnopqrstuv").unwrap(),
        host: Host::try_from("blynk.cloud").unwrap(),
        port: 443,
        static_ip: None,
    }
}

fn any_config() -> impl Strategy<Value = Config> {
    let bytes = |max| prop::collection::vec(any::<u8>(), 0..=max);
    let fixed = any::<[[u8; 4]; 5]>().prop_map(|[ip, mask, gateway, dns, dns2]| StaticIp {
        ip: ip.into(),
        mask: mask.into(),
        gateway: gateway.into(),
        dns: dns.into(),
        dns2: dns2.into(),
    });
    let host = prop::collection::vec(any::<char>(), 0..HOST_LEN_MAX).prop_map(|characters| {
        let mut host = Host::new();
        let _ = characters.into_iter().try_for_each(|character| host.push(character));
        host
    });
    let parts =
        (bytes(SSID_LEN_MAX), bytes(PASSPHRASE_LEN_MAX), any::<[u8; TOKEN_LEN]>(), host, any::<u16>());
    (parts, prop::option::of(fixed)).prop_map(|((ssid, passphrase, token, host, port), static_ip)| Config {
        ssid: Ssid::new(&ssid).unwrap(),
        passphrase: Passphrase::new(&passphrase).unwrap(),
        token: Token::new(&token).unwrap(),
        host,
        port,
        static_ip,
    })
}

/// The first bytes of a slot that holds this configuration, with marks.
fn image(config: &Config, kind: Kind, marks: &[Mark]) -> [u8; RECORD_LEN] {
    let mut image = [0xFF; RECORD_LEN];
    image[..BODY_END].copy_from_slice(&layout::encode(config, kind, 7));
    for mark in marks {
        let place = mark.places().find(|place| image[*place..place + 4] == [0xFF; 4]).unwrap();
        image[place..place + 4].copy_from_slice(&mark.word().to_le_bytes());
    }
    image
}

/// What a record with these marks is taken for.
#[track_caller]
fn check(kind: Kind, marks: &[Mark], expected: Option<Phase>) {
    let content = layout::decode(&image(&config(), kind, marks));
    let found = match content {
        Content::Record(record) => Some(record.phase),
        Content::Nothing => None,
        Content::OtherLayout { .. } => panic!("another layout"),
    };
    assert_eq!(found, expected, "{kind:?} with {marks:?}");
}

#[test]
fn marks_decide_what_a_record_is() {
    use Mark::{Accepted, Attempt, Commit, Rejected};
    let trial = |attempts_left| Some(Phase::Trial { attempts_left });
    let wrong = ProvisionError::WrongPassphrase;
    check(Kind::Trial, &[], None);
    check(Kind::Trial, &[Accepted], None);
    check(Kind::Trial, &[Commit], trial(3));
    check(Kind::Trial, &[Commit, Attempt], trial(2));
    check(Kind::Trial, &[Commit, Attempt, Attempt, Attempt], trial(0));
    check(Kind::Trial, &[Commit, Attempt, Attempt, Attempt, Attempt], trial(0));
    check(Kind::Trial, &[Commit, Attempt, Accepted], Some(Phase::Valid));
    check(Kind::Trial, &[Commit, Rejected(wrong)], Some(Phase::Rejected(wrong)));
    check(Kind::Trial, &[Commit, Accepted, Rejected(wrong)], Some(Phase::Valid));
    check(Kind::Valid, &[Commit], Some(Phase::Valid));
    check(Kind::Valid, &[], None);
    for error in ProvisionError::ALL {
        check(Kind::Trial, &[Commit, Rejected(error)], Some(Phase::Rejected(error)));
    }
}

#[test]
fn a_mark_with_any_bit_missing_is_not_set() {
    let error = ProvisionError::NoDhcp;
    for mark in [Mark::Commit, Mark::Accepted, Mark::Attempt, Mark::Rejected(error)] {
        let base: &[Mark] = if mark == Mark::Commit { &[] } else { &[Mark::Commit] };
        let unset = layout::decode(&image(&config(), Kind::Trial, base));
        let place = mark.places().next().unwrap();
        for bit in (0..32).filter(|bit| mark.word() & (1 << bit) == 0) {
            let mut torn = image(&config(), Kind::Trial, base);
            torn[place..place + 4].copy_from_slice(&(mark.word() | 1 << bit).to_le_bytes());
            assert_eq!(layout::decode(&torn), unset, "{mark:?} without bit {bit}");
        }
    }
}

#[test]
fn torn_attempts_cost_nothing_until_no_blank_word_is_left() {
    let mut image = image(&config(), Kind::Trial, &[Mark::Commit]);
    let left: Vec<u8> = Mark::Attempt
        .places()
        .map(|place| {
            image[place] = 0;
            layout::attempts_left(&image)
        })
        .collect();
    assert_eq!(left, [3, 3, 3, 3, 3, 2, 1, 0]);
}

#[test]
fn a_rejection_with_a_code_from_another_firmware_is_a_rejection() {
    let mut image = image(&config(), Kind::Trial, &[Mark::Commit]);
    let place = Mark::Rejected(ProvisionError::Internal).places().next().unwrap();
    let word = (730_u32 << 16) | u32::from(!730_u16);
    image[place..place + 4].copy_from_slice(&word.to_le_bytes());
    let Content::Record(record) = layout::decode(&image) else { panic!("no record") };
    assert_eq!(record.phase, Phase::Rejected(ProvisionError::Internal));
}

#[test]
fn a_rejected_record_needs_no_secrets_and_says_when_some_are_left() {
    let mut image = image(&config(), Kind::Trial, &[Mark::Commit, Mark::Rejected(ProvisionError::Token)]);
    for scrubbed in layout::SECRET_AT..BODY_END {
        let Content::Record(record) = layout::decode(&image) else { panic!("no record") };
        assert!(record.must_scrub && record.config.is_none(), "{scrubbed}");
        image[scrubbed] = 0;
    }
    let Content::Record(record) = layout::decode(&image) else { panic!("no record") };
    assert!(!record.must_scrub);
}

/// The layout must not change without a new version: these bytes are in the field.
#[test]
fn the_layout_is_pinned() {
    let fixed = StaticIp {
        ip: [192, 168, 1, 7].into(),
        mask: [255, 255, 255, 0].into(),
        gateway: [192, 168, 1, 1].into(),
        dns: [9, 9, 9, 9].into(),
        dns2: [0, 0, 0, 0].into(),
    };
    let config = Config { static_ip: Some(fixed), ..config() };
    let image =
        image(&config, Kind::Trial, &[Mark::Commit, Mark::Attempt, Mark::Rejected(ProvisionError::Dns)]);
    assert_eq!(image[..12], *b"EDGC\x01\x00\xA8\x01\x07\x00\x00\x00");
    assert_eq!(image[20..28], *b"T\x01\x07\x0B\xBB\x01\xFF\xFF");
    assert_eq!(image[28..48], [192, 168, 1, 7, 255, 255, 255, 0, 192, 168, 1, 1, 9, 9, 9, 9, 0, 0, 0, 0]);
    assert_eq!(image[48..56], *b"HomeNet\xFF");
    assert_eq!(image[80..92], *b"blynk.cloud\xFF");
    assert_eq!(image[336..354], *b"\x0D\xFF\xFF\xFFcorrect horse\xFF");
    assert_eq!(image[404..436], *b"0123456789abcdefghijklmnopqrstuv");
    assert_eq!(image[440..445], *b"done\xFF");
    assert_eq!(image[456..460], [0xFF; 4]);
    assert_eq!(image[472..477], *b"\x39\xFD\xC6\x02\xFF", "710 and its complement");
    assert_eq!(image[488..493], *b"try!\xFF");
    assert_eq!((LAYOUT, crc32([&image[..]])), (1, 0xC0C9_5B56), "computed by another implementation");
}

#[test]
fn every_damaged_bit_of_what_is_used_is_noticed() {
    let sound = image(&config(), Kind::Valid, &[Mark::Commit]);
    let host_end = 80 + config().host.len();
    for bit in (0..host_end * 8).chain(layout::SECRET_AT * 8..BODY_END * 8) {
        let mut damaged = sound;
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(layout::decode(&damaged), Content::Nothing, "bit {bit}");
    }
}

#[test]
fn a_record_that_says_what_it_cannot_mean_is_not_used() {
    // The checksums are right each time: another firmware computed them over a nonsensical record.
    for (at, value) in [(21, 2), (21, 255), (22, 33), (23, 254), (336, 65), (20, b'X'), (80, 0xFF), (6, 0)] {
        let mut image = image(&config(), Kind::Valid, &[Mark::Commit]);
        image[at] = value;
        let host_end = 80 + usize::from(image[23]);
        let crcs = [
            (12, crc32([&image[..12]])),
            (16, crc32([&image[..12], &image[20..host_end]])),
            (436, crc32([&image[336..436]])),
        ];
        for (at, crc) in crcs {
            image[at..at + 4].copy_from_slice(&crc.to_le_bytes());
        }
        assert_eq!(layout::decode(&image), Content::Nothing, "{value} at {at}");
    }
}

#[test]
fn the_newer_sequence_wins_across_the_wrap() {
    for (newer, older) in [(1, 0), (2, 1), (0, u32::MAX), (5, u32::MAX - 5)] {
        assert!(is_newer(newer, older) && !is_newer(older, newer), "{newer} after {older}");
    }
    assert!(!is_newer(3, 3));
}

#[test]
fn no_output_shows_a_secret() {
    let trial = Trial { config: config(), attempts_left: 3 };
    let loaded = Loaded { trial: Some(trial), valid: Some(config()), ..Loaded::default() };
    let content = layout::decode(&image(&config(), Kind::Valid, &[Mark::Commit]));
    let shown = std::format!("{loaded:?} {content:?}");
    assert!(shown.contains("HomeNet") && !shown.contains("horse") && !shown.contains("0123"), "{shown}");
}

proptest! {
    #[test]
    fn every_configuration_survives_the_round_trip(config in any_config(), sequence: u32, valid: bool) {
        let kind = if valid { Kind::Valid } else { Kind::Trial };
        let phase = if valid { Phase::Valid } else { Phase::Trial { attempts_left: 3 } };
        let mut image = image(&config, kind, &[Mark::Commit]);
        image[..BODY_END].copy_from_slice(&layout::encode(&config, kind, sequence));
        let expected = Record { sequence, phase, config: Some(config), must_scrub: false };
        prop_assert_eq!(layout::decode(&image), Content::Record(expected));
    }

    #[test]
    fn arbitrary_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), RECORD_LEN)) {
        let image: [u8; RECORD_LEN] = bytes.try_into().unwrap();
        prop_assert_eq!(layout::decode(&image), Content::Nothing);
        let _ = layout::attempts_left(&image);
    }

    #[test]
    fn another_layout_with_a_sound_header_is_recognised(
        version in any::<u16>().prop_filter("another", |version| *version != LAYOUT),
        sequence: u32,
        bytes in prop::collection::vec(any::<u8>(), RECORD_LEN),
    ) {
        let mut image: [u8; RECORD_LEN] = bytes.try_into().unwrap();
        image[..4].copy_from_slice(b"EDGC");
        image[4..6].copy_from_slice(&version.to_le_bytes());
        image[8..12].copy_from_slice(&sequence.to_le_bytes());
        let crc = crc32([&image[..12]]).to_le_bytes();
        image[12..16].copy_from_slice(&crc);
        prop_assert_eq!(layout::decode(&image), Content::OtherLayout { sequence });
    }
}
