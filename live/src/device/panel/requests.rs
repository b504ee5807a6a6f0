//! What is asked of the world.

use tokio::sync::{mpsc, oneshot};

use crate::device::{Asked, Request, Wish};

/// The way to the world.
#[derive(Clone, Debug)]
pub(super) struct Requests(mpsc::Sender<Request>);

/// Why something was not done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum NotDone {
    /// The world says no, and why.
    #[error("{0}")]
    Refused(String),
    /// There is no world any more.
    #[error("the device has ended")]
    Ended,
}

impl Requests {
    pub(super) fn new(sender: mpsc::Sender<Request>) -> Self {
        Self(sender)
    }

    /// Asks the world, and waits for what it says.
    pub(super) async fn ask(&self, what: Asked) -> Result<String, NotDone> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Request { what, answer }).await.map_err(|_| NotDone::Ended)?;
        answered.await.map_err(|_| NotDone::Ended)?.map_err(NotDone::Refused)
    }

    pub(super) async fn wish(&self, wish: Wish) -> Result<(), NotDone> {
        self.ask(Asked::Wish(wish)).await.map(|_| ())
    }
}
