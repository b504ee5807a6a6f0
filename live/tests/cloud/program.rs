//! The program under test, and plain clients of it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_hil-live");
pub(crate) const TEMPLATE: &str = "TMPLtest0001";
pub(crate) const EMAIL: &str = "boss@example.com";
pub(crate) const PASSWORD: &str = "a password that is not to be seen";
/// The token of `blynk-protocol.md`, valid nowhere else.
pub(crate) const TOKEN: &str = "GoldenToken0123456789abcdefghij_";
/// Longer than anything takes on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// `hil cloud`, which ends with this.
pub(crate) struct Cloud {
    child: Child,
    pub(crate) plain: SocketAddr,
    pub(crate) secure: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) welcome: String,
    log: Receiver<String>,
}

/// The command with everything that every test wants.
pub(crate) fn command(more: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["cloud", "--port", "0", "--tls-port", "0", "--admin-port", "0", "--account", EMAIL]);
    command.args(["--template", &format!("{TEMPLATE}=Lamp"), "--device", TEMPLATE]).args(more);
    command.env("HIL_CLOUD_PASSWORD", PASSWORD).env("HIL_CLOUD_TOKEN", TOKEN);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Cloud {
    pub(crate) fn start(more: &[&str]) -> Result<Self, Failed> {
        Self::run(command(more))
    }

    pub(crate) fn run(mut command: Command) -> Result<Self, Failed> {
        let mut child = command.spawn()?;
        let mut said = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut complaints = BufReader::new(child.stderr.take().ok_or("no output")?);
        let (heard, log) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            while complaints.read_line(&mut line).is_ok_and(|len| len > 0) {
                if heard.send(core::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        let (mut line, mut welcome) = (String::new(), String::new());
        said.read_line(&mut line)?;
        said.read_line(&mut welcome)?;
        let addresses: Vec<SocketAddr> =
            line.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
        let [plain, secure, admin] = addresses[..] else {
            let complaint: Vec<_> = log.iter().collect();
            return Err(format!("it does not say where it listens: {line:?}, {complaint:?}").into());
        };
        Ok(Self { child, plain, secure, admin, welcome, log })
    }

    pub(crate) fn kill(&mut self) -> Result<(), Failed> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends it a signal and waits until it has ended. Returns its exit code and everything it told.
    pub(crate) fn end_with(mut self, signal: &str) -> Result<(Option<i32>, String), Failed> {
        let id = self.child.id().to_string();
        ensure(Command::new("kill").args([signal, &id]).status()?.success(), "the signal was sent")?;
        let code = self.child.wait()?.code();
        Ok((code, self.log.iter().collect()))
    }

    /// Waits until it tells something.
    pub(crate) fn hear(&self, words: &str) -> Result<(), Failed> {
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            if line.contains(words) {
                return Ok(());
            }
        }
        Err(format!("it never says {words:?}").into())
    }

    pub(crate) fn admin(&self, head: &str, body: &str) -> Result<Value, Failed> {
        let (status, answer) = http(self.admin, head, "", body)?;
        ensure(status == 200, format!("{head}: {status} {answer}"))?;
        Ok(serde_json::from_str(&answer)?)
    }

    pub(crate) fn fault(&self, change: &str) -> Result<Value, Failed> {
        self.admin("POST /faults", change)
    }

    /// The header of somebody who may use the platform API.
    pub(crate) fn bearer(&self) -> Result<String, Failed> {
        let basic = data_encoding::BASE64.encode(format!("{EMAIL}:{PASSWORD}").as_bytes());
        let basic = format!("Authorization: Basic {basic}\r\n");
        let call = "POST /oauth2/token?grant_type=client_credentials";
        let (status, answer) = http(self.plain, call, &basic, "")?;
        ensure(status == 200, &answer)?;
        let answer: Value = serde_json::from_str(&answer)?;
        Ok(format!("Authorization: Bearer {}\r\n", answer["access_token"].as_str().ok_or("no token")?))
    }

    /// A GET without credentials.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, String), Failed> {
        http(self.plain, &format!("GET {path}"), "", "")
    }

    pub(crate) fn connect(&self) -> Result<Client, Failed> {
        let stream = TcpStream::connect(self.plain)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Client(stream))
    }

    /// A device that is logged in and has told about itself.
    pub(crate) fn device(&self, token: &str) -> Result<Client, Failed> {
        let mut client = self.connect()?;
        client.say(&login(token))?;
        client.expect(&[0, 0, 1, 0, 200])?;
        client.say(&frame(17, 2, format!("ver\x001.0\0h-beat\x0040\0tmpl\0{TEMPLATE}").as_bytes()))?;
        client.expect(&[0, 0, 2, 0, 200])?;
        Ok(client)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A plain connection.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn say(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        Ok(self.0.write_all(bytes)?)
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, wanted: &[u8]) -> Result<(), Failed> {
        let mut heard = vec![0; wanted.len()];
        let line = std::panic::Location::caller().line();
        self.0.read_exact(&mut heard).map_err(|error| format!("line {line}, {wanted:x?}: {error}"))?;
        ensure(heard == wanted, format!("line {line}: {heard:x?} instead of {wanted:x?}"))
    }

    /// What arrives at once.
    pub(crate) fn hear(&mut self) -> Result<Vec<u8>, Failed> {
        let mut heard = vec![0; 4_096];
        let len = self.0.read(&mut heard)?;
        heard.truncate(len);
        Ok(heard)
    }

    /// Waits until the other side has closed.
    pub(crate) fn expect_end(&mut self) -> Result<(), Failed> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => ensure(rest.is_empty(), format!("{rest:x?} before the end")),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether nothing comes for a while. It takes the while.
    pub(crate) fn hears_nothing_for(&mut self, while_: Duration) -> Result<bool, Failed> {
        self.0.set_read_timeout(Some(while_))?;
        let heard = self.0.read(&mut [0]);
        self.0.set_read_timeout(Some(PATIENCE))?;
        Ok(
            matches!(heard, Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind())),
        )
    }
}

pub(crate) fn frame(command: u8, id: u16, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).expect("a short body");
    [&[command][..], &id.to_be_bytes(), &len.to_be_bytes(), body].concat()
}

pub(crate) fn login(token: &str) -> Vec<u8> {
    frame(29, 1, token.as_bytes())
}

pub(crate) fn ping(id: u16) -> Vec<u8> {
    frame(6, id, b"")
}

/// One request: the status and the body.
pub(crate) fn http(
    address: SocketAddr,
    head: &str,
    headers: &str,
    body: &str,
) -> Result<(u16, String), Failed> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let len = body.len();
    let request =
        format!("{head} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {len}\r\n\r\n{body}");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no answer: {answer:?}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
    Ok((status, body.to_owned()))
}

/// How a command ended that was to fail: the code and what it said.
pub(crate) fn failed(arguments: &[impl AsRef<OsStr>]) -> Result<(Option<i32>, String), Failed> {
    let mut command = Command::new(PROGRAM);
    command.arg("cloud").args(arguments).env("HIL_CLOUD_PASSWORD", PASSWORD);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    // One that does not fail would serve for ever.
    let limit = Instant::now() + PATIENCE;
    while child.try_wait()?.is_none() && Instant::now() < limit {
        thread::sleep(Duration::from_millis(10));
    }
    // It may have ended already.
    let _ = child.kill();
    let output = child.wait_with_output()?;
    Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

pub(crate) fn ensure(holds: bool, what: impl core::fmt::Display) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what.to_string().into()) }
}
