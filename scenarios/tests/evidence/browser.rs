//! The page of a run, as headless Chromium shows it and as somebody uses it who looks for why it failed.
//!
//! `drive.js` is put into a copy of the page: it clicks, types and looks, and leaves what was wrong in the document,
//! which Chromium prints.

use std::path::Path;
use std::process::Command;

use hil_sim::page;
use hil_sim::runner::{DEFAULT_SEED, Harness, record_on};
use hil_sim::scenario::Scenario;
use hil_sim::target::Sim;
use hil_sim::trace_file::Fault;
use libtest_mimic::Failed;

use super::trace_file_of;

const DRIVER: &str = include_str!("drive.js");
/// Put before everything else, so that no error is missed.
const WATCH: &str = "<script>window.wrong = []; \
    addEventListener('error', (e) => wrong.push(`error: ${e.message}`)); \
    console.error = (...words) => wrong.push(`console: ${words.join(' ')}`);</script>";
/// Programs that are Chromium.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

const PASSWORD: &str = "correct horse";
/// Its last step but one fails: nobody is online so soon.
const FAILING: &str = "\
format: 1
title: Too \"slow\" for </script> & <b>us</b>
why: A page must show a title as it is.
world:
  routers:
    - { name: home, ssid: HomeNet, password: correct horse }
steps:
  - power: on
  - phone: join
  - phone: { configure: { network: home, password: wrong horse } }
  - expect: { device: wait-config, last_error: 722, within: 30s }
  - phone: join
  - phone: { configure: { network: home } }
  - expect: { cloud: online, within: 3s }
  - expect: { device: running, within: 5s }
";
/// Three days online: more than a page holds.
const LONG: &str = "\
format: 1
title: Three days
world:
  routers:
    - { name: home, ssid: HomeNet, password: correct horse }
steps:
  - power: on
  - phone: { provision: { network: home } }
  - expect: { cloud: online, within: 30s }
  - wait: 3d
";

/// Chromium's name here, if it is here.
pub(crate) fn chromium() -> Option<&'static str> {
    let answers = |name: &&str| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    NAMES.into_iter().find(answers)
}

/// The page of a scenario that is run here.
fn page_of(story: &str) -> Result<String, Failed> {
    let scenario = Scenario::parse("story.yaml", story).map_err(|error| Failed::from(error.to_string()))?;
    let outcome = record_on(&Sim, &scenario, &Harness::EXAMPLE, DEFAULT_SEED, &mut |_| true);
    let fault = outcome.failure.as_ref().map(|failure| Fault {
        step: failure.step,
        expected: failure.what.clone(),
        why: failure.why.clone(),
        invariant: failure.invariant.map(|invariant| invariant.name),
    });
    let trace_file = trace_file_of(&scenario, &outcome, fault.as_ref());
    Ok(page::write(&scenario, &outcome.trace, &trace_file, outcome.recording.as_ref()))
}

/// A run that has failed, in a window of this size.
pub(crate) fn check_failed_run(width: u32, height: u32) -> Result<(), Failed> {
    let page = page_of(FAILING)?;
    if page.contains(PASSWORD) || page.contains("wrong horse") {
        return Err("a password stands in the page".into());
    }
    drive(&page, "failed", width, height)
}

/// What a page takes the frames of a run for: `PROTOCOL: SUMMARY` of each that carries ARP, DHCP or DNS, in their order.
pub(crate) fn decoded(page: &str) -> Result<Vec<String>, Failed> {
    let printed = run_driver(page, "decode", 1_280, 800)?;
    Ok(printed.split(" | ").filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// A run with more events than a page holds.
pub(crate) fn check_long_run() -> Result<(), Failed> {
    drive(&page_of(LONG)?, "long", 1_280, 800)
}

fn drive(page: &str, part: &str, width: u32, height: u32) -> Result<(), Failed> {
    match run_driver(page, part, width, height)?.as_str() {
        "all is well" => Ok(()),
        wrong => Err(wrong.to_owned().into()),
    }
}

/// What the driver leaves in the document.
fn run_driver(page: &str, part: &str, width: u32, height: u32) -> Result<String, Failed> {
    let (head, rest) = page.split_once("<meta").ok_or("the page has no head")?;
    let (body, end) = rest.rsplit_once("</body>").ok_or("the page does not end")?;
    let driver = DRIVER.replace("PART", part);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("page.html");
    std::fs::write(&file, format!("{head}{WATCH}<meta{body}<script>{driver}</script></body>{end}"))?;
    let printed = print_document(&file, width, height)?;
    let result = printed.split_once("data-result=\"").and_then(|(_, rest)| rest.split_once('"'));
    let (result, _) = result.ok_or("the page did not come to its end")?;
    Ok(result.replace("&quot;", "\"").replace("&amp;", "&"))
}

/// The document once its scripts have run.
fn print_document(file: &Path, width: u32, height: u32) -> Result<String, Failed> {
    let chromium = chromium().ok_or("chromium is missing")?;
    let profile = tempfile::tempdir()?;
    let output = Command::new(chromium)
        .args(["--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--no-sandbox"])
        // Nothing is looked for elsewhere: a page that asked would fail.
        .args(["--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--window-size={width},{height}"))
        .arg("--virtual-time-budget=10000")
        .arg(format!("file://{}", file.display()))
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
