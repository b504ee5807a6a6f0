//! Accounts, templates and devices. Regions of one cloud share one directory, so that a device which is
//! redirected is known where it arrives.

mod device;
mod journal;
mod record;

use core::fmt;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use firmware_core::random::SplitMix64;
use smoltcp::time::{Duration, Instant};

use device::Token;
pub(super) use device::{Downlink, has_meta};

pub use device::{Device, DeviceStatus};
pub use journal::{DeviceChanges, Journal};
pub use record::{DeviceRecord, TokenRecord};

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

/// Everything a cloud knows about its users.
pub struct Directory {
    accounts: Vec<Account>,
    templates: Vec<Template>,
    /// In the order of their numbers.
    devices: Vec<Device>,
    /// Whose token it is. Tokens whose time is over stay until they are replaced.
    tokens: BTreeMap<String, DeviceId>,
    old_token: OldToken,
    access_tokens: Vec<Token>,
    random: SplitMix64,
    last_id: DeviceId,
    last_session: u64,
    /// What has changed; `None` while nobody wants to know.
    journal: Option<Journal>,
}

impl Directory {
    /// A directory without devices. Tokens follow from the seed.
    pub fn new(accounts: Vec<Account>, templates: Vec<Template>, old_token: OldToken, seed: u64) -> Self {
        Self {
            accounts,
            templates,
            devices: Vec::new(),
            tokens: BTreeMap::new(),
            old_token,
            access_tokens: Vec::new(),
            random: SplitMix64::new(seed),
            last_id: 0,
            last_session: 0,
            journal: None,
        }
    }

    /// The same, for several regions.
    pub fn shared(self) -> SharedDirectory {
        Rc::new(RefCell::new(self))
    }

    /// Notes from now on what changes.
    pub fn keep_journal(&mut self) {
        self.journal = Some(Journal::default());
    }

    /// What has changed since this was asked last; nothing when no journal is kept.
    pub fn take_journal(&mut self) -> Journal {
        self.journal.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// Makes room for a device and issues its provision token, which is good for so long. Returns both.
    pub fn issue_token(&mut self, now: Instant, life: Duration) -> (DeviceId, String) {
        let token = self.fresh_token(now, life);
        let text = token.text.clone();
        (self.add(token), text)
    }

    /// Adds a device that has its template and token already, as one made by hand or with a static token.
    pub fn add_device(&mut self, now: Instant, template: &str, token: &str) -> DeviceId {
        let id = self.add(Token { text: token.into(), good_until: None });
        if let Some(device) = self.change(id) {
            device.template = Some(template.into());
            device.activated_at = Some(now);
        }
        id
    }

    /// A token that nobody has.
    pub fn new_token(&mut self) -> String {
        self.random_token()
    }

    /// Issues a new token for a device that keeps everything else, good for so long until it is used; `None` when
    /// there is no such device.
    pub fn reissue_token(&mut self, now: Instant, id: DeviceId, life: Duration) -> Option<String> {
        self.device(id)?;
        let token = self.fresh_token(now, life);
        let text = token.text.clone();
        self.tokens.insert(text.clone(), id);
        let old = self.old_token;
        let device = self.change(id)?;
        let replaced = match old {
            OldToken::GoodUntilNewIsUsed => device.next_token.replace(token),
            OldToken::Invalid => {
                device.end_session(now);
                Some(core::mem::replace(&mut device.token, token))
            }
        };
        self.forget_token(replaced, id);
        self.wake(id);
        Some(text)
    }

    /// Forgets a device; its token becomes invalid. Returns whether there was one.
    pub fn delete(&mut self, id: DeviceId) -> bool {
        let Some(place) = self.place(id) else { return false };
        let Device { token, next_token, .. } = self.devices.remove(place);
        self.forget_token(Some(token), id);
        self.forget_token(next_token, id);
        if let Some(changes) = self.changes(id) {
            changes.itself = true;
            changes.wakes = true;
        }
        true
    }

    /// Makes a device's tokens invalid; everything else stays. Returns whether there is such a device.
    pub fn revoke(&mut self, now: Instant, id: DeviceId) -> bool {
        let Some(device) = self.change(id) else { return false };
        device.token.good_until = Some(now);
        device.end_session(now);
        let next = device.next_token.take();
        self.forget_token(next, id);
        self.wake(id);
        true
    }

    /// The device behind a token that is good now.
    pub fn find(&self, now: Instant, token: &str) -> Option<&Device> {
        self.device(*self.tokens.get(token)?).filter(|device| {
            let mut tokens = [Some(&device.token), device.next_token.as_ref()].into_iter().flatten();
            tokens.any(|known| known.is(now, token))
        })
    }

    /// Whether this token is or was somebody's.
    pub fn knows_token(&self, token: &str) -> bool {
        self.tokens.contains_key(token)
    }

    /// A device by its number.
    pub fn device(&self, id: DeviceId) -> Option<&Device> {
        self.place(id).map(|place| &self.devices[place])
    }

    /// All devices, oldest first.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// A template by its id.
    pub fn template(&self, id: &str) -> Option<&Template> {
        self.templates.iter().find(|template| template.id == id)
    }

    /// All templates.
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// Queues a write to a pin, which also becomes the pin's value; whichever region has the device sends it.
    /// Returns whether there is such a device.
    pub fn write(&mut self, id: DeviceId, pin: u8, value: &[u8]) -> bool {
        if !self.set_pin(id, pin, value) {
            return false;
        }
        if let Some(device) = self.device_mut(id)
            && device.session.is_some()
            && device.downlinks.len() < DOWNLINKS_MAX
        {
            device.downlinks.push(Downlink { pin, value: value.to_vec() });
            self.wake(id);
        }
        true
    }

    /// Gives a pin a value; returns whether there is such a device.
    pub(super) fn set_pin(&mut self, id: DeviceId, pin: u8, value: &[u8]) -> bool {
        let Some(device) = self.device_mut(id) else { return false };
        device.pins.insert(pin, value.to_vec());
        if let Some(changes) = self.changes(id) {
            changes.pins.insert(pin);
        }
        true
    }

    /// What waits for a device, which is now somebody else's to send.
    pub(super) fn take_downlinks(&mut self, id: DeviceId) -> Vec<Downlink> {
        self.device_mut(id).map(|device| core::mem::take(&mut device.downlinks)).unwrap_or_default()
    }

    /// Keeps what a device's info frame said.
    pub(super) fn set_info(&mut self, id: DeviceId, info: &[u8]) {
        if let Some(device) = self.change(id) {
            device.info = info.to_vec();
        }
    }

    /// Sets a field that every template has; returns whether this is one and the value is good.
    pub(super) fn set_meta(&mut self, id: DeviceId, field: &str, value: &str) -> bool {
        self.change(id).is_some_and(|device| device.set_meta(field, value))
    }

    pub(super) fn log_event(&mut self, id: DeviceId, code: &str, description: &str) {
        if let Some(device) = self.change(id) {
            device.log_event(code, description);
        }
    }

    pub(super) fn owner(&self) -> &str {
        self.accounts.first().map_or("", |account| &account.email)
    }

    /// Starts a session; an older one finds that it is no longer the device's. Returns the session's number
    /// and whether there was an older one.
    pub(super) fn log_in(&mut self, now: Instant, id: DeviceId, token: &str) -> (u64, bool) {
        self.last_session += 1;
        let number = self.last_session;
        let Some(device) = self.change(id) else { return (number, false) };
        let mut old = None;
        if device.next_token.as_ref().is_some_and(|next| next.is(now, token))
            && let Some(mut next) = device.next_token.take()
        {
            // An activated device's token is for life.
            next.good_until = next.good_until.filter(|_| device.template.is_none());
            old = Some(core::mem::replace(&mut device.token, next));
        }
        device.first_connected_at.get_or_insert(now);
        device.connected_at = Some(now);
        device.downlinks.clear();
        let replaced = device.session.replace(number).is_some();
        self.forget_token(old, id);
        if replaced {
            self.wake(id);
        }
        (number, replaced)
    }

    /// Ends a session, when it is still the device's; returns whether it was.
    pub(super) fn log_out(&mut self, now: Instant, id: DeviceId, number: u64) -> bool {
        if self.device(id).and_then(Device::session) != Some(number) {
            return false;
        }
        self.change(id).map(|device| device.end_session(now)).is_some()
    }

    /// Ties a device to a template, when it has none and the template is known.
    pub(super) fn activate(&mut self, now: Instant, id: DeviceId, template: &str) -> Activation {
        let known = self.template(template).is_some();
        let Some(device) = self.device(id) else { return Activation::Unchanged };
        if device.template.is_some() {
            return Activation::Unchanged;
        }
        if !known {
            return Activation::UnknownTemplate;
        }
        if let Some(device) = self.change(id) {
            device.template = Some(template.into());
            device.activated_at = Some(now);
            device.token.good_until = None;
        }
        Activation::Done
    }

    /// Issues an access token for the HTTP API, when the name and the secret fit.
    pub(super) fn authorize(&mut self, now: Instant, email: &str, password: &str) -> Option<String> {
        self.accounts.iter().find(|account| account.email == email && account.password == password)?;
        if self.access_tokens.len() == ACCESS_TOKENS_MAX {
            self.access_tokens.remove(0);
        }
        let text = self.random_token();
        self.access_tokens.push(Token { text: text.clone(), good_until: Some(now + ACCESS_TOKEN_LIFE) });
        if let Some(journal) = &mut self.journal {
            journal.access_tokens = true;
        }
        Some(text)
    }

    pub(super) fn is_authorized(&self, now: Instant, token: &str) -> bool {
        self.access_tokens.iter().any(|known| known.is(now, token))
    }

    fn add(&mut self, token: Token) -> DeviceId {
        self.last_id += 1;
        let id = self.last_id;
        // The first who had a token keeps it.
        self.tokens.entry(token.text.clone()).or_insert(id);
        self.devices.push(Device::new(id, token));
        self.change(id);
        id
    }

    fn place(&self, id: DeviceId) -> Option<usize> {
        self.devices.binary_search_by_key(&id, |device| device.id).ok()
    }

    fn device_mut(&mut self, id: DeviceId) -> Option<&mut Device> {
        self.place(id).map(|place| &mut self.devices[place])
    }

    /// A device of which something is about to change that is to be kept.
    fn change(&mut self, id: DeviceId) -> Option<&mut Device> {
        let place = self.place(id)?;
        if let Some(changes) = self.changes(id) {
            changes.itself = true;
        }
        Some(&mut self.devices[place])
    }

    /// Where the journal notes what changes about a device.
    fn changes(&mut self, id: DeviceId) -> Option<&mut DeviceChanges> {
        self.journal.as_mut().map(|journal| journal.devices.entry(id).or_default())
    }

    fn wake(&mut self, id: DeviceId) {
        if let Some(changes) = self.changes(id) {
            changes.wakes = true;
        }
    }

    fn forget_token(&mut self, token: Option<Token>, id: DeviceId) {
        if let Some(Token { text, .. }) = token
            && self.tokens.get(&text) == Some(&id)
        {
            self.tokens.remove(&text);
        }
    }

    fn fresh_token(&mut self, now: Instant, life: Duration) -> Token {
        Token { text: self.random_token(), good_until: Some(now + life) }
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

// Secrets stay out of every log, so that these are written by hand.

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("email", &self.email).finish_non_exhaustive()
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
