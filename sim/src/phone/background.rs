//! What goes on beside the app's own steps: the operating system's question to a new network, and the second
//! of two simultaneous requests. Neither decides about the steps.

use smoltcp::time::{Duration, Instant};

use super::dns::Lookup;
use super::event::Event;
use super::fetch::{Ended, Fetch, FetchError, Manner};
use super::handset::Handset;
use super::http::{Afterwards, Request};
use super::line::Server;
use super::model::{Connectivity, Probe};

/// Android's and Windows' limit for one connectivity check.
const PROBE_LIMIT: Duration = Duration::from_secs(10);
const PROBE_PORT: u16 = 80;

/// The operating system finding out what kind of network it has joined.
pub(super) struct Probing {
    probe: Probe,
    state: ProbeState,
}

enum ProbeState {
    Resolving(Lookup),
    Asking(Fetch),
}

impl Probing {
    /// Begins with the lookup; `None` when this phone asks nothing or the network names no DNS server.
    pub(super) fn start(now: Instant, handset: &mut Handset) -> Option<Self> {
        let probe = handset.config.model.probe()?;
        let Some(server) = handset.wifi.dns() else {
            conclude(handset, Connectivity::NoInternet);
            return None;
        };
        let line = handset.wifi.line()?;
        let lookup = Lookup::start(now, line, server, probe.host, probe.records, probe.strict_dns);
        Some(Self { probe, state: ProbeState::Resolving(lookup) })
    }

    /// Goes on; `false` when it is over.
    pub(super) fn poll(&mut self, now: Instant, handset: &mut Handset) -> bool {
        match &mut self.state {
            ProbeState::Resolving(lookup) => match lookup.poll(now, handset.wifi.line()) {
                None => true,
                Some(Err(_)) => {
                    conclude(handset, Connectivity::NoInternet);
                    false
                }
                Some(Ok(address)) => {
                    let Probe { host, path, version, .. } = self.probe;
                    let wire = Request::get(path).render(host, version, Afterwards::Close);
                    let server = Server { address, port: PROBE_PORT, secure_name: None };
                    let fetch =
                        handset.wifi.line().ok_or(FetchError::LineLost).and_then(|line| {
                            Fetch::start(now, line, server, wire, PROBE_LIMIT, Manner::PLAIN)
                        });
                    let is_started = fetch.is_ok();
                    match fetch {
                        Ok(fetch) => self.state = ProbeState::Asking(fetch),
                        Err(_) => conclude(handset, Connectivity::NoInternet),
                    }
                    is_started
                }
            },
            ProbeState::Asking(fetch) => match fetch.poll(now, handset.wifi.line()) {
                None => true,
                Some(Ended::Replied(response)) => {
                    conclude(handset, self.probe.judge(&response));
                    false
                }
                Some(Ended::ClosedEarly | Ended::Failed(_)) => {
                    conclude(handset, Connectivity::NoInternet);
                    false
                }
            },
        }
    }

    /// When to poll again if no packet comes.
    pub(super) fn next_wake(&self) -> Instant {
        match &self.state {
            ProbeState::Resolving(lookup) => lookup.next_wake(),
            ProbeState::Asking(fetch) => fetch.next_wake(),
        }
    }
}

fn conclude(handset: &mut Handset, connectivity: Connectivity) {
    handset.observations.connectivity = Some(connectivity.clone());
    handset.events.push(Event::Connectivity(connectivity));
}

/// A request repeated on a second connection a moment after the first.
pub(super) enum Second {
    Waiting { at: Instant, request: Request, limit: Duration },
    Asking(Fetch),
}

impl Second {
    /// Goes on; `false` when it is over.
    pub(super) fn poll(&mut self, now: Instant, handset: &mut Handset) -> bool {
        let status = match self {
            Self::Waiting { at, .. } if now < *at => return true,
            Self::Waiting { request, limit, .. } => match handset.ask_device(now, request, *limit, false) {
                Ok(fetch) => {
                    *self = Self::Asking(fetch);
                    return true;
                }
                Err(_) => None,
            },
            Self::Asking(fetch) => match fetch.poll(now, handset.wifi.line()) {
                None => return true,
                Some(Ended::Replied(response)) => Some(response.status),
                Some(Ended::ClosedEarly | Ended::Failed(_)) => None,
            },
        };
        handset.events.push(Event::SecondReply(status));
        false
    }

    /// When to poll again if no packet comes.
    pub(super) fn next_wake(&self) -> Instant {
        match self {
            Self::Waiting { at, .. } => *at,
            Self::Asking(fetch) => fetch.next_wake(),
        }
    }
}
