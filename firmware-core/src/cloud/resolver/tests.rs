use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const A: Ipv4Address = Ipv4Address::new(192, 168, 1, 1);
const B: Ipv4Address = Ipv4Address::new(9, 9, 9, 9);
const CLOUD: Ipv4Address = Ipv4Address::new(198, 18, 0, 10);
const SEED: u64 = 7;

fn ms(value: i64) -> Instant {
    Instant::from_millis(value)
}

/// The wire form of a name, without compression.
fn wire_name(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}

/// A record with an owner in wire form, so that it may be a pointer.
fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = owner.to_vec();
    record.extend(kind.to_be_bytes());
    record.extend([0, 1, 0, 0, 1, 44]);
    record.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    record.extend(data);
    record
}

/// Turns a query into an answer with these flags and records.
fn answer(query: &[u8], flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2..4].copy_from_slice(&(0x8180 | flags).to_be_bytes());
    answer[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
    answer.extend(records.concat());
    answer
}

/// The question's name, at offset 12.
const QUESTION: [u8; 2] = [0xC0, 12];

struct Bench {
    resolver: Resolver,
    now: Instant,
    /// Milliseconds, the server and the query.
    queries: Vec<(i64, Ipv4Address, Vec<u8>)>,
    results: Vec<(i64, Result<Ipv4Address, ResolveError>)>,
}

impl Bench {
    fn start(host: &str, servers: &[Ipv4Address]) -> Self {
        let mut resolver = Resolver::new();
        resolver.start(ms(0), host, servers, SEED);
        let mut bench = Self { resolver, now: ms(0), queries: Vec::new(), results: Vec::new() };
        bench.settle();
        bench
    }

    fn settle(&mut self) {
        let mut out = [0; MESSAGE_LEN_MAX];
        let at = self.now.total_millis();
        while let Some((len, server)) = self.resolver.transmit(self.now, &mut out) {
            self.queries.push((at, server, out[..len].to_vec()));
        }
        if let Some(result) = self.resolver.poll(self.now) {
            self.results.push((at, result));
        }
        if let Some(at) = self.resolver.poll_timeout() {
            assert!(self.now < at, "a wake at {at} does not advance from {}", self.now);
        }
    }

    fn receive(&mut self, from: Ipv4Address, message: &[u8]) {
        self.resolver.handle_received(self.now, from, message);
        self.settle();
    }

    /// Answers the newest query.
    fn answer(&mut self, flags: u16, records: &[Vec<u8>]) {
        let (_, server, query) = self.queries.last().unwrap().clone();
        self.receive(server, &answer(&query, flags, records));
    }

    fn run_until(&mut self, until: i64) {
        while let Some(at) = self.resolver.poll_timeout().filter(|at| *at <= ms(until)) {
            self.now = at;
            self.settle();
        }
        self.now = ms(until);
    }

    fn asked(&self) -> Vec<(i64, Ipv4Address)> {
        self.queries.iter().map(|(at, server, _)| (*at, *server)).collect()
    }
}

/// What one answer to the first query for `blynk.cloud` leads to, at once.
#[track_caller]
fn check(flags: u16, records: &[Vec<u8>], expected: Option<Ipv4Address>) {
    let mut bench = Bench::start("blynk.cloud", &[A]);
    bench.answer(flags, records);
    assert_eq!(bench.results, expected.map(|address| (0, Ok(address))).as_slice());
}

#[test]
fn a_query_has_a_header_a_question_and_nothing_else() {
    let bench = Bench::start("fra1.blynk.cloud", &[A]);
    let (at, server, query) = &bench.queries[0];
    assert_eq!((*at, *server), (0, A));
    assert_eq!(query[2..], *b"\x01\0\0\x01\0\0\0\0\0\0\x04fra1\x05blynk\x05cloud\0\0\x01\0\x01");
}

#[test]
fn ids_follow_from_the_seed_and_differ() {
    let ids = |seed| (0..6).map(|number| query_id(seed, number)).collect::<Vec<_>>();
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
    let mut sorted = ids(1);
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), 6);
}

#[test]
fn a_dotted_address_needs_nobody() {
    for (host, address) in [("198.18.0.10", CLOUD), ("9.9.9.9", B)] {
        let bench = Bench::start(host, &[]);
        assert_eq!(bench.results, [(0, Ok(address))]);
        assert_eq!(bench.queries, []);
    }
}

#[test]
fn what_is_not_a_name_is_refused_at_once() {
    let long_label = "x".repeat(64);
    let long_name = ["x".repeat(63).as_str(); 4].join(".");
    for host in ["", ".", "a..b", ".a", "a b", "ä", "a\0b", &long_label, &long_name, &"x.".repeat(200)] {
        let bench = Bench::start(host, &[A]);
        assert_eq!(bench.results, [(0, Err(ResolveError::BadName))], "{host:?}");
    }
    // A fixed address may come without gateway and name servers.
    for nobody in [&[][..], &[Ipv4Address::UNSPECIFIED; 2]] {
        assert_eq!(Bench::start("blynk.cloud", nobody).results, [(0, Err(ResolveError::NoServers))]);
    }
    let longest = std::format!("{}.{}", ["x".repeat(63).as_str(); 3].join("."), "x".repeat(61));
    for host in ["blynk.cloud.", "256.1.1.1", "host", &longest] {
        assert_eq!(Bench::start(host, &[A]).queries.len(), 1, "{host:?}");
    }
}

#[test]
fn an_address_ends_the_lookup() {
    check(0, &[record(&QUESTION, 1, &CLOUD.octets())], Some(CLOUD));
    check(0, &[record(&wire_name("BLYNK.Cloud"), 1, &CLOUD.octets())], Some(CLOUD));
    // Another type, another class and another name first.
    let mut chaos = record(&QUESTION, 1, &[1, 2, 3, 4]);
    chaos[5] = 3;
    let other = record(&wire_name("other.cloud"), 1, &[1, 2, 3, 4]);
    let text = record(&QUESTION, 16, b"\x02hi");
    check(0, &[chaos, other, text, record(&QUESTION, 1, &CLOUD.octets())], Some(CLOUD));
}

#[test]
fn aliases_are_followed_in_any_order() {
    let first = record(&QUESTION, 5, &wire_name("a.example"));
    let second = record(&wire_name("A.example"), 5, &wire_name("b.example"));
    let address = record(&wire_name("b.example"), 1, &CLOUD.octets());
    check(0, &[first.clone(), second.clone(), address.clone()], Some(CLOUD));
    check(0, &[address.clone(), second.clone(), first.clone()], Some(CLOUD));
    check(0, &[first.clone(), address], None);
    let looped = record(&wire_name("b.example"), 5, &wire_name("a.example"));
    check(0, &[first, second, looped], None);
}

#[test]
fn an_alias_may_point_into_the_message() {
    // `www` and a pointer to `cloud` in the question: offset 12 + 6.
    let target = b"\x03www\xC0\x12";
    let alias = record(&QUESTION, 5, target);
    let address = record(&wire_name("www.cloud"), 1, &CLOUD.octets());
    check(0, &[alias, address], Some(CLOUD));
}

#[test]
fn two_denials_end_the_lookup() {
    for (flags, records) in [
        (3, std::vec![]),
        (0, std::vec![]),
        (0, std::vec![record(&QUESTION, 28, &[0; 16])]),
        (0, std::vec![record(&QUESTION, 1, &[0, 0, 0, 0])]),
        (0, std::vec![record(&QUESTION, 1, &[255, 255, 255, 255])]),
    ] {
        let mut bench = Bench::start("blynk.cloud", &[A, B]);
        bench.run_until(10);
        bench.answer(flags, &records);
        assert_eq!(bench.results, []);
        bench.run_until(1_020);
        bench.answer(flags, &records);
        assert_eq!(bench.asked(), [(0, A), (1_010, B)]);
        assert_eq!(bench.results, [(1_020, Err(ResolveError::NotFound))]);
    }
}

#[test]
fn a_denial_that_the_network_delivers_twice_counts_once() {
    let mut bench = Bench::start("blynk.cloud", &[A]);
    bench.answer(3, &[]);
    bench.answer(3, &[]);
    assert_eq!(bench.results, []);
    bench.run_until(1_000);
    let first = bench.queries[0].2.clone();
    bench.receive(A, &answer(&first, 3, &[]));
    assert_eq!(bench.results, []);
    bench.answer(0, &[record(&QUESTION, 1, &CLOUD.octets())]);
    assert_eq!(bench.results, [(1_000, Ok(CLOUD))]);
}

#[test]
fn three_failures_or_truncations_end_the_lookup() {
    for flags in [2, 5, 1, 0x0200] {
        let mut bench = Bench::start("blynk.cloud", &[A, B]);
        for round in 0..3 {
            assert_eq!(bench.results, []);
            bench.run_until(round * 1_000);
            bench.answer(flags, &[record(&QUESTION, 1, &CLOUD.octets())]);
        }
        assert_eq!(bench.asked(), [(0, A), (1_000, B), (2_000, A)]);
        assert_eq!(bench.results, [(2_000, Err(ResolveError::ServerFailure))]);
    }
}

#[test]
fn three_unanswered_queries_end_the_lookup() {
    let mut bench = Bench::start("blynk.cloud", &[A, B]);
    bench.run_until(60_000);
    assert_eq!(bench.asked(), [(0, A), (2_000, B), (4_000, A)]);
    assert_eq!(bench.results, [(6_000, Err(ResolveError::Timeout))]);
    assert_eq!(bench.resolver.poll_timeout(), None);
}

#[test]
fn the_worst_mixture_ends_after_six_queries() {
    let mut bench = Bench::start("blynk.cloud", &[A]);
    bench.run_until(4_000);
    bench.answer(3, &[]);
    bench.run_until(5_000);
    bench.answer(2, &[]);
    bench.run_until(6_000);
    bench.answer(2, &[]);
    bench.run_until(7_000);
    assert_eq!(bench.results, []);
    assert_eq!(bench.queries.len(), QUERIES_MAX);
    bench.run_until(60_000);
    assert_eq!(bench.results, [(9_000, Err(ResolveError::Timeout))]);
}

#[test]
fn a_late_answer_counts() {
    let mut bench = Bench::start("blynk.cloud", &[A, B]);
    bench.run_until(5_000);
    let first = bench.queries[0].2.clone();
    bench.receive(A, &answer(&first, 0, &[record(&QUESTION, 1, &CLOUD.octets())]));
    assert_eq!(bench.results, [(5_000, Ok(CLOUD))]);
    // A late denial leaves the newest query its time.
    let mut bench = Bench::start("blynk.cloud", &[A, B]);
    bench.run_until(2_500);
    let first = bench.queries[0].2.clone();
    bench.receive(A, &answer(&first, 3, &[]));
    bench.run_until(3_999);
    assert_eq!(bench.queries.len(), 2);
}

#[test]
fn only_answers_to_open_questions_from_the_server_that_was_asked_are_believed() {
    let good = |query: &[u8]| answer(query, 0, &[record(&QUESTION, 1, &CLOUD.octets())]);
    let mut bench = Bench::start("blynk.cloud", &[A, B]);
    let query = bench.queries[0].2.clone();
    let ignored: [(Ipv4Address, Vec<u8>); 9] = [
        (B, good(&query)),
        (A, query.clone()),
        (A, {
            let mut wrong_id = good(&query);
            wrong_id[1] ^= 1;
            wrong_id
        }),
        (A, {
            let mut wrong_name = good(&query);
            wrong_name[13] = b'x';
            wrong_name
        }),
        (A, {
            let mut wrong_type = good(&query);
            wrong_type[query.len() - 3] = 28;
            wrong_type
        }),
        (A, {
            let mut two_questions = good(&query);
            two_questions[5] = 2;
            two_questions
        }),
        (A, {
            let mut notify = good(&query);
            notify[2] |= 0x20;
            notify
        }),
        (A, good(&query)[..query.len() + 8].to_vec()),
        (A, [good(&query), std::vec![0; 512]].concat()),
    ];
    for (from, message) in ignored {
        bench.receive(from, &message);
        assert_eq!(bench.results, []);
    }
    bench.receive(A, &good(&query));
    assert_eq!(bench.results, [(0, Ok(CLOUD))]);
    bench.receive(A, &good(&query));
    assert_eq!(bench.results.len(), 1);
}

#[test]
fn pointers_that_lead_nowhere_or_in_circles_are_broken() {
    // At the question's end stands the first record's owner.
    let at = 12 + wire_name("blynk.cloud").len() + 4;
    let here = [0xC0, u8::try_from(at).unwrap()];
    let ahead = [0xC0, u8::try_from(at + 2).unwrap()];
    for owner in [&here[..], &ahead, &[0xFF, 0xFF], &[0x80, 0], &[0x40], &[63, 1]] {
        check(0, &[record(owner, 1, &CLOUD.octets()), record(&QUESTION, 1, &CLOUD.octets())], None);
    }
    // An alias to itself, and one that jumps into another name's pointer.
    check(0, &[record(&QUESTION, 5, &QUESTION)], None);
    check(0, &[record(&QUESTION, 5, &here)], None);
}

#[test]
fn too_little_room_makes_a_query_wait() {
    let mut resolver = Resolver::new();
    resolver.start(ms(0), "blynk.cloud", &[A], SEED);
    assert_eq!(resolver.transmit(ms(0), &mut [0; 28]), None);
    assert_eq!(resolver.transmit(ms(5), &mut [0; 29]), Some((29, A)));
}

#[test]
fn a_stopped_lookup_is_over() {
    let mut bench = Bench::start("blynk.cloud", &[A]);
    bench.resolver.stop();
    bench.answer(0, &[record(&QUESTION, 1, &CLOUD.octets())]);
    bench.run_until(60_000);
    assert_eq!((bench.results.len(), bench.queries.len()), (0, 1));
}

proptest! {
    #[test]
    fn arbitrary_datagrams_never_panic(tails in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..8)) {
        let mut bench = Bench::start("blynk.cloud", &[A, B]);
        for tail in tails {
            bench.receive(A, &tail);
            // The same behind a header and question that fit, so that the records are read.
            let Some((_, server, query)) = bench.queries.last().cloned() else { break };
            let mut message = answer(&query, 0, &[]);
            message[7] = 9;
            message.extend(tail);
            bench.receive(server, &message);
            bench.run_until(bench.now.total_millis() + 700);
        }
        bench.run_until(100_000);
        prop_assert_eq!(bench.results.len(), 1);
    }

    #[test]
    fn records_of_pointers_never_hang(bytes in prop::collection::vec(prop::sample::select(std::vec![0xC0_u8, 0, 1, 12, 20, 29, 40, 5]), 0..480)) {
        let mut bench = Bench::start("blynk.cloud", &[A]);
        let mut message = answer(&bench.queries[0].2.clone(), 0, &[]);
        message[6] = 0xFF;
        message.extend(bytes);
        bench.receive(A, &message);
        bench.run_until(100_000);
        prop_assert_eq!(bench.results.len(), 1);
    }
}
