//! What becomes of a device's flash by itself.

use firmware_core::random::SplitMix64;

use super::StepError;
use super::build::Stage;
use crate::scenario::{Fill, FlashChange};
use crate::world::Power;

impl Stage {
    pub(super) fn change_flash(&mut self, device: usize, change: &FlashChange) -> Result<(), StepError> {
        let seed = self.world.seed_of(&format!("noise in the flash of device {device}"));
        let Some(node) = self.world.devices.get_mut(device) else { return Ok(()) };
        let state = node.executor.flash_state();
        if let Some(sector) = change.stuck_sector {
            state.stuck_sector = Some(u32::from(sector.0));
        }
        if let Some(count) = change.erases_max {
            state.erases_max = Some(count);
        }
        if !change.changes_content() {
            return Ok(());
        }
        if node.power() != Power::Off {
            let why = "what flash holds can be changed while the device has no power: `power: off` before it";
            return Err(StepError::Unmet(why.to_owned()));
        }
        let unreachable = |error| StepError::Unmet(format!("the device's flash cannot be reached: {error}"));
        let mut content = node.executor.flash().map_err(unreachable)?.into_owned();
        match change.fill {
            Some(Fill::Erased) => content.fill(0xFF),
            Some(Fill::Zeros) => content.fill(0),
            Some(Fill::Noise) => {
                let mut noise = SplitMix64::new(seed);
                for word in content.chunks_mut(8) {
                    word.iter_mut().zip(noise.next_u64().to_le_bytes()).for_each(|(byte, new)| *byte = new);
                }
            }
            None => {}
        }
        if let Some(write) = &change.write {
            let place = content.iter_mut().skip(write.at as usize);
            place.zip(&write.bytes.0).for_each(|(byte, new)| *byte = *new);
        }
        if let Some(flip) = change.flip
            && let Some(byte) = content.get_mut(flip.byte as usize)
        {
            *byte ^= 1 << flip.bit;
        }
        node.executor.set_flash(&content).map_err(unreachable)?;
        self.note_outside_change(device, change);
        Ok(())
    }
}
