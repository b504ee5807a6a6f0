//! TLS from a live device to `hil cloud`, both on real sockets.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::acceptance::{CLOUD, Cloud, TOKEN, ensure};
use super::bench::{Bench, DEVICE};

/// The cloud's port for TLS.
const PORT: u16 = 9443;

/// Writes an authority's certificate, and a certificate of the cloud's with its key; returns the first.
fn make_authority(folder: &Path) -> Result<PathBuf, Failed> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "An authority for one test");
    let file = folder.join("authority.pem");
    fs::write(&file, authority.self_signed(&authority_key)?.pem())?;
    let key = KeyPair::generate()?;
    let issuer = Issuer::new(authority, authority_key);
    let certificate = CertificateParams::new(vec![CLOUD.to_owned()])?.signed_by(&key, &issuer)?;
    fs::write(folder.join("cloud.pem"), certificate.pem())?;
    fs::write(folder.join("cloud.key"), key.serialize_pem())?;
    Ok(file)
}

fn configure(bench: &Bench) -> Result<(), Failed> {
    let query = format!("ssid=HomeNet&pass=correct%20horse&blynk={TOKEN}&host={CLOUD}&port_ssl={PORT}");
    bench.ask_device(&format!("/config?{query}")).map(drop)
}

/// The device gets into a cloud whose certificate its authority has signed, and the cloud says that it is there.
pub(crate) fn it_logs_in_through_tls() -> Result<(), Failed> {
    let bench = Bench::trusting(make_authority)?;
    let folder = bench.folder.path();
    let files = ["cloud.pem", "cloud.key"].map(|file| folder.join(file).display().to_string());
    let _cloud = Cloud::start_with_tls(&bench, PORT, Some([&files[0], &files[1]]))?;
    configure(&bench)?;
    let url = format!("http://{CLOUD}:8080/external/api/isHardwareConnected?token={TOKEN}");
    bench.wait_for("the device at the cloud", || Ok(bench.curl(&[&url])? == "true"))
}

/// A cloud with a certificate of its own making is not trusted: 711, and no token has been told.
pub(crate) fn a_stranger_is_not_trusted() -> Result<(), Failed> {
    let bench = Bench::trusting(make_authority)?;
    let _cloud = Cloud::start_with_tls(&bench, PORT, None)?;
    configure(&bench)?;
    bench.wait_for("the device with its error", || {
        let said = bench.run("curl", &["-sf", "-m", "2", &format!("http://{DEVICE}/board_info.json")])?;
        Ok(said.out.contains("\"last_error\":711"))
    })?;
    let url = format!("http://{CLOUD}:8080/external/api/isHardwareConnected?token={TOKEN}");
    let said = bench.curl(&[&url])?;
    ensure(said == "false", || said)
}
