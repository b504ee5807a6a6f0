//! The simulator as a target: a connection and a simulation for each device.

use std::sync::{Arc, Mutex, PoisonError};

use hil_sim::executor::{Executor, ExecutorError, OverLink};
use hil_sim::runner::Harness;
use hil_sim::target::Target;
use tokio::runtime::{self, Runtime};

use super::project::Content;
use super::{Project, WokwiLine};
use crate::api::{ApiError, Counted, Firmware, Server, Simulation, Start, Upload};

/// Size of the flash that the images are made for.
const FLASH_SIZE: &str = "4MB";
/// How the diagram is called among the uploaded files.
const DIAGRAM: &str = "diagram.json";

/// Devices in the simulator. They run the product code that their firmware was built with.
pub struct Wokwi {
    server: Server,
    project: Project,
    jobs_max: usize,
    spent: Arc<Mutex<Counted>>,
}

impl Wokwi {
    /// Devices at a service. A plan may allow few simulations at once: `jobs_max` scenarios run side by side.
    pub fn new(server: Server, project: Project, jobs_max: usize) -> Self {
        Self { server, project, jobs_max, spent: Arc::default() }
    }

    /// What all devices that are gone have cost.
    pub fn counted(&self) -> Counted {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<WokwiLine, ApiError> {
        let runtime = runtime()?;
        let simulation = runtime.block_on(async {
            let mut simulation = connect(&self.server).await?;
            begin(&mut simulation, &self.project).await?;
            Ok::<_, ApiError>(simulation)
        })?;
        Ok(WokwiLine::new(runtime, simulation, Arc::clone(&self.spent)))
    }
}

/// Whether a service can be had: it greets, and is left at once. Returns its name and version.
///
/// # Errors
/// When it cannot.
pub fn greet(server: &Server) -> Result<String, ApiError> {
    runtime()?.block_on(async {
        let mut simulation = connect(server).await?;
        let service = simulation.service().to_owned();
        simulation.close().await;
        Ok(service)
    })
}

pub(super) async fn connect(server: &Server) -> Result<Simulation, ApiError> {
    Simulation::connect(server, |error, pause| eprintln!("{error}; trying again in {} s", pause.as_secs()))
        .await
}

/// Uploads what there is, listens to the serial line, and starts. Time stands still.
pub(super) async fn begin(simulation: &mut Simulation, project: &Project) -> Result<(), ApiError> {
    simulation.upload(DIAGRAM, Upload::Text(&project.diagram)).await?;
    let firmware = match &project.firmware {
        Content::Elf(elf) => {
            let name = "firmware.elf".to_owned();
            simulation.upload(&name, Upload::Binary(elf)).await?;
            Firmware::File(name)
        }
        Content::Parts(parts) => {
            let mut names = Vec::new();
            for (offset, content) in parts {
                let name = format!("flash-{offset:#x}.bin");
                simulation.upload(&name, Upload::Binary(content)).await?;
                names.push((*offset, name));
            }
            Firmware::Parts(names)
        }
    };
    simulation.listen_serial().await?;
    let flash_size = Some(FLASH_SIZE.to_owned());
    simulation.start(&Start { firmware, elf: None, flash_size, pause: true, chips: Vec::new() }).await
}

pub(super) fn runtime() -> Result<Runtime, ApiError> {
    Ok(runtime::Builder::new_current_thread().enable_all().build()?)
}

impl Target for Wokwi {
    fn device(&self, _harness: &Harness) -> Result<Box<dyn Executor>, ExecutorError> {
        let line = self.open().map_err(|error| ExecutorError::Line(error.to_string()))?;
        let mut device = OverLink::open(line)?;
        device.erase_flash()?;
        Ok(Box::new(device))
    }

    fn jobs_max(&self) -> usize {
        self.jobs_max
    }

    fn spent(&self) -> Option<String> {
        Some(spent_words(self.counted()))
    }
}

/// What was used, in a line for people.
pub(super) fn spent_words(counted: Counted) -> String {
    let Counted { commands, round_trips, nanos } = counted;
    let (seconds, thousandths) = (nanos / 1_000_000_000, nanos / 1_000_000 % 1_000);
    format!(
        "in the simulator: {seconds}.{thousandths:03} s of its time, {round_trips} round trips, {commands} commands"
    )
}
