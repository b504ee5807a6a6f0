//! Takes an input apart: numbers, pieces, times. Where the bytes end, everything is zero or empty.

use firmware_core::Duration;

/// The bytes that are left.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next one.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// Two bytes, the low one first.
    pub fn number(&mut self) -> usize {
        usize::from(self.byte()) | usize::from(self.byte()) << 8
    }

    /// At most so many bytes.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A piece behind one byte that tells its length.
    pub fn short_piece(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte());
        self.take(len)
    }

    /// A piece behind two bytes that tell its length.
    pub fn piece(&mut self) -> &'a [u8] {
        let len = self.number();
        self.take(len)
    }

    /// From nothing to half an hour, short times as well as long ones, in one byte.
    pub fn duration(&mut self) -> Duration {
        let byte = self.byte();
        let shift = (byte >> 4).min(11) + (byte >> 6) * 2;
        Duration::from_millis(u64::from(byte & 0x0F) << shift)
    }
}
