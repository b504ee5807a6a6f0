//! The machine's timer, only to end a sleep or a wait: what time it is comes from the host with each turn.

/// The time of the timer, two words.
const TIME: usize = 0x0200_BFF8;
/// When the timer's interrupt is pending, two words.
const COMPARE: usize = 0x0200_4000;
const WORD_LEN: usize = 4;
/// It counts at 10 MHz.
const TICKS_PER_MS: u64 = 10_000;

/// Lets the timer end the next WFI so many milliseconds from now.
pub fn wake_in(milliseconds: u32) {
    let wake = now().wrapping_add(u64::from(milliseconds) * TICKS_PER_MS);
    let [low, high] = [wake as u32, (wake >> 32) as u32];
    // Never early in between (RISC-V privileged architecture, section 3.2.1).
    write(COMPARE, u32::MAX);
    write(COMPARE + WORD_LEN, high);
    write(COMPARE, low);
    // SAFETY: interrupts are disabled as a whole, so that none is ever taken.
    unsafe { riscv::register::mie::set_mtimer() };
}

/// Does nothing for so many milliseconds.
pub fn wait(milliseconds: u32) {
    let end = now() + u64::from(milliseconds) * TICKS_PER_MS;
    while now() < end {}
}

fn now() -> u64 {
    loop {
        let high = read(TIME + WORD_LEN);
        let low = read(TIME);
        // The lower word may have wrapped in between.
        if high == read(TIME + WORD_LEN) {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

fn read(register: usize) -> u32 {
    // SAFETY: only called with registers of the timer.
    unsafe { (register as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: only called with registers of the timer.
    unsafe { (register as *mut u32).write_volatile(value) };
}
