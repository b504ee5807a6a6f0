//! What is said about a case that was run, and about all of them.

use std::path::Component;

use smoltcp::time::Duration;

use super::arguments::{Pace, RunArguments};
use super::execute::{Fault, Report, Snapshots};
use super::files::{Case, name, quoted};
use super::live::RadioName;
use super::screen::Screen;
use crate::executor::serial::BAUD;
use crate::golden;
use crate::junit;
use crate::scenario::TlsKind;
use crate::secrets::Secrets;
use crate::timeline::{Palette, Timeline, counted, ratio, spoken};

/// Lines of a difference between stories that are shown: the first ones say what is the matter.
const DIFF_LINES_MAX: usize = 40;
/// The column of virtual times, wide enough for `59 min 59 s`.
const TIME_WIDTH: usize = 11;

/// The first line of a run: version, seed, options.
pub(super) fn headline(arguments: &RunArguments, files: usize) -> String {
    let RunArguments { seed, target, pace, update, .. } = arguments;
    let pace = match pace {
        Pace::Fast => String::new(),
        Pace::Times(1) => ", at real pace".to_owned(),
        Pace::Times(factor) => format!(", at {factor} times real pace"),
    };
    let update = if *update { ", snapshots are written" } else { "" };
    let (version, target) = (env!("CARGO_PKG_VERSION"), target.name());
    let files = counted(files, "scenario", "scenarios");
    format!("hil {version}, seed {seed}, target {target}, {files}{pace}{update}")
}

/// The last line about a case that was told and passed.
pub(super) fn pass_line(
    case: &Case,
    report: &Report,
    wall: Duration,
    arguments: &RunArguments,
    screen: &mut Screen,
) {
    let palette = screen.palette();
    let story = golden::story_path(&case.path);
    let snapshots = match report.snapshots {
        Snapshots::Absent => "no story stands beside the file yet; --update writes it".to_owned(),
        Snapshots::Outside => {
            "seen from outside: there is no trace to compare; what it said and did was waited for".to_owned()
        }
        Snapshots::Untouched => {
            "not compared with a story: they are told at the default seed, of what the file says".to_owned()
        }
        Snapshots::Same => format!("the story is that of {}", story.display()),
        Snapshots::Written => format!("the story is now that of {}", story.display()),
    };
    screen.say(palette.quiet(snapshots));
    if let (Some(trace), true) = (&report.trace, arguments.verbose > 0) {
        let count = usize::try_from(trace.frame_count()).unwrap_or(usize::MAX);
        let frames = counted(count, "frame", "frames");
        screen.say(palette.quiet(format_args!("{frames}, hash of the exact trace {:016x}", trace.hash())));
    }
    let (elapsed, wall, ratio) = (spoken(report.elapsed), spoken(wall), ratio(report.elapsed, wall));
    let passed = palette.good("passed");
    screen.say(format_args!("{passed}: {elapsed} of device life in {wall} ({ratio})"));
}

/// What is said about a case that was told and failed; the last line is the command that replays it.
pub(super) fn say_failure(
    case: &Case,
    report: &Report,
    fault: &Fault,
    arguments: &RunArguments,
    screen: &mut Screen,
) {
    let palette = screen.palette();
    let secrets = Secrets::of(&case.scenario);
    let failed = palette.alarm("FAILED");
    let elapsed = spoken(report.elapsed);
    match fault {
        Fault::Step(failure) if failure.step > 0 => {
            let (step, line) = (failure.step, failure.line);
            screen.say(format_args!("{failed} after {elapsed}, in step {step} (line {line})"));
            screen.say(format_args!("  expected: {}", secrets.clean(&failure.what)));
            screen.say(format_args!("  but:      {}", palette.bad(secrets.clean(&failure.why))));
        }
        Fault::Step(_) | Fault::Story(_) | Fault::Snapshot(_) | Fault::Crash(_) => {
            screen.say(format_args!(
                "{failed} after {elapsed}: {}",
                palette.bad(reason(case, fault, &secrets))
            ));
        }
    }
    if let Fault::Story(diff) = fault {
        say_diff(diff, "  ", &secrets, screen);
        screen.say(format_args!("if it is right so: {} --update", command(case, arguments)));
    } else if let Some(trace) = &report.trace {
        screen.say("");
        screen.say(palette.strong("last events"));
        for line in Timeline::new(&case.scenario, trace, palette).last_events() {
            screen.say(line);
        }
    }
    if let Some(folder) = &report.evidence {
        screen.say("");
        screen.say(palette.quiet("everything of it is kept; look at it with"));
        screen.say(format_args!("  {} show {}", program(), quoted(folder)));
    }
    say_replay(case, arguments, screen);
}

/// One line for each case as it ends, and what came of all of them.
pub(super) struct Summary<'a> {
    cases: &'a [Case],
    name_width: usize,
    bad: usize,
    count: usize,
    written: usize,
    elapsed: Duration,
    first_failed: Option<&'a Case>,
    failed: usize,
    skipped: usize,
    hashes: String,
    junit: Vec<junit::Case>,
}

impl<'a> Summary<'a> {
    /// Before the first case. `bad` files could not be read.
    pub(super) fn new(cases: &'a [Case], bad: usize) -> Self {
        let name_width = cases.iter().map(|case| name(case).chars().count()).max().unwrap_or(0);
        let elapsed = Duration::ZERO;
        Self {
            cases,
            name_width,
            bad,
            count: 0,
            written: 0,
            elapsed,
            first_failed: None,
            failed: 0,
            skipped: 0,
            hashes: String::new(),
            junit: Vec::new(),
        }
    }

    /// The hash of each exact trace and whose it is, a line each, where they were asked for.
    pub(super) fn hashes(&self) -> &str {
        &self.hashes
    }

    /// What became of the cases, as a JUnit file.
    pub(super) fn junit(&self, arguments: &RunArguments) -> String {
        junit_file(&self.junit, arguments)
    }

    /// How many cases have ended.
    pub(super) fn counted(&self) -> usize {
        self.count
    }

    /// How many of them failed.
    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    /// Counts the next case, and gives it.
    pub(super) fn count(&mut self, report: &Report) -> Option<&'a Case> {
        let case = self.cases.get(self.count)?;
        self.count += 1;
        self.elapsed += report.elapsed;
        self.written += usize::from(report.snapshots == Snapshots::Written);
        self.skipped += usize::from(report.skipped.is_some());
        self.junit.extend(report.for_junit.clone());
        if let Some(hash) = report.hash {
            self.hashes += &format!("{hash:016x}  {}\n", case.path.display());
        }
        if report.fault.is_some() {
            self.failed += 1;
            self.first_failed.get_or_insert(case);
        }
        Some(case)
    }

    /// Counts the next case, and says what became of it.
    pub(super) fn say(&mut self, report: &Report, arguments: &RunArguments, screen: &mut Screen) {
        let Some(case) = self.count(report) else { return };
        let palette = screen.palette();
        let name = format!("{:<width$}", name(case), width = self.name_width);
        let time = palette.quiet(format_args!("{:>TIME_WIDTH$}", spoken(report.elapsed)));
        let title = &case.scenario.title;
        if let Some(why) = &report.skipped {
            screen.say(format_args!("{}  {name}  {time}  {title}: {why}", palette.strong("skip")));
            return;
        }
        let Some(fault) = &report.fault else {
            let written = report.snapshots == Snapshots::Written;
            let note = if written { palette.strong("  snapshots written") } else { String::new() };
            screen.say(format_args!("{}    {name}  {time}  {title}{note}", palette.good("ok")));
            return;
        };
        let secrets = Secrets::of(&case.scenario);
        screen.say(format_args!("{}  {name}  {time}  {title}", palette.alarm("FAIL")));
        screen.say(format_args!("      {}", palette.bad(reason(case, fault, &secrets))));
        if let Some(folder) = &report.evidence {
            let where_it_is = format!("everything of it is in {}", quoted(folder));
            screen.say(format_args!("      {}", palette.quiet(where_it_is)));
        }
        if let Fault::Story(diff) = fault {
            say_diff(diff, "      ", &secrets, screen);
            screen.say(format_args!("      if it is right so: {} --update", command(case, arguments)));
        }
    }

    /// Says what came of all cases; when one failed, the last line is the command that replays it.
    pub(super) fn finish(&self, wall: Duration, arguments: &RunArguments, screen: &mut Screen) {
        let palette = screen.palette();
        let passed = format!("{} passed", self.count - self.failed - self.skipped);
        let failed = format!("{} failed", self.failed);
        let mut line = if self.failed == 0 && self.bad == 0 { palette.good(passed) } else { passed };
        line += ", ";
        line += &if self.failed == 0 { failed } else { palette.alarm(failed) };
        if self.skipped > 0 {
            line += &format!(", {} skipped", self.skipped);
        }
        if self.bad > 0 {
            line += &format!(", {}", palette.alarm(format_args!("{} not readable", self.bad)));
        }
        if self.written > 0 {
            line += &format!(", {} with new snapshots", self.written);
        }
        let (elapsed, spent) = (spoken(self.elapsed), spoken(wall));
        line += &format!(" · {elapsed} of device life in {spent} ({})", ratio(self.elapsed, wall));
        screen.say("");
        screen.say(line);
        if let Some(case) = self.first_failed {
            say_replay(case, arguments, screen);
        }
    }
}

/// What became of cases, as a JUnit file.
pub(super) fn junit_file(cases: &[junit::Case], arguments: &RunArguments) -> String {
    let properties = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("seed", arguments.seed.to_string()),
        ("target", arguments.target.name().to_owned()),
    ];
    junit::write(arguments.target.name(), &properties, cases)
}

/// What a CI server is told of a case. Its trace must still be there.
pub(super) fn junit_case(case: &Case, report: &Report, arguments: &RunArguments) -> junit::Case {
    let secrets = Secrets::of(&case.scenario);
    let verdict = match (&report.skipped, &report.fault) {
        (Some(why), _) => junit::Verdict::Skipped(why.clone()),
        (None, None) => junit::Verdict::Passed,
        (None, Some(fault)) => {
            // Some servers show the text alone, some the message.
            let mut details = format!("\n{}\n\n", reason(case, fault, &secrets));
            if let Fault::Story(diff) = fault {
                details.extend(diff.lines().take(DIFF_LINES_MAX).map(|line| secrets.clean(line) + "\n"));
            } else if let Some(trace) = &report.trace {
                let lines = Timeline::new(&case.scenario, trace, Palette::Plain).last_events();
                details += "last events of each\n";
                details.extend(lines.iter().map(|line| format!("{line}\n")));
            }
            details +=
                &format!("\nreplay it with\n  {} --seed {}\n", command(case, arguments), arguments.seed);
            let is_error = matches!(fault, Fault::Snapshot(_) | Fault::Crash(_));
            junit::Verdict::Failed(junit::Failed { is_error, reason: reason(case, fault, &secrets), details })
        }
    };
    let folder = case.path.parent().into_iter().flat_map(|folder| folder.components());
    let class: Vec<String> = folder
        .filter(|part| matches!(part, Component::Normal(_)))
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    // A file beside the one who runs it.
    let class = if class.is_empty() { "scenarios".to_owned() } else { class.join(".") };
    junit::Case { class, name: name(case), took: report.took, verdict }
}

/// Why a case failed, in one line without secrets.
pub(super) fn reason(case: &Case, fault: &Fault, secrets: &Secrets) -> String {
    let story = golden::story_path(&case.path);
    secrets.clean(&match fault {
        Fault::Step(failure) => failure.to_string(),
        Fault::Story(_) => format!("the story is not that of {} (- there, + now)", story.display()),
        Fault::Snapshot(error) => format!("a snapshot beside the file cannot be read or written: {error}"),
        Fault::Crash(words) => format!("the product's code or the simulator panicked: {words}"),
    })
}

fn say_diff(diff: &str, indent: &str, secrets: &Secrets, screen: &mut Screen) {
    let palette = screen.palette();
    for line in diff.lines().take(DIFF_LINES_MAX) {
        let clean = secrets.clean(line);
        let painted = match clean.chars().next() {
            Some('-') => palette.bad(clean),
            Some('+') => palette.good(clean),
            Some(_) | None => palette.quiet(clean),
        };
        screen.say(format_args!("{indent}{painted}"));
    }
    let more = diff.lines().count().saturating_sub(DIFF_LINES_MAX);
    if more > 0 {
        let words = format!("... {} more", counted(more, "line", "lines"));
        screen.say(format_args!("{indent}{}", palette.quiet(words)));
    }
}

fn say_replay(case: &Case, arguments: &RunArguments, screen: &mut Screen) {
    let palette = screen.palette();
    screen.say("");
    screen.say(palette.quiet("replay it with"));
    screen.say(format_args!("  {} --seed {}", command(case, arguments), arguments.seed));
}

/// The command that runs this case, as the shell takes it: by the name under which this program was called.
fn command(case: &Case, arguments: &RunArguments) -> String {
    command_of(&program(), case, arguments)
}

/// How this program was called, as the shell takes it.
fn program() -> String {
    std::env::args_os().next().map_or_else(|| "hil".to_owned(), |program| quoted(program.as_ref()))
}

/// The command that runs this case again, in a file that others read: their program stands elsewhere.
pub(super) fn replay(case: &Case, arguments: &RunArguments) -> String {
    format!("{} --seed {}", command_of("hil", case, arguments), arguments.seed)
}

fn command_of(program: &str, case: &Case, arguments: &RunArguments) -> String {
    // Only what changes the run; how it is told is up to who replays it.
    let target = match arguments.target.name() {
        "sim" => String::new(),
        target => format!(" --target {target}"),
    };
    let radio = if arguments.radio == RadioName::Real { " --radio real" } else { "" };
    let tls = match arguments.tls {
        None => "",
        Some(TlsKind::Modelled) => " --tls modelled",
        Some(TlsKind::Real) => " --tls real",
    };
    let peer = if arguments.peer { " --peer" } else { "" };
    let diagram = arguments.diagram.as_ref();
    let diagram = diagram.map_or_else(String::new, |file| format!(" --diagram {}", quoted(file)));
    let firmware = arguments.firmware.as_ref();
    let firmware = firmware.map_or_else(String::new, |file| format!(" --firmware {}", quoted(file)));
    let ports =
        arguments.port.iter().map(|port| format!(" --port {}", quoted(port.as_ref()))).collect::<String>();
    let baud = if arguments.baud == BAUD { String::new() } else { format!(" --baud {}", arguments.baud) };
    format!("{program} run {}{target}{radio}{tls}{peer}{diagram}{firmware}{ports}{baud}", quoted(&case.path))
}
