//! Carrying out what the state machine decided, in order.

use super::{AP_CHANNEL, Device, RadioState};
use crate::Instant;
use crate::application::Application;
use crate::config::{Config, ProvisionError};
use crate::hal::{Platform, RadioCommand};
use crate::provision::{Action, Candidate, InUse, Input};
use crate::store::StoreError;
use crate::trace::{Event, State};

/// Actions lead to inputs, which lead to actions. A chain is never longer than this.
const CHAIN_MAX: u8 = 8;

impl<A: Application> Device<A> {
    /// Hands an input to the state machine and carries out what follows.
    pub(super) fn input<P: Platform>(&mut self, now: Instant, platform: &mut P, input: &Input) {
        self.provision.handle(now, input, &mut self.actions);
        self.run_actions(now, platform);
    }

    /// Carries out everything that has been decided.
    pub(super) fn run_actions<P: Platform>(&mut self, now: Instant, platform: &mut P) {
        for _ in 0..CHAIN_MAX {
            if self.actions.is_empty() {
                return;
            }
            let actions = core::mem::take(&mut self.actions);
            for action in &actions {
                if let Some(input) = self.run_action(now, platform, action) {
                    self.provision.handle(now, &input, &mut self.actions);
                }
            }
        }
        debug_assert!(self.actions.is_empty(), "actions lead to each other without end");
    }

    /// Carries out one action; returns what came of it, where that is known at once.
    fn run_action<P: Platform>(&mut self, now: Instant, platform: &mut P, action: &Action) -> Option<Input> {
        match action {
            Action::Entered { from, to } => self.on_entered(now, platform, *from, *to),
            Action::OpenAp => self.open_ap(now, platform),
            Action::RadioOff => self.radio_off(platform),
            Action::Scan { directed } => self.scan_for_network(now, platform, *directed),
            Action::Join(candidate) => self.join(now, platform, candidate),
            Action::StartAddress => return self.start_address(now, platform),
            Action::OpenCloud => {
                let seed = self.random.next_u64();
                if let Some(config) = active(&self.trial, &self.valid, self.provision.in_use()) {
                    self.uplink.start(now, &mut self.net, config, seed);
                }
            }
            Action::CloseCloud => {
                self.uplink.close(now, &mut self.net, &mut self.application);
                // The cloud is to see the end at once, and not by its timeout, when the radio goes next.
                self.net.poll_egress(now, platform.phy());
            }
            Action::Accept => self.accept(now, platform),
            Action::Reject(error) => self.reject(now, platform, *error),
            Action::EraseAll => self.erase_all(now, platform),
            Action::RoundFailed(error) => platform.trace(Event::RoundFailed(*error)),
            Action::ConfigTimedOut => platform.trace(Event::ConfigTimeout),
            Action::Reboot(cause) => {
                if self.provision.state() == State::Error {
                    self.log(now, platform, format_args!("Restarting after error."));
                }
                self.net.poll_egress(now, platform.phy());
                // A phone that is not told clings to an access point that no longer exists, for seconds.
                self.radio_off(platform);
                self.reboot = Some(*cause);
            }
        }
        None
    }

    fn on_entered<P: Platform>(&mut self, now: Instant, platform: &mut P, from: State, to: State) {
        platform.trace(Event::State { from, to });
        self.log(now, platform, format_args!("{from} => {to}"));
        self.state_since = now;
        match to {
            State::SwitchToSta => self.log(now, platform, format_args!("Switching to STA...")),
            State::ResetConfig => self.log(now, platform, format_args!("Resetting configuration!")),
            State::Init
            | State::WaitConfig
            | State::Configuring
            | State::ConnectingNet
            | State::ConnectingCloud
            | State::Running
            | State::Error => {}
        }
    }

    fn open_ap<P: Platform>(&mut self, now: Instant, platform: &mut P) {
        self.drop_scan(platform);
        self.link = None;
        self.stations.clear();
        self.portal.reset();
        self.submitted = None;
        let seed = self.random.next_u64();
        self.net.open_ap(now, platform.phy(), seed);
        self.radio = RadioState::AccessPoint { up: false };
        platform.command(RadioCommand::StartAp { ssid: self.ap_ssid.clone(), channel: AP_CHANNEL });
        self.log(now, platform, format_args!("AP URL:  blynk.setup"));
    }

    fn radio_off<P: Platform>(&mut self, platform: &mut P) {
        if self.radio == (RadioState::AccessPoint { up: true }) {
            platform.trace(Event::ApDown);
        }
        if self.radio != RadioState::Off {
            platform.command(RadioCommand::Off);
        }
        self.radio = RadioState::Off;
        self.link = None;
        self.drop_scan(platform);
        self.net.close();
    }

    fn join<P: Platform>(&mut self, now: Instant, platform: &mut P, candidate: &Candidate) {
        let Some(config) = active(&self.trial, &self.valid, self.provision.in_use()) else { return };
        self.link = Some((candidate.clone(), false));
        platform.trace(Event::Joining(candidate.bssid));
        platform.command(RadioCommand::Join {
            ssid: config.ssid.clone(),
            passphrase: config.passphrase.clone(),
            bssid: candidate.bssid,
            channel: candidate.channel,
        });
        self.log(now, platform, format_args!("Connecting to WiFi: {}", config.ssid));
    }

    fn start_address<P: Platform>(&mut self, now: Instant, platform: &mut P) -> Option<Input> {
        let seed = self.random.next_u64();
        let config = active(&self.trial, &self.valid, self.provision.in_use())?;
        let Some(fixed) = &config.static_ip else {
            self.net.open_station(now, platform.phy(), seed);
            return None;
        };
        if !self.net.open_fixed(now, platform.phy(), seed, fixed) {
            self.log(now, platform, format_args!("Failed to configure Static IP"));
            return Some(Input::AddressInvalid);
        }
        platform.trace(Event::Address { ip: fixed.ip, fixed: true });
        self.log(now, platform, format_args!("Using Static IP: {}", fixed.ip));
        Some(Input::AddressSet)
    }

    fn accept<P: Platform>(&mut self, now: Instant, platform: &mut P) {
        match self.store.accept(platform.flash()) {
            Ok(()) => {
                platform.trace(Event::Accepted);
                self.log(now, platform, format_args!("Configuration stored to flash"));
            }
            Err(error) => self.on_flash_failed(now, platform, error),
        }
        self.valid = self.trial.take();
    }

    fn reject<P: Platform>(&mut self, now: Instant, platform: &mut P, error: ProvisionError) {
        self.trial = None;
        self.log(now, platform, format_args!("Last error code: {}", error.code()));
        match self.store.reject(platform.flash(), error) {
            Ok(()) => platform.trace(Event::Rejected(error)),
            Err(error) => self.on_flash_failed(now, platform, error),
        }
    }

    fn erase_all<P: Platform>(&mut self, now: Instant, platform: &mut P) {
        self.trial = None;
        self.valid = None;
        self.submitted = None;
        let result = self.store.erase_all(platform.flash());
        self.is_erased = result.is_ok();
        match result {
            Ok(()) => {
                platform.trace(Event::Erased);
                self.log(now, platform, format_args!("Configuration stored to flash"));
            }
            Err(error) => self.on_flash_failed(now, platform, error),
        }
    }

    pub(super) fn on_flash_failed<P: Platform>(&mut self, now: Instant, platform: &mut P, error: StoreError) {
        platform.trace(Event::FlashFailed);
        self.log(now, platform, format_args!("Config write failed: {error}"));
    }
}

/// The configuration that is connected with.
pub(super) fn active<'a>(
    trial: &'a Option<Config>,
    valid: &'a Option<Config>,
    in_use: InUse,
) -> Option<&'a Config> {
    match in_use {
        InUse::Nothing => None,
        InUse::Trial => trial.as_ref(),
        InUse::Valid => valid.as_ref(),
    }
}
