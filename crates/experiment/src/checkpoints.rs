//! Saved training state of a running stage: `checkpoint/state.safetensors`, replaced atomically and sealed. The file
//! need not be in safetensors format, because a method may put a line of its own before the tensors.

use std::{
    cell::Cell,
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use unlearn_run_store::saved;
use unlearn_training::Checkpoints;

/// Saves to one file, at the given interval.
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
        saved::load(&self.file).map_err(io::Error::other)
    }

    fn save(&self, state: &[u8]) -> io::Result<()> {
        saved::save(&self.file, state).map_err(io::Error::other)?;
        self.saved.set(Instant::now());
        Ok(())
    }

    fn due(&self) -> bool {
        self.saved.get().elapsed() >= self.interval
    }
}
