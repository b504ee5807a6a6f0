//! A live device in a network namespace of its own, and programs that run there.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use serde_json::Value;

/// Longer than anything that works takes, on a machine with other work.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// A pause between two looks. The simulated router has room for 256 flows, each of which it remembers for four minutes.
const LOOK: Duration = Duration::from_millis(400);

/// The device's own address, and one of its network for a client that does without DHCP.
pub(crate) const DEVICE: &str = "192.168.4.1";
const CLIENT: &str = "192.168.4.77/24";
/// The same in the home's network.
const HOME_CLIENT: &str = "192.168.1.77/24";
/// The same on the internet: half of RFC 2544's network, so that the clouds in the other half are reached through the
/// home's router.
const INTERNET_CLIENT: &str = "198.18.200.1/16";
/// The device's serial line, in the bench's folder.
const CONSOLE: &str = "console";
const HOME_ROUTER: &str = "192.168.1.1";

/// How many there have been in this process.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A live device, its namespace and its interfaces, all gone when this is.
pub(crate) struct Bench {
    child: Child,
    namespace: String,
    pub(crate) ap: String,
    pub(crate) lan: String,
    wan: String,
    /// The panel's address, `http://127.0.0.1:PORT/`.
    pub(crate) panel: String,
    pub(crate) folder: tempfile::TempDir,
}

/// What a program said.
pub(crate) struct Said {
    pub(crate) ok: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Bench {
    /// A live device in the world of `scenario`, or of the program's own.
    pub(crate) fn start(scenario: Option<&str>) -> Result<Self, Failed> {
        Self::start_with(scenario, |_| Ok(Vec::new()))
    }

    /// The same with more options, which may name files that are made in the bench's folder.
    fn start_with(
        scenario: Option<&str>,
        options: impl FnOnce(&Path) -> Result<Vec<OsString>, Failed>,
    ) -> Result<Self, Failed> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Interfaces have short names, and are in the namespace of the host for a moment.
        let tag = format!("{}{number}", std::process::id() % 1_000_000);
        let [namespace, ap, lan, wan] = ["hil", "hap", "hln", "hwn"].map(|prefix| format!("{prefix}{tag}"));
        let folder = tempfile::tempdir()?;
        let mut program = Command::new(env!("CARGO_BIN_EXE_hil-live"));
        program.args(["serve", "--no-open", "--port", "0", "--netns", &namespace, "--tap", &ap]);
        program.args(["--lan-tap", &lan, "--wan-tap", &wan, "--console"]).arg(folder.path().join(CONSOLE));
        program.args(options(folder.path())?).stdin(Stdio::null()).stdout(Stdio::piped());
        if let Some(scenario) = scenario {
            let file = folder.path().join("world.yaml");
            std::fs::write(&file, scenario)?;
            program.arg(file);
        }
        let mut child = program.spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let mut next = || lines.next().and_then(Result::ok).ok_or("the program ended; what it said is above");
        let first = next()?;
        let panel = first.strip_prefix("panel: ").ok_or("the first line is the panel's address")?.to_owned();
        // The three interfaces and the serial line.
        for _ in 0..4 {
            next()?;
        }
        // What it says later must not fill the pipe.
        thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, namespace, ap, lan, wan, panel, folder })
    }

    /// The same, with addresses in both networks for clients that do without DHCP.
    pub(crate) fn with_addresses(scenario: Option<&str>) -> Result<Self, Failed> {
        Self::start(scenario)?.addressed()
    }

    /// The same, with a device that trusts an authority whose certificate `make` writes into the bench's folder; it
    /// returns the file.
    pub(crate) fn trusting(make: impl FnOnce(&Path) -> Result<PathBuf, Failed>) -> Result<Self, Failed> {
        let bench = Self::start_with(None, |folder| Ok(vec!["--trust".into(), make(folder)?.into()]))?;
        bench.addressed()
    }

    fn addressed(self) -> Result<Self, Failed> {
        let bench = self;
        for (address, interface) in
            [(CLIENT, &bench.ap), (HOME_CLIENT, &bench.lan), (INTERNET_CLIENT, &bench.wan)]
        {
            bench.ip(&["addr", "add", address, "dev", interface])?;
        }
        // The clouds are asked from the home, as a phone there does.
        bench.ip(&["route", "add", "198.19.0.0/16", "via", HOME_ROUTER])?;
        bench.wait_for("the device's access point", || {
            Ok(bench.run("curl", &["-sf", "-m", "2", &format!("http://{DEVICE}/board_info.json")])?.ok)
        })?;
        Ok(bench)
    }

    fn ip(&self, arguments: &[&str]) -> Result<(), Failed> {
        let output = Command::new("ip").args(["-n", &self.namespace]).args(arguments).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)).into())
    }

    /// A program that runs in the namespace, to be started.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]).stdin(Stdio::null());
        command
    }

    /// Runs a program in the namespace.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<Said, Failed> {
        let Output { status, stdout, stderr } = self.command(program).args(arguments).output()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Said { ok: status.success(), out: text(stdout), err: text(stderr) })
    }

    /// What `curl` gets with these arguments; its own time limit is 20 s.
    pub(crate) fn curl(&self, arguments: &[&str]) -> Result<String, Failed> {
        let said = self.run("curl", &[&["-sS", "-m", "20"][..], arguments].concat())?;
        if said.ok { Ok(said.out) } else { Err(format!("curl {}: {}", arguments.join(" "), said.err).into()) }
    }

    /// What the device answers to a request, as JSON.
    pub(crate) fn ask_device(&self, path: &str) -> Result<Value, Failed> {
        let text = self.curl(&[&format!("http://{DEVICE}{path}")])?;
        serde_json::from_str(&text).map_err(|error| format!("{path} is no JSON: {error}: {text}").into())
    }

    /// What the simulated cloud answers, over the home's network and the router's name server.
    pub(crate) fn ask_cloud(&self, arguments: &[&str]) -> Result<String, Failed> {
        let found =
            self.run("dig", &["+short", "+tries=2", &format!("@{HOME_ROUTER}"), "blynk.cloud", "A"])?;
        let address = found.out.trim();
        if address.is_empty() {
            return Err(format!("the router does not know blynk.cloud: {}", found.err).into());
        }
        self.curl(&[&["--resolve", &format!("blynk.cloud:80:{address}")][..], arguments].concat())
    }

    /// A provision token of the cloud, as the app gets it.
    pub(crate) fn token(&self) -> Result<String, Failed> {
        let login = self.ask_cloud(&[
            "-u",
            "user@example.com:only simulated",
            "-d",
            "grant_type=client_credentials",
            "http://blynk.cloud/oauth2/token",
        ])?;
        let login: Value = serde_json::from_str(&login)?;
        let bearer = login["access_token"].as_str().ok_or("no access token")?;
        let issued = self.ask_cloud(&[
            "-H",
            &format!("Authorization: Bearer {bearer}"),
            "-d",
            "",
            "http://blynk.cloud/api/v1/organization/device/provision/token",
        ])?;
        let issued: Value = serde_json::from_str(&issued)?;
        Ok(issued["token"].as_str().ok_or("no token")?.to_owned())
    }

    /// Waits until the cloud has the device with this token online.
    pub(crate) fn wait_online(&self, token: &str) -> Result<(), Failed> {
        let url = format!("http://blynk.cloud/external/api/isHardwareConnected?token={token}");
        self.wait_for("the device online", || Ok(self.ask_cloud(&[&url])? == "true"))
    }

    /// Looks again and again until something is so.
    pub(crate) fn wait_for(
        &self,
        what: &str,
        mut is_so: impl FnMut() -> Result<bool, Failed>,
    ) -> Result<(), Failed> {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            if is_so()? {
                return Ok(());
            }
            if Instant::now() >= give_up_at {
                return Err(format!("{what}: not after {} s", PATIENCE.as_secs()).into());
            }
            thread::sleep(LOOK);
        }
    }

    /// The path of the device's serial line.
    pub(crate) fn console(&self) -> PathBuf {
        self.folder.path().join(CONSOLE)
    }

    /// A file of the bench's own with this content, that can be executed.
    pub(crate) fn script(&self, name: &str, text: &str) -> Result<PathBuf, Failed> {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text)?;
        make_executable(&file)?;
        Ok(file)
    }

    /// The memory that the live device takes, in bytes.
    pub(crate) fn memory(&self) -> Result<u64, Failed> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes * 1_024)
    }

    /// Ends the device as Ctrl-C does; says whether it ended well and left nothing behind.
    pub(crate) fn end(mut self) -> Result<(), Failed> {
        self.tell_to_end()?;
        let status = self.child.wait()?;
        let left = String::from_utf8(Command::new("ip").args(["netns", "list"]).output()?.stdout)?;
        if !status.success() {
            return Err(format!("it ended with {status}").into());
        }
        if left.split_whitespace().any(|name| name == self.namespace) {
            return Err("its network namespace is still there".into());
        }
        Ok(())
    }

    fn tell_to_end(&self) -> std::io::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status().map(drop)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // It removes its namespace and its interfaces; whoever cannot be told has ended.
        let _ = self.tell_to_end();
        let _ = self.child.wait();
    }
}

fn make_executable(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))
}
