//! A live device: the program itself, in a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use libtest_mimic::Failed;

use crate::browser::end;

/// A device with its panel. It ends with this.
pub(crate) struct Device {
    program: Child,
    /// The panel's address, with a slash at its end.
    pub(crate) url: String,
}

impl Device {
    /// Starts a device in the world that comes with the program, without interfaces of the host.
    pub(crate) fn start() -> Result<Self, Failed> {
        Self::start_at(0)
    }

    /// The same with the panel at this port.
    pub(crate) fn start_at(port: u16) -> Result<Self, Failed> {
        let mut program = Command::new(env!("CARGO_BIN_EXE_hil-live"))
            .args(["serve", "--no-tap", "--no-open", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = program.stdout.take().ok_or("its output is taken")?;
        let mut device = Self { program, url: String::new() };
        let mut line = String::new();
        // Read to its end it would be only when the device ends; nothing more is written meanwhile.
        BufReader::new(output).read_line(&mut line)?;
        device.url = line.trim().strip_prefix("panel: ").ok_or(format!("it says {line:?}"))?.to_owned();
        Ok(device)
    }

    /// The panel's port.
    pub(crate) fn port(&self) -> Result<u16, Failed> {
        let port = self.url.trim_end_matches('/').rsplit(':').next().ok_or("no port")?;
        Ok(port.parse()?)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        end(&mut self.program);
    }
}
