//! One device as the cloud knows it.

use core::fmt;
use std::collections::BTreeMap;

use firmware_core::cloud::codec::params;
use smoltcp::time::Instant;

use super::{DEVICE_NAME, DEVICE_NAME_LEN_MAX, DeviceId, DeviceRecord, EVENTS_MAX, META_FIELDS, TokenRecord};

/// One device, or the place for one.
pub struct Device {
    pub(super) id: DeviceId,
    pub(super) name: String,
    pub(super) token: Token,
    pub(super) next_token: Option<Token>,
    pub(super) template: Option<String>,
    pub(super) activated_at: Option<Instant>,
    pub(super) first_connected_at: Option<Instant>,
    pub(super) connected_at: Option<Instant>,
    pub(super) disconnected_at: Option<Instant>,
    pub(super) session: Option<u64>,
    pub(super) pins: BTreeMap<u8, Vec<u8>>,
    meta: BTreeMap<String, String>,
    /// Keys and values, as they came.
    pub(super) info: Vec<u8>,
    events: Vec<(String, String)>,
    pub(super) downlinks: Vec<Downlink>,
}

/// A write on its way to a device.
pub(in crate::cloud) struct Downlink {
    pub(in crate::cloud) pin: u8,
    pub(in crate::cloud) value: Vec<u8>,
}

pub(super) struct Token {
    pub(super) text: String,
    pub(super) good_until: Option<Instant>,
}

/// Whether a device has been there and is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceStatus {
    /// It has never logged in.
    NeverSeen,
    /// It is logged in, and activated.
    Online,
    /// It was there, or is there without being activated.
    Offline,
}

impl Device {
    /// A device that nobody has seen.
    pub(super) fn new(id: DeviceId, token: Token) -> Self {
        Self {
            id,
            name: DEVICE_NAME.into(),
            token,
            next_token: None,
            template: None,
            activated_at: None,
            first_connected_at: None,
            connected_at: None,
            disconnected_at: None,
            session: None,
            pins: BTreeMap::new(),
            meta: BTreeMap::new(),
            info: Vec::new(),
            events: Vec::new(),
            downlinks: Vec::new(),
        }
    }

    /// A device as it was kept.
    pub(super) fn from_record(record: DeviceRecord) -> Self {
        let DeviceRecord { id, name, token, next_token, template, activated_at, .. } = record;
        let DeviceRecord { first_connected_at, connected_at, disconnected_at, .. } = record;
        let DeviceRecord { pins, meta, info, events, .. } = record;
        Self {
            id,
            name,
            token: token.into(),
            next_token: next_token.map(Token::from),
            template,
            activated_at,
            first_connected_at,
            connected_at,
            disconnected_at,
            session: None,
            pins,
            meta,
            info,
            events,
            downlinks: Vec::new(),
        }
    }

    /// What is to be kept of it.
    pub(super) fn record(&self) -> DeviceRecord {
        DeviceRecord {
            id: self.id,
            name: self.name.clone(),
            token: self.token.record(),
            next_token: self.next_token.as_ref().map(Token::record),
            template: self.template.clone(),
            activated_at: self.activated_at,
            first_connected_at: self.first_connected_at,
            connected_at: self.connected_at,
            disconnected_at: self.disconnected_at,
            pins: self.pins.clone(),
            meta: self.meta.clone(),
            info: self.info.clone(),
            events: self.events.clone(),
        }
    }

    /// Its number.
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its token, a secret.
    pub fn token(&self) -> &str {
        &self.token.text
    }

    /// Its template's id, once it is activated.
    pub fn template(&self) -> Option<&str> {
        self.template.as_deref()
    }

    /// When it was activated.
    pub fn activated_at(&self) -> Option<Instant> {
        self.activated_at
    }

    /// When it logged in for the first time.
    pub fn first_connected_at(&self) -> Option<Instant> {
        self.first_connected_at
    }

    /// When it logged in last.
    pub fn connected_at(&self) -> Option<Instant> {
        self.connected_at
    }

    /// When its last session ended.
    pub fn disconnected_at(&self) -> Option<Instant> {
        self.disconnected_at
    }

    /// Whether it has been there and is.
    pub fn status(&self) -> DeviceStatus {
        if self.first_connected_at.is_none() {
            DeviceStatus::NeverSeen
        } else if self.session.is_some() && self.template.is_some() {
            DeviceStatus::Online
        } else {
            DeviceStatus::Offline
        }
    }

    /// The last value of a pin; several values are separated by NUL.
    pub fn pin(&self, pin: u8) -> Option<&[u8]> {
        self.pins.get(&pin).map(Vec::as_slice)
    }

    /// Every pin that has a value, in order.
    pub fn pins(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.pins.iter().map(|(pin, value)| (*pin, value.as_slice()))
    }

    /// A metadata field.
    pub fn meta(&self, field: &str) -> Option<&str> {
        if field == "Device Name" { Some(&self.name) } else { self.meta.get(field).map(String::as_str) }
    }

    /// What its last info frame said, keys and values in order.
    pub fn info(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        params(&self.info).pairs()
    }

    /// The events it logged, code and description, oldest first.
    pub fn events(&self) -> &[(String, String)] {
        &self.events
    }

    pub(in crate::cloud) fn session(&self) -> Option<u64> {
        self.session
    }

    pub(super) fn end_session(&mut self, now: Instant) {
        if self.session.take().is_some() {
            self.disconnected_at = Some(now);
        }
        self.downlinks.clear();
    }

    /// Sets a field that every template has; returns whether this is one and the value is good.
    pub(super) fn set_meta(&mut self, field: &str, value: &str) -> bool {
        if field == "Device Name" {
            let good = !value.is_empty() && value.chars().count() <= DEVICE_NAME_LEN_MAX;
            if good {
                self.name = value.into();
            }
            return good;
        }
        let known = has_meta(field);
        if known {
            self.meta.insert(field.into(), value.into());
        }
        known
    }

    pub(super) fn log_event(&mut self, code: &str, description: &str) {
        if self.events.len() == EVENTS_MAX {
            self.events.remove(0);
        }
        self.events.push((code.into(), description.into()));
    }
}

/// Whether every template has this metadata field.
pub(in crate::cloud) fn has_meta(field: &str) -> bool {
    field == "Device Name" || META_FIELDS.contains(&field)
}

impl Token {
    pub(super) fn record(&self) -> TokenRecord {
        TokenRecord { text: self.text.clone(), good_until: self.good_until }
    }

    pub(super) fn is(&self, now: Instant, text: &str) -> bool {
        self.text == text && self.good_until.is_none_or(|until| now < until)
    }
}

// Secrets stay out of every log, so that this is written by hand.

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("template", &self.template)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
