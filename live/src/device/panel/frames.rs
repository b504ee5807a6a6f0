//! Frames as a browser may have them: what they say without anything that could be a password or a token.
//!
//! Nothing is starred here. What is known to be free of secrets is let through, and all else is told in words.

use data_encoding::BASE64;
use hil_sim::actor::Port;
use hil_sim::world::SentFrame;
use serde::Serialize;

const ETHERNET_LEN: usize = 14;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
/// Of IPv4 over Ethernet (RFC 826).
const ARP_LEN: usize = 28;
const IP_ICMP: u8 = 1;
const IP_TCP: u8 = 6;
const IP_UDP: u8 = 17;
const ICMP_HEADER_LEN: usize = 8;
const UDP_HEADER_LEN: usize = 8;
const TCP_HEADER_LEN_MIN: usize = 20;
const TCP_SYN: u8 = 2;
/// DHCP and DNS, whose messages hold no secrets.
const OPEN_UDP_PORTS: [u16; 3] = [53, 67, 68];
/// Where the cloud listens.
const CLOUD_PORTS: [u16; 3] = [80, 443, 8080];
const HTTP_METHODS: [&str; 7] = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH"];
/// A longer path could hold a token, which has 32 characters.
const PATH_LEN_MAX: usize = 24;
/// Command, id, length.
const BLYNK_HEADER_LEN: usize = 5;
const BLYNK_RESPONSE: u8 = 0;
/// What begins the modelled TLS, and its two hellos (`hil_link::modelled_tls`).
const TLS_MAGIC: &[u8] = b"MTLS";

/// A frame for a browser.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct FrameView {
    /// When it left, in microseconds since the world's beginning.
    at_us: i64,
    /// Whose it is.
    sender: String,
    /// `air` or `internet`.
    port: &'static str,
    /// How long the whole frame is, in bytes.
    len: usize,
    /// Its beginning, as far as that holds no secret, in base64.
    bytes: String,
    /// What was left out at its end says, if something was.
    note: Option<Note>,
}

/// What bytes say that are not shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Note {
    /// `HTTP`, `Blynk`, `TLS` or `data`.
    protocol: &'static str,
    /// It in words.
    words: String,
    /// How many bytes there are.
    len: usize,
}

impl FrameView {
    /// What of a frame may be seen.
    pub(super) fn new(sender: &str, frame: &SentFrame) -> Self {
        let (shown_len, note) = safe_part(&frame.bytes);
        Self {
            at_us: frame.at.total_micros(),
            sender: sender.to_owned(),
            port: match frame.port {
                Port::Air => "air",
                Port::Internet => "internet",
            },
            len: frame.bytes.len(),
            bytes: BASE64.encode(frame.bytes.get(..shown_len).unwrap_or(&frame.bytes)),
            note,
        }
    }
}

/// How many of a frame's first bytes may be shown, and what the rest says.
fn safe_part(frame: &[u8]) -> (usize, Option<Note>) {
    let Some((ethernet, packet)) = frame.split_at_checked(ETHERNET_LEN) else { return (0, None) };
    let (len, note) = match u16_at(ethernet, 12) {
        Some(ETHERTYPE_ARP) => (ARP_LEN.min(packet.len()), None),
        Some(ETHERTYPE_IPV4) => safe_part_of_ipv4(packet),
        _ => (0, None),
    };
    (ETHERNET_LEN + len, note)
}

fn safe_part_of_ipv4(packet: &[u8]) -> (usize, Option<Note>) {
    let [first, .., protocol, _, _] = packet.get(..12).unwrap_or_default() else { return (0, None) };
    let header_len = usize::from(first & 15) * 4;
    let total_len = u16_at(packet, 2).map_or(0, usize::from);
    // What stands behind the packet fills the frame up, and is nobody's.
    let Some(payload) = packet.get(header_len..total_len.min(packet.len())) else { return (0, None) };
    let is_first_fragment = u16_at(packet, 6).is_some_and(|field| field & 0x1FFF == 0);
    let (len, note) = match *protocol {
        _ if !is_first_fragment => (0, None),
        IP_ICMP => (ICMP_HEADER_LEN.min(payload.len()), None),
        IP_UDP => safe_part_of_udp(payload),
        IP_TCP => safe_part_of_tcp(payload),
        _ => (0, None),
    };
    (header_len + len, note)
}

fn safe_part_of_udp(datagram: &[u8]) -> (usize, Option<Note>) {
    let is_open =
        [0, 2].iter().any(|at| u16_at(datagram, *at).is_some_and(|port| OPEN_UDP_PORTS.contains(&port)));
    if is_open {
        return (datagram.len(), None);
    }
    let payload = datagram.get(UDP_HEADER_LEN..).unwrap_or_default();
    (UDP_HEADER_LEN.min(datagram.len()), Note::data(payload))
}

fn safe_part_of_tcp(segment: &[u8]) -> (usize, Option<Note>) {
    let (Some(offset), Some(flags)) = (segment.get(12), segment.get(13)) else { return (0, None) };
    let header_len = usize::from(offset >> 4) * 4;
    if header_len < TCP_HEADER_LEN_MIN {
        return (0, None);
    }
    let Some(payload) = segment.get(header_len..) else { return (0, None) };
    let to_cloud =
        [0, 2].iter().any(|at| u16_at(segment, *at).is_some_and(|port| CLOUD_PORTS.contains(&port)));
    let note = http(payload)
        .or_else(|| tls(payload))
        .or_else(|| blynk(payload).filter(|_| to_cloud))
        .or_else(|| Note::data(payload));
    // Options say something in the first segment only. Elsewhere a wrong length would make options of what is said.
    let shown_len = if flags & TCP_SYN == 0 { TCP_HEADER_LEN_MIN } else { header_len };
    (shown_len, note)
}

impl Note {
    fn new(protocol: &'static str, words: String, payload: &[u8]) -> Option<Self> {
        (!payload.is_empty()).then_some(Self { protocol, words, len: payload.len() })
    }

    fn data(payload: &[u8]) -> Option<Self> {
        Self::new("data", format!("{} bytes", payload.len()), payload)
    }
}

/// An HTTP message by its first line: method and path without the query, or the status.
fn http(payload: &[u8]) -> Option<Note> {
    let line = payload.split(|byte| *byte == b'\r').next()?;
    let mut words = line.split(|byte| *byte == b' ');
    let first = str::from_utf8(words.next()?).ok()?;
    let second = words.next()?;
    let told = if ["HTTP/1.1", "HTTP/1.0"].contains(&first) {
        let status = str::from_utf8(second).ok().filter(|status| status.len() == 3)?.parse().ok()?;
        let status = hyper::StatusCode::from_u16(status).ok()?;
        // The words of the standard: the device's own could be anything.
        format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default()).trim_end().to_owned()
    } else {
        let method = HTTP_METHODS.into_iter().find(|method| *method == first)?;
        format!("{method} {}", path(second).unwrap_or("…"))
    };
    Note::new("HTTP", told, payload)
}

/// The path of a request's target, unless something could hide in it.
fn path(target: &[u8]) -> Option<&str> {
    let path = target.split(|byte| *byte == b'?').next()?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./".contains(byte);
    let is_safe = path.len() <= PATH_LEN_MAX && path.iter().all(is_plain);
    str::from_utf8(path).ok().filter(|_| is_safe)
}

fn tls(payload: &[u8]) -> Option<Note> {
    let Some(hello) = payload.strip_prefix(TLS_MAGIC) else { return tls_records(payload) };
    let words = if *hello.first()? == 1 { "client hello" } else { "server hello" };
    Note::new("TLS", words.to_owned(), payload)
}

/// What begins with a record of TLS, by the kinds of those that begin in it (RFC 8446 section 5.1).
fn tls_records(payload: &[u8]) -> Option<Note> {
    let mut told = Vec::new();
    let mut rest = payload;
    while let &[kind, 3, 0..=4, high, low, ref behind @ ..] = rest {
        told.push(match kind {
            20 => "change cipher spec",
            21 => "alert",
            22 => "handshake",
            23 => "data",
            _ => return None,
        });
        rest = behind.get(usize::from(u16::from_be_bytes([high, low]))..).unwrap_or_default();
    }
    told.dedup();
    if told.is_empty() { None } else { Note::new("TLS", told.join(", "), payload) }
}

/// Whole frames of Blynk's protocol by their commands and lengths; of an answer its status stands in the length's place.
fn blynk(payload: &[u8]) -> Option<Note> {
    let mut told = Vec::new();
    let mut rest = payload;
    while !rest.is_empty() {
        let (header, behind) = rest.split_at_checked(BLYNK_HEADER_LEN)?;
        let command = *header.first()?;
        let number = u16_at(header, 3)?;
        let name = blynk_command(command)?;
        if command == BLYNK_RESPONSE {
            told.push(format!("{name} {number}"));
            rest = behind;
        } else {
            told.push(if number == 0 { name.to_owned() } else { format!("{name}, {number} bytes") });
            rest = behind.get(usize::from(number)..)?;
        }
    }
    Note::new("Blynk", told.join(" · "), payload)
}

/// What a command is called (`firmware_core::cloud::codec`).
fn blynk_command(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "response",
        2 => "login (old)",
        6 => "ping",
        15 => "bridge",
        16 => "sync",
        17 => "internal",
        19 => "property",
        20 => "hardware",
        21 => "group",
        29 => "login",
        41 => "redirect",
        55 => "debug",
        64 => "event",
        65 => "event clear",
        _ => return None,
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes(pair.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct horse";
    const TOKEN: &str = "0123456789abcdefABCDEF0123456789";

    /// A frame with this packet of IPv4's.
    fn frame(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let total_len = u16::try_from(20 + payload.len()).expect("it fits");
        let mut frame = vec![2; 12];
        frame.extend([0x08, 0x00, 0x45, 0]);
        frame.extend(total_len.to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, protocol, 0, 0, 192, 168, 4, 2, 192, 168, 4, 1]);
        frame.extend(payload);
        frame
    }

    fn tcp(ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
        let mut segment: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
        segment.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 4, 0, 0, 0, 0, 0]);
        segment.extend(payload);
        frame(IP_TCP, &segment)
    }

    fn udp(ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
        let mut datagram: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
        datagram.extend(u16::try_from(8 + payload.len()).expect("it fits").to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(payload);
        frame(IP_UDP, &datagram)
    }

    fn note_of(frame: &[u8]) -> Option<(&'static str, String)> {
        safe_part(frame).1.map(|note| (note.protocol, note.words))
    }

    fn blynk_frame(command: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(body.len()).expect("it fits").to_be_bytes();
        [&[command, 0, 1], &len[..], body].concat()
    }

    #[test]
    fn of_tcp_the_headers_are_shown_and_the_rest_is_told() {
        let login = [blynk_frame(29, TOKEN.as_bytes()), blynk_frame(6, b"")].concat();
        for (ports, payload, told) in [
            ([50_000, 80], b"GET /config?pass=x HTTP/1.1\r\n\r\n".to_vec(), ("HTTP", "GET /config")),
            ([80, 50_000], b"HTTP/1.1 200 correct horse\r\n\r\n".to_vec(), ("HTTP", "200 OK")),
            ([50_000, 80], login, ("Blynk", "login, 32 bytes · ping")),
            ([50_000, 443], [&b"MTLS\x01"[..], TOKEN.as_bytes()].concat(), ("TLS", "client hello")),
            ([50_000, 443], [&[22, 3, 1, 2, 0, 1][..], TOKEN.as_bytes()].concat(), ("TLS", "handshake")),
            (
                [443, 50_000],
                b"\x14\x03\x03\0\x01\x01\x17\x03\x03\0\x02ab".to_vec(),
                ("TLS", "change cipher spec, data"),
            ),
            ([443, 50_000], vec![0, 0, 1, 0, 200], ("Blynk", "response 200")),
            ([50_000, 9], TOKEN.as_bytes().to_vec(), ("data", "32 bytes")),
        ] {
            let frame = tcp(ports, &payload);
            assert_eq!(safe_part(&frame).0, 14 + 20 + 20);
            assert_eq!(note_of(&frame), Some((told.0, told.1.to_owned())));
        }
        assert_eq!(note_of(&tcp([50_000, 80], b"")), None);
    }

    #[test]
    fn a_path_that_could_hide_something_is_not_told() {
        for target in [TOKEN, "/correct%20horse", "/aaaaaaaaaaaaaaaaaaaaaaaa", "/a:b"] {
            let request = format!("GET {target} HTTP/1.1\r\n\r\n");
            assert_eq!(
                note_of(&tcp([50_000, 80], request.as_bytes())),
                Some(("HTTP", "GET …".to_owned())),
                "{target}"
            );
        }
    }

    #[test]
    fn no_secret_gets_through_wherever_it_stands() {
        let secrets = [PASSWORD, TOKEN];
        for secret in secrets {
            let payloads = [
                format!("GET /config?ssid=a&pass={secret}&blynk={secret} HTTP/1.1\r\nHost: {secret}\r\n\r\n"),
                format!("POST /{secret} HTTP/1.1\r\n\r\n{secret}"),
                format!("{secret} /a HTTP/1.1\r\n"),
                format!("HTTP/1.1 {secret}\r\n\r\n"),
                format!("HTTP/1.1 200 {secret}\r\n\r\n{{\"t\":\"{secret}\"}}"),
                secret.to_owned(),
            ];
            for payload in payloads.iter().map(String::as_bytes) {
                let bodies = [payload.to_vec(), blynk_frame(29, payload), blynk_frame(41, payload)];
                for body in bodies {
                    let mut odd = tcp([50_000, 80], &body);
                    odd.extend(secret.as_bytes());
                    let mut fragment = udp([53, 53], &body);
                    fragment[14 + 7] = 9;
                    let mut other = tcp([50_000, 80], &body);
                    other[12] = 0x86;
                    let frames = [
                        tcp([50_000, 80], &body),
                        tcp([80, 50_000], &body),
                        tcp([50_000, 7], &body),
                        udp([7, 7], &body),
                        frame(IP_ICMP, &[&[8; 8], &body[..]].concat()),
                        frame(200, &body),
                        odd,
                        fragment,
                        other,
                    ];
                    for (index, bytes) in frames.into_iter().enumerate() {
                        let (len, note) = safe_part(&bytes);
                        let shown = format!("{}{note:?}", String::from_utf8_lossy(&bytes[..len]));
                        let longest = &secret[..8];
                        assert!(!shown.contains(longest), "frame {index} shows {shown}");
                    }
                }
            }
        }
    }

    #[test]
    fn names_and_addresses_are_shown_whole() {
        let question = udp([50_000, 53], b"blynk.cloud");
        assert_eq!(safe_part(&question), (question.len(), None));
        let mut arp = vec![2; 12];
        arp.extend([0x08, 0x06]);
        arp.extend([1; ARP_LEN + 18]);
        assert_eq!(safe_part(&arp), (ETHERNET_LEN + ARP_LEN, None));
    }

    #[test]
    fn a_frame_cut_anywhere_does_no_harm() {
        let frame = tcp([50_000, 80], b"GET / HTTP/1.1\r\n\r\n");
        for len in 0..frame.len() {
            assert!(safe_part(&frame[..len]).0 <= len.max(ETHERNET_LEN));
        }
    }
}
