//! Writes the parts of JSON of which our larger files are made, line by line.

use std::fmt::Write;

/// A whole number as JSON has it.
pub(crate) fn push_number(json: &mut String, number: u64) {
    // Writing to a string does not fail.
    let _ = write!(json, "{number}");
}

/// A text as JSON has it (RFC 8259 section 7). `<` is escaped as well, so that a web page can hold the file as it is.
pub(crate) fn push_string(json: &mut String, text: &str) {
    json.push('"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= b' ' && !matches!(byte, b'"' | b'\\' | b'<') {
            continue;
        }
        // What is escaped is a character of one byte, so that both sides of it are whole.
        *json += text.get(plain_from..at).unwrap_or_default();
        plain_from = at + 1;
        match byte {
            b'"' => *json += "\\\"",
            b'\\' => *json += "\\\\",
            b'\n' => *json += "\\n",
            _ => {
                let _ = write!(json, "\\u{byte:04x}");
            }
        }
    }
    *json += text.get(plain_from..).unwrap_or_default();
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back_by_a_json_library_as_they_were() {
        for text in ["", "plain", "\"\\\n\r\t\0\u{1F}\u{7F}", "</script>", "a<b", "Zürich 🏠 <\"", "\u{2028}"]
        {
            let mut json = String::new();
            push_string(&mut json, text);
            assert!(!json.contains('<') && !json.contains('\n'), "{json}");
            assert_eq!(serde_json::from_str::<String>(&json).expect("it is JSON"), text);
        }
    }
}
