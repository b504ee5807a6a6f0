//! The networks a scan heard, as a phone wants to see them: the strongest first and not too many.

use heapless::Vec;

use crate::hal::Network;

/// Edgent lists this many networks.
pub const NETWORKS_MAX: usize = 15;

/// At most 15 networks, the strongest first. Built as the radio hears them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScanList {
    networks: Vec<Network, NETWORKS_MAX>,
}

impl ScanList {
    /// A list without networks.
    pub const fn new() -> Self {
        Self { networks: Vec::new() }
    }

    /// Forgets every network, before a new scan.
    pub fn clear(&mut self) {
        self.networks.clear();
    }

    /// Takes one network; the weakest one leaves a full list.
    ///
    /// An access point heard twice (same BSSID) counts once, with its best signal and, if it is hidden and
    /// told its name only once, with that name. Networks of equal strength keep the order they came in.
    /// Hidden networks are kept with an empty name, as on Edgent.
    pub fn add(&mut self, mut network: Network) {
        if let Some(at) = self.networks.iter().position(|known| known.bssid == network.bssid) {
            let known = self.networks.remove(at);
            if network.ssid.is_empty() {
                network.ssid = known.ssid;
            }
            network.rssi = network.rssi.max(known.rssi);
        }
        let at = self.networks.partition_point(|known| known.rssi >= network.rssi);
        if at == NETWORKS_MAX {
            return;
        }
        if self.networks.is_full() {
            self.networks.pop();
        }
        // There is room now and `at` is within the list, so that this cannot fail.
        let inserted = self.networks.insert(at, network);
        debug_assert!(inserted.is_ok());
    }

    /// The networks, the strongest first.
    pub fn networks(&self) -> &[Network] {
        &self.networks
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use proptest::prelude::*;
    use smoltcp::wire::EthernetAddress;

    use super::*;
    use crate::config::Ssid;
    use crate::hal::Security;

    fn network(name: &str, id: u8, rssi: i8) -> Network {
        Network {
            ssid: Ssid::new(name.as_bytes()).unwrap(),
            bssid: EthernetAddress([2, 0, 0, 0, 0, id]),
            channel: 1,
            rssi,
            security: Security::Wpa2,
        }
    }

    #[track_caller]
    fn check(heard: &[(&str, u8, i8)], expected: &[&str]) {
        let mut list = ScanList::new();
        for (name, id, rssi) in heard {
            list.add(network(name, *id, *rssi));
        }
        let names: Vec<String> =
            list.networks().iter().map(|network| format!("{} {}", network.ssid, network.rssi)).collect();
        assert_eq!(names, expected.iter().map(ToString::to_string).collect::<Vec<_>>());
    }

    #[test]
    fn a_new_scan_begins_with_nothing() {
        let mut list = ScanList::new();
        list.add(network("old", 1, -40));
        list.clear();
        assert_eq!(list.networks(), []);
    }

    #[test]
    fn the_strongest_come_first_and_equals_keep_their_order() {
        check(
            &[("far", 1, -80), ("b", 2, -60), ("near", 3, -40), ("a", 4, -60)],
            &["near -40", "b -60", "a -60", "far -80"],
        );
    }

    #[test]
    fn one_access_point_counts_once_and_a_mesh_stays_a_mesh() {
        check(&[("mesh", 1, -70), ("mesh", 2, -50), ("mesh", 1, -60)], &["mesh -50", "mesh -60"]);
    }

    #[test]
    fn a_hidden_network_keeps_the_name_it_told_once() {
        check(&[("", 1, -50)], &[" -50"]);
        check(&[("", 1, -50), ("secret", 1, -55)], &["secret -50"]);
        check(&[("secret", 1, -55), ("", 1, -50)], &["secret -50"]);
    }

    proptest! {
        #[test]
        fn a_crowd_leaves_the_15_strongest(heard in prop::collection::vec((0u8..40, -100i8..-20), 0..80)) {
            let mut list = ScanList::new();
            let mut best: BTreeMap<u8, i8> = BTreeMap::new();
            for (id, rssi) in heard {
                list.add(network("n", id, rssi));
                let known = best.entry(id).or_insert(rssi);
                *known = rssi.max(*known);
            }
            let mut expected: Vec<i8> = best.into_values().collect();
            expected.sort_unstable_by(|a, b| b.cmp(a));
            expected.truncate(NETWORKS_MAX);
            prop_assert_eq!(list.networks().iter().map(|n| n.rssi).collect::<Vec<_>>(), expected);
        }
    }
}
