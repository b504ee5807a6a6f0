//! The app's steps, one after the other: what each asks, what its answer means, and when it gives up.

use std::collections::VecDeque;

use smoltcp::time::{Duration, Instant};

use super::answers::{
    CONFIGURE, CloudAsk, DeviceAsk, JOIN, ONLINE, QUERY, REQUEST, RESOLVE, TOKEN, on_configured,
    on_online_answer, on_queried,
};
use super::background::Second;
use super::command::{Command, Configuration, Secret, TokenSource};
use super::crowd::{Crowd, Silence};
use super::dns::{Lookup, LookupError};
use super::event::Event;
use super::fetch::Fetch;
use super::handset::{Handset, SETUP_NAME};
use super::http::Request;
use super::line::Server;
use super::query::{Asking, Query};
use super::requests::{config_path, login_request, online_request, rename_request, token_request};
use super::wifi::Wanted;
use crate::dns::record::A;
use crate::text::printable;

/// How long the app takes between two of its own steps.
pub const THINK_APP: Duration = Duration::from_secs(1);
/// How long a person takes to choose a network from a list and confirm a stored password.
pub const THINK_PERSON: Duration = Duration::from_secs(2);
/// How long an access point is looked for.
pub const JOIN_LIMIT: Duration = Duration::from_secs(60);
/// How often the cloud is asked whether the device is online, for the first half minute: that is how long most take.
const CLOUD_POLL_INTERVAL: Duration = Duration::from_secs(1);
const CLOUD_POLL_OFTEN: Duration = Duration::from_secs(30);
/// How often it is asked after that.
const CLOUD_POLL_INTERVAL_LATER: Duration = Duration::from_secs(5);
/// How long a whole provisioning waits for that: two windows of 50 s and a reboot.
pub const ONLINE_LIMIT: Duration = Duration::from_secs(120);

/// Blynk's own command line tool waits this long for the board info, and asks this often.
const BOARD_INFO_LIMIT: Duration = Duration::from_secs(10);
const BOARD_INFO_TRIES: u8 = 5;
/// A device may scan for 20 s (Edgent) before it answers.
const NETWORKS_LIMIT: Duration = Duration::from_secs(25);
const NETWORKS_TRIES: u8 = 2;
pub(super) const RETRY_PAUSE: Duration = Duration::from_secs(1);
const REPLY_LIMIT: Duration = Duration::from_secs(10);
/// How long a lost access point is looked for before the step fails.
const REJOIN_LIMIT: Duration = Duration::from_secs(15);
/// An access point that is still there this long after an unanswered `/config` was not switched off by it.
pub(super) const GONE_LIMIT: Duration = Duration::from_secs(10);
/// From the reply to leaving the access point.
const LEAVE_PAUSE: Duration = Duration::from_millis(200);
/// The port of HTTP.
const DEVICE_PORT: u16 = 80;
/// Between the two taps of a double submit.
const DOUBLE_SUBMIT_GAP: Duration = Duration::from_millis(100);
/// Well-formed, and known to no cloud.
const INVALID_TOKEN: &[u8; 32] = b"InvalidToken00000000000000000000";

/// What came of polling an activity.
pub(super) enum Progress {
    Pending,
    Moved,
    Done,
    Failed(String),
}

/// A command under way.
pub(super) struct Activity {
    steps: VecDeque<Step>,
    running: Running,
}

#[derive(Clone)]
pub(super) enum Step {
    Think(Duration),
    Login,
    IssueToken { reconfigure: bool },
    Join { wanted: Option<Vec<u8>>, limit: Duration },
    Resolve,
    BoardInfo { tries_left: u8 },
    Networks { tries_left: u8 },
    Configure(Box<Configuration>),
    Request(Request),
    Browse,
    HalfOpen(u8),
    Parallel { request: Request, count: u8, at_least: u8 },
    Query(Query),
    Leave,
    WaitOnline { limit: Duration },
    Rename(String),
}

/// For how long the cloud is asked whether the device is online.
#[derive(Clone, Copy)]
pub(super) struct OnlineWait {
    began_at: Instant,
    give_up_at: Instant,
}

impl OnlineWait {
    /// When it is asked again; `None` when the time is over.
    pub(super) fn next_at(self, now: Instant) -> Option<Instant> {
        let often = now < self.began_at + CLOUD_POLL_OFTEN;
        let next = now + if often { CLOUD_POLL_INTERVAL } else { CLOUD_POLL_INTERVAL_LATER };
        (now < self.give_up_at).then(|| next.min(self.give_up_at))
    }
}

pub(super) enum Running {
    Thinking { until: Instant },
    Joining,
    Resolving(Lookup),
    AskingCloud { ask: CloudAsk, fetch: Fetch },
    AskingDevice { ask: DeviceAsk, fetch: Fetch },
    Configuring { ssid: String, is_sent: bool, fetch: Fetch },
    Crowding(Crowd),
    Opening(Silence),
    Querying(Asking),
    AwaitingGone { until: Instant },
    OnlinePause { until: Instant, wait: OnlineWait },
    OnlineAsking { fetch: Fetch, wait: OnlineWait },
}

/// What came of one step. Reasons carry the step's name.
pub(super) enum Outcome {
    Pending,
    Next,
    Become(Running),
    /// These come before what is left to do.
    First(Vec<Step>),
    Fail(&'static str, String),
}

impl Activity {
    pub(super) fn new(now: Instant, command: Command) -> Self {
        Self { steps: plan(command), running: Running::Thinking { until: now } }
    }

    /// Goes on by at most one step.
    pub(super) fn poll(&mut self, now: Instant, handset: &mut Handset) -> Progress {
        let outcome = self.running.poll(now, handset);
        self.apply(now, handset, outcome)
    }

    /// When to poll again if no packet and no radio event comes.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.running.next_wake()
    }

    /// Drops what is under way.
    pub(super) fn abandon(&mut self, handset: &mut Handset) {
        self.running.abandon(handset);
    }

    fn apply(&mut self, now: Instant, handset: &mut Handset, outcome: Outcome) -> Progress {
        match outcome {
            Outcome::Pending => return Progress::Pending,
            Outcome::Become(running) => self.running = running,
            Outcome::First(steps) => {
                for step in steps.into_iter().rev() {
                    self.steps.push_front(step);
                }
                self.running = Running::Thinking { until: now };
            }
            Outcome::Fail(step, reason) => return Progress::Failed(format!("{step}: {reason}")),
            Outcome::Next => {
                let Some(step) = self.steps.pop_front() else { return Progress::Done };
                self.running = Running::Thinking { until: now };
                let outcome = step.start(now, handset);
                return self.apply(now, handset, outcome);
            }
        }
        Progress::Moved
    }
}

/// The steps of a command.
fn plan(command: Command) -> VecDeque<Step> {
    let join = |ap: Option<String>| Step::Join { wanted: ap.map(String::into_bytes), limit: JOIN_LIMIT };
    let steps = match command {
        Command::GetToken { reconfigure } => {
            vec![Step::Login, Step::IssueToken { reconfigure }]
        }
        Command::Join { ap } => vec![join(ap)],
        Command::Resolve => vec![Step::Resolve],
        Command::BoardInfo => vec![Step::BoardInfo { tries_left: BOARD_INFO_TRIES }],
        Command::ScanNetworks => vec![Step::Networks { tries_left: NETWORKS_TRIES }],
        Command::Configure(configuration) => vec![Step::Configure(Box::new(configuration))],
        Command::Request(request) => vec![Step::Request(request)],
        Command::Browse => vec![Step::Browse],
        Command::HalfOpen(count) => vec![Step::HalfOpen(count)],
        Command::Parallel { request, count, at_least } => vec![Step::Parallel { request, count, at_least }],
        Command::Query(query) => vec![Step::Query(query)],
        Command::Leave => vec![Step::Leave],
        Command::WaitOnline { limit } => vec![Step::WaitOnline { limit }],
        Command::Rename { name } => vec![Step::Rename(name)],
        Command::Provision { ap, configuration, keep_token, name } => {
            let mut steps = Vec::new();
            if !keep_token && configuration.token == TokenSource::Issued {
                steps.extend([Step::Login, Step::IssueToken { reconfigure: false }, Step::Think(THINK_APP)]);
            }
            steps.extend([
                join(ap),
                Step::Think(THINK_APP),
                Step::Resolve,
                Step::BoardInfo { tries_left: BOARD_INFO_TRIES },
                Step::Think(THINK_APP),
                Step::Networks { tries_left: NETWORKS_TRIES },
                Step::Think(THINK_PERSON),
                Step::Configure(Box::new(configuration)),
                Step::Think(LEAVE_PAUSE),
                // The app leaves as soon as it knows: a phone that stays keeps some devices from joining.
                Step::Leave,
                Step::Think(THINK_APP),
                Step::WaitOnline { limit: ONLINE_LIMIT },
            ]);
            if let Some(name) = name {
                steps.extend([Step::Think(THINK_PERSON), Step::Rename(name)]);
            }
            steps
        }
    };
    steps.into()
}

impl Step {
    fn start(self, now: Instant, handset: &mut Handset) -> Outcome {
        // The operating system joins a network again that it lost without being told to leave it.
        if self.needs_device()
            && !handset.wifi.is_up()
            && let Some(ssid) = &handset.last_ap
        {
            let wanted = Some(ssid.as_bytes().to_vec());
            return Outcome::First(vec![Self::Join { wanted, limit: REJOIN_LIMIT }, self]);
        }
        if matches!(self, Self::Configure(_) | Self::Request(_)) {
            // What was answered before is no answer to this.
            handset.observations.http_status = None;
            handset.observations.http_body.clear();
        }
        match self {
            Self::Think(pause) => Outcome::Become(Running::Thinking { until: now + pause }),
            Self::Login => ask_cloud(now, handset, CloudAsk::Login, &login_request(handset)),
            Self::IssueToken { reconfigure } => match token_request(handset, reconfigure) {
                Some(request) => ask_cloud(now, handset, CloudAsk::Token, &request),
                None => Outcome::Fail(TOKEN, "no device was set up before".into()),
            },
            Self::Join { wanted, limit } => {
                let wanted = wanted.map_or_else(
                    || Wanted::Prefix(handset.config.ap_prefix.clone().into_bytes()),
                    Wanted::Named,
                );
                handset.wifi.join(now, wanted, limit);
                Outcome::Become(Running::Joining)
            }
            Self::Resolve => start_resolve(now, handset),
            Self::BoardInfo { tries_left } => start_board_info(now, handset, tries_left),
            Self::Networks { tries_left } => {
                let ask = DeviceAsk::Networks { tries_left: tries_left - 1 };
                ask_device(now, handset, ask, &Request::get("/wifi_scan.json"), NETWORKS_LIMIT)
            }
            Self::Configure(configuration) => start_configure(now, handset, &configuration),
            Self::Request(request) => {
                let route = format!("{} {}", request.method, request.route());
                let Request { port, expects_refusal, .. } = request;
                let ask = DeviceAsk::Raw { route, port, expects_refusal };
                ask_device(now, handset, ask, &request, REPLY_LIMIT)
            }
            Self::Browse => ask_device(now, handset, DeviceAsk::Page, &Request::get("/"), REPLY_LIMIT),
            Self::HalfOpen(count) => start_silence(now, handset, count),
            Self::Parallel { request, count, at_least } => {
                match Crowd::start(now, handset, &request, (count, at_least), REPLY_LIMIT) {
                    Ok(crowd) => Outcome::Become(Running::Crowding(crowd)),
                    Err(error) => Outcome::Fail(REQUEST, error.describe().into()),
                }
            }
            Self::Query(query) => start_query(now, handset, query),
            Self::Leave => {
                handset.last_ap = None;
                if let Some(ssid) = handset.wifi.leave() {
                    handset.events.push(Event::Left(ssid.to_string()));
                }
                Outcome::Next
            }
            Self::WaitOnline { limit } => {
                handset.observations.online = false;
                let wait = OnlineWait { began_at: now, give_up_at: now + limit };
                Outcome::Become(Running::OnlinePause { until: now, wait })
            }
            Self::Rename(name) => {
                let request = rename_request(handset, &name);
                ask_cloud(now, handset, CloudAsk::Rename(name), &request)
            }
        }
    }

    /// Whether the step talks to the device.
    fn needs_device(&self) -> bool {
        match self {
            Self::Resolve
            | Self::BoardInfo { .. }
            | Self::Networks { .. }
            | Self::Configure(_)
            | Self::Request(_)
            | Self::Browse
            | Self::HalfOpen(_)
            | Self::Parallel { .. }
            | Self::Query(_) => true,
            Self::Think(_)
            | Self::Login
            | Self::IssueToken { .. }
            | Self::Join { .. }
            | Self::Leave
            | Self::WaitOnline { .. }
            | Self::Rename(_) => false,
        }
    }
}

fn ask_cloud(now: Instant, handset: &mut Handset, ask: CloudAsk, request: &Request) -> Outcome {
    match handset.ask_cloud(now, request) {
        Ok(fetch) => Outcome::Become(Running::AskingCloud { ask, fetch }),
        Err(error) => Outcome::Fail(ask.step(), error.describe().into()),
    }
}

fn ask_device(
    now: Instant,
    handset: &mut Handset,
    ask: DeviceAsk,
    request: &Request,
    limit: Duration,
) -> Outcome {
    match handset.ask_device(now, request, limit, false) {
        Ok(fetch) => Outcome::Become(Running::AskingDevice { ask, fetch }),
        Err(error) => Outcome::Fail(ask.step(), error.describe().into()),
    }
}

fn start_resolve(now: Instant, handset: &mut Handset) -> Outcome {
    let server = handset.wifi.dns();
    let Some(line) = handset.wifi.line() else {
        return Outcome::Fail(RESOLVE, LookupError::LineLost.describe());
    };
    let Some(server) = server else {
        return Outcome::Fail(RESOLVE, LookupError::NoServer.describe());
    };
    Outcome::Become(Running::Resolving(Lookup::start(now, line, server, SETUP_NAME, &[A], false)))
}

fn start_query(now: Instant, handset: &mut Handset, query: Query) -> Outcome {
    let server = handset.wifi.dns();
    let Some((line, server)) = handset.wifi.line().zip(server) else {
        return Outcome::Fail(QUERY, LookupError::NoServer.describe());
    };
    Outcome::Become(Running::Querying(Asking::start(now, line, server, query)))
}

fn start_silence(now: Instant, handset: &mut Handset, count: u8) -> Outcome {
    let server = Server { address: handset.device_address(), port: DEVICE_PORT, secure_name: None };
    let Some(line) = handset.wifi.line() else {
        return Outcome::Fail(REQUEST, LookupError::LineLost.describe());
    };
    Outcome::Become(Running::Opening(Silence::start(now, line, &server, count)))
}

fn start_board_info(now: Instant, handset: &mut Handset, tries_left: u8) -> Outcome {
    let request = Request::get("/board_info.json");
    let ask = DeviceAsk::BoardInfo { tries_left: tries_left - 1 };
    let outcome = ask_device(now, handset, ask, &request, BOARD_INFO_LIMIT);
    if handset.config.behaviour.parallel_board_info {
        handset.second = Some(Second::Waiting { at: now, request, limit: BOARD_INFO_LIMIT });
    }
    outcome
}

fn start_configure(now: Instant, handset: &mut Handset, configuration: &Configuration) -> Outcome {
    let token = match &configuration.token {
        TokenSource::Literal(token) => token.clone(),
        TokenSource::Invalid => Secret::new(*INVALID_TOKEN),
        TokenSource::Issued => match &handset.observations.token {
            Some(token) => Secret::new(*token.expose()),
            None => return Outcome::Fail(CONFIGURE, "no token was issued".into()),
        },
    };
    let request = Request::get(config_path(configuration, &token, &handset.config.cloud.0));
    let behaviour = handset.config.behaviour;
    let fetch = match handset.ask_device(now, &request, REPLY_LIMIT, behaviour.close_before_reply) {
        Ok(fetch) => fetch,
        Err(error) => return Outcome::Fail(CONFIGURE, error.describe().into()),
    };
    handset.sent_token = token;
    if behaviour.double_submit {
        let at = now + DOUBLE_SUBMIT_GAP;
        handset.second = Some(Second::Waiting { at, request, limit: REPLY_LIMIT });
    }
    Outcome::Become(Running::Configuring { ssid: printable(&configuration.ssid), is_sent: false, fetch })
}

impl Running {
    fn poll(&mut self, now: Instant, handset: &mut Handset) -> Outcome {
        match self {
            Self::Thinking { until } => {
                if *until <= now {
                    Outcome::Next
                } else {
                    Outcome::Pending
                }
            }
            Self::Joining => match (handset.wifi.is_up(), handset.wifi.failed()) {
                (true, _) => Outcome::Next,
                (false, Some(why)) => Outcome::Fail(JOIN, why.describe().into()),
                (false, None) => Outcome::Pending,
            },
            Self::Resolving(lookup) => match lookup.poll(now, handset.wifi.line()) {
                None => Outcome::Pending,
                Some(Err(error)) => Outcome::Fail(RESOLVE, error.describe()),
                Some(Ok(address)) => {
                    handset.observations.setup_address = Some(address);
                    handset.events.push(Event::Resolved(address));
                    Outcome::Next
                }
            },
            Self::Crowding(crowd) => {
                if !crowd.poll(now, handset) {
                    return Outcome::Pending;
                }
                let Crowd { count, answered, at_least, .. } = *crowd;
                let route = core::mem::take(&mut crowd.route);
                handset.events.push(Event::AnsweredAtOnce { route, count, answered });
                match answered < at_least {
                    true => Outcome::Fail(REQUEST, format!("{answered} of {count} were answered with 200")),
                    false => Outcome::Next,
                }
            }
            Self::Opening(silence) => match silence.poll(now, handset.wifi.line()) {
                None => Outcome::Pending,
                Some(taken) => {
                    handset.events.push(Event::LeftOpen { count: silence.count(), taken });
                    Outcome::Next
                }
            },
            Self::Querying(asking) => match asking.poll(now, handset.wifi.line()) {
                None => Outcome::Pending,
                Some(result) => on_queried(handset, asking.query(), result),
            },
            Self::AwaitingGone { until } => {
                if handset.wifi.line().is_none() {
                    Outcome::Next
                } else if *until <= now {
                    Outcome::Fail(CONFIGURE, "no reply, and the access point is still there".into())
                } else {
                    Outcome::Pending
                }
            }
            Self::OnlinePause { until, wait } => {
                if now < *until {
                    return Outcome::Pending;
                }
                let wait = *wait;
                match handset.ask_cloud(now, &online_request(handset)) {
                    Ok(fetch) => Outcome::Become(Self::OnlineAsking { fetch, wait }),
                    Err(error) => Outcome::Fail(ONLINE, error.describe().into()),
                }
            }
            Self::OnlineAsking { fetch, wait } => {
                let wait = *wait;
                match fetch.poll(now, Some(&mut handset.cellular)) {
                    None => Outcome::Pending,
                    Some(ended) => on_online_answer(now, handset, ended, wait),
                }
            }
            Self::AskingCloud { ask, fetch } => match fetch.poll(now, Some(&mut handset.cellular)) {
                None => Outcome::Pending,
                Some(ended) => ask.on_ended(handset, ended),
            },
            Self::AskingDevice { ask, fetch } => match fetch.poll(now, handset.wifi.line()) {
                None => Outcome::Pending,
                Some(ended) => ask.on_ended(handset, ended),
            },
            Self::Configuring { ssid, is_sent, fetch } => {
                let ended = fetch.poll(now, handset.wifi.line());
                if fetch.is_sent() && !*is_sent {
                    *is_sent = true;
                    handset.events.push(Event::ConfigurationSent(core::mem::take(ssid)));
                    if fetch.is_closing() {
                        handset.events.push(Event::ClosedEarly);
                    }
                }
                match ended {
                    None => Outcome::Pending,
                    Some(ended) => on_configured(now, handset, ended, *is_sent),
                }
            }
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        match self {
            Self::Thinking { until } | Self::AwaitingGone { until } | Self::OnlinePause { until, .. } => {
                Some(*until)
            }
            Self::Joining => None,
            Self::Crowding(crowd) => crowd.next_wake(),
            Self::Opening(silence) => Some(silence.next_wake()),
            Self::Querying(asking) => Some(asking.next_wake()),
            Self::Resolving(lookup) => Some(lookup.next_wake()),
            Self::AskingCloud { fetch, .. }
            | Self::AskingDevice { fetch, .. }
            | Self::Configuring { fetch, .. }
            | Self::OnlineAsking { fetch, .. } => Some(fetch.next_wake()),
        }
    }

    fn abandon(&mut self, handset: &mut Handset) {
        match self {
            Self::Thinking { .. }
            | Self::Opening(_)
            | Self::AwaitingGone { .. }
            | Self::OnlinePause { .. } => {}
            Self::Crowding(crowd) => crowd.abandon(handset),
            Self::Querying(asking) => {
                if let Some(line) = handset.wifi.line() {
                    asking.abandon(line);
                }
            }
            Self::Joining => {
                handset.wifi.leave();
            }
            Self::Resolving(lookup) => {
                if let Some(line) = handset.wifi.line() {
                    lookup.abandon(line);
                }
            }
            Self::AskingCloud { fetch, .. } | Self::OnlineAsking { fetch, .. } => {
                fetch.abandon(Some(&mut handset.cellular));
            }
            Self::AskingDevice { fetch, .. } | Self::Configuring { fetch, .. } => {
                fetch.abandon(handset.wifi.line());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cloud_is_asked_often_at_first_and_once_more_at_the_end() {
        let began_at = Instant::from_secs(100);
        let wait = OnlineWait { began_at, give_up_at: began_at + ONLINE_LIMIT };
        let next_ms = |after_ms| {
            let next = wait.next_at(began_at + Duration::from_millis(after_ms))?;
            Some((next - began_at).total_millis())
        };
        assert_eq!(next_ms(0), Some(1_000));
        assert_eq!(next_ms(29_999), Some(30_999));
        assert_eq!(next_ms(30_000), Some(35_000));
        assert_eq!(next_ms(117_000), Some(120_000));
        assert_eq!(next_ms(120_000), None);
    }
}
