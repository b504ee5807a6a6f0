//! What an interrupted operation leaves where it was at work. Not random: the same seed leaves the same.

use firmware_core::random::SplitMix64;

/// An erase that is cut disturbs at most this many bytes when it does not disturb everything.
const WINDOW_LEN_MAX: usize = 256;

pub(super) struct Noise(SplitMix64);

impl Noise {
    /// Noise that depends on the seed and on the step at which power goes, and on nothing that came before.
    pub(super) fn new(seed: u64, step: u64) -> Self {
        Self(SplitMix64::new(SplitMix64::new(seed).next_u64() ^ step))
    }

    /// Eight arbitrary bits.
    pub(super) fn byte(&mut self) -> u8 {
        let [byte, ..] = self.0.next_u64().to_le_bytes();
        byte
    }

    /// Does to the part of a sector that an erase had not finished what an erase might have done.
    pub(super) fn disturb(&mut self, part: &mut [u8]) {
        match self.0.below(3) {
            // It had not come there yet.
            0 => {}
            1 => {
                let len = self.below(part.len().min(WINDOW_LEN_MAX)) + 1;
                let at = self.below(part.len().saturating_sub(len));
                // Chips program a sector to 0 before they erase it, so here any bit may be anything.
                self.fill(part.get_mut(at..at + len).unwrap_or_default(), |_, noise| noise);
            }
            _ => self.fill(part, |old, noise| old | noise),
        }
    }

    /// A number from 0 to `limit` - 1; 0 when `limit` is 0.
    fn below(&mut self, limit: usize) -> usize {
        self.0.below(limit as u64) as usize
    }

    fn fill(&mut self, bytes: &mut [u8], mix: impl Fn(u64, u64) -> u64) {
        for piece in bytes.chunks_mut(8) {
            let mut old = [0; 8];
            let (old_piece, _) = old.split_at_mut(piece.len());
            old_piece.copy_from_slice(piece);
            let mixed = mix(u64::from_le_bytes(old), self.0.next_u64()).to_le_bytes();
            let (mixed_piece, _) = mixed.split_at(piece.len());
            piece.copy_from_slice(mixed_piece);
        }
    }
}
