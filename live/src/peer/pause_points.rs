//! Where simulated time stops: at a time, or as soon as the firmware has said some bytes.

/// A place where time stops, once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Point {
    /// At this simulated time, in nanoseconds.
    At(u64),
    /// Behind these bytes, which were waited for since the point was set.
    Serial {
        /// The bytes.
        wanted: Vec<u8>,
        /// The last of what came since, shorter than they are.
        seen: Vec<u8>,
    },
}

/// All that are set, by the ids that the client chose; a limit of `sim:resume` has none.
#[derive(Default, Debug)]
pub(super) struct PausePoints {
    points: Vec<(Option<String>, Point)>,
}

impl PausePoints {
    /// Sets one; one with the same id goes.
    pub(super) fn add(&mut self, id: Option<String>, point: Point) {
        self.points.retain(|(other, _)| *other != id);
        self.points.push((id, point));
    }

    /// Takes one away; `false` when there is none of that id.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let before = self.points.len();
        self.points.retain(|(other, _)| other.as_deref() != Some(id));
        self.points.len() < before
    }

    /// The limit of an earlier `sim:resume` is no longer meant.
    pub(super) fn clear_limit(&mut self) {
        self.points.retain(|(id, _)| id.is_some());
    }

    /// The next time at which one of them stops everything.
    pub(super) fn next_time(&self) -> Option<u64> {
        let times = self.points.iter().filter_map(|(_, point)| match point {
            Point::At(nanos) => Some(*nanos),
            Point::Serial { .. } => None,
        });
        times.min()
    }

    /// Takes the one whose time has come.
    pub(super) fn take_due(&mut self, now: u64) -> Option<Option<String>> {
        let due =
            self.points.iter().position(|(_, point)| matches!(point, Point::At(nanos) if *nanos <= now))?;
        Some(self.points.remove(due).0)
    }

    /// Looks through what the firmware said. Returns how much of it came up to the first point, and that point's id, which
    /// is gone then; or all of it, and no point.
    pub(super) fn take_said(&mut self, bytes: &[u8]) -> (usize, Option<Option<String>>) {
        let ends = self.points.iter().enumerate().filter_map(|(place, (_, point))| match point {
            Point::Serial { wanted, seen } => Some((end_of(wanted, seen, bytes)?, place)),
            Point::At(_) => None,
        });
        let first = ends.min();
        let len = first.map_or(bytes.len(), |(end, _)| end);
        let reached = first.map(|(_, place)| self.points.remove(place).0);
        for (_, point) in &mut self.points {
            if let Point::Serial { wanted, seen } = point {
                seen.extend_from_slice(&bytes[..len]);
                seen.drain(..seen.len().saturating_sub(wanted.len().saturating_sub(1)));
            }
        }
        (len, reached)
    }
}

/// Where in `bytes` the wanted ones end, whose beginning may have been seen before.
fn end_of(wanted: &[u8], seen: &[u8], bytes: &[u8]) -> Option<usize> {
    let whole = [seen, bytes].concat();
    let start = whole.windows(wanted.len().max(1)).position(|window| window == wanted)?;
    Some(start + wanted.len() - seen.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(text: &str) -> Point {
        Point::Serial { wanted: text.into(), seen: Vec::new() }
    }

    fn id(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn bytes_are_found_wherever_the_pieces_are_cut() {
        let said = "abababc and abc";
        for cut in 0..said.len() {
            for second in cut..said.len() {
                let mut points = PausePoints::default();
                points.add(id("p"), serial("ababc"));
                let mut at = 0;
                let mut found = None;
                for piece in [&said[..cut], &said[cut..second], &said[second..]] {
                    let (len, reached) = points.take_said(piece.as_bytes());
                    at += len;
                    if reached.is_some() {
                        found = reached;
                        break;
                    }
                }
                assert_eq!((found, at), (Some(id("p")), 7), "cut at {cut} and {second}");
            }
        }
    }

    #[test]
    fn the_first_of_several_stops_and_the_others_go_on_from_there() {
        let mut points = PausePoints::default();
        points.add(id("late"), serial("world"));
        points.add(id("early"), serial("wo"));
        points.add(id("never"), serial("nothing"));
        assert_eq!(points.take_said(b"hello world"), (8, Some(id("early"))));
        assert_eq!(points.take_said(b"rld"), (3, Some(id("late"))));
        assert_eq!(points.take_said(b"hello world"), (11, None));
        assert!(points.remove("never") && !points.remove("never"));
    }

    #[test]
    fn times_come_in_their_order_and_a_limit_is_forgotten() {
        let mut points = PausePoints::default();
        points.add(id("b"), Point::At(20));
        points.add(None, Point::At(10));
        assert_eq!((points.next_time(), points.take_due(9)), (Some(10), None));
        assert_eq!(points.take_due(10), Some(None));
        points.add(None, Point::At(15));
        points.clear_limit();
        assert_eq!((points.next_time(), points.take_due(30)), (Some(20), Some(id("b"))));
        assert_eq!(points.next_time(), None);
        points.add(id("same"), Point::At(1));
        points.add(id("same"), Point::At(2));
        assert_eq!(points.next_time(), Some(2), "one with the same id goes");
    }
}
