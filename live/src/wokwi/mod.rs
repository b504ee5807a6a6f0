//! Devices in the Wokwi simulator: our firmware with the link on its serial line, and the world here.

mod line;
mod project;
mod target;

pub use line::WokwiLine;
pub use project::{Project, ProjectError};
pub use target::{Wokwi, greet};
