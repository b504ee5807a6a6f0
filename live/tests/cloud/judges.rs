//! What others make of the certificate: OpenSSL and a browser.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use libtest_mimic::{Failed, Trial};

use crate::clients::REQUIRE_ALL;
use crate::program::{Cloud, TOKEN, ensure};

/// By either name it is known under.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// The name that the certificate is for. Every host finds itself under it.
const NAME: &str = "localhost";

/// One for each judge, ignored where its programs are missing.
pub(crate) fn trials() -> Vec<Trial> {
    let openssl = runs("openssl", "version");
    let browser = BROWSERS.into_iter().find(|browser| runs(browser, "--version"));
    let has_certutil = runs("certutil", "-H");
    let may_browse = browser.filter(|_| has_certutil);
    vec![
        trial("openssl agrees about the certificate", openssl, "openssl", openssl_agrees),
        trial(
            "a browser agrees about the certificate",
            may_browse.is_some(),
            "chromium and certutil",
            move || a_browser_agrees(may_browse.unwrap_or_default()),
        ),
    ]
}

fn trial(
    name: &str,
    is_possible: bool,
    what: &str,
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    if is_possible {
        return Trial::test(name, test);
    }
    let why = format!("{what} cannot be run (apt install openssl chromium libnss3-tools)");
    let kind = format!("skipped: {why}");
    let must = env::var_os(REQUIRE_ALL).is_some();
    Trial::test(name, move || Err(Failed::from(why))).with_kind(kind).with_ignored_flag(!must)
}

fn runs(program: &str, argument: &str) -> bool {
    // Some say what they are with another exit code.
    silent(program).arg(argument).status().is_ok()
}

fn silent(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn start(folder: &Path) -> Result<(Cloud, String), Failed> {
    let authority = folder.join("ca.pem").to_str().ok_or("no path")?.to_owned();
    Ok((Cloud::start(&["--ca-out", &authority, "--name", NAME])?, authority))
}

fn text(Output { stdout, stderr, .. }: &Output) -> String {
    [stdout, stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

fn openssl_agrees() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (cloud, authority) = start(folder.path())?;
    let address = cloud.secure.to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        for (name, trusted, expected) in [
            (NAME, true, "Verify return code: 0 (ok)"),
            ("blynk.cloud", true, "hostname mismatch"),
            (NAME, false, "self-signed certificate in certificate chain|unable to get local issuer"),
        ] {
            let mut client = Command::new("openssl");
            client.args(["s_client", version, "-connect", &address, "-servername", name]);
            client.args(["-verify_hostname", name, "-verify_return_error", "-no-CApath", "-no-CAstore"]);
            client.args(if trusted { vec!["-CAfile", &authority] } else { vec!["-no-CAfile"] });
            let said = text(&client.stdin(Stdio::null()).output()?);
            let is_said = expected.split('|').any(|words| said.contains(words));
            ensure(is_said, format!("{version} {name}, trusted: {trusted}: {said}"))?;
        }
    }
    Ok(())
}

fn a_browser_agrees(browser: &str) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (cloud, authority) = start(folder.path())?;
    // Where Chromium looks for what its user trusts.
    let database = folder.path().join(".pki/nssdb");
    fs::create_dir_all(&database)?;
    let database = format!("sql:{}", database.display());
    ensure(
        silent("certutil").args(["-N", "-d", &database, "--empty-password"]).status()?.success(),
        "certutil",
    )?;
    let url =
        format!("https://{NAME}:{}/external/api/isHardwareConnected?token={TOKEN}", cloud.secure.port());
    for trusted in [false, true] {
        if trusted {
            let mut trust = silent("certutil");
            trust.args(["-A", "-d", &database, "-n", "test", "-t", "C,,", "-i", &authority]);
            ensure(trust.status()?.success(), "certutil")?;
        }
        let profile = folder.path().join(format!("profile-{trusted}"));
        let mut client = Command::new(browser);
        client.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--timeout=20000"]);
        client.arg(format!("--user-data-dir={}", profile.display())).arg(&url);
        client.env("HOME", folder.path()).stdin(Stdio::null()).stderr(Stdio::null());
        let page = text(&client.output()?);
        ensure(page.contains(">false</pre>") == trusted, format!("trusted: {trusted}: {page}"))?;
    }
    Ok(())
}
