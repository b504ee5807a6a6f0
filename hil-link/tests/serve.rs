//! The main loop of a firmware behind the link, on a line that says what a test wants to hear.

use std::collections::VecDeque;
use std::convert::Infallible;

use embedded_io::{ErrorType, Read, Write};
use firmware_core::application::thermostat::Thermostat;
use firmware_core::device::Device;
use firmware_core::net::{StaticBuffers, StaticSockets};
use hil_link::cut_flash::{ArrayFlash, CutFlash};
use hil_link::device_side::{Ended, serve};
use hil_link::turn_platform::TurnPlatform;
use hil_link::wire::framing::{ENCODED_LEN_MAX, Receiver, encode};
use hil_link::wire::{
    Armed, Boot, Bytes, Dates, Effect, Event, PRODUCT_TEXT_LEN, ProductIdentity, Refusal, Request,
    ResetCause, Response, Turn,
};

const FLASH_LEN: usize = 8_192;
const USED: u8 = 0x5A;

type Flash = ArrayFlash<FLASH_LEN>;

/// What the host says, a request at a time, and what the device has answered.
struct Script {
    requests: VecDeque<Vec<u8>>,
    said: Vec<u8>,
}

impl ErrorType for Script {
    type Error = Infallible;
}

impl Read for Script {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let Some(request) = self.requests.front_mut() else { return Ok(0) };
        let len = request.len().min(bytes.len());
        bytes[..len].copy_from_slice(&request[..len]);
        request.drain(..len);
        if request.is_empty() {
            self.requests.pop_front();
        }
        Ok(len)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.said.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Lets a device hear requests; calls `look` with each of its answers. The flash is what it has and keeps.
fn hear(
    flash: &mut Flash,
    requests: &[Request<'_>],
    poll_button: impl FnMut() -> Option<bool>,
    mut look: impl FnMut(&Response<'_>),
) -> Ended<Infallible> {
    let encoded = |request| encode(request, &mut [0; ENCODED_LEN_MAX]).expect("a request fits").to_vec();
    let mut script = Script { requests: requests.iter().map(encoded).collect(), said: Vec::new() };
    let mut platform = Box::new(TurnPlatform::new(CutFlash::new(flash.clone())));
    let ended = serve(&mut script, &mut platform, "test", poll_button, start);
    *flash = platform.flash_mut().inner().clone();
    let (mut receiver, mut rest) = (Receiver::new(), script.said.as_slice());
    while !rest.is_empty() {
        let (taken, response) = receiver.receive::<Response<'_>>(rest);
        rest = &rest[taken..];
        if let Some(response) = response {
            look(&response.expect("a device says messages only"));
        }
    }
    ended
}

fn start(boot: &Boot<'_>, platform: &mut TurnPlatform<Flash>) -> Result<Box<Device<Thermostat>>, Refusal> {
    let text = Box::leak(Box::new([0; PRODUCT_TEXT_LEN]));
    // It has no TLS but the modelled one.
    if boot.trust.is_some() {
        return Err(Refusal::Trust);
    }
    let product = boot.product.keep(text).map_err(|_| Refusal::Product)?;
    let boot = boot.with_product(product);
    let (buffers, sockets) =
        (Box::leak(Box::new(StaticBuffers::new())), Box::leak(Box::new(StaticSockets::new())));
    let buffers = buffers.lend(sockets, &boot.product, boot.mac);
    Ok(Box::new(Device::boot(boot, buffers, platform, Thermostat::new())))
}

fn boot() -> Request<'static> {
    let product = ProductIdentity {
        template_id: "TMPL4thermo1",
        template_name: "Thermostat",
        firmware_version: "1.0.0",
        build: "Nov 22 2026 10:00:00",
        board: "ESP32-C3",
        vendor: "Blynk",
        firmware_type: "TMPL4thermo1",
        captive_portal: false,
        time_server: "pool.ntp.org",
        dates: Dates::Required,
    };
    let (mac, armed) = ([0x24, 0x0A, 0xC4, 0, 1, 0x10], Armed::default());
    let cause = ResetCause::PowerOn;
    Request::Boot {
        session: 1,
        boot: Boot { now_us: 0, uptime_us: 0, seed: 1, cause, mac, product, armed, trust: None },
    }
}

fn turn(number: u32, now_us: i64) -> Request<'static> {
    Request::Turn(Turn { number, inputs: 0, now_us, until_us: now_us, armed: None })
}

fn used() -> Flash {
    let mut flash = Flash::new();
    flash.bytes_mut().fill(USED);
    flash
}

#[test]
fn a_device_that_runs_nothing_erases_its_flash() {
    let mut flash = used();
    let mut erased = 0;
    let ended = hear(
        &mut flash,
        &[Request::EraseFlash],
        || None,
        |response| {
            erased += u32::from(*response == Response::Erased);
        },
    );
    assert_eq!((ended, erased), (Ended::Line(None), 1));
    assert_eq!(flash, Flash::new());
}

#[test]
fn a_device_that_runs_resets_before_it_erases() {
    let mut flash = Flash::new();
    let ended = hear(
        &mut flash,
        &[boot(), Request::EraseFlash],
        || None,
        |response| {
            assert_ne!(*response, Response::Erased);
        },
    );
    assert_eq!(ended, Ended::Reset);
}

#[test]
fn a_person_can_press_the_boards_own_button() {
    let requests =
        [boot(), turn(1, 0), turn(2, 1_000_000), turn(3, 1_100_000), turn(4, 5_000_000), turn(5, 5_100_000)];
    // Asked once for each turn.
    let mut levels = [None, Some(true), None, Some(false), None].into_iter();
    let mut story = Vec::new();
    hear(
        &mut Flash::new(),
        &requests,
        || levels.next().flatten(),
        |response| match response {
            Response::Effect { turn, effect: Effect::Trace(Event::ButtonPressed), .. } => {
                story.push((*turn, 0));
            }
            Response::Effect { turn, effect: Effect::Trace(Event::ButtonReleased { held_ms }), .. } => {
                story.push((*turn, *held_ms));
            }
            Response::Done(done) => assert_eq!(done.waiting.button_edges, 0, "the host would miss it"),
            _ => {}
        },
    );
    assert_eq!(story, [(3, 0), (5, 4_000)]);
}

#[test]
fn a_device_that_runs_nothing_takes_what_its_flash_is_to_hold() {
    let mut flash = Flash::new();
    let mut said = Vec::new();
    let write = |offset| Request::WriteFlash { offset, content: Bytes(&[1, 2, 3, 4]) };
    let ended = hear(
        &mut flash,
        &[write(4_096), write(2), write(8_192)],
        || None,
        |response| {
            said.push(format!("{response:?}"));
        },
    );
    assert_eq!(ended, Ended::Line(None));
    assert_eq!(flash.bytes()[4_096..4_100], [1, 2, 3, 4]);
    assert!(said.iter().any(|said| said == "Written { offset: 4096 }"), "{said:?}");
    assert_eq!(said.iter().filter(|said| *said == "Refused(Flash)").count(), 2, "{said:?}");
}

#[test]
fn a_device_that_runs_resets_before_its_flash_is_written() {
    let requests = [boot(), Request::WriteFlash { offset: 0, content: Bytes(&[0; 4]) }];
    let mut flash = Flash::new();
    assert_eq!(hear(&mut flash, &requests, || None, |_| {}), Ended::Reset);
    assert_eq!(flash, Flash::new());
}
