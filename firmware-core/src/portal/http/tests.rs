use std::format;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// Feeds a connection byte by byte and checks that no answer is ever taken back.
#[track_caller]
fn parse_all(bytes: &[u8]) -> Parse<'_> {
    let last = parse(bytes, REQUEST_LEN_MAX);
    for len in 0..bytes.len() {
        match parse(&bytes[..len], REQUEST_LEN_MAX) {
            Parse::NeedMore | Parse::NeedContinue => (),
            early @ (Parse::Request(_) | Parse::Refused(_)) => assert_eq!(early, last, "after {len} bytes"),
        }
    }
    last
}

#[track_caller]
fn check(bytes: &str, method: &str, path: &str, query: &str, body: &str) {
    let Parse::Request(request) = parse_all(bytes.as_bytes()) else { panic!("{:?}", bytes) };
    assert_eq!(request.method, method);
    assert_eq!(str::from_utf8(request.path), Ok(path));
    assert_eq!(str::from_utf8(request.query), Ok(query));
    assert_eq!(str::from_utf8(request.body), Ok(body));
}

#[track_caller]
fn check_refused(bytes: &[u8], status: Status) {
    assert_eq!(parse_all(bytes), Parse::Refused(status), "{:?}", bytes.escape_ascii());
}

#[test]
fn requests_of_many_clients_are_understood() {
    check("GET / HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n", "GET", "/", "", "");
    check("GET /board_info.json HTTP/1.0\r\n\r\n", "GET", "/board_info.json", "", "");
    check("GET /config?ssid=a&pass=b%20c HTTP/1.1\r\n\r\n", "GET", "/config", "ssid=a&pass=b%20c", "");
    check("HEAD / HTTP/1.1\r\nUser-Agent: caf\u{e9}\r\n\r\n", "HEAD", "/", "", "");
    check("GET http://captive.apple.com HTTP/1.1\r\n\r\n", "GET", "/", "", "");
    check("GET HTTP://blynk.setup/config?ssid=x HTTP/1.1\r\n\r\n", "GET", "/config", "ssid=x", "");
    check("GET http://blynk.setup?ssid=x HTTP/1.1\r\n\r\n", "GET", "/", "ssid=x", "");
    check("OPTIONS * HTTP/1.1\r\n\r\n", "OPTIONS", "*", "", "");
    check("GET /a?b?c#d HTTP/1.1\r\n\r\n", "GET", "/a", "b?c#d", "");
}

#[test]
fn only_head_asks_for_an_answer_without_a_body() {
    for (method, expected) in [("HEAD", true), ("GET", false), ("POST", false)] {
        let bytes = format!("{method} / HTTP/1.1\r\n\r\n");
        let Parse::Request(request) = parse_all(bytes.as_bytes()) else { panic!("{bytes}") };
        assert_eq!(request.is_head(), expected, "{method}");
    }
}

#[test]
fn sloppy_line_ends_are_tolerated() {
    check("\r\n\nGET / HTTP/1.1\nHost: x\n\n", "GET", "/", "", "");
}

#[test]
fn bodies_end_where_content_length_says() {
    check("POST /config HTTP/1.1\r\ncontent-LENGTH:  4 \r\n\r\na=b&pipelined", "POST", "/config", "", "a=b&");
    check(
        "POST /config HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "POST",
        "/config",
        "",
        "x",
    );
    check("POST /config HTTP/1.1\r\n\r\nignored", "POST", "/config", "", "");
}

#[test]
fn a_body_that_is_awaited_can_be_asked_for() {
    let head = "POST /config HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(parse(head.as_bytes(), REQUEST_LEN_MAX), Parse::NeedContinue);
    assert_eq!(parse(format!("{head}a").as_bytes(), REQUEST_LEN_MAX), Parse::NeedMore);
    check(&format!("{head}ab"), "POST", "/config", "", "ab");
    // A client of HTTP/1.0 does not know the interim answer.
    let old = head.replace("1.1", "1.0");
    assert_eq!(parse(old.as_bytes(), REQUEST_LEN_MAX), Parse::NeedMore);
}

#[test]
fn what_is_not_http_is_refused() {
    let table: &[&[u8]] = &[
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET /config?ssid=My Net HTTP/1.1\r\n\r\n",
        b"GET / http/1.1\r\n\r\n",
        b"GET / HTTP/1.1 \r\n\r\n",
        b" / HTTP/1.1\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.x\r\n\r\n",
        b"GET / HTTP/x.1\r\n\r\n",
        b"G(T / HTTP/1.1\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\n\r\n",
        b"GET /\rx HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: \r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: +4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nContent-Length: 4, 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    ];
    for bytes in table {
        check_refused(bytes, Status::BadRequest);
    }
}

#[test]
fn other_versions_and_chunks_are_refused_by_name() {
    check_refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Status::VersionNotSupported);
    check_refused(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Status::LengthRequired);
}

#[test]
fn what_does_not_fit_is_refused_for_what_it_is() {
    let long = "x".repeat(REQUEST_LEN_MAX);
    check_refused(format!("GET /{long}").as_bytes(), Status::UriTooLong);
    check_refused(format!("GET / HTTP/1.1\r\nCookie: {long}\r\n\r\n").as_bytes(), Status::HeadersTooLarge);
    check_refused(b"POST / HTTP/1.1\r\nContent-Length: 2048\r\n\r\n", Status::ContentTooLarge);
    check_refused(
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
        Status::ContentTooLarge,
    );
}

#[test]
fn a_request_may_fill_the_buffer_to_the_last_byte() {
    let head = "POST / HTTP/1.1\r\nContent-Length: 2007\r\n\r\n";
    let body = "x".repeat(REQUEST_LEN_MAX - head.len());
    assert_eq!(body.len(), 2007);
    check(&format!("{head}{body}"), "POST", "/", "", &body);
}

#[test]
fn secrets_stay_out_of_debug_output() {
    let bytes = b"POST /config?pass=hush HTTP/1.1\r\nContent-Length: 9\r\n\r\npass=hush";
    let shown = format!("{:?}", parse(bytes, REQUEST_LEN_MAX));
    assert_eq!(shown, "Request(Request(POST path:7 query:9 body:9))");
}

/// Pieces that lead a parser into its corners, in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"GET / HTTP/1.1\r\n".to_vec()),
        Just(b"POST /config?a=b HTTP/1.1\r\n".to_vec()),
        Just(b"Content-Length: 5\r\n".to_vec()),
        Just(b"Content-Length: 900\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"Expect: 100-continue\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b" ".to_vec()),
        prop::collection::vec(any::<u8>(), 0..30),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_confuse_it(bytes in pieces()) {
        parse_all(&bytes);
    }

    #[test]
    fn a_full_buffer_always_ends(bytes in pieces(), capacity in 0usize..80) {
        if bytes.len() >= capacity {
            let is_final = matches!(parse(&bytes, capacity), Parse::Request(_) | Parse::Refused(_));
            prop_assert!(is_final);
        }
    }
}
