//! A service that is played: each connection in its turn does what it is told to.

use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

/// A greeting as the real service's.
pub(crate) const HELLO: &str =
    r#"{"type":"hello","protocolVersion":1,"appName":"Played","appVersion":"1.2.3"}"#;

/// What one connection is answered.
pub(crate) enum Played {
    /// HTTP, with a status and words.
    Refusal(u16, &'static str),
    /// HTTP, as a web server answers that knows of no WebSocket.
    WebPage,
    /// A handshake for somebody else's key.
    WrongKey,
    /// A WebSocket that is closed at once, with a code and a reason.
    Close(u16, &'static str),
    /// A WebSocket whose connection breaks.
    Gone,
    /// A WebSocket whose first message is this, and whose answers come from a function of the command. In an answer
    /// `_before` are messages that come first, `_error` makes it a failure, and `_close` ends all.
    Session { first: String, answer: fn(&str) -> Value },
}

/// A service that is played.
pub(crate) struct Service {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    said: Arc<Mutex<Vec<Value>>>,
}

impl Service {
    pub(crate) async fn start(played: Vec<Played>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let service = Self { port, requests: Arc::default(), said: Arc::default() };
        let (requests, said) = (Arc::clone(&service.requests), Arc::clone(&service.said));
        tokio::spawn(async move {
            for played in played {
                let (stream, _) = listener.accept().await.unwrap();
                play(stream, played, &requests, &said).await;
            }
        });
        service
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// The heads of all requests.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// All messages that came.
    pub(crate) fn said(&self) -> Vec<Value> {
        self.said.lock().unwrap().clone()
    }
}

async fn play(
    mut stream: TcpStream,
    played: Played,
    requests: &Mutex<Vec<String>>,
    said: &Mutex<Vec<Value>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    requests.lock().unwrap().push(head);
    let plain = |status: u16, body: &str| {
        format!(
            "HTTP/1.1 {status} Played\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let upgrade = |accept: &str| {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: {accept}\r\n\r\n"
        )
    };
    let answer = match &played {
        Played::Refusal(status, words) => plain(*status, words),
        Played::WebPage => plain(200, "<html>"),
        Played::WrongKey => upgrade("AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        Played::Close(..) | Played::Gone | Played::Session { .. } => upgrade(&accept),
    };
    stream.write_all(answer.as_bytes()).await.unwrap();
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    match played {
        Played::Close(code, reason) => {
            let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
            let _ = socket.close(Some(frame)).await;
        }
        Played::Session { first, answer } => session(&mut socket, first, answer, said).await,
        Played::Refusal(..) | Played::WebPage | Played::WrongKey | Played::Gone => {}
    }
}

async fn session(
    socket: &mut WebSocketStream<TcpStream>,
    first: String,
    answer: fn(&str) -> Value,
    said: &Mutex<Vec<Value>>,
) {
    if socket.send(Message::text(first)).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let message: Value = serde_json::from_str(&text).unwrap();
        let (command, id) = (message["command"].as_str().unwrap_or_default(), message["id"].clone());
        let mut result = answer(command);
        if let Some(reason) = result["_close"].as_str() {
            let frame = CloseFrame { code: CloseCode::Away, reason: reason.to_owned().into() };
            let _ = socket.close(Some(frame)).await;
            return;
        }
        let before = result.as_object_mut().and_then(|result| result.remove("_before"));
        for message in before.as_ref().and_then(Value::as_array).map_or(&[][..], Vec::as_slice) {
            socket.feed(Message::text(message.to_string())).await.unwrap();
        }
        let error = result.as_object_mut().and_then(|result| result.remove("_error"));
        let is_error = error.is_some();
        let response = json!({
            "type": "response", "command": command, "id": id, "result": error.unwrap_or(result), "error": is_error,
        });
        said.lock().unwrap().push(message);
        socket.send(Message::text(response.to_string())).await.unwrap();
    }
}
