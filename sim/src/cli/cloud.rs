//! `hil cloud`: what the command line says of it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::Args;

use super::live::Live;
use super::{Exit, Trouble};
use crate::runner::Harness;

pub(super) const EXAMPLES: &str = "\
Examples:
  hil cloud                               listens on 127.0.0.1:8080 (plain) and 127.0.0.1:9443 (TLS)
  HIL_CLOUD_PASSWORD=secret hil cloud --account me@example.com --template 'TMPL4lampXyz1=Smart Lamp'
                                          with an account and a template of one's own
  hil cloud --ca-out ca.pem --name cloud.test
                                          with a certificate for another name, and the authority that signed it
  hil cloud --database cloud.sqlite       with everything kept in a file
  HIL_CLOUD_TOKEN=0123456789abcdefghijABCDEFGHIJ_- hil cloud --device TMPL4lampXyz1
                                          with a device that is there already
  hil cloud --set heartbeat-factor=2.3 --set second-login=refuse
                                          as the last open server did
  hil cloud --admin-port 8081             with faults that can be switched on while it runs

docs/cloud.md has every call and every switch. Ctrl-C ends it.
Exit codes: 0 ended, 2 wrong use, 3 a port is taken or a file cannot be used.";

/// What `hil cloud` takes.
#[derive(Debug, Args)]
pub struct CloudArguments {
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub listen: IpAddr,
    /// The port for devices and the HTTP API without TLS; 0 takes one that is free.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// The port for both with TLS; 0 takes one that is free.
    #[arg(long, value_name = "PORT", default_value_t = 9443)]
    pub tls_port: u16,
    /// A name or an address that the self-made certificate is for; may be repeated
    /// [default: localhost, 127.0.0.1, blynk.cloud].
    #[arg(long = "name", value_name = "NAME", conflicts_with = "cert")]
    pub names: Vec<String>,
    /// Writes the certificate of the self-made authority there, which clients are to trust (PEM).
    #[arg(long, value_name = "FILE", conflicts_with = "cert")]
    pub ca_out: Option<PathBuf>,
    /// A certificate of one's own, with those that lead to its authority (PEM).
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The key of that certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Keeps accounts, templates, tokens, devices, values and events in this SQLite file [default: in memory].
    #[arg(long, value_name = "FILE")]
    pub database: Option<PathBuf>,
    /// The account that may use the platform API. Its password comes from HIL_CLOUD_PASSWORD; without that one is made up
    /// and printed.
    #[arg(long, value_name = "EMAIL", default_value = "developer@localhost")]
    pub account: String,
    /// A template of the account; may be repeated [default: the product's].
    #[arg(long = "template", value_name = "ID=NAME")]
    pub templates: Vec<String>,
    /// Adds a device of this template, whose token comes from HIL_CLOUD_TOKEN, unless there is one with that token.
    #[arg(long, value_name = "TEMPLATE")]
    pub device: Option<String>,
    /// Changes what the cloud does where nobody has published what the real one does; may be repeated. A wrong name lists
    /// all of them.
    #[arg(long = "set", value_name = "SWITCH=VALUE")]
    pub switches: Vec<String>,
    /// The port of the admin API, on loopback; 0 takes one that is free [default: there is none].
    #[arg(long, value_name = "PORT")]
    pub admin_port: Option<u16>,
    /// Tells of every connection and every value too.
    #[arg(long, short)]
    pub verbose: bool,
}

/// Serves until it is told to end. Without a template of one's own there is the product's.
pub(super) fn cloud(
    mut arguments: CloudArguments,
    harness: &Harness,
    live: Option<&dyn Live>,
) -> Result<Exit, Trouble> {
    if arguments.templates.is_empty() {
        let product = &harness.product;
        arguments.templates.push(format!("{}={}", product.template_id(), product.template_name()));
    }
    let live = live.expect("a command that takes sockets is carried out where there are some");
    live.cloud(&arguments).map(|()| Exit::Passed)
}
