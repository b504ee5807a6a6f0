//! The last known time: where it stands, when it is written, and what cannot be taken for one.

use firmware_core::hal::UnixTime;
use firmware_core::store::{Store, StoreError};
use hil_link::cut_flash::FlashOperationKind;

use crate::checker::{Flash, Op, Storage, time_of};
use crate::faults::{after, other_layout};

use Op::{Accept, EraseAll, Reject, SaveTime, SaveTrial, SaveValid};

const DNS: firmware_core::config::ProvisionError = firmware_core::config::ProvisionError::Dns;

/// The time that a new boot finds.
#[track_caller]
fn kept(flash: &mut Flash) -> Option<UnixTime> {
    let steps = flash.state().steps;
    let time = Store::new().load_time(flash).unwrap();
    assert_eq!(flash.state().steps, steps, "looking writes nothing");
    time
}

#[test]
fn a_time_is_one_entry_behind_the_record_in_use() {
    for (before, offset) in [
        (&[SaveValid(1)][..], 576),
        (&[SaveTrial(1)], 576),
        (&[SaveValid(1), SaveTrial(2)], 4_096 + 576),
        (&[SaveValid(1), SaveTrial(2), Accept], 4_096 + 576),
        (&[SaveValid(1), SaveTrial(2), Reject(DNS)], 576),
        (&[SaveValid(1), SaveTime(0)], 584),
    ] {
        let (mut store, mut flash) = after(before);
        assert_eq!(store.save_time(&mut flash, UnixTime(0x1234_5678 << 3)), Ok(true), "{before:?}");
        let operation = flash.poll_operation().unwrap();
        assert_eq!(
            (operation.kind, operation.offset, operation.len),
            (FlashOperationKind::Program, offset, 8)
        );
        assert_eq!(flash.poll_operation(), None);
        let at = usize::try_from(offset).unwrap();
        assert_eq!(flash.inner().bytes()[at..at + 8], *b"\xC0\xB3\xA2\x91\x3F\x4C\x5D\x6E");
        assert_eq!(kept(&mut flash), Some(UnixTime(0x91A2_B3C0)));
    }
}

#[test]
fn nothing_is_written_that_is_no_more_than_a_day_later() {
    let (mut store, mut flash) = after(&[SaveValid(1), SaveTime(1)]);
    let UnixTime(now) = time_of(1);
    for (time, expected) in [
        (0, false),
        (now - 1, false),
        (now, false),
        (now + 86_400, false),
        (now + 86_401, true),
        (now + 86_402, false),
        (u64::from(u32::MAX) + 1, false),
        (u64::MAX, false),
    ] {
        assert_eq!(store.save_time(&mut flash, UnixTime(time)), Ok(expected), "{time}");
        assert_eq!(flash.poll_operation().is_some(), expected, "{time}");
    }
    assert_eq!(kept(&mut flash), Some(UnixTime(now + 86_401)));
}

#[test]
fn without_a_configuration_in_use_there_is_no_place_for_a_time() {
    for before in [&[][..], &[SaveTrial(1), Reject(DNS)]] {
        let (mut store, mut flash) = after(before);
        assert_eq!(store.save_time(&mut flash, time_of(1)), Ok(false), "{before:?}");
        assert_eq!((flash.poll_operation(), kept(&mut flash)), (None, None));
    }
    let mut flash = other_layout();
    assert_eq!(Store::new().save_time(&mut flash, time_of(1)), Ok(false));
    assert_eq!((flash.poll_operation(), kept(&mut flash)), (None, None));
}

#[test]
fn each_configuration_has_a_time_of_its_own_and_the_later_one_is_told() {
    let (_, mut flash) = after(&[SaveValid(1), SaveTime(3), SaveTrial(2), SaveTime(3)]);
    let times = [576, 4_096 + 576].map(|at| flash.inner().bytes()[at..at + 8].to_vec());
    assert_eq!(times[0], times[1], "a new configuration may outlive the old one");
    assert_eq!(kept(&mut flash), Some(time_of(3)));
    let (_, mut flash) = after(&[SaveValid(1), SaveTime(3), SaveTrial(2)]);
    assert_eq!(kept(&mut flash), Some(time_of(3)), "a trial knows what the one before knew");
    let (_, mut flash) = after(&[SaveTrial(1), SaveTime(3), Reject(DNS)]);
    assert_eq!(kept(&mut flash), Some(time_of(3)), "what failed may know the time");
    let (_, mut flash) = after(&[SaveValid(1), SaveTime(3), EraseAll]);
    assert_eq!(kept(&mut flash), None);
    assert!(flash.inner().bytes().iter().all(|byte| *byte == 0xFF));
}

#[test]
fn an_entry_that_is_not_whole_is_passed_over() {
    let (mut store, mut flash) = after(&[SaveValid(1), SaveTime(1), SaveTime(2)]);
    for bit in 0..64 {
        let mut torn = flash.clone();
        torn.inner_mut().bytes_mut()[584 + bit / 8] ^= 1 << (bit % 8);
        assert_eq!(kept(&mut torn), Some(time_of(1)), "bit {bit}");
    }
    flash.inner_mut().bytes_mut()[584..592].fill(0);
    assert_eq!(store.apply(&mut flash, SaveTime(2)), Ok(()));
    assert_eq!(flash.poll_operation().map(|operation| operation.offset), Some(592));
    assert_eq!(kept(&mut flash), Some(time_of(2)));
}

#[test]
fn a_slot_has_room_for_almost_nine_years_and_then_keeps_what_it_has() {
    let (mut store, mut flash) = after(&[SaveValid(1)]);
    let mut entries = 0;
    for day in 0..5_000_u16 {
        // A boot a day.
        entries += u16::from(store.save_time(&mut flash, time_of(day)).unwrap());
        while flash.poll_operation().is_some() {}
    }
    assert_eq!(entries, 440);
    let last = (0..5_000).rfind(|day| kept(&mut flash) == Some(time_of(*day))).unwrap();
    assert!((3_200..3_285).contains(&last), "day {last}");
    let (_, mut again) = (store.clone(), flash.clone());
    assert_eq!(store.apply(&mut again, SaveTrial(2)), Ok(()));
    assert_eq!(store.apply(&mut again, SaveTime(5_000)), Ok(()));
    assert_eq!(kept(&mut again), Some(time_of(5_000)), "a new configuration brings new room");
}

#[test]
fn a_flash_that_does_not_keep_a_time_is_reported() {
    let (mut store, mut flash) = after(&[SaveValid(1), SaveTime(1)]);
    flash.state_mut().stuck_sector = Some(0);
    assert_eq!(store.apply(&mut flash, SaveTime(2)), Err(StoreError::Verify));
    assert_eq!(kept(&mut flash), Some(time_of(1)));
}
