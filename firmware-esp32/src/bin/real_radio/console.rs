//! The console: text out and bytes in through the serial port, without ever holding up the device.

use core::fmt::{self, Write as _};

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::pipe::Pipe;
use embedded_io_async::{Read, Write};
use firmware_esp32::port::{AsyncReceiver, AsyncSender};

/// Text that waits for the host. When nobody listens, the oldest stays and the rest is lost.
const TEXT_LEN: usize = 4_096;
/// Bytes typed that wait for the device: one line of Edgent's console.
const TYPED_LEN: usize = 256;
/// Bytes moved at once.
const PIECE_LEN: usize = 64;

static TEXT: Pipe<CriticalSectionRawMutex, TEXT_LEN> = Pipe::new();
static TYPED: Channel<CriticalSectionRawMutex, u8, TYPED_LEN> = Channel::new();

/// Prints text, as far as there is room.
pub fn print(text: fmt::Arguments<'_>) {
    // The error says that there was none.
    let _ = Printer.write_fmt(text);
}

/// The next byte typed.
pub fn poll_byte() -> Option<u8> {
    TYPED.try_receive().ok()
}

/// Waits until a byte has been typed.
pub async fn byte() {
    TYPED.ready_to_receive().await;
}

/// Carries text to the host, for ever.
pub async fn send(mut port: AsyncSender) {
    let mut piece = [0; PIECE_LEN];
    loop {
        let len = TEXT.read(&mut piece).await;
        // The port cannot fail, it only waits; what a host does not take is lost with the host.
        let _ = Write::write_all(&mut port, &piece[..len]).await;
        if TEXT.is_empty() {
            let _ = Write::flush(&mut port).await;
        }
    }
}

/// Takes what is typed, for ever.
pub async fn receive(mut port: AsyncReceiver) {
    let mut piece = [0; PIECE_LEN];
    loop {
        // What arrived damaged is lost, and the person who typed it sees that in the echo.
        let len = Read::read(&mut port, &mut piece).await.unwrap_or(0);
        for byte in &piece[..len] {
            TYPED.send(*byte).await;
        }
    }
}

struct Printer;

impl fmt::Write for Printer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let len = TEXT.try_write(rest).map_err(|_| fmt::Error)?;
            rest = &rest[len..];
        }
        Ok(())
    }
}
