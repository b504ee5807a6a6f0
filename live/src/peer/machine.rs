//! A machine of QEMU's whose time can be stopped.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hil_sim::executor::qemu::{self, Qemu};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Where an ELF file says for which processor it is, and RISC-V's number there (the psABI's `EM_RISCV`).
const ELF_MACHINE: usize = 18;
const EM_RISCV: [u8; 2] = 243_u16.to_le_bytes();
/// Where a 32-bit ELF file has its entry point.
const ELF_ENTRY: usize = 24;
/// Where the machine's memory begins, in which all of its programs start.
const RAM_START: u32 = 0x8000_0000;

/// How many machines there are in this process.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// How many machines there are in this process.
pub(super) fn running() -> usize {
    RUNNING.load(Ordering::SeqCst)
}

/// Counts a machine as long as it is there.
struct Tally;

impl Tally {
    fn new() -> Self {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A machine. It ends when it is dropped.
pub(super) struct Machine {
    _qemu: qemu::Machine,
    // Behind the emulator, so that this one has ended when it is no longer counted.
    _tally: Tally,
    _firmware: NamedTempFile,
    link: TcpStream,
    monitor: BufReader<TcpStream>,
    /// How long it has run, up to the last stop.
    ran: Duration,
    running_since: Option<Instant>,
    /// What was written while time stood still.
    to_write: Vec<u8>,
}

impl Machine {
    /// Starts a machine with this firmware, an ELF file for it. Its time stands still.
    pub(super) async fn start(emulator: &Path, firmware: &[u8]) -> io::Result<Self> {
        check(firmware).map_err(io::Error::other)?;
        let tally = Tally::new();
        let mut file = NamedTempFile::with_prefix("hil-peer-")?;
        file.write_all(firmware)?;
        let qemu = Qemu::new(emulator.to_owned(), file.path().to_owned());
        let started = tokio::task::spawn_blocking(move || qemu.start_halted()).await;
        let (qemu, monitor) = started.map_err(io::Error::other)??;
        let link = qemu.link()?;
        link.set_nonblocking(true)?;
        monitor.set_nonblocking(true)?;
        let mut machine = Self {
            _qemu: qemu,
            _tally: tally,
            _firmware: file,
            link: TcpStream::from_std(link)?,
            monitor: BufReader::new(TcpStream::from_std(monitor)?),
            ran: Duration::ZERO,
            running_since: None,
            to_write: Vec::new(),
        };
        machine.command("qmp_capabilities").await?;
        Ok(machine)
    }

    /// How long it has run.
    pub(super) fn nanos(&self) -> u64 {
        let running = self.running_since.map_or(Duration::ZERO, |since| since.elapsed());
        u64::try_from((self.ran + running).as_nanos()).unwrap_or(u64::MAX)
    }

    /// When it will have run so long, if it goes on.
    pub(super) fn moment(&self, nanos: u64) -> Option<Instant> {
        let since = self.running_since?;
        Some(since + Duration::from_nanos(nanos).saturating_sub(self.ran))
    }

    pub(super) fn is_running(&self) -> bool {
        self.running_since.is_some()
    }

    pub(super) async fn resume(&mut self) -> io::Result<()> {
        if self.running_since.is_none() {
            self.command("cont").await?;
            self.running_since = Some(Instant::now());
            let waiting = std::mem::take(&mut self.to_write);
            self.link.write_all(&waiting).await?;
        }
        Ok(())
    }

    pub(super) async fn pause(&mut self) -> io::Result<()> {
        if let Some(since) = self.running_since.take() {
            self.ran += since.elapsed();
            self.command("stop").await?;
        }
        Ok(())
    }

    /// Types into the serial line. What is typed while time stands still is heard when it goes on.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_running() {
            return self.link.write_all(bytes).await;
        }
        self.to_write.extend_from_slice(bytes);
        Ok(())
    }

    /// The next that the firmware says. Nothing is lost when this is not waited for to its end.
    pub(super) async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.link.read(bytes).await? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the machine ended: did its firmware panic?",
            )),
            len => Ok(len),
        }
    }

    /// Has QEMU's monitor do something. Its events, which come in between, say nothing new.
    async fn command(&mut self, name: &str) -> io::Result<()> {
        let line = format!("{{\"execute\":\"{name}\"}}\n");
        self.monitor.get_mut().write_all(line.as_bytes()).await?;
        loop {
            let mut answer = String::new();
            if self.monitor.read_line(&mut answer).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the emulator ended"));
            }
            let answer: Value = serde_json::from_str(&answer).map_err(io::Error::other)?;
            if answer.get("return").is_some() {
                return Ok(());
            }
            if let Some(error) = answer.get("error") {
                return Err(io::Error::other(format!("QEMU refuses `{name}`: {error}")));
            }
        }
    }
}

/// Whether the machine could run this at all.
fn check(firmware: &[u8]) -> Result<(), String> {
    const WANTED: &str = "this peer runs ELF files for QEMU's riscv32 machine `virt`, such as firmware-qemu";
    if !firmware.starts_with(b"\x7FELF") {
        return Err(format!("the firmware is no ELF file: {WANTED}"));
    }
    if firmware.get(ELF_MACHINE..ELF_MACHINE + 2) != Some(&EM_RISCV[..]) {
        return Err(format!("the firmware is for another processor: {WANTED}"));
    }
    let entry = firmware.get(ELF_ENTRY..ELF_ENTRY + 4).and_then(|bytes| bytes.try_into().ok());
    let entry = u32::from_le_bytes(entry.unwrap_or_default());
    if entry < RAM_START {
        return Err(format!(
            "the firmware starts at {entry:#010x}, as no program of that machine does: {WANTED}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_firmware_for_something_else_is_refused_with_the_reason() {
        let elf = |machine: u16, entry: u32| {
            let mut elf = vec![0; 52];
            elf[..4].copy_from_slice(b"\x7FELF");
            elf[18..20].copy_from_slice(&machine.to_le_bytes());
            elf[24..28].copy_from_slice(&entry.to_le_bytes());
            elf
        };
        let why = |firmware: &[u8]| check(firmware).unwrap_err();
        assert!(why(b"").contains("no ELF"));
        assert!(why(b"\xE9 an image").contains("no ELF"));
        assert!(why(b"\x7FELF").contains("another processor"));
        // Xtensa.
        assert!(why(&elf(94, RAM_START)).contains("another processor"));
        // An ESP32-C3 starts in its own memory.
        assert!(why(&elf(243, 0x4038_0000)).contains("0x40380000"));
        assert_eq!(check(&elf(243, RAM_START)), Ok(()));
    }
}
