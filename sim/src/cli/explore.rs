//! `hil explore` and `hil merge`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
// Measures how long the command takes, and ends it when its time is up; nothing of it reaches a trace.
use std::time::Instant as WallClock;

use smoltcp::time::Duration;

use super::arguments::{ExploreArguments, MergeArguments};
use super::files::{quoted, write_file};
use super::run::{jobs_or_cores, wall_time};
use super::screen::Screen;
use super::{Exit, Trouble};
use crate::explore::result::{Results, seeds_of};
use crate::explore::{Explorer, Shrunk};
use crate::runner::Harness;
use crate::timeline::{counted, spoken};

/// Kinds of findings of which one is shrunk and written: one bug mostly shows in many seeds.
const SHRUNK_MAX: usize = 5;
/// Findings that are named.
const NAMED_MAX: usize = 10;

/// Explores what the arguments name.
pub(super) fn explore(
    arguments: &ExploreArguments,
    harness: &Harness,
    screen: &mut Screen,
) -> Result<Exit, Trouble> {
    let file = arguments.file.display().to_string();
    let text = fs::read_to_string(&arguments.file).map_err(|error| {
        Trouble::misuse(format!("{file} cannot be read: {error}"), "name a scenario file")
    })?;
    let explorer = match Explorer::new(&file, &text, harness) {
        Ok(explorer) => explorer,
        Err(crate::explore::StoryError::Scenario(error)) => {
            screen.complain(&error);
            return Ok(Exit::Misuse);
        }
        Err(error) => return Err(Trouble::misuse(error.to_string(), "name another story")),
    };
    if arguments.show {
        screen.say(explorer.file_of(arguments.from).trim_end());
        return Ok(Exit::Passed);
    }
    let shard = arguments.shard;
    let mut results = Results::new(&file, &text, arguments.from, arguments.seeds, shard);
    screen.say(headline(arguments, &results));
    let started = WallClock::now();
    let differing = run_all(&explorer, arguments, &mut results, screen);
    say_results(&results, Some(wall_time(started)), screen);
    if let Some(path) = &arguments.json {
        write_json(path, &results)?;
    }
    for seed in &differing {
        let alarm = screen.palette().alarm("NOT DETERMINISTIC");
        screen.say(format_args!("{alarm}: seed {seed} gives another trace the second time"));
    }
    write_shrunk(&explorer, &results, arguments, screen)?;
    Ok(if results.findings.is_empty() && differing.is_empty() { Exit::Passed } else { Exit::Failed })
}

fn headline(arguments: &ExploreArguments, results: &Results) -> String {
    let Results { hil, file, from, seeds, .. } = results;
    let last = from.wrapping_add(seeds.saturating_sub(1));
    let (shard, shards) = arguments.shard;
    let shard = if shards > 1 { format!(", shard {shard} of {shards}") } else { String::new() };
    let twice = if arguments.check_determinism { ", each twice" } else { "" };
    format!("hil {hil}, {file}, seeds {from} to {last}{shard}{twice}")
}

/// Runs the seeds on all cores; returns those whose second run differs, where it is asked for.
fn run_all(
    explorer: &Explorer<'_>,
    arguments: &ExploreArguments,
    results: &mut Results,
    screen: &mut Screen,
) -> Vec<u64> {
    let seeds: Vec<u64> = seeds_of(arguments.from, arguments.seeds, arguments.shard).collect();
    let next = AtomicU64::new(0);
    let started = WallClock::now();
    let is_over = || arguments.time.is_some_and(|time| wall_time(started) >= time);
    // Who has done a seed enters it here. A channel would wake its receiver for each, on a core that explores.
    let shared = Mutex::new((results, screen, Vec::new()));
    thread::scope(|scope| {
        for _ in 0..jobs_or_cores(arguments.jobs).min(seeds.len()) {
            scope.spawn(|| {
                while !is_over() {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(seed) = usize::try_from(place).ok().and_then(|place| seeds.get(place)) else {
                        break;
                    };
                    let differs = arguments.check_determinism && explorer.hash(*seed) != explorer.hash(*seed);
                    let explored = explorer.run(*seed);
                    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    let (results, screen, differing) = &mut *shared;
                    if differs {
                        differing.push(*seed);
                    }
                    results.add(&explored);
                    let (runs, found) = (results.runs, results.findings.len());
                    if runs.is_multiple_of(64) {
                        screen.progress(format_args!("{runs} of {} seeds, {found} fail ...", seeds.len()));
                    }
                }
            });
        }
    });
    let (.., mut differing) = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    differing.sort_unstable();
    differing
}

fn say_results(results: &Results, wall: Option<Duration>, screen: &mut Screen) {
    let palette = screen.palette();
    let Results { runs, virtual_ms, drawn, happened, digest, findings, .. } = results;
    let life = spoken(Duration::from_millis(*virtual_ms));
    let runs = counted(usize::try_from(*runs).unwrap_or(usize::MAX), "seed", "seeds");
    let wall = wall.map_or_else(String::new, |wall| format!(" in {}", spoken(wall)));
    let verdict = match findings.len() {
        0 => palette.good("nothing is wrong"),
        count => palette.alarm(format_args!("{count} fail")),
    };
    screen.say(format_args!("{runs}, {verdict} · {happened} of {drawn} faults struck, {life} of life{wall}"));
    screen.say(palette.quiet(format_args!("digest {digest}")));
    for found in findings.iter().take(NAMED_MAX) {
        screen.say(format_args!("  seed {}: {}", found.seed, palette.bad(&found.why)));
    }
    if let more @ 1.. = findings.len().saturating_sub(NAMED_MAX) {
        screen.say(palette.quiet(format_args!("  and {more} more")));
    }
}

/// Writes a small scenario file for the first finding of each kind.
fn write_shrunk(
    explorer: &Explorer<'_>,
    results: &Results,
    arguments: &ExploreArguments,
    screen: &mut Screen,
) -> Result<(), Trouble> {
    let mut first: BTreeMap<&str, u64> = BTreeMap::new();
    for found in &results.findings {
        first.entry(&found.invariant).or_insert(found.seed);
    }
    for (kind, seed) in first.into_iter().take(SHRUNK_MAX) {
        screen.progress(format_args!("making seed {seed} smaller ..."));
        let Some(Shrunk { text, finding, left_out }) = explorer.shrink(seed) else { continue };
        let stem = arguments.file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
        let path = arguments.out.join(format!("{stem}-{kind}-{seed}.yaml"));
        let command = format!("hil explore {} --from {seed} --seeds 1", quoted(&arguments.file));
        let text =
            format!("# Found by: {command}\n# It breaks {kind}; so does: hil run THIS --seed {seed}\n{text}");
        write_file(&path, &text)?;
        let palette = screen.palette();
        screen.say("");
        screen.say(format_args!("{}: {}", palette.strong(kind), palette.bad(&finding.why)));
        let steps = counted(left_out, "step", "steps");
        screen.say(
            palette.quiet(format_args!("seed {seed} without {steps} that it does not take; replay it with")),
        );
        screen.say(format_args!("  hil run {} --seed {seed}", quoted(&path)));
    }
    Ok(())
}

/// Joins results.
pub(super) fn merge(arguments: &MergeArguments, screen: &mut Screen) -> Result<Exit, Trouble> {
    let mut parts = Vec::new();
    for path in &arguments.files {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            Trouble::misuse(format!("{name} cannot be read: {error}"), "name what `hil explore --json` wrote")
        })?;
        let part: Results = serde_json::from_str(&text).map_err(|error| {
            Trouble::misuse(
                format!("{name}: {error}"),
                "name what `hil explore --json` of this version wrote",
            )
        })?;
        parts.push((name, part));
    }
    let whole = Results::merge(parts).map_err(|error| {
        Trouble::misuse(error.to_string(), "join the shards of one scenario, one range of seeds, one version")
    })?;
    let Results { hil, file, from, seeds, shards, done, .. } = &whole;
    let done = done.len();
    screen.say(format_args!("hil {hil}, {file}, {seeds} seeds from {from}, {done} of {shards} shards"));
    say_results(&whole, None, screen);
    if let Some(path) = &arguments.json {
        write_json(path, &whole)?;
    }
    let missing = whole.missing();
    if !missing.is_empty() {
        let missing: Vec<String> = missing.iter().map(u64::to_string).collect();
        return Err(Trouble::misuse(
            format!("not all shards are there: {} of {shards} are missing", missing.join(", ")),
            "run them, then join all again",
        ));
    }
    Ok(if whole.findings.is_empty() { Exit::Passed } else { Exit::Failed })
}

fn write_json(path: &Path, results: &Results) -> Result<(), Trouble> {
    let text = serde_json::to_string_pretty(results).unwrap_or_default();
    write_file(path, format!("{text}\n"))
}
