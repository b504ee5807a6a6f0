//! The authorities that the device carries.

use sha2::{Digest, Sha256};

const ISRG_ROOT_X1: &[u8] = include_bytes!("../../../device-tls/roots/isrg-root-x1.der");
const AMAZON_ROOT_CA_1: &[u8] = include_bytes!("../../../device-tls/roots/amazon-root-ca-1.der");
const DIGICERT_GLOBAL_ROOT_G2: &[u8] =
    include_bytes!("../../../device-tls/roots/digicert-global-root-g2.der");

/// All of them.
pub(crate) const ALL: [&[u8]; 3] = [ISRG_ROOT_X1, AMAZON_ROOT_CA_1, DIGICERT_GLOBAL_ROOT_G2];

/// Compares them with the fingerprints that their owners publish.
pub(crate) fn check() {
    let found = ALL.map(|root| data_encoding::HEXUPPER.encode(&Sha256::digest(root)));
    let published = [
        "96BCEC06264976F37460779ACF28C5A7CFE8A3C0AAE11A8FFCEE05C0BDDF08C6",
        "8ECDE6884F3D87B1125BA31AC3FCB13D7016DE7F57CC904FE1CB97C6AE98196E",
        "CB3CCBB76031E5E0138F8DD39A23F9DE47FFC35E43C1144CEA27D46A5AB1CB5F",
    ];
    assert_eq!(found, published);
}
