//! What happens at a cloud, as its trace tells it.

use core::fmt;

use super::DeviceId;

/// What happened at a cloud. No variant holds a token or a password.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A provision token was issued, for a new device or again for an old one.
    TokenIssued {
        /// The device.
        device: DeviceId,
    },
    /// Somebody connected and said the first word.
    Connected {
        /// Through the modelled TLS.
        secure: bool,
    },
    /// A device logged in.
    LoggedIn {
        /// The device.
        device: DeviceId,
    },
    /// A login was answered with a status other than success.
    LoginRefused {
        /// That status.
        status: u16,
    },
    /// A device's first info tied it to a template.
    Activated {
        /// The device.
        device: DeviceId,
        /// The template's id.
        template: String,
    },
    /// A device without a template named one that the account does not have.
    TemplateUnknown {
        /// The device.
        device: DeviceId,
        /// What it named.
        template: String,
    },
    /// A device's connection ended or fell silent.
    Offline {
        /// The device.
        device: DeviceId,
    },
    /// A login with the token of a device that was connected already ended the older connection.
    Replaced {
        /// The device.
        device: DeviceId,
    },
    /// A device wrote a pin.
    Written {
        /// The device.
        device: DeviceId,
        /// The pin.
        pin: u8,
        /// The value; several are separated by a space, and what is not text is escaped.
        value: String,
    },
    /// A device logged an event.
    EventLogged {
        /// The device.
        device: DeviceId,
        /// The event's code.
        code: String,
        /// What it added, if anything.
        description: String,
    },
    /// A metadata field was set.
    MetaSet {
        /// The device.
        device: DeviceId,
        /// The field's name.
        field: String,
        /// Its value.
        value: String,
    },
    /// A device got a name.
    Renamed {
        /// The device.
        device: DeviceId,
        /// The name.
        name: String,
    },
    /// A device was deleted.
    Deleted {
        /// The device.
        device: DeviceId,
    },
    /// A device's token was made invalid.
    Revoked {
        /// The device.
        device: DeviceId,
    },
    /// A device was sent to another host.
    RedirectSent {
        /// That host.
        host: String,
    },
}

impl Event {
    /// Whether a person would tell it.
    pub fn is_story(&self) -> bool {
        match self {
            // Values change with the hour; what a story is about, it expects.
            Self::Connected { .. } | Self::Written { .. } => false,
            Self::TokenIssued { .. }
            | Self::LoggedIn { .. }
            | Self::LoginRefused { .. }
            | Self::Activated { .. }
            | Self::TemplateUnknown { .. }
            | Self::Offline { .. }
            | Self::Replaced { .. }
            | Self::EventLogged { .. }
            | Self::MetaSet { .. }
            | Self::Renamed { .. }
            | Self::Deleted { .. }
            | Self::Revoked { .. }
            | Self::RedirectSent { .. } => true,
        }
    }

    /// What it holds of texts that others have written.
    pub fn texts(&self) -> [Option<&str>; 2] {
        match self {
            Self::Activated { template: text, .. }
            | Self::TemplateUnknown { template: text, .. }
            | Self::Written { value: text, .. }
            | Self::Renamed { name: text, .. }
            | Self::RedirectSent { host: text } => [Some(text), None],
            Self::EventLogged { code: first, description: second, .. }
            | Self::MetaSet { field: first, value: second, .. } => [Some(first), Some(second)],
            Self::TokenIssued { .. }
            | Self::Connected { .. }
            | Self::LoggedIn { .. }
            | Self::LoginRefused { .. }
            | Self::Offline { .. }
            | Self::Replaced { .. }
            | Self::Deleted { .. }
            | Self::Revoked { .. } => [None, None],
        }
    }

    /// The device it is about, if it is about one.
    pub fn device(&self) -> Option<DeviceId> {
        match self {
            Self::Connected { .. } | Self::LoginRefused { .. } | Self::RedirectSent { .. } => None,
            Self::TokenIssued { device }
            | Self::LoggedIn { device }
            | Self::Activated { device, .. }
            | Self::TemplateUnknown { device, .. }
            | Self::Offline { device }
            | Self::Replaced { device }
            | Self::Written { device, .. }
            | Self::EventLogged { device, .. }
            | Self::MetaSet { device, .. }
            | Self::Renamed { device, .. }
            | Self::Deleted { device }
            | Self::Revoked { device } => Some(*device),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenIssued { device } => write!(f, "issued a token for device {device}"),
            Self::Connected { secure: true } => f.write_str("was called, encrypted"),
            Self::Connected { secure: false } => f.write_str("was called, unencrypted"),
            Self::LoggedIn { device } => write!(f, "device {device} logged in"),
            Self::LoginRefused { status } => write!(f, "refused a login with status {status}"),
            Self::Activated { device, template } => write!(f, "device {device} activated as {template}"),
            Self::TemplateUnknown { device, template } => {
                write!(f, "device {device} claims to be {template}, which nobody knows")
            }
            Self::Offline { device } => write!(f, "device {device} went offline"),
            Self::Replaced { device } => {
                write!(f, "device {device} logged in a second time, the first ended")
            }
            Self::Written { device, pin, value } => write!(f, "device {device} wrote V{pin} = {value}"),
            Self::EventLogged { device, code, description } if description.is_empty() => {
                write!(f, "device {device} logged {code}")
            }
            Self::EventLogged { device, code, description } => {
                write!(f, "device {device} logged {code}: {description}")
            }
            Self::MetaSet { device, field, value } => write!(f, "device {device} has {field} = {value}"),
            Self::Renamed { device, name } => write!(f, "device {device} is now called {name}"),
            Self::Deleted { device } => write!(f, "device {device} was deleted"),
            Self::Revoked { device } => write!(f, "the token of device {device} was revoked"),
            Self::RedirectSent { host } => write!(f, "sent a device to {host}"),
        }
    }
}
