//! What the command line asks of a program with sockets.

use std::env;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::Path;
use std::thread;

use hil_sim::cli::{
    AcceptanceArguments, CloudArguments, DeviceArguments, Live, PeerArguments, RadioName, ServeArguments,
    Trouble, WokwiTarget,
};
use hil_sim::executor::qemu::{PACKAGE, PROGRAM, Qemu};
use hil_sim::runner::Harness;
use hil_sim::scenario::Scenario;
use hil_sim::target::Target;
use hil_sim::tls::TlsClient;
use hil_sim::wokwi::Options;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc;

use crate::acceptance::Acceptance;
use crate::api::{ApiError, Server};
use crate::cloud;
use crate::device::{self, LiveDevice, LiveError, Panel, Taps};
use crate::peer::Peer;
use crate::serve::{self, Chip, EspImage};
use crate::wokwi::{NativeWokwi, Project, ProjectError, Wokwi, greet};

/// The environment variable with a device's token, for a run that is to reach the cloud.
const CLOUD_TOKEN_VARIABLE: &str = "HIL_BLYNK_TOKEN";

/// What the panel asks that waits while the world is busy.
const REQUESTS_WAITING_MAX: usize = 64;

/// This program's sockets.
#[derive(Clone, Copy, Debug)]
pub struct Sockets;

impl Live for Sockets {
    fn wokwi(
        &self,
        wanted: &WokwiTarget<'_>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Box<dyn Target>, Trouble> {
        let WokwiTarget { firmware, diagram, with_peer, radio } = *wanted;
        if with_peer {
            let project = Project::for_peer(diagram, firmware, progress).map_err(no_project)?;
            let jobs_max = thread::available_parallelism().map_or(1, NonZero::get);
            let server = Peer::in_thread(emulator()?).map_err(|error| system(&error))?;
            return Ok(Box::new(Wokwi::new(server, project, jobs_max)));
        }
        // Without a service nothing need be built.
        let server = Server::from_environment().map_err(|error| no_service(&error))?;
        progress("greeting the service ...");
        greet(&server).map_err(|error| no_service(&error))?;
        let binary = match radio {
            RadioName::Virtual => "virtual-radio",
            RadioName::Real => "real-radio",
        };
        let project = Project::open(diagram, firmware, binary, progress).map_err(no_project)?;
        Ok(match radio {
            RadioName::Virtual => Box::new(Wokwi::new(server, project, 1)),
            RadioName::Real => {
                let token = env::var(CLOUD_TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
                Box::new(NativeWokwi::new(server, project, Options { token, ..Options::default() }))
            }
        })
    }

    fn serve(&self, arguments: &ServeArguments) -> Result<(), Trouble> {
        let ServeArguments { elf, chip, id, host, port, gdb_port, bootloader, partition_table, no_open } =
            arguments;
        let chip: Chip = chip.parse().map_err(|error: serve::UnknownChip| {
            Trouble::misuse(error.to_string(), "name another: hil wokwi serve --chip esp32c3 ELF")
        })?;
        for file in [Some(elf), bootloader.as_ref(), partition_table.as_ref()].into_iter().flatten() {
            if !file.is_file() {
                let what = format!("there is no file {}", file.display());
                return Err(Trouble::misuse(what, "look for a misspelt name, and whether it has been built"));
            }
        }
        let image =
            EspImage { chip, bootloader: bootloader.clone(), partition_table: partition_table.clone() };
        EspImage::prepare()
            .map_err(|error| Trouble::unavailable(error, "install Rust from https://rustup.rs"))?;
        let options = serve::Options {
            elf: elf.clone(),
            chip,
            id: id.clone(),
            host: host.clone(),
            port: *port,
            gdb_port: *gdb_port,
            open_browser: !no_open,
        };
        runtime()?
            .block_on(async {
                let server = serve::Server::bind(options, move |elf| image.parts(elf)).await?;
                server.run(io::stdout(), |line| eprintln!("{line}")).await
            })
            .map_err(|error: serve::ServeError| match error {
                serve::ServeError::NoProject(_) => Trouble::misuse(error.to_string(), error.hint()),
                _ => Trouble::unavailable(error.to_string(), error.hint()),
            })
    }

    fn acceptance(
        &self,
        port: &str,
        baud: u32,
        arguments: &AcceptanceArguments,
        harness: &Harness,
    ) -> Result<Box<dyn Target>, Trouble> {
        Ok(Box::new(Acceptance::new(port, baud, arguments, harness)?))
    }

    fn device(
        &self,
        arguments: &DeviceArguments,
        scenario: Option<Scenario>,
        harness: &Harness,
    ) -> Result<(), Trouble> {
        let mut scenario = scenario.unwrap_or_else(device::home);
        scenario.world.tls = arguments.tls.unwrap_or(scenario.world.tls);
        let trust = arguments.trust.as_deref().map(authority).transpose()?;
        let DeviceArguments { tap, lan_tap, wan_tap, console, .. } = arguments;
        let taps =
            (!arguments.no_tap).then(|| Taps { ap: tap.clone(), lan: lan_tap.clone(), wan: wan_tap.clone() });
        check_names(taps.as_ref(), arguments.netns.as_deref())?;
        let options = device::Options {
            scenario,
            taps,
            namespace: arguments.netns.clone(),
            console: console.clone(),
            trust,
        };
        let address = SocketAddr::new(arguments.listen, arguments.port);
        // One thread: the simulated world belongs to it.
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| system(&error))?.block_on(async {
            let (sender, requests) = mpsc::channel(REQUESTS_WAITING_MAX);
            let mut live =
                LiveDevice::start(options, harness, requests).map_err(|error| no_device(&error))?;
            let panel = Panel::bind(address, sender).await.map_err(|error| {
                let hint = "end the other program, or choose another: --port PORT";
                Trouble::unavailable(format!("the panel cannot listen at {address}: {error}"), hint)
            })?;
            let url = format!("http://{}/", panel.address());
            println!("panel: {url}");
            live.advice().iter().for_each(|line| println!("{line}"));
            // Whoever waits for these lines may read from a pipe.
            let _ = io::stdout().flush();
            if !arguments.no_open && open::that_detached(&url).is_err() {
                eprintln!("no browser can be opened; open the address above in one");
            }
            let ended = async {
                // Without signals it can still be killed.
                if told_to_end().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            live.run(ended, |update| panel.tell(update)).await.map_err(|error| no_device(&error))
        })
    }

    fn peer(&self, arguments: &PeerArguments) -> Result<(), Trouble> {
        let runtime = runtime()?;
        let peer = runtime.block_on(Peer::bind(arguments.port, emulator()?)).map_err(|error| {
            let hint =
                "end the other program, perhaps another `hil wokwi peer`, or choose another: --port PORT";
            Trouble::unavailable(format!("port {} cannot be listened to: {error}", arguments.port), hint)
        })?;
        let address = peer.address().map_err(|error| system(&error))?;
        println!(
            "listening on ws://{address}; for clients: WOKWI_CLI_SERVER=ws://{address} WOKWI_CLI_TOKEN=any"
        );
        // Whoever waits for this line may read from a pipe.
        let _ = io::stdout().flush();
        runtime.block_on(async {
            tokio::select! {
                () = peer.serve(|line| eprintln!("{line}")) => Ok(()),
                told = told_to_end() => told.map_err(|error| system(&error)),
            }
        })
    }

    fn cloud(&self, arguments: &CloudArguments) -> Result<(), Trouble> {
        cloud::run(arguments, told_to_end())
    }
}

/// Ctrl-C, or a `kill` of whoever started it in the background: the emulators must end with it.
async fn told_to_end() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminated.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Names of interfaces and namespaces as Linux takes them.
fn check_names(taps: Option<&Taps>, namespace: Option<&str>) -> Result<(), Trouble> {
    let names: Vec<&str> = taps.into_iter().flat_map(Taps::names).collect();
    for name in names.iter().copied().chain(namespace) {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let fits =
            (1..=device::INTERFACE_NAME_LEN_MAX).contains(&name.len()) && !name.starts_with(['-', '.']);
        if !fits || !name.bytes().all(is_good) {
            let what = format!("`{name}` is no name for an interface or a namespace");
            return Err(Trouble::misuse(
                what,
                "1 to 15 letters, digits, `-`, `_` and `.`, for example hil-ap",
            ));
        }
    }
    let twice = names.iter().enumerate().find(|(place, name)| names[..*place].contains(name));
    if let Some((_, name)) = twice {
        let what = format!("two interfaces are to be called `{name}`");
        return Err(Trouble::misuse(
            what,
            "give each a name of its own: --tap NAME --lan-tap NAME --wan-tap NAME",
        ));
    }
    Ok(())
}

fn no_device(error: &LiveError) -> Trouble {
    let hint = match error {
        LiveError::Network(error) => error.hint(),
        LiveError::Terminal(error) => error.hint(),
        LiveError::World(_) => "look at the scenario's world",
        LiveError::Run(_) => "this is a mistake in the simulator or the firmware: please report it",
    };
    Trouble::unavailable(error.to_string(), hint)
}

fn emulator() -> Result<std::path::PathBuf, Trouble> {
    Qemu::find().ok_or_else(|| {
        Trouble::unavailable(
            format!("{PROGRAM} is not on the path"),
            format!("on Debian and Ubuntu: sudo apt install {PACKAGE}"),
        )
    })
}

fn runtime() -> Result<Runtime, Trouble> {
    runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| system(&error))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn no_project(error: ProjectError) -> Trouble {
    match error {
        ProjectError::Build(_) => Trouble::unavailable(error.to_string(), error.hint()),
        _ => Trouble::misuse(error.to_string(), error.hint()),
    }
}

fn no_service(error: &ApiError) -> Trouble {
    Trouble::unavailable(error.to_string(), error.hint())
}

fn system(error: &io::Error) -> Trouble {
    Trouble::unavailable(format!("the system refuses: {error}"), "close other programs and run it again")
}

/// The certificate of an authority, from a file in PEM.
fn authority(file: &Path) -> Result<Vec<u8>, Trouble> {
    let certificate = CertificateDer::from_pem_file(file).map_err(|error| {
        let what = format!("{} holds no certificate that can be read: {error}", file.display());
        Trouble::misuse(what, "name a file in PEM, such as `hil cloud --ca-out FILE` writes")
    })?;
    if TlsClient::new(&certificate).is_none() {
        let what = format!("the certificate in {} is none that TLS can trust", file.display());
        return Err(Trouble::misuse(what, "name an authority's certificate (X.509, version 3)"));
    }
    Ok(certificate.to_vec())
}
