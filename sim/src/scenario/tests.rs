use proptest::prelude::*;

use super::*;

pub(super) const HEAD: &str = "format: 1\ntitle: T\nwhy: W\n";
const WORLD: &str = "world:\n  routers:\n    - { name: home, ssid: HomeNet, password: correct horse }\n";

/// A file with a world and these steps; the first of them stands in line 8.
fn with_steps(steps: &str) -> String {
    format!("{HEAD}{WORLD}steps:\n{steps}")
}

/// A file with these lines in its world, from line 5 on, and one step.
pub(super) fn with_world(world: &str) -> String {
    format!("{HEAD}world:\n{world}steps:\n  - power: on\n")
}

#[track_caller]
pub(super) fn parsed(text: &str) -> Scenario {
    Scenario::parse("story.yaml", text).unwrap_or_else(|error| panic!("{error}"))
}

/// Checks the whole message that a bad file gets, without the lines that only draw.
#[track_caller]
fn check_error(text: &str, expected: &str) {
    let error = Scenario::parse("story.yaml", text).expect_err("the file is bad");
    assert_eq!(error.to_string(), expected.trim_matches('\n'));
}

/// Checks place, message and hint of what a bad step gets.
#[track_caller]
pub(super) fn check_step(step: &str, column: u32, message: &str, hint: &str) {
    let error = Scenario::parse("story.yaml", &with_steps(step)).expect_err("the step is bad");
    let hint = Some(hint.to_owned()).filter(|hint| !hint.is_empty());
    assert_eq!((error.line, error.column, error.message.as_str(), &error.hint), (8, column, message, &hint));
}

/// Checks place, message and hint of what a bad entry of the world gets.
#[track_caller]
pub(super) fn check_world(world: &str, line: u32, column: u32, message: &str, hint: &str) {
    let error = Scenario::parse("story.yaml", &with_world(world)).expect_err("the world is bad");
    let hint = Some(hint.to_owned()).filter(|hint| !hint.is_empty());
    assert_eq!(
        (error.line, error.column, error.message.as_str(), &error.hint),
        (line, column, message, &hint)
    );
}

#[track_caller]
pub(super) fn check_described(step: &str, expected: &str) {
    let scenario = parsed(&with_steps(&format!("  - {step}\n")));
    assert_eq!(scenario.steps[0].describe(), expected);
}

#[test]
fn an_error_looks_like_the_compilers() {
    check_error(
        &with_steps("  - power: on\n  - phone: { configure: { ssid: HomeNet, passwrd: correct horse } }\n"),
        "
error: unknown key `passwrd`
 --> story.yaml:9:42
  |
9 |   - phone: { configure: { ssid: HomeNet, passwrd: correct horse } }
  |                                          ^^^^^^^
  = help: did you mean `password`?
",
    );
}

#[test]
fn a_typo_at_the_top_is_found() {
    check_error(
        &format!("{HEAD}stpes:\n  - power: on\n"),
        "
error: unknown key `stpes`
 --> story.yaml:4:1
  |
4 | stpes:
  | ^^^^^
  = help: did you mean `steps`?
",
    );
}

#[test]
fn a_hint_stands_below_a_wide_line_number() {
    let steps = "  - power: on\n".repeat(93);
    check_error(
        &with_steps(&format!("{steps}  - wait: 5 minutes\n")),
        "
error: `5 minutes` is not a time
   --> story.yaml:101:11
    |
101 |   - wait: 5 minutes
    |           ^
    = help: a whole number and its unit: 250ms, 5s, 10m, 7h, 50d
",
    );
}

#[test]
fn an_empty_file_has_no_place_to_point_at() {
    for text in ["", "\n\n", "# only a comment\n---\n"] {
        check_error(
            text,
            "
error: the file is empty
 --> story.yaml
  = help: `hil new` writes a first scenario
",
        );
    }
}

#[test]
fn tabs_are_named_as_what_they_are() {
    check_error(
        &format!("{HEAD}world:\n\trouters: []\nsteps:\n  - power: on\n"),
        "
error: this is not YAML: tabs disallowed within this context (block indentation)
 --> story.yaml:5:2
  |
5 |  routers: []
  |  ^^^^^^^
  = help: indent with spaces, not tabs
",
    );
}

#[test]
fn broken_yaml_points_at_the_place() {
    check_error(
        "title: \"unclosed\nformat: 1\n",
        "
error: this is not YAML: unclosed quote
 --> story.yaml:1:8
  |
1 | title: \"unclosed
  |        ^^^^^^^^^
  = help: look here and above for a bracket, quote, `:` or `- ` that is missing
",
    );
}

#[test]
fn a_key_written_twice_is_an_error() {
    check_error(
        &format!("{HEAD}title: Again\nsteps:\n  - power: on\n"),
        "
error: `title` is written twice
 --> story.yaml:4:1
  |
4 | title: Again
  | ^^^^^
  = help: leave one of them out
",
    );
}

#[test]
fn a_later_format_is_refused_before_its_keys_are_judged() {
    check_error(
        "format: 2\ntale: Something new\n",
        "
error: format 2 is not known
 --> story.yaml:1:9
  |
1 | format: 2
  |         ^
  = help: this program reads `format: 1`
",
    );
}

#[test]
fn what_is_missing_is_named() {
    for (text, message) in [
        ("title: T\nsteps:\n  - power: on\n", "`format` is missing"),
        ("format: 1\nsteps:\n  - power: on\n", "`title` is missing here"),
        ("format: 1\ntitle: ''\nsteps:\n  - power: on\n", "the title is empty"),
        ("format: 1\ntitle: T\n", "`steps` is missing here"),
        ("format: 1\ntitle: T\nsteps:\n", "`steps` has no value"),
        ("format: 1\ntitle: T\nsteps: []\n", "there are no steps"),
    ] {
        let error = Scenario::parse("story.yaml", text).expect_err(message);
        assert_eq!(error.message, message);
        assert_ne!(error.line, 0, "{message}");
    }
}

#[test]
fn a_step_has_exactly_one_verb() {
    let verbs = "the verbs are `power`, `phone`, `button`, `console`, `flash`, `clock`, `router`, `cloud`, `link`, `expect`, `wait`, `arm`, `settle`";
    check_step("  - poewr: on\n", 5, "unknown verb `poewr`", "did you mean `power`?");
    check_step("  - fly: high\n", 5, "unknown verb `fly`", verbs);
    check_step("  - who: device\n", 5, "this step has no verb", verbs);
    check_step(
        "  - power: on\n    wait: 5s\n",
        5,
        "this step has 2 verbs: `power`, `wait`",
        "a step has one; begin each with `- `",
    );
    check_step(
        "  - phone: { rename: Kitchen, configure: { ssid: HomeNet } }\n",
        31,
        "only one key may stand here",
        "write two steps instead",
    );
    check_step("  - power on\n", 5, "expected keys and values", "`key: value`, one in a line");
    check_step(
        "  - { meanwhlie: true, phone: join }\n",
        7,
        "unknown verb `meanwhlie`",
        "did you mean `meanwhile`?",
    );
}

#[test]
fn words_are_checked_and_need_their_details() {
    check_step("  - phone: jion\n", 12, "`jion` is not known here", "did you mean `join`?");
    check_step(
        "  - phone: { join: home }\n",
        20,
        "this word takes no value",
        "write the word alone, without `:`",
    );
    check_step("  - phone: configure\n", 12, "`configure` needs details", "`phone: { configure: .. }`");
    // What comes next is not taken for the new name.
    check_step(
        "  - { phone: rename, who: phone }\n",
        14,
        "`rename` needs details",
        "`phone: { rename: .. }`",
    );
    check_step(
        "  - cloud: { delete-device: device }\n",
        14,
        "unknown key `delete-device`",
        "did you mean `delete_device`?",
    );
    check_step(
        "  - cloud: { login: maybe }\n",
        21,
        "`maybe` is not an answer to a login",
        "`normal`, `silent` or a status such as 9",
    );
}

#[test]
fn values_of_the_wrong_kind_are_errors() {
    let time = "a whole number and its unit: 250ms, 5s, 10m, 7h, 50d";
    check_step("  - wait: 5\n", 11, "`5` is not a time", time);
    check_step("  - wait: -5s\n", 11, "`-5s` is not a time", time);
    check_step("  - wait: 5S\n", 11, "`5S` is not a time", time);
    check_step("  - wait: 1001d\n", 11, "`1001d` is too long", "at most 1000d");
    check_step(
        "  - wait: 99999999999999999999d\n",
        11,
        "`99999999999999999999d` is too long",
        "at most 1000d",
    );
    check_step(
        "  - wait: [5s]\n",
        11,
        "expected a single text or number",
        "put quotes around a text with brackets",
    );
    check_step(
        "  - button: { hold: 0s }\n",
        5,
        "the button is not held at all",
        "such as `button: { hold: 10s }`",
    );
    check_step(
        "  - { meanwhile: true, wait: 5s }\n",
        5,
        "only what a phone does can go on meanwhile",
        "leave out `meanwhile`",
    );
    check_step("  - wait: 0s\n", 5, "there is nothing to wait for", "");
    check_step("  - cloud: { mute: maybe }\n", 20, "expected `true` or `false`", "");
    check_step(
        "  - phone: { configure: { network: home, port: 70000 } }\n",
        48,
        "expected a whole number from 0 to 65535",
        "",
    );
    check_step(
        "  - wait:\n",
        5,
        "`wait` has no value",
        "write one, or leave the key out; the texts `null` and `~` need quotes",
    );
    check_step(
        "  - expect: { pin: { V256: 1 } }\n",
        22,
        "`V256` is not a virtual pin",
        "from `V0` to `V255`",
    );
}

#[test]
fn names_must_exist() {
    check_step(
        "  - phone: { provision: { network: hme } }\n",
        36,
        "there is no router `hme`",
        "did you mean `home`?",
    );
    check_step(
        "  - expect: { joined: office }\n",
        23,
        "there is no router `office`",
        "the routers of this world are `home`",
    );
    check_step(
        "  - { who: divice, power: on }\n",
        12,
        "there is no device `divice`",
        "did you mean `device`?",
    );
    check_step(
        "  - { who: home, phone: join }\n",
        12,
        "there is no phone `home`",
        "the phones of this world are `phone`",
    );
    check_step(
        "  - expect: { access_point: hall }\n",
        29,
        "there is no access point `hall`",
        "the world has no access point",
    );
}

#[test]
fn an_expectation_asks_one_actor_for_something() {
    let example = "such as `device: running` or `cloud: online`";
    check_step("  - expect: {}\n", 5, "nothing is expected", example);
    check_step("  - expect: { within: 5s }\n", 5, "nothing is expected", example);
    check_step(
        "  - expect: { device: running, http_status: 200 }\n",
        5,
        "this expects something of a device and of a phone",
        "write two steps: one can be asked at a time",
    );
    check_step(
        "  - expect: { last_error: 721 }\n",
        27,
        "`721` is not an error code",
        "0 none, 700 static address, 701 network, 702 cloud, 703 token refused, 704 internal, 710 DNS, 711 TLS, \
         720 network not found, 722 wrong password, 723 no DHCP",
    );
}

#[test]
fn a_world_is_checked_where_it_stands() {
    check_world(
        "  routers:\n    - { name: home, ssid: HomeNet, password: short }\n",
        6,
        46,
        "a WiFi password has 8 to 63 bytes, this one has 5",
        "64 hexadecimal digits are a raw key; without a password it is open",
    );
    check_world(
        "  routers:\n    - { name: home, ssid: HomeNet, security: wpa3 }\n",
        6,
        15,
        "this network needs a password",
        "or `security: open`",
    );
    check_world(
        "  routers:\n    - { name: home, ssid: HomeNet, rssi: 52 }\n",
        6,
        42,
        "`52` is not a signal strength",
        "in dBm, from -100 (barely there) to -1; a good one is -50",
    );
    check_world(
        "  routers:\n    - { name: home, ssid: HomeNet, channel: 14 }\n",
        6,
        45,
        "`14` is not a WiFi channel",
        "1 to 13 (2.4 GHz) or 36 to 177 (5 GHz, which the device cannot hear)",
    );
    check_world(
        "  routers:\n    - { name: home, ssid: HomeNet, subnet: 192.168.1.1/24 }\n",
        6,
        44,
        "`192.168.1.1/24` has bits behind its prefix",
        "did you mean `192.168.1.0/24`?",
    );
    check_world(
        "  routers:\n    - { name: home, ssid: A name of more than thirty-two bytes }\n",
        6,
        27,
        "a network's name has at most 32 bytes, this one has 36",
        "",
    );
    check_world("  routers: { name: home }\n", 5, 12, "expected a list", "lines that begin with `- `");
    check_world(
        "  clouds:\n    - { redirect_to: fra1.blynk.clod }\n    - { name: eu, hosts: [fra1.blynk.cloud] }\n",
        6,
        22,
        "there is no host `fra1.blynk.clod`",
        "did you mean `fra1.blynk.cloud`?",
    );
}

#[test]
fn actors_that_all_have_the_default_name_are_told_at_their_world() {
    let message = "the name `device` is taken";
    check_world("  devices: [{}, {}]\n", 5, 3, message, "it is the default one's; every actor needs its own");
}

#[test]
fn which_of_two_devices_must_be_said() {
    let world = "  devices: [{ name: lamp }, { name: heater }]\n";
    check_world(world, 7, 5, "which device? there are 2", "add `who: lamp` or `who: heater`");
    let world = "  devices: []\n";
    check_world(world, 7, 5, "the world has no device", "");
}

#[test]
fn a_product_that_firmware_would_refuse_is_refused() {
    check_error(
        &format!("{HEAD}product: {{ template_id: lamp }}\nsteps:\n  - power: on\n"),
        "
error: the template id must be `TMPL` followed by 1 to 28 letters, digits, `-` or `_`
 --> story.yaml:4:10
  |
4 | product: { template_id: lamp }
  |          ^
",
    );
    let product =
        format!("{HEAD}product: {{ template_id: TMPL4lamp, template_name: Lamp }}\nsteps:\n  - power: on\n");
    let product = parsed(&product).product.apply_to_default().expect("the product is valid");
    assert_eq!((product.template_name(), product.firmware_type()), ("Lamp", "TMPL4lamp"));
}

#[test]
fn what_is_not_written_has_its_default() {
    let scenario = parsed("format: 1\ntitle: T\nsteps:\n  - power: on\n");
    let World { routers, clouds, devices, phones, link: _, tls: _ } = &scenario.world;
    assert!(routers.is_empty());
    assert_eq!((clouds[0].name.as_str(), clouds[0].hosts[0].as_str()), ("cloud", "blynk.cloud"));
    assert_eq!((devices[0].name.as_str(), phones[0].name.as_str()), ("device", "phone"));
    let step = &scenario.steps[0];
    assert_eq!((step.line, step.column), (4, 5));
    assert_eq!(step.actor.as_ref().map(Name::as_str), Some("device"));
    assert_eq!(step.verb, Verb::Power(Power::On));
}

#[test]
fn a_router_says_what_it_is() {
    let world = "  routers:\n    - { name: open, ssid: Open }\n    - name: mesh\n      ssid: Mesh\n      \
                 password: correct horse\n      access_points: [{ rssi: -60 }, { channel: 36, rssi: -40 }]\n";
    let scenario = parsed(&with_world(world));
    let open = scenario.world.router("open").expect("it is there");
    assert_eq!(open.security(), firmware_core::hal::Security::Open);
    assert_eq!(open.subnet.router().to_string(), "192.168.1.1");
    let radios = open.radios();
    assert_eq!((radios.len(), radios[0].channel, radios[0].rssi), (1, Channel(6), Rssi(-50)));
    let mesh = scenario.world.router("mesh").expect("it is there");
    assert_eq!(mesh.security(), firmware_core::hal::Security::Wpa2);
    let bands: Vec<bool> = mesh.radios().iter().map(|radio| radio.channel.is_2_4_ghz()).collect();
    assert_eq!(bands, [true, false]);
}

#[test]
fn a_step_may_change_only_the_password_of_a_router() {
    let scenario = parsed(&with_steps("  - phone: { configure: { network: home, password: 00123456 } }\n"));
    let Verb::Phone(PhoneAction::Configure(configure)) = &scenario.steps[0].verb else {
        panic!("another verb")
    };
    let credentials = configure.credentials(&scenario.world).expect("its own world");
    assert_eq!(
        (credentials.ssid.as_bytes(), credentials.password.expose()),
        (&b"HomeNet"[..], &b"00123456"[..])
    );
}

#[test]
fn steps_are_told_as_a_person_would() {
    for (step, expected) in [
        ("power: cycle", "device loses power and gets it back"),
        ("button: { hold: 12s }", "device has its button held for 12 s"),
        ("wait: 90m", "90 min pass"),
        ("router: { power: off, dhcp: { lease: 2h } }", "home goes off and leases addresses for 2 h"),
        (
            "arm: { cut: { operation: 1, byte: 20 } }",
            "device will lose power at byte 20 of the next flash operation",
        ),
        ("cloud: { write: { pin: V0, value: 21.50 } }", "cloud writes 21.50 to V0"),
        (
            "expect: { device: wait-config, last_error: 722, pin: { V1: 5 }, stays: 90s }",
            "device should be in WAIT_CONFIG, report error 722 (wrong password) and have 5 in V1, within 10 s, and \
             stay so for 90 s",
        ),
        ("expect: { device: off, within: 0s }", "device should be off, now"),
        ("expect: { sees_error: 0 }", "phone should have read no error, within 10 s"),
    ] {
        check_described(step, expected);
    }
}

#[test]
fn no_secret_is_told() {
    for (step, expected) in [
        (
            "phone: { configure: { ssid: HomeNet, password: wrong horse, token: 0123456789abcdef, save: true } }",
            "phone sends the configuration for \"HomeNet\" with password *** with token ***, to be kept at once",
        ),
        (
            "console: connect 0123456789abcdef HomeNet wrong",
            "device gets `connect *** *** ***` typed on its console",
        ),
        ("router: { password: wrong horse }", "home changes its password"),
        ("phone: { request: { path: /config?pass=wrong } }", "phone requests GET /config"),
    ] {
        check_described(step, expected);
    }
    let step =
        "  - phone: { configure: { ssid: HomeNet, password: wrong horse, token: 0123456789abcdef } }\n";
    let debug = format!("{:?}", parsed(&with_steps(step)));
    for secret in ["wrong", "0123456789abcdef", "correct horse"] {
        assert!(!debug.contains(secret), "{secret} is in {debug}");
    }
}

#[test]
fn hostile_text_does_not_reach_the_terminal() {
    let text = format!("{HEAD}\"ti\\e[31mtle\": {}\n", "x".repeat(1_000));
    let shown = Scenario::parse("story\u{1b}.yaml", &text).expect_err("the key is unknown").to_string();
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    assert!(shown.lines().all(|line| line.chars().count() < 200), "{shown}");
}

#[test]
fn deep_and_swollen_yaml_is_refused() {
    let deep = "[".repeat(FILE_LEN_MAX / 2);
    let deep_map = "{a: ".repeat(FILE_LEN_MAX / 8);
    let bomb = (1..9).fold("a0: &a0 [x, x, x, x]\n".to_owned(), |text, level| {
        let last = level - 1;
        text + &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{last}"); 9].join(", "))
    });
    for text in [deep, deep_map, bomb, "#".repeat(FILE_LEN_MAX + 1)] {
        assert!(Scenario::parse("story.yaml", &text).is_err());
    }
}

#[test]
fn the_starter_is_a_sound_story() {
    let scenario = parsed(starter());
    assert_eq!(scenario.steps.len(), 6);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _ = Scenario::parse("story.yaml", &text).map_err(|error| error.to_string());
    }

    #[test]
    fn a_mangled_story_is_read_or_refused(
        at in 0_usize..2_000,
        with in "[ \\t\\n\\-:{}\\[\\]\"'&*#|>a-z0-9~\u{1}é]{0,4}",
    ) {
        let mut text = starter().to_owned();
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let end = (at + 2).min(text.len());
        let end = (at..=end).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(at);
        text.replace_range(at..end, &with);
        let _ = Scenario::parse("story.yaml", &text).map_err(|error| error.to_string());
    }

    #[test]
    fn any_time_is_read_as_it_is_written(number in 0_u64..1_000, unit in 0_usize..5) {
        let (unit, unit_ms) = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)][unit];
        let text = format!("format: 1\ntitle: T\nuptime: {number}{unit}\nsteps:\n  - power: on\n");
        prop_assert_eq!(parsed(&text).uptime, Some(Duration::from_millis(number * unit_ms)));
    }
}
