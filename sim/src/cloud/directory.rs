//! Accounts, templates and devices. Regions of one cloud share one directory, so that a device which is
//! redirected is known where it arrives.

use core::fmt;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use firmware_core::cloud::codec::params;
use firmware_core::random::SplitMix64;
use smoltcp::time::{Duration, Instant};

/// A directory that several regions use.
pub type SharedDirectory = Rc<RefCell<Directory>>;

/// A device's number, the same for life; the first is 1.
pub type DeviceId = u32;

/// How long a provision token can be used for the first time; the legacy server's seven days.
pub const PROVISION_TOKEN_LIFE: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How long an access token of the HTTP API is good, as its `expires_in` says.
pub const ACCESS_TOKEN_LIFE: Duration = Duration::from_secs(86_400);
/// The cloud's limit for a device's name, in characters.
pub const DEVICE_NAME_LEN_MAX: usize = 50;
/// Access tokens remembered; the oldest goes first.
const ACCESS_TOKENS_MAX: usize = 64;
/// Logged events kept per device (the cloud takes 100 a day); the oldest goes first.
const EVENTS_MAX: usize = 100;
/// What waits to be sent to a device that is slow to take it.
const DOWNLINKS_MAX: usize = 64;
const TOKEN_LEN: usize = 32;
const TOKEN_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// What a device is called until somebody names it.
const DEVICE_NAME: &str = "New Device";
/// The metadata that every template has, beside the device's name.
const META_FIELDS: [&str; 6] =
    ["Device Owner", "Location", "Device Timezone", "Time Zone", "Hotspot Name", "Device UID"];

/// Somebody who may use the HTTP API.
#[derive(Clone)]
pub struct Account {
    /// The user's name.
    pub email: String,
    /// The user's secret.
    pub password: String,
}

/// A kind of device that the account knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    /// Its id, `TMPL` and more.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// What becomes of a device's token when a new one is issued for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OldToken {
    /// It is good until the new one is used, so that a reconfiguration which fails costs nothing.
    GoodUntilNewIsUsed,
    /// It is worth nothing at once.
    Invalid,
}

/// One device, or the place for one.
pub struct Device {
    id: DeviceId,
    name: String,
    token: Token,
    next_token: Option<Token>,
    template: Option<String>,
    activated_at: Option<Instant>,
    seen: bool,
    session: Option<u64>,
    pins: BTreeMap<u8, Vec<u8>>,
    meta: BTreeMap<String, String>,
    /// Keys and values, as they came.
    info: Vec<u8>,
    events: Vec<(String, String)>,
    downlinks: Vec<Downlink>,
}

/// A write on its way to a device.
pub(super) struct Downlink {
    pub(super) pin: u8,
    pub(super) value: Vec<u8>,
}

struct Token {
    text: String,
    good_until: Option<Instant>,
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

/// Everything a cloud knows about its users.
pub struct Directory {
    accounts: Vec<Account>,
    templates: Vec<Template>,
    devices: Vec<Device>,
    old_token: OldToken,
    access_tokens: Vec<Token>,
    random: SplitMix64,
    last_id: DeviceId,
    last_session: u64,
}

impl Directory {
    /// A directory without devices. Tokens follow from the seed.
    pub fn new(accounts: Vec<Account>, templates: Vec<Template>, old_token: OldToken, seed: u64) -> Self {
        Self {
            accounts,
            templates,
            devices: Vec::new(),
            old_token,
            access_tokens: Vec::new(),
            random: SplitMix64::new(seed),
            last_id: 0,
            last_session: 0,
        }
    }

    /// The same, for several regions.
    pub fn shared(self) -> SharedDirectory {
        Rc::new(RefCell::new(self))
    }

    /// Makes room for a device and issues its provision token. Returns both.
    pub fn issue_token(&mut self, now: Instant) -> (DeviceId, String) {
        let token = self.fresh_token(now);
        let text = token.text.clone();
        (self.add(token), text)
    }

    /// Adds a device that has its template and token already, as one made by hand or with a static token.
    pub fn add_device(&mut self, now: Instant, template: &str, token: &str) -> DeviceId {
        let id = self.add(Token { text: token.into(), good_until: None });
        if let Some(device) = self.device_mut(id) {
            device.template = Some(template.into());
            device.activated_at = Some(now);
        }
        id
    }

    /// Issues a new token for a device that keeps everything else; `None` when there is no such device.
    pub fn reissue_token(&mut self, now: Instant, id: DeviceId) -> Option<String> {
        self.device(id)?;
        let token = self.fresh_token(now);
        let text = token.text.clone();
        let old = self.old_token;
        let device = self.device_mut(id)?;
        match old {
            OldToken::GoodUntilNewIsUsed => device.next_token = Some(token),
            OldToken::Invalid => {
                device.token = token;
                device.session = None;
            }
        }
        Some(text)
    }

    /// Forgets a device; its token becomes invalid. Returns whether there was one.
    pub fn delete(&mut self, id: DeviceId) -> bool {
        let before = self.devices.len();
        self.devices.retain(|device| device.id != id);
        self.devices.len() < before
    }

    /// Makes a device's tokens invalid; everything else stays. Returns whether there is such a device.
    pub fn revoke(&mut self, now: Instant, id: DeviceId) -> bool {
        let Some(device) = self.device_mut(id) else { return false };
        device.token.good_until = Some(now);
        device.next_token = None;
        device.end_session();
        true
    }

    /// The device behind a token that is good now.
    pub fn find(&self, now: Instant, token: &str) -> Option<&Device> {
        self.devices.iter().find(|device| {
            let mut tokens = [Some(&device.token), device.next_token.as_ref()].into_iter().flatten();
            tokens.any(|known| known.is(now, token))
        })
    }

    /// A device by its number.
    pub fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == id)
    }

    /// All devices, oldest first.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// A template by its id.
    pub fn template(&self, id: &str) -> Option<&Template> {
        self.templates.iter().find(|template| template.id == id)
    }

    /// Queues a write to a pin, which also becomes the pin's value; whichever region has the device sends it.
    /// Returns whether there is such a device.
    pub fn write(&mut self, id: DeviceId, pin: u8, value: &[u8]) -> bool {
        let Some(device) = self.device_mut(id) else { return false };
        device.pins.insert(pin, value.to_vec());
        if device.session.is_some() && device.downlinks.len() < DOWNLINKS_MAX {
            device.downlinks.push(Downlink { pin, value: value.to_vec() });
        }
        true
    }

    pub(super) fn device_mut(&mut self, id: DeviceId) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| device.id == id)
    }

    pub(super) fn owner(&self) -> &str {
        self.accounts.first().map_or("", |account| &account.email)
    }

    /// Starts a session; an older one finds that it is no longer the device's. Returns the session's number
    /// and whether there was an older one.
    pub(super) fn log_in(&mut self, now: Instant, id: DeviceId, token: &str) -> (u64, bool) {
        self.last_session += 1;
        let number = self.last_session;
        let Some(device) = self.device_mut(id) else { return (number, false) };
        if device.next_token.as_ref().is_some_and(|next| next.is(now, token))
            && let Some(mut next) = device.next_token.take()
        {
            // An activated device's token is for life.
            next.good_until = next.good_until.filter(|_| device.template.is_none());
            device.token = next;
        }
        device.seen = true;
        device.downlinks.clear();
        (number, device.session.replace(number).is_some())
    }

    /// Ties a device to a template, when it has none and the template is known.
    pub(super) fn activate(&mut self, now: Instant, id: DeviceId, template: &str) -> Activation {
        let known = self.template(template).is_some();
        let Some(device) = self.device_mut(id) else { return Activation::Unchanged };
        if device.template.is_some() {
            Activation::Unchanged
        } else if known {
            device.template = Some(template.into());
            device.activated_at = Some(now);
            device.token.good_until = None;
            Activation::Done
        } else {
            Activation::UnknownTemplate
        }
    }

    /// Issues an access token for the HTTP API, when the name and the secret fit.
    pub(super) fn authorize(&mut self, now: Instant, email: &str, password: &str) -> Option<String> {
        self.accounts.iter().find(|account| account.email == email && account.password == password)?;
        if self.access_tokens.len() == ACCESS_TOKENS_MAX {
            self.access_tokens.remove(0);
        }
        let text = self.random_token();
        self.access_tokens.push(Token { text: text.clone(), good_until: Some(now + ACCESS_TOKEN_LIFE) });
        Some(text)
    }

    pub(super) fn is_authorized(&self, now: Instant, token: &str) -> bool {
        self.access_tokens.iter().any(|known| known.is(now, token))
    }

    fn add(&mut self, token: Token) -> DeviceId {
        self.last_id += 1;
        self.devices.push(Device {
            id: self.last_id,
            name: DEVICE_NAME.into(),
            token,
            next_token: None,
            template: None,
            activated_at: None,
            seen: false,
            session: None,
            pins: BTreeMap::new(),
            meta: BTreeMap::new(),
            info: Vec::new(),
            events: Vec::new(),
            downlinks: Vec::new(),
        });
        self.last_id
    }

    fn fresh_token(&mut self, now: Instant) -> Token {
        Token { text: self.random_token(), good_until: Some(now + PROVISION_TOKEN_LIFE) }
    }

    fn random_token(&mut self) -> String {
        let mut text = String::with_capacity(TOKEN_LEN);
        while text.len() < TOKEN_LEN {
            let mut bits = self.random.next_u64();
            // Ten characters of six bits each.
            for _ in 0..10.min(TOKEN_LEN - text.len()) {
                text.push(char::from(TOKEN_ALPHABET[(bits & 63) as usize]));
                bits >>= 6;
            }
        }
        text
    }
}

/// What an info frame did to a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    Done,
    Unchanged,
    UnknownTemplate,
}

impl Device {
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

    /// Whether it has been there and is.
    pub fn status(&self) -> DeviceStatus {
        if !self.seen {
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

    pub(super) fn session(&self) -> Option<u64> {
        self.session
    }

    pub(super) fn end_session(&mut self) {
        self.session = None;
        self.downlinks.clear();
    }

    pub(super) fn set_info(&mut self, info: &[u8]) {
        self.info = info.to_vec();
    }

    pub(super) fn set_pin(&mut self, pin: u8, value: &[u8]) {
        self.pins.insert(pin, value.to_vec());
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

    pub(super) fn has_downlinks(&self) -> bool {
        !self.downlinks.is_empty()
    }

    pub(super) fn take_downlinks(&mut self) -> Vec<Downlink> {
        core::mem::take(&mut self.downlinks)
    }
}

/// Whether every template has this metadata field.
pub(super) fn has_meta(field: &str) -> bool {
    field == "Device Name" || META_FIELDS.contains(&field)
}

impl Token {
    fn is(&self, now: Instant, text: &str) -> bool {
        self.text == text && self.good_until.is_none_or(|until| now < until)
    }
}

// Secrets stay out of every log, so that these are written by hand.

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("email", &self.email).finish_non_exhaustive()
    }
}

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

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("accounts", &self.accounts)
            .field("templates", &self.templates)
            .field("devices", &self.devices)
            .finish_non_exhaustive()
    }
}
