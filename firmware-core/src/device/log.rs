//! Log lines in Edgent's form, `[milliseconds since boot] text`, and the banner. No secret is ever printed.

use core::fmt;

use super::Device;
use crate::config::Config;
use crate::hal::Platform;
use crate::provision::InUse;
use crate::{Duration, Instant};

impl<A> Device<A> {
    /// Since the start, as the log counts it.
    pub(super) fn uptime(&self, now: Instant) -> Duration {
        self.boot.uptime + (now - self.boot.now)
    }

    /// Prints one line.
    pub(super) fn log<P: Platform>(&self, now: Instant, platform: &mut P, text: fmt::Arguments<'_>) {
        platform.print(format_args!("[{}] {text}\r\n", self.uptime(now).total_millis()));
    }

    /// Says on the console what has been started.
    pub(super) fn print_banner<P: Platform>(&self, platform: &mut P, in_use: InUse) {
        let product = &self.boot.product;
        let rule = "----------------------------------------------------";
        platform.print(format_args!(
            "\r\n{} provisioning on {}\r\n{rule}\r\n",
            product.vendor(),
            product.board()
        ));
        platform.print(format_args!(" Device:    {}\r\n", self.ap_ssid));
        let (version, build) = (product.firmware_version(), product.build());
        platform.print(format_args!(" Firmware:  {version} (build {build})\r\n"));
        if in_use == InUse::Valid {
            // Edgent shows the first four characters; a secret is not printed here, not even in part.
            platform.print(format_args!(" Token:     ****\r\n"));
        }
        platform.print(format_args!(" Platform:  {}\r\n{rule}\r\n\r\n>", product.board()));
    }

    /// Says what was accepted, without its secrets.
    pub(super) fn log_config<P: Platform>(&self, now: Instant, platform: &mut P, config: &Config) {
        self.log(now, platform, format_args!("WiFi SSID: {} Pass: ****", config.ssid));
        self.log(now, platform, format_args!("Blynk cloud: **** @ {}:{}", config.host, config.port));
    }
}
