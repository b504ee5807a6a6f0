//! Acceptance of a board with its own radio: the scenario's phone is this host, its router and its cloud are real, and the
//! board is seen from outside: on its serial line, over HTTP, and at the cloud.
//!
//! It takes any firmware that has Edgent's interface, ours and the Arduino one alike: the routes of the portal, the
//! console's commands, and log lines that name its states (in the Arduino one with `APP_DEBUG`).

mod cloud;
mod console;
mod deed;
mod expect;
mod portal;
mod run;
mod world;

use std::fmt;
use std::time::Duration as WallDuration;

use hil_sim::cli::{AcceptanceArguments, Trouble};
use hil_sim::executor::{Executor, ExecutorError};
use hil_sim::runner::{DEFAULT_SEED, Failure, Harness, run as simulate};
use hil_sim::scenario::{Configure, PhoneAction, Provision, Scenario, Verb};
use hil_sim::target::{Observed, Outside, Target};
use hil_sim::trace::What;
use smoltcp::time::Duration;

use cloud::{Access, Cloud};
use console::Console;
use deed::deeds;
use portal::Portal;
use run::Run;

/// The environment variables that hold what no command line should.
const ACCOUNT_VARIABLE: &str = "HIL_CLOUD_ACCOUNT";
const PASSWORD_VARIABLE: &str = "HIL_CLOUD_PASSWORD";
const TOKEN_VARIABLE: &str = "HIL_BLYNK_TOKEN";
/// Behind it the name of the scenario's network, in capitals: `HIL_PASSWORD_HOMENET`.
const NETWORK_VARIABLE: &str = "HIL_PASSWORD_";
/// Where the real cloud is, unless another is named.
const PUBLIC_CLOUD: &str = "https://blynk.cloud";

/// A secret that no message shows.
#[derive(Clone, PartialEq, Eq)]
struct Secret(String);

impl Secret {
    fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A network of the scenario's, and the real one that stands for it.
#[derive(Clone, Debug)]
struct Network {
    /// As the scenario calls it.
    name: String,
    ssid: String,
    password: Secret,
}

/// What is known of the place where a board is accepted.
#[derive(Clone, Debug)]
struct Place {
    arguments: AcceptanceArguments,
    port: String,
    baud: u32,
    networks: Vec<Network>,
    cloud: Cloud,
    /// What the device is told of the cloud: host and port.
    cloud_for_device: (String, u16),
    portal: Portal,
}

/// A board with its own radio.
pub struct Acceptance {
    place: Place,
    harness: Harness,
}

impl Acceptance {
    /// A board at a serial port, in the place that the arguments and the environment describe.
    ///
    /// # Errors
    /// When something that is needed is not named, or is not there.
    pub fn new(
        port: &str,
        baud: u32,
        arguments: &AcceptanceArguments,
        harness: &Harness,
    ) -> Result<Self, Trouble> {
        let token = variable(TOKEN_VARIABLE);
        let base = match (&arguments.cloud, &token) {
            (Some(base), _) => base.clone(),
            (None, Some(_)) => PUBLIC_CLOUD.to_owned(),
            (None, None) => {
                let what = "no cloud is named";
                let hint = format!(
                    "run one: hil cloud --listen ADDRESS, and name it: --cloud http://ADDRESS:8080; or put a device's \
                     token of the real one into {TOKEN_VARIABLE}"
                );
                return Err(Trouble::misuse(what, hint));
            }
        };
        let cloud_for_device = host_and_port(&base)?;
        let access = access(token)?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().build().map_err(|error| no_client(&error))?;
        let place = Place {
            arguments: arguments.clone(),
            port: port.to_owned(),
            baud,
            networks: networks(&arguments.network)?,
            cloud: Cloud::new(client, &base, access),
            cloud_for_device,
            portal: Portal::new(&arguments.interface).map_err(|error| no_client(&error))?,
        };
        // Whether it is there is found before anything is done.
        Console::check(port, baud).map_err(|error| {
            let hint = "is the board plugged in, and is no other program at the port?";
            Trouble::unavailable(format!("{port}: {error}"), hint)
        })?;
        Ok(Self { place, harness: *harness })
    }

    /// The changes of state that the scenario's story has.
    fn states_of_story(&self, scenario: &Scenario) -> Vec<String> {
        let outcome = simulate(scenario, &self.harness, DEFAULT_SEED);
        let states = outcome.trace.entries().iter().filter_map(|entry| match &entry.what {
            What::Device(firmware_core::trace::Event::State { to, .. }) => Some(to.to_string()),
            _ => None,
        });
        states.collect()
    }
}

impl Target for Acceptance {
    fn device(&self, _harness: &Harness) -> Result<Box<dyn Executor>, ExecutorError> {
        Err(ExecutorError::Line("a board with its own radio has no link".to_owned()))
    }

    fn refuses(&self, scenario: &Scenario) -> Option<String> {
        if let Some(why) = world::refusal(scenario) {
            return Some(why.to_owned());
        }
        if let Some(why) = self.place.missing_network(scenario) {
            return Some(why);
        }
        deeds(scenario, &self.place.arguments).into_iter().find_map(|step| {
            let why = step.deed.err()?;
            Some(format!("step {} (line {}), {}: {why}", step.number, step.line, step.what))
        })
    }

    fn jobs_max(&self) -> usize {
        1
    }

    fn outside(&self) -> Option<&dyn Outside> {
        Some(self)
    }
}

impl Outside for Acceptance {
    fn observe(&self, scenario: &Scenario) -> Observed {
        let failed = |why: String| Observed {
            failure: Some(Failure {
                step: 0,
                line: 0,
                what: String::new(),
                why,
                invariant: None,
                is_of_the_world: true,
            }),
            ..Observed::default()
        };
        let console = match Console::open(&self.place.port, self.place.baud) {
            Ok(console) => console,
            Err(error) => return failed(format!("{}: {error}", self.place.port)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return failed(format!("the system refuses: {error}")),
        };
        let mut run = Run::new(&self.place, &console, scenario);
        let failure = runtime.block_on(run.carry_out(&deeds(scenario, &self.place.arguments)));
        let failure = failure.err().or_else(|| run.check_order(&self.states_of_story(scenario)).err());
        let elapsed = Duration::from_micros(u64::try_from(console.elapsed().as_micros()).unwrap_or(u64::MAX));
        Observed { elapsed, lines: run.into_lines(), failure }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn access(token: Option<String>) -> Result<Access, Trouble> {
    if let Some(token) = token {
        return Ok(Access::Token(Secret(token)));
    }
    match (variable(ACCOUNT_VARIABLE), variable(PASSWORD_VARIABLE)) {
        (Some(email), Some(password)) => Ok(Access::Account { email, password: Secret(password) }),
        _ => {
            let what = "nothing says who may use the cloud";
            let hint = format!(
                "put the account into {ACCOUNT_VARIABLE} and {PASSWORD_VARIABLE}, or a device's token into \
                 {TOKEN_VARIABLE}"
            );
            Err(Trouble::misuse(what, hint))
        }
    }
}

/// The networks of the command line, with their passwords from the environment; none for an open one.
fn networks(written: &[String]) -> Result<Vec<Network>, Trouble> {
    let network = |written: &String| {
        let (name, ssid) = written
            .split_once('=')
            .filter(|(name, ssid)| !name.is_empty() && !ssid.is_empty())
            .ok_or_else(|| {
                let what = format!("`--network {written}` does not say which network stands for which");
                Trouble::misuse(
                    what,
                    "first the scenario's name of it, then the real one: --network HomeNet=MyWiFi",
                )
            })?;
        let password = variable(&password_variable(name)).unwrap_or_default();
        Ok(Network { name: name.to_owned(), ssid: ssid.to_owned(), password: Secret(password) })
    };
    written.iter().map(network).collect()
}

/// The environment variable that holds the password of a scenario's network.
fn password_variable(name: &str) -> String {
    let letter = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_uppercase() } else { b'_' };
    let name: String = name.bytes().map(letter).map(char::from).collect();
    format!("{NETWORK_VARIABLE}{name}")
}

/// What a device must be told to find a cloud.
fn host_and_port(base: &str) -> Result<(String, u16), Trouble> {
    let wrong = || {
        Trouble::misuse(
            format!("`{base}` is no address of a cloud"),
            "as in --cloud http://192.168.1.10:8080",
        )
    };
    let url = reqwest::Url::parse(base).map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(wrong());
    }
    // A device speaks TLS on every port but 80 and 8080, whatever this program does.
    Ok((host.to_owned(), url.port_or_known_default().unwrap_or(443)))
}

fn no_client(error: &reqwest::Error) -> Trouble {
    Trouble::unavailable(
        format!("no HTTP client can be made: {}", cause(error)),
        "is there an interface of this name? See: ip link",
    )
}

/// What failed in the end: what stands around it only names the request.
fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Adds bytes as a query holds them (RFC 3986 section 2.3).
fn push_encoded(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(*byte));
            }
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// The least that a real network is given, unless the user says otherwise.
const PATIENCE_S: u16 = 90;

impl Place {
    /// Which of the networks that a scenario's device is to join has no real one that stands for it.
    fn missing_network(&self, scenario: &Scenario) -> Option<String> {
        let joined = scenario.steps.iter().filter_map(|step| match &step.verb {
            Verb::Phone(PhoneAction::Configure(Configure { network, ssid: None, password, .. }))
            | Verb::Phone(PhoneAction::Provision(Provision { network, ssid: None, password, .. })) => {
                Some((network.as_ref()?, password.is_none()))
            }
            _ => None,
        });
        joined.into_iter().find_map(|(name, takes_password)| {
            let router = scenario.world.router(name.as_str())?;
            let ssid = String::from_utf8_lossy(router.ssid.as_bytes());
            let Some(real) = self.networks.iter().find(|network| network.name == ssid) else {
                return Some(format!("no real network stands for {ssid}: --network {ssid}=SSID"));
            };
            let lacks_password =
                takes_password && router.password.is_some() && real.password.expose().is_empty();
            let variable = password_variable(&real.name);
            lacks_password.then(|| format!("the password of {ssid} is missing: put it into {variable}"))
        })
    }

    /// How long something may take here that takes `within` in the simulator, whose radio is quicker than a real one.
    fn limit(&self, within: Duration) -> WallDuration {
        WallDuration::from_micros(within.total_micros()).max(self.patience())
    }

    fn patience(&self) -> WallDuration {
        WallDuration::from_secs(self.arguments.patience.unwrap_or(PATIENCE_S).into())
    }
}
