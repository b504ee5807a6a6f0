//! The files that runs leave behind, and what is done with them.

use std::fs;
use std::process::Command;

use super::{FAILS, Folder, HIL, PASSES};

#[test]
fn a_run_that_failed_is_kept_with_everything() {
    let folder = Folder::new("kept").with("my case.yaml", FAILS);
    let ended = folder.hil(&["run", "my case.yaml"]);
    let command = format!("everything of it is kept; look at it with\n  {HIL} show 'target/hil/my case'\n");
    ended.check(1, &[&command], &[]);
    let read = |name: &str| folder.read(&format!("target/hil/my case/{name}")).unwrap_or_default();
    assert!(read("waveform.vcd").contains("WAIT_CONFIG"));
    assert!(read("junit.xml").contains("<failure message=\"step 4 (line 9)"));
    let trace = read("trace.jsonl");
    assert!(trace.starts_with("{\"format\":\"hil-trace\",\"version\":1,"));
    assert!(trace.contains("\"replay\":\"hil run 'my case.yaml' --seed 1\""));
    assert!(trace.contains("\"verdict\":\"failed\",\"fault\":{\"step\":4,"));
    let page = read("report.html");
    assert!(page.starts_with("<!doctype html>") && page.contains(trace.lines().last().expect("a line")));
    let capture = fs::read(folder.0.join("target/hil/my case/capture.pcapng")).expect("the capture is there");
    assert!(capture.len() > 10_000);
    for text in [trace, page] {
        assert!(!text.contains("wrong horse"), "a password is told");
    }
}

#[test]
fn a_failure_is_one_where_nothing_can_be_kept_as_well() {
    let folder =
        Folder::new("unwritable").with("a.yaml", FAILS).with("b.yaml", PASSES).with("target", "a file");
    for files in [&["run", "a.yaml"][..], &["run", "a.yaml", "b.yaml"]] {
        folder.hil(files).check(
            1,
            &["is never-seen, not online"],
            &["target/hil/a/report.html cannot be written"],
        );
    }
}

#[test]
fn a_ci_server_is_told_of_every_case() {
    let folder = Folder::new("junit")
        .with("scenarios/cases/user/fails.yaml", FAILS)
        .with("scenarios/cases/user/passes.yaml", PASSES)
        .with("alone.yaml", PASSES);
    folder.hil(&["run", "--junit", "out/results.xml"]).check(1, &["1 passed, 1 failed"], &[]);
    let xml = folder.read("out/results.xml").expect("the file is there");
    for expected in [
        r#"<testsuite name="sim" tests="2" failures="1" errors="0" skipped="0""#,
        r#"<property name="seed" value="1"/>"#,
        r#"<testcase classname="scenarios.cases.user" name="fails""#,
        r#"<failure message="step 4 (line 9), device should be online"#,
        "CONNECTING_NET =&gt; WAIT_CONFIG",
        "run scenarios/cases/user/fails.yaml --seed 1\n</failure>",
        r#"<testcase classname="scenarios.cases.user" name="passes""#,
    ] {
        assert!(xml.contains(expected), "no {expected} in\n{xml}");
    }
    assert!(!xml.contains("wrong horse"));
    folder.hil(&["run", "alone.yaml", "--junit", "alone.xml"]).check(0, &[], &[]);
    let xml = folder.read("alone.xml").expect("the file is there");
    assert!(xml.contains(r#"<testcase classname="scenarios" name="alone""#), "{xml}");
}

#[test]
fn a_page_and_a_capture_are_of_one_scenario() {
    let folder = Folder::new("pcap")
        .with("scenarios/cases/passes.yaml", PASSES)
        .with("scenarios/cases/fails.yaml", FAILS);
    let help = "name one file: hil run FILE --html FILE.html";
    for option in ["--pcap", "--vcd", "--html", "--json"] {
        folder.hil(&["run", option, "all"]).check(2, &[], &["of one scenario", help]);
        assert!(!folder.0.join("all").exists());
    }
    // A run that fails is the one that is looked at.
    let told = "all frames are in out/one.pcapng";
    folder.hil(&["run", "scenarios/cases/fails.yaml", "--pcap", "out/one.pcapng"]).check(1, &[told], &[]);
    let bytes = fs::read(folder.0.join("out/one.pcapng")).expect("the file is there");
    assert!(bytes.starts_with(&[0x0A, 0x0D, 0x0D, 0x0A]));
    let told = "the waveform is in one.vcd";
    folder.hil(&["run", "scenarios/cases/passes.yaml", "--vcd", "one.vcd"]).check(0, &[told], &[]);
    assert!(folder.read("one.vcd").is_some_and(|text| text.starts_with("$version\n    hil ")));
}

#[test]
fn the_page_and_the_trace_are_written_where_they_are_asked_for() {
    let folder = Folder::new("page").with("story.yaml", PASSES);
    let told =
        ["the page is out/a.html; open it in a browser", "the trace is in out/a.jsonl, an object a line"];
    folder.hil(&["run", "story.yaml", "--html", "out/a.html", "--json", "out/a.jsonl"]).check(0, &told, &[]);
    let trace = folder.read("out/a.jsonl").expect("the trace is there");
    assert!(folder.read("out/a.html").is_some_and(|page| page.contains(&trace)));
    // The same run writes the same bytes, whatever else is written.
    folder.hil(&["run", "story.yaml", "--json", "out/b.jsonl"]).check(0, &[], &[]);
    assert_eq!(folder.read("out/b.jsonl"), Some(trace));
}

#[test]
fn two_runs_are_compared() {
    let folder = Folder::new("diff").with("a.yaml", PASSES).with("b.yaml", FAILS).with("no.jsonl", "{}\n");
    folder.hil(&["run", "a.yaml", "--json", "a.jsonl"]).check(0, &[], &[]);
    folder.hil(&["run", "a.yaml", "--update"]).check(0, &[], &[]);
    folder.hil(&["run", "b.yaml"]).check(1, &[], &[]);
    folder.hil(&["diff", "a.jsonl", "a.jsonl"]).check(0, &["the same: "], &[]);
    folder.hil(&["diff", "a.jsonl", "a.exact.snap"]).check(
        0,
        &["a.exact.snap: an exact trace", "the same: "],
        &[],
    );
    folder.hil(&["diff", "a.story.snap", "a.jsonl"]).check(0, &["a.story.snap: a story", "the same: "], &[]);
    let told = [
        "A  a.jsonl: A device starts, seed 1, target sim",
        "events are the same, up to 0.3",
        "and B goes on",
    ];
    folder.hil(&["diff", "a.jsonl", "target/hil/b"]).check(1, &told[..2], &[]);
    let wrong = ["no.jsonl:1:1: this is no trace", "name a trace that `hil run FILE --json` wrote"];
    folder.hil(&["diff", "no.jsonl", "a.jsonl"]).check(2, &[], &wrong);
    folder.hil(&["diff", "a.jsonl", "none"]).check(2, &[], &["there is no file `none`"]);
    let unlike = ["they cannot be compared", "compare one of them with a trace"];
    folder.hil(&["diff", "a.story.snap", "a.exact.snap"]).check(2, &[], &unlike);
}

#[test]
fn what_is_to_be_shown_must_be_there() {
    let folder = Folder::new("show").with("b.yaml", FAILS);
    folder.hil(&["show"]).check(2, &[], &["no run is kept in `target/hil`", "a run that fails is kept"]);
    folder.hil(&["run", "b.yaml"]).check(1, &[], &[]);
    folder.hil(&["show", "c"]).check(2, &[], &["there is no page of a run at `c`", "hil show b"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_page_is_opened_with_the_program_that_opens_pages() {
    use std::os::unix::fs::PermissionsExt;

    let folder =
        Folder::new("open").with("b.yaml", FAILS).with("bin/xdg-open", "#!/bin/sh\necho \"$1\" >seen\n");
    folder.hil(&["run", "b.yaml"]).check(1, &[], &[]);
    let show = |path: String| {
        let mut command = Command::new(HIL);
        command.current_dir(&folder.0).env("PATH", path).args(["show", "b"]);
        super::Ended::from(command.output().expect("the command starts"))
    };
    let empty = folder.0.join("empty").display().to_string();
    let help = "open it yourself: target/hil/b/report.html";
    show(empty).check(3, &[], &["no program here opens a web page", help]);
    let opener = folder.0.join("bin/xdg-open");
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).expect("it can be made a program");
    show(folder.0.join("bin").display().to_string()).check(0, &["opening target/hil/b/report.html"], &[]);
    assert_eq!(folder.read("seen").as_deref(), Some("target/hil/b/report.html\n"));
}
