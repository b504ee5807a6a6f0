use proptest::prelude::*;

use super::*;
use crate::scenario::Scenario;

/// Writes files and says what is found in the last of them: `line:column severity rule`, one line each.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut last = PathBuf::new();
    for (name, text) in files {
        last = folder.path().join(name);
        fs::create_dir_all(last.parent().expect("a folder")).expect("it can be made");
        fs::write(&last, text).expect("it can be written");
    }
    let kind = Kind::of(&last).expect("one of Wokwi's");
    let findings = lint(&last, kind).expect("it can be read");
    let line =
        |Finding { severity, rule, at, .. }: &Finding| format!("{}:{} {severity} {rule}", at.line, at.column);
    findings.iter().map(line).collect()
}

const BOARD: &str = r#"{ "type": "board-esp32-c3-devkitm-1", "id": "esp" }"#;
const WIRED: &str = r#"["esp:TX", "$serialMonitor:RX", "", []], ["esp:RX", "$serialMonitor:TX", "", []]"#;

/// A diagram with a board in the second line, these parts in the third and these connections in the fourth.
#[track_caller]
fn check_diagram(parts: &str, connections: &str, expected: &[&str]) {
    let comma = |text: &str| if text.is_empty() { String::new() } else { format!(",\n{text}") };
    let [parts, connections] = [parts, connections].map(comma);
    let text = format!("{{ \"parts\": [\n{BOARD}{parts}],\n\"connections\": [{WIRED}{connections}] }}");
    let findings = found(&[("diagram.json", &text)]);
    let others: Vec<&String> =
        findings.iter().filter(|line| !line.ends_with("info unsupported-part")).collect();
    assert_eq!(others, expected, "{text}");
}

#[test]
fn a_diagram_without_a_fault_has_none() {
    let button = r#"{ "type": "wokwi-pushbutton", "id": "b", "attrs": { "bounce": "0" } }"#;
    check_diagram(
        button,
        r#"["b:1.l", "esp:9", "blue", []], ["b:2.l", "esp:GND.1", "black", ["v0", "*", "h4"]]"#,
        &[],
    );
}

#[test]
fn each_rule_of_wokwi_is_known() {
    check_diagram(r#"{ "type": "wokwi-text", "id": "esp" }"#, "", &["3:31 error duplicate-id"]);
    check_diagram(r#"{ "type": "wokwy-led", "id": "l" }"#, "", &["3:11 error unknown-part-type"]);
    check_diagram(
        "",
        r#"["esp:11", "esp:GND", "", []]"#,
        &["4:2 error invalid-pin", "4:12 error invalid-pin"],
    );
    check_diagram("", r#"["eps:9", "esp:8", "", []]"#, &["4:2 error missing-component"]);
    check_diagram("", r#"["esp:9", "$serialMonitor:DX", "", []]"#, &["4:11 error invalid-pin"]);
    check_diagram(
        r#"{ "type": "wokwi-text", "id": "t", "x": 1, "attrs": { "y": "2" } }"#,
        "",
        &["3:36 error wrong-coord-names", "3:55 error wrong-coord-names"],
    );
    let led = |attrs: &str| format!(r#"{{ "type": "wokwi-led", "id": "l", "attrs": {{ {attrs} }} }}"#);
    let wire = r#"["l:A", "esp:8", "", []]"#;
    check_diagram(&led(r#""colour": "red""#), wire, &["3:46 warning invalid-attribute"]);
    check_diagram(&led(r#""flip": "yes""#), wire, &["3:54 warning invalid-attribute"]);
    check_diagram(
        &led(r#""top": "1""#),
        wire,
        &["3:46 warning misplaced-coords", "3:46 warning invalid-attribute"],
    );
    check_diagram(&led(r#""flip": 1"#), wire, &["3:54 warning attribute-no-text"]);
    check_diagram(&led(""), "", &["3:1 warning redundant-parts"]);
}

#[test]
fn what_others_have_tripped_over_is_known() {
    let flash = r#"{ "type": "board-esp32-devkit-c-v4", "id": "e" }"#;
    check_diagram(flash, r#"["e:D2", "esp:8", "", []]"#, &["5:2 warning flash-pin"]);
    check_diagram(
        r#"{ "type": "wokwi-pushbutton", "id": "b" }"#,
        r#"["b:1.l", "esp:9", "", []]"#,
        &["3:1 info button-bounces"],
    );
    let mute = format!("{{ \"parts\": [{BOARD}], \"connections\": [] }}");
    assert!(found(&[("diagram.json", &mute)]).contains(&"1:13 warning no-serial".to_owned()));
    let usb = BOARD.replace("\"esp\"", "\"esp\", \"attrs\": { \"serialInterface\": \"USB_SERIAL_JTAG\" }");
    let both = format!("{{ \"parts\": [{usb}], \"connections\": [{WIRED}] }}");
    assert!(found(&[("diagram.json", &both)]).contains(&"1:13 warning two-serials".to_owned()));
    assert_eq!(found(&[("diagram.json", "{ \"parts\": [] }")]), ["1:1 error json-parse"]);
    assert_eq!(found(&[("diagram.json", "{ \"parts\": [], }")]), ["1:14 error json-parse"]);
}

#[track_caller]
fn check_config(text: &str, expected: &[&str]) {
    let text = format!("[wokwi]\nversion = 1\nfirmware = \"app.elf\"\n{text}");
    assert_eq!(
        found(&[("app.elf", ""), ("diagram.json", "{}"), ("wokwi.toml", &text)][1..]),
        expected_with(expected)
    );
}

/// The firmware is not built in these tests.
fn expected_with(others: &[&str]) -> Vec<String> {
    let mut all = vec!["3:12 info not-built".to_owned()];
    all.extend(others.iter().map(|line| (*line).to_owned()));
    all
}

#[test]
fn the_configuration_is_held_against_what_wokwi_reads() {
    check_config("", &[]);
    check_config("frimware = \"x\"\n", &["4:1 warning unknown-key"]);
    check_config("rfc2217ServerPort = 70000\n", &["4:21 error config"]);
    check_config("gdbServerPort = 3333\n", &["4:1 info editor-only"]);
    check_config(
        "[[chip]]\nname = \"chip-x\"\nbinary = \"x.bin\"\n",
        &["5:8 error chip-prefix", "6:10 error config"],
    );
    check_config(
        "[[net.forward]]\nfrom = \"localhost:80\"\nto = \"80\"\n",
        &["4:3 info editor-only", "6:6 error config"],
    );
    let bare = found(&[("diagram.json", "{}"), ("wokwi.toml", "[wokwi]\nversion = 2\n")]);
    assert_eq!(bare, ["1:1 error config", "2:11 error config"]);
    assert_eq!(found(&[("wokwi.toml", "")]), ["1:1 error config", "1:1 error config"]);
    assert_eq!(found(&[("wokwi.toml", "[wokwi\n")]).len(), 1);
}

#[test]
fn a_list_of_what_goes_into_the_flash_is_read_as_well() {
    let check = |args: &str, expected: &[&str]| {
        let config = "[wokwi]\nversion = 1\nfirmware = \"flasher_args.json\"\n";
        let files =
            [("flasher_args.json", args), ("app.bin", ""), ("diagram.json", "{}"), ("wokwi.toml", config)];
        assert_eq!(found(&files), expected, "{args}");
    };
    check(r#"{ "flash_files": { "0x0": "app.bin", "0x10000": "app.bin" } }"#, &[]);
    check(r#"{ "flash_files": { "0x0": "boot.bin" } }"#, &["3:12 info not-built"]);
    check(r#"{ "flash_files": { "4096": "app.bin" } }"#, &["3:12 error flasher-args"]);
    check(r#"{ "flash_files": { "0x0": 1 } }"#, &["3:12 error flasher-args"]);
    check(r#"{ "flash_files": [] }"#, &["3:12 error flasher-args"]);
    check("{", &["3:12 error flasher-args"]);
}

/// What is found in a scenario with these steps; the first one stands in the fourth line.
#[track_caller]
fn check_scenario(steps: &str, expected: &[&str]) {
    let diagram = format!(
        "{{ \"parts\": [{BOARD}, {{ \"type\": \"wokwi-pushbutton\", \"id\": \"b\" }}], \"connections\": [] }}"
    );
    let text = format!("name: T\nversion: 1\nsteps:\n{steps}\n  - delay: 1ms\n");
    assert_eq!(found(&[("diagram.json", &diagram), ("t.test.yaml", &text)]), expected, "{text}");
}

#[test]
fn automation_is_held_against_what_wokwi_does() {
    check_scenario("  - wait-serial: RUNNING", &[]);
    check_scenario("  - delay: 100", &["4:12 error scenario"]);
    check_scenario("  - wait-seral: x", &["4:5 error unknown-step"]);
    check_scenario("  - name: only a name", &["4:5 error scenario"]);
    check_scenario("  - { delay: 1s, wait-serial: x }", &["4:31 error second-action"]);
    check_scenario("  - write-serial: \"help\\n\"", &[]);
    check_scenario("  - write-serial: help", &["4:19 info no-newline"]);
    check_scenario("  - write-serial: [300]", &["4:19 error scenario"]);
    check_scenario("  - set-control: { part-id: b, control: pressed, value: 1 }", &[]);
    check_scenario(
        "  - set-control: { part-id: b, name: pressd, value: 1 }",
        &["4:38 error invalid-control"],
    );
    check_scenario(
        "  - set-control: { part-id: c, name: pressed, value: true }",
        &["4:29 error missing-component", "4:54 error scenario"],
    );
    check_scenario("  - expect-pin: { part-id: esp, name: \"8\", value: 1 }", &[]);
    check_scenario("  - expect-pin: { part-id: esp, pin: 8, value: 1 }", &["4:38 error unquoted-pin"]);
    check_scenario("  - expect-pin: { part-id: esp, pin: \"77\", value: 1 }", &["4:38 error invalid-pin"]);
    check_scenario(
        "  - expect-pin: { part-id: esp, pin: \"8\", expected: 1 }",
        &["4:17 error scenario", "4:53 error expected-ignored"],
    );
    check_scenario("  - take-screenshot: { part-id: esp }", &["4:22 error scenario"]);
    check_scenario("  - touch: { part-id: esp, x: 1 }", &["4:12 error scenario"]);
}

#[test]
fn a_last_step_that_needs_time_has_none() {
    let text = "name: T\nversion: 1\nsteps:\n  - write-serial: \"x\\n\"\n";
    assert_eq!(found(&[("t.test.yaml", text)]), ["4:5 warning no-time-left"]);
    assert_eq!(found(&[("t.test.yaml", "steps: 1\n")]).len(), 3);
}

#[test]
fn the_files_of_this_project_have_no_fault() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in [root.clone(), root.join("wokwi/esp32c6")] {
        let files = files(&folder).expect("the folder can be read");
        assert!(files.len() >= 2, "{}", folder.display());
        for (path, kind) in files {
            for finding in lint(&path, kind).expect("it can be read") {
                assert_eq!(finding.severity, Severity::Info, "{finding:?}");
            }
        }
    }
}

/// A scenario as Wokwi's, without its comments.
fn exported(steps: &str, led: Option<&str>) -> Vec<String> {
    let text = format!(
        "format: 1\ntitle: T\nworld: {{ routers: [{{ name: home, ssid: H, password: correct horse }}] }}\nsteps:\n{steps}"
    );
    let scenario = Scenario::parse("t.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
    let options = Options { button: "b".to_owned(), led: led.map(str::to_owned), ..Options::default() };
    let (yaml, _) = export("t.yaml", &scenario, &options);
    let lines = yaml.lines().filter(|line| line.starts_with("  - "));
    lines.map(|line| line.trim_start_matches("  - ").to_owned()).collect()
}

#[test]
fn a_scenario_is_carried_over_as_far_as_wokwi_goes() {
    let steps = "
  - power: on
  - expect: { device: wait-config, ap: up }
  - phone: { provision: { network: home } }
  - expect: { cloud: online }
  - expect: { device: running }
  - button: { hold: 11s }
  - expect: { device: wait-config }
  - expect: { device: wait-config, console: help }
  - wait: 3s
  - router: { power: off }
";
    let expected = [
        "wait-serial: \"=> WAIT_CONFIG\"",
        "write-serial: \"connect WokwiKnowsNoCloud_WokwiKnowsNone Wokwi-GUEST\\u000d\\n\"",
        "wait-serial: \"=> CONNECTING_CLOUD\"",
        "set-control: { part-id: \"b\", control: pressed, value: 1 }",
        "delay: 11000000us",
        "set-control: { part-id: \"b\", control: pressed, value: 0 }",
        "wait-serial: \"=> WAIT_CONFIG\"",
        "wait-serial: \"help\"",
        "delay: 3000000us",
        "delay: 1s",
    ];
    assert_eq!(exported(steps, None), expected);
    let lit = exported("  - expect: { device: wait-config }\n", Some("2"));
    let looks = "expect-pin: { part-id: \"esp\", pin: \"2\", value: 1 }";
    assert_eq!(lit, ["wait-serial: \"=> WAIT_CONFIG\"", "delay: 20000us", looks, "delay: 1s"]);
}

#[test]
fn what_is_carried_over_has_no_fault() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/cases");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let diagram = Path::new(env!("CARGO_MANIFEST_DIR")).join("../diagram.json");
    fs::copy(diagram, folder.path().join("diagram.json")).expect("it can be copied");
    let options = Options { led: Some("8".to_owned()), ..Options::default() };
    let (mut steps, mut count) = (0, 0);
    for layer in fs::read_dir(cases).expect("the folder of cases").flatten() {
        for file in fs::read_dir(layer.path()).expect("a folder").flatten().map(|file| file.path()) {
            if Kind::of(&file) != Some(Kind::Automation) {
                continue;
            }
            let scenario = Scenario::load(&file).unwrap_or_else(|error| panic!("{error}"));
            let (yaml, carried) = export("case", &scenario, &options);
            let path = folder.path().join("case.test.yaml");
            fs::write(&path, &yaml).expect("it can be written");
            let found = lint(&path, Kind::Automation).expect("it can be read");
            assert_eq!(found, [], "{}\n{yaml}", file.display());
            assert_eq!(carried.steps + carried.left_out, scenario.steps.len());
            steps += carried.steps;
            count += 1;
        }
    }
    assert!(count > 100 && steps > 3 * count, "{steps} steps of {count} cases");
}

proptest! {
    #[test]
    fn whatever_stands_in_a_file_something_is_said(text in "(\\PC|[-:\\[\\]{}#,\"'\n \t=]){0,60}") {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["wokwi.toml", "diagram.json", "a.test.yaml"] {
            let path = folder.path().join(name);
            fs::write(&path, &text).expect("it can be written");
            let findings = lint(&path, Kind::of(&path).expect("one of Wokwi's")).expect("it can be read");
            prop_assert!(!findings.is_empty(), "{} has no fault: {:?}", name, text);
        }
    }
}
