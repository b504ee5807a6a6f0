//! CRC-32 as zlib, Ethernet and Edgent's access point name compute it.

/// What each nibble leaves when divided by the reflected polynomial 0xEDB88320: 64 bytes of table where a
/// byte-wise one has 1 KiB.
const NIBBLES: [u32; 16] = [
    0x0000_0000,
    0x1DB7_1064,
    0x3B6E_20C8,
    0x26D9_30AC,
    0x76DC_4190,
    0x6B6B_51F4,
    0x4DB2_6158,
    0x5005_713C,
    0xEDB8_8320,
    0xF00F_9344,
    0xD6D6_A3E8,
    0xCB61_B38C,
    0x9B64_C2B0,
    0x86D3_D2D4,
    0xA00A_E278,
    0xBDBD_F21C,
];

/// The checksum of all chunks, as if they were one.
pub(crate) fn crc32<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut crc = u32::MAX;
    for byte in chunks.into_iter().flatten() {
        crc = shift_nibble(shift_nibble(crc ^ u32::from(*byte)));
    }
    !crc
}

fn shift_nibble(crc: u32) -> u32 {
    let [low, ..] = crc.to_le_bytes();
    // A nibble is always within the table.
    let looked_up = NIBBLES.get(usize::from(low & 0x0F)).copied().unwrap_or(0);
    (crc >> 4) ^ looked_up
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(chunks: &[&[u8]], expected: u32) {
        assert_eq!(crc32(chunks.iter().copied()), expected);
    }

    #[test]
    fn known_checksums() {
        check(&[], 0);
        // The check value that every catalogue of CRCs gives for this polynomial.
        check(&[b"123456789"], 0xCBF4_3926);
        check(&[b"1234", b"", b"56789"], 0xCBF4_3926);
        check(&[&[0; 4]], 0x2144_DF1C);
    }

    #[test]
    fn four_copies_of_an_address_give_the_name_suffix_seen_in_the_field() {
        // STA MAC 94:B9:7E:5F:1C:10 was logged with the suffix 46E07; ESP32 stores it as a 64-bit number.
        let id = [0x94, 0xB9, 0x7E, 0x5F, 0x1C, 0x10, 0, 0];
        check(&[&id[..]; 4], 0x5184_6E07);
    }
}
