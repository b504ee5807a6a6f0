//! What is written of a run for other programs: when it is asked for, and always when a run has failed.

use std::path::{Path, PathBuf};

use super::Trouble;
use super::arguments::{RunArguments, TargetName};
use super::execute::{Fault, How, Report, execute};
use super::files::{Case, name, quoted, write_file};
use super::report::{junit_case, junit_file, reason, replay};
use super::screen::Screen;
use crate::runner::Harness;
use crate::secrets::Secrets;
use crate::target::Target;
use crate::trace::Trace;
use crate::trace_file::{self, Run};
use crate::{page, waveform};

/// Where a run that has failed is kept, in a folder of its name.
pub(super) const FOLDER: &str = "target/hil";
/// The page among what is kept.
pub(super) const PAGE: &str = "report.html";
/// The trace among what is kept.
pub(super) const TRACE: &str = "trace.jsonl";
const CAPTURE: &str = "capture.pcapng";
const WAVEFORM: &str = "waveform.vcd";
const JUNIT: &str = "junit.xml";

/// Writes what is asked for.
pub(super) fn write(
    case: &Case,
    report: &Report,
    arguments: &RunArguments,
    screen: &mut Screen,
) -> Result<(), Trouble> {
    let Some(trace) = &report.trace else { return Ok(()) };
    let evidence = Evidence { case, report, trace, arguments };
    let RunArguments { html, json, vcd, pcap, .. } = arguments;
    if html.is_some() || json.is_some() {
        let text = evidence.trace_file();
        if let Some(path) = html {
            write_file(path, evidence.page(&text))?;
            screen.say(format_args!("the page is {}; open it in a browser", quoted(path)));
        }
        if let Some(path) = json {
            write_file(path, text)?;
            screen.say(format_args!("the trace is in {}, an object a line", quoted(path)));
        }
    }
    if let Some((path, capture)) = pcap.as_ref().zip(evidence.capture()) {
        write_file(path, capture)?;
        screen.say(format_args!("all frames are in {}; open it in Wireshark", quoted(path)));
    }
    if let Some(path) = vcd {
        write_file(path, evidence.waveform())?;
        screen.say(format_args!("the waveform is in {}; open it in GTKWave or PulseView", quoted(path)));
    }
    Ok(())
}

/// Keeps everything of a case that has failed, and returns the folder. The frames are those of the same run once more;
/// there are none from a board, on which nothing happens twice the same way. Nothing is left of a crash.
pub(super) fn keep(
    case: &Case,
    report: &Report,
    arguments: &RunArguments,
    target: &dyn Target,
    harness: &Harness,
) -> Result<Option<PathBuf>, Trouble> {
    let Some(Fault::Step(_) | Fault::Story(_)) = &report.fault else { return Ok(None) };
    let again = match (&report.recording, arguments.target) {
        (None, TargetName::Sim | TargetName::Qemu) => {
            Some(execute(case, target, harness, How::recorded(arguments), &mut |_| {}))
        }
        (Some(_), _) | (None, TargetName::Board | TargetName::Wokwi) => None,
    };
    let report = again.as_ref().unwrap_or(report);
    let Some(trace) = &report.trace else { return Ok(None) };
    let evidence = Evidence { case, report, trace, arguments };
    let folder = Path::new(FOLDER).join(name(case));
    let text = evidence.trace_file();
    write_file(&folder.join(PAGE), evidence.page(&text))?;
    write_file(&folder.join(TRACE), text)?;
    write_file(&folder.join(WAVEFORM), evidence.waveform())?;
    write_file(&folder.join(JUNIT), junit_file(&[junit_case(case, report, arguments)], arguments))?;
    if let Some(capture) = evidence.capture() {
        write_file(&folder.join(CAPTURE), capture)?;
    }
    Ok(Some(folder))
}

/// A run of which files are made.
struct Evidence<'a> {
    case: &'a Case,
    report: &'a Report,
    trace: &'a Trace,
    arguments: &'a RunArguments,
}

impl Evidence<'_> {
    fn trace_file(&self) -> String {
        let Self { case, report, trace, arguments } = self;
        let fault = report.fault.as_ref().map(|fault| match fault {
            Fault::Step(failure) => trace_file::Fault {
                step: failure.step,
                expected: failure.what.clone(),
                why: failure.why.clone(),
                invariant: failure.invariant.map(|invariant| invariant.name),
            },
            Fault::Story(_) | Fault::Snapshot(_) | Fault::Crash(_) => trace_file::Fault {
                step: 0,
                expected: String::new(),
                why: reason(case, fault, &Secrets::of(&case.scenario)),
                invariant: None,
            },
        });
        trace_file::write(&Run {
            scenario: &case.scenario,
            seed: arguments.seed,
            target: arguments.target.name(),
            replay: &replay(case, arguments),
            trace,
            elapsed: report.elapsed,
            fault: fault.as_ref(),
        })
    }

    fn page(&self, trace_file: &str) -> String {
        page::write(&self.case.scenario, self.trace, trace_file, self.report.recording.as_ref())
    }

    fn waveform(&self) -> Vec<u8> {
        waveform::write(&self.case.scenario, self.arguments.seed, self.trace)
    }

    fn capture(&self) -> Option<Vec<u8>> {
        let recording = self.report.recording.as_ref()?;
        Some(recording.to_pcapng(&self.case.scenario, self.arguments.seed, self.trace))
    }
}
