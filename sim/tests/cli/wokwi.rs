//! What `hil wokwi` says of files, and what it writes.

use std::process::Command;

use super::{Ended, Folder, PASSES, case};

const DIAGRAM: &str = r#"{
  "parts": [
    { "type": "board-esp32-c3-devkitm-1", "id": "esp" },
    { "type": "wokwi-pushbutton", "id": "button", "x": 10 }
  ],
  "connections": [["esp:11", "button:1.l", "", []]]
}
"#;

#[test]
fn wokwis_files_are_looked_at_line_by_line() {
    let folder = Folder::new("wokwi-lint").with("diagram.json", DIAGRAM);
    let expected = [
        "error[wrong-coord-names]: Wokwi does not know `x`",
        "  --> diagram.json:4:51\n",
        "4 |     { \"type\": \"wokwi-pushbutton\", \"id\": \"button\", \"x\": 10 }",
        "error[invalid-pin]: `board-esp32-c3-devkitm-1` has no pin `11`",
        "warning[no-serial]",
        "1 file, 2 errors, 1 warning, 2 remarks",
    ];
    folder.hil(&["wokwi", "lint"]).check(1, &expected, &[]);
    folder.hil(&["wokwi", "lint", "none.toml"]).check(2, &[], &["none.toml cannot be read"]);
    folder.hil(&["wokwi", "lint", "a.txt"]).check(2, &[], &["is none of Wokwi's files"]);
    let empty = Folder::new("wokwi-empty");
    empty.hil(&["wokwi", "lint"]).check(2, &[], &["there is no wokwi.toml, diagram or *.test.yaml"]);
}

#[test]
fn a_warning_is_no_error_unless_it_is_asked_for() {
    let folder =
        Folder::new("wokwi-warning").with("a.test.yaml", "name: T\nversion: 1\nsteps: []\nmore: 1\n");
    folder.hil(&["wokwi", "lint", "a.test.yaml"]).check(0, &["warning[unknown-key]"], &[]);
    folder.hil(&["wokwi", "lint", "--warnings-as-errors"]).check(1, &["1 warning"], &[]);
}

#[test]
fn a_scenario_becomes_one_of_wokwis() {
    let folder = Folder::new("wokwi-export").with("story.yaml", PASSES);
    folder.hil(&["wokwi", "export", "story.yaml"]).check(0, &["  - wait-serial: \"=> WAIT_CONFIG\""], &[]);
    let told = ["out/a.test.yaml has 2 steps; 0 could not be carried over"];
    folder.hil(&["wokwi", "export", "story.yaml", "-o", "out/a.test.yaml"]).check(0, &told, &[]);
    folder.hil(&["wokwi", "lint", "out/a.test.yaml"]).check(0, &["0 errors, 0 warnings"], &[]);
    let folder = folder.with("two.yaml", &case("setup/two-devices.yaml"));
    folder.hil(&["wokwi", "export", "two.yaml"]).check(
        2,
        &[],
        &["has 2 devices", "one device runs in Wokwi"],
    );
}

/// What takes sockets is another program's work. This one stands in for it, and is called again as it was called.
#[test]
fn what_takes_sockets_is_handed_over_with_its_command_line() {
    let folder = Folder::new("wokwi-target").with("a.yaml", PASSES);
    let handed_over = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(super::HIL);
        command.current_dir(&folder.0).args(arguments).env("HIL_LIVE", program);
        Ended::from(command.output().expect("the command starts"))
    };
    if cfg!(unix) {
        let told = handed_over("echo", &["run", "a.yaml", "--target", "wokwi", "--seed", "7"]);
        told.check(0, &["run a.yaml --target wokwi --seed 7\n"], &[]);
        handed_over("false", &["wokwi", "peer", "--port", "0"]).check(1, &[], &[]);
    }
    let missing = handed_over("no-such-program", &["wokwi", "serve", "app.elf"]);
    missing.check(3, &[], &["error: no-such-program cannot be started: ", "look at HIL_LIVE"]);
}

#[test]
fn what_is_wokwis_is_refused_elsewhere() {
    let folder = Folder::new("wokwi-elsewhere").with("a.yaml", PASSES);
    let refused = |options: &[&str], words: &str| {
        let options: Vec<&str> = ["run", "a.yaml"].into_iter().chain(options.iter().copied()).collect();
        folder.hil(&options).check(2, &[], &[words]);
    };
    refused(&["--peer"], "the target `sim` has neither a diagram nor a peer");
    refused(
        &["--target", "qemu", "--diagram", "d.json"],
        "the target `qemu` has neither a diagram nor a peer",
    );
    refused(&["--radio", "real"], "the target `sim` has the world's radio");
    refused(&["--radio", "real", "--html", "a.html"], "only seen from outside has no trace");
    let help = folder.hil(&["wokwi", "serve", "--help"]);
    help.check(0, &["--gdb-port", "gdb-multiarch app.elf"], &[]);
    folder.hil(&["wokwi", "peer", "--help"]).check(0, &["ws://127.0.0.1:9177"], &[]);
}
