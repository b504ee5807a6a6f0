//! What the product is: the one constant from which every name that users and the cloud see is made.

use core::fmt;

/// Edgent's default access point prefix (`CONFIG_VENDOR_PREFIX`).
pub const DEFAULT_VENDOR: &str = "Blynk";
/// Who is asked for the time unless the product says otherwise (as Edgent on ESP8266).
pub const DEFAULT_TIME_SERVER: &str = "pool.ntp.org";

/// The identity of a product, checked when the firmware is compiled.
///
/// ```
/// use firmware_core::product::{Identity, Product};
/// const LAMP: Product = match Product::new(Identity {
///     template_id: "TMPL4lampXyz1", template_name: "Smart Lamp", firmware_version: "1.2.0",
///     build: "Nov 22 2026 10:00:00", board: "ESP32-C3", vendor: "Blynk",
///     firmware_type: "", captive_portal: false,
/// }) { Ok(product) => product, Err(_) => panic!("the product's identity is not valid") };
/// ```
///
/// The same with an empty template id, or a malformed one, does not compile:
///
/// ```compile_fail,E0080
/// use firmware_core::product::{Identity, Product};
/// const LAMP: Product = match Product::new(Identity {
///     template_id: "", template_name: "Smart Lamp", firmware_version: "1.2.0",
///     build: "Nov 22 2026 10:00:00", board: "ESP32-C3", vendor: "Blynk",
///     firmware_type: "", captive_portal: false,
/// }) { Ok(product) => product, Err(_) => panic!("the product's identity is not valid") };
/// ```
///
/// What an identity does not say has safe defaults, and a product may choose otherwise:
///
/// ```
/// # use firmware_core::product::{Dates, Identity, Product, ProductError};
/// # const IDENTITY: Identity<'static> = Identity {
/// #     template_id: "TMPL4lampXyz1", template_name: "Smart Lamp", firmware_version: "1.2.0",
/// #     build: "Nov 22 2026 10:00:00", board: "ESP32-C3", vendor: "Blynk",
/// #     firmware_type: "", captive_portal: false,
/// # };
/// const LAMP: Product = match Product::new(IDENTITY) {
///     Ok(product) => match product.with_time_server("time.example.com") {
///         Ok(product) => product.with_dates(Dates::WhenKnown),
///         Err(_) => panic!("the time server's name is not valid"),
///     },
///     Err(_) => panic!("the product's identity is not valid"),
/// };
/// assert_eq!((LAMP.time_server(), LAMP.dates()), ("time.example.com", Dates::WhenKnown));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Product {
    identity: Identity<'static>,
    time_server: &'static str,
    dates: Dates,
}

/// What is done about the dates of certificates while nobody knows what day it is: no time server has answered since
/// the start, and flash keeps no time from before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dates {
    /// Nobody is trusted: the encrypted connection is refused (711) and tried again. A network that blocks NTP keeps
    /// a new device out of the cloud.
    #[default]
    Required,
    /// The dates are not looked at, everything else of a certificate is. Whoever holds a certificate that has
    /// expired, and its key, can pose as the cloud to such a device.
    WhenKnown,
}

/// The plain fields a [`Product`] is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity<'a> {
    /// `TMPL` and the rest of the template's id, from the cloud's console.
    pub template_id: &'a str,
    /// The template's name, 1 to 64 bytes, of which the access point's name has the first ones.
    pub template_name: &'a str,
    /// The firmware's version, 1 to 14 bytes.
    pub firmware_version: &'a str,
    /// When the firmware was built, `Mmm dd yyyy hh:mm:ss`; at most 64 bytes.
    pub build: &'a str,
    /// The board, as told to the cloud (`dev`); at most 64 bytes.
    pub board: &'a str,
    /// The access point's prefix, 1 to 20 letters, digits and spaces.
    pub vendor: &'a str,
    /// What the cloud may update the device with, at most 64 bytes; empty for the template id.
    pub firmware_type: &'a str,
    /// Whether the access point answers every name and redirects the phones' connectivity probes.
    pub captive_portal: bool,
}

/// Why an identity is not a product.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProductError {
    /// The template id is not `TMPL` followed by 1 to 28 letters, digits, `-` or `_`.
    TemplateId,
    /// The template name is empty or longer than 64 bytes.
    TemplateName,
    /// The firmware version is empty or longer than 14 bytes.
    FirmwareVersion,
    /// The vendor prefix is empty, longer than 20 characters, or has other than letters, digits, spaces.
    Vendor,
    /// A field is longer than 64 bytes, or holds a NUL byte, which would make two parameters of it.
    Field,
    /// The time server is not a name of 1 to 64 letters, digits, `-` and `.`, with at most 63 between two dots.
    TimeServer,
}

impl fmt::Display for ProductError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TemplateId => {
                "the template id must be `TMPL` followed by 1 to 28 letters, digits, `-` or `_`"
            }
            Self::TemplateName => "the template name must have 1 to 64 bytes",
            Self::FirmwareVersion => "the firmware version must have 1 to 14 bytes",
            Self::Vendor => "the vendor prefix must be 1 to 20 letters, digits or spaces",
            Self::Field => "a product field is longer than 64 bytes or holds a NUL byte",
            Self::TimeServer => "the time server must be a name of 1 to 64 letters, digits, `-` and `.`",
        })
    }
}

impl core::error::Error for ProductError {}

/// The console's limit for a hotspot prefix.
const VENDOR_LEN_MAX: usize = 20;
/// Edgent's record keeps 15 bytes with a terminator for the version.
const VERSION_LEN_MAX: usize = 14;
/// Generous for every field the info frame carries, small enough for the frame to fit its buffer.
const FIELD_LEN_MAX: usize = 64;
/// `TMPL` and what the console puts behind it.
const TEMPLATE_ID_LEN_MAX: usize = 32;
/// RFC 1035 section 2.3.4.
const LABEL_LEN_MAX: u8 = 63;

impl Product {
    /// Checks an identity. Call it in a `const`, so that a bad one does not compile.
    ///
    /// # Errors
    /// Names the first field that is wrong.
    pub const fn new(identity: Identity<'static>) -> Result<Self, ProductError> {
        if !is_template_id(identity.template_id.as_bytes()) {
            return Err(ProductError::TemplateId);
        }
        if identity.template_name.is_empty() || identity.template_name.len() > FIELD_LEN_MAX {
            return Err(ProductError::TemplateName);
        }
        if identity.firmware_version.is_empty() || identity.firmware_version.len() > VERSION_LEN_MAX {
            return Err(ProductError::FirmwareVersion);
        }
        if !is_vendor(identity.vendor.as_bytes()) {
            return Err(ProductError::Vendor);
        }
        let fields = [
            identity.template_name,
            identity.firmware_version,
            identity.build,
            identity.board,
            identity.firmware_type,
        ];
        let mut rest: &[&str] = &fields;
        while let [field, tail @ ..] = rest {
            if field.len() > FIELD_LEN_MAX || has_nul(field.as_bytes()) {
                return Err(ProductError::Field);
            }
            rest = tail;
        }
        Ok(Self { identity, time_server: DEFAULT_TIME_SERVER, dates: Dates::Required })
    }

    /// The product with another time server: a host's name or address.
    ///
    /// # Errors
    /// When it is not one.
    pub const fn with_time_server(self, time_server: &'static str) -> Result<Self, ProductError> {
        if !is_host_name(time_server.as_bytes()) {
            return Err(ProductError::TimeServer);
        }
        Ok(Self { time_server, ..self })
    }

    /// The product with another answer to what is done while nobody knows what day it is.
    #[must_use]
    pub const fn with_dates(self, dates: Dates) -> Self {
        Self { dates, ..self }
    }

    /// The template's id, `TMPL...`.
    pub const fn template_id(&self) -> &'static str {
        self.identity.template_id
    }

    /// The template's name.
    pub const fn template_name(&self) -> &'static str {
        self.identity.template_name
    }

    /// The firmware's version.
    pub const fn firmware_version(&self) -> &'static str {
        self.identity.firmware_version
    }

    /// When the firmware was built.
    pub const fn build(&self) -> &'static str {
        self.identity.build
    }

    /// The board's name.
    pub const fn board(&self) -> &'static str {
        self.identity.board
    }

    /// The access point's prefix.
    pub const fn vendor(&self) -> &'static str {
        self.identity.vendor
    }

    /// What the cloud may update the device with: the template id unless the product says otherwise.
    pub const fn firmware_type(&self) -> &'static str {
        if self.identity.firmware_type.is_empty() {
            self.identity.template_id
        } else {
            self.identity.firmware_type
        }
    }

    /// Whether phones are sent to the setup page by themselves.
    pub const fn captive_portal(&self) -> bool {
        self.identity.captive_portal
    }

    /// Who is asked for the time, where certificates' dates are looked at.
    pub const fn time_server(&self) -> &'static str {
        self.time_server
    }

    /// What is done while nobody knows what day it is.
    pub const fn dates(&self) -> Dates {
        self.dates
    }
}

const fn is_host_name(name: &[u8]) -> bool {
    if name.len() > FIELD_LEN_MAX {
        return false;
    }
    let mut rest = name;
    let mut label_len = 0;
    while let [byte, tail @ ..] = rest {
        label_len = match *byte {
            b'.' if label_len == 0 => return false,
            b'.' => 0,
            b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => label_len + 1,
            _ => return false,
        };
        if label_len > LABEL_LEN_MAX {
            return false;
        }
        rest = tail;
    }
    label_len > 0
}

const fn is_template_id(id: &[u8]) -> bool {
    if id.len() > TEMPLATE_ID_LEN_MAX {
        return false;
    }
    let [b'T', b'M', b'P', b'L', rest @ ..] = id else { return false };
    let mut rest = rest;
    if rest.is_empty() {
        return false;
    }
    while let [byte, tail @ ..] = rest {
        if !byte.is_ascii_alphanumeric() && *byte != b'_' && *byte != b'-' {
            return false;
        }
        rest = tail;
    }
    true
}

const fn is_vendor(vendor: &[u8]) -> bool {
    if vendor.is_empty() || vendor.len() > VENDOR_LEN_MAX {
        return false;
    }
    let mut rest = vendor;
    while let [byte, tail @ ..] = rest {
        if !byte.is_ascii_alphanumeric() && *byte != b' ' {
            return false;
        }
        rest = tail;
    }
    true
}

const fn has_nul(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        if *byte == 0 {
            return true;
        }
        rest = tail;
    }
    false
}

/// The product of the tests, of which each changes what it looks at.
#[cfg(test)]
pub(crate) const SAMPLE: Identity<'static> = Identity {
    template_id: "TMPLtest0001",
    template_name: "Test",
    firmware_version: "0.1.0",
    build: "Nov 22 2026 10:40:56",
    board: "ESP32-C3",
    vendor: "Blynk",
    firmware_type: "",
    captive_portal: false,
};

/// A product of the tests.
#[cfg(test)]
pub(crate) const fn sample(identity: Identity<'static>) -> Product {
    match Product::new(identity) {
        Ok(product) => product,
        Err(_) => panic!("the product of the tests"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(identity: Identity<'static>, expected: Result<(), ProductError>) {
        assert_eq!(Product::new(identity).map(|_| ()), expected, "{identity:?}");
    }

    /// As long as a field may be, and a byte more.
    const FIELD: &str = "a field of an identity may have 64 bytes, which is more than any";
    const LONG_FIELD: &str = "a field of an identity may have 64 bytes, which is more than any ";

    #[test]
    fn a_template_id_is_tmpl_and_something() {
        for template_id in ["TMPL1", "TMPLaZ09_-", "TMPL0123456789012345678901234567"] {
            check(Identity { template_id, ..SAMPLE }, Ok(()));
        }
        for template_id in [
            "",
            "TMPL",
            "tmpl1",
            "XTMPL1",
            "TMPL 1",
            "TMPL\u{e4}",
            "TMPL\0",
            "TMPL01234567890123456789012345678",
        ] {
            check(Identity { template_id, ..SAMPLE }, Err(ProductError::TemplateId));
        }
    }

    #[test]
    fn names_and_versions_are_there_and_fit() {
        check(Identity { template_name: FIELD, firmware_version: "12.34.56-beta1", ..SAMPLE }, Ok(()));
        for template_name in ["", LONG_FIELD] {
            check(Identity { template_name, ..SAMPLE }, Err(ProductError::TemplateName));
        }
        for firmware_version in ["", "12.34.56-beta12"] {
            check(Identity { firmware_version, ..SAMPLE }, Err(ProductError::FirmwareVersion));
        }
    }

    #[test]
    fn a_prefix_has_what_the_console_allows() {
        check(Identity { vendor: "Twenty letters 4 you", ..SAMPLE }, Ok(()));
        for vendor in ["", "Twenty letters, 4 you", "Twenty 1 letters 4 us", "Caf\u{e9}", "A-B"] {
            check(Identity { vendor, ..SAMPLE }, Err(ProductError::Vendor));
        }
    }

    #[test]
    fn no_field_is_longer_than_its_frame_or_ends_in_the_middle() {
        check(Identity { build: FIELD, board: FIELD, firmware_type: FIELD, ..SAMPLE }, Ok(()));
        for bad in [LONG_FIELD, "a\0b"] {
            check(Identity { build: bad, ..SAMPLE }, Err(ProductError::Field));
            check(Identity { board: bad, ..SAMPLE }, Err(ProductError::Field));
            check(Identity { firmware_type: bad, ..SAMPLE }, Err(ProductError::Field));
        }
        check(Identity { template_name: "a\0b", ..SAMPLE }, Err(ProductError::Field));
        check(Identity { firmware_version: "a\0b", ..SAMPLE }, Err(ProductError::Field));
    }

    #[test]
    fn the_firmware_type_is_the_template_unless_the_product_says_otherwise() {
        assert_eq!(sample(SAMPLE).firmware_type(), SAMPLE.template_id);
        assert_eq!(sample(Identity { firmware_type: "lamp", ..SAMPLE }).firmware_type(), "lamp");
    }

    #[test]
    fn a_time_server_is_a_host() {
        const LABEL: &str = "a-label-may-have-63-bytes-and-then-comes-a-dot-or-the-name-ends";
        const LONG_LABEL: &str = "a-label-may-have-63-bytes-and-then-comes-a-dot-or-the-name-ends1";
        const NAME: &str = "a.name.may.have.64.bytes.which.is.more.than.any.time.server.has.";
        assert_eq!((sample(SAMPLE).time_server(), sample(SAMPLE).dates()), ("pool.ntp.org", Dates::Required));
        assert_eq!((LABEL.len(), NAME.len()), (63, 64));
        for name in ["a", "192.168.1.1", "Time-1.example", LABEL] {
            assert_eq!(sample(SAMPLE).with_time_server(name).map(|product| product.time_server()), Ok(name));
        }
        for name in ["", ".", "a.", ".a", "a..b", "a b", "a_b", "caf\u{e9}", "a\0", LONG_LABEL, NAME] {
            assert_eq!(sample(SAMPLE).with_time_server(name), Err(ProductError::TimeServer), "{name:?}");
        }
    }
}
