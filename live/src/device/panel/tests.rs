use std::net::Ipv4Addr;

use futures_util::{SinkExt, StreamExt};
use hil_sim::actor::Port;
use hil_sim::world::{NodeId, SentFrame};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;
use crate::device::{Asked, Wish};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A panel whose world the tests play.
struct Stage {
    panel: Panel,
    requests: mpsc::Receiver<Request>,
}

impl Stage {
    async fn start(patience: Patience) -> Self {
        let (sender, requests) = mpsc::channel(8);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let panel = Panel::bind_with(address, sender, patience).await.expect("a port is free");
        Self { panel, requests }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.panel.address()).await.expect("the panel listens")
    }

    /// What is answered to a request with these lines in its head, beside the host.
    async fn ask(&self, first: &str, more: &str, body: &str) -> String {
        let host = self.panel.address();
        let len = body.len();
        self.say(&format!("{first} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len}\r\n{more}\r\n{body}"))
            .await
    }

    async fn say(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.expect("it is taken");
        let mut answer = String::new();
        timeout(LIMIT, stream.read_to_string(&mut answer)).await.expect("it ends").expect("it is text");
        answer
    }

    async fn watch(&self) -> WebSocketStream<TcpStream> {
        let (socket, _) = self.try_watch(None).await.expect("it is let in");
        socket
    }

    async fn try_watch(&self, origin: Option<&str>) -> Result<(WebSocketStream<TcpStream>, ()), Error> {
        let mut request = format!("ws://{}/live", self.panel.address()).into_client_request()?;
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().expect("it is a value"));
        }
        client_async(request, self.connect().await).await.map(|(socket, _)| (socket, ()))
    }

    /// The next thing that is asked of the world; it is answered like this.
    async fn asked(&mut self, answer: Result<&str, &str>) -> Asked {
        let request = timeout(LIMIT, self.requests.recv()).await.expect("it comes").expect("the panel lives");
        let _ = request.answer.send(answer.map(str::to_owned).map_err(str::to_owned));
        request.what
    }

    fn tell_line(&self, line: &str) {
        self.panel.tell(Update { lines: vec![line.to_owned()], ..Update::default() });
    }
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Value {
    loop {
        let message =
            timeout(LIMIT, socket.next()).await.expect("it comes").expect("it goes on").expect("it is whole");
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).expect("it is JSON");
        }
    }
}

/// How a conversation ends, from the browser's side.
async fn end(socket: &mut WebSocketStream<TcpStream>) -> Option<CloseCode> {
    loop {
        match timeout(LIMIT, socket.next()).await.expect("it ends") {
            Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("it has a body").1
}

#[tokio::test]
async fn the_page_comes_whole_and_may_load_nothing() {
    let stage = Stage::start(PATIENCE).await;
    let answer = stage.ask("GET /", "", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let policy = "content-security-policy: default-src 'none'; script-src 'sha256-";
    assert!(answer.contains(policy), "{answer}");
    assert!(answer.contains(&format!("connect-src 'self' ws://{}\r\n", stage.panel.address())));
    let page = body(&answer);
    assert!(page.ends_with("</html>\n") && !page.contains("/*script*/") && !page.contains("/*style*/"));
    for reference in [" src=", "href=\"http", "url(", "@import", "import("] {
        assert!(!page.contains(reference), "{reference} in the page");
    }
    assert!(!page.contains(" style=\""), "the page's policy takes no style in an element");
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let stage = Stage::start(PATIENCE).await;
    assert!(stage.ask("GET /other", "", "").await.starts_with("HTTP/1.1 404 "));
    let wrong = stage.ask("GET /api/wish", "", "").await;
    assert!(wrong.starts_with("HTTP/1.1 405 ") && wrong.contains("allow: POST\r\n"), "{wrong}");
    assert!(stage.ask("POST /live", "", "").await.starts_with("HTTP/1.1 405 "));
    assert!(stage.ask("GET /live", "", "").await.starts_with("HTTP/1.1 426 "));
}

#[tokio::test]
async fn pictures_and_lines_can_be_fetched() {
    let stage = Stage::start(PATIENCE).await;
    stage.tell_line(r#"{"at_us":1}"#);
    stage.tell_line(r#"{"at_us":2}"#);
    assert_eq!(body(&stage.ask("GET /api/lines", "", "").await), "{\"at_us\":1}\n{\"at_us\":2}\n");
    let answer = stage.ask("GET /api/picture", "", "").await;
    let picture: Value = serde_json::from_str(body(&answer)).expect("it is JSON");
    assert!(picture["now_us"].is_number() && picture["picture"].is_null());
}

#[tokio::test]
async fn wishes_reach_the_world_and_its_answers_come_back() {
    let mut stage = Stage::start(PATIENCE).await;
    let host = stage.panel.address();
    let wish = |body: &str| {
        let request = format!(
            "POST /api/wish HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        async move {
            let mut stream = TcpStream::connect(host).await.expect("the panel listens");
            stream.write_all(request.as_bytes()).await.expect("it is taken");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("it is text");
            answer
        }
    };
    let down = r#"{"do":"button","down":true}"#;
    let (asked, answer) = tokio::join!(stage.asked(Ok("")), wish(down));
    assert_eq!(asked, Asked::Wish(Wish::Button { down: true }));
    assert!(answer.starts_with("HTTP/1.1 200 ") && body(&answer) == "{}", "{answer}");
    let (_, answer) = tokio::join!(stage.asked(Err("it has no power")), wish(r#"{"do":"set-up"}"#));
    assert!(
        answer.starts_with("HTTP/1.1 409 ") && body(&answer) == r#"{"error":"it has no power"}"#,
        "{answer}"
    );
    for (what, why) in [("{", "EOF"), (r#"{"do":"fly"}"#, "fly"), (r#"{"do":"button"}"#, "down"), ("", "EOF")]
    {
        let answer = wish(what).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(why), "{answer}");
    }
    let long = format!(r#"{{"do":"type","text":"{}"}}"#, "x".repeat(70_000));
    assert!(wish(&long).await.starts_with("HTTP/1.1 413 "));
    let token = async {
        let mut stream = TcpStream::connect(host).await.expect("the panel listens");
        let request = format!("POST /api/token HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it is text");
        answer
    };
    let (asked, answer) = tokio::join!(stage.asked(Ok("abc")), token);
    assert_eq!((asked, body(&answer)), (Asked::Token, r#"{"token":"abc"}"#));
    stage.requests.close();
    assert!(wish(down).await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn another_page_and_another_name_are_refused() {
    let mut stage = Stage::start(PATIENCE).await;
    let down = r#"{"do":"button","down":true}"#;
    let refused = stage.ask("POST /api/wish", "Origin: http://evil.example\r\n", down).await;
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    let refused = stage.say("GET /api/picture HTTP/1.1\r\nHost: evil.example\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    for origin in ["http://evil.example", "null"] {
        let refused = stage.try_watch(Some(origin)).await;
        assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 403), "{origin}");
    }
    assert!(stage.requests.try_recv().is_err(), "the world was asked");
    let own = format!("http://{}", stage.panel.address());
    assert!(stage.try_watch(Some(&own)).await.is_ok());
}

#[tokio::test]
async fn a_browser_hears_what_was_and_what_comes() {
    let mut stage = Stage::start(PATIENCE).await;
    stage.tell_line(r#"{"at_us":1,"event":"indicator"}"#);
    let mut browser = stage.watch().await;
    let told = next(&mut browser).await;
    assert_eq!((&told["kind"], &told["indicator"]["at_us"]), (&json!("update"), &json!(1)));
    stage.tell_line(r#"{"at_us":2}"#);
    assert_eq!(next(&mut browser).await["lines"], json!([{"at_us": 2}]));
    browser.send(Message::text(r#"{"id":7,"wish":{"do":"set-up"}}"#)).await.expect("it is taken");
    assert_eq!(stage.asked(Err("busy")).await, Asked::Wish(Wish::SetUp { afresh: false }));
    assert_eq!(next(&mut browser).await, json!({"kind": "answer", "id": 7, "error": "busy"}));
    browser.send(Message::text("hello")).await.expect("it is taken");
    assert_eq!(end(&mut browser).await, Some(CloseCode::Policy));
}

#[tokio::test]
async fn a_finger_goes_with_its_browser() {
    let mut stage = Stage::start(PATIENCE).await;
    let mut browser = stage.watch().await;
    browser.send(Message::text(r#"{"id":1,"wish":{"do":"button","down":true}}"#)).await.expect("it is taken");
    assert_eq!(stage.asked(Ok("")).await, Asked::Wish(Wish::Button { down: true }));
    drop(browser);
    assert_eq!(stage.asked(Ok("")).await, Asked::Wish(Wish::Button { down: false }));
}

#[tokio::test]
async fn no_secret_reaches_a_browser() {
    const PASSWORD: &str = "correct horse";
    const TOKEN: &str = "0123456789abcdefABCDEF0123456789";
    let stage = Stage::start(PATIENCE).await;
    let mut browser = stage.watch().await;
    let request = format!("GET /config?ssid=HomeNet&pass={PASSWORD}&blynk={TOKEN} HTTP/1.1\r\n\r\n");
    let login = [&[29, 0, 1, 0, 32], TOKEN.as_bytes()].concat();
    let frames = [request.as_bytes(), &login].map(|payload| {
        let mut bytes = vec![2; 12];
        bytes.extend([8, 0, 0x45, 0]);
        bytes.extend(u16::try_from(40 + payload.len()).expect("it fits").to_be_bytes());
        bytes.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        bytes.extend([200, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 4, 0, 0, 0, 0, 0]);
        bytes.extend(payload);
        let at = smoltcp::time::Instant::from_micros(9);
        ("phone".to_owned(), SentFrame { at, sender: NodeId::Phone(0), port: Port::Air, bytes })
    });
    stage.panel.tell(Update { frames: frames.to_vec(), ..Update::default() });
    let told = next(&mut browser).await;
    let notes: Vec<_> = (0..2).map(|index| told["frames"][index]["note"]["words"].as_str()).collect();
    assert_eq!(notes, [Some("GET /config"), Some("login, 32 bytes")]);
    for frame in told["frames"].as_array().expect("a list") {
        let bytes = data_encoding::BASE64.decode(frame["bytes"].as_str().expect("a text").as_bytes());
        let shown = format!("{frame}{}", String::from_utf8_lossy(&bytes.expect("it is base64")));
        assert!(!shown.contains("correct") && !shown.contains("0123456789"), "{shown}");
    }
}

#[tokio::test]
async fn a_browser_that_takes_nothing_is_left_behind() {
    let patience = Patience { send: Duration::from_millis(50), silence: Duration::from_secs(600) };
    let stage = Stage::start(patience).await;
    let mut browser = stage.watch().await;
    let line = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_500));
    // The device waits for nobody: what it tells is more than the connection's buffers hold, and nobody reads.
    let seats = || stage.panel.shared.watchers.available_permits();
    assert_eq!(seats(), WATCHERS_MAX - 1);
    let gone = async {
        while seats() < WATCHERS_MAX {
            (0..2_000).for_each(|_| stage.tell_line(&line));
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, gone).await.expect("the browser is given up");
    // What was on its way when it was given up is broken off.
    end(&mut browser).await;
}

#[tokio::test]
async fn a_browser_that_is_silent_is_taken_for_gone() {
    let patience = Patience { silence: Duration::from_millis(50), ..PATIENCE };
    let stage = Stage::start(patience).await;
    let mut browser = stage.watch().await;
    let code = end(&mut browser).await;
    assert_eq!(code, Some(CloseCode::Away));
}

#[tokio::test]
async fn connections_and_browsers_are_counted() {
    let stage = Stage::start(PATIENCE).await;
    let mut browsers = Vec::new();
    for _ in 0..WATCHERS_MAX {
        browsers.push(stage.watch().await);
    }
    let refused = stage.try_watch(None).await;
    assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 503));
    let mut silent = Vec::new();
    for _ in WATCHERS_MAX..CONNECTIONS_MAX {
        silent.push(stage.connect().await);
    }
    let closed = async {
        let mut one_more = stage.connect().await;
        let _ = one_more.write_all(b"GET / HTTP/1.1\r\n").await;
        one_more.read(&mut [0; 16]).await.unwrap_or(0)
    };
    assert_eq!(timeout(LIMIT, closed).await.expect("it is closed"), 0);
    silent.clear();
    let served = async { while !stage.ask("GET /api/lines", "", "").await.starts_with("HTTP/1.1 200 ") {} };
    timeout(LIMIT, served).await.expect("there is a place again");
}
