//! A page's connection: a WebSocket.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::http::header::ORIGIN;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::firmware::Firmware;
use super::hub::Event;
use super::messages::{FromPage, shown};
use super::waiting::Waiting;

/// No page says more at once; a message is held in memory.
const MESSAGE_LEN_MAX: usize = 16 * 1024 * 1024;
/// How long a connection may take to become a WebSocket.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a page may take to agree that its connection ends.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<TcpStream>;

/// What a connection has to do with the server.
pub(super) struct Page {
    pub(super) number: u64,
    pub(super) firmware: Firmware,
    pub(super) waiting: Arc<Waiting>,
    pub(super) events: mpsc::Sender<Event>,
}

/// Why a conversation ended.
enum End {
    /// The server wants no more of it.
    Dismissed,
    /// The page closed the connection.
    Closed,
    /// The connection broke, or never was a page's; how.
    Broken(String),
    /// There is nothing to simulate; why.
    NoFirmware(String),
}

impl Page {
    /// Converses with the page, until it goes or the other end of `dismissed` is dropped.
    pub(super) async fn converse(self, stream: TcpStream, mut dismissed: oneshot::Receiver<()>) {
        let end = tokio::select! {
            biased;
            _ = &mut dismissed => return,
            met = meet(stream) => match met {
                Ok((hello, socket)) => self.serve(hello, socket, dismissed).await,
                Err(end) => end,
            },
        };
        let trouble = match end {
            End::Dismissed | End::Closed => None,
            End::Broken(why) | End::NoFirmware(why) => Some(why),
        };
        self.tell(Event::PageGone { page: self.number, trouble }).await;
    }

    /// Serves a page that has said hello.
    async fn serve(&self, hello: String, socket: Socket, mut dismissed: oneshot::Receiver<()>) -> End {
        self.tell(Event::Hello { page: self.number, text: hello }).await;
        let (mut sink, mut stream) = socket.split();
        let end = tokio::select! {
            biased;
            _ = &mut dismissed => End::Dismissed,
            end = self.listen(&mut stream) => end,
            end = self.talk(&mut sink) => end,
        };
        let (code, reason) = match end {
            End::Closed | End::Broken(_) => return end,
            End::Dismissed => (CloseCode::Away, "this page is no longer served"),
            End::NoFirmware(_) => {
                (CloseCode::Error, "there is no firmware to simulate: see the server's output")
            }
        };
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        // To end the connection without having read all would take the frame back. A page that does not
        // answer has gone, or will see it all the same.
        let _ = timeout(GOODBYE, async {
            if sink.send(close).await.is_ok() {
                while let Some(Ok(_)) = stream.next().await {}
            }
        })
        .await;
        end
    }

    /// Sends the firmware, and then what GDB says.
    async fn talk(&self, sink: &mut SplitSink<Socket, Message>) -> End {
        let start = match self.firmware.start().await {
            Ok(start) => start,
            Err(why) => return End::NoFirmware(why),
        };
        if let Err(error) = sink.send(Message::text(start.frame)).await {
            return broken(&error);
        }
        self.tell(Event::Note(format!("the page has {}", start.summary))).await;
        loop {
            let message = self.waiting.take().await;
            if let Err(error) = sink.send(Message::text(message)).await {
                return broken(&error);
            }
        }
    }

    /// Hands on what the page says.
    async fn listen(&self, stream: &mut SplitStream<Socket>) -> End {
        loop {
            let said = match next(stream).await {
                Ok(Message::Text(text)) => FromPage::read(&text),
                Ok(_) => FromPage::Other("a binary frame".to_owned()),
                Err(end) => return end,
            };
            self.tell(Event::Said { page: self.number, said }).await;
        }
    }

    async fn tell(&self, event: Event) {
        // A server that ends listens no more.
        let _ = self.events.send(event).await;
    }
}

/// Waits for a page's first words, which mean nothing but that it is ready.
async fn meet(stream: TcpStream) -> Result<(String, Socket), End> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_LEN_MAX))
        .max_frame_size(Some(MESSAGE_LEN_MAX));
    // What is written waits for no more to write.
    let _ = stream.set_nodelay(true);
    let mut socket = match timeout(HANDSHAKE, accept_hdr_async_with_config(stream, admit, Some(config))).await
    {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => return Err(End::Broken(format!("what connected is no page: {error}"))),
        Err(_) => return Err(End::Broken("what connected is no page: it says nothing".to_owned())),
    };
    let hello = shown(&String::from_utf8_lossy(&next(&mut socket).await?.into_data()));
    Ok((hello, socket))
}

/// Lets Wokwi's page in, and programs, which say nothing of where they come from. Any other page that the browser has open
/// could have the firmware otherwise.
#[expect(clippy::result_large_err, reason = "the shape is the library's")]
fn admit(request: &Request, response: Response) -> Result<Response, ErrorResponse> {
    let origin = request.headers().get(ORIGIN).map(|origin| String::from_utf8_lossy(origin.as_bytes()));
    match origin {
        Some(origin) if !is_wokwi(&origin) => {
            let mut refusal = ErrorResponse::new(Some(format!("{} is not Wokwi's page", shown(&origin))));
            *refusal.status_mut() = StatusCode::FORBIDDEN;
            Err(refusal)
        }
        _ => Ok(response),
    }
}

/// Wokwi's own pages, and what somebody serves on this machine.
fn is_wokwi(origin: &str) -> bool {
    let (scheme, host) = origin.split_once("://").unwrap_or_default();
    let (name, _) = host.split_once(':').unwrap_or((host, ""));
    match scheme {
        "https" => host == "wokwi.com" || host.ends_with(".wokwi.com"),
        "http" => matches!(name, "localhost" | "127.0.0.1"),
        _ => false,
    }
}

/// The next message with content.
async fn next<S>(stream: &mut S) -> Result<Message, End>
where
    S: futures_util::Stream<Item = Result<Message, Error>> + Unpin,
{
    loop {
        match stream.next().await {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => return Ok(message),
            // Pings are answered by the library.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(_)) | Err(Error::ConnectionClosed)) | None => return Err(End::Closed),
            Some(Err(error)) => return Err(broken(&error)),
        }
    }
}

fn broken(error: &Error) -> End {
    End::Broken(format!("the connection of a page broke: {error}"))
}

#[cfg(test)]
mod tests {
    use super::is_wokwi;

    #[test]
    fn only_wokwis_pages_are_let_in() {
        for ours in
            ["https://wokwi.com", "https://a.preview.wokwi.com", "http://localhost:8000", "http://127.0.0.1"]
        {
            assert!(is_wokwi(ours), "{ours}");
        }
        let others = [
            "",
            "null",
            "http://wokwi.com",
            "https://wokwi.com.evil.example",
            "https://evilwokwi.com",
            "file://",
        ];
        for other in others {
            assert!(!is_wokwi(other), "{other}");
        }
    }
}
