//! A power cut that nobody planned: the emulator is killed while its firmware writes a configuration to flash. What
//! the next one finds is the old state or the new one.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant as WallClock};

use firmware_core::Instant;
use firmware_core::store::{Loaded, Store};
use hil_link::cut_flash::{ArrayFlash, CutFlash};
use hil_sim::executor::qemu::Qemu;
use hil_sim::executor::{Executor, FLASH_LEN, OverLink};
use libtest_mimic::Failed;

/// Types a whole configuration; the device stores it in the same turn.
const CONNECT: &[u8] = b"connect TokenOfTheDevice0123456789abcdef HomeNet correct\\ horse\r";
/// Times at which the emulator is killed, spread over one and a half times what the turn takes undisturbed.
const KILLS: u32 = 12;

/// Kills emulators at different times and looks at what they leave.
pub(crate) fn leaves_the_old_state_or_the_new_one(qemu: &Qemu) -> Result<(), Failed> {
    let (took, loaded) = store(qemu, None)?;
    if loaded.trial.is_none() {
        return Err("an undisturbed emulator stores nothing".into());
    }
    let mut kept = 0;
    for kill in 0..KILLS {
        let (_, loaded) = store(qemu, Some(took * 3 * kill / (2 * KILLS)))?;
        match &loaded.trial {
            None if loaded.valid.is_none() && loaded.last_error.is_none() => {}
            Some(trial) if trial.config.ssid.as_bytes() == b"HomeNet" => kept += 1,
            found => return Err(format!("kill {kill}: neither old nor new, but {found:?}").into()),
        }
    }
    // The first one is killed before it has begun.
    if kept == KILLS { Err("no emulator was killed in time".into()) } else { Ok(()) }
}

/// Lets a fresh device store a configuration, and kills its emulator after a while; returns how long the turn
/// took, and what the next emulator's flash holds.
fn store(qemu: &Qemu, kill_after: Option<Duration>) -> Result<(Duration, Loaded), Failed> {
    let machine = qemu.start()?;
    let process = machine.process();
    let mut device = OverLink::open(machine)?;
    device.boot(crate::boot())?;
    let start = Instant::from_millis(300);
    device.turn(start, start)?;
    if device.queues().push_console(CONNECT) != CONNECT.len() {
        return Err("the console has no room".into());
    }
    let began = WallClock::now();
    let killer = kill_after.map(|after| {
        thread::spawn(move || {
            thread::sleep(after);
            Command::new("kill").args(["-9", &process.to_string()]).status()
        })
    });
    // A turn that is cut off fails; one that was over before does not. Either may be.
    let _ = device.turn(start, start);
    let took = began.elapsed();
    if let Some(killer) = killer {
        killer.join().expect("the killer ends by itself")?;
    }
    device.line_mut().kill()?;
    let mut content = ArrayFlash::<FLASH_LEN>::new();
    content.bytes_mut().copy_from_slice(&device.flash()?);
    let loaded = Store::new().load(&mut CutFlash::new(content));
    Ok((took, loaded.map_err(|error| format!("the flash cannot be read: {error:?}"))?))
}
