//! The firmware with the chip's own radio, on Wokwi's network: set up on its console, and seen from outside.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration as WallDuration;

use hil_sim::executor::{Executor, ExecutorError};
use hil_sim::runner::{Failure, Harness};
use hil_sim::scenario::Scenario;
use hil_sim::target::{Observed, Outside, Target};
use hil_sim::wokwi::{Action, Options, Planned, plan};
use smoltcp::time::Duration;

use super::Project;
use super::target::{begin, connect, runtime, spent_words};
use crate::api::{ApiError, Counted, Event, PausePoint, Server, Simulation};

/// How long a line may be awaited that no step limits, and at least. Wokwi's network scans and joins in seconds.
const AWAIT_LIMIT: Duration = Duration::from_secs(60);
/// What is done last needs time to have an effect.
const LAST_DELAY: Duration = Duration::from_secs(1);
/// How long, in the wall's time, the service may take for anything. A simulation can be slower than a chip by far.
const WALL_PATIENCE: WallDuration = WallDuration::from_secs(600);
/// The pause point behind an awaited text.
const AWAITED: &str = "awaited";

/// Devices in the simulator with Wokwi's own network.
pub struct NativeWokwi {
    server: Server,
    project: Project,
    options: Options,
    spent: Arc<Mutex<Counted>>,
}

impl NativeWokwi {
    /// Devices at a service. The options name the button of the project's diagram, and a token if the cloud is to be reached.
    pub fn new(server: Server, project: Project, options: Options) -> Self {
        Self { server, project, options, spent: Arc::default() }
    }

    async fn run(&self, steps: &[Planned], seen: &mut Seen) -> Result<Option<Failure>, ApiError> {
        let mut device = Device { simulation: connect(&self.server).await?, seen, line: Vec::new() };
        let done = self.carry_out(&mut device, steps).await;
        let counted = device.simulation.counted();
        device.seen.at = counted.nanos;
        device.end_line();
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).add(counted);
        device.simulation.close().await;
        done
    }

    async fn carry_out(
        &self,
        device: &mut Device<'_>,
        steps: &[Planned],
    ) -> Result<Option<Failure>, ApiError> {
        begin(&mut device.simulation, &self.project).await?;
        for step in steps {
            device.seen.step(step);
            // What cannot be done was looked for before.
            for action in step.actions.iter().flatten() {
                if let Err(why) = device.act(action, step.within).await? {
                    return Ok(Some(failure(step, why)));
                }
            }
        }
        device.pass(LAST_DELAY).await?;
        Ok(None)
    }
}

fn failure(step: &Planned, why: String) -> Failure {
    let Planned { number, line, what, .. } = step;
    Failure { step: *number, line: *line, what: what.clone(), why, invariant: None, is_of_the_world: false }
}

impl Target for NativeWokwi {
    fn device(&self, _harness: &Harness) -> Result<Box<dyn Executor>, ExecutorError> {
        Err(ExecutorError::Line("a device with its own radio has no link".to_owned()))
    }

    fn refuses(&self, scenario: &Scenario) -> Option<String> {
        let devices = scenario.world.devices.len();
        if devices != 1 {
            return Some(format!("it has {devices} devices, and Wokwi's network has one"));
        }
        let planned = plan(scenario, &self.options);
        planned.iter().find_map(|step| {
            let why = step.actions.as_ref().err()?;
            Some(format!("step {} (line {}), {}: {why}", step.number, step.line, step.what))
        })
    }

    fn jobs_max(&self) -> usize {
        1
    }

    fn outside(&self) -> Option<&dyn Outside> {
        Some(self)
    }

    fn spent(&self) -> Option<String> {
        Some(spent_words(*self.spent.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Outside for NativeWokwi {
    fn observe(&self, scenario: &Scenario) -> Observed {
        let steps = plan(scenario, &self.options);
        let mut seen = Seen { token: self.options.token.clone(), ..Seen::default() };
        let done = runtime().and_then(|runtime| runtime.block_on(self.run(&steps, &mut seen)));
        let failure = done.unwrap_or_else(|error| {
            let why = format!("{error} ({})", error.hint());
            Some(Failure {
                step: 0,
                line: 0,
                what: String::new(),
                why,
                invariant: None,
                is_of_the_world: true,
            })
        });
        Observed { elapsed: Duration::from_micros(seen.at / 1_000), lines: seen.lines, failure }
    }
}

/// What people are told.
#[derive(Default)]
struct Seen {
    /// Simulated time, in nanoseconds.
    at: u64,
    lines: Vec<String>,
    /// What must not be shown.
    token: Option<String>,
}

impl Seen {
    fn step(&mut self, step: &Planned) {
        self.lines.push(format!("-- step {} (line {}): {}", step.number, step.line, step.what));
        for action in step.actions.iter().flatten() {
            if let Action::Note(why) = action {
                self.lines.push(format!("   {why}"));
            }
        }
    }

    fn print(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let text = self.token.iter().fold(text, |text, token| text.replace(token.as_str(), "***"));
        if !text.trim().is_empty() {
            let (seconds, thousandths) = (self.at / 1_000_000_000, self.at / 1_000_000 % 1_000);
            self.lines.push(format!("{seconds:>5}.{thousandths:03}  prints {}", text.trim_end()));
        }
    }
}

struct Device<'s> {
    simulation: Simulation,
    seen: &'s mut Seen,
    /// What it has printed of a line.
    line: Vec<u8>,
}

impl Device<'_> {
    /// Does one thing. The inner error is why the device did not do its part.
    async fn act(
        &mut self,
        action: &Action,
        within: Option<Duration>,
    ) -> Result<Result<(), String>, ApiError> {
        match action {
            Action::Note(_) => {}
            Action::Delay(time) => self.pass(*time).await?,
            Action::Type(text) => self.simulation.post_serial(text.as_bytes()).await?,
            Action::Control { part, control, value } => {
                self.simulation.set_control(part, control, f64::from(*value)).await?;
            }
            Action::Pin { part, pin, value } => {
                let found = self.simulation.read_pin(part, pin).await?;
                if found.is_high != (*value != 0) {
                    return Ok(Err(format!("the pin {pin} of {part} is {}", u8::from(found.is_high))));
                }
            }
            Action::Await(text) => return self.wait_for(text, within).await,
        }
        Ok(Ok(()))
    }

    async fn pass(&mut self, time: Duration) -> Result<(), ApiError> {
        self.simulation.post_resume(Some(nanos(time))).await?;
        self.listen().await.map(drop)
    }

    async fn wait_for(
        &mut self,
        text: &str,
        within: Option<Duration>,
    ) -> Result<Result<(), String>, ApiError> {
        // A step's limit is meant for the simulator's radio, which is quicker than a real one.
        let limit = within.unwrap_or(AWAIT_LIMIT).max(AWAIT_LIMIT);
        self.simulation.post_pause_point(AWAITED, &PausePoint::Serial(text.as_bytes())).await?;
        self.simulation.post_resume(Some(nanos(limit))).await?;
        if self.listen().await? {
            return Ok(Ok(()));
        }
        self.simulation.remove_pause_point(AWAITED).await?;
        Ok(Err(format!("it has not printed {text:?} within {} s", limit.secs())))
    }

    /// Takes what the device says until its time stands still; whether that is at a pause point.
    async fn listen(&mut self) -> Result<bool, ApiError> {
        loop {
            match self.simulation.next_event(WALL_PATIENCE).await? {
                Some(Event::Serial(bytes)) => {
                    self.seen.at = self.simulation.counted().nanos;
                    self.take(&bytes);
                }
                Some(Event::Paused { pause_point, nanos }) => {
                    self.seen.at = nanos;
                    return Ok(pause_point.is_some());
                }
                Some(_) => {}
                None => {
                    let command = "sim:resume".to_owned();
                    return Err(ApiError::Silent { command, waited: WALL_PATIENCE });
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                byte => self.line.push(*byte),
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.seen.print(&line);
    }
}

fn nanos(time: Duration) -> u64 {
    time.total_micros().saturating_mul(1_000)
}
