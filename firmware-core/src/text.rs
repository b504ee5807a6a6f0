//! Text that more than one room writes or reads: MAC addresses, strings inside JSON, strangers' text on the
//! console, hexadecimal digits.
//!
//! It knows no document; what a key means and where a string stands is the business of its room.

use core::fmt::{self, Display, Write};

use smoltcp::wire::EthernetAddress;

/// Stands for bytes that are not UTF-8.
const REPLACEMENT: &str = "\u{FFFD}";

/// The letters of a MAC's digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Letters {
    /// `A` to `F`.
    Upper,
    /// `a` to `f`.
    Lower,
}

/// A MAC as Edgent writes it, with colons. It prints its own addresses in capitals, on the console those of
/// other access points in small letters.
pub(crate) struct Mac(pub(crate) EthernetAddress, pub(crate) Letters);

impl Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EthernetAddress([a, b, c, d, e, last]) = self.0;
        match self.1 {
            Letters::Upper => write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{last:02X}"),
            Letters::Lower => write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{last:02x}"),
        }
    }
}

/// A stranger's text as it may be printed: bytes that are not UTF-8 or that control a terminal appear as `\xNN`.
pub(crate) struct Printable<'a>(pub(crate) &'a [u8]);

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write_bytes = |bytes: &[u8], f: &mut fmt::Formatter<'_>| {
            bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02X}"))
        };
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() {
                    write_bytes(character.encode_utf8(&mut [0; 4]).as_bytes(), f)?;
                } else {
                    f.write_char(character)?;
                }
            }
            write_bytes(chunk.invalid(), f)?;
        }
        Ok(())
    }
}

/// A JSON string with its quotes (RFC 8259 section 7). Bytes that are not UTF-8 appear as U+FFFD.
pub(crate) struct JsonString<'a>(pub(crate) &'a [u8]);

impl Display for JsonString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        write_escaped(self.0, f, |character, f| match character {
            '"' | '\\' => write!(f, "\\{character}"),
            '\0'..='\x1F' => write!(f, "\\u{:04x}", u32::from(character)),
            other => f.write_char(other),
        })?;
        f.write_char('"')
    }
}

/// The value of a hexadecimal digit of either case.
pub(crate) fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Writes bytes as text, each character by `escape`.
pub(crate) fn write_escaped<W: Write>(
    bytes: &[u8],
    out: &mut W,
    escape: fn(char, &mut W) -> fmt::Result,
) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            escape(character, out)?;
        }
        if !chunk.invalid().is_empty() {
            out.write_str(REPLACEMENT)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_mac_has_letters_of_either_case() {
        let address = EthernetAddress([0x24, 0x0A, 0xC4, 0x00, 0x01, 0xFE]);
        assert_eq!(Mac(address, Letters::Upper).to_string(), "24:0A:C4:00:01:FE");
        assert_eq!(Mac(address, Letters::Lower).to_string(), "24:0a:c4:00:01:fe");
    }

    #[test]
    fn a_json_string_holds_anything() {
        assert_eq!(
            JsonString(b"a\"b\\c\n\x1F\xFFd").to_string(),
            r#""a\"b\\c\u000a\u001f"#.to_string() + "\u{FFFD}d\""
        );
    }

    proptest::proptest! {
        #[test]
        fn json_readers_get_back_what_was_text(text: std::string::String) {
            let shown = JsonString(text.as_bytes()).to_string();
            proptest::prop_assert_eq!(serde_json::from_str::<std::string::String>(&shown).unwrap(), text);
        }
    }
}
