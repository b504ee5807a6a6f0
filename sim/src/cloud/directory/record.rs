//! What a directory hands out to be kept, and takes back. Whoever keeps it keeps secrets.

use std::collections::BTreeMap;

use smoltcp::time::Instant;

use super::device::{Device, Token};
use super::{DeviceId, Directory};

/// Everything about a device that outlasts its session. It holds tokens, so that it cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Its number.
    pub id: DeviceId,
    /// Its name.
    pub name: String,
    /// Its token.
    pub token: TokenRecord,
    /// The one that takes the token's place when it is used.
    pub next_token: Option<TokenRecord>,
    /// Its template's id, once it is activated.
    pub template: Option<String>,
    /// When it was activated.
    pub activated_at: Option<Instant>,
    /// When it logged in for the first time.
    pub first_connected_at: Option<Instant>,
    /// When it logged in last.
    pub connected_at: Option<Instant>,
    /// When its last session ended.
    pub disconnected_at: Option<Instant>,
    /// The values of its pins; several values of one are separated by NUL.
    pub pins: BTreeMap<u8, Vec<u8>>,
    /// Its metadata but for the name.
    pub meta: BTreeMap<String, String>,
    /// Keys and values of its last info frame, separated by NUL.
    pub info: Vec<u8>,
    /// The events it logged, code and description, oldest first.
    pub events: Vec<(String, String)>,
}

/// A token and how long it can be used.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// The secret.
    pub text: String,
    /// When it becomes invalid; `None` for never.
    pub good_until: Option<Instant>,
}

impl Directory {
    /// What is to be kept of a device; `None` when there is none of this number.
    pub fn record(&self, id: DeviceId) -> Option<DeviceRecord> {
        self.device(id).map(Device::record)
    }

    /// Takes back what was kept. Devices come in the order of their numbers; one that comes out of order is not
    /// taken, and the answer is `false`.
    pub fn restore(&mut self, record: DeviceRecord) -> bool {
        if record.id <= self.last_id {
            return false;
        }
        self.last_id = record.id;
        for token in [Some(&record.token), record.next_token.as_ref()].into_iter().flatten() {
            self.tokens.entry(token.text.clone()).or_insert(record.id);
        }
        self.devices.push(Device::from_record(record));
        true
    }

    /// The number of the youngest device there ever was.
    pub fn last_id(&self) -> DeviceId {
        self.last_id
    }

    /// Lets the numbers of new devices begin behind this one, which a device that is gone may have had.
    pub fn skip_to_id(&mut self, last_id: DeviceId) {
        self.last_id = self.last_id.max(last_id);
    }

    /// The access tokens of the HTTP API, oldest first.
    pub fn access_tokens(&self) -> Vec<TokenRecord> {
        self.access_tokens.iter().map(Token::record).collect()
    }

    /// Takes back an access token, after those that are older.
    pub fn restore_access_token(&mut self, token: TokenRecord) {
        self.access_tokens.push(token.into());
    }
}

impl From<TokenRecord> for Token {
    fn from(TokenRecord { text, good_until }: TokenRecord) -> Self {
        Self { text, good_until }
    }
}
