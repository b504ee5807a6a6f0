//! The state machine at work: a table of every state and input here, the rules in `rules`, chance in `chance`.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use smoltcp::wire::EthernetAddress;

use super::*;
use crate::hal::JoinFailure;

mod chance;
mod rules;

/// When every test begins, in milliseconds: far from 0, where a forgotten time would not show.
const START_MS: i64 = 5_000_000_000;
const SEED: u64 = 7;

/// A machine with its clock. What it wants done comes back as short words.
struct Bench {
    machine: Provision,
    now: Instant,
    button_down: bool,
}

impl Bench {
    /// A machine that has not started.
    fn new(in_use: InUse, valid_exists: bool) -> Self {
        let machine = Provision::new(in_use, valid_exists, None, SEED);
        Self { machine, now: Instant::from_millis(START_MS), button_down: false }
    }

    fn started(in_use: InUse, valid_exists: bool) -> Self {
        let mut bench = Self::new(in_use, valid_exists);
        let mut actions = Actions::new();
        bench.machine.start(bench.now, &mut actions);
        bench
    }

    fn give(&mut self, input: &Input) -> String {
        let mut actions = Actions::new();
        self.machine.handle(self.now, input, &mut actions);
        words(&actions)
    }

    /// The same bench after some inputs.
    fn after(mut self, inputs: impl IntoIterator<Item = Input>) -> Self {
        for input in inputs {
            self.give(&input);
        }
        self
    }

    /// Lets time pass up to the next deadline and no further.
    #[track_caller]
    fn wait(&mut self) -> String {
        let at = self.machine.poll_timeout().expect("a deadline");
        assert!(at >= self.now, "the deadline has passed before");
        self.now = at;
        self.check_it_ends();
        self.handle_timeout()
    }

    fn handle_timeout(&mut self) -> String {
        let mut actions = Actions::new();
        self.machine.handle_timeout(self.now, self.button_down, &mut actions);
        words(&actions)
    }

    #[track_caller]
    fn sleep(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.check_it_ends();
    }

    /// A story that should come to an end and does not must fail, not run for ever.
    #[track_caller]
    fn check_it_ends(&self) {
        assert!(self.elapsed() < 90 * 86_400_000, "three months and no end");
    }

    /// Since the start, in milliseconds.
    fn elapsed(&self) -> i64 {
        self.now.total_millis() - START_MS
    }

    /// The deadline, from now, in milliseconds.
    fn due_in(&self) -> Option<i64> {
        self.machine.poll_timeout().map(|at| at.total_millis() - self.now.total_millis())
    }
}

/// Actions as words, in order.
fn words(actions: &Actions) -> String {
    let word = |action: &Action| match action {
        Action::Entered { from, to } => format!("{from}=>{to}"),
        Action::OpenAp => "ap".to_string(),
        Action::RadioOff => "off".to_string(),
        Action::Scan { directed: false } => "scan".to_string(),
        Action::Scan { directed: true } => "scan-by-name".to_string(),
        Action::Join(candidate) => format!("join {}", candidate.rssi),
        Action::StartAddress => "address".to_string(),
        Action::OpenCloud => "cloud".to_string(),
        Action::CloseCloud => "close".to_string(),
        Action::Accept => "accept".to_string(),
        Action::Reject(error) => format!("reject {}", error.code()),
        Action::EraseAll => "erase".to_string(),
        Action::RoundFailed(error) => format!("failed {}", error.code()),
        Action::ConfigTimedOut => "idle".to_string(),
        Action::Reboot(ResetCause::Software) => "reboot".to_string(),
        Action::Reboot(cause) => format!("reboot {cause:?}"),
    };
    actions.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn heard(rssi: i8) -> Input {
    let bssid = EthernetAddress([2, 0, 0, 0, 0, 1]);
    Input::ScanDone(Some(Candidate { bssid, channel: 6, rssi }))
}

/// What makes a network count as absent.
fn missed() -> [Input; 4] {
    core::array::from_fn(|_| Input::ScanDone(None))
}

/// What leads from the first scan into RUNNING.
fn online() -> [Input; 4] {
    [heard(-50), Input::Joined, Input::AddressSet, Input::LoggedIn]
}

/// Every state, in each of its steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Init,
    WaitConfig,
    WaitConfigBesideValid,
    Configuring,
    SwitchFromAp,
    SwitchFromStation,
    TrialScanning,
    TrialJoining,
    TrialAddressing,
    TrialRejoining,
    TrialCloud,
    TrialCloudWaiting,
    Scanning,
    NetPaused,
    Cloud,
    CloudPaused,
    Running,
    Error,
}

const STAGES: [Stage; 18] = [
    Stage::Init,
    Stage::WaitConfig,
    Stage::WaitConfigBesideValid,
    Stage::Configuring,
    Stage::SwitchFromAp,
    Stage::SwitchFromStation,
    Stage::TrialScanning,
    Stage::TrialJoining,
    Stage::TrialAddressing,
    Stage::TrialRejoining,
    Stage::TrialCloud,
    Stage::TrialCloudWaiting,
    Stage::Scanning,
    Stage::NetPaused,
    Stage::Cloud,
    Stage::CloudPaused,
    Stage::Running,
    Stage::Error,
];

fn bench(stage: Stage) -> Bench {
    let ap = || Bench::started(InUse::Nothing, false);
    let trial = || Bench::started(InUse::Trial, false);
    let valid = || Bench::started(InUse::Valid, true);
    let [scan, joined, address, login] = online();
    match stage {
        Stage::Init => Bench::new(InUse::Nothing, false),
        Stage::WaitConfig => ap(),
        Stage::WaitConfigBesideValid => Bench::started(InUse::Nothing, true),
        Stage::Configuring => ap().after([Input::BoardInfoRead]),
        Stage::SwitchFromAp => ap().after([Input::BoardInfoRead, Input::ConfigStored]),
        Stage::SwitchFromStation => valid().after(online()).after([Input::ConfigStored]),
        Stage::TrialScanning => trial(),
        Stage::TrialJoining => trial().after([scan]),
        Stage::TrialAddressing => trial().after([scan, joined]),
        Stage::TrialRejoining => trial().after([scan, Input::JoinFailed(JoinFailure::Refused)]),
        Stage::TrialCloud => trial().after([scan, joined, address]),
        Stage::TrialCloudWaiting => trial().after([scan, joined, address, Input::CloudFailed]),
        Stage::Scanning => valid(),
        Stage::NetPaused => valid().after(missed()),
        Stage::Cloud => valid().after([scan, joined, address]),
        Stage::CloudPaused => valid().after([scan, joined, address, Input::ResolveFailed]),
        Stage::Running => valid().after([scan, joined, address, login]),
        Stage::Error => {
            let mut bench = valid();
            loop {
                bench = bench.after(missed());
                if bench.machine.state() == State::Error {
                    return bench;
                }
                bench.wait();
            }
        }
    }
}

const INPUTS: [Input; 24] = [
    Input::PortalUsed,
    Input::BoardInfoRead,
    Input::ApEmpty,
    Input::ConfigStored,
    Input::ResetRequested,
    Input::ConfigModeRequested,
    Input::RebootRequested,
    Input::ScanDone(None),
    Input::ScanDone(Some(Candidate { bssid: EthernetAddress([2, 0, 0, 0, 0, 1]), channel: 6, rssi: -50 })),
    Input::ScanFailed,
    Input::Joined,
    Input::JoinFailed(JoinFailure::Handshake),
    Input::LinkLost,
    Input::AddressSet,
    Input::AddressInvalid,
    Input::AddressLost,
    Input::ResolveFailed,
    Input::SecureFailed,
    Input::SecureUnfinished,
    Input::CloudFailed,
    Input::TokenRefused,
    Input::Redirected,
    Input::LoggedIn,
    Input::SessionLost,
];

/// A stage, an input, what is done, and the deadline after it in milliseconds from now.
type Row = (Stage, Input, &'static str, Option<i64>);

/// Everything that is not ignored, but for resets, restarts and wishes for configuration mode: those have
/// tests of their own.
fn table() -> Vec<Row> {
    let mut rows = trial_rows();
    rows.extend(valid_rows());
    rows
}

/// A phone at the access point, and a trial.
fn trial_rows() -> Vec<Row> {
    use Stage::*;
    let refused = Input::JoinFailed(JoinFailure::Handshake);
    let to_net = "close off CONNECTING_CLOUD=>CONNECTING_NET scan";
    let stop = "close CONNECTING_NET=>SWITCH_TO_STA";
    let cut = "close CONNECTING_CLOUD=>SWITCH_TO_STA";
    Vec::from([
        (Init, Input::ConfigStored, "close INIT=>SWITCH_TO_STA", Some(1_000)),
        // A phone at the access point.
        (WaitConfig, Input::BoardInfoRead, "WAIT_CONFIG=>CONFIGURING", None),
        (WaitConfig, Input::ConfigStored, "WAIT_CONFIG=>SWITCH_TO_STA", Some(1_000)),
        (WaitConfigBesideValid, Input::BoardInfoRead, "WAIT_CONFIG=>CONFIGURING", Some(600_000)),
        (WaitConfigBesideValid, Input::ConfigStored, "WAIT_CONFIG=>SWITCH_TO_STA", Some(1_000)),
        (Configuring, Input::ApEmpty, "CONFIGURING=>WAIT_CONFIG", None),
        (Configuring, Input::ConfigStored, "CONFIGURING=>SWITCH_TO_STA", Some(1_000)),
        // A trial looks for its network.
        (TrialScanning, heard(-50), "join -50", Some(12_000)),
        (TrialScanning, Input::ScanDone(None), "scan-by-name", Some(20_000)),
        (TrialScanning, Input::ScanFailed, "", Some(1_000)),
        (TrialScanning, Input::ConfigStored, stop, Some(1_000)),
        (TrialJoining, Input::Joined, "address", Some(15_000)),
        (TrialJoining, refused, "", Some(1_000)),
        (TrialJoining, Input::LinkLost, "", Some(1_000)),
        (TrialJoining, Input::AddressLost, "", Some(1_000)),
        (TrialJoining, Input::ConfigStored, stop, Some(1_000)),
        (TrialAddressing, Input::AddressSet, "CONNECTING_NET=>CONNECTING_CLOUD cloud", Some(50_000)),
        (TrialAddressing, Input::AddressInvalid, "reject 700 close CONNECTING_NET=>WAIT_CONFIG ap", None),
        (TrialAddressing, Input::LinkLost, "", Some(1_000)),
        (TrialAddressing, Input::AddressLost, "", Some(1_000)),
        (TrialAddressing, Input::ConfigStored, stop, Some(1_000)),
        (TrialRejoining, Input::ConfigStored, stop, Some(1_000)),
        // A trial looks for the cloud.
        (TrialCloud, Input::LinkLost, to_net, Some(20_000)),
        (TrialCloud, Input::AddressLost, to_net, Some(20_000)),
        (TrialCloud, Input::ResolveFailed, "reject 710 close CONNECTING_CLOUD=>WAIT_CONFIG ap", None),
        (TrialCloud, Input::SecureFailed, "reject 711 close CONNECTING_CLOUD=>WAIT_CONFIG ap", None),
        (TrialCloud, Input::TokenRefused, "reject 703 close CONNECTING_CLOUD=>WAIT_CONFIG ap", None),
        (TrialCloud, Input::SecureUnfinished, "close", Some(5_000)),
        (TrialCloud, Input::CloudFailed, "close", Some(5_000)),
        (TrialCloud, Input::SessionLost, "close", Some(5_000)),
        (TrialCloud, Input::LoggedIn, "CONNECTING_CLOUD=>RUNNING accept", None),
        (TrialCloud, Input::ConfigStored, cut, Some(1_000)),
        (TrialCloudWaiting, Input::LinkLost, to_net, Some(20_000)),
        (TrialCloudWaiting, Input::AddressLost, to_net, Some(20_000)),
        (TrialCloudWaiting, Input::ConfigStored, cut, Some(1_000)),
    ])
}

/// A valid configuration loses a round where a trial ends.
fn valid_rows() -> Vec<Row> {
    use Stage::*;
    let to_net = "close off CONNECTING_CLOUD=>CONNECTING_NET scan";
    let leave = "close off RUNNING=>CONNECTING_NET scan";
    let retry = "RUNNING=>CONNECTING_CLOUD close";
    let stop = "close CONNECTING_NET=>SWITCH_TO_STA";
    let cut = "close CONNECTING_CLOUD=>SWITCH_TO_STA";
    let mut rows = Vec::from([
        (Scanning, heard(-50), "join -50", Some(12_000)),
        (Scanning, Input::ScanDone(None), "scan-by-name", Some(20_000)),
        (Scanning, Input::ScanFailed, "", Some(1_000)),
        (Scanning, Input::ConfigStored, stop, Some(1_000)),
        (NetPaused, Input::ConfigStored, stop, Some(1_000)),
        (Cloud, Input::LinkLost, to_net, Some(20_000)),
        (Cloud, Input::AddressLost, to_net, Some(20_000)),
        (Cloud, Input::TokenRefused, "close", Some(5_000)),
        (Cloud, Input::SecureUnfinished, "close", Some(5_000)),
        (Cloud, Input::CloudFailed, "close", Some(5_000)),
        (Cloud, Input::SessionLost, "close", Some(5_000)),
        (Cloud, Input::LoggedIn, "CONNECTING_CLOUD=>RUNNING", None),
        (Cloud, Input::ConfigStored, cut, Some(1_000)),
        (CloudPaused, Input::LinkLost, to_net, Some(20_000)),
        (CloudPaused, Input::AddressLost, to_net, Some(20_000)),
        (CloudPaused, Input::ConfigStored, cut, Some(1_000)),
        (Running, Input::LinkLost, leave, Some(20_000)),
        (Running, Input::AddressLost, leave, Some(20_000)),
        (Running, Input::SessionLost, retry, Some(5_000)),
        (Running, Input::SecureUnfinished, retry, Some(5_000)),
        (Running, Input::CloudFailed, retry, Some(5_000)),
        (Running, Input::Redirected, "RUNNING=>CONNECTING_CLOUD", Some(50_000)),
        (Running, Input::ConfigStored, "close RUNNING=>SWITCH_TO_STA", Some(1_000)),
        (Error, Input::ConfigStored, "close ERROR=>SWITCH_TO_STA", Some(1_000)),
    ]);
    // The first pause of a round that failed is a second, spread by a quarter: this seed makes it so long.
    let pause = bench(CloudPaused).due_in();
    rows.push((Cloud, Input::ResolveFailed, "close failed 710", pause));
    rows.push((Cloud, Input::SecureFailed, "close failed 711", pause));
    rows.push((Running, Input::ResolveFailed, "RUNNING=>CONNECTING_CLOUD close failed 710", pause));
    rows.push((Running, Input::SecureFailed, "RUNNING=>CONNECTING_CLOUD close failed 711", pause));
    rows
}

fn has_a_test_of_its_own(input: &Input) -> bool {
    matches!(input, Input::ResetRequested | Input::ConfigModeRequested | Input::RebootRequested)
}

#[test]
fn every_state_does_what_the_table_says_and_ignores_every_other_input() {
    let table = table();
    for stage in STAGES {
        for input in INPUTS.iter().filter(|input| !has_a_test_of_its_own(input)) {
            let row = table.iter().find(|(at, given, ..)| *at == stage && given == input);
            let mut bench = bench(stage);
            let (expected, due) = row.map_or(("", bench.due_in()), |(_, _, expected, due)| (*expected, *due));
            let got = bench.give(input);
            assert_eq!((got.as_str(), bench.due_in()), (expected, due), "{stage:?} {input:?}");
        }
    }
}

#[test]
fn every_row_of_the_table_is_about_a_listed_state_and_input() {
    for (stage, input, ..) in table() {
        assert!(STAGES.contains(&stage) && INPUTS.contains(&input), "{stage:?} {input:?}");
    }
}

#[test]
fn a_reset_is_honoured_in_every_state() {
    for stage in STAGES {
        let mut bench = bench(stage);
        let from = bench.machine.state();
        let ap_stays = bench.machine.ap_is_open;
        let end = if ap_stays { "" } else { " ap" };
        let close = if ap_stays { "" } else { " close" };
        let expected = format!("{from}=>RESET_CONFIG erase{close} RESET_CONFIG=>WAIT_CONFIG{end}");
        assert_eq!(bench.give(&Input::ResetRequested), expected, "{stage:?}");
        let machine = &bench.machine;
        assert_eq!((machine.in_use(), machine.last_error()), (InUse::Nothing, None), "{stage:?}");
        assert_eq!(bench.due_in(), None, "{stage:?}: nothing to return to");
    }
}

#[test]
fn the_access_point_is_open_in_configuration_mode_and_closed_elsewhere() {
    for stage in STAGES {
        let bench = bench(stage);
        let expected = matches!(
            stage,
            Stage::WaitConfig | Stage::WaitConfigBesideValid | Stage::Configuring | Stage::SwitchFromAp
        );
        assert_eq!(bench.machine.ap_is_open, expected, "{stage:?}");
    }
}

#[test]
fn configuration_mode_can_be_asked_for_in_every_state() {
    for stage in STAGES {
        let mut bench = bench(stage);
        let from = bench.machine.state();
        let in_use = bench.machine.in_use();
        let before = bench.due_in();
        let got = bench.give(&Input::ConfigModeRequested);
        let expected = match from {
            State::WaitConfig => String::new(),
            State::Configuring => "CONFIGURING=>WAIT_CONFIG".to_string(),
            // What has been stored is tried first.
            State::SwitchToSta => {
                assert_eq!(bench.due_in(), before);
                String::new()
            }
            _ => format!("close {from}=>WAIT_CONFIG ap"),
        };
        assert_eq!(got, expected, "{stage:?}");
        assert_eq!(bench.machine.in_use(), in_use, "{stage:?}: what is stored stays");
    }
}

#[test]
fn a_restart_can_be_asked_for_in_every_state_and_is_the_end() {
    for stage in STAGES {
        let mut bench = bench(stage);
        assert_eq!(bench.give(&Input::RebootRequested), "reboot", "{stage:?}");
        assert_eq!(bench.due_in(), None, "{stage:?}");
        bench.sleep(3_600_000);
        assert_eq!(bench.handle_timeout(), "", "{stage:?}");
    }
}

#[test]
fn an_early_timeout_does_nothing() {
    for stage in STAGES {
        let mut bench = bench(stage);
        let Some(due) = bench.due_in() else { continue };
        bench.sleep(u64::try_from(due - 1).unwrap());
        assert_eq!(bench.handle_timeout(), "", "{stage:?}");
        assert_eq!(bench.due_in(), Some(1), "{stage:?}");
    }
}
