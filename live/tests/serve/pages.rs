//! Pages come, are served, reload and go.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hil_live::serve::{Chip, ServeError, Server};
use libtest_mimic::Trial;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::stage::{ELF, Outcome, Page, Stage, is_start, options, parts_of, same, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("page: it speaks first, and gets the firmware once", speaks_first),
        trial("page: its first words may be anything", any_first_words),
        trial("page: serial bytes come out as they are", serial_bytes),
        trial("page: what is not understood is ignored", not_understood),
        trial("page: a reload gets what was built meanwhile", reload),
        trial("page: the last one is served", last_one),
        trial("page: a connection that says nothing takes no page's place", silent_connection),
        trial("page: one that goes while its image is made is noticed to go", goes_early),
        trial("page: without an ELF file it is told so, and the next one is served", missing_elf),
        trial("page: without an image it is told so", missing_image),
        trial("page: what is no WebSocket does no harm", no_websocket),
        trial("page: those of others are sent away", pages_of_others),
        trial("address: that of the chip's project", addresses),
        trial("address: chips have the names that are in use", chip_names),
        trial("ports: one in use is named with its flag", busy_ports),
    ]
}

async fn speaks_first() -> Outcome {
    let stage = Stage::start().await?;
    let mut page = Page::connect(stage.port).await?;
    page.hears_nothing().await?;
    page.say("hello").await?;
    is_start(&page.hears().await?, ELF, &parts_of(ELF))?;
    page.hears_nothing().await?;
    stage.says("a page is connected: hello").await?;
    Ok(stage.end().await??)
}

async fn pages_of_others() -> Outcome {
    let stage = Stage::start().await?;
    Page::from_site(stage.port, "https://wokwi.com").await?.say("hello").await?;
    let Err(error) = Page::from_site(stage.port, "https://evil.example").await else {
        return Err("it was let in".into());
    };
    let refused = error.message().unwrap_or_default().contains("403");
    same("a refusal", &refused, &true)?;
    Ok(stage.end().await??)
}

async fn any_first_words() -> Outcome {
    let stage = Stage::start().await?;
    let mut page = Page::connect(stage.port).await?;
    page.send(Message::Ping(b"are you there"[..].into())).await?;
    same("an answer", &page.next().await?, &Message::Pong(b"are you there"[..].into()))?;
    page.hears_nothing().await?;
    page.send(Message::binary(&b"\x1B[2J\xFFbinary"[..])).await?;
    is_start(&page.hears().await?, ELF, &parts_of(ELF))?;
    stage.says("connected: \u{FFFD}[2J\u{FFFD}binary").await?;
    let mut page = Page::connect(stage.port).await?;
    page.say(&"x".repeat(1_000_000)).await?;
    is_start(&page.hears().await?, ELF, &parts_of(ELF))?;
    stage.says(&format!("connected instead of the one before: {}…", "x".repeat(60))).await?;
    same("lines that are long", &stage.log().iter().filter(|line| line.len() > 500).count(), &0)
}

async fn serial_bytes() -> Outcome {
    let stage = Stage::start().await?;
    let mut page = Page::started(stage.port).await?;
    page.say(r#"{"type":"uartData","bytes":[72,105,13,10,0,255,195]}"#).await?;
    stage.has_sent(b"Hi\r\n\0\xFF\xC3").await?;
    page.say(r#"{"bytes":[],"type":"uartData"}"#).await?;
    page.say(r#"{"bytes":[164],"type":"uartData","more":{"to":"come"}}"#).await?;
    stage.has_sent(b"Hi\r\n\0\xFF\xC3\xA4").await?;
    Ok(stage.end().await??)
}

async fn not_understood() -> Outcome {
    let stage = Stage::start().await?;
    let mut page = Page::started(stage.port).await?;
    let strange = [
        r#"{"type":"wifiFrame","frame":"AA=="}"#,
        r#"{"type":"uartData"}"#,
        r#"{"type":"uartData","bytes":"text"}"#,
        r#"{"type":"uartData","bytes":null}"#,
        r#"{"type":"gdbResponse"}"#,
        r#"{"type":"gdbResponse","response":7}"#,
        r#"{"type":"gdbResponse","response":"for nobody"}"#,
        r#"{"type":["uartData"],"bytes":[1]}"#,
        r#"{"bytes":[1]}"#,
        "[1]",
        "null",
        "{",
        "",
    ];
    for _ in 0..2 {
        for message in strange {
            page.say(message).await?;
        }
        page.send(Message::binary(&b"\x00\xFF"[..])).await?;
        page.send(Message::Pong(b""[..].into())).await?;
    }
    page.say(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))).await?;
    page.say(r#"{"type":"uartData","bytes":[65,"x",256,-1,1.5,null,[67],66]}"#).await?;
    stage.has_sent(b"AB").await?;
    let told =
        ["`wifiFrame`", "`uartData` without", "`gdbResponse` without", "no JSON", "without type", "a binary"];
    for what in told {
        same(&format!("lines about {what}"), &stage.said(what), &1)?;
    }
    for number in 0..100 {
        page.say(&format!(r#"{{"type":"new-{number}"}}"#)).await?;
    }
    page.say(r#"{"type":"uartData","bytes":[67]}"#).await?;
    stage.has_sent(b"ABC").await?;
    same("more lines than anyone reads", &(stage.log().len() < 50), &true)?;
    Ok(stage.end().await??)
}

async fn reload() -> Outcome {
    let stage = Stage::start().await?;
    let page = Page::started(stage.port).await?;
    page.close().await?;
    stage.says("the page is gone").await?;
    fs::write(&stage.elf, b"the second")?;
    let mut page = Page::connect(stage.port).await?;
    page.say("hello again").await?;
    is_start(&page.hears().await?, b"the second", &parts_of(b"the second"))?;
    page.say(r#"{"type":"uartData","bytes":[50]}"#).await?;
    stage.has_sent(b"2").await
}

async fn last_one() -> Outcome {
    let stage = Stage::start().await?;
    let mut first = Page::started(stage.port).await?;
    let mut second = Page::connect(stage.port).await?;
    second.say("hello").await?;
    is_start(&second.hears().await?, ELF, &parts_of(ELF))?;
    // Said by a page that does not know yet that it is no longer listened to.
    first.say(r#"{"type":"uartData","bytes":[49]}"#).await?;
    same("the farewell", &first.is_closed().await?.code, &CloseCode::Away)?;
    second.say(r#"{"type":"uartData","bytes":[50]}"#).await?;
    stage.has_sent(b"2").await?;
    drop(first);
    second.hears_nothing().await?;
    second.say(r#"{"type":"uartData","bytes":[51]}"#).await?;
    stage.has_sent(b"23").await?;
    same("pages that are missed", &stage.said("is gone"), &0)
}

async fn silent_connection() -> Outcome {
    let stage = Stage::start().await?;
    let mut page = Page::started(stage.port).await?;
    let silent = Page::connect(stage.port).await?;
    page.hears_nothing().await?;
    page.say(r#"{"type":"uartData","bytes":[49]}"#).await?;
    stage.has_sent(b"1").await?;
    silent.close().await?;
    page.say(r#"{"type":"uartData","bytes":[50]}"#).await?;
    stage.has_sent(b"12").await?;
    Ok(stage.end().await??)
}

async fn goes_early() -> Outcome {
    let may_end = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&may_end);
    let stage = Stage::with(move |_| {
        while !ends.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(parts_of(ELF))
    })
    .await?;
    let mut first = Page::connect(stage.port).await?;
    first.say("hello").await?;
    stage.says("a page is connected").await?;
    first.close().await?;
    stage.says("the page is gone").await?;
    may_end.store(true, Ordering::Relaxed);
    let mut second = Page::connect(stage.port).await?;
    second.say("hello").await?;
    is_start(&second.hears().await?, ELF, &parts_of(ELF))?;
    second.hears_nothing().await
}

async fn missing_elf() -> Outcome {
    let stage = Stage::start().await?;
    fs::remove_file(&stage.elf)?;
    let mut page = Page::connect(stage.port).await?;
    page.say("hello").await?;
    same("the farewell", &page.is_closed().await?.code, &CloseCode::Error)?;
    stage.says(&format!("{} cannot be read", stage.elf.display())).await?;
    fs::write(&stage.elf, b"there at last")?;
    let mut page = Page::connect(stage.port).await?;
    page.say("hello").await?;
    is_start(&page.hears().await?, b"there at last", &parts_of(b"there at last"))
}

async fn missing_image() -> Outcome {
    let stage = Stage::with(|path| match fs::read(path).map_err(|error| error.to_string())?.as_slice() {
        ELF => Err("it is no program".to_owned()),
        b"merged" => Ok(vec![(0, vec![1])]),
        // A panic that prints nothing.
        b"panic" => std::panic::resume_unwind(Box::new(())),
        other => Ok(parts_of(other)),
    })
    .await?;
    for (elf, complaint) in [
        (ELF, "it is no program"),
        (b"merged".as_slice(), "its image has 1 parts"),
        (b"panic".as_slice(), "ended in a panic"),
    ] {
        fs::write(&stage.elf, elf)?;
        let mut page = Page::connect(stage.port).await?;
        page.say("hello").await?;
        same("the farewell", &page.is_closed().await?.code, &CloseCode::Error)?;
        stage.says(complaint).await?;
    }
    fs::write(&stage.elf, b"good")?;
    Page::started(stage.port).await?;
    Ok(stage.end().await??)
}

async fn no_websocket() -> Outcome {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stage = Stage::start().await?;
    let mut page = Page::started(stage.port).await?;
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", stage.port)).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await?;
    let mut answer = Vec::new();
    // How it is refused does not matter.
    let _ = stream.read_to_end(&mut answer).await;
    stage.says("what connected is no page").await?;
    page.say(r#"{"type":"uartData","bytes":[49]}"#).await?;
    stage.has_sent(b"1").await
}

async fn addresses() -> Outcome {
    let chips = [
        (Chip::Esp32, "338154815612781140"),
        (Chip::Esp32C3, "338322025101656660"),
        (Chip::Esp32S2, "338154940543271506"),
        (Chip::Esp32S3, "345144250522927698"),
    ];
    let make = |_: &std::path::Path| Ok(parts_of(ELF));
    for (chip, id) in chips {
        let mut options = options("program".as_ref());
        options.chip = chip;
        let server = Server::bind(options, make).await?;
        let port = server.port();
        let url = format!("https://wokwi.com/_alpha/wembed/{id}?partner=espressif&port={port}&data=demo");
        same("the address", &server.url(), &url.as_str())?;
    }
    let mut named = options("program".as_ref());
    (named.chip, named.id) = (Chip::Esp32C6, Some("1&2".to_owned()));
    named.host = Some("9012-me.example.org".to_owned());
    let server = Server::bind(named.clone(), make).await?;
    let port = server.port();
    let url = format!("https://wokwi.com/_alpha/wembed/1%262?partner=espressif&port={port}&data=demo");
    same("the address", &server.url(), &format!("{url}&_host=9012-me.example.org").as_str())?;
    named.id = None;
    match Server::bind(named, make).await {
        Err(error @ ServeError::NoProject(Chip::Esp32C6)) => {
            same("what to do", &(error.to_string() + &error.hint()).matches("--id").count(), &2)
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err("a project for the esp32c6 is known".into()),
    }
}

async fn chip_names() -> Outcome {
    let names = [
        ("esp32", Chip::Esp32),
        ("ESP32", Chip::Esp32),
        ("esp32c3", Chip::Esp32C3),
        ("ESP32-C3", Chip::Esp32C3),
        ("esp32-c6", Chip::Esp32C6),
        ("esp32s2", Chip::Esp32S2),
        ("Esp32-S3", Chip::Esp32S3),
    ];
    for (name, chip) in names {
        same(name, &name.parse::<Chip>()?, &chip)?;
    }
    for name in ["", "esp8266", "esp32-", "esp32-esp32c3", "esp32--c3", "c3"] {
        match name.parse::<Chip>() {
            Err(error) => same(name, &error.to_string().contains("esp32c3, esp32c6"), &true)?,
            Ok(chip) => return Err(format!("`{name}` is taken for {chip}").into()),
        }
    }
    Ok(())
}

async fn busy_ports() -> Outcome {
    let make = |_: &std::path::Path| Ok(parts_of(ELF));
    let other = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = other.local_addr()?.port();
    let mut page = options("program".as_ref());
    page.port = port;
    let mut gdb = options("program".as_ref());
    gdb.gdb_port = port;
    for (options, flag) in [(page, "--port"), (gdb, "--gdb-port")] {
        let Err(error) = Server::bind(options, make).await else { return Err("the port is not busy".into()) };
        same("the error", &error.to_string(), &format!("port {port} ({flag}) is in use by another program"))?;
        same("what to do", &error.hint().contains(flag), &true)?;
    }
    Ok(())
}
