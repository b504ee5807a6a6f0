//! What happened in a run: one list of entries, from which the story, the exact trace and the timeline are
//! written.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use firmware_core::hal::{RadioCommand, ResetCause};
use firmware_core::panel::{Colour, Pattern, PatternKind};
use firmware_core::portal::routes::Route;
use firmware_core::random::{FNV_OFFSET, fnv1a64_continue};
use firmware_core::trace::{Event, Stored};
use hil_link::cut_flash::{FlashOperation, FlashOperationKind};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

use crate::fold::{Part, fold};
use crate::world::NodeId;
use crate::{cloud, phone, router};

/// One thing that happened, when, and to whom.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When, in the world's time.
    pub at: Instant,
    /// To whom.
    pub actor: NodeId,
    /// What.
    pub what: What,
}

/// Everything that a run records.
#[derive(Clone, Debug)]
pub enum What {
    /// The device told what it does.
    Device(Event),
    /// The device told its radio something.
    Radio(RadioCommand),
    /// The device changed its indicator.
    Pattern(Pattern),
    /// The device touched its flash.
    Flash(FlashOperation),
    /// The device printed a line; [`Trace::printed`] gives its text.
    Console(Printed),
    /// A device's power came on, and it will start.
    PowerOn,
    /// A device's power went.
    PowerOff,
    /// A device's power went in the middle of a flash operation.
    PowerCut,
    /// A device's supply sagged, and its processor starts again.
    Brownout,
    /// A device's watchdog bit, and its processor starts again.
    Watchdog,
    /// A frame reached a radio that was off or has restarted since.
    FrameMissed,
    /// The phone or its app did something.
    Phone(phone::Event),
    /// The router did something.
    Router(router::Event),
    /// The cloud did something.
    Cloud(cloud::Event),
    /// The scenario came to a step: its number from 1.
    Step(usize),
    /// What a step, by its number, has armed happens now.
    Fired(usize),
}

/// A line that a device printed: which part it is of all that was printed in the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Printed {
    start: usize,
    end: usize,
}

/// The record of one run.
#[derive(Debug)]
pub struct Trace {
    entries: Vec<Entry>,
    /// All that was printed, each line with its end. Half of all entries are lines: one text costs much less than
    /// one for each.
    printed: String,
    names: BTreeMap<NodeId, String>,
    /// Hardware addresses as they are printed, and whose they are.
    addresses: Vec<(String, String)>,
    frames: u64,
    frames_digest: Digest,
}

/// A digest that takes eight bytes a step, because every frame of every run goes through it.
#[derive(Clone, Copy, Debug)]
struct Digest(u64);

/// 2^64 divided by the golden ratio, odd: its product carries each bit into many.
const DIGEST_FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

impl Digest {
    /// The rotation brings the upper bits of the product, which depend on all below them, to where the next
    /// step carries them on.
    fn take(&mut self, bytes: [u8; 8]) {
        self.0 = (self.0.rotate_left(25) ^ u64::from_le_bytes(bytes)).wrapping_mul(DIGEST_FACTOR);
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self(FNV_OFFSET)
    }
}

/// Entries of a whole provisioning, so that the list rarely has to move.
const ENTRIES_USUAL: usize = 512;
/// Bytes that are printed in a whole provisioning, for the same reason.
const PRINTED_LEN_USUAL: usize = 8 * 1_024;

impl Default for Trace {
    fn default() -> Self {
        Self {
            entries: Vec::with_capacity(ENTRIES_USUAL),
            printed: String::with_capacity(PRINTED_LEN_USUAL),
            names: BTreeMap::new(),
            addresses: Vec::new(),
            frames: 0,
            frames_digest: Digest::default(),
        }
    }
}

impl Trace {
    /// Gives an actor the name it appears under.
    pub fn set_name(&mut self, actor: NodeId, name: &str) {
        self.names.insert(actor, name.to_owned());
    }

    /// Binds a hardware address to the name it appears under.
    pub fn set_address_name(&mut self, address: EthernetAddress, name: &str) {
        self.addresses.push((address.to_string(), name.to_owned()));
    }

    /// An entry in words, with names in place of hardware addresses.
    pub fn tell(&self, what: &What) -> String {
        let mut text = match what {
            What::Console(line) => format!("prints {}", self.printed(*line)),
            what => what.to_string(),
        };
        for (address, name) in &self.addresses {
            if text.contains(address.as_str()) {
                text = text.replace(address.as_str(), name);
            }
        }
        text
    }

    /// The name of an actor.
    pub fn name(&self, actor: NodeId) -> &str {
        self.names.get(&actor).map_or("?", String::as_str)
    }

    /// Every actor in order.
    pub fn actors(&self) -> impl Iterator<Item = (NodeId, &str)> {
        self.names.iter().map(|(actor, name)| (*actor, name.as_str()))
    }

    /// Records an entry.
    pub fn push(&mut self, at: Instant, actor: NodeId, what: What) {
        self.entries.push(Entry { at, actor, what });
    }

    /// Records a line that a device has printed, given without its end.
    pub fn push_printed(&mut self, at: Instant, actor: NodeId, line: &str) {
        let start = self.printed.len();
        self.printed.push_str(line);
        let end = self.printed.len();
        self.printed.push('\n');
        self.push(at, actor, What::Console(Printed { start, end }));
    }

    /// The text of a line that was printed in this run.
    pub fn printed(&self, line: Printed) -> &str {
        self.printed.get(line.start..line.end).unwrap_or_default()
    }

    /// All that was printed, each line with its end, in the order in which it was recorded.
    pub(crate) fn all_printed(&self) -> &str {
        &self.printed
    }

    /// Takes a sent frame into the digest.
    pub fn push_frame(&mut self, at: Instant, frame: &[u8]) {
        self.frames += 1;
        let mut digest = self.frames_digest;
        digest.take(at.total_micros().to_le_bytes());
        digest.take((frame.len() as u64).to_le_bytes());
        let (words, rest) = frame.as_chunks::<8>();
        words.iter().for_each(|word| digest.take(*word));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        digest.take(last);
        self.frames_digest = digest;
    }

    /// The entries in the order of their times.
    ///
    /// A device that writes flash is ahead of the others: its later effects carry later times. So the list
    /// is sorted once the run is over; entries of one time keep their order.
    pub fn sort(&mut self) {
        self.entries.sort_by_key(|entry| entry.at);
    }

    /// Forgets the entries recorded so far, for a run that has no end.
    pub fn forget(&mut self) {
        self.entries.clear();
        self.printed.clear();
    }

    /// The entries recorded so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many frames were sent.
    pub fn frame_count(&self) -> u64 {
        self.frames
    }

    /// A digest of all frames and when they were sent, in hexadecimal.
    pub fn frames_digest(&self) -> String {
        format!("{:016x}", self.frames_digest.0)
    }

    /// The story: the milestones, without times.
    pub fn story(&self) -> String {
        let mut story = String::new();
        for entry in self.entries.iter().filter(|entry| is_story(&entry.what)) {
            // Writing to a string does not fail.
            let _ = writeln!(story, "{}: {}", self.name(entry.actor), self.tell(&entry.what));
        }
        story
    }

    /// The exact trace: every entry with its virtual time, and a digest of all frames. A run of entries that
    /// says the same again and again shows its first and its last round, and a digest of the times between.
    pub fn exact(&self) -> String {
        let entries = || self.entries.iter().filter(|entry| is_exact(&entry.what));
        let times: Vec<u64> = entries().map(|entry| entry.at.total_micros().unsigned_abs()).collect();
        let lines: Vec<String> = entries()
            .map(|entry| format!("{:<10} {}", self.name(entry.actor), self.tell(&entry.what)))
            .collect();
        write_exact(&times, &lines, self.frames, &self.frames_digest())
    }

    /// One number for everything that the exact trace says.
    pub fn hash(&self) -> u64 {
        fnv1a64_continue(FNV_OFFSET, self.exact().as_bytes())
    }
}

/// Writes an exact trace: times in microseconds, what happened then, how many frames were sent and their digest.
pub(crate) fn write_exact(times: &[u64], lines: &[String], frames: u64, frames_digest: &str) -> String {
    let mut exact = String::new();
    for part in fold(lines) {
        match part {
            Part::Shown(range) => {
                for (micros, line) in times[range.clone()].iter().zip(&lines[range]) {
                    let time = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
                    // Writing to a string does not fail.
                    let _ = writeln!(exact, "{time:>16} {line}");
                }
            }
            Part::Hidden { lines: range, period } => {
                let digest = times[range.clone()]
                    .iter()
                    .fold(FNV_OFFSET, |digest, micros| fnv1a64_continue(digest, &micros.to_le_bytes()));
                let rounds = range.len() / period;
                let what = if period == 1 { "line".to_owned() } else { format!("{period} lines") };
                let _ = writeln!(exact, "{:>16} the {what} above {rounds} times, times {digest:016x}", "...");
            }
        }
    }
    let _ = writeln!(exact, "{frames} frames, digest {frames_digest}");
    exact
}

/// Whether an entry is a milestone of the story.
pub fn is_story(what: &What) -> bool {
    match what {
        What::Device(event) => is_milestone(event),
        What::PowerOn | What::PowerOff | What::PowerCut | What::Brownout | What::Watchdog => true,
        What::Phone(event) => event.is_story(),
        What::Router(event) => event.is_story(),
        What::Cloud(event) => event.is_story(),
        What::Radio(_)
        | What::Pattern(_)
        | What::Flash(_)
        | What::Console(_)
        | What::FrameMissed
        | What::Step(_)
        | What::Fired(_) => false,
    }
}

/// Whether an entry stands in the exact trace: all but console text, which may name hardware, and the
/// scenario's own steps.
pub fn is_exact(what: &What) -> bool {
    !matches!(what, What::Console(_) | What::Step(_) | What::Fired(_))
}

fn is_milestone(event: &Event) -> bool {
    match event {
        Event::Booted(_)
        | Event::State { .. }
        | Event::ApUp(_)
        | Event::ApDown
        | Event::Request { .. }
        | Event::Stored(_)
        | Event::Accepted
        | Event::Rejected(_)
        | Event::LastError(_)
        | Event::Erased
        | Event::FlashFailed
        | Event::Joined(_)
        | Event::Address { .. }
        | Event::SecureOpened(_)
        | Event::SecureFailed(_)
        | Event::LoginStatus(_)
        | Event::Redirected(..)
        | Event::ConfigTimeout
        | Event::ButtonPressed
        | Event::ButtonReleased(_)
        | Event::TimeKnown(_)
        | Event::TimeUnknown(_) => true,
        Event::ClientJoined(_)
        | Event::ClientLeft(_)
        | Event::LeaseGiven(_)
        | Event::AttemptSpent(_)
        | Event::ScanStarted
        | Event::ScanDone(_)
        | Event::Joining(_)
        | Event::JoinFailed(_)
        | Event::Disconnected(_)
        | Event::RoundFailed(_)
        | Event::Resolved(_)
        | Event::ResolveFailed
        | Event::Connecting { .. }
        | Event::ConnectFailed
        | Event::LoginTimeout
        | Event::SessionLost
        | Event::Rebooting => false,
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(event) => write_device_event(f, event),
            Self::Radio(command) => match command {
                RadioCommand::Off => f.write_str("radio: off"),
                RadioCommand::StartAp { ssid, channel } => {
                    write!(f, "radio: open {ssid} on channel {channel}")
                }
                RadioCommand::Scan { probe: None } => f.write_str("radio: scan"),
                RadioCommand::Scan { probe: Some(ssid) } => write!(f, "radio: scan and ask for {ssid}"),
                RadioCommand::Join { ssid, bssid, channel, .. } => {
                    write!(f, "radio: join {ssid} at {bssid} on channel {channel}")
                }
            },
            Self::Pattern(pattern) => {
                f.write_str("indicator: ")?;
                match pattern.kind {
                    PatternKind::Beat([on, off, on_again, off_again])
                        if (on, off) == (on_again, off_again) =>
                    {
                        write!(f, "{on} ms on, {off} ms off, ")?;
                    }
                    PatternKind::Beat([on, off, on_again, off_again]) => {
                        write!(f, "{on}, {off}, {on_again}, {off_again} ms on and off, ")?;
                    }
                    PatternKind::Wave(step_ms) => write!(f, "breathing in steps of {step_ms} ms, ")?,
                }
                f.write_str(match pattern.colour {
                    Colour::BLUE => "blue",
                    Colour::GREEN => "green",
                    Colour::RED => "red",
                    Colour::WHITE => "white",
                    Colour { .. } => "another colour",
                })
            }
            Self::Flash(operation) => {
                let kind = match operation.kind {
                    FlashOperationKind::Erase => "erase",
                    FlashOperationKind::Program => "program",
                };
                let FlashOperation { offset, len, digest, .. } = operation;
                write!(f, "flash: {kind} {len} bytes at {offset}, digest {digest:016x}")
            }
            // The text is the trace's, which tells it.
            Self::Console(_) => f.write_str("prints a line"),
            Self::PowerOn => f.write_str("power on"),
            Self::PowerOff => f.write_str("power off"),
            Self::PowerCut => f.write_str("power cut while writing flash"),
            Self::Brownout => f.write_str("browns out"),
            Self::Watchdog => f.write_str("is reset by its watchdog"),
            Self::FrameMissed => f.write_str("misses a frame"),
            Self::Phone(event) => event.fmt(f),
            Self::Router(event) => event.fmt(f),
            Self::Cloud(event) => event.fmt(f),
            Self::Step(number) => write!(f, "step {number}"),
            Self::Fired(number) => write!(f, "step {number} happens"),
        }
    }
}

/// What a request was for. What was refused before its path was looked at has none.
fn route_name(route: Option<Route>) -> &'static str {
    route.map_or("(refused)", |route| route.name())
}

fn write_device_event(f: &mut fmt::Formatter<'_>, event: &Event) -> fmt::Result {
    match event {
        Event::Booted(cause) => write!(f, "boots after {}", cause_name(*cause)),
        Event::State { from, to } => write!(f, "{from} => {to}"),
        Event::ApUp(ssid) => write!(f, "opens the access point {ssid}"),
        Event::ApDown => f.write_str("closes the access point"),
        Event::ClientJoined(mac) => write!(f, "sees station {mac} join"),
        Event::ClientLeft(mac) => write!(f, "sees station {mac} leave"),
        Event::LeaseGiven(ip) => write!(f, "leases {ip}"),
        Event::Request { route, status: 0 } => write!(f, "drops the request for {}", route_name(*route)),
        Event::Request { route, status } => write!(f, "answers {} with {status}", route_name(*route)),
        Event::Stored(Stored::Trial) => f.write_str("stores the configuration as a trial"),
        Event::Stored(Stored::Valid) => f.write_str("stores the configuration as valid"),
        Event::AttemptSpent(left) => write!(f, "spends an attempt of the trial, {left} left"),
        Event::Accepted => f.write_str("marks the trial as valid"),
        Event::Rejected(error) => write!(f, "rejects the trial with {}", error.code()),
        Event::LastError(0) => f.write_str("reports no last error"),
        Event::LastError(code) => write!(f, "reports last error {code}"),
        Event::Erased => f.write_str("erases every record"),
        Event::FlashFailed => f.write_str("cannot write its flash"),
        Event::ScanStarted => f.write_str("starts a scan"),
        Event::ScanDone(1) => f.write_str("hears 1 network"),
        Event::ScanDone(count) => write!(f, "hears {count} networks"),
        Event::Joining(bssid) => write!(f, "joins {bssid}"),
        Event::Joined(ssid) => write!(f, "is associated with {ssid}"),
        Event::JoinFailed(failure) => write!(f, "is not let in: {failure:?}"),
        Event::Disconnected(reason) => write!(f, "loses the network, reason {reason}"),
        Event::Address { ip, fixed: true } => write!(f, "uses the fixed address {ip}"),
        Event::Address { .. } => f.write_str("gets an address"),
        Event::RoundFailed(error) => write!(f, "fails a round with {}", error.code()),
        Event::Resolved(ip) => write!(f, "learns that the cloud is at {ip}"),
        Event::ResolveFailed => f.write_str("cannot resolve the cloud's name"),
        Event::Connecting { host, port } => write!(f, "connects to {host}:{port}"),
        Event::ConnectFailed => f.write_str("does not reach the cloud"),
        Event::SecureOpened(kind) => write!(f, "opens the secure channel, tls={}", kind.name()),
        Event::SecureFailed(error) => write!(f, "refuses the secure channel: {error:?}"),
        Event::LoginStatus(status) => write!(f, "is told login status {status}"),
        Event::LoginTimeout => f.write_str("gets no answer to its login"),
        Event::Redirected(host, port) => write!(f, "is redirected to {host}:{port}"),
        Event::SessionLost => f.write_str("loses the cloud"),
        Event::ConfigTimeout => f.write_str("gives up waiting for a phone"),
        Event::ButtonPressed => f.write_str("feels its button go down"),
        Event::ButtonReleased(ms) => write!(f, "feels its button go up after {ms} ms"),
        Event::Rebooting => f.write_str("restarts"),
        Event::TimeKnown(_) => f.write_str("knows the time from NTP"),
        Event::TimeUnknown(error) => write!(f, "learns no time from NTP: {error}"),
    }
}

fn cause_name(cause: ResetCause) -> &'static str {
    match cause {
        ResetCause::PowerOn => "power-on",
        ResetCause::Software => "a restart",
        ResetCause::Brownout => "a brownout",
        ResetCause::Watchdog => "the watchdog",
    }
}

/// A time as seconds with six decimals, computed without floats.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub Instant);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.total_micros();
        f.pad(&format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000))
    }
}
