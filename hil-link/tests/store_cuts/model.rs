//! Random lives of a store beside the simplest thing that could be one, with random cuts; and random flash.

use firmware_core::config::{Config, ProvisionError};
use firmware_core::hal::UnixTime;
use firmware_core::store::{ATTEMPTS_MAX, Loaded, Store, StoreError, Trial};
use hil_link::cut_flash::{ArrayFlash, Boundary, CutFlash};
use proptest::prelude::*;

use crate::checker::{Flash, Op, Storage, check_settled, check_writable, config, is_readable};

/// What is done, in general: configurations are numbered when it happens.
#[derive(Clone, Copy, Debug)]
enum Deed {
    SaveTrial,
    SaveValid,
    Spend,
    Accept,
    Reject(ProvisionError),
    EraseAll,
    SaveTime,
}

/// Where power goes, as a part of 65536 of all steps, and what it leaves.
#[derive(Clone, Copy, Debug)]
struct Cut {
    part: u16,
    seed: u64,
    begun: bool,
}

#[derive(Clone, Copy, Debug)]
struct Action {
    deed: Deed,
    cut: Option<Cut>,
    /// A cut during the boot that follows a cut.
    cut_repair: Option<Cut>,
    /// Whether the device reboots when nothing was cut.
    reboots: bool,
}

fn any_action() -> impl Strategy<Value = Action> {
    let deed = prop_oneof![
        3 => Just(Deed::SaveTrial),
        2 => Just(Deed::SaveValid),
        3 => Just(Deed::Spend),
        2 => Just(Deed::Accept),
        2 => prop::sample::select(&ProvisionError::ALL[..]).prop_map(Deed::Reject),
        1 => Just(Deed::EraseAll),
        2 => Just(Deed::SaveTime),
    ];
    let cut = || {
        let parts = any::<(u16, u64, bool)>();
        prop::option::of(parts.prop_map(|(part, seed, begun)| Cut { part, seed, begun }))
    };
    let parts = (deed, cut(), cut(), any::<bool>());
    parts.prop_map(|(deed, cut, cut_repair, reboots)| Action { deed, cut, cut_repair, reboots })
}

/// The state that the documentation promises.
fn model(old: &Loaded, op: Op) -> Result<Loaded, StoreError> {
    let valid = old.valid.clone();
    let pending = || old.trial.clone().ok_or(StoreError::NoTrial);
    let fresh = |number| Trial { config: config(number), attempts_left: ATTEMPTS_MAX };
    Ok(match op {
        Op::SaveTrial(number) => Loaded { trial: Some(fresh(number)), valid, ..Loaded::default() },
        Op::SaveValid(number) => Loaded { valid: Some(config(number)), ..Loaded::default() },
        Op::Spend => {
            let mut trial = pending()?;
            trial.attempts_left = trial.attempts_left.checked_sub(1).ok_or(StoreError::NoAttempts)?;
            Loaded { trial: Some(trial), valid, ..Loaded::default() }
        }
        Op::Accept => Loaded { valid: Some(pending()?.config), ..Loaded::default() },
        Op::Reject(error) => {
            pending()?;
            Loaded { valid, last_error: Some(error), ..Loaded::default() }
        }
        Op::EraseAll => Loaded::default(),
        Op::SaveTime(_) => old.clone(),
    })
}

/// Whether a cut may leave the valid configuration alone: only one slot can give way to something new.
fn may_leave_valid_alone(op: Op) -> bool {
    match op {
        Op::SaveTrial(_) | Op::SaveValid(_) | Op::EraseAll => true,
        Op::Spend | Op::Accept | Op::Reject(_) | Op::SaveTime(_) => false,
    }
}

fn number_of(config: &Config) -> u8 {
    config.ssid.as_bytes()[1]
}

/// Arms a cut within what `run` does; `None` when it does nothing that could be cut.
fn arm(flash: &mut Flash, cut: Cut, run: impl FnOnce(&mut Flash)) -> Option<()> {
    let mut copy = flash.clone();
    run(&mut copy);
    let steps = u32::try_from(copy.state().steps - flash.state().steps).unwrap();
    let at = steps * u32::from(cut.part) / 65_536;
    (steps > 0).then(|| {
        flash.state_mut().budget = Some(at);
        flash.state_mut().noise_seed = cut.seed;
        flash.state_mut().boundary = if cut.begun { Boundary::Begun } else { Boundary::AtRest };
    })
}

struct Life {
    store: Store,
    flash: Flash,
    state: Loaded,
    saves: u8,
    /// Marks that may have been torn since the trial was saved; their groups have four words.
    torn_marks: u8,
    /// Days that were kept, or would have been but for a cut: 1 and on.
    days: u16,
    /// The day that is kept.
    day: Option<u16>,
}

impl Life {
    fn act(&mut self, action: Action) -> Result<(), TestCaseError> {
        let op = self.op(action.deed);
        let is_mark = matches!(op, Op::Spend | Op::Accept | Op::Reject(_));
        if is_mark && self.torn_marks >= 3 {
            return Ok(());
        }
        let store = self.store.clone();
        let cut =
            action.cut.and_then(|cut| arm(&mut self.flash, cut, |flash| _ = store.clone().apply(flash, op)));
        let result = self.store.apply(&mut self.flash, op);
        let expected = model(&self.state, op);
        if cut.is_none() {
            prop_assert_eq!(&result, &expected.as_ref().map(|_| ()).map_err(|error| *error), "{:?}", op);
            let before = std::mem::take(&mut self.state);
            self.state = expected.unwrap_or_else(|_| before.clone());
            self.count_marks(op, true);
            self.check_rejected(op, &before)?;
            self.check_day(result.is_ok().then_some(op))?;
            if action.reboots {
                prop_assert_eq!(self.store.load(&mut self.flash), Ok(self.state.clone()), "{:?}", op);
            }
            return self.check_day(None);
        }
        prop_assert!(self.flash.is_dead(), "{:?} with {:?}", op, action.cut);
        self.boot(action.cut_repair)?;
        let found = self.store.load(&mut self.flash).unwrap();
        let before = std::mem::replace(&mut self.state, found.clone());
        let alone = Loaded { valid: before.valid.clone(), ..Loaded::default() };
        let is_new = expected.as_ref() == Ok(&found);
        let is_alone = found == alone && before.valid.is_some() && may_leave_valid_alone(op);
        prop_assert!(found == before || is_new || is_alone, "{:?}: {:?} became {:?}", op, before, found);
        self.count_marks(op, is_new);
        self.check_day(None)?;
        if is_new { self.check_rejected(op, &before) } else { Ok(()) }
    }

    fn op(&mut self, deed: Deed) -> Op {
        let mut next = || {
            self.saves += 1;
            self.saves
        };
        match deed {
            Deed::SaveTrial => Op::SaveTrial(next()),
            Deed::SaveValid => Op::SaveValid(next()),
            Deed::Spend => Op::Spend,
            Deed::Accept => Op::Accept,
            Deed::Reject(error) => Op::Reject(error),
            Deed::EraseAll => Op::EraseAll,
            Deed::SaveTime => {
                self.days += 1;
                Op::SaveTime(self.days)
            }
        }
    }

    /// A time goes with its slot, is never made up, and changes only when another one is kept. `done`: what has been
    /// done to its end since the last time; after a cut or a boot nothing is known but that.
    fn check_day(&mut self, done: Option<Op>) -> Result<(), TestCaseError> {
        let day = self.store.day(&mut self.flash).unwrap();
        let before = std::mem::replace(&mut self.day, day);
        let in_use = self.state.trial.is_some() || self.state.valid.is_some();
        match done {
            Some(Op::SaveTime(new)) if in_use => prop_assert_eq!(day, Some(new)),
            Some(Op::EraseAll) => prop_assert_eq!(day, None),
            Some(Op::Spend | Op::Accept | Op::SaveTime(_)) => prop_assert_eq!(day, before),
            // A record that is replaced takes its time with it.
            Some(Op::SaveTrial(_) | Op::SaveValid(_) | Op::Reject(_)) => prop_assert!(day <= before),
            None => prop_assert!(day <= before || (in_use && day == Some(self.days))),
        }
        Ok(())
    }

    /// Keeps account of what power cuts may have torn: a new record has all its words again.
    fn count_marks(&mut self, op: Op, is_new: bool) {
        match op {
            Op::SaveTrial(_) | Op::SaveValid(_) | Op::EraseAll => {
                self.torn_marks = if is_new { 0 } else { self.torn_marks };
            }
            Op::Spend | Op::Accept | Op::Reject(_) => self.torn_marks += u8::from(!is_new),
            Op::SaveTime(_) => {}
        }
    }

    /// Power comes back, and may go again while boot repairs.
    fn boot(&mut self, cut: Option<Cut>) -> Result<(), TestCaseError> {
        self.flash.power_on();
        self.store = Store::new();
        let armed = cut.and_then(|cut| arm(&mut self.flash, cut, |flash| _ = Store::new().load(flash)));
        if armed.is_some() {
            let _ = self.store.load(&mut self.flash);
            prop_assert!(self.flash.is_dead());
            self.flash.power_on();
            self.store = Store::new();
        }
        Ok(())
    }

    /// A trial that was rejected has no secrets left.
    fn check_rejected(&self, op: Op, before: &Loaded) -> Result<(), TestCaseError> {
        let rejected = before.trial.as_ref().filter(|_| matches!(op, Op::Reject(_)));
        if let Some(trial) = rejected {
            let number = number_of(&trial.config);
            prop_assert!(!is_readable(&self.flash, number), "the secrets of {} are readable", number);
        }
        Ok(())
    }
}

/// Bytes from a seed: stretches of noise and stretches that are blank.
fn arbitrary_flash(mut seed: u64) -> Flash {
    let mut next = || {
        seed = seed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        seed.to_be_bytes()
    };
    let mut flash = CutFlash::new(ArrayFlash::new());
    for stretch in flash.inner_mut().bytes_mut().chunks_mut(64) {
        if next()[0] % 4 != 0 {
            stretch.chunks_mut(8).for_each(|piece| piece.copy_from_slice(&next()));
        }
    }
    flash
}

/// Whatever flash holds, boot answers and settles, every operation returns, and the next save is kept.
#[track_caller]
fn check_any_flash(mut flash: Flash) {
    let fresh = Store::new();
    let mut store = Store::new();
    let found = store.load(&mut flash).unwrap();
    check_settled(&fresh, &mut flash, &found).unwrap();
    for op in [Op::Spend, Op::Accept, Op::Reject(ProvisionError::Cloud)] {
        let expected = model(&found, op).map(|_| ());
        let result = store.clone().apply(&mut flash.clone(), op);
        assert!(result == expected || result == Err(StoreError::Full), "{op:?} of {found:?}: {result:?}");
    }
    let mut copy = flash.clone();
    store.clone().save_time(&mut copy, UnixTime(1 << 31)).unwrap();
    assert_eq!(Store::new().load(&mut copy), Ok(found), "a time is no configuration");
    check_writable(&mut store, &fresh, &mut flash).unwrap();
}

proptest! {
    #[test]
    fn a_store_is_what_its_model_says(actions in prop::collection::vec(any_action(), 1..24)) {
        let flash: Flash = CutFlash::new(ArrayFlash::new());
        let (store, state) = (Store::new(), Loaded::default());
        let mut life = Life { store, flash, state, saves: 0, torn_marks: 0, days: 0, day: None };
        for action in actions {
            life.act(action)?;
        }
        let mut store = Store::new();
        prop_assert_eq!(store.load(&mut life.flash), Ok(life.state));
        prop_assert_eq!(check_writable(&mut store, &Store::new(), &mut life.flash), Ok(()));
    }

    #[test]
    fn any_flash_can_be_booted_from(seed: u64) {
        check_any_flash(arbitrary_flash(seed));
    }

    #[test]
    fn any_damage_can_be_booted_from(
        trial_first: bool,
        ops in prop::sample::subsequence(vec![Op::Spend, Op::Accept, Op::SaveTrial(3), Op::Spend], 0..=4),
        damage in prop::collection::vec((prop_oneof![0..560_usize, 4_096..4_656_usize], any::<u8>()), 1..6),
    ) {
        let mut flash: Flash = CutFlash::new(ArrayFlash::new());
        let mut store = Store::new();
        let first = if trial_first { Op::SaveTrial(1) } else { Op::SaveValid(1) };
        for op in [first, Op::SaveTrial(2)].into_iter().chain(ops) {
            // Some do not fit the state they meet, which does not matter here.
            let _ = store.apply(&mut flash, op);
        }
        for (at, value) in damage {
            flash.inner_mut().bytes_mut()[at] = value;
        }
        check_any_flash(flash);
    }
}
