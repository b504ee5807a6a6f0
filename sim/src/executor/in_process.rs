//! The firmware as a library call in this process.

use std::borrow::Cow;

use firmware_core::Instant;
use firmware_core::application::Application;
use firmware_core::device::Device;
use firmware_core::hal::{Boot, Wake};
use hil_link::cut_flash::{ArrayFlash, CutFlash, FlashState};
use hil_link::queues::Queues;
use hil_link::turn::{self, Turn};
use hil_link::turn_platform::{TurnEnd, TurnPlatform};

use super::{Executor, ExecutorError, FLASH_LEN};
use crate::buffers::host_buffers;
use crate::tls::{self, Channel};

/// The firmware as a library call in this process.
pub struct InProcess<A> {
    platform: Box<TurnPlatform<ArrayFlash<FLASH_LEN>, Channel, Box<Queues>>>,
    device: Option<Box<Device<A>>>,
    application: fn() -> A,
    /// The authority that the device's TLS trusts (X.509, DER).
    trust: Option<Vec<u8>>,
}

impl<A: Application> InProcess<A> {
    /// A device without power, its flash erased. `application` makes the product's code afresh at each boot.
    pub fn new(application: fn() -> A) -> Self {
        // The queues stay where they are made: they are too large to be moved about.
        let queues = Box::new(const { Queues::new() });
        let platform = TurnPlatform::with_queues(CutFlash::new(ArrayFlash::new()), queues);
        Self { platform: Box::new(platform), device: None, application, trust: None }
    }
}

impl<A> InProcess<A> {
    /// The flash, to put an image there or to look at it.
    pub fn flash_mut(&mut self) -> &mut CutFlash<ArrayFlash<FLASH_LEN>> {
        self.platform.flash_mut()
    }
}

impl<A: Application> Executor for InProcess<A> {
    fn set_trust(&mut self, authority: &[u8]) {
        self.trust = Some(authority.to_vec());
    }

    fn boot(&mut self, boot: Boot) -> Result<(), ExecutorError> {
        self.platform.power_on();
        self.platform.set_secure(tls::channel(self.trust.as_deref()));
        let buffers = host_buffers(&boot.product, boot.mac);
        let application = (self.application)();
        // Made where it stays, as on a board: it is large.
        let room = Box::new_uninit();
        self.device = Some(Box::write(room, Device::boot(boot, buffers, &mut *self.platform, application)));
        Ok(())
    }

    fn turn(&mut self, now: Instant, until: Instant) -> Result<Turn, ExecutorError> {
        let Some(device) = &mut self.device else {
            return Ok(Turn { at: now, wake: Wake::OnEvent, end: TurnEnd::PowerLost });
        };
        let turn = turn::run(device, &mut *self.platform, now, until);
        if turn.end == TurnEnd::PowerLost {
            self.device = None;
        }
        Ok(turn)
    }

    fn queues(&mut self) -> &mut Queues {
        self.platform.queues()
    }

    fn flash_state(&mut self) -> &mut FlashState {
        self.platform.flash_mut().state_mut()
    }

    fn flash(&mut self) -> Result<Cow<'_, [u8]>, ExecutorError> {
        Ok(Cow::Borrowed(self.platform.flash_mut().inner().bytes()))
    }

    fn set_flash(&mut self, content: &[u8]) -> Result<(), ExecutorError> {
        let flash = self.platform.flash_mut().inner_mut().bytes_mut();
        flash.iter_mut().zip(content).for_each(|(byte, new)| *byte = *new);
        Ok(())
    }

    fn power_off(&mut self) {
        self.device = None;
        self.platform.queues().clear_inputs();
        self.platform.queues().clear_effects();
    }
}
