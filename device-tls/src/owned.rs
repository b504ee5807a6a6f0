//! A box that says so when there is no memory, instead of ending the program.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::alloc::Layout;
use core::ptr::NonNull;

/// One `T` on the heap that stays where it is. It gives the memory back and drops nothing.
pub(crate) struct Owned<T>(NonNull<T>);

impl<T> Owned<T> {
    /// Memory for a `T`, all zeros, or `None` when there is not so much.
    pub(crate) fn zeroed() -> Option<Self> {
        const { assert!(size_of::<T>() > 0) };
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc_zeroed(Layout::new::<T>()) };
        NonNull::new(memory.cast()).map(Self)
    }

    /// Where it is.
    pub(crate) fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the memory came from this allocator with this layout, and this is its only owner.
        unsafe { dealloc(self.0.as_ptr().cast(), Layout::new::<T>()) };
    }
}
