//! What a scenario expects, as far as it is seen from without.

use std::time::Duration as WallDuration;

use hil_sim::scenario::{Expect, LastError, Presence};
use smoltcp::time::Duration;

use super::console::Heard;
use super::run::{Run, until};

impl Run<'_> {
    pub(super) async fn expect(&mut self, expect: &Expect) -> Result<(), String> {
        let limit = self.place.limit(expect.within);
        let since = self.state_from;
        let from = self.previous_step_from.max(self.begins_at.0);
        let unseen = unseen(expect);
        if !unseen.is_empty() {
            self.tell(format!("not looked at, because nobody sees it from without: {}", unseen.join(", ")));
        }
        if let Some(wanted) = expect.device.and_then(|device| device.firmware()) {
            let wanted = wanted.to_string();
            if !self.console.wait_until(limit, |heard| heard.state(since) == Some(wanted.as_str()))? {
                let state = self.console.heard().state(since).unwrap_or("no state").to_owned();
                return Err(format!("it is in {state}, not in {wanted}"));
            }
        }
        if let Some(wanted) = expect.last_error
            && !self.console.wait_until(limit, |heard| heard.last_error == code(wanted))?
        {
            let got = self.console.heard().last_error;
            return Err(format!("it tells of error {got}, not of {}", code(wanted)));
        }
        if let Some(text) = &expect.console
            && !self.console.wait_until(limit, |heard| printed(heard, from, text))?
        {
            return Err(format!("it has not printed {text:?}"));
        }
        self.expect_of_cloud(expect, limit).await?;
        self.expect_of_phone(expect)?;
        if let Some(time) = expect.stays {
            self.stays(expect, time)?;
        }
        Ok(())
    }

    /// What was reached must not be left again.
    fn stays(&mut self, expect: &Expect, time: Duration) -> Result<(), String> {
        let Some(wanted) = expect.device.and_then(|device| device.firmware()) else {
            std::thread::sleep(WallDuration::from_micros(time.total_micros()));
            return Ok(());
        };
        let since = self.state_from;
        let (wanted, time) = (wanted.to_string(), WallDuration::from_micros(time.total_micros()));
        if self.console.wait_until(time, |heard| heard.state(since) != Some(wanted.as_str()))? {
            return Err(format!("it has left {wanted} again"));
        }
        Ok(())
    }

    async fn expect_of_cloud(&mut self, expect: &Expect, limit: WallDuration) -> Result<(), String> {
        let Expect { cloud, named, pin, .. } = expect;
        if cloud.is_none() && named.is_none() && pin.is_empty() {
            return Ok(());
        }
        let Some(token) = self.token.clone() else {
            return match cloud {
                Some(Presence::NeverSeen) => Ok(()),
                _ => Err("no device has been set up".to_owned()),
            };
        };
        let at = &self.place.cloud;
        if let Some(presence) = cloud {
            let wanted = *presence == Presence::Online;
            if !until!(limit, at.is_online(&token).await? == wanted) {
                return Err(format!(
                    "the cloud does not have it {}",
                    if wanted { "online" } else { "offline" }
                ));
            }
        }
        if let Some(name) = named
            && !until!(limit, at.name(&token).await? == *name)
        {
            return Err(format!("the cloud does not call it {name:?}"));
        }
        for (pin, value) in pin {
            if !until!(limit, at.pin(&token, pin.0).await?.as_deref() == Some(value.as_str())) {
                return Err(format!(
                    "the cloud does not have {value:?} at V{}",
                    pin.0,
                    value = value.as_str()
                ));
            }
        }
        Ok(())
    }

    fn expect_of_phone(&self, expect: &Expect) -> Result<(), String> {
        let status = self.answer.as_ref().map(|answer| answer.status);
        if let Some(wanted) = expect.http_status
            && status != Some(wanted.0)
        {
            return Err(format!("the last answer had status {status:?}, not {}", wanted.0));
        }
        if let Some(text) = &expect.http_body
            && !self.answer.as_ref().is_some_and(|answer| answer.body.contains(text.as_str()))
        {
            return Err(format!("{text:?} is not in the last answer"));
        }
        if let Some(wanted) = expect.sees_error
            && self.seen_error != Some(u64::from(code(wanted)))
        {
            return Err(format!("the board info has error {:?}, not {}", self.seen_error, code(wanted)));
        }
        if let Some(wanted) = &expect.sees_network {
            let name = String::from_utf8_lossy(wanted.as_bytes());
            let real = self.place.networks.iter().find(|network| network.name == name);
            let name = real.map_or(name.as_ref(), |network| network.ssid.as_str());
            if !self.seen_networks.iter().any(|seen| seen == name) {
                return Err(format!("{name:?} is not among the networks that the device has found"));
            }
        }
        Ok(())
    }
}

/// The keys of what is expected and cannot be seen from without.
fn unseen(expect: &Expect) -> Vec<&'static str> {
    let Expect { ap, joined, access_point, store, stored_network, flash_writes_max, fault, .. } = expect;
    let Expect { event, connectivity, offered_portal, .. } = expect;
    let keys = [
        ("ap", ap.is_some()),
        ("joined", joined.is_some()),
        ("access_point", access_point.is_some()),
        ("store", store.is_some()),
        ("stored_network", stored_network.is_some()),
        ("flash_writes_max", flash_writes_max.is_some()),
        ("fault", fault.is_some()),
        ("event", event.is_some()),
        ("connectivity", connectivity.is_some()),
        ("offered_portal", offered_portal.is_some()),
    ];
    keys.into_iter().filter_map(|(key, is_expected)| is_expected.then_some(key)).collect()
}

/// An error as the board info has it, 0 for none.
fn code(error: LastError) -> u16 {
    error.0.map_or(0, |error| error.code())
}

/// Whether a text has been printed since a line.
fn printed(heard: &Heard, from: usize, text: &str) -> bool {
    heard.lines.iter().skip(from).any(|(_, line)| line.contains(text))
}
