//! The switches of [`Behaviour`] by their names, as a command line has them.

use core::str::FromStr;

use smoltcp::time::Duration;

use super::{AnswerId, Behaviour, DeletedSession, RateBreach, SecondLogin, WrongTemplate};

/// A switch: its name, what it takes, and what it does.
pub struct Switch {
    /// Its name.
    pub name: &'static str,
    /// What it takes, the default first.
    pub values: &'static str,
    /// What it decides.
    pub what: &'static str,
}

/// Every switch.
pub const SWITCHES: [Switch; 14] = [
    switch("heartbeat-factor", "1.5, or another number", "silence that ends a connection, in heartbeats"),
    switch(
        "wrong-template",
        "ignore, or a status to refuse it with",
        "a new device that names an unknown template",
    ),
    switch("second-login", "replace or refuse", "a second login with one token"),
    switch("rate-max", "50, another number or off", "frames a second that a device may send"),
    switch("rate-breach", "close or drop", "a device that sends more"),
    switch(
        "provision-token-life",
        "7d, or another time in s, m, h or d",
        "how long a provision token can be used",
    ),
    switch("deleted-session", "close or keep", "the live session of a device that is deleted"),
    switch("answer-info", "yes or no", "whether an info frame is answered"),
    switch("answer-event", "yes or no", "whether a logged event is answered"),
    switch("answer-group", "no or yes", "whether a group is answered"),
    switch("answer-meta", "yes or no", "whether setting metadata is answered"),
    switch("answer-id", "request or server", "the message id of answers to `utc` and `meta get`"),
    switch("redirect", "off or HOST:PORT", "where devices are sent that log in"),
    switch("ping-every", "off, or a time in s, m, h or d", "pings of the server's own"),
];

const fn switch(name: &'static str, values: &'static str, what: &'static str) -> Switch {
    Switch { name, values, what }
}

impl Behaviour {
    /// Sets a switch, written as `name=value`.
    ///
    /// # Errors
    /// When there is no such switch, which lists all of them, or when it does not take the value.
    pub fn set(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let Some(switch) = SWITCHES.iter().find(|switch| switch.name == name) else {
            let lines =
                SWITCHES.iter().map(|Switch { name, values, what }| format!("  {name}={values}: {what}"));
            let lines: Vec<_> = lines.collect();
            return Err(format!("there is no switch `{name}`; there are\n{}", lines.join("\n")));
        };
        let refused = || format!("`{name}` does not take `{value}`; it takes {}", switch.values);
        self.take(name, value).ok_or_else(refused)
    }

    fn take(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "heartbeat-factor" => self.heartbeat_factor_permille = permille(value)?,
            "wrong-template" => {
                self.wrong_template = match value {
                    "ignore" => WrongTemplate::Ignore,
                    status => WrongTemplate::Refuse(status.parse().ok()?),
                };
            }
            "second-login" => {
                self.second_login =
                    choice(value, ("replace", SecondLogin::ReplacesFirst), ("refuse", SecondLogin::Refuse))?;
            }
            "rate-max" => self.rate_max = optional(value, number)?,
            "rate-breach" => {
                self.rate_breach = choice(value, ("close", RateBreach::Close), ("drop", RateBreach::Drop))?;
            }
            "provision-token-life" => self.provision_token_life = duration(value)?,
            "deleted-session" => {
                self.deleted_session =
                    choice(value, ("close", DeletedSession::Closes), ("keep", DeletedSession::GoesOn))?;
            }
            "answer-info" => self.acknowledge_info = yes_or_no(value)?,
            "answer-event" => self.acknowledge_event = yes_or_no(value)?,
            "answer-group" => self.acknowledge_group = yes_or_no(value)?,
            "answer-meta" => self.acknowledge_meta = yes_or_no(value)?,
            "answer-id" => {
                self.answer_id = choice(value, ("request", AnswerId::Request), ("server", AnswerId::Server))?;
            }
            "redirect" => self.redirect = optional(value, host_and_port)?,
            "ping-every" => self.ping_every = optional(value, duration)?,
            _ => return None,
        }
        Some(())
    }
}

fn choice<T>(text: &str, first: (&str, T), second: (&str, T)) -> Option<T> {
    [first, second].into_iter().find(|(name, _)| *name == text).map(|(_, value)| value)
}

fn yes_or_no(text: &str) -> Option<bool> {
    choice(text, ("yes", true), ("no", false))
}

/// `off`, or what `read` makes of it.
fn optional<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    if text == "off" { Some(None) } else { read(text).map(Some) }
}

/// At least 1.
fn number(text: &str) -> Option<u32> {
    u32::from_str(text).ok().filter(|number| *number > 0)
}

/// A decimal number of at most three places, in thousandths; more than 0 and at most 1000.
fn permille(text: &str) -> Option<u32> {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    if places.len() > 3 || !places.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths: u32 = format!("{places:0<3}").parse().ok()?;
    let permille = whole.parse::<u32>().ok()?.checked_mul(1_000)?.checked_add(thousandths)?;
    Some(permille).filter(|permille| (1..=1_000_000).contains(permille))
}

/// A whole number with its unit; more than 0 and at most ten years.
fn duration(text: &str) -> Option<Duration> {
    const LIMIT_S: u64 = 10 * 365 * 86_400;
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u64 = text[..text.len() - 1].parse().ok()?;
    count.checked_mul(seconds).filter(|seconds| (1..=LIMIT_S).contains(seconds)).map(Duration::from_secs)
}

/// `host:port`, both given.
pub fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_takes_what_it_says_and_its_default_is_the_documented_one() {
        for Switch { name, values, .. } in SWITCHES {
            let default = values.split([' ', ',']).next().unwrap();
            let mut behaviour = Behaviour::DOCUMENTED;
            assert_eq!(behaviour.set(&format!("{name}={default}")), Ok(()), "{name}");
            assert_eq!(behaviour, Behaviour::DOCUMENTED, "{name}");
        }
        for text in [
            "heartbeat-factor=2.3",
            "wrong-template=6",
            "second-login=refuse",
            "rate-max=off",
            "rate-max=100",
            "rate-breach=drop",
            "provision-token-life=90s",
            "deleted-session=keep",
            "answer-info=no",
            "answer-event=no",
            "answer-group=yes",
            "answer-meta=no",
            "answer-id=server",
            "redirect=127.0.0.1:8080",
            "ping-every=10s",
        ] {
            let mut behaviour = Behaviour::DOCUMENTED;
            assert_eq!(behaviour.set(text), Ok(()), "{text}");
            assert_ne!(behaviour, Behaviour::DOCUMENTED, "{text}");
        }
        let mut behaviour = Behaviour::DOCUMENTED;
        behaviour.set("heartbeat-factor=2.3").unwrap();
        behaviour.set("provision-token-life=2h").unwrap();
        assert_eq!(behaviour.heartbeat_factor_permille, 2_300);
        assert_eq!(behaviour.provision_token_life, Duration::from_secs(7_200));
    }

    #[test]
    fn a_wrong_switch_is_answered_with_what_there_is() {
        let mut behaviour = Behaviour::DOCUMENTED;
        let error = behaviour.set("heart-beat=2").unwrap_err();
        assert!(SWITCHES.iter().all(|switch| error.contains(switch.name)), "{error}");
        for text in [
            "heartbeat-factor=",
            "heartbeat-factor=-1",
            "heartbeat-factor=0",
            "heartbeat-factor=1.2345",
            "wrong-template=70000",
            "rate-max=0",
            "provision-token-life=7",
            "provision-token-life=0d",
            "provision-token-life=99999999d",
            "redirect=host",
            "redirect=:80",
            "redirect=host:0",
            "answer-info",
            "ping-every=\u{e9}",
        ] {
            let error = behaviour.set(text).unwrap_err();
            assert!(error.contains("does not take"), "{text}: {error}");
        }
        assert_eq!(behaviour, Behaviour::DOCUMENTED);
    }
}
