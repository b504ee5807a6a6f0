//! What the corpora of other targets say, as actions: each has found its way through one part of the firmware.

use std::sync::LazyLock;

use fuzz_checks::Input;

use super::{
    ANSWER, CONSOLE, DATAGRAM, FROM_CLIENT, NEW_CONNECTION, PASS, QUESTION, RADIO, SEGMENT, TO_ALL,
    WITH_ITS_ID, piece,
};
use crate::chance::Chance;
use crate::odd::files_of;

/// One conversation of each file, taken apart as the checks do.
static CONVERSATIONS: LazyLock<Vec<Vec<Vec<u8>>>> = LazyLock::new(|| {
    let readers: [(&str, fn(Input<'_>) -> Vec<Vec<u8>>); 8] = [
        ("http", |bytes| request(bytes.0.to_vec())),
        ("form", form),
        ("config_request", form),
        ("dns_server", |bytes| vec![piece(&[DATAGRAM, QUESTION], bytes.0)]),
        ("dhcp_server", dhcp),
        ("session", session),
        ("resolver", resolver),
        ("console", console),
    ];
    let of = |(folder, read): (&str, fn(Input<'_>) -> Vec<Vec<u8>>)| {
        let files = files_of(&format!("corpus/{folder}"));
        files.iter().map(|file| read(Input(file))).collect::<Vec<_>>()
    };
    readers.into_iter().flat_map(of).collect()
});

/// Any of them; none where the corpora are not.
pub(super) fn actions(chance: &mut Chance) -> &'static [Vec<u8>] {
    CONVERSATIONS.get(chance.below(CONVERSATIONS.len())).map_or(&[], Vec::as_slice)
}

fn request(bytes: Vec<u8>) -> Vec<Vec<u8>> {
    vec![piece(&[SEGMENT, NEW_CONNECTION], b""), piece(&[SEGMENT, 0x18], &bytes)]
}

fn form(mut bytes: Input<'_>) -> Vec<Vec<u8>> {
    let content_type: &[u8] = match bytes.byte() {
        0 => b"",
        1 => b"application/x-www-form-urlencoded",
        2 => b"multipart/form-data; boundary=b",
        _ => bytes.short_piece(),
    };
    let query = bytes.piece();
    let len = format!("\r\nContent-Length: {}\r\n\r\n", bytes.0.len());
    let head =
        [b"POST /config?", query, b" HTTP/1.1\r\nContent-Type: ", content_type, len.as_bytes()].concat();
    request([&head, bytes.0].concat())
}

fn dhcp(mut bytes: Input<'_>) -> Vec<Vec<u8>> {
    bytes.byte();
    let mut actions = Vec::new();
    while !bytes.is_empty() {
        actions.push(vec![PASS, bytes.byte()]);
        let len = bytes.number();
        if len == 0xFFFF {
            let nr = bytes.take(6).last().copied().unwrap_or(0);
            actions.push(vec![RADIO, nr << 4 | 1]);
        } else {
            actions.push(piece(&[DATAGRAM, FROM_CLIENT | TO_ALL], bytes.take(len)));
        }
    }
    actions
}

fn session(mut bytes: Input<'_>) -> Vec<Vec<u8>> {
    bytes.byte();
    let mut actions = Vec::new();
    while !bytes.is_empty() {
        actions.extend([vec![PASS, bytes.byte()], piece(&[SEGMENT, 0x18], bytes.piece())]);
    }
    actions
}

fn resolver(mut bytes: Input<'_>) -> Vec<Vec<u8>> {
    bytes.short_piece();
    bytes.byte();
    let mut actions = Vec::new();
    while !bytes.is_empty() {
        bytes.take(2);
        actions.push(piece(&[DATAGRAM, ANSWER | WITH_ITS_ID], bytes.short_piece()));
    }
    actions
}

fn console(bytes: Input<'_>) -> Vec<Vec<u8>> {
    let lines = bytes.0.chunks(255);
    lines.map(|line| [&[CONSOLE, u8::try_from(line.len()).unwrap_or(u8::MAX)], line].concat()).collect()
}
