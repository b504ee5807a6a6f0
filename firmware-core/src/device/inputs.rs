//! What comes from the radio, the button, the phones and the cloud, turned into inputs of the state machine.

use super::actions::active;
use super::{Device, Purpose, RadioState, SCAN_FRESH};
use crate::Instant;
use crate::application::Application;
use crate::config::Config;
use crate::hal::{Network, Platform, RadioEvent};
use crate::net::{AddressEvent, Asked, PortalEvent, UplinkEvent};
use crate::panel::{ButtonEvent, HOLD_ACTION};
use crate::portal::config_request::ConfigRequest;
use crate::portal::name::ap_bssid;
use crate::portal::response::{
    CONFIG_BUSY, CONFIG_INVALID, CONFIG_NOT_STORED, CONFIG_OK, CONFIG_SAVED, Content, Context, RESET_OK,
};
use crate::portal::routes::Route;
use crate::provision::{Candidate, InUse, Input};
use crate::trace::{Event, State, Stored};

/// Events taken from one source in one pass.
const EVENTS_MAX: u8 = 64;

impl<A: Application> Device<A> {
    pub(super) fn poll_radio<P: Platform>(&mut self, now: Instant, platform: &mut P) -> bool {
        let mut busy = false;
        for _ in 0..EVENTS_MAX {
            let Some(event) = platform.poll_event() else { break };
            busy = true;
            self.on_radio_event(now, platform, event);
        }
        busy
    }

    fn on_radio_event<P: Platform>(&mut self, now: Instant, platform: &mut P, event: RadioEvent) {
        match event {
            RadioEvent::ApStarted => {
                if let RadioState::AccessPoint { up } = &mut self.radio {
                    *up = true;
                    platform.trace(Event::ApUp(self.ap_ssid.clone()));
                }
            }
            RadioEvent::StationJoined(mac) => {
                platform.trace(Event::ClientJoined(mac));
                if !self.stations.contains(&mac.0) {
                    // One more than are remembered only means that it is not waited for.
                    let _ = self.stations.push(mac.0);
                }
            }
            RadioEvent::StationLeft(mac) => {
                platform.trace(Event::ClientLeft(mac));
                self.portal.handle_station_left(mac);
                self.stations.retain(|station| *station != mac.0);
                if self.stations.is_empty() {
                    self.input(now, platform, &Input::ApEmpty);
                }
            }
            RadioEvent::ScanResult(network) => self.on_network(network),
            RadioEvent::ScanDone(done) => self.on_scan_done(now, platform, done),
            RadioEvent::Joined => {
                if let Some(config) = active(&self.trial, &self.valid, self.provision.in_use()) {
                    platform.trace(Event::Joined(config.ssid.clone()));
                }
                self.input(now, platform, &Input::Joined);
            }
            RadioEvent::JoinFailed(failure) => {
                platform.trace(Event::JoinFailed(failure));
                self.input(now, platform, &Input::JoinFailed(failure));
            }
            RadioEvent::Disconnected(reason) => {
                if self.radio == RadioState::Station {
                    platform.trace(Event::Disconnected(reason));
                    self.input(now, platform, &Input::LinkLost);
                }
            }
        }
    }

    fn on_network(&mut self, network: Network) {
        self.scan.heard = self.scan.heard.saturating_add(1);
        let wanted = active(&self.trial, &self.valid, self.provision.in_use());
        if wanted.is_some_and(|config| config.ssid == network.ssid)
            && self.scan.best.as_ref().is_none_or(|best| best.rssi < network.rssi)
        {
            let Network { bssid, channel, rssi, .. } = network;
            self.scan.best = Some(Candidate { bssid, channel, rssi });
        }
        self.scan.list.add(network);
    }

    pub(super) fn on_scan_done<P: Platform>(&mut self, now: Instant, platform: &mut P, done: bool) {
        let Some(purpose) = self.scan.purpose.take() else { return };
        self.scan.until = None;
        platform.trace(Event::ScanDone(self.scan.heard));
        let heard = self.scan.heard;
        match purpose {
            Purpose::Portal => {
                self.log(now, platform, format_args!("Found networks: {heard}"));
                if !done {
                    self.scan.list.clear();
                }
                self.scan.done_at = done.then_some(now);
                for client in core::mem::take(&mut self.scan.waiting) {
                    self.answer(now, platform, client, Route::WifiScan, Content::WifiScan);
                }
            }
            Purpose::Station => {
                let candidate = self.scan.best.take();
                self.input(now, platform, &Input::ScanDone(candidate));
            }
            Purpose::Console => self.print_scan(platform),
        }
    }

    pub(super) fn poll_button<P: Platform>(&mut self, now: Instant, platform: &mut P) -> bool {
        let mut busy = false;
        loop {
            // A level that was stable before the next edge counts before it.
            let edge = platform.poll_button();
            let due = edge.map_or(now, |(at, _)| at);
            while let Some(event) = self.button.poll(due) {
                busy = true;
                self.on_button(now, platform, event);
            }
            let Some((at, down)) = edge else { return busy };
            self.button.handle_edge(at, down);
        }
    }

    fn on_button<P: Platform>(&mut self, now: Instant, platform: &mut P, event: ButtonEvent) {
        match event {
            ButtonEvent::Pressed => {
                platform.trace(Event::ButtonPressed);
                let seconds = HOLD_ACTION.secs();
                let text = format_args!("Hold the button for {seconds} seconds to reset configuration...");
                self.log(now, platform, text);
            }
            ButtonEvent::Released(held) => {
                let held_ms = u32::try_from(held.total_millis()).unwrap_or(u32::MAX);
                platform.trace(Event::ButtonReleased(held_ms));
                if held >= HOLD_ACTION {
                    self.input(now, platform, &Input::ResetRequested);
                }
            }
        }
    }

    pub(super) fn poll_address<P: Platform>(&mut self, now: Instant, platform: &mut P) -> bool {
        let Some(event) = self.net.poll_address() else { return false };
        match event {
            AddressEvent::Set(ip) => {
                platform.trace(Event::Address { ip, fixed: false });
                self.log(now, platform, format_args!("Using Dynamic IP: {ip}"));
                self.input(now, platform, &Input::AddressSet);
            }
            AddressEvent::Lost => self.input(now, platform, &Input::AddressLost),
        }
        true
    }

    pub(super) fn poll_portal<P: Platform>(&mut self, now: Instant, platform: &mut P) -> bool {
        let mut busy = false;
        for _ in 0..EVENTS_MAX {
            let context = Context {
                product: &self.boot.product,
                ap_ssid: &self.ap_ssid,
                ap_bssid: ap_bssid(self.boot.mac),
                mac: self.boot.mac,
                last_error: self.last_error(),
                networks: self.scan.list.networks(),
            };
            let Some(event) = self.portal.poll(now, &mut self.net, &context) else { break };
            busy = true;
            match event {
                PortalEvent::Asked(asked) => self.on_asked(now, platform, asked),
                PortalEvent::Refused(status) => {
                    platform.trace(Event::Request { route: "(refused)", status: status.code() });
                    self.input(now, platform, &Input::PortalUsed);
                }
                PortalEvent::Leased(ip) => platform.trace(Event::LeaseGiven(ip)),
            }
        }
        busy
    }

    fn on_asked<P: Platform>(&mut self, now: Instant, platform: &mut P, asked: Asked) {
        let Asked { client, route, config, uri } = asked;
        self.input(now, platform, &Input::PortalUsed);
        let content = match route {
            Route::Page => Content::Page,
            Route::BoardInfo => {
                self.input(now, platform, &Input::BoardInfoRead);
                self.log(now, platform, format_args!("Sending board info..."));
                Content::BoardInfo
            }
            Route::Redirect => Content::Redirect,
            Route::NotFound => Content::NotFound(uri),
            Route::Config => {
                let content = match config {
                    Some(Ok(request)) => self.on_config(now, platform, request),
                    Some(Err(_)) | None => {
                        self.log(now, platform, format_args!("Configuration invalid"));
                        CONFIG_INVALID
                    }
                };
                self.answer(now, platform, client, route, content.clone());
                if content == CONFIG_OK || content == CONFIG_SAVED {
                    self.input(now, platform, &Input::ConfigStored);
                }
                return;
            }
            Route::WifiScan => return self.on_scan_wanted(now, platform, client),
            Route::Reset => {
                self.input(now, platform, &Input::ResetRequested);
                RESET_OK
            }
            Route::Reboot => {
                platform.trace(Event::Request { route: route.name(), status: 0 });
                self.portal.drop_client(&mut self.net, client);
                // The phone is to see a closed connection, before the socket listens again.
                self.net.poll_egress(now, platform.phy());
                return self.input(now, platform, &Input::RebootRequested);
            }
        };
        self.answer(now, platform, client, route, content);
    }

    fn on_scan_wanted<P: Platform>(&mut self, now: Instant, platform: &mut P, client: usize) {
        let fresh = self.scan.done_at.is_some_and(|at| at + SCAN_FRESH > now);
        let listing = self.scan.purpose == Some(Purpose::Portal);
        if (fresh || self.portal.is_listing()) && !listing {
            return self.answer(now, platform, client, Route::WifiScan, Content::WifiScan);
        }
        // A phone that has gone may have left its place to the next. There are as many as there are clients.
        if !self.scan.waiting.contains(&client) {
            let _ = self.scan.waiting.push(client);
        }
        if !listing {
            self.log(now, platform, format_args!("Scanning networks..."));
            self.start_scan(now, platform, Purpose::Portal, None);
        }
    }

    fn answer<P: Platform>(
        &mut self,
        now: Instant,
        platform: &mut P,
        client: usize,
        route: Route,
        content: Content,
    ) {
        let status = content.status().code();
        if self.portal.answer(now, client, content) {
            platform.trace(Event::Request { route: route.name(), status });
        }
    }

    /// Stores a configuration before the phone is told that it is accepted.
    fn on_config<P: Platform>(&mut self, now: Instant, platform: &mut P, request: ConfigRequest) -> Content {
        let done = if request.save { CONFIG_SAVED } else { CONFIG_OK };
        if self.provision.state() == State::SwitchToSta {
            // A phone that sends twice hears the same again; another phone comes too late.
            return if self.submitted.as_ref() == Some(&request.config) { done } else { CONFIG_BUSY };
        }
        self.log(now, platform, format_args!("Applying configuration..."));
        self.log_config(now, platform, &request.config);
        if self.store_config(now, platform, &request.config, request.save) {
            self.submitted = Some(request.config);
            done
        } else {
            CONFIG_NOT_STORED
        }
    }

    /// Writes a configuration to flash; returns whether it is there.
    pub(super) fn store_config<P: Platform>(
        &mut self,
        now: Instant,
        platform: &mut P,
        config: &Config,
        save: bool,
    ) -> bool {
        let (result, stored) = if save {
            (self.store.save_valid(platform.flash(), config), Stored::Valid)
        } else {
            (self.store.save_trial(platform.flash(), config), Stored::Trial)
        };
        match result {
            Ok(()) => platform.trace(Event::Stored(stored)),
            Err(error) => self.on_flash_failed(now, platform, error),
        }
        result.is_ok()
    }

    pub(super) fn poll_uplink<P: Platform>(&mut self, now: Instant, platform: &mut P) -> bool {
        let mut busy = false;
        for _ in 0..EVENTS_MAX {
            let Self { uplink, net, application, .. } = self;
            let Some(event) = uplink.poll(now, net, platform.secure(), application) else { break };
            busy = true;
            self.on_uplink_event(now, platform, event);
        }
        busy
    }

    fn on_uplink_event<P: Platform>(&mut self, now: Instant, platform: &mut P, event: UplinkEvent) {
        match event {
            UplinkEvent::Resolved(ip) => platform.trace(Event::Resolved(ip)),
            UplinkEvent::ResolveFailed => {
                platform.trace(Event::ResolveFailed);
                self.input(now, platform, &Input::ResolveFailed);
            }
            UplinkEvent::Connecting(host, port) => {
                self.log(now, platform, format_args!("Connecting to {host}:{port}"));
                platform.trace(Event::Connecting { host, port });
            }
            UplinkEvent::ConnectFailed => {
                platform.trace(Event::ConnectFailed);
                self.input(now, platform, &Input::CloudFailed);
            }
            UplinkEvent::SecureOpened(kind) => {
                platform.trace(Event::SecureOpened(kind));
                self.log(now, platform, format_args!("Certificate OK"));
            }
            UplinkEvent::SecureFailed(error) => {
                platform.trace(Event::SecureFailed(error));
                self.log(now, platform, format_args!("Secure connection failed"));
                self.input(now, platform, &Input::SecureFailed);
            }
            UplinkEvent::LoggedIn(status, ping_ms) => {
                platform.trace(Event::LoginStatus(status.0));
                self.log(now, platform, format_args!("Ready (ping: {ping_ms}ms)."));
                self.on_logged_in(now, platform);
            }
            UplinkEvent::LoginRefused(status) => {
                platform.trace(Event::LoginStatus(status.0));
                self.log(now, platform, format_args!("Connect failed. code: {}", status.0));
                self.input(now, platform, &Input::CloudFailed);
            }
            UplinkEvent::TokenRefused => {
                platform.trace(Event::LoginStatus(crate::cloud::codec::Status::INVALID_TOKEN.0));
                self.log(now, platform, format_args!("Invalid auth token"));
                self.input(now, platform, &Input::TokenRefused);
            }
            UplinkEvent::LoginTimeout => {
                platform.trace(Event::LoginTimeout);
                self.log(now, platform, format_args!("Login timeout"));
                self.input(now, platform, &Input::CloudFailed);
            }
            UplinkEvent::Redirected(host, port) => {
                self.log(now, platform, format_args!("Redirecting to {host}:{port}"));
                platform.trace(Event::Redirected(host, port));
            }
            UplinkEvent::TooManyRedirects => self.input(now, platform, &Input::CloudFailed),
            UplinkEvent::Lost(reason) => {
                platform.trace(Event::SessionLost);
                match reason {
                    Some(reason) => self.log(now, platform, format_args!("{reason}")),
                    None => self.log(now, platform, format_args!("Disconnected")),
                }
                self.input(now, platform, &Input::SessionLost);
            }
            UplinkEvent::Console(line) => self.run_command(now, platform, &line),
            UplinkEvent::UpdateOffered => self.log(now, platform, format_args!("Updates are not supported")),
        }
    }

    fn on_logged_in<P: Platform>(&mut self, now: Instant, platform: &mut P) {
        let first = self.provision.in_use() == InUse::Trial;
        self.input(now, platform, &Input::LoggedIn);
        if first && let Ok(name) = core::str::from_utf8(self.ap_ssid.as_bytes()) {
            self.uplink.send_hotspot_name(now, name);
        }
    }
}
