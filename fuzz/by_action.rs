//! Whole actions for the device's check: what routers, phones, clouds, persons and the air do, mostly right and now and
//! then wrong in one place. Bytes that change one at a time seldom become a lease with an odd option.
//!
//! The format is that of `fuzz/checks/src/device.rs`: a byte that says how the device starts, then actions.

#[path = "by_action/others.rs"]
mod others;
#[path = "by_action/words.rs"]
mod words;

use crate::chance::{Chance, one_of};
use words::{
    ARGUMENTS, BODIES, IPS, LINE_WORDS, LINES, NAMES, PLACES, PORTS, SAID, STATUSES, VALUES, VERBS, WORDS,
};

// The kinds of actions.
const FRAME: u8 = 0;
const RIGHT_FRAME: u8 = 1;
const DATAGRAM: u8 = 2;
const SEGMENT: u8 = 3;
const PASS: u8 = 4;
const RADIO: u8 = 5;
const CONSOLE: u8 = 6;
const BUTTON: u8 = 7;
const KINDS: u8 = 9;

// How a datagram or a segment comes: between which ports, with the id that the device asked with, to all.
const FROM_CLIENT: u8 = 0;
const QUESTION: u8 = 1;
const FROM_SERVER: u8 = 2;
const ANSWER: u8 = 3;
const WITH_ITS_ID: u8 = 0x40;
const TO_ALL: u8 = 0x80;
const NEW_CONNECTION: u8 = 0x42;
const FLAGS: [u8; 14] =
    [0x18, 0x18, 0x18, 0x18, 0x10, 0x12, 0x11, 0x14, 0x04, 0x02, NEW_CONNECTION, 0x98, 0x90, 0x19];

const DEVICE: [u8; 6] = [0x24, 0x0A, 0xC4, 0, 1, 0x10];
const ACCESS_POINT: [u8; 6] = [0x24, 0x0A, 0xC4, 0, 1, 0x11];
const STRANGER: [u8; 6] = [2, 0, 0, 0, 0, 0xF0];
const BROADCAST: [u8; 6] = [0xFF; 6];
const MULTICAST: [u8; 6] = [1, 0, 0x5E, 0, 0, 0xFB];

/// A day of a device.
pub(crate) struct Day {
    start: u8,
    actions: Vec<Vec<u8>>,
}

impl Day {
    /// Takes an input apart as the check does.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let (&start, mut rest) = bytes.split_first().unwrap_or((&1, &[]));
        let mut actions = Vec::new();
        while !rest.is_empty() {
            let (action, later) = rest.split_at(action_len(rest).min(rest.len()));
            actions.push(action.to_vec());
            rest = later;
        }
        Self { start, actions }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        [&[self.start], self.actions.concat().as_slice()].concat()
    }

    /// Changes one to four things, or makes it one of many phones.
    pub(crate) fn change(&mut self, chance: &mut Chance) {
        if chance.below(16) == 0 {
            self.start = 0;
            self.actions = many_phones(chance);
        }
        for _ in 0..=chance.below(4) {
            let (at, to) = (chance.below(self.actions.len()), chance.below(self.actions.len() + 1));
            match chance.below(10) {
                0 if !self.actions.is_empty() => drop(self.actions.remove(at)),
                1 if !self.actions.is_empty() => self.actions.insert(to, self.actions[at].clone()),
                2 if to < self.actions.len() => self.actions.swap(at, to),
                3 if !self.actions.is_empty() => self.actions[at] = action(chance),
                4 | 5 if !self.actions.is_empty() => spoil(&mut self.actions[at], chance),
                6 => self.actions.push(action(chance)),
                7 if chance.below(8) == 0 => self.start ^= 1 << chance.below(2),
                8 => drop(self.actions.splice(to..to, others::actions(chance).iter().cloned())),
                _ => self.actions.insert(to, action(chance)),
            }
        }
    }

    /// The beginning of this day with the end of another.
    pub(crate) fn cross(&mut self, other: &Self, chance: &mut Chance) {
        self.actions.truncate(chance.below(self.actions.len() + 1));
        self.actions.extend_from_slice(&other.actions[chance.below(other.actions.len() + 1)..]);
    }
}

/// Of the first action of these bytes.
fn action_len(bytes: &[u8]) -> usize {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let piece_len = |at: usize| 2 + usize::from(u16::from_le_bytes([byte(at), byte(at + 1)]));
    match byte(0) % KINDS {
        FRAME | RIGHT_FRAME => 1 + piece_len(1),
        DATAGRAM | SEGMENT => 2 + piece_len(2),
        PASS | BUTTON => 2,
        CONSOLE => 2 + usize::from(byte(1)),
        RADIO => match byte(1) & 0x0F {
            6 => 3,
            0..=7 => 2,
            result => 2 + usize::from(result & 7) * 4,
        },
        _ => 1,
    }
}

fn piece(head: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap_or(u16::MAX).to_le_bytes();
    [head, &len, payload].concat()
}

/// Changes one byte, or takes bytes of a payload away, or puts some in.
fn spoil(action: &mut Vec<u8>, chance: &mut Chance) {
    let head = match action.first().map(|kind| kind % KINDS) {
        Some(FRAME | RIGHT_FRAME) => 3,
        Some(DATAGRAM | SEGMENT) => 4,
        _ => 0,
    };
    if head == 0 || action.len() <= head || chance.below(3) == 0 {
        let at = chance.below(action.len());
        if let Some(byte) = action.get_mut(at) {
            *byte = odd_byte(chance);
        }
        return;
    }
    let mut payload = action.split_off(head);
    let at = chance.below(payload.len());
    match chance.below(4) {
        0 => payload.truncate(at),
        1 => drop(payload.drain(at..payload.len().min(at + 1 + chance.below(4)))),
        2 => payload.splice(at..at, (0..=chance.below(40)).map(|_| odd_byte(chance))).for_each(drop),
        _ => payload[at] = odd_byte(chance),
    }
    *action = piece(&action[..head - 2], &payload);
}

fn odd_byte(chance: &mut Chance) -> u8 {
    let odd = [0, 1, 2, 3, 4, 0x7F, 0x80, 0xC0, 0xFE, 0xFF];
    odd.get(chance.below(odd.len() + 6))
        .copied()
        .unwrap_or_else(|| u8::try_from(chance.below(256)).unwrap_or(0))
}

fn action(chance: &mut Chance) -> Vec<u8> {
    match chance.below(12) {
        0 => dhcp(chance),
        // A pool is used up by many.
        1 => (0..=chance.below(6)).flat_map(|_| dhcp(chance)).collect(),
        2 => dns(chance),
        3..=5 => segment(chance),
        6 => vec![PASS, one_of(&[0x0F, 0x1F, 0x3F, 0x5A, 0x5F, 0x8A, 0x9F, 0xAF, 0xFF], chance)],
        7 => vec![RADIO, odd_byte(chance), odd_byte(chance)],
        8 => match chance.below(2) {
            0 => vec![BUTTON, odd_byte(chance) & 1],
            _ => vec![CONSOLE + 2],
        },
        9 => {
            let line = line(chance);
            let len = line.len().min(255);
            [&[CONSOLE, u8::try_from(len).unwrap_or(u8::MAX)], &line[..len]].concat()
        }
        _ => raw(chance),
    }
}

/// A line of the console, whole or put together from its words.
fn line(chance: &mut Chance) -> Vec<u8> {
    if chance.below(3) == 0 {
        return one_of(&LINES, chance).as_bytes().to_vec();
    }
    let mut line: Vec<u8> = (0..=chance.below(4))
        .flat_map(|_| {
            let mut word = one_of(&LINE_WORDS, chance).as_bytes().to_vec();
            if chance.below(6) == 0 {
                let at = chance.below(word.len());
                word.splice(
                    at..at,
                    one_of(&[&b"\\"[..], b"\\ ", b"\x08", b"\xff", b"\xe2\x82", b"A"], chance)
                        .iter()
                        .copied(),
                );
            }
            word.extend_from_slice(one_of(&[&b" "[..], b" ", b"  ", b"\t"], chance));
            word
        })
        .collect();
    line.extend_from_slice(one_of(&[&b"\r"[..], b"\n", b"\r\n", b""], chance));
    line
}

/// RFC 2131, from a router or from a phone.
fn dhcp(chance: &mut Chance) -> Vec<u8> {
    let is_router = chance.below(4) != 0;
    let mut message = vec![0; 236];
    message[0] = if is_router { 2 } else { 1 };
    (message[1], message[2]) = (1, 6);
    message[16..20].copy_from_slice(&one_of(&IPS[1..], chance));
    message[28..34].copy_from_slice(if is_router { &DEVICE } else { &STRANGER });
    if !is_router {
        // Mostly somebody else, and the id is the phone's.
        message[33] = u8::try_from(chance.below(12)).unwrap_or(0);
        message[7] = odd_byte(chance);
        message[10] = one_of(&[0, 0x80], chance);
        let known = one_of(&[[0; 4], [0; 4], [192, 168, 4, 2], [192, 168, 4, 5], [10, 0, 0, 9]], chance);
        message[12..16].copy_from_slice(&known);
    }
    message.extend_from_slice(b"\x63\x82\x53\x63\x35\x01");
    message.push(one_of(if is_router { &[2, 5, 2, 5, 6, 4] } else { &[1, 3, 4, 7, 8, 3] }, chance));
    let always: &[u8] = if is_router { &[54, 51, 1, 3, 6] } else { &[50, 54] };
    let others = [0, 1, 3, 6, 12, 15, 28, 42, 50, 51, 52, 54, 55, 56, 57, 58, 59, 61, 81, 114, 121, 255];
    let codes = always.iter().copied().filter(|_| chance.below(8) != 0).collect::<Vec<_>>();
    let more = (0..chance.below(4)).map(|_| one_of(&others, chance)).collect::<Vec<_>>();
    for code in codes.into_iter().chain(more) {
        let mut value = match code {
            51 | 58 | 59 => {
                one_of(&[[0, 0, 14, 16], [0, 0, 0, 60], [0, 0, 0, 1], [0; 4], [0xFF; 4]], chance).to_vec()
            }
            1 => one_of(&[[255, 255, 255, 0], [255; 4], [0; 4], [255, 0, 255, 0], [128, 0, 0, 0]], chance)
                .to_vec(),
            3 | 6 | 42 => (0..=chance.below(5)).flat_map(|_| one_of(&IPS, chance)).collect(),
            50 if !is_router => vec![192, 168, 4, u8::try_from(chance.below(9)).unwrap_or(0)],
            28 | 50 | 54 => one_of(&IPS, chance).to_vec(),
            0 | 255 => {
                message.push(code);
                continue;
            }
            _ => one_of(&NAMES, chance).as_bytes().to_vec(),
        };
        if chance.below(12) == 0 {
            value.truncate(chance.below(value.len() + 1));
        }
        message.extend_from_slice(&[code, u8::try_from(value.len()).unwrap_or(0)]);
        message.extend(value);
    }
    if chance.below(8) != 0 {
        message.push(255);
    }
    let direction = if is_router { FROM_SERVER } else { FROM_CLIENT };
    let how = direction
        | if chance.below(6) == 0 { 0 } else { WITH_ITS_ID }
        | if chance.below(2) == 0 { 0 } else { TO_ALL };
    // A phone chooses the id itself, and a router has that of the question.
    piece(&[DATAGRAM, if is_router { how } else { how & !WITH_ITS_ID }], &message)
}

/// More phones than an access point has addresses, 11: they ask and take, and then leave, come back, find an address in
/// use, give one back, and wait until leases end.
fn many_phones(chance: &mut Chance) -> Vec<Vec<u8>> {
    let count = 4 + chance.below(10);
    let mut actions: Vec<Vec<u8>> =
        (0..count).map(|phone| phone_message(one_of(&[1, 3, 3, 3], chance), phone, phone, chance)).collect();
    for _ in 0..chance.below(20) {
        let (phone, address) = (chance.below(count + 2), chance.below(13));
        let nr = u8::try_from(phone).unwrap_or(0);
        match chance.below(8) {
            // Longer than an offer is kept, and than a lease of two hours.
            0 => actions.extend([vec![PASS, 0xAF], vec![PASS, 0xAF]]),
            1 => actions.push([PASS, 0xFF].repeat(4)),
            2 => actions.push(vec![RADIO, nr << 4]),
            3 => actions.push(vec![RADIO, nr << 4 | 1]),
            4 => actions.push(phone_message(one_of(&[4, 7], chance), phone, phone, chance)),
            5 => actions.push(phone_message(3, phone, address, chance)),
            _ => actions.push(phone_message(1, phone, address, chance)),
        }
    }
    actions
}

/// A message of DHCP about an address of the access point's pool.
fn phone_message(kind: u8, phone: usize, address: usize, chance: &mut Chance) -> Vec<u8> {
    let ip = [192, 168, 4, u8::try_from(2 + address).unwrap_or(0)];
    let mut message = vec![0; 236];
    message[..3].copy_from_slice(&[1, 1, 6]);
    if kind == 7 {
        message[12..16].copy_from_slice(&ip);
    }
    message[28..34].copy_from_slice(&[2, 0, 0, 0, 0, u8::try_from(phone).unwrap_or(0)]);
    message.extend_from_slice(&[0x63, 0x82, 0x53, 0x63, 53, 1, kind]);
    if kind != 7 && chance.below(6) != 0 {
        message.extend_from_slice(&[50, 4]);
        message.extend_from_slice(&ip);
    }
    if chance.below(6) == 0 {
        message.extend_from_slice(&[54, 4, 192, 168, 4, one_of(&[1, 1, 9], chance)]);
    }
    message.push(255);
    piece(&[DATAGRAM, FROM_CLIENT | TO_ALL], &message)
}

/// RFC 1035: an answer of the router, or a question of a phone.
fn dns(chance: &mut Chance) -> Vec<u8> {
    let is_answer = chance.below(3) != 0;
    let flags: [u8; 2] = if is_answer {
        one_of(&[[0x81, 0x80], [0x81, 0x83], [0x81, 0x82], [0x83, 0x80], [0x01, 0]], chance)
    } else {
        [1, 0]
    };
    let count = u8::try_from(if is_answer { chance.below(4) } else { 0 }).unwrap_or(0);
    let mut message = vec![0, 0, flags[0], flags[1], 0, 1, 0, count, 0, 0, 0, 0];
    let name = one_of(&NAMES, chance);
    message.extend(labels(name, chance));
    message.extend_from_slice(&[0, one_of(&[1, 28, 65, 255], chance), 0, 1]);
    for _ in 0..count {
        // Mostly of the name that was asked for, by a pointer, or of the end of it.
        let owner = match chance.below(8) {
            0 => labels(name, chance),
            1 => vec![0xC0, one_of(&[0x0C, 0x12, 0x18, 0x2B, 0xFF], chance)],
            2 => vec![1, b'a', 0xC0, 0x12],
            _ => vec![0xC0, 0x0C],
        };
        let (kind, data) = match chance.below(8) {
            0 => (5, vec![1, b'a', 0xC0, 0x12]),
            1 => (5, labels(one_of(&NAMES, chance), chance)),
            2 => (5, vec![0xC0, one_of(&[0x0C, 0x12, 0x18, 0x2B, 0xFF], chance)]),
            3 => (28, vec![0xFE; 16]),
            _ => (1, one_of(&IPS, chance).to_vec()),
        };
        let class = one_of(&[1, 1, 1, 3], chance);
        let len =
            u8::try_from(data.len()).unwrap_or(0).wrapping_add(one_of(&[0, 0, 0, 0, 0, 1, 255], chance));
        message.extend(owner);
        message.extend_from_slice(&[0, kind, 0, class, 0, 0, 0, 60, 0, len]);
        message.extend(data);
    }
    let how = if is_answer { ANSWER | WITH_ITS_ID } else { QUESTION };
    piece(&[DATAGRAM, how], &message)
}

/// A name, now and then in capitals, cut, or with its end by a pointer.
fn labels(name: &str, chance: &mut Chance) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or(0));
        bytes.extend_from_slice(label.as_bytes());
    }
    match chance.below(12) {
        0 => bytes.make_ascii_uppercase(),
        1 => bytes.truncate(chance.below(bytes.len())),
        2 => {
            let at = chance.below(bytes.len());
            bytes[at] = odd_byte(chance);
        }
        3 => {
            bytes.extend_from_slice(&[0xC0, 0x12]);
            return bytes;
        }
        _ => {}
    }
    bytes.push(0);
    bytes
}

/// A part of a conversation over TCP: one or two things that somebody says, whole or cut.
fn segment(chance: &mut Chance) -> Vec<u8> {
    let flags = one_of(&FLAGS, chance);
    let mut payload = Vec::new();
    if flags & 0x08 != 0 {
        for _ in 0..=chance.below(2) {
            match chance.below(4) {
                0 => payload.extend_from_slice(one_of(&WORDS, chance)),
                1 => payload.extend(form(chance)),
                _ => payload.extend(cloud_frame(chance)),
            }
        }
        if chance.below(6) == 0 {
            let at = chance.below(payload.len());
            let rest = payload.split_off(at);
            let first = piece(&[SEGMENT, flags], &payload);
            return [first, piece(&[SEGMENT, flags], &rest)].concat();
        }
    }
    piece(&[SEGMENT, flags], &payload)
}

/// A configuration as a phone sends it.
fn form(chance: &mut Chance) -> Vec<u8> {
    let mut arguments = Vec::new();
    for (name, often, values) in ARGUMENTS {
        if chance.below(8) < often {
            let value = values[if chance.below(2) == 0 { 0 } else { chance.below(values.len()) }];
            let [before, after] = [(); 2].map(|()| match chance.below(8) {
                0 => one_of(&["+", "%20", "%09", "%0A", "%0b", "%0C", "%0d", "%1F", "%00"], chance),
                _ => "",
            });
            arguments.push(format!("{}={before}{value}{after}", key(name, chance)));
        }
    }
    let arguments = arguments.join("&");
    let request = match chance.below(3) {
        0 => format!("GET /config?{arguments} HTTP/1.1\r\n\r\n"),
        1 => format!("POST /config?{arguments} HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
        _ => {
            let kind = "application/x-www-form-urlencoded";
            let len = arguments.len();
            format!(
                "POST /config HTTP/1.1\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n\r\n{arguments}"
            )
        }
    };
    request.into_bytes()
}

/// A name of an argument, now and then in other words for the same or nearly so.
fn key(name: &str, chance: &mut Chance) -> String {
    let (before, after) = name.split_at(chance.below(name.len()));
    match (chance.below(40), after.chars().next()) {
        (0, Some(first)) => format!("{before}%{:02X}{}", u32::from(first), &after[1..]),
        (1, Some(_)) => format!("{before}+{}", &after[1..]),
        (2, Some(_)) => format!("{before}%zz{}", &after[1..]),
        (3, _) => before.to_owned(),
        (4, _) => format!("{name}x"),
        (5, _) => name.to_uppercase(),
        (6, _) => "ssidManual".to_owned(),
        _ => name.to_owned(),
    }
}

/// A frame of Blynk's protocol.
fn cloud_frame(chance: &mut Chance) -> Vec<u8> {
    let id = u8::try_from(chance.below(20)).unwrap_or(0);
    if chance.below(2) == 0 {
        return [&[0, 0, id.min(3)][..], &one_of(&STATUSES, chance).to_be_bytes()].concat();
    }
    let place = format!("{}\0{}", one_of(&PLACES, chance), one_of(&PORTS, chance));
    let pin = one_of(&["0", "1", "2", "2", "3", "255", "256", "x", ""], chance);
    let told =
        format!("{}\0{pin}\0{}", one_of(&["vw", "vw", "vr", "dw", "vx"], chance), one_of(&VALUES, chance));
    let mut verb = one_of(&VERBS, chance).as_bytes().to_vec();
    if chance.below(3) == 0 {
        let at = chance.below(verb.len());
        verb[at] = odd_byte(chance);
    }
    let said = [&verb, &b"\0"[..], one_of(&SAID, chance).as_bytes()].concat();
    let (command, body) = match chance.below(8) {
        0 => (41, place.as_bytes()),
        1 | 2 => (20, told.as_bytes()),
        3 => (17, said.as_slice()),
        _ => one_of(&BODIES, chance),
    };
    let [high, low] = u16::try_from(body.len()).unwrap_or(0).to_be_bytes();
    [&[command, 0, id, high, low], body].concat()
}

/// A frame that is not of any conversation: ARP, ICMP, IGMP, fragments, options, other protocols.
fn raw(chance: &mut Chance) -> Vec<u8> {
    let to = one_of(&[DEVICE, ACCESS_POINT, BROADCAST, MULTICAST], chance);
    let (from_ip, to_ip) = (one_of(&IPS, chance), one_of(&IPS, chance));
    let mut frame = [to, STRANGER].concat();
    if chance.below(3) == 0 {
        frame.extend_from_slice(b"\x08\x06\x00\x01\x08\x00\x06\x04\x00");
        frame.push(one_of(&[1, 1, 2, 3], chance));
        frame.extend(
            [&STRANGER[..], &from_ip, &one_of(&[DEVICE, ACCESS_POINT, [0; 6]], chance), &to_ip].concat(),
        );
    } else {
        let (protocol, payload) = packet(chance);
        let options: &[u8] = one_of(&[&[][..], &[], &[], b"\x94\x04\x00\x00", b"\x01\x01\x01\x00"], chance);
        let len = u16::try_from(20 + options.len() + payload.len()).unwrap_or(0).to_be_bytes();
        let fragment = one_of(&[[0, 0], [0x40, 0], [0, 0], [0x20, 0], [0, 5], [0x20, 185]], chance);
        let header_len = 0x45 + u8::try_from(options.len() / 4).unwrap_or(0);
        let ttl = one_of(&[64, 64, 1, 0, 255], chance);
        let header = [header_len, 0, len[0], len[1], 0, 7, fragment[0], fragment[1], ttl, protocol, 0, 0];
        frame.extend([&[0x08, 0x00], &header[..], &from_ip, &to_ip, options, &payload].concat());
    }
    let kind = if chance.below(8) == 0 { FRAME } else { RIGHT_FRAME };
    piece(&[kind], &frame)
}

/// What an IP packet may carry: its protocol's number, and the bytes.
fn packet(chance: &mut Chance) -> (u8, Vec<u8>) {
    let ports = one_of(
        &[[0xC3, 0x50, 0, 80], [0, 53, 0xC0, 0], [0x30, 0x39, 0, 1], [0, 0, 0, 53], [0, 67, 0, 68]],
        chance,
    );
    match chance.below(6) {
        0 => (1, b"\x08\x00\x00\x00\x00\x01\x00\x02ping".to_vec()),
        // Unreachable, time exceeded, redirect: with the header that it is about.
        1 => {
            let kind = one_of(&[[3, 1], [3, 3], [3, 4], [11, 0], [5, 1], [0, 0]], chance);
            let about = b"\x45\x00\x00\x1c\x00\x01\x00\x00\x40\x11\x00\x00\xc0\xa8\x01\x32\xc0\xa8\x01\x01\xc0\x00\x00\x35\x00\x08\x00\x00";
            (1, [&kind[..], &[0; 6], about].concat())
        }
        2 => (
            2,
            one_of(&[b"\x11\x64\x00\x00\x00\x00\x00\x00", b"\x16\x00\x00\x00\xe0\x00\x00\xfb"], chance)
                .to_vec(),
        ),
        3 => {
            let payload = one_of(&WORDS, chance);
            let len = u16::try_from(8 + payload.len()).unwrap_or(0).to_be_bytes();
            (17, [&ports[..], &len, &[0, 0], payload].concat())
        }
        4 => (one_of(&[0, 41, 43, 44, 47, 50, 51, 58, 59, 60, 132, 255], chance), vec![0; 24]),
        // RFC 9293 with options: segment size, window scale, selective acknowledgements, times, one that is cut.
        _ => {
            let flags = one_of(&[0x02, 0x12, 0x10, 0x18, 0x14, 0x01], chance);
            let options: &[u8] = one_of(
                &[
                    &[][..],
                    b"\x02\x04\x05\xb4",
                    b"\x02\x04\x00\x00\x01\x03\x03\x07\x04\x02\x00\x00",
                    b"\x05\x0a\x00\x00\x00\x01\x00\x00\x00\x09\x01\x01",
                    b"\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x00\x01\x01",
                    b"\x03\x03\x0f\x00",
                    b"\x02\x08\x00\x00",
                    b"\x1e\x04\x00\x00",
                ],
                chance,
            );
            let header_len = u8::try_from((20 + options.len()) / 4).unwrap_or(5) << 4;
            let fixed = [0, 0, 0, 1, 0, 0, 0, 0, header_len, flags, 0x10, 0, 0, 0, 0, 0];
            (6, [&ports[..], &fixed, options].concat())
        }
    }
}
