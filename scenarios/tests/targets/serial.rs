//! Boards at serial ports, played by QEMU: its UART at the other end of a pseudo-terminal, so that the port that is
//! opened, set up and read is a real one.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use hil_sim::executor::qemu::Qemu;
use hil_sim::executor::serial::{BAUD, SerialPorts};
use hil_sim::executor::{Executor, ExecutorError};
use hil_sim::runner::Harness;
use hil_sim::target::Target;
use tempfile::TempDir;

/// What the machine's second flash bank measures, which its file must measure as well.
const FLASH_BANK_LEN: u64 = 32 * 1024 * 1024;
/// What QEMU says before the name of the pseudo-terminal.
const REDIRECTED: &str = "char device redirected to ";
/// What a board holds that was used before: bits that no scenario has set.
const USED: [u8; 64] = [0x5A; 64];

/// Boards that stay the same from one scenario to the next, as boards do.
pub(crate) struct Boards {
    ports: SerialPorts,
    _boards: Vec<Board>,
}

impl Boards {
    /// So many boards, each of which was used before.
    pub(crate) fn start(qemu: &Qemu, count: usize) -> io::Result<Self> {
        let boards = (0..count).map(|_| Board::start(qemu)).collect::<io::Result<Vec<_>>>()?;
        let ports = SerialPorts::new(boards.iter().map(|board| board.port.clone()).collect(), BAUD);
        Ok(Self { ports, _boards: boards })
    }
}

impl Target for Boards {
    fn device(&self, harness: &Harness) -> Result<Box<dyn Executor>, ExecutorError> {
        self.ports.device(harness)
    }
}

/// A machine whose link is its UART. It ends when it is dropped.
struct Board {
    child: Child,
    port: String,
    _folder: TempDir,
}

impl Board {
    fn start(qemu: &Qemu) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let flash = folder.path().join("flash");
        let mut content = File::create(&flash)?;
        content.write_all(&USED)?;
        content.set_len(FLASH_BANK_LEN)?;
        let mut child = Command::new(qemu.program())
            .args(["-M", "virt", "-m", "16", "-bios", "none", "-display", "none", "-monitor", "none"])
            .args(["-no-user-config", "-nodefaults"])
            .arg("-device")
            .arg(format!("loader,file={}", qemu.firmware().display()))
            .arg("-drive")
            .arg(format!("if=pflash,unit=1,format=raw,file={}", flash.display()))
            .args(["-chardev", "pty,id=link", "-serial", "chardev:link"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = child.stdout.take().map(BufReader::new);
        let port = said.and_then(|said| said.lines().map_while(Result::ok).find_map(|line| port_in(&line)));
        let mut board = Self { child, port: String::new(), _folder: folder };
        board.port = port.ok_or_else(|| io::Error::other("QEMU names no pseudo-terminal"))?;
        Ok(board)
    }
}

fn port_in(line: &str) -> Option<String> {
    line.strip_prefix(REDIRECTED)?.split(' ').next().map(str::to_owned)
}

impl Drop for Board {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
