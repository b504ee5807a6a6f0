//! A device in a thread at the other end of the link, with a line between that may lose and damage bytes.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use embedded_io::{ErrorType, Read, Write};
use firmware_core::application::thermostat::Thermostat;
use firmware_core::device::Device;
use firmware_core::net::{StaticBuffers, StaticSockets};
use firmware_core::random::SplitMix64;
use hil_link::cut_flash::{ArrayFlash, CutFlash};
use hil_link::device_side::{Ended, serve};
use hil_link::turn_platform::TurnPlatform;
use hil_link::wire::Request;
use hil_link::wire::framing::{ENCODED_LEN_MAX, encode};
use hil_link::wire::{Boot, PRODUCT_TEXT_LEN, Refusal};
use hil_sim::executor::{Executor, ExecutorError, FLASH_LEN, Line, OverLink};
use hil_sim::runner::Harness;
use hil_sim::target::Target;
use hil_sim::tls;
use libtest_mimic::Failed;

/// How long an answer may take. On a noisy line this is waited for often.
const PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE_WITH_NOISE: Duration = Duration::from_millis(40);
/// Of a hundred thousand bytes, so many are lost and as many damaged.
const NOISE_PER_100_000: u64 = 20;
/// Before one byte of so many the cable has no contact, for so many bytes: more than one message is lost in a row, and
/// still fewer than the host asks again.
const NO_CONTACT_BEFORE_ONE_OF: u64 = 20_000;
const NO_CONTACT_LEN: u64 = 60;

type Flash = ArrayFlash<FLASH_LEN>;

/// Devices in threads.
pub(crate) struct Loopback {
    is_noisy: bool,
}

impl Loopback {
    /// On a line that loses nothing.
    pub(crate) fn clean() -> Self {
        Self { is_noisy: false }
    }

    /// On a line that loses and damages bytes both ways, and has no contact now and then.
    pub(crate) fn noisy() -> Self {
        Self { is_noisy: true }
    }
}

impl Target for Loopback {
    fn device(&self, _harness: &Harness) -> Result<Box<dyn Executor>, ExecutorError> {
        Ok(Box::new(OverLink::open(Cable::to_new_device(self.is_noisy))?))
    }
}

/// The host's end of the line, and the device behind it.
struct Cable {
    to_device: Option<Sender<Vec<u8>>>,
    from_device: Receiver<Vec<u8>>,
    left: Vec<u8>,
    noise: Option<Noise>,
    patience: Duration,
    /// Nothing that is sent arrives.
    is_cut: bool,
    device: Option<JoinHandle<()>>,
}

impl Cable {
    fn to_new_device(is_noisy: bool) -> Self {
        let (to_device, at_device) = mpsc::channel();
        let (to_host, from_device) = mpsc::channel();
        let noise = |seed| is_noisy.then(|| Noise { chance: SplitMix64::new(seed), no_contact_for: 0 });
        let mut port =
            Port { received: at_device, left: Vec::new(), sent: to_host, batch: Vec::new(), noise: noise(2) };
        let device = thread::spawn(move || run_device(&mut port));
        Self {
            to_device: Some(to_device),
            from_device,
            left: Vec::new(),
            noise: noise(1),
            patience: if is_noisy { PATIENCE_WITH_NOISE } else { PATIENCE },
            is_cut: false,
            device: Some(device),
        }
    }
}

impl Line for Cable {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_cut {
            return Ok(());
        }
        let mut bytes = bytes.to_vec();
        if let Some(noise) = &mut self.noise {
            noise.disturb(&mut bytes);
        }
        let sent = self.to_device.as_ref().map(|line| line.send(bytes));
        if sent.is_some_and(|sent| sent.is_ok()) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn receive(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.left.is_empty() {
            match self.from_device.recv_timeout(self.patience) {
                Ok(received) => self.left = received,
                Err(RecvTimeoutError::Timeout) => return Ok(0),
                Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        Ok(take(&mut self.left, bytes))
    }

    fn reset(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn last_words(&mut self) -> Vec<u8> {
        Vec::new()
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // The device ends when its line is cut.
        self.to_device = None;
        if let Some(device) = self.device.take() {
            device.join().expect("the device's thread ends by itself");
        }
    }
}

fn take(left: &mut Vec<u8>, bytes: &mut [u8]) -> usize {
    let len = left.len().min(bytes.len());
    bytes[..len].copy_from_slice(&left[..len]);
    left.drain(..len);
    len
}

/// Loses a byte now and then, flips a bit now and then, and sometimes loses everything for a while.
struct Noise {
    chance: SplitMix64,
    /// Bytes that are still lost.
    no_contact_for: u64,
}

impl Noise {
    fn disturb(&mut self, bytes: &mut Vec<u8>) {
        bytes.retain_mut(|byte| {
            if self.no_contact_for > 0 {
                self.no_contact_for -= 1;
                return false;
            }
            if self.chance.below(NO_CONTACT_BEFORE_ONE_OF) == 0 {
                self.no_contact_for = NO_CONTACT_LEN;
            }
            let chance = self.chance.below(100_000);
            if chance < NOISE_PER_100_000 {
                *byte ^= 1 << (chance % 8);
            }
            !(NOISE_PER_100_000..2 * NOISE_PER_100_000).contains(&chance)
        });
    }
}

/// The device's end of the line.
struct Port {
    received: Receiver<Vec<u8>>,
    left: Vec<u8>,
    sent: Sender<Vec<u8>>,
    batch: Vec<u8>,
    noise: Option<Noise>,
}

impl ErrorType for Port {
    type Error = Infallible;
}

impl Read for Port {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        while self.left.is_empty() {
            let Ok(received) = self.received.recv() else { return Ok(0) };
            self.left = received;
        }
        Ok(take(&mut self.left, bytes))
    }
}

impl Write for Port {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.batch.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        let mut batch = std::mem::take(&mut self.batch);
        // The host would take nothing for silence.
        if batch.is_empty() {
            return Ok(());
        }
        if let Some(noise) = &mut self.noise {
            noise.disturb(&mut batch);
        }
        // A host that is gone is noticed when nothing more comes from it.
        let _ = self.sent.send(batch);
        Ok(())
    }
}

/// What a chip does: runs until it is reset, and starts again with nothing but its flash.
fn run_device(port: &mut Port) {
    let mut flash = Flash::new();
    loop {
        let mut platform = Box::new(TurnPlatform::new(CutFlash::new(flash)));
        match serve(port, &mut platform, "loopback", || None, start) {
            Ended::Reset => flash = platform.flash_mut().inner().clone(),
            Ended::Line(_) => return,
        }
    }
}

fn start(
    boot: &Boot<'_>,
    platform: &mut TurnPlatform<Flash, tls::Channel>,
) -> Result<Box<Device<Thermostat>>, Refusal> {
    // A chip has these in static cells. A thread's are never given back.
    let text = Box::leak(Box::new([0; PRODUCT_TEXT_LEN]));
    let buffers = Box::leak(Box::new(StaticBuffers::new()));
    let sockets = Box::leak(Box::new(StaticSockets::new()));
    platform.set_secure(tls::channel(boot.trust.map(|trust| trust.0)));
    let product = boot.product.keep(text).map_err(|_| Refusal::Product)?;
    let boot = boot.with_product(product);
    let buffers = buffers.lend(sockets, &boot.product, boot.mac);
    Ok(Box::new(Device::boot(boot, buffers, platform, Thermostat::new())))
}

/// A device that restarts by itself, and one behind a cable that stays cut, have lost their turn: the run is told so,
/// and the next boot finds them again.
pub(crate) fn restarts_and_cuts_are_overcome() -> Result<(), Failed> {
    let mut cable = Cable::to_new_device(false);
    cable.patience = PATIENCE_WITH_NOISE;
    let mut device = OverLink::open(cable)?;
    let now = crate::boot().now;
    device.boot(crate::boot())?;
    device.turn(now, now)?;
    let mut room = [0; ENCODED_LEN_MAX];
    let reset = encode(&Request::Reset, &mut room).ok_or("a reset fits a message")?;
    device.line_mut().send(reset)?;
    let lost = device.turn(now, now);
    if !matches!(lost, Err(ExecutorError::Restarted)) {
        return Err(format!("the restart is not told, but {lost:?}").into());
    }
    device.boot(crate::boot())?;
    device.turn(now, now)?;
    device.line_mut().is_cut = true;
    let lost = device.turn(now, now);
    if !matches!(lost, Err(ExecutorError::Silent)) {
        return Err(format!("the cut is not told, but {lost:?}").into());
    }
    device.line_mut().is_cut = false;
    device.boot(crate::boot())?;
    device.turn(now, now)?;
    Ok(())
}
