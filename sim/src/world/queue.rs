//! What will happen, ordered by time and, within one time, by the order in which it was scheduled.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use smoltcp::time::Instant;

/// A queue of future events. Two events of one time leave in the order in which they came.
#[derive(Debug)]
pub(super) struct EventQueue<E> {
    heap: BinaryHeap<Scheduled<E>>,
    sequence: u64,
}

#[derive(Debug)]
struct Scheduled<E> {
    at: Instant,
    sequence: u64,
    event: E,
}

impl<E> EventQueue<E> {
    /// An empty queue.
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), sequence: 0 }
    }

    /// Lets `event` happen at a time.
    pub(super) fn schedule(&mut self, at: Instant, event: E) {
        let sequence = self.sequence;
        self.sequence += 1;
        self.heap.push(Scheduled { at, sequence, event });
    }

    /// When the next event happens.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|next| next.at)
    }

    /// The next event that is due at `now`, if any.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<E> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|next| next.event)
    }
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Ord for Scheduled<E> {
    // The heap gives its greatest first, so that earlier is greater.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl<E> PartialOrd for Scheduled<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Scheduled<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<E> Eq for Scheduled<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_leave_by_time_then_by_order_of_scheduling() {
        let mut queue = EventQueue::new();
        for (at, name) in [(5, "c"), (1, "a"), (5, "d"), (1, "b"), (9, "e")] {
            queue.schedule(Instant::from_millis(at), name);
        }
        assert_eq!(queue.next_at(), Some(Instant::from_millis(1)));
        let due = |queue: &mut EventQueue<_>, at| {
            std::iter::from_fn(|| queue.pop_due(Instant::from_millis(at))).collect::<String>()
        };
        assert_eq!(due(&mut queue, 0), "");
        assert_eq!(due(&mut queue, 5), "abcd");
        assert_eq!(due(&mut queue, 100), "e");
        assert_eq!(queue.next_at(), None);
    }
}
