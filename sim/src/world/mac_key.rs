//! A hardware address as the key of a map.

use smoltcp::wire::EthernetAddress;

/// A hardware address as one number, in the order of its bytes: every frame is looked up by it, and numbers
/// are compared at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct MacKey(u64);

impl From<EthernetAddress> for MacKey {
    fn from(EthernetAddress([a, b, c, d, e, f]): EthernetAddress) -> Self {
        Self(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }
}

impl From<MacKey> for EthernetAddress {
    fn from(MacKey(number): MacKey) -> Self {
        let [_, _, a, b, c, d, e, f] = number.to_be_bytes();
        Self([a, b, c, d, e, f])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_order_of_the_addresses_and_give_them_back() {
        let sorted =
            [[0, 0, 0, 0, 0, 9], [0, 1, 0, 0, 0, 0], [2, 0, 0, 0, 1, 0], [0xFF; 6]].map(EthernetAddress);
        assert!(sorted.map(MacKey::from).is_sorted_by(|a, b| a < b));
        assert_eq!(sorted.map(|address| EthernetAddress::from(MacKey::from(address))), sorted);
    }
}
