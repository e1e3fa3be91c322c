//! Writes of `unlearn_files` with this crate's errors, which name the path and the fix.

use std::fs::File;
use std::io;
use std::path::Path;

pub use unlearn_files::check_writable;
pub(crate) use unlearn_files::{is_temporary, random_name};

use crate::error::{Result, StoreError};

/// As [`unlearn_files::write_atomic`]: the file at `path` is the old one or the new one, never a part.
///
/// # Errors
/// [`StoreError::Io`] with `path`. [`StoreError::is_disk_full`] distinguishes a full disk from other causes.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    unlearn_files::write_atomic(path, bytes).map_err(StoreError::io("write", path))
}

/// As [`write_atomic`], for writers that stream. `write` fills the temporary file.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_atomic_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    unlearn_files::write_atomic_with(path, write).map_err(StoreError::io("write", path))
}

/// Flushes a folder's entries to the disk, so that a rename in it survives a power cut.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    unlearn_files::sync_folder(folder).map_err(StoreError::io("flush the folder", folder))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named_with_its_fix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let full = |_: &mut File| File::options().write(true).open("/dev/full")?.write_all(b"x");
        let error = write_atomic_with(&path, full).unwrap_err();
        assert!(error.is_disk_full());
        let message = error.to_string();
        assert!(message.contains("a.json") && message.contains("free some space"), "{message}");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_atomic(&folder.path().join("absent/a.json"), b"x").unwrap_err();
        assert!(error.to_string().contains("absent/a.json"), "{error}");
        assert!(!error.is_disk_full());
    }
}
