//! A server that runs, and the page that the tests play.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::BASE64;
use futures_util::{SinkExt, StreamExt};
use hil_live::serve::{Chip, Options, Parts, ServeError, Server};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait for what must not come.
const SILENCE: Duration = Duration::from_millis(150);
const POLL: Duration = Duration::from_millis(5);

pub(crate) type Outcome = Result<(), Failed>;

/// A test that is a story of its own.
pub(crate) fn trial<S, F>(name: &str, story: S) -> Trial
where
    S: FnOnce() -> F + Send + 'static,
    F: Future<Output = Outcome>,
{
    Trial::test(name, move || play(story()))
}

/// Plays a story to its end.
pub(crate) fn play(story: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { timeout(2 * PATIENCE, story).await.map_err(|_| "the story does not end")? })
}

/// Where a server's serial output goes in the tests.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("nothing panics with it").clone()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nothing panics with it").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A server that runs, with an ELF file that is none: only who makes images looks into it.
pub(crate) struct Stage {
    pub(crate) port: u16,
    pub(crate) gdb_port: u16,
    pub(crate) serial: Kept,
    pub(crate) elf: PathBuf,
    log: Arc<Mutex<Vec<String>>>,
    end: oneshot::Sender<()>,
    server: JoinHandle<Result<(), ServeError>>,
    _folder: TempDir,
}

/// What the ELF file of a new stage holds.
pub(crate) const ELF: &[u8] = b"\x7FELF, the first";

/// Options for any free ports.
pub(crate) fn options(elf: &Path) -> Options {
    Options {
        elf: elf.to_owned(),
        chip: Chip::Esp32C3,
        id: None,
        host: None,
        port: 0,
        gdb_port: 0,
        open_browser: false,
    }
}

/// An image in which one recognizes the ELF file.
pub(crate) fn parts_of(elf: &[u8]) -> Parts {
    vec![(0, vec![0xE9, 0xFF, 0]), (0x8000, vec![0xAA; 3072]), (0x1_0000, [b"app of ", elf].concat())]
}

impl Stage {
    pub(crate) async fn start() -> Result<Self, Failed> {
        Self::with(|path| Ok(parts_of(&fs::read(path).map_err(|error| error.to_string())?))).await
    }

    pub(crate) async fn with(
        make: impl Fn(&Path) -> Result<Parts, String> + Send + Sync + 'static,
    ) -> Result<Self, Failed> {
        let serial = Kept::default();
        Self::with_output(make, serial.clone(), serial).await
    }

    pub(crate) async fn with_output(
        make: impl Fn(&Path) -> Result<Parts, String> + Send + Sync + 'static,
        output: impl Write + Send + 'static,
        serial: Kept,
    ) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let elf = folder.path().join("program");
        fs::write(&elf, ELF)?;
        let server = Server::bind(options(&elf), make).await?;
        let (port, gdb_port) = (server.port(), server.gdb_port());
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let (end, ended) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let end = async { drop(ended.await) };
            let log = move |line: &str| lines.lock().expect("nothing panics with it").push(line.to_owned());
            server.run_until(end, output, log).await
        });
        Ok(Self { port, gdb_port, serial, elf, log, end, server, _folder: folder })
    }

    /// What the server said so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().expect("nothing panics with it").clone()
    }

    /// How many of the server's lines have this in them.
    pub(crate) fn said(&self, what: &str) -> usize {
        self.log().iter().filter(|line| line.contains(what)).count()
    }

    /// Waits until the server has said this.
    pub(crate) async fn says(&self, what: &str) -> Outcome {
        until(&format!("the server to say `{what}`"), || self.said(what) > 0).await
    }

    /// Waits until the serial output is this.
    pub(crate) async fn has_sent(&self, expected: &[u8]) -> Outcome {
        let found = || self.serial.bytes();
        let outcome = until("serial output", || found().len() >= expected.len()).await;
        same("serial output", &found(), &expected.to_vec()).and(outcome)
    }

    /// Tells the server to end, and waits for that.
    pub(crate) async fn end(self) -> Result<Result<(), ServeError>, Failed> {
        drop(self.end);
        Ok(timeout(PATIENCE, self.server).await.map_err(|_| "the server does not end")??)
    }

    /// Waits until the server ends by itself.
    pub(crate) async fn ended(self) -> Result<Result<(), ServeError>, Failed> {
        Ok(timeout(PATIENCE, self.server).await.map_err(|_| "the server does not end")??)
    }
}

/// Waits for something.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Outcome {
    let waiting = async {
        while !is_so() {
            sleep(POLL).await;
        }
    };
    timeout(PATIENCE, waiting).await.map_err(|_| format!("waited for {what} in vain").into())
}

pub(crate) fn same<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, found: &T, expected: &T) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: {found:?} instead of {expected:?}").into())
}

/// A page.
pub(crate) struct Page {
    socket: WebSocketStream<TcpStream>,
}

impl Page {
    pub(crate) async fn connect(port: u16) -> Result<Self, Failed> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let url = format!("ws://127.0.0.1:{port}/any/path?at=all");
        let socket = timeout(PATIENCE, client_async(url, stream)).await.map_err(|_| "no handshake")??;
        Ok(Self { socket: socket.0 })
    }

    /// The page of a site, as a browser connects it.
    pub(crate) async fn from_site(port: u16, site: &'static str) -> Result<Self, Failed> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut request = format!("ws://127.0.0.1:{port}/").into_client_request()?;
        request.headers_mut().insert("origin", HeaderValue::from_static(site));
        let socket = timeout(PATIENCE, client_async(request, stream)).await.map_err(|_| "no handshake")??;
        Ok(Self { socket: socket.0 })
    }

    /// A page to which the firmware has come.
    pub(crate) async fn started(port: u16) -> Result<Self, Failed> {
        let mut page = Self::connect(port).await?;
        page.say("hello").await?;
        same("the first message", &page.hears().await?["type"], &Value::from("start"))?;
        Ok(page)
    }

    pub(crate) async fn say(&mut self, text: &str) -> Outcome {
        self.send(Message::text(text)).await
    }

    pub(crate) async fn send(&mut self, message: Message) -> Outcome {
        Ok(self.socket.send(message).await?)
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Result<Message, Failed> {
        let message = timeout(PATIENCE, self.socket.next()).await.map_err(|_| "the server says nothing")?;
        Ok(message.ok_or("the connection is closed")??)
    }

    /// The next message, which is JSON.
    pub(crate) async fn hears(&mut self) -> Result<Value, Failed> {
        match self.next().await? {
            Message::Text(text) => Ok(serde_json::from_str(&text)?),
            other => Err(format!("{other:?} instead of a text").into()),
        }
    }

    /// Nothing comes.
    pub(crate) async fn hears_nothing(&mut self) -> Outcome {
        match timeout(SILENCE, self.socket.next()).await {
            Err(_) => Ok(()),
            Ok(message) => Err(format!("{message:?} instead of silence").into()),
        }
    }

    /// The server closes the connection as it should be done; how.
    pub(crate) async fn is_closed(&mut self) -> Result<CloseFrame, Failed> {
        match self.next().await? {
            Message::Close(Some(frame)) => Ok(frame),
            other => Err(format!("{other:?} instead of a farewell").into()),
        }
    }

    pub(crate) async fn close(mut self) -> Outcome {
        // That fails if the server was the first to close it, which is answered by reading on.
        let _ = self.socket.close(None).await;
        while let Ok(Some(Ok(_))) = timeout(PATIENCE, self.socket.next()).await {}
        Ok(())
    }
}

/// What starts the simulation, field by field.
pub(crate) fn is_start(message: &Value, elf: &[u8], parts: &Parts) -> Outcome {
    let fields = message.as_object().ok_or("no object")?;
    let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    same("the fields", &names, &vec!["elf", "espBin", "type"])?;
    same("the type", &message["type"], &Value::from("start"))?;
    same("the ELF file", &decoded(&message["elf"])?, &elf.to_vec())?;
    let found = message["espBin"].as_array().ok_or("no list")?;
    same("how many parts", &found.len(), &3)?;
    for (found, (address, bytes)) in found.iter().zip(parts) {
        let [at, content] = found.as_array().ok_or("no pair")?.as_slice() else {
            return Err(format!("{found} is no pair").into());
        };
        same("an address", at, &Value::from(*address))?;
        same("a part's content", &decoded(content)?, bytes)?;
    }
    Ok(())
}

fn decoded(value: &Value) -> Result<Vec<u8>, Failed> {
    Ok(BASE64.decode(value.as_str().ok_or("no text")?.as_bytes())?)
}
