//! The checker has to find stores that are wrong. A small one stands in: it keeps a number per slot behind a
//! commit word and differs from a sound one in a single place.

use embedded_storage::nor_flash::{NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use firmware_core::store::{Loaded, StoreError};
use hil_link::cut_flash::{CutFlashError, SECTOR_LEN};

use crate::checker::{Flash, Op, Report, Storage, Story, check_every_cut, config};

const COMMITTED: u32 = 0x5AA5_0FF0;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Sound,
    CommitBeforeBody,
    OverTheLiveSlot,
    WithoutErase,
}

#[derive(Clone, PartialEq)]
struct SmallStore(Order);

/// Commit word, sequence, number.
type Words = [u32; 3];

impl SmallStore {
    fn slots(flash: &mut Flash) -> Result<[Words; 2], StoreError> {
        let mut slots = [[0; 3]; 2];
        for (at, words) in (0..).step_by(SECTOR_LEN as usize).zip(&mut slots) {
            let mut bytes = [0; 12];
            flash.read(at, &mut bytes).map_err(failure)?;
            for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
                *word = u32::from_le_bytes(*bytes);
            }
        }
        Ok(slots)
    }

    fn newest(slots: &[Words; 2]) -> Option<usize> {
        (0..2).filter(|slot| slots[*slot][0] == COMMITTED).max_by_key(|slot| slots[*slot][1])
    }

    fn save(&self, flash: &mut Flash, number: u8) -> Result<(), StoreError> {
        let slots = Self::slots(flash)?;
        let newest = Self::newest(&slots);
        let sequence = newest.map_or(0, |slot| slots[slot][1]) + 1;
        let slot = match (newest, self.0) {
            (Some(live), Order::OverTheLiveSlot) => live,
            (Some(live), _) => 1 - live,
            (None, _) => 0,
        };
        let at = u32::try_from(slot).unwrap() * SECTOR_LEN;
        if slots[slot] != [u32::MAX; 3] && self.0 != Order::WithoutErase {
            flash.write(at, &[0; 4]).map_err(failure)?;
            flash.erase(at, at + SECTOR_LEN).map_err(failure)?;
        }
        let body = [sequence.to_le_bytes(), u32::from(number).to_le_bytes()].concat();
        let commit = COMMITTED.to_le_bytes();
        let parts: [(u32, &[u8]); 2] = match self.0 {
            Order::CommitBeforeBody => [(at, &commit), (at + 4, &body)],
            _ => [(at + 4, &body), (at, &commit)],
        };
        parts.into_iter().try_for_each(|(at, bytes)| flash.write(at, bytes).map_err(failure))
    }
}

impl Storage for SmallStore {
    fn load(&mut self, flash: &mut Flash) -> Result<Loaded, StoreError> {
        for (at, words) in (0..).step_by(SECTOR_LEN as usize).zip(Self::slots(flash)?) {
            let end = at + SECTOR_LEN as usize;
            let is_blank = flash.inner().bytes()[at..end].iter().all(|byte| *byte == 0xFF);
            if words[0] != COMMITTED && !is_blank {
                let [from, to] = [at, end].map(|at| u32::try_from(at).unwrap());
                flash.erase(from, to).map_err(failure)?;
            }
        }
        let slots = Self::slots(flash)?;
        let valid = Self::newest(&slots).map(|slot| config(slots[slot][2].to_le_bytes()[0]));
        Ok(Loaded { valid, ..Loaded::default() })
    }

    fn apply(&mut self, flash: &mut Flash, op: Op) -> Result<(), StoreError> {
        match op {
            Op::SaveValid(number) => self.save(flash, number),
            Op::SaveTrial(_) | Op::Spend | Op::Accept | Op::Reject(_) | Op::EraseAll | Op::SaveTime(_) => {
                panic!("this store can only save, not {op:?}")
            }
        }
    }
}

fn failure(error: CutFlashError<NorFlashErrorKind>) -> StoreError {
    StoreError::Flash(error.kind())
}

const STORY: Story = Story {
    name: "a third configuration",
    before: &[Op::SaveValid(1), Op::SaveValid(2)],
    ops: &[Op::SaveValid(3)],
    valid_alone: false,
    gone: &[],
};

#[track_caller]
fn check(order: Order, expected: Result<(), &str>) {
    let found = check_every_cut(&SmallStore(order), &STORY);
    match (&found, expected) {
        (Ok(Report { cuts, .. }), Ok(())) => assert!(*cuts > 16_000, "{cuts}"),
        (Err(found), Err(expected)) => assert!(found.contains(expected), "{order:?}: {found}"),
        (Ok(_), Err(_)) | (Err(_), Ok(())) => panic!("{order:?}: {found:?}"),
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    check(Order::Sound, Ok(()));
    check(Order::CommitBeforeBody, Err("boot found"));
    check(Order::OverTheLiveSlot, Err("boot found Loaded { trial: None, valid: None"));
    check(Order::WithoutErase, Err("SaveValid(3): flash"));
}
