//! Locks, so that one process at a time computes a stage.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::{Result, StoreError};

/// An exclusive lock on a stage. It is held until it is dropped or the process ends, in whatever way.
///
/// The operating system ties the lock to the open file. A file that stays behind after a kill locks nothing. It holds
/// the id of the last process that took the lock, for messages to waiting processes.
#[derive(Debug)]
pub(crate) struct StageLock {
    file: File,
    path: PathBuf,
}

/// The result of one attempt to lock.
enum Taken {
    /// The lock.
    Mine(StageLock),
    /// A description of the holder.
    Held(String),
    /// The holder has removed the file. A new file is needed.
    Stale,
}

impl StageLock {
    /// Takes the lock, and waits for a holder if there is one. It reports once that it waits, and for whom.
    pub(crate) fn acquire(path: &Path) -> Result<Self> {
        loop {
            match Self::attempt(path, true)? {
                Taken::Mine(lock) => return Ok(lock),
                Taken::Held(_) | Taken::Stale => {}
            }
        }
    }

    /// Takes the lock, or returns the holder.
    pub(crate) fn try_acquire(path: &Path) -> Result<Result<Self, String>> {
        loop {
            match Self::attempt(path, false)? {
                Taken::Mine(lock) => return Ok(Ok(lock)),
                Taken::Held(holder) => return Ok(Err(holder)),
                Taken::Stale => {}
            }
        }
    }

    fn attempt(path: &Path, wait: bool) -> Result<Taken> {
        let error = || StoreError::io("lock", path);
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(error())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if !wait => return Ok(Taken::Held(holder(&file))),
            Err(TryLockError::WouldBlock) => {
                tracing::info!(lock = %path.display(), holder = holder(&file), "another process computes this stage; waiting for it");
                file.lock().map_err(error())?;
            }
            Err(TryLockError::Error(source)) => return Err(error()(source)),
        }
        let mut lock = Self { file, path: path.to_path_buf() };
        if !lock.is_current().map_err(error())? {
            return Ok(Taken::Stale);
        }
        lock.sign();
        Ok(Taken::Mine(lock))
    }

    /// Releases the lock and removes its file. The stage is finished, so nobody will need the lock again.
    pub(crate) fn retire(self) {
        let _ = fs::remove_file(&self.path); // A remaining file is harmless.
    }

    /// Writes this process's id and machine into the file. A failure is ignored, because a full disk must not prevent
    /// a stage.
    fn sign(&mut self) {
        let _ = self
            .file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| write!(self.file, "{}{}", std::process::id(), this_host()));
    }

    /// Whether the file at the path is still the locked one.
    #[cfg(unix)]
    fn is_current(&self) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let locked = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(named) => Ok((named.dev(), named.ino()) == (locked.dev(), locked.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Other systems do not allow removing an open file.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "the Unix form can fail")]
    fn is_current(&self) -> io::Result<bool> {
        Ok(true)
    }
}

/// ` on NAME`, if the system gives its name.
fn this_host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { String::new() } else { format!(" on {name}") }
}

fn holder(file: &File) -> String {
    let mut file = file;
    let mut id = String::new();
    match file.read_to_string(&mut id) {
        Ok(_) if !id.trim().is_empty() => format!("process {}", id.trim()),
        _ => "an unknown process".to_owned(),
    }
}
