//! The provisioning state machine: inputs and time in, actions and a deadline out.
//!
//! It holds no secret, touches no hardware and knows no bytes. [`Provision::handle`] and
//! [`Provision::handle_timeout`] push [`Action`]s that the device carries out in order; what comes of them
//! returns as [`Input`]s. [`Provision::poll_timeout`] changes only through those two calls.

mod messages;
mod round;
#[cfg(test)]
mod tests;

use crate::config::ProvisionError;
use crate::hal::ResetCause;
use crate::random::SplitMix64;
use crate::trace::State;
use crate::{Duration, Instant};
use messages::push;
pub use messages::{Action, Actions, Input};
pub use round::Candidate;
use round::{CloudRound, NetRound, RoundStep};

/// One stage of a trial: the network, then the cloud (`WIFI_NET_CONNECT_TIMEOUT`, `WIFI_CLOUD_CONNECT_TIMEOUT`).
pub const STAGE_LIMIT: Duration = Duration::from_secs(50);
/// Failed rounds of a valid configuration before the firmware restarts (`WIFI_CLOUD_MAX_RETRIES`).
pub const ROUNDS_MAX: u16 = 500;
/// How long ERROR is shown before the restart (Edgent's error-state dwell).
pub const ERROR_DWELL: Duration = Duration::from_secs(10);
/// From the answer to a configuration to the restart, so that the answer arrives (Edgent's hand-over delay).
pub const SWITCH_DELAY: Duration = Duration::from_secs(1);
/// Configuration mode without an HTTP request ends after this when a valid configuration exists.
pub const CONFIG_IDLE_LIMIT: Duration = Duration::from_secs(600);
/// Two refusals of a valid configuration's token this far apart count; one alone may be the cloud's mistake.
pub const TOKEN_REFUSAL_GAP: Duration = Duration::from_secs(5);
/// A session that ends sooner proves nothing: a cloud that says nothing more after the login is found out by the
/// heartbeat within this time.
pub const SESSION_PROVEN: Duration = Duration::from_secs(60);
/// The first pause between two rounds; it doubles with each failed one.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// The longest pause between two rounds, before it is spread by up to a quarter.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// What flash holds, as far as it decides what to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InUse {
    /// Nothing to connect with.
    Nothing,
    /// A configuration that has never logged in.
    Trial,
    /// A configuration that has, or was stored with `save=1`.
    Valid,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Phase {
    Init,
    WaitConfig { idle_until: Option<Instant> },
    Configuring { idle_until: Option<Instant> },
    SwitchToSta { reboot_at: Instant },
    ConnectingNet(NetRound),
    ConnectingCloud(CloudRound),
    Running { since: Instant },
    ResetConfig,
    Error { restart_at: Instant },
}

impl Phase {
    fn state(&self) -> State {
        match self {
            Self::Init => State::Init,
            Self::WaitConfig { .. } => State::WaitConfig,
            Self::Configuring { .. } => State::Configuring,
            Self::SwitchToSta { .. } => State::SwitchToSta,
            Self::ConnectingNet(_) => State::ConnectingNet,
            Self::ConnectingCloud(_) => State::ConnectingCloud,
            Self::Running { .. } => State::Running,
            Self::ResetConfig => State::ResetConfig,
            Self::Error { .. } => State::Error,
        }
    }
}

/// The state machine. See the module's documentation.
#[derive(Debug)]
pub struct Provision {
    phase: Phase,
    in_use: InUse,
    /// Whether a valid record is in flash, beside a trial perhaps.
    valid_exists: bool,
    last_error: Option<ProvisionError>,
    /// Whether the access point is, or is about to be, open.
    ap_is_open: bool,
    /// Whether a restart has been asked for.
    is_rebooting: bool,
    /// Rounds that failed since the last login to a session that lasted.
    failed_rounds: u16,
    /// Sessions in a row that ended right after their login.
    short_sessions: u16,
    /// When the trial's cloud stage ends. It is set by the first address and survives a lost network, so
    /// that a router that drops the device again and again cannot prolong a trial without end.
    trial_cloud_until: Option<Instant>,
    /// The first refusal of a valid configuration's token.
    refused_at: Option<Instant>,
    random: SplitMix64,
}

impl Provision {
    /// A machine that has not started. `valid_exists`: flash holds a configuration that has worked.
    pub fn new(in_use: InUse, valid_exists: bool, last_error: Option<ProvisionError>, seed: u64) -> Self {
        Self {
            phase: Phase::Init,
            in_use,
            valid_exists,
            last_error,
            ap_is_open: false,
            is_rebooting: false,
            failed_rounds: 0,
            short_sessions: 0,
            trial_cloud_until: None,
            refused_at: None,
            random: SplitMix64::new(seed),
        }
    }

    /// Chooses the first state.
    pub fn start(&mut self, now: Instant, actions: &mut Actions) {
        match self.in_use {
            InUse::Nothing => self.enter_config_mode(now, actions),
            InUse::Trial | InUse::Valid => self.enter_net(now, actions),
        }
    }

    /// The present state.
    pub fn state(&self) -> State {
        self.phase.state()
    }

    /// What `last_error` of the board info says.
    pub fn last_error(&self) -> Option<ProvisionError> {
        self.last_error
    }

    /// What is, or would be, connected with.
    pub fn in_use(&self) -> InUse {
        self.in_use
    }

    /// Whether one access point of the wanted network is a better choice than another: one that has not failed in
    /// this round before one that has, then the stronger.
    pub fn prefers(&self, new: &Candidate, known: &Candidate) -> bool {
        let worth = |candidate: &Candidate| match &self.phase {
            Phase::ConnectingNet(round) => (!round.has_failed(candidate.bssid), candidate.rssi),
            Phase::Init
            | Phase::WaitConfig { .. }
            | Phase::Configuring { .. }
            | Phase::SwitchToSta { .. }
            | Phase::ConnectingCloud(_)
            | Phase::Running { .. }
            | Phase::ResetConfig
            | Phase::Error { .. } => (true, candidate.rssi),
        };
        worth(new) > worth(known)
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do; never once a restart was asked for.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_rebooting {
            return None;
        }
        match &self.phase {
            Phase::Init | Phase::Running { .. } | Phase::ResetConfig => None,
            Phase::WaitConfig { idle_until } | Phase::Configuring { idle_until } => *idle_until,
            Phase::SwitchToSta { reboot_at } => Some(*reboot_at),
            Phase::ConnectingNet(round) => Some(round.poll_timeout()),
            Phase::ConnectingCloud(round) => Some(round.poll_timeout()),
            Phase::Error { restart_at } => Some(*restart_at),
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: &Input, actions: &mut Actions) {
        match input {
            Input::ResetRequested => self.on_reset(now, actions),
            Input::ConfigModeRequested => self.on_config_mode_requested(now, actions),
            Input::RebootRequested => self.reboot(actions),
            Input::PortalUsed | Input::BoardInfoRead | Input::ApEmpty => self.on_portal(now, input, actions),
            Input::ConfigStored => self.on_config_stored(now, actions),
            Input::LinkLost | Input::AddressLost => self.on_link_lost(now, actions),
            Input::ScanDone(candidate) => self.with_net_round(now, actions, |round, actions| {
                round.on_scan_done(now, candidate.as_ref(), actions)
            }),
            Input::ScanFailed => self.with_net_round(now, actions, |round, _| round.on_scan_failed(now)),
            Input::Joined => {
                self.with_net_round(now, actions, |round, actions| round.on_joined(now, actions));
            }
            Input::JoinFailed(failure) => {
                self.with_net_round(now, actions, |round, _| round.on_join_failed(now, *failure));
            }
            Input::AddressSet => self.on_address_set(now, actions),
            Input::AddressInvalid => self.with_net_round(now, actions, |round, _| round.on_address_invalid()),
            Input::ResolveFailed => self.on_cloud_failed(now, ProvisionError::Dns, true, actions),
            Input::SecureFailed => self.on_cloud_failed(now, ProvisionError::Tls, true, actions),
            Input::SecureUnfinished => self.on_cloud_failed(now, ProvisionError::Tls, false, actions),
            Input::CloudFailed | Input::SessionLost => {
                self.on_cloud_failed(now, ProvisionError::Cloud, false, actions);
            }
            Input::TokenRefused => self.on_token_refused(now, actions),
            Input::Redirected => self.on_redirected(now, actions),
            Input::LoggedIn => self.on_logged_in(now, actions),
        }
    }

    /// Does what is due. Early calls do nothing. ERROR waits while the button is held.
    pub fn handle_timeout(&mut self, now: Instant, button_down: bool, actions: &mut Actions) {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        match &mut self.phase {
            Phase::Init | Phase::Running { .. } | Phase::ResetConfig => {}
            Phase::WaitConfig { .. } | Phase::Configuring { .. } => {
                push(actions, Action::ConfigTimedOut);
                // A trial that was interrupted by a wish for configuration mode gets its chance now.
                if self.in_use == InUse::Nothing {
                    self.in_use = InUse::Valid;
                }
                self.enter_net(now, actions);
            }
            Phase::SwitchToSta { .. } => self.reboot(actions),
            Phase::ConnectingNet(round) => {
                let step = round.on_timeout(now, actions);
                self.on_round_step(now, step, actions);
            }
            Phase::ConnectingCloud(round) => {
                let step = round.on_timeout(now, actions);
                self.on_round_step(now, step, actions);
            }
            Phase::Error { restart_at } if button_down => *restart_at = now + ERROR_HELD_RECHECK,
            Phase::Error { .. } => self.reboot(actions),
        }
    }

    fn reboot(&mut self, actions: &mut Actions) {
        self.is_rebooting = true;
        push(actions, Action::Reboot(ResetCause::Software));
    }

    fn on_portal(&mut self, now: Instant, input: &Input, actions: &mut Actions) {
        let idle_until = self.idle_until(now);
        let next = match (&self.phase, input) {
            (Phase::WaitConfig { .. }, Input::BoardInfoRead) => Phase::Configuring { idle_until },
            (Phase::WaitConfig { .. }, Input::PortalUsed) => Phase::WaitConfig { idle_until },
            (Phase::Configuring { .. }, Input::BoardInfoRead | Input::PortalUsed) => {
                Phase::Configuring { idle_until }
            }
            // A ghost station must not hold the mode open, so the idle time runs on.
            (Phase::Configuring { idle_until }, Input::ApEmpty) => {
                Phase::WaitConfig { idle_until: *idle_until }
            }
            (_, _) => return,
        };
        self.enter(next, actions);
    }

    /// From here on flash decides, after the restart. A second configuration does not put it off.
    fn on_config_stored(&mut self, now: Instant, actions: &mut Actions) {
        if matches!(self.phase, Phase::SwitchToSta { .. }) {
            return;
        }
        if !self.ap_is_open {
            push(actions, Action::CloseCloud);
        }
        self.enter(Phase::SwitchToSta { reboot_at: now + SWITCH_DELAY }, actions);
    }

    /// A reset is honoured in every state; Edgent loses one that comes during the hand-over.
    fn on_reset(&mut self, now: Instant, actions: &mut Actions) {
        self.enter(Phase::ResetConfig, actions);
        push(actions, Action::EraseAll);
        self.in_use = InUse::Nothing;
        self.valid_exists = false;
        self.last_error = None;
        if self.ap_is_open {
            // The access point stays as it is, so that the answer to `/reset` reaches the phone.
            self.enter(Phase::WaitConfig { idle_until: None }, actions);
        } else {
            self.enter_config_mode(now, actions);
        }
    }

    fn on_config_mode_requested(&mut self, now: Instant, actions: &mut Actions) {
        match self.phase {
            Phase::WaitConfig { .. } | Phase::Configuring { .. } => {
                let idle_until = self.idle_until(now);
                self.enter(Phase::WaitConfig { idle_until }, actions);
            }
            // What is in flash has been promised a try and would get it at the next restart anyway.
            Phase::SwitchToSta { .. } => {}
            Phase::Init
            | Phase::ConnectingNet(_)
            | Phase::ConnectingCloud(_)
            | Phase::Running { .. }
            | Phase::ResetConfig
            | Phase::Error { .. } => self.enter_config_mode(now, actions),
        }
    }

    fn on_link_lost(&mut self, now: Instant, actions: &mut Actions) {
        match &mut self.phase {
            Phase::ConnectingNet(round) => round.on_link_lost(now),
            Phase::ConnectingCloud(_) => self.leave_cloud(now, actions),
            Phase::Running { since } => {
                let since = *since;
                self.has_lasted(now, since);
                self.leave_cloud(now, actions);
            }
            Phase::Init
            | Phase::WaitConfig { .. }
            | Phase::Configuring { .. }
            | Phase::SwitchToSta { .. }
            | Phase::ResetConfig
            | Phase::Error { .. } => {}
        }
    }

    fn leave_cloud(&mut self, now: Instant, actions: &mut Actions) {
        push(actions, Action::CloseCloud);
        self.enter_net(now, actions);
    }

    /// Whether a session that began at `since` and ends now has proved that all is well: then whatever failed before
    /// it no longer counts.
    fn has_lasted(&mut self, now: Instant, since: Instant) -> bool {
        let has_lasted = since + SESSION_PROVEN <= now;
        if has_lasted {
            self.failed_rounds = 0;
            self.short_sessions = 0;
        }
        has_lasted
    }

    fn on_address_set(&mut self, now: Instant, actions: &mut Actions) {
        // A lease that arrives when its network is gone already is of no use.
        let Phase::ConnectingNet(round) = &self.phase else { return };
        if !round.is_addressing() {
            return;
        }
        let mut give_up_at = now + STAGE_LIMIT;
        if self.in_use == InUse::Trial {
            give_up_at = *self.trial_cloud_until.get_or_insert(give_up_at);
        }
        self.enter(Phase::ConnectingCloud(CloudRound::new(give_up_at)), actions);
        push(actions, Action::OpenCloud);
    }

    /// An attempt has failed, or the session has ended. `certain`: trying again cannot help soon.
    fn on_cloud_failed(&mut self, now: Instant, error: ProvisionError, certain: bool, actions: &mut Actions) {
        if let Phase::Running { since } = self.phase {
            self.enter(Phase::ConnectingCloud(CloudRound::new(now + STAGE_LIMIT)), actions);
            if !self.has_lasted(now, since) {
                self.short_sessions = self.short_sessions.saturating_add(1);
            }
            // Once is bad luck. A cloud that ends one session after the other is not to be asked each five seconds.
            if self.short_sessions > 1 {
                return self.on_failed(now, ProvisionError::Cloud, actions);
            }
        }
        let Some(round) = self.trying_round() else { return };
        if certain {
            return self.on_failed(now, error, actions);
        }
        round.on_failed(now, error);
        push(actions, Action::CloseCloud);
    }

    fn on_token_refused(&mut self, now: Instant, actions: &mut Actions) {
        let first = self.refused_at;
        let in_use = self.in_use;
        let Some(round) = self.trying_round() else { return };
        match (in_use, first) {
            (InUse::Trial, _) => self.on_failed(now, ProvisionError::Token, actions),
            (InUse::Valid | InUse::Nothing, Some(first)) if first + TOKEN_REFUSAL_GAP <= now => {
                // The record is kept: the cloud is asked again when configuration mode has been idle.
                self.last_error = Some(ProvisionError::Token);
                self.enter_config_mode(now, actions);
            }
            (InUse::Valid | InUse::Nothing, first) => {
                round.on_failed(now, ProvisionError::Cloud);
                self.refused_at = Some(first.unwrap_or(now));
                push(actions, Action::CloseCloud);
            }
        }
    }

    /// A redirect ends the session at the old server; getting into the new one is an attempt like any other.
    fn on_redirected(&mut self, now: Instant, actions: &mut Actions) {
        if let Phase::Running { .. } = self.phase {
            self.enter(Phase::ConnectingCloud(CloudRound::new(now + STAGE_LIMIT)), actions);
        }
    }

    fn on_logged_in(&mut self, now: Instant, actions: &mut Actions) {
        if self.trying_round().is_none() {
            return;
        }
        if self.short_sessions == 0 {
            self.failed_rounds = 0;
        }
        self.refused_at = None;
        self.trial_cloud_until = None;
        self.last_error = None;
        self.enter(Phase::Running { since: now }, actions);
        if self.in_use == InUse::Trial {
            push(actions, Action::Accept);
            self.in_use = InUse::Valid;
            self.valid_exists = true;
        }
    }

    /// The round of getting into the cloud, while an attempt is under way.
    fn trying_round(&mut self) -> Option<&mut CloudRound> {
        match &mut self.phase {
            Phase::ConnectingCloud(round) => round.is_trying().then_some(round),
            Phase::Init
            | Phase::WaitConfig { .. }
            | Phase::Configuring { .. }
            | Phase::SwitchToSta { .. }
            | Phase::ConnectingNet(_)
            | Phase::Running { .. }
            | Phase::ResetConfig
            | Phase::Error { .. } => None,
        }
    }

    /// Hands an input to the round of joining, if there is one.
    fn with_net_round(
        &mut self,
        now: Instant,
        actions: &mut Actions,
        f: impl FnOnce(&mut NetRound, &mut Actions) -> RoundStep,
    ) {
        if let Phase::ConnectingNet(round) = &mut self.phase {
            let step = f(round, actions);
            self.on_round_step(now, step, actions);
        }
    }

    fn on_round_step(&mut self, now: Instant, step: RoundStep, actions: &mut Actions) {
        match step {
            RoundStep::Continue => {}
            RoundStep::Failed(error) => self.on_failed(now, error, actions),
            RoundStep::Resume => match self.phase {
                Phase::ConnectingNet(_) => {
                    self.phase = Phase::ConnectingNet(NetRound::new(now, now + STAGE_LIMIT));
                    push(actions, Action::Scan { directed: false });
                }
                Phase::ConnectingCloud(_) => {
                    self.phase = Phase::ConnectingCloud(CloudRound::new(now + STAGE_LIMIT));
                    push(actions, Action::OpenCloud);
                }
                Phase::Init
                | Phase::WaitConfig { .. }
                | Phase::Configuring { .. }
                | Phase::SwitchToSta { .. }
                | Phase::Running { .. }
                | Phase::ResetConfig
                | Phase::Error { .. } => {}
            },
        }
    }

    /// A round has failed: the end of a trial, one of many for a valid configuration.
    fn on_failed(&mut self, now: Instant, error: ProvisionError, actions: &mut Actions) {
        if self.in_use == InUse::Trial {
            push(actions, Action::Reject(error));
            self.in_use = InUse::Nothing;
            self.last_error = Some(error);
            self.enter_config_mode(now, actions);
            return;
        }
        push(actions, Action::CloseCloud);
        push(actions, Action::RoundFailed(error));
        self.failed_rounds = self.failed_rounds.saturating_add(1);
        if self.failed_rounds >= ROUNDS_MAX {
            push(actions, Action::RadioOff);
            self.enter(Phase::Error { restart_at: now + ERROR_DWELL }, actions);
            return;
        }
        let resume_at = now + self.backoff();
        match &mut self.phase {
            Phase::ConnectingNet(round) => {
                push(actions, Action::RadioOff);
                round.pause(resume_at);
            }
            Phase::ConnectingCloud(round) => round.pause(resume_at),
            Phase::Init
            | Phase::WaitConfig { .. }
            | Phase::Configuring { .. }
            | Phase::SwitchToSta { .. }
            | Phase::Running { .. }
            | Phase::ResetConfig
            | Phase::Error { .. } => {}
        }
    }

    fn enter_net(&mut self, now: Instant, actions: &mut Actions) {
        let mut give_up_at = now + STAGE_LIMIT;
        if let (InUse::Trial, Some(until)) = (self.in_use, self.trial_cloud_until) {
            give_up_at = give_up_at.min(until);
        }
        self.ap_is_open = false;
        push(actions, Action::RadioOff);
        self.enter(Phase::ConnectingNet(NetRound::new(now, give_up_at)), actions);
        push(actions, Action::Scan { directed: false });
    }

    /// Opens the access point. What was counted on the way to the cloud starts over after it.
    fn enter_config_mode(&mut self, now: Instant, actions: &mut Actions) {
        push(actions, Action::CloseCloud);
        self.failed_rounds = 0;
        self.short_sessions = 0;
        self.refused_at = None;
        self.trial_cloud_until = None;
        self.ap_is_open = true;
        let idle_until = self.idle_until(now);
        self.enter(Phase::WaitConfig { idle_until }, actions);
        push(actions, Action::OpenAp);
    }

    fn enter(&mut self, next: Phase, actions: &mut Actions) {
        let (from, to) = (self.phase.state(), next.state());
        self.phase = next;
        if from != to {
            push(actions, Action::Entered { from, to });
        }
    }

    fn idle_until(&self, now: Instant) -> Option<Instant> {
        self.valid_exists.then(|| now + CONFIG_IDLE_LIMIT)
    }

    /// Doubles from one second to a minute, then spreads by a quarter each way, so that a street of devices
    /// does not come back in step after an outage.
    fn backoff(&mut self) -> Duration {
        let doublings = u32::from(self.failed_rounds.saturating_sub(1)).min(6);
        let pause_ms = (BACKOFF_FIRST.total_millis() << doublings).min(BACKOFF_MAX.total_millis());
        let jitter_ms = self.random.below(pause_ms / 2 + 1);
        Duration::from_millis(pause_ms - pause_ms / 4 + jitter_ms)
    }
}

/// While the button is held in ERROR the restart is asked for again after this.
const ERROR_HELD_RECHECK: Duration = Duration::from_millis(100);
