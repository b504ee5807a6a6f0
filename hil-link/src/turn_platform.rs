//! A [`Platform`] made of queues: the world fills and drains it, the device polls it.

use core::borrow::BorrowMut;
use core::fmt;

use embedded_storage::nor_flash::MultiwriteNorFlash;
use firmware_core::Instant;
use firmware_core::hal::{
    Console, Panel, Platform, Radio, RadioCommand, RadioEvent, SecureChannel, TraceSink,
};
use firmware_core::panel::Pattern;
use firmware_core::trace::Event;
use smoltcp::phy::{self, DeviceCapabilities, Medium};

use crate::cut_flash::CutFlash;
use crate::modelled_tls::ClientChannel;
use crate::queues::{Effects, FRAME_LEN_MAX, Queues};

/// The platform of a device behind the seam: queues, flash that can lose its power, an encrypted channel.
///
/// The channel is the modelled one where nobody brings another. Once the flash is dead everything the device still
/// does is dropped, as if the processor had stopped. The queues are its own or, where memory is small, lie elsewhere
/// (`&'static mut Queues`): made on a stack and moved they would take it twice.
pub struct TurnPlatform<F, S = ClientChannel, Q = Queues> {
    wire: Wire<Q>,
    flash: CutFlash<F>,
    secure: S,
}

/// The queues as a network device.
pub struct Wire<Q = Queues> {
    queues: Q,
    /// Set when the power went; nothing gets out any more.
    dead: bool,
}

impl<F: MultiwriteNorFlash, S: Default> TurnPlatform<F, S> {
    /// A platform with this flash and empty queues.
    #[inline]
    pub fn new(flash: CutFlash<F>) -> Self {
        Self::with_queues(flash, Queues::new())
    }
}

impl<F: MultiwriteNorFlash, S: Default, Q: BorrowMut<Queues>> TurnPlatform<F, S, Q> {
    /// A platform with this flash and these queues, which are empty.
    #[inline]
    pub fn with_queues(flash: CutFlash<F>, queues: Q) -> Self {
        Self { wire: Wire { queues, dead: false }, flash, secure: S::default() }
    }

    /// The queues, for the world.
    pub fn queues(&mut self) -> &mut Queues {
        self.wire.queues.borrow_mut()
    }

    /// The flash, for the world.
    pub fn flash_mut(&mut self) -> &mut CutFlash<F> {
        &mut self.flash
    }

    /// Puts what the flash did since the last call into the list of effects, and notices lost power. Call
    /// it when a poll is over, before the effects are read.
    pub fn end_turn(&mut self) -> TurnEnd {
        self.sync();
        if self.wire.dead { TurnEnd::PowerLost } else { TurnEnd::Alive }
    }

    /// Puts a channel in the place of the default one, until the next boot.
    pub fn set_secure(&mut self, secure: S) {
        self.secure = secure;
    }

    /// Restores power for the next boot: flash works again, inputs and the channel are forgotten.
    pub fn power_on(&mut self) {
        self.flash.power_on();
        self.wire.dead = false;
        self.queues().watch().power_on();
        self.queues().clear_inputs();
        self.secure = S::default();
    }

    /// Keeps flash operations in order with everything else.
    fn sync(&mut self) {
        while let Some(operation) = self.flash.poll_operation() {
            self.queues().effects_mut().push_flash(operation);
        }
        if self.queues().watch().is_stopped() {
            self.flash.lose_power();
        }
        self.wire.dead |= self.flash.is_dead();
    }

    fn effect(&mut self, f: impl FnOnce(&mut Effects)) {
        self.sync();
        if !self.wire.dead {
            f(self.queues().effects_mut());
        }
    }
}

/// How a turn ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TurnEnd {
    /// The device runs.
    Alive,
    /// The flash budget was used up, or the point came at which power goes: the device is dead until its next
    /// boot.
    PowerLost,
}

impl<F: MultiwriteNorFlash, S: Default, Q: BorrowMut<Queues>> Radio for TurnPlatform<F, S, Q> {
    fn command(&mut self, command: RadioCommand) {
        self.effect(|effects| effects.push_radio_command(command));
    }

    fn poll_event(&mut self) -> Option<RadioEvent> {
        self.queues().pop_radio_event()
    }
}

impl<F: MultiwriteNorFlash, S: Default, Q: BorrowMut<Queues>> Panel for TurnPlatform<F, S, Q> {
    fn poll_button(&mut self) -> Option<(Instant, bool)> {
        self.queues().pop_button_edge()
    }

    fn show(&mut self, pattern: Pattern) {
        self.effect(|effects| effects.push_pattern(pattern));
    }
}

impl<F: MultiwriteNorFlash, S: Default, Q: BorrowMut<Queues>> Console for TurnPlatform<F, S, Q> {
    fn poll_byte(&mut self) -> Option<u8> {
        self.queues().pop_console()
    }

    fn print(&mut self, text: fmt::Arguments<'_>) {
        self.effect(|effects| effects.push_console_text(text));
    }
}

impl<F: MultiwriteNorFlash, S: Default, Q: BorrowMut<Queues>> TraceSink for TurnPlatform<F, S, Q> {
    fn trace(&mut self, event: Event) {
        self.effect(|effects| effects.push_trace(event));
    }
}

impl<F: MultiwriteNorFlash, S: SecureChannel + Default, Q: BorrowMut<Queues>> Platform
    for TurnPlatform<F, S, Q>
{
    type Phy = Wire<Q>;
    type Flash = CutFlash<F>;
    type Secure = S;

    fn phy(&mut self) -> &mut Wire<Q> {
        self.sync();
        &mut self.wire
    }

    fn flash(&mut self) -> &mut CutFlash<F> {
        self.sync();
        &mut self.flash
    }

    fn secure(&mut self) -> Option<&mut S> {
        Some(&mut self.secure)
    }
}

impl<Q: BorrowMut<Queues>> Wire<Q> {
    fn can_send(&self) -> bool {
        !self.dead && self.queues.borrow().has_room_to_send()
    }
}

impl<Q: BorrowMut<Queues>> phy::Device for Wire<Q> {
    type RxToken<'a>
        = RxToken<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = TxToken<'a>
    where
        Self: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        if !self.can_send() {
            return None;
        }
        let (frame, effects) = self.queues.borrow_mut().pop_frame()?;
        Some((RxToken(frame), TxToken(effects)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        self.can_send().then_some(TxToken(self.queues.borrow_mut().effects_mut()))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_LEN_MAX;
        capabilities
    }
}

/// A received frame on its way into smoltcp.
pub struct RxToken<'a>(&'a [u8]);

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for one frame that smoltcp sends.
pub struct TxToken<'a>(&'a mut Effects);

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.send_frame(len, f)
    }
}
