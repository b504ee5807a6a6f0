//! Why the service does not do what it is asked, and what to do about it.

use std::time::Duration;

use super::{SERVER_VARIABLE, TOKEN_VARIABLE};

/// Why a simulation cannot be had, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// Nobody gave a token.
    #[error("the environment variable {TOKEN_VARIABLE} is not set")]
    NoToken,
    /// A token that no header of HTTP can carry.
    #[error("the token in {TOKEN_VARIABLE} has a character that no token has")]
    BadToken,
    /// The address is none.
    #[error("`{0}` is no address of a service: it begins with ws:// or wss://")]
    BadAddress(String),
    /// The service cannot be reached at all.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// Its address.
        url: String,
        /// What failed.
        why: String,
    },
    /// The service answers, and refuses the connection.
    #[error("{url} refuses the connection: HTTP {status}{said}")]
    Refused {
        /// Its address.
        url: String,
        /// The status of its answer.
        status: u16,
        /// What it said with it, with `: ` before it; empty when it said nothing.
        said: String,
    },
    /// What answers is no WebSocket server.
    #[error("{url} does not speak WebSocket: {why}")]
    NoWebSocket {
        /// Its address.
        url: String,
        /// What is wrong with its answer.
        why: &'static str,
    },
    /// It speaks another version of the protocol.
    #[error("the service speaks version {theirs} of its protocol, and this program speaks {ours}")]
    Protocol {
        /// The service's.
        theirs: u64,
        /// Ours.
        ours: u64,
    },
    /// One command failed.
    #[error("the service refuses `{command}`: {message}{}", numbered(*.code))]
    Command {
        /// The command.
        command: String,
        /// The service's number for what is wrong; there is no published list.
        code: Option<i64>,
        /// Its words.
        message: String,
    },
    /// The service ends everything.
    #[error("the service ended the simulation: {0}")]
    Fatal(String),
    /// The connection is gone.
    #[error("the connection to the service is lost: {0}")]
    Lost(String),
    /// The service says nothing for too long.
    #[error("the service has not answered `{command}` for {} s", .waited.as_secs())]
    Silent {
        /// What it was asked.
        command: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It says what the protocol does not know.
    #[error("the service said what cannot be understood: {0}")]
    NotUnderstood(String),
    /// There is something wrong with this program's runtime.
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
}

fn numbered(code: Option<i64>) -> String {
    code.map(|code| format!(" (code {code})")).unwrap_or_default()
}

impl ApiError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoToken => {
                "make a token at https://wokwi.com/dashboard/ci and export it; or add --peer to \
                              run without Wokwi"
                    .to_owned()
            }
            Self::BadToken => "copy it again from https://wokwi.com/dashboard/ci".to_owned(),
            Self::BadAddress(_) | Self::NoWebSocket { .. } => {
                format!("look at {SERVER_VARIABLE}, or unset it for Wokwi's own service")
            }
            Self::Refused { status: 401 | 403, .. } => {
                format!("is the token in {TOKEN_VARIABLE} right? https://wokwi.com/dashboard/ci")
            }
            Self::Refused { status: 402 | 429, .. } => {
                "is the month's simulation time used up? https://wokwi.com/dashboard/ci".to_owned()
            }
            Self::Refused { .. } => "try again later, or ask Wokwi".to_owned(),
            Self::Unreachable { .. } => format!(
                "look at the network and at {SERVER_VARIABLE}; HTTPS_PROXY is used where it is set; or add \
                 --peer to run without Wokwi"
            ),
            Self::Protocol { .. } => "look for a newer version of this program".to_owned(),
            Self::Command { .. } | Self::Fatal(_) => "the service's own words say why".to_owned(),
            Self::Lost(_) | Self::Silent { .. } => "run it again".to_owned(),
            Self::NotUnderstood(_) => format!("is what {SERVER_VARIABLE} names a service of this kind?"),
            Self::System(_) => "close other programs and run it again".to_owned(),
        }
    }

    /// Whether trying again later may help; how long to wait is up to whoever tries.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Refused { status: 408 | 503 | 524, .. })
    }
}
