//! GDB's side, played by the tests, on a plain connection.

use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stage::{Outcome, Page, Stage, same, trial};

const PATIENCE: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_millis(150);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("gdb: packets go to the page and answers come back", packets_and_answers),
        trial("gdb: packets are found however the stream is cut", cut_streams),
        trial("gdb: a damaged packet is refused, a damaged answer repeated", damage),
        trial("gdb: Ctrl-C halts the chip", halt),
        trial("gdb: bytes that are no text stay what they are", binary),
        trial("gdb: what it says waits for the page", waits_for_page),
        trial("gdb: what it says while there is no firmware waits for the next page", waits_for_next_page),
        trial("gdb: it can go and come back", comes_back),
        trial("gdb: a second one waits for its turn", one_at_a_time),
        trial("gdb: one that talks to nobody is cut off", talks_to_nobody),
        trial("gdb: one that does not read is cut off", does_not_read),
    ]
}

/// A GDB that has been greeted.
struct Gdb(TcpStream);

impl Gdb {
    async fn attach(stage: &Stage) -> Result<Self, Failed> {
        let mut gdb = Self(TcpStream::connect(("127.0.0.1", stage.gdb_port)).await?);
        gdb.reads(b"+").await?;
        Ok(gdb)
    }

    async fn writes(&mut self, bytes: &[u8]) -> Outcome {
        Ok(self.0.write_all(bytes).await?)
    }

    async fn reads(&mut self, expected: &[u8]) -> Outcome {
        let mut found = vec![0; expected.len()];
        let read = timeout(PATIENCE, self.0.read_exact(&mut found)).await;
        read.map_err(|_| format!("{:?} does not come", String::from_utf8_lossy(expected)))??;
        same("what GDB reads", &String::from_utf8_lossy(&found), &String::from_utf8_lossy(expected))
    }

    async fn reads_nothing(&mut self) -> Outcome {
        let mut byte = [0];
        match timeout(SILENCE, self.0.read(&mut byte)).await {
            Err(_) => Ok(()),
            Ok(read) => Err(format!("GDB reads {byte:?} ({read:?})").into()),
        }
    }

    /// The server closes the connection, whatever came before.
    async fn is_cut_off(&mut self) -> Outcome {
        let mut bytes = vec![0; 65_536];
        let reading = async { while self.0.read(&mut bytes).await.is_ok_and(|len| len > 0) {} };
        timeout(PATIENCE, reading).await.map_err(|_| "GDB is not cut off".into())
    }
}

fn gdb(message: &str) -> Value {
    json!({"type": "gdb", "message": message})
}

async fn packets_and_answers() -> Outcome {
    let stage = Stage::start().await?;
    let mut page = Page::started(stage.port).await?;
    let mut gdb_client = Gdb::attach(&stage).await?;
    gdb_client.writes(b"+$g#67").await?;
    gdb_client.reads(b"+").await?;
    same("a packet", &page.hears().await?, &gdb("g"))?;
    page.say(r#"{"type":"gdbResponse","response":"+$0102#c3"}"#).await?;
    gdb_client.reads(b"+$0102#c3").await?;
    // It is not for the server to know what is a packet.
    page.say(r#"{"type":"gdbResponse","response":"not$framed"}"#).await?;
    gdb_client.reads(b"not$framed").await?;
    gdb_client.reads_nothing().await?;
    same("serial output", &stage.serial.bytes(), &Vec::new())?;
    Ok(stage.end().await??)
}

async fn cut_streams() -> Outcome {
    let stage = Stage::start().await?;
    let mut page = Page::started(stage.port).await?;
    let mut gdb_client = Gdb::attach(&stage).await?;
    gdb_client.writes(b"$?#3f$qAttached#8f").await?;
    gdb_client.reads(b"++").await?;
    same("the first", &page.hears().await?, &gdb("?"))?;
    same("the second", &page.hears().await?, &gdb("qAttached"))?;
    for byte in b"$m42000000,4#53" {
        gdb_client.writes(&[*byte]).await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    gdb_client.reads(b"+").await?;
    same("one in pieces", &page.hears().await?, &gdb("m42000000,4"))?;
    gdb_client.reads_nothing().await?;
    page.hears_nothing().await
}

async fn damage() -> Outcome {
    let stage = Stage::start().await?;
    let mut page = Page::started(stage.port).await?;
    let mut gdb_client = Gdb::attach(&stage).await?;
    gdb_client.writes(b"$g#68").await?;
    gdb_client.reads(b"-").await?;
    page.hears_nothing().await?;
    gdb_client.writes(b"-").await?;
    gdb_client.reads_nothing().await?;
    page.say(r#"{"type":"gdbResponse","response":"$OK#9a"}"#).await?;
    gdb_client.reads(b"$OK#9a").await?;
    gdb_client.writes(b"-").await?;
    gdb_client.reads(b"$OK#9a").await?;
    gdb_client.writes(b"-+").await?;
    gdb_client.reads(b"$OK#9a").await?;
    gdb_client.reads_nothing().await?;
    page.hears_nothing().await
}

async fn halt() -> Outcome {
    let stage = Stage::start().await?;
    let mut page = Page::started(stage.port).await?;
    let mut gdb_client = Gdb::attach(&stage).await?;
    gdb_client.writes(b"$c#63\x03").await?;
    gdb_client.reads(b"+").await?;
    same("a packet", &page.hears().await?, &gdb("c"))?;
    same("the halt", &page.hears().await?, &json!({"type": "gdbBreak"}))?;
    gdb_client.reads_nothing().await
}

async fn binary() -> Outcome {
    let stage = Stage::start().await?;
    let mut page = Page::started(stage.port).await?;
    let mut gdb_client = Gdb::attach(&stage).await?;
    let payload = b"X0,5:\x00\xFF\xC3}\x03\x80";
    let sum = payload.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    gdb_client.writes(&[b"$", &payload[..], format!("#{sum:02x}").as_bytes()].concat()).await?;
    gdb_client.reads(b"+").await?;
    same("the packet", &page.hears().await?, &gdb("X0,5:\0\u{FF}\u{C3}}\u{3}\u{80}"))?;
    gdb_client.writes("$é#6c".as_bytes()).await?;
    gdb_client.reads(b"+").await?;
    same("a text", &page.hears().await?, &gdb("é"))
}

async fn waits_for_page() -> Outcome {
    let stage = Stage::start().await?;
    let mut gdb_client = Gdb::attach(&stage).await?;
    stage.says("GDB is attached and waits for a page").await?;
    gdb_client.writes(b"$?#3f\x03$g#67").await?;
    gdb_client.reads(b"++").await?;
    gdb_client.reads_nothing().await?;
    let mut page = Page::started(stage.port).await?;
    same("the first", &page.hears().await?, &gdb("?"))?;
    same("the second", &page.hears().await?, &json!({"type": "gdbBreak"}))?;
    same("the third", &page.hears().await?, &gdb("g"))
}

async fn waits_for_next_page() -> Outcome {
    let stage = Stage::start().await?;
    let mut gdb_client = Gdb::attach(&stage).await?;
    gdb_client.writes(b"$?#3f").await?;
    gdb_client.reads(b"+").await?;
    let elf = std::fs::read(&stage.elf)?;
    std::fs::remove_file(&stage.elf)?;
    let mut page = Page::connect(stage.port).await?;
    page.say("hello").await?;
    page.is_closed().await?;
    std::fs::write(&stage.elf, elf)?;
    let mut page = Page::started(stage.port).await?;
    same("the packet", &page.hears().await?, &gdb("?"))
}

async fn comes_back() -> Outcome {
    let stage = Stage::start().await?;
    let mut first = Gdb::attach(&stage).await?;
    first.writes(b"$?#3f$half").await?;
    first.reads(b"+").await?;
    drop(first);
    stage.says("GDB is gone").await?;
    let mut page = Page::started(stage.port).await?;
    page.say(r#"{"type":"gdbResponse","response":"$for#the first"}"#).await?;
    // Nobody waits for what the first one asked.
    page.hears_nothing().await?;
    let mut second = Gdb::attach(&stage).await?;
    second.writes(b"-$g#67").await?;
    second.reads(b"+").await?;
    same("a packet", &page.hears().await?, &gdb("g"))?;
    second.reads_nothing().await
}

async fn one_at_a_time() -> Outcome {
    let stage = Stage::start().await?;
    let mut page = Page::started(stage.port).await?;
    let first = Gdb::attach(&stage).await?;
    let mut second = Gdb(TcpStream::connect(("127.0.0.1", stage.gdb_port)).await?);
    second.writes(b"$g#67").await?;
    second.reads_nothing().await?;
    page.hears_nothing().await?;
    drop(first);
    second.reads(b"++").await?;
    same("a packet", &page.hears().await?, &gdb("g"))
}

async fn talks_to_nobody() -> Outcome {
    let stage = Stage::start().await?;
    let mut gdb_client = Gdb::attach(&stage).await?;
    for _ in 0..64 {
        gdb_client.writes(b"$g#67").await?;
        gdb_client.reads(b"+").await?;
    }
    gdb_client.reads_nothing().await?;
    gdb_client.writes(b"$g#67").await?;
    gdb_client.is_cut_off().await?;
    stage.says("GDB is cut off: no page took the last 64 packets").await?;
    Gdb::attach(&stage).await?;
    Ok(stage.end().await??)
}

async fn does_not_read() -> Outcome {
    let stage = Stage::start().await?;
    let mut page = Page::started(stage.port).await?;
    let mut gdb_client = Gdb::attach(&stage).await?;
    let answer = json!({"type": "gdbResponse", "response": "x".repeat(1_000_000)}).to_string();
    for _ in 0..100 {
        page.say(&answer).await?;
    }
    stage.says("GDB is cut off: it does not read its answers").await?;
    gdb_client.is_cut_off().await?;
    Gdb::attach(&stage).await?;
    page.say(r#"{"type":"uartData","bytes":[49]}"#).await?;
    stage.has_sent(b"1").await
}
