//! Acceptance with the real radio, of a live device of ours: its serial line is a pseudo-terminal, its networks are
//! interfaces of this host, and its cloud is `hil cloud` on real sockets. All of it is real but the air.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::thread;

use libtest_mimic::Failed;

use super::bench::Bench;

/// The address of the host on the simulated internet, where its cloud is.
pub(crate) const CLOUD: &str = "198.18.200.1";
const ACCOUNT: &str = "tester@example.com";
const PASSWORD: &str = "for this test only";
/// A device that is at the cloud already.
pub(crate) const TOKEN: &str = "ATokenThatIsGoodForThisTestAlone";

/// `hil cloud` in the namespace of a bench, ended with this.
pub(crate) struct Cloud(Child);

impl Cloud {
    fn start(bench: &Bench) -> Result<Self, Failed> {
        Self::start_with_tls(bench, 0, None)
    }

    /// With this port for TLS, and these files for its certificate and key in the place of those that it makes.
    pub(crate) fn start_with_tls(
        bench: &Bench,
        port: u16,
        certificate: Option<[&str; 2]>,
    ) -> Result<Self, Failed> {
        let mut command = bench.command(env!("CARGO_BIN_EXE_hil-live"));
        command.args(["cloud", "--listen", CLOUD, "--port", "8080", "--account", ACCOUNT]);
        command.args(["--tls-port", &port.to_string()]);
        if let Some([certificate, key]) = certificate {
            command.args(["--cert", certificate, "--key", key]);
        }
        command.args(["--device", "TMPL4thermo1"]).env("HIL_CLOUD_TOKEN", TOKEN);
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

/// A scenario that is to be accepted, and with what.
struct Acceptance<'a> {
    scenario: &'a str,
    options: &'a [&'a str],
    /// A device's token in the place of an account.
    token: Option<&'a str>,
    /// What a person answers who is asked; nobody is there without.
    person: Option<&'a str>,
}

impl<'a> Acceptance<'a> {
    fn of(scenario: &'a str, options: &'a [&'a str]) -> Self {
        Self { scenario, options, token: None, person: None }
    }

    /// The exit code, and everything that was said.
    fn run(&self, bench: &Bench) -> Result<(Option<i32>, String), Failed> {
        let file = bench.folder.path().join("case.yaml");
        std::fs::write(&file, self.scenario)?;
        let mut command = bench.command(env!("CARGO_BIN_EXE_hil-live"));
        command.arg("run").arg(file).args(["--target", "board", "--radio", "real", "--port"]);
        command.arg(bench.console()).args(["--cloud", &format!("http://{CLOUD}:8080")]);
        command.args(["--network", "HomeNet=HomeNet"]).args(self.options);
        if !self.options.contains(&"--interface") {
            command.args(["--interface", &bench.ap]);
        }
        if self.person.is_none() {
            // The bench is in the network already.
            command.args(["--join", "true"]);
        }
        command.env("HIL_PASSWORD_HOMENET", "correct horse");
        match self.token {
            Some(token) => command.env("HIL_BLYNK_TOKEN", token).env_remove("HIL_CLOUD_ACCOUNT"),
            None => command
                .env_remove("HIL_BLYNK_TOKEN")
                .env("HIL_CLOUD_ACCOUNT", ACCOUNT)
                .env("HIL_CLOUD_PASSWORD", PASSWORD),
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut input = child.stdin.take().ok_or("no input")?;
        input.write_all(self.person.unwrap_or_default().as_bytes())?;
        drop(input);
        let output = child.wait_with_output()?;
        let texts = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let said = texts.concat();
        let secrets = [PASSWORD, "correct horse", "wrong horse", TOKEN];
        if secrets.iter().any(|secret| said.contains(secret)) {
            return Err(format!("a secret is told: {said}").into());
        }
        Ok((output.status.code(), said))
    }
}

fn accept(bench: &Bench, scenario: &str, options: &[&str]) -> Result<(Option<i32>, String), Failed> {
    Acceptance::of(scenario, options).run(bench)
}

pub(crate) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failed> {
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

/// With a device's token in the place of an account, and a person who joins the network; the verdict is in a file too.
pub(crate) fn a_token_and_a_person_do() -> Result<(), Failed> {
    let bench = Bench::with_addresses(None)?;
    let _cloud = Cloud::start(&bench)?;
    let story = "\
format: 1
title: A setup by hand
world:
  routers:
    - { name: home, ssid: HomeNet, password: correct horse }
steps:
  - power: on
  - phone: { provision: { network: home, name: Kitchen } }
  - expect: { device: running, cloud: online, named: Kitchen }
";
    let path = bench.folder.path().join("acceptance.xml");
    let file = path.display().to_string();
    let junit = ["--junit", file.as_str()];
    let by_hand = Acceptance { token: Some(TOKEN), person: Some("\n"), ..Acceptance::of(story, &junit) };
    let (code, said) = by_hand.run(&bench)?;
    let is_asked = said.contains("join the network `Blynk Thermostat-");
    ensure(code == Some(0) && is_asked, || said)?;
    let report = std::fs::read_to_string(path)?;
    ensure(report.contains("tests=\"1\"") && report.contains("failures=\"0\""), || report)?;
    // Nobody is there to join.
    let alone = Acceptance { person: Some(""), ..Acceptance::of(story, &[]) };
    let (code, said) = alone.run(&bench)?;
    ensure(code == Some(1) && said.contains("--join COMMAND"), || said)?;
    // Requests leave by the interface that is named, and by no other.
    let wrong_interface = ["--interface", bench.lan.as_str(), "--patience", "2"];
    let elsewhere = Acceptance::of(story, &wrong_interface);
    let (code, said) = elsewhere.run(&bench)?;
    ensure(code == Some(1) && said.contains("nobody answers at 192.168.4.1"), || said)
}
