//! What a scenario names that nobody may read: a run that tells one fails, and it is starred where that failure
//! is shown.
//!
//! The tokens that the cloud issues are not here: the runner learns them as they are issued, and what has their
//! form is starred.

use crate::scenario::{Arm, Armed, PhoneAction, Scenario, Secret, TokenChoice, Verb};
use crate::text::printable;

/// A shorter password occurs in innocent words. WPA2 asks for 8 characters.
const SECRET_LEN_MIN: usize = 8;
/// The cloud's tokens.
const TOKEN_LEN: usize = 32;
const STARS: &str = "***";

/// The secrets of a scenario.
#[derive(Default)]
pub(crate) struct Secrets {
    /// As they would be shown.
    texts: Vec<String>,
    /// Those that are no text, as flash would hold them.
    raw: Vec<Vec<u8>>,
}

impl Secrets {
    /// Everything that the scenario names as a password or a token.
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let mut secrets = Self::default();
        for router in &scenario.world.routers {
            secrets.add(router.password.as_deref());
        }
        for step in &scenario.steps {
            match &step.verb {
                Verb::Phone(PhoneAction::Configure(configure)) => {
                    secrets.add(configure.password.as_ref());
                    secrets.add_token(&configure.token);
                }
                Verb::Phone(PhoneAction::Provision(provision)) => {
                    secrets.add(provision.password.as_ref());
                    secrets.add_token(&provision.token);
                }
                Verb::Router(change) | Verb::Arm(Arm { what: Armed::Router(change), .. }) => {
                    secrets.add(change.password.as_ref());
                }
                Verb::Console(line) => secrets.add_typed(line),
                Verb::Phone(_)
                | Verb::Power(_)
                | Verb::Button(_)
                | Verb::Flash(_)
                | Verb::Clock(_)
                | Verb::Cloud(_)
                | Verb::Link(_)
                | Verb::Expect(_)
                | Verb::Wait(_)
                | Verb::Settle(_)
                | Verb::Arm(_) => {}
            }
        }
        // The longest first: one may be a part of another.
        secrets.texts.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
    }

    /// A text on one line with the secrets starred and nothing in it that moves a terminal's cursor.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for secret in &self.texts {
            clean = clean.replace(secret.as_str(), STARS);
        }
        let printable = clean.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c });
        without_tokens(&printable.collect::<String>())
    }

    /// The secrets as they would be shown, the longest first, and those that are no text as they are.
    pub(crate) fn into_parts(self) -> (Vec<String>, Vec<Vec<u8>>) {
        (self.texts, self.raw)
    }

    fn add(&mut self, secret: Option<&Secret>) {
        let bytes = secret.map_or(&[][..], Secret::expose);
        if let Ok(text) = str::from_utf8(bytes) {
            return self.add_text(text);
        }
        self.add_text(&printable(bytes));
        if bytes.len() >= SECRET_LEN_MIN {
            self.raw.push(bytes.to_vec());
        }
    }

    fn add_token(&mut self, token: &TokenChoice) {
        match token {
            TokenChoice::Literal(token) => self.add(Some(token)),
            TokenChoice::Issued | TokenChoice::Invalid => {}
        }
    }

    /// `connect TOKEN SSID PASSWORD`: all behind the network's name is the password.
    fn add_typed(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        if words.next().is_some_and(|command| command.eq_ignore_ascii_case("connect")) {
            self.add_text(words.next().unwrap_or_default());
            words.skip(1).for_each(|word| self.add_text(word));
        }
    }

    fn add_text(&mut self, secret: &str) {
        if secret.len() >= SECRET_LEN_MIN && !self.texts.iter().any(|known| known == secret) {
            self.texts.push(secret.to_owned());
        }
    }
}

/// Stars what has the form of a token: the cloud's own tokens are known to nobody else.
fn without_tokens(text: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match is_token(first) {
            true => rest.find(|c| !is_token(c)).unwrap_or(rest.len()),
            false => rest.find(is_token).unwrap_or(rest.len()),
        };
        let (word, behind) = rest.split_at(end);
        let is_dashes = word.chars().all(|c| c == '-');
        shown += if word.len() == TOKEN_LEN && is_token(first) && !is_dashes { STARS } else { word };
        rest = behind;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORY: &str = "format: 1\ntitle: T\nworld: { routers: [ { name: home, ssid: HomeNet, password: correct horse } ] }\n\
                         steps:\n  - phone: { configure: { ssid: HomeNet, password: wrong horse } }\n\
                         \x20 - console: connect 0123456789abcdef0123456789ABCDE_ HomeNet battery staple\n";

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let scenario = Scenario::parse("story.yaml", STORY).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(Secrets::of(&scenario).clean(text), expected);
    }

    #[test]
    fn passwords_and_tokens_are_starred_and_names_are_not() {
        check("HomeNet: correct horse, wrong horse", "HomeNet: ***, ***");
        check("HomeNet 0123456789abcdef0123456789ABCDE_", "HomeNet ***");
        check("a token of the cloud: abcdefghijklmnopqrstuvwxyz012345.", "a token of the cloud: ***.");
        check("digest 0123456789abcdef, 24-0a-c4-00-01-10", "digest 0123456789abcdef, 24-0a-c4-00-01-10");
    }

    #[test]
    fn nothing_moves_the_cursor() {
        check("\u{1B}[2J", "\u{FFFD}[2J");
        check(&"-".repeat(32), &"-".repeat(32));
    }
}
