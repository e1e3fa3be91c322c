//! Files of a stage's `checkpoint` folder, from which a later process resumes. They are sealed, so that a damaged
//! file is never used.
//!
//! # Format policy
//! A file is one line, `unlearn saved state 1 <BLAKE3 of the rest>`, followed by the given content. A file with any
//! other first line is not used, because it is damaged or from another version of the program. The stage is then
//! computed from its beginning.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::atomic::write_atomic_with;
use crate::error::{Result, StoreError};

const MARK: &str = "unlearn saved state 1 ";

/// Writes `content`, sealed, into the file `path` of a checkpoint folder, atomically.
///
/// # Errors
/// As [`write_atomic`](crate::write_atomic).
pub fn save(path: &Path, content: &[u8]) -> Result<()> {
    let seal = format!("{MARK}{}\n", blake3::hash(content).to_hex());
    write_atomic_with(path, |file| {
        io::Write::write_all(file, seal.as_bytes())?;
        io::Write::write_all(file, content)
    })
}

/// Reads what [`save`] wrote. `None` if the file does not exist.
///
/// # Errors
/// [`StoreError::DamagedState`] if the content is not what was saved, [`StoreError::Io`].
pub fn load(path: &Path) -> Result<Option<Vec<u8>>> {
    let mut bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("read", path)(error)),
    };
    let damaged = |problem| StoreError::DamagedState { file: path.to_path_buf(), problem };
    let start = content(&bytes).map_err(damaged)?;
    bytes.drain(..start);
    Ok(Some(bytes))
}

/// Offset of the content in a sealed file. The error is the fault of the file.
fn content(bytes: &[u8]) -> Result<usize, &'static str> {
    let start = MARK.len() + 2 * blake3::OUT_LEN + 1;
    let seal = bytes.get(..start).and_then(|line| line.strip_prefix(MARK.as_bytes()));
    let seal = seal.ok_or("it has no seal: it is cut, or another version of the program saved it")?;
    let found = format!("{}\n", blake3::hash(&bytes[start..]).to_hex());
    if found.as_bytes() == seal { Ok(start) } else { Err("its content is not what was saved (the seal differs)") }
}

/// The first of these files that cannot be used, with the reason.
pub(crate) fn damaged(files: &[PathBuf]) -> Option<StoreError> {
    files.iter().find_map(|file| load(file).err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_byte_is_changed_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        assert_eq!(load(&path).unwrap(), None);
        save(&path, b"weights").unwrap();
        assert_eq!(load(&path).unwrap().unwrap(), b"weights");
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x20;
            fs::write(&path, &changed).unwrap();
            assert!(load(&path).is_err(), "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(load(&path).is_err(), "cut to {at}");
        }
        fs::write(&path, b"weights").unwrap();
        let message = load(&path).unwrap_err().to_string();
        assert!(message.contains("no seal"), "{message}");
        save(&path, b"").unwrap();
        assert_eq!(load(&path).unwrap().unwrap(), b"");
    }
}
