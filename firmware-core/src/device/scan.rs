//! Looking for networks: for the state machine, for phones and for the console, one scan at a time.

use heapless::Vec;

use super::actions::active;
use super::{Device, RadioState};
use crate::application::Application;
use crate::config::Ssid;
use crate::console::reply;
use crate::hal::{Network, Platform, RadioCommand};
use crate::net::TCP_SOCKETS;
use crate::portal::response::Content;
use crate::portal::routes::Route;
use crate::portal::scan_list::ScanList;
use crate::provision::{Candidate, Input};
use crate::trace::{Event, State};
use crate::{Duration, Instant};

/// A scan that is younger than this answers `/wifi_scan.json` at once: a page that refreshes does not make
/// the access point deaf again and again.
const SCAN_FRESH: Duration = Duration::from_secs(10);
/// A radio that does not finish a scan for this long has failed it (Edgent's limit).
const SCAN_LIMIT: Duration = Duration::from_secs(20);

/// The scan under way and the result of the last one.
pub(super) struct Scan {
    pub(super) list: ScanList,
    /// The best access point of the wanted network in the scan under way.
    best: Option<Candidate>,
    heard: u8,
    /// When the scan under way counts as failed.
    pub(super) until: Option<Instant>,
    /// When the list was complete, if it shows what anybody may see.
    done_at: Option<Instant>,
    /// Whether the scan asks for a network by its name.
    is_directed: bool,
    /// Whether the state machine waits for it.
    for_station: bool,
    /// Whether the console waits for it.
    for_console: bool,
    /// The phones that wait for it.
    waiting: Vec<usize, TCP_SOCKETS>,
}

impl Scan {
    pub(super) const fn new() -> Self {
        Self {
            list: ScanList::new(),
            best: None,
            heard: 0,
            until: None,
            done_at: None,
            is_directed: false,
            for_station: false,
            for_console: false,
            waiting: Vec::new(),
        }
    }
}

impl<A: Application> Device<A> {
    /// Looks for the network that is to be joined; `directed` asks for it by its name as well.
    pub(super) fn scan_for_network<P: Platform>(&mut self, now: Instant, platform: &mut P, directed: bool) {
        let config = active(&self.trial, &self.valid, self.provision.in_use());
        let probe = if directed { config.map(|config| config.ssid.clone()) } else { None };
        self.start_scan(now, platform, probe);
        self.scan.for_station = true;
    }

    /// Lists networks for a phone: from a scan that is fresh, under way, or started now.
    pub(super) fn scan_for_phone<P: Platform>(&mut self, now: Instant, platform: &mut P, client: usize) {
        let is_scanning = self.scan.until.is_some();
        let is_fresh = self.scan.done_at.is_some_and(|at| at + SCAN_FRESH > now);
        if !is_scanning && (is_fresh || !self.may_scan()) {
            return self.answer(now, platform, client, Route::WifiScan, Content::WifiScan);
        }
        if !self.scan.waiting.contains(&client) {
            // There are as many places as there are clients.
            let _ = self.scan.waiting.push(client);
        }
        if !is_scanning {
            self.log(now, platform, format_args!("Scanning networks..."));
            self.start_scan(now, platform, None);
        }
    }

    /// Lists networks on the console: from a scan that is under way or started now, or else from the last one.
    pub(super) fn scan_for_console<P: Platform>(&mut self, now: Instant, platform: &mut P) {
        if self.scan.until.is_some() {
            self.scan.for_console = true;
        } else if self.may_scan() {
            self.start_scan(now, platform, None);
            self.scan.for_console = true;
        } else {
            self.print_scan(platform);
        }
    }

    /// Whether a scan that the state machine has not asked for would do no harm.
    fn may_scan(&self) -> bool {
        // It would end a join that is under way, or make the access point deaf while the answer to `/config` is
        // on its way to a phone. And a list that is being sent must stay as it is.
        !matches!(self.provision.state(), State::ConnectingNet | State::SwitchToSta)
            && !self.portal.is_listing()
    }

    /// Takes one network that the scan under way has heard.
    pub(super) fn on_network(&mut self, network: Network) {
        if self.scan.until.is_none() {
            return;
        }
        self.scan.heard = self.scan.heard.saturating_add(1);
        let wanted = active(&self.trial, &self.valid, self.provision.in_use());
        if wanted.is_some_and(|config| config.ssid == network.ssid) {
            let candidate = Candidate { bssid: network.bssid, channel: network.channel, rssi: network.rssi };
            if self.scan.best.as_ref().is_none_or(|best| self.provision.prefers(&candidate, best)) {
                self.scan.best = Some(candidate);
            }
        }
        self.scan.list.add(network);
    }

    /// Gives everybody who waits what the scan has brought; `done`: the radio could do it.
    pub(super) fn on_scan_done<P: Platform>(&mut self, now: Instant, platform: &mut P, done: bool) {
        if self.scan.until.take().is_none() {
            return;
        }
        let heard = self.scan.heard;
        platform.trace(Event::ScanDone(heard));
        if !done {
            self.scan.list.clear();
        }
        self.scan.done_at = (done && !self.scan.is_directed).then_some(now);
        if core::mem::take(&mut self.scan.for_console) {
            self.print_scan(platform);
        }
        let waiting = core::mem::take(&mut self.scan.waiting);
        if !waiting.is_empty() {
            self.log(now, platform, format_args!("Found networks: {heard}"));
        }
        for client in waiting {
            self.answer(now, platform, client, Route::WifiScan, Content::WifiScan);
        }
        if core::mem::take(&mut self.scan.for_station) {
            let candidate = self.scan.best.take();
            let input = if done { Input::ScanDone(candidate) } else { Input::ScanFailed };
            self.input(now, platform, &input);
        }
    }

    /// Forgets the scan under way, because the radio is told something else.
    pub(super) fn drop_scan<P: Platform>(&mut self, platform: &mut P) {
        self.scan.until = None;
        self.scan.for_station = false;
        self.scan.waiting.clear();
        if core::mem::take(&mut self.scan.for_console) {
            self.print_scan(platform);
        }
    }

    /// Starts a scan. One that is under way is overtaken; whoever waits for it gets the new one's result.
    fn start_scan<P: Platform>(&mut self, now: Instant, platform: &mut P, probe: Option<Ssid>) {
        if self.radio == RadioState::Off {
            self.radio = RadioState::Station;
        }
        self.scan.list.clear();
        self.scan.best = None;
        self.scan.heard = 0;
        self.scan.until = Some(now + SCAN_LIMIT);
        self.scan.done_at = None;
        self.scan.is_directed = probe.is_some();
        platform.trace(Event::ScanStarted);
        platform.command(RadioCommand::Scan { probe });
    }

    fn print_scan<P: Platform>(&self, platform: &mut P) {
        let list = core::fmt::from_fn(|f| {
            for network in self.scan.list.networks() {
                let is_in_use = self.link().is_some_and(|link| link.bssid == network.bssid);
                reply::network(f, network, is_in_use)?;
                f.write_str("\r\n")?;
            }
            Ok(())
        });
        platform.print(format_args!("{list}{}", reply::PROMPT));
    }
}
