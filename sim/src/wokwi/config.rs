//! The rules for `wokwi.toml`. Only a few keys are checked by Wokwi's own command line, and all it does not know it
//! ignores without a word.

use std::fs;
use std::path::Path;

use super::{Findings, meant};
use crate::tree::{Key, Node, Place, Value, read_json};

const TABLES: [&str; 3] = ["wokwi", "net", "chip"];
const WOKWI_KEYS: [&str; 6] = ["version", "firmware", "elf", "gdbServerPort", "rfc2217ServerPort", "vcdFile"];
const NET_KEYS: [&str; 2] = ["gateway", "forward"];
const FORWARD_KEYS: [&str; 2] = ["from", "to"];
const CHIP_KEYS: [&str; 2] = ["name", "binary"];
/// What only Wokwi's editors read.
const EDITOR_ONLY: [&str; 2] = ["gdbServerPort", "vcdFile"];
const FIRMWARE_ENDS: [&str; 3] = ["bin", "uf2", "elf"];

pub(super) fn check(root: &Node, folder: &Path, findings: &mut Findings<'_>) {
    known(root, &TABLES, "table", findings);
    match root.get("wokwi") {
        Some(table) if table.map().is_some() => check_wokwi(table, folder, findings),
        Some(other) => findings.error("config", other.at, "`wokwi` is not a table", "write `[wokwi]`"),
        None => findings.error("config", root.at, "there is no table `[wokwi]`", "begin the file with it"),
    }
    if let Some(net) = root.get("net") {
        check_net(net, findings);
    }
    for chip in list_of(root.get("chip"), "[[chip]]", findings) {
        check_chip(chip, folder, findings);
    }
    if !folder.join("diagram.json").is_file() {
        let help = "put one beside this file; `wokwi-cli init` writes one as well";
        findings.error("config", root.at, "there is no diagram.json in this folder", help);
    }
}

fn check_wokwi(table: &Node, folder: &Path, findings: &mut Findings<'_>) {
    known(table, &WOKWI_KEYS, "key", findings);
    match table.get("version") {
        Some(version) if version.number() == Some(1) => {}
        Some(version) => findings.error("config", version.at, "`version` must be 1", "write `version = 1`"),
        None => findings.error("config", table.at, "`version` is missing", "write `version = 1`"),
    }
    match table.get("firmware") {
        Some(firmware) => check_firmware(firmware, folder, findings),
        None => findings.error("config", table.at, "`firmware` is missing", "name the file that is to run"),
    }
    if let Some(elf) = table.get("elf") {
        check_path(elf, "elf", folder, findings);
    }
    for name in ["gdbServerPort", "rfc2217ServerPort"] {
        if let Some(port) = table.get(name)
            && !port.number().is_some_and(|port| (1..=65_535).contains(&port))
        {
            findings.error("config", port.at, format!("`{name}` is not a port"), "a number from 1 to 65535");
        }
    }
    for (key, _) in table.map().unwrap_or_default() {
        if EDITOR_ONLY.contains(&key.name.as_str()) {
            let what = format!("`{}` is read by Wokwi's editors, and wokwi-cli ignores it", key.name);
            findings.info("editor-only", key.at, what, "");
        }
    }
}

fn check_firmware(firmware: &Node, folder: &Path, findings: &mut Findings<'_>) {
    let Some(path) = check_path(firmware, "firmware", folder, findings) else { return };
    let path = Path::new(path);
    let is_flasher = path.file_name().is_some_and(|name| name == "flasher_args.json");
    let known = path.extension().is_none_or(|end| FIRMWARE_ENDS.iter().any(|known| end == *known));
    if !known && !is_flasher {
        let help = "a .bin, .uf2 or .elf, an ELF without an end, or flasher_args.json";
        findings.error("config", firmware.at, "Wokwi does not know this kind of firmware", help);
    }
    if is_flasher && let Ok(text) = fs::read_to_string(folder.join(path)) {
        check_flasher_args(&text, &folder.join(path), firmware.at, findings);
    }
}

/// The list of what goes where in the flash, as ESP-IDF writes it. Paths in it are from its own folder.
fn check_flasher_args(text: &str, path: &Path, at: Place, findings: &mut Findings<'_>) {
    let name = path.file_name().unwrap_or_default().display();
    let list = read_json(text).map_err(|error| error.why);
    let files = match &list {
        Ok(list) => {
            list.get("flash_files").and_then(Node::map).ok_or("it has no map `flash_files`".to_owned())
        }
        Err(why) => Err(why.clone()),
    };
    let files = match files {
        Ok(files) => files,
        Err(why) => return findings.error("flasher-args", at, format!("{name}: {why}"), ""),
    };
    for (Key { name: offset, .. }, file) in files {
        if offset.strip_prefix("0x").is_none_or(|digits| u32::from_str_radix(digits, 16).is_err()) {
            let what = format!("{name}: `{offset}` is no offset");
            findings.error("flasher-args", at, what, "such as \"0x10000\"");
        }
        match file.text() {
            Some(file) if path.with_file_name(file).is_file() => {}
            Some(file) => {
                let what = format!("{file}, which {name} names, is not there");
                findings.info("not-built", at, what, "build it before you start a simulation");
            }
            None => {
                let what = format!("{name}: what is at {offset} is {}, and should be a path", file.kind());
                findings.error("flasher-args", at, what, "");
            }
        }
    }
}

/// A path from the folder of the file; what is not there yet is worth a word only, because it may have to be built.
fn check_path<'n>(node: &'n Node, name: &str, folder: &Path, findings: &mut Findings<'_>) -> Option<&'n str> {
    let Some(path) = node.text() else {
        findings.error("config", node.at, format!("`{name}` is {}, and should be a text", node.kind()), "");
        return None;
    };
    if path.contains('\\') {
        findings.error("config", node.at, "a path has slashes, and no backslashes", "write `/`");
    } else if !folder.join(path).is_file() {
        let what = format!("{path} is not there");
        findings.info("not-built", node.at, what, "build it before you start a simulation");
    }
    Some(path)
}

fn check_net(net: &Node, findings: &mut Findings<'_>) {
    known(net, &NET_KEYS, "key", findings);
    findings.info("editor-only", net.at, "`net` is read by Wokwi's editors, and wokwi-cli ignores it", "");
    for forward in list_of(net.get("forward"), "[[net.forward]]", findings) {
        known(forward, &FORWARD_KEYS, "key", findings);
        for (name, host) in [("from", "localhost"), ("to", "target")] {
            let text = forward.get(name).and_then(Node::text);
            let port = text.and_then(|text| text.strip_prefix(host)?.strip_prefix(':')?.parse::<u16>().ok());
            if port.is_none_or(|port| port == 0) {
                let at = forward.get(name).map_or(forward.at, |node| node.at);
                let what = format!("`{name}` should be `{host}:PORT`");
                findings.error("config", at, what, "");
            }
        }
    }
}

fn check_chip(chip: &Node, folder: &Path, findings: &mut Findings<'_>) {
    if chip.map().is_none() {
        return;
    }
    known(chip, &CHIP_KEYS, "key", findings);
    match chip.get("name").map(|name| (name, name.text())) {
        Some((name, Some(text))) if text.starts_with("chip-") => {
            let help =
                format!("write `{}`; the prefix belongs to the diagram", text.trim_start_matches("chip-"));
            findings.error("chip-prefix", name.at, "the chip's name has the prefix `chip-`", help);
        }
        Some((_, Some(_))) => {}
        Some((name, None)) => findings.error("config", name.at, "the chip's `name` is not a text", ""),
        None => findings.error("config", chip.at, "the chip has no `name`", ""),
    }
    let Some(binary) = chip.get("binary") else {
        return findings.error("config", chip.at, "the chip has no `binary`", "name its .wasm file");
    };
    if binary.text().is_some_and(|path| !path.ends_with(".wasm")) {
        return findings.error("config", binary.at, "a chip's binary is a .wasm file", "");
    }
    let Some(path) = check_path(binary, "binary", folder, findings) else { return };
    if !folder.join(path).with_extension("json").is_file() {
        let what = format!("{} is not there", Path::new(path).with_extension("json").display());
        findings.info(
            "not-built",
            binary.at,
            what,
            "it describes the chip's pins and stands beside the .wasm",
        );
    }
}

/// Wokwi says nothing about what it does not know.
fn known(node: &Node, known: &[&str], what: &str, findings: &mut Findings<'_>) {
    for (Key { name, at }, _) in node.map().unwrap_or_default() {
        if !known.contains(&name.as_str()) {
            let what = format!("Wokwi ignores the {what} `{name}`");
            findings.warning("unknown-key", *at, what, meant(name, known));
        }
    }
}

fn list_of<'n>(node: Option<&'n Node>, write: &str, findings: &mut Findings<'_>) -> &'n [Node] {
    match node {
        None => &[],
        Some(Node { value: Value::List(items), .. }) => items,
        Some(other) => {
            findings.error(
                "config",
                other.at,
                format!("this is {}", other.kind()),
                format!("write `{write}`"),
            );
            &[]
        }
    }
}
