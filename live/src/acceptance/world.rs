//! Whether a scenario's world is one that a board, a real router and a cloud can be.

use hil_sim::scenario::{
    CertificateKind, Cloud, DhcpMode, DnsMode, Link, LoginAnswer, NtpMode, PhoneDevice, PhoneOs,
};
use hil_sim::scenario::{ProductOverrides, Router, Scenario, Subnet};

/// Channels of the 2.4 GHz band.
const CHANNEL_MAX: u8 = 14;
/// Weaker than this, in dBm, a network is there to be weak.
const RSSI_MIN: i8 = -80;

/// Why a scenario's world cannot be had here, if it cannot.
pub(super) fn refusal(scenario: &Scenario) -> Option<&'static str> {
    let world = &scenario.world;
    if world.devices.len() != 1 {
        return Some("one board is here");
    }
    if scenario.product != ProductOverrides::default() {
        return Some("the board's product is its own");
    }
    if scenario.uptime.is_some() || world.devices.iter().any(|device| device.drift_ppm.is_some()) {
        return Some("a board's clock is its own");
    }
    if !world.routers.iter().all(is_plain_router) {
        return Some("its router is not one that serves as it should");
    }
    if world.clouds.len() != 1 || !world.clouds.iter().all(is_plain_cloud) {
        return Some("its cloud is not one that serves as it should");
    }
    if world.phones.len() > 1 {
        return Some("this host is one phone");
    }
    if !world.phones.iter().all(is_plain_phone) {
        return Some("this host has habits of its own");
    }
    (!is_plain_link(&world.link)).then_some("the real air is not changed from here")
}

fn is_plain_router(router: &Router) -> bool {
    let Router { security, hidden, channel, rssi, access_points, subnet, dhcp, dns, ntp, powered, .. } =
        router;
    let is_heard =
        channel.is_none_or(|channel| channel.0 <= CHANNEL_MAX) && rssi.is_none_or(|rssi| rssi.0 >= RSSI_MIN);
    security.is_none()
        && !hidden
        && is_heard
        && access_points.is_empty()
        && *subnet == Subnet::DEFAULT
        && *dhcp == DhcpMode::Normal
        && *dns == DnsMode::Normal
        && *ntp == NtpMode::Normal
        && *powered
}

fn is_plain_cloud(cloud: &Cloud) -> bool {
    let Cloud { certificate, redirect_to, powered, login, .. } = cloud;
    *certificate == CertificateKind::Good
        && redirect_to.is_none()
        && *powered
        && *login == LoginAnswer::Normal
}

fn is_plain_phone(phone: &PhoneDevice) -> bool {
    let PhoneDevice { os, habits, leaves_ap_after, goes_cellular_after, .. } = phone;
    *os == PhoneOs::App && habits.is_empty() && leaves_ap_after.is_none() && goes_cellular_after.is_none()
}

fn is_plain_link(link: &Link) -> bool {
    let Link { loss_permille, corrupt_permille, reorder_permille, duplicate_permille, .. } = link;
    let Link { latency, jitter, mtu, partition, .. } = link;
    [loss_permille, corrupt_permille, reorder_permille, duplicate_permille]
        .iter()
        .all(|share| share.is_none())
        && latency.is_none()
        && jitter.is_none()
        && mtu.is_none()
        && partition.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why a world is refused that has this written in it.
    fn refused(head: &str, world: &str) -> Option<&'static str> {
        let text = format!("format: 1\ntitle: A story\n{head}world:\n{world}steps:\n  - wait: 1s\n");
        refusal(&Scenario::parse("story.yaml", &text).unwrap_or_else(|error| panic!("{error}")))
    }

    #[test]
    fn what_real_things_are_not_is_refused() {
        let home = "  routers:\n    - { name: home, ssid: HomeNet, password: correct horse";
        assert_eq!(refused("", &format!("{home}, rssi: -60, channel: 11 }}\n")), None);
        assert_eq!(refused("", "  routers: []\n"), None);
        for more in
            ["hidden: true", "dhcp: silent", "dns: captive", "powered: false", "rssi: -90", "channel: 36"]
        {
            let why = refused("", &format!("{home}, {more} }}\n"));
            assert_eq!(why, Some("its router is not one that serves as it should"), "{more}");
        }
        let cloud = Some("its cloud is not one that serves as it should");
        assert_eq!(refused("", "  clouds:\n    - { login: 4 }\n"), cloud);
        assert_eq!(refused("", "  clouds:\n    - { certificate: expired }\n"), cloud);
        assert_eq!(
            refused("", "  phones:\n    - { name: phone, os: ios }\n"),
            Some("this host has habits of its own")
        );
        assert_eq!(
            refused("", "  link: { loss_permille: 10 }\n"),
            Some("the real air is not changed from here")
        );
        assert_eq!(
            refused("", "  devices:\n    - { name: a }\n    - { name: b }\n"),
            Some("one board is here")
        );
        let two = refused("", "  phones:\n    - { name: a }\n    - { name: b }\n");
        assert_eq!(two, Some("this host is one phone"));
        let captive = refused("product: { captive_portal: true }\n", "  routers: []\n");
        assert_eq!(captive, Some("the board's product is its own"));
    }
}
