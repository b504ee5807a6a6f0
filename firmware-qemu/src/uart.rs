//! The 16550 serial port: a second way for the link, and the last one for a panic.

use crate::plic;

const BASE: usize = 0x1000_0000;
/// Receive and transmit holding register.
const DATA: usize = 0;
/// Interrupt enable register; bit 0: a byte was received.
const INTERRUPT_ENABLE: usize = 1;
/// Line status register.
const STATUS: usize = 5;
const STATUS_RECEIVED: u8 = 1;
const STATUS_TRANSMITTER_EMPTY: u8 = 1 << 5;
/// Its line at the interrupt controller.
const IRQ: u32 = 10;

/// The serial port.
pub struct Uart(());

impl Uart {
    /// The port as the machine starts with it.
    pub fn open() -> Self {
        Self(())
    }

    /// Lets received bytes wake the processor.
    pub fn wake_on_receive(&mut self) {
        write(INTERRUPT_ENABLE, 1);
        plic::enable(IRQ);
    }

    /// Sends bytes, one when the last one has gone.
    pub fn send(&mut self, bytes: &[u8]) {
        for byte in bytes {
            while read(STATUS) & STATUS_TRANSMITTER_EMPTY == 0 {}
            write(DATA, *byte);
        }
    }

    /// Waits for a byte, then takes all that are there.
    pub fn receive(&mut self, bytes: &mut [u8]) -> usize {
        while !has_received() {
            plic::sleep(|| {});
        }
        let mut len = 0;
        while len < bytes.len() && has_received() {
            bytes[len] = read(DATA);
            len += 1;
        }
        len
    }
}

fn has_received() -> bool {
    read(STATUS) & STATUS_RECEIVED != 0
}

fn read(register: usize) -> u8 {
    // SAFETY: only called with registers of the port.
    unsafe { ((BASE + register) as *const u8).read_volatile() }
}

fn write(register: usize, value: u8) {
    // SAFETY: only called with registers of the port.
    unsafe { ((BASE + register) as *mut u8).write_volatile(value) };
}
