//! The firmware as a page takes it, made anew each time.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;

use super::{Parts, messages};

type Make = dyn Fn(&Path) -> Result<Parts, String> + Send + Sync;

/// The program's file, and what makes an image of it.
#[derive(Clone)]
pub(super) struct Firmware {
    elf: PathBuf,
    make: Arc<Make>,
}

/// What starts the simulation, and what to tell people of it.
pub(super) struct Start {
    pub(super) frame: String,
    pub(super) summary: String,
}

impl Firmware {
    pub(super) fn new(
        elf: PathBuf,
        make: impl Fn(&Path) -> Result<Parts, String> + Send + Sync + 'static,
    ) -> Self {
        Self { elf, make: Arc::new(make) }
    }

    /// Reads the program and makes its image, or says why that cannot be done.
    pub(super) async fn start(&self) -> Result<Start, String> {
        let (done, result) = oneshot::channel();
        let firmware = self.clone();
        // Not one of tokio's threads: an end would wait for it, and an image can take minutes.
        thread::spawn(move || {
            // A page that has gone does not want it.
            let _ = done.send(firmware.read());
        });
        result.await.unwrap_or_else(|_| Err("making the image ended in a panic".to_owned()))
    }

    fn read(&self) -> Result<Start, String> {
        let path = self.elf.display();
        let elf = fs::read(&self.elf).map_err(|error| format!("{path} cannot be read: {error}"))?;
        // The image is made from a copy, so that both are of the same program even while it is built again.
        let folder = tempfile::Builder::new().prefix("hil-serve-").tempdir();
        let folder = folder.map_err(|error| format!("there is no temporary folder: {error}"))?;
        let copy = folder.path().join("firmware.elf");
        fs::write(&copy, &elf).map_err(|error| format!("{} cannot be written: {error}", copy.display()))?;
        let parts = (self.make)(&copy).map_err(|why| format!("{path}: {why}"))?;
        if parts.len() != 3 {
            return Err(format!("{path}: its image has {} parts; the page takes three", parts.len()));
        }
        let image: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();
        let summary = format!("{path} ({} bytes) with an image of {image} bytes", elf.len());
        Ok(Start { frame: messages::start(&elf, &parts), summary })
    }
}
