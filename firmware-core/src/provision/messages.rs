//! What goes into the state machine and what comes out of it.

use heapless::Vec;

use super::round::Candidate;
use crate::config::ProvisionError;
use crate::hal::{JoinFailure, ResetCause};
use crate::trace::State;

/// What happened, as far as it matters for provisioning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A phone asked something of the portal.
    PortalUsed,
    /// A phone read the board info.
    BoardInfoRead,
    /// The last station left the access point.
    ApEmpty,
    /// A configuration is in flash, and whoever sent it has been told.
    ConfigStored,
    /// The button, `/reset` or the console asks for a factory reset.
    ResetRequested,
    /// The console or the cloud asks for configuration mode.
    ConfigModeRequested,
    /// `/reboot` asks for a restart.
    RebootRequested,
    /// A scan is over; the strongest access point of the wanted network, if it was heard.
    ScanDone(Option<Candidate>),
    /// A scan could not be done, so that nothing is known about the network.
    ScanFailed,
    /// The access point accepted us.
    Joined,
    /// The access point did not.
    JoinFailed(JoinFailure),
    /// The network was lost.
    LinkLost,
    /// The interface has an address.
    AddressSet,
    /// The fixed address does not make a usable interface.
    AddressInvalid,
    /// The lease ran out and was not renewed.
    AddressLost,
    /// The cloud's name has no address, for certain.
    ResolveFailed,
    /// The encrypted channel cannot be opened, for certain.
    SecureFailed,
    /// The encrypted channel was not opened, for a reason that may pass.
    SecureUnfinished,
    /// The cloud was not reached or did not accept us, for a reason that may pass.
    CloudFailed,
    /// The cloud knows no such token.
    TokenRefused,
    /// The cloud sent us to another server, which is being tried.
    Redirected,
    /// The cloud accepted us.
    LoggedIn,
    /// The session ended.
    SessionLost,
}

/// What the device is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Tell that the state changed.
    Entered {
        /// The state that was left.
        from: State,
        /// The state that was entered.
        to: State,
    },
    /// Open the access point and the portal.
    OpenAp,
    /// Leave the home network, or drop the access point.
    RadioOff,
    /// Look for the network, by name as well when `directed`.
    Scan {
        /// Whether to ask for the network by its name, so that a hidden one answers.
        directed: bool,
    },
    /// Join this access point.
    Join(Candidate),
    /// Get an address, or set the fixed one.
    StartAddress,
    /// Resolve, connect and log in.
    OpenCloud,
    /// Close the session, if there is one.
    CloseCloud,
    /// Mark the trial as valid: it has logged in for the first time.
    Accept,
    /// Mark the trial as failed and destroy its secrets.
    Reject(ProvisionError),
    /// Erase every record.
    EraseAll,
    /// Tell that a round failed; another follows.
    RoundFailed(ProvisionError),
    /// Tell that configuration mode ended without a phone.
    ConfigTimedOut,
    /// Restart. Nothing more will be due.
    Reboot(ResetCause),
}

/// The most actions that one input leads to, with room to spare.
const ACTIONS_MAX: usize = 12;

/// The actions that inputs and timeouts have led to, in order.
pub type Actions = Vec<Action, ACTIONS_MAX>;

pub(super) fn push(actions: &mut Actions, action: Action) {
    let pushed = actions.push(action);
    debug_assert!(pushed.is_ok(), "one input leads to at most {ACTIONS_MAX} actions");
}
