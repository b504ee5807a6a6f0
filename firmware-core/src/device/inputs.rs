//! What comes from the radio, the button, the phones and the cloud, turned into inputs of the state machine.

use super::actions::active;
use super::{Device, RadioState};
use crate::Instant;
use crate::application::Application;
use crate::hal::{Platform, RadioEvent};
use crate::net::{AddressEvent, Asked, PortalEvent, UplinkEvent};
use crate::panel::{ButtonEvent, HOLD_ACTION};
use crate::portal::config_request::ConfigRequest;
use crate::portal::http::Status;
use crate::portal::name::ap_bssid;
use crate::portal::response::{
    CONFIG_BUSY, CONFIG_INVALID, CONFIG_NOT_STORED, CONFIG_OK, CONFIG_SAVED, Content, Context, RESET_OK,
};
use crate::portal::routes::Route;
use crate::provision::{InUse, Input};
use crate::text::Printable;
use crate::trace::{Event, State, Stored};

/// Events taken from one source in one pass.
const EVENTS_MAX: u8 = 64;
/// The configuration could not be erased.
const RESET_FAILED: Content =
    Content::Json(Status::InternalError, r#"{"status":"error","msg":"Configuration not erased"}"#);

/// What has become of a configuration that was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// It is in flash.
    Stored,
    /// Another one is about to be tried.
    Busy,
    /// Flash failed.
    NotStored,
}

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

    /// An event that belongs to a role the radio no longer has comes too late to matter.
    fn on_radio_event<P: Platform>(&mut self, now: Instant, platform: &mut P, event: RadioEvent) {
        match (&mut self.radio, event) {
            (RadioState::AccessPoint { up }, RadioEvent::ApStarted) => {
                *up = true;
                platform.trace(Event::ApUp(self.ap_ssid.clone()));
            }
            (RadioState::AccessPoint { .. }, RadioEvent::StationJoined(mac)) => {
                platform.trace(Event::ClientJoined(mac));
                if !self.stations.contains(&mac.0) {
                    // One more than are remembered only means that it is not waited for.
                    let _ = self.stations.push(mac.0);
                }
            }
            (RadioState::AccessPoint { .. }, RadioEvent::StationLeft(mac)) => {
                platform.trace(Event::ClientLeft(mac));
                self.portal.handle_station_left(mac);
                self.stations.retain(|station| *station != mac.0);
                if self.stations.is_empty() {
                    self.input(now, platform, &Input::ApEmpty);
                }
            }
            (RadioState::Station, RadioEvent::Joined) => self.on_joined(now, platform),
            (RadioState::Station, RadioEvent::JoinFailed(failure)) => {
                platform.trace(Event::JoinFailed(failure));
                self.input(now, platform, &Input::JoinFailed(failure));
            }
            (RadioState::Station, RadioEvent::Disconnected(reason)) => {
                self.link = None;
                platform.trace(Event::Disconnected(reason));
                self.input(now, platform, &Input::LinkLost);
            }
            (_, RadioEvent::ScanResult(network)) => self.on_network(network),
            (_, RadioEvent::ScanDone(done)) => self.on_scan_done(now, platform, done),
            (
                RadioState::Off | RadioState::Station,
                RadioEvent::ApStarted | RadioEvent::StationJoined(_) | RadioEvent::StationLeft(_),
            )
            | (
                RadioState::Off | RadioState::AccessPoint { .. },
                RadioEvent::Joined | RadioEvent::JoinFailed(_) | RadioEvent::Disconnected(_),
            ) => {}
        }
    }

    fn on_joined<P: Platform>(&mut self, now: Instant, platform: &mut P) {
        if let Some((_, is_joined)) = &mut self.link {
            *is_joined = true;
        }
        if let Some(config) = active(&self.trial, &self.valid, self.provision.in_use()) {
            platform.trace(Event::Joined(config.ssid.clone()));
        }
        self.input(now, platform, &Input::Joined);
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
                    platform.trace(Event::Request { route: None, status: status.code() });
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
                let Some(Ok(request)) = config else {
                    self.log(now, platform, format_args!("Configuration invalid"));
                    return self.answer(now, platform, client, route, CONFIG_INVALID);
                };
                let is_saved = request.save;
                let content = match self.take_config(now, platform, request) {
                    Taken::Stored if is_saved => CONFIG_SAVED,
                    Taken::Stored => CONFIG_OK,
                    Taken::Busy => CONFIG_BUSY,
                    Taken::NotStored => CONFIG_NOT_STORED,
                };
                let is_stored = content == CONFIG_OK || content == CONFIG_SAVED;
                self.answer(now, platform, client, route, content);
                if is_stored {
                    self.input(now, platform, &Input::ConfigStored);
                }
                return;
            }
            Route::WifiScan => return self.scan_for_phone(now, platform, client),
            Route::Reset => {
                self.input(now, platform, &Input::ResetRequested);
                if self.is_erased { RESET_OK } else { RESET_FAILED }
            }
            Route::Reboot => {
                platform.trace(Event::Request { route: Some(route), status: 0 });
                self.portal.drop_client(now, &mut self.net, client);
                // The phone is to see a closed connection, before the socket listens again.
                self.net.poll_egress(now, platform.phy());
                return self.input(now, platform, &Input::RebootRequested);
            }
        };
        self.answer(now, platform, client, route, content);
    }

    pub(super) fn answer<P: Platform>(
        &mut self,
        now: Instant,
        platform: &mut P,
        client: usize,
        route: Route,
        content: Content,
    ) {
        let status = content.status().code();
        if self.portal.answer(now, client, content) {
            platform.trace(Event::Request { route: Some(route), status });
        }
    }

    /// Writes a configuration to flash, before whoever sent it is told that it is accepted.
    pub(super) fn take_config<P: Platform>(
        &mut self,
        now: Instant,
        platform: &mut P,
        request: ConfigRequest,
    ) -> Taken {
        if self.provision.state() == State::SwitchToSta {
            // A phone that sends twice hears the same again; another phone comes too late.
            let is_same = self.submitted.as_ref() == Some(&request);
            return if is_same { Taken::Stored } else { Taken::Busy };
        }
        self.log(now, platform, format_args!("Applying configuration..."));
        self.log_config(now, platform, &request.config);
        let (result, stored) = if request.save {
            (self.store.save_valid(platform.flash(), &request.config), Stored::Valid)
        } else {
            (self.store.save_trial(platform.flash(), &request.config), Stored::Trial)
        };
        match result {
            Ok(()) => {
                platform.trace(Event::Stored(stored));
                self.submitted = Some(request);
                Taken::Stored
            }
            Err(error) => {
                self.on_flash_failed(now, platform, error);
                Taken::NotStored
            }
        }
    }

    pub(super) fn poll_uplink<P: Platform>(&mut self, now: Instant, platform: &mut P) -> bool {
        let mut busy = false;
        for _ in 0..EVENTS_MAX {
            let Self { uplink, net, application, .. } = self;
            let event = uplink.poll(now, net, platform.secure(), application);
            self.tell_time(now, platform);
            let Some(event) = event else { break };
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
                self.keep_time(now, platform);
            }
            UplinkEvent::SecureFailed(error) => {
                platform.trace(Event::SecureFailed(error));
                self.log(now, platform, format_args!("Secure connection failed"));
                self.log_date_unknown(now, platform, error);
                let input = if error.may_pass() { Input::SecureUnfinished } else { Input::SecureFailed };
                self.input(now, platform, &input);
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
                // The old server hears that the session is over before its socket is used for the new one.
                self.net.poll_egress(now, platform.phy());
                self.input(now, platform, &Input::Redirected);
            }
            UplinkEvent::TooManyRedirects => {
                self.log(now, platform, format_args!("Too many redirects"));
                self.input(now, platform, &Input::CloudFailed);
            }
            UplinkEvent::Lost(reason) => {
                platform.trace(Event::SessionLost);
                match reason {
                    Some(reason) => self.log(now, platform, format_args!("{reason}")),
                    None => self.log(now, platform, format_args!("Disconnected")),
                }
                self.input(now, platform, &Input::SessionLost);
            }
            UplinkEvent::Console(line) => self.run_command(now, platform, &line),
            UplinkEvent::Print(text) => {
                self.log(now, platform, format_args!("Server: {}", Printable(text.as_bytes())));
            }
            UplinkEvent::UpdateOffered => self.log(now, platform, format_args!("Updates are not supported")),
        }
    }

    fn on_logged_in<P: Platform>(&mut self, now: Instant, platform: &mut P) {
        let first = self.provision.in_use() == InUse::Trial;
        self.input(now, platform, &Input::LoggedIn);
        if first {
            self.uplink.send_hotspot_name(now, &self.ap_ssid);
        }
    }
}
