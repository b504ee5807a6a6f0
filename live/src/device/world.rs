//! The world of a live device in real time: it does what is due, takes what comes from the host and from the panel, and
//! tells what has happened.

use std::path::Path;
use std::time::{Duration, SystemTime};

use hil_sim::runner::open::{CannotBeDone, OpenWorld, Told};
use hil_sim::runner::{DEFAULT_SEED, Harness};
use hil_sim::scenario::Scenario;
use hil_sim::target::Sim;
use hil_sim::world::{NodeId, Power, SentFrame, WorldError};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;
use tokio::sync::mpsc;
use tokio::time;

use super::network::{Interface, NetworkError};
use super::picture::{AccessPointPicture, Picture, ProductPicture, SlotPicture, TapPicture};
#[cfg(target_os = "linux")]
use super::tap::Tap;
use super::terminal::{Terminal, TerminalError};
use super::wish::{Asked, Request, Wish};

/// The device that is tested: the first of the scenario's.
const DEVICE: usize = 0;
/// What the panel calls the network of an interface that is in nobody's.
const INTERNET: &str = "the internet";
/// Frames of the host that wait while the world is busy.
const FRAMES_WAITING_MAX: usize = 256;
/// Frames that are taken from the host before the world goes on.
const FRAMES_AT_ONCE_MAX: usize = 64;
/// Pieces of what was typed that wait.
const TYPED_WAITING_MAX: usize = 64;
/// The world looks at the clock at least this often, so that its time is never far behind.
const IDLE_MAX: Duration = Duration::from_millis(250);

/// What has happened since the last time.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// The world's time, in microseconds since its beginning.
    pub now_us: i64,
    /// How everything looks, when that is not as before.
    pub picture: Option<Picture>,
    /// What happened, as lines of a trace file (docs/trace-file.md), in order.
    pub lines: Vec<String>,
    /// The frames that were sent, by whom; they hold secrets.
    pub frames: Vec<(String, SentFrame)>,
}

/// Why a live device cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// A device or a network cannot be had.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The serial line cannot be had.
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    /// The world cannot be built.
    #[error(transparent)]
    World(#[from] CannotBeDone),
    /// The simulation cannot go on.
    #[error("the simulation cannot go on: {0}")]
    Run(#[from] WorldError),
}

/// The time in seconds since 1970, by the clock of the wall: certificates of programs outside have real dates.
fn today() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

/// One guest of the world that is an interface of the host.
struct Attached {
    guest: usize,
    interface: String,
    network_of: String,
    #[cfg(target_os = "linux")]
    tap: Tap,
}

/// A simulated world whose time is that of the wall.
pub struct LiveWorld {
    world: OpenWorld,
    started: time::Instant,
    attached: Vec<Attached>,
    frames: mpsc::Receiver<(usize, Vec<u8>)>,
    /// Kept so that the other end never sees all of its senders gone.
    frames_sender: mpsc::Sender<(usize, Vec<u8>)>,
    requests: mpsc::Receiver<Request>,
    typed: mpsc::Receiver<Vec<u8>>,
    typed_sender: mpsc::Sender<Vec<u8>>,
    console: Option<Terminal>,
    device_name: String,
    router_names: Vec<String>,
    cloud_names: Vec<String>,
    button_down: bool,
    told: Option<Picture>,
    flash_seen: Option<([u64; 3], Vec<SlotPicture>)>,
}

impl LiveWorld {
    /// Builds the world and gives its device power. Within a runtime of tokio's.
    pub(super) fn build(
        scenario: Scenario,
        trust: Option<&[u8]>,
        harness: &Harness,
        requests: mpsc::Receiver<Request>,
    ) -> Result<Self, LiveError> {
        let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let router_names = names(scenario.world.routers.iter().map(|router| router.name.as_str()).collect());
        let cloud_names = names(scenario.world.clouds.iter().map(|cloud| cloud.name.as_str()).collect());
        let device_name =
            scenario.world.devices.first().map_or("device", |device| device.name.as_str()).to_owned();
        let mut world = OpenWorld::build(&Sim, scenario, harness, DEFAULT_SEED, today())?;
        if let Some(authority) = trust {
            world.set_trust(DEVICE, authority);
        }
        world.power_on(DEVICE);
        let (frames_sender, frames) = mpsc::channel(FRAMES_WAITING_MAX);
        let (typed_sender, typed) = mpsc::channel(TYPED_WAITING_MAX);
        Ok(Self {
            world,
            started: time::Instant::now(),
            attached: Vec::new(),
            frames,
            frames_sender,
            requests,
            typed,
            typed_sender,
            console: None,
            device_name,
            router_names,
            cloud_names,
            button_down: false,
            told: None,
            flash_seen: None,
        })
    }

    /// The name of the first router, if there is one.
    pub(super) fn first_router(&self) -> Option<String> {
        self.router_names.first().cloned()
    }

    /// The name of the device.
    pub(super) fn device_name(&self) -> String {
        self.device_name.clone()
    }

    /// Makes an interface of the host in the network that somebody opens, or on the internet.
    #[cfg(target_os = "linux")]
    pub(super) fn attach(
        &mut self,
        interface: &Interface,
        network_of: Option<&str>,
        mac: EthernetAddress,
    ) -> Result<(), NetworkError> {
        let tap = Tap::open(interface, mac)?;
        let Some(guest) = self.world.add_guest(&interface.name, network_of, mac) else { return Ok(()) };
        tap.listen(guest, self.frames_sender.clone());
        let network_of = network_of.unwrap_or(INTERNET).to_owned();
        let interface = interface.name.clone();
        self.attached.push(Attached { guest, interface, network_of, tap });
        Ok(())
    }

    /// Interfaces of this kind are Linux's.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn attach(
        &mut self,
        _: &Interface,
        _: Option<&str>,
        _: EthernetAddress,
    ) -> Result<(), NetworkError> {
        Err(NetworkError::not_here())
    }

    /// Lets the world go on until `ended` comes or it cannot; hears of everything that happens.
    pub(super) async fn run(
        &mut self,
        ended: impl Future<Output = ()>,
        mut tell: impl FnMut(Update),
    ) -> Result<(), LiveError> {
        let mut ended = std::pin::pin!(ended);
        loop {
            self.world.run_until(self.wall_time())?;
            self.deliver();
            self.tell(&mut tell);
            let idle = self.world.next_wake().map_or(IDLE_MAX, |wake| self.time_until(wake)).min(IDLE_MAX);
            tokio::select! {
                () = &mut ended => return Ok(()),
                () = time::sleep(idle) => {}
                Some((guest, frame)) = self.frames.recv() => self.take_frames(guest, frame)?,
                Some(request) = self.requests.recv() => self.grant(request)?,
                Some(bytes) = self.typed.recv() => self.type_on_console(&bytes)?,
            }
        }
    }

    /// The world's time that it should be by the wall's clock.
    fn wall_time(&self) -> Instant {
        let micros = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        Instant::from_micros(micros)
    }

    fn time_until(&self, at: Instant) -> Duration {
        let now = self.wall_time();
        if at <= now { Duration::ZERO } else { Duration::from_micros((at - now).total_micros()) }
    }

    /// Lets a guest send what has come for the world, and what else waits.
    fn take_frames(&mut self, guest: usize, frame: Vec<u8>) -> Result<(), LiveError> {
        self.world.run_until(self.wall_time())?;
        self.world.send_of_guest(guest, frame);
        for _ in 1..FRAMES_AT_ONCE_MAX {
            let Ok((guest, frame)) = self.frames.try_recv() else { break };
            self.world.send_of_guest(guest, frame);
        }
        Ok(())
    }

    /// Gives the host what has come for its interfaces.
    fn deliver(&mut self) {
        for attached in &self.attached {
            while let Some(frame) = self.world.take_frame(attached.guest) {
                #[cfg(target_os = "linux")]
                attached.tap.send(&frame);
                #[cfg(not(target_os = "linux"))]
                drop(frame);
            }
        }
    }

    fn grant(&mut self, request: Request) -> Result<(), LiveError> {
        self.world.run_until(self.wall_time())?;
        let answer = match request.what {
            Asked::Token => self.world.issue_token().ok_or_else(|| "this world has no cloud".to_owned()),
            Asked::Wish(wish) => self.fulfil(&wish).map(|()| String::new()),
        };
        // Whoever asked may have gone.
        let _ = request.answer.send(answer);
        Ok(())
    }

    /// What was typed on the terminal. What the device has no room for is lost, as on any serial line.
    fn type_on_console(&mut self, bytes: &[u8]) -> Result<(), LiveError> {
        self.world.run_until(self.wall_time())?;
        self.world.type_on_console(DEVICE, bytes);
        Ok(())
    }

    fn fulfil(&mut self, wish: &Wish) -> Result<(), String> {
        match wish {
            Wish::Button { down } => {
                self.button_down = *down;
                self.world.set_button(DEVICE, *down);
            }
            Wish::Type { text } => {
                if !self.world.type_on_console(DEVICE, text.as_bytes()) {
                    return Err("the console takes nothing: the device does not run, or is behind".to_owned());
                }
            }
            Wish::Step { text } => return self.world.apply(text).map_err(|error| error.to_string()),
            Wish::CutAtNextWrite => self.world.cut_at_next_write(DEVICE),
            Wish::SetUp { afresh } => {
                if !self.world.set_up_by_phone(*afresh) {
                    return Err("the simulated phone is busy, or there is no router it knows".to_owned());
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, tell: &mut impl FnMut(Update)) {
        let Told { lines, printed } = self.world.take_told();
        self.print(&printed);
        let frames = self.world.take_frames().into_iter();
        let frames: Vec<_> = frames.map(|frame| (self.world.name(frame.sender).to_owned(), frame)).collect();
        let picture = self.picture();
        let is_new = self.told.as_ref() != Some(&picture);
        if !is_new && lines.is_empty() && frames.is_empty() {
            return;
        }
        let now_us = self.world.now().total_micros();
        if is_new {
            self.told = Some(picture.clone());
        }
        tell(Update { now_us, picture: is_new.then_some(picture), lines, frames });
    }

    /// Gives the console's lines to whoever has opened its terminal.
    fn print(&self, printed: &[(NodeId, String)]) {
        let Some(console) = &self.console else { return };
        for (_, line) in printed.iter().filter(|(node, _)| *node == NodeId::Device(DEVICE)) {
            console.print(line);
        }
    }

    /// Makes a terminal of the host that is the device's serial line.
    ///
    /// # Errors
    /// When there can be none, or its name is taken.
    pub(super) fn open_console(&mut self, path: &Path) -> Result<(), TerminalError> {
        self.console = Some(Terminal::open(path, self.typed_sender.clone())?);
        Ok(())
    }

    /// How everything looks now.
    fn picture(&mut self) -> Picture {
        let flash = self.flash();
        let cut_armed = self.world.is_cut_armed(DEVICE);
        let world = &self.world;
        let device = world.device(DEVICE);
        let product = device.map(hil_sim::world::DeviceNode::product);
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let tap = |attached: &Attached| TapPicture {
            interface: attached.interface.clone(),
            network_of: attached.network_of.clone(),
            is_joined: world.is_connected(attached.guest),
        };
        let power = device.map_or(Power::Off, |device| device.power());
        Picture {
            name: self.device_name.clone(),
            product: ProductPicture {
                template_id: text(product.map(|product| product.template_id())),
                name: text(product.map(|product| product.template_name())),
                version: text(product.map(|product| product.firmware_version())),
                vendor: text(product.map(|product| product.vendor())),
            },
            power: match power {
                Power::Off => "off",
                Power::Starting => "starting",
                Power::Running => "running",
            },
            state: device
                .filter(|_| power == Power::Running)
                .map_or(String::new(), |device| device.state().to_string()),
            last_error: device.map_or(0, |device| device.last_error()),
            boots: device.map_or(0, |device| device.boots()),
            mac: device.map_or(String::new(), |device| device.mac().to_string()),
            access_point: AccessPointPicture {
                ssid: world.ap_name(DEVICE).unwrap_or_default(),
                is_up: world.has_access_point(DEVICE),
                stations: world.stations_of(DEVICE).iter().map(ToString::to_string).collect(),
            },
            button_down: self.button_down,
            cut_armed,
            flash,
            taps: self.attached.iter().map(tap).collect(),
            routers: self.router_names.clone(),
            clouds: self.cloud_names.clone(),
        }
    }

    /// What the device's flash holds; it is read anew only when something was done to it.
    fn flash(&mut self) -> Vec<SlotPicture> {
        let Some(wear) = self.world.flash_wear(DEVICE) else { return Vec::new() };
        if let Some((seen, slots)) = &self.flash_seen
            && *seen == wear
        {
            return slots.clone();
        }
        let slots: Vec<SlotPicture> = self.world.flash(DEVICE).map(SlotPicture::all).unwrap_or_default();
        self.flash_seen = Some((wear, slots.clone()));
        slots
    }
}
