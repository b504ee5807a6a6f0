//! The authority of a simulated world, and the certificates that its servers show.

use std::sync::Arc;

use firmware_core::random::SplitMix64;
use hil_link::modelled_tls::Certificate;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::elliptic_curve::sec1::ToSec1Point;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber, SignatureAlgorithm,
};
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{self, CertifiedKey};
use rustls::{Error, ServerConfig, SignatureScheme, SupportedProtocolVersion};
use time::{Duration, OffsetDateTime};

use super::entropy;
use super::fixed_time::FixedTime;

/// How long before a story a certificate was issued.
const ISSUED_BEFORE: Duration = Duration::days(30);
/// How long a certificate is good, as those of Let's Encrypt are.
const LIFE: Duration = Duration::days(90);
/// How long an authority is good.
const AUTHORITY_LIFE: Duration = Duration::days(3_650);
/// The other name of [`Certificate::WrongName`].
const WRONG_NAME: &str = "wrong.example";

/// Signs the certificates of a world's servers. Whoever trusts it trusts them.
pub struct Authority {
    root: Signed,
    /// Signs in the root's place, as every public authority has it.
    intermediate: Signed,
    /// One that nobody trusts.
    unknown: Signed,
    /// When the story begins.
    begins: OffsetDateTime,
}

/// An authority's key and certificate.
struct Signed {
    issuer: Issuer<'static, Key>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    /// An authority for a world whose story begins at this time, in seconds since 1970.
    pub fn new(seed: u64, unix_time_s: i64) -> Self {
        let mut random = SplitMix64::new(seed);
        // The time of a world is one of our own constants or the host's clock.
        let begins = OffsetDateTime::from_unix_timestamp(unix_time_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let root = Signed::alone("Edgent HIL Root", begins, &mut random);
        let intermediate = root.sign_authority("Edgent HIL R1", begins, &mut random);
        let unknown = Signed::alone("Nobody knows me", begins, &mut random);
        Self { root, intermediate, unknown, begins }
    }

    /// The root's certificate (X.509, DER).
    pub fn certificate(&self) -> &[u8] {
        &self.root.certificate
    }

    /// What a server with these names shows, and the key to it.
    pub(super) fn issue(
        &self,
        hosts: &[String],
        certificate: Certificate,
        versions: &[&'static SupportedProtocolVersion],
        random: &mut SplitMix64,
    ) -> Arc<ServerConfig> {
        let wrong = [WRONG_NAME.to_owned()];
        let names = if certificate == Certificate::WrongName { &wrong[..] } else { hosts };
        let mut params = params(&names[0], self.begins - ISSUED_BEFORE, LIFE, random);
        if certificate == Certificate::Expired {
            params.not_before = self.begins - LIFE - Duration::DAY;
            params.not_after = self.begins - Duration::DAY;
        }
        // Hosts of a scenario are ASCII, as names in certificates are.
        params.subject_alt_names =
            CertificateParams::new(names.to_vec()).map(|params| params.subject_alt_names).unwrap_or_default();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let signer =
            if certificate == Certificate::UnknownAuthority { &self.unknown } else { &self.intermediate };
        let key = Key::draw(random);
        let leaf = params.signed_by(&key, &signer.issuer).expect("our own parameters make a certificate");
        let chain = vec![leaf.der().clone(), signer.certificate.clone()];
        let shown = Arc::new(CertifiedKey::new(chain, Arc::new(key)));
        let mut config =
            ServerConfig::builder_with_details(entropy::provider(), Arc::new(FixedTime(self.begins)))
                .with_protocol_versions(versions)
                .expect("the provider has ciphers for TLS 1.2 and 1.3")
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(Shown(shown)));
        // Nobody resumes a session here.
        config.send_tls13_tickets = 0;
        Arc::new(config)
    }
}

impl Signed {
    fn alone(name: &str, begins: OffsetDateTime, random: &mut SplitMix64) -> Self {
        let params = authority_params(name, begins, random);
        let key = Key::draw(random);
        let certificate = params.self_signed(&key).expect("our own parameters make a certificate");
        Self { certificate: certificate.der().clone(), issuer: Issuer::new(params, key) }
    }

    fn sign_authority(&self, name: &str, begins: OffsetDateTime, random: &mut SplitMix64) -> Self {
        let mut params = authority_params(name, begins, random);
        params.use_authority_key_identifier_extension = true;
        let key = Key::draw(random);
        let certificate =
            params.signed_by(&key, &self.issuer).expect("our own parameters make a certificate");
        Self { certificate: certificate.der().clone(), issuer: Issuer::new(params, key) }
    }
}

fn authority_params(name: &str, begins: OffsetDateTime, random: &mut SplitMix64) -> CertificateParams {
    let mut params = params(name, begins - AUTHORITY_LIFE / 2, AUTHORITY_LIFE, random);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// What every certificate has. Serial number and key identifier are drawn, for nothing may come from the system.
fn params(
    name: &str,
    not_before: OffsetDateTime,
    life: Duration,
    random: &mut SplitMix64,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = not_before;
    params.not_after = not_before + life;
    // Positive, and as long for each (RFC 5280 section 4.1.2.2).
    params.serial_number = Some(SerialNumber::from(random.next_u64() >> 2 | 1 << 61));
    params.key_identifier_method = KeyIdMethod::PreSpecified(random.next_u64().to_be_bytes().to_vec());
    params
}

/// A P-256 key whose signatures are the same each time (RFC 6979).
#[derive(Clone)]
struct Key {
    signing: SigningKey,
    public: Vec<u8>,
}

impl Key {
    fn draw(random: &mut SplitMix64) -> Self {
        let key = entropy::draw_key(random);
        let public = key.public_key().to_sec1_point(false).as_bytes().to_vec();
        Self { signing: SigningKey::from(key), public }
    }

    fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.signing.sign(message);
        signature.as_bytes().to_vec()
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key")
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.sign_der(message))
    }
}

impl sign::SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn sign::Signer>> {
        let is_offered = offered.contains(&SignatureScheme::ECDSA_NISTP256_SHA256);
        is_offered.then(|| Box::new(self.clone()) as Box<dyn sign::Signer>)
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        rustls::SignatureAlgorithm::ECDSA
    }
}

impl sign::Signer for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.sign_der(message))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

/// The one certificate that a server shows, whatever name it is asked for.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}
