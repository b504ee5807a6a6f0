//! A story as text, taken to pieces and put together with other steps.

use firmware_core::hal::Security;

use crate::scenario::{PhoneAction, Router, Scenario, ScenarioError, Step, Verb, World};

/// How often a user tries while everything goes wrong.
const TRIES_WITH_FAULTS: u32 = 2;
/// How often a user may have to try once nothing is at fault: the device may still be busy with what was.
const TRIES_WITHOUT: u32 = 3;

/// Why a story cannot be explored.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// It is not a scenario.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// Nobody could set a device up there.
    #[error("{0}: its world has no network that a device can join and no phone to tell it")]
    NoNetwork(String),
    /// It does not end well by itself.
    #[error("{0}: without any fault it does not end with the device online: {1}")]
    NeverWell(String, String),
    /// Its steps cannot be told apart.
    #[error("{file}:{line}: the steps stand in one line; begin each with `- ` in a line of its own")]
    OneLine {
        /// The file.
        file: String,
        /// The line.
        line: u32,
    },
}

/// A story in pieces.
pub(super) struct Story {
    file: String,
    world: World,
    /// Everything before the first step.
    head: String,
    /// The steps that are no expectations, which may fail.
    steps: Vec<String>,
    /// What follows them.
    tail: String,
}

impl Story {
    /// Takes a file to pieces.
    pub(super) fn new(file: &str, text: &str) -> Result<Self, StoryError> {
        let scenario = Scenario::parse(file, text)?;
        let lines: Vec<&str> = text.lines().collect();
        let starts: Vec<usize> =
            scenario.steps.iter().map(|step| (step.line as usize).saturating_sub(1)).collect();
        let at = |place: usize| starts.get(place).copied().unwrap_or(lines.len());
        for (place, step) in scenario.steps.iter().enumerate() {
            let begins = lines.get(at(place)).is_some_and(|line| line.trim_start().starts_with("- "));
            if !begins || at(place + 1) == at(place) {
                return Err(StoryError::OneLine { file: file.to_owned(), line: step.line });
            }
        }
        let head: Vec<&str> = lines
            .iter()
            .take(at(0))
            .filter(|line| !line.starts_with("# yaml-language-server"))
            .copied()
            .collect();
        let steps = scenario
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| !matches!(step.verb, Verb::Expect(_) | Verb::Settle(_)))
            .map(|(place, step)| tolerant(&lines[at(place)..at(place + 1)], step))
            .collect();
        let tail = tail(file, &scenario)?;
        let head = head.join("\n");
        Ok(Self { file: file.to_owned(), world: scenario.world, head, steps, tail })
    }

    pub(super) fn file(&self) -> &str {
        &self.file
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    pub(super) fn steps(&self) -> &[String] {
        &self.steps
    }

    /// A whole file: these faults, these steps, and what follows them.
    pub(super) fn text(&self, faults: &[String], steps: &[String]) -> String {
        let mut text = String::with_capacity(4 * 1_024);
        text.push_str(&self.head);
        text.push('\n');
        for step in faults.iter().chain(steps) {
            text.push_str(step);
            text.push('\n');
        }
        text.push_str(&self.tail);
        text
    }
}

/// A step that may fail, from its own lines.
fn tolerant(lines: &[&str], step: &Step) -> String {
    let is_blank = |line: &&&str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let len = lines.len() - lines.iter().rev().take_while(is_blank).count();
    let mut text = lines[..len].join("\n");
    if step.may_fail {
        return text;
    }
    let (before, first) = text.split_at(text.find("- ").map_or(0, |at| at + 2));
    if let Some(inside) = first.strip_prefix('{') {
        return format!("{before}{{ may_fail: true,{inside}");
    }
    let indent = before.chars().count();
    text.push_str(&format!("\n{:indent$}may_fail: true", ""));
    text
}

/// The end of every explored story: attempts to get each device online, the end of all faults, and the attempt that
/// must succeed.
fn tail(file: &str, scenario: &Scenario) -> Result<String, StoryError> {
    let World { routers, devices, phones, .. } = &scenario.world;
    let named = scenario.steps.iter().rev().find_map(|step| match &step.verb {
        Verb::Phone(PhoneAction::Configure(configure)) if configure.password.is_none() => {
            configure.network.as_ref()
        }
        Verb::Phone(PhoneAction::Provision(provision)) if provision.password.is_none() => {
            provision.network.as_ref()
        }
        _ => None,
    });
    let named = named.and_then(|name| scenario.world.router(name.as_str()));
    let network =
        named.filter(|router| can_be_joined(router)).or(routers.iter().find(|router| can_be_joined(router)));
    // A phone whose habits are the point of the story may never get through; her user takes another one.
    let phone = phones.iter().find(|phone| phone.habits.is_empty()).or(phones.first());
    let (Some(network), Some(phone)) = (network, phone) else {
        return Err(StoryError::NoNetwork(file.to_owned()));
    };
    let set_up = |tries: u32, end: &str| {
        let lines = devices.iter().map(|device| {
            let (phone, device, network) = (&phone.name, &device.name, &network.name);
            format!(
                "  - {{ who: {phone}, phone: {{ provision: {{ device: {device}, network: {network}, tries: {tries} }} }}{end} }}\n"
            )
        });
        lines.collect::<String>()
    };
    let with_faults = set_up(TRIES_WITH_FAULTS, ", may_fail: true");
    Ok(format!("{with_faults}  - settle: 30m\n{}", set_up(TRIES_WITHOUT, "")))
}

/// Whether a device can join a network, once it has power: on a channel that it hears, with a secret that it can give.
fn can_be_joined(router: &Router) -> bool {
    let takes = match router.security() {
        Security::Wpa2Enterprise | Security::Wep => false,
        Security::Open => router.password.is_none(),
        Security::Wpa | Security::Wpa2 | Security::WpaWpa2 | Security::Wpa3 | Security::Wpa2Wpa3 => true,
    };
    takes && router.radios().iter().any(|radio| radio.channel.0 <= 14 && radio.rssi.0 > -85)
}
