//! One function of the C library.

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;

/// Finds the first such byte; null when there is none.
///
/// # Safety
/// So many bytes can be read.
// SAFETY: the program has no other, or the linker would say so.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn memchr(bytes: *const c_void, wanted: c_int, len: usize) -> *mut c_void {
    let mut at = bytes.cast::<u8>();
    for _ in 0..len {
        // SAFETY: the caller says that so many bytes can be read.
        unsafe {
            if c_int::from(at.read()) == wanted & 0xFF {
                return at.cast_mut().cast();
            }
            at = at.add(1);
        }
    }
    null_mut()
}
