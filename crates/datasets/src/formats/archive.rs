//! Reads some members of gzipped tar archives into memory.
//!
//! Nothing is written to disk. Still, an archive is refused if a member would be unpacked outside of its folder. No
//! dataset has such a member, so nothing in such an archive can be trusted.

use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::error::{Error, Result, damaged};
use crate::formats::proportion;

/// Maximum unpacked bytes of an archive: several times CIFAR's.
const LIMIT: u64 = 1 << 30;

/// Members of an archive.
pub(crate) struct Archive {
    path: PathBuf,
    members: HashMap<String, Vec<u8>>,
}

impl Archive {
    /// Reads the members `names` of the archive `path`, each of at most `limit` bytes.
    ///
    /// # Errors
    /// If the archive cannot be read or is damaged, or if a member is outside of its folder or too large.
    pub(crate) fn read(path: &Path, names: &[String], limit: u64) -> Result<Self> {
        let failed = |source| Error::Io { action: "open", path: path.into(), source };
        let file = unlearn_files::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let members = members(file, len, names, limit).map_err(|problem| damaged(path, problem))?;
        Ok(Self { path: path.into(), members })
    }

    /// A member's name for errors, and its bytes.
    ///
    /// # Errors
    /// If the archive has no such member, or the member was not read.
    pub(crate) fn member(&self, name: &str) -> Result<(PathBuf, &[u8])> {
        match self.members.get(name) {
            Some(bytes) => Ok((self.path.join(name), bytes)),
            None => Err(damaged(&self.path, format!("it lacks {name}, though it should hold it"))),
        }
    }
}

/// The members `names` of an archive of `len` bytes.
fn members(
    file: impl Read,
    len: u64,
    names: &[String],
    limit: u64,
) -> std::result::Result<HashMap<String, Vec<u8>>, String> {
    let unreadable = |error: std::io::Error| error.to_string();
    let unpacked = MultiGzDecoder::new(BufReader::new(file)).take(LIMIT);
    let mut archive = tar::Archive::new(unpacked);
    let (mut members, mut all) = (HashMap::new(), 0_u64);
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.into_owned();
        let inside = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
        if !path.components().all(inside) {
            return Err(format!("its member `{}` is outside of it; nothing was read", path.display()));
        }
        let name = path.to_str().unwrap_or_default().trim_start_matches("./").to_owned();
        if !names.contains(&name) || !entry.header().entry_type().is_file() {
            continue;
        }
        let announced = entry.size();
        if announced > limit {
            return Err(format!("its member `{name}` has {announced} bytes; at most {limit} are read"));
        }
        all = all.saturating_add(announced);
        proportion::check(all, len, "unpack it").map_err(|problem| format!("its member `{name}`: {problem}"))?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 != announced {
            return Err(format!("its member `{name}` is cut short; fetch the file again"));
        }
        members.insert(name, bytes);
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    /// A packed archive of one member, whose name is written unchanged.
    fn archive(name: &str, bytes: &[u8], announced: u64) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(announced);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        let mut file = GzEncoder::new(Vec::new(), Compression::fast());
        let fill = vec![0; bytes.len().next_multiple_of(512) - bytes.len() + 1024];
        for part in [header.as_bytes().as_slice(), bytes, &fill] {
            file.write_all(part).unwrap();
        }
        file.finish().unwrap()
    }

    fn read(file: &[u8]) -> std::result::Result<HashMap<String, Vec<u8>>, String> {
        members(file, file.len() as u64, &["a/b".to_owned()], 8)
    }

    #[test]
    fn members_asked_for_are_read_and_others_passed_over() {
        assert_eq!(read(&archive("a/b", b"bytes", 5)).unwrap()["a/b"], b"bytes");
        assert_eq!(read(&archive("./a/b", b"bytes", 5)).unwrap()["a/b"], b"bytes");
        assert_eq!(read(&archive("a/c", b"bytes", 5)).unwrap().len(), 0);
    }

    #[test]
    fn members_outside_of_the_archive_are_refused() {
        for name in ["../a/b", "a/../../b", "/a/b"] {
            let error = read(&archive(name, b"bytes", 5)).unwrap_err();
            assert!(error.ends_with("is outside of it; nothing was read"), "{name}: {error}");
        }
    }

    #[test]
    fn sizes_are_not_trusted() {
        let error = read(&archive("a/b", b"nine bytes", 10)).unwrap_err();
        assert_eq!(error, "its member `a/b` has 10 bytes; at most 8 are read");
        let large = archive("a/b", b"bytes", 1 << 33);
        let error = members(&large[..], large.len() as u64, &["a/b".to_owned()], u64::MAX).unwrap_err();
        assert!(error.contains("its member `a/b`: it announces 8589934592 bytes, more than 128 times the"), "{error}");
        let whole = archive("a/b", b"bytes", 5);
        for len in 0..whole.len() - 1 {
            let _ = read(&whole[..len]);
        }
    }
}
