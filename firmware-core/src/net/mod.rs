//! The smoltcp interface and its sockets, one role at a time: access point or station.
//!
//! All sockets live from boot to reboot and serve both roles; a role switch makes a new interface and
//! re-opens them. The one exception is smoltcp's DHCP client, which has no "off": it stands in the set only
//! while the device is a station without a fixed address. This room decides nothing about provisioning.

mod clock;
mod portal_server;
mod static_buffers;
mod uplink;

use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::phy;
use smoltcp::socket::{Socket, dhcpv4, tcp, udp};
use smoltcp::wire::{DhcpOption, EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};

use crate::config::StaticIp;
use crate::portal::config_request::is_usable;
use crate::portal::{AP_IP, AP_PREFIX_LEN, dhcp, dns};
use crate::{Duration, Instant};
pub use portal_server::{Asked, PortalEvent, PortalServer};
pub use static_buffers::{StaticBuffers, StaticSockets};
pub use uplink::{Uplink, UplinkEvent};

/// Phones served at once, and one socket more so that the next one is not refused. The last of them
/// carries the cloud connection in the station's role.
pub const TCP_SOCKETS: usize = 5;
/// The DHCP server's or resolver's, and the name server's.
pub const UDP_SOCKETS: usize = 2;
/// With the DHCP client.
pub const SOCKETS_MAX: usize = TCP_SOCKETS + UDP_SOCKETS + 1;
/// Each way of each TCP socket, in bytes. A whole request must fit (see `portal::http`).
pub const TCP_BUFFER_LEN: usize = crate::portal::http::REQUEST_LEN_MAX;
/// Each way of each UDP socket, in bytes: two DHCP messages of the 576 bytes every host must take (RFC 2131).
pub const UDP_BUFFER_LEN: usize = 1_280;
/// Datagrams each way of each UDP socket.
pub const UDP_PACKETS: usize = 6;

/// The option that tells a DHCP server the host's name (RFC 2132 section 3.14).
const DHCP_OPTION_HOST_NAME: u8 = 12;
/// First of the ports that RFC 6335 leaves to clients.
const EPHEMERAL_FIRST: u16 = 49_152;
/// A DISCOVER or REQUEST without an answer is repeated after this.
const DHCP_RETRY: Duration = Duration::from_secs(3);
/// REQUESTs for one offer; then another one is looked for. Who has no address yet takes a refusal for no answer: RFC 2131
/// section 3.1 begins anew at once, so that a server which offers and refuses is asked 250 times a second.
const DHCP_REQUESTS: u16 = 2;

/// The memory of all sockets: vectors on a host, one static cell on a board.
pub struct Buffers {
    /// An empty set with room for [`SOCKETS_MAX`] sockets.
    pub sockets: SocketSet<'static>,
    /// Receive and send buffer of each TCP socket, [`TCP_BUFFER_LEN`] bytes each.
    pub tcp: [(tcp::SocketBuffer<'static>, tcp::SocketBuffer<'static>); TCP_SOCKETS],
    /// Receive and send buffer of each UDP socket, [`UDP_BUFFER_LEN`] bytes and [`UDP_PACKETS`] packets each.
    pub udp: [(udp::PacketBuffer<'static>, udp::PacketBuffer<'static>); UDP_SOCKETS],
    /// What the DHCP client tells besides its address: one [`host_name_option`].
    pub dhcp_options: &'static [DhcpOption<'static>],
}

/// The DHCP option for [`Buffers::dhcp_options`]; `name` comes from `portal::name::hostname`.
pub const fn host_name_option(name: &'static [u8]) -> DhcpOption<'static> {
    DhcpOption { kind: DHCP_OPTION_HOST_NAME, data: name }
}

/// Interface and sockets of whichever role the device has.
pub struct Net {
    mac: EthernetAddress,
    ap_mac: EthernetAddress,
    iface: Option<Interface>,
    sockets: SocketSet<'static>,
    tcp: [SocketHandle; TCP_SOCKETS],
    udp: [SocketHandle; UDP_SOCKETS],
    dhcp: Dhcp,
    dns_servers: [Ipv4Address; 2],
    next_port: u16,
}

/// Where the DHCP client is.
#[expect(clippy::large_enum_variant, reason = "there is no heap to put it on, and there is one of it")]
enum Dhcp {
    Aside(dhcpv4::Socket<'static>),
    InSet(SocketHandle),
    /// Only while it is moved.
    Moving,
}

/// What happened to the station's address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressEvent {
    /// It is there.
    Set(Ipv4Address),
    /// It is gone.
    Lost,
}

impl Net {
    /// Sockets in their buffers, no interface. `seed` chooses the first client port.
    pub fn new(buffers: Buffers, mac: EthernetAddress, ap_mac: EthernetAddress, seed: u64) -> Self {
        let Buffers { mut sockets, tcp, udp, dhcp_options } = buffers;
        let tcp = tcp.map(|(receive, send)| {
            let mut socket = tcp::Socket::new(receive, send);
            // Acknowledging at once keeps a lost reply from costing a phone 10 ms more each time.
            socket.set_ack_delay(None);
            sockets.add(socket)
        });
        let udp = udp.map(|(receive, send)| sockets.add(udp::Socket::new(receive, send)));
        let mut dhcp = dhcpv4::Socket::new();
        dhcp.set_outgoing_options(dhcp_options);
        let mut retry = dhcp.get_retry_config();
        retry.discover_timeout = DHCP_RETRY;
        retry.initial_request_timeout = DHCP_RETRY;
        retry.request_retries = DHCP_REQUESTS;
        dhcp.set_retry_config(retry);
        let spread = u16::try_from(seed % 16_000).unwrap_or(0);
        Self {
            mac,
            ap_mac,
            iface: None,
            sockets,
            tcp,
            udp,
            dhcp: Dhcp::Aside(dhcp),
            dns_servers: [Ipv4Address::UNSPECIFIED; 2],
            next_port: EPHEMERAL_FIRST.saturating_add(spread),
        }
    }

    /// Becomes the access point's side: 192.168.4.1/24.
    pub fn open_ap(&mut self, now: Instant, phy: &mut impl phy::Device, seed: u64) {
        self.close();
        let mut iface = new_interface(now, phy, self.ap_mac, seed);
        set_address(&mut iface, Some(Ipv4Cidr::new(AP_IP, AP_PREFIX_LEN)), None);
        self.iface = Some(iface);
        let [first, second] = self.udp;
        // The sockets have just been closed and the ports are not 0, so that binding succeeds.
        let _ = self.udp_mut(first).bind(dhcp::SERVER_PORT);
        let _ = self.udp_mut(second).bind(dns::PORT);
    }

    /// Becomes a station without an address yet: asks for one.
    pub fn open_station(&mut self, now: Instant, phy: &mut impl phy::Device, seed: u64) {
        self.close();
        self.iface = Some(new_interface(now, phy, self.mac, seed));
        self.dhcp = match core::mem::replace(&mut self.dhcp, Dhcp::Moving) {
            Dhcp::Aside(mut socket) => {
                socket.reset();
                socket.set_ignore_naks(true);
                // The socket reports once that it has no address; nobody needs to hear that.
                let _ = socket.poll();
                Dhcp::InSet(self.sockets.add(socket))
            }
            other @ (Dhcp::InSet(_) | Dhcp::Moving) => other,
        };
    }

    /// Becomes a station with a fixed address. `false` when the settings do not make a usable interface.
    pub fn open_fixed(
        &mut self,
        now: Instant,
        phy: &mut impl phy::Device,
        seed: u64,
        fixed: &StaticIp,
    ) -> bool {
        self.close();
        if !is_usable(fixed) {
            return false;
        }
        let mut iface = new_interface(now, phy, self.mac, seed);
        // A usable mask is one run of ones.
        let prefix_len = u8::try_from(fixed.mask.to_bits().leading_ones()).unwrap_or(32);
        let gateway = (!fixed.gateway.is_unspecified()).then_some(fixed.gateway);
        set_address(&mut iface, Some(Ipv4Cidr::new(fixed.ip, prefix_len)), gateway);
        self.iface = Some(iface);
        self.dns_servers = match (fixed.dns.is_unspecified(), fixed.dns2.is_unspecified()) {
            (false, false) => [fixed.dns, fixed.dns2],
            (false, true) => [fixed.dns; 2],
            (true, false) => [fixed.dns2; 2],
            // Home routers answer names themselves.
            (true, true) => [fixed.gateway; 2],
        };
        true
    }

    /// Drops the interface and closes every socket; what was under way is forgotten.
    pub fn close(&mut self) {
        self.iface = None;
        for handle in self.tcp {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
            socket.abort();
        }
        for handle in self.udp {
            self.udp_mut(handle).close();
        }
        if let Dhcp::InSet(handle) = self.dhcp {
            self.dhcp = match self.sockets.remove(handle) {
                Socket::Dhcpv4(socket) => Dhcp::Aside(socket),
                Socket::Udp(_) | Socket::Tcp(_) => Dhcp::Moving,
            };
        }
        self.dns_servers = [Ipv4Address::UNSPECIFIED; 2];
    }

    /// Processes what came, until a connection of the portal has ended; returns whether one has. What is due by time,
    /// such as a retransmission, leaves before; what the rooms have to say to what came leaves with
    /// [`poll_egress`](Self::poll_egress), together with its acknowledgement.
    pub fn poll_ingress(&mut self, now: Instant, phy: &mut impl phy::Device) -> bool {
        let Some(iface) = &mut self.iface else {
            // Without a role frames have nowhere to go.
            while phy.receive(now).is_some() {}
            return false;
        };
        if iface.poll_at(now, &self.sockets).is_some_and(|at| at <= now) {
            let _ = iface.poll(now, phy, &mut self.sockets);
            return false;
        }
        while iface.poll_ingress_single(now, phy, &mut self.sockets) != PollIngressSingleResult::None {
            let is_over =
                |handle| self.sockets.get::<tcp::Socket<'_>>(handle).state() == tcp::State::TimeWait;
            if self.tcp.into_iter().any(is_over) {
                return true;
            }
        }
        false
    }

    /// Sends what the sockets have to send, and says when the stack wants to be polled again; in the past
    /// when something is left that found no room.
    pub fn poll_egress(&mut self, now: Instant, phy: &mut impl phy::Device) -> Option<Instant> {
        let iface = self.iface.as_mut()?;
        let at = iface.poll_at(now, &self.sockets);
        if at.is_none_or(|at| at > now) {
            return at;
        }
        while iface.poll_egress(now, phy, &mut self.sockets) != PollResult::None {}
        iface.poll_at(now, &self.sockets)
    }

    /// What the DHCP client has achieved or lost since the last call.
    pub fn poll_address(&mut self) -> Option<AddressEvent> {
        let (Dhcp::InSet(handle), Some(iface)) = (&self.dhcp, &mut self.iface) else { return None };
        let client = self.sockets.get_mut::<dhcpv4::Socket<'_>>(*handle);
        match client.poll()? {
            // A lease of nobody could not be renewed: smoltcp takes it for granted that somebody can be asked.
            dhcpv4::Event::Configured(config) if !is_host(config.server.address) => {
                client.reset();
                None
            }
            dhcpv4::Event::Configured(config) => {
                let changed = iface.ipv4_addr() != Some(config.address.address());
                // Some routers without a way out say that it is at 0.0.0.0, where smoltcp must not be sent.
                let router = config.router.filter(|router| is_host(*router));
                set_address(iface, Some(config.address), router);
                let mut servers = config.dns_servers.iter().copied();
                // A network without a name server may still have a router that answers.
                let fallback = router.unwrap_or(config.server.address);
                let first = servers.next().unwrap_or(fallback);
                self.dns_servers = [first, servers.next().unwrap_or(first)];
                let address = config.address.address();
                // An address that was given can be taken away.
                client.set_ignore_naks(false);
                changed.then_some(AddressEvent::Set(address))
            }
            dhcpv4::Event::Deconfigured => {
                client.set_ignore_naks(true);
                let had_one = iface.ipv4_addr().is_some();
                set_address(iface, None, None);
                had_one.then_some(AddressEvent::Lost)
            }
        }
    }

    /// The station's address, if it has one.
    pub fn address(&self) -> Option<Ipv4Address> {
        self.iface.as_ref()?.ipv4_addr()
    }

    /// The name servers of the network.
    pub fn dns_servers(&self) -> [Ipv4Address; 2] {
        self.dns_servers
    }

    /// The next client port, never the same twice in a row.
    fn take_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(EPHEMERAL_FIRST);
        port
    }

    /// Gives the socket for lookups this port, which is not 0; what came for an earlier one is gone.
    fn bind_lookup(&mut self, port: u16) {
        let [handle, _] = self.udp;
        let socket = self.udp_mut(handle);
        socket.close();
        // It has just been closed, and the port is not 0.
        let _ = socket.bind(port);
    }

    fn udp_mut(&mut self, handle: SocketHandle) -> &mut udp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    fn tcp_mut(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }
}

fn new_interface(now: Instant, phy: &mut impl phy::Device, mac: EthernetAddress, seed: u64) -> Interface {
    let mut config = Config::new(mac.into());
    config.random_seed = seed;
    Interface::new(config, phy, now)
}

/// Whether an address can be somebody's.
fn is_host(address: Ipv4Address) -> bool {
    !(address.is_unspecified() || address.is_multicast() || address.is_broadcast())
}

fn set_address(iface: &mut Interface, address: Option<Ipv4Cidr>, gateway: Option<Ipv4Address>) {
    iface.update_ip_addrs(|addresses| {
        addresses.clear();
        // The list has room for two.
        addresses.extend(address.map(IpCidr::Ipv4));
    });
    iface.routes_mut().remove_default_ipv4_route();
    if let Some(gateway) = gateway {
        // The table has room for two routes and holds at most this one.
        let _ = iface.routes_mut().add_default_ipv4_route(gateway);
    }
}
