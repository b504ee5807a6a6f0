//! The fields of one line of a trace file, as they are written.

use std::fmt::{Display, Write};

use crate::json::{push_number, push_string};
use crate::secrets::Secrets;

/// The fields of an entry, each behind a comma.
pub(super) struct Fields<'a> {
    json: String,
    secrets: &'a Secrets,
    scratch: String,
}

impl<'a> Fields<'a> {
    pub(super) fn new(secrets: &'a Secrets) -> Self {
        Self { json: String::new(), secrets, scratch: String::new() }
    }

    /// Forgets the fields of the entry before.
    pub(super) fn clear(&mut self) {
        self.json.clear();
    }

    pub(super) fn as_str(&self) -> &str {
        &self.json
    }

    /// What an entry with these fields is called.
    #[expect(clippy::unused_self, reason = "ends a chain of fields")]
    pub(super) fn named(&mut self, name: &'static str) -> &'static str {
        name
    }

    /// A text, which may come from outside: a secret in it is starred.
    pub(super) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.begin(name);
        push_string(&mut self.json, &self.secrets.clean(value));
        self
    }

    /// Something as it is told, which may come from outside.
    pub(super) fn display(&mut self, name: &str, value: impl Display) -> &mut Self {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        // Writing to a string does not fail.
        let _ = write!(text, "{value}");
        self.text(name, &text);
        self.scratch = text;
        self
    }

    pub(super) fn number(&mut self, name: &str, value: impl Into<u64>) -> &mut Self {
        self.begin(name);
        push_number(&mut self.json, value.into());
        self
    }

    pub(super) fn count(&mut self, name: &str, value: usize) -> &mut Self {
        self.number(name, u64::try_from(value).unwrap_or(u64::MAX))
    }

    pub(super) fn numbers(&mut self, name: &str, values: &[u16]) -> &mut Self {
        self.begin(name);
        for (index, value) in values.iter().enumerate() {
            self.json.push(if index == 0 { '[' } else { ',' });
            push_number(&mut self.json, u64::from(*value));
        }
        self.json.push(']');
        self
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.begin(name);
        self.json += if value { "true" } else { "false" };
        self
    }

    /// Names need no escape.
    fn begin(&mut self, name: &str) {
        self.json += ",\"";
        self.json += name;
        self.json += "\":";
    }
}
