//! Answers name queries on the access point (RFC 1035): one name, or every name for a captive portal.
//!
//! It resolves nothing and knows no other record than the device's own address. The simulator's phone reads
//! these answers with code of its own, on purpose: two implementations check each other.

use smoltcp::wire::Ipv4Address;

use super::AP_IP;

/// The UDP port names are asked for on.
pub const PORT: u16 = 53;
/// The most bytes an answer has: a header, a question of 255 bytes of name, a record, and OPT.
pub const REPLY_LEN_MAX: usize = HEADER_LEN + NAME_LEN_MAX + 4 + ANSWER_LEN + OPT_LEN;

/// The device's own name (`CONFIG_AP_URL`), with or without `www.` before it.
const SETUP_NAME: [&[u8]; 2] = [b"blynk", b"setup"];
/// What Edgent says of its own name.
const SETUP_TTL_S: u32 = 300;
/// Other names get the device's address as a lie. It must be forgotten before the phone is back in a network
/// that knows the truth, but live through the loading of one page.
const CAPTIVE_TTL_S: u32 = 10;

const HEADER_LEN: usize = 12;
/// RFC 1035 section 2.3.4.
const NAME_LEN_MAX: usize = 255;
/// RFC 1035 section 2.3.4. Larger first bytes are pointers or other kinds of label.
const LABEL_LEN_MAX: u8 = 63;
const ANSWER_LEN: usize = 16;
const OPT_LEN: usize = 11;

const TYPE_A: u16 = 1;
const TYPE_OPT: u16 = 41;
const TYPE_ANY: u16 = 255;
const CLASS_IN: u16 = 1;

const FLAG_RESPONSE: u16 = 0x8000;
const FLAG_AUTHORITATIVE: u16 = 0x0400;
const FLAG_RECURSION_AVAILABLE: u16 = 0x0080;
const MASK_OPCODE: u16 = 0x7800;
/// Opcode, RD and CD are copied (RFC 1035 section 4.1.1, RFC 4035 section 3.2.2).
const MASK_COPIED: u16 = MASK_OPCODE | 0x0100 | 0x0010;
/// RFC 3225 section 3: the DO bit is copied.
const EDNS_DNSSEC_OK: u16 = 0x8000;

/// Which names have the device's address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Names {
    /// The device's own only; others fail, as on Edgent.
    SetupOnly,
    /// All of them, as a captive portal needs it.
    Every,
}

/// Answers a query; returns the length of the answer in `reply`.
///
/// `None` when there is nothing to say: the bytes are a response, too short for a header, or the answer does
/// not fit `reply` (it never has more than [`REPLY_LEN_MAX`] bytes).
pub fn answer(query: &[u8], names: Names, reply: &mut [u8]) -> Option<usize> {
    let mut reader = Reader { bytes: query, at: 0 };
    let header = Header::read(&mut reader)?;
    // Answering an answer could go on for ever between two servers.
    if header.flags & FLAG_RESPONSE != 0 {
        return None;
    }
    let verdict = judge(&header, reader, names);
    write_reply(&header, &verdict, reply)
}

struct Header {
    id: u16,
    flags: u16,
    questions: u16,
    answers: u16,
    authorities: u16,
    additionals: u16,
}

impl Header {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            id: reader.u16()?,
            flags: reader.u16()?,
            questions: reader.u16()?,
            answers: reader.u16()?,
            authorities: reader.u16()?,
            additionals: reader.u16()?,
        })
    }
}

/// Response codes (RFC 1035 section 4.1.1; BADVERS has more than four bits and needs OPT).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Code {
    NoError,
    FormatError,
    ServerFailure,
    NotImplemented,
    Refused,
    BadVersion,
}

impl Code {
    const fn number(self) -> u16 {
        match self {
            Self::NoError => 0,
            Self::FormatError => 1,
            Self::ServerFailure => 2,
            Self::NotImplemented => 4,
            Self::Refused => 5,
            Self::BadVersion => 16,
        }
    }
}

/// What to say.
struct Verdict<'a> {
    code: Code,
    /// The question as it came, letter case included (some resolvers check it); empty when it is left out.
    question: &'a [u8],
    /// How long the address holds, when it is told.
    ttl_s: Option<u32>,
    /// The extension record to answer with, when the query had one.
    edns: Option<Edns>,
}

fn judge<'a>(header: &Header, mut reader: Reader<'a>, names: Names) -> Verdict<'a> {
    let bare = |code| Verdict { code, question: b"", ttl_s: None, edns: None };
    if header.flags & MASK_OPCODE != 0 {
        return bare(Code::NotImplemented);
    }
    // RFC 9619: a query has one question. A standard query has no records but additional ones.
    if header.questions != 1 || header.answers != 0 || header.authorities != 0 {
        return bare(Code::FormatError);
    }
    let Some(question) = Question::read(&mut reader) else { return bare(Code::FormatError) };
    let Ok(edns) = read_edns(&mut reader, header.additionals) else { return bare(Code::FormatError) };
    let is_other_version = edns.is_some_and(|edns| edns.version != 0);
    let (code, ttl_s) = if is_other_version {
        (Code::BadVersion, None)
    } else if question.class != CLASS_IN {
        (Code::Refused, None)
    } else {
        let ttl_s = match (names, question.is_setup_name) {
            (Names::SetupOnly | Names::Every, true) => Some(SETUP_TTL_S),
            (Names::Every, false) => Some(CAPTIVE_TTL_S),
            (Names::SetupOnly, false) => None,
        };
        // The name has an address and nothing else: for other types, AAAA and HTTPS above all, the answer is
        // empty. An address there makes some phones drop the whole answer.
        let has_type = matches!(question.kind, TYPE_A | TYPE_ANY);
        match ttl_s {
            None => (Code::ServerFailure, None),
            Some(ttl_s) => (Code::NoError, has_type.then_some(ttl_s)),
        }
    };
    Verdict { code, question: question.bytes, ttl_s, edns }
}

struct Question<'a> {
    bytes: &'a [u8],
    is_setup_name: bool,
    kind: u16,
    class: u16,
}

impl<'a> Question<'a> {
    /// A pointer in a question has nothing to point at, so that only plain labels are taken.
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let start = reader.at;
        let mut expected = SETUP_NAME.into_iter();
        let mut is_setup_name = true;
        let mut is_first = true;
        loop {
            let len = reader.u8()?;
            if len > LABEL_LEN_MAX {
                return None;
            }
            let label = reader.take(usize::from(len))?;
            if reader.at - start > NAME_LEN_MAX {
                return None;
            }
            if len == 0 {
                break;
            }
            let is_prefix = is_first && label.eq_ignore_ascii_case(b"www");
            is_first = false;
            if !is_prefix {
                is_setup_name &= expected.next().is_some_and(|part| part.eq_ignore_ascii_case(label));
            }
        }
        is_setup_name &= expected.next().is_none();
        let (kind, class) = (reader.u16()?, reader.u16()?);
        Some(Self { bytes: reader.since(start)?, is_setup_name, kind, class })
    }
}

/// What matters of an OPT record (RFC 6891 section 6.1).
#[derive(Clone, Copy)]
struct Edns {
    version: u8,
    flags: u16,
}

/// The records cannot be read, or there are two OPT or one with a name (RFC 6891 section 6.1.1).
struct BadRecords;

fn read_edns(reader: &mut Reader<'_>, count: u16) -> Result<Option<Edns>, BadRecords> {
    let mut found = None;
    for _ in 0..count {
        let is_root = reader.skip_name().ok_or(BadRecords)?;
        let kind = reader.u16().ok_or(BadRecords)?;
        let _payload_len = reader.u16().ok_or(BadRecords)?;
        let _extended_code = reader.u8().ok_or(BadRecords)?;
        let version = reader.u8().ok_or(BadRecords)?;
        let flags = reader.u16().ok_or(BadRecords)?;
        let data_len = reader.u16().ok_or(BadRecords)?;
        reader.take(usize::from(data_len)).ok_or(BadRecords)?;
        if kind == TYPE_OPT && (!is_root || found.replace(Edns { version, flags }).is_some()) {
            return Err(BadRecords);
        }
    }
    Ok(found)
}

fn write_reply(header: &Header, verdict: &Verdict<'_>, reply: &mut [u8]) -> Option<usize> {
    let mut writer = Writer { out: reply, len: 0 };
    let code = verdict.code.number();
    let mut flags = FLAG_RESPONSE | FLAG_RECURSION_AVAILABLE | header.flags & MASK_COPIED | code & 0x000F;
    if verdict.code == Code::NoError {
        // Without it some resolvers take an empty answer for a server that does not know.
        flags |= FLAG_AUTHORITATIVE;
    }
    writer.u16(header.id)?;
    writer.u16(flags)?;
    writer.u16(u16::from(!verdict.question.is_empty()))?;
    writer.u16(u16::from(verdict.ttl_s.is_some()))?;
    writer.u16(0)?;
    writer.u16(u16::from(verdict.edns.is_some()))?;
    writer.put(verdict.question)?;
    if let Some(ttl_s) = verdict.ttl_s {
        write_address(&mut writer, ttl_s, AP_IP)?;
    }
    if let Some(edns) = verdict.edns {
        writer.put(&[0])?;
        writer.u16(TYPE_OPT)?;
        // 512 bytes is the least that may be said, and more than any answer here.
        writer.u16(512)?;
        // The upper eight bits of the code, and the version spoken here.
        writer.u16(code >> 4 << 8)?;
        writer.u16(edns.flags & EDNS_DNSSEC_OK)?;
        writer.u16(0)?;
    }
    Some(writer.len)
}

/// An A record for the name in the question, which is always at the same place.
fn write_address(writer: &mut Writer<'_>, ttl_s: u32, address: Ipv4Address) -> Option<()> {
    writer.u16(0xC00C)?;
    writer.u16(TYPE_A)?;
    writer.u16(CLASS_IN)?;
    writer.put(&ttl_s.to_be_bytes())?;
    writer.u16(4)?;
    writer.put(&address.octets())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn since(&self, start: usize) -> Option<&'a [u8]> {
        self.bytes.get(start..self.at)
    }

    /// Skips a name, which may end in a pointer that is not followed; says whether it is the root.
    fn skip_name(&mut self) -> Option<bool> {
        let start = self.at;
        loop {
            match self.u8()? {
                0 => return Some(self.at - start == 1),
                len @ 1..=LABEL_LEN_MAX => {
                    self.take(usize::from(len))?;
                }
                0xC0..=0xFF => {
                    self.u8()?;
                    return Some(false);
                }
                64..=0xBF => return None,
            }
        }
    }
}

struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len.checked_add(bytes.len())?;
        self.out.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }

    fn u16(&mut self, value: u16) -> Option<()> {
        self.put(&value.to_be_bytes())
    }
}

#[cfg(test)]
mod tests;
