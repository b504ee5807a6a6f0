//! What is written of a run for other programs: when it is asked for, and always when a run has failed.

use std::path::{Path, PathBuf};

use super::Trouble;
use super::arguments::{RunArguments, TargetName};
use super::execute::{Fault, How, Report, execute};
use super::files::{Case, name, quoted, write_file};
use super::screen::Screen;
use crate::runner::Harness;
use crate::target::Target;
use crate::waveform;

/// Where a run that has failed is kept, in a folder of its name.
const FOLDER: &str = "target/hil";
const CAPTURE: &str = "capture.pcapng";
const WAVEFORM: &str = "waveform.vcd";

/// Writes what is asked for.
pub(super) fn write(
    case: &Case,
    report: &Report,
    arguments: &RunArguments,
    screen: &mut Screen,
) -> Result<(), Trouble> {
    if let Some(path) = &arguments.pcap
        && write_capture(path, case, report, arguments.seed)?
    {
        screen.say(format_args!("all frames are in {}; open it in Wireshark", quoted(path)));
    }
    if let Some(path) = &arguments.vcd
        && write_waveform(path, case, report, arguments.seed)?
    {
        screen.say(format_args!("the waveform is in {}; open it in GTKWave or PulseView", quoted(path)));
    }
    Ok(())
}

/// Runs a case that has failed once more, keeps everything of it, and returns the folder. There is none for a crash, and
/// none for a board, on which nothing happens twice the same way.
pub(super) fn keep(
    case: &Case,
    report: &Report,
    arguments: &RunArguments,
    target: &dyn Target,
    harness: &Harness,
) -> Result<Option<PathBuf>, Trouble> {
    match (&report.fault, arguments.target) {
        (Some(Fault::Step(_) | Fault::Story(_)), TargetName::Sim | TargetName::Qemu) => {}
        (_, _) => return Ok(None),
    }
    let again = execute(case, target, harness, How::recorded(arguments), &mut |_| {});
    let folder = Path::new(FOLDER).join(name(case));
    write_capture(&folder.join(CAPTURE), case, &again, arguments.seed)?;
    write_waveform(&folder.join(WAVEFORM), case, &again, arguments.seed)?;
    Ok(Some(folder))
}

/// What stands in a folder that [`keep`] has made, for whoever opens it.
pub(super) fn describe(folder: &Path) -> String {
    format!("{}: {CAPTURE} for Wireshark, {WAVEFORM} for GTKWave and PulseView", quoted(folder))
}

fn write_capture(path: &Path, case: &Case, report: &Report, seed: u64) -> Result<bool, Trouble> {
    let Some((recording, trace)) = report.recording.as_ref().zip(report.trace.as_ref()) else {
        return Ok(false);
    };
    write_file(path, recording.to_pcapng(&case.scenario, seed, trace))?;
    Ok(true)
}

fn write_waveform(path: &Path, case: &Case, report: &Report, seed: u64) -> Result<bool, Trouble> {
    let Some(trace) = &report.trace else { return Ok(false) };
    write_file(path, waveform::write(&case.scenario, seed, trace))?;
    Ok(true)
}
