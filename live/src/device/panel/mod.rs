//! The panel of a live device: a page in the browser, and what programs can ask by HTTP.

mod frames;
mod guard;
mod history;
mod page;
mod requests;
mod routes;
mod socket;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::{Request, Update};
use history::History;
use requests::Requests;

/// Connections at a time; one more is closed at once.
const CONNECTIONS_MAX: usize = 64;
/// Of these, how many are browsers that watch.
const WATCHERS_MAX: usize = 16;
/// How long a request may take to come and be answered.
const REQUEST_TIME: Duration = Duration::from_secs(20);
/// What the head of a request may have, in bytes: hyper's least.
const HEAD_LEN_MAX: usize = 8 * 1_024;
/// When no connection can be taken, for example because this program has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The panel of a live device. It serves until it is dropped.
pub struct Panel {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// What all connections have in common.
struct Shared {
    port: u16,
    history: History,
    requests: Requests,
    watchers: Arc<Semaphore>,
    patience: Patience,
}

/// How long a browser may be busy with other things.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// With taking a message.
    send: Duration,
    /// With saying that it is there.
    silence: Duration,
}

/// Browsers on a bad network are given up after that.
const PATIENCE: Patience = Patience { send: Duration::from_secs(10), silence: Duration::from_secs(15) };

impl Panel {
    /// Takes the address, and serves it from now on, within tokio's runtime. What is asked of the world goes to
    /// `requests`.
    ///
    /// # Errors
    /// When the address cannot be listened to.
    pub async fn bind(address: SocketAddr, requests: mpsc::Sender<Request>) -> io::Result<Self> {
        Self::bind_with(address, requests, PATIENCE).await
    }

    async fn bind_with(
        address: SocketAddr,
        requests: mpsc::Sender<Request>,
        patience: Patience,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            port: address.port(),
            history: History::new(),
            requests: Requests::new(requests),
            watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
            patience,
        });
        let server = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, server })
    }

    /// The address, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells everybody who watches, and whoever comes later, what has happened. It waits for nobody.
    pub fn tell(&self, update: Update) {
        self.shared.history.tell(update, Instant::now());
    }
}

impl Drop for Panel {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // A connection that finds no place is closed: whoever holds the others is told nothing by waiting.
        if let Ok(place) = Arc::clone(&connections).try_acquire_owned() {
            tokio::spawn(serve(stream, Arc::clone(&shared), place));
        }
    }
}

/// Answers the one request of a connection. A watcher's conversation goes on in a task of its own.
async fn serve(stream: TcpStream, shared: Arc<Shared>, place: OwnedSemaphorePermit) {
    // What is written waits for no more to write.
    let _ = stream.set_nodelay(true);
    let place = Arc::new(place);
    let answer = service_fn(|request: hyper::Request<Incoming>| {
        let (shared, place) = (Arc::clone(&shared), Arc::clone(&place));
        async move { Ok::<_, std::convert::Infallible>(routes::answer(request, shared, place).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .max_buf_size(HEAD_LEN_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    // Whoever breaks a connection, or is too slow, has gone: there is nobody to tell.
    let _ = timeout(REQUEST_TIME, connection).await;
}
