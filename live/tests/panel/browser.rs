//! Chromium without a window, driven by its DevTools protocol as a person drives it: with a pointer and a keyboard.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use libtest_mimic::Failed;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Programs that are Chromium.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// How long anything may take that nobody waits for on purpose.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// A picture of a page has some hundred kilobytes.
const MESSAGE_LEN_MAX: usize = 64 * 1024 * 1024;

/// Chromium's name here, if it is here.
pub(crate) fn chromium() -> Option<&'static str> {
    let answers = |name: &&str| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    NAMES.into_iter().find(answers)
}

/// A browser with one page. Both end with it.
pub(crate) struct Browser {
    program: Child,
    /// Goes behind the program that writes to it.
    _profile: TempDir,
    socket: WebSocketStream<TcpStream>,
    session: Option<String>,
    next: u64,
}

impl Browser {
    /// Opens a page in a window of this size.
    pub(crate) async fn open(url: &str, width: u32, height: u32) -> Result<Self, Failed> {
        let name = chromium().ok_or("chromium is missing")?;
        let profile = tempfile::tempdir()?;
        let program = Command::new(name)
            .args([
                "--headless=new",
                "--disable-gpu",
                "--no-first-run",
                "--no-sandbox",
                "--remote-debugging-port=0",
            ])
            // Nothing is looked for elsewhere: a page that asked would fail.
            .args([
                "--disable-background-networking",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--window-size={width},{height}"))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut program = Guard(Some(program));
        let (port, path) = devtools(profile.path().join("DevToolsActivePort")).await?;
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_LEN_MAX))
            .max_frame_size(Some(MESSAGE_LEN_MAX));
        let request = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
        let program = program.0.take().ok_or("the browser has gone")?;
        let mut browser = Self { program, _profile: profile, socket, session: None, next: 1 };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" })).await?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach).await?;
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        browser.call("Emulation.setDeviceMetricsOverride", size).await?;
        browser.call("Page.enable", json!({})).await?;
        // Put before everything else, so that no error is missed.
        let watch = "window.wrong = []; addEventListener('error', (e) => wrong.push(e.message)); \
            addEventListener('unhandledrejection', (e) => wrong.push(String(e.reason))); \
            addEventListener('securitypolicyviolation', (e) => wrong.push(e.violatedDirective));";
        browser.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": watch })).await?;
        browser.call("Page.navigate", json!({ "url": url })).await?;
        Ok(browser)
    }

    /// Calls a method of the protocol; comes back with its result.
    async fn call(&mut self, method: &str, params: Value) -> Result<Value, Failed> {
        let id = self.next;
        self.next += 1;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(message.to_string())).await?;
        let answered = async {
            loop {
                let message = self.socket.next().await.ok_or("the browser has gone")??;
                let Message::Text(text) = message else { continue };
                let mut message: Value = serde_json::from_str(&text)?;
                if message["id"] == json!(id) {
                    return match message.get("error") {
                        Some(error) => Err(Failed::from(format!("{method}: {error}"))),
                        None => Ok(message["result"].take()),
                    };
                }
            }
        };
        timeout(PATIENCE, answered).await.map_err(|_| format!("{method} is not answered"))?
    }

    /// The value of an expression in the page.
    pub(crate) async fn value(&mut self, expression: &str) -> Result<Value, Failed> {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", params).await?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(format!("{expression}: {details}").into()),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    /// Waits until an expression is true.
    pub(crate) async fn wait_for(&mut self, expression: &str) -> Result<(), Failed> {
        self.wait_long_for(expression, PATIENCE).await
    }

    /// Waits at most so long until an expression is true.
    pub(crate) async fn wait_long_for(&mut self, expression: &str, limit: Duration) -> Result<(), Failed> {
        let end = Instant::now() + limit;
        while self.value(expression).await? != json!(true) {
            if Instant::now() > end {
                let state = self.value("document.body.innerText.slice(0, 3000)").await?;
                return Err(format!("never so: {expression}; the page says: {state}").into());
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// The middle of an element, once it is scrolled to where one sees it.
    async fn middle_of(&mut self, selector: &str) -> Result<(f64, f64), Failed> {
        let script = format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{ block: 'center' }}); \
             const r = e.getBoundingClientRect(); const [x, y] = [r.left + r.width / 2, r.top + r.height / 2]; \
             return {{ x, y, isSeen: e.contains(document.elementFromPoint(x, y)) }}; }})()"
        );
        let place = self.value(&script).await?;
        if place["isSeen"] != json!(true) {
            return Err(format!("{selector} is hidden by something else").into());
        }
        let number = |name: &str| place[name].as_f64().ok_or(format!("{selector} is nowhere"));
        Ok((number("x")?, number("y")?))
    }

    async fn mouse(&mut self, kind: &str, (x, y): (f64, f64)) -> Result<(), Failed> {
        let params = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
        self.call("Input.dispatchMouseEvent", params).await.map(|_| ())
    }

    /// Clicks in the middle of an element.
    pub(crate) async fn click(&mut self, selector: &str) -> Result<(), Failed> {
        let place = self.middle_of(selector).await?;
        self.mouse("mousePressed", place).await?;
        self.mouse("mouseReleased", place).await
    }

    /// Holds the mouse's button down in the middle of an element until an expression is true.
    pub(crate) async fn hold_until(&mut self, selector: &str, expression: &str) -> Result<(), Failed> {
        let place = self.middle_of(selector).await?;
        self.mouse("mousePressed", place).await?;
        self.wait_for(expression).await?;
        self.mouse("mouseReleased", place).await
    }

    /// Presses a key down, or lets it go.
    pub(crate) async fn key(&mut self, is_down: bool, key: &str, text: &str) -> Result<(), Failed> {
        let kind = if is_down { "keyDown" } else { "keyUp" };
        let mut params = json!({ "type": kind, "key": key });
        if is_down {
            params["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", params).await.map(|_| ())
    }

    /// Types a text where the focus is.
    pub(crate) async fn type_text(&mut self, text: &str) -> Result<(), Failed> {
        self.call("Input.insertText", json!({ "text": text })).await.map(|_| ())
    }

    /// A picture of what one sees, as a PNG.
    pub(crate) async fn picture(&mut self) -> Result<Vec<u8>, Failed> {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" })).await?;
        let data = picture["data"].as_str().ok_or("there is no picture")?;
        Ok(data_encoding::BASE64.decode(data.as_bytes())?)
    }

    /// Fails when anything in the page has gone wrong meanwhile.
    pub(crate) async fn all_is_well(&mut self) -> Result<(), Failed> {
        let wrong = self.value("wrong.join('; ')").await?;
        if wrong == json!("") { Ok(()) } else { Err(format!("wrong in the page: {wrong}").into()) }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        end(&mut self.program);
    }
}

/// Ends a program that nobody has taken.
struct Guard(Option<Child>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(program) = &mut self.0 {
            end(program);
        }
    }
}

/// Ends a program that was started here.
pub(crate) fn end(program: &mut Child) {
    // One that has ended already is no trouble.
    let _ = program.kill();
    let _ = program.wait();
}

/// Where the browser can be driven: its port, and a path there.
async fn devtools(file: PathBuf) -> Result<(u16, String), Failed> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let text = fs::read_to_string(&file).unwrap_or_default();
        if let Some((port, path)) = text.split_once('\n')
            && path.starts_with('/')
        {
            return Ok((port.parse()?, path.trim().to_owned()));
        }
        sleep(POLL).await;
    }
    Err("the browser cannot be driven: it does not say at which port".into())
}
