//! The certificate, and an authority of one's own that has signed it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::options::CloudError;

/// What the authority is called.
const AUTHORITY: &str = "Edgent HIL cloud, made for one run";

/// Where the certificate comes from.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// An authority that is made for this run signs one for these names; its own certificate is written there.
    Made {
        /// Names and addresses.
        names: Vec<String>,
        /// The file for the authority's certificate.
        ca_out: Option<PathBuf>,
    },
    /// Files.
    Given {
        /// The certificate, and those that lead to its authority.
        cert: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

/// What shakes hands with clients.
pub(super) fn acceptor(source: &CertificateSource) -> Result<TlsAcceptor, CloudError> {
    let (chain, key) = match source {
        CertificateSource::Made { names, ca_out } => make(names, ca_out.as_deref())?,
        CertificateSource::Given { cert, key } => read(cert, key)?,
    };
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| CloudError::Certificate(error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn make(names: &[String], ca_out: Option<&Path>) -> Result<Identity, CloudError> {
    let failed = |error: rcgen::Error| CloudError::Certificate(error.to_string());
    let authority_key = KeyPair::generate().map_err(failed)?;
    let mut authority = params(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, AUTHORITY);
    let authority_certificate = authority.self_signed(&authority_key).map_err(failed)?;
    if let Some(file) = ca_out {
        fs::write(file, authority_certificate.pem()).map_err(|error| CloudError::File {
            file: file.into(),
            what: "written",
            error,
        })?;
    }
    let key = KeyPair::generate().map_err(failed)?;
    let mut leaf = params(names.to_vec())?;
    leaf.distinguished_name.push(DnType::CommonName, names.first().map_or("localhost", String::as_str));
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    let issuer = Issuer::new(authority, authority_key);
    let certificate = leaf.signed_by(&key, &issuer).map_err(failed)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok((vec![certificate.der().clone()], key.into()))
}

/// A certificate that clients take whose clock is wrong, and whose dates have two digits for the year.
fn params(names: Vec<String>) -> Result<CertificateParams, CloudError> {
    let shown = names.join(", ");
    let mut params = CertificateParams::new(names)
        .map_err(|error| CloudError::Certificate(format!("no certificate is for {shown}: {error}")))?;
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params.distinguished_name = rcgen::DistinguishedName::new();
    Ok(params)
}

fn read(cert: &Path, key: &Path) -> Result<Identity, CloudError> {
    let unreadable = |file: &Path| {
        let file = file.display().to_string();
        move |error| CloudError::Certificate(format!("{file} cannot be read: {error}"))
    };
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect).map_err(unreadable(cert))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    Ok((chain, key))
}
