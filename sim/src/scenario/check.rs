//! From text to a scenario: first the shape, then what only shows when everything is known.

use std::collections::BTreeMap;

use super::check_arm::Kind;
use super::credential::{Secret, Ssid};
use super::error::Complaint;
use super::expect::Expect;
use super::flash::FlashChange;
use super::link::{Between, Heal, LinkChange};
use super::node;
use super::phone::{Configure, PhoneAction, PhoneChange, Provision, Request};
use super::step::{Bouncing, Button, ClockChange, CloudChange, RouterChange, Step, StepText, VERBS, Verb};
use super::value::{At, Host, HostPort, Name};
use super::world::{Cloud, NetworkSecurity, PhoneOs, Router, World};
use super::{Document, FILE_LEN_MAX, FORMAT, ProductOverrides, Scenario};
use crate::executor::FLASH_LEN;
use crate::tree::{flow, typed, yaml};

/// IEEE 802.11i: a passphrase has 8 to 63 characters.
const PASSPHRASE_LEN: std::ops::RangeInclusive<usize> = 8..=63;
/// Addresses are numbered in one byte.
const ACTORS_MAX: usize = 254;
/// A raw key in hexadecimal.
const RAW_KEY_LEN: usize = 64;

/// Reads and checks a scenario's text.
pub(super) fn scenario(text: &str) -> Result<Scenario, Complaint> {
    let nowhere = At::nowhere(());
    if text.len() > FILE_LEN_MAX {
        return Err(Complaint::at(
            &nowhere,
            "the file is too long for a scenario",
            format!("at most {FILE_LEN_MAX} bytes"),
        ));
    }
    if is_blank(text) {
        return Err(Complaint::at(&nowhere, "the file is empty", "`hil new` writes a first scenario"));
    }
    let yaml = yaml::read(text)?;
    if let Some(next) = yaml.next {
        let message = "a file holds one scenario; `---` begins another";
        return Err(Complaint::at(&At::here((), next), message, ""));
    }
    node::check(&yaml.root)?;
    let document: Document = typed::read(&yaml.root)?;
    let Document { format, title, why, catches, product, uptime, world, steps } = document;
    debug_assert_eq!(format, FORMAT, "another format is refused before the typed reading");
    if title.trim().is_empty() {
        return Err(Complaint::at(&title, "the title is empty", "say in a few words what happens"));
    }
    let product = check_product(product)?;
    // The name of an actor that has none in the file stands nowhere.
    check_world(&world).map_err(|complaint| complaint.or_at(&world))?;
    if steps.is_empty() {
        return Err(Complaint::at(&steps, "there are no steps", "the first is usually `- power: on`"));
    }
    let steps = steps.value.into_iter().map(|step| check_step(step, &world)).collect::<Result<_, _>>()?;
    Ok(Scenario { title: title.value, why, catches, product, uptime, world: world.value, steps })
}

/// Reads and checks a list of steps of our own making, such as a scenario in this world could hold.
pub(super) fn steps(text: &str, world: &At<World>) -> Result<Vec<Step>, Complaint> {
    let root = match flow::read(text) {
        Some(root) => root,
        None => yaml::read(text)?.root,
    };
    let steps: Vec<At<StepText>> = typed::read(&root)?;
    steps.into_iter().map(|step| check_step(step, world)).collect()
}

/// Whether nothing but comments and document marks stands there.
fn is_blank(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

fn check_product(product: Option<At<ProductOverrides>>) -> Result<ProductOverrides, Complaint> {
    let Some(product) = product else { return Ok(ProductOverrides::default()) };
    match product.apply_to_default() {
        Ok(_) => Ok(product.value),
        Err(error) => Err(Complaint::at(&product, error.to_string(), "")),
    }
}

fn check_world<'a>(world: &'a At<World>) -> Result<(), Complaint> {
    let World { routers, clouds, devices, phones, link, tls: _ } = &world.value;
    let names = (routers.iter().map(|router| &router.name))
        .chain(clouds.iter().map(|cloud| &cloud.name))
        .chain(devices.iter().map(|device| &device.name))
        .chain(phones.iter().map(|phone| &phone.name));
    check_unique("name", &mut names.map(|name| name.with(name.as_str())))?;
    // A default host stands where its cloud's name stands.
    let host_of = |cloud: &'a Cloud, host: &'a At<Host>| match host.line {
        0 => cloud.name.with(host.as_str()),
        _ => host.with(host.as_str()),
    };
    let hosts_of = |cloud: &'a Cloud| cloud.hosts.iter().map(move |host| host_of(cloud, host));
    check_unique("host", &mut clouds.iter().flat_map(hosts_of))?;
    let counts = [routers.len(), clouds.len(), devices.len(), phones.len()];
    if counts.into_iter().any(|count| count > ACTORS_MAX) {
        return Err(Complaint::at(world, format!("a world has at most {ACTORS_MAX} actors of a kind"), ""));
    }
    for (index, device) in devices.iter().enumerate() {
        let mac = device.mac_or_default(index);
        let mut before = devices.iter().take(index).enumerate();
        if let Some((_, other)) = before.find(|(index, other)| other.mac_or_default(*index) == mac) {
            let other = &other.name;
            let hint =
                format!("the other is `{other}`; a device without `mac` gets one by its place in the list");
            return Err(Complaint::at(&device.name, "two devices have the same MAC address", hint));
        }
    }
    let points = routers.iter().flat_map(|router| &router.access_points);
    let names = points.filter_map(|point| point.name.as_ref());
    check_unique("name", &mut names.map(|name| name.with(name.as_str())))?;
    routers.iter().try_for_each(check_router)?;
    link.partition.as_ref().map_or(Ok(()), |between| check_between(between, world))?;
    for phone in phones {
        check_cellular(phone.goes_cellular_after.is_some(), phone.os)
            .map_err(|(message, hint)| Complaint::at(&phone.name, message, hint))?;
    }
    clouds.iter().filter_map(|cloud| cloud.redirect_to.as_ref()).try_for_each(|to| check_redirect(to, world))
}

/// Finds the second of two equal names and points at whichever of the two stands in the file.
fn check_unique(what: &str, names: &mut dyn Iterator<Item = At<&str>>) -> Result<(), Complaint> {
    let mut seen = BTreeMap::new();
    for name in names {
        if let Some(first) = seen.insert(name.value, name.with(())) {
            let (place, other) = if name.line == 0 { (first, name.with(())) } else { (name.with(()), first) };
            let hint = match other.line {
                0 => "it is the default one's; every actor needs its own".to_owned(),
                line => format!("the other stands in line {line}; every actor needs its own"),
            };
            return Err(Complaint::at(&place, format!("the {what} `{name}` is taken"), hint));
        }
    }
    Ok(())
}

/// A phone goes cellular when it has found out that there is no internet.
fn check_cellular(goes: bool, os: PhoneOs) -> Result<(), (&'static str, &'static str)> {
    if goes && os == PhoneOs::App {
        let message = "this phone does not find out whether there is the internet";
        return Err((message, "add `os: android`, `ios` or `windows`"));
    }
    Ok(())
}

fn check_router(router: &Router) -> Result<(), Complaint> {
    let Router { name, password, security, channel, rssi, access_points, .. } = router;
    if !access_points.is_empty() && (channel.is_some() || rssi.is_some()) {
        return Err(Complaint::at(
            name,
            "a router has either `channel` and `rssi` or `access_points`",
            "put them into an entry of `access_points`",
        ));
    }
    match (security, password) {
        (Some(NetworkSecurity::Open), Some(password)) => {
            Err(Complaint::at(password, "an open network has no password", "leave out one of the two"))
        }
        (None | Some(NetworkSecurity::Open | NetworkSecurity::Wpa2Enterprise), None) => Ok(()),
        (Some(_), None) => Err(Complaint::at(name, "this network needs a password", "or `security: open`")),
        (Some(NetworkSecurity::Wep), Some(password)) => check_wep_key(password),
        (Some(_) | None, Some(password)) => check_passphrase(password),
    }
}

fn check_passphrase(password: &At<Secret>) -> Result<(), Complaint> {
    let text = password.expose();
    let is_raw_key = text.len() == RAW_KEY_LEN && text.iter().all(u8::is_ascii_hexdigit);
    if is_raw_key || PASSPHRASE_LEN.contains(&text.len()) {
        return Ok(());
    }
    let message = format!("a WiFi password has 8 to 63 bytes, this one has {}", text.len());
    Err(Complaint::at(
        password,
        message,
        "64 hexadecimal digits are a raw key; without a password it is open",
    ))
}

fn check_wep_key(password: &At<Secret>) -> Result<(), Complaint> {
    match password.expose().len() {
        5 | 10 | 13 | 26 => Ok(()),
        _ => Err(Complaint::at(password, "a WEP key has 5 or 13 bytes, or 10 or 26 hexadecimal digits", "")),
    }
}

fn check_redirect(to: &At<HostPort>, world: &World) -> Result<(), Complaint> {
    let hosts: Vec<&str> =
        world.clouds.iter().flat_map(|cloud| &cloud.hosts).map(|host| host.as_str()).collect();
    if hosts.contains(&to.host.as_str()) {
        return Ok(());
    }
    Err(Complaint::unknown(&to.with(&to.host), "host", &hosts))
}

/// Whether two actors exist and exchange frames.
fn check_between(between: &Between, world: &World) -> Result<(), Complaint> {
    let [a, b] = between.names();
    let kind_of = |name: &At<Name>| {
        Kind::of_actor(name, world).ok_or_else(|| {
            let kinds = [Kind::Device, Kind::Phone, Kind::Router, Kind::Cloud];
            let known: Vec<&str> =
                kinds.into_iter().flat_map(|kind| kind.actors(world)).map(Name::as_str).collect();
            Complaint::unknown(name, "actor", &known)
        })
    };
    let (kind_a, kind_b) = (kind_of(a)?, kind_of(b)?);
    if a.value == b.value {
        return Err(Complaint::at(b, format!("`{b}` is named twice"), "a partition stands between two"));
    }
    if kind_a.is_neighbour_of(kind_b) {
        return Ok(());
    }
    let message = format!("no frames go straight from a {} to a {}", kind_a.name(), kind_b.name());
    let hint = "they go between device and router, device and phone, router and cloud, phone and cloud";
    Err(Complaint::at(b, message, hint))
}

fn check_step(step: At<StepText>, world: &World) -> Result<Step, Complaint> {
    let place = step.with(());
    let mut text = step.value;
    let (who, at) = (text.who.take(), text.at.take());
    let (meanwhile, may_fail) = (text.meanwhile, text.may_fail);
    let mut verb = text.into_verb().map_err(|verbs| match verbs.as_slice() {
        [] => {
            Complaint::at(&place, "this step has no verb", format!("the verbs are `{}`", VERBS.join("`, `")))
        }
        several => Complaint::at(
            &place,
            format!("this step has {} verbs: `{}`", several.len(), several.join("`, `")),
            "a step has one; begin each with `- `",
        ),
    })?;
    let check = Check { place: &place, world };
    let actor = check.actor(who, &verb)?;
    check.verb(&verb, actor.as_ref())?;
    if meanwhile && !matches!(verb, Verb::Phone(_)) {
        return Err(check.complaint("only what a phone does can go on meanwhile", "leave out `meanwhile`"));
    }
    if let Verb::Arm(arm) = &mut verb {
        arm.at = check.arm_at(arm, actor.as_ref(), at)?;
    } else if let Some(at) = at {
        let hint = "write `arm: { power: off }` in place of `power: off`";
        return Err(Complaint::at(&at, "`at` says when something armed happens", hint));
    }
    Ok(Step { line: place.line, column: place.column, actor, meanwhile, may_fail, verb })
}

/// One step against its world.
pub(super) struct Check<'a> {
    place: &'a At<()>,
    pub(super) world: &'a World,
}

impl Check<'_> {
    /// Settles whom the step speaks of. Routers and clouds default to the first, because neighbours and
    /// further regions only add to a story; which of two devices or phones is meant must be said.
    fn actor(&self, who: Option<At<Name>>, verb: &Verb) -> Result<Option<Name>, Complaint> {
        let Some(kind) = Kind::of(verb) else {
            return match who {
                None => Ok(None),
                Some(who) => {
                    let message = match verb {
                        Verb::Wait(_) => "waiting is nobody's: time passes for all",
                        Verb::Settle(_) => "settling is nobody's: everything is mended",
                        _ => "the air is nobody's: its rules are for all",
                    };
                    Err(Complaint::at(&who, message, "leave out `who`"))
                }
            };
        };
        if let Some(who) = who {
            self.known(&who, kind)?;
            return Ok(Some(who.value));
        }
        match (kind, kind.actors(self.world).as_slice()) {
            (_, []) => Err(self.complaint(format!("the world has no {}", kind.name()), "")),
            (_, [only]) => Ok(Some((*only).clone())),
            (Kind::Router | Kind::Cloud, [first, ..]) => Ok(Some((*first).clone())),
            (Kind::Device | Kind::Phone, several) => {
                let message = format!("which {}? there are {}", kind.name(), several.len());
                let choices: Vec<String> = several.iter().map(|name| format!("`who: {name}`")).collect();
                Err(self.complaint(message, &format!("add {}", choices.join(" or "))))
            }
        }
    }

    fn known(&self, name: &At<Name>, kind: Kind) -> Result<(), Complaint> {
        let actors = kind.actors(self.world);
        if actors.contains(&&name.value) {
            return Ok(());
        }
        let known: Vec<&str> = actors.into_iter().map(Name::as_str).collect();
        Err(Complaint::unknown(name, kind.name(), &known))
    }

    pub(super) fn known_if_given(&self, name: Option<&At<Name>>, kind: Kind) -> Result<(), Complaint> {
        name.map_or(Ok(()), |name| self.known(name, kind))
    }

    pub(super) fn complaint(&self, message: impl Into<String>, hint: &str) -> Complaint {
        Complaint::at(self.place, message, hint)
    }

    fn verb(&self, verb: &Verb, actor: Option<&Name>) -> Result<(), Complaint> {
        match verb {
            Verb::Power(_) => Ok(()),
            Verb::Button(button) => self.button(button),
            Verb::Console(line) => self.console(line),
            Verb::Flash(change) => self.flash(change),
            Verb::Clock(change) => self.clock(*change),
            Verb::Phone(action) => self.phone(action, actor),
            Verb::Router(change) => self.router(change),
            Verb::Cloud(change) => self.cloud(change),
            Verb::Link(change) => self.link(change),
            Verb::Arm(arm) => self.armed(&arm.what, actor),
            Verb::Expect(expect) => self.expect(expect),
            Verb::Wait(time) if time.total_millis() == 0 => {
                Err(self.complaint("there is nothing to wait for", ""))
            }
            Verb::Wait(_) | Verb::Settle(_) => Ok(()),
        }
    }

    pub(super) fn button(&self, button: &Button) -> Result<(), Complaint> {
        match button {
            Button::Press => Ok(()),
            Button::Hold(time) | Button::Bouncing(Bouncing { hold: time, .. })
                if time.total_millis() == 0 =>
            {
                Err(self.complaint("the button is not held at all", "such as `button: { hold: 10s }`"))
            }
            Button::Hold(_) => Ok(()),
            Button::Bouncing(Bouncing { hold, bounces }) => {
                let is_ordered = bounces.is_sorted_by(|a, b| a < b);
                let fits = bounces.last().is_none_or(|last| last < hold);
                if is_ordered && fits && bounces.len().is_multiple_of(2) {
                    return Ok(());
                }
                let hint = "an even number of times, each later than the one before, all within the press";
                Err(self.complaint("the contact does not come to rest", hint))
            }
        }
    }

    fn console(&self, line: &str) -> Result<(), Complaint> {
        if line.chars().any(char::is_control) {
            return Err(self.complaint("a console line is one line of text", "Enter is pressed behind it"));
        }
        Ok(())
    }

    pub(super) fn phone(&self, action: &PhoneAction, actor: Option<&Name>) -> Result<(), Complaint> {
        match action {
            PhoneAction::Behave(change) => self.behave(change, actor),
            PhoneAction::Join => self.one_device("phone: { join-device: .. }"),
            PhoneAction::JoinDevice(device) => self.known(device, Kind::Device),
            PhoneAction::Configure(configure) => {
                let Configure { network, ssid, .. } = configure;
                self.network(network.as_ref(), ssid.as_ref())
            }
            PhoneAction::Provision(provision) => {
                let Provision { device, network, ssid, .. } = provision;
                self.known_if_given(device.as_ref(), Kind::Device)?;
                if device.is_none() {
                    self.one_device("`device:` to the details")?;
                }
                self.network(network.as_ref(), ssid.as_ref())
            }
            PhoneAction::Request(request) if !request.path.starts_with('/') => Err(Complaint::at(
                &request.path,
                "a path begins with `/`",
                format!("did you mean `/{}`?", *request.path),
            )),
            PhoneAction::Parallel(parallel) if !parallel.path.starts_with('/') => Err(Complaint::at(
                &parallel.path,
                "a path begins with `/`",
                format!("did you mean `/{}`?", *parallel.path),
            )),
            PhoneAction::Request(Request { refused: true, expect_status: Some(_), .. }) => {
                Err(self
                    .complaint("a connection that is refused brings no answer", "leave out `expect_status`"))
            }
            PhoneAction::GetToken
            | PhoneAction::Browse
            | PhoneAction::HalfOpen(_)
            | PhoneAction::Parallel(_)
            | PhoneAction::Lookup(_)
            | PhoneAction::Leave
            | PhoneAction::BoardInfo
            | PhoneAction::Scan
            | PhoneAction::Request(_)
            | PhoneAction::WaitOnline
            | PhoneAction::Rename(_)
            | PhoneAction::DeleteDevice => Ok(()),
        }
    }

    fn behave(&self, change: &PhoneChange, actor: Option<&Name>) -> Result<(), Complaint> {
        if *change == PhoneChange::default() {
            return Err(
                self.complaint("nothing changes about the phone", "such as `habits: [double-submit]`")
            );
        }
        let phone = self.world.phones.iter().find(|phone| Some(&phone.name.value) == actor);
        let os = change.os.or(phone.map(|phone| phone.os)).unwrap_or_default();
        check_cellular(change.goes_cellular_after.is_some(), os)
            .map_err(|(message, hint)| self.complaint(message, hint))
    }

    fn one_device(&self, way: &str) -> Result<(), Complaint> {
        match self.world.devices.as_slice() {
            [_] => Ok(()),
            several => {
                let message = format!("which device? there are {}", several.len());
                Err(self.complaint(message, &format!("say it: {way}")))
            }
        }
    }

    fn network(&self, network: Option<&At<Name>>, ssid: Option<&Ssid>) -> Result<(), Complaint> {
        match (network, ssid) {
            (Some(network), None) => self.known(network, Kind::Router),
            (None, Some(_)) => Ok(()),
            (Some(network), Some(_)) => Err(Complaint::at(
                network,
                "`network` and `ssid` both say which network",
                "leave out one of the two",
            )),
            (None, None) => Err(self.complaint(
                "which network is the device told?",
                "`network:` with a router's name, or `ssid:` and `password:`",
            )),
        }
    }

    pub(super) fn flash(&self, change: &FlashChange) -> Result<(), Complaint> {
        if *change == FlashChange::default() {
            return Err(self.complaint("nothing changes about the flash", ""));
        }
        let hint = format!("the configuration has {FLASH_LEN} bytes, counted from 0");
        let fits = |at: u32, len: usize| (at as usize).checked_add(len).is_some_and(|end| end <= FLASH_LEN);
        if change.write.as_ref().is_some_and(|write| !fits(write.at, write.bytes.0.len())) {
            return Err(self.complaint("these bytes lie outside the flash", &hint));
        }
        match change.flip {
            Some(flip) if !fits(flip.byte, 1) => {
                Err(self.complaint("this byte lies outside the flash", &hint))
            }
            Some(flip) if flip.bit > 7 => Err(self.complaint("a byte has the bits 0 to 7", "")),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn clock(&self, change: ClockChange) -> Result<(), Complaint> {
        if change == ClockChange::default() {
            return Err(self.complaint("nothing changes about the clock", "such as `drift_ppm: 50`"));
        }
        Ok(())
    }

    pub(super) fn router(&self, change: &RouterChange) -> Result<(), Complaint> {
        if *change == RouterChange::default() {
            return Err(self.complaint("nothing changes about the router", ""));
        }
        if change.deauth_reason.is_some() && !change.deauth {
            return Err(self.complaint("nobody is thrown out for this reason", "add `deauth: true`"));
        }
        Ok(())
    }

    pub(super) fn cloud(&self, change: &CloudChange) -> Result<(), Complaint> {
        if *change == CloudChange::default() {
            return Err(self.complaint("nothing changes about the cloud", ""));
        }
        self.known_if_given(change.delete_device.as_ref(), Kind::Device)?;
        self.known_if_given(change.revoke_token.as_ref(), Kind::Device)?;
        if change.revoke_after.is_some() && change.revoke_token.is_none() {
            return Err(
                self.complaint("`revoke_after` does not say whose token", "add `revoke_token: device`")
            );
        }
        if let Some(write) = &change.write {
            self.known_if_given(write.device.as_ref(), Kind::Device)?;
            if write.device.is_none() {
                self.one_device("`device:` beside `pin:`")?;
            }
        }
        change.redirect_to.as_ref().map_or(Ok(()), |to| check_redirect(to, self.world))
    }

    pub(super) fn link(&self, change: &LinkChange) -> Result<(), Complaint> {
        if *change == LinkChange::default() {
            return Err(self.complaint("nothing changes about the air", ""));
        }
        let named = [&change.heal, &change.release].into_iter().flatten().filter_map(|heal| match heal {
            Heal::Between(between) => Some(between),
            Heal::All => None,
        });
        let apart = [&change.partition, &change.hold].into_iter().flatten();
        apart.chain(named).try_for_each(|between| check_between(between, self.world))
    }

    fn expect(&self, expect: &Expect) -> Result<(), Complaint> {
        match (expect.is_of_device(), expect.is_of_phone()) {
            (false, false) => {
                Err(self.complaint("nothing is expected", "such as `device: running` or `cloud: online`"))
            }
            (true, true) => Err(self.complaint(
                "this expects something of a device and of a phone",
                "write two steps: one can be asked at a time",
            )),
            (true, false) | (false, true) => {
                self.known_if_given(expect.joined.as_ref(), Kind::Router)?;
                self.known_if_given(expect.stored_network.as_ref(), Kind::Router)?;
                self.known_if_given(expect.region.as_ref(), Kind::Cloud)?;
                self.region_with_cloud(expect)?;
                expect.access_point.as_ref().map_or(Ok(()), |point| self.access_point(point))
            }
        }
    }

    fn region_with_cloud(&self, expect: &Expect) -> Result<(), Complaint> {
        match &expect.region {
            Some(region) if expect.cloud.is_none() => {
                Err(Complaint::at(region, "`region` says which cloud sees the device", "add `cloud: online`"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn access_point(&self, point: &At<Name>) -> Result<(), Complaint> {
        let points = self.world.routers.iter().flat_map(|router| &router.access_points);
        let known: Vec<&str> =
            points.filter_map(|point| point.name.as_ref()).map(|name| name.as_str()).collect();
        if known.contains(&point.as_str()) {
            return Ok(());
        }
        Err(Complaint::unknown(point, "access point", &known))
    }
}
