//! Where a running stage keeps the state of its training: `checkpoint/state.safetensors`, replaced atomically.

use std::{
    cell::Cell,
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use unlearn_run_store::write_atomic;
use unlearn_training::Checkpoints;

/// Saves to one file, as often as `interval` says.
pub(crate) struct FileCheckpoints {
    file: PathBuf,
    interval: Duration,
    saved: Cell<Instant>,
}

impl FileCheckpoints {
    pub(crate) fn new(folder: &Path, interval: Duration) -> Self {
        Self { file: folder.join("state.safetensors"), interval, saved: Cell::new(Instant::now()) }
    }
}

impl Checkpoints for FileCheckpoints {
    fn load(&self) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(&self.file) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn save(&self, state: &[u8]) -> io::Result<()> {
        write_atomic(&self.file, state).map_err(io::Error::other)?;
        self.saved.set(Instant::now());
        Ok(())
    }

    fn due(&self) -> bool {
        self.saved.get().elapsed() >= self.interval
    }
}
