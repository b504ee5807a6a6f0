//! Writes what the chip sends, in a thread of its own: who does not read it must not keep Ctrl-C from working.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How many pieces wait to be written before the page is not listened to.
const PIECES_MAX: usize = 64;
/// How long the last pieces may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The thread that writes.
pub(super) struct Output {
    result: oneshot::Receiver<io::Result<()>>,
}

impl Output {
    /// Writes what is sent to the channel.
    pub(super) fn start(output: impl Write + Send + 'static) -> (Self, mpsc::Sender<Vec<u8>>) {
        let (serial, pieces) = mpsc::channel(PIECES_MAX);
        let (done, result) = oneshot::channel();
        thread::spawn(move || {
            // After its patience nobody asks.
            let _ = done.send(write(output, pieces));
        });
        (Self { result }, serial)
    }

    /// Waits until all is written. The channel must be closed.
    pub(super) async fn end(self) -> io::Result<()> {
        match timeout(PATIENCE, self.result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(io::Error::other("the output panicked")),
            // Whoever stopped reading does not want the rest.
            Err(_) => Ok(()),
        }
    }
}

fn write(mut output: impl Write, mut pieces: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(piece) = pieces.blocking_recv() {
        output.write_all(&piece)?;
        output.flush()?;
    }
    Ok(())
}
