//! What the manifests say and what cargo makes of them.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::tree::{read, root, text_files};

/// Which crates of the project a crate may use. Arrows point downward.
const ARROWS: [(&str, &[&str]); 8] = [
    ("firmware-core", &[]),
    ("hil-link", &["firmware-core"]),
    ("hil-sim", &["hil-link", "firmware-core"]),
    ("hil-live", &["hil-sim", "hil-link", "firmware-core"]),
    ("scenarios", &["hil-sim", "hil-live", "hil-link", "firmware-core"]),
    ("fuzz-checks", &["hil-sim", "hil-link", "firmware-core"]),
    ("firmware-qemu", &["hil-link", "firmware-core"]),
    ("firmware-esp32", &["hil-link", "firmware-core"]),
];

/// What cargo knows of the workspace, without the network and with the lock file as it is.
fn metadata() -> Value {
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    // What other platforms need may not have been downloaded.
    let options = ["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host];
    serde_json::from_str(&cargo(&options)).expect("metadata in JSON")
}

fn cargo(options: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(options).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn package<'a>(metadata: &'a Value, name: &str) -> &'a Value {
    let found = list(metadata, "packages").iter().find(|package| text(package, "name") == name);
    found.unwrap_or_else(|| panic!("there is no package {name}"))
}

/// The packages that lie in this tree.
fn members(metadata: &Value) -> impl Iterator<Item = &Value> {
    list(metadata, "packages").iter().filter(|package| package["source"].is_null())
}

/// DESIGN.md section 2: one smoltcp feature list, in the core; others may add only `alloc`.
#[test]
fn smoltcp_has_the_features_of_the_core_and_alloc() {
    let metadata = metadata();
    let smoltcp = package(&metadata, "smoltcp");
    let core = list(package(&metadata, "firmware-core"), "dependencies").iter();
    let of_core =
        core.filter(|dependency| text(dependency, "name") == "smoltcp" && dependency["kind"].is_null());
    let mut wanted: BTreeSet<&str> = of_core
        .flat_map(|dependency| list(dependency, "features"))
        .filter_map(Value::as_str)
        .chain(["alloc"])
        .collect();
    // A feature may bring others of the same crate.
    loop {
        let brought: BTreeSet<&str> = wanted
            .iter()
            .flat_map(|feature| list(&smoltcp["features"], feature))
            .filter_map(Value::as_str)
            .filter(|feature| !feature.contains(['/', ':']))
            .collect();
        if brought.is_subset(&wanted) {
            break;
        }
        wanted.extend(brought);
    }
    let nodes = list(&metadata["resolve"], "nodes").iter();
    let resolved: BTreeSet<&str> = nodes
        .filter(|node| text(node, "id") == text(smoltcp, "id"))
        .flat_map(|node| list(node, "features"))
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(resolved, wanted);
    // Congestion control changes frames, and Cubic computes with floats; `std` brings a clock.
    for feature in ["socket-tcp-reno", "socket-tcp-cubic", "std"] {
        assert!(!resolved.contains(feature), "smoltcp has the feature {feature}");
    }
}

/// The same for crates outside the workspace: only the core's manifest has a list.
#[test]
fn no_other_manifest_lists_smoltcp_features() {
    let manifests = text_files().into_iter().filter(|(path, _)| path.ends_with("Cargo.toml"));
    for (path, manifest) in manifests.filter(|(path, _)| path != "firmware-core/Cargo.toml") {
        for line in manifest.lines().filter(|line| line.starts_with("smoltcp")) {
            let is_allowed = match line.split_once("features = [") {
                Some((_, features)) => features.starts_with("\"alloc\"]"),
                None => line.contains("workspace = true") || line.contains("default-features = false"),
            };
            assert!(is_allowed, "{path}: {line}");
        }
    }
}

/// DESIGN.md section 2: dependency arrows point downward, and nothing depends on `scenarios`.
#[test]
fn arrows_point_downward() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = members(&metadata).map(|package| text(package, "name")).collect();
    for package in members(&metadata) {
        let name = text(package, "name");
        let (_, allowed) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name).unwrap_or_else(|| {
            panic!("{name} has no place in the list of arrows");
        });
        for dependency in list(package, "dependencies") {
            let dependency = text(dependency, "name");
            let is_allowed = !ours.contains(dependency) || allowed.contains(&dependency);
            assert!(is_allowed, "{name} must not depend on {dependency}");
        }
    }
    for (path, manifest) in text_files().into_iter().filter(|(path, _)| path.ends_with("Cargo.toml")) {
        let depends = manifest.lines().any(|line| line.starts_with("scenarios"));
        assert!(!depends, "{path} depends on `scenarios`");
    }
}

/// The lints of the workspace, missing documentation among them, hold in every crate.
#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let workspace = read("Cargo.toml");
    for lint in ["unsafe_code = \"forbid\"", "missing_docs = \"warn\"", "unreachable_pub = \"warn\""] {
        assert!(workspace.contains(lint), "the workspace has lost the lint {lint}");
    }
    for package in members(&metadata()) {
        let manifest = std::fs::read_to_string(text(package, "manifest_path")).expect("a manifest");
        let takes = manifest.contains("[lints]\nworkspace = true");
        assert!(takes, "{} does not take the workspace's lints", text(package, "name"));
    }
}
