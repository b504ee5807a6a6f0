//! The line to the host: the paravirtual console when there is one, else the serial port.

use core::convert::Infallible;

use embedded_io::{ErrorType, Read, Write};

use crate::uart::Uart;
use crate::virtio::Virtio;

/// Bytes collected before they are handed over; each hand-over leaves the emulated processor.
const BATCH_LEN: usize = 4_096;

/// The line that the machine was started with.
pub struct Line {
    port: Port,
    batch: [u8; BATCH_LEN],
    len: usize,
}

#[expect(clippy::large_enum_variant, reason = "there is one of it, and the larger one is the usual one")]
enum Port {
    Virtio(Virtio),
    Uart(Uart),
}

impl Line {
    /// Opens the faster of the lines that are there.
    pub fn open() -> Self {
        let port = match Virtio::open() {
            Some(console) => Port::Virtio(console),
            None => {
                let mut uart = Uart::open();
                uart.wake_on_receive();
                Port::Uart(uart)
            }
        };
        Self { port, batch: [0; BATCH_LEN], len: 0 }
    }

    fn send_batch(&mut self) {
        let bytes = &self.batch[..self.len];
        match &mut self.port {
            Port::Virtio(console) => console.send(bytes),
            Port::Uart(uart) => uart.send(bytes),
        }
        self.len = 0;
    }
}

impl ErrorType for Line {
    type Error = Infallible;
}

impl Read for Line {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        Ok(match &mut self.port {
            Port::Virtio(console) => console.receive(bytes),
            Port::Uart(uart) => uart.receive(bytes),
        })
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        if self.len == BATCH_LEN {
            self.send_batch();
        }
        let room = &mut self.batch[self.len..];
        let len = room.len().min(bytes.len());
        room[..len].copy_from_slice(&bytes[..len]);
        self.len += len;
        Ok(len)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        self.send_batch();
        Ok(())
    }
}
