//! Both sides of the link against a peer that says anything.

use std::convert::Infallible;

use embedded_io::{ErrorType, Read, Write};
use firmware_core::Instant;
use firmware_core::application::thermostat::Thermostat;
use firmware_core::device::Device;
use hil_link::cut_flash::{ArrayFlash, CutFlash, FlashState};
use hil_link::device_side::{Ended, serve};
use hil_link::host_side::{HELLO, HostSide, Resend};
use hil_link::queues::Queues;
use hil_link::turn_platform::TurnPlatform;
use hil_link::wire::framing::{ENCODED_LEN_MAX, Receiver, encode};
use hil_link::wire::{Boot, PRODUCT_TEXT_LEN, Refusal, Response};
use hil_sim::buffers::host_buffers;
use serde::ser::SerializeTuple;
use serde::{Serialize, Serializer};

use crate::input::Input;

const FLASH_LEN: usize = 8_192;
/// What the input says of the next piece: bytes of the line as they are, or of a message that arrives whole.
const RAW: u8 = 0;

/// Any bytes on the line to a device: it answers in messages, and it still answers when sense is talked to it.
pub(crate) fn link_device(bytes: &[u8]) {
    let mut line = to_line(bytes);
    line.extend_from_slice(&encoded(&HELLO));
    let mut port = Port { unread: &line, said: Vec::new() };
    let mut platform = Box::new(TurnPlatform::new(CutFlash::new(ArrayFlash::<FLASH_LEN>::new())));
    let ended = serve(&mut port, &mut platform, "fuzzed", || None, start);
    let hellos = hellos(&port.said);
    match ended {
        Ended::Reset => assert!(hellos >= 1, "it said hello when it started"),
        Ended::Line(_) => assert!(hellos >= 2, "it did not answer the hello at the end"),
    }
}

/// Any bytes on the line from a device: what waits for it stays within its bounds, and nothing counts twice.
pub(crate) fn link_host(bytes: &[u8]) {
    let (mut host, mut queues) = (HostSide::default(), Box::<Queues>::default());
    host.begin_session(&mut queues, &FlashState::NEW);
    assert!(queues.push_frame(&[1; 60]) && queues.push_frame(&[2; 60]));
    let mut receiver = Receiver::new();
    for turn in 1..4_u8 {
        host.begin_turn(
            &mut queues,
            Instant::from_millis(i64::from(turn)),
            Instant::from_secs(9),
            &FlashState::NEW,
        );
        let line = to_line(bytes);
        let mut rest = line.as_slice();
        while !rest.is_empty() {
            let waited = queues.waiting();
            let (taken, response) = receiver.receive::<Response<'_>>(rest);
            rest = &rest[taken..];
            if let Some(Ok(response)) = response {
                // What the answer means is its own affair; that it is within bounds is ours.
                let _ = host.handle(response, &mut queues);
            }
            let waits = queues.waiting();
            assert!(waits.frames <= waited.frames && waits.console <= waited.console);
        }
        let mut requests = 0;
        host.write_turn(&queues, Resend::InputsFrom(0), |request| {
            requests += 1;
            assert!(encode(request, &mut [0; ENCODED_LEN_MAX]).is_some());
        });
        assert!((1..=3).contains(&requests), "two frames and a turn, at most");
    }
}

/// Pieces of an input as they come over a line: raw ones, and ones with a correct frame around them.
fn to_line(bytes: &[u8]) -> Vec<u8> {
    let mut input = Input(bytes);
    let mut line = Vec::new();
    while !input.is_empty() {
        match input.byte() {
            RAW => line.extend_from_slice(input.short_piece()),
            _ => line.extend_from_slice(&encoded(&Payload(input.piece()))),
        }
    }
    line
}

fn encoded<T: Serialize>(message: &T) -> Vec<u8> {
    encode(message, &mut [0; ENCODED_LEN_MAX]).unwrap_or_default().to_vec()
}

/// Bytes in the place of a message.
struct Payload<'a>(&'a [u8]);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|byte| tuple.serialize_element(byte))?;
        tuple.end()
    }
}

/// How often a device said hello. Everything it says is a message.
fn hellos(mut said: &[u8]) -> usize {
    let mut receiver = Receiver::new();
    let mut hellos = 0;
    while !said.is_empty() {
        let (taken, response) = receiver.receive::<Response<'_>>(said);
        said = &said[taken..];
        let response = response.map(|response| response.expect("a device says messages only"));
        hellos += usize::from(matches!(response, Some(Response::Hello { .. })));
    }
    hellos
}

fn start(
    boot: &Boot<'_>,
    platform: &mut TurnPlatform<ArrayFlash<FLASH_LEN>>,
) -> Result<Box<Device<Thermostat>>, Refusal> {
    let text = Box::leak(Box::new([0; PRODUCT_TEXT_LEN]));
    // It has no TLS but the modelled one.
    if boot.trust.is_some() {
        return Err(Refusal::Trust);
    }
    let product = boot.product.keep(text).map_err(|_| Refusal::Product)?;
    let boot = boot.with_product(product);
    let buffers = host_buffers(&boot.product, boot.mac);
    Ok(Box::new(Device::boot(boot, buffers, platform, Thermostat::new())))
}

struct Port<'a> {
    unread: &'a [u8],
    said: Vec<u8>,
}

impl ErrorType for Port<'_> {
    type Error = Infallible;
}

impl Read for Port<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let len = self.unread.len().min(bytes.len());
        let (read, rest) = self.unread.split_at(len);
        bytes[..len].copy_from_slice(read);
        self.unread = rest;
        Ok(len)
    }
}

impl Write for Port<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.said.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
