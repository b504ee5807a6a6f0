//! GDB's connection: a stream of bytes with packets in it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::gdb::{Event as Found, Parser};
use super::hub::Event;

/// Says that what came is understood, or is not.
const GOOD: &[u8] = b"+";
const BAD: &[u8] = b"-";

/// Hands on what GDB says, and the answers to it, until GDB goes or no more answers can come.
pub(super) async fn run(
    number: u64,
    mut stream: TcpStream,
    events: mpsc::Sender<Event>,
    mut answers: mpsc::Receiver<Vec<u8>>,
) {
    // An acknowledgement that waits for more to write makes GDB wait.
    let _ = stream.set_nodelay(true);
    let (mut from, mut to) = stream.split();
    let mut parser = Parser::default();
    let mut bytes = [0; 4096];
    let mut is_there = to.write_all(GOOD).await.is_ok();
    while is_there {
        tokio::select! {
            read = from.read(&mut bytes) => {
                let len = read.unwrap_or(0);
                is_there = len > 0;
                for found in bytes[..len].iter().filter_map(|byte| parser.feed(*byte)) {
                    let acknowledgement = match found {
                        Found::Packet(_) => GOOD,
                        Found::Damaged => BAD,
                        Found::Break | Found::Resend => b"",
                    };
                    is_there &= to.write_all(acknowledgement).await.is_ok();
                    // A server that ends listens no more.
                    is_there &= events.send(Event::Gdb { session: number, found }).await.is_ok();
                }
            }
            answer = answers.recv() => {
                is_there = match answer {
                    Some(answer) => to.write_all(&answer).await.is_ok(),
                    None => false,
                };
            }
        }
    }
    let _ = events.send(Event::GdbGone { session: number }).await;
}
