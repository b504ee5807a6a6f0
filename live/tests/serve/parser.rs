//! Which packets are found in which bytes.

use hil_live::serve::gdb::{Event, Parser};
use libtest_mimic::{Failed, Trial};

use crate::stage::{Outcome, same};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("parser: every case", every_case),
        Trial::test("parser: a packet has an end, however long", bounded),
        Trial::test("parser: whatever comes first, a whole packet is found", recovers),
    ]
}

fn found(bytes: &[u8]) -> Vec<Event> {
    let mut parser = Parser::default();
    bytes.iter().filter_map(|byte| parser.feed(*byte)).collect()
}

fn packet(payload: &[u8]) -> Event {
    Event::Packet(payload.to_vec())
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let sum = payload.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    [b"$", payload, format!("#{sum:02x}").as_bytes()].concat()
}

fn every_case() -> Outcome {
    let cases: [(&str, &[u8], &[Event]); 24] = [
        ("nothing", b"", &[]),
        ("a packet", b"$g#67", &[packet(b"g")]),
        ("an empty packet", b"$#00", &[packet(b"")]),
        ("two at once", b"$g#67$?#3f", &[packet(b"g"), packet(b"?")]),
        ("capital digits", b"$k=#A8$kO#bA", &[packet(b"k="), packet(b"kO")]),
        ("a sum that overflows", b"$zzzz#e8", &[packet(b"zzzz")]),
        ("a wrong sum", b"$g#66", &[Event::Damaged]),
        ("a wrong sum, then a right one", b"$g#66$g#67", &[Event::Damaged, packet(b"g")]),
        ("digits after the sum", b"$g#6700", &[packet(b"g")]),
        ("no digit", b"$g#g7", &[Event::Damaged]),
        ("no second digit", b"$g#6+", &[Event::Damaged]),
        ("a packet instead of the sum", b"$g#$?#3f", &[Event::Damaged, packet(b"?")]),
        ("a packet instead of the second digit", b"$g#6$?#3f", &[Event::Damaged, packet(b"?")]),
        ("a packet within a packet", b"$vCon$g#67", &[packet(b"g")]),
        ("an end that is missing", b"$g#6", &[]),
        ("acknowledgements", b"+++$g#67+", &[packet(b"g")]),
        ("an answer was damaged", b"-$g#67-", &[Event::Resend, packet(b"g"), Event::Resend]),
        ("signs within a packet", b"$vCont;c:-1+#6b", &[packet(b"vCont;c:-1+")]),
        ("halt", b"\x03", &[Event::Break]),
        ("halt between packets", b"$c#63\x03$?#3f", &[packet(b"c"), Event::Break, packet(b"?")]),
        ("no halt within a packet", b"$X\x03#5b", &[packet(b"X\x03")]),
        ("an escaped byte", b"$X}\x03#d8", &[packet(b"X}\x03")]),
        ("bytes above 127", b"$\x80\xFF#7f", &[packet(b"\x80\xFF")]),
        ("garbage", b"abc#67\r\n\0\xFF%Stop#00$g#67", &[packet(b"g")]),
    ];
    cases.iter().try_for_each(|(name, bytes, expected)| same(name, &found(bytes), &expected.to_vec()))
}

fn bounded() -> Outcome {
    const MAX: usize = 64 * 1024;
    let longest = vec![b'x'; MAX];
    same("the longest", &(found(&framed(&longest)) == [packet(&longest)]), &true)?;
    let too_long = framed(&vec![b'x'; MAX + 1]);
    same("one byte more", &found(&too_long), &vec![Event::Damaged])?;
    let much_too_long = [framed(&vec![b'x'; 40 * MAX]), b"$g#67".to_vec()].concat();
    same("the one after", &found(&much_too_long), &vec![Event::Damaged, packet(b"g")])
}

/// All that a stream can begin with, of up to four bytes that mean something.
fn recovers() -> Outcome {
    const MEANINGFUL: &[u8] = b"$#+-\x03}0fx\xFF";
    let count = MEANINGFUL.len();
    for number in 0..count.pow(4) {
        let before: Vec<u8> = (0..4).map(|place| MEANINGFUL[number / count.pow(place) % count]).collect();
        let mut events = found(&[&before[..], b"$qSupported#37"].concat());
        let last = events.pop().ok_or_else(|| Failed::from(format!("nothing is found after {before:?}")))?;
        same(&format!("after {before:?}"), &last, &packet(b"qSupported"))?;
    }
    Ok(())
}
