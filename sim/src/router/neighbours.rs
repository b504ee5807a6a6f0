//! Who is who on the uplink: an ARP cache with a short queue for addresses that are still asked for.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{ArpOperation, EthernetAddress, EthernetFrame, Ipv4Address};

use crate::actor::{Port, soonest};
use crate::stack::Frame;

use super::packet::arp_frame;

/// RFC 1122 section 2.3.2.1: not more than one request a second for one address.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Then the address counts as unreachable and what waits for it is dropped.
const REQUESTS_MAX: u8 = 3;
/// RFC 1122 section 2.3.2.2 asks to keep at least one packet.
const WAITING_MAX: usize = 4;
/// Addresses asked for at one time.
const UNKNOWN_MAX: usize = 8;
/// Hosts remembered; the one heard of longest ago goes first.
const KNOWN_MAX: usize = 32;
/// RFC 1122 section 2.3.2.1 wants entries to end; 20 minutes is what BSD chose.
const KNOWN_FOR: Duration = Duration::from_secs(20 * 60);

/// The cache and the queue of one port.
pub(super) struct Neighbours {
    own: (EthernetAddress, Ipv4Address),
    known: Vec<Known>,
    unknown: Vec<Unknown>,
}

struct Known {
    ip: Ipv4Address,
    mac: EthernetAddress,
    until: Instant,
}

struct Unknown {
    ip: Ipv4Address,
    requests_left: u8,
    ask_at: Instant,
    waiting: Vec<Frame>,
}

impl Neighbours {
    pub(super) fn new(mac: EthernetAddress, ip: Ipv4Address) -> Self {
        Self { own: (mac, ip), known: Vec::new(), unknown: Vec::new() }
    }

    /// Sends a frame whose Ethernet addresses are still open to `ip`, now or when its owner has answered.
    pub(super) fn send(
        &mut self,
        now: Instant,
        ip: Ipv4Address,
        mut frame: Frame,
        out: &mut Vec<(Port, Frame)>,
    ) {
        if let Some(known) = self.known.iter().find(|known| known.ip == ip && now < known.until) {
            address(&mut frame, self.own.0, known.mac);
            out.push((Port::Internet, frame));
        } else if let Some(unknown) = self.unknown.iter_mut().find(|unknown| unknown.ip == ip) {
            if unknown.waiting.len() < WAITING_MAX {
                unknown.waiting.push(frame);
            }
        } else if self.unknown.len() < UNKNOWN_MAX {
            self.unknown.push(Unknown { ip, requests_left: REQUESTS_MAX, ask_at: now, waiting: vec![frame] });
            self.poll(now, out);
        }
    }

    /// Takes what a neighbour said about itself; `asked_us` when it was said to us, so that it is worth keeping.
    pub(super) fn learn(
        &mut self,
        now: Instant,
        ip: Ipv4Address,
        mac: EthernetAddress,
        asked_us: bool,
        out: &mut Vec<(Port, Frame)>,
    ) {
        let until = now + KNOWN_FOR;
        if let Some(known) = self.known.iter_mut().find(|known| known.ip == ip) {
            (known.mac, known.until) = (mac, until);
        } else if asked_us {
            if self.known.len() == KNOWN_MAX {
                self.known.remove(0);
            }
            self.known.push(Known { ip, mac, until });
        }
        if let Some(index) = self.unknown.iter().position(|unknown| unknown.ip == ip) {
            for mut frame in self.unknown.remove(index).waiting {
                address(&mut frame, self.own.0, mac);
                out.push((Port::Internet, frame));
            }
        }
    }

    /// Asks again for what has not been answered, and gives up.
    pub(super) fn poll(&mut self, now: Instant, out: &mut Vec<(Port, Frame)>) {
        let own = self.own;
        self.unknown.retain_mut(|unknown| {
            if now < unknown.ask_at {
                return true;
            }
            if unknown.requests_left == 0 {
                return false;
            }
            let target = (EthernetAddress([0; 6]), unknown.ip);
            out.push((Port::Internet, arp_frame(ArpOperation::Request, own, target)));
            unknown.requests_left -= 1;
            unknown.ask_at = now + ASK_AGAIN_AFTER;
            true
        });
    }

    /// When an answer is overdue.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.unknown.iter().fold(None, |at, unknown| soonest(at, Some(unknown.ask_at)))
    }

    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.unknown.clear();
    }
}

fn address(frame: &mut [u8], from: EthernetAddress, to: EthernetAddress) {
    let mut ethernet = EthernetFrame::new_unchecked(frame);
    ethernet.set_src_addr(from);
    ethernet.set_dst_addr(to);
}
