//! What the simulator costs: full provisionings per second on one core, their instructions by part, and the
//! long cases in which almost nothing happens.
//!
//! It measures and compares with the project's bars; it is no test and always ends well. Instruction counts
//! are exact and need `valgrind`; times are those of this machine, the best of a few rounds.

mod callgrind;
mod cases;
mod pair;
mod table;

use std::time::{Duration, Instant};

use cases::{Case, Length};
use hil_sim::executor::qemu::{PACKAGE, PROGRAM, Qemu};
use hil_sim::firmware_build::Firmware;
use table::{Row, grouped, permille};

/// Instructions of a full provisioning.
const INSTRUCTIONS_MAX: u64 = 800_000;
/// How many of them may be spent outside smoltcp and firmware-core: 35 % of all. A share of what is really spent would
/// be missed by a core that becomes faster.
const REST_MAX: u64 = INSTRUCTIONS_MAX * 35 / 100;
/// Provisionings per second on one core.
const RATE_MIN: u64 = 5_000;
/// Seven hours of outage, and a boot shortly before 2^32 ms.
const SHORT_CASE_MAX: Duration = Duration::from_millis(50);
/// Fifty days online at a heartbeat of 40 s.
const FIFTY_DAYS_MAX: Duration = Duration::from_millis(1_500);

/// Every power cut of a save, on two cores.
const CUTS_MAX: Duration = Duration::from_secs(5);
/// A hundred thousand explored seeds, on two cores.
const EXPLORED_MAX: Duration = Duration::from_secs(60);
/// Seeds that are explored here, on one core.
const SEEDS: u32 = 2_000;
/// Contents of what a power cut leaves half done.
const NOISES: u32 = 4;

/// All files of a run: once, and for each event or frame.
const EVIDENCE_MAX: Duration = Duration::from_millis(5);
const EVIDENCE_EVENT_MAX: Duration = Duration::from_micros(2);

/// A setup with its device in QEMU.
const QEMU_MAX: Duration = Duration::from_millis(500);

/// Provisionings in one round, and rounds of which the best counts.
const PROVISIONINGS: u32 = 500;
const ROUNDS: u32 = 7;
/// Of cases that take a while.
const LONG_ROUNDS: u32 = 3;
/// Repetitions under callgrind: every one costs the same, but the first meets a cold allocator.
const COUNTED: u32 = 10;

/// Prints the hash of every case's trace instead, to see that a change for speed changed nothing else.
const HASHES_ARGUMENT: &str = "--hashes";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    if has(callgrind::CHILD_ARGUMENT) {
        return arguments.last().map_or((), |part| count(part));
    }
    if has(HASHES_ARGUMENT) {
        return cases::print_hashes();
    }
    let mut rows = Vec::new();
    measure_rate(&mut rows);
    measure_instructions(&mut rows);
    measure_long_cases(&mut rows);
    measure_evidence(&mut rows);
    measure_faults(&mut rows);
    measure_qemu(&mut rows);
    table::print(&rows);
}

fn measure_rate(rows: &mut Vec<Row>) {
    let case = cases::first_setup();
    let hash = case.run().trace.hash();
    rows.push(Row::note("trace of the provisioning", format!("{hash:016x}")));
    let best = best_of(ROUNDS, || (0..PROVISIONINGS).for_each(|_| drop(case.run())));
    let rate = u64::try_from(u128::from(PROVISIONINGS) * 1_000_000_000 / best.as_nanos().max(1)).unwrap_or(0);
    rows.push(Row::at_least("provisionings per second, one core", rate, RATE_MIN));
}

fn measure_instructions(rows: &mut Vec<Row>) {
    if let Err(why) = try_measure_instructions(rows) {
        rows.push(Row::note("instructions of a provisioning", why));
    }
}

fn try_measure_instructions(rows: &mut Vec<Row>) -> Result<(), String> {
    let count = |part: Part| Ok::<_, String>(callgrind::count(part.name())?.each(u64::from(COUNTED)));
    let whole = count(Part::Provisioning)?;
    rows.push(Row::note("instructions with the app's cloud calls", grouped(whole.total())));
    push_parts(rows, &whole, None);
    let world = count(Part::World)?.total();
    rows.push(Row::share("  of all these, building the world", world, whole.total()));
    let device = count(Part::Device)?.without(&count(Part::Token)?);
    let what = "instructions from power to login";
    rows.push(Row::at_most(what, device.total(), INSTRUCTIONS_MAX));
    push_parts(rows, &device, Some(REST_MAX));
    let pair = grouped(count(Part::Pair)?.total());
    rows.push(Row::note("a bare smoltcp pair, three requests", pair));
    Ok(())
}

/// The parts with their shares, and how much all may be that is not the device's own.
fn push_parts(rows: &mut Vec<Row>, counts: &callgrind::Counts, rest_max: Option<u64>) {
    let total = counts.total();
    let known = |part: &str| part == "smoltcp" || part == "firmware-core";
    for (part, cost) in counts.parts().filter(|(part, _)| known(part)) {
        rows.push(Row::share(&format!("  {part}"), cost, total));
    }
    let rest = counts.parts().filter(|(part, _)| !known(part)).map(|(_, cost)| cost).sum();
    let row = Row::share("  the rest", rest, total);
    rows.push(match rest_max {
        Some(max) => row.with_bar(rest <= max, format!("at most {}", grouped(max))),
        None => row,
    });
    for (part, cost) in counts.parts().filter(|(part, cost)| !known(part) && permille(*cost, total) > 0) {
        rows.push(Row::share(&format!("    {part}"), cost, total));
    }
}

fn measure_long_cases(rows: &mut Vec<Row>) {
    for (what, case, bar) in [
        ("seven hours without the router", cases::router_outage(), SHORT_CASE_MAX),
        ("2^32 ms of uptime wrap", cases::counter_wrap(), SHORT_CASE_MAX),
    ] {
        rows.push(Row::time(what, best_of(ROUNDS, || drop(case.run())), Some(bar)));
    }
    for (what, harness, bar) in [
        ("fifty days online, a silent product", cases::SILENT, Some(FIFTY_DAYS_MAX)),
        ("fifty days online, the thermostat", cases::THERMOSTAT, None),
    ] {
        let case = cases::online(Length::FiftyDays, harness);
        let frames = case.run().trace.frame_count();
        let best = best_of(LONG_ROUNDS, || drop(case.run()));
        rows.push(Row::time(what, best, bar).with_detail(format!("{} frames", grouped(frames))));
    }
}

/// Cuts and exploration divide their work evenly, so that one core says what two take.
fn measure_faults(rows: &mut Vec<Row>) {
    for (what, case) in [
        ("every cut of a first setup, two cores", cases::first_setup()),
        ("every cut of a reset, two cores", cases::reset()),
    ] {
        let mut cuts = 0;
        let best = best_of(1, || cuts = case.every_cut(NOISES));
        rows.push(Row::time(what, best / 2, Some(CUTS_MAX)).with_detail(format!("{} cuts", grouped(cuts))));
    }
    let explorer = cases::explorer();
    let best = best_of(1, || (0..SEEDS).for_each(|seed| drop(explorer.run(u64::from(seed)))));
    let all = best * (100_000 / SEEDS) / 2;
    rows.push(Row::time("100,000 explored seeds, two cores", all, Some(EXPLORED_MAX)));
}

/// What a run leaves behind, written into files.
fn measure_evidence(rows: &mut Vec<Row>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (what, case) in [
        ("all files of a first setup", cases::first_setup()),
        ("all files of a day online", cases::online(Length::OneDay, cases::THERMOSTAT)),
    ] {
        let outcome = case.record();
        let frames = usize::try_from(outcome.trace.frame_count()).unwrap_or(usize::MAX);
        let events = outcome.trace.entries().len().saturating_add(frames);
        let len = case.write_evidence(&outcome, folder.path());
        let best = best_of(ROUNDS, || {
            case.write_evidence(&outcome, folder.path());
        });
        let bar = EVIDENCE_MAX + EVIDENCE_EVENT_MAX * u32::try_from(events).unwrap_or(u32::MAX);
        let (events, kib) = (grouped(events as u64), grouped(len as u64 / 1_024));
        let detail = format!("{events} events and frames, {kib} KiB");
        rows.push(Row::time(what, best, Some(bar)).with_detail(detail));
    }
}

/// A whole setup with the device in QEMU, the emulator's start and end included.
fn measure_qemu(rows: &mut Vec<Row>) {
    let what = "a first setup in QEMU";
    let Some(program) = Qemu::find() else {
        return rows.push(Row::note(what, format!("{PROGRAM} is missing (package {PACKAGE})")));
    };
    match Firmware::QEMU.build() {
        Ok(firmware) => {
            let (qemu, case) = (Qemu::new(program, firmware), cases::first_setup());
            rows.push(Row::time(what, best_of(ROUNDS, || drop(case.run_on(&qemu))), Some(QEMU_MAX)));
        }
        Err(error) => rows.push(Row::note(what, error.to_string())),
    }
}

fn best_of(rounds: u32, mut work: impl FnMut()) -> Duration {
    work();
    let once = || {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    std::iter::repeat_with(once).take(rounds as usize).min().unwrap_or_default()
}

/// What is counted under callgrind.
#[derive(Clone, Copy)]
enum Part {
    Provisioning,
    /// The world of the same scenario, in which nothing happens.
    World,
    /// The provisioning without what the app says to the cloud, and what that takes before.
    Device,
    Token,
    Pair,
    /// One day online.
    Online,
}

impl Part {
    const ALL: [Self; 6] =
        [Self::Provisioning, Self::World, Self::Device, Self::Token, Self::Pair, Self::Online];

    fn name(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::World => "world",
            Self::Device => "device",
            Self::Token => "token",
            Self::Pair => "pair",
            Self::Online => "online",
        }
    }
}

/// Does what is to be counted, in the process that callgrind watches.
fn count(part: &str) {
    let Some(part) = Part::ALL.into_iter().find(|known| known.name() == part) else { return };
    match part {
        Part::Provisioning => count_case(&cases::first_setup()),
        Part::World => count_case(&cases::nothing_happens()),
        Part::Device => count_case(&cases::device_alone()),
        Part::Token => count_case(&cases::token_only()),
        Part::Pair => {
            pair::three_requests();
            callgrind::counted(COUNTED, pair::three_requests);
        }
        Part::Online => callgrind::counted(1, || {
            cases::online(Length::OneDay, cases::SILENT).run();
        }),
    }
}

fn count_case(case: &Case) {
    case.run();
    callgrind::counted(COUNTED, || {
        case.run();
    });
}
