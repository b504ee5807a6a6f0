use super::*;
use crate::executor::{Executor, ExecutorError, InProcess};
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
