//! The scenario language: one YAML file tells one story, and this room turns it into plain typed data.
//!
//! It does not run anything: the world matches on [`Verb`] and carries the steps out. What it promises is
//! that a [`Scenario`] in hand is sound: every name it mentions exists, every actor a step speaks of is
//! settled ([`Step::actor`]), every number is in its range. What is wrong is told once, as a [`ScenarioError`] with
//! file, line, column and a hint.
//!
//! Keys are written in `snake_case`, words and actions in `kebab-case`; a time is a whole number with its
//! unit: `250ms`, `5s`, `10m`, `7h`, `50d`. The JSON Schema that editors use comes from the same types.

mod arm;
mod check;
mod check_arm;
mod credential;
mod describe;
mod describe_router;
mod error;
mod expect;
mod flash;
mod link;
mod node;
mod phone;
mod product;
mod schema;
mod step;
mod value;
mod world;

use std::io::Read;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use smoltcp::time::Duration;

use crate::secrets::Secrets;
pub use arm::{Arm, Armed, BrownoutPoint, CutPoint, Moment, Point};
pub use credential::{Secret, Ssid};
pub use error::ScenarioError;
pub(crate) use error::closest;
pub use expect::{ApState, Connectivity, DeviceState, Expect, FaultState, Presence, StoreState};
pub use flash::{Fill, FlashChange, FlashWrite, FlipBit, HexBytes};
pub use link::{Between, Heal, LinkChange, OneWay};
pub use phone::{
    Configure, DnsCode, DnsRecord, Lookup, Parallel, PhoneAction, PhoneChange, Provision, Request, StaticIp,
    TokenChoice,
};
pub use product::{DEFAULT_PRODUCT, Dates, ProductOverrides};
pub use schema::schema;
pub use step::{
    AfterLogin, Bouncing, Button, ClockChange, CloudChange, PinWrite, Power, RouterChange, Step,
    StrangeFrame, Switch, Verb,
};
pub(crate) use value::parse_duration;
pub use value::{
    At, ByteRate, Channel, Count, DeauthReason, HeaderLen, Host, HostPort, HttpStatus, LastError, Mac, Mtu,
    Name, Nth, Permille, Pin, PinValue, Rssi, SectorNumber, StationsMax, Subnet, TcpPort,
};
pub use world::{
    AccessPoint, CertificateKind, Cloud, Credentials, DhcpMode, DnsMode, DriftPpm, Habit, Handshake, Link,
    LoginAnswer, NetworkSecurity, NtpMode, PhoneDevice, PhoneOs, PoolSize, Router, SimulatedDevice, TlsKind,
    World,
};

/// The version of the language that this program reads.
pub const FORMAT: u32 = 1;

/// A file longer than this is not a scenario; the largest story we know has 4 KiB.
pub const FILE_LEN_MAX: usize = 256 * 1024;

/// One story, checked: all names exist and all values are in range.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What happens, in a few words.
    pub title: String,
    /// What would break in the field without it; may be empty.
    pub why: String,
    /// The change to the firmware that this story would catch; may be empty.
    pub catches: String,
    /// What differs from the default product.
    pub product: ProductOverrides,
    /// What a device's millisecond counter starts at, at every boot, to test that nothing wraps; else 0.
    pub uptime: Option<Duration>,
    /// Who and what is there.
    pub world: World,
    /// What happens, in order; at least one step.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Says what is wrong and where; for a file that cannot be read, line and column are 0.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let file = path.display().to_string();
        let bytes = read_bounded(path)
            .map_err(|error| ScenarioError::of_file(&file, format!("the file cannot be read: {error}")))?;
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(&file, &text),
            Err(error) => Err(ScenarioError::of_bytes(&file, &error)),
        }
    }

    /// Checks a scenario's text; `file` only names it in errors.
    ///
    /// # Errors
    /// Says what is wrong and where.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        check::scenario(text).map_err(|complaint| complaint.in_file(file, text))
    }
}

impl Scenario {
    /// Reads steps that happen in its world, written as in a file; `file` only names it in errors.
    ///
    /// # Errors
    /// Says what is wrong and where.
    pub fn steps_in_its_world(&self, file: &str, text: &str) -> Result<Vec<Step>, ScenarioError> {
        let world = At::nowhere(self.world.clone());
        check::steps(text, &world).map_err(|complaint| complaint.in_file(file, text))
    }

    /// What each step says, without secrets.
    pub fn steps_in_words(&self) -> Vec<String> {
        let secrets = Secrets::of(self);
        self.steps.iter().map(|step| secrets.clean(&step.describe())).collect()
    }

    /// The same with steps before its own, written as in a file; `file` only names it in errors.
    ///
    /// # Errors
    /// Says what is wrong and where.
    pub(crate) fn with_steps_before(&self, file: &str, text: &str) -> Result<Self, ScenarioError> {
        let mut scenario = self.clone();
        let world = At::nowhere(scenario.world);
        let steps = check::steps(text, &world).map_err(|complaint| complaint.in_file(file, text))?;
        scenario.world = world.value;
        scenario.steps.splice(0..0, steps);
        Ok(scenario)
    }
}

/// Reads no more than it takes to see that a file is too long: it may be a device that never ends.
fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_LEN_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The commented first scenario, to be copied and changed.
pub fn starter() -> &'static str {
    include_str!("starter.yaml")
}

/// The file as it is written, before anything but its shape is checked.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Edgent HIL scenario", rename = "Scenario")]
struct Document {
    /// The version of the scenario language: 1.
    #[schemars(extend("const" = 1))]
    format: u32,
    /// What happens, in a few words.
    title: At<String>,
    /// What would break in the field without it.
    #[serde(default)]
    why: String,
    /// The change to the firmware that this story would catch: what was broken when it has been seen to fail.
    #[serde(default)]
    catches: String,
    /// What differs from the default product (template `TMPL4thermo1`, `Thermostat`, version 1.0.0).
    product: Option<At<ProductOverrides>>,
    /// What a device's millisecond counter starts at, at every boot: `4294907296ms`, a minute before it wraps.
    #[serde(default, deserialize_with = "value::duration_option")]
    #[schemars(with = "Option<value::DurationText>")]
    uptime: Option<Duration>,
    /// Who and what is there. Without it: no router, one cloud, one device, one phone.
    #[serde(default)]
    world: At<World>,
    /// What happens, in order.
    #[schemars(length(min = 1))]
    steps: At<Vec<At<step::StepText>>>,
}

#[cfg(test)]
mod case_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod misuse_tests;
#[cfg(test)]
mod reading_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world_tests;
