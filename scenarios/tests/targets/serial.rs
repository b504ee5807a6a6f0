//! Boards at serial ports, played by QEMU: its UART at the other end of a pseudo-terminal, so that the port that is
//! opened, set up and read is a real one.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use hil_sim::executor::qemu::Qemu;
use hil_sim::executor::serial::{BAUD, SerialPorts};
use hil_sim::executor::{Executor, ExecutorError};
use hil_sim::runner::Harness;
use hil_sim::target::Target;
use libtest_mimic::Failed;
use tempfile::TempDir;

/// What the machine's second flash bank measures, which its file must measure as well.
const FLASH_BANK_LEN: u64 = 32 * 1024 * 1024;
/// What QEMU says before the name of the pseudo-terminal.
const REDIRECTED: &str = "char device redirected to ";
/// The socket of QEMU's debugger.
const DEBUGGER: &str = "gdb";
/// The digits of the program counter, among those of all registers: behind 32 others of 8.
const PROGRAM_COUNTER: Range<usize> = 256..264;
/// How the machine says that it halts.
const HALTED: char = 'T';
/// No instruction of RISC-V: 16 bits of zero (unprivileged architecture, section 1.5).
const ILLEGAL: &str = "0000";
/// Between two looks at where the firmware is, and how many there are.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS_MAX: u32 = 200;
/// What a board holds that was used before: bits that no scenario has set.
const USED: [u8; 64] = [0x5A; 64];

/// Boards that stay the same from one scenario to the next, as boards do.
pub(crate) struct Boards {
    ports: SerialPorts,
    boards: Vec<Board>,
}

impl Boards {
    /// So many boards, each of which was used before.
    pub(crate) fn start(qemu: &Qemu, count: usize) -> io::Result<Self> {
        let boards = (0..count).map(|_| Board::start(qemu)).collect::<io::Result<Vec<_>>>()?;
        let ports = SerialPorts::new(boards.iter().map(|board| board.port.clone()).collect(), BAUD);
        Ok(Self { ports, boards })
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
    folder: TempDir,
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
            .arg("-gdb")
            .arg(format!("unix:{},server=on,wait=off", folder.path().join(DEBUGGER).display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = child.stdout.take().map(BufReader::new);
        let port = said.and_then(|said| said.lines().map_while(Result::ok).find_map(|line| port_in(&line)));
        let mut board = Self { child, port: String::new(), folder };
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

/// A firmware that panics says why over the line that it has, and the run that ends there tells it.
pub(crate) fn a_panic_is_told(qemu: &Qemu) -> Result<(), Failed> {
    let boards = Boards::start(qemu, 1)?;
    let mut device = boards.ports.connect()?;
    device.boot(crate::boot())?;
    let [board] = boards.boards.as_slice() else { return Err("there is one board".into()) };
    let at = idle_at(board)?;
    let mut debugger = Debugger::attach(board)?;
    let answer = debugger.ask(&format!("M{at:x},2:{ILLEGAL}"))?;
    if answer != "OK" {
        return Err(format!("the debugger cannot write: {answer}").into());
    }
    debugger.send("D")?;
    let now = crate::boot().now;
    match device.turn(now, now) {
        Err(ExecutorError::Panicked(words)) if words.contains(&format!("exception 2 at {at:#010x}")) => {
            Ok(())
        }
        other => Err(format!("the panic is not told, but {other:?}").into()),
    }
}

/// Where the firmware waits for the host. Elsewhere it may be in what a panic needs to say its words.
fn idle_at(board: &Board) -> Result<u32, Failed> {
    let mut before = None;
    for _ in 0..LOOKS_MAX {
        let mut debugger = Debugger::attach(board)?;
        let registers = debugger.ask("g")?;
        let _ = debugger.ask("D")?;
        let digits = registers.get(PROGRAM_COUNTER).ok_or("the debugger tells no program counter")?;
        // Registers come with their lowest byte first.
        let at = u32::from_str_radix(digits, 16)?.swap_bytes();
        if before.replace(at) == Some(at) {
            return Ok(at);
        }
        thread::sleep(LOOK);
    }
    Err("the firmware never waits in one place".into())
}

/// As much of gdb's remote protocol as it takes to break a firmware.
struct Debugger(UnixStream);

impl Debugger {
    /// Halts the machine, which says so in its own time.
    fn attach(board: &Board) -> io::Result<Self> {
        let stream = UnixStream::connect(board.folder.path().join(DEBUGGER))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self(stream))
    }

    fn send(&mut self, command: &str) -> io::Result<()> {
        let sum = command.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.0, "${command}#{sum:02x}")
    }

    /// The payload of the answer.
    fn ask(&mut self, command: &str) -> io::Result<String> {
        self.send(command)?;
        loop {
            let answer = self.receive()?;
            if !answer.starts_with(HALTED) {
                return Ok(answer);
            }
        }
    }

    /// The payload of the next packet; signs of receipt are skipped, and answered by one.
    fn receive(&mut self) -> io::Result<String> {
        let mut answer = String::new();
        let mut byte = [0];
        loop {
            self.0.read_exact(&mut byte)?;
            match byte {
                [b'$'] => answer.clear(),
                [b'#'] => break,
                [byte] => answer.push(char::from(byte)),
            }
        }
        self.0.read_exact(&mut [0; 2])?;
        self.0.write_all(b"+")?;
        Ok(answer)
    }
}
