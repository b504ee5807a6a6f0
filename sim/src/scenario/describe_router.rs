//! Changes of routers in words.

use super::describe::{listed, power_words};
use super::step::RouterChange;
use super::value::spoken;
use super::world::{DhcpMode, DnsMode, NtpMode};

impl RouterChange {
    pub(super) fn describe(&self) -> String {
        let Self { power, password, dhcp, dns, ntp, rssi, channel, hidden, security, .. } = self;
        let Self { join_delay, stations_max, deauth, deauth_reason, subnet, .. } = self;
        let mut words = Vec::new();
        words.extend(power.map(|power| power_words(power).to_owned()));
        words.extend(password.as_ref().map(|_| "changes its password".to_owned()));
        words.extend(subnet.map(|subnet| format!("moves to {}/{}", subnet.network, subnet.prefix)));
        words.extend(dhcp.map(|dhcp| match dhcp {
            DhcpMode::Normal => "leases addresses".to_owned(),
            DhcpMode::Silent => "no longer answers DHCP".to_owned(),
            DhcpMode::Nak => "refuses every DHCP request".to_owned(),
            DhcpMode::Exhausted => "has no address left".to_owned(),
            DhcpMode::Pool(size) if size.0 == 1 => "has one address to lease".to_owned(),
            DhcpMode::Pool(size) => format!("has {size} addresses to lease"),
            DhcpMode::InUse => "leases addresses that others have".to_owned(),
            DhcpMode::Lease(time) => format!("leases addresses for {}", spoken(time)),
        }));
        words.extend(dns.map(|dns| {
            let words = match dns {
                DnsMode::Normal => "answers name queries",
                DnsMode::Silent => "no longer answers name queries",
                DnsMode::Nxdomain => "says that no name exists",
                DnsMode::Servfail => "fails every name query",
                DnsMode::Truncated => "cuts every answer to a name query short",
                DnsMode::Captive => "says that every name is at itself",
            };
            words.to_owned()
        }));
        words.extend(ntp.map(NtpMode::words));
        words.extend(rssi.map(|rssi| format!("is heard at {rssi} dBm")));
        words.extend(channel.map(|channel| format!("moves to channel {channel}")));
        words
            .extend(hidden.map(|hidden| if hidden { "hides its name" } else { "shows its name" }.to_owned()));
        words.extend(security.map(|security| format!("asks for {}", security.words())));
        words.extend(join_delay.map(|time| format!("takes {} more for a join", spoken(time))));
        words.extend(stations_max.map(|count| format!("takes at most {} stations", count.0)));
        words.extend(deauth.then(|| match deauth_reason {
            Some(reason) => format!("throws every station out with reason {reason}"),
            None => "throws every station out".to_owned(),
        }));
        listed(&words)
    }
}
