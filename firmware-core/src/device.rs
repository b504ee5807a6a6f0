//! The device: it owns every room, hands inputs to the state machine and carries out what that decides.
//!
//! [`Device::poll`] does all the work that is due, bounded, and says when it next wants to run and why. A
//! reboot is a return value: the host drops the device and boots a new one; only flash survives.

mod actions;
mod boot;
mod console;
mod inputs;
mod log;
mod scan;
mod time;

use heapless::Vec;

use crate::application::Application;
use crate::config::Config;
use crate::console::Console;
use crate::hal::{Boot, Platform, ResetCause, Wake, WakeReason, soonest};
use crate::net::{Buffers, Net, PortalServer, Uplink};
use crate::panel::{Button, Hold, Pattern, state_pattern};
use crate::portal::config_request::ConfigRequest;
use crate::portal::name::{ap_bssid, ap_ssid};
use crate::provision::{Actions, Candidate, InUse, Input, Provision};
use crate::random::SplitMix64;
use crate::store::Store;
use crate::trace::{Event, State};
use crate::{Duration, Instant, config};
use scan::Scan;

/// Passes over all rooms in one poll. What is left after that asks for another poll at once.
const PASSES_MAX: u8 = 16;
/// The access point's channel (the framework's default, which Edgent keeps).
const AP_CHANNEL: u8 = 1;

/// A device from boot to reboot.
pub struct Device<A> {
    boot: Boot,
    ap_ssid: config::Ssid,
    random: SplitMix64,
    store: Store,
    provision: Provision,
    /// The configuration that has to prove itself, while it does.
    trial: Option<Config>,
    /// The configuration that has proven itself.
    valid: Option<Config>,
    /// What was stored and will be tried after the restart, to recognise a double submit.
    submitted: Option<ConfigRequest>,
    /// Whether the latest erasure has left nothing.
    is_erased: bool,
    net: Net,
    portal: PortalServer,
    uplink: Uplink,
    /// Whether the time has been kept in flash since the start, or need not be.
    time_is_kept: bool,
    radio: RadioState,
    /// The access point that was chosen, and whether it has let us in.
    link: Option<(Candidate, bool)>,
    /// Stations of our access point.
    stations: Vec<[u8; 6], STATIONS_MAX>,
    scan: Scan,
    button: Button,
    hold: Hold,
    hold_since: Instant,
    shown: Option<Pattern>,
    state_since: Instant,
    console: Console,
    application: A,
    application_wake: Option<Instant>,
    actions: Actions,
    /// What was last told as `last_error`.
    told_error: u16,
    reboot: Option<ResetCause>,
    /// A restart waits for this, so that a reply on the console or the wire gets out.
    reboot_at: Option<Instant>,
}

/// Stations that are remembered; the radio takes four at most, some chips ten.
const STATIONS_MAX: usize = 16;

/// What the radio has been told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RadioState {
    Off,
    /// The access point was asked for, or is up.
    AccessPoint {
        up: bool,
    },
    Station,
}

impl<A: Application> Device<A> {
    /// Reads flash, decides what to do first, and starts doing it.
    ///
    /// Only flash decides: a trial with attempts left is tried; else the newest valid configuration is used;
    /// else the access point opens.
    // Not inlined, so that a profile of the host tells the product's work from the host's.
    #[inline(never)]
    pub fn boot(boot: Boot, buffers: Buffers, platform: &mut impl Platform, application: A) -> Self {
        let mut random = SplitMix64::new(boot.seed);
        let mut store = Store::new();
        platform.trace(Event::Booted(boot.cause));
        let loaded = boot::load(&mut store, platform);
        let in_use = match (&loaded.trial, &loaded.valid) {
            (Some(_), _) => InUse::Trial,
            (None, Some(_)) => InUse::Valid,
            (None, None) => InUse::Nothing,
        };
        let valid_exists = loaded.valid.is_some();
        let provision = Provision::new(in_use, valid_exists, loaded.last_error, random.next_u64());
        let net = Net::new(buffers, boot.mac, ap_bssid(boot.mac), random.next_u64());
        let mut device = Self {
            ap_ssid: ap_ssid(&boot.product, boot.mac),
            random,
            store,
            provision,
            trial: loaded.trial,
            valid: loaded.valid,
            submitted: None,
            is_erased: false,
            net,
            portal: PortalServer::new(&boot.product),
            uplink: Uplink::new(boot.product),
            time_is_kept: false,
            radio: RadioState::Off,
            link: None,
            stations: Vec::new(),
            scan: Scan::new(),
            button: Button::default(),
            hold: Hold::None,
            hold_since: boot.now,
            shown: None,
            state_since: boot.now,
            console: Console::new(),
            application,
            application_wake: Some(boot.now),
            actions: Actions::new(),
            told_error: 0,
            reboot: None,
            reboot_at: None,
            boot,
        };
        device.print_banner(platform, in_use);
        device.load_time(platform);
        device.provision.start(boot.now, &mut device.actions);
        device.run_actions(boot.now, platform);
        device.tell_last_error(platform);
        device
    }

    /// Does everything that is due and says what the device wants next.
    // Not inlined, for the same reason as `boot`.
    #[inline(never)]
    pub fn poll<P: Platform>(&mut self, now: Instant, platform: &mut P) -> Wake {
        let mut busy = true;
        let mut application_is_due = true;
        loop {
            self.portal.release(&mut self.net);
            if !self.net.poll_ingress(now, platform.phy()) {
                break;
            }
            // The next frame may ask for the socket of the connection that the last one has ended.
            self.net.poll_egress(now, platform.phy());
        }
        for _ in 0..PASSES_MAX {
            busy = self.pass(now, platform);
            // Whatever happened may concern the product, and what it sends may take another pass.
            application_is_due |= busy;
            if !busy && core::mem::take(&mut application_is_due) {
                busy = self.poll_application(now);
            }
            if !busy || self.reboot.is_some() {
                break;
            }
            // A reset must have left before the next pass lets its socket listen again.
            self.net.poll_egress(now, platform.phy());
        }
        let stack_at = self.net.poll_egress(now, platform.phy());
        self.tell_last_error(platform);
        self.show_pattern(now, platform);
        if let Some(cause) = self.reboot {
            platform.trace(Event::Rebooting);
            return Wake::Reboot(cause);
        }
        if busy {
            return Wake::Now;
        }
        self.wake(now, stack_at)
    }

    /// The product's code, for a host that wants to look at it.
    pub fn application(&self) -> &A {
        &self.application
    }

    /// The present state.
    pub fn state(&self) -> State {
        self.provision.state()
    }

    /// Looks once into every room. Returns whether there was something to do.
    fn pass<P: Platform>(&mut self, now: Instant, platform: &mut P) -> bool {
        let mut busy = self.poll_radio(now, platform);
        busy |= self.poll_button(now, platform);
        busy |= self.poll_console(now, platform);
        busy |= self.poll_address(now, platform);
        busy |= match self.radio {
            RadioState::AccessPoint { .. } => self.poll_portal(now, platform),
            RadioState::Station => self.poll_uplink(now, platform),
            RadioState::Off => false,
        };
        busy |= self.poll_timers(now, platform);
        busy
    }

    fn poll_timers<P: Platform>(&mut self, now: Instant, platform: &mut P) -> bool {
        let scan_is_over = self.scan.until.is_some_and(|until| until <= now);
        if scan_is_over {
            self.on_scan_done(now, platform, false);
        }
        if self.reboot_at.is_some_and(|at| at <= now) {
            self.reboot_at = None;
            self.input(now, platform, &Input::RebootRequested);
        }
        if self.provision.poll_timeout().is_none_or(|at| at > now) {
            return scan_is_over;
        }
        self.provision.handle_timeout(now, self.button.is_down(), &mut self.actions);
        self.run_actions(now, platform);
        true
    }

    /// Lets product code run, in every state. Returns whether it has something to send.
    fn poll_application(&mut self, now: Instant) -> bool {
        let wake = self.application.poll(now, &mut self.uplink.outgoing(now));
        // A product that asks for the past would keep the device from ever sleeping.
        self.application_wake = wake.map(|at| at.max(now + APPLICATION_WAKE_MIN));
        self.uplink.has_bytes_to_send()
    }

    fn wake(&mut self, now: Instant, stack_at: Option<Instant>) -> Wake {
        let mut next = self.provision.poll_timeout().map(|at| (at, WakeReason::Provision));
        next = soonest(next, stack_at.map(|at| (at, WakeReason::Stack)));
        next = soonest(next, self.button.poll_timeout(now).map(|at| (at, WakeReason::Button)));
        next = soonest(next, self.application_wake.map(|at| (at, WakeReason::Application)));
        next = soonest(next, self.scan.until.map(|at| (at, WakeReason::Portal)));
        next = soonest(next, self.reboot_at.map(|at| (at, WakeReason::Provision)));
        next = match self.radio {
            RadioState::AccessPoint { .. } => soonest(next, self.portal.poll_timeout()),
            RadioState::Station => soonest(next, self.uplink.poll_timeout()),
            RadioState::Off => next,
        };
        match next {
            None => Wake::OnEvent,
            Some((at, _)) if at <= now => Wake::Now,
            Some((at, reason)) => Wake::At(at, reason),
        }
    }

    fn tell_last_error<P: Platform>(&mut self, platform: &mut P) {
        let code = self.last_error();
        if code != self.told_error {
            self.told_error = code;
            platform.trace(Event::LastError(code));
        }
    }

    /// What the phone reads as `last_error`.
    pub(crate) fn last_error(&self) -> u16 {
        self.provision.last_error().map_or(0, |error| error.code())
    }

    /// Shows what the button or the state calls for, when that changes.
    fn show_pattern<P: Platform>(&mut self, now: Instant, platform: &mut P) {
        let hold = self.button.hold(now);
        if hold != self.hold {
            self.hold = hold;
            self.hold_since = now;
        }
        let state = state_pattern(self.provision.state(), self.state_since);
        let pattern = hold.pattern(self.hold_since).unwrap_or(state);
        if self.shown != Some(pattern) {
            platform.show(pattern);
            self.shown = Some(pattern);
        }
    }

    /// The access point of the network in use.
    fn link(&self) -> Option<&Candidate> {
        match &self.link {
            Some((candidate, true)) => Some(candidate),
            Some((_, false)) | None => None,
        }
    }
}

/// The least time between two calls of product code that it asks for itself.
const APPLICATION_WAKE_MIN: Duration = Duration::from_millis(1);
