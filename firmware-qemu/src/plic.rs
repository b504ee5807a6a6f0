//! The interrupt controller, as far as it is needed to wake from WFI.
//!
//! Interrupts stay disabled in the processor: one that is pending ends WFI all the same (RISC-V privileged
//! architecture, section 3.3.3), so that there is no handler and nothing to share with one.

use crate::clock;

const PRIORITY: usize = 0x0C00_0000;
const ENABLE: usize = 0x0C00_2000;
const THRESHOLD: usize = 0x0C20_0000;
const CLAIM: usize = 0x0C20_0004;

/// Lets an interrupt wake the processor. `irq` is below 32.
pub fn enable(irq: u32) {
    write(PRIORITY + 4 * irq as usize, 1);
    write(ENABLE, 1 << irq);
    write(THRESHOLD, 0);
    // SAFETY: interrupts are disabled as a whole, so that none is ever taken.
    unsafe { riscv::register::mie::set_mext() };
}

/// How long to sleep at the longest, in milliseconds. QEMU's own main loop can miss that the console has room
/// again (seen with 7.2 on a busy machine: bytes wait in its socket and nobody looks); a timer that expires makes
/// it look.
const SLEEP_MS_MAX: u32 = 5;

/// Sleeps until the interrupt is pending or a while has passed, lets `acknowledge` quiet the device, and makes
/// room for the next interrupt.
pub fn sleep(acknowledge: impl FnOnce()) {
    clock::wake_in(SLEEP_MS_MAX);
    riscv::asm::wfi();
    // SAFETY: a register of the interrupt controller; reading it claims what is pending.
    let irq = unsafe { (CLAIM as *const u32).read_volatile() };
    acknowledge();
    if irq != 0 {
        write(CLAIM, irq);
    }
}

fn write(address: usize, value: u32) {
    // SAFETY: only called with registers of the interrupt controller.
    unsafe { (address as *mut u32).write_volatile(value) };
}
