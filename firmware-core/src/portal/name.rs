//! The access point's name, as Edgent computes it: apps find a device by it, so it must match to the byte.

use heapless::{String, Vec};
use smoltcp::wire::EthernetAddress;

use crate::config::{SSID_LEN_MAX, Ssid};
use crate::product::Product;
use crate::store::crc32;

/// RFC 1123 allows 63 characters in a label; 32 are enough for any access point name.
pub const HOSTNAME_LEN_MAX: usize = 32;

/// Edgent keeps one byte of the 32 for a terminator.
const AP_NAME_LEN_MAX: usize = SSID_LEN_MAX - 1;
/// A space, a dash and the suffix.
const AP_NAME_FIXED_LEN: usize = 2 + SUFFIX_LEN;
/// Symbols that tell two devices of one product apart.
const SUFFIX_LEN: usize = 4;
/// The suffix's symbols, chosen by Edgent to be told apart on a small screen.
const SUFFIX_ALPHABET: &[u8; 24] = b"0W8N4Y1HP5DF9K6JM3C2UA7R";
/// What a host name falls back to when no character of the network's name may stand in one.
const HOSTNAME_FALLBACK: &str = "device";

/// The access point's name: vendor, a space, the template's name, a dash and a suffix made from the MAC.
///
/// The template's name is cut to the bytes that remain, as Edgent does, even in the middle of a UTF-8
/// character: a device must announce the same name after its firmware is replaced by this one.
pub fn ap_ssid(product: &Product, mac: EthernetAddress) -> Ssid {
    let vendor = product.vendor().as_bytes();
    let template = product.template_name().as_bytes();
    let room = AP_NAME_LEN_MAX.saturating_sub(AP_NAME_FIXED_LEN + vendor.len());
    let template = template.get(..room).unwrap_or(template);
    let name: Vec<u8, SSID_LEN_MAX> = vendor
        .iter()
        .chain(b" ")
        .chain(template)
        .chain(b"-")
        .chain(&suffix(mac))
        .copied()
        // A vendor prefix has at most 20 bytes, so that nothing is left out here.
        .take(SSID_LEN_MAX)
        .collect();
    Ssid::new(&name).unwrap_or_default()
}

/// The MAC of the access point: the ESP32 adds one to the last octet of the station's, without carry.
pub fn ap_bssid(mac: EthernetAddress) -> EthernetAddress {
    let EthernetAddress([a, b, c, d, e, last]) = mac;
    EthernetAddress([a, b, c, d, e, last.wrapping_add(1)])
}

/// The host name for the home network: the access point's name with a dash for each byte that RFC 1123
/// does not allow (Edgent replaces the spaces only) and none at either end; `device` if nothing remains.
pub fn hostname(ssid: &Ssid) -> String<HOSTNAME_LEN_MAX> {
    let name: String<HOSTNAME_LEN_MAX> = ssid
        .as_bytes()
        .iter()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(*byte) } else { '-' })
        .collect();
    let name = name.trim_matches('-');
    String::try_from(if name.is_empty() { HOSTNAME_FALLBACK } else { name }).unwrap_or_default()
}

/// Four symbols of the CRC of the eight-byte efuse MAC taken four times, least significant digit first. A
/// symbol equal to the one before is replaced by its successor in the alphabet.
fn suffix(mac: EthernetAddress) -> [u8; SUFFIX_LEN] {
    let EthernetAddress([a, b, c, d, e, last]) = mac;
    let mut rest = crc32([&[a, b, c, d, e, last, 0, 0][..]; 4]);
    let base: u32 = 24;
    let mut previous = None;
    [(); SUFFIX_LEN].map(|()| {
        let digit = rest % base;
        rest /= base;
        let symbol = match symbol(digit) {
            same if Some(same) == previous => symbol((digit + 1) % base),
            fresh => fresh,
        };
        previous = Some(symbol);
        symbol
    })
}

fn symbol(digit: u32) -> u8 {
    usize::try_from(digit).ok().and_then(|digit| SUFFIX_ALPHABET.get(digit)).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;
    use crate::product::{Identity, SAMPLE, sample};

    const MAC: EthernetAddress = EthernetAddress([0x24, 0x0A, 0xC4, 0x00, 0x01, 0x10]);

    #[track_caller]
    fn check(vendor: &'static str, template_name: &'static str, expected: &[u8]) {
        let product = sample(Identity { vendor, template_name, ..SAMPLE });
        assert_eq!(ap_ssid(&product, MAC).as_bytes(), expected);
    }

    #[test]
    fn suffixes_are_those_of_edgent() {
        let table: [([u8; 6], &[u8; 4]); 10] = [
            ([0x00, 0x00, 0x00, 0x00, 0x00, 0x00], b"YJ3Y"),
            ([0x24, 0x0A, 0xC4, 0x00, 0x01, 0x10], b"R40J"),
            ([0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF], b"F587"),
            ([0x30, 0xAE, 0xA4, 0x12, 0x34, 0x56], b"C6DR"),
            ([0xEC, 0xFA, 0xBC, 0x93, 0xC0, 0x02], b"WRJC"),
            ([0x94, 0xB9, 0x7E, 0x5F, 0x1C, 0x10], b"JK2N"),
            ([0x3C, 0x71, 0xBF, 0x3A, 0xDC, 0x63], b"7MN3"),
            // The last three have equal digits side by side, or nearly so.
            ([0x24, 0x0A, 0xC4, 0x00, 0x00, 0x1A], b"0N4J"),
            ([0x24, 0x0A, 0xC4, 0x00, 0x00, 0x1F], b"J1H1"),
            ([0x24, 0x0A, 0xC4, 0x00, 0x00, 0x3B], b"HPJ7"),
        ];
        for (mac, expected) in table {
            assert_eq!(&suffix(EthernetAddress(mac)), expected, "{}", EthernetAddress(mac));
        }
    }

    #[test]
    fn names_are_cut_to_31_bytes() {
        check("Blynk", "Thermostat", b"Blynk Thermostat-R40J");
        check("Blynk", "Refrigerator Temperature Sensor", b"Blynk Refrigerator Tempera-R40J");
        check("Twenty letters long ", "Thermostat", b"Twenty letters long  Therm-R40J");
        check("Blynk", "Blynk", b"Blynk Blynk-R40J");
    }

    #[test]
    fn the_cut_may_split_a_character_as_on_edgent() {
        check("Blynk", "1234567890123456789\u{e9}", b"Blynk 1234567890123456789\xC3-R40J");
    }

    #[test]
    fn host_names_hold_nothing_that_dns_refuses() {
        let table: [(&[u8], &str); 5] = [
            (b"Blynk Root Template-FAD8", "Blynk-Root-Template-FAD8"),
            (b"Lamp \"A\"/b_c-R40J", "Lamp--A--b-c-R40J"),
            (b"caf\xC3\xA9", "caf"),
            (b"", "device"),
            (b"\xFF\xFF", "device"),
        ];
        for (ssid, expected) in table {
            assert_eq!(hostname(&Ssid::new(ssid).unwrap()), expected);
        }
    }

    #[test]
    fn the_access_point_has_the_next_mac() {
        assert_eq!(ap_bssid(MAC).to_string(), "24-0a-c4-00-01-11");
        assert_eq!(ap_bssid(EthernetAddress([1, 2, 3, 4, 5, 0xFF])).to_string(), "01-02-03-04-05-00");
    }
}
