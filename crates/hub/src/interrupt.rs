//! Ends waits and downloads when the user interrupts the program.

use std::{
    fs::{File, TryLockError},
    io,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{Error, Result};

static INTERRUPT: OnceLock<&'static AtomicBool> = OnceLock::new();

/// Time between two looks at a lock that another process holds.
const LOOK: Duration = Duration::from_millis(50);

/// After this call, every wait and download of this process ends with [`Error::Interrupted`] once `interrupt` is set.
/// Only the first call counts.
pub fn stop_when_set(interrupt: &'static AtomicBool) {
    let _ = INTERRUPT.set(interrupt);
}

/// Ends what goes on if the program was interrupted.
pub(crate) fn check() -> Result<()> {
    check_flag(INTERRUPT.get().copied())
}

fn check_flag(interrupt: Option<&AtomicBool>) -> Result<()> {
    if interrupt.is_some_and(|interrupt| interrupt.load(Ordering::Relaxed)) { Err(Error::Interrupted) } else { Ok(()) }
}

/// Locks a file, and waits for another holder until the program is interrupted. The outer error is the interruption.
pub(crate) fn lock(file: &File) -> Result<io::Result<()>> {
    lock_until(file, INTERRUPT.get().copied())
}

fn lock_until(file: &File, interrupt: Option<&AtomicBool>) -> Result<io::Result<()>> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Ok(())),
            Err(TryLockError::Error(error)) => return Ok(Err(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        check_flag(interrupt)?;
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_for_a_lock_ends_with_the_lock_or_the_interrupt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let open = || File::options().create(true).truncate(false).write(true).open(&path).unwrap();
        let (holder, waiter) = (open(), open());
        holder.lock().unwrap();
        let interrupt = AtomicBool::new(false);
        thread::scope(|scope| {
            let waits = scope.spawn(|| lock_until(&waiter, Some(&interrupt)));
            thread::sleep(4 * LOOK);
            assert!(!waits.is_finished());
            interrupt.store(true, Ordering::Relaxed);
            assert!(matches!(waits.join().unwrap(), Err(Error::Interrupted)));
            let waits = scope.spawn(|| lock_until(&waiter, None));
            drop(holder);
            waits.join().unwrap().unwrap().unwrap();
        });
    }
}
