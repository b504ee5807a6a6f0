//! What a panic says, in a buffer of its own: there may be no heap left to format it on.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use hil_link::wire::PANIC_TEXT_LEN_MAX;

/// The words of a panic; what is too long is cut.
pub struct LastWords {
    text: [u8; PANIC_TEXT_LEN_MAX],
    len: usize,
}

impl LastWords {
    /// Puts a panic into words.
    pub fn new(info: &PanicInfo<'_>) -> Self {
        let mut words = Self { text: [0; PANIC_TEXT_LEN_MAX], len: 0 };
        // The error says that they were cut.
        let _ = write!(words, "{info}");
        words
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.text[..self.len]).unwrap_or("a panic")
    }
}

impl Write for LastWords {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.text[self.len..];
        let len = text.floor_char_boundary(room.len());
        room[..len].copy_from_slice(&text.as_bytes()[..len]);
        self.len += len;
        if len < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}
