//! The button and the indicator, each with a task of its own.

use embassy_futures::select::{Either, select};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::signal::Signal;
use embassy_time::Timer;
use esp_hal::gpio::Input;
use firmware_core::Instant;
use firmware_core::panel::Pattern;
use firmware_esp32::indicator::{Indicator, REFRESH_MS};
use firmware_esp32::now;

/// Level changes that can wait: a bouncing press.
const EDGES: usize = 32;

static EDGE: Channel<CriticalSectionRawMutex, (Instant, bool), EDGES> = Channel::new();
static SHOWN: Signal<CriticalSectionRawMutex, Pattern> = Signal::new();

/// The button's next level change.
pub fn poll_button() -> Option<(Instant, bool)> {
    EDGE.try_receive().ok()
}

/// Waits until the button's level has changed.
pub async fn button() {
    EDGE.ready_to_receive().await;
}

/// Shows a pattern until the next one.
pub fn show(pattern: Pattern) {
    SHOWN.signal(pattern);
}

/// Watches the button, for ever. It is not filtered here.
pub async fn watch(mut button: Input<'static>) {
    loop {
        button.wait_for_low().await;
        EDGE.send((now(), true)).await;
        button.wait_for_high().await;
        EDGE.send((now(), false)).await;
    }
}

/// Keeps the indicator lit, for ever.
pub async fn light(mut indicator: Indicator) {
    let mut pattern = SHOWN.wait().await;
    loop {
        indicator.show(&pattern, now());
        match select(SHOWN.wait(), Timer::after_millis(u64::from(REFRESH_MS))).await {
            Either::First(next) => pattern = next,
            Either::Second(()) => (),
        }
    }
}
