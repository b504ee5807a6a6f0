//! The way to the service: a WebSocket over an HTTP connection that reqwest makes, so that proxies and roots of trust are
//! what its users know.

use std::sync::Once;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use reqwest::header::{SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION};
use reqwest::{Client, Response, StatusCode, Upgraded};
use tokio::time::sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::{ApiError, Server};

/// How long the service may take to answer the connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// The pauses after which a busy service is asked again, as Wokwi's own client makes them.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
];
/// A picture or a waveform comes in one message.
const MESSAGE_LEN_MAX: usize = 512 << 20;
/// Of what a service says when it refuses, people read no more.
const SAID_LEN_MAX: usize = 300;

/// A connection to a service.
pub(super) type Socket = WebSocketStream<Upgraded>;

/// Connects. A service that is busy is asked again a few times.
pub(super) async fn connect(
    server: &Server,
    mut on_pause: impl FnMut(&ApiError, Duration),
) -> Result<Socket, ApiError> {
    let mut pauses = PAUSES.into_iter();
    loop {
        match try_connect(server).await {
            Err(error) if error.is_passing() => {
                let Some(pause) = pauses.next() else { return Err(error) };
                on_pause(&error, pause);
                sleep(pause).await;
            }
            done => return done,
        }
    }
}

async fn try_connect(server: &Server) -> Result<Socket, ApiError> {
    let url = http_address(&server.url)?;
    let mut token =
        HeaderValue::try_from(format!("Bearer {}", server.token.0)).map_err(|_| ApiError::BadToken)?;
    token.set_sensitive(true);
    let key = generate_key();
    let request = client()?
        .get(&url)
        .header(AUTHORIZATION, token)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, &key);
    let response = request.send().await.map_err(|error| match error.is_builder() {
        true => ApiError::BadAddress(server.url.clone()),
        false => ApiError::Unreachable { url: server.url.clone(), why: innermost(&error) },
    })?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal(server, response).await);
    }
    let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    if accept != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        let why = "its answer does not belong to what it was asked (RFC 6455 section 4.1)";
        return Err(ApiError::NoWebSocket { url: server.url.clone(), why });
    }
    let upgraded = response.upgrade().await.map_err(|error| ApiError::Lost(innermost(&error)))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_LEN_MAX))
        .max_frame_size(Some(MESSAGE_LEN_MAX));
    Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await)
}

async fn refusal(server: &Server, response: Response) -> ApiError {
    let url = server.url.clone();
    let status = response.status();
    if status.is_success() {
        return ApiError::NoWebSocket { url, why: "it answers as a plain web server" };
    }
    let said = response.text().await.unwrap_or_default();
    let said = said.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID_LEN_MAX);
    let said: String = said.collect();
    let said = if said.is_empty() { said } else { format!(": {said}") };
    ApiError::Refused { url, status: status.as_u16(), said }
}

/// The same address as reqwest knows it.
fn http_address(url: &str) -> Result<String, ApiError> {
    for (theirs, ours) in [("ws://", "http://"), ("wss://", "https://")] {
        if let Some(rest) = url.strip_prefix(theirs).filter(|rest| !rest.is_empty()) {
            return Ok(format!("{ours}{rest}"));
        }
    }
    Err(ApiError::BadAddress(url.to_owned()))
}

fn client() -> Result<Client, ApiError> {
    static CRYPTOGRAPHY: Once = Once::new();
    CRYPTOGRAPHY.call_once(|| {
        // Only another part of this process could have chosen one before, and that one does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder()
        // Only there a connection can become another protocol's.
        .http1_only()
        .connect_timeout(CONNECT_LIMIT)
        .user_agent(concat!("edgent-hil/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| ApiError::System(std::io::Error::other(innermost(&error))))
}

/// What failed in the end: what stands around it only names the request.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_websockets_are_taken() {
        assert_eq!(http_address("ws://127.0.0.1:9177/x").unwrap(), "http://127.0.0.1:9177/x");
        assert_eq!(http_address("wss://wokwi.com/api/ws/beta").unwrap(), "https://wokwi.com/api/ws/beta");
        for wrong in ["", "wokwi.com", "http://wokwi.com", "ws://", "ftp://x"] {
            assert!(matches!(http_address(wrong), Err(ApiError::BadAddress(_))), "{wrong}");
        }
    }
}
