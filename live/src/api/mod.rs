//! A client for Wokwi's Simulation API: a simulator elsewhere, driven over one WebSocket.
//!
//! Every message is a JSON object in a text frame. The client sends commands, each of which is answered; events come in
//! between. Simulated time stands still between [`Simulation::resume`] and the next [`Event::Paused`] only when somebody
//! asked for that: with a pause point, or a limit.

mod connect;
mod error;
pub mod message;
mod simulation;

use std::env;
use std::fmt;

pub use error::ApiError;
pub use message::Event;
pub use simulation::{Counted, Firmware, PausePoint, Pin, Simulation, Start, Status, Upload, Waveform};

/// Where Wokwi's own service is.
pub const WOKWI: &str = "wss://wokwi.com/api/ws/beta";
/// The environment variable with the address of another service that speaks the same.
pub const SERVER_VARIABLE: &str = "WOKWI_CLI_SERVER";
/// The environment variable with the user's token.
pub const TOKEN_VARIABLE: &str = "WOKWI_CLI_TOKEN";

/// A secret that opens the service. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token as its user has it.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// A service, and what opens it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// Its address, `ws://` or `wss://`.
    pub url: String,
    /// The user's token.
    pub token: Token,
}

impl Server {
    /// The service that the environment names: Wokwi's own unless [`SERVER_VARIABLE`] names another.
    ///
    /// # Errors
    /// When there is no token.
    pub fn from_environment() -> Result<Self, ApiError> {
        Self::new(env::var(SERVER_VARIABLE).ok(), env::var(TOKEN_VARIABLE).ok())
    }

    fn new(url: Option<String>, token: Option<String>) -> Result<Self, ApiError> {
        let url = url.filter(|url| !url.is_empty()).unwrap_or_else(|| WOKWI.to_owned());
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        Ok(Self { url, token: Token(token.ok_or(ApiError::NoToken)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_wokwis_unless_another_is_named_and_a_token_is_needed() {
        let token = || Some(" wok_secret\n".to_owned());
        let named = Server::new(Some("ws://127.0.0.1:9177".into()), token()).unwrap();
        assert_eq!((named.url.as_str(), named.token), ("ws://127.0.0.1:9177", Token::new("wok_secret")));
        assert_eq!(Server::new(None, token()).unwrap().url, WOKWI);
        assert_eq!(Server::new(Some(String::new()), token()).unwrap().url, WOKWI);
        for nothing in [None, Some(String::new()), Some(" ".to_owned())] {
            assert!(matches!(Server::new(None, nothing), Err(ApiError::NoToken)));
        }
        let shown = format!("{:?}", Server::new(None, token()).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
