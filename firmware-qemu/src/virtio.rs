//! The paravirtual console: many times faster than the emulated serial port.

use core::ptr::{self, NonNull};

use static_cell::ConstStaticCell;
use virtio_drivers::device::console::VirtIOConsole;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::{DeviceType, Transport};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

use crate::plic;

/// The first of the machine's slots for virtio devices.
const SLOTS: usize = 0x1000_1000;
const SLOT_LEN: usize = 0x1000;
const SLOT_COUNT: u32 = 8;
/// Pages that the driver's two queues take, with their descriptors.
const DMA_PAGES: usize = 8;
/// What the driver takes of the heap: it boxes one page, and the heap itself needs a little.
pub const HEAP_LEN: usize = PAGE_SIZE + 1_024;

/// A console, when the machine was given one.
pub struct Virtio {
    console: VirtIOConsole<Dma, MmioTransport<'static>>,
}

impl Virtio {
    /// Finds the console and lets what it receives wake the processor. It needs the heap.
    pub fn open() -> Option<Self> {
        (0..SLOT_COUNT).find_map(|slot| {
            let header = NonNull::new((SLOTS + slot as usize * SLOT_LEN) as *mut VirtIOHeader)?;
            // SAFETY: the machine has a virtio slot there, and nobody else uses it.
            let transport = unsafe { MmioTransport::new(header, SLOT_LEN) }.ok()?;
            if transport.device_type() != DeviceType::Console {
                return None;
            }
            let console = VirtIOConsole::new(transport).ok()?;
            plic::enable(slot + 1);
            Some(Self { console })
        })
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.console.send_bytes(bytes).expect("the console takes bytes");
        }
    }

    /// Waits for a byte, then takes all that are there.
    pub fn receive(&mut self, bytes: &mut [u8]) -> usize {
        let mut len = 0;
        loop {
            while len < bytes.len()
                && let Some(byte) = self.console.recv(true).expect("the console gives bytes")
            {
                bytes[len] = byte;
                len += 1;
            }
            if len > 0 {
                return len;
            }
            plic::sleep(|| {
                // Whether this brought bytes is seen above.
                let _ = self.console.ack_interrupt();
            });
        }
    }
}

/// Memory that the console's device reads and writes. Physical addresses are what the processor sees.
struct Dma;

#[repr(C, align(4096))]
struct Pages([[u8; PAGE_SIZE]; DMA_PAGES]);

static PAGES: ConstStaticCell<Pages> = ConstStaticCell::new(Pages([[0; PAGE_SIZE]; DMA_PAGES]));
/// Pages that have been given out; none comes back, the console lives until the reset.
static GIVEN: portable_atomic::AtomicUsize = portable_atomic::AtomicUsize::new(0);
/// Where the pages are, once they have been taken from their cell.
static FIRST: portable_atomic::AtomicPtr<u8> = portable_atomic::AtomicPtr::new(ptr::null_mut());

// SAFETY: pages are given out once, zeroed by the loader, aligned, and never taken back.
unsafe impl Hal for Dma {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        use portable_atomic::Ordering::Relaxed;
        if let Some(room) = PAGES.try_take() {
            FIRST.store(ptr::from_mut(room).cast(), Relaxed);
        }
        let at = GIVEN.fetch_add(pages, Relaxed);
        assert!(at + pages <= DMA_PAGES, "the console needs more than {DMA_PAGES} pages");
        let page = NonNull::new(FIRST.load(Relaxed).wrapping_add(at * PAGE_SIZE)).expect("the pages exist");
        (page.as_ptr() as PhysAddr, page)
    }

    unsafe fn dma_dealloc(_paddr: PhysAddr, _vaddr: NonNull<u8>, _pages: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(paddr: PhysAddr, _size: usize) -> NonNull<u8> {
        NonNull::new(paddr as usize as *mut u8).expect("no device is at 0")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr() as PhysAddr
    }

    unsafe fn unshare(_paddr: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}
