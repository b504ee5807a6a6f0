use super::*;
use crate::runner::{DEFAULT_SEED, Harness, record_on};
use crate::scenario::starter;
use crate::target::Sim;
use crate::trace_file::{self, Run, TraceFile};

fn example() -> (String, String, Recording) {
    let scenario = Scenario::parse("story.yaml", starter()).unwrap_or_else(|error| panic!("{error}"));
    let outcome = record_on(&Sim, &scenario, &Harness::EXAMPLE, DEFAULT_SEED, &mut |_| true);
    let run = Run {
        scenario: &scenario,
        seed: DEFAULT_SEED,
        target: "sim",
        replay: "hil run story.yaml",
        trace: &outcome.trace,
        elapsed: outcome.elapsed,
        fault: None,
    };
    let trace_file = trace_file::write(&run);
    let recording = outcome.recording.expect("it was recorded");
    (write(&scenario, &outcome.trace, &trace_file, Some(&recording)), trace_file, recording)
}

/// What stands in an element of the page, by its id.
fn element<'p>(page: &'p str, id: &str) -> &'p str {
    let (_, behind) = page.split_once(&format!("id=\"{id}\">\n")).expect("it is there");
    behind.split_once("</script>").expect("it ends").0
}

#[test]
fn a_page_holds_the_trace_file_and_every_frame() {
    let (page, trace_file, recording) = example();
    assert_eq!(element(&page, "trace").trim_end(), trace_file.trim_end());
    assert!(TraceFile::parse("page".as_ref(), element(&page, "trace")).is_ok());
    let frames: serde_json::Value = serde_json::from_str(element(&page, "frames")).expect("it is JSON");
    assert_eq!(frames["frames"].as_array().expect("a list").len(), recording.frames().count());
    assert!(frames["left_out"].is_null());
    let flash: serde_json::Value = serde_json::from_str(element(&page, "flash")).expect("it is JSON");
    assert_eq!(flash[0]["slots"][0]["state"], "valid");
}

#[test]
fn a_page_needs_nothing_from_elsewhere() {
    let (page, ..) = example();
    for reference in ["src=", "href=\"http", "url(", "@import", "fetch(", "XMLHttpRequest", "import("] {
        assert!(!page.contains(reference), "{reference} in a page");
    }
    assert!(!page.contains("<!--") && !page.contains("/*script*/"), "every place is filled");
}

#[test]
fn a_long_run_is_shown_from_both_ends() {
    let scenario = Scenario::parse("story.yaml", starter()).unwrap_or_else(|error| panic!("{error}"));
    let mut trace = Trace::default();
    let device = crate::world::NodeId::Device(0);
    trace.set_name(device, "lamp");
    let entries = 3 * SHOWN_MAX as i64;
    for at in 0..entries {
        trace.push(Instant::from_micros(at), device, crate::trace::What::FrameMissed);
    }
    let run = Run {
        scenario: &scenario,
        seed: DEFAULT_SEED,
        target: "sim",
        replay: "",
        trace: &trace,
        elapsed: smoltcp::time::Duration::ZERO,
        fault: None,
    };
    let page = write(&scenario, &trace, &trace_file::write(&run), None);
    let shown = TraceFile::parse("page".as_ref(), element(&page, "trace")).expect("it is a trace").entries;
    assert_eq!(shown.len(), SHOWN_MAX + 1);
    assert_eq!(shown.first().map(|entry| entry.at_us), Some(0));
    assert_eq!(shown.last().map(|entry| entry.at_us), Some(entries as u64 - 1));
    let frames: serde_json::Value = serde_json::from_str(element(&page, "frames")).expect("it is JSON");
    let from = entries as u64 - (SHOWN_MAX - SHOWN_FIRST) as u64;
    assert_eq!(frames["left_out"], serde_json::json!([SHOWN_FIRST, from]));
}
