//! A live device: the firmware in a simulated home, in real time, with interfaces of the host in its networks and a
//! panel in the browser.

mod network;
pub mod panel;
mod picture;
#[cfg(target_os = "linux")]
mod tap;
mod terminal;
mod wish;
mod world;

use std::path::PathBuf;

use hil_sim::runner::Harness;
use hil_sim::scenario::Scenario;
use smoltcp::wire::EthernetAddress;
use tokio::sync::mpsc;

pub use network::{INTERFACE_NAME_LEN_MAX, NetworkError};
pub use panel::Panel;
pub use picture::{AccessPointPicture, Picture, ProductPicture, SlotPicture, TapPicture};
pub use terminal::TerminalError;
pub use wish::{Asked, Request, Wish};
pub use world::{LiveError, LiveWorld, Update};

use network::{Interface, Namespace};

/// The world of a live device that is not told another.
const HOME: &str = include_str!("home.yaml");

/// The host's interface in the device's own network.
const AP_MAC: EthernetAddress = EthernetAddress([0x02, 0x70, 0, 0, 0, 1]);
/// The host's interface in the first router's network.
const LAN_MAC: EthernetAddress = EthernetAddress([0x02, 0x70, 0, 0, 0, 2]);
/// The host's interface on the internet.
const WAN_MAC: EthernetAddress = EthernetAddress([0x02, 0x70, 0, 0, 0, 3]);
/// An address on the simulated internet that nobody there has.
const WAN_ADDRESS: &str = "198.18.200.1/15";

/// The world of a live device that is not told another: a home with one router, and a neighbour's.
pub fn home() -> Scenario {
    Scenario::parse("home.yaml", HOME).expect("it is part of the program, and a test parses it")
}

/// What a live device takes.
#[derive(Clone, Debug)]
pub struct Options {
    /// The world.
    pub scenario: Scenario,
    /// The names of the interfaces; none without.
    pub taps: Option<Taps>,
    /// The network namespace that is made for them.
    pub namespace: Option<String>,
    /// Where a terminal is made that is the device's serial line.
    pub console: Option<PathBuf>,
    /// The authority that the device trusts in the place of the world's own (X.509, DER).
    pub trust: Option<Vec<u8>>,
}

/// The names of interfaces of the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taps {
    /// In the device's own network.
    pub ap: String,
    /// In the network of the first router.
    pub lan: String,
    /// On the simulated internet, if one is wanted there.
    pub wan: Option<String>,
}

impl Taps {
    /// All of them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [&self.ap, &self.lan].into_iter().chain(&self.wan).map(String::as_str)
    }
}

/// A live device and what it has of the host.
pub struct LiveDevice {
    world: LiveWorld,
    advice: Vec<String>,
    /// Removed when the device ends.
    _namespace: Option<Namespace>,
}

impl LiveDevice {
    /// Builds the world, and makes the host's interfaces in it. Within a runtime of tokio's.
    ///
    /// # Errors
    /// When an interface or the namespace cannot be had.
    pub fn start(
        options: Options,
        harness: &Harness,
        requests: mpsc::Receiver<Request>,
    ) -> Result<Self, LiveError> {
        let Options { scenario, taps, namespace, console, trust } = options;
        let mut world = LiveWorld::build(scenario, trust.as_deref(), harness, requests)?;
        let (device, router) = (world.device_name(), world.first_router());
        let made = taps.is_some().then_some(namespace.as_deref()).flatten();
        let made = made.map(Namespace::make).transpose()?;
        let mut advice = Vec::new();
        let mut attach = |name: String, network_of: Option<String>, mac, what: &str, program: &str| {
            let interface = Interface { name, namespace: namespace.clone() };
            world.attach(&interface, network_of.as_deref(), mac)?;
            let command = interface.command(&program.replace("NAME", &interface.name));
            advice.push(format!("{what}: {}, for example {command}", interface.name));
            Ok::<_, NetworkError>(())
        };
        if let Some(Taps { ap, lan, wan }) = taps {
            attach(ap, Some(device), AP_MAC, "the device's access point", "dhclient NAME")?;
            if router.is_some() {
                attach(lan, router, LAN_MAC, "the home network", "dhclient NAME")?;
            }
            if let Some(wan) = wan {
                let program = format!("ip addr add {WAN_ADDRESS} dev NAME");
                attach(wan, None, WAN_MAC, "the internet", &program)?;
            }
        }
        if let Some(path) = console {
            world.open_console(&path)?;
            advice.push(format!("the serial line: {}", path.display()));
        }
        Ok(Self { world, advice, _namespace: made })
    }

    /// What a person is told who wants to use the interfaces and the serial line.
    pub fn advice(&self) -> &[String] {
        &self.advice
    }

    /// Lets the world go on in real time until `ended` comes or it cannot; hears of everything that happens.
    ///
    /// # Errors
    /// When the simulation cannot go on.
    pub async fn run(
        &mut self,
        ended: impl Future<Output = ()>,
        tell: impl FnMut(Update),
    ) -> Result<(), LiveError> {
        self.world.run(ended, tell).await
    }
}
