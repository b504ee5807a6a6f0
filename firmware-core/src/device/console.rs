//! The serial console: what its commands do.

use core::fmt::{Display, from_fn};

use heapless::String;

use super::actions::active;
use super::inputs::Taken;
use super::{Device, RadioState};
use crate::application::Application;
use crate::console::{Command, ConnectError, ConnectRequest, Line, LineTooLong, parse, reply};
use crate::hal::Platform;
use crate::portal::config_request::ConfigRequest;
use crate::provision::Input;
use crate::{Duration, Instant};

/// From the answer to `reboot` to the restart, as on Edgent.
const REBOOT_DELAY: Duration = Duration::from_millis(100);
/// Bytes taken in one pass.
const BYTES_MAX: u16 = 512;

/// Echo that is collected before it is printed.
const ECHO_LEN: usize = 128;
/// The most that one byte is echoed with: a character, or a step back over one.
const ECHO_STEP_LEN: usize = 4;
/// The answer to `connect` when the configuration could not be stored.
const NOT_STORED: &str = r#"{"status":"error","msg":"configuration not stored"}"#;
/// The answer to `connect` when another configuration is about to be tried.
const BUSY: &str = r#"{"status":"error","msg":"already trying to connect"}"#;

impl<A: Application> Device<A> {
    pub(super) fn poll_console<P: Platform>(&mut self, now: Instant, platform: &mut P) -> bool {
        let mut busy = false;
        // Printing is dear on a serial line behind a link, so that typing is not echoed byte by byte.
        let mut echo = String::<ECHO_LEN>::new();
        for _ in 0..BYTES_MAX {
            if echo.len() + ECHO_STEP_LEN > ECHO_LEN {
                flush(platform, &mut echo);
            }
            let Some(byte) = platform.poll_byte() else { break };
            busy = true;
            let Some(line) = self.console.handle_byte(byte, &mut echo) else { continue };
            flush(platform, &mut echo);
            match line {
                Ok(line) => self.run_command(now, platform, &line),
                Err(LineTooLong) => answer(platform, reply::LINE_TOO_LONG),
            }
        }
        flush(platform, &mut echo);
        busy
    }

    /// Runs a line from the serial console, or from the cloud.
    pub(super) fn run_command<P: Platform>(&mut self, now: Instant, platform: &mut P, line: &Line) {
        match parse(line.as_bytes()) {
            Command::Empty => platform.print(format_args!("{}", reply::PROMPT)),
            Command::Reboot => {
                answer(platform, reply::REBOOTING);
                self.reboot_at = Some(now + REBOOT_DELAY);
            }
            Command::ConfigStart => {
                platform.print(format_args!("{}", reply::PROMPT));
                self.input(now, platform, &Input::ConfigModeRequested);
            }
            Command::ConfigErase => {
                platform.print(format_args!("{}", reply::PROMPT));
                self.input(now, platform, &Input::ResetRequested);
            }
            Command::DeviceInfo => self.print_device_info(platform),
            Command::Connect(request) => self.connect(now, platform, request),
            Command::WifiShow => self.print_wifi(platform),
            Command::WifiScan => self.scan_for_console(now, platform),
            Command::Firmware => answer(platform, from_fn(|f| reply::firmware(f, &self.boot.product))),
            Command::FirmwareRollback => answer(platform, reply::ROLLBACK_REFUSED),
            Command::Status => {
                answer(platform, from_fn(|f| reply::status(f, self.uptime(now), self.provision.state())));
            }
            Command::Help => answer(platform, reply::HELP),
            Command::Unknown => answer(platform, reply::NOT_FOUND),
        }
    }

    /// Takes a configuration from the console the way `/config` does, in every state: stored as a trial, tried
    /// after a restart.
    fn connect<P: Platform>(
        &mut self,
        now: Instant,
        platform: &mut P,
        request: Result<ConnectRequest, ConnectError>,
    ) {
        let text = reply::connect(&request);
        let Ok(request) = request else { return answer(platform, text) };
        match self.take_config(now, platform, ConfigRequest { config: request.into_config(), save: false }) {
            Taken::Stored => {
                answer(platform, text);
                self.input(now, platform, &Input::ConfigStored);
            }
            Taken::Busy => answer(platform, BUSY),
            Taken::NotStored => answer(platform, NOT_STORED),
        }
    }

    fn print_device_info<P: Platform>(&self, platform: &mut P) {
        answer(platform, from_fn(|f| reply::device_info(f, &self.boot.product, &self.ap_ssid)));
    }

    fn print_wifi<P: Platform>(&self, platform: &mut P) {
        let ip = if self.radio == RadioState::Station { self.net.address() } else { None };
        let config = active(&self.trial, &self.valid, self.provision.in_use());
        let link = config.zip(self.link()).map(|(config, link)| reply::WifiLink {
            ssid: &config.ssid,
            bssid: link.bssid,
            rssi: link.rssi,
        });
        answer(platform, from_fn(|f| reply::wifi(f, self.boot.mac, ip, link.as_ref())));
    }
}

/// Prints an answer, its line end and the prompt, in one piece.
fn answer<P: Platform>(platform: &mut P, text: impl Display) {
    platform.print(format_args!("{text}\r\n{}", reply::PROMPT));
}

fn flush<P: Platform>(platform: &mut P, echo: &mut String<ECHO_LEN>) {
    if !echo.is_empty() {
        platform.print(format_args!("{echo}"));
        echo.clear();
    }
}
