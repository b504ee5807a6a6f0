//! A scenario of ours as one of Wokwi's, for its own tools. A step that cannot be carried over stands in a comment with the
//! reason.

use std::fmt::Write;

use crate::json::push_string;
use crate::scenario::Scenario;

use super::plan::{Action, Options, plan};

/// What became of the steps.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Carried {
    /// Steps that are there.
    pub steps: usize,
    /// Steps that are not.
    pub left_out: usize,
}

/// Writes the scenario, whose file is named in a comment.
pub fn export(file: &str, scenario: &Scenario, options: &Options) -> (String, Carried) {
    let mut carried = Carried::default();
    let mut lines = vec![
        format!("# Made of {file} by `hil wokwi export`. What is typed stands here with its secrets."),
        format!("name: {}", quoted(&scenario.title)),
        "version: 1".to_owned(),
        "steps:".to_owned(),
    ];
    for step in plan(scenario, options) {
        lines.push(format!("  # step {} (line {}): {}", step.number, step.line, step.what));
        match &step.actions {
            Ok(actions) => {
                carried.steps += 1;
                lines.extend(actions.iter().map(line));
            }
            Err(why) => {
                carried.left_out += 1;
                lines.push(format!("  #   not carried over: {why}"));
            }
        }
    }
    // Whatever is done last needs time to have an effect.
    lines.push("  - delay: 1s".to_owned());
    let mut yaml = String::new();
    for line in lines {
        // Writing to a string does not fail.
        let _ = writeln!(yaml, "{line}");
    }
    (yaml, carried)
}

fn line(action: &Action) -> String {
    match action {
        Action::Delay(time) => format!("  - delay: {}us", time.total_micros()),
        Action::Await(text) => format!("  - wait-serial: {}", quoted(text)),
        Action::Type(text) => format!("  - write-serial: {}", quoted(text)),
        Action::Control { part, control, value } => {
            format!("  - set-control: {{ part-id: {}, control: {control}, value: {value} }}", quoted(part))
        }
        Action::Pin { part, pin, value } => {
            format!("  - expect-pin: {{ part-id: {}, pin: {}, value: {value} }}", quoted(part), quoted(pin))
        }
        Action::Note(why) => format!("  #   {why}"),
    }
}

/// A text as YAML has it between quotation marks, which is as JSON has it.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    push_string(&mut quoted, text);
    quoted
}
