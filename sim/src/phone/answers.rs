//! What the answers of the device and of the cloud mean to the app.

use firmware_core::config::Token;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use smoltcp::time::Instant;

use super::activity::{GONE_LIMIT, OnlineWait, Outcome, RETRY_PAUSE, Running, Step};
use super::browser::{ICON, Link, links};
use super::command::Secret;
use super::event::Event;
use super::fetch::{Ended, FetchError};
use super::handset::{BoardInfo, Handset, SeenNetwork};
use super::http::{Request, Response};
use super::query::Query;
use crate::text::printable;

/// The steps' names, as failures give them.
pub(super) const TOKEN: &str = "get token";
pub(super) const JOIN: &str = "join";
pub(super) const RESOLVE: &str = "resolve";
const BOARD_INFO: &str = "board info";
const NETWORKS: &str = "scan networks";
pub(super) const CONFIGURE: &str = "configure";
pub(super) const REQUEST: &str = "request";
pub(super) const PAGE: &str = "page";
pub(super) const QUERY: &str = "name query";
pub(super) const ONLINE: &str = "wait online";
const RENAME: &str = "rename";

/// Words of a device longer than this are no message for a person, in characters.
const WORDS_LEN_MAX: usize = 120;

/// What the cloud was asked, other than whether a device is online.
pub(super) enum CloudAsk {
    Login,
    Token,
    Rename(String),
}

/// What the device was asked, other than to take a configuration.
pub(super) enum DeviceAsk {
    BoardInfo { tries_left: u8 },
    Networks { tries_left: u8 },
    Raw { route: String, port: u16, expects_refusal: bool },
    Page,
}

impl CloudAsk {
    /// The step's name.
    pub(super) fn step(&self) -> &'static str {
        match self {
            Self::Login | Self::Token => TOKEN,
            Self::Rename(_) => RENAME,
        }
    }

    pub(super) fn on_ended(&mut self, handset: &mut Handset, ended: Ended) -> Outcome {
        let step = self.step();
        let response = match ended {
            Ended::Replied(response) => response,
            Ended::Failed(error) => return Outcome::Fail(step, error.describe().into()),
            Ended::ClosedEarly => return Outcome::Fail(step, FetchError::Closed.describe().into()),
        };
        handset.observations.cloud_status = Some(response.status);
        if response.status != 200 {
            return Outcome::Fail(step, format!("the cloud answers with status {}", response.status));
        }
        match self {
            Self::Login => on_login(handset, &response),
            Self::Token => on_token(handset, &response),
            Self::Rename(name) => {
                handset.events.push(Event::Named(printable(name.as_bytes())));
                Outcome::Next
            }
        }
    }
}

impl DeviceAsk {
    /// The step's name.
    pub(super) fn step(&self) -> &'static str {
        match self {
            Self::BoardInfo { .. } => BOARD_INFO,
            Self::Networks { .. } => NETWORKS,
            Self::Raw { .. } => REQUEST,
            Self::Page => PAGE,
        }
    }

    pub(super) fn on_ended(&mut self, handset: &mut Handset, ended: Ended) -> Outcome {
        let response = match ended {
            Ended::Replied(response) => response,
            Ended::Failed(error) => return self.on_failed(handset, error),
            Ended::ClosedEarly => return self.on_failed(handset, FetchError::Closed),
        };
        observe_reply(handset, &response);
        match self {
            Self::BoardInfo { .. } => on_board_info(handset, &response),
            Self::Networks { .. } => on_networks(handset, &response),
            Self::Page => on_page(handset, &response),
            Self::Raw { expects_refusal: true, port, .. } => {
                Outcome::Fail(REQUEST, format!("somebody answers on port {port}"))
            }
            Self::Raw { route, .. } => {
                let (route, status) = (core::mem::take(route), response.status);
                handset.events.push(Event::Answered { route, status });
                Outcome::Next
            }
        }
    }

    /// Reading is repeated.
    fn on_failed(&self, handset: &mut Handset, error: FetchError) -> Outcome {
        let again = match self {
            Self::Raw { expects_refusal: true, port, .. } if error == FetchError::Refused => {
                handset.events.push(Event::PortClosed(*port));
                return Outcome::Next;
            }
            Self::BoardInfo { tries_left: 0 }
            | Self::Networks { tries_left: 0 }
            | Self::Raw { .. }
            | Self::Page => {
                return Outcome::Fail(self.step(), error.describe().into());
            }
            Self::BoardInfo { tries_left } => Step::BoardInfo { tries_left: *tries_left },
            Self::Networks { tries_left } => Step::Networks { tries_left: *tries_left },
        };
        handset.events.push(Event::Retried(self.step()));
        Outcome::First(vec![Step::Think(RETRY_PAUSE), again])
    }
}

#[derive(Deserialize)]
struct Access {
    access_token: String,
}

#[derive(Deserialize)]
struct Issued {
    token: String,
    #[serde(rename = "deviceId")]
    device_id: Option<u64>,
}

#[derive(Deserialize)]
struct Message {
    msg: String,
}

/// Reads a body. To find once that all of it is UTF-8 costs less than to find it for each string.
fn read_json<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_str(str::from_utf8(body).ok()?).ok()
}

fn on_login(handset: &mut Handset, response: &Response) -> Outcome {
    match read_json::<Access>(&response.body) {
        Some(access) => {
            handset.access = Secret::new(access.access_token);
            Outcome::Next
        }
        None => Outcome::Fail(TOKEN, "the cloud's reply is not understood".into()),
    }
}

fn on_token(handset: &mut Handset, response: &Response) -> Outcome {
    let issued = read_json::<Issued>(&response.body);
    let Some((token, id)) =
        issued.and_then(|issued| Some((Token::new(issued.token.as_bytes())?, issued.device_id)))
    else {
        return Outcome::Fail(TOKEN, "the cloud's reply is not understood".into());
    };
    handset.observations.token = Some(token);
    // A new token for a known device keeps its id, which the cloud need not repeat.
    handset.observations.device_id = id.or(handset.observations.device_id);
    handset.sent_token = Secret::default();
    handset.events.push(Event::TokenIssued);
    Outcome::Next
}

fn observe_reply(handset: &mut Handset, response: &Response) {
    handset.observations.http_status = Some(response.status);
    handset.observations.http_body.clone_from(&response.body);
}

fn on_board_info(handset: &mut Handset, response: &Response) -> Outcome {
    if response.status != 200 {
        return Outcome::Fail(BOARD_INFO, format!("status {}", response.status));
    }
    let Some(board) = read_json::<BoardInfo>(&response.body) else {
        return Outcome::Fail(BOARD_INFO, "the reply is not the JSON it should be".into());
    };
    let is_known = handset.config.templates.contains(&board.template_id);
    let id = printable(board.template_id.as_bytes());
    handset.events.push(Event::BoardInfo { last_error: board.last_error });
    handset.observations.board = Some(board);
    if is_known {
        Outcome::Next
    } else {
        handset.events.push(Event::UnknownTemplate(id));
        Outcome::Fail(BOARD_INFO, "not correct device".into())
    }
}

/// A browser fetches the icon and every link in advance. In the device's own network there is nothing else.
fn on_page(handset: &mut Handset, response: &Response) -> Outcome {
    handset.events.push(Event::Answered { route: "GET /".to_owned(), status: response.status });
    if response.status != 200 {
        return Outcome::Fail(PAGE, format!("status {}", response.status));
    }
    let mut steps = vec![Step::Request(Request::get(ICON))];
    for link in links(&response.body) {
        match link {
            Link::Here(path) => steps.push(Step::Request(Request::get(path))),
            Link::Elsewhere(target) => {
                let target = printable(target.as_bytes());
                return Outcome::Fail(PAGE, format!("it needs the internet: {target}"));
            }
        }
    }
    Outcome::First(steps)
}

fn on_networks(handset: &mut Handset, response: &Response) -> Outcome {
    if response.status != 200 {
        return Outcome::Fail(NETWORKS, format!("status {}", response.status));
    }
    let Some(networks) = read_json::<Vec<SeenNetwork>>(&response.body) else {
        return Outcome::Fail(NETWORKS, "the reply is not the JSON it should be".into());
    };
    handset.events.push(Event::Networks(networks.len()));
    handset.observations.networks = networks;
    Outcome::Next
}

/// The device may be gone before its reply arrives, so that a lost reply is an error only when its access
/// point stays.
pub(super) fn on_configured(now: Instant, handset: &mut Handset, ended: Ended, is_sent: bool) -> Outcome {
    let response = match ended {
        Ended::Replied(response) => response,
        Ended::ClosedEarly => return Outcome::Next,
        Ended::Failed(_) if is_sent => {
            handset.events.push(Event::ReplyLost);
            return Outcome::Become(Running::AwaitingGone { until: now + GONE_LIMIT });
        }
        Ended::Failed(error) => return Outcome::Fail(CONFIGURE, error.describe().into()),
    };
    observe_reply(handset, &response);
    let words = read_json::<Message>(&response.body)
        .map(|message| printable(message.msg.as_bytes()))
        .filter(|words| words.chars().count() <= WORDS_LEN_MAX);
    match (response.status, words) {
        (200, Some(words)) => {
            handset.events.push(Event::Told(words));
            Outcome::Next
        }
        (200, None) => Outcome::Fail(CONFIGURE, "the reply is not the JSON it should be".into()),
        (status, words) => {
            let words = words.unwrap_or_else(|| "no message".into());
            let reason = format!("status {status}, {words}");
            handset.events.push(Event::Refused(status, words));
            Outcome::Fail(CONFIGURE, reason)
        }
    }
}

pub(super) fn on_queried(handset: &mut Handset, query: &Query, result: Result<(u8, u16), String>) -> Outcome {
    let (code, answers) = match result {
        Ok(result) => result,
        Err(why) => return Outcome::Fail(QUERY, why),
    };
    handset.events.push(Event::NameAnswered { name: query.name.clone(), code, answers });
    if (code, answers) == (query.code, query.answers) {
        return Outcome::Next;
    }
    let Query { code: wanted_code, answers: wanted, .. } = query;
    let reason = format!(
        "the answer was to have code {wanted_code} and {wanted} records; it has {code} and {answers}"
    );
    Outcome::Fail(QUERY, reason)
}

pub(super) fn on_online_answer(
    now: Instant,
    handset: &mut Handset,
    ended: Ended,
    wait: OnlineWait,
) -> Outcome {
    let mut reason = "the device is not online".to_owned();
    match ended {
        Ended::Replied(response) => {
            handset.observations.cloud_status = Some(response.status);
            if response.status == 200 && response.body.trim_ascii() == b"true" {
                handset.observations.online = true;
                handset.events.push(Event::Online);
                return Outcome::Next;
            }
            if response.status != 200 {
                reason = format!("the cloud answers with status {}", response.status);
            }
        }
        // A cloud that is not there now may be in a moment.
        Ended::Failed(error) => reason = error.describe().to_owned(),
        Ended::ClosedEarly => {}
    }
    match wait.next_at(now) {
        Some(until) => Outcome::Become(Running::OnlinePause { until, wait }),
        None => Outcome::Fail(ONLINE, reason),
    }
}
