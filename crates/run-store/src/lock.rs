//! One process at a time per stage.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::{Result, StoreError};

/// An exclusive lock on a stage, held until dropped or until the process ends, however it ends.
///
/// The operating system keeps the lock with the open file; the file that stays behind after a kill means nothing by itself. It holds the
/// id of the process that took the lock last, for the message to those who wait.
#[derive(Debug)]
pub(crate) struct StageLock {
    file: File,
    path: PathBuf,
}

/// What one try at a lock gives.
enum Taken {
    /// The lock.
    Mine(StageLock),
    /// Who holds it.
    Held(String),
    /// The holder removed the file meanwhile; a new one is needed.
    Stale,
}

impl StageLock {
    /// Takes the lock, waiting for whoever holds it; says once that it waits and for whom.
    pub(crate) fn acquire(path: &Path) -> Result<Self> {
        loop {
            match Self::attempt(path, true)? {
                Taken::Mine(lock) => return Ok(lock),
                Taken::Held(_) | Taken::Stale => {}
            }
        }
    }

    /// Takes the lock, or says who holds it.
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

    /// Releases the lock and removes its file: the stage is finished, nobody will need it again.
    pub(crate) fn retire(self) {
        let _ = fs::remove_file(&self.path); // A file left behind is untidy and harmless.
    }

    /// Leaves this process's id and machine in the file. A full disk must not keep a stage from running, so failure is ignored.
    fn sign(&mut self) {
        let _ = self
            .file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| write!(self.file, "{}{}", std::process::id(), this_host()));
    }

    /// True when the file at the path is still the one that is locked.
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

    /// Other systems do not let an open file be removed.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "the Unix form can fail")]
    fn is_current(&self) -> io::Result<bool> {
        Ok(true)
    }
}

/// ` on NAME`, where the system tells its name.
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
