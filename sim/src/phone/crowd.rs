//! Many connections to the device at once: with the same request on each, or with nothing on any.

use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};

use super::fetch::{Ended, Fetch, FetchError};
use super::handset::Handset;
use super::http::Request;
use super::line::{Connection, Line, Server};
use crate::actor::soonest;

/// A connection that is not taken by then is not going to be.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// The same request on many connections.
pub(super) struct Crowd {
    pub(super) route: String,
    pub(super) count: usize,
    pub(super) at_least: usize,
    pub(super) answered: usize,
    fetches: Vec<Fetch>,
}

impl Crowd {
    /// Starts them all.
    pub(super) fn start(
        now: Instant,
        handset: &mut Handset,
        request: &Request,
        (count, at_least): (u8, u8),
        limit: Duration,
    ) -> Result<Self, FetchError> {
        let fetches = (0..count)
            .map(|_| handset.ask_device(now, request, limit, false))
            .collect::<Result<Vec<_>, _>>()?;
        let route = format!("{} {}", request.method, request.route());
        Ok(Self { route, count: count.into(), at_least: at_least.into(), answered: 0, fetches })
    }

    /// Goes on with all of them; returns whether all are over.
    pub(super) fn poll(&mut self, now: Instant, handset: &mut Handset) -> bool {
        let Self { answered, fetches, .. } = self;
        fetches.retain_mut(|fetch| match fetch.poll(now, handset.wifi.line()) {
            None => true,
            Some(Ended::Replied(response)) => {
                *answered += usize::from(response.status == 200);
                handset.observations.http_status = Some(response.status);
                handset.observations.http_body = response.body;
                false
            }
            Some(Ended::ClosedEarly | Ended::Failed(_)) => false,
        });
        self.fetches.is_empty()
    }

    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.fetches.iter().map(|fetch| Some(fetch.next_wake())).fold(None, soonest)
    }

    pub(super) fn abandon(&self, handset: &mut Handset) {
        for fetch in &self.fetches {
            fetch.abandon(handset.wifi.line());
        }
    }
}

/// Connections on which nothing is said. They are left open.
pub(super) struct Silence {
    line: u64,
    connections: Vec<Connection>,
    until: Instant,
}

impl Silence {
    /// Starts to connect.
    pub(super) fn start(now: Instant, line: &mut Line, server: &Server, count: u8) -> Self {
        let connections = (0..count).filter_map(|_| line.connect(now, server.clone())).collect();
        Self { line: line.id, connections, until: now + OPEN_LIMIT }
    }

    /// How many connections stand, once it is known of each; `None` before.
    pub(super) fn poll(&self, now: Instant, line: Option<&mut Line>) -> Option<usize> {
        let Some(line) = line.filter(|line| line.id == self.line) else { return Some(0) };
        let mut standing = 0;
        for connection in &self.connections {
            match line.stack().tcp(connection.socket).state() {
                tcp::State::SynSent if now < self.until => return None,
                tcp::State::Established => standing += 1,
                _ => {}
            }
        }
        for connection in &self.connections {
            line.release(connection.socket);
        }
        Some(standing)
    }

    pub(super) fn count(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn next_wake(&self) -> Instant {
        self.until
    }
}
