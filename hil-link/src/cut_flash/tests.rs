use std::vec::Vec;

use proptest::prelude::*;

use super::*;

type Flash = CutFlash<ArrayFlash<8192>>;

fn flash() -> Flash {
    CutFlash::new(ArrayFlash::new())
}

fn operations(flash: &mut Flash) -> Vec<FlashOperation> {
    core::iter::from_fn(|| flash.poll_operation()).collect()
}

/// Programs eight zeros with a budget and returns the result and what the eight bytes are then.
fn program_zeros(
    budget: u32,
    boundary: Boundary,
    seed: u64,
) -> (Result<(), CutFlashError<NorFlashErrorKind>>, [u8; 8]) {
    let mut flash = flash();
    flash.state_mut().budget = Some(budget);
    flash.state_mut().boundary = boundary;
    flash.state_mut().noise_seed = seed;
    let result = flash.write(16, &[0; 8]);
    (result, flash.inner().bytes()[16..24].try_into().unwrap())
}

#[test]
fn a_cut_program_leaves_its_prefix_and_a_torn_byte() {
    let mut torn = Vec::new();
    for seed in 0..32 {
        let (result, bytes) = program_zeros(5, Boundary::AtRest, seed);
        assert_eq!(result, Err(CutFlashError::Dead));
        assert_eq!((&bytes[..5], &bytes[6..]), (&[0; 5][..], &[0xFF; 2][..]));
        torn.push(bytes[5]);
    }
    torn.sort_unstable();
    torn.dedup();
    assert!(torn.len() > 16, "the byte in progress differs by seed: {torn:02X?}");
    assert_eq!(program_zeros(5, Boundary::AtRest, 7), program_zeros(5, Boundary::AtRest, 7));
}

#[test]
fn the_ends_of_a_budget_are_clean_unless_the_next_operation_has_begun() {
    let dead = Err(CutFlashError::Dead);
    assert_eq!(program_zeros(0, Boundary::AtRest, 1), (dead, [0xFF; 8]));
    assert_eq!(program_zeros(8, Boundary::AtRest, 1), (dead, [0; 8]), "all is written, and then power goes");
    assert_eq!(program_zeros(8, Boundary::Begun, 1), (Ok(()), [0; 8]), "the next operation would die");
    assert_eq!(program_zeros(9, Boundary::AtRest, 1), (Ok(()), [0; 8]));
    let (result, bytes) = program_zeros(0, Boundary::Begun, 1);
    assert_eq!((result, &bytes[1..]), (dead, &[0xFF; 7][..]));
}

#[test]
fn a_dead_flash_stays_dead_until_the_next_boot() {
    let mut flash = flash();
    flash.state_mut().budget = Some(3);
    assert_eq!(flash.read(0, &mut [0; 4]), Ok(()), "reading costs nothing");
    assert_eq!(flash.write(0, &[0; 4]), Err(CutFlashError::Dead));
    assert!(flash.is_dead());
    assert_eq!(flash.write(64, &[0; 4]), Err(CutFlashError::Dead));
    assert_eq!(flash.erase(0, 4096), Err(CutFlashError::Dead));
    assert_eq!(flash.read(0, &mut [0; 4]), Err(CutFlashError::Dead));
    assert_eq!(flash.state().steps, 3);
    flash.power_on();
    assert_eq!(flash.write(64, &[0; 4]), Ok(()));
    assert_eq!(flash.state().steps, 7);
}

#[test]
fn a_cut_erase_leaves_a_clean_prefix_and_every_kind_of_noise() {
    let mut image = ArrayFlash::<8192>::new();
    image.bytes_mut().fill(0xA5);
    let mut kinds = [0; 3];
    for seed in 0..64 {
        let mut flash = CutFlash::new(image.clone());
        flash.state_mut().budget = Some(1_000);
        flash.state_mut().noise_seed = seed;
        assert_eq!(flash.erase(0, 4_096), Err(CutFlashError::Dead));
        let bytes = flash.inner().bytes();
        assert_eq!(bytes[..1_000], [0xFF; 1_000]);
        assert_eq!(bytes[4_096..], [0xA5; 4_096], "the next sector is not touched");
        let disturbed = (1_000..4_096).filter(|at| bytes[*at] != 0xA5).count();
        match disturbed {
            0 => kinds[0] += 1,
            1..=256 => kinds[1] += 1,
            _ => {
                kinds[2] += 1;
                assert!(bytes[1_000..4_096].iter().all(|byte| byte & 0xA5 == 0xA5), "bits only go to 1");
            }
        }
    }
    assert!(kinds.iter().all(|count| *count > 8), "{kinds:?}");
}

#[test]
fn a_cut_between_two_erased_sectors_disturbs_the_second() {
    let mut flash = flash();
    flash.inner_mut().bytes_mut().fill(0);
    flash.state_mut().budget = Some(4_096);
    flash.state_mut().noise_seed = 3;
    assert_eq!(flash.erase(0, 8_192), Err(CutFlashError::Dead));
    assert_eq!(flash.inner().bytes()[..4_096], [0xFF; 4_096]);
    assert_eq!(flash.state().erases[..2], [1, 1]);
}

#[test]
fn programming_a_one_over_a_zero_is_an_error_and_changes_nothing() {
    let mut flash = flash();
    assert_eq!(flash.write(0, &[0xF0; 128]), Ok(()));
    assert_eq!(flash.write(0, &[0xF0; 128]), Ok(()), "the same again clears nothing");
    assert_eq!(flash.write(124, &[0x70, 0x30, 0x10, 0x00]), Ok(()));
    assert_eq!(flash.write(120, &[0x00, 0x00, 0x00, 0x0F]), Err(CutFlashError::NotErased));
    assert_eq!(flash.inner().bytes()[120..124], [0xF0; 4]);
    assert_eq!(flash.erase(0, 4_096), Ok(()));
    assert_eq!(flash.write(120, &[0x0F; 4]), Ok(()));
}

#[test]
fn misplaced_operations_are_refused() {
    let mut flash = flash();
    assert_eq!(flash.write(2, &[0; 4]), Err(CutFlashError::NotAligned));
    assert_eq!(flash.write(4, &[0; 3]), Err(CutFlashError::NotAligned));
    assert_eq!(flash.erase(0, 2_048), Err(CutFlashError::NotAligned));
    assert_eq!(flash.write(8_192, &[0; 4]), Err(CutFlashError::OutOfBounds));
    assert_eq!(flash.erase(4_096, 12_288), Err(CutFlashError::OutOfBounds));
    assert_eq!(flash.read(8_190, &mut [0; 4]), Err(CutFlashError::OutOfBounds));
    assert_eq!((flash.state().steps, flash.poll_operation()), (0, None));
}

#[test]
fn an_erase_fails_once_when_armed() {
    let mut flash = flash();
    flash.write(0, &[0; 4]).unwrap();
    flash.state_mut().fails_next_erase = true;
    assert_eq!(flash.erase(0, 4_096), Err(CutFlashError::EraseFailed));
    assert_eq!((flash.inner().bytes()[0], flash.is_dead()), (0, false));
    assert_eq!(flash.erase(0, 4_096), Ok(()));
}

#[test]
fn a_stuck_sector_takes_nothing_and_says_nothing() {
    let mut flash = flash();
    flash.state_mut().stuck_sector = Some(1);
    assert_eq!(flash.write(4_092, &[0; 8]), Ok(()));
    assert_eq!(flash.inner().bytes()[4_092..4_100], [0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    flash.state_mut().stuck_sector = None;
    assert_eq!(flash.write(4_096, &[0; 4]), Ok(()));
    assert_eq!(flash.inner().bytes()[4_096], 0);
}

#[test]
fn operations_are_logged_in_order_without_their_content() {
    use FlashOperationKind::{Erase, Program};
    let mut flash = flash();
    flash.write(8, b"abcd").unwrap();
    flash.erase(4_096, 8_192).unwrap();
    flash.state_mut().budget = Some(2);
    flash.write(12, b"efgh").unwrap_err();
    let of = |len: u32, bytes: &[u8]| fnv1a64_continue(fnv1a64(&len.to_le_bytes()), bytes);
    let expected = [
        FlashOperation { kind: Program, offset: 8, len: 4, digest: of(4, b"abcd"), interrupted: false },
        FlashOperation { kind: Erase, offset: 4_096, len: 4_096, digest: of(4_096, b""), interrupted: false },
        FlashOperation { kind: Program, offset: 12, len: 2, digest: of(2, b"ef"), interrupted: true },
    ];
    assert_eq!(operations(&mut flash), expected);
    assert_eq!((flash.state().programs, flash.state().erases[1], flash.state().steps), (2, 1, 4 + 4_096 + 2));
}

#[test]
fn a_full_log_keeps_the_oldest_and_counts_the_rest() {
    let mut flash = flash();
    for at in 0..40 {
        flash.write(at * 4, &[0; 4]).unwrap();
    }
    assert_eq!(flash.lost_operations(), 8);
    let offsets: Vec<u32> = operations(&mut flash).iter().map(|operation| operation.offset).collect();
    assert_eq!(offsets, (0..32).map(|at| at * 4).collect::<Vec<_>>());
}

#[test]
fn debug_output_shows_no_content() {
    let mut flash = flash();
    flash.write(0, b"hunter22").unwrap();
    let shown = std::format!("{flash:?}");
    assert!(shown.contains("ArrayFlash of 8192 bytes"), "{shown}");
    assert!(!shown.contains("hunter22") && !shown.contains("104, 117"), "{shown}");
}

proptest! {
    #[test]
    fn whatever_is_asked_with_whatever_budget_the_flash_answers(
        asked in prop::collection::vec((0_u32..9_000, 0_usize..600, any::<u8>(), any::<bool>()), 1..12),
        budget in prop::option::of(0_u32..20_000),
        begun: bool,
        seed: u64,
    ) {
        let mut flash = flash();
        flash.state_mut().budget = budget;
        flash.state_mut().noise_seed = seed;
        flash.state_mut().boundary = if begun { Boundary::Begun } else { Boundary::AtRest };
        for (offset, len, value, erase) in asked {
            let offset = if len % 2 == 0 { offset / 4 * 4 } else { offset };
            let before = flash.inner().clone();
            let result = if erase {
                flash.erase(offset / 4_096 * 4_096, 8_192)
            } else {
                flash.write(offset, &std::vec![value; len / 2 * 4])
            };
            if result.is_err() && !flash.is_dead() {
                prop_assert!(*flash.inner() == before, "a refusal changes nothing");
            }
            prop_assert!(!flash.is_dead() || flash.state().steps <= u64::from(budget.unwrap_or(0)));
        }
    }
}

#[test]
fn a_worn_out_sector_can_no_longer_be_erased() {
    let mut flash = flash();
    flash.state_mut().erases_max = Some(2);
    for _ in 0..2 {
        assert_eq!(flash.erase(0, SECTOR_LEN), Ok(()));
    }
    assert_eq!(flash.erase(0, SECTOR_LEN), Err(CutFlashError::EraseFailed));
    assert_eq!(flash.erase(SECTOR_LEN, 2 * SECTOR_LEN), Ok(()), "the other sector is as good as new");
    assert_eq!(flash.erase(0, 2 * SECTOR_LEN), Err(CutFlashError::EraseFailed));
}

#[test]
fn content_is_put_there_without_being_counted() {
    let mut flash = flash();
    assert_eq!(flash.write_at_rest(8, &[1, 2, 3, 4]), Ok(()));
    assert_eq!(flash.inner().bytes().get(8..12), Some(&[1, 2, 3, 4][..]));
    assert_eq!((flash.state().steps, flash.state().programs, flash.poll_operation()), (0, 0, None));
    assert_eq!(flash.write_at_rest(6, &[1, 2, 3, 4]), Err(CutFlashError::NotAligned));
    assert_eq!(flash.write_at_rest(2 * SECTOR_LEN, &[1, 2, 3, 4]), Err(CutFlashError::OutOfBounds));
}
