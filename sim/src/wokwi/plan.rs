//! What of a scenario can be done and seen from outside: with a serial line, a button, pins and Wokwi's network.
//!
//! There a device has nobody else: nothing can join its access point, and no cloud is near. So it is provisioned on its
//! console, for `Wokwi-GUEST`, and what it prints is waited for. A step that cannot be carried over has the reason.

use firmware_core::panel::HOLD_ACTION;
use firmware_core::trace::State;
use smoltcp::time::Duration;

use crate::scenario::{Button, DeviceState, Expect, PhoneAction, Power, Presence, Scenario, Step, Verb};
use crate::secrets::Secrets;

/// Wokwi's own network, which is open.
const NETWORK: &str = "Wokwi-GUEST";
/// A token of the right form. The run ends before a cloud could look at it.
const TOKEN: &str = "WokwiKnowsNoCloud_WokwiKnowsNone";
/// The contact must be still for 25 ms before it counts as released.
const BETWEEN_PRESSES: Duration = Duration::from_millis(100);
/// How long a short press is.
const PRESS: Duration = Duration::from_millis(200);
/// Every pattern begins with light for 50 ms at least.
const LIT_AFTER: Duration = Duration::from_millis(20);

/// How a scenario is carried over.
#[derive(Clone, Debug)]
pub struct Options {
    /// The id of the button in the diagram.
    pub button: String,
    /// A pin of the board that a plain LED follows, as in builds with `led-plain`.
    pub led: Option<String>,
    /// The id of the board in the diagram, for the LED.
    pub board: String,
    /// A token that the cloud knows. The device is then waited for until it is online.
    pub token: Option<String>,
}

impl Default for Options {
    /// As in the project's own diagrams.
    fn default() -> Self {
        Self { button: "button".to_owned(), led: None, board: "esp".to_owned(), token: None }
    }
}

/// What is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Time passes.
    Delay(Duration),
    /// The device prints this.
    Await(String),
    /// This is typed.
    Type(String),
    /// A control of a part is moved, to 0 or 1.
    Control {
        /// The part.
        part: String,
        /// Its control.
        control: &'static str,
        /// Where to.
        value: u8,
    },
    /// A pin is looked at.
    Pin {
        /// The part.
        part: String,
        /// Its pin.
        pin: String,
        /// What it must be.
        value: u8,
    },
    /// Nothing; why the step is done so.
    Note(&'static str),
}

/// A step of the scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// Its number, from 1.
    pub number: usize,
    /// Its line in the file.
    pub line: u32,
    /// What it says, without secrets.
    pub what: String,
    /// What is done for it, or why it cannot be carried over.
    pub actions: Result<Vec<Action>, &'static str>,
    /// How long what is awaited may take.
    pub within: Option<Duration>,
}

/// Carries a scenario over, step by step.
pub fn plan(scenario: &Scenario, options: &Options) -> Vec<Planned> {
    let secrets = Secrets::of(scenario);
    let mut planner = Planner {
        options,
        actions: Vec::new(),
        has_power: false,
        has_started: false,
        has_released: false,
        state: None,
        awaits_cloud: false,
    };
    let steps = (1..).zip(&scenario.steps);
    let planned = steps.map(|(number, step)| {
        planner.actions.clear();
        let carried = planner.carry(step);
        let within = match &step.verb {
            Verb::Expect(expect) => Some(expect.within),
            _ => None,
        };
        Planned {
            number,
            line: step.line,
            what: secrets.clean(&step.describe()),
            actions: carried.map(|()| planner.actions.clone()),
            within,
        }
    });
    planned.collect()
}

struct Planner<'a> {
    options: &'a Options,
    /// What is done for the present step.
    actions: Vec<Action>,
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

impl Planner<'_> {
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
            self.note("the simulation begins with it");
            return Ok(());
        }
        Err("automation cannot switch the supply")
    }

    fn press(&mut self, button: &Button) {
        self.await_start();
        if std::mem::take(&mut self.has_released) {
            self.delay(BETWEEN_PRESSES);
        }
        let hold = match button {
            Button::Press => PRESS,
            Button::Hold(time) => *time,
            Button::Bouncing(bouncing) => {
                self.note("without its bounces");
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
        let part = self.options.button.clone();
        self.actions.push(Action::Control { part, control: "pressed", value });
    }

    fn delay(&mut self, time: Duration) {
        self.has_released = false;
        self.actions.push(Action::Delay(time));
    }

    /// Who types or presses before the firmware has started is not heard.
    fn await_start(&mut self) {
        if !std::mem::replace(&mut self.has_started, true) && self.state.is_none() {
            self.state(State::WaitConfig);
        }
    }

    fn type_line(&mut self, line: &str) {
        self.await_start();
        self.actions.push(Action::Type(format!("{line}\r\n")));
        self.state = None;
        self.awaits_cloud |= line.trim_start().to_ascii_lowercase().starts_with("connect ");
    }

    fn await_text(&mut self, text: &str) {
        self.has_released = false;
        self.actions.push(Action::Await(text.to_owned()));
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
        self.note("on the console, because nothing can join an access point in Wokwi");
        let token = self.options.token.as_deref().unwrap_or(TOKEN);
        self.type_line(&format!("connect {token} {NETWORK}"));
        if matches!(action, PhoneAction::Provision(_)) {
            // The app waits until the device is online.
            self.awaits_cloud = false;
            self.state(self.farthest());
        }
        Ok(())
    }

    fn expect(&mut self, expect: &Expect) -> Kept {
        let Expect { device, console, cloud, .. } = expect;
        if *cloud == Some(Presence::Online) || *device == Some(DeviceState::Running) {
            if !self.awaits_cloud && self.state != Some(self.farthest()) {
                return Err("no cloud is near");
            }
            self.awaits_cloud = false;
            if self.options.token.is_none() {
                self.note("as far as it comes without a cloud");
            }
            self.state(self.farthest());
            return Ok(());
        }
        let state = device.and_then(DeviceState::firmware);
        if state.is_none() && console.is_none() {
            return Err("nobody sees it from without");
        }
        let rest = Expect { device: None, console: None, ..expect.clone() };
        if rest.is_of_device() || rest.is_of_phone() || rest.stays.is_some() {
            self.note("only what it prints: nobody sees the rest from without");
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
            return self.note("it is there already");
        }
        self.state = Some(state);
        self.has_started = true;
        self.await_text(&format!("=> {}", state.name()));
        if let Some(pin) = self.options.led.as_ref().filter(|_| state != State::Running) {
            let (part, pin) = (self.options.board.clone(), pin.clone());
            self.actions.push(Action::Delay(LIT_AFTER));
            self.actions.push(Action::Pin { part, pin, value: 1 });
        }
    }

    /// The state in which a device that was set up is left.
    fn farthest(&self) -> State {
        if self.options.token.is_some() { State::Running } else { State::ConnectingCloud }
    }

    fn note(&mut self, why: &'static str) {
        self.actions.push(Action::Note(why));
    }
}
