//! What the store does when the flash itself is bad, and what it does not do when all is well.

use embedded_storage::nor_flash::{NorFlash, NorFlashErrorKind};
use firmware_core::config::ProvisionError;
use firmware_core::store::{Loaded, PARTITION_LEN, Store, StoreError, Trial};
use hil_link::cut_flash::{ArrayFlash, CutFlash, FlashOperationKind};

use crate::checker::{Flash, Op, Storage, config, is_readable};

use Op::{Accept, EraseAll, Reject, SaveTrial, SaveValid, Spend};

const REFUSED: StoreError = StoreError::Flash(NorFlashErrorKind::Other);
const DNS: ProvisionError = ProvisionError::Dns;

/// A flash and a booted store after these operations.
#[track_caller]
pub(crate) fn after(ops: &[Op]) -> (Store, Flash) {
    let mut flash = CutFlash::new(ArrayFlash::new());
    let mut store = Store::new();
    for op in ops {
        store.load(&mut flash).unwrap();
        store.apply(&mut flash, *op).unwrap();
    }
    store.load(&mut flash).unwrap();
    while flash.poll_operation().is_some() {}
    (store, flash)
}

/// What the next boot finds.
#[track_caller]
fn check(flash: &mut Flash, expected: Loaded) {
    assert_eq!(Store::new().load(flash), Ok(expected));
}

fn valid(number: u8) -> Loaded {
    Loaded { valid: Some(config(number)), ..Loaded::default() }
}

fn trial(number: u8, attempts_left: u8) -> Loaded {
    Loaded { trial: Some(Trial { config: config(number), attempts_left }), ..Loaded::default() }
}

/// The device loads first. A store that did not would still not write over what it has not looked at.
#[test]
fn a_store_that_has_not_looked_yet_looks_before_it_writes() {
    for ops in [&[SaveValid(1)][..], &[SaveValid(1), SaveValid(2)]] {
        let (_, mut flash) = after(ops);
        let kept = u8::try_from(ops.len()).unwrap();
        assert_eq!(Store::new().apply(&mut flash, SaveTrial(3)), Ok(()));
        check(&mut flash, Loaded { valid: Some(config(kept)), ..trial(3, 3) });
        assert_eq!(Store::new().apply(&mut flash, Accept), Ok(()));
        check(&mut flash, valid(3));
    }
}

#[test]
fn a_failed_erase_keeps_the_valid_configuration_and_is_reported() {
    let (mut store, mut flash) = after(&[SaveValid(1), SaveValid(2)]);
    flash.state_mut().fails_next_erase = true;
    assert_eq!(store.apply(&mut flash, SaveTrial(3)), Err(REFUSED));
    check(&mut flash.clone(), valid(2));
    assert_eq!(store.apply(&mut flash, SaveTrial(3)), Ok(()), "the phone may try again at once");
    check(&mut flash, Loaded { valid: Some(config(2)), ..trial(3, 3) });
}

#[test]
fn a_stuck_sector_keeps_the_valid_configuration_and_is_reported() {
    let (mut store, mut flash) = after(&[SaveValid(1)]);
    flash.state_mut().stuck_sector = Some(1);
    assert_eq!(store.apply(&mut flash, SaveTrial(2)), Err(StoreError::Verify));
    check(&mut flash, valid(1));
}

#[test]
fn without_a_valid_configuration_a_bad_sector_is_left_for_the_other() {
    for stuck in 0..2 {
        let (mut store, mut flash) = after(&[]);
        flash.state_mut().stuck_sector = Some(stuck);
        assert_eq!(store.apply(&mut flash, SaveTrial(1)), Ok(()));
        check(&mut flash, trial(1, 3));
    }
    let (mut store, mut flash) = after(&[SaveTrial(1), Reject(DNS), SaveTrial(2), Reject(DNS)]);
    flash.state_mut().fails_next_erase = true;
    assert_eq!(store.apply(&mut flash, SaveValid(3)), Ok(()));
    check(&mut flash, valid(3));
}

#[test]
fn a_repair_that_fails_does_not_keep_the_device_from_its_configuration() {
    let (mut store, mut flash) = after(&[SaveValid(1)]);
    flash.state_mut().budget = Some(100);
    assert_eq!(store.apply(&mut flash, SaveTrial(2)), Err(REFUSED));
    flash.power_on();
    flash.state_mut().fails_next_erase = true;
    check(&mut flash, Loaded { repair_failed: Some(REFUSED), ..valid(1) });
    check(&mut flash, valid(1));
}

#[test]
fn a_reset_overwrites_what_it_cannot_erase() {
    // The erase that fails is that of the first sector, and of the second.
    for ops in [&[SaveValid(1)][..], &[SaveValid(1), SaveTrial(2)]] {
        let (mut store, mut flash) = after(ops);
        let told = |flash: &Flash| (1..=2).filter(|number| is_readable(flash, *number)).count();
        assert_eq!(told(&flash), ops.len());
        flash.state_mut().fails_next_erase = true;
        assert_eq!(store.apply(&mut flash, EraseAll), Err(REFUSED));
        assert_eq!(told(&flash), 0, "{ops:?}");
        check(&mut flash, Loaded::default());
        assert_eq!(flash.lost_operations(), 0);
    }
}

#[test]
fn a_rejection_that_cannot_be_written_erases_the_trial() {
    let (mut store, mut flash) = after(&[SaveValid(1), SaveTrial(2)]);
    flash.state_mut().stuck_sector = Some(1);
    assert_eq!(store.apply(&mut flash, Reject(DNS)), Ok(()));
    assert!(!is_readable(&flash, 2));
    check(&mut flash, valid(1));

    let (_, mut flash) = after(&[SaveTrial(1)]);
    flash.write(472, &[0; 16]).unwrap();
    let mut store = Store::new();
    store.load(&mut flash).unwrap();
    assert_eq!(store.apply(&mut flash, Reject(DNS)), Ok(()));
    check(&mut flash, Loaded::default());
}

#[test]
fn a_trial_whose_accepted_words_are_all_torn_stays_a_trial() {
    let (mut store, mut flash) = after(&[SaveTrial(1)]);
    flash.write(456, &[0; 16]).unwrap();
    assert_eq!(store.apply(&mut flash, Accept), Err(StoreError::Full));
    check(&mut flash, trial(1, 3));
}

#[test]
fn attempts_count_down_and_end() {
    let (mut store, mut flash) = after(&[SaveTrial(1)]);
    for left in [2, 1, 0] {
        assert_eq!(store.spend_attempt(&mut flash), Ok(left));
        check(&mut flash, trial(1, left));
    }
    assert_eq!(store.spend_attempt(&mut flash), Err(StoreError::NoAttempts));
    check(&mut flash, trial(1, 0));
}

#[test]
fn only_a_pending_trial_can_be_spent_accepted_or_rejected() {
    for before in [&[][..], &[SaveValid(1)], &[SaveTrial(1), Accept], &[SaveTrial(1), Reject(DNS)]] {
        for op in [Spend, Accept, Reject(DNS)] {
            let (mut store, mut flash) = after(before);
            assert_eq!(store.apply(&mut flash, op), Err(StoreError::NoTrial), "{op:?} after {before:?}");
            assert_eq!(flash.poll_operation(), None);
        }
    }
}

#[test]
fn a_boot_without_damage_writes_nothing() {
    for ops in [&[][..], &[SaveTrial(1)], &[SaveValid(1), SaveTrial(2)], &[SaveTrial(1), Reject(DNS)]] {
        let (_, mut flash) = after(ops);
        let steps = flash.state().steps;
        Store::new().load(&mut flash).unwrap();
        assert_eq!(flash.state().steps, steps, "{ops:?}");
    }
}

#[test]
fn a_save_into_a_blank_slot_erases_nothing_and_commits_last() {
    use FlashOperationKind::{Erase, Program};
    let (mut store, mut flash) = after(&[]);
    let mut done = |op| {
        store.apply(&mut flash, op).unwrap();
        let operations = core::iter::from_fn(|| flash.poll_operation());
        operations.map(|operation| (operation.kind, operation.offset, operation.len)).collect::<Vec<_>>()
    };
    assert_eq!(done(SaveTrial(1)), [(Program, 0, 440), (Program, 440, 4)]);
    assert_eq!(done(Spend), [(Program, 488, 4)]);
    assert_eq!(done(Accept), [(Program, 456, 4)]);
    assert_eq!(done(SaveTrial(2)), [(Program, 4_096, 440), (Program, 4_536, 4)]);
    assert_eq!(done(Reject(DNS)), [(Program, 4_568, 4), (Program, 4_432, 104)]);
    let replaced = [(Program, 4_096, 4), (Erase, 4_096, 4_096), (Program, 4_096, 440), (Program, 4_536, 4)];
    assert_eq!(done(SaveValid(3)), replaced);
}

#[test]
fn a_trial_that_a_newer_one_replaced_is_gone_after_the_next_boot() {
    let (mut store, mut flash) = after(&[SaveTrial(1)]);
    store.apply(&mut flash, SaveTrial(2)).unwrap();
    check(&mut flash, trial(2, 3));
    assert!(!is_readable(&flash, 1) && is_readable(&flash, 2));
}

#[test]
fn a_newest_record_that_rots_leaves_the_older_valid_one() {
    let (_, mut flash) = after(&[SaveValid(1), SaveValid(2)]);
    flash.inner_mut().bytes_mut()[4_096 + 404] ^= 0x10;
    check(&mut flash, valid(1));
}

/// A configuration as a firmware with layout 2 might have stored it into the first slot.
pub(crate) fn other_layout() -> Flash {
    let (_, mut flash) = after(&[SaveValid(1)]);
    let bytes = flash.inner_mut().bytes_mut();
    bytes[..16].copy_from_slice(b"EDGC\x02\x00\xA8\x01\x09\x00\x00\x00\x3D\xBD\xFF\xD9");
    flash
}

#[test]
fn a_record_of_another_layout_is_neither_read_nor_destroyed_by_a_boot() {
    let mut flash = other_layout();
    let image = flash.inner().clone();
    check(&mut flash, Loaded { other_layout: true, ..Loaded::default() });
    assert!(*flash.inner() == image);
}

#[test]
fn a_record_of_another_layout_gives_way_to_a_second_configuration_and_to_a_reset() {
    let mut flash = other_layout();
    let mut store = Store::new();
    store.load(&mut flash).unwrap();
    store.apply(&mut flash, SaveTrial(2)).unwrap();
    check(&mut flash, Loaded { other_layout: true, ..trial(2, 3) });
    store.apply(&mut flash, SaveTrial(3)).unwrap();
    check(&mut flash, Loaded { other_layout: true, ..trial(3, 3) });
    let mut reset = flash.clone();
    store.clone().apply(&mut reset, EraseAll).unwrap();
    assert!(reset.inner().bytes().iter().all(|byte| *byte == 0xFF));
    store.apply(&mut flash, Accept).unwrap();
    store.apply(&mut flash, SaveTrial(4)).unwrap();
    check(&mut flash, Loaded { valid: Some(config(3)), ..trial(4, 3) });
}

#[test]
fn a_partition_without_room_for_two_slots_is_refused() {
    let mut flash = CutFlash::new(ArrayFlash::<4_096>::new());
    assert_eq!(Store::new().load(&mut flash), Err(StoreError::TooSmall));
    assert_eq!(Store::new().save_trial(&mut flash, &config(1)), Err(StoreError::TooSmall));
    assert_eq!(PARTITION_LEN, 8_192);
}
