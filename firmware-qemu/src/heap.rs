//! The heap, which counts.

use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;

use embedded_alloc::LlffHeap;
use portable_atomic::AtomicUsize;
use portable_atomic::Ordering::Relaxed;

#[global_allocator]
static HEAP: Counting = Counting { heap: LlffHeap::empty(), used_max: AtomicUsize::new(0) };

/// Gives the heap its memory, once.
pub fn open(room: &'static mut [MaybeUninit<u8>]) {
    // SAFETY: the room is this heap's alone, and the heap is given it once.
    unsafe { HEAP.heap.init(room.as_mut_ptr() as usize, room.len()) };
}

/// Bytes in use, with what the heap needs for itself.
#[allow(dead_code, reason = "the probe asks, and the device does not")]
pub fn used() -> usize {
    HEAP.heap.used()
}

/// The most bytes that were in use since this was last asked.
#[allow(dead_code, reason = "the probe asks, and the device does not")]
pub fn take_used_max() -> usize {
    HEAP.used_max.swap(HEAP.heap.used(), Relaxed)
}

struct Counting {
    heap: LlffHeap,
    used_max: AtomicUsize,
}

// SAFETY: what it promises is what the heap inside promises.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let memory = unsafe { self.heap.alloc(layout) };
        if !memory.is_null() {
            self.used_max.fetch_max(self.heap.used(), Relaxed);
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.heap.dealloc(memory, layout) };
    }
}
