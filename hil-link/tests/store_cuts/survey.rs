//! What a tool is shown of a store's flash.

use firmware_core::config::ProvisionError;
use firmware_core::store::{Fate, SlotContent, survey};

use crate::checker::{Flash, Op, config};
use crate::faults::{after, other_layout};

use Op::{Accept, EraseAll, Reject, SaveTrial, SaveValid, Spend};

/// Slots as `fate sequence configuration`, or in a word.
fn told(flash: &mut Flash) -> [String; 2] {
    let image = flash.inner().clone();
    let slots = survey(flash).unwrap();
    assert!(*flash.inner() == image, "looking changes nothing");
    slots.map(|slot| match slot {
        SlotContent::Blank => "blank".to_owned(),
        SlotContent::Damaged => "damaged".to_owned(),
        SlotContent::OtherLayout { sequence } => format!("other {sequence}"),
        SlotContent::Record { sequence, fate, config: found } => {
            let fate = match fate {
                Fate::Valid => "valid".to_owned(),
                Fate::Trial { attempts_left } => format!("trial-{attempts_left}"),
                Fate::Rejected(error) => format!("rejected-{}", error.code()),
            };
            let number = (0..10).find(|number| found.as_ref() == Some(&config(*number)));
            format!(
                "{fate} {sequence} {}",
                number.map_or_else(|| "none".to_owned(), |number| number.to_string())
            )
        }
    })
}

#[test]
fn each_slot_is_told_as_it_is() {
    for (ops, expected) in [
        (&[][..], ["blank", "blank"]),
        (&[SaveTrial(1)], ["trial-3 1 1", "blank"]),
        (&[SaveTrial(1), Spend], ["trial-2 1 1", "blank"]),
        (&[SaveTrial(1), Accept], ["valid 1 1", "blank"]),
        (&[SaveValid(1), SaveTrial(2)], ["valid 1 1", "trial-3 2 2"]),
        (&[SaveValid(1), SaveTrial(2), Reject(ProvisionError::Dns)], ["valid 1 1", "rejected-710 2 none"]),
        (&[SaveValid(1), EraseAll], ["blank", "blank"]),
    ] {
        let (_, mut flash) = after(ops);
        assert_eq!(told(&mut flash), expected, "{ops:?}");
    }
    assert_eq!(told(&mut other_layout()), ["other 9", "blank"]);
}

#[test]
fn what_is_no_whole_record_is_told_as_damaged() {
    let (_, mut flash) = after(&[SaveValid(1)]);
    flash.inner_mut().bytes_mut()[50] ^= 1;
    flash.inner_mut().bytes_mut()[8_191] = 0;
    assert_eq!(told(&mut flash), ["damaged", "damaged"]);
}
