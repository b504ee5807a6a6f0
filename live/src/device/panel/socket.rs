//! A browser that watches: a WebSocket on which it is told what happens, and on which it wishes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::Shared;
use super::history::Cursor;
use super::routes::{Answer, error};
use crate::device::Wish;

/// The longest message that is taken from a browser, in bytes.
const MESSAGE_LEN_MAX: usize = 64 * 1_024;
/// Answers that wait for a browser to take them; one that takes none is asked for no more wishes.
const ANSWERS_WAITING_MAX: usize = 32;
/// A browser is told at most once in this time: what comes meanwhile is told together.
const TELL_EACH: Duration = Duration::from_millis(25);
/// A browser that has nothing to say is asked this often whether it is there.
const PING_EACH: Duration = Duration::from_secs(5);
/// How long a browser may take to agree that its connection ends.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a browser says: a wish and a number for its answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    id: u64,
    wish: Wish,
}

/// Begins a conversation on the connection of this request, in a task of its own.
pub(super) fn open<B: Send + 'static>(
    mut request: Request<B>,
    shared: Arc<Shared>,
    place: Arc<OwnedSemaphorePermit>,
) -> Answer {
    let Some(key) = key(request.headers()) else {
        return error(StatusCode::UPGRADE_REQUIRED, &"this is a WebSocket, of version 13");
    };
    let accepted = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
    let (Ok(accepted), Ok(seat)) = (accepted, Arc::clone(&shared.watchers).try_acquire_owned()) else {
        return error(StatusCode::SERVICE_UNAVAILABLE, &"too many browsers watch already: close one");
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let _held = (place, seat);
        if let Ok(stream) = upgrade.await {
            converse(upgraded(stream).await, &shared).await;
        }
    });
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accepted);
    answer
}

/// The key of a request for a WebSocket (RFC 6455, 4.2.1).
fn key(headers: &HeaderMap) -> Option<&HeaderValue> {
    let names = |name, word: &str| {
        let value = headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        value.is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    let is_websocket =
        names(UPGRADE, "websocket") && names(CONNECTION, "upgrade") && names(SEC_WEBSOCKET_VERSION, "13");
    headers.get(SEC_WEBSOCKET_KEY).filter(|_| is_websocket)
}

async fn upgraded(stream: Upgraded) -> WebSocketStream<TokioIo<Upgraded>> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_LEN_MAX))
        .max_frame_size(Some(MESSAGE_LEN_MAX));
    WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, Some(config)).await
}

/// Tells a browser what happens and does what it wishes, until one of both ends. A finger that it has put on the
/// button is taken away with it.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(socket: WebSocketStream<S>, shared: &Shared) {
    let (mut sink, mut stream) = socket.split();
    let (answers, answered) = mpsc::channel(ANSWERS_WAITING_MAX);
    let mut is_pressing = false;
    let farewell = tokio::select! {
        farewell = listen(&mut stream, shared, answers, &mut is_pressing) => farewell,
        farewell = talk(&mut sink, shared, answered) => farewell,
    };
    if is_pressing {
        let _ = shared.requests.wish(Wish::Button { down: false }).await;
    }
    if let Some((code, reason)) = farewell {
        let close = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
        let _ = timeout(GOODBYE, async {
            if sink.send(close).await.is_ok() {
                while let Some(Ok(_)) = stream.next().await {}
            }
        })
        .await;
    }
}

/// What a browser is told at the end, if it still listens.
type Farewell = Option<(CloseCode, &'static str)>;

async fn listen<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut SplitStream<WebSocketStream<S>>,
    shared: &Shared,
    answers: mpsc::Sender<String>,
    is_pressing: &mut bool,
) -> Farewell {
    loop {
        let Ok(said) = timeout(shared.patience.silence, stream.next()).await else {
            return Some((CloseCode::Away, "the browser is silent"));
        };
        let text = match said {
            Some(Ok(Message::Text(text))) => text,
            // Pings are answered by the library.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
            Some(Ok(Message::Binary(_))) => return Some((CloseCode::Unsupported, "text is spoken here")),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
        };
        let Ok(Said { id, wish }) = serde_json::from_str(&text) else {
            return Some((CloseCode::Policy, "this is no wish"));
        };
        if let Wish::Button { down } = wish {
            *is_pressing = down;
        }
        let why = shared.requests.wish(wish).await.err().map(|why| why.to_string());
        // A browser that takes no answers is silent for whoever talks to it.
        if answers.send(json!({ "kind": "answer", "id": id, "error": why }).to_string()).await.is_err() {
            return None;
        }
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    shared: &Shared,
    mut answers: mpsc::Receiver<String>,
) -> Farewell {
    let mut bell = shared.history.bell();
    // What is kept already is told at once.
    bell.mark_changed();
    let mut cursor = Cursor::default();
    let mut ping = tokio::time::interval(PING_EACH);
    loop {
        let message = tokio::select! {
            biased;
            Some(answer) = answers.recv() => Some(Message::text(answer)),
            Ok(()) = bell.changed() => shared.history.since(&mut cursor, Instant::now()).map(Message::text),
            _ = ping.tick() => Some(Message::Ping(Bytes::new())),
        };
        let Some(message) = message else { continue };
        let is_update = message.is_text();
        match timeout(shared.patience.send, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            Err(_) => return Some((CloseCode::Again, "the browser is too slow")),
        }
        if is_update {
            sleep(TELL_EACH).await;
        }
    }
}
