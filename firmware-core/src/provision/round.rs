//! One round of getting onto the network, and one of getting into the cloud.

use heapless::Vec;
use smoltcp::wire::EthernetAddress;

use super::messages::{Action, Actions, push};
use crate::config::ProvisionError;
use crate::hal::JoinFailure;
use crate::{Duration, Instant};

/// Scans that must all miss the network before it counts as absent; one of them asks for it by name.
const SCANS_MAX: u8 = 4;
/// A radio that says nothing about a scan for this long is given up on (Edgent's scan limit).
const SCAN_LIMIT: Duration = Duration::from_secs(20);
/// A radio that says nothing about a join for this long is given up on. The ESP32's driver takes up to 10 s.
const JOIN_LIMIT: Duration = Duration::from_secs(12);
/// Between a failed join and the next scan, so that an access point that refuses is not hammered.
const REJOIN_PAUSE: Duration = Duration::from_secs(1);
/// Handshakes that must fail at one access point before the passphrase counts as wrong; one may be lost to noise,
/// and a neighbour's network of the same name refuses the right one.
const HANDSHAKE_FAILURES_MAX: u8 = 2;
/// Access points of one name that are told apart in a round.
const FAILED_MAX: usize = 4;
/// Above this signal strength in dBm a failed handshake is not the distance's fault.
const STRONG_RSSI: i8 = -80;
/// A network that gives no address for this long gives none.
const LEASE_LIMIT: Duration = Duration::from_secs(15);
/// Between two attempts to reach the cloud within a round (the C++ client's reconnect interval).
const CLOUD_RETRY: Duration = Duration::from_secs(5);

/// An access point of the wanted network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Its address.
    pub bssid: EthernetAddress,
    /// Its channel.
    pub channel: u8,
    /// Its strength in dBm.
    pub rssi: i8,
}

/// What a round says after an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RoundStep {
    /// It goes on.
    Continue,
    /// It is over.
    Failed(ProvisionError),
    /// The pause after a failed round is over.
    Resume,
}

/// Looking for the network, joining it, getting an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NetRound {
    give_up_at: Instant,
    step: NetStep,
    /// Scans in a row that did not hear the network.
    misses: u8,
    /// Whether any scan of this round heard the network: then it is not absent, only away.
    was_heard: bool,
    /// The access points that could not be joined in this round, and how many handshakes failed at each.
    failed: Vec<(EthernetAddress, u8), FAILED_MAX>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum NetStep {
    Scanning {
        until: Instant,
    },
    Joining {
        candidate: Candidate,
        until: Instant,
    },
    Addressing {
        until: Instant,
    },
    /// Waiting to scan again within the round.
    Waiting {
        until: Instant,
    },
    /// The round has failed; the next one starts then.
    Paused {
        resume_at: Instant,
    },
}

impl NetRound {
    /// A round whose first scan has been asked for.
    pub(super) fn new(now: Instant, give_up_at: Instant) -> Self {
        Self {
            give_up_at,
            step: NetStep::Scanning { until: now + SCAN_LIMIT },
            misses: 0,
            was_heard: false,
            failed: Vec::new(),
        }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        match self.step {
            NetStep::Scanning { until }
            | NetStep::Joining { until, .. }
            | NetStep::Addressing { until }
            | NetStep::Waiting { until } => until.min(self.give_up_at),
            NetStep::Paused { resume_at } => resume_at,
        }
    }

    /// Does what is due: [`poll_timeout`](Self::poll_timeout) has come.
    pub(super) fn on_timeout(&mut self, now: Instant, actions: &mut Actions) -> RoundStep {
        match self.step {
            NetStep::Paused { .. } => return RoundStep::Resume,
            NetStep::Addressing { until } if until <= now => {
                return RoundStep::Failed(ProvisionError::NoDhcp);
            }
            NetStep::Scanning { .. }
            | NetStep::Joining { .. }
            | NetStep::Addressing { .. }
            | NetStep::Waiting { .. } => {}
        }
        if self.give_up_at <= now {
            return RoundStep::Failed(ProvisionError::Network);
        }
        match self.step {
            NetStep::Waiting { .. } => self.scan(now, actions),
            // The radio says nothing, so that nothing is known; it is told anew.
            NetStep::Scanning { .. } | NetStep::Joining { .. } => self.wait(now),
            NetStep::Addressing { .. } | NetStep::Paused { .. } => {}
        }
        RoundStep::Continue
    }

    pub(super) fn on_scan_done(
        &mut self,
        now: Instant,
        candidate: Option<&Candidate>,
        actions: &mut Actions,
    ) -> RoundStep {
        let NetStep::Scanning { .. } = self.step else { return RoundStep::Continue };
        let Some(candidate) = candidate else { return self.on_missed(now, actions) };
        self.was_heard = true;
        self.misses = 0;
        self.step = NetStep::Joining { candidate: candidate.clone(), until: now + JOIN_LIMIT };
        push(actions, Action::Join(candidate.clone()));
        RoundStep::Continue
    }

    /// A scan that could not be done says nothing about the network.
    pub(super) fn on_scan_failed(&mut self, now: Instant) -> RoundStep {
        if let NetStep::Scanning { .. } = self.step {
            self.wait(now);
        }
        RoundStep::Continue
    }

    pub(super) fn on_joined(&mut self, now: Instant, actions: &mut Actions) -> RoundStep {
        if matches!(self.step, NetStep::Joining { .. }) {
            self.step = NetStep::Addressing { until: now + LEASE_LIMIT };
            push(actions, Action::StartAddress);
        }
        RoundStep::Continue
    }

    pub(super) fn on_join_failed(&mut self, now: Instant, failure: JoinFailure) -> RoundStep {
        let NetStep::Joining { candidate, .. } = &self.step else { return RoundStep::Continue };
        let bssid = candidate.bssid;
        // An access point that wants another kind of key is as sure a sign as a key that does not fit.
        let is_of_key = matches!(failure, JoinFailure::Handshake | JoinFailure::Security);
        let of_key = u8::from(is_of_key && candidate.rssi > STRONG_RSSI);
        let of_key = if let Some((_, count)) = self.failed.iter_mut().find(|(failed, _)| *failed == bssid) {
            *count += of_key;
            *count
        } else if self.failed.push((bssid, of_key)).is_ok() {
            of_key
        } else {
            // So many access points do not all belong to neighbours.
            of_key * HANDSHAKE_FAILURES_MAX
        };
        if of_key >= HANDSHAKE_FAILURES_MAX {
            return RoundStep::Failed(ProvisionError::WrongPassphrase);
        }
        self.wait(now);
        RoundStep::Continue
    }

    /// Whether this access point could not be joined in this round.
    pub(super) fn has_failed(&self, bssid: EthernetAddress) -> bool {
        self.failed.iter().any(|(failed, _)| *failed == bssid)
    }

    pub(super) fn on_address_invalid(&self) -> RoundStep {
        if self.is_addressing() { RoundStep::Failed(ProvisionError::Config) } else { RoundStep::Continue }
    }

    /// Whether the network is joined and an address is awaited.
    pub(super) fn is_addressing(&self) -> bool {
        matches!(self.step, NetStep::Addressing { .. })
    }

    /// The network was lost before an address was there: look again.
    pub(super) fn on_link_lost(&mut self, now: Instant) {
        match self.step {
            NetStep::Joining { .. } | NetStep::Addressing { .. } => self.wait(now),
            NetStep::Scanning { .. } | NetStep::Waiting { .. } | NetStep::Paused { .. } => {}
        }
    }

    pub(super) fn pause(&mut self, resume_at: Instant) {
        self.step = NetStep::Paused { resume_at };
    }

    fn wait(&mut self, now: Instant) {
        self.step = NetStep::Waiting { until: now + REJOIN_PAUSE };
    }

    fn on_missed(&mut self, now: Instant, actions: &mut Actions) -> RoundStep {
        if self.was_heard {
            // It may come back until the window closes; every other scan asks for it by name.
            self.misses = if self.misses == 0 { 1 } else { 0 };
            self.wait(now);
            return RoundStep::Continue;
        }
        self.misses += 1;
        if self.misses >= SCANS_MAX {
            return RoundStep::Failed(ProvisionError::NetworkNotFound);
        }
        self.scan(now, actions);
        RoundStep::Continue
    }

    /// After one miss the network is asked for by name, so that a hidden one is found by the second scan.
    fn scan(&mut self, now: Instant, actions: &mut Actions) {
        self.step = NetStep::Scanning { until: now + SCAN_LIMIT };
        push(actions, Action::Scan { directed: self.misses == 1 });
    }
}

/// Resolving, connecting and logging in, again and again until the window closes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CloudRound {
    give_up_at: Instant,
    step: CloudStep,
    /// What the round will have failed with: what the last attempt that ended says.
    error: ProvisionError,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum CloudStep {
    /// An attempt is under way. It has limits of its own; the round's end is the last one.
    Trying,
    Waiting {
        until: Instant,
    },
    Paused {
        resume_at: Instant,
    },
}

impl CloudRound {
    /// A round whose first attempt has been asked for.
    pub(super) fn new(give_up_at: Instant) -> Self {
        Self { give_up_at, step: CloudStep::Trying, error: ProvisionError::Cloud }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        match self.step {
            CloudStep::Trying => self.give_up_at,
            CloudStep::Waiting { until } => until.min(self.give_up_at),
            CloudStep::Paused { resume_at } => resume_at,
        }
    }

    /// Does what is due: [`poll_timeout`](Self::poll_timeout) has come.
    pub(super) fn on_timeout(&mut self, now: Instant, actions: &mut Actions) -> RoundStep {
        match self.step {
            CloudStep::Paused { .. } => return RoundStep::Resume,
            CloudStep::Trying | CloudStep::Waiting { .. } => {}
        }
        if self.give_up_at <= now {
            return RoundStep::Failed(self.error);
        }
        if matches!(self.step, CloudStep::Waiting { .. }) {
            self.step = CloudStep::Trying;
            push(actions, Action::OpenCloud);
        }
        RoundStep::Continue
    }

    /// Whether an attempt is under way.
    pub(super) fn is_trying(&self) -> bool {
        matches!(self.step, CloudStep::Trying)
    }

    /// The attempt has failed; another follows.
    pub(super) fn on_failed(&mut self, now: Instant, error: ProvisionError) {
        self.error = error;
        self.step = CloudStep::Waiting { until: now + CLOUD_RETRY };
    }

    pub(super) fn pause(&mut self, resume_at: Instant) {
        self.step = CloudStep::Paused { resume_at };
    }
}
