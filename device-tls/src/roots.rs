//! The authorities that Blynk's own library trusts, as DER.

/// ISRG Root X1 (Let's Encrypt), RSA 4096, until 2035-06-04.
pub const ISRG_ROOT_X1: &[u8] = include_bytes!("../roots/isrg-root-x1.der");
/// Amazon Root CA 1, RSA 2048, until 2038-01-17.
pub const AMAZON_ROOT_CA_1: &[u8] = include_bytes!("../roots/amazon-root-ca-1.der");
/// DigiCert Global Root G2, RSA 2048, until 2038-01-15.
pub const DIGICERT_GLOBAL_ROOT_G2: &[u8] = include_bytes!("../roots/digicert-global-root-g2.der");

/// All of them.
pub const BLYNK_CLOUD: &[&[u8]] = &[ISRG_ROOT_X1, AMAZON_ROOT_CA_1, DIGICERT_GLOBAL_ROOT_G2];
