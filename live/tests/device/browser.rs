//! Headless Chromium in the namespace, told what to do over the DevTools protocol: a person's mouse and keyboard.
//!
//! It is spoken over two pipes, so that no port is open and nothing has to be found out:
//! <https://chromedevtools.github.io/devtools-protocol/>, messages of JSON that end with NUL.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::bench::{Bench, PATIENCE};

/// Programs that are Chromium.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// Lets a shell give Chromium the descriptors that it expects: 3 to read from, 4 to write to.
const START: &str = r#"exec "$@" 3<"$TO" 4>"$FROM""#;

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: File,
    from: mpsc::Receiver<Value>,
    session: Option<String>,
    last_id: u64,
}

/// Chromium's name here, if it is here.
pub(crate) fn chromium() -> Option<&'static str> {
    let answers = |name: &&str| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    NAMES.into_iter().find(answers)
}

impl Browser {
    /// Starts it where the device's network is.
    pub(crate) fn start(bench: &Bench) -> Result<Self, Failed> {
        let folder = bench.folder.path();
        let [to, from] = ["to", "from"].map(|name| folder.join(name));
        for pipe in [&to, &from] {
            if !Command::new("mkfifo").arg(pipe).status()?.success() {
                return Err("mkfifo fails".into());
            }
        }
        let mut command = bench.command("bash");
        command.args(["-c", START, "bash", chromium().ok_or("chromium is missing")?]);
        command.args(["--headless=new", "--disable-gpu", "--no-first-run", "--no-sandbox"]);
        command.args(["--disable-background-networking", "--remote-debugging-pipe"]);
        command.arg(format!("--user-data-dir={}", folder.join("profile").display()));
        command.env("TO", &to).env("FROM", &from).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn()?;
        // Open both ways, which does not wait for the other end.
        let open = |path: &Path| File::options().read(true).write(true).open(path);
        let (to, answers) = (open(&to)?, open(&from)?);
        let (sender, from) = mpsc::channel();
        thread::spawn(move || {
            for message in BufReader::new(answers).split(0) {
                let value = message.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
                if value.is_none_or(|value| sender.send(value).is_err()) {
                    return;
                }
            }
        });
        let mut browser = Self { child, to, from, session: None, last_id: 0 };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attached = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", &attached)?;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser.call("Page.enable", &json!({}))?;
        Ok(browser)
    }

    /// Opens a page.
    pub(crate) fn open(&mut self, url: &str) -> Result<(), Failed> {
        let opened = self.call("Page.navigate", &json!({ "url": url }))?;
        match opened["errorText"].as_str() {
            Some(error) => Err(format!("{url} cannot be opened: {error}").into()),
            None => Ok(()),
        }
    }

    /// What an expression is in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Result<Value, Failed> {
        let asked = json!({ "expression": expression, "returnByValue": true });
        let mut got = self.call("Runtime.evaluate", &asked)?;
        if got.get("exceptionDetails").is_some() {
            return Err(format!("{expression}: {}", got["exceptionDetails"]).into());
        }
        Ok(got["result"]["value"].take())
    }

    /// Waits until an expression is true in the page.
    pub(crate) fn wait_for(&mut self, bench: &Bench, expression: &str) -> Result<(), Failed> {
        bench.wait_for(expression, || Ok(self.evaluate(expression)? == true))
    }

    /// Clicks with the mouse in the middle of what an expression is.
    pub(crate) fn click(&mut self, element: &str) -> Result<(), Failed> {
        let place = self.evaluate(&format!(
            "(() => {{ const e = {element}; e.scrollIntoView({{ block: 'center' }}); \
             const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] }})()"
        ))?;
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", &event)?;
        }
        Ok(())
    }

    /// Types where the cursor is.
    pub(crate) fn type_text(&mut self, text: &str) -> Result<(), Failed> {
        self.call("Input.insertText", &json!({ "text": text })).map(drop)
    }

    fn call(&mut self, method: &str, params: &Value) -> Result<Value, Failed> {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes)?;
        loop {
            let mut answer =
                self.from.recv_timeout(PATIENCE).map_err(|_| format!("{method}: Chromium is silent"))?;
            if answer["id"] != self.last_id {
                continue;
            }
            return match answer.get("error") {
                Some(error) => Err(format!("{method}: {error}").into()),
                None => Ok(answer["result"].take()),
            };
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let closed = b"{\"id\":0,\"method\":\"Browser.close\"}\0";
        // It ends by itself when it is told to; otherwise it is ended.
        if self.to.write_all(closed).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
