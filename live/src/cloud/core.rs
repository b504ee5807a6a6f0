//! What all connections share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use hil_sim::cloud::{
    Conversation, DeviceId, Directory, Journal, LoginAnswer, OldToken, Service, StrangeFrame,
};
use serde_json::{Map, Value};
use smoltcp::time::Instant;
use tokio::sync::Notify;

use super::clock::Clock;
use super::options::{CloudError, Options};
use super::store::Store;

/// Hears what happens.
type Log = Box<dyn Fn(&str)>;

/// The logic, and who must hear of what.
pub(super) struct Core {
    clock: Clock,
    service: RefCell<Service>,
    /// The file, if there is one.
    store: RefCell<Option<Store>>,
    connections: RefCell<Connections>,
    refuses: Cell<bool>,
    /// Where devices are sent when no fault says otherwise.
    redirect: Option<(String, u16)>,
    /// The faults that were asked for, in the words of the admin API.
    faults: RefCell<Map<String, Value>>,
    is_verbose: bool,
    log: RefCell<Log>,
    failure: RefCell<Option<CloudError>>,
    has_failed: Notify,
}

#[derive(Default)]
struct Connections {
    last_number: u64,
    all: BTreeMap<u64, Rc<Handle>>,
    /// Whose connection it is; for a moment there may be two.
    of_device: BTreeMap<DeviceId, Vec<Rc<Handle>>>,
}

/// How others reach a connection.
pub(super) struct Handle {
    number: u64,
    wake: Notify,
    device: Cell<Option<DeviceId>>,
    is_cut: Cell<bool>,
    strange: Cell<Option<StrangeFrame>>,
}

impl Core {
    /// Makes it with what is kept in the file, if there is one. The options learn what is kept.
    pub(super) fn new(options: &mut Options) -> Result<Self, CloudError> {
        let clock = Clock::start();
        let store = options.database.as_deref().map(Store::open).transpose()?;
        if let Some(store) = &store {
            if options.is_password_made_up
                && let Some(password) = store.password(&options.account.email)?
            {
                options.account.password = password;
                options.is_password_made_up = false;
            }
            options.templates = store.add(&options.account, &options.templates)?;
        }
        let Options { account, templates, behaviour, device, is_verbose, .. } = options;
        let seed = super::options::random()?;
        let mut directory =
            Directory::new(vec![account.clone()], templates.clone(), OldToken::GoodUntilNewIsUsed, seed);
        if let Some(store) = &store {
            store.load(&mut directory)?;
        }
        directory.keep_journal();
        if let Some(device) = device
            && !directory.knows_token(&device.token)
        {
            directory.add_device(clock.now(), &device.template, &device.token);
        }
        let redirect = behaviour.redirect.clone();
        let core = Self {
            clock,
            service: RefCell::new(Service::new(behaviour.clone(), directory.shared(), 0)),
            store: RefCell::new(store),
            connections: RefCell::default(),
            refuses: Cell::new(false),
            redirect,
            faults: RefCell::default(),
            is_verbose: *is_verbose,
            log: RefCell::new(Box::new(|_| {})),
            failure: RefCell::default(),
            has_failed: Notify::new(),
        };
        core.change(|_| {});
        Ok(core)
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn runtime_time(&self, at: Instant) -> tokio::time::Instant {
        self.clock.runtime(at)
    }

    pub(super) fn set_log(&self, log: impl Fn(&str) + 'static) {
        *self.log.borrow_mut() = Box::new(log);
    }

    pub(super) fn log(&self, line: &str) {
        (self.log.borrow())(line);
    }

    /// Whether connections are refused.
    pub(super) fn refuses(&self) -> bool {
        self.refuses.get()
    }

    /// Waits until what was answered can no longer be kept.
    pub(super) async fn failure(&self) -> CloudError {
        loop {
            if let Some(failure) = self.failure.borrow_mut().take() {
                return failure;
            }
            self.has_failed.notified().await;
        }
    }

    /// Makes a connection known.
    pub(super) fn enter(&self) -> Rc<Handle> {
        let mut connections = self.connections.borrow_mut();
        connections.last_number += 1;
        let handle = Rc::new(Handle {
            number: connections.last_number,
            wake: Notify::new(),
            device: Cell::new(None),
            is_cut: Cell::new(false),
            strange: Cell::new(None),
        });
        connections.all.insert(handle.number, Rc::clone(&handle));
        handle
    }

    /// Takes what has arrived and does what is due. Returns whether what comes of it can leave: what is answered is in
    /// the file before.
    pub(super) fn turn(
        &self,
        now: Instant,
        handle: &Rc<Handle>,
        conversation: &mut Conversation,
        data: &[u8],
    ) -> bool {
        let mut service = self.service.borrow_mut();
        if !data.is_empty() {
            service.receive(now, conversation, data);
        }
        if let Some(frame) = handle.strange.take() {
            conversation.push_strange(frame);
        }
        service.poll(now, conversation);
        self.connections.borrow_mut().assign(handle, conversation.device());
        self.spread(&mut service, Some(handle))
    }

    /// Changes something from outside, and wakes every connection.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Service) -> T) -> T {
        let mut service = self.service.borrow_mut();
        let done = change(&mut service);
        self.spread(&mut service, None);
        self.connections.borrow().wake_all();
        done
    }

    /// Looks at what it knows.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Directory) -> T) -> T {
        look(&self.service.borrow().directory().borrow())
    }

    /// Ends every fault.
    pub(super) fn mend(&self) {
        self.refuses.set(false);
        self.faults.borrow_mut().clear();
        self.change(|service| {
            service.mend();
            service.set_login_answer(LoginAnswer::Normal);
            service.set_redirect(self.redirect.clone());
        });
    }

    pub(super) fn set_refusing(&self, refuses: bool) {
        self.refuses.set(refuses);
    }

    /// Ends every connection without a word.
    pub(super) fn cut_connections(&self) {
        let connections = self.connections.borrow();
        connections.all.values().for_each(|handle| handle.is_cut.set(true));
        connections.wake_all();
    }

    /// Sends a frame that no sound server sends to every device that is logged in.
    pub(super) fn send_strange(&self, frame: StrangeFrame) {
        let connections = self.connections.borrow();
        connections.all.values().for_each(|handle| handle.strange.set(Some(frame)));
        connections.wake_all();
    }

    pub(super) fn connection_count(&self) -> usize {
        self.connections.borrow().all.len()
    }

    /// The faults that were asked for and have not been ended.
    pub(super) fn faults(&self) -> Map<String, Value> {
        self.faults.borrow().clone()
    }

    pub(super) fn note_faults(&self, asked: Map<String, Value>) {
        self.faults.borrow_mut().extend(asked);
    }

    /// Forgets a connection.
    pub(super) fn leave(&self, now: Instant, handle: &Rc<Handle>, conversation: &mut Conversation) {
        let mut service = self.service.borrow_mut();
        conversation.close();
        service.settle(now, conversation);
        {
            let mut connections = self.connections.borrow_mut();
            connections.assign(handle, None);
            connections.all.remove(&handle.number);
        }
        self.spread(&mut service, None);
    }

    /// Keeps what has changed, tells of it, and wakes the connections of devices for which something waits. Returns
    /// whether it could be kept.
    fn spread(&self, service: &mut Service, from: Option<&Rc<Handle>>) -> bool {
        let journal = service.directory().borrow_mut().take_journal();
        for event in service.take_events() {
            if self.is_verbose || event.is_story() {
                self.log(&event.to_string());
            }
        }
        if journal.is_empty() {
            return self.failure.borrow().is_none();
        }
        if let Some(store) = &mut *self.store.borrow_mut()
            && let Err(error) = store.save(&service.directory().borrow(), &journal)
        {
            self.failure.borrow_mut().get_or_insert(error);
            self.has_failed.notify_one();
            return false;
        }
        self.connections.borrow().wake(&journal, from);
        true
    }
}

impl Connections {
    /// Notes whose connection this is now.
    fn assign(&mut self, handle: &Rc<Handle>, device: Option<DeviceId>) {
        let before = handle.device.replace(device);
        if before == device {
            return;
        }
        if let Some(before) = before
            && let Some(handles) = self.of_device.get_mut(&before)
        {
            handles.retain(|other| other.number != handle.number);
            if handles.is_empty() {
                self.of_device.remove(&before);
            }
        }
        if let Some(device) = device {
            self.of_device.entry(device).or_default().push(Rc::clone(handle));
        }
    }

    fn wake_all(&self) {
        self.all.values().for_each(|handle| handle.wake.notify_one());
    }

    fn wake(&self, journal: &Journal, from: Option<&Rc<Handle>>) {
        let devices = journal.devices.iter().filter(|(_, changes)| changes.wakes);
        for handle in devices.filter_map(|(device, _)| self.of_device.get(device)).flatten() {
            // Whoever has just been looked at knows.
            if from.is_none_or(|from| from.number != handle.number) {
                handle.wake.notify_one();
            }
        }
    }
}

impl Handle {
    /// Waits until somebody has something for this connection.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Whether it is to end without a word.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.get()
    }
}
