use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const GOLDEN: &str = include_str!("../../../tests/data/golden-frames.json");

struct Golden {
    source: String,
    code: u8,
    id: u16,
    /// The length, or the status of a response.
    length: u16,
    bytes: Vec<u8>,
    body: String,
}

fn golden_frames() -> Vec<Golden> {
    let frames: Vec<serde_json::Value> = serde_json::from_str(GOLDEN).unwrap();
    let number = |value: &serde_json::Value| value.as_u64().and_then(|value| u16::try_from(value).ok());
    frames
        .iter()
        .map(|frame| Golden {
            source: frame["source"].to_string(),
            code: u8::try_from(frame["type"].as_u64().unwrap()).unwrap(),
            id: number(&frame["id"]).unwrap(),
            length: number(&frame["len"]).or(number(&frame["status"])).unwrap(),
            bytes: from_hex(frame["hex"].as_str().unwrap()),
            body: frame["body_nul_as_bar"].as_str().unwrap_or_default().to_string(),
        })
        .collect()
}

fn from_hex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A frame that owns its body, to compare with.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Owned(u8, u16, Result<Vec<u8>, u16>);

impl From<Frame<'_>> for Owned {
    fn from(frame: Frame<'_>) -> Self {
        let content = match frame {
            Frame::Response { status, .. } => Err(status.0),
            Frame::Message { body, .. } => Ok(body.to_vec()),
        };
        Self(frame.command().code(), frame.id(), content)
    }
}

/// Feeds the pieces one by one and returns every frame.
fn decode_all<const N: usize>(decoder: &mut Decoder<N>, pieces: &[&[u8]]) -> Result<Vec<Owned>, DecodeError> {
    let mut frames = Vec::new();
    for piece in pieces {
        let mut piece = *piece;
        while let Some(frame) = decoder.decode(&mut piece)? {
            frames.push(frame.into());
        }
        assert!(piece.is_empty(), "a decoder without a whole frame takes everything");
    }
    Ok(frames)
}

#[test]
fn every_golden_frame_decodes_to_its_fields_and_encodes_to_its_bytes() {
    let frames = golden_frames();
    assert_eq!(frames.len(), 119);
    for golden in &frames {
        let name = format!("{} {}", golden.source, golden.body);
        let mut decoder = Decoder::<BODY_LEN_MAX>::new(ZeroId::Refuse);
        let mut bytes = &golden.bytes[..];
        let frame = decoder.decode(&mut bytes).unwrap().unwrap();
        assert!(bytes.is_empty(), "{name}");
        assert_eq!((frame.command().code(), frame.id()), (golden.code, golden.id), "{name}");
        match frame {
            Frame::Response { status, .. } => assert_eq!(status, Status(golden.length), "{name}"),
            Frame::Message { body, .. } => assert_eq!(body.len(), usize::from(golden.length), "{name}"),
        }
        let shown: Vec<_> = frame.params().map(String::from_utf8_lossy).collect();
        assert_eq!(shown.join("|"), golden.body, "{name}");
        let mut out = [0; 2048];
        let len = frame.encode(&mut out).unwrap();
        assert_eq!(&out[..len], &golden.bytes[..], "{name}");
    }
}

#[test]
fn golden_bodies_are_rebuilt_from_their_parameters() {
    for golden in golden_frames().iter().filter(|golden| golden.code != 0) {
        let mut out = [0; 2048];
        let mut writer = FrameWriter::new(&mut out, Command::from_code(golden.code), golden.id, BODY_LEN_MAX);
        for param in params(&golden.bytes[HEADER_LEN..]) {
            writer.param(param);
        }
        let len = writer.finish().unwrap();
        assert_eq!(&out[..len], &golden.bytes[..], "{}", golden.body);
    }
}

#[test]
fn a_response_is_whole_after_its_header_whatever_its_status() {
    for status in [0, 1, 9, 200, 250, 1_025, 65_535] {
        let [high, low] = u16::to_be_bytes(status);
        let bytes = [0, 0, 7, high, low];
        let frames = decode_all(&mut Decoder::<8>::new(ZeroId::Refuse), &[&bytes]);
        assert_eq!(frames, Ok(std::vec![Owned(0, 7, Err(status))]));
    }
}

#[track_caller]
fn check_error(zero_id: ZeroId, bytes: &[u8], expected: DecodeError) {
    let mut decoder = Decoder::<8>::new(zero_id);
    assert_eq!(decode_all(&mut decoder, &[bytes]), Err(expected));
    assert_eq!(decoder.wanted(), 0);
    assert_eq!(decoder.decode(&mut &[6, 0, 1, 0, 0][..]), Err(expected), "an error lasts");
    decoder.reset();
    assert!(decoder.decode(&mut &[6, 0, 1, 0, 0][..]).unwrap().is_some(), "until a new stream begins");
}

#[test]
fn a_body_over_the_limit_is_an_error_as_soon_as_it_is_announced() {
    check_error(ZeroId::Refuse, &[20, 0, 1, 0, 9], DecodeError::Oversize(9));
    check_error(ZeroId::Accept, &[20, 0, 0, 255, 255], DecodeError::Oversize(65_535));
}

#[test]
fn id_0_is_an_error_to_a_client_and_none_to_a_server() {
    check_error(ZeroId::Refuse, &[20, 0, 0, 0, 0], DecodeError::ZeroId);
    check_error(ZeroId::Refuse, &[0, 0, 0, 0, 200], DecodeError::ZeroId);
    let frames = decode_all(&mut Decoder::<8>::new(ZeroId::Accept), &[&[29, 0, 0, 0, 2, b'h', b'i']]);
    assert_eq!(frames, Ok(std::vec![Owned(29, 0, Ok(b"hi".to_vec()))]));
}

#[test]
fn params_are_split_at_every_nul() {
    let table: [(&[u8], &[&[u8]]); 6] = [
        (b"", &[]),
        (b"vw", &[b"vw"]),
        (b"vw\x006\0", &[b"vw", b"6", b""]),
        (b"\0", &[b"", b""]),
        (b"a\0\0b", &[b"a", b"", b"b"]),
        (b"vw\08\x001\xFF", &[b"vw", b"8", b"1\xFF"]),
    ];
    for (body, expected) in table {
        assert_eq!(params(body).collect::<Vec<_>>(), expected, "{body:?}");
    }
}

#[test]
fn one_trailing_nul_is_ignored_where_an_empty_parameter_means_nothing() {
    let trimmed = |body| params(body).trimmed().collect::<Vec<_>>();
    assert_eq!(trimmed(b"host\x0080\0"), [b"host".as_slice(), b"80"]);
    assert_eq!(trimmed(b"host"), [b"host"]);
    assert_eq!(trimmed(b"\0"), [b""; 0]);
    assert_eq!(trimmed(b"a\0\0"), [b"a".as_slice(), b""]);
    let pairs: Vec<_> = params(b"h-beat\x0040\0tmpl\0TMPLx\0").pairs().collect();
    assert_eq!(pairs, [(&b"h-beat"[..], &b"40"[..]), (b"tmpl", b"TMPLx")]);
}

#[test]
fn numbers_and_texts_are_read_in_turn() {
    let mut values = params(b"12\x00300\0x\0\xFF\0-5");
    assert_eq!(values.next_number::<u8>(), Some(12));
    assert_eq!(values.next_number::<u8>(), None);
    assert_eq!(values.next_text(), Some("x"));
    assert_eq!(values.next_text(), None);
    assert_eq!(values.rest(), b"-5");
    assert_eq!(values.next_number::<i32>(), Some(-5));
    assert_eq!(values.next_number::<i32>(), None);
}

/// A writer refuses what does not fit and says which of the limits it was.
#[track_caller]
fn check_write(room: usize, body_max: usize, param: &[u8], expected: Result<usize, EncodeError>) {
    let mut out = std::vec![0; room];
    let mut writer = FrameWriter::new(&mut out, Command::Hardware, 1, body_max);
    assert_eq!(writer.param(b"vw").param(param).finish(), expected);
}

#[test]
fn a_frame_that_does_not_fit_is_refused() {
    check_write(16, 11, b"12345678", Ok(16));
    check_write(16, 10, b"12345678", Err(EncodeError::TooLong));
    check_write(15, 11, b"12345678", Err(EncodeError::NoRoom));
    check_write(4, 11, b"12345678", Err(EncodeError::NoRoom));
    check_write(0, 11, b"", Err(EncodeError::NoRoom));
    check_write(16, 2, b"12345678901234567890", Err(EncodeError::TooLong));
    check_write(70_000, 100_000, &[b'x'; 65_532], Ok(65_540));
    check_write(70_000, 100_000, &[b'x'; 65_533], Err(EncodeError::TooLong));
}

#[test]
fn a_value_with_a_nul_or_that_cannot_be_written_is_refused() {
    struct Broken;
    impl fmt::Display for Broken {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    check_write(64, 64, b"1\x002", Err(EncodeError::Value));
    let mut out = [0; 64];
    assert_eq!(
        FrameWriter::new(&mut out, Command::Hardware, 1, 64).display(&Broken).finish(),
        Err(EncodeError::Value)
    );
    assert_eq!(
        FrameWriter::new(&mut out, Command::Hardware, 1, 64).display(&"a\0b").finish(),
        Err(EncodeError::Value)
    );
    assert_eq!(FrameWriter::new(&mut out, Command::Hardware, 1, 64).raw(b"a\0b").finish(), Ok(8));
}

#[test]
fn a_frame_does_not_show_its_body() {
    let frame = Frame::Message { command: Command::HardwareLogin, id: 1, body: b"a very secret token" };
    assert_eq!(format!("{frame:?}"), "HardwareLogin { id: 1, body: 19 bytes }");
    assert!(!format!("{:?}", frame.params()).contains("secret"));
    assert_eq!(format!("{:?}", frame.params()), format!("Params({} bytes)", frame.body().len()));
}

fn frames() -> impl Strategy<Value = Vec<(u8, u16, Vec<u8>)>> {
    let frame = (any::<u8>(), 1..=u16::MAX, prop::collection::vec(any::<u8>(), 0..40));
    prop::collection::vec(frame, 0..12)
}

proptest! {
    #[test]
    fn frames_come_out_as_they_went_in_however_the_stream_is_split(
        frames in frames(),
        cuts in prop::collection::vec(1..20_usize, 1..8),
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (code, id, body) in &frames {
            let mut out = [0; 64];
            let frame = match Command::from_code(*code) {
                Command::Response => Frame::Response { id: *id, status: Status(*id) },
                command => Frame::Message { command, id: *id, body },
            };
            let len = frame.encode(&mut out).unwrap();
            stream.extend_from_slice(&out[..len]);
            expected.push(Owned::from(frame));
        }
        let mut pieces = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (piece, tail) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        let mut decoder = Decoder::<40>::new(ZeroId::Refuse);
        prop_assert_eq!(decode_all(&mut decoder, &pieces), Ok(expected));
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_wanted_keeps_its_promise(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut decoder = Decoder::<32>::new(ZeroId::Refuse);
        let mut rest = &bytes[..];
        loop {
            let promised = decoder.wanted().min(rest.len());
            let taken = decoder.feed(rest);
            prop_assert!(taken >= promised);
            rest = &rest[taken..];
            let frame = decoder.frame();
            if frame.is_err() || (frame == Ok(None) && rest.is_empty()) { break; }
            decoder.advance();
        }
    }

    #[test]
    fn every_command_has_one_number(code in any::<u8>()) {
        prop_assert_eq!(Command::from_code(code).code(), code);
    }
}

#[test]
fn a_decoder_says_how_many_bytes_it_waits_for() {
    let mut decoder = Decoder::<16>::new(ZeroId::Refuse);
    assert_eq!(decoder.wanted(), HEADER_LEN);
    assert_eq!(decoder.feed(&[29, 0]), 2);
    assert_eq!(decoder.wanted(), HEADER_LEN - 2);
    assert_eq!(decoder.feed(&[7, 0, 10, b'a', b'b', b'c']), 6);
    assert_eq!(decoder.wanted(), 10 - 3);
    assert_eq!(decoder.feed(b"defghij"), 7);
    assert_eq!(decoder.wanted(), 0);
}

#[test]
fn every_error_says_what_is_wrong() {
    let told = [
        DecodeError::ZeroId.to_string(),
        DecodeError::Oversize(999).to_string(),
        EncodeError::TooLong.to_string(),
        EncodeError::NoRoom.to_string(),
        EncodeError::Value.to_string(),
    ];
    assert!(told[1].contains("999 bytes"));
    for (place, text) in told.iter().enumerate() {
        assert!(text.len() > 10 && !told[place + 1..].contains(text), "{text}");
    }
}
