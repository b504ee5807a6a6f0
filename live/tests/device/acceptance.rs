//! Acceptance with the real radio, of a live device of ours: its serial line is a pseudo-terminal, its networks are
//! interfaces of this host, and its cloud is `hil cloud` on real sockets. All of it is real but the air.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use libtest_mimic::Failed;

use super::bench::Bench;

/// The address of the host on the simulated internet, where its cloud is.
const CLOUD: &str = "198.18.200.1";
const ACCOUNT: &str = "tester@example.com";
const PASSWORD: &str = "for this test only";

/// `hil cloud` in the namespace of a bench, ended with this.
struct Cloud(Child);

impl Cloud {
    fn start(bench: &Bench) -> Result<Self, Failed> {
        let mut command = bench.command(env!("CARGO_BIN_EXE_hil-live"));
        command.args(["cloud", "--listen", CLOUD, "--port", "8080", "--tls-port", "0", "--account", ACCOUNT]);
        command.env("HIL_CLOUD_PASSWORD", PASSWORD).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let cloud = Self(child);
        lines.next().and_then(Result::ok).ok_or("the cloud does not start")?;
        thread::spawn(move || lines.for_each(drop));
        Ok(cloud)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// How a scenario went: the exit code and everything that was said.
fn accept(bench: &Bench, scenario: &str, options: &[&str]) -> Result<(Option<i32>, String), Failed> {
    let file = bench.folder.path().join("case.yaml");
    std::fs::write(&file, scenario)?;
    let mut command = bench.command(env!("CARGO_BIN_EXE_hil-live"));
    command.arg("run").arg(file).args(["--target", "board", "--radio", "real", "--join", "true", "--port"]);
    command.arg(bench.console()).args(["--interface", &bench.ap]);
    command.args(["--cloud", &format!("http://{CLOUD}:8080"), "--network", "HomeNet=HomeNet"]).args(options);
    command.env("HIL_CLOUD_ACCOUNT", ACCOUNT).env("HIL_CLOUD_PASSWORD", PASSWORD);
    command.env("HIL_PASSWORD_HOMENET", "correct horse").env_remove("HIL_BLYNK_TOKEN");
    let output = command.output()?;
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if said.contains(PASSWORD) || said.contains("correct horse") || said.contains("wrong horse") {
        return Err(format!("a password is told: {said}").into());
    }
    Ok((output.status.code(), said))
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what().into()) }
}

/// The steps of a person who switches the board and presses its button, by the panel.
fn hands(bench: &Bench) -> Result<[String; 2], Failed> {
    let supply =
        "#!/bin/sh\nexec \"$WISH\" \"{\\\"do\\\":\\\"step\\\",\\\"text\\\":\\\"- power: $HIL_SUPPLY\\\"}\"\n";
    let press = "#!/bin/sh\ncase $HIL_BUTTON in down) down=true;; *) down=false;; esac\n\
                 exec \"$WISH\" \"{\\\"do\\\":\\\"button\\\",\\\"down\\\":$down}\"\n";
    // The panel is on the loopback of the host's own namespace.
    let wish = format!(
        "#!/bin/sh\nexec nsenter --net=/proc/{}/ns/net curl -sfS -m 10 -d \"$1\" {}api/wish\n",
        std::process::id(),
        bench.panel
    );
    let wish = bench.script("wish", &wish)?.display().to_string();
    let script = |name: &str, text: &str| {
        Ok::<_, Failed>(bench.script(name, &text.replace("$WISH", &wish))?.display().to_string())
    };
    Ok([script("supply", supply)?, script("press", press)?])
}

/// The first setup, the plug that is pulled, and the button that erases: all that a customer does.
pub(crate) fn a_first_setup_is_accepted() -> Result<(), Failed> {
    let bench = Bench::with_addresses(None)?;
    let _cloud = Cloud::start(&bench)?;
    let [supply, press] = hands(&bench)?;
    let story = include_str!("../../../scenarios/cases/setup/first-setup.yaml");
    let options = ["--supply", &supply, "--press", &press];
    let (code, said) = accept(&bench, story, &options)?;
    ensure(code == Some(0), || said.clone())?;
    ensure(said.contains("CONNECTING_CLOUD => RUNNING"), || said)?;
    let erased = "\
format: 1
title: The button erases
world:
  routers:
    - { name: home, ssid: HomeNet, password: correct horse }
steps:
  - power: on
  - phone: { provision: { network: home } }
  - expect: { cloud: online, device: running }
  - button: { hold: 11s }
  - expect: { device: wait-config, within: 20s }
  - expect: { cloud: offline, within: 60s }
";
    let (code, said) = accept(&bench, erased, &options)?;
    ensure(code == Some(0) && said.contains("RESET_CONFIG"), || said)
}

/// A wrong password is told by the board, and the right one heals it.
pub(crate) fn a_wrong_password_is_accepted() -> Result<(), Failed> {
    let bench = Bench::with_addresses(None)?;
    let _cloud = Cloud::start(&bench)?;
    let story = "\
format: 1
title: Wrong password, then the right one
world:
  routers:
    - { name: home, ssid: HomeNet, password: correct horse }
steps:
  - power: on
  - phone: join
  - phone: { configure: { network: home, password: wrong horse } }
  - expect: { device: wait-config, last_error: 722, within: 30s }
  - phone: join
  - phone: { configure: { ssid: HomeNet } }
  - expect: { device: wait-config, last_error: 722, within: 30s }
  - phone: join
  - phone: board-info
  - expect: { sees_error: 722 }
  - phone: scan
  - expect: { sees_network: HomeNet }
  - phone: { configure: { network: home } }
  - expect: { cloud: online, device: running, within: 30s }
  - cloud: { write: { pin: V0, value: 99 } }
  - expect: { pin: { V0: \"30.0\" } }
";
    let (code, said) = accept(&bench, story, &[])?;
    ensure(code == Some(0), || said)
}

/// What a board does not do, or cannot be done with one, is said.
pub(crate) fn what_is_not_so_is_told() -> Result<(), Failed> {
    let bench = Bench::with_addresses(None)?;
    let _cloud = Cloud::start(&bench)?;
    let head = "format: 1\ntitle: A story\nworld:\n  routers:\n    - { name: home, ssid: HomeNet, password: correct horse }\nsteps:\n  - power: on\n";
    let (code, said) = accept(&bench, &format!("{head}  - router: {{ power: off }}\n"), &[])?;
    ensure(code == Some(0) && said.contains("the real router is not changed from here"), || said)?;
    let cafe = head.replace("ssid: HomeNet", "ssid: Cafe");
    let (code, said) =
        accept(&bench, &format!("{cafe}  - phone: {{ provision: {{ network: home }} }}\n"), &[])?;
    ensure(code == Some(0) && said.contains("no real network stands for Cafe: --network Cafe=SSID"), || {
        said
    })?;
    let (code, said) = accept(&bench, &format!("{head}  - button: press\n"), &[])?;
    ensure(code == Some(0) && said.contains("--press COMMAND"), || said)?;
    // The command that is to switch the supply does nothing: the story has a restart that the board never made.
    let lame =
        format!("{head}  - phone: {{ provision: {{ network: home }} }}\n  - power: cycle\n  - wait: 5s\n");
    let (code, said) = accept(&bench, &lame, &["--supply", "true"])?;
    ensure(code == Some(1) && said.contains("do not come in their order: CONNECTING_NET"), || said)?;
    let unheard = format!("{head}  - expect: {{ console: no such words, within: 1s }}\n");
    let (code, said) = accept(&bench, &unheard, &["--patience", "1"])?;
    ensure(code == Some(1) && said.contains("has not printed"), || said)
}
