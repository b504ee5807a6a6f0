//! What Mbed TLS calls of the C library, for a program that has none.
//!
//! It prints only in its self-tests, and formats text only to describe certificates and to log, neither of which
//! anybody asks for: those functions give empty text. They are declared without what varies, which a caller's extra
//! arguments do not disturb in the calling convention of RISC-V.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::alloc::Layout;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::null_mut;

use crate::memchr::memchr;

/// Alignment of everything that is given out, and the room before it for its length.
const HEAD_LEN: usize = 16;

fn layout(len: usize) -> Option<Layout> {
    Layout::from_size_align(len.checked_add(HEAD_LEN)?, HEAD_LEN).ok()
}

// SAFETY of the names: the program has no C library, so that nothing else defines them.

// SAFETY: see above.
#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, len: usize) -> *mut c_void {
    let Some(len) = count.checked_mul(len) else { return null_mut() };
    let Some(layout) = layout(len) else { return null_mut() };
    // SAFETY: the layout is not empty.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        return null_mut();
    }
    // SAFETY: the head has room for the length and is aligned for it.
    unsafe {
        memory.cast::<usize>().write(len);
        memory.add(HEAD_LEN).cast()
    }
}

// SAFETY: see above.
#[unsafe(no_mangle)]
unsafe extern "C" fn free(memory: *mut c_void) {
    if memory.is_null() {
        return;
    }
    // SAFETY: the caller gives back what `calloc` gave, before which its length stands.
    unsafe {
        let memory = memory.cast::<u8>().sub(HEAD_LEN);
        if let Some(layout) = layout(memory.cast::<usize>().read()) {
            dealloc(memory, layout);
        }
    }
}

// SAFETY: see above.
#[unsafe(no_mangle)]
unsafe extern "C" fn strchr(text: *const c_char, wanted: c_int) -> *mut c_char {
    // SAFETY: the caller says that it is a text; its last byte, the zero, can be looked for as well.
    unsafe {
        let len = CStr::from_ptr(text).count_bytes() + 1;
        memchr(text.cast(), wanted, len).cast()
    }
}

// SAFETY: see above.
#[unsafe(no_mangle)]
unsafe extern "C" fn strcmp(a: *const c_char, b: *const c_char) -> c_int {
    // SAFETY: the caller says that both are texts.
    let order = unsafe { CStr::from_ptr(a).to_bytes().cmp(CStr::from_ptr(b).to_bytes()) };
    order as c_int
}

// SAFETY: see above.
#[unsafe(no_mangle)]
unsafe extern "C" fn snprintf(text: *mut c_char, len: usize, _format: *const c_char) -> c_int {
    if len > 0 {
        // SAFETY: the caller says that so many bytes can be written.
        unsafe { text.write(0) };
    }
    0
}

// SAFETY: see above.
#[unsafe(no_mangle)]
unsafe extern "C" fn vsnprintf(
    text: *mut c_char,
    len: usize,
    format: *const c_char,
    _values: *mut c_void,
) -> c_int {
    // SAFETY: as the caller says.
    unsafe { snprintf(text, len, format) }
}

// SAFETY: see above.
#[unsafe(no_mangle)]
extern "C" fn printf(_format: *const c_char) -> c_int {
    0
}

// SAFETY: see above.
#[unsafe(no_mangle)]
extern "C" fn puts(_text: *const c_char) -> c_int {
    0
}
