//! Every scenario with its device at the other end of a line: in a thread behind the link, on a clean line and
//! on a noisy one, and in QEMU; some at a serial port, some through Wokwi's interface. Story and exact trace are those of
//! the simulator, from the same files; where QEMU's firmware speaks real TLS, which is another one than ours, the story is.
//!
//! What QEMU needs is optional. Without it those tests are ignored and say what is missing; with
//! `HIL_REQUIRE_ALL` set, as in CI, they fail instead.

#[cfg(unix)]
mod kill;
mod loopback;
#[cfg(unix)]
mod serial;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use firmware_core::hal::{Boot, ResetCause};
use hil_live::peer::Peer;
use hil_live::wokwi::{Project, Wokwi};
use hil_sim::executor::qemu::{PACKAGE, PROGRAM, Qemu};
use hil_sim::firmware_build::Firmware;
use hil_sim::golden;
use hil_sim::runner::{DEFAULT_SEED, Harness, run_on};
use hil_sim::scenario::{Scenario, TlsKind};
use hil_sim::target::Target;
use libtest_mimic::{Arguments, Failed, Trial};
use smoltcp::wire::EthernetAddress;

use loopback::Loopback;

/// Set where everything optional must be there.
const REQUIRE_ALL: &str = "HIL_REQUIRE_ALL";
/// Cases that run over a noisy line as well: a setup, one with power cuts, one with two devices, one with real TLS.
const NOISY: [&str; 4] =
    ["setup/first-setup", "power/power-cut-during-move", "setup/two-devices", "tls/tls-first-setup"];
/// Cases that run at serial ports as well, one after the other with the same boards. A serial port is slow.
#[cfg(unix)]
const SERIAL: [&str; 4] =
    ["setup/first-setup", "power/power-cut-during-save", "user/console-erase", "setup/two-devices"];

/// Cases that run through Wokwi's Simulation API as well, with a peer that has QEMU in the place of Wokwi. Each turn is
/// messages in JSON there and back; `hil run --target wokwi --peer` runs them all.
const WOKWI: [&str; 8] = [
    "setup/first-setup",
    "credentials/wrong-password",
    "setup/two-devices",
    "power/power-cut-during-save",
    "power/flash-that-works-again",
    "user/button-reset",
    "user/console-connect",
    "setup/reconfigure-moves",
];

/// What else takes QEMU.
const QEMU_TESTS: [&str; 4] = [KILLED, SERIAL_PORTS, PANICS, WOKWI_COST];
const KILLED: &str = "a killed emulator leaves the old state or the new one";
const SERIAL_PORTS: &str = "boards at serial ports";
const PANICS: &str = "a firmware that panics says why";
const WOKWI_COST: &str = "a first setup takes few round trips through wokwi's interface";
const THROUGH_WOKWI: &str = "through wokwi's interface";
/// One for each turn, and ten for uploads and greetings. An answer that is late, on a machine that is busy, costs one more.
const ROUND_TRIPS_MAX: u64 = 110;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let files = scenarios::files().expect("the folder of scenarios can be read");
    let mut trials = Vec::new();
    for file in &files {
        let name = scenarios::name(file);
        trials.push(trial_here(format!("{name} over the link"), file, Loopback::clean()));
        if NOISY.contains(&name.as_str()) {
            trials.push(trial_here(format!("{name} over a noisy link"), file, Loopback::noisy()));
        }
    }
    trials.push(Trial::test("a device that restarts and a cable that is cut are overcome", || {
        loopback::restarts_and_cuts_are_overcome()
    }));
    match qemu() {
        Ok(qemu) => {
            let qemu = Arc::new(qemu);
            #[cfg(unix)]
            trials.push({
                let qemu = Arc::clone(&qemu);
                Trial::test(KILLED, move || kill::leaves_the_old_state_or_the_new_one(&qemu))
            });
            #[cfg(unix)]
            trials.push({
                let qemu = Arc::clone(&qemu);
                let files: Vec<_> = files
                    .iter()
                    .filter(|file| SERIAL.contains(&scenarios::name(file).as_str()))
                    .cloned()
                    .collect();
                Trial::test(SERIAL_PORTS, move || {
                    let boards = serial::Boards::start(&qemu, 2)?;
                    files.iter().try_for_each(|file| check(file, &boards, false))
                })
            });
            #[cfg(unix)]
            trials.push({
                let qemu = Arc::clone(&qemu);
                Trial::test(PANICS, move || serial::a_panic_is_told(&qemu))
            });
            trials.extend(through_wokwi(&qemu, &files));
            trials.extend(files.iter().map(|file| {
                trial(
                    format!("{} on qemu", scenarios::name(file)),
                    file,
                    Arc::clone(&qemu) as Arc<dyn Target + Send>,
                )
            }));
        }
        Err(missing) => {
            let cases = files.iter().map(|file| format!("{} on qemu", scenarios::name(file)));
            let others = if cfg!(unix) { &QEMU_TESTS[..] } else { &[] };
            let others = others.iter().map(|name| (*name).to_owned());
            let names = cases.chain(others).chain(WOKWI.map(|name| format!("{name} {THROUGH_WOKWI}")));
            trials.extend(names.map(|name| skipped(name, &missing)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Some cases through Wokwi's interface, and what they cost there.
fn through_wokwi(qemu: &Qemu, files: &[PathBuf]) -> Vec<Trial> {
    let server = Peer::in_thread(qemu.program().to_owned()).expect("a port on loopback");
    let project =
        Project::for_peer(None, Some(qemu.firmware()), &mut |_| {}).expect("a diagram and a firmware");
    let wokwi = Arc::new(Wokwi::new(server.clone(), project.clone(), 1));
    let file = |name: &str| files.iter().find(|file| scenarios::name(file) == name).expect("a case");
    let mut trials: Vec<Trial> = WOKWI
        .iter()
        .map(|name| {
            let target = Arc::clone(&wokwi) as Arc<dyn Target + Send>;
            trial(format!("{name} {THROUGH_WOKWI}"), file(name), target)
        })
        .collect();
    let first = file("setup/first-setup").clone();
    trials.push(Trial::test(WOKWI_COST, move || {
        let wokwi = Wokwi::new(server, project, 1);
        check(&first, &wokwi, false)?;
        let spent = wokwi.counted();
        match spent.round_trips <= ROUND_TRIPS_MAX {
            true => Ok(()),
            false => {
                Err(format!("it took {spent:?}, and at most {ROUND_TRIPS_MAX} round trips are meant").into())
            }
        }
    }));
    trials
}

/// The emulator with the project's own firmware, or what is missing.
fn qemu() -> Result<Qemu, String> {
    let program = Qemu::find().ok_or_else(|| format!("{PROGRAM} is missing (package {PACKAGE})"))?;
    let firmware = Firmware::QEMU.build().map_err(|error| format!("{error} ({})", error.hint()))?;
    Ok(Qemu::new(program, firmware))
}

fn skipped(name: String, missing: &str) -> Trial {
    let must = std::env::var_os(REQUIRE_ALL).is_some();
    let why = missing.to_owned();
    let trial = Trial::test(name, move || Err(Failed::from(why)));
    trial.with_kind(format!("skipped: {missing}")).with_ignored_flag(!must)
}

fn trial(name: String, file: &Path, target: Arc<dyn Target + Send>) -> Trial {
    let file = PathBuf::from(file);
    Trial::test(name, move || check(&file, &*target, false))
}

/// The same in a device that has the TLS of this process.
fn trial_here(name: String, file: &Path, target: Loopback) -> Trial {
    let file = PathBuf::from(file);
    Trial::test(name, move || check(&file, &target, true))
}

fn check(file: &Path, target: &dyn Target, target_has_our_tls: bool) -> Result<(), Failed> {
    let scenario = Scenario::load(file).map_err(|error| Failed::from(error.to_string()))?;
    let outcome = run_on(target, &scenario, &Harness::EXAMPLE, DEFAULT_SEED, &mut |_| true);
    if let Some(failure) = outcome.failure {
        return Err(format!("{}: {failure}", file.display()).into());
    }
    compare("story", &golden::story_path(file), &outcome.trace.story())?;
    if scenario.world.tls == TlsKind::Real && !target_has_our_tls {
        // Its TLS sends other bytes for the same story.
        return Ok(());
    }
    compare("exact trace", &golden::exact_path(file), &outcome.trace.exact())
}

fn compare(what: &str, path: &Path, found: &str) -> Result<(), Failed> {
    let expected = golden::read(path)?.ok_or_else(|| format!("{} is missing", path.display()))?;
    let found = golden::normalized(found);
    if expected == found {
        return Ok(());
    }
    Err(format!("the {what} differs from {}:\n{}", path.display(), golden::diff(&expected, &found)).into())
}

/// The boot of a device that nobody runs a scenario with.
fn boot() -> Boot {
    Boot {
        now: firmware_core::Instant::from_millis(300),
        uptime: firmware_core::Duration::ZERO,
        seed: 1,
        cause: ResetCause::PowerOn,
        mac: EthernetAddress([0x24, 0x0A, 0xC4, 0x00, 0x01, 0x10]),
        product: Harness::EXAMPLE.product,
    }
}
