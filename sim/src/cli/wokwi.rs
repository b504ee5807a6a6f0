//! `hil wokwi`: Wokwi's files, looked at and made here; what needs sockets is done by whoever has them.

use std::fs;
use std::path::{Path, PathBuf};

use super::arguments::{ExportArguments, LintArguments, WokwiCommand};
use super::files::{Case, load, quoted, resolve as resolve_cases, write_file};
use super::live::Live;
use super::screen::Screen;
use super::{Exit, Trouble};
use crate::runner::Harness;
use crate::timeline::{Palette, counted};
use crate::wokwi::{Finding, Kind, Options, Severity, export, files, lint, one_line};

/// Does what is asked for.
pub(super) fn wokwi(
    command: &WokwiCommand,
    harness: &Harness,
    live: Option<&dyn Live>,
    screen: &mut Screen,
) -> Result<Exit, Trouble> {
    let live = || live.expect("a command that takes sockets is carried out where there are some");
    match command {
        WokwiCommand::Lint(arguments) => check(arguments, screen),
        WokwiCommand::Export(arguments) => write(arguments, harness, screen),
        WokwiCommand::Serve(arguments) => live().serve(arguments).map(|()| Exit::Passed),
        WokwiCommand::Peer(arguments) => live().peer(arguments).map(|()| Exit::Passed),
    }
}

fn check(arguments: &LintArguments, screen: &mut Screen) -> Result<Exit, Trouble> {
    let palette = screen.palette();
    let files = resolve(&arguments.paths)?;
    let mut findings = Vec::new();
    for (path, kind) in &files {
        findings.extend(lint(path, *kind).map_err(|error| unreadable(path, &error))?);
    }
    for finding in &findings {
        show(finding, palette, screen);
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let [errors, warnings, infos] = [Severity::Error, Severity::Warning, Severity::Info].map(count);
    let parts = [
        counted(files.len(), "file", "files"),
        counted(errors, "error", "errors"),
        counted(warnings, "warning", "warnings"),
        counted(infos, "remark", "remarks"),
    ];
    let line = parts.join(", ");
    let is_bad = errors > 0 || arguments.warnings_as_errors && warnings > 0;
    screen.say(if is_bad { palette.alarm(line) } else { palette.good(line) });
    Ok(if is_bad { Exit::Failed } else { Exit::Passed })
}

/// Writes a scenario for Wokwi.
fn write(arguments: &ExportArguments, harness: &Harness, screen: &mut Screen) -> Result<Exit, Trouble> {
    let ExportArguments { file, out, button, board, led } = arguments;
    let (cases, _) = load(resolve_cases(std::slice::from_ref(file))?, harness, screen);
    let [Case { path, scenario }] = cases.as_slice() else { return Ok(Exit::Misuse) };
    if scenario.world.devices.len() > 1 {
        let what = format!("{} has {} devices", path.display(), scenario.world.devices.len());
        return Err(Trouble::misuse(what, "one device runs in Wokwi: name a scenario with one"));
    }
    let options = Options { button: button.clone(), board: board.clone(), led: led.clone(), token: None };
    let (yaml, carried) = export(&path.display().to_string(), scenario, &options);
    match out {
        Some(out) => {
            write_file(out, yaml)?;
            let (steps, left) = (counted(carried.steps, "step", "steps"), carried.left_out);
            screen.say(format_args!("{} has {steps}; {left} could not be carried over", quoted(out)));
        }
        None => screen.say(yaml.trim_end()),
    }
    Ok(if carried.steps == 0 { Exit::Failed } else { Exit::Passed })
}

fn show(finding: &Finding, palette: Palette, screen: &mut Screen) {
    let Finding { severity, rule, file, at, what, help } = finding;
    let head = format!("{severity}[{rule}]");
    let head = match severity {
        Severity::Error => palette.alarm(head),
        Severity::Warning => palette.strong(head),
        Severity::Info => palette.quiet(head),
    };
    screen.say(format_args!("{head}: {what}"));
    screen.say(format_args!("  --> {}:{}:{}", file.display(), at.line, at.column));
    if let Some(line) =
        fs::read_to_string(file).ok().as_deref().and_then(|text| text.lines().nth(at.line - 1))
    {
        let number = at.line.to_string();
        let margin = " ".repeat(number.len());
        screen.say(palette.quiet(format_args!("{margin} |")));
        screen.say(format_args!("{} {}", palette.quiet(format_args!("{number} |")), one_line(line)));
        let before = " ".repeat(at.column - 1);
        screen.say(format_args!("{} {before}^", palette.quiet(format_args!("{margin} |"))));
    }
    if !help.is_empty() {
        screen.say(format_args!("  = help: {help}"));
    }
    screen.say("");
}

/// The files that are meant: those named, and Wokwi's in folders that are named.
fn resolve(named: &[PathBuf]) -> Result<Vec<(PathBuf, Kind)>, Trouble> {
    let here = [PathBuf::from(".")];
    let named = if named.is_empty() { &here[..] } else { named };
    let mut all = Vec::new();
    for path in named {
        if !path.is_dir() {
            let kind = Kind::of(path).ok_or_else(|| {
                let what = format!("`{}` is none of Wokwi's files", path.display());
                Trouble::misuse(
                    what,
                    "name a wokwi.toml, a diagram (.json) or an automation scenario (.yaml)",
                )
            })?;
            all.push((path.clone(), kind));
            continue;
        }
        let found = files(path).map_err(|error| unreadable(path, &error))?;
        if found.is_empty() {
            let what = format!("there is no wokwi.toml, diagram or *.test.yaml in `{}`", path.display());
            return Err(Trouble::misuse(what, "name a folder or a file: hil wokwi lint PATH"));
        }
        all.extend(
            found.into_iter().map(|(file, kind)| (file.strip_prefix(".").unwrap_or(&file).to_owned(), kind)),
        );
    }
    Ok(all)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Trouble {
    let what = format!("{} cannot be read: {error}", quoted(path));
    Trouble::misuse(what, "look for a misspelt name, and at who may read it")
}
