//! What the home network and the cloud can send: frames of the Blynk protocol and answers of name servers.

use firmware_core::cloud::codec::{DecodeError, Decoder, EncodeError, Frame, ZeroId, params};
use firmware_core::cloud::resolver::{MESSAGE_LEN_MAX, ResolveError, Resolver};
use firmware_core::portal::AP_IP;
use firmware_core::portal::dns::{Names, REPLY_LEN_MAX, answer};
use firmware_core::{Duration, Instant};
use smoltcp::wire::Ipv4Address;

use crate::input::Input;

/// The largest body the decoder takes here; the fuzzer's inputs are to reach it.
const BODY_MAX: usize = 48;

/// How to cut, then a stream of frames.
///
/// The frames are the same however the stream is cut, are the bytes they came from when they are encoded, and
/// have parameters that make their body again.
pub(crate) fn codec(bytes: &[u8]) {
    let mut input = Input(bytes);
    let zero_id = if input.byte() & 1 == 0 { ZeroId::Refuse } else { ZeroId::Accept };
    let cuts = input.take(4);
    let stream = input.0;
    let whole = decode(zero_id, stream, &[]);
    assert_eq!(decode(zero_id, stream, &[1]), whole);
    assert_eq!(decode(zero_id, stream, cuts), whole);
    let (frames, result) = whole;
    assert!(stream.starts_with(&frames.concat()));
    let rest = &stream[frames.concat().len()..];
    match result {
        Ok(()) => assert!(rest.len() < 5 + BODY_MAX, "a whole frame was not seen"),
        Err(DecodeError::ZeroId) => assert_eq!(rest[1..3], [0, 0]),
        Err(DecodeError::Oversize(len)) => {
            assert_eq!(rest[3..5], len.to_be_bytes());
            assert!(usize::from(len) > BODY_MAX && rest[0] != 0);
        }
    }
}

/// The frames, encoded again, and how the stream ended.
fn decode(zero_id: ZeroId, stream: &[u8], cuts: &[u8]) -> (Vec<Vec<u8>>, Result<(), DecodeError>) {
    let mut decoder = Decoder::<BODY_MAX>::new(zero_id);
    let mut frames = Vec::new();
    let mut rest = stream;
    let mut cuts = cuts.iter().map(|cut| usize::from(*cut).max(1)).cycle();
    while !rest.is_empty() {
        let (mut piece, behind) = rest.split_at(cuts.next().unwrap_or(rest.len()).min(rest.len()));
        rest = behind;
        loop {
            let promised = decoder.wanted().min(piece.len());
            let before = piece.len();
            match decoder.decode(&mut piece) {
                Ok(Some(frame)) => frames.push(encode(&frame)),
                Ok(None) => {
                    assert!(piece.is_empty(), "bytes were left");
                    break;
                }
                Err(error) => {
                    assert_eq!(decoder.decode(&mut &b"more"[..]), Err(error), "it stays unusable");
                    return (frames, Err(error));
                }
            }
            assert!(before - piece.len() >= promised);
        }
    }
    (frames, Ok(()))
}

fn encode(frame: &Frame<'_>) -> Vec<u8> {
    let mut out = [0; 5 + BODY_MAX];
    let len = frame.encode(&mut out).expect("there is room for what was taken");
    assert_eq!(frame.encode(&mut out[..len - 1]), Err(EncodeError::NoRoom));
    let body = frame.body();
    let parts: Vec<&[u8]> = params(body).collect();
    assert_eq!(parts.join(&0), body);
    assert!(params(body).pairs().count() <= parts.len() / 2);
    let without_end = body.strip_suffix(&[0]).unwrap_or(body);
    assert!(params(body).trimmed().eq(params(without_end)));
    out[..len].to_vec()
}

/// A name, then datagrams, each behind a byte of time, one that says what is put right in it, and its length.
///
/// The lookup ends, after few queries that the access point's own name server understands; an address comes from
/// a datagram or from the name itself.
pub(crate) fn resolver(bytes: &[u8]) {
    let mut input = Input(bytes);
    let host = String::from_utf8_lossy(input.short_piece()).into_owned();
    let servers: Vec<_> = (1..=input.byte() & 3).map(|last| Ipv4Address::new(10, 0, 0, last)).collect();
    check_with_access_point(&host);
    let mut now = Instant::from_secs(10);
    let mut resolver = Resolver::new();
    resolver.start(now, &host, &servers, 7);
    let mut lookup = Lookup { host: &host, resolver, queries: Vec::new(), received: Vec::new() };
    while !input.is_empty() {
        now += Duration::from_millis(u64::from(input.byte()) * 8);
        if lookup.poll(now) {
            return;
        }
        let fix = input.byte();
        let message = lookup.put_right(fix, input.short_piece());
        let from = Ipv4Address::new(10, 0, 0, 1 + (fix >> 6));
        lookup.resolver.handle_received(now, from, &message);
        lookup.received.push(message);
    }
    for _ in 0..32 {
        if lookup.poll(now) {
            return;
        }
        now = now.max(lookup.resolver.poll_timeout().expect("a lookup that is not over has a deadline"));
    }
    panic!("the lookup of {host:?} does not end");
}

struct Lookup<'a> {
    host: &'a str,
    resolver: Resolver,
    queries: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
}

impl Lookup<'_> {
    /// Sends what is due; returns whether there is a result.
    fn poll(&mut self, now: Instant) -> bool {
        let mut out = [0; MESSAGE_LEN_MAX];
        while let Some((len, server)) = self.resolver.transmit(now, &mut out) {
            assert_eq!(server.octets()[..3], [10, 0, 0]);
            self.queries.push(out[..len].to_vec());
        }
        assert!(self.queries.len() <= 6, "{} queries", self.queries.len());
        let Some(result) = self.resolver.poll(now) else { return false };
        match result {
            Ok(address) if self.queries.is_empty() => assert_eq!(self.host.parse(), Ok(address)),
            Ok(address) => {
                let octets = address.octets();
                let is_told =
                    self.received.iter().any(|message| message.windows(4).any(|part| part == octets));
                assert!(is_told && !address.is_unspecified() && !address.is_multicast(), "{address}");
            }
            Err(ResolveError::BadName | ResolveError::NoServers) => assert!(self.queries.is_empty()),
            Err(ResolveError::Timeout) => assert!(self.queries.len() >= 3),
            Err(ResolveError::NotFound | ResolveError::ServerFailure) => assert!(!self.received.is_empty()),
        }
        assert_eq!(self.resolver.poll(now), None, "a result comes once");
        true
    }

    /// A fuzzer does not guess ids: with bit 0 the message gets the latest query's, with bit 1 it becomes an
    /// answer to that query, with the message as its counts and records.
    fn put_right(&self, fix: u8, message: &[u8]) -> Vec<u8> {
        let Some(query) = self.queries.last() else { return message.to_vec() };
        let mut message = message.to_vec();
        if fix & 2 != 0 {
            let mut counts = Input(&message);
            let [flags, answers] =
                [counts.take(1), counts.take(1)].map(|byte| byte.first().copied().unwrap_or(0));
            let mut whole = query.clone();
            whole[2] = 0x80 | flags & 0x02;
            whole[3] = flags >> 4;
            whole[7] = answers;
            whole.extend_from_slice(counts.0);
            message = whole;
        } else if fix & 1 != 0 {
            for (place, byte) in message.iter_mut().zip(&query[..2]) {
                *place = *byte;
            }
        }
        message
    }
}

/// The device's two ends of the protocol understand each other about any name.
fn check_with_access_point(host: &str) {
    let mut resolver = Resolver::new();
    let mut query = [0; MESSAGE_LEN_MAX];
    resolver.start(Instant::ZERO, host, &[AP_IP], 7);
    let Some((len, _)) = resolver.transmit(Instant::ZERO, &mut query) else { return };
    let mut reply = [0; REPLY_LEN_MAX];
    let len = answer(&query[..len], Names::Every, &mut reply).expect("a query has an answer");
    resolver.handle_received(Instant::ZERO, AP_IP, &reply[..len]);
    assert_eq!(resolver.poll(Instant::ZERO), Some(Ok(AP_IP)), "{host:?}");
}
