//! Builds the world that a scenario describes. Addresses follow from the order in the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use firmware_core::config::{Config, Passphrase, Ssid};
use firmware_core::portal::name::ap_ssid;
use firmware_core::product::Product;
use firmware_core::store::{Loaded, Store};
use hil_link::cut_flash::{ArrayFlash, FlashState};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};

use super::Harness;
use super::invariants::{self, Broken, Guard};
use crate::cloud::{self, Behaviour, Cloud, CloudConfig, DeviceId, Directory, OldToken, Template};
use crate::executor::FLASH_LEN;
use crate::phone::{self, Model, Phone, PhoneConfig, Secret};
use crate::router::{self, Router, RouterConfig};
use crate::scenario::{
    self, Between, DhcpMode, DnsMode, FlashChange, Habit, Handshake, LoginAnswer, NtpMode, Permille, PhoneOs,
    Scenario, Subnet, TlsKind,
};
use crate::secrets::Secrets;
use crate::target::Target;
use crate::tls::{Authority, ServerIdentity};
use crate::world::{AccessPoint, Clock, DeviceNode, LinkFaults, NodeId, World};

/// The first byte of every address that we make up: locally administered.
const LOCAL: u8 = 0x02;
/// The account that phones share which name none.
const ACCOUNT: &str = "user@example.com";
/// Every simulated account's password; it never leaves the simulation.
const ACCOUNT_PASSWORD: &str = "only simulated";
/// Virtual time 0 is 2026-01-01 00:00:00 UTC.
const UNIX_TIME_S: i64 = 1_767_225_600;
/// Where the internet has its time server.
const TIME_SERVER: Ipv4Address = Ipv4Address::new(198, 19, 123, 1);
/// A slow phone sends this many bytes a second: a request takes some seconds, less than the portal's limit.
const SLOW_BYTES_PER_SECOND: u32 = 64;
/// Stations that a home router takes.
const ROUTER_STATIONS_MAX: usize = 64;

/// A world with the names of its scenario.
pub(super) struct Stage {
    pub(super) world: World,
    nodes: BTreeMap<String, NodeId>,
    /// The access points of each router, by the router's number.
    pub(super) access_points: Vec<Vec<(EthernetAddress, AccessPoint)>>,
    /// The same as the scenario's world says.
    pub(super) first_access_points: Vec<Vec<(EthernetAddress, AccessPoint)>>,
    /// The names under which a cloud can be reached.
    pub(super) hosts: Vec<String>,
    /// The names of single access points.
    pub(super) access_point_names: BTreeMap<String, EthernetAddress>,
    /// The cloud's number of each device, by the last token that its flash held.
    cloud_ids: Vec<Option<DeviceId>>,
    /// What must always be so of each device's flash.
    pub(super) guards: Vec<Guard>,
    /// The networks that somebody tells a device; `None` when that is not known from the scenario.
    pub(super) sent: Option<Vec<(Ssid, Passphrase)>>,
    /// What each device's flash held, and how much had been done to it then.
    stored: Vec<Option<(Wear, Loaded)>>,
    /// A copy of some device's flash, to boot a store from it.
    flash: Box<ArrayFlash<FLASH_LEN>>,
    /// What each device's flash holds that was changed from outside, until somebody asks.
    pub(super) changed_outside: Vec<Option<Loaded>>,
    /// Whether each device's flash told a secret, and how much had been done to it then.
    pub(super) told: Vec<Option<(Wear, bool)>>,
    /// Whether a check that fails says why.
    pub(super) tells_why: bool,
    /// What must not appear in anything the run says.
    pub(super) secrets: Vec<String>,
    /// Those of them that are no text, as flash would hold them.
    pub(super) raw_secrets: Vec<Vec<u8>>,
    /// Signs the clouds' certificates where TLS is real.
    authority: Option<Arc<Authority>>,
    /// What time it is when it begins, in seconds since 1970.
    unix_time_s: i64,
}

impl Stage {
    /// The world of a scenario, which begins when all stories begin.
    ///
    /// # Errors
    /// When a device cannot be had: says why.
    pub(super) fn build(
        target: &dyn Target,
        scenario: &Scenario,
        harness: &Harness,
        seed: u64,
    ) -> Result<Self, String> {
        Self::build_at(target, scenario, harness, seed, UNIX_TIME_S)
    }

    /// The same, beginning at this time in seconds since 1970.
    ///
    /// # Errors
    /// When a device cannot be had: says why.
    pub(super) fn build_at(
        target: &dyn Target,
        scenario: &Scenario,
        harness: &Harness,
        seed: u64,
        unix_time_s: i64,
    ) -> Result<Self, String> {
        let product = scenario.product.apply(&harness.product).unwrap_or(harness.product);
        let (secrets, raw_secrets) = Secrets::of(scenario).into_parts();
        let mut stage = Self {
            world: World::new(seed),
            nodes: BTreeMap::new(),
            access_points: Vec::new(),
            first_access_points: Vec::new(),
            hosts: Vec::new(),
            access_point_names: BTreeMap::new(),
            cloud_ids: vec![None; scenario.world.devices.len()],
            guards: vec![Guard::default(); scenario.world.devices.len()],
            sent: invariants::sent(scenario),
            stored: vec![None; scenario.world.devices.len()],
            changed_outside: vec![None; scenario.world.devices.len()],
            told: vec![None; scenario.world.devices.len()],
            flash: Box::default(),
            tells_why: true,
            secrets,
            raw_secrets,
            authority: None,
            unix_time_s,
        };
        if scenario.world.tls == TlsKind::Real {
            let seed = stage.world.seed_of("authority");
            stage.authority = Some(Arc::new(Authority::new(seed, unix_time_s)));
        }
        stage.add_devices(target, scenario, harness, product)?;
        stage.add_phones(scenario, &product);
        stage.add_routers(scenario, &product);
        stage.add_clouds(scenario, &product);
        let link = &scenario.world.link;
        stage.world.set_link_faults(link_faults(link));
        if let Some(between) = &link.partition {
            stage.partition(between);
        }
        Ok(stage)
    }

    /// The actor with this name.
    pub(super) fn node(&self, name: &str) -> Option<NodeId> {
        self.nodes.get(name).copied()
    }

    /// From whom to whom frames are meant; the scenario's check has found that all are there.
    pub(super) fn directions(&self, between: &Between) -> Vec<(NodeId, NodeId)> {
        let nodes = between.directions().map(|names| names.map(|name| self.node(name.as_str())));
        nodes.filter_map(|[from, to]| Some((from?, to?))).collect()
    }

    /// Lets no frame pass any more where the scenario says.
    pub(super) fn partition(&mut self, between: &Between) {
        for (from, to) in self.directions(between) {
            self.world.partition(from, to);
        }
    }

    /// What a device's flash holds, as its next boot would see it.
    pub(super) fn stored(&mut self, device: usize) -> Option<&Loaded> {
        let executor = &mut self.world.devices.get_mut(device)?.executor;
        let kept = self.stored.get_mut(device)?;
        let wear = wear(executor.flash_state());
        if kept.as_ref().is_none_or(|(known, _)| *known != wear) {
            // A device that cannot be reached ends the run at its next turn, and says why.
            self.flash.bytes_mut().copy_from_slice(&executor.flash().ok()?);
            *kept = Some((wear, Store::new().load(&mut *self.flash).unwrap_or_default()));
        }
        kept.as_ref().map(|(_, loaded)| loaded)
    }

    /// Takes note that a device's flash has been changed from outside: what was known of it no longer holds.
    pub(super) fn note_outside_change(&mut self, device: usize, change: &FlashChange) {
        self.stored.get_mut(device).into_iter().for_each(|stored| *stored = None);
        self.told.get_mut(device).into_iter().for_each(|told| *told = None);
        self.guards.get_mut(device).into_iter().for_each(|guard| guard.note_outside_change(change));
        let holds = self.stored(device).cloned();
        self.changed_outside.get_mut(device).into_iter().for_each(|changed| *changed = holds.clone());
    }

    /// The configuration that a device's flash holds: the trial, else the valid one.
    pub(super) fn stored_config(&mut self, device: usize) -> Option<&Config> {
        let loaded = self.stored(device)?;
        loaded.trial.as_ref().map(|trial| &trial.config).or(loaded.valid.as_ref())
    }

    /// Looks at what the devices have done to their flash: it must be allowed, and it says who a device is in the
    /// cloud, which has to be remembered because a reset and a rejected trial destroy the token.
    ///
    /// # Errors
    /// When an invariant is broken.
    pub(super) fn note_flash(&mut self) -> Result<(), Broken> {
        while let Some(index) = self.world.devices.iter_mut().position(DeviceNode::has_changed_flash) {
            self.note_token(index);
            self.check_flash_change(index)?;
        }
        Ok(())
    }

    fn note_token(&mut self, index: usize) {
        let now = self.world.now();
        let Some(token) = self.stored_config(index).map(|config| config.token.clone()) else { return };
        let Ok(token) = std::str::from_utf8(token.expose()) else { return };
        let directory = self.world.clouds.first().map(|cloud| cloud.service().directory().borrow());
        let found = directory.and_then(|directory| directory.find(now, token).map(cloud::Device::id));
        if let Some(known) = self.cloud_ids.get_mut(index)
            && found.is_some()
        {
            *known = found;
        }
    }

    /// The cloud's number for a device: that of the last token it had which the cloud knows.
    pub(super) fn cloud_id(&self, index: usize) -> Option<DeviceId> {
        self.cloud_ids.get(index).copied().flatten()
    }

    fn add_devices(
        &mut self,
        target: &dyn Target,
        scenario: &Scenario,
        harness: &Harness,
        product: Product,
    ) -> Result<(), String> {
        let uptime = scenario.uptime.unwrap_or(Duration::ZERO);
        for (index, device) in scenario.world.devices.iter().enumerate() {
            let name = device.name.as_str();
            let mut executor =
                target.device(harness).map_err(|error| format!("`{name}` does not start: {error}"))?;
            let seed = self.world.seed_of(&format!("{name} flash"));
            executor.flash_state().noise_seed = seed;
            if let Some(authority) = &self.authority {
                executor.set_trust(authority.certificate());
            }
            let node = DeviceNode::new(executor, product, device.mac_or_default(index), uptime)
                .with_clock(Clock::new(device.drift_ppm.map_or(0, |drift| drift.0)));
            let node = self.world.add_device(name, node);
            self.nodes.insert(name.to_owned(), node);
        }
        Ok(())
    }

    fn add_phones(&mut self, scenario: &Scenario, product: &Product) {
        let (host, address) = first_cloud(scenario);
        for (index, phone) in scenario.world.phones.iter().enumerate() {
            let name = phone.name.as_str();
            let (wifi_mac, cellular_mac) = (made_up_mac(0xF0, index), made_up_mac(0xF1, index));
            let config = PhoneConfig {
                name: name.to_owned(),
                wifi_mac,
                cellular_mac,
                cellular_address: Ipv4Address::new(198, 18, 1, octet(index)),
                cloud: (host.clone(), address),
                account: phone::Account {
                    email: phone.account.clone().unwrap_or_else(|| ACCOUNT.to_owned()),
                    password: Secret::new(ACCOUNT_PASSWORD),
                },
                templates: vec![product.template_id().to_owned()],
                ap_prefix: format!("{} ", product.vendor()),
                model: phone_model(phone.os),
                behaviour: behaviour(phone),
                trust: self.authority.as_ref().map(|authority| phone::Trust {
                    authority: authority.certificate().into(),
                    unix_time_s: self.unix_time_s.unsigned_abs(),
                }),
            };
            let phone = Phone::new(config, self.world.seed_of(name), Instant::ZERO);
            let node = self.world.add_phone(name, phone, wifi_mac, cellular_mac);
            self.nodes.insert(name.to_owned(), node);
        }
        self.secrets.push(ACCOUNT_PASSWORD.to_owned());
    }

    fn add_routers(&mut self, scenario: &Scenario, product: &Product) {
        let mut zone: BTreeMap<String, Ipv4Address> = scenario
            .world
            .clouds
            .iter()
            .enumerate()
            .flat_map(|(index, cloud)| {
                cloud.hosts.iter().map(move |host| (host.as_str().to_owned(), cloud_address(index)))
            })
            .collect();
        let time_server = product.time_server().parse().unwrap_or(TIME_SERVER);
        zone.entry(product.time_server().to_ascii_lowercase()).or_insert(time_server);
        for (index, router) in scenario.world.routers.iter().enumerate() {
            let name = router.name.as_str();
            let uplink_mac = made_up_mac(0xB1, index);
            let Dhcp { mode, lease, pool } = dhcp_mode(router.dhcp);
            let config = RouterConfig {
                name: name.to_owned(),
                lan_mac: made_up_mac(0xB0, index),
                uplink_mac,
                lan: lan_of(router.subnet),
                uplink: Ipv4Address::new(198, 18, 0, octet(index)),
                zone: zone.clone(),
                dhcp: mode,
                dns: dns_mode(router.dns),
                lease: lease.unwrap_or(router::LEASE_DEFAULT),
            };
            let mut actor = Router::new(config).with_time(time_server, self.unix_time_s);
            actor.set_pool(pool);
            actor.set_ntp(ntp_mode(router.ntp));
            actor.set_power(router.powered);
            let node = self.world.add_router(name, actor, uplink_mac);
            self.nodes.insert(name.to_owned(), node);
            self.add_access_points(node, index, router);
        }
    }

    fn add_access_points(&mut self, owner: NodeId, index: usize, router: &scenario::Router) {
        let passphrase = router.password.as_ref().map_or(&[][..], |password| password.expose());
        let mut access_points = Vec::new();
        for (number, radio) in router.radios().into_iter().enumerate() {
            let bssid = EthernetAddress([LOCAL, 0xA0, 0, octet(index), 0, octet(number)]);
            let access_point = AccessPoint {
                owner,
                ssid: ssid(&router.ssid),
                passphrase: passphrase_of(passphrase),
                security: router.security(),
                hidden: router.hidden,
                channel: radio.channel.0,
                rssi: radio.rssi.0,
                capacity: ROUTER_STATIONS_MAX,
                join_delay: Duration::ZERO,
            };
            let spoken = radio.name.as_ref().map_or(router.name.as_str(), |name| name.as_str());
            self.world.trace.set_address_name(bssid, spoken);
            if let Some(name) = &radio.name {
                self.access_point_names.insert(name.as_str().to_owned(), bssid);
            }
            if router.powered {
                self.world.add_access_point(bssid, access_point.clone());
            }
            access_points.push((bssid, access_point));
        }
        self.first_access_points.push(access_points.clone());
        self.access_points.push(access_points);
    }

    fn add_clouds(&mut self, scenario: &Scenario, product: &Product) {
        let mut emails = vec![ACCOUNT.to_owned()];
        for email in scenario.world.phones.iter().filter_map(|phone| phone.account.clone()) {
            if !emails.contains(&email) {
                emails.push(email);
            }
        }
        let password = || ACCOUNT_PASSWORD.to_owned();
        let accounts =
            emails.into_iter().map(|email| cloud::Account { email, password: password() }).collect();
        let template =
            Template { id: product.template_id().to_owned(), name: product.template_name().to_owned() };
        let seed = self.world.seed_of("directory");
        let directory = Directory::new(accounts, vec![template], OldToken::GoodUntilNewIsUsed, seed).shared();
        for (index, described) in scenario.world.clouds.iter().enumerate() {
            let name = described.name.as_str();
            let mac = made_up_mac(0xC1, index);
            self.hosts.extend(described.hosts.iter().map(|host| host.as_str().to_owned()));
            let config = CloudConfig {
                name: name.to_owned(),
                mac,
                address: cloud_address(index),
                hosts: described.hosts.iter().map(|host| host.as_str().to_owned()).collect(),
                certificate: described.certificate.into(),
                behaviour: Behaviour::DOCUMENTED,
                unix_time_s: self.unix_time_s,
            };
            let mut actor = Cloud::new(config, directory.clone(), self.world.seed_of(name), Instant::ZERO);
            actor.set_power(described.powered);
            if let Some(authority) = &self.authority {
                let seed = self.world.seed_of(&format!("{name} tls"));
                let hosts = actor.hosts().to_vec();
                actor = actor.with_tls(ServerIdentity::new(authority.clone(), hosts, seed));
            }
            actor.service_mut().set_login_answer(login_answer(described.login));
            actor.service_mut().set_handshake(handshake_of(described.handshake));
            let redirect = described.redirect_to.as_ref();
            actor.service_mut().set_redirect(redirect.map(|to| (to.host.as_str().to_owned(), to.port)));
            let node = self.world.add_cloud(name, actor, mac);
            self.nodes.insert(name.to_owned(), node);
        }
    }

    /// The name of a device's access point.
    pub(super) fn ap_name(&self, device: usize) -> Option<String> {
        let device = self.world.devices.get(device)?;
        String::from_utf8(ap_ssid(device.product(), device.mac()).as_bytes().to_vec()).ok()
    }
}

pub(super) fn phone_model(os: PhoneOs) -> Model {
    match os {
        PhoneOs::App => Model::App,
        PhoneOs::Ios => Model::Ios,
        PhoneOs::Android => Model::Android,
        PhoneOs::Android11 => Model::Android11,
        PhoneOs::Windows => Model::Windows,
    }
}

/// How a phone misbehaves as the scenario's world says.
pub(super) fn behaviour(phone: &scenario::PhoneDevice) -> phone::Behaviour {
    phone::Behaviour {
        leaves_ap_after: phone.leaves_ap_after,
        goes_cellular_after: phone.goes_cellular_after,
        ..with_habits(&phone.habits)
    }
}

/// A phone that has these habits and does nothing else that a clean client does not.
pub(super) fn with_habits(habits: &[Habit]) -> phone::Behaviour {
    let has = |habit| habits.contains(&habit);
    let bytes_per_second = habits.iter().find_map(|habit| match habit {
        Habit::SlowSender => Some(SLOW_BYTES_PER_SECOND),
        Habit::Drip(rate) => Some(rate.0),
        Habit::DoubleSubmit | Habit::CloseBeforeReply | Habit::ParallelFetch | Habit::RandomMac => None,
    });
    phone::Behaviour {
        double_submit: has(Habit::DoubleSubmit),
        close_before_reply: has(Habit::CloseBeforeReply),
        bytes_per_second,
        parallel_board_info: has(Habit::ParallelFetch),
        random_mac: has(Habit::RandomMac),
        ..phone::Behaviour::GOOD
    }
}

/// Bytes done in full, programs begun and erases begun: whatever changes a flash changes one of them.
pub(super) type Wear = [u64; 3];

pub(super) fn wear(state: &FlashState) -> Wear {
    [state.steps, state.programs, state.erases.iter().copied().map(u64::from).sum()]
}

/// What the air does to frames as the scenario's world says.
pub(super) fn link_faults(link: &scenario::Link) -> LinkFaults {
    LinkFaults {
        loss_permille: permille(link.loss_permille),
        corrupt_permille: permille(link.corrupt_permille),
        reorder_permille: permille(link.reorder_permille),
        duplicate_permille: permille(link.duplicate_permille),
        extra_latency: link.latency.unwrap_or(Duration::ZERO),
        jitter: link.jitter.unwrap_or(Duration::ZERO),
        mtu: link.mtu.map(|mtu| mtu.0),
    }
}

fn permille(written: Option<Permille>) -> u16 {
    written.map_or(0, |permille| permille.0)
}

/// The host that the app knows, and where it is.
fn first_cloud(scenario: &Scenario) -> (String, Ipv4Address) {
    let host = scenario.world.clouds.first().and_then(|cloud| cloud.hosts.first());
    let host = host.map_or(firmware_core::config::DEFAULT_HOST, |host| host.as_str());
    (host.to_owned(), cloud_address(0))
}

fn cloud_address(index: usize) -> Ipv4Address {
    Ipv4Address::new(198, 19, 0, octet(index))
}

fn made_up_mac(kind: u8, index: usize) -> EthernetAddress {
    EthernetAddress([LOCAL, kind, 0, 0, 0, octet(index)])
}

/// 1 for the first. More than 254 of a kind do not fit, and no story needs them.
fn octet(index: usize) -> u8 {
    u8::try_from(index + 1).unwrap_or(u8::MAX - 1)
}

/// A name that the scenario's check has found to be 1 to 32 bytes.
pub(super) fn ssid(name: &scenario::Ssid) -> Ssid {
    Ssid::new(name.as_bytes()).unwrap_or_default()
}

/// A router's secret. One that is too long for a router is a network that nobody can join.
pub(super) fn passphrase_of(secret: &[u8]) -> Passphrase {
    Passphrase::new(secret).unwrap_or_default()
}

/// What a DHCP server is set to.
pub(super) struct Dhcp {
    pub(super) mode: router::DhcpMode,
    pub(super) lease: Option<Duration>,
    pub(super) pool: Option<u8>,
}

/// A network with its router's own address.
pub(super) fn lan_of(subnet: Subnet) -> Ipv4Cidr {
    Ipv4Cidr::new(subnet.router(), subnet.prefix)
}

pub(super) fn dhcp_mode(mode: DhcpMode) -> Dhcp {
    let plain = |mode| Dhcp { mode, lease: None, pool: None };
    match mode {
        DhcpMode::Normal => plain(router::DhcpMode::Normal),
        DhcpMode::Silent => plain(router::DhcpMode::Silent),
        DhcpMode::Nak => plain(router::DhcpMode::Nak),
        DhcpMode::Exhausted => plain(router::DhcpMode::Exhausted),
        DhcpMode::InUse => plain(router::DhcpMode::InUse),
        DhcpMode::Lease(lease) => Dhcp { lease: Some(lease), ..plain(router::DhcpMode::Normal) },
        DhcpMode::Pool(size) => Dhcp { pool: Some(size.0), ..plain(router::DhcpMode::Normal) },
    }
}

pub(super) fn ntp_mode(mode: NtpMode) -> router::NtpMode {
    // No duration that can be written has more seconds than that.
    let seconds = |time: Duration| i64::try_from(time.secs()).unwrap_or(i64::MAX);
    match mode {
        NtpMode::Normal => router::NtpMode::Normal,
        NtpMode::Silent => router::NtpMode::Silent,
        NtpMode::Kiss => router::NtpMode::Kiss,
        NtpMode::Ahead(time) => router::NtpMode::Off(seconds(time)),
        NtpMode::Behind(time) => router::NtpMode::Off(-seconds(time)),
    }
}

pub(super) fn dns_mode(mode: DnsMode) -> router::DnsMode {
    match mode {
        DnsMode::Normal => router::DnsMode::Normal,
        DnsMode::Silent => router::DnsMode::Silent,
        DnsMode::Nxdomain => router::DnsMode::NxDomain,
        DnsMode::Servfail => router::DnsMode::ServFail,
        DnsMode::Truncated => router::DnsMode::Truncated,
        DnsMode::Captive => router::DnsMode::Captive,
    }
}

pub(super) fn handshake_of(handshake: Handshake) -> cloud::Handshake {
    match handshake {
        Handshake::Normal => cloud::Handshake::Normal,
        Handshake::Silent => cloud::Handshake::Silent,
        Handshake::Cut => cloud::Handshake::Cut,
    }
}

pub(super) fn login_answer(answer: LoginAnswer) -> cloud::LoginAnswer {
    match answer {
        LoginAnswer::Normal => cloud::LoginAnswer::Normal,
        LoginAnswer::Silent => cloud::LoginAnswer::Silent,
        LoginAnswer::Status(status) => cloud::LoginAnswer::Status(status),
    }
}
