//! Stars passwords and tokens in captured frames.
//!
//! What is sent over TCP is put together again, because a request may come in pieces of any length and more than once.
//! In the whole stream secrets are found where they stand: those that the run knows, however they are encoded there,
//! and whatever stands where the protocols in use have secrets. Then the same bytes are starred in each frame that
//! carries them, and its checksum is made right.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use memchr::memmem;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Address, Ipv4Packet, TcpPacket,
};

use crate::stack::Frame;
use crate::text::percent_encode;

/// A sequence number further from the beginning of its stream is no part of it.
const STREAM_LEN_MAX: usize = 16 << 20;
const STAR: u8 = b'*';

/// What stands before a secret, and what ends it.
const FORMS: [(&[u8], &[u8]); 14] = [
    (b"?pass=", b"& \r\n"),
    (b"&pass=", b"& \r\n"),
    (b"?blynk=", b"& \r\n"),
    (b"&blynk=", b"& \r\n"),
    (b"?token=", b"& \r\n"),
    (b"&token=", b"& \r\n"),
    (b"Authorization: Basic ", b"\r\n"),
    (b"Authorization: Bearer ", b"\r\n"),
    (b"\"access_token\":\"", b"\""),
    (b"\"token\":\"", b"\""),
    // Bodies of forms.
    (b"\npass=", b"& \r\n"),
    (b"\nblynk=", b"& \r\n"),
    (b"name=\"pass\"\r\n\r\n", b"\r\n"),
    (b"name=\"blynk\"\r\n\r\n", b"\r\n"),
];

/// What a device's login begins with: command 29, message 1, and the length of the token, which follows.
const LOGIN: [u8; 5] = [29, 0, 1, 0, TOKEN_LEN as u8];
const TOKEN_LEN: usize = 32;

/// One way of a connection: from where to where.
type Flow = (Ipv4Address, u16, Ipv4Address, u16);

/// What one way of a connection has carried.
#[derive(Default)]
struct Stream {
    /// The sequence number of its first byte.
    first: u32,
    bytes: Vec<u8>,
    /// Which frame carries which part, and where in the frame that begins.
    pieces: Vec<Piece>,
}

/// What all connections have carried.
#[derive(Default)]
struct Carried {
    streams: Vec<Stream>,
    /// Frames, and what they carry, that belong to no stream whose beginning is known: nobody can tell what that is.
    strays: Vec<(usize, Range<usize>)>,
}

struct Piece {
    frame: usize,
    begins_at: usize,
    part: Range<usize>,
}

/// What is needed of a frame that carries TCP.
struct Segment {
    flow: Flow,
    /// Whether its checksum says so.
    is_sound: bool,
    is_first: bool,
    sequence: u32,
    payload: Range<usize>,
}

/// Stars the secrets in all frames, which are in the order in which they were sent. Returns which frames held one.
pub(super) fn redact(frames: &mut [Frame], secrets: &[Vec<u8>]) -> BTreeSet<usize> {
    let mut held = BTreeSet::new();
    let known = encodings(secrets);
    frames.iter_mut().for_each(star_damaged);
    let Carried { streams, strays } = streams(frames);
    for (number, payload) in strays {
        let Some(frame) = frames.get_mut(number) else { continue };
        frame.get_mut(payload).into_iter().for_each(|bytes| bytes.fill(STAR));
        make_checksum_right(frame);
    }
    for stream in streams {
        let hidden = find(&stream.bytes, &known);
        for piece in &stream.pieces {
            let Some(frame) = frames.get_mut(piece.frame) else { continue };
            let mut is_changed = false;
            for range in &hidden {
                let from = range.start.max(piece.part.start);
                let to = range.end.min(piece.part.end);
                if from < to {
                    let place = piece.begins_at + from - piece.part.start;
                    frame.get_mut(place..place + to - from).into_iter().for_each(|bytes| bytes.fill(STAR));
                    is_changed = true;
                }
            }
            if is_changed {
                make_checksum_right(frame);
                held.insert(piece.frame);
            }
        }
    }
    held
}

/// A router passes on what was damaged on the way to it, and a secret with a wrong bit is still one.
fn star_damaged(frame: &mut Frame) {
    if let Some(Segment { is_sound: false, payload, .. }) = segment(frame) {
        frame.get_mut(payload).into_iter().for_each(|bytes| bytes.fill(STAR));
    }
}

/// Each secret as it is, and as queries and forms hold it.
fn encodings(secrets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut known = Vec::new();
    for secret in secrets {
        let mut encoded = String::new();
        percent_encode(secret, &mut encoded);
        known.extend([secret.clone(), encoded.replace("%20", "+").into_bytes(), encoded.into_bytes()]);
    }
    known.sort();
    known.dedup();
    known
}

/// Where secrets stand.
fn find(bytes: &[u8], known: &[Vec<u8>]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for secret in known {
        found.extend(memmem::find_iter(bytes, secret).map(|at| at..at + secret.len()));
    }
    found.extend(memmem::find_iter(bytes, &LOGIN).map(|at| at + LOGIN.len()).map(|at| at..at + TOKEN_LEN));
    for (before, ends) in FORMS {
        for at in memmem::find_iter(bytes, before) {
            let from = at + before.len();
            let len =
                bytes.get(from..).unwrap_or_default().iter().take_while(|byte| !ends.contains(byte)).count();
            found.push(from..from + len);
        }
    }
    found
}

/// Puts together what each way of each connection has carried.
fn streams(frames: &[Frame]) -> Carried {
    let mut carried = Carried::default();
    let mut open: BTreeMap<Flow, Stream> = BTreeMap::new();
    for (number, frame) in frames.iter().enumerate() {
        let Some(Segment { flow, is_first, sequence, payload, .. }) =
            segment(frame).filter(|segment| segment.is_sound)
        else {
            continue;
        };
        if is_first {
            let first = sequence.wrapping_add(1);
            // The same SYN once more begins nothing.
            if open.get(&flow).is_none_or(|stream| stream.first != first) {
                carried.streams.extend(open.insert(flow, Stream { first, ..Stream::default() }));
            }
            continue;
        }
        if payload.is_empty() {
            continue;
        }
        let stream = open.get_mut(&flow).map(|stream| (sequence.wrapping_sub(stream.first) as usize, stream));
        let Some((from, stream)) = stream.filter(|(from, _)| from + payload.len() <= STREAM_LEN_MAX) else {
            carried.strays.push((number, payload));
            continue;
        };
        let to = from + payload.len();
        stream.bytes.resize(stream.bytes.len().max(to), 0);
        if let Some((place, bytes)) = stream.bytes.get_mut(from..to).zip(frame.get(payload.clone())) {
            place.copy_from_slice(bytes);
        }
        stream.pieces.push(Piece { frame: number, begins_at: payload.start, part: from..to });
    }
    carried.streams.extend(open.into_values());
    carried
}

fn segment(frame: &[u8]) -> Option<Segment> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    if ip.next_header() != IpProtocol::Tcp || ip.frag_offset() != 0 {
        return None;
    }
    let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
    let payload = tcp.payload();
    let begins_at =
        frame.len() - ethernet.payload().len() + usize::from(ip.header_len()) + usize::from(tcp.header_len());
    Some(Segment {
        is_sound: tcp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()),
        flow: (ip.src_addr(), tcp.src_port(), ip.dst_addr(), tcp.dst_port()),
        is_first: tcp.syn(),
        sequence: u32::from_ne_bytes(tcp.seq_number().0.to_ne_bytes()),
        payload: begins_at..begins_at + payload.len(),
    })
}

fn make_checksum_right(frame: &mut Frame) {
    let Ok(mut ethernet) = EthernetFrame::new_checked(frame.as_mut_slice()) else { return };
    let Ok(mut ip) = Ipv4Packet::new_checked(ethernet.payload_mut()) else { return };
    let (from, to) = (IpAddress::from(ip.src_addr()), IpAddress::from(ip.dst_addr()));
    if let Ok(mut tcp) = TcpPacket::new_checked(ip.payload_mut()) {
        tcp.fill_checksum(&from, &to);
    }
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::{EthernetAddress, Ipv4Repr, TcpControl, TcpRepr, TcpSeqNumber};

    use super::*;

    const PHONE: Ipv4Address = Ipv4Address::new(192, 168, 4, 2);
    const DEVICE: Ipv4Address = Ipv4Address::new(192, 168, 4, 1);
    const FIRST: i32 = -5;

    /// A frame of the phone's, which carries the stream from here on.
    fn frame(control: TcpControl, at: i32, payload: &[u8]) -> Frame {
        let tcp = TcpRepr {
            src_port: 50_000,
            dst_port: 80,
            control,
            seq_number: TcpSeqNumber(FIRST.wrapping_add(at)),
            ack_number: None,
            window_len: 1_000,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload,
        };
        let ip = Ipv4Repr {
            src_addr: PHONE,
            dst_addr: DEVICE,
            next_header: IpProtocol::Tcp,
            payload_len: tcp.buffer_len(),
            hop_limit: 64,
        };
        let mut frame = vec![0; 14 + ip.buffer_len() + tcp.buffer_len()];
        let mut ethernet = EthernetFrame::new_unchecked(frame.as_mut_slice());
        ethernet.set_dst_addr(EthernetAddress([2, 0, 0, 0, 0, 1]));
        ethernet.set_ethertype(EthernetProtocol::Ipv4);
        let mut packet = Ipv4Packet::new_unchecked(ethernet.payload_mut());
        ip.emit(&mut packet, &smoltcp::phy::ChecksumCapabilities::default());
        let mut segment = TcpPacket::new_unchecked(packet.payload_mut());
        tcp.emit(&mut segment, &PHONE.into(), &DEVICE.into(), &smoltcp::phy::ChecksumCapabilities::default());
        frame
    }

    fn payload(frame: &Frame) -> String {
        let segment = segment(frame).expect("it carries TCP");
        assert!(segment.is_sound, "its checksum is right");
        String::from_utf8_lossy(&frame[segment.payload]).into_owned()
    }

    /// What is left of a stream that comes in pieces of this length.
    #[track_caller]
    fn check(len: usize, text: &str, expected: &str) {
        let mut frames = vec![frame(TcpControl::Syn, -1, b"")];
        for (number, piece) in text.as_bytes().chunks(len).enumerate() {
            frames.push(frame(TcpControl::None, i32::try_from(number * len).expect("short"), piece));
        }
        // The first piece comes once more.
        frames.push(frames[1].clone());
        redact(&mut frames, &[b"correct horse".to_vec(), b"caf\xE9 caf\xE9".to_vec()]);
        let told: Vec<String> = frames[1..].iter().map(payload).collect();
        let (again, told) = told.split_last().expect("there are some");
        assert_eq!(told.concat(), expected, "in pieces of {len}");
        assert_eq!(*again, told[0]);
    }

    #[test]
    fn secrets_are_starred_wherever_a_stream_is_cut() {
        for len in [1, 7, 8, 100] {
            check(len, "horse correct horse correct", "horse ************* correct");
            check(len, "?x=correct+horse&y=correct%20horse ", "?x=*************&y=*************** ");
            check(len, "a=caf%E9%20caf%E9", "a=***************");
        }
    }

    #[test]
    fn what_stands_where_secrets_stand_is_starred_whatever_it_is() {
        for (text, expected) in [
            ("GET /config?ssid=a&pass=b%26c&blynk=d HTTP", "GET /config?ssid=a&pass=*****&blynk=* HTTP"),
            ("POST / HTTP/1.1\r\n\r\npass=x&ssid=y", "POST / HTTP/1.1\r\n\r\npass=*&ssid=y"),
            ("POST / HTTP/1.1\r\n\r\nblynk=x&ssid=y", "POST / HTTP/1.1\r\n\r\nblynk=*&ssid=y"),
            ("name=\"blynk\"\r\n\r\nabc\r\n--b", "name=\"blynk\"\r\n\r\n***\r\n--b"),
            ("Authorization: Bearer abc\r\nHost: x", "Authorization: Bearer ***\r\nHost: x"),
            ("{\"token\":\"abc\",\"deviceId\":1}", "{\"token\":\"***\",\"deviceId\":1}"),
            ("compass=north", "compass=north"),
            (
                "\u{1d}\0\u{1}\0 abcdefghijklmnopqrstuvwxyz012345\u{11}",
                "\u{1d}\0\u{1}\0 ********************************\u{11}",
            ),
        ] {
            check(3, text, expected);
            check(100, text, expected);
        }
    }

    #[test]
    fn what_belongs_to_no_known_stream_is_not_told_at_all() {
        let stray = |at| frame(TcpControl::None, at, b"half a secr");
        let mut frames = vec![stray(0), frame(TcpControl::Syn, -1, b""), stray(STREAM_LEN_MAX as i32)];
        redact(&mut frames, &[]);
        assert_eq!([&frames[0], &frames[2]].map(payload), ["***********", "***********"]);
    }

    #[test]
    fn what_is_damaged_is_not_told_at_all() {
        let mut damaged = frame(TcpControl::None, 0, b"corrext horse");
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        let mut frames = vec![frame(TcpControl::Syn, -1, b""), damaged];
        redact(&mut frames, &[b"correct horse".to_vec()]);
        assert!(frames[1].ends_with(&[STAR; 13]));
    }
}
