//! Where all comes together: which page is served, which GDB is attached, and what goes from one to the other.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::firmware::Firmware;
use super::gdb::Event as Found;
use super::messages::{self, FromPage};
use super::page::{GOODBYE, Page};
use super::session;
use super::waiting::{WAITING_MAX, Waiting};

/// How many events wait before connections are not read from.
const EVENTS_MAX: usize = 64;
/// How many answers GDB may leave unread.
const ANSWERS_MAX: usize = 64;
/// How many kinds of messages are told of. A page has few; what has many is no page.
const TOLD_MAX: usize = 32;
/// After a connection could not be accepted, for want of a resource perhaps.
const RECOVERY: Duration = Duration::from_millis(100);

/// What a connection has to tell.
pub(super) enum Event {
    /// A page is ready. It is the one to serve from now on.
    Hello { page: u64, text: String },
    /// A page says something.
    Said { page: u64, said: FromPage },
    /// A page's connection has ended, with what trouble.
    PageGone { page: u64, trouble: Option<String> },
    /// GDB says something.
    Gdb { session: u64, found: Found },
    /// GDB's connection has ended.
    GdbGone { session: u64 },
    /// Something for people to read.
    Note(String),
}

/// The GDB that is attached.
struct Debugger {
    number: u64,
    answers: mpsc::Sender<Vec<u8>>,
    task: AbortHandle,
    last_answer: Vec<u8>,
}

/// What knows all connections.
pub(super) struct Hub<L> {
    firmware: Firmware,
    serial: mpsc::Sender<Vec<u8>>,
    log: L,
    events: (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    tasks: JoinSet<()>,
    connections: u64,
    /// Every page that is connected; to drop what it is mapped to dismisses it.
    pages: HashMap<u64, oneshot::Sender<()>>,
    /// The page that is served.
    page: Option<u64>,
    debugger: Option<Debugger>,
    waiting: Arc<Waiting>,
    told: BTreeSet<String>,
}

impl<L: FnMut(&str)> Hub<L> {
    pub(super) fn new(firmware: Firmware, serial: mpsc::Sender<Vec<u8>>, log: L) -> Self {
        Self {
            firmware,
            serial,
            log,
            events: mpsc::channel(EVENTS_MAX),
            tasks: JoinSet::new(),
            connections: 0,
            pages: HashMap::new(),
            page: None,
            debugger: None,
            waiting: Arc::default(),
            told: BTreeSet::new(),
        }
    }

    /// Opens the page where a person can see it. If that fails there is still the address to copy.
    pub(super) fn open_browser(&self, url: String) {
        let events = self.events.0.clone();
        thread::spawn(move || {
            if let Err(error) = open::that_detached(url) {
                let note = format!("no browser can be opened ({error}): open the address yourself");
                let _ = events.blocking_send(Event::Note(note));
            }
        });
    }

    /// Serves until the serial output cannot be written any more.
    pub(super) async fn serve(&mut self, pages: &TcpListener, debuggers: &TcpListener) {
        loop {
            tokio::select! {
                accepted = pages.accept() => match accepted {
                    Ok((stream, _)) => self.meet_page(stream),
                    Err(error) => self.refuse(&error).await,
                },
                // One at a time; the next one waits at the door.
                accepted = debuggers.accept(), if self.debugger.is_none() => match accepted {
                    Ok((stream, _)) => self.meet_debugger(stream),
                    Err(error) => self.refuse(&error).await,
                },
                Some(event) = self.events.1.recv() => {
                    if !self.take(event).await {
                        return;
                    }
                }
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    /// Takes leave of all pages.
    pub(super) async fn end(mut self) {
        self.pages.clear();
        self.end_debugger();
        // What they still say is not listened to, and must not wait for that.
        self.events.1.close();
        while self.events.1.try_recv().is_ok() {}
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // A page has a little less time itself.
        let _ = timeout(2 * GOODBYE, all).await;
        self.tasks.shutdown().await;
    }

    async fn refuse(&mut self, error: &io::Error) {
        self.note(&format!("a connection cannot be accepted: {error}"));
        sleep(RECOVERY).await;
    }

    fn meet_page(&mut self, stream: TcpStream) {
        self.connections += 1;
        let number = self.connections;
        let (stay, dismissed) = oneshot::channel();
        self.pages.insert(number, stay);
        let (firmware, waiting) = (self.firmware.clone(), Arc::clone(&self.waiting));
        let page = Page { number, firmware, waiting, events: self.events.0.clone() };
        self.tasks.spawn(page.converse(stream, dismissed));
    }

    fn meet_debugger(&mut self, stream: TcpStream) {
        self.connections += 1;
        let number = self.connections;
        let (answers, receiver) = mpsc::channel(ANSWERS_MAX);
        let task = self.tasks.spawn(session::run(number, stream, self.events.0.clone(), receiver));
        self.debugger = Some(Debugger { number, answers, task, last_answer: Vec::new() });
        self.note(match self.page {
            Some(_) => "GDB is attached",
            None => "GDB is attached and waits for a page",
        });
    }

    /// Returns false once the serial output cannot be written.
    async fn take(&mut self, event: Event) -> bool {
        match event {
            Event::Hello { page, text } => self.welcome(page, &text),
            Event::Said { page, said } if self.page == Some(page) => return self.hear(said).await,
            // What a page says that has been replaced belongs to another run of the firmware.
            Event::Said { .. } => {}
            Event::PageGone { page, trouble } => {
                self.pages.remove(&page);
                if let Some(trouble) = trouble {
                    self.note(&trouble);
                }
                if self.page == Some(page) {
                    self.page = None;
                    self.note("the page is gone; load it again to start anew");
                }
            }
            Event::Gdb { session, found } if self.is_attached(session) => self.obey(found),
            Event::GdbGone { session } if self.is_attached(session) => {
                self.end_debugger();
                self.note("GDB is gone");
            }
            Event::Gdb { .. } | Event::GdbGone { .. } => {}
            Event::Note(text) => self.note(&text),
        }
        true
    }

    /// Serves this page instead of the one before: that was left for it, by a reload perhaps.
    fn welcome(&mut self, page: u64, text: &str) {
        let before = self.page.replace(page).and_then(|before| self.pages.remove(&before));
        let instead = if before.is_some() { " instead of the one before" } else { "" };
        self.note(&format!("a page is connected{instead}: {text}"));
    }

    async fn hear(&mut self, said: FromPage) -> bool {
        match said {
            FromPage::Serial(bytes) => return self.serial.send(bytes).await.is_ok(),
            FromPage::GdbResponse(answer) => self.answer(answer.into_bytes()),
            FromPage::Other(what) => {
                if self.told.len() < TOLD_MAX && !self.told.contains(&what) {
                    self.note(&format!("the page says {what}, which is ignored from now on"));
                    self.told.insert(what);
                }
            }
        }
        true
    }

    fn obey(&mut self, found: Found) {
        let message = match found {
            Found::Packet(payload) => messages::gdb(&payload),
            Found::Break => messages::gdb_break(),
            // It is asked for again already.
            Found::Damaged => return,
            Found::Resend => {
                let last = self.debugger.as_ref().map(|debugger| debugger.last_answer.clone());
                return self.answer(last.unwrap_or_default());
            }
        };
        if !self.waiting.push(message) {
            self.note(&format!("GDB is cut off: no page took the last {WAITING_MAX} packets"));
            self.end_debugger();
        }
    }

    /// Hands an answer to GDB, if there is one.
    fn answer(&mut self, answer: Vec<u8>) {
        let Some(debugger) = &mut self.debugger else { return };
        debugger.last_answer.clone_from(&answer);
        if debugger.answers.try_send(answer).is_err() {
            self.note("GDB is cut off: it does not read its answers");
            self.end_debugger();
        }
    }

    fn is_attached(&self, session: u64) -> bool {
        self.debugger.as_ref().is_some_and(|debugger| debugger.number == session)
    }

    fn end_debugger(&mut self) {
        if let Some(debugger) = self.debugger.take() {
            // It may be about to write to a GDB that does not read.
            debugger.task.abort();
            self.waiting.clear();
        }
    }

    fn note(&mut self, text: &str) {
        (self.log)(text);
    }
}
