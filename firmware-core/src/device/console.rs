//! The serial console: what its commands do.

use core::fmt::{self, Write};

use super::{Device, Purpose};
use crate::application::Application;
use crate::config::Config;
use crate::console::{Command, Line, LineTooLong, parse, reply};
use crate::hal::Platform;
use crate::provision::Input;
use crate::trace::State;
use crate::{Duration, Instant};

/// From the answer to `reboot` to the restart, as on Edgent.
const REBOOT_DELAY: Duration = Duration::from_millis(100);
/// Bytes taken in one pass.
const BYTES_MAX: u16 = 512;

/// The platform's serial line as a writer.
struct Printer<'a, P>(&'a mut P);

impl<P: Platform> Write for Printer<'_, P> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.print(format_args!("{text}"));
        Ok(())
    }
}

impl<A: Application> Device<A> {
    pub(super) fn poll_console<P: Platform>(&mut self, now: Instant, platform: &mut P) -> bool {
        let mut busy = false;
        for _ in 0..BYTES_MAX {
            let Some(byte) = platform.poll_byte() else { break };
            busy = true;
            match self.console.handle_byte(byte, &mut Printer(platform)) {
                None => {}
                Some(Ok(line)) => self.run_command(now, platform, &line),
                Some(Err(LineTooLong)) => answer(platform, reply::LINE_TOO_LONG),
            }
        }
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
            Command::Connect(request) => {
                answer(platform, reply::connect(&request));
                if let Ok(request) = request {
                    self.connect(now, platform, &request.into_config());
                }
            }
            Command::WifiShow => self.print_wifi(platform),
            Command::WifiScan => {
                // A list that is on its way to a phone must stay as it is.
                if self.scan.purpose.is_none() && !self.portal.is_listing() {
                    self.start_scan(now, platform, Purpose::Console, None);
                } else {
                    platform.print(format_args!("{}", reply::PROMPT));
                }
            }
            Command::Firmware => {
                // Printing does not fail.
                let _ = reply::firmware(&mut Printer(platform), &self.boot.product);
                answer(platform, "");
            }
            Command::FirmwareRollback => answer(platform, reply::ROLLBACK_REFUSED),
            Command::Status => {
                let _ = reply::status(&mut Printer(platform), self.uptime(now), self.provision.state());
                answer(platform, "");
            }
            Command::Help => answer(platform, reply::HELP),
            Command::Unknown => answer(platform, reply::NOT_FOUND),
        }
    }

    /// Takes a configuration from the console the way `/config` does: stored as a trial, tried after a restart.
    fn connect<P: Platform>(&mut self, now: Instant, platform: &mut P, config: &Config) {
        if self.provision.state() == State::SwitchToSta || !self.store_config(now, platform, config, false) {
            return;
        }
        self.submitted = Some(config.clone());
        if !self.provision.is_config_mode() {
            // In use as a station: there is no access point to close first.
            self.reboot_at = Some(now + REBOOT_DELAY);
            return;
        }
        self.input(now, platform, &Input::ConfigStored);
    }

    fn print_device_info<P: Platform>(&self, platform: &mut P) {
        let name = core::str::from_utf8(self.ap_ssid.as_bytes()).unwrap_or_default();
        let _ = reply::device_info(&mut Printer(platform), &self.boot.product, name);
        answer(platform, "");
    }

    fn print_wifi<P: Platform>(&self, platform: &mut P) {
        let _ = reply::wifi(&mut Printer(platform), self.boot.mac, self.net.address(), None);
        answer(platform, "");
    }

    /// Prints what a scan from the console has heard.
    pub(super) fn print_scan<P: Platform>(&self, platform: &mut P) {
        for network in self.scan.list.networks() {
            let _ = reply::network(&mut Printer(platform), network, false);
            platform.print(format_args!("\r\n"));
        }
        platform.print(format_args!("{}", reply::PROMPT));
    }
}

/// Prints an answer, its line end and the prompt.
fn answer<P: Platform>(platform: &mut P, text: &str) {
    platform.print(format_args!("{text}\r\n{}", reply::PROMPT));
}
