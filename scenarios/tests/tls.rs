//! Every scenario once more with real TLS: what it expects must be so, and on the internet nobody may read a secret.
//!
//! A capture stars passwords and tokens and knows which frames held one. That it finds them is a test as well: with
//! the modelled TLS they are there.

use std::path::Path;
use std::process::ExitCode;

use hil_sim::actor::Port;
use hil_sim::runner::{DEFAULT_SEED, Harness, record_on};
use hil_sim::scenario::{Scenario, TlsKind};
use hil_sim::target::Sim;
use libtest_mimic::{Arguments, Failed, Trial};

/// Whose expectations are others with real TLS, and why. Secrets are looked for in these as well.
const EXCEPTIONS: [(&str, &str); 4] = [
    (
        "cloud/long-frames-lost",
        "nothing longer than 576 bytes arrives in it, and a server's certificates come in segments of 1,460",
    ),
    (
        "network/hotel-before-sign-in",
        "no time server is behind a hotel's page either, so that the code is that of a device without a date: 711",
    ),
    ("power/record-of-another-firmware", "a first session writes the time as well: five writes and not four"),
    ("power/twenty-boots-write-nothing", "a first session writes the time as well: five writes and not four"),
];

fn main() -> ExitCode {
    let files = scenarios::files().expect("the folder of scenarios can be read");
    let mut trials = Vec::new();
    for file in files {
        let name = scenarios::name(&file);
        let is_as_expected = EXCEPTIONS.iter().all(|(exception, _)| *exception != name);
        trials.push(Trial::test(format!("{name} with TLS"), move || check(&file, is_as_expected)));
    }
    trials.push(Trial::test("what TLS hides can be found without it", what_is_hidden_can_be_found));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// How many frames on the internet held a secret, and why the scenario failed if it did.
fn told(file: &Path, tls: TlsKind) -> Result<(usize, Option<String>), Failed> {
    let mut scenario = Scenario::load(file).map_err(|error| Failed::from(error.to_string()))?;
    scenario.world.tls = tls;
    let outcome = record_on(&Sim, &scenario, &Harness::EXAMPLE, DEFAULT_SEED, &mut |_| true);
    let failure = outcome.failure.map(|failure| format!("{}: {failure}", file.display()));
    let recording = outcome.recording.ok_or("it was recorded")?;
    let on_the_internet = recording.frames().filter(|frame| frame.port == Port::Internet);
    Ok((on_the_internet.filter(|frame| frame.held_secret).count(), failure))
}

fn check(file: &Path, is_as_expected: bool) -> Result<(), Failed> {
    match told(file, TlsKind::Real)? {
        (0, Some(failure)) if is_as_expected => Err(failure.into()),
        (0, None) if !is_as_expected => Err("it is no exception any more".into()),
        (0, _) => Ok(()),
        (count, _) => Err(format!("{count} frames on the internet held a password or a token").into()),
    }
}

fn what_is_hidden_can_be_found() -> Result<(), Failed> {
    let first_setup = scenarios::folder().join("setup/first-setup.yaml");
    // Phone and device both send the token, and the cloud sends it once.
    match told(&first_setup, TlsKind::Modelled)? {
        (0..=2, _) => Err("the modelled TLS tells tokens, and the capture does not know".into()),
        _ => Ok(()),
    }
}
