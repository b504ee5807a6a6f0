//! A harness of one's own: a lamp in place of the thermostat, tested by the same world and the same command.
//!
//! `cargo run --release --example lamp -- run sim/examples/lamp.yaml`

use std::process::ExitCode;

use firmware_core::Instant;
use firmware_core::application::Application;
use firmware_core::cloud::codec::Params;
use firmware_core::cloud::outgoing::Outgoing;
use firmware_core::product::{Identity, Product};
use hil_sim::runner::{BoxedApplication, Harness};

/// The pin of the switch in the app.
const PIN_SWITCH: u8 = 0;
/// The pin that says whether there is light.
const PIN_LIGHT: u8 = 1;

/// The product; a template id that is not one does not compile.
const PRODUCT: Product = match Product::new(Identity {
    template_id: "TMPL4lampXyz1",
    template_name: "Smart Lamp",
    firmware_version: "1.2.0",
    build: "Nov 22 2026 10:00:00",
    board: "ESP32-C3",
    vendor: "Acme",
    firmware_type: "",
    captive_portal: false,
}) {
    Ok(product) => product,
    Err(_) => panic!("the product's identity is not valid"),
};

struct Lamp {
    is_on: bool,
    /// Whether the cloud still has to be told. Done with only when the message was accepted for sending.
    is_report_due: bool,
}

impl Application for Lamp {
    fn on_connected(&mut self, _now: Instant, out: &mut Outgoing<'_>) {
        self.is_report_due = true;
        // What the app set while the lamp was away. Without room the switch stays as it is.
        let _ = out.sync(&[PIN_SWITCH]);
    }

    fn on_virtual_write(&mut self, _now: Instant, pin: u8, values: Params<'_>, _out: &mut Outgoing<'_>) {
        if pin == PIN_SWITCH {
            self.is_on = values.clone().next() == Some(b"1".as_slice());
            self.is_report_due = true;
        }
    }

    fn poll(&mut self, _now: Instant, out: &mut Outgoing<'_>) -> Option<Instant> {
        if self.is_report_due && out.virtual_write(PIN_LIGHT, &[&u8::from(self.is_on)]).is_ok() {
            self.is_report_due = false;
        }
        None
    }
}

fn main() -> ExitCode {
    let application = || BoxedApplication(Box::new(Lamp { is_on: false, is_report_due: false }));
    hil_sim::cli::main(Harness { product: PRODUCT, application })
}
