//! The access point's name server against a reader that knows messages by RFC 1035 and nothing else.

use firmware_core::portal::AP_IP;
use firmware_core::portal::dns::{Names, REPLY_LEN_MAX, answer};

use crate::input::Input;

/// One query.
///
/// The answer can be read to its last byte, has the query's id and question, at most one address, and no answer
/// of its own; with less room there is none.
pub(crate) fn dns_server(query: &[u8]) {
    for names in [Names::SetupOnly, Names::Every] {
        let mut reply = [0xAA; REPLY_LEN_MAX];
        let Some(len) = answer(query, names, &mut reply) else {
            let is_response = query.get(2).is_some_and(|flags| flags & 0x80 != 0);
            assert!(query.len() < 12 || is_response, "a query without an answer");
            continue;
        };
        let reply = &reply[..len];
        check_reply(query, reply);
        assert_eq!(answer(reply, names, &mut [0; REPLY_LEN_MAX]), None, "an answer to an answer");
        for room in [0, len / 2, len - 1] {
            assert_eq!(answer(query, names, &mut [0; REPLY_LEN_MAX][..room]), None);
        }
        if names == Names::Every {
            check_lie(query, reply);
        }
    }
}

fn check_reply(query: &[u8], reply: &[u8]) {
    assert_eq!(reply[..2], query[..2], "the id");
    assert_eq!(reply[2] & 0xF9, 0x80 | query[2] & 0x79, "response, operation and recursion");
    let mut reader = Input(&reply[4..]);
    let counts: [usize; 4] =
        std::array::from_fn(|_| usize::from(reader.byte()) << 8 | usize::from(reader.byte()));
    let [questions, answers, authorities, additionals] = counts;
    assert!(questions <= 1 && answers <= questions && authorities == 0 && additionals <= 1, "{counts:?}");
    let question_at = reply.len() - reader.0.len();
    if questions == 1 {
        skip_name(&mut reader);
        reader.take(4);
        let question = &reply[question_at..reply.len() - reader.0.len()];
        assert_eq!(question, &query[12..12 + question.len()]);
    }
    if answers == 1 {
        assert_eq!(reader.take(6), [0xC0, 0x0C, 0, 1, 0, 1]);
        assert!(reader.take(4)[..2] == [0, 0], "nobody should keep this for long");
        assert_eq!(reader.take(6), [&[0, 4][..], &AP_IP.octets()].concat());
    }
    if additionals == 1 {
        assert_eq!(reader.take(3), [0, 0, 41]);
        assert_eq!(reader.take(8)[6..], [0, 0], "no options");
    }
    assert!(reader.is_empty(), "{} bytes behind the answer", reader.0.len());
}

fn skip_name(reader: &mut Input<'_>) {
    loop {
        let len = reader.byte();
        assert!(len < 64, "a question has no pointers");
        assert_eq!(reader.take(usize::from(len)).len(), usize::from(len));
        if len == 0 {
            return;
        }
    }
}

/// A captive portal has an address for whatever a phone asks in the plainest way.
fn check_lie(query: &[u8], reply: &[u8]) {
    let is_plain = query[2..12] == [1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    if is_plain && reply[3] & 0x0F == 0 && query.ends_with(&[0, 0, 1, 0, 1]) && reply[4..6] == [0, 1] {
        let question_len = reply.len() - 12;
        // Bytes behind the question do not count, so that the end of the query may lie.
        let is_whole = query.len() - 12 + 16 == question_len;
        assert!(!is_whole || reply[6..8] == [0, 1]);
    }
}
