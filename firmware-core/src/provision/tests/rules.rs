//! The rules: what is certain when, how long the device tries, and what it does when it is left alone.

use std::vec;

use super::*;

fn refused(failure: JoinFailure) -> Input {
    Input::JoinFailed(failure)
}

/// Plays a trial in which every scan hears the network at this strength and every join fails like this: it ends
/// with this code, before the window closes or when it does.
#[track_caller]
fn check_join(rssi: i8, failure: JoinFailure, code: u16, is_early: bool) {
    let mut bench = Bench::started(InUse::Trial, false);
    while bench.machine.last_error().is_none() {
        bench.give(&heard(rssi));
        bench.give(&refused(failure));
        if bench.machine.last_error().is_none() {
            bench.wait();
        }
    }
    let error = bench.machine.last_error().map(ProvisionError::code);
    assert_eq!((error, bench.elapsed() < 50_000), (Some(code), is_early), "{failure:?} at {rssi} dBm");
}

#[test]
fn a_strong_network_that_refuses_the_key_twice_means_a_wrong_passphrase() {
    check_join(-50, JoinFailure::Handshake, 722, true);
    check_join(-79, JoinFailure::Handshake, 722, true);
    check_join(-50, JoinFailure::Security, 722, true);
}

#[test]
fn at_the_edge_of_reach_a_failed_handshake_proves_nothing() {
    check_join(-80, JoinFailure::Handshake, 701, false);
    check_join(-95, JoinFailure::Security, 701, false);
}

#[test]
fn a_network_that_is_full_or_silent_is_tried_until_the_window_closes() {
    for failure in [JoinFailure::Refused, JoinFailure::Timeout, JoinFailure::NotFound] {
        check_join(-50, failure, 701, false);
    }
}

#[test]
fn one_handshake_may_be_lost_to_noise() {
    let mut bench = bench(Stage::TrialJoining);
    bench.give(&refused(JoinFailure::Handshake));
    assert_eq!(bench.wait(), "scan");
    assert_eq!(bench.give(&heard(-50)), "join -50");
    assert_eq!(bench.give(&Input::Joined), "address");
}

/// An access point of the wanted network with this last byte of its address.
fn point(last: u8) -> Candidate {
    Candidate { bssid: EthernetAddress([2, 0, 0, 0, 0, last]), channel: 6, rssi: -50 }
}

/// Tries to join access points of one name, one after the other, and lets each of them refuse the key.
fn refused_by(points: &[u8]) -> Bench {
    let mut bench = bench(Stage::TrialScanning);
    for last in points {
        bench.give(&Input::ScanDone(Some(point(*last))));
        bench.give(&refused(JoinFailure::Handshake));
        bench.wait();
    }
    bench
}

#[test]
fn an_access_point_that_has_not_refused_is_tried_before_one_that_has() {
    let bench = refused_by(&[1, 2]);
    assert!(bench.machine.prefers(&point(3), &point(1)));
    assert!(!bench.machine.prefers(&point(1), &point(3)));
    let louder = Candidate { rssi: -40, ..point(2) };
    assert!(!bench.machine.prefers(&louder, &point(3)), "strength does not make up for a refusal");
    assert!(!bench.machine.prefers(&point(4), &point(3)), "of two that are equal the first is kept");
    assert!(bench.machine.prefers(&louder, &point(1)), "of two that have refused the stronger is tried");
    let next_round = bench.after([Input::ConfigModeRequested]);
    assert!(next_round.machine.prefers(&louder, &point(3)), "a refusal counts for one round");
}

#[test]
fn one_access_point_that_refuses_the_key_twice_is_enough_and_several_that_refuse_it_once_are_not() {
    for (points, error) in [
        (&[1][..], None),
        (&[1, 2, 3, 4], None),
        (&[1, 1], Some(ProvisionError::WrongPassphrase)),
        (&[1, 2, 1], Some(ProvisionError::WrongPassphrase)),
        (&[1, 2, 3, 4, 5], Some(ProvisionError::WrongPassphrase)),
    ] {
        let mut bench = bench(Stage::TrialScanning);
        for last in points {
            bench.give(&Input::ScanDone(Some(point(*last))));
            bench.give(&refused(JoinFailure::Handshake));
            if bench.machine.last_error().is_none() {
                bench.wait();
            }
        }
        assert_eq!(bench.machine.last_error(), error, "{points:?}");
    }
}

#[test]
fn four_scans_without_the_network_one_of_them_by_name_mean_that_it_is_not_there() {
    let mut bench = Bench::new(InUse::Trial, false);
    let mut actions = Actions::new();
    bench.machine.start(bench.now, &mut actions);
    assert_eq!(words(&actions), "off INIT=>CONNECTING_NET scan");
    let said: Vec<String> = missed().map(|miss| bench.give(&miss)).into();
    let end = "reject 720 close CONNECTING_NET=>WAIT_CONFIG ap";
    assert_eq!(said, ["scan-by-name", "scan", "scan", end]);
    assert_eq!(bench.machine.last_error(), Some(ProvisionError::NetworkNotFound));
}

#[test]
fn a_network_that_was_heard_once_is_not_absent() {
    let mut bench = bench(Stage::TrialRejoining);
    let mut scans = Vec::new();
    while bench.machine.last_error().is_none() {
        scans.push(bench.wait());
        // Long enough for a scan, and the window closes during a pause.
        bench.sleep(1_500);
        bench.give(&Input::ScanDone(None));
    }
    assert_eq!(scans.pop().as_deref(), Some("reject 701 close CONNECTING_NET=>WAIT_CONFIG ap"));
    assert_eq!(bench.machine.last_error(), Some(ProvisionError::Network));
    // A hidden network that comes back is found as well.
    assert_eq!(scans[..4], ["scan", "scan-by-name", "scan", "scan-by-name"]);
}

#[test]
fn a_scan_that_could_not_be_done_is_no_proof_of_absence() {
    let mut bench = Bench::started(InUse::Trial, false);
    while bench.machine.last_error().is_none() {
        bench.give(&Input::ScanFailed);
        bench.wait();
    }
    assert_eq!(bench.machine.last_error(), Some(ProvisionError::Network));
    assert_eq!(bench.elapsed(), 50_000);
}

#[test]
fn a_radio_that_says_nothing_is_asked_again() {
    let mut bench = Bench::started(InUse::Trial, false);
    assert_eq!((bench.wait(), bench.elapsed()), (String::new(), 20_000));
    assert_eq!((bench.wait(), bench.elapsed()), ("scan".to_string(), 21_000));
    bench.give(&heard(-50));
    assert_eq!((bench.wait(), bench.elapsed()), (String::new(), 33_000));
    assert_eq!((bench.wait(), bench.elapsed()), ("scan".to_string(), 34_000));
}

#[test]
fn fifteen_seconds_without_a_lease_are_certain() {
    let mut bench = bench(Stage::TrialAddressing);
    assert_eq!(bench.wait(), "reject 723 close CONNECTING_NET=>WAIT_CONFIG ap");
    assert_eq!(bench.elapsed(), 15_000);
}

#[test]
fn a_lease_that_has_no_time_left_is_a_network_that_was_not_joined() {
    let mut bench = Bench::started(InUse::Trial, false);
    bench.sleep(40_000);
    bench.give(&heard(-50));
    bench.give(&Input::Joined);
    assert_eq!(bench.wait(), "reject 701 close CONNECTING_NET=>WAIT_CONFIG ap");
    assert_eq!(bench.elapsed(), 50_000);
}

#[test]
fn a_lease_that_comes_when_the_network_is_gone_leads_nowhere() {
    let mut bench = bench(Stage::TrialAddressing).after([Input::LinkLost]);
    assert_eq!(bench.give(&Input::AddressSet), "");
    assert_eq!(bench.wait(), "scan");
}

#[test]
fn a_cloud_that_is_away_is_asked_every_five_seconds_until_the_window_closes() {
    let mut bench = bench(Stage::TrialCloud);
    let mut attempts = vec![bench.elapsed()];
    let end = loop {
        bench.sleep(1_000);
        bench.give(&Input::CloudFailed);
        let said = bench.wait();
        if said != "cloud" {
            break said;
        }
        attempts.push(bench.elapsed());
    };
    assert_eq!(attempts, [0, 6_000, 12_000, 18_000, 24_000, 30_000, 36_000, 42_000, 48_000]);
    assert_eq!(end, "reject 702 close CONNECTING_CLOUD=>WAIT_CONFIG ap");
    assert_eq!(bench.elapsed(), 50_000);
}

/// Plays a trial whose attempts at the cloud fail in turn like this; returns the code in the end.
fn code_after(failures: &[Input]) -> Option<u16> {
    let mut bench = bench(Stage::TrialCloud);
    let mut failures = failures.iter().cycle();
    while bench.machine.last_error().is_none() {
        if let Some(failure) = failures.next() {
            bench.give(failure);
        }
        bench.wait();
    }
    assert_eq!(bench.elapsed(), 50_000, "the whole window is used");
    bench.machine.last_error().map(ProvisionError::code)
}

#[test]
fn a_handshake_that_is_never_finished_is_tried_again_and_told_in_the_end() {
    assert_eq!(code_after(&[Input::SecureUnfinished]), Some(711));
    // The tenth attempt is the last that ends before the window does.
    let mut failures = std::vec![Input::CloudFailed; 10];
    assert_eq!(code_after(&failures), Some(702));
    failures[9] = Input::SecureUnfinished;
    assert_eq!(code_after(&failures), Some(711), "the last attempt decides");
    let mut failures = std::vec![Input::SecureUnfinished; 10];
    for other in [Input::CloudFailed, Input::SessionLost] {
        failures[9] = other;
        assert_eq!(code_after(&failures), Some(702), "the last attempt decides");
    }
}

#[test]
fn a_valid_configuration_loses_a_round_to_handshakes_that_are_never_finished() {
    let mut bench = bench(Stage::Cloud);
    let mut said = String::new();
    while !said.contains("failed") {
        bench.give(&Input::SecureUnfinished);
        said = bench.wait();
    }
    assert_eq!((said.as_str(), bench.elapsed()), ("close failed 711", 50_000));
    assert_eq!(bench.wait(), "cloud", "and goes on");
    bench.sleep(50_000);
    assert_eq!(bench.handle_timeout(), "close failed 702", "a round remembers nothing of the one before");
}

#[test]
fn a_router_that_drops_the_device_again_and_again_cannot_prolong_a_trial() {
    let mut bench = bench(Stage::TrialCloud);
    while bench.machine.last_error().is_none() {
        bench.sleep(7_000);
        bench.give(&Input::LinkLost);
        bench.sleep(1_000);
        bench.give(&heard(-50));
        bench.give(&Input::Joined);
        bench.give(&Input::AddressSet);
        if bench.due_in().is_some_and(|due| due < 8_000) {
            bench.wait();
        }
    }
    assert_eq!(bench.machine.last_error(), Some(ProvisionError::Cloud));
    assert_eq!(bench.elapsed(), 50_000, "the cloud's window began with the first address");
}

#[test]
fn a_trial_whose_network_is_gone_when_the_window_closes_says_so() {
    let mut bench = bench(Stage::TrialCloud);
    bench.sleep(45_000);
    bench.give(&Input::LinkLost);
    assert_eq!(bench.wait(), "reject 701 close CONNECTING_NET=>WAIT_CONFIG ap");
    assert_eq!(bench.elapsed(), 50_000);
}

#[test]
fn the_first_login_makes_a_trial_valid_and_the_next_one_changes_nothing() {
    let mut bench = bench(Stage::TrialCloud);
    assert_eq!(bench.give(&Input::LoggedIn), "CONNECTING_CLOUD=>RUNNING accept");
    assert_eq!(bench.machine.in_use(), InUse::Valid);
    bench.give(&Input::SessionLost);
    assert_eq!(bench.wait(), "cloud");
    assert_eq!(bench.give(&Input::LoggedIn), "CONNECTING_CLOUD=>RUNNING");
}

#[test]
fn a_login_ends_what_was_wrong() {
    let machine = Provision::new(InUse::Valid, true, Some(ProvisionError::Cloud), SEED);
    let mut bench = Bench { machine, ..Bench::new(InUse::Nothing, false) };
    bench.machine.start(bench.now, &mut Actions::new());
    assert_eq!(bench.machine.last_error(), Some(ProvisionError::Cloud));
    assert_eq!(bench.after(online()).machine.last_error(), None);
}

#[test]
fn many_access_points_that_are_full_prove_nothing_about_the_key() {
    let mut bench = bench(Stage::TrialScanning);
    for last in 1..=6 {
        bench.give(&Input::ScanDone(Some(point(last))));
        bench.give(&refused(JoinFailure::Refused));
        assert_eq!((bench.machine.last_error(), bench.wait().as_str()), (None, "scan"));
    }
}

#[test]
fn the_round_after_a_pause_has_its_whole_window() {
    let mut net = bench(Stage::NetPaused);
    assert_eq!((net.wait().as_str(), net.due_in()), ("scan", Some(20_000)));
    // Found and refused again and again, it is looked for until the window of fifty seconds closes.
    let from = net.elapsed();
    while !net.wait().starts_with("close failed") {
        net.give(&heard(-50));
        net.give(&refused(JoinFailure::Refused));
    }
    assert_eq!(net.elapsed() - from, 50_000);
    let mut cloud = bench(Stage::CloudPaused);
    assert_eq!((cloud.wait().as_str(), cloud.due_in()), ("cloud", Some(50_000)));
}

/// Fails one round for a valid configuration and returns the pause after it, in milliseconds.
fn fail_round(bench: &mut Bench) -> i64 {
    for miss in missed() {
        bench.give(&miss);
    }
    bench.due_in().expect("a pause")
}

#[test]
fn the_pause_doubles_from_one_second_to_a_minute_and_spreads_by_a_quarter() {
    let mut seen = Vec::new();
    for seed in 0..200 {
        let machine = Provision::new(InUse::Valid, true, None, seed);
        let mut bench = Bench { machine, ..Bench::new(InUse::Nothing, false) };
        bench.machine.start(bench.now, &mut Actions::new());
        for pause_ms in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
            let got = fail_round(&mut bench);
            assert!((pause_ms * 3 / 4..=pause_ms * 5 / 4).contains(&got), "{got} ms for {pause_ms} ms");
            seen.push((pause_ms, got));
            assert_eq!(bench.wait(), "scan");
        }
    }
    let last: Vec<i64> = seen.iter().filter(|(pause, _)| *pause == 60_000).map(|(_, got)| *got).collect();
    let (least, most) = (last.iter().min().unwrap(), last.iter().max().unwrap());
    assert!(*least < 48_000 && *most > 72_000, "the pauses hardly differ: {least} to {most} ms");
}

#[test]
fn after_five_hundred_rounds_the_device_shows_an_error_for_ten_seconds_and_restarts() {
    let mut bench = Bench::started(InUse::Valid, true);
    for _ in 1..500 {
        fail_round(&mut bench);
        assert_eq!(bench.wait(), "scan");
    }
    let said: Vec<String> = missed().map(|miss| bench.give(&miss)).into();
    assert_eq!(said[3], "close failed 720 off CONNECTING_NET=>ERROR");
    let before = bench.elapsed();
    assert_eq!((bench.wait(), bench.elapsed() - before), ("reboot".to_string(), 10_000));
}

#[test]
fn a_login_gives_five_hundred_new_rounds() {
    let mut bench = Bench::started(InUse::Valid, true);
    for _ in 0..499 {
        fail_round(&mut bench);
        bench.wait();
    }
    let mut bench = bench.after(online()).after([Input::LinkLost]);
    assert!(fail_round(&mut bench) <= 1_250, "and the pauses start over");
}

#[test]
fn a_cloud_that_ends_one_session_after_the_other_is_asked_less_and_less_often() {
    let mut bench = bench(Stage::Running);
    let lose = |bench: &mut Bench| {
        bench.give(&Input::SessionLost);
        bench.due_in().expect("a deadline")
    };
    // Once is bad luck.
    assert_eq!(lose(&mut bench), 5_000);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        assert_eq!(bench.wait(), "cloud");
        bench.give(&Input::LoggedIn);
        bench.sleep(59_999);
        pauses.push(lose(&mut bench));
    }
    assert!(pauses[0] <= 1_250 && pauses[1] > pauses[0] && pauses[2] > pauses[1], "{pauses:?}");
    assert!(pauses[6..].iter().all(|pause| (45_000..=75_000).contains(pause)), "{pauses:?}");
    // A session that lasts makes up for all of them.
    assert_eq!(bench.wait(), "cloud");
    bench.give(&Input::LoggedIn);
    bench.sleep(60_000);
    assert_eq!(lose(&mut bench), 5_000);
}

#[test]
fn the_rounds_of_the_network_and_the_cloud_count_together() {
    let mut bench = bench(Stage::Cloud);
    for round in 1..500 {
        assert_eq!(bench.give(&Input::ResolveFailed), "close failed 710", "round {round}");
        assert_eq!(bench.wait(), "cloud", "the network stays joined");
    }
    assert_eq!(bench.give(&Input::ResolveFailed), "close failed 710 off CONNECTING_CLOUD=>ERROR");
}

#[test]
fn a_held_button_puts_the_restart_off() {
    let mut bench = bench(Stage::Error);
    bench.button_down = true;
    for _ in 0..50 {
        assert_eq!(bench.wait(), "");
    }
    bench.button_down = false;
    assert_eq!(bench.wait(), "reboot");
}

#[test]
fn a_token_that_is_refused_twice_opens_the_access_point_and_keeps_the_record() {
    let mut bench = bench(Stage::Cloud);
    assert_eq!(bench.give(&Input::TokenRefused), "close");
    assert_eq!(bench.wait(), "cloud");
    assert_eq!(bench.give(&Input::TokenRefused), "close CONNECTING_CLOUD=>WAIT_CONFIG ap");
    assert_eq!((bench.machine.last_error(), bench.elapsed()), (Some(ProvisionError::Token), 5_000));
    // Every ten idle minutes the cloud is asked again, and has to refuse twice again.
    for _ in 0..3 {
        let before = bench.elapsed();
        assert_eq!(bench.wait(), "idle off WAIT_CONFIG=>CONNECTING_NET scan");
        assert_eq!(bench.elapsed() - before, 600_000);
        bench = bench.after([heard(-50), Input::Joined, Input::AddressSet]);
        assert_eq!(bench.give(&Input::TokenRefused), "close");
        assert_eq!(bench.wait(), "cloud");
        assert_eq!(bench.give(&Input::TokenRefused), "close CONNECTING_CLOUD=>WAIT_CONFIG ap");
    }
    bench.wait();
    assert_eq!(bench.after(online()).machine.last_error(), None, "and one day the token is known again");
}

#[test]
fn two_refusals_within_five_seconds_are_one() {
    let mut bench = bench(Stage::Cloud).after([Input::TokenRefused, Input::LinkLost]);
    bench.sleep(4_000);
    let mut bench = bench.after([heard(-50), Input::Joined, Input::AddressSet]);
    assert_eq!(bench.give(&Input::TokenRefused), "close");
}

#[test]
fn a_login_or_configuration_mode_between_two_refusals_makes_the_second_the_first() {
    let refuse_once = || {
        let mut bench = bench(Stage::Cloud).after([Input::TokenRefused]);
        bench.wait();
        bench
    };
    let mut bench =
        refuse_once().after([Input::LoggedIn, Input::LinkLost]).after(online().into_iter().take(3));
    assert_eq!(bench.give(&Input::TokenRefused), "close");
    let mut bench = refuse_once().after([Input::ConfigModeRequested]);
    bench.wait();
    let mut bench = bench.after(online().into_iter().take(3));
    assert_eq!(bench.give(&Input::TokenRefused), "close");
}

#[test]
fn ten_idle_minutes_lead_back_to_the_valid_configuration() {
    let mut bench = Bench::started(InUse::Trial, true).after(missed());
    assert_eq!(bench.machine.state(), State::WaitConfig);
    assert_eq!(bench.wait(), "idle off WAIT_CONFIG=>CONNECTING_NET scan");
    assert_eq!((bench.elapsed(), bench.machine.in_use()), (600_000, InUse::Valid));
    assert_eq!(bench.machine.last_error(), Some(ProvisionError::NetworkNotFound), "until a login");
}

#[test]
fn without_a_valid_configuration_the_access_point_stays_open() {
    assert_eq!(Bench::started(InUse::Trial, false).after(missed()).due_in(), None);
}

#[test]
fn every_request_starts_the_ten_minutes_anew_and_a_silent_station_does_not() {
    for (input, expected) in [
        (Input::PortalUsed, 600_000),
        (Input::BoardInfoRead, 600_000),
        (Input::ConfigModeRequested, 600_000),
        (Input::ApEmpty, 1_000),
    ] {
        for stage in [Stage::WaitConfigBesideValid, Stage::Configuring] {
            let mut bench = bench(stage);
            bench.machine.valid_exists = true;
            bench.give(&Input::BoardInfoRead);
            bench.sleep(599_000);
            bench.give(&input);
            assert_eq!(bench.due_in(), Some(expected), "{stage:?} {input:?}");
        }
    }
}

#[test]
fn a_trial_that_was_interrupted_by_configuration_mode_is_tried_when_nobody_comes() {
    let mut bench = Bench::started(InUse::Trial, true).after([Input::ConfigModeRequested]);
    assert_eq!(bench.wait(), "idle off WAIT_CONFIG=>CONNECTING_NET scan");
    assert_eq!(bench.machine.in_use(), InUse::Trial);
    assert_eq!(bench.after(online()).machine.in_use(), InUse::Valid);
}

#[test]
fn the_restart_comes_one_second_after_the_answer_and_a_second_submit_does_not_put_it_off() {
    let mut bench = bench(Stage::SwitchFromAp);
    bench.sleep(900);
    assert_eq!(bench.give(&Input::ConfigStored), "");
    assert_eq!((bench.wait(), bench.elapsed()), ("reboot".to_string(), 1_000));
}

#[test]
fn a_redirect_into_nowhere_does_not_leave_the_device_running_without_a_session() {
    let mut bench = bench(Stage::Running);
    assert_eq!(bench.give(&Input::Redirected), "RUNNING=>CONNECTING_CLOUD");
    assert!(bench.give(&Input::ResolveFailed).starts_with("close failed 710"));
    assert_eq!(bench.wait(), "cloud", "the configured server is asked again");
    assert_eq!(bench.give(&Input::LoggedIn), "CONNECTING_CLOUD=>RUNNING");
}

#[test]
fn a_lost_network_ends_the_pause_of_the_cloud() {
    let mut bench = bench(Stage::CloudPaused);
    assert_eq!(bench.give(&Input::LinkLost), "close off CONNECTING_CLOUD=>CONNECTING_NET scan");
    assert!(bench.after(online()).machine.state() == State::Running);
}
