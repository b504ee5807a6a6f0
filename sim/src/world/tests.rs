//! What a whole world does at its edges, told by small stories.

use firmware_core::trace::Event as DeviceEvent;

use super::link::Way;
use super::*;
use crate::actor::Port;
use crate::executor::InProcess;
use crate::runner::{BoxedApplication, Harness, Outcome, run};
use crate::scenario::{DEFAULT_PRODUCT, Scenario};

const HOME: &str = "{ name: home, ssid: HomeNet, password: correct horse }";

/// Runs a story with these routers and steps, one of each a line.
#[track_caller]
fn play(routers: &str, steps: &[&str]) -> Outcome {
    let steps: String = steps.iter().map(|step| format!("  - {step}\n")).collect();
    let text = format!("format: 1\ntitle: T\nworld:\n  routers:\n    - {routers}\nsteps:\n{steps}");
    let scenario = Scenario::parse("story.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
    run(&scenario, &Harness::EXAMPLE, 1)
}

/// How the device's scan of a house with so many access points ends.
fn scan(access_points: usize) -> Option<String> {
    let points = vec!["{ rssi: -60 }"; access_points].join(", ");
    let router = format!("{{ name: home, ssid: HomeNet, access_points: [{points}] }}");
    let outcome = play(&router, &["power: on", "phone: join", "phone: scan"]);
    outcome.failure.map(|failure| failure.to_string())
}

#[test]
fn more_networks_in_one_scan_than_the_seam_holds_are_an_error() {
    // Its queue holds 80 events, of which the end of the scan is one.
    assert_eq!(scan(79), None);
    let error = WorldError::InputsLost(0).to_string();
    for access_points in [80, 81, 100] {
        let failure = scan(access_points).expect("the scan fails");
        assert!(failure.ends_with(&error), "{access_points} access points: {failure}");
    }
}

/// A world with one device that has no power.
fn lonely_device() -> World {
    let mut world = World::new(1);
    let executor = InProcess::new(|| BoxedApplication((Harness::EXAMPLE.application)().0));
    let mac = EthernetAddress([0x24, 0x0A, 0xC4, 0, 1, 0x10]);
    world.add_device("device", DeviceNode::new(Box::new(executor), DEFAULT_PRODUCT, mac, Duration::ZERO));
    world
}

fn run_to(world: &mut World, ms: i64) {
    let limit = Instant::from_millis(ms);
    while world.step(limit) == Ok(Step::Happened) {}
    assert_eq!(world.now(), limit);
}

/// When the device has felt its button go down and up, in milliseconds, and for how long it was down.
fn button_story(world: &World) -> Vec<(i64, Option<u32>)> {
    let entries = world.trace.entries().iter();
    let felt = entries.filter_map(|entry| match entry.what {
        What::Device(DeviceEvent::ButtonPressed) => Some((entry.at.total_millis(), None)),
        What::Device(DeviceEvent::ButtonReleased(held_ms)) => Some((entry.at.total_millis(), Some(held_ms))),
        _ => None,
    });
    felt.collect()
}

#[test]
fn a_button_that_is_held_at_power_on_is_the_first_edge() {
    let mut world = lonely_device();
    world.set_button(Instant::from_millis(10), 0, true);
    run_to(&mut world, 100);
    world.power_on(0, ResetCause::PowerOn);
    world.set_button(Instant::from_millis(2_400), 0, false);
    run_to(&mut world, 4_000);
    // It counts from the first line of the firmware on, which knows nothing of before.
    assert_eq!(button_story(&world), [(425, None), (2_425, Some(2_000))]);
}

#[test]
fn a_button_that_is_up_at_power_on_is_no_edge() {
    let mut world = lonely_device();
    world.set_button(Instant::from_millis(10), 0, true);
    world.set_button(Instant::from_millis(50), 0, false);
    run_to(&mut world, 100);
    world.power_on(0, ResetCause::PowerOn);
    run_to(&mut world, 4_000);
    assert_eq!(button_story(&world), []);
}

#[test]
fn a_button_held_through_a_loss_of_power_is_held_again() {
    let mut world = lonely_device();
    world.power_on(0, ResetCause::PowerOn);
    world.set_button(Instant::from_millis(1_000), 0, true);
    run_to(&mut world, 2_000);
    world.power_off(0);
    world.power_on_at(Instant::from_millis(2_500), 0);
    run_to(&mut world, 4_000);
    assert_eq!(button_story(&world), [(1_025, None), (2_825, None)]);
}

#[test]
fn power_that_comes_back_later_gives_way_to_a_hand_on_the_plug() {
    let mut world = lonely_device();
    world.power_on(0, ResetCause::PowerOn);
    run_to(&mut world, 1_000);
    world.power_off(0);
    world.power_on_at(Instant::from_millis(3_000), 0);
    world.power_on(0, ResetCause::PowerOn);
    world.power_off(0);
    run_to(&mut world, 5_000);
    assert_eq!(world.devices[0].power(), Power::Off);
}

#[test]
fn a_partition_keeps_frames_back_until_it_is_healed() {
    let joined = "expect: { joined: home, within: 0s }";
    for (cut, heal) in [
        ("link: { partition: [device, home] }", "link: { heal: [home, device] }"),
        ("link: { partition: { from: home, to: device } }", "link: { heal: { from: home, to: device } }"),
        ("link: { partition: { from: device, to: home } }", "link: { heal: all }"),
        ("link: { partition: [home, cloud] }", "link: { heal: all }"),
    ] {
        let lost = ["power: on", "phone: { provision: { network: home } }", cut];
        let apart = ["expect: { device: connecting-cloud, within: 2m }", joined, heal];
        let back = ["expect: { device: running, cloud: online, within: 1m }"];
        let steps: Vec<&str> = lost.into_iter().chain(apart).chain(back).collect();
        let failure = play(HOME, &steps).failure;
        assert!(failure.is_none(), "{cut}: {failure:?}");
    }
}

#[test]
fn frames_that_are_held_wait_for_their_release_and_none_is_lost() {
    let home = "[device, home]";
    for (held, released) in [(home, home), (home, "all"), ("{ from: home, to: device }", "all")] {
        let hold = format!("link: {{ hold: {held} }}");
        let release = format!("link: {{ release: {released} }}");
        let steps = [
            "power: on",
            "phone: { provision: { network: home } }",
            "wait: 1s",
            // The answer of the heating is on its way when the frames stop.
            "arm: { link: { hold: [device, home] } }\n    at: { frame: 1, from: device }",
            "cloud: { write: { pin: V0, value: 30 } }",
            "wait: 2s",
            "expect: { fault: fired, cloud: online, pin: { V2: 0 }, within: 0s }",
            "link: { release: all }",
            "expect: { pin: { V2: 1 }, within: 1s }",
            &hold,
            "cloud: { write: { pin: V0, value: 5 } }",
            "expect: { pin: { V2: 1 }, within: 0s, stays: 20s }",
            &release,
            "expect: { device: running, cloud: online, pin: { V2: 0 }, within: 5s }",
        ];
        let failure = play(HOME, &steps).failure;
        assert!(failure.is_none(), "{held}, {released}: {failure:?}");
    }
    let failure = play(HOME, &["link: { release: [device, home] }"]).failure.expect("nothing is held");
    assert_eq!(failure.why, "frames between device and home are not kept back");
    let failure = play(HOME, &["link: { release: all }"]).failure.expect("nothing is held");
    assert_eq!(failure.why, "no frames are kept back");
}

#[test]
fn a_partition_between_others_changes_nothing() {
    let trace = |change| {
        let steps = ["power: on", "phone: { provision: { network: home } }", change, "wait: 2m"];
        play(HOME, &steps).trace.exact()
    };
    let quiet = trace("link: { latency: 0ms }");
    assert_eq!(trace("link: { partition: [device, phone] }"), quiet);
    assert_ne!(trace("link: { partition: [device, home] }"), quiet);
}

/// Two stations of one router: what they say to each other goes through it.
#[test]
fn a_partition_from_the_access_point_is_one_from_its_other_stations() {
    let node = |number| NodeId::Device(number);
    let home = NodeId::Router(0);
    let mut world = World::new(1);
    let passes = |world: &World, from, to| world.link.passes(&Way { from, relay: Some(home), to });
    assert!(passes(&world, node(0), node(1)));
    for (from, to) in [(node(0), home), (home, node(1)), (node(0), node(1))] {
        world.partition(from, to);
        assert!(!passes(&world, node(0), node(1)), "{from:?} to {to:?}");
        assert!(passes(&world, node(1), node(0)));
        assert!(world.heal(from, to));
    }
    world.partition(home, node(0));
    assert!(passes(&world, node(0), home), "the access point itself is no relay");
}

/// Lets the device send so many broadcasts from this address, so many milliseconds apart; returns whether that is a storm.
fn storms(from: [u8; 6], count: i64, apart_ms: i64) -> bool {
    let mut world = lonely_device();
    for number in 0..count {
        let mut frame = vec![0xFF; 6];
        frame.extend(from);
        world.send(Instant::from_millis(number * apart_ms), NodeId::Device(0), Port::Air, frame);
    }
    world.storming == Some(0)
}

#[test]
fn a_storm_is_more_broadcasts_than_a_station_has_use_for() {
    let [station, own_ap] = [[0x24, 0x0A, 0xC4, 0, 1, 0x10], [0x24, 0x0A, 0xC4, 0, 1, 0x11]];
    assert!(!storms(station, 60, 1));
    assert!(storms(station, 61, 1));
    assert!(!storms(station, 600, 180));
    assert!(storms(station, 600, 150));
    assert!(!storms(own_ap, 600, 1));
}
