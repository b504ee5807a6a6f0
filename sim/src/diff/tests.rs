use proptest::prelude::*;

use super::told::{exact_item, story_item};
use super::*;

/// Events as `time actor text`, separated by slashes.
fn items(text: &str) -> Vec<Item> {
    let item = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let mut next = || words.next().expect("three words").to_owned();
        let at_us = next().parse().ok();
        Item { at_us, actor: next(), text: next() }
    };
    text.split('/').map(item).collect()
}

#[track_caller]
fn check(first: &str, second: &str, expected: &str) {
    let (first, second) = (items(first), items(second));
    let at = parting(&first, &second).expect("they differ");
    assert_eq!(verdict(&first, &second, at), expected);
}

#[test]
fn what_differs_is_said_in_a_sentence() {
    let two = "1000 lamp boots/2000 lamp shines";
    check(two, "1000 lamp boots/2500 lamp shines", "It is the same event, 0.500 ms later in B.");
    check(two, "1000 lamp boots/1990 lamp shines", "It is the same event, 0.010 ms earlier in B.");
    check(two, "1000 lamp boots/1990 lamp blinks/2000 lamp shines", "B has 1 event here that A has not.");
    check("1000 lamp boots/1 lamp blinks/2000 lamp shines", two, "A has 1 event here that B has not.");
    check("1 a b/2 c d", "2 c d/1 a b", "Both come in each of them, but in another order.");
    check(two, "1000 lamp boots/2000 lamp burns", "Here lamp does something else.");
    check(two, "1000 lamp boots/2000 phone rings", "Something else happens, to somebody else.");
    check(two, "1000 lamp boots", "B ends here, and A goes on.");
    check("1000 lamp boots", two, "A ends here, and B goes on.");
}

#[test]
fn what_is_the_same_does_not_part() {
    assert_eq!(parting(&items("1 a b"), &items("1 a b")), None);
}

#[test]
fn every_actor_is_shown_before_and_after() {
    let first = items("1000 lamp boots/1500 phone joins/2000000 lamp shines/3000000 phone rings");
    let second = items("1000 lamp boots/1500 phone joins/2500000 lamp shines/3000000 phone rings");
    let shown = lines(&first, &second, 2, Palette::Plain).join("\n");
    let expected = "\
The first 2 events are the same, up to 0.001500 s.

         0.001000  lamp   boots
         0.001500  phone  joins
A        2.000000  lamp   shines
A        3.000000  phone  rings
B        2.500000  lamp   shines
B        3.000000  phone  rings

It is the same event, 500.000 ms later in B.

lamp
         0.001000  lamp   boots
A        2.000000  lamp   shines
B        2.500000  lamp   shines
phone
         0.001500  phone  joins
         3.000000  phone  rings";
    assert_eq!(shown, expected);
}

#[test]
fn a_line_of_an_exact_trace_has_a_time_an_actor_and_words() {
    let item = exact_item("        7.295000 device     answers /wifi_scan.json with 200");
    let expected = Item {
        at_us: Some(7_295_000),
        actor: "device".to_owned(),
        text: "answers /wifi_scan.json with 200".to_owned(),
    };
    assert_eq!(item, expected);
    let remark = exact_item("             ... the line above 3 times, times 0bf7125b7f023068");
    assert_eq!((remark.at_us, remark.actor.as_str()), (None, ""));
    assert_eq!(remark.text, "... the line above 3 times, times 0bf7125b7f023068");
}

proptest! {
    #[test]
    fn whatever_stands_in_snapshots_they_are_compared(first in "(.{0,30}\n|[0-9. ]{0,30}\n){0,6}", second in "(.{0,30}\n){0,6}") {
        for item in [exact_item, story_item] {
            let first: Vec<Item> = first.lines().map(item).collect();
            let second: Vec<Item> = second.lines().map(item).collect();
            match parting(&first, &second) {
                Some(at) => prop_assert!(!lines(&first, &second, at, Palette::Plain).is_empty()),
                None => prop_assert_eq!(first, second),
            }
        }
    }
}
