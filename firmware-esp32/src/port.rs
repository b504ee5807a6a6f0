//! The serial port to the host: the chip's own USB port or, with the feature `uart0`, UART 0.

use esp_hal::time::{Duration, Instant};

#[cfg(feature = "uart0")]
pub use uart::{AsyncReceiver, AsyncSender, Port};
#[cfg(not(feature = "uart0"))]
pub use usb::{AsyncReceiver, AsyncSender, Port};

/// How long a panic waits for the host to take its words.
const LAST_WORDS_LIMIT: Duration = Duration::from_millis(500);

/// Sends bytes when all else has failed, as far as the host takes them.
pub fn send_last(bytes: &[u8]) {
    let mut port = Port::steal();
    let began = Instant::now();
    let mut rest = bytes;
    while !rest.is_empty() && began.elapsed() < LAST_WORDS_LIMIT {
        rest = &rest[port.send(rest)..];
    }
    while !port.flush() && began.elapsed() < LAST_WORDS_LIMIT {}
}

#[cfg(not(feature = "uart0"))]
mod usb {
    use esp_hal::peripherals::USB_DEVICE;
    use esp_hal::usb::usb_serial_jtag::{UsbSerialJtag, UsbSerialJtagRx, UsbSerialJtagTx};
    use esp_hal::{Async, Blocking};

    /// The receiving half for a task.
    pub type AsyncReceiver = UsbSerialJtagRx<'static, Async>;
    /// The sending half for a task.
    pub type AsyncSender = UsbSerialJtagTx<'static, Async>;

    /// The port. It never waits: what has no room now, or is not there yet, is for another time.
    pub struct Port(UsbSerialJtag<'static, Blocking>);

    impl Port {
        /// Opens it.
        pub fn new(device: USB_DEVICE<'static>) -> Self {
            Self(UsbSerialJtag::new(device))
        }

        /// Takes it from whoever has it.
        pub(super) fn steal() -> Self {
            // SAFETY: whoever has it has panicked and does not come back.
            Self::new(unsafe { USB_DEVICE::steal() })
        }

        /// Splits it for tasks that wait.
        pub fn into_async(self) -> (AsyncReceiver, AsyncSender) {
            self.0.into_async().split()
        }

        /// Takes what has been received; returns how much.
        pub fn receive(&mut self, bytes: &mut [u8]) -> usize {
            bytes.iter_mut().map_while(|room| self.0.read_byte().ok().map(|byte| *room = byte)).count()
        }

        /// Sends as much as there is room for; returns how much.
        pub fn send(&mut self, bytes: &[u8]) -> usize {
            bytes.iter().take_while(|byte| self.0.write_byte_nb(**byte).is_ok()).count()
        }

        /// Hands over what waits; `false` while the host has not taken it.
        pub fn flush(&mut self) -> bool {
            self.0.flush_tx_nb().is_ok()
        }
    }
}

#[cfg(feature = "uart0")]
mod uart {
    use esp_hal::gpio::interconnect::{PeripheralInput, PeripheralOutput};
    use esp_hal::peripherals::UART0;
    use esp_hal::uart::{Config, Uart, UartRx, UartTx};
    use esp_hal::{Async, Blocking};

    /// The receiving half for a task.
    pub type AsyncReceiver = UartRx<'static, Async>;
    /// The sending half for a task.
    pub type AsyncSender = UartTx<'static, Async>;

    /// The speed of the chip's own messages at start, so that one monitor reads both.
    const BAUD: u32 = 115_200;

    /// The port. Receiving never waits; sending waits for the line, which always takes what it is given.
    pub struct Port(Uart<'static, Blocking>);

    impl Port {
        /// Opens it.
        ///
        /// # Panics
        /// Never: the configuration is a constant one that the chip can meet.
        pub fn new(
            uart: UART0<'static>,
            transmit: impl PeripheralOutput<'static>,
            receive: impl PeripheralInput<'static>,
        ) -> Self {
            Self(open(uart).with_tx(transmit).with_rx(receive))
        }

        /// Takes it from whoever has it, with the pins it has.
        pub(super) fn steal() -> Self {
            // SAFETY: whoever has it has panicked and does not come back.
            Self(open(unsafe { UART0::steal() }))
        }

        /// Splits it for tasks that wait.
        pub fn into_async(self) -> (AsyncReceiver, AsyncSender) {
            self.0.into_async().split()
        }

        /// Takes what has been received; returns how much.
        pub fn receive(&mut self, bytes: &mut [u8]) -> usize {
            // What arrives damaged is lost; the link asks again, and a person sees it.
            self.0.read_buffered(bytes).unwrap_or(0)
        }

        /// Sends what fits the line's buffer; returns how much.
        pub fn send(&mut self, bytes: &[u8]) -> usize {
            self.0.write(bytes).unwrap_or(0)
        }

        /// Waits until everything has been sent.
        pub fn flush(&mut self) -> bool {
            self.0.flush().is_ok()
        }
    }

    fn open(uart: UART0<'static>) -> Uart<'static, Blocking> {
        Uart::new(uart, Config::default().with_baudrate(BAUD)).expect("the chip can meet the speed")
    }
}
