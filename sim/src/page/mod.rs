//! A run as one web page, which needs no network and no other file: who did what when, every packet with its fields,
//! the console, the flash, the steps.
//!
//! The page holds the trace file as it is, the frames, and a script that shows both. It decides nothing about the run.

#[cfg(test)]
mod tests;

use smoltcp::time::Instant;

use crate::capture::Recording;
use crate::flash_view::FlashView;
use crate::json::{push_number, push_string};
use crate::scenario::Scenario;
use crate::secrets::Secrets;
use crate::text::base64;
use crate::trace::Trace;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
/// What begins the style of every page of ours: colours, light and dark, what states and lamps look like.
pub const BASE_STYLE: &str = include_str!("base.css");
/// Takes frames apart: `decodeFrame(bytes)`.
pub const DECODE_SCRIPTS: [&str; 2] = [include_str!("decode.js"), include_str!("decode_payload.js")];
/// Writes times and fields: `clock(us)`, `spoken(us)`, `fieldsHtml(rows)`, `escapeHtml(text)`.
pub const TEXT_SCRIPT: &str = include_str!("text.js");
/// Shows indicators, by [`TEXT_SCRIPT`]: `setLamp(element, row, at)` and `animateLamps`, which the page calls once.
pub const LAMP_SCRIPT: &str = include_str!("lamp.js");
/// In the order in which they need each other.
const SCRIPTS: [&str; 9] = [
    DECODE_SCRIPTS[0],
    DECODE_SCRIPTS[1],
    TEXT_SCRIPT,
    include_str!("model.js"),
    LAMP_SCRIPT,
    include_str!("lanes.js"),
    include_str!("overview.js"),
    include_str!("inspector.js"),
    include_str!("main.js"),
];
/// Entries and frames that a page holds at most. A browser is still quick with them, and a page of fifty days would
/// have many megabytes: what is in the middle of such a run is left out, and the page says so.
const SHOWN_MAX: usize = 20_000;
/// Of these, how many are from the beginning.
const SHOWN_FIRST: usize = 4_000;

/// What of a run is shown: all but what lies between these two times, in microseconds.
#[derive(Clone, Copy)]
struct Window {
    until: u64,
    from: u64,
}

impl Window {
    /// Everything.
    const ALL: Self = Self { until: u64::MAX, from: 0 };

    /// What is shown of so much.
    fn of(trace: &Trace, recording: Option<&Recording>) -> Self {
        let entries = trace.entries().iter().map(|entry| micros(entry.at));
        let frames = recording.into_iter().flat_map(Recording::frames).map(|frame| micros(frame.at));
        let mut times: Vec<u64> = entries.chain(frames).collect();
        if times.len() <= SHOWN_MAX {
            return Self::ALL;
        }
        times.sort_unstable();
        let last = times.len() - (SHOWN_MAX - SHOWN_FIRST);
        Self { until: times[SHOWN_FIRST], from: times[last] }
    }

    fn shows(self, at: u64) -> bool {
        at <= self.until || at >= self.from
    }
}

/// Writes the page of a run. `trace_file` is what [`trace_file::write`](crate::trace_file::write) makes of it.
pub fn write(scenario: &Scenario, trace: &Trace, trace_file: &str, recording: Option<&Recording>) -> String {
    let window = Window::of(trace, recording);
    let secrets = Secrets::of(scenario);
    let mut page =
        String::with_capacity(2 * trace_file.len() + PAGE.len() + STYLE.len() + BASE_STYLE.len() + 65_536);
    let mut rest = PAGE;
    let mut put = |page: &mut String, mark: &str, fill: &mut dyn FnMut(&mut String)| {
        let (before, behind) = rest.split_once(mark).unwrap_or((rest, ""));
        *page += before;
        fill(page);
        rest = behind;
    };
    put(&mut page, "<!--title-->", &mut |page| push_html(page, &secrets.clean(&scenario.title)));
    put(&mut page, "/*style*/", &mut |page| page.extend([BASE_STYLE, STYLE]));
    put(&mut page, "<!--trace-->", &mut |page| push_trace(page, trace_file, window));
    put(&mut page, "<!--frames-->", &mut |page| push_frames(page, trace, recording, window));
    put(&mut page, "<!--flash-->", &mut |page| push_flash(page, recording, &secrets));
    put(&mut page, "/*script*/", &mut |page| SCRIPTS.iter().for_each(|script| *page += script));
    page += rest;
    page
}

/// The lines of the trace file that are shown.
fn push_trace(page: &mut String, trace_file: &str, window: Window) {
    let at = |line: &str| {
        let digits = line.strip_prefix("{\"at_us\":")?;
        digits.get(..digits.find(',')?)?.parse::<u64>().ok()
    };
    for line in trace_file.lines() {
        // The first line and the last have no time.
        if at(line).is_none_or(|at| window.shows(at)) {
            *page += line;
            page.push('\n');
        }
    }
}

/// `{"left_out":[FROM,TO],"frames":[..]}` with a frame as `[AT,SENDER,PORT,STEP,BYTES,[[RECEIVER,AT,CHANGES]..]]`: times in
/// microseconds, actors by their place in the trace's list, bytes in base64, changes on the way as `[PLACE,BITS]`.
fn push_frames(page: &mut String, trace: &Trace, recording: Option<&Recording>, window: Window) {
    *page += "{\"left_out\":";
    if window.from > window.until {
        *page += "[";
        push_number(page, window.until);
        page.push(',');
        push_number(page, window.from);
        *page += "]";
    } else {
        *page += "null";
    }
    *page += ",\"frames\":[";
    let actors: Vec<_> = trace.actors().map(|(node, _)| node).collect();
    let place = |node| actors.iter().position(|actor| *actor == node).unwrap_or(0) as u64;
    let shown =
        recording.into_iter().flat_map(Recording::frames).filter(|frame| window.shows(micros(frame.at)));
    for (index, frame) in shown.enumerate() {
        *page += if index == 0 { "\n[" } else { ",\n[" };
        push_number(page, micros(frame.at));
        page.push(',');
        push_number(page, place(frame.sender));
        page.push(',');
        push_number(page, frame.port as u64);
        page.push(',');
        push_number(page, frame.step as u64);
        *page += ",\"";
        base64(frame.bytes, page);
        *page += "\",[";
        for (index, (receiver, at, changes)) in frame.received().enumerate() {
            *page += if index == 0 { "[" } else { ",[" };
            push_number(page, place(receiver));
            page.push(',');
            push_number(page, micros(at));
            for (place, bits) in changes {
                *page += ",[";
                push_number(page, *place as u64);
                page.push(',');
                push_number(page, u64::from(*bits));
                page.push(']');
            }
            page.push(']');
        }
        *page += "]]";
    }
    *page += "]}";
}

fn push_flash(page: &mut String, recording: Option<&Recording>, secrets: &Secrets) {
    page.push('[');
    let flash = recording.map_or(&[][..], |recording| &recording.flash);
    for (index, FlashView { device, slots }) in flash.iter().enumerate() {
        *page += if index == 0 { "{\"device\":" } else { ",{\"device\":" };
        push_number(page, *device as u64);
        *page += ",\"slots\":[";
        for (index, slot) in slots.iter().enumerate() {
            *page += if index == 0 { "{\"state\":" } else { ",{\"state\":" };
            push_string(page, &slot.state);
            *page += ",\"fields\":[";
            for (index, (name, value)) in slot.fields.iter().enumerate() {
                *page += if index == 0 { "[" } else { ",[" };
                push_string(page, name);
                page.push(',');
                push_string(page, &secrets.clean(value));
                page.push(']');
            }
            *page += "],\"others\":";
            push_number(page, slot.others as u64);
            *page += ",\"bytes\":\"";
            for byte in &slot.bytes {
                match byte {
                    Some(byte) => page.extend([byte >> 4, byte & 15].map(hex_digit)),
                    None => *page += "**",
                }
            }
            *page += "\"}";
        }
        *page += "]}";
    }
    page.push(']');
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('?')
}

fn push_html(page: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => *page += "&amp;",
            '<' => *page += "&lt;",
            other => page.push(other),
        }
    }
}

fn micros(at: Instant) -> u64 {
    at.total_micros().unsigned_abs()
}
