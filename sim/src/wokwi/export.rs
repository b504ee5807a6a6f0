//! A scenario of ours as one of Wokwi's, for its own tools.
//!
//! There a device has nobody but a serial line, a button and Wokwi's network: nothing can join its access point, and no
//! cloud is near. So it is provisioned on its console, for `Wokwi-GUEST`, and what it prints is waited for. A step that
//! cannot be carried over stands in a comment with the reason.

use std::fmt::Write;

use firmware_core::panel::HOLD_ACTION;
use firmware_core::trace::State;
use smoltcp::time::Duration;

use crate::json::push_string;
use crate::scenario::{Button, DeviceState, Expect, PhoneAction, Power, Presence, Scenario, Step, Verb};
use crate::secrets::Secrets;

/// Wokwi's own network, which is open.
const NETWORK: &str = "Wokwi-GUEST";
/// A token of the right form. The run ends before a cloud could look at it.
const TOKEN: &str = "WokwiKnowsNoCloud_WokwiKnowsNone";
/// The contact must be still for 25 ms before it counts as released.
const BETWEEN_PRESSES_MS: u64 = 100;
/// How long a short press is.
const PRESS_MS: u64 = 200;
/// Every pattern begins with light for 50 ms at least.
const LIT_AFTER_MS: u64 = 20;

/// How a scenario is carried over.
#[derive(Clone, Debug)]
pub struct Options {
    /// The id of the button in the diagram.
    pub button: String,
    /// A pin of the board that a plain LED follows, as in builds with `led-plain`.
    pub led: Option<String>,
    /// The id of the board in the diagram, for the LED.
    pub board: String,
}

/// What became of the steps.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Carried {
    /// Steps that are there.
    pub steps: usize,
    /// Steps that are not.
    pub left_out: usize,
}

/// Writes the scenario, whose file is named in a comment.
pub fn export(file: &str, scenario: &Scenario, options: &Options) -> (String, Carried) {
    let mut writer = Writer {
        yaml: String::new(),
        options,
        secrets: Secrets::of(scenario),
        carried: Carried::default(),
        has_power: false,
        has_started: false,
        has_released: false,
        state: None,
        awaits_cloud: false,
    };
    // Writing to a string does not fail.
    let _ = writeln!(
        writer.yaml,
        "# Made of {file} by `hil wokwi export`. What is typed stands here with its secrets."
    );
    let _ = writeln!(writer.yaml, "name: {}", quoted(&scenario.title));
    let _ = writeln!(writer.yaml, "version: 1");
    let _ = writeln!(writer.yaml, "steps:");
    for (number, step) in (1..).zip(&scenario.steps) {
        writer.step(number, step);
    }
    // Whatever is done last needs time to have an effect.
    let _ = writeln!(writer.yaml, "  - delay: 1s");
    (writer.yaml, writer.carried)
}

struct Writer<'a> {
    yaml: String,
    options: &'a Options,
    secrets: Secrets,
    carried: Carried,
    has_power: bool,
    /// Whether anything has been done or waited for that shows that the firmware runs.
    has_started: bool,
    /// Whether the button was released and no time has passed since.
    has_released: bool,
    /// The state that was waited for last, unless something has been done since that leads to another.
    state: Option<State>,
    /// Whether a configuration was sent and the device has not been waited for at the cloud since.
    awaits_cloud: bool,
}

/// Why a step cannot be carried over, where it cannot.
type Kept = Result<(), &'static str>;

impl Writer<'_> {
    fn step(&mut self, number: usize, step: &Step) {
        let words = self.secrets.clean(&step.describe());
        let head = format!("step {number} (line {}): {words}", step.line);
        let from = self.yaml.len();
        let _ = writeln!(self.yaml, "  # {head}");
        match self.carry(step) {
            Ok(()) => self.carried.steps += 1,
            Err(why) => {
                self.carried.left_out += 1;
                self.yaml.truncate(from);
                let _ = writeln!(self.yaml, "  # {head}");
                let _ = writeln!(self.yaml, "  #   not carried over: {why}");
            }
        }
    }

    fn carry(&mut self, step: &Step) -> Kept {
        match &step.verb {
            Verb::Power(power) => self.power(*power),
            Verb::Button(button) => {
                self.press(button);
                Ok(())
            }
            Verb::Console(line) => {
                self.type_line(line);
                Ok(())
            }
            Verb::Wait(time) => {
                self.delay(*time);
                Ok(())
            }
            Verb::Phone(action) => self.phone(action),
            Verb::Expect(expect) => self.expect(expect),
            Verb::Router(_) => Err("Wokwi's network does not change"),
            Verb::Cloud(_) => Err("no cloud takes part"),
            Verb::Link(_) => Err("Wokwi's air loses nothing"),
            Verb::Flash(_) => Err("what flash holds is changed by nobody but the firmware"),
            Verb::Clock(_) => Err("Wokwi's clock is right"),
            Verb::Arm(_) => Err("nothing can be armed"),
            Verb::Settle(_) => Err("there is nothing to mend"),
        }
    }

    fn power(&mut self, power: Power) -> Kept {
        if power == Power::On && !self.has_power {
            self.has_power = true;
            let _ = writeln!(self.yaml, "  #   the simulation begins with it");
            return Ok(());
        }
        Err("automation cannot switch the supply")
    }

    fn press(&mut self, button: &Button) {
        self.await_start();
        if std::mem::take(&mut self.has_released) {
            self.delay(Duration::from_millis(BETWEEN_PRESSES_MS));
        }
        let hold = match button {
            Button::Press => Duration::from_millis(PRESS_MS),
            Button::Hold(time) => *time,
            Button::Bouncing(bouncing) => {
                let _ = writeln!(self.yaml, "  #   without its bounces");
                bouncing.hold
            }
        };
        self.control(1);
        self.delay(hold);
        self.control(0);
        if hold >= HOLD_ACTION {
            self.state = None;
        }
        // What it leads to may be printed at once, and is not found by whoever begins to wait later.
        self.has_released = true;
    }

    fn control(&mut self, value: u8) {
        let button = quoted(&self.options.button);
        let _ =
            writeln!(self.yaml, "  - set-control: {{ part-id: {button}, control: pressed, value: {value} }}");
    }

    fn delay(&mut self, time: Duration) {
        self.has_released = false;
        let _ = writeln!(self.yaml, "  - delay: {}us", time.total_micros());
    }

    /// Who types or presses before the firmware has started is not heard.
    fn await_start(&mut self) {
        if !std::mem::replace(&mut self.has_started, true) && self.state.is_none() {
            self.state(State::WaitConfig);
        }
    }

    fn type_line(&mut self, line: &str) {
        self.await_start();
        let _ = writeln!(self.yaml, "  - write-serial: {}", quoted(&format!("{line}\r\n")));
        self.state = None;
        self.awaits_cloud |= line.trim_start().to_ascii_lowercase().starts_with("connect ");
    }

    fn await_text(&mut self, text: &str) {
        self.has_released = false;
        let _ = writeln!(self.yaml, "  - wait-serial: {}", quoted(text));
    }

    fn phone(&mut self, action: &PhoneAction) -> Kept {
        let (has_own_ssid, has_own_password) = match action {
            PhoneAction::Provision(provision) => (provision.ssid.is_some(), provision.password.is_some()),
            PhoneAction::Configure(configure) if configure.raw.is_empty() => {
                (configure.ssid.is_some(), configure.password.is_some())
            }
            _ => return Err("nothing can join an access point in Wokwi"),
        };
        if has_own_ssid || has_own_password {
            return Err("Wokwi's network has one name and no password that could be wrong");
        }
        let _ =
            writeln!(self.yaml, "  #   on the console, because nothing can join an access point in Wokwi");
        self.type_line(&format!("connect {TOKEN} {NETWORK}"));
        if matches!(action, PhoneAction::Provision(_)) {
            // The app waits until the device is online.
            self.awaits_cloud = false;
            self.state(State::ConnectingCloud);
        }
        Ok(())
    }

    fn expect(&mut self, expect: &Expect) -> Kept {
        let Expect { device, console, cloud, .. } = expect;
        if *cloud == Some(Presence::Online) || *device == Some(DeviceState::Running) {
            if !self.awaits_cloud && self.state != Some(State::ConnectingCloud) {
                return Err("no cloud is near");
            }
            self.awaits_cloud = false;
            let _ = writeln!(self.yaml, "  #   as far as it comes without a cloud");
            self.state(State::ConnectingCloud);
            return Ok(());
        }
        let state = device.and_then(DeviceState::firmware);
        if state.is_none() && console.is_none() {
            return Err("nobody sees it from without");
        }
        let rest = Expect { device: None, console: None, ..expect.clone() };
        if rest.is_of_device() || rest.is_of_phone() || rest.stays.is_some() {
            let _ = writeln!(self.yaml, "  #   only what it prints: nobody sees the rest from without");
        }
        if let Some(state) = state {
            self.state(state);
        }
        if let Some(text) = console {
            self.await_text(text);
        }
        Ok(())
    }

    /// Waits for the line that names the state, and looks at the LED where there is one that can be looked at.
    fn state(&mut self, state: State) {
        if self.state == Some(state) {
            let _ = writeln!(self.yaml, "  #   it is there already");
            return;
        }
        self.state = Some(state);
        self.has_started = true;
        self.await_text(&format!("=> {}", state.name()));
        if let Some(pin) = self.options.led.as_ref().filter(|_| state != State::Running) {
            let (board, pin) = (quoted(&self.options.board), quoted(pin));
            let _ = writeln!(self.yaml, "  - delay: {LIT_AFTER_MS}ms");
            let _ = writeln!(self.yaml, "  - expect-pin: {{ part-id: {board}, pin: {pin}, value: 1 }}");
        }
    }
}

/// A text as YAML has it between quotation marks, which is as JSON has it.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    push_string(&mut quoted, text);
    quoted
}
