//! Edgent's serial console: a line editor, the commands, and the texts of their answers.
//!
//! Nothing is carried out here; the owner does what a [`Command`] says. What is typed is echoed, but not
//! secrets: behind `connect` the token and everything from the passphrase on appear as `*`, character by
//! character, so that a session that is recorded or shown to others gives nothing away.

use core::fmt::{self, Write};

use heapless::Vec;

use crate::config::{Config, DEFAULT_HOST, DEFAULT_PORT, Host, Passphrase, Ssid, Token};
use crate::text::hex_digit;

pub mod reply;

/// Edgent's input buffer.
pub const LINE_LEN_MAX: usize = 256;
/// Edgent's limit for the words of a line.
pub const WORDS_MAX: usize = 15;

const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7F;
const CR: u8 = b'\r';
const LF: u8 = b'\n';

/// One line as it was typed. Its `Debug` shows the length only, since it may hold a token and a passphrase.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Line(Vec<u8, LINE_LEN_MAX>);

impl Line {
    /// Takes the bytes of a line without its end; `None` when they are more than 256.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        Vec::from_slice(bytes).ok().map(Self)
    }

    /// The bytes as they were typed, secrets included.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({} bytes)", self.0.len())
    }
}

/// The line was longer than 256 bytes and was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineTooLong;

/// The line editor.
#[derive(Default)]
pub struct Console {
    line: Vec<u8, LINE_LEN_MAX>,
    is_too_long: bool,
    /// A line feed right behind a carriage return is the same press of a key.
    was_cr: bool,
}

impl Console {
    /// An editor with an empty line.
    pub const fn new() -> Self {
        Self { line: Vec::new(), is_too_long: false, was_cr: false }
    }

    /// Takes one typed byte, writes its echo, and returns the line when it ends. After each line the owner
    /// prints the answer and [`reply::PROMPT`].
    pub fn handle_byte(&mut self, byte: u8, echo: &mut impl Write) -> Option<Result<Line, LineTooLong>> {
        let was_cr = core::mem::replace(&mut self.was_cr, byte == CR);
        match byte {
            LF if was_cr => None,
            CR | LF => {
                print(echo, "\r\n");
                Some(self.take_line())
            }
            BACKSPACE | DELETE => {
                self.erase(echo);
                None
            }
            b'\t' | b' '.. => {
                self.push(byte, echo);
                None
            }
            _ => None,
        }
    }

    fn take_line(&mut self) -> Result<Line, LineTooLong> {
        let line = core::mem::take(&mut self.line);
        if core::mem::take(&mut self.is_too_long) { Err(LineTooLong) } else { Ok(Line(line)) }
    }

    fn push(&mut self, byte: u8, echo: &mut impl Write) {
        if self.is_too_long {
            return;
        }
        if self.line.push(byte).is_err() {
            self.is_too_long = true;
            return;
        }
        let Some(character) = last_character(&self.line) else { return };
        print(echo, if self.is_secret() { "*" } else { character });
    }

    /// Takes the last character back, all bytes of it.
    fn erase(&mut self, echo: &mut impl Write) {
        if self.is_too_long || self.line.is_empty() {
            return;
        }
        while let Some(byte) = self.line.pop() {
            if !is_continuation(byte) {
                break;
            }
        }
        print(echo, "\x08 \x08");
    }

    /// Whether the word at the end of the line is a token or belongs to a passphrase, which may have been
    /// typed with unescaped spaces.
    fn is_secret(&self) -> bool {
        let mut words = Words::of(&self.line);
        let is_connect = words.next().is_some_and(|word| word.is("connect"));
        let arguments = words.by_ref().count();
        // What is left behind the last word is the space that ends it.
        is_connect && words.rest.is_empty() && !matches!(arguments, 0 | 2)
    }
}

/// What a line asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Nothing.
    Empty,
    /// Restart; answered by [`reply::REBOOTING`] first.
    Reboot,
    /// Open the access point; the stored configuration is kept.
    ConfigStart,
    /// Erase the configuration.
    ConfigErase,
    /// Tell what the device is: [`reply::device_info`].
    DeviceInfo,
    /// Try a configuration, or say what is wrong with it; answered by [`reply::connect`].
    Connect(Result<ConnectRequest, ConnectError>),
    /// Tell how the network is: [`reply::wifi`].
    WifiShow,
    /// Look for networks: [`reply::network`] for each.
    WifiScan,
    /// Tell about the firmware: [`reply::firmware`].
    Firmware,
    /// Return to the earlier firmware, which is not kept: [`reply::ROLLBACK_REFUSED`].
    FirmwareRollback,
    /// Tell how the device is: [`reply::status`].
    Status,
    /// List the commands: [`reply::HELP`].
    Help,
    /// Not a command: [`reply::NOT_FOUND`].
    Unknown,
}

/// The arguments of `connect`, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectRequest {
    /// The device's identity in the cloud.
    pub token: Token,
    /// The network's name.
    pub ssid: Ssid,
    /// The network's secret, empty when it was left out.
    pub passphrase: Passphrase,
}

impl ConnectRequest {
    /// The configuration this makes; host and port are Edgent's defaults.
    pub fn into_config(self) -> Config {
        Config {
            ssid: self.ssid,
            passphrase: self.passphrase,
            token: self.token,
            host: Host::try_from(DEFAULT_HOST).unwrap_or_default(),
            port: DEFAULT_PORT,
            static_ip: None,
        }
    }
}

/// What is wrong with the arguments of `connect`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectError {
    /// Token or network name are missing.
    Arguments,
    /// The token does not have 32 characters.
    Token,
    /// The network name is longer than 32 bytes, which Edgent would cut.
    Ssid,
    /// The passphrase is one that no network can have, or there are words behind it.
    Passphrase,
}

/// Reads a line. The cloud's `dbg` lines are read the same way.
pub fn parse(line: &[u8]) -> Command {
    let mut words = Words::of(line);
    if words.clone().count() > WORDS_MAX {
        return Command::Unknown;
    }
    let Some(first) = words.next() else { return Command::Empty };
    if first.is("connect") {
        return Command::Connect(parse_connect(words));
    }
    let argument = words.next();
    let is = |name: &str| argument.as_ref().is_some_and(|word| word.is(name));
    let is_default = |name: &str| argument.is_none() || is(name);
    if first.is("reboot") {
        Command::Reboot
    } else if first.is("config") && is_default("start") {
        Command::ConfigStart
    } else if first.is("config") && is("erase") {
        Command::ConfigErase
    } else if first.is("devinfo") {
        Command::DeviceInfo
    } else if first.is("wifi") && is_default("show") {
        Command::WifiShow
    } else if first.is("wifi") && is("scan") {
        Command::WifiScan
    } else if first.is("firmware") && is_default("info") {
        Command::Firmware
    } else if first.is("firmware") && is("rollback") {
        Command::FirmwareRollback
    } else if first.is("status") {
        Command::Status
    } else if first.is("help") || first.is("?") {
        Command::Help
    } else {
        Command::Unknown
    }
}

fn parse_connect(mut words: Words<'_>) -> Result<ConnectRequest, ConnectError> {
    let (Some(token), Some(ssid)) = (words.next(), words.next()) else { return Err(ConnectError::Arguments) };
    let passphrase = words.next();
    if words.next().is_some() {
        return Err(ConnectError::Passphrase);
    }
    Ok(ConnectRequest {
        token: Token::new(&token.text()).ok_or(ConnectError::Token)?,
        ssid: Ssid::new(&ssid.text()).filter(|ssid| !ssid.is_empty()).ok_or(ConnectError::Ssid)?,
        passphrase: match passphrase {
            None => Passphrase::default(),
            Some(word) => {
                Passphrase::new(&word.text()).filter(Passphrase::is_usable).ok_or(ConnectError::Passphrase)?
            }
        },
    })
}

/// The words of a line, still escaped. A backslash makes the byte behind it part of the word.
#[derive(Clone)]
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    fn of(line: &'a [u8]) -> Self {
        Self { rest: line }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let start = self.rest.iter().position(|byte| !is_space(*byte))?;
        let from_start = self.rest.get(start..)?;
        let mut is_escaped = false;
        let end = from_start.iter().position(|byte| {
            let ends = is_space(*byte) && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            ends
        });
        let (word, rest) = from_start.split_at_checked(end.unwrap_or(from_start.len()))?;
        self.rest = rest;
        Some(Word(word))
    }
}

/// One word, still escaped.
struct Word<'a>(&'a [u8]);

impl Word<'_> {
    /// Whether the word is this command, in whatever case.
    fn is(&self, command: &str) -> bool {
        self.text().eq_ignore_ascii_case(command.as_bytes())
    }

    /// The word itself. It is never longer than the escaped form, so it fits.
    fn text(&self) -> Vec<u8, LINE_LEN_MAX> {
        let mut rest = self.0;
        let mut text = Vec::new();
        while let [byte, tail @ ..] = rest {
            let (byte, tail) = match (byte, tail) {
                (b'\\', [escape, tail @ ..]) => unescape(*escape, tail),
                (byte, tail) => (*byte, tail),
            };
            if text.push(byte).is_err() {
                break;
            }
            rest = tail;
        }
        text
    }
}

/// What an escape stands for, and the bytes behind it. An unknown one stands for itself: `\ ` is a space.
fn unescape(escape: u8, tail: &[u8]) -> (u8, &[u8]) {
    match (escape, tail) {
        (b'n', _) => (LF, tail),
        (b'r', _) => (CR, tail),
        (b't', _) => (b'\t', tail),
        (b'b', _) => (BACKSPACE, tail),
        (b'0', _) => (0, tail),
        (b'x', [high, low, behind @ ..]) => match (hex_digit(*high), hex_digit(*low)) {
            (Some(high), Some(low)) => (high << 4 | low, behind),
            (None, _) | (_, None) => (escape, tail),
        },
        (other, _) => (other, tail),
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Whether a byte continues a UTF-8 character (RFC 3629 section 3).
fn is_continuation(byte: u8) -> bool {
    matches!(byte, 0x80..=0xBF)
}

/// The character that the last byte completed; `None` while it is incomplete.
fn last_character(line: &[u8]) -> Option<&str> {
    let start = line.iter().rposition(|byte| !is_continuation(*byte)).unwrap_or_default();
    match core::str::from_utf8(line.get(start..)?) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => None,
        Err(_) => Some("\u{FFFD}"),
    }
}

/// The echo goes to a serial line, which does not fail; if it does, there is nobody to tell.
fn print(echo: &mut impl Write, text: &str) {
    let _ = echo.write_str(text);
}

#[cfg(test)]
mod tests;
