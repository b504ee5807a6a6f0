use firmware_core::random::SplitMix64;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::dhcpv4;
use smoltcp::wire::{ArpOperation, DhcpMessageType, DhcpPacket, DhcpRepr, IpEndpoint, IpProtocol, TcpPacket};

use super::*;
use crate::actor::soonest;
use crate::dns::write_query;
use crate::stack::Stack;

const HOST: Ipv4Address = Ipv4Address::new(198, 18, 0, 10);
const ROUTER: Ipv4Address = Ipv4Address::new(192, 168, 1, 1);
const UPLINK: Ipv4Address = Ipv4Address::new(198, 19, 0, 1);

fn mac(last: u8) -> EthernetAddress {
    EthernetAddress([2, 0, 0, 0, 0, last])
}

/// A router with stations on one side and one public host on the other.
struct Net {
    now: Instant,
    router: Router,
    stations: Vec<Stack>,
    host: Stack,
    events: Vec<Event>,
    carried: Vec<(Port, Frame)>,
}

impl Net {
    fn new(stations: u8) -> Self {
        let now = Instant::ZERO;
        let router = Router::new(RouterConfig {
            name: "home".into(),
            lan_mac: mac(101),
            uplink_mac: mac(102),
            lan: Ipv4Cidr::new(ROUTER, 24),
            uplink: UPLINK,
            zone: BTreeMap::from([("Blynk.Cloud".into(), HOST)]),
            dhcp: DhcpMode::Normal,
            dns: DnsMode::Normal,
            lease: LEASE_DEFAULT,
        });
        let mut host = Stack::new(mac(200), 7, now);
        host.set_address(Some(Ipv4Cidr::new(HOST, 15)), None);
        let stations = (1..=stations).map(|n| Stack::new(mac(n), u64::from(n), now)).collect();
        Self { now, router, stations, host, events: Vec::new(), carried: Vec::new() }
    }

    /// A net whose stations have the addresses 192.168.1.11, .12 and so on.
    fn with_addresses(stations: u8) -> Self {
        let mut net = Self::new(stations);
        for (station, last) in net.stations.iter_mut().zip(11..) {
            let address = Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, last), 24);
            station.set_address(Some(address), Some(ROUTER));
        }
        net
    }

    /// Carries frames, each at once, until `done` or for this long.
    #[track_caller]
    fn run(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        for _ in 0..10_000 {
            let moved = self.exchange();
            if done(self) {
                return true;
            }
            if moved {
                continue;
            }
            let due = self.router.next_wake(self.now);
            assert!(due.is_none_or(|at| at > self.now), "a poll does all that is due");
            let wake = self.stations.iter_mut().map(|station| station.poll_at(self.now));
            let wake = wake.fold(self.host.poll_at(self.now), soonest);
            match soonest(wake, due) {
                Some(at) if at <= end => {
                    self.now = at;
                }
                _ => {
                    self.now = end;
                    return done(self);
                }
            }
        }
        panic!("time stands still");
    }

    fn exchange(&mut self) -> bool {
        let before = self.carried.len();
        for station in &mut self.stations {
            station.poll(self.now);
            while let Some(frame) = station.pop_sent() {
                self.carried.push((Port::Air, frame.clone()));
                self.router.handle_frame(self.now, Port::Air, frame);
            }
        }
        self.host.poll(self.now);
        while let Some(frame) = self.host.pop_sent() {
            self.carried.push((Port::Internet, frame.clone()));
            self.router.handle_frame(self.now, Port::Internet, frame);
        }
        let mut out = Outbox::default();
        self.router.poll(self.now, &mut out);
        for (port, frame) in out.frames {
            self.carried.push((port, frame.clone()));
            match port {
                Port::Air => self.stations.iter_mut().for_each(|station| station.receive(frame.clone())),
                Port::Internet => self.host.receive(frame),
            }
        }
        self.events.append(&mut out.events);
        self.carried.len() != before
    }

    fn dhcp(&mut self, station: usize, socket: SocketHandle) -> Option<Ipv4Cidr> {
        match self.stations[station].sockets.get_mut::<dhcpv4::Socket>(socket).poll()? {
            dhcpv4::Event::Configured(config) => {
                assert_eq!(config.router, Some(ROUTER));
                assert_eq!(config.dns_servers[..], [ROUTER]);
                Some(config.address)
            }
            dhcpv4::Event::Deconfigured => None,
        }
    }

    fn lease(&mut self, station: usize, limit: Duration) -> Option<Ipv4Cidr> {
        let socket = self.stations[station].sockets.add(dhcpv4::Socket::new());
        let mut lease = None;
        self.run(limit, |net| {
            lease = lease.or(net.dhcp(station, socket));
            lease.is_some()
        });
        lease
    }

    /// Opens a connection from a station's port to the host's port 7.
    fn connect(&mut self, station: usize, port: u16) -> SocketHandle {
        let socket = self.stations[station].add_tcp(1_024, 1_024);
        let Stack { iface, sockets, .. } = &mut self.stations[station];
        let tcp = sockets.get_mut::<smoltcp::socket::tcp::Socket>(socket);
        tcp.connect(iface.context(), IpEndpoint::new(HOST.into(), 7), port).unwrap();
        socket
    }

    /// Asks for a name at `server`; returns the response code and the address.
    fn ask(&mut self, server: Ipv4Address, query: &[u8]) -> Option<(u16, Option<Ipv4Address>)> {
        let port = 5_000 + u16::try_from(self.stations[0].sockets.iter().count()).unwrap();
        let socket = self.stations[0].add_udp(port, 4);
        self.stations[0].udp(socket).send_slice(query, IpEndpoint::new(server.into(), 53)).unwrap();
        self.run(Duration::from_secs(3), |net| net.stations[0].udp(socket).can_recv());
        let (answer, meta) = self.stations[0].udp(socket).recv().ok()?;
        assert_eq!(meta.endpoint, IpEndpoint::new(server.into(), 53));
        assert_eq!(answer[..2], query[..2]);
        let flags = u16::from_be_bytes([answer[2], answer[3]]);
        let address = (answer[7] == 1).then(|| {
            let record =
                answer.windows(12).position(|w| w == [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]).unwrap();
            Ipv4Address::new(
                answer[record + 12],
                answer[record + 13],
                answer[record + 14],
                answer[record + 15],
            )
        });
        Some((flags & 15, address))
    }
}

fn query(name: &str, record: u16) -> Vec<u8> {
    write_query(0x1234, name, record)
}

/// Two listening echo sockets on the host, since stations come in pairs.
fn echo(host: &mut Stack) -> [SocketHandle; 2] {
    [0, 1].map(|_| {
        let socket = host.add_tcp(1_024, 1_024);
        host.tcp(socket).listen(7).unwrap();
        socket
    })
}

fn echo_back(host: &mut Stack, socket: SocketHandle) {
    let mut data = [0; 512];
    let tcp = host.tcp(socket);
    if tcp.can_recv() {
        let len = tcp.recv_slice(&mut data).unwrap();
        tcp.send_slice(&data[..len]).unwrap();
    }
}

#[test]
fn a_station_gets_the_same_address_after_the_router_forgot_it() {
    let mut net = Net::new(1);
    let lease = net.lease(0, Duration::from_secs(1)).unwrap();
    assert!(Ipv4Cidr::new(ROUTER, 24).contains_addr(&lease.address()));
    assert_eq!(net.events, [Event::LeaseGiven { mac: mac(1), ip: lease.address(), again: false }]);
    net.router.power_cycle();
    net.stations[0] = Stack::new(mac(1), 99, net.now);
    assert_eq!(net.lease(0, Duration::from_secs(1)), Some(lease));
}

#[test]
fn a_lease_is_renewed_and_that_is_not_news() {
    let mut net = Net::new(1);
    let lease = net.lease(0, Duration::from_secs(1)).unwrap();
    net.stations[0].set_address(Some(lease), Some(ROUTER));
    net.run(LEASE_DEFAULT, |_| false);
    let told: Vec<_> = net.events.iter().map(Event::is_story).collect();
    assert_eq!(told[..2], [true, false]);
    assert!(told[1..].iter().all(|story| !story));
}

#[test]
fn every_station_gets_an_address_of_its_own_until_there_are_none() {
    let mut server = DhcpServer::new(mac(101), Ipv4Cidr::new(ROUTER, 24), LEASE_DEFAULT);
    let mut events = Vec::new();
    for last in 0..101 {
        let discover = message(DhcpMessageType::Discover, mac(last), None);
        let offered = server.handle_message(Instant::ZERO, DhcpMode::Normal, &discover, &mut events);
        assert_eq!(offered.is_some(), last < 100, "{last}");
    }
    // Offers that nobody took up are free again after a minute.
    let later = Instant::from_secs(61);
    let discover = message(DhcpMessageType::Discover, mac(100), None);
    assert!(server.handle_message(later, DhcpMode::Normal, &discover, &mut events).is_some());
    assert_eq!(events, []);
}

#[test]
fn a_phone_that_comes_back_keeps_its_address_and_a_stranger_does_not_get_it() {
    let mut server = DhcpServer::new(mac(101), Ipv4Cidr::new(ROUTER, 24), LEASE_DEFAULT);
    let mut events = Vec::new();
    let mut request = |mac, last| {
        let wanted = Ipv4Address::new(192, 168, 1, last);
        let request = message(DhcpMessageType::Request, mac, Some(wanted));
        let reply = server.handle_message(Instant::ZERO, DhcpMode::Normal, &request, &mut events).unwrap();
        let udp = &reply[ETHERNET_HEADER_LEN + 28..];
        DhcpRepr::parse(&DhcpPacket::new_checked(udp).unwrap()).unwrap().message_type
    };
    assert_eq!(request(mac(1), 150), DhcpMessageType::Ack);
    assert_eq!(request(mac(1), 150), DhcpMessageType::Ack);
    assert_eq!(request(mac(2), 150), DhcpMessageType::Nak, "it is taken");
    assert_eq!(request(mac(2), 99), DhcpMessageType::Nak, "it is not in the pool");
    assert_eq!(request(mac(2), 200), DhcpMessageType::Nak, "it is not in the pool");
}

#[test]
fn a_pool_of_one_serves_one_station_until_its_lease_is_over() {
    let mut server = DhcpServer::new(mac(101), Ipv4Cidr::new(ROUTER, 24), Duration::from_secs(600));
    server.set_pool(Some(1));
    let mut events = Vec::new();
    let only = Some(Ipv4Address::new(192, 168, 1, 100));
    let request = message(DhcpMessageType::Request, mac(1), only);
    assert!(server.handle_message(Instant::ZERO, DhcpMode::Normal, &request, &mut events).is_some());
    let discover = message(DhcpMessageType::Discover, mac(2), None);
    let mut is_offered = |at| {
        server.handle_message(Instant::from_secs(at), DhcpMode::Normal, &discover, &mut events).is_some()
    };
    assert_eq!([599, 600].map(&mut is_offered), [false, true]);
}

/// What a station with an address that the router has given it hears of a name.
fn ask_with_lease(mode: DhcpMode) -> Option<(u16, Option<Ipv4Address>)> {
    let mut net = Net::new(1);
    net.router.set_dhcp(mode);
    let lease = net.lease(0, Duration::from_secs(1));
    net.stations[0].set_address(lease, Some(ROUTER));
    net.ask(ROUTER, &query("blynk.cloud", 1))
}

#[test]
fn what_is_for_an_address_that_a_machine_has_goes_to_the_machine() {
    assert_eq!(ask_with_lease(DhcpMode::Normal), Some((0, Some(HOST))));
    assert_eq!(ask_with_lease(DhcpMode::InUse), None);
}

#[test]
fn a_machine_says_that_its_address_is_taken_and_a_client_that_declines_it_gets_another() {
    let mut net = Net::new(1);
    net.router.set_dhcp(DhcpMode::InUse);
    let ip = net.lease(0, Duration::from_secs(1)).unwrap().address();
    let probe = arp_frame(ArpOperation::Request, (mac(1), Ipv4Address::UNSPECIFIED), (mac(0), ip));
    net.router.handle_frame(net.now, Port::Air, probe);
    net.exchange();
    let (_, answer) = net.carried.last().unwrap();
    let taken = (MACHINE_MAC, ip);
    assert_eq!(*answer, arp_frame(ArpOperation::Reply, taken, (mac(1), Ipv4Address::UNSPECIFIED)));
    let mut server = DhcpServer::new(mac(101), Ipv4Cidr::new(ROUTER, 24), LEASE_DEFAULT);
    let mut said = |kind| {
        let message = message(kind, mac(1), Some(ip));
        server.handle_message(Instant::ZERO, DhcpMode::InUse, &message, &mut Vec::new())
    };
    let first = said(DhcpMessageType::Discover);
    assert_eq!(said(DhcpMessageType::Decline), None);
    assert_ne!(said(DhcpMessageType::Discover), first);
}

#[test]
fn dhcp_can_be_silent_and_can_refuse() {
    let mut net = Net::new(1);
    net.router.set_dhcp(DhcpMode::Silent);
    assert_eq!(net.lease(0, Duration::from_secs(15)), None);
    assert_eq!(net.events, []);
    let mut server = DhcpServer::new(mac(101), Ipv4Cidr::new(ROUTER, 24), LEASE_DEFAULT);
    let request = message(DhcpMessageType::Request, mac(1), Some(Ipv4Address::new(192, 168, 1, 150)));
    let mut events = Vec::new();
    for _ in 0..2 {
        assert!(server.handle_message(Instant::ZERO, DhcpMode::Nak, &request, &mut events).is_some());
    }
    let refused = |again| Event::LeaseRefused { mac: mac(1), again };
    assert_eq!(events, [refused(false), refused(true)]);
}

#[test]
fn names_are_answered_from_the_zone() {
    let mut net = Net::with_addresses(1);
    assert_eq!(net.ask(ROUTER, &query("blynk.cloud", 1)), Some((0, Some(HOST))));
    assert_eq!(net.ask(ROUTER, &query("BLYNK.cloud", 1)), Some((0, Some(HOST))));
    assert_eq!(net.ask(ROUTER, &query("blynk.cloud", 28)), Some((0, None)), "no IPv6 address");
    assert_eq!(net.ask(ROUTER, &query("blynk.clod", 1)), Some((3, None)));
    let resolver = Ipv4Address::new(8, 8, 8, 8);
    assert_eq!(net.ask(resolver, &query("blynk.cloud", 1)), Some((0, Some(HOST))));
    let answered = |name: &str, found| Event::NameAnswered { name: name.into(), found };
    assert_eq!(net.events[1..3], [answered("blynk.cloud", true), answered("blynk.clod", false)]);
}

#[test]
fn a_query_with_edns_gets_an_answer_with_edns() {
    let mut extended = query("blynk.cloud", 1);
    extended[11] = 1;
    extended.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    let zone = BTreeMap::from([("blynk.cloud".into(), HOST)]);
    let answer = dns::answer(DnsMode::Normal, &zone, ROUTER, &extended).unwrap();
    assert_eq!(answer.message[..12], [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 1]);
    assert!(answer.message.ends_with(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]));
}

#[test]
fn broken_queries_do_no_harm() {
    let zone = BTreeMap::new();
    let whole = query("blynk.cloud", 1);
    for len in 0..whole.len() {
        let answer = dns::answer(DnsMode::Normal, &zone, ROUTER, &whole[..len]);
        assert_eq!(answer.map(|answer| answer.message[3] & 15), (len >= 12).then_some(1), "{len}");
    }
    let mut pointer = whole.clone();
    pointer[12] = 0xc0;
    assert_eq!(dns::answer(DnsMode::Normal, &zone, ROUTER, &pointer).unwrap().message[3] & 15, 1);
}

#[test]
fn dns_can_be_silent_and_can_lie() {
    let mut net = Net::with_addresses(1);
    for (mode, expected) in [
        (DnsMode::Silent, None),
        (DnsMode::NxDomain, Some((3, None))),
        (DnsMode::ServFail, Some((2, None))),
        (DnsMode::Normal, Some((0, Some(HOST)))),
    ] {
        net.router.set_dns(mode);
        assert_eq!(net.ask(ROUTER, &query("blynk.cloud", 1)), expected, "{mode:?}");
    }
    net.router.set_uplink(false);
    assert_eq!(net.ask(ROUTER, &query("blynk.cloud", 1)), Some((2, None)), "without internet");
}

#[test]
fn two_stations_use_the_same_port_behind_one_address() {
    let mut net = Net::with_addresses(2);
    let servers = echo(&mut net.host);
    let clients = [net.connect(0, 40_000), net.connect(1, 40_000)];
    let mut sent = [false; 2];
    let mut received = [const { Vec::new() }; 2];
    let done = net.run(Duration::from_secs(5), |net| {
        servers.iter().for_each(|socket| echo_back(&mut net.host, *socket));
        for n in 0..2 {
            let tcp = net.stations[n].tcp(clients[n]);
            if tcp.can_send() && !sent[n] {
                tcp.send_slice(&[n as u8; 100]).unwrap();
                sent[n] = true;
            }
            if tcp.can_recv() {
                tcp.recv(|data| (data.len(), received[n].extend_from_slice(data))).unwrap();
            }
        }
        received.iter().all(|data| data.len() == 100)
    });
    assert!(done);
    assert_eq!(received, [vec![0; 100], vec![1; 100]]);
    let mut seen = servers.map(|socket| net.host.tcp(socket).remote_endpoint().unwrap());
    seen.sort();
    assert_eq!(seen, [40_000, 49_152].map(|port| IpEndpoint::new(UPLINK.into(), port)));
}

#[test]
fn udp_comes_back_for_a_minute() {
    let mut net = Net::with_addresses(1);
    let server = net.host.add_udp(9, 4);
    let client = net.stations[0].add_udp(6_000, 4);
    net.stations[0].udp(client).send_slice(b"hello", IpEndpoint::new(HOST.into(), 9)).unwrap();
    assert!(net.run(Duration::from_secs(1), |net| net.host.udp(server).can_recv()));
    let (data, meta) = net.host.udp(server).recv().unwrap();
    assert_eq!((data, meta.endpoint), (&b"hello"[..], IpEndpoint::new(UPLINK.into(), 6_000)));
    let answer_to = meta.endpoint;
    for (wait, comes) in [(59, true), (61, false)] {
        net.run(Duration::from_secs(wait), |_| false);
        net.host.udp(server).send_slice(b"back", answer_to).unwrap();
        assert_eq!(net.run(Duration::from_secs(1), |net| net.stations[0].udp(client).can_recv()), comes);
        let _ = net.stations[0].udp(client).recv();
    }
}

#[test]
fn an_established_connection_outlives_a_silence_and_a_half_open_one_does_not() {
    let tcp = |syn: bool, fin: bool| Segment::frame(syn, fin);
    let mut nat = Nat::new(UPLINK);
    let out =
        |nat: &mut Nat, s, frame: &mut Frame| nat.rewrite_outbound(Instant::from_secs(s), frame).is_some();
    assert!(out(&mut nat, 0, &mut tcp(true, false)));
    assert!(nat.rewrite_inbound(Instant::from_secs(239), &mut Segment::answer(true, false)).is_some());
    assert!(nat.rewrite_inbound(Instant::from_secs(7_000), &mut Segment::answer(false, false)).is_some());
    assert!(out(&mut nat, 7_001, &mut tcp(false, true)), "it ends");
    assert!(nat.rewrite_inbound(Instant::from_secs(7_242), &mut Segment::answer(false, false)).is_none());
}

/// TCP segments between a station's port 1,000 and the host's port 7.
struct Segment;

impl Segment {
    fn frame(syn: bool, fin: bool) -> Frame {
        Self::build((Ipv4Address::new(192, 168, 1, 11), 1_000), (HOST, 7), syn, fin)
    }

    fn answer(syn: bool, fin: bool) -> Frame {
        Self::build((HOST, 7), (UPLINK, 1_000), syn, fin)
    }

    fn build(from: (Ipv4Address, u16), to: (Ipv4Address, u16), syn: bool, fin: bool) -> Frame {
        let end = |(ip, port)| End { mac: mac(1), ip, port };
        // A UDP packet of the right length becomes a TCP segment.
        let mut frame = udp_frame(end(from), end(to), &[0; 12]);
        let mut ip = Ipv4Packet::new_unchecked(&mut frame[ETHERNET_HEADER_LEN..]);
        ip.set_next_header(IpProtocol::Tcp);
        ip.fill_checksum();
        let mut tcp = TcpPacket::new_unchecked(ip.payload_mut());
        tcp.set_src_port(from.1);
        tcp.set_dst_port(to.1);
        tcp.clear_flags();
        tcp.set_syn(syn);
        tcp.set_fin(fin);
        tcp.set_header_len(20);
        frame
    }
}

#[test]
fn an_address_that_nobody_has_is_given_up() {
    let mut net = Net::with_addresses(1);
    net.host.set_address(None, None);
    net.connect(0, 1_000);
    net.run(Duration::from_secs(2), |_| false);
    let requests =
        net.carried.iter().filter(|(port, frame)| *port == Port::Internet && frame[13] == 6).count();
    assert_eq!(requests, 3, "at 0, 1 and 2 seconds");
    net.router.power_cycle();
    assert_eq!(net.router.next_wake(net.now), None);
}

#[test]
fn damaged_packets_stay_damaged_or_are_dropped() {
    let mut net = Net::with_addresses(1);
    let server = net.host.add_udp(9, 4);
    let client = net.stations[0].add_udp(6_000, 4);
    net.stations[0].udp(client).send_slice(b"hello", IpEndpoint::new(HOST.into(), 9)).unwrap();
    net.run(Duration::from_secs(1), |_| false);
    let last = net.carried.iter().rposition(|(port, frame)| *port == Port::Air && frame.ends_with(b"hello"));
    let mut frame = net.carried[last.unwrap()].1.clone();
    let end = frame.len() - 1;
    frame[end] ^= 1;
    let _ = net.host.udp(server).recv();
    net.router.handle_frame(net.now, Port::Air, frame);
    net.run(Duration::from_secs(1), |_| false);
    assert!(!net.host.udp(server).can_recv());
}

#[test]
fn the_same_story_gives_the_same_frames() {
    let run = || {
        let mut net = Net::with_addresses(2);
        let servers = echo(&mut net.host);
        net.connect(0, 40_000);
        net.connect(1, 40_000);
        net.run(Duration::from_secs(2), |net| {
            servers.iter().for_each(|socket| echo_back(&mut net.host, *socket));
            false
        });
        net.carried
    };
    assert!(run() == run());
}

/// A DHCP message of a client without an address.
fn message(kind: DhcpMessageType, mac: EthernetAddress, requested_ip: Option<Ipv4Address>) -> Vec<u8> {
    let repr = DhcpRepr {
        message_type: kind,
        transaction_id: 1,
        secs: 0,
        client_hardware_address: mac,
        client_ip: Ipv4Address::UNSPECIFIED,
        your_ip: Ipv4Address::UNSPECIFIED,
        server_ip: Ipv4Address::UNSPECIFIED,
        router: None,
        subnet_mask: None,
        relay_agent_ip: Ipv4Address::UNSPECIFIED,
        broadcast: false,
        requested_ip,
        client_identifier: None,
        server_identifier: None,
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    };
    let mut message = vec![0; repr.buffer_len()];
    repr.emit(&mut DhcpPacket::new_unchecked(&mut message[..])).unwrap();
    message
}

#[test]
fn damaged_frames_do_no_harm() {
    let mut net = Net::with_addresses(1);
    net.ask(ROUTER, &query("blynk.cloud", 1));
    net.connect(0, 1_000);
    net.run(Duration::from_secs(1), |_| false);
    net.carried.push((
        Port::Air,
        udp_frame(
            End { mac: mac(1), ip: Ipv4Address::UNSPECIFIED, port: 68 },
            End { mac: mac(101), ip: ROUTER, port: 67 },
            &message(DhcpMessageType::Discover, mac(1), None),
        ),
    ));
    let mut random = SplitMix64::new(5);
    for n in 0..20_000 {
        let (port, mut frame) = net.carried[n % net.carried.len()].clone();
        let at = random.below(frame.len() as u64) as usize;
        frame[at] = random.next_u64() as u8;
        if n % 5 == 0 {
            frame.truncate(at);
        }
        net.router.handle_frame(net.now, port, frame);
        net.router.poll(net.now, &mut Outbox::default());
    }
}
