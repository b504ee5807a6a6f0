//! What is known of the time, and asking for it on the way into the cloud.

use smoltcp::socket::udp;
use smoltcp::wire::{IpAddress, Ipv4Address};

use super::uplink::poll_lookup;
use super::{EPHEMERAL_FIRST, Net};
use crate::cloud::resolver::Resolver;
use crate::cloud::sntp::{MESSAGE_LEN, NTP_PORT, Sntp, TIME_FLOOR, TimeError};
use crate::hal::{Date, UnixTime};
use crate::product::{Dates, Product};
use crate::random::SplitMix64;
use crate::{Duration, Instant};

/// The name and the time together take no longer than this, or there is no time (Edgent waits for ever).
const TIME_LIMIT: Duration = Duration::from_secs(4);
/// A time server may be behind the last known time by this, in seconds, and is not wrong for it.
const BEHIND_MAX_S: u64 = 86_400;

/// What is known of the time. It is asked for when somebody needs it, at most once an attempt; once it is known the
/// monotone clock carries it on.
pub(super) struct Clock {
    server: &'static str,
    dates: Dates,
    /// A time at which the server has answered, and when that was.
    known: Option<(UnixTime, Instant)>,
    /// The time from before the start.
    kept: Option<UnixTime>,
    /// Whether it was asked for in this attempt.
    was_asked: bool,
    /// Whether the server's address is known and it is asked.
    has_address: bool,
    sntp: Sntp,
    give_up_at: Instant,
    seed: u64,
    /// What has come of it and was not told yet.
    news: Option<Result<UnixTime, TimeError>>,
}

/// How far asking has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asking {
    /// Nothing more is to be done before then, unless something arrives.
    Until(Instant),
    /// The time is known, or will not be in this attempt.
    Over,
}

impl Clock {
    pub(super) fn new(product: &Product) -> Self {
        Self {
            server: product.time_server(),
            dates: product.dates(),
            known: None,
            kept: None,
            was_asked: false,
            has_address: false,
            sntp: Sntp::new(),
            give_up_at: Instant::ZERO,
            seed: 0,
            news: None,
        }
    }

    /// Takes a time that has passed, from before the start.
    pub(super) fn set_kept(&mut self, time: Option<UnixTime>) {
        self.kept = time;
    }

    /// What a server has told, as far as time has gone since.
    pub(super) fn exact(&self, now: Instant) -> Option<UnixTime> {
        let (UnixTime(time), told_at) = self.known?;
        Some(UnixTime(time + (now - told_at).secs()))
    }

    /// What certificates are held against; `None` when nobody can be trusted.
    pub(super) fn date(&self, now: Instant) -> Option<Date> {
        let known = self.exact(now).map(Date::Exact).or(self.kept.map(Date::AtLeast));
        match self.dates {
            Dates::Required => known,
            Dates::WhenKnown => Some(known.unwrap_or(Date::Unknown)),
        }
    }

    /// What a server has told is not believed any more: it is asked for again.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    /// A new attempt may ask anew.
    pub(super) fn begin_attempt(&mut self) {
        self.was_asked = false;
    }

    /// Whether the time is to be asked for before anything else.
    pub(super) fn must_ask(&self) -> bool {
        self.known.is_none() && !self.was_asked
    }

    /// Begins to ask.
    pub(super) fn ask(&mut self, now: Instant, net: &mut Net, resolver: &mut Resolver, seed: u64) {
        self.was_asked = true;
        self.has_address = false;
        self.give_up_at = now + TIME_LIMIT;
        self.seed = seed;
        resolver.start(now, self.server, &net.dns_servers(), seed);
        let port = net.take_port();
        net.bind_lookup(port);
    }

    /// What has come of it, once.
    pub(super) fn take_news(&mut self) -> Option<Result<UnixTime, TimeError>> {
        self.news.take()
    }

    /// Goes on asking.
    pub(super) fn poll(&mut self, now: Instant, net: &mut Net, resolver: &mut Resolver) -> Asking {
        let late = (self.give_up_at <= now).then_some(Err(TimeError::Silent));
        if let Some(result) = self.poll_answer(now, net, resolver).or(late) {
            self.known = result.ok().map(|time| (time, now));
            self.news = Some(result);
            return Asking::Over;
        }
        let next = if self.has_address { self.sntp.poll_timeout() } else { resolver.poll_timeout() };
        Asking::Until(next.map_or(self.give_up_at, |at| at.min(self.give_up_at)))
    }

    fn poll_answer(
        &mut self,
        now: Instant,
        net: &mut Net,
        resolver: &mut Resolver,
    ) -> Option<Result<UnixTime, TimeError>> {
        if !self.has_address {
            match poll_lookup(now, net, resolver)? {
                Ok(address) => self.start_sntp(net, address),
                Err(_) => return Some(Err(TimeError::NotFound)),
            }
        }
        self.exchange(now, net);
        self.sntp.poll(now)
    }

    fn start_sntp(&mut self, net: &mut Net, server: Ipv4Address) {
        let mut random = SplitMix64::new(self.seed.rotate_left(16));
        let floor = self.kept.map_or(0, |UnixTime(kept)| kept.saturating_sub(BEHIND_MAX_S));
        self.sntp.start(server, TIME_FLOOR.max(UnixTime(floor)), random.next_u64());
        self.has_address = true;
        // RFC 9109: the port is as hard to guess as can be. There are 2^14 of them (RFC 6335 section 6).
        let spread = u16::try_from(random.below(1 << 14)).unwrap_or(0);
        net.bind_lookup(EPHEMERAL_FIRST.saturating_add(spread));
    }

    fn exchange(&mut self, now: Instant, net: &mut Net) {
        let [handle, _] = net.udp;
        let socket = net.udp_mut(handle);
        while let Ok((message, meta)) = socket.recv() {
            let IpAddress::Ipv4(from) = meta.endpoint.addr;
            self.sntp.handle_received(from, meta.endpoint.port, message);
        }
        let mut question = [0; MESSAGE_LEN];
        if self.sntp.transmit(now, &mut question).is_some() {
            // A question that has no room counts as lost; another follows.
            let _ = socket.send_slice(&question, udp::UdpMetadata::from((self.sntp.server(), NTP_PORT)));
        }
    }
}
