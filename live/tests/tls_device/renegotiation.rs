//! A server that asks for another handshake in the middle of a session, which only OpenSSL still does.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::probe::{Answer, Probe};
use crate::trials::{Test, good, start};

pub(crate) const ALL: [(&str, Test); 1] = [("another_handshake_in_a_session_is_refused", refuses)];

const OPENSSL: &str = "openssl";
/// What the first byte of a record says of it.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

pub(crate) fn has_openssl() -> bool {
    Command::new(OPENSSL).arg("version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn refuses(mut probe: Probe) {
    let (root, identity) = good();
    let folder = tempfile::tempdir().expect("a folder");
    let [certificate, key] = identity.write(folder.path()).expect("files");
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|free| free.local_addr())
        .expect("a port")
        .port();
    let child = Command::new(OPENSSL)
        .args(["s_server", "-tls1_2", "-accept", &format!("127.0.0.1:{port}")])
        .args(["-certform", "DER", "-cert"])
        .arg(certificate)
        .args(["-keyform", "DER", "-key"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut server = Server(child.expect("OpenSSL starts"));
    let mut line = connect(port);
    let hello = probe.start(&start(&root)).wire;
    line.write_all(&hello).expect("the server listens");
    carry(&mut probe, &mut line, |answer| answer.is_established);

    // A word of the server's console.
    server.0.stdin.as_mut().expect("it has one").write_all(b"r\n").expect("it listens");
    let mut said = Vec::new();
    let answer = carry(&mut probe, &mut line, |answer| {
        said.extend_from_slice(&answer.wire);
        !said.is_empty()
    });
    assert_eq!(said.first(), Some(&ALERT));
    assert_ne!(said.first(), Some(&HANDSHAKE));
    assert_eq!((answer.error, answer.is_established), (None, true));
}

/// Carries bytes until the device has got where it should.
fn carry(probe: &mut Probe, line: &mut TcpStream, mut is_done: impl FnMut(&Answer) -> bool) -> Answer {
    let until = Instant::now() + LIMIT;
    let mut bytes = [0; 4_000];
    loop {
        assert!(Instant::now() < until, "nothing comes of it");
        let count = match line.read(&mut bytes) {
            Ok(0) => panic!("the server has gone"),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(error) => panic!("{error}"),
        };
        let answer = probe.receive(&bytes[..count], usize::MAX);
        assert_eq!((answer.error, answer.taken), (None, count));
        line.write_all(&answer.wire).expect("the server listens");
        if is_done(&answer) {
            return answer;
        }
    }
}

fn connect(port: u16) -> TcpStream {
    let until = Instant::now() + LIMIT;
    loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(line) => {
                line.set_read_timeout(Some(POLL)).expect("a time limit can be set");
                return line;
            }
            Err(error) => assert!(Instant::now() < until, "OpenSSL does not listen: {error}"),
        }
        thread::sleep(POLL);
    }
}

/// OpenSSL, which ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
