//! Counts instructions by part: runs this program again under `valgrind --tool=callgrind` and reads what that
//! writes.
//!
//! A line of source belongs to the crate and module whose file it stands in, inlined or not. What the
//! standard library and the C library do belongs to whoever called them, in proportion to the calls.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tells the program that it is the one being watched; what to count follows.
pub(crate) const CHILD_ARGUMENT: &str = "--counted";
/// Steps of the chain from a library function to the part that caused it.
const CHAIN_MAX: usize = 24;
/// Lets the C library copy and clear with vector instructions: callgrind counts every byte of `rep movsb` and
/// `rep stosb` as an instruction, a processor executes one.
const TUNABLES: &str =
    "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824";

/// Does `work` so many times. Callgrind collects only while this function runs.
#[inline(never)]
pub(crate) fn counted(times: u32, mut work: impl FnMut()) {
    for _ in 0..times {
        work();
    }
}

/// The instructions of each part.
pub(crate) struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The same for one of so many repetitions.
    pub(crate) fn each(self, times: u64) -> Self {
        Self(self.0.into_iter().map(|(part, cost)| (part, cost / times)).collect())
    }

    /// What is left without a part of the work that was counted apart.
    pub(crate) fn without(mut self, other: &Self) -> Self {
        for (part, cost) in &mut self.0 {
            *cost = cost.saturating_sub(other.0.get(part).copied().unwrap_or(0));
        }
        self
    }

    /// Every part with its instructions, the greatest first.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&str, u64)> {
        let mut parts: Vec<_> = self.0.iter().map(|(part, cost)| (part.as_str(), *cost)).collect();
        parts.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
        parts.into_iter()
    }
}

/// Counts one part of this program, or says why it cannot.
pub(crate) fn count(part: &str) -> Result<Counts, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let file = program.with_file_name(format!("callgrind.{part}.out"));
    let status = Command::new("valgrind")
        .env("GLIBC_TUNABLES", TUNABLES)
        .args(["--tool=callgrind", "--compress-strings=no", "--compress-pos=no", "--dump-line=yes"])
        .args(["--collect-atstart=no", "--toggle-collect=*callgrind*counted*"])
        .arg(option("--callgrind-out-file=", &file))
        .arg(program)
        .args([CHILD_ARGUMENT, part])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Err(_) => Err("not counted: `valgrind` is not installed (package `valgrind`)".to_owned()),
        Ok(status) if !status.success() => Err(format!("not counted: valgrind ended with {status}")),
        Ok(_) => match std::fs::read_to_string(&file) {
            Ok(text) => Ok(Profile::read(&text).counts()),
            Err(error) => Err(format!("not counted: {}: {error}", file.display())),
        },
    }
}

fn option(name: &str, file: &Path) -> PathBuf {
    let mut option = std::ffi::OsString::from(name);
    option.push(file);
    option.into()
}

/// What a callgrind file says.
#[derive(Default)]
struct Profile {
    functions: BTreeMap<String, Function>,
}

#[derive(Default)]
struct Function {
    /// Instructions on lines of a known part.
    parts: BTreeMap<String, u64>,
    /// Instructions on lines of a library.
    library: u64,
    /// The part whose file the function itself stands in.
    home: Option<String>,
    /// The functions that call it, and the instructions of those calls.
    callers: BTreeMap<String, u64>,
}

impl Profile {
    /// Reads the format that callgrind documents, without compression of names and positions.
    fn read(text: &str) -> Self {
        let mut profile = Self::default();
        let (mut file, mut function, mut callee) = ("", "", "");
        let mut is_call = false;
        for line in text.lines() {
            if let Some((key, value)) = line.split_once('=') {
                match key {
                    "fl" | "fi" | "fe" => file = value,
                    "fn" => {
                        function = value;
                        profile.functions.entry(value.to_owned()).or_default().home = part_of(file);
                    }
                    "cfn" => callee = value,
                    "calls" => is_call = true,
                    _ => {}
                }
                continue;
            }
            let mut numbers = line.split(' ').map(str::parse::<u64>);
            let (Some(Ok(_)), Some(Ok(cost))) = (numbers.next(), numbers.next()) else { continue };
            if std::mem::take(&mut is_call) {
                let callee = profile.functions.entry(callee.to_owned()).or_default();
                *callee.callers.entry(function.to_owned()).or_default() += cost;
                continue;
            }
            let Some(function) = profile.functions.get_mut(function) else { continue };
            match part_of(file) {
                Some(part) => *function.parts.entry(part).or_default() += cost,
                None => function.library += cost,
            }
        }
        profile
    }

    fn counts(&self) -> Counts {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for (name, function) in &self.functions {
            for (part, cost) in &function.parts {
                *counts.entry(part.clone()).or_default() += cost;
            }
            self.share_out(name, function.library, CHAIN_MAX, &mut counts);
        }
        Counts(counts)
    }

    /// Adds the instructions of a library function to those who called it.
    fn share_out(&self, name: &str, cost: u64, steps: usize, counts: &mut BTreeMap<String, u64>) {
        if cost == 0 {
            return;
        }
        let function = self.functions.get(name);
        if let Some(part) = function.and_then(|function| function.home.as_ref()) {
            *counts.entry(part.clone()).or_default() += cost;
            return;
        }
        let callers = function.map(|function| &function.callers);
        let all: u64 = callers.into_iter().flat_map(BTreeMap::values).sum();
        if steps == 0 || all == 0 {
            *counts.entry("nobody known".to_owned()).or_default() += cost;
            return;
        }
        let mut left = cost;
        for (caller, calls) in callers.into_iter().flatten() {
            let share = u64::try_from(u128::from(cost) * u128::from(*calls) / u128::from(all)).unwrap_or(0);
            left -= share;
            self.share_out(caller, share, steps - 1, counts);
        }
        // What rounding leaves over goes to the last caller.
        if let Some((caller, _)) = callers.and_then(BTreeMap::last_key_value) {
            self.share_out(caller, left, steps - 1, counts);
        }
    }
}

/// The crate, and within the simulator the module, that a file of source belongs to; `None` for libraries.
fn part_of(file: &str) -> Option<String> {
    if file.contains("/smoltcp-") {
        return Some("smoltcp".to_owned());
    }
    if file.contains("sim/benches/") {
        return Some("bench".to_owned());
    }
    for name in ["firmware-core", "hil-link"] {
        if file.contains(&format!("{name}/src/")) {
            return Some(name.to_owned());
        }
    }
    let (_, inside) = file.rsplit_once("sim/src/")?;
    inside.split(['/', '.']).next().map(str::to_owned)
}
