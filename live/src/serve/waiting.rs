//! What GDB says waits here for a page that can take it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// GDB waits for an answer before it says more, and repeats itself a few times if there is none.
pub(super) const WAITING_MAX: usize = 64;

/// Messages in the order in which they came. They outlive the page that does not take them.
#[derive(Default)]
pub(super) struct Waiting {
    messages: Mutex<VecDeque<String>>,
    more: Notify,
}

impl Waiting {
    /// Returns false if there are too many already.
    pub(super) fn push(&self, message: String) -> bool {
        let mut messages = self.messages();
        if messages.len() >= WAITING_MAX {
            return false;
        }
        messages.push_back(message);
        self.more.notify_one();
        true
    }

    /// Takes the first message, as soon as there is one.
    pub(super) async fn take(&self) -> String {
        loop {
            if let Some(message) = self.messages().pop_front() {
                return message;
            }
            self.more.notified().await;
        }
    }

    /// Forgets them: whoever waits for answers has gone.
    pub(super) fn clear(&self) {
        self.messages().clear();
    }

    fn messages(&self) -> MutexGuard<'_, VecDeque<String>> {
        // No operation on it can stop half-way.
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
