//! What phones, clouds, the air and fingers do that they should not: in words, and what is refused about it.

use super::tests::{check_described, check_step, check_world};

#[test]
fn misuse_is_told_in_words() {
    for (step, expected) in [
        ("phone: browse", "phone opens the setup page in a browser"),
        ("phone: { half-open: 1 }", "phone opens a connection and says nothing"),
        ("phone: { half-open: 12 }", "phone opens 12 connections and says nothing"),
        (
            "phone: { parallel: { path: /board_info.json?x=y, count: 8, at_least: 5 } }",
            "phone requests GET /board_info.json 8 times at once",
        ),
        (
            "phone: { request: { path: /config?pass=secret, pipelined: 3, big_header: 99 } }",
            "phone requests GET /config, 3 times in one go",
        ),
        (
            "phone: { request: { path: /, port: 443, refused: true } }",
            "phone requests GET / on port 443, and is not let in",
        ),
        (
            "phone: { lookup: { name: a.b, record: aaaa, edns: true, questions: 2, expect_code: format-error } }",
            "phone asks the device for the IPv6 address of a.b, 2 times in one query, with EDNS",
        ),
        (
            "button: { bouncing: { hold: 10s, bounces: [1ms, 4ms] } }",
            "device has its button held for 10 s, on a contact that bounces",
        ),
        (
            "arm: { button: press }, at: { state: running }",
            "device has its button pressed, once device enters RUNNING",
        ),
        (
            "cloud: { refuse: true, delay: 4s, after_login: mute, send: id-zero }",
            "cloud refuses every connection, answers devices 4 s late, says nothing more after a login and sends a \
             frame with message id 0",
        ),
        (
            "cloud: { split: 1, coalesce: 2s, reorder: 500ms }",
            "cloud answers devices byte by byte, gathers its answers for 2 s and gathers its answers for 500 ms, and sends \
             the last first",
        ),
        ("cloud: { split: 7 }", "cloud answers devices in pieces of 7 bytes"),
        (
            "cloud: { split: 0, coalesce: 0s, reorder: 0s }",
            "cloud answers devices in whole pieces, no longer gathers its answers and answers in order again",
        ),
        ("cloud: { revoke_token: device, revoke_after: 7d }", "cloud will revoke the token of device in 7 d"),
        (
            "link: { jitter: 30ms, mtu: 576, hold: { from: device, to: home }, release: all }",
            "frames vary in time by up to 30 ms, frames of more than 576 bytes are lost, frames that were kept back \
             go on and frames are kept back from device to home",
        ),
    ] {
        check_described(&format!("{{ {step} }}"), expected);
    }
}

#[test]
fn misuse_that_cannot_be_is_refused() {
    let rest = "an even number of times, each later than the one before, all within the press";
    let port = "such as `hex:48C3A9`";
    for (step, column, message, hint) in [
        ("button: { bouncing: { hold: 10s, bounces: [1ms] } }", 5, "the contact does not come to rest", rest),
        (
            "button: { bouncing: { hold: 10s, bounces: [2ms, 1ms] } }",
            5,
            "the contact does not come to rest",
            rest,
        ),
        (
            "button: { bouncing: { hold: 2ms, bounces: [1ms, 2ms] } }",
            5,
            "the contact does not come to rest",
            rest,
        ),
        (
            "button: { bouncing: { hold: 0s, bounces: [] } }",
            5,
            "the button is not held at all",
            "such as `button: { hold: 10s }`",
        ),
        ("button: bouncing", 13, "`bouncing` needs details", "`button: { bouncing: .. }`"),
        ("phone: half-open", 12, "`half-open` needs details", "`phone: { half-open: .. }`"),
        ("phone: { half-open: 25 }", 25, "`25` are not so many at once", "from 1 to 24"),
        ("phone: { parallel: { path: a, count: 2 } }", 32, "a path begins with `/`", "did you mean `/a`?"),
        (
            "phone: { request: { path: /, refused: true, expect_status: 200 } }",
            5,
            "a connection that is refused brings no answer",
            "leave out `expect_status`",
        ),
        (
            "cloud: { revoke_after: 1h }",
            5,
            "`revoke_after` does not say whose token",
            "add `revoke_token: device`",
        ),
        (
            "link: { mtu: 67 }",
            18,
            "`67` is not a largest frame",
            "in bytes, from 68 (RFC 791) to 1500 (Ethernet)",
        ),
        (
            "phone: { configure: { ssid: hex:4 } }",
            33,
            "what begins with `hex:` is bytes",
            &format!("two hexadecimal digits each, {port}"),
        ),
        (
            "arm: { button: press }",
            5,
            "this does not say when it happens",
            "add `at: { state: running }` or `at: { frame: 12, to: device }`",
        ),
    ] {
        check_step(&format!("  - {step}\n"), column, message, hint);
    }
    check_world(
        "  phones:\n    - { name: phone, goes_cellular_after: 5s }\n",
        6,
        15,
        "this phone does not find out whether there is the internet",
        "add `os: android`, `ios` or `windows`",
    );
    check_step("  - phone: !x join\n", 12, "the tag `!x` means nothing here", "");
    check_step("  - router: { dhcp: lease }\n", 21, "`lease` needs details", "`dhcp: { lease: .. }`");
    // Who has no name in the file is found in the world.
    check_world(
        "  phones:\n    - { goes_cellular_after: 5s }\n",
        5,
        3,
        "this phone does not find out whether there is the internet",
        "add `os: android`, `ios` or `windows`",
    );
    check_world(
        "  devices:\n    - { name: one, mac: \"24:0A:C4:00:01:10\" }\n    - { mac: \"24:0A:C4:00:01:10\" }\n",
        5,
        3,
        "two devices have the same MAC address",
        "the other is `one`; a device without `mac` gets one by its place in the list",
    );
}
