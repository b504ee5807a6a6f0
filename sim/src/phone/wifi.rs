//! The phone's WiFi: finding an access point, joining it, getting an address. Commands the radio and hears it.

use firmware_core::config::{Passphrase, Ssid};
use firmware_core::hal::{JoinFailure, Network, RadioCommand, RadioEvent, Security};
use firmware_core::random::SplitMix64;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::dhcpv4;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address};

use super::Trust;
use super::event::Event;
use super::line::Line;
use crate::actor::soonest;

/// Between two scans while the wanted access point is not there.
const SCAN_PAUSE: Duration = Duration::from_secs(2);
/// Thirteen channels of 120 ms with much to spare.
const SCAN_LIMIT: Duration = Duration::from_secs(10);
/// Association to an open network takes well under a second; Android gives up after about this.
const ASSOCIATION_LIMIT: Duration = Duration::from_secs(10);
/// Android's limit for getting an address.
const ADDRESS_LIMIT: Duration = Duration::from_secs(18);
/// Phones repeat DISCOVER and REQUEST sooner than smoltcp's default of 10 s.
const DHCP_RETRY: Duration = Duration::from_secs(2);
/// The DHCP option with the address of a captive portal (RFC 8910 section 2.1).
pub(super) const OPTION_CAPTIVE_PORTAL: u8 = 114;
/// Mask, router and name server, as smoltcp asks for them, and the portal.
const PARAMETERS_WITH_PORTAL: &[u8] = &[1, 3, 6, OPTION_CAPTIVE_PORTAL];
/// What one scan keeps.
const NETWORKS_MAX: usize = 128;

/// Why the phone is not in the network it was told to join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WifiError {
    NotFound,
    Refused,
    NoAddress,
}

impl WifiError {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::NotFound => "no such access point",
            Self::Refused => "the access point cannot be joined",
            Self::NoAddress => "the access point gives no address",
        }
    }
}

/// Which access point is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    Named(Vec<u8>),
    Prefix(Vec<u8>),
}

/// The WiFi side of a phone.
pub(super) struct Wifi {
    trust: Option<Trust>,
    mac: EthernetAddress,
    traits: WifiTraits,
    /// A new address that the radio does not know yet.
    new_mac: Option<EthernetAddress>,
    random: SplitMix64,
    links: u64,
    state: State,
    goal: Option<Goal>,
    link: Option<Link>,
    failed: Option<WifiError>,
    radio: Vec<RadioCommand>,
}

/// How phones differ in joining.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct WifiTraits {
    /// Joins each time with another MAC address.
    pub(super) random_mac: bool,
    /// Asks DHCP for the address of a captive portal.
    pub(super) asks_for_portal: bool,
}

enum State {
    Off,
    Scanning { found: Vec<Network>, until: Instant },
    Pausing { until: Instant },
    Associating { ssid: Ssid, until: Instant },
    Addressing { until: Instant },
    Up,
}

struct Goal {
    wanted: Wanted,
    give_up_at: Instant,
}

struct Link {
    ssid: Ssid,
    line: Line,
    dhcp: SocketHandle,
    address: Option<Ipv4Address>,
    dns: Option<Ipv4Address>,
}

impl Wifi {
    pub(super) fn new(mac: EthernetAddress, traits: WifiTraits, seed: u64, trust: Option<Trust>) -> Self {
        Self {
            mac,
            traits,
            new_mac: None,
            random: SplitMix64::new(seed),
            links: 0,
            state: State::Off,
            goal: None,
            link: None,
            failed: None,
            radio: Vec::new(),
            trust,
        }
    }

    /// Joins differently from the next time on.
    pub(super) fn set_traits(&mut self, traits: WifiTraits) {
        self.traits = traits;
    }

    /// Begins to look for an access point; a network that is wanted and joined already is kept.
    pub(super) fn join(&mut self, now: Instant, wanted: Wanted, limit: Duration) {
        self.failed = None;
        if self.is_up() && self.ssid().is_some_and(|ssid| wanted.matches(ssid)) {
            return;
        }
        self.leave();
        self.goal = Some(Goal { wanted, give_up_at: now + limit });
        self.scan(now);
    }

    /// Leaves whatever was joined or is being joined, and switches the radio off.
    pub(super) fn leave(&mut self) -> Option<Ssid> {
        let left = self.link.take().map(|link| link.ssid);
        self.goal = None;
        if !matches!(self.state, State::Off) {
            self.radio.push(RadioCommand::Off);
        }
        self.state = State::Off;
        left
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up)
    }

    /// Why the last join did not succeed.
    pub(super) fn failed(&self) -> Option<WifiError> {
        self.failed
    }

    /// The network that the phone is associated with.
    pub(super) fn ssid(&self) -> Option<&Ssid> {
        self.link.as_ref().map(|link| &link.ssid)
    }

    pub(super) fn address(&self) -> Option<Ipv4Address> {
        self.link.as_ref().and_then(|link| link.address)
    }

    pub(super) fn dns(&self) -> Option<Ipv4Address> {
        self.link.as_ref().and_then(|link| link.dns)
    }

    pub(super) fn line(&mut self) -> Option<&mut Line> {
        self.link.as_mut().map(|link| &mut link.line)
    }

    /// The address that the radio has from now on, if it is another one.
    pub(super) fn take_mac(&mut self) -> Option<EthernetAddress> {
        self.new_mac.take()
    }

    /// Commands for the radio, in order.
    pub(super) fn take_commands(&mut self) -> impl Iterator<Item = RadioCommand> + '_ {
        self.radio.drain(..)
    }

    pub(super) fn handle_radio(&mut self, now: Instant, event: RadioEvent, events: &mut Vec<Event>) {
        match event {
            RadioEvent::ScanResult(network) => {
                if let State::Scanning { found, .. } = &mut self.state
                    && found.len() < NETWORKS_MAX
                {
                    found.push(network);
                }
            }
            RadioEvent::ScanDone(_) => self.on_scan_done(now, events),
            RadioEvent::Joined => self.on_associated(now),
            RadioEvent::JoinFailed(reason) => self.on_join_failed(now, reason, events),
            RadioEvent::Disconnected(reason) => self.on_disconnected(now, reason, events),
            // A phone opens no access point of its own.
            RadioEvent::ApStarted | RadioEvent::StationJoined(_) | RadioEvent::StationLeft(_) => {}
        }
    }

    /// Processes what arrived and does what is due; says whether anything was due.
    pub(super) fn poll(&mut self, now: Instant, events: &mut Vec<Event>) -> bool {
        if let Some(link) = &mut self.link {
            link.line.poll_ingress(now);
            self.poll_address(events);
        }
        self.poll_timers(now, events)
    }

    /// Sends what is due; says whether anything was.
    pub(super) fn poll_egress(&mut self, now: Instant) -> bool {
        self.link.as_mut().is_some_and(|link| link.line.poll_egress(now))
    }

    pub(super) fn next_wake(&mut self, now: Instant) -> Option<Instant> {
        let link = self.link.as_mut().and_then(|link| link.line.poll_at(now));
        let timer = match &self.state {
            State::Off | State::Up => return link,
            State::Scanning { until, .. } | State::Pausing { until } | State::Associating { until, .. } => {
                soonest(Some(*until), self.goal.as_ref().map(|goal| goal.give_up_at))
            }
            State::Addressing { until } => Some(*until),
        };
        soonest(link, timer)
    }

    fn scan(&mut self, now: Instant) {
        self.radio.push(RadioCommand::Scan { probe: None });
        self.state = State::Scanning { found: Vec::new(), until: now + SCAN_LIMIT };
    }

    fn on_scan_done(&mut self, now: Instant, events: &mut Vec<Event>) {
        let (State::Scanning { found, .. }, Some(goal)) = (&mut self.state, &self.goal) else { return };
        let found = core::mem::take(found);
        events.push(Event::ScanHeard(found.len()));
        match goal.wanted.choose(&found) {
            Some(network) => {
                self.radio.push(RadioCommand::Join {
                    ssid: network.ssid.clone(),
                    passphrase: Passphrase::default(),
                    bssid: network.bssid,
                    channel: network.channel,
                });
                let ssid = network.ssid.clone();
                self.state = State::Associating { ssid, until: now + ASSOCIATION_LIMIT };
                if self.traits.random_mac {
                    self.randomize_mac();
                }
            }
            None => self.state = State::Pausing { until: now + SCAN_PAUSE },
        }
    }

    /// Locally administered and of one station, as Android and iOS make them up.
    fn randomize_mac(&mut self) {
        let [_, _, a, b, c, d, e, f] = self.random.next_u64().to_be_bytes();
        self.mac = EthernetAddress([(a & 0xFC) | 0x02, b, c, d, e, f]);
        self.new_mac = Some(self.mac);
    }

    fn on_associated(&mut self, now: Instant) {
        let State::Associating { ssid, .. } = &mut self.state else { return };
        let ssid = core::mem::take(ssid);
        self.links += 1;
        let mut line = Line::new(self.links, self.mac, self.random.next_u64(), now, self.trust.clone());
        let mut client = dhcpv4::Socket::new();
        let mut retry = client.get_retry_config();
        retry.discover_timeout = DHCP_RETRY;
        retry.initial_request_timeout = DHCP_RETRY;
        client.set_retry_config(retry);
        if self.traits.asks_for_portal {
            client.set_parameter_request_list(PARAMETERS_WITH_PORTAL);
        }
        let dhcp = line.stack().sockets.add(client);
        self.link = Some(Link { ssid, line, dhcp, address: None, dns: None });
        self.state = State::Addressing { until: now + ADDRESS_LIMIT };
    }

    fn on_join_failed(&mut self, now: Instant, reason: JoinFailure, events: &mut Vec<Event>) {
        if !matches!(self.state, State::Associating { .. }) {
            return;
        }
        match reason {
            // The phone knows no secret, so that trying again would not help.
            JoinFailure::Handshake | JoinFailure::Security => self.fail(WifiError::Refused),
            JoinFailure::NotFound | JoinFailure::Refused | JoinFailure::Timeout => {
                events.push(Event::JoinRetried);
                self.state = State::Pausing { until: now + SCAN_PAUSE };
            }
        }
    }

    fn on_disconnected(&mut self, now: Instant, reason: u16, events: &mut Vec<Event>) {
        let Some(link) = self.link.take() else { return };
        events.push(Event::AccessPointLost(link.ssid.to_string(), reason));
        self.state = match self.goal {
            Some(_) => State::Pausing { until: now + SCAN_PAUSE },
            None => State::Off,
        };
    }

    fn poll_address(&mut self, events: &mut Vec<Event>) {
        let Some(link) = &mut self.link else { return };
        let client = link.line.stack().sockets.get_mut::<dhcpv4::Socket>(link.dhcp);
        let (address, router, dns) = match client.poll() {
            None => return,
            Some(dhcpv4::Event::Deconfigured) => (None, None, None),
            Some(dhcpv4::Event::Configured(config)) => {
                (Some(config.address), config.router, config.dns_servers.first().copied())
            }
        };
        link.line.stack().set_address(address, router);
        link.address = address.map(|cidr| cidr.address());
        link.dns = dns;
        if let Some(address) = link.address {
            events.push(Event::Address(address));
            if matches!(self.state, State::Addressing { .. }) {
                events.push(Event::Joined(link.ssid.to_string()));
                self.state = State::Up;
                self.goal = None;
            }
        }
    }

    fn poll_timers(&mut self, now: Instant, events: &mut Vec<Event>) -> bool {
        let due = match &self.state {
            State::Off | State::Up => return false,
            State::Scanning { until, .. }
            | State::Pausing { until }
            | State::Associating { until, .. }
            | State::Addressing { until } => *until <= now,
        };
        let is_late = self.goal.as_ref().is_some_and(|goal| goal.give_up_at <= now);
        match &self.state {
            State::Addressing { .. } if due => self.fail(WifiError::NoAddress),
            State::Off | State::Up | State::Addressing { .. } => return false,
            State::Scanning { .. } | State::Pausing { .. } if is_late => self.fail(WifiError::NotFound),
            State::Associating { .. } if is_late => self.fail(WifiError::Refused),
            State::Pausing { .. } if due => self.scan(now),
            State::Scanning { .. } | State::Associating { .. } if due => {
                events.push(Event::JoinRetried);
                self.state = State::Pausing { until: now + SCAN_PAUSE };
            }
            State::Scanning { .. } | State::Pausing { .. } | State::Associating { .. } => return false,
        }
        true
    }

    fn fail(&mut self, why: WifiError) {
        self.leave();
        self.failed = Some(why);
    }
}

impl Wanted {
    fn matches(&self, ssid: &Ssid) -> bool {
        match self {
            Self::Named(name) => ssid.as_bytes() == name,
            Self::Prefix(prefix) => ssid.as_bytes().starts_with(prefix),
        }
    }

    /// The strongest access point that fits; of equals the one with the lower address. Edgent's are open.
    fn choose<'a>(&self, found: &'a [Network]) -> Option<&'a Network> {
        found
            .iter()
            .filter(|network| network.security == Security::Open && self.matches(&network.ssid))
            .max_by_key(|network| (network.rssi, core::cmp::Reverse(network.bssid)))
    }
}
