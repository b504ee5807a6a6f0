//! What somebody at the panel can do.

use std::fmt;

use serde::Deserialize;
use tokio::sync::oneshot;

/// Something that is to be done in the world of a live device, as the panel sends it: JSON with its name under `do`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Wish {
    /// A finger on the button, or off it.
    Button {
        /// Whether the button is down from now on.
        down: bool,
    },
    /// Something is typed on the serial console.
    Type {
        /// The characters as they are typed; a line ends with `\r`.
        text: String,
    },
    /// Steps as a scenario has them, which are done at once: those about power, router, cloud, link, flash and clock.
    Step {
        /// The steps as YAML, for example `- router: { power: off }`.
        text: String,
    },
    /// The power goes in the middle of the next operation on the device's flash.
    CutAtNextWrite,
    /// The simulated phone sets the device up, as the app does.
    SetUp {
        /// Whether it gives up what it is doing, instead of saying that it is busy.
        #[serde(default)]
        afresh: bool,
    },
}

/// A wish on its way to the world.
pub struct Request {
    /// What is wished.
    pub what: Asked,
    /// Where the answer goes; nobody may wait for it any more.
    pub answer: oneshot::Sender<Result<String, String>>,
}

/// What the panel asks of the world.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Asked {
    /// Do this; the answer is empty, or why it cannot be done.
    Wish(Wish),
    /// Issue a provision token, as the cloud does for an app; the answer is the token.
    Token,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("what", &self.what).finish_non_exhaustive()
    }
}
