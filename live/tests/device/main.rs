//! `hil serve` and programs that are not ours: `dhclient`, `dig` and `curl` in a network namespace with the device's
//! access point and the home's network.
//!
//! They take Linux, the right to make namespaces and interfaces, and those programs. Without them the tests are ignored
//! and say what is missing; with `HIL_REQUIRE_ALL` set, as in CI, they fail instead.

#[cfg(target_os = "linux")]
mod abuse;
#[cfg(target_os = "linux")]
mod acceptance;
#[cfg(target_os = "linux")]
mod bench;
#[cfg(target_os = "linux")]
mod browser;
#[cfg(target_os = "linux")]
mod clients;
#[cfg(target_os = "linux")]
mod tls;

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::env;
    use std::process::{Command, ExitCode, Stdio};

    use libtest_mimic::{Arguments, Failed, Trial};

    use super::{abuse, acceptance, browser, clients, tls};

    /// Set where everything optional must be there.
    const REQUIRE_ALL: &str = "HIL_REQUIRE_ALL";
    /// Which package brings a program.
    const PACKAGES: [(&str, &str); 6] = [
        ("ip", "iproute2"),
        ("dhclient", "isc-dhcp-client"),
        ("dig", "bind9-dnsutils"),
        ("curl", "curl"),
        ("nsenter", "util-linux"),
        ("setpriv", "util-linux"),
    ];

    /// By whatever name it is here.
    const CHROMIUM: &str = "chromium";

    type Test = fn() -> Result<(), Failed>;

    /// What is tested, and with which programs beside `ip`.
    const TESTS: [(&str, &[&str], Test); 19] = [
        ("a device logs in to a cloud through TLS", &["curl"], tls::it_logs_in_through_tls),
        ("a device gives a cloud that it does not trust no token", &["curl"], tls::a_stranger_is_not_trusted),
        (
            "dhclient gets a lease with what the device promises",
            &["dhclient"],
            clients::dhclient_gets_a_lease,
        ),
        (
            "dhclient hears of a captive portal where there is one",
            &["dhclient"],
            clients::dhclient_hears_of_the_portal,
        ),
        ("a missing right is told", &["setpriv"], clients::a_missing_right_is_told),
        ("dig is answered as the RFCs say", &["dig", "curl"], clients::dig_is_answered),
        ("curl sets the device up in three calls", &["dig", "curl"], clients::curl_sets_it_up),
        (
            "curl hears why a password is wrong, and tries again",
            &["dig", "curl"],
            clients::a_wrong_password_is_told,
        ),
        (
            "a captive portal answers every probe with its page",
            &["dig", "curl"],
            clients::a_captive_portal_answers,
        ),
        ("without a captive portal nobody is led astray", &["dig", "curl"], clients::no_portal_unless_wanted),
        ("a person sets it up in a browser", &["dig", "curl", CHROMIUM], clients::a_browser_sets_it_up),
        ("a browser meets the captive portal", &["curl", CHROMIUM], clients::a_browser_meets_the_portal),
        ("it ends and leaves nothing behind", &["curl"], clients::it_leaves_nothing_behind),
        ("a name that is taken is told and touched by nobody", &[], clients::a_taken_name_is_told),
        (
            "acceptance: a first setup, the plug and the button",
            &["curl", "nsenter"],
            acceptance::a_first_setup_is_accepted,
        ),
        (
            "acceptance: a wrong password, then the right one",
            &["curl"],
            acceptance::a_wrong_password_is_accepted,
        ),
        (
            "acceptance: a token and a person in the place of an account and a command",
            &["curl"],
            acceptance::a_token_and_a_person_do,
        ),
        ("acceptance: what is not so is told", &["curl"], acceptance::what_is_not_so_is_told),
        (
            "it outlives two hundred clients, slow ones and garbage",
            &["dig", "curl"],
            abuse::it_outlives_abuse,
        ),
    ];

    pub(super) fn main() -> ExitCode {
        let mut arguments = Arguments::from_args();
        // Each has a device in real time, which mostly waits: more run at once than there are cores.
        arguments.test_threads = arguments.test_threads.or(Some(7));
        let permitted = may_make_namespaces();
        let trials = TESTS.map(|(name, programs, test)| {
            let missing = programs.iter().chain(&["ip"]).find_map(|program| missing(program));
            match missing.or_else(|| permitted.as_ref().err().cloned()) {
                None => Trial::test(name, test),
                Some(why) => skipped(name, &why),
            }
        });
        libtest_mimic::run(&arguments, trials.into()).exit_code()
    }

    fn missing(program: &str) -> Option<String> {
        if program == CHROMIUM {
            return browser::chromium()
                .is_none()
                .then(|| "chromium is missing (package chromium)".to_owned());
        }
        let found = Command::new("sh")
            .args(["-c", "command -v \"$0\"", program])
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        let package = PACKAGES.iter().find(|(name, _)| *name == program).map_or("?", |(_, package)| package);
        (!found).then(|| format!("{program} is missing (package {package})"))
    }

    /// Tries it, because what is permitted depends on more than the user.
    fn may_make_namespaces() -> Result<(), String> {
        let name = format!("hiltry{}", std::process::id());
        let run = |arguments: &[&str]| Command::new("ip").args(arguments).output();
        let added = run(&["netns", "add", &name]).map_err(|error| format!("`ip` cannot be run: {error}"))?;
        let made = run(&["-n", &name, "tuntap", "add", "dev", "hiltry", "mode", "tap"]);
        let removed = run(&["netns", "delete", &name]);
        let all = [Some(added), made.ok(), removed.ok()];
        if all.iter().all(|output| output.as_ref().is_some_and(|output| output.status.success())) {
            return Ok(());
        }
        Err("network namespaces and TAP interfaces are not permitted (run as root)".to_owned())
    }

    fn skipped(name: &str, missing: &str) -> Trial {
        let must = env::var_os(REQUIRE_ALL).is_some();
        let why = missing.to_owned();
        let trial = Trial::test(name, move || Err(Failed::from(why)));
        trial.with_kind(format!("skipped: {missing}")).with_ignored_flag(!must)
    }
}
