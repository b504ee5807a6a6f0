//! Inputs and timeouts in any order.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Input(usize),
    Wait,
    Sleep(u64),
    Button(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..INPUTS.len()).prop_map(Step::Input),
        3 => Just(Step::Wait),
        2 => (0u64..700_000).prop_map(Step::Sleep),
        1 => any::<bool>().prop_map(Step::Button),
    ]
}

fn start() -> impl Strategy<Value = (InUse, bool)> {
    prop_oneof![
        Just((InUse::Nothing, false)),
        Just((InUse::Nothing, true)),
        Just((InUse::Trial, false)),
        Just((InUse::Trial, true)),
        Just((InUse::Valid, true)),
    ]
}

proptest! {
    /// `push` asserts that the actions of one call are bounded.
    #[test]
    fn nothing_panics_and_no_deadline_stays_behind(
        (in_use, valid_exists) in start(),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut bench = Bench::started(in_use, valid_exists);
        for step in steps {
            match step {
                Step::Input(index) => {
                    bench.give(&INPUTS[index]);
                }
                Step::Wait => {
                    if let Some(at) = bench.machine.poll_timeout() {
                        bench.now = at.max(bench.now);
                    }
                }
                Step::Sleep(ms) => bench.sleep(ms),
                Step::Button(down) => bench.button_down = down,
            }
            bench.handle_timeout();
            prop_assert!(bench.machine.poll_timeout().is_none_or(|at| at > bench.now), "a past deadline");
            let machine = &bench.machine;
            let connects = matches!(machine.state(), State::ConnectingNet | State::ConnectingCloud | State::Running);
            prop_assert!(!connects || machine.in_use() != InUse::Nothing, "there is nothing to connect with");
        }
    }

    /// Whatever has happened, a phone can configure the device and the device comes online.
    #[test]
    fn a_phone_can_always_configure_after_a_reset(
        (in_use, valid_exists) in start(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut bench = Bench::started(in_use, valid_exists);
        for step in steps {
            match step {
                Step::Input(index) if INPUTS[index] != Input::RebootRequested => {
                    bench.give(&INPUTS[index]);
                }
                Step::Input(_) | Step::Wait | Step::Button(_) => {}
                Step::Sleep(ms) => bench.sleep(ms),
            }
        }
        bench.give(&Input::ResetRequested);
        prop_assert_eq!(bench.machine.state(), State::WaitConfig);
        prop_assert_eq!(bench.give(&Input::ConfigStored), "WAIT_CONFIG=>SWITCH_TO_STA");
        bench.sleep(1_000);
        prop_assert_eq!(bench.handle_timeout(), "reboot");
    }
}
