//! Draws faults from a seed, each as the line of a scenario file.

#[cfg(test)]
mod tests;

use firmware_core::random::{SplitMix64, fnv1a64};

use crate::scenario::{Cloud, World};

/// Faults of one run at most. More of them hide each other.
const FAULTS_MAX: u64 = 8;
/// The largest exponent of a weight: some kinds are up to 64 times as likely as others.
const WEIGHT_EXPONENT_MAX: u64 = 6;
/// A fault strikes within so many frames of the one before.
const FRAMES_MAX: u64 = 30;
/// A record has 440 bytes, with room for what stands behind it.
const RECORD_LEN: u64 = 450;
/// What a record and its marks take of its sector, with room for what stands behind them.
const SLOT_USED_LEN: u64 = 520;
/// A sector.
const SECTOR_LEN: u64 = 4_096;
/// The head of a record that another version of the firmware wrote, as in `scenarios/cases/power`.
const OTHER_LAYOUT: &str = "\"454447430200580207000000c7a9126b\"";
/// A counter of milliseconds in 32 bits begins anew.
const WRAP_MS: u64 = 1 << 32;
/// It does so this long after a boot at most, when a device is still being set up.
const WRAP_LEFT_MAX_MS: u64 = 120_000;
/// The first reason codes of IEEE 802.11, which every driver knows.
const DEAUTH_REASONS: u64 = 24;

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
    ScanFailure,
    Unplugged,
    RouterPower,
    RouterDhcp,
    RouterDns,
    RouterDeauth,
    RouterFar,
    CloudPower,
    CloudLogin,
    CloudCertificate,
    CloudHandshake,
    CloudMute,
    CloudDrops,
    LinkLoss,
    LinkNoise,
    LinkLate,
    Partition,
    Reset,
    Button,
    RouterMoves,
    RouterSecurity,
    RouterHides,
    RouterSlow,
    RouterFull,
    CloudRefuses,
    CloudDelay,
    CloudAfterLogin,
    CloudStrange,
    CloudRevokes,
    LinkMtu,
    Held,
    FlashDamage,
    ClockDrift,
    ClockWraps,
    CloudRedirects,
    PhoneHabit,
    PhoneSystem,
    PhoneWanders,
    PhoneLeaves,
    PhoneCrowds,
    PhoneAsks,
    FlashBreaks,
    RouterPassword,
    RouterSubnet,
    CloudDeletes,
    CloudWrites,
    CloudPieces,
    RouterTime,
}

const KINDS: [Kind; 51] = [
    Kind::Cut,
    Kind::Brownout,
    Kind::EraseFailure,
    Kind::ScanFailure,
    Kind::Unplugged,
    Kind::RouterPower,
    Kind::RouterDhcp,
    Kind::RouterDns,
    Kind::RouterDeauth,
    Kind::RouterFar,
    Kind::CloudPower,
    Kind::CloudLogin,
    Kind::CloudCertificate,
    Kind::CloudHandshake,
    Kind::CloudMute,
    Kind::CloudDrops,
    Kind::LinkLoss,
    Kind::LinkNoise,
    Kind::LinkLate,
    Kind::Partition,
    Kind::Reset,
    Kind::Button,
    Kind::RouterMoves,
    Kind::RouterSecurity,
    Kind::RouterHides,
    Kind::RouterSlow,
    Kind::RouterFull,
    Kind::CloudRefuses,
    Kind::CloudDelay,
    Kind::CloudAfterLogin,
    Kind::CloudStrange,
    Kind::CloudRevokes,
    Kind::LinkMtu,
    Kind::Held,
    Kind::FlashDamage,
    Kind::ClockDrift,
    Kind::ClockWraps,
    Kind::CloudRedirects,
    Kind::PhoneHabit,
    Kind::PhoneSystem,
    Kind::PhoneWanders,
    Kind::PhoneLeaves,
    Kind::PhoneCrowds,
    Kind::PhoneAsks,
    Kind::FlashBreaks,
    Kind::RouterPassword,
    Kind::RouterSubnet,
    Kind::CloudDeletes,
    Kind::CloudWrites,
    Kind::CloudPieces,
    Kind::RouterTime,
];

/// States in which faults begin, the usual ones more often: what waits for a state that never comes holds up all
/// that is armed behind it.
const STATES: [&str; 10] = [
    "wait-config",
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
        let cloud = dice.pick(&world.clouds);
        let phone = dice.pick(&world.phones).map(|phone| phone.name.as_str());
        if let Some(fault) = self.own_fault(dice) {
            return Some(format!("  - {{ who: {device}, arm: {fault}, may_fail: true }}"));
        }
        let (who, what) = if let Some(change) = self.device_change(dice) {
            (Some(device), change)
        } else if let Some(change) = self.router_change(dice) {
            (Some(router?), change)
        } else if let Some(change) = self.cloud_change(device, cloud?, dice) {
            (Some(cloud?.name.as_str()), change)
        } else if let Some(action) = self.phone_action(dice) {
            (Some(phone?), format!("phone: {action}"))
        } else {
            (None, self.air_change([device, router?, cloud?.name.as_str(), phone?], dice)?)
        };
        let who = who.map_or_else(String::new, |who| format!("who: {who}, "));
        let at = dice.point(device);
        Some(format!("  - {{ {who}arm: {{ {what} }}, at: {at}, may_fail: true }}"))
    }

    /// What happens in the device itself, without a point of its own.
    fn own_fault(self, dice: &mut Dice) -> Option<String> {
        Some(match self {
            Self::Cut => {
                let len = if dice.one_in(3) { SECTOR_LEN + 1 } else { RECORD_LEN };
                let byte = dice.below(len);
                let (operation, pause) = (1 + dice.below(5), dice.pause());
                format!("{{ cut: {{ operation: {operation}, byte: {byte}, back_after: {pause} }} }}")
            }
            Self::Brownout => "{ brownout: radio-start }".to_owned(),
            Self::EraseFailure => "erase-failure".to_owned(),
            Self::ScanFailure => "scan-failure".to_owned(),
            _ => return None,
        })
    }

    /// What happens to a device from outside.
    fn device_change(self, dice: &mut Dice) -> Option<String> {
        Some(match self {
            Self::Unplugged => "power: cycle".to_owned(),
            Self::Reset => format!("power: {}", dice.word(&["watchdog", "brownout"])),
            Self::Button => {
                let hold = dice.word(&["200ms", "4s", "9s", "11s", "40s"]);
                if dice.one_in(2) {
                    format!("button: {{ hold: {hold} }}")
                } else {
                    let [first, more] = [1 + dice.below(60), 1 + dice.below(60)];
                    let bounces = format!("[{first}ms, {}ms]", first + more);
                    format!("button: {{ bouncing: {{ hold: {hold}, bounces: {bounces} }} }}")
                }
            }
            Self::FlashDamage => match dice.below(8) {
                0 => "flash: { fill: noise }".to_owned(),
                1 => format!("flash: {{ fill: {} }}", dice.word(&["zeros", "erased"])),
                2 => {
                    let at = dice.below(2) * SECTOR_LEN;
                    format!("flash: {{ fill: erased, write: {{ at: {at}, bytes: {OTHER_LAYOUT} }} }}")
                }
                _ => {
                    // A record stands at the beginning of a sector.
                    let byte = dice.below(2) * SECTOR_LEN + dice.below(SLOT_USED_LEN);
                    format!("flash: {{ flip: {{ byte: {byte}, bit: {} }} }}", dice.below(8))
                }
            },
            Self::FlashBreaks => match dice.below(2) {
                0 => format!("flash: {{ stuck_sector: {} }}", dice.below(2)),
                _ => format!("flash: {{ erases_max: {} }}", 1 + dice.below(4)),
            },
            Self::ClockDrift => {
                // A quartz, one out of its range, and an oscillator without one.
                let most = dice.pick(&[50, 1_000, 100_000]).copied().unwrap_or(1);
                let sign = dice.word(&["", "-"]);
                format!("clock: {{ drift_ppm: {sign}{} }}", 1 + dice.below(most))
            }
            Self::ClockWraps => {
                let left = dice.below(WRAP_LEFT_MAX_MS);
                format!("clock: {{ uptime: {}ms }}", WRAP_MS - left)
            }
            _ => return None,
        })
    }

    /// What changes about a router.
    fn router_change(self, dice: &mut Dice) -> Option<String> {
        Some(match self {
            Self::RouterPower => format!("router: {{ power: {} }}", dice.switch()),
            Self::RouterDhcp => {
                let mode = dice.word(&[
                    "silent",
                    "nak",
                    "exhausted",
                    "in-use",
                    "normal",
                    "{ lease: 2m }",
                    "{ pool: 1 }",
                ]);
                format!("router: {{ dhcp: {mode} }}")
            }
            Self::RouterDns => {
                let mode = dice.word(&["silent", "nxdomain", "servfail", "truncated", "captive", "normal"]);
                format!("router: {{ dns: {mode} }}")
            }
            Self::RouterDeauth => {
                let reason = 1 + dice.below(DEAUTH_REASONS);
                format!("router: {{ deauth: true, deauth_reason: {reason} }}")
            }
            Self::RouterFar => format!("router: {{ rssi: -{} }}", 40 + dice.below(60)),
            // The device does not hear the band of the last two.
            Self::RouterMoves => match 1 + dice.below(15) {
                channel @ ..14 => format!("router: {{ channel: {channel} }}"),
                other => format!("router: {{ channel: {} }}", 36 + 4 * (other - 14)),
            },
            Self::RouterSecurity => {
                let security = dice.word(&[
                    "open",
                    "wep",
                    "wpa",
                    "wpa2",
                    "wpa-wpa2",
                    "wpa3",
                    "wpa2-wpa3",
                    "wpa2-enterprise",
                ]);
                format!("router: {{ security: {security} }}")
            }
            Self::RouterHides => format!("router: {{ hidden: {} }}", dice.one_in(2)),
            Self::RouterSlow => {
                format!("router: {{ join_delay: {}ms }}", dice.below(10_000))
            }
            Self::RouterPassword => "router: { password: another horse }".to_owned(),
            // That of the device's own access point, and others.
            Self::RouterSubnet => {
                let subnet = dice.word(&["192.168.4.0/24", "192.168.0.0/16", "10.0.0.0/24"]);
                format!("router: {{ subnet: {subnet} }}")
            }
            // Whoever looks at certificates asks for it; 900 days are longer than one of a public authority is good.
            Self::RouterTime => {
                let mode = dice.word(&[
                    "silent",
                    "kiss",
                    "normal",
                    "{ ahead: 1h }",
                    "{ ahead: 900d }",
                    "{ behind: 1h }",
                    "{ behind: 900d }",
                ]);
                format!("router: {{ ntp: {mode} }}")
            }
            Self::RouterFull => format!("router: {{ stations_max: {} }}", dice.below(3)),
            _ => return None,
        })
    }

    /// What changes about a cloud.
    fn cloud_change(self, device: &str, cloud: &Cloud, dice: &mut Dice) -> Option<String> {
        Some(match self {
            Self::CloudPower => format!("cloud: {{ power: {} }}", dice.switch()),
            Self::CloudLogin => {
                let answer = dice.word(&["silent", "normal", "2", "3", "9", "20"]);
                format!("cloud: {{ login: {answer} }}")
            }
            Self::CloudCertificate => {
                let kind = dice.word(&["wrong-name", "expired", "unknown-authority", "good"]);
                format!("cloud: {{ certificate: {kind} }}")
            }
            Self::CloudHandshake => {
                let what = dice.word(&["silent", "cut", "normal"]);
                format!("cloud: {{ handshake: {what} }}")
            }
            Self::CloudMute => format!("cloud: {{ mute: {} }}", dice.one_in(2)),
            Self::CloudDrops => "cloud: { drop_connections: true }".to_owned(),
            Self::CloudRefuses => format!("cloud: {{ refuse: {} }}", dice.one_in(2)),
            Self::CloudDelay => format!("cloud: {{ delay: {}ms }}", dice.below(20_000)),
            Self::CloudAfterLogin => {
                let what = dice.word(&["drop", "mute", "normal"]);
                format!("cloud: {{ after_login: {what} }}")
            }
            Self::CloudStrange => {
                let frame = dice.word(&["oversize", "id-zero", "unknown-command"]);
                format!("cloud: {{ send: {frame} }}")
            }
            Self::CloudRevokes => {
                let after = dice.word(&["", ", revoke_after: 30s"]);
                format!("cloud: {{ revoke_token: {device}{after} }}")
            }
            Self::CloudDeletes => format!("cloud: {{ delete_device: {device} }}"),
            Self::CloudWrites => {
                let (pin, value) = (dice.below(10), dice.below(100));
                format!("cloud: {{ write: {{ device: {device}, pin: V{pin}, value: {value} }} }}")
            }
            Self::CloudPieces => match dice.below(3) {
                0 => format!("cloud: {{ split: {} }}", dice.below(20)),
                1 => format!("cloud: {{ coalesce: {}ms }}", dice.below(5_000)),
                _ => format!("cloud: {{ reorder: {}ms }}", dice.below(5_000)),
            },
            // To itself, again and again.
            Self::CloudRedirects => format!("cloud: {{ redirect_to: {} }}", cloud.hosts.first()?),
            _ => return None,
        })
    }

    /// What a phone does beside what it is about, or is like from now on.
    fn phone_action(self, dice: &mut Dice) -> Option<String> {
        let paths = ["/", "/board_info.json", "/wifi_scan.json", "/nowhere", "/config", "/generate_204"];
        Some(match self {
            Self::PhoneHabit => {
                let habit = dice.word(&[
                    "double-submit",
                    "close-before-reply",
                    "parallel-fetch",
                    "slow-sender",
                    "{ drip: 9 }",
                    "random-mac",
                ]);
                format!("{{ behave: {{ habits: [{habit}] }} }}")
            }
            Self::PhoneSystem => {
                let os = dice.word(&["ios", "android", "android-11", "windows"]);
                let after = 1 + dice.below(60);
                format!("{{ behave: {{ os: {os}, goes_cellular_after: {after}s }} }}")
            }
            Self::PhoneWanders => {
                format!("{{ behave: {{ leaves_ap_after: {}s }} }}", 1 + dice.below(60))
            }
            Self::PhoneLeaves => "leave".to_owned(),
            Self::PhoneCrowds => {
                let count = 1 + dice.below(12);
                match dice.below(3) {
                    0 => format!("{{ parallel: {{ path: {}, count: {count} }} }}", dice.word(&paths)),
                    _ => format!("{{ half-open: {count} }}"),
                }
            }
            Self::PhoneAsks => match dice.below(5) {
                0 => "browse".to_owned(),
                1 => {
                    let record = dice.word(&["a", "aaaa", "https"]);
                    let name = dice.word(&["blynk.setup", "captive.apple.com"]);
                    format!(
                        "{{ lookup: {{ name: {name}, record: {record}, edns: true, expect_code: no-error }} }}"
                    )
                }
                2 => format!("{{ request: {{ path: /, big_header: {} }} }}", 1 + dice.below(8_000)),
                3 => {
                    let count = 2 + dice.below(6);
                    format!("{{ request: {{ path: {}, pipelined: {count} }} }}", dice.word(&paths))
                }
                _ => {
                    let [method, path] = [dice.word(&["GET", "POST", "HEAD"]), dice.word(&paths)];
                    format!("{{ request: {{ path: {path}, method: {method} }} }}")
                }
            },
            _ => return None,
        })
    }

    /// What changes about the air, between these and others.
    fn air_change(self, [device, router, cloud, phone]: [&str; 4], dice: &mut Dice) -> Option<String> {
        Some(match self {
            Self::LinkLoss => format!("link: {{ loss_permille: {} }}", dice.below(400)),
            Self::LinkNoise => {
                let [corrupt, reorder, duplicate] = [dice.below(100), dice.below(300), dice.below(300)];
                format!(
                    "link: {{ corrupt_permille: {corrupt}, reorder_permille: {reorder}, duplicate_permille: {duplicate} }}"
                )
            }
            Self::LinkLate => {
                let [latency, jitter] = [dice.below(3_000), dice.below(300)];
                format!("link: {{ latency: {latency}ms, jitter: {jitter}ms }}")
            }
            Self::LinkMtu => format!("link: {{ mtu: {} }}", 68 + dice.below(1_400)),
            Self::Partition => {
                let [from, to] = match dice.below(4) {
                    0 => [device, phone],
                    1 => [router, cloud],
                    _ => [device, router],
                };
                let what = match dice.below(3) {
                    0 => format!("{{ from: {from}, to: {to} }}"),
                    1 => format!("{{ from: {to}, to: {from} }}"),
                    _ => format!("[{from}, {to}]"),
                };
                format!("link: {{ partition: {what} }}")
            }
            Self::Held => format!("link: {{ hold: [{device}, {router}] }}"),
            _ => return None,
        })
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
