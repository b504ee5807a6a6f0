//! Clients that are not ours: a TLS library, and two of the protocol in Python.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use hil_sim::firmware_build;
use libtest_mimic::{Failed, Trial};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};
use serde_json::Value;

use crate::program::{Cloud, PATIENCE, TOKEN, ensure, login};

/// Set where everything optional must be there.
pub(crate) const REQUIRE_ALL: &str = "HIL_REQUIRE_ALL";
/// Names a Python with the clients, where it is not the one on the path.
const PYTHON_VARIABLE: &str = "HIL_PYTHON";

/// A client: the test's name, its module, its package, its script, and whether it speaks TLS.
const CLIENTS: [(&str, &str, &str, &str, bool); 3] = [
    ("blynklib logs in, writes, syncs and pings", "blynklib", "blynklib==0.2.6", "blynklib_client.py", false),
    ("blynklib does so over tls", "blynklib", "blynklib==0.2.6", "blynklib_client.py", true),
    (
        "blynk-library-python logs in, writes, syncs and pings",
        "BlynkLib",
        "blynk-library-python==0.2.0",
        "blynk_library_client.py",
        false,
    ),
];

/// One for each client, ignored where it is missing.
pub(crate) fn python_trials() -> Vec<Trial> {
    let python = env::var_os(PYTHON_VARIABLE).map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let trial = |(name, module, package, script, is_secure)| {
        let mut import = Command::new(&python);
        import.args(["-c", &format!("import {module}")]);
        import.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if import.status().is_ok_and(|status| status.success()) {
            let python = python.clone();
            return Trial::test(name, move || a_python_client_is_served(&python, script, is_secure));
        }
        let missing = format!("{} has no {module} (pip install {package})", python.display());
        let must = env::var_os(REQUIRE_ALL).is_some();
        let why = missing.clone();
        let trial = Trial::test(name, move || Err(Failed::from(why)));
        trial.with_kind(format!("skipped: {missing}")).with_ignored_flag(!must)
    };
    CLIENTS.map(trial).into()
}

fn a_python_client_is_served(python: &Path, script: &str, is_secure: bool) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let authority = folder.path().join("ca.pem");
    let cloud = Cloud::start(&["--verbose", "--ca-out", authority.to_str().ok_or("no path")?])?;
    // What the client asks for is there before it comes.
    cloud.get(&format!("/external/api/update?token={TOKEN}&v6=for+the+client"))?;
    let mut client = Command::new(python);
    client.arg(firmware_build::project().join("live/tests/cloud").join(script));
    let address = if is_secure { cloud.secure } else { cloud.plain };
    client.args([&address.port().to_string(), TOKEN]);
    client.arg(if is_secure { authority.as_os_str() } else { "-".as_ref() });
    let mut client = client.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // It has a limit of its own; this one is for a client that hangs.
    let limit = Instant::now() + 2 * PATIENCE;
    while client.try_wait()?.is_none() {
        if Instant::now() > limit {
            client.kill()?;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let output = client.wait_with_output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure(output.status.success(), complaint)?;
    let seen: Value = serde_json::from_slice(&output.stdout)?;
    ensure(seen["connected"] == true && seen["still"] == true, &seen)?;
    ensure(seen["down"].to_string().contains("for the client"), &seen)?;
    let (_, value) = cloud.get(&format!("/external/api/get?token={TOKEN}&v5"))?;
    ensure(value.starts_with("from blynk"), value)
}

pub(crate) fn tls_is_signed_by_the_authority() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let authority = folder.path().join("ca.pem");
    let path = authority.to_str().ok_or("no path")?;
    let cloud = Cloud::start(&["--ca-out", path, "--name", "cloud.test", "--name", "127.0.0.1"])?;
    ensure(!fs::read_to_string(&authority)?.contains("PRIVATE"), "the file holds no key")?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&authority)?)?;
    for (name, is_good) in [("cloud.test", true), ("127.0.0.1", true), ("blynk.cloud", false)] {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let mut session = ClientConnection::new(Arc::new(config), ServerName::try_from(name)?)?;
        let mut socket = TcpStream::connect(cloud.secure)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut stream = Stream::new(&mut session, &mut socket);
        let mut answer = [0; 5];
        let done = stream.write_all(&login(TOKEN)).and_then(|()| stream.read_exact(&mut answer));
        let is_served = done.is_ok() && answer == [0, 0, 1, 0, 200];
        ensure(is_served == is_good, format!("{name}: {done:?} {answer:?}"))?;
    }
    Ok(())
}
