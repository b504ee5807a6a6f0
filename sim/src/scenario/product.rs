//! What a scenario changes about the product under test.

use std::collections::BTreeSet;
use std::sync::Mutex;

use firmware_core::product::{self, Identity, Product, ProductError};
use schemars::JsonSchema;
use serde::Deserialize;

/// What `Product` allows its longest field; nothing longer is kept for ever.
const TEXT_LEN_MAX: usize = 64;

/// The product that scenarios have by default: a thermostat.
pub const DEFAULT_PRODUCT: Product = match Product::new(Identity {
    template_id: "TMPL4thermo1",
    template_name: "Thermostat",
    firmware_version: "1.0.0",
    build: "Nov 22 2026 10:00:00",
    board: "ESP32-C3",
    vendor: product::DEFAULT_VENDOR,
    firmware_type: "",
    captive_portal: false,
}) {
    Ok(product) => product,
    Err(_) => panic!("the default product's identity is not valid"),
};

/// What differs from the product that the harness brings.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Product")]
pub struct ProductOverrides {
    /// `TMPL` and the rest of the template's id.
    pub template_id: Option<String>,
    /// The template's name, part of the access point's name.
    pub template_name: Option<String>,
    /// The firmware's version, 1 to 14 characters.
    pub firmware_version: Option<String>,
    /// The access point's prefix, 1 to 20 letters, digits and spaces; `Blynk` unless written.
    pub vendor: Option<String>,
    /// Whether the access point answers every name and redirects the phones' connectivity checks.
    pub captive_portal: Option<bool>,
    /// Who is asked for the time where certificates have dates, a host's name; `pool.ntp.org` unless written.
    pub time_server: Option<String>,
    /// What is done about the dates of certificates while nobody knows what day it is; `required` unless written.
    pub dates: Option<Dates>,
}

/// What a device does about the dates of certificates while it does not know what day it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dates {
    /// It trusts nobody.
    Required,
    /// It does not look at them.
    WhenKnown,
}

impl From<Dates> for product::Dates {
    fn from(dates: Dates) -> Self {
        match dates {
            Dates::Required => Self::Required,
            Dates::WhenKnown => Self::WhenKnown,
        }
    }
}

impl ProductOverrides {
    /// Applies the differences to a product.
    ///
    /// # Errors
    /// Names the first field that is wrong; for the product the scenario was checked with there is none.
    pub fn apply(&self, base: &Product) -> Result<Product, ProductError> {
        let texts =
            [&self.template_id, &self.template_name, &self.firmware_version, &self.vendor, &self.time_server];
        if texts.into_iter().flatten().any(|text| text.len() > TEXT_LEN_MAX) {
            return Err(ProductError::Field);
        }
        let product = Product::new(Identity {
            template_id: choose(self.template_id.as_deref(), base.template_id()),
            template_name: choose(self.template_name.as_deref(), base.template_name()),
            firmware_version: choose(self.firmware_version.as_deref(), base.firmware_version()),
            build: base.build(),
            board: base.board(),
            vendor: choose(self.vendor.as_deref(), base.vendor()),
            // A type that is the template's id follows the template.
            firmware_type: if base.firmware_type() == base.template_id() { "" } else { base.firmware_type() },
            captive_portal: self.captive_portal.unwrap_or(base.captive_portal()),
        })?;
        let product = product.with_time_server(choose(self.time_server.as_deref(), base.time_server()))?;
        Ok(product.with_dates(self.dates.map_or(base.dates(), Into::into)))
    }

    /// Applies the differences to the product that scenarios have by default: a thermostat.
    ///
    /// # Errors
    /// Names the first field that is wrong; a loaded scenario has none.
    pub fn apply_to_default(&self) -> Result<Product, ProductError> {
        self.apply(&DEFAULT_PRODUCT)
    }
}

fn choose(written: Option<&str>, base: &'static str) -> &'static str {
    written.map_or(base, interned)
}

/// Gives a text for the whole life of the process. A product's texts are constants in firmware, so they have
/// to be that here too; each different text is leaked once, however many scenarios are loaded.
fn interned(text: &str) -> &'static str {
    static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut texts = TEXTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = texts.get(text) {
        return known;
    }
    let leaked: &'static str = Box::leak(text.to_owned().into_boxed_str());
    texts.insert(leaked);
    leaked
}
