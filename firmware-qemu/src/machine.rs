//! Reset and exit, by the machine's test device.

use riscv_rt::TrapFrame;

use crate::clock;

/// SiFive's test device.
const TEST: *mut u32 = 0x0010_0000 as *mut u32;
/// Ends the emulator with the status in the upper half.
const TEST_FAIL: u32 = 0x3333;
/// Resets the machine within the emulator.
const TEST_RESET: u32 = 0x7777;

/// The exit status after a panic.
const EXIT_PANIC: u16 = 101;
/// The exit status when the line is gone.
pub const EXIT_LINE: u16 = 1;
/// How long whoever listens has time to read the last words: a pseudo-terminal forgets what nobody has read when the
/// emulator that made it ends.
const LAST_WORDS_MS: u32 = 500;

/// Resets the machine: RAM is loaded again, flash stays.
pub fn reset() -> ! {
    write_test(TEST_RESET)
}

/// Ends the emulator.
pub fn exit(status: u16) -> ! {
    write_test(u32::from(status) << 16 | TEST_FAIL)
}

/// Ends the emulator when why has been said.
pub fn exit_after_panic() -> ! {
    clock::wait(LAST_WORDS_MS);
    exit(EXIT_PANIC)
}

fn write_test(value: u32) -> ! {
    // SAFETY: the machine has its test device there, and it takes whole words.
    unsafe { TEST.write_volatile(value) };
    loop {
        riscv::asm::wfi();
    }
}

/// A fault of the processor is a panic with its cause.
#[unsafe(no_mangle)]
#[expect(non_snake_case, reason = "the runtime looks for this name")]
fn ExceptionHandler(_frame: &TrapFrame) -> ! {
    let cause = riscv::register::mcause::read().code();
    let at = riscv::register::mepc::read();
    let value = riscv::register::mtval::read();
    panic!("exception {cause} at {at:#010x}, value {value:#010x}")
}
