//! A station behind a home router reaches the cloud: the two rooms of the internet together.

use std::collections::BTreeMap;

use super::*;
use crate::router::{DhcpMode, DnsMode, LEASE_DEFAULT, Router, RouterConfig};

const STATION: Ipv4Address = Ipv4Address::new(192, 168, 1, 11);

fn home() -> Router {
    Router::new(RouterConfig {
        name: "home".into(),
        lan_mac: EthernetAddress([2, 0, 0, 0, 1, 1]),
        uplink_mac: EthernetAddress([2, 0, 0, 0, 1, 2]),
        lan: Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, 1), 24),
        uplink: Ipv4Address::new(198, 19, 0, 1),
        zone: BTreeMap::from([("blynk.cloud".into(), ADDRESS)]),
        dhcp: DhcpMode::Normal,
        dns: DnsMode::Normal,
        lease: LEASE_DEFAULT,
    })
}

/// Carries frames between the station, the router and the cloud for this long.
#[track_caller]
fn run(net: &mut Net, router: &mut Router, span: Duration) {
    let end = net.now + span;
    loop {
        let mut moved = false;
        net.client.poll(net.now);
        while let Some(frame) = net.client.pop_sent() {
            moved = true;
            router.handle_frame(net.now, Port::Air, frame);
        }
        let mut from_router = Outbox::default();
        router.poll(net.now, &mut from_router);
        for (port, frame) in from_router.frames {
            moved = true;
            match port {
                Port::Air => net.client.receive(frame),
                Port::Internet => net.cloud.handle_frame(net.now, Port::Internet, frame),
            }
        }
        let mut from_cloud = Outbox::default();
        net.cloud.poll(net.now, &mut from_cloud);
        for (_, frame) in from_cloud.frames {
            moved = true;
            router.handle_frame(net.now, Port::Internet, frame);
        }
        net.events.append(&mut from_cloud.events);
        if moved {
            continue;
        }
        let due = soonest(net.cloud.next_wake(net.now), router.next_wake(net.now));
        assert!(due.is_none_or(|at| at > net.now), "a poll does all that is due");
        match soonest(due, net.client.poll_at(net.now)) {
            Some(at) if at <= end => net.now = at,
            _ => {
                net.now = end;
                return;
            }
        }
    }
}

#[test]
fn a_station_stays_connected_for_days_and_outlives_its_router() {
    let mut net = Net::new();
    let mut router = home();
    net.client.set_address(Some(Ipv4Cidr::new(STATION, 24)), Some(Ipv4Address::new(192, 168, 1, 1)));
    net.cloud.service().directory().borrow_mut().add_device(net.now, TEMPLATE, TOKEN);
    let socket = net.client.add_tcp(4_096, 4_096);
    let Stack { iface, sockets, .. } = &mut net.client;
    let tcp = sockets.get_mut::<tcp::Socket>(socket);
    tcp.connect(iface.context(), IpEndpoint::new(ADDRESS.into(), 8080), 50_000).unwrap();
    run(&mut net, &mut router, SOON);
    for bytes in [login(TOKEN), info("40", TEMPLATE)] {
        net.client.tcp(socket).send_slice(&bytes).unwrap();
        run(&mut net, &mut router, SOON);
    }
    assert_eq!(net.status(TOKEN), Some(DeviceStatus::Online));
    for _ in 0..2 {
        for _ in 0..2_160 {
            net.client.tcp(socket).send_slice(&hex("0600030000")).unwrap();
            run(&mut net, &mut router, Duration::from_secs(40));
        }
        assert_eq!(net.status(TOKEN), Some(DeviceStatus::Online), "after a day of heartbeats");
        // The next segment opens the flow anew, on the same port.
        router.power_cycle();
    }
    router.set_uplink(false);
    net.client.tcp(socket).send_slice(&hex("0600030000")).unwrap();
    run(&mut net, &mut router, Duration::from_secs(60));
    assert_eq!(net.status(TOKEN), Some(DeviceStatus::Offline));
    assert_eq!(net.events.last(), Some(&Event::Offline { device: 1 }));
}
