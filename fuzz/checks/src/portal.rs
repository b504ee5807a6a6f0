//! What strangers can send to the access point, one parser at a time.

mod dhcp;
mod dns;
mod web;

pub(crate) use dhcp::dhcp_server;
pub(crate) use dns::dns_server;
pub(crate) use web::{config_request, form, http, scan_list};
