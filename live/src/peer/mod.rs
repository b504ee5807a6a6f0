//! A peer that speaks Wokwi's Simulation API, with QEMU behind its serial line.
//!
//! It stands in for the service where there is no network and no token: in tests, and at the desk of whoever writes a client.
//! It runs firmware for QEMU's riscv32 machine `virt`, not for a chip of Espressif's, and has no parts but the serial line.

mod machine;
mod pause_points;
mod session;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::thread;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;

use crate::api::{Server, Token};
use session::Session;

/// The peer, listening on loopback.
pub struct Peer {
    listener: TcpListener,
    emulator: PathBuf,
}

impl Peer {
    /// Listens at this port of the loopback interface; 0 is any free one. `emulator` is QEMU's program.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn bind(port: u16, emulator: PathBuf) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        Ok(Self { listener, emulator })
    }

    /// A peer in a thread of this process, at a port of its own. Both end with the process. Returns how to reach it.
    ///
    /// # Errors
    /// When the system gives no port or no thread.
    pub fn in_thread(emulator: PathBuf) -> io::Result<Server> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let peer = runtime.block_on(Self::bind(0, emulator))?;
        let url = format!("ws://{}", peer.address()?);
        thread::Builder::new().name("peer".to_owned()).spawn(move || runtime.block_on(peer.serve(|_| {})))?;
        Ok(Server { url, token: Token::new("any") })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves everybody who comes, each with a machine of its own, until it is dropped. `say` hears what goes on.
    pub async fn serve(self, say: impl Fn(&str) + Clone + Send + 'static) {
        let mut sessions = tokio::task::JoinSet::new();
        let mut number = 0_u64;
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    // What could not be accepted has gone, or there is no handle left for now.
                    let Ok((stream, _)) = accepted else { continue };
                    number += 1;
                    let (emulator, say) = (self.emulator.clone(), say.clone());
                    sessions.spawn(async move {
                        say(&format!("session {number}: connected"));
                        let end = match greet(stream).await {
                            Ok(socket) => Session::new(socket, emulator).run().await,
                            Err(error) => error.to_string(),
                        };
                        say(&format!("session {number}: {end}"));
                    });
                }
                Some(_) = sessions.join_next(), if !sessions.is_empty() => {}
            }
        }
    }
}

/// How many machines of peers there are in this process. Whoever ends it waits until there is none: an emulator outlives a
/// process that ends too early.
pub fn machines_running() -> usize {
    machine::running()
}

/// Takes a connection from whoever has a token. Any will do: none of them opens anything.
async fn greet(stream: TcpStream) -> Result<session::Socket, Box<tokio_tungstenite::tungstenite::Error>> {
    #[expect(clippy::result_large_err, reason = "the shape is the library's")]
    let has_token = |request: &Request, response: Response| {
        let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if token.and_then(|token| token.strip_prefix("Bearer ")).is_some_and(|token| !token.trim().is_empty())
        {
            return Ok(response);
        }
        let mut refusal =
            ErrorResponse::new(Some("the header `Authorization: Bearer TOKEN` is missing".to_owned()));
        *refusal.status_mut() = StatusCode::UNAUTHORIZED;
        Err(refusal)
    };
    stream.set_nodelay(true).map_err(|error| Box::new(error.into()))?;
    accept_hdr_async(stream, has_token).await.map_err(Box::new)
}
