//! The command line. What stands here is what `--help` says.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use smoltcp::time::Duration;

use super::cloud::{self, CloudArguments};
use super::live::{AcceptanceArguments, DeviceArguments, PeerArguments, RadioName, ServeArguments};
use crate::executor::serial::BAUD;
use crate::firmware_build::{RISCV32IMAC, RISCV32IMC};
use crate::runner::DEFAULT_SEED;
use crate::runner::cuts::CutPoint;
use crate::scenario::TlsKind;
use crate::timeline::Detail;

const EXAMPLES: &str = "\
Examples:
  hil new                                 write a first scenario, with comments
  hil run                                 run all cases: one line each, and a summary
  hil run scenarios/cases/setup/first-setup.yaml
                                          run one and tell what happened, second by second
  hil doctor                              see which optional programs are there

Exit codes: 0 passed, 1 a scenario failed, 2 wrong use or a bad file, 3 the target is not available.";

const RUN_EXAMPLES: &str = "\
Examples:
  hil run                                 all *.yaml below scenarios/cases, here or in a parent
  hil run first.yaml                      one file: the timeline
  hil run first.yaml -v                   with radio, flash, indicator, addresses and scans
  hil run first.yaml -vv                  with the device's console
  hil run first.yaml --seed 0x2a          another roll of every dice: addresses, ports, jitter, losses
  hil run first.yaml --pace real          as slowly as it would be on a desk
  hil run first.yaml --html first.html    with everything in a page for a browser
  hil run first.yaml --pcap first.pcapng  with all frames in a file for Wireshark
  hil run first.yaml --vcd first.vcd      with lamp, button, states and links in a file for GTKWave
  hil run first.yaml --json first.jsonl   with everything that happened in a file for programs
  hil run --junit results.xml             with the results in a file for a CI server
  hil run --target qemu                   with the device on an emulated processor
  hil run --target board --port /dev/ttyACM0
                                          with the device on a board that runs `virtual-radio`
  hil run --target wokwi first.yaml       with the device in the Wokwi simulator; takes WOKWI_CLI_TOKEN
  hil run --target wokwi --peer           the same without Wokwi, with QEMU in its place
  hil run --target wokwi --radio real scenarios/cases/user/bouncing-button.yaml
                                          with Wokwi's own WiFi: set up on the console, seen from outside
  hil run --target board --radio real --port /dev/ttyACM0 --interface wlan1 --cloud http://192.168.1.10:8080 \
    --network HomeNet=MyWiFi scenarios/cases/setup/first-setup.yaml
                                          acceptance: a board with its own WiFi, real networks, this host as the phone
  hil run --update                        write the stories and exact traces beside the files

A run passes when every step does what it says and, at the default seed, the story is the one in
NAME.story.snap beside NAME.yaml, if there is one. One that fails leaves all these files in target/hil/NAME:
`hil show target/hil/NAME` opens the page.
Exit codes: 0 passed, 1 a scenario failed, 2 wrong use or a bad file, 3 the target is not available.";

const CUTS_EXAMPLES: &str = "\
Examples:
  hil cuts scenarios/cases/setup/first-setup.yaml
                                          all cuts of one story
  hil cuts moves.yaml --noises 16         with more contents of what is left half done
  hil cuts moves.yaml --at 3:17:1         one cut, and what happened: operation 3, 17 bytes done, noise 1

After each cut the device gets its power back and all faults end. Then it must hold what it held before the
write or what it was to hold, come to rest (online, or waiting for a phone), take another configuration, and
tell no secret when it holds none.
Exit codes: 0 all is well, 1 a cut does harm, 2 wrong use or a bad file.";

const EXPLORE_EXAMPLES: &str = "\
Examples:
  hil explore first.yaml --seeds 1000     a thousand seeds
  hil explore first.yaml --from 4711 --show
                                          the scenario file that seed 4711 becomes
  hil explore first.yaml --seeds 1000000 --shard 3/16 --json 3.json
                                          the third of sixteen parts of a million seeds
  hil merge *.json                        what all parts came to

Each seed becomes a scenario file: faults that it draws, then the story, whose steps may fail, then the end of
all faults. Whatever goes wrong, the invariants must hold; in the end the device must come to rest and let
itself be set up. What fails is made small and written as a file that fails the same way.
Exit codes: 0 nothing is wrong, 1 a seed fails, 2 wrong use or a bad file.";

const DEVICE_EXAMPLES: &str = "\
Examples:
  hil serve --no-tap                      the device and its panel: press, type, pull the plug, set it up
  sudo hil serve                          with hil-ap in the device's network and hil-lan in the home's
  sudo hil serve --netns bench            with both in a network namespace; then, in another terminal:
    sudo ip netns exec bench dhclient hil-ap
    sudo ip netns exec bench curl http://192.168.4.1/board_info.json
  hil serve my-case.yaml --no-tap         in the world of a scenario, with its product

The panel's page uses a small interface that programs can use as well: docs/serve.md.
Interfaces are TAP interfaces, which Linux has; they need CAP_NET_ADMIN, and a namespace needs CAP_SYS_ADMIN.
Exit codes: 0 ended by Ctrl-C, 2 wrong use or a bad file, 3 a port or an interface cannot be had.";

const DIFF_EXAMPLES: &str = "\
Examples:
  hil diff before.jsonl after.jsonl       two runs
  hil diff target/hil/first-setup scenarios/cases/setup/first-setup.exact.snap
                                          a run that failed, and how it was
  hil diff target/hil/first-setup scenarios/cases/setup/first-setup.story.snap
                                          the milestones alone, without times

What devices print on their consoles and the scenario's own steps are not compared.
Exit codes: 0 both tell the same, 1 they part, 2 wrong use or a bad file.";

const LINT_EXAMPLES: &str = "\
Examples:
  hil wokwi lint                          the files of this folder
  hil wokwi lint wokwi/esp32c6            those of another
  hil wokwi lint button.test.yaml         one automation scenario, held against the diagram beside it

The rules are those of Wokwi's own linter, and traps that it does not know: wires that are missing to the serial
monitor, `expected:`, pins without quotation marks, a second action in one step, keys that nobody reads.
Exit codes: 0 no error, 1 an error, 2 wrong use or a file that cannot be read.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  hil wokwi export scenarios/cases/user/button-reset.yaml -o button-reset.test.yaml
  wokwi-cli . --scenario button-reset.test.yaml --timeout 120000

Nothing can join an access point in Wokwi: the device is provisioned on its console, for the network Wokwi-GUEST, and
comes as far as CONNECTING_CLOUD. What cannot be carried over stands in a comment with the reason.
Exit codes: 0 written, 1 no step could be carried over, 2 wrong use or a bad file.";

const SERVE_EXAMPLES: &str = "\
Examples:
  hil wokwi serve firmware-esp32/target/riscv32imc-unknown-none-elf/release/real-radio \\
      --partition-table firmware-esp32/partitions.csv
                                          our own firmware on an ESP32-C3
  hil wokwi serve --chip esp32 app.elf    any other, with espflash's partition table
  gdb-multiarch app.elf -ex 'target remote :9333'
                                          a debugger beside it

Bootloader, partition table and application are made of the ELF file by espflash's library. Ctrl-C ends it.
Exit codes: 0 ended, 2 wrong use, 3 a port is taken or something is missing.";

const PEER_EXAMPLES: &str = "\
Examples:
  hil wokwi peer                          listens on ws://127.0.0.1:9177
  WOKWI_CLI_SERVER=ws://127.0.0.1:9177 WOKWI_CLI_TOKEN=any python my_client.py
                                          another client of the same interface
  hil run --target wokwi --peer           the scenarios, with a peer that ends with them

It serves hello, uploads, start, pause, resume, status, the serial line and pause points, to ELF files for QEMU's riscv32
machine `virt`. Anything else answers an error that names it. Ctrl-C ends it.
Exit codes: 0 ended, 2 wrong use, 3 the port is taken or QEMU is missing.";

const IMAGE_EXAMPLES: &str = "\
Examples:
  hil image                               real-radio for an ESP32-C3 with 4 MiB of flash
  hil image --chip esp32c6 --binary virtual-radio
                                          for the scenarios on an ESP32-C6
  espflash write-bin 0x0 real-radio-esp32c3.bin
                                          flash it

Exit codes: 0 written, 2 wrong use, 3 something that it takes is missing.";

/// Tests WiFi provisioning of a device: phone, router, cloud and air are simulated, a scenario file says what
/// happens and what must come of it.
#[derive(Debug, Parser)]
#[command(name = "hil", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
    /// Whether to use colour; `auto` does on a terminal unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(super) color: Colour,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Runs scenarios: all of them, or one with its timeline.
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArguments>),
    /// Reads scenario files and says what is wrong with them, without running them.
    Check {
        /// Scenario files, or folders of them [default: all cases].
        files: Vec<PathBuf>,
    },
    /// Runs a scenario once for every power cut: at each byte of everything that its devices write to flash.
    #[command(after_help = CUTS_EXAMPLES)]
    Cuts(CutsArguments),
    /// Runs a scenario with faults that seeds draw, many thousand times, and makes what fails small.
    #[command(after_help = EXPLORE_EXAMPLES)]
    Explore(ExploreArguments),
    /// Joins what `hil explore --json` wrote for each shard.
    Merge(MergeArguments),
    /// Says where two runs part: two traces, or a trace and a snapshot.
    #[command(after_help = DIFF_EXAMPLES)]
    Diff {
        /// A trace that `hil run FILE --json` wrote, the folder of a run that failed, or a snapshot.
        #[arg(value_name = "A")]
        first: PathBuf,
        /// Another one.
        #[arg(value_name = "B")]
        second: PathBuf,
    },
    /// Opens the page of a run that was kept because it failed.
    Show {
        /// The run's folder, its page, or its name below target/hil [default: the only one].
        run: Option<PathBuf>,
    },
    /// Runs a live device, with a panel in the browser and interfaces of this host in its networks.
    #[command(after_help = DEVICE_EXAMPLES)]
    Serve(DeviceArguments),
    /// Helps with the Wokwi simulator.
    Wokwi {
        #[command(subcommand)]
        command: WokwiCommand,
    },
    /// Is a cloud on real sockets, for real devices and clients: device protocol and HTTP API, plain and with TLS.
    #[command(after_help = cloud::EXAMPLES)]
    Cloud(Box<CloudArguments>),
    /// Writes a first scenario, with comments, to be changed; never over a file that is there.
    New {
        /// The file to write [default: scenarios/cases/my-first-setup.yaml].
        file: Option<PathBuf>,
    },
    /// Builds the firmware for a board as one file with everything that its flash holds.
    #[command(after_help = IMAGE_EXAMPLES)]
    Image(ImageArguments),
    /// Says which optional programs are there, what each is for and which package brings it.
    Doctor,
}

#[derive(Debug, Subcommand)]
pub(super) enum WokwiCommand {
    /// Checks wokwi.toml, diagrams and automation scenarios, without Wokwi and without a network.
    #[command(after_help = LINT_EXAMPLES)]
    Lint(LintArguments),
    /// Writes a scenario of ours as an automation scenario of Wokwi's, as far as it can be carried over.
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArguments),
    /// Runs a firmware in a page of Wokwi's, with its serial line here and a port for GDB, as wokwi-server does.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArguments),
    /// Stands in for Wokwi's service, with QEMU: for tests of clients, without a network and without a token.
    #[command(after_help = PEER_EXAMPLES)]
    Peer(PeerArguments),
}

#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// The scenario file.
    pub(super) file: PathBuf,
    /// The file to write [default: the screen].
    #[arg(long, short, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// The id of the button in the diagram.
    #[arg(long, value_name = "ID", default_value = "button")]
    pub(super) button: String,
    /// The id of the board in the diagram.
    #[arg(long, value_name = "ID", default_value = "esp")]
    pub(super) board: String,
    /// Looks at a plain LED at this pin of the board in each state; the firmware must be built with `led-plain`.
    #[arg(long, value_name = "PIN")]
    pub(super) led: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct LintArguments {
    /// Files, or folders with wokwi.toml, diagram*.json and *.test.yaml [default: here].
    pub(super) paths: Vec<PathBuf>,
    /// Ends with 1 for a warning as well.
    #[arg(long)]
    pub(super) warnings_as_errors: bool,
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Scenario files, or folders of them [default: all cases].
    pub(super) files: Vec<PathBuf>,
    /// What all chance in the run follows from, decimal or 0x and hexadecimal.
    #[arg(long, value_name = "N", value_parser = parse_seed, default_value_t = DEFAULT_SEED)]
    pub(super) seed: u64,
    /// Tells more: -v also what the story leaves out, -vv also the device's console.
    #[arg(short, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// What the device under test is.
    #[arg(long, value_enum, default_value = "sim")]
    pub(super) target: TargetName,
    /// The firmware for the targets `qemu` and `wokwi`, an ELF file [default: builds the project's own].
    #[arg(long, value_name = "FILE")]
    pub(super) firmware: Option<PathBuf>,
    /// The serial port of a board, for the target `board`; once for each device of a scenario.
    #[arg(long, value_name = "PORT")]
    pub(super) port: Vec<String>,
    /// The speed of the serial ports; a chip's own USB port has none.
    #[arg(long, value_name = "BAUD", default_value_t = BAUD)]
    pub(super) baud: u32,
    /// The diagram for the target `wokwi`, whose board says for which chip to build [default: the project's own].
    #[arg(long, value_name = "FILE")]
    pub(super) diagram: Option<PathBuf>,
    /// Whose radio the device uses: the world's here, or its own, with the device seen from outside. In Wokwi it is
    /// waited for until it is online when HIL_BLYNK_TOKEN has a token, at the cloud that HIL_BLYNK_HOST and
    /// HIL_BLYNK_PORT name. On a board this is acceptance: docs/acceptance.md.
    #[arg(long, value_enum, default_value = "virtual", value_name = "WHOSE")]
    pub(super) radio: RadioName,
    #[command(flatten)]
    pub(super) acceptance: AcceptanceArguments,
    /// Has the peer of `hil wokwi peer` stand in for Wokwi's service: no token, no network.
    #[arg(long)]
    pub(super) peer: bool,
    /// What protects the way to the clouds, in the place of what each scenario says.
    #[arg(long, value_enum, value_name = "KIND")]
    pub(super) tls: Option<TlsKind>,
    /// How many scenarios run at once [default: one for each core; boards and Wokwi run one].
    #[arg(long, short = 'j', value_name = "N")]
    pub(super) jobs: Option<NonZero<usize>>,
    /// How fast time passes for whoever watches: `fast`, `real`, or a factor such as `10x`.
    #[arg(long, value_name = "PACE", value_parser = parse_pace, default_value = "fast")]
    pub(super) pace: Pace,
    /// Writes the hash of each scenario's exact trace there, to be held against another build or machine.
    #[arg(long, value_name = "FILE")]
    pub(super) hashes: Option<PathBuf>,
    /// Writes what became of each scenario there as a JUnit file, which CI servers show.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Writes one scenario as a web page there, with everything in it: lanes, packets, console, flash, steps.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Writes everything that happened in one scenario there, an object a line, for programs (JSON Lines).
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Writes what the devices of one scenario showed and felt there as a waveform, for GTKWave and PulseView (VCD).
    #[arg(long, value_name = "FILE")]
    pub(super) vcd: Option<PathBuf>,
    /// Writes every frame of one scenario there as each actor saw it, for Wireshark (pcapng).
    #[arg(long, value_name = "FILE")]
    pub(super) pcap: Option<PathBuf>,
    /// Writes the story and the exact trace of each scenario that passes beside its file.
    #[arg(long)]
    pub(super) update: bool,
}

#[derive(Debug, Args)]
pub(super) struct CutsArguments {
    /// The scenario file.
    pub(super) file: PathBuf,
    /// What all chance follows from, decimal or 0x and hexadecimal.
    #[arg(long, value_name = "N", value_parser = parse_seed, default_value_t = DEFAULT_SEED)]
    pub(super) seed: u64,
    /// How many contents are tried of a byte or sector that was interrupted.
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) noises: u32,
    /// The device whose power goes [default: each in turn].
    #[arg(long, value_name = "NAME")]
    pub(super) device: Option<String>,
    /// One cut, OPERATION:BYTES:NOISE; its timeline is told.
    #[arg(long, value_name = "CUT")]
    pub(super) at: Option<CutPoint>,
    /// How many cuts are tried at once [default: one for each core].
    #[arg(long, short = 'j', value_name = "N")]
    pub(super) jobs: Option<NonZero<usize>>,
}

#[derive(Debug, Args)]
pub(super) struct ExploreArguments {
    /// The scenario file.
    pub(super) file: PathBuf,
    /// How many seeds.
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) seeds: u64,
    /// The first of them, decimal or 0x and hexadecimal; the others follow it.
    #[arg(long, value_name = "SEED", value_parser = parse_seed, default_value_t = DEFAULT_SEED)]
    pub(super) from: u64,
    /// How many run at once [default: one for each core]. The result is the same.
    #[arg(long, short = 'j', value_name = "N")]
    pub(super) jobs: Option<NonZero<usize>>,
    /// One part of the seeds: which of how many, such as 3/16.
    #[arg(long, value_name = "I/N", value_parser = parse_shard, default_value = "1/1")]
    pub(super) shard: (u64, u64),
    /// Begins no seed any more after so long, such as 90s or 10m.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(super) time: Option<Duration>,
    /// Runs each seed twice more and compares the traces.
    #[arg(long)]
    pub(super) check_determinism: bool,
    /// Writes the scenario file of the first seed to the screen and runs nothing.
    #[arg(long)]
    pub(super) show: bool,
    /// Writes the result there, for `hil merge` and for programs.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// The folder for the small scenario files of what fails.
    #[arg(long, value_name = "FOLDER", default_value = "target/hil/explore")]
    pub(super) out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct MergeArguments {
    /// What `hil explore --json` wrote.
    #[arg(required = true)]
    pub(super) files: Vec<PathBuf>,
    /// Writes the joined result there.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ImageArguments {
    /// The chip.
    #[arg(long, value_enum, default_value = "esp32c3")]
    pub(super) chip: Chip,
    /// The firmware: with the chip's own radio, or the device's side of the link for `run --target board`.
    #[arg(long, value_enum, default_value = "real-radio")]
    pub(super) binary: Binary,
    /// More features of the firmware, such as `uart0` or `led-active-low`.
    #[arg(long, value_name = "FEATURES")]
    pub(super) features: Option<String>,
    /// The size of the board's flash in MiB.
    #[arg(long, value_name = "MIB", value_parser = ["2", "4", "8", "16"], default_value = "4")]
    pub(super) flash_mib: String,
    /// The file to write [default: BINARY-CHIP.bin].
    #[arg(long, short, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// A chip that can be built for with the ordinary Rust compiler.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Chip {
    /// ESP32-C3.
    Esp32c3,
    /// ESP32-C6.
    Esp32c6,
}

impl Chip {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Esp32c3 => "esp32c3",
            Self::Esp32c6 => "esp32c6",
        }
    }

    pub(super) fn rust_target(self) -> &'static str {
        match self {
            Self::Esp32c3 => RISCV32IMC,
            Self::Esp32c6 => RISCV32IMAC,
        }
    }
}

/// A firmware for boards.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Binary {
    /// A device that a phone can set up and a cloud can use.
    RealRadio,
    /// The device's side of the link.
    VirtualRadio,
}

impl Binary {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RealRadio => "real-radio",
            Self::VirtualRadio => "virtual-radio",
        }
    }
}

impl RunArguments {
    /// Whether a file is asked for that tells of one scenario.
    pub(super) fn is_of_one(&self) -> bool {
        let Self { html, json, vcd, pcap, .. } = self;
        [html, json, vcd, pcap].into_iter().any(Option::is_some)
    }

    pub(super) fn detail(&self) -> Detail {
        match self.verbose {
            0 => Detail::Story,
            1 => Detail::Details,
            2.. => Detail::Console,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum TargetName {
    /// The firmware in this process.
    Sim,
    /// The firmware on an emulated RISC-V processor.
    Qemu,
    /// The firmware in Wokwi.
    Wokwi,
    /// The firmware on a board.
    Board,
}

impl TargetName {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Qemu => "qemu",
            Self::Wokwi => "wokwi",
            Self::Board => "board",
        }
    }
}

/// How fast a run is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pace {
    /// As fast as possible.
    Fast,
    /// So many times as fast as real time.
    Times(u32),
}

fn parse_seed(text: &str) -> Result<u64, String> {
    let digits = text.replace('_', "");
    let seed = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16),
        None => digits.parse(),
    };
    seed.map_err(|_| "a seed is a whole number below 2^64, such as 7 or 0x2a".to_owned())
}

fn parse_shard(text: &str) -> Result<(u64, u64), String> {
    let parts =
        text.split_once('/').and_then(|(shard, shards)| Some((shard.parse().ok()?, shards.parse().ok()?)));
    match parts {
        Some((shard, shards)) if (1..=shards).contains(&shard) => Ok((shard, shards)),
        Some(_) | None => Err("write which of how many, such as 3/16".to_owned()),
    }
}

fn parse_time(text: &str) -> Result<Duration, String> {
    crate::scenario::parse_duration(text).map_err(|error| error.replace('\n', ": "))
}

fn parse_pace(text: &str) -> Result<Pace, String> {
    let factor = || text.strip_suffix('x')?.parse::<u32>().ok().filter(|factor| *factor > 0);
    match text {
        "fast" => Ok(Pace::Fast),
        "real" => Ok(Pace::Times(1)),
        _ => factor()
            .map(Pace::Times)
            .ok_or_else(|| "write `fast`, `real` or a factor such as `10x`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_decimal_or_hexadecimal() {
        for (text, seed) in
            [("7", Some(7)), ("0x2a", Some(42)), ("0XFF_FF", Some(0xFFFF)), ("1_000", Some(1_000))]
        {
            assert_eq!(parse_seed(text).ok(), seed, "{text}");
        }
        for text in ["", "0x", "-1", "1.5", "18446744073709551616", "seven"] {
            assert!(parse_seed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_shard_is_one_of_many_and_a_time_has_a_unit() {
        assert_eq!((parse_shard("1/1"), parse_shard("3/16")), (Ok((1, 1)), Ok((3, 16))));
        for text in ["", "0/4", "5/4", "1", "/", "1/0", "a/b", "1/2/3"] {
            assert!(parse_shard(text).is_err(), "{text}");
        }
        assert_eq!(parse_time("90s"), Ok(Duration::from_secs(90)));
        assert!(parse_time("90").is_err_and(|error| !error.contains('\n')));
    }

    #[test]
    fn a_pace_is_a_word_or_a_factor() {
        for (text, pace) in [("fast", Pace::Fast), ("real", Pace::Times(1)), ("60x", Pace::Times(60))] {
            assert_eq!(parse_pace(text), Ok(pace));
        }
        for text in ["", "x", "0x", "slow", "-1x", "10"] {
            assert!(parse_pace(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
