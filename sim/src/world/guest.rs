//! Stations whose packets are made and taken outside the world, as by a network interface of the host. Of one in a
//! wireless network the world has the radio, which joins whenever that network is on the air; one on the internet is
//! wired to it.

use std::collections::VecDeque;

use firmware_core::hal::{RadioCommand, RadioEvent};
use smoltcp::time::Duration;
use smoltcp::wire::EthernetAddress;

use super::{NodeId, World};
use crate::actor::Port;
use crate::stack::Frame;

/// How often a guest looks for its network while it is in none.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Frames that wait to be fetched; the oldest goes first, as at an interface whose queue is full.
const FRAMES_MAX: usize = 1_024;

/// A station whose packets are made and taken outside.
#[derive(Debug)]
pub struct Guest {
    /// Whose network it is in; `None` on the internet.
    network_of: Option<NodeId>,
    mac: EthernetAddress,
    /// Its radio has been told to join, and has not said what became of it.
    is_joining: bool,
    received: VecDeque<Frame>,
}

impl Guest {
    /// A station of the network that somebody opens: a device's access point, or a router's.
    pub fn new(network_of: NodeId, mac: EthernetAddress) -> Self {
        Self { network_of: Some(network_of), ..Self::on_the_internet(mac) }
    }

    /// A neighbour of everybody on the internet, who takes any address there that nobody has.
    pub fn on_the_internet(mac: EthernetAddress) -> Self {
        Self { network_of: None, mac, is_joining: false, received: VecDeque::new() }
    }

    /// Its hardware address.
    pub fn mac(&self) -> EthernetAddress {
        self.mac
    }

    /// The oldest frame that has come for it and was not fetched.
    pub fn take_frame(&mut self) -> Option<Frame> {
        self.received.pop_front()
    }

    pub(super) fn receive(&mut self, frame: Frame) {
        if self.received.len() == FRAMES_MAX {
            self.received.pop_front();
        }
        self.received.push_back(frame);
    }
}

impl World {
    /// Adds a station whose packets are made and taken outside.
    pub fn add_guest(&mut self, name: &str, guest: Guest) -> NodeId {
        let node = NodeId::Guest(self.guests.len());
        match guest.network_of {
            Some(_) => self.air.add_radio(node, guest.mac()),
            None => {
                self.internet.insert(guest.mac().into(), node);
            }
        }
        self.trace.set_address_name(guest.mac(), name);
        self.guests.push(guest);
        let node = self.register(node, name);
        self.touch(node);
        node
    }

    /// Sends a guest's frame. One that is in no network sends to nobody.
    pub fn send_of_guest(&mut self, guest: usize, frame: Frame) {
        let node = NodeId::Guest(guest);
        if self.is_on_the_internet(guest) {
            self.send(self.now, node, Port::Internet, frame);
        } else if self.joined(node).is_some() {
            self.send(self.now, node, Port::Air, frame);
        }
    }

    /// Whether a guest's frames get anywhere.
    pub fn is_connected(&self, guest: usize) -> bool {
        self.is_on_the_internet(guest) || self.joined(NodeId::Guest(guest)).is_some()
    }

    fn is_on_the_internet(&self, guest: usize) -> bool {
        self.guests.get(guest).is_some_and(|guest| guest.network_of.is_none())
    }

    /// A guest, to fetch what has come for it.
    pub fn guest_mut(&mut self, guest: usize) -> Option<&mut Guest> {
        self.guests.get_mut(guest)
    }

    /// Looks for the network of a guest that is in none.
    pub(super) fn poll_guest(&mut self, index: usize) {
        let node = NodeId::Guest(index);
        if self.joined(node).is_some() {
            return self.agenda.set_wake(node, None);
        }
        let Some(guest) = self.guests.get(index) else { return };
        if guest.is_joining {
            return self.agenda.set_wake(node, None);
        }
        let Some(network_of) = guest.network_of else { return };
        let join = self.strongest_of(network_of);
        if let Some((guest, join)) = self.guests.get_mut(index).zip(join) {
            guest.is_joining = true;
            self.command_radio(self.now, node, &join);
        } else {
            self.agenda.set_wake(node, Some(self.now + LOOK_EVERY));
        }
    }

    /// A guest's radio has something to tell: in its network it waits for nothing, else it looks for it again.
    pub(super) fn tell_guest(&mut self, index: usize, event: &RadioEvent) {
        if let Some(guest) = self.guests.get_mut(index) {
            guest.is_joining = false;
        }
        let wake = (*event != RadioEvent::Joined).then_some(self.now + LOOK_EVERY);
        self.agenda.set_wake(NodeId::Guest(index), wake);
    }

    /// How to join the strongest access point that somebody has on the air; a guest knows every secret.
    fn strongest_of(&self, owner: NodeId) -> Option<RadioCommand> {
        let (bssid, ap) = self.air.strongest_of(owner)?;
        let (ssid, passphrase) = (ap.ssid.clone(), ap.passphrase.clone());
        Some(RadioCommand::Join { ssid, passphrase, bssid, channel: ap.channel })
    }
}
