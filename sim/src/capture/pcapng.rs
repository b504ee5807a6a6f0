//! The file format pcapng (draft-ietf-opsawg-pcapng), as much of it as a capture needs: a section, its interfaces,
//! and packets with comments.

use smoltcp::time::Instant;

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
/// The length of a section that is not told.
const LENGTH_UNKNOWN: u64 = u64::MAX;
const LINKTYPE_ETHERNET: u16 = 1;

const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
/// Of a section: the program that wrote it.
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
/// Of a packet: the direction, among others.
const EPB_FLAGS: u16 = 2;
/// The longest value of an option.
const OPTION_LEN_MAX: usize = 65_535;

/// Which way a packet goes at its interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    In = 1,
    Out = 2,
}

/// A packet at an interface.
pub(super) struct Packet<'a> {
    /// In the order in which they were added.
    pub(super) interface: u32,
    pub(super) at: Instant,
    pub(super) direction: Direction,
    pub(super) bytes: &'a [u8],
    pub(super) comment: Option<&'a str>,
}

/// A file in the making.
pub(super) struct File(Vec<u8>);

impl File {
    /// A file with one section, without interfaces.
    pub(super) fn new(comment: &str) -> Self {
        let mut body = Vec::new();
        body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        // The version, 1.0.
        body.extend([1, 0, 0, 0]);
        body.extend(LENGTH_UNKNOWN.to_le_bytes());
        put_option(&mut body, OPTION_COMMENT, comment.as_bytes());
        put_option(&mut body, SHB_USERAPPL, concat!("hil ", env!("CARGO_PKG_VERSION")).as_bytes());
        put_option(&mut body, OPTION_END, &[]);
        let mut file = Self(Vec::new());
        file.put_block(SECTION_HEADER, &body);
        file
    }

    /// Adds an interface, whose timestamps are in microseconds.
    pub(super) fn add_interface(&mut self, name: &str) {
        let mut body = Vec::new();
        body.extend(LINKTYPE_ETHERNET.to_le_bytes());
        // Two reserved bytes, and packets of any length.
        body.extend([0; 6]);
        put_option(&mut body, IF_NAME, name.as_bytes());
        put_option(&mut body, OPTION_END, &[]);
        self.put_block(INTERFACE_DESCRIPTION, &body);
    }

    pub(super) fn add_packet(&mut self, packet: &Packet<'_>) {
        let micros = packet.at.total_micros().unsigned_abs();
        let len = u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX);
        let mut body = Vec::with_capacity(packet.bytes.len() + 160);
        body.extend(packet.interface.to_le_bytes());
        // The upper half comes first.
        body.extend(((micros >> 32) as u32).to_le_bytes());
        body.extend((micros as u32).to_le_bytes());
        body.extend(len.to_le_bytes());
        body.extend(len.to_le_bytes());
        put_padded(&mut body, packet.bytes);
        put_option(&mut body, EPB_FLAGS, &(packet.direction as u32).to_le_bytes());
        if let Some(comment) = packet.comment {
            put_option(&mut body, OPTION_COMMENT, comment.as_bytes());
        }
        put_option(&mut body, OPTION_END, &[]);
        self.put_block(ENHANCED_PACKET, &body);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A block tells its length at both ends, itself included.
    fn put_block(&mut self, kind: u32, body: &[u8]) {
        let len = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
        self.0.extend(kind.to_le_bytes());
        self.0.extend(len);
        self.0.extend_from_slice(body);
        self.0.extend(len);
    }
}

fn put_option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(OPTION_LEN_MAX)];
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    put_padded(body, value);
}

/// Everything begins at a multiple of four bytes.
fn put_padded(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend_from_slice(bytes);
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blocks of a file: kind and body.
    fn blocks(mut bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut blocks = Vec::new();
        while !bytes.is_empty() {
            let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().expect("a word"));
            let len = word(4) as usize;
            assert!(len.is_multiple_of(4));
            assert_eq!(word(len - 4) as usize, len);
            blocks.push((word(0), bytes[8..len - 4].to_vec()));
            bytes = &bytes[len..];
        }
        blocks
    }

    #[test]
    fn a_file_has_a_section_its_interfaces_and_its_packets() {
        let mut file = File::new("a story");
        file.add_interface("lamp");
        let at = Instant::from_micros(0x1_0000_0002_i64);
        let comment = Some("step 1");
        file.add_packet(&Packet {
            interface: 0,
            at,
            direction: Direction::Out,
            bytes: &[1, 2, 3, 4, 5],
            comment,
        });
        let blocks = blocks(&file.into_bytes());
        let kinds: Vec<u32> = blocks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [SECTION_HEADER, INTERFACE_DESCRIPTION, ENHANCED_PACKET]);
        assert_eq!(blocks[1].1, [&[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 4, 0][..], b"lamp", &[0, 0, 0, 0]].concat());
        let packet = [
            &[0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0][..],
            &[2, 0, 4, 0, 2, 0, 0, 0, 1, 0, 6, 0],
            b"step 1\0\0",
            &[0, 0, 0, 0],
        ];
        assert_eq!(blocks[2].1, packet.concat());
    }
}
