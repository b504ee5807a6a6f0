//! What a person types to get into a network: its name, its password, the device's token. They are bytes: text
//! as it is written, or `hex:` and two hexadecimal digits for each byte.

use std::fmt;

use firmware_core::config::SSID_LEN_MAX;

use super::value::scalar;
use crate::text::printable;

/// How bytes are written that are no text.
const HEX_PREFIX: &str = "hex:";
/// Long enough to test that too long is refused by the device, short enough for a request line.
const SECRET_LEN_MAX: usize = 256;

/// The bytes that a text stands for.
fn bytes_of(text: &str) -> Result<Vec<u8>, String> {
    let Some(digits) = text.strip_prefix(HEX_PREFIX) else { return Ok(text.as_bytes().to_vec()) };
    let is_hex = digits.len().is_multiple_of(2) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = if is_hex { digits.as_bytes().chunks(2).map(byte).collect() } else { None };
    // What was meant may be a password and is not repeated.
    bytes.ok_or_else(|| {
        "what begins with `hex:` is bytes\ntwo hexadecimal digits each, such as `hex:48C3A9`".to_owned()
    })
}

/// The name of a network: 1 to 32 bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ssid(Vec<u8>);

scalar!(Ssid, {
    "description": "1 to 32 bytes: text, or `hex:` and two digits for each byte",
    "type": "string",
    "pattern": "^(hex:([0-9A-Fa-f]{2}){1,32}|(?!hex:)[\\s\\S]{1,32})$"
});

impl Ssid {
    /// Takes 1 to 32 bytes.
    ///
    /// # Errors
    /// Says how long it is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = bytes_of(text)?;
        match bytes.len() {
            0 => Err(
                "a network's name is empty\nfor a network that does not tell its name, write `hidden: true`"
                    .to_owned(),
            ),
            1..=SSID_LEN_MAX => Ok(Self(bytes)),
            len => Err(format!("a network's name has at most 32 bytes, this one has {len}")),
        }
    }

    /// The name as it is on the air.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Ssid {
    /// What is no text, or controls a terminal, is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&printable(&self.0))
    }
}

/// A password or token; never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Vec<u8>);

scalar!(Secret, {
    "description": "Up to 256 bytes: text, or `hex:` and two digits for each byte",
    "type": "string",
    "maxLength": 516
});

impl Secret {
    /// Takes up to 256 bytes: more than a device accepts, so that its refusal can be tested.
    ///
    /// # Errors
    /// Says how long it is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = bytes_of(text)?;
        match bytes.len() {
            0..=SECRET_LEN_MAX => Ok(Self(bytes)),
            len => Err(format!("at most {SECRET_LEN_MAX} bytes, this one has {len}")),
        }
    }

    /// The secret itself.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "none" } else { "***" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_text_or_digits() {
        let name = |text| Ssid::parse(text).map(|ssid| ssid.as_bytes().to_vec());
        assert_eq!(name("caf\u{e9}"), Ok(b"caf\xC3\xA9".to_vec()));
        assert_eq!(name("hex:00fF20"), Ok(vec![0, 0xFF, 0x20]));
        assert_eq!(name("Hex:00"), Ok(b"Hex:00".to_vec()));
        assert_eq!(Ssid::parse("hex:41FF").map(|ssid| ssid.to_string()), Ok("A\\xFF".to_owned()));
        assert_eq!(Secret::parse("hex:").map(|secret| secret.is_empty()), Ok(true));
        for wrong in ["hex:1", "hex:0g", "hex:+1", "hex:41 42", "hex:\u{e9}"] {
            let complaint = name(wrong).expect_err(wrong);
            assert!(complaint.starts_with("what begins with `hex:` is bytes\n"), "{complaint}");
        }
        let long = format!("hex:{}", "41".repeat(33));
        assert_eq!(name(&long), Err("a network's name has at most 32 bytes, this one has 33".to_owned()));
    }
}
