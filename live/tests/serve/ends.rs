//! How a server ends.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use hil_live::serve::{ServeError, Server};
use libtest_mimic::Trial;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::stage::{ELF, Kept, Outcome, Page, Stage, options, parts_of, same, trial};

/// Set for this program when it is to be a server itself.
pub(crate) const CHILD: &str = "HIL_TEST_SERVES";

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("end: pages are told, and the ports are free", pages_are_told),
        trial("end: an output that takes no more ends it", broken_output),
        trial("end: an output that nobody reads does not keep it", stalled_output),
        trial("end: an image that is being made does not keep it", unfinished_image),
    ];
    #[cfg(unix)]
    trials.push(Trial::test("end: Ctrl-C", unix::interrupted));
    trials
}

async fn pages_are_told() -> Outcome {
    let stage = Stage::start().await?;
    let (port, gdb_port) = (stage.port, stage.gdb_port);
    let mut page = Page::started(port).await?;
    let _silent = Page::connect(port).await?;
    let _gdb = tokio::net::TcpStream::connect(("127.0.0.1", gdb_port)).await?;
    stage.says("GDB is attached").await?;
    page.say(r#"{"type":"uartData","bytes":[49]}"#).await?;
    stage.has_sent(b"1").await?;
    let told = async {
        let code = page.is_closed().await?.code;
        page.close().await?;
        same("the farewell", &code, &CloseCode::Away)
    };
    let (ended, told) = tokio::join!(stage.end(), told);
    told?;
    ended??;
    for port in [port, gdb_port] {
        TcpListener::bind(("127.0.0.1", port)).await?;
    }
    Ok(())
}

/// Takes nothing.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn broken_output() -> Outcome {
    let stage = Stage::with_output(|_| Ok(parts_of(ELF)), Broken, Kept::default()).await?;
    let mut page = Page::started(stage.port).await?;
    page.say(r#"{"type":"uartData","bytes":[49]}"#).await?;
    // It is noticed with the next piece.
    page.say(r#"{"type":"uartData","bytes":[50]}"#).await?;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    page.say(r#"{"type":"uartData","bytes":[51]}"#).await?;
    match stage.ended().await? {
        Err(ServeError::Output(error)) => same("the error", &error.kind(), &io::ErrorKind::BrokenPipe),
        other => Err(format!("{other:?} instead of an error").into()),
    }
}

/// Never done.
struct Stalled;

impl Write for Stalled {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        loop {
            std::thread::park();
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn stalled_output() -> Outcome {
    let stage = Stage::with_output(|_| Ok(parts_of(ELF)), Stalled, Kept::default()).await?;
    let mut page = Page::started(stage.port).await?;
    for _ in 0..500 {
        page.say(r#"{"type":"uartData","bytes":[49]}"#).await?;
    }
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    Ok(stage.end().await??)
}

async fn unfinished_image() -> Outcome {
    let stage = Stage::with(|_| {
        loop {
            std::thread::park();
        }
    })
    .await?;
    let mut page = Page::connect(stage.port).await?;
    page.say("hello").await?;
    stage.says("a page is connected").await?;
    Ok(stage.end().await??)
}

/// What this program does as a child: it serves, says where, and ends with Ctrl-C.
pub(crate) fn serve_until_interrupted() -> ExitCode {
    let served = || -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let elf = folder.path().join("program");
        fs::write(&elf, ELF)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let server = Server::bind(options(&elf), |_| Ok(parts_of(ELF))).await?;
            println!("{}", server.port());
            Ok(server.run(io::sink(), |line| eprintln!("{line}")).await?)
        })
    };
    match served() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(unix)]
mod unix {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

    use super::CHILD;
    use crate::stage::{Outcome, Page, play, same, until};

    struct Ends(Child);

    impl Drop for Ends {
        fn drop(&mut self) {
            // One that has ended already cannot be killed, and need not be.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// Held against a process: what a signal does concerns all of it.
    pub(super) fn interrupted() -> Outcome {
        let child = Command::new(std::env::current_exe()?)
            .env(CHILD, "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut child = Ends(child);
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let port: u16 = line.trim().parse()?;
        play(async {
            let mut page = Page::started(port).await?;
            let kill = Command::new("kill").args(["-INT", &child.0.id().to_string()]).status()?;
            same("whether it could be interrupted", &kill.success(), &true)?;
            same("the farewell", &page.is_closed().await?.code, &CloseCode::Away)?;
            page.close().await?;
            let mut status = None;
            until("the end", || {
                status = child.0.try_wait().ok().flatten();
                status.is_some()
            })
            .await?;
            same("how it ended", &status.and_then(|status| status.code()), &Some(0))
        })
    }
}
