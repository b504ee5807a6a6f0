//! What must hold for any bytes a stranger sends: one check per parser.
//!
//! A check takes bytes and panics when a promise is broken. The fuzzer (`fuzz/fuzz_targets`) calls it with bytes
//! that it makes up, `cargo test` with the files in `fuzz/corpus`. Nothing here makes up bytes itself, knows the
//! fuzzer, or reads a file.

mod console;
mod device;
mod files;
mod frames;
mod input;
mod link;
mod portal;
mod scenario;
mod session;
mod store;
mod time;
mod tls;
mod uplink;

pub use input::Input;

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of the fuzzer's program and of the folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Panics when these bytes break a promise.
    pub check: fn(&[u8]),
}

/// Every target, by name.
pub const TARGETS: [Target; 19] = [
    Target { name: "codec", check: uplink::codec },
    Target { name: "config_request", check: portal::config_request },
    Target { name: "console", check: console::console },
    Target { name: "device", check: device::device },
    Target { name: "dhcp_server", check: portal::dhcp_server },
    Target { name: "dns_server", check: portal::dns_server },
    Target { name: "form", check: portal::form },
    Target { name: "http", check: portal::http },
    Target { name: "link_device", check: link::link_device },
    Target { name: "link_host", check: link::link_host },
    Target { name: "modelled_tls", check: tls::modelled_tls },
    Target { name: "resolver", check: uplink::resolver },
    Target { name: "scan_list", check: portal::scan_list },
    Target { name: "scenario", check: scenario::scenario },
    Target { name: "session", check: session::session },
    Target { name: "sntp", check: time::sntp },
    Target { name: "store", check: store::store },
    Target { name: "trace_file", check: files::trace_file },
    Target { name: "wokwi_file", check: files::wokwi_file },
];

/// Runs the check of the target with this name.
///
/// # Panics
/// When the bytes break a promise, or when there is no such target.
pub fn check(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target with this name");
    (target.check)(bytes);
}
