//! One connection, from its first byte to its last.

use std::future::pending;
use std::io;
use std::time::Duration;

use hil_sim::cloud::Conversation;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::{sleep_until, timeout};

use super::core::Core;

/// Bytes taken at once.
const READ_LEN: usize = 1_024;
/// Who does not take what it is sent is not listened to until it does.
const BACKLOG_LEN_MAX: usize = 65_536;
/// How long a peer has to take what is on its way when our side has ended.
const LINGER: Duration = Duration::from_secs(2);
/// How long a TLS record may wait for room on its way.
const FLUSH_LIMIT: Duration = Duration::from_secs(60);

/// What happens next.
enum Next {
    Sent(io::Result<usize>),
    Received(io::Result<usize>),
    /// It is time, or somebody has changed something.
    Look,
}

/// Carries bytes until one side ends.
pub(super) async fn serve<S: AsyncRead + AsyncWrite>(core: &Core, stream: S, is_secure: bool) {
    let mut conversation = Conversation::new(is_secure);
    let handle = core.enter();
    let (mut reader, mut writer) = split(stream);
    let mut input = [0; READ_LEN];
    let mut len = 0;
    // A failed write or read is the peer's end, in whatever words.
    let mut is_broken = false;
    while !is_broken {
        let now = core.now();
        let is_kept = core.turn(now, &handle, &mut conversation, &input[..len]);
        len = 0;
        let is_done = conversation.is_closing() && conversation.has_sent();
        if !is_kept || is_done || conversation.is_overdue(now) || handle.is_cut() {
            break;
        }
        let can_read = !conversation.is_closing() && conversation.backlog_len() < BACKLOG_LEN_MAX;
        let wake = conversation.next_wake().map(|at| core.runtime_time(at));
        let bytes = conversation.sendable(now);
        let next = tokio::select! {
            // What is answered goes first.
            biased;
            sent = async {
                match bytes {
                    Some(bytes) => writer.write(bytes).await,
                    None => pending().await,
                }
            } => Next::Sent(sent),
            received = reader.read(&mut input), if can_read => Next::Received(received),
            () = handle.woken() => Next::Look,
            () = async {
                match wake {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            } => Next::Look,
        };
        match next {
            Next::Sent(Ok(sent)) => {
                conversation.note_sent(now, sent);
                // On TCP there is nothing to do.
                is_broken = !matches!(timeout(FLUSH_LIMIT, writer.flush()).await, Ok(Ok(())));
            }
            Next::Received(Ok(0)) => conversation.close(),
            Next::Received(Ok(received)) => len = received,
            Next::Sent(Err(_)) | Next::Received(Err(_)) => is_broken = true,
            Next::Look => {}
        }
    }
    core.leave(core.now(), &handle, &mut conversation);
    drop(conversation);
    if !is_broken && !handle.is_cut() {
        // A socket that is closed while something unread is in it takes back what was sent.
        let _ = timeout(LINGER, async {
            if writer.shutdown().await.is_ok() {
                while reader.read(&mut input).await.is_ok_and(|len| len > 0) {}
            }
        })
        .await;
    }
}
