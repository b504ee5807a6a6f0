//! What has changed in a directory since somebody looked last, for who keeps it in a file or has to tell others.

use std::collections::{BTreeMap, BTreeSet};

use super::DeviceId;

/// What has changed since the journal was taken last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Journal {
    /// The devices that changed, were added or deleted, and what changed about each.
    pub devices: BTreeMap<DeviceId, DeviceChanges>,
    /// Access tokens were issued or forgotten.
    pub access_tokens: bool,
}

/// What has changed about a device.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeviceChanges {
    /// Something other than its pins: it may be new, or gone.
    pub itself: bool,
    /// The pins that were written.
    pub pins: BTreeSet<u8>,
    /// Whoever has its connection must look at it: something waits to be sent, or its session is void.
    pub wakes: bool,
}

impl Journal {
    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty() && !self.access_tokens
    }
}
