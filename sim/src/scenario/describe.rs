//! Steps in words, as a person would tell them: one line each, secrets starred.

use super::arm::{Arm, Armed, BrownoutPoint, Moment, Point};
use super::credential::{Secret, Ssid};
use super::expect::{ApState, Connectivity, Expect, FaultState, Presence, StoreState};
use super::link::{Heal, LinkChange};
use super::phone::{Configure, DnsRecord, Lookup, PhoneAction, PhoneChange, Provision, TokenChoice};
use super::step::{
    AfterLogin, Bouncing, Button, ClockChange, CloudChange, Power, Step, StrangeFrame, Switch, Verb,
};
use super::value::{At, Count, Name, spoken};
use super::world::{CertificateKind, Habit, Handshake, LoginAnswer, PhoneOs};

impl Step {
    /// The step in one line of English, without secrets: `phone joins the device's access point`.
    pub fn describe(&self) -> String {
        let mut what = self.verb.describe();
        if self.meanwhile {
            what.push_str(", while the next steps happen");
        }
        if self.may_fail {
            what.push_str(", or fails");
        }
        match &self.actor {
            Some(actor) => format!("{actor} {what}"),
            None => what,
        }
    }
}

impl Verb {
    /// What the actor does or must do, in one line of English that follows its name, without secrets.
    pub fn describe(&self) -> String {
        let line = match self {
            Self::Power(power) => power.describe().to_owned(),
            Self::Phone(action) => action.describe(),
            Self::Button(button) => button.describe(),
            Self::Console(line) => format!("gets `{}` typed on its console", starred_console(line)),
            Self::Flash(change) => change.describe(),
            Self::Clock(change) => change.describe(),
            Self::Router(change) => change.describe(),
            Self::Cloud(change) => change.describe(),
            Self::Link(change) => change.describe(),
            Self::Expect(expect) => expect.describe(),
            Self::Wait(time) => format!("{} pass", spoken(*time)),
            Self::Arm(arm) => arm.describe(),
            Self::Settle(within) => {
                format!("all faults end, and all devices settle within {}", spoken(*within))
            }
        };
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

/// Keeps the command and stars what may be a token or a password: everything behind `connect`.
fn starred_console(line: &str) -> String {
    let mut words = line.split_whitespace();
    match words.next() {
        Some(command) if command.eq_ignore_ascii_case("connect") => {
            words.fold(command.to_owned(), |line, _| line + " ***")
        }
        Some(_) | None => line.to_owned(),
    }
}

impl PhoneAction {
    fn describe(&self) -> String {
        match self {
            Self::GetToken => "asks the cloud for a token".to_owned(),
            Self::Join => "joins the device's access point".to_owned(),
            Self::JoinDevice(device) => format!("joins the access point of {device}"),
            Self::Leave => "leaves the access point".to_owned(),
            Self::BoardInfo => "reads the board info".to_owned(),
            Self::Scan => "reads the list of networks".to_owned(),
            Self::Configure(configure) => configure.describe(),
            Self::Provision(provision) => provision.describe(),
            Self::Request(request) => {
                // A query or a body may hold a password.
                let path = request.path.split('?').next().unwrap_or_default();
                let times =
                    request.pipelined.map_or(String::new(), |count| format!(", {count} times in one go"));
                let port = request.port.map_or(String::new(), |port| format!(" on port {port}"));
                let end = if request.refused { ", and is not let in" } else { "" };
                format!("requests {} {path}{port}{times}{end}", request.method)
            }
            Self::Browse => "opens the setup page in a browser".to_owned(),
            Self::HalfOpen(Count(1)) => "opens a connection and says nothing".to_owned(),
            Self::HalfOpen(count) => format!("opens {count} connections and says nothing"),
            Self::Parallel(parallel) => {
                let path = parallel.path.split('?').next().unwrap_or_default();
                format!("requests GET {path} {} times at once", parallel.count)
            }
            Self::Lookup(lookup) => lookup.describe(),
            Self::WaitOnline => "waits until the cloud sees the device online".to_owned(),
            Self::Rename(name) => format!("names the device {name}"),
            Self::DeleteDevice => "deletes the device from the account".to_owned(),
            Self::Behave(change) => change.describe(),
        }
    }
}

impl PhoneChange {
    fn describe(&self) -> String {
        let Self { os, habits, leaves_ap_after, goes_cellular_after } = self;
        let mut words = Vec::new();
        words.extend(os.map(|os| {
            let words = match os {
                PhoneOs::App => "asks no network for the internet any more",
                PhoneOs::Ios => "asks each network for the internet as iOS does",
                PhoneOs::Android => "asks each network for the internet as Android does",
                PhoneOs::Android11 => "asks each network for the internet and its portal as Android 11 does",
                PhoneOs::Windows => "asks each network for the internet as Windows does",
            };
            words.to_owned()
        }));
        words.extend(habits.as_ref().filter(|habits| habits.is_empty()).map(|_| "has no habits".to_owned()));
        words.extend(habits.iter().flatten().map(|habit| match habit {
            Habit::DoubleSubmit => "sends each configuration twice".to_owned(),
            Habit::CloseBeforeReply => "closes before the reply to a configuration".to_owned(),
            Habit::ParallelFetch => "fetches the board info twice at once".to_owned(),
            Habit::SlowSender => "sends slowly".to_owned(),
            Habit::Drip(rate) => format!("sends {rate} bytes a second"),
            Habit::RandomMac => "joins each time with another MAC address".to_owned(),
        }));
        words.extend(leaves_ap_after.map(|time| format!("leaves each access point after {}", spoken(time))));
        words.extend(
            goes_cellular_after.map(|time| format!("leaves one without the internet after {}", spoken(time))),
        );
        format!("from now on {}", listed(&words))
    }
}

impl ClockChange {
    fn describe(self) -> String {
        let mut words = Vec::new();
        words.extend(self.drift_ppm.map(|drift| match drift.0 {
            0 => "has a clock that is right".to_owned(),
            drift @ 1.. => format!("has a clock that gains {drift} µs in a second"),
            drift => format!("has a clock that loses {} µs in a second", drift.unsigned_abs()),
        }));
        words
            .extend(self.uptime.map(|time| format!("begins its next life at an uptime of {}", spoken(time))));
        listed(&words)
    }
}

impl Lookup {
    fn describe(&self) -> String {
        let record = match self.record {
            DnsRecord::A => "the address",
            DnsRecord::Aaaa => "the IPv6 address",
            DnsRecord::Https => "the HTTPS record",
        };
        let mut line = format!("asks the device for {record} of {}", self.name);
        if let Some(count) = self.questions.filter(|count| count.0 > 1) {
            line += &format!(", {count} times in one query");
        }
        if self.edns {
            line += ", with EDNS";
        }
        line
    }
}

impl Button {
    fn describe(&self) -> String {
        match self {
            Self::Press => "has its button pressed".to_owned(),
            Self::Hold(time) => format!("has its button held for {}", spoken(*time)),
            Self::Bouncing(Bouncing { hold, .. }) => {
                format!("has its button held for {}, on a contact that bounces", spoken(*hold))
            }
        }
    }
}

impl Configure {
    fn describe(&self) -> String {
        let Self { network, ssid, password, token, host, port, save, static_ip, raw, .. } = self;
        let mut line =
            format!("sends the configuration for {}", network_words(network.as_ref(), ssid.as_ref()));
        line += password_words(password.as_ref());
        line += token_words(token);
        if let Some(host) = host {
            line += &format!(" to log in at {host}");
        }
        if let Some(port) = port {
            line += &format!(" on port {port}");
        }
        if let Some(fixed) = static_ip {
            line += &format!(" with the fixed address {}", fixed.ip);
        }
        if !raw.is_empty() {
            let keys: Vec<&str> = raw.keys().map(String::as_str).collect();
            line += &format!(" and {}", keys.join(", "));
        }
        if *save {
            line += ", to be kept at once";
        }
        if let Some(status) = self.expect_status.filter(|status| status.0 != 200) {
            line += &format!(", and is refused with {status}");
        }
        line
    }
}

impl Provision {
    fn describe(&self) -> String {
        let Self { device, network, ssid, password, token, save, static_ip, name, tries } = self;
        let device = device.as_ref().map_or_else(|| "the device".to_owned(), ToString::to_string);
        let mut line = format!("provisions {device} for {}", network_words(network.as_ref(), ssid.as_ref()));
        line += password_words(password.as_ref());
        line += token_words(token);
        if let Some(fixed) = static_ip {
            line += &format!(" with the fixed address {}", fixed.ip);
        }
        if let Some(name) = name {
            line += &format!(" and names it {name}");
        }
        if *save {
            line += ", to be kept at once";
        }
        if let Some(tries) = tries {
            line += &format!(" until it is online, in at most {} tries", tries.0);
        }
        line
    }
}

fn network_words(network: Option<&At<Name>>, ssid: Option<&Ssid>) -> String {
    let router = network.map(|network| format!("the network of {network}"));
    router.or(ssid.map(|ssid| format!("\"{ssid}\""))).unwrap_or_default()
}

fn password_words(password: Option<&Secret>) -> &'static str {
    match password {
        Some(password) if !password.is_empty() => " with password ***",
        Some(_) => " without a password",
        None => "",
    }
}

fn token_words(token: &TokenChoice) -> &'static str {
    match token {
        TokenChoice::Issued => "",
        TokenChoice::Invalid => " with a token that the cloud does not know",
        TokenChoice::Literal(_) => " with token ***",
    }
}

impl CloudChange {
    fn describe(&self) -> String {
        let Self {
            power,
            certificate,
            redirect_to,
            login,
            handshake,
            delete_device,
            write,
            drop_connections,
            mute,
            ..
        } = self;
        let mut words = Vec::new();
        words.extend(power.map(|power| power_words(power).to_owned()));
        words.extend(certificate.map(|certificate| {
            let words = match certificate {
                CertificateKind::Good => "shows a good certificate",
                CertificateKind::WrongName => "shows a certificate for another name",
                CertificateKind::Expired => "shows an expired certificate",
                CertificateKind::UnknownAuthority => "shows a certificate that nobody known has signed",
            };
            words.to_owned()
        }));
        words.extend(redirect_to.as_ref().map(|to| format!("sends devices to {to}")));
        words.extend(login.map(|login| match login {
            LoginAnswer::Normal => "answers logins by their token".to_owned(),
            LoginAnswer::Silent => "no longer answers logins".to_owned(),
            LoginAnswer::Status(status) => format!("answers every login with status {status}"),
        }));
        words.extend(handshake.map(|handshake| {
            let words = match handshake {
                Handshake::Normal => "goes on with TLS again",
                Handshake::Silent => "says nothing to whoever begins TLS",
                Handshake::Cut => "ends every connection in the middle of the handshake",
            };
            words.to_owned()
        }));
        words.extend(delete_device.as_ref().map(|device| format!("deletes {device}")));
        words.extend(write.as_ref().map(|write| {
            let to = write.device.as_ref().map(|device| format!(" of {device}")).unwrap_or_default();
            format!("writes {} to {}{to}", write.value, write.pin)
        }));
        words.extend(drop_connections.then(|| "closes every connection".to_owned()));
        words.extend(mute.map(|mute| if mute { "falls silent" } else { "speaks again" }.to_owned()));
        words.extend(self.fault_words());
        listed(&words)
    }

    fn fault_words(&self) -> Vec<String> {
        let Self { refuse, delay, after_login, revoke_token, revoke_after, send, .. } = self;
        let Self { split, coalesce, reorder, .. } = self;
        let mut words = Vec::new();
        words.extend(refuse.map(|refuse| {
            if refuse { "refuses every connection" } else { "takes connections again" }.to_owned()
        }));
        words.extend(delay.map(|delay| match delay.total_millis() {
            0 => "answers devices at once".to_owned(),
            _ => format!("answers devices {} late", spoken(delay)),
        }));
        words.extend(split.map(|len| match len {
            0 => "answers devices in whole pieces".to_owned(),
            1 => "answers devices byte by byte".to_owned(),
            _ => format!("answers devices in pieces of {len} bytes"),
        }));
        words.extend(coalesce.map(|window| match window.total_millis() {
            0 => "no longer gathers its answers".to_owned(),
            _ => format!("gathers its answers for {}", spoken(window)),
        }));
        words.extend(reorder.map(|window| match window.total_millis() {
            0 => "answers in order again".to_owned(),
            _ => format!("gathers its answers for {}, and sends the last first", spoken(window)),
        }));
        words.extend(after_login.map(|after_login| {
            let words = match after_login {
                AfterLogin::Normal => "keeps connections after the login",
                AfterLogin::Drop => "closes every connection after the login",
                AfterLogin::Mute => "says nothing more after a login",
            };
            words.to_owned()
        }));
        words.extend(revoke_token.as_ref().map(|device| match revoke_after {
            Some(time) => format!("will revoke the token of {device} in {}", spoken(*time)),
            None => format!("revokes the token of {device}"),
        }));
        words.extend(send.map(|frame| {
            let words = match frame {
                StrangeFrame::Oversize => "sends a frame that is too long",
                StrangeFrame::IdZero => "sends a frame with message id 0",
                StrangeFrame::UnknownCommand => "sends a command that nobody knows",
            };
            words.to_owned()
        }));
        words
    }
}

pub(super) fn power_words(power: Switch) -> &'static str {
    match power {
        Switch::On => "goes on",
        Switch::Off => "goes off",
    }
}

impl Power {
    fn describe(self) -> &'static str {
        match self {
            Self::On => "gets power",
            Self::Off => "loses power",
            Self::Cycle => "loses power and gets it back",
            Self::Brownout => "browns out",
            Self::Watchdog => "is reset by its watchdog",
        }
    }
}

impl LinkChange {
    fn describe(&self) -> String {
        let Self {
            loss_permille,
            corrupt_permille,
            reorder_permille,
            duplicate_permille,
            latency,
            jitter,
            mtu,
            partition,
            heal,
            hold,
            release,
        } = self;
        let shares = [
            (loss_permille, "are lost"),
            (corrupt_permille, "arrive with a wrong bit"),
            (reorder_permille, "are overtaken"),
            (duplicate_permille, "arrive twice"),
        ];
        let mut words = Vec::new();
        words.extend(shares.into_iter().filter_map(|(share, what)| {
            Some(match share.as_ref()?.0 {
                0 => format!("no frames {what}"),
                share => format!("{share} frames in a thousand {what}"),
            })
        }));
        words.extend(latency.map(|time| format!("frames arrive {} late", spoken(time))));
        words.extend(jitter.map(|time| match time.total_millis() {
            0 => "frames no longer vary in time".to_owned(),
            _ => format!("frames vary in time by up to {}", spoken(time)),
        }));
        words.extend(mtu.map(|mtu| format!("frames of more than {mtu} bytes are lost")));
        words.extend(release.as_ref().map(|release| match release {
            Heal::All => "frames that were kept back go on".to_owned(),
            Heal::Between(between) => format!("frames that were kept back {between} go on"),
        }));
        words.extend(hold.as_ref().map(|between| format!("frames are kept back {between}")));
        words.extend(heal.as_ref().map(|heal| match heal {
            Heal::All => "frames pass again between all".to_owned(),
            Heal::Between(between) => format!("frames pass again {between}"),
        }));
        words.extend(partition.as_ref().map(|between| format!("no frame passes {between}")));
        listed(&words)
    }
}

impl Arm {
    fn describe(&self) -> String {
        let what = match &self.what {
            Armed::Cut(cut) => {
                let operation = match cut.operation.0 {
                    1 => "the next flash operation".to_owned(),
                    count => format!("flash operation {count} from now"),
                };
                let back = cut.back_after.map(|time| format!(" and has it back {} later", spoken(time)));
                let back = back.unwrap_or_default();
                format!("will lose power at byte {} of {operation}{back}", cut.byte)
            }
            Armed::Brownout(BrownoutPoint::RadioStart) => "will brown out when its radio starts".to_owned(),
            Armed::EraseFailure => "will fail its next erase".to_owned(),
            Armed::ScanFailure => "will fail its next scan".to_owned(),
            Armed::Power(power) => power.describe().to_owned(),
            Armed::Button(button) => button.describe(),
            Armed::Flash(change) if change.changes_content() => {
                format!("loses power, {} and gets it back", change.describe())
            }
            Armed::Flash(change) => change.describe(),
            Armed::Clock(change) => change.describe(),
            Armed::Phone(action) => action.describe(),
            Armed::Router(change) => change.describe(),
            Armed::Cloud(change) => change.describe(),
            Armed::Link(change) => change.describe(),
        };
        match &self.at {
            Some(point) => format!("{what}, once {}", point.describe()),
            None => what,
        }
    }
}

impl Point {
    fn describe(&self) -> String {
        let device = &self.device;
        match self.moment {
            Moment::State(state) => match state.firmware() {
                Some(state) => format!("{device} enters {state}"),
                None => format!("{device} is off"),
            },
            Moment::FrameSent(count) if count.0 == 1 => format!("{device} has sent a frame"),
            Moment::FrameSent(count) => format!("{device} has sent {count} frames"),
            Moment::FrameReceived(count) if count.0 == 1 => format!("a frame has reached {device}"),
            Moment::FrameReceived(count) => format!("{count} frames have reached {device}"),
        }
    }
}

impl Expect {
    fn describe(&self) -> String {
        let mut words = self.device_words();
        words.extend(self.cloud_words());
        words.extend(self.phone_words());
        let mut line = format!("should {}", listed(&words));
        line += &match self.within.total_millis() {
            0 => ", now".to_owned(),
            _ => format!(", within {}", spoken(self.within)),
        };
        if let Some(stays) = self.stays {
            line += &format!(", and stay so for {}", spoken(stays));
        }
        line
    }

    fn device_words(&self) -> Vec<String> {
        let Self {
            device, last_error, ap, joined, access_point, store, stored_network, console, fault, ..
        } = self;
        let mut words = Vec::new();
        words.extend(device.map(|state| match state.firmware() {
            Some(state) => format!("be in {state}"),
            None => "be off".to_owned(),
        }));
        words.extend(last_error.map(|error| format!("report {error}")));
        words.extend(ap.map(|ap| match ap {
            ApState::Up => "have its access point up".to_owned(),
            ApState::Down => "have its access point down".to_owned(),
        }));
        words.extend(joined.as_ref().map(|router| format!("be joined to {router}")));
        words.extend(access_point.as_ref().map(|point| format!("use the access point {point}")));
        words.extend(store.map(|store| {
            let words = match store {
                StoreState::Empty => "hold no configuration",
                StoreState::Trial => "hold a configuration on trial",
                StoreState::Valid => "hold a valid configuration",
                StoreState::Rejected => "hold a rejected configuration",
            };
            words.to_owned()
        }));
        words.extend(stored_network.as_ref().map(|router| format!("keep the network of {router}")));
        let writes = self.flash_writes_max.map(|max| format!("have written its flash at most {max} times"));
        words.extend(writes);
        words.extend(console.as_ref().map(|text| format!("print \"{text}\"")));
        words.extend(fault.map(|fault| match fault {
            FaultState::Armed => "still have its fault ahead".to_owned(),
            FaultState::Fired => "have had its fault".to_owned(),
        }));
        words
    }

    fn cloud_words(&self) -> Vec<String> {
        let Self { cloud, region, named, pin, event, .. } = self;
        let by = region.as_ref().map_or_else(|| "the cloud".to_owned(), ToString::to_string);
        let mut words = Vec::new();
        words.extend(cloud.map(|presence| match presence {
            Presence::Online => format!("be online to {by}"),
            Presence::Offline => format!("be offline to {by}"),
            Presence::NeverSeen => format!("be unseen by {by}"),
        }));
        words.extend(named.as_ref().map(|name| format!("be named {name}")));
        words.extend(pin.iter().map(|(pin, value)| format!("have {value} in {pin}")));
        words.extend(event.as_ref().map(|event| format!("have logged {event}")));
        words
    }

    fn phone_words(&self) -> Vec<String> {
        let Self { http_status, http_body, sees_error, sees_network, .. } = self;
        let mut words = Vec::new();
        words.extend(http_status.map(|status| format!("have been answered {status}")));
        words.extend(http_body.as_ref().map(|text| format!("have been told \"{text}\"")));
        words.extend(sees_error.map(|error| format!("have read {error}")));
        words.extend(sees_network.as_ref().map(|ssid| format!("have \"{ssid}\" in its list")));
        words.extend(self.connectivity.map(|connectivity| {
            let words = match connectivity {
                Connectivity::None => "have found no internet",
                Connectivity::CaptivePortal => "have found a captive portal",
                Connectivity::Internet => "have found the internet",
            };
            words.to_owned()
        }));
        words.extend(self.offered_portal.as_ref().map(|uri| format!("have been told of the portal {uri}")));
        words
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
