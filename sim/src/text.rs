//! Small text encodings: percent, base64, and bytes as a person may see them.

use std::fmt::Write as _;

/// Percent-encodes everything but the unreserved characters of RFC 3986 section 2.3.
pub(crate) fn percent_encode(bytes: &[u8], into: &mut String) {
    into.reserve(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                into.push(char::from(*byte));
            }
            _ => {
                let _ = write!(into, "%{byte:02X}");
            }
        }
    }
}

/// Encodes with the standard alphabet and padding (RFC 4648 section 4).
pub(crate) fn base64(bytes: &[u8], into: &mut String) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let symbol = |bits: u8| char::from(ALPHABET[usize::from(bits & 63)]);
    let (triples, rest) = bytes.as_chunks::<3>();
    for [a, b, c] in triples {
        into.extend([symbol(a >> 2), symbol(a << 4 | b >> 4), symbol(b << 2 | c >> 6), symbol(*c)]);
    }
    match rest {
        [a] => into.extend([symbol(a >> 2), symbol(a << 4), '=', '=']),
        [a, b] => into.extend([symbol(a >> 2), symbol(a << 4 | b >> 4), symbol(b << 2), '=']),
        _ => {}
    }
}

/// Writes bytes for a person: control characters and what is not UTF-8 appear as `\xNN`.
pub(crate) fn printable(bytes: &[u8]) -> String {
    // Most texts show as they are.
    if let Ok(text) = str::from_utf8(bytes)
        && !text.contains(char::is_control)
    {
        return text.to_owned();
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}

/// What a panic said.
pub(crate) fn words_of_panic(payload: &(dyn std::any::Any + Send)) -> String {
    let words = payload.downcast_ref::<&str>().copied();
    words
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a word")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_leaves_only_unreserved_characters() {
        let mut text = String::new();
        percent_encode("a+b c&%=é~".as_bytes(), &mut text);
        assert_eq!(text, "a%2Bb%20c%26%25%3D%C3%A9~");
    }

    #[test]
    fn base64_matches_the_vectors_of_rfc_4648() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (plain, encoded) in vectors {
            let mut text = String::new();
            base64(plain.as_bytes(), &mut text);
            assert_eq!(text, encoded);
        }
    }

    #[test]
    fn what_cannot_be_printed_is_escaped() {
        assert_eq!(printable(b"Caf\xc3\xa9\x1b[1m\xff"), "Caf\u{e9}\\u{1b}[1m\\xFF");
    }
}
