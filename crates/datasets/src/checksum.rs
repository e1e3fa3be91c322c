//! Published checksums of the distributed files of datasets.
//!
//! They are MD5, as the datasets' makers publish. That protects against damage, but not against an attacker.

use std::io::Read;
use std::path::Path;

use md5::{Digest as _, Md5};

use crate::error::{Error, Result};

/// A file and its published checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The file's name.
    pub file: &'static str,
    /// Its MD5, in lower-case hexadecimal.
    pub md5: &'static str,
}

impl Published {
    /// Checks that the file `path` is the published one.
    ///
    /// # Errors
    /// If it cannot be read or has another checksum.
    pub fn check(&self, path: &Path) -> Result<()> {
        let found = md5(path)?;
        if found == self.md5 {
            return Ok(());
        }
        Err(Error::Checksum { path: path.into(), found, expected: self.md5 })
    }
}

/// The MD5 of a file, in hexadecimal.
pub(crate) fn md5(path: &Path) -> Result<String> {
    let failed = |action| move |source| Error::Io { action, path: path.into(), source };
    let mut file = unlearn_files::open(path).map_err(failed("open"))?;
    let (mut hasher, mut buffer) = (Md5::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).map_err(failed("read"))? {
            0 => break,
            len => hasher.update(&buffer[..len]),
        }
    }
    let hash = hasher.finalize().into_iter().fold(0_u128, |hash, byte| hash << 8 | u128::from(byte));
    Ok(format!("{hash:032x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_published_passes_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("message");
        // From the test suite of RFC 1321.
        let published = Published { file: "message", md5: "f96b697d7cb7938d525a2f31aaf161d0" };
        std::fs::write(&path, "message digest").unwrap();
        published.check(&path).unwrap();
        std::fs::write(&path, "message digest.").unwrap();
        let error = published.check(&path).unwrap_err().to_string();
        assert!(error.contains("but f96b697d7cb7938d525a2f31aaf161d0 is published; fetch the file again"), "{error}");
    }
}
