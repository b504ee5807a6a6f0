//! What is tried.

use rustls::SupportedProtocolVersion;
use rustls::crypto::ring::{default_provider, kx_group};
use rustls::version::{TLS12, TLS13};

use crate::probe::{Date, Probe, Start};
use crate::server::{Authority, Identity, Key, NAME, Server, Talk};

pub(crate) type Test = fn(Probe);

pub(crate) const ALL: &[(&str, Test)] = &[
    ("tls_1_3_carries_data_both_ways", |probe| carries_data(probe, &TLS13)),
    ("tls_1_2_carries_data_both_ways", |probe| carries_data(probe, &TLS12)),
    ("a_chain_of_every_kind_of_key_in_tls_1_3", |probe| chain_of_keys(probe, &TLS13)),
    ("a_chain_of_every_kind_of_key_in_tls_1_2", |probe| chain_of_keys(probe, &TLS12)),
    ("an_rsa_server_in_tls_1_3", |probe| rsa_server(probe, &TLS13)),
    ("an_rsa_server_in_tls_1_2", |probe| rsa_server(probe, &TLS12)),
    ("a_missing_intermediate_is_an_unknown_authority", missing_intermediate),
    ("a_certificate_that_may_not_sign_is_no_authority", mere_leaf_as_authority),
    ("another_name_is_refused", other_name),
    ("a_wildcard_covers_one_label", wildcard),
    ("a_name_that_is_none_is_refused", bad_names),
    ("the_end_of_a_certificate_is_seen_when_a_time_is_known", expired),
    ("the_beginning_of_a_certificate_is_seen_when_the_time_is_exact", not_yet_valid),
    ("an_unknown_authority_is_refused", unknown_authority),
    ("no_authority_at_all_is_trusted_by_default", no_roots),
    ("a_handshake_that_is_cut_never_opens", cut_handshake),
    ("garbage_is_not_tls", garbage),
    ("bytes_one_at_a_time", one_byte_at_a_time),
    ("records_of_16_kib", large_records),
    ("small_records", small_records),
    ("another_key_agreement_is_asked_for", retry),
    ("a_clean_close_is_no_error", clean_close),
    ("a_record_that_was_changed_is_refused", changed_record),
    ("records_behind_each_other", several_records),
    ("a_change_of_keys_ends_the_session", key_update),
    ("the_seed_decides_every_byte", seeds),
    ("memory_comes_back", memory),
    ("hundred_kilobytes_both_ways_and_the_memory_it_takes", echo),
];

/// 2026-01-01T00:00:00Z.
const NEW_YEAR_2026: u64 = 1_767_225_600;
const VALID: [i32; 2] = [2024, 2030];
const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

pub(crate) fn start(root: &Authority) -> Start {
    Start { roots: vec![root.der.to_vec()], name: NAME.to_owned(), seed: 7, date: Date::Exact(NEW_YEAR_2026) }
}

pub(crate) fn good() -> (Authority, Identity) {
    let root = Authority::root(Key::P256);
    let identity = root.leaf(NAME, Key::P256, VALID);
    (root, identity)
}

/// Shakes hands and expects it to work.
#[track_caller]
fn open(probe: Probe, server: Server, start: &Start) -> Talk {
    let mut talk = Talk::new(probe, server, start);
    talk.run();
    assert_eq!((talk.last.error, &talk.complaint), (None, &None));
    assert!(talk.last.is_established && !talk.server.connection.is_handshaking());
    talk
}

/// Shakes hands and expects this to come of it; the server hears why, or at least nothing of the device's.
#[track_caller]
fn refuse(probe: Probe, server: Server, start: &Start, error: &'static str) -> Probe {
    let mut talk = Talk::new(probe, server, start);
    talk.run();
    assert_eq!(talk.last.error, Some(error));
    assert!(!talk.last.is_established);
    // It stays so.
    assert_eq!(talk.probe.receive(b"x", 1).error, Some(error));
    let answer = talk.probe.write(b"secret");
    assert_eq!((answer.taken, answer.wire.len(), talk.arrived.len()), (0, 0, 0));
    talk.probe
}

#[track_caller]
fn exchange(talk: &mut Talk) {
    talk.write(b"from the device");
    talk.send(b"from the server");
    talk.run();
    assert_eq!(talk.arrived, b"from the device");
    assert_eq!(talk.received, b"from the server");
}

fn carries_data(probe: Probe, version: &'static SupportedProtocolVersion) {
    let (root, identity) = good();
    let mut talk = open(probe, identity.serve(&[version]), &start(&root));
    assert_eq!(talk.server.connection.protocol_version(), Some(version.version));
    assert_eq!(talk.server.connection.server_name(), Some(NAME));
    exchange(&mut talk);
}

fn chain_of_keys(probe: Probe, version: &'static SupportedProtocolVersion) {
    let root = Authority::root(Key::Rsa4096);
    let [first, second] = {
        let first = root.intermediate(Key::P384);
        let second = first.intermediate(Key::Rsa2048);
        [first, second]
    };
    let identity = second.leaf(NAME, Key::P256, VALID).with(&second).with(&first);
    exchange(&mut open(probe, identity.serve(&[version]), &start(&root)));
}

fn rsa_server(probe: Probe, version: &'static SupportedProtocolVersion) {
    let root = Authority::root(Key::Rsa4096);
    let identity = root.leaf(NAME, Key::Rsa2048, VALID);
    exchange(&mut open(probe, identity.serve(&[version]), &start(&root)));
}

fn missing_intermediate(probe: Probe) {
    let root = Authority::root(Key::P256);
    let identity = root.intermediate(Key::P256).leaf(NAME, Key::P256, VALID);
    refuse(probe, identity.serve(BOTH), &start(&root), "unknown authority");
}

fn mere_leaf_as_authority(probe: Probe) {
    let root = Authority::root(Key::P256);
    let leaf = root.mere_leaf();
    let identity = leaf.leaf(NAME, Key::P256, VALID).with(&leaf);
    refuse(probe, identity.serve(BOTH), &start(&root), "unknown authority");
}

fn other_name(mut probe: Probe) {
    let root = Authority::root(Key::P256);
    for (shown, wanted) in
        [("other.example", NAME), ("cloud.example.org", NAME), ("example", NAME), (NAME, "x.cloud.example")]
    {
        for version in BOTH {
            let server = root.leaf(shown, Key::P256, VALID).serve(&[version]);
            probe = refuse(probe, server, &Start { name: wanted.to_owned(), ..start(&root) }, "wrong name");
        }
    }
}

fn wildcard(probe: Probe) {
    let root = Authority::root(Key::P256);
    let server = || root.leaf("*.cloud.example", Key::P256, VALID).serve(BOTH);
    let wanted = |name: &str| Start { name: name.to_owned(), ..start(&root) };
    let talk = open(probe, server(), &wanted("fra1.cloud.example"));
    let probe = refuse(talk.probe, server(), &wanted("a.b.cloud.example"), "wrong name");
    refuse(probe, server(), &wanted("cloud.example"), "wrong name");
}

fn bad_names(mut probe: Probe) {
    let (root, _) = good();
    for name in ["", "cloud.example\0.evil", &"a".repeat(254)] {
        let answer = probe.start(&Start { name: name.to_owned(), ..start(&root) });
        assert!(answer.wire.is_empty());
        assert_eq!(probe.receive(b"x", 1).error, Some("wrong name"));
    }
}

fn expired(mut probe: Probe) {
    let root = Authority::root(Key::P256);
    for version in BOTH {
        let server = || root.leaf(NAME, Key::P256, [2024, 2026]).serve(&[version]);
        for date in
            [Date::Exact(NEW_YEAR_2026 + 1), Date::AtLeast(NEW_YEAR_2026 + 1), Date::AtLeast(u64::MAX)]
        {
            probe = refuse(probe, server(), &Start { date, ..start(&root) }, "expired");
        }
        for date in [Date::Exact(NEW_YEAR_2026), Date::AtLeast(NEW_YEAR_2026), Date::Unknown] {
            probe = open(probe, server(), &Start { date, ..start(&root) }).probe;
        }
    }
}

fn not_yet_valid(mut probe: Probe) {
    let root = Authority::root(Key::P256);
    for version in BOTH {
        let server = || root.leaf(NAME, Key::P256, [2026, 2030]).serve(&[version]);
        let early = Date::Exact(NEW_YEAR_2026 - 1);
        probe = refuse(probe, server(), &Start { date: early, ..start(&root) }, "not yet valid");
        for date in
            [Date::Exact(NEW_YEAR_2026), Date::AtLeast(NEW_YEAR_2026 - 1), Date::AtLeast(0), Date::Unknown]
        {
            probe = open(probe, server(), &Start { date, ..start(&root) }).probe;
        }
    }
}

fn unknown_authority(mut probe: Probe) {
    let (_, identity) = good();
    // It has the same name.
    probe = refuse(probe, identity.serve(&[&TLS13]), &start(&good().0), "unknown authority");
    let (_, identity) = good();
    let roots = crate::roots::ALL.map(<[u8]>::to_vec).to_vec();
    refuse(probe, identity.serve(&[&TLS12]), &Start { roots, ..start(&good().0) }, "unknown authority");
}

fn no_roots(probe: Probe) {
    let (root, identity) = good();
    refuse(probe, identity.serve(BOTH), &Start { roots: Vec::new(), ..start(&root) }, "unknown authority");
}

fn cut_handshake(mut probe: Probe) {
    let (root, identity) = good();
    let mut server = identity.serve(&[&TLS13]);
    let hello = probe.start(&start(&root)).wire;
    server.connection.read_tls(&mut hello.as_slice()).unwrap();
    server.connection.process_new_packets().unwrap();
    let mut wire = Vec::new();
    while server.connection.wants_write() {
        server.connection.write_tls(&mut wire).unwrap();
    }
    for len in [1, 5, 6, wire.len() / 2, wire.len() - 1] {
        let hello_again = probe.start(&start(&root)).wire;
        assert_eq!(hello, hello_again);
        let answer = probe.receive(&wire[..len], usize::MAX);
        assert_eq!((answer.error, answer.is_established, answer.taken), (None, false, len));
        assert_eq!(probe.write(b"secret").taken, 0);
    }
    assert!(probe.receive(&wire[wire.len() - 1..], 1).is_established);
}

fn garbage(mut probe: Probe) {
    let (root, _) = good();
    let plain = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    let empty_records = [0x16, 3, 3, 0, 0].repeat(3);
    let too_long = [0x16, 3, 3, 0xFF, 0xFF, 2, 0, 0, 0];
    let alert = [0x15, 3, 3, 0, 2, 2, 40];
    let not_hello = [0x16, 3, 3, 0, 4, 14, 0, 0, 0];
    // Mbed TLS wants a message's first four bytes in one record.
    let cut_header = [0x16, 3, 3, 0, 2, 2, 0, 0x16, 3, 3, 0, 2, 0, 0];
    for bytes in
        [&plain[..], &empty_records, &too_long, &alert, &not_hello, &cut_header, &[0; 64], &[0xFF; 64]]
    {
        probe.start(&start(&root));
        let answer = probe.receive(bytes, usize::MAX);
        assert_eq!((answer.error, answer.is_established), (Some("protocol"), false), "{bytes:x?}");
    }
}

fn one_byte_at_a_time(mut probe: Probe) {
    for version in BOTH {
        let (root, identity) = good();
        let mut talk = Talk::new(probe, identity.serve(&[version]), &start(&root));
        talk.chunk_len = 1;
        talk.run();
        assert_eq!((talk.last.error, talk.last.is_established), (None, true));
        exchange(&mut talk);
        probe = talk.probe;
    }
}

/// Data that is recognized wherever it is cut.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 8)) as u8).collect()
}

fn large_records(mut probe: Probe) {
    for version in BOTH {
        let (root, identity) = good();
        let mut talk = open(probe, identity.serve(&[version]), &start(&root));
        let data = pattern(3 * 16_384);
        talk.send(&data);
        talk.run();
        assert_eq!(talk.last.error, None);
        assert!(talk.received == data);
        probe = talk.probe;
    }
}

/// A record holds no part of a message's header (it would be refused): the server's hello and its next message come
/// whole, and the certificate is longer than all that is behind it.
fn small_records(mut probe: Probe) {
    for version in BOTH {
        for len in [600, 1_024] {
            let root = Authority::root(Key::P256);
            let server = root.large_leaf(NAME, VALID).serve_with(&[version], default_provider(), Some(len));
            let mut talk = open(probe, server, &start(&root));
            let data = pattern(20_000);
            talk.send(&data);
            talk.run();
            assert!(talk.received == data);
            probe = talk.probe;
        }
    }
}

fn retry(mut probe: Probe) {
    for group in [kx_group::SECP384R1, kx_group::X25519] {
        let (root, identity) = good();
        let mut provider = default_provider();
        provider.kx_groups = vec![group];
        let mut talk = open(probe, identity.serve_with(&[&TLS13], provider, None), &start(&root));
        exchange(&mut talk);
        probe = talk.probe;
    }
}

fn clean_close(mut probe: Probe) {
    for version in BOTH {
        let (root, identity) = good();
        let mut talk = open(probe, identity.serve(&[version]), &start(&root));
        talk.send(b"the last words");
        talk.server.connection.send_close_notify();
        talk.run();
        assert_eq!((talk.last.error, talk.received.as_slice()), (None, &b"the last words"[..]));
        let answer = talk.probe.receive(b"what comes behind it", usize::MAX);
        assert_eq!((answer.error, answer.taken, answer.data.len()), (None, 20, 0));
        assert_eq!(talk.probe.write(b"x").taken, 0);
        probe = talk.probe;
    }
}

fn changed_record(mut probe: Probe) {
    for version in BOTH {
        let (root, identity) = good();
        let mut talk = open(probe, identity.serve(&[version]), &start(&root));
        talk.send(b"from the server");
        let mut wire = Vec::new();
        talk.server.connection.write_tls(&mut wire).unwrap();
        *wire.last_mut().unwrap() ^= 1;
        let answer = talk.probe.receive(&wire, usize::MAX);
        assert_eq!((answer.error, answer.data.len(), answer.is_established), (Some("protocol"), 0, false));
        probe = talk.probe;
    }
}

fn several_records(probe: Probe) {
    let (root, identity) = good();
    let mut talk = open(probe, identity.serve(&[&TLS13]), &start(&root));
    for part in [&b"one"[..], b"two", b"three"] {
        talk.send(part);
    }
    talk.run();
    assert_eq!(talk.received, b"onetwothree");
}

/// Mbed TLS 3.6 cannot change keys. Servers do so after millions of records.
fn key_update(probe: Probe) {
    let (root, identity) = good();
    let mut talk = open(probe, identity.serve(&[&TLS13]), &start(&root));
    talk.server.connection.refresh_traffic_keys().expect("the session is open");
    talk.send(b"under new keys");
    talk.run();
    assert_eq!((talk.last.error, talk.received.len()), (Some("protocol"), 0));
}

fn seeds(mut probe: Probe) {
    let (root, _) = good();
    let mut hello = |seed| probe.start(&Start { seed, ..start(&root) }).wire;
    let [first, again, other] = [1, 1, 2].map(&mut hello);
    assert_eq!(first, again);
    // Random number, session and key.
    let different = first.iter().zip(&other).filter(|(a, b)| a != b).count();
    assert!(different > 100 && first.len() == other.len(), "{different}");
}

fn memory(mut probe: Probe) {
    let (root, _) = good();
    let mut used = Vec::new();
    for round in 0..6 {
        let (other, identity) = good();
        let trusted = if round % 2 == 0 { &other } else { &root };
        let mut talk = Talk::new(probe, identity.serve(BOTH), &start(trusted));
        talk.run();
        assert_eq!(talk.last.is_established, round % 2 == 0);
        probe = talk.probe;
        used.push(probe.look().heap);
    }
    let [connected, failed] = [used[0], used[1]];
    assert!(failed < connected - 30_000, "{used:?}");
    // The first round may leave behind what all others use again; certificates differ by a few bytes.
    for round in [3, 5] {
        assert!(used[round].abs_diff(failed) <= 16, "{used:?}");
    }
}

fn echo(mut probe: Probe) {
    let data = pattern(100_000);
    for version in BOTH {
        let root = Authority::root(Key::Rsa4096);
        let first = root.intermediate(Key::P384);
        let identity = first.leaf(NAME, Key::P256, VALID).with(&first);
        let roots =
            [root.der.to_vec()].into_iter().chain(crate::roots::ALL[1..].iter().map(|root| root.to_vec()));
        let start = Start { roots: roots.collect(), ..start(&root) };
        // What the machine's own driver takes, and what Mbed TLS keeps for ever.
        let base = probe.start(&Start { name: String::new(), ..start.clone() }).heap;
        let mut talk = open(probe, identity.serve(&[version]), &start);
        let connected = talk.probe.look().heap - base;
        let peak = talk.heap_max - base;
        println!(
            "{:?}: heap at the handshake {peak}, connected {connected}; {} million ticks",
            version.version,
            talk.ticks / 1_000_000,
        );
        assert!(peak < 62_000 && connected < 51_000);
        for part in data.chunks(5_000) {
            talk.write(part);
            let arrived = std::mem::take(&mut talk.arrived);
            assert!(arrived == part);
            talk.send(&arrived);
            talk.run();
        }
        assert!(talk.received == data);
        assert_eq!(talk.heap_max - base, peak, "data takes no more");
        probe = talk.probe;
    }
}
