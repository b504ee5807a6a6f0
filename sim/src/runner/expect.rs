//! What is expected, and whether it is so.

use super::build::{Stage, wear};
use super::{Runner, StepError};
use crate::cloud::{self, DeviceId, DeviceStatus};
use crate::phone;
use crate::scenario::{ApState, Connectivity, DeviceState, Expect, FaultState, Presence, StoreState};
use crate::trace::What;
use crate::world::{NodeId, Power};

/// What erased flash holds.
const ERASED: u8 = 0xFF;
/// Flash is searched in pieces of this many bytes; the flash is a multiple of it.
const PIECE_LEN: usize = 512;

impl Runner<'_> {
    pub(super) fn expect(&mut self, node: NodeId, expect: &Expect) -> Result<(), StepError> {
        let console_from = self.previous_step_from;
        let limit = self.stage.world.now() + expect.within;
        if !self.run_until(limit, |stage| stage.meets(node, expect, console_from))? {
            let why = self.stage.check(node, expect, console_from).err().unwrap_or_default();
            return Err(StepError::Unmet(match self.stage.world.quiet() {
                Some(wakes) => format!("{why}; and nothing more happens by itself: {wakes}"),
                None => why,
            }));
        }
        let Some(stays) = expect.stays else { return Ok(()) };
        let until = self.stage.world.now() + stays;
        let is_over = |stage: &Stage| stage.world.now() >= until;
        self.run_until(until, |stage| !stage.meets(node, expect, console_from) || is_over(stage))?;
        let changed = self.stage.check(node, expect, console_from).err();
        changed.map_or(Ok(()), |why| Err(StepError::Unmet(format!("it did not stay so: {why}"))))
    }
}

/// Compares what is with what is expected; the error tells both, where somebody wants to know.
fn same<T: PartialEq + ?Sized>(
    tells_why: bool,
    what: &str,
    is: &T,
    expected: &T,
    show: impl Fn(&T) -> String,
) -> Result<(), String> {
    match is == expected {
        true => Ok(()),
        false if tells_why => Err(format!("{what} is {}, not {}", show(is), show(expected))),
        false => Err(String::new()),
    }
}

fn presence_name(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Offline => "offline",
        Presence::NeverSeen => "never-seen",
    }
}

impl Stage {
    /// Whether everything that is expected is so now. It is asked after everything that happens, so that it
    /// does not word what is not so.
    fn meets(&mut self, node: NodeId, expect: &Expect, console_from: usize) -> bool {
        self.tells_why = false;
        let is_met = self.check(node, expect, console_from).is_ok();
        self.tells_why = true;
        is_met
    }

    /// Whether everything that is expected is so now; the error names the first that is not.
    fn check(&mut self, node: NodeId, expect: &Expect, console_from: usize) -> Result<(), String> {
        match node {
            NodeId::Device(device) => {
                self.check_device(device, expect)?;
                self.check_flash(device, expect)?;
                self.check_console(device, expect, console_from)?;
                self.check_cloud(device, expect)
            }
            NodeId::Phone(phone) => self.check_phone(phone, expect),
            NodeId::Router(_) | NodeId::Cloud(_) | NodeId::Guest(_) => Ok(()),
        }
    }

    fn check_device(&mut self, index: usize, expect: &Expect) -> Result<(), String> {
        let node = NodeId::Device(index);
        let Some(device) = self.world.devices.get_mut(index) else { return Ok(()) };
        if let Some(state) = expect.device {
            let is = match device.power() {
                Power::Off => "OFF",
                Power::Starting => "STARTING",
                Power::Running => device.state().name(),
            };
            let expected = state.firmware().map_or("OFF", |state| state.name());
            let is_off = state == DeviceState::Off && device.power() == Power::Off;
            if !is_off {
                same(self.tells_why, "the device", is, expected, str::to_owned)?;
            }
        }
        if let Some(error) = expect.last_error {
            same(self.tells_why, "last_error", &device.last_error(), &error.code(), u16::to_string)?;
        }
        if let Some(fault) = expect.fault {
            let is = if device.fault_fired() { FaultState::Fired } else { FaultState::Armed };
            same(self.tells_why, "the fault", &is, &fault, |state| format!("{state:?}").to_lowercase())?;
        }
        if let Some(ap) = expect.ap {
            let is = if self.world.has_access_point(node) { ApState::Up } else { ApState::Down };
            same(self.tells_why, "the access point", &is, &ap, |state| format!("{state:?}").to_lowercase())?;
        }
        if let Some(router) = &expect.joined {
            let is = self.world.joined_owner(node).map_or("nothing", |owner| self.world.trace.name(owner));
            same(self.tells_why, "the device joined", is, router.as_str(), str::to_owned)?;
        }
        if let Some(name) = &expect.access_point {
            let joined = self.world.joined(node);
            let is = self.access_point_names.iter().find(|(_, bssid)| Some(**bssid) == joined);
            same(
                self.tells_why,
                "the access point joined",
                is.map_or("another", |(name, _)| name),
                name.as_str(),
                str::to_owned,
            )?;
        }
        Ok(())
    }

    fn check_flash(&mut self, index: usize, expect: &Expect) -> Result<(), String> {
        if let (Some(max), Some(device)) = (expect.flash_writes_max, self.world.devices.get_mut(index)) {
            let [_, programs, erases] = wear(device.executor.flash_state());
            if programs + erases > u64::from(max) {
                return Err(format!("the flash has been written {} times, not {max}", programs + erases));
            }
        }
        if expect.store.is_none() && expect.stored_network.is_none() {
            return Ok(());
        }
        let tells_why = self.tells_why;
        let wanted = expect.stored_network.as_ref().map(|router| self.router_ssid(router.as_str()));
        let Some(loaded) = self.stored(index) else { return Ok(()) };
        let has_config = loaded.trial.is_some() || loaded.valid.is_some();
        if let Some(store) = expect.store {
            let is = match (&loaded.trial, loaded.last_error, &loaded.valid) {
                (Some(_), _, _) => StoreState::Trial,
                (None, Some(_), _) => StoreState::Rejected,
                (None, None, Some(_)) => StoreState::Valid,
                (None, None, None) => StoreState::Empty,
            };
            same(tells_why, "the newest record", &is, &store, |state| format!("{state:?}").to_lowercase())?;
        }
        if let (Some(router), Some(wanted)) = (&expect.stored_network, wanted) {
            let is = loaded.valid.as_ref().map(|config| &config.ssid);
            if is != wanted.as_ref() {
                let is = is.map_or("none".to_owned(), |ssid| ssid.to_string());
                return Err(format!(
                    "the stored network is {is}, not that of {router}",
                    router = router.value
                ));
            }
        }
        if expect.store.is_some() && !has_config && self.flash_tells(index) {
            return Err("the flash holds no configuration, and still a password or token".to_owned());
        }
        Ok(())
    }

    /// Whether a secret can be read from a device's flash, by whoever takes the chip out. Flash to which nothing has
    /// been done since is not searched again: this is asked after each thing that happens.
    pub(super) fn flash_tells(&mut self, index: usize) -> bool {
        let Some(device) = self.world.devices.get_mut(index) else { return false };
        let wear = wear(device.executor.flash_state());
        let Some(told) = self.told.get_mut(index) else { return false };
        if let Some((_, tells)) = told.filter(|(known, _)| *known == wear) {
            return tells;
        }
        // A device that cannot be reached ends the run at its next turn, and says why.
        let Ok(flash) = device.executor.flash() else { return false };
        // No text contains the byte that erased flash holds, and most of the flash holds nothing else.
        let (pieces, _) = flash.as_chunks::<PIECE_LEN>();
        let mut written = pieces.split(is_erased);
        let secrets = || {
            let texts = self.secrets.iter().map(String::as_bytes);
            texts.chain(self.raw_secrets.iter().map(Vec::as_slice))
        };
        let tells = written.any(|run| secrets().any(|secret| holds(run.as_flattened(), secret)));
        *told = Some((wear, tells));
        tells
    }

    fn router_ssid(&self, name: &str) -> Option<firmware_core::config::Ssid> {
        let Some(NodeId::Router(router)) = self.node(name) else { return None };
        self.access_points.get(router)?.first().map(|(_, ap)| ap.ssid.clone())
    }

    fn check_console(&self, index: usize, expect: &Expect, from: usize) -> Result<(), String> {
        let Some(text) = &expect.console else { return Ok(()) };
        let entries = self.world.trace.entries().get(from..).unwrap_or_default();
        let printed = entries.iter().any(|entry| {
            entry.actor == NodeId::Device(index)
                && matches!(entry.what, What::Console(line) if self.world.trace.printed(line).contains(text.as_str()))
        });
        if printed { Ok(()) } else { Err(format!("the console has not printed `{text}`")) }
    }

    fn check_cloud(&self, index: usize, expect: &Expect) -> Result<(), String> {
        let Expect { cloud, region, named, pin, event, .. } = expect;
        if cloud.is_none() && named.is_none() && pin.is_empty() && event.is_none() {
            return Ok(());
        }
        let id = self.cloud_id(index);
        let Some(directory) = self.world.clouds.first().map(|cloud| cloud.service().directory().clone())
        else {
            return Ok(());
        };
        let directory = directory.borrow();
        let device = id.and_then(|id| directory.device(id));
        if let Some(presence) = cloud {
            let is = match (id, device.map(cloud::Device::status)) {
                (None, _) | (_, Some(DeviceStatus::NeverSeen)) => Presence::NeverSeen,
                (_, Some(DeviceStatus::Online)) => Presence::Online,
                (_, Some(DeviceStatus::Offline)) | (Some(_), None) => Presence::Offline,
            };
            same(self.tells_why, "the device in the cloud", &is, presence, |is| {
                presence_name(*is).to_owned()
            })?;
        }
        if let Some(region) = region {
            let is = id.and_then(|id| self.region_of(id)).unwrap_or("none");
            same(self.tells_why, "the device's region", is, region.as_str(), str::to_owned)?;
        }
        if let Some(name) = named {
            same(
                self.tells_why,
                "the device's name",
                device.map_or("none", cloud::Device::name),
                name.as_str(),
                str::to_owned,
            )?;
        }
        for (pin, value) in pin {
            let is = device.and_then(|device| device.pin(pin.0)).unwrap_or_default();
            let is = String::from_utf8_lossy(is).into_owned();
            same(self.tells_why, &format!("pin V{}", pin.0), is.as_str(), value.as_str(), |value| {
                format!("`{value}`")
            })?;
        }
        if let Some(code) = event
            && !device.is_some_and(|device| device.events().iter().any(|(logged, _)| logged == code))
        {
            return Err(format!("the event `{code}` has not been logged"));
        }
        Ok(())
    }

    /// The region where a device logged in last.
    fn region_of(&self, id: DeviceId) -> Option<&str> {
        let entry = self.world.trace.entries().iter().rev().find(
            |entry| matches!(&entry.what, What::Cloud(cloud::Event::LoggedIn { device }) if *device == id),
        )?;
        Some(self.world.trace.name(entry.actor))
    }

    fn check_phone(&self, index: usize, expect: &Expect) -> Result<(), String> {
        let Some(phone) = self.world.phones.get(index) else { return Ok(()) };
        let seen = phone.observations();
        if let Some(status) = expect.http_status {
            let show = |status: &Option<u16>| status.map_or("none".to_owned(), |status| status.to_string());
            same(self.tells_why, "the status of the last answer", &seen.http_status, &Some(status.0), show)?;
        }
        if let Some(text) = &expect.http_body
            && !String::from_utf8_lossy(&seen.http_body).contains(text.as_str())
        {
            return Err(format!("the last answer does not contain `{text}`"));
        }
        if let Some(error) = expect.sees_error {
            let code = seen.board.as_ref().map_or(0, |board| board.last_error);
            same(self.tells_why, "the error that the phone sees", &code, &error.code(), u16::to_string)?;
        }
        if let Some(name) = &expect.sees_network {
            // JSON has text only, so that other bytes are lost on the way.
            let shown = String::from_utf8_lossy(name.as_bytes());
            if !seen.networks.iter().any(|network| network.ssid == shown) {
                return Err(format!("the list of networks has no `{name}`"));
            }
        }
        if let Some(wanted) = expect.connectivity {
            let is = seen.connectivity.as_ref().map(|connectivity| match connectivity {
                phone::Connectivity::NoInternet => Connectivity::None,
                phone::Connectivity::CaptivePortal(_) => Connectivity::CaptivePortal,
                phone::Connectivity::Internet => Connectivity::Internet,
            });
            let show = |is: &Option<Connectivity>| match is {
                None => "not known".to_owned(),
                Some(Connectivity::None) => "none".to_owned(),
                Some(Connectivity::CaptivePortal) => "captive-portal".to_owned(),
                Some(Connectivity::Internet) => "internet".to_owned(),
            };
            same(self.tells_why, "what the phone concludes", &is, &Some(wanted), show)?;
        }
        if let Some(uri) = &expect.offered_portal {
            let is = seen.offered_portal.as_deref().unwrap_or("none");
            same(self.tells_why, "the portal that the phone is told of", is, uri.as_str(), str::to_owned)?;
        }
        Ok(())
    }
}

fn is_erased(piece: &[u8; PIECE_LEN]) -> bool {
    *piece == [ERASED; PIECE_LEN]
}

/// Whether a secret stands somewhere in these bytes.
fn holds(bytes: &[u8], secret: &[u8]) -> bool {
    bytes.windows(secret.len()).any(|part| part == secret)
}
