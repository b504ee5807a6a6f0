//! What somebody does at the panel, and sees.

use std::path::PathBuf;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};

use crate::browser::Browser;
use crate::device::Device;

type Outcome = Result<(), Failed>;

/// A set-up takes some seconds of real time, and twice that on a busy machine; one that fails first, a minute.
const SET_UP: Duration = Duration::from_secs(120);
/// Long enough for the firmware to show that it is held, and to erase; the page counts.
const HELD_4_S: &str = "performance.now() - board.pressedAt >= 4_000";
const HELD_12_S: &str = "performance.now() - board.pressedAt >= 12_000";
const PHONE: (u32, u32) = (390, 844);
const DESKTOP: (u32, u32) = (1_440, 900);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("power goes and comes", DESKTOP, power),
        trial("a long hold erases, a short one does not", DESKTOP, button),
        trial("the button is held by a key", PHONE, key),
        trial("the console answers", PHONE, console),
        trial("it is set up as by the app, and loses its router", DESKTOP, set_up),
        trial("a router throws it out, a cloud goes and falls silent", DESKTOP, faults),
        trial("power that goes while it writes", DESKTOP, cut),
        trial("a step is done, and a wrong one explained", PHONE, steps),
        trial("a packet is taken apart, without its secrets", DESKTOP, packets),
        trial("a packet is taken apart on a phone", PHONE, packets),
        trial("a lost connection is said, and comes back", DESKTOP, reconnects),
    ]
}

/// A story with a device and a browser.
fn trial<F>(name: &'static str, size: (u32, u32), story: impl FnOnce(Stage) -> F + Send + 'static) -> Trial
where
    F: Future<Output = Outcome>,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let device = Device::start()?;
            let browser = Browser::open(&device.url, size.0, size.1).await?;
            story(Stage { device, browser }).await
        })
    })
}

struct Stage {
    device: Device,
    browser: Browser,
}

impl Stage {
    async fn state(&mut self, state: &str) -> Outcome {
        let is_so = format!("document.querySelector('#state')?.dataset.state === '{state}'");
        self.browser.wait_long_for(&is_so, SET_UP).await
    }

    async fn text(&mut self, selector: &str, text: &str) -> Outcome {
        let is_so = format!("document.querySelector('{selector}')?.textContent.includes('{text}')");
        self.browser.wait_for(&is_so).await
    }

    async fn click(&mut self, selector: &str) -> Outcome {
        self.browser.click(selector).await
    }

    async fn set_up(&mut self) -> Outcome {
        self.state("WAIT_CONFIG").await?;
        self.click("#set-up").await?;
        self.state("RUNNING").await
    }

    /// Keeps a picture when somebody wants to see it.
    async fn keep_picture(&mut self, name: &str) -> Outcome {
        if let Some(folder) = std::env::var_os("HIL_PANEL_PICTURES") {
            let file = PathBuf::from(folder).join(format!("{name}.png"));
            std::fs::write(file, self.browser.picture().await?)?;
        }
        Ok(())
    }

    /// The page is as wide as its window, and nothing has gone wrong in it.
    async fn ends_well(mut self) -> Outcome {
        let fits = "document.documentElement.scrollWidth <= innerWidth";
        self.browser.wait_for(fits).await?;
        self.browser.all_is_well().await
    }
}

async fn power(mut stage: Stage) -> Outcome {
    stage.state("WAIT_CONFIG").await?;
    stage
        .browser
        .wait_for("Number(document.querySelector('#lamp').style.getPropertyValue('--level')) > 0")
        .await?;
    stage.keep_picture("waiting").await?;
    stage.click("#power").await?;
    stage.state("OFF").await?;
    stage.text("#lamp-words", "dark").await?;
    stage.browser.wait_for("document.querySelector('#power').ariaChecked === 'false'").await?;
    stage.keep_picture("off").await?;
    stage.click("#power").await?;
    stage.state("WAIT_CONFIG").await?;
    stage.text("#facts", "starts2").await?;
    stage.ends_well().await
}

async fn button(mut stage: Stage) -> Outcome {
    stage.set_up().await?;
    stage.browser.hold_until("#press", HELD_4_S).await?;
    stage.text("#list", "button go up after 4").await?;
    stage.state("RUNNING").await?;
    stage.browser.hold_until("#press", HELD_12_S).await?;
    stage.state("WAIT_CONFIG").await?;
    stage.click("#tab-flash").await?;
    stage.keep_picture("erased").await?;
    stage.browser.wait_for("!document.querySelector('#flash').textContent.includes('valid')").await?;
    stage.ends_well().await
}

async fn key(mut stage: Stage) -> Outcome {
    stage.state("WAIT_CONFIG").await?;
    stage.keep_picture("phone").await?;
    stage.browser.value("document.querySelector('#press').focus()").await?;
    stage.browser.key(true, " ", " ").await?;
    stage.browser.wait_for("live.picture.button_down").await?;
    stage.browser.key(false, " ", " ").await?;
    stage.browser.wait_for("!live.picture.button_down").await?;
    stage.browser.key(true, " ", " ").await?;
    stage.browser.wait_for("live.picture.button_down").await?;
    // Whoever looks elsewhere has taken the finger away.
    stage.browser.value("document.querySelector('#press').blur()").await?;
    stage.browser.wait_for("!live.picture.button_down").await?;
    stage.ends_well().await
}

async fn console(mut stage: Stage) -> Outcome {
    stage.state("WAIT_CONFIG").await?;
    stage.click("#console-input").await?;
    stage.browser.type_text("help").await?;
    stage.browser.key(true, "Enter", "\r").await?;
    stage.browser.key(false, "Enter", "").await?;
    stage.text("#console", "Available commands").await?;
    stage.keep_picture("phone-console").await?;
    stage.ends_well().await
}

async fn set_up(mut stage: Stage) -> Outcome {
    stage.set_up().await?;
    stage.keep_picture("running").await?;
    let off = "#faults [data-key='router home'][data-word='off']";
    stage.click(off).await?;
    stage.browser.wait_for(&format!("document.querySelector(\"{off}\").ariaPressed === 'true'")).await?;
    let left = "document.querySelector('#state').dataset.state !== 'RUNNING'";
    stage.browser.wait_long_for(left, SET_UP).await?;
    stage.keep_picture("router-off").await?;
    stage.click("#faults [data-key='router home'][data-word='on']").await?;
    stage.state("RUNNING").await?;
    stage.ends_well().await
}

/// Every switch but the router's own, which has a story of its own, is clicked, and its effect is awaited.
async fn faults(mut stage: Stage) -> Outcome {
    stage.set_up().await?;
    stage.click("#faults [data-step*='home'][data-step*='deauth']").await?;
    stage.browser.wait_for("live.picture.state !== 'RUNNING'").await?;
    stage.state("RUNNING").await?;
    for (key, bad, good) in [("cloud cloud", "off", "on"), ("mute cloud", "mute", "answers")] {
        stage.click(&format!("#faults [data-key='{key}'][data-word='{bad}']")).await?;
        // A session that stands falls silent for a minute before anybody notices; a new one does not begin.
        stage.click("#reset").await?;
        stage.state("CONNECTING_CLOUD").await?;
        stage.click(&format!("#faults [data-key='{key}'][data-word='{good}']")).await?;
        stage.state("RUNNING").await?;
    }
    stage.ends_well().await
}

async fn cut(mut stage: Stage) -> Outcome {
    stage.state("WAIT_CONFIG").await?;
    stage.click("#cut").await?;
    stage.text("#cut", "Armed").await?;
    stage.keep_picture("armed").await?;
    stage.click("#set-up").await?;
    stage.state("OFF").await?;
    stage.browser.wait_for("!live.picture.cut_armed").await?;
    stage.click("#power").await?;
    stage.state("WAIT_CONFIG").await?;
    stage.text("#list", "gets no reply").await?;
    // The phone still waits for what has become of the first time.
    stage.click("#set-up").await?;
    stage.text("#setup-answer.failed", "busy").await?;
    stage.click("#set-up-afresh").await?;
    stage.state("RUNNING").await?;
    stage.ends_well().await
}

async fn steps(mut stage: Stage) -> Outcome {
    stage.state("WAIT_CONFIG").await?;
    stage.browser.value("document.querySelector('#step').value = '- router: { power: sideways }'").await?;
    stage.click("#step-form button").await?;
    stage.text("#step-answer.failed", "sideways").await?;
    stage.keep_picture("phone-step").await?;
    stage.browser.value("document.querySelector('#step').value = '- link: { loss_permille: 10 }'").await?;
    stage.click("#step-form button").await?;
    stage.text("#step-answer:not(.failed)", "done").await?;
    // The examples that the page offers are steps that can be done.
    let examples = "Promise.all(EXAMPLES.map(([, step]) => connection.step(named(step)))).then((errors) => \
                    errors.filter((error) => error !== null).join('; '))";
    let refused = stage.browser.value(examples).await?;
    if refused != "" {
        return Err(format!("an example cannot be done: {refused}").into());
    }
    stage.click("#get-token").await?;
    stage.browser.wait_for("document.querySelector('#token').value.length === 32").await?;
    stage.ends_well().await
}

async fn packets(mut stage: Stage) -> Outcome {
    stage.set_up().await?;
    stage.click("[data-filter='packet']").await?;
    stage.click("#search").await?;
    stage.browser.type_text("GET /config").await?;
    stage.browser.wait_for("document.querySelectorAll('.row.packet').length >= 1").await?;
    stage.click(".row.packet").await?;
    for words in ["HTTP", "GET /config", "TCP", "IPv4", "told in words"] {
        stage.text("#details", words).await?;
    }
    let width = stage.browser.value("innerWidth").await?;
    stage.keep_picture(&format!("packet-{width}")).await?;
    let everything = "JSON.stringify([timeline.rows, live.picture]) + document.documentElement.outerHTML";
    let seen = stage.browser.value(everything).await?;
    let seen = seen.as_str().ok_or("the page cannot be read")?;
    for secret in ["correct horse", "correct%20horse", "correct+horse", "not your network"] {
        if seen.contains(secret) {
            return Err(format!("the page has {secret:?}").into());
        }
    }
    stage.click("#theme").await?;
    stage.keep_picture(&format!("dark-{width}")).await?;
    stage.ends_well().await
}

async fn reconnects(mut stage: Stage) -> Outcome {
    stage.state("WAIT_CONFIG").await?;
    let port = stage.device.port()?;
    let Stage { device, browser } = stage;
    drop(device);
    let mut browser = browser;
    browser.wait_for("document.querySelector('#connection').textContent.includes('lost')").await?;
    let device = Device::start_at(port)?;
    browser.wait_for("document.querySelector('#connection').textContent === 'connected'").await?;
    let mut stage = Stage { device, browser };
    stage.state("WAIT_CONFIG").await?;
    stage.text("#facts", "starts1").await?;
    stage.ends_well().await
}
