//! Carries out a scenario with a board, step by step, and says what it sees.

use std::io::{self, BufRead, Write};
use std::process::{Command, Stdio};
use std::time::Duration as WallDuration;

use hil_sim::runner::Failure;
use hil_sim::scenario::{
    Button, Configure, Credentials, PhoneAction, Power, Provision, Request, Scenario, StaticIp, TokenChoice,
};
use serde_json::Value;

use super::console::{Console, Heard};
use super::deed::{Deed, Planned};
use super::portal::Answer;
use super::{Place, Secret, push_encoded};

/// How long the board may take to erase its configuration and to come back.
const BEGIN_LIMIT: WallDuration = WallDuration::from_secs(60);
/// What takes a network and a cloud, or a person, may take so many times as long as what takes one thing.
const LONG: u32 = 2;
/// A pause between two looks at something that does not tell by itself.
pub(super) const LOOK: WallDuration = WallDuration::from_millis(500);
/// How long the supply is gone when the plug is pulled and put back.
const CYCLE_PAUSE: WallDuration = WallDuration::from_millis(1_000);
/// A short press.
const PRESS: WallDuration = WallDuration::from_millis(200);
/// A token of the right form that no cloud knows.
const INVALID_TOKEN: &str = "NoCloudKnowsThisTokenNoCloudDoes";
/// What is shown in the place of a secret.
const STARS: &str = "***";

/// Waits for something to become so, within a limit.
macro_rules! until {
    ($limit:expr, $is_so:expr) => {{
        let give_up_at = std::time::Instant::now() + $limit;
        loop {
            if $is_so {
                break true;
            }
            if std::time::Instant::now() >= give_up_at {
                break false;
            }
            tokio::time::sleep($crate::acceptance::run::LOOK).await;
        }
    }};
}

pub(super) use until;

/// A scenario that is being carried out.
pub(super) struct Run<'a> {
    pub(super) place: &'a Place,
    pub(super) console: &'a Console,
    scenario: &'a Scenario,
    /// What people are told: when, and what.
    told: Vec<(WallDuration, String)>,
    /// Lines and changes of state before the story.
    pub(super) begins_at: (usize, usize),
    /// Changes of state before the board last lost its power or took a configuration: it is in none of these states any
    /// more.
    pub(super) state_from: usize,
    /// Lines that had been printed when the step before the present one began, and when this one did.
    pub(super) previous_step_from: usize,
    step_from: usize,
    pub(super) token: Option<Secret>,
    pub(super) answer: Option<Answer>,
    pub(super) seen_error: Option<u64>,
    pub(super) seen_networks: Vec<String>,
    /// What must not be shown.
    secrets: Vec<String>,
}

impl<'a> Run<'a> {
    pub(super) fn new(place: &'a Place, console: &'a Console, scenario: &'a Scenario) -> Self {
        let known = place.networks.iter().map(|network| network.password.expose().to_owned());
        Self {
            place,
            console,
            scenario,
            told: Vec::new(),
            begins_at: (0, 0),
            state_from: 0,
            previous_step_from: 0,
            step_from: 0,
            token: None,
            answer: None,
            seen_error: None,
            seen_networks: Vec::new(),
            secrets: known.filter(|secret| !secret.is_empty()).collect(),
        }
    }

    pub(super) async fn carry_out(&mut self, steps: &[Planned<'_>]) -> Result<(), Failure> {
        for step in steps {
            self.tell(format!("-- step {} (line {}): {}", step.number, step.line, step.what));
            self.previous_step_from = self.step_from;
            self.step_from = self.console.heard().lines.len();
            // What cannot be done was looked for before.
            let Ok(deed) = step.deed else { continue };
            self.act(deed).await.map_err(|why| Failure {
                step: step.number,
                line: step.line,
                what: step.what.clone(),
                why: self.starred(&why),
                invariant: None,
                is_of_the_world: false,
            })?;
        }
        Ok(())
    }

    /// What of the story's changes of state was seen must have come in its order.
    pub(super) fn check_order(&self, story: &[String]) -> Result<(), Failure> {
        let heard = self.console.heard();
        let mut seen = heard.states.iter().skip(self.begins_at.1).map(|(_, state)| state.as_str()).peekable();
        if seen.peek().is_none() {
            // A firmware whose log does not name its states has told none.
            return Ok(());
        }
        let missing = story.iter().find(|wanted| !seen.any(|state| state == wanted.as_str()));
        let Some(missing) = missing else { return Ok(()) };
        let told: Vec<_> =
            heard.states.iter().skip(self.begins_at.1).map(|(_, state)| state.as_str()).collect();
        Err(Failure {
            step: 0,
            line: 0,
            what: String::new(),
            why: format!(
                "the story's states do not come in their order: {missing} is missing in {} (the story has {})",
                told.join(", "),
                story.join(", ")
            ),
            invariant: None,
            is_of_the_world: false,
        })
    }

    /// Everything for people, by time: the steps, and what the board printed.
    pub(super) fn into_lines(self) -> Vec<String> {
        let heard = self.console.heard();
        let printed = heard.lines.iter().filter(|(_, line)| !line.trim().is_empty());
        let printed = printed.map(|(at, line)| (*at, format!("prints {}", self.starred(line))));
        let mut all: Vec<_> = self.told.iter().cloned().chain(printed).collect();
        all.sort_by_key(|(at, _)| *at);
        let line = |(at, text): (WallDuration, String)| {
            let (seconds, thousandths) = (at.as_secs(), at.subsec_millis());
            if text.starts_with("-- ") { text } else { format!("{seconds:>5}.{thousandths:03}  {text}") }
        };
        all.into_iter().map(line).collect()
    }

    pub(super) fn tell(&mut self, what: impl Into<String>) {
        let what = self.starred(&what.into());
        self.told.push((self.console.elapsed(), what));
    }

    fn starred(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), STARS))
    }

    fn keep_secret(&mut self, secret: &str) {
        if !secret.is_empty() && !self.secrets.iter().any(|known| known == secret) {
            self.secrets.push(secret.to_owned());
        }
    }

    async fn act(&mut self, deed: Deed<'_>) -> Result<(), String> {
        match deed {
            Deed::Begin => self.begin(),
            Deed::Power(power) => self.power(power),
            Deed::Button(button) => self.press(button),
            Deed::Type(line) => self.type_line(line),
            Deed::Wait(time) => {
                tokio::time::sleep(WallDuration::from_micros(time.total_micros())).await;
                Ok(())
            }
            Deed::Phone(action) => self.phone(action).await,
            Deed::Write(write) => {
                let token = self.token.clone().ok_or("no device has been set up")?;
                self.place.cloud.write(&token, write.pin.0, write.value.as_str()).await
            }
            Deed::Expect(expect) => self.expect(expect).await,
        }
    }

    /// Makes the board as fresh as from the factory, by its console.
    fn begin(&mut self) -> Result<(), String> {
        let from = self.console.heard().states.len();
        self.type_line("")?;
        self.type_line("config erase")?;
        let is_fresh =
            |heard: &Heard| heard.states.iter().skip(from).any(|(_, state)| state == "WAIT_CONFIG");
        if !self.console.wait_until(BEGIN_LIMIT, is_fresh)? {
            let said = self.console.heard().lines.len();
            let why = if said == 0 {
                format!(
                    "the board says nothing on {}: is it the right port, and the right --baud?",
                    self.place.port
                )
            } else {
                "the board has not come to WAIT_CONFIG after `config erase`: does its log name its states \
                 (APP_DEBUG)?"
                    .to_owned()
            };
            return Err(why);
        }
        let heard = self.console.heard();
        self.begins_at = (heard.lines.len(), heard.states.len().saturating_sub(1));
        Ok(())
    }

    fn power(&mut self, power: Power) -> Result<(), String> {
        let Some(supply) = &self.place.arguments.supply else { return Ok(()) };
        if power != Power::On {
            self.state_from = self.console.heard().states.len();
        }
        match power {
            Power::Off => run(supply, &[("HIL_SUPPLY", "off")]),
            Power::On => run(supply, &[("HIL_SUPPLY", "on")]),
            Power::Cycle => {
                run(supply, &[("HIL_SUPPLY", "off")])?;
                std::thread::sleep(CYCLE_PAUSE);
                run(supply, &[("HIL_SUPPLY", "on")])
            }
            Power::Brownout | Power::Watchdog => Ok(()),
        }
    }

    fn press(&mut self, button: &Button) -> Result<(), String> {
        let Some(press) = &self.place.arguments.press else { return Ok(()) };
        let held = match button {
            Button::Press => PRESS,
            Button::Hold(time) => WallDuration::from_micros(time.total_micros()),
            // Skipped before.
            Button::Bouncing(_) => return Ok(()),
        };
        run(press, &[("HIL_BUTTON", "down")])?;
        std::thread::sleep(held);
        run(press, &[("HIL_BUTTON", "up")])
    }

    fn type_line(&mut self, line: &str) -> Result<(), String> {
        self.console.type_line(line).map_err(|error| format!("the serial line takes nothing: {error}"))
    }

    async fn phone(&mut self, action: &PhoneAction) -> Result<(), String> {
        match action {
            PhoneAction::GetToken => self.get_token().await,
            PhoneAction::Join => self.join().await,
            PhoneAction::BoardInfo => self.board_info().await,
            PhoneAction::Scan => self.scan().await,
            PhoneAction::Configure(configure) => self.configure(configure).await,
            PhoneAction::Provision(provision) => self.provision(provision).await,
            PhoneAction::WaitOnline => self.wait_online().await,
            PhoneAction::Rename(name) => self.rename(name).await,
            PhoneAction::Request(request) => self.request(request).await,
            _ => Err("this host does no such thing".to_owned()),
        }
    }

    async fn get_token(&mut self) -> Result<(), String> {
        let token = self.place.cloud.token().await?;
        self.keep_secret(token.expose());
        self.token = Some(token);
        Ok(())
    }

    /// Joins the device's access point by the command that the user has named, or asks a person to.
    async fn join(&mut self) -> Result<(), String> {
        let ssid = self.ap_name()?;
        let interface = self.place.arguments.interface.as_deref().unwrap_or_default();
        match &self.place.arguments.join {
            Some(command) => run(command, &[("HIL_SSID", &ssid), ("HIL_INTERFACE", interface)])?,
            None => ask_person(&format!("join the network `{ssid}` with this machine, then press Enter: "))?,
        }
        if until!(self.place.patience() * LONG, self.place.portal.is_there().await) {
            return Ok(());
        }
        Err(format!("nobody answers at 192.168.4.1 after joining `{ssid}`"))
    }

    /// The name of the access point, as the device itself says it.
    fn ap_name(&mut self) -> Result<String, String> {
        let from = self.console.heard().lines.len();
        self.type_line("devinfo")?;
        let name = |heard: &Heard| {
            heard.lines.iter().skip(from).find_map(|(_, line)| {
                let json = line.get(line.find('{')?..)?;
                let told: Value = serde_json::from_str(json).ok()?;
                told["name"].as_str().map(str::to_owned)
            })
        };
        self.console.wait_until(self.place.patience(), |heard| name(heard).is_some())?;
        name(&self.console.heard()).ok_or_else(|| "the console does not answer `devinfo`".to_owned())
    }

    async fn board_info(&mut self) -> Result<(), String> {
        let (answer, told) = self.place.portal.read("/board_info.json").await?;
        self.seen_error = told["last_error"].as_u64();
        self.answer = Some(answer);
        Ok(())
    }

    async fn scan(&mut self) -> Result<(), String> {
        let (answer, told) = self.place.portal.read("/wifi_scan.json").await?;
        let names = told.as_array().into_iter().flatten().filter_map(|network| network["ssid"].as_str());
        self.seen_networks = names.map(str::to_owned).collect();
        self.answer = Some(answer);
        Ok(())
    }

    async fn configure(&mut self, configure: &Configure) -> Result<(), String> {
        let credentials = configure.credentials(&self.scenario.world).ok_or("no network is named")?;
        let takes_real = configure.network.is_some() && configure.password.is_none();
        let mut query = self.query(&credentials, takes_real, &configure.token).await?;
        let (host, port) = &self.place.cloud_for_device;
        let host = configure.host.as_ref().map_or(host.as_str(), |host| host.as_str());
        push_cloud(host, configure.port.unwrap_or(*port), &mut query);
        push_options(configure.save, configure.static_ip.as_ref(), &mut query);
        for (name, value) in &configure.raw {
            push(name, value.as_bytes(), &mut query);
        }
        self.send_configuration(&query, configure.expect_status.map(|status| status.0)).await
    }

    async fn send_configuration(&mut self, query: &str, expected: Option<u16>) -> Result<(), String> {
        let states = self.console.heard().states.len();
        let answer = self.place.portal.ask("GET", &format!("/config?{query}"), &[], None).await;
        let answer = answer.map_err(|why| format!("/config: {why}"))?;
        let (got, wanted) = (answer.status, expected.unwrap_or(200));
        self.answer = Some(answer);
        if got == 200 {
            // It tries now: the state that it was in says nothing of what comes of that.
            self.state_from = states;
        }
        if got == wanted {
            return Ok(());
        }
        Err(format!("the device was to answer /config with status {wanted}; status {got} came"))
    }

    async fn provision(&mut self, provision: &Provision) -> Result<(), String> {
        self.get_token().await?;
        self.join().await?;
        self.board_info().await?;
        self.scan().await?;
        let credentials = provision.credentials(&self.scenario.world).ok_or("no network is named")?;
        let takes_real = provision.network.is_some() && provision.password.is_none();
        let mut query = self.query(&credentials, takes_real, &provision.token).await?;
        let (host, port) = &self.place.cloud_for_device;
        push_cloud(host, *port, &mut query);
        push_options(provision.save, provision.static_ip.as_ref(), &mut query);
        self.send_configuration(&query, None).await?;
        self.wait_online().await?;
        match &provision.name {
            Some(name) => self.rename(name).await,
            None => Ok(()),
        }
    }

    /// The network and the token as the query of `/config` has them. The real network stands for the scenario's, and its
    /// password for the router's, but not for one that the step itself names or leaves out.
    async fn query(
        &mut self,
        credentials: &Credentials,
        takes_real_password: bool,
        token: &TokenChoice,
    ) -> Result<String, String> {
        let token = match token {
            TokenChoice::Issued => {
                if self.token.is_none() {
                    self.get_token().await?;
                }
                self.token.clone().ok_or("there is no token")?
            }
            TokenChoice::Invalid => Secret::new(INVALID_TOKEN),
            TokenChoice::Literal(literal) => Secret::new(&String::from_utf8_lossy(literal.expose())),
        };
        let real =
            self.place.networks.iter().find(|network| network.name.as_bytes() == credentials.ssid.as_bytes());
        let ssid = real.map_or(credentials.ssid.as_bytes(), |network| network.ssid.as_bytes()).to_vec();
        let password = match real {
            Some(network) if takes_real_password => network.password.expose().as_bytes().to_vec(),
            _ => credentials.password.expose().to_vec(),
        };
        self.keep_secret(&String::from_utf8_lossy(&password));
        // Firmware of the next generation wants to know which interface is meant; others leave it.
        let mut query = "if=wifi".to_owned();
        push("ssid", &ssid, &mut query);
        push("pass", &password, &mut query);
        push("blynk", token.expose().as_bytes(), &mut query);
        Ok(query)
    }

    async fn wait_online(&mut self) -> Result<(), String> {
        let token = self.token.clone().ok_or("there is no token")?;
        let limit = self.place.patience() * LONG;
        if until!(limit, self.place.cloud.is_online(&token).await?) {
            return Ok(());
        }
        Err(format!("the cloud has not seen the device online within {} s", limit.as_secs()))
    }

    async fn rename(&mut self, name: &str) -> Result<(), String> {
        let token = self.token.clone().ok_or("there is no token")?;
        self.place.cloud.rename(&token, name).await
    }

    async fn request(&mut self, request: &Request) -> Result<(), String> {
        let mut headers: Vec<_> =
            request.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(len) = request.big_header {
            headers.push(("X-Filler".to_owned(), "x".repeat(len.0.into())));
        }
        let path = request.path.value.as_str();
        let answer = self.place.portal.ask(&request.method, path, &headers, request.body.clone()).await;
        let answer = answer.map_err(|why| format!("no answer: {why}"))?;
        let got = answer.status;
        self.answer = Some(answer);
        match request.expect_status {
            Some(wanted) if wanted.0 != got => {
                Err(format!("the device was to answer with status {}; status {got} came", wanted.0))
            }
            _ => Ok(()),
        }
    }
}

fn push(name: &str, value: &[u8], query: &mut String) {
    query.push('&');
    push_encoded(name.as_bytes(), query);
    query.push('=');
    push_encoded(value, query);
}

/// Where the device is to find its cloud.
fn push_cloud(host: &str, port: u16, query: &mut String) {
    push("host", host.as_bytes(), query);
    push("port_ssl", port.to_string().as_bytes(), query);
}

/// What of a configuration may be left out.
fn push_options(save: bool, fixed: Option<&StaticIp>, query: &mut String) {
    if save {
        push("save", b"1", query);
    }
    let Some(StaticIp { ip, mask, gateway, dns, dns2 }) = fixed else { return };
    for (name, address) in
        [("ip", Some(*ip)), ("mask", *mask), ("gw", *gateway), ("dns", *dns), ("dns2", *dns2)]
    {
        if let Some(address) = address {
            push(name, address.to_string().as_bytes(), query);
        }
    }
}

/// Runs a command of the user's by the shell.
fn run(command: &str, variables: &[(&str, &str)]) -> Result<(), String> {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let output = Command::new(shell)
        .args([flag, command])
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{command}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{command}` ended with {}: {}", output.status, said.trim()))
}

fn ask_person(what: &str) -> Result<(), String> {
    eprint!("{what}");
    let _ = io::stderr().flush();
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => {
            Err("nobody is here to join the network: name a command that does, --join COMMAND".to_owned())
        }
        Ok(_) => Ok(()),
    }
}
