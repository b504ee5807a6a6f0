//! Cuts power at every step of a story and judges what the next boot finds. It knows no store from the inside,
//! so that a wrong one can be put in the right one's place.

use std::collections::BTreeSet;

use firmware_core::config::{Config, Host, Passphrase, ProvisionError, Ssid, Token};
use firmware_core::hal::UnixTime;
use firmware_core::store::{Loaded, Store, StoreError};
use hil_link::cut_flash::{ArrayFlash, Boundary, CutFlash};

pub(crate) type Flash = CutFlash<ArrayFlash<8_192>>;

/// How many different remains of an interrupted operation are tried at every step.
pub(crate) const NOISE_SEEDS: u64 = 4;
/// The same where an operation has just begun: an erase may have disturbed any part of the whole sector then.
pub(crate) const NOISE_SEEDS_BEGUN: u64 = 512;

/// What a device does with its store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    SaveTrial(u8),
    SaveValid(u8),
    Spend,
    Accept,
    Reject(ProvisionError),
    EraseAll,
    /// Keeps the time of this day.
    SaveTime(u16),
}

/// A store, as a device uses it.
pub(crate) trait Storage: Clone + PartialEq {
    fn load(&mut self, flash: &mut Flash) -> Result<Loaded, StoreError>;
    fn apply(&mut self, flash: &mut Flash, op: Op) -> Result<(), StoreError>;
    /// The day that is kept, if the store keeps any.
    fn day(&mut self, _flash: &mut Flash) -> Result<Option<u16>, StoreError> {
        Ok(None)
    }
}

impl Storage for Store {
    fn load(&mut self, flash: &mut Flash) -> Result<Loaded, StoreError> {
        Self::load(self, flash)
    }

    fn apply(&mut self, flash: &mut Flash, op: Op) -> Result<(), StoreError> {
        match op {
            Op::SaveTrial(number) => self.save_trial(flash, &config(number)),
            Op::SaveValid(number) => self.save_valid(flash, &config(number)),
            Op::Spend => self.spend_attempt(flash).map(|_| ()),
            Op::Accept => self.accept(flash),
            Op::Reject(error) => self.reject(flash, error),
            Op::EraseAll => self.erase_all(flash),
            Op::SaveTime(day) => self.save_time(flash, time_of(day)).map(|_| ()),
        }
    }

    fn day(&mut self, flash: &mut Flash) -> Result<Option<u16>, StoreError> {
        let time = self.load_time(flash)?;
        Ok(time.map(|time| {
            let day = u16::try_from(time.0.wrapping_sub(FIRST_DAY_S) / DAY_S).unwrap_or(u16::MAX);
            assert_eq!(time, time_of(day), "a time that nobody has kept");
            day
        }))
    }
}

/// Seconds between two times that are kept: one more than a day, so that each is worth an entry.
const DAY_S: u64 = 86_401;
/// 2026-01-01T00:00:00Z.
const FIRST_DAY_S: u64 = 1_767_225_600;

/// The time that stands for this day.
pub(crate) fn time_of(day: u16) -> UnixTime {
    UnixTime(FIRST_DAY_S + u64::from(day) * DAY_S)
}

/// The configuration with this number; every field differs between two of them.
pub(crate) fn config(number: u8) -> Config {
    let letter = char::from(b'a' + number % 26);
    let text = |len: usize| String::from(letter).repeat(len);
    Config {
        ssid: Ssid::new(&[b'#', number]).unwrap(),
        passphrase: Passphrase::new(
            format!("pass-{number:03}-{}", text(usize::from(number) % 50)).as_bytes(),
        )
        .unwrap(),
        token: Token::new(format!("token-{number:03}-{}", text(22)).as_bytes()).unwrap(),
        host: Host::try_from(format!("{letter}.example").as_str()).unwrap(),
        port: 8_000 + u16::from(number),
        static_ip: None,
    }
}

/// Whether a part of a configuration's secrets that identifies it stands anywhere in flash.
pub(crate) fn is_readable(flash: &Flash, number: u8) -> bool {
    let config = config(number);
    let (passphrase, token) = (config.passphrase.expose(), config.token.expose());
    // Eight bytes of the passphrase and ten of the token hold the number.
    let parts = [&passphrase[..8], &token[..10], &passphrase[1..9], &token[2..12]];
    parts.iter().any(|part| flash.inner().bytes().windows(part.len()).any(|found| found == *part))
}

/// One story: what came before, what is cut, and what may be found besides the states that it passes.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) before: &'static [Op],
    pub(crate) ops: &'static [Op],
    /// Whether a cut may leave the valid configuration alone, without the trial or verdict that was newest.
    ///
    /// With a valid record in one slot there is only the other to write to, so what it held has to go first.
    pub(crate) valid_alone: bool,
    /// Configurations whose secrets must be gone once the last state is reached.
    pub(crate) gone: &'static [u8],
}

/// What was tried.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Report {
    pub(crate) steps: u32,
    pub(crate) cuts: u32,
}

/// Cuts a story at every step with every noise; says where it went wrong.
pub(crate) fn check_every_cut<S: Storage>(fresh: &S, story: &Story) -> Result<Report, String> {
    let (mut store, mut flash) = (fresh.clone(), CutFlash::new(ArrayFlash::new()));
    let fail = |what: String| format!("{}: {what}", story.name);
    for op in story.before {
        store.load(&mut flash).map_err(|error| fail(format!("load before: {error}")))?;
        store.apply(&mut flash, *op).map_err(|error| fail(format!("{op:?} before: {error}")))?;
    }
    let old = store.load(&mut flash).map_err(|error| fail(format!("load before: {error}")))?;
    while flash.poll_operation().is_some() {}
    let day = store.day(&mut flash).map_err(|error| fail(format!("time before: {error}")))?;
    let start = (store, flash);

    let valid_alone = story.valid_alone.then(|| Loaded { valid: old.valid.clone(), ..Loaded::default() });
    // What is found after how many steps, in order.
    let mut states = vec![(0, old)];
    let mut days = vec![day];
    // Whatever erases a slot takes the time there with it; nothing else may lose or change it.
    if story.ops.iter().any(|op| matches!(op, Op::SaveTrial(_) | Op::SaveValid(_) | Op::EraseAll)) {
        let kept = |op: &Op| if let Op::SaveTime(day) = op { Some(Some(*day)) } else { None };
        days.extend(story.before.iter().filter_map(kept).chain([None]));
    }
    let (mut store, mut flash) = start.clone();
    let mut boundaries = BTreeSet::from([0]);
    let mut steps = 0;
    for op in story.ops {
        store.apply(&mut flash, *op).map_err(|error| fail(format!("{op:?}: {error}")))?;
        while let Some(operation) = flash.poll_operation() {
            steps += operation.len;
            boundaries.insert(steps);
        }
        let (mut booted, mut copy) = (fresh.clone(), flash.clone());
        let found = booted.load(&mut copy).map_err(|error| fail(format!("load after {op:?}: {error}")))?;
        states.push((steps, found));
        days.push(booted.day(&mut copy).map_err(|error| fail(format!("time after {op:?}: {error}")))?);
    }

    let mut report = Report { steps, cuts: 0 };
    let mut seen = None;
    let mut try_cut = |at: u32, seed: u64, boundary: Boundary| {
        report.cuts += 1;
        let finished = states.iter().rposition(|(end, _)| *end <= at).unwrap_or(0);
        // The state before what was cut, and the one after it; none that went before.
        let old_or_new = states.iter().skip(finished).take(2).map(|(_, state)| state);
        let permitted = Permitted {
            states: old_or_new.chain(&valid_alone).collect(),
            done: states.last().map(|(_, state)| state),
            days: &days,
        };
        let cut = Cut { at, seed, boundary, is_last: at == steps };
        check_cut(fresh, &start, story, &permitted, cut, &mut seen)
            .map_err(|what| fail(format!("cut at {at} of {steps}, seed {seed}, {boundary:?}: {what}")))
    };
    for at in 0..=steps {
        let is_boundary = boundaries.contains(&at);
        if is_boundary {
            try_cut(at, 0, Boundary::AtRest)?;
        }
        if at < steps {
            let seeds = if is_boundary { NOISE_SEEDS_BEGUN } else { NOISE_SEEDS };
            (0..seeds).try_for_each(|seed| try_cut(at, seed, Boundary::Begun))?;
        }
    }
    Ok(report)
}

#[derive(Clone, Copy)]
struct Cut {
    at: u32,
    seed: u64,
    boundary: Boundary,
    is_last: bool,
}

/// What a boot after a cut may find.
struct Permitted<'a> {
    states: Vec<&'a Loaded>,
    /// The state in which the story ends.
    done: Option<&'a Loaded>,
    days: &'a [Option<u16>],
}

fn check_cut<S: Storage>(
    fresh: &S,
    start: &(S, Flash),
    story: &Story,
    permitted: &Permitted<'_>,
    cut: Cut,
    seen: &mut Option<(S, Flash)>,
) -> Result<(), String> {
    let (mut store, mut flash) = start.clone();
    flash.state_mut().budget = Some(cut.at);
    flash.state_mut().noise_seed = cut.seed;
    flash.state_mut().boundary = cut.boundary;
    let result = story.ops.iter().try_for_each(|op| store.apply(&mut flash, *op));
    if result.is_ok() || !flash.is_dead() {
        return Err(format!("power did not go: {result:?}"));
    }
    flash.power_on();

    let mut store = fresh.clone();
    let found = store.load(&mut flash).map_err(|error| format!("boot: {error}"))?;
    if !permitted.states.contains(&&found) {
        return Err(format!("boot found {found:?}"));
    }
    let day = store.day(&mut flash).map_err(|error| format!("time: {error}"))?;
    let days = permitted.days;
    if !days.contains(&day) {
        return Err(format!("boot found day {day:?}, not one of {days:?}"));
    }
    let is_done = permitted.done == Some(&found);
    if cut.is_last && !(is_done && days.last() == Some(&day)) {
        return Err(format!("all was written, and boot found {found:?} and day {day:?}"));
    }
    // Most cuts leave, once repaired, what the cut before them left. That has been judged.
    if seen.as_ref().is_some_and(|(judged, bytes)| *judged == store && bytes.inner() == flash.inner()) {
        return Ok(());
    }
    if let Some(number) = story.gone.iter().find(|number| is_done && is_readable(&flash, **number)) {
        return Err(format!("secrets of configuration {number} are readable"));
    }
    check_settled(fresh, &mut flash, &found)?;
    *seen = Some((store.clone(), flash.clone()));
    check_writable(&mut store, fresh, &mut flash)
}

/// A second boot must find the same and have nothing left to repair.
pub(crate) fn check_settled<S: Storage>(fresh: &S, flash: &mut Flash, found: &Loaded) -> Result<(), String> {
    let steps = flash.state().steps;
    let again = fresh.clone().load(flash).map_err(|error| format!("second boot: {error}"))?;
    if again != *found {
        return Err(format!("the second boot found {again:?} after {found:?}"));
    }
    if flash.state().steps == steps { Ok(()) } else { Err("the second boot still repaired something".into()) }
}

/// Whatever was left, the next configuration must be stored.
pub(crate) fn check_writable<S: Storage>(store: &mut S, fresh: &S, flash: &mut Flash) -> Result<(), String> {
    const NEXT: u8 = 200;
    store.apply(flash, Op::SaveValid(NEXT)).map_err(|error| format!("not writable: {error}"))?;
    let found = fresh.clone().load(flash).map_err(|error| format!("boot after the next save: {error}"))?;
    let expected = Loaded { valid: Some(config(NEXT)), ..Loaded::default() };
    if found == expected { Ok(()) } else { Err(format!("the next save was lost: {found:?}")) }
}
