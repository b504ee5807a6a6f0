//! Where the devices of a run are: in this process, or at the other end of a line. The world is the same for all.

use crate::executor::qemu::Qemu;
use crate::executor::{Executor, ExecutorError, InProcess, OverLink};
use crate::runner::Harness;

/// Makes the devices of a run.
pub trait Target: Sync {
    /// A device without power, its flash erased.
    ///
    /// # Errors
    /// When it cannot be started or does not answer.
    fn device(&self, harness: &Harness) -> Result<Box<dyn Executor>, ExecutorError>;
}

/// Devices in this process.
#[derive(Clone, Copy, Debug)]
pub struct Sim;

impl Target for Sim {
    fn device(&self, harness: &Harness) -> Result<Box<dyn Executor>, ExecutorError> {
        Ok(Box::new(InProcess::new(harness.application)))
    }
}

/// Devices in QEMU, an emulator for each. They run the product code that their firmware was built with.
impl Target for Qemu {
    fn device(&self, _harness: &Harness) -> Result<Box<dyn Executor>, ExecutorError> {
        let machine = self.start().map_err(|error| ExecutorError::Line(error.to_string()))?;
        Ok(Box::new(OverLink::open(machine)?))
    }
}
