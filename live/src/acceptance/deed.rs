//! What of a scenario can be done and seen with a board, its serial line, this host's radio and a cloud.

use hil_sim::cli::AcceptanceArguments;
use hil_sim::scenario::{Button, CloudChange, Expect, PhoneAction, Power, Scenario, Step, Verb};

/// A step of the scenario.
#[derive(Clone, Debug)]
pub(super) struct Planned<'s> {
    /// Its number, from 1.
    pub(super) number: usize,
    /// Its line in the file.
    pub(super) line: u32,
    /// What it says, without secrets.
    pub(super) what: String,
    /// What is done for it, or why it cannot be done.
    pub(super) deed: Result<Deed<'s>, &'static str>,
}

/// What is done for a step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed<'s> {
    /// The board has power: it is made as fresh as from the factory.
    Begin,
    /// The supply is switched.
    Power(Power),
    /// The button is pressed.
    Button(&'s Button),
    /// A line is typed.
    Type(&'s str),
    /// Time passes.
    Wait(smoltcp::time::Duration),
    /// The host does what the scenario's phone does.
    Phone(&'s PhoneAction),
    /// A pin is written at the cloud.
    Write(&'s hil_sim::scenario::PinWrite),
    /// Something is looked at.
    Expect(&'s Expect),
}

/// Goes through a scenario, step by step.
pub(super) fn deeds<'s>(scenario: &'s Scenario, arguments: &AcceptanceArguments) -> Vec<Planned<'s>> {
    let mut has_begun = false;
    let said = scenario.steps_in_words();
    let planned = (1..).zip(&scenario.steps).zip(said);
    planned
        .map(|((number, step), what)| Planned {
            number,
            line: step.line,
            what,
            deed: deed(step, arguments, &mut has_begun),
        })
        .collect()
}

fn deed<'s>(
    step: &'s Step,
    arguments: &AcceptanceArguments,
    has_begun: &mut bool,
) -> Result<Deed<'s>, &'static str> {
    match &step.verb {
        Verb::Power(Power::On) if !std::mem::replace(has_begun, true) => Ok(Deed::Begin),
        Verb::Power(Power::Brownout | Power::Watchdog) => Err("no supply here sags on command"),
        Verb::Power(_) if arguments.supply.is_none() => {
            Err("nobody switches the board's supply: name a command that does, --supply COMMAND")
        }
        Verb::Power(power) => Ok(Deed::Power(*power)),
        Verb::Button(_) if arguments.press.is_none() => {
            Err("nobody presses the board's button: name a command that does, --press COMMAND")
        }
        Verb::Button(Button::Bouncing(_)) => {
            Err("a command cannot make a contact bounce, nor let go within milliseconds")
        }
        Verb::Button(button) => Ok(Deed::Button(button)),
        Verb::Console(line) => Ok(Deed::Type(line)),
        Verb::Wait(time) => Ok(Deed::Wait(*time)),
        Verb::Phone(_) if step.meanwhile => Err("this host does one thing at a time"),
        Verb::Phone(action) => phone(action),
        Verb::Expect(expect) if is_seen(expect) => Ok(Deed::Expect(expect)),
        Verb::Expect(_) => Err("nobody sees it from without"),
        Verb::Cloud(change) => write(change),
        Verb::Router(_) => Err("the real router is not changed from here"),
        Verb::Link(_) => Err("the real air is not changed from here"),
        Verb::Flash(_) => Err("what flash holds is changed by nobody but the firmware"),
        Verb::Clock(_) => Err("a board's clock is its own"),
        Verb::Arm(_) => Err("nothing can be armed in a board"),
        Verb::Settle(_) => Err("there is nothing to mend"),
    }
}

fn phone(action: &PhoneAction) -> Result<Deed<'_>, &'static str> {
    match action {
        PhoneAction::GetToken
        | PhoneAction::Join
        | PhoneAction::BoardInfo
        | PhoneAction::Scan
        | PhoneAction::Configure(_)
        | PhoneAction::WaitOnline
        | PhoneAction::Rename(_) => Ok(Deed::Phone(action)),
        PhoneAction::Provision(provision) if provision.tries.is_none() => Ok(Deed::Phone(action)),
        PhoneAction::Request(request)
            if request.pipelined.is_none() && request.port.is_none() && !request.refused =>
        {
            Ok(Deed::Phone(action))
        }
        PhoneAction::Leave => Err("this host stays where it was joined, until the access point goes"),
        PhoneAction::JoinDevice(_) => Err("one board is here"),
        PhoneAction::Behave(_) => Err("this host has habits of its own"),
        PhoneAction::DeleteDevice => Err("the cloud's API deletes no device"),
        _ => Err("this host's HTTP client does no such thing"),
    }
}

/// Of all that a cloud can do, its API has this.
fn write(change: &CloudChange) -> Result<Deed<'_>, &'static str> {
    let rest = CloudChange { write: None, ..change.clone() };
    match &change.write {
        Some(write) if rest == CloudChange::default() => Ok(Deed::Write(write)),
        _ => Err("a cloud for acceptance behaves"),
    }
}

/// Whether anything of it can be seen from without.
fn is_seen(expect: &Expect) -> bool {
    let Expect { device, last_error, console, cloud, named, pin, .. } = expect;
    device.is_some_and(|device| device.firmware().is_some())
        || last_error.is_some()
        || console.is_some()
        || cloud.is_some()
        || named.is_some()
        || !pin.is_empty()
        || expect.http_status.is_some()
        || expect.http_body.is_some()
        || expect.sees_error.is_some()
        || expect.sees_network.is_some()
}
