//! The serial console against a line editor of ten lines.

use firmware_core::console::{Command, Console, LINE_LEN_MAX, parse};

/// Types the bytes.
///
/// The lines are those of the simplest editor that could be, the echo moves no cursor but to rub out, and a
/// `connect` that is accepted has not shown its secrets.
pub(crate) fn console(bytes: &[u8]) {
    let mut console = Console::new();
    let mut model = Model::default();
    let mut echo = String::new();
    for byte in bytes {
        let line = console.handle_byte(*byte, &mut echo);
        let expected = model.handle_byte(*byte);
        let line = line.map(|line| line.ok().map(|line| line.as_bytes().to_vec()));
        assert_eq!(line, expected);
        if let Some(line) = line {
            if let Some(line) = line {
                check_line(&line, &echo, model.was_rubbed_out);
            }
            echo.clear();
        }
        let harmless = |c: char| !c.is_ascii_control() || matches!(c, '\r' | '\n' | '\t' | '\x08');
        assert!(echo.chars().all(harmless));
    }
    // The cloud's lines are parsed without having been typed.
    let _ = parse(bytes);
}

#[derive(Default)]
struct Model {
    line: Vec<u8>,
    is_too_long: bool,
    was_cr: bool,
    /// Whether something was taken back in the line that ended last.
    was_rubbed_out: bool,
    is_rubbed_out: bool,
}

impl Model {
    /// The line that this byte ends, `Some(None)` when it was too long.
    fn handle_byte(&mut self, byte: u8) -> Option<Option<Vec<u8>>> {
        let was_cr = std::mem::replace(&mut self.was_cr, byte == b'\r');
        match byte {
            b'\n' if was_cr => {}
            b'\r' | b'\n' => {
                let line = std::mem::take(&mut self.line);
                self.was_rubbed_out = std::mem::take(&mut self.is_rubbed_out);
                return Some((!std::mem::take(&mut self.is_too_long)).then_some(line));
            }
            0x08 | 0x7F if !self.is_too_long => {
                self.is_rubbed_out = true;
                while self.line.pop().is_some_and(|last| last & 0xC0 == 0x80) {}
            }
            b'\t' | 0x20..=0x7E | 0x80.. => {
                self.is_too_long |= self.line.len() == LINE_LEN_MAX;
                if !self.is_too_long {
                    self.line.push(byte);
                }
            }
            _ => {}
        }
        None
    }
}

fn check_line(line: &[u8], echo: &str, was_rubbed_out: bool) {
    let Command::Connect(Ok(request)) = parse(line) else { return };
    let config = request.clone().into_config();
    assert!((1..=32).contains(&config.ssid.as_bytes().len()) && config.port != 0 && !config.host.is_empty());
    if was_rubbed_out {
        // What was typed before it was a `connect` was no secret yet.
        return;
    }
    for secret in [&request.token.expose()[..], request.passphrase.expose()] {
        let Ok(shown) = std::str::from_utf8(secret) else { continue };
        // The network's name is echoed, without what is broken in it, and may say the same.
        let mut letters = request.ssid.as_bytes().iter();
        let is_in_name = secret.iter().all(|byte| letters.any(|letter| letter == byte));
        let is_elsewhere = is_in_name || shown.chars().all(|c| "* connectCONNECT".contains(c));
        assert!(is_elsewhere || shown.len() < 8 || !echo.contains(shown), "{echo}");
    }
}
