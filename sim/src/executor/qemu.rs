//! Devices in QEMU: a riscv32 `virt` machine each, with flash in a file of its own.

use std::env;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::Line;

/// The emulator's program.
pub const PROGRAM: &str = "qemu-system-riscv32";
/// Debian's package that brings it.
pub const PACKAGE: &str = "qemu-system-misc";

/// How long an answer may take before it is asked for again. Most take less than a millisecond; a machine that
/// is busy with other work may need much longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the emulator may take to connect.
const START_POLL: Duration = Duration::from_millis(2);
const START_POLLS: u32 = 5_000;
/// What the machine's second flash bank measures, which its file must measure as well.
const FLASH_BANK_LEN: u64 = 32 * 1024 * 1024;
/// The part of it that the firmware uses: two of the chips' sectors.
const FLASH_USED_LEN: usize = 2 * 256 * 1024;

/// The emulator and the firmware to run in it.
#[derive(Clone, Debug)]
pub struct Qemu {
    program: PathBuf,
    firmware: PathBuf,
}

impl Qemu {
    /// An emulator that runs this firmware, an ELF file.
    pub fn new(program: PathBuf, firmware: PathBuf) -> Self {
        Self { program, firmware }
    }

    /// The emulator's program, if it is on the path.
    pub fn find() -> Option<PathBuf> {
        let name = format!("{PROGRAM}{}", env::consts::EXE_SUFFIX);
        env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(&name)).find(|path| path.is_file())
    }

    /// The emulator's program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The firmware to run in it.
    pub fn firmware(&self) -> &Path {
        &self.firmware
    }

    /// Starts a machine whose flash is erased.
    ///
    /// # Errors
    /// When the emulator cannot be started or does not connect.
    pub fn start(&self) -> io::Result<Machine> {
        let folder = blank_flash()?;
        let (child, stream) = self.launch(folder.path(), &[])?;
        Ok(Machine { qemu: self.clone(), child, stream, folder })
    }

    /// Starts a machine that stands still, its flash erased, and its monitor, which takes QMP's commands.
    ///
    /// # Errors
    /// When the emulator cannot be started or does not connect.
    pub fn start_halted(&self) -> io::Result<(Machine, TcpStream)> {
        let folder = blank_flash()?;
        let (listener, port) = listen()?;
        let monitor = format!("socket,id=monitor,host=127.0.0.1,port={port},nodelay=on");
        let options = ["-S", "-chardev", &monitor, "-mon", "chardev=monitor,mode=control"];
        let (mut child, stream) = self.launch(folder.path(), &options)?;
        let monitor = accept(&listener, &mut child, folder.path());
        let machine = Machine { qemu: self.clone(), child, stream, folder };
        Ok((machine, monitor?))
    }

    fn launch(&self, folder: &Path, options: &[&str]) -> io::Result<(Child, TcpStream)> {
        let (listener, port) = listen()?;
        let mut child = Command::new(&self.program)
            .args(["-M", "virt", "-m", "16", "-bios", "none", "-display", "none", "-monitor", "none"])
            .args(options)
            .args(["-no-user-config", "-nodefaults"])
            .arg("-device")
            .arg(format!("loader,file={}", option_value(&self.firmware)))
            .arg("-drive")
            .arg(format!("if=pflash,unit=1,format=raw,file={}", option_value(&folder.join(FLASH_FILE))))
            .arg("-serial")
            .arg(format!("file:{}", folder.join(SERIAL_FILE).display()))
            .args(["-global", "virtio-mmio.force-legacy=false", "-device", "virtio-serial-device"])
            .arg("-chardev")
            .arg(format!("socket,id=link,host=127.0.0.1,port={port},nodelay=on"))
            .args(["-device", "virtconsole,chardev=link"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join(ERRORS_FILE))?)
            .spawn()?;
        match accept(&listener, &mut child, folder) {
            Ok(stream) => Ok((child, stream)),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }
}

const FLASH_FILE: &str = "flash";
const SERIAL_FILE: &str = "serial";
const ERRORS_FILE: &str = "errors";

/// A folder with a flash in which nothing is.
fn blank_flash() -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("hil-qemu-").tempdir()?;
    let mut flash = File::create(folder.path().join(FLASH_FILE))?;
    flash.write_all(&vec![0xFF; FLASH_USED_LEN])?;
    flash.set_len(FLASH_BANK_LEN)?;
    Ok(folder)
}

/// A port for the emulator to connect to.
fn listen() -> io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// QEMU's options end at a comma unless it is doubled.
fn option_value(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

fn accept(listener: &TcpListener, child: &mut Child, folder: &Path) -> io::Result<TcpStream> {
    for _ in 0..START_POLLS {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if let Some(status) = child.try_wait()? {
            let said = fs::read_to_string(folder.join(ERRORS_FILE)).unwrap_or_default();
            return Err(io::Error::other(format!("{PROGRAM} ended at once ({status}): {}", said.trim())));
        }
        thread::sleep(START_POLL);
    }
    Err(io::Error::new(ErrorKind::TimedOut, format!("{PROGRAM} does not connect")))
}

fn end(child: &mut Child) {
    // One that has ended already cannot be killed, and need not be.
    let _ = child.kill();
    let _ = child.wait();
}

/// A machine that runs. It ends when it is dropped.
pub struct Machine {
    qemu: Qemu,
    child: Child,
    stream: TcpStream,
    folder: TempDir,
}

impl Machine {
    /// The number of the emulator's process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The line to the firmware, for whoever reads and writes it elsewhere.
    ///
    /// # Errors
    /// When the system has no handle left.
    pub fn link(&self) -> io::Result<TcpStream> {
        self.stream.try_clone()
    }

    /// Ends the emulator wherever it is, as a power cut would, and starts another one with the same flash.
    ///
    /// # Errors
    /// When the emulator cannot be started again.
    pub fn kill(&mut self) -> io::Result<()> {
        end(&mut self.child);
        (self.child, self.stream) = self.qemu.launch(self.folder.path(), &[])?;
        Ok(())
    }
}

impl Line for Machine {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    fn receive(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.stream.read(bytes) {
            Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "the emulator ended")),
            Ok(len) => Ok(len),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => self.receive(bytes),
            Err(error) => Err(error),
        }
    }

    fn reset(&mut self) -> io::Result<bool> {
        self.kill().map(|()| true)
    }

    fn last_words(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        if let Ok(mut serial) = File::open(self.folder.path().join(SERIAL_FILE)) {
            // What was said long ago does not matter.
            let from = serial.metadata().map_or(0, |about| about.len().saturating_sub(LAST_WORDS_LEN));
            let _ = serial.seek(SeekFrom::Start(from));
            let _ = serial.read_to_end(&mut said);
        }
        said
    }
}

/// More than the longest message.
const LAST_WORDS_LEN: u64 = 4_096;

impl Drop for Machine {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}
