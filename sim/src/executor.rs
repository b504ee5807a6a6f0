//! The device under test behind the seam. The world sees queues, a turn and a flash; what runs the firmware
//! is somebody else's business.

use firmware_core::Instant;
use firmware_core::application::Application;
use firmware_core::device::Device;
use firmware_core::hal::{Boot, Wake};
use hil_link::cut_flash::{ArrayFlash, CutFlash};
use hil_link::queues::Queues;
use hil_link::turn_platform::{TurnEnd, TurnPlatform};

use crate::buffers::host_buffers;

/// Bytes of the configuration partition: two sectors.
pub const FLASH_LEN: usize = 8_192;

/// The flash of a simulated device.
pub type SimFlash = CutFlash<ArrayFlash<FLASH_LEN>>;

/// How a turn ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// The device runs and wants this next.
    Wake(Wake),
    /// The flash budget was used up in the middle of the turn: the device is dead.
    PowerLost,
}

/// Something that runs the firmware of one device, one turn at a time.
pub trait Executor {
    /// Starts the firmware afresh; only flash survives from before.
    fn boot(&mut self, boot: Boot);
    /// Lets the firmware take its inputs and do what is due at `now`.
    fn turn(&mut self, now: Instant) -> Turn;
    /// The inputs that wait and the effects of the last turn.
    fn queues(&mut self) -> &mut Queues;
    /// The flash, for budgets, faults and inspection between turns.
    fn flash(&mut self) -> &mut SimFlash;
    /// Stops the firmware without a word.
    fn power_off(&mut self);
}

/// The firmware as a library call in this process.
pub struct InProcess<A> {
    platform: Box<TurnPlatform<ArrayFlash<FLASH_LEN>>>,
    device: Option<Box<Device<A>>>,
    application: fn() -> A,
}

impl<A: Application> InProcess<A> {
    /// A device without power, its flash erased. `application` makes the product's code afresh at each boot.
    pub fn new(application: fn() -> A) -> Self {
        // Made where it stays: queues and flash are too large to be moved about.
        Self { platform: Box::default(), device: None, application }
    }
}

impl<A: Application> Executor for InProcess<A> {
    fn boot(&mut self, boot: Boot) {
        self.platform.power_on();
        let buffers = host_buffers(&boot.product, boot.mac);
        let application = (self.application)();
        let device = Device::boot(boot, buffers, &mut *self.platform, application);
        self.device = Some(Box::new(device));
    }

    fn turn(&mut self, now: Instant) -> Turn {
        let Some(device) = &mut self.device else { return Turn::PowerLost };
        let wake = device.poll(now, &mut *self.platform);
        match self.platform.end_turn() {
            TurnEnd::Alive => Turn::Wake(wake),
            TurnEnd::PowerLost => {
                self.device = None;
                Turn::PowerLost
            }
        }
    }

    fn queues(&mut self) -> &mut Queues {
        self.platform.queues()
    }

    fn flash(&mut self) -> &mut SimFlash {
        self.platform.flash_mut()
    }

    fn power_off(&mut self) {
        self.device = None;
        self.platform.queues().clear_inputs();
        self.platform.queues().clear_effects();
    }
}
