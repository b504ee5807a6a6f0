//! What is refused about the air and about what is armed.

use super::tests::{HEAD, check_described, check_step, check_world};
use super::*;

#[test]
fn a_partition_stands_between_two_who_exchange_frames() {
    let two = "two names such as `[device, home]`, or `{ from: home, to: device }` for one direction";
    let neighbours = "they go between device and router, device and phone, router and cloud, phone and cloud";
    let actors = "the actors of this world are `device`, `phone`, `home`, `cloud`";
    for (change, column, message, hint) in [
        ("{}", 5, "nothing changes about the air", ""),
        ("{ partition: device }", 24, "`device` alone does not say between whom", two),
        ("{ partition: all }", 24, "`all` cannot stand here", two),
        ("{ partition: [device] }", 24, "1 names stand here", two),
        ("{ partition: [device, home, phone] }", 24, "3 names stand here", two),
        ("{ partition: [device, hme] }", 33, "there is no actor `hme`", "did you mean `home`?"),
        ("{ partition: [office, device] }", 25, "there is no actor `office`", actors),
        ("{ partition: { from: hoem, to: device } }", 32, "there is no actor `hoem`", "did you mean `home`?"),
        ("{ partition: { from: home } }", 24, "`to` is missing here", ""),
        ("{ partition: { from: home, too: device } }", 38, "unknown key `too`", "did you mean `to`?"),
        ("{ partition: [home, home] }", 31, "`home` is named twice", "a partition stands between two"),
        ("{ partition: [device, cloud] }", 33, "no frames go straight from a device to a cloud", neighbours),
        ("{ heal: phone }", 19, "`phone` alone does not say between whom", two),
        ("{ heal: [device, hme] }", 28, "there is no actor `hme`", "did you mean `home`?"),
        ("{ loss_permille: 1001 }", 28, "`1001` is not a share", "from 0 to 1000 in a thousand"),
        ("{ partitoin: [device, home] }", 13, "unknown key `partitoin`", "did you mean `partition`?"),
    ] {
        check_step(&format!("  - link: {change}\n"), column, message, hint);
    }
    check_step(
        "  - { who: home, link: { heal: all } }\n",
        12,
        "the air is nobody's: its rules are for all",
        "leave out `who`",
    );
    check_world(
        "  link: { partition: [device, home] }\n",
        5,
        31,
        "there is no actor `home`",
        "the actors of this world are `device`, `phone`, `cloud`",
    );
}

#[test]
fn what_is_armed_says_when_it_happens() {
    let two_ways = "add `at: { state: running }` or `at: { frame: 12, to: device }`";
    let frame_or_state = "`state: running`, or `frame: 12` and `to: device`";
    for (step, column, message, hint) in [
        ("arm: { power: off }", 5, "this does not say when it happens", two_ways),
        ("arm: { link: { heal: all } }", 5, "this does not say when it happens", two_ways),
        (
            "power: off, at: { state: running }",
            23,
            "`at` says when something armed happens",
            "write `arm: { power: off }` in place of `power: off`",
        ),
        (
            "arm: erase-failure, at: { state: running }",
            31,
            "`erase-failure` says itself when it happens",
            "leave out `at`, or arm `power: off`",
        ),
        ("arm: { power: off }, at: {}", 32, "this names no point", frame_or_state),
        ("arm: { power: off }, at: { to: device }", 32, "this names no point", frame_or_state),
        (
            "arm: { power: off }, at: { state: running, frame: 1, to: device }",
            32,
            "`state` and `frame` are two points",
            "leave out one of the two",
        ),
        (
            "arm: { power: off }, at: { state: off }",
            32,
            "firmware never enters this state",
            "such as `connecting-net` or `running`",
        ),
        (
            "arm: { power: off }, at: { state: running, to: device }",
            32,
            "`from` and `to` belong to a frame",
            "`of` says whose state is meant",
        ),
        (
            "arm: { power: off }, at: { frame: 12 }",
            32,
            "this does not say whose frames count",
            "add `to: device` or `from: device`",
        ),
        (
            "arm: { power: off }, at: { frame: 12, to: device, from: device }",
            32,
            "frames are counted at one end",
            "leave out `from` or `to`",
        ),
        (
            "arm: { power: off }, at: { frame: 12, to: device, of: device }",
            61,
            "`of` belongs to a state",
            "`from` or `to` says whose frames count",
        ),
        (
            "arm: { power: off }, at: { frame: 12, to: home }",
            49,
            "there is no device `home`",
            "the devices of this world are `device`",
        ),
        (
            "arm: { power: off }, at: { frame: 0, to: device }",
            41,
            "`0` is not a place in a row",
            "counted from 1, which is the next one, to 1000000",
        ),
        (
            "arm: { power: off }, at: { state: runing }",
            41,
            "`runing` is not known here",
            "did you mean `running`?",
        ),
        ("arm: power", 12, "`power` needs details", "`arm: { power: .. }`"),
        ("arm: { router: {} }, at: { state: running }", 5, "nothing changes about the router", ""),
        (
            "arm: { router: { dhcp: lease } }, at: { state: running }",
            30,
            "`lease` needs details",
            "`dhcp: { lease: .. }`",
        ),
    ] {
        check_step(&format!("  - {{ {step} }}\n"), column, message, hint);
    }
    let world = "  devices: [{ name: lamp }, { name: heater }]\n";
    let text = format!(
        "{HEAD}world:\n{world}steps:\n  - {{ arm: {{ link: {{ loss_permille: 5 }} }}, at: {{ state: error }} }}\n"
    );
    let error = Scenario::parse("story.yaml", &text).expect_err("whose state?");
    assert_eq!(error.message, "whose state? there are 2 devices");
    assert_eq!(error.hint.as_deref(), Some("add `of:` with a device's name"));
}

#[test]
fn faults_are_told_as_a_person_would() {
    for (step, expected) in [
        (
            "link: { loss_permille: 200, reorder_permille: 0, latency: 30ms }",
            "200 frames in a thousand are lost, no frames are overtaken and frames arrive 30 ms late",
        ),
        (
            "link: { heal: all, partition: [device, home] }",
            "frames pass again between all and no frame passes between device and home",
        ),
        ("link: { heal: { from: home, to: device } }", "frames pass again from home to device"),
        (
            "{ arm: { power: off }, at: { state: connecting-net } }",
            "device loses power, once device enters CONNECTING_NET",
        ),
        (
            "{ arm: { router: { deauth: true } }, at: { frame: 12, to: device } }",
            "home throws every station out, once 12 frames have reached device",
        ),
        (
            "{ arm: { link: { partition: { from: home, to: device } } }, at: { frame: 1, from: device } }",
            "no frame passes from home to device, once device has sent a frame",
        ),
    ] {
        check_described(step, expected);
    }
}
