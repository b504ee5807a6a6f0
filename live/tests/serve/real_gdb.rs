//! A real GDB, attached to a chip that the tests play.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use crate::skipped;
use crate::stage::{Outcome, Page, Stage, play, until};

const PROGRAM: &str = "gdb-multiarch";
const NAME: &str = "real gdb: it reads and writes registers and memory, and detaches";

/// Where the chip stands, and what its memory holds.
const PC: u32 = 0x4200_0124;
/// Where GDB puts it.
const NEW_PC: u32 = 0x4200_0A00;
const RAM: u32 = 0x3FC8_0000;
const WORDS: [u32; 2] = [0xDEAD_BEEF, 0x0BAD_F00D];
/// What GDB writes, with a zero and bytes that are no text.
const WRITTEN: u32 = 0xFF00_2480;
/// How many registers a riscv32 has: 32 for integers, and where it stands.
const REGISTERS: u32 = 33;

pub(crate) fn trials() -> Vec<Trial> {
    let trial = match find() {
        Some(program) => Trial::test(NAME, move || play(talks_to_the_chip(program))),
        None => skipped(NAME, "gdb-multiarch is missing (package gdb-multiarch)"),
    };
    vec![trial]
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(PROGRAM)).find(|file| file.is_file())
}

/// GDB, which ends with the test.
struct Gdb(Child);

impl Drop for Gdb {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn talks_to_the_chip(program: PathBuf) -> Outcome {
    let stage = Stage::start().await?;
    let mut page = Page::started(stage.port).await?;
    let folder = tempfile::tempdir()?;
    let said = folder.path().join("said");
    let mut command = Command::new(program);
    command.args(["-nx", "-batch", "-ex", "set architecture riscv:rv32"]);
    for line in [
        &format!("target remote 127.0.0.1:{}", stage.gdb_port),
        "info registers pc",
        &format!("x/2xw {RAM:#x}"),
        &format!("set *(unsigned *){:#x} = {WRITTEN:#x}", RAM + 4),
        &format!("x/xw {:#x}", RAM + 4),
        &format!("set $pc = {NEW_PC:#x}"),
        "info registers pc",
        "detach",
    ] {
        command.args(["-ex", line]);
    }
    // Into a file, which is never full.
    let output = File::create(&said)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut gdb = Gdb(command.env("DEBUGINFOD_URLS", "").spawn()?);
    let mut chip = Chip::new();
    let ended = until("the end of GDB", || gdb.0.try_wait().is_ok_and(|status| status.is_some()));
    tokio::select! {
        outcome = ended => outcome?,
        outcome = chip.play(&mut page) => outcome?,
    }
    let said = fs::read_to_string(said)?;
    for expected in [
        format!("pc             {PC:#x}"),
        format!("{RAM:#x}:\t{:#010x}\t{:#010x}", WORDS[0], WORDS[1]),
        format!("{:#x}:\t{WRITTEN:#010x}", RAM + 4),
        format!("pc             {NEW_PC:#x}"),
        "detached".to_owned(),
    ] {
        if !said.contains(&expected) {
            return Err(format!("`{expected}` is not in what GDB says:\n{said}").into());
        }
    }
    if chip.is_attached {
        return Err(Failed::from("GDB did not take leave of the chip"));
    }
    stage.says("GDB is gone").await?;
    Ok(stage.end().await??)
}

fn framed(payload: &str) -> String {
    let sum = payload.bytes().fold(0_u8, u8::wrapping_add);
    format!("${payload}#{sum:02x}")
}

/// A chip that stands still, with two words of memory.
struct Chip {
    pc: u32,
    memory: Vec<u8>,
    is_attached: bool,
}

impl Chip {
    fn new() -> Self {
        let memory = WORDS.iter().flat_map(|word| word.to_le_bytes()).collect();
        Self { pc: PC, memory, is_attached: true }
    }

    /// Answers whatever comes; ends only with a failure.
    async fn play(&mut self, page: &mut Page) -> Outcome {
        loop {
            let message = page.hears().await?;
            let packet = message["message"].as_str().ok_or("no packet")?;
            let response = framed(&self.answer(packet));
            page.say(&json!({"type": "gdbResponse", "response": response}).to_string()).await?;
        }
    }

    /// The answer to a packet; to those that it does not know an empty one, as the protocol wants it.
    fn answer(&mut self, packet: &str) -> String {
        let (kind, rest) = packet.split_at_checked(1).unwrap_or_default();
        match kind {
            "?" => "S05".to_owned(),
            "g" => (0..REGISTERS).map(|number| self.register(number)).collect(),
            "p" => u32::from_str_radix(rest, 16).map_or("E01".to_owned(), |number| self.register(number)),
            "m" => self.read(rest).unwrap_or("E01".to_owned()),
            "M" => self.write(rest).map_or("E01", |()| "OK").to_owned(),
            "P" => self.set(rest).map_or("E01", |()| "OK").to_owned(),
            "H" => "OK".to_owned(),
            "D" => {
                self.is_attached = false;
                "OK".to_owned()
            }
            _ if packet.starts_with("qSupported") => "PacketSize=1000".to_owned(),
            _ if packet == "qAttached" => "1".to_owned(),
            _ => String::new(),
        }
    }

    fn register(&self, number: u32) -> String {
        let value = if number == REGISTERS - 1 { self.pc } else { number };
        hex(&value.to_le_bytes())
    }

    /// Only the place where it stands can be changed.
    fn set(&mut self, what: &str) -> Option<()> {
        let (number, value) = what.split_once('=')?;
        let is_pc = u32::from_str_radix(number, 16) == Ok(REGISTERS - 1);
        self.pc = u32::from_str_radix(value, 16).ok().filter(|_| is_pc)?.swap_bytes();
        Some(())
    }

    fn read(&self, what: &str) -> Option<String> {
        let (address, len) = what.split_once(',')?;
        let start = usize::try_from(u32::from_str_radix(address, 16).ok()?.checked_sub(RAM)?).ok()?;
        let len = usize::from_str_radix(len, 16).ok()?;
        self.memory.get(start..start + len).map(hex)
    }

    fn write(&mut self, what: &str) -> Option<()> {
        let (place, bytes) = what.split_once(':')?;
        let start =
            usize::try_from(u32::from_str_radix(place.split_once(',')?.0, 16).ok()?.checked_sub(RAM)?);
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(bytes.as_bytes()).ok()?;
        let start = start.ok()?;
        self.memory.get_mut(start..start + bytes.len())?.copy_from_slice(&bytes);
        Some(())
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
