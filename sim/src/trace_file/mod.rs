//! A run as a file for programs: JSON Lines, one entry of the trace a line. docs/trace-file.md is its contract.
//!
//! The first line says what was run, the last one what became of it, and each line between is an entry with its time,
//! its actor, what it is called, its parts as fields and its words, which are those of the exact trace. Passwords and
//! tokens are starred.

mod facts;
mod fields;
mod read;
#[cfg(test)]
mod tests;

use smoltcp::time::Duration;

use crate::json::{push_number, push_string};
use crate::scenario::Scenario;
use crate::secrets::Secrets;
use crate::trace::{self, Trace, What, is_exact, is_story};
use crate::world::NodeId;
use fields::Fields;
pub use read::{Actor, Entry, ReadError, TraceFile};

/// What stands in the first line, so that such a file is known.
pub const FORMAT: &str = "hil-trace";
/// The version of the contract. Another one has names or fields that mean something else, or lacks some.
pub const VERSION: u32 = 1;

/// Bytes of a usual line.
const LINE_LEN_USUAL: usize = 160;

/// A run that is over, and what is known of it beside its trace.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// What was run.
    pub scenario: &'a Scenario,
    /// At which seed.
    pub seed: u64,
    /// What the device was, by the name that the command line has for it.
    pub target: &'a str,
    /// The command that runs it again.
    pub replay: &'a str,
    /// What happened.
    pub trace: &'a Trace,
    /// How much virtual time passed.
    pub elapsed: Duration,
    /// Why it failed; `None` when it passed.
    pub fault: Option<&'a Fault>,
}

/// Why a run failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The step, from 1; 0 when the run as a whole is at fault.
    pub step: usize,
    /// What the step says; empty when the run as a whole is at fault.
    pub expected: String,
    /// What was wrong.
    pub why: String,
    /// The name of the invariant that was broken, if one was.
    pub invariant: Option<&'static str>,
}

/// Writes the file.
pub fn write(run: &Run<'_>) -> String {
    let secrets = Secrets::of(run.scenario);
    let mut json = String::with_capacity((run.trace.entries().len() + 8) * LINE_LEN_USUAL);
    write_head(run, &secrets, &mut json);
    let mut fields = Fields::new(&secrets);
    for entry in run.trace.entries() {
        write_entry(run.trace, entry, &secrets, &mut fields, &mut json);
        json.push('\n');
    }
    write_end(run, &secrets, &mut json);
    json
}

/// The lines of a trace's entries as they stand in a file.
pub(crate) fn lines(trace: &Trace, secrets: &Secrets) -> Vec<String> {
    let mut fields = Fields::new(secrets);
    let line = |entry| {
        let mut json = String::with_capacity(LINE_LEN_USUAL);
        write_entry(trace, entry, secrets, &mut fields, &mut json);
        json
    };
    trace.entries().iter().map(line).collect()
}

fn write_entry(
    trace: &Trace,
    entry: &trace::Entry,
    secrets: &Secrets,
    fields: &mut Fields<'_>,
    json: &mut String,
) {
    fields.clear();
    let name = facts::describe(trace, &entry.what, fields);
    *json += "{\"at_us\":";
    push_number(json, entry.at.total_micros().unsigned_abs());
    put_string(json, "actor", trace.name(entry.actor));
    put_string(json, "event", name);
    put_string(json, "level", level(&entry.what));
    put_string(json, "text", &secrets.clean(&trace.tell(&entry.what)));
    *json += fields.as_str();
    json.push('}');
}

fn write_head(run: &Run<'_>, secrets: &Secrets, json: &mut String) {
    let Run { scenario, seed, target, replay, trace, .. } = run;
    *json += "{\"format\":\"";
    *json += FORMAT;
    *json += "\",\"version\":";
    push_number(json, u64::from(VERSION));
    put_string(json, "program", concat!("hil ", env!("CARGO_PKG_VERSION")));
    put_string(json, "title", &secrets.clean(&scenario.title));
    put_string(json, "why", &secrets.clean(scenario.why.trim()));
    // Numbers of 64 bits do not survive every reader of JSON.
    put_string(json, "seed", &seed.to_string());
    put_string(json, "target", target);
    put_string(json, "replay", &secrets.clean(replay));
    *json += ",\"actors\":[";
    for (index, (node, name)) in trace.actors().enumerate() {
        *json += if index == 0 { "{\"name\":" } else { ",{\"name\":" };
        push_string(json, name);
        put_string(json, "kind", kind(node));
        json.push('}');
    }
    *json += "],\"steps\":[";
    for (number, step) in (1..).zip(&scenario.steps) {
        *json += if number == 1 { "{\"line\":" } else { ",{\"line\":" };
        push_number(json, u64::from(step.line));
        put_string(json, "text", &secrets.clean(&step.describe()));
        *json += if step.may_fail { ",\"may_fail\":true}" } else { "}" };
    }
    *json += "]}\n";
}

fn write_end(run: &Run<'_>, secrets: &Secrets, json: &mut String) {
    let Run { trace, elapsed, fault, .. } = run;
    *json += "{\"end_us\":";
    push_number(json, elapsed.total_micros());
    put_string(json, "verdict", if fault.is_none() { "passed" } else { "failed" });
    if let Some(Fault { step, expected, why, invariant }) = fault {
        *json += ",\"fault\":{\"step\":";
        push_number(json, u64::try_from(*step).unwrap_or(u64::MAX));
        put_string(json, "expected", &secrets.clean(expected));
        put_string(json, "why", &secrets.clean(why));
        if let Some(invariant) = invariant {
            put_string(json, "invariant", invariant);
        }
        json.push('}');
    }
    *json += ",\"frames\":";
    push_number(json, trace.frame_count());
    put_string(json, "frames_digest", &trace.frames_digest());
    *json += "}\n";
}

/// A field behind another.
fn put_string(json: &mut String, name: &str, value: &str) {
    *json += ",\"";
    *json += name;
    *json += "\":";
    push_string(json, value);
}

/// Which of the ways of telling a run an entry stands in.
fn level(what: &What) -> &'static str {
    match what {
        What::Step(_) | What::Fired(_) => "step",
        What::Console(_) => "console",
        what if is_story(what) => "story",
        what => {
            debug_assert!(is_exact(what), "what else is there stands in the exact trace");
            "detail"
        }
    }
}

pub(crate) fn kind(node: NodeId) -> &'static str {
    match node {
        NodeId::Device(_) => "device",
        NodeId::Phone(_) => "phone",
        NodeId::Router(_) => "router",
        NodeId::Cloud(_) => "cloud",
        NodeId::Guest(_) => "guest",
    }
}
