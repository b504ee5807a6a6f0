//! `hil cloud` from outside: the program, plain sockets, and real clients of the protocol as judges.
//!
//! The Python clients, OpenSSL and the browser are optional. Without them their tests are ignored and say what is missing; with
//! `HIL_REQUIRE_ALL` set, as in CI, they fail instead.

mod api;
mod clients;
mod faults;
mod judges;
mod program;
mod store;

use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};

use program::{Cloud, PASSWORD, TEMPLATE, TOKEN, command, ensure, failed, frame, login, ping};

type Test = fn() -> Result<(), Failed>;

const TESTS: [(&str, Test); 17] = [
    ("it says where it listens and ends when it is told to", it_ends_when_it_is_told_to),
    ("a made-up password is told once", a_made_up_password_is_told_once),
    ("options that say nothing are refused with what there is", options_that_say_nothing_are_refused),
    ("silence ends a connection by the switch", silence_ends_a_connection),
    ("a second login ends the first connection", a_second_login_ends_the_first),
    ("no secret is told", no_secret_is_told),
    ("from an account to an online device over http", api::from_an_account_to_an_online_device),
    ("http writes reach the device at once", api::http_writes_reach_the_device),
    ("what is not served says so", api::what_is_not_served_says_so),
    ("tls shows a certificate that the authority has signed", clients::tls_is_signed_by_the_authority),
    ("what was answered survives a kill", store::what_was_answered_survives_a_kill),
    ("a file of somebody else is not touched", store::a_foreign_file_is_not_touched),
    ("faults change what a device meets", faults::faults_change_what_a_device_meets),
    ("faults change the order and the pieces of answers", faults::faults_change_pieces_and_order),
    ("devices come and go by the admin api", faults::devices_come_and_go),
    ("connections can be refused and closed", faults::connections_can_be_refused_and_closed),
    ("the admin api refuses what it does not know", faults::the_admin_api_refuses),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials: Vec<_> = TESTS.map(|(name, test)| Trial::test(name, test)).into();
    trials.extend(clients::python_trials());
    trials.extend(judges::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn it_ends_when_it_is_told_to() -> Result<(), Failed> {
    for signal in ["-INT", "-TERM"] {
        let cloud = Cloud::start(&[])?;
        let mut device = cloud.device(TOKEN)?;
        let (code, _) = cloud.end_with(signal)?;
        ensure(code == Some(0), format!("{signal}: {code:?}"))?;
        device.expect_end()?;
    }
    Ok(())
}

fn a_made_up_password_is_told_once() -> Result<(), Failed> {
    let mut without = command(&[]);
    without.env_remove("HIL_CLOUD_PASSWORD");
    let cloud = Cloud::run(without)?;
    let password = cloud.welcome.split("the password ").nth(1).and_then(|rest| rest.split(',').next());
    let password = password.ok_or_else(|| cloud.welcome.clone())?;
    ensure(password.len() == 16, &cloud.welcome)?;
    let given = Cloud::start(&[])?;
    ensure(!given.welcome.contains(PASSWORD), "a given password is not repeated")
}

fn options_that_say_nothing_are_refused() -> Result<(), Failed> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let taken = taken.local_addr()?.port().to_string();
    let free = ["--port", "0", "--tls-port", "0"];
    for (arguments, code, words) in [
        (&["--set", "heart-beat=2"][..], 2, "there is no switch `heart-beat`; there are"),
        (&["--set", "second-login=never"], 2, "it takes replace or refuse"),
        (&["--template", "Lamp"], 2, "is not TMPLxxxxxxxxx=NAME"),
        (&["--device", "TMPLnobody"], 2, "names no template of the account"),
        (&["--device", TEMPLATE, "--template", "TMPLtest0001=Lamp"], 2, "in HIL_CLOUD_TOKEN"),
        (&["--cert", "none.pem", "--key", "none.pem"], 3, "none.pem cannot be read"),
        (&["--name", "größe"], 3, "no certificate"),
        (&["--database", "/nowhere/cloud.sqlite"], 3, "/nowhere/cloud.sqlite cannot be opened"),
    ] {
        let (ended, said) = failed(&[&free[..], arguments].concat())?;
        ensure(ended == Some(code) && said.contains(words), format!("{arguments:?}: {ended:?} {said}"))?;
    }
    let (ended, said) = failed(&["--port", &taken, "--tls-port", "0"])?;
    ensure(ended.is_some_and(|code| code == 3), said)
}

fn silence_ends_a_connection() -> Result<(), Failed> {
    let cloud = Cloud::start(&["--set", "heartbeat-factor=0.5"])?;
    let mut device = cloud.connect()?;
    device.say(&login(TOKEN))?;
    device.expect(&[0, 0, 1, 0, 200])?;
    device.say(&frame(17, 2, b"h-beat\x001"))?;
    device.expect(&[0, 0, 2, 0, 200])?;
    device.expect_end()?;
    cloud.hear("device 1 went offline")
}

fn a_second_login_ends_the_first() -> Result<(), Failed> {
    let cloud = Cloud::start(&[])?;
    let mut first = cloud.device(TOKEN)?;
    let mut second = cloud.device(TOKEN)?;
    first.expect_end()?;
    second.say(&ping(3))?;
    second.expect(&[0, 0, 3, 0, 200])?;
    let other = Cloud::start(&["--set", "second-login=refuse"])?;
    let _first = other.device(TOKEN)?;
    let mut second = other.connect()?;
    second.say(&login(TOKEN))?;
    second.expect(&[0, 0, 1, 0, 4])
}

fn no_secret_is_told() -> Result<(), Failed> {
    let cloud = Cloud::start(&["--verbose"])?;
    let bearer = cloud.bearer()?;
    let mut device = cloud.device(TOKEN)?;
    device.say(&frame(20, 3, b"vw\x005\x00123"))?;
    device.say(&login("another-token-0123456789abcdefgh"))?;
    device.expect(&[0, 0, 1, 0, 4])?;
    cloud.hear("wrote V5 = 123")?;
    let (status, _) = cloud.get(&format!("/external/api/get?token={TOKEN}&v5"))?;
    ensure(status == 200, status)?;
    let (_, told) = cloud.end_with("-TERM")?;
    let bearer = bearer.trim().rsplit(' ').next().unwrap_or_default();
    for secret in [TOKEN, PASSWORD, "another-token-0123456789abcdefgh", bearer] {
        ensure(!told.contains(secret), &told)?;
    }
    Ok(())
}

/// Long enough for an answer that is on its way, short enough to wait for.
const A_WHILE: Duration = Duration::from_millis(300);
