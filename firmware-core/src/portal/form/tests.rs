use std::format;
use std::string::String;
use std::vec::Vec as StdVec;

use proptest::prelude::*;

use super::*;

fn request<'a>(query: &'a [u8], content_type: &'a [u8], body: &'a [u8]) -> Request<'a> {
    Request { method: "POST", path: b"/config", query, content_type, body }
}

/// Percent-encodes every byte that is not a letter or a digit, with `+` for a space as browsers do.
fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            b' ' => String::from("+"),
            byte if byte.is_ascii_alphanumeric() => String::from(char::from(*byte)),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

fn get(request: &Request<'_>, key: &str) -> Option<StdVec<u8>> {
    Arguments::of(request).get(key).map(|value| value.bytes().collect())
}

#[track_caller]
fn check(query: &[u8], key: &str, expected: Option<&[u8]>) {
    assert_eq!(get(&request(query, b"", b""), key).as_deref(), expected, "{}", query.escape_ascii());
}

#[test]
fn values_are_decoded_to_bytes() {
    check(b"a=b+c%2B%25%00%FF", "a", Some(b"b c+%\x00\xFF"));
    check(b"a=%c3%a9", "a", Some("\u{e9}".as_bytes()));
    check(b"a=1=2;3", "a", Some(b"1=2;3"));
    check(b"a=raw \"'<>\\", "a", Some(b"raw \"'<>\\"));
}

#[test]
fn a_percent_that_encodes_nothing_is_itself() {
    for (query, expected) in [
        (b"a=100%".as_slice(), b"100%".as_slice()),
        (b"a=%4", b"%4"),
        (b"a=%zz", b"%zz"),
        (b"a=%4g", b"%4g"),
        (b"a=%%41", b"%A"),
        (b"a=%+1", b"% 1"),
    ] {
        check(query, "a", Some(expected));
    }
}

#[test]
fn the_first_match_wins_and_case_counts() {
    check(b"A=1&a=2&a=3", "a", Some(b"2"));
    check(b"a&a=3", "a", Some(b""));
    check(b"&&=x&b=1&", "a", None);
    check(b"%61=1", "a", Some(b"1"));
}

#[test]
fn the_query_comes_before_the_body() {
    let form = request(b"ssid=q", b"application/x-www-form-urlencoded; charset=UTF-8", b"ssid=b&pass=p");
    assert_eq!(get(&form, "ssid").as_deref(), Some(b"q".as_slice()));
    assert_eq!(get(&form, "pass").as_deref(), Some(b"p".as_slice()));
}

#[test]
fn bodies_of_other_types_have_no_arguments() {
    for content_type in [
        b"application/json".as_slice(),
        b"text/plain",
        b"multipart/form-data",
        b"multipart/mixed; boundary=x",
    ] {
        assert_eq!(get(&request(b"", content_type, b"ssid=b"), "ssid"), None);
    }
}

#[test]
fn multipart_values_are_taken_byte_for_byte() {
    let body = b"preamble\r\n--X-y\r\nContent-Disposition: form-data; name=\"ssid\"\r\n\r\nMy+Net%20\r\n\
        --X-y\r\ncontent-disposition: form-data; name=up; filename=\"a\"\r\n\r\nfile\r\n\
        --X-y\r\nContent-Disposition: form-data; name=\"pass\"\r\n\r\nline\r\n--X-yes\r\n\r\n\
        --X-y\r\nContent-Disposition: form-data; name=\"host\"\r\n\r\n\r\n--X-y--\r\nssid=later";
    let form = request(b"", b"multipart/form-data; boundary=\"X-y\"", body);
    assert_eq!(get(&form, "ssid").as_deref(), Some(b"My+Net%20".as_slice()));
    assert_eq!(get(&form, "up"), None);
    assert_eq!(get(&form, "pass").as_deref(), Some(b"line\r\n--X-yes\r\n".as_slice()));
    assert_eq!(get(&form, "host").as_deref(), Some(b"".as_slice()));
    assert_eq!(Arguments::of(&form).iter().count(), 3);
}

#[test]
fn a_boundary_has_one_to_seventy_bytes() {
    for (len, expected) in [(0, None), (1, Some(b"home")), (70, Some(b"home")), (71, None), (72, None)] {
        let boundary = "b".repeat(len);
        let content_type = format!("multipart/form-data; boundary=\"{boundary}\"");
        let part = "Content-Disposition: form-data; name=ssid\r\n\r\nhome\r\n";
        let body = format!("--{boundary}\r\n{part}--{boundary}--");
        let form = request(b"", content_type.as_bytes(), body.as_bytes());
        assert_eq!(get(&form, "ssid").as_deref(), expected.map(|value| value.as_slice()), "{len} bytes");
    }
}

#[test]
fn a_part_that_was_cut_does_not_count() {
    let body = b"--x\r\nContent-Disposition: form-data; name=pass\r\n\r\nhalf a passphra";
    assert_eq!(get(&request(b"", b"multipart/form-data; boundary=x", body), "pass"), None);
}

#[test]
fn too_long_is_told_and_not_cut() {
    let form = request(b"a=%41BC", b"", b"");
    let value = Arguments::of(&form).get("a").unwrap();
    assert_eq!(value.decode::<2>(), Err(TooLong));
    assert_eq!(value.decode::<3>().unwrap(), b"ABC");
}

/// The credential corpus: lengths at the limits, every special character at every place, control bytes, and
/// names cut in the middle of a character.
fn corpus() -> StdVec<StdVec<u8>> {
    let mut corpus = StdVec::new();
    for character in ["a", "\u{e9}", "\u{20ac}", "\u{1f600}"] {
        for len in [1, 31, 32, 33, 63, 64] {
            corpus.push(character.repeat(64).into_bytes()[..len].to_vec());
        }
    }
    for special in b"+&%=;:?#/\\\"'<> ()" {
        for at in [0, 4, 8] {
            let mut value = b"password".to_vec();
            value.insert(at, *special);
            corpus.push(value);
        }
    }
    corpus.extend((0..=255).map(|byte| [byte].to_vec()));
    corpus.push(b"%41%2B".to_vec());
    corpus
}

#[test]
fn the_credential_corpus_survives_every_way_of_sending_it() {
    for value in corpus() {
        let encoded = encode(&value);
        let query = format!("ssid=x&pass={encoded}&blynk=y");
        check(query.as_bytes(), "pass", Some(&value));
        let form = request(b"", b"application/x-www-form-urlencoded", query.as_bytes());
        assert_eq!(get(&form, "pass").as_ref(), Some(&value));

        let mut body = b"--b\r\nContent-Disposition: form-data; name=\"pass\"\r\n\r\n".to_vec();
        body.extend(&value);
        body.extend(b"\r\n--b--\r\n");
        let form = request(b"", b"multipart/form-data; boundary=b", &body);
        assert_eq!(get(&form, "pass").as_ref(), Some(&value));
    }
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(value in prop::collection::vec(any::<u8>(), 0..70)) {
        let query = format!("a={}", encode(&value));
        prop_assert_eq!(get(&request(query.as_bytes(), b"", b""), "a"), Some(value));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        query in prop::collection::vec(any::<u8>(), 0..60),
        body in "(--b|\r\n|\n|--|;|=|name=|filename=|Content-Disposition: |[a-z\u{e9}%+&\"]){0,30}",
    ) {
        for content_type in [b"".as_slice(), b"multipart/form-data; boundary=b"] {
            let form = request(&query, content_type, body.as_bytes());
            let len = |argument: Argument<'_>| argument.key.bytes().count() + argument.value.bytes().count();
            let total: usize = Arguments::of(&form).iter().map(len).sum();
            prop_assert!(total <= query.len() + body.len());
        }
    }
}
