//! Worlds that cannot be: what is taken twice, and what does not go together.

use super::tests::{check_world, parsed, with_world};

#[test]
fn addresses_that_the_world_chooses_are_not_taken_either() {
    check_world(
        "  devices:\n    - { name: a }\n    - { name: b, mac: \"24:0A:C4:00:01:10\" }\n",
        7,
        15,
        "two devices have the same MAC address",
        "the other is `a`; a device without `mac` gets one by its place in the list",
    );
    let many: String = (0..255).map(|number| format!("    - {{ name: phone{number} }}\n")).collect();
    check_world(&format!("  phones:\n{many}"), 5, 3, "a world has at most 254 actors of a kind", "");
}

#[test]
fn an_access_point_has_its_name_alone() {
    let router =
        |name| format!("    - {{ name: {name}, ssid: A, access_points: [{{ name: hall, rssi: -50 }}] }}\n");
    check_world(
        &format!("  routers:\n{}{}", router("one"), router("two")),
        7,
        53,
        "the name `hall` is taken",
        "the other stands in line 6; every actor needs its own",
    );
}

#[test]
fn a_subnet_has_room_for_the_routers_addresses() {
    let router = |subnet| format!("  routers:\n    - {{ name: home, ssid: HomeNet, subnet: {subnet} }}\n");
    parsed(&with_world(&router("10.1.2.0/24")));
    check_world(
        &router("10.1.2.0/25"),
        6,
        44,
        "`10.1.2.0/25` is not a subnet",
        "such as `192.168.1.0/24`, from /8 to /24",
    );
}

#[test]
fn every_actor_has_a_name_of_its_own() {
    check_world(
        "  routers:\n    - { name: home, ssid: One }\n    - { name: home, ssid: Two }\n",
        7,
        15,
        "the name `home` is taken",
        "the other stands in line 6; every actor needs its own",
    );
    check_world(
        "  routers:\n    - { name: phone, ssid: One }\n",
        6,
        15,
        "the name `phone` is taken",
        "it is the default one's; every actor needs its own",
    );
    check_world(
        "  clouds:\n    - { name: eu }\n    - { name: us }\n",
        7,
        15,
        "the host `blynk.cloud` is taken",
        "the other stands in line 6; every actor needs its own",
    );
}

#[test]
fn a_clock_drifts_by_ten_per_cent_at_most() {
    let device = |drift| format!("  devices:\n    - {{ name: lamp, drift_ppm: {drift} }}\n");
    for drift in [-100_000, 0, 100_000] {
        parsed(&with_world(&device(drift)));
    }
    let hint = "from -100000 to 100000 millionths";
    check_world(&device(100_001), 6, 32, "`100001` is not a drift", hint);
}

#[test]
fn a_pool_has_an_address_and_not_more_than_a_hundred() {
    let router = |size| format!("  routers:\n    - {{ name: home, ssid: A, dhcp: {{ pool: {size} }} }}\n");
    parsed(&with_world(&router(1)));
    for size in [0, 101] {
        let wrong = format!("`{size}` is not a number of addresses");
        check_world(&router(size), 6, 44, &wrong, "from 1 to 100");
    }
}
