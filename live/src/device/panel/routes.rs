//! What can be asked by HTTP, and the answers.

use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::requests::NotDone;
use super::{Shared, guard, page, socket};
use crate::device::{Asked, Wish};

/// The longest body that is taken, in bytes: a wish with many steps has a few thousand.
const BODY_LEN_MAX: usize = 64 * 1_024;
const JSON: &str = "application/json";

pub(super) type Answer = Response<Full<Bytes>>;

/// Answers a request. The connection's place is given back when all who hold it are done.
pub(super) async fn answer<B>(
    request: Request<B>,
    shared: Arc<Shared>,
    place: Arc<OwnedSemaphorePermit>,
) -> Answer
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let host = match guard::check(request.headers(), shared.port) {
        Ok(host) => host.to_owned(),
        Err(refusal) => return error(StatusCode::FORBIDDEN, &refusal),
    };
    let path = request.uri().path().to_owned();
    let allowed = match path.as_str() {
        "/" | "/live" | "/api/picture" | "/api/lines" => Method::GET,
        "/api/wish" | "/api/token" => Method::POST,
        _ => return error(StatusCode::NOT_FOUND, &format!("there is nothing at {}", shown(&path))),
    };
    if request.method() != allowed {
        let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, &format!("{path} takes {allowed} only"));
        if let Ok(value) = HeaderValue::from_str(allowed.as_str()) {
            answer.headers_mut().insert(ALLOW, value);
        }
        return answer;
    }
    match path.as_str() {
        "/" => with_header(
            text("text/html; charset=utf-8", page::PAGE.as_str()),
            CONTENT_SECURITY_POLICY,
            &page::policy(&host),
        ),
        "/live" => socket::open(request, shared, place),
        "/api/picture" => text(JSON, shared.history.picture(Instant::now())),
        "/api/lines" => text("application/jsonl", shared.history.lines()),
        "/api/token" => match shared.requests.ask(Asked::Token).await {
            Ok(token) => text(JSON, json!({ "token": token }).to_string()),
            Err(why) => not_done(&why),
        },
        _ => wish(request.into_body(), &shared).await,
    }
}

async fn wish<B>(body: B, shared: &Shared) -> Answer
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = match Limited::new(body, BODY_LEN_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(why) if why.is::<http_body_util::LengthLimitError>() => {
            let what = format!("a wish has at most {BODY_LEN_MAX} bytes");
            return error(StatusCode::PAYLOAD_TOO_LARGE, &what);
        }
        Err(why) => return error(StatusCode::BAD_REQUEST, &why),
    };
    let wish: Wish = match serde_json::from_slice(&body) {
        Ok(wish) => wish,
        Err(why) => return error(StatusCode::BAD_REQUEST, &format!("this is no wish: {why}")),
    };
    match shared.requests.wish(wish).await {
        Ok(()) => text(JSON, "{}"),
        Err(why) => not_done(&why),
    }
}

fn not_done(why: &NotDone) -> Answer {
    let status = match why {
        NotDone::Refused(_) => StatusCode::CONFLICT,
        NotDone::Ended => StatusCode::SERVICE_UNAVAILABLE,
    };
    error(status, why)
}

/// An answer that says why there is no other.
pub(super) fn error(status: StatusCode, why: &dyn ToString) -> Answer {
    let mut answer = text(JSON, json!({ "error": why.to_string() }).to_string());
    *answer.status_mut() = status;
    answer
}

fn text(kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // One request is one connection, so that nobody holds a place who asks nothing.
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

fn with_header(mut answer: Answer, name: HeaderName, value: &str) -> Answer {
    // What is put in comes from a host that is an address.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// The beginning of what somebody sent, for a message.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}
