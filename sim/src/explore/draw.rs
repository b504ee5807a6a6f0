//! Draws faults from a seed, each as the line of a scenario file.

use firmware_core::random::{SplitMix64, fnv1a64};

use crate::scenario::World;

/// Faults of one run at most. More of them hide each other.
const FAULTS_MAX: u64 = 8;
/// The largest exponent of a weight: some kinds are up to 64 times as likely as others.
const WEIGHT_EXPONENT_MAX: u64 = 6;
/// A fault strikes within so many frames of the one before.
const FRAMES_MAX: u64 = 30;
/// A record has 440 bytes, with room for what stands behind it.
const RECORD_LEN: u64 = 450;
/// A sector.
const SECTOR_LEN: u64 = 4_096;

/// The faults of one seed.
pub(super) struct Plan {
    /// Each as a step of a scenario file, in the order in which they are armed.
    pub(super) steps: Vec<String>,
}

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Cut,
    Brownout,
    EraseFailure,
    Unplugged,
    RouterPower,
    RouterDhcp,
    RouterDns,
    RouterDeauth,
    RouterFar,
    CloudPower,
    CloudLogin,
    CloudCertificate,
    CloudMute,
    CloudDrops,
    LinkLoss,
    LinkNoise,
    LinkLate,
    Partition,
}

const KINDS: [Kind; 18] = [
    Kind::Cut,
    Kind::Brownout,
    Kind::EraseFailure,
    Kind::Unplugged,
    Kind::RouterPower,
    Kind::RouterDhcp,
    Kind::RouterDns,
    Kind::RouterDeauth,
    Kind::RouterFar,
    Kind::CloudPower,
    Kind::CloudLogin,
    Kind::CloudCertificate,
    Kind::CloudMute,
    Kind::CloudDrops,
    Kind::LinkLoss,
    Kind::LinkNoise,
    Kind::LinkLate,
    Kind::Partition,
];

/// States in which faults begin, the usual ones more often: what waits for a state that never comes holds up all
/// that is armed behind it.
const STATES: [&str; 9] = [
    "configuring",
    "switch-to-sta",
    "connecting-net",
    "connecting-net",
    "connecting-cloud",
    "connecting-cloud",
    "running",
    "running",
    "error",
];

impl Plan {
    /// Draws the faults of a seed: which kinds there are in this run and how likely each is, then up to eight of them.
    pub(super) fn draw(world: &World, seed: u64) -> Self {
        let mut dice = Dice(SplitMix64::new(fnv1a64(b"faults") ^ seed));
        let weights: Vec<(Kind, u64)> = KINDS
            .into_iter()
            .map(|kind| {
                let is_on = dice.one_in(2);
                let weight = 1 << dice.below(WEIGHT_EXPONENT_MAX + 1);
                (kind, if is_on { weight } else { 0 })
            })
            .collect();
        let all: u64 = weights.iter().map(|(_, weight)| weight).sum();
        let count = 1 + dice.below(FAULTS_MAX);
        let mut steps = Vec::new();
        for _ in 0..count {
            let mut left = dice.below(all);
            let kind = weights.iter().find(|(_, weight)| {
                let is_it = left < *weight;
                left = left.saturating_sub(*weight);
                is_it
            });
            steps.extend(kind.and_then(|(kind, _)| kind.draw(world, &mut dice)));
        }
        Self { steps }
    }
}

impl Kind {
    /// A fault of this kind as a step; `None` when the world has nobody whom it could strike.
    fn draw(self, world: &World, dice: &mut Dice) -> Option<String> {
        let device = dice.pick(&world.devices)?.name.as_str();
        let router = dice.pick(&world.routers).map(|router| router.name.as_str());
        let cloud = dice.pick(&world.clouds).map(|cloud| cloud.name.as_str());
        let (who, what) = match self {
            Self::Cut => {
                let len = if dice.one_in(3) { SECTOR_LEN + 1 } else { RECORD_LEN };
                let byte = dice.below(len);
                let (operation, pause) = (1 + dice.below(5), dice.pause());
                let cut = format!("{{ operation: {operation}, byte: {byte}, back_after: {pause} }}");
                return Some(format!("  - {{ who: {device}, arm: {{ cut: {cut} }}, may_fail: true }}"));
            }
            Self::Brownout => {
                return Some(format!(
                    "  - {{ who: {device}, arm: {{ brownout: radio-start }}, may_fail: true }}"
                ));
            }
            Self::EraseFailure => {
                return Some(format!("  - {{ who: {device}, arm: erase-failure, may_fail: true }}"));
            }
            Self::Unplugged => (Some(device), "power: cycle".to_owned()),
            Self::RouterPower => (Some(router?), format!("router: {{ power: {} }}", dice.switch())),
            Self::RouterDhcp => {
                let mode = dice.word(&["silent", "nak", "normal", "{ lease: 2m }"]);
                (Some(router?), format!("router: {{ dhcp: {mode} }}"))
            }
            Self::RouterDns => {
                let mode = dice.word(&["silent", "nxdomain", "servfail", "normal"]);
                (Some(router?), format!("router: {{ dns: {mode} }}"))
            }
            Self::RouterDeauth => (Some(router?), "router: { deauth: true }".to_owned()),
            Self::RouterFar => (Some(router?), format!("router: {{ rssi: -{} }}", 40 + dice.below(60))),
            Self::CloudPower => (Some(cloud?), format!("cloud: {{ power: {} }}", dice.switch())),
            Self::CloudLogin => {
                let answer = dice.word(&["silent", "normal", "2", "3", "9", "20"]);
                (Some(cloud?), format!("cloud: {{ login: {answer} }}"))
            }
            Self::CloudCertificate => {
                let kind = dice.word(&["wrong-name", "expired", "unknown-authority", "good"]);
                (Some(cloud?), format!("cloud: {{ certificate: {kind} }}"))
            }
            Self::CloudMute => (Some(cloud?), format!("cloud: {{ mute: {} }}", dice.one_in(2))),
            Self::CloudDrops => (Some(cloud?), "cloud: { drop_connections: true }".to_owned()),
            Self::LinkLoss => (None, format!("link: {{ loss_permille: {} }}", dice.below(400))),
            Self::LinkNoise => {
                let [corrupt, reorder, duplicate] = [dice.below(100), dice.below(300), dice.below(300)];
                let what = format!(
                    "link: {{ corrupt_permille: {corrupt}, reorder_permille: {reorder}, duplicate_permille: {duplicate} }}"
                );
                (None, what)
            }
            Self::LinkLate => (None, format!("link: {{ latency: {}ms }}", dice.below(3_000))),
            Self::Partition => {
                let [from, to] = match dice.below(4) {
                    0 => [device, world.phones.first()?.name.as_str()],
                    1 => [router?, cloud?],
                    _ => [device, router?],
                };
                let what = match dice.below(3) {
                    0 => format!("{{ from: {from}, to: {to} }}"),
                    1 => format!("{{ from: {to}, to: {from} }}"),
                    _ => format!("[{from}, {to}]"),
                };
                (None, format!("link: {{ partition: {what} }}"))
            }
        };
        let who = who.map_or_else(String::new, |who| format!("who: {who}, "));
        let at = dice.point(device);
        Some(format!("  - {{ {who}arm: {{ {what} }}, at: {at}, may_fail: true }}"))
    }
}

struct Dice(SplitMix64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0.below(limit)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn pick<'t, T>(&mut self, items: &'t [T]) -> Option<&'t T> {
        let place = self.below(items.len() as u64);
        items.get(usize::try_from(place).ok()?)
    }

    fn word<'t>(&mut self, words: &[&'t str]) -> &'t str {
        self.pick(words).copied().unwrap_or_default()
    }

    fn switch(&mut self) -> &'static str {
        self.word(&["off", "off", "on"])
    }

    /// How long power is gone: a flicker, or long enough for everybody to notice.
    fn pause(&mut self) -> String {
        match self.below(3) {
            0 => format!("{}ms", 1 + self.below(500)),
            1 => format!("{}s", 1 + self.below(20)),
            _ => format!("{}s", 20 + self.below(280)),
        }
    }

    /// When a fault strikes.
    fn point(&mut self, device: &str) -> String {
        if self.one_in(4) {
            return format!("{{ state: {}, of: {device} }}", self.word(&STATES));
        }
        let frame = 1 + self.below(FRAMES_MAX);
        format!("{{ frame: {frame}, {}: {device} }}", self.word(&["from", "to"]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    /// Every kind is a step that the language takes, and a seed always draws the same.
    #[test]
    fn what_is_drawn_can_be_written_in_a_scenario() {
        let head = "format: 1\ntitle: T\nworld:\n  routers: [{ name: home, ssid: H, password: correct horse }]\nsteps:\n";
        let world = Scenario::parse("story.yaml", &format!("{head}  - power: on\n"));
        let world = world.unwrap_or_else(|error| panic!("{error}")).world;
        let mut dice = Dice(SplitMix64::new(1));
        for kind in KINDS.into_iter().cycle().take(40 * KINDS.len()) {
            let step = kind.draw(&world, &mut dice).expect("there is somebody of every kind");
            Scenario::parse("story.yaml", &format!("{head}{step}\n"))
                .unwrap_or_else(|error| panic!("{error}"));
        }
        for seed in 0..100 {
            let steps = Plan::draw(&world, seed).steps;
            assert!(steps.len() <= 8);
            assert_eq!(steps, Plan::draw(&world, seed).steps);
        }
    }
}
