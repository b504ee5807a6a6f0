//! Where the devices of a run are: in this process, or at the other end of a line. The world is the same for all.

use crate::executor::qemu::Qemu;
use crate::executor::serial::SerialPorts;
use crate::executor::{Executor, ExecutorError, InProcess, OverLink};
use smoltcp::time::Duration;

use crate::runner::{Failure, Harness};
use crate::scenario::Scenario;
use crate::timeline::counted;

/// Makes the devices of a run.
pub trait Target: Sync {
    /// A device without power, its flash erased.
    ///
    /// # Errors
    /// When it cannot be started or does not answer.
    fn device(&self, harness: &Harness) -> Result<Box<dyn Executor>, ExecutorError>;

    /// What keeps it from running a scenario: that one is skipped, and the reason is said.
    fn refuses(&self, _scenario: &Scenario) -> Option<String> {
        None
    }

    /// How many scenarios it can run at once.
    fn jobs_max(&self) -> usize {
        usize::MAX
    }

    /// The device as it is seen from outside, where the world here has no part in it.
    fn outside(&self) -> Option<&dyn Outside> {
        None
    }

    /// What all runs so far have cost that somebody counts, in a line for people.
    fn spent(&self) -> Option<String> {
        None
    }
}

/// A device that is only seen from outside: on its serial line, its pins and its button, over HTTP, at its cloud. Its
/// router and its cloud are not the world's here.
pub trait Outside: Sync {
    /// Carries out a scenario, as far as that can be done, and looks at what the device does.
    fn observe(&self, scenario: &Scenario) -> Observed;
}

/// What was seen of a device from outside.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// How much of its time passed.
    pub elapsed: Duration,
    /// Lines for people, in their order: each step, and what the device printed.
    pub lines: Vec<String>,
    /// Why the scenario failed, if it did.
    pub failure: Option<Failure>,
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

/// Boards, a port for each device. They run the product code that their firmware was built with.
impl Target for SerialPorts {
    fn device(&self, _harness: &Harness) -> Result<Box<dyn Executor>, ExecutorError> {
        Ok(Box::new(self.connect()?))
    }

    fn refuses(&self, scenario: &Scenario) -> Option<String> {
        let devices = scenario.world.devices.len();
        let boards = counted(self.count(), "board is", "boards are");
        (devices > self.count()).then(|| format!("it has {devices} devices and {boards} connected"))
    }

    fn jobs_max(&self) -> usize {
        1
    }
}
