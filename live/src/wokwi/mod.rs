//! Devices in the Wokwi simulator. With the link on the serial line, the world here is theirs ([`Wokwi`]); with the chip's
//! own radio, Wokwi's network is, and they are seen from outside ([`NativeWokwi`]).

mod line;
mod native;
mod project;
mod target;

pub use line::WokwiLine;
pub use native::NativeWokwi;
pub use project::{Content, Project, ProjectError};
pub use target::{Wokwi, greet};
