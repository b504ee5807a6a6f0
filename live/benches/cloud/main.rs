//! What `hil cloud` takes: many devices at once, each of which writes a pin and pings once a second, with the limits of
//! the documents in force.
//!
//! `cargo bench -p hil-live --bench cloud [-- --devices 2000 --seconds 20 --database FILE]`. The cloud is a process of its own, so that
//! its memory can be told from that of the devices here. Both run on this machine: the latency has both in it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep_until, timeout};

type Error = Box<dyn core::error::Error>;

/// Connections that begin at the same time; the queue of a listening socket has 128 places on older systems.
const AT_ONCE: usize = 100;
/// Whoever waits longer has lost its connection.
const PATIENCE: Duration = Duration::from_secs(30);
/// Files beside the connections.
const OTHER_FILES: u64 = 64;
const TEMPLATE: &str = "TMPLbench0001";

/// Ends with the program that started it.
struct Cloud {
    child: Child,
    plain: SocketAddr,
    admin: SocketAddr,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let count = option("--devices", 2_000)?;
    let seconds = option("--seconds", 20)?;
    let wanted = count as u64 + OTHER_FILES;
    // The cloud inherits it.
    if rlimit::increase_nofile_limit(wanted)? < wanted {
        return Err(format!("the system allows fewer than {wanted} open files: raise `ulimit -n`").into());
    }
    let cloud = Cloud::start(text("--database").as_deref())?;
    let tokens = (0..count).map(|_| cloud.add_device()).collect::<Result<Vec<_>, _>>()?;
    let before = cloud.memory_kib();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (connecting, connected, run) = runtime.block_on(async {
        let begun = Instant::now();
        let mut devices = Vec::with_capacity(count);
        for tokens in tokens.chunks(AT_ONCE) {
            let tasks: Vec<_> =
                tokens.iter().map(|token| tokio::spawn(log_in(cloud.plain, token.clone()))).collect();
            for task in tasks {
                devices.push(task.await?.map_err(|error| format!("a device could not log in: {error}"))?);
            }
        }
        let connecting = begun.elapsed();
        let connected = cloud.memory_kib();
        // The first second of each begins at another moment of the second.
        let start = tokio::time::Instant::now() + Duration::from_millis(100);
        let tasks = devices.into_iter().enumerate().map(|(number, stream)| {
            let offset = Duration::from_micros(1_000_000 * number as u64 / count as u64);
            tokio::spawn(live(stream, start + offset, seconds))
        });
        let mut run = Run::default();
        for task in tasks.collect::<Vec<_>>() {
            let (latencies, is_whole) = task.await?;
            run.latencies.extend(latencies);
            run.dropped += usize::from(!is_whole);
        }
        Ok::<_, Error>((connecting, connected, run))
    })?;
    print(&cloud, count, seconds, connecting, [before, connected], run);
    Ok(())
}

fn print(
    cloud: &Cloud,
    count: usize,
    seconds: usize,
    connecting: Duration,
    [before, connected]: [Option<u64>; 2],
    mut run: Run,
) {
    run.latencies.sort_unstable();
    let part = |permille: usize| {
        let place = run.latencies.len().saturating_sub(1) * permille / 1_000;
        run.latencies
            .get(place)
            .map_or_else(|| "none".to_owned(), |latency| format!("{:.2} ms", millis(*latency)))
    };
    let each = before.zip(connected).map_or_else(
        || "not known here".to_owned(),
        |(before, connected)| format!("{:.1} KiB", connected.saturating_sub(before) as f64 / count as f64),
    );
    let at_end = cloud.memory_kib().map_or_else(|| "not known here".to_owned(), |kib| format!("{kib} KiB"));
    let profile = if cfg!(debug_assertions) { "not optimized as a release is" } else { "release" };
    println!("{count} devices for {seconds} s, each with a write and a ping a second ({profile})");
    for (what, value) in [
        ("all logged in after", format!("{:.2} s", connecting.as_secs_f64())),
        ("pings answered", run.latencies.len().to_string()),
        ("ping round trip, p50", part(500)),
        ("ping round trip, p99", part(990)),
        ("ping round trip, longest", part(1_000)),
        ("connections dropped", run.dropped.to_string()),
        ("memory for a connection", each),
        ("memory of the cloud in the end", at_end),
    ] {
        println!("  {what:<32}{value:>16}");
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// What came of the devices.
#[derive(Default)]
struct Run {
    latencies: Vec<Duration>,
    dropped: usize,
}

/// A device that is logged in and has told about itself.
async fn log_in(address: SocketAddr, token: String) -> std::io::Result<tokio::net::TcpStream> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    for (command, id, body) in [(29, 1, token.into_bytes()), (17, 2, b"ver\x001.4.0\0h-beat\x0040".to_vec())]
    {
        stream.write_all(&frame(command, id, &body)).await?;
        let mut answer = [0; 5];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await??;
        if answer != [0, 0, id, 0, 200] {
            return Err(std::io::Error::other(format!("answered {answer:?}")));
        }
    }
    Ok(stream)
}

/// Writes and pings once a second. Returns how long the answers took, and whether all came.
async fn live(
    mut stream: tokio::net::TcpStream,
    start: tokio::time::Instant,
    seconds: usize,
) -> (Vec<Duration>, bool) {
    let mut latencies = Vec::with_capacity(seconds);
    for second in 0..seconds {
        sleep_until(start + Duration::from_secs(second as u64)).await;
        // One of 1 to 250: the answer's number shows that it belongs to this ping.
        let id = 1 + (second % 250) as u8;
        let value = format!("vw\x005\x00{second}");
        let said = [frame(20, id, value.as_bytes()), frame(6, id, b"")].concat();
        let asked = Instant::now();
        let mut answer = [0; 5];
        let exchange = async {
            stream.write_all(&said).await?;
            stream.read_exact(&mut answer).await
        };
        if !matches!(timeout(PATIENCE, exchange).await, Ok(Ok(_))) || answer != [0, 0, id, 0, 200] {
            return (latencies, false);
        }
        latencies.push(asked.elapsed());
    }
    (latencies, true)
}

fn frame(command: u8, id: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).expect("a short body").to_be_bytes();
    [&[command, 0, id][..], &len, body].concat()
}

/// What stands behind a name on the command line.
fn text(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// A number behind its name on the command line.
fn option(name: &str, default: usize) -> Result<usize, Error> {
    match text(name) {
        Some(text) => text.parse().map_err(|_| format!("{name} takes a number, not `{text}`").into()),
        None => Ok(default),
    }
}

impl Cloud {
    fn start(database: Option<&str>) -> Result<Self, Error> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hil-live"));
        command.args(["cloud", "--port", "0", "--tls-port", "0", "--admin-port", "0"]);
        command.args(["--template", &format!("{TEMPLATE}=Bench")]);
        command.args(database.map(|file| ["--database", file]).into_iter().flatten());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let addresses: Vec<SocketAddr> =
            line.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
        let [plain, _, admin] = addresses[..] else {
            return Err(format!("the cloud does not say where it listens: {line:?}").into());
        };
        Ok(Self { child, plain, admin })
    }

    fn add_device(&self) -> Result<String, Error> {
        let body = format!(r#"{{"template":"{TEMPLATE}"}}"#);
        let mut stream = TcpStream::connect(self.admin)?;
        write!(stream, "POST /devices HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        let made: serde_json::Value = serde_json::from_str(body)?;
        Ok(made["token"].as_str().ok_or(answer)?.to_owned())
    }

    /// Its resident memory, where the system tells it as Linux does.
    fn memory_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
