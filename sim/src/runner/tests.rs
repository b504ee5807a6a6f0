use firmware_core::config::Ssid;
use firmware_core::hal::ResetCause;

use super::*;
use crate::executor::{Executor, ExecutorError, InProcess};
use crate::router;
use crate::scenario::Verb;

const STORY: &str = "format: 1\ntitle: T\nworld: { routers: [ { name: home, ssid: HomeNet, password: correct horse }, \
                     { name: cafe, ssid: Cafe, password: \"hex:FF0102030405060708\" } ] }\n\
                     steps:\n  - expect: { store: empty, within: 0s }\n";

/// Devices whose flash holds this.
struct Holding<'a>(&'a [u8]);

impl Target for Holding<'_> {
    fn device(&self, harness: &Harness) -> Result<Box<dyn Executor>, ExecutorError> {
        let mut device = InProcess::new(harness.application);
        device.flash_mut().inner_mut().bytes_mut()[5_000..][..self.0.len()].copy_from_slice(self.0);
        Ok(Box::new(device))
    }
}

/// Expects an empty store of a device whose flash holds this.
#[track_caller]
fn check_empty(held: &[u8], is_met: bool) {
    let scenario = Scenario::parse("story.yaml", STORY).unwrap_or_else(|error| panic!("{error}"));
    let stage = Stage::build(&Holding(held), &scenario, &Harness::EXAMPLE, DEFAULT_SEED)
        .unwrap_or_else(|error| panic!("{error}"));
    let mut look = |_: &mut Stage| true;
    let mut runner = Runner::new(&scenario, stage, &mut look);
    let Verb::Expect(expect) = &scenario.steps[0].verb else { panic!("the step expects something") };
    assert_eq!(runner.expect(NodeId::Device(0), expect).is_ok(), is_met);
}

#[test]
fn a_store_is_not_empty_while_a_password_can_be_read_from_it() {
    check_empty(b"", true);
    check_empty(b"something else", true);
    check_empty(b"\0correct horse\0", false);
    check_empty(b"x\xFF\x01\x02\x03\x04\x05\x06\x07\x08x", false);
}

/// Searches for a password in what a device and its phone say.
#[track_caller]
fn check_told(say: impl Fn(&mut Trace), teller: Option<&str>) {
    let (device, phone) = (NodeId::Device(0), NodeId::Phone(0));
    let mut trace = Trace::default();
    trace.set_name(device, "thermostat");
    trace.set_name(phone, "mine");
    trace.push_printed(Instant::ZERO, device, "an innocent line");
    say(&mut trace);
    let failure = check_secrets(&trace, &["something else".to_owned(), "correct horse".to_owned()]);
    let told = failure.map(|failure| (failure.invariant, failure.why));
    let expected = teller.map(|name| {
        let why = format!("one appears in what {name} says");
        (Some(&NO_SECRET_TOLD), NO_SECRET_TOLD.broken(why).to_string())
    });
    assert_eq!(told, expected);
}

#[test]
fn a_secret_is_found_wherever_it_is_told() {
    let (device, phone) = (NodeId::Device(0), NodeId::Phone(0));
    let ssid = Ssid::new(b"my correct horse!").unwrap();
    check_told(|trace| trace.push_printed(Instant::ZERO, device, "key: correct horse"), Some("thermostat"));
    let joined = What::Device(Event::Joined(ssid.clone()));
    check_told(|trace| trace.push(Instant::ZERO, device, joined.clone()), Some("thermostat"));
    let scan = What::Radio(RadioCommand::Scan { probe: Some(ssid) });
    check_told(|trace| trace.push(Instant::ZERO, device, scan.clone()), Some("thermostat"));
    let left = What::Phone(crate::phone::Event::Left("correct horse".to_owned()));
    check_told(|trace| trace.push(Instant::ZERO, phone, left.clone()), Some("mine"));
}

#[test]
fn what_is_no_secret_is_not_found_in_two_lines() {
    let print = |trace: &mut Trace| {
        trace.push_printed(Instant::ZERO, NodeId::Device(0), "correct");
        trace.push_printed(Instant::ZERO, NodeId::Device(0), " horse");
    };
    check_told(print, None);
}

/// What a router that refuses each address it offers hears from a device in a minute.
#[test]
fn a_router_that_refuses_is_asked_a_few_times_a_round() {
    let text = "format: 1\ntitle: T\nworld: { routers: [{ name: home, ssid: HomeNet, password: correct horse, dhcp: nak }] }\n\
                steps:\n  - power: on\n  - phone: join\n  - phone: { configure: { network: home } }\n  - wait: 1m\n";
    let scenario = Scenario::parse("story.yaml", text).unwrap_or_else(|error| panic!("{error}"));
    let outcome = run(&scenario, &Harness::EXAMPLE, DEFAULT_SEED);
    assert_eq!(outcome.failure, None);
    let is_refusal = |what: &What| matches!(what, What::Router(router::Event::LeaseRefused { .. }));
    let refusals = outcome.trace.entries().iter().filter(|entry| is_refusal(&entry.what)).count();
    assert!((2..=10).contains(&refusals), "{refusals} times");
}

#[test]
fn a_device_that_storms_ends_the_run() {
    let scenario = Scenario::parse("story.yaml", STORY).unwrap_or_else(|error| panic!("{error}"));
    let stage = Stage::build(&Sim, &scenario, &Harness::EXAMPLE, DEFAULT_SEED);
    let mut stage = stage.unwrap_or_else(|error| panic!("{error}"));
    stage.world.power_on(0, ResetCause::PowerOn);
    stage.world.storming = Some(0);
    let mut look = |_: &mut Stage| true;
    let mut runner = Runner::new(&scenario, stage, &mut look);
    let error = runner.wait(Duration::from_secs(1)).expect_err("it storms");
    assert!(
        matches!(error, StepError::Broken(Broken { invariant, .. }) if *invariant == invariants::NO_STORM)
    );
}
