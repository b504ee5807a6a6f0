//! The board as the product logic sees it: every call hands something over or takes what is there, none waits.

use core::fmt;

use device_tls::Channel;
use embassy_futures::select::select4;
use firmware_core::Instant;
use firmware_core::hal::{Console, Panel, Platform, Radio, RadioCommand, RadioEvent, TraceSink};
use firmware_core::panel::Pattern;
use firmware_core::trace::Event;
use firmware_esp32::config_partition::ConfigPartition;

use crate::radio::Frames;
use crate::{console, panel, radio};

/// The board.
pub struct BoardPlatform {
    /// The frames of the radio.
    pub frames: Frames,
    /// The configuration partition.
    pub config: ConfigPartition,
    /// The encrypted channel to the cloud.
    pub secure: Channel<'static>,
}

impl BoardPlatform {
    /// Waits until there is something for the device.
    pub async fn ready(&mut self) {
        select4(self.frames.ready(), radio::event(), panel::button(), console::byte()).await;
    }
}

impl Radio for BoardPlatform {
    fn command(&mut self, command: RadioCommand) {
        if !matches!(command, RadioCommand::Join { .. }) {
            // An access point takes much of the heap, and so does a session, of which nothing is left by now.
            self.secure.stop();
        }
        self.frames.follow(&command);
        radio::command(command);
    }

    fn poll_event(&mut self) -> Option<RadioEvent> {
        radio::poll_event()
    }
}

impl Panel for BoardPlatform {
    fn poll_button(&mut self) -> Option<(Instant, bool)> {
        panel::poll_button()
    }

    fn show(&mut self, pattern: Pattern) {
        panel::show(pattern);
    }
}

impl Console for BoardPlatform {
    fn poll_byte(&mut self) -> Option<u8> {
        console::poll_byte()
    }

    fn print(&mut self, text: fmt::Arguments<'_>) {
        console::print(text);
    }
}

impl TraceSink for BoardPlatform {
    fn trace(&mut self, _event: Event) {}
}

impl Platform for BoardPlatform {
    type Phy = Frames;
    type Flash = ConfigPartition;
    type Secure = Channel<'static>;

    fn phy(&mut self) -> &mut Frames {
        &mut self.frames
    }

    fn flash(&mut self) -> &mut ConfigPartition {
        &mut self.config
    }

    fn secure(&mut self) -> Option<&mut Channel<'static>> {
        Some(&mut self.secure)
    }
}
