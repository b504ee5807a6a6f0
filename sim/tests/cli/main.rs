//! The command `hil` from outside: what it writes where, and how it ends.

mod evidence;
mod wokwi;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const HIL: &str = env!("CARGO_BIN_EXE_hil");

const PASSES: &str = "format: 1
title: A device starts
steps:
  - power: on
  - expect: { device: wait-config, within: 5s }
";

/// The device is in `WAIT_CONFIG` after 300 ms and never online by itself.
const FAILS: &str = "format: 1
title: A device is online by magic
world:
  routers: [ { name: home, ssid: HomeNet, password: correct horse } ]
steps:
  - power: on
  - phone: join
  - phone: { configure: { ssid: HomeNet, password: wrong horse } }
  - expect: { cloud: online, within: 20s }
";

const MISSPELT: &str = "format: 1
title: A slip of the finger
steps:
  - power: on
  - expect: { devise: wait-config }
";

/// A folder of one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hil-cli-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn with(self, file: &str, text: &str) -> Self {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
        self
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.0.join(file)).ok()
    }

    fn hil(&self, arguments: &[&str]) -> Ended {
        self.hil_in("", arguments)
    }

    fn hil_in(&self, below: &str, arguments: &[&str]) -> Ended {
        let mut command = Command::new(HIL);
        command.current_dir(self.0.join(below)).args(arguments);
        Ended::from(command.output().expect("the command starts"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What the command left behind.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the output is text");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ended {
    #[track_caller]
    fn check(&self, code: i32, out: &[&str], err: &[&str]) {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        for part in out {
            assert!(self.out.contains(part), "`{part}` is not in\n{}", self.out);
        }
        for part in err {
            assert!(self.err.contains(part), "`{part}` is not in\n{}", self.err);
        }
    }

    fn first_line(&self) -> &str {
        self.out.lines().next().unwrap_or_default()
    }

    fn last_line(&self) -> &str {
        self.out.lines().last().unwrap_or_default()
    }
}

/// A case of the project.
fn case(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/cases").join(name);
    fs::read_to_string(path).expect("the case is there")
}

#[test]
fn all_cases_are_found_and_told_in_one_line_each_with_a_summary() {
    let folder = ["setup/first-setup", "network/router-outage", "credentials/wrong-password"].iter().fold(
        Folder::new("all"),
        |folder, name| {
            let file = format!("{name}.yaml");
            let base = Path::new(&file).file_name().expect("a file has a name").display();
            folder.with(&format!("scenarios/cases/deeper/{base}"), &case(&file))
        },
    );
    let folder = folder.with("elsewhere/below/note.txt", "");
    for below in ["", "elsewhere/below"] {
        let ended = folder.hil_in(below, &["run"]);
        ended.check(0, &["First setup", "The router is off for seven hours"], &[]);
        assert_eq!(ended.first_line(), "hil 0.1.0, seed 1, target sim, 3 scenarios");
        let lines: Vec<&str> = ended.out.lines().collect();
        let names = ["ok    first-setup ", "ok    router-outage ", "ok    wrong-password "];
        assert!(lines[1..4].iter().zip(names).all(|(line, name)| line.starts_with(name)), "{}", ended.out);
        let summary = ended.last_line();
        assert!(summary.starts_with("3 passed, 0 failed · 7 h 1 min of device life in "), "{summary}");
        assert!(summary.ends_with(" x)"), "{summary}");
        assert_eq!(ended.err, "");
    }
}

#[test]
fn without_cases_the_command_says_what_to_do() {
    let folder = Folder::new("none");
    folder.hil(&["run"]).check(2, &[], &["error: there is no folder `scenarios/cases` here", "hil new"]);
    folder.hil(&["run", "a.yaml"]).check(2, &[], &["there is no file `a.yaml`", "hil new a.yaml"]);
    folder.with("empty/a.txt", "").hil(&["run", "empty"]).check(
        2,
        &[],
        &["no scenario (*.yaml) below `empty`"],
    );
}

#[test]
fn one_file_is_told_line_by_line() {
    let folder = Folder::new("one").with("story.yaml", PASSES);
    let ended = folder.hil(&["run", "story.yaml", "--seed", "0x2a"]);
    let expected = [
        "\n\nA device starts\n",
        "\n-- step 1 (line 4): device gets power\n    0.000  device  power on\n",
        "\n    0.300  device  INIT => WAIT_CONFIG\n",
        "\npassed: 300 ms of device life in ",
    ];
    ended.check(0, &expected, &[]);
    assert_eq!(ended.first_line(), "hil 0.1.0, seed 42, target sim, 1 scenario");
    assert!(!ended.out.contains("prints") && !ended.out.contains("radio:"), "{}", ended.out);
}

#[test]
fn more_is_told_when_it_is_asked_for() {
    let folder = Folder::new("verbose").with("a/story.yaml", PASSES);
    folder.hil(&["run", "a/story.yaml", "-v"]).check(
        0,
        &["radio: open Blynk", "hash of the exact trace"],
        &[],
    );
    folder.hil(&["run", "a", "-vv"]).check(0, &["device  prints [0] AP URL:  blynk.setup"], &[]);
    let folder = folder.with("a/tale.yaml", FAILS);
    let ended = folder.hil(&["run", "a", "-v"]);
    ended.check(
        1,
        &["\nA device starts\n", "\nA device is online by magic\n", "\n1 passed, 1 failed · "],
        &[],
    );
    assert_eq!(ended.last_line(), format!("  {HIL} run a/tale.yaml --seed 1"));
}

#[test]
fn a_failure_says_what_was_expected_what_was_so_and_how_to_replay_it() {
    let folder = Folder::new("fails").with("my case.yaml", FAILS);
    let ended = folder.hil(&["run", "my case.yaml", "--seed", "7"]);
    let expected = [
        "FAILED after 21.7 s, in step 4 (line 9)\n",
        "  expected: device should be online to the cloud, within 20 s\n",
        "  but:      the device in the cloud is never-seen, not online\n",
        "\nlast events\n",
        "home    did nothing\n",
    ];
    ended.check(1, &expected, &[]);
    assert_eq!(ended.last_line(), format!("  {HIL} run 'my case.yaml' --seed 7"));
}

#[cfg(unix)]
#[test]
fn the_replay_command_replays() {
    let folder = Folder::new("replay").with("my case.yaml", FAILS);
    let first = folder.hil(&["run", "my case.yaml", "--seed", "7"]);
    let mut shell = Command::new("sh");
    shell.current_dir(&folder.0).args(["-c", first.last_line()]);
    let again = Ended::from(shell.output().expect("the shell starts"));
    assert_eq!((again.code, again.out), (first.code, first.out));
}

#[test]
fn of_many_cases_the_first_that_failed_is_replayed() {
    let folder = Folder::new("some").with("a.yaml", PASSES).with("b.yaml", FAILS).with("c.yaml", FAILS);
    let ended = folder.hil(&["run", "a.yaml", "b.yaml", "c.yaml"]);
    let expected =
        ["ok    a ", "FAIL  b ", "FAIL  c ", "\n1 passed, 2 failed · ", "is never-seen, not online"];
    ended.check(1, &expected, &[]);
    assert_eq!(ended.last_line(), format!("  {HIL} run b.yaml --seed 1"));
    ended.check(1, &["      everything of it is in target/hil/c\n"], &[]);
    assert!(folder.0.join("target/hil/b/capture.pcapng").is_file());
    assert!(!folder.0.join("target/hil/a").exists());
}

#[test]
fn a_misspelt_key_is_shown_at_its_place() {
    let folder = Folder::new("misspelt").with("bad.yaml", MISSPELT).with("good.yaml", PASSES);
    let place = ["unknown key `devise`", "--> bad.yaml:5:15", "did you mean `device`?"];
    folder.hil(&["check", "bad.yaml"]).check(2, &[], &place);
    folder.hil(&["run", "bad.yaml"]).check(2, &["hil 0.1.0"], &place);
    // What can be run is.
    folder.hil(&["run", "."]).check(2, &["ok    good ", "1 passed, 0 failed, 1 not readable"], &place);
    folder.hil(&["check", "good.yaml"]).check(0, &["ok  good.yaml: A device starts (2 steps)"], &[]);
}

#[test]
fn what_is_no_text_is_shown_at_its_place() {
    let folder = Folder::new("bytes").with("latin1.yaml", "");
    fs::write(folder.0.join("latin1.yaml"), b"format: 1\ntitle: K\xFCche\n").expect("a file");
    let place = ["this is not UTF-8", "--> latin1.yaml:2:9", "save it as UTF-8"];
    folder.hil(&["check", "latin1.yaml"]).check(2, &[], &place);
    // A file that never ends is too long, and is not waited for.
    #[cfg(target_os = "linux")]
    folder.hil(&["check", "/dev/zero"]).check(2, &[], &["the file is too long for a scenario"]);
}

#[test]
fn wrong_use_is_told_apart_from_failure() {
    let folder = Folder::new("use").with("a.yaml", PASSES).with("b.yaml", PASSES);
    folder.hil(&[]).check(2, &[], &["Usage: hil"]);
    folder.hil(&["walk"]).check(2, &[], &["unrecognized subcommand 'walk'"]);
    folder.hil(&["run", "--seed", "x"]).check(2, &[], &["a seed is a whole number below 2^64"]);
    folder.hil(&["run", "--update", "--seed", "2"]).check(2, &[], &["at the default seed only"]);
    folder.hil(&["run", "a.yaml", "b.yaml", "--pace", "real"]).check(2, &[], &["one scenario at a time"]);
    folder.hil(&["run", "--help"]).check(0, &["Examples:", "hil run first.yaml -v", "Exit codes:"], &[]);
    folder.hil(&["--version"]).check(0, &["hil 0.1.0"], &[]);
}

#[test]
fn a_target_that_is_not_there_is_no_failure_of_the_scenario() {
    let folder = Folder::new("target").with("a.yaml", PASSES);
    let board = folder.hil(&["run", "a.yaml", "--target", "board", "--port", "no-such-port"]);
    board.check(3, &[], &["error: no-such-port: it cannot be opened: ", "this machine has "]);
}

#[test]
fn what_a_target_cannot_do_is_said() {
    let folder = Folder::new("target options").with("a.yaml", PASSES);
    folder.hil(&["run", "a.yaml", "--firmware", "a.elf"]).check(
        2,
        &[],
        &["the target `sim` runs the firmware"],
    );
    folder.hil(&["run", "a.yaml", "--port", "p"]).check(2, &[], &["the target `sim` has no serial port"]);
    folder.hil(&["run", "a.yaml", "--target", "board"]).check(
        2,
        &[],
        &["a board needs a serial port", "--port"],
    );
    let twice = ["run", "a.yaml", "--target", "board", "--port", "p", "--port", "p"];
    folder.hil(&twice).check(2, &[], &["p is named twice"]);
    let update = ["run", "a.yaml", "--target", "qemu", "--update"];
    folder.hil(&update).check(2, &[], &["only the simulator writes snapshots"]);
}

#[test]
fn a_story_that_changed_fails_with_the_difference() {
    let folder = Folder::new("story").with("a.yaml", PASSES);
    folder.hil(&["run", "a.yaml"]).check(0, &["no story stands beside the file yet"], &[]);
    folder.hil(&["run", "a.yaml", "--update"]).check(
        0,
        &["snapshots are written", "now that of a.story.snap"],
        &[],
    );
    folder.hil(&["run", "a.yaml"]).check(0, &["the story is that of a.story.snap"], &[]);

    let story = folder.read("a.story.snap").expect("it was written");
    assert!(story.starts_with("---\nsource: scenarios/tests/cases.rs\n---\ndevice: power on\n"), "{story}");
    let exact = folder.read("a.exact.snap").expect("it was written");
    assert!(exact.contains("frames, digest "), "{exact}");

    let folder = folder.with("a.story.snap", &story.replace("WAIT_CONFIG", "RUNNING"));
    let difference =
        ["not that of a.story.snap", "- device: INIT => RUNNING\n", "+ device: INIT => WAIT_CONFIG\n"];
    folder.hil(&["run", "a.yaml"]).check(1, &difference, &[]);
    let ended = folder.hil(&["run", "."]);
    ended.check(1, &difference, &[]);
    assert_eq!(ended.last_line(), format!("  {HIL} run a.yaml --seed 1"));
    folder.hil(&["run", "a.yaml", "--seed", "2"]).check(0, &["not compared"], &[]);
    folder.hil(&["run", ".", "--update"]).check(0, &["snapshots written", "1 with new snapshots"], &[]);
    folder.hil(&["run", ".", "--update"]).check(0, &["1 passed, 0 failed · "], &[]);
    assert_eq!(folder.read("a.story.snap").as_deref(), Some(story.as_str()));
}

#[test]
fn a_run_that_failed_writes_no_snapshots() {
    let folder = Folder::new("unwritten").with("a.yaml", FAILS);
    folder.hil(&["run", "a.yaml", "--update"]).check(1, &["FAILED"], &[]);
    assert_eq!(folder.read("a.story.snap"), None);
}

#[test]
fn colour_is_for_terminals() {
    let folder = Folder::new("colour").with("a.yaml", PASSES).with("b.yaml", FAILS).with("c.yaml", MISSPELT);
    for arguments in
        [&["run", "a.yaml"][..], &["run", "b.yaml"], &["run", "."], &["doctor"], &["run", "--help"]]
    {
        let ended = folder.hil(arguments);
        assert!(
            !ended.out.contains('\u{1B}') && !ended.err.contains('\u{1B}'),
            "{arguments:?}: {}",
            ended.out
        );
    }
    folder.hil(&["run", "b.yaml", "--color", "always"]).check(
        1,
        &["\u{1B}[1m\u{1B}[31mFAILED\u{1B}[0m"],
        &[],
    );
}

#[test]
fn no_secret_is_shown() {
    let folder = Folder::new("secrets").with("a.yaml", FAILS);
    let ended = folder.hil(&["run", "a.yaml", "-vv"]);
    ended.check(1, &["sends the configuration for \"HomeNet\" with password ***"], &[]);
    assert!(!ended.out.contains("horse"), "{}", ended.out);
}

#[test]
fn time_may_pass_as_slowly_as_one_likes() {
    let folder = Folder::new("pace").with("a.yaml", PASSES);
    let timeline = |arguments: &[&str]| {
        let ended = folder.hil(arguments);
        ended.check(0, &[], &[]);
        let lines: Vec<String> = ended.out.lines().skip(1).map(str::to_owned).collect();
        lines.into_iter().filter(|line| !line.starts_with("passed: ")).collect::<Vec<_>>()
    };
    assert_eq!(timeline(&["run", "a.yaml", "--pace", "1000x"]), timeline(&["run", "a.yaml"]));
    folder.hil(&["run", "a.yaml", "--pace", "1000x"]).check(0, &["1 scenario, at 1000 times real pace"], &[]);
}

#[test]
fn the_first_scenario_passes_and_is_never_written_over() {
    let folder = Folder::new("new");
    let file = "scenarios/cases/my-first-setup.yaml";
    folder.hil(&["new"]).check(0, &["wrote scenarios/cases/my-first-setup.yaml", "hil run scenarios"], &[]);
    assert!(folder.read("scenarios/scenario.schema.json").is_some_and(|schema| schema.starts_with('{')));
    folder.hil(&["run"]).check(0, &["1 passed, 0 failed"], &[]);

    let folder = folder.with(file, "mine");
    folder.hil(&["new"]).check(2, &[], &["is there already, and nothing is written over it", "hil new FILE"]);
    assert_eq!(folder.read(file).as_deref(), Some("mine"));
    folder.hil(&["new", "deep/er/a.yaml"]).check(0, &["wrote deep/er/a.yaml"], &[]);
    let first_line = "# yaml-language-server: $schema=scenario.schema.json\n";
    assert!(folder.read("deep/er/a.yaml").is_some_and(|text| text.starts_with(first_line)));
    assert!(folder.read("deep/er/scenario.schema.json").is_some());
}

#[test]
fn the_doctor_names_every_program_and_its_package() {
    let expected = [
        ("qemu-system-riscv32", "qemu-system-misc"),
        ("tshark", "tshark"),
        ("chromium", "chromium"),
        ("dhclient", "isc-dhcp-client"),
        ("dig", "bind9-dnsutils"),
        ("curl", "curl"),
        ("gtkwave or sigrok-cli", "gtkwave"),
        ("espflash", "cargo install espflash"),
        ("valgrind", "valgrind"),
        ("riscv32imc-unknown-none-elf", "rustup target add riscv32imc-unknown-none-elf"),
    ];
    let folder = Folder::new("doctor");
    folder.hil(&["doctor"]).check(0, &expected.map(|(program, _)| program), &[]);
    let mut blind = Command::new(HIL);
    blind.arg("doctor").env("PATH", &folder.0);
    let ended = Ended::from(blind.output().expect("the command starts"));
    for (program, package) in expected.into_iter().filter(|(program, _)| *program != "dhclient") {
        ended.check(0, &[&format!("missing {program} "), package], &[]);
    }
}

#[test]
fn every_cut_is_tried_and_one_can_be_told() {
    let folder = Folder::new("cuts").with("a.yaml", &case("setup/first-setup.yaml")).with("b.yaml", PASSES);
    let ended = folder.hil(&["cuts", "a.yaml", "--noises", "1"]);
    ended.check(
        0,
        &["4 flash operations in a.yaml", "ok    device   1 program  440 bytes", "460 cuts, all survived"],
        &[],
    );
    folder.hil(&["cuts", "a.yaml", "--at", "2:begun:3"]).check(
        0,
        &["power cut while writing flash", "the cut at 2:begun:3 does no harm"],
        &[],
    );
    folder.hil(&["cuts", "a.yaml", "--at", "9:1:0"]).check(
        2,
        &[],
        &["there is no flash operation 9", "has 4"],
    );
    folder.hil(&["cuts", "a.yaml", "--at", "x"]).check(2, &[], &["a cut is OPERATION:BYTES:NOISE"]);
    folder.hil(&["cuts", "a.yaml", "--device", "lamp"]).check(2, &[], &["no device `lamp`", "it has device"]);
    folder.hil(&["cuts", "b.yaml"]).check(2, &[], &["no device writes its flash in this story"]);
    folder.hil(&["cuts", "c.yaml"]).check(2, &[], &["c.yaml", "cannot be read"]);
}

#[test]
fn exploring_comes_to_the_same_whatever_the_number_of_jobs_and_shards() {
    let folder = Folder::new("explore").with("a.yaml", &case("setup/first-setup.yaml"));
    let explore = |more: &[&str]| {
        let ended = folder.hil(&[&["explore", "a.yaml", "--seeds", "30", "--from", "0x10"], more].concat());
        ended.check(0, &["seeds 16 to 45", "nothing is wrong"], &[]);
    };
    explore(&["--json", "one.json", "--jobs", "1"]);
    explore(&["--json", "three.json", "--jobs", "3", "--check-determinism"]);
    assert_eq!(folder.read("one.json"), folder.read("three.json"));
    for shard in ["1", "2", "3"] {
        explore(&["--shard", &format!("{shard}/3"), "--json", &format!("parts/{shard}.json")]);
    }
    let parts = ["merge", "parts/3.json", "parts/1.json", "parts/2.json", "--json", "merged.json"];
    folder.hil(&parts).check(0, &["30 seeds from 16, 3 of 3 shards", "nothing is wrong"], &[]);
    let digest = |name: &str| {
        let text = folder.read(name).expect("a result");
        text.lines().find(|line| line.contains("digest")).map(str::to_owned)
    };
    assert_eq!(digest("merged.json"), digest("one.json"));
    folder.hil(&parts[..3]).check(2, &["2 of 3 shards"], &["not all shards are there: 2 of 3 are missing"]);
    folder.hil(&["merge", "parts/1.json", "parts/1.json"]).check(
        2,
        &[],
        &["shard 1 of parts/1.json is there already"],
    );
    folder.hil(&["merge", "a.yaml"]).check(2, &[], &["a.yaml: expected value at line 1"]);
    folder.hil(&["explore", "a.yaml", "--shard", "4/3"]).check(2, &[], &["which of how many, such as 3/16"]);
    let shown = folder.hil(&["explore", "a.yaml", "--from", "7", "--show"]);
    shown.check(0, &["title: First setup", "may_fail: true", "  - settle: 30m"], &[]);
    let folder = folder.with("seven.yaml", &shown.out);
    folder.hil(&["run", "seven.yaml", "--seed", "7"]).check(0, &["passed"], &[]);
}

#[test]
fn hashes_are_the_same_whatever_the_number_of_jobs() {
    let folder =
        Folder::new("hashes").with("a/a.yaml", PASSES).with("b.yaml", &case("setup/first-setup.yaml"));
    for jobs in ["1", "2"] {
        folder.hil(&["run", ".", "--jobs", jobs, "--hashes", &format!("{jobs}.txt")]).check(
            0,
            &["2 passed"],
            &[],
        );
    }
    let hashes = folder.read("1.txt").expect("the hashes");
    let lines: Vec<&str> = hashes.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].ends_with("  a/a.yaml") && lines[1].ends_with("  b.yaml"),
        "{hashes}"
    );
    assert_eq!(Some(hashes), folder.read("2.txt"));
}
