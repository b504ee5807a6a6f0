//! Clients that nobody would wish for.

use std::process::{Child, Stdio};

use libtest_mimic::Failed;

use super::bench::{Bench, DEVICE};

/// Memory that may come on top while the device is abused: queues that fill, and what the allocator keeps.
const GROWTH_MAX: u64 = 16 << 20;
/// Rounds of abuse; the first fill all queues.
const ROUNDS: u32 = 3;

/// Opens two hundred connections that say nothing, or drip, sends garbage on every port that is there and some that are
/// not, and floods with datagrams. It runs in the namespace; `bash` has what it takes.
const ABUSE: &str = r#"#!/bin/bash
device=192.168.4.1
for i in $(seq 200); do
  ( exec 3<>/dev/tcp/$device/80 && printf 'GET /board_info.json HTTP/1.1\r\nHost: x\r\nX-Slow: ' >&3 && sleep 2 ) 2>/dev/null &
done
for port in 53 67 68 80 443 8080 8888; do
  for i in $(seq 40); do
    head -c $((RANDOM % 1400 + 1)) /dev/urandom > /dev/udp/$device/$port
    ( head -c 4000 /dev/urandom > /dev/tcp/$device/$port ) &
  done 2>/dev/null
done
( exec 3<>/dev/tcp/$device/80 && while printf 'x' >&3; do sleep 0.1; done ) 2>/dev/null &
drip=$!
sleep 3
kill $drip 2>/dev/null
kill $(jobs -p) 2>/dev/null
wait
exit 0
"#;

pub(crate) fn it_outlives_abuse() -> Result<(), Failed> {
    let bench = Bench::with_addresses(None)?;
    let script = bench.script("abuse", ABUSE)?;
    let mut before = 0;
    for round in 0..ROUNDS {
        let mut abuser: Child = bench
            .command(&script.display().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let ended = abuser.wait()?;
        if !ended.success() {
            return Err(format!("the abuse itself failed: {ended}").into());
        }
        let memory = bench.memory()?;
        if round == 0 {
            before = memory;
        } else if memory > before + GROWTH_MAX {
            return Err(format!("memory went from {before} to {memory} bytes").into());
        }
    }
    // Afterwards a good client is served, and the device can be set up.
    bench.wait_for("a good client to be served", || {
        Ok(bench.run("curl", &["-sf", "-m", "5", &format!("http://{DEVICE}/board_info.json")])?.ok)
    })?;
    let token = bench.token()?;
    let answer = bench.curl(&[
        "-G",
        "-d",
        "ssid=HomeNet",
        "--data-urlencode",
        "pass=correct horse",
        "-d",
        &format!("blynk={token}"),
        &format!("http://{DEVICE}/config"),
    ])?;
    if !answer.contains("\"ok\"") {
        return Err(format!("the configuration is answered with {answer}").into());
    }
    bench.wait_online(&token)?;
    bench.end()
}
