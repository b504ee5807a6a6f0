//! Whose turn it is: what each actor waits for, and who must be polled now.

use smoltcp::time::Instant;

use super::NodeId;

/// Kinds of actors.
const KINDS: usize = 5;
/// What an actor waits for that sleeps until something happens to it: later than any other time.
const NEVER: Instant = Instant::from_micros_const(i64::MAX);

/// Every actor, in the order of kinds and numbers.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    items: Vec<Item>,
    /// Where each kind begins.
    starts: [usize; KINDS],
    due_count: usize,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    node: NodeId,
    /// All of them are compared after each thing that happens, which is why it is no `Option`.
    wake: Instant,
    is_due: bool,
}

impl Agenda {
    /// Adds an actor, the next of its kind, which is due at once.
    pub(super) fn add(&mut self, node: NodeId) {
        let (kind, number) = place(node);
        self.items.insert(self.starts[kind] + number, Item { node, wake: NEVER, is_due: true });
        self.starts.iter_mut().skip(kind + 1).for_each(|start| *start += 1);
        self.due_count += 1;
    }

    /// Notes when an actor wants to be polled; `None` leaves it asleep until something happens to it.
    pub(super) fn set_wake(&mut self, node: NodeId, wake: Option<Instant>) {
        if let Some(item) = self.item(node) {
            item.wake = wake.unwrap_or(NEVER);
        }
    }

    /// Lets an actor be polled now.
    pub(super) fn make_due(&mut self, node: NodeId) {
        if let Some(item) = self.item(node)
            && !item.is_due
        {
            item.is_due = true;
            self.due_count += 1;
        }
    }

    /// Lets everybody be polled whose time has come.
    pub(super) fn make_due_at(&mut self, now: Instant) {
        for item in &mut self.items {
            if !item.is_due && item.wake <= now {
                item.is_due = true;
                self.due_count += 1;
            }
        }
    }

    /// Whether somebody must be polled now.
    pub(super) fn has_due(&self) -> bool {
        self.due_count > 0
    }

    /// The first of those who must be polled now.
    pub(super) fn pop_due(&mut self) -> Option<NodeId> {
        if self.due_count == 0 {
            return None;
        }
        let item = self.items.iter_mut().find(|item| item.is_due)?;
        item.is_due = false;
        self.due_count -= 1;
        Some(item.node)
    }

    /// The earliest time that somebody waits for.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.items.iter().map(|item| item.wake).min().and_then(unless_never)
    }

    /// What each actor waits for.
    pub(super) fn wakes(&self) -> impl Iterator<Item = (NodeId, Option<Instant>)> {
        self.items.iter().map(|item| (item.node, unless_never(item.wake)))
    }

    fn item(&mut self, node: NodeId) -> Option<&mut Item> {
        let (kind, number) = place(node);
        self.items.get_mut(self.starts[kind] + number).filter(|item| item.node == node)
    }
}

fn unless_never(wake: Instant) -> Option<Instant> {
    (wake != NEVER).then_some(wake)
}

/// An actor's kind, by its place in the order, and its number.
fn place(node: NodeId) -> (usize, usize) {
    match node {
        NodeId::Device(number) => (0, number),
        NodeId::Phone(number) => (1, number),
        NodeId::Router(number) => (2, number),
        NodeId::Cloud(number) => (3, number),
        NodeId::Guest(number) => (4, number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_due_comes_in_order_and_once() {
        let mut agenda = Agenda::default();
        let nodes = [NodeId::Cloud(0), NodeId::Device(0), NodeId::Phone(0), NodeId::Device(1)];
        nodes.into_iter().for_each(|node| agenda.add(node));
        let due = |agenda: &mut Agenda| std::iter::from_fn(|| agenda.pop_due()).collect::<Vec<_>>();
        assert_eq!(due(&mut agenda), [nodes[1], nodes[3], nodes[2], nodes[0]]);
        assert!(!agenda.has_due());
        assert_eq!(agenda.next_wake(), None);
        agenda.set_wake(nodes[0], Some(Instant::from_millis(5)));
        agenda.set_wake(nodes[1], Some(Instant::from_millis(3)));
        assert_eq!(agenda.next_wake(), Some(Instant::from_millis(3)));
        agenda.make_due_at(Instant::from_millis(4));
        agenda.make_due(nodes[2]);
        agenda.make_due(nodes[2]);
        assert_eq!(due(&mut agenda), [nodes[1], nodes[2]]);
        agenda.set_wake(nodes[1], None);
        assert_eq!(agenda.next_wake(), Some(Instant::from_millis(5)));
        let wakes: Vec<_> = agenda.wakes().filter_map(|(node, wake)| Some((node, wake?))).collect();
        assert_eq!(wakes, [(nodes[0], Instant::from_millis(5))]);
    }
}
